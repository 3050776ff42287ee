"""Sizes of the networks, what they see, and what they begin with."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from glass_model.lam.config import PRESETS, ModelConfig
from glass_model.lam.networks import Head, Impala, UNet, encoder
from glass_model.lam.system import network
from glass_model.lam.transformer import Forward, Inverse

SMALL = ModelConfig(height=32, width=48, scale=1, idm_channels=(4, 4), idm_hidden=8, fdm_channels=4, fdm_stages=2)
PATCHES = replace(SMALL, backbone="transformer", patch=8, layers=2, heads=2, embedding=8)


def parameters(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_numbers_of_parameters() -> None:
    """Of the inverse model with two frames and 16 dimensions, as counted by hand for docs/lam.md; LAPO's is that of the authors' code."""
    for name, inverse, dynamics in (("tiny", 496_048, 213_787), ("small", 1_181_264, 811_491), ("base", 3_870_224, 7_045_675)):
        config = PRESETS[name].override(model={"context": 2}, train={"window": 3})
        with torch.device("meta"):
            model = network(config)
        assert (parameters(model.inverse), parameters(model.dynamics)) == (inverse, dynamics)
    with torch.device("meta"):
        lapo = network(PRESETS["lapo"])
    assert parameters(lapo.inverse) == 3_685_376
    assert lapo.bottleneck.codebooks is not None and lapo.bottleneck.codebooks.vectors.shape == (2, 64, 16)


def by_hand(channels_in: int, config: ModelConfig, width: int) -> int:
    """Weights and biases of IMPALA, layer by layer."""
    total, area = 0, config.seen[0] * config.seen[1]
    for channels in config.idm_channels:
        total += 9 * channels_in * channels + channels + config.idm_blocks * 2 * (9 * channels**2 + channels)
        channels_in, area = channels, area // 4
    flat = channels_in * area
    return total + flat * config.idm_hidden + config.idm_hidden + config.idm_hidden * width + width


@pytest.mark.parametrize("preset", ["tiny", "small", "base", "lapo"])
def test_parameters_of_impala(preset: str) -> None:
    config = PRESETS[preset].model
    with torch.device("meta"):
        assert parameters(Impala(9, config, 16)) == by_hand(9, config, 16)


def test_parameters_of_the_strided_encoder() -> None:
    config = PRESETS["tiny"].override(model={"figure": 64, "scale": 1, "encoder": "strided", "idm_channels": (16, 32, 64, 96)}).model
    with torch.device("meta"):
        model = encoder(6, config, 9)
    convolutions = sum(9 * a * b + 2 * b for a, b in ((6, 16), (16, 32), (32, 64), (64, 96)))
    assert parameters(model) == convolutions + (96 * 4 * 4 + 1) * 256 + (256 + 1) * 9


@pytest.mark.parametrize("config", [SMALL, PATCHES], ids=["conv", "transformer"])
@pytest.mark.parametrize("difference", [True, False])
def test_the_forward_model_begins_with_no_change(config: ModelConfig, difference: bool) -> None:
    config = replace(config, difference=difference, context=2)
    torch.manual_seed(0)
    dynamics = (Forward if config.backbone == "transformer" else UNet)(config, 3)
    history, z = torch.rand(2, 6, 32, 48) - 0.5, torch.randn(2, 3)
    y = dynamics(history, z)
    assert y.shape == (2, 3, 32, 48) and y.dtype == torch.float32
    if difference:
        assert torch.equal(y, torch.zeros_like(y))
    else:
        assert y.abs().max() <= 0.5 and y.std() > 0
        assert not torch.equal(y, dynamics(history, z + 1))
        other = dynamics(history.index_fill(1, torch.arange(3), 0.1), z)
        assert not torch.equal(y, other)  # the older frame counts as well


def test_no_sample_depends_on_the_others_of_its_batch() -> None:
    """What BatchNorm would break, in training mode."""
    torch.manual_seed(0)
    for config in (SMALL, PATCHES):
        inverse = Inverse if config.backbone == "transformer" else Impala
        idm = Inverse(config, 3) if inverse is Inverse else Impala(6, config, 3)
        images = torch.rand(3, 6, 32, 48) - 0.5
        torch.testing.assert_close(idm(images)[:1], idm(images[:1]), rtol=1e-4, atol=1e-5)
        fdm = (Forward if config.backbone == "transformer" else UNet)(replace(config, difference=False), 3)
        history, z = images[:, :3], torch.randn(3, 3)
        torch.testing.assert_close(fdm(history, z)[:1], fdm(history[:1], z[:1]), rtol=1e-4, atol=1e-5)


def test_patches_come_back_to_their_place() -> None:
    """A change of one patch of the input reaches its own patch of the output at once, through the skips around attention."""
    torch.manual_seed(0)
    config = replace(PATCHES, difference=False)
    fdm = Forward(config, 3)
    for layer in fdm.tokens.layers:  # no attention: each token for itself
        nn.init.zeros_(layer.space.out.weight)
    image, z = torch.zeros(1, 3, 32, 48), torch.zeros(1, 3)
    other = image.clone()
    other[..., 8:16, 16:24] = 0.4
    changed = (fdm(image, z) != fdm(other, z)).any(1)[0]
    assert changed[8:16, 16:24].all() and changed.sum() == 64


def test_heads_see_their_inputs_in_every_round() -> None:
    torch.manual_seed(0)
    head = Head((2, 3), 4, 5)
    assert head(torch.randn(7, 2), torch.randn(7, 3)).shape == (7, 5)
    assert [layers[0].in_features for layers in head.rounds] == [5, 9, 9]
