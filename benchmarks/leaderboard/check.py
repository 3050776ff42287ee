"""Checks folders of runs: `python -m benchmarks.leaderboard.check [FOLDER...]`. Exits with 1 if one does not hold. See RULES.md, 7.

Without folders, all runs of the repository are checked. For each: its files are those that it says, by hash; every file can be read and
says the same as the others; the training kept to its budget; no anchor is better than it can be; and the scores follow from what the score
file holds of each clip. The runs of a row have to be several runs of one system. Where the model can be loaded, it infers a sample of clips
again, drawn in this run: models without training always are; a trained one is `train/checkpoint.safetensors` in the folder.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.anchors import WITHOUT, unearned
from benchmarks.leaderboard.arguments import RUNS
from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, TRACKS, Entry
from benchmarks.leaderboard.files import wrong_files
from benchmarks.leaderboard.rates import wrong_rates
from benchmarks.leaderboard.record import CHECKPOINT, Record, RunFolder, cores_used, folders, has_gpu, read_run, read_text
from benchmarks.leaderboard.rows import wrong_rows
from benchmarks.leaderboard.training import FIRST, Plan, Saved, configuration, least_track, numbers_of
from glass_model.training.config import fields_of
from wsprites.bench.check import Finding, check, check_without_model, job_of
from wsprites.errors import UserError
from wsprites.fields import to_json
from wsprites.foreign import ForeignError

SLACK = 1.02
"""By which a training may be longer than its budget: the time that ending takes is not known before."""
_LISTED = {NONE, "anchor"}
"""Budget and track of systems in the list alone."""
_PACKAGES = {"numpy": "numpy", "h5py": "h5py", "pillow": "pillow", "sklearn": "scikit-learn"}
"""Packages whose versions a score file has, by the names there, and their names in lock.txt."""


def findings(folder: Path, *, sample: bool = True) -> Iterator[Finding]:
    """What a check of a folder finds.

    Args:
        folder: of a run.
        sample: whether a model that can be loaded infers clips again.

    Raises:
        UserError: a file is missing or damaged, or the model cannot be loaded.
        ForeignError: the model raised an exception.
    """
    yield from (Finding(False, line) for line in wrong_files(folder))
    run = read_run(folder)
    yield from (Finding(False, line) for line in _of_record(run))
    if (folder / "task.json").is_file():
        yield from (Finding(False, line) for line in wrong_rates(run, _world(run.record)))
    if run.record.system in WITHOUT and run.record.track == "anchor":
        wrong = unearned(run.record.system, run.scores)
        yield from (Finding(False, f"the anchor is better than its floor in {one.name}: this score is wrong") for one in wrong)
    if not sample:
        return
    if model := _at_hand(run):
        yield from check(run.scores, job_of(run.scores, model, ""))
    else:
        yield from check_without_model(run.scores)
        what = f"{CHECKPOINT} is not here" if run.record.model == CHECKPOINT else f"{run.record.model} is not in the list of systems"
        yield Finding(True, f"{what}: no clip was inferred again")


def _at_hand(run: RunFolder) -> str:
    """The name of the model of a run: its checkpoint, or a factory of ENTRIES, because others are a stranger's code; empty for neither."""
    if run.record.model == CHECKPOINT:
        return str(run.folder / CHECKPOINT) if (run.folder / CHECKPOINT).is_file() else ""
    entry = ENTRIES.get(run.record.system)
    return entry.model if entry and entry.model == run.record.model else ""


