"""What commands share: progress bars, Ctrl-C, missing extras."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


@contextmanager
def extra(name: str) -> Iterator[None]:
    """Where an optional dependency is missing, say how to install it."""
    from wsprites.errors import UserError

    try:
        yield
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; pip install 'wsprites[{name}]'") from None


def help_alone(context: click.Context) -> None:
    """A group without a command says what there is."""
    if context.invoked_subcommand is None:
        click.echo(context.get_help())


class _Notices(logging.Handler):
    """Prints what the library logs, a line each, on standard error."""

    def emit(self, record: logging.LogRecord) -> None:
        """Print a record."""
        click.echo(f"wsprites: {record.getMessage()}", err=True)


_NOTICES = _Notices()


def print_notices() -> None:
    """Print what the library logs, such as that it compiles. Outside the command line, logging decides about that."""
    logger = logging.getLogger("wsprites")
    logger.addHandler(_NOTICES)  # adds it once
    logger.setLevel(logging.INFO)


def cores() -> int:
    """Cores that this process may use, where the system says so."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def bar(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """A progress bar on the terminal's error output."""
    from tqdm import tqdm

    with tqdm(total=total, unit=f" {unit}", delay=0.5) as bar:
        yield bar.update


@contextmanager
def frames_bar(total: int | None = None) -> Iterator[Callable[[int], None]]:
    """A progress of frames, which Ctrl-C stops. A total of 0 shows no bar."""
    from tqdm import tqdm

    # The delay leaves room for what is refused at once.
    with tqdm(total=total, unit=" frames", unit_scale=True, delay=0.5, disable=total == 0) as bar, interruptible() as interrupted:

        def progress(done: int) -> None:
            bar.update(done)
            if interrupted.is_set():
                raise KeyboardInterrupt

        yield progress


@contextmanager
def interruptible() -> Iterator[threading.Event]:
    """An event that Ctrl-C sets, to be looked at where stopping is safe: an exception in the midst of HDF5 can get lost."""
    interrupted = threading.Event()
    before = signal.getsignal(signal.SIGINT)
    if before is signal.SIG_IGN:
        yield interrupted
        return
    signal.signal(signal.SIGINT, lambda *_: interrupted.set())
    try:
        yield interrupted
    finally:
        signal.signal(signal.SIGINT, before)
