"""The terms of Layered's loss and their weights: cases computed by hand."""

import pytest
import torch
from torch import nn

from glass_model.layered import losses
from glass_model.layered.config import PRESETS, LossConfig
from glass_model.layered.model import Result


def pixels(*values: float) -> torch.Tensor:
    """Grey images or masks of one row: (1, 1, 1, W)."""
    return torch.tensor(values, dtype=torch.float32)[None, None, None]


def test_what_changes_outside_of_the_mask() -> None:
    """Half of a change of 0.8, all of one of 0.2; without the last pixel where nothing is known of it."""
    before, after, mask = pixels(0.0, 0.0, 1.0), pixels(0.8, 1.0, 0.8), pixels(0.5, 1.0, 0.0)
    assert losses.bg_loss(mask, before, after).item() == pytest.approx((0.4 + 0.0 + 0.2) / 3)
    assert losses.bg_loss(mask, before, after, pixels(1, 1, 0)).item() == pytest.approx(0.4 / 3)


def test_the_size_may_be_what_changes() -> None:
    """The first mask covers 0.5 and 0.25 changes; the second one covers less than what changes, which is no loss."""
    mask, change = torch.cat([pixels(1, 1, 0, 0), pixels(0.2, 0, 0, 0)]), torch.cat([pixels(1, 0, 0, 0), pixels(1, 1, 0, 0)])
    assert losses.size_loss(mask, change).item() == pytest.approx((0.25 + 0) / 2)
    assert losses.size_loss(mask, change, of_batch=True).item() == 0
    assert losses.size_loss(torch.ones_like(mask), change, of_batch=True).item() == pytest.approx(1 - 0.375)


def test_what_has_changed() -> None:
    """A difference of grey levels above 0.04, with the weights of the three colours; red by 0.14 is 0.0419, by 0.13 is 0.0389."""
    before = torch.zeros(1, 3, 1, 4)
    after = before.clone()
    after[0, 0, 0, 0], after[0, 0, 0, 1], after[0, 1, 0, 2], after[0, 2, 0, 3] = 0.14, 0.13, -0.07, 0.3
    config = PRESETS["bair"].loss
    assert losses.changed(before, after, config).flatten().tolist() == [1, 0, 1, 0]  # blue by 0.3 is 0.0342
    assert losses.changed(before, after, PRESETS["bair-released"].loss).flatten().tolist() == [1, 0, 1, 1]  # or 0.0432
    white = torch.ones(1, 3, 1, 1)
    assert losses.grey(white, config.blue).item() == pytest.approx(1) and losses.grey(white, 0.144).item() == pytest.approx(1.03)


def test_masks_should_be_0_or_1() -> None:
    assert losses.bin_loss(pixels(0.0, 0.25, 0.5, 0.9)).item() == pytest.approx((0 + 0.25 + 0.5 + 0.1) / 4)


def test_errors_inside_and_outside_of_control_masks() -> None:
    made, after, control = pixels(0.0, 0.5), pixels(1.0, 0.0), pixels(1, 0)
    assert losses.inside_loss(control, made, after).item() == 0.5
    assert losses.inside_loss(1 - control, made, after).item() == 0.25


def test_the_smaller_weight_is_that_of_the_codebook() -> None:
    latent, nearest = torch.tensor([1.0, 3.0], requires_grad=True), torch.tensor([0.0, 1.0], requires_grad=True)
    loss = losses.vq_loss(latent, nearest, 0.25)
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(1.25 * (1 + 4) / 2)
    assert latent.grad is not None and nearest.grad is not None
    assert latent.grad.tolist() == [1, 2] and nearest.grad.tolist() == [-0.25, -0.5]


def test_hinge_losses() -> None:
    true, made = torch.tensor([2.0, 0.5]), torch.tensor([-3.0, 1.0])
    assert losses.discriminator_loss(true, made).item() == pytest.approx(0.5 * ((0 + 0.5) / 2 + (0 + 2.0) / 2))
    assert losses.adversary_loss(made).item() == pytest.approx(1.0)


