"""A data file while it is written. The process may be killed at any moment: the next run finds, checks and keeps the finished clips.

While it grows, the HDF5 file is .NAME.wsprites-partial in the folder of the final file, with a journal .NAME.wsprites-journal: lines of
a checksum and JSON, first the facts of the file, then for each finished clip where its chunks are. To resume is to write the file again,
over itself, with chunks of the old file where the journal and their checksum vouch for them. The same calls of HDF5 in the same order
put the same bytes in the same places: nothing is copied, no more disk is needed, whatever HDF5 left unfinished is written anew, and
being killed meanwhile does no harm. If a chunk is not where it was, its checksum shows it, and its clip is made again.
"""

import errno
import io
import json
import os
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_hexdigest, xxh3_64_intdigest

from wsprites.errors import UserError
from wsprites.file import Facts, differences, empty_file
from wsprites.file.facts import VideoFacts
from wsprites.generate.output import naming, partial_path
from wsprites.generate.workers import Chunk, EncodedClip, encoded_clip

RESUME = "pass resume=True to continue"
"""Hint at the end of messages about unfinished runs."""


class RawFile(io.FileIO):
    """The bytes of an HDF5 file, written over those of an earlier file. HDF5 crashes if its writes fail: `check` raises the errors."""

    place = 0
    """Byte offset of HDF5's last read or write."""
    closed_for_writing = False
    """If True, nothing more is written. HDF5 insists on writing when it closes a file, even to a file that another run uses by now."""
    _empty = True
    _error: OSError | None = None
    _unwritten: tuple[tuple[int, bytes], ...] = ()  # places and bytes of the writes since the one that failed

    def readinto(self, buffer: Any) -> int:
        """Read as any file, and what could not be written: HDF5 reads back what it wrote, and crashes if it finds something else."""
        view, first = memoryview(buffer).cast("B"), self.place
        done = super().readinto(view) or 0
        if not self._unwritten:
            return done
        view[done:] = bytes(len(view) - done)
        for place, data in self._unwritten:
            begin, end = max(first, place), min(first + len(view), place + len(data))
            if begin < end:
                view[begin - first : end - first] = data[begin - place : end - place]
        return len(view)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        """Seek as any file. HDF5 asks for the end to learn whether the file has content: before the first write it has none."""
        if whence == os.SEEK_END and self._empty:
            return super().seek(0)
        self.place = super().seek(offset, whence)
        return self.place

    def write(self, data: Any) -> int:
        """Write all bytes: a disk that is nearly full takes only a part at a time."""
        self._empty = False
        written = 0
        try:
            while written < len(data) and not self.closed_for_writing:
                written += os.write(self.fileno(), memoryview(data)[written:] if written else data)
        except OSError as error:
            self.closed_for_writing, self._error = True, error
        if written < len(data):
            self._unwritten += ((self.place + written, bytes(memoryview(data)[written:])),)
        return len(data)

    def truncate(self, size: int | None = None) -> int:
        """Cut off the end of the file."""
        try:
            return 0 if self.closed_for_writing else super().truncate(size)
        except OSError as error:
            self.closed_for_writing, self._error = True, error
            return 0

    def check(self) -> None:
        """Raise the OSError of an earlier write, if there was one."""
        if self._error:
            raise self._error


