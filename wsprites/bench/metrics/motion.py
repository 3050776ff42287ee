"""Predicted against true shifts. Axis suffixes: n clips, t transitions, 2 = (x, y). All in pixels, x to the right and y down."""

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics.interval import Clusters, Score, quantile, ratio
from wsprites.world.actions import DELTA_XY, GlobalAction

Floats = NDArray[np.floating]

_OPPOSITE = np.array([np.flatnonzero((-DELTA_XY[action] == DELTA_XY).all(-1))[0] for action in GlobalAction])
"""(5,) the GlobalAction that undoes each one."""


def error(shift_2: Floats, true_2: NDArray[np.number]) -> Floats:
    """(...) px: Euclidean distance between shifts; the released evaluator's "shift norm", with both in pixels."""
    distance: Floats = np.linalg.norm(np.asarray(shift_2, np.float64) - true_2, axis=-1)
    return distance


def within_45_degrees(shift_2: Floats, true_2: NDArray[np.number]) -> NDArray[np.bool_]:
    """(...) True where the cosine between the shifts is above 1/sqrt 2 (released evaluator); False where one of them is 0."""
    dot = (np.asarray(shift_2, np.float64) * true_2).sum(-1)
    norms = np.linalg.norm(shift_2, axis=-1) * np.linalg.norm(true_2, axis=-1)
    inside: NDArray[np.bool_] = dot > norms * np.sqrt(0.5) + 1e-12
    return inside


def action_of(shift_2: Floats, step: float) -> NDArray[np.int64]:
    """(...) GlobalAction: the direction of the larger component; `stay` where both are below half a step."""
    x, y = np.moveaxis(np.asarray(shift_2, np.float64), -1, 0)
    sideways = np.where(x < 0, GlobalAction.left, GlobalAction.right)
    upright = np.where(y < 0, GlobalAction.up, GlobalAction.down)
    moved = np.where(np.abs(x) >= np.abs(y), sideways, upright)
    return np.where(np.maximum(np.abs(x), np.abs(y)) < step / 2, GlobalAction.stay, moved)


def r2(shift_2: Floats, true_2: NDArray[np.number]) -> Floats:
    """(2,) share of the variance of x and of y that is explained, at most 1. Leading axes are samples; NaN without variance."""
    true = np.asarray(true_2, np.float64).reshape(-1, 2)
    residual = ((np.asarray(shift_2, np.float64).reshape(-1, 2) - true) ** 2).sum(0)
    total = ((true - true.mean(0)) ** 2).sum(0)
    return np.where(total > 0, 1 - residual / np.where(total > 0, total, 1), np.nan)


def scores(
    shift_nt2: Floats, true_nt2: NDArray[np.number], action_nt: NDArray[np.integer], step: int, clusters: Clusters
) -> dict[str, Score]:
    """Scores of predicted shifts.

    Args:
        shift_nt2, true_nt2: (N, T-1, 2) px.
        action_nt: (N, T-1) GlobalAction of the motion on the screen.
        step: Length of a whole step, px.
        clusters: the groups of the clips.

    Returns:
        `mean`, `median`, `p95` of the error; `angle`, the share of moving transitions whose direction is right within 45 degrees;
        `action_accuracy` of the 5-way action, over all transitions but those that an edge cut short; and `clipped.mean`,
        `clipped.angle` of these alone.
    """
    distance, inside = error(shift_nt2, true_nt2), within_45_degrees(shift_nt2, true_nt2)
    moves = np.any(true_nt2 != 0, axis=-1)
    clipped = moves & (np.abs(true_nt2).max(-1) < step)
    hits = action_of(shift_nt2, step) == action_nt

    def share(value: NDArray[np.generic], among: NDArray[np.bool_], unit: str = "") -> Score:
        return ratio((value * among).sum(1), among.sum(1), clusters, unit=unit)

    return {
        "mean": share(distance, np.ones_like(moves), "px"),
        "median": quantile(distance, 0.5, clusters, unit="px"),
        "p95": quantile(distance, 0.95, clusters, unit="px"),
        "angle": share(inside, moves),
        "action_accuracy": share(hits, ~clipped),
        "clipped.mean": share(distance, clipped, "px"),
        "clipped.angle": share(inside, clipped),
    }


def shift_of(action_nt: NDArray[np.integer], step: int) -> NDArray[np.int64]:
    """(..., 2) px: the shift of whole steps in the direction of each GlobalAction."""
    return np.asarray(step * DELTA_XY[action_nt])


def opposite(action_nt: NDArray[np.integer]) -> NDArray[np.int64]:
    """(...) GlobalAction of the opposite motion: that of the scene on the screen when its crop moves by `action`."""
    return np.asarray(_OPPOSITE[action_nt])
