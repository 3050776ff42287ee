"""Clips as compressed chunks, made by threads: rendering and compression run outside the interpreter's lock."""

import itertools
import math
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, encode_window, layout
from wsprites.generate.order import Order
from wsprites.render import Clip, empty, render
from wsprites.world.script import Script, scripts

_POLL_SECONDS = 0.1  # between calls of `progress` while no clip is ready
_SCRIPT_FRAMES = 2**15  # frames whose scripts are written together: with a quarter of it, a frame takes twice as long
_CLIPS_PER_JOB = 32  # consecutive clips often show one character, and stay in one thread
_BYTES_PER_JOB = 2**24

Chunk = tuple[str, tuple[int, ...], bytes]
"""A chunk of a clip: the array's name, the offset in the clip, the compressed bytes."""


class EncodedClip(NamedTuple):
    """The compressed chunks of a clip."""

    clip: int
    """Index of the clip in the whole data set."""
    chunks: list[Chunk]
    """All chunks in the order in which they are stored: those of the frames first, by offset."""
    checksum: int
    """XXH3-64 of the chunks' bytes, one after the other."""


def encoded_clip(clip: int, chunks: list[Chunk]) -> EncodedClip:
    """An EncodedClip with the checksum of its chunks."""
    checksum = xxh3_64()
    for *_, data in chunks:
        checksum.update(data)
    return EncodedClip(clip, chunks, checksum.intdigest())


def encode(order: Order, index_n: NDArray[np.int64]) -> Iterator[EncodedClip]:
    """Write the scripts of clips, render and compress them, one clip after the other.

    Args:
        order: the data file that they are for.
        index_n: (N,) int64, indices of the clips.
    """
    script_clips = max(1, _SCRIPT_FRAMES // order.spec.frames)
    for start in range(0, len(index_n), script_clips):
        yield from encode_scripts(order, scripts(order.spec, order.seed, index_n[start : start + script_clips]))


def encode_scripts(order: Order, script_n: Script) -> Iterator[EncodedClip]:
    """Render and compress N clips, (N, T) labels, one after the other; of `order`, world, compression and arrays of pixels are used."""
    codec, spec = CODECS[order.compression], order.spec
    shapes = {name: chunk_shape(shape, codec.tiles) for name, (shape, _) in layout(spec, 1).items() if name in order.pixels}
    memory = empty(spec, min(CHUNK_FRAMES, spec.frames))
    for number, index in enumerate(script_n.index.tolist()):
        script = script_n[number]
        chunks: list[Chunk] = []
        # Window by window, so that pixels are compressed while they are in the processor's cache.
        for first in range(0, spec.frames, CHUNK_FRAMES):
            window = script.window(first, first + CHUNK_FRAMES)
            frames = len(window.position)
            clip = render(order.world, window, out=Clip(memory.frames_thwc[:frames], memory.masks_thw[:frames]))
            pixels = {"frames": clip.frames_thwc, "masks": clip.masks_thw}
            for name, shape in shapes.items():
                chunks += [(name, offset, data) for offset, data in encode_window(pixels[name], first, shape, codec)]
        yield encoded_clip(index, sorted(chunks))


def encode_in_order(order: Order, index_n: NDArray[np.int64], workers: int, progress: Callable[[int], object]) -> Iterator[EncodedClip]:
    """Encode clips in the order of `index_n`, a bounded number of them ahead.

    Args:
        order: the data file that they are for.
        index_n: (N,) int64, indices of the clips.
        workers: number of threads; 1 uses the calling thread and starts no other.
        progress: called with 0 several times a second while no clip is ready. What it raises stops everything.
    """
    clip_bytes = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(order.spec, 1).items() if name in order.pixels)
    job_clips = max(1, min(_CLIPS_PER_JOB, _BYTES_PER_JOB * (1 if order.compression == "none" else 8) // clip_bytes))
    jobs = [index_n[first : first + job_clips] for first in range(0, len(index_n), job_clips)]
    workers = min(workers, len(jobs))
    if workers < 2:
        yield from encode(order, index_n)
        return
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        running = deque(pool.submit(_encode_job, order, job) for job in itertools.islice(waiting, 2 * workers))
        try:
            while running:
                while not wait([running[0]], timeout=_POLL_SECONDS).done:
                    progress(0)
                yield from running.popleft().result()
                running += [pool.submit(_encode_job, order, job) for job in itertools.islice(waiting, 1)]
        finally:
            pool.shutdown(cancel_futures=True)


def _encode_job(order: Order, index_n: NDArray[np.int64]) -> list[EncodedClip]:
    return list(encode(order, index_n))
