"""Boxes of people in videos: from a CSV file, or found by OpenCV's HOG detector.

A CSV file has a line of column names, then, for every frame of each video that it names, one line a person, or one with empty cells:

video                      path of the video below the imported folder, with "/" between folders
frame                      number of the frame, from 0, among those of the video that can be decoded, or among the pictures of a folder;
                           all of them in order, each as often as there are people in it
left, top, right, bottom   edges of the box in pixels of the frame as it is shown, 0 <= left < right <= width; all empty: there is nobody
"""

import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.csv_file import CsvFile, Line
from wsprites.errors import ArgumentError, nearest
from wsprites.videos.video import Video

Boxes = NDArray[np.float64]
"""(P, 4) left, top, right, bottom of the P people in a frame, in pixels."""
EDGES = ("left", "top", "right", "bottom")
NOBODY: Boxes = np.zeros((0, 4))
_ARGUMENT = "chunks"
_COLUMNS = ("video", "frame", *EDGES)
_WINDOW = 128
"""Height in pixels of the detector's window; people in it are three quarters as high and half as wide (Dalal and Triggs, 2005)."""


def open_boxes(path: Path) -> CsvFile:
    """Open a CSV file of boxes. Raises ArgumentError if it cannot be read, lacks a column or has another one."""
    file = CsvFile(_ARGUMENT, path, expected="a CSV file of boxes, or 'hog'")
    if sorted(file.columns) != sorted(_COLUMNS):
        shown = ", ".join(file.columns)
        raise ArgumentError(_ARGUMENT, f"{path}: the columns are {shown[:120] or 'missing'}; expected {', '.join(_COLUMNS)}, each once")
    return file


def read_boxes(file: CsvFile, videos: Sequence[Video], *, left_out: Collection[str] = ()) -> dict[Video, list[Boxes]]:
    """Read boxes.

    Args:
        file: what `open_boxes` returned.
        videos: the videos that it may name.
        left_out: names of videos that cannot be used: their lines are passed over.

    Returns:
        For each video that the file names, the boxes in each frame that can be decoded (`Video.numbers`).

    Raises:
        ArgumentError: a line that is not CSV, names a video that is not there, has frames out of order, not all of a video, or more than it
            has, or a box that is not inside of its frame.
    """
    # Cells have no spaces around them, while names of files may.
    by_name = {video.name.strip(): video for video in videos} | {video.name: video for video in videos}
    read = dict[Video, list[list[list[float]]]]()
    for line in file:
        name = line.cells["video"]
        if name in left_out:
            continue
        if name not in by_name:
            hint = nearest(name, by_name) or f"; there are {', '.join(list(by_name)[:3])}{', ...' if len(by_name) > 3 else ''}"
            raise line.error(f": there is no video {name!r:.80} in the folder{hint}")
        video = by_name[name]
        frames = read.setdefault(video, [])
        number = line.whole("frame", video.source_frames)
        if number not in (len(frames) - 1, len(frames)):
            expected = f"{len(frames) - 1} or {len(frames)}" if frames else "0"
            hint = "every frame needs a line, in order, with empty cells where nobody is"
            raise line.error(f": frame is {number}; expected {expected} as the next of {name}; {hint}")
        box = _box(line, video.size)
        if number == len(frames):
            frames.append([])
        elif not (box and frames[-1]):
            raise line.error(f": frame {number} is there already; a line without a box is the only one of its frame")
        frames[-1] += [box] if box else []
    for video, frames in read.items():
        if len(frames) < video.source_frames:
            problem = f"{file.path}: it ends after {len(frames):,} frames of {video.name}, which has {video.source_frames:,}"
            raise ArgumentError(_ARGUMENT, f"{problem}; expected a line for each, made from the same file without skipping frames")
    return {video: [np.array(boxes or NOBODY, np.float64) for boxes in frames] for video, frames in read.items()}


def _box(line: Line, size: tuple[int, int]) -> list[float]:
    """The four edges of a line, or nothing. Raises ArgumentError for a box that is not inside of a frame of `size`."""
    texts = [line.cells[name] for name in EDGES]
    if not any(texts):
        return []
    try:
        box = [float(text) for text in texts]
    except ValueError:
        box = []
    shown = ", ".join(text[:12] or "nothing" for text in texts)
    if not (box and all(map(math.isfinite, box))):
        raise line.error(f": left, top, right, bottom are {shown}; expected four numbers, or four empty cells where nobody is")
    left, top, right, bottom = box
    if not (left < right and top < bottom and (right - left) * (bottom - top) > 0):  # a product of tiny sides is 0
        raise line.error(f": left, top, right, bottom are {shown}; expected left < right and top < bottom")
    if min(left, top) < 0 or right > size[1] or bottom > size[0]:
        raise line.error(f": the box {shown} is not inside of the frame of {size[0]}x{size[1]} (height x width); cut it off at the edges")
    return box


def hog_detector(min_height: int) -> Callable[[NDArray[np.uint8]], Boxes]:
    """OpenCV's HOG detector of people who stand upright and are seen as a whole (Dalal and Triggs, 2005), with its own weights.

    Frames are scaled down so that people of `min_height` are a third higher than the smallest that it finds. Its windows have a margin of
    an eighth of their height and a quarter of their width on each side, which boxes do not.

    Args:
        min_height: of the people to be found, in pixels.

    Returns:
        A function from a frame, (H, W, 3) uint8 RGB, to boxes, cut off at its edges.

    Raises:
        UserError: OpenCV was built without the detector.
    """
    if not hasattr(cv2, "HOGDescriptor"):
        raise ArgumentError(
            _ARGUMENT,
            f"OpenCV {cv2.__version__} was built without the HOG detector; install opencv-contrib-python-headless in place of "
            "opencv-python-headless, or name a CSV file of boxes",
        )
    hog = cv2.HOGDescriptor()
    hog.setSVMDetector(hog.getDefaultPeopleDetector())
    scale = min(1.0, _WINDOW / min_height)

    def detect(frame_hwc: NDArray[np.uint8]) -> Boxes:
        height, width = frame_hwc.shape[:2]
        small = cv2.cvtColor(frame_hwc, cv2.COLOR_RGB2BGR)
        if scale < 1:
            small = cv2.resize(small, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        if small.shape[0] < _WINDOW or small.shape[1] < _WINDOW // 2:
            return NOBODY
        windows, _ = hog.detectMultiScale(small, winStride=(8, 8), padding=(16, 16), scale=1.05)
        x, y, w, h = np.array(sorted(map(tuple, windows)), np.float64).reshape(-1, 4).T / scale
        boxes = np.stack([x + w / 4, y + h / 8, x + 3 * w / 4, y + 7 * h / 8], 1).clip(0, [width, height, width, height])
        kept: Boxes = boxes[(boxes[:, 0] < boxes[:, 2]) & (boxes[:, 1] < boxes[:, 3])]
        return kept

    return detect
