"""Functions shared by the commands: progress bars, interruption, missing extras, texts of strangers."""

import os
import re
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click

from wsprites.errors import UserError


def install_command(extra: str) -> str:
    """Return the command that installs an extra in a checkout, in the tested versions of its dependencies.

    TensorFlow does not go with these versions, so that `rlds` is installed without them, in an environment of its own.
    """
    return f'pip install {"" if extra == "rlds" else "-c constraints.txt "}".[{extra}]"'


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Turn the import error of a missing optional dependency into a UserError that says how to install the extra `name`.

    The hint names a checkout, because wsprites is on no package index.

    Example:
        >>> with extra("torch"):
        ...     raise ModuleNotFoundError(name="torch")
        Traceback (most recent call last):
        wsprites.errors.UserError: torch is not installed; run pip install -c constraints.txt ".[torch]" in a checkout of wsprites
    """
    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; run {install_command(name)} in a checkout of wsprites") from None


def printable(text: str) -> str:
    """A text from a file of a stranger without control characters but tabs and ends of lines: a terminal would do what they say.

    Example:
        >>> printable("by Ada\\n\\x1b]0;title\\x07")
        'by Ada\\n\\\\x1b]0;title\\\\x07'
    """
    return re.sub(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]", lambda found: f"\\x{ord(found[0]):02x}", text)


def show_help(context: click.Context) -> None:
    """Print the help of a group that was called without a command."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


def cores() -> int:
    """Return the number of processor cores available to this process."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Show a progress bar on the error output; yields a function that takes the number of further units."""
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", delay=0.5) as bar:
        yield bar.update


@contextmanager
def frames_bar(total: int | None = None) -> Iterator[Callable[[int], None]]:
    """Show a progress bar of frames; yields a function that takes the number of further frames, and raises KeyboardInterrupt after Ctrl-C.

    Args:
        total: frames in all; None if unknown; 0 shows no bar.
    """
    from tqdm import tqdm

    # The delay keeps the bar away from errors that are found at once.
    with tqdm(total=total, unit=" frames", unit_scale=True, delay=0.5, disable=total == 0) as bar, interruptible() as interrupted:

        def progress(done: int) -> None:
            bar.update(done)
            if interrupted.is_set():
                raise KeyboardInterrupt

        yield progress


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C (SIGINT) and SIGTERM set, to be checked where stopping is safe.

    SIGTERM is what SLURM, `timeout` and containers send before they kill. An exception raised by a handler could get lost inside HDF5. A
    signal that is ignored, as after `nohup`, stays ignored.
    """
    interrupted = threading.Event()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    handlers = {number: handler for number, handler in handlers.items() if handler is not signal.SIG_IGN}
    for number in handlers:
        signal.signal(number, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler or signal.SIG_DFL)  # None: installed by C code, which Python cannot restore
