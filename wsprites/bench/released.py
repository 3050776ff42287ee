"""The evaluation that was released with GLASS, with its units corrected.

There, labels were stored in normalised coordinates, 2 dx / 64 and 2 dy / 32 for the sprite and 2 d / 25 for the scene, predictions were
converted to pixels, and the two were subtracted: a perfect model gets a "global shift norm" of 3.8, one that always predicts 0 gets 0.17.
Here both are in pixels, and the released figure stands beside. All transitions count once; there, 4,000 windows of 12 were drawn.

A model that generates starts from the first frame of each window of 12 with the actions that it infers itself, and then infers from what
it generated: RE compares that reading with the truth, CO with its reading of the true frames. CO is agreement of a model with itself, which
codes that are hidden somewhere in the picture have as well. The scene stands still in generated video, because a model is not told how it
moves.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import baselines
from wsprites.bench.data import Data, Part
from wsprites.bench.evaluation import collect
from wsprites.bench.metrics import actions, masks, motion
from wsprites.bench.metrics.chance import information_within
from wsprites.bench.metrics.information import information, nmi
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import (
    BATCH,
    Arrays,
    Controllable,
    Model,
    ProtocolError,
    actions_of,
    check_same_arrays,
    frames_needed,
    infer,
    named,
    rollout,
    takes_true_actions,
)

WINDOW = 12
"""Frames of a window."""
_NORMS = {"shift": np.array([64, 32]) / 2, "background_shift": np.array([25, 25]) / 2}
"""Pixels per unit of the released labels."""


def figures(
    truth: Arrays, arrays: Arrays, character_n: NDArray[np.integer], soft_iou_nt: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """The released figures of arrays, of clips or of windows, against `truth`: the true ones, with local actions as codes.

    NMI of codes, pooled ("global NMI") and averaged over characters ("local NMI"); for each shift the mean error in px and the angle match,
    the share of moving transitions within 45 degrees; soft IoU of masks.
    """
    values = {}
    if "codes" in arrays:
        code, local = arrays["codes"], truth["codes"]
        k, size = int(code.max()) + 1, int(local.max()) + 1
        values["global NMI"] = float(nmi(information(actions.table(code, local, k, size)))[0])
        values["local NMI"] = float(actions.mean_of(nmi(information_within(character_n, code, local))))
    for name in _NORMS:
        if name in arrays:
            moves = np.any(truth[name] != 0, -1)
            values[f"{name} norm, px"] = float(motion.error(arrays[name], truth[name]).mean())
            match = motion.within_45_degrees(arrays[name], truth[name])[moves]
            values[f"{name} angle match"] = float(match.mean()) if match.size else float("nan")
    if soft_iou_nt is not None:
        values["masks soft IoU"] = float(soft_iou_nt.mean())
    return values


def as_released(truth: Arrays, arrays: Arrays) -> dict[str, float]:
    """The two shift norms in the units of the release: pixels minus normalised labels."""
    names = sorted(_NORMS.keys() & arrays.keys())
    return {f"{name} norm as released": float(motion.error(arrays[name], truth[name] / _NORMS[name]).mean()) for name in names}


def generated(model: Model, part: Part, *, progress: Callable[[int], object] = lambda _: None) -> dict[str, dict[str, float]]:
    """The figures "RE" and "CO" of a model that generates, over all windows of 12 that lie side by side in the clips of a part.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    assert isinstance(model, Controllable)
    length = min(WINDOW, part.spec.frames)
    windows = replace(part, world=part.world.replace(frames=length))
    begins = range(0, part.spec.frames - length + 1, length)
    # A rollout begins with the last true frames until the first one of its window; the first of the clip is repeated where none is before.
    given = [np.maximum(np.arange(at - frames_needed(model), at) + 1, 0) for at in begins]
    rows: list[tuple[Arrays, Arrays]] = []
    overlaps: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for first in range(0, len(part), BATCH):
        # What the model infers from true windows, and from what it generates with that.
        clips = [part.clip(n) for n in range(first, min(first + BATCH, len(part)))]
        frames = np.stack([clip.frames_thwc[at : at + length] for clip in clips for at in begins]).transpose(0, 1, 4, 2, 3)
        read = infer(model, frames, windows)
        true_frames = np.stack([clip.frames_thwc[rows] for clip in clips for rows in given]).transpose(0, 1, 4, 2, 3)
        video = rollout(model, true_frames, actions_of(read), read.get("shift")).transpose(0, 1, 4, 2, 3)
        again = infer(model, np.concatenate([frames[:, :1], video], 1), windows)
        check_same_arrays(read, again)
        if "masks" in read:
            true = [clip.masks_thw[at : at + length] for clip in clips for at in begins]
            triples = zip(true, read.pop("masks"), again.pop("masks"), strict=True)
            overlaps += [(masks.soft_iou(after, mask), masks.soft_iou(after, before)) for mask, before, after in triples]
        for arrays in (read, again):
            arrays.pop("background_shift", None)
        rows.append((read, again))
        progress(len(clips))
    reading, again = ({name: np.concatenate([row[which][name] for row in rows]) for name in rows[0][which]} for which in (0, 1))
    true_windows = {
        name: np.stack([values[n, at : at + length - 1] for n in range(len(part)) for at in begins]) for name, values in truth(part).items()
    }
    character_w = np.repeat(part.script.character, len(begins))
    to_true, to_own = (np.stack(values) for values in zip(*overlaps, strict=True)) if overlaps else (None, None)
    return {"RE": figures(true_windows, again, character_w, to_true), "CO": figures(reading, again, character_w, to_own)}


