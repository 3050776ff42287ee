"""The loop: resuming, several optimisers, several processes, logs, and checkpoints by steps and by time."""

import dataclasses
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from resumed import Stop, check_resumed

from glass_model.glass.config import PRESETS
from glass_model.systems import SYSTEMS
from glass_model.training.checkpoint import load, state_path
from glass_model.training.data import DataRecord
from glass_model.training.device import Process
from glass_model.training.loop import train
from wsprites.errors import UserError
from wsprites.weights import read_state

NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
CONFIG = PRESETS["paper"].override(
    model={"height": 16, "width": 24, **NARROW},
    train={"steps": 8, "batch": 3, "window": 4, "alone": 2, "length_from": 3, "length_to": 4, "length_begin": 4, "length_steps": 2},
)
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[torch.Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (3, 4, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 2)
    config = CONFIG.override(model={"quantizer": "gumbel"})  # which draws random numbers in every step
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, noise, whole, ALONE)
    with pytest.raises(KeyboardInterrupt) as error:
        train(config, noise, parts, ALONE, resume=True, progress=Stop(5))  # safe to pass every time
    assert error.value.__notes__ == [f"{parts / 'checkpoint.safetensors'} holds step 5; pass resume=True to continue"]
    torch.rand(100)  # whatever else happens in between
    train(config, noise, parts, ALONE, resume=True)
    ours, theirs = load(parts / "checkpoint.safetensors"), load(whole / "checkpoint.safetensors")
    assert ours.step == theirs.step == 8
    for name, tensor in theirs.weights.items():
        assert torch.equal(ours.weights[name], tensor), name
    ours_state, theirs_state = (read_state(state_path(out / "checkpoint.safetensors")) for out in (parts, whole))
    for key, moments in theirs_state["optimizers"][0]["state"].items():
        assert torch.equal(ours_state["optimizers"][0]["state"][key]["exp_avg_sq"], moments["exp_avg_sq"])
    logged = [[{**line, "steps_per_s": 0} for line in lines(out)] for out in (parts, whole)]
    # The line of step 6 is of one step where the run was interrupted after the fifth, else of two.
    assert [line for line in logged[0] if line.get("step") != 6] == [line for line in logged[1] if line.get("step") != 6]


@pytest.mark.slow
def test_a_resumed_run_drops_what_was_logged_after_its_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 2)

    def killed(step: int, metrics: dict[str, Any]) -> None:
        if step == 7:
            raise SystemExit

    with pytest.raises(SystemExit):
        train(CONFIG, noise, tmp_path, ALONE, save_every=4, progress=killed)
    assert [line.get("step") for line in lines(tmp_path)] == [None, 2, 4, 6]
    train(CONFIG, noise, tmp_path, ALONE, resume=True)
    assert [line.get("step") for line in lines(tmp_path)] == [None, 2, 4, 6, 8]
    whole = tmp_path / "whole"
    train(CONFIG, noise, whole, ALONE)
    ours, theirs = (load(out / "checkpoint.safetensors").weights for out in (tmp_path, whole))
    assert all(torch.equal(ours[name], tensor) for name, tensor in theirs.items())


@pytest.fixture
def two(monkeypatch: pytest.MonkeyPatch) -> Any:
    """The system with two optimisers, in the list."""
    import two_optimizers

    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    return two_optimizers


