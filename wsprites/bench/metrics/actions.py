"""Scores of codes against true actions. Axes: n clips, t transitions, k codes, l labels, j label combinations, r replicates.

Shares are in [0, 1]. Where the labels that a score is taken over have a single value, it is not defined: NaN.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics import chance
from wsprites.bench.metrics.chance import Cells, View
from wsprites.bench.metrics.information import (
    Floats,
    Information,
    Ints,
    Tables,
    ami,
    completeness,
    conditional,
    homogeneity,
    nmi,
    perplexity,
)
from wsprites.bench.metrics.interval import Clusters, Score, draws, from_draws, ratio
from wsprites.world.actions import ANIMATIONS, FACINGS, GlobalAction, LocalAction, animation_of, facing_of

if TYPE_CHECKING:
    from scipy.sparse import csr_array


def table(code: Ints, label: Ints, codes: int, labels: int) -> NDArray[np.int64]:
    """(K, L) int64: contingency table of codes and labels, which have the same shape.

    Args:
        codes, labels: K and L; all codes are below K and all labels below L.

    Example:
        >>> table(np.array([0, 0, 1]), np.array([2, 2, 0]), 2, 3).tolist()
        [[0, 0, 2], [1, 0, 0]]
    """
    return np.bincount(code.ravel().astype(np.int64) * labels + label.ravel(), minlength=codes * labels).reshape(codes, labels)


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


def accuracy(cells: Cells, view: View, label_k: Ints) -> float:
    """Share of transitions whose code is mapped to their label, in [0, 1]; NaN if all labels are the same."""
    used = view.stratum_j[cells.combination] >= 0
    label, count = view.label_j[cells.combination[used]], cells.times[used]
    if len(label) == 0 or label.min() == label.max():
        return math.nan
    return float(count[label_k[cells.code[used]] == label].sum() / count.sum())


class Sources(NamedTuple):
    """Labels of transitions, (N, T-1) int each, in the order of SOURCES."""

    labels: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    sizes: tuple[int, int, int]
    """Number of values of each."""
    before: tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]
    """The labels of the transition before each; of the first one, those of the step that led to the first frame."""
    character: NDArray[np.integer]
    """(N,) character ids of the clips."""


SOURCES = ("global", "local", "background")
PARTS = ("standing", "walking", "onset", "steady")
"""Transitions whose global action is `stay`, and the others; those whose action is not that of the transition before, and the others."""
_FACING = np.array([FACINGS.index(facing_of(action)) for action in LocalAction])
_ANIMATION = np.array([ANIMATIONS.index(animation_of(action)) for action in LocalAction])
_CONDITIONAL = ("conditional", "facing.conditional", "animation.conditional")
_MAPS = {"matched_accuracy": one_to_one, "many_to_one": many_to_one}
_INFORMATION = {"nmi": nmi, "homogeneity": homogeneity, "completeness": completeness}


def combinations(truth: Sources) -> tuple[tuple[Ints, ...], tuple[int, ...]]:
    """Labels of each source and one more value, and their numbers of values: bit s of it is 1 where the action of source s begins."""
    begins = [label != before for label, before in zip(truth.labels, truth.before, strict=True)]
    return (*truth.labels, begins[0] + 2 * begins[1] + 4 * begins[2]), (*truth.sizes, 8)


def views(sizes: tuple[int, ...], target: int) -> dict[str, View]:
    """The tables that scores against one source are computed from: "pooled", each of PARTS and "conditional"; see `_parts_of_local` too."""
    label = np.indices(sizes).reshape(len(sizes), -1)
    stays, begins = label[0] == GlobalAction.stay, label[3] >> target & 1 == 1
    chosen = {"pooled": stays | True, "standing": stays, "walking": ~stays, "onset": begins, "steady": ~begins}
    others = [at for at in range(3) if at != target]
    stratum = label[others[0]] * sizes[others[1]] + label[others[1]]
    result = {
        name: View(np.where(of, 0, -1), label[target], 1, sizes[target], by_others=name in ("standing", "walking") and target != 0)
        for name, of in chosen.items()
    }
    strata = sizes[others[0]] * sizes[others[1]]
    result["conditional"] = View(stratum, label[target], strata, sizes[target], by_others=True)
    return result | (_parts_of_local(result["conditional"]) if SOURCES[target] == "local" else {})


def _parts_of_local(whole: View) -> dict[str, View]:
    """The two parts of a local action: the facing, given the other sources, and the animation, given these and the facing.

    By the chain rule their information adds up to that of `whole`.
    """
    facing, animation = _FACING[whole.label_j], _ANIMATION[whole.label_j]
    stratum, strata = whole.stratum_j * len(FACINGS) + facing, whole.strata * len(FACINGS)
    of = _FACING[: whole.labels, None] == _FACING, _ANIMATION[: whole.labels, None] == _ANIMATION
    moved = (of[0][:, None] & of[1]).argmax(-1)
    return {
        "facing.conditional": View(whole.stratum_j, facing, whole.strata, len(FACINGS), by_others=True),
        "animation.conditional": View(stratum, animation, strata, len(ANIMATIONS), by_others=True, moved=moved),
    }


class Laid(NamedTuple):
    """Codes of clips beside their labels."""

    code: Ints
    """(N, T-1)."""
    truth: Sources
    codes: int
    """K; all codes are below it."""

    def lagged(self, target: int) -> dict[str, tuple[Ints, Ints]]:
        """Codes beside the labels of a source one transition before ("lag_late") and one after ("lag_early"), (N, T') each."""
        return {"lag_late": (self.code, self.truth.before[target]), "lag_early": (self.code[:, :-1], self.truth.labels[target][:, 1:])}

    def lagged_cells(self, target: int) -> dict[str, tuple[Cells, View]]:
        """`lagged` as tables."""
        size = self.truth.sizes[target]
        view = View(np.zeros(size, np.int64), np.arange(size), 1, size, by_others=False)
        return {name: (Cells.of(code, label, self.codes), view) for name, (code, label) in self.lagged(target).items()}


Maps = Mapping[str, NDArray[np.int64]]
"""(K,) label of each code, by name of the accuracy."""


def maps_of(fit: Laid, target: int) -> Maps:
    """The maps from codes to labels, fitted on all transitions."""
    return _maps(table(fit.code, fit.truth.labels[target], fit.codes, fit.truth.sizes[target]))


def _maps(count_kl: Ints) -> Maps:
    return {name: make(count_kl) for name, make in _MAPS.items()}


def values(fit: Laid, laid: Laid, targets: Sequence[int], *, pooled: bool = False) -> tuple[dict[str, float], dict[str, float]]:
    """All scores of codes, named `SOURCE.SCORE`, and the information by chance of each that is corrected for it.

    Args:
        fit: the clips that the maps from codes to labels are fitted on: other characters.
        laid: the clips that are scored.
        targets: the sources to compare with, as indices of SOURCES.
        pooled: only the scores of all transitions.
    """
    labels, sizes = combinations(laid.truth)
    by_target = {
        target: {name: view for name, view in views(sizes, target).items() if name == "pooled" or not pooled} for target in targets
    }
    by_chance = chance.expected(laid.code, labels, sizes, laid.codes, by_target)
    cells = Cells.of(laid.code, np.ravel_multi_index(labels, sizes), laid.codes)
    result, expected = dict[str, float](), dict[str, float]()
    for target in targets:
        source, maps = SOURCES[target], maps_of(fit, target)
        tables = {name: (cells, view) for name, view in by_target[target].items()} | ({} if pooled else laid.lagged_cells(target))
        expected |= {f"{source}.{name}": by_chance[target].get(name, by_chance[target]["pooled"]) for name in tables}
        of = {name: view.information(cells).average() for name, (cells, view) in tables.items()}
        accuracies = {_name(name, kind): accuracy(*table, maps[kind]) for name, table in tables.items() for kind in _accuracies(name)}
        informed = _informed(of, source, expected)
        if not pooled:
            within = chance.information_within(laid.truth.character, laid.code, labels[target])
            expected[f"{source}.per_character"] = chance.expected_within(laid.truth.character, laid.code, labels[target])
            informed |= _per_character(within, expected[f"{source}.per_character"])
        result |= {f"{source}.{name}": float(value) for name, value in (accuracies | informed).items()}
    return result, expected


def _name(view: str, score: str) -> str:
    return score if view in ("pooled", score) else f"{view}.{score}"


def _accuracies(view: str) -> Sequence[str]:
    return () if view in _CONDITIONAL else ("matched_accuracy",) if view.startswith("lag_") else tuple(_MAPS)


def _informed(of: Mapping[str, Information], source: str, expected: Mapping[str, float]) -> dict[str, Floats]:
    """(...) scores from the information of each view: single values or replicates."""
    scores: dict[str, Floats] = {}
    for name, one in of.items():
        by_chance = expected[f"{source}.{name}"]
        if name in _CONDITIONAL:
            scores[name] = conditional(one, by_chance)
            continue
        scores[_name(name, "ami")] = ami(one, by_chance)
        if name in ("pooled", "standing", "walking"):
            scores |= {_name(name, score): compute(one) for score, compute in _INFORMATION.items()}
    return scores


def _per_character(within: Information, expected: float) -> dict[str, Floats]:
    """(...) scores from the information within each of C characters, (..., C)."""
    seen = np.where(within.total > 0, 1.0, math.nan)
    average = Information(*(mean_of(value * seen) for value in within))
    return {"per_character.nmi": mean_of(nmi(within)), "per_character.ami": ami(average, expected)}


def mean_of(value_s: Floats) -> Floats:
    """(...) mean over the last axis without NaN; NaN of nothing else."""
    defined = np.isfinite(value_s)
    return np.asarray(np.where(defined, value_s, 0).sum(-1) / np.where(defined.any(-1), defined.sum(-1), math.nan))


def scores(fit: Laid, laid: Laid, targets: Sequence[int], clusters: Clusters) -> dict[str, Score]:
    """`values` with intervals. The information by chance is that of all clips in every replicate; maps are fitted again.

    Args:
        clusters: the groups of the clips that are scored.
    """
    value, expected = values(fit, laid, targets)
    result = {}
    for target in targets:
        source = SOURCES[target]
        for name, value_r in _informed_without(laid, target, expected, clusters).items():
            least = -math.inf if name.endswith(("ami", "conditional")) else 0.0
            result[f"{source}.{name}"] = clusters.score(value[f"{source}.{name}"], value_r, least=least)
        for name, (value_r, fit_r) in _accuracies_without(fit, laid, target, clusters).items():
            result[f"{source}.{name}"] = clusters.score(value[f"{source}.{name}"], value_r, fit_r=fit_r)
    return result


def _informed_without(laid: Laid, target: int, expected: Mapping[str, float], clusters: Clusters) -> dict[str, Floats]:
    """(R,) `_informed` without each group of clips."""
    labels, sizes = combinations(laid.truth)
    count, code_u, combination_u = _cells(laid.code, np.ravel_multi_index(labels, sizes))
    of = {
        name: Tables(count, view.stratum_j[combination_u], code_u, view.label_j[combination_u], view.strata).without(clusters.members)
        for name, view in views(sizes, target).items()
    }
    for name, pair in laid.lagged(target).items():
        count, code_u, label_u = _cells(*pair)
        of[name] = Tables(count, np.zeros_like(code_u), code_u, label_u, 1).without(clusters.members)
    row, character_p = chance.rows_within(laid.truth.character, laid.code)
    count, row_u, label_u = _cells(row, labels[target])
    within = Tables(count, character_p[row_u], row_u, label_u, int(character_p[-1]) + 1).without(clusters.members)
    informed = _informed({name: one.average() for name, one in of.items()}, SOURCES[target], expected)
    return informed | _per_character(within, expected[f"{SOURCES[target]}.per_character"])


def _cells(row_nt: Ints, column_nt: Ints) -> tuple["csr_array", Ints, Ints]:
    """(U, N) sparse: how often each combination of row and column occurs in each clip; (U,) rows and columns of the combinations."""
    from scipy.sparse import csr_array

    columns = int(column_nt.max(initial=0)) + 1
    cell = row_nt * columns + column_nt
    used = np.flatnonzero(np.bincount(cell.ravel()))
    place = np.zeros(int(cell.max(initial=0)) + 1, np.int64)
    place[used] = np.arange(len(used))
    clip = np.repeat(np.arange(len(cell)), cell.shape[1])
    count = csr_array((np.ones(cell.size), (place[cell].ravel(), clip)), shape=(len(used), len(cell)))
    return count, *np.divmod(used, columns)


def _accuracies_without(fit: Laid, laid: Laid, target: int, clusters: Clusters) -> dict[str, tuple[Floats, Floats]]:
    """(R,) accuracies without each group of clips, and (R',) with maps fitted on draws of characters, see `from_draws`."""
    labels, sizes = combinations(laid.truth)
    combination, maps, drawn_maps = np.ravel_multi_index(labels, sizes), maps_of(fit, target), _drawn_maps(fit, target)
    cells, by_view = Cells.of(laid.code, combination, laid.codes), views(sizes, target)
    tables = {name: (cells, view) for name, view in by_view.items()} | laid.lagged_cells(target)
    pairs = dict.fromkeys(by_view, (laid.code, labels[target])) | laid.lagged(target)
    result: dict[str, tuple[Floats, Floats]] = {}
    for name, (code, label) in pairs.items():
        of = by_view[name].stratum_j[combination] >= 0 if name in by_view else np.ones(code.shape, bool)
        count_r = clusters.sums(of.sum(1))
        for kind in _accuracies(name):
            hits_r = clusters.sums((of & (maps[kind][code] == label)).sum(1))
            value_r = np.where(count_r > 0, hits_r / np.maximum(count_r, 1), math.nan)
            distinct_mk, of_draw = drawn_maps[kind]
            result[_name(name, kind)] = value_r, from_draws(np.array([accuracy(*tables[name], map_k) for map_k in distinct_mk])[of_draw])
    return result


def _drawn_maps(fit: Laid, target: int) -> dict[str, tuple[Ints, Ints]]:
    """By name of the accuracy: (M, K) different maps of bootstrap draws of the characters, and (R,) which of them a draw has."""
    counts = drawn_tables(fit.code, fit.truth.labels[target], fit.codes, fit.truth.sizes[target], fit.truth.character)
    drawn = [_maps(count_kl) for count_kl in counts]
    result: dict[str, tuple[Ints, Ints]] = {}
    for name in _MAPS:
        distinct_mk, of_draw = np.unique([maps[name] for maps in drawn], axis=0, return_inverse=True)
        result[name] = distinct_mk, of_draw.ravel()
    return result


def drawn_tables(code: Ints, label: Ints, codes: int, labels: int, character_n: Ints) -> Iterator[NDArray[np.int64]]:
    """The (K, L) tables of bootstrap draws of characters, see `table` and `interval.draws`."""
    ids = np.unique(character_n)
    count_ckl = np.stack([table(code[character_n == id_], label[character_n == id_], codes, labels) for id_ in ids])
    for times_c in draws(len(ids)):
        yield np.tensordot(times_c, count_ckl, 1)


def usage(code: Ints, codes: int, clusters: Clusters) -> dict[str, Score]:
    """Use of a model's K codes: `usage`, the share that occurs at all, `perplexity`, and `switch_rate`. `code` is (N, T-1).

    The switch rate is the share of transitions whose code is another than that of the transition before; 0 for a code that never changes.
    """
    count_nk = np.stack([np.bincount(row, minlength=codes) for row in code])
    count_rk = clusters.sums(count_nk)
    total = count_nk.sum(0)
    return {
        "usage": clusters.score(float((total > 0).mean()), (count_rk > 0).mean(1)),
        "perplexity": clusters.score(float(perplexity(total)), perplexity(count_rk), unit="codes"),
        "switch_rate": ratio(switches(code).sum(1), np.full(len(code), code.shape[1] - 1), clusters),
    }


def switches(code: Ints) -> NDArray[np.bool_]:
    """(N, T-2) True where a code is another than that of the transition before."""
    return np.asarray(code[:, 1:] != code[:, :-1])
