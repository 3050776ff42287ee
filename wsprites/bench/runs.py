"""Several runs of one system, which differ in their seeds, as one: median, range, and an interval over clips and seeds.

The interval is that of the mean over runs, for other clips (other characters and scenes, as in interval.py) and other seeds at once:

    V = V_clips + V_seeds / S

V_clips is the jackknife variance of the mean over the S runs, whose replicates are the means of those of the runs, which were scored on the
same clips; V_seeds = sum (s_i - mean s)^2 / (S - 1). The interval is mean +- t sqrt V, of the t distribution with
V^2 / (V_clips^2 / f + (V_seeds / S)^2 / (S - 1)) degrees of freedom (Satterthwaite 1946), f those of V_clips. In simulations it covers
0.93 to 0.97 for three runs and more, and down to 0.90 for two.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from wsprites.bench.metrics.interval import LEVEL, Replicates
from wsprites.bench.provenance import hashes
from wsprites.bench.ranges import Range, range_of
from wsprites.bench.scores import Entry, Hashes, ScoreFile
from wsprites.errors import UserError
from wsprites.weights import find_checkpoint


def joined(files: Sequence[ScoreFile]) -> list[ScoreFile]:
    """The files with those of one system, of the same data and protocol, as one, in the place of the first.

    Each score is the median over the runs, of those scores that all runs have; `Entry.runs` are their values. What belongs to a single run,
    such as its confusion matrices, is left out.

    Raises:
        UserError: a run is there twice.
    """
    groups: dict[tuple[str, ...], list[ScoreFile]] = {}
    for number, file in enumerate(files):
        alone = "" if file.system else str(number)
        groups.setdefault((file.system, file.data.sha256, file.settings.protocol, file.settings.rollout_actions, alone), []).append(file)
    return [runs[0] if len(runs) == 1 else _as_one(runs) for runs in groups.values()]


def check_runs(models: Sequence[str], system: str) -> None:
    """Raise UserError, before anything is scored, if two names of models are of the same file."""
    _check_different([(name, hashes(name)) for name in models if find_checkpoint(name)], system)


def _check_different(runs: Sequence[tuple[str, Hashes]], system: str) -> None:
    """Raise UserError if a run is there twice: a file with the same content, or a factory of the same name."""
    for number, (name, made) in enumerate(runs):
        for other, of_other in runs[:number]:
            if made.model and made.model == of_other.model and (name == other or not made.model_file.endswith(".py")):
                twice = f"{name} is there twice" if name == other else f"{other} and {name} are the same file"
                raise UserError(f"{twice}, as runs of {system}; give each run once")


def _as_one(runs: Sequence[ScoreFile]) -> ScoreFile:
    first, values = runs[0], [{name: entry.value for name, entry in run.scores.items()} for run in runs]
    _check_different([(run.model, run.hashes) for run in runs if run.hashes], first.system)
    names = [name for name in first.scores if all(name in of for of in values)]
    scores = {name: _entry(name, [run.scores[name] for run in runs]) for name in names}
    seconds = sum(run.seconds for run in runs)
    return replace(
        first, model=f"{first.system} ({len(runs)} runs)", scores=scores, confusion={}, seconds=seconds, hashes=None, per_clip={}
    )


def _entry(name: str, entries: Sequence[Entry]) -> Entry:
    """One score of several runs."""
    values = np.array([entry.value for entry in entries])
    baselines = {who: float(np.median([entry.baselines.get(who, math.nan) for entry in entries])) for who in entries[0].baselines}
    low, high = _interval(entries, range_of(name))
    runs = tuple(values.tolist()) if np.isfinite(values).all() else ()
    return replace(entries[0], value=float(np.median(values)), low=low, high=high, baselines=baselines, replicates=None, runs=runs)


def _interval(entries: Sequence[Entry], of: Range) -> tuple[float, float]:
    """The ends of the interval over clips and seeds, cut to the range of the score; NaN if that of clips is not defined for all runs."""
    from scipy.stats import t

    values = np.array([entry.value for entry in entries])
    stored = [entry.replicates for entry in entries]
    clips = _mean_replicates([one.around(entry.value) for one, entry in zip(stored, entries, strict=True) if one])
    if clips is None or None in stored or not np.isfinite(values).all():
        return math.nan, math.nan
    of_clips, of_seeds = clips.variance, float(values.var(ddof=1)) / len(values)
    variance = of_clips + of_seeds
    spread = of_clips**2 / clips.degrees_of_freedom + of_seeds**2 / (len(values) - 1)
    freedom = variance**2 / spread if spread > 0 else 1.0
    mean, half = float(values.mean()), float(t.ppf((1 + LEVEL) / 2, freedom)) * math.sqrt(variance)
    low, high = mean - half, mean + half
    least, most = (of.low, of.high) if entries[0].unit == of.unit else (-math.inf, math.inf)  # other protocols have other units
    return max(low, min(least, mean)), min(high, max(most, mean))


def difference(one: Sequence[Entry], other: Sequence[Entry]) -> tuple[float, float, float]:
    """The mean over the runs of one system minus that of another, of one score of the same clips, and the ends of its 95 % interval.

    As the interval of a mean, with V_clips that of the difference, whose replicates are those of one minus those of the other, and the
    V_seeds / S of both. Where there is one run of a system, its seeds are left out.

    Returns:
        The difference and the ends; these are NaN where a run has no interval, or the runs are of other groups of clips.
    """
    from scipy.stats import t

    systems = one, other
    means = [float(np.mean([entry.value for entry in entries])) for entries in systems]
    change = means[0] - means[1]
    replicates = [_mean_replicates([e.replicates.around(e.value) for e in entries if e.replicates]) for entries in systems]
    complete = all(entry.replicates and math.isfinite(entry.value) for entries in systems for entry in entries)
    if not complete or replicates[0] is None or replicates[1] is None:
        return change, math.nan, math.nan
    try:
        clips = replicates[0] - replicates[1]
    except ValueError:  # other groups
        return change, math.nan, math.nan
    parts = [(clips.variance, clips.degrees_of_freedom)]
    parts += [
        (float(np.var([e.value for e in entries], ddof=1)) / len(entries), len(entries) - 1) for entries in systems if len(entries) > 1
    ]
    variance, spread = sum(part for part, _ in parts), sum(part**2 / freedom for part, freedom in parts)
    half = 0.0 if spread == 0 else float(t.ppf((1 + LEVEL) / 2, variance**2 / spread)) * math.sqrt(variance)
    return change, change - half, change + half


def _mean_replicates(runs: Sequence[Replicates]) -> Replicates | None:
    """The replicates of the mean over runs; None if they are of different groups."""
    shapes = {(*map(len, run.kinds), -1 if run.fit is None else len(run.fit)) for run in runs}
    if len(shapes) != 1:
        return None
    kinds = tuple(np.mean(values, axis=0) for values in zip(*(run.kinds for run in runs), strict=True))
    fits = [run.fit for run in runs if run.fit is not None]
    return Replicates(kinds, np.mean(fits, axis=0) if fits else None)
