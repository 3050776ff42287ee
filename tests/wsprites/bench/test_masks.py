"""Scores of masks, and their baselines, against slow ones by scipy and scikit-image."""

import numpy as np
import pytest
from scipy import ndimage
from skimage.morphology import diamond, disk
from skimage.segmentation import find_boundaries

from wsprites.bench import mask_baselines
from wsprites.bench.data import Data
from wsprites.bench.metrics import masks

RNG = np.random.default_rng(0)


def figure(y: int, x: int) -> np.ndarray:
    """A body with a head, and a part that is cut off by the edge of the frame."""
    mask = np.zeros((48, 64), bool)
    mask[y : y + 14, x : x + 9] = True
    mask[y - 8 : y + 1, x : x + 9] |= disk(4).astype(bool)
    mask[40:, 50:] = True
    return mask


def slow_boundary_f(a: np.ndarray, b: np.ndarray) -> float:
    """The definition of `masks.boundary_f`, pixel by pixel for what differs, and by scikit-image for the boundary."""

    def matched(a: np.ndarray, b: np.ndarray) -> list[bool]:
        edge_a, edge_b = (find_boundaries(np.pad(mask, 1, "edge"), 1, mode="inner")[1:-1, 1:-1] for mask in (a, b))
        others, differ = np.argwhere(edge_b), np.pad(a != b, 2, "edge")
        near = [len(others) > 0 and np.abs(others - at).max(1).min() <= 1 for at in np.argwhere(edge_a)]
        alike = [differ[y : y + 5, x : x + 5].sum() <= 12 for y, x in np.argwhere(edge_a)]
        return [one and other for one, other in zip(near, alike, strict=True)]

    of_a, of_b = matched(a, b), matched(b, a)
    if not of_a and not of_b:
        return float((a == b).all())
    p, r = np.mean(of_a) if of_a else 0, np.mean(of_b) if of_b else 0
    return float(2 * p * r / (p + r)) if p + r else 0


def test_iou():
    true = np.zeros((3, 20, 30), bool)
    true[:2, 5:15, 5:15] = True
    soft = RNG.random(true.shape)
    union = (1 - (1 - soft) * (1 - true)).sum((1, 2))
    assert masks.soft_iou(soft, true) == pytest.approx((soft * true).sum((1, 2)) / union)
    moved = np.roll(true, 2, 2)
    assert masks.hard_iou(moved.astype(float), true) == pytest.approx([80 / 120, 80 / 120, 1])


def test_boundary_f_is_that_of_its_definition():
    true = np.stack([figure(y, x) for y, x in RNG.integers(9, 40, (12, 2))])
    noise = ndimage.gaussian_filter(RNG.normal(size=true.shape), (0, 1.5, 1.5))
    rough = ndimage.gaussian_filter(true.astype(float), (0, 1, 1)) + noise * np.linspace(0, 2, len(true))[:, None, None]
    got = masks.boundary_f(rough, true)
    assert got == pytest.approx([slow_boundary_f(a >= 0.5, b) for a, b in zip(rough, true, strict=True)])
    assert got == pytest.approx(masks.boundary_f(true.astype(float), rough >= 0.5))  # it is symmetric
    assert got.min() < 0.5 and got[0] > 0.9


BODY = figure(20, 20)
SQUARE = np.pad(np.ones((10, 10), bool), ((20, 18), (20, 34)))
EMPTY, FULL = np.zeros_like(BODY), np.ones_like(BODY)
OUTSIDE = ndimage.binary_dilation(BODY, np.ones((3, 3))) & ~BODY
CHECKED: list[tuple[str, np.ndarray, np.ndarray, float]] = [
    ("equal", BODY, BODY, 1),
    ("one pixel beside", ndimage.shift(BODY, (0, 1), order=0, mode="nearest"), BODY, 1),
    ("three pixels beside", np.roll(SQUARE, 3, 1), SQUARE, 18 / 36),  # 8 pixels of each long side, and 2 next to its end
    ("inverted", ~BODY, BODY, 0),
    ("inverted thin line", np.arange(64) != np.full((48, 1), 20), np.arange(64) == np.full((48, 1), 20), 0),
    ("inverted at the corner", ~(BODY & (np.arange(64) > 45)), BODY & (np.arange(64) > 45), 0),
    ("a ring around it", OUTSIDE, BODY, 0),
    ("empty", EMPTY, BODY, 0),
    ("both empty", EMPTY, EMPTY, 1),
    ("the whole frame", FULL, BODY, 0),
    ("both the whole frame", FULL, FULL, 1),
    ("the whole frame of nothing", FULL, EMPTY, 0),
]


@pytest.mark.parametrize(("mask", "true", "expected"), [row[1:] for row in CHECKED], ids=[row[0] for row in CHECKED])
def test_boundary_f_of_what_may_fool_it(mask: np.ndarray, true: np.ndarray, expected: float):
    assert masks.boundary_f(mask[None], true[None]) == pytest.approx([expected], abs=1e-9)


def test_the_best_constant_mask_is_the_best():
    true = np.stack([figure(y, x) for y, x in RNG.integers(9, 30, (40, 2))])
    best, frequency = mask_baselines.best_constant(true), true.mean(0)
    of = {q: np.mean([(mask & (frequency > q)).sum() / (mask | (frequency > q)).sum() for mask in true]) for q in np.unique(frequency)[:-1]}
    got = masks.hard_iou(np.broadcast_to(best, true.shape).copy(), true).mean()
    assert got == pytest.approx(max(of.values()), abs=0.01) and got > of[0] + 0.02  # of all masks by frequency, not of 19 alone


def test_the_silhouette_is_the_mean_shape_at_the_place_of_the_models_mask():
    one = diamond(6).astype(bool)  # 13 x 13, with its centre in the middle
    true = np.zeros((5, 48, 64), bool)
    for mask, (y, x) in zip(true[:4], [(0, 0), (3, 40), (30, 2), (20, 20)], strict=True):
        mask[y : y + 13, x : x + 13] = one
    middle = np.zeros((48, 64), bool)
    middle[24 - 6 : 24 + 7, 32 - 6 : 32 + 7] = one
    assert np.array_equal(mask_baselines.mean_silhouette(true), middle)
    model = np.zeros((5, 48, 64))
    model[0, 30:33, 50] = 0.5  # a line, in the middle of which the shape is placed
    model[1, 0, 0] = model[2, 47, 63] = 1  # at the edge it is cut off
    model[3] = 0.49  # no mask
    model[4, 10, 10:12] = 1  # halves are rounded up
    placed = mask_baselines.MaskBaselines(middle, middle).masks(model)
    assert np.array_equal(placed["mean_mask"], np.broadcast_to(middle, true.shape))
    assert [tuple(np.rint(ndimage.center_of_mass(mask)).astype(int)) for mask in placed["silhouette"][[0, 4]]] == [(31, 50), (10, 11)]
    assert np.array_equal(placed["silhouette"][1, :7, :7], one[6:, 6:]) and placed["silhouette"][1].sum() == one[6:, 6:].sum()
    assert np.array_equal(placed["silhouette"][2, -7:, -7:], one[:7, :7]) and not placed["silhouette"][3].any()


def test_the_silhouette_of_the_standard_world_is_a_figure(few: Data):
    fitted = mask_baselines.fit_masks(few.fit)
    true = few.scored.clip(0).masks_thw
    iou = {who: float(masks.hard_iou(mask, true).mean()) for who, mask in fitted.masks(true).items()}
    assert 0.9 > iou["silhouette"] > 0.6 > 0.4 > iou["mean_mask"] > 0.05
