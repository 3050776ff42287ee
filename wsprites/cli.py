"""The command line: connects the commands, imported when they are run, and turns errors into one line and an exit code."""

import io
import re
import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from typing import Any

import click

from wsprites.errors import ArgumentError, UserError, nearest
from wsprites.terminal import install_command, printable, show_help

GROUPS = {
    "Data": ("generate", "merge", "import", "export", "assets"),
    "Looking at data": ("info", "verify", "preview", "frame", "report", "credits", "play"),
    "Models": ("train", "animate", "transfer", "parts", "compact"),
    "Scores": ("bench",),
}
"""The commands under headings, as the help lists them."""
EXTRAS = {
    "export": "export",
    "report": "report",
    "play": "play",
    "train": "torch",
    "animate": "torch",
    "transfer": "torch",
    "parts": "torch",
    "compact": "torch",
    "bench": "bench",
}
"""The extra that a command needs."""
COMMANDS = {
    "generate": "wsprites.commands.generate:generate",
    "import": "wsprites.commands.generate:import_",
    "merge": "wsprites.commands.generate:merge",
    "info": "wsprites.commands.inspect:info",
    "verify": "wsprites.commands.inspect:verify",
    "preview": "wsprites.commands.inspect:preview",
    "frame": "wsprites.commands.inspect:frame",
    "report": "wsprites.commands.inspect:report",
    "export": "wsprites.commands.inspect:export",
    "credits": "wsprites.commands.inspect:credits",
    "bench": "wsprites.commands.bench:bench",
    "assets": "wsprites.commands.generate:assets",
    "train": "glass_model.commands:train",
    "animate": "glass_model.commands:animate",
    "transfer": "glass_model.commands:transfer",
    "parts": "glass_model.articulated.commands:parts",
    "play": "wsprites.commands.play:play",
    "compact": "glass_model.commands:compact",
}
"""The module and the function of each command. They are names, because `wsprites` never imports `glass_model`."""


class BadInput(click.ClickException):
    """Bad input that a library has found."""

    exit_code = 2


class Commands(click.Group):
    """The group of all commands. A command's module is imported when the command is run or listed."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names, in the order of COMMANDS."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is no such command."""
        module, _, name = COMMANDS.get(cmd_name, "").partition(":")
        if not module:
            return None
        command: click.Command = getattr(import_module(module), name)
        if cmd_name in EXTRAS:
            extra = EXTRAS[cmd_name]
            command.epilog = f"Needs the extra '{extra}': {install_command(extra)} in a checkout of wsprites."
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that is named. Raises UsageError for another name, with the nearest one."""
        if args and not args[0].startswith("-") and args[0] not in COMMANDS:
            raise click.UsageError(f"No such command {args[0]!r:.60}{nearest(args[0], COMMANDS)}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List all commands under headings, each with its whole first sentence and the extra that it needs."""
        for heading, names in GROUPS.items():
            rows = []
            for name in names:
                command = self.get_command(ctx, name)
                assert command is not None
                needs = f" [{EXTRAS[name]}]" if name in EXTRAS else ""
                rows.append((name, first_sentence(command.help or "") + needs))
            with formatter.section(heading):
                formatter.write_dl(rows)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command. Exit code 2 is bad input, 1 a failure or an interruption; the message names the command's options."""
        show_log()
        try:
            return super().invoke(ctx)
        except (UserError, OSError, MemoryError, KeyboardInterrupt, RuntimeError) as raised:
            error = _memory_error(raised) if isinstance(raised, RuntimeError) else raised
            if error is None or (isinstance(error, BrokenPipeError) and _module_of(error) == "click.utils"):
                raise  # of output that nobody reads any longer, as of `wsprites info FILE | head -1`, click says nothing
            command = self.get_command(ctx, ctx.invoked_subcommand or "")
            kind = BadInput if isinstance(error, UserError) else click.ClickException
            raise kind(message(error, command.params if command else [])) from raised


def _memory_error(error: RuntimeError) -> MemoryError | None:
    """What torch says in its own way where memory is not enough, on a GPU or a CPU; None for another error."""
    on_gpu = type(error).__name__ == "OutOfMemoryError"  # by its name, because torch may not be installed
    words = str(error) if on_gpu else str(error).partition("DefaultCPUAllocator: ")[2]
    return MemoryError(". ".join(words.splitlines()[0].split(". ")[:2])) if words else None


def first_sentence(text: str) -> str:
    """The first sentence of a help text, in one line.

    Example:
        >>> first_sentence("Write FILE\\nas a .gif. It is animated.")
        'Write FILE as a .gif.'
    """
    return re.split(r"(?<=[.!?]) (?=[A-Z`])", " ".join(text.split()), maxsplit=1)[0]


