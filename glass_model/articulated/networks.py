"""The networks: region, background and flow predictor, and generator. Frames are (B, 3, H, W) in [0, 1]; h, w = H / scale, W / scale.

Convolutions have biases; what a network predicts as coordinates is computed in float32.
"""

from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.articulated.config import ModelConfig
from glass_model.articulated.geometry import antialiased, axes, grid, inverse, matrix, positive, principal_axes, sample

_REGRESSED = 4
_BACKGROUNDS = {"zero": 0, "shift": 2, "affine": 6, "perspective": 8}
"""Numbers that the background predictor gives for each kind of motion."""


class Regions(NamedTuple):
    """K regions of B frames."""

    shift: Tensor
    """(B, K, 2): the mean of each region, a point in [-1, 1]^2."""
    affine: Tensor
    """(B, K, 2, 2): A, the map from the region's own coordinates to the frame's."""
    covariance: Tensor
    """(B, K, 2, 2)."""
    heatmap: Tensor
    """(B, K, h', w') positive, of sum 1 over the positions; those that no network computed are empty, h' = w' = 0."""

    def to(self, part: slice) -> "Regions":
        """The regions of some of the frames."""
        return Regions(*(tensor[part] for tensor in self))


class Motion(NamedTuple):
    """Where each pixel of a frame comes from."""

    flow: Tensor
    """(B, h, w, 2): the point of the source, in [-1, 1]^2."""
    confidence: Tensor
    """(B, 1, h, w) from 0 to 1: 1 where the source can be used, 0 where nothing of it fits."""
    weights: Tensor
    """(B, K + 1, h, w): the share of each motion in the flow, the background's first."""


