"""Probes of a model's latents on a fixed choice of transitions. Axis order: n clips or samples, t transitions, d features, r replicates."""

import math
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data
from wsprites.bench.metrics import probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.metrics.interval import Score
from wsprites.bench.metrics.probes import Setting

Floats = NDArray[Any]
Pair = tuple[Floats, Floats]
"""(n, D) features of the chosen transitions of the fitted and of the scored part."""
Settings = dict[str, Setting]
"""Settings of the linear probe of each source, and of shifts."""

HELD_OUT, REFITS = 4, 10
"""Every 4th character of the fitted part is held out to choose settings; the jackknife of the fit has 10 groups of characters."""


class Probing:
    """Probes that are fitted on transitions of `data.fit` and scored on transitions of `data.scored`, the same for every latent."""

    def __init__(self, data: Data) -> None:
        steps = data.scored.spec.frames - 1
        self._data = data
        self._fit = probes.spread((len(data.fit), steps), probes.FITTED)
        self._scored = probes.spread((len(data.scored), steps), probes.SCORED)
        self._clip, self._clusters = self._scored // steps, data.scored.clusters
        parts = ((data.fit, self._fit), (data.scored, self._scored))
        self._labels = {
            source: tuple(part.sources().labels[target].ravel()[at] for part, at in parts) for target, source in enumerate(SOURCES)
        }
        self._shifts = {
            name: tuple(getattr(part.script, name)[:, 1:].reshape(-1, 2)[at].astype(float) for part, at in parts)
            for name in ("shift", "background_shift")
        }
        # The fitted part is divided by character, or by clip where it has fewer than four characters.
        _, character = np.unique(data.fit.script.character, return_inverse=True)
        group = (character if character.max() >= HELD_OUT - 1 else np.arange(len(data.fit)))[self._fit // steps]
        self._held = group % HELD_OUT == 0
        self._without = [group % REFITS != left_out for left_out in np.unique(group % REFITS)]
        fit, scored = (part.state(at).astype(np.float32) for part, at in parts)
        self.state: Pair = fit, scored
        """State before the chosen transitions of both parts."""
        directions = self.chosen(*(part.sources().labels[0] for part in (data.fit, data.scored)))
        self.state_and_direction: Pair = np.concatenate([fit, directions[0]], 1), np.concatenate([scored, directions[1]], 1)
        """The same with the true global action of the transitions, one-hot."""
        self._predicted: dict[tuple[str, bool], tuple[NDArray[np.int64], NDArray[np.int64]]] = {}

    def chosen(self, fit: Floats, scored: Floats) -> Pair:
        """Features of the chosen transitions of both parts, from arrays (N, T[, D]); codes, (N, T), become one-hot."""
        if fit.ndim == 2:
            hot = np.eye(1 + max(int(fit.max()), int(scored.max())), dtype=np.float32)
            return hot[fit.ravel()[self._fit]], hot[scored.ravel()[self._scored]]
        size = fit.shape[-1]
        return fit.reshape(-1, size)[self._fit], scored.reshape(-1, size)[self._scored]

    def predicted_by_state(self, source: str, *, with_direction: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N, T-1) int64 the actions of a source that the linear probe of the state predicts, for all transitions of both parts.

        These codes are the baseline `state_only`: what the state before each transition tells about the action.

        Args:
            with_direction: predict from state and true global action instead, for "local" only: the baseline `state_and_direction`.
        """
        key = source, with_direction
        if key not in self._predicted:
            self._predicted[key] = self._predict_by_state(source, with_direction)
        return self._predicted[key]

    def _predict_by_state(self, source: str, with_direction: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        setting = (self.direction_settings if with_direction else self.state_settings)[source]
        features = self.state_and_direction if with_direction else self.state
        predict = probes.fit(setting, features[0], self._labels[source][0])
        hot = np.eye(features[0].shape[1] - self.state[0].shape[1], dtype=np.float32)
        predicted = []
        for part in (self._data.fit, self._data.scored):
            clips, steps = len(part), part.spec.frames - 1
            direction = part.sources().labels[0].ravel()
            blocks = np.array_split(np.arange(clips * steps), -(-clips // 256))  # the states of all clips may not fit in memory
            rows = []
            for at in blocks:
                state = part.state(at).astype(np.float32)
                rows.append(predict(np.concatenate([state, hot[direction[at]]], 1) if with_direction else state))
            predicted.append(np.concatenate(rows).astype(np.int64).reshape(clips, steps))
        return predicted[0], predicted[1]

    # Probes of vectors.

    def settings(self, latent: Pair, *, sources: Sequence[str] = SOURCES) -> Settings:
        """Settings of the linear probe of each source."""
        return {source: probes.choose_linear(latent[0], self._labels[source][0], self._held) for source in sources}

    def linear(self, latent: Pair, settings: Settings, *, with_fit: bool = False) -> dict[str, Score]:
        """`vectors.SOURCE.linear`: accuracy of a linear probe, for each source that has settings.

        Args:
            with_fit: let the interval include the fit of the probe, which is repeated without each of ten groups of characters.
        """
        scores = {}
        for source, setting in settings.items():
            predicted = probes.fit(setting, latent[0], self._labels[source][0])(latent[1])
            fit_r = self._accuracy_r(latent, source, setting) if with_fit else None
            scores[f"vectors.{source}.linear"] = self._accuracy(source, predicted, fit_r=fit_r)
        return scores

    def mlps(self, latent: Pair, settings: Settings) -> dict[str, Score]:
        """`vectors.SOURCE.mlp_W` of each width W, with the features of the linear probe, and `vectors.SOURCE.mlp` of the chosen one."""
        scores = {}
        for source, setting in settings.items():
            label = self._labels[source][0]
            held_out = {}
            for width in probes.WIDTHS:
                predict, held_out[width] = probes.fit_mlp(width, setting.features, latent[0], label, self._held)
                scores[f"vectors.{source}.mlp_{width}"] = self._accuracy(source, predict(latent[1]))
            best = max(held_out, key=lambda width: held_out[width])
            scores[f"vectors.{source}.mlp"] = scores[f"vectors.{source}.mlp_{best}"]
        return scores

    def by_samples(self, latent: Pair) -> dict[str, Score]:
        """`vectors.SOURCE.linear.nM`: accuracy of a linear probe whose settings and weights come from M transitions only."""
        return {name: score for source in SOURCES for name, score in self._by_samples(latent, source).items()}

    def _by_samples(self, latent: Pair, source: str) -> dict[str, Score]:
        """Accuracy of linear probes whose settings and weights come from fewer transitions: subsets of one another."""
        label, rows, scores = self._labels[source][0], np.arange(len(self._fit)), {}
        for samples in sorted((samples for samples in probes.SAMPLES if samples < len(rows)), reverse=True):
            rows = rows[probes.spread((len(rows), 1), samples)]
            setting = probes.choose_linear(latent[0][rows], label[rows], self._held[rows])
            predicted = probes.fit(setting, latent[0][rows], label[rows])(latent[1])
            scores[f"vectors.{source}.linear.n{samples}"] = self._accuracy(source, predicted)
        return scores

    def by_chance(self, latent: Pair, settings: Settings) -> dict[str, dict[str, Score]]:
        """`vectors.SOURCE.linear` of what knows nothing, by name, with the settings of the latent's probes.

        "shuffled": fitted on permuted labels, the mean of 20 permutations. "random": fitted on normal random numbers of the same width.
        """
        rng, scores = np.random.default_rng(0), {"shuffled": dict[str, Score](), "random": self.linear(self.noise(latent), settings)}
        for source, (label, true) in self._labels.items():
            setting = settings[source]
            permuted = (rng.permutation(label) for _ in range(probes.SHUFFLES))
            shares = [float((probes.fit(setting, latent[0], wrong)(latent[1]) == true).mean()) for wrong in permuted]
            shuffled = np.mean(shares) if np.ptp(true) else math.nan
            scores["shuffled"][f"vectors.{source}.linear"] = Score(float(shuffled), clips=len(self._clusters))
        return scores

    def majority(self) -> dict[str, Score]:
        """`vectors.SOURCE.KIND` of every kind: the most frequent label of the fitted transitions, the lowest of equally frequent ones."""
        return {
            f"vectors.{source}.{kind}": self._accuracy(source, np.full(len(true), np.bincount(label).argmax()))
            for source, (label, true) in self._labels.items()
            for kind in probes.KINDS
        }

    @cached_property
    def floors_and_ceiling(self) -> dict[str, dict[str, Score]]:
        """`vectors.SOURCE.KIND` of what does not depend on a model: state, state and direction, direction, majority, and the truth."""
        state, both, sources = self.state, self.state_and_direction, (self._data.fit.sources().labels, self._data.scored.sources().labels)
        direction, *_ = true = [self.chosen(*labels) for labels in zip(*sources, strict=True)]
        oracle = [self.linear(latent, self.settings(latent, sources=(of,))) for of, latent in zip(SOURCES, true, strict=True)]
        return {
            "state_only": self.linear(state, self.state_settings) | self.mlps(state, self.state_settings) | self.by_samples(state),
            "state_and_direction": self.linear(both, self.direction_settings) | self.mlps(both, self.direction_settings),
            "direction": self.linear(direction, self.settings(direction)),
            "majority": self.majority(),
            "oracle": {name: score for of_source in oracle for name, score in of_source.items()},
        }

    @staticmethod
    def noise(latent: Pair) -> Pair:
        """Normal random numbers, of the shapes of a latent."""
        rng = np.random.default_rng(1)
        fit, scored = (rng.normal(size=array.shape).astype(np.float32) for array in latent)
        return fit, scored

    def _accuracy(self, source: str, predicted: NDArray[Any], *, fit_r: Floats | None = None) -> Score:
        """The share of right labels; not defined where the source has one label only, as for codes."""
        true = self._labels[source][1]
        if not np.ptp(true):
            return Score(math.nan)
        return probes.quotient(predicted == true, np.ones(len(true)), self._clip, self._clusters, fit_r=fit_r)

    def _accuracy_r(self, latent: Pair, source: str, setting: Setting) -> Floats:
        """(R,) accuracy of a linear probe that is fitted without each group of characters, with the same settings."""
        label, true = self._labels[source]
        predictions = (probes.fit(setting, latent[0][rows], label[rows], tolerance=1e-3)(latent[1]) for rows in self._without)
        return np.array([(predicted == true).mean() for predicted in predictions])

    # Leakage.

    @cached_property
    def direction_settings(self) -> Settings:
        """Settings of the linear probe of state and direction, for the local action."""
        return self.settings(self.state_and_direction, sources=("local",))

    @cached_property
    def state_settings(self) -> Settings:
        """Settings of the linear probes of the state."""
        return self.settings(self.state)

    @cached_property
    def _state_hits(self) -> dict[str, NDArray[np.bool_]]:
        """(n,) where the linear probe of the state is right, by source."""
        return {
            source: probes.fit(self.state_settings[source], self.state[0], label)(self.state[1]) == true
            for source, (label, true) in self._labels.items()
        }

    @cached_property
    def _state_r(self) -> dict[str, Floats]:
        return {source: self._accuracy_r(self.state, source, setting) for source, setting in self.state_settings.items()}

    def leakage(self, latents: Mapping[str, Pair]) -> dict[str, dict[str, Score]]:
        """How much each latent tells about each source and shift, and what it would be by chance: "model" and "random".

        `leakage.SOURCE.LATENT`: (a - s) / (1 - s) with the accuracy s of a linear probe of the state and a of one of state and latent.
        `leakage.shift.LATENT`, `leakage.background_shift.LATENT`: R2 of the true shift by ridge regression on the latent.
        "random" has normal random numbers of the same width for a latent, and the same settings.
        """
        scores: dict[str, dict[str, Score]] = {"model": {}, "random": {}}
        for name, latent in latents.items():
            settings = self._settings(latent)
            for who, pair in (("model", latent), ("random", self.noise(latent))):
                scores[who] |= {f"leakage.{of}.{name}": one for of, one in self._leakage(pair, settings, with_fit=who == "model").items()}
        return scores

    def ceiling(self, names: Sequence[str]) -> dict[str, Score]:
        """`leakage.SOURCE.LATENT` and `leakage.SHIFT.LATENT`, for each name, of the truth as a latent: the action one-hot, or the shift."""
        return {f"leakage.{of}.{name}": score for of, score in self._ceiling.items() for name in names}

    @cached_property
    def _ceiling(self) -> dict[str, Score]:
        scores: dict[str, Score] = {}
        for of, (fit, scored) in (*self._labels.items(), *self._shifts.items()):
            hot = np.eye(1 + int(max(fit.max(), scored.max())), dtype=np.float32) if of in SOURCES else None
            latent = (fit, scored) if hot is None else (hot[fit], hot[scored])
            scores |= self._leakage(latent, self._settings(latent, (of,)), with_fit=False)
        return scores

    def _with_state(self, latent: Pair) -> Pair:
        fit, scored = (np.concatenate(arrays, 1) for arrays in zip(self.state, latent, strict=True))
        return fit, scored

    def _settings(self, latent: Pair, targets: Sequence[str] = (*SOURCES, "shift", "background_shift")) -> Settings:
        """Settings of the probes of each target."""
        both = self._with_state(latent)[0]
        return {
            of: probes.choose_linear(both, self._labels[of][0], self._held)
            if of in self._labels
            else probes.choose_linear(latent[0], self._shifts[of][0], self._held)
            for of in targets
        }

    def _leakage(self, latent: Pair, settings: Settings, *, with_fit: bool) -> dict[str, Score]:
        both, scores = self._with_state(latent), {}
        for of, setting in settings.items():
            if of in self._shifts:
                scores[of] = self._explained(latent, of, setting, with_fit=with_fit)
                continue
            label, true = self._labels[of]
            hits, by_state = probes.fit(setting, both[0], label)(both[1]) == true, self._state_hits[of]
            fit_r = None
            if with_fit and not by_state.all():
                state_r = self._state_r[of]
                fit_r = (self._accuracy_r(both, of, setting) - state_r) / np.where(state_r < 1, 1 - state_r, math.nan)
            gain, missed = hits.astype(float) - by_state, (~by_state if np.ptp(true) else np.zeros_like(by_state))
            scores[of] = probes.quotient(gain, missed, self._clip, self._clusters, least=-math.inf, fit_r=fit_r)
        return scores

    def _explained(self, latent: Pair, shift: str, setting: Setting, *, with_fit: bool) -> Score:
        """R2 of a shift."""
        target, true = self._shifts[shift]

        def score(rows: slice | NDArray[np.bool_], fit_r: Floats | None = None) -> Score:
            predicted = probes.fit(setting, latent[0][rows], target[rows])(latent[1])
            return probes.explained(predicted, true, self._clip, self._clusters, fit_r=fit_r)

        return score(slice(None), np.array([score(rows).value for rows in self._without]) if with_fit else None)
