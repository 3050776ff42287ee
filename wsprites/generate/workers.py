"""Clips to compressed chunks, by many workers.

Where rendering is compiled, workers are threads: it runs outside the interpreter's lock, as compression does. Elsewhere they are
processes: a frame takes a dozen small calls of OpenCV and numpy, and threads would pass the lock around at each of them. Only
compressed chunks, less than 3 kB a frame, travel from process to process.

Processes are programs of their own that talk through pipes, because `generate` is called from scripts and notebooks as well. A fork would
copy the caller's threads in whatever state they are, and its open HDF5 files; the other ways of multiprocessing import the caller's
script a second time. And pipes are all there is to clean up: a worker ends as soon as nobody is at the other end, even if this
process was killed.
"""

import itertools
import math
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, encode_window, layout
from wsprites.render import Clip, empty, render
from wsprites.render.compiled import compiled
from wsprites.world.script import scripts

if TYPE_CHECKING:
    from wsprites.generate import Order

_PATIENCE = 0.1  # seconds between looks at whether to stop
_SCRIPT_FRAMES = 2**15  # written at a time: with a quarter of it, a frame takes twice as long
_CLIPS_A_JOB = 32  # neighbours, which often show one character, stay with one worker
_BYTES_A_JOB = 2**24
_PROGRAM = "import pickle, sys; sys.path[:] = pickle.load(sys.stdin.buffer); from wsprites.generate.workers import _work; _work()"

Chunk = tuple[int, str, tuple[int, ...], bytes]  # the clip's number, the array's name, the offset in the clip, the bytes


