"""Scores with 95 % intervals, by a jackknife that leaves out all clips of a character or of a scene. Axes: r replicates, n clips, t times.

The transitions of a clip depend on one another, and clips that share a character or a scene do as well, so that whole groups are left out
and not single transitions. The variance is that of two-way clustering (Cameron, Gelbach & Miller 2011) by jackknife variances (MacKinnon,
Nielsen & Webb, Jackknife inference with two-way clustering, 2024):

    V = V_character + V_scene - V_both, with V_w = (G - 1) / G sum_g (s_g - mean s)^2

over the G groups of each kind; s_g is the score without group g, and the groups of V_both are the clips of one character in front of one
scene. Where V is below V_both, clips do not vary more for what they share, and V is V_both. Where a map was fitted on other clips, V_fit is
added, for the draw of the characters of these. The interval is value +- t sqrt V, cut to the range of the score; t is the quantile of
Student's distribution for the smallest number of groups of those kinds that V is taken from, minus 1. A score that rests on the clips of
one group alone has no interval: how other groups would differ is not known.

It speaks for other characters in front of other scenes, drawn as those of the data were.
"""

import math
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.float64]

LEVEL = 0.95
"""Nominal coverage of intervals."""
DRAWS = 200
"""Number of bootstrap draws of the characters that maps are fitted on."""


@dataclass(frozen=True, eq=False)
class Replicates:
    """Values of one score, each without one group of clips."""

    kinds: tuple[Floats, ...]
    """The replicates of each kind of group: of one kind, or of two kinds and of their combinations."""
    fit: Floats | None = None
    """Those with maps that were fitted without one group of the other clips, or `from_draws`; None for a score without a fitted map."""

    def __sub__(self, other: "Replicates") -> "Replicates":
        """The replicates of the difference of two scores of the same clips. Raises ValueError if they are of other groups."""
        pairs = zip((*self.kinds, self.fit), (*other.kinds, other.fit), strict=True)
        *kinds, fit = (a if b is None else b if a is None else a - b for a, b in pairs)
        return Replicates(tuple(kind for kind in kinds if kind is not None), fit)

    @property
    def _varying(self) -> tuple[float, tuple[Floats, ...]]:
        """Variance over the groups of clips, and the kinds of groups that it is taken from."""
        each = [_variance(kind) for kind in self.kinds]
        if len(each) == 1:
            return each[0], self.kinds
        both = each[0] + each[1] - each[2]
        return (each[2], self.kinds[2:]) if both <= each[2] else (both, self.kinds[:2])

    @property
    def variance(self) -> float:
        """Variance of the score; NaN if fewer than two replicates of a kind are defined, or the score rests on a single group of a kind."""
        return self._varying[0] + (_variance(self.fit) if self.fit is not None else 0.0)

    @property
    def degrees_of_freedom(self) -> int:
        """The smallest number of groups, minus 1."""
        kinds = self._varying[1] if self.fit is None else (*self._varying[1], self.fit)
        return min(map(len, kinds)) - 1

    @property
    def half_width(self) -> float:
        """Half the length of the interval before it is cut to the range of the score; NaN if it is not defined."""
        from scipy.stats import t

        return float(t.ppf((1 + LEVEL) / 2, self.degrees_of_freedom)) * math.sqrt(self.variance)


@lru_cache(maxsize=4)
def draws(groups: int) -> NDArray[np.int64]:
    """(R, G) int64: how often each of G groups occurs in each of R = DRAWS bootstrap draws. Every call gives the same draws."""
    drawn = np.random.default_rng(0).multinomial(groups, np.full(groups, 1 / groups), DRAWS)
    drawn.setflags(write=False)  # the cache returns this array again
    return drawn


def from_draws(value_r: ArrayLike) -> Floats:
    """(R,) replicates whose jackknife variance is the variance of bootstrap draws: deviations from their mean over sqrt(R - 1).

    For maps from codes to labels. One character may change such a map as a whole, which a jackknife multiplies by the number of characters:
    its variance is not consistent for what is not smooth.
    """
    value = np.asarray(value_r, np.float64)
    return np.asarray((value - value.mean()) / math.sqrt(len(value) - 1))


def _variance(value_g: Floats) -> float:
    defined = value_g[np.isfinite(value_g)]
    if len(defined) < 2:
        return math.nan
    if len(defined) < len(value_g) and np.ptp(defined) <= 1e-9 * np.abs(defined).max():
        return math.nan  # without one group there is no score, and no other changes it: it rests on that group alone
    return float((len(defined) - 1) / len(defined) * ((defined - defined.mean()) ** 2).sum())


@dataclass(frozen=True)
class Score:
    """One score with its 95 % interval. NaN where the data does not define it, and for the ends of an interval that does not exist."""

    value: float
    low: float = math.nan
    high: float = math.nan
    unit: str = ""
    """Empty for shares and information, which lie in [0, 1] (corrected for chance: at most 1), and for ratios."""
    clips: int = 0
    """Number of clips that the score is taken over."""
    replicates: Replicates | None = field(default=None, compare=False, repr=False)
    """From which the interval was computed, and from which that of a difference can be; None without them."""


