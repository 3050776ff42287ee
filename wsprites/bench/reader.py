"""Position and action of a known character in any frame, by matching its art. No network and no labels are involved.

The score of a cell of the character at a place is sum w (TAU - |f - c|^2) over its pixels, with the weight w (the fourth power of alpha
after a small blur), the cell's colour c and the frame's colour f. A pixel that fits earns up to TAU, so that of two cells that fit the one
that explains more pixels wins; one that differs by more than sqrt TAU grey levels costs. First all cells are tried at all places in a
frame of a quarter of the size, then the best few near their places in one of half the size, then the best of these at every pixel.

Axis suffixes: t frames, m cells, k candidates, h, w, c; 2 = (x, y) in pixels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.sheets import CELL_OF
from wsprites.bench.metrics import motion
from wsprites.bench.metrics.interval import Clusters, Score, mean
from wsprites.world.actions import ANIMATIONS, local_actions
from wsprites.world.script import Script

Floats = NDArray[Any]

TAU = 40.0**2
_COARSE = 4  # pixels of the frame per pixel of the first search, in each direction
_PHASES = ((0, 0), (2, 2))  # px: cells are tried on two such grids
_HALF_PHASES = ((0, 0), (1, 0), (0, 1), (1, 1))  # and on four of half the size, so at every pixel
_CANDIDATES, _FINALISTS = 22, 10  # cells after the first and the second search
_SIGMA = 0.8  # px, of the blur of frame and art


@dataclass(frozen=True)
class PoseReading:
    """Pose of the character in each of T frames."""

    position: Floats
    """(T, 2) px, sub-pixel: top-left corner of the character's cell."""
    local_action: NDArray[np.int64]
    """(T,) LocalAction."""
    animation_frame: NDArray[np.int64]
    """(T,) the first frame of the action's cycle that looks like this; some frames of a cycle are equal."""
    fit: Floats
    """(T,) at most 1, where every pixel of the character is as in its art; below 0 where the best match is worse than none."""


