"""Probes: classifiers and regressions that read labels from latents, fitted on other characters. Axis suffixes: n samples, d features.

A probe has settings: how many of the features it gets, how strong its penalty is, for how many epochs it is trained. They are chosen on
characters of the fitted part that are held out, from a fixed list of candidates. A linear probe is then fitted on all of the fitted part.
"""

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache, cached_property
from importlib import import_module
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Clusters, Score

Floats = NDArray[np.floating]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
Predict = Callable[[Floats], NDArray[Any]]
"""Predictions of a fitted probe for (n, D) features."""

FITTED, SCORED = 5_000, 20_000
"""Largest numbers of transitions that a probe is fitted on and scored on, evenly spread over all clips."""
SAMPLES = (50, 250, 1_000)
"""Numbers of transitions of the accuracy against the number of fitted transitions."""
FEATURES = (16, 64, 256, 1_024)
"""Candidate numbers of features, as far as they are at most a quarter of the width of the latent, which is a candidate as well."""
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Candidates for C of the logistic regression, and for the inverse of the penalty of the ridge regression."""
WIDTHS = (4, 16, 64, 256)
"""Hidden units of the MLP probes."""
STEPS, PATIENCE = 450, 5
"""Largest number of training steps of an MLP; it is checked 30 times on the way, and stopped after so many checks without a gain."""
SHUFFLES = 20
"""Number of permutations of the labels that the accuracy by chance is the mean of."""
CAPACITY = ("linear", *(f"mlp_{width}" for width in WIDTHS))
"""Kinds of probes by capacity. A label that only a strong probe can read is present, but not laid out as an action would be."""
KINDS = (*CAPACITY, "mlp")
"""All kinds; "mlp" is the width with the highest accuracy on the characters that are held out."""
_BATCH, _CHECKS, _PENALTY, _WORSE, _ROWS = 250, 30, 0.1, 0.02, 4_096


def spread(shape_nt: tuple[int, int], most: int) -> NDArray[np.int64]:
    """Flat indices of at most `most` of N x T transitions, evenly spread over all clips."""
    total = shape_nt[0] * shape_nt[1]
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(np.int64))


class Setting(NamedTuple):
    """What is chosen for a linear probe."""

    features: int
    """Number of features: those that differ most between labels by the F test of an analysis of variance."""
    strength: float = 1.0
    """C of a logistic regression, or the inverse of the penalty of a ridge regression."""
    held_out: float = -math.inf
    """Accuracy or R2 on the characters that were held out for the choice."""


class _Inputs:
    """Standardised features, those that tell most about a label or shift on their own. Constant features become 0."""

    def __init__(self, x_nd: Floats, y_n: NDArray[Any]) -> None:
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(x_nd.astype(np.float64))
        self._mean, self._scale = scaler.mean_, scaler.scale_
        self._fitted = x_nd, y_n

    def __call__(self, x_nd: Floats, features: int) -> Floats:
        """(n, features) float32."""
        at = slice(None) if features == x_nd.shape[1] else np.sort(self._order[-features:])
        return np.asarray((x_nd[:, at] - self._mean[at]) / self._scale[at], np.float32)

    @cached_property
    def _order(self) -> NDArray[np.int64]:
        """(D,) features by ascending F statistic, of a shift the sum over x and y; constant features come first."""
        from sklearn.feature_selection import f_classif, f_regression

        x, (_, y) = (self._fitted[0] - self._mean) / self._scale, self._fitted
        f = f_classif(x, y)[0] if y.ndim == 1 else np.sum([f_regression(x, column)[0] for column in y.T], 0)
        return np.argsort(np.where(np.isnan(f), -np.inf, f), kind="stable")


def choose_linear(x_nd: Floats, y_n: NDArray[Any], held_n: Mask) -> Setting:
    """The number of features and the strength with the highest accuracy, or R2, where `held_n`, of a probe fitted on the others.

    Of equal ones the one with fewer features, and then with more strength, which reads a clear label with more certainty. For each number
    of features, strengths are tried from the least until one is worse than the best of them by more than 0.02.
    """
    best = Setting(x_nd.shape[1])
    (x, y), (x_held, y_held) = ((x_nd[rows], y_n[rows]) for rows in (~held_n, held_n))
    if not len(y) or not len(y_held) or (y.ndim == 1 and y.min() == y.max()):
        return best
    with _quiet():
        inputs = _Inputs(x, y)
        for features in (*(number for number in FEATURES if 4 * number <= x.shape[1]), x.shape[1]):
            a, b = inputs(x, features), inputs(x_held, features)
            highest = -math.inf
            for strength in STRENGTHS:
                value = _quality(_linear(strength, y).fit(a, y).predict(b), y_held)
                if value > best.held_out or (value == best.held_out and features == best.features):
                    best = Setting(features, strength, held_out=value)
                highest = max(highest, value)
                if value < highest - _WORSE:
                    break
    return best


def fit(setting: Setting, x_nd: Floats, y_n: NDArray[Any], *, tolerance: float = 1e-4) -> Predict:
    """Fit a linear probe: multinomial logistic regression of labels, ridge regression of shifts.

    Args:
        x_nd, y_n: features, and labels (n,) or shifts (n, 2).
        tolerance: largest component of the gradient of the logistic regression that ends the fit.

    Returns:
        A function of (m, D) features that returns the (m,) most likely labels, or (m, 2) shifts.
    """
    if y_n.ndim == 1 and y_n.min() == y_n.max():
        return lambda x: np.full(len(x), y_n[0])
    with _quiet():
        inputs = _Inputs(x_nd, y_n)
        probe = _linear(setting.strength, y_n, tolerance).fit(inputs(x_nd, setting.features), y_n)
        return _predict(probe, inputs, setting.features)


def _predict(probe: Any, inputs: _Inputs, features: int) -> Predict:
    def predict(x_md: Floats) -> NDArray[Any]:
        blocks = np.split(x_md, range(_ROWS, len(x_md), _ROWS))
        return np.concatenate([probe.predict(inputs(block, features)) for block in blocks])

    return predict


def fit_mlp(width: int, features: int, x_nd: Floats, label_n: Labels, held_n: Mask) -> tuple[Predict, float]:
    """Fit an MLP where not `held_n`, and keep its weights as they were at the check with the highest accuracy where `held_n`.

    Returns:
        A function of (m, D) features that returns the (m,) most likely labels, and that accuracy, of equal ones the first.
    """
    (x, label), (x_held, label_held) = ((x_nd[rows], label_n[rows]) for rows in (~held_n, held_n))
    if not len(label) or not len(label_held) or label.min() == label.max():
        return fit(Setting(features), x_nd, label_n), -math.inf
    with _quiet():
        inputs = _Inputs(x, label)
        a, b = inputs(x, features), inputs(x_held, features)
        probe, best, best_accuracy, since = _mlp(width, len(a)), None, -math.inf, 0
        epochs = max(1, round(STEPS / _CHECKS * min(_BATCH, len(a)) / len(a)))  # from check to check
        for _ in range(_CHECKS):
            for _ in range(epochs):
                probe.partial_fit(a, label, classes=np.unique(label))
            accuracy = _quality(probe.predict(b), label_held)
            since = 0 if accuracy > best_accuracy else since + 1
            if since == 0:
                best, best_accuracy = copy.deepcopy(probe), accuracy
            if accuracy == 1 or since == PATIENCE:
                break
    return _predict(best, inputs, features), best_accuracy


def _quality(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Accuracy of labels; R2 of shifts, of x and y together."""
    if true.ndim == 1:
        return float((predicted == true).mean())
    return float(1 - ((predicted - true) ** 2).sum() / max(((true - true.mean(0)) ** 2).sum(), 1e-12))


