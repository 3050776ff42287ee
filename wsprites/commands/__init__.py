"""The commands: they parse arguments and print. Nothing heavy is imported before a command needs it."""

from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)
