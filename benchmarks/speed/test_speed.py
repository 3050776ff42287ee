"""How fast each stage is: `pytest benchmarks/speed`. Rates are in the column of extra info; table.py prints them side by side."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from stages import Stage, clean, compose, compress, end_to_end, labels, limit, paste, read, script, world, write

from wsprites.art.sheets import CELL_OF
from wsprites.world.script import scripts

STAGES: dict[str, Callable[[Path], Stage]] = {
    "script": script,
    "compose": compose,
    "paste": paste,
    "write": write,
    "limit": limit,
    "labels": labels,
    **{f"compress-{compression}": partial(compress, compression=compression) for compression in ("zstd", "gzip", "lz4", "none")},
    **{f"end-to-end-{workers}": partial(end_to_end, workers=workers) for workers in (1, 2)},
    "read": read,
    "read-with-h5py": partial(read, by="h5py"),
    "read-labels-only": partial(read, stored=False),
    "read-labels-only-few-characters": partial(read, stored=False, characters=32),
}


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speed")


@pytest.mark.parametrize("name", STAGES)
def test_stage(benchmark: Any, folder: Path, name: str) -> None:
    measure(benchmark, STAGES[name](folder), folder)


def test_pillow(benchmark: Any, folder: Path) -> None:
    """A yardstick for `paste`: the same frames and masks by Pillow from a finished character, what one would write first."""
    spec, art = world()
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

    measure(benchmark, (draw, spec.frames), folder)


def measure(benchmark: Any, stage: Stage, folder: Path) -> None:
    run, frames = stage
    benchmark.pedantic(run, setup=lambda: clean(folder), rounds=3, warmup_rounds=1)
    benchmark.extra_info["frames_per_s"] = round(frames / benchmark.stats.stats.median)
