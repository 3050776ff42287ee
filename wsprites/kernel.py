"""Compositing and rendering in compiled code, for those who have numba: the same bytes in a fraction of the time, outside Python's lock.

Arrays are flat, and indices unsigned: numba would look for negative ones at every pixel, and could not copy many at once.
"""

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from wsprites.art.characters import Layers, Strip

_compile = numba.njit(cache=True, nogil=True)
_8, _255 = np.uint32(8), np.uint32(255)
_ALPHA, _HALF = np.uint32(24), np.uint32(7)  # shifts of a word to its alpha, and of alpha to whether it is 128 or more
_1, _2, _3 = np.uintp(1), np.uintp(2), np.uintp(3)


@_compile
def _over(source: Any, below: Any) -> Any:
    """`characters.over` of two words."""
    alpha = source >> _ALPHA
    weight_s, weight_b = _255 * alpha, (below >> _ALPHA) * (_255 - alpha)
    total = weight_s + weight_b
    word = (2 * total + 255) // 510 << _ALPHA
    for byte in range(3):
        shift = _8 * np.uint32(byte)
        colour = weight_s * (source >> shift & _255) + weight_b * (below >> shift & _255)
        word |= (2 * colour + total) // max(2 * total, 1) << shift
    return np.uint32(word)


@_compile
def _composite(cell: int, first: Any, stop: Any, sheets: NDArray[np.int64], layers: Layers, strip: Strip) -> None:
    """Put the sheets of a character on one another in a cell, from `first` to `stop` in the strip."""
    rgba, rgb, opaque, solid = strip.rgba, strip.rgb, strip.opaque, strip.solid
    for i in range(first, stop):
        rgba[i] = 0
    for sheet in sheets:
        for i in range(np.uintp(layers.first[sheet, cell]), np.uintp(layers.first[sheet, cell + 1])):
            place, word = np.uintp(layers.place[i]), layers.rgba[i]
            rgba[place] = word if word >> _ALPHA == 255 else _over(word, rgba[place])
    soft = False
    for i in range(first, stop):
        word = rgba[i]
        alpha = word >> _ALPHA
        full = np.uint8(255 if alpha == 255 else 0)
        solid[i] = alpha >> _HALF
        soft |= 0 < alpha < 255
        rgb[_3 * i], rgb[_3 * i + _1], rgb[_3 * i + _2] = word & _255, word >> _8 & _255, word >> (_8 + _8) & _255
        opaque[_3 * i], opaque[_3 * i + _1], opaque[_3 * i + _2] = full, full, full
    strip.ready[cell] = 2 if soft else 1


@_compile
def _paste(frames: Any, masks: Any, at: Any, width: Any, box: Any, first: Any, strip: Strip, soft: bool) -> None:
    """Put a cell of (height, width) `box`, in the strip from `first` on, on a frame, its corner on pixel `at` of all frames."""
    for _ in range(box[0]):
        for i in range(_3 * box[1]):
            full, target = strip.opaque[_3 * first + i], _3 * at + i
            frames[target] = (strip.rgb[_3 * first + i] & full) | (frames[target] & ~full)
        for i in range(box[1]):
            masks[at + i] = strip.solid[first + i]
        if soft:
            for i in range(_3 * box[1]):
                alpha, target = np.int64(strip.rgba[first + i // _3] >> _ALPHA), _3 * at + i
                if 0 < alpha < 255:
                    frames[target] = (2 * (alpha * strip.rgb[_3 * first + i] + (255 - alpha) * frames[target]) + 255) // 510
        first, at = first + box[1], at + width


@_compile
def draw(
    frames: NDArray[np.uint8],
    masks: NDArray[np.uint8],
    size: tuple[int, int],
    image: NDArray[np.uint8],
    image_size: tuple[int, int],
    offset_t2: NDArray[np.int16],
    position_t2: NDArray[np.int16],
    cell_t: NDArray[np.int64],
    boxes: NDArray[np.int64],
    starts: NDArray[np.int64],
    sheets: NDArray[np.int64],
    layers: Layers,
    strip: Strip,
) -> bool:
    """Draw frames of `size`, (height, width), and masks: the crops of an image, and on them cells of a character, none for -1.

    Args:
        boxes, starts: of `Characters`.
        sheets, strip: of the `Figure`; the cells that are not composited yet will be.

    Returns:
        False if something lies outside of something else; then drawing stopped there.
    """
    height, width, image_width = np.uintp(size[0]), np.uintp(size[1]), np.uintp(image_size[1])
    for t in range(len(cell_t)):
        u, v, cell = offset_t2[t, 0], offset_t2[t, 1], cell_t[t]
        if u < 0 or v < 0 or v + size[0] > image_size[0] or u + size[1] > image_size[1] or cell >= len(boxes):
            return False
        begin = np.uintp(t) * height * width
        source, target = _3 * (np.uintp(v) * image_width + np.uintp(u)), _3 * begin
        for _ in range(height):
            for i in range(_3 * width):
                frames[target + i] = image[source + i]
            source, target = source + _3 * image_width, target + _3 * width
        for i in range(height * width):
            masks[begin + i] = 0
        if cell < 0:
            continue
        y, x = position_t2[t, 1] + boxes[cell, 0], position_t2[t, 0] + boxes[cell, 1]
        if y < 0 or x < 0 or y + boxes[cell, 2] > size[0] or x + boxes[cell, 3] > size[1]:
            return False
        first = np.uintp(starts[cell])
        if strip.ready[cell] == 0:
            _composite(cell, first, np.uintp(starts[cell + 1]), sheets, layers, strip)
        at, box = begin + np.uintp(y) * width + np.uintp(x), (np.uintp(boxes[cell, 2]), np.uintp(boxes[cell, 3]))
        _paste(frames, masks, at, width, box, first, strip, strip.ready[cell] == 2)
    return True
