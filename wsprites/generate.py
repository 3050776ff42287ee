"""Many scripts, many workers, one file."""

import math
import os
import shutil
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from wsprites.art import Art
from wsprites.encode import Memory, chunks_in_order, encode
from wsprites.errors import UserError
from wsprites.file import CODECS, create, layout, write_labels
from wsprites.script import LABELS, scripts, split_indices
from wsprites.spec import WorldSpec
from wsprites.summary import size as for_people

_LABEL_BATCH = 1024
_MOST_CLIPS = 10**9


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
    pixels = sum(len(chunk) for *_, chunk in encode(order, sample, Memory(order), threading.Event())) / len(sample) if order.pixels else 0
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
                every_n = np.arange(order.n)  # clips of one character one after the other, so that it is composited once
                visit_n = every_n[np.lexsort((every_n, every_n % order.spec.cast.characters))]
                for clip_n, chunks in chunks_in_order(order, visit_n, workers, progress):
                    for index, name, offset, data in chunks:
                        arrays[split_of[index]][name].write_direct_chunk((row_of[index], *offset), data)
                    progress(len(clip_n) * order.spec.frames)
        os.replace(partial, target)
    except OSError as error:
        raise OSError(f"{out}: writing failed ({error}); nothing was kept") from error
    finally:
        partial.unlink(missing_ok=True)


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
