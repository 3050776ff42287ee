"""Reading the frames of a video one after the other: only one is in memory."""

import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wsprites.errors import UserError

_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
_MOST_PIXELS = 2**26


@dataclass(frozen=True)
class Video:
    """A video to be imported."""

    path: Path
    """Path of a folder of frames, a GIF or a video file."""
    name: str
    """Path below the imported folder."""
    frames: int
    """Number of frames, before any are skipped."""
    size: tuple[int, int]
    """(height, width) in pixels."""


class Capture:
    """A video file, opened by FFmpeg. Raises UserError if it cannot be read."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # errors are reported once, by wsprites
        set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel  # before and since OpenCV 4.13
        level = set_level(0)
        self.video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        set_level(level)
        self.size = (int(self.video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self.video.get(cv2.CAP_PROP_FRAME_WIDTH)))
        if not self.video.isOpened():
            self.close()
            raise UserError(f"{path}: not a video that can be read; convert it, or remove it")
        check_size(path, self.size)

    def close(self) -> None:
        """Close the file."""
        self.video.release()


def frame_paths(folder: Path) -> list[Path]:
    """The frames of a folder in order. Raises UserError if there are none, or numbers are missing or occur twice."""
    paths = {path for path in folder.iterdir() if path.suffix.lower() in _IMAGES and path.stem.isascii() and path.stem.isdecimal()}
    if not paths:
        raise UserError(f"{folder}: no frames in it (00000.png, 00001.png, ...); remove it or add them")
    ordered = sorted(paths, key=lambda path: (int(path.stem), path.name))
    for before, after in pairwise(ordered):
        gap = int(after.stem) - int(before.stem)
        if gap != 1:
            missing = f"frames are missing between {before.name} and {after.name}"
            problem = missing if gap else f"{before.name} and {after.name} have the same number"
            raise UserError(f"{folder}: {problem}; a video must have every frame once")
    return ordered


def opened_image(path: Path) -> Image.Image:
    """An image file, opened but not decoded. Raises UserError if it cannot be read."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # check_size has its own limit
            return Image.open(path)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not an image that can be read ({error})") from None


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) of an image file. Raises UserError if it cannot be read or is too large."""
    with opened_image(path) as image:
        return check_size(path, (image.height, image.width))


def check_size(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    """`size`, (height, width), if frames of this size are supported; else a UserError."""
    if not 0 < size[0] * size[1] <= _MOST_PIXELS:
        raise UserError(f"{path}: frames of {size[0]}x{size[1]} are not supported, only those of 1 to {_MOST_PIXELS:,} pixels")
    return size


def read_frames(video: Video) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """For each frame a function that decodes it, so that frames that are skipped cost little.

    The function, to be called before the next one is taken, returns (H, W, 3) uint8 RGB; transparent pixels are put on white. Both raise
    UserError if a frame cannot be read.
    """
    if video.path.is_dir():
        for path in frame_paths(video.path):
            yield lambda path=path: _image(path)  # type: ignore[misc]
    elif video.path.suffix.lower() == ".gif":
        with opened_image(video.path) as image:
            for number in range(video.frames):
                try:
                    image.seek(number)
                except (OSError, EOFError, SyntaxError, ValueError) as error:
                    raise UserError(f"{video.path}: frame {number} cannot be read ({error})") from None
                yield lambda: _rgb(image, video.path)
    else:
        with closing(Capture(video.path)) as capture:
            for number in range(video.frames):
                if not capture.video.grab():
                    raise UserError(f"{video.path}: frame {number} cannot be read")
                yield lambda number=number: _retrieved(capture, video, number)  # type: ignore[misc]


def _image(path: Path) -> NDArray[np.uint8]:
    image_size(path)
    with opened_image(path) as image:
        return _rgb(image, path)


def _rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.mode.startswith("I") or image.mode == "F":
        raise UserError(f"{path}: more than 8 bits a channel; save it with 8")
    try:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            flat = Image.new("RGBA", image.size, "white")
            flat.alpha_composite(image.convert("RGBA"))
            return np.asarray(flat.convert("RGB"))
        return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _retrieved(capture: Capture, video: Video, number: int) -> NDArray[np.uint8]:
    success, frame = capture.video.retrieve()
    if not success:
        raise UserError(f"{video.path}: frame {number} cannot be read")
    return np.ascontiguousarray(frame[..., ::-1])
