"""Model + data -> scores. Axis order: b or n clips, t frames or transitions, c, h, w; d features of a latent."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import baselines as controls
from wsprites.bench import distances
from wsprites.bench.data import Data, Part
from wsprites.bench.metrics import actions, masks, motion, probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.metrics.interval import Figure, ratio
from wsprites.bench.protocol import Arrays, Controllable, Model, Predictions, infer
from wsprites.bench.rollouts import control, try_out
from wsprites.bench.twins import CLIPS, nuisance
from wsprites.errors import UserError

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

Figures = dict[str, Figure]
Progress = Callable[[int], object]

BATCH = 4
"""Clips that a model is given at once."""
_ACCURACIES, _INFORMATION = ("matched_accuracy", "many_to_one"), ("nmi", "ami", "homogeneity", "completeness")
_MASK_SCORES = {"soft_iou": masks.soft_iou, "hard_iou": masks.hard_iou, "boundary_f": masks.boundary_f}


class Scores(NamedTuple):
    """What `evaluate` found out."""

    figures: Figures
    """By name, such as `local.matched_accuracy`."""
    controls: dict[str, Figures]
    """The same names for each control: random, majority, direction, best_code, oracle, and the probes' shuffled and state_only."""
    confusion: dict[str, Any]
    """For each source the (K, L) counts of the scored clips, and the label that each code was mapped to."""
    films: list[dict[str, Any]]
    """Rollouts for the page: their kind (`replay` or `code`), title, and clips to be shown side by side."""


def evaluate(
    model: Model | Predictions, data: Data, where: str, progress: Progress = lambda _: None, networks: "Networks | None" = None
) -> Scores:
    """Every score that a model's arrays and methods allow, and with networks LPIPS, FID and FVD of what it generates.

    `progress` is told of clips as they are done, `clips_to_do(model, data, networks)` in all.

    Raises:
        UserError: the model does not follow the protocol; `where` names it in the message.
    """
    if isinstance(model, Model) and isinstance(model, Controllable):
        try_out(model, data.scored, where)  # before an hour of scoring, not after it
    fitted, _ = collect(model, data.fit, where, progress, with_masks=False)
    scored, mask_scores = collect(model, data.scored, where, progress)
    _alike(where, fitted, scored)
    found, by_control, confusion = score(data, fitted, scored, getattr(model, "codes", None))
    for who, of_who in mask_scores.items():
        named = {f"masks.{name}": ratio(value_nt.sum(1), np.full(len(value_nt), value_nt.shape[1])) for name, value_nt in of_who.items()}
        (found if who == "model" else by_control.setdefault(who, {})).update(named)
    films: list[dict[str, Any]] = []
    if isinstance(model, Model):
        for who, of in nuisance(model, data.scored, where, progress).items():
            (found if who == "model" else by_control[who]).update(of)
        read_back, films = control(model, data, fitted, where, progress, networks.lpips if networks else None)
        far = distances.distances(model, data, networks, where, progress) if networks and isinstance(model, Controllable) else {}
        for who, of in (*read_back.items(), *far.items()):
            (found if who == "model" else by_control.setdefault(who, {})).update(of)
    return Scores(found, by_control, confusion, films)


def clips_to_do(model: Model | Predictions, data: Data, networks: "Networks | None" = None) -> int:
    """How many clips `evaluate` tells its progress of."""
    twins = min(len(data.scored), CLIPS) + 1 if isinstance(model, Model) else 0
    replays = 3 + (distances.clips(data, networks) if networks else 0) if isinstance(model, Controllable) else 0
    return len(data.fit) + len(data.scored) + twins + replays


def collect(
    model: Model | Predictions, part: Part, where: str, progress: Progress = lambda _: None, *, with_masks: bool = True
) -> tuple[Arrays, dict[str, dict[str, NDArray[np.float64]]]]:
    """A model's arrays for all clips of a part, and the (N, T) scores of its masks and of the controls', which are too large to keep."""
    rows: list[Arrays] = []
    offered: Arrays = {}
    scored: dict[str, dict[str, list[NDArray[np.float64]]]] = {}
    for first in range(0, len(part), BATCH):
        at = np.arange(first, min(first + BATCH, len(part)))
        arrays = dict(model.rows(part, at)) if isinstance(model, Predictions) else {}
        clips = [part.clip(int(n)) for n in at] if not arrays or "masks" in arrays else []
        if not isinstance(model, Predictions):
            arrays = infer(model, where, np.stack([clip.frames_thwc for clip in clips]).transpose(0, 1, 4, 2, 3), part)
        offered = offered or dict(arrays)
        _alike(where, offered, arrays)
        predicted = arrays.pop("masks", None)
        if with_masks and predicted is not None:
            for clip, mask in zip(clips, predicted, strict=True):
                every = {"model": mask, **{who: make(clip.masks_thw) for who, make in controls.MASKS.items()}}
                for who, what in every.items():
                    for name, measure in _MASK_SCORES.items():
                        scored.setdefault(who, {}).setdefault(name, []).append(measure(what, clip.masks_thw))
        rows.append(arrays)
        progress(len(at))
    together = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    return together, {who: {name: np.stack(values) for name, values in of.items()} for who, of in scored.items()}


