"""CSV files of users, read strictly: a line of column names, then lines with as many cells. Every error names the file and the line."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from wsprites.errors import ArgumentError

_MOST_BYTES = 2**28


class Line(NamedTuple):
    """A line of a CSV file."""

    argument: str
    """The argument that errors name."""
    place: str
    """File and line number, for messages."""
    cells: dict[str, str]
    """The cells by their columns, without spaces around them."""

    def error(self, problem: str) -> ArgumentError:
        """An error to raise: what is wrong in this line, and what is expected."""
        return ArgumentError(self.argument, f"{self.place}{problem}")

    def whole(self, name: str, count: int) -> int:
        """A cell that is a whole number below `count`. Raises ArgumentError for anything else."""
        cell = self.cells[name]
        if not (cell.isascii() and cell.isdecimal() and len(cell) < 10 and int(cell) < count):
            raise self.error(f": {name} is {cell[:20]!r}; expected a whole number from 0 to {count - 1}")
        return int(cell)


class CsvFile:
    """The lines of a CSV file in UTF-8 of up to 256 MiB, to be iterated once.

    Args:
        argument: the argument that errors name.
        path: path of the file.
        expected: what is expected in place of a file that does not exist, such as "a CSV file".

    Raises:
        ArgumentError: the file cannot be read, is too large, or is no text; when lines are read, also for a line that is not CSV or has
            another number of cells than the line of column names.
    """

    path: Path
    """Path of the file."""
    columns: list[str]
    """Names of the columns, without spaces around them; empty for an empty file."""

    def __init__(self, argument: str, path: Path, *, expected: str) -> None:
        self._argument, self.path = argument, path
        self._rows = csv.reader(io.StringIO(self._text(expected), newline=""), strict=True)
        self.columns = [name.strip() for name in next(self._checked(), [])]

    def __iter__(self) -> Iterator[Line]:
        for cells in self._checked():
            if not cells:  # an empty line
                continue
            place = f"{self.path}: line {self._rows.line_num}"
            if len(cells) != len(self.columns):
                problem = f"{place} has {len(cells)} cells, not {len(self.columns)} as the line of column names"
                raise ArgumentError(self._argument, problem)
            yield Line(self._argument, place, {name: cell.strip() for name, cell in zip(self.columns, cells, strict=True)})

    def _checked(self) -> Iterator[list[str]]:
        try:
            yield from self._rows
        except csv.Error as error:
            problem = f"{self.path}: line {self._rows.line_num} is not CSV ({error}); expected cells separated by commas"
            raise ArgumentError(self._argument, problem) from None

    def _text(self, expected: str) -> str:
        try:
            if not self.path.is_file():
                problem = f"{self.path}: {'not a file' if self.path.exists() else 'no such file'}; expected {expected}"
                raise ArgumentError(self._argument, problem)
            if self.path.stat().st_size > _MOST_BYTES:
                raise ArgumentError(self._argument, f"{self.path}: larger than {_MOST_BYTES // 2**20} MiB; expected one line a frame")
            return self.path.read_text(encoding="utf-8-sig")
        except UnicodeDecodeError:
            raise ArgumentError(self._argument, f"{self.path}: not text in UTF-8; expected a CSV file") from None
        except OSError as error:
            raise ArgumentError(self._argument, f"{self.path}: cannot be read ({error.strerror})") from None
