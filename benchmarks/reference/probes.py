"""Probes of vectors and leakage: these sections of docs/scores.md in plain numpy and scikit-learn. Axes: n transitions, d features."""

from collections.abc import Callable, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.feature_selection import f_classif, f_regression
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.neural_network import MLPClassifier
from sklearn.preprocessing import StandardScaler

from benchmarks.reference.codes import SOURCES
from benchmarks.reference.intervals import Array, Interval, scores

FITTED, SCORED, SAMPLES, FEATURES = 5000, 20000, (1000, 250, 50), (16, 64, 256, 1024)
STRENGTHS, WIDTHS, STEPS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0, 10.0), (4, 16, 64, 256), 600


def spread(total: int, most: int) -> Array:
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(int))


def inputs(x: Array, y: Array, features: int) -> Callable[[Array], Array]:
    """Standardises, and keeps the features with the largest F statistics."""
    scaler = StandardScaler().fit(x.astype(np.float64))
    z = scaler.transform(x.astype(np.float64))
    f = f_classif(z, y)[0] if y.ndim == 1 else np.sum([f_regression(z, column)[0] for column in y.T], 0)
    at = np.sort(np.argsort(np.where(np.isnan(f), -np.inf, f), kind="stable")[-features:])
    return lambda x: ((x[:, at] - scaler.mean_[at]) / scaler.scale_[at]).astype(np.float32)


def linear(y: Array, strength: float) -> Any:
    return LogisticRegression(C=strength) if y.ndim == 1 else Ridge(alpha=1 / strength)


def mlp(width: int, n: int) -> Any:
    return MLPClassifier((width,), alpha=0.1, batch_size=min(250, n), learning_rate_init=max(3e-3, 0.12 / width), random_state=0)


def quality(predicted: Array, y: Array) -> float:
    if y.ndim == 1:
        return float((predicted == y).mean())
    return float(1 - ((predicted - y) ** 2).sum() / max(((y - y.mean(0)) ** 2).sum(), 1e-12))


def choose_linear(x: Array, y: Array, held: Array) -> tuple[int, float]:
    """Number of features and strength that are best on held-out characters."""
    best, setting = -np.inf, (x.shape[1], 1.0)
    if held.all() or not held.any() or (y.ndim == 1 and len(np.unique(y[~held])) < 2):
        return setting
    for features in (*(number for number in FEATURES if number < x.shape[1]), x.shape[1]):
        of, highest = inputs(x[~held], y[~held], features), -np.inf
        for strength in STRENGTHS:
            value = quality(linear(y, strength).fit(of(x[~held]), y[~held]).predict(of(x[held])), y[held])
            if value > best:
                best, setting = value, (features, strength)
            highest = max(highest, value)
            if value < highest - 0.02:
                break
    return setting


def choose_epochs(x: Array, y: Array, held: Array, features: int, width: int) -> tuple[int, float]:
    """Number of epochs that is best on held-out characters, and the accuracy there."""
    epochs, best = 1, -np.inf
    if held.all() or not held.any() or len(np.unique(y[~held])) < 2:
        return epochs, best
    of, probe = inputs(x[~held], y[~held], features), mlp(width, int((~held).sum()))
    between = max(1, round(STEPS / 40 * 250 / int((~held).sum())))
    for check in range(1, 41):
        for _ in range(between):
            probe.partial_fit(of(x[~held]), y[~held], classes=np.unique(y[~held]))
        value = quality(probe.predict(of(x[held])), y[held])
        if value > best:
            epochs, best = check * between, value
        if value == 1 or check * between - epochs >= 10 * between:
            break
    return epochs, best


def predict(x: Array, y: Array, x_scored: Array, setting: tuple[int, float]) -> Array:
    """By a linear probe."""
    if y.ndim == 1 and len(np.unique(y)) < 2:
        return np.full(len(x_scored), y[0])
    of = inputs(x, y, setting[0])
    return np.asarray(linear(y, setting[1]).fit(of(x), y).predict(of(x_scored)))


def predict_mlp(x: Array, y: Array, x_scored: Array, features: int, width: int, epochs: int) -> Array:
    if len(np.unique(y)) < 2:
        return np.full(len(x_scored), y[0])
    of, probe = inputs(x, y, features), mlp(width, len(x))
    for _ in range(epochs):
        probe.partial_fit(of(x), y, classes=np.unique(y))
    return np.asarray(probe.predict(of(x_scored)))


Pair = tuple[Array, Array]
"""Of the transitions that probes are fitted on, and of those that they are scored on."""


