"""Scaled worlds: sheets scaled by area, and the same pixels wherever they are rendered."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from samples import characters_in

import wsprites
from wsprites.art import Art, World, load_art, load_world
from wsprites.art.alpha import shrink
from wsprites.art.sheets import CELL_OF
from wsprites.bench.reader import Reader
from wsprites.errors import UserError
from wsprites.generate import Order, generate
from wsprites.generate.verify import verify
from wsprites.render import render
from wsprites.render.batch import BatchRenderer
from wsprites.view.info import world_line
from wsprites.world.script import LABELS, scripts
from wsprites.world.spec import PRESETS, WorldSpec

SMALL = PRESETS["small-world"]


def mean_of_area(cell: np.ndarray, size: int, y: int, x: int) -> list[int]:
    """One pixel of a scaled cell in exact fractions."""
    ratio = Fraction(len(cell), size)
    total, alpha, colour = Fraction(0), Fraction(0), [Fraction(0)] * 3
    for row in range(len(cell)):
        high = max(Fraction(0), min(Fraction(row + 1), (y + 1) * ratio) - max(Fraction(row), y * ratio))
        for column in range(len(cell)):
            wide = max(Fraction(0), min(Fraction(column + 1), (x + 1) * ratio) - max(Fraction(column), x * ratio))
            area, (*rgb, a) = high * wide, cell[row, column].tolist()
            total, alpha = total + area, alpha + area * a
            colour = [sum_ + area * a * c for sum_, c in zip(colour, rgb, strict=True)]
    rounded = int(alpha / total + Fraction(1, 2))
    return [*(int(sum_ / alpha + Fraction(1, 2)) for sum_ in colour), rounded] if rounded else [0] * 4


@settings(max_examples=40)
@given(hnp.arrays(np.uint8, (2, 6, 6, 4)), st.integers(1, 6))
def test_every_pixel_is_the_mean_of_its_area(cells: np.ndarray, size: int):
    small = shrink(cells, size)
    assert small.shape == cells.shape
    assert not small[:, size:].any() and not small[:, :, size:].any()
    for y, x in [(0, 0), (size - 1, 0), (size // 2, size - 1)]:
        assert [pixels[y, x].tolist() for pixels in small] == [mean_of_area(cell, size, y, x) for cell in cells]


def test_a_cell_of_one_colour_keeps_it():
    cells = np.full((1, 64, 64, 4), (10, 200, 30, 255), np.uint8)
    assert (shrink(cells, 24)[0, :24, :24] == (10, 200, 30, 255)).all()


def test_sheets_are_scaled_as_pillow_scales_them(sheets: Path):
    whole, half = (characters_in(sheets, tuple(SMALL.cast.layers), cell=cell) for cell in (64, 32))
    ours = half.cells(0, 0)[:, :32, :32].astype(int)
    pillow = np.stack([np.asarray(Image.fromarray(cell).resize((32, 32), Image.Resampling.BOX)) for cell in whole.cells(0, 0)])
    opaque = (ours[..., 3] > 250) & (pillow[..., 3] > 250)
    assert opaque.any() and np.abs(ours[..., 3] - pillow[..., 3]).max() <= 1 and np.abs(ours - pillow)[opaque].max() <= 2


@pytest.fixture(scope="module")
def small(sheets: Path, backgrounds: Path) -> World:
    return load_world(replace(SMALL, frames=12), sheets, backgrounds)


def test_a_frame_is_the_crop_with_the_scaled_cell_on_it(small: World):
    script = scripts(small.spec, 0, [3])[0]
    clip = render(small, script)
    assert clip.frames_thwc.shape == (12, 48, 64, 3)
    for t in range(12):
        (x, y), (u, v) = script.position[t], script.background_offset[t]
        frame = Image.fromarray(small.art.backgrounds.images[script.background, v : v + 48, u : u + 64]).convert("RGBA")
        cell = small.art.characters.atlas(int(script.character))[CELL_OF[script.local_action[t], script.animation_frame[t]]][:32, :32]
        layer = Image.new("RGBA", (64, 48))
        layer.paste(Image.fromarray(cell), (int(x), int(y)))
        assert np.array_equal(clip.frames_thwc[t], np.asarray(Image.alpha_composite(frame, layer))[..., :3])
        mask = np.zeros((48, 64), bool)
        mask[y : y + 32, x : x + 32] = cell[..., 3] >= 128
        assert np.array_equal(clip.masks_thw[t], mask) and mask.any()


@pytest.mark.parametrize("scale", [0.25, 0.5, 0.75])
def test_batches_equal_the_renderer(scale: float, sheets: Path, backgrounds: Path):
    world = load_world(replace(SMALL, scale=scale, height=50, width=66, frames=5), sheets, backgrounds)
    script = scripts(world.spec, 1, np.arange(4))
    frames, masks = render(world, script)
    drawn, solid = BatchRenderer(world, "cpu")({name: torch.from_numpy(getattr(script, name)) for name in LABELS})
    assert np.array_equal(drawn.numpy(), np.moveaxis(frames, -1, 2)) and np.array_equal(solid.numpy(), masks)


@pytest.mark.parametrize("frames", [True, False])
def test_a_file_of_a_scaled_world(frames: bool, small: World, tmp_path: Path):
    out = tmp_path / "small.h5"
    generate(Order(small, seed=4, n=6, frames=frames), out)
    with wsprites.open(out) as data:
        assert verify(data).problems == []
        assert data.spec == small.spec and data.world.art.sha256 == small.art.sha256 and data.world.art.characters.cell == 32
        split = data["train"]
        assert np.array_equal(split["frames"][0], render(small, split.script(0)).frames_thwc)
        assert "32 x 32 cell" in data.h5["train/position"].attrs["description"]


def test_sheets_of_a_file_have_no_pixels_outside_a_scaled_cell(small: World, tmp_path: Path):
    """The renderer would draw them beside the character, or fail where that is outside the frame."""
    generate(Order(small, seed=1, n=18, frames=False), tmp_path / "data.h5")
    cell = small.spec.cell
    with h5py.File(tmp_path / "data.h5", "r+") as h5:
        sheets = h5["art/layers/hair"]
        pixels = sheets[0]
        pixels[3, cell, cell - 1] = 255
        sheets[0] = pixels
    words = f"data.h5: damaged: /art/layers has pixels outside the {cell} x {cell} pixels of a cell"
    with wsprites.open(tmp_path / "data.h5") as data, pytest.raises(UserError, match=words):
        data["train"]["frames"][0]


def test_files_of_other_worlds_do_not_know_of_the_scale(spec: WorldSpec):
    assert "scale" not in spec.to_json() and WorldSpec.from_json(spec.to_json()) == spec
    assert '"scale": 0.5' in SMALL.to_json() and WorldSpec.from_json(SMALL.to_json()) == SMALL
    assert "scale" not in replace(SMALL, scale=1, height=96, width=128).to_json()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"scale": 0.3}, "scale = 0.3 gives cells of 19.2 pixels; it must be a multiple of 1/64"),
        ({"scale": 2.0}, "scale = 2.0 is outside the range 0.125 to 1.0"),
        ({"scale": 1.0}, r"height = 48 is below 64: a character's cell has 64 x 64 pixels \(scale = 1\)"),
        ({"width": 31}, "width = 31 is below 32"),
    ],
)
def test_impossible_scales_are_refused(changes: dict, words: str):
    with pytest.raises(ValueError, match=words):
        replace(SMALL, **changes)


def test_art_of_another_scale_does_not_fit(art: Art, small: World):
    with pytest.raises(ValueError, match=r"spec.scale = 0.5 needs cells of 32 pixels, but the art was loaded with 64"):
        art.world(replace(PRESETS["paper"], scale=0.5))
    with pytest.raises(ValueError, match=r"spec.scale = 1 needs cells of 64 pixels, but the art was loaded with 32"):
        small.replace(scale=1.0, height=96, width=128)


def test_the_reader_of_the_benchmark_reads_a_scaled_world():
    world = load_world(replace(SMALL, frames=30))
    clips = scripts(world.spec, 0, [1, 2])
    for script in (clips[0], clips[1]):
        read = Reader(world.art, int(script.character), 3).read(render(world, script).frames_thwc)
        assert np.abs(read.position - script.position).max() < 0.75
        assert (read.local_action == script.local_action).mean() > 0.9


def test_streams_and_environments_show_a_scaled_world(small: World):
    from wsprites.env import WalkEnv
    from wsprites.stream import RenderedClips

    sample = next(iter(RenderedClips(small, "train", 4, 1)))
    assert sample["frames"].shape == (4, 3, 48, 64) and (sample["position"].numpy() <= (32, 16)).all()
    env = WalkEnv(world=small)
    frame, _ = env.reset(seed=1)
    assert frame.shape == env.observation_space.shape == (48, 64, 3)
    for _ in range(12):
        _, _, _, _, info = env.step(np.array([1, 2]))  # right, until the edge
    assert info["position"][0] == 32


def test_summaries_say_the_scale(small: World):
    assert "characters scaled by 0.5" in world_line(small.spec) and "scaled" not in world_line(PRESETS["paper"])


def test_the_scale_of_the_art_is_that_of_its_specification(sheets: Path):
    assert load_art(SMALL, sheets).characters.cell == 32 and load_art(PRESETS["paper"], sheets).characters.cell == 64
