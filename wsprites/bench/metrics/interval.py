"""Scores with bootstrap intervals over clips (Efron 1979, percentile method). Axis suffixes: r draws, n clips, t times.

The transitions of a clip depend on one another, so clips are drawn, not transitions. The statistics that are drawn are sums, counts and
histograms of each clip: a thousand draws from a million transitions take seconds.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 500
"""Number of bootstrap draws."""


@dataclass(frozen=True)
class Score:
    """One score with its 95 % interval. NaN where the data does not define it, and for the ends of an interval that does not exist."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    unit: str = ""
    """Empty for shares and information, which lie in [0, 1] (corrected for chance: at most 1)."""
    clips: int = 0
    """Number of clips that the score is taken over and the interval is drawn from."""


@lru_cache(maxsize=4)
def weights(clips: int) -> NDArray[np.float64]:
    """(R, N) float64: how often each of N clips occurs in each of DRAWS draws of N with replacement. Every call gives the same draws."""
    rng = np.random.default_rng(0)
    drawn = np.stack([np.bincount(rng.integers(0, clips, clips), minlength=clips) for _ in range(DRAWS)]).astype(np.float64)
    drawn.setflags(write=False)  # the cache returns this array again
    return drawn


def score_of_draws(value: float, values_r: NDArray[np.floating], *, unit: str = "", clips: int = 0, least: float = 0.0) -> Score:
    """A score from its value and the values of the draws, (R,); draws that do not define it are left out.

    The draws are shifted so that their mean is the value: entropies of a draw, which holds some clips twice, are biased.

    Args:
        least: lower limit of the interval where no draw is below 0. Scores corrected for chance, whose draws are all biased upwards, may
            well be below 0: -inf.
    """
    values_r = values_r[np.isfinite(values_r)]
    if not np.isfinite(value) or not len(values_r) or clips == 1:  # one clip says nothing about the variation between clips
        return Score(float(value), unit=unit, clips=clips)
    low, high = np.quantile(values_r - values_r.mean() + value, [0.025, 0.975])
    if min(values_r.min(), value) >= 0:  # the shift must not lead out of the range
        low = max(low, least)
    if not unit and values_r.max() <= 1:
        high = min(high, 1.0)
    return Score(float(value), float(min(low, value)), float(max(high, value)), unit, clips)


def ratio(sum_n: ArrayLike, count_n: ArrayLike, *, unit: str = "") -> Score:
    """Mean of a quantity that was summed clip by clip: all sums over all counts, (N,) each. Clips with a count of 0 are left out.

    Example:
        >>> ratio([3.0, 1.0, 0.0], [4, 4, 0]).value
        0.5
    """
    sums, counts = np.asarray(sum_n, np.float64), np.asarray(count_n, np.float64)
    defined = counts > 0
    if not defined.any():
        return Score(float("nan"), unit=unit)
    sums, counts = sums[defined], counts[defined]
    drawn = weights(len(sums))
    return score_of_draws(sums.sum() / counts.sum(), (drawn @ sums) / (drawn @ counts), unit=unit, clips=len(sums))


def mean(value_n: ArrayLike, *, unit: str = "") -> Score:
    """Mean of one value per clip or character, (N,); NaN are left out."""
    values = np.asarray(value_n, np.float64)
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0), defined, unit=unit)


def quantile(value_nt: ArrayLike, q: float, *, unit: str = "") -> Score:
    """Quantile of all values >= 0 of all clips, (N, T); NaN are left out. The interval, by logarithmic histograms, is right to 1 %."""
    values = np.asarray(value_nt, np.float64)
    defined = np.isfinite(values)
    if not defined.any():
        return Score(float("nan"), unit=unit)
    edges = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 1600)])  # each is 1 % above the previous one
    bins = np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 1)
    clip = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    used = np.flatnonzero(np.bincount(bins[defined], minlength=len(edges)))
    place = np.searchsorted(used, bins[defined])
    hist = np.bincount(clip[defined] * len(used) + place, minlength=len(values) * len(used)).reshape(len(values), -1)
    below = np.cumsum(weights(len(values)) @ hist.astype(np.float64), axis=1)
    at = np.argmax(below >= q * below[:, -1:], axis=1)
    return score_of_draws(float(np.quantile(values[defined], q)), edges[used[at]], unit=unit, clips=int(defined.any(axis=1).sum()))
