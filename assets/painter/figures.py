"""The characters, as LPC sheets: spellcast, walk and slash, from four sides."""

from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from assets.painter.faces import FACES
from assets.painter.pose import FRAMES, POSES, TOWARDS, Joints, joints
from assets.painter.solid import FINE, TILT, Ball, Drawing, Point, View, draw, moved, turned, view
from assets.painter.wardrobe import EYES, HEAD, LAYERS, SKIN, Look, arms, body, skull
from wsprites.art.sheets import FIRST_ROW, SHEET_SIZES
from wsprites.world.spec import CELL

_SIDES: dict[str, tuple[Point, Point, Point]] = {  # from body space to that of the picture, in the order of the rows of a sheet
    "back": ((-1, 0, 0), (0, -1, 0), (0, 0, 1)),
    "left": ((0, 1, 0), (-1, 0, 0), (0, 0, 1)),
    "front": ((1, 0, 0), (0, 1, 0), (0, 0, 1)),
    "right": ((0, -1, 0), (1, 0, 0), (0, 0, 1)),
}
_HEAD = 36.0  # height of its middle when the figure stands
_NECK = 27.5


class _Face(NamedTuple):
    """What is drawn on a head, row by row, with the place of its top-left corner when the figure stands."""

    rows: tuple[str, ...]
    """Inks, see _INKS; anything else leaves the skin."""
    top: int
    left: int


_FACES = {
    1: {
        "front": _Face(
            ("###........###", "wID........DIw", "wII........IIw", "..............", "......ss......", "..............", ".....ssss....."),
            26,
            25,
        ),
        "front asleep": _Face(("###........###", "", "......ss......", "", ".....ssss....."), 28, 25),
        "left": _Face((".###", ".DIw", ".IIw", "", "", "", ".sss"), 26, 24),
        "left asleep": _Face((".###", "", "", "", ".sss"), 28, 24),
    },
    2: {
        "front": _Face(("###....###", "wDI....IDw", "wDI....IDw", "", "", "", "....ss...."), 24, 27),
        "front asleep": _Face(("###....###", "", "", "", "....ss...."), 26, 27),
        "left": _Face(("###", "DIw", "DIw", "", "", "", "ss"), 24, 25),
        "left asleep": _Face(("###", "", "", "", "ss"), 26, 25),
    },
}
"""The faces by version. Version 2 has eyes that are higher and nearer to each other."""
_INKS = {"#": (EYES, 0), "D": (EYES, 1), "I": (EYES, 2), "w": (EYES, 3), "s": (SKIN, 1)}


def sheet(layer: str, name: str) -> NDArray[np.uint8]:
    """(1344, 832, 4) uint8 RGBA: one part of a character, alpha 0 or 255. The other animations of LPC are empty."""
    return _sheet(layer, LAYERS[layer][name])


def face(name: str) -> NDArray[np.uint8]:
    """(1344, 832, 4) uint8 RGBA: the pixels of the body with version 2 of its face that differ from `sheet("body", name)`.

    Drawn on that sheet, they give the body with the new face: heads get larger only, so that no pixel has to become clear.
    """
    before, after = _sheet("body", LAYERS["body"][name]), _sheet("body", FACES[name])
    assert (after[..., 3] >= before[..., 3]).all(), f"{name}: the new head does not cover the old one"
    after[(after == before).all(-1)] = 0
    return after


def _sheet(layer: str, look: Look) -> NDArray[np.uint8]:
    ramps = np.array([[[*bytes.fromhex(colour), 255] for colour in ramp.split()] for ramp in look.ramps], np.uint8)
    pixels = np.zeros((*SHEET_SIZES[0], 4), np.uint8)
    for animation, count in FRAMES.items():
        for row, side in enumerate(_SIDES, FIRST_ROW[animation]):
            for column in range(count):
                drawing = _cell(layer, look, animation, column, side)
                rgba = ramps[drawing.ramp, drawing.tone]
                rgba[drawing.ramp < 0] = 0
                pixels[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL] = rgba
    return pixels


def _cell(layer: str, look: Look, animation: str, column: int, side: str) -> Drawing:
    j = _joints(animation, column, side)
    worn = [turned(ball, _SIDES[side]) for ball in look.worn(j)]
    head, seen_head = _head(look.head, side)
    seen = _merged(view(worn), _placed(seen_head, j, side), len(worn))
    # Hair is drawn over sleeves: it gives way to arms as thick as they are with sleeves.
    before = np.full_like(seen.depth, -np.inf) if layer == "body" else _body_depth(animation, column, side, layer == "hair")
    drawing = draw([*worn, *head], seen, before)
    if look.face and side != "back":
        _draw_face(drawing, look.face, side, POSES[animation][column].eyes_closed, *_head_shift(j, side)[:2])
    return drawing


@cache
def _joints(animation: str, column: int, side: str) -> Joints:
    pose = POSES[animation][column]
    if not column:
        return joints(pose)
    if animation == "slash" and side == "left":  # as in LPC, it strikes with the arm that is not behind the head
        pose = pose.mirrored()
    return joints(pose, TOWARDS[animation] * {"left": 1, "right": -1}.get(side, 0))


@cache
def _head(build: Callable[[], Iterator[Ball]], side: str) -> tuple[list[Ball], View]:
    """The solids on a head, in their places when the figure stands."""
    lifted = (ball._replace(centre=(ball.centre[0], ball.centre[1], ball.centre[2] + _HEAD)) for ball in build())
    balls = [turned(ball, _SIDES[side]) for ball in lifted]
    return balls, view(balls)


def _head_shift(j: Joints, side: str) -> tuple[int, int, float]:
    """Motion of a head: (down, right) in whole pixels, so that the picture of a face does not change, and how much nearer it is."""
    left, forward, _ = _SIDES[side]
    x, y = (j.head[0] * left[i] + j.head[1] * forward[i] for i in range(2))
    return round(_NECK - j.head[2] + TILT * y), round(x), y


def _placed(seen: View, j: Joints, side: str) -> View:
    down, right, nearer = _head_shift(j, side)
    by = down * FINE, right * FINE
    return View(moved(seen.depth, *by, -np.inf) + nearer, moved(seen.ball, *by, -1), moved(seen.light, *by, 0))


def _merged(a: View, b: View, offset: int) -> View:
    """Combine two views: the nearer surface at each sample. `offset` is added to the numbers of the balls of the second one."""
    nearer = b.depth > a.depth
    ball = np.where(nearer, b.ball + np.int16(offset), a.ball)
    return View(np.where(nearer, b.depth, a.depth), ball, np.where(nearer, b.light, a.light))


@cache
def _body_depth(animation: str, column: int, side: str, sleeves: bool) -> NDArray[np.float64]:
    """Depth of the body, which hides clothes and hair behind it."""
    j = _joints(animation, column, side)
    seen = view([turned(ball, _SIDES[side]) for ball in (*body()(j), *(arms(j, 0, 0.7) if sleeves else ()))])
    return np.maximum(seen.depth, _placed(_head(skull, side)[1], j, side).depth)


def _draw_face(drawing: Drawing, version: int, side: str, asleep: bool, down: int, right: int) -> None:
    face = _FACES[version][("front" if side == "front" else "left") + " asleep" * asleep]
    for y, row in enumerate(face.rows, face.top + down):
        for x, ink in enumerate(row, face.left):
            at = y, (CELL - 1 - x if side == "right" else x) + right
            if ink in _INKS and drawing.part[at] == HEAD:
                drawing.ramp[at], drawing.tone[at] = _INKS[ink]
