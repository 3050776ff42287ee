"""Merging shards into one data set: a solid file, byte for byte that of a single run, or a virtual one, which reads from the shards."""

import os
import re
import shlex
import sys
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.file import DataFile, differences, layout
from wsprites.file.layout import create_head, describe, stored_arrays
from wsprites.generate.journal import unfinished_file
from wsprites.generate.order import Order, order_of
from wsprites.generate.output import check_output
from wsprites.generate.workers import EncodedClip, encoded_clip
from wsprites.generate.writer import assemble
from wsprites.world.script import casting, split_indices
from wsprites.world.spec import SPLITS

_MOST_NAMED = 20


def merge(
    paths: list[Path], out: Path, *, virtual: bool = False, overwrite: bool = False, progress: Callable[[int], object] = lambda frames: None
) -> None:
    """Merge shards. Compressed chunks are checked against their checksums and copied as they are.

    Args:
        paths: all shards of a data set, in any order.
        out: path of the merged file.
        virtual: write an index only (HDF5 virtual data sets) with paths relative to `out`; the shards must stay next to it.
        overwrite: replace `out` if it exists, and discard an unfinished run.
        progress: called with the number of frames that were finished since the last call. What it raises stops everything.

    Raises:
        UserError: shards are missing, occur twice, come from different runs, are damaged, or were made with other versions than these; or
            an unfinished run left clips that this merge cannot continue with.
        OSError: writing failed; merging again continues.
    """
    check_output(out, overwrite, inputs=paths)
    _allow_files(len(paths))
    with ExitStack() as stack:
        shards = _in_order([stack.enter_context(DataFile(path)) for path in paths])
        order = replace(order_of(shards[0]), shard=(1, 1))
        if different := differences(replace(shards[0].facts, shard=(1, 1)), order.facts):
            raise UserError(f"{shards[0].path}: cannot be merged here: {different}; use the versions that made it")
        if virtual:  # it records no clips: an unfinished run is always another one, with clips to lose
            hint = "merge without virtual=True to continue"
            with unfinished_file(out, order.facts, order.clips, overwrite=overwrite, hint=hint) as file:
                for _ in _clips(shards, np.arange(order.n)) if order.pixels else ():
                    progress(order.spec.frames)
                _write_virtual(file.h5, order, shards, out.absolute().parent)
        else:
            hint = "merge again to continue"
            assemble(order, out, partial(_clips, shards), resume=not overwrite, overwrite=overwrite, hint=hint, progress=progress)


def _in_order(shards: list[DataFile]) -> list[DataFile]:
    """The shards by number. Raises UserError unless all are there, once each, and come from one run."""
    first, by_number = shards[0], dict[int, DataFile]()
    count = first.shard[1]
    for data in shards:
        number = data.shard[0]
        if data.driver is not None:
            join = "join recordings with wsprites.recording.Recording.append"
            raise UserError(f"{data.path}: holds recorded episodes, which are no shards of a data set; {join}")
        if data.shards:
            raise UserError(f"{data.path}: a virtual data set; merge the shards themselves")
        if data.shard[1] != count:
            raise UserError(
                f"{data.path}: is shard {number}/{data.shard[1]}, but {first.path} is shard {first.shard[0]}/{count}: "
                "K, the number of all shards, is the same for every k; generate those with the wrong K again"
            )
        # Shards of one run differ in their number only.
        if different := differences(data.facts, replace(first.facts, shard=(number, count))):
            raise UserError(f"{data.path}: comes from another run than {first.path}: {different}")
        if number in by_number:
            raise UserError(f"{data.path}: shard {number}/{count} occurs twice, also as {by_number[number].path}; name it once")
        by_number[number] = data
        for split, index_n in split_indices(data.spec, data.seed, data.clips, shard=data.shard).items():
            if not np.array_equal(data[split]["index"][...], index_n):
                raise UserError(f"{data.path}: damaged: its clips are not those of shard {number}/{count}; generate it again")
    if missing := sorted(set(range(1, count + 1)) - set(by_number)):
        more = ", ..." if len(missing) > _MOST_NAMED else ""
        raise UserError(
            f"of {count} shards, these are missing: {', '.join(map(str, missing[:_MOST_NAMED]))}{more}; name them all, or make them: "
            + _command(missing, first)
        )
    return [by_number[number] for number in sorted(by_number)]