def _of_record(run: RunFolder) -> Iterator[str]:
    """A line for each thing that run.json says otherwise than score file, configuration, list of systems or place of the folder."""
    record, scores, entry = run.record, run.scores, ENTRIES.get(run.record.system)
    if run.folder.resolve().parts[-5:] != record.path.parts[-5:]:
        yield f"run.json says that it is {record.path}"
    if f"{scores.data.name}/{scores.settings.protocol}" != record.board or scores.system != record.system:
        yield f"scores.json is of {scores.system} on {scores.data.name}/{scores.settings.protocol}"
    if entry and (entry.track, entry.model or CHECKPOINT) != (record.track, record.model):
        yield f"{record.system} is of the track {entry.track}, and its model is {entry.model or CHECKPOINT}"
    if not entry and _LISTED & {record.budget, record.track}:
        yield f"{record.system} is not in the list of systems: a row without training, or an anchor, has to be in entries.py"
    if scores.settings.rollout_actions and record.track != "oracle":
        yield f"its video is driven by the true actions: the track is oracle, not {record.track}"
    if not record.evaluations:
        yield "it was scored, but says that it never was scored on test"
    if record.seed >= (seeds := BUDGETS[record.budget].runs):
        yield f"its seed is {record.seed}; runs of the budget {record.budget} have the seeds 0 to {seeds - 1}"
    trained = record.model == CHECKPOINT
    if trained == (record.budget == NONE):
        yield f"the budget is {record.budget}, and the model {record.model}"
    if trained:
        yield from _of_training(run.folder, record)
    yield from _of_packages(run)


def _of_packages(run: RunFolder) -> Iterator[str]:
    """A line for each package that was another in the scoring than lock.txt says."""
    lock = run.folder / "lock.txt"
    lines = read_text(lock).splitlines() if lock.is_file() else []  # that it is missing is another finding
    versions = {re.sub(r"[-_.]+", "-", name).lower(): version for name, _, version in (line.partition("==") for line in lines)}
    for name, package in _PACKAGES.items():
        scored, locked = run.scores.versions.get(name), versions.get(package)
        if lines and scored != locked:
            has = f"{package} {locked}" if locked else f"no {package}"
            yield f"lock.txt has {has}; scores.json was made with {scored or 'none'}"


def _world(record: Record) -> str:
    """The preset of a board."""
    return record.board.removeprefix("wsprites-").partition("-v1")[0]


def _of_training(folder: Path, record: Record) -> Iterator[str]:
    """A line for each way in which the training broke its budget or track, or is not that of the configuration and of the checkpoint."""
    training, budget = record.training, BUDGETS[record.budget]
    if budget.seconds and not 0 < training.seconds <= budget.seconds * SLACK:
        yield f"training took {training.seconds:,.0f} s; the budget {record.budget} is {budget.seconds:,} s"
    if not training.steps or not training.machine:
        yield "run.json does not say how many steps were done, or by which machine"
    if training.planned < training.steps:
        yield f"run.json says that {training.planned:,} steps were planned, fewer than the {training.steps:,} that were done"
    named = not budget.cores or re.search(r"\bcores?\b", training.machine)
    more = budget.cores and cores_used(training.machine) > budget.cores
    if budget.seconds and (not named or more or has_gpu(training.machine) != budget.gpu):
        what = "the processor and how many of its cores were used" if budget.cores else "the GPU"
        yield f"run.json says that the machine was {training.machine!r:.80}; the budget is {budget.words}: name {what}"
    try:
        config = configuration(read_text(folder / "config.json"))
    except UserError:
        yield "config.json is missing, or no configuration of a known system"
        return
    train, entry = config.train, ENTRIES.get(record.system)
    if (train.steps, train.seed, train.steps * train.batch * train.window) != (training.steps, record.seed, training.frames):
        yield "steps, seed or frames in run.json are not those of config.json"
    if training.parameters != (numbers := numbers_of(config)):
        yield f"run.json says that it has {training.parameters:,} parameters; the network of config.json has {numbers:,}"
    if TRACKS.index(least := least_track(config)) > TRACKS.index(record.track):
        yield f"config.json is of a training that sees more than the track {record.track} allows: its track is {least}"
    if entry and entry.kind and not _is_planned(config, Plan(record.system, entry, _world(record), record.budget, record.seed)):
        yield f"config.json is not that of {record.system} at the budget {record.budget}, or has more steps"
    if (folder / CHECKPOINT).is_file():
        yield from _of_checkpoint(folder, record, entry)


