"""Memory that is lent again, and work shared by threads."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from wsprites.render.memory import Memory, in_threads


def test_memory_comes_back_once_from_any_thread():
    memory, wrong = Memory(), []

    def work(seed: int) -> None:
        rng, held = np.random.default_rng(seed), []
        for number in range(400):
            array = memory.lend((64, 3), np.uint8)
            array[:] = mark = (seed * 400 + number) % 251
            held.append((array[rng.integers(64)], mark))
            wrong.extend(mark for row, mark in held if not (row == mark).all())
            del array
            if len(held) > rng.integers(1, 6):
                del held[rng.integers(len(held))]

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(4)))
    assert not wrong
    assert all(len(free) <= 2 + 3 for free in memory._free.values())  # each of three other threads may return memory after the check


def test_memory_of_another_size_is_other_memory():
    memory = Memory()
    a, b = memory.lend((4, 6), np.uint8), memory.lend((4, 6), bool)
    assert not np.shares_memory(a, b) and a.shape == b.shape and b.dtype == bool and a.flags.writeable
    at, other = a.ctypes.data, memory.lend((5, 5), np.uint8)
    part = a[1:, 2]
    del a
    assert memory.lend((24,), np.uint8).ctypes.data != at
    del part
    assert memory.lend((2, 12), np.uint8).ctypes.data == at and other.size == 25


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize("size", [0, 1, 5, 16])
def test_threads_share_all_parts_without_overlap(threads: int, size: int):
    done = np.zeros(size, int)

    def part(items: slice) -> None:
        done[items] += 1

    in_threads(part, size, threads)
    assert (done == 1).all()


def test_an_error_in_a_thread_is_raised():
    def part(items: slice) -> None:
        if items.start:
            raise KeyError(items.start)

    with pytest.raises(KeyError):
        in_threads(part, 8, 2)
