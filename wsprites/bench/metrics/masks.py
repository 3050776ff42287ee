"""Scores of predicted masks against true ones, frame by frame. Axis suffixes: t frames, h rows, w columns. Scores are in [0, 1]."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Masks = NDArray[Any]  # floats from 0 to 1, or booleans
_WINDOW = 5  # pixels of a side of the surroundings in which masks are compared


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
    """(T,) F measure of contours (Perazzi et al., DAVIS 2016) that tells the inside from the outside; 0 if one is empty.

    A boundary pixel is one of the mask with a neighbour (of four) outside it; pixels beyond the edge of the frame are no neighbours. It is
    matched if the other mask has a boundary pixel within `tolerance` px (a square), and the two masks differ in at most 12 of the 5 x 5
    pixels around it (beyond the edge, the nearest pixel of the frame is repeated). Precision and recall are the matched shares.
    Of masks without a boundary (empty, or the whole frame) it is 1 if they are equal, otherwise 0.
    The second condition is not in DAVIS, where an inverted mask, which has the same contour, gets 1; here it gets 0.
    """
    a, b = hard(mask_thw), true_thw
    (edge_a, near_a), (edge_b, near_b), alike = _boundary(a, tolerance), _boundary(b, tolerance), _alike(a, b)
    count_a, count_b = _areas(edge_a), _areas(edge_b)
    precision, recall = _areas(edge_a & near_b & alike) / np.maximum(count_a, 1), _areas(edge_b & near_a & alike) / np.maximum(count_b, 1)
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-12)
    return np.where((count_a == 0) & (count_b == 0), _areas(a ^ b) == 0, f)


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


def _alike(a_thw: NDArray[np.bool_], b_thw: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Pixels in whose surroundings two masks mostly agree."""
    differ = np.empty(a_thw.shape, np.uint8)
    for both, of in zip((a_thw ^ b_thw).view(np.uint8), differ, strict=True):
        cv2.boxFilter(both, -1, (_WINDOW, _WINDOW), dst=of, normalize=False, borderType=cv2.BORDER_REPLICATE)
    return np.asarray(differ <= _WINDOW**2 // 2)
