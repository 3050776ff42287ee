"""Model + data -> scores. Axis order: b or n clips, t frames or transitions, c, h, w; d features of a latent.

Each kind of prediction has a function that returns the scores of the model and those of every baseline on the same data.
"""

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import baselines, distances
from wsprites.bench.absent import leave_out
from wsprites.bench.control import control, starts_to_do
from wsprites.bench.data import Data, Part
from wsprites.bench.latents import Probing
from wsprites.bench.mask_baselines import MaskBaselines, fit_masks
from wsprites.bench.metrics import actions, masks, motion
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.metrics.interval import Clusters, Score, mean
from wsprites.bench.packed import Packed
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import BATCH, Arrays, Controllable, Model, check_same_arrays, infer, named
from wsprites.bench.provenance import per_clip_of_data
from wsprites.bench.replays import BY_HORIZON
from wsprites.bench.rollouts import HORIZONS, Video, try_out
from wsprites.bench.scores import Confusion
from wsprites.bench.twins import nuisance, remarks, videos_to_do

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

_LOG = logging.getLogger("wsprites.bench")

Scores = dict[str, Score]
"""By name, such as `local.matched_accuracy`."""
ByPredictor = dict[str, Scores]
"""Scores of "model" and of each baseline that has any."""
Progress = Callable[[int], object]

_ACCURACIES, _INFORMATION = ("matched_accuracy", "many_to_one"), ("nmi", "ami", "homogeneity", "completeness")
_MASK_SCORES = {"soft_iou": masks.soft_iou, "hard_iou": masks.hard_iou, "boundary_f": masks.boundary_f}
_SHIFTS = {"shift": "global_action", "background_shift": "background_action"}
"""Label of the action that causes each shift."""


@dataclass(frozen=True)
class Evaluation:
    """The scores of a model and of the baselines."""

    scores: Scores
    baselines: ByPredictor
    """Scores of each baseline: those of `baselines.DESCRIPTIONS` that apply, and "shuffled"."""
    confusion: dict[str, Confusion]
    """By source; empty for a model without codes."""
    videos: tuple[Video, ...]
    """Rollouts for the page; none of a model that does not generate."""
    not_scored: dict[str, str] = field(default_factory=dict)
    """Why scores are missing that need labels, or something else that the model or the job lacks, by the beginning of their names."""
    per_clip: dict[str, Packed] = field(default_factory=dict)
    """What a score file keeps of the arrays of each clip, see provenance.py."""
    reader: dict[str, float] = field(default_factory=dict)
    """What the instrument that reads generated video can read, see `reading.values`; empty for a model that does not generate."""


def evaluate(
    model: Model | Predictions, data: Data, name: str, *, progress: Progress = lambda _: None, networks: "Networks | None" = None
) -> Evaluation:
    """Compute every score that a model's arrays and methods allow.

    Args:
        name: the model's name in error messages.
        progress: called with the number of clips done since the last call, `clips_to_do` in all.
        networks: adds LPIPS, FID and FVD of generated video.

    Raises:
        UserError: the model does not follow the protocol.
        ForeignError: the model raised an exception.
    """
    with named(name):
        evaluation = _evaluate(model, data, progress, networks)
    for line in remarks(evaluation.scores):
        _LOG.warning("%s: %s", name, line)
    return evaluation


