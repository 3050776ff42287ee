"""Tables of studies: means of scores over seeds, as JSON, as Markdown and as a plot. `benchmarks/ablations.py` makes the scores of
ablations of GLASS, `benchmarks/lam_study.py` those of latent action models; each says which parts and scores its table has."""

import io
import json
import math
from collections.abc import Mapping, Sequence
from itertools import cycle
from statistics import fmean, median
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from wsprites.bench.floors import Baseline, less_is_better, strongest_floor
from wsprites.bench.runs import joined
from wsprites.bench.scores import ScoreFile
from wsprites.bench.table import number

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REFERENCE = "reference"
"""Name of the row of the preset as it is, which is in both parts."""
PARTS = {
    "local": "LMA, on one trained GMA for each seed",
    "global": "GMA, trained as a whole",
}
SCORES = {
    "local.ami": "local AMI ↑",
    "local.standing.ami": "standing AMI ↑",
    "control.faithful": "faithful ↑",
    "masks.soft_iou": "soft IoU ↑",
    "shift.mean": "shift error, px ↓",
}
"""The scores of the table and their headings, which say whether more or less is better."""
_FAR = 10  # times the median of all rows: where the axis of an error ends at the latest
_COLOURS = ("#2563a8", "#c2540a", "#2e7d4f", "#7b4fa3", "#8a6d1f")


class Row(NamedTuple):
    """A row of the table: an ablation, or the preset as it is."""

    part: str
    """One of PARTS, or of the parts of another study."""
    name: str
    settings: dict[str, str]
    """What differs from the preset, by "group.field"."""


class Cell(NamedTuple):
    """A score of a row."""

    mean: float
    low: float
    high: float
    """95 % interval of the mean for other clips and other seeds; of one run for other clips; NaN if there is none."""
    values: tuple[float, ...]
    """One for each run."""
    floor: float = math.nan
    """The strongest floor; NaN if there is none."""
    floor_of: str = ""
    """Its name."""


class Line(NamedTuple):
    """What is known of a row."""

    row: Row
    runs: int
    cells: dict[str, Cell]
    """By the name of the score; without those that not all runs have."""


def line(row: Row, files: Sequence[ScoreFile], scores: Mapping[str, str] = SCORES) -> Line:
    """The scores of a row from the files of its runs."""
    cells = {}
    for one in joined(files):
        for name in scores:
            entry = one.scores.get(name)
            if entry and not math.isnan(entry.value):
                values = entry.runs or (entry.value,)
                floor = strongest_floor(name, entry) or Baseline("", math.nan)
                cells[name] = Cell(fmean(values), entry.low, entry.high, values, floor.value, floor.name)
    return Line(row, len(files), cells)


def floors(lines: Sequence[Line], name: str) -> str:
    """The strongest floor of a score in some rows, with its name; the smallest and the largest if it differs between rows."""
    known = {(cell.floor, cell.floor_of) for line in lines if (cell := line.cells.get(name)) and not math.isnan(cell.floor)}
    if not known:
        return "-"
    texts = dict.fromkeys(number(value) for value, _ in (min(known), max(known)))
    names = ", ".join(f"`{who}`" for who in sorted({who for _, who in known}))
    return f"{' to '.join(texts)} {names}" + ", by row" * (len(texts) > 1)


def as_json(lines: Sequence[Line], about: Mapping[str, object]) -> str:
    """The table as JSON, after some facts about it; NaN is null."""
    rows = []
    for row, count, cells in lines:
        scores = {name: {key: None if value != value else value for key, value in cell._asdict().items()} for name, cell in cells.items()}
        rows.append({**row._asdict(), "runs": count, "scores": scores})
    return json.dumps({**about, "rows": rows}, indent=1, allow_nan=False) + "\n"


