"""The evaluation of CADDY (Menapace et al., Playable video generation, CVPR 2021): displacements against codes, and generated sequences.

From each sequence (see sequences.py) the model infers codes, and with them it generates the sequence again: steps from the first CONTEXT
frames begin with the true frame, the others with the frame that was generated last. All T frames are compared, the first of which is the
true one on both sides.

Axis suffixes: n clips, q sequences of a clip, b sequences of a batch, t frames or transitions, d coordinates, h, w, c.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.baselines import true_actions
from wsprites.bench.data import Data, VideoData
from wsprites.bench.distances import Features, lacking
from wsprites.bench.evaluation import ByPredictor, Evaluation, Progress, Scores
from wsprites.bench.metrics import displacement, images
from wsprites.bench.metrics.interval import Score, mean
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import (
    NO_TRUTH,
    Arrays,
    Controllable,
    Model,
    ProtocolError,
    actions_of,
    check_same_arrays,
    infer,
    named,
    rollout_with_context,
    takes_true_actions,
)
from wsprites.bench.rollouts import STEPS, Frames
from wsprites.bench.scores import ScoreFile
from wsprites.bench.sequences import Object, Sequences, sequences
from wsprites.bench.table import missing_table, number

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

Floats = NDArray[np.float64]

PROTOCOL = "caddy-1"
"""The version of these definitions, in score files."""
_UNITS = {"mse": "", **images.UNITS}
_NO_ROLLOUT = "the model has no rollout"


def evaluate(
    model: Model | Predictions,
    data: Data | VideoData,
    name: str,
    *,
    known: Object | None,
    networks: "Networks | None" = None,
    keep: Callable[[list[int], Frames], object] = lambda *_: None,
    progress: Progress = lambda _: None,
) -> Evaluation:
    """Compute the scores of a model by the protocol of CADDY, named `caddy.SCORE`.

    Args:
        name: the model's name in error messages.
        known: the object whose displacements are compared with codes; None leaves these scores out, and those of detections.
        networks: adds LPIPS, FID and FVD.
        keep: called with the numbers of sequences and (b, T, H, W, 3) uint8 generated ones, true first frames included.
        progress: called with the number of sequences done since the last call, `len(sequences(data))` in all.

    Raises:
        UserError: the model does not follow the protocol, or offers nothing that it scores.
        ForeignError: the model raised an exception.
    """
    with named(name):
        return _evaluate(model, sequences(data), known, networks, keep, progress)


def _evaluate(
    model: Model | Predictions,
    rows: Sequences,
    known: Object | None,
    networks: "Networks | None",
    keep: Callable[[list[int], Frames], object],
    progress: Progress,
) -> Evaluation:
    generator = model if isinstance(model, Controllable) and isinstance(model, Model) else None
    by_truth = takes_true_actions(model)
    without = _without(rows, networks)
    measured = _Measured(rows, known, networks, without)
    first: Arrays = {}
    codes = []
    for numbers, frames in rows.batches():
        arrays = _inferred(model, rows, numbers, frames)
        first = first or arrays
        check_same_arrays(first, arrays)
        if "codes" in arrays:
            codes.append(arrays["codes"])
        if generator is not None:
            known_frames = frames[:, : rows.context].transpose(0, 1, 4, 2, 3)
            given = _true(rows, numbers) if by_truth else (actions_of(arrays), arrays.get("shift"))
            video = rollout_with_context(generator, known_frames, *given)
            generated = np.concatenate([frames[:, :1], video], 1)
            keep(numbers, generated)
            measured.add(numbers, frames, generated)
        progress(len(numbers))
    results: dict[str, Scores] = {"model": {}}
    if codes and known:
        _add(results, _code_scores(rows, known, np.concatenate(codes), getattr(model, "codes", None)))
    if generator is not None:
        _add(results, measured.scores())
    missing = _missing(codes=bool(codes), generates=generator is not None, known=known, without=without)
    if not results["model"]:
        raise ProtocolError(
            f"infers {', '.join(first)}; the protocol of CADDY has no scores of it ({'; '.join(dict.fromkeys(missing.values()))})"
        )
    return Evaluation(
        {f"caddy.{name}": score for name, score in results.pop("model").items()},
        {who: {f"caddy.{name}": score for name, score in scores.items()} for who, scores in results.items()},
        {},
        (),
        {f"caddy.{name}": why for name, why in missing.items()},
    )


def _add(results: ByPredictor, more: ByPredictor) -> None:
    for who, scores in more.items():
        results.setdefault(who, {}).update(scores)


def _inferred(model: Model | Predictions, rows: Sequences, numbers: list[int], frames_bthwc: Frames) -> Arrays:
    """What a model infers from sequences; a predictions file has arrays of whole clips, of which theirs are cut out."""
    if not isinstance(model, Predictions):
        return infer(model, frames_bthwc.transpose(0, 1, 4, 2, 3), rows.part)
    _, of_clip, t = rows.shape
    cut: list[Arrays] = []
    for sequence in numbers:
        at = rows.begins[sequence % of_clip]
        whole = model.rows(rows.part, np.array([sequence // of_clip]))
        cut.append({name: array[0, at : at + t - (name != "masks")] for name, array in whole.items()})
    return {name: np.stack([arrays[name] for arrays in cut]) for name in cut[0]}


def _true(rows: Sequences, numbers: list[int]) -> tuple[NDArray[np.int64], Floats]:
    """(b, T-1, 3) true actions and (b, T-1, 2) shifts of sequences. Raises ProtocolError for videos, which have none."""
    if not isinstance(rows.data, Data):
        raise ProtocolError(NO_TRUTH)
    _, of_clip, t = rows.shape
    begins = [(sequence // of_clip, rows.begins[sequence % of_clip] + 1) for sequence in numbers]
    scripts = [rows.data.scored.script[n, at : at + t - 1] for n, at in begins]
    return np.stack([true_actions(script) for script in scripts]), np.stack([script.shift.astype(float) for script in scripts])


def _without(rows: Sequences, networks: "Networks | None") -> dict[str, str]:
    """Why LPIPS, FID, FVD or SSIM is not scored, by name."""
    spec = rows.part.spec
    if networks is None:
        reasons = dict.fromkeys(("lpips", "fid", "fvd"), "no weights of networks are given")
    else:
        short = f"sequences of {spec.frames} frames, {STEPS} are needed" if spec.frames < STEPS else ""
        reasons = lacking(networks, spec, len(rows), spec.frames, "sequences", short)
    if min(spec.height, spec.width) < images.SSIM_WINDOW:
        reasons["ssim"] = f"frames of {spec.height} x {spec.width}; {images.SSIM_WINDOW} pixels of a side are needed"
    return reasons


def _missing(*, codes: bool, generates: bool, known: Object | None, without: dict[str, str]) -> dict[str, str]:
    """Why scores are missing, by the beginning of their names."""
    of_positions, of_codes, of_detections = "no detections of the object are given", ("delta_mse", "delta_accuracy"), ("add", "mdr")
    reasons = {} if codes else dict.fromkeys(of_codes, "the model infers no codes")
    if not generates:
        reasons |= dict.fromkeys((*of_detections, *_UNITS, "fid", "fvd"), _NO_ROLLOUT)
    else:
        reasons |= without
    if known is None:
        return dict.fromkeys((*of_codes, *of_detections), of_positions) | reasons
    if known.find is None:
        reasons = dict.fromkeys(of_detections, "no detections of the object in generated frames are given") | reasons
    return reasons


# Codes against displacements.


def _code_scores(rows: Sequences, known: Object, code_bt: NDArray[np.int64], k: int | None) -> ByPredictor:
    """Scores of the model's codes, and of floors: one code, random codes, in a world the true actions."""
    n, of_clip, t = rows.shape
    moved = np.diff(known.position_bd, axis=1).reshape(n, of_clip * (t - 1), -1)
    shape = moved.shape[:2]
    k = max(k or 1, int(code_bt.max()) + 1)
    codes = {
        "model": code_bt.reshape(shape),
        "majority": np.zeros(shape, np.int64),
        "random": np.random.default_rng(0).integers(0, k, shape),
    }
    if isinstance(rows.data, Data):
        script = rows.data.scored.script
        for who, labels in (("direction", script.global_action), ("local", script.local_action)):
            # The label of a transition is that of the frame it leads to.
            codes[who] = labels[:, : of_clip * t].reshape(n, of_clip, t)[..., 1:].reshape(shape).astype(np.int64)
    defined = np.isfinite(moved).all(-1)
    fold = np.repeat(displacement.folds(rows.group_n)[:, None], shape[1], 1)[defined]
    results: dict[str, Scores] = {}
    for who, code in codes.items():
        share = np.bincount(code[defined]).max(initial=0) / max(defined.sum(), 1)
        accuracies = {
            "delta_accuracy": displacement.svm_accuracy(moved[defined], code[defined]),
            "delta_accuracy_held_out": displacement.svm_accuracy(moved[defined], code[defined], fold_n=fold),
            "delta_accuracy_majority": 100 * float(share) if defined.any() else np.nan,
        }
        results[who] = displacement.delta_mse(moved, code, rows.clusters)
        results[who] |= {name: Score(value, unit="%", clips=n) for name, value in accuracies.items()}
    return results


