"""The loop: resume, several processes, what is logged, and that a short run learns."""

import itertools
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

from glass_model.glass.config import PRESETS, load_config
from glass_model.training.checkpoint import load, state_path
from glass_model.training.loop import Process, batches_of, join, train
from wsprites.cli import main
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


class Stop:
    """Presses Ctrl-C after a step."""

    def __init__(self, at: int) -> None:
        self.at = at

    def __call__(self, step: int, metrics: dict[str, Any]) -> None:
        if step == self.at:
            raise KeyboardInterrupt


def test_a_resumed_run_is_the_uninterrupted_one(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 2)
    config = CONFIG.override(model={"quantizer": "gumbel"})  # which draws random numbers in every step
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    train(config, noise, whole, ALONE)
    with pytest.raises(KeyboardInterrupt) as error:
        train(config, noise, parts, ALONE, resume=True, progress=Stop(5))  # always safe to pass
    assert "--resume goes on from there" in error.value.__notes__[0]
    torch.rand(100)  # whatever else happens in between
    train(config, noise, parts, ALONE, resume=True)
    ours, theirs = load(parts / "checkpoint.safetensors"), load(whole / "checkpoint.safetensors")
    assert ours.step == theirs.step == 8
    for name, tensor in theirs.weights.items():
        assert torch.equal(ours.weights[name], tensor), name
    ours_state, theirs_state = (read_state(state_path(out / "checkpoint.safetensors")) for out in (parts, whole))
    for key, moments in theirs_state["optimizer"]["state"].items():
        assert torch.equal(ours_state["optimizer"]["state"][key]["exp_avg_sq"], moments["exp_avg_sq"])
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
        assert early.size == (2 * 24, 2 * 5 * 16)  # two transitions of two sequences, five rows each
        assert late.size == (3 * 24, 2 * 8 * 16)


def test_tensorboard(tmp_path: Path) -> None:
    config = CONFIG.override(train={"steps": 1})
    try:
        import tensorboard  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match=r"pip install 'wsprites\[tensorboard\]'"):
            train(config, noise, tmp_path, ALONE, tensorboard=True)
    else:
        train(config, noise, tmp_path, ALONE, tensorboard=True)
        assert len(list(tmp_path.glob("events.out.tfevents.*"))) == 1


def test_another_run_is_not_overwritten(tmp_path: Path) -> None:
    config = CONFIG.override(train={"steps": 1})
    train(config, noise, tmp_path, ALONE)
    with pytest.raises(UserError, match="there is a run already; --resume goes on with it"):
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
    with pytest.raises(UserError, match=r"the loss has not been finite for 4 steps \(of the last 2: \{'cyc': 2, 'loss': 2\}\)"):
        train(CONFIG, noise, tmp_path, ALONE)
    assert [line.get("nonfinite") for line in lines(tmp_path)] == [None, None, {"cyc": 2, "loss": 2}]


def test_non_finite_gradients_are_replaced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = torch.nn.functional.l1_loss
    monkeypatch.setattr("glass_model.glass.losses.cyc_loss", lambda made, true: real(made, true) * float("nan"))
    path = train(CONFIG.override(train={"steps": 3, "alone": 0}), noise, tmp_path, ALONE)
    assert all(tensor.isfinite().all() for tensor in load(path).weights.values())


@pytest.mark.parametrize("stored", [True, False])
def test_data_goes_on_from_any_batch(data_file: Path, stored: bool) -> None:
    """From a file or rendered: batch n is the same whenever it is asked for, and processes see different ones."""
    config = load_config("tiny", ["train.batch=2", "train.window=3", "train.length_from=2", "train.length_to=3", "train.skip=2"]).train
    path = data_file if stored else None
    whole = list(itertools.islice(batches_of(config, ALONE, path)(0), 4))
    assert all(frames.shape == (2, 3, 3, 96, 128) and frames.dtype == torch.uint8 for frames in whole)
    assert torch.equal(next(batches_of(config, ALONE, path)(3)), whole[3])
    ranks = [next(batches_of(config, Process(rank, 2, ALONE.device), path)(1)) for rank in (0, 1)]
    seen = torch.cat(whole)
    assert sum(any(torch.equal(clip, other) for other in seen) for clip in torch.cat(ranks)) == 4  # they share what one sees alone
    assert not torch.equal(*ranks)


