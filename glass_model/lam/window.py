"""What the networks see: whole frames, or a window, a square that follows the figure. Places are (..., 2) = (x, y) in pixels.

Windows are cut and put back as those of GLASS are (glass/figure.py); here the networks see the scene in them as well.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.glass.figure import crop, enlarge_mask, place
from glass_model.glass.gma import MaskNet
from glass_model.images import downscale
from glass_model.lam.config import ModelConfig
from wsprites.bench.classical import figure

_AT_ONCE = 64  # frames


class Locator(nn.Module):
    """Find the middle of the figure in single frames: (N, 3, H, W) in [-1, 1] -> (N, 2). Learned from places that somebody else knows.

    A map of weights is computed; the place is the mean of its coordinates.
    """

    def __init__(self) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for a, b, stride in ((3, 16, 2), (16, 32, 2), (32, 32, 1), (32, 32, 1), (32, 32, 1)):
            layers += [nn.Conv2d(a, b, 3, stride, 1), nn.GroupNorm(4, b), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Conv2d(32, 1, 1))

    def forward(self, frame: Tensor) -> Tensor:
        """Compute the places, float32."""
        height, width = frame.shape[-2:]
        seen = downscale(frame, (height // 2, width // 2))
        logits = self.layers(seen)[:, 0].float()
        weight = logits.flatten(1).softmax(1).view_as(logits)
        x, y = (
            (torch.arange(n, device=frame.device) + 0.5) * side / n for n, side in ((logits.shape[2], width), (logits.shape[1], height))
        )
        return torch.stack([(weight.sum(1) * x).sum(1), (weight.sum(2) * y).sum(1)], 1)


class Follower(nn.Module):
    """Places windows in frames (N, 3, H, W) in [-1, 1], without gradient: (N, 2) float32, the corners."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._config = config
        self.mask = MaskNet(config.mask_channels, config.mask_blocks, config.mask_bias) if config.follow == "gma" else None
        self.locator = Locator() if self.mask is None else None
        if self.mask:
            self.mask.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> "Follower":
        """Set the mode. The mask net is trained already: its statistics stay as they are."""
        super().train(mode)
        if self.mask:
            self.mask.eval()
        return self

    @torch.no_grad()
    def forward(self, frames: Tensor) -> Tensor:
        """Compute the corners."""
        return corner_of(self.locator(frames), self._config) if self.locator else self.around(self.masks(frames))

    def around(self, masks: Tensor) -> Tensor:
        """The corners of windows around the middle of masks from `masks`."""
        middle = place(masks, 1) + 0.5
        return corner_of(middle * self._config.mask_scale, self._config)

    def figures(self, masks: Tensor) -> Tensor:
        """The figure's share of each pixel of the frames, (N, 1, H, W) in 0 to 1, by masks from `masks`."""
        return enlarge_mask(masks, self._config.mask_scale)

    @torch.no_grad()
    def masks(self, frames: Tensor) -> Tensor:
        """What the mask net finds, (N, 1, h, w) in 0 to 1, `mask_scale` times smaller than the frames."""
        assert self.mask
        height, width = (side // self._config.mask_scale for side in self._config.frame)
        # A part at a time: its maps stay in the cache of a CPU, which saves a sixth of the time.
        return torch.cat([self.mask(downscale(part, (height, width))) for part in torch.split(frames, _AT_ONCE)])


def corner_of(middle: Tensor, config: ModelConfig) -> Tensor:
    """The corners of windows around places, both (..., 2)."""
    return middle - config.figure / 2


def look(frames: Tensor, corner: Tensor | None, config: ModelConfig) -> Tensor:
    """What the networks see of frames.

    Args:
        frames: (N, C, H, W) of the size that the model works on.
        corner: (N, 2) corners of windows, rounded here; None for whole frames.
        config: sizes.

    Returns:
        (N, C, h, w), zeros outside of the frames.
    """
    if corner is not None:
        frames = crop(frames, corner.round().long(), config.cut)
    return downscale(frames, config.seen)


def figure_alone(images: Tensor, share: Tensor, ground: Tensor | None = None) -> Tensor:
    """Images (B, T, 3, h, w) of the figure on a plain ground.

    Args:
        images: in [-0.5, 0.5].
        share: (B, T, 1, h, w) the figure's share of each pixel; up to 1 / 7 counts as none, and from 6 / 7 on as all.
        ground: (B, 3), the colour of the ground; None: 0, grey.
    """
    share = (1.4 * share - 0.2).clamp(0, 1)
    alone = images * share
    return alone if ground is None else alone + ground[:, None, :, None, None] * (1 - share)


def put_back(image: Tensor, frames: Tensor, corner: Tensor | None, config: ModelConfig) -> Tensor:
    """Frames (N, 3, H, W) with what the networks drew, (N, 3, h, w), at the place of their windows.

    What is enlarged here is what was drawn when it is averaged down again: otherwise every step of a video would blur it once more.
    """
    if config.scale > 1:
        large = F.interpolate(image, scale_factor=config.scale, mode="bilinear", align_corners=False)
        image = large + F.interpolate(image - downscale(large, image.shape[-2:]), scale_factor=config.scale, mode="nearest")
    if corner is None:
        return image
    back = -corner.round().long()
    inside = crop(torch.ones_like(image[:, :1]), back, config.frame)
    return torch.where(inside > 0, crop(image, back, config.frame), frames)


def tracked(frames: Tensor) -> tuple[Tensor, Tensor]:
    """The middle of the figure in the second of two frames by classical tracking, which needs no labels.

    Args:
        frames: (B, 2, 3, H, W) uint8.

    Returns:
        (B, 2) float32 places, and (B,) bool whether something was found, both on the device of the frames.
    """
    pairs = frames.movedim(2, -1).cpu().numpy()
    places = [figure(np.ascontiguousarray(before), np.ascontiguousarray(after)) for before, after in pairs]
    middle = np.array([(0, 0) if xy is None else xy for xy in places], np.float32)
    found = torch.tensor([xy is not None for xy in places], device=frames.device)
    return torch.from_numpy(middle).to(frames.device), found


def histories(images: Tensor, at: Tensor, k: int) -> Tensor:
    """The k images up to some frames of each sequence, the oldest first; before the first frame there is the first one.

    Args:
        images: (B, T, 3, h, w).
        at: (B, N) int64, frames.
        k: number of images.

    Returns:
        (B N, 3 k, h, w).
    """
    frame = (at[..., None] + torch.arange(1 - k, 1, device=at.device)).clamp_min(0)
    row = torch.arange(len(images), device=at.device)[:, None, None]
    return images[row, frame].flatten(2, 3).flatten(0, 1)