def _alike(where: str, first: Arrays, other: Arrays) -> None:
    """Raise UserError unless a model made the same arrays, of the same sizes, of different clips."""
    a, b = ({name: array.shape[2:] for name, array in arrays.items()} for arrays in (first, other))
    if a != b:
        said = (", ".join(f"{name} (clips, times{''.join(f', {n}' for n in size)})" for name, size in of.items()) for of in (a, b))
        raise UserError(f"{where}: {' of some clips, '.join(said)} of others; expected the same arrays of all clips")


def score(data: Data, fitted: Arrays, scored: Arrays, k: int | None = None) -> tuple[Figures, dict[str, Figures], dict[str, Any]]:
    """Figures of arrays, those of the controls on the same data, and confusion matrices.

    Args:
        fitted, scored: the arrays of `data.fit` and of `data.scored`, as `protocol.checked` returns them.
        k: number of codes; without it the largest code decides.
    """
    found: Figures = {}
    by_control: dict[str, Figures] = {name: {} for name in controls.NAMES}
    confusion: dict[str, Any] = {}
    truth, fit = data.scored.sources(), data.fit.sources()
    character = data.scored.script.character
    if "codes" in scored:
        k = max(k or 1, int(fitted["codes"].max()) + 1, int(scored["codes"].max()) + 1)
        found.update({f"codes.{name}": one for name, one in actions.usage(scored["codes"], k).items()})
        for target, source in enumerate(SOURCES):
            count = actions.table(fitted["codes"], fit.labels[target], k, fit.sizes[target])
            counts = actions.table(scored["codes"], truth.labels[target], k, truth.sizes[target])
            confusion[source] = {"counts": counts.tolist(), "matched": actions.one_to_one(count).tolist()}
            found |= _named(source, actions.scores(fitted["codes"], fit, scored["codes"], truth, character, source, k))
            for name, of in by_control.items():
                of_name = _control(name, data, source, k, of_accuracy=False)
                if name == "best_code":  # the best map and the best information are two codes, and the best of a part is yet another one
                    best = _control(name, data, source, k, of_accuracy=True)
                    of_name = {key: (best if key in _ACCURACIES else of_name)[key] for key in (*_ACCURACIES, *_INFORMATION)}
                of |= _named(source, of_name)
    of_controls = {name: (controls.arrays(name, data.fit), controls.arrays(name, data.scored)) for name in controls.NAMES}
    for name, action, step in (
        ("shift", data.scored.script.global_action, data.scored.spec.sprite.step),
        ("background_shift", data.scored.script.background_action, data.scored.spec.background.step),
    ):
        if name in scored:
            true = getattr(data.scored.script, name)[:, 1:]
            on_screen = motion.opposite(action[:, 1:]) if name == "background_shift" else action[:, 1:]
            found |= _named(name, motion.scores(scored[name], true, on_screen, step))
            for who, both in of_controls.items():
                if name in both[1]:
                    by_control[who] |= _named(name, motion.scores(both[1][name], true, on_screen, step))
    latents = {name: (fitted[name], scored[name]) for name in scored}
    reading = _Reading(data)
    found |= reading.leakage(latents)
    for who in ("random", "oracle"):
        known: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {"codes": controls.codes(who, data, "local", k or 1)}
        known |= {name: (of_controls[who][0][name], of_controls[who][1][name]) for name in of_controls[who][0]}
        if who == "oracle":
            known["vectors"] = controls.oracle_vectors(data.fit, "local"), controls.oracle_vectors(data.scored, "local")
        by_control[who] |= reading.leakage({name: known[name] for name in latents})
    if "vectors" in scored:
        flat = reading.flat(*latents["vectors"])
        found |= reading.probes(*flat)
        by_control["state_only"] = reading.probes(*reading.state)
        by_control["shuffled"] = reading.probes(*flat, shuffled=True)
        for who in ("random", "majority", "direction"):
            kinds = probes.KINDS if who == "random" else ("linear",)
            by_control[who] |= reading.probes(*reading.flat(*(drawn["vectors"] for drawn in of_controls[who])), kinds=kinds)
        for source in SOURCES:
            hot = [controls.oracle_vectors(part, source) for part in (data.fit, data.scored)]
            by_control["oracle"] |= reading.probes(*reading.flat(*hot), sources=(source,))
    return found, by_control, confusion


