"""Codes against true actions, from contingency tables. Axis suffixes: k codes, l labels; leading axes are independent tables.

Information is in nats, shares are in [0, 1]. Where the labels of a table take a single value, no score is defined: NaN.
"""

import math
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Figure, figure, mean, weights

Floats = NDArray[np.floating]
Ints = NDArray[np.integer]
Counts = NDArray[Any]


def table(code: Ints, label: Ints, codes: int, labels: int) -> NDArray[np.int64]:
    """(K, L) int64: how often each code met each label; `code` and `label` are of one shape."""
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
    """Information over the mean of both entropies, in [0, 1] (scikit-learn's default): the released score, not corrected for chance."""
    label, code = entropy(count_kl.sum(-2)), entropy(count_kl.sum(-1))
    return _over(mutual_information(count_kl), (label + code) / 2, label)


def homogeneity(count_kl: Counts) -> Floats:
    """I(code; label) / H(label), in [0, 1]: how much of the label the code tells (Rosenberg & Hirschberg 2007)."""
    label = entropy(count_kl.sum(-2))
    return _over(mutual_information(count_kl), label, label)


def completeness(count_kl: Counts) -> Floats:
    """I(code; label) / H(code), in [0, 1]: how much of the code the label tells; 1 for a code that never changes, as in scikit-learn."""
    code = entropy(count_kl.sum(-1))
    share = np.where(code > 1e-12, mutual_information(count_kl) / np.maximum(code, 1e-12), 1.0)
    return np.where(entropy(count_kl.sum(-2)) > 1e-12, share, np.nan)


def expected_information(count_kl: Ints) -> float:
    """Nats: what I(code; label) is on average after a shuffle of one table's labels (Vinh, Epps & Bailey 2010, eq. 24a).

    Where there are 1000 transitions to a cell and more, it is its limit (K - 1) (L - 1) / 2 N (Miller 1955), right to 0.0001.
    """
    used = count_kl[count_kl.sum(1) > 0][:, count_kl.sum(0) > 0].astype(np.int64)
    if not used.size:
        return 0.0
    if used.sum() >= 1000 * used.size:
        return float((used.shape[0] - 1) * (used.shape[1] - 1) / (2 * used.sum()))
    from sklearn.metrics.cluster import expected_mutual_information

    return float(expected_mutual_information(used, int(used.sum())))


def ami(count_kl: Counts, expected: float | None = None) -> Floats:
    """Mutual information corrected for chance, at most 1, 0 for codes that know nothing (Vinh, Epps & Bailey 2010; arithmetic mean).

    Args:
        expected: information by chance, nats; without it, that of this table, which must then be the only one.
    """
    by_chance = expected_information(count_kl.astype(np.int64)) if expected is None else expected
    label, code = entropy(count_kl.sum(-2)), entropy(count_kl.sum(-1))
    return _over(mutual_information(count_kl) - by_chance, (label + code) / 2 - by_chance, label)


def conditional(count_skl: Counts, expected_s: Floats) -> Floats:
    """What a code tells of a label that other known sources do not, corrected for chance: at most 1, 0 for nothing.

    (sum_s w_s (I_s - E_s)) / (sum_s w_s (H_s(label) - E_s)) over the values s of the other sources, which are counted apart: w_s is the
    number of transitions, E_s the information by chance. Conditional mutual information over its largest possible value.
    """
    weight = count_skl.sum((-2, -1)).astype(np.float64)
    label = entropy(count_skl.sum(-2))
    weight = weight * (label > 1e-12)  # nothing can be told where there is one label
    gained = (weight * (mutual_information(count_skl) - expected_s)).sum(-1)
    possible = (weight * (label - expected_s)).sum(-1)
    return np.where(possible > 1e-9 * np.maximum(weight.sum(-1), 1), gained / np.where(possible > 0, possible, 1), np.nan)


def perplexity(count_k: Counts) -> Floats:
    """exp H(code): how many codes are used, in [1, K]."""
    return np.exp(entropy(count_k))


def one_to_one(count_kl: Ints) -> NDArray[np.int64]:
    """(K,) int64: the label of each code in the one-to-one map with most hits (Kuhn 1955); -1 for codes left over or never seen."""
    from scipy.optimize import linear_sum_assignment

    label_k = np.full(len(count_kl), -1)
    code, label = linear_sum_assignment(-count_kl)
    label_k[code] = label
    label_k[count_kl.sum(1) == 0] = -1
    return label_k


def many_to_one(count_kl: Ints) -> NDArray[np.int64]:
    """(K,) int64: the label that each code met most often; for a code never seen, the most frequent label of all."""
    return np.asarray(np.where(count_kl.sum(1) > 0, count_kl.argmax(1), count_kl.sum(0).argmax()), np.int64)


def accuracy(count_kl: Counts, label_k: Ints) -> Floats:
    """Share of transitions whose code is mapped to their label, in [0, 1]."""
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


