"""The ablations of GLASS from one preset: trains and scores whatever is missing, one run after the other, and writes a table and a plot.

    nohup python -m benchmarks.ablations --out runs/ablations --preset small &

Call it again after an interruption: it resumes the run that was interrupted, and skips what is done. A run that fails does not stop the
others; its .log file says why. For each seed, the ablations of LMA and their row of reference are trained on one GMA, which was trained
alone for `train.alone` steps and does not change any more; those of GMA, and their row of reference, are trained as a whole. In OUT:

    gma-SEED/, local-NAME-SEED/, global-NAME-SEED/    folders of `wsprites train`, each with a .log file beside it
    local-NAME-SEED.json, global-NAME-SEED.json       score files of `wsprites bench`
    table.json, table.md, plot.png                    means over the seeds, of the scores so far

An ablation is what differs from the preset `paper`. One that the preset has already is turned round: the row gets the value of `paper`,
and its name, such as vq for a preset with gumbel. One that makes no difference either way is left out, as no-vgg without --vgg.
"""

import argparse
import fcntl
import hashlib
import json
import os
import subprocess
import sys
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from signal import SIGTERM
from threading import Event

from benchmarks.ablation_table import REFERENCE, Row, as_json, as_markdown, as_plot, line
from glass_model.glass.config import GLOBAL_ABLATIONS, LOCAL_ABLATIONS, PRESETS, Changes, Config
from glass_model.training.config import load_config
from wsprites.bench.data import STANDARD
from wsprites.bench.scores import PROTOCOL, ScoreFile, read
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import from_json
from wsprites.generate import replace_file
from wsprites.terminal import interruptible
from wsprites.weights import safetensors_metadata

COMMAND = (sys.executable, "-m", "wsprites.cli")
ABLATIONS = {"local": LOCAL_ABLATIONS, "global": GLOBAL_ABLATIONS}

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

    @property
    def data(self) -> str:
        return next(name for name, world in STANDARD.items() if world == self.world)

    def config(self, *changes: Settings) -> Config:
        """The preset with these values, of which later ones count."""
        merged = dict(ChainMap(*reversed(changes), self.settings))
        return load_config(PRESETS, self.preset, [f"{key}={value}" for key, value in merged.items()])


# What is to be done.


