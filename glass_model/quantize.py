"""Quantisation of continuous directions to discrete codes, straight-through or by Gumbel softmax."""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

_DECAY = 0.99  # of the moving averages, per step


class Quantized(NamedTuple):
    """A direction and the code that it was assigned to."""

    code: Tensor
    """(B,) int64 in 0 to K - 1."""
    vector: Tensor
    """(B, D) float32: the code vector, or a mixture of them; carries the gradient to the direction."""
    direction: Tensor
    """(B, D) float32: the direction before quantisation."""


def code_usage(code: Tensor, codes: int) -> Tensor:
    """How often each of K codes occurs, (K,) float32, counted without waiting for the device."""
    flat = code.flatten()
    return torch.zeros(codes, device=code.device).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))


class Quantizer(nn.Module):
    """K code vectors: (B, D) -> Quantized.

    Args:
        codes: K.
        size: D.
        gumbel: False: the nearest vector, with the straight-through gradient (van den Oord et al., 2017). True: a linear layer gives the
            logits of a Gumbel softmax (Jang et al., 2017), which mixes the vectors in training and takes the likeliest one otherwise.
        averaged: the vectors are no parameters but moving averages of the directions that they are nearest to, which `update` computes.
    """

    vectors: Tensor
    counts: Tensor
    sums: Tensor

    def __init__(self, codes: int, size: int, gumbel: bool, *, averaged: bool = False) -> None:
        super().__init__()
        vectors = torch.randn(codes, size) / size**0.5
        if averaged:
            self.register_buffer("vectors", vectors)
            self.register_buffer("counts", torch.ones(codes))
            self.register_buffer("sums", vectors.clone())
        else:
            self.vectors = nn.Parameter(vectors)
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

    @torch.no_grad()
    def update(self, direction: Tensor, code: Tensor, *, revive: bool = False) -> None:
        """Update averaged vectors by a batch (van den Oord et al., 2017, appendix A.1), as in-place changes of buffers.

        Args:
            direction: (N, D) directions of the batch.
            code: (N,) their codes.
            revive: then codes that are used for less than a fifth of their share, 1 / K, get a random direction of the batch as their
                vector, with the mean count (as in Dhariwal et al., Jukebox, 2020, section 3.1).
        """
        chosen = F.one_hot(code, len(self.counts)).to(direction.dtype)
        self.counts.lerp_(chosen.sum(0), 1 - _DECAY)
        self.sums.lerp_(chosen.T @ direction, 1 - _DECAY)
        if revive:
            rare = self.counts < 0.2 * self.counts.mean()
            new = direction[torch.randint(len(direction), (len(rare),), device=direction.device)]
            self.counts.copy_(torch.where(rare, self.counts.mean(), self.counts))
            self.sums.copy_(torch.where(rare[:, None], new * self.counts[:, None], self.sums))
        # A vector that nothing is near to keeps its place: its count and its sum fade alike.
        self.vectors.copy_(self.sums / self.counts.clamp_min(1e-5)[:, None])