def _command(missing: list[int], data: DataFile) -> str:
    """The line for a shell that makes shards as another one was made, beside it, and named like it."""
    number, count = data.shard
    name, places = data.path.name, [*re.finditer(rf"(?<!\d)0*{number}(?!\d)", data.path.stem)]
    start, stop = places[-1].span() if places else (0, 0)
    name = f"{name[:start]}\0{name[stop:]}" if places else "shard-\0.h5"
    k = str(missing[0]) if len(missing) == 1 else "$k"
    out = k.join(shlex.quote(part) for part in str(data.path.with_name(name)).split("\0"))
    line = f"wsprites generate --like {shlex.quote(str(data.path))} --shard {k}/{count} --out {out} --resume"
    return line if len(missing) == 1 else f"for k in {_runs(missing)}; do {line}; done"


def _runs(numbers: list[int]) -> str:
    """Increasing numbers for a shell, those that follow each other as a sequence."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return " ".join(f"$(seq {run[0]} {run[-1]})" if len(run) > 2 else " ".join(map(str, run)) for run in runs)


def _clips(shards: list[DataFile], clip_n: NDArray[np.int64]) -> Iterator[EncodedClip]:
    """The stored clips of given indices, each from its shard. Raises UserError if one differs from its checksum."""
    first = shards[0]
    split_of = casting(first.spec, first.seed).split
    stops = [data.indices.stop for data in shards]
    rows = [split_indices(data.spec, data.seed, data.clips, shard=data.shard) for data in shards]
    checksums = [{split: data.h5[split]["checksum"][()] for split in SPLITS} for data in shards]
    for clip in clip_n.tolist():
        number, split = bisect_right(stops, clip), SPLITS[split_of[clip % len(split_of)]]
        row = int(np.searchsorted(rows[number][split], clip))
        try:
            encoded = encoded_clip(clip, list(shards[number][split].chunks(row)))
        except (MemoryError, OSError, RuntimeError):  # HDF5 cannot find or read a chunk
            encoded = None
        if encoded is None or encoded.checksum != checksums[number][split][row]:
            raise UserError(f"{shards[number].path}: damaged: clip {clip} is not what was written; generate this shard again")
        yield encoded


def _write_virtual(h5: h5py.File, order: Order, shards: list[DataFile], folder: Path) -> None:
    """Write arrays that read from the shards."""
    create_head(h5, order.facts, order.world.art)
    for split in SPLITS:
        arrays = layout(order.spec, sum(len(data[split]) for data in shards))
        for name in stored_arrays(order.facts):
            shape, dtype = arrays[name]
            virtual, stop = h5py.VirtualLayout(shape, dtype), 0
            for data in shards:
                first, stop = stop, stop + len(data[split])
                if first < stop:
                    path = Path(os.path.relpath(data.path, folder)).as_posix().replace("%", "%%")  # HDF5 substitutes after a %
                    virtual[first:stop] = h5py.VirtualSource(path, f"{split}/{name}", (stop - first, *shape[1:]), dtype)
            describe(h5.create_virtual_dataset(f"{split}/{name}", virtual), name, order.spec)


def _allow_files(count: int) -> None:
    """Raise the limit on open files so that all shards can be open at once. Raises UserError where the system forbids it."""
    if sys.platform == "win32":
        return
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = count + 100
    if soft != resource.RLIM_INFINITY and soft < needed:
        if hard != resource.RLIM_INFINITY and hard < needed:
            raise UserError(f"{count} shards: the system allows only {hard} open files; raise that (ulimit -n), or use fewer shards")
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
