"""The networks of CADDY: action network A, dynamics R and decoder D. The encoder E is in glass_model/encoder.py.

Frames are (B, 3, H, W) in [-1, 1]; h, w = H / 8, W / 8; c = config.channels. K codes, and d = config.action_size.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from glass_model.blocks import ConvLSTM, Memory, Residual, Same, Up, beside, first_memory
from glass_model.caddy.config import ModelConfig
from glass_model.encoder import Encoded

LEAST_VARIANCE = 1e-8
"""Variances below count as this one: their root and their logarithm have no finite gradient at 0."""


class Gaussian(NamedTuple):
    """Normal distributions with independent axes."""

    mean: Tensor
    """(..., d) float32."""
    variance: Tensor
    """(..., d) float32, 0 or more."""


class Actions(NamedTuple):
    """Actions of sequences of T frames, as the action network reads them."""

    frames: Gaussian
    """(B, T, d): place of each frame in the space of actions."""
    direction: Gaussian
    """(B, T - 1, d): difference of two places, one for each transition."""
    sample: Tensor
    """(B, T - 1, d): a sample of each direction, or its mean."""
    logits: Tensor
    """(B, T - 1, K): logits of the codes, of the sample."""


class ActionNet(nn.Module):
    """A: the place of a frame in the space of actions, and what leads from one frame to the next. In float32 after the convolutions."""

    def __init__(self, c: int, size: int, codes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(Residual(4 * c, 8 * c, down=2), Residual(8 * c, 8 * c))
        self.mean, self.variance = nn.Linear(8 * c, size), nn.Linear(8 * c, size)
        self.logits = nn.Linear(size, codes)

    def forward(self, encoded: Encoded) -> Gaussian:
        """The place of each frame, (B, d). The variance is the absolute value of a linear layer, and not a logarithm."""
        pooled = self.layers(encoded.state * encoded.attention).mean((2, 3))
        with torch.autocast(pooled.device.type, enabled=False):
            return Gaussian(self.mean(pooled.float()), self.variance(pooled.float()).abs())

    def between(self, frames: Gaussian, *, sampled: bool) -> Actions:
        """Actions of sequences of places, (B, T, d). Samples are for training: without them the same frames have the same action."""
        direction = Gaussian(frames.mean.diff(dim=1), frames.variance[:, 1:] + frames.variance[:, :-1])
        sample = direction.mean
        if sampled:
            sample = sample + direction.variance.clamp_min(LEAST_VARIANCE).sqrt() * torch.randn_like(sample)
        with torch.autocast(sample.device.type, enabled=False):
            return Actions(frames, direction, sample, self.logits(sample))


class Dynamics(nn.Module):
    """R: (B, 4c, h, w), an action (B, K + d), which every layer gets as channels, and the memory -> (B, Hc, h, w) and the next memory."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        hidden, action = config.hidden_channels, config.codes + config.action_size
        size, half = ((config.height // k, config.width // k) for k in (8, 16))
        self.cells = nn.ModuleList(
            [
                ConvLSTM(4 * config.channels + action, hidden, size, bias=True),
                ConvLSTM(2 * hidden + action, 2 * hidden, half, bias=True),
                ConvLSTM(hidden + action, hidden, size, bias=True),
            ]
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (hidden, 2 * hidden, hidden))
        self.blocks = nn.ModuleList(
            [
                Same(hidden + action, 2 * hidden, down=2),
                Up(2 * hidden + action, hidden, late=True, aligned=False),
                Same(hidden + action, hidden),
            ]
        )

    def start(self, batch: int) -> Memory:
        """The memory before the first frame, for a batch of this size."""
        return first_memory(self.cells, batch)

    def forward(self, x: Tensor, action: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Compute one step. Only the output of a ConvLSTM is normalised, not what it remembers."""
        after = []
        for cell, norm, block, before in zip(self.cells, self.norms, self.blocks, memory, strict=True):
            remembered = cell(beside(x, action), before)
            after.append(remembered)
            x = block(beside(norm(remembered[0]), action))
        return x, tuple(after)


class Decoder(nn.Module):
    """D: (B, Hc, h, w) -> the frame at full, half and quarter size, float32 in [-1, 1]."""

    def __init__(self, hidden: int, channels: int) -> None:
        super().__init__()
        first, second, third = channels, channels // 2, channels // 4
        self.stages = nn.ModuleList(
            [
                nn.Sequential(Up(hidden, first, aligned=False), Residual(first, first)),
                nn.Sequential(Up(first, second, aligned=False), Residual(second, second)),
                Up(second, third, aligned=False),
            ]
        )
        self.heads = nn.ModuleList(nn.Conv2d(a, 3, k, padding=k // 2) for a, k in ((first, 3), (second, 3), (third, 7)))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Decode the output of the dynamics. The largest image is the first."""
        images = []
        for stage, head in zip(self.stages, self.heads, strict=True):
            x = stage(x)
            images.append(head(x).float().tanh())
        return tuple(reversed(images))
