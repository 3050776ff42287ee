"""Comparison of a score file with a baseline: rules such as 'local.matched_accuracy<-0.02', and the list of changes."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from wsprites.bench.scores import DataDescription, ScoreFile
from wsprites.bench.table import names_in_table
from wsprites.errors import ArgumentError, UserError

_BY_NETWORKS = ("drift.lpips.", "images.")
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


def _described(data: DataDescription) -> str:
    return f"{data.name}, {' and '.join(f'{clips} clips of {split}' for split, clips in data.clips.items())}"


def defined(file: ScoreFile) -> list[str]:
    """The names of the scores of a file that have a value."""
    return [name for name in file.scores if not math.isnan(file.value(name))]


def lost(new: ScoreFile, baseline: ScoreFile) -> list[str]:
    """The names of the scores that the baseline has, and the new scores lack."""
    return [name for name in defined(baseline) if math.isnan(new.value(name))]


def parse_rules(rules: Sequence[str], baseline: ScoreFile) -> list[Rule]:
    """The rules that texts such as 'local.matched_accuracy<-0.02' stand for, checked before anything is scored.

    Raises:
        ArgumentError: a rule of another form, or a score that the baseline lacks.
    """
    parsed = []
    for text in rules:
        match = _RULE.fullmatch(text.strip())
        if not match:
            raise ArgumentError("fail_on", f"{text!r}: expected NAME<NUMBER or NAME>NUMBER, such as 'local.matched_accuracy<-0.02'")
        if math.isnan(baseline.value(match[1])):
            raise ArgumentError("fail_on", f"{text!r}: the baseline has no score {match[1]!r}")
        parsed.append(Rule(match[1], match[2], float(match[3])))
    return parsed


def regressions(new: ScoreFile, baseline: ScoreFile, rules: Sequence[Rule]) -> list[str]:
    """A line for each score of the baseline that the new scores lack, and for each rule that is broken.

    Raises:
        ArgumentError: a score of a rule was computed with other network weights.
        UserError: the two are scores of different data.
    """
    _check_same_data(baseline, new.data)
    missing = lost(new, baseline)
    broken = [f"{name}: {baseline.value(name):.4f} -> no such score" for name in missing]
    for name, sign, limit in rules:
        before, after = baseline.value(name), new.value(name)
        if name.startswith(_BY_NETWORKS) and new.settings.weights != baseline.settings.weights:
            raise ArgumentError(
                "fail_on", f"{name}{sign}{limit:g}: the baseline is by other weights; compare with the same files of weights"
            )
        change = after - before
        if name not in missing and ((change < limit) if sign == "<" else (change > limit)):
            broken.append(f"{name}: {before:.4f} -> {after:.4f}, {change:+.4f} {sign} {limit:g}")
    return broken


def changes(new: ScoreFile, baseline: ScoreFile) -> str:
    """The scores of the table that differ, one a line, and the number of scores that only one of the two has."""
    lines = []
    for name in names_in_table([baseline, new]):
        before, after = baseline.value(name), new.value(name)
        if not math.isnan(after - before) and not math.isclose(before, after, abs_tol=5e-4):
            lines.append(f"{name:<36} {before:8.3f} -> {after:8.3f}  {after - before:+.3f}")
    missing, added = len(lost(new, baseline)), len(lost(baseline, new))
    lines = lines or [f"no score of the table {'that both have ' if missing or added else ''}differs"]
    lines += [f"{missing} scores of the baseline are missing"] * (missing > 0) + [f"{added} scores are not in the baseline"] * (added > 0)
    return "\n".join(lines)
