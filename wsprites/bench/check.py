"""Check of somebody else's score file: do its scores follow from the predictions that it holds, and does the model make these?

A file that was edited, or that is of another model, is found in two steps. The scores of codes, and the means of shifts and masks, are
computed again from what the file holds of each clip, with their intervals and baselines; the other scores have to be possible. Then the
model infers a few clips again, which are drawn when the file is checked, so that its author could not know them; a change of a share f of
the clips is found with probability 1 - (1 - f)^n by n clips.
"""

import math
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import evaluation
from wsprites.bench.absent import leave_out
from wsprites.bench.data import STANDARD, Data, Part
from wsprites.bench.evaluation import ByPredictor, scores_of_codes, shift_scores
from wsprites.bench.metrics import masks
from wsprites.bench.metrics.interval import Score, mean
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import ARRAYS, MAX_CODES, Arrays, Model, infer, named, takes_true_actions
from wsprites.bench.provenance import code_sha256, hashes, per_clip
from wsprites.bench.ranges import BASELINES, impossible
from wsprites.bench.run import OF_ROLLOUTS, Job
from wsprites.bench.scores import PROTOCOL, Confusion, Entry, ScoreFile, StoredReplicates, stored_replicates
from wsprites.bench.table import reference_values
from wsprites.errors import ArgumentError, UserError

SAMPLE = 16
"""Number of clips of each split that are inferred again."""
_MEANS = {"shift": "shift.mean", "background_shift": "background_shift.mean", "masks": "masks.soft_iou"}
_OF_CODES = ("local.", "global.", "background.", "codes.")
"""Beginnings of the names of scores that need nothing but codes."""
_WITH_BASELINES = (*_OF_CODES, "shift.", "background_shift.")
"""Those of scores all of whose baselines can be computed again."""
_PROBED = ("state_only", "state_and_direction", "classical")
"""Baselines that are fitted in steps whose rounding depends on the hardware."""
_ADDED = ("local.facing.conditional", "local.animation.conditional")
"""Scores that older files of this protocol do not have."""
_HELD = "what it holds of each clip"
_NUMERIC, _CODES, _VALUES = 1e-5, 0.02, 0.02
"""Tolerances: of scores that are computed again, relative above 1; the share of a clip's codes, and the relative difference of its other
values, that may be another on other hardware."""

_SMALL = {"shift": 1e-3, "background_shift": 1e-3, "masks": 1e-3, "vectors": 1e-6}
"""Differences that count for none where the values of a clip are near 0: pixels, shares, and lengths."""

Kept = dict[str, NDArray[Any]]


class Finding(NamedTuple):
    """One result of a check."""

    fine: bool
    text: str


def job_of(file: ScoreFile, model: str, data: str) -> Job:
    """The job that made a score file.

    Args:
        model: the name of the model that is checked.
        data: the path of the data file, where the scores are of one. The name of a standard world stands in the score file; if it is
            given as well, it has to be the same.

    Raises:
        UserError: the file is of another protocol, of videos, or of other data, or holds nothing that can be checked.
        ArgumentError: the path of a data file is missing, or these are other data.
    """
    if file.settings.protocol != PROTOCOL:
        raise UserError(f"the scores are of protocol {file.settings.protocol:.20}, not {PROTOCOL}; score the model again")
    if not file.per_clip:
        raise UserError("the file holds nothing of single clips, as of videos and large data; score the model again and compare")
    name = re.fullmatch(r"(?P<world>.+?)(-seed-(?P<seed>\d{1,19}))?(-first-(?P<clips>\d{1,9}))?", file.data.name)
    if name and name["world"] in STANDARD:
        if data not in ("", name["world"]):
            raise ArgumentError("data", f"{data:.100}: the scores are of {file.data.name:.100}; leave it out")
        make = _job if model else _without_model
        job = make(model, name["world"], _number(name["clips"]), _number(name["seed"]))
    else:
        name = re.fullmatch(r".+:(?P<split>\w+?)(-first-(?P<clips>\d{1,9}))?", file.data.name)
        if not name or data in ("", *STANDARD):
            raise ArgumentError("data", f"the scores are of {file.data.name:.100}; give the path of that file")
        job = Job((model,), data, name["split"], _number(name["clips"]))
    if not isinstance(job.opened, Data) or job.opened.sha256 != file.data.sha256:
        raise UserError(f"the scores are of other data than {job.opened.name}, although they say {file.data.name:.100}")
    return job


