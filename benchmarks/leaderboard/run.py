"""Runs of the leaderboard: trains and scores whatever is missing, one run after the other, each in a folder of its own. See RULES.md.

    nohup python -m benchmarks.leaderboard.run lam-tiny glass-tiny --budget minutes --seeds 5 &

Call it again after an interruption: it resumes what was interrupted, and skips what is done. Several calls may work in one folder at the
same time, on different cores (`--cores 2,3`): a run that another call works on is left out. So is one that is recorded and whose checkpoint
is elsewhere, such as those of the repository; delete its folder to do it again. A run that fails does not stop the others; its log.txt says
why. `--list` names the systems.

Training may happen on another machine than scoring: `--stage train` there, copy the folder, and the same command without it here. A
checkpoint that was trained by other means is given by `--checkpoint`, with the time that it took and the machine:

    python -m benchmarks.leaderboard.run lam-base --budget gpu --checkpoint runs/base/checkpoint.safetensors --seconds 3400 \\
        --machine "Intel Xeon, 16 of 16 cores, NVIDIA H100"

A system that is not in entries.py needs `--track` and `--words` as well, and may be any model: `--model package.module:factory`.
"""

import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from threading import Event

from benchmarks import runs
from benchmarks.leaderboard import training
from benchmarks.leaderboard.arguments import Options, data_of, parse, record_of
from benchmarks.leaderboard.entries import BUDGETS
from benchmarks.leaderboard.record import CHECKPOINT, Record, Training, machine, read_record, sha256, write_record
from benchmarks.leaderboard.training import FIRST, Plan, Saved
from benchmarks.runs import alone_in
from wsprites.bench.scores import ScoreFile, read, write
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file
from wsprites.terminal import interruptible

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
            if earlier and not options.command and _same(options.checkpoint, folder / CHECKPOINT):
                record = replace(record, command=earlier.command)
            done = _adopted(plan, options, folder)
        elif saved := training.trained(plan, folder):
            known = earlier if earlier and earlier.training.steps == saved.step else None
            done = known.training if known else _trained(plan, saved, folder)
            record = replace(record, command=known.command if known else record.command)
        else:
            if failure := training.train(plan, folder, lock, interrupted):
                return failure
            done = _trained(plan, Saved(folder / CHECKPOINT), folder)
        record = replace(record, training=done)
        replace_file(folder / "config.json", Saved(folder / CHECKPOINT).json.encode())
    if earlier:
        record = replace(record, evaluations=earlier.evaluations, checkpoint=earlier.checkpoint)
    # Scores that stay are those of the commit and of the packages that stand beside them.
    stay = scored(folder, record) is not None
    if stay:
        record = replace(record, commit=earlier.commit if earlier else record.commit, evaluations=max(record.evaluations, 1))
    if options.train_only:
        _tidy(log, folder)
        write_record(folder, record, lock=not stay)
        return ""
    # Scoring, which is counted whenever it is begun.
    if not stay:
        record = replace(record, evaluations=record.evaluations + 1)
        write_record(folder, record)
        if failure := _score(plan, options, record, lock, interrupted):
            return failure
    if options.task:
        from benchmarks.leaderboard.task import write_results  # imports networks

        write_results(folder / "task.json", model_file(folder, record), record.model, plan.world)
    elif not _has_task(plan, folder, record):  # that of another model would stand in the table
        (folder / "task.json").unlink(missing_ok=True)
    _tidy(log, folder)
    write_record(folder, record, lock=not stay)
    return ""


def _trained(plan: Plan, saved: Saved, folder: Path) -> Training:
    """The record of a training that was done here."""
    return saved.training(plan.config.train.steps, training.seconds(folder), machine(gpu=BUDGETS[plan.budget].gpu))


def _score(plan: Plan, options: Options, record: Record, lock: int, interrupted: Event) -> str:
    """Score a run. Returns why that failed, in a line; the empty string if it succeeded."""
    folder = options.root / record.path
    model, out = str(folder / CHECKPOINT) if record.model == CHECKPOINT else record.model, folder / "scores.json"
    bench = ["bench", "--model", model, "--data", data_of(plan.world), "--system", plan.name, "--out", str(out)]
    if failure := runs.call(bench + (["--clips", str(options.clips)] if options.clips else []), folder / "log.txt", lock, interrupted):
        return failure
    if record.model == CHECKPOINT:  # the path of this machine is nobody else's
        write(out, replace(read(out), model=f"{plan.name}, seed {plan.seed}"))
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
        if not (copy.exists() and copy.samefile(source)):
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
    if options.checkpoint and not (_same(options.checkpoint, folder / CHECKPOINT) and _is_said(folder, options)):
        return False
    if options.train_only:
        return True
    return scored(folder, record) is not None and (not options.task or _has_task(plan, folder, record))


def _is_recorded(plan: Plan, options: Options) -> bool:
    """Whether a run was trained and scored, and its checkpoint is elsewhere: it would be trained again, in the place of its record."""
    folder = options.root / record_of(plan, options).path
    if plan.entry.model or options.checkpoint or (folder / CHECKPOINT).parent.exists():
        return False
    return (folder / "run.json").exists() and (folder / "scores.json").exists()


def _is_said(folder: Path, options: Options) -> bool:
    """Whether run.json says of a training by other means what the options say."""
    record = read_record(folder)
    said = record.training.seconds, record.training.machine
    return said == (round(options.seconds, 1), options.machine) and options.command in ("", record.command)


def _has_task(plan: Plan, folder: Path, record: Record) -> bool:
    """Whether the results of the downstream task are there, and are of the model and of the present version of the task."""
    from benchmarks.leaderboard.task import are_of  # imports networks

    return are_of(folder / "task.json", model_file(folder, record), plan.world)


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
            name = f"{number} of {len(plans)}: {folder.relative_to(options.root)}"
            with ExitStack() as stack:
                try:
                    lock = stack.enter_context(alone_in(folder))
                except ArgumentError:
                    print(f"{name} is left out: another call works on it", flush=True)
                    continue
                if _is_recorded(plan, options):
                    print(
                        f"{name} is left out: it is recorded, and its checkpoint is not here; delete its folder to do it again", flush=True
                    )
                    continue
                try:
                    if is_done(plan, options):
                        continue
                    print(name, flush=True)
                    failure = do(plan, options, lock, interrupted)
                except UserError as error:
                    failure = str(error)
            if failure:
                failed.append(f"{folder.relative_to(options.root)}: {failure}")
    return failed


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 after a failure or an interruption, with 2 for wrong arguments."""
    plans, options = parse(arguments, __doc__)
    runs.finish(lambda: work(plans, options), f"done: {options.root}; python -m benchmarks.leaderboard.table makes the table")


if __name__ == "__main__":
    main()
