"""What can be read from latents by a probe that is fitted on other characters. Axis suffixes: n samples, d features.

Every accuracy comes with the controls that tell whether it means anything: the same probe on shuffled labels, and the same probe given the
true state before the transition instead of the latent. Most transitions repeat the action before, so the state alone predicts well.
Both have the capacity of the probe that they stand beside, which is swept from linear to 256 hidden units.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Figure, figure, ratio, weights

Floats = NDArray[np.floating]
FITTED, SCORED = 5_000, 20_000
"""Most transitions that a probe is fitted on, and scored on: evenly spread over all clips."""
STEPS = 240
"""Least number of an MLP's training steps, of 250 transitions each."""
CAPACITY = ("linear", "mlp_4", "mlp_16", "mlp", "mlp_256")
"""From the weakest probe to the strongest: what only a strong one finds is there, but not laid out as an action would be."""
KINDS = (*CAPACITY, "knn")


def spread(shape_nt: tuple[int, int], most: int) -> NDArray[np.int64]:
    """Flat places of at most `most` of N x T transitions, evenly spread, of every clip about as many."""
    total = shape_nt[0] * shape_nt[1]
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(np.int64))


def classify(kind: str, fit_nd: Floats, labels_fit: Sequence[NDArray[np.integer]], scored_nd: Floats) -> list[NDArray[np.integer]]:
    """For each of several labels, (n,) predicted for `scored_nd` by a probe fitted on the others. Features are standardised first.

    `linear`: multinomial logistic regression; `knn`: majority of the 15 nearest; `mlp_W`: one hidden layer of W, 64 without a number.
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
        rate = max(3e-3, 0.12 / hidden)  # few units have to move faster to be ready in as many steps
        epochs = max(12, 250 * STEPS // len(a))
        mlp = MLPClassifier((hidden,), max_iter=epochs, batch_size=min(250, len(a)), learning_rate_init=rate, random_state=0)
        probe: Any = linear if kind == "linear" else mlp
        if label.min() == label.max():
            predicted.append(np.full(len(b), label[0]))
            continue
        with warnings.catch_warnings(), threadpool_limits(1, "blas"):  # the matrices are small: threads would wait for one another
            warnings.simplefilter("ignore")  # a probe has a budget, and need not converge
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
    """Both with the mean and standard deviation of the first taken out; features that never vary become 0."""
    mean, std = fit_nd.mean(0), fit_nd.std(0)
    std = np.where(std > 1e-9 * (1 + np.abs(mean)), std, np.inf)
    return (fit_nd - mean) / std, (scored_nd - mean) / std


def mean_by_clip(value_n: NDArray[Any], clip_n: NDArray[np.integer]) -> Figure:
    """The mean over transitions, drawn by clips; `clip_n` says which clip a transition is of."""
    clips = int(clip_n.max()) + 1
    return ratio(np.bincount(clip_n, value_n, clips), np.bincount(clip_n, minlength=clips))


def explained(predicted_n2: Floats, true_n2: Floats, clip_n: NDArray[np.integer]) -> Figure:
    """R2 of a shift, mean over x and y or the one of them that varies, at most 1, drawn by clips; the mean that it is compared with is
    that of all clips."""
    clips = int(clip_n.max()) + 1
    residual, total = (predicted_n2 - true_n2) ** 2, (true_n2 - true_n2.mean(0)) ** 2
    sums = np.stack([np.bincount(clip_n, column, clips) for column in (*residual.T, *total.T)], 1)
    drawn = weights(clips) @ sums

    def value(of: Floats) -> Floats:
        varies = of[..., 2:] > 0
        share = np.where(varies, 1 - of[..., :2] / np.where(varies, of[..., 2:], 1), 0)
        return np.asarray(share.sum(-1) / np.where(varies.any(-1), varies.sum(-1), np.nan))

    return figure(float(value(sums.sum(0))), value(drawn), clips=clips)
