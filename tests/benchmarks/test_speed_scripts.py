"""The scripts and suites of benchmarks/speed start, and end with the right exit code. They are not installed: pytest finds them by path."""

import runpy
import sys

import pytest
import torch
from samples import ROOT

from glass_model.glass.config import PRESETS, Config
from glass_model.glass.schedule import phase
from glass_model.training.device import Process

SPEED = ROOT / "benchmarks" / "speed"
SCRIPTS = sorted(path.name for path in SPEED.glob("*.py") if "__main__" in path.read_text(encoding="utf-8"))
NARROW = {"height": 16, "width": 24, "mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}


def test_what_is_there() -> None:
    assert SCRIPTS == ["device.py", "glass.py", "playground.py", "table.py"]
    for path in SPEED.glob("test_*.py"):
        assert any(name.startswith("test_") for name in runpy.run_path(str(path)))


@pytest.mark.parametrize(("arguments", "code"), [(["--help"], 0), (["many"], 2)])
@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_start(
    name: str, arguments: list[str], code: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, *arguments])
    with pytest.raises(SystemExit) as exit_:
        runpy.run_path(str(SPEED / name), run_name="__main__")
    assert exit_.value.code == code
    printed = capsys.readouterr()
    assert f"benchmarks/speed/{name}" in printed.out if code == 0 else "usage:" in printed.err


@pytest.mark.parametrize(("wrong", "code"), [([], None), (["tiny, 4: the first loss is 1, not 2"], "tiny, 4: the first loss is 1, not 2")])
def test_glass_fails_only_if_a_loss_is_wrong(wrong: list[str], code: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    script = runpy.run_path(str(SPEED / "glass.py"))
    monkeypatch.setitem(script["main"].__globals__, "compare", lambda *_: wrong)
    monkeypatch.setattr(sys, "argv", ["glass.py", "--preset", "tiny", "--batch", "4", "--device", "cpu"])
    with pytest.raises(SystemExit) as exit_:
        script["main"]()
    assert exit_.value.code == code


def test_glass_compares_losses(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """A row for each way of computing, and a line for each loss that is too far from that of eager float32. bfloat16 is slow on CPUs."""
    script = runpy.run_path(str(SPEED / "glass.py"))
    ways = {name: speed for name, speed in script["ways"](False).items() if not speed.bfloat16}
    monkeypatch.setitem(script["main"].__globals__, "ways", lambda _: ways)
    monkeypatch.setitem(script["main"].__globals__, "LENGTH", 3)
    for name in ("seconds", "matrix_rate", "count"):  # which take half a minute
        monkeypatch.setitem(script["main"].__globals__, name, lambda *_: 1.0)
    config, alone = PRESETS["tiny"].override(model=NARROW), Process(0, 1, torch.device("cpu"))
    assert script["compare"](config, 2, alone, 1) == []
    assert capsys.readouterr().out.count("| tiny, 2 |") == 2
    monkeypatch.setitem(script["TOLERANCE"], "optimised float32", -1.0)
    (line,) = script["compare"](config, 2, alone, 1)
    assert line.startswith("tiny, 2, optimised float32: the first loss is ")


@pytest.mark.parametrize("settings", [[], ["model.figure=0", "model.global_scale=1", "model.local_scale=1"]])
def test_glass_times_a_preset_with_and_without_its_window(settings: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """`small` sees every second frame, and its GMA keeps its weights after 2,000 steps: neither stands in the way."""
    script = runpy.run_path(str(SPEED / "glass.py"))
    timed: list[Config] = []
    monkeypatch.setitem(script["main"].__globals__, "compare", lambda config, *_: timed.append(config) or [])
    changes = ["--set", *settings] if settings else []
    monkeypatch.setattr(sys, "argv", ["glass.py", "--preset", "small", "--batch", "4", "--device", "cpu", *changes])
    with pytest.raises(SystemExit) as exit_:
        script["main"]()
    assert exit_.value.code is None and timed[0].model.figure == (0 if settings else 64)
    first = phase(script["at_once"](timed[0]).train, 0)
    assert not first.alone and not first.frozen and (first.length, first.skip) == (12, 1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--set", "model.figur=64"], "--set: there is no field model.figur"),
        (["--device", "gpu"], "--device: gpu: "),
        (["--steps", "0"], "--steps needs 1 or more"),
        (["--batch", "4", "1"], "--batch 2 or more"),
    ],
)
def test_glass_refuses_what_cannot_be(
    more: list[str], words: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Before anything is timed, which takes minutes."""
    script = runpy.run_path(str(SPEED / "glass.py"))
    monkeypatch.setitem(script["main"].__globals__, "compare", lambda *_: [])
    monkeypatch.setattr(sys, "argv", ["glass.py", "--preset", "tiny", *more])
    with pytest.raises(SystemExit) as exit_:
        script["main"]()
    assert exit_.value.code == 2 and words in capsys.readouterr().err.splitlines()[-1]
