"""Probes of a model's latents on a fixed choice of transitions. Axis order: n clips or samples, t transitions, d features."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data
from wsprites.bench.metrics import probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.metrics.interval import Score

Floats = NDArray[Any]


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
        fit, scored = (part.state(at).astype(np.float32) for part, at in parts)
        self.state: tuple[Floats, Floats] = fit, scored
        """State before the chosen transitions of both parts, (n, D) each."""
        predicted = probes.classify("linear", self.state[0], [labels[0] for labels in self._labels.values()], self.state[1])
        self._by_state = dict(zip(SOURCES, predicted, strict=True))

    def predicted_by_state(self, source: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """(N, T-1) int64 the actions of a source that the linear probe of the state predicts, for all transitions of both parts.

        These codes are the baseline `state_only`: what the state before each transition tells about the action.
        """
        parts = (self._data.fit, self._data.scored)
        shapes = [(len(part), part.spec.frames - 1) for part in parts]
        states = [part.state(np.arange(rows * steps)).astype(np.float32) for part, (rows, steps) in zip(parts, shapes, strict=True)]
        (predicted,) = probes.classify("linear", self.state[0], [self._labels[source][0]], np.concatenate(states))
        fit, scored = np.split(predicted.astype(np.int64), [len(states[0])])
        return fit.reshape(shapes[0]), scored.reshape(shapes[1])

    def chosen(self, fit: Floats, scored: Floats) -> tuple[Floats, Floats]:
        """(n, D) features of the chosen transitions of both parts, from arrays (N, T[, D]); codes, (N, T), become one-hot."""
        if fit.ndim == 2:
            hot = np.eye(1 + max(int(fit.max()), int(scored.max())), dtype=np.float32)
            return hot[fit.ravel()[self._fit]], hot[scored.ravel()[self._scored]]
        size = fit.shape[-1]
        return fit.reshape(-1, size)[self._fit], scored.reshape(-1, size)[self._scored]

    def probes(
        self,
        fit_nd: Floats,
        scored_nd: Floats,
        *,
        shuffled: bool = False,
        kinds: Sequence[str] | None = None,
        sources: Sequence[str] = SOURCES,
    ) -> dict[str, Score]:
        """`vectors.SOURCE.KIND`: accuracy of each probe. With shuffled labels to fit on, its accuracy by chance."""
        rng = np.random.default_rng(0)
        labels = [rng.permutation(label) if shuffled else label for label, _ in (self._labels[source] for source in sources)]
        return {
            f"vectors.{source}.{kind}": self._mean(source, predicted == self._labels[source][1])
            for kind in kinds or probes.KINDS
            for source, predicted in zip(sources, probes.classify(kind, fit_nd, labels, scored_nd), strict=True)
        }

    def leakage(self, latents: Mapping[str, tuple[Floats, Floats]]) -> dict[str, Score]:
        """How much each latent tells about each source and shift.

        `leakage.SOURCE.LATENT`: accuracy of a linear probe that is given state and latent, minus that of one given the state alone.
        `leakage.shift.LATENT`, `leakage.background_shift.LATENT`: R2 of the true shift by ridge regression on the latent.

        Args:
            latents: arrays (N, T[, D]) of both parts by name.
        """
        scores = {}
        for name, arrays in latents.items():
            a, b = self.chosen(*arrays)
            a_state, b_state = np.concatenate([self.state[0], a], 1), np.concatenate([self.state[1], b], 1)
            with_state = probes.classify("linear", a_state, [label for label, _ in self._labels.values()], b_state)
            for (source, (_, true)), predicted in zip(self._labels.items(), with_state, strict=True):
                gain = (predicted == true).astype(float) - (self._by_state[source] == true)
                scores[f"leakage.{source}.{name}"] = self._mean(source, gain, least=-1.0)
            for shift, (true_fit, true_scored) in self._shifts.items():
                scores[f"leakage.{shift}.{name}"] = probes.explained(
                    probes.regress(a, true_fit, b), true_scored, self._clip, self._clusters
                )
        return scores

    def _mean(self, source: str, value_n: NDArray[Any], *, least: float = 0.0) -> Score:
        """The mean over transitions; not defined where the source has one label only, as for codes."""
        values = value_n if np.ptp(self._labels[source][1]) else np.full(len(value_n), np.nan)
        return probes.mean_by_clip(values, self._clip, self._clusters, least=least)
