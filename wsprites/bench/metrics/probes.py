"""Probes: classifiers and regressions that read labels from latents, fitted on other characters. Axis suffixes: n samples, d features.

A probe has settings: how many of the features it gets, how strong its penalty is, for how many epochs it is trained. They are chosen on
characters of the fitted part that are held out, from a fixed list of candidates; then the probe is fitted on all of the fitted part.
"""

import math
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
"""Candidate numbers of features, as far as they are below the width of the latent, which is a candidate as well."""
STRENGTHS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0)
"""Candidates for C of the logistic regression, and for the inverse of the penalty of the ridge regression."""
WIDTHS = (4, 16, 64, 256)
"""Hidden units of the MLP probes."""
STEPS, PATIENCE = 600, 10
"""Largest number of training steps of an MLP; it is checked 40 times on the way, and stopped after so many checks without a gain."""
SHUFFLES = 20
"""Number of permutations of the labels that the accuracy by chance is the mean of."""
CAPACITY = ("linear", *(f"mlp_{width}" for width in WIDTHS))
"""Kinds of probes by capacity. A label that only a strong probe can read is present, but not laid out as an action would be."""
KINDS = (*CAPACITY, "mlp")
"""All kinds; "mlp" is the width with the highest accuracy on the characters that are held out."""
_BATCH, _CHECKS, _PENALTY, _WORSE, _ROWS = 250, 40, 0.1, 0.02, 4_096


def spread(shape_nt: tuple[int, int], most: int) -> NDArray[np.int64]:
    """Flat indices of at most `most` of N x T transitions, evenly spread over all clips."""
    total = shape_nt[0] * shape_nt[1]
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(np.int64))


class Setting(NamedTuple):
    """What is chosen for a probe."""

    features: int
    """Number of features: those that differ most between labels by the F test of an analysis of variance."""
    strength: float = 1.0
    """C of a logistic regression, or the inverse of the penalty of a ridge regression."""
    width: int = 0
    """Hidden units; 0 for a linear probe."""
    epochs: int = 0
    """Epochs of an MLP."""
    held_out: float = -math.inf
    """Accuracy or R2 on the characters that were held out for the choice."""


class _Inputs:
    """Standardised features, those that tell most about a label or shift on their own first. Constant features become 0."""

    def __init__(self, x_nd: Floats, y_n: NDArray[Any]) -> None:
        from sklearn.feature_selection import f_classif, f_regression
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler()
        x = scaler.fit_transform(x_nd.astype(np.float64))
        self._mean, self._scale = scaler.mean_, scaler.scale_
        # The F statistic of each feature, of a shift the sum over x and y; NaN, of a constant feature, is last.
        value = f_classif(x, y_n)[0] if y_n.ndim == 1 else sum(np.nan_to_num(f_regression(x, column)[0]) for column in y_n.T)
        self._order = np.argsort(np.where(np.isnan(value), -np.inf, value), kind="stable")

    def __call__(self, x_nd: Floats, features: int) -> Floats:
        """(n, features) float32."""
        at = np.sort(self._order[-features:])
        return np.asarray((x_nd[:, at] - self._mean[at]) / self._scale[at], np.float32)


def fit(setting: Setting, x_nd: Floats, y_n: NDArray[Any]) -> Predict:
    """Fit a probe.

    Args:
        x_nd, y_n: features, and labels (n,) or shifts (n, 2).

    Returns:
        A function of (m, D) features that returns the (m,) most likely labels, or (m, 2) shifts.
    """
    if y_n.ndim == 1 and y_n.min() == y_n.max():
        return lambda x: np.full(len(x), y_n[0])
    with _quiet():
        inputs = _Inputs(x_nd, y_n)
        x = inputs(x_nd, setting.features)
        if setting.width:
            probe = _mlp(setting.width, len(x))
            for _ in range(setting.epochs):
                probe.partial_fit(x, y_n, classes=np.unique(y_n))
        else:
            probe = _linear(setting.strength, y_n).fit(x, y_n)

    def predict(x_md: Floats) -> NDArray[Any]:
        blocks = np.split(x_md, range(_ROWS, len(x_md), _ROWS))
        return np.concatenate([probe.predict(inputs(block, setting.features)) for block in blocks])

    return predict


