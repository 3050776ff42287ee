"""Whether the numbers of a stored score are possible: in the range of the score, in order, and with the interval of its replicates.

For scores that cannot be computed again from a score file. What is possible may still be invented: only the model itself says that.
"""

import math
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

from wsprites.bench import baselines
from wsprites.bench.direction import rule_of
from wsprites.bench.metrics.interval import LEVEL
from wsprites.bench.scores import Entry

BASELINES = frozenset(baselines.DESCRIPTIONS) | {"shuffled", "classical"}
"""Names of all baselines."""
_ROUNDED = 0.05
"""Relative error that the deviation of replicates can have because they are stored as small numbers."""
_QUANTILES = (".median", ".p95")
"""Ends of the names of scores whose intervals are not those of replicates."""


class Range(NamedTuple):
    """Unit and range of all scores whose names match a pattern."""

    pattern: str
    unit: str
    low: float
    high: float


_RANGES = (
    Range("*psnr*", "dB", -100.0, 100.0),
    Range("*.ssim.*", "", -1.0, 1.0),
    Range("*.lpips.*", "distance", 0.0, math.inf),
    Range("images.*", "distance", -1.0, math.inf),  # 0 but for rounding
    Range("*.position.*", "px", 0.0, math.inf),
    *(Range(f"*shift.{name}", "px", 0.0, math.inf) for name in ("mean", "median", "p95", "clipped.mean")),
    Range("leakage.*", "", -math.inf, 1.0),  # below 0 for a probe that is misled, far below where almost nothing is left to be told
    Range("codes.perplexity", "codes", 1.0, math.inf),
    Range("*ami", "", -math.inf, 1.0),  # both are 0 by chance
    Range("*.conditional", "", -math.inf, 1.0),
    Range("consistency.vectors", "", 0.0, math.inf),
    Range("consistency.shift", "px", 0.0, math.inf),
    Range("nuisance.*", "", 0.0, math.inf),
    Range("null.*", "", 0.0, math.inf),
    Range("*", "", 0.0, 1.0),
)
"""The first one whose pattern matches counts."""


def range_of(name: str) -> Range:
    """The range of a score of a world.

    Example:
        >>> range_of("local.standing.ami").low, range_of("nuisance.character.codes").high, range_of("masks.soft_iou")[1:]
        (-inf, inf, ('', 0.0, 1.0))
    """
    return next(one for one in _RANGES if fnmatchcase(name, one.pattern))


def impossible(name: str, entry: Entry) -> Iterator[str]:
    """A line for each reason why a score of a world cannot have these numbers."""
    try:
        rule_of(name)
    except KeyError:
        yield f"{name:.60} is no score of this benchmark"
        return
    of = range_of(name)
    if entry.unit != of.unit:
        yield f"{name} is in {entry.unit or 'shares'}, not in {of.unit or 'shares'}"
    numbers = {"": entry.value, " low": entry.low, " high": entry.high} | {f" of {who}": value for who, value in entry.baselines.items()}
    for what, number in numbers.items():
        if not (math.isnan(number) or of.low <= number <= of.high):
            yield f"{name}{what:.60} is {number:.6g}, outside the range {of.low:g} to {of.high:g}"
    has_interval = not (math.isnan(entry.low) and math.isnan(entry.high))
    if has_interval and not entry.low <= entry.value <= entry.high:
        yield f"{name} is {entry.value:.6g}, outside of its interval {entry.low:.6g} to {entry.high:.6g}"
    if (entry.replicates is not None) != (has_interval and not name.endswith(_QUANTILES)):
        yield f"{name} has {'replicates, but no interval of them' if entry.replicates else 'an interval, but no replicates'}"
    elif entry.replicates and has_interval and not _follows(entry, of):
        yield f"{name} has the interval {entry.low:.6g} to {entry.high:.6g}, which is not that of its replicates"


def _follows(entry: Entry, of: Range) -> bool:
    """Whether the interval of a score is that of its replicates, cut to the range of the score."""
    from scipy.stats import t

    assert entry.replicates
    replicates = entry.replicates.around(entry.value)
    sizes = [len(kind) for kind in (*replicates.kinds, *([] if replicates.fit is None else [replicates.fit])) if len(kind) > 1]
    if math.isnan(replicates.variance) or not sizes:
        return False
    # Where two of the kinds of groups vary alike, rounding decides which number of groups counts.
    least, most = (float(t.ppf((1 + LEVEL) / 2, size - 1)) * math.sqrt(replicates.variance) for size in (max(sizes), min(sizes)))
    cuts = entry.low == min(of.low, entry.value), entry.high == max(of.high, entry.value)
    ends = zip((entry.value - entry.low, entry.high - entry.value), cuts, strict=True)
    error = 1e-9 * max(1.0, abs(entry.value))
    return all(half <= most * (1 + _ROUNDED) + error and (half >= least * (1 - _ROUNDED) - error or cut) for half, cut in ends)
