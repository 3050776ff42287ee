"""`wsprites bench`: scores a model."""

import sys
import traceback
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsprites.commands import PATH, kept
from wsprites.terminal import bar, extra

if TYPE_CHECKING:
    from wsprites.bench.run import Job


@click.command()
@click.option(
    "--model",
    "--models",
    "model",
    multiple=True,
    metavar="X[,X...]",
    help="Each package.module:factory, a predictions file, a checkpoint, or the name of a trained model; may be repeated.",
)
@click.option(
    "--data",
    default="wsprites-paper-v1",
    show_default=True,
    help="A data file, or a standard world, such as wsprites-factorial-v1; an unknown name lists all.",
)
@click.option("--split", default="test", show_default=True, help="Split of a data file. Maps are fitted on val, or on train to score val.")
@click.option("--clips", type=click.IntRange(min=2), help="Score only the first clips: quick, and the scores say so.")
@click.option("--seed", type=click.IntRange(1, 2**63 - 1), help="Score on clips that nobody has: those of a standard world with this seed.")
@click.option("--suite", type=click.Choice(["axes"]), help="Score on a base world and on worlds with one thing changed each.")
@click.option("--system", default="", metavar="NAME", help="The models are runs of this system, with other seeds: one row of tables.")
@click.option("--out", type=PATH, help="Write all scores to this JSON file; with several models, to FILE-1.json and so on.")
@click.option("--report", type=PATH, help="Write a page with plots and videos to this HTML file.")
@click.option("--compare", type=PATH, help="A score file to compare with. Exits with 1 if a score of it is missing.")
@click.option("--fail-on", multiple=True, metavar="RULE", help="Exit with 1 if a score changed: 'local.ami<-0.02', or is 'worse'.")
@click.option("--check", "check_file", type=PATH, help="Check this score file against the model; exit with 1 if it is not the model's.")
@click.option(
    "--protocol",
    type=click.Choice(["wsprites", "released", "caddy"]),
    default="wsprites",
    show_default=True,
    help="'released': that of GLASS; 'caddy': that of CADDY.",
)
@click.option("--detections", metavar="X", help="With 'caddy', of videos: a CSV file that says where the object is, or 'breakout'.")
@click.option("--generated", type=PATH, help="With 'caddy': write the generated sequences to this .npy file.")
@click.option("--weights", type=PATH, help="A folder with the weights of AlexNet and LPIPS, Inception, I3D: adds LPIPS, FID, FVD.")
@click.option("--no-rollouts", is_flag=True, help="Leave out the scores of generated video, which take longest.")
@click.option("--template", type=PATH, help="Write a predictions file for these data, to be filled in, and exit.")
@click.option("--verbose", is_flag=True, help="Show the traceback of an exception that a model raises.")
def bench(
    model: tuple[str, ...],
    data: str,
    split: str,
    clips: int | None,
    seed: int | None,
    suite: str | None,
    system: str,
    out: Path | None,
    report: Path | None,
    compare: Path | None,
    fail_on: tuple[str, ...],
    check_file: Path | None,
    protocol: str,
    detections: str | None,
    generated: Path | None,
    weights: Path | None,
    no_rollouts: bool,
    template: Path | None,
    verbose: bool,
) -> None:
    """Score how well a model has discovered actions, with intervals and baselines."""
    from wsprites.bench.run import Job
    from wsprites.commands.suite import score_suite
    from wsprites.foreign import ForeignError

    names = tuple(name.strip() for given in model for name in given.split(","))
    mode = "--suite" if suite else "--check" if check_file else "--template" if template else f"--protocol {protocol}"
    _refuse(mode)
    _check_names(names, system, optional=template is not None)
    outs = _outputs(out, len(names))
    _check_files(outs, report, compare, template, generated)
    if fail_on and not compare:
        raise click.UsageError("--fail-on needs a baseline: --compare scores.json")
    if weights and no_rollouts:
        raise click.UsageError("--weights is for the scores of generated video, which --no-rollouts leaves out")
    job = Job(names, data, split, clips, weights, seed, system, not no_rollouts)
    try:
        if check_file:
            _check(check_file, names, data if _is_given("data") else "")
        elif suite:
            score_suite(suite, names, outs, report, clips, seed)
        elif template:
            _write_template(template, job)
        elif protocol == "released":
            for table in job.run_released(bar=partial(bar, unit="clips")):
                click.echo(table)
        elif protocol == "caddy":
            _score_by_caddy(job, outs, detections, generated)
        else:
            _score(job, outs, report, compare, fail_on)
    except ForeignError as error:
        if verbose:
            click.echo("".join(traceback.format_exception(error.__cause__)), err=True, nl=False)
        else:
            error.add_note("pass verbose=True for the traceback")
        raise


