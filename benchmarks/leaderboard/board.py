"""Rows and columns of the leaderboard, from the folders of runs alone."""

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from statistics import median
from typing import NamedTuple

from benchmarks.leaderboard.columns import COLUMNS
from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, TRACKS
from benchmarks.leaderboard.record import SUMS, Record, RunFolder, folders, hashed, read_run, sha256, sums
from wsprites.bench.floors import Baseline, ceiling, strongest_floor
from wsprites.bench.headline import Headline, Question, headlines
from wsprites.bench.runs import difference, joined
from wsprites.bench.scores import ScoreFile
from wsprites.bench.table import number
from wsprites.errors import UserError

VERIFIED = Path(__file__).with_name("verified.txt")
"""Lines of the hash of a run's SHA256SUMS, two spaces and its folder (BOARD/BUDGET/SYSTEM/seed-N): made by a maintainer, or made again."""


_NO_CANDIDATES = ("anchor", "oracle")
"""Tracks of which no row is the best."""


class Cell(NamedTuple):
    """A score of a row."""

    headline: Headline
    best: bool
    """The best of its column and track, or not to be told from it."""
    other: bool = False
    """Whether its score is not the common one of its column, and therefore not compared."""
    own_floor: bool = False
    """Whether the floor of its column depends on the model, so that it is compared with a floor of its own."""

    @property
    def silent(self) -> bool:
        """Whether the value is good because the latent tells nothing at all."""
        return self.headline.tells_nothing and self.headline.verdict == "above"


@dataclass(frozen=True)
class Row:
    """The runs of a system at a budget."""

    runs: tuple[RunFolder, ...]
    file: ScoreFile
    """The scores of all runs as one."""
    verified: int
    """How many of the runs a maintainer has repeated."""

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

    @property
    def remarks(self) -> list[str]:
        """What is to be known of its runs: whether some are missing, and whether they were repeated."""
        missing = [f"{len(self.runs)} of {BUDGETS[self.budget].runs} runs"] * (not self.complete)
        if self.verified == len(self.runs) or self._in_source:
            return missing
        return [*missing, f"{self.verified} of {len(self.runs)} verified" if self.verified else "reported"]

    @property
    def _in_source(self) -> bool:
        """Whether its model is code of this repository without weights, which the checks run again."""
        entry = ENTRIES.get(self.system)
        return entry is not None and bool(entry.model) and entry.model == self.record.model

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


class Ends(NamedTuple):
    """What the values of a column lie between.

    A baseline that is the same for all models is there once; of one that depends on the model there are the smallest and the largest.
    """

    floors: tuple[Baseline, ...]
    ceilings: tuple[Baseline, ...]


@dataclass(frozen=True)
class Board:
    """All rows of the same data and protocol."""

    name: str
    rows: tuple[Row, ...]

    def cells(self, rows: Sequence[Row], column: int) -> list[Cell]:
        """One column of some rows."""
        tied, usual, own = _best(rows, column), _common(rows, column), len(self.ends(rows, column).floors) > 1
        return [
            Cell(one, at in tied, one.entry is not None and one.name != usual, own and one.entry is not None)
            for at, one in enumerate(row.headlines[column] for row in rows)
        ]

    def ends(self, rows: Sequence[Row], column: int) -> Ends:
        """The strongest floors and the ceilings of the common score of a column."""
        usual = _common(rows, column)
        shown = [one for row in rows if (one := row.headlines[column]).entry and one.name == usual]
        return Ends(_different(one.floor for one in shown), _different(one.ceiling for one in shown))

    @property
    def versions(self) -> int:
        """Number of versions of the source of the benchmark by which its runs were scored."""
        return len({run.scores.hashes.code for row in self.rows for run in row.runs if run.scores.hashes})

    @property
    def made_by(self) -> str:
        """What scored its runs, in a sentence; empty if no score file says it."""
        versions = "one version" if self.versions == 1 else f"{self.versions} versions"
        said = f"These runs were scored by {versions} of the source of the benchmark (hashes.code in a score file), by one protocol, "
        return f"{said}{self.rows[0].file.settings.protocol}." if self.versions else ""

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


def between(baselines: Sequence[Baseline]) -> str:
    """A floor or a ceiling: its value and name, or the smallest and the largest of one that depends on the model."""
    first, last = (baselines[0], baselines[-1]) if baselines else (None, None)
    if not first or not last:
        return ""
    if first == last:
        return f"{number(first.value)} {first.name}"
    smallest = number(first.value) if first.name == last.name else f"{number(first.value)} {first.name}"
    return f"{smallest} to {number(last.value)} {last.name}, by model"


