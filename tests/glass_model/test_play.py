"""Playing: what action words mean, what the commands write, and any Playable."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch
from brightener import DOUBLES, Brightener
from PIL import Image, ImageSequence

from glass_model import play
from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.images import to_bytes
from glass_model.play import Step, parse_actions
from glass_model.systems import SYSTEMS, Action, Controls
from glass_model.training.checkpoint import load, save
from glass_model.training.data import DataRecord
from wsprites.cli import main
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import to_json
from wsprites.file import DataFile
from wsprites.world.spec import BackgroundSpec, WalkSpec, WorldSpec

CONFIG = PRESETS["tiny"].override(model={"mask_channels": 2, "local_channels": 2, "shift_channels": 2, "inpaint_channels": 2})


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("model") / "checkpoint.safetensors"
    save(path, CONFIG, GLASS(CONFIG.model), 3, notes={})
    return path


@pytest.fixture(scope="module")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("picture") / "frame.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (96, 128, 3), dtype=np.uint8)).save(path)
    return path


def shown(path: Path) -> tuple[tuple[int, int], int]:
    """The size of a GIF, and for how many frames it plays; equal ones in a row are stored once."""
    with Image.open(path) as image:
        milliseconds = [frame.info["duration"] for frame in ImageSequence.Iterator(image)]
        return image.size, int(sum(milliseconds)) // 100


MOTION = Controls(codes=6, shift=True, background_shift=True)


def test_actions() -> None:
    still = (0.0, 0.0)
    assert parse_actions("right*2 code2 bg-left left+down+code1 stay", MOTION) == [
        Step((7.0, 0.0), 0, still),
        Step((7.0, 0.0), 0, still),
        Step(still, 2, still),
        Step(still, 2, (-2.0, 0.0)),  # a code holds until another is named
        Step((-7.0, 7.0), 1, still),
        Step(still, 1, still),
    ]
    assert parse_actions("up+bg-down*2", MOTION, stride=1, scene_stride=3) == [Step((0.0, -1.0), 0, (0.0, 3.0))] * 2


def test_only_what_a_model_takes_is_set() -> None:
    assert parse_actions("up", Controls(shift=True)) == [Step((0.0, -7.0), None, None)]
    assert parse_actions("code1*2", Controls(codes=2, vectors=3)) == [Step(None, 1, None)] * 2
    assert parse_actions("bg-up", DOUBLES["scene"]) == [Step(None, None, (0.0, -2.0))]
    columns = [parse_actions(text, DOUBLES["scene"]) for text in play.every_action(DOUBLES["scene"], times=1)]
    assert [column[0].background_shift for column in columns] == [(-2.0, 0.0), (2.0, 0.0), (0.0, -2.0), (0.0, 2.0)]
    assert play.every_action(DOUBLES["codes"], times=2) == ["code0*2", "code1*2", "code2*2"]


@pytest.mark.parametrize(
    ("text", "controls", "message"),
    [
        ("", MOTION, "there are none; the words are left, right, up, down, stay, bg-left, ..., code0 to code5, such as 'left*8'"),
        (" ", DOUBLES["codes"], "there are none; the words are code0 to code2, such as 'code0*8'"),
        ("rigth", MOTION, "'rigth' is none of left, right, up, down, stay, bg-left, ..., code0 to code5"),
        ("code6", MOTION, "'code6': this model has codes 0 to 5"),
        ("code1+code2", MOTION, "'code1+code2' names 2 codes for one step"),
        ("left*0", MOTION, r"after \* comes a number from 1 to"),
        ("left*many", MOTION, r"after \* comes a number"),
        ("left*9999 left*9999", MOTION, "more than 10000 steps"),
        ("bg-code1", MOTION, "is none of"),
        ("left*99999999999999999999", MOTION, r"after \* comes a number"),
        ("left*0000000019999999999999999999", MOTION, r"after \* comes a number"),
        (f"left*{'0' * 5000}", MOTION, r"after \* comes a number"),
        ("right", DOUBLES["codes"], "'right' is none of code0 to code2, which this model takes"),
        ("stay", DOUBLES["codes"], "'stay' is none of code0 to code2, which this model takes"),
        ("code1", Controls(shift=True), "'code1' is none of left, right, up, down, stay, which this model takes"),
        ("code0+bg-left", Controls(codes=1, shift=True), "'bg-left' is none of left, right, up, down, stay, code0, which"),
        ("left", DOUBLES["scene"], "'left' is none of bg-left, ..., which"),
    ],
)
def test_wrong_actions(text: str, controls: Controls, message: str) -> None:
    with pytest.raises(ArgumentError, match=f"^actions: .*{message if text[:5] == 'left*' else re.escape(message)}"):
        parse_actions(text, controls)


@pytest.mark.parametrize("name", ["vectors", "masks"])
def test_a_model_whose_actions_have_no_words(name: str) -> None:
    """Steps cannot say what it needs either, and a transfer can."""
    model, clip = Brightener(DOUBLES[name]), np.full((2, 4, 4, 3), 101, np.uint8)
    with pytest.raises(UserError, match=r"^this model takes .*, which no word of an action stands for; it can be"):
        parse_actions("left", model.controls)
    with pytest.raises(ArgumentError, match=r"action: this model takes .*, and no shift$"):
        play.animate(model, list(clip), [Step(shift=(7.0, 0.0))])
    assert (play.transfer(model, clip, clip[0]) == [[[[101]]], [[[101 + 20 * (name == "masks")]]]]).all()


def test_animate(checkpoint: Path, picture: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gif, png = tmp_path / "play.gif", tmp_path / "play.png"
    main(["animate", "--model", str(checkpoint), "--image", str(picture), "--actions", "right*3 code2*2", "--out", str(gif)])
    assert capsys.readouterr().out == f"{gif}: 6 frames\n"
    assert shown(gif) == ((256, 192), 6)
    main(["animate", "--model", str(checkpoint), "--image", str(picture), "--actions", "stay", "--out", str(png)])
    with Image.open(png) as image, Image.open(picture) as first:
        assert image.size == (8 + 2 * 136, 8 + 20 + 104)
        assert np.array_equal(np.asarray(image)[28:124, 8:136], np.asarray(first))


def test_a_trained_model_with_a_window_is_played(picture: Path, short_file: Path, tmp_path: Path) -> None:
    """`small`, which looks at a window around the figure, by name: an animation, and a transfer to the clip's own first frame."""
    gif, transfer = tmp_path / "play.gif", tmp_path / "transfer.gif"
    main(["animate", "--model", "small", "--image", str(picture), "--actions", "right*3 code2*2", "--out", str(gif)])
    assert shown(gif) == ((256, 192), 6)
    main(["transfer", "--model", "small", "--from", str(short_file), "--clip", "2", "--to", f"{short_file}:2:0", "--out", str(transfer)])
    assert shown(transfer) == ((8 + 2 * 264, 8 + 20 + 200), 8)
    with Image.open(transfer) as image:
        seconds = [np.asarray(frame.convert("RGB"))[28:220, 8:].astype(int) for frame in ImageSequence.Iterator(image)]
    true, drawn = ([frame[:, left : left + 256] for frame in seconds] for left in (0, 264))
    assert np.abs(drawn[0] - true[0]).max() < 40  # begins with the frame, up to the palette
    moved = [np.abs(frames[-1] - frames[0]).mean() for frames in (true, drawn)]
    assert 0.5 < moved[1] / moved[0] < 2