# Generated sequences.


class _Measured:
    """What is measured of the sequences that a model generates, and of one that stands still."""

    def __init__(self, rows: Sequences, known: Object | None, networks: "Networks | None", without: dict[str, str]) -> None:
        self._rows, self._known = rows, known
        self._lpips = networks.lpips if networks and "lpips" not in without else None
        self._features = Features(networks, without) if networks else None
        self._values: dict[tuple[str, str], list[Floats]] = {}
        self._found: list[Floats] = []
        # "copy" repeats the true frame that a step begins with, and the last one of these to the end.
        self._copied = np.maximum(np.minimum(np.arange(rows.part.spec.frames) - 1, rows.context - 1), 0)

    def add(self, numbers: list[int], true_bthwc: Frames, generated_bthwc: Frames) -> None:
        """Measure some generated sequences."""
        for who, videos in (("model", generated_bthwc), ("still", true_bthwc[:, self._copied])):
            for video, true in zip(videos, true_bthwc, strict=True):
                for name, value_t in _similarity(video, true, self._lpips).items():
                    self._values.setdefault((who, name), []).append(value_t)
            if self._features:
                self._features.add(who, videos)
        if self._features:
            self._features.add("truth", true_bthwc)
        if self._known and self._known.find:
            self._found += map(self._known.find, numbers, generated_bthwc)

    def scores(self) -> ByPredictor:
        """Scores of "model" and of "copy"."""
        n, clusters = self._rows.shape[0], self._rows.clusters
        results: dict[str, Scores] = {"model": {}, "copy": {}}
        for (who, name), values in self._values.items():
            value_n = np.stack(values).reshape(n, -1).mean(1)
            least = -1.0 if name == "ssim" else 0.0
            results["copy" if who == "still" else who][name] = mean(value_n, clusters, unit=_UNITS[name], least=least)
        if self._features:
            by_who = self._features.scores(len(self._rows))
            for who, source in (("model", "model"), ("copy", "still")):
                results[who] |= {name.removeprefix("images."): score for name, score in by_who.get(source, {}).items()}
        if self._found and self._known:
            true = self._known.position_bd
            for who, positions in (("model", np.stack(self._found)), ("copy", true[:, self._copied])):
                true_ntd, found_ntd = (position.reshape(n, -1, true.shape[-1]) for position in (true, positions))
                results[who] |= displacement.detection_scores(true_ntd, found_ntd, clusters, unit=self._known.unit)
        return results


