"""Comparison of a score file with a baseline: paired differences, and rules such as 'local.matched_accuracy<-0.02'.

Both are scores of the same clips. The difference of a score has the replicates of one minus those of the other (interval.py): what is
easy or difficult for both models cancels, so that its interval is narrower than theirs suggest. Many scores are compared at once, so their
p-values are corrected by Holm's method (1979), which holds however scores depend on one another: where two models are equally good, the
chance that any difference is marked is 5 %.
"""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from wsprites.bench.direction import loss
from wsprites.bench.scores import PROTOCOL, DataDescription, Entry, ScoreFile
from wsprites.bench.table import names_in_table
from wsprites.errors import ArgumentError, UserError, nearest

_BY_NETWORKS = ("drift.lpips.", "images.")
_OF_VIDEO = ("control.", "drift.", "transfer.", "images.")
WORSE = "worse"
"""The rule that is broken by any score that became significantly worse in its direction."""
_LEVEL = 0.05
_RULE = re.compile(r"([\w.]+)\s*([<>])\s*([+-]?(?:\d+\.?\d*|\.\d+))")


class Rule(NamedTuple):
    """A limit on the change of a score, new minus baseline."""

    name: str
    sign: str
    """"<" is broken by a change below the limit, ">" by one above it."""
    limit: float


def check_baseline(baseline: ScoreFile, data: DataDescription, *, weights: bool) -> None:
    """Check, before anything is scored, that scores of `data` can be compared with a baseline.

    Args:
        weights: whether the new scores include those by networks.

    Raises:
        UserError: the baseline is of other data, or has no scores.
        ArgumentError: the baseline has scores by networks, which would be lost.
    """
    _check_same_data(baseline, data)
    _check_same_protocol(baseline, PROTOCOL)
    if not defined(baseline):
        raise UserError("the baseline has no scores, so nothing can be compared with it; score its model again")
    by_networks = [name for name in defined(baseline) if name.startswith(_BY_NETWORKS)]
    if by_networks and not weights:
        raise ArgumentError("weights", f"the baseline has {by_networks[0]}, which needs the weights that it was scored with; give them")


def _check_same_data(baseline: ScoreFile, data: DataDescription) -> None:
    if data.sha256 != baseline.data.sha256:
        raise UserError(
            f"the baseline is of other data ({_described(baseline.data)}, not {_described(data)}); score the same data and number of clips"
        )


def _check_same_protocol(baseline: ScoreFile, protocol: str) -> None:
    if baseline.settings.protocol != protocol:
        raise UserError(
            f"the baseline is of protocol {baseline.settings.protocol:.20}, which defines scores otherwise than {protocol:.20}; "
            "score its model again with this version of wsprites"
        )


def _described(data: DataDescription) -> str:
    return f"{data.name}, {' and '.join(f'{clips} clips of {split}' for split, clips in data.clips.items())}"


def defined(file: ScoreFile) -> list[str]:
    """The names of the scores of a file that have a value."""
    return [name for name in file.scores if not math.isnan(file.value(name))]


def lost(new: ScoreFile, baseline: ScoreFile) -> list[str]:
    """The names of the scores that the baseline has, and the new scores lack."""
    return [name for name in defined(baseline) if math.isnan(new.value(name))]


def parse_rules(rules: Sequence[str], baseline: ScoreFile) -> list[Rule]:
    """The rules that texts such as 'local.matched_accuracy<-0.02' or 'worse' stand for, checked before anything is scored.

    Raises:
        ArgumentError: a rule of another form, a score that the baseline lacks, or 'worse' with a baseline without intervals.
    """
    parsed = []
    for text in rules:
        if text.strip() == WORSE:
            if not any(entry.replicates for entry in baseline.scores.values()):
                raise ArgumentError("fail_on", f"{text!r}: no score of the baseline has an interval, so no change of it is significant")
            parsed.append(Rule(WORSE, "<", 0.0))
            continue
        match = _RULE.fullmatch(text.strip())
        if not match:
            raise ArgumentError(
                "fail_on", f"{text!r}: expected NAME<NUMBER or NAME>NUMBER, such as 'local.matched_accuracy<-0.02', or '{WORSE}'"
            )
        if math.isnan(baseline.value(match[1])):
            raise ArgumentError("fail_on", f"{text!r}: the baseline has no score {match[1]!r}{nearest(match[1], baseline.scores)}")
        parsed.append(Rule(match[1], match[2], float(match[3])))
    return parsed


def regressions(new: ScoreFile, baseline: ScoreFile, rules: Sequence[Rule]) -> list[str]:
    """A line for each score of the baseline that the new scores lack, and for each rule that is broken.

    Raises:
        ArgumentError: a score of a rule was computed with other network weights.
        UserError: the two are scores of different data or of different protocols.
    """
    _check_same_data(baseline, new.data)
    _check_same_protocol(baseline, new.settings.protocol)
    missing = lost(new, baseline)
    broken = [f"{name}: {baseline.value(name):.4f} -> no such score" for name in missing]
    if any(favoured(rule.name, new, baseline) for rule in rules):
        broken.append("the video is driven by the true actions, and that of the baseline is not")
    for name, sign, limit in rules:
        if name == WORSE:
            broken += [one.line() for one in differences(new, baseline) if one.significant and one.meaning == "worse"]
            continue
        before, after = baseline.value(name), new.value(name)
        if name.startswith(_BY_NETWORKS) and new.settings.weights != baseline.settings.weights:
            raise ArgumentError(
                "fail_on", f"{name}{sign}{limit:g}: the baseline is by other weights; compare with the same files of weights"
            )
        change = after - before
        if name not in missing and ((change < limit) if sign == "<" else (change > limit)):
            broken.append(f"{name}: {before:.4f} -> {after:.4f}, {change:+.4f} {sign} {limit:g}")
    return broken


