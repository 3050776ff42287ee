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
_STAY = int(GlobalAction.stay)


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
            _uncoupled(word_tw, chain, local_nt[n], frame_nt[n])
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
    (right, bottom), step, (candidates, options, p_keep) = rule
    x, y, action = start[0], start[1], np.int64(NO_ACTION)
    for t in range(len(word_tw)):
        edges = (x == 0) + 2 * (x == right) + 4 * (y == 0) + 8 * (y == bottom)
        code = (NO_ACTION + 1) * edges + action
        if uniform(word_tw[t, column + 1]) >= p_keep[code]:
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
def _uncoupled(word_tw: Any, chain: Any, local_t: Any, frame_t: Any) -> None:
    """Local actions that are an inertia chain of their own, whatever the walk does."""
    actions, p_inertia, is_released = chain
    shown, frame = np.int64(len(actions)), 0  # the place of the action in `actions`
    for t in range(len(word_tw)):
        new = shown
        if t == 0 or uniform(word_tw[t, LOCAL + 1]) >= p_inertia:
            # As in the walk, the released rule draws any candidate but the previous action; at first there is none.
            excluded = 1 if is_released and t > 0 else 0
            new = np.int64(uniform(word_tw[t, LOCAL]) * (len(actions) - excluded))
            new += excluded * (new >= shown)
        frame = (frame + 1) % CYCLE if new == shown else 0
        shown = new
        local_t[t], frame_t[t] = actions[shown], frame