class UnfinishedFile:
    """An HDF5 file that is being written, and its journal. Made by `unfinished_file`.

    Args:
        out: path of the final file.
        facts: the facts of the file.
        clips: indices of its clips.
        resume, overwrite, hint: as in `unfinished_file`.

    Raises:
        UserError: as in `unfinished_file`.
    """

    def __init__(self, out: Path, facts: Facts | VideoFacts, clips: range, resume: bool, overwrite: bool, hint: str) -> None:
        self.path, self.journal_path = partial_path(out), partial_path(out, kind="journal")
        self._clips, self._line_n = clips, np.full(len(clips), -1)  # byte offset of each clip's line in the journal
        self._seed = _seed(facts.attributes())
        with ExitStack() as files:
            self.raw = files.enter_context(RawFile(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o666), "r+"))
            _lock(self.raw, self.path)
            self._journal = files.enter_context(io.FileIO(self.journal_path, "a"))
            self._reader = files.enter_context(self.journal_path.open("rb"))
            self._begin(out, facts, resume, overwrite, hint)
            self.h5 = empty_file(self.raw)
            self.close = files.pop_all().close

    def _begin(self, out: Path, facts: Facts | VideoFacts, resume: bool, overwrite: bool, hint: str) -> None:
        """Refuse to lose the clips of an earlier run unasked; start a journal unless one is resumed."""
        before = next((content for _, content in self._lines(0)), None)
        other = None if before == facts.attributes() else before
        if other is not None and resume and not overwrite:
            raise UserError(f"{out}: {_different(other, facts)}, or pass overwrite=True")
        seed = self._seed if before is None else _seed(before)
        unfinished = os.fstat(self.raw.fileno()).st_size > 0 and any(True for _ in self._lines(seed))
        if unfinished and not resume and not overwrite:
            raise UserError(f"{out}: an unfinished run left a partial file; {hint}, or pass overwrite=True to start again")
        self._restored = not (unfinished and resume and other is None)
        if self._restored:  # there is nothing to restore
            self._journal.truncate(0)
            self.raw.truncate(0)
            try:
                self._append(0, facts.attributes())
            except OSError:
                self.discard()
                raise

    def _lines(self, seed: int) -> Iterator[tuple[int, Any]]:
        """(byte offset, content) of the intact lines of the journal: with seed 0 the facts, with the seed of the facts all others."""
        self._reader.seek(0)
        while line := self._reader.readline():
            check, _, text = line.rstrip().partition(b" ")
            if check == xxh3_64_hexdigest(text, seed).encode():
                yield self._reader.tell() - len(line), json.loads(text)

    def _append(self, seed: int, content: object) -> None:
        text = json.dumps(content).encode()
        line = b"\n%s %s" % (xxh3_64_hexdigest(text, seed).encode(), text)  # the newline ends a line that was cut short
        if os.write(self._journal.fileno(), line) < len(line):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def restore(self) -> Iterator[int]:
        """Find the clips that the unfinished run completed and whose chunks are intact; yields their indices."""
        for line, content in self._lines(self._seed):
            number = content[0] - self._clips.start
            if self._line_n[number] < 0 and self._read(content) is not None:
                self._line_n[number] = line
                yield content[0]
        self._restored = True

    def is_restored(self, clip_n: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(N,) bool: True for the clips, of (N,) int64 indices, that `restore` has found."""
        return self._line_n[clip_n - self._clips.start] >= 0

    def restored(self, clip: int) -> EncodedClip:
        """A clip that `restore` has found. Raises OSError if the file changed since."""
        self._reader.seek(self._line_n[clip - self._clips.start])
        encoded = self._read(json.loads(self._reader.readline().partition(b" ")[2]))
        if encoded is None:
            raise OSError(f"clip {clip} in {self.path.name} has changed since it was checked")
        return encoded

    def _read(self, content: Any) -> EncodedClip | None:
        """The clip that a line of the journal describes, or None if one of its chunks is not intact."""
        clip, checksum, places = content
        chunks: list[Chunk] = []
        for name, offset, place, length in places:
            self.raw.seek(place)
            chunks.append((name, tuple(offset), self.raw.read(length)))
        encoded = encoded_clip(clip, chunks)
        return encoded if encoded.checksum == checksum else None

    def record(self, encoded: EncodedClip, places: list[int]) -> None:
        """Note in the journal that a clip is written.

        Args:
            encoded: the clip.
            places: byte offsets of its chunks in the file.

        Raises:
            OSError: writing failed.
        """
        self.raw.check()
        self._line_n[encoded.clip - self._clips.start] = 0
        chunks = [(name, offset, place, len(data)) for (name, offset, data), place in zip(encoded.chunks, places, strict=True)]
        self._append(self._seed, (encoded.clip, encoded.checksum, chunks))
        if not self.path.exists():
            raise OSError(f"{self.path.parent} is gone")

    def abandon(self, hint: str) -> str:
        """Keep the files for the next run, if they hold clips, and say how many."""
        done = np.count_nonzero(self._line_n >= 0)
        if not self._restored:
            return f"the clips of the unfinished run are kept; {hint}"
        if done and self.path.exists():
            return f"{done:,} of {len(self._clips):,} clips are kept; {hint}"
        self.discard()
        return "nothing was kept"

    def discard(self) -> None:
        """Delete the files."""
        self.journal_path.unlink(missing_ok=True)
        self.path.unlink(missing_ok=True)


@contextmanager
def unfinished_file(
    out: Path, facts: Facts | VideoFacts, clips: range, *, resume: bool = False, overwrite: bool = False, hint: str
) -> Iterator[UnfinishedFile]:
    """Write a file that appears under its name when it is complete. After an error its finished clips are kept.

    Args:
        out: path of the file.
        facts: the facts of the file.
        clips: indices of its clips.
        resume: keep the clips that an unfinished run with the same facts completed.
        overwrite: discard them; together with `resume`, those of other facts only. If both are False and there are such clips, the file
            is refused.
        hint: how to continue, for the end of error messages.

    Raises:
        UserError: another run is writing the file, or there is an unfinished run that is neither to be resumed nor to be discarded, or
            that had other facts and is not to be discarded.
        OSError: writing failed; the message says what is kept. Other errors get that as a note.
    """
    target = Path(os.path.realpath(out)) if out.is_symlink() else out  # a link stays a link
    with naming(out):
        file = UnfinishedFile(target, facts, clips, resume, overwrite, hint)
    try:
        yield file
        file.h5.close()
        file.raw.check()
        os.replace(file.path, target)
        file.discard()
    except BaseException as error:
        file.raw.closed_for_writing = True
        with suppress(Exception):
            file.h5.close()
        kept = file.abandon(hint)
        if isinstance(error, OSError):
            raise OSError(f"{out}: writing failed ({error}); {kept}") from error
        error.add_note(kept)
        raise
    finally:
        file.close()


def _seed(attributes: object) -> int:
    """The seed of the checksums of a journal's lines: lines of another file's journal do not fit."""
    return xxh3_64_intdigest(json.dumps(attributes).encode())


def _different(before: dict[str, object], facts: Facts | VideoFacts) -> str:
    """How the facts of a run, stored in its journal, differ from others, and what to do."""
    try:
        different = differences(type(facts).from_attributes(before), facts)
    except ValueError:
        different = ""
    if not different:
        return "the unfinished run was begun by another version of wsprites; finish it with that version"
    return f"the unfinished run used other settings: {different}; rerun with those"


def _lock(file: io.FileIO, path: Path) -> None:
    """Keep other runs from writing a file until it is closed."""
    if sys.platform == "win32":
        return
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UserError(f"{path}: another run is writing it; wait for it or choose another name") from None
    except OSError:
        return  # a file system without locks
    if not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat()):
        raise UserError(f"{path}: another run has just finished it")
