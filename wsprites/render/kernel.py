"""Scripts and rendering in compiled code, for those who have numba: the same bytes in a fraction of the time, outside Python's lock.

Sheets are drawn straight onto the frame, the lowest first: what is seen twice is seldom worth compositing. Arrays are flat, and indices
unsigned: numba would look for negative ones at every pixel, and could not copy many at once.

Arguments are plain tuples. Numba keeps what it has compiled by the time of this file alone: classes of others it would look for under
their old names, and take their fields in their old order.
"""

from typing import Any

import numba
import numpy as np
from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic
from numpy.typing import NDArray

from wsprites.world.actions import CYCLE, DELTA_XY, GlobalAction
from wsprites.world.walk import NO_ACTION

_compile = numba.njit(cache=True, nogil=True)
_intrinsic: Any = intrinsic
_8, _255 = np.uint32(8), np.uint32(255)
_ALPHA = np.uint32(24)  # shift of a word to its alpha
_3, _64 = np.uintp(3), np.uintp(64)
_ROW, _COLUMN = np.uintp(6), np.uintp(63)  # shift and bits of a place in a cell, 64 y + x
_STAY = int(GlobalAction.stay)
_CLEAR, _OPAQUE, _SOFT = np.uint8(0), np.uint8(1), np.uint8(2)  # what a mask says of a pixel of the sprite while it is drawn


@_intrinsic
def _copy(typing: Any, to: Any, at: Any, source: Any, start: Any, size: Any) -> Any:
    """Copy `size` bytes between flat arrays. A loop would do it one by one where they are few, because arrays might overlap."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> None:
        target, origin = (_address(context, builder, signature.args[n], *args[n : n + 2]) for n in (0, 2))
        cgutils.raw_memcpy(builder, target, origin, args[4], 1)

    return types.void(to, at, source, start, size), generate


@_intrinsic
def _fetch(typing: Any, array: Any, at: Any) -> Any:
    """Have the memory around element `at` of a flat array brought to the cache, to be written to, and go on meanwhile."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> None:
        target, number = _address(context, builder, signature.args[0], *args), ir.IntType(32)
        prefetch = ir.FunctionType(ir.VoidType(), [target.type, number, number, number])
        builder.call(builder.module.declare_intrinsic("llvm.prefetch", [target.type], prefetch), [target, number(1), number(3), number(1)])

    return types.void(array, at), generate


def _address(context: Any, builder: Any, kind: Any, array: Any, at: Any) -> Any:
    return builder.gep(context.make_array(kind)(context, builder, array).data, [at])


@_compile
def _over(source: Any, below: Any) -> Any:
    """`characters.over` of two words, red in the lowest byte."""
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
def _blend(frames: Any, at: Any, word: Any) -> None:
    """Put a word on pixel `at`."""
    alpha = np.int64(word >> _ALPHA)
    for byte in range(3):
        colour, target = np.int64(word >> _8 * np.uint32(byte) & _255), _3 * at + np.uintp(byte)
        frames[target] = (2 * (alpha * colour + (255 - alpha) * frames[target]) + 255) // 510


@_compile
def _paste(
    frames: Any, masks: Any, corner: Any, width: Any, ahead: Any, cell: int, sheets: Any, spans: Any, words: Any, places: Any
) -> None:
    """Draw a cell of sheets, its corner on pixel `corner` of all frames. Soft pixels on nothing wait for others to lie on them.

    Fetches what comes from pixel `ahead` on, as much as there is time for: to wait for memory takes longer than all else.
    """
    _, first, runs, rgb, rgba = spans
    waiting = 0
    for sheet in sheets:
        for span in range(np.uintp(first[sheet, cell]), np.uintp(first[sheet, cell + 1])):
            place, count, source = np.uintp(runs[span, 0]), np.uintp(runs[span, 1]), np.uintp(runs[span, 2])
            at = corner + (place >> _ROW) * width + (place & _COLUMN)
            for line in range(_3):
                _fetch(frames, _3 * ahead + _64 * line)
            _fetch(masks, ahead)
            ahead += _64
            if not runs[span, 3]:
                _copy(frames, _3 * at, rgb, _3 * source, _3 * count)
                for i in range(count):
                    masks[at + i] = _OPAQUE
                continue
            for i in range(count):
                word, known = rgba[source + i], masks[at + i]
                if known == _OPAQUE:
                    _blend(frames, at + i, word)
                    continue
                if known == _CLEAR:
                    words[place + i], places[waiting] = 0, place + i
                    waiting += 1
                words[place + i], masks[at + i] = _over(word, words[place + i]), _SOFT
    for place in places[:waiting]:
        at = corner + (place >> _ROW) * width + (place & _COLUMN)
        if masks[at] == _SOFT:
            _blend(frames, at, words[place])
            masks[at] = words[place] >> _ALPHA >= 128


