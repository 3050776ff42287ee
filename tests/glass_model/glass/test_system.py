"""GLASS in training: a figure window, a frozen global motion analysis, averaged code vectors, and a start from another run's GMA."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from glass_model.glass import losses
from glass_model.glass import system as module
from glass_model.glass.config import PRESETS, Config
from glass_model.glass.gma import GMA
from glass_model.glass.model import Analysis
from glass_model.training import loop
from glass_model.training.checkpoint import load, save
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import SpecError

NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
CONFIG = PRESETS["paper"].override(
    model={**NARROW, "height": 32, "width": 48, "global_scale": 2, "figure": 32, "local_scale": 2},
    loss={"equi": 1.0, "revive": 2},
    train={"steps": 6, "batch": 3, "window": 4, "alone": 2, "freeze": 4, "cooldown": 1, "length_from": 3, "length_to": 4},
)
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[Tensor]:
    while True:
        yield torch.randint(0, 256, (3, 4, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def weights(path: Path, part: str = "") -> dict[str, Tensor]:
    return {name: weight for name, weight in load(path).weights.items() if name.startswith(part)}


def equal(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def stop_at(step: int) -> Callable[[int, object], None]:
    def progress(done: int, metrics: object) -> None:
        if done == step:
            raise KeyboardInterrupt

    return progress


@pytest.mark.parametrize("at", [3, 4, 5])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, at: int) -> None:
    """Also where the code vectors have just been revived, and where GMA is frozen."""
    whole = train(CONFIG, noise, tmp_path / "whole", ALONE)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, noise, tmp_path / "parts", ALONE, progress=stop_at(at))
    parts = train(CONFIG, noise, tmp_path / "parts", ALONE, resume=True)
    assert equal(weights(whole), weights(parts))


def test_lost_shifts_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From noise nothing is found: once GMA should have learned, a line says so. Training is the same as without the check."""
    unchecked = train(CONFIG, noise, tmp_path / "unchecked", ALONE)
    assert "shift_lost" not in (tmp_path / "unchecked" / "metrics.jsonl").read_text()
    monkeypatch.setattr(module, "_CHECK_EVERY", 1)
    notices: list[str] = []
    checked = train(CONFIG, noise, tmp_path / "checked", ALONE, notice=notices.append)
    assert equal(weights(unchecked), weights(checked))
    last = json.loads((tmp_path / "checked" / "metrics.jsonl").read_text().splitlines()[-1])
    assert last["shift_lost"] == last["background_shift_lost"] == 1
    assert [notice.partition(":")[0] for notice in sorted(notices)] == [
        f"in 100.0% of the sequences GMA is wrong about known shifts of the {part}" for part in ("background", "foreground")
    ]
    assert all(
        f"if {name} in metrics.jsonl" in notice
        for name, notice in zip(("background_shift_lost", "shift_lost"), sorted(notices), strict=True)
    )
    # Not before nine tenths of the steps in which GMA learns alone.
    monkeypatch.setattr(loop, "LOG_EVERY", 1)
    alone, done = CONFIG.override(train={"alone": 6, "freeze": 6}), list[int]()
    told_after = list[int]()
    train(
        alone, noise, tmp_path / "alone", ALONE, progress=lambda step, _: done.append(step), notice=lambda _: told_after.append(len(done))
    )
    assert told_after == [5, 5]
    monkeypatch.setattr(GMA, "misses", lambda gma, frames: (torch.full((len(frames),), 0.7),) * 2)
    train(CONFIG, noise, tmp_path / "found", ALONE, notice=pytest.fail)


