"""The meaning of integer labels, defined here only. The numbers are those of the released W-Sprites data."""

from collections.abc import Collection
from enum import IntEnum

import numpy as np


class GlobalAction(IntEnum):
    """A step of a walk, of the sprite or of the background's crop. x grows to the right, y grows down."""

    left = 0
    right = 1
    up = 2
    down = 3
    stay = 4


class LocalAction(IntEnum):
    """The animation that the character shows. The three `back` ones occur only in worlds with `facings=4`."""

    walk_front = 0
    walk_left = 1
    walk_right = 2
    spellcast_front = 3
    spellcast_left = 4
    spellcast_right = 5
    slash_front = 6
    slash_left = 7
    slash_right = 8
    walk_back = 9
    spellcast_back = 10
    slash_back = 11


CYCLE = 8
"""Frames in the cycle of every animation."""

DELTA_XY = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)], np.int64)
"""(5, 2) int64: the unit step (dx, dy) of each GlobalAction."""


ANIMATIONS = ("walk", "spellcast", "slash")
"""The animations, each of which is seen in all facings of a world."""


def local_actions(facings: int, *, animations: Collection[str] = ANIMATIONS) -> tuple[LocalAction, ...]:
    """The local actions of worlds with 3 or 4 facings, in the order of their numbers; or those of some animations.

    The actions of a particular world are `WorldSpec.local_actions`. Numbers are the same in all worlds, so that arrays which are indexed by
    number have as many places as there are actions of all animations.

    Example:
        >>> len(local_actions(3)), len(local_actions(4)), len(local_actions(3, animations=["walk"]))
        (9, 12, 3)
    """
    return tuple(action for action in tuple(LocalAction)[: 3 * facings] if animation_of(action) in animations)


def animation_of(action: LocalAction) -> str:
    """The one of ANIMATIONS that an action is a view of."""
    return action.name.partition("_")[0]


FACINGS = ("front", "left", "right", "back")
"""The sides that a character is seen from; worlds with `facings=3` have no "back"."""


def facing_of(action: LocalAction) -> str:
    """The one of FACINGS that an action is seen from."""
    return action.name.partition("_")[2]


def is_walk(action: LocalAction) -> bool:
    """True for the animations of a moving character in the coupled world."""
    return animation_of(action) == "walk"


def walk_of(direction: GlobalAction, facings: int) -> LocalAction:
    """The walk that a character shows while it moves in `direction`. With 3 facings it is seen from the front going up.

    Raises:
        KeyError: `direction` is `stay`.
    """
    upwards = LocalAction.walk_back if facings == 4 else LocalAction.walk_front
    return {
        GlobalAction.left: LocalAction.walk_left,
        GlobalAction.right: LocalAction.walk_right,
        GlobalAction.up: upwards,
        GlobalAction.down: LocalAction.walk_front,
    }[direction]
