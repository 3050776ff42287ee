"""Runs of a study: trained by `wsprites train` and scored by `wsprites bench`, one after the other, and resumed after an interruption.

`benchmarks/ablations.py` and `benchmarks/lam_study.py` say which runs there are; `benchmarks/leaderboard/run.py` has rules of its own.
"""

import fcntl
import hashlib
import json
import math
import os
import subprocess
import sys
import time
from collections import ChainMap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from threading import Event
from typing import Any

from benchmarks.results import Result, read_result, world_of, write_result
from glass_model.systems import find
from glass_model.training.config import load_config
from wsprites.bench.data import STANDARD, standard
from wsprites.bench.run import NO_ROLLOUTS
from wsprites.bench.scores import PROTOCOL, ScoreFile, read
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import from_json
from wsprites.terminal import interruptible
from wsprites.weights import safetensors_metadata

COMMAND = (sys.executable, "-m", "wsprites.cli")

Settings = dict[str, str]
"""Values by "group.field", as `wsprites train --set` takes them."""


@dataclass(frozen=True)
class Options:
    """What all runs have in common."""

    out: Path
    preset: str
    settings: Settings
    """Changes of the preset."""
    seeds: tuple[int, ...]
    world: str
    """Name of a world that a standard world is made from: the runs are trained in it, and scored on the standard world."""
    clips: int | None
    """Score the first clips only; None scores all."""
    vgg: Path | None
    device: str
    kind: str = "glass"
    """Name of the system that is trained."""
    results: Path | None = None
    """Folder of small files that stay when checkpoints go (`benchmarks/results.py`): a run that is there is done. None: no such folder."""
    kept: tuple[str, ...] = ()
    """Names of the scores in these files."""
    rollouts: bool = True
    """False leaves out the scores of generated video."""
    gma: str = ""
    """Checkpoint of GLASS, or name of a trained model, for the runs that take its GMA and do not make it; empty: there is none."""

    @property
    def data(self) -> str:
        """Name of the standard world."""
        return next(name for name, world in STANDARD.items() if world == self.world)

    def config(self, *changes: Settings) -> Any:
        """The preset with these values, of which later ones count."""
        merged = dict(ChainMap(*reversed(changes), self.settings))
        return load_config(find(self.kind).PRESETS, self.preset, [f"{key}={value}" for key, value in merged.items()])


