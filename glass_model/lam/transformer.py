"""Spatio-temporal transformers on patches, as Genie (Bruce et al., 2024) has: attention inside a frame, then over time, then a layer.

Axes: m transitions, f frames, p tokens of a frame, e features. Images are (M, C, h, w) in [-0.5, 0.5].
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import by_sequence
from glass_model.lam.config import ModelConfig


class Attention(nn.Module):
    """Attention of tokens (N, L, e) to one another."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self._heads = heads
        self.norm, self.into, self.out = nn.LayerNorm(width), nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """Compute what is added to the tokens."""
        query, key, value = torch.unflatten(self.into(self.norm(x)), -1, (3, self._heads, -1)).permute(2, 0, 3, 1, 4)
        y: Tensor = self.out(F.scaled_dot_product_attention(query, key, value).transpose(1, 2).flatten(2))
        return y


class Layer(nn.Module):
    """One layer: (M, f, p, e) -> the same. Frames see one another unless there is only one."""

    def __init__(self, width: int, heads: int, frames: int) -> None:
        super().__init__()
        self.space = Attention(width, heads)
        self.time = Attention(width, heads) if frames > 1 else None
        self.each = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the tokens."""
        x = x + by_sequence(self.space(x.flatten(0, 1)), len(x))
        if self.time:
            by_place = x.transpose(1, 2)
            x = x + by_sequence(self.time(by_place.flatten(0, 1)), len(x)).transpose(1, 2)
        y: Tensor = x + self.each(x)
        return y


class Tokens(nn.Module):
    """Layers on the patches of several frames, (M, 3 f, h, w), with `extra` learned tokens in front of those of each frame.

    Args:
        config: sizes.
        frames: f.
        extra: number of learned tokens.
    """

    def __init__(self, config: ModelConfig, frames: int, extra: int) -> None:
        super().__init__()
        width, patch = config.embedding, config.patch
        self.patches = nn.Conv2d(3, width, patch, stride=patch)
        count = (config.seen[0] // patch) * (config.seen[1] // patch)
        self.space = nn.Parameter(torch.randn(count + extra, width) * 0.02)
        self.time = nn.Parameter(torch.randn(frames, 1, width) * 0.02)
        self.layers = nn.Sequential(*(Layer(width, config.heads, frames) for _ in range(config.layers)))
        self.norm = nn.LayerNorm(width)

    def forward(self, images: Tensor, added: Tensor | None = None) -> Tensor:
        """The tokens (M, f, extra + P, e) after all layers. `added`, (M, e), is added to all tokens before."""
        each = images.reshape(-1, 3, *images.shape[2:])
        x = by_sequence(self.patches(each).flatten(2).transpose(1, 2), len(images))
        x = F.pad(x, (0, 0, len(self.space) - x.shape[2], 0)) + self.space + self.time
        if added is not None:
            x = x + added[:, None, None]
        y: Tensor = self.norm(self.layers(x))
        return y


class Inverse(nn.Module):
    """The frames up to t and a later one, (M, 3 (k + 1), h, w) -> (M, width): read from a token of the last frame."""

    def __init__(self, config: ModelConfig, width: int) -> None:
        super().__init__()
        self.tokens, self.head = Tokens(config, config.context + 1, 1), nn.Linear(config.embedding, width)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the output."""
        y: Tensor = self.head(self.tokens(images)[:, -1, 0])
        return y


class Forward(nn.Module):
    """The frames up to t, (M, 3 k, h, w), and what is left of z, (M, D), which is added to all tokens -> frame t + 1 or its difference."""

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self._config = config
        self.into, self.tokens = nn.Linear(size, config.embedding), Tokens(config, config.context, 0)
        self.last = nn.Linear(config.embedding, 3 * config.patch**2)
        if config.difference:  # at first, nothing changes
            nn.init.zeros_(self.last.weight)
            nn.init.zeros_(self.last.bias)

    def forward(self, history: Tensor, z: Tensor) -> Tensor:
        """Compute the frame or its difference, float32."""
        patch, (height, width) = self._config.patch, self._config.seen
        flat = self.last(self.tokens(history, self.into(z))[:, -1]).float()
        image = F.pixel_shuffle(flat.transpose(1, 2).reshape(len(flat), -1, height // patch, width // patch), patch)
        return image if self._config.difference else image.tanh() / 2
