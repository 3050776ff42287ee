"""Rows and columns of the leaderboard, from the folders of runs alone."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import Literal, NamedTuple

from benchmarks.leaderboard.entries import BUDGETS, NONE, SHARES, TRACKS
from benchmarks.leaderboard.record import SUMS, Record, RunFolder, folders, hashed, read_run, sha256, sums
from wsprites.bench.floors import Baseline, ceiling, strongest_floor
from wsprites.bench.headline import QUESTIONS, Headline, Question, headlines
from wsprites.bench.runs import difference, joined
from wsprites.bench.scores import ScoreFile

VERIFIED = Path(__file__).with_name("verified.txt")
"""Lines of the hash of a run's SHA256SUMS, two spaces and its folder (BOARD/BUDGET/SYSTEM/seed-N): made by a maintainer, or made again."""


class Column(NamedTuple):
    """A column of the table."""

    title: str
    better: Literal["more", "less", "neither"]
    words: str
    question: Question


def _own(title: str, *scores: str) -> Question:
    return Question("", title, scores, "", "")


_SEVEN = dict(zip(("probe", "faithful", "walk", "walks", "leakage", "nuisance", "drift"), QUESTIONS, strict=True))
COLUMNS = (
    Column(
        "local",
        "more",
        "What the codes tell of the local action beyond the walk and the scene: local.conditional, 0 is chance.",
        _own("local", "local.conditional"),
    ),
    Column(
        "animation",
        "more",
        "What the codes tell of the animation, of those seen from one side: local.animation.conditional, 0 is chance.",
        _own("animation", "local.animation.conditional"),
    ),
    Column(
        "switches",
        "more",
        "The codes against the local action where it changes: local.onset.ami, 0 is chance.",
        _own("switches", "local.onset.ami"),
    ),
    Column(
        "readable",
        "more",
        "The local action read from vectors by a linear probe, or from codes: vectors.local.linear, local.many_to_one.",
        _SEVEN["probe"],
    ),
    Column("used", "more", "The local action that is asked for is generated: control.faithful.", _SEVEN["faithful"]),
    Column(
        "walk",
        "more",
        "The global action read from the shift, or by a probe: shift.action_accuracy, vectors.global.linear, global.many_to_one.",
        _SEVEN["walk"],
    ),
    Column("walk used", "more", "The walk that is asked for is generated: control.shift.action_accuracy.", _SEVEN["walks"]),
    Column("scene leaks", "less", "What the latent tells of the scene's motion: leakage.background.", _SEVEN["leakage"]),
    Column(
        "scene disturbs",
        "less",
        "How much the latent changes when only the scene moves, of its response to an action: nuisance.background_motion.",
        _SEVEN["nuisance"],
    ),
    Column(
        "drift",
        "less",
        "Distance from the true place after 16 generated steps, px: transfer.position.16, drift.position.16.",
        _SEVEN["drift"],
    ),
    Column("perplexity", "neither", "Effective number of codes in use: codes.perplexity.", _own("perplexity", "codes.perplexity")),
)
TASK = {f"latents-{name}": f"task, {name} %" for name in SHARES}
"""Columns of the downstream task and their titles."""


_NO_CANDIDATES = ("anchor", "oracle")
"""Tracks of which no row is the best."""


class Cell(NamedTuple):
    """A score of a row."""

    headline: Headline
    best: bool
    """The best of its column, or not to be told from it."""
    other: bool = False
    """Whether its score is not the common one of its column, and therefore not compared."""

    @property
    def silent(self) -> bool:
        """Whether the value is good because the latent tells nothing at all."""
        return self.headline.tells_nothing and self.headline.verdict == "above"


@dataclass(frozen=True)
class Row:
    """The runs of a system at a budget."""

    runs: tuple[RunFolder, ...]
    verified: bool

    @cached_property
    def file(self) -> ScoreFile:
        """The scores of all runs as one."""
        (file,) = joined([run.scores for run in self.runs])
        return file

    @property
    def record(self) -> Record:
        """That of the first run, for what all runs have in common."""
        return self.runs[0].record

    @property
    def system(self) -> str:
        """The name."""
        return self.record.system

    @property
    def track(self) -> str:
        """One of TRACKS."""
        return self.record.track

    @property
    def budget(self) -> str:
        """One of BUDGETS."""
        return self.record.budget

    @property
    def complete(self) -> bool:
        """Whether there are as many runs as the budget asks for."""
        return len(self.runs) >= BUDGETS[self.budget].runs

    @property
    def evaluations(self) -> int:
        """How often the system was scored on the published clips."""
        return sum(run.record.evaluations for run in self.runs)

    @property
    def minutes(self) -> float:
        """Median time of training."""
        return median(run.record.training.seconds for run in self.runs) / 60

    @cached_property
    def headlines(self) -> tuple[Headline, ...]:
        """The answers to the questions of COLUMNS."""
        known = {one.question: one for one in headlines(self.file)}
        return tuple(known.get(column.question) or _headline(column.question, self.file) for column in COLUMNS)

    def success(self, name: str) -> tuple[float, ...]:
        """The rates of success of the runs in the downstream task; empty unless all have it."""
        rates = tuple(run.success[name] for run in self.runs if name in run.success)
        return rates if len(rates) == len(self.runs) else ()