@dataclass(frozen=True)
class Run:
    """A training, and the scores of what it leads to."""

    folder: Path
    config: Any
    """Configuration of the system."""
    settings: Settings
    """The values that make `config` of its preset."""
    system: str = ""
    """Name of the row in score files; empty for a run that is not scored, GMA alone."""
    gma: "Run | None" = None
    """The run whose GMA is used and stays as it is."""
    given: str = ""
    """The same of `Options.gma`; empty for a run without."""

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def scores(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")

    def result(self, results: Path) -> Path:
        """What is kept of it in a folder of results."""
        return results / self.scores.name

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")


def check_clips(options: Options) -> None:
    """Raise ArgumentError, before anything is trained, if there are not as many clips to score as are asked for."""
    if options.clips is not None:
        standard(options.data, clips=options.clips)


# What is done.


def is_trained(run: Run, options: Options) -> bool:
    """Whether the checkpoint of a run is that of its configuration, its world and its terms, after the last step."""
    metadata = safetensors_metadata(run.checkpoint) or {}
    try:
        same = _is_of(run, options, metadata["config"], world_of(metadata), metadata.get("perceptual", ""))
    except (KeyError, TypeError, ValueError):
        return False
    return same and metadata.get("step") == str(run.config.train.steps)


def _is_of(run: Run, options: Options, config: str, world: str, terms: str) -> bool:
    """Whether a training is that of a run: its configuration as JSON, its world, and the words of a checkpoint about perceptual terms."""
    try:
        theirs = from_json(next(iter(find(options.kind).PRESETS.values())), config)
    except ValueError:
        return False
    return (theirs, world, terms.startswith("on")) == (run.config, options.world, options.vgg is not None)


def scores_of(run: Run, options: Options) -> ScoreFile | None:
    """The scores of a run on the same clips by the present protocol, kept or of its checkpoint; None if there are none.

    Those without scores of generated video, where they are wanted, are better than none.

    Raises:
        ArgumentError: what is kept under its name is of something else.
    """
    files = [file for file in (kept_scores(run, options), _scores_of_checkpoint(run, options)) if file]
    return next((file for file in files if _is_complete(file, options)), files[0] if files else None)


def _is_complete(file: ScoreFile, options: Options) -> bool:
    """Whether a score file has the scores of generated video, where these are wanted."""
    return not (options.rollouts and NO_ROLLOUTS in file.not_scored.values())


def kept_scores(run: Run, options: Options) -> ScoreFile | None:
    """The scores that are kept of a run; None if there are none. Raises ArgumentError if they are of something else."""
    if options.results is None or not run.system or not (path := run.result(options.results)).exists():
        return None
    try:
        result = read_result(path)
    except UserError as error:
        raise ArgumentError("results", str(error)) from None
    same = _is_of(run, options, json.dumps(result.config), result.world, result.terms)
    if not same or not _is_of_clips(result.scores, options) or result.scores.settings.protocol != PROTOCOL:
        clips = f"all clips of {options.data}" if options.clips is None else f"the first {options.clips:,} clips of {options.data}"
        what = f"{run.config.name} with these settings in the world {options.world}, scored on {clips} by {PROTOCOL}"
        raise ArgumentError("results", f"{path} is not of {what}; name another folder")
    return result.scores


def keep(run: Run, options: Options) -> None:
    """Keep the scores of a run, if there are some and they are to be kept."""
    kept = kept_scores(run, options)
    if options.results is None or (kept and _is_complete(kept, options)) or not (scores := _scores_of_checkpoint(run, options)):
        return
    options.results.mkdir(parents=True, exist_ok=True)
    write_result(run.result(options.results), Result.of(safetensors_metadata(run.checkpoint) or {}, scores, options.kept))


def _is_of_clips(file: ScoreFile, options: Options) -> bool:
    """Whether scores are of the clips that are asked for."""
    names = {options.data} if options.clips is None else {options.data, f"{options.data}-first-{options.clips}"}
    return file.data.name in names and options.clips in (None, file.data.clips.get("test"))


def _scores_of_checkpoint(run: Run, options: Options) -> ScoreFile | None:
    if not (run.system and run.scores.exists() and is_trained(run, options)):
        return None
    try:
        file = read(run.scores)
    except UserError:
        return None
    model = hashlib.sha256(run.checkpoint.read_bytes()).hexdigest()
    same_model = file.hashes is not None and file.hashes.model == model
    return file if _is_of_clips(file, options) and same_model and file.settings.protocol == PROTOCOL else None


def is_done(run: Run, options: Options) -> bool:
    """Whether a run is trained, and scored as it is to be."""
    if not run.system:
        return is_trained(run, options)
    file = scores_of(run, options)
    return file is not None and _is_complete(file, options)


# Doing it.


@contextmanager
def alone_in(out: Path) -> Iterator[int]:
    """Make sure that nobody else works in a folder. Yields the lock, for child processes: they keep it if this process is killed.

    Raises:
        ArgumentError: somebody does.
    """
    out.mkdir(parents=True, exist_ok=True)
    with (out / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise ArgumentError("out", f"another process works in {out}; wait for its end, or name another folder") from None
        yield file.fileno()


def call(arguments: Sequence[str], log: Path, lock: int, interrupted: Event, *, seconds: float = math.inf) -> str:
    """Run a command of wsprites to its end, with its output appended to a file.

    Args:
        arguments: of the command.
        log: the file.
        lock: of `alone_in`.
        interrupted: ends the command when it is set.
        seconds: ends the command when they are over.

    Returns:
        Why it failed, in a line; the empty string if it succeeded.

    Raises:
        KeyboardInterrupt: `interrupted` was set; the command was told to end, and has ended.
        TimeoutError: the same, because its time was over.
    """
    end = time.monotonic() + seconds
    quiet = {**os.environ, "TQDM_MININTERVAL": "60"}
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the command.
        child = subprocess.Popen([*COMMAND, *arguments], stdout=output, stderr=output, env=quiet, pass_fds=(lock,), start_new_session=True)
        while child.poll() is None:
            if interrupted.wait(0.2) or time.monotonic() > end:
                child.send_signal(SIGTERM)  # SIGINT may be ignored in the background
                child.wait()
                raise KeyboardInterrupt if interrupted.is_set() else TimeoutError
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f"exit code {child.returncode}: {lines[-1].rpartition('wsprites: ')[2] if lines else ''}" if child.returncode else ""


def do(run: Run, options: Options, lock: int, interrupted: Event) -> str:
    """Train and score a run, as far as that is not done. Returns why it failed, in a line; the empty string if it succeeded."""
    if run.gma and not is_trained(run.gma, options):
        return f"it is trained on {run.gma.folder.name}, which failed"
    shared = ["--device", options.device] if options.device else []
    if not is_trained(run, options):
        values = [f"--set={key}={value}" for key, value in run.settings.items()]
        given = {"--gma": run.gma.checkpoint if run.gma else run.given, "--vgg": options.vgg}
        paths = [text for option, path in given.items() if path for text in (option, str(path))]
        train = ["train", "--system", options.kind, "--preset", options.preset, *values, "--stream", "--world", options.world]
        if failure := call([*train, *paths, *shared, "--out", str(run.folder), "--resume"], run.log, lock, interrupted):
            return failure
    if run.system and not is_done(run, options):
        bench = ["bench", "--model", str(run.checkpoint), "--data", options.data, "--system", run.system, "--out", str(run.scores)]
        bench += ["--clips", str(options.clips)] if options.clips else []
        return call(bench + ([] if options.rollouts else ["--no-rollouts"]), run.log, lock, interrupted)
    return ""


def do_all(todo: Sequence[Run], options_of: Callable[[Run], Options], out: Path, after: Callable[[], None]) -> list[str]:
    """Do runs in order, as far as they are not done. Returns a line for each that failed.

    Args:
        todo: the runs.
        options_of: the options of a run.
        out: the folder that no other process may work in.
        after: called after each run that was not done, and at the end: writes the table.

    Raises:
        ArgumentError: another process works in the folder, or what is kept of a run is of something else.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    for run in todo:  # before anything is trained
        kept_scores(run, options_of(run))
    failed = []
    with alone_in(out) as lock, interruptible() as interrupted:
        for number, run in enumerate(todo, start=1):
            if interrupted.is_set():
                raise KeyboardInterrupt
            options = options_of(run)
            if is_done(run, options):
                keep(run, options)
                continue
            print(f"{number} of {len(todo)}: {run.folder.name}", flush=True)
            if failure := do(run, options, lock, interrupted):
                failed.append(f"{run.folder.name}: {failure}")
            keep(run, options)
            after()
        after()
    return failed


def in_options(error: UserError) -> str:
    """The line of an error, with the option in place of the argument that it begins with.

    Example:
        >>> in_options(ArgumentError("settings", "a is not of the form group.field=value"))
        '--set: a is not of the form group.field=value'
    """
    return (
        f"--{'set' if error.argument == 'settings' else error.argument}: {error.problem}"
        if isinstance(error, ArgumentError)
        else str(error)
    )


def finish(doing: Callable[[], list[str]], result: str) -> None:
    """Do all runs of a command and end it: with 1 after a failure or an interruption, with 2 if it cannot begin.

    Args:
        doing: does the runs, and returns a line for each that failed.
        result: what is printed at the end, such as the path of the table.
    """
    try:
        failed = doing()
    except ArgumentError as error:
        print(in_options(error), file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues")
    print("\n".join([result, *(f"FAILED {text}" for text in failed)]))
    sys.exit(1 if failed else 0)
