"""Layers against independent computations, and numbers of parameters by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from glass_model.blocks import ConvLSTM, Modulated, Residual, Same, Up, modulated_conv
from glass_model.glass.config import PRESETS
from glass_model.glass.gma import GMA, ShiftNet, move
from glass_model.glass.lma import Bilinear, Quantizer
from glass_model.glass.model import GLASS


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def conv(a: int, b: int, size: int = 3) -> int:
    return size * size * a * b


def same(a: int, b: int) -> int:
    return conv(a, b) + 2 * b  # and BatchNorm


def residual(a: int, b: int, aside: bool) -> int:
    return same(a, b) + same(b, b) + (conv(a, b, 1) + 2 * b if aside else 0)


MASK = (
    same(3, 64) + residual(64, 256, True) + residual(256, 256, True) + 9 * residual(256, 256, False)
    + same(256, 64) + residual(64, 64, False) + same(64, 64) + residual(64, 64, False) + conv(64, 1)
)  # fmt: skip
SHIFT = same(6, 16) + same(16, 32) + same(32, 32) + same(32, 64) + same(64, 128) + (128 * 64 + 128) + (64 * 32 + 64) + (32 * 2 + 2)
INPAINTER = (
    same(3, 16) + same(16, 32) + same(32, 32) + same(32, 64) + same(64, 64) + same(64, 64)
    + same(64, 32) + same(32, 32) + same(32, 16) + same(16, 3)
)  # fmt: skip
ENCODER = (
    same(3, 16) + residual(16, 16, False) + residual(16, 32, True) + residual(32, 32, False)
    + residual(32, 64, True) + residual(64, 64, False) + residual(64, 65, True)
)  # fmt: skip
HEAD = (64 * 128 + 256) + (128 * 64 + 128) + (64 * 16 + 16)
BILINEAR = 64 * (64 * 128 + 128 * 128 + 128 * 128 + 128 * 64) + 4 * (64 * 64 + 64) + 3 * 256
ACTION = residual(64, 128, True) + residual(128, 64, True) + HEAD
MAPS = 2 * (32 * 12 * 16 + 64 * 6 * 8 + 32 * 12 * 16)
LSTM = conv(8 + 32, 128) + conv(32 + 8 + 64, 256) + conv(64 + 32, 128) + MAPS + 2 * (32 + 64 + 32)
CODES = (2 * 8 + 8) + (16 * 8 + 8)
BLOCKS = same(32, 32) + same(64, 64) + same(32, 32)
AFFINE = 2 * (8 * 32 + 32)
DECODER = (
    same(32, 128) + residual(128, 128, False) + same(128, 64) + residual(64, 64, False) + same(64, 32)
    + conv(128, 3) + conv(64, 3) + conv(32, 4)
)  # fmt: skip


def test_parameters_of_the_paper() -> None:
    model = GLASS(PRESETS["paper"].model)
    gma, lma = model.gma, model.lma
    assert parameters(gma.mask) == MASK == 12_962_944
    assert parameters(gma.shift) == parameters(gma.background_shift) == SHIFT == 117_890
    assert parameters(gma.inpainter) == INPAINTER == 139_814
    assert parameters(lma.encoder) == ENCODER == 249_951
    assert parameters(lma.compress) == 64 * 8
    assert parameters(lma.action_net) == ACTION + BILINEAR == 3_530_256
    assert parameters(lma.quantizer) == 6 * 16
    assert parameters(lma.dynamics) == LSTM + CODES + BLOCKS + AFFINE == 483_552
    assert parameters(lma.decoder) == DECODER == 505_216
    assert parameters(model) == 18_108_121


@pytest.mark.parametrize(
    ("name", "module", "more"),
    [
        ("plain", "action_net", -BILINEAR),
        ("gumbel", "quantizer", 16 * 6 + 6),  # logits
        ("unmodulated", "dynamics", 9 * 8 * (128 + 128) - AFFINE),  # rounds 1 and 3 see eight channels more
        ("joint", "dynamics", 2 * 8 * 32 + 9 * 8 * 256),  # actions of sixteen numbers everywhere
        ("codes-12", "quantizer", 6 * 16),
        ("no-recs", "dynamics", 0),
    ],
)
def test_parameters_of_ablations(name: str, module: str, more: int) -> None:
    paper, other = (GLASS(PRESETS[preset].model) for preset in ("paper", name))
    assert parameters(other) - parameters(paper) == more
    assert parameters(getattr(other.lma, module)) - parameters(getattr(paper.lma, module)) == more


@pytest.mark.parametrize("down", [1, 2])
def test_shapes(down: int) -> None:
    x = torch.randn(2, 6, 16, 24)
    small = (16 // down, 24 // down)
    assert Same(6, 5, down)(x).shape == (2, 5, *small)
    assert Residual(6, 5, down)(x).shape == (2, 5, *small)
    assert Modulated(6, 5, 3, down)(x, torch.randn(2, 3)).shape == (2, 5, *small)
    assert Up(6, 5, late=down == 2)(x).shape == (2, 5, 32, 48)


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


def test_bilinear_against_torch() -> None:
    own, known = Bilinear(3, 4, 5), nn.Bilinear(3, 4, 5, bias=False)
    known.weight.data = own.weight.data.reshape(5, 3, 4)
    x, y = torch.randn(6, 3), torch.randn(6, 4)
    torch.testing.assert_close(own(x, y), known(x, y))


@pytest.mark.parametrize(("dx", "dy"), [(3, 0), (-2, 0), (0, 4), (1, -5)])
def test_move_by_whole_pixels(dx: int, dy: int) -> None:
    """What was at (x, y) is at (x + dx, y + dy): the sign of the labels `shift` and `background_shift`."""
    image = torch.rand(1, 3, 12, 16)
    shift = torch.tensor([[2 * dx / 16, 2 * dy / 12]])
    expected = torch.zeros_like(image)
    for y in range(12):
        for x in range(16):
            if 0 <= x - dx < 16 and 0 <= y - dy < 12:
                expected[..., y, x] = image[..., y - dy, x - dx]
    torch.testing.assert_close(move(image, shift), expected, atol=1e-5, rtol=1e-5)
    at_border = move(image, shift, border=True)
    torch.testing.assert_close(at_border[expected != 0], expected[expected != 0], atol=1e-5, rtol=1e-5)
    assert (at_border > 0).all()  # the edge is repeated


def test_the_first_shifts_are_near_zero() -> None:
    shift = ShiftNet(4)(torch.randn(3, 3, 16, 16), torch.randn(3, 3, 16, 16))
    torch.testing.assert_close(shift, torch.full((3, 2), 1e-4))


def test_the_inpainter_changes_nothing_outside_the_mask() -> None:
    gma, frame = GMA(PRESETS["tiny"].model), torch.rand(2, 3, 48, 64) * 2 - 1
    mask = torch.zeros(2, 1, 48, 64)
    mask[..., 10:20, 30:40] = 1
    painted = gma.inpainter(frame, mask)
    outside = (mask == 0).expand_as(frame)
    assert torch.equal(painted[outside], frame[outside])
    assert not torch.equal(painted[~outside], frame[~outside])
    hidden = frame.clone()
    hidden[..., 10:20, 30:40] = 0.5
    torch.testing.assert_close(gma.inpainter(hidden, mask), painted)  # nor does it see what is in the hole


def test_vector_quantisation() -> None:
    quantizer = Quantizer(3, 2, gumbel=False)
    quantizer.vectors.data = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0]])
    direction = torch.tensor([[0.6, 0.1], [0.1, 1.2], [-3.0, -1.0]], requires_grad=True)
    action = quantizer(direction)
    assert action.code.tolist() == [1, 2, 0]
    torch.testing.assert_close(action.vector, quantizer.vectors[action.code])
    (action.vector * torch.tensor([[1.0, 2.0]])).sum().backward()
    assert direction.grad is not None
    torch.testing.assert_close(direction.grad, torch.tensor([[1.0, 2.0]]).expand(3, 2))  # straight through
    assert quantizer.vectors.grad is None


def test_gumbel_softmax() -> None:
    torch.manual_seed(0)
    quantizer = Quantizer(3, 2, gumbel=True)
    assert quantizer.logits is not None
    nn.init.zeros_(quantizer.logits.weight)
    quantizer.logits.bias.data = torch.tensor([2.0, 0.0, -1.0])
    quantizer.vectors.data = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    cold = quantizer(torch.zeros(4000, 2), temperature=1e-3).vector
    # At a temperature of 0 a code is drawn with the probability that softmax gives it.
    torch.testing.assert_close(cold.mean(0), torch.tensor([2.0, 0.0, -1.0]).softmax(0)[:2], atol=0.03, rtol=0)
    warm = quantizer(torch.zeros(1, 2), temperature=100.0).vector
    torch.testing.assert_close(warm, torch.full((1, 2), 1 / 3), atol=0.05, rtol=0)
    quantizer.eval()
    assert quantizer(torch.zeros(5, 2)).vector.tolist() == [[1.0, 0.0]] * 5
