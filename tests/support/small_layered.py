"""A small Layered for tests, and a mask network that needs no training."""

from typing import Any

import torch
from torch import nn

SMALL: dict[str, Any] = {
    "height": 32,
    "width": 48,
    "mask_channels": 2,
    "mask_blocks": 1,
    "channels": 4,
    "multipliers": [1, 2],
    "blocks": 1,
    "latent": 4,
    "codebook": 8,
    "discriminator_channels": 2,
    "fit_steps": 0,
    "reach": 2,
}


class Bright(nn.Module):
    """A mask network that finds what is bright."""

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return (frame.mean(1, keepdim=True) - 0.5) * 20
