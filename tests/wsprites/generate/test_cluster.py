"""A data set made by a Dask cluster of processes is that of a single run, also if workers are lost."""

import os
import re
import socket
import subprocess
import sys
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
from wsprites.generate.cluster import _prepare, connect, generate_on


@pytest.fixture(scope="module")
def client() -> Iterator[Client]:
    with connect("local") as client:
        yield client


@pytest.fixture(scope="module")
def undisturbed(order: Order, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("undisturbed") / "data.h5"
    generate(replace(order, n=100), out)
    return sha256(out)


# Run in a worker: once it has recorded 20 clips in `folder`, it takes the token there, if there is one, and dies; while there is a file
# `hold`, it waits after 20 clips for the end of the job.
PATCH = """
import os, signal, time
from pathlib import Path
from wsprites.generate.journal import UnfinishedFile

record = UnfinishedFile.record

def mortal(self, *args, folder=Path(FOLDER)):
    record(self, *args)
    if (self._line_n >= 0).sum() != 20 or folder not in self.path.parents:
        return
    try:
        (folder / "token").rename(folder / f"killed-{os.getpid()}")
    except FileNotFoundError:
        pass
    else:
        os.kill(os.getpid(), signal.SIGKILL)
    while (folder / "hold").exists() and (self.path.parent / "recipe.h5").exists():
        time.sleep(0.01)

UnfinishedFile.record = mortal
"""


def patch(client: Client, folder: Path) -> None:
    folder.mkdir()
    client.run(exec, PATCH.replace("FOLDER", repr(str(folder))), {})


def test_a_worker_is_killed_half_way(client: Client, order: Order, undisturbed: str, tmp_path: Path):
    folder, counted = tmp_path / "here", 0

    def progress(frames: int) -> None:
        nonlocal counted
        counted += frames

    patch(client, folder)
    (folder / "token").touch()
    generate_on(client, replace(order, n=100), folder / "data.h5", shards=4, progress=progress)
    assert sha256(folder / "data.h5") == undisturbed
    assert counted == 2 * 100 * 40
    killed, data = sorted(folder.iterdir(), key=lambda path: path.name != "data.h5")[::-1]
    assert data.name == "data.h5" and killed.name.startswith("killed-")
    assert int(killed.name.removeprefix("killed-")) not in client.run(os.getpid).values()


@pytest.mark.slow
def test_an_interrupted_run_stops_its_tasks(client: Client, order: Order, tmp_path: Path):
    folder = tmp_path / "here"

    def progress(_: int) -> None:
        if list(folder.rglob(".*-journal")):
            raise KeyboardInterrupt

    patch(client, folder)
    (folder / "hold").touch()  # no shard is finished before the interruption
    with pytest.raises(KeyboardInterrupt) as error:
        generate_on(client, replace(order, n=100), folder / "data.h5", shards=2, progress=progress)
    assert error.value.__notes__ == ["finished shards are kept; pass resume=True to continue"]
    while any(client.processing().values()):  # until the tasks have ended, one way or the other
        client.run(os.getpid)
    assert not list(folder.rglob("*-of-2.h5"))


@pytest.mark.slow
def test_an_interrupted_run_is_resumed(client: Client, order: Order, undisturbed: str, tmp_path: Path):
    out = tmp_path / "data.h5"
    many = replace(order, n=100)

    def progress(frames: int) -> None:
        if frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate_on(client, many, out, shards=5, progress=progress)
    with pytest.raises(UserError, match="pass resume=True to continue, or pass overwrite=True to start again"):
        generate_on(client, many, out, shards=5)
    with pytest.raises(UserError, match="shards is 5, not 4"):
        generate_on(client, many, out, shards=4, resume=True)
    with pytest.raises(UserError, match="unfinished run used other settings: seed is 5, not 6"):
        generate_on(client, replace(many, seed=6), out, shards=5, resume=True)
    generate_on(client, many, out, shards=5, resume=True)
    assert sha256(out) == undisturbed
    before = out.stat().st_mtime_ns
    generate_on(client, many, out, resume=True)
    assert out.stat().st_mtime_ns == before
    generate_on(client, replace(many, frames=False), out, overwrite=True)
    generate(replace(many, frames=False), tmp_path / "labels.h5")
    assert sha256(out) == sha256(tmp_path / "labels.h5")


def test_shards_of_another_order_are_discarded_if_that_is_asked_for(order: Order, tmp_path: Path):
    folder, out = tmp_path / "shards", tmp_path / "data.h5"
    _prepare(folder, order.facts, 4, out, overwrite=False, resume=False)
    (folder / "1-of-4.h5").touch()
    for overwrite in (False, True):
        _prepare(folder, order.facts, 4, out, overwrite=overwrite, resume=True)
        assert (folder / "1-of-4.h5").exists()
    for facts, count in ((replace(order.facts, seed=6), 4), (order.facts, 5)):
        with pytest.raises(UserError, match=r"the unfinished run used other settings: .*, or pass overwrite=True"):
            _prepare(folder, facts, count, out, overwrite=False, resume=True)
    assert (folder / "1-of-4.h5").exists()
    _prepare(folder, replace(order.facts, seed=6), 4, out, overwrite=True, resume=True)
    assert [path.name for path in folder.iterdir()] == ["order.json"]
    _prepare(folder, replace(order.facts, seed=6), 4, out, overwrite=False, resume=True)


def test_workers_with_other_versions_are_refused(client: Client, order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(wsprites.generate.cluster, "versions", lambda: {"wsprites": "9.9"})
    with pytest.raises(UserError, match=r"other versions: wsprites is '0.1.0', not '9.9'"):
        generate_on(client, order, tmp_path / "data.h5")


@pytest.mark.slow
def test_a_scheduler_that_does_not_answer_is_one_error(monkeypatch: pytest.MonkeyPatch):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        for address in (f"tcp://127.0.0.1:{taken.getsockname()[1]}", "nonsense://"):
            with pytest.raises(UserError, match=f"{address}: no Dask scheduler answers") as error, connect(address):
                pass
            assert "\n" not in str(error.value)
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(UserError, match=r"pip install -c constraints\.txt \"\.\[dask\]\" in a checkout"), connect("local"):
        pass


# The command; interrupted, with all processes of its group, once a worker has begun, if the first argument says so.
COMMAND = """
import os, signal, sys
from pathlib import Path
import wsprites.generate.cluster as cluster
from wsprites.cli import main

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
make_all = cluster._make_all

def interrupted(client, orders, recipe, progress):
    def stop(frames):
        if list(recipe.parent.glob("*-of-*")):
            os.killpg(os.getpgrp(), signal.SIGINT)
        progress(frames)
    make_all(client, orders, recipe, stop)

if __name__ == "__main__":
    if sys.argv.pop(1) == "interrupt":
        cluster._make_all = interrupted
    main(sys.argv[1:])
"""


def start(how: str, n: int, folder: Path, sheets: Path, backgrounds: Path) -> subprocess.Popen[str]:
    (folder / "command.py").write_text(COMMAND, encoding="utf-8")
    options = ["--n", n, "--out", "data.h5", "--dask", "local", "--sheets", sheets, "--backgrounds", backgrounds]
    command = list(map(str, [sys.executable, "command.py", how, "generate", *options]))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipe = subprocess.PIPE
    return subprocess.Popen(command, cwd=folder, env=environment, stdout=pipe, stderr=pipe, text=True, start_new_session=True)


@pytest.mark.slow
def test_the_command(sheets: Path, backgrounds: Path, tmp_path: Path):
    process = start("through", 20, tmp_path, sheets, backgrounds)
    stdout, stderr = process.communicate(timeout=600)
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
def test_ctrl_c_leaves_no_processes(sheets: Path, backgrounds: Path, tmp_path: Path):
    process = start("interrupt", 50_000, tmp_path, sheets, backgrounds)
    try:
        _, stderr = process.communicate(timeout=600)
        assert [other for other in psutil.process_iter() if group(other) == process.pid] == []
    finally:
        process.kill()
    assert process.returncode == 1 and "Traceback" not in stderr, stderr
    assert re.fullmatch(r"wsprites: interrupted; finished shards are kept; pass .*resume.* to continue", stderr.splitlines()[-1])


def test_dask_is_not_imported_unless_asked_for():
    program = "import sys, wsprites.cli, wsprites.generate.merge; print([name for name in ('dask', 'distributed') if name in sys.modules])"
    assert subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True).stdout == "[]\n"
