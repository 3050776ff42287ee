"""The toy experiment by `wsprites train --system toy`."""

from collections.abc import Callable, Sequence
from pathlib import Path

import click
import torch
from click.core import ParameterSource

from glass_model.articulated.toy.config import PRESETS, ToyConfig
from glass_model.articulated.toy.experiment import read, run
from glass_model.articulated.toy.results import write
from glass_model.training.config import load_config
from wsprites.errors import ArgumentError

_OPTIONS = ("system", "preset", "settings", "batch", "out", "resume")


def complete(config: ToyConfig, out: Path, notice: Callable[[str], None]) -> None:
    """Train what has no result in a folder yet, and write table and plot.

    Raises:
        ArgumentError: the folder has results of something else; nothing is trained.
    """
    torch.set_num_threads(1)  # more are slower with such small batches
    for job in config.jobs():
        if (out / job.file).exists():
            read(out, job, config.train)
    run(out, config.jobs(), config.train, notice)
    notice(write(config, out, config.toy.sizes))


def train(context: click.Context, preset: str | None, settings: Sequence[str], batch: int | None, out: Path, *, resume: bool) -> None:
    """Run the experiment of a preset. Raises UsageError for options that are of no use for it, ArgumentError for values and folders."""
    for param in context.command.params:
        if param.name not in _OPTIONS and context.get_parameter_source(str(param.name)) == ParameterSource.COMMANDLINE:
            raise click.UsageError(f"{param.opts[0]} does not go with --system toy, which draws its own images and trains on the CPU")
    short = [] if batch is None else [f"train.batch={batch}"]
    config = load_config(PRESETS, preset or next(iter(PRESETS)), [*settings, *short])
    done = sum((out / job.file).exists() for job in config.jobs())
    if done and not resume:
        raise ArgumentError("out", f"{out} holds {done:,} results already; pass resume=True to continue, or name another folder")
    models = config.toy
    click.echo(f"system   toy, preset {config.name}")
    sizes, seeds = ", ".join(f"{size:,}" for size in sorted(models.sizes)), f"{models.seeds} seed{'s' * (models.seeds > 1)}"
    click.echo(f"networks {', '.join(models.networks)}; {sizes} images, {seeds}")
    click.echo(f"trains   {len(config.jobs()) - done:,} of {len(config.jobs()):,}, by one thread of the CPU")
    complete(config, out, click.echo)
    click.echo(f"done     {out}: toy.md, toy.svg")
