"""The figure window: a square that follows the foreground, in which the local motion analysis sees and draws it at a higher resolution.

The paper's LMA sees whole frames; docs/glass.md says why a model for small computers does not. Corners are (B, 2) int64 = (x, y) in pixels
of the frames that the model works on, and may lie outside of them: a window shows nothing, zeros, beyond the edge.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.blocks import by_sequence
from glass_model.glass.config import ModelConfig
from glass_model.glass.gma import Motion, move
from glass_model.images import downscale, to_normalised, to_pixels


class View(NamedTuple):
    """What the local motion analysis sees of sequences of T frames, without gradient."""

    foreground: Tensor
    """(B, T, 3, h, w) in [-1, 1]: the foreground, zeros around it."""
    mask: Tensor
    """(B, T, 1, h, w) in 0 to 1."""
    shift: Tensor
    """(B, T - 1, 2): motion of the foreground within the view, normalised to its size."""
    moved: Tensor
    """(B, T - 1, 3, h, w): foregrounds 0 to T - 2, moved by that to where they should be in the next view."""
    corner: Tensor | None = None
    """(B, T, 2) int64: the corners of the windows; None where the view is the whole frame."""


def crop(image: Tensor, corner: Tensor, size: tuple[int, int]) -> Tensor:
    """Cut a window out of each image, with zeros where it lies outside.

    With the corner -c and the size of a frame, this puts a window with the corner c back to where it was.

    Args:
        image: (B, C, H, W).
        corner: (B, 2) int64, (x, y) of the window's first pixel.
        size: (h, w) of the windows.

    Returns:
        (B, C, h, w).

    Example:
        >>> image = torch.arange(12.0).view(1, 1, 3, 4)
        >>> crop(image, torch.tensor([[2, -1]]), (2, 3))[0, 0].tolist()
        [[0.0, 0.0, 0.0], [2.0, 3.0, 0.0]]
    """
    batch, channels, height, width = image.shape
    device = image.device
    x, y = corner[:, :1] + torch.arange(size[1], device=device), corner[:, 1:] + torch.arange(size[0], device=device)
    inside = ((y >= 0) & (y < height))[:, None, :, None] & ((x >= 0) & (x < width))[:, None, None]
    of_batch = torch.arange(batch, device=device)[:, None, None, None]
    of_channel = torch.arange(channels, device=device)[None, :, None, None]
    return image[of_batch, of_channel, y.clamp(0, height - 1)[:, None, :, None], x.clamp(0, width - 1)[:, None, None]] * inside


def enlarge_mask(mask: Tensor, scale: int) -> Tensor:
    """Masks (B, 1, H, W) at `scale` times their size. Their logits are interpolated, so that edges stay sharp."""
    if scale == 1:
        return mask
    return F.interpolate(mask.clamp(1e-6, 1 - 1e-6).logit(), scale_factor=scale, mode="bilinear", align_corners=False).sigmoid()


def place(mask: Tensor, side: int) -> Tensor:
    """Corners (B, 2), float32, of windows of this side in the middle of which masks (B, 1, H, W) have their centre of mass.

    Weights are squares of the mask, so that the faint parts count little. An empty mask has the middle of the frame.
    """
    weight = mask[:, 0].square() + 1e-6
    x, y = (torch.arange(n, device=mask.device, dtype=torch.float32) for n in (mask.shape[-1], mask.shape[-2]))
    total = weight.sum((1, 2))
    centre = torch.stack([(weight.sum(1) * x).sum(1) / total, (weight.sum(2) * y).sum(1) / total], 1)
    return centre - (side - 1) / 2


def whole(motion: Motion) -> View:
    """Whole frames as GMA sees them: the view of the paper."""
    return View(motion.parts.foreground.detach(), motion.parts.mask.detach(), motion.shift.detach(), motion.moved.foreground.detach())


def follow(frames: Tensor, mask: Tensor, shift: Tensor, config: ModelConfig) -> View:
    """Windows of sequences. The first is placed by the mask; the others follow by the shifts, in whole pixels.

    Args:
        frames: (B, T, 3, H, W) in [-1, 1], those that the model works on.
        mask: (B, T, 1, H, W), GMA's masks at the size of the frames.
        shift: (B, T - 1, 2) normalised, output of GMA.
        config: sizes.
    """
    batch = len(frames)
    mask, pixels = mask.detach(), to_pixels(shift.detach(), config.size)
    first = place(mask[:, 0], config.figure)
    corner = torch.cat([first[:, None], first[:, None] + pixels.cumsum(1)], 1).round().long()
    foreground, seen = (by_sequence(y, batch) for y in cut(frames.flatten(0, 1), mask.flatten(0, 1), corner.flatten(0, 1), config))
    rest = to_normalised(pixels - corner.diff(dim=1), (config.figure, config.figure))
    moved = move(foreground[:, :-1].flatten(0, 1), rest.flatten(0, 1))
    return View(foreground, seen, rest, by_sequence(moved, batch), corner)


def apart(frames: Tensor, mask: Tensor, config: ModelConfig) -> View:
    """Windows of sequences, each placed by the mask of its frame alone: errors of shifts do not add up. Arguments are as of `follow`."""
    batch, mask = len(frames), mask.detach()
    corner = place(mask.flatten(0, 1), config.figure).round().long()
    foreground, seen = (by_sequence(y, batch) for y in cut(frames.flatten(0, 1), mask.flatten(0, 1), corner, config))
    return View(foreground, seen, foreground.new_zeros(batch, foreground.shape[1] - 1, 2), foreground[:, :-1], by_sequence(corner, batch))


def cut(frames: Tensor, mask: Tensor, corner: Tensor, config: ModelConfig) -> tuple[Tensor, Tensor]:
    """Foregrounds and masks as LMA sees them, (B, 3, h, w) and (B, 1, h, w), from frames and masks of their size."""
    both = crop(torch.cat([mask * frames, mask], 1), corner, (config.figure, config.figure))
    seen = downscale(both, config.local_size)
    return seen[:, :3], seen[:, 3:]


def put_back(image: Tensor, corner: Tensor, config: ModelConfig) -> Tensor:
    """What LMA drew, (B, C, h, w), at its place in frames: (B, C, H, W), zeros around the windows of these corners."""
    large = F.interpolate(image, scale_factor=config.local_scale, mode="bilinear", align_corners=False) if config.local_scale > 1 else image
    return crop(large, -corner, config.size)