@dataclass(frozen=True)
class Run:
    """A training, and the scores of what it leads to."""

    folder: Path
    config: Config
    settings: Settings
    """The values that make `config` of its preset."""
    system: str = ""
    """Name of the row in score files; empty for a run that is not scored, GMA alone."""
    gma: "Run | None" = None
    """The run whose GMA is used and stays as it is."""

    @property
    def checkpoint(self) -> Path:
        return self.folder / "checkpoint.safetensors"

    @property
    def scores(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.json")

    @property
    def log(self) -> Path:
        return self.folder.with_name(f"{self.folder.name}.log")


def rows(options: Options) -> Iterator[Row]:
    """The rows of the table, all of which differ from the preset but for the two references."""
    # Without weights for the perceptual terms, their factors make no difference.
    silent = {} if options.vgg else {"loss.vgg": "0.0", "loss.lma_vgg": "0.0"}
    for part, ablations in ABLATIONS.items():
        yield Row(part, REFERENCE, {})
        for name, changes in ablations.items():
            choices = Row(part, name, _flat(changes)), _turned_round(part, changes)
            yield from [row for row in choices if options.config(row.settings, silent) != options.config(silent)][:1]


def _turned_round(part: str, changes: Changes) -> Row:
    """The row of a preset that has an ablation already: the same fields with the values of `paper`, and a name that says these."""
    ((group, fields),) = changes.items()
    ((field, _),) = fields.items()
    value = getattr(getattr(PRESETS["paper"], group), field)
    names = {bool: field if value else f"not-{field}", str: value, int: f"{field}-{value}", float: f"with-{field}"}
    return Row(part, names[type(value)], _flat({group: {field: value}}))


def _flat(changes: Changes) -> Settings:
    flat = {f"{group}.{field}": value for group, fields in changes.items() for field, value in fields.items()}
    return {key: value if isinstance(value, str) else json.dumps(value) for key, value in flat.items()}


def runs(row_list: Iterable[Row], options: Options, seed: int) -> list[Run]:
    """All runs of one seed, the GMA that others use first.

    Raises:
        ArgumentError: no steps are left for GMA alone or for LMA.
    """
    of_seed = {"train.seed": str(seed)}
    whole = options.config(of_seed).train
    if not 0 < whole.alone < whole.steps:
        raise ArgumentError("steps", f"{whole.steps} with train.alone = {whole.alone}: GMA alone and LMA both need steps")

    def run(name: str, changes: Settings, system: str = "", gma: Run | None = None) -> Run:
        values = of_seed | changes
        return Run(options.out / f"{name}-{seed}", options.config(values), options.settings | values, system, gma)

    gma = run("gma", {"train.steps": str(whole.alone)})
    # On a trained GMA, LMA begins at once, and everything that follows happens as many steps earlier.
    at_once = {"train.alone": "0", "train.freeze": "0"}
    for name in ("steps", "decay_step", "length_begin"):
        at_once[f"train.{name}"] = str(max(getattr(whole, name) - whole.alone, 0))
    made = [gma]
    for part, name, changes in row_list:
        system = f"{options.preset}, {part}: {name}"
        local = part == "local"
        made.append(run(f"{part}-{name}", changes | at_once if local else changes, system, gma if local else None))
    return made


# What is done.


def is_trained(run: Run, options: Options) -> bool:
    """Whether the checkpoint of a run is that of its configuration, its world and its terms, after the last step."""
    metadata = safetensors_metadata(run.checkpoint) or {}
    try:
        config = from_json(PRESETS["paper"], metadata["config"])
        world = json.loads(json.loads(metadata["data"])["world"])["name"]
    except (KeyError, TypeError, ValueError):
        return False
    same_terms = metadata.get("perceptual", "").startswith("on") == (options.vgg is not None)
    return same_terms and (config, world, metadata.get("step")) == (run.config, options.world, str(run.config.train.steps))


def scores_of(run: Run, options: Options) -> ScoreFile | None:
    """The scores of the checkpoint of a run on the same clips by the present protocol; None if there are none."""
    if not (run.system and run.scores.exists() and is_trained(run, options)):
        return None
    try:
        file = read(run.scores)
    except UserError:
        return None
    names = {options.data} if options.clips is None else {options.data, f"{options.data}-first-{options.clips}"}
    same_clips = file.data.name in names and options.clips in (None, file.data.clips.get("test"))
    model = hashlib.sha256(run.checkpoint.read_bytes()).hexdigest()
    same_model = file.hashes is not None and file.hashes.model == model
    return file if same_clips and same_model and file.settings.protocol == PROTOCOL else None


def is_done(run: Run, options: Options) -> bool:
    """Whether a run is trained, and scored if it is to be."""
    return scores_of(run, options) is not None if run.system else is_trained(run, options)


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


def call(arguments: Sequence[str], log: Path, lock: int, interrupted: Event) -> str:
    """Run a command of wsprites to its end, with its output appended to a file.

    Returns:
        Why it failed, in a line; the empty string if it succeeded.

    Raises:
        KeyboardInterrupt: `interrupted` was set; the command was told to end, and has ended.
    """
    quiet = {**os.environ, "TQDM_MININTERVAL": "60"}
    with log.open("ab") as output:
        # A session of its own: Ctrl-C reaches this process alone, which then ends the command.
        child = subprocess.Popen([*COMMAND, *arguments], stdout=output, stderr=output, env=quiet, pass_fds=(lock,), start_new_session=True)
        while child.poll() is None:
            if interrupted.wait(0.2):
                child.send_signal(SIGTERM)  # SIGINT may be ignored in the background
                child.wait()
                raise KeyboardInterrupt
    lines = log.read_text(encoding="utf-8", errors="replace").splitlines()
    return f"exit code {child.returncode}: {lines[-1].rpartition('wsprites: ')[2] if lines else ''}" if child.returncode else ""


def do(run: Run, options: Options, lock: int, interrupted: Event) -> str:
    """Train and score a run, as far as that is not done. Returns why it failed, in a line; the empty string if it succeeded."""
    if run.gma and not is_trained(run.gma, options):
        return f"it is trained on {run.gma.folder.name}, which failed"
    shared = ["--device", options.device] if options.device else []
    if not is_trained(run, options):
        values = [f"--set={key}={value}" for key, value in run.settings.items()]
        given = {"--gma": run.gma and run.gma.checkpoint, "--vgg": options.vgg}
        paths = [text for option, path in given.items() if path for text in (option, str(path))]
        train = ["train", "--preset", options.preset, *values, "--stream", "--world", options.world, *paths, *shared]
        if failure := call([*train, "--out", str(run.folder), "--resume"], run.log, lock, interrupted):
            return failure
    if run.system and scores_of(run, options) is None:
        bench = ["bench", "--model", str(run.checkpoint), "--data", options.data, "--system", run.system, "--out", str(run.scores)]
        return call(bench + (["--clips", str(options.clips)] if options.clips else []), run.log, lock, interrupted)
    return ""


def write_table(row_list: Sequence[Row], options: Options) -> None:
    """Write the table and its plot from the scores that there are."""
    by_seed = [runs(row_list, options, seed)[1:] for seed in options.seeds]
    lines = []
    for row, *of_row in zip(row_list, *by_seed, strict=True):
        lines.append(line(row, [file for run in of_row if (file := scores_of(run, options))]))
    clips = "" if options.clips is None else f", first {options.clips} clips"
    caption = f"Preset {options.preset}, {options.data}{clips}, {PROTOCOL}: means over seeds, and 95 % intervals for other clips and seeds"
    about: dict[str, object] = {"data": options.data, "clips": options.clips, "protocol": PROTOCOL, "seeds": options.seeds}
    about |= {"preset": options.preset, "settings": options.settings}
    replace_file(options.out / "table.json", as_json(lines, about).encode())
    replace_file(options.out / "table.md", as_markdown(lines, caption).encode())
    replace_file(options.out / "plot.png", as_plot(lines, caption))


def work(only: Sequence[str], options: Options) -> list[str]:
    """Do all runs, or those of the rows with these names, one seed after the other. Returns a line for each that failed.

    Raises:
        ArgumentError: another process works in the folder.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    every_row = list(rows(options))
    wanted = [row for row in every_row if not only or row.name in only]
    todo = [run for seed in options.seeds for run in runs(wanted, options, seed)]
    if all(row.part == "global" for row in wanted):  # nobody needs GMA alone
        todo = [run for run in todo if run.system]
    failed = []
    with alone_in(options.out) as lock, interruptible() as interrupted:
        for number, run in enumerate(todo, start=1):
            if interrupted.is_set():
                raise KeyboardInterrupt
            if is_done(run, options):
                continue
            print(f"{number} of {len(todo)}: {run.folder.name}", flush=True)
            if failure := do(run, options, lock, interrupted):
                failed.append(f"{run.folder.name}: {failure}")
            write_table(every_row, options)
        write_table(every_row, options)
    return failed


# The command.


def parse(arguments: Sequence[str] | None) -> tuple[Options, list[str]]:
    """The options of the command line, and the names of the rows to do. Exits with 2 for wrong ones, before anything is trained."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs, the table and the plot")
    parser.add_argument("--preset", default="small", metavar="NAME", help="the preset that is changed  [small]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="train.seed of the runs of a row  [0 1 2]")
    parser.add_argument("--only", nargs="+", default=[], metavar="ROW", help="do only these rows, such as reference plain no-recs")
    parser.add_argument("--world", default="paper", choices=STANDARD.values(), metavar="NAME", help="world of training and scores  [paper]")
    parser.add_argument("--clips", type=int, metavar="N", help="score only the first clips  [all]")
    parser.add_argument("--steps", type=int, metavar="N", help="short for --set train.steps=N")
    parser.add_argument("--set", nargs="+", default=[], metavar="GROUP.FIELD=VALUE", help="change the preset, for all rows")
    parser.add_argument("--vgg", type=Path, help="torchvision's vgg19-dcbb9e9d.pth, for the perceptual terms")
    parser.add_argument("--device", default="", help="cpu or cuda  [cuda if available]")
    given = parser.parse_args(arguments)
    lines = [*given.set, *([f"train.steps={given.steps}"] if given.steps is not None else [])]
    settings = {key: value for key, _, value in (setting.partition("=") for setting in lines)}
    options = Options(given.out, given.preset, settings, tuple(given.seeds), given.world, given.clips, given.vgg, given.device)
    try:
        load_config(PRESETS, given.preset, lines)
        names = [row.name for row in rows(options)]
        for seed in options.seeds:
            runs([], options, seed)
    except UserError as error:
        parser.error(str(error))
    if unknown := [name for name in given.only if name not in names]:
        parser.error(f"--only: {unknown[0]} is not one of {', '.join(dict.fromkeys(names))}")
    if "train.seed" in settings or len({*options.seeds}) < len(options.seeds):
        parser.error("--seeds names the seeds, each of them once")
    if options.clips is not None and options.clips < 2:
        parser.error(f"--clips: {options.clips} is less than 2")
    return options, given.only


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 after a failure or an interruption, with 2 for wrong arguments."""
    options, only = parse(arguments)
    try:
        failed = work(only, options)
    except ArgumentError as error:
        print(f"--{error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command continues")
    print("\n".join([f"table: {options.out / 'table.md'}", *(f"FAILED {text}" for text in failed)]))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
