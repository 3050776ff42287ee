"""Changes that both frames of a pair share: in time, left and right, of size and of colour. Pairs are (B, 2, 3, H, W) in [0, 1]."""

import math

import torch
from torch import Tensor

from glass_model.articulated.geometry import grid, sample

_COLOUR, _HUE = 0.1, {"photo": 0.1, "strong": 0.5}
_SIZE = 0.1
_GREY = (0.299, 0.587, 0.114)


def changed(pairs: Tensor, kind: str) -> Tensor:
    """Pairs after random changes.

    Half of them are reversed in time; of the others, half are mirrored. "photo" and "strong" then change brightness, contrast, saturation
    and hue, "strong" before that the size, by a zoom into a random place or out of the frame.

    Args:
        pairs: (B, 2, 3, H, W).
        kind: "none", "flip", "photo" or "strong"; see `TrainConfig.augment`.
    """
    if kind == "none":
        return pairs
    drawn = torch.rand(2, len(pairs), 1, 1, 1, 1, device=pairs.device) < 0.5
    pairs = torch.where(drawn[0], pairs.flip(1), torch.where(drawn[1], pairs.flip(-1), pairs))
    if kind == "strong":
        pairs = _resized(pairs)
    return pairs if kind == "flip" else _coloured(pairs, _HUE[kind])


def _resized(pairs: Tensor) -> Tensor:
    """Pairs seen at 0.9 to 1.1 of their size; what is larger is cropped at a random place, what is smaller is reflected around."""
    batch, device = len(pairs), pairs.device
    size = 1 + _SIZE * (2 * torch.rand(batch, 1, 1, 1, device=device) - 1)
    middle = (2 * torch.rand(batch, 1, 1, 2, device=device) - 1) * (1 - 1 / size).abs()
    at = grid(pairs.shape[-2], pairs.shape[-1], pairs) / size + middle
    return sample(pairs.flatten(1, 2), at, "reflection").view(pairs.shape)


def _coloured(pairs: Tensor, hue: float) -> Tensor:
    """Brightness, contrast and saturation by up to a tenth, and the hue by up to `hue` of a turn, as a rotation about the grey axis."""
    shape, device = (len(pairs), 1, 1, 1, 1), pairs.device
    brightness, contrast, saturation = (1 + _COLOUR * (2 * torch.rand(shape, device=device) - 1) for _ in range(3))
    x = pairs * brightness
    x = x.mean((1, 2, 3, 4), keepdim=True).lerp(x, contrast)
    weights = torch.stack([torch.full((1, 1), weight, device=device) for weight in _GREY])
    grey = (x * weights).sum(2, keepdim=True)
    x = grey.lerp(x, saturation)
    # Rodrigues' formula about (1, 1, 1): the cross product with it, divided by the root of 3, is a difference of neighbours.
    angle = 2 * math.pi * hue * (2 * torch.rand(shape, device=device) - 1)
    middle = x.mean(2, keepdim=True)
    across = (x.roll(1, 2) - x.roll(-1, 2)) / math.sqrt(3)
    return (middle + (x - middle) * angle.cos() + across * angle.sin()).clamp(0, 1)
