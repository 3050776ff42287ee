"""The speedrun: as few minutes as possible on two cores until codes tell the local action. Makes and checks records, and docs/speedrun.md.

    python -m benchmarks.leaderboard.speedrun add NAME --changes "what is new" benchmarks/leaderboard/runs/.../seed-*
    python -m benchmarks.leaderboard.speedrun check

`add` lets the checkpoints of at least five runs of one configuration, made by `benchmarks.leaderboard.run`, read the val clips of the
standard world, and writes speedrun/NAME.json if the target is reached. `check` computes every record again from the codes that its file
holds, and writes the page. Test clips are never read.
"""

import argparse
import hashlib
import json
import math
import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.leaderboard.entries import BUDGETS
from benchmarks.leaderboard.record import CHECKPOINT, Record, cores_used, escaped, has_gpu, read_record, sha256
from benchmarks.leaderboard.training import Saved
from glass_model.training.config import fields_of
from wsprites.bench.data import Part, standard
from wsprites.bench.evaluation import collect
from wsprites.bench.load import load_model
from wsprites.bench.metrics.actions import SOURCES, Laid, values
from wsprites.bench.packed import Packed, packed
from wsprites.bench.protocol import MAX_CODES
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file

RECORDS, PAGE = Path(__file__).parent / "speedrun", Path(__file__).parents[2] / "docs" / "speedrun.md"
WORLD, TARGET, LEVEL, RUNS = "factorial", 0.3, 0.01, 5
"""World, the least mean of local.conditional, the largest p-value of a mean above it, and the least number of seeds."""
_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
_DATE = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_LOCAL = SOURCES.index("local")
_MAX_BYTES, _TOLERANCE, _CORES = 2**22, 1e-6, 2
_TRACKED = ("unsupervised",)
"""The track that records are of."""


class Entry(NamedTuple):
    """A record that was computed again from its file."""

    name: str
    date: str
    changes: str
    machine: str
    minutes: tuple[float, ...]
    scores: tuple[float, ...]
    inferred: tuple[str, ...]
    """Hashes of the checkpoints, and those of the codes that they infer: no two runs have the same."""

    @property
    def p(self) -> float:
        """Probability of such a mean, or a larger one, where the true mean is the target (t-test)."""
        return p_value(self.scores)


def p_value(scores: Sequence[float]) -> float:
    """The p-value of a mean above TARGET, one-sided; 1 where all scores are the same, which no five trainings have.

    Example:
        >>> p_value([0.34, 0.36, 0.35, 0.37, 0.33]) < 0.01 < p_value([0.29, 0.35, 0.31, 0.33, 0.28])
        True
    """
    from scipy.stats import ttest_1samp

    if np.ptp(scores) == 0:
        return 1.0
    return float(ttest_1samp(scores, TARGET, alternative="greater").pvalue)


@cache
def val() -> Part:
    """The val clips of the standard world."""
    return standard(f"wsprites-{WORLD}-v1").fit


def conditional(code_nt: NDArray[Any]) -> float:
    """local.conditional of codes of the val clips. It has no map from codes to actions, so that nothing is fitted."""
    code = code_nt.astype(np.int64)
    laid = Laid(code, val().sources(), int(code.max()) + 1)
    return values(laid, laid, [_LOCAL])[0]["local.conditional"]


# Making a record.


def add(name: str, changes: str, folders: Sequence[Path], *, records: Path = RECORDS) -> Entry:
    """Write the record of runs whose checkpoints are in their folders.

    Raises:
        UserError: too few runs, runs of several configurations or of no two cores, or the target is not reached.
    """
    if not _NAME.fullmatch(name) or (records / f"{name}.json").exists():
        raise ArgumentError("name", f"{name!r:.60} exists, or is no name of a-z, 0-9 and -")
    folders = sorted(folders, key=lambda folder: read_record(folder).seed)
    runs = [read_record(folder) for folder in folders]
    _check_runs(runs, [Saved(folder / CHECKPOINT) for folder in folders])
    read = [collect(load_model(str(folder / CHECKPOINT)), val())[0] for folder in folders]
    if not all("codes" in arrays for arrays in read):
        raise UserError("the models infer no codes")
    kept = [packed(arrays["codes"], "u2") for arrays in read]
    entry: dict[str, Any] = {"name": name, "date": datetime.now(UTC).date().isoformat(), "changes": changes, "system": runs[0].system}
    entry |= {"machine": runs[0].training.machine, "commit": runs[0].commit, "command": runs[0].command}
    entry["runs"] = [
        {
            "seed": run.seed,
            "minutes": run.training.seconds / 60,
            "steps": run.training.steps,
            "checkpoint": sha256(folder / CHECKPOINT),
            "local.conditional": conditional(arrays["codes"]),
            "codes": {"shape": code.shape, "text": code.text},
        }
        for run, folder, arrays, code in zip(runs, folders, read, kept, strict=True)
    ]
    text = json.dumps(entry, indent=1) + "\n"
    made = parse(text)
    replace_file(records / f"{name}.json", text.encode())
    return made


