"""The shadow on the ground under a character: a soft black ellipse around its feet. Axes: y, x of the cell."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wsprites.world.spec import CELL, WorldSpec

GROUND_Y = 59
"""Row of the ellipse's middle in a cell of 64 x 64 pixels, where the feet stand. Its column is the middle of the cell."""
RADIUS_X, RADIUS_Y = 15, 5
"""Half of the ellipse's width and height in a cell of 64 x 64 pixels."""


def shadow_alpha(spec: WorldSpec) -> NDArray[np.uint8]:
    """(64, 64) uint8: the shadow's alpha in the cell of a character, all 0 where `spec.shadow` is 0. Its colour is black.

    At the distance r from the middle of the ellipse, 1 at its edge, alpha is spec.shadow (1 - r^4), rounded down; r is that of the middle
    of a pixel. Like the sheets, the ellipse is scaled by `spec.scale` and lies in the top-left corner of 64 x 64 pixels.

    Example:
        >>> from dataclasses import replace
        >>> from wsprites.world.spec import PRESETS
        >>> shadow_alpha(replace(PRESETS["paper"], shadow=100))[59, 16:28].tolist()
        [0, 10, 32, 50, 64, 75, 83, 89, 93, 96, 97, 99]
    """
    return _alpha(spec.cell, spec.shadow)


def shadow_pixels(spec: WorldSpec) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    """The pixels of the shadow that are not clear: (P,) places in the cell, 64 y + x, and (P,) words with alpha in the highest byte."""
    return _pixels(spec.cell, spec.shadow)


@lru_cache(maxsize=16)
def _alpha(cell: int, opacity: int) -> NDArray[np.uint8]:
    # In whole numbers: the distances from the middle of the ellipse, each multiplied by the other radius, 128 to a pixel of a full cell.
    y, x = np.arange(cell)[:, None], np.arange(cell)
    aside, below = CELL * (2 * x + 1 - cell) * RADIUS_Y, (CELL * (2 * y + 1) - 2 * GROUND_Y * cell) * RADIUS_X
    square, edge = aside**2 + below**2, (2 * cell * RADIUS_X * RADIUS_Y) ** 2
    alpha = np.zeros((CELL, CELL), np.uint8)
    alpha[:cell, :cell] = opacity * (edge**2 - np.minimum(square, edge) ** 2) // edge**2
    alpha.flags.writeable = False  # it is kept
    return alpha


@lru_cache(maxsize=16)
def _pixels(cell: int, opacity: int) -> tuple[NDArray[np.uint32], NDArray[np.uint32]]:
    alpha = _alpha(cell, opacity).reshape(-1).astype(np.uint32)
    places = np.flatnonzero(alpha).astype(np.uint32)
    return places, alpha[places] << np.uint32(24)
