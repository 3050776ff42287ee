"""What commands share: progress bars, Ctrl-C, missing extras."""

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