def message(error: BaseException, params: Sequence[click.Parameter]) -> str:
    """Return the message of a library error in the words of the command line: options in place of arguments.

    Args:
        error: the error, with its notes. An ArgumentError begins with the name of an argument; hints may have the form "overwrite=True".
        params: the parameters of the command that was run.

    Example:
        >>> message(ArgumentError("n", "0 is outside the range 1 to 10"), [click.Option(["--n"])])
        '--n: 0 is outside the range 1 to 10'
    """
    option_of = {name.strip("-").replace("-", "_"): _option(param) for param in params for name in (*param.opts, param.name or "")}
    if isinstance(error, KeyboardInterrupt):
        text = "; ".join(["interrupted", *getattr(error, "__notes__", ["nothing was written"])])
    elif isinstance(error, MemoryError):
        text = f"not enough memory ({' '.join(str(error).split()) or 'it is not known for what'}); use smaller sizes, or another machine"
    else:
        text = "; ".join([_kind(error) + str(error), *getattr(error, "__notes__", [])])
    if isinstance(error, ArgumentError) and error.argument in option_of:
        text = option_of[error.argument] + text.removeprefix(error.argument)
    return re.sub(r"\b([a-z_]+)=True\b", lambda hint: option_of.get(hint[1], hint[0]), text)


def _kind(error: BaseException) -> str:
    """The class of an error that was raised outside of this project, whose message may be no more than the name of a file; else nothing."""
    ours = _module_of(error).partition(".")[0] in ("", "wsprites", "glass_model")
    return "" if ours or isinstance(error, UserError) else f"{type(error).__name__}: "


def _module_of(error: BaseException) -> str:
    """The name of the module in which an error was raised; empty if it was not raised."""
    frames = list(traceback.walk_tb(error.__traceback__))
    return str(frames[-1][0].f_globals.get("__name__", "")) if frames else ""


def _option(param: click.Parameter) -> str:
    """The first long option of a parameter, or the name of a positional argument as the help shows it."""
    long = [option for option in param.opts if option.startswith("--")]
    return long[0] if long else param.human_readable_name


def show_log() -> None:
    """Print what the libraries report at level INFO on the error output, such as that functions are compiled."""
    import logging

    class Handler(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            from tqdm import tqdm

            with tqdm.external_write_mode(sys.stderr):  # a line of its own, also while a progress bar is shown
                click.echo(f"wsprites: {record.getMessage()}", err=True)

    logger = logging.getLogger("wsprites")
    if not logger.handlers:
        logger.addHandler(Handler(logging.INFO))
        logger.setLevel(logging.INFO)
        logging.getLogger("PIL").addHandler(logging.NullHandler())  # what it logs about a damaged image, the error says


EPILOG = f"""[name]: the extra that a command needs, {install_command("name")} in a checkout of wsprites.

`wsprites COMMAND -h` shows the options of a command. Completion by the tab key: add eval "$(_WSPRITES_COMPLETE=bash_source wsprites)" to
~/.bashrc, eval "$(_WSPRITES_COMPLETE=zsh_source wsprites)" to ~/.zshrc, or write what _WSPRITES_COMPLETE=fish_source wsprites prints to
~/.config/fish/completions/wsprites.fish."""


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]}, invoke_without_command=True, epilog=EPILOG)
@click.version_option(package_name="wsprites")
@click.pass_context
def wsprites(context: click.Context) -> None:
    """W-Sprites: synthetic videos in which every action is known, and models that learn the actions from pixels."""
    show_help(context)


def main(args: list[str] | None = None) -> Any:
    """Run a command line. Errors are one line on the error output and exit code 2 for bad input, 1 for failures and interruptions.

    Args:
        args: the arguments after the name of the program; None: those of this process.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # names of files may not be UTF-8
    try:
        return wsprites(args, prog_name="wsprites", standalone_mode=False)
    except click.UsageError as error:
        command = error.ctx.command_path if error.ctx else "wsprites"
        _exit(f"{error.format_message()}{_nearest_choice(error)} (see {command} --help)", 2)
    except click.ClickException as error:
        _exit(error.format_message(), error.exit_code)
    except click.Abort:
        _exit("interrupted; nothing was written", 1)


def _nearest_choice(error: click.UsageError) -> str:
    """What `nearest` says of a value that is none of an option's choices; empty for other errors."""
    kind = error.param.type if isinstance(error, click.BadParameter) and error.param else None
    value = re.match("'([^']*)' is not ", error.message)
    return nearest(value[1], map(str, kind.choices)) if isinstance(kind, click.Choice) and value else ""


def _exit(line: str, code: int) -> None:
    click.echo(f"wsprites: {printable(' '.join(line.split()))}", err=True)
    sys.exit(code)


if __name__ == "__main__":
    main()
