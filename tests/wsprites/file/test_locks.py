"""Files that cannot be locked are whole: what is said about them is not that they are damaged, and how they are read all the same."""

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import h5py
import pytest

import wsprites
from wsprites.errors import UserError
from wsprites.file.h5 import open_read_only
from wsprites.generate.merge import merge
from wsprites.generate.order import Order
from wsprites.generate.writer import generate

ANYWAY = "set the environment variable HDF5_USE_FILE_LOCKING=FALSE to read it all the same"


@pytest.fixture
def locked(labels_file: Path, tmp_path: Path) -> Iterator[Path]:
    """A data file that is locked as by a program that has it open for writing."""
    path = tmp_path / "data.h5"
    path.write_bytes(labels_file.read_bytes())
    with path.open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield path


def test_a_file_that_is_open_elsewhere(locked: Path):
    with pytest.raises(UserError) as error:
        wsprites.open(locked)
    assert str(error.value).startswith(f"{locked}: another program has it open for writing; close it there, or {ANYWAY}")


def test_it_can_be_read_without_locks(locked: Path):
    program = f"import wsprites; print(len(wsprites.open({str(locked)!r})['train']))"
    environment = {**os.environ, "HDF5_USE_FILE_LOCKING": "FALSE"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True, timeout=600)
    assert int(done.stdout) > 0


def test_a_shard_that_is_open_elsewhere(order: Order, tmp_path: Path):
    from dataclasses import replace

    shards = [tmp_path / "1.h5", tmp_path / "2.h5"]
    for number, path in enumerate(shards, 1):
        generate(replace(order, frames=False, shard=(number, 2)), path)
    merge(shards, tmp_path / "virtual.h5", virtual=True)
    with shards[1].open("rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(UserError, match=r"virtual.h5: its shard .*2.h5: another program has it open for writing"):
            wsprites.open(tmp_path / "virtual.h5")
    wsprites.open(tmp_path / "virtual.h5").close()


@pytest.mark.parametrize(
    ("number", "text", "words"),
    [
        (errno.ENOLCK, "unable to lock file, errno = 37", "cannot be locked: No locks available; if its file system has no locks, "),
        (
            errno.EOPNOTSUPP,
            "unable to lock file, errno = 95",
            "cannot be locked: Operation not supported; if its file system",
        ),
        (errno.EAGAIN, "unable to lock file, errno = 11", "another program has it open for writing; "),
        (errno.EACCES, "unable to open file", "Permission denied; check"),
        (errno.EMFILE, "unable to open file", "Too many open files; check"),
        (errno.EIO, "file read failed", "Input/output error; check"),
        (None, "truncated file: eof = 3", "truncated: not a complete HDF5 file; generate, import or copy it again"),
        (None, "file signature not found", "not a complete HDF5 file; generate, import or copy it again"),
    ],
)
def test_what_the_system_says_is_passed_on(labels_file: Path, monkeypatch: pytest.MonkeyPatch, number: int | None, text: str, words: str):
    """No answer but those of HDF5 itself calls a file damaged; that it has no locks comes with what to do."""

    def fail(*_: object) -> None:
        raise OSError(number, text) if number else OSError(text)

    monkeypatch.setattr(h5py, "File", fail)
    with pytest.raises(UserError) as error:
        open_read_only(labels_file)
    line = str(error.value)
    assert line.startswith(f"{labels_file}: {words}") and "\n" not in line
    assert (ANYWAY in line) == ("lock" in text)
