"""Layered in training: stages, turns, freezing, resuming, and codes."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from resumed import check_resumed
from small_layered import SMALL, Bright
from two_processes import check_states, two_processes

from glass_model.layered import system as module
from glass_model.layered.config import Config
from glass_model.layered.system import LayeredSystem, translations
from glass_model.training.checkpoint import load
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from glass_model.training.strips import Column
from wsprites.errors import UserError

CONFIG = Config("small").override(
    model=SMALL | {"averaged": True},
    loss={"union": True},
    train={"steps": 6, "batch": 2, "window": 3, "rate": 1e-3, "stage": 2, "gan_step": 1},
)
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[torch.Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (2, 3, 3, 32, 48), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def system_of(config: Config = CONFIG) -> LayeredSystem:
    torch.manual_seed(0)
    return module.system(config, Setup(torch.device("cpu")))


def learn(system: LayeredSystem, step: int) -> list[dict[str, torch.Tensor]]:
    """A step of training, and its terms."""
    found = []
    for turn in system.turns(next(noise(step)), step):
        turn.optimizer.zero_grad()
        turn.loss.backward()  # type: ignore[no-untyped-call]
        turn.optimizer.step()
        found.append(dict(turn.terms))
    return found


def weights(system: LayeredSystem, *parts: str) -> list[torch.Tensor]:
    return [tensor.clone() for name, tensor in system.network.state_dict().items() if name.partition(".")[0] in parts]


def same(first: list[torch.Tensor], second: list[torch.Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


GENERATOR = ("encoder", "decoder", "to_code", "from_code")


def test_what_learns_in_each_step() -> None:
    """Step 0: stage 1 without GAN. Step 1: with it. From step 2 on, masks do not change, nor do their moving averages."""
    system = system_of()
    expected = {
        0: ({"rec", "vq", "bg", "size", "bin"}, False, True),
        1: ({"rec", "vq", "bg", "size", "bin", "gan", "gan_weight"}, True, True),
        2: ({"rec", "vq", "bg_made", "gan", "gan_weight"}, True, False),
        3: ({"rec", "vq", "bg_made", "gan", "gan_weight"}, True, False),
    }
    for step, (names, judged, masks) in expected.items():
        before = {parts: weights(system, *parts) for parts in (GENERATOR, ("discriminator",), ("mask",))}
        found = learn(system, step)
        assert found[0].keys() == names and [set(terms) for terms in found[1:]] == [{"discriminator"}] * judged
        changed = [not same(weights(system, *parts), before[parts]) for parts in before]
        assert changed == [True, judged, masks]
        ((columns, rows),) = system.strip()
        assert columns == [Column(0, 1, 0), Column(0, 2, 1), Column(1, 1, 0), Column(1, 2, 1)]  # two sequences of two pairs
        assert len(rows) == 5 and all(images.shape == (4, 32, 48, 3) for _, images in rows)


def test_masks_are_judged_by_their_averages_once_they_are_found() -> None:
    """In stage 2 the mask of a frame does not depend on the other frames of the batch."""
    system = system_of()
    learn(system, 2)
    assert system.network.training and not system.network.mask.training
    learn(system, 0)
    assert system.network.mask.training


def test_the_turns_see_the_frames_of_one_pass() -> None:
    """The adversary gets the gradient of the discriminator as it is, and changes it by nothing; then it learns from the same frames."""
    system = system_of()
    turns = system.turns(next(noise(0)), 3)
    first = next(turns)
    first.loss.backward()  # type: ignore[no-untyped-call]
    assert all(parameter.grad is None for parameter in system.network.discriminator.parameters())
    assert system._last is not None
    judge, made, true = system.network.discriminator, system._last.frame.detach(), system._last.after
    torch.testing.assert_close(first.terms["gan"].detach(), -judge(made).mean().detach())
    second = next(turns)
    expected = 0.5 * ((1 - judge(true)).relu().mean() + (1 + judge(made)).relu().mean())
    torch.testing.assert_close(second.loss, expected)
    assert second.optimizer is system.optimizers[1]


def test_the_weight_of_the_adversary() -> None:
    """As long a gradient as REC's at the last convolution, times the weight of GAN."""
    system = system_of(CONFIG.override(loss={"gan": 0.8}))
    turn = next(system.turns(next(noise(0)), 3))
    last = system.network.decoder[-1].weight
    lengths = [torch.autograd.grad(turn.terms[name], last, retain_graph=True)[0].norm() for name in ("rec", "gan")]  # type: ignore[arg-type]
    torch.testing.assert_close(turn.terms["gan_weight"], 0.8 * lengths[0] / (lengths[1] + 1e-4))
    total = turn.terms["rec"] + turn.terms["vq"] + 5 * turn.terms["bg_made"] + turn.terms["gan_weight"] * turn.terms["gan"]
    torch.testing.assert_close(turn.loss, total)