def _check_runs(runs: Sequence[Record], saved: Sequence[Saved]) -> None:
    """Raise UserError unless these are runs of one configuration of the track, with seeds from 0, on two cores of one machine."""
    configs = [[of.config for of in one.chain] for one in saved]
    seeds, train = sorted(run.seed for run in runs), {re.sub(r"\bseed=\d+", "", str(config)) for config in configs}
    if len(runs) < RUNS or seeds != [*range(len(runs))] or seeds != sorted(one.config.train.seed for one in saved):
        raise UserError(f"the seeds are {', '.join(map(str, seeds))}; a record needs 0 to {RUNS - 1} at least, each once and none left out")
    if not all(one.complete and one.standard and not one.helped and not fields_of(one.config) for one in saved):
        raise UserError("not all runs are complete, learned from the stream of a preset, and saw frames alone")
    if len(train) > 1 or {one.world for one in saved} != {WORLD}:
        raise UserError(f"the runs are not all of one configuration, in the world {WORLD}, with as many steps")
    if {run.track for run in runs} != {*_TRACKED} or len({run.training.machine for run in runs}) > 1:
        raise UserError("the runs are not all of the track unsupervised, and of one machine")
    if any(BUDGETS[run.budget].cores != _CORES or not _is_small(run.training.machine) for run in runs):
        raise UserError("the runs are not on two cores; train them at the budget minutes or hour")


def _is_small(machine: str) -> bool:
    """Whether the name of a machine says no more than two cores, and no GPU."""
    return cores_used(machine) <= _CORES and not has_gpu(machine)


# Checking records.


def parse(text: str) -> Entry:
    """A record, computed again from the codes that it holds; it may come from an untrusted source.

    Raises:
        UserError: not a record, another value than its codes have, or one that does not reach the target.
    """
    try:
        record = json.loads(text)
        words = [str(record[name])[:500] for name in ("name", "date", "changes", "machine")]
        runs = [(float(run["minutes"]), float(run["local.conditional"]), _codes(run["codes"])) for run in record["runs"]]
        seeds, steps, files = ([run[name] for run in record["runs"]] for name in ("seed", "steps", "checkpoint"))
        if not all(re.fullmatch("[0-9a-f]{64}", str(file)) for file in files):
            raise ValueError("a checkpoint without its SHA-256")
        inferred = (*files, *(hashlib.sha256(code.tobytes()).hexdigest() for *_, code in runs))
        if len({*inferred}) < len(inferred):
            raise ValueError("a checkpoint is there twice, or two infer the same codes")
        if seeds != [*range(len(runs))] or len(set(steps)) > 1:
            raise ValueError("the seeds are not 0, 1, 2 and so on, or the steps not equal")
        if not _NAME.fullmatch(words[0]) or not _DATE.fullmatch(words[1]) or not datetime.fromisoformat(words[1]):
            raise ValueError("a name that is not of a-z, 0-9 and -, or a date that is not of the form 2026-01-31")
        if not all(word.isprintable() for word in words) or not all(0 < minutes < math.inf for minutes, *_ in runs):
            raise ValueError("a text that is not a line, or no time")
        if not _is_small(words[3]):
            raise ValueError("a machine of more than two cores, or with a GPU")
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError, MemoryError) as error:
        raise UserError(f"not a record of the speedrun ({str(error)[:100]})") from None
    scores = []
    for number, (_, said, code) in enumerate(runs):
        scores.append(conditional(code))
        if not abs(scores[-1] - said) <= _TOLERANCE:  # of NaN as well
            raise UserError(f"run {number} says {said:.6f}; its codes have {scores[-1]:.6f}")
    entry = Entry(words[0], words[1], words[2], words[3], tuple(run[0] for run in runs), tuple(scores), inferred)
    if len(runs) < RUNS or not (fmean(scores) >= TARGET and entry.p < LEVEL):
        raise UserError(f"{len(runs)} runs with a mean of {fmean(scores):.3f}, p = {entry.p:.3g}: the target is {TARGET} at p < {LEVEL}")
    return entry