def test_grid(checkpoint: Path, picture: Path, tmp_path: Path) -> None:
    """Two rows; the picture, four directions and six codes in each: six cells side by side, and five below, enlarged twice."""
    out = tmp_path / "grid.png"
    main(["animate", "--model", str(checkpoint), "--image", str(picture), "--image", str(picture), "--grid", "--out", str(out)])
    with Image.open(out) as image:
        sheet, first = np.asarray(image), np.asarray(Image.open(picture))
    left = sheet.shape[1] - 6 * 264  # the names of the rows
    assert 40 < left < 120 and sheet.shape[0] == 8 + 2 * (20 + 2 * 200)
    for top in (28, 28 + 420):
        assert np.array_equal(sheet[top : top + 192, left:], sheet[top + 200 : top + 392, left:])
        assert (sheet[top - 20 : top, left : left + 5 * 264] > 100).any()  # the headings
    assert np.array_equal(sheet[28:220:2, left : left + 256 : 2], first)
    assert (sheet[448:640, left + 4 * 264 : left + 4 * 264 + 256] != sheet[0, 0]).any() and (sheet[448:640, -260:] == sheet[0, 0]).all()


def test_transfer(checkpoint: Path, picture: Path, short_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "transfer.gif"
    main(["transfer", "--model", str(checkpoint), "--from", str(short_file), "--clip", "2", "--to", str(picture), "--out", str(out)])
    assert shown(out) == ((8 + 2 * 264, 8 + 20 + 200), 8)
    with Image.open(out) as image, DataFile(short_file) as data:
        split, row = data.find(2)
        source = data[split]["frames"][row, 0].astype(int)
        error = np.abs(np.asarray(image.convert("RGB"))[28:220:2, 8:264:2].astype(int) - source).mean()
    assert error < 20  # of a palette of 253 colours, before a scene of noise


def test_a_clip_transferred_to_its_own_first_frame_is_played(checkpoint: Path, short_file: Path) -> None:
    """transfer is infer, start and step."""
    model = load(checkpoint).model()
    with DataFile(short_file) as data:
        clip = data["train"]["frames"][0, :4]
    frames = torch.from_numpy(clip).permute(0, 3, 1, 2)[None]
    reading, state = model.infer(frames), model.start(frames[:, 0])
    expected = [clip[0]]
    for t in range(3):
        assert reading.codes is not None and reading.shift is not None and reading.background_shift is not None
        shown, state = model.step(state, Action(reading.codes[:, t], None, reading.shift[:, t], reading.background_shift[:, t]))
        expected.append(to_bytes(shown)[0].permute(1, 2, 0).numpy())
    assert np.array_equal(play.transfer(model, clip, clip[0]), np.stack(expected))


def test_transfer_of_vectors_alone() -> None:
    """A clip that becomes brighter by 10 and darker by 30 makes a picture do the same."""
    clip = np.stack([np.full((6, 8, 3), value, np.uint8) for value in (100, 110, 80)])
    picture = np.random.default_rng(0).integers(50, 200, (12, 10, 3), dtype=np.uint8)
    assert np.array_equal(play.transfer(Brightener(DOUBLES["vectors"]), clip, picture), np.stack([picture, picture + 10, picture - 20]))


def test_transfer_of_all_that_is_taken() -> None:
    """A code and the vector beside it: brighter by 20 as a code, and by 20 as a vector."""
    clip = np.stack([np.full((6, 8, 3), value, np.uint8) for value in (100, 120)])
    assert (play.transfer(Brightener(DOUBLES["codes and vectors"]), clip, clip[0])[1] == 140).all()


@pytest.mark.parametrize(
    ("clip", "picture", "message"),
    [
        (np.zeros((2, 4, 4, 3)), np.zeros((4, 4, 3), np.uint8), r"clip_thwc: float64 of shape \(4, 4, 3\); expected pictures of uint8"),
        (np.zeros((1, 4, 4, 3), np.uint8), np.zeros((4, 4, 3), np.uint8), "frames: .* at least two frames"),
        (np.zeros((2, 3, 4, 4), np.uint8), np.zeros((4, 4, 3), np.uint8), r"clip_thwc: uint8 of shape \(3, 4, 4\)"),
        (np.zeros((2, 4, 4, 3), np.uint8), np.zeros((4, 4, 4), np.uint8), r"picture: uint8 of shape \(4, 4, 4\)"),
    ],
)
def test_clips_and_pictures_of_another_kind(clip: np.ndarray, picture: np.ndarray, message: str) -> None:
    with pytest.raises(ArgumentError, match=message):
        play.transfer(Brightener(DOUBLES["vectors"]), clip, picture)


def test_pictures_of_several_sizes() -> None:
    pictures = [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)]
    with pytest.raises(ArgumentError, match=r"pictures: their shapes are \[\(4, 4, 3\), \(4, 5, 3\)\]; expected one shape"):
        play.animate(Brightener(DOUBLES["codes"]), pictures, [Step(code=1)])