def _evaluate(model: Model | Predictions, data: Data, progress: Progress, networks: "Networks | None") -> Evaluation:
    if isinstance(model, Model) and isinstance(model, Controllable):
        try_out(model, data.scored)  # an error after an hour of scoring would be too late
    # Arrays of all clips; masks are too large to keep and are scored on the way.
    fitted, _ = collect(model, data.fit, progress=progress)
    scored, mask_values = collect(model, data.scored, progress=progress, fit=data.fit)
    check_same_arrays(fitted, scored)
    results, confusion = score(data, fitted, scored, getattr(model, "codes", None))
    _add(results, mask_scores(mask_values, data.scored.clusters))
    # Scores that need the model itself, on clips that are made for them.
    videos: list[Video] = []
    reader: dict[str, float] = {}
    if isinstance(model, Model):
        _add(results, nuisance(model, data.scored, scored, progress=progress))
        read_back, videos, reader = control(model, data, fitted, progress=progress, lpips=networks.lpips if networks else None)
        _add(results, read_back)
        if networks and isinstance(model, Controllable):
            _add(results, distances.distances(model, data, networks, progress=progress))
    too_short = beyond(data.scored.spec.frames, BY_HORIZON) if isinstance(model, Controllable) else {}
    not_scored = {**leave_out(results, data.scored), **too_short}
    iou_n = mask_values["model"]["soft_iou"].mean(1) if mask_values else None
    kept = per_clip_of_data(data, fitted, scored, iou_n)
    return Evaluation(results.pop("model"), results, confusion, tuple(videos), not_scored, kept, reader)


def beyond(frames: int, names: Iterable[str]) -> dict[str, str]:
    """Why clips of so many frames have no `NAME.T` for some of HORIZONS, by score."""
    return {f"{name}.{t}": f"clips of {frames} frames, {t + 1} are needed" for name in names for t in HORIZONS if t >= frames}


def _add(results: ByPredictor, more: ByPredictor) -> None:
    for who, scores in more.items():
        results.setdefault(who, {}).update(scores)


def clips_to_do(model: Model | Predictions, data: Data, *, networks: "Networks | None" = None) -> int:
    """The number of clips that `evaluate` reports to its progress in all."""
    twins = videos_to_do(data.scored) if isinstance(model, Model) else 0
    replays = starts_to_do(data.scored) + (distances.clips(data, networks) if networks else 0) if isinstance(model, Controllable) else 0
    return len(data.fit) + len(data.scored) + twins + replays


# The arrays of all clips.

MaskValues = dict[str, dict[str, NDArray[np.float64]]]
"""(N, T) values of each score of masks, for "model" and for each baseline."""


def collect(
    model: Model | Predictions, part: Part, *, progress: Progress = lambda _: None, fit: Part | None = None
) -> tuple[Arrays, MaskValues]:
    """A model's arrays for all clips of a part but masks, and the scores of its masks.

    Args:
        progress: called with the number of clips done since the last call.
        fit: the part that baselines of masks are fitted on; without it masks are not scored.

    Raises:
        ProtocolError: a wrong array.
    """
    rows: list[Arrays] = []
    first_arrays: Arrays = {}
    values: list[dict[str, dict[str, NDArray[np.float64]]]] = []
    mask_baselines: MaskBaselines | None = None
    for first in range(0, len(part), BATCH):
        at = np.arange(first, min(first + BATCH, len(part)))
        arrays = dict(model.rows(part, at)) if isinstance(model, Predictions) else {}
        clips = [part.clip(int(n)) for n in at] if not arrays or "masks" in arrays else []
        if not isinstance(model, Predictions):
            arrays = infer(model, np.stack([clip.frames_thwc for clip in clips]).transpose(0, 1, 4, 2, 3), part)
        first_arrays = first_arrays or dict(arrays)
        check_same_arrays(first_arrays, arrays)
        predicted = arrays.pop("masks", None)
        if fit and predicted is not None:
            mask_baselines = mask_baselines or fit_masks(fit)
            values += [_mask_values(mask, clip.masks_thw, mask_baselines) for mask, clip in zip(predicted, clips, strict=True)]
        rows.append(arrays)
        progress(len(at))
    together = {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}
    predictors = values[0] if values else {}
    return together, {who: {name: np.stack([clip[who][name] for clip in values]) for name in _MASK_SCORES} for who in predictors}