def test_the_command(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    settings = [f"--set=model.{name}={value}" for name, value in NARROW.items()]
    command = ["train", "--preset", "tiny", *settings, "--set=train.alone=1", "--out", str(out), "--device", "cpu"]
    main([*command, "--data", str(data_file), "--steps", "2", "--batch", "2"])
    printed = capsys.readouterr().out.splitlines()
    assert printed[0] == "model    tiny, 32 x 40, 6 codes"
    assert printed[1] == "terms    perceptual off: no weights of VGG19 (--vgg)"
    assert printed[-1] == f"done     {out / 'checkpoint.safetensors'}: 2 steps"
    main([*command, "--data", str(data_file), "--steps", "3", "--batch", "2", "--resume"])
    assert load(out / "checkpoint.safetensors").step == 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stream", "--preset", "tinny"], "--preset tinny: not one of paper, released, tiny"),
        ([], "one of --data FILE and --stream is wanted"),
        (["--stream", "--data", "x.h5"], "one of --data FILE and --stream is wanted"),
        (["--data", "no.h5"], "no.h5: no such file"),
        (["--stream", "--vgg", "no.pth"], "--vgg no.pth: no such file"),
        (["--stream", "--set", "model.code=4"], "there is no key model.code; the nearest is model.codes"),
        (["--stream", "--device", "abacus"], "--device abacus"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--preset", "tiny", "--out", str(tmp_path / "run"), *arguments])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_no_such_device() -> None:
    with pytest.raises(UserError, match="--device abacus"):
        join("abacus")


DDP = """
import sys, torch
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from test_loop import CONFIG
from glass_model.training import loop as module
from glass_model.training.loop import join, train
process, out, stop = join("cpu"), Path(sys.argv[2]), int(sys.argv[3])
config = CONFIG.override(model={"quantizer": "gumbel"})  # which draws other random numbers in every process
made, real = [], module.GLASS
module.GLASS = lambda config: made.append(real(config)) or made[-1]
def batches(first):
    while True:
        # The halves of one batch of six.
        frames = torch.randint(0, 256, (6, 4, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        yield frames[3 * process.rank :][:3]
        first += 1
def progress(step, metrics):
    if step == stop:
        raise KeyboardInterrupt
try:
    train(config, batches, out, process, resume=True, progress=progress)
except KeyboardInterrupt:
    pass
torch.save(torch.cat([p.detach().flatten() for p in made[0].parameters()]), out / f"rank{process.rank}.pt")
torch.distributed.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes(tmp_path: Path) -> None:
    """Under torchrun, two processes see different data, agree about the weights, and one of them writes; interrupted or not."""
    script = tmp_path / "ddp.py"
    script.write_text(DDP)
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(script)]

    def run(out: Path, stop: int = 0) -> torch.Tensor:
        arguments = [*command, str(Path(__file__).parent), str(out), str(stop)]
        subprocess.run(arguments, check=True, capture_output=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"})
        ours, theirs = (torch.load(out / f"rank{rank}.pt", weights_only=True) for rank in (0, 1))
        assert torch.equal(ours, theirs)
        return ours

    whole = run(tmp_path / "whole")
    assert lines(tmp_path / "whole")[0]["processes"] == 2
    found = load(tmp_path / "whole" / "checkpoint.safetensors")
    assert found.step == 8
    assert not torch.equal(run(tmp_path / "parts", stop=5), whole)
    assert torch.equal(run(tmp_path / "parts"), whole)
    alone = tmp_path / "alone"
    train(CONFIG.override(model={"quantizer": "gumbel"}), noise, alone, ALONE)
    other = load(alone / "checkpoint.safetensors")
    assert any(not torch.equal(found.weights[name], tensor) for name, tensor in other.weights.items())
