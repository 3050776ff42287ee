"""Entropies and information of contingency tables, in nats. Axis suffixes: k codes, l labels, p rows of tables, s tables, r replicates.

The tables of several strata lie on top of one another: a row holds the counts of one code in one stratum. Where the labels of a table take
a single value, no score is defined: NaN.
"""

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from scipy.sparse import csr_array

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Counts = NDArray[Any]
CONSTANT = 1e-9
"""An entropy below this is that of a single value. With a billion transitions of which one differs, it is 2e-8."""


class Information(NamedTuple):
    """Numbers of transitions, and entropies of tables, (...) each."""

    total: Floats
    """Number of transitions."""
    label: Floats
    """H(label)."""
    code: Floats
    """H(code)."""
    mutual: Floats
    """I(code; label) = H(code) + H(label) - H(code, label), at least 0."""

    def average(self) -> "Information":
        """The averages over the strata in the last axis, weighted by their numbers of transitions: entropies given the stratum."""
        total = self.total.sum(-1)
        share = self.total / np.maximum(total, 1)[..., None]
        return Information(total, *((share * entropies).sum(-1) for entropies in self[1:]))


def entropy(count: Counts) -> Floats:
    """(...) nats: entropy of the distribution in the last axis of counts (Shannon 1948)."""
    share = count / np.maximum(count.sum(-1, keepdims=True), 1e-300)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(-1))


def perplexity(count_k: Counts) -> Floats:
    """(...) exp H(code), in [1, K]: the effective number of codes in use."""
    return np.exp(entropy(count_k))


def information(count_pl: Counts, *, stratum_p: Ints | None = None, strata: int = 1) -> Information:
    """(S,) of each stratum; of a single table, (1,).

    Args:
        count_pl: (P, L) counts of labels in each row.
        stratum_p: (P,) stratum of each row, below `strata`; by default all rows are one table.

    Example:
        >>> float(nmi(information(np.array([[3, 0], [0, 5]])))[0])
        1.0
    """
    stratum = np.zeros(len(count_pl), np.int64) if stratum_p is None else stratum_p
    label_sl, code_p = label_counts(count_pl, stratum, strata), count_pl.sum(1)
    code, joint = (np.bincount(stratum, of_p, strata).astype(np.float64) for of_p in (_xlogx(code_p), _xlogx(count_pl).sum(1)))
    return _of_sums(label_sl.sum(1), _xlogx(label_sl).sum(1), code, joint)


def label_counts(count_pl: Counts, stratum_p: Ints, strata: int) -> NDArray[np.float64]:
    """(S, L) counts of the labels of each stratum, for `count_pl` and `stratum_p` as `information` takes them."""
    labels = count_pl.shape[1]
    cell = stratum_p[:, None] * labels + np.arange(labels)
    counts = np.bincount(cell.ravel(), count_pl.ravel(), strata * labels)
    return counts.reshape(strata, labels).astype(np.float64)


def _xlogx(count: Counts) -> Floats:
    return np.asarray(count * np.log(np.maximum(count, 1)))


def _of_sums(count: Floats, label: Floats, code: Floats, joint: Floats) -> Information:
    """From the number of transitions and the sums of n log n over the counts of labels, of codes and of both."""
    n = np.maximum(count, 1)
    label, code, joint = (np.maximum(np.log(n) - total / n, 0) for total in (label, code, joint))
    return Information(count, label, code, np.maximum(code + label - joint, 0))


class Tables:
    """Contingency tables as counts of each cell in each clip, from which clips can be left out.

    Args:
        count_un: (U, N) sparse: how often U combinations occur in each of N clips.
        stratum_u, code_u, label_u: (U,) int of each combination; those with a stratum below 0 are not counted.
        strata: S.
    """

    def __init__(self, count_un: "csr_array", stratum_u: Ints, code_u: Ints, label_u: Ints, strata: int) -> None:
        used = np.flatnonzero(stratum_u >= 0)
        self._count, self._strata = count_un[used], strata
        stratum, codes, labels = stratum_u[used], code_u[used], int(label_u.max(initial=0)) + 1
        label, code = stratum * labels + label_u[used], stratum * (int(code_u.max(initial=0)) + 1) + codes
        self._keys = tuple(zip((stratum, label, code, code * labels + label_u[used]), (stratum,) * 4, strict=True))

    def without(self, members_rn: "csr_array") -> Information:
        """(R, S) of each stratum, without the clips of each of R groups: `Clusters.members`."""
        gone_ur = self._count @ members_rn.T.tocsr()
        count, *sums = (
            _sums_without(self._count, gone_ur, key, stratum, self._strata, linear=not number)
            for number, (key, stratum) in enumerate(self._keys)
        )
        return _of_sums(count, *sums)


def _sums_without(
    count_un: "csr_array", gone_ur: "csr_array", key_u: Ints, stratum_u: Ints, strata: int, *, linear: bool
) -> NDArray[np.float64]:
    """(R, S) sums of n log n (or n) over the counts with one key, when those that are gone are subtracted from them.

    Only counts that a group of clips contributes to change, so that the work does not grow with the number of groups.
    """
    from scipy.sparse import csr_array

    _, first, place = np.unique(key_u, return_index=True, return_inverse=True)
    merge = csr_array((np.ones(len(place)), (place, np.arange(len(place)))), shape=(len(first), len(place)))
    stratum, total = stratum_u[first], merge @ count_un.sum(1)
    gone = (merge @ gone_ur).tocoo()
    function = (lambda count: count) if linear else _xlogx
    before, after = function(total), function(total[gone.row] - gone.data)
    change = np.bincount(gone.col * strata + stratum[gone.row], after - before[gone.row], gone.shape[1] * strata)
    return np.asarray(np.bincount(stratum, before, strata) + change.reshape(-1, strata))


def nmi(of: Information) -> Floats:
    """(...) normalised mutual information: over the mean of both entropies, in [0, 1], as in scikit-learn. Not corrected for chance."""
    return _over(of.mutual, (of.label + of.code) / 2, of.label)


def homogeneity(of: Information) -> Floats:
    """(...) I(code; label) / H(label), in [0, 1]: the share of the label that the code tells (Rosenberg & Hirschberg 2007)."""
    return _over(of.mutual, of.label, of.label)


def completeness(of: Information) -> Floats:
    """(...) I(code; label) / H(code), in [0, 1]: the share of the code that the label tells; 1 for a constant code, as in scikit-learn."""
    return np.where(of.code > CONSTANT, _over(of.mutual, of.code, of.label), np.where(of.label > CONSTANT, 1.0, np.nan))


def ami(of: Information, expected: float) -> Floats:
    """(...) adjusted mutual information, at most 1: I and the mean of both entropies minus the information by chance, in nats.

    With `expected` for a random permutation it is that of Vinh, Epps & Bailey (2010) with the arithmetic mean.
    """
    return _over(of.mutual - expected, (of.label + of.code) / 2 - expected, of.label)


def conditional(of: Information, expected: float) -> Floats:
    """(...) I(code; label) over H(label), both given the strata that `of` is the average of and minus the information by chance.

    At most 1; 0 for a code that adds nothing to what the strata tell.
    """
    return _over(of.mutual - expected, of.label - expected, of.label)


def _over(a: Floats, b: Floats, label: Floats) -> Floats:
    defined = (label > CONSTANT) & (b > CONSTANT)
    return np.round(np.where(defined, a / np.where(defined, b, 1), np.nan), 12)  # all of it is 1, and nothing 0
