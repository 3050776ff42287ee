"""Modes and motions of the scene at the command line."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scene_only import TINY, scene_only

import wsprites.view.sheet
from glass_model.articulated.config import PRESETS
from glass_model.articulated.model import Articulated
from glass_model.training.checkpoint import save
from wsprites.cli import main


@pytest.fixture(scope="module")
def transfer(tmp_path_factory: pytest.TempPathFactory, short_file: Path) -> list[str]:
    """The command with a model that moves the scene alone, and a picture."""
    folder = tmp_path_factory.mktemp("articulated")
    torch.manual_seed(0)
    save(folder / "model.safetensors", PRESETS["tiny"], scene_only(Articulated(TINY)), 1, notes={})
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(folder / "a.png")
    return ["transfer", "--model", str(folder / "model.safetensors"), "--from", str(short_file), "--to", str(folder / "a.png")]


def test_the_scene_moves_by_command(transfer: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the step of the paper's world, 2 pixels, where the checkpoint does not know its world."""
    written: dict[str, np.ndarray] = {}
    with monkeypatch.context() as patch:
        patch.setattr(wsprites.view.sheet, "write_clips", lambda out, clips: written.update(clips))
        main([*transfer, "--background", "left*3", "--out", str(tmp_path / "b.png")])
    frames, shown = written["its actions"].astype(int), np.asarray(Image.open(transfer[-1])).astype(int)
    for t, shift in ((1, -2), (3, -6), (4, -6)):
        assert np.abs(frames[t] - np.roll(shown, shift, 1))[4:-4, 10:-10].max() <= 6
    main([*transfer, "--mode", "relative", "--background", "rotate*2", "--out", str(tmp_path / "c.gif")])
    assert (tmp_path / "c.gif").stat().st_size


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--mode", "avd"], "--mode: the AVD network of this model was not trained"),
        (["--mode", "fast"], "--mode: 'fast' is not one of standard, relative, avd"),
        (["--background", "sideways"], "--background: 'sideways' is none of left, right"),
        (["--background", "left*9999"], "--background: 9999 steps, where the clip has"),
    ],
)
def test_transfers_that_cannot_be_done(
    transfer: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit) as ended:
        main([*transfer, *options, "--out", str(tmp_path / "b.gif")])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1 and message in error and not (tmp_path / "b.gif").exists()
