"""The law of an action: what one chosen (global, local) action does to position and animation, and a step to the scene. Scripts obey it.

Axis suffixes: n characters, a local actions, 2 = (x, y).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.actions import CYCLE, DELTA_XY, LocalAction, is_walk
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

_IS_WALK = np.array([is_walk(action) for action in LocalAction])


class Pose(NamedTuple):
    """The state of N characters at one frame: all that decides what their next actions do. Its arrays are never written to."""

    position: NDArray[np.int16]
    """(N, 2) pixels: (x, y) of the top-left corner of the sprite's cell."""
    shift: NDArray[np.int16]
    """(N, 2) pixels: the motion that led to this frame."""
    local_action: NDArray[np.uint8]
    """(N,) LocalAction: the animation shown."""
    animation_frame: NDArray[np.uint8]
    """(N,) frame of the animation's cycle, 0 to 7."""
    cursor: NDArray[np.uint8]
    """(N, A) next frame of the cycle of every local action, for when it is resumed."""


def pose(spec: WorldSpec, script_n: Script, t: int) -> Pose:
    """The state at frame `t` of N scripts, (N, T) labels each."""
    local_nt, frame_nt = script_n.local_action[:, : t + 1], script_n.animation_frame[:, : t + 1]
    every = np.arange(len(local_nt))
    cursor = np.zeros((len(local_nt), 3 * spec.facings), np.uint8)
    for local_n, frame_n in zip(local_nt.T, frame_nt.T, strict=True):  # the last frame of each animation counts
        cursor[every, local_n] = (frame_n + 1) % CYCLE
    return Pose(script_n.position[:, t], script_n.shift[:, t], local_nt[:, t], frame_nt[:, t], cursor)


def act(spec: WorldSpec, before: Pose, global_n: NDArray[np.integer], local_n: NDArray[np.integer]) -> Pose:
    """The state after one action of each of N characters.

    A step is clipped at the edge of the frame. An animation continues with its next frame if it was just shown; in a coupled world, a walk
    also resumes where it last stopped. Any other animation starts with frame 0.

    Args:
        spec: the world.
        before: the state that the actions are done in.
        global_n: (N,) GlobalAction: the sprite's steps.
        local_n: (N,) LocalAction: the animations to show; any pair of a step and one of the world's local actions is possible.

    Returns:
        The state at the next frame, its arrays with the dtypes that labels have.

    Example:
        >>> from wsprites.world.actions import GlobalAction
        >>> from wsprites.world.script import scripts
        >>> from wsprites.world.spec import PRESETS
        >>> spec = PRESETS["paper"]
        >>> start = pose(spec, scripts(spec, seed=0, indices=[3]), t=0)
        >>> after = act(spec, start, np.array([GlobalAction.stay]), np.array([LocalAction.slash_front]))
        >>> after.shift.tolist(), after.animation_frame.tolist()
        ([[0, 0]], [0])
    """
    point_n2 = before.position + spec.sprite.step * DELTA_XY[global_n]
    position = np.minimum(np.maximum(point_n2, 0), spec.sprite_box).astype(np.int16)
    resumes = (local_n == before.local_action) | (_IS_WALK[local_n] & spec.local.coupled)
    every = np.arange(len(local_n))
    frame = np.where(resumes, before.cursor[every, local_n], 0).astype(np.uint8)
    cursor = before.cursor.copy()
    cursor[every, local_n] = (frame + 1) % CYCLE
    return Pose(position, position - before.position, local_n.astype(np.uint8), frame, cursor)


def move_crop(spec: WorldSpec, offset_n2: NDArray[np.integer], action_n: NDArray[np.integer]) -> NDArray[np.int16]:
    """The places of N background crops after one step of each, clipped at the edge of the background. The scene moves the other way.

    Args:
        spec: the world.
        offset_n2: (N, 2) int, (x, y) in pixels of the crops' top-left corners.
        action_n: (N,) GlobalAction: the crops' steps.

    Returns:
        (N, 2) int16 pixels.

    Example:
        >>> from wsprites.world.actions import GlobalAction
        >>> from wsprites.world.spec import PRESETS
        >>> move_crop(PRESETS["paper"], np.array([[24, 10]]), np.array([GlobalAction.right])).tolist()
        [[25, 10]]
    """
    point_n2 = offset_n2 + spec.background.step * DELTA_XY[action_n]
    clipped: NDArray[np.int16] = np.minimum(np.maximum(point_n2, 0), spec.background_box).astype(np.int16)
    return clipped