class Clusters:
    """The groups that N clips belong to: those of one character, and those of one scene.

    Args:
        groupings: (N,) ids each, one or two kinds of groups. A kind with a single group is left out, because nothing is known about
            others; if none is left, each clip is a group.

    Example:
        >>> clusters = Clusters([7, 7, 8, 9], [0, 1, 1, 0])
        >>> clusters.sums(np.array([1.0, 2.0, 3.0, 4.0])).tolist()  # without character 7, 8, 9; scene 0, 1; and each pair of both
        [7.0, 7.0, 6.0, 5.0, 5.0, 9.0, 8.0, 7.0, 6.0]
    """

    def __init__(self, *groupings: ArrayLike) -> None:
        ids = [np.unique(np.asarray(grouping), return_inverse=True)[1].ravel() for grouping in groupings]
        self.clips = len(ids[0])
        several = [group for group in ids if group.max(initial=0) > 0] or [np.arange(self.clips)]
        if len(several) == 2:
            both = several[0] * (several[1].max() + 1) + several[1]
            several.append(np.unique(both, return_inverse=True)[1].ravel())
        self._groups = several
        self.sizes = tuple(int(group.max(initial=-1)) + 1 for group in several)
        """Number of groups of each kind, as in `Replicates.kinds`."""

    def __len__(self) -> int:
        return self.clips

    def __getitem__(self, rows: slice | NDArray[np.integer] | NDArray[np.bool_]) -> "Clusters":
        """The groups of some of the clips."""
        return Clusters(*(group[rows] for group in self._groups[:2]))

    @cached_property
    def members(self) -> "csr_array":
        """(R, N) sparse: 1 where a clip belongs to the group that a replicate leaves out."""
        from scipy.sparse import csr_array

        first = np.cumsum((0, *self.sizes[:-1]))
        row = np.concatenate([group + at for group, at in zip(self._groups, first, strict=True)])
        return csr_array((np.ones(len(row)), (row, np.tile(np.arange(self.clips), len(self._groups)))), shape=(sum(self.sizes), self.clips))

    def sums(self, value_n: ArrayLike) -> Floats:
        """(R, ...) sums over clips without each group, of values (N, ...)."""
        value = np.asarray(value_n, np.float64)
        return np.asarray(value.sum(0) - self.members @ value)

    def score(
        self,
        value: float,
        value_r: ArrayLike,
        *,
        unit: str = "",
        least: float = 0.0,
        most: float | None = None,
        fit_r: ArrayLike | None = None,
        clips: int | None = None,
    ) -> Score:
        """A score from its value on all clips and its replicates, (R,).

        Args:
            least, most: range of the score, to which the interval is cut; by default from 0 to 1 without a unit, and from 0 with one.
            fit_r: the values on all clips when a map is fitted without one of several groups of the clips that it is fitted on.
            clips: number of clips that the score is taken over; by default all.
        """
        clips = self.clips if clips is None else clips
        if not math.isfinite(value) or min(self.clips, clips) < 2:  # one clip says nothing about the variation between clips
            return Score(float(value), unit=unit, clips=clips)
        kinds = np.split(np.asarray(value_r, np.float64), np.cumsum(self.sizes)[:-1])
        replicates = Replicates(tuple(kinds), None if fit_r is None else np.asarray(fit_r, np.float64))
        half = replicates.half_width
        if math.isnan(half):
            return Score(float(value), unit=unit, clips=clips)
        most = most if most is not None else math.inf if unit else 1.0
        low, high = max(value - half, min(least, value)), min(value + half, max(most, value))
        return Score(float(value), float(low), float(high), unit, clips, replicates)


def ratio(
    sum_n: ArrayLike, count_n: ArrayLike, clusters: Clusters, *, unit: str = "", least: float = 0.0, most: float | None = None
) -> Score:
    """Mean of a quantity that was summed clip by clip: all sums over all counts, (N,) each.

    Args:
        least, most: see `Clusters.score`.

    Example:
        >>> ratio([3.0, 1.0, 0.0], [4, 4, 0], Clusters([0, 1, 2])).value
        0.5
    """
    counts = np.asarray(count_n, np.float64)
    sums = np.where(counts > 0, np.asarray(sum_n, np.float64), 0)
    if not counts.any():
        return Score(math.nan, unit=unit)
    sum_r, count_r = clusters.sums(sums), clusters.sums(counts)
    value_r = np.where(count_r > 1e-9, sum_r / np.maximum(count_r, 1e-9), math.nan)
    value = float(sums.sum() / counts.sum())
    return clusters.score(value, value_r, unit=unit, least=least, most=most, clips=int((counts > 0).sum()))


def mean(value_n: ArrayLike, clusters: Clusters, *, unit: str = "", least: float = 0.0, most: float | None = None) -> Score:
    """Mean of one value per clip, (N,); NaN are left out. `least` and `most`: see `Clusters.score`."""
    values = np.asarray(value_n, np.float64)
    defined = np.isfinite(values)
    return ratio(np.where(defined, values, 0), defined, clusters, unit=unit, least=least, most=most)


def quantile(value_nt: ArrayLike, q: float, clusters: Clusters, *, unit: str = "") -> Score:
    """Quantile of all values of all clips, (N, T); NaN are left out.

    The interval is that of the share of values up to the quantile, mapped to quantiles (Woodruff 1952).
    """
    values = np.asarray(value_nt, np.float64)
    defined = np.isfinite(values)
    if not defined.any():
        return Score(math.nan, unit=unit)
    value = float(np.quantile(values[defined], q))
    share = ratio((defined & (values <= value)).sum(1), defined.sum(1), clusters)
    clips = int(defined.any(axis=1).sum())
    if share.replicates is None:
        return Score(value, unit=unit, clips=clips)
    half = share.replicates.half_width
    low, high = np.quantile(values[defined], np.clip([q - half, q + half], 0, 1))
    return Score(value, float(low), float(high), unit, clips)
