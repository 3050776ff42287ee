"""`wsprites train`: options, resuming, other worlds, signals. Playing is in test_play.py."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from glass_model.training import loop
from glass_model.training.checkpoint import load
from wsprites.cli import main
from wsprites.world.spec import PRESETS as WORLDS

NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
TRAIN = [
    *("train", "--preset", "tiny", "--device", "cpu", "--batch", "2", "--set=train.alone=1"),
    *(f"--set=model.{name}={value}" for name, value in NARROW.items()),
]


def test_a_file(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "run"
    main([*TRAIN, "--out", str(out), "--data", str(data_file), "--steps", "2", "--validate-every", "0"])
    assert capsys.readouterr().out.splitlines() == [
        "system   glass, preset tiny",
        f"data     {data_file}",
        "terms    perceptual off: no weights of VGG19 (--vgg)",
        "device   cpu, 1 process",
        f"done     {out / 'checkpoint.safetensors'}: 2 steps",
    ]
    main([*TRAIN, "--out", str(out), "--data", str(data_file), "--steps", "3", "--resume"])
    assert load(out / "checkpoint.safetensors").step == 3


@pytest.mark.parametrize("source", ["file", "stream"])
def test_scores_of_val(source: str, request: pytest.FixtureRequest, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Printed as a line, shown in the bar, and logged; the clips of a file that are too few for 48 windows give several each."""
    data = ["--data", str(request.getfixturevalue("data_file"))] if source == "file" else ["--stream"]
    main([*TRAIN, "--out", str(tmp_path), *data, "--steps", "3", "--validate-every", "2"])
    shown = capsys.readouterr()
    printed = [line for line in shown.out.splitlines() if line.startswith(("scores", "val"))]
    assert re.fullmatch(r"scores   \d+ windows of 12 frames of val, every 2 steps", printed[0])
    line = (
        r"soft IoU 0\.\d{3}, shift error \d+\.\d\d px, scene \d+\.\d\d px, local AMI -?\d\.\d\d \(standing -?\d\.\d\d\), [1-6] of 6 codes"
    )
    assert [bool(re.fullmatch(f"val      step {step}: {line}", text)) for step, text in zip((2, 3), printed[1:], strict=True)] == [True] * 2
    logged = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [sorted(name for name in line if name.startswith("val_")) for line in logged[1:]] == [
        [f"val_{name}" for name in ("background_shift_error", "codes_used", "local_ami", "mask_iou", "shift_error", "standing_ami")]
    ] * 2
    assert f"soft IoU {logged[-1]['val_mask_iou']:.3f}" in printed[-1]


