"""The ablations of GLASS from one preset: trains and scores whatever is missing, one run after the other, and writes a table and a plot.

    nohup python -m benchmarks.ablations --out runs/ablations --preset small &

Call it again after an interruption: it resumes the run that was interrupted, and skips what is done. A run that fails does not stop the
others; its .log file says why. For each seed, the ablations of LMA and their row of reference are trained on one GMA, which was trained
alone for `train.alone` steps and does not change any more; those of GMA, and their row of reference, are trained as a whole. In OUT:

    gma-SEED/, local-NAME-SEED/, global-NAME-SEED/    folders of `wsprites train`, each with a .log file beside it
    local-NAME-SEED.json, global-NAME-SEED.json       score files of `wsprites bench`
    table.json, table.md, plot.png                    means over the seeds, of the scores so far

With `--results FOLDER`, a small file of each run stays there, and what is there is not done again, whatever became of its checkpoint. A GMA
that is needed and gone is trained again; the files say which one a run had.

An ablation is what differs from the preset `paper`. One that the preset has already is turned round: the row gets the value of `paper`,
and its name, such as vq for a preset with gumbel, which has the loss of the codebook as well. One that makes no difference either way is
left out, as no-vgg without --vgg.
"""

import argparse
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.ablation_table import PARTS, REFERENCE, SCORES, Row, as_json, as_markdown, as_plot, line
from benchmarks.runs import Options, Run, Settings, check_clips, do_all, finish, in_options, is_done, scores_of
from glass_model.glass.config import GLOBAL_ABLATIONS, LOCAL_ABLATIONS, PRESETS, Changes
from glass_model.perceptual import load_vgg
from glass_model.training.config import load_config
from glass_model.training.device import join
from wsprites.bench.data import STANDARD
from wsprites.bench.scores import PROTOCOL
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file

ALSO = (
    *("local.matched_accuracy", "local.conditional", "local.facing.conditional", "local.animation.conditional"),
    *("local.onset.ami", "local.onset.matched_accuracy", "vectors.local.linear"),
    *("leakage.background.vectors", "codes.perplexity", "codes.usage", "masks.hard_iou", "background_shift.mean", "shift.action_accuracy"),
    *("control.unreadable", "control.shift.action_accuracy", "drift.position.16", "transfer.position.16", "drift.psnr.1"),
)
"""What is kept of a run besides the scores of the table."""
ABLATIONS = {"local": LOCAL_ABLATIONS, "global": GLOBAL_ABLATIONS}

# What is to be done.


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
    (group, fields), *_ = changes.items()
    ((field, _),) = fields.items()
    paper = PRESETS["paper"]
    value = getattr(getattr(paper, group), field)
    names = {bool: field if value else f"not-{field}", str: value, int: f"{field}-{value}", float: f"with-{field}"}
    also: Changes = {"loss": {"vq": paper.loss.vq}} if value == "vq" else {}  # without this loss, code vectors stay random
    return Row(part, names[type(value)], _flat({group: {field: value}} | also))


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


# Doing it.


def write_table(row_list: Sequence[Row], options: Options) -> None:
    """Write the table and its plot from the scores that there are."""
    by_seed = [runs(row_list, options, seed)[1:] for seed in options.seeds]
    lines, seeds = [], {part: set[int]() for part in PARTS}
    for row, *of_row in zip(row_list, *by_seed, strict=True):
        files = {seed: file for seed, run in zip(options.seeds, of_row, strict=True) if (file := scores_of(run, options))}
        lines.append(line(row, [*files.values()]))
        seeds[row.part] |= files.keys()
    clips = "" if options.clips is None else f", first {options.clips} clips"
    caption = f"{options.data}{clips}, {PROTOCOL}: means over seeds, and 95 % intervals for other clips and seeds"
    settings = ", ".join(f"{name}={value}" for name, value in options.settings.items())
    scores = {name: heading for name, heading in SCORES.items() if options.rollouts or not name.startswith("control.")}
    about: dict[str, object] = {"data": options.data, "clips": options.clips, "protocol": PROTOCOL, "seeds": options.seeds}
    about |= {"preset": options.preset, "settings": options.settings}
    replace_file(options.out / "table.json", as_json(lines, about).encode())
    pictures = {"plot.png": "Scores of all rows"} if any(line.runs for line in lines) else {}
    shown = "; ".join(
        f"{', '.join(map(str, sorted(of_part)))} ({PARTS[part].partition(',')[0]})" for part, of_part in seeds.items() if of_part
    )
    words = f"Preset {options.preset}{settings and ' with '}{settings}. {caption}{shown and '. Seeds: '}{shown}"
    replace_file(options.out / "table.md", as_markdown(lines, "Ablations of GLASS", words, PARTS, scores, pictures).encode())
    replace_file(options.out / "plot.png", as_plot(lines, f"Preset {options.preset}{settings and ', changed'}, {caption}", PARTS, scores))


