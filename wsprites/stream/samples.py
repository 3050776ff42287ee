"""Samples: dicts of tensors, and how windows become batches."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import default_collate, get_worker_info
from torch.utils.data._utils.collate import default_collate_fn_map

from wsprites.errors import ArgumentError, UserError

Sample = dict[str, Tensor]
"""A window, or a batch of windows with a leading axis, by the names of the arrays."""

PIXELS = ("frames", "masks")


class Window(Sample):
    """A window of a stream."""


class Batch(Sample):
    """A batch of a stream."""


class Windows(list[Sample]):
    """The windows of a batch of a file, for any `collate_fn`; `whole` is the collated batch, whose memory they share."""

    def __init__(self, whole: Sample) -> None:
        self.whole = whole
        super().__init__(dict(zip(whole, row, strict=True)) for row in zip(*(tensor.unbind() for tensor in whole.values()), strict=True))


def collate(samples: Sequence[Sample]) -> Sample:
    """Collate windows to a batch, for DataLoader(collate_fn=collate). Torch's default would change the memory format of the frames.

    Raises:
        UserError: the samples are batches, or windows of a stream that several workers read.
    """
    if isinstance(samples, Windows):
        return samples.whole
    _check(samples)
    stacked = default_collate([{name: _to_last(name, tensor) for name, tensor in sample.items()} for sample in samples])
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in stacked.items()}


def _check(samples: Sequence[Sample]) -> None:
    """Raise UserError for batches of batches, and for batches whose windows depend on the number of workers."""
    if any(isinstance(sample, Batch) for sample in samples):
        raise UserError("a DataLoader that makes batches of batches: pass batch_size=None to the DataLoader of RenderedClips(batch=...)")
    worker = get_worker_info()
    if worker and worker.num_workers > 1 and len(samples) > 1 and isinstance(samples[0], Window):
        raise UserError(
            "with several workers, batches that a DataLoader collates from single windows depend on the number of workers: "
            f"pass batch={len(samples)} to RenderedClips and batch_size=None to the DataLoader"
        )


def _collate_stream(samples: Sequence[Sample], *, collate_fn_map: Any = None) -> Sample:
    """What `default_collate` calls for windows and batches of a stream."""
    _check(samples)
    return {name: torch.stack([sample[name] for sample in samples]) for name in samples[0]}


default_collate_fn_map.update({Window: _collate_stream, Batch: _collate_stream})


def starts(frames: int, window: int) -> int:
    """The number of windows of so many frames in a clip. Raises ArgumentError if there are none."""
    if isinstance(window, bool) or not isinstance(window, int):
        raise ArgumentError("window", f"{window!r} is not a whole number")
    if not 1 <= window <= frames:
        raise ArgumentError("window", f"{window} is outside the range 1 to {frames}, the frames of a clip")
    return frames - window + 1


def tensors(arrays: dict[str, Any]) -> Sample:
    """Tensors of arrays of any shape and dtype; colour is moved before height and width, without moving memory."""
    of_arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return {name: tensor.movedim(-1, -3) if name == "frames" else tensor for name, tensor in of_arrays.items()}


def _to_last(name: str, tensor: Tensor) -> Tensor:
    return tensor.movedim(-3, -1) if name == "frames" else tensor
