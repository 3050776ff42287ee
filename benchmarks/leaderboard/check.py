"""Checks folders of runs: `python -m benchmarks.leaderboard.check [FOLDER...]`. Exits with 1 if one does not hold. See RULES.md, 7.

Without folders, all runs of the repository are checked. For each: its files are those that it says, by hash; every file can be read and
says the same as the others; the training kept to its budget; no anchor is better than it can be; and the scores follow from what the score
file holds of each clip. Where the model can be loaded, it infers a sample of clips again, drawn in this run: models without training always
are; a trained one is `train/checkpoint.safetensors` in the folder.
"""

import argparse
import json
import operator
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.leaderboard.anchors import WITHOUT, unearned
from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, Entry
from benchmarks.leaderboard.record import CHECKPOINT, FILES, SUMS, Record, RunFolder, folders, hashed, read_run, read_text, sums
from benchmarks.leaderboard.run import RUNS
from benchmarks.leaderboard.task import NAME
from benchmarks.leaderboard.training import FIRST, Plan, Saved
from glass_model.training.config import fields_of
from wsprites.bench.check import Finding, check, check_without_model, job_of
from wsprites.bench.data import STANDARD_WORLD
from wsprites.errors import UserError
from wsprites.fields import to_json
from wsprites.foreign import ForeignError

SLACK = 1.02
"""By which a training may be longer than its budget: the time that ending takes is not known before."""


def findings(folder: Path, *, sample: bool = True) -> Iterator[Finding]:
    """What a check of a folder finds.

    Args:
        folder: of a run.
        sample: whether a model that can be loaded infers clips again.

    Raises:
        UserError: a file is missing or damaged, or the model cannot be loaded.
        ForeignError: the model raised an exception.
    """
    yield from _of_files(folder)
    run = read_run(folder)
    yield from _of_record(run)
    if run.record.system in WITHOUT and run.record.track == "anchor":
        wrong = unearned(run.record.system, run.scores)
        yield from (Finding(False, f"the anchor is better than its floor in {one.name}: this score is wrong") for one in wrong)
    if not sample:
        return
    if model := _at_hand(run):
        yield from check(run.scores, job_of(run.scores, model, STANDARD_WORLD))
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


def _of_files(folder: Path) -> Iterator[Finding]:
    """Whether the files have the hashes that the folder says."""
    said, present = sums(folder), hashed(folder)
    for name, digest in said.items():
        if name not in present:
            yield Finding(False, f"{name} is missing")
        elif present[name] != digest:
            yield Finding(False, f"{name} was changed: it has another hash than {SUMS} says")
    for name in FILES:
        if name not in said and (name in present or name in ("run.json", "scores.json", "lock.txt")):
            yield Finding(False, f"{SUMS} does not have {name}")


def _of_record(run: RunFolder) -> Iterator[Finding]:
    """Whether run.json says the same as the score file, the configuration, the list of systems and the place of the folder."""
    record, scores, entry = run.record, run.scores, ENTRIES.get(run.record.system)
    if run.folder.resolve().parts[-5:] != record.path.parts[-5:]:
        yield Finding(False, f"run.json says that it is {record.path}")
    if f"{scores.data.name}/{scores.settings.protocol}" != record.board or scores.system != record.system:
        yield Finding(False, f"scores.json is of {scores.system} on {scores.data.name}/{scores.settings.protocol}")
    if entry and (entry.track, entry.model or CHECKPOINT) != (record.track, record.model):
        yield Finding(False, f"{record.system} is of the track {entry.track}, and its model is {entry.model or CHECKPOINT}")
    if scores.settings.rollout_actions and record.track not in ("oracle", "anchor"):
        yield Finding(False, f"its video is driven by the true actions: the track is oracle, not {record.track}")
    if not record.evaluations:
        yield Finding(False, "it was scored, but says that it never was scored on test")
    trained = record.model == CHECKPOINT
    if trained == (record.budget == NONE):
        yield Finding(False, f"the budget is {record.budget}, and the model {record.model}")
    if trained:
        yield from _of_training(run.folder, record)
    if (run.folder / "task.json").is_file():
        yield from _of_task(run)