def test_several_optimisers_take_turns(two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second turn sees the weights that the first has changed, and both losses are logged."""
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 1)
    train(two.PRESETS["two"], noise, tmp_path, ALONE, strip_every=1)
    seen = two.made[-1].weights_seen
    assert len(seen) == 2 * 6
    assert all(before != after for before, after in zip(seen[::2], seen[1::2], strict=True))  # between the turns of a step
    assert seen[1:-1:2] == seen[2::2]  # and the discriminator's turn does not move the generator
    logged = lines(tmp_path)
    assert logged[0]["system"] == "two" and {"cheat", "real", "made", "loss", "loss_2", "rate"} <= logged[1].keys()
    assert [line["stage"] for line in logged[1:]] == [1, 1, 1, 2, 2, 2]
    assert not list((tmp_path / "strips").iterdir())  # it has none


@pytest.mark.parametrize("stop", [1, 3, 5])
def test_several_optimisers_resume_exactly(two: Any, tmp_path: Path, stop: int) -> None:
    state = check_resumed(two.PRESETS["two"], noise, stop, tmp_path / "whole", tmp_path / "parts")
    assert set(state["model"]) == set(two.Network().state_dict()) and "average" in state["model"]
    assert len(state["optimizers"]) == 2


def test_what_is_computed_after_training(two: Any, tmp_path: Path) -> None:
    """Once, from the next batch, into the checkpoint: the same for a run that was interrupted, ended and prolonged."""
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    shorter = dataclasses.replace(two.PRESETS["two"], train=dataclasses.replace(two.PRESETS["two"].train, steps=3))
    with pytest.raises(KeyboardInterrupt):
        train(shorter, noise, parts, ALONE, progress=Stop(2))
    assert not load(parts / "checkpoint.safetensors").weights["after"].any()  # not before the end
    for config in (shorter, shorter, two.PRESETS["two"]):
        train(config, noise, parts, ALONE, resume=True)
        after = load(parts / "checkpoint.safetensors").weights["after"]
        assert after[0] == next(noise(config.train.steps)).float().mean() and after[1] > 0
    train(two.PRESETS["two"], noise, whole, ALONE)
    assert torch.equal(load(whole / "checkpoint.safetensors").weights["after"], after)
    # A complete run leaves the result alone: its batches are those of another step now.
    train(two.PRESETS["two"], lambda first: iter(()), parts, ALONE, resume=True)
    assert torch.equal(load(parts / "checkpoint.safetensors").weights["after"], after)


def test_another_system_is_refused(two: Any, tmp_path: Path) -> None:
    train(CONFIG.override(train={"steps": 1}), noise, tmp_path, ALONE)
    with pytest.raises(UserError, match=r"system: the run in .* is of glass, not two"):
        train(two.PRESETS["two"], noise, tmp_path, ALONE, resume=True)


def test_checkpoints_are_written_by_time(two: Any, tmp_path: Path) -> None:
    """Every two minutes of a clock that advances by 50 seconds at each step."""
    seconds, saved = 0.0, []

    def progress(step: int, metrics: dict[str, Any]) -> None:
        nonlocal seconds
        seconds += 50
        state = state_path(tmp_path / "checkpoint.safetensors")
        saved.append(load(state).step if state.exists() else 0)

    config = dataclasses.replace(two.PRESETS["two"], train=dataclasses.replace(two.PRESETS["two"].train, steps=9))
    train(config, noise, tmp_path, ALONE, progress=progress, clock=lambda: seconds)
    assert saved == [0, 0, 0, 4, 4, 4, 7, 7, 7]  # at the first step that ends 120 seconds or more after the last checkpoint
    assert load(tmp_path / "checkpoint.safetensors").step == 9
    assert lines(tmp_path)[-1]["steps_per_s"] == round(9 / 400, 3)


def test_other_data_is_refused(two: Any, tmp_path: Path) -> None:
    config, data = two.PRESETS["two"], DataRecord("file", seed=3, clips=24)
    with pytest.raises(KeyboardInterrupt):
        train(config, noise, tmp_path, ALONE, data=data, progress=Stop(2))
    before = (tmp_path / "metrics.jsonl").read_bytes()
    for other, message in (
        (DataRecord("stream"), "begun with other data: source is stream, not file"),
        (DataRecord("file", seed=4, clips=24), "begun with other data: seed is 4, not 3"),
    ):
        with pytest.raises(UserError, match=message):
            train(config, noise, tmp_path, ALONE, data=other, resume=True)
    assert (tmp_path / "metrics.jsonl").read_bytes() == before
    train(config, noise, tmp_path, ALONE, data=data, resume=True, notice=pytest.fail)
    assert load(tmp_path / "checkpoint.safetensors").data == data
    assert lines(tmp_path)[0]["data"] == {"source": "file", "seed": 3, "clips": 24}


def test_a_run_is_not_made_shorter_and_keeps_its_record(two: Any, tmp_path: Path) -> None:
    config, data, said = two.PRESETS["two"], DataRecord("file", seed=3, clips=24), list[str]()
    train(config, noise, tmp_path, ALONE, data=data)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    shorter = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=config.train.steps - 1))
    with pytest.raises(UserError, match=f"steps: {config.train.steps - 1}: the run has done {config.train.steps} steps already"):
        train(shorter, noise, tmp_path, ALONE, resume=True)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before
    longer = dataclasses.replace(config, train=dataclasses.replace(config.train, steps=config.train.steps + 1))
    train(longer, noise, tmp_path, dataclasses.replace(ALONE, count=1), resume=True, notice=said.append)
    assert load(tmp_path / "checkpoint.safetensors").data == data and not said


def test_a_longer_run_may_end_where_it_was_interrupted(two: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is found after training is found then, once, and the checkpoint says so; a run that has ended keeps its file."""
    ends = list[int]()
    monkeypatch.setattr("glass_model.training.loop._finish", lambda system, stream, config, process: ends.append(config.train.steps))
    with pytest.raises(KeyboardInterrupt):
        train(two.PRESETS["two"], noise, tmp_path, ALONE, progress=Stop(2))
    assert not ends
    ended = two.PRESETS["two"]
    ended = dataclasses.replace(ended, train=dataclasses.replace(ended.train, steps=2))
    path = train(ended, noise, tmp_path, ALONE, resume=True)
    assert ends == [2] and load(path).config == ended and load(path).step == 2
    content = path.read_bytes()
    train(ended, noise, tmp_path, ALONE, resume=True)
    assert ends == [2] and path.read_bytes() == content


@pytest.mark.parametrize(("first", "then", "words"), [(True, False, "with"), (False, True, "without")])
def test_a_run_that_is_rounded_otherwise_says_so(two: Any, tmp_path: Path, first: bool, then: bool, words: str) -> None:
    notices = list[str]()
    with pytest.raises(KeyboardInterrupt):
        train(two.PRESETS["two"], noise, tmp_path, ALONE, precise=first, progress=Stop(2))
    train(two.PRESETS["two"], noise, tmp_path, ALONE, precise=then, resume=True, notice=notices.append)
    assert notices == [f"begun {words} precise=True: numbers are rounded otherwise from here on"]


def test_a_run_without_a_record_of_its_data_resumes_with_a_notice(two: Any, tmp_path: Path) -> None:
    notices: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        train(two.PRESETS["two"], noise, tmp_path, ALONE, progress=Stop(2))
    train(two.PRESETS["two"], noise, tmp_path, ALONE, data=DataRecord("file"), resume=True, notice=notices.append)
    assert notices == [f"{tmp_path} does not say what it learned from: whether these are the same data could not be checked"]
    assert load(tmp_path / "checkpoint.safetensors").data == DataRecord("file")


def test_what_a_run_leaves(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 4)
    path = train(CONFIG, noise, tmp_path, ALONE, strip_every=2)
    run, first, last = lines(tmp_path)
    assert run["config"]["train"]["batch"] == 3 and run["perceptual"] == "off: no weights of VGG19"
    assert load(path).notes["perceptual"] == "off: no weights of VGG19"
    assert {"step", "bin", "size", "recf", "recb", "recj", "loss", "steps_per_s", "rate", "given", "length"} <= first.keys()
    assert {"vq", "recu", "recs", "msk", "cyc", "codes_used", "code_entropy"} <= last.keys() and "nonfinite" not in last
    assert 1 <= last["codes_used"] <= 6 and 0 <= last["code_entropy"] <= 2.6
    strips = sorted((tmp_path / "strips").iterdir())
    assert [strip.name for strip in strips] == [f"{step:07d}.png" for step in (2, 4, 6, 8)]
    with Image.open(strips[0]) as early, Image.open(strips[-1]) as late:
        # Two sequences of five rows, of eight once LMA is trained; images of 16 x 24 pixels are drawn at six times their size.
        assert (early.height, late.height) == tuple(20 + 2 * (8 + 20 + rows * (6 * 16 + 8)) for rows in (5, 8))
        assert late.width - early.width > 6 * 24 + 8  # three transitions, not two; and longer names


def test_tensorboard(tmp_path: Path) -> None:
    config = CONFIG.override(train={"steps": 1})
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"pip install -c constraints\.txt \"\.\[tensorboard\]\" in a checkout"):
            train(config, noise, tmp_path / "run", ALONE, tensorboard=True)
        assert not (tmp_path / "run").exists()
    else:
        train(config, noise, tmp_path, ALONE, tensorboard=True)
        assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_another_run_is_not_overwritten(tmp_path: Path) -> None:
    config = CONFIG.override(train={"steps": 1})
    train(config, noise, tmp_path, ALONE)
    with pytest.raises(UserError, match=r"out: .* holds a run already; pass resume=True to continue it"):
        train(config, noise, tmp_path, ALONE)
    with pytest.raises(UserError, match="begun with another configuration"):
        train(config.override(model={"codes": 4}), noise, tmp_path, ALONE, resume=True)
    train(config.override(train={"steps": 2}), noise, tmp_path, ALONE, resume=True)
    assert load(tmp_path / "checkpoint.safetensors").step == 2


