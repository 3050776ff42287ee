"""Files that are written: checks before (may it be written there, is there room?), and writing aside, so that none is half-written."""

import errno
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from wsprites.errors import ArgumentError, UserError


def partial_path(out: Path, *, kind: str = "partial") -> Path:
    """Path of a file while it is written, or of its journal: in the same folder, so that it can be renamed.

    Example:
        >>> partial_path(Path("data.h5")).name
        '.data.h5.wsprites-partial'
    """
    return out.with_name(f".{out.name}.wsprites-{kind}")


def check_ending(argument: str, path: Path, *endings: str) -> str:
    """Return the ending of an output file's name in lower case. Raises ArgumentError unless it is one of those of the file's format.

    Args:
        argument: name of the function's argument.
        path: the file.
        endings: the possible endings, such as ".html"; what follows a space describes one in the message.

    Example:
        >>> check_ending("out", Path("a.PNG"), ".gif (animated)", ".png")
        '.png'
    """
    ending = path.suffix.lower()
    if ending not in [possible.partition(" ")[0] for possible in endings]:
        raise ArgumentError(argument, f"{path}: the name must end in {' or '.join(endings)}")
    return ending


@contextmanager
def written_aside(out: Path) -> Iterator[Path]:
    """Write a whole file: to a temporary path in the same folder, which becomes `out` once all of it is on the disk.

    After an error, or a crash of the machine, `out` is what it was before; the temporary file of an error is deleted. If `out` is a link,
    the file that it leads to is replaced. Data files, which are too large to be written twice, have `unfinished_file` instead.

    Args:
        out: path of the file.

    Yields:
        The path to write to.

    Raises:
        OSError: writing failed. The message names `out`.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with written_aside(Path(folder) / "a.txt") as part:
        ...         _ = part.write_text("text")
        ...     print(sorted(path.name for path in Path(folder).iterdir()))
        ['a.txt']
    """
    target = Path(os.path.realpath(out))
    part = partial_path(target, kind="part")
    with naming(out):
        try:
            yield part
            with part.open("rb+") as file:
                os.fsync(file.fileno())
            part.replace(target)
        finally:
            part.unlink(missing_ok=True)


def replace_file(out: Path, content: bytes) -> None:
    """Write bytes to a file as `written_aside` does."""
    with written_aside(out) as part:
        part.write_bytes(content)


def append_line(out: Path, line: str) -> None:
    """Append a line to a text file, wholly or not at all. Raises OSError, which names the file, if that fails."""
    content = f"{line}\n".encode()
    with naming(out), out.open("ab", buffering=0) as file:
        end = file.tell()
        try:
            if file.write(content) < len(content):  # the disk is full
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError:
            file.truncate(end)
            raise


@contextmanager
def naming(out: Path) -> Iterator[None]:
    """Put the name of the file that is written in front of the message of an OSError, in place of a temporary name."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{out}: writing failed ({error.strerror or error})") from error


def check_output(out: Path, overwrite: bool, *, inputs: Iterable[Path] = ()) -> None:
    """Raise UserError unless a file can be written at `out`.

    Args:
        out: path of the file.
        overwrite: whether it may exist.
        inputs: files and folders that are read: no file of them is replaced.
    """
    target = out.resolve()
    if out.exists() and any(path.resolve() in (target, *target.parents) for path in inputs):
        raise UserError(f"{out}: is read as well, and would be lost; choose another name for the output")
    if out.exists() and not out.is_file():
        raise UserError(f"{out}: {'a folder' if out.is_dir() else 'a device or a pipe'}, not a file; choose another name")
    if len(os.fsencode(partial_path(out).name)) > 255:
        raise UserError(f"{out.name[:40]}...: the name is too long; choose a shorter one")
    if out.exists() and not overwrite:
        raise UserError(f"{out}: exists already; choose another name or pass overwrite=True")
    folder = Path(os.path.realpath(out)).parent  # where a link leads to
    shown = folder if out.is_symlink() else out.parent
    if not folder.is_dir():
        raise UserError(f"{shown}: no such folder; create it first")
    if not os.access(folder, os.W_OK):
        raise UserError(f"{shown}: no permission to write there; choose another folder")


def check_disk(out: Path, size: int) -> int:
    """Check that there is room for a file.

    Args:
        out: path of the file.
        size: its expected size in bytes.

    Returns:
        The available bytes: those that are free on the disk, and those that an unfinished run of the same file occupies.

    Raises:
        UserError: fewer than `size` bytes are available.
    """
    partial = partial_path(Path(os.path.realpath(out)))
    free = shutil.disk_usage(out.absolute().parent).free + (partial.stat().st_size if partial.exists() else 0)
    if size > free:
        raise UserError(f"{out}: about {readable_size(size)} needed and {readable_size(free)} free; choose another disk or fewer clips")
    return free


def readable_size(size: float) -> str:
    """A number of bytes as text.

    Example:
        >>> readable_size(12_300_000)
        '12.3 MB'
    """
    for unit, scale in (("GB", 1e9), ("MB", 1e6), ("kB", 1e3)):
        if size >= scale:
            return f"{size / scale:.1f} {unit}"
    return f"{size:.0f} bytes"
