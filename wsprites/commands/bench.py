"""`wsprites bench`: scores a model."""

import sys
import time
from pathlib import Path

import click

from wsprites.commands import PATH
from wsprites.terminal import bar, extra


@click.command()
@click.option("--model", "--models", "models", metavar="X[,X...]", help="Each package.module:factory, a predictions file, or a checkpoint.")
@click.option("--data", default="wsprites-paper-v1", show_default=True, help="A data file, or a standard world: wsprites-factorial-v1.")
@click.option("--split", default="test", show_default=True, help="Of a data file. Maps are fitted on val, or on train where val is scored.")
@click.option("--clips", type=click.IntRange(min=2), help="Score the first clips only: quick, and named so in the scores.")
@click.option("--out", type=PATH, help="Write all figures to this JSON file; with several models, to FILE-1.json and so on.")
@click.option("--report", type=PATH, help="Write a page with plots and films to this HTML file.")
@click.option("--compare", type=PATH, help="A score file to compare with.")
@click.option("--fail-on", multiple=True, metavar="RULE", help="Exit with 1 if a figure changed by more: 'local.matched_accuracy<-0.02'.")
@click.option(
    "--protocol", type=click.Choice(["wsprites", "released"]), default="wsprites", show_default=True, help="'released': of GLASS."
)
@click.option("--weights", type=PATH, help="A folder with the usual weights of LPIPS, Inception, I3D: those scores too.")
@click.option("--template", type=PATH, help="Write a predictions file for these data, to be filled in, and stop.")
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
    """Score what a model has found out about actions, with intervals, floors and ceilings."""
    from wsprites.bench import data as clips_of
    from wsprites.bench import evaluate, page, released
    from wsprites.bench import scores as scores_of
    from wsprites.bench.distances import left_out
    from wsprites.bench.protocol import Controllable, load, write_template
    from wsprites.generate import check_output

    names = [name.strip() for name in (models or "").split(",")]
    outs = [out if len(names) == 1 else out.with_stem(f"{out.stem}-{number}") for number in range(1, len(names) + 1)] if out else []
    for path in (*outs, report, template):
        if path:
            check_output(path, overwrite=path != template)
    if compare in outs:
        raise click.UsageError(f"--out {compare} is the baseline of --compare, which would be lost; name another")
    if report in outs:
        raise click.UsageError(f"--report {report} is the file of --out as well; name another")
    given = Path(data)
    if split != "test" and not (given.suffix or given.exists()):
        raise click.UsageError(f"--split {split} is for data files; a standard world is scored on test")
    scored = clips_of.from_file(given, split, clips) if given.suffix or given.exists() else clips_of.standard(data, clips)
    if template:
        write_template(template, scored)
        click.echo(f"{template}: predictions for {scored.name}, to be filled in; its array README says how")
        return
    if not models:
        raise click.UsageError("--model is missing: package.module:factory, a predictions file, or a checkpoint")
    if fail_on and not compare:
        raise click.UsageError("--fail-on wants a baseline: --compare scores.json")
    for option, value in (("--weights", weights), ("--out", out), ("--report", report), ("--compare", compare)):
        if value and protocol == "released":
            raise click.UsageError(f"{option} does not go with --protocol released, which prints a table alone")
    baseline = scores_of.read(compare) if compare else None
    if baseline:
        scores_of.check_rules(scored.describe(), baseline, fail_on)
    networks = None
    if weights:
        with extra("torch"):
            from wsprites.bench.networks import load as load_networks
        networks = load_networks(weights)
        without = left_out(scored, networks)
        having = ", ".join(name.upper() for name in ("lpips", "fid", "fvd") if name not in without) or "nothing"
        click.echo(f"weights  for {having}" + "".join(f", not {name.upper()} ({why})" for name, why in without.items()))
    every, films = [], []
    for number, (name, model) in enumerate([(name, load(name, scored)) for name in names]):
        begin = time.perf_counter()
        if networks and not isinstance(model, Controllable):
            click.echo(f"weights  for nothing: {name} has no rollout")
        total = released.clips_to_do(model, scored) if protocol == "released" else evaluate.clips_to_do(model, scored, networks)
        with bar(total, "clips") as progress:
            if protocol == "released":
                click.echo(released.table(model, scored, name, progress))
                continue
            scores = evaluate.evaluate(model, scored, name, progress, networks)
        every.append(scores_of.to_json(scores, name, scored, time.perf_counter() - begin, networks.sha256 if networks else None))
        films.append(scores.films)
        if outs:
            scores_of.write(outs[number], every[-1])  # at once: what was scored is not lost if the next model fails
    if not every:
        return
    click.echo(f"data     {scored.name} ({len(scored.scored)} clips of {scored.scored.name}), sha256 {scored.sha256[:16]}")
    click.echo(scores_of.table(every))
    if report:
        page.write(report, every, films)
    if baseline:
        failed = False
        for written in every:
            click.echo(f"\n{written['model']} against {compare}\n{scores_of.changes(written, baseline)}")
            for line in scores_of.regressions(written, baseline, fail_on):
                click.echo(f"FAILED   {line}")
                failed = True
        if failed:
            sys.exit(1)
