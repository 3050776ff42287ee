"""The commands: they parse arguments and print. The libraries that do the work are imported when a command is run."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)


def _names(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[str, ...]:
    """Parse NAME,NAME,...; without it, there are none."""
    return () if value is None else tuple(name.strip() for name in value.split(","))


def size(_context: click.Context, _option: click.Parameter, value: str | None) -> tuple[int, int] | None:
    """Parse HxW. Raises BadParameter for another form."""
    if value is None:
        return None
    height, _, width = value.lower().partition("x")
    if not all(side.isdecimal() and len(side) <= 4 and 0 < int(side) <= 8192 for side in (height, width)):
        raise click.BadParameter(f"'{value:.60}' is not of the form HxW, such as 96x256, of 1 to 8192 pixels")
    return int(height), int(width)


@contextmanager
def kept(written: Collection[Path]) -> Iterator[None]:
    """Add to whatever is raised inside, Ctrl-C as well, which files were written before it: they are not lost."""
    try:
        yield
    except BaseException as error:
        if written:
            error.add_note(f"written before: {', '.join(map(str, written))}")
        raise


ANIMATIONS = click.option(
    "--animations",
    callback=_names,
    metavar="NAME,...",
    help="Animations that characters show, of walk, spellcast and slash, for sheets that lack the others.  [default: those of the world]",
)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
