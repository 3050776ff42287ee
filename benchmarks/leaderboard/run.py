"""Runs of the leaderboard: trains and scores whatever is missing, one run after the other, each in a folder of its own. See RULES.md.

    nohup python -m benchmarks.leaderboard.run lam-tiny glass-tiny --budget minutes --seeds 5 &

Call it again after an interruption: it resumes what was interrupted, and skips what is done. Several calls may work in one folder at the
same time, on different cores (`--cores 2,3`): a run that another call works on is left out. A run that fails does not stop the others; its
log.txt says why. `--list` names the systems.

Training may happen on another machine than scoring: `--stage train` there, copy the folder, and the same command without it here. A
checkpoint that was trained by other means is given by `--checkpoint`, with the time that it took and the machine:

    python -m benchmarks.leaderboard.run lam-base --budget gpu --checkpoint runs/base/checkpoint.safetensors --seconds 3400 \\
        --machine "Intel Xeon, 16 of 16 cores, NVIDIA H100"

A system that is not in entries.py needs `--track` and `--words` as well, and may be any model: `--model package.module:factory`.
"""

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from threading import Event

from benchmarks import runs
from benchmarks.leaderboard import training
from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, TRACKS, WORLDS, Entry
from benchmarks.leaderboard.record import CHECKPOINT, Record, Training, commit, machine, read_record, sha256, write_record
from benchmarks.leaderboard.training import FIRST, Plan, Saved
from benchmarks.runs import alone_in
from wsprites.bench.data import standard
from wsprites.bench.scores import PROTOCOL, ScoreFile, read, write
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file
from wsprites.terminal import cores, interruptible

RUNS = Path(__file__).parent / "runs"


@dataclass(frozen=True)
class Options:
    """What all runs of a call have in common."""

    root: Path
    clips: int | None
    """Score the first clips only, on a board of that name."""
    train_only: bool = False
    task: bool = True
    checkpoint: Path | None = None
    """A checkpoint that was trained by other means."""
    seconds: float = 0.0
    machine: str = ""
    """Time and machine of its training."""
    command: str = ""
    """The commands that trained it, joined by ` && `; empty if they are not told."""


def data_of(world: str) -> str:
    """The standard world of a board."""
    return f"wsprites-{world}-v1"


def record_of(plan: Plan, options: Options) -> Record:
    """What run.json says before anything is done, but for the training."""
    first = "" if options.clips is None else f"-first-{options.clips}"
    entry = plan.entry
    board = f"{data_of(plan.world)}{first}/{PROTOCOL}"
    command = options.command
    if not (entry.model or options.checkpoint):
        command = " && ".join(" ".join(["wsprites", *stage.command(at)]) for stage, at in plan.stages(Path("train")))
    model = entry.model or CHECKPOINT
    return Record(plan.name, entry.track, plan.budget, board, plan.seed, entry.words, model, command, commit())


# What is done.


def scored(folder: Path, record: Record) -> ScoreFile | None:
    """The scores of a run if they are of its model, its board and the present protocol; None otherwise."""
    try:
        file = read(folder / "scores.json")
    except UserError:
        return None
    same_model = file.hashes is not None and file.hashes.model == sha256(model_file(folder, record))
    return file if same_model and f"{file.data.name}/{file.settings.protocol}" == record.board else None


def model_file(folder: Path, record: Record) -> Path:
    """The checkpoint of a run, or the source of its factory. Raises UserError if the module cannot be imported."""
    if record.model == CHECKPOINT:
        return folder / CHECKPOINT
    try:
        source = import_module(record.model.partition(":")[0]).__file__
    except (ImportError, ValueError) as error:
        raise UserError(f"{record.model}: {error}") from None
    return Path(source or "")


def do(plan: Plan, options: Options, lock: int, interrupted: Event) -> str:
    """Train and score a run, as far as that is not done. Returns why it failed, in a line; the empty string if it succeeded."""
    record = record_of(plan, options)
    folder = options.root / record.path
    log = folder / "log.txt"
    earlier = read_record(folder) if (folder / "run.json").exists() else None
    # Training, or what is known of it.
    if not plan.entry.model:
        if options.checkpoint:
            done = _adopted(plan, options, folder)
        elif saved := training.trained(plan, folder):
            known = earlier.training if earlier and earlier.training.steps == saved.step else None
            done = known or saved.training(plan.config.train.steps, training.seconds(folder), machine(gpu=BUDGETS[plan.budget].gpu))
        else:
            if failure := training.train(plan, folder, lock, interrupted):
                return failure
            saved = Saved(folder / CHECKPOINT)
            done = saved.training(plan.config.train.steps, training.seconds(folder), machine(gpu=BUDGETS[plan.budget].gpu))
        record = replace(record, training=done)
        replace_file(folder / "config.json", Saved(folder / CHECKPOINT).json.encode())
    if earlier:
        record = replace(record, evaluations=earlier.evaluations, checkpoint=earlier.checkpoint)
    if options.train_only:
        _tidy(log, folder)
        write_record(folder, record)
        return ""
    # Scoring, which is counted whenever it is begun.
    if scored(folder, record) is None:
        record = replace(record, evaluations=record.evaluations + 1)
        write_record(folder, record)
        model = str(folder / CHECKPOINT) if record.model == CHECKPOINT else record.model
        bench = ["bench", "--model", model, "--data", data_of(plan.world), "--system", plan.name, "--out", str(folder / "scores.json")]
        if failure := runs.call(bench + (["--clips", str(options.clips)] if options.clips else []), log, lock, interrupted):
            return failure
        if record.model == CHECKPOINT:  # the path of this machine is nobody else's
            write(folder / "scores.json", replace(read(folder / "scores.json"), model=f"{plan.name}, seed {plan.seed}"))
    if options.task:
        from benchmarks.leaderboard.task import write_results  # imports networks

        write_results(folder / "task.json", model_file(folder, record), record.model, plan.world)
    _tidy(log, folder)
    write_record(folder, record)
    return ""