def test_lma_sees_every_so_many_frames(tmp_path: Path) -> None:
    """GMA alone sees frames that follow one another: the same run as with the frames that are used picked beforehand."""
    skips = CONFIG.override(train={"window": 7, "length_from": 4, "local_skip": 2})
    usual = CONFIG.override(train={"length_from": 4})

    def frames(first: int) -> Iterator[Tensor]:
        while True:
            yield torch.randint(0, 256, (3, 7, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
            first += 1

    def picked(first: int) -> Iterator[Tensor]:
        for step, batch in enumerate(frames(first), first):
            yield batch[:, :4] if step < CONFIG.train.alone else batch[:, ::2]

    one, other = train(skips, frames, tmp_path / "one", ALONE), train(usual, picked, tmp_path / "other", ALONE)
    assert equal(weights(one), weights(other))


def test_the_decoder_sees_a_frame_of_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up to `behind` frames before the first of those that are used, each of them; GMA alone needs none, and gets no gradient from it."""
    config = CONFIG.override(
        model={"reference": 2}, train={"window": 7, "behind": 3, "steps": 20, "alone": 1, "freeze": 15, "length_from": 4, "length_to": 4}
    )
    system, seen, drawn = module.system(config, Setup(torch.device("cpu"))), list[tuple[Tensor, Tensor | None]](), set[int]()
    forward = system.network.forward

    def recorded(frames: Tensor, given: int | None, temperature: float, earlier: Tensor | None) -> Analysis:
        seen.append((frames, earlier))
        return forward(frames, given, temperature, earlier)

    monkeypatch.setattr(system.network, "forward", recorded)
    batch = torch.randint(0, 256, (3, 7, 3, 32, 48), dtype=torch.uint8)
    for step in range(12):
        (turn,) = system.turns(batch, step)
        frames, earlier = seen[-1]
        assert torch.equal(frames, system.network.to_model(batch[:, 3:])) and (earlier is None) == (step == 0)
        if earlier is not None:
            distances = (system.network.to_model(batch)[:, :, None] - earlier[:, None, None]).abs().amax((2, 3, 4, 5))
            assert (distances == 0).sum(1).tolist() == [1, 1, 1]
            drawn |= set((distances == 0).nonzero()[:, 1].tolist())
    assert drawn == {0, 1, 2, 3}
    for term in losses.local_terms(*system._last[0][2:], config.loss).values():
        system.network.zero_grad()
        term.backward(retain_graph=True)
        assert all(parameter.grad is None for parameter in system.network.gma.parameters())
    assert turn.terms.keys() > {"recu", "msk"}


def test_earlier_frames_need_somebody_who_sees_them() -> None:
    with pytest.raises(SpecError, match=r"train.behind = 3 needs model.reference > 0"):
        CONFIG.override(train={"window": 7, "behind": 3})
    with pytest.raises(SpecError, match="local_skip, behind = 1, 3: 4 frames at that distance need window >= 7, not 6"):
        CONFIG.override(model={"reference": 2}, train={"window": 6, "behind": 3})
    with pytest.raises(SpecError, match="reference = 2 needs a window, figure > 0"):
        CONFIG.override(model={"reference": 2, "figure": 0, "global_scale": 1, "local_scale": 1})


def test_frames_that_are_used_lie_within_the_window() -> None:
    with pytest.raises(SpecError, match="local_skip = 2: 4 frames at that distance need window >= 7, not 6"):
        CONFIG.override(train={"window": 6, "local_skip": 2})


def test_a_frozen_gma_stays_as_it_is(tmp_path: Path) -> None:
    """Weights and moving averages, while LMA goes on."""
    short = CONFIG.override(train={"steps": 4})
    before, after = train(short, noise, tmp_path / "short", ALONE), train(CONFIG, noise, tmp_path / "long", ALONE)
    assert equal(weights(before, "gma."), weights(after, "gma."))
    trained = weights(after)
    moved = [name for name, weight in weights(before, "lma.").items() if not torch.equal(weight, trained[name])]
    assert len(moved) > 20


def test_to_begin_with_the_gma_of_another_run(tmp_path: Path) -> None:
    first = train(CONFIG.override(train={"steps": 2}), noise, tmp_path / "gma", ALONE)
    config = CONFIG.override(train={"alone": 0, "freeze": 0, "seed": 5, "steps": 2}, model={"codes": 4, "direction": "plain"})
    second = train(config, noise, tmp_path / "second", ALONE, gma=first)
    assert equal(weights(first, "gma."), weights(second, "gma."))
    assert load(second).notes["gma"].startswith("sha256 ")
    with pytest.raises(ArgumentError, match="gma: the run began with sha256"):
        train(config, noise, tmp_path / "second", ALONE, resume=True)
    assert train(config.override(train={"steps": 3}), noise, tmp_path / "second", ALONE, resume=True, gma=first) == second


@pytest.mark.parametrize(
    ("model", "problem"),
    [({"mask_channels": 4}, "have other sizes; set the same model.mask_channels"), ({"global_scale": 1}, "sees frames of")],
)
def test_a_gma_of_other_sizes(tmp_path: Path, model: dict[str, int], problem: str) -> None:
    first = train(CONFIG.override(train={"steps": 1}), noise, tmp_path / "gma", ALONE)
    with pytest.raises(ArgumentError, match=problem):
        train(CONFIG.override(model=model), noise, tmp_path / "second", ALONE, gma=first)
    assert not (tmp_path / "second").exists()


def test_no_gma_there(tmp_path: Path) -> None:
    (tmp_path / "text.safetensors").write_text("text")
    for name, problem in (("none", "no such file"), ("text", "not a checkpoint")):
        with pytest.raises(ArgumentError, match=f"^gma: .*{name}.safetensors: {problem}"):
            train(CONFIG, noise, tmp_path / "run", ALONE, gma=tmp_path / f"{name}.safetensors")


def test_checkpoints_of_averaged_vectors(tmp_path: Path) -> None:
    from glass_model.glass.system import network

    save(tmp_path / "a.safetensors", CONFIG, network(CONFIG), 0, notes={})
    assert "lma.quantizer.counts" in load(tmp_path / "a.safetensors").weights
    assert load(tmp_path / "a.safetensors").model().controls.codes == 6


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model": {"figure": 40}}, "figure = 40 must be divisible by 8 times local_scale = 2, and at least 16 times"),
        ({"model": {"figure": 16}}, "figure = 16 must be divisible by 8 times local_scale = 2, and at least 16 times"),
        ({"model": {"figure": 64}}, "figure = 64 is larger than frames of 32 x 48: use at most 48"),
        ({"model": {"figure": 0}}, "global_scale, local_scale = 2, 2 need a window, figure > 0"),
        ({"model": {"height": 24}}, "height = 24 must be divisible by 8 times global_scale = 2"),
        ({"model": {"quantizer": "gumbel"}}, "loss.revive = 2 needs model.quantizer = 'vq'"),
        ({"loss": {"vq": 0.0, "revive": 0}}, "loss.vq = 0 leaves the code vectors of model.quantizer = 'vq' at random"),
        ({"train": {"freeze": 1}}, "freeze = 1 must not be below alone = 2"),
    ],
)
def test_values_that_contradict_one_another(changes: dict[str, dict[str, object]], problem: str) -> None:
    with pytest.raises(SpecError) as error:
        CONFIG.override(**changes)
    assert problem in str(error.value)


def test_new_fields_leave_the_configurations_of_old_checkpoints_as_they_were() -> None:
    from wsprites.fields import to_json

    for name in ("paper", "released", "tiny"):
        text = to_json(PRESETS[name])
        assert not any(word in text for word in ("figure", "scale", "freeze", "cooldown", "revive", "equi", "appearance"))
    assert isinstance(CONFIG, Config)


@pytest.mark.bad_input
def test_pictures_too_small_for_perceptual_terms(monkeypatch: pytest.MonkeyPatch) -> None:
    """They would fail when LMA begins, after all the steps of GMA alone."""
    monkeypatch.setattr(module, "load_vgg", lambda path: torch.nn.Identity())
    config, setup = PRESETS["paper"].override(model={**NARROW, "height": 48, "width": 96}), Setup(torch.device("cpu"), vgg=Path("vgg"))
    with pytest.raises(
        ArgumentError, match=r"^vgg: pictures of 48 x 96 px are too small for VGG19 at a quarter of their size; set loss.lma"
    ):
        module.system(config, setup)
    module.system(config.override(loss={"lma_vgg": 0.0}), setup)
    module.system(config.override(model={"height": 64}), setup)


@pytest.mark.bad_input
def test_a_loss_without_terms() -> None:
    none = dict.fromkeys(("bin", "size", "recf", "recb", "vgg", "recj", "equi"), 0.0)
    system = module.system(CONFIG.override(loss=none), Setup(torch.device("cpu")))
    with pytest.raises(UserError, match="no term of the loss is left: all weights are 0"):
        next(system.turns(torch.zeros(3, 4, 3, 32, 48, dtype=torch.uint8), 0))
