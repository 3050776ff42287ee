"""Single frames: the pixels of the file, as a PNG and by name."""

from pathlib import Path

import h5py
import hdf5plugin  # noqa: F401 registers the codec
import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites.errors import ArgumentError, UserError
from wsprites.view.frame import image_file, read_image, write_frame


def stored(path: Path, clip: int, t: int) -> np.ndarray:
    """The frame as HDF5 has it."""
    with h5py.File(path) as h5:
        for split in ("train", "val", "test"):
            for row in np.flatnonzero(h5[split]["index"][()] == clip):
                return h5[split]["frames"][row, t]
    raise AssertionError(clip)


@pytest.mark.parametrize(("clip", "t"), [(0, 0), (7, 39), (23, 5)])
def test_a_frame_is_that_of_the_file(data_file: Path, labels_file: Path, tmp_path: Path, clip: int, t: int):
    expected = stored(data_file, clip, t)
    for path in (data_file, labels_file):  # the second holds labels alone
        with wsprites.open(path) as data:
            write_frame(data, clip, t, tmp_path / "frame.png")
        with Image.open(tmp_path / "frame.png") as image:
            assert image.mode == "RGB" and np.array_equal(np.asarray(image), expected)
        assert np.array_equal(read_image(Path(f"{path}:{clip}:{t}")), expected)
    assert np.array_equal(read_image(tmp_path / "frame.png"), expected)


def test_a_file_comes_before_a_name_of_a_frame(data_file: Path, tmp_path: Path):
    odd = tmp_path / "a:1:2"
    Image.new("RGB", (3, 2), (1, 2, 3)).save(odd, "PNG")
    assert image_file(odd) == odd and read_image(odd).tolist() == [[[1, 2, 3]] * 3] * 2


def test_frames_that_do_not_exist(data_file: Path, tmp_path: Path):
    for t in (40, -1):
        with wsprites.open(data_file) as data, pytest.raises(ArgumentError, match=f"t: {t} is outside the range 0 to 39, the frames of"):
            write_frame(data, 0, t, tmp_path / "a.png")
    with pytest.raises(UserError, match="there is no clip 24"):
        read_image(Path(f"{data_file}:24:0"))
    with pytest.raises(UserError, match="128 x 96 pixels, more than 100"):
        read_image(Path(f"{data_file}:0:0"), max_pixels=100)
    with pytest.raises(UserError, match=r":0:99: 99 is outside the range 0 to") as error:  # no argument is named t
        read_image(Path(f"{data_file}:0:99"))
    assert not isinstance(error.value, ArgumentError)
    with wsprites.open(data_file) as data, pytest.raises(ArgumentError, match=r"out: .*a.gif: the name must end in .png"):
        write_frame(data, 0, 0, tmp_path / "a.gif")
    assert list(tmp_path.iterdir()) == []
