"""Verifying a data file: its labels and pixels are made again from its world, art, and seed or recorded actions, and compared."""

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.file import DataFile
from wsprites.file.episodes import episodes_checksum
from wsprites.file.h5 import missing_chunks
from wsprites.generate.workers import encoded_clip
from wsprites.render import render
from wsprites.world.episode import character_splits, driven_clips, windows
from wsprites.world.script import LABELS, Script, scripts, split_indices
from wsprites.world.spec import SPLITS

_BATCH = 1024
SAMPLE = 32
"""Number of clips whose pixels are compared unless all are asked for."""


@dataclass
class Report:
    """The result of `verify`."""

    labels: int = 0
    """Number of clips whose labels were compared."""
    pixels: int = 0
    """Number of clips whose frames and masks were compared."""
    problems: list[str] = field(default_factory=list)
    """One line for each array or clip that differs; empty if the file is correct."""


def verify(data: DataFile, *, all_pixels: bool = False, progress: Callable[[int], object] = lambda clips: None) -> Report:
    """Compare all labels, and the pixels and checksums of SAMPLE clips spread over the file, or of all clips.

    Generated clips are made again from the seed. Recorded ones are replayed: the actions are done again from the start of each episode.

    Args:
        data: the file.
        all_pixels: whether to compare the pixels of all clips.
        progress: called with 1 for every clip whose pixels were compared.

    Raises:
        UserError: the art or the recorded episodes in the file are damaged.
    """
    report = Report()
    if data.art.sha256 != data.art_sha256:
        report.problems.append("art: its pixels are not those that the file was made with (art_sha256)")
    if data.episodes and not np.array_equal(data.h5["episodes"].attrs.get("checksum"), episodes_checksum(data.h5)):
        report.problems.append("episodes: they, or who chose the actions, are not what was written (checksum)")
    expected = split_indices(data.spec, data.seed, data.clips, shard=data.shard) if data.driver is None else _recorded_indices(data)
    wrong = set()
    for name, split in data.splits.items():
        if not np.array_equal(split["index"][...], expected[name]):
            assigns = f"seed {data.seed} assigns to this split among {data.clips}" if data.driver is None else "the episodes are cut into"
            report.problems.append(f"{name}/index: not the clips that {assigns}")
            wrong.add(name)
            continue
        for key in (*split.stored, *LABELS):
            _check_chunks(data.h5[name][key], report)
        report.labels += len(split)
    sample = {name: pixel_rows(len(split), len(data.indices), all_pixels) for name, split in data.splits.items() if split.stored}
    for name, first, script_n in _generated(data, expected) if data.driver is None else driven_clips(data.spec, data.episodes):
        if name in wrong:
            continue
        for key in LABELS:
            _compare_labels(name, data, key, first, script_n, report)
        for row in sample.get(name, ()):
            if first <= row < first + len(script_n.index):
                _compare_pixels(name, data, row, script_n[row - first], report)
                progress(1)
    return report


def _generated(data: DataFile, expected: Mapping[str, NDArray[np.int64]]) -> Iterator[tuple[str, int, Script]]:
    """The clips of a data set that is made from a seed, as (split, first row, labels)."""
    for name, index_n in expected.items():
        for first in range(0, len(index_n), _BATCH):
            yield name, first, scripts(data.spec, data.seed, index_n[first : first + _BATCH])


def _recorded_indices(data: DataFile) -> dict[str, NDArray[np.int64]]:
    """{split: (N,) int64 indices} of the clips that the episodes of a file are cut into."""
    split_c, cut = character_splits(data.spec), windows([episode.frames for episode in data.episodes], data.spec.frames)
    split_n = np.array([split_c[int(data.episodes[number].start.script.character)] for number, _ in cut], np.int64)
    return {name: np.flatnonzero(split_n == number) for number, name in enumerate(SPLITS)}


def pixel_rows(rows: int, clips: int, all_pixels: bool) -> list[int]:
    """The rows whose pixels are compared, in a split that has `rows` of the file's `clips` clips."""
    count = rows if all_pixels else min(rows, math.ceil(SAMPLE * rows / clips))
    return np.unique(np.linspace(0, rows - 1, count).astype(np.int64)).tolist() if count else []


def _check_chunks(dataset: h5py.Dataset, report: Report) -> None:
    """Report missing chunks, which HDF5 reads as zeros without any error."""
    missing, expected = missing_chunks(dataset)
    if missing:
        report.problems.append(f"{dataset.name[1:]}: {missing} of {expected} chunks are missing")


def _compare_labels(name: str, data: DataFile, key: str, first: int, script_n: Script, report: Report) -> None:
    """Report labels of consecutive rows that cannot be read, or the first that differs."""
    expected = getattr(script_n, key)
    try:
        actual = data[name][key][first : first + len(expected)]
    except OSError:
        report.problems.append(f"{name}/{key}: rows {first} to {first + len(expected) - 1} cannot be read")
        return
    if not np.array_equal(actual, expected):
        at = tuple(np.argwhere(actual != expected)[0].tolist())
        frame = at[1] if len(at) > 1 and key != "parts" else None
        where = f"row {first + at[0]}" + ("" if frame is None else f", frame {frame}") + _origin(data, int(script_n.index[at[0]]), frame)
        source = "the script" if data.driver is None else "the replay"
        report.problems.append(f"{name}/{key}: {where}: the file says {actual[at]}, {source} {expected[at]}")


def _compare_pixels(name: str, data: DataFile, row: int, script: Script, report: Report) -> None:
    """Report frames or masks of a clip that cannot be read or differ, and a checksum of the right ones that is not theirs."""
    index, expected, split, before = int(script.index), render(data.world, script), data[name], len(report.problems)
    for key, pixels in (("frames", expected.frames_thwc), ("masks", expected.masks_thw)):
        if key in split.stored:
            try:
                actual = split[key][row]
            except OSError:
                report.problems.append(f"{name}/{key}: clip {index} (row {row}) cannot be read")
                continue
            if not np.array_equal(actual, pixels):
                frame = np.flatnonzero((actual != pixels).reshape(len(pixels), -1).any(1))
                differs = f"differs in {len(frame)} frames, first in frame {frame[0]}{_origin(data, index, int(frame[0]))}"
                report.problems.append(f"{name}/{key}: clip {index} (row {row}) {differs}")
    if len(report.problems) == before and not data.shards:  # a virtual data set has the chunks and checksums of its shards
        try:
            checksum = encoded_clip(index, list(split.chunks(row))).checksum
        except (MemoryError, OSError, RuntimeError):  # there is no such chunk, which `_check_chunks` reports
            checksum = None
        if checksum != data.h5[name]["checksum"][row]:
            report.problems.append(f"{name}/checksum: clip {index} (row {row}): it is not that of the clip's chunks")
    report.pixels += 1


def _origin(data: DataFile, index: int, frame: int | None) -> str:
    """The episode that a clip was cut from, and the step that led to a frame of it; nothing for a generated clip."""
    if data.driver is None:
        return ""
    episode, first = windows([episode.frames for episode in data.episodes], data.spec.frames)[index]
    step = "" if frame is None else f", step {first + frame}" if first + frame else ", its start"
    return f" (episode {episode}{step})"
