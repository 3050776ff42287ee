"""What latent action models encode: trains and scores whatever is missing, one run after the other, and writes tables and plots.

    nohup python -m benchmarks.lam_study --out runs/lam --preset tiny &

Bottleneck x target x context in three worlds, those with codebooks in two more, and what is said to cure them in `factorial`. Call it
again after an interruption: it resumes the run that was interrupted, and skips what is done. A run that fails does not stop the others;
its .log file says why. In OUT:

    WORLD-ROW-SEED/, WORLD-ROW-SEED.json     folder of `wsprites train`, a .log file beside it, and the score file of `wsprites bench`
    table.json, table.md                     means over the seeds, of the scores so far
    bottleneck.png, target.png, ...          the rows that differ along one axis

With `--results FOLDER`, a small file of each run stays there, and what is there is not done again, whatever became of its checkpoint: the
study can be done in parts and on several machines. `benchmarks/results/lam` has the runs of this project, and

    python -m benchmarks.lam_study --results benchmarks/results/lam --clips 100 --table --out docs/lam-study

makes its tables again from them. Rows with windows of GLASS need a checkpoint of it, `--gma`.

A row is named by its bottleneck, target and context, such as vq-pixel-pairs, or by the cure, which is vq-pixel-pairs with it. `--list`
names all rows.
"""

import argparse
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path

from benchmarks.ablation_table import Line, Row, as_json, as_markdown, as_plot, line
from benchmarks.runs import Options, Run, Settings, check_clips, do_all, finish, in_options, is_done, scores_of
from glass_model.lam.config import PRESETS, Config
from glass_model.training.config import load_config
from glass_model.training.device import join
from wsprites.bench.scores import PROTOCOL
from wsprites.errors import UserError
from wsprites.generate import replace_file

TITLE = "What latent action models encode"
WORLDS = {
    "factorial": "factorial: three independent chains",
    "paper": "paper: the walk decides the local action",
    "axes-still": "factorial with a still scene",
    "axes-no-inertia": "factorial, every action drawn anew (p_inertia = 0)",
    "axes-position": "factorial, actions follow the position (policy 0.9)",
}
_EVERY_ROW = ("factorial", "paper", "axes-still")  # worlds with the whole table of bottlenecks, targets and contexts

BOTTLENECKS: dict[str, Settings] = {
    "vq": {},
    "fsq": {"model.bottleneck": "fsq"},
    "vae": {"model.bottleneck": "vae"},
    "none": {"model.bottleneck": "none"},
}
TARGETS: dict[str, Settings] = {"pixel": {}, "foreground": {"loss.target": "foreground"}, "latent": {"model.latent": "true"}}
CONTEXTS: dict[str, Settings] = {"pairs": {}, "k2": {"model.context": "2", "train.window": "3"}}
_WINDOW = {"model.figure": "64", "model.scale": "1"}
_FOUND = {**_WINDOW, "model.follow": "gma", "loss.target": "found"}
_PERSIST = {
    **_FOUND,
    "model.figure_only": "true",
    "model.bottleneck": "softmax",
    "loss.persist": "1",
    "loss.entropy": "0.3",
    "model.encoder": "strided",
    "model.idm_channels": "[16, 32, 64, 96]",
    "model.idm_hidden": "128",
    "train.window": "90",
    "train.batch": "4",
    "train.every": "6",
    "train.rate": "3e-3",
}
_BEHIND = {"train.behind": "20", "train.window": "22"}
_LABELLED = {"train.labelled": "16"}
CURES: dict[str, Settings] = {
    "window": {**_WINDOW, "model.follow": "place"},
    "window-foreground": {**_WINDOW, "model.follow": "place", "loss.target": "foreground"},
    "window-foreground-skip-2": {**_WINDOW, "model.follow": "place", "loss.target": "foreground", "train.skip": "2"},
    "window-foreground-behind-20": {**_WINDOW, "model.follow": "place", "loss.target": "foreground", **_BEHIND},
    "window-tracker": {**_WINDOW, "model.follow": "tracker"},
    "window-gma": {**_WINDOW, "model.follow": "gma"},
    "window-found": _FOUND,
    "window-found-behind-20": {**_FOUND, **_BEHIND},
    "window-found-persist": _PERSIST,
    "shared": {"train.augment": "shared"},
    "twin": {"train.augment": "twin"},
    "twin-foreground": {"train.augment": "twin", "loss.target": "foreground"},
    "product": {"model.groups": "3", "model.books": "3"},
    "product-foreground": {"model.groups": "3", "model.books": "3", "loss.target": "foreground"},
    "ahead-3": {"train.ahead": "3", "train.window": "4"},
    "zero": {"loss.zero": "0.1"},
    "labels-1": {"train.labels": "0.01", **_LABELLED},
    "labels-2.5": {"train.labels": "0.025", **_LABELLED},
    "window-found-labels-1": {**_FOUND, "train.labels": "0.01", **_LABELLED},
    "window-found-labels-2.5": {**_FOUND, "train.labels": "0.025", **_LABELLED},
}
"""What is said to help, by what differs from vq-pixel-pairs."""
AXES: dict[str, tuple[str, ...]] = {
    "bottleneck": tuple(f"{name}-pixel-pairs" for name in BOTTLENECKS),
    "target": tuple(f"vq-{name}-pairs" for name in TARGETS),
    "context": tuple(f"vq-pixel-{name}" for name in CONTEXTS),
    "cure": ("vq-pixel-pairs", *CURES),
}
"""The rows of each plot. That of the worlds is the one of targets, which are in all of them."""
SCORES = {
    "local.conditional": "local in codes ↑",
    "global.conditional": "walk in codes",
    "background.conditional": "scene in codes",
    "vectors.local.linear": "local, probe of z ↑",
    "vectors.global.linear": "walk, probe of z",
    "vectors.background.linear": "scene, probe of z",
    "leakage.background.vectors": "scene leaks into z ↓",
    "codes.perplexity": "perplexity",
    "control.faithful": "faithful ↑",
}

