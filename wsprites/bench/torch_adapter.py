"""A torch module that reads windows of frames, as a model of the benchmark. Needs the extra `torch`."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from wsprites.bench.protocol import ARRAYS, ProtocolError
from wsprites.errors import ArgumentError
from wsprites.fields import whole

_SHIFTS = ("shift", "background_shift")


class PairModel:
    """A torch module that maps pairs of frames to codes, as a model for `wsprites.bench.evaluate` and `predict`.

    The module is called with windows of consecutive frames, (N, window, 3, h, w) float32, whose last two frames are the transition: for
    pairs, `x[:, 0]` is the frame before and `x[:, 1]` the frame after. It returns a tensor, (N,) integers as codes or (N, D) floats as
    vectors, or a dict of such by the names that `Model.infer` has: `codes`, `vectors`, `shift`, `background_shift`. It is called in eval
    mode, without gradients, on the device of its parameters, and is left in the mode that it was in.

    Args:
        module: the module.
        codes: number of codes, K; None: the largest code that occurs decides.
        size: (height, width) that frames are scaled to, by area where they shrink; None: as they are. Shifts are in pixels of frames of
            this size, and are scaled back.
        value_range: what the bytes 0 and 255 become.
        window: frames per window, 2 or more. In front of a clip its first frame is repeated.
        batch: windows per call.

    Raises:
        ArgumentError: an impossible argument. `infer` raises ProtocolError for another result of the module.

    Example:
        >>> class Brightness(nn.Module):
        ...     def forward(self, x):
        ...         return (x[:, 1].mean((1, 2, 3)) > x[:, 0].mean((1, 2, 3))).long()
        >>> frames = np.zeros((1, 3, 3, 8, 8), np.uint8)
        >>> frames[:, 1] = 9
        >>> PairModel(Brightness(), codes=2).infer(frames)
        {'codes': array([[1, 0]])}
    """

    def __init__(
        self,
        module: nn.Module,
        *,
        codes: int | None = None,
        size: tuple[int, int] | None = None,
        value_range: tuple[float, float] = (0.0, 1.0),
        window: int = 2,
        batch: int = 64,
    ) -> None:
        low, high = value_range
        if not low < high:
            raise ArgumentError("value_range", f"{value_range} does not grow; expected such as (0, 1) or (-1, 1)")
        self.module, self.codes = module, codes
        self._size = None if size is None else (whole("size", size[0], 1, 2**14), whole("size", size[1], 1, 2**14))
        self._low, self._high = float(low), float(high)
        self._window, self._batch = whole("window", window, 2, 2**10), whole("batch", batch, 1, 2**20)

    def infer(self, frames_btchw: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """What the module infers from clips, (B, T, 3, H, W) uint8: arrays (B, T - 1, ...) by name. Raises ProtocolError."""
        clips, count, _, height, width = frames_btchw.shape
        with _evaluating(self.module) as device:
            frames = self._scaled(torch.from_numpy(np.ascontiguousarray(frames_btchw)).to(device))
            # Windows that end at the frames 1 to T - 1, from frames that are repeated in front.
            padded = torch.cat([frames[:, :1].expand(-1, self._window - 2, -1, -1, -1), frames], 1)
            windows = padded.unfold(1, self._window, 1).movedim(-1, 2).flatten(0, 1)
            parts = [_named(self.module(window), len(window)) for window in torch.split(windows, self._batch)]
            arrays = {name: torch.cat([part[name] for part in parts]).cpu().numpy() for name in parts[0]}
        scale = np.array([width / frames.shape[-1], height / frames.shape[-2]])
        arrays |= {name: arrays[name] * scale for name in _SHIFTS if name in arrays}
        return {name: array.reshape(clips, count - 1, *array.shape[1:]) for name, array in arrays.items()}

    def _scaled(self, frames: Tensor) -> Tensor:
        """Frames in the range and of the size of the module, float32."""
        values = frames.float() * ((self._high - self._low) / 255) + self._low
        if self._size is None or self._size == tuple(frames.shape[-2:]):
            return values
        flat, smaller = values.flatten(0, 1), self._size[0] <= frames.shape[-2] and self._size[1] <= frames.shape[-1]
        scaled = F.interpolate(flat, self._size, mode="area") if smaller else F.interpolate(flat, self._size, mode="bilinear")
        return scaled.reshape(*frames.shape[:3], *self._size)


@contextmanager
def _evaluating(module: nn.Module) -> Iterator[torch.device]:
    """Eval mode without gradients; yields the device of the module's parameters or buffers."""
    training = {part: part.training for part in module.modules()}  # parts may be frozen in eval mode
    held = next(iter((*module.parameters(), *module.buffers())), None)
    module.eval()
    try:
        with torch.no_grad():
            yield held.device if held is not None else torch.device("cpu")
    finally:
        for part, mode in training.items():
            part.training = mode


def _named(result: object, windows: int) -> dict[str, Tensor]:
    """What a module returned, by the names of the benchmark's arrays."""
    if isinstance(result, Tensor):
        result = {"vectors" if result.is_floating_point() else "codes": result}
    if not isinstance(result, Mapping) or not result or not all(isinstance(tensor, Tensor) for tensor in result.values()):
        raise ProtocolError(f"the module returned {type(result).__name__}; expected a tensor, or a dict of tensors by name")
    names = [name for name in ARRAYS if name != "masks"]
    if unknown := result.keys() - {*names}:
        raise ProtocolError(f"the module returned {', '.join(map(str, unknown))}; expected some of {', '.join(names)}")
    for name, tensor in result.items():
        axes = 1 if name == "codes" else 2
        if tensor.ndim != axes or len(tensor) != windows:
            raise ProtocolError(f"{name} of the module has the shape {tuple(tensor.shape)}; expected ({windows}{', D' * (axes - 1)})")
    return {name: tensor.float() if tensor.is_floating_point() else tensor for name, tensor in result.items()}