_OF_CADDY = ("--detections", "--generated")
_MORE = ("--no-rollouts", *_OF_CADDY)
_BY_LABELS = ("--compare", "--fail-on", "--report", "--system", "--no-rollouts")
_REFUSED = {
    "--suite": (
        ("--data", "--split", "--protocol", "--check", "--template", "--compare", "--fail-on", "--weights", "--system", *_MORE),
        "--suite, which scores on worlds of its own",
    ),
    "--check": (
        ("--split", "--clips", "--seed", "--template", "--protocol", "--out", "--weights", *_BY_LABELS, *_OF_CADDY),
        "--check, which takes them from the score file",
    ),
    "--template": (
        ("--model", "--protocol", "--out", "--weights", *_BY_LABELS, *_OF_CADDY),
        "--template, which only writes that file",
    ),
    "--protocol released": (("--out", "--weights", *_BY_LABELS, *_OF_CADDY), "--protocol released, which only prints a table"),
    "--protocol caddy": (_BY_LABELS, "--protocol caddy, which prints a table and writes scores"),
    "--protocol wsprites": (_OF_CADDY, "the protocol wsprites; add --protocol caddy"),
}
"""The options that have no effect in each mode of the command, and the mode in the words of the message."""


def _refuse(mode: str) -> None:
    """Raise UsageError if any of the options was given to the command that have no effect in a mode of it."""
    refused, words = _REFUSED[mode]
    context = click.get_current_context()
    for param in context.command.params:
        value, option = context.params[param.name or ""], next(name for name in param.opts if name.startswith("--"))
        if option in refused and value and value != param.get_default(context):
            shown = f"{option} {value}" if option == "--protocol" else option
            raise click.UsageError(f"{shown} does not go with {words}")


def _is_given(name: str) -> bool:
    """Whether an option has another source than its default."""
    return click.get_current_context().get_parameter_source(name) is not click.core.ParameterSource.DEFAULT


def _check_names(names: tuple[str, ...], system: str, *, optional: bool) -> None:
    """Raise UsageError unless there are names of models, each of them once, and a possible name of their system."""
    if not names and not optional:
        raise click.UsageError("--model is missing: package.module:factory, a predictions file, a checkpoint, or a trained model")
    if "" in names:
        raise click.UsageError("--models has an empty name; names are separated by one comma")
    twice = [name for number, name in enumerate(names) if name in names[:number]]
    if twice:
        raise click.UsageError(f"--models names {twice[0]} twice")
    if len(system) > 100 or not system.isprintable():
        raise click.UsageError("--system is not a name: at most 100 characters of one line")


def _write_template(path: Path, job: "Job") -> None:
    from wsprites.bench.predictions import write_template

    write_template(path, job.opened)
    click.echo(f"{path}: predictions for {job.opened.name}, to be filled in; its array README describes them")


def _check(path: Path, names: tuple[str, ...], data: str) -> None:
    """Check a score file and print what was found. Exits with 1 if the scores do not follow from what the model infers."""
    from wsprites.bench import check, scores

    if len(names) > 1:
        raise click.UsageError("--check needs one model, the one that the scores are said to be of")
    file = scores.read(path)
    findings = check.check(file, check.job_of(file, names[0], data))
    click.echo(f"check    {path}: scores of {file.model} on {file.data.name}")
    for finding in findings:
        click.echo(f"{'ok      ' if finding.fine else 'FAILED  '} {finding.text}")
    if not all(finding.fine for finding in findings):
        sys.exit(1)


