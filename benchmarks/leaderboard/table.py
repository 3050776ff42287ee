"""docs/leaderboard.md and docs/leaderboard.html, from the folders of runs: `python -m benchmarks.leaderboard.table`. See RULES.md."""

import argparse
import math
import re
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.leaderboard.arguments import RUNS
from benchmarks.leaderboard.board import Board, Cell, Row, between, boards
from benchmarks.leaderboard.columns import COLUMNS, TASK
from benchmarks.leaderboard.costs import ABOUT, costs
from benchmarks.leaderboard.entries import BUDGETS
from benchmarks.leaderboard.page import page
from benchmarks.leaderboard.record import escaped
from benchmarks.runs import in_options
from wsprites.bench.table import number
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file

DOCS = Path(__file__).parents[2] / "docs"
_ABOUT = """# The leaderboard

Made by `python -m benchmarks.leaderboard.table` from the folders in `benchmarks/leaderboard/runs`; nothing
here is written by hand. The rules, and how to submit a row, are in `benchmarks/leaderboard/RULES.md`.
[leaderboard.html](leaderboard.html) is the same as a page that can be sorted and filtered, with every interval drawn.

Values are medians over runs, with the 95 % interval of their mean for other clips and other seeds. **Bold**: in each track, the best of a
column, if it is better than its floor, and what ties with it, among the rows with the score that most have: a cell with another score
names it, and is not compared. Rows of the tracks oracle and anchor are never bold. Where the strongest floor depends on the model, the row
of floors has the smallest and the largest, and each cell its own. ° : a latent that tells nothing leaks nothing. Anchors are broken on
purpose: where one of them looks good, do not trust the column. Re-implementations are ours, trained for the time that is stated, and say
nothing about what their authors' models reach. *Reported*: no maintainer has repeated a run. Systems without training are code of the
repository, of which `python -m benchmarks.leaderboard.check` infers a sample of the clips again.
"""


def markdown(all_boards: Sequence[Board]) -> str:
    """The document."""
    parts = [_ABOUT]
    for board in all_boards:
        parts.append(f"## {_text(board.name)}\n")
        for budget in board.budgets:
            words = BUDGETS[budget].words
            rows = board.at(budget)
            parts += [f"### {words[0].upper()}{words[1:]}\n", _scores(board, rows), "The task, and what it took:\n", _costs(rows)]
        parts.append(f"{ABOUT}\n\n{_text(board.made_by)}\n")
    parts.append("## Columns\n\n" + "".join(f"- **{column.title}**: {column.words}\n" for column in COLUMNS) + _OF_TASK)
    return "\n".join(parts)


_OF_TASK = """- **task**: share of episodes in which an agent, cloned with that share of labels, walks to the marker and slashes there.
  Beside it, in brackets: from the labelled transitions alone, without latents. With all labels, and with none: at the foot of the table.
"""


def _lines(rows: Sequence[Sequence[str]], *, left: int) -> str:
    """Rows as a Markdown table, the first columns to the left."""
    marks = ["---" if at < left else "---:" for at in range(len(rows[0]))]
    return "".join(f"| {' | '.join(row)} |\n" for row in (rows[0], marks, *rows[1:]))


def _scores(board: Board, rows: Sequence[Row]) -> str:
    arrows = {"more": " ↑", "less": " ↓", "neither": ""}
    table = [["system", "track", *(column.title + arrows[column.better] for column in COLUMNS)]]
    ends = [board.ends(rows, column) for column in range(len(COLUMNS))]
    table.append(["*strongest floor*", "", *(_text(between(one.floors)) for one in ends)])
    table.append(["*ceiling*", "", *(_text(between(one.ceilings)) for one in ends)])
    by_column = [board.cells(rows, column) for column in range(len(COLUMNS))]
    table += [[_name(row), row.track, *(_cell(column[at]) for column in by_column)] for at, row in enumerate(rows)]
    return _lines(table, left=2)


def _name(row: Row) -> str:
    return f"`{row.system}`" + f" ({', '.join(row.remarks)})" * bool(row.remarks)


def _text(text: str) -> str:
    """Text in which nothing is markup, and no address becomes a link.

    Example:
        >>> _text("a <b>, https://c.d")
        'a &#60;b&#62;, https:&#47;&#47;c.d'
    """
    return re.sub(
        r"://|(?<=www)\.|@", lambda found: "".join(f"&#{ord(sign)};" if sign != ":" else sign for sign in found[0]), escaped(text)
    )


def _cell(cell: Cell) -> str:
    one = cell.headline
    if not one.entry:
        return "-"
    text = f"**{number(one.entry.value)}**" if cell.best else number(one.entry.value)
    interval = "" if math.isnan(one.entry.low) else f" [{number(one.entry.low)}, {number(one.entry.high)}]"
    floor = f" (floor {number(one.floor.value)})" if cell.own_floor and one.floor else ""
    return text + ("°" if cell.silent else "") + interval + floor + (f" `{one.name}`" if cell.other else "")


def _costs(rows: Sequence[Row]) -> str:
    table = [["system", *TASK.values(), "minutes", "steps", "frames", "parameters", "runs", "scored on test", "machine"]]
    for row in rows:
        took = costs(row)
        trained = [number(row.minutes), took.steps, took.frames, took.parameters] if took.steps else ["-"] * 4
        counts = [str(len(row.runs)), str(row.evaluations), "<br>".join(map(_text, took.machines)) or "-"]
        table.append([f"`{row.system}`", *(_rates(row, name) for name in TASK), *trained, *counts])
    ends = [f"{name} {number(rates[0])}" for name in ("true", "none") for row in rows if (rates := row.success(name))]
    foot = f"\nThe task with all labels, and with none: {', '.join(dict.fromkeys(ends))}.\n" if ends else ""
    return _lines(table, left=1) + foot


def _rates(row: Row, name: str) -> str:
    """Success from latents, and from the labels alone."""
    rates, alone = row.success(name), row.success(name.replace("latents", "labels"))
    return f"{number(sum(rates) / len(rates))} ({number(sum(alone) / len(alone))})" if rates and alone else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 2 if a folder cannot be read, or is not there to be written to."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard.table", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="folder of all runs  [benchmarks/leaderboard/runs]")
    parser.add_argument("--out", type=Path, default=DOCS, metavar="FOLDER", help="folder of leaderboard.md and leaderboard.html  [docs]")
    given = parser.parse_args(arguments)
    try:
        if not given.out.is_dir():
            raise ArgumentError("out", f"{given.out}: no such folder; make it, or name another one")
        made = boards(given.runs)
        if not made:
            raise UserError(f"{given.runs}: no runs; python -m benchmarks.leaderboard.run makes them")
        text, html = markdown(made), page(made)
    except UserError as error:
        print(in_options(error), file=sys.stderr)
        sys.exit(2)
    replace_file(given.out / "leaderboard.md", text.encode())
    replace_file(given.out / "leaderboard.html", html.encode())
    systems = len({row.system for board in made for row in board.rows})
    print(f"done: {given.out / 'leaderboard.md'} and leaderboard.html: {len(made)} boards, {systems} systems")


if __name__ == "__main__":
    main()
