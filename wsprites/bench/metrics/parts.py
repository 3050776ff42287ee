"""Scores of parts that were found without labels against true ones. Axis suffixes: t frames, h rows, w columns."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class PartScores(NamedTuple):
    """How well parts agree with true ones."""

    mean_iou: float
    """Mean over the true parts that there are: the IoU with the part that it was matched with, 0 without one. 0 to 1."""
    iou: dict[int, float]
    """The IoU of each true part that there is."""
    matched: dict[int, int]
    """True part -> the part that it was matched with."""


def part_iou(found_thw: NDArray[np.integer], true_thw: NDArray[np.integer]) -> PartScores:
    """Match parts one to one, so that the mean IoU over the true parts is as large as possible (Hungarian matching).

    The IoU is that of all frames together. 0 is the background on both sides: it is matched with nothing and has no score, but pixels that
    it takes away from a part or adds to it count. A model may find more or fewer parts than there are.

    Args:
        found_thw: (T, H, W) parts that were found, 0 or more.
        true_thw: (T, H, W) true parts, 0 or more.

    Returns:
        The scores; the mean is NaN if there are no true parts.

    Example:
        >>> found, true = np.array([[[0, 3, 3, 1]]]), np.array([[[0, 1, 2, 2]]])
        >>> part_iou(found, true)
        PartScores(mean_iou=0.5, iou={1: 0.5, 2: 0.5}, matched={1: 3, 2: 1})
    """
    from scipy.optimize import linear_sum_assignment

    found, true = found_thw.ravel().astype(np.int64), true_thw.ravel().astype(np.int64)
    columns = int(found.max(initial=0)) + 1
    both = np.bincount(true * columns + found, minlength=columns * (int(true.max(initial=0)) + 1)).reshape(-1, columns)
    either = both.sum(1, keepdims=True) + both.sum(0) - both
    iou = (both / np.maximum(either, 1))[1:, 1:]
    rows, matches = linear_sum_assignment(iou, maximize=True)
    matched = {int(row) + 1: int(match) + 1 for row, match in zip(rows, matches, strict=True) if iou[row, match] > 0}
    there = [int(part) for part in np.flatnonzero(both.sum(1)) if part]
    scores = {part: float(iou[part - 1, matched[part] - 1]) if part in matched else 0.0 for part in there}
    return PartScores(float(np.mean([*scores.values()])) if scores else float("nan"), scores, matched)
