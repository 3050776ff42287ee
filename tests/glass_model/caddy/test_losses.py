"""The seven terms: cases by hand, other implementations, and where their gradients go."""

from dataclasses import fields
from math import log

import numpy as np
import pytest
import torch
from sklearn.metrics import mutual_info_score
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from glass_model.caddy import losses
from glass_model.caddy.config import PRESETS
from glass_model.caddy.model import CADDY
from glass_model.caddy.networks import Gaussian

SMALL = PRESETS["tennis"].override(
    model={"height": 32, "width": 48, "channels": 2, "hidden_channels": 4, "decoder_channels": 8, "codes": 3, "action_size": 2, "stack": 2}
)


def gradient(tensor: Tensor) -> Tensor:
    assert tensor.grad is not None
    return tensor.grad


def scales(value: float) -> list[Tensor]:
    return [torch.full((1, 1, 3, size, size), value, requires_grad=True) for size in (4, 2, 1)]


def test_rec_scales_bilinearly() -> None:
    """Of a quarter of the size, one pixel is the mean of the four at the centre, and not of all sixteen."""
    frames = torch.zeros(1, 1, 3, 4, 4)
    frames[..., 1, 1] = 4.0  # sums to 0.25, 1 at half the size in one pixel of four, and 1 at a quarter of it
    made = scales(0.0)
    loss = losses.rec_loss(made, frames)
    assert loss.item() == pytest.approx((4 / 16 + 1 / 4 + 1) / 3)
    loss.backward()
    torch.testing.assert_close(gradient(made[2]), torch.full((1, 1, 3, 1, 1), -1 / 3 / 3))
    assert losses.rec_loss([image + 0.5 for image in scales(0.0)], torch.zeros(1, 1, 3, 4, 4)).item() == pytest.approx(0.5)


def test_perceptual_with_and_without_the_released_sum() -> None:
    def features(x: Tensor) -> list[Tensor]:
        return [x, 2 * x, 3 * x[..., :1, :1]]

    for clean, layers in ((True, 1 + 2 + 3), (False, 1 + 2 * (2 + 3))):
        made = scales(0.5)
        loss = losses.perceptual_loss(features, made, torch.zeros(1, 1, 3, 4, 4), clean=clean)
        assert loss.item() == pytest.approx(0.5 * layers)
        loss.backward()
        torch.testing.assert_close(gradient(made[2]), torch.full((1, 1, 3, 1, 1), layers / 3 / 3))  # of three channels and scales


def test_perceptual_is_a_mean_over_scales() -> None:
    made = [torch.full((1, 1, 3, size, size), value) for size, value in ((4, 0.1), (2, 0.2), (1, 0.9))]
    loss = losses.perceptual_loss(lambda x: [x], made, torch.zeros(1, 1, 3, 4, 4), clean=True)
    assert loss.item() == pytest.approx(0.4)


def test_state_draws_the_reconstruction_alone() -> None:
    made, true = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.0, 1.0], requires_grad=True)
    loss = losses.state_loss(made, true)
    assert loss.item() == pytest.approx((1 + 4) / 2)
    loss.backward()
    assert gradient(made).tolist() == [1.0, 2.0] and true.grad is None


def test_kl_by_hand_and_by_torch() -> None:
    mean, variance = torch.tensor([[[1.0, 0.0]], [[0.0, -2.0]]], requires_grad=True), torch.tensor([[[1.0, 2.0]], [[0.5, 1.0]]])
    variance.requires_grad_()
    loss = losses.kl_loss(Gaussian(mean, variance))
    by_hand = (0.5 * (1 + 1 - 1 - 0) + 0.5 * (2 - 1 - log(2))) + (0.5 * (0.5 - 1 - log(0.5)) + 0.5 * 4)
    assert loss.item() == pytest.approx(by_hand / 2)
    by_torch = kl_divergence(Normal(mean.detach(), variance.detach().sqrt()), Normal(0.0, 1.0)).sum(-1).mean()
    torch.testing.assert_close(loss.detach(), by_torch)
    loss.backward()
    torch.testing.assert_close(gradient(mean), mean.detach() / 2)
    torch.testing.assert_close(gradient(variance), 0.5 * (1 - 1 / variance.detach()) / 2)


def test_kl_of_no_variance_is_finite() -> None:
    variance = torch.zeros(1, 1, 2, requires_grad=True)
    loss = losses.kl_loss(Gaussian(torch.zeros(1, 1, 2), variance))
    loss.backward()
    assert loss.item() == pytest.approx(-1 - log(1e-8)) and gradient(variance).isfinite().all()


def one_hot(codes: list[int], of: int = 4) -> Tensor:
    return torch.eye(of)[codes]


def test_mi_is_bounded_by_log_k() -> None:
    every = one_hot([0, 1, 2, 3, 0, 1, 2, 3])
    assert losses.mi_loss(losses.joint_distribution(every, every)).item() == pytest.approx(-log(4), rel=1e-6)
    assert losses.mi_loss(losses.joint_distribution(every, torch.full((8, 4), 0.25))).item() == pytest.approx(0, abs=1e-6)
    one = one_hot([2] * 8)
    assert losses.mi_loss(losses.joint_distribution(one, one)).item() == pytest.approx(0, abs=1e-6)  # one code tells nothing
    torch.manual_seed(0)
    for sharpness in (0.1, 1.0, 30.0):
        p, q = (sharpness * torch.randn(2, 50, 4)).softmax(-1)
        assert -log(4) <= losses.mi_loss(losses.joint_distribution(p, q)).item() <= 1e-6


