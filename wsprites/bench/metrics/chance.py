"""The information that codes and labels share by chance, although both persist. Axes: n clips, t transitions, j combinations of labels.

Neither codes nor labels are independent from one transition to the next, so that the information of a random permutation is too little.
Therefore the codes of each clip are laid beside the labels of another clip: both keep their persistence, and nothing else is left.
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.information import Counts, Information, Ints, information, label_counts

SEED, ROUNDS = 0, (10, 4)
"""Seed of the order of the clips; how many other clips each is laid beside, with up to 1,000 clips and with more."""


def partners(clips: int) -> Iterator[NDArray[np.int64]]:
    """(N,) the clip whose labels are laid beside the codes of each clip, in each of S rounds; no clip is its own partner.

    The clips are put in the order `numpy.random.default_rng(0).permutation(N)`. In round s = 1, 2, ..., S the partner of a clip is the one
    that comes s places later, the first following the last. S = 10, or 4 for more than 1,000 clips, and at most N - 1.

    Example:
        >>> [partner.tolist() for partner in partners(3)]  # in the order 2, 0, 1
        [[1, 2, 0], [2, 0, 1]]
    """
    order = np.random.default_rng(SEED).permutation(clips)
    for places in range(1, min(clips - 1, ROUNDS[clips > 1000]) + 1):
        partner = np.empty(clips, np.int64)
        partner[order] = np.roll(order, -places)
        yield partner


class View(NamedTuple):
    """Which tables a score takes from transitions whose labels are one of J combinations."""

    stratum_j: NDArray[np.int64]
    """Stratum of each combination, below `strata`; -1 for those that are left out."""
    label_j: NDArray[np.int64]
    """Label of the source that codes are compared with, below `labels`."""
    strata: int
    labels: int
    by_others: bool
    """True where the strata are values of other sources than the one that codes are compared with, or another part of its actions."""
    moved: NDArray[np.int64] | None = None
    """(L, L) the action of that source whose part that strata are made of is the first action's, and the other part the second's; None
    where strata are not made of a part."""

    def rows(self, cells: "Cells") -> tuple[Counts, Ints]:
        """(P, L) counts and (P,) strata, as `information` takes them."""
        stratum = self.stratum_j[cells.combination]
        used = np.flatnonzero(stratum >= 0)
        row, row_p = compressed(stratum[used] * cells.codes + cells.code[used])
        cell = row * self.labels + self.label_j[cells.combination[used]]
        count = np.bincount(cell, cells.times[used], len(row_p) * self.labels)
        return count.reshape(len(row_p), self.labels), row_p // cells.codes

    def information(self, cells: "Cells") -> Information:
        """(S,) of each stratum."""
        rows, stratum_p = self.rows(cells)
        return information(rows, stratum_p=stratum_p, strata=self.strata)


class Cells(NamedTuple):
    """Combinations of a code, one of `codes`, and labels that occur, (Z,) each, and how often they do."""

    code: Ints
    combination: Ints
    times: Ints
    codes: int

    @staticmethod
    def of(code_nt: Ints, combination_nt: Ints, codes: int) -> "Cells":
        """Those of all transitions."""
        count = np.bincount((combination_nt * codes + code_nt).ravel())
        used = np.flatnonzero(count)
        combination, code = np.divmod(used, codes)
        return Cells(code, combination, count[used], codes)


def compressed(value: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The place of each value, which is at least 0, in the ascending order of those that occur, and (P,) these."""
    used = np.flatnonzero(np.bincount(value.ravel()))
    place = np.zeros(used.max(initial=0) + 1, np.int64)
    place[used] = np.arange(len(used))
    return place[value], used


def expected_by_permutation(count_pl: Counts, stratum_p: Ints, strata: int) -> NDArray[np.float64]:
    """(S,) information of each stratum after a random permutation of its labels, nats (Vinh, Epps & Bailey 2010, eq. 24a)."""
    from wsprites.bench.metrics.hypergeometric import expected_information  # not above: numba takes long to import

    code_p, label_sl = count_pl.sum(1).astype(np.int64), label_counts(count_pl, stratum_p, strata).astype(np.int64)
    size = int(code_p.max(initial=0)) + 1
    key, times = np.unique(stratum_p * size + code_p, return_counts=True)  # many rare codes are equally frequent
    return expected_information(*np.divmod(key, size), times, label_sl)