def test_the_adaptive_weight_makes_gradients_as_long_as_those_of_the_reconstruction() -> None:
    """Gradients of 3 w1 and 4 w2 have length 5; those of the adversary, 0.5 in one number, 0.5."""
    weight = nn.Parameter(torch.tensor([1.0, 1.0]))
    rec, adversary = 3 * weight[0] + 4 * weight[1], 0.5 * weight[1]
    found = losses.adaptive_weight(rec, adversary, weight)
    assert found.item() == pytest.approx(5 / (0.5 + 1e-4)) and not found.requires_grad
    assert losses.adaptive_weight(1e9 * rec, adversary, weight).item() == 1e4
    assert losses.adaptive_weight(rec, 0 * adversary, weight).item() == 1e4
    assert weight.grad is None


def test_the_union_of_both_masks_covers_changes() -> None:
    """A change that either mask covers is no loss; half covered by both, a quarter of it is left."""
    masks = pixels(1, 0, 0.5, 0), pixels(0, 1, 0.5, 0)
    before, after = torch.zeros(1, 3, 1, 4), torch.ones(1, 3, 1, 4)
    none = torch.zeros(0)
    result = Result(before, after, torch.ones(1, 1, 1, 4), after, masks[0], masks[1], masks[0], none, none, none)
    for union, expected in ((True, (0 + 0 + 0.25 + 1) / 4), (False, (0 + 1 + 0.5 + 1) / 4)):
        assert losses.terms(result, LossConfig(union=union), {"bg": 1.0})["bg"].item() == pytest.approx(expected)


# Schedules.


def test_the_ratio_is_halved() -> None:
    """Supplement: 80, 40, 20, 10 and 5 from iteration 4,000; tennis 10, then 5 after 5,000. The code: constant 5, and 150 halved to 5."""
    ratio = {name: [PRESETS[name].train.ratio_at(step) for step in (0, 999, 1_000, 2_000, 3_999, 4_000, 9_999)] for name in PRESETS}
    assert ratio["bair"] == [80, 80, 40, 20, 10, 5, 5]
    assert ratio["tennis"] == [10] * 6 + [5]
    assert ratio["bair-released"] == [5] * 7
    assert ratio["tennis-released"] == [150, 150, 150, 75, 75, 37.5, 9.375]


def test_weights_of_both_stages() -> None:
    bair = PRESETS["bair"]
    common = {"rec": 1.0, "perceptual": 1.0, "vq": 1.0}
    assert losses.weights(bair, 0) == common | {"bg": 10, "size": 10 / 80, "bin": 1}
    assert losses.weights(bair, 4_000) == common | {"bg": 10, "size": 2, "bin": 1}
    assert losses.weights(bair, 9_999) == common | {"bg": 10, "size": 2, "bin": 1}
    assert losses.weights(bair, 10_000) == common | {"bg_made": 5, "fg_made": 0}
    released = PRESETS["bair-released"]
    common["perceptual"] = 0
    assert losses.weights(released, 9_999) == common | {"bg": 50, "size": 10, "bin": 1}
    assert losses.weights(released, 10_000) == common | {"bg": 5, "size": 1, "bin": 1}
    assert losses.weights(released, 15_000) == common | {"bg_made": 5, "fg_made": 60}
    tennis, theirs = (losses.weights(PRESETS[name], 20_000) for name in ("tennis", "tennis-released"))
    assert (tennis["bg_made"], tennis["fg_made"], theirs["bg_made"], theirs["fg_made"]) == (0.5, 0, 2, 3)


def test_terms_without_a_weight_are_left_out() -> None:
    frame, mask, latent = torch.zeros(1, 3, 2, 2), torch.ones(1, 1, 2, 2), torch.zeros(2, 1, 1, 1, 1)
    result = Result(frame, frame + 1, mask, frame, mask, mask, mask, latent, latent + 1, torch.zeros(0))
    found = losses.terms(result, LossConfig(), losses.weights(PRESETS["bair"], 20_000))
    assert {name: term.item() for name, term in found.items()} == {"rec": 1.0, "vq": 2.5, "bg_made": 0.0}  # VQ of both layers
    assert losses.total(found, {"rec": 2.0, "vq": 4.0, "bg_made": 1.0}, [torch.tensor(0.5)]).item() == 2 + 10 + 0.5
