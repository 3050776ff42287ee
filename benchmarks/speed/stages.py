"""The stages of generating and reading a data set. Each is a function that prepares it and returns (what to run, frames).

All stages run on one core unless their name says otherwise. `clean` deletes what a run has written; that takes a tenth as long as the run
and is not part of it. WSPRITES_SHEETS and WSPRITES_BACKGROUNDS name other art than the project's own.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from importlib.util import find_spec
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

import wsprites
from wsprites.art import World, load_world
from wsprites.art.sheets import CELL_OF
from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, create, encode_window
from wsprites.generate import Order, generate
from wsprites.generate.journal import unfinished_file
from wsprites.render import Clip, empty, render
from wsprites.world.script import scripts, split_indices

Stage = tuple[Callable[[], object], int]
"""What to run, and the number of frames that it makes or reads."""
CLIPS, WINDOW = 64, 12


def clean(folder: Path) -> None:
    for path in folder.glob("made-*"):
        path.unlink()


@cache
def world() -> World:
    """The paper's world."""
    return load_world("paper", os.environ.get("WSPRITES_SHEETS", "own"), os.environ.get("WSPRITES_BACKGROUNDS", "painted"))


@cache
def _clips() -> list[Clip]:
    spec = world().spec
    script_n = scripts(spec, 0, np.arange(CLIPS))
    return [render(world(), script_n[number]) for number in range(CLIPS)]


def script(folder: Path) -> Stage:
    spec = world().spec
    return lambda: scripts(spec, 0, np.arange(256)), 256 * spec.frames


def draw(folder: Path) -> Stage:
    spec = world().spec
    script_n = scripts(spec, 0, np.arange(CLIPS) * spec.cast.characters)  # of one character
    windows = [
        script_n[number].window(first, first + CHUNK_FRAMES) for number in range(CLIPS) for first in range(0, spec.frames, CHUNK_FRAMES)
    ]
    out = empty(spec, CHUNK_FRAMES)

    def run() -> None:
        for window in windows:
            render(world(), window, out=out)

    return run, CLIPS * spec.frames


def _encoded(clip: Clip, compression: str) -> list[list[tuple[tuple[int, ...], bytes]]]:
    """The chunks of frames and masks."""
    codec, frames = CODECS[compression], len(clip.frames_thwc)
    shapes = [chunk_shape((1, *pixels.shape), codec.tiles) for pixels in clip]
    return [
        [
            chunk
            for first in range(0, frames, CHUNK_FRAMES)
            for chunk in encode_window(pixels[first : first + CHUNK_FRAMES], first, shape, codec)
        ]
        for pixels, shape in zip(clip, shapes, strict=True)
    ]


def compress(folder: Path, compression: str = "zstd") -> Stage:
    clips = _clips()[: 4 if compression == "gzip" else 16]
    return lambda: [_encoded(clip, compression) for clip in clips], len(clips) * world().spec.frames


def _write(folder: Path, threads: int, encoded: Callable[[int], list[list[tuple[tuple[int, ...], bytes]]]], clips: int) -> None:
    """A file of pixels with the chunks that `encoded` makes in some threads; this one writes."""
    spec, art = world().spec, world().art
    order, indices = Order(world(), 0, clips), split_indices(spec, 0, clips)
    path = folder / "made-chunks.h5"
    with unfinished_file(path, order.facts, order.clips, hint="") as file, ThreadPoolExecutor(threads) as pool:
        create(file.h5, order.facts, art, indices)
        pixels = {split: [file.h5[split][name].id for name in ("frames", "masks")] for split in indices}
        rows = [(pixels[split], row) for split, index_n in indices.items() for row in range(len(index_n))]
        for (arrays, row), chunks in zip(rows, pool.map(encoded, range(clips)), strict=True):
            for array, chunks_of_array in zip(arrays, chunks, strict=True):
                for offset, data in chunks_of_array:
                    array.write_direct_chunk((row, *offset), data)


def write(folder: Path) -> Stage:
    stored = [_encoded(clip, "zstd") for clip in _clips()]
    return lambda: _write(folder, 1, lambda number: stored[number % CLIPS], 8 * CLIPS), 8 * CLIPS * world().spec.frames


def limit(folder: Path) -> Stage:
    """The limit of any generator: frames and masks that were rendered before are compressed by two threads, and written."""
    clips = _clips()
    return lambda: _write(folder, 2, lambda number: _encoded(clips[number % CLIPS], "zstd"), 16 * CLIPS), 16 * CLIPS * world().spec.frames


def end_to_end(folder: Path, workers: int = 1, clips: int = 1296) -> Stage:
    """From nothing to a complete file with frames, masks and labels, Zstd."""
    spec = world().spec
    order = Order(world(), seed=0, n=clips)
    return lambda: generate(order, folder / "made-end.h5", workers=workers), clips * spec.frames


def labels(folder: Path) -> Stage:
    """The paper's 12,960 clips, labels only."""
    spec = world().spec
    order = Order(world(), seed=0, n=12_960, frames=False)
    return lambda: generate(order, folder / "made-labels.h5"), order.n * spec.frames


