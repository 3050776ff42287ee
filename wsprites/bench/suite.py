"""A suite: a model scored on a base world and on worlds with one thing changed each, one figure a world.

The axes are those along which latent action models fail (What do latent action models actually learn?, NeurIPS 2025, arXiv 2506.15691):
motion of what does not act, actions that the state predicts, and pictures that were not seen in training.
"""

import json
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from wsprites.bench.floors import ceiling, strongest_floor
from wsprites.bench.headline import SAYS, Headline, Question
from wsprites.bench.provenance import hashes, printable
from wsprites.bench.run import Bar, Job, no_bar
from wsprites.bench.scores import PROTOCOL, ScoreFile, read, write
from wsprites.bench.table import number
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import replace_file

FORMAT, FORMAT_VERSION = "wsprites-suite", 1
PLACEHOLDER = "{axis}"
"""Stands in the name of a model for the name of the axis."""
QUESTION = Question(
    "Local action",
    "available",
    ("local.onset.many_to_one", "vectors.local.linear"),
    "tells the local action",
    "telling the local action",
)
"""The figure is the first of these scores that a model has: the accuracy of its codes, each mapped to its most frequent action, where the
action changes, because elsewhere one that repeats the action before is right as well; or of a linear probe of its vectors."""


class Axis(NamedTuple):
    """One world of a suite."""

    name: str
    """What stands for PLACEHOLDER."""
    data: str
    """The standard world."""
    changed: str
    """How it differs from the base world."""


SUITES = {
    "axes": (
        Axis("base", "wsprites-factorial-v1", "sprite, scene and local action are independent chains with inertia"),
        Axis("still", "wsprites-axes-still-v1", "the scene never moves"),
        Axis("moving", "wsprites-axes-moving-v1", "the scene moves four times as far"),
        Axis("no-inertia", "wsprites-axes-no-inertia-v1", "every action is drawn anew in every frame"),
        Axis("position", "wsprites-axes-position-v1", "most new actions follow the position"),
        Axis("one-character", "wsprites-axes-one-character-v1", "one character in each split"),
        Axis("new-scenes", "wsprites-axes-new-scenes-v1", "scenes that no other split and no other world shows"),
    )
}
"""Suites by name; the first world of each is the base."""


@dataclass(frozen=True)
class Row:
    """The scores of a model in one world of a suite."""

    axis: Axis
    scores: ScoreFile
    file: Path | None
    """Where the scores are stored; None if they are not."""
    kept: bool
    """True for scores of an earlier run."""

    @property
    def figure(self) -> Headline:
        """The figure, with its strongest floor and its ceiling on these data; without an entry if the model has none of the scores."""
        name = next((name for name in QUESTION.scores if not math.isnan(self.scores.value(name))), "")
        if not name:
            return Headline(QUESTION, reason="the model infers neither codes nor vectors")
        entry = self.scores.scores[name]
        return Headline(QUESTION, name, entry, strongest_floor(name, entry), ceiling(name, entry))

    @property
    def gain(self) -> float:
        """Where the figure lies between its strongest floor, 0, and its ceiling, 1; below 0 for one that is worse than the floor."""
        return self.figure.place(self.figure.entry.value) if self.figure.entry else math.nan


def axes_of(suite: str) -> tuple[Axis, ...]:
    """The worlds of a suite. Raises ArgumentError if there is no such suite."""
    if suite not in SUITES:
        raise ArgumentError("suite", f"{suite!r} is not one of {', '.join(SUITES)}")
    return SUITES[suite]


