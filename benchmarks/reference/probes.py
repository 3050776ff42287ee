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

FITTED, SCORED, SAMPLES, FEATURES = 5000, 20000, (50, 250, 1000), (16, 64, 256, 1024)
STRENGTHS, WIDTHS, STEPS = (1e-4, 1e-3, 1e-2, 1e-1, 1.0), (4, 16, 64, 256), 450


def spread(total: int, most: int) -> Array:
    return np.unique(np.linspace(0, total - 1, min(total, most)).round().astype(int))


def inputs(x: Array, y: Array, features: int) -> Callable[[Array], Array]:
    """Standardises, and keeps the features with the largest F statistics."""
    scaler, at = StandardScaler().fit(x.astype(np.float64)), np.arange(x.shape[1])
    if features < x.shape[1]:
        z = (x - scaler.mean_) / scaler.scale_
        f = f_classif(z, y)[0] if y.ndim == 1 else np.sum([f_regression(z, column)[0] for column in y.T], 0)
        at = np.sort(np.argsort(np.where(np.isnan(f), -np.inf, f), kind="stable")[-features:])
    return lambda x: np.asarray((x[:, at] - scaler.mean_[at]) / scaler.scale_[at], np.float32)


def linear(y: Array, strength: float, tolerance: float = 1e-4) -> Any:
    return LogisticRegression(C=strength, tol=tolerance) if y.ndim == 1 else Ridge(alpha=1 / strength)


def quality(predicted: Array, y: Array) -> float:
    if y.ndim == 1:
        return float((predicted == y).mean())
    return float(1 - ((predicted - y) ** 2).sum() / max(((y - y.mean(0)) ** 2).sum(), 1e-12))


def choose_linear(x: Array, y: Array, held: Array) -> tuple[int, float]:
    """Number of features and strength that are best on held-out characters."""
    best, setting = -np.inf, (x.shape[1], 1.0)
    if held.all() or not held.any() or (y.ndim == 1 and len(np.unique(y[~held])) < 2):
        return setting
    for features in (*(number for number in FEATURES if 4 * number <= x.shape[1]), x.shape[1]):
        of, highest = inputs(x[~held], y[~held], features), -np.inf
        a, b = of(x[~held]), of(x[held])
        for strength in STRENGTHS:
            value = quality(linear(y, strength).fit(a, y[~held]).predict(b), y[held])
            if value > best or (value == best and features == setting[0]):
                best, setting = value, (features, strength)
            highest = max(highest, value)
            if value < highest - 0.02:
                break
    return setting


def predict(x: Array, y: Array, x_scored: Array, setting: tuple[int, float], tolerance: float = 1e-4) -> Array:
    """By a linear probe."""
    if y.ndim == 1 and len(np.unique(y)) < 2:
        return np.full(len(x_scored), y[0])
    of = inputs(x, y, setting[0])
    return np.asarray(linear(y, setting[1], tolerance).fit(of(x), y).predict(of(x_scored)))


def predict_mlp(x: Array, y: Array, held: Array, x_scored: Array, features: int, width: int) -> tuple[Array, float]:
    """By an MLP as it was when it was best on held-out characters, and its accuracy there."""
    if held.all() or not held.any() or len(np.unique(y[~held])) < 2:
        return predict(x, y, x_scored, (features, 1.0)), -np.inf
    of, n = inputs(x[~held], y[~held], features), int((~held).sum())
    a, b, scored, best, predicted, since = of(x[~held]), of(x[held]), of(x_scored), -np.inf, y, 0
    mlp = MLPClassifier((width,), alpha=0.1, batch_size=min(250, n), learning_rate_init=max(3e-3, 0.12 / width), random_state=0)
    for _ in range(30):
        for _ in range(max(1, round(STEPS / 30 * min(250, n) / n))):
            mlp.partial_fit(a, y[~held], classes=np.unique(y[~held]))
        accuracy = quality(mlp.predict(b), y[held])
        since = 0 if accuracy > best else since + 1
        if accuracy > best:
            best, predicted = accuracy, mlp.predict(scored)
        if accuracy == 1 or since == 5:
            break
    return predicted, best


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
        refitted = [float((predict(x[rows], y[rows], x_scored, setting, 1e-3) == true).mean()) for rows in chosen.without]
        hits, best = {"linear": predict(x, y, x_scored, setting) == true}, -np.inf
        for width in WIDTHS:
            predicted, held_out = predict_mlp(x, y, chosen.held, x_scored, setting[0], width)
            hits[f"mlp_{width}"] = predicted == true
            if held_out > best or width == WIDTHS[0]:
                best, hits["mlp"] = held_out, hits[f"mlp_{width}"]
        rows = np.arange(len(x))
        for samples in sorted((number for number in SAMPLES if number < len(x)), reverse=True):
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

    def hits(rows: Array, tolerance: float = 1e-3) -> Pair:
        pairs = zip((chosen.state, both), settings, strict=True)
        a, b = (predict(latent[0][rows], y[rows], latent[1], setting, tolerance) == true for latent, setting in pairs)
        return a, b

    state, together = hits(np.ones(len(y), bool), 1e-4)
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
