"""Which baselines of a score are floors, which of them is the strongest, and what the ceiling is."""

import math
from typing import NamedTuple

from wsprites.bench.direction import rule_of
from wsprites.bench.scores import Entry

_CEILINGS = ("oracle", "best_code")
_MODELS = ("classical",)
"""Baselines that are models, which are neither floors nor ceilings."""
_MOTION = ("control.shift.", "drift.position.", "transfer.position.")
_TOLD = {"direction": ("global.", "shift.", "vectors.global."), "shift_only": _MOTION, "random_codes": _MOTION}
"""Beginnings of the names of scores that ask for what a baseline is told: for these it is no floor."""
_WITHOUT = ("codes.", "leakage.", "reader.")
"""Scores of which neither more nor less is what a better predictor has: they have no strongest floor."""


class Baseline(NamedTuple):
    """One baseline of a score."""

    name: str
    value: float


def less_is_better(name: str) -> bool:
    """True for errors, and for responses to what is no action; False for scores that this version does not know."""
    try:
        return rule_of(name).better == "less"
    except KeyError:  # of a file by another version
        return False


def is_floor(who: str, name: str) -> bool:
    """True if a baseline does not know what a score asks for."""
    return who not in (*_CEILINGS, *_MODELS) and not name.startswith(_TOLD.get(who, ()))


def strongest_floor(name: str, entry: Entry) -> Baseline | None:
    """The best of the floors of a score: the largest value, or the smallest where less is better. None if it has no floor.

    Example:
        >>> entry = Entry(0.6, 0.5, 0.7, "", 9, {"random": 0.1, "state_only": 0.8, "direction": 0.5, "oracle": 1.0})
        >>> strongest_floor("vectors.local.linear", entry)
        Baseline(name='state_only', value=0.8)
    """
    floors = [Baseline(who, value) for who, value in sorted(entry.baselines.items()) if is_floor(who, name) and not math.isnan(value)]
    if not floors or name.startswith(_WITHOUT):
        return None
    return (min if less_is_better(name) else max)(floors, key=lambda floor: floor.value)


def ceiling(name: str, entry: Entry) -> Baseline | None:
    """The predictor that knows everything; None if the score has none.

    It is the same for every number of codes; what K codes can do at most is the baseline "best_code".
    """
    value = math.nan if name.startswith(_WITHOUT) else entry.baselines.get("oracle", math.nan)
    return None if math.isnan(value) else Baseline("oracle", value)
