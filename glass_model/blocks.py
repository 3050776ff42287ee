"""What all networks are made of. Images are (B, C, H, W); convolutions are 3 x 3 and without bias."""

from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

SLOPE = 0.2
"""Of LeakyReLU left of 0."""


def conv(channels_in: int, channels_out: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps height and width."""
    return nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=False)


def pool(x: Tensor, down: int) -> Tensor:
    """Averages over squares of `down` x `down`."""
    return F.avg_pool2d(x, down) if down > 1 else x


def enlarge(x: Tensor) -> Tensor:
    """Twice the height and width, bilinear, corners on corners."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=True)


def by_sequence(x: Tensor, batch: int) -> Tensor:
    """(B T, ...) -> (B, T, ...)."""
    return x.reshape(batch, -1, *x.shape[1:])


class Same(nn.Module):
    """Convolution, pooling, BatchNorm, LeakyReLU: (B, a, H, W) -> (B, b, H / down, W / down)."""

    def __init__(self, a: int, b: int, down: int = 1) -> None:
        super().__init__()
        self.conv, self.norm, self.down = conv(a, b), nn.BatchNorm2d(b), down

    def forward(self, x: Tensor) -> Tensor:
        """To LeakyReLU's output."""
        return F.leaky_relu(self.norm(pool(self.conv(x), self.down)), SLOPE)


class Residual(nn.Module):
    """Two convolutions, and the identity beside them, or a 1 x 1 convolution where the shape changes; shapes as in Same."""

    def __init__(self, a: int, b: int, down: int = 1) -> None:
        super().__init__()
        self.first, self.second, self.norm = Same(a, b, down), conv(b, b), nn.BatchNorm2d(b)
        changes = a != b or down > 1
        self.aside = nn.Sequential(conv(a, b, 1), nn.AvgPool2d(down), nn.BatchNorm2d(b)) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """To LeakyReLU's output."""
        return F.leaky_relu(self.norm(self.second(self.first(x))) + self.aside(x), SLOPE)


class Up(nn.Module):
    """Enlarging, convolution, BatchNorm, LeakyReLU: (B, a, H, W) -> (B, b, 2 H, 2 W). `late` enlarges at the end."""

    def __init__(self, a: int, b: int, late: bool = False) -> None:
        super().__init__()
        self.same, self.late = Same(a, b), late

    def forward(self, x: Tensor) -> Tensor:
        """To twice the size."""
        return enlarge(self.same(x)) if self.late else self.same(enlarge(x))


class Modulated(nn.Module):
    """Same, with a convolution whose weights a code scales, as in StyleGAN2: (B, a, H, W), (B, code) -> (B, b, H / down, W / down).

    Scaling the weights of each sample by s along their inputs, and to unit norm along their outputs, is the same as scaling the input by
    s and the output by 1 / norm; so one convolution serves the whole batch.
    """

    def __init__(self, a: int, b: int, code: int, down: int = 1) -> None:
        super().__init__()
        self.conv, self.norm, self.down = conv(a, b), nn.BatchNorm2d(b), down
        self.affine = nn.Linear(code, a)
        nn.init.ones_(self.affine.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """To LeakyReLU's output."""
        y = pool(modulated_conv(x, self.conv.weight, self.affine(code)), self.down)
        return F.leaky_relu(self.norm(y), SLOPE)


def modulated_conv(x: Tensor, weight: Tensor, scale: Tensor) -> Tensor:
    """Convolve with weights of each sample's own: weight * scale along the inputs, then of unit norm for every output.

    Args:
        x: (B, a, H, W).
        weight: (b, a, 3, 3).
        scale: (B, a).
    """
    y = F.conv2d(x * scale[..., None, None].to(x.dtype), weight, padding=weight.shape[-1] // 2)
    norm = torch.rsqrt(scale.float().square() @ weight.float().square().sum((2, 3)).T + 1e-8)
    return y * norm[..., None, None].to(y.dtype)


class ConvLSTM(nn.Module):
    """A cell with convolutional gates and learnable initial maps: (B, a, h, w) and its state -> (B, b, h, w) and the next state."""

    def __init__(self, a: int, b: int, size: tuple[int, int]) -> None:
        super().__init__()
        self.gates = conv(a + b, 4 * b)
        self.hidden, self.cell = (nn.Parameter(torch.zeros(1, b, *size)) for _ in range(2))

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Hidden and cell maps before the first input."""
        return self.hidden.expand(batch, -1, -1, -1), self.cell.expand(batch, -1, -1, -1)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The next hidden and cell maps; the hidden one is the output."""
        hidden, cell = state
        into, forget, out, new = self.gates(torch.cat([x, hidden.to(x.dtype)], 1)).chunk(4, 1)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        return out.sigmoid() * cell.tanh(), cell


class Mlp(nn.Sequential):
    """Linear layers with BatchNorm and LeakyReLU between them: (B, widths[0]) -> (B, widths[-1])."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for a, b in pairwise(widths[:-1]):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Linear(widths[-2], widths[-1]))
