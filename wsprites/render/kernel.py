"""Rendering in compiled code: crops of backgrounds, and sheets drawn straight onto them, the lowest first.

Few pixels are covered twice, so that compositing a character before drawing it would take longer. Arrays are flat and indices unsigned:
numba would check signed ones for negative values at every pixel.

Soft pixels, those with an alpha of 1 to 254, wait where nothing opaque lies below them: pixels of other sheets have to be composited on
them, with one rounding, before the result is blended with the background. Meanwhile the mask says what a pixel of the sprite is.
"""

from typing import Any

import numpy as np
from numba.core import types
from numba.core.cgutils import raw_memcpy
from numba.extending import intrinsic
from numpy.typing import NDArray

from wsprites.jit import jit
from wsprites.world.spec import CELL

_intrinsic: Any = intrinsic  # its types are too narrow
_1, _3 = np.uintp(1), np.uintp(3)
_8, _255 = np.uint32(8), np.uint32(255)
_ALPHA = np.uint32(24)  # shift of a word to its alpha
_ROW, _COLUMN = np.uintp(CELL.bit_length() - 1), np.uintp(CELL - 1)  # shift and bits of a place in a cell, 64 y + x
_CLEAR, _OPAQUE, _SOFT = np.uint8(0), np.uint8(1), np.uint8(2)  # values of a mask while its frame is drawn