def work(only: Sequence[str], options: Options, *, table: bool = False) -> list[str]:
    """Do all runs, or those of some rows, one seed after the other; or the table alone. Returns a line for each that failed.

    Args:
        only: names of rows or of parts; empty for all.
        options: of the runs.
        table: do nothing but the table.

    Raises:
        ArgumentError: another process works in the folder.
        KeyboardInterrupt: Ctrl-C or SIGTERM.
    """
    every_row = list(rows(options))
    if table:
        options.out.mkdir(parents=True, exist_ok=True)
        write_table(every_row, options)
        return []
    wanted = [row for row in every_row if not only or row.name in only or row.part in only]
    todo = [run for seed in options.seeds for run in runs(wanted, options, seed)]
    needed = {run.gma.folder for run in todo if run.gma and not is_done(run, options)}
    todo = [run for run in todo if run.system or run.folder in needed]
    return do_all(todo, lambda _: options, options.out, lambda: write_table(every_row, options))


# The command.


def parse(arguments: Sequence[str] | None) -> tuple[Options, list[str], bool]:
    """The options, the names of the rows to do, and whether to write the table alone. Exits with 2 for wrong ones, before any training."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.ablations", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of all runs, the table and the plot")
    parser.add_argument("--preset", default="small", metavar="NAME", help="the preset that is changed  [small]")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2], metavar="N", help="train.seed of the runs of a row  [0 1 2]")
    parser.add_argument(
        "--only",
        nargs="+",
        action="extend",
        default=[],
        metavar="ROW",
        help="do only these rows, such as reference plain no-recs, or parts: local, global",
    )
    parser.add_argument("--world", default="paper", choices=STANDARD.values(), metavar="NAME", help="world of training and scores  [paper]")
    parser.add_argument("--clips", type=int, metavar="N", help="score only the first clips  [all]")
    parser.add_argument("--steps", type=int, metavar="N", help="short for --set train.steps=N")
    parser.add_argument("--set", nargs="+", action="extend", default=[], metavar="GROUP.FIELD=VALUE", help="change the preset of all rows")
    parser.add_argument("--results", type=Path, metavar="FOLDER", help="keep a small file of each run here, and do what is not here yet")
    parser.add_argument("--table", action="store_true", help="do nothing but the table and the plot of the runs that are done")
    parser.add_argument("--vgg", type=Path, help="torchvision's vgg19-dcbb9e9d.pth, for the perceptual terms")
    parser.add_argument("--device", default="", help="cpu or cuda  [cuda if available]")
    parser.add_argument("--no-rollouts", action="store_true", help="leave out the scores of generated video, which take longest")
    given = parser.parse_args(arguments)
    lines = [*given.set, *([f"train.steps={given.steps}"] if given.steps is not None else [])]
    settings = {key: value for key, _, value in (setting.partition("=") for setting in lines)}
    options = Options(given.out, given.preset, settings, tuple(given.seeds), given.world, given.clips, given.vgg, given.device)
    options = replace(options, results=given.results, kept=(*SCORES, *ALSO), rollouts=not given.no_rollouts)
    try:
        load_config(PRESETS, given.preset, lines)
        names = [*(row.name for row in rows(options)), *PARTS]
        for seed in options.seeds:
            runs([], options, seed)
        check_clips(options)
        join(given.device)
        if given.vgg:
            load_vgg(given.vgg)
    except UserError as error:
        parser.error(in_options(error))
    if unknown := [name for name in given.only if name not in names]:
        parser.error(f"--only: {unknown[0]} is not one of {', '.join(dict.fromkeys(names))}")
    if "train.seed" in settings or len({*options.seeds}) < len(options.seeds):
        parser.error("--seeds names the seeds, each of them once")
    return options, given.only, given.table


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 1 after a failure or an interruption, with 2 for wrong arguments."""
    options, only, table = parse(arguments)
    finish(lambda: work(only, options, table=table), f"table: {options.out / 'table.md'}")


if __name__ == "__main__":
    main()
