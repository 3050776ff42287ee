"""How fast each stage is, on one core unless it says otherwise: `pytest benchmarks/speed`. Rates are in the column of extra info.

With the real LPC sheets where WSPRITES_SHEETS names their folder or `wsprites assets fetch` got them, else with drawn ones.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wsprites.art import ASSETS, Art, load_art
from wsprites.art.characters import Figure
from wsprites.art.fetch import fetched
from wsprites.art.sheets import CELL_OF
from wsprites.errors import UserError
from wsprites.file import CODECS, chunk_shape, encode_window
from wsprites.generate import Order, generate
from wsprites.render import empty, render
from wsprites.script import scripts
from wsprites.spec import CELL, PRESETS, WorldSpec
from wsprites.walk import start, walk

CLIPS = 256


@pytest.fixture(scope="session")
def art(tmp_path_factory: pytest.TempPathFactory) -> Art:
    folder = Path(os.environ["WSPRITES_SHEETS"]) if "WSPRITES_SHEETS" in os.environ else None
    if not folder:
        try:
            folder = fetched(ASSETS)
        except UserError:
            folder = tmp_path_factory.mktemp("sheets")
            _draw(folder)
    return load_art(PRESETS["paper"], folder)


def _draw(folder: Path) -> None:
    """Sheets with about as many pixels as the real ones."""
    for layer, count in {"body": 6, "bottomwear": 6, "topwear": 6, "hair": 6, "shoes": 1}.items():
        (folder / layer).mkdir()
        for number in range(count):
            rng = np.random.default_rng(number)
            cell = np.zeros((CELL, CELL, 4), np.uint8)
            height = {"body": 48, "shoes": 6}.get(layer, 16)
            cell[60 - height : 60, 22:42] = (*rng.integers(0, 256, 3), 255)
            Image.fromarray(np.tile(cell, (21, 13, 1))).save(folder / layer / f"{number}.png")


@pytest.fixture(scope="session")
def spec(art: Art) -> WorldSpec:
    return art.world(PRESETS["paper"])


@pytest.fixture(scope="session")
def order(spec: WorldSpec, art: Art) -> Order:
    return Order(spec, art, seed=0, n=CLIPS)


def rate(benchmark: Any, unit: str, amount: int) -> None:
    benchmark.extra_info[unit] = round(amount / benchmark.stats.stats.median)


def test_walk(benchmark: Any, spec: WorldSpec) -> None:
    uniform = np.random.default_rng(0).random((spec.frames, CLIPS, 2))
    box, sprite = spec.sprite_box, spec.sprite
    first = start(uniform[0], box)
    benchmark(lambda: walk(first, uniform, box=box, step=sprite.step, p_inertia=sprite.p_inertia, rule="paper"))
    rate(benchmark, "steps_per_s", CLIPS * spec.frames)


def test_script(benchmark: Any, spec: WorldSpec) -> None:
    benchmark(scripts, spec, 0, np.arange(CLIPS))
    rate(benchmark, "frames_per_s", CLIPS * spec.frames)


def test_composite(benchmark: Any, art: Art) -> None:
    figure = Figure(art.characters)

    def composite() -> None:
        for character in range(0, art.characters.counts[0] * 36, 7):
            figure.dress(character)
            for cell in range(63):
                figure.sprite(cell)

    benchmark(composite)
    rate(benchmark, "characters_per_s", len(range(0, art.characters.counts[0] * 36, 7)))


@pytest.mark.parametrize("dressed", [True, False], ids=["same-character", "new-character-every-clip"])
def test_render(benchmark: Any, spec: WorldSpec, art: Art, dressed: bool) -> None:
    script_n = scripts(spec, 0, np.zeros(64, np.int64) if dressed else np.arange(64))
    windows = [script_n[number].window(first, first + 30) for number in range(64) for first in (0, 30, 60)]
    figure, out = Figure(art.characters), empty(spec, 30)

    def draw() -> None:
        for window in windows:
            render(spec, window, art, figure=figure, out=out)

    benchmark(draw)
    rate(benchmark, "frames_per_s", 64 * spec.frames)


def test_render_pillow(benchmark: Any, spec: WorldSpec, art: Art) -> None:
    """A yardstick: the same frames and masks pasted by Pillow from a finished character, what one would write first."""
    clip = scripts(spec, 0, [0])[0]
    scene = Image.fromarray(art.backgrounds.images[clip.background])
    cells = [Image.fromarray(cell) for cell in art.characters.atlas(int(clip.character))]
    masks = [cell.getchannel("A").point([0] * 128 + [255] * 128) for cell in cells]
    numbers = CELL_OF[clip.local_action, clip.animation_frame].tolist()

    def draw() -> None:
        for number, position, (u, v) in zip(numbers, clip.position.tolist(), clip.background_offset.tolist(), strict=True):
            frame, mask = scene.crop((u, v, u + spec.width, v + spec.height)), Image.new("L", (spec.width, spec.height))
            frame.paste(cells[number], tuple(position), cells[number])
            mask.paste(masks[number], tuple(position))

    benchmark(draw)
    rate(benchmark, "frames_per_s", spec.frames)


@pytest.mark.parametrize("compression", ["zstd", "gzip", "lz4", "none"])
def test_compress(benchmark: Any, spec: WorldSpec, art: Art, compression: str) -> None:
    codec, script_n = CODECS[compression], scripts(spec, 0, np.arange(8))
    clips = [render(spec, script_n[number].window(0, 30), art) for number in range(8)]
    shapes = [chunk_shape((1, spec.frames, *pixels.shape[1:]), codec.tiles) for pixels in clips[0]]
    stored = 0

    def compress() -> None:
        nonlocal stored
        stored = sum(
            len(data)
            for clip in clips
            for pixels, shape in zip(clip, shapes, strict=True)
            for _, data in encode_window(pixels, 0, shape, codec)
        )

    benchmark(compress)
    rate(benchmark, "frames_per_s", 8 * 30)
    benchmark.extra_info["bytes_per_frame"] = round(stored / (8 * 30))


@pytest.mark.parametrize("workers", [1, 2])
def test_write(benchmark: Any, order: Order, tmp_path: Path, workers: int) -> None:
    """From nothing to a complete file with frames, masks and labels, Zstd."""
    benchmark.pedantic(lambda: generate(order, tmp_path / "data.h5", workers=workers, overwrite=True), rounds=3, warmup_rounds=1)
    rate(benchmark, "frames_per_s", CLIPS * order.spec.frames)


def test_write_labels(benchmark: Any, spec: WorldSpec, art: Art, tmp_path: Path) -> None:
    """The paper's 12,960 clips, labels only."""
    order = Order(spec, art, seed=0, n=12_960, frames=False)
    benchmark.pedantic(lambda: generate(order, tmp_path / "data.h5", overwrite=True), rounds=3)
    rate(benchmark, "frames_per_s", order.n * spec.frames)
