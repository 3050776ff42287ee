"""The rule of the inertia random walk (Davtyan & Favaro, ECCV 2022, supplement B, eqs. 1-7), as tables for `kernel.walk`.

Axis suffixes: n clips, 2 = (x, y).
"""

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.actions import GlobalAction

NO_ACTION = len(GlobalAction)
"""Stands for "no previous action" before the first step."""
_EDGES = 16  # sets of edges that a point may be at
_RELEASED_P_STAY = 0.9


class Choices(NamedTuple):
    """What is possible at a step, by code = 6 * edges + previous action; `edges` has a bit for each of x = 0, x = max, y = 0, y = max."""

    candidates: NDArray[np.uint8]
    """(96, 5) the actions that the candidate is drawn from, in ascending order, left-aligned."""
    options: NDArray[np.int64]
    """(96,) number of these actions."""
    p_keep: NDArray[np.float64]
    """(96,) probability of keeping the previous action; 0 where it is not available."""


class WalkRule(NamedTuple):
    """How a point walks."""

    box: tuple[int, int]
    """Largest x and y, inclusive; the smallest are 0."""
    step: int
    """Length of a step in pixels."""
    choices: Choices
    """The tables of `choices`."""
    policy: float = 0.0
    """Probability that a new action is the one that the position determines."""


@lru_cache(maxsize=64)
def choices(p_inertia: float, rule: str) -> Choices:
    """The tables for `rule` "paper" (the candidate is any available action) or "released" (any but the previous one)."""
    candidates = np.zeros((_EDGES, NO_ACTION + 1, len(GlobalAction)), np.uint8)
    options = np.zeros((_EDGES, NO_ACTION + 1), np.int64)
    p_keep = np.zeros((_EDGES, NO_ACTION + 1))
    for edges in range(_EDGES):
        available = [a for a in GlobalAction if a == GlobalAction.stay or not edges >> a & 1]
        for previous in range(NO_ACTION + 1):
            # A point that can only stay has nothing else to draw.
            drawn = [a for a in available if rule == "paper" or a != previous] or available
            candidates[edges, previous, : len(drawn)] = drawn
            options[edges, previous] = len(drawn)
            if previous in available:
                p_keep[edges, previous] = _RELEASED_P_STAY if (rule, previous) == ("released", GlobalAction.stay) else p_inertia
    return Choices(candidates.reshape(-1, len(GlobalAction)), options.ravel(), p_keep.ravel())


def start(uniform_n2: NDArray[np.float64], box: tuple[int, int]) -> NDArray[np.int64]:
    """(N, 2) int64 points drawn uniformly from the inclusive box [0, box[0]] x [0, box[1]]; `uniform_n2` lies in [0, 1)."""
    sizes = np.array(box, np.float64) + 1
    return (uniform_n2 * sizes).astype(np.int64)
