"""A GLASS checkpoint as a model for the benchmark."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_TRANSITIONS = 11  # read at once; each is read from its two frames alone


class Glass:
    """Codes, code vectors, shifts and masks, and rollouts, of the weights in a safetensors file; on a GPU where there is one."""

    def __init__(self, path: Path) -> None:
        import torch

        from glass_model.training.checkpoint import load

        self._device = "cuda" if torch.cuda.is_available() else "cpu"
        self._model: Any = load(path).model(self._device)

    def infer(self, frames_btchw: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """All five arrays of the protocol."""
        import torch

        parts = []
        transitions = frames_btchw.shape[1] - 1
        for first in range(0, transitions, _TRANSITIONS):
            window = np.ascontiguousarray(frames_btchw[:, first : first + _TRANSITIONS + 1])
            read = self._model.infer(torch.from_numpy(window).to(self._device))
            arrays = read.codes, read.vectors, read.shifts, read.background_shifts, read.masks[:, 1:] if first else read.masks
            parts.append([array.cpu().numpy() for array in arrays])
        names = ("codes", "vectors", "shift", "background_shift", "masks")
        return {name: np.concatenate(pieces, 1) for name, pieces in zip(names, zip(*parts, strict=True), strict=True)}

    def rollout(
        self, first_frame_bchw: NDArray[np.uint8], codes_bs: NDArray[np.int64], shifts_bs2: NDArray[np.float64]
    ) -> NDArray[np.uint8]:
        """The frames after each step, before a scene that stands still."""
        import torch

        state = self._model.start(torch.from_numpy(np.ascontiguousarray(first_frame_bchw)).to(self._device))
        codes = torch.from_numpy(codes_bs.copy()).to(self._device)
        shifts = torch.from_numpy(shifts_bs2.astype(np.float32)).to(self._device)
        frames = []
        for step in range(codes.shape[1]):
            frame, state = self._model.step(state, shifts[:, step], codes[:, step])
            frames.append(((frame.clamp(-1, 1) + 1) * 127.5).round().to(torch.uint8).cpu().numpy())
        return np.stack(frames, 1)
