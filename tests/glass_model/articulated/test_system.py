"""Articulated motion in training: presets, stages, what is refused, and resuming."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import pytest
import torch
from resumed import check_resumed
from two_processes import check_states, two_processes

from glass_model.articulated import system as module
from glass_model.articulated.augment import changed
from glass_model.articulated.config import PRESETS, Config
from glass_model.articulated.model import changes
from glass_model.articulated.system import ArticulatedSystem
from glass_model.systems import Action
from glass_model.training.checkpoint import load
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import SpecError

SMALL: dict[str, Any] = {
    "padding": 3,
    "height": 16,
    "width": 32,
    "regions": 2,
    "region_channels": 4,
    "region_depth": 2,
    "flow_channels": 4,
    "flow_depth": 2,
    "background_channels": 4,
    "background_depth": 2,
    "channels": 4,
    "down": 1,
    "residual": 1,
    "embedding": 4,
    "avd_width": 4,
}
CONFIG = PRESETS["tiny"].override(model=SMALL, train={"steps": 7, "batch": 3, "window": 4, "freeze": 4, "decay_step": 2})
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[torch.Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (3, 4, 3, 16, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def system_of(config: Config = CONFIG, **setup: Path) -> ArticulatedSystem:
    torch.manual_seed(0)
    return module.system(config, Setup(torch.device("cpu"), **setup))


def test_presets_have_the_papers_schedule() -> None:
    """Three million pairs, a tenth of the rate after 1.8 and 2.7 million; then a million pairs of AVD, at least."""
    for name, batch, size in (("vox", 48, 256), ("taichi", 48, 256), ("mgif", 48, 256), ("ted384", 20, 384)):
        model, loss, train = PRESETS[name].model, PRESETS[name].loss, PRESETS[name].train
        assert (model.frame, model.regions, train.batch, train.rate) == ((size, size), 10, batch, 2e-4)
        assert [batch * step for step in (train.decay_step, train.second_decay_step, train.freeze)] == [1.8e6, 2.7e6, 3e6]
        assert (loss.perceptual, loss.eq_shift, loss.eq_affine, loss.pyramid, loss.ssim) == (10, 10, 10, 0, 0)
        pairs = (train.steps - train.freeze) * batch * train.window
        assert 0.99e6 <= pairs <= 1.01e6
    assert next(iter(PRESETS)) == "vox" and [PRESETS[name].model.padding for name in PRESETS] == [3, 0, 0, 0, 0]


def test_schedules() -> None:
    train = PRESETS["vox"].train
    assert [train.rate_at(step) for step in (0, 37_499, 37_500, 56_250)] == pytest.approx([2e-4, 2e-4, 2e-5, 2e-6])
    done = [train.freeze + round(share * (train.steps - train.freeze)) for share in (0, 0.65, 0.67, 0.89)]
    assert [train.avd_rate_at(step) for step in done] == pytest.approx([1e-3, 1e-3, 1e-4, 1e-5])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 40}, r"height, width = 40, 64 must be divisible by 16, as scale, region_depth, flow_depth say"),
        ({"background_depth": 5}, r"must be divisible by 32, as background_scale, background_depth say"),
        ({"down": 3, "region_depth": 1, "flow_depth": 1, "background": "zero", "height": 20}, r"must be divisible by 8, as down say"),
        ({"scale": 8, "region_depth": 1, "flow_depth": 1}, r"padding = 0 is too small for a convolution of 7 x 7"),
    ],
)
def test_configurations_that_are_impossible(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PRESETS["tiny"].override(model=values)


def test_what_cannot_be_used_is_refused() -> None:
    with pytest.raises(ArgumentError, match=r"^gma: articulated motion has no global motion analysis"):
        system_of(gma=Path("gma.safetensors"))
    with pytest.raises(UserError, match=r"^vgg: frames of 16 x 32 px are too small for VGG19 at an eighth of their size"):
        system_of(vgg=Path("vgg"))
    nothing = CONFIG.override(loss={"pyramid": 0.0, "ssim": 0.0, "perceptual": 10.0})
    with pytest.raises(ArgumentError, match=r"^vgg: tiny learns from VGG19's features alone; give its weights, or set loss.pyramid"):
        system_of(nothing)


def test_first_everything_but_avd_and_then_avd_alone() -> None:
    """The regions of the second stage are those of evaluation, and nothing of the first stage changes."""
    system = system_of()
    for step, optimizer, terms in (
        (0, 0, {"pyramid", "ssim", "eq_shift", "eq_affine"}),
        (3, 0, {"pyramid", "ssim", "eq_shift", "eq_affine"}),
        (4, 1, {"avd_shift", "avd_affine"}),
    ):
        before = {name: tensor.clone() for name, tensor in system.network.state_dict().items()}
        (turn,) = system.turns(next(noise(step)), step)
        assert turn.optimizer is system.optimizers[optimizer] and set(turn.terms) == terms
        weights = {"pyramid": 30.0, "ssim": 6.0, "eq_shift": 10.0, "eq_affine": 10.0}
        torch.testing.assert_close(turn.loss, torch.stack([weights.get(name, 1.0) * term for name, term in turn.terms.items()]).sum())
        turn.optimizer.zero_grad()
        turn.loss.backward()  # type: ignore[no-untyped-call]
        turn.optimizer.step()
        moved = {name.partition(".")[0] for name, tensor in system.network.state_dict().items() if not torch.equal(tensor, before[name])}
        assert moved == ({"regions", "background", "flow", "generator"} if step < 4 else {"avd"})
    assert system.network.avd.trained == 1
    ((columns, rows),) = system.strip()
    assert [column.clip for column in columns] == [0, 1, 2] and all(column.before < column.frame for column in columns)
    assert all(column.changed for column in columns)  # the pairs are of an earlier batch than the one whose actions are known
    assert len(rows) == 7 and all(images.shape == (3, 16, 32, 3) for _, images in rows)


def test_both_kinds_of_regions_learn() -> None:
    """And all backgrounds: every parameter of the first stage gets a gradient."""
    for values in ({"pca": False, "background": "perspective"}, {"background": "affine"}):
        system = system_of(CONFIG.override(model=values))
        (turn,) = system.turns(next(noise(0)), 0)
        turn.loss.backward()  # type: ignore[no-untyped-call]
        missing = [name for name, p in system.network.named_parameters() if p.grad is None and not name.startswith("avd")]
        assert missing == []


def test_a_step_reads_no_value_and_stays_on_its_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a device without memory: to read a value, or to combine tensors of two devices, is an error there."""
    monkeypatch.setattr(torch, "autocast", lambda *_, **__: nullcontext())  # which that device does not have
    config = CONFIG.override(model={"background": "perspective"}, train={"augment": "strong"})
    system = module.system(config, Setup(torch.device("meta")))
    for step in (0, CONFIG.train.freeze):
        (turn,) = system.turns(next(noise(0)).to("meta"), step)
        turn.loss.backward()  # type: ignore[no-untyped-call]
        turn.optimizer.step()
        assert {turn.loss.device.type, *(term.device.type for term in turn.terms.values())} == {"meta"}


