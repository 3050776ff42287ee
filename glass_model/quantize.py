"""Quantisation of continuous directions to discrete codes, straight-through or by Gumbel softmax."""

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Quantized(NamedTuple):
    """A direction and the code that it was assigned to."""

    code: Tensor
    """(B,) int64 in 0 to K - 1."""
    vector: Tensor
    """(B, D) float32: the code vector, or a mixture of them; carries the gradient to the direction."""
    direction: Tensor
    """(B, D) float32: the direction before quantisation."""


class Quantizer(nn.Module):
    """K code vectors: (B, D) -> Quantized.

    Args:
        codes: K.
        size: D.
        gumbel: False: the nearest vector, with the straight-through gradient (van den Oord et al., 2017). True: a linear layer gives the
            logits of a Gumbel softmax (Jang et al., 2017), which mixes the vectors in training and takes the likeliest one otherwise.
    """

    def __init__(self, codes: int, size: int, gumbel: bool) -> None:
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(codes, size) / size**0.5)
        self.logits = nn.Linear(size, codes) if gumbel else None

    def forward(self, direction: Tensor, temperature: float | Tensor = 1.0) -> Quantized:
        """Quantise in float32, whatever the type of the direction. `temperature` is that of the Gumbel softmax."""
        with torch.autocast(direction.device.type, enabled=False):
            direction = direction.float()
            if self.logits is None:
                code = torch.cdist(direction[None], self.vectors[None])[0].argmin(1)
                return Quantized(code, direction + (self.vectors[code] - direction).detach(), direction)
            logits = self.logits(direction)
            code = logits.argmax(1)
            if not self.training:
                return Quantized(code, self.vectors[code], direction)
            noise = -torch.empty_like(logits).exponential_().log()
            return Quantized(code, ((logits + noise) / temperature).softmax(1) @ self.vectors, direction)
