"""Checkpoints of every system as models of the benchmark."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glass_model.images import to_bytes
from glass_model.systems import Action, Driven, Observing, Playable
from glass_model.training.checkpoint import load as load_checkpoint


class PlayableModel:
    """A Playable under the benchmark's protocol `Model`: arrays of numpy instead of tensors.

    Args:
        model: on `device`, in eval mode.
        device: where frames are moved to.
    """

    def __init__(self, model: Playable[Any], device: str) -> None:
        self._model, self._device = model, device
        self.controls = model.controls
        """The parts of an action that `step` takes."""
        self.codes = model.controls.codes or None
        """K, the number of codes; None for a model without."""

    def infer(self, frames_btchw: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """The arrays that the model infers, by the benchmark's names, from (B, T, 3, H, W) uint8."""
        reading = self._model.infer(self._tensor(frames_btchw))
        return {name: array.cpu().numpy() for name, array in reading._asdict().items() if array is not None}

    def start(self, frame_bchw: NDArray[np.uint8]) -> Any:
        """The state of videos that begin with frames, (B, 3, H, W) uint8."""
        return self._model.start(self._tensor(frame_bchw))

    def step(self, state: Any, parts: Mapping[str, NDArray[Any]]) -> tuple[NDArray[np.uint8], Any]:
        """The next frames, (B, 3, H, W) uint8, and the next state. The state that is passed is not changed.

        Args:
            state: of `start` or of another step.
            parts: the fields of an `Action` that are given, by name: codes as integers, all others as floats.

        Raises:
            ArgumentError: a part that the model does not take, a missing one, or one of a wrong shape or range.
        """
        kinds = {name: np.int64 if name == "codes" else np.float32 for name in parts}
        frame, after = self._model.step(state, Action(**{name: self._tensor(part.astype(kinds[name])) for name, part in parts.items()}))
        return to_bytes(frame).cpu().numpy(), after

    def _tensor(self, array: NDArray[Any]) -> torch.Tensor:
        return torch.from_numpy(array.copy()).to(self._device)  # copied: arrays of the benchmark may be read-only


class ControllableModel(PlayableModel):
    """A Playable that takes codes or vectors, under the benchmark's protocol `Controllable` as well."""

    def rollout(
        self, first_frame_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None
    ) -> NDArray[np.uint8]:
        """The frames after each step, (B, S, 3, H, W) uint8, from codes (B, S) or vectors (B, S, D). The scene stands still.

        The benchmark gives shifts to every model that infers them; one that takes none gets none.

        Raises:
            ArgumentError: codes for a model that takes vectors alone, or the reverse, or values out of range.
        """
        return self._played(first_frame_bchw[:, None], actions, shifts_bs2)

    def _played(self, true_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None) -> NDArray[np.uint8]:
        """What follows one true frame, or several, (B, C, 3, H, W), which only an `Observing` model can be shown."""
        kind, dtype = ("codes", np.int64) if actions.ndim == 2 else ("vectors", np.float32)
        true, acts = self._tensor(true_bchw), self._tensor(actions.astype(dtype))
        state = self._model.start(true[:, 0])
        takes_shifts = self._model.controls.shift
        shifts = self._tensor(shifts_bs2.astype(np.float32)) if takes_shifts and shifts_bs2 is not None else None
        frames = []
        for step in range(actions.shape[1]):
            if 0 < step < true.shape[1]:
                assert isinstance(self._model, Observing)
                state = self._model.observe(state, true[:, step])
            action = Action(shift=None if shifts is None else shifts[:, step])._replace(**{kind: acts[:, step]})
            frame, state = self._model.step(state, action)
            frames.append(to_bytes(frame).cpu().numpy())
        return np.stack(frames, 1)


class ContextualModel(ControllableModel):
    """An `Observing` Playable that takes codes or vectors, under the benchmark's protocol `Contextual` as well."""

    def rollout_with_context(
        self, true_frames_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None
    ) -> NDArray[np.uint8]:
        """As `rollout`, from several true frames, (B, C, 3, H, W) uint8: a step begins with the true frame as long as there is one."""
        return self._played(true_frames_bchw, actions, shifts_bs2)


class DrivenModel(ControllableModel):
    """A `Driven` Playable, which can follow another video as well: what the playground asks for."""

    def __init__(self, model: Playable[Any], device: str) -> None:
        super().__init__(model, device)
        assert isinstance(model, Driven)
        self._driven = model
        self.modes = tuple(model.modes)
        """Names of the ways to follow a video."""

    def drive(self, frame_bchw: NDArray[np.uint8], driving_btchw: NDArray[np.uint8], mode: str) -> NDArray[np.float32]:
        """The vectors of T steps, (B, T, D), that show frames, (B, 3, H, W) uint8, in the poses of videos, (B, T, 3, H', W') uint8.

        Raises:
            ArgumentError: no such mode, or one that the model has not learned.
        """
        return np.asarray(self._driven.drive(self._tensor(frame_bchw), self._tensor(driving_btchw), mode).cpu().numpy(), np.float32)


def load(path: Path) -> PlayableModel:
    """The model in a checkpoint, on a GPU if there is one. Raises UserError if the checkpoint cannot be used."""
    device = "cuda" if torch.cuda.is_available() else "cpu"
    model = load_checkpoint(path).model(device)
    generates = model.controls.codes or model.controls.vectors  # what the benchmark asks a rollout for
    if not generates:
        return PlayableModel(model, device)
    if isinstance(model, Driven):
        return DrivenModel(model, device)
    return (ContextualModel if isinstance(model, Observing) else ControllableModel)(model, device)