@pytest.mark.parametrize("arguments", [["--grid"], ["--actions", "left"]])
def test_the_command_for_a_model_whose_actions_have_no_words(
    picture: Path, tmp_path: Path, arguments: list[str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import two_optimizers

    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    save(tmp_path / "two.ckpt", two_optimizers.Config(), two_optimizers.Network(), 1, notes={})
    with pytest.raises(SystemExit) as exit_:
        main(["animate", "--model", str(tmp_path / "two.ckpt"), "--image", str(picture), *arguments, "--out", str(tmp_path / "x.gif")])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and error == (
        "wsprites: this model takes vectors of size 1, which no word of an action stands for; it can be played by transfer\n"
    )


def test_strides_are_those_of_the_world_that_was_learned(
    checkpoint: Path, picture: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taken from the checkpoint's record, where it has one."""
    seen: list[list[Step]] = []
    real = play.animate
    monkeypatch.setattr(play, "animate", lambda model, pictures, steps: seen.append(list(steps)) or real(model, pictures, steps))
    saved, other = load(checkpoint), tmp_path / "other.safetensors"
    spec = WorldSpec(sprite=WalkSpec(step=3), background=BackgroundSpec(step=5))
    notes = {"data": to_json(DataRecord("stream", spec.to_json()))}
    save(other, saved.config, saved.network(), 3, notes=notes)
    for path in (checkpoint, other):
        arguments = ["--image", str(picture), "--actions", "right+bg-up", "--out", str(tmp_path / "x.png")]
        main(["animate", "--model", str(path), *arguments])
    assert seen == [[Step((7.0, 0.0), 0, (0.0, -2.0))], [Step((3.0, 0.0), 0, (0.0, -5.0))]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--image", "no.png", "--actions", "left"], "no.png: No such file"),
        (["--image", "{model}", "--actions", "left"], "not an image that can be read"),
        (["--image", "{picture}"], "give either --actions or --grid"),
        (["--image", "{picture}", "--actions", "fly"], "actions: 'fly' is none of"),
        (["--image", "{picture}", "--actions", "left", "--out", "play.mp4"], "play.mp4: the name must end in .gif (animated) or .png"),
    ],
)
def test_bad_input_is_one_line(
    checkpoint: Path, picture: Path, tmp_path: Path, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    given = [text.format(model=checkpoint, picture=picture) for text in arguments]
    with pytest.raises(SystemExit) as exit_:
        main(["animate", "--model", str(checkpoint), "--out", str(tmp_path / "x.gif"), *given])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and message in error and error.count("\n") == 1