def choose_linear(x_nd: Floats, y_n: NDArray[Any], held_n: Mask) -> Setting:
    """The number of features and the strength with the highest accuracy, or R2, where `held_n`, of a probe fitted on the others.

    Of equal ones the one with fewer features and then with less strength. For each number of features, strengths are tried from the
    least until one is worse than the best by more than 0.02.
    """
    best = Setting(x_nd.shape[1])
    (x, y), (x_held, y_held) = ((x_nd[rows], y_n[rows]) for rows in (~held_n, held_n))
    if not len(y) or not len(y_held) or (y.ndim == 1 and y.min() == y.max()):
        return best
    with _quiet():
        inputs = _Inputs(x, y)
        for features in (*(number for number in FEATURES if number < x.shape[1]), x.shape[1]):
            a, b = inputs(x, features), inputs(x_held, features)
            highest = -math.inf
            for strength in STRENGTHS:
                value = _quality(_linear(strength, y).fit(a, y).predict(b), y_held)
                if value > best.held_out:
                    best = Setting(features, strength, held_out=value)
                highest = max(highest, value)
                if value < highest - _WORSE:
                    break
    return best


def choose_epochs(x_nd: Floats, label_n: Labels, held_n: Mask, features: int, width: int) -> Setting:
    """The number of epochs with the highest accuracy where `held_n` of an MLP fitted on the others; the first of equal ones."""
    (x, label), (x_held, label_held) = ((x_nd[rows], label_n[rows]) for rows in (~held_n, held_n))
    best = Setting(features, width=width, epochs=1)
    if not len(label) or not len(label_held) or label.min() == label.max():
        return best
    with _quiet():
        inputs = _Inputs(x, label)
        a, b = inputs(x, features), inputs(x_held, features)
        probe, classes = _mlp(width, len(a)), np.unique(label)
        between = max(1, round(STEPS / _CHECKS * _BATCH / len(a)))  # epochs from check to check
        for check in range(1, _CHECKS + 1):
            for _ in range(between):
                probe.partial_fit(a, label, classes=classes)
            value = _quality(probe.predict(b), label_held)
            if value > best.held_out:
                best = Setting(features, width=width, epochs=check * between, held_out=value)
            if value == 1 or check * between - best.epochs >= PATIENCE * between:
                break
    return best


def _quality(predicted: NDArray[Any], true: NDArray[Any]) -> float:
    """Accuracy of labels; R2 of shifts, of x and y together."""
    if true.ndim == 1:
        return float((predicted == true).mean())
    return float(1 - ((predicted - true) ** 2).sum() / max(((true - true.mean(0)) ** 2).sum(), 1e-12))


def _linear(strength: float, y_n: NDArray[Any]) -> Any:
    from sklearn.linear_model import LogisticRegression, Ridge

    return LogisticRegression(C=strength) if y_n.ndim == 1 else Ridge(alpha=1 / strength)


def _mlp(width: int, samples: int) -> Any:
    from sklearn.neural_network import MLPClassifier

    rate = max(3e-3, 0.12 / width)  # few units need a larger rate to converge in as many steps
    return MLPClassifier((width,), alpha=_PENALTY, batch_size=min(_BATCH, samples), learning_rate_init=rate, random_state=0)


@contextmanager
def _quiet() -> Iterator[None]:
    """No warnings: a probe has a fixed budget and need not converge. One thread: for small matrices more would cost more than they save."""
    from threadpoolctl import threadpool_limits

    with warnings.catch_warnings(), threadpool_limits(1, "blas"):
        warnings.simplefilter("ignore")
        yield


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
