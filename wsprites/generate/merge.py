"""Shards to one data set: a solid file, the very bytes of a single run's, or a virtual one, which reads from the shards."""

import os
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial as partial_of
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.errors import UserError
from wsprites.file import DataFile, create_head, describe, layout
from wsprites.generate import Order, assemble, check_output, order_of
from wsprites.generate.journal import differences, making
from wsprites.generate.workers import Chunk
from wsprites.world.script import LABELS, casting, split_indices
from wsprites.world.spec import SPLITS

_MOST_NAMED = 20


def merge(
    paths: list[Path], out: Path, *, virtual: bool = False, overwrite: bool = False, progress: Callable[[int], object] = lambda frames: None
) -> None:
    """Put shards together. Compressed chunks are checked against their checksums and copied as they are.

    Args:
        paths: all shards of a data set, in any order.
        virtual: write no pixels and labels, only where they are: relative to `out`, so the shards have to stay beside it.
        overwrite: replace `out` if it exists.
        progress: called with the number of frames that were done since the last call. What it raises stops everything.

    Raises:
        UserError: shards are missing, there twice, of different runs, damaged, or made with other versions than these.
        OSError: writing failed; merging again goes on.
    """
    check_output(out, overwrite)
    _allow_files(len(paths))
    with ExitStack() as stack:
        shards = _in_turn([stack.enter_context(DataFile(path)) for path in paths])
        if any(out.exists() and out.samefile(data.path) for data in shards):
            raise UserError(f"{out}: is one of the shards; choose another name")
        order = replace(order_of(shards[0]), shard=(1, 1))
        if different := differences({**shards[0].facts, "shard": "1/1"}, order.facts):
            raise UserError(f"{shards[0].path}: cannot be merged here: {different}; use the versions that made it")
        again = "merge again to go on"
        if virtual:
            with making(out, order.facts, order.clips, resume=False, overwrite=True, again=again) as partial:
                for _ in _chunks(shards, np.arange(order.n)) if order.pixels else ():
                    progress(order.spec.frames)
                _write_virtual(partial.h5, order, shards, out.absolute().parent)
        else:
            source = partial_of(_chunks, shards)
            assemble(order, out, source, resume=not overwrite, overwrite=overwrite, again=again, progress=progress)


def _in_turn(shards: list[DataFile]) -> list[DataFile]:
    """The shards by number. Raises UserError unless they are all there, once, and of one run."""
    first, found = shards[0], dict[int, DataFile]()
    count = first.shard[1]
    for data in shards:
        if data.shards:
            raise UserError(f"{data.path}: a virtual data set; merge the shards themselves")
        number, of = data.shard
        if different := differences({**data.facts, "shard": f"one of {of}"}, {**first.facts, "shard": f"one of {count}"}):
            raise UserError(f"{data.path}: not of the run of {first.path}: {different}")
        if number in found:
            raise UserError(f"{data.path}: shard {number}/{count} is there twice, the other is {found[number].path}")
        found[number] = data
        for split, index_n in split_indices(data.spec, data.seed, data.clips, data.shard).items():
            if not np.array_equal(data[split]["index"][...], index_n):
                raise UserError(f"{data.path}: damaged: its clips are not those of shard {number}/{count}; generate it again")
    if missing := sorted(set(range(1, count + 1)) - set(found)):
        more = ", ..." if len(missing) > _MOST_NAMED else ""
        raise UserError(f"shards missing of {count}: {', '.join(map(str, missing[:_MOST_NAMED]))}{more}; generate them, or name them all")
    return [found[number] for number in sorted(found)]


def _chunks(shards: list[DataFile], clip_n: NDArray[np.int64]) -> Iterator[tuple[NDArray[np.int64], list[Chunk]]]:
    """The chunks of clips, one clip after the other, each from its shard. Raises UserError if they are not what was written."""
    first = shards[0]
    split_of = casting(first.spec, first.seed).split
    stops = [data.indices.stop for data in shards]
    rows = [split_indices(data.spec, data.seed, data.clips, data.shard) for data in shards]
    checksums = [{split: data.h5[split]["checksum"][()] for split in SPLITS} for data in shards]
    for clip in clip_n.tolist():
        number, split = bisect_right(stops, clip), SPLITS[split_of[clip % len(split_of)]]
        row = int(np.searchsorted(rows[number][split], clip))
        checksum, chunks = xxh3_64(), []
        try:
            for name, offset, data in shards[number][split].chunks(row):
                checksum.update(data)
                chunks.append((clip, name, offset, data))
        except (MemoryError, OSError, RuntimeError):  # HDF5 cannot find or read it
            chunks = []
        if not chunks or checksum.intdigest() != checksums[number][split][row]:
            raise UserError(f"{shards[number].path}: damaged: clip {clip} is not what was written; generate this shard again")
        yield np.array([clip]), chunks


def _write_virtual(h5: h5py.File, order: Order, shards: list[DataFile], folder: Path) -> None:
    """Write where in the shards everything is."""
    create_head(h5, order.facts, order.world.art)
    for split in SPLITS:
        arrays = layout(order.spec, sum(len(data[split]) for data in shards))
        for name in (*order.pixels, *(["checksum"] if order.pixels else []), *LABELS):
            shape, dtype = arrays[name]
            virtual, stop = h5py.VirtualLayout(shape, dtype), 0
            for data in shards:
                first, stop = stop, stop + len(data[split])
                if first < stop:
                    path = Path(os.path.relpath(data.path, folder)).as_posix().replace("%", "%%")  # % has a meaning here
                    virtual[first:stop] = h5py.VirtualSource(path, f"{split}/{name}", (stop - first, *shape[1:]), dtype)
            describe(h5.create_virtual_dataset(f"{split}/{name}", virtual), name, order.spec)


def _allow_files(count: int) -> None:
    """See to it that so many files may be open at once."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = count + 100
    if soft != resource.RLIM_INFINITY and soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise UserError(f"{count} shards: the system allows only {hard} open files; raise that (ulimit -n), or use fewer shards")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
