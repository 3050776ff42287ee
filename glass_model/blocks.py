"""Building blocks of the networks. Images are (B, C, H, W); convolutions are 3 x 3 and have no bias."""

from collections import OrderedDict
from collections.abc import Iterable
from functools import partial
from itertools import pairwise
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

SLOPE = 0.2
"""Slope of LeakyReLU for negative inputs."""


def conv(channels_in: int, channels_out: int, size: int = 3) -> nn.Conv2d:
    """A convolution that keeps height and width."""
    return nn.Conv2d(channels_in, channels_out, size, padding=size // 2, bias=False)


def pool(x: Tensor, down: int) -> Tensor:
    """Average over squares of `down` x `down` pixels."""
    return F.avg_pool2d(x, down) if down > 1 else x


def pooled_conv(x: Tensor, weight: Tensor, down: int) -> Tensor:
    """A convolution followed by `pool`. Both are linear: the mean of 2 x 2 outputs is one convolution of 4 x 4 with stride 2.

    That takes 16 products an output instead of 36, and the maps before pooling, the largest of all, are not computed.

    Args:
        x: images, (B, a, H, W).
        weight: (b, a, k, k), k odd, as of `conv`.
        down: side of the squares.
    """
    margin = weight.shape[-1] // 2
    if down != 2:
        return pool(F.conv2d(x, weight, padding=margin), down)
    wide = F.avg_pool2d(F.pad(weight, (1, 1, 1, 1)), 2, stride=1)
    if x.is_contiguous(memory_format=torch.channels_last):
        wide = wide.contiguous(memory_format=torch.channels_last)
    return F.conv2d(x, wide, padding=margin, stride=2)


def enlarge(x: Tensor, *, aligned: bool = True) -> Tensor:
    """Double height and width, bilinearly, with or without aligned corners."""
    return F.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=aligned)


def beside(x: Tensor, vector: Tensor) -> Tensor:
    """Append a vector as constant channels: (B, a, h, w), (B, n) -> (B, a + n, h, w)."""
    return torch.cat([x, vector[..., None, None].to(x.dtype).expand(-1, -1, *x.shape[2:])], 1)


def by_sequence(x: Tensor, batch: int) -> Tensor:
    """Split the leading axis: (B T, ...) -> (B, T, ...)."""
    return x.reshape(batch, -1, *x.shape[1:])


class Same(nn.Module):
    """Convolution, pooling, BatchNorm, LeakyReLU: (B, a, H, W) -> (B, b, H / down, W / down)."""

    def __init__(self, a: int, b: int, down: int = 1) -> None:
        super().__init__()
        self.conv, self.norm, self.down = conv(a, b), nn.BatchNorm2d(b), down

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        return F.leaky_relu(self.norm(pooled_conv(x, self.conv.weight, self.down)), SLOPE, inplace=True)


