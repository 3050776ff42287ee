"""Moving images, and the networks of the global motion analysis."""

import pytest
import torch

from glass_model.glass.config import PRESETS
from glass_model.glass.gma import GMA, ShiftNet, move


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


def centre(image: torch.Tensor) -> torch.Tensor:
    """Normalised centres of mass, (B, 2), of images (B, C, H, W)."""
    ys, xs = (torch.linspace(-1 + 1 / n, 1 - 1 / n, n) for n in image.shape[-2:])
    weight = image.sum(1)
    return torch.stack([(weight.sum(1) * xs).sum(1), (weight.sum(2) * ys).sum(1)], 1) / weight.sum((1, 2))[:, None]


@pytest.mark.parametrize(("gain", "offset", "equi", "known"), [(1.0, 0.0, 0.0, 0.0), (1.0, 0.3, 0.0, 0.3), (0.0, 0.0, 0.1, 0.1)])
def test_known_shifts_see_a_constant_error_that_equivariance_does_not(
    gain: float, offset: float, equi: float, known: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A net that answers the motion of the centres, right or with an offset, and one that answers nothing."""
    gma = GMA(PRESETS["tiny"].model, known=("equi", "known")).train()
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 48), indexing="ij")
    blob = torch.exp(-(xs.square() + ys.square()) / 0.02).expand(64, 1, 40, 48)
    moved = move(blob, torch.full((64, 2), 0.15))
    monkeypatch.setattr(gma.shift, "forward", lambda a, b: gain * (centre(b) - centre(a)) + offset)
    shift, errors = gma._shift(gma.shift, blob, moved, border=False)
    torch.testing.assert_close(shift, torch.full((64, 2), 0.15 * gain + offset), atol=1e-3, rtol=0)
    # A random shift has a mean absolute value of 0.1, half of the largest, with a standard error of 0.005.
    assert {name: error.item() for name, error in errors.items()} == {
        "equi": pytest.approx(equi, abs=0.02),
        "known": pytest.approx(known, abs=0.02),
    }
    gma.eval()
    assert gma._shift(gma.shift, blob, moved, border=False)[1] == {}


def test_misses_of_known_shifts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Sequences of three frames: followed, not answered, and answered with an offset of twice the shift; backgrounds at half."""
    gma = GMA(PRESETS["tiny"].model).eval()
    gain, offset = (torch.tensor(values).repeat_interleave(3 * 4)[:, None] for values in ([1.0, 0.0, 1.0], [0.0, 0.0, 0.3]))
    monkeypatch.setattr(gma.mask, "forward", torch.ones_like)
    monkeypatch.setattr(gma.shift, "forward", lambda a, b: gain * (centre(b) - centre(a)) + offset)
    monkeypatch.setattr(gma.inpainter, "forward", lambda frame, mask: frame)
    monkeypatch.setattr(gma.background_shift, "forward", lambda a, b: 0.5 * (centre(b) - centre(a)))
    ys, xs = torch.meshgrid(torch.linspace(-1, 1, 40), torch.linspace(-1, 1, 48), indexing="ij")
    blob = torch.exp(-(xs.square() + ys.square()) / 0.02).expand(3, 3, 3, 40, 48)
    foreground, background = gma.misses(blob)
    torch.testing.assert_close(foreground, torch.tensor([0.0, 1.0, 2.0]), atol=0.02, rtol=0)
    torch.testing.assert_close(background, torch.full((3,), 0.5), atol=0.02, rtol=0)
