"""Whether the folder of a run has the files that it should have, and no others. See RULES.md, 7."""

import re
from collections.abc import Iterator
from pathlib import Path

from benchmarks.leaderboard.record import FILES, SUMS, hashed, read_text, sums
from wsprites.errors import UserError

_TRAINED = "config.json"
"""The file that systems without training do not have."""
_LOCAL = ("train", "train-clock.json", ".lock")
"""What training needs beside the files of a run, and no repository holds."""
_PACKAGE = re.compile(r"[A-Za-z0-9][\w.-]*==\S+", re.ASCII)


def wrong_files(folder: Path) -> Iterator[str]:
    """A line for each file of a folder that is missing, another than its hash says, or of no use there.

    Raises:
        UserError: a file is a link, or cannot be read as text, or there are no hashes.
    """
    at = folder.absolute()
    held = [path for path in sorted(at.iterdir()) if path.name not in _LOCAL]
    links = [path for path in (*at.parents[3::-1], at, *held) if path.is_symlink()]
    if links:  # which may lead to anything, so that nothing is read
        raise UserError(f"{', '.join(path.name for path in links)}: a link; give the files themselves")
    known = {*FILES, SUMS, *_LOCAL}
    yield from (f"{path.name} is none of the files of a run; remove it" for path in sorted(at.iterdir()) if path.name not in known)
    said, present = sums(folder), hashed(folder)
    for name in FILES:
        if name not in present and (name in said or name != _TRAINED):
            yield f"{name} is missing"
        elif name in present and name not in said:
            yield f"{SUMS} does not have {name}"
        elif name in present and present[name] != said[name]:
            yield f"{name} was changed: it has another hash than {SUMS} says"
    yield from _wrong_texts(folder)


def _wrong_texts(folder: Path) -> Iterator[str]:
    """A line for each of the files for people that cannot be one."""
    if (folder / "log.txt").is_file() and "\0" in read_text(folder / "log.txt"):
        yield "log.txt is not a text"
    if (folder / "lock.txt").is_file():
        lines = read_text(folder / "lock.txt").splitlines()
        if not lines or not all(map(_PACKAGE.fullmatch, lines)):
            yield "lock.txt is not a list of packages, NAME==VERSION in each line"