def _tidy(log: Path, folder: Path) -> None:
    """Leave the last state of each progress bar in a log, and no path of this machine."""
    text = log.read_text(encoding="utf-8", errors="replace") if log.exists() else ""
    lines = (line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))
    replace_file(log, "\n".join(lines).replace(f"{folder}/", "").encode())


def _adopted(plan: Plan, options: Options, folder: Path) -> Training:
    """Copy a checkpoint that was trained by other means, and what is known of its training. Raises UserError if it is of something else."""
    assert options.checkpoint
    saved = Saved(options.checkpoint)
    if plan.entry.kind and not (saved.complete and saved.is_of(plan)):
        raise ArgumentError(
            "checkpoint", f"{options.checkpoint} is not of {plan.name} with seed {plan.seed} in {plan.world}, after its last step"
        )
    source, copy = options.checkpoint, folder / CHECKPOINT
    for _ in saved.chain:
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, copy)
        source, copy = source.parent / FIRST, copy.parent / FIRST
    metrics = options.checkpoint.with_name("metrics.jsonl")
    if metrics.exists() and not (folder / "log.txt").exists():
        shutil.copyfile(metrics, folder / "log.txt")
    planned = plan.config.train.steps if plan.entry.kind else saved.config.train.steps
    return saved.training(planned, options.seconds, options.machine)


def is_done(plan: Plan, options: Options) -> bool:
    """Whether nothing is left to do for a run."""
    record = record_of(plan, options)
    folder = options.root / record.path
    if not (folder / "run.json").exists() or (not plan.entry.model and not options.checkpoint and not training.trained(plan, folder)):
        return False
    if options.checkpoint and not _same(options.checkpoint, folder / CHECKPOINT):
        return False
    if options.train_only:
        return True
    return scored(folder, record) is not None and (not options.task or (folder / "task.json").exists())


def _same(one: Path, other: Path) -> bool:
    """Whether two files exist and are equal."""
    return one.is_file() and other.is_file() and sha256(one) == sha256(other)


