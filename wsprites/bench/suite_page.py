"""The figures of a suite -> one self-contained HTML page without scripts; the template is suite.html."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from wsprites.bench.explanations import explanation
from wsprites.bench.headline import SAYS, Headline
from wsprites.bench.suite import Row
from wsprites.bench.table import number
from wsprites.generate import replace_file

_LEFT, _RIGHT, _ROW, _TOP = 130, 620, 44, 30
"""Places of 0 and of 1 and height of a row in the plot, px, and where rows begin."""


class _Mark(NamedTuple):
    """A row of the plot; places are px, and None where there is nothing to draw."""

    axis: str
    y: int
    value: float
    floor: float | None
    ceiling: float | None
    interval: tuple[float, float] | None
    """Left end and width."""
    verdict: str
    text: str


def write(path: Path, suite: str, by_model: Mapping[str, Sequence[Row]]) -> None:
    """Write the page of one or several models.

    Args:
        by_model: the rows of each model, by its name.

    Raises:
        OSError: the file cannot be written; an old one is unchanged.
        ModuleNotFoundError: Jinja is not installed.
    """
    import jinja2

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("suite.html")
    models = [(model, rows, [mark for at, row in enumerate(rows) if (mark := _mark(at, row))]) for model, rows in by_model.items()]
    sizes = {
        "left": _LEFT,
        "right": _RIGHT,
        "top": _TOP,
        "step": _ROW,
        "height": _TOP + _ROW * max(len(rows) for rows in by_model.values()) + 24,
    }
    words = {"number": _number, "says": SAYS, "explanation": explanation}
    page = template.render(suite=suite, models=models, first=models[0][1][0].scores, **words, **sizes)
    replace_file(path, page.encode("utf-8", errors="replace"))


def _mark(at: int, row: Row) -> _Mark | None:
    """A row of the plot; None without a figure."""
    figure = row.figure
    if not figure.entry:
        return None
    entry, y = figure.entry, _TOP + _ROW * at + _ROW // 2
    interval = None if math.isnan(entry.low) else (_x(entry.low), max(_x(entry.high) - _x(entry.low), 1))
    floor, best = (None if end is None else _x(end.value) for end in (figure.floor, figure.ceiling))
    return _Mark(row.axis.name, y, _x(entry.value), floor, best, interval, figure.verdict, _text(row, figure))


def _text(row: Row, figure: Headline) -> str:
    """A row in words, for readers that cannot see the plot."""
    assert figure.entry
    ends = [f"{name} {number(end.value)} ({end.name})" for name, end in (("floor", figure.floor), ("ceiling", figure.ceiling)) if end]
    return f"{row.axis.name}: {', '.join([number(figure.entry.value), *ends])}"


def _x(share: float) -> float:
    """Place of a share in the plot, px."""
    return _LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0)


def _number(value: float) -> str:
    return "" if math.isnan(value) else number(value)