@_intrinsic
def _copy(typing: Any, to: Any, at: Any, source: Any, start: Any, size: Any) -> Any:
    """Copy `size` bytes from `start` in one flat array to `at` in another.

    In place of this, a loop over the bytes makes rendering about a fifth slower, because the arrays might overlap.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> None:
        arrays = [context.make_array(signature.args[n])(context, builder, args[n]) for n in (0, 2)]
        to, source = (builder.gep(array.data, [args[n]]) for array, n in zip(arrays, (1, 3), strict=True))
        raw_memcpy(builder, to, source, args[4], 1)

    return types.void(to, at, source, start, size), generate


@jit
def draw(
    frames_nhwc: NDArray[np.uint8],
    masks_nhw: NDArray[np.uint8],
    images: NDArray[np.uint8],
    offset_n2: NDArray[np.int16],
    position_n2: NDArray[np.int16],
    cell_n: NDArray[np.int64],
    scene_b: NDArray[np.int32],
    character_b: NDArray[np.int32],
    boxes: NDArray[np.int64],
    spans: tuple[NDArray[Any], ...],
    shadow: tuple[NDArray[np.uint32], ...],
) -> bool:
    """Draw N frames and masks of B clips: crops of the clips' images, and on them cells of their characters.

    Args:
        frames_nhwc: (N, H, W, 3) frames to be written; N / B of each clip, one clip after the other.
        masks_nhw: (N, H, W) masks to be written, 0 or 1.
        images: (I, H', W', 3) backgrounds.
        offset_n2: (N, 2) top-left corners of the crops, pixels.
        position_n2: (N, 2) top-left corners of the cells in the frames, pixels.
        cell_n: (N,) cells, -1 for none.
        scene_b: (B,) numbers of the backgrounds.
        character_b: (B,) character ids.
        boxes: `Characters.boxes`.
        spans: `Characters.spans` as a plain tuple.
        shadow: `shadow_pixels`, drawn below the sheets and in no mask.

    Returns:
        False if a crop or cell is out of bounds, or a background or character does not exist; then nothing is drawn.
    """
    clips, size = len(scene_b), masks_nhw.shape[1:]
    if not len(frames_nhwc) == len(masks_nhw) == len(offset_n2) == len(position_n2) == len(cell_n) or len(character_b) != clips:
        return False
    if frames_nhwc.shape[1:3] != size or len(cell_n) != len(cell_n) // max(1, clips) * clips:
        return False
    dark, words = shadow
    sheets_bl = _sheets(character_b, spans[0])
    if len(sheets_bl) != clips or not _inside(size, images, scene_b, offset_n2, position_n2, cell_n, boxes, dark):
        return False
    # The first byte of each frame's crop.
    line, frames_b = _3 * np.uintp(images.shape[2]), len(cell_n) // max(1, clips)
    source_n = np.empty(len(cell_n), np.uintp)
    for n in range(len(cell_n)):
        top = np.uintp(scene_b[n // frames_b]) * np.uintp(images.shape[1]) + np.uintp(offset_n2[n, 1])
        source_n[n] = top * line + _3 * np.uintp(offset_n2[n, 0])
    frames, masks, scenes = frames_nhwc.reshape(-1), masks_nhw.reshape(-1), images.reshape(-1)
    height, width = np.uintp(size[0]), np.uintp(size[1])
    memory = (np.empty(CELL * CELL, np.uint32), np.empty(CELL * CELL, np.uintp))
    # Frame by frame: the rest of its background, then its character.
    rows = np.uintp(0)  # rows of the frame's background that have been copied
    for n in range(len(cell_n)):
        begin = np.uintp(n) * height * width
        for y in range(rows, height):
            _row(frames, masks, scenes, begin + y * width, source_n[n] + y * line, width)
        rows = np.uintp(0)
        if cell_n[n] >= 0:
            corner = begin + np.uintp(position_n2[n, 1]) * width + np.uintp(position_n2[n, 0])
            if len(dark):
                _darken(frames, width, corner, dark, words)
            following = (begin + height * width, source_n[n + 1], line, height) if n + 1 < len(cell_n) else (begin, source_n[n], line, rows)
            rows = _paste(frames, masks, scenes, width, corner, cell_n[n], sheets_bl[n // frames_b], spans, memory, following)
    return True


@jit
def _sheets(character_b: Any, counts: Any) -> Any:
    """(B, L) the sheets of characters, numbered over all layers; (0, L) if one of them does not exist."""
    sheets_bl = np.empty((len(character_b), len(counts)), np.int64)
    for b in range(len(character_b)):
        rest, above = np.int64(character_b[b]), counts.sum()
        for layer in range(len(counts) - 1, -1, -1):
            above -= counts[layer]
            sheets_bl[b, layer] = above + rest % counts[layer]
            rest //= counts[layer]
        if rest != 0:
            return sheets_bl[:0]
    return sheets_bl


@jit
def _inside(size: Any, images: Any, scene_b: Any, offset_n2: Any, position_n2: Any, cell_n: Any, boxes: Any, shadow: Any) -> bool:
    """True if all backgrounds and cells exist, crops lie in their backgrounds, and what cells and shadows may cover lies in the frame."""
    for scene in scene_b:
        if not 0 <= scene < len(images):
            return False
    for n in range(len(cell_n)):
        u, v, cell = offset_n2[n, 0], offset_n2[n, 1], cell_n[n]
        if u < 0 or v < 0 or v + size[0] > images.shape[1] or u + size[1] > images.shape[2] or cell >= len(boxes):
            return False
        if cell >= 0:
            y, x = position_n2[n, 1] + boxes[cell, 0], position_n2[n, 0] + boxes[cell, 1]
            if y < 0 or x < 0 or y + boxes[cell, 2] > size[0] or x + boxes[cell, 3] > size[1]:
                return False
            for i in range(len(shadow)):
                y, x = position_n2[n, 1] + np.int64(shadow[i] >> _ROW), position_n2[n, 0] + np.int64(shadow[i] & _COLUMN)
                if not (0 <= y < size[0] and 0 <= x < size[1]):
                    return False
    return True


@jit
def _row(frames: Any, masks: Any, images: Any, at: Any, source: Any, width: Any) -> None:
    """Copy a row of a background to pixel `at`, and clear the mask there."""
    _copy(frames, _3 * at, images, source, _3 * width)
    for i in range(width):
        masks[at + i] = _CLEAR


@jit
def _darken(frames: Any, width: Any, corner: Any, places: Any, words: Any) -> None:
    """Blend a shadow with the background; the top-left corner of its cell lies on pixel `corner`."""
    for i in range(len(places)):
        place = np.uintp(places[i])
        _blend(frames, corner + (place >> _ROW) * width + (place & _COLUMN), words[i])


@jit
def _paste(
    frames: Any, masks: Any, images: Any, width: Any, corner: Any, cell: int, sheets: Any, spans: Any, memory: Any, following: Any
) -> Any:
    """Draw a cell of sheets, its top-left corner on pixel `corner`, and part of the next frame's background.

    Waiting for memory that is not in the cache takes longer than all else. So a row of the next background is copied before each opaque
    run of pixels: the processor fetches its memory while it draws the run.

    Returns:
        Number of rows of the next background that have been copied.
    """
    _, first, runs, rgb, rgba = spans
    words, places = memory
    begin, background, line, rows = following
    waiting, row = 0, np.uintp(0)
    for sheet in sheets:
        for run in range(np.uintp(first[sheet, cell]), np.uintp(first[sheet, cell + 1])):
            place, count, source = np.uintp(runs[run, 0]), np.uintp(runs[run, 1]), np.uintp(runs[run, 2])
            at = corner + (place >> _ROW) * width + (place & _COLUMN)
            if not runs[run, 3]:
                if row < rows:
                    _row(frames, masks, images, begin + row * width, background + row * line, width)
                    row += _1
                _copy(frames, _3 * at, rgb, _3 * source, _3 * count)
                for i in range(count):
                    masks[at + i] = _OPAQUE
                continue
            for i in range(count):
                word, below = rgba[source + i], masks[at + i]
                if below == _OPAQUE:
                    _blend(frames, at + i, word)
                    continue
                if below == _CLEAR:
                    words[place + i], places[waiting] = 0, place + i
                    waiting += 1
                words[place + i], masks[at + i] = _over(word, words[place + i]), _SOFT
    # What is still soft lies on the background.
    for place in places[:waiting]:
        at = corner + (place >> _ROW) * width + (place & _COLUMN)
        if masks[at] == _SOFT:
            _blend(frames, at, words[place])
            masks[at] = words[place] >> _ALPHA >= 128
    return row


@jit
def _over(source: Any, below: Any) -> Any:
    """`alpha.over` of two words, red in the lowest byte."""
    alpha = source >> _ALPHA
    weight_s, weight_b = _255 * alpha, (below >> _ALPHA) * (_255 - alpha)
    total = weight_s + weight_b
    word = (2 * total + 255) // 510 << _ALPHA
    for byte in range(3):
        shift = _8 * np.uint32(byte)
        colour = weight_s * (source >> shift & _255) + weight_b * (below >> shift & _255)
        word |= (2 * colour + total) // max(2 * total, 1) << shift
    return np.uint32(word)


@jit
def _blend(frames: Any, at: Any, word: Any) -> None:
    """Blend a word with the opaque pixel `at`: (a c + (255 - a) b) / 255, rounded half up."""
    alpha = np.int64(word >> _ALPHA)
    for byte in range(3):
        colour, target = np.int64(word >> _8 * np.uint32(byte) & _255), _3 * at + np.uintp(byte)
        frames[target] = (2 * (alpha * colour + (255 - alpha) * frames[target]) + 255) // 510