def _mask_values(mask_thw: NDArray[Any], true_thw: NDArray[np.bool_], others: MaskBaselines) -> dict[str, dict[str, NDArray[np.float64]]]:
    """(T,) values of each score of masks in one clip, by predictor; 1 for the true mask."""
    predicted = {"model": mask_thw, **others.masks(mask_thw)}
    values = {who: {name: measure(mask, true_thw) for name, measure in _MASK_SCORES.items()} for who, mask in predicted.items()}
    return values | {"oracle": dict.fromkeys(_MASK_SCORES, np.ones(len(true_thw)))}


# The scores of each kind of prediction.


def score(data: Data, fitted: Arrays, scored: Arrays, k: int | None = None) -> tuple[ByPredictor, dict[str, Confusion]]:
    """Scores of arrays and of the baselines on the same data, and confusion matrices of codes.

    Args:
        fitted, scored: the arrays of `data.fit` and of `data.scored`, as `protocol.checked` returns them, without masks.
        k: number of codes; by default, and at least, the largest code + 1.
    """
    results: ByPredictor = {name: {} for name in ("model", *baselines.NAMES)}
    confusion: dict[str, Confusion] = {}
    probing = probing_of(data)
    if "codes" in scored:
        k = max(k or 1, int(fitted["codes"].max()) + 1, int(scored["codes"].max()) + 1)
        of_codes, confusion = scores_of_codes(data, (fitted["codes"], scored["codes"]), k, probing=probing)
        _add(results, of_codes)
    for name in _SHIFTS:
        if name in scored:
            _add(results, shift_scores(data, name, scored[name]))
    _add(results, leakage_scores(probing, fitted, scored))
    if "vectors" in scored:
        _add(results, vector_scores(probing, fitted["vectors"], scored["vectors"]))
    return results, confusion


@lru_cache(maxsize=1)
def probing_of(data: Data) -> Probing:
    """The probes of some data, kept for the next model that is scored on it: what the state tells is the same for all models."""
    return Probing(data)


def scores_of_codes(
    data: Data, codes: baselines.Codes, k: int, *, probing: Probing | None = None
) -> tuple[ByPredictor, dict[str, Confusion]]:
    """All scores that need nothing but the codes of both parts, and the confusion matrices by source.

    Args:
        k: number of codes.
        probing: adds the baseline "state_only".
    """
    results = code_scores(data, codes, k, probing)
    results["model"] |= {f"codes.{name}": one for name, one in actions.usage(codes[1], k, data.scored.clusters).items()}
    return results, {source: confusion_of(data, codes, source, k) for source in SOURCES}


def code_scores(data: Data, codes: baselines.Codes, k: int, probing: Probing | None) -> ByPredictor:
    """Scores of codes of both parts against the actions of each source, named `SOURCE.SCORE`."""
    every = range(len(SOURCES))
    results = {"model": actions.scores(*_beside(data, codes, k), every, data.scored.clusters)}
    switches = actions.switches(codes[1])
    switch_rate = float(switches.mean()) if switches.size else 0.0  # clips of two frames have a single transition

    def of_baseline(name: str, source: str, targets: Sequence[int], *, for_accuracy: bool = False) -> dict[str, float]:
        made = baselines.codes(name, data, source, k, for_accuracy=for_accuracy, switch_rate=switch_rate)
        return actions.values(*_beside(data, made, k), targets, pooled=name == "best_code")[0]

    values = {name: of_baseline(name, "local", every) for name in ("random", "persistent", "majority", "direction")}
    values |= {name: {} for name in ("best_code", "oracle", "previous", "state_only")}
    if data.scored.spec.local.policy:
        made = baselines.places(data.fit), baselines.places(data.scored)
        values["place"] = actions.values(*_beside(data, made, k), [SOURCES.index("local")])[0]
    if probing:
        made = probing.predicted_by_state("local", with_direction=True)
        values["state_and_direction"] = actions.values(*_beside(data, made, k), [SOURCES.index("local")])[0]
    for target, source in enumerate(SOURCES):
        for name in ("oracle", "previous"):
            values[name] |= of_baseline(name, source, [target])
        if probing:
            values["state_only"] |= actions.values(*_beside(data, probing.predicted_by_state(source), k), [target])[0]
        # The best map for accuracy is another code than that with most information, and neither is the best for a part of the data.
        best = {flag: of_baseline("best_code", source, [target], for_accuracy=flag) for flag in (False, True)}
        kinds = {**dict.fromkeys(_ACCURACIES, True), **dict.fromkeys(_INFORMATION, False)}
        values["best_code"] |= {f"{source}.{score}": best[flag][f"{source}.{score}"] for score, flag in kinds.items()}
    return results | {who: {name: Score(value, clips=len(data.scored)) for name, value in of.items()} for who, of in values.items()}


