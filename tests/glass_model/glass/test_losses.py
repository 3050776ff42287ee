"""The twelve terms: cases by hand, and where their gradients go."""

from dataclasses import fields

import pytest
import torch
from torch import Tensor, nn

from glass_model.glass import losses
from glass_model.glass.config import PRESETS, Config
from glass_model.glass.model import GLASS

SMALL = PRESETS["paper"].override(
    loss={"equi": 1.0, "known": 1.0},
    model={
        "height": 32,
        "width": 40,
        "mask_channels": 4,
        "mask_blocks": 1,
        "shift_channels": 4,
        "inpaint_channels": 4,
        "local_channels": 4,
    },
)


def full(value: float, channels: int = 3, size: tuple[int, int] = (4, 4)) -> Tensor:
    return torch.full((1, 1, channels, *size), value)


def test_bin() -> None:
    assert losses.bin_loss(torch.tensor([0.0, 0.2, 0.5, 0.9, 1.0])).item() == pytest.approx((0.2 + 0.5 + 0.1) / 5)


def test_size_is_of_each_frame() -> None:
    masks = torch.stack([full(0.0, 1), full(0.12, 1)])  # 0.06 on average, and neither of them is
    assert losses.size_loss(masks, 0.06).item() == pytest.approx(0.06)


def test_recf_and_recb() -> None:
    assert losses.recf_loss(full(0.5), full(-0.5)).item() == pytest.approx(1.0)
    assert losses.recf_loss(full(0.5), full(0.3)).item() == pytest.approx(0.04)
    assert losses.recb_loss(full(0.5), full(0.3)).item() == pytest.approx(0.2)
    assert losses.recb_loss(full(0.5), full(0.3), power=2).item() == pytest.approx(0.04)


def test_recj_is_weighted_by_both_motions() -> None:
    frame, before, made, made_before = full(0.5), full(0.2), full(0.4), full(0.4)
    made_before[..., 0, 0, 0] = 0.0
    weight = torch.full((16,), 3 * 0.3 + 0.001)
    weight[0] += 0.4  # one channel of one pixel of what was made changed
    assert losses.recj_loss(frame, before, made, made_before).item() == pytest.approx((weight * 0.1).mean().item(), rel=1e-4)


def test_weights_have_no_gradient() -> None:
    made = full(0.4).requires_grad_()
    losses.recj_loss(full(0.5), full(0.2), made, full(0.0)).backward()
    weight = 3 * (0.3 + 0.4) + 0.001
    assert made.grad is not None
    torch.testing.assert_close(made.grad, torch.full_like(made, -weight / made.numel()))


def test_vq_draws_both_to_one_another() -> None:
    direction, code = torch.tensor([[1.0, 0.0]], requires_grad=True), torch.tensor([[0.0, 0.0]], requires_grad=True)
    loss = losses.vq_loss(direction, code, 0.25)
    assert loss.item() == pytest.approx(0.5 + 0.25 * 0.5)
    loss.backward()
    assert direction.grad is not None and code.grad is not None
    torch.testing.assert_close(code.grad, torch.tensor([[-1.0, 0.0]]))
    torch.testing.assert_close(direction.grad, torch.tensor([[0.25, 0.0]]))


def test_recu_and_recs_at_three_scales() -> None:
    sizes = ((1, 1), (2, 2), (4, 4))
    made = [full(0.5, size=size) for size in sizes]
    foreground, before, fed, moved = full(0.2), full(0.1), full(0.4), full(0.6)
    recu = losses.recu_loss(made, foreground, before, fed)
    assert recu.item() == pytest.approx((3 * 0.1 + 3 * 0.1 + 0.001) * 0.3)
    assert losses.recu_loss(made, foreground, before, fed, floor=0.05).item() == pytest.approx((3 * 0.1 + 3 * 0.1 + 0.05) * 0.3)
    recs = losses.recs_loss(made, foreground, moved)
    assert recs.item() == pytest.approx((3 * 0.4 + 3 * 0.3) * 0.3)
    perfect = [full(0.2, size=size) for size in sizes]
    assert losses.recs_loss(perfect, foreground, foreground).item() == 0


