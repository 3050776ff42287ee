"""Position and action of a known character in any frame, by matching its art. No network and no labels are involved.

First all cells are tried at all places in a frame of a quarter of the size, then the best few near their places in one of half the size.
The score of a cell at a place is there sum w (TAU - |f - c|^2) over its pixels, with the weight w (the fourth power of alpha), the cell's
colour c and the frame's colour f: of two cells that fit, the one that explains more pixels wins.

The best of these are then compared at every pixel by their `fit`: the correlation of frame and art inside the silhouette,

    sum w (f - mean f) (c - mean c) / sqrt(sum w |f - mean f|^2  sum w |c - mean c|^2),

with means over the silhouette for each colour, and sums over pixels and colours; the largest for art that is blurred by each of BLURS, so
that a soft picture is compared with soft art. It does not depend on brightness, contrast and tint. Art is blurred with its alpha, w is the
fourth power of the blurred alpha where that is at least 0.5 and 0 elsewhere, and sum w |f - mean f|^2 is at least sum w.

Axis suffixes: t frames, m cells, k candidates, h, w, c; 2 = (x, y) in pixels.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.sheets import CELL_OF
from wsprites.world.actions import ANIMATIONS, local_actions

Floats = NDArray[Any]

TAU = 40.0**2
_COARSE = 4  # pixels of the frame per pixel of the first search, in each direction
_PHASES = ((0, 0), (2, 2))  # px: cells are tried on two such grids
_HALF_PHASES = ((0, 0), (1, 0), (0, 1), (1, 1))  # and on four of half the size, so at every pixel
_CANDIDATES, _FINALISTS = 22, 8  # cells after the first and the second search
BLURS = (0.0, 0.8, 1.6, 2.4)
"""Standard deviations in px of the Gaussian blur of the art that a frame is compared with."""
READABLE = 0.8
"""The least fit of a frame that shows the character."""
OPACITY, VISIBLE = 0.25, 0.25
"""The least opacity of a second figure, and the least share of it that is not covered by the first."""


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
    """(T,) correlation with the art inside the silhouette, from -1 to 1."""

    @property
    def readable(self) -> NDArray[np.bool_]:
        """(T,) whether the frame shows the character; the other fields hold the best match in any case."""
        return np.asarray(self.fit >= READABLE)


class Place(NamedTuple):
    """A cell of a character at a place in a frame."""

    position: Sequence[float]
    """(x, y) px: top-left corner of the cell."""
    cell: int
    """One of CELL_OF."""


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
        self._covered = int(columns[-1]) + 1 - self._x, int(rows[-1]) + 1 - self._y
        box = rgba[:, self._y : self._y + self._h, self._x : self._x + self._w]
        self._box = box
        self._soft: dict[int, _Blurred] = {}
        half = [_templates(_smaller(box, 2, phase)) for phase in _HALF_PHASES]
        self._half = np.stack([each.planes for each in half], -1)
        self._half_constant = np.stack([each.constant for each in half], -1)
        coarse = [_templates(_smaller(box, _COARSE, phase)) for phase in _PHASES]
        self._coarse_shape = coarse[0].weights.shape[1:3]
        self._coarse = np.concatenate([each.planes.reshape(len(each.planes), -1) for each in coarse]).T.copy()
        self._coarse_constant = np.concatenate([each.constant for each in coarse])

    def read(self, frames_thwc: NDArray[np.uint8]) -> PoseReading:
        """Read frames, (T, H, W, 3) uint8, one by one. The whole cell has to lie inside the frame."""
        position, cell, fit = np.zeros((len(frames_thwc), 2)), np.zeros(len(frames_thwc), np.int64), np.zeros(len(frames_thwc))
        for t, frame_hwc in enumerate(frames_thwc):
            position[t], cell[t], fit[t] = self._read(frame_hwc)
        return PoseReading(position, self._action[cell], self._frame[cell], fit)

    def second(self, frames_thwc: NDArray[np.uint8], read: PoseReading, scene_hwc: NDArray[np.uint8], left: Place) -> NDArray[np.bool_]:
        """(T,) whether frames show the character once more, beside the figure that was read from them, in front of a known scene.

        Pixels up to 3 px from the figure that was read are replaced by the scene, and the frame is read again. There is a second figure at
        this place, or at one where the character was before, if with the frame f, the scene s and the art c, summed over the pixels of its
        silhouette that were not replaced, sum w (f - s) (c - s) is at least READABLE of sqrt(sum w |f - s|^2 sum w |c - s|^2), for one of
        BLURS, and at least OPACITY of sum w |c - s|^2, and if these pixels have at least VISIBLE of the weight of its silhouette.

        Args:
            frames_thwc: (T, H, W, 3) uint8.
            read: what was read from them.
            scene_hwc: (H, W, 3) uint8, what is behind the character.
            left: where the character was before.
        """
        cells = np.searchsorted(self._cells, CELL_OF[read.local_action, read.animation_frame])
        found = np.zeros(len(frames_thwc), bool)
        for t, frame_hwc in enumerate(frames_thwc):
            covered = np.zeros(frame_hwc.shape[:2], np.uint8)
            at, of_box = self._at(read.position[t], covered.shape)
            covered[at] = self._box[cells[t]][of_box][..., 3] > 0
            kept_hw = cv2.dilate(covered, np.ones((7, 7), np.uint8)) == 0
            place, cell, _ = self._read(np.where(kept_hw[..., None], frame_hwc, scene_hwc))
            before = left.position, int(np.searchsorted(self._cells, left.cell))
            found[t] = any(self._is_drawn(*each, frame_hwc, scene_hwc, kept_hw) for each in ((place, cell), before))
        return found

    def _is_drawn(
        self, position: Sequence[float], cell: int, frame_hwc: NDArray[np.uint8], scene_hwc: NDArray[np.uint8], kept_hw: NDArray[np.bool_]
    ) -> bool:
        """Whether a frame shows a cell at a place, by those of its pixels that are kept."""
        at, of_box = self._at(position, kept_hw.shape)
        scene = scene_hwc[at].astype(np.float32)
        drawn = frame_hwc[at] - scene
        for sigma in BLURS:
            colour, weight = _soft(self._box[cell], sigma)
            seen = (weight[of_box] * kept_hw[at])[..., None]
            expected = colour[of_box] - scene
            product, energy = (seen * drawn * expected).sum(), (seen * expected**2).sum()
            alike = product >= READABLE * np.sqrt((seen * drawn**2).sum() * energy)
            if alike and product >= OPACITY * energy > 0 and seen.sum() >= VISIBLE * weight.sum():
                return True
        return False

    def _at(self, position: Sequence[float], size: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
        """Rows and columns of a frame of this size that the box takes up, for the corner of the cell, and those of the box in the frame."""
        corner = round(position[1]) + self._y, round(position[0]) + self._x
        spans = [
            (min(max(-at, 0), box), min(max(side - at, 0), box)) for at, box, side in zip(corner, self._box.shape[1:3], size, strict=True)
        ]
        (top, bottom), (left, right) = spans
        y, x = corner
        return (slice(y + top, y + bottom), slice(x + left, x + right)), (slice(top, bottom), slice(left, right))

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
        best, best_cell, at = -1.0, second[0][1], (0.0, 0.0)
        most = self._last_corner(frame_hwc.shape, image.shape)
        for _, cell, x, y in sorted(second, reverse=True)[:_FINALISTS]:
            fit, x0, y0 = _fits(image, self._of_cell(cell), most, x, y)
            row, column, _ = _place_of_largest(fit)
            value = fit[row, column].max(-1)
            if value > best or at == (0.0, 0.0):
                top = fit.max(-1)
                offset_x, offset_y = _peak(top[row], column), _peak(top[:, column], row)
                best, best_cell, at = float(value), cell, (x0 + column + offset_x - self._x, y0 + row + offset_y - self._y)
        return at, best_cell, best

    def _last_corner(self, frame: tuple[int, ...], filled: tuple[int, ...]) -> tuple[int, int]:
        """The last corner of the box, (x, y), in a frame that was filled to another size: what is covered never reaches what was filled."""
        (h, w), (x, y) = self._box.shape[1:3], self._covered
        return min(filled[1] - w, frame[1] - x), min(filled[0] - h, frame[0] - y)

    def _of_cell(self, cell: int) -> "_Blurred":
        if cell not in self._soft:
            self._soft[cell] = _templates_of_blurs(self._box[cell])
        return self._soft[cell]

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


@dataclass(frozen=True)
class _Templates:
    weights: Floats
    """(M, h, w)"""
    planes: Floats
    """(M, h, w, 4): 2 w c of each colour, and -w, to be multiplied with f and |f|^2."""
    constant: Floats
    """(M,) sum w (TAU - |c|^2)."""


def _templates(rgba_mhwc: Floats) -> _Templates:
    colour, weight = rgba_mhwc[..., :3], (rgba_mhwc[..., 3] / 255) ** 4  # at the rim the frame shows the scene as well
    planes = np.concatenate([2 * weight[..., None] * colour, -weight[..., None]], -1).astype(np.float32)
    constant = (weight * (TAU - (colour**2).sum(-1))).sum((1, 2))
    return _Templates(weight, planes, constant.astype(np.float32))


class _Blurred(NamedTuple):
    """One cell after each of B blurs, for the P pixels of the rectangle that it covers."""

    covered: tuple[int, int, int, int]
    """The rectangle: the first row, the one after the last, the first column, the one after the last."""
    weight_pb: Floats
    """w, with a sum of 1."""
    centred_qb: Floats
    """(3 P, B): w (c - mean c), all pixels of a colour in turn."""
    variance_b: Floats
    """Sum w |c - mean c|^2."""


def _soft(rgba_hwc: Floats, sigma: float) -> tuple[Floats, Floats]:
    """Colours (h, w, 3) and weights (h, w) of a cell after a blur of sigma px."""
    premultiplied = np.concatenate([rgba_hwc[..., :3] * rgba_hwc[..., 3:] / 255, rgba_hwc[..., 3:] / 255], -1)
    soft = cv2.GaussianBlur(premultiplied, (0, 0), sigma, borderType=cv2.BORDER_CONSTANT) if sigma else premultiplied
    alpha = soft[..., 3]
    return soft[..., :3] / np.maximum(alpha, 1e-3)[..., None], np.where(alpha >= 0.5, alpha**4, 0)


def _templates_of_blurs(rgba_hwc: Floats) -> _Blurred:
    alpha_hw = rgba_hwc[..., 3] > 0
    alpha_hw |= ~alpha_hw.any()  # an empty cell
    (top, bottom), (left, right) = (np.flatnonzero(alpha_hw.any(axis))[[0, -1]].tolist() for axis in (1, 0))
    covered = top, bottom + 1, left, right + 1
    weights, centred, variances = [], [], []
    for sigma in BLURS:
        colour_hwc, weight_hw = (soft[top : bottom + 1, left : right + 1] for soft in _soft(rgba_hwc, sigma))
        weight_p, colour_cp = weight_hw.ravel() / max(weight_hw.sum(), 1e-3), colour_hwc.reshape(-1, 3).T
        centred_cp = colour_cp - (colour_cp @ weight_p)[:, None]
        weights.append(weight_p)
        centred.append((weight_p * centred_cp).ravel())
        variances.append((weight_p * centred_cp**2).sum())
    return _Blurred(covered, np.stack(weights, -1), np.stack(centred, -1), np.stack(variances))


def _fits(image_hwc: Floats, cell: _Blurred, most: tuple[int, int], x: int, y: int) -> tuple[Floats, int, int]:
    """(rows, columns, B) fits of a cell at corners of its box up to 1 px from a place, none beyond `most`, and the first of these."""
    x0, y0 = min(max(x - 1, 0), most[0]), min(max(y - 1, 0), most[1])
    rows, columns = max(min(y + 1, most[1]) - y0, 0) + 1, max(min(x + 1, most[0]) - x0, 0) + 1
    top, bottom, left, right = cell.covered
    near = image_hwc[y0 + top : y0 + bottom + rows - 1, x0 + left : x0 + right + columns - 1] - 128
    windows = np.lib.stride_tricks.sliding_window_view(near, (bottom - top, right - left), axis=(0, 1))
    colours = windows.reshape(rows * columns, 3, -1)
    mean = colours @ cell.weight_pb
    variance = (colours**2).sum(1) @ cell.weight_pb - (mean**2).sum(1)
    product = colours.reshape(rows * columns, -1) @ cell.centred_qb
    fit = product / np.sqrt(np.maximum(variance, 1) * np.maximum(cell.variance_b, 1))
    return fit.reshape(rows, columns, -1), x0, y0


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
    h, w = padded.shape[1:3]
    weighted = np.concatenate([padded[..., :3] * padded[..., 3:], padded[..., 3:]], -1)
    small = np.stack([cv2.resize(cell, (w // by, h // by), interpolation=cv2.INTER_AREA) for cell in weighted])
    small[..., :3] /= np.maximum(small[..., 3:], 1e-3)
    return np.asarray(small)


def _peak(line: Floats, at: int) -> float:
    """How far the top of a parabola through a maximum and its neighbours lies from it, at most half a pixel each way."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, top, after = (float(line[at + by]) for by in (-1, 0, 1))
    return min(max(0.5 * (after - before) / max(2 * top - before - after, 1e-9), -0.5), 0.5)
