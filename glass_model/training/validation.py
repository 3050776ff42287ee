"""Scores on the val split in the course of training, for people: no loss sees them. Axes: n windows, t frames or transitions.

What is scored are 48 windows of 12 frames, of clips of a seed of their own with the world and art of the run, or of the val split of its
data file. So its characters are neither those of training nor those of test. Windows are rendered whenever they are scored, from labels.
"""

import math
import os
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

import wsprites
from glass_model.systems import Playable
from glass_model.training.device import evaluated
from wsprites.art import World
from wsprites.bench.data import Part
from wsprites.bench.metrics import actions, motion
from wsprites.bench.metrics.masks import soft_iou
from wsprites.bench.protocol import BATCH
from wsprites.file import DataFile
from wsprites.world.script import LABELS, Script, scripts, split_indices

WINDOWS, FRAMES = 48, 12
"""Windows that are scored and frames of each: at most, where a file has few clips, or short ones."""
_SPLIT, _SEED = "val", 20_221_023
_LOCAL = actions.SOURCES.index("local")


class Scores(NamedTuple):
    """Scores of a model under the benchmark's definitions; None for what it does not infer, or what is not defined or not finite."""

    mask_iou: float | None = None
    """Soft IoU of the masks, mean over frames, 0 to 1: `masks.soft_iou` of the benchmark."""
    shift_error: float | None = None
    """Mean distance of the character's shift from the true one, pixels: `shift.mean`."""
    background_shift_error: float | None = None
    """Mean distance of the scene's shift, pixels: `background_shift.mean`."""
    local_ami: float | None = None
    """Adjusted mutual information of codes and local actions, at most 1; 0 is chance: `local.ami`."""
    standing_ami: float | None = None
    """AMI over the transitions in which the character stands, where a code of the direction has 0: `local.standing.ami`."""
    codes_used: int | None = None
    """Number of different codes."""
    codes: int = 0
    """K, the number of codes of the model; 0 for a model without."""

    def metrics(self) -> dict[str, float]:
        """The scores that there are, by their names in metrics.jsonl, which begin with `val_`."""
        return {f"val_{name}": value for name, value in self._asdict().items() if value is not None and name != "codes"}

    def short(self) -> dict[str, str]:
        """A few of them for a progress bar.

        Example:
            >>> Scores(mask_iou=0.672, shift_error=0.8).short()
            {'iou': '0.67', 'shift': '0.80px'}
        """
        shown = {"iou": (self.mask_iou, ""), "shift": (self.shift_error, "px"), "ami": (self.local_ami, "")}
        return {name: f"{value:.2f}{unit}" for name, (value, unit) in shown.items() if value is not None}

    def __str__(self) -> str:
        """All of them in a line.

        Example:
            >>> str(Scores(mask_iou=0.672, local_ami=0.041, standing_ami=0.02, codes_used=4, codes=6))
            'soft IoU 0.672, local AMI 0.04 (standing 0.02), 4 of 6 codes'
        """
        standing = "" if self.standing_ami is None else f" (standing {self.standing_ami:.2f})"
        shown = (
            (self.mask_iou, "soft IoU {:.3f}"),
            (self.shift_error, "shift error {:.2f} px"),
            (self.background_shift_error, "scene {:.2f} px"),
            (self.local_ami, "local AMI {:.2f}" + standing),
            (self.codes_used, f"{{}} of {self.codes} codes"),
        )
        return ", ".join(form.format(value) for value, form in shown if value is not None)