def _is_planned(config: Any, plan: Plan) -> bool:
    """Whether a configuration is that of a plan, of whose steps it may have fewer."""
    planned = plan.config
    same = replace(config, train=replace(config.train, steps=planned.train.steps)) == planned
    return bool(same and config.train.steps <= planned.train.steps)


def _of_checkpoint(folder: Path, record: Record, entry: Entry | None) -> Iterator[str]:
    """A line for each way in which a checkpoint is not of the configuration, the world of the board, the record or the track."""
    saved = Saved(folder / CHECKPOINT)
    same = json.loads(to_json(saved.config)) == json.loads(saved.json) and saved.json.encode() == (folder / "config.json").read_bytes()
    if not same or not saved.complete:
        yield "config.json is not the configuration in the checkpoint"
    made, training = saved.training(0, 0.0, ""), record.training
    if (made.steps, made.frames, made.parameters) != (training.steps, training.frames, training.parameters):
        yield f"the checkpoint has {made.steps:,} steps and {made.parameters:,} parameters; run.json says otherwise"
    if not saved.standard or saved.world != _world(record):
        yield f"the checkpoint did not learn from the stream of the world {_world(record)}"
    if entry and entry.first and not saved.is_of(Plan(record.system, entry, _world(record), record.budget, record.seed)):
        yield f"train/{FIRST} is not what {record.system} trains first at the budget {record.budget}"
    if saved.helped and record.track != "guided":
        yield f"the checkpoint learned with weights from elsewhere: its track is guided, not {record.track}"
    if record.track == "unsupervised" and fields_of(saved.config):
        yield f"the checkpoint learned from {', '.join(fields_of(saved.config))}: its track is not unsupervised"


def _checked(folder: Path, *, sample: bool) -> list[Finding]:
    """The findings of a folder, which is of a stranger: whatever goes wrong with it is one, and no end of the check."""
    found: list[Finding] = []
    try:
        found.extend(findings(folder, sample=sample))
    except (UserError, ForeignError) as error:
        found.append(Finding(False, str(error)))
    except Exception as error:
        found.append(Finding(False, f"it cannot be checked: {type(error).__name__}: {' '.join(str(error).split())[:200]}"))
    return found


def _checked_rows(runs: Sequence[Path]) -> int:
    """Print what is wrong with the rows of some runs, and with their boards. Returns the number of those."""
    wrong = wrong_rows(runs)
    for name, lines in wrong.items():
        print(f"check    {name}, all runs")
        print("".join(f"FAILED   {line}\n" for line in lines), end="")
    return len(wrong)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 if a run does not hold, with 2 if there is none."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaderboard.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of runs, or folders that hold some  [all runs]")
    parser.add_argument("--no-sample", action="store_true", help="files and hashes alone: nothing is rendered or inferred")
    given = parser.parse_args(arguments)
    below = {folder: folders(folder) for folder in given.folders or [RUNS]}
    for folder, runs in below.items():
        if not runs:
            what = "no run in this folder; name one with a run.json, or one that holds some" if folder.is_dir() else "no such folder"
            print(f"{folder}: {what}", file=sys.stderr)
            sys.exit(2)
    every = [*dict.fromkeys(run for runs in below.values() for run in runs)]
    failed = 0
    for folder in every:
        print(f"check    {folder}")
        found = _checked(folder, sample=not given.no_sample)
        for finding in found:
            print(f"{'ok      ' if finding.fine else 'FAILED  '} {finding.text}", flush=True)
        failed += any(not finding.fine for finding in found)
    rows = _checked_rows(every)
    print(f"{len(every) - failed} of {len(every)} runs hold" + f", but {rows} rows or boards do not" * bool(rows))
    sys.exit(1 if failed or rows else 0)


if __name__ == "__main__":
    main()
