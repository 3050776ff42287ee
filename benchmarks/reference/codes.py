"""Scores of codes against actions: the section of that name of docs/scores.md in plain numpy, scipy and scikit-learn.

Axes: n clips, t transitions, s strata, k codes, l labels.
"""

from collections.abc import Iterator
from types import SimpleNamespace

import numpy as np
from scipy.optimize import linear_sum_assignment
from sklearn.metrics.cluster import expected_mutual_information

from benchmarks.reference.intervals import Array, Interval, mean, scores

STAY, SOURCES = 4, ("global", "local", "background")


def tables(code: Array, label: Array, stratum: Array, sizes: tuple[int, int, int]) -> Array:
    """(S, K, L) counts; transitions with a stratum below 0 are left out."""
    at = stratum >= 0
    return np.bincount(np.ravel_multi_index((stratum[at], code[at], label[at]), sizes), minlength=int(np.prod(sizes))).reshape(sizes)


def entropy(count: Array) -> Array:
    """(...) nats, of counts in the last axis."""
    share = count / np.maximum(count.sum(-1, keepdims=True), 1)
    return np.asarray(-(share * np.log(np.where(share > 0, share, 1))).sum(-1))


def information(count_skl: Array) -> Array:
    """(S, 3) nats: H(label), H(code), I(code; label)."""
    label, code = entropy(count_skl.sum(1)), entropy(count_skl.sum(2))
    return np.stack([label, code, np.maximum(label + code - entropy(count_skl.reshape(len(count_skl), -1)), 0)], 1)


def over(a: float, b: float, label: float) -> float:
    """a / b; NaN where the entropy of the label, or b, is 0."""
    return float(a / b) if label > 1e-9 and b > 1e-9 else np.nan


def usage(code_nt: Array, codes: int, truth: SimpleNamespace) -> dict[str, Interval]:
    return {
        **scores(lambda keep: {"codes.usage": len(np.unique(code_nt[keep])) / codes}, truth),
        **scores(lambda keep: {"codes.perplexity": float(np.exp(entropy(np.bincount(code_nt[keep].ravel()))))}, truth, most=np.inf),
        "codes.switch_rate": mean(code_nt[:, 1:] != code_nt[:, :-1], truth),
    }


def partners(clips: int) -> Iterator[Array]:
    """(N,) the clip whose labels are laid beside the codes of each clip."""
    order = np.random.default_rng(0).permutation(clips)
    for places in range(1, min(clips - 1, 10 if clips <= 1000 else 4) + 1):
        yield np.roll(order, -places)[np.argsort(order)]


def permuted(count_kl: Array) -> float:
    """Expected information after a random permutation of the labels."""
    count = count_kl[count_kl.sum(1) > 0][:, count_kl.sum(0) > 0]
    return float(expected_mutual_information(count, int(count.sum()))) if count.size else 0.0


def by_chance(code: Array, label: Array, stratum: Array, sizes: tuple[int, int, int], by_others: bool, part: Array | None = None) -> float:
    """`part`: what strata are made of besides the other sources, a number below 4 in their last place; None for nothing."""
    actual = tables(code, label, stratum, sizes)
    weight, varies = actual.sum((1, 2)), (actual.sum(1) > 0).sum(1) > 1
    ratios = []
    for moves in ("all", *("target",) * by_others, *("part",) * (part is not None)):
        shared, permutation = 0.0, 0.0
        for partner in partners(len(code)):
            own = stratum if part is None or moves == "part" else stratum - part + part[partner]
            beside = tables(code, label[partner], stratum[partner] if moves == "all" else own, sizes)
            count = beside.sum((1, 2)) * varies
            shared += count @ information(beside)[:, 2]
            permutation += count @ [permuted(one) for one in beside]
        ratios.append(shared / permutation if permutation > 0 else 0.0)
    return float(weight @ [permuted(one) for one in actual] / max(weight.sum(), 1) * max(ratios))


