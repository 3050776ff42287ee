"""A file in the making, which may be killed at any moment: what was finished is found again, checked and kept.

While it grows, the HDF5 file is .NAME.wsprites-partial beside its place, with a journal .NAME.wsprites-journal: lines of a checksum and
JSON, first what the file is to hold, then for each finished clip where its chunks are. To go on is to write the file again, over
itself, with chunks of the old file where the journal and their checksum vouch for them. The same calls of HDF5 in the same order put
the same bytes in the same places: nothing is copied, no more disk is needed, whatever HDF5 left half-done is written anew, and being
killed meanwhile does no harm. Should a chunk not be where it was, its checksum says so, and its clip is made again.
"""

import errno
import io
import json
import os
import reprlib
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64, xxh3_64_hexdigest, xxh3_64_intdigest

from wsprites.errors import UserError
from wsprites.file import empty_file

Facts = dict[str, Any]
"""What decides about the bytes of a file: what JSON knows, by name."""
ClipChunk = tuple[str, tuple[int, ...], bytes]  # of a clip: the array's name, the offset in the clip, the bytes


class Output(io.FileIO):
    """The bytes of an HDF5 file, written over what was there before. HDF5 crashes if its writes fail: what fails is raised by `check`."""

    place = 0
    """Where HDF5 went last, to read or write."""
    dead = False
    """Once it is True nothing more is written. HDF5 insists on writing when it closes a file, in places that may be others' later."""
    _new = True
    _error: OSError | None = None

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """HDF5 looks for the end to see whether there is a file already: at first there is none."""
        if whence == os.SEEK_END and self._new:
            return super().seek(0)
        self.place = super().seek(offset, whence)
        return self.place

    def write(self, data: Any) -> int:
        """Write all of it: a disk that is nearly full takes a part."""
        self._new = False
        written = 0
        try:
            while written < len(data) and not self.dead:
                written += os.write(self.fileno(), memoryview(data)[written:] if written else data)
        except OSError as error:
            self.dead, self._error = True, error
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut off what lies behind."""
        try:
            return 0 if self.dead else super().truncate(size)
        except OSError as error:
            self.dead, self._error = True, error
            return 0

    def check(self) -> None:
        """Raise what has failed."""
        if self._error:
            raise self._error


class Partial:
    """A file in the making, and its journal. Made by `making`."""

    def __init__(self, out: Path, facts: Facts, clips: range, resume: bool, overwrite: bool) -> None:
        self.path, self.journal_path = partial_path(out), partial_path(out, "journal")
        self._clips, self._line_n = clips, np.full(len(clips), -1)  # where the journal has each clip
        self._seed = _seed(facts)
        with ExitStack() as files:
            self.output = files.enter_context(Output(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+"))
            _lock(self.output, self.path)
            self._journal = files.enter_context(io.FileIO(self.journal_path, "a"))
            self._reader = files.enter_context(self.journal_path.open("rb"))
            self._begin(out, facts, resume, overwrite)
            self.h5 = empty_file(self.output)
            self.close = files.pop_all().close

    def _begin(self, out: Path, facts: Facts, resume: bool, overwrite: bool) -> None:
        before = next((content for _, content in self._lines(0)), None)
        if before and resume and (different := differences(before, facts)):
            raise UserError(f"{out}: the interrupted run was another one: {different}; go on with its options, or --overwrite it")
        there = os.fstat(self.output.fileno()).st_size > 0 and any(True for _ in self._lines(_seed(before or facts)))
        if there and not resume and not overwrite:
            raise UserError(f"{out}: an interrupted run has begun it; add --resume to go on, or --overwrite to start again")
        self._known = not (there and resume)
        if self._known:
            self._journal.truncate(0)
            self.output.truncate(0)
            self._append(0, facts)

    def _lines(self, seed: int) -> Iterator[tuple[int, Any]]:
        """(place, content) of the lines of the journal that are whole: 0 is the seed of the facts, theirs that of all others."""
        self._reader.seek(0)
        while line := self._reader.readline():
            check, _, text = line.rstrip().partition(b" ")
            if check == xxh3_64_hexdigest(text, seed).encode():
                yield self._reader.tell() - len(line), json.loads(text)

    def _append(self, seed: int, content: object) -> None:
        text = json.dumps(content).encode()
        line = b"\n%s %s" % (xxh3_64_hexdigest(text, seed).encode(), text)  # a line before that was cut short ends here
        if self._journal.write(line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def kept(self) -> Iterator[int]:
        """The clips that the interrupted run has finished and whose chunks are what they were."""
        for line, content in self._lines(self._seed):
            number = content[0] - self._clips.start
            if self._line_n[number] < 0 and self._load(content) is not None:
                self._line_n[number] = line
                yield content[0]
        self._known = True

    def has(self, clip_n: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) True for clips that `kept` has found."""
        return self._line_n[clip_n - self._clips.start] >= 0

    def chunks(self, clip: int) -> list[ClipChunk]:
        """The chunks of a clip that was kept."""
        self._reader.seek(self._line_n[clip - self._clips.start])
        chunks = self._load(json.loads(self._reader.readline().partition(b" ")[2]))
        if chunks is None:
            raise OSError(f"clip {clip} in {self.path.name} has changed since it was checked")
        return chunks

    def _load(self, content: Any) -> list[ClipChunk] | None:
        """The chunks that a line of the journal speaks of, or None if one of them is not what it was."""
        _, checksum, places = content
        found, chunks = xxh3_64(), []
        for name, offset, place, length in places:
            self.output.seek(place)
            data = self.output.read(length)
            found.update(data)
            chunks.append((name, tuple(offset), data))
        return chunks if found.intdigest() == checksum else None

    def finished(self, clip: int, checksum: int, places: list[tuple[str, tuple[int, ...], int, int]]) -> None:
        """Note that the chunks of a clip are written.

        Args:
            checksum: XXH3 of them all, one after the other.
            places: the array's name, the offset in the clip, the place in the file and the length of each.
        """
        self.output.check()
        self._line_n[clip - self._clips.start] = 0
        self._append(self._seed, (clip, checksum, places))
        if not self.path.exists():
            raise OSError(f"{self.path.parent} is gone")

    def left(self, again: str) -> str:
        """Leave it to another run, and say what there is and how to go on."""
        done = np.count_nonzero(self._line_n >= 0)
        if not self._known:
            return f"what was kept stays; {again}"
        if done and self.path.exists():
            return f"{done:,} of {len(self._clips):,} clips are kept; {again}"
        self.remove()
        return "nothing was kept"

    def remove(self) -> None:
        """Leave nothing."""
        self.journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def making(out: Path, facts: Facts, clips: range, *, resume: bool, overwrite: bool, again: str) -> Iterator[Partial]:
    """A file in the making. At the end it appears under its name; after an error it stays where it is.

    Args:
        out: the file it is to become.
        facts: what decides about its bytes.
        clips: the numbers of its clips.
        resume: keep what an interrupted run with the same facts has finished.
        overwrite: discard that. If both are False and there is something to lose, it is refused.
        again: tells people how to go on after an error.

    Raises:
        UserError: another run is writing it, or an interrupted run is not to be discarded, or was another one.
        OSError: something failed; says what is kept. Other errors get that as a note.
    """
    target = Path(os.path.realpath(out)) if out.is_symlink() else out  # a link stays one
    partial = Partial(target, facts, clips, resume, overwrite)
    try:
        yield partial
        partial.h5.close()
        partial.output.check()
        os.replace(partial.path, target)
        partial.remove()
    except BaseException as error:
        partial.output.dead = True
        with suppress(Exception):
            partial.h5.close()
        left = partial.left(again)
        if isinstance(error, OSError):
            raise OSError(f"{out}: writing failed ({error}); {left}") from error
        error.add_note(left)
        raise
    finally:
        partial.close()


def partial_path(out: Path, kind: str = "partial") -> Path:
    """Where a file, or its journal, is while it is written: beside its place, so that it can be renamed."""
    return out.with_name(f".{out.name}.wsprites-{kind}")


def differences(found: Facts, wanted: Facts) -> str:
    """What differs, in words; empty if nothing does."""
    return ", ".join(_differences(found, wanted))


def _differences(found: dict[str, Any], wanted: dict[str, Any], prefix: str = "") -> Iterator[str]:
    for name in {**found, **wanted}:
        a, b = found.get(name), wanted.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            yield f"{prefix}{name} is {reprlib.repr(a)}, not {reprlib.repr(b)}"


def _seed(facts: Facts) -> int:
    return xxh3_64_intdigest(json.dumps(facts).encode())


def _lock(file: io.FileIO, path: Path) -> None:
    """Keep others from writing a file, until it is closed."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path}: another run is writing it; wait for it or choose another --out") from None
    except OSError:
        return  # a file system without locks
    if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise UserError(f"{path}: another run has just finished it")