def _job(model: str, world: str, clips: int | None, seed: int | None) -> Job:
    return Job((model,), world, clips=clips, seed=seed)


_without_model = lru_cache(maxsize=1)(_job)
"""The same job for the next file on the same data, for which probes of the state are fitted once."""


def _number(text: str | None) -> int | None:
    return int(text) if text else None


def check(file: ScoreFile, job: Job, *, rng: np.random.Generator | None = None) -> list[Finding]:
    """Check a score file.

    Args:
        job: see `job_of`.
        rng: draws the clips that are inferred again; by default one that nobody can foresee.

    Raises:
        UserError: the model cannot be loaded, or does not follow the protocol.
        ForeignError: the model raised an exception.
    """
    data = job.opened
    assert isinstance(data, Data)
    ((name, model),) = job.loaded
    kept = {key: values.array() for key, values in file.per_clip.items()}
    if wrong := _wrong_shapes(file, data, kept):
        return [Finding(False, text) for text in wrong]
    findings = [*_of_hashes(file, name, model), *_of_scores(file, data, kept)]
    of_video = any(name.startswith(OF_ROLLOUTS) for name in file.scores)
    if of_video and takes_true_actions(model) != bool(file.settings.rollout_actions):
        does = "is" if takes_true_actions(model) else "is not"
        findings.append(Finding(False, f"the model's video {does} driven by the true actions; the file says otherwise"))
    with named(name):
        for part in data.parts:
            findings += _of_sample(kept, model, part, rng or np.random.default_rng(), with_masks=part is data.scored)
    return findings


def check_without_model(file: ScoreFile) -> list[Finding]:
    """Check what can be checked of a score file on a standard world without its model: whether its scores follow from what it holds.

    Raises:
        UserError: see `job_of`.
    """
    data = job_of(file, "", "").opened
    assert isinstance(data, Data)
    kept = {key: values.array() for key, values in file.per_clip.items()}
    return [Finding(False, text) for text in _wrong_shapes(file, data, kept)] or _of_scores(file, data, kept)


def _of_hashes(file: ScoreFile, name: str, model: Model | Predictions) -> list[Finding]:
    """Whether model and benchmark are those that made the file."""
    made = file.hashes
    if made is None or not made.model:
        return [Finding(True, "the file has no hash of its model")]
    now, is_file = hashes(name), isinstance(model, Predictions) or ":" not in name
    same = now.model == made.model
    findings = [Finding(same or not is_file, f"the model is {'the same' if same else 'another'} file ({made.model_file})")]
    if made.code != code_sha256():
        findings.append(Finding(True, "the benchmark has other source code than the one that computed the scores, of the same protocol"))
    return findings


def _of_scores(file: ScoreFile, data: Data, kept: Kept) -> list[Finding]:
    """Whether the scores follow from what the file holds of each clip, and those that do not are possible."""
    held = [array for array in ARRAYS if all(f"{part.name}/{array}" in kept for part in _parts(data, array))]
    needed = {_array_of(name) for name in file.scores} | ({"codes"} if file.confusion else set())
    wrong = [f"the file has scores of {array}, but does not hold its {array} of each clip" for array in ARRAYS if array in needed - {*held}]
    computed, confusion = _computed(data, kept, held, max((len(of.counts) for of in file.confusion.values()), default=0))
    wrong += ["the confusion matrices do not follow from the codes"] if confusion != file.confusion else []
    of_model, others = computed["model"], {who: scores for who, scores in computed.items() if who != "model"}
    classical = reference_values(data.name, data.sha256)
    for name in sorted({*of_model, *file.scores}):
        stored, score = file.scores.get(name), of_model.get(name)
        floors = {who: scores[name].value for who, scores in others.items() if name in scores}
        if stored is None:
            wrong += [] if name in _ADDED else [f"{name} is missing, although it follows from what the file holds of each clip"]
            continue
        if not score and name.startswith(_OF_CODES):
            wrong += [f"{name} does not follow from the codes, although it is a score of codes"] if "codes" in held else []
            continue
        wrong += _differences(name, score, stored) if score else impossible(name, stored)
        floors |= {"classical": classical[name]} if "classical" in stored.baselines and name in classical else {}
        wrong += _other_baselines(name, floors, stored, complete=_array_of(name) in held and name.startswith(_WITH_BASELINES))
    rest = sorted({score_name.partition(".")[0] for score_name in file.scores.keys() - of_model.keys()})
    done = f"{len(of_model)} scores follow from what the file holds of each clip"
    left = f", {len(file.scores.keys() - of_model.keys())} cannot be computed from it ({', '.join(rest)})" if rest else ""
    return [Finding(False, text) for text in wrong] or [Finding(True, done + left)]