def confusion_of(data: Data, codes: baselines.Codes, source: str, k: int) -> Confusion:
    """Codes against the actions of a source."""
    target, fit, truth = SOURCES.index(source), data.fit.sources(), data.scored.sources()
    count_fit = actions.table(codes[0], fit.labels[target], k, fit.sizes[target])
    count = actions.table(codes[1], truth.labels[target], k, truth.sizes[target])
    label_k = actions.one_to_one(count_fit, labels=data.fit.spec.local_actions if source == "local" else None)
    return Confusion(tuple(map(tuple, count.tolist())), tuple(label_k.tolist()))


def _beside(data: Data, codes: baselines.Codes, k: int) -> tuple[actions.Laid, actions.Laid]:
    """Codes of both parts beside the labels."""
    size = max(k, *(int(code.max()) + 1 for code in codes))
    return actions.Laid(codes[0], data.fit.sources(), size), actions.Laid(codes[1], data.scored.sources(), size)


def shift_scores(data: Data, name: str, shift_nt2: NDArray[np.float64]) -> ByPredictor:
    """Scores of `shift` or `background_shift`, named `SHIFT.SCORE`."""
    part, walk = data.scored, data.scored.spec.sprite if name == "shift" else data.scored.spec.background
    true_nt2, action_nt = getattr(part.script, name)[:, 1:], getattr(part.script, _SHIFTS[name])[:, 1:]
    on_screen = motion.opposite(action_nt) if name == "background_shift" else action_nt  # the scene moves against its crop
    predicted = {"model": shift_nt2, "previous": getattr(part.script, name)[:, :-1]}
    for baseline in baselines.NAMES:
        arrays = baselines.arrays(baseline, part)
        if name in arrays:
            predicted[baseline] = arrays[name]
    return {who: _prefixed(name, motion.scores(values, true_nt2, on_screen, walk.step, part.clusters)) for who, values in predicted.items()}


def mask_scores(values: MaskValues, clusters: Clusters) -> ByPredictor:
    """Means over all frames of the values that `collect` returns, named `masks.SCORE`."""
    return {
        who: {f"masks.{name}": mean(value_nt.mean(1), clusters) for name, value_nt in by_name.items()} for who, by_name in values.items()
    }


def leakage_scores(probing: Probing, fitted: Arrays, scored: Arrays) -> ByPredictor:
    """What each latent tells beyond the state before the transition, see `Probing.leakage`."""
    latents = {name: probing.chosen(fitted[name], scored[name]) for name in scored}
    if not latents:  # the ceiling's probes take seconds
        return {}
    return {**probing.leakage(latents), "oracle": probing.ceiling(list(latents))}


def vector_scores(probing: Probing, fitted_ntd: NDArray[Any], scored_ntd: NDArray[Any]) -> ByPredictor:
    """Accuracy of probes of vectors, named `vectors.SOURCE.KIND`."""
    vectors = probing.chosen(fitted_ntd, scored_ntd)
    settings = probing.settings(vectors)
    of_model = probing.linear(vectors, settings, with_fit=True) | probing.mlps(vectors, settings) | probing.by_samples(vectors)
    return {"model": of_model, **probing.by_chance(vectors, settings), **probing.floors_and_ceiling}


def _prefixed(prefix: str, scores: Scores) -> Scores:
    return {f"{prefix}.{name}": one for name, one in scores.items()}
