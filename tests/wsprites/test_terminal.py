"""Signals that ask a command to end."""

import os
import signal
from collections.abc import Iterator

import pytest

from wsprites.terminal import interruptible


@pytest.fixture(autouse=True)
def default_handlers() -> Iterator[None]:
    """Those of a job in the foreground: in the background of a shell, the tests themselves would ignore SIGINT."""
    before = {signal.SIGINT: signal.signal(signal.SIGINT, signal.default_int_handler), signal.SIGTERM: signal.getsignal(signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signals_set_the_event(number: signal.Signals) -> None:
    """Each of them, and afterwards the handlers are those from before."""
    before = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with interruptible() as interrupted:
        assert not interrupted.is_set()
        os.kill(os.getpid(), number)
        assert interrupted.wait(600)
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == before


def test_an_ignored_signal_stays_ignored() -> None:
    """As after nohup, or in a background job of a shell; the other one still ends the command."""
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        with interruptible() as interrupted:
            os.kill(os.getpid(), signal.SIGINT)
            assert signal.getsignal(signal.SIGINT) is signal.SIG_IGN
            os.kill(os.getpid(), signal.SIGTERM)
            assert interrupted.wait(600)
    finally:
        signal.signal(signal.SIGINT, before)
