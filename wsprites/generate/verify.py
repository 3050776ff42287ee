"""Verifying a data file: its labels and pixels are made again from its world, seed and art, and compared."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.file import DataFile, Split
from wsprites.render import render
from wsprites.world.script import LABELS, script, scripts, split_indices

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
    """Compare all labels, and the pixels of SAMPLE clips spread over the file, or of all clips.

    Args:
        data: the file.
        all_pixels: whether to compare the pixels of all clips.
        progress: called with 1 for every clip whose pixels were compared.
    """
    report = Report()
    if data.art.sha256 != data.art_sha256:
        report.problems.append("art: its pixels are not those that the file was made with (art_sha256)")
    expected = split_indices(data.spec, data.seed, data.clips, shard=data.shard)
    for name, split in data.splits.items():
        if not np.array_equal(split["index"][...], expected[name]):
            report.problems.append(f"{name}/index: not the clips that seed {data.seed} assigns to this split among {data.clips}")
            continue
        for key in (*split.stored, *LABELS):
            _check_chunks(data.h5[name][key], report)
        for first in range(0, len(split), _BATCH):
            rows = slice(first, first + _BATCH)
            expected_n = scripts(data.spec, data.seed, expected[name][rows])
            for key in LABELS:
                _compare_labels(f"{name}/{key}", split, key, rows, getattr(expected_n, key), report)
        report.labels += len(split)
        for row in pixel_rows(len(split), len(data.indices), all_pixels) if split.stored else []:
            _compare_pixels(name, data, split, row, report)
            progress(1)
    return report


def pixel_rows(rows: int, clips: int, all_pixels: bool) -> list[int]:
    """The rows whose pixels are compared, in a split that has `rows` of the file's `clips` clips."""
    count = rows if all_pixels else min(rows, math.ceil(SAMPLE * rows / clips))
    return np.unique(np.linspace(0, rows - 1, count).astype(np.int64)).tolist() if count else []


def _check_chunks(dataset: h5py.Dataset, report: Report) -> None:
    """Report missing chunks, which HDF5 reads as zeros without any error."""
    if dataset.chunks and dataset.size:
        expected = math.prod(-(-axis // chunk) for axis, chunk in zip(dataset.shape, dataset.chunks, strict=True))
        stored = dataset.id.get_num_chunks()
        if stored != expected:
            report.problems.append(f"{dataset.name[1:]}: {expected - stored} of {expected} chunks are missing")


def _compare_labels(name: str, split: Split, key: str, rows: slice, expected: NDArray[Any], report: Report) -> None:
    """Report labels that cannot be read, or the first that differs."""
    try:
        actual = split[key][rows]
    except OSError:
        report.problems.append(f"{name}: rows {rows.start} to {rows.start + len(expected) - 1} cannot be read")
        return
    if not np.array_equal(actual, expected):
        at = tuple(np.argwhere(actual != expected)[0].tolist())
        where = f"row {rows.start + at[0]}" + (f", frame {at[1]}" if len(at) > 1 and key != "parts" else "")
        report.problems.append(f"{name}: {where}: the file says {actual[at]}, the script {expected[at]}")


def _compare_pixels(name: str, data: DataFile, split: Split, row: int, report: Report) -> None:
    """Report frames or masks of a clip that cannot be read or differ."""
    index = int(split["index"][row])
    expected = render(data.world, script(data.spec, data.seed, index))
    for key, pixels in (("frames", expected.frames_thwc), ("masks", expected.masks_thw)):
        if key in split.stored:
            try:
                actual = split[key][row]
            except OSError:
                report.problems.append(f"{name}/{key}: clip {index} (row {row}) cannot be read")
                continue
            if not np.array_equal(actual, pixels):
                frame = np.flatnonzero((actual != pixels).reshape(len(pixels), -1).any(1))
                report.problems.append(f"{name}/{key}: clip {index} (row {row}) differs in {len(frame)} frames, first in frame {frame[0]}")
    report.pixels += 1
