"""The commands: they parse arguments and print. The libraries that do the work are imported when a command is run."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)


def _names(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Parse NAME,NAME,...; without it, there are none."""
    return () if value is None else tuple(name.strip() for name in value.split(","))


ANIMATIONS = click.option(
    "--animations",
    callback=_names,
    metavar="NAME,...",
    help="Animations that characters show, of walk, spellcast and slash, for sheets that lack the others.  [default: those of the world]",
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
