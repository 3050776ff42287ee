"""`wsprites bench --suite`: scores models on all worlds of a suite."""

from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from wsprites.commands import kept
from wsprites.terminal import bar

if TYPE_CHECKING:
    from wsprites.bench.run import Bar
    from wsprites.bench.suite import Row


def score_suite(suite: str, models: tuple[str, ...], outs: list[Path], report: Path | None, clips: int | None, seed: int | None) -> None:
    """Score, write and print.

    Args:
        models: names, in which "{axis}" stands for the name of a world.
        outs: the JSON file of each model; empty to write none.
    """
    from wsprites.bench import suite as worlds
    from wsprites.bench import suite_page

    by_model: dict[str, list[Row]] = {}
    written: list[Path] = []
    for number, model in enumerate(models):
        rows = by_model[model] = []
        out = outs[number] if outs else None
        with kept(written):
            for row in worlds.run(suite, model, clips=clips, seed=seed, out=out, bar=_bar):
                rows.append(row)
                written += [row.file] if row.file else []
                data, seconds = row.scores.data, "kept" if row.kept else f"{row.scores.seconds:.0f} s"
                click.echo(f"data     {row.axis.name}: {data.name}, sha256 {data.sha256[:16]}, {seconds}")
    for model, rows in by_model.items():
        click.echo(f"\n{model}\n{worlds.table(rows)}")
    if report:
        suite_page.write(report, suite, by_model)
    for path in (*outs, *filter(None, [report])):
        click.echo(f"done     {path}")


def _bar(axis: str) -> "Bar":
    return partial(bar, unit=f"clips of {axis}")
