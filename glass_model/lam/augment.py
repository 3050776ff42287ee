"""Augmentation of sequences: a shift and a change of brightness of all frames, and earlier frames for the forward model."""

from typing import NamedTuple

import torch
from torch import Tensor

_PIXELS, _BRIGHTNESS = 4, 0.1  # largest shift in pixels of what the networks see, and largest change of brightness of 1


class Change(NamedTuple):
    """What happens to all frames of each of B sequences."""

    shift: Tensor
    """(B, 2) int64, (x, y) pixels."""
    brightness: Tensor
    """(B,) what is added."""


def draw(batch: int, device: torch.device) -> Change:
    """A change of every sequence: shifts of up to 4 pixels in x and in y, brightness by up to a tenth."""
    shift = torch.randint(-_PIXELS, _PIXELS + 1, (batch, 2), device=device)
    return Change(shift, (2 * torch.rand(batch, device=device) - 1) * _BRIGHTNESS)


def moved(images: Tensor, shift: Tensor) -> Tensor:
    """Images (B, T, C, h, w) moved by (x, y) pixels, (B, 2) int64; the edge is repeated.

    Example:
        >>> moved(torch.arange(4.0).view(1, 1, 1, 1, 4), torch.tensor([[1, 0]])).flatten().tolist()
        [0.0, 0.0, 1.0, 2.0]
    """
    height, width = images.shape[-2:]
    y = (torch.arange(height, device=shift.device) - shift[:, 1:]).clamp(0, height - 1)
    x = (torch.arange(width, device=shift.device) - shift[:, :1]).clamp(0, width - 1)
    row = torch.arange(len(images), device=shift.device)[:, None, None]
    return images.permute(0, 3, 4, 1, 2)[row, y[:, :, None], x[:, None]].permute(0, 3, 4, 1, 2)


def changed(images: Tensor, change: Change) -> Tensor:
    """Images (B, T, C, h, w) after a change."""
    return moved(images, change.shift) + change.brightness[:, None, None, None, None]


def disguised(images: Tensor) -> Tensor:
    """Images (B, T, 3, h, w) in [-0.5, 0.5] with other colours and at another place, the same in all frames of a sequence.

    Channels are permuted, multiplied by 0.4 to 1.2 and shifted by up to 0.2 each; the place moves by up to 2 pixels in x and in y.
    """
    batch, device = len(images), images.device
    order = torch.rand(batch, 3, device=device).argsort(1)
    factor, plus = 0.4 + 0.8 * torch.rand(batch, 3, device=device), 0.4 * torch.rand(batch, 3, device=device) - 0.2
    row = torch.arange(batch, device=device)[:, None]
    images = images.transpose(1, 2)[row, order].transpose(1, 2) * factor[:, None, :, None, None] + plus[:, None, :, None, None]
    return moved(images, torch.randint(-2, 3, (batch, 2), device=device))


def behind(sample: dict[str, Tensor], k: int, reach: int, most: int) -> dict[str, Tensor]:
    """Take the last transition of each sequence after older frames: k frames up to t - i, k up to t, and those up to t + `reach`.

    Args:
        sample: arrays with axes (B, T), such as frames, which are gathered, and (B,), which are kept.
        k: frames up to t that are needed.
        reach: frames after t that are needed.
        most: i is drawn from 0 to this, k + reach + most <= T.

    Example:
        >>> behind({"shift": torch.tensor([[0, 1, 2, 3]])}, 1, 1, 0)["shift"].tolist()
        [[2, 2, 3]]
    """
    batch, length = sample[next(iter(sample))].shape[:2]
    device = sample[next(iter(sample))].device
    last = torch.arange(length - reach - k, length, device=device).expand(batch, -1)
    frame = torch.cat([last[:, :k] - torch.randint(most + 1, (batch, 1), device=device), last], 1)
    row = torch.arange(batch, device=device)[:, None]
    return {name: array if array.ndim == 1 else array[row, frame] for name, array in sample.items()}
