"""Solids made of ellipsoids, seen as LPC sees its figures: from the front and a little from above, lit from the upper left.

Space is (x, y, z): x to the right of the picture, y towards the viewer, z up, in pixels of a 64 x 64 cell; (0, 0, 0) is the ground
between the feet. A point appears at column 32 + x and row GROUND - z + TILT y.
"""

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.spec import CELL

Point = tuple[float, float, float]

GROUND = 59.0
TILT = 0.3
FINE = 3
"""Samples along each side of a pixel."""
_LIGHT = (-0.42, 0.58, 0.70)
_SHADOW = 0.3  # how much darker it is where something above is nearer to the viewer


class Ball(NamedTuple):
    """An ellipsoid of one colour ramp. Balls with one `part` flow into each other; between parts there is a line."""

    centre: Point
    radii: Point
    """Radii along its axes in pixels."""
    part: int
    ramp: int
    axes: tuple[Point, Point, Point] = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))
    light: float = 0.0
    """Value added to its brightness."""


class View(NamedTuple):
    """The visible surface of some balls in a cell, sample by sample: (192, 192) each."""

    depth: NDArray[np.float64]
    """y of the surface; -inf where there is none."""
    ball: NDArray[np.int16]
    """Number of the ball; -1 where there is none."""
    light: NDArray[np.float64]


def view(balls: Sequence[Ball]) -> View:
    """Compute the visible surface of balls, with +, -, *, / and roots only, which every machine rounds alike."""
    size = CELL * FINE
    seen = View(np.full((size, size), -np.inf), np.full((size, size), -1, np.int16), np.zeros((size, size)))
    for number, ball in enumerate(balls):
        _look(seen, number, ball)
    return seen


def _look(seen: View, number: int, ball: Ball) -> None:
    cx, cy, cz = ball.centre
    (xx, xy, xz), (_, yy, yz), (_, _, zz) = _quadric(ball.axes, ball.radii)
    reach = max(ball.radii) * math.sqrt(1 + TILT * TILT)
    rows = _samples(GROUND - cz + TILT * cy, reach)
    columns = _samples(CELL / 2 + cx, reach)
    if not len(range(CELL * FINE)[rows]) or not len(range(CELL * FINE)[columns]):
        return
    x = (np.arange(columns.start, columns.stop) + 0.5) / FINE - CELL / 2 - cx
    z = (GROUND - (np.arange(rows.start, rows.stop) + 0.5) / FINE + TILT * cy - cz)[:, None]
    # A ray is (x, t, z + TILT t) about the centre; it meets the ellipsoid where a t^2 + 2 b t + c = 0.
    a = yy + 2 * TILT * yz + TILT * TILT * zz
    b = (xy + TILT * xz) * x + (yz + TILT * zz) * z
    c = xx * x * x + 2 * xz * x * z + zz * z * z - 1
    root = b * b - a * c
    t = (np.sqrt(np.maximum(root, 0)) - b) / a
    part = (rows, columns)
    nearer = (root > 0) & (t + cy > seen.depth[part])
    z = z + TILT * t
    normal = (xx * x + xy * t + xz * z, xy * x + yy * t + yz * z, xz * x + yz * t + zz * z)
    length = np.sqrt(normal[0] * normal[0] + normal[1] * normal[1] + normal[2] * normal[2])
    light = (normal[0] * _LIGHT[0] + normal[1] * _LIGHT[1] + normal[2] * _LIGHT[2]) / length + ball.light
    seen.depth[part][nearer] = (t + cy)[nearer]
    seen.ball[part][nearer] = number
    seen.light[part][nearer] = light[nearer]


@lru_cache
def _quadric(axes: tuple[Point, Point, Point], radii: Point) -> list[list[float]]:
    """The matrix A of an ellipsoid, whose points p fulfil p A p = 1."""
    return [[sum(a[i] * a[j] / r**2 for a, r in zip(axes, radii, strict=True)) for j in range(3)] for i in range(3)]


def _samples(middle: float, reach: float) -> slice:
    most = CELL * FINE
    return slice(min(max(math.floor((middle - reach) * FINE), 0), most), min(max(math.ceil((middle + reach) * FINE), 0), most))