def read(folder: Path, stored: bool = True, by: str = "wsprites", characters: int = 1296, threads: int = 1) -> Stage:
    """Random windows of clips of so many characters, all of which have been read once before."""
    spec = world().spec
    path = folder / f"read-{stored}.h5"
    if not path.exists():
        generate(Order(world(), seed=0, n=2 * spec.cast.characters, frames=stored), path, workers=2)
    split = wsprites.open(path)["train"]
    pixels = split["frames"] if by == "wsprites" else h5py.File(path)["train/frames"]
    rows = np.flatnonzero(np.isin(split["character"][...], np.unique(split["character"][...])[:characters]))
    rng = np.random.default_rng(0)
    windows = list(zip(rng.choice(rows, 500).tolist(), rng.integers(0, spec.frames - WINDOW, 500).tolist(), strict=True))

    pool = ThreadPoolExecutor(threads)

    def part(number: int) -> None:
        for row, first in windows[number::threads]:
            pixels[row, first : first + WINDOW]

    def run() -> None:
        if threads == 1:
            part(0)
        else:
            list(pool.map(part, range(threads)))

    run()
    return run, len(windows) * WINDOW


def loader(folder: Path, workers: int = 0, threads: int = 1) -> Stage:
    """Batches of 16 random windows of the same file, with frames, masks and labels, by torch's DataLoader, without the start of workers."""
    import torch
    from torch.utils.data import DataLoader

    from wsprites.stream import FileClips, WindowSampler, collate

    read(folder)  # makes the file
    clips = FileClips(folder / "read-True.h5", "train", window=WINDOW)
    batches = iter(DataLoader(clips, batch_size=16, sampler=WindowSampler(clips), num_workers=workers, collate_fn=collate))

    def run() -> None:
        torch.set_num_threads(threads)
        for _, _batch in zip(range(32), batches, strict=False):  # as in training, one is held while the next is made
            pass

    run()
    return run, 32 * 16 * WINDOW


def rendered(folder: Path, device: str = "cpu", compile: bool = False, batch: int = 16, threads: int = 1) -> Stage:
    """Batches of rendered windows with frames, masks and labels; each window has another character and another background."""
    import torch

    from wsprites.stream import RenderedClips

    batches = iter(RenderedClips(world(), window=WINDOW, batch=batch, device=device, compile=compile))

    def run() -> None:
        torch.set_num_threads(threads)
        for _, _batch in zip(range(32), batches, strict=False):
            pass
        if device != "cpu":
            torch.cuda.synchronize()

    run()
    return run, 32 * batch * WINDOW


def pillow(folder: Path) -> Stage:
    """A yardstick for `draw`: the same frames and masks by Pillow, from a character that is composited already."""
    spec, art = world().spec, world().art
    clip = scripts(spec, 0, [0])[0]
    scene = Image.fromarray(art.backgrounds.images[clip.background])
    cells = [Image.fromarray(cell) for cell in art.characters.atlas(int(clip.character))]
    masks = [cell.getchannel("A").point([0] * 128 + [255] * 128) for cell in cells]
    numbers = CELL_OF[clip.local_action, clip.animation_frame].tolist()

    def run() -> None:
        for number, position, (u, v) in zip(numbers, clip.position.tolist(), clip.background_offset.tolist(), strict=True):
            frame, mask = scene.crop((u, v, u + spec.width, v + spec.height)), Image.new("L", (spec.width, spec.height))
            frame.paste(cells[number], tuple(position), cells[number])
            mask.paste(masks[number], tuple(position))

    return run, spec.frames


PARTS: dict[str, Callable[[Path], Stage]] = {
    "script, 256 clips at once": script,
    "draw frames and masks": draw,
    "compress (Zstd)": compress,
    "write": write,
}
"""The parts of generating a data set."""
READS: dict[str, Callable[[Path], Stage]] = {
    f"windows of {WINDOW} from a file": read,
    "the same by 2 threads": partial(read, threads=2),
    "the same by h5py": partial(read, by="h5py"),
    "rendered from labels only": partial(read, stored=False),
    "the same, 32 characters": partial(read, stored=False, characters=32),
}
"""Ways of reading a data set."""
if find_spec("torch"):
    READS |= {f"batches from a file, {workers} of torch's workers": partial(loader, workers=workers) for workers in (0, 1, 2)}
    READS["the same, no workers, 2 threads"] = partial(loader, threads=2)
    READS |= {f"batches rendered on the fly, {threads} of torch's threads": partial(rendered, threads=threads) for threads in (1, 2)}
OTHERS: dict[str, Callable[[Path], Stage]] = {
    "draw by Pillow": pillow,
    **{f"compress ({compression})": partial(compress, compression=compression) for compression in ("gzip", "lz4", "none")},
    "labels only": labels,
}
"""Stages that are measured for comparison."""


def whole(clips: int = 1296) -> dict[str, Callable[[Path], Stage]]:
    """Generating data sets of so many clips, and the limit of it."""
    return {
        "the limit, 2 threads": limit,
        "end to end, 1 worker": partial(end_to_end, workers=1, clips=clips),
        "end to end, 2 workers": partial(end_to_end, workers=2, clips=clips),
    }