def encode(order: "Order", index_n: NDArray[np.int64]) -> Iterator[list[Chunk]]:
    """Write, render and compress clips, one by one. Window by window, so that pixels are compressed while they are in the cache."""
    codec, spec = CODECS[order.compression], order.spec
    shapes = {name: chunk_shape(shape, codec.tiles) for name, (shape, _) in layout(spec, 1).items() if name in order.pixels}
    memory = empty(spec, min(CHUNK_FRAMES, spec.frames))
    at_a_time = max(1, _SCRIPT_FRAMES // spec.frames)
    for start in range(0, len(index_n), at_a_time):
        script_n = scripts(spec, order.seed, index_n[start : start + at_a_time])
        for number, index in enumerate(script_n.index.tolist()):
            script = script_n[number]
            chunks: list[Chunk] = []
            for first in range(0, spec.frames, CHUNK_FRAMES):
                window = script.window(first, first + CHUNK_FRAMES)
                frames = len(window.position)
                clip = render(order.world, window, out=Clip(memory.frames_thwc[:frames], memory.masks_thw[:frames]))
                pixels = {"frames": clip.frames_thwc, "masks": clip.masks_thw}
                for name, shape in shapes.items():
                    chunks += [(index, name, offset, data) for offset, data in encode_window(pixels[name], first, shape, codec)]
            yield chunks


def chunks_in_order(
    order: "Order", index_n: NDArray[np.int64], workers: int, progress: Callable[[int], object]
) -> Iterator[tuple[NDArray[np.int64], list[Chunk]]]:
    """(numbers of clips, their chunks) in the order of `index_n`, computed a bounded number of clips ahead.

    Args:
        workers: 1 is this thread, and starts no other.
        progress: called with 0 several times a second while there is nothing to yield. What it raises stops everything.

    Raises:
        OSError: a worker cannot be started, or died.
    """
    clip_bytes = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(order.spec, 1).items() if name in order.pixels)
    a_job = max(1, min(_CLIPS_A_JOB, _BYTES_A_JOB * (1 if order.compression == "none" else 8) // clip_bytes))
    owner_n = np.arange(len(index_n)) // a_job % workers  # jobs are dealt out in turn
    workers = len(np.unique(owner_n))
    numbers = (index_n[number : number + 1] for number in range(len(index_n)))
    if workers < 2:
        yield from zip(numbers, encode(order, index_n), strict=True)
        return
    if compiled():
        jobs = [index_n[first : first + a_job] for first in range(0, len(index_n), a_job)]
        yield from zip(numbers, _threads(order, jobs, workers, progress), strict=True)
        return
    with ExitStack() as stack:
        start = pickle.dumps(sys.path) + pickle.dumps(order)
        pool = [stack.enter_context(_Worker(start, index_n[owner_n == number], 2 * a_job)) for number in range(workers)]
        for clip_n, owner in zip(numbers, owner_n, strict=True):
            yield clip_n, pool[owner].next_clip(progress)


def _threads(order: "Order", jobs: list[NDArray[np.int64]], workers: int, progress: Callable[[int], object]) -> Iterator[list[Chunk]]:
    """The chunks of clip after clip, made by threads a job at a time."""
    waiting = iter(jobs)
    with ThreadPoolExecutor(workers) as pool:
        ahead = deque(pool.submit(_job, order, job) for job in itertools.islice(waiting, 2 * workers))
        try:
            while ahead:
                while not wait([ahead[0]], timeout=_PATIENCE).done:
                    progress(0)
                yield from ahead.popleft().result()
                ahead += [pool.submit(_job, order, job) for job in itertools.islice(waiting, 1)]
        finally:
            pool.shutdown(cancel_futures=True)


def _job(order: "Order", index_n: NDArray[np.int64]) -> list[list[Chunk]]:
    return list(encode(order, index_n))


class _Worker:
    """A process that encodes clips. A context manager; leaving it kills the process."""

    def __init__(self, start: bytes, index_n: NDArray[np.int64], ahead: int) -> None:
        command = [sys.executable, "-I", "-c", _PROGRAM]
        # A process group of its own: Ctrl-C is for us, and we end it.
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, process_group=0)
        self._thread = ThreadPoolExecutor(1)
        self._thread.submit(self._send, start + pickle.dumps(index_n))
        self._ahead: deque[Future[Any]] = deque(self._thread.submit(self._receive) for _ in range(min(ahead, len(index_n))))
        self._left = len(index_n) - len(self._ahead)

    def _send(self, start: bytes) -> None:
        assert self._process.stdin
        self._process.stdin.write(start)
        self._process.stdin.flush()

    def _receive(self) -> Any:
        assert self._process.stdout
        return pickle.load(self._process.stdout)

    def next_clip(self, progress: Callable[[int], object]) -> list[Chunk]:
        while not wait([self._ahead[0]], timeout=_PATIENCE).done:
            progress(0)
        try:
            got: list[Chunk] | Exception = self._ahead.popleft().result()
        except (EOFError, OSError, pickle.UnpicklingError):
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(1)
            raise OSError(f"a worker process ended with code {self._process.returncode}") from None
        if isinstance(got, Exception):
            raise got
        if self._left:
            self._left -= 1
            self._ahead.append(self._thread.submit(self._receive))
        return got

    def __enter__(self) -> "_Worker":
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._thread.shutdown(cancel_futures=True)
        with suppress(BrokenPipeError), self._process:
            pass


def _work() -> None:
    """The program of a worker."""
    out = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what anything prints is not to get among the chunks
    order, index_n = pickle.load(sys.stdin.buffer), pickle.load(sys.stdin.buffer)
    threading.Thread(target=_end_with_stdin, daemon=True).start()
    cv2.setNumThreads(1)
    try:
        for chunks in encode(order, index_n):
            pickle.dump(chunks, out, pickle.HIGHEST_PROTOCOL)
            out.flush()
    except BrokenPipeError:
        os._exit(1)
    except Exception as error:
        pickle.dump(error, out)
        out.flush()


def _end_with_stdin() -> None:
    os.read(0, 1)  # nothing is ever sent: it returns when the other end is gone
    os._exit(1)
