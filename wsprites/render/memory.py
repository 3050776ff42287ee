"""Memory that is used again, and threads, for batches of frames and masks.

New memory takes as long as rendering into it: the system clears it page by page, 9 MB for a batch of 16 windows. So arrays that are no
longer referred to are lent again. References include tensors, views and whatever else shares the memory, which only the interpreter knows:
all of them keep the base of the lent array alive, and a finalizer of that base takes the memory back.

Rendering and decompressing run outside the interpreter's lock, so that threads can share the windows of a batch. One pool serves the
process: starting threads for every batch would take longer than they save.
"""

import math
import os
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

_SPARE = 2  # free arrays of one size that are kept


class Memory:
    """Lends memory for arrays, and lends it again once nothing refers to it: no tensor, no array, no view of one.

    Example:
        >>> memory = Memory()
        >>> array = memory.lend((2, 3), np.uint8)
        >>> address = array.ctypes.data
        >>> del array
        >>> memory.lend((3, 2), np.uint8).ctypes.data == address
        True
    """

    def __init__(self) -> None:
        self._free: dict[int, list[NDArray[np.uint8]]] = {}

    def lend(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array of any shape (...) and dtype with arbitrary contents."""
        size = math.prod(shape) * np.dtype(dtype).itemsize
        free = self._free.setdefault(size, [])
        try:  # not "if free": another thread may take back or lend memory in between
            memory = free.pop()
        except IndexError:
            memory = np.empty(size, np.uint8)
        lent = np.frombuffer(memory.data, dtype)
        # All that numpy and torch make of the array refers to it, or to the memoryview that is its base, which refers to `memory`.
        weakref.finalize(lent.base, _take_back, memory, free).atexit = False
        return lent.reshape(shape)


def _take_back(memory: NDArray[np.uint8], free: list[NDArray[np.uint8]]) -> None:
    if len(free) < _SPARE:
        free.append(memory)


def in_threads(part: Callable[[slice], None], size: int, threads: int) -> None:
    """Call `part` with slices that together are slice(size), one for each of `threads` threads; a single one is the calling thread."""
    if threads == 1:
        part(slice(size))
        return
    slices = [slice(size * n // threads, size * (n + 1) // threads) for n in range(threads)]
    list(_pool(threads, os.getpid()).map(part, [each for each in slices if each.start < each.stop]))


@lru_cache(maxsize=1)
def _pool(threads: int, process: int) -> ThreadPoolExecutor:
    """The pool of a process: a forked one cannot use that of its parent."""
    return ThreadPoolExecutor(threads)
