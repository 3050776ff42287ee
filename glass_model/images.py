"""Sizes, ranges and units of images and shifts. Images are (..., C, H, W), sizes (height, width)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from wsprites.errors import ArgumentError


def to_float(frames: Tensor) -> Tensor:
    """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1]. Raises ArgumentError for another shape or type.

    The range of floats is not checked, because that waits for a GPU; see `glass_model.systems.check_frames`.
    """
    if frames.ndim < 4 or frames.shape[-3] != 3:
        raise ArgumentError("frames", f"the shape is {tuple(frames.shape)}, not (..., 3, H, W)")
    if frames.dtype != torch.uint8 and not frames.is_floating_point():
        raise ArgumentError("frames", f"the type is {frames.dtype}; expected uint8, or floats in [-1, 1]")
    return frames.float() / 127.5 - 1 if frames.dtype == torch.uint8 else frames.float()


def to_bytes(frames: Tensor) -> Tensor:
    """Frames in [-1, 1] as uint8; values outside are clipped.

    Example:
        >>> to_bytes(torch.tensor([-1.0, 0.0, 1.0, 3.0])).tolist()
        [0, 128, 255, 255]
    """
    return ((frames.float().clamp(-1, 1) + 1) * 127.5).round().byte()


def constants(values: Sequence[float], like: Tensor) -> Tensor:
    """Numbers, (N,), of the type and on the device of a tensor. They are made there: copies from the host would wait for a GPU."""
    return torch.stack([like.new_full((), value) for value in values])


def to_pixels(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Normalised shifts (..., 2), where the full width and the full height are 2, in pixels of frames of (height, width)."""
    return shift * constants([size[1] / 2, size[0] / 2], shift)


def to_normalised(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Shifts in pixels of frames of (height, width) as normalised shifts: the inverse of `to_pixels`."""
    return shift / constants([size[1] / 2, size[0] / 2], shift)


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Scale images (..., C, H, W) to any size: by area where neither side grows, otherwise bilinear."""
    if tuple(image.shape[-2:]) == size:
        return image
    flat = image.reshape(-1, *image.shape[-3:])
    if size[0] <= image.shape[-2] and size[1] <= image.shape[-1]:
        flat = F.interpolate(flat, size, mode="area")
    else:
        flat = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return flat.reshape(*image.shape[:-2], *size)


def downscale(image: Tensor, size: Sequence[int]) -> Tensor:
    """Average images (..., C, H, W) down by whole factors to (..., C, h, w)."""
    if tuple(image.shape[-2:]) == tuple(size):
        return image
    flat = image.reshape(-1, *image.shape[-3:])
    return F.avg_pool2d(flat, (image.shape[-2] // size[0], image.shape[-1] // size[1])).reshape(*image.shape[:-2], *size)
