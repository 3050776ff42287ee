"""The commands: they parse arguments and print. The libraries that do the work are imported when a command is run."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")
