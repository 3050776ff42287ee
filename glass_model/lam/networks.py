"""The convolutional networks: IMPALA and a U-Net, as LAPO has them, and the heads of LAOM. Images are (B, C, H, W) in [-0.5, 0.5].

Departures from LAPO are those of docs/lam.md: GroupNorm, a bottom that keeps the place, and projections of z.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import beside
from glass_model.lam.config import ModelConfig

_MAPS, _BOTTOM = 16, 64  # channels that z becomes at the input and at the bottom of the U-Net


def encoder(channels_in: int, config: ModelConfig, width: int) -> nn.Module:
    """The network of `config.encoder`: (B, channels_in, H, W) -> (B, width)."""
    return (Strided if config.encoder == "strided" else Impala)(channels_in, config, width)


def _head(channels: int, config: ModelConfig, activation: type[nn.Module], width: int) -> nn.Sequential:
    down = 2 ** len(config.idm_channels)
    flat = channels * (config.seen[0] // down) * (config.seen[1] // down)
    # Flattened and not pooled: where something moves, and how far, is a matter of place.
    return nn.Sequential(nn.Linear(flat, config.idm_hidden), activation(), nn.Linear(config.idm_hidden, width))


class Strided(nn.Module):
    """A convolution of stride 2, GroupNorm and SiLU in each stage: (B, a, H, W) -> (B, width)."""

    def __init__(self, channels_in: int, config: ModelConfig, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in config.idm_channels:
            layers += [nn.Conv2d(channels_in, channels, 3, 2, 1, bias=False), _norm(channels), nn.SiLU()]
            channels_in = channels
        self.layers = nn.Sequential(*layers)
        self.head = _head(channels_in, config, nn.SiLU, width)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the output."""
        y: Tensor = self.head(self.layers(image).flatten(1))
        return y


class Impala(nn.Module):
    """Stages of convolution, max pooling and residual blocks (Espeholt et al., 2018): (B, a, H, W) -> (B, width)."""

    def __init__(self, channels_in: int, config: ModelConfig, width: int) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        for channels in config.idm_channels:
            layers += [nn.Conv2d(channels_in, channels, 3, padding=1), nn.MaxPool2d(3, 2, 1)]
            layers += [_Plain(channels) for _ in range(config.idm_blocks)]
            channels_in = channels
        self.layers = nn.Sequential(*layers)
        self.head = _head(channels_in, config, nn.ReLU, width)

    def forward(self, image: Tensor) -> Tensor:
        """Compute the output."""
        y: Tensor = self.head(F.relu(self.layers(image)).flatten(1))
        return y


class _Plain(nn.Module):
    """Two convolutions with a skip connection, without a norm."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(*(nn.Conv2d(channels, channels, 3, padding=1) for _ in range(2)))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        first, second = self.layers
        y: Tensor = x + second(F.relu(first(F.relu(x))))
        return y


def _norm(channels: int) -> nn.GroupNorm:
    most = min(8, max(channels // 4, 1))
    return nn.GroupNorm(next(groups for groups in range(most, 0, -1) if channels % groups == 0), channels)


class _Half(nn.Module):
    """A residual block of half the width inside."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.layers = nn.Sequential(
            *(nn.ReLU(), nn.Conv2d(channels, half, 3, padding=1, bias=False), _norm(half)),
            *(nn.ReLU(), nn.Conv2d(half, channels, 3, padding=1, bias=False), _norm(channels)),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        y: Tensor = x + self.layers(x)
        return y


class UNet(nn.Module):
    """The forward model: the frames up to t, (B, 3k, H, W), and what is left of z, (B, D) -> frame t + 1, or its difference from frame t.

    z is repeated over all pixels of the input, and joined at the bottom.
    """

    def __init__(self, config: ModelConfig, size: int) -> None:
        super().__init__()
        self._difference, given = config.difference, 3 * config.context
        widths = [config.fdm_channels * 2**stage for stage in range(config.fdm_stages)]
        self.maps, self.bottom = nn.Linear(size, _MAPS), nn.Linear(size, _BOTTOM)
        self.down, channels = nn.ModuleList(), given + _MAPS
        for width in widths:
            self.down.append(nn.Sequential(nn.Conv2d(channels, width, 3, padding=1, bias=False), _norm(width), _Half(width)))
            channels = width
        self.middle = nn.Sequential(nn.Conv2d(channels, channels, 3, padding=1, bias=False), _norm(channels), nn.ReLU())
        # From below, a stage gets what is there and what came down to its size: at the bottom z instead.
        self.up, beside_it = nn.ModuleList(), [_BOTTOM, *reversed(widths[:-1])]
        for more, width in zip(beside_it, reversed(widths), strict=True):
            self.up.append(
                nn.Sequential(nn.ConvTranspose2d(channels + more, width, 2, stride=2, bias=False), _norm(width), _Half(width), nn.ReLU())
            )
            channels = width
        self.last = nn.Sequential(nn.Conv2d(channels + given, channels, 3, padding=1), _Half(channels), nn.Conv2d(channels, 3, 1))
        if config.difference:  # at first, nothing changes
            _zero(self.last[-1])

    def forward(self, history: Tensor, z: Tensor) -> Tensor:
        """Compute the frame or its difference, float32."""
        x, skips = beside(history, self.maps(z)), []
        for stage in self.down:
            x = F.relu(F.max_pool2d(stage(x), 2))
            skips.append(x)
        x = beside(self.middle(skips.pop()), self.bottom(z))
        for stage in self.up:
            x = stage(x)
            if skips:
                x = torch.cat([x, skips.pop()], 1)
        y: Tensor = self.last(torch.cat([x, history], 1)).float()
        return y if self._difference else y.tanh() / 2


def _zero(layer: nn.Module) -> None:
    """Make a last layer predict 0."""
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)


class Head(nn.Module):
    """Residual layers that are given their inputs again each time (LAOM): several (B, n), n in `inputs`, -> (B, out)."""

    def __init__(self, inputs: Sequence[int], hidden: int, out: int) -> None:
        super().__init__()
        given, width = sum(inputs), 0
        self.rounds = nn.ModuleList()
        for _ in range(3):
            self.rounds.append(nn.ModuleList([nn.Linear(width + given, hidden), _wide(hidden), nn.LayerNorm(hidden)]))
            width = hidden
        self.last = nn.Linear(hidden, out)

    def forward(self, *inputs: Tensor) -> Tensor:
        """Compute the output, float32."""
        given = torch.cat(inputs, 1)
        x = given[:, :0]
        for first, wide, norm in (tuple(layers.children()) for layers in self.rounds):
            x = first(torch.cat([x, given], 1))
            x = norm(x + wide(x))
        y: Tensor = self.last(x).float()
        return y


def _wide(width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(width, 4 * width), nn.ReLU(), nn.Linear(4 * width, width))