def test_without_gan_there_is_one_turn() -> None:
    assert len(learn(system_of(CONFIG.override(loss={"gan": 0.0})), 3)) == 1


def test_every_frame_and_the_next_one_are_a_pair() -> None:
    system, frames = system_of(), next(noise(0))
    next(system.turns(frames, 2))
    assert system._last is not None
    torch.testing.assert_close(system._last.after, system.network.to_model(frames)[:, 1:].flatten(0, 1))


def test_a_gma_is_refused() -> None:
    with pytest.raises(UserError, match=r"^gma: Layered has no global motion analysis"):
        module.system(CONFIG, Setup(torch.device("cpu"), gma=Path("gma.safetensors")))


# Codes.


def test_bins_are_as_long_as_what_moves() -> None:
    """The median of 3, 4 and 5 pixels; what stands still has no share in it."""
    shift = torch.tensor([[3.0, 0.0], [0.0, -4.0], [-5.0, 0.0], [0.2, 0.1], [0.0, 0.0], [0.0, 0.3], [0.1, 0.0]])
    found = translations(shift, 5, "bins")
    assert found is not None and found.tolist() == [[0, 0], [-4, 0], [4, 0], [0, -4], [0, 4]]
    assert translations(shift[3:], 5, "bins") is None


def test_clusters_begin_with_the_shortest() -> None:
    centres = torch.tensor([[6.0, 0.0], [0.0, 0.5], [0.0, -3.0]])
    shift = torch.cat([centre + 0.01 * torch.randn(20, 2, generator=torch.Generator().manual_seed(0)) for centre in centres])
    found = translations(shift, 3, "kmeans")
    assert found is not None
    torch.testing.assert_close(found, centres[[1, 2, 0]], rtol=0, atol=0.02)


def test_codes_are_found_after_training() -> None:
    """From batches in which a bright square moves by four pixels to the left or right."""

    def squares() -> Iterator[torch.Tensor]:
        frames = torch.zeros(2, 3, 3, 32, 48, dtype=torch.uint8)
        for t in range(3):
            frames[0, t, :, 10:16, 10 + 4 * t : 16 + 4 * t] = 255
            frames[1, t, :, 10:16, 30 - 4 * t : 36 - 4 * t] = 255
        while True:
            yield frames

    system = system_of()
    system.network.mask = Bright()  # type: ignore[assignment]
    system.finish(squares())
    assert system.network.translations.round(decimals=3).tolist() == [[0, 0], [-4, 0], [4, 0], [0, -4], [0, 4]]
    assert system.network.training
    reading = system.network.eval().infer(next(squares()))
    assert reading.codes is not None and reading.codes.tolist() == [[2, 2], [1, 1]]


# Runs.


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Interrupted in stage 1 before there is a GAN, or in stage 2: weights, averages and both optimisers are equal, bit for bit."""
    monkeypatch.setattr(module, "_TRANSITIONS", 4)
    for stop in (1, 4):
        state = check_resumed(CONFIG, noise, stop, tmp_path / "whole", tmp_path / f"stopped at {stop}")
        assert {"translations", "codebook.vectors", "codebook.counts", "mask.layers.2.running_mean"} <= state["model"].keys()
        assert len(state["optimizers"]) == 2


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Two processes with the same batches and random numbers equal one, bit for bit; with different ones, they agree about the weights.

    Moving averages are those of the first process, which saves them.
    """
    states = two_processes(Path(__file__).parent, "glass_model.layered.system", tmp_path)
    train(CONFIG, noise, tmp_path / "one", ALONE)
    one = load(tmp_path / "one" / "checkpoint.safetensors").weights
    saved = load(tmp_path / "other" / "checkpoint.safetensors").weights
    check_states(states, one, saved, [name for name, _ in system_of().network.named_parameters()])