class Reader:
    """Reads the pose of one character.

    Args:
        character: the character id.
        facings: 3 or 4, which decides about the cells that may occur.
        animations: those of the world, which decide about them as well.
    """

    def __init__(self, art: Art, character: int, facings: int, *, animations: Collection[str] = ANIMATIONS) -> None:
        actions = np.array(local_actions(facings, animations=animations))
        possible = CELL_OF[actions]
        self._cells = np.unique(possible)
        self._cell = art.characters.cell
        first = [np.argwhere(possible == cell)[0] for cell in self._cells]
        row, self._frame = np.array(first).T
        self._action = actions[row]
        rgba = art.characters.atlas(character)[self._cells].astype(np.float32)
        covered = rgba[..., 3].any(0)
        rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
        # The box that any cell covers, to whole coarse pixels.
        self._y, self._x = int(rows[0]) // _COARSE * _COARSE, int(columns[0]) // _COARSE * _COARSE
        self._h, self._w = (-(-int(last + 1 - at) // _COARSE) * _COARSE for last, at in ((rows[-1], self._y), (columns[-1], self._x)))
        box = rgba[:, self._y : self._y + self._h, self._x : self._x + self._w]
        self._full = _templates(box, _SIGMA)
        half = [_templates(_smaller(box, 2, phase), 0.0) for phase in _HALF_PHASES]
        self._half = np.stack([each.planes for each in half], -1)
        self._half_constant = np.stack([each.constant for each in half], -1)
        coarse = [_templates(_smaller(box, _COARSE, phase), 0.0) for phase in _PHASES]
        self._coarse_shape = coarse[0].weights.shape[1:3]
        self._coarse = np.concatenate([each.planes.reshape(len(each.planes), -1) for each in coarse]).T.copy()
        self._coarse_constant = np.concatenate([each.constant for each in coarse])

    def read(self, frames_thwc: NDArray[np.uint8]) -> PoseReading:
        """Read frames, (T, H, W, 3) uint8, one by one. The whole cell has to lie inside the frame."""
        position, cell, fit = np.zeros((len(frames_thwc), 2)), np.zeros(len(frames_thwc), np.int64), np.zeros(len(frames_thwc))
        for t, frame_hwc in enumerate(frames_thwc):
            position[t], cell[t], fit[t] = self._read(frame_hwc)
        return PoseReading(position, self._action[cell], self._frame[cell], fit)

    def _read(self, frame_hwc: NDArray[np.uint8]) -> tuple[tuple[float, float], int, float]:
        """Corner of the cell, (x, y); the cell's place in `self._cells`; how well it fits."""
        height, width = frame_hwc.shape[:2]
        # Corners of the box, if the cell is in the frame.
        low, high = (self._x, self._y), (self._x + width - self._cell, self._y + height - self._cell)
        filled = cv2.copyMakeBorder(frame_hwc, 0, -height % _COARSE, 0, -width % _COARSE, cv2.BORDER_REPLICATE)  # to whole coarse pixels
        image = filled.astype(np.float32)
        height, width = image.shape[:2]
        half = _planes(cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA), border=1)
        second = []
        for cell, (x, y) in self._search(image, low, high):
            score, x0, y0 = _around(half, self._half[cell], self._half_constant[cell], x // 2, y // 2, 1)
            row, column, phase = _place_of_largest(score)
            dx, dy = _HALF_PHASES[phase]
            second.append((float(score[row, column, phase]), cell, 2 * (x0 + column) + dx, 2 * (y0 + row) + dy))
        full = _planes(cv2.GaussianBlur(image, (0, 0), _SIGMA))
        best, best_cell = float("-inf"), 0
        at: tuple[float, float] = (0.0, 0.0)
        for _, cell, x, y in sorted(second, reverse=True)[:_FINALISTS]:
            score, x0, y0 = _around(full, self._full.planes[cell][..., None], self._full.constant[cell], x, y, 1)
            row, column, _ = _place_of_largest(score)
            if score[row, column, 0] > best:
                offset_x, offset_y = _peak(score[row, :, 0], column), _peak(score[:, column, 0], row)
                best, best_cell, at = float(score[row, column, 0]), cell, (x0 + column + offset_x - self._x, y0 + row + offset_y - self._y)
        return at, best_cell, best / float(TAU * self._full.weights[best_cell].sum())

    def _search(self, image: Floats, low: tuple[int, int], high: tuple[int, int]) -> list[tuple[int, tuple[int, int]]]:
        """The best few cells, with the place of the box of each, (x, y)."""
        size = (image.shape[1] // _COARSE, image.shape[0] // _COARSE)
        small = _planes(cv2.resize(image, size, interpolation=cv2.INTER_AREA), border=1)
        first = low[0] // _COARSE, low[1] // _COARSE
        rows, columns = high[1] // _COARSE - first[1] + 1, high[0] // _COARSE - first[0] + 1
        score = (
            _correlate(small, self._coarse, self._coarse_shape, *first, rows, columns).reshape(rows * columns, -1) + self._coarse_constant
        )
        where = score.argmax(0)
        value = score[where, np.arange(len(where))].reshape(len(_PHASES), -1)
        phase = value.argmax(0)
        candidates = []
        for cell in np.argsort(-value.max(0))[:_CANDIDATES].tolist():
            row, column = divmod(int(where.reshape(len(_PHASES), -1)[phase[cell], cell]), columns)
            dx, dy = _PHASES[int(phase[cell])]
            candidates.append((cell, ((first[0] + column) * _COARSE + dx, (first[1] + row) * _COARSE + dy)))
        return candidates


def accuracy(clips: Sequence[tuple[Reader, Script, NDArray[np.uint8]]]) -> dict[str, Score]:
    """The reader's own scores on every third true frame: `reader.*` as it is, `reader.blur.*` blurred, `reader.noise.*` with noise.

    `position` is the mean error in px, `local` the share of right actions, `frame` that of right cells.

    Args:
        clips: the reader of each clip's character, the clip's script, and its frames (T, H, W, 3).
    """
    rng = np.random.default_rng(0)
    rows: dict[str, list[tuple[float, float, float]]] = {"reader": [], "reader.blur": [], "reader.noise": []}
    at = slice(0, None, 3)
    for reader, script, frames_thwc in clips:
        frames = frames_thwc[at]
        cells = CELL_OF[script.local_action[at], script.animation_frame[at]]
        blurred = np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames])
        noisy = np.clip(frames + rng.normal(0, 20, frames.shape), 0, 255).astype(np.uint8)
        for name, variant in zip(rows, (frames, blurred, noisy), strict=True):
            read = reader.read(variant)
            error = motion.error(read.position, script.position[at]).mean()
            right = (read.local_action == script.local_action[at]).mean()
            same = (CELL_OF[read.local_action, read.animation_frame] == cells).mean()
            rows[name].append((float(error), float(right), float(same)))
    scores: dict[str, Score] = {}
    clusters = Clusters([int(script.character) for _, script, _ in clips], [int(script.background) for _, script, _ in clips])
    for name, values in rows.items():
        position, local, frame = zip(*values, strict=True)
        scores |= {
            f"{name}.position": mean(position, clusters, unit="px"),
            f"{name}.local": mean(local, clusters),
            f"{name}.frame": mean(frame, clusters),
        }
    return scores


@dataclass(frozen=True)
class _Templates:
    weights: Floats
    """(M, h, w)"""
    planes: Floats
    """(M, h, w, 4): 2 w c of each colour, and -w, to be multiplied with f and |f|^2."""
    constant: Floats
    """(M,) sum w (TAU - |c|^2)."""


def _templates(rgba_mhwc: Floats, sigma: float) -> _Templates:
    premultiplied = np.concatenate([rgba_mhwc[..., :3] * rgba_mhwc[..., 3:] / 255, rgba_mhwc[..., 3:] / 255], -1)
    if sigma:
        premultiplied = np.stack([cv2.GaussianBlur(cell, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT) for cell in premultiplied])
    alpha = premultiplied[..., 3]
    colour = premultiplied[..., :3] / np.maximum(alpha, 1e-3)[..., None]
    weight = alpha**4  # at the rim the frame shows the scene as well
    planes = np.concatenate([2 * weight[..., None] * colour, -weight[..., None]], -1).astype(np.float32)
    constant = (weight * (TAU - (colour**2).sum(-1))).sum((1, 2))
    return _Templates(weight, planes, constant.astype(np.float32))


def _planes(image_hwc: Floats, border: int = 0) -> Floats:
    """(H, W, 4): colours, and the square of their length; the border repeats the last pixels below and to the right."""
    planes = cv2.merge([image_hwc, cv2.transform(image_hwc * image_hwc, np.ones((1, 3), np.float32))])
    return cv2.copyMakeBorder(planes, 0, border, 0, border, cv2.BORDER_REPLICATE) if border else planes


def _correlate(planes_hw4: Floats, templates_dm: Floats, box: tuple[int, int], x: int, y: int, rows: int, columns: int) -> Floats:
    """(rows, columns, M) of the boxes of pixels from a corner on, each a row of D = h w 4 numbers, with M templates."""
    line, pixel, number = planes_hw4.strides
    strides = (line, pixel, line, pixel, number)
    # What sliding_window_view makes, in a tenth of its time.
    windows: Floats = np.ndarray((rows, columns, *box, 4), planes_hw4.dtype, planes_hw4, y * line + x * pixel, strides)
    return np.asarray((windows.reshape(rows * columns, -1) @ templates_dm).reshape(rows, columns, -1))


def _around(planes_hw4: Floats, template_hw4m: Floats, constant_m: Floats, x: int, y: int, reach: int) -> tuple[Floats, int, int]:
    """(rows, columns, M) scores of M templates at corners up to `reach` from a place, and the first of those corners."""
    h, w, _, templates = template_hw4m.shape
    most_x, most_y = planes_hw4.shape[1] - w, planes_hw4.shape[0] - h
    x0, y0 = min(max(x - reach, 0), most_x), min(max(y - reach, 0), most_y)
    rows, columns = min(y + reach, most_y) - y0 + 1, min(x + reach, most_x) - x0 + 1
    return _correlate(planes_hw4, template_hw4m.reshape(-1, templates), (h, w), x0, y0, max(rows, 1), max(columns, 1)) + constant_m, x0, y0


def _place_of_largest(score_yxm: Floats) -> tuple[int, int, int]:
    y, rest = divmod(int(score_yxm.argmax()), score_yxm.shape[1] * score_yxm.shape[2])
    return y, *divmod(rest, score_yxm.shape[2])


def _smaller(rgba_mhwc: Floats, by: int, phase: tuple[int, int]) -> Floats:
    """Means of blocks of `by` x `by` pixels of cells moved by `phase`, (x, y) px, and one more block each way; colours weighed by alpha."""
    x, y = phase
    padded = np.pad(rgba_mhwc, ((0, 0), (y, by - y), (x, by - x), (0, 0)))
    m, h, w, _ = padded.shape
    weighted = np.concatenate([padded[..., :3] * padded[..., 3:], padded[..., 3:]], -1)
    small = weighted.reshape(m, h // by, by, w // by, by, 4).mean((2, 4))
    small[..., :3] /= np.maximum(small[..., 3:], 1e-3)
    return np.asarray(small)


def _peak(line: Floats, at: int) -> float:
    """How far the top of a parabola through a maximum and its neighbours lies from it, at most half a pixel each way."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, top, after = (float(line[at + by]) for by in (-1, 0, 1))
    return min(max(0.5 * (after - before) / max(2 * top - before - after, 1e-9), -0.5), 0.5)
