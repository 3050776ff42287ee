"""Numbers of parameters, counted by hand from the paper's description."""

import pytest
from torch import nn

from glass_model.glass.config import PRESETS
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