class Sums(NamedTuple):
    """Sums over strata and rounds, weighted by numbers of transitions: information, and that of random permutations of the same tables."""

    shared: float = 0.0
    permuted: float = 0.0

    def plus(self, view: View, cells: Cells, varies_s: NDArray[np.bool_]) -> "Sums":
        """With the tables of one more round; only strata that `varies_s` is true for count."""
        rows, stratum = view.rows(cells)
        of = information(rows, stratum_p=stratum, strata=view.strata)
        weight = of.total * varies_s
        permuted = expected_by_permutation(rows, stratum, view.strata)
        return Sums(self.shared + float(weight @ of.mutual), self.permuted + float(weight @ permuted))

    @property
    def ratio(self) -> float:
        """How much more information persistent codes and labels share by chance than permuted ones; 0 for a constant code."""
        return self.shared / self.permuted if self.permuted > 0 else 0.0


def expected(
    code_nt: Ints, labels: tuple[Ints, ...], sizes: tuple[int, ...], codes: int, views: Mapping[int, Mapping[str, View]]
) -> dict[int, dict[str, float]]:
    """Information by chance of each view of each target, in nats, averaged over its strata.

    It is the information after a random permutation of the labels within each stratum of the actual tables, times the ratio of the
    information of codes beside the labels of other clips (see `partners`) to that after a permutation of these tables: sums over all
    strata and rounds. The largest of these ratios counts:

    - all labels are those of the other clip. Exact for codes that know nothing of the labels that strata are made of.
    - only the labels of the target are, so that codes keep what they know of the strata. Exact for labels that do not depend on the strata.
      Only for views `by_others`.
    - only that part of the label is which strata are not made of, so that codes keep what they know of the other part. Only for views with
      `moved`.

    Args:
        labels: (N, T-1) labels of each source, and other values that belong to them; `sizes` are their numbers of values, `labels` the
            indices of a combination.
        views: the views of each target, an index of `labels`.
    """
    combination = np.ravel_multi_index(labels, sizes)
    actual = Cells.of(code_nt, combination, codes)
    known = {(target, name): view for target, of in views.items() for name, view in of.items()}
    rows = {key: view.rows(actual) for key, view in known.items()}
    varies = {key: (label_counts(*rows[key], view.strata) > 0).sum(1) > 1 for key, view in known.items()}
    whole, target_only, part_only = ({key: Sums() for key in known} for _ in range(3))
    for partner in partners(len(code_nt)):
        beside = Cells.of(code_nt, combination[partner], codes)
        whole = {key: sums.plus(known[key], beside, varies[key]) for key, sums in whole.items()}
        for target in views:
            step, own, others = int(np.prod(sizes[target + 1 :])), labels[target], labels[target][partner]
            beside = Cells.of(code_nt, combination + (others - own) * step, codes)
            for name, view in views[target].items():
                key = target, name
                if view.by_others:
                    target_only[key] = target_only[key].plus(view, beside, varies[key])
                if view.moved is not None:
                    mixed = Cells.of(code_nt, combination + (view.moved[own, others] - own) * step, codes)
                    part_only[key] = part_only[key].plus(view, mixed, varies[key])
    result: dict[int, dict[str, float]] = {target: {} for target in views}
    for (target, name), view in known.items():
        count = rows[target, name][0].sum(1)
        weight = np.bincount(rows[target, name][1], count, view.strata) / max(float(count.sum()), 1.0)
        ratio = max(sums[target, name].ratio for sums in (whole, target_only, part_only))
        result[target][name] = float(weight @ expected_by_permutation(*rows[target, name], view.strata)) * ratio
    return result


def expected_within(group_n: Ints, code_nt: Ints, label_nt: Ints) -> float:
    """Information by chance within each group of clips, in nats, averaged over the groups: that of codes beside the labels of other clips.

    Args:
        group_n: (N,) group of each clip.
    """
    shared = [information_within(group_n, code_nt, label_nt[partner]).mutual.mean() for partner in partners(len(code_nt))]
    return float(np.mean(shared)) if shared else 0.0


def information_within(group_n: Ints, code_nt: Ints, label_nt: Ints) -> Information:
    """(G,) information of codes and labels within each of G groups of clips, see `rows_within`."""
    row_nt, group_p = rows_within(group_n, code_nt)
    labels = int(label_nt.max()) + 1
    count = np.bincount((row_nt * labels + label_nt).ravel(), minlength=len(group_p) * labels)
    return information(count.reshape(-1, labels), stratum_p=group_p, strata=int(group_p[-1]) + 1)


def rows_within(group_n: Ints, code_nt: Ints) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, T-1) row of each transition in tables with a row for each code of each group, and (P,) the number of the group of each row.

    Args:
        group_n: (N,) group of each clip; their numbers from 0 on are those of their ascending order.
    """
    codes = int(code_nt.max()) + 1
    both = np.unique(group_n, return_inverse=True)[1].reshape(-1, 1) * codes + code_nt
    row, row_p = compressed(both)
    return row, row_p // codes
