"""Pictures and videos of strangers as frames of the world's size. Nothing that a browser says becomes a path."""

import tempfile
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.pictures import decode_picture
from wsprites.videos.decode import decoded_frames

MAX_PIXELS = 2**23
"""Pixels of the largest picture and of the largest frame of a video."""
MAX_FRAMES = 128
"""Frames of a video that are read; later ones are left out, and a line says so."""


class Upload(NamedTuple):
    """What was uploaded, as models get it."""

    frames_thwc: NDArray[np.uint8]
    note: str
    """What was done to it, in words; empty if nothing."""


def read_upload_picture(content: bytes, name: str, size: tuple[int, int]) -> Upload:
    """A picture, (1, H, W, 3) uint8, cropped to the shape of the world's frames and scaled to (height, width). Raises UserError."""
    picture_hwc = decode_picture(content, name, max_pixels=MAX_PIXELS)
    return Upload(fitted(picture_hwc, size)[None], _note(picture_hwc, size))


def read_upload_video(content: bytes, name: str, size: tuple[int, int]) -> Upload:
    """The first frames of a video, (T, H, W, 3) uint8, T >= 2, cropped and scaled as a picture is. Raises UserError."""
    with tempfile.TemporaryDirectory(prefix="wsprites-") as folder:  # FFmpeg looks at a file from several places
        path = Path(folder) / "video"
        path.write_bytes(content)
        try:
            frames, note, more = [], "", False
            for number, frame_hwc in enumerate(islice(decoded_frames(path, max_pixels=MAX_PIXELS), MAX_FRAMES + 1)):
                more = number == MAX_FRAMES
                if not more:
                    note = note or _note(frame_hwc, size)
                    frames.append(fitted(frame_hwc, size))
        except UserError as error:
            raise UserError(str(error).replace(str(path), name)) from None
    if len(frames) < 2:
        raise UserError(f"{name}: {len(frames)} frames that can be decoded; a video has two or more, of at most {MAX_PIXELS:,} pixels")
    cut = f"the first {MAX_FRAMES} frames" if more else ""
    return Upload(np.stack(frames), ", ".join(filter(None, (cut, note))))


def fitted(picture_hwc: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    """The middle of a picture in the shape of (height, width), scaled to it; a picture of this size is returned as it is.

    Example:
        >>> fitted(np.zeros((10, 40, 3), np.uint8), (5, 10)).shape
        (5, 10, 3)
    """
    (height, width), (h, w) = size, picture_hwc.shape[:2]
    if (h, w) == size:
        return picture_hwc
    scale = min(h / height, w / width)
    rows, columns = max(round(height * scale), 1), max(round(width * scale), 1)
    y, x = (h - rows) // 2, (w - columns) // 2
    part = np.ascontiguousarray(picture_hwc[y : y + rows, x : x + columns])
    smooth = cv2.INTER_AREA if scale >= 1 else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(part, (width, height), interpolation=smooth), np.uint8)


def _note(picture_hwc: NDArray[np.uint8], size: tuple[int, int]) -> str:
    (height, width), (h, w) = size, picture_hwc.shape[:2]
    if (h, w) == size:
        return ""
    cropped = "" if h * width == w * height else "cropped and "
    return f"{w} x {h} {cropped}scaled to {width} x {height}"
