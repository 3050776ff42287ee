"""W-Sprites from the real LPC sheets, the characters of the paper."""

from pathlib import Path

import numpy as np
import pytest
from slow_compositor import character_cell
from xxhash import xxh3_128_digest

import wsprites
from wsprites.art import Art, load_art, load_world
from wsprites.art.sheets import CELL_OF
from wsprites.generate import Order, generate
from wsprites.generate.verify import verify
from wsprites.world.actions import LocalAction
from wsprites.world.script import split_indices
from wsprites.world.spec import PRESETS

LAYERS = ("body", "bottomwear", "topwear", "hair")


@pytest.fixture(scope="module")
def real_art(real_sheets: Path) -> Art:
    return load_art(PRESETS["paper"], real_sheets)


def test_all_1296_characters_compose_as_pillow_says(real_art: Art, real_sheets: Path):
    assert real_art.characters.counts == (6, 6, 6, 6, 1)
    seen = set()
    for number in range(1296):
        sheets = [number // 216, number // 36 % 6, number // 6 % 6, number % 6]
        paths = [real_sheets / layer / f"{sheet}.png" for layer, sheet in zip(LAYERS, sheets, strict=True)] + [
            real_sheets / "shoes" / "1.png"
        ]
        atlas = real_art.characters.atlas(number)
        seen.add(xxh3_128_digest(atlas))
        action, cycle = LocalAction(number % 12), number % 8
        assert np.array_equal(atlas[CELL_OF[action, cycle]], np.asarray(character_cell(paths, action, cycle)))
    assert len(seen) == 1296


def test_the_layers_take_little_memory(real_art: Art):
    assert real_art.characters.nbytes < 20e6  # all 1296 atlases would take 1.8 GB


def test_silhouettes_have_the_size_of_the_papers(real_art: Art):
    shares = [(real_art.characters.atlas(number)[:63, ..., 3] >= 128).mean() * 64 * 64 / (96 * 128) for number in range(0, 1296, 37)]
    assert 0.07 < np.mean(shares) < 0.09  # 7.9 % of the frame


def test_every_frame_of_a_cycle_differs_from_the_next(real_art: Art):
    atlas = real_art.characters.atlas(700)
    for action in LocalAction:
        cycle = [atlas[cell] for cell in CELL_OF[action]]
        if "walk" in action.name:
            assert all(not np.array_equal(a, b) for a, b in zip(cycle, cycle[1:] + cycle[:1], strict=True))


@pytest.mark.parametrize("world", PRESETS)
def test_w_sprites_generates_and_verifies(real_sheets: Path, tmp_path: Path, world: str):
    loaded = load_world(world, real_sheets).replace(frames=15)
    generate(Order(loaded, seed=0, n=20), tmp_path / "data.h5", workers=2)
    with wsprites.open(tmp_path / "data.h5") as data:
        assert verify(data, all_pixels=True).problems == []
        assert data.credits.licence == "CC-BY-SA 3.0 or GPL 3.0"
        clips = len(split_indices(loaded.spec, 0, 20)["train"])
        assert data["train"]["frames"].shape == (clips, 15, loaded.spec.height, loaded.spec.width, 3) and clips in (7, 16)
        assert 0.06 < data["train"]["masks"][...].mean() < 0.1
