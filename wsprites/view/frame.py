"""Single frames of data files: written as a PNG, or named in place of an image file, as FILE:CLIP:T."""

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import wsprites
from wsprites.errors import ArgumentError, UserError
from wsprites.file import DataFile, VideoFile
from wsprites.generate import check_ending, check_output, replace_file
from wsprites.pictures import MAX_PIXELS, read_picture
from wsprites.view.picture import encode_png


def frame(data: DataFile | VideoFile, clip: int, t: int) -> NDArray[np.uint8]:
    """A frame of an open file: (H, W, 3) uint8 RGB.

    Args:
        data: the open file.
        clip: index of the clip in the whole data set, the label `index`.
        t: number of the frame in the clip, from 0.

    Raises:
        ArgumentError: the clip has no such frame.
        UserError: there is no such clip.
    """
    split, row = data.find(clip)
    frames = data[split]["frames"]
    last = frames.shape[1] - 1
    if not 0 <= t <= last:
        raise ArgumentError("t", f"{t} is outside the range 0 to {last}, the frames of a clip of {data.path}")
    return np.asarray(frames[row, t], np.uint8)


def write_frame(data: DataFile | VideoFile, clip: int, t: int, out: Path) -> None:
    """Write a frame as a PNG, without marks and at its own size. Raises as `frame` does, and UserError if `out` cannot be written."""
    check_ending("out", out, ".png")
    check_output(out, overwrite=True, inputs=[data.path])
    replace_file(out, encode_png(frame(data, clip, t)))


def image_file(name: Path) -> Path:
    """The file that `read_image` reads: `name` itself, or FILE of FILE:CLIP:T.

    Example:
        >>> image_file(Path("data.h5:3:0")), image_file(Path("frame.png"))
        (PosixPath('data.h5'), PosixPath('frame.png'))
    """
    place = _place(name)
    return place[0] if place else name


def read_image(name: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image file, or a frame of a data file.

    Args:
        name: path of an image, or FILE:CLIP:T: frame T of the clip with the index CLIP in a data file. A file that has this whole name
            comes first.
        max_pixels: a larger image is refused before memory is taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UserError: there is no such file, clip or frame, or the file cannot be read.
    """
    place = _place(name)
    if place is None:
        return read_picture(name, max_pixels=max_pixels)
    path, clip, t = place
    with wsprites.open(path) as data:
        height, width = data["train"]["frames"].shape[2:4]
        if height * width > max_pixels:
            raise UserError(f"{path}: {width} x {height} pixels, more than {max_pixels:,}")
        try:
            return frame(data, clip, t)
        except ArgumentError as error:  # it is a part of `name`, not an argument
            raise UserError(f"{name}: {error.problem}") from None


def _place(name: Path) -> tuple[Path, int, int] | None:
    """FILE, CLIP and T of FILE:CLIP:T; None for any other name, and for the name of a file."""
    found = re.fullmatch(r"(.+):(\d{1,12}):(\d{1,12})", str(name))
    return (Path(found[1]), int(found[2]), int(found[3])) if found and not name.exists() else None
