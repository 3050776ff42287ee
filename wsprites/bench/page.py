"""Scores -> one self-contained HTML page without scripts; the template is page.html."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wsprites.bench import plots
from wsprites.bench.baselines import DESCRIPTIONS
from wsprites.bench.explanations import explanation
from wsprites.bench.floors import Baseline, ceiling, strongest_floor
from wsprites.bench.headline import Headline, headlines, sentence, short
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.plots import Plot
from wsprites.bench.rollouts import Video
from wsprites.bench.runs import joined
from wsprites.bench.scores import Entry, ScoreFile
from wsprites.bench.table import names_in_table, not_scored, number
from wsprites.generate import replace_file
from wsprites.view.picture import data_uri, encode_gif
from wsprites.world.actions import GlobalAction, LocalAction

_MOST_CODES = 24
_MILLISECONDS, _GIF_COLOURS = 140, 160
_FLOOR_AT, _CEILING_AT = 16, 96
"""Places of floor and ceiling in the bar of a headline, per cent of its width; what is worse than the floor lies to the left of it."""


def write(path: Path, results: Sequence[tuple[ScoreFile, Sequence[Video]]]) -> None:
    """Write the page of one or several models: the score file and the videos of each.

    Raises:
        OSError: the file cannot be written; an old one is unchanged.
        ModuleNotFoundError: Jinja is not installed.
    """
    import jinja2
    from markupsafe import Markup

    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(loader=loader, autoescape=True, trim_blocks=True, lstrip_blocks=True).get_template("page.html")
    models = [(scores, _sections(scores, videos)) for scores, videos in results]
    lead = joined([scores for scores, _ in results])
    functions = {"number": _number, "short": short, "x": _x, "defined": _defined, "is_share": _is_share, "not_scored": not_scored}
    facts = {
        "table": names_in_table([scores for scores, _ in results]),
        "explanation": explanation,
        "lead": [(file, sentence(file)) for file in lead],
        "questions": list(zip(*([_bar(headline) for headline in headlines(file)] for file in lead), strict=True)),
        "baselines": DESCRIPTIONS,
        "floor_at": _FLOOR_AT,
        "ceiling_at": _CEILING_AT,
        "br": Markup("<br>"),
        "dot": Markup(".<wbr>"),
        "colon": Markup(":<wbr>"),
        "underscore": Markup("_<wbr>"),
    }
    page = template.render(models=models, first=results[0][0], baselines_of=_baselines, **facts, **functions)
    replace_file(path, page.encode("utf-8", errors="replace"))


class _Bar(NamedTuple):
    """A headline as a bar; places are per cent of its width, and None where there is no bar."""

    headline: Headline
    at: float | None
    interval: tuple[float, float] | None
    """Left end and width."""
    outside: bool
    """The value lies outside the bar and is drawn at its edge."""


def _bar(headline: Headline) -> _Bar:
    if headline.entry is None or math.isnan(headline.place(headline.entry.value)):
        return _Bar(headline, None, None, False)
    at, *ends = (_FLOOR_AT + (_CEILING_AT - _FLOOR_AT) * headline.place(value) for value in (headline.entry.value, *headline.ends))
    left, right = (min(max(end, 0), 100) for end in ends)
    return _Bar(headline, min(max(at, 0), 100), None if math.isnan(left) else (left, max(right - left, 0.5)), at < 0)


class _Cell(NamedTuple):
    """A cell of a matrix; the shade is from 0 to 1."""

    text: str
    shade: float
    framed: bool = False


class _Matrix(NamedTuple):
    title: str
    columns: list[str]
    rows: list[tuple[str, list[_Cell | None]]]


class _Animation(NamedTuple):
    caption: str
    width: int
    source: str
    """Data URI of the GIF."""


class _Sections(NamedTuple):
    """The plots and videos of one model; empty sections are left out."""

    occurring: set[str]
    """Names of the baselines."""
    timing: _Matrix | None
    confusion: list[_Matrix]
    leakage: _Matrix | None
    capacity: list[Plot]
    samples: list[Plot]
    drift: list[Plot]
    transfer: list[Plot]
    blur: list[Plot]
    reader: _Matrix | None
    replays: list[_Animation]
    transfers: list[_Animation]
    codes: list[_Animation]


def _sections(file: ScoreFile, videos: Sequence[Video]) -> _Sections:
    return _Sections(
        {who for entry in file.scores.values() for who in entry.baselines},
        _timing(file),
        [_confusion(file, source) for source in SOURCES if source in file.confusion],
        _leakage(file),
        plots.capacity(file),
        plots.samples(file),
        plots.over_steps(file, "drift"),
        plots.over_steps(file, "transfer"),
        plots.reader(file.reader),
        _reader(file.reader),
        _animations(videos, "replay", ": truth, model"),
        _animations(videos, "transfer"),
        _animations(videos, "code"),
    )


def _baselines(name: str, entry: Entry) -> tuple[Baseline | None, Baseline | None, list[Baseline]]:
    """The strongest floor of a score, its ceiling, and the other baselines that have it."""
    floor, best = strongest_floor(name, entry), ceiling(name, entry)
    others = [Baseline(who, value) for who, value in entry.baselines.items() if _defined(value)]
    return floor, best, [one for one in others if one not in (floor, best)]


def _defined(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _is_share(entry: Entry) -> bool:
    """True if a score and its baselines lie between 0 and 1, or nearly so."""
    values = [entry.value, *filter(_defined, entry.baselines.values())]
    return not entry.unit and all(-0.2 <= value <= 1.05 for value in values)  # false for NaN


def _x(share: float) -> float:
    """Place of a share on a line from 0 to 1, px."""
    return 10 + 160 * min(max(share, 0), 1)


_TIMING = {
    "one transition early": "lag_early.",
    "as inferred": "",
    "one transition late": "lag_late.",
    "where the action changes": "onset.",
    "where it stays": "steady.",
}
"""Codes against the actions of some transitions; the beginning of the score's name after the source."""


