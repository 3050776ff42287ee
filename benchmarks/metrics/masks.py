"""Predicted against true masks, frame by frame. Axis suffixes: t frames, h rows, w columns. Scores are in [0, 1]."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Masks = NDArray[np.floating[Any]] | NDArray[np.bool_]


def soft_iou(mask_thw: Masks, true_thw: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T,) sum m g / sum (1 - (1-m)(1-g)), as in the released evaluator; 1 where both are empty."""
    m, g = np.asarray(mask_thw, np.float32), np.asarray(true_thw, np.float32)
    both = (m * g).sum((1, 2))
    either = m.sum((1, 2)) + g.sum((1, 2)) - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), 1.0)


def hard_iou(mask_thw: Masks, true_thw: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T,) intersection over union of the mask at a threshold of 1/2."""
    return soft_iou(np.asarray(mask_thw, np.float32) >= 0.5, true_thw)


def boundary_f(mask_thw: Masks, true_thw: NDArray[np.bool_], tolerance: int = 1) -> NDArray[np.float64]:
    """(T,) F measure of contours: precision and recall of boundary pixels within `tolerance` px, a square (Perazzi et al., DAVIS 2016).

    A boundary pixel is one of the mask with a neighbour (of four) outside it. 1 where both masks are empty, 0 where one is.
    """
    a, b = (_boundary(mask) for mask in (np.asarray(mask_thw, np.float32) >= 0.5, np.asarray(true_thw, bool)))
    near_a, near_b = _grow(a, tolerance), _grow(b, tolerance)
    count_a, count_b = a.sum((1, 2)), b.sum((1, 2))
    precision, recall = (a & near_b).sum((1, 2)) / np.maximum(count_a, 1), (b & near_a).sum((1, 2)) / np.maximum(count_b, 1)
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where((count_a == 0) & (count_b == 0), 1.0, f)


def _boundary(mask_thw: NDArray[np.bool_]) -> NDArray[np.bool_]:
    padded = np.pad(mask_thw, ((0, 0), (1, 1), (1, 1)), mode="edge")
    inside = padded[:, :-2, 1:-1] & padded[:, 2:, 1:-1] & padded[:, 1:-1, :-2] & padded[:, 1:-1, 2:]
    return mask_thw & ~inside


def _grow(mask_thw: NDArray[np.bool_], by: int) -> NDArray[np.bool_]:
    for axis in (1, 2):
        grown = mask_thw.copy()
        for distance in range(1, by + 1):
            for to, source in ((slice(distance, None), slice(None, -distance)), (slice(None, -distance), slice(distance, None))):
                lead = (slice(None),) * axis
                grown[(*lead, to)] |= mask_thw[(*lead, source)]
        mask_thw = grown
    return mask_thw