def test_msk_and_cyc() -> None:
    assert losses.msk_loss(full(0.9, 1), full(0.5, 1)).item() == pytest.approx(0.4)
    assert losses.cyc_loss(full(-1.0), full(0.5)).item() == pytest.approx(1.5)


def test_perceptual_is_a_sum_over_layers_and_a_mean_over_scales() -> None:
    def features(x: Tensor) -> list[Tensor]:
        return [x, 2 * x[..., ::2, ::2]]

    made, target = [full(0.5, size=(2, 2)), full(0.1)], full(0.0)
    assert losses.perceptual_loss(features, made, target).item() == pytest.approx(((0.5 + 1.0) + (0.1 + 0.2)) / 2)


def forward(config: Config, alone: bool = False) -> tuple[GLASS, dict[str, Tensor]]:
    torch.manual_seed(0)
    model = GLASS(config.model, known=("equi", "known"))
    frames = torch.rand(2, 4, 3, 32, 40) * 2 - 1
    for net in (model.gma.shift, model.gma.background_shift):  # whose last layers begin at 0, where gradients do as well
        last = net.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.normal_(last.weight, std=0.1)
    output = model(frames, None if alone else 3)  # all are true: none of the actions is read from what was decoded
    terms = losses.global_terms(output.frames, output.motion, config.loss, lambda x: [x])
    return model, terms if alone else terms | losses.local_terms(output.view, output.local, config.loss, lambda x: [x])


def reached(module: nn.Module) -> bool:
    return any(p.grad is not None and bool(p.grad.any()) for p in module.parameters())


GMA_TERMS = {
    "bin": {"mask"},
    "size": {"mask"},
    "recf": {"mask", "shift"},
    "recb": {"mask", "inpainter", "background_shift"},
    "vgg": {"mask", "shift", "inpainter", "background_shift"},
    "recj": {"mask", "shift", "inpainter", "background_shift"},
    # Not of the paper; the images only by BatchNorm's statistics.
    "equi": {"mask", "shift", "inpainter", "background_shift"},
    "known": {"mask", "shift", "inpainter", "background_shift"},
}
LMA_TERMS = {
    "vq": {"encoder", "action_net", "quantizer"},
    "recu": {"encoder", "action_net", "compress", "dynamics", "decoder"},
    "recs": {"encoder", "action_net", "compress", "dynamics", "decoder"},
    "lma_vgg": {"encoder", "action_net", "compress", "dynamics", "decoder"},
    "msk": {"encoder", "action_net", "compress", "dynamics", "decoder"},
    "cyc": {"encoder", "action_net", "compress", "dynamics", "decoder"},
}


def test_all_terms_are_known() -> None:
    names = {f.name for f in fields(PRESETS["paper"].loss)} - {"mask_size", "recb_power", "commitment", "revive", "bin_to", "recu_floor"}
    assert set(GMA_TERMS) | set(LMA_TERMS) == names == set(forward(SMALL)[1])
    assert set(forward(SMALL, alone=True)[1]) == set(GMA_TERMS)


def test_gradients_of_every_term() -> None:
    """Each term reaches just the nets that it should, and nothing from LMA reaches GMA."""
    model, terms = forward(SMALL)
    for name, term in terms.items():
        model.zero_grad()
        term.backward(retain_graph=True)
        in_gma = {part for part, module in model.gma.named_children() if reached(module)}
        in_lma = {part for part, module in model.lma.named_children() if reached(module)}
        assert (in_gma, in_lma) == (GMA_TERMS.get(name, set()), LMA_TERMS.get(name, set())), name


def test_a_weight_of_0_leaves_a_term_out() -> None:
    for name in (*GMA_TERMS, *LMA_TERMS):
        model = {"quantizer": "gumbel"} if name == "vq" else {}  # code vectors of the other one need the term
        assert name not in forward(SMALL.override(model=model, loss={name: 0.0}))[1]


def test_total() -> None:
    terms = {"bin": torch.tensor(2.0), "recb": torch.tensor(3.0)}
    assert losses.total(terms, PRESETS["paper"].loss).item() == pytest.approx(0.5 * 2 + 2 * 3)
