"""Bootstrap intervals over clips (Efron 1979, percentile method). Axis suffixes: r draws, n clips.

The transitions of a clip depend on one another, so clips are drawn, not transitions. What is drawn are each clip's sufficient statistics
(sums, counts, histograms): a thousand draws from a million transitions take seconds.
"""

from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

DRAWS = 500


@dataclass(frozen=True)
class Figure:
    """One score with its 95 % interval. A value of NaN is one that the data does not define."""

    value: float
    low: float = float("nan")
    high: float = float("nan")
    unit: str = ""
    """Empty for shares and information, which lie in [0, 1] (corrected for chance: at most 1)."""
    clips: int = 0
    """How many clips it is taken over, which are what the interval is about."""

    def to_json(self) -> dict[str, Any]:
        """The fields, with None for NaN, which JSON does not know."""
        return {key: None if value != value else value for key, value in asdict(self).items()}


@lru_cache(maxsize=4)
def weights(clips: int) -> NDArray[np.float64]:
    """(R, N) float64: how often each clip is in each of DRAWS draws of N from N with replacement. The same ones every time."""
    rng = np.random.default_rng(0)
    drawn = np.stack([np.bincount(rng.integers(0, clips, clips), minlength=clips) for _ in range(DRAWS)]).astype(np.float64)
    drawn.setflags(write=False)  # it is kept, and handed out again
    return drawn


def figure(value: float, values_r: NDArray[np.floating], *, unit: str = "", clips: int = 0, least: float = 0.0) -> Figure:
    """A figure from its value and the values of the draws; draws that do not define it are left out.

    The draws are moved so that their mean is the value: entropies of a draw, which holds clips twice, are biased. An interval of what was
    never below 0 ends at `least`; scores corrected for chance, whose draws are all biased upwards, may well be below 0 (-inf).
    """
    values_r = values_r[np.isfinite(values_r)]
    if not np.isfinite(value) or not len(values_r) or clips == 1:  # one clip says nothing about others
        return Figure(float(value), unit=unit, clips=clips)
    low, high = np.quantile(values_r - values_r.mean() + value, [0.025, 0.975])
    if min(values_r.min(), value) >= 0:  # moving must not lead out of the range
        low = max(low, least)
    if not unit and values_r.max() <= 1:
        high = min(high, 1.0)
    return Figure(float(value), float(min(low, value)), float(max(high, value)), unit, clips)


def ratio(sum_n: ArrayLike, count_n: ArrayLike, *, unit: str = "") -> Figure:
    """The mean of something summed up clip by clip: all sums over all counts, (N,) each. Clips with a count of 0 say nothing."""
    sums, counts = np.asarray(sum_n, np.float64), np.asarray(count_n, np.float64)
    known = counts > 0
    if not known.any():
        return Figure(float("nan"), unit=unit)
    sums, counts = sums[known], counts[known]
    drawn = weights(len(sums))
    return figure(sums.sum() / counts.sum(), (drawn @ sums) / (drawn @ counts), unit=unit, clips=len(sums))


def mean(value_n: ArrayLike, *, unit: str = "") -> Figure:
    """The mean of one value a clip (or character), (N,); NaN among them are left out."""
    values = np.asarray(value_n, np.float64)
    known = np.isfinite(values)
    return ratio(np.where(known, values, 0), known, unit=unit)


def quantile(value_nt: ArrayLike, q: float, *, unit: str = "") -> Figure:
    """A quantile of all values >= 0 of all clips, (N, T), NaN left out; its interval to 1 % by histograms with logarithmic bins."""
    values = np.asarray(value_nt, np.float64)
    known = np.isfinite(values)
    if not known.any():
        return Figure(float("nan"), unit=unit)
    edges = np.concatenate([[0.0], np.geomspace(1e-3, 1e4, 1600)])  # each 1 % above the one before
    bins = np.minimum(np.searchsorted(edges, values, side="right") - 1, len(edges) - 1)
    clip = np.broadcast_to(np.arange(len(values))[:, None], values.shape)
    used = np.flatnonzero(np.bincount(bins[known], minlength=len(edges)))
    place = np.searchsorted(used, bins[known])
    hist = np.bincount(clip[known] * len(used) + place, minlength=len(values) * len(used)).reshape(len(values), -1)
    below = np.cumsum(weights(len(values)) @ hist.astype(np.float64), axis=1)
    at = np.argmax(below >= q * below[:, -1:], axis=1)
    return figure(float(np.quantile(values[known], q)), edges[used[at]], unit=unit, clips=int(known.any(axis=1).sum()))