class Drawing(NamedTuple):
    """A cell of pixel art without its colours, (64, 64) each."""

    ramp: NDArray[np.int64]
    """Number of the colour ramp; -1 where it is clear."""
    tone: NDArray[np.int64]
    """0 outline, 1 shade, 2 base, 3 light, 4 highlight."""
    part: NDArray[np.int64]
    """-1 where it is clear."""


def draw(balls: Sequence[Ball], seen: View, before: NDArray[np.float64]) -> Drawing:
    """The pixels of balls where they are nearer than what is `before` them, (192, 192) depths, with shading in tones and dark lines."""
    visible = (seen.ball >= 0) & (seen.depth >= before)
    surfaces = sorted({(ball.part, ball.ramp) for ball in balls})
    surface_of = np.array([surfaces.index((ball.part, ball.ramp)) for ball in balls] + [-1])
    surface = np.where(visible, surface_of[seen.ball], -1)
    counts = np.stack([_sums(surface == number) for number in range(len(surfaces))])
    most = counts.argmax(0)
    count = counts.max(0)
    solid = 2 * _sums(visible) >= FINE**2
    own = surface == np.repeat(np.repeat(most, FINE, 0), FINE, 1)
    depth = np.where(solid, _sums(np.where(own, seen.depth, 0)) / np.maximum(count, 1), -np.inf)
    light = _sums(np.where(own, seen.light, 0)) / np.maximum(count, 1)
    light -= _SHADOW * (moved(depth, 3, 1) > depth + 2.5)
    tone = np.digitize(light, (0.28, 0.62, 0.93)) + 1
    part = np.where(solid, np.array([part for part, _ in surfaces])[most], -1)
    for down, right in ((0, 1), (0, -1), (1, 0), (-1, 0)):
        other_part, other_depth = moved(part, down, right, -1), moved(depth, down, right)
        edge = solid & (other_part < 0)
        behind = solid & (other_part >= 0) & (other_part != part) & (other_depth > depth + 1.2)
        tone[edge | behind] = 0
    return Drawing(np.where(solid, np.array([ramp for _, ramp in surfaces])[most], -1), tone, part)


def _sums(fine: NDArray[Any]) -> NDArray[np.float64]:
    sums: NDArray[np.float64] = fine.reshape(CELL, FINE, CELL, FINE).sum((1, 3), dtype=np.float64)
    return sums


def moved(image: NDArray[Any], down: int, right: int, empty: float = -np.inf) -> NDArray[Any]:
    """The image moved; what comes in is empty."""
    result = np.full_like(image, empty)
    h, w = image.shape
    result[max(down, 0) : h + min(down, 0), max(right, 0) : w + min(right, 0)] = image[
        max(-down, 0) : h + min(-down, 0), max(-right, 0) : w + min(-right, 0)
    ]
    return result


def limb(points: Sequence[Point], radii: Sequence[float], part: int, ramp: int, light: float = 0.0) -> Iterator[Ball]:
    """A bent rod: balls along a line through some points, with a radius at each of them."""
    for p, q, r, s in zip(points, points[1:], radii, radii[1:], strict=False):
        n = max(1, math.ceil(math.dist(p, q) / 1.4))
        for k in range(n + 1):
            f = k / n
            centre = (p[0] + f * (q[0] - p[0]), p[1] + f * (q[1] - p[1]), p[2] + f * (q[2] - p[2]))
            yield Ball(centre, (r + f * (s - r),) * 3, part, ramp, light=light)


def turned(ball: Ball, by: tuple[Point, Point, Point]) -> Ball:
    """A ball after its space was turned: `by` are the pictures of the three axes."""
    a, b, c = ball.axes
    return ball._replace(centre=_turn(ball.centre, by), axes=(_turn(a, by), _turn(b, by), _turn(c, by)))


def _turn(p: Point, by: tuple[Point, Point, Point]) -> Point:
    x, y, z = (p[0] * by[0][i] + p[1] * by[1][i] + p[2] * by[2][i] for i in range(3))
    return x, y, z
