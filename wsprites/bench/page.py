"""Scores -> one self-contained HTML page without scripts; the template is page.html."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from wsprites.bench.baselines import DESCRIPTIONS
from wsprites.bench.metrics import probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.rollouts import Video
from wsprites.bench.scores import Entry, ScoreFile
from wsprites.bench.table import names_in_table, not_scored, number
from wsprites.generate import replace_file
from wsprites.view.picture import data_uri, encode_gif
from wsprites.world.actions import GlobalAction, LocalAction

_COLOURS = {
    "random": "#b8c0d0",
    "majority": "#d9a24a",
    "state_only": "#b45cc4",
    "direction": "#4aa3a0",
    "classical": "#7a5c3e",
    "oracle": "#2a9d4e",
}
_LINE_COLOURS = {**_COLOURS, "model": "#2f6df6", "vectors": "#2f6df6", "copy": "#b8c0d0", "shuffled": "#b8c0d0"}
_LISTED = ("random", "copy", "other_clips", "best_code", "oracle")
_MOST_CODES = 24
_MILLISECONDS, _GIF_COLOURS = 140, 160


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
    functions = {"number": _number, "short": _short, "x": _x, "defined": _defined, "is_share": _is_share, "not_scored": not_scored}
    facts = {
        "table": names_in_table([scores for scores, _ in results]),
        "colours": _COLOURS,
        "listed": _LISTED,
        "baselines": DESCRIPTIONS,
        "br": Markup("<br>"),
        "dot": Markup(".<wbr>"),
        "underscore": Markup("_<wbr>"),
    }
    page = template.render(models=models, first=results[0][0], **facts, **functions)
    replace_file(path, page.encode("utf-8", errors="replace"))


class _Cell(NamedTuple):
    """A cell of a matrix; the shade is from 0 to 1."""

    text: str
    shade: float
    framed: bool = False


class _Matrix(NamedTuple):
    title: str
    columns: list[str]
    rows: list[tuple[str, list[_Cell | None]]]


class _Line(NamedTuple):
    name: str
    colour: str
    points: str
    label_y: str


class _Plot(NamedTuple):
    caption: str
    top: str
    """The largest value."""
    lines: list[_Line]
    ticks: list[tuple[str, str]]
    """x and text of each place."""


class _Animation(NamedTuple):
    caption: str
    width: int
    source: str
    """Data URI of the GIF."""


class _Sections(NamedTuple):
    """The plots and videos of one model; empty sections are left out."""

    occurring: set[str]
    """Names of the baselines."""
    confusion: list[_Matrix]
    leakage: _Matrix | None
    capacity: list[_Plot]
    drift: list[_Plot]
    replays: list[_Animation]
    codes: list[_Animation]


def _sections(file: ScoreFile, videos: Sequence[Video]) -> _Sections:
    return _Sections(
        {who for entry in file.scores.values() for who in entry.baselines},
        [_confusion(file, source) for source in SOURCES if source in file.confusion],
        _leakage(file),
        _capacity(file),
        _drift(file),
        [_animation(video, f"{video.title}: truth, model") for video in videos if video.kind == "replay"],
        [_animation(video, video.title) for video in videos if video.kind == "code"],
    )


def _defined(value: float | None) -> bool:
    return value is not None and not math.isnan(value)


def _is_share(entry: Entry) -> bool:
    """True if a score and its baselines lie between 0 and 1, or nearly so."""
    values = [entry.value, *filter(_defined, entry.baselines.values())]
    return not entry.unit and all(-0.2 <= value <= 1.05 for value in values)  # false for NaN


def _x(share: float) -> float:
    """Place of a share on a line from 0 to 1, px."""
    return 10 + 220 * min(max(share, 0), 1)


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
    return None if math.isnan(value) else _Cell(_short(value), min(max(float(shade), 0.0), 1.0), framed)


def _leakage(file: ScoreFile) -> _Matrix | None:
    latents = [latent for latent in ("codes", "vectors", "shift", "background_shift") if f"leakage.local.{latent}" in file.scores]
    rows = []
    for target in (*SOURCES, "shift", "background_shift"):
        label, scale = (f"{target} (R2)", 1) if "shift" in target else (f"{target} action (accuracy)", 4)
        values = [file.value(f"leakage.{target}.{latent}") for latent in latents]
        rows.append((label, [_cell(value, scale * value) for value in values]))
    return _Matrix("", latents, rows) if latents else None


def _capacity(file: ScoreFile) -> list[_Plot]:
    plots, ticks = [], [{"linear": "linear", "mlp": "64"}.get(kind, kind.removeprefix("mlp_")) for kind in probes.CAPACITY]
    for source in SOURCES:
        names = [f"vectors.{source}.{kind}" for kind in probes.CAPACITY]
        if all(name in file.scores for name in names):
            lines = {"vectors": [file.value(name) for name in names]}
            lines |= {who: [_baseline(file, name, who) for name in names] for who in ("state_only", "shuffled")}
            plots.append(_plot(f"{source} action, accuracy by probe", lines, ticks))
    return plots


def _drift(file: ScoreFile) -> list[_Plot]:
    plots = []
    for quantity, unit in (("position", "px"), ("local", "share right"), ("psnr", "dB"), ("ssim", "SSIM"), ("lpips", "distance")):
        prefix = f"drift.{quantity}."
        steps = sorted((name.removeprefix(prefix) for name in file.scores if name.startswith(prefix)), key=int)
        if steps:
            lines = {"model": [file.value(prefix + t) for t in steps]}
            lines |= {who: [_baseline(file, prefix + t, who) for t in steps] for who in ("copy", "oracle")}
            plots.append(_plot(f"{quantity}, {unit}, by steps after the start", lines, steps))
    return plots


def _baseline(file: ScoreFile, name: str, who: str) -> float:
    return file.scores[name].baselines.get(who, math.nan)


def _plot(caption: str, lines: Mapping[str, Sequence[float]], ticks: Sequence[str]) -> _Plot:
    """Lines over equally spaced places, from 0 up; lines that are not defined everywhere are left out."""
    defined = {who: values for who, values in lines.items() if not any(map(math.isnan, values))}
    most = max((value for values in defined.values() for value in values), default=1) or 1
    xs = np.linspace(40, 220, len(ticks))
    order = sorted(defined, key=lambda who: defined[who][-1])
    ys = {who: [126 - 116 * max(value, 0) / most for value in defined[who]] for who in order}
    # Labels stand at the ends of the lines, moved apart so that they do not overlap one another or the ticks.
    ends = [ys[who][-1] + 4 for who in order]
    for n in range(len(ends) - 2, -1, -1):
        ends[n] = max(ends[n], ends[n + 1] + 12)
    for n in range(len(ends)):
        ends[n] = min(ends[n], ends[n - 1] - 12 if n else 130)
    drawn = [
        _Line(who, _LINE_COLOURS[who], " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys[who], strict=True)), f"{end:.0f}")
        for who, end in zip(order, ends, strict=True)
    ]
    return _Plot(caption, f"{most:.3g}", drawn, [(f"{x:.0f}", tick) for x, tick in zip(xs, ticks, strict=True)])


def _animation(video: Video, caption: str) -> _Animation:
    """The clips of a video side by side as a GIF."""
    together = np.concatenate(video.clips, axis=2)
    width = together.shape[2] * (2 if len(video.clips) < 3 else 1)
    content = encode_gif(together, milliseconds=_MILLISECONDS, colours=_GIF_COLOURS, shared=True)
    return _Animation(caption, width, data_uri("image/gif", content))


def _short(value: float) -> str:
    return f"{value + 0.0:.2f}".replace("-0.00", "0.00")


def _number(value: float) -> str:
    return "" if math.isnan(value) else number(value)
