"""Codes against true actions, from contingency tables. Axis suffixes: k codes, l labels; leading axes are independent tables.

Information is in nats, shares are in [0, 1]. Where the labels of a table take a single value, no score is defined: NaN.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Clusters, Score, mean, ratio
from wsprites.world.actions import GlobalAction

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Counts = NDArray[Any]


def table(code: Ints, label: Ints, codes: int, labels: int) -> NDArray[np.int64]:
    """(K, L) int64: contingency table of codes and labels, which have the same shape.

    Args:
        codes, labels: K and L; all codes are below K and all labels below L.

    Example:
        >>> table(np.array([0, 0, 1]), np.array([2, 2, 0]), 2, 3).tolist()
        [[0, 0, 2], [1, 0, 0]]
    """
    return np.bincount(code.ravel().astype(np.int64) * labels + label.ravel(), minlength=codes * labels).reshape(codes, labels)


def entropy(count: Counts) -> Floats:
    """(...) nats: entropy of the distribution in the last axis of counts (Shannon 1948)."""
    share = count / np.maximum(count.sum(-1, keepdims=True), 1e-300)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(-1))


def mutual_information(count_kl: Counts) -> Floats:
    """(...) nats: I(code; label) = H(code) + H(label) - H(code, label), at least 0."""
    joint = entropy(count_kl.reshape(*count_kl.shape[:-2], -1))
    return np.maximum(entropy(count_kl.sum(-1)) + entropy(count_kl.sum(-2)) - joint, 0)


def nmi(count_kl: Counts) -> Floats:
    """(...) normalised mutual information: over the mean of both entropies, in [0, 1], as in scikit-learn. Not corrected for chance."""
    label, code = entropy(count_kl.sum(-2)), entropy(count_kl.sum(-1))
    return _over(mutual_information(count_kl), (label + code) / 2, label)


def homogeneity(count_kl: Counts) -> Floats:
    """(...) I(code; label) / H(label), in [0, 1]: the share of the label that the code tells (Rosenberg & Hirschberg 2007)."""
    label = entropy(count_kl.sum(-2))
    return _over(mutual_information(count_kl), label, label)


def completeness(count_kl: Counts) -> Floats:
    """(...) I(code; label) / H(code), in [0, 1]: the share of the code that the label tells; 1 for a constant code, as in scikit-learn."""
    code = entropy(count_kl.sum(-1))
    share = np.where(code > 1e-12, mutual_information(count_kl) / np.maximum(code, 1e-12), 1.0)
    return np.where(entropy(count_kl.sum(-2)) > 1e-12, share, np.nan)


def expected_information(count_kl: Ints) -> float:
    """Expected I(code; label) after a random permutation of the labels, in nats (Vinh, Epps & Bailey 2010, eq. 24a).

    With 1000 transitions per cell and more, its limit (K - 1) (L - 1) / 2 N (Miller 1955) is used, which is right to 0.0001.
    """
    used = count_kl[count_kl.sum(1) > 0][:, count_kl.sum(0) > 0].astype(np.int64)
    if not used.size:
        return 0.0
    if used.sum() >= 1000 * used.size:
        return float((used.shape[0] - 1) * (used.shape[1] - 1) / (2 * used.sum()))
    from sklearn.metrics.cluster import expected_mutual_information

    return float(expected_mutual_information(used, int(used.sum())))


def ami(count_kl: Counts, *, expected: float | None = None) -> Floats:
    """(...) adjusted mutual information: at most 1, and 0 on average for random codes (Vinh, Epps & Bailey 2010; arithmetic mean).

    Args:
        expected: information by chance, nats. By default that of this table, which must then be the only one.
    """
    by_chance = expected_information(count_kl.astype(np.int64)) if expected is None else expected
    label, code = entropy(count_kl.sum(-2)), entropy(count_kl.sum(-1))
    return _over(mutual_information(count_kl) - by_chance, (label + code) / 2 - by_chance, label)


def conditional(count_skl: Counts, expected_s: Floats) -> Floats:
    """(...) conditional mutual information given other sources, over its largest possible value and corrected for chance.

    (sum_s w_s (I_s - E_s)) / (sum_s w_s (H_s(label) - E_s)) over the values s of the other sources, each with a table of its own: w_s is
    the number of transitions, E_s the information by chance. At most 1; 0 for a code that adds nothing to the other sources.
    """
    weight = count_skl.sum((-2, -1)).astype(np.float64)
    label = entropy(count_skl.sum(-2))
    weight = weight * (label > 1e-12)  # a constant label has no information
    gained = (weight * (mutual_information(count_skl) - expected_s)).sum(-1)
    possible = (weight * (label - expected_s)).sum(-1)
    return np.where(possible > 1e-9 * np.maximum(weight.sum(-1), 1), gained / np.where(possible > 0, possible, 1), np.nan)


def perplexity(count_k: Counts) -> Floats:
    """(...) exp H(code), in [1, K]: the effective number of codes in use."""
    return np.exp(entropy(count_k))


def one_to_one(count_kl: Ints, *, labels: Sequence[int] | None = None) -> NDArray[np.int64]:
    """(K,) int64: the label of each code in the one-to-one map with most hits (Kuhn 1955); -1 for surplus codes and those never seen.

    Args:
        count_kl: (K, L) counts.
        labels: the labels that codes may be mapped to, ascending; None: all.
    """
    from scipy.optimize import linear_sum_assignment

    label_k = np.full(len(count_kl), -1)
    possible = np.arange(count_kl.shape[1]) if labels is None else np.array(labels)
    code, place = linear_sum_assignment(-count_kl[:, possible])
    label_k[code] = possible[place]
    label_k[count_kl.sum(1) == 0] = -1
    return label_k


def many_to_one(count_kl: Ints) -> NDArray[np.int64]:
    """(K,) int64: the most frequent label of each code; for a code never seen, the most frequent label of all."""
    return np.asarray(np.where(count_kl.sum(1) > 0, count_kl.argmax(1), count_kl.sum(0).argmax()), np.int64)


def accuracy(count_kl: Counts, label_k: Ints) -> Floats:
    """(...) share of transitions whose code is mapped to their label, in [0, 1]."""
    codes = np.flatnonzero(label_k >= 0)
    hits = count_kl[..., codes, label_k[codes]].sum(-1)
    total, label = count_kl.sum((-2, -1)), entropy(count_kl.sum(-2))
    return _over(hits, total, label)


def _over(a: Counts, b: Counts, label_entropy: Floats) -> Floats:
    defined = (label_entropy > 1e-12) & (b > 1e-12)
    return np.where(defined, a / np.where(defined, b, 1), np.nan)


class Sources(NamedTuple):
    """Labels of transitions, (N, T-1) int each, in the order of SOURCES, with the number of values of each."""

    labels: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    sizes: tuple[int, int, int]


SOURCES = ("global", "local", "background")
PARTS = ("pooled", "standing", "walking")
"""All transitions, those whose global action is `stay`, and the others."""


def scores(
    code_fit: Ints, fit: Sources, code: Ints, truth: Sources, character_n: Ints, source: str, codes: int, clusters: Clusters
) -> dict[str, Score]:
    """All scores of codes against one source.

    Args:
        code_fit, fit: (M, T-1) codes and labels of the clips that the maps from codes to labels are fitted on: other characters.
        code, truth: (N, T-1) of the clips that are scored.
        character_n: (N,) character ids of these clips.
        source: the name of the target in SOURCES.
        codes: K; all codes are below it.
        clusters: the groups of these clips.

    Returns:
        {"matched_accuracy": ..., "standing.nmi": ..., "per_character.nmi": ..., "conditional": ...}, for each of PARTS. The maps are
        fitted on all transitions in every case.
    """
    target, clips = SOURCES.index(source), len(code)
    labels = truth.sizes[target]
    count_fit = table(code_fit, fit.labels[target], codes, labels)
    maps = one_to_one(count_fit), many_to_one(count_fit)
    joint = _Joint(code, truth, codes)
    # The value on all clips, with the information by chance that all draws are corrected with.
    point = joint.tables(np.ones((1, clips)), target)
    by_chance = {part: expected_information(point.parts[part][0].astype(np.int64)) for part in PARTS}
    by_chance_s = np.array([expected_information(stratum.astype(np.int64)) for stratum in point.strata[0]])
    # The same without each group of clips, as many at once as fit in memory.
    replicates = sum(clusters.sizes)
    at_once = max(1, 2**22 // int(np.prod(joint.sizes)))
    parts = [
        _values(joint.tables(1 - clusters.members[first : first + at_once].toarray(), target), maps, by_chance, by_chance_s)
        for first in range(0, replicates, at_once)
    ]
    result = {}
    for name, value in _values(point, maps, by_chance, by_chance_s).items():
        value_r = np.concatenate([values[name] for values in parts])
        least = -math.inf if name.endswith(("ami", "conditional")) else 0.0
        result[name] = clusters.score(float(value[0]), value_r, least=least)
    return {**result, **per_character(code, truth.labels[target], character_n, codes, labels)}


class _Tables(NamedTuple):
    """Contingency tables of R draws."""

    parts: dict[str, Floats]
    """(R, K, L) for each of PARTS."""
    strata: Floats
    """(R, S, K, L), one table for each pair of values of the other two sources."""


class _Joint:
    """Counts of each combination of code and labels in each clip; the tables of a draw of clips are sums of these."""

    def __init__(self, code_nt: Ints, truth: Sources, codes: int) -> None:
        from scipy.sparse import csr_array

        self.sizes = (codes, *truth.sizes)
        cell = np.ravel_multi_index((code_nt, *truth.labels), self.sizes).reshape(len(code_nt), -1)
        self._used = np.flatnonzero(np.bincount(cell.ravel()))
        place = np.zeros(self._used[-1] + 1, np.int64)
        place[self._used] = np.arange(len(self._used))
        clip = np.repeat(np.arange(len(cell)), cell.shape[1])
        self._count_un = csr_array((np.ones(cell.size), (place[cell.ravel()], clip)), shape=(len(self._used), len(cell)))

    def tables(self, weight_rn: Floats, target: int) -> _Tables:
        """The tables of codes and the labels of a source, with clips counted as often as the weights say."""
        joint = np.zeros((len(weight_rn), int(np.prod(self.sizes))))
        joint[:, self._used] = (self._count_un @ weight_rn.T).T
        joint = joint.reshape(-1, *self.sizes)
        others = tuple(axis + 2 for axis in range(3) if axis != target)
        strata = joint.transpose(0, *others, 1, target + 2).reshape(len(joint), -1, self.sizes[0], self.sizes[target + 1])
        stay = np.arange(self.sizes[1]) == GlobalAction.stay
        standing, walking = joint.copy(), joint.copy()
        standing[:, :, ~stay], walking[:, :, stay] = 0, 0
        return _Tables({name: part.sum(others) for name, part in zip(PARTS, (joint, standing, walking), strict=True)}, strata)


def _values(tables: _Tables, maps: tuple[Ints, Ints], by_chance: dict[str, float], by_chance_s: Floats) -> dict[str, Floats]:
    """(R,) of each score by name; `maps` are one-to-one and many-to-one."""
    values: dict[str, Floats] = {}
    for part, count in tables.parts.items():
        prefix = "" if part == "pooled" else f"{part}."
        values |= {
            f"{prefix}matched_accuracy": accuracy(count, maps[0]),
            f"{prefix}many_to_one": accuracy(count, maps[1]),
            f"{prefix}nmi": nmi(count),
            f"{prefix}ami": ami(count, expected=by_chance[part]),
            f"{prefix}homogeneity": homogeneity(count),
            f"{prefix}completeness": completeness(count),
        }
    return {**values, "conditional": conditional(tables.strata, by_chance_s)}


def per_character(code: Ints, label: Ints, character_n: Ints, codes: int, labels: int) -> dict[str, Score]:
    """NMI (the released evaluator's "local NMI") and AMI within each character, averaged over characters."""
    tables = [table(code[character_n == id_], label[character_n == id_], codes, labels) for id_ in np.unique(character_n)]
    characters = Clusters(np.arange(len(tables)))
    return {
        "per_character.nmi": mean([float(nmi(one)) for one in tables], characters),
        "per_character.ami": mean([float(ami(one)) for one in tables], characters, least=-math.inf),
    }


def usage(code: Ints, codes: int, clusters: Clusters) -> dict[str, Score]:
    """Use of a model's K codes: `usage`, the share that occurs at all, `perplexity`, and `switch_rate`. `code` is (N, T-1).

    The switch rate is the share of transitions whose code is another than that of the transition before; 0 for a code that never changes.
    """
    switches_nt = code[:, 1:] != code[:, :-1]
    count_nk = np.stack([np.bincount(row, minlength=codes) for row in code])
    count_rk = clusters.sums(count_nk)
    total = count_nk.sum(0)
    return {
        "usage": clusters.score(float((total > 0).mean()), (count_rk > 0).mean(1)),
        "perplexity": clusters.score(float(perplexity(total)), perplexity(count_rk), unit="codes"),
        "switch_rate": ratio(switches_nt.sum(1), np.full(len(code), switches_nt.shape[1]), clusters),
    }