class Block(nn.Module):
    """Convolution, BatchNorm, ReLU, and average pooling (`down`) or enlargement before it (`up`) by 2."""

    def __init__(self, a: int, b: int, *, size: int = 3, down: bool = False, up: bool = False) -> None:
        super().__init__()
        self.conv, self.norm, self._down, self._up = nn.Conv2d(a, b, size, padding=size // 2), nn.BatchNorm2d(b), down, up

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        y = F.relu(self.norm(self.conv(F.interpolate(x, scale_factor=2.0) if self._up else x)), inplace=True)
        return F.avg_pool2d(y, 2) if self._down else y


class Residual(nn.Module):
    """x plus two convolutions, each after BatchNorm and ReLU."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(self._layer(channels) for _ in range(2)))

    def _layer(self, channels: int) -> nn.Module:
        return nn.Sequential(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, channels, 3, padding=1))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        y: Tensor = x + self.layers(x)
        return y


def widths(channels: int, depth: int, most: int) -> list[int]:
    """Channels at the input's size and after each halving."""
    return [min(most, channels * 2**i) for i in range(depth + 1)]


class Hourglass(nn.Module):
    """An encoder, and a decoder that gets each of its levels: (B, a, h, w) -> (B, channels + a, h, w)."""

    def __init__(self, a: int, channels: int, depth: int, most: int) -> None:
        super().__init__()
        sizes = widths(channels, depth, most)
        self.encoder = encoder(a, sizes)
        given = [2 * size for size in sizes[1:-1]] + sizes[-1:]
        self.decoder = nn.ModuleList(Block(given[i], sizes[i], up=True) for i in reversed(range(depth)))
        self.channels = sizes[0] + a
        """Channels of the output."""

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        levels = [x]
        for block in self.encoder:
            levels.append(block(levels[-1]))
        y = levels.pop()
        for block in self.decoder:
            y = torch.cat([block(y), levels.pop()], 1)
        return y


def encoder(a: int, sizes: list[int]) -> nn.ModuleList:
    """Blocks that halve height and width; `sizes` begins with the channels before the first, which is given `a`."""
    return nn.ModuleList(Block(b, c, down=True) for b, c in pairwise([a, *sizes[1:]]))


class RegionPredictor(nn.Module):
    """The regions of frames (B, 3, H, W): moments of heatmaps.

    The coordinates of a heatmap span [-1, 1] whatever its padding was, unless `config.aligned`. A position counts as a square of its own
    size, not as a point, so that the variance of a region is at least that of one position.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._scale, self._temperature, self._pca = config.scale, config.temperature, config.pca
        self._cropped = 3 - config.padding if config.aligned else 0
        self.hourglass = Hourglass(3, config.region_channels, config.region_depth, config.most_channels)
        self.heatmap = nn.Conv2d(self.hourglass.channels, config.regions, 7, padding=config.padding)
        if not config.pca:
            self.affine = nn.Conv2d(self.hourglass.channels, _REGRESSED, 7, padding=config.padding)
            nn.init.zeros_(self.affine.weight)
            assert self.affine.bias is not None
            with torch.no_grad():
                self.affine.bias.copy_(torch.eye(2).flatten())

    def forward(self, frames: Tensor) -> Regions:
        """Compute the regions."""
        features = self.hourglass(antialiased(frames, self._scale))
        logits = self.heatmap(features)
        with torch.autocast(frames.device.type, enabled=False):
            heatmap = (logits.float().flatten(2) / self._temperature).softmax(-1).view(logits.shape)
            if self._pca:
                return of_heatmaps(heatmap, cropped=self._cropped)
            affine = torch.einsum("bkhw,bchw->bkc", heatmap, self.affine(features).float()).view(*heatmap.shape[:2], 2, 2)
            return Regions(of_heatmaps(heatmap, cropped=self._cropped).shift, affine, affine @ affine.transpose(-1, -2), heatmap)


def of_heatmaps(heatmap: Tensor, *, cropped: int = 0) -> Regions:
    """The regions of heatmaps, by mean, covariance and principal axes.

    Args:
        heatmap: (B, K, h, w), of sum 1.
        cropped: pixels that they lack at each edge; the coordinates of the others are those of the whole map.
    """
    height, width = heatmap.shape[-2:]
    across, down = (2 / max(1, n + 2 * cropped - 1) for n in (width, height))  # sides of a position
    x, y = axes(height, width, heatmap)
    x, y = x * (width - 1) * across / 2, y * (height - 1) * down / 2
    columns, rows = heatmap.sum(2), heatmap.sum(3)
    mean_x, mean_y = columns @ x, rows @ y
    dx, dy = x - mean_x[..., None], y - mean_y[..., None]
    # A position's own variance is that of a uniform distribution, a twelfth of the square of its side.
    xx = (columns * dx.square()).sum(-1) + across**2 / 12
    yy = (rows * dy.square()).sum(-1) + down**2 / 12
    xy = ((heatmap * dx[:, :, None]).sum(-1) * dy).sum(-1)
    covariance = matrix(xx, xy, xy, yy)
    return Regions(torch.stack([mean_x, mean_y], -1), principal_axes(covariance), covariance, heatmap)


class BackgroundPredictor(nn.Module):
    """How the background moved between two frames (B, 3, H, W): (B, 3, 3), from coordinates of the second to those of the first."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._scale, self._count = config.background_scale, _BACKGROUNDS[config.background]
        if not self._count:
            return
        sizes = widths(config.background_channels, config.background_depth, config.most_channels)
        self.encoder, self.last = encoder(6, sizes), nn.Linear(sizes[-1], self._count)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # what is added to the identity

    def forward(self, source: Tensor, driving: Tensor) -> Tensor:
        """Compute the matrices."""
        one = torch.eye(3, device=source.device).expand(len(source), 3, 3)
        if not self._count:
            return one
        x = antialiased(torch.cat([source, driving], 1), self._scale)
        for block in self.encoder:
            x = block(x)
        with torch.autocast(x.device.type, enabled=False):
            numbers = self.last(x.float().mean((2, 3)))
        if self._count == 2:  # the last column
            return one + F.pad(numbers[..., None], (2, 0, 0, 1))
        return one + F.pad(numbers, (0, 9 - self._count)).view(-1, 3, 3)


def moved(points: Tensor, matrices: Tensor) -> Tensor:
    """Points (h, w, 2) under homographies (B, 3, 3): (B, h, w, 2)."""
    flat = F.pad(points.reshape(-1, 2), (0, 1), value=1.0) @ matrices.transpose(1, 2)
    plane = flat[..., :2] / flat[..., 2:]
    return plane.view(-1, *points.shape)


def candidates(source: Regions, driving: Regions, background: Tensor, size: tuple[int, int]) -> Tensor:
    """Where each of K + 1 motions takes the pixels of a driving frame from, the background's first: (B, K + 1, h, w, 2).

    T_k(z) = A_S A_D^-1 (z - mu_D) + mu_S (equation 6 of the paper), where A_S A_D^-1 has a positive entry (0, 0).

    Args:
        source: regions of the source.
        driving: regions of the driving frame.
        background: (B, 3, 3).
        size: (h, w).
    """
    z = grid(*size, background)
    change = positive(source.affine @ inverse(driving.affine))
    away = z - driving.shift[:, :, None, None]
    regions = torch.einsum("bkij,bkhwj->bkhwi", change, away) + source.shift[:, :, None, None]
    return torch.cat([moved(z, background)[:, None], regions], 1)


def bumps(regions: Regions, size: tuple[int, int]) -> Tensor:
    """Gaussians of height 1 at the regions: (B, K, h, w)."""
    away = grid(*size, regions.shift) - regions.shift[:, :, None, None]
    precision = inverse(regions.covariance)
    return (-0.5 * torch.einsum("bkhwi,bkij,bkhwj->bkhw", away, precision, away)).exp()


class FlowPredictor(nn.Module):
    """Which motion each pixel takes, from the source under every motion."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self._scale, motions = config.scale, config.regions + 1
        self.hourglass = Hourglass(4 * motions, config.flow_channels, config.flow_depth, config.most_channels)
        self.weights = nn.Conv2d(self.hourglass.channels, motions, 7, padding=3)
        self.confidence = nn.Conv2d(self.hourglass.channels, 1, 7, padding=3)

    def forward(self, frame: Tensor, source: Regions, driving: Regions, background: Tensor) -> Motion:
        """Compute the motion.

        Args:
            frame: (B, 3, H, W), the source.
            source: its regions.
            driving: regions of the frame to be made.
            background: (B, 3, 3).
        """
        small = antialiased(frame, self._scale)
        batch, _, height, width = small.shape
        with torch.autocast(frame.device.type, enabled=False):
            at = candidates(source, driving, background.float(), (height, width))
            motions = at.shape[1]
            repeated = small[:, None].expand(-1, motions, -1, -1, -1).flatten(0, 1)
            warped = sample(repeated, at.flatten(0, 1)).view(batch, motions, 3, height, width)
            features = bumps(driving, (height, width)) - bumps(source, (height, width))
            features = F.pad(features, (0, 0, 0, 0, 1, 0))[:, :, None]  # nothing for the background
        hidden = self.hourglass(torch.cat([features, warped], 2).flatten(1, 2))
        weights, confidence = self.weights(hidden).float().softmax(1), self.confidence(hidden).float().sigmoid()
        return Motion((weights[..., None] * at).sum(1), confidence, weights)


class Generator(nn.Module):
    """The driving frame from the source: its features are moved by the flow at every size and blended with what is made, by confidence."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        sizes = [config.channels * 2**i for i in range(config.down + 1)]
        self.first = Block(3, sizes[0], size=7)
        self.downs = nn.ModuleList(Block(a, b, down=True) for a, b in pairwise(sizes))
        self.residual = nn.Sequential(*(Residual(sizes[-1]) for _ in range(config.residual)))
        self.ups = nn.ModuleList(Block(b, a, up=True) for b, a in pairwise(reversed(sizes)))
        self.last = nn.Conv2d(sizes[0], 3, 7, padding=3)

    def forward(self, frame: Tensor, motion: Motion) -> tuple[Tensor, Tensor]:
        """The frame that is made and the source moved by the flow alone, (B, 3, H, W) float32 each."""
        layers = [warped(features, motion) for features in self.encode(frame)]
        return self.draw(layers), layers[0][0]

    def encode(self, frame: Tensor) -> list[Tensor]:
        """The frame itself, and its features at every size, the largest first."""
        levels = [self.first(frame)]
        for block in self.downs:
            levels.append(block(levels[-1]))
        return [frame, *levels]

    def draw(self, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
        """The frame, (B, 3, H, W), from what `encode` gives after it was moved, each with its confidence, (B, 1, ...)."""
        (pixels, sure), *levels, (features, confidence) = layers
        x = self.residual(confidence * features)
        x = confidence * features + (1 - confidence) * x
        for block, (features, confidence) in zip(self.ups, reversed(levels), strict=True):
            x = confidence * features + (1 - confidence) * block(x)
        made: Tensor = self.last(x).float().sigmoid()
        return sure * pixels + (1 - sure) * made


def warped(features: Tensor, motion: Motion) -> tuple[Tensor, Tensor]:
    """Features (B, C, H, W) moved by the flow, and the confidence at their size, (B, 1, H, W)."""
    size = features.shape[-2:]
    flow, confidence = motion.flow.permute(0, 3, 1, 2), motion.confidence
    if flow.shape[-2:] != size:
        flow, confidence = (F.interpolate(x, size, mode="bilinear", align_corners=True) for x in (flow, confidence))
    with torch.autocast(features.device.type, enabled=False):
        return sample(features, flow.permute(0, 2, 3, 1)), confidence
