"""The leaderboard as one self-contained HTML page; the template is page.html. It is read with and without its script."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.leaderboard.board import Board, Cell, Row, between
from benchmarks.leaderboard.columns import COLUMNS, TASK
from benchmarks.leaderboard.costs import ABOUT, Costs, costs
from benchmarks.leaderboard.entries import BUDGETS, TRACKS
from wsprites.bench.headline import SAYS
from wsprites.bench.table import number

WIDTH = 100
"""Of the drawing of a cell; its values run from 4 to 96."""


class Drawn(NamedTuple):
    """A cell of the page; places are in 0 to WIDTH, None where there is nothing to draw."""

    value: float | None
    """To sort by."""
    text: str
    at: float
    interval: tuple[float, float] | None
    """Left end and width."""
    floor: float | None
    best: bool
    silent: bool
    """A latent that tells nothing."""
    title: str
    """All of it in words."""
    other: str = ""
    """The score, where it is not the common one of the column."""
    own_floor: str = ""
    """The floor, where that of the column depends on the model."""


class Shown(NamedTuple):
    """A row of the page."""

    row: Row
    words: str
    costs: Costs
    cells: tuple[Drawn | None, ...]
    """One for each column; None without a score."""
    task: tuple[Drawn | None, ...]
    """Success from latents; the floor is success from the labels alone."""


def page(all_boards: Sequence[Board]) -> str:
    """The page. Raises ModuleNotFoundError if Jinja is not installed."""
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    environment = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True, undefined=jinja2.StrictUndefined)
    boards = [(board, _ends(board), _shown(board)) for board in all_boards]
    used = {row.track for board in all_boards for row in board.rows}, {row.budget for board in all_boards for row in board.rows}
    template = environment.get_template("page.html")
    return template.render(
        boards=boards,
        columns=COLUMNS,
        task=TASK,
        tracks=[name for name in TRACKS if name in used[0]],
        budgets=[(name, BUDGETS[name].words) for name in BUDGETS if name in used[1]],
        about=ABOUT,
        width=WIDTH,
    )


def _ends(board: Board) -> list[tuple[str, str]]:
    """The strongest floor and the ceiling of each column, as text."""
    ends = (board.ends(board.rows, column) for column in range(len(COLUMNS)))
    return [(between(one.floors), between(one.ceilings)) for one in ends]


def _shown(board: Board) -> list[Shown]:
    """The rows of a board. A cell is the best of its column and track if it is among the rows of every budget that it stands beside."""
    best: dict[int, list[list[bool]]] = {id(row): [] for row in board.rows}
    for budget in board.budgets:
        rows = board.at(budget)
        by_column = [board.cells(rows, column) for column in range(len(COLUMNS))]
        for at, row in enumerate(rows):
            best[id(row)].append([column[at].best for column in by_column])
    by_column = [board.cells(board.rows, column) for column in range(len(COLUMNS))]
    ranges = [_range(board, column) for column in range(len(COLUMNS))]
    shown = []
    for at, row in enumerate(board.rows):
        marks = [all(each) for each in zip(*best[id(row)], strict=True)]
        of_row = [column[at] for column in by_column]
        cells = tuple(
            _drawn(cell._replace(best=mark and not cell.other), *ends) for cell, mark, ends in zip(of_row, marks, ranges, strict=True)
        )
        shown.append(Shown(row, row.record.words, costs(row), cells, tuple(_task(row, name) for name in TASK)))
    return shown


def _range(board: Board, column: int) -> tuple[float, float]:
    """The values at both ends of the drawings of a column, which hold all values, floors and ceilings. Intervals may be cut."""
    values = [0.0]
    for one in (row.headlines[column] for row in board.rows):
        if one.entry:
            values += [one.entry.value, *(end.value for end in (one.floor, one.ceiling) if end)]
    finite = [value for value in values if not math.isnan(value)]
    return min(finite), max(finite)


def _place(value: float, low: float, high: float) -> float:
    """Where a value is drawn; what is outside of the range is drawn at its end."""
    return round(4 + (WIDTH - 8) * min(max((value - low) / ((high - low) or 1.0), 0.0), 1.0), 1)


def _drawn(cell: Cell, low: float, high: float) -> Drawn | None:
    one = cell.headline
    if not one.entry or math.isnan(one.entry.value):
        return None
    entry, interval = one.entry, None
    parts = [f"{one.name} {number(entry.value)}"]
    if not math.isnan(entry.low):
        left, right = (_place(value, low, high) for value in (entry.low, entry.high))
        interval = (left, round(max(right - left, 1.0), 1))
        parts.append(f"95 % {number(entry.low)} to {number(entry.high)}")
    parts += [f"runs {', '.join(map(number, entry.runs))}"] if entry.runs else []
    parts += [f"{what} {number(end.value)} ({end.name})" for what, end in (("floor", one.floor), ("ceiling", one.ceiling)) if end]
    normalised = one.place(entry.value)
    parts += [f"normalised {number(normalised)}"] if not math.isnan(normalised) else []
    parts += [SAYS[one.verdict]] if SAYS[one.verdict] else []
    parts += ["it tells nothing"] if cell.silent else []
    parts += ["not the score of most rows of the column: not compared"] if cell.other else []
    floor = _place(one.floor.value, low, high) if one.floor else None
    place, other = _place(entry.value, low, high), one.name if cell.other else ""
    own_floor = number(one.floor.value) if cell.own_floor and one.floor else ""
    return Drawn(entry.value, number(entry.value), place, interval, floor, cell.best, cell.silent, "; ".join(parts), other, own_floor)


def _task(row: Row, name: str) -> Drawn | None:
    rates, alone = row.success(name), row.success(name.replace("latents", "labels"))
    if not rates or not alone:
        return None
    value, floor = sum(rates) / len(rates), sum(alone) / len(alone)
    title = f"success {number(value)} from latents; {number(floor)} from the labels alone"
    return Drawn(value, number(value), _place(value, 0.0, 1.0), None, _place(floor, 0.0, 1.0), False, False, title)
