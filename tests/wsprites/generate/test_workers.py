"""Workers: the same clips for any number of them, errors that arrive, and no thread that outlives its work.

Where a test needs a worker to be at a certain point, the worker waits there: nothing depends on how fast anything runs.
"""

import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace

import numpy as np
import pytest
from xxhash import xxh3_64_intdigest

from wsprites.generate import Order, workers
from wsprites.generate.workers import EncodedClip, encode_in_order

PATIENCE = 600
"""Seconds after which a test that hangs fails."""


def nothing(_: int) -> None:
    pass


@pytest.fixture
def started() -> Iterator[set[threading.Thread]]:
    """Threads that ran before the test; others must have ended after it."""
    before = set(threading.enumerate())
    yield before
    assert set(threading.enumerate()) <= before


@pytest.fixture(scope="module")
def order(order: Order) -> Order:
    """Clips of 31 frames, which are two chunks."""
    return replace(order, world=order.world.replace(frames=31))


@pytest.fixture(scope="module")
def alone(order: Order) -> dict[int, EncodedClip]:
    """150 clips, encoded by this thread."""
    return {encoded.clip: encoded for encoded in encode_in_order(replace(order, n=150), np.arange(150), 1, nothing)}


def test_clips_have_all_chunks_in_order_and_their_checksum(alone: dict[int, EncodedClip]):
    for clip, chunks, checksum in alone.values():
        places = [(name, offset) for name, offset, _ in chunks]
        assert places == [("frames", (0, 0, 0, 0)), ("frames", (30, 0, 0, 0)), ("masks", (0, 0, 0)), ("masks", (30, 0, 0))]
        assert checksum == xxh3_64_intdigest(b"".join(data for *_, data in chunks)), clip


@pytest.mark.parametrize("count", [1, 2, 4, 9])
def test_clips_depend_neither_on_the_workers_nor_on_the_order(order: Order, alone: dict[int, EncodedClip], started, count: int):
    index_n = np.random.default_rng(count).permutation(150)[: 150 - count]
    encoded = list(encode_in_order(replace(order, n=150), index_n, count, nothing))
    assert [clip for clip, *_ in encoded] == index_n.tolist()
    assert all(clip == alone[clip.clip] for clip in encoded)


def test_no_clips_are_no_work(order: Order, started):
    assert list(encode_in_order(order, np.arange(0), 3, nothing)) == []


def test_one_worker_is_the_calling_thread(order: Order, monkeypatch: pytest.MonkeyPatch, started):
    threads = set()

    def encode(order: Order, index_n: np.ndarray) -> Iterator[EncodedClip]:
        for clip in index_n.tolist():
            threads.add(threading.current_thread())
            yield EncodedClip(clip, [], 0)

    monkeypatch.setattr(workers, "encode", encode)
    assert len(list(encode_in_order(replace(order, n=150), np.arange(150), 1, nothing))) == 150
    assert threads == {threading.current_thread()}


def test_workers_run_at_the_same_time(order: Order, monkeypatch: pytest.MonkeyPatch, started):
    together = threading.Barrier(3)

    def encode(order: Order, index_n: np.ndarray) -> Iterator[EncodedClip]:
        together.wait(PATIENCE)  # passes once three jobs have got here
        yield from (EncodedClip(clip, [], 0) for clip in index_n.tolist())

    monkeypatch.setattr(workers, "encode", encode)
    n = 6 * workers._CLIPS_PER_JOB
    assert [clip for clip, *_ in encode_in_order(replace(order, n=n), np.arange(n), 3, nothing)] == list(range(n))


def test_what_a_worker_raises_is_raised_here(order: Order, monkeypatch: pytest.MonkeyPatch, started):
    def broken(*_: object, **__: object) -> None:
        raise IndexError("a position is out of bounds")

    monkeypatch.setattr(workers, "render", broken)
    with pytest.raises(IndexError, match="a position is out of bounds"):
        list(encode_in_order(replace(order, n=100), np.arange(100), 2, nothing))


def test_workers_end_with_the_iterator(order: Order, monkeypatch: pytest.MonkeyPatch, started):
    jobs: list[int] = []
    encode = workers.encode

    def counted(order: Order, index_n: np.ndarray) -> Iterator[EncodedClip]:
        jobs.append(len(index_n))
        return encode(order, index_n)

    monkeypatch.setattr(workers, "encode", counted)
    with closing(encode_in_order(replace(order, n=10_000), np.arange(10_000), 2, nothing)) as clips:
        next(clips)
        assert 1 <= len(set(threading.enumerate()) - started) <= 2
    assert set(threading.enumerate()) <= started
    assert len(jobs) <= 4  # no more than two for each worker are planned ahead


def test_what_progress_raises_stops_workers_that_have_nothing_to_show_yet(order: Order, monkeypatch: pytest.MonkeyPatch, started):
    stopped, jobs = threading.Event(), []

    def encode(order: Order, index_n: np.ndarray) -> Iterator[EncodedClip]:
        jobs.append(len(index_n))
        assert stopped.wait(PATIENCE)  # no clip is ready before progress has raised
        yield from ()

    def stop(frames: int) -> None:
        assert frames == 0
        stopped.set()
        raise KeyboardInterrupt

    monkeypatch.setattr(workers, "encode", encode)
    with pytest.raises(KeyboardInterrupt):
        list(encode_in_order(replace(order, n=10_000), np.arange(10_000), 2, stop))
    assert len(jobs) <= 4