def _different(baselines: Iterable[Baseline | None]) -> tuple[Baseline, ...]:
    """The smallest and the largest of some baselines; one of them if both are the same as printed, none if there is none."""
    known = [one for one in baselines if one and not math.isnan(one.value)]
    if not known:
        return ()
    ends = [choose(known, key=lambda one: one.value) for choose in (min, max)]
    return tuple({number(one.value): one for one in ends}.values())


def _best(rows: Sequence[Row], column: int) -> set[int]:
    """The rows that are the best of their track in a column, or tie with it: the interval of their paired difference holds 0.

    Anchors and oracles are no candidates, and neither is a latent that tells nothing, or a score that is not better than the floor of its
    own model. Only rows with the common score of the column are compared.
    """
    usual, better = _common(rows, column), COLUMNS[column].better
    sign = -1.0 if better == "less" else 1.0
    by_track: dict[str, dict[int, float]] = {}
    for at, (row, one) in enumerate((row, row.headlines[column]) for row in rows):
        if better != "neither" and row.track not in _NO_CANDIDATES and one.name == usual and one.entry and _counts(one):
            by_track.setdefault(row.track, {})[at] = sign * one.entry.value
    best = {max(values, key=lambda at: values[at]): values for values in by_track.values()}
    return {at for first, values in best.items() for at in values if at == first or _ties(rows[at], rows[first], column)}


def _counts(one: Headline) -> bool:
    """Whether a score can be the best: NaN has the verdict "unknown"."""
    return one.entry is not None and not math.isnan(one.entry.value) and not one.tells_nothing and one.verdict == "above"


def _ties(row: Row, best: Row, column: int) -> bool:
    """Whether the difference of two rows holds 0."""
    name = best.headlines[column].name
    _, low, high = difference([run.scores.scores[name] for run in row.runs], [run.scores.scores[name] for run in best.runs])
    return low <= 0 <= high


def boards(root: Path, *, verified: Path = VERIFIED) -> list[Board]:
    """The boards of all runs below a folder. Raises UserError if a folder is damaged, or if runs do not belong together."""
    lines = verified.read_text(encoding="utf-8").splitlines() if verified.exists() else []
    known = {(digest, folder) for digest, _, folder in (line.partition("  ") for line in lines)}
    by_row: dict[tuple[str, str, str], list[RunFolder]] = {}
    for folder in folders(root):
        run = read_run(folder)
        by_row.setdefault((run.record.board, run.record.budget, run.record.system), []).append(run)
    rows: dict[str, list[Row]] = {}
    for (board, _, _), made in by_row.items():
        rows.setdefault(board, []).append(_row(sorted(made, key=lambda run: run.record.seed), known))
    order = [*BUDGETS]
    for of in rows.values():
        of.sort(key=lambda row: (TRACKS.index(row.track), row.system, order.index(row.budget)))
        runs = [run for row in of for run in row.runs]
        _check_same(runs, "it has other data", lambda run: run.scores.data.sha256)
        _check_same(runs, "it is of another protocol", lambda run: run.scores.settings.protocol)
    return [Board(board, tuple(of)) for board, of in sorted(rows.items())]


def _row(runs: Sequence[RunFolder], known: set[tuple[str, str]]) -> Row:
    """A row of runs. Raises UserError if they are not of the same track, data and settings, or if two have the same model."""
    _check_same(runs, "it is of another track", lambda run: run.record.track)
    _check_same(runs, "it has other data", lambda run: run.scores.data.sha256)
    _check_same(runs, "it is of another protocol", lambda run: run.scores.settings.protocol)
    _check_same(runs, "its rollouts take other actions", lambda run: run.scores.settings.rollout_actions)
    (file,) = joined([replace(run.scores, system=run.record.system) for run in runs])
    return Row(tuple(runs), file, _verified(runs, known))


def _check_same(runs: Sequence[RunFolder], wrong: str, of: Callable[[RunFolder], str]) -> None:
    """Raise UserError if something is not the same for all runs."""
    for run in runs[1:]:
        if of(run) != of(runs[0]):
            raise UserError(f"{run.folder}: {wrong} than {runs[0].folder}, beside which it would stand")


def _verified(runs: Iterable[RunFolder], known: set[tuple[str, str]]) -> int:
    """How many of the runs are among those that a maintainer has made, with the files that they had then."""
    return sum(
        (run.folder / SUMS).is_file()
        and (sha256(run.folder / SUMS), "/".join(run.folder.resolve().parts[-5:])) in known
        and sums(run.folder) == hashed(run.folder)
        for run in runs
    )
