"""Displacements against codes, and detections: hand-computed cases, and scikit-learn."""

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.metrics import r2_score
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.svm import LinearSVC

from wsprites.bench.metrics.displacement import delta_mse, detection_scores, folds, svm_accuracy
from wsprites.bench.metrics.interval import Clusters

N, T, K = 9, 40, 5
RNG = np.random.default_rng(0)


@pytest.fixture
def noisy() -> tuple[np.ndarray, np.ndarray]:
    """(N, T, 2) displacements that depend on (N, T) codes, of which code 3 never occurs and code 4 seldom; a tenth is unknown."""
    code = RNG.choice([0, 1, 2, 4], (N, T), p=[0.5, 0.3, 0.18, 0.02])
    moved = np.array([(5, 0), (-5, 1), (0, 3), (0, 0), (2, 9)])[code] + RNG.normal(0, [2, 0.5], (N, T, 2)) * (1 + code[..., None])
    moved[RNG.random((N, T)) < 0.1, RNG.integers(2)] = np.nan
    return moved, code


def test_a_case_by_hand():
    """Code 0 moves by 0 and 2, variance 1; code 7 four times by 4. The mean of all is 3 and their variance 14/6."""
    moved = np.array([[[0.0], [4], [4]], [[2], [4], [4]]])
    found = delta_mse(moved, np.array([[0, 7, 7], [0, 7, 7]]), Clusters([0, 1]))
    assert found["delta_mse"].value == pytest.approx(100 * (2 / 6 * 1) / (14 / 6))
    assert found["delta_mse_unweighted"].value == pytest.approx(100 * (1 / 2) / (14 / 6))
    assert found["delta_mse"].unit == "%" and found["delta_mse"].clips == 2


def test_both_normalisations_of_two_coordinates(noisy):
    moved, code = noisy
    defined = np.isfinite(moved).all(-1)
    x, y = np.eye(K)[code[defined]], moved[defined]
    r2 = r2_score(y, LinearRegression(fit_intercept=False).fit(x, y).predict(x), multioutput="variance_weighted")
    parts = [y[code[defined] == k].var(0).mean() for k in (0, 1, 2, 4)]
    found = delta_mse(moved, code, Clusters(np.arange(N)))
    assert found["delta_mse"].value == pytest.approx(100 * (1 - r2))
    assert found["delta_mse_unweighted"].value == pytest.approx(100 * np.mean(parts) / y.var(0).mean())
    assert found["delta_mse_unweighted"].value > found["delta_mse"].value + 5


def test_the_interval_is_that_of_clips_left_out(noisy):
    moved, code = noisy
    group, scene = np.arange(N) % 3, np.arange(N) // 5
    found = delta_mse(moved, code, Clusters(group, scene))
    for name, score in found.items():
        for ids, kind in zip((group, scene), score.replicates.kinds, strict=False):
            each = [delta_mse(moved[ids != one], code[ids != one], Clusters(group[ids != one]))[name].value for one in np.unique(ids)]
            assert kind == pytest.approx(each)
        assert 0 <= score.low < score.value < score.high


def test_what_fools_the_scores():
    moved = RNG.normal(size=(N, T, 2))
    one_code, clusters = np.full((N, T), 6), Clusters(np.arange(N))
    for value in (delta_mse(moved, one_code, clusters)["delta_mse"].value, svm_accuracy(moved.reshape(-1, 2), one_code.ravel())):
        assert value == pytest.approx(100)  # the accuracy is perfect, and the error that of knowing nothing
    # A code for each transition knows everything in sample.
    assert delta_mse(moved, np.arange(N * T).reshape(N, T), clusters)["delta_mse"].value == pytest.approx(0, abs=1e-9)
    still = delta_mse(moved * 0 + 3, one_code, clusters)
    assert np.isnan(still["delta_mse"].value) and np.isnan(still["delta_mse_unweighted"].value)
    assert np.isnan(delta_mse(moved * np.nan, one_code, clusters)["delta_mse"].value)
    # Five places on a line are too many for a linear machine, although each has a code of its own.
    step = np.repeat(np.arange(5.0), 50)[:, None]
    assert svm_accuracy(step, np.repeat(np.arange(5), 50)) < 90


def test_the_unit_does_not_matter(noisy):
    moved, code = noisy
    clusters = Clusters(np.arange(N))
    found, other = delta_mse(moved, code, clusters), delta_mse(moved * 1e-6 + 1e3, code, clusters)
    for name in found:
        assert other[name].value == pytest.approx(found[name].value, rel=1e-4)


def test_the_accuracy_is_that_of_scikit_learn(noisy):
    moved, code = noisy
    defined = np.isfinite(moved).all(-1)
    x, y = moved[defined] / 10, code[defined]
    with_dual = LinearSVC(max_iter=10_000, dual=True, random_state=0).fit(x, y)  # what CADDY's version of scikit-learn does
    assert svm_accuracy(x, y) == pytest.approx(100 * with_dual.score(x, y), abs=0.7)
    fold = np.repeat(folds(np.arange(N) // 2), T).reshape(N, T)[defined]
    expected = cross_val_predict(LinearSVC(max_iter=10_000, dual=False), x, y, cv=PredefinedSplit(fold))
    assert svm_accuracy(x, y, fold_n=fold) == pytest.approx(100 * (expected == y).mean())


def test_the_accuracy_that_is_held_out_finds_out_codes_that_name_the_clip():
    """Each clip moves at its own speed and has a code of its own."""
    speed = np.array([0.0, 1, 2, 3, 4, 20, 21, 22, 23, 24])
    moved = speed.repeat(20)[:, None] * np.array([[1.0, -1]])
    code, fold = np.arange(10).repeat(20) // 5, folds(np.arange(10)).repeat(20)
    assert svm_accuracy(moved, code) == 100 == svm_accuracy(moved, code, fold_n=fold)  # codes for slow and fast hold for other clips
    assert svm_accuracy(moved, np.arange(10).repeat(20), fold_n=fold) == 0
    assert np.isnan(svm_accuracy(moved, code, fold_n=np.zeros(200, int))) and np.isnan(svm_accuracy(moved[:0], code[:0]))


def test_folds_hold_out_whole_groups():
    assert folds(np.array([40, 7, 7, 9, 12, 13, 50])).tolist() == [4, 0, 0, 1, 2, 3, 0]
    assert folds(np.full(7, 3)).tolist() == [0, 1, 2, 3, 4, 0, 1]


def test_distances_and_missed_detections():
    nothing = np.nan
    true = np.array([[[0.0, 0], [1, 1], [nothing, nothing]], [[5, 5], [6, 6], [7, 7]]])
    generated = np.array([[[3.0, 4], [nothing, nothing], [9, 9]], [[5, 5], [6, 7], [nothing, nothing]]])
    found = detection_scores(true, generated, Clusters([0, 1]), unit="px")
    assert found["add"].value == pytest.approx((5 + 0 + 1) / 3) and found["add"].unit == "px"
    assert found["mdr"].value == pytest.approx(100 * 2 / 5) and found["mdr"].high <= 100
    lost = detection_scores(true, generated * nothing, Clusters([0, 1]), unit="px")
    assert lost["mdr"].value == 100 and np.isnan(lost["add"].value)
    assert np.isnan(detection_scores(true * nothing, generated, Clusters([0, 1]), unit="px")["mdr"].value)