def _linear(strength: float, y_n: NDArray[Any], tolerance: float = 1e-4) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(C=strength, tol=tolerance) if y_n.ndim == 1 else Ridge(alpha=1 / strength)


def _mlp(width: int, samples: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    rate = max(3e-3, 0.12 / width)  # few units need a larger rate to converge in as many steps
    return MLPClassifier((width,), alpha=_PENALTY, batch_size=min(_BATCH, samples), learning_rate_init=rate, random_state=0)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings: a probe has a fixed budget and need not converge. One thread: for small matrices more would cost more than they save."""
    with warnings.catch_warnings(), _threads().limit(limits=1, user_api="blas"):
        warnings.simplefilter("ignore")
        yield


@cache
def _threads() -> Any:
    """The controller of the libraries for linear algebra; to look for them takes as long as a small fit, so it is done once."""
    from threadpoolctl import ThreadpoolController

    import_module("sklearn.linear_model")  # loads those of scikit-learn and SciPy
    return ThreadpoolController()


def quotient(
    part_n: NDArray[Any],
    whole_n: NDArray[Any],
    clip_n: NDArray[np.integer],
    clusters: Clusters,
    *,
    least: float = 0.0,
    fit_r: NDArray[np.float64] | None = None,
) -> Score:
    """One sum over transitions divided by another, at most 1; not defined where the second is 0.

    Args:
        clip_n: the clip of each transition; `clusters` are the groups of these clips.
        least, fit_r: see `Clusters.score`.
    """
    clips = len(clusters)
    part, whole = (np.bincount(clip_n, values.astype(np.float64), clips) for values in (part_n, whole_n))
    if whole.sum() <= 0:
        return Score(math.nan)
    part_r, whole_r = clusters.sums(part), clusters.sums(whole)
    value_r = np.where(whole_r > 1e-9, part_r / np.maximum(whole_r, 1e-9), math.nan)
    used = len(np.unique(clip_n))
    return clusters.score(float(part.sum() / whole.sum()), value_r, least=least, most=1.0, fit_r=fit_r, clips=used)


def explained(
    predicted_n2: Floats, true_n2: Floats, clip_n: NDArray[np.integer], clusters: Clusters, *, fit_r: NDArray[np.float64] | None = None
) -> Score:
    """R2 of a shift: at most 1, mean over x and y, or the one of them that varies.

    All replicates compare with the mean shift of all clips. `fit_r`: see `Clusters.score`.
    """
    clips = len(clusters)
    residual, total = (predicted_n2 - true_n2) ** 2, (true_n2 - true_n2.mean(0)) ** 2
    sums = np.stack([np.bincount(clip_n, column, clips) for column in (*residual.T, *total.T)], 1)

    def value(of: NDArray[np.float64]) -> NDArray[np.float64]:
        varies = of[..., 2:] > 0
        share = np.where(varies, 1 - of[..., :2] / np.where(varies, of[..., 2:], 1), 0)
        return np.asarray(share.sum(-1) / np.where(varies.any(-1), varies.sum(-1), np.nan))

    return clusters.score(float(value(sums.sum(0))), value(clusters.sums(sums)), least=-math.inf, fit_r=fit_r)