def as_markdown(
    lines: Sequence[Line],
    title: str,
    caption: str,
    parts: Mapping[str, str] = PARTS,
    scores: Mapping[str, str] = SCORES,
    pictures: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """The table as a page of Markdown: a title, a caption, plots, and the rows that have runs, one part after the other.

    Args:
        lines: all rows.
        title: of the page.
        caption: how the scores were made.
        parts: name of a part -> its heading.
        scores: name of a score -> its heading.
        pictures: file of a plot beside the page -> what it shows.
    """
    done = [line for line in lines if line.runs]
    floor = "The first row of a table is the strongest floor."
    if pictures:
        floor += (
            " In plots, dots are means, lines are intervals, and strokes are runs; dashed lines are the strongest floors, and dotted ones"
            " the row of reference. An arrow stands where something lies beyond the end of the axis."
        )
    if any(name not in line.cells for line in done for name in scores):
        floor += " `-`: not scored, or not in all runs of the row."
    text = f"# {title}\n\n{caption}. {len(done)} of {len(lines)} rows have runs. {floor}\n"
    text += "".join(f"\n![{words}]({file})\n" for file, words in pictures.items())
    heads = ["", "differs in", "runs", *scores.values()]
    for part in dict.fromkeys(line.row.part for line in done):
        of_part = [line for line in done if line.row.part == part]
        cells = [heads, ["---", "---", "---:", *["---:"] * len(scores)]]
        cells.append(["*strongest floor*", "", "", *(floors(of_part, name) for name in scores)])
        for row, count, of_row in of_part:
            changes = ", ".join(f"`{key}={value}`" for key, value in row.settings.items())
            cells.append([row.name, changes, str(count), *(_cell(of_row.get(name)) for name in scores)])
        text += f"\n## {parts[part]}\n\n" + "".join(f"| {' | '.join(line)} |\n" for line in cells)
    return text


def _cell(cell: Cell | None) -> str:
    if cell is None:
        return "-"
    return number(cell.mean) + ("" if math.isnan(cell.low) else f" [{number(cell.low)}, {number(cell.high)}]")


def as_plot(lines: Sequence[Line], caption: str, parts: Mapping[str, str] = PARTS, scores: Mapping[str, str] = SCORES) -> bytes:
    """The table as a PNG: axes for each score, a dot for each row that has runs, floors as dashed lines, references as dotted ones."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    from wsprites.view.plots import STYLE

    lines = [line for line in lines if line.runs] or lines
    # The parts stand below one another, with the space of a row between them.
    order = list(dict.fromkeys(line.row.part for line in lines))
    places: dict[int, float] = {n: n + order.index(line.row.part) for n, line in enumerate(lines)}
    with rc_context(STYLE):
        size = 2.3 * len(scores) + 1.2, 0.27 * (len(lines) + len(order) - 1) + 1.1
        figure = Figure(figsize=size, layout="constrained", facecolor="white")
        every = figure.subplots(1, len(scores), sharey=True, squeeze=False)[0]
        for axes, (name, heading) in zip(every, scores.items(), strict=True):
            _draw(axes, name, lines, places)
            axes.set_title(heading, fontsize=9)
        for colour, part in zip(cycle(_COLOURS), order, strict=False):
            y = min(place for n, place in places.items() if lines[n].row.part == part) - 0.7
            title = every[0].text(0.02, y, parts[part], transform=every[0].get_yaxis_transform(), color=colour, fontsize=8)
            title.set(va="center", in_layout=False, bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5})
        every[0].set_zorder(1)  # long titles of parts reach over the axes beside, whose lines end at their white background
        every[0].set(yticks=list(places.values()), yticklabels=[line.row.name for line in lines])
        every[0].set_ylim(max(places.values()) + 0.7, -1.1)
        figure.suptitle(caption, fontsize=9, x=0.01, ha="left")
        file = io.BytesIO()
        figure.savefig(file, format="png", dpi=150)
    return file.getvalue()


def _draw(axes: "Axes", name: str, lines: Sequence[Line], places: Mapping[int, float]) -> None:
    """Draw one score of all rows: means as dots with their intervals, seeds as strokes, the strongest floors as dashed lines."""
    for colour, part in zip(cycle(_COLOURS), dict.fromkeys(line.row.part for line in lines), strict=False):
        of_part = [n for n, line in enumerate(lines) if line.row.part == part]
        ys = [places[n] for n in of_part]
        for n in of_part:
            if cell := lines[n].cells.get(name):
                y = places[n]
                axes.plot([cell.low, cell.high], [y, y], "-", color=colour, lw=1.2)
                axes.plot([cell.mean], [y], "o", color=colour, ms=5, mew=0)
                axes.plot(cell.values, [y] * len(cell.values), "|", color="black", ms=7, mew=0.8)
                axes.plot([cell.floor] * 2, [y - 0.5, y + 0.5], "--", color="#6b7280", lw=1)
                if lines[n].row.name == REFERENCE:
                    axes.plot([cell.mean] * 2, [min(ys) - 0.4, max(ys) + 0.4], ":", color=colour, lw=1)
    if less_is_better(name):
        _end(axes, name, lines, places)
    axes.tick_params(axis="y", length=0)
    axes.grid(visible=False, axis="y")


def _end(axes: "Axes", name: str, lines: Sequence[Line], places: Mapping[int, float]) -> None:
    """End the axis of an error before rows that lie far beyond the others: what of a row cannot be seen is written above it."""
    cells = {n: cell for n, line in enumerate(lines) if (cell := line.cells.get(name))}
    if not cells or max(cell.mean for cell in cells.values()) <= (end := _FAR * median(cell.mean for cell in cells.values())):
        return
    axes.set_xlim(0, end)
    for n, cell in cells.items():
        if not any(value > end for value in (cell.high, *cell.values)):
            continue
        means, runs = ([f"{value:.3g}" for value in sorted(values) if value > end] for values in ([cell.mean], cell.values))
        words = [f"{name} {', '.join(beyond)}" for name, beyond in (("mean", means), ("runs", runs)) if beyond]
        axes.text(end, places[n] - 0.12, f"{', '.join(words)} \N{RIGHTWARDS ARROW} ", ha="right", va="bottom", fontsize=7)
