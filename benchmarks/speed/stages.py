"""What is measured: each stage of making and reading a data set as a function that prepares it and returns (what to run, frames).

All run on one core, but for those that say otherwise. Before each run `clean` deletes what the one before has written, which takes as
long as a tenth of the work and is no part of it. WSPRITES_SHEETS and WSPRITES_BACKGROUNDS name other art than the project's own.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import h5py
import numpy as np

import wsprites
from wsprites.art import Art, World, load_art
from wsprites.art.characters import Figure
from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, create, encode_window
from wsprites.generate import Order, generate
from wsprites.generate.journal import unfinished_file
from wsprites.render import Clip, empty, render
from wsprites.world.script import scripts, split_indices
from wsprites.world.spec import PRESETS, WorldSpec

Stage = tuple[Callable[[], object], int]
CLIPS, WINDOW = 64, 12
CLIPS_OF_A_CHARACTER = 10  # in the paper's data set


def clean(folder: Path) -> None:
    for path in folder.glob("made-*"):
        path.unlink()


@cache
def world() -> tuple[WorldSpec, Art]:
    art = load_art(PRESETS["paper"], os.environ.get("WSPRITES_SHEETS", "own"), os.environ.get("WSPRITES_BACKGROUNDS", "painted"))
    return art.world(PRESETS["paper"]).spec, art


@cache
def _clips() -> list[Clip]:
    spec, art = world()
    script_n = scripts(spec, 0, np.arange(CLIPS))
    return [render(World(spec, art), script_n[number]) for number in range(CLIPS)]


def script(folder: Path) -> Stage:
    spec, _ = world()
    return lambda: scripts(spec, 0, np.arange(256)), 256 * spec.frames


def compose(folder: Path) -> Stage:
    """As OpenCV needs it; compiled code draws the sheets one on another."""
    spec, art = world()
    figure, characters = Figure(art.characters), range(0, spec.cast.characters, 13)

    def run() -> None:
        for character in characters:
            figure.dress(character)
            for cell in range(63):
                figure.sprite(cell)

    return run, len(characters) * CLIPS_OF_A_CHARACTER * spec.frames


def paste(folder: Path) -> Stage:
    spec, art = world()
    script_n = scripts(spec, 0, np.arange(CLIPS) * spec.cast.characters)  # of one character
    windows = [
        script_n[number].window(first, first + CHUNK_FRAMES) for number in range(CLIPS) for first in range(0, spec.frames, CHUNK_FRAMES)
    ]
    out = empty(spec, CHUNK_FRAMES)

    def run() -> None:
        for window in windows:
            render(World(spec, art), window, out=out)

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
    return lambda: [_encoded(clip, compression) for clip in clips], len(clips) * world()[0].frames


def _write(folder: Path, threads: int, encoded: Callable[[int], list[list[tuple[tuple[int, ...], bytes]]]], clips: int) -> None:
    """A file of pixels with the chunks that `encoded` makes in some threads; this one writes."""
    spec, art = world()
    order, indices = Order(World(spec, art), 0, clips), split_indices(spec, 0, clips)
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
    return lambda: _write(folder, 1, lambda number: stored[number % CLIPS], 8 * CLIPS), 8 * CLIPS * world()[0].frames


def limit(folder: Path) -> Stage:
    """Frames and masks are rendered before; two threads compress them, and they are written."""
    clips = _clips()
    return lambda: _write(folder, 2, lambda number: _encoded(clips[number % CLIPS], "zstd"), 16 * CLIPS), 16 * CLIPS * world()[0].frames


def end_to_end(folder: Path, workers: int = 1, clips: int = 1296) -> Stage:
    """From nothing to a complete file with frames, masks and labels, Zstd."""
    spec, art = world()
    order = Order(World(spec, art), seed=0, n=clips)
    return lambda: generate(order, folder / "made-end.h5", workers=workers), clips * spec.frames


def labels(folder: Path) -> Stage:
    """The paper's 12,960 clips, labels only."""
    spec, art = world()
    order = Order(World(spec, art), seed=0, n=12_960, frames=False)
    return lambda: generate(order, folder / "made-labels.h5"), order.n * spec.frames


def read(folder: Path, stored: bool = True, by: str = "wsprites", characters: int = 1296, threads: int = 1) -> Stage:
    """Random windows of clips of so many characters, once all of them have been read before."""
    spec, art = world()
    path = folder / f"read-{stored}.h5"
    if not path.exists():
        generate(Order(World(spec, art), seed=0, n=2 * spec.cast.characters, frames=stored), path, workers=2)
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
    """Batches of 16 random windows of the same file, frames, masks and labels, by torch's DataLoader. Starting workers is not counted."""
    import torch
    from torch.utils.data import DataLoader

    from wsprites.stream import FileClips, WindowSampler, collate

    read(folder)  # makes the file
    clips = FileClips(folder / "read-True.h5", "train", WINDOW)
    batches = iter(DataLoader(clips, batch_size=16, sampler=WindowSampler(clips), num_workers=workers, collate_fn=collate))

    def run() -> None:
        torch.set_num_threads(threads)
        for _, _batch in zip(range(32), batches, strict=False):  # as in training, one is held while the next is made
            pass

    run()
    return run, 32 * 16 * WINDOW


def rendered(folder: Path, device: str = "cpu", compile: bool = False, batch: int = 16, threads: int = 1) -> Stage:
    """Batches of windows that are rendered, each of another character before another scene, frames, masks and labels."""
    import torch

    from wsprites.stream import RenderedClips

    spec, art = world()
    batches = iter(RenderedClips(World(spec, art), window=WINDOW, batch=batch, device=device, compile=compile))

    def run() -> None:
        torch.set_num_threads(threads)
        for _, _batch in zip(range(32), batches, strict=False):
            pass
        if device != "cpu":
            torch.cuda.synchronize()

    run()
    return run, 32 * batch * WINDOW