def test_non_finite_terms_are_named_and_end_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 2)
    monkeypatch.setattr("glass_model.training.loop._GIVE_UP", 4)
    real = torch.nn.functional.l1_loss
    monkeypatch.setattr("glass_model.glass.losses.cyc_loss", lambda made, true: real(made, true) * float("nan"))
    with pytest.raises(
        UserError, match=r"the loss has not been finite for 4 steps \(since the last line of the log: \{'cyc': 2, 'loss': 2\}\)"
    ):
        train(CONFIG, noise, tmp_path, ALONE)
    assert [line.get("nonfinite") for line in lines(tmp_path)] == [None, None, {"cyc": 2, "loss": 2}]


def test_non_finite_gradients_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.nn.functional.l1_loss
    monkeypatch.setattr("glass_model.glass.losses.cyc_loss", lambda made, true: real(made, true) * float("nan"))
    path = train(CONFIG.override(train={"steps": 3, "alone": 0}), noise, tmp_path, ALONE)
    assert all(tensor.isfinite().all() for tensor in load(path).weights.values())


def half_of_six(first: int, half: int = 0) -> Iterator[torch.Tensor]:
    """One half of each of some batches of six."""
    while True:
        frames = torch.randint(0, 256, (6, 4, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        yield frames[3 * half :][:3]
        first += 1


DDP = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_loop import CONFIG, half_of_six
from glass_model.glass import system as module
from glass_model.training.device import average, broadcast, join
from glass_model.training.loop import train
from glass_model.training.validation import of_world
from wsprites.art import load_world
process, out, stop = join("cpu"), Path(sys.argv[2]), int(sys.argv[3])
config = CONFIG.override(model={"quantizer": "gumbel"})  # which draws other random numbers in every process
made, real = [], module.system
module.system = lambda config, setup: made.append(real(config, setup)) or made[-1]
numbers = [torch.tensor([[1.0, 5.0]]) + process.rank, torch.tensor([3]) + process.rank, torch.tensor(7.0) * process.rank]
average(numbers[::2], 2)
broadcast(numbers[1:2])
assert [t.tolist() for t in numbers] == [[[1.5, 5.5]], [3], 3.5], numbers
def progress(step, metrics):
    if step == stop:
        raise KeyboardInterrupt
validate = of_world(load_world("factorial").replace(frames=2))
batches = lambda first: half_of_six(first, process.rank)
try:
    train(config, batches, out, process, resume=True, validate=validate, validate_every=3, progress=progress)
except KeyboardInterrupt:
    pass
torch.save(torch.cat([p.detach().flatten() for p in made[0].network.parameters()]), out / f"rank{process.rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Under torchrun, two processes see different data, agree about the weights, and one validates and writes; interrupted or not."""
    script = tmp_path / "ddp.py"
    script.write_text(DDP)
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node", "2", "--standalone", str(script)]

    def run(out: Path, stop: int = 0) -> torch.Tensor:
        arguments = [*command, str(Path(__file__).parent), str(out), str(stop)]
        subprocess.run(arguments, check=True, capture_output=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"})
        ours, theirs = (torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
        assert torch.equal(ours, theirs)
        return ours

    whole = run(tmp_path / "whole")
    assert lines(tmp_path / "whole")[0]["processes"] == 2
    assert [line["step"] for line in lines(tmp_path / "whole") if "val_mask_iou" in line] == [3, 6, 8]
    saved = load(tmp_path / "whole" / "checkpoint.safetensors")
    assert saved.step == 8
    assert not torch.equal(run(tmp_path / "parts", stop=5), whole)
    assert torch.equal(run(tmp_path / "parts"), whole)
    # Process 0 by itself: the same seed and the same batches, so that only the gradients of process 1 make a difference.
    alone = tmp_path / "alone"
    train(CONFIG.override(model={"quantizer": "gumbel"}), half_of_six, alone, ALONE)
    other = load(alone / "checkpoint.safetensors")
    assert any(not torch.equal(saved.weights[name], tensor) for name, tensor in other.weights.items())
