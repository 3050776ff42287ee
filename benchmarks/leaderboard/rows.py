"""Whether the runs of a row are several runs of one system, and all runs of a board of the same data and task. See RULES.md, 5."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.record import CHECKPOINT, RunFolder, folders, read_run, read_text
from wsprites.errors import UserError


def wrong_rows(runs: Iterable[Path]) -> dict[str, list[str]]:
    """A line for each thing that is wrong with all runs of a row, or of a board, by its name; nothing of those that hold.

    The other runs of the rows are read as well. Those that cannot be read are left out: the check of their folder says why.
    """
    rows = {folder.absolute().parent: list[RunFolder]() for folder in runs}
    for place, found in rows.items():
        for folder in folders(place):
            with suppress(Exception):
                found.append(read_run(folder))
    boards: dict[str, list[RunFolder]] = {}
    for run in (run for found in rows.values() for run in found):
        boards.setdefault(run.record.board, []).append(run)
    wrong = {"/".join(place.parts[-4:]): [*_of_row(found)] for place, found in rows.items()}
    wrong |= {board: [*_of_board(found)] for board, found in boards.items()}
    return {name: lines for name, lines in wrong.items() if lines}


def _of_board(runs: Sequence[RunFolder]) -> Iterator[str]:
    """A line for each thing in which the runs of a board differ, although they cannot."""
    if len({run.scores.data.sha256 for run in runs}) > 1:
        yield "its runs are not of the same data"
    known = [{name: rate for name, rate in run.success.items() if not name.startswith("latents-")} for run in runs if run.success]
    if any(rates != known[0] for rates in known):
        yield "its runs differ in the rates of the task that need no model; score the task again"


def _of_row(runs: Sequence[RunFolder]) -> Iterator[str]:
    """A line for each thing in which the runs of a row differ, although it is not their seed, and for each run that is there twice."""
    same = {
        "track": lambda run: run.record.track,
        "description": lambda run: run.record.words,
        "model": lambda run: run.record.model,
        "number of planned steps": lambda run: run.record.training.planned,
        "number of parameters": lambda run: run.record.training.parameters,
        "data": lambda run: run.scores.data.sha256,
        "kind of rollouts": lambda run: run.scores.settings.rollout_actions,
        "configuration": _config_but_for_seed,
    }
    for what, of in same.items():
        values = [of(run) for run in runs]
        if other := next((at for at, value in enumerate(values) if value != values[0]), 0):
            yield f"{runs[0].folder.name} and {runs[other].folder.name} differ in their {what}; runs of a row differ in their seed alone"
    trained = [run for run in runs if run.record.model == CHECKPOINT]
    unknown = [run.folder.name for run in trained if not (run.scores.hashes and run.scores.hashes.model)]
    yield from (f"scores.json of {name} does not have the hash of its model; score the checkpoint again" for name in unknown)
    for number, run in enumerate(trained):
        for other_run in trained[:number]:
            if _is_same(run, other_run):
                yield f"{other_run.folder.name} and {run.folder.name} are of the same model; give each run once"


def _config_but_for_seed(run: RunFolder) -> Any:
    """The configuration of a run without its seed, and without steps: the time of a budget may be over before the last one."""
    try:
        config = json.loads(read_text(run.folder / "config.json"))
        train = {name: value for name, value in config["train"].items() if name not in ("seed", "steps")}
    except (UserError, ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        return None  # none, or one that the check of the folder finds
    return {**config, "train": train}


def _is_same(run: RunFolder, other: RunFolder) -> bool:
    """Whether two runs are of one checkpoint, or infer vectors of the same length from every clip."""
    hashes = [one.scores.hashes.model for one in (run, other) if one.scores.hashes and one.scores.hashes.model]
    vectors = [one.scores.per_clip["test/vectors"] for one in (run, other) if "test/vectors" in one.scores.per_clip]
    return any(len(pair) == 2 and pair[0] == pair[1] for pair in (hashes, vectors))
