"""Layers against independent computations."""

from copy import deepcopy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from glass_model.blocks import ConvLSTM, Mlp, Modulated, Residual, Same, Up, keep_statistics_apart, modulated_conv, pooled_conv


@pytest.mark.parametrize("down", [1, 2])
def test_shapes(down: int) -> None:
    x = torch.randn(2, 6, 16, 24)
    small = (16 // down, 24 // down)
    assert Same(6, 5, down)(x).shape == (2, 5, *small)
    assert Residual(6, 5, down)(x).shape == (2, 5, *small)
    assert Modulated(6, 5, 3, down)(x, torch.randn(2, 3)).shape == (2, 5, *small)
    assert Up(6, 5, late=down == 2)(x).shape == (2, 5, 32, 48)


@pytest.mark.parametrize("size", [(8, 10), (7, 9)])
@pytest.mark.parametrize(("kernel", "down"), [(3, 1), (3, 2), (3, 4), (1, 2)])
def test_pooled_convolution_against_both_one_after_the_other(size: tuple[int, int], kernel: int, down: int) -> None:
    """Also its gradients, and where a row or column is left over."""
    x, weight = torch.randn(2, 4, *size, dtype=torch.float64), torch.randn(5, 4, kernel, kernel, dtype=torch.float64)
    x.requires_grad_()
    weight.requires_grad_()
    expected = F.conv2d(x, weight, padding=kernel // 2)
    expected = F.avg_pool2d(expected, down) if down > 1 else expected
    made = pooled_conv(x, weight, down)
    torch.testing.assert_close(made, expected)
    toward = torch.randn_like(expected)
    for ours, theirs in zip(*(torch.autograd.grad(y, (x, weight), toward) for y in (made, expected)), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_modulated_convolution_against_weights_of_each_sample() -> None:
    x, weight, scale = torch.randn(3, 4, 8, 9), torch.randn(5, 4, 3, 3), torch.randn(3, 4)
    expected = []
    for image, s in zip(x, scale, strict=True):
        own = weight * s[None, :, None, None]
        own = own / own.square().sum((1, 2, 3), keepdim=True).add(1e-8).sqrt()
        expected.append(F.conv2d(image[None], own, padding=1)[0])
    torch.testing.assert_close(modulated_conv(x, weight, scale), torch.stack(expected), rtol=1e-4, atol=1e-5)


def test_convlstm_by_hand() -> None:
    """With weights at 0 all gates are 1/2 and nothing new is written: the cell halves, the output is half its tanh."""
    cell = ConvLSTM(2, 3, (4, 5))
    nn.init.zeros_(cell.gates.weight)
    nn.init.ones_(cell.cell)
    hidden, after = cell(torch.randn(2, 2, 4, 5), cell.start(2))
    torch.testing.assert_close(after, torch.full((2, 3, 4, 5), 0.5))
    torch.testing.assert_close(hidden, torch.full((2, 3, 4, 5), 0.5).tanh() / 2)


class Twice(nn.Module):
    """A block that is called twice before the backward pass, as those of a recurrent network are; `step` may be compiled."""

    def __init__(self) -> None:
        super().__init__()
        self.block, self.head = Same(3, 3), Mlp(3, 4, 2)

    def step(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.block(x)
        return y

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.step(self.step(self.block(x))).mean((2, 3)))
        return y


@pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor:UserWarning")  # torch, when it compiles
@pytest.mark.parametrize("compiled", [False, pytest.param(True, marks=pytest.mark.slow)])
def test_statistics_apart_give_the_same_numbers(compiled: bool) -> None:
    """Outputs, gradients and moving averages; compiled, two calls before the backward pass are no error."""
    usual, apart = Twice(), Twice()
    apart.load_state_dict(usual.state_dict())
    keep_statistics_apart(apart)
    if compiled:
        apart.step = torch.compile(apart.step, dynamic=False)  # type: ignore[method-assign]
    for _ in range(2):
        x = torch.randn(4, 3, 6, 8)
        ours, theirs = apart(x), usual(x)
        ours.square().sum().backward()
        theirs.square().sum().backward()
        torch.testing.assert_close(ours, theirs)
    for (name, parameter), other in zip(apart.named_parameters(), usual.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, msg=name)
    torch.testing.assert_close(apart.state_dict(), usual.state_dict())
    x = torch.randn(4, 3, 6, 8)
    torch.testing.assert_close(deepcopy(apart.eval().head)(x.mean((2, 3))), usual.eval().head(x.mean((2, 3))))
