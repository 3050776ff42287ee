"""Other sizes of frames and masks, by the mean of areas, in integers: the same bytes on any machine. Axis suffixes: n images, h, w, c.

A new pixel is the mean of the part of the image that it covers, pixels at its edges by the share of theirs that is inside, rounded half up.
With 1/h of a row as the unit, row j of H lies from j h to (j + 1) h, and the new row i of h from i H to (i + 1) H, so that all weights are
whole numbers, and the new pixel is a sum of weights times bytes, over H W. `render.batch.resized` does the same on a device.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.fields import show, whole
from wsprites.jit import jit
from wsprites.render.render import Clip

_Taps = tuple[NDArray[np.int64], NDArray[np.int64]]
MOST = 8192
"""Largest height and width of resized frames, pixels."""


def check_size(size: Sequence[int] | None) -> tuple[int, int] | None:
    """The size (height, width) that an argument `resize` names, 1 to MOST pixels each; None for None. Raises ArgumentError for another."""
    if size is None:
        return None
    if isinstance(size, str) or not isinstance(size, Sequence) or len(size) != 2:
        raise ArgumentError("resize", f"{show(size)} is not a pair of numbers (height, width)")
    height, width = (whole("resize", side, 1, MOST) for side in size)
    return height, width


def pixel_scale(old: tuple[int, int], new: tuple[int, int] | None) -> tuple[float, float]:
    """The factors of x and y from pixels of frames of the old size to those of the new one, both (height, width); 1 for None.

    Example:
        >>> pixel_scale((96, 128), (64, 64))
        (0.5, 0.6666666666666666)
    """
    height, width = new or old
    return width / old[1], height / old[0]


def resize(clip: Clip, size: tuple[int, int], *, out: Clip | None = None) -> Clip:
    """The frames and masks of a clip, or of many, at another size.

    Args:
        clip: (..., H, W, 3) uint8 frames and (..., H, W) bool masks.
        size: the new height and width in pixels, smaller or larger; the two may be scaled by different factors.
        out: memory of the new size to be written to and returned, C-contiguous.

    Returns:
        (..., h, w, 3) uint8 frames, means of areas, and (..., h, w) bool masks: True where the mask covers half of a pixel or more.

    Example:
        >>> frames = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(1, 2, 3, 3)
        >>> small = resize(Clip(frames, frames[..., 0] > 5), (1, 1))
        >>> small.frames_thwc.tolist(), small.masks_thw.tolist()
        ([[[[8, 9, 10]]]], [[[True]]])
    """
    shape = (*clip.masks_thw.shape[:-2], *size)
    clip_of_size = out or Clip(np.empty((*shape, 3), np.uint8), np.empty(shape, bool))
    resize_frames(clip.frames_thwc, size, out=clip_of_size.frames_thwc)
    resize_masks(clip.masks_thw, size, out=clip_of_size.masks_thw)
    return clip_of_size


def resize_frames(frames_nhwc: NDArray[np.uint8], size: tuple[int, int], *, out: NDArray[np.uint8] | None = None) -> NDArray[np.uint8]:
    """Frames at another size, see `resize`.

    Args:
        frames_nhwc: (..., H, W, 3) uint8.
        size: the new height and width, pixels.
        out: C-contiguous memory for the result.

    Returns:
        (..., h, w, 3) uint8.
    """
    shape, old = (*frames_nhwc.shape[:-3], *size, frames_nhwc.shape[-1]), frames_nhwc.shape[-3:-1]
    result: NDArray[np.uint8] = np.empty(shape, np.uint8) if out is None else out
    images = np.ascontiguousarray(frames_nhwc).reshape(-1, *old, shape[-1])
    _means(images, result.reshape(-1, *shape[-3:]), taps(old[0], size[0]), taps(old[1], size[1]))
    return result


def resize_masks(masks_nhw: NDArray[np.bool_], size: tuple[int, int], *, out: NDArray[np.bool_] | None = None) -> NDArray[np.bool_]:
    """Masks at another size, see `resize`.

    Args:
        masks_nhw: (..., H, W) bool.
        size: the new height and width, pixels.
        out: C-contiguous memory for the result.

    Returns:
        (..., h, w) bool.
    """
    result = np.empty((*masks_nhw.shape[:-2], *size), bool) if out is None else out
    resize_frames(masks_nhw.view(np.uint8)[..., None], size, out=result.view(np.uint8)[..., None])  # a mean of 1/2 is rounded to 1
    return result


def taps(old: int, new: int) -> _Taps:
    """Which of `old` pixels in a row each of `new` pixels covers, and how much of them in units of 1/new of a pixel.

    Returns:
        (new, K) indices and weights, int64; weights of a pixel have the sum `old`, and those that are not needed are 0.

    Example:
        >>> taps(3, 2)
        (array([[0, 1],
               [1, 2]]), array([[2, 1],
               [1, 2]]))
    """
    begin_k = np.arange(new)[:, None] * old
    first, last = begin_k // new, (begin_k + old - 1) // new
    index = first + np.arange((last - first).max() + 1)
    weight = np.minimum((index + 1) * new, begin_k + old) - np.maximum(index * new, begin_k)
    return np.minimum(index, old - 1), np.maximum(weight, 0)


@jit
def _means(images_nhwc: NDArray[np.uint8], out_nhwc: NDArray[np.uint8], row_taps: _Taps, column_taps: _Taps) -> None:
    """Write the means of areas of images, (N, H, W, C), to (N, h, w, C)."""
    count, height, width, channels = images_nhwc.shape
    images, out = images_nhwc.reshape(count, height, width * channels), out_nhwc.reshape(count, len(row_taps[0]), -1)
    (rows, row_weights), (columns, column_weights) = row_taps, column_taps
    total = np.int64(height) * np.int64(width)
    share = 1 / total
    line, many, bytes_of_row = np.empty(width * channels, np.int32), np.uintp(channels), np.uintp(width * channels)
    for n in range(count):
        for i in range(len(rows)):
            # A row of sums over rows ...
            line[:] = 0
            for tap in range(rows.shape[1]):
                row, weight = images[n, rows[i, tap]], np.int32(row_weights[i, tap])
                for x in range(bytes_of_row):
                    line[x] += weight * np.int32(row[x])
            # ... and of these the sums over columns.
            target = out[n, i]
            for k in range(np.uintp(len(columns))):
                for c in range(many):
                    mean = np.int64(0)
                    for tap_k in range(np.uintp(columns.shape[1])):
                        mean += column_weights[k, tap_k] * np.int64(line[np.uintp(columns[k, tap_k]) * many + c])
                    # (2 mean + total) // (2 total), without a slow division
                    byte = np.int64((mean + 0.5 * total) * share)
                    rest = 2 * mean + total - 2 * total * byte
                    target[k * many + c] = byte - 1 if rest < 0 else byte + 1 if rest >= 2 * total else byte
