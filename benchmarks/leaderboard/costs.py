"""What the training of a row took, as text: the same for all of its runs, or a range."""

from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import NamedTuple

from benchmarks.leaderboard.board import Row
from benchmarks.leaderboard.record import Record
from glass_model.systems import find
from glass_model.training.config import load_config
from wsprites.errors import ArgumentError

ABOUT = (
    "Minutes are the median of whole trainings; where runs differ in something else, its range is shown. Steps, frames and parameters are "
    "those of the last training of a run: behind “after” are the steps of what was trained first, in the same time, whose frames and "
    "parameters are not counted. What a row of the track guided was given is not counted either."
)
"""What the numbers mean."""


class Costs(NamedTuple):
    """What a row took; all but `machines` are empty without training."""

    steps: str
    frames: str
    parameters: str
    machines: tuple[str, ...]


def costs(row: Row) -> Costs:
    """The costs of all runs of a row."""
    machines = tuple(dict.fromkeys(run.record.training.machine for run in row.runs if run.record.training.machine))
    if not any(run.record.training.steps for run in row.runs):
        return Costs("", "", "", machines)
    records = [run.record for run in row.runs]
    steps, planned = (_range(records, of) for of in (lambda one: one.training.steps, lambda one: one.training.planned))
    ended = any(one.training.planned > one.training.steps for one in records)
    first = dict.fromkeys(" and ".join(f"{steps:,}" for steps in steps_before(one.command)) for one in records)
    after = " or ".join(filter(None, first))
    return Costs(
        steps + f" of {planned}" * ended + f" after {after}" * bool(after),
        _range(records, lambda one: one.training.frames),
        _range(records, lambda one: one.training.parameters),
        machines,
    )


def _range(records: Sequence[Record], of: Callable[[Record], int]) -> str:
    """One number, or the smallest and the largest."""
    values = [of(one) for one in records]
    return f"{min(values):,}" if min(values) == max(values) else f"{min(values):,} to {max(values):,}"


def steps_before(command: str) -> tuple[int, ...]:
    """The steps of the trainings before the last one of a command; empty if there are none, or if one is no training of this repository.

    Example:
        >>> steps_before("wsprites train --preset tiny --set=train.steps=600 --out a && wsprites train --system lam --gma a --out b")
        (600,)
    """
    try:
        return tuple(_steps(part.split()) for part in command.split(" && ")[:-1])
    except (ArgumentError, ValueError):
        return ()


def _steps(words: Sequence[str]) -> int:
    """The steps of a training. Raises ArgumentError for one that is not possible, ValueError for what is no training."""
    if words[:2] != ["wsprites", "train"]:
        raise ValueError(words[:2])
    apart = [part for word in words for part in (word.split("=", 1) if word.startswith("--") else [word])]  # --set=a=b is --set a=b
    given = dict(pairwise(apart))
    settings = [value for word, value in pairwise(apart) if word == "--set"]
    settings += [f"train.steps={given['--steps']}"] if "--steps" in given else []
    presets = find(given.get("--system", "glass")).PRESETS
    config = load_config(presets, given.get("--preset", next(iter(presets))), settings)
    return int(config.train.steps)