PLOTTED = ("local.conditional", "global.conditional", "background.conditional", "vectors.local.linear")
"""The scores of the plots."""


def rows() -> Iterator[Row]:
    """All rows, one world after the other."""
    for world in WORLDS:
        for (bottleneck, first), (target, second), (context, third) in product(BOTTLENECKS.items(), TARGETS.items(), CONTEXTS.items()):
            if world in _EVERY_ROW or bottleneck == "vq":
                yield Row(world, f"{bottleneck}-{target}-{context}", first | second | third)
        if world == "factorial":
            yield from (Row(world, name, settings) for name, settings in CURES.items())


ALSO = (
    *("local.facing.conditional", "local.animation.conditional"),
    *("local.ami", "local.matched_accuracy", "local.onset.ami", "global.ami", "background.ami"),
    *("leakage.background.codes", "vectors.local.mlp", "vectors.global.mlp", "vectors.background.mlp", "codes.usage", "null.vectors"),
    *("nuisance.background_motion.vectors", "nuisance.character.vectors", "control.unreadable", "control.delta_psnr", "control.ghost"),
    *("drift.psnr.1", "drift.ssim.1", "drift.position.1", "drift.position.16", "transfer.position.16"),
)
"""What is kept of a run besides."""


def run_of(row: Row, options: Options, seed: int) -> Run:
    """The run of a row and a seed. Raises ArgumentError for settings that are not possible."""
    values = {**options.settings, **row.settings, "train.seed": str(seed)}
    folder = options.out / f"{row.part}-{row.name}-{seed}"
    config = options.config(values)
    given = options.gma if needs_gma(config) else ""
    return Run(folder, config, values, f"lam {options.preset}: {row.name}", given=given)


def needs_gma(config: Config) -> bool:
    """Whether the windows of a model follow the masks of a checkpoint of GLASS."""
    return bool(config.model.figure) and config.model.follow == "gma"


def write_tables(options: Options) -> None:
    """Write the table, and the plots of all axes, from the scores that there are."""
    lines = []
    for row in rows():
        of_world = replace(options, world=row.part)
        files = (scores_of(run_of(row, of_world, seed), of_world) for seed in options.seeds)
        lines.append(line(row, [file for file in files if file], SCORES))
    clips = "" if options.clips is None else f", first {options.clips} clips"
    preset = "".join([options.preset, *(f", {key}={value}" for key, value in options.settings.items())])
    caption = f"LAM, preset {preset}{clips}, {PROTOCOL}: means over seeds, and 95 % intervals for other clips and seeds"
    about: dict[str, object] = {"clips": options.clips, "protocol": PROTOCOL, "seeds": options.seeds}
    about |= {"preset": options.preset, "settings": options.settings}
    replace_file(options.out / "table.json", as_json(lines, about).encode())
    shown = {axis: of_axis for axis, names in AXES.items() if (of_axis := _along(lines, names))}
    pictures = {f"{axis}.png": f"Scores of the rows that differ in their {axis}" for axis in shown}
    where = f"{caption}. docs/lam.md says what rows and columns are"
    replace_file(options.out / "table.md", as_markdown(lines, TITLE, where, WORLDS, SCORES, pictures).encode())
    for axis, of_axis in shown.items():
        replace_file(options.out / f"{axis}.png", as_plot(of_axis, f"{axis}: {caption}", WORLDS, {name: SCORES[name] for name in PLOTTED}))