def scores(code_fit: Ints, fit: Sources, code: Ints, truth: Sources, character_n: Ints, source: str, codes: int) -> dict[str, Figure]:
    """All scores of codes against one source.

    Args:
        code_fit, fit: (M, T-1) codes and labels of the clips that the maps from codes to labels are fitted on: other characters.
        code, truth: (N, T-1) of the clips that are scored.
        character_n: (N,) who is seen in each of these.
        source: the name of the target in SOURCES.
        codes: K; all codes are below it.

    Returns:
        {"matched_accuracy": ..., "standing.nmi": ..., "per_character.nmi": ..., "conditional": ...}. Maps are always those of all
        transitions pooled. `standing` and `walking` are the transitions whose global action is `stay`, or not.
    """
    from scipy.sparse import csr_array

    target = SOURCES.index(source)
    sizes = (codes, *truth.sizes)
    pooled_fit = table(code_fit, fit.labels[target], codes, truth.sizes[target])
    one, many = one_to_one(pooled_fit), many_to_one(pooled_fit)
    clips = len(code)
    cell = np.ravel_multi_index((code, *truth.labels), sizes).reshape(clips, -1)
    used = np.flatnonzero(np.bincount(cell.ravel()))
    place = np.zeros(used[-1] + 1, np.int64)
    place[used] = np.arange(len(used))
    clip = np.repeat(np.arange(clips), cell.shape[1])
    seen_un = csr_array((np.ones(cell.size), (place[cell.ravel()], clip)), shape=(len(used), clips))

    def tables(count_ru: Floats) -> dict[str, Floats]:
        """The (R, K, L) tables of each part, and (R, S, K, L), by the values of the other two sources."""
        joint = np.zeros((len(count_ru), int(np.prod(sizes))))
        joint[:, used] = count_ru
        joint = joint.reshape(-1, *sizes)
        others = [axis + 2 for axis in range(3) if axis != target]
        by_other = joint.transpose(0, *others, 1, target + 2).reshape(len(joint), -1, codes, truth.sizes[target])
        stay = truth.sizes[0] - 1
        standing, walking = joint.copy(), joint.copy()
        standing[:, :, :stay], walking[:, :, stay:] = 0, 0
        summed = {name: part.sum(tuple(others)) for name, part in zip(PARTS, (joint, standing, walking), strict=True)}
        return {**summed, "strata": by_other}

    point = tables(np.asarray(seen_un.sum(axis=1), np.float64)[None])
    by_chance = {part: expected_information(point[part][0].astype(np.int64)) for part in PARTS}
    by_chance_s = np.array([expected_information(stratum.astype(np.int64)) for stratum in point["strata"][0]])
    measures: dict[str, Callable[[Floats, str], Floats]] = {
        "matched_accuracy": lambda count, _: accuracy(count, one),
        "many_to_one": lambda count, _: accuracy(count, many),
        "nmi": lambda count, _: nmi(count),
        "ami": lambda count, part: ami(count, by_chance[part]),
        "homogeneity": lambda count, _: homogeneity(count),
        "completeness": lambda count, _: completeness(count),
    }

    def values(of: dict[str, Floats]) -> dict[str, Floats]:
        named = {
            (name if part == "pooled" else f"{part}.{name}"): measure(of[part], part)
            for part in PARTS
            for name, measure in measures.items()
        }
        return {**named, "conditional": conditional(of["strata"], by_chance_s)}

    drawn_rn = weights(clips)
    at_once = max(1, 2**22 // int(np.prod(sizes)))  # tables of so many draws fit in memory
    draws = [values(tables((seen_un @ drawn_rn[first : first + at_once].T).T)) for first in range(0, len(drawn_rn), at_once)]
    result = {
        name: figure(
            float(value[0]),
            np.concatenate([draw[name] for draw in draws]),
            clips=clips,
            least=-math.inf if name.endswith(("ami", "conditional")) else 0.0,
        )
        for name, value in values(point).items()
    }
    return {**result, **per_character(code, truth.labels[target], character_n, codes, truth.sizes[target])}


def per_character(code: Ints, label: Ints, character_n: Ints, codes: int, labels: int) -> dict[str, Figure]:
    """NMI (the released evaluator's "local NMI") and AMI within each character, averaged over characters, which the interval draws."""
    each = [table(code[character_n == who], label[character_n == who], codes, labels) for who in np.unique(character_n)]
    return {
        "per_character.nmi": mean([float(nmi(one)) for one in each]),
        "per_character.ami": mean([float(ami(one)) for one in each]),
    }


def usage(code: Ints, codes: int) -> dict[str, Figure]:
    """How a model uses its K codes: the share that occurs at all, and the perplexity. `code` is (N, T-1)."""
    count_nk = np.stack([np.bincount(row, minlength=codes) for row in code])
    drawn = weights(len(code)) @ count_nk.astype(np.float32)
    total = count_nk.sum(0)
    return {
        "usage": figure(float((total > 0).mean()), (drawn > 0).mean(1), clips=len(code)),
        "perplexity": figure(float(perplexity(total)), perplexity(drawn), unit="codes", clips=len(code)),
    }