def _codes(stored: dict[str, Any]) -> NDArray[Any]:
    """(N, T-1) codes of the val clips. Raises ValueError for others."""
    code = Packed("u2", tuple(map(int, stored["shape"])), stored["text"]).array()
    if code.shape != (len(val()), val().spec.frames - 1) or code.max() >= MAX_CODES:
        raise ValueError(f"codes of the shape {code.shape}")
    return code


def entries(records: Path = RECORDS) -> list[Entry]:
    """All records, the oldest first.

    Raises:
        UserError: a record does not hold, has another name than its file, or has a run of another one; the message names the file.
    """
    found = []
    of_whom: dict[str, Path] = {}
    for path in sorted(records.glob("*.json")):
        try:
            if path.stat().st_size > _MAX_BYTES:
                raise UserError(f"more than {_MAX_BYTES // 2**20} MiB")
            entry = parse(path.read_text(encoding="utf-8"))
            if entry.name != path.stem:
                raise UserError(f"its name is {entry.name}; name the file as the record")
            if other := next((of_whom[digest] for digest in entry.inferred if digest in of_whom), None):
                raise UserError(f"a checkpoint, or what it infers, is that of {other.name}; a record has runs of its own")
        except (UserError, OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path}: {error}") from None
        found.append(entry)
        of_whom |= dict.fromkeys(entry.inferred, path)
    return sorted(found, key=lambda entry: (entry.date, -fmean(entry.minutes)))


_RULES = f"""# Speedrun

Minutes of training on two cores until codes tell the local action: a mean of `local.conditional` of at least {TARGET} on the `val` clips of
`wsprites-{WORLD}-v1`, over {RUNS} seeds or more, and above it at p < {LEVEL} (one-sided t-test over seeds). Made by
`python -m benchmarks.leaderboard.speedrun check` from `benchmarks/leaderboard/speedrun`.

1. Anything in a model and its training may change. The world, its clips and the benchmark stay as they are, and so does the track: frames
   alone, no labels, no weights from elsewhere.
2. Training clips are rendered from `train` of any seed but the published one, in the time of training. Test clips are never read.
3. The time is that of the whole training as `benchmarks.leaderboard.run` measures it, on two cores of a named processor; the mean over the
   seeds counts. All runs have the same number of steps: none is stopped when it happens to be good.
4. A record says what it changed. A pull request has its file, made by `speedrun add`, and the code. A maintainer trains it again on one
   machine with the record before it, because minutes of different machines are not compared.
5. Seeds 0 to {RUNS - 1} at least, none left out.

"""


def page(found: Sequence[Entry]) -> str:
    """docs/speedrun.md."""
    if not found:
        return _RULES + "There is no record yet.\n"
    rows = ["| date | name | minutes, mean (range) | local.conditional, mean | p | seeds | machine | what it changed |"]
    rows.append("| --- | --- | ---: | ---: | ---: | ---: | --- | --- |")
    for entry in found:
        times = f"**{fmean(entry.minutes):.1f}** ({min(entry.minutes):.1f} to {max(entry.minutes):.1f})"
        numbers = f"{fmean(entry.scores):.3f} | {entry.p:.2g} | {len(entry.scores)}"
        date, name, machine, changes = map(escaped, (entry.date, entry.name, entry.machine, entry.changes))
        rows.append(f"| {date} | {name} | {times} | {numbers} | {machine} | {changes} |")
    return _RULES + "\n".join(rows) + "\n"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 2 for a record that does not hold or cannot be made."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaderboard.speedrun", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True)
    adding = commands.add_parser("add", help="make a record of runs")
    adding.add_argument("name", help="a-z, 0-9 and -")
    adding.add_argument("folders", nargs="+", type=Path, metavar="FOLDER", help="folders of runs, with their checkpoints")
    adding.add_argument("--changes", required=True, help="what is new, in a line")
    commands.add_parser("check", help="compute all records again, and write the page")
    given = parser.parse_args(arguments)
    try:
        if given.command == "add":
            made = add(given.name, given.changes, given.folders)
            print(f"{made.name}: {fmean(made.minutes):.1f} minutes, local.conditional {fmean(made.scores):.3f}, p = {made.p:.2g}")
        found = entries()
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    replace_file(PAGE, page(found).encode())
    print(f"done: {PAGE}: {len(found)} records")


if __name__ == "__main__":
    main()
