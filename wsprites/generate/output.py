"""Checks before anything is written: may a file be written there, and is there room for it?"""

import os
import shutil
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


def check_output(out: Path, overwrite: bool) -> None:
    """Raise UserError unless a file can be written at `out`.

    Args:
        out: path of the file.
        overwrite: whether it may exist.
    """
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
