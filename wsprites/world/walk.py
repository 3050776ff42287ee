"""The inertia random walk (Davtyan & Favaro, ECCV 2022, supplement B, eqs. 1-7). Axis suffixes: n clips, t frames, 2 = (x, y)."""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.actions import DELTA_XY, GlobalAction

NO_ACTION = len(GlobalAction)
"""Stands for "no previous action" before the first step."""
_RELEASED_P_STAY = 0.9


class Walk(NamedTuple):
    """N walks of T steps: entry t is the step that leads to frame t, and where it leads."""

    action_nt: NDArray[np.uint8]
    """(N, T) GlobalAction."""
    point_nt2: NDArray[np.int16]
    """(N, T, 2) pixels, after the step."""
    shift_nt2: NDArray[np.int16]
    """(N, T, 2) pixels, how far the step really moved: less than its length where it met the box."""


class Choices(NamedTuple):
    """What is possible at a step, by code = 6 * edges + previous action; `edges` has a bit for each of x = 0, x = max, y = 0, y = max."""

    candidates: NDArray[np.uint8]
    """(96, 5): the actions that the candidate is drawn from, in ascending order, left-aligned."""
    options: NDArray[np.int64]
    """(96,): how many they are."""
    p_keep: NDArray[np.float64]
    """(96,): probability of keeping the previous action; 0 where it is not available."""


class WalkRule(NamedTuple):
    """How a point walks."""

    box: tuple[int, int]
    """Largest x and y, inclusive; the smallest are 0."""
    step: int
    """Pixels."""
    choices: Choices


@lru_cache(maxsize=64)
def choices(p_inertia: float, rule: str) -> Choices:
    """The table for `rule` "paper" (the candidate is any available action) or "released" (any but the previous one)."""
    candidates = np.zeros((16, NO_ACTION + 1, len(GlobalAction)), np.uint8)
    count = np.zeros((16, NO_ACTION + 1), np.int64)
    p_keep = np.zeros((16, NO_ACTION + 1))
    for edges in range(16):
        available = [a for a in GlobalAction if a == GlobalAction.stay or not edges >> a & 1]
        for previous in range(NO_ACTION + 1):
            # A point that can only stay has nothing else to draw.
            drawn = [a for a in available if rule == "paper" or a != previous] or available
            candidates[edges, previous, : len(drawn)] = drawn
            count[edges, previous] = len(drawn)
            if previous in available:
                p_keep[edges, previous] = _RELEASED_P_STAY if (rule, previous) == ("released", GlobalAction.stay) else p_inertia
    return Choices(candidates.reshape(-1, len(GlobalAction)), count.ravel(), p_keep.ravel())


def start(uniform_n2: NDArray[np.float64], box: tuple[int, int]) -> NDArray[np.int64]:
    """(N, 2) points drawn uniformly from the inclusive box [0, box[0]] x [0, box[1]]; `uniform_n2` lies in [0, 1)."""
    sizes = np.array(box, np.float64) + 1
    return (uniform_n2 * sizes).astype(np.int64)


def walk(start_n2: NDArray[np.int64], uniform_tn2: NDArray[np.float64], rule: WalkRule) -> Walk:
    """Walk N points for T steps.

    Args:
        start_n2: (N, 2) int, pixels, where the walks stand before their first step, inside the box.
        uniform_tn2: (T, N, 2) float64 in [0, 1): what decides the candidate, and whether the previous action is kept.
    """
    box, step, table = rule
    candidates = table.candidates.ravel()
    dx, dy = step * DELTA_XY.T
    (right, bottom), (edges_x, edges_y) = box, (_edges(box[0], 1), _edges(box[1], 4))
    steps, clips = uniform_tn2.shape[:2]
    action_tn = np.empty((steps, clips), np.uint8)
    point_tn2 = np.empty((steps + 1, clips, 2), np.int16)
    x, y = start_n2.T
    point_tn2[0] = start_n2
    action = np.full(clips, NO_ACTION)
    for t in range(steps):  # flat look-ups and no temporaries beyond these: this loop is the cost of a script
        code = edges_x[x] + edges_y[y] + action
        pick = (uniform_tn2[t, :, 0] * table.options[code]).astype(np.int64)
        candidate = candidates[code * len(GlobalAction) + pick]
        action = np.where(uniform_tn2[t, :, 1] < table.p_keep[code], action, candidate)
        x = np.minimum(np.maximum(x + dx[action], 0), right)
        y = np.minimum(np.maximum(y + dy[action], 0), bottom)
        action_tn[t], point_tn2[t + 1, :, 0], point_tn2[t + 1, :, 1] = action, x, y
    return Walk(
        np.ascontiguousarray(action_tn.T),
        np.ascontiguousarray(point_tn2[1:].transpose(1, 0, 2)),
        np.ascontiguousarray(np.diff(point_tn2, axis=0).transpose(1, 0, 2)),
    )


def _edges(largest: int, bit: int) -> NDArray[np.int64]:
    """(largest + 1,) what a coordinate adds to the code of Choices, by its value; `bit` is the lower edge, the next one the upper."""
    code = np.zeros(largest + 1, np.int64)
    code[0] += bit
    code[largest] += 2 * bit
    return code * (NO_ACTION + 1)
