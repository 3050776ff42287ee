"""A task in the environments: walk to a marker and slash there. Axis suffixes: n worlds, h, w, c, 2 = (x, y) in pixels."""

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.world.actions import LocalAction, animation_of
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

TASKS = ("", "marker")
"""No task, or that of this module."""
COLOUR = (255, 0, 255)
"""RGB of the marker."""
_AWAY, _TRIES = 3, 32
"""Steps that a marker is away from where an episode begins, where the frame is large enough; places that are tried for it."""
_STREAM = 0x6D61726B6572
_SLASHES = [action for action in LocalAction if animation_of(action) == "slash"]


def check_task(task: str, spec: WorldSpec) -> None:
    """Raise ArgumentError for a task that there is not, or that a world has no animation for."""
    if task not in TASKS:
        raise ArgumentError("task", f"{task!r:.80} is not one of {', '.join(map(repr, TASKS))}")
    if task and not set(_SLASHES) & set(spec.local_actions):
        raise ArgumentError("task", "this world has no slash, which the task needs")


def markers(spec: WorldSpec, script_n: Script) -> NDArray[np.int16]:
    """(n, 2) where the cell of the sprite has to be: places of the frame that depend on the clip's index and first position alone.

    They are at least three steps away from the first position, or as far as the frame allows.
    """
    places = np.empty((len(script_n.index), 2), np.int16)
    for n, (index, start_2) in enumerate(zip(script_n.index, script_n.position[:, 0], strict=True)):
        rng = np.random.Generator(np.random.Philox(key=np.array([index, _STREAM], np.uint64)))
        tried_k2 = rng.integers(0, spec.sprite_box, (_TRIES, 2), endpoint=True)
        away_k = np.minimum(np.abs(tried_k2 - start_2).max(-1), _AWAY * spec.sprite.step)
        places[n] = tried_k2[away_k.argmax()]  # the first of those that are far enough
    return places


def reached(spec: WorldSpec, marker_n2: NDArray[np.int16], position_n2: NDArray[np.int16], local_n: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """(n,) whether a character slashes, in any facing, with its cell at most one step away from its marker in x and in y.

    Example:
        >>> from wsprites.world.spec import PRESETS
        >>> at, marker = np.array([[20, 9], [20, 9], [28, 9]], np.int16), np.array([[20, 12]] * 3, np.int16)
        >>> shown = np.array([LocalAction.slash_left, LocalAction.walk_left, LocalAction.slash_left], np.uint8)
        >>> reached(PRESETS["paper"], marker, at, shown).tolist()
        [True, False, False]
    """
    near_n = np.abs(position_n2 - marker_n2).max(-1) <= spec.sprite.step
    result: NDArray[np.bool_] = near_n & np.isin(local_n, _SLASHES)
    return result


def draw(spec: WorldSpec, marker_n2: NDArray[np.int16], frames_nhwc: NDArray[np.uint8], masks_nhw: NDArray[np.bool_]) -> None:
    """Draw rings in the middle of where the sprites have to be, behind the characters. `frames_nhwc` is changed."""
    y_hw, x_hw = np.mgrid[: spec.height, : spec.width]
    radius, half = spec.cell / 8, spec.cell / 2
    for (x, y), frame_hwc, mask_hw in zip(marker_n2, frames_nhwc, masks_nhw, strict=True):
        distance_hw = np.hypot(x_hw + 0.5 - x - half, y_hw + 0.5 - y - half)
        frame_hwc[(np.abs(distance_hw - radius) < spec.cell / 32) & ~mask_hw] = COLOUR