def test_imported_videos(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Without labels they are trained on, and motion is transferred from them."""
    rng = np.random.default_rng(0)
    for number in range(4):
        (tmp_path / "videos" / str(number)).mkdir(parents=True)
        Image.fromarray(rng.integers(0, 256, (96, 128, 3), np.uint8)).save(tmp_path / "videos" / str(number) / "0.png")
        for t in range(1, 6):
            shutil.copy(tmp_path / "videos" / str(number) / "0.png", tmp_path / "videos" / str(number) / f"{t}.png")
    main(["import", str(tmp_path / "videos"), "--frames", "6", "--out", str(tmp_path / "v.h5")])
    main([*TRAIN, "--out", str(tmp_path / "run"), "--data", str(tmp_path / "v.h5"), "--steps", "1"])
    checkpoint, picture, out = (tmp_path / name for name in ("run/checkpoint.safetensors", "videos/0/0.png", "a.png"))
    main(["transfer", "--model", str(checkpoint), "--from", str(tmp_path / "v.h5"), "--clip", "3", "--to", str(picture), "--out", str(out)])
    printed = capsys.readouterr().out
    assert "a.png: 6 frames" in printed and "val  " not in printed and "scores" not in printed
    with Image.open(out) as image:
        assert image.width > 6 * 128 and image.height > 2 * 96  # the source above what was made


def test_resuming_with_other_data(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A file, then a world: refused by name, and the run stays as it was."""
    out = tmp_path / "run"
    main([*TRAIN, "--out", str(out), "--data", str(data_file), "--steps", "1"])
    with pytest.raises(SystemExit) as exit_:
        main([*TRAIN, "--out", str(out), "--stream", "--steps", "2", "--resume"])
    assert exit_.value.code == 2 and "begun with other data: source is stream, not file" in capsys.readouterr().err
    assert load(out / "checkpoint.safetensors").step == 1


def test_a_world_of_the_users(sheets: Path, backgrounds: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A TOML file with own sheets and backgrounds."""
    world = tmp_path / "village.toml"
    world.write_text('preset = "factorial"\nsprite.step = 5\n')
    art = ["--sheets", str(sheets), "--backgrounds", str(backgrounds)]
    main([*TRAIN, "--out", str(tmp_path / "run"), "--stream", "--world", str(world), *art, "--steps", "1"])
    assert "data     world village, rendered" in capsys.readouterr().out
    record = load(tmp_path / "run" / "checkpoint.safetensors").data
    assert record is not None and record.spec is not None
    assert (record.spec.local, record.spec.sprite.step, record.spec.cast.backgrounds) == (WORLDS["factorial"].local, 5, 3)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--stream", "--preset", "tinny"], "tinny is not one of paper, released, tiny"),
        (["--stream", "--system", "brass"], "'brass' is not one of glass"),
        ([], "give either --data FILE or --stream"),
        (["--stream", "--data", "x.h5"], "give either --data FILE or --stream"),
        (["--data", "x.h5", "--world", "paper"], "--world goes with --stream"),
        (["--data", "x.h5", "--sheets", "own"], "--sheets goes with --stream"),
        (["--data", "x.h5", "--backgrounds", "photos"], "--backgrounds goes with --stream"),
        (["--data", "x.h5", "--skip-incomplete"], "--skip-incomplete goes with --stream"),
        (["--data", "no.h5"], "no.h5: no such file"),
        (["--stream", "--world", "no.toml"], "'no.toml' is neither a preset"),
        (["--stream", "--vgg", "no.pth"], "no.pth: no such file"),
        (["--stream", "--set", "model.code=4"], "there is no field model.code; the nearest is model.codes"),
        (["--stream", "--device", "abacus"], "abacus"),
        (["--stream", "--validate-every", "-1"], "-1 is not in the range x>=0"),
    ],
)
def test_bad_input_is_one_line(arguments: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["train", "--preset", "tiny", "--out", str(tmp_path / "run"), *arguments])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and message in error and error.count("\n") == 1
    assert not (tmp_path / "run").exists()


def stopping(monkeypatch: pytest.MonkeyPatch, number: int) -> None:
    """The third step of a run sends this signal to its own process."""
    take = loop.train_step

    def step(system: object, frames: object, at: int, *arguments: object) -> object:
        result = take(system, frames, at, *arguments)  # type: ignore[arg-type]
        if at == 2:
            os.kill(os.getpid(), number)
        return result

    monkeypatch.setattr(loop, "train_step", step)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_run_with_a_checkpoint(
    data_file: Path, tmp_path: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """In its third step, a run of a million is told to end."""
    stopping(monkeypatch, number)
    out, before = tmp_path / "run", signal.signal(number, signal.default_int_handler)  # test runners may ignore signals
    try:
        with pytest.raises(SystemExit) as exit_:
            main([*TRAIN, "--out", str(out), "--data", str(data_file), "--steps", "1000000"])
        assert signal.getsignal(number) is signal.default_int_handler  # as it was
    finally:
        signal.signal(number, before)
    assert exit_.value.code == 1
    assert f"wsprites: interrupted; {out / 'checkpoint.safetensors'} holds step 3;" in capsys.readouterr().err
    assert load(out / "checkpoint.safetensors").step == 3


PROGRAM = """
import os, signal, sys
from glass_model.training import loop
from wsprites import cli
signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
take = loop.train_step
def step(system, frames, number, *arguments):
    take(system, frames, number, *arguments)
    if number == 2:
        os.kill(os.getpid(), int(sys.argv[1]))
loop.train_step = step
cli.main(sys.argv[2:])
"""


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_a_process_with_a_checkpoint(data_file: Path, tmp_path: Path, number: signal.Signals) -> None:
    """The same in a process of its own, whose handlers are those that Python begins with."""
    out, script = tmp_path / "run", tmp_path / "killed.py"
    script.write_text(PROGRAM)
    command = [sys.executable, str(script), str(int(number)), *TRAIN, "--out", str(out), "--data", str(data_file), "--steps", "1000000"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=600, env=os.environ | {"OMP_NUM_THREADS": "1"})
    assert ended.returncode == 1
    assert f"wsprites: interrupted; {out / 'checkpoint.safetensors'} holds step 3;" in ended.stderr
    assert load(out / "checkpoint.safetensors").step == 3


def test_a_guided_model_is_trained_and_played(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Masks, places, twins and labels of a file, at the command line; what is learned from is named; nothing else is special about it."""
    train = ["train", "--system", "lam", "--preset", "tiny", "--device", "cpu", "--batch", "2", "--steps", "2", "--data", str(data_file)]
    sets = ["model.figure=32", "model.idm_hidden=4", "loss.target=foreground", "train.augment=twin", "train.labels=0.5", "train.labelled=1"]
    main([*train, *(f"--set={text}" for text in sets), "--out", str(tmp_path / "run"), "--validate-every", "0"])
    assert "learns   from frames and twin, twin_masks, centre, index, local_action" in capsys.readouterr().out.splitlines()
    model, picture = str(tmp_path / "run" / "checkpoint.safetensors"), tmp_path / "a.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(picture)
    main(["animate", "--model", model, "--image", str(picture), "--actions", "right+code2*3", "--out", str(tmp_path / "b.gif")])
    main(["transfer", "--model", model, "--from", str(data_file), "--to", str(picture), "--out", str(tmp_path / "c.png")])
    assert (tmp_path / "b.gif").stat().st_size and (tmp_path / "c.png").stat().st_size
