"""docs/leaderboard.md and docs/leaderboard.html, from the folders of runs: `python -m benchmarks.leaderboard.table`. See RULES.md."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.leaderboard.board import COLUMNS, TASK, Board, Cell, Row, boards
from benchmarks.leaderboard.entries import BUDGETS
from benchmarks.leaderboard.page import page
from benchmarks.leaderboard.record import escaped
from benchmarks.leaderboard.run import RUNS
from wsprites.bench.floors import Baseline
from wsprites.bench.table import number
from wsprites.errors import UserError
from wsprites.generate import replace_file

DOCS = Path(__file__).parents[2] / "docs"
_ABOUT = """# The leaderboard

Made by `python -m benchmarks.leaderboard.table` from the folders in `benchmarks/leaderboard/runs`; nothing
here is written by hand. The rules, and how to submit a row, are in `benchmarks/leaderboard/RULES.md`.
[leaderboard.html](leaderboard.html) is the same as a page that can be sorted and filtered, with every interval drawn.

Values are medians over runs, with the 95 % interval of their mean for other clips and other seeds. **Bold**: the best of a column, if it is
better than its floor, and what ties with it, among the rows with the score that most have: a cell with another score names it, and is not
compared. ° : a latent that tells nothing leaks nothing. Anchors are broken on purpose: where one of
them looks good, do not trust the column. Re-implementations are ours, trained for the time that is stated, and say nothing about what
their authors' models reach.
"""


def markdown(all_boards: Sequence[Board]) -> str:
    """The document."""
    parts = [_ABOUT]
    for board in all_boards:
        parts.append(f"## {escaped(board.name)}\n")
        for budget in board.budgets:
            words = BUDGETS[budget].words
            rows = board.at(budget)
            parts += [f"### {words[0].upper()}{words[1:]}\n", _scores(board, rows), "The task, and what it took:\n", _costs(rows)]
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
    table.append(["*strongest floor*", "", *(_end(floor) for floor, _ in ends)])
    table.append(["*ceiling*", "", *(_end(best) for _, best in ends)])
    by_column = [board.cells(rows, column) for column in range(len(COLUMNS))]
    table += [[_name(row), row.track, *(_cell(column[at]) for column in by_column)] for at, row in enumerate(rows)]
    return _lines(table, left=2)


def _name(row: Row) -> str:
    remarks = [f"{len(row.runs)} of {BUDGETS[row.budget].runs} runs"] * (not row.complete) + ["reported"] * (not row.verified)
    return f"`{row.system}`" + f" ({', '.join(remarks)})" * bool(remarks)


def _end(baseline: Baseline | None) -> str:
    return f"{number(baseline.value)} {escaped(baseline.name)}" if baseline else ""


def _cell(cell: Cell) -> str:
    one = cell.headline
    if not one.entry:
        return "-"
    text = f"**{number(one.entry.value)}**" if cell.best else number(one.entry.value)
    interval = "" if math.isnan(one.entry.low) else f" [{number(one.entry.low)}, {number(one.entry.high)}]"
    return text + ("°" if cell.silent else "") + interval + (f" `{one.name}`" if cell.other else "")


def _costs(rows: Sequence[Row]) -> str:
    table = [["system", *TASK.values(), "minutes", "steps", "frames", "parameters", "runs", "scored on test", "machine"]]
    for row in rows:
        training = row.record.training
        steps = f"{training.steps:,}" + (f" of {training.planned:,}" if training.planned > training.steps else "")
        trained = [number(row.minutes), steps, f"{training.frames:,}", f"{training.parameters:,}"] if training.steps else ["-"] * 4
        counts = [str(len(row.runs)), str(row.evaluations), escaped(training.machine) or "-"]
        table.append([f"`{row.system}`", *(_rates(row, name) for name in TASK), *trained, *counts])
    ends = [f"{name} {number(rates[0])}" for name in ("true", "none") for row in rows if (rates := row.success(name))]
    foot = f"\nThe task with all labels, and with none: {', '.join(dict.fromkeys(ends))}.\n" if ends else ""
    return _lines(table, left=1) + foot


def _rates(row: Row, name: str) -> str:
    """Success from latents, and from the labels alone."""
    rates, alone = row.success(name), row.success(name.replace("latents", "labels"))
    return f"{number(sum(rates) / len(rates))} ({number(sum(alone) / len(alone))})" if rates and alone else "-"


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command. Exits with 2 if a folder cannot be read."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.leaderboard.table", description=__doc__)
    parser.add_argument("--runs", type=Path, default=RUNS, metavar="FOLDER", help="folder of all runs  [benchmarks/leaderboard/runs]")
    parser.add_argument("--out", type=Path, default=DOCS, metavar="FOLDER", help="folder of leaderboard.md and leaderboard.html  [docs]")
    given = parser.parse_args(arguments)
    try:
        made = boards(given.runs)
        if not made:
            raise UserError(f"{given.runs}: no runs; python -m benchmarks.leaderboard.run makes them")
    except UserError as error:
        print(error, file=sys.stderr)
        sys.exit(2)
    replace_file(given.out / "leaderboard.md", markdown(made).encode())
    replace_file(given.out / "leaderboard.html", page(made).encode())
    systems = len({row.system for board in made for row in board.rows})
    print(f"done: {given.out / 'leaderboard.md'} and leaderboard.html: {len(made)} boards, {systems} systems")


if __name__ == "__main__":
    main()