def _similarity(video_thwc: Frames, true_thwc: Frames, lpips: images.Lpips | None) -> dict[str, Floats]:
    """(T,) of each of _UNITS: as `images.similarity`, but PSNR is 80 dB for equal frames, as in CADDY's code."""
    mse = images.squared_error(video_thwc, true_thwc) / 255**2
    return {"mse": mse, **images.similarity(video_thwc, true_thwc, lpips), "psnr": -10 * np.log10(mse + 1e-8)}


# The table.

LABELS = {
    "delta_mse": "delta-MSE, % (weighted by use)",
    "delta_mse_unweighted": "delta-MSE, % (unweighted)",
    "delta_accuracy": "delta-Acc, % (in sample)",
    "delta_accuracy_held_out": "delta-Acc, % (held out)",
    "delta_accuracy_majority": "most frequent code, %",
    "add": "ADD",
    "mdr": "MDR, %",
    "mse": "MSE",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
    "lpips": "LPIPS (AlexNet)",
    "fid": "FID",
    "fvd": "FVD",
}
"""What the table calls each score, in its order."""


def table(file: ScoreFile) -> str:
    """The scores of a model as text, beside those of floors and of true actions, and the reasons why others are missing."""
    others = [
        who for who in ("copy", "direction", "local", "random", "majority") if any(who in one.baselines for one in file.scores.values())
    ]
    widths = [max(9, len(who)) for who in (file.model, *others)]
    rows = [["protocol of CADDY", file.model, *others]]
    for name, label in LABELS.items():
        if entry := file.scores.get(f"caddy.{name}"):
            shown = "{:.5f}".format if name == "mse" else number
            cells = [shown(entry.value), *(shown(entry.baselines[who]) if who in entry.baselines else "" for who in others)]
            rows.append([f"{label}, {entry.unit}" if name == "add" else label, *cells])
    lines = [f"{row[0]:<34}" + "".join(f" {cell:>{width}}" for cell, width in zip(row[1:], widths, strict=True)) for row in rows]
    if "caddy.delta_mse" in file.scores:
        lines.append("The delta-MSE to report is the one that is weighted by the use of codes: docs/scores.md says why.")
    return "\n".join([*map(str.rstrip, lines), *filter(None, [missing_table([file])])])
