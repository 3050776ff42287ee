"""The evaluation that was released with GLASS, with its units mended.

There, labels were stored in normalised coordinates, 2 dx / 64 and 2 dy / 32 for the sprite and 2 d / 25 for the scene, predictions were
turned into pixels, and the two were subtracted: a perfect model gets a "global shift norm" of 3.8, one that always says 0 gets 0.17. Here
both are in pixels, and the figure as it was released stands beside. All transitions count once; there, 4,000 windows of 12 were drawn.

A model that generates does so from the first frame of each window of 12 with its own actions, and reads what it made: RE compares that
reading with the truth, CO with its reading of the true frames. CO is agreement of a model with itself: codes that are hidden somewhere in
the picture are found again as well. The scene stands still in what is generated, since a model here is not told how it moves.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import baselines as controls
from wsprites.bench.data import Data, Part
from wsprites.bench.evaluate import BATCH, collect
from wsprites.bench.metrics import actions, masks, motion
from wsprites.bench.protocol import Arrays, Controllable, Model, Predictions, infer, rollout
from wsprites.bench.rollouts import actions_of
from wsprites.errors import UserError

WINDOW = 12
_NORMS = {"shift": np.array([64, 32]) / 2, "background_shift": np.array([25, 25]) / 2}


def figures(
    truth: Arrays, arrays: Arrays, character_n: NDArray[np.integer], soft_iou_nt: NDArray[np.float64] | None = None
) -> dict[str, float]:
    """The released figures of arrays, of clips or of windows, against `truth`: the true ones, with local actions as codes.

    NMI of codes, pooled ("global NMI") and averaged over characters ("local NMI"); for each shift the mean error in px and the angle match,
    the share of moving transitions within 45 degrees; soft IoU of masks.
    """
    found = {}
    if "codes" in arrays:
        code, local = arrays["codes"], truth["codes"]
        k, size = int(code.max()) + 1, int(local.max()) + 1
        found["global NMI"] = float(actions.nmi(actions.table(code, local, k, size)))
        found["local NMI"] = actions.per_character(code, local, character_n, k, size)["per_character.nmi"].value
    for name in _NORMS:
        if name in arrays:
            moves = np.any(truth[name] != 0, -1)
            found[f"{name} norm, px"] = float(motion.error(arrays[name], truth[name]).mean())
            match = motion.within_45_degrees(arrays[name], truth[name])[moves]
            found[f"{name} angle match"] = float(match.mean()) if match.size else float("nan")
    if soft_iou_nt is not None:
        found["masks soft IoU"] = float(soft_iou_nt.mean())
    return found


def as_released(truth: Arrays, arrays: Arrays) -> dict[str, float]:
    """The two shift norms in the units of the release: pixels minus normalised labels."""
    known = _NORMS.keys() & arrays.keys()
    return {f"{name} norm as released": float(motion.error(arrays[name], truth[name] / _NORMS[name]).mean()) for name in sorted(known)}


def generated(model: Model, part: Part, where: str, progress: Callable[[int], object] = lambda _: None) -> dict[str, dict[str, float]]:
    """The figures "RE" and "CO" of a model that generates, over all windows of 12 that lie side by side in the clips of a part.

    Raises:
        UserError: the model does not follow the protocol; `where` names it in the message.
    """
    assert isinstance(model, Controllable)
    length = min(WINDOW, part.spec.frames)
    of_windows = replace(part, world=part.world.replace(frames=length))
    begins = range(0, part.spec.frames - length + 1, length)
    rows: list[tuple[Arrays, Arrays]] = []
    overlap: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
    for first in range(0, len(part), BATCH):
        clips = [part.clip(n) for n in range(first, min(first + BATCH, len(part)))]
        frames = np.stack([clip.frames_thwc[at : at + length] for clip in clips for at in begins]).transpose(0, 1, 4, 2, 3)
        read = infer(model, where, frames, of_windows)
        video = rollout(model, where, frames[:, 0], actions_of(read, where), read.get("shift")).transpose(0, 1, 4, 2, 3)
        again = infer(model, where, np.concatenate([frames[:, :1], video], 1), of_windows)
        if "masks" in read:
            true = [clip.masks_thw[at : at + length] for clip in clips for at in begins]
            of_read, of_again = read.pop("masks"), again.pop("masks")
            overlap += [(masks.soft_iou(c, a), masks.soft_iou(c, b)) for a, b, c in zip(true, of_read, of_again, strict=True)]
        for arrays in (read, again):
            arrays.pop("background_shift", None)
        rows.append((read, again))
        progress(len(clips))
    reading, again = ({name: np.concatenate([row[which][name] for row in rows]) for name in rows[0][which]} for which in (0, 1))
    wanted = truth(part)
    of_window = {
        name: np.stack([values[n, at : at + length - 1] for n in range(len(part)) for at in begins]) for name, values in wanted.items()
    }
    character_w = np.repeat(part.script.character, len(begins))
    to_true, to_own = (np.stack(values) for values in zip(*overlap, strict=True)) if overlap else (None, None)
    return {"RE": figures(of_window, again, character_w, to_true), "CO": figures(reading, again, character_w, to_own)}


def truth(part: Part) -> Arrays:
    """What a perfect model infers: local actions as codes, and both shifts."""
    return {**controls.arrays("oracle", part), "codes": part.sources().labels[1]}


def clips_to_do(model: Model | Predictions, data: Data) -> int:
    """How many clips `table` tells its progress of."""
    return len(data.scored) * (2 if isinstance(model, Controllable) else 1)


def table(model: Model | Predictions, data: Data, name: str, progress: Callable[[int], object]) -> str:
    """The released figures of a model as text, beside those of a perfect one, of one that says 0, and of random codes."""
    part, wanted = data.scored, truth(data.scored)
    arrays, found_masks = collect(model, part, name, progress)
    k = int(arrays["codes"].max()) + 1 if "codes" in arrays else 1
    zero = {**controls.arrays("majority", part), "codes": np.zeros_like(wanted["codes"])}
    random = {"codes": controls.codes("random", data, "local", k)[1]}
    columns = {
        who: figures(wanted, of, part.script.character, iou) | as_released(wanted, of)
        for who, of, iou in (
            (name, arrays, found_masks["model"]["soft_iou"] if found_masks else None),
            ("perfect", wanted, None),
            ("says 0", zero, None),
            ("random", random, None),
        )
    }
    if not columns[name]:
        raise UserError(f"{name}: infers neither codes, shifts nor masks; the released protocol knows no other scores")
    if isinstance(model, Controllable) and isinstance(model, Model):
        columns |= generated(model, part, name, progress)
    lines = ["".join([f"{'released protocol':<32}", *(f" {who:>{max(9, len(who))}}" for who in columns)])]
    for key in columns[name]:
        cells = (f" {columns[who][key]:{max(9, len(who))}.3f}" if key in columns[who] else " " * (1 + max(9, len(who))) for who in columns)
        lines.append(f"{key:<32}{''.join(cells)}".rstrip())
    return "\n".join(lines)
