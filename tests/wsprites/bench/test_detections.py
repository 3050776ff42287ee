"""Detections from a CSV file, and the platform of Breakout."""

from pathlib import Path

import numpy as np
import pytest

from wsprites.bench.detections import platform, read
from wsprites.errors import ArgumentError

LINES = ["clip,frame,x,y", "0,0,1.5,2", "0,1,,", "1,0,-3,4e1", "1,1,0,0"]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "d.csv"


def test_what_is_read(file: Path):
    file.write_text("\n".join(LINES), encoding="utf-8")
    found = read(file, 2, 2)
    np.testing.assert_array_equal(found.true, [[[1.5, 2], [np.nan, np.nan]], [[-3, 40], [0, 0]]])
    assert found.generated is None


def test_columns_and_lines_are_in_any_order(file: Path):
    lines = [" generated_x, x,frame ,clip", "7,,1,0", "", '"8","3.25",0,0', ""]
    file.write_bytes("\r\n".join(lines).encode("utf-8-sig"))
    found = read(file, 1, 2)
    np.testing.assert_array_equal(found.true, [[[3.25], [np.nan]]])
    np.testing.assert_array_equal(found.generated, [[[8], [7]]])


def test_positions_in_space(file: Path):
    """The state of BAIR's robot arm."""
    file.write_text("clip,frame,x,y,z\n0,0,.1,.2,.3\n0,1,-1,.2,-1\n", encoding="utf-8")
    np.testing.assert_array_equal(read(file, 1, 2).true, [[[0.1, 0.2, 0.3], [-1, 0.2, -1]]])


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (0, "clip,frame,y", "the columns are clip, frame, y; expected clip, frame, x"),
        (0, "clip,frame,x,x", "the columns are clip, frame, x, x; expected"),
        (0, "clip,frame,x,z", "the columns are"),
        (0, "clip,frame,x,y,generated_x", "the columns are"),
        (0, "video,frame,x,y", "the columns are video"),
        (0, "", "the columns are clip"),  # csv skips no line: the first one is empty
        (1, "0,0,1.5", "line 2 has 3 cells, not 4"),
        (1, "0,0,1.5,", "line 2: y is empty, and x is not; expected a number"),
        (1, "0,0,,2", "line 2: x is empty, and y is not"),
        (1, "0,0,one,2", "line 2: x is 'one'; expected a number"),
        (1, "0,0,nan,2", "line 2: x is 'nan'"),
        (1, "0,0,inf,2", "line 2: x is 'inf'"),
        (1, "0,0,1e7,2", "line 2: x is '1e7'; expected a number from -1e.06 to 1e.06"),
        (1, "0,0,-1,-1.0", "line 2: x and y = -1, CADDY's mark"),
        (2, "0,2,,", "line 3: frame is '2'; expected a whole number from 0 to 1"),
        (2, "0,1.0,,", "line 3: frame is '1.0'"),
        (2, "0,-1,,", "line 3: frame is '-1'"),
        (2, "0,²,,", "line 3: frame is '²'"),
        (3, "2,0,1,1", "line 4: clip is '2'; expected a whole number from 0 to 1"),
        (3, f"{'9' * 5000},0,1,1", "line 4: clip is '9{20}';"),
        (3, "0,0,1,1", "line 4: frame 0 of clip 0 is there already"),
        (3, "", "frame 0 of clip 1 is missing, as the first of 1;"),
        (3, '1,"0,1,1', "is not CSV"),
    ],
)
def test_what_is_refused(file: Path, line: int, text: str, words: str):
    lines = [text if number == line else each for number, each in enumerate(LINES)]
    file.write_text("\n".join(lines) if line or text else "", encoding="utf-8")
    if not (line or text):
        words = "the columns are missing"
    with pytest.raises(ArgumentError, match=words) as error:
        read(file, 2, 2)
    assert error.value.argument == "detections" and str(file) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.bad_input
def test_files_that_are_refused(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(ArgumentError, match=r"d.csv: no such file; expected a CSV file, or 'breakout'"):
        read(file, 2, 2)
    with pytest.raises(ArgumentError, match="not a file"):
        read(tmp_path, 2, 2)
    file.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ArgumentError, match="not text in UTF-8"):
        read(file, 2, 2)
    monkeypatch.setattr("wsprites.csv_file._MOST_BYTES", 3)
    with pytest.raises(ArgumentError, match="larger than"):
        read(file, 2, 2)


def row(*runs: tuple[int, int, tuple[int, int, int]], height: int = 208) -> np.ndarray:
    """(1, H, 160, 3) black, with runs of a colour (left, right, RGB) in the row that is looked at, and a platform above it."""
    frame = np.zeros((1, height, 160, 3), np.uint8)
    frame[0, height * 188 // 208 - 1, 20:60] = (200, 72, 72)
    for left, right, colour in runs:
        frame[0, height * 188 // 208, left:right] = colour
    return frame


def test_the_platform():
    red = (200, 72, 72)
    assert platform(row((30, 42, red))).tolist() == [[30]] and np.isnan(platform(row((30, 41, red)))).all()  # more than 11 px
    assert platform(row((5, 16, red), (30, 46, red), (80, 100, red))).tolist() == [[30]]  # the first one that is long enough
    assert platform(row((148, 160, red))).tolist() == [[148]] and platform(row((0, 12, red))).tolist() == [[0]]  # at the edges
    assert platform(row((30, 46, red), height=104)).tolist() == [[30]]
    assert np.isnan(platform(np.concatenate([row((30, 46, red)), row()]))).tolist() == [[False], [True]]


def test_the_platform_is_found_by_red_alone():
    """As CADDY's finder does: 61.75 to 238.25 of red, whatever green and blue are, so that a grey wall that it touches is part of it."""
    assert [np.isnan(platform(row((30, 46, (value, 255, 0))))).item() for value in (61, 62, 238, 239)] == [True, False, False, True]
    assert platform(row((0, 8, (142, 142, 142)), (8, 24, (200, 72, 72)))).tolist() == [[0]]