def favoured(name: str, new: ScoreFile, baseline: ScoreFile) -> bool:
    """Whether a score, or WORSE, is of generated video, and the new video alone is driven by the true actions: no fair comparison."""
    of_video = name == WORSE or name.startswith(_OF_VIDEO)
    return of_video and bool(new.settings.rollout_actions) and not baseline.settings.rollout_actions


class Difference(NamedTuple):
    """The change of one score, new minus baseline."""

    name: str
    before: float
    after: float
    low: float
    high: float
    """95 % interval of the change; NaN without replicates."""
    p: float
    """Probability of such a change, or of a larger one, between equally good models, before correction; NaN without replicates."""
    significant: bool
    """Whether the change is significant after correction for the number of scores."""

    @property
    def change(self) -> float:
        """New minus baseline."""
        return self.after - self.before

    @property
    def meaning(self) -> str:
        """What the change means: "better", "worse", or "differs" where neither direction is better."""
        worse = loss(self.name, self.change)
        return "worse" if worse > 0 else "better" if worse < 0 else "differs"

    def line(self) -> str:
        """The difference as a line of text."""
        interval = "" if math.isnan(self.low) else f"  [{self.low:+.3f}, {self.high:+.3f}]"
        mark = f" * {self.meaning}" if self.significant else ""
        return f"{self.name:<36} {self.before:8.3f} -> {self.after:8.3f}  {self.change:+.3f}{interval}{mark}"


def differences(new: ScoreFile, baseline: ScoreFile) -> list[Difference]:
    """The paired differences of all scores that both files have, in the order of the baseline."""
    found = []
    for name in defined(baseline):
        before, after = baseline.scores[name], new.scores.get(name)
        if after is None or math.isnan(after.value):
            continue
        half, p = _paired(before, after)
        change = after.value - before.value
        found.append(Difference(name, before.value, after.value, change - half, change + half, p, False))
    # Holm's method: the smallest p-value is multiplied by the number of scores, the next by one less, and so on.
    tested = sorted((one.p, number) for number, one in enumerate(found) if not math.isnan(one.p))
    for rank, (p, number) in enumerate(tested):
        if p * (len(tested) - rank) > _LEVEL:
            break
        found[number] = found[number]._replace(significant=True)
    return found


def _paired(before: Entry, after: Entry) -> tuple[float, float]:
    """Half the length of the interval of a difference, and its p-value by the t distribution; NaN if one of both has no replicates.

    Where no group changes the difference, its variance says nothing about its p-value, which is then that of a sign test over the G groups
    that the variance is taken from, all of one sign: 2^(1 - G).
    """
    if before.replicates is None or after.replicates is None or before.replicates.sizes != after.replicates.sizes:
        return math.nan, math.nan
    from scipy.stats import t

    try:
        replicates = after.replicates.around(after.value) - before.replicates.around(before.value)
    except ValueError:  # maps that were fitted on other groups
        return math.nan, math.nan
    change, half = after.value - before.value, replicates.half_width
    if math.isnan(half):
        return math.nan, math.nan
    if half <= 1e-9 * abs(change):
        return half, 1.0 if change == 0 else 2.0 ** (1 - len(replicates.kinds[-1]))
    return half, float(2 * t.sf(abs(change) / math.sqrt(replicates.variance), replicates.degrees_of_freedom))


def changes(new: ScoreFile, baseline: ScoreFile) -> str:
    """The scores of the table that differ, one a line, the others that differ significantly, and how many only one file has."""
    shown = names_in_table([baseline, new])
    found = differences(new, baseline)
    differ = [one for one in found if one.significant or (one.name in shown and not math.isclose(one.before, one.after, abs_tol=5e-4))]
    order = {name: place for place, name in enumerate(shown)}
    lines = [one.line() for one in sorted(differ, key=lambda one: order.get(one.name, len(order)))]
    missing, added = len(lost(new, baseline)), len(lost(baseline, new))
    lines = lines or [f"no score of the table {'that both have ' if missing or added else ''}differs"]
    tested = sum(not math.isnan(one.p) for one in found)
    if any(one.significant for one in found):
        lines.append(f"[95 % interval of the difference], * significant at 5 % after correction for {tested} scores (Holm)")
    lines += [f"{missing} scores of the baseline are missing"] * (missing > 0) + [f"{added} scores are not in the baseline"] * (added > 0)
    if baseline.settings.rollout_actions != new.settings.rollout_actions:
        which = "baseline" if baseline.settings.rollout_actions else "new model"
        lines.append(f"the video of the {which} is driven by the true actions: no fair comparison in control, drift, transfer and images")
    return "\n".join(lines)