def work(plans: Sequence[Plan], options: Options) -> list[str]:
    """Do the runs that nobody else works on. Returns a line for each that failed.

    Raises:
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    failed = []
    with interruptible() as interrupted:
        for number, plan in enumerate(plans, start=1):
            if interrupted.is_set():
                raise KeyboardInterrupt
            folder = options.root / record_of(plan, options).path
            try:
                with alone_in(folder) as lock:
                    if is_done(plan, options):
                        continue
                    print(f"{number} of {len(plans)}: {folder.relative_to(options.root)}", flush=True)
                    failure = do(plan, options, lock, interrupted)
            except UserError as error:
                failure = str(error)
            if failure:
                failed.append(f"{folder.relative_to(options.root)}: {failure}")
    return failed


# The command.


def bind(budget: str, chosen: str) -> None:
    """Bind this process and its children to the cores that are named, or to the first ones. Raises ArgumentError if there are too few."""
    needed, available = BUDGETS[budget].cores, sorted(os.sched_getaffinity(0))
    named = [int(core) for core in chosen.split(",") if core.isdecimal()] if chosen else available[: needed or None]
    if not set(named) <= set(available) or (needed and len(set(named)) != needed):
        raise ArgumentError("cores", f"{chosen or len(available)}: the budget {budget} needs {needed or 'some'} of the cores {available}")
    os.sched_setaffinity(0, named)
    os.environ["OMP_NUM_THREADS"] = str(cores())


def parse(arguments: Sequence[str] | None) -> tuple[list[Plan], Options]:
    """The runs and the options of the command line. Exits with 2 for wrong ones, before anything is trained."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaderboard.run", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("systems", nargs="*", metavar="SYSTEM", help="names of --list, or any with --track and --words")
    parser.add_argument("--budget", default="minutes", choices=[name for name in BUDGETS if name != NONE], help="[minutes]")
    parser.add_argument("--seeds", type=int, metavar="N", help="number of runs: seeds 0 to N - 1  [5; 3 for gpu and open]")
    parser.add_argument("--seed", type=int, nargs="+", metavar="N", help="these seeds alone")
    parser.add_argument("--world", default="factorial", choices=WORLDS, help="[factorial]")
    parser.add_argument("--clips", type=int, metavar="N", help="score the first clips alone, on a board of its own: to try things out")
    parser.add_argument("--out", type=Path, default=RUNS, metavar="FOLDER", help="folder of all runs  [benchmarks/leaderboard/runs]")
    parser.add_argument("--cores", default="", metavar="N,N", help="the cores to use  [the first of the budget]")
    parser.add_argument("--stage", choices=("train", "all"), default="all", help="train: score nothing  [all]")
    parser.add_argument("--no-task", action="store_true", help="leave out the downstream task")
    parser.add_argument("--checkpoint", type=Path, help="score this checkpoint, which was trained by other means")
    parser.add_argument("--seconds", type=float, help="with --checkpoint: the time that its training took")
    parser.add_argument("--machine", default="", help="with --checkpoint: the machine that trained it")
    parser.add_argument("--command", default="", help="with --checkpoint: the commands that trained it, joined by ' && '")
    parser.add_argument("--model", default="", help="score package.module:factory, without training")
    parser.add_argument("--track", choices=TRACKS, help="of a system that is not in the list")
    parser.add_argument("--words", default="", help="what such a system is, in a line")
    parser.add_argument("--list", action="store_true", help="name the systems, and end")
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{name:<24} {entry.track:<13} {entry.words}" for name, entry in ENTRIES.items()))
        sys.exit(0)
    try:
        options, plans = _options(given), _plans(given)
        for plan in plans:
            record_of(plan, options)
            if plan.entry.kind:
                _ = plan.config
        bind(given.budget, given.cores)
    except ArgumentError as error:
        parser.error(f"--{error}")
    except UserError as error:
        parser.error(str(error))
    return plans, options


def _options(given: argparse.Namespace) -> Options:
    if given.clips is not None:
        standard(data_of(given.world), clips=given.clips)
    if given.checkpoint and (given.seconds is None or not given.machine):
        raise ArgumentError("checkpoint", "give the time and the machine of its training as well, by --seconds and --machine")
    for option in ("command", "machine", "seconds"):
        if getattr(given, option) and not given.checkpoint:
            raise ArgumentError(option, "it is of a checkpoint that was trained by other means; leave it out, or give --checkpoint")
    if given.seeds is not None and given.seeds < 1:
        raise ArgumentError("seeds", f"{given.seeds}: at least one run is needed")
    if given.seeds is not None and given.seed:
        raise ArgumentError("seeds", "it does not go with --seed, which names the seeds")
    train_only = given.stage == "train"
    return Options(
        given.out, given.clips, train_only, not given.no_task, given.checkpoint, given.seconds or 0.0, given.machine, given.command
    )


def _plans(given: argparse.Namespace) -> list[Plan]:
    """The runs that are asked for, one seed after the other. Raises ArgumentError for some that are not possible."""
    if not given.systems:
        raise UserError("name at least one system; --list names those that there are")
    plans = []
    for name in given.systems:
        entry = ENTRIES.get(name)
        if entry is None or given.model:
            entry = _other(name, given)
        elif given.track or given.words:
            raise ArgumentError("track" if given.track else "words", f"{name} is in the list, which says what it is; leave it out")
        if entry.model and given.seeds not in (None, 1):
            raise ArgumentError("seeds", f"{given.seeds}: {name} is not trained, and has one run")
        budget = NONE if entry.model else given.budget
        seeds = given.seed or range(1 if entry.model else given.seeds or BUDGETS[budget].runs)
        if given.checkpoint and len([*seeds]) > 1:
            seeds = [Saved(given.checkpoint).config.train.seed]
        plans += [Plan(name, entry, given.world, budget, seed) for seed in seeds]
    if given.checkpoint and len(plans) > 1:
        raise ArgumentError("checkpoint", "it is of one system")
    order = sorted(range(len(plans)), key=lambda number: (plans[number].seed, number))
    return [plans[number] for number in order]


def _other(name: str, given: argparse.Namespace) -> Entry:
    """A system that is not in the list."""
    if name in ENTRIES:
        raise ArgumentError("model", f"{name} is the name of another system")
    if not (given.model or given.checkpoint):
        raise UserError(f"{name!r:.80} is not one of {', '.join(ENTRIES)}; another system needs --model or --checkpoint")
    if not given.track or not given.words:
        raise ArgumentError("track", f"{name} is not in the list: say its track, and by --words what it is")
    return Entry(given.words, given.track, given.model)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 after a failure or an interruption, with 2 for wrong arguments."""
    plans, options = parse(arguments)
    runs.finish(lambda: work(plans, options), f"done: {options.root}; python -m benchmarks.leaderboard.table makes the table")


if __name__ == "__main__":
    main()
