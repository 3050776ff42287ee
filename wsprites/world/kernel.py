"""Scripts in compiled code: walks, bouts and chains of actions, clip by clip and frame by frame. `script.py` prepares tables and words.

Axis suffixes: n clips, r rows of words (1 + T), t frames, w the eight words of a row, 2 = (x, y).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.jit import jit
from wsprites.world.actions import CYCLE, DELTA_XY, GlobalAction
from wsprites.world.walk import NO_ACTION

# The columns of a row of words, two for each choice: what is drawn, and whether (or for how long) it is kept.
SPRITE, BACKGROUND, LOCAL = 0, 2, 4
# One each: whether what is drawn is the action that the position determines.
SPRITE_POLICY, LOCAL_POLICY = 6, 7
_LEFT, _RIGHT, _UP, _DOWN, _STAY = map(int, GlobalAction)


@jit
def write(word_nrw: NDArray[np.uint64], sprite_n2: NDArray[np.int64], offset_n2: NDArray[np.int64], rules: Any) -> Any:
    """The walks, local actions and animation frames of N clips.

    Args:
        word_nrw: (N, 1 + T, 8) random words; row 0 is not used here.
        sprite_n2: (N, 2) where the sprites' walks start.
        offset_n2: (N, 2) where the walks of the backgrounds' crops start.
        rules: `script.Rules` as plain tuples.

    Returns:
        The sprites' walks, the backgrounds' walks, and the local actions and the animation frames, (N, T) uint8 each. A walk is
        its actions, (N, T) uint8, the points that they lead to and the motion to there, (N, T, 2) int16 pixels each.
    """
    sprite_rule, background_rule, is_coupled, bouts, chain = rules
    clips, frames = len(word_nrw), word_nrw.shape[1] - 1
    action_wnt = np.empty((2, clips, frames), np.uint8)
    point_wnt2, shift_wnt2 = np.empty((2, clips, frames, 2), np.int16), np.empty((2, clips, frames, 2), np.int16)
    local_nt, frame_nt = np.empty((clips, frames), np.uint8), np.empty((clips, frames), np.uint8)
    for n in range(clips):
        word_tw = word_nrw[n, 1:]
        walk(word_tw, SPRITE, sprite_n2[n], sprite_rule, action_wnt[0, n], point_wnt2[0, n], shift_wnt2[0, n])
        walk(word_tw, BACKGROUND, offset_n2[n], background_rule, action_wnt[1, n], point_wnt2[1, n], shift_wnt2[1, n])
        if is_coupled:
            _coupled(word_tw, bouts, action_wnt[0, n], local_nt[n], frame_nt[n])
        else:
            before_t2 = point_wnt2[0, n] - shift_wnt2[0, n]
            _uncoupled(word_tw, chain, before_t2, sprite_rule[0], local_nt[n], frame_nt[n])
    return (action_wnt[0], point_wnt2[0], shift_wnt2[0]), (action_wnt[1], point_wnt2[1], shift_wnt2[1]), local_nt, frame_nt


@jit
def uniform(word: Any) -> Any:
    """The number in [0, 1) that the upper 53 bits of a word stand for."""
    return np.float64(word >> np.uint64(11)) * 2.0**-53


@jit
def walk(
    word_tw: NDArray[np.uint64],
    column: int,
    start: NDArray[np.int64],
    rule: Any,
    action_t: NDArray[np.uint8],
    point_t2: NDArray[np.int16],
    shift_t2: NDArray[np.int16],
) -> None:
    """Walk one point for T steps, from `start` by a `walk.WalkRule`, decided by two columns of words. Writes to the last three arrays."""
    (right, bottom), step, (candidates, options, p_keep), policy = rule
    x, y, action = start[0], start[1], np.int64(NO_ACTION)
    for t in range(len(word_tw)):
        edges = (x == 0) + 2 * (x == right) + 4 * (y == 0) + 8 * (y == bottom)
        code = (NO_ACTION + 1) * edges + action
        if uniform(word_tw[t, column + 1]) >= p_keep[code]:
            if policy > 0 and uniform(word_tw[t, SPRITE_POLICY]) < policy:
                action = np.int64(to_middle(x, y, right, bottom, step))
            else:
                action = np.int64(candidates[code, np.int64(uniform(word_tw[t, column]) * options[code])])
        before_x, before_y = x, y
        x = min(max(x + step * DELTA_XY[action, 0], 0), right)
        y = min(max(y + step * DELTA_XY[action, 1], 0), bottom)
        action_t[t] = action
        point_t2[t, 0], point_t2[t, 1] = x, y
        shift_t2[t, 0], shift_t2[t, 1] = x - before_x, y - before_y


@jit
def _coupled(word_tw: Any, bouts: Any, global_t: Any, local_t: Any, frame_t: Any) -> None:
    """Local actions of a character that walks where it goes, and acts in bouts while it stays."""
    walks, candidates, options, standing, shortest, lengths = bouts
    cursor = np.zeros(len(options) - 1, np.uint8)  # next frame of every animation's cycle
    shown, remaining = len(cursor), 0
    for t in range(len(word_tw)):
        new_bout = False
        if global_t[t] != _STAY:
            shown = walks[global_t[t]]
        elif remaining == 0 or not standing[shown]:
            new_bout = True
            shown = candidates[shown, np.int64(uniform(word_tw[t, LOCAL]) * options[shown])]
            remaining = shortest + np.int64(uniform(word_tw[t, LOCAL + 1]) * lengths)
        remaining -= 1
        frame = 0 if new_bout else cursor[shown]
        cursor[shown] = (frame + 1) % CYCLE
        local_t[t], frame_t[t] = shown, frame


@jit
def to_middle(x: Any, y: Any, right: int, bottom: int, step: int) -> int:
    """The GlobalAction that leads from (x, y) to the middle of the box [0, right] x [0, bottom], along the axis where it is farther.

    `stay` within half a step of the middle; of two equal distances, x counts.
    """
    dx, dy = 2 * x - right, 2 * y - bottom
    if max(abs(dx), abs(dy)) <= step:
        return _STAY
    if abs(dx) >= abs(dy):
        return _LEFT if dx > 0 else _RIGHT
    return _UP if dy > 0 else _DOWN


@jit
def at_place(x: Any, y: Any, right: int, bottom: int, columns: int, rows: int) -> Any:
    """The number of the place of (x, y) in a grid over the box [0, right] x [0, bottom], row by row: that of the local action there."""
    return x * columns // (right + 1) + columns * (y * rows // (bottom + 1))


@jit
def _uncoupled(word_tw: Any, chain: Any, before_t2: Any, box: Any, local_t: Any, frame_t: Any) -> None:
    """Local actions that are an inertia chain of their own, whatever the walk does. `before_t2` are the positions before each frame."""
    actions, p_inertia, is_released, (columns, rows), policy = chain
    shown, frame = np.int64(len(actions)), 0  # the place of the action in `actions`
    for t in range(len(word_tw)):
        if t > 0 and uniform(word_tw[t, LOCAL + 1]) < p_inertia:
            new = shown
        elif policy > 0 and uniform(word_tw[t, LOCAL_POLICY]) < policy:
            new = np.int64(at_place(np.int64(before_t2[t, 0]), np.int64(before_t2[t, 1]), box[0], box[1], columns, rows))
        else:
            # As in the walk, the released rule draws any candidate but the previous action; at first there is none.
            excluded = 1 if is_released and t > 0 else 0
            new = np.int64(uniform(word_tw[t, LOCAL]) * (len(actions) - excluded))
            new += excluded * (new >= shown)
        frame = (frame + 1) % CYCLE if new == shown else 0
        shown = new
        local_t[t], frame_t[t] = actions[shown], frame
