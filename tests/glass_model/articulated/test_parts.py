"""Segmentation and part swap of a model, and the command."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scene_only import TINY, picture

from glass_model.articulated import parts
from glass_model.articulated.config import PRESETS
from glass_model.articulated.model import Articulated
from glass_model.articulated.networks import Regions
from glass_model.articulated.parts import THRESHOLD, segment, swap
from glass_model.training.checkpoint import save
from wsprites.cli import main
from wsprites.errors import ArgumentError


@pytest.fixture
def model() -> Articulated:
    torch.manual_seed(0)
    return Articulated(TINY).eval()


def test_a_part_is_the_region_with_the_largest_heatmap(model: Articulated, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where their sum is as large as the paper's threshold, which is scaled with the number of positions."""
    assert pytest.approx(0.001) == THRESHOLD / (58 * 58)
    least = 0.001 * 58 * 58 / (18 * 26)
    heatmap = torch.zeros(1, 2, 5, 18, 26)
    heatmap[0, 0, 2, :, :13], heatmap[0, 0, 4, :, :13] = 0.7 * least, 0.4 * least
    heatmap[0, 0, 0, :, 13:] = 0.9 * least
    monkeypatch.setattr(model, "find", lambda frames: Regions(*[torch.zeros(1, 2)] * 3, heatmap))
    found = segment(model, torch.zeros(1, 2, 3, 24, 32))
    assert found.shape == (1, 2, 24, 32) and found.dtype == torch.int64
    expected = torch.zeros(24, 32, dtype=torch.int64)
    expected[3:21, 3:16] = 3  # the edges that the heatmaps lack are background
    assert torch.equal(found[0, 0], expected) and not found[0, 1].any()


def only_part(model: Articulated, part: int) -> Articulated:
    """All pixels move with one region, and are believed."""
    with torch.no_grad():
        for layer, value in ((model.flow.weights, [50.0 * (k == part) for k in range(TINY.regions + 1)]), (model.flow.confidence, [50.0])):
            assert layer.bias is not None
            layer.weight.zero_()
            layer.bias.copy_(torch.tensor(value))
    return model


def test_a_swap_takes_the_pixels_of_its_parts(model: Articulated) -> None:
    """All from the donor where every pixel moves with a part that is swapped, none where none does."""
    frames, video = picture(), torch.stack([picture()[1]] * 2)[None]
    only_part(model, 2)
    torch.testing.assert_close(swap(model, frames[1:], video, [2])[0, 0], frames[1] / 127.5 - 1, rtol=0, atol=1e-2)
    torch.testing.assert_close(swap(model, frames[:1], video, [1, 3])[0, 1], frames[1] / 127.5 - 1, rtol=0, atol=1e-3)
    swapped = swap(model, frames[:1], video, [2, 3])
    assert swapped.shape == (1, 2, 3, 48, 64) and (swapped[0, 0] - (frames[1] / 127.5 - 1)).abs().mean() > 0.1
    for numbers in ([], [0], [6]):
        with pytest.raises(ArgumentError, match=r"^parts: .*: this model has parts 1 to 5"):
            swap(model, frames[:1], video, numbers)


def test_long_videos_are_swapped_in_parts(model: Articulated, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = picture()
    video = torch.stack([frames[1], frames[0], frames[1]])[None]
    whole = swap(model, frames[:1], video, [1])
    monkeypatch.setattr(parts, "AT_ONCE", 2)
    torch.testing.assert_close(swap(model, frames[:1], video, [1]), whole)


@pytest.fixture
def checkpoint(tmp_path: Path, model: Articulated) -> Path:
    save(tmp_path / "model.safetensors", PRESETS["tiny"], model, 1, notes={})
    return tmp_path / "model.safetensors"


def test_the_command(checkpoint: Path, short_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Parts above the truth of the file, their scores, and a swap."""
    base = ["parts", "--model", str(checkpoint), "--from", str(short_file)]
    main([*base, "--out", str(tmp_path / "parts.png"), "--clips", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("mIoU     0.") and "over 2 clips: body 0." in lines[0] and lines[1].endswith("frames of clip 0")
    shown = np.asarray(Image.open(tmp_path / "parts.png"))
    assert shown.shape[0] > 3 * 96  # clip, parts and layers below each other
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (48, 64, 3), dtype=np.uint8)).save(tmp_path / "a.png")
    main([*base, "--swap", "1,3", "--with", str(tmp_path / "a.png"), "--out", str(tmp_path / "swap.gif")])
    assert (tmp_path / "swap.gif").stat().st_size


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--swap", "1"], "--swap and --with go together"),
        (["--swap", "one", "--with", "a.png"], "--swap: 'one' is no list of parts, such as 1,3"),
        (["--swap", "7", "--with", "a.png"], "7: this model has parts 1 to 5"),
        (["--clips", "999"], "--clips: there are "),
    ],
)
def test_commands_that_cannot_be_done(
    checkpoint: Path, short_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], options: list[str], message: str
) -> None:
    Image.new("RGB", (64, 48)).save(tmp_path / "a.png")
    options = [str(tmp_path / option) if option == "a.png" else option for option in options]
    with pytest.raises(SystemExit) as ended:
        main(["parts", "--model", str(checkpoint), "--from", str(short_file), "--out", str(tmp_path / "b.png"), *options])
    error = capsys.readouterr().err
    assert ended.value.code == 2 and error.count("\n") == 1 and message in error and not (tmp_path / "b.png").exists()