class Validation:
    """Windows of clips with labels, and the scores of any `Playable` on them.

    Args:
        world: what the clips are rendered from.
        script: (N, T) labels of one or more clips of two or more frames.
    """

    def __init__(self, world: World, script: Script) -> None:
        self.part = Part(_SPLIT, world, _windows(script))
        """The windows, as clips of the benchmark."""

    def __str__(self) -> str:
        windows, frames = self.part.script.global_action.shape
        return f"{windows} windows of {frames} frames of {_SPLIT}"

    def scores(self, network: nn.Module, device: torch.device) -> Scores:
        """Score a network that is `Playable`, in eval mode, and leave it as it was.

        Args:
            network: in any mode.
            device: where the network is.
        """
        with evaluated(network) as model:
            arrays, iou_nt = self._infer(model, device)
        code_nt = arrays.get("codes")
        ami, standing_ami = (None, None) if code_nt is None else self._ami(code_nt)
        return Scores(
            mask_iou=_mean(np.concatenate(iou_nt)) if iou_nt else None,
            shift_error=self._error("shift", arrays),
            background_shift_error=self._error("background_shift", arrays),
            local_ami=ami,
            standing_ami=standing_ami,
            codes_used=None if code_nt is None else len(np.unique(code_nt)),
            codes=model.controls.codes,
        )

    def _infer(self, model: Playable[Any], device: torch.device) -> tuple[dict[str, NDArray[Any]], list[NDArray[np.float64]]]:
        """The arrays that a model infers from all windows, without masks, and (T,) the soft IoU of the masks of each window."""
        rows: list[dict[str, NDArray[Any]]] = []
        iou_nt: list[NDArray[np.float64]] = []
        for first in range(0, len(self.part), BATCH):
            clips = [self.part.clip(n) for n in range(first, min(first + BATCH, len(self.part)))]
            frames = torch.from_numpy(np.stack([clip.frames_thwc for clip in clips])).to(device).movedim(-1, -3)
            arrays = {name: array.cpu().numpy() for name, array in model.infer(frames)._asdict().items() if array is not None}
            if "masks" in arrays:
                iou_nt += [soft_iou(mask, clip.masks_thw) for mask, clip in zip(arrays.pop("masks"), clips, strict=True)]
            rows.append(arrays)
        return {name: np.concatenate([row[name] for row in rows]) for name in rows[0]}, iou_nt

    def _error(self, name: str, arrays: dict[str, NDArray[Any]]) -> float | None:
        """Mean distance of `shift` or `background_shift` from the true one, pixels."""
        return _mean(motion.error(arrays[name], getattr(self.part.script, name)[:, 1:])) if name in arrays else None

    def _ami(self, code_nt: NDArray[np.int64]) -> tuple[float | None, float | None]:
        """AMI of all transitions, and of those in which the character stands."""
        if len(code_nt) < 2:
            return None, None  # the information by chance is that of codes beside the labels of other windows
        laid = actions.Laid(code_nt, self.part.sources(), int(code_nt.max()) + 1)
        value, _ = actions.values(laid, laid, [_LOCAL])
        return _mean(value["local.ami"]), _mean(value["local.standing.ami"])


def of_world(world: World) -> Validation | None:
    """Windows of the val split of a world; None if it has no characters.

    Example:
        >>> from wsprites.art import load_world
        >>> validation = of_world(load_world("factorial"))
        >>> validation.part.script.shift.shape
        (48, 12, 2)
    """
    spec = world.spec
    member_c = split_indices(spec, _SEED, spec.cast.characters)[_SPLIT]  # a clip of each character
    if not len(member_c):
        return None
    rounds, member = np.divmod(np.arange(WINDOWS), len(member_c))
    return Validation(world, scripts(spec, _SEED, member_c[member] + rounds * spec.cast.characters))


def of_file(path: str | os.PathLike[str]) -> Validation | None:
    """Windows of the val split of a data file; None if it is empty, or if the file holds imported videos, which have no labels.

    Raises:
        UserError: the file cannot be read, or its labels or its art are damaged.
    """
    with wsprites.open(path) as data:
        if not isinstance(data, DataFile) or not len(data[_SPLIT]):
            return None
        return Validation(data.world, next(data[_SPLIT].blocks())[:WINDOWS])


def _windows(script: Script) -> Script:
    """Windows of N clips: one of each, or several that do not overlap if there are few. Some begin early in their clip, some late."""
    clips, length = script.global_action.shape
    frames = min(length, FRAMES)
    count = min(WINDOWS, max(clips, clips * (length // frames - 1) + 1))
    window_n = np.arange(count)
    first_n = window_n * (length - frames) // max(count - 1, 1)
    windows = [script[int(n) % clips, first : first + frames] for n, first in zip(window_n, first_n, strict=True)]
    return Script(**{name: np.stack([getattr(window, name) for window in windows]) for name in LABELS})


def _mean(values: Any) -> float | None:
    """The mean as a number for JSON; None if it is not finite."""
    mean = float(np.mean(values))
    return mean if math.isfinite(mean) else None
