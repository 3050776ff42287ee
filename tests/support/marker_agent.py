"""An agent that solves the task of the environments."""

import numpy as np

from wsprites.world.actions import GlobalAction, LocalAction


def towards(marker: np.ndarray, position: np.ndarray, step: int = 7) -> tuple[int, int]:
    """The action that brings a character closer to its marker, or a slash at it."""
    x, y = (marker.astype(int) - position).tolist()
    if abs(x) > step:
        return (GlobalAction.right, LocalAction.walk_right) if x > 0 else (GlobalAction.left, LocalAction.walk_left)
    if abs(y) > step:
        return (GlobalAction.down if y > 0 else GlobalAction.up), LocalAction.walk_front
    return GlobalAction.stay, LocalAction.slash_right