class Residual(nn.Module):
    """Two convolutions plus a skip connection, which is a 1 x 1 convolution where the shape changes. Shapes as in `Same`."""

    def __init__(self, a: int, b: int, down: int = 1) -> None:
        super().__init__()
        self.first, self.second, self.norm = Same(a, b, down), conv(b, b), nn.BatchNorm2d(b)
        self.aside: nn.Module = nn.Identity()
        if a != b or down > 1:  # pooling first is the same and less work; the names are those of checkpoints
            self.aside = nn.Sequential(OrderedDict([("1", nn.AvgPool2d(down)), ("0", conv(a, b, 1)), ("2", nn.BatchNorm2d(b))]))

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output."""
        return F.leaky_relu(self.norm(self.second(self.first(x))) + self.aside(x), SLOPE, inplace=True)


class Up(nn.Module):
    """Enlargement, convolution, BatchNorm, LeakyReLU: (B, a, H, W) -> (B, b, 2 H, 2 W). `late` enlarges at the end."""

    def __init__(self, a: int, b: int, late: bool = False, *, aligned: bool = True) -> None:
        super().__init__()
        self.same, self.late, self.aligned = Same(a, b), late, aligned

    def forward(self, x: Tensor) -> Tensor:
        """Compute the output of twice the size."""
        if self.late:
            return enlarge(self.same(x), aligned=self.aligned)
        y: Tensor = self.same(enlarge(x, aligned=self.aligned))
        return y


class Modulated(nn.Module):
    """`Same` with weights scaled by a code, as in StyleGAN2 (Karras et al., 2020): (B, a, H, W), (B, code) -> (B, b, H / down, W / down).

    Scaling the weights of each sample by s along their inputs, and to unit norm along their outputs, equals scaling the input by s and the
    output by 1 / norm, so that the whole batch is one convolution.
    """

    def __init__(self, a: int, b: int, code: int, down: int = 1) -> None:
        super().__init__()
        self.conv, self.norm, self.down = conv(a, b), nn.BatchNorm2d(b), down
        self.affine = nn.Linear(code, a)
        nn.init.ones_(self.affine.bias)

    def forward(self, x: Tensor, code: Tensor) -> Tensor:
        """Compute the output."""
        y = modulated_conv(x, self.conv.weight, self.affine(code), self.down)
        return F.leaky_relu(self.norm(y), SLOPE, inplace=True)


def modulated_conv(x: Tensor, weight: Tensor, scale: Tensor, down: int = 1) -> Tensor:
    """Convolve each sample with its own weights: weight * scale along the inputs, then normalised for each output.

    Args:
        x: images, (B, a, H, W).
        weight: shared weights, (b, a, 3, 3).
        scale: factors of each sample's inputs, (B, a).
        down: side of the squares over which the output is averaged.
    """
    y = pooled_conv(x * scale[..., None, None].to(x.dtype), weight, down)
    norm = torch.rsqrt(scale.float().square() @ weight.float().square().sum((2, 3)).T + 1e-8)
    return y * norm[..., None, None].to(y.dtype)


class ConvLSTM(nn.Module):
    """A cell with convolutional gates (Shi et al., 2015) and learnable initial maps: (B, a, h, w) and a state -> the next state."""

    def __init__(self, a: int, b: int, size: tuple[int, int], *, bias: bool = False) -> None:
        super().__init__()
        self.gates = nn.Conv2d(a + b, 4 * b, 3, padding=1, bias=bias)
        self.hidden, self.cell = (nn.Parameter(torch.zeros(1, b, *size)) for _ in range(2))

    def start(self, batch: int) -> tuple[Tensor, Tensor]:
        """Hidden and cell maps before the first input."""
        return self.hidden.expand(batch, -1, -1, -1), self.cell.expand(batch, -1, -1, -1)

    def forward(self, x: Tensor, state: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        """The next hidden and cell maps, (B, b, h, w) each; the hidden map is the output."""
        hidden, cell = state
        into, forget, out, new = self.gates(torch.cat([x, hidden.to(x.dtype)], 1)).chunk(4, 1)
        cell = forget.sigmoid() * cell + into.sigmoid() * new.tanh()
        return out.sigmoid() * cell.tanh(), cell


Memory = tuple[tuple[Tensor, Tensor], ...]
"""Hidden and cell maps of several ConvLSTMs."""


def first_memory(cells: Iterable[nn.Module], batch: int) -> Memory:
    """The memory of ConvLSTMs before their first input."""
    return tuple(cast(ConvLSTM, cell).start(batch) for cell in cells)


class Mlp(nn.Sequential):
    """Linear layers with BatchNorm and LeakyReLU between them: (B, widths[0]) -> (B, widths[-1])."""

    def __init__(self, *widths: int) -> None:
        layers: list[nn.Module] = []
        for a, b in pairwise(widths[:-1]):
            layers += [nn.Linear(a, b, bias=False), nn.BatchNorm1d(b), nn.LeakyReLU(SLOPE)]
        super().__init__(*layers, nn.Linear(widths[-2], widths[-1]))


def keep_statistics_apart(network: nn.Module) -> None:
    """Let each BatchNorm normalise by the statistics of the batch alone, and update its moving averages beside that: the same numbers.

    PyTorch saves the moving averages for the backward pass, where a compiled function writes them. One that is called several times
    before the backward pass, such as a step of a recurrent network, would fail there.
    """
    for module in network.modules():
        if isinstance(module, _BatchNorm):
            module.forward = partial(_normalise, module)  # type: ignore[method-assign]


def _normalise(norm: _BatchNorm, x: Tensor) -> Tensor:
    """What BatchNorm computes, where the moving averages are inputs of nothing that has a gradient."""
    if not norm.training:
        return type(norm).forward(norm, x)
    assert norm.momentum is not None and norm.running_mean is not None and norm.running_var is not None
    assert norm.num_batches_tracked is not None
    with torch.no_grad():
        variance, mean = torch.var_mean(x.float(), [axis for axis in range(x.ndim) if axis != 1])
        norm.running_mean.lerp_(mean, norm.momentum)
        norm.running_var.lerp_(variance, norm.momentum)
        norm.num_batches_tracked += 1
    return F.batch_norm(x, None, None, norm.weight, norm.bias, True, 0.0, norm.eps)
