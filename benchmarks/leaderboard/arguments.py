"""What a call of `benchmarks.leaderboard.run` is to do: its options, and the runs that it asks for."""

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, TRACKS, WORLDS, Entry
from benchmarks.leaderboard.record import CHECKPOINT, Record, Training, commit
from benchmarks.leaderboard.training import Plan, Saved
from wsprites.bench.data import standard
from wsprites.bench.scores import PROTOCOL
from wsprites.errors import ArgumentError, UserError
from wsprites.terminal import cores

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


# The command line.


def bind(budget: str, chosen: str) -> None:
    """Bind this process and its children to the cores that are named, or to the first ones.

    Raises:
        ArgumentError: there are too few, or what is named is none of them.
    """
    needed, available = BUDGETS[budget].cores, sorted(os.sched_getaffinity(0))
    try:
        named = [int(core) for core in chosen.split(",")] if chosen else available[: needed or None]
    except ValueError:
        raise ArgumentError("cores", f"{chosen!r:.80} is not a list of numbers such as 0,1; the cores are {available}") from None
    if not set(named) <= set(available) or (needed and len(set(named)) != needed):
        raise ArgumentError("cores", f"{chosen or len(available)}: the budget {budget} needs {needed or 'some'} of the cores {available}")
    os.sched_setaffinity(0, named)
    os.environ["OMP_NUM_THREADS"] = str(cores())


def parse(arguments: Sequence[str] | None, description: str | None) -> tuple[list[Plan], Options]:
    """The runs and the options of the command line. Exits with 2 for wrong ones, before anything is trained.

    Args:
        arguments: of the command; None: those of this process.
        description: of the command, for its help.
    """
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.leaderboard.run", description=description, formatter_class=argparse.RawDescriptionHelpFormatter
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
    # All clips are those of the board itself.
    clips = None if given.clips is None or standard(data_of(given.world), clips=given.clips).name == data_of(given.world) else given.clips
    if given.checkpoint and (given.seconds is None or not given.machine):
        raise ArgumentError("checkpoint", "give the time and the machine of its training as well, by --seconds and --machine")
    for option in ("command", "machine", "seconds"):
        if getattr(given, option) and not given.checkpoint:
            raise ArgumentError(option, "it is of a checkpoint that was trained by other means; leave it out, or give --checkpoint")
    if given.seeds is not None and given.seeds < 1:
        raise ArgumentError("seeds", f"{given.seeds}: at least one run is needed")
    if given.seeds is not None and given.seed:
        raise ArgumentError("seeds", "it does not go with --seed, which names the seeds")
    Training(seconds=given.seconds or 0.0, machine=given.machine)  # what a record cannot have is refused before anything is copied
    train_only = given.stage == "train"
    return Options(given.out, clips, train_only, not given.no_task, given.checkpoint, given.seconds or 0.0, given.machine, given.command)


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
        if entry.model:
            _check_untrained(name, given)
        budget = NONE if entry.model else given.budget
        seeds = given.seed or range(1 if entry.model else given.seeds or BUDGETS[budget].runs)
        if given.checkpoint:
            seeds = [_seed_of(given)]
        plans += [Plan(name, entry, given.world, budget, seed) for seed in seeds]
    if given.checkpoint and len(plans) > 1:
        raise ArgumentError("checkpoint", "it is of one system")
    order = sorted(range(len(plans)), key=lambda number: (plans[number].seed, number))
    return [plans[number] for number in order]


def _check_untrained(name: str, given: argparse.Namespace) -> None:
    """Raise ArgumentError for what a system without training does not have."""
    if given.seeds not in (None, 1):
        raise ArgumentError("seeds", f"{given.seeds}: {name} is not trained, and has one run")
    if given.seed not in (None, [0]):
        raise ArgumentError("seed", f"{given.seed[0]}: {name} is not trained, and has one run, of seed 0")
    if given.checkpoint:
        raise ArgumentError("checkpoint", f"{name} is not trained, and has none")


def _seed_of(given: argparse.Namespace) -> int:
    """The seed of the checkpoint that is given. Raises ArgumentError if others are asked for."""
    seed: int = Saved(given.checkpoint).config.train.seed
    if given.seeds is not None or given.seed not in (None, [seed]):
        name = "seeds" if given.seeds is not None else "seed"
        raise ArgumentError(name, f"{given.checkpoint} was trained with seed {seed}; leave {name} out")
    return seed


def _other(name: str, given: argparse.Namespace) -> Entry:
    """A system that is not in the list."""
    if name in ENTRIES:
        raise ArgumentError("model", f"{name} is the name of another system")
    if not (given.model or given.checkpoint):
        raise UserError(f"{name!r:.80} is not one of {', '.join(ENTRIES)}; another system needs --model or --checkpoint")
    if not given.track or not given.words:
        raise ArgumentError("track", f"{name} is not in the list: say its track, and by --words what it is")
    return Entry(given.words, given.track, given.model)
