"""Values with 95 % intervals: the section "Intervals" of docs/scores.md in plain numpy and scipy. Axes: n clips, t times."""

from collections.abc import Callable, Iterator, Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.stats import t as student

Array = np.ndarray[Any, Any]
Interval = tuple[float, float, float]
"""Value, low end, high end."""


def jackknife(values: list[float]) -> float:
    defined = np.array(values)[np.isfinite(values)]
    if 1 < len(defined) < len(values) and np.ptp(defined) <= 1e-9 * np.abs(defined).max():
        return np.nan  # the score rests on one group alone
    return float((len(defined) - 1) / len(defined) * ((defined - defined.mean()) ** 2).sum()) if len(defined) > 1 else np.nan


def without_each(group_n: Array) -> Iterator[Array]:
    """(N,) bool: the clips that stay, for each group."""
    return (group_n != group for group in np.unique(group_n))


def half_width(values: list[list[float]], fit: list[float], drawn: list[float]) -> float:
    """Of the interval, from the replicates of each kind of group, from those of a fitted probe, and from draws of a fitted map."""
    each, groups = [jackknife(of_kind) for of_kind in values], [len(of_kind) for of_kind in values]
    variance, smallest = each[0], groups[0]
    if len(each) == 3:
        both = each[0] + each[1] - each[2]
        variance, smallest = (each[2], groups[2]) if both <= each[2] else (both, min(groups[:2]))
    if fit:
        variance, smallest = variance + jackknife(fit), min(smallest, len(fit))
    if drawn:
        variance, smallest = variance + float(np.var(drawn)), min(smallest, len(drawn))
    return float(student.ppf(0.975, smallest - 1) * np.sqrt(variance))


def scores(
    value: Callable[[Array], dict[str, float]],
    truth: SimpleNamespace,
    least: float = 0,
    most: float = 1,
    refitted: Sequence[dict[str, float]] = (),
    drawn: Sequence[dict[str, float]] = (),
) -> dict[str, Interval]:
    """Scores from a function of the clips that count, (N,) bool, and those on all clips of probes fitted without each group, or of maps
    fitted on draws of groups."""
    kinds = [group for group in truth.groups if len(np.unique(group)) > 1] or [np.arange(truth.clips)]
    if len(kinds) == 2:
        kinds.append(np.unique(np.stack(kinds, 1), axis=0, return_inverse=True)[1].ravel())
    replicates = [[value(keep) for keep in without_each(group)] for group in kinds]
    result = {}
    for name, point in value(np.ones(truth.clips, bool)).items():
        fit, draws = ([one[name] for one in of] for of in (refitted, drawn))
        half = half_width([[one[name] for one in of_kind] for of_kind in replicates], fit, draws) if np.isfinite(point) else np.nan
        result[name] = point, max(point - half, min(least, point)), min(point + half, max(most, point))
    return result


def mean(value_nt: Array, truth: SimpleNamespace, among_nt: Array | None = None, least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean of all values, or of some of them."""
    count = np.ones_like(value_nt, bool) if among_nt is None else among_nt
    sums, counts = (value_nt * count).sum(1), count.sum(1)
    return scores(lambda keep: {"": sums[keep].sum() / counts[keep].sum() if counts[keep].any() else np.nan}, truth, least, most)[""]


def quantile(value_nt: Array, q: float, truth: SimpleNamespace) -> Interval:
    value = np.quantile(value_nt, q)
    share, low, high = mean(value_nt <= value, truth, least=-np.inf, most=np.inf)
    ends = np.quantile(value_nt, np.clip([q - (share - low), q + (high - share)], 0, 1))
    return float(value), float(ends[0]), float(ends[1])
