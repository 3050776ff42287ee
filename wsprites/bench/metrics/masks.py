"""Scores of predicted masks against true ones, frame by frame. Axis suffixes: t frames, h rows, w columns. Scores are in [0, 1]."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Masks = NDArray[Any]  # floats from 0 to 1, or booleans


def soft_iou(mask_thw: Masks, true_thw: Masks) -> NDArray[np.float64]:
    """(T,) sum m g / sum (1 - (1-m)(1-g)), as in the released evaluator; 1 where both are empty."""
    if mask_thw.dtype == true_thw.dtype == bool:
        both, either = _areas(mask_thw & true_thw), _areas(mask_thw | true_thw)
    else:
        m, g = np.asarray(mask_thw, np.float32), np.asarray(true_thw, np.float32)
        both = (m * g).sum((1, 2), dtype=np.float64)
        either = m.sum((1, 2), dtype=np.float64) + g.sum((1, 2), dtype=np.float64) - both
    return np.where(either > 0, both / np.where(either > 0, either, 1), 1.0)


def hard_iou(mask_thw: Masks, true_thw: NDArray[np.bool_]) -> NDArray[np.float64]:
    """(T,) intersection over union of the mask at a threshold of 1/2."""
    return soft_iou(hard(mask_thw), true_thw)


def boundary_f(mask_thw: Masks, true_thw: NDArray[np.bool_], *, tolerance: int = 1) -> NDArray[np.float64]:
    """(T,) F measure of contours: precision and recall of boundary pixels within `tolerance` px, a square (Perazzi et al., DAVIS 2016).

    A boundary pixel is one of the mask with a neighbour (of four) outside it. 1 where both masks are empty, 0 where one is.
    """
    (a, near_a), (b, near_b) = (_boundary(mask, tolerance) for mask in (hard(mask_thw), true_thw))
    count_a, count_b = _areas(a), _areas(b)
    precision, recall = _areas(a & near_b) / np.maximum(count_a, 1), _areas(b & near_a) / np.maximum(count_b, 1)
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where((count_a == 0) & (count_b == 0), 1.0, f)


def hard(mask_thw: Masks) -> NDArray[np.bool_]:
    """(T, H, W) the mask at a threshold of 1/2."""
    return np.asarray(mask_thw if mask_thw.dtype == bool else mask_thw >= 0.5)


def _areas(mask_thw: NDArray[Any]) -> NDArray[np.float64]:
    """(T,) number of pixels set in each mask."""
    return np.array([cv2.countNonZero(mask) for mask in mask_thw.view(np.uint8)], np.float64)


def _boundary(mask_thw: NDArray[np.bool_], tolerance: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Boundary pixels, and all pixels within `tolerance` of one."""
    boundary, near = np.empty(mask_thw.shape, np.uint8), np.empty(mask_thw.shape, np.uint8)
    cross, square = cv2.getStructuringElement(cv2.MORPH_CROSS, (3, 3)), np.ones((2 * tolerance + 1,) * 2, np.uint8)
    for mask, of, around in zip(np.ascontiguousarray(mask_thw).view(np.uint8), boundary, near, strict=True):
        cv2.erode(mask, cross, dst=of)  # the frame's edge is not a boundary: pixels outside never erode
        cv2.bitwise_xor(mask, of, dst=of)
        cv2.dilate(of, square, dst=around)
    return boundary.view(bool), near.view(bool)
