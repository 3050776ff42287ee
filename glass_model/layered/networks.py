"""The networks of Layered: mask network M, encoder E and decoder D of a VQGAN, and a discriminator. Images are (B, C, H, W) in [-1, 1].

M is a ResNet generator (Johnson et al., 2016; Zhu et al., 2017), E and D are those of Esser et al. (Taming Transformers, CVPR 2021), the
discriminator is a PatchGAN (Isola et al., 2017).
"""

from itertools import pairwise

import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.layered.config import ModelConfig

_GROUPS, _EPSILON = 32, 1e-6  # of GroupNorm


class MaskNet(nn.Module):
    """M: (B, 3, H, W) -> (B, 1, H, W) float32 logits of the foreground. H and W are divisible by 4.

    Args:
        c: channels of the first layer; the residual blocks have 4 c at a quarter of the size.
        blocks: number of residual blocks.
        bias: what the logits begin at, up to the scale of the last layer's random weights.
    """

    def __init__(self, c: int, blocks: int, bias: float = 0.0) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.ReflectionPad2d(3), nn.Conv2d(3, c, 7, bias=False), nn.BatchNorm2d(c), nn.ReLU(True)]
        for a, b in ((c, 2 * c), (2 * c, 4 * c)):
            layers += [nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False), nn.BatchNorm2d(b), nn.ReLU(True)]
        layers += [_MaskBlock(4 * c) for _ in range(blocks)]
        for a, b in ((4 * c, 2 * c), (2 * c, c)):
            up = nn.ConvTranspose2d(a, b, 3, stride=2, padding=1, output_padding=1, bias=False)
            layers += [up, nn.BatchNorm2d(b), nn.ReLU(True)]
        self.layers = nn.Sequential(*layers, nn.ReflectionPad2d(3))
        self.last = nn.Conv2d(c, 1, 7)
        if bias:
            nn.init.constant_(self.last.bias, bias)  # type: ignore[arg-type]

    def forward(self, frame: Tensor) -> Tensor:
        """Compute the logits."""
        logits: Tensor = self.last(self.layers(frame))
        return logits.float()


class _MaskBlock(nn.Module):
    """Two convolutions plus their input, without an activation after the sum."""

    def __init__(self, c: int) -> None:
        super().__init__()
        half = (nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=False), nn.BatchNorm2d(c))
        other = (nn.ReflectionPad2d(1), nn.Conv2d(c, c, 3, bias=False), nn.BatchNorm2d(c))
        self.layers = nn.Sequential(*half, nn.ReLU(True), *other)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = x + self.layers(x)
        return y


def _norm(channels: int) -> nn.GroupNorm:
    """GroupNorm of 32 groups, or fewer where there would be only one channel in a group."""
    return nn.GroupNorm(min(_GROUPS, channels // 2), channels, eps=_EPSILON)


class _Block(nn.Module):
    """GroupNorm, swish and convolution, twice, plus a skip connection: (B, a, H, W) -> (B, b, H, W)."""

    def __init__(self, a: int, b: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_norm(a), nn.SiLU(), nn.Conv2d(a, b, 3, padding=1), _norm(b), nn.SiLU(), nn.Conv2d(b, b, 3, padding=1))
        self.aside = nn.Conv2d(a, b, 1) if a != b else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.aside(x) + self.layers(x)
        return y


class _Attention(nn.Module):
    """Self-attention over positions with a single head, plus its input."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.norm, self.out = _norm(c), nn.Conv2d(c, c, 1)
        self.query, self.key, self.value = (nn.Conv2d(c, c, 1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(x)
        query, key, value = (part(y).flatten(2).transpose(1, 2) for part in (self.query, self.key, self.value))
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(x.shape)
        z: Tensor = x + self.out(seen)
        return z


class _Down(nn.Module):
    """Half the height and width: a convolution of stride 2 of an image with zeros at its right and bottom edges."""

    def __init__(self, c: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(c, c, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.conv(F.pad(x, (0, 1, 0, 1)))
        return y


def _up(c: int) -> nn.Sequential:
    """Twice the height and width: nearest neighbours and a convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2.0, mode="nearest"), nn.Conv2d(c, c, 3, padding=1))


def _middle(c: int, attention: bool) -> list[nn.Module]:
    return [_Block(c, c), *([_Attention(c)] if attention else []), _Block(c, c)]


def encoder(config: ModelConfig) -> nn.Sequential:
    """E: (B, 3, H, W) -> (B, latent, h, w), with half of the side between two levels. Attention follows the blocks of the last level."""
    widths = [config.channels * m for m in config.multipliers]
    layers: list[nn.Module] = [nn.Conv2d(3, config.channels, 3, padding=1)]
    for level, (before, width) in enumerate(pairwise([config.channels, *widths])):
        last = level == len(widths) - 1
        for a in (before, *[width] * (config.blocks - 1)):
            layers += [_Block(a, width), *([_Attention(width)] if last and config.attention else [])]
        layers += [] if last else [_Down(width)]
    last_width = widths[-1]
    layers += [*_middle(last_width, config.attention), _norm(last_width), nn.SiLU(), nn.Conv2d(last_width, config.latent, 3, padding=1)]
    return nn.Sequential(*layers)


def decoder(config: ModelConfig) -> nn.Sequential:
    """D: (B, latent, h, w) -> (B, 3, H, W), which nothing bounds. The last layer is a convolution, which GAN's weight is measured at."""
    widths = [config.channels * m for m in reversed(config.multipliers)]
    layers: list[nn.Module] = [nn.Conv2d(config.latent, widths[0], 3, padding=1), *_middle(widths[0], config.attention)]
    for level, (before, width) in enumerate(pairwise([widths[0], *widths])):
        for a in (before, *[width] * config.blocks):
            layers += [_Block(a, width), *([_Attention(width)] if level == 0 and config.attention else [])]
        layers += [] if level == len(widths) - 1 else [_up(width)]
    layers += [_norm(widths[-1]), nn.SiLU(), nn.Conv2d(widths[-1], 3, 3, padding=1)]
    return nn.Sequential(*layers)


class Discriminator(nn.Sequential):
    """(B, 3, H, W) -> (B, 1, h, w): for each patch of a frame, how real it looks. Frames have 32 pixels or more on each side.

    Args:
        c: channels of the first layer.
    """

    def __init__(self, c: int) -> None:
        layers: list[nn.Module] = [nn.Conv2d(3, c, 4, stride=2, padding=1), nn.LeakyReLU(0.2, True)]
        for a, b, stride in ((c, 2 * c, 2), (2 * c, 4 * c, 2), (4 * c, 8 * c, 1)):
            layers += [nn.Conv2d(a, b, 4, stride=stride, padding=1, bias=False), nn.BatchNorm2d(b), nn.LeakyReLU(0.2, True)]
        super().__init__(*layers, nn.Conv2d(8 * c, 1, 4, padding=1))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.normal_(module.weight, 0.0, 0.02)
            elif isinstance(module, nn.BatchNorm2d):
                nn.init.normal_(module.weight, 1.0, 0.02)


def widened(mask: Tensor, margin: int) -> Tensor:
    """A mask, (B, 1, H, W), with so many more pixels at its edges."""
    return F.max_pool2d(mask, 2 * margin + 1, stride=1, padding=margin)
