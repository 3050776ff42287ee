"""A data set made by a Dask cluster of processes is that of a single run, also if workers are lost."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from distributed import Client
from samples import ROOT, sha256

import wsprites.generate.cluster
from wsprites.errors import UserError
from wsprites.generate import Order, generate
from wsprites.generate.cluster import connect, generate_on


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect("local") as client:
        yield client


@pytest.fixture(scope="module")
def undisturbed(order: Order, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("undisturbed") / "data.h5"
    generate(replace(order, n=200), out)
    return sha256(out)


def test_a_worker_is_killed_half_way(client: Client, order: Order, undisturbed: str, tmp_path: Path):
    out, workers = tmp_path / "data.h5", client.run(os.getpid)
    counted, killed = 0, list[int]()

    def progress(frames: int) -> None:
        nonlocal counted
        counted += frames
        at_work = [path for path in tmp_path.rglob(".*-journal") if path.stat().st_size > 4000]
        if at_work and not killed:
            killed.append(next(iter(workers.values())))
            os.kill(killed[0], signal.SIGKILL)

    generate_on(client, replace(order, n=200), out, shards=4, progress=progress)
    assert sha256(out) == undisturbed
    assert killed and counted == 2 * 200 * 40
    assert [path.name for path in tmp_path.iterdir()] == ["data.h5"]
    assert killed[0] not in client.run(os.getpid).values()


@pytest.mark.slow
def test_an_interrupted_run_stops_its_tasks(client: Client, order: Order, tmp_path: Path):
    def progress(_: int) -> None:
        if any(path.stat().st_size > 4000 for path in tmp_path.rglob(".*-journal")):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as error:
        generate_on(client, replace(order, n=50_000), tmp_path / "data.h5", shards=2, progress=progress)
    assert error.value.__notes__ == ["finished shards are kept; add --resume to go on"]
    begin = time.monotonic()
    while any(client.processing().values()) and time.monotonic() < begin + 10:  # they would take minutes
        time.sleep(0.1)
    assert not any(client.processing().values())
    assert not list(tmp_path.rglob("*-of-2.h5"))


@pytest.mark.slow
def test_an_interrupted_run_is_gone_on_with(client: Client, order: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    many = replace(order, n=200)

    def progress(frames: int) -> None:
        if frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_on(client, many, out, shards=5, progress=progress)
    with pytest.raises(UserError, match="--resume to go on, or --overwrite"):
        generate_on(client, many, out, shards=5)
    with pytest.raises(UserError, match="run was another one: seed is 5, not 6"):
        generate_on(client, replace(many, seed=6), out, shards=5, resume=True)
    generate_on(client, many, out, shards=5, resume=True)
    assert sha256(out) == undisturbed
    before = out.stat().st_mtime_ns
    generate_on(client, many, out, resume=True)
    assert out.stat().st_mtime_ns == before
    generate_on(client, replace(many, frames=False), out, overwrite=True)
    generate(replace(many, frames=False), tmp_path / "labels.h5")
    assert sha256(out) == sha256(tmp_path / "labels.h5")


def test_workers_with_other_versions_are_refused(client: Client, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wsprites.generate.cluster, "versions", lambda: {"wsprites": "9.9"})
    with pytest.raises(UserError, match=r"other versions: wsprites is '0.1.0', not '9.9'"):
        generate_on(client, order, tmp_path / "data.h5")


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_one_error(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for address in (f"tcp://127.0.0.1:{taken.getsockname()[1]}", "nonsense://"):
            with pytest.raises(UserError, match=f"--dask {address}: no scheduler answers") as error, connect(address):
                pass
            assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install 'wsprites\[dask\]'"), connect("local"):
        pass


@pytest.fixture
def command(sheets: Path, backgrounds: Path) -> list[str]:
    command = [
        sys.executable,
        "-m",
        "cli",
        "generate",
        "--out",
        "data.h5",
        "--dask",
        "local",
        "--sheets",
        sheets,
        "--backgrounds",
        backgrounds,
    ]
    return list(map(str, command))


def start(command: list[str], folder: Path) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=pipe,
        stderr=pipe,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL) and None,
    )


@pytest.mark.slow
def test_the_command(command: list[str], tmp_path: Path):
    process = start([*command, "--n", "20", "--resume"], tmp_path)
    stdout, stderr = process.communicate(timeout=120)
    assert process.returncode == 0, stderr
    assert re.search(r"^cluster  http://127.0.0.1:\d+/status$", stdout, re.MULTILINE) and "done     data.h5" in stdout
    with wsprites.open(tmp_path / "data.h5") as data:
        assert data.indices == range(20) and data.shard == (1, 1)


def group(process: psutil.Process) -> int:
    """The group of a process, 0 if it has ended."""
    try:
        return 0 if process.status() == psutil.STATUS_ZOMBIE else os.getpgid(process.pid)
    except (psutil.NoSuchProcess, ProcessLookupError):
        return 0


@pytest.mark.slow
def test_ctrl_c_leaves_no_processes(command: list[str], tmp_path: Path):
    process = start([*command, "--n", "50000"], tmp_path)
    try:
        for _ in range(600):
            if any(path.stat().st_size > 20_000 for path in tmp_path.rglob(".*-journal")):
                break
            time.sleep(0.1)
        os.killpg(process.pid, signal.SIGINT)  # as a terminal does: all of them get it
        begin = time.monotonic()
        _, stderr = process.communicate(timeout=30)
        seconds = time.monotonic() - begin
        print(seconds)
        assert [other for other in psutil.process_iter() if group(other) == process.pid] == []
    finally:
        process.kill()
    assert process.returncode == 1 and "Traceback" not in stderr, stderr
    assert stderr.splitlines()[-1] == "wsprites: interrupted; finished shards are kept; add --resume to go on"
    assert seconds < 10


def test_dask_is_not_imported_unless_asked_for():
    program = "import sys, wsprites.cli, wsprites.generate.merge; print([name for name in ('dask', 'distributed') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"