def _timing(file: ScoreFile) -> _Matrix | None:
    """Matched accuracy at other times, and at onsets, beside that of the strongest floor; None without codes."""
    rows = []
    for source in ("local", "global"):
        names = [f"{source}.{part}matched_accuracy" for part in _TIMING.values()]
        if sum(name in file.scores for name in names) > 1:
            floors = [strongest_floor(name, file.scores[name]) if name in file.scores else None for name in names]
            rows.append((f"{source} action", [_cell(file.value(name), file.value(name)) for name in names]))
            rows.append(("strongest floor", [_cell(floor.value, floor.value) if floor else None for floor in floors]))
    return _Matrix("matched accuracy", list(_TIMING), rows) if rows else None


def _confusion(file: ScoreFile, source: str) -> _Matrix:
    counts, matched = np.array(file.confusion[source].counts), file.confusion[source].matched
    names = [action.name for action in (LocalAction if source == "local" else GlobalAction)][: counts.shape[1]]
    order = sorted(np.flatnonzero(counts.sum(1)).tolist(), key=lambda code: (matched[code] < 0, matched[code]))[:_MOST_CODES]
    share = counts / np.maximum(counts.sum(1, keepdims=True), 1)
    rows = [
        (f"code {code}", [_cell(share[code, label], share[code, label], label == matched[code]) for label in range(len(names))])
        for code in order
    ]
    return _Matrix(source, names, rows)


def _cell(value: float, shade: float, framed: bool = False) -> _Cell | None:
    return None if math.isnan(value) else _Cell(short(value), min(max(float(shade), 0.0), 1.0), framed)


def _leakage(file: ScoreFile) -> _Matrix | None:
    latents = [latent for latent in ("codes", "vectors", "shift", "background_shift") if f"leakage.local.{latent}" in file.scores]
    rows = []
    for target in (*SOURCES, "shift", "background_shift"):
        label = f"{target} (R2)" if "shift" in target else f"{target} action"
        values = [file.value(f"leakage.{target}.{latent}") for latent in latents]
        rows.append((label, [_cell(value, value) for value in values]))
    return _Matrix("", latents, rows) if latents else None


_CHANGES = {
    "as they are": "blur.0",
    "at 48 x 64, enlarged": "size.48x64",
    "at 32 x 40, enlarged": "size.32x40",
    "in another tint": "colour",
    "with less contrast": "contrast",
    "with noise": "noise",
    "scenes without the character": "empty",
    "random pixels": "static",
}
"""Pictures that the reader is tried on, and the middle of the names of their values."""


def _reader(shares: Mapping[str, float]) -> _Matrix | None:
    """How true frames are read after a change, and pictures without a character; None without generated video."""
    kinds, rows = {"right actions": "local", "unreadable": "unreadable", "error, px": "position"}, []
    for name, change in _CHANGES.items():
        values = [shares.get(f"reader.{change}.{kind}", math.nan) for kind in kinds.values()]
        if not all(map(math.isnan, values)):
            rows.append((name, [_cell(value, 0 if title == "error, px" else value) for title, value in zip(kinds, values, strict=True)]))
    return _Matrix("true frames", list(kinds), rows) if rows else None


def _animations(videos: Sequence[Video], kind: str, more: str = "") -> list[_Animation]:
    return [_animation(video, f"{video.title}{more}") for video in videos if video.kind == kind]


def _animation(video: Video, caption: str) -> _Animation:
    """The clips of a video side by side as a GIF."""
    together = np.concatenate(video.clips, axis=2)
    width = together.shape[2] * (2 if len(video.clips) < 3 else 1)
    content = encode_gif(together, milliseconds=_MILLISECONDS, colours=_GIF_COLOURS, shared=True)
    return _Animation(caption, width, data_uri("image/gif", content))


def _number(value: float) -> str:
    return "" if math.isnan(value) else number(value)