def _headline(question: Question, file: ScoreFile) -> Headline:
    name = next((name for name in question.scores if not math.isnan(file.value(name))), "")
    if not name:
        return Headline(question, reason="the model infers no codes")
    entry = file.scores[name]
    return Headline(question, name, entry, strongest_floor(name, entry), ceiling(name, entry))


@dataclass(frozen=True)
class Board:
    """All rows of the same data and protocol."""

    name: str
    rows: tuple[Row, ...]

    def cells(self, rows: Sequence[Row], column: int) -> list[Cell]:
        """One column of some rows."""
        tied, usual = _best(rows, column), _common(rows, column)
        return [
            Cell(one, number in tied, one.entry is not None and one.name != usual)
            for number, one in enumerate(row.headlines[column] for row in rows)
        ]

    def ends(self, rows: Sequence[Row], column: int) -> tuple[Baseline | None, Baseline | None]:
        """The strongest floor of all rows, and the ceiling, of the common score of a column."""
        usual = _common(rows, column)
        shown = [one for row in rows if (one := row.headlines[column]).entry and one.name == usual]
        if not shown:
            return None, None
        floors = [one.floor for one in shown if one.floor]
        less = COLUMNS[column].better == "less"
        return (min if less else max)(floors, key=lambda floor: floor.value, default=None), shown[0].ceiling

    def at(self, budget: str) -> tuple[Row, ...]:
        """The rows of a budget, and those without training."""
        return tuple(row for row in self.rows if row.budget in (budget, NONE))

    @property
    def budgets(self) -> tuple[str, ...]:
        """The budgets that have rows, or that of systems without training alone."""
        used = {row.budget for row in self.rows}
        return tuple(name for name in BUDGETS if name in used and name != NONE) or (NONE,)


def _common(rows: Sequence[Row], column: int) -> str:
    """The score that most rows have in a column, of those that can be the best if there are any; empty without one."""
    for some in ([row for row in rows if row.track not in _NO_CANDIDATES], rows):
        if names := [one.name for row in some if (one := row.headlines[column]).entry]:
            return max(dict.fromkeys(names), key=names.count)
    return ""


def _best(rows: Sequence[Row], column: int) -> set[int]:
    """The rows that are best in a column, or tie with the best one: the interval of their paired difference holds 0.

    Anchors and oracles are no candidates, and neither is a latent that tells nothing, or a score that is not better than its floor. Only
    rows with the common score of the column are compared.
    """
    usual = _common(rows, column)
    better = COLUMNS[column].better
    sign = -1.0 if better == "less" else 1.0
    value = {
        number: sign * one.entry.value
        for number, row in enumerate(rows)
        if better != "neither"
        and row.track not in _NO_CANDIDATES
        and _counts(one := row.headlines[column])
        and one.entry
        and one.name == usual
    }
    value = {number: one for number, one in value.items() if not math.isnan(one)}
    if not value:
        return set()
    best = max(value, key=lambda number: value[number])
    return {number for number in value if number == best or _ties(rows[number], rows[best], column)}


def _counts(one: Headline) -> bool:
    """Whether a score can be the best."""
    return one.entry is not None and not one.tells_nothing and one.verdict == "above"


def _ties(row: Row, best: Row, column: int) -> bool:
    """Whether the difference of two rows holds 0."""
    name = best.headlines[column].name
    _, low, high = difference([run.scores.scores[name] for run in row.runs], [run.scores.scores[name] for run in best.runs])
    return low <= 0 <= high


def boards(root: Path, *, verified: Path = VERIFIED) -> list[Board]:
    """The boards of all runs below a folder. Raises UserError if a folder is damaged."""
    lines = verified.read_text(encoding="utf-8").splitlines() if verified.exists() else []
    known = {(digest, folder) for digest, _, folder in (line.partition("  ") for line in lines)}
    by_row: dict[tuple[str, str, str], list[RunFolder]] = {}
    for folder in folders(root):
        run = read_run(folder)
        by_row.setdefault((run.record.board, run.record.budget, run.record.system), []).append(run)
    rows: dict[str, list[Row]] = {}
    for (board, _, _), runs in by_row.items():
        rows.setdefault(board, []).append(Row(tuple(sorted(runs, key=lambda run: run.record.seed)), _known(runs, known)))
    order = [*BUDGETS]
    return [
        Board(board, tuple(sorted(of, key=lambda row: (TRACKS.index(row.track), row.system, order.index(row.budget)))))
        for board, of in sorted(rows.items())
    ]


def _known(runs: Iterable[RunFolder], known: set[tuple[str, str]]) -> bool:
    """Whether one of the runs, at least, is among those that a maintainer has made, with the files that it had then."""
    return any(
        (run.folder / SUMS).is_file()
        and (sha256(run.folder / SUMS), "/".join(run.folder.resolve().parts[-5:])) in known
        and sums(run.folder) == hashed(run.folder)
        for run in runs
    )