def truth(part: Part) -> Arrays:
    """The arrays of a perfect model: local actions as codes, and both shifts."""
    return {**baselines.arrays("oracle", part), "codes": part.sources().labels[1]}


def clips_to_do(model: Model | Predictions, data: Data) -> int:
    """The number of clips that `table` reports to its progress in all."""
    return len(data.scored) * (2 if isinstance(model, Controllable) else 1)


def table(model: Model | Predictions, data: Data, name: str, *, progress: Callable[[int], object] = lambda _: None) -> str:
    """The released figures of a model as text, beside those of a perfect model, of one that predicts 0, and of random codes.

    Raises:
        UserError: the model does not follow the protocol, or infers nothing that this evaluation scores.
        ForeignError: the model raised an exception.
    """
    with named(name):
        columns = _columns(model, data, name, progress)
    lines = ["".join([f"{'released protocol':<32}", *(f" {who:>{max(9, len(who))}}" for who in columns)])]
    for key in columns[name]:
        cells = (f" {columns[who][key]:{max(9, len(who))}.3f}" if key in columns[who] else " " * (1 + max(9, len(who))) for who in columns)
        lines.append(f"{key:<32}{''.join(cells)}".rstrip())
    return "\n".join(lines)


def _columns(model: Model | Predictions, data: Data, name: str, progress: Callable[[int], object]) -> dict[str, dict[str, float]]:
    if takes_true_actions(model):
        raise ProtocolError("rollout_actions is 'true', and this protocol generates from what a model infers; use 'wsprites' or 'caddy'")
    part, true = data.scored, truth(data.scored)
    arrays, mask_values = collect(model, part, progress=progress, fit=data.fit)
    k = int(arrays["codes"].max()) + 1 if "codes" in arrays else 1
    predicted = {
        name: arrays,
        "perfect": true,
        "says 0": {**baselines.arrays("majority", part), "codes": np.zeros_like(true["codes"])},
        "random": {"codes": baselines.codes("random", data, "local", k)[1]},
    }
    columns = {who: figures(true, values, part.script.character) | as_released(true, values) for who, values in predicted.items()}
    if mask_values:
        columns[name] = figures(true, arrays, part.script.character, mask_values["model"]["soft_iou"]) | as_released(true, arrays)
    if not columns[name]:
        raise ProtocolError("infers neither codes, shifts nor masks; the released protocol has no other scores")
    if isinstance(model, Controllable) and isinstance(model, Model):
        columns |= generated(model, part, progress=progress)
    return columns