def _along(lines: Sequence[Line], names: Sequence[str]) -> list[Line]:
    """The lines of an axis that have runs, in the order of the axis, in the worlds where several have some."""
    shown = [(list(WORLDS).index(line.row.part), names.index(line.row.name), line) for line in lines if line.row.name in names]
    compared = [world for world, _, line in shown if line.runs]
    return [line for world, _, line in sorted(shown, key=lambda each: each[:2]) if line.runs and compared.count(world) > 1]


def work(todo: Sequence[Row], options: Options) -> list[str]:
    """Do the runs of some rows, one seed after the other; without rows, the tables alone. Returns a line for each that failed."""
    if not todo:
        options.out.mkdir(parents=True, exist_ok=True)
        write_tables(options)
        return []
    world_of, runs = dict[Path, str](), []
    for seed in options.seeds:
        for row in todo:
            run = run_of(row, replace(options, world=row.part), seed)
            world_of[run.folder] = row.part
            runs.append(run)
    return do_all(runs, lambda run: replace(options, world=world_of[run.folder]), options.out, lambda: write_tables(options))


# The command.


def _parser() -> argparse.ArgumentParser:
    """The options of the command."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.lam_study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("runs/lam"), help="folder of all runs, the table and the plots  [runs/lam]")
    parser.add_argument("--preset", default="tiny", metavar="NAME", help="the preset that is changed  [tiny]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="train.seed of the runs of a row  [0 1 2]")
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=WORLDS, metavar="NAME", help="do only these worlds")
    parser.add_argument("--only", nargs="+", action="extend", default=[], metavar="ROW", help="do only these rows, such as vq-pixel-pairs")
    parser.add_argument("--clips", type=int, metavar="N", help="score only the first clips  [all]")
    parser.add_argument("--no-rollouts", action="store_true", help="leave out the scores of generated video, which take longest")
    parser.add_argument("--steps", type=int, metavar="N", help="short for --set train.steps=N")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="GROUP.FIELD=VALUE", help="change the preset of all rows")
    parser.add_argument("--device", default="", help="cpu or cuda  [cuda if available]")
    parser.add_argument(
        "--gma",
        default="",
        metavar="CHECKPOINT",
        help="a checkpoint of GLASS, or `small`, for rows with its windows; without, they are not done",
    )
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep a small file of each run here, and do what is not here yet")
    parser.add_argument("--table", action="store_true", help="do nothing but the tables and plots of the runs that are done")
    parser.add_argument("--list", action="store_true", help="name the rows of each world, and end")
    return parser


def parse(arguments: Sequence[str] | None) -> tuple[Options, list[Row]]:
    """The options of the command line, and the rows to do. Exits with 2 for wrong ones, before anything is trained."""
    parser = _parser()
    given = parser.parse_args(arguments)
    lines = [*given.set, *([f"train.steps={given.steps}"] if given.steps is not None else [])]
    settings = {key: value for key, _, value in (setting.partition("=") for setting in lines)}
    options = Options(given.out, given.preset, settings, tuple(given.seeds), "factorial", given.clips, None, given.device, "lam")
    options = replace(options, results=given.results, kept=(*SCORES, *ALSO), gma=given.gma, rollouts=not given.no_rollouts)
    wanted = [row for row in rows() if row.part in given.worlds and (not given.only or row.name in given.only)]
    if given.list:
        print("\n".join(f"{row.part}  {row.name}" for row in wanted))
        sys.exit(0)
    if unknown := [name for name in given.only if name not in {row.name for row in wanted}]:
        parser.error(f"--only: {unknown[0]} is no row of {', '.join(given.worlds)}; --list names them")
    if "train.seed" in settings or len({*options.seeds}) < len(options.seeds):
        parser.error("--seeds names the seeds, each of them once")
    try:
        load_config(PRESETS, given.preset, lines)
        for row in wanted:
            run_of(row, options, options.seeds[0])
        check_clips(options)
        join(given.device)
        lacking = [] if options.gma or given.table else [row for row in wanted if _lacks_gma(row, options)]
    except UserError as error:
        parser.error(in_options(error))
    if given.table:
        return options, []
    if lacking and given.only:
        parser.error(f"--gma: {lacking[0].name} needs a checkpoint of GLASS")
    if lacking:
        print(f"not done without --gma: {', '.join(row.name for row in lacking)}")
    return options, [row for row in wanted if row not in lacking]


def _lacks_gma(row: Row, options: Options) -> bool:
    """Whether a run of a row needs a checkpoint of GLASS and is not done."""
    of_world = replace(options, world=row.part)
    runs = [run_of(row, of_world, seed) for seed in options.seeds]
    return any(needs_gma(run.config) and not is_done(run, of_world) for run in runs)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 after a failure or an interruption, with 2 for wrong arguments."""
    options, wanted = parse(arguments)
    finish(lambda: work(wanted, options), f"table: {options.out / 'table.md'}")


if __name__ == "__main__":
    main()
