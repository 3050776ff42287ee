"""Every score of a predictions file, computed a second time in plain numpy, scipy and scikit-learn from the definitions in docs/scores.md.

    python benchmarks/reference/scores.py predictions.npz data.h5 [--split test]

prints value, low and high end of the 95 % interval of each score. Nothing of wsprites is imported: the truth is read from a data file. That
of a standard world is written by `wsprites generate`, as docs/scores.md says. Axes: n clips, t transitions or frames, k codes, l labels.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
from scipy import ndimage
from scipy.optimize import linear_sum_assignment
from scipy.stats import t as student
from sklearn.metrics.cluster import expected_mutual_information
from threadpoolctl import threadpool_limits

Array = np.ndarray[Any, Any]
Interval = tuple[float, float, float]
STAY, SOURCES = 4, ("global", "local", "background")
DIRECTIONS = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)])  # left, right, up, down, stay


def read_predictions(path: Path) -> dict[str, Array]:
    """The arrays of a predictions file, NPZ or HDF5, by name: `test/codes` and so on."""
    if path.suffix == ".npz":
        with np.load(path) as npz:
            return dict(npz)
    arrays: dict[str, Array] = {}
    with h5py.File(path) as h5:
        h5.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return arrays | {name: np.asarray(value) for name, value in h5.attrs.items()}


def read_truth(path: Path, split: str, clips: int) -> SimpleNamespace:
    """Labels and masks of the first clips of a split. Actions and shifts are those of transitions, the others of frames."""
    with h5py.File(path) as h5:
        world = json.loads(h5.attrs["world"])
        label = {name: np.asarray(h5[split][name][:clips]) for name in h5[split]}
    actions = [label[f"{source}_action"].astype(int) for source in SOURCES]
    sizes = (5, 3 * world["facings"], 5)
    one_hot = [np.eye(size)[action] for size, action in zip((*sizes, 8), (*actions, label["animation_frame"]), strict=True)]
    return SimpleNamespace(
        source=dict(zip(SOURCES, (action[:, 1:] for action in actions), strict=True)),
        before=dict(zip(SOURCES, (action[:, :-1] for action in actions), strict=True)),
        size=dict(zip(SOURCES, sizes, strict=True)),
        shift={name: label[name][:, 1:].astype(float) for name in ("shift", "background_shift")},
        step={"shift": world["sprite"]["step"], "background_shift": world["background"]["step"]},
        state=np.concatenate([*one_hot, label["position"], label["background_offset"]], -1)[:, :-1].astype(np.float32),
        masks=label.get("masks"),
        groups=(label["character"], label["background"]),
        clips=clips,
    )


# Intervals.


def jackknife(values: list[float]) -> float:
    defined = np.array(values)[np.isfinite(values)]
    return float((len(defined) - 1) / len(defined) * ((defined - defined.mean()) ** 2).sum()) if len(defined) > 1 else np.nan


def without_each(group_n: Array) -> Iterator[Array]:
    """(N,) bool: the clips that stay, for each group."""
    return (group_n != group for group in np.unique(group_n))


def half_width(values: list[list[float]], fit: list[float]) -> float:
    """Of the interval, from the replicates of each kind of group, and from those of a fitted map."""
    each = [jackknife(of_kind) for of_kind in values]
    variance = max(each[0] + each[1] - each[2], each[2]) if len(each) == 3 else each[0]
    groups = [len(of_kind) for of_kind in (*values[:2], *([fit] if fit else []))]
    return float(student.ppf(0.975, min(groups) - 1) * np.sqrt(variance + (jackknife(fit) if fit else 0)))


def scores(
    value: Callable[[Array], dict[str, float]],
    truth: SimpleNamespace,
    least: float = 0,
    most: float = 1,
    refitted: Sequence[dict[str, float]] = (),
) -> dict[str, Interval]:
    """Scores from a function of the clips that count, (N,) bool, and those on all clips of maps fitted without each group."""
    kinds = [group for group in truth.groups if len(np.unique(group)) > 1] or [np.arange(truth.clips)]
    if len(kinds) == 2:
        kinds.append(np.unique(np.stack(kinds, 1), axis=0, return_inverse=True)[1].ravel())
    replicates = [[value(keep) for keep in without_each(group)] for group in kinds]
    result = {}
    for name, point in value(np.ones(truth.clips, bool)).items():
        fit = [one[name] for one in refitted]
        half = half_width([[one[name] for one in of_kind] for of_kind in replicates], fit) if np.isfinite(point) else np.nan
        result[name] = point, max(point - half, min(least, point)), min(point + half, max(most, point))
    return result


def mean(value_nt: Array, truth: SimpleNamespace, among_nt: Array | None = None, least: float = 0.0, most: float = 1.0) -> Interval:
    """Mean of all values, or of some of them."""
    count = np.ones_like(value_nt, bool) if among_nt is None else among_nt
    sums, counts = (value_nt * count).sum(1), count.sum(1)
    return scores(lambda keep: {"": sums[keep].sum() / counts[keep].sum() if counts[keep].any() else np.nan}, truth, least, most)[""]


def quantile(value_nt: Array, q: float, truth: SimpleNamespace) -> Interval:
    value = np.quantile(value_nt, q)
    share, low, high = mean(value_nt <= value, truth, least=-np.inf, most=np.inf)
    ends = np.quantile(value_nt, np.clip([q - (share - low), q + (high - share)], 0, 1))
    return float(value), float(ends[0]), float(ends[1])


# Codes.


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
    for places in range(1, min(clips - 1, max(4, 5000 // clips)) + 1):
        yield np.roll(order, -places)[np.argsort(order)]


def permuted(count_kl: Array) -> float:
    """Expected information after a random permutation of the labels."""
    count = count_kl[count_kl.sum(1) > 0][:, count_kl.sum(0) > 0]
    return float(expected_mutual_information(count, int(count.sum()))) if count.size else 0.0


def by_chance(code: Array, label: Array, stratum: Array, sizes: tuple[int, int, int], by_others: bool) -> float:
    actual = tables(code, label, stratum, sizes)
    weight, varies = actual.sum((1, 2)), (actual.sum(1) > 0).sum(1) > 1
    ratios = []
    for moves in (True, False) if by_others else (True,):
        shared, permutation = 0.0, 0.0
        for partner in partners(len(code)):
            beside = tables(code, label[partner], stratum[partner] if moves else stratum, sizes)
            count = beside.sum((1, 2)) * varies
            shared += count @ information(beside)[:, 2]
            permutation += count @ [permuted(one) for one in beside]
        ratios.append(shared / permutation if permutation > 0 else 0.0)
    return float(weight @ [permuted(one) for one in actual] / max(weight.sum(), 1) * max(ratios))


def views(source: str, truth: SimpleNamespace) -> dict[str, tuple[Array, int, bool]]:
    """Stratum of each transition (-1: left out), number of strata, and whether strata are made of other sources."""
    others, stay = [other for other in SOURCES if other != source], truth.source["global"] == STAY
    onset = truth.source[source] != truth.before[source]
    pairs = truth.source[others[0]] * truth.size[others[1]] + truth.source[others[1]]
    views = {"": (stay * 0, 1, False)}
    views |= {f"{name}.": (np.where(at, 0, -1), 1, source != "global") for name, at in (("standing", stay), ("walking", ~stay))}
    views |= {f"{name}.": (np.where(at, 0, -1), 1, False) for name, at in (("onset", onset), ("steady", ~onset))}
    return {**views, "conditional": (pairs, truth.size[others[0]] * truth.size[others[1]], True)}


def informed(source: str, code: Array, k: int, truth: SimpleNamespace) -> dict[str, Interval]:
    """The scores of information."""
    label, before, one = truth.source[source], truth.before[source], (1, k, truth.size[source])
    laid = {name: (code, label, stratum, (n, *one[1:])) for name, (stratum, n, _) in views(source, truth).items()}
    chance = {name: by_chance(*laid[name], others) for name, (*_, others) in views(source, truth).items()}
    laid |= {"lag_late.": (code, before, code * 0, one), "lag_early.": (code[:, :-1], label[:, 1:], code[:, 1:] * 0, one)}
    ids, character = np.unique(truth.groups[0], return_inverse=True)
    within = code, label, np.broadcast_to(character.reshape(-1, 1), code.shape), (len(ids), *one[1:])
    beside = [information(tables(code, label[partner], *within[2:]))[:, 2].mean() for partner in partners(len(code))]

    def value(keep: Array) -> dict[str, float]:
        values: dict[str, float] = {}
        for name, (c, y, stratum, sizes) in laid.items():
            count = tables(c[keep], y[keep], stratum[keep], sizes)
            h_label, h_code, shared = count.sum((1, 2)) / max(count.sum(), 1) @ information(count)
            expected = chance.get(name, chance[""])
            if name == "conditional":
                values[name] = over(shared - expected, h_label - expected, h_label)
                continue
            values[f"{name}ami"] = over(shared - expected, (h_label + h_code) / 2 - expected, h_label)
            if name in ("", "standing.", "walking."):
                values[f"{name}nmi"] = over(shared, (h_label + h_code) / 2, h_label)
                values[f"{name}homogeneity"] = over(shared, h_label, h_label)
                values[f"{name}completeness"] = over(shared, h_code, h_label) if h_code > 1e-9 or h_label <= 1e-9 else 1.0
        count = tables(code[keep], label[keep], within[2][keep], within[3])
        each = information(count[count.any((1, 2))])
        nmi = [over(shared, (h_label + h_code) / 2, h_label) for h_label, h_code, shared in each]
        h_label, h_code, shared = each.mean(0)
        expected = float(np.mean(beside)) if beside else 0.0
        values["per_character.nmi"] = float(np.nanmean(nmi))
        values["per_character.ami"] = over(shared - expected, (h_label + h_code) / 2 - expected, h_label)
        return values

    return {
        f"{source}.{name}": (point, low if name.endswith(("ami", "conditional")) else max(low, 0), high)
        for name, (point, low, high) in scores(value, truth, least=-np.inf).items()
    }


def accuracies(source: str, code: Array, fitted: Array, k: int, truth: SimpleNamespace, fit: SimpleNamespace) -> dict[str, Interval]:
    """The scores of maps from codes to labels, which are fitted on other clips."""
    label, before, size = truth.source[source], truth.before[source], (1, k, truth.size[source])
    laid = {name: (code, label, stratum) for name, (stratum, *_) in views(source, truth).items() if name != "conditional"}
    laid |= {"lag_late.": (code, before, code * 0), "lag_early.": (code[:, :-1], label[:, 1:], code[:, 1:] * 0)}

    def value(keep: Array, keep_fit: Array) -> dict[str, float]:
        count_fit = tables(fitted[keep_fit], fit.source[source][keep_fit], fitted[keep_fit] * 0, size)[0]
        rows, columns = linear_sum_assignment(-count_fit)
        one_to_one, values = np.full(k, -1), {}
        one_to_one[rows] = columns
        one_to_one[~count_fit.any(1)] = -1
        many_to_one = np.where(count_fit.any(1), count_fit.argmax(1), count_fit.sum(0).argmax())
        for name, arrays in laid.items():
            c, y, stratum = (array[keep] for array in arrays)
            c, y = c[stratum >= 0], y[stratum >= 0]
            several = len(np.unique(y)) > 1
            values[f"{source}.{name}matched_accuracy"] = float((one_to_one[c] == y).mean()) if several else np.nan
            if name in ("", "standing.", "walking."):
                values[f"{source}.{name}many_to_one"] = float((many_to_one[c] == y).mean()) if several else np.nan
        return values

    everything = np.ones(truth.clips, bool)
    refitted = [value(everything, keep_fit) for keep_fit in without_each(fit.groups[0])]
    return scores(lambda keep: value(keep, np.ones(fit.clips, bool)), truth, refitted=refitted)


# Shifts and masks.


def shifts(name: str, shift_nt2: Array, truth: SimpleNamespace) -> dict[str, Interval]:
    true, step = truth.shift[name], truth.step[name]
    action = truth.source["global" if name == "shift" else "background"]
    if name == "background_shift":
        action = np.array([1, 0, 3, 2, 4])[action]  # the scene moves against its crop
    error = np.sqrt(((shift_nt2 - true) ** 2).sum(-1))
    cosine = (shift_nt2 * true).sum(-1) > np.linalg.norm(shift_nt2, axis=-1) * np.linalg.norm(true, axis=-1) * np.sqrt(0.5) + 1e-12
    moves, largest = (true != 0).any(-1), np.abs(shift_nt2).max(-1)
    clipped = moves & (np.abs(true).max(-1) < step)
    sideways = np.abs(shift_nt2[..., 0]) >= np.abs(shift_nt2[..., 1])
    towards = np.where(sideways, shift_nt2[..., 0] >= 0, 2 + (shift_nt2[..., 1] >= 0))
    hit = np.where(largest < step / 2, STAY, towards) == action
    return {
        f"{name}.mean": mean(error, truth, most=np.inf),
        f"{name}.median": quantile(error, 0.5, truth),
        f"{name}.p95": quantile(error, 0.95, truth),
        f"{name}.angle": mean(cosine, truth, moves),
        f"{name}.action_accuracy": mean(hit, truth, ~clipped),
        f"{name}.clipped.mean": mean(error, truth, clipped, most=np.inf),
        f"{name}.clipped.angle": mean(cosine, truth, clipped),
    }


def iou(mask_thw: Array, true_thw: Array) -> Array:
    both = (mask_thw * true_thw).sum((1, 2))
    either = mask_thw.sum((1, 2)) + true_thw.sum((1, 2)) - both
    return np.asarray(np.where(either > 0, both / np.maximum(either, 1e-300), 1.0))


def boundary_f(mask_thw: Array, true_thw: Array) -> Array:
    cross, square = ndimage.generate_binary_structure(2, 1)[None], np.ones((1, 3, 3), bool)
    edges = [mask & ~ndimage.binary_erosion(mask, cross, border_value=1) for mask in (mask_thw, true_thw)]
    near = [ndimage.binary_dilation(edge, square) for edge in edges]
    alike = ndimage.convolve((mask_thw ^ true_thw).astype(int), np.ones((1, 5, 5), int), mode="nearest") <= 12
    count = [edge.sum((1, 2)) for edge in edges]
    precision, recall = ((edges[at] & near[1 - at] & alike).sum((1, 2)) / np.maximum(count[at], 1) for at in (0, 1))
    f = 2 * precision * recall / np.maximum(precision + recall, 1e-300)
    return np.asarray(np.where(count[0] + count[1] > 0, f, (mask_thw == true_thw).all((1, 2))))


def masks(mask_nthw: Array, truth: SimpleNamespace) -> dict[str, Interval]:
    values: dict[str, list[Array]] = {"masks.soft_iou": [], "masks.hard_iou": [], "masks.boundary_f": []}
    for mask, true in zip(mask_nthw, truth.masks, strict=True):
        hard = mask >= 0.5
        for of, value in zip(values.values(), (iou(mask.astype(float), true), iou(hard, true), boundary_f(hard, true)), strict=True):
            of.append(value)
    return {name: mean(np.array(value_nt), truth) for name, value_nt in values.items()}


def all_scores(predictions: Path, data: Path, split: str = "test") -> dict[str, Interval]:
    """{name: (value, low, high)} of every score that needs no more than predictions; NaN where the data does not define it."""
    arrays = read_predictions(predictions)
    fit_name = "train" if split == "val" else "val"
    model, fitted = ({name.partition("/")[2]: a for name, a in arrays.items() if name.startswith(f"{part}/")} for part in (split, fit_name))
    truth, fit = (read_truth(data, part, len(next(iter(a.values())))) for part, a in ((split, model), (fit_name, fitted)))
    result: dict[str, Interval] = {}
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if "codes" in model:
            k = max(int(arrays.get("codes_k", arrays.get("codes", 1))), int(model["codes"].max()) + 1, int(fitted["codes"].max()) + 1)
            result |= usage(model["codes"].astype(int), k, truth)
            for source in SOURCES:
                result |= informed(source, model["codes"].astype(int), k, truth)
                result |= accuracies(source, model["codes"].astype(int), fitted["codes"].astype(int), k, truth, fit)
        for name in ("shift", "background_shift"):
            if name in model:
                result |= shifts(name, model[name].astype(np.float64), truth)
        if "masks" in model:
            result |= masks(model["masks"], truth)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python benchmarks/reference/scores.py", description="Compute all scores of a predictions file.")
    parser.add_argument("predictions", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    for name, (value, low, high) in sorted(all_scores(**vars(parser.parse_args())).items()):
        print(f"{name:<40}{value:12.6f}{low:12.6f}{high:12.6f}")
