"""Many scripts, many workers, one file."""

import itertools
import math
import os
import shutil
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.characters import Figure
from wsprites.errors import UserError
from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, create, encode_window, layout, write_labels
from wsprites.render import Clip, empty, render
from wsprites.script import LABELS, scripts, split_indices
from wsprites.spec import WorldSpec
from wsprites.summary import size as for_people

_LABEL_BATCH = 1024
_PATIENCE = 0.1  # seconds between looks at whether to stop
_MOST_CLIPS = 10**9
_CLIPS_A_JOB = 64  # scripts are written many at a time: a batch of 8 would take longer than its rendering


@dataclass(frozen=True)
class Order:
    """What a file is to hold."""

    spec: WorldSpec
    """With the cast of `art`."""
    art: Art
    seed: int
    n: int
    """Clips over all splits."""
    compression: str = "zstd"
    frames: bool = True
    masks: bool = True

    def __post_init__(self) -> None:
        if not 1 <= self.n <= _MOST_CLIPS:
            raise UserError(f"--n {self.n}: a data set has 1 to {_MOST_CLIPS:,} clips")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed {self.seed} is outside the range 0 to {2**63 - 1}")
        if self.compression not in CODECS:
            raise UserError(f"--compression {self.compression}: not one of {', '.join(CODECS)}")

    @property
    def pixels(self) -> tuple[str, ...]:
        """Which of "frames" and "masks" the file is to hold."""
        return tuple(name for name, wanted in (("frames", self.frames), ("masks", self.frames and self.masks)) if wanted)


def estimate(order: Order) -> int:
    """Bytes that the file will have, from compressing a few of its clips."""
    codec, characters = CODECS[order.compression], order.art.characters
    sample = np.unique(np.linspace(0, order.n - 1, 4).astype(np.int64))
    pixels = sum(len(chunk) for *_, chunk in _encode(order, sample, _Memory(order), threading.Event())) / len(sample) if order.pixels else 0
    raw_labels = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(order.spec, 1).items() if name in LABELS)
    labels = raw_labels / (1 if order.compression == "none" else 8)  # measured: Zstd 8.2, gzip 8.9
    images = order.art.backgrounds.images
    art = len(codec.encode(characters.cells(0, 0)[None])) * sum(characters.counts) + len(codec.encode(images[:1])) * len(images)
    return int(order.n * (pixels + labels) + art)


def generate(
    order: Order, out: Path, *, workers: int = 1, overwrite: bool = False, progress: Callable[[int], object] = lambda frames: None
) -> None:
    """Write a data file. It appears under its name only when it is complete.

    Args:
        workers: threads that render and compress. The bytes of the file do not depend on it.
        progress: called with the number of frames that were done since the last call, several times a second. What it raises
            stops everything.

    Raises:
        UserError: the output exists and `overwrite` is False, or its folder is missing.
        OSError: writing failed; nothing is left behind.
    """
    check_output(out, overwrite)
    target = Path(os.path.realpath(out))  # a link stays one
    partial = _partial(target)
    indices = split_indices(order.spec, order.seed, order.n)
    try:
        h5 = create(partial, order.spec, order.art, order.seed, indices, order.compression, order.pixels)
    except OSError as error:  # HDF5 locks what it writes; within one process it says "already open" instead
        if isinstance(error, BlockingIOError) or "already open" in str(error):
            raise UserError(f"{partial}: another run is writing it; wait for it or choose another --out") from None
        partial.unlink(missing_ok=True)
        raise OSError(f"{out}: writing failed ({error}); nothing was kept") from error
    try:
        with h5:
            for split, index_n in indices.items():
                for first in range(0, len(index_n), _LABEL_BATCH):
                    write_labels(h5[split], first, scripts(order.spec, order.seed, index_n[first : first + _LABEL_BATCH]))
                    progress(0)
            if order.pixels:
                split_of, row_of = np.empty((2, order.n), np.int64)
                for number, index_n in enumerate(indices.values()):
                    split_of[index_n], row_of[index_n] = number, np.arange(len(index_n))
                arrays = [{name: h5[split][name].id for name in order.pixels} for split in indices]
                for clips, chunks in _in_order(order, workers, progress):
                    for index, name, offset, data in chunks:
                        arrays[split_of[index]][name].write_direct_chunk((row_of[index], *offset), data)
                    progress(clips * order.spec.frames)
        os.replace(partial, target)
    except OSError as error:
        raise OSError(f"{out}: writing failed ({error}); nothing was kept") from error
    finally:
        partial.unlink(missing_ok=True)