@_compile
def _inside(size: Any, images: Any, scene_b: Any, offset_n2: Any, position_n2: Any, cell_n: Any, boxes: Any) -> bool:
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
    return True


@_compile
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
) -> bool:
    """Draw N frames and masks of B clips: crops of the clips' images, and on them cells of their characters, none for -1.

    `spans` are the fields of Spans, one after the other.

    Returns:
        False if something lies outside of something else, or there is no such character or image; then nothing is drawn.
    """
    counts, first, _, _, _ = spans
    size, layers, frames_b = masks_nhw.shape[1:], len(counts), len(cell_n) // max(1, len(scene_b))
    if not len(frames_nhwc) == len(masks_nhw) == len(offset_n2) == len(position_n2) == len(cell_n) == frames_b * len(scene_b):
        return False
    if frames_nhwc.shape[1:3] != size or len(character_b) != len(scene_b):
        return False
    sheets_bl = np.empty((len(character_b), layers), np.int64)
    for b in range(len(character_b)):
        rest, above = np.int64(character_b[b]), len(first)
        for layer in range(layers - 1, -1, -1):
            above -= counts[layer]
            sheets_bl[b, layer] = above + rest % counts[layer]
            rest //= counts[layer]
        if rest != 0:
            return False
    if not _inside(size, images, scene_b, offset_n2, position_n2, cell_n, boxes):
        return False
    frames, masks, scenes = frames_nhwc.reshape(-1), masks_nhw.reshape(-1), images.reshape(-1)
    height, width, row = np.uintp(size[0]), np.uintp(size[1]), _3 * np.uintp(images.shape[2])
    words, places = np.empty(64 * 64, np.uint32), np.empty(64 * 64, np.uintp)
    for n in range(len(cell_n)):
        b, begin = n // frames_b, np.uintp(n) * height * width
        source = np.uintp(scene_b[b]) * np.uintp(images.shape[1]) * row + np.uintp(offset_n2[n, 1]) * row + _3 * np.uintp(offset_n2[n, 0])
        for y in range(height):
            _copy(frames, _3 * (begin + y * width), scenes, source + y * row, _3 * width)
        for i in range(height * width):
            masks[begin + i] = _CLEAR
        if cell_n[n] >= 0:
            corner = begin + np.uintp(position_n2[n, 1]) * width + np.uintp(position_n2[n, 0])
            _paste(frames, masks, corner, width, begin + height * width, cell_n[n], sheets_bl[b], spans, words, places)
    return True


