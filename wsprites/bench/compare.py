"""Comparison of a score file with a baseline: rules such as 'local.matched_accuracy<-0.02', and the list of changes."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from wsprites.bench.scores import DataDescription, ScoreFile
from wsprites.bench.table import TABLE
from wsprites.errors import ArgumentError, UserError

_BY_NETWORKS = ("drift.lpips.", "images.")
_RULE = re.compile(r"([\w.]+)\s*([<>])\s*([+-]?(?:\d+\.?\d*|\.\d+))")


class Rule(NamedTuple):
    """A limit on the change of a score, new minus baseline."""

    name: str
    sign: str
    """"<" is broken by a change below the limit, ">" by one above it."""
    limit: float


def parse_rules(rules: Sequence[str], data: DataDescription, baseline: ScoreFile) -> list[Rule]:
    """The rules that texts such as 'local.matched_accuracy<-0.02' stand for, checked before anything is scored.

    Raises:
        ArgumentError: a rule of another form, or a score that the baseline lacks.
        UserError: the baseline was scored on other data than `data`.
    """
    if data.sha256 != baseline.data.sha256:
        raise UserError(f"the baseline is of other data ({baseline.data.name}, not {data.name}); compare on the same data")
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
    """A line for each rule that is broken.

    Raises:
        ArgumentError: the new scores lack a score of a rule, or it was computed with other network weights.
        UserError: the two are scores of different data.
    """
    if new.data.sha256 != baseline.data.sha256:
        raise UserError(f"the baseline is of other data ({baseline.data.name}, not {new.data.name}); compare on the same data")
    broken = []
    for name, sign, limit in rules:
        before, after = baseline.value(name), new.value(name)
        if math.isnan(after):
            raise ArgumentError("fail_on", f"{name}{sign}{limit:g}: the new scores have no score {name!r}")
        if name.startswith(_BY_NETWORKS) and new.settings.weights != baseline.settings.weights:
            raise ArgumentError(
                "fail_on", f"{name}{sign}{limit:g}: the baseline is by other weights; compare with the same files of weights"
            )
        change = after - before
        if (change < limit) if sign == "<" else (change > limit):
            broken.append(f"{name}: {before:.4f} -> {after:.4f}, {change:+.4f} {sign} {limit:g}")
    return broken


def changes(new: ScoreFile, baseline: ScoreFile) -> str:
    """The scores of the table that differ, one a line."""
    lines = []
    for name in TABLE:
        before, after = baseline.value(name), new.value(name)
        if not math.isnan(after - before) and not math.isclose(before, after, abs_tol=5e-4):
            lines.append(f"{name:<36} {before:8.3f} -> {after:8.3f}  {after - before:+.3f}")
    return "\n".join(lines) or "no score of the table differs"
