"""Check of somebody else's score file: do its scores follow from the predictions that it holds, and does the model make these?

A file that was edited, or that is of another model, is found in two steps. The scores of codes, and the means of shifts and masks, are
computed again from what the file holds of each clip. Then the model infers a few clips again, which are drawn when the file is checked, so
that its author could not know them; a change of a share f of the clips is found with probability 1 - (1 - f)^n by n clips.
"""

import math
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.absent import leave_out
from wsprites.bench.data import STANDARD, Data, Part
from wsprites.bench.evaluation import scores_of_codes
from wsprites.bench.metrics import masks
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import MAX_CODES, Arrays, Model, infer, named, takes_true_actions
from wsprites.bench.provenance import code_sha256, hashes, per_clip
from wsprites.bench.run import Job
from wsprites.bench.scores import PROTOCOL, Entry, ScoreFile
from wsprites.errors import ArgumentError, UserError

SAMPLE = 16
"""Number of clips of each split that are inferred again."""
_MEANS = {"shift": "shift.mean", "background_shift": "background_shift.mean", "masks": "masks.soft_iou"}
_ADDED = ("local.facing.conditional", "local.animation.conditional")
"""Scores that older files of this protocol do not have."""
_NUMERIC, _CODES, _VALUES = 1e-5, 0.02, 0.02
"""Tolerances: of scores that are computed again, relative above 1; the share of a clip's codes, and the relative difference of its other
values, that may be another on other hardware."""

Kept = dict[str, NDArray[Any]]


class Finding(NamedTuple):
    """One result of a check."""

    fine: bool
    text: str


def job_of(file: ScoreFile, model: str, data: str) -> Job:
    """The job that made a score file.

    Args:
        model: the name of the model that is checked.
        data: the path of the data file, where the scores are of one; the name of a standard world stands in the score file.

    Raises:
        UserError: the file is of another protocol, of videos, or of other data, or holds nothing that can be checked.
        ArgumentError: the path of a data file is missing.
    """
    if file.settings.protocol != PROTOCOL:
        raise UserError(f"the scores are of protocol {file.settings.protocol:.20}, not {PROTOCOL}; score the model again")
    if not file.per_clip:
        raise UserError("the file holds nothing of single clips, as of videos and large data; score the model again and compare")
    name = re.fullmatch(r"(?P<world>.+?)(-seed-(?P<seed>\d{1,19}))?(-first-(?P<clips>\d{1,9}))?", file.data.name)
    if name and name["world"] in STANDARD:
        job = Job((model,), name["world"], clips=_number(name["clips"]), seed=_number(name["seed"]))
    else:
        name = re.fullmatch(r".+:(?P<split>\w+?)(-first-(?P<clips>\d{1,9}))?", file.data.name)
        if not name or data in STANDARD:
            raise ArgumentError("data", f"the scores are of {file.data.name:.100}; give the path of that file")
        job = Job((model,), data, name["split"], _number(name["clips"]))
    if not isinstance(job.opened, Data) or job.opened.sha256 != file.data.sha256:
        raise UserError(f"the scores are of other data than {job.opened.name}, although they say {file.data.name:.100}")
    return job


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
    if wrong := _wrong_shapes(data, kept):
        return [Finding(False, text) for text in wrong]
    findings = [*_of_hashes(file, name, model), *_of_scores(file, data, kept)]
    if takes_true_actions(model) != bool(file.settings.rollout_actions):
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
    return [Finding(False, text) for text in _wrong_shapes(data, kept)] or _of_scores(file, data, kept)


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
    """Whether the scores follow from what the file holds of each clip."""
    fit, scored = (f"{part.name}/codes" for part in data.parts)
    expected: dict[str, Entry] = {}
    wrong: list[str] = []
    if {fit, scored} <= kept.keys():
        fitted_nt, scored_nt = (kept[key].astype(np.int64) for key in (fit, scored))
        counts = file.confusion["local"].counts if "local" in file.confusion else ()
        k = max(len(counts), int(fitted_nt.max()) + 1, int(scored_nt.max()) + 1)
        results, confusion = scores_of_codes(data, (fitted_nt, scored_nt), k)
        leave_out(results, data.scored)
        for score_name, score in results["model"].items():
            baselines = {who: scores[score_name].value for who, scores in results.items() if who != "model" and score_name in scores}
            expected[score_name] = Entry(score.value, score.low, score.high, score.unit, score.clips, baselines)
        wrong += ["the confusion matrices do not follow from the codes"] if confusion != file.confusion else []
    # Means over clips of one length.
    for name, score_name in _MEANS.items():
        if f"{data.scored.name}/{name}" in kept:
            mean = float(kept[f"{data.scored.name}/{name}"].mean(dtype=np.float64))
            stored = file.scores.get(score_name)
            expected[score_name] = Entry(mean, *((stored.low, stored.high) if stored else (mean, mean)), "", len(data.scored), {})
    for score_name, entry in expected.items():
        wrong += _differences(score_name, entry, file.scores.get(score_name))
    others = {score_name.partition(".")[0] for score_name in file.scores.keys() - expected.keys()}
    done = f"{len(expected)} scores follow from what the file holds of each clip"
    rest = f", {len(file.scores) - len(expected)} cannot be computed from it ({', '.join(sorted(others))})" if others else ""
    return [Finding(False, text) for text in wrong] or [Finding(True, done + rest)]


def _wrong_shapes(data: Data, kept: Kept) -> list[str]:
    """A line for each array of the file that cannot be one of the model's."""
    sizes = {part.name: (len(part), part.spec.frames - 1) for part in data.parts}
    wrong = []
    for key, values in kept.items():
        split, _, name = key.partition("/")
        shape = sizes.get(split, ())[: 2 if name == "codes" else 1]
        if values.shape != shape or (name == "codes" and values.max() >= MAX_CODES):
            wrong.append(f"{key:.60} of {values.shape} cannot be of these data")
    return wrong


def _differences(name: str, expected: Entry, stored: Entry | None) -> list[str]:
    """A line for each number of a score that is another than in the file."""
    if stored is None and name in _ADDED:
        return []
    if stored is None:
        return [f"{name} is missing, although it follows from what the file holds of each clip"]
    pairs = [("", stored.value, expected.value), (" low", stored.low, expected.low), (" high", stored.high, expected.high)]
    pairs += [(f" of {who}", stored.baselines.get(who, math.nan), value) for who, value in expected.baselines.items()]
    return [f"{name}{what} is {a:.6g} in the file, but {b:.6g} by what it holds of each clip" for what, a, b in pairs if not _close(a, b)]


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
    return "" if _close(float(now), float(stored), _VALUES) else f"{name} is {now:.4g}, not {stored:.4g}"