def _array_of(name: str) -> str:
    """The array that a score is of; empty for one of generated video."""
    first = name.partition(".")[0]
    array = name.rpartition(".")[2] if first in ("leakage", "nuisance", "null") else "codes" if name.startswith(_OF_CODES) else first
    return array if array in ARRAYS else ""


def _parts(data: Data, array: str) -> tuple[Part, ...]:
    """The parts whose clips a file holds an array of."""
    return (data.scored,) if array == "masks" else data.parts


def _computed(data: Data, kept: Kept, held: Sequence[str], k: int) -> tuple[ByPredictor, dict[str, Confusion]]:
    """The scores of the model that follow from what a file holds of each clip, those of baselines, and the confusion matrices.

    Args:
        held: names of the arrays that it holds.
        k: the least number of codes.
    """
    results, confusion = ByPredictor(model={}), dict[str, Confusion]()
    if "codes" in held:
        fitted_nt, scored_nt = (kept[f"{part.name}/codes"].astype(np.int64) for part in data.parts)
        k = max(k, int(fitted_nt.max()) + 1, int(scored_nt.max()) + 1)
        results, confusion = scores_of_codes(data, (fitted_nt, scored_nt), k, probing=evaluation.probing_of(data))
    for array, name in _MEANS.items():
        if array not in held:
            continue
        if array != "masks":  # the baselines of masks need all masks of the model
            still = np.zeros((len(data.scored), data.scored.spec.frames - 1, 2))
            for who, scores in shift_scores(data, array, still).items():
                results.setdefault(who, {}).update(scores if who != "model" else {})
        unit = "" if array == "masks" else "px"
        results["model"][name] = mean(kept[f"{data.scored.name}/{array}"], data.scored.clusters, unit=unit)  # clips are of one length
    if "vectors" in held and (probing := evaluation.probing_of(data)):
        for who, scores in probing.floors_and_ceiling.items():
            results.setdefault(who, {}).update(scores)
    leave_out(results, data.scored)
    return results, confusion


def _wrong_shapes(file: ScoreFile, data: Data, kept: Kept) -> list[str]:
    """A line for each array of the file that cannot be one of the model's."""
    sizes = {part.name: (len(part), part.spec.frames - 1) for part in data.parts}
    large = [source for source, of in file.confusion.items() if len(of.counts) > MAX_CODES]
    wrong = [f"the confusion matrix of {source:.60} is of more than {MAX_CODES:,} codes" for source in large]
    for key, values in kept.items():
        split, _, name = key.partition("/")
        shape = sizes.get(split, ())[: 2 if name == "codes" else 1]
        if values.shape != shape or (name == "codes" and not 0 <= values.min() <= values.max() < MAX_CODES):
            wrong.append(f"{key:.60} of {values.shape} cannot be of these data")
    return wrong


def _differences(name: str, score: Score, stored: Entry) -> list[str]:
    """A line for each number of a score that is another than in the file."""
    pairs = (("", stored.value, score.value), (" low", stored.low, score.low), (" high", stored.high, score.high))
    wrong = [f"{name}{what} is {a:.6g} in the file, but {b:.6g} by {_HELD}" for what, a, b in pairs if not _close(a, b)]
    if (stored.unit, stored.clips) != (score.unit, score.clips):
        wrong.append(f"{name} is of {stored.clips} clips in {stored.unit or 'shares'} in the file, but of {score.clips} by {_HELD}")
    if not _same_replicates(stored_replicates(score), stored.replicates):
        wrong.append(f"the replicates of {name} are others in the file than by {_HELD}")
    return wrong


