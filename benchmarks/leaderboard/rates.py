"""Whether the rates of success in a task.json are possible: complete, of all draws, and without a model those that they always are."""

import json
from collections.abc import Iterator
from statistics import fmean
from typing import Any

from benchmarks.leaderboard.entries import SHARES
from benchmarks.leaderboard.record import RunFolder, read_text
from benchmarks.leaderboard.task import DRAWS, NAME, TRIALS

SHARED = {
    ("marker-1", "factorial"): {
        "true": (1.0,),
        "none": (0.08, 0.08, 0.074, 0.072, 0.068),
        "labels-0.1": (0.012, 0.0, 0.0, 0.0, 0.072),
        "labels-1": (0.868, 0.346, 0.326, 0.65, 0.988),
        "labels-10": (0.938, 1.0, 0.99, 1.0, 0.998),
    }
}
"""Rates of the draws that need no model, by version of the task and world: the same for all runs."""
_LATENTS = tuple(f"latents-{share}" for share in SHARES)
COUNTS = dict.fromkeys(("none", *_LATENTS, *(f"labels-{share}" for share in SHARES)), DRAWS) | {"true": 1}
"""Number of draws by name."""


def wrong_rates(run: RunFolder, world: str) -> Iterator[str]:
    """A line for each reason why task.json cannot be the results of a run."""
    try:
        task = json.loads(read_text(run.folder / "task.json"))
        about, draws = (task["task"], task["world"], task["model"]), {**task["draws"]}
    except (ValueError, KeyError, TypeError, RecursionError, MemoryError):
        yield "task.json is damaged"
        return
    if about != (NAME, world, run.scores.hashes and run.scores.hashes.model):
        yield "task.json is of another model or world than scores.json, or of another version of the task"
    if not draws and not run.success:
        if any(name.partition("/")[2] in ("codes", "vectors", "shift") for name in run.scores.per_clip):
            yield "task.json has no rates, although the model infers codes, vectors or shifts"
        return
    if draws.keys() != COUNTS.keys() or not all(_are_rates(draws[name], count) for name, count in COUNTS.items()):
        yield f"task.json does not have {DRAWS} rates of {TRIALS} episodes for each of {', '.join(COUNTS)}, and one for true"
        return
    if draws.keys() != run.success.keys() or any(abs(fmean(draws[name]) - rate) > 6e-5 for name, rate in run.success.items()):  # rounded
        yield "the rates of success in task.json are not the means of its draws"
    for name, always in SHARED.get((NAME, world), {}).items():
        if tuple(draws[name]) != always:
            yield f"task.json has the rates {draws[name]} for {name}, which needs no model; they are always {[*always]}"


def _are_rates(values: Any, count: int) -> bool:
    """Whether a value of a file is a list of shares of TRIALS episodes."""
    if not isinstance(values, list) or len(values) != count:
        return False
    numbers = all(type(value) in (int, float) and 0 <= value <= 1 for value in values)  # false for NaN
    return numbers and all(abs(value * TRIALS - round(value * TRIALS)) < 1e-6 for value in values)
