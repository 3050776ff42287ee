"""`wsprites bench`: scores a model."""

import sys
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsprites.commands import PATH
from wsprites.terminal import bar, extra

if TYPE_CHECKING:
    from wsprites.bench.run import Job


@click.command()
@click.option("--model", "--models", "models", metavar="X[,X...]", help="Each package.module:factory, a predictions file, or a checkpoint.")
@click.option("--data", default="wsprites-paper-v1", show_default=True, help="A data file, or a standard world: wsprites-factorial-v1.")
@click.option("--split", default="test", show_default=True, help="Split of a data file. Maps are fitted on val, or on train to score val.")
@click.option("--clips", type=click.IntRange(min=2), help="Score only the first clips: quick, and the scores say so.")
@click.option("--out", type=PATH, help="Write all scores to this JSON file; with several models, to FILE-1.json and so on.")
@click.option("--report", type=PATH, help="Write a page with plots and videos to this HTML file.")
@click.option("--compare", type=PATH, help="A score file to compare with.")
@click.option("--fail-on", multiple=True, metavar="RULE", help="Exit with 1 if a score changed by more: 'local.matched_accuracy<-0.02'.")
@click.option(
    "--protocol", type=click.Choice(["wsprites", "released"]), default="wsprites", show_default=True, help="'released': that of GLASS."
)
@click.option("--weights", type=PATH, help="A folder with the weights of AlexNet and LPIPS, Inception, I3D: adds LPIPS, FID, FVD.")
@click.option("--template", type=PATH, help="Write a predictions file for these data, to be filled in, and exit.")
def bench(
    models: str | None,
    data: str,
    split: str,
    clips: int | None,
    out: Path | None,
    report: Path | None,
    compare: Path | None,
    fail_on: tuple[str, ...],
    protocol: str,
    weights: Path | None,
    template: Path | None,
) -> None:
    """Score how well a model has discovered actions, with intervals and baselines."""
    from wsprites.bench.run import Job

    names = tuple(name.strip() for name in (models or "").split(","))
    outs = _outputs(out, len(names))
    _check_files(outs, report, compare, template)
    job = Job(names, data, split, clips, weights)
    if template:
        from wsprites.bench.predictions import write_template

        write_template(template, job.opened)
        click.echo(f"{template}: predictions for {job.opened.name}, to be filled in; its array README describes them")
        return
    if not models:
        raise click.UsageError("--model is missing: package.module:factory, a predictions file, or a checkpoint")
    if fail_on and not compare:
        raise click.UsageError("--fail-on needs a baseline: --compare scores.json")
    if protocol == "released":
        for option, value in (("--weights", weights), ("--out", out), ("--report", report), ("--compare", compare)):
            if value:
                raise click.UsageError(f"{option} does not go with --protocol released, which only prints a table")
        for table in job.run_released(bar=partial(bar, unit="clips")):
            click.echo(table)
        return
    _score(job, outs, report, compare, fail_on)


def _outputs(out: Path | None, models: int) -> list[Path]:
    """The score file of each model."""
    if out is None:
        return []
    return [out] if models == 1 else [out.with_stem(f"{out.stem}-{number}") for number in range(1, models + 1)]


def _check_files(outs: list[Path], report: Path | None, compare: Path | None, template: Path | None) -> None:
    """Raise UserError or UsageError unless the output files can be written and are no input."""
    from wsprites.generate import check_output

    for path in (*outs, report, template):
        if path:
            check_output(path, overwrite=True)  # an existing template is refused when it is written
    if compare in outs:
        raise click.UsageError(f"--out {compare} is the baseline of --compare, which would be lost; choose another name")
    if report in outs:
        raise click.UsageError(f"--report {report} is the file of --out as well; choose another name")
    if report:
        with extra("report"):
            import_module("jinja2")  # before an hour of scoring


def _score(job: "Job", outs: list[Path], report: Path | None, compare: Path | None, fail_on: tuple[str, ...]) -> None:
    """Score, write and print. Exits with 1 if a rule is broken."""
    from wsprites.bench import compare as comparison
    from wsprites.bench import page, scores
    from wsprites.bench.table import table

    # Everything that can be refused is refused before scoring.
    baseline = scores.read(compare) if compare else None
    rules = comparison.parse_rules(fail_on, job.description, baseline) if baseline else []
    if job.networks:
        used = ", ".join(name.upper() for name in ("lpips", "fid", "fvd") if name not in job.without_networks) or "nothing"
        click.echo(f"weights  for {used}" + "".join(f", not {name.upper()} ({why})" for name, why in job.without_networks.items()))
        for name in job.without_rollout:
            click.echo(f"weights  for nothing: {name} has no rollout")
    # A result is written at once: it is not lost if the next model fails.
    results = []
    for number, result in enumerate(job.run(bar=partial(bar, unit="clips"))):
        results.append(result)
        if outs:
            scores.write(outs[number], result.scores)
    scored = job.opened.scored
    click.echo(f"data     {job.opened.name} ({len(scored)} clips of {scored.name}), sha256 {job.opened.sha256[:16]}")
    click.echo(table([result.scores for result in results]))
    if report:
        page.write(report, results)
    if baseline:
        broken = []
        for new, _ in results:
            click.echo(f"\n{new.model} against {compare}\n{comparison.changes(new, baseline)}")
            lines = comparison.regressions(new, baseline, rules)
            click.echo("".join(f"FAILED   {line}\n" for line in lines), nl=False)
            broken += lines
        if broken:
            sys.exit(1)