def run(
    suite: str,
    model: str,
    *,
    clips: int | None = None,
    seed: int | None = None,
    out: Path | None = None,
    bar: Callable[[str], Bar] = lambda _: no_bar,
) -> Iterator[Row]:
    """Score a model on all worlds of a suite, one after the other.

    Args:
        suite: one of SUITES.
        model: a name as for `Job`; "{axis}" in it stands for the name of the world, such as "base" or "no-inertia", for a model that was
            trained on each.
        clips, seed: as for `data.standard`.
        out: a JSON file with the figures so far, written after each world. The score files are in a folder beside it, with its name. A
            score file that is there already is kept if it is of the same model (by hash), data, protocol and version of the benchmark.
        bar: from the name of a world to the progress bar of its job.

    Raises:
        ArgumentError: no such suite, or a model that cannot be loaded.
        UserError: a model that does not follow the protocol. Scores of the worlds before it are stored.
    """
    rows: list[Row] = []
    folder = out.with_suffix("") if out else None
    if folder and folder.exists() and not folder.is_dir():
        raise ArgumentError("out", f"the score files go into the folder {folder}, which is a file; choose another name")
    for axis in axes_of(suite):
        name = model.replace(PLACEHOLDER, axis.name)
        job = Job((name,), axis.data, clips=clips, seed=seed)
        file = folder / f"{job.opened.name}.json" if folder else None
        scores = _stored(file, name, job) if file else None
        kept = scores is not None
        if scores is None:
            scores = next(job.run(bar=bar(axis.name))).scores
            if file:
                file.parent.mkdir(exist_ok=True)
                write(file, scores)
        rows.append(Row(axis, scores, file, kept))
        if out:
            replace_file(out, to_json(suite, model, rows).encode())
        yield rows[-1]


def _stored(file: Path, model: str, job: Job) -> ScoreFile | None:
    """The scores in a file if scoring the model again would give the same."""
    if not file.is_file():
        return None
    try:
        scores = read(file)
    except UserError:
        return None
    _ = job.loaded  # imports the module of a factory, whose source is hashed
    now = hashes(model)
    same = scores.hashes == now and now.model and scores.model == printable(model)
    return scores if same and scores.settings.protocol == PROTOCOL and scores.data.sha256 == job.opened.sha256 else None


def to_json(suite: str, model: str, rows: Sequence[Row]) -> str:
    """The figures of a suite as JSON; NaN is null."""
    figures = [{"axis": row.axis.name, "data": row.scores.data.name, "sha256": row.scores.data.sha256, **_figure(row)} for row in rows]
    head = {"format": FORMAT, "format_version": FORMAT_VERSION, "suite": suite, "model": printable(model)}
    return json.dumps({**head, "protocol": rows[0].scores.settings.protocol, "axes": figures}, indent=1, allow_nan=False) + "\n"


def _figure(row: Row) -> dict[str, object]:
    figure = row.figure
    if not figure.entry:
        return {"reason": figure.reason}
    numbers = {"value": figure.entry.value, "low": figure.entry.low, "high": figure.entry.high, "gain": row.gain}
    ends = {"floor": figure.floor._asdict() if figure.floor else None, "ceiling": figure.ceiling._asdict() if figure.ceiling else None}
    plain = {name: None if math.isnan(value) else value for name, value in numbers.items()}
    return {"score": figure.name, **plain, **ends, "file": f"{row.file.parent.name}/{row.file.name}" if row.file else None}


def table(rows: Sequence[Row]) -> str:
    """The figures of a suite as text."""
    cells = [["", "score", "value, 95 %", "strongest floor", "ceiling", "gain", ""]]
    for row in rows:
        figure, entry = row.figure, row.figure.entry
        if not entry:
            cells.append([row.axis.name, figure.reason])
            continue
        interval = "" if math.isnan(entry.low) else f" [{number(entry.low)}, {number(entry.high)}]"
        ends = [f"{number(end.value)} {end.name}" if end else "-" for end in (figure.floor, figure.ceiling)]
        cells.append([row.axis.name, figure.name, number(entry.value) + interval, *ends, number(row.gain), SAYS[figure.verdict]])
    widths = [max(len(line[column]) for line in cells if column < len(line) - (len(line) == 2)) for column in range(len(cells[0]))]
    return "\n".join("  ".join(map(str.ljust, line, widths)).rstrip() for line in cells)
