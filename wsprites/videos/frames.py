"""Folders of numbered pictures as videos, and reading the frames of any video one after the other: only one is in memory."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.file.videos import VIDEO_LABELS, LeftOut
from wsprites.pictures import SUFFIXES, read_picture
from wsprites.videos.decode import file_frames
from wsprites.videos.video import OTHER_SIZE, Video, name_of

FRAME_SUFFIXES = tuple(suffix for suffix in SUFFIXES if suffix != ".gif")
"""Endings of the names of pictures that are frames; a GIF is a video."""
LISTS = tuple(f"{label}.pkl" for label in VIDEO_LABELS)
"""Names of the files of labels in a folder of frames."""


class _Numbered(NamedTuple):
    number: int
    text: str
    path: Path


def numbered(path: Path) -> _Numbered | None:
    """The number in a picture's name, the last if there are several, and the text around it; None if it is no picture or has no number.

    A folder is no picture, and neither is a pipe, which would never end.
    """
    match = re.fullmatch(r"(.*?)([0-9]+)([^0-9]*)", path.stem, re.DOTALL)
    if path.suffix.lower() not in FRAME_SUFFIXES or not match or not path.is_file():
        return None
    return _Numbered(int(match[2]), f"{match[1]}*{match[3]}", path)


def frame_paths(folder: Path) -> list[_Numbered]:
    """The frames of a folder in the order of their numbers. Raises UserError if they are of several series, or a number occurs twice."""
    frames = sorted(frame for path in folder.iterdir() if not path.name.startswith(".") and (frame := numbered(path)))
    if not frames:
        raise UserError(f"{folder}: no frames in it (00000.png, 00001.png, ...)")
    series = sorted({frame.text for frame in frames})
    if len(series) > 1:
        raise UserError(f"{folder}: frames of {len(series)} series, {series[0]} and {series[1]}; make a folder for each")
    for before, after in pairwise(frames):
        if before.number == after.number:
            raise UserError(f"{folder}: {before.path.name} and {after.path.name} have the same number")
    return frames


def scan_folder(path: Path, name: str, progress: Callable[[int], object]) -> Video:
    """Read the numbered pictures of a folder to find out which can be used.

    Args:
        path: path of the folder.
        name: name of the video.
        progress: called with 1 for every picture.

    Raises:
        UserError: the pictures are of several series, a number occurs twice, or none can be read.
    """
    frames = frame_paths(path)
    gaps = _gaps(frames)
    left_out = [LeftOut(name, "gaps in the numbers of frames", detail=f"after {frames[i - 1].path.name}") for i in sorted(gaps)]
    left_out += [
        LeftOut(f"{name}/{name_of(other, path)}", "entries of folders of frames that are neither frames nor lists of labels")
        for other in sorted(path.iterdir())
        if not numbered(other) and other.name not in LISTS and not other.name.startswith(".")
    ]
    # Read every picture, since only that shows whether it is damaged.
    size: tuple[int, int] | None = None
    numbers, breaks, missing = list[int](), list[bool](), False
    for number, frame in enumerate(frames):
        progress(1)
        picture = f"{name}/{name_of(frame.path, path)}"
        missing |= number in gaps
        try:
            of = read_picture(frame.path).shape[:2]
        except UserError as error:
            detail = str(error).removeprefix(f"{frame.path}: ")
            left_out.append(LeftOut(picture, "frames that cannot be read", 1, detail))
            missing = True
            continue
        size = size or of
        if of != size:
            left_out.append(LeftOut(picture, OTHER_SIZE, 1, f"{of[0]}x{of[1]}, not {size[0]}x{size[1]}"))
            missing = True
            continue
        numbers.append(number)
        breaks.append(missing)
        missing = False
    if size is None:
        raise UserError(f"{path}: none of its {len(frames)} frames can be read; {left_out[-1].name}: {left_out[-1].detail}")
    times = np.full(len(numbers), np.nan)
    return Video(path, name, len(frames), size, np.array(numbers), times, np.array(breaks), tuple(left_out))


def _gaps(frames: list[_Numbered]) -> set[int]:
    """Positions of the frames before which numbers are missing: where the step is not the most common one."""
    steps = [after.number - before.number for before, after in pairwise(frames)]
    usual = Counter(steps).most_common(1)[0][0] if steps else 1
    return {i + 1 for i, step in enumerate(steps) if step != usual}


def read_frames(video: Video) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """For each frame that can be used a function that decodes it, so that frames that are not used cost little.

    The function, to be called before the next one is taken, returns (H, W, 3) uint8 RGB. Raises UserError if the video has changed.
    """
    if not video.path.is_dir():
        yield from file_frames(video)
        return
    frames = frame_paths(video.path)
    for number in video.numbers:
        yield lambda path=frames[number].path: read_picture(path)  # type: ignore[misc]
