"""Clips to compressed chunks, by many workers."""

import itertools
import threading
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsprites.art.characters import Figure
from wsprites.file import CHUNK_FRAMES, CODECS, chunk_shape, encode_window, layout
from wsprites.render import Clip, empty, render
from wsprites.script import scripts

if TYPE_CHECKING:
    from wsprites.generate import Order

_PATIENCE = 0.1  # seconds between looks at whether to stop
_CLIPS_A_JOB = 64  # scripts are written many at a time: a batch of 8 would take longer than its rendering


class Memory(threading.local):
    """What a worker uses again for every clip."""

    def __init__(self, order: "Order") -> None:
        self.clip = empty(order.spec, min(CHUNK_FRAMES, order.spec.frames))
        self.figure = Figure(order.art.characters)


Chunk = tuple[int, str, tuple[int, ...], bytes]  # the clip's number, the array's name, the offset in the clip, the bytes


def encode(order: "Order", index_n: NDArray[np.int64], memory: Memory, stop: threading.Event) -> list[Chunk]:
    """Write, render and compress some clips. Window by window, so that pixels are compressed while they are in the cache.

    Once `stop` is set, it comes to nothing.
    """
    codec, spec = CODECS[order.compression], order.spec
    shapes = {name: chunk_shape(shape, codec.tiles) for name, (shape, _) in layout(spec, 1).items() if name in order.pixels}
    script_n = scripts(spec, order.seed, index_n)
    chunks: list[Chunk] = []
    for number, index in enumerate(index_n.tolist()):
        if stop.is_set():
            return []
        script = script_n[number]
        for first in range(0, spec.frames, CHUNK_FRAMES):
            window = script.window(first, first + CHUNK_FRAMES)
            frames = len(window.position)
            memory_t = Clip(memory.clip.frames_thwc[:frames], memory.clip.masks_thw[:frames])
            clip = render(spec, window, order.art, out=memory_t, figure=memory.figure)
            pixels = {"frames": clip.frames_thwc, "masks": clip.masks_thw}
            for name, shape in shapes.items():
                chunks += [(index, name, offset, data) for offset, data in encode_window(pixels[name], first, shape, codec)]
    return chunks


def chunks_in_order(
    order: "Order", index_n: NDArray[np.int64], workers: int, progress: Callable[[int], object]
) -> Iterator[tuple[NDArray[np.int64], list[Chunk]]]:
    """(numbers of clips, their chunks) job by job in the order of `index_n`, computed by threads a few jobs ahead.

    Threads, since rendering and compression leave Python: nothing has to be copied between processes.
    """
    jobs = (index_n[first : first + _CLIPS_A_JOB] for first in range(0, len(index_n), _CLIPS_A_JOB))
    memory, stop = Memory(order), threading.Event()
    pool = ThreadPoolExecutor(workers)
    try:
        ahead = deque((job, pool.submit(encode, order, job, memory, stop)) for job in itertools.islice(jobs, 2 * workers))
        while ahead:
            clip_n, future = ahead.popleft()
            while not future.done():
                wait([future], timeout=_PATIENCE)
                progress(0)
            ahead.extend((job, pool.submit(encode, order, job, memory, stop)) for job in itertools.islice(jobs, 1))
            yield clip_n, future.result()
    finally:
        stop.set()
        pool.shutdown(cancel_futures=True)
