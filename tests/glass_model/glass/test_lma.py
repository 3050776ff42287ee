"""Networks of the local motion analysis."""

from itertools import permutations

import pytest
import torch
from torch import nn

from glass_model.glass import lma
from glass_model.glass.config import PRESETS
from glass_model.glass.lma import LMA, Bilinear, recoloured


def test_bilinear_against_torch() -> None:
    own, known = Bilinear(3, 4, 5), nn.Bilinear(3, 4, 5, bias=False)
    known.weight.data = own.weight.data.reshape(5, 3, 4)
    x, y = torch.randn(6, 3), torch.randn(6, 4)
    torch.testing.assert_close(own(x, y), known(x, y))


def test_recoloured_sequences() -> None:
    """One permutation of the channels and one factor of each, 0.5 to 1 in size, for all frames of a sequence; zeros stay."""
    images = torch.rand(6, 3, 3, 4, 5) * 2 - 1
    images[:, :, :, 0] = 0
    other = recoloured(images)
    assert torch.all(other[:, :, :, 0] == 0) and other.abs().max() <= 1
    for before, after in zip(images, other, strict=True):
        fits = []
        for order in permutations(range(3)):
            factor = (after / before[:, order])[:, :, 1:]
            if torch.allclose(factor, factor[:1, :, :1, :1].expand_as(factor), atol=1e-3):
                fits.append(factor[0, :, 0, 0].abs())
        assert len(fits) == 1 and fits[0].min() >= 0.5 and fits[0].max() <= 1
    assert not torch.allclose(other[0] / images[0], other[1] / images[1], equal_nan=True)  # each sequence has its own


def test_actions_read_from_other_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    """The dynamics get the true foregrounds; actions are those of the recoloured ones."""
    monkeypatch.setattr(lma, "recoloured", lambda images: -images)
    torch.manual_seed(0)
    model = LMA(PRESETS["tiny"].override(model={"quantizer": "vq"}).model)
    foregrounds, shifts = torch.rand(2, 4, 3, 32, 40) * 2 - 1, torch.zeros(2, 3, 2)
    for layer in model.modules():
        if isinstance(layer, nn.BatchNorm1d | nn.BatchNorm2d):
            layer.momentum = 1.0  # statistics of one batch, so that what a random encoder says depends on its input
    with torch.no_grad():
        model(foregrounds, shifts, 4)
        model.eval()  # nothing is drawn, and the statistics stay
        plain, other, negative = (
            model(x, shifts, 4, recolour=r) for x, r in ((foregrounds, False), (foregrounds, True), (-foregrounds, False))
        )
    torch.testing.assert_close(other.action.direction, negative.action.direction)
    assert not torch.allclose(other.action.direction, plain.action.direction, atol=1e-3)
    assert torch.equal(other.fed, foregrounds[:, :3]) and torch.equal(plain.fed, other.fed)
    torch.testing.assert_close(other.state_true, plain.state_true)
