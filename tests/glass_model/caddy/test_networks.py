"""The networks: numbers of parameters, and layers against slow computations."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from glass_model.blocks import ConvLSTM, Up
from glass_model.caddy.config import PRESETS, ModelConfig
from glass_model.caddy.model import CADDY
from glass_model.caddy.networks import ActionNet, Decoder, Dynamics, Gaussian
from glass_model.encoder import Encoded, Encoder

SMALL = ModelConfig(height=32, width=48, codes=3, channels=2, hidden_channels=4, decoder_channels=8)


def parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


# From the facts about the authors' configurations.
COUNTS = {
    "bair": (249_951, 526_105, 8_387_072, 619_369, 73_856, 14, 9_856_367),
    "breakout": (249_951, 525_832, 2_168_320, 157_625, 36_928, 3, 3_138_659),
    "tennis": (251_247, 526_900, 8_046_592, 619_369, 73_856, 35, 9_517_999),
}


@pytest.mark.parametrize("preset", COUNTS)
def test_parameters_of_the_papers_data_sets(preset: str) -> None:
    with torch.device("meta"):
        model = CADDY(PRESETS[preset].model)
    parts = (model.encoder, model.action_net, model.dynamics, model.decoder, model.to_hidden)
    counts = (*map(parameters, parts), model.centroids.numel())
    assert (*counts, parameters(model) + model.centroids.numel()) == COUNTS[preset]
    assert sum(counts) == COUNTS[preset][-1]


def test_more_codes_and_stacks() -> None:
    """A code more is a channel more of six layers, a row of the logits, and a centroid; a frame more three channels of the first layer."""
    hidden, (three, four, deep) = SMALL.hidden_channels, (CADDY(ModelConfig(**{**vars(SMALL), **more})) for more in _VARIANTS)
    cells, blocks = 4 * (hidden + 2 * hidden + hidden), 2 * hidden + hidden + hidden
    assert parameters(four.dynamics) - parameters(three.dynamics) == 9 * (cells + blocks)
    assert parameters(four.action_net) - parameters(three.action_net) == SMALL.action_size + 1
    assert parameters(deep) - parameters(three) == 9 * 3 * SMALL.channels


_VARIANTS: tuple[dict[str, int], ...] = ({}, {"codes": 4}, {"stack": 2})


@pytest.mark.parametrize("size", [(32, 48), (16, 16)])
def test_shapes(size: tuple[int, int]) -> None:
    config = ModelConfig(**{**vars(SMALL), "height": size[0], "width": size[1]})
    h, w = size[0] // 8, size[1] // 8
    encoded = Encoder(2)(torch.rand(4, 3, *size))
    assert encoded.state.shape == (4, 8, h, w) and encoded.attention.shape == (4, 1, h, w)
    assert encoded.attention.min() >= 0 and encoded.attention.max() <= 1
    dynamics = Dynamics(config)
    hidden, memory = dynamics(encoded.state, torch.rand(4, 5), dynamics.start(4))
    assert hidden.shape == (4, 4, h, w) and [part[0].shape[1:] for part in memory] == [(4, h, w), (8, h // 2, w // 2), (4, h, w)]
    images = Decoder(4, 8)(hidden)
    assert [image.shape for image in images] == [(4, 3, size[0] // k, size[1] // k) for k in (1, 2, 4)]
    assert all(image.abs().max() <= 1 for image in images)


def test_a_convlstm_is_four_convolutions_with_bias() -> None:
    torch.manual_seed(0)
    cell = ConvLSTM(2, 3, (4, 5), bias=True)
    x, hidden, memory = torch.randn(2, 2, 4, 5), torch.randn(2, 3, 4, 5), torch.randn(2, 3, 4, 5)
    seen, weights, biases = torch.cat([x, hidden], 1), cell.gates.weight.split(3), cell.gates.bias.split(3)
    i, f, o, new = (F.conv2d(seen, weight, bias, padding=1) for weight, bias in zip(weights, biases, strict=True))
    after = torch.sigmoid(f) * memory + torch.sigmoid(i) * torch.tanh(new)
    ours = cell(x, (hidden, memory))
    torch.testing.assert_close(ours[1], after)
    torch.testing.assert_close(ours[0], torch.sigmoid(o) * torch.tanh(after))
    assert not any(part.any() for part in cell.start(2))  # initial maps are 0, and learned


def test_enlargement_does_not_align_corners() -> None:
    """Each new pixel lies a quarter of a pixel beside an old one: of 0 and 4 come 0, 1, 3, 4."""
    up = Up(1, 1, late=True, aligned=False).eval()
    nn.init.zeros_(up.same.conv.weight)
    with torch.no_grad():
        up.same.conv.weight[0, 0, 1, 1] = (1 + up.same.norm.eps) ** 0.5
    torch.testing.assert_close(up(torch.tensor([[[[0.0, 4.0]]]])), torch.tensor([[[[0.0, 1.0, 3.0, 4.0]] * 2]]).reshape(1, 1, 2, 4))
    for layer in Decoder(2, 4).stages:
        assert all(not part.aligned for part in layer.modules() if isinstance(part, Up))


def test_the_dynamics_normalise_what_they_give_and_not_what_they_remember() -> None:
    torch.manual_seed(0)
    dynamics = Dynamics(SMALL).train()
    x, action = torch.randn(3, 8, 4, 6), torch.randn(3, 5)
    _, memory = dynamics(x, action, dynamics.start(3))
    inputs = torch.cat([x, action[..., None, None].expand(-1, -1, 4, 6)], 1)
    for ours, theirs in zip(memory[0], dynamics.cells[0](inputs, dynamics.start(3)[0]), strict=True):
        torch.testing.assert_close(ours, theirs)


def convolutions(dynamics: Dynamics) -> list[tuple[nn.Conv2d, int]]:
    """The first convolution of each of the six layers, and the number of input channels before those of the action."""
    layers = [layer for pair in zip(dynamics.cells, dynamics.blocks, strict=True) for layer in pair]
    first = [next(part for part in layer.modules() if isinstance(part, nn.Conv2d)) for layer in layers]
    return list(zip(first, (8, 4, 8, 8, 4, 4), strict=True))


@pytest.mark.parametrize("number", range(6))
def test_every_layer_of_the_dynamics_sees_the_action(number: int) -> None:
    """With the weights of the action at 0 in all other layers, another action still has another result; and none without all six."""
    torch.manual_seed(0)
    dynamics, x, actions = Dynamics(SMALL).eval(), torch.randn(1, 8, 4, 6), torch.randn(2, 1, 5)
    with torch.no_grad():
        for other, (conv, before) in enumerate(convolutions(dynamics)):
            conv.weight[:, before : before + 5] *= other == number
        ours, theirs = (dynamics(x, action, dynamics.start(1))[0] for action in actions)
        assert not torch.allclose(ours, theirs)
        conv, before = convolutions(dynamics)[number]
        conv.weight[:, before : before + 5] = 0
        ours, theirs = (dynamics(x, action, dynamics.start(1))[0] for action in actions)
        assert torch.equal(ours, theirs)


def test_directions_of_pairs_of_frames() -> None:
    """Difference of the means, sum of the variances, and logits of a sample only where one is wanted."""
    torch.manual_seed(0)
    net = ActionNet(2, 2, 3)
    frames = Gaussian(torch.tensor([[[0.0, 1.0], [2.0, 5.0], [2.0, 4.0]]]), torch.tensor([[[0.0, 1.0], [0.5, 3.0], [0.0, 0.0]]]))
    actions = net.between(frames, sampled=False)
    assert actions.direction.mean.tolist() == [[[2.0, 4.0], [0.0, -1.0]]]
    assert actions.direction.variance.tolist() == [[[0.5, 4.0], [0.5, 3.0]]]
    assert torch.equal(actions.sample, actions.direction.mean)
    torch.testing.assert_close(actions.logits, actions.direction.mean @ net.logits.weight.T + net.logits.bias)
    many = Gaussian(*(part.expand(20_000, -1, -1) for part in frames))
    sampled = net.between(many, sampled=True).sample
    torch.testing.assert_close(sampled.mean(0), actions.direction.mean[0], atol=0.05, rtol=0)
    torch.testing.assert_close(sampled.var(0), actions.direction.variance[0], atol=0.02, rtol=0.05)


def test_variances_are_absolute_values() -> None:
    net = ActionNet(2, 2, 3)
    nn.init.zeros_(net.variance.weight)
    with torch.no_grad():
        net.variance.bias.copy_(torch.tensor([-2.0, 3.0]))
    place = net(Encoded(torch.randn(2, 8, 4, 4), torch.ones(2, 1, 4, 4)))
    assert place.variance.tolist() == [[2.0, 3.0]] * 2


def test_a_variance_of_0_has_a_finite_gradient() -> None:
    net = ActionNet(2, 2, 3)
    variance = torch.zeros(2, 3, 2, requires_grad=True)
    net.between(Gaussian(torch.randn(2, 3, 2), variance), sampled=True).logits.sum().backward()
    assert variance.grad is not None and variance.grad.isfinite().all()
