"""Arithmetic of RGBA pixels with straight alpha, in integers: drawing one on another, and scaling down by area."""

import numpy as np
from numpy.typing import NDArray


def over(source: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Porter-Duff "source over below" of (..., 4) uint8 RGBA with straight alpha, in integers, rounded half up.

    alpha = (255 a_s + a_b (255 - a_s)) / 255;  colour = (255 a_s c_s + a_b (255 - a_s) c_b) / (255 alpha), before rounding alpha.
    Colour is 0 where alpha is 0. On an opaque pixel below this is (a_s c_s + (255 - a_s) c_b) / 255.
    """
    s, b = source.astype(np.int64), below.astype(np.int64)
    weight_s = 255 * s[..., 3:]
    weight_b = b[..., 3:] * (255 - s[..., 3:])
    total = weight_s + weight_b
    colour = (2 * (weight_s * s[..., :3] + weight_b * b[..., :3]) + total) // np.maximum(2 * total, 1)
    alpha = (2 * total + 255) // 510
    return np.concatenate([colour, alpha], axis=-1).astype(np.uint8)


def shrink(cells: NDArray[np.uint8], size: int) -> NDArray[np.uint8]:
    """Cells scaled down by area, in the top-left corners of cells of the old size; the rest is clear.

    alpha = the mean of alpha over a pixel's area, colour = the mean of colour weighted by alpha; both are rounded half up.

    Args:
        cells: (N, S, S, 4) uint8 RGBA with straight alpha, S at most 256.
        size: new height and width of a cell in pixels, 1 to S.

    Returns:
        (N, S, S, 4) uint8 RGBA; clear pixels are 0.

    Example:
        >>> cell = np.zeros((1, 2, 2, 4), np.uint8)
        >>> cell[0, 0] = (200, 100, 0, 255)
        >>> shrink(cell, 1)[0, 0, 0].tolist()
        [200, 100, 0, 128]
    """
    old = cells.shape[1]
    # How much of an old pixel a new one covers, as a whole number: both are measured in 1 / (old x size) of the side.
    ends = np.arange(1, size + 1)[:, None] * old, np.arange(1, old + 1)[None] * size
    cover = np.clip(np.minimum(ends[0], ends[1]) - np.maximum(ends[0] - old, ends[1] - size), 0, None).astype(np.float64)
    weighted = cells.astype(np.float64)
    weighted[..., :3] *= weighted[..., 3:]
    # Products of float64 matrices are exact here, in any order: all sums are whole numbers below 2**53.
    sums = np.moveaxis(cover @ np.moveaxis(weighted, -1, 1) @ cover.T, 1, -1).astype(np.int64)
    total = sums[..., 3:]
    colour = (2 * sums[..., :3] + total) // np.maximum(2 * total, 1)
    alpha = (2 * total + old**2) // (2 * old**2)
    small = np.zeros_like(cells)
    small[:, :size, :size] = np.where(alpha > 0, np.concatenate([colour, alpha], axis=-1), 0)
    return small
