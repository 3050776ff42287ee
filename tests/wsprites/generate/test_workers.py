"""Workers: the same chunks whoever makes them, one clear error when one of them dies, and none that outlives its work."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wsprites.generate import Order
from wsprites.generate import workers as encode
from wsprites.generate.workers import chunks_in_order
from wsprites.render.compiled import compiled

processes = pytest.mark.usefixtures("without_numba")


@pytest.fixture(params=["processes", "threads"])
def kind(request: pytest.FixtureRequest) -> str:
    if request.param == "processes":
        request.getfixturevalue("without_numba")
    else:
        pytest.importorskip("numba")
        assert compiled()
    return request.param


def nothing(_: int) -> None:
    pass


def children(of: int) -> list[int]:
    """Workers whose parent is `of`, that have not ended."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = stat.read_text().rpartition(")")[2].split()[:2]
            is_worker = b"wsprites.generate.workers" in stat.with_name("cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError):  # it ended just now
            continue
        if int(parent) == of and state != "Z" and is_worker:
            found.append(int(stat.parent.name))
    return found


@pytest.fixture(scope="module")
def alone(order: Order) -> dict[int, list[encode.Chunk]]:
    """The chunks of 150 clips, from this process."""
    return {int(clip_n[0]): chunks for clip_n, chunks in chunks_in_order(replace(order, n=150), np.arange(150), 1, nothing)}


@pytest.mark.parametrize("workers", [1, 2, 4, 9])
def test_chunks_depend_neither_on_the_workers_nor_on_the_order(order: Order, alone, kind: str, workers: int):
    index_n = np.random.default_rng(workers).permutation(150)[: 150 - workers]
    made = list(chunks_in_order(replace(order, n=150), index_n, workers, nothing))
    assert np.concatenate([clip_n for clip_n, _ in made]).tolist() == index_n.tolist()
    assert all(chunks == alone[int(clip_n[0])] for clip_n, chunks in made)
    assert children(os.getpid()) == []


def test_no_clips_are_no_work(order: Order, kind: str):
    assert list(chunks_in_order(order, np.arange(0), 3, nothing)) == []


@processes
@pytest.mark.parametrize("when", [0, 40])
def test_a_worker_that_dies_is_one_error(order: Order, when: int):
    made = chunks_in_order(replace(order, n=10_000), np.arange(10_000), 3, nothing)
    for _ in range(when + 1):
        next(made)
    os.kill(children(os.getpid())[1], signal.SIGKILL)
    begin = time.monotonic()
    with pytest.raises(OSError, match="a worker process ended with code -9"):
        list(made)
    assert time.monotonic() - begin < 10
    assert children(os.getpid()) == []


@processes
def test_a_worker_that_cannot_be_started_is_one_error(order: Order, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "executable", "/absent/python")
    with pytest.raises(FileNotFoundError):
        list(chunks_in_order(replace(order, n=100), np.arange(100), 2, nothing))


def test_what_goes_wrong_in_a_worker_is_raised_here(order: Order, kind: str):
    nowhere = replace(order.art, backgrounds=replace(order.art.backgrounds, images=order.art.backgrounds.images[:0]))
    with pytest.raises(IndexError, match=r"out of bounds|what there is not"):
        list(chunks_in_order(replace(order, art=nowhere), np.arange(100), 2, nothing))
    assert children(os.getpid()) == []


def test_workers_end_with_the_iterator(order: Order, kind: str):
    before = threading.active_count()
    with closing(chunks_in_order(replace(order, n=10_000), np.arange(10_000), 2, nothing)) as made:
        next(made)
        assert (len(children(os.getpid())), threading.active_count() - before) == ((2, 2) if kind == "processes" else (0, 2))
        begin = time.monotonic()
    assert (children(os.getpid()), threading.active_count()) == ([], before)
    assert time.monotonic() - begin < 1


def test_what_progress_raises_stops_workers_that_have_nothing_to_show_yet(order: Order, kind: str):
    def stop(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        list(chunks_in_order(replace(order, n=10_000), np.arange(10_000), 2, stop))
    assert children(os.getpid()) == []


SCRIPT = """
import sys
from pathlib import Path
from wsprites.art import load_art
from wsprites.generate import Order, generate
from wsprites.world.spec import PRESETS
art = load_art(PRESETS["paper"], sys.argv[1], sys.argv[2])
print("run", flush=True)
generate(Order(art.world(PRESETS["paper"]), art, seed=0, n=int(sys.argv[3])), Path(sys.argv[4]), workers=2)
"""


@processes
@pytest.mark.slow
def test_a_script_that_calls_generate_at_its_top_level_is_run_once(sheets: Path, backgrounds: Path, tmp_path: Path):
    (tmp_path / "script.py").write_text(SCRIPT, encoding="utf-8")
    command = [sys.executable, tmp_path / "script.py", sheets, backgrounds, "70", tmp_path / "data.h5"]
    run = subprocess.run(list(map(str, command)), capture_output=True, text=True, timeout=120)
    assert (run.returncode, run.stdout, run.stderr) == (0, "run\n", "")


@processes
@pytest.mark.slow
@pytest.mark.parametrize("moment", ["starting", "working"])
def test_workers_do_not_outlive_a_killed_parent(sheets: Path, backgrounds: Path, tmp_path: Path, moment: str):
    command = [sys.executable, "-c", SCRIPT, sheets, backgrounds, "3000", tmp_path / "data.h5"]
    process = subprocess.Popen(list(map(str, command)), stdout=subprocess.DEVNULL)
    partial = tmp_path / ".data.h5.wsprites-partial"
    try:
        for _ in range(6000):
            workers = children(process.pid)
            if len(workers) == 2 and (moment == "starting" or partial.stat().st_size > 30_000_000):
                break
            time.sleep(0.01)
    finally:
        process.kill()
        process.wait()
    assert len(workers) == 2
    deadline = time.monotonic() + 10  # 0.1 s where nothing else runs
    while any(_runs(worker) for worker in workers):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def _runs(process: int) -> bool:
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False