def views(source: str, code: Array, k: int, truth: SimpleNamespace) -> dict[str, tuple[Array, Array, Array, tuple[int, int, int]]]:
    """Codes, labels, stratum (-1: left out) and sizes of the tables by the beginning of the names of the scores from them."""
    label, before = truth.source[source], truth.before[source]
    one, two = (other for other in SOURCES if other != source)
    stay, onset = truth.source["global"] == STAY, label != before
    chosen = {"": stay | True, "standing.": stay, "walking.": ~stay, "onset.": onset, "steady.": ~onset}
    size = (1, k, truth.size[source])
    stratum, strata = truth.source[one] * truth.size[two] + truth.source[two], truth.size[one] * truth.size[two]
    facing, animation = np.where(label < 9, label % 3, 3), np.where(label < 9, label // 3, label - 9)
    parts = {
        "facing.conditional": (code, facing, stratum, (strata, k, 4)),
        "animation.conditional": (code, animation, stratum * 4 + facing, (strata * 4, k, 3)),
    }
    return {
        **{name: (code, label, np.where(at, 0, -1), size) for name, at in chosen.items()},
        "lag_late.": (code, before, code * 0, size),
        "lag_early.": (code[:, :-1], label[:, 1:], code[:, 1:] * 0, size),
        "conditional": (code, label, stratum, (strata, *size[1:])),
        **(parts if source == "local" else {}),
    }


def informed(source: str, code: Array, k: int, truth: SimpleNamespace) -> dict[str, Interval]:
    """The scores of information."""
    laid, label, size = views(source, code, k, truth), truth.source[source], truth.size[source]
    of_others = ("conditional",) if source == "global" else ("conditional", "standing.", "walking.")
    part = {"animation.conditional": laid["animation.conditional"][2] % 4} if source == "local" else {}
    chance = {name: by_chance(*view, name.endswith(of_others), part.get(name)) for name, view in laid.items() if "lag" not in name}
    ids, character = np.unique(truth.groups[0], return_inverse=True)
    within = np.broadcast_to(character.reshape(-1, 1), code.shape), (len(ids), k, size)
    beside = [information(tables(code, label[partner], *within))[:, 2].mean() for partner in partners(len(code))]

    def value(keep: Array) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, (c, y, stratum, sizes) in laid.items():
            count, expected = tables(c[keep], y[keep], stratum[keep], sizes), chance.get(name, chance[""])
            h_label, h_code, shared = count.sum((1, 2)) / max(count.sum(), 1) @ information(count)
            if name.endswith("conditional"):
                values[name] = over(shared - expected, h_label - expected, h_label)
                continue
            values[f"{name}ami"] = over(shared - expected, (h_label + h_code) / 2 - expected, h_label)
            if name in ("", "standing.", "walking."):
                values[f"{name}nmi"] = over(shared, (h_label + h_code) / 2, h_label)
                values[f"{name}homogeneity"] = over(shared, h_label, h_label)
                values[f"{name}completeness"] = over(shared, h_code, h_label) if h_code > 1e-9 or h_label <= 1e-9 else 1.0
        count = tables(code[keep], label[keep], within[0][keep], within[1])
        each = information(count[count.any((1, 2))])
        values["per_character.nmi"] = float(np.nanmean([over(shared, (h_label + h_code) / 2, h_label) for h_label, h_code, shared in each]))
        (h_label, h_code, shared), expected = each.mean(0), float(np.mean(beside or [0.0]))
        values["per_character.ami"] = over(shared - expected, (h_label + h_code) / 2 - expected, h_label)
        return {f"{source}.{name}": one for name, one in values.items()}

    corrected = {name: score for name, score in scores(value, truth, least=-np.inf).items() if name.endswith(("ami", "conditional"))}
    return scores(value, truth) | corrected


def accuracies(source: str, code: Array, fitted: Array, k: int, truth: SimpleNamespace, fit: SimpleNamespace) -> dict[str, Interval]:
    """The scores of maps from codes to labels, which are fitted on other clips."""

    laid, character = views(source, code, k, truth), np.unique(fit.groups[0], return_inverse=True)[1]
    count_ckl = tables(fitted, fit.source[source], fitted * 0 + character[:, None], (character.max() + 1, k, truth.size[source]))

    def value(keep: Array, times_c: Array) -> dict[str, float]:
        count_fit = np.tensordot(times_c, count_ckl, 1)
        one_to_one, values = np.full(k, -1), {}
        rows, columns = linear_sum_assignment(-count_fit)
        one_to_one[rows] = columns
        one_to_one[~count_fit.any(1)] = -1
        many_to_one = np.where(count_fit.any(1), count_fit.argmax(1), count_fit.sum(0).argmax())
        for name, (c, y, stratum, _) in laid.items():
            at = keep[:, None] & (stratum >= 0)
            several = len(np.unique(y[at])) > 1
            values[f"{name}matched_accuracy"] = float((one_to_one[c] == y)[at].mean()) if several else np.nan
            if not name.startswith("lag_"):
                values[f"{name}many_to_one"] = float((many_to_one[c] == y)[at].mean()) if several else np.nan
        return {f"{source}.{name}": one for name, one in values.items() if "conditional" not in name}

    once = np.ones(len(count_ckl), int)
    draws = np.random.default_rng(0).multinomial(len(once), once / len(once), 200)
    return scores(lambda keep: value(keep, once), truth, drawn=[value(np.ones(truth.clips, bool), times_c) for times_c in draws])
