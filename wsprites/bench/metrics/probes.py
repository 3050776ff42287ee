"""Probes: classifiers and regressions that read labels from latents, fitted on other characters. Axis suffixes: n samples, d features.

An accuracy is reported beside two baselines of the same capacity: the probe on shuffled labels, and the probe given the true state before
the transition instead of the latent. Most transitions repeat the action before, so the state alone predicts well. Capacity is swept from
a linear probe to 256 hidden units.
"""

import math
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Clusters, Score, ratio

Floats = NDArray[np.floating]
FITTED, SCORED = 5_000, 20_000
"""Largest numbers of transitions that a probe is fitted on and scored on, evenly spread over all clips."""
STEPS = 240
"""Smallest number of training steps of an MLP, of 250 transitions each."""
CAPACITY = ("linear", "mlp_4", "mlp_16", "mlp", "mlp_256")
"""Kinds of probes by capacity. A label that only a strong probe can read is present, but not laid out as an action would be."""
KINDS = (*CAPACITY, "knn")


def spread(shape_nt: tuple[int, int], most: int) -> NDArray[np.int64]:
    """Flat indices of at most `most` of N x T transitions, evenly spread over all clips."""
    total = shape_nt[0] * shape_nt[1]
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(np.int64))


def classify(kind: str, fit_nd: Floats, labels_fit: Sequence[NDArray[np.integer]], scored_nd: Floats) -> list[NDArray[np.integer]]:
    """Predictions for `scored_nd` by one probe for each of several labels, (n,) each. Features are standardised first.

    Args:
        kind: "linear", multinomial logistic regression; "knn", majority of the 15 nearest; "mlp_W", one hidden layer of W ("mlp": 64).
        fit_nd, labels_fit: features and labels to fit on.
    """
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import NearestNeighbors
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    a, b = standardised(fit_nd, scored_nd)
    if kind == "knn":
        nearest = NearestNeighbors(n_neighbors=min(15, len(a)), algorithm="brute").fit(a).kneighbors(b, return_distance=False)
        return [np.argmax([(label[nearest] == value).sum(1) for value in range(label.max() + 1)], axis=0) for label in labels_fit]
    predicted = []
    for label in labels_fit:
        linear = LogisticRegression(C=10.0, max_iter=60, tol=1e-3)
        hidden = int(kind.partition("_")[2] or 64)
        rate = max(3e-3, 0.12 / hidden)  # few units need a larger rate to converge in as many steps
        epochs = max(12, 250 * STEPS // len(a))
        mlp = MLPClassifier((hidden,), max_iter=epochs, batch_size=min(250, len(a)), learning_rate_init=rate, random_state=0)
        probe: Any = linear if kind == "linear" else mlp
        if label.min() == label.max():
            predicted.append(np.full(len(b), label[0]))
            continue
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # the matrices are small: more threads cost more than they save
            warnings.simplefilter("ignore")  # a probe has a fixed budget and need not converge
            predicted.append(probe.fit(a, label).predict(b))
    return predicted


def regress(fit_nd: Floats, target_fit_n2: Floats, scored_nd: Floats) -> Floats:
    """(n, 2) predicted by ridge regression (penalty 1) on standardised features."""
    a, b = (np.concatenate([x, np.ones((len(x), 1))], 1) for x in standardised(fit_nd, scored_nd))
    penalty = np.eye(a.shape[1])
    penalty[-1, -1] = 0
    predicted: Floats = b @ np.linalg.solve(a.T @ a + penalty, a.T @ target_fit_n2)
    return predicted


def standardised(fit_nd: Floats, scored_nd: Floats) -> tuple[Floats, Floats]:
    """Both standardised by the mean and standard deviation of the first; constant features become 0."""
    mean, std = fit_nd.mean(0), fit_nd.std(0)
    std = np.where(std > 1e-9 * (1 + np.abs(mean)), std, np.inf)
    return (fit_nd - mean) / std, (scored_nd - mean) / std


def mean_by_clip(value_n: NDArray[Any], clip_n: NDArray[np.integer], clusters: Clusters, *, least: float = 0.0) -> Score:
    """Mean over transitions; `clip_n` is the clip of each transition, `clusters` the groups of the clips."""
    clips = len(clusters)
    return ratio(np.bincount(clip_n, value_n, clips), np.bincount(clip_n, minlength=clips), clusters, least=least)


def explained(predicted_n2: Floats, true_n2: Floats, clip_n: NDArray[np.integer], clusters: Clusters) -> Score:
    """R2 of a shift: at most 1, mean over x and y, or the one of them that varies.

    All replicates compare with the mean shift of all clips.
    """
    clips = len(clusters)
    residual, total = (predicted_n2 - true_n2) ** 2, (true_n2 - true_n2.mean(0)) ** 2
    sums = np.stack([np.bincount(clip_n, column, clips) for column in (*residual.T, *total.T)], 1)

    def value(of: Floats) -> Floats:
        varies = of[..., 2:] > 0
        share = np.where(varies, 1 - of[..., :2] / np.where(varies, of[..., 2:], 1), 0)
        return np.asarray(share.sum(-1) / np.where(varies.any(-1), varies.sum(-1), np.nan))

    return clusters.score(float(value(sums.sum(0))), value(clusters.sums(sums)), least=-math.inf)
