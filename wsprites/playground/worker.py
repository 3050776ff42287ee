"""Threads that do slow work in turn, so that the event loop, and with it the world, never waits for it."""

import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, TypeVar

from wsprites.errors import UserError

_MOST_CHARACTERS = 400

_T = TypeVar("_T")


class Worker:
    """One thread. It ends with the process: a call that never returns does not keep the server from stopping.

    Args:
        name: the name of the thread.
    """

    def __init__(self, name: str) -> None:
        self._calls: queue.SimpleQueue[tuple[Callable[[], Any], Future[Any]]] = queue.SimpleQueue()
        threading.Thread(target=self._work, name=name, daemon=True).start()

    def submit(self, call: Callable[[], _T]) -> Future[_T]:
        """Do a call after those before it; the future has its result or exception, unless it is cancelled before its turn."""
        future: Future[_T] = Future()
        self._calls.put((call, future))
        return future

    def _work(self) -> None:
        while True:
            call, future = self._calls.get()
            if not future.set_running_or_notify_cancel():
                continue
            try:
                future.set_result(call())
            except BaseException as error:  # whatever a model raises is the caller's to show
                future.set_exception(error)
            del call, future  # what they refer to is not kept until the next call


def problem_line(error: Exception) -> str:
    """What a call raised, in one line for people.

    Example:
        >>> problem_line(OSError(28, "No space left on device")), problem_line(UserError("no steps yet"))
        ('OSError: [Errno 28] No space left on device', 'no steps yet')
    """
    if isinstance(error, UserError):
        return str(error)
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:_MOST_CHARACTERS]