class Chosen:
    """The transitions that probes are fitted on and scored on."""

    def __init__(self, truth: SimpleNamespace, fit: SimpleNamespace) -> None:
        steps = truth.source["local"].shape[1]
        self.at = spread(fit.clips * steps, FITTED), spread(truth.clips * steps, SCORED)
        self.truth, self.clip = truth, self.at[1] // steps
        character = np.unique(fit.groups[0], return_inverse=True)[1].ravel()
        group = (character if character.max() > 2 else np.arange(fit.clips))[self.at[0] // steps]
        self.held = group % 4 == 0
        self.without = [group % 10 != left_out for left_out in np.unique(group % 10)]
        self.label = {source: self.of(fit.source[source], truth.source[source]) for source in SOURCES}
        self.shift = {name: self.of(fit.shift[name], truth.shift[name]) for name in fit.shift}
        self.state = self.of(fit.state, truth.state)

    def of(self, fit: Array, scored: Array) -> Pair:
        """The chosen transitions of arrays (N, T-1[, D])."""
        a, b = fit.reshape(-1, *fit.shape[2:])[self.at[0]], scored.reshape(-1, *scored.shape[2:])[self.at[1]]
        return a, b

    def ratio(self, part: Array, whole: Array, refitted: Sequence[float] = (), least: float = 0.0) -> Interval:
        """One sum over transitions over another."""

        def value(keep: Array) -> dict[str, float]:
            at = keep[self.clip]
            return {"": float(part[at].sum() / whole[at].sum()) if whole[at].any() else np.nan}

        return scores(value, self.truth, least, refitted=[{"": one} for one in refitted])[""]


def features(fitted: Array, model: Array) -> Pair:
    """Codes as one-hot vectors; other arrays as they are."""
    hot = np.eye(1 + max(int(fitted.max()), int(model.max())), dtype=np.float32) if fitted.ndim == 2 else None
    return (fitted, model) if hot is None else (hot[fitted], hot[model])


def vectors(fitted: Array, model: Array, truth: SimpleNamespace, fit: SimpleNamespace) -> dict[str, Interval]:
    chosen, result = Chosen(truth, fit), {}
    x, x_scored = chosen.of(fitted, model)
    for source, (y, true) in chosen.label.items():
        setting = choose_linear(x, y, chosen.held)
        refitted = [float((predict(x[rows], y[rows], x_scored, setting) == true).mean()) for rows in chosen.without]
        hits, best = {"linear": predict(x, y, x_scored, setting) == true}, -np.inf
        for width in WIDTHS:
            epochs, held_out = choose_epochs(x, y, chosen.held, setting[0], width)
            hits[f"mlp_{width}"] = predict_mlp(x, y, x_scored, setting[0], width, epochs) == true
            if held_out > best or width == WIDTHS[0]:
                best, hits["mlp"] = held_out, hits[f"mlp_{width}"]
        rows = np.arange(len(x))
        for samples in (number for number in SAMPLES if number < len(x)):
            rows = rows[spread(len(rows), samples)]
            few = choose_linear(x[rows], y[rows], chosen.held[rows])
            hits[f"linear.n{samples}"] = predict(x[rows], y[rows], x_scored, few) == true
        defined = np.full(len(true), len(np.unique(true)) > 1)
        for name, hit in hits.items():
            result[f"vectors.{source}.{name}"] = chosen.ratio(hit, defined, refitted if name == "linear" else ())
    return result


def leakage_of_action(x: Pair, label: Pair, chosen: Chosen) -> Interval:
    """(a - s) / (1 - s) with the accuracies s of the state and a of the state and the latent."""
    y, true = label
    both = [np.concatenate(pair, 1) for pair in zip(chosen.state, x, strict=True)]
    settings = [choose_linear(latent[0], y, chosen.held) for latent in (chosen.state, both)]

    def hits(rows: Array) -> Pair:
        of_state, of_both = (latent[0][rows] for latent in (chosen.state, both))
        by_state, by_both = predict(of_state, y[rows], chosen.state[1], settings[0]), predict(of_both, y[rows], both[1], settings[1])
        return by_state == true, by_both == true

    state, together = hits(np.ones(len(y), bool))
    refitted = [float((b.mean() - a.mean()) / (1 - a.mean())) if not a.all() else np.nan for a, b in map(hits, chosen.without)]
    return chosen.ratio(together * 1.0 - state, ~state & (len(np.unique(true)) > 1), refitted, -np.inf)


def leakage_of_shift(x: Pair, shift: Pair, chosen: Chosen) -> Interval:
    """R2, the mean over x and y, or the one of them that varies."""
    y, true = shift
    setting, total = choose_linear(x[0], y, chosen.held), (true - true.mean(0)) ** 2

    def explained(rows: Array) -> Callable[[Array], dict[str, float]]:
        residual = (predict(x[0][rows], y[rows], x[1], setting) - true) ** 2

        def value(keep: Array) -> dict[str, float]:
            at = keep[chosen.clip]
            varies = total[at].sum(0) > 0
            return {"": float((1 - residual[at].sum(0)[varies] / total[at].sum(0)[varies]).mean()) if varies.any() else np.nan}

        return value

    refitted = [explained(rows)(np.ones(chosen.truth.clips, bool)) for rows in chosen.without]
    return scores(explained(np.ones(len(y), bool)), chosen.truth, -np.inf, refitted=refitted)[""]


def leakage(name: str, fitted: Array, model: Array, truth: SimpleNamespace, fit: SimpleNamespace) -> dict[str, Interval]:
    chosen = Chosen(truth, fit)
    x = chosen.of(*features(fitted, model))
    return {
        **{f"leakage.{source}.{name}": leakage_of_action(x, label, chosen) for source, label in chosen.label.items()},
        **{f"leakage.{shift}.{name}": leakage_of_shift(x, true, chosen) for shift, true in chosen.shift.items()},
    }