def _outputs(out: Path | None, models: int) -> list[Path]:
    """The score file of each model."""
    if out is None:
        return []
    return [out] if models == 1 else [out.with_stem(f"{out.stem}-{number}") for number in range(1, models + 1)]


def _check_files(outs: list[Path], report: Path | None, compare: Path | None, template: Path | None, generated: Path | None) -> None:
    """Raise UserError or UsageError unless the output files have the endings of their formats, can be written and are no input."""
    from wsprites.generate import check_ending, check_output

    for score_file in outs:
        check_ending("out", score_file, ".json")
    if report:
        check_ending("report", report, ".html", ".htm")
    if generated:
        check_ending("generated", generated, ".npy")
    for path in (*outs, report, template, generated):
        if path:
            check_output(path, overwrite=True)  # an existing template is refused when it is written
    if compare and compare.resolve() in [path.resolve() for path in outs]:
        raise click.UsageError(f"--out {compare} is the baseline of --compare, which would be lost; choose another name")
    if report:
        with extra("report"):
            import_module("jinja2")  # before an hour of scoring


def _score_by_caddy(job: "Job", outs: list[Path], detections: str | None, generated: Path | None) -> None:
    """Score by the protocol of CADDY, write and print."""
    from wsprites.bench import caddy, scores

    written = list[Path]()
    with kept(written):
        for number, file in enumerate(job.run_caddy(detections=detections, generated=generated, bar=partial(bar, unit="sequences"))):
            if outs:
                scores.write(outs[number], file)
                written.append(outs[number])
            click.echo(caddy.table(file))
    for path in (*outs, *filter(None, [generated])):
        click.echo(f"done     {path}")


def _score(job: "Job", outs: list[Path], report: Path | None, compare: Path | None, fail_on: tuple[str, ...]) -> None:
    """Score, write and print. Exits with 1 if a rule is broken."""
    from wsprites.bench import compare as comparison
    from wsprites.bench import page, scores
    from wsprites.bench.runs import check_runs, joined
    from wsprites.bench.table import headline_lines, missing_table, table

    # Everything that can be refused is refused before scoring.
    if job.system:
        check_runs(job.models, job.system)
    baseline = scores.read(compare) if compare else None
    rules = comparison.parse_rules(fail_on, baseline) if baseline else []
    if baseline:
        comparison.check_baseline(baseline, job.description, weights=job.weights is not None)
    if job.networks:
        used = ", ".join(name.upper() for name in ("lpips", "fid", "fvd") if name not in job.without_networks) or "nothing"
        click.echo(f"weights  for {used}" + "".join(f", not {name.upper()} ({why})" for name, why in job.without_networks.items()))
        for name in job.without_rollout:
            click.echo(f"weights  for nothing: {name} has no rollout")
    # A result is written at once: it is not lost if the next model fails.
    results, written = [], list[Path]()
    with kept(written):
        for number, result in enumerate(job.run(bar=partial(bar, unit="clips"))):
            results.append(result)
            if outs:
                scores.write(outs[number], result.scores)
                written.append(outs[number])
    scored = job.opened.scored
    click.echo(f"data     {job.opened.name} ({len(scored)} clips of {scored.name}), sha256 {job.opened.sha256[:16]}")
    files = [result.scores for result in results]
    shown = joined(files)
    click.echo("\n\n".join([*map(headline_lines, shown), table(shown)]))
    if missing := missing_table(files):
        click.echo(missing)
    if report:
        page.write(report, results)
    for path in (*outs, *filter(None, [report])):
        click.echo(f"done     {path}")
    if baseline:
        broken = []
        for new, _ in results:
            click.echo(f"\n{new.model} against {compare}\n{comparison.changes(new, baseline)}")
            lines = comparison.regressions(new, baseline, rules)
            click.echo("".join(f"FAILED   {line}\n" for line in lines), nl=False)
            broken += lines
        if broken:
            sys.exit(1)