def _same_replicates(one: StoredReplicates | None, other: StoredReplicates | None) -> bool:
    """Whether replicates are the same but for the rounding of small numbers."""
    if one is None or other is None or one.sizes != other.sizes or (one.fit is None) != (other.fit is None):
        return one is other
    pairs = [(one.kinds, other.kinds), *([(one.fit, other.fit)] if one.fit and other.fit else [])]
    return all(
        a.small.shape == b.small.shape and np.allclose(a.array(), b.array(), 0, abs(a.largest) / 127 + _NUMERIC, equal_nan=True)
        for a, b in pairs
    )


def _other_baselines(name: str, computed: Mapping[str, float], stored: Entry, *, complete: bool) -> list[str]:
    """A line for each baseline of a score that is another than in the file, or that is none.

    Args:
        complete: whether all baselines of the score were computed.
    """
    wrong = [
        f"{name} of {who} is {stored.baselines.get(who, math.nan):.6g} in the file, but {value:.6g} by {_HELD}"
        for who, value in computed.items()
        if not _close(stored.baselines.get(who, math.nan), value, _VALUES if who in _PROBED or name.startswith("vectors.") else _NUMERIC)
    ]
    unknown = stored.baselines.keys() - (computed.keys() if complete else BASELINES)
    return wrong + [f"{name} has no baseline {who:.60}" for who in sorted(unknown)]


def _close(a: float, b: float, tolerance: float = _NUMERIC) -> bool:
    return (math.isnan(a) and math.isnan(b)) or abs(a - b) <= tolerance * max(1.0, abs(b))


def _of_sample(kept: Kept, model: Model | Predictions, part: Part, rng: np.random.Generator, *, with_masks: bool) -> list[Finding]:
    """Whether the model infers from some clips what the file holds of them."""
    rows = np.sort(rng.choice(len(part), min(SAMPLE, len(part)), replace=False))
    stored = {key.partition("/")[2]: values for key, values in kept.items() if key.startswith(f"{part.name}/")}
    wrong = []
    for n in rows.tolist():
        now = _inferred(model, part, n, with_masks=with_masks)
        if now.keys() != stored.keys():
            offered, held = (", ".join(sorted(keys)) or "nothing" for keys in (now, stored))
            return [Finding(False, f"the model infers {offered} from clips of {part.name}; the file holds {held}")]
        wrong += [f"clip {n} of {part.name}: {text}" for name in now if (text := _other(name, now[name], stored[name][n]))]
    listed = ", ".join(map(str, rows.tolist()))
    return [Finding(False, text) for text in wrong] or [Finding(True, f"the model infers the same from clips {listed} of {part.name}")]


def _inferred(model: Model | Predictions, part: Part, n: int, *, with_masks: bool) -> Mapping[str, Any]:
    """`per_clip` of one clip, without the axis of clips."""
    row = np.array([n])
    clip = part.clip(n)
    if isinstance(model, Predictions):
        arrays: Arrays = dict(model.rows(part, row))
    else:
        arrays = infer(model, clip.frames_thwc[None].transpose(0, 1, 4, 2, 3), part)
    mask = arrays.pop("masks", None)
    iou_n = masks.soft_iou(mask[0], clip.masks_thw).mean()[None] if mask is not None and with_masks else None
    return {name: values[0] for name, values in per_clip(arrays, part.script[row], iou_n).items()}


def _other(name: str, now: Any, stored: Any) -> str:
    """How much a clip's values differ from those of the file; the empty string if no more than by other hardware."""
    if name == "codes":
        share = float((now != stored).mean())
        return f"{share:.0%} of its codes are others" if share > _CODES else ""
    same = math.isclose(now, stored, rel_tol=_VALUES, abs_tol=_SMALL.get(name, 0.0)) or (math.isnan(now) and math.isnan(stored))
    return "" if same else f"{name} is {now:.4g}, not {stored:.4g}"
