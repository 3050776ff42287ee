"""Sheets: every image at its place, headings that fit, and both formats by the name of the file."""

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wsprites.errors import ArgumentError
from wsprites.pictures import read_picture
from wsprites.view.picture import encode_gif, picture_format
from wsprites.view.sheet import PAPER, font, sheet, write_clips, write_sheet


@pytest.fixture
def frames() -> np.ndarray:
    """Ten frames of 40 random colours, (10, 20, 30, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (40, 3), np.uint8)[rng.integers(0, 40, (10, 20, 30))]


def test_rows_are_continued_below(frames: np.ndarray):
    got = sheet([frames, frames[::-1]], columns=4)
    assert got.shape == (8 + 3 * 2 * 28, 8 + 4 * 38, 3)
    for row, images in enumerate((frames, frames[::-1])):
        for number, image in enumerate(images):
            y, x = 8 + (number // 4 * 2 + row) * 28, 8 + number % 4 * 38
            assert np.array_equal(got[y : y + 20, x : x + 30], image)
    assert (got[8 + 4 * 28 :, 8 + 2 * 38 :] == PAPER).all()  # nothing where no image is left


def test_names_headings_and_head_take_place_of_their_own(frames: np.ndarray):
    plain, named = sheet([frames[:2]], scale=2), sheet([frames[:2]], scale=2, names=["a row"], headings=["0", "1"], head="all")
    left = int(np.ceil(font().getlength("a row"))) + 8
    assert named.shape == (plain.shape[0] + 40, plain.shape[1] + left, 3)
    assert np.array_equal(named[40 + 8 :, 8 + left :], plain[8:, 8:])
    assert (named[:20] != PAPER).any() and (named[28:48, 8 + left :] != PAPER).any() and (named[48:, :left] != PAPER).any()
    assert (plain[:8] == PAPER).all()


def test_a_wide_heading_widens_the_columns(frames: np.ndarray):
    width = int(np.ceil(font().getlength("spellcast_front*4")))
    assert sheet([frames[:2]], headings=["a", "spellcast_front*4"]).shape[1] == 8 + 2 * (width + 8)


def test_images_of_several_sizes(frames: np.ndarray):
    got = sheet([[frames[0], frames[1][:10, :12]]])
    assert got.shape == (8 + 28, 8 + 2 * 38, 3) and np.array_equal(got[8:18, 46:58], frames[1][:10, :12])


def test_the_name_decides_about_the_format(frames: np.ndarray, tmp_path: Path):
    write_clips(tmp_path / "a.GIF", {"": frames})
    write_clips(tmp_path / "a.png", {"": frames})
    write_clips(tmp_path / "two.gif", {"one": frames, "other": frames[::-1]})
    write_sheet(tmp_path / "sheet.png", [frames], names=["x"])
    with Image.open(tmp_path / "a.GIF") as image:
        image.seek(9)
        assert image.n_frames == 10 and np.array_equal(np.asarray(image.convert("RGB")), np.kron(frames[9], np.ones((2, 2, 1), np.uint8)))
    with Image.open(tmp_path / "two.gif") as image:
        image.seek(3)
        got = np.asarray(image.convert("RGB"))
        assert np.array_equal(got[28:68:2, 8:68:2], frames[3]) and np.array_equal(got[28:68:2, 76:136:2], frames[6])
    numbers = [str(t) for t in range(10)]
    assert np.array_equal(read_picture(tmp_path / "a.png"), sheet([frames], headings=numbers, columns=8))
    assert np.array_equal(read_picture(tmp_path / "sheet.png"), sheet([frames], names=["x"], scale=2, columns=5))  # two parts of five
    with pytest.raises(ArgumentError, match=r"^out: .*a.mp4: the name must end in"):
        write_clips(tmp_path / "a.mp4", {"": frames})
    assert picture_format(Path("x.PNG")) == "png"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.GIF", "a.png", "sheet.png", "two.gif"]


def test_a_gif_keeps_few_colours_among_many():
    """A figure of few colours in front of a scene of many: the figure stays, within a rounding of the largest distance."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:96, :128]
    frame = np.stack([x, y, (x + y) // 2], -1).astype(np.uint8) + rng.integers(0, 3, (96, 128, 3), np.uint8)
    figure = np.array([(250, 10, 10), (10, 250, 250), (255, 255, 0), (255, 0, 255)], np.uint8)
    frame[40:48, 40:48] = figure[rng.integers(0, 4, (8, 8))]
    with Image.open(io.BytesIO(encode_gif([frame]))) as image:
        got = np.asarray(image.convert("RGB")).astype(int)
    error = np.abs(got - frame.astype(int)).mean(-1)
    assert error[40:48, 40:48].max() <= 1 and error.mean() < 5
