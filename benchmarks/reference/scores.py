"""Every score of a predictions file, computed a second time in plain numpy, scipy and scikit-learn from the definitions in docs/scores.md.

    python benchmarks/reference/scores.py predictions.npz data.h5 [--split test]

prints value, low and high end of the 95 % interval of each score. Nothing of wsprites is imported: the truth is read from a data file. That
of a standard world is written by `wsprites generate`, as docs/scores.md says. Axes: n clips, t transitions or frames, k codes, l labels.
"""

import argparse
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import h5py
import hdf5plugin  # noqa: F401
import numpy as np
from scipy.optimize import linear_sum_assignment
from scipy.stats import t as student
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


def half_width(values: list[list[float]]) -> float:
    """Of the interval, from the replicates of each kind of group."""
    each = [jackknife(of_kind) for of_kind in values]
    variance = max(each[0] + each[1] - each[2], each[2]) if len(each) == 3 else each[0]
    return float(student.ppf(0.975, min(map(len, values[:2])) - 1) * np.sqrt(variance))


def scores(
    value: Callable[[Array], dict[str, float]], truth: SimpleNamespace, least: float = 0.0, most: float = 1.0
) -> dict[str, Interval]:
    """Scores from a function of the clips that count, (N,) bool."""
    kinds = [group for group in truth.groups if len(np.unique(group)) > 1] or [np.arange(truth.clips)]
    if len(kinds) == 2:
        kinds.append(np.unique(np.stack(kinds, 1), axis=0, return_inverse=True)[1].ravel())
    replicates = [[value(keep) for keep in without_each(group)] for group in kinds]
    result = {}
    for name, point in value(np.ones(truth.clips, bool)).items():
        half = half_width([[one[name] for one in of_kind] for of_kind in replicates]) if np.isfinite(point) else np.nan
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


def table(code: Array, label: Array, codes: int, labels: int) -> Array:
    count = np.zeros((codes, labels), int)
    np.add.at(count, (code, label), 1)
    return count


def usage(code_nt: Array, codes: int, truth: SimpleNamespace) -> dict[str, Interval]:
    def entropy(keep: Array) -> float:
        share = np.bincount(code_nt[keep].ravel()) / code_nt[keep].size
        return float(-(share[share > 0] * np.log(share[share > 0])).sum())

    return {
        **scores(lambda keep: {"codes.usage": len(np.unique(code_nt[keep])) / codes}, truth),
        **scores(lambda keep: {"codes.perplexity": float(np.exp(entropy(keep)))}, truth, most=np.inf),
        "codes.switch_rate": mean(code_nt[:, 1:] != code_nt[:, :-1], truth),
    }


def information(count: Array) -> tuple[float, float, float]:
    """H(label), H(code) and I(code; label) in nats of a (K, L) table."""
    label, code, both = (share / max(count.sum(), 1) for share in (count.sum(0), count.sum(1), count.ravel()))
    entropies = [float(-(share[share > 0] * np.log(share[share > 0])).sum()) for share in (label, code, both)]
    return entropies[0], entropies[1], max(entropies[0] + entropies[1] - entropies[2], 0.0)


def ratio(a: float, b: float) -> float:
    return a / b if b > 1e-12 else np.nan


def of_table(count: Array, one_to_one: Array, many_to_one: Array) -> dict[str, float]:
    """The scores of a (K, L) table; NaN where its labels have a single value."""
    label, code, both = information(count)
    mapped = np.flatnonzero(one_to_one >= 0)
    values = {
        "matched_accuracy": count[mapped, one_to_one[mapped]].sum() / max(count.sum(), 1),
        "many_to_one": count[np.arange(len(count)), many_to_one].sum() / max(count.sum(), 1),
        "nmi": both / max((label + code) / 2, 1e-300),
        "homogeneity": both / max(label, 1e-300),
        "completeness": both / code if code > 1e-12 else 1.0,
    }
    return {name: float(value) if label > 1e-12 else np.nan for name, value in values.items()}


def codes(source: str, model_nt: Array, fit_nt: Array, k: int, truth: SimpleNamespace, fit: SimpleNamespace) -> dict[str, Interval]:
    label_nt, labels = truth.source[source], truth.size[source]
    count_fit = table(fit_nt, fit.source[source], k, labels)
    rows, columns = linear_sum_assignment(-count_fit)
    one_to_one = np.full(k, -1)
    one_to_one[rows] = columns
    one_to_one[count_fit.sum(1) == 0] = -1
    many_to_one = np.where(count_fit.any(1), count_fit.argmax(1), count_fit.sum(0).argmax())
    standing = truth.source["global"] == STAY
    parts = {"": np.ones_like(standing), "standing.": standing, "walking.": ~standing}

    def value(keep: Array) -> dict[str, float]:
        values: dict[str, float] = {}
        for prefix, part in parts.items():
            at = part & keep[:, None]
            of_part = of_table(table(model_nt[at], label_nt[at], k, labels), one_to_one, many_to_one)
            values |= {f"{source}.{prefix}{name}": one for name, one in of_part.items()}
        return values

    return scores(value, truth)


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


def iou(mask: Array, true: Array) -> Array:
    """(N, T) of masks from 0 to 1."""
    both, either = (mask * true).sum((2, 3)), (mask + true - mask * true).sum((2, 3))
    return np.where(either > 0, both / np.maximum(either, 1e-300), 1.0)


def masks(mask_nthw: Array, truth: SimpleNamespace) -> dict[str, Interval]:
    mask, true = mask_nthw.astype(np.float64), truth.masks.astype(np.float64)
    return {"masks.soft_iou": mean(iou(mask, true), truth), "masks.hard_iou": mean(iou(mask >= 0.5, true), truth)}


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
            k = max(int(arrays.get("codes", 1)), int(model["codes"].max()) + 1, int(fitted["codes"].max()) + 1)
            result |= usage(model["codes"].astype(int), k, truth)
            for source in SOURCES:
                result |= codes(source, model["codes"].astype(int), fitted["codes"].astype(int), k, truth, fit)
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
