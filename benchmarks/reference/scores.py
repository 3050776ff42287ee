"""Every score of a predictions file, computed a second time in plain numpy, scipy and scikit-learn from the definitions in docs/scores.md.

    python -m benchmarks.reference.scores predictions.npz data.h5 [--split test]

prints value, low and high end of the 95 % interval of each score. Nothing of wsprites.bench is imported: labels and masks are read from a
data file. That of a standard world is written by `wsprites generate`, as docs/scores.md says. This module has the scores of shifts and
masks; codes.py, probes.py and intervals.py the others. Axes: n clips, t transitions or frames, h rows, w columns.
"""

import argparse
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import h5py
import hdf5plugin  # noqa: F401 the import lets h5py read Zstd
import numpy as np
from scipy import ndimage
from threadpoolctl import threadpool_limits

import wsprites
from benchmarks.reference.codes import SOURCES, STAY, accuracies, informed, usage
from benchmarks.reference.intervals import Array, Interval, mean, quantile
from benchmarks.reference.probes import leakage, vectors


def read_predictions(path: Path) -> dict[str, Array]:
    """The arrays of a predictions file, NPZ or HDF5, by name: `test/codes` and so on."""
    if path.suffix == ".npz":
        with np.load(path) as npz:
            return dict(npz)
    arrays: dict[str, Array] = {}
    with h5py.File(path) as h5:
        h5.visititems(lambda name, item: arrays.update({name: item[()]}) if isinstance(item, h5py.Dataset) else None)
        return arrays | {name: np.asarray(value) for name, value in h5.attrs.items()}


def read_masks(path: Path, split: str, clips: int) -> Array:
    with h5py.File(path) as h5:
        if "masks" in h5[split]:
            return np.asarray(h5[split]["masks"][:clips])
    with wsprites.open(path) as file:  # which renders the masks of a file that holds labels only
        return np.asarray(file[split]["masks"][:clips])


def read_truth(path: Path, split: str, clips: int) -> SimpleNamespace:
    """Labels of the first clips of a split. Actions and shifts are those of transitions, the others of frames."""
    with h5py.File(path) as h5:
        world = json.loads(h5.attrs["world"])
        label = {name: np.asarray(h5[split][name][:clips]) for name in h5[split] if name not in ("frames", "masks")}
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
        groups=(label["character"], label["background"]),
        clips=clips,
    )


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


def masks(mask_nthw: Array, true_nthw: Array, truth: SimpleNamespace) -> dict[str, Interval]:
    values: dict[str, list[Array]] = {"masks.soft_iou": [], "masks.hard_iou": [], "masks.boundary_f": []}
    for mask, true in zip(mask_nthw, true_nthw, strict=True):
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
        for name in ("codes", "vectors", "shift", "background_shift"):
            if name in model:
                kind = {"codes": np.int64, "vectors": np.float32}.get(name, np.float64)
                result |= leakage(name, fitted[name].astype(kind), model[name].astype(kind), truth, fit)
        if "vectors" in model:
            result |= vectors(fitted["vectors"].astype(np.float32), model["vectors"].astype(np.float32), truth, fit)
        if "masks" in model:
            result |= masks(model["masks"].astype(np.float32), read_masks(data, split, truth.clips), truth)
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reference.scores", description="Compute all scores of a predictions file.")
    parser.add_argument("predictions", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", default="test")
    for name, (value, low, high) in sorted(all_scores(**vars(parser.parse_args())).items()):
        print(f"{name:<40}{value:12.6f}{low:12.6f}{high:12.6f}")
