"""Many scripts, many workers, one file."""

import json
import math
import os
import shutil
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.art import World
from wsprites.errors import UserError
from wsprites.file import CODECS, FORMAT, FORMAT_VERSION, DataFile, create, layout, versions, write_labels
from wsprites.generate.journal import ClipChunk, Facts, Partial, differences, making, partial_path
from wsprites.generate.workers import Chunk, chunks_in_order, encode
from wsprites.view.info import size as for_people
from wsprites.world.script import LABELS, casting, scripts, shard_clips, split_indices
from wsprites.world.spec import SPLITS, WorldSpec

Source = Callable[[NDArray[np.int64]], Iterable[tuple[NDArray[np.int64], list[Chunk]]]]
"""Given the numbers of clips, it yields some of them at a time, in this order, with their chunks."""

AGAIN = "add --resume to go on"

_LABEL_BATCH = 256
_MOST_CLIPS = 10**9


@dataclass(frozen=True)
class Order:
    """What a file is to hold."""

    world: World
    seed: int
    n: int
    """Clips over all splits."""
    compression: str = "zstd"
    frames: bool = True
    masks: bool = True
    shard: tuple[int, int] = (1, 1)
    """(k, K): the k-th of K files that together hold the data set."""

    def __post_init__(self) -> None:
        if not 1 <= self.n <= _MOST_CLIPS:
            raise UserError(f"--n {self.n}: a data set has 1 to {_MOST_CLIPS:,} clips")
        if not 0 <= self.seed < 2**63:
            raise UserError(f"--seed {self.seed} is outside the range 0 to {2**63 - 1}")
        if self.compression not in CODECS:
            raise UserError(f"--compression {self.compression}: not one of {', '.join(CODECS)}")
        number, shards = self.shard
        if not 1 <= number <= shards <= self.n:
            raise UserError(f"--shard {number}/{shards}: shards are numbered from 1, and there are no more of them than clips ({self.n})")

    @property
    def spec(self) -> WorldSpec:
        """The specification of the world."""
        return self.world.spec

    @property
    def clips(self) -> range:
        """The numbers of the clips in the file."""
        return shard_clips(self.n, self.shard)

    @property
    def visit_n(self) -> NDArray[np.int64]:
        """The same in the order in which they are made: those of one character one after the other, so that it is composited once."""
        index_n = np.arange(self.clips.start, self.clips.stop)
        return index_n[np.argsort(index_n % self.spec.cast.characters, kind="stable")]

    @property
    def facts(self) -> Facts:
        """What decides about the bytes of the file."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "world": json.loads(self.spec.to_json()),
            "seed": self.seed,
            "clips": self.n,
            "shard": "/".join(map(str, self.shard)),
            "pixels": " ".join(self.pixels),
            "compression": self.compression,
            "art_licence": self.world.art.credits.licence,
            "attribution": self.world.art.credits.attribution,
            "art_sha256": self.world.art.sha256,
            "versions": versions(),
        }

    @property
    def pixels(self) -> tuple[str, ...]:
        """Which of "frames" and "masks" the file is to hold."""
        return tuple(name for name, wanted in (("frames", self.frames), ("masks", self.frames and self.masks)) if wanted)


def estimate(order: Order) -> int:
    """Bytes that the file will have, from compressing a few of its clips."""
    codec, characters = CODECS[order.compression], order.world.art.characters
    sample = np.unique(np.linspace(order.clips.start, order.clips.stop - 1, 4).astype(np.int64))
    pixels = sum(len(chunk) for clip in encode(order, sample) for *_, chunk in clip) / len(sample) if order.pixels else 0
    raw_labels = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(order.spec, 1).items() if name in LABELS)
    labels = raw_labels / (1 if order.compression == "none" else 8)  # measured: Zstd 8.2, gzip 8.9
    images = order.world.art.backgrounds.images
    art = len(codec.encode(characters.cells(0, 0)[None])) * sum(characters.counts) + len(codec.encode(images[:1])) * len(images)
    return int(len(order.clips) * (pixels + labels) + art)


def generate(
    order: Order,
    out: Path,
    *,
    workers: int = 1,
    overwrite: bool = False,
    resume: bool = False,
    progress: Callable[[int], object] = lambda frames: None,
) -> None:
    """Write a data file. It appears under its name only when it is complete.

    Args:
        workers: processes that render and compress; 1 is this one. The bytes of the file do not depend on it.
        overwrite: replace the file, and discard what an interrupted run has left.
        resume: go on with what an interrupted run of the same order has left, if there is any; leave a file that is complete already.
        progress: called with the number of frames that were done since the last call, several times a second. What it raises
            stops everything.

    Raises:
        UserError: the output exists and `overwrite` is False, or its folder is missing, or an interrupted run has begun it and is
            neither to be resumed nor overwritten, or was another one.
        OSError: writing failed; what was finished is kept, as it is whatever else happens.
    """
    check_output(out, overwrite or resume)
    if resume and is_complete(order, out, overwrite):
        return
    how = {"resume": resume, "overwrite": overwrite}
    assemble(order, out, lambda clip_n: chunks_in_order(order, clip_n, workers, progress), again=AGAIN, progress=progress, **how)


def assemble(
    order: Order, out: Path, source: Source, *, resume: bool, overwrite: bool, again: str, progress: Callable[[int], object]
) -> None:
    """Write a data file of the chunks of a source.

    Args:
        resume, overwrite, again: as in `making`.
        progress: as in `generate`.
    """
    splits = split_indices(order.spec, order.seed, order.n, order.shard)
    with making(out, order.facts, order.clips, resume=resume, overwrite=overwrite, again=again) as partial:
        for _ in partial.kept():
            progress(order.spec.frames)
        create(partial.h5, order.facts, order.spec, order.world.art, splits)
        labels = _labels_written(partial, order, splits, progress)
        if order.pixels:
            _write_pixels(partial, order, splits, source, labels, progress)
        for _ in labels:
            pass


def _labels_written(
    partial: Partial, order: Order, splits: dict[str, NDArray[np.int64]], progress: Callable[[int], object]
) -> Iterator[None]:
    """Writes the labels of some more clips each time that it is asked."""
    for split, index_n in splits.items():
        for first in range(0, len(index_n), _LABEL_BATCH):
            write_labels(partial.h5[split], first, scripts(order.spec, order.seed, index_n[first : first + _LABEL_BATCH]))
            partial.output.check()
            progress(0)
            yield


def _write_pixels(
    partial: Partial,
    order: Order,
    splits: dict[str, NDArray[np.int64]],
    source: Source,
    labels: Iterator[None],
    progress: Callable[[int], object],
) -> None:
    """Write the chunks of all clips in the one order that makes the file what it is, and their checksums, and labels in between."""
    split_of = casting(order.spec, order.seed).split
    arrays = [{name: partial.h5[split][name].id for name in order.pixels} for split in splits]
    checksums = [np.zeros(len(index_n), np.uint64) for index_n in splits.values()]
    visit_n = order.visit_n
    kept_n = partial.has(visit_n)
    with closing(_clip_by_clip(source(visit_n[~kept_n]))) as made:
        for turn, (clip, kept) in enumerate(zip(map(int, visit_n), kept_n, strict=True)):
            number = split_of[clip % len(split_of)]
            row = int(np.searchsorted(splits[SPLITS[number]], clip))
            places, checksum = [], xxh3_64()
            chunks = partial.chunks(clip) if kept else next(made)
            if turn % _LABEL_BATCH == 0:
                next(labels, None)  # while the workers, who have begun, go on
            for name, offset, data in chunks:
                arrays[number][name].write_direct_chunk((row, *offset), data)
                places.append((name, offset, partial.output.place, len(data)))
                checksum.update(data)
            checksums[number][row] = checksum.intdigest()
            if not kept:
                partial.finished(clip, checksum.intdigest(), places)
            progress(0 if kept else order.spec.frames)
    for split, checksum_n in zip(splits, checksums, strict=True):
        partial.h5[split]["checksum"][...] = checksum_n


def _clip_by_clip(jobs: Iterable[tuple[NDArray[np.int64], list[Chunk]]]) -> Generator[list[ClipChunk]]:
    """The chunks of one clip after the other, by array and place."""
    for clip_n, chunks in jobs:
        of_clip: dict[int, list[ClipChunk]] = {}
        for clip, name, offset, data in chunks:
            of_clip.setdefault(clip, []).append((name, offset, data))
        for clip in clip_n.tolist():
            yield sorted(of_clip[clip])


def order_of(data: DataFile) -> Order:
    """The order that a file was made by. Loads the art that is in it."""
    stored = data["train"].stored
    return Order(data.world, data.seed, data.clips, data.compression, "frames" in stored, "masks" in stored, data.shard)


def is_complete(order: Order, out: Path, overwrite: bool) -> bool:
    """True if `out` is there and is what was ordered. Raises UserError if it is something else and not to be overwritten."""
    if not out.exists():
        return False
    try:
        with DataFile(out) as data:
            different = differences(data.facts, order.facts)
    except UserError:
        if overwrite:
            return False
        raise
    if different and not overwrite:
        raise UserError(f"{out}: exists already, and is another data set: {different}; choose another name or add --overwrite")
    return not different


def check_output(out: Path, overwrite: bool) -> None:
    """Raise UserError unless a file can be written there."""
    if out.exists() and not out.is_file():
        what = "a folder" if out.is_dir() else "a device or a pipe"
        raise UserError(f"{out}: {what}; --out wants the name of a file")
    if len(os.fsencode(partial_path(out).name)) > 255:
        raise UserError(f"--out {out.name[:40]}...: the name is too long; choose a shorter one")
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; choose another name or add --overwrite")
    if not out.absolute().parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it first")
    if not os.access(out.absolute().parent, os.W_OK):
        raise UserError(f"{out.parent}: no permission to write there; choose another folder")


def check_disk(out: Path, size: int) -> int:
    """Bytes for `out` where it will be, free or in what an interrupted run has left. Raises UserError if they are fewer than `size`."""
    partial = partial_path(Path(os.path.realpath(out)))
    free = shutil.disk_usage(out.absolute().parent).free + (partial.stat().st_size if partial.exists() else 0)
    if size > free:
        raise UserError(f"{out}: about {for_people(size)} needed and {for_people(free)} free; choose another disk or a smaller --n")
    return free