def test_mi_of_codes_by_scikit_learn() -> None:
    """Symmetrised: of the readings one after the other, and the other way round."""
    rng = np.random.default_rng(0)
    true = rng.integers(0, 4, 200)
    made = np.where(rng.random(200) < 0.7, true, rng.integers(0, 4, 200))
    ours = losses.mi_loss(losses.joint_distribution(one_hot(true.tolist()), one_hot(made.tolist())))
    assert ours.item() == pytest.approx(-mutual_info_score(np.r_[true, made], np.r_[made, true]), rel=1e-5)


def test_the_joint_distribution_by_hand() -> None:
    p, q = torch.tensor([[[0.5, 0.5]], [[1.0, 0.0]]]), torch.tensor([[[1.0, 0.0]], [[0.5, 0.5]]])
    joint = losses.joint_distribution(p, q)
    # Sums of products: 0.5 + 0.5, 0 + 0.5, 0.5 + 0, 0.
    torch.testing.assert_close(joint, torch.tensor([[1.0, 0.5], [0.5, 0.0]]) / 2)


@pytest.mark.parametrize("rate", [1.0, 0.2])
def test_gradients_of_mi(rate: float) -> None:
    """Against differences; those of the moving average flow through the share of the batch."""
    generator = torch.Generator().manual_seed(0)
    p, q = (torch.randn(6, 3, generator=generator, dtype=torch.float64).requires_grad_() for _ in range(2))
    before = torch.full((3, 3), 1 / 9, dtype=torch.float64)

    def loss(p: Tensor, q: Tensor) -> Tensor:
        return losses.mi_loss((1 - rate) * before + rate * losses.joint_distribution(p.softmax(-1), q.softmax(-1)))

    assert torch.autograd.gradcheck(loss, (p, q))
    loss(p, q).backward()
    assert gradient(p).any() and gradient(q).any()  # both readings learn


def test_state_kl_by_hand_and_by_torch() -> None:
    mean = torch.tensor([[[1.0, 0.0], [2.0, 2.0]]], requires_grad=True)
    made = Gaussian(mean, torch.tensor([[[1.0, 2.0], [0.5, 0.3]]], requires_grad=True))
    true = Gaussian(
        torch.tensor([[[0.0, 0.0], [1.0, 4.0]]], requires_grad=True), torch.tensor([[[2.0, 2.0], [0.25, 0.8]]], requires_grad=True)
    )
    loss = losses.state_kl_loss(made, true)
    ours, theirs = (Normal(place.mean.detach(), place.variance.detach().sqrt()) for place in (made, true))
    torch.testing.assert_close(loss.detach(), kl_divergence(ours, theirs).sum(-1).mean())
    loss.backward()
    torch.testing.assert_close(gradient(mean), torch.tensor([[[1 / 2, 0.0], [1 / 0.25, -2 / 0.8]]]) / 2)  # difference / variance
    assert all(part.grad is None for part in (made.variance, *true))


def test_state_kl_has_a_floor_of_variance() -> None:
    made, true = Gaussian(torch.ones(1, 1, 1), torch.zeros(1, 1, 1)), Gaussian(torch.zeros(1, 1, 1), torch.full((1, 1, 1), 0.01))
    assert losses.state_kl_loss(made, true).item() == pytest.approx(0.5 / 0.05)


# All terms of a network.


def forward(given: int | None) -> tuple[CADDY, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = CADDY(SMALL.model)
    frames = torch.rand(2, 4, 3, 32, 48) * 2 - 1
    result = model(frames, given)
    p, q = (actions.logits.softmax(-1) for actions in (result.actions, result.actions_made))
    return model, losses.terms(frames, result, losses.joint_distribution(p, q), SMALL.loss, lambda x: [x])


ALL = {"encoder", "action_net", "dynamics", "decoder"}
REACHED = {
    "rec": ALL,
    "perceptual": ALL,
    "state": ALL,
    "kl": {"encoder", "action_net"},
    "mi": ALL,
    "state_kl": ALL,
}
DECODED = {"encoder", "to_hidden", "decoder"}
REACHED_IN_PRETRAINING = {
    "rec": DECODED,
    "perceptual": DECODED,
    "state": DECODED,
    "hidden": {"encoder", "action_net", "dynamics"},
    "kl": {"encoder", "action_net"},
    "mi": DECODED | {"action_net"},
    "state_kl": DECODED | {"action_net"},
}


@pytest.mark.parametrize(("given", "reached"), [(2, REACHED), (None, REACHED_IN_PRETRAINING)])
def test_gradients_of_every_term(given: int | None, reached: dict[str, set[str]]) -> None:
    """Each term reaches just the networks that it should; the centroids and the joint distribution get none."""
    model, terms = forward(given)
    assert list(terms) == list(reached)
    for name, term in terms.items():
        model.zero_grad()
        term.backward(retain_graph=True)
        parts = {part for part, module in model.named_children() if any(p.grad is not None and p.grad.any() for p in module.parameters())}
        assert parts == reached[name], name
    assert not model.centroids.requires_grad and not model.joint.requires_grad


def test_all_terms_are_known() -> None:
    assert set(REACHED_IN_PRETRAINING) == {f.name for f in fields(SMALL.loss)} - {"joint_rate", "clean"}


def test_a_weight_of_0_leaves_a_term_out_and_total_is_weighted() -> None:
    terms = {"rec": torch.tensor(2.0), "state": torch.tensor(3.0), "mi": torch.tensor(-1.0)}
    assert losses.total(terms, PRESETS["bair"].loss).item() == pytest.approx(2 + 0.2 * 3 - 0.15)
    frames, model = torch.rand(2, 3, 3, 32, 48), CADDY(SMALL.model)
    off = SMALL.override(loss={"kl": 0.0, "state": 0.0}).loss
    assert set(losses.terms(frames, model(frames, 2), model.joint, off)) == {"rec", "mi", "state_kl"}
