"""Parts of what moves, found without labels: segmentation by regions, and parts of one picture on another."""

import colorsys
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from glass_model.articulated.model import AT_ONCE, Articulated
from glass_model.articulated.networks import Motion, Regions, candidates, warped
from glass_model.images import resize
from glass_model.systems import check_frames
from wsprites.errors import ArgumentError

THRESHOLD = 0.001 * 58 * 58
"""Sum of the heatmaps below which a position is background, times the number of positions: the paper's 0.001 is that of maps of 58 x 58."""


@torch.inference_mode()
def segment(model: Articulated, frames: Tensor) -> Tensor:
    """The part at every pixel: the region with the largest heatmap, or the background where their sum is small.

    Args:
        model: with K regions.
        frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

    Returns:
        (B, T, H, W) int64: 0 for the background, 1 to K for the regions.

    Raises:
        ArgumentError: frames of another shape, type or range.
    """
    check_frames(frames, video=True)
    heatmap = model.find(model.to_model(frames)).heatmap
    height, width = heatmap.shape[-2:]
    large = resize(_whole(heatmap, model) * height * width, (frames.shape[-2], frames.shape[-1]))
    return (large.argmax(2) + 1) * (large.sum(2) >= THRESHOLD)


def _whole(heatmap: Tensor, model: Articulated) -> Tensor:
    """Heatmaps (..., h, w) with the edges that they lack as zeros, where the rest has the coordinates of its pixels in the frame."""
    cropped = 3 - model.config.padding if model.config.aligned else 0
    return F.pad(heatmap, (cropped,) * 4)


@torch.inference_mode()
def swap(model: Articulated, donor: Tensor, driving: Tensor, parts: Sequence[int]) -> Tensor:
    """A video in which some parts look as in another picture.

    The donor's features are moved to the regions of each frame by the motions of these parts alone, and replace the frame's own where the
    flow takes pixels from these parts, at every size of the generator. The paper shows such swaps and does not say how they are made.

    Args:
        model: with K regions.
        donor: (1, 3, H', W') the picture that parts are taken from, as in `start`.
        driving: (1, T, 3, H, W) the video, as in `infer`.
        parts: numbers of parts, 1 to K.

    Returns:
        (1, T, 3, H, W) float32 in [-1, 1].

    Raises:
        ArgumentError: frames of another kind, or no such part.
    """
    check_frames(donor, video=False)
    check_frames(driving, video=True)
    count = model.config.regions
    if not parts or not all(1 <= part <= count for part in parts):
        raise ArgumentError("parts", f"{', '.join(map(str, parts)) or 'none'}: this model has parts 1 to {count}")
    target, source = model.to_model(driving)[0], model.to_model(donor)
    of_source = model.regions(source)
    made = torch.cat([_swapped(model, source, of_source, some, parts) for some in torch.split(target, AT_ONCE)])
    return (2 * resize(made, (driving.shape[-2], driving.shape[-1])) - 1).clamp(-1, 1)[None]


def _swapped(model: Articulated, source: Tensor, of_source: Regions, target: Tensor, parts: Sequence[int]) -> Tensor:
    """Frames (N, 3, h, w) of a video with parts of a picture (1, 3, h, w), as the generator draws them."""
    count, of_target = model.config.regions, model.regions(target)
    source = source.expand(len(target), -1, -1, -1)
    of_source = type(of_source)(*(tensor.expand(len(target), *tensor.shape[1:]) for tensor in of_source))
    scene = torch.eye(3, device=target.device).expand(len(target), 3, 3)
    motion: Motion = model.flow(source, of_source, of_target, scene)
    # The flow of these parts alone, and the share of it that they have.
    at = candidates(of_source, of_target, scene, (motion.flow.shape[1], motion.flow.shape[2]))
    chosen = motion.weights * torch.isin(torch.arange(count + 1, device=target.device), at.new_tensor(parts)).view(1, -1, 1, 1)
    share = chosen.sum(1, keepdim=True)
    flow = (chosen[..., None] * at).sum(1) / share[:, 0, :, :, None].clamp_min(1e-6)
    taken = Motion(flow, motion.confidence, motion.weights)
    layers = []
    for theirs, ours in zip(model.generator.encode(source), model.generator.encode(target), strict=True):
        features, confidence = warped(theirs, taken)
        m = F.interpolate(share, features.shape[-2:], mode="bilinear", align_corners=True)
        layers.append((m * features + (1 - m) * ours, m * confidence + 1 - m))
    made: Tensor = model.generator.draw(layers)
    return made


def coloured(parts_thw: NDArray[np.integer], count: int) -> NDArray[np.uint8]:
    """Parts, 0 to `count`, as pictures, (T, H, W, 3): black for 0, and colours around the circle from red on.

    Example:
        >>> coloured(np.array([[[0, 1, 2]]]), 2).tolist()
        [[[[0, 0, 0], [255, 0, 0], [0, 255, 255]]]]
    """
    colours = [(0.0, 0.0, 0.0), *(colorsys.hsv_to_rgb(k / count, 1, 1) for k in range(count))]
    pictures: NDArray[np.uint8] = np.rint(np.array(colours) * 255).astype(np.uint8)[parts_thw]
    return pictures