@_compile
def write(
    word_nrw: NDArray[np.uint64],
    sprite_n2: NDArray[np.int64],
    offset_n2: NDArray[np.int64],
    sprite: Any,
    background: Any,
    coupled: bool,
    walks: NDArray[np.int64],
    candidates: NDArray[np.int64],
    options: NDArray[np.int64],
    standing: NDArray[np.bool_],
    bout_min: int,
    bouts: int,
    p_inertia: float,
    released: bool,
) -> Any:
    """`script._write` of the words, their row 0 among them, of the starts, and of all that `script.Rules` holds."""
    clips, frames = len(word_nrw), word_nrw.shape[1] - 1
    action_wnt, local_nt, frame_nt = (
        np.empty((2, clips, frames), np.uint8),
        np.empty((clips, frames), np.uint8),
        np.empty((clips, frames), np.uint8),
    )
    point_wnt2, shift_wnt2 = np.empty((2, clips, frames, 2), np.int16), np.empty((2, clips, frames, 2), np.int16)
    cursor = np.empty(len(options) - 1, np.uint8)  # next frame of every animation's cycle
    for n in range(clips):
        word_tw = word_nrw[n, 1:]
        _walk(word_tw, 0, sprite_n2[n], sprite, action_wnt[0, n], point_wnt2[0, n], shift_wnt2[0, n])
        _walk(word_tw, 2, offset_n2[n], background, action_wnt[1, n], point_wnt2[1, n], shift_wnt2[1, n])
        if coupled:
            of_bouts = (walks, candidates, options, standing, bout_min, bouts)
            _coupled(word_tw, of_bouts, action_wnt[0, n], cursor, local_nt[n], frame_nt[n])
        else:
            _uncoupled(word_tw, len(cursor), p_inertia, released, local_nt[n], frame_nt[n])
    return (action_wnt[0], point_wnt2[0], shift_wnt2[0]), (action_wnt[1], point_wnt2[1], shift_wnt2[1]), local_nt, frame_nt


@_compile
def _uniform(word: Any) -> Any:
    return np.float64(word >> np.uint64(11)) * 2.0**-53


@_compile
def _walk(word_tw: Any, column: int, start: Any, rule: Any, action_t: Any, point_t2: Any, shift_t2: Any) -> None:
    (right, bottom), step, (candidates, options, p_keep) = rule
    x, y, action = start[0], start[1], np.int64(NO_ACTION)
    for t in range(len(word_tw)):
        edges = (x == 0) + 2 * (x == right) + 4 * (y == 0) + 8 * (y == bottom)
        code = (NO_ACTION + 1) * edges + action
        if _uniform(word_tw[t, column + 1]) >= p_keep[code]:
            action = np.int64(candidates[code, np.int64(_uniform(word_tw[t, column]) * options[code])])
        before_x, before_y = x, y
        x = min(max(x + step * DELTA_XY[action, 0], 0), right)
        y = min(max(y + step * DELTA_XY[action, 1], 0), bottom)
        action_t[t] = action
        point_t2[t, 0], point_t2[t, 1] = x, y
        shift_t2[t, 0], shift_t2[t, 1] = x - before_x, y - before_y


@_compile
def _coupled(word_tw: Any, of_bouts: Any, global_t: Any, cursor: Any, local_t: Any, frame_t: Any) -> None:
    walks, candidates, options, standing, bout_min, bouts = of_bouts
    shown, left = len(cursor), 0
    cursor[:] = 0
    for t in range(len(word_tw)):
        new_bout = False
        if global_t[t] != _STAY:
            shown = walks[global_t[t]]
        elif left == 0 or not standing[shown]:
            new_bout = True
            shown = candidates[shown, np.int64(_uniform(word_tw[t, 4]) * options[shown])]
            left = bout_min + np.int64(_uniform(word_tw[t, 5]) * bouts)
        left -= 1
        frame = 0 if new_bout else cursor[shown]
        cursor[shown] = (frame + 1) % CYCLE
        local_t[t], frame_t[t] = shown, frame


@_compile
def _uncoupled(word_tw: Any, actions: int, p_inertia: float, released: bool, local_t: Any, frame_t: Any) -> None:
    shown, frame = np.int64(actions), 0
    for t in range(len(word_tw)):
        new = shown
        if t == 0 or _uniform(word_tw[t, 5]) >= p_inertia:
            excluded = 1 if released and t > 0 else 0
            new = np.int64(_uniform(word_tw[t, 4]) * (actions - excluded))
            new += excluded * (new >= shown)
        frame = (frame + 1) % CYCLE if new == shown else 0
        shown = new
        local_t[t], frame_t[t] = shown, frame
