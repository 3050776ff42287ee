"""The networks of Layered have the paper's numbers of parameters, and compute what they are to compute."""

import pytest
import torch
from torch import nn

from glass_model.layered.config import PRESETS
from glass_model.layered.networks import Discriminator, MaskNet, decoder, encoder
from glass_model.layered.system import network


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize("name", ["bair", "tennis", "bair-released", "tennis-released"])
def test_numbers_of_parameters(name: str) -> None:
    """Those of the authors' networks, as measured; the supplement says 47.8 M, with the frozen VGG16 and weights of LPIPS."""
    with torch.device("meta"):
        model = network(PRESETS[name])
    parts = (model.mask, model.encoder, model.decoder, model.codebook, model.to_code, model.from_code, model.discriminator)
    assert [count(part) for part in parts] == [11_377_153, 7_628_672, 10_919_363, 262_144, 65_792, 65_792, 2_765_633]
    assert count(model) == 30_318_916 + 2_765_633
    assert round((count(model) + 14_714_688 + 1_472) / 1e6, 1) == 47.8


def test_sizes() -> None:
    """16 x 16 latents of 256 x 256 pixels, 6 x 16 of tennis, and 30 x 30 patches."""
    for name, latent in (("bair", (16, 16)), ("tennis", (6, 16))):
        config = PRESETS[name].model
        with torch.device("meta"):
            frames = torch.empty(1, 3, *config.size)
            z = encoder(config)(frames)
            assert z.shape == (1, 256, *latent) and decoder(config)(z).shape == frames.shape
            assert MaskNet(config.mask_channels, 1)(frames).shape == (1, 1, *config.size)
    assert Discriminator(2)(torch.zeros(1, 3, 256, 256)).shape == (1, 1, 30, 30)


def test_attention_is_at_the_lowest_level_and_in_the_middle() -> None:
    config = PRESETS["bair"].model
    with torch.device("meta"):
        layers = {"encoder": encoder(config), "decoder": decoder(config)}
    attentive = {name: [i for i, layer in enumerate(part) if type(layer).__name__ == "_Attention"] for name, part in layers.items()}
    # One convolution; four levels of two blocks and a convolution; two blocks with attention; the middle.
    assert attentive == {"encoder": [14, 16, 18], "decoder": [2, 5, 7, 9]}


def test_attention_is_softmax_of_products_over_the_root_of_channels() -> None:
    torch.manual_seed(0)
    config = PRESETS["bair"].override(model={"channels": 32, "multipliers": [1], "blocks": 1}).model
    (layer,) = [layer for layer in encoder(config)[:3] if type(layer).__name__ == "_Attention"]
    x = torch.randn(2, 32, 2, 3)
    y = layer.norm(x)  # type: ignore[operator,union-attr]
    q, k, v = (part(y).flatten(2) for part in (layer.query, layer.key, layer.value))  # type: ignore[operator,union-attr]
    weight = torch.einsum("bcq,bck->bqk", q, k).div(32**0.5).softmax(2)
    expected = x + layer.out(torch.einsum("bqk,bck->bcq", weight, v).reshape(x.shape))  # type: ignore[operator,union-attr]
    torch.testing.assert_close(layer(x), expected)


def test_the_bias_is_what_masks_begin_at() -> None:
    torch.manual_seed(0)
    frame = torch.rand(2, 3, 32, 32) * 2 - 1
    means = [MaskNet(4, 1, bias)(frame).mean().item() for bias in (0.0, -4.0)]
    assert abs(means[0]) < 2 and means[1] < -2


def test_the_codebook_begins_small() -> None:
    model = network(PRESETS["bair"].override(model={"mask_channels": 2, "channels": 4, "multipliers": [1], "mask_blocks": 1}))
    vectors = model.codebook.vectors
    assert vectors.shape == (1024, 256) and vectors.abs().max() <= 1 / 1024 and vectors.std() > 0.5 / 1024
