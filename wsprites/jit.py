"""Functions that numba compiles at their first call and keeps on disk for later processes.

They are kept in NUMBA_CACHE_DIR if that is set, else in `__pycache__` beside the source, else in the user's cache directory. Where none of
these can be written to, every process compiles them again: it starts slower and works the same.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ParamSpec, TypeVar

import numba
import numpy as np
from numba.core.caching import FunctionCache
from numba.core.event import Event, Listener, register

P = ParamSpec("P")
R = TypeVar("R")
_logger = logging.getLogger(__name__)


class _Cache(FunctionCache):
    """numba's cache on disk, without its errors: what is damaged is compiled again, what cannot be saved is compiled in every process.

    Its keys include the constants of the function's module, which are part of the compiled code but may be imported from elsewhere.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Load a compiled function; None if it is not there or damaged."""
        try:
            return super().load_overload(sig, target_context)
        except Exception:  # a truncated file raises any error of pickle
            with suppress(OSError):
                self.flush()
            return None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Save a compiled function where that is possible."""
        with suppress(Exception):
            super().save_overload(sig, data)

    def _index_key(self, sig: Any, codegen: Any) -> Any:
        values = sorted(self._py_func.__globals__.items())
        constants = [(name, repr(value)) for name, value in values if isinstance(value, int | np.generic | np.ndarray)]
        return *super()._index_key(sig, codegen), repr(constants)


class _Notice(Listener):
    """Logs one line (level INFO) when this process compiles a function of this package for the first time."""

    logged = False

    def on_start(self, event: Event) -> None:
        """Called by numba when it compiles: not when it loads what an earlier process has compiled."""
        dispatcher = event.data["dispatcher"]
        if self.logged or not dispatcher.py_func.__module__.startswith("wsprites."):
            return
        self.logged = True
        folder = dispatcher.stats.cache_path
        where = f"once; kept in {folder}" if folder else "in every run: no folder to keep it in; NUMBA_CACHE_DIR can name one"
        _logger.info("compiling (%s)", where)

    def on_end(self, event: Event) -> None:
        """Nothing to do; numba wants the method."""


register("numba:compile", _Notice())


def jit(function: Callable[P, R]) -> Callable[P, R]:
    """Compile a function of arrays, numbers and plain tuples. It runs outside the interpreter's lock, so that threads run it side by side.

    numba notices a change of the file that holds the function, and `_Cache` a change of the constants that the file imports. Classes are
    not noticed, so arguments have to be plain tuples: fields of a class would be taken in the order that they had when the function was
    compiled.
    """
    dispatcher: Any = numba.njit(nogil=True)(function)
    with suppress(RuntimeError):  # numba finds no folder that can be written to
        dispatcher._cache = _Cache(function)
    compiled: Callable[P, R] = dispatcher
    return compiled