def _of_task(run: RunFolder) -> Iterator[Finding]:
    """Whether the results of the downstream task are of this model and world, and follow from those of the draws."""
    try:
        task = json.loads(read_text(run.folder / "task.json"))
        about = task["task"], task["world"], task["model"]
        means = {name: fmean(values) for name, values in task["draws"].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        yield Finding(False, "task.json is damaged")
        return
    if about != (NAME, _world(run.record), run.scores.hashes and run.scores.hashes.model):
        yield Finding(False, "task.json is of another model or world than scores.json, or of another version of the task")
    if means.keys() != run.success.keys() or any(abs(means[name] - rate) > 6e-5 for name, rate in run.success.items()):  # rounded
        yield Finding(False, "the rates of success in task.json are not the means of its draws")


def _world(record: Record) -> str:
    """The preset of a board."""
    return record.board.removeprefix("wsprites-").partition("-v1")[0]


def _of_training(folder: Path, record: Record) -> Iterator[Finding]:
    """Whether the training kept to its budget, saw what its track may see, and is that of the configuration and of the checkpoint."""
    training, limit = record.training, BUDGETS[record.budget].seconds
    if limit and not 0 < training.seconds <= limit * SLACK:
        yield Finding(False, f"training took {training.seconds:,.0f} s; the budget {record.budget} is {limit:,} s")
    if not training.steps or not training.machine:
        yield Finding(False, "run.json does not say how many steps were done, or by which machine")
    try:
        config = json.loads(read_text(folder / "config.json"))
        steps, seed, batch, window = (operator.index(config["train"][name]) for name in ("steps", "seed", "batch", "window"))
        more = _sees_more_than_frames(config)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, MemoryError):
        yield Finding(False, "config.json is missing, or no configuration")
        return
    if (steps, seed, steps * batch * window) != (training.steps, record.seed, training.frames):
        yield Finding(False, "steps, seed or frames in run.json are not those of config.json")
    if more and record.track == "unsupervised":
        yield Finding(False, "config.json is of a training that sees more than frames: the track is not unsupervised")
    entry = ENTRIES.get(record.system)
    if entry and entry.kind and not _is_planned(config, Plan(record.system, entry, _world(record), record.budget, record.seed)):
        yield Finding(False, f"config.json is not that of {record.system} at the budget {record.budget}, or has more steps")
    if (folder / CHECKPOINT).is_file():
        yield from _of_checkpoint(folder, record, entry)


def _sees_more_than_frames(config: dict[str, Any]) -> bool:
    """Whether a configuration asks for labels, twins, true masks or true places. Raises AttributeError for one with other groups."""
    train, loss, model = (config.get(group, {}) for group in ("train", "loss", "model"))
    window = model.get("figure") and model.get("follow") == "place"
    return bool(train.get("labels") or train.get("augment") == "twin" or loss.get("target") == "foreground" or window)


def _is_planned(config: dict[str, Any], plan: Plan) -> bool:
    """Whether a configuration is that of a plan, of whose steps it may have fewer."""
    planned = json.loads(to_json(plan.config))
    steps, most = config["train"]["steps"], planned["train"]["steps"]
    return bool(steps <= most and {**config, "train": {**config["train"], "steps": most}} == planned)


def _of_checkpoint(folder: Path, record: Record, entry: Entry | None) -> Iterator[Finding]:
    """Whether a checkpoint is of the configuration, learned from the world of the board, and saw what its track may see."""
    saved = Saved(folder / CHECKPOINT)
    same = json.loads(to_json(saved.config)) == json.loads(saved.json) and saved.json.encode() == (folder / "config.json").read_bytes()
    if not same or not saved.complete:
        yield Finding(False, "config.json is not the configuration in the checkpoint")
    if not saved.standard or saved.world != _world(record):
        yield Finding(False, f"the checkpoint did not learn from the stream of the world {_world(record)}")
    if entry and entry.first and not saved.is_of(Plan(record.system, entry, _world(record), record.budget, record.seed)):
        yield Finding(False, f"train/{FIRST} is not what {record.system} trains first at the budget {record.budget}")
    if saved.helped and record.track != "guided":
        yield Finding(False, f"the checkpoint learned with weights from elsewhere: its track is guided, not {record.track}")
    if record.track == "unsupervised" and fields_of(saved.config):
        yield Finding(False, f"the checkpoint learned from {', '.join(fields_of(saved.config))}: its track is not unsupervised")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 if a run does not hold, with 2 if there is none."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaderboard.check", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folders", nargs="*", type=Path, metavar="FOLDER", help="folders of runs, or folders that hold some  [all runs]")
    parser.add_argument("--no-sample", action="store_true", help="files and hashes alone: nothing is rendered or inferred")
    given = parser.parse_args(arguments)
    runs = [one for folder in given.folders or [RUNS] for one in ([folder] if (folder / "run.json").exists() else folders(folder))]
    if not runs:
        print("no runs: name folders with a run.json", file=sys.stderr)
        sys.exit(2)
    failed = 0
    for folder in runs:
        print(f"check    {folder}")
        try:
            found = [*findings(folder, sample=not given.no_sample)]
        except (UserError, ForeignError) as error:
            found = [Finding(False, str(error))]
        for finding in found:
            print(f"{'ok      ' if finding.fine else 'FAILED  '} {finding.text}", flush=True)
        failed += any(not finding.fine for finding in found)
    print(f"{len(runs) - failed} of {len(runs)} runs hold")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
