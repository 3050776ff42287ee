"""The command line: wires the commands, lazily, and turns errors into one line and an exit code."""

import sys
from importlib import import_module
from typing import Any

import click

from wsprites.terminal import help_alone, print_notices

COMMANDS = {
    "generate": "wsprites.commands.generate:generate",
    "import": "wsprites.commands.generate:import_",
    "merge": "wsprites.commands.generate:merge",
    "info": "wsprites.commands.inspect:info",
    "verify": "wsprites.commands.inspect:verify",
    "preview": "wsprites.commands.inspect:preview",
    "report": "wsprites.commands.inspect:report",
    "export": "wsprites.commands.inspect:export",
    "credits": "wsprites.commands.inspect:credits",
    "bench": "wsprites.commands.bench:bench",
    "assets": "wsprites.commands.generate:assets",
    "train": "glass_model.commands:train",
    "animate": "glass_model.commands:animate",
    "transfer": "glass_model.commands:transfer",
}
"""Where each command is. Named, not imported: `wsprites` never imports `glass_model`."""


class _Lazy(click.Group):
    """A group whose commands are imported when they are asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """All names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command of that name, or None."""
        module, _, name = COMMANDS.get(cmd_name, "").partition(":")
        return getattr(import_module(module), name) if module else None


@click.group(cls=_Lazy, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True)
@click.version_option(package_name="wsprites")
@click.pass_context
def wsprites(context: click.Context) -> None:
    """W-Sprites: videos in which every action is known, and every pixel has a known cause."""
    help_alone(context)


def main(args: list[str] | None = None) -> Any:
    """Run a command. Bad input is one line and exit code 2; a failure on the way is one line and exit code 1."""
    from wsprites.errors import UserError

    print_notices()
    try:
        return wsprites(args, prog_name="wsprites", standalone_mode=False)
    except UserError as error:
        _end("; ".join([str(error), *getattr(error, "__notes__", [])]), 2)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "wsprites"
        _end(f"{error.format_message()} ({command} --help lists what is possible)", 2)
    except click.ClickException as error:
        _end(error.format_message(), 2)
    except (KeyboardInterrupt, click.Abort) as error:
        _end("; ".join(["interrupted", *getattr(error.__cause__ or error, "__notes__", ["nothing was written"])]), 1)
    except OSError as error:
        _end(str(error), 1)


def _end(line: str, code: int) -> None:
    click.echo(f"wsprites: {' '.join(line.split())}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
