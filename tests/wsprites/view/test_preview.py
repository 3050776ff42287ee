"""Previews: the right size, the right frames, the marks at the right places."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites.errors import UserError
from wsprites.view.preview import _LOCAL, _SCENE, _SPRITE, direction_of, preview
from wsprites.view.sheet import INK, PAPER
from wsprites.world.actions import GlobalAction


def test_a_gif_has_every_frame(short_file: Path, tmp_path: Path):
    with wsprites.open(short_file) as data:
        preview(data, 3, tmp_path / "clip.gif")
    with Image.open(tmp_path / "clip.gif") as image:
        assert image.n_frames == 8 and image.info["duration"] == 100 and image.info["loop"] == 0
        assert image.width == 3 * 128
        for frame in (0, 4, 7):  # marks keep their colours among the many of a scene
            image.seek(frame)
            colours = {colour for _, colour in image.convert("RGB").getcolors(2**20)}
            assert {_SPRITE, _LOCAL, _SCENE, INK, PAPER} <= colours


def test_a_contact_sheet_outlines_the_mask(data_file: Path, tmp_path: Path):
    with wsprites.open(data_file) as data:
        preview(data, 3, tmp_path / "clip.png")
        split, row = data.find(3)
        mask = data[split]["masks"][row, 0]
    picture = np.asarray(Image.open(tmp_path / "clip.png"))
    frame = picture[8 + 20 + 22 : 8 + 20 + 22 + 3 * 96, 8 : 8 + 3 * 128]
    inside = np.repeat(np.repeat(mask, 3, 0), 3, 1)
    ring = np.zeros_like(inside)
    for dy, dx in np.ndindex(3, 3):
        ring[1:-1, 1:-1] |= inside[dy : dy + 286, dx : dx + 382]
    outline = (frame == _SPRITE).all(-1)
    assert outline[ring & ~inside].mean() > 0.9  # arrows may cover some of it
    assert outline[~ring].mean() < 0.02


def test_words_say_where_the_scene_moves_on_the_screen(data_file: Path):
    """The opposite of the crop's step where an edge does not stop it."""
    opposite = {"left": "right", "right": "left", "up": "down", "down": "up", "stay": "stay"}
    with wsprites.open(data_file) as data:
        script = data["train"].script(0)
    words = [direction_of(shift) for shift in script.background_shift]
    steps = [opposite[GlobalAction(action).name] for action in script.background_action]
    moves = script.background_shift.any(-1).tolist()
    assert sum(moves) > 2
    assert words == [step if moved else "stay" for step, moved in zip(steps, moves, strict=True)]


def test_labels_alone_can_be_previewed(labels_file: Path, data_file: Path, tmp_path: Path):
    for path, out in ((labels_file, "a.png"), (data_file, "b.png")):
        with wsprites.open(path) as data:
            preview(data, 9, tmp_path / out)
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_bad_previews_are_refused(data_file: Path, tmp_path: Path):
    with wsprites.open(data_file) as data:
        with pytest.raises(UserError, match=r"out: .*clip.mp4: the name must end in .gif \(animated\) or .png"):
            preview(data, 0, tmp_path / "clip.mp4")
        with pytest.raises(UserError, match="there is no clip 24; the file has clips 0 to 23"):
            preview(data, 24, tmp_path / "clip.gif")
        with pytest.raises(UserError, match="there is no clip -1"):
            preview(data, -1, tmp_path / "clip.gif")
    assert list(tmp_path.iterdir()) == []