def test_changes_are_those_of_both_frames() -> None:
    """Time and sides are turned, never both; colours change alike; nothing leaves [0, 1]."""
    torch.manual_seed(0)
    pair = torch.rand(1, 2, 3, 8, 8)
    kinds = {
        "as it was": pair,
        "backwards": pair.flip(1),
        "mirrored": pair.flip(-1),
    }
    flips = changed(pair.expand(400, -1, -1, -1, -1), "flip")
    counts = [sum(torch.equal(one[None], kind) for one in flips) for kind in kinds.values()]
    assert sum(counts) == 400 and counts[1] == pytest.approx(200, abs=40) and counts[0] == pytest.approx(100, abs=35)
    equal = torch.rand(6, 1, 3, 8, 8).expand(-1, 2, -1, -1, -1)
    for kind in ("none", "photo", "strong"):
        made = changed(equal, kind)
        assert torch.equal(made[:, 0], made[:, 1]) and made.min() >= 0 and made.max() <= 1
        assert torch.equal(made, equal) == (kind == "none")


def test_codes_are_clusters_of_vectors(monkeypatch: pytest.MonkeyPatch) -> None:
    """Found after training; each vector has the code of the nearest mean, and a code is played as that mean."""
    monkeypatch.setattr(module, "_CLUSTERED", 40)
    system = system_of(CONFIG.override(model={"codes": 3}))
    system.finish(noise(0))
    model = system.network.eval()
    assert model.codebook and system.network.controls.codes == 3
    vectors = torch.cat([changes(model.find(model.to_model(next(noise(n))))).flatten(0, 1) for n in range(5)]).detach()
    frames = next(noise(0))
    reading = model.infer(frames)
    assert reading.codes is not None and reading.vectors is not None
    means = model.codebook.vectors[0]
    assert means.norm(dim=1).diff().min() >= 0  # code 0 moves least
    distance = (reading.vectors[:, :, None] - means).square().sum(-1)
    assert torch.equal(reading.codes, distance.argmin(-1))
    nearest = (vectors[:, None] - means).square().sum(-1).argmin(1)
    for code in range(3):  # the means of their own clusters, of the five batches that were needed for forty vectors
        torch.testing.assert_close(vectors[nearest == code].mean(0), means[code], rtol=1e-3, atol=1e-3)
    state = model.start(frames[:, 0])
    played = [model.step(state, action)[0] for action in (Action(codes=torch.tensor([1, 1, 1])), Action(vectors=means[1].expand(3, -1)))]
    assert torch.equal(*played)


@pytest.mark.parametrize("stop", [2, 5])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    """Interrupted in either stage: weights, moving averages and both optimisers are equal, bit for bit."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert len(check_resumed(CONFIG, noise, stop, whole, parts)["optimizers"]) == 2
    model = load(whole / "checkpoint.safetensors").model()
    assert model.infer(next(noise(0))[:1]).vectors is not None


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Two processes with the same batches and random numbers equal one, bit for bit; with different ones, they agree about the weights.

    Moving averages are those of the first process, which saves them.
    """
    states = two_processes(Path(__file__).parent, "glass_model.articulated.system", tmp_path)
    train(CONFIG, noise, tmp_path / "one", ALONE)
    one = load(tmp_path / "one" / "checkpoint.safetensors").weights
    saved = load(tmp_path / "other" / "checkpoint.safetensors").weights
    check_states(states, one, saved, [name for name, _ in system_of().network.named_parameters()])
