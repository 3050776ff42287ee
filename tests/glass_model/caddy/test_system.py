"""CADDY in training: presets, schedules, moving averages, resuming, and several processes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from resumed import check_resumed
from two_processes import check_states, two_processes

from glass_model.caddy import losses
from glass_model.caddy import system as module
from glass_model.caddy.config import PRESETS, Config
from glass_model.caddy.system import CaddySystem
from glass_model.perceptual import VGG19
from glass_model.training.checkpoint import load
from glass_model.training.config import load_config
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from glass_model.training.strips import Column
from wsprites.errors import UserError
from wsprites.fields import SpecError

SMALL: dict[str, Any] = {"height": 16, "width": 32, "channels": 2, "hidden_channels": 4, "decoder_channels": 4, "codes": 3}
CONFIG = PRESETS["sprites"].override(
    model={**SMALL, "stack": 2},
    train={"steps": 7, "batch": 3, "window": 4, "pretrain": 2, "given": 2, "length_from": 3, "length_to": 4, "length_steps": 4},
)
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[torch.Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (3, 4, 3, 16, 32), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


# Presets and schedules.


def test_presets_are_those_of_the_data_sets() -> None:
    """Numbers of the authors' configurations: size, K, d, Hc, batch, S, stride, T, steps of T, pretraining, MI's weight and average."""
    numbers = {}
    for name in ("bair", "breakout", "tennis"):
        model, loss, train = PRESETS[name].model, PRESETS[name].loss, PRESETS[name].train
        numbers[name] = (
            *(model.height, model.width, model.codes, model.action_size, model.hidden_channels, train.batch, model.stack, train.skip),
            *(train.length_from, train.length_to, train.length_steps, train.given, train.pretrain, loss.mi, loss.joint_rate, loss.state_kl),
        )
        assert (train.rate, train.weight_decay, train.steps, train.window) == (4e-4, 1e-6, 300_000, train.length_to)
        assert (loss.rec, loss.perceptual, loss.state, loss.hidden, loss.kl, loss.clean) == (1, 1, 0.2, 1, 1e-4, True)
    assert numbers["bair"] == (256, 256, 7, 2, 128, 8, 1, 1, 7, 12, 25_000, 6, 1_000, 0.15, 0.2, 0)
    assert numbers["breakout"] == (208, 160, 3, 1, 64, 8, 1, 1, 7, 9, 15_000, 6, 3_000, 0.15, 0.2, 0)
    assert numbers["tennis"] == (96, 256, 7, 5, 128, 6, 4, 5, 7, 12, 25_000, 6, 3_000, 0.03, 1.0, 1e-5)
    assert next(iter(PRESETS)) == "sprites" and (PRESETS["sprites"].model.height, PRESETS["sprites"].model.width) == (96, 128)


def test_tiny_has_as_many_codes_as_one_says() -> None:
    assert PRESETS["tiny"].model.codes == 7
    assert load_config(PRESETS, "tiny", ["model.codes=9"]).model.codes == 9


def test_schedules() -> None:
    train = PRESETS["bair"].train
    assert [train.length_at(step) for step in (0, 4_999, 5_000, 24_999, 25_000, 300_000)] == [7, 7, 8, 11, 12, 12]
    assert [train.given_at(step) for step in (0, 999, 1_000, 25_000)] == [None, None, 6, 6]
    assert [train.temperature_at(step) for step in (0, 10_000, 20_000, 10**6)] == pytest.approx([1, 0.7, 0.4, 0.4])
    assert [train.rate_at(step) for step in (0, 299_999)] == [4e-4] * 2
    breakout = PRESETS["breakout"].train
    assert [breakout.length_at(step) for step in (0, 7_499, 7_500, 15_000)] == [7, 7, 8, 9]


def test_at_least_one_frame_is_generated() -> None:
    assert CONFIG.override(train={"given": 9}).train.given_at(6) == 3


@pytest.mark.parametrize(
    ("group", "values", "message"),
    [
        ("model", {"height": 40}, "height, width = 40, 128 must be divisible by 16"),
        ("train", {"length_to": 13}, "length_from, length_to = 7, 13 must not be above window = 12"),
        ("loss", {"joint_rate": 0.0}, "loss.joint_rate = 0.0 is outside the range"),
    ],
)
def test_configurations_that_are_impossible(group: str, values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PRESETS["sprites"].override(**{group: values})


# A step.


def system_of(config: Config = CONFIG, vgg: Path | None = None) -> CaddySystem:
    torch.manual_seed(0)
    return module.system(config, Setup(torch.device("cpu"), vgg=vgg))


def test_the_terms_of_each_stage() -> None:
    system = system_of()
    for step, given, length in ((0, 0, 3), (1, 0, 3), (2, 2, 3), (4, 2, 4)):
        (turn,) = system.turns(next(noise(0)), step)
        assert turn.schedule == {"given": given, "length": length, "temperature": CONFIG.train.temperature_at(step)}
        assert set(turn.terms) == {"rec", "state", "kl", "mi"} | ({"hidden"} if step < 2 else set())
        assert turn.usage is not None and turn.usage.sum() == 3 * (length - 1)
        for clip, (columns, rows) in enumerate(system.strip()):
            assert columns == [Column(clip, t, t - 1 if t else None) for t in range(length)]
            assert [name for name, _ in rows] == ["true frame", "reconstruction", "attention"]
            assert all(images.shape == (length, 16, 32, 3) for _, images in rows)
        assert clip == 1


def test_the_joint_distribution_is_a_moving_average() -> None:
    """0.8 of the last and 0.2 of the batch's; or the batch's alone, whatever was before."""
    for rate in (0.2, 1.0):
        system = system_of(CONFIG.override(loss={"joint_rate": rate}))
        before = torch.full((3, 3), 1 / 9)
        for step in range(3):
            torch.testing.assert_close(system.network.joint, before)
            (turn,) = system.turns(next(noise(step)), step)
            assert system._last is not None
            p, q = (actions.logits.softmax(-1) for actions in (system._last[1].actions, system._last[1].actions_made))
            before = (1 - rate) * before + rate * losses.joint_distribution(p, q).detach()
            torch.testing.assert_close(turn.terms["mi"].detach(), losses.mi_loss(before))
            turn.loss.backward()
        torch.testing.assert_close(system.network.joint.sum(), torch.tensor(1.0))


def test_weights_and_clean_decide_about_the_loss() -> None:
    (turn,) = system_of(CONFIG.override(loss={"rec": 3.0, "mi": 0.0})).turns(next(noise(0)), 3)
    expected = 3 * turn.terms["rec"] + 0.2 * turn.terms["state"] + 1e-4 * turn.terms["kl"]
    torch.testing.assert_close(turn.loss, expected)


def test_the_perceptual_term_sees_frames_that_are_not_normalised(monkeypatch: pytest.MonkeyPatch) -> None:
    class Features(VGG19):
        def forward(self, image: torch.Tensor, *, normalise: bool = True) -> list[torch.Tensor]:
            assert not normalise
            return [image, 2 * image]

    monkeypatch.setattr(module, "load_vgg", lambda path: Features())
    large = CONFIG.override(model={"height": 64, "width": 64})
    frames = torch.randint(0, 256, (3, 4, 3, 64, 64), dtype=torch.uint8)
    clean, released = (system_of(large.override(loss={"clean": clean}), Path("vgg")) for clean in (True, False))
    (ours,), (theirs,) = ([*system.turns(frames, 0)] for system in (clean, released))
    rec = ours.terms["rec"].item()
    assert ours.terms["perceptual"].item() == pytest.approx(3 * rec, rel=1e-4)
    assert theirs.terms["perceptual"].item() / theirs.terms["rec"].item() == pytest.approx(1 + 2 * 2, rel=1e-4)
    with pytest.raises(UserError, match=r"^vgg: frames of 16 x 32 px are too small for VGG19 at a quarter of their size"):
        system_of(CONFIG, Path("vgg"))


def test_a_gma_is_refused() -> None:
    """CADDY has none: what was given is not left out silently."""
    with pytest.raises(UserError, match=r"^gma: CADDY has no global motion analysis"):
        module.system(CONFIG, Setup(torch.device("cpu"), gma=Path("gma.safetensors")))


# Runs.


@pytest.mark.parametrize("stop", [1, 4])
def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, stop: int) -> None:
    """Interrupted in pretraining or after it: weights, centroids, the joint distribution and the optimiser are equal, bit for bit."""
    state = check_resumed(CONFIG, noise, stop, tmp_path / "whole", tmp_path / "parts")
    assert {"centroids", "joint"} <= state["model"].keys()


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Two processes with the same batches and random numbers equal one, bit for bit; with different ones, they agree about the weights.

    The moving averages, of centroids and the joint distribution, are those of the first process: it saves them.
    """
    states = two_processes(Path(__file__).parent, "glass_model.caddy.system", tmp_path)
    train(CONFIG, noise, tmp_path / "one", ALONE)
    one = load(tmp_path / "one" / "checkpoint.safetensors").weights
    assert not torch.equal(states["other0"]["centroids"], states["other1"]["centroids"])  # each had its own last batch
    saved = load(tmp_path / "other" / "checkpoint.safetensors").weights
    check_states(states, one, saved, [name for name, _ in system_of().network.named_parameters()])