class _Memory(threading.local):
    """What a worker uses again for every clip."""

    def __init__(self, order: Order) -> None:
        self.clip = empty(order.spec, min(CHUNK_FRAMES, order.spec.frames))
        self.figure = Figure(order.art.characters)


_Chunk = tuple[int, str, tuple[int, ...], bytes]  # the clip's number, the array's name, the offset in the clip, the bytes


def _encode(order: Order, index_n: NDArray[np.int64], memory: _Memory, stop: threading.Event) -> list[_Chunk]:
    """Write, render and compress some clips. Window by window, so that pixels are compressed while they are in the cache.

    Once `stop` is set, it comes to nothing.
    """
    codec, spec = CODECS[order.compression], order.spec
    shapes = {name: chunk_shape(shape, codec.tiles) for name, (shape, _) in layout(spec, 1).items() if name in order.pixels}
    script_n = scripts(spec, order.seed, index_n)
    chunks: list[_Chunk] = []
    for number, index in enumerate(index_n.tolist()):
        if stop.is_set():
            return []
        script = script_n[number]
        for first in range(0, spec.frames, CHUNK_FRAMES):
            window = script.window(first, first + CHUNK_FRAMES)
            frames = len(window.position)
            memory_t = Clip(memory.clip.frames_thwc[:frames], memory.clip.masks_thw[:frames])
            clip = render(spec, window, order.art, out=memory_t, figure=memory.figure)
            pixels = {"frames": clip.frames_thwc, "masks": clip.masks_thw}
            for name, shape in shapes.items():
                chunks += [(index, name, offset, data) for offset, data in encode_window(pixels[name], first, shape, codec)]
    return chunks


def _in_order(order: Order, workers: int, progress: Callable[[int], object]) -> Iterator[tuple[int, list[_Chunk]]]:
    """(number of clips, their chunks) job by job, always in the same order, computed by threads a few jobs ahead.

    Threads, since rendering and compression leave Python: nothing has to be copied between processes. Clips of one character come
    one after the other, so that it is composited once.
    """
    index_n = np.arange(order.n)
    visit_n = np.lexsort((index_n, index_n % order.spec.cast.characters))
    jobs = (visit_n[first : first + _CLIPS_A_JOB] for first in range(0, order.n, _CLIPS_A_JOB))
    memory, stop = _Memory(order), threading.Event()
    pool = ThreadPoolExecutor(workers)
    try:
        ahead = deque((len(job), pool.submit(_encode, order, job, memory, stop)) for job in itertools.islice(jobs, 2 * workers))
        while ahead:
            clips, future = ahead.popleft()
            while not future.done():
                wait([future], timeout=_PATIENCE)
                progress(0)
            ahead.extend((len(job), pool.submit(_encode, order, job, memory, stop)) for job in itertools.islice(jobs, 1))
            yield clips, future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)


def _partial(out: Path) -> Path:
    """Where a file is while it is written: beside its place, so that it can be renamed."""
    return out.with_name(f".{out.name}.wsprites-partial")


def check_output(out: Path, overwrite: bool) -> None:
    """Raise UserError unless a file can be written there."""
    if out.exists() and not out.is_file():
        what = "a folder" if out.is_dir() else "a device or a pipe"
        raise UserError(f"{out}: {what}; --out wants the name of a file")
    if len(os.fsencode(_partial(out).name)) > 255:
        raise UserError(f"--out {out.name[:40]}...: the name is too long; choose a shorter one")
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; choose another name or add --overwrite")
    if not out.absolute().parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it first")
    if not os.access(out.absolute().parent, os.W_OK):
        raise UserError(f"{out.parent}: no permission to write there; choose another folder")


def check_disk(out: Path, size: int) -> int:
    """Free bytes where `out` will be. Raises UserError if they are fewer than `size`."""
    free = shutil.disk_usage(out.absolute().parent).free
    if size > free:
        raise UserError(f"{out}: about {for_people(size)} needed and {for_people(free)} free; choose another disk or a smaller --n")
    return free