def _control(name: str, data: Data, source: str, k: int, *, of_accuracy: bool) -> Figures:
    fitted, scored = controls.codes(name, data, source, k, of_accuracy=of_accuracy)
    most = max(k, int(fitted.max()) + 1, int(scored.max()) + 1)
    return actions.scores(fitted, data.fit.sources(), scored, data.scored.sources(), data.scored.script.character, source, most)


def _named(prefix: str, figures: Figures) -> Figures:
    return {f"{prefix}.{name}": one for name, one in figures.items()}


class _Reading:
    """Probes of latents on a fixed choice of transitions: fitted on one part, scored on the other."""

    def __init__(self, data: Data) -> None:
        steps = data.scored.spec.frames - 1
        self._fit = probes.spread((len(data.fit), steps), probes.FITTED)
        self._scored = probes.spread((len(data.scored), steps), probes.SCORED)
        self._clip = self._scored // steps
        self._labels = {
            source: (data.fit.sources().labels[target].ravel()[self._fit], data.scored.sources().labels[target].ravel()[self._scored])
            for target, source in enumerate(SOURCES)
        }
        self._shifts = {
            name: tuple(getattr(part.script, name)[:, 1:].reshape(-1, 2)[at].astype(float) for part, at in self._parts(data))
            for name in ("shift", "background_shift")
        }
        self.state = tuple(part.state(at).astype(np.float32) for part, at in self._parts(data))
        labels = [label for label, _ in self._labels.values()]
        self._by_state = dict(zip(SOURCES, probes.classify("linear", self.state[0], labels, self.state[1]), strict=True))

    def _parts(self, data: Data) -> Iterator[tuple[Part, NDArray[np.int64]]]:
        yield data.fit, self._fit
        yield data.scored, self._scored

    def flat(self, fit_ntd: NDArray[Any], scored_ntd: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """(n, D) features of the chosen transitions of both parts."""
        if fit_ntd.ndim == 2:  # codes, as features that are 0 or 1
            hot = np.eye(1 + max(int(fit_ntd.max()), int(scored_ntd.max())), dtype=np.float32)
            return hot[fit_ntd.ravel()[self._fit]], hot[scored_ntd.ravel()[self._scored]]
        size = fit_ntd.shape[-1]
        return fit_ntd.reshape(-1, size)[self._fit], scored_ntd.reshape(-1, size)[self._scored]

    def probes(
        self,
        fit_nd: NDArray[Any],
        scored_nd: NDArray[Any],
        *,
        shuffled: bool = False,
        kinds: Sequence[str] | None = None,
        sources: Sequence[str] = SOURCES,
    ) -> Figures:
        """`vectors.SOURCE.KIND`: accuracy of each probe; with the fitted labels shuffled, what it gets by chance."""
        rng = np.random.default_rng(0)
        given = [rng.permutation(label) if shuffled else label for label, _ in (self._labels[source] for source in sources)]
        return {
            f"vectors.{source}.{kind}": self._mean(source, predicted == self._labels[source][1])
            for kind in kinds or probes.KINDS
            for source, predicted in zip(sources, probes.classify(kind, fit_nd, given, scored_nd), strict=True)
        }

    def _mean(self, source: str, value_n: NDArray[Any]) -> Figure:
        """Not defined where there is one label only, as for codes."""
        return probes.mean_by_clip(value_n if np.ptp(self._labels[source][1]) else np.full(len(value_n), np.nan), self._clip)

    def leakage(self, latents: dict[str, tuple[NDArray[Any], NDArray[Any]]]) -> Figures:
        """`leakage.SOURCE.LATENT`: accuracy of a linear probe that sees state and latent, minus that of the state alone: what the latent
        adds. `leakage.shift.LATENT` and `leakage.background_shift.LATENT`: R2 of the true shift by ridge regression on the latent."""
        figures = {}
        for name, ways in latents.items():
            a, b = self.flat(*ways)
            a_state, b_state = np.concatenate([self.state[0], a], 1), np.concatenate([self.state[1], b], 1)
            with_state = probes.classify("linear", a_state, [label for label, _ in self._labels.values()], b_state)
            for (source, (_, true)), predicted in zip(self._labels.items(), with_state, strict=True):
                gain = (predicted == true).astype(float) - (self._by_state[source] == true)
                figures[f"leakage.{source}.{name}"] = self._mean(source, gain)
            for shift, (of_fit, of_scored) in self._shifts.items():
                figures[f"leakage.{shift}.{name}"] = probes.explained(probes.regress(a, of_fit, b), of_scored, self._clip)
        return figures
