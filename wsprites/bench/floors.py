"""Which baselines of a score are floors, which of them is the strongest, and what its ceiling is."""

import math
from typing import Literal, NamedTuple

from wsprites.bench.scores import Entry

Better = Literal["high", "low", "neither"]

_CEILINGS = ("oracle", "best_code")
_MODELS = ("classical",)
"""Baselines that are models, which are neither floors nor ceilings."""
_TOLD_DIRECTION = ("global.", "shift.", "vectors.global.")
"""Scores of what the baseline "direction" is told: for these it is no floor."""
_NEITHER_BETTER = ("leakage.", "codes.", "background.", "vectors.background.", "reader.")
_LESS_IS_BETTER = ("null.", "nuisance.", "consistency.vectors")


class Baseline(NamedTuple):
    """One baseline of a score."""

    name: str
    value: float


def better(name: str, unit: str) -> Better:
    """Whether more or less of a score is better, by its name and unit."""
    if name.startswith(_NEITHER_BETTER):
        return "neither"
    return "low" if unit in ("px", "distance") or name.startswith(_LESS_IS_BETTER) else "high"


def is_floor(who: str, name: str) -> bool:
    """True if a baseline does not know what a score asks for."""
    return who not in (*_CEILINGS, *_MODELS) and not (who == "direction" and name.startswith(_TOLD_DIRECTION))


def strongest_floor(name: str, entry: Entry) -> Baseline | None:
    """The best of the floors of a score: the largest value, or the smallest where less is better. None if it has no floor.

    Example:
        >>> entry = Entry(0.6, 0.5, 0.7, "", 9, {"random": 0.1, "state_only": 0.8, "direction": 0.5, "oracle": 1.0})
        >>> strongest_floor("vectors.local.linear", entry)
        Baseline(name='state_only', value=0.8)
    """
    direction = better(name, entry.unit)
    floors = [Baseline(who, value) for who, value in sorted(entry.baselines.items()) if is_floor(who, name) and not math.isnan(value)]
    if not floors or direction == "neither":
        return None
    return (max if direction == "high" else min)(floors, key=lambda floor: floor.value)


def ceiling(name: str, entry: Entry) -> Baseline | None:
    """The predictor that knows everything; None if the score has none."""
    value = math.nan if better(name, entry.unit) == "neither" else entry.baselines.get("oracle", math.nan)
    return None if math.isnan(value) else Baseline("oracle", value)
