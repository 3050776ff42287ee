"""Plots of scores as lines, for the page: what a score becomes with more capacity, more samples, more steps, more blur."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wsprites.bench.metrics import probes
from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.scores import ScoreFile

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 220, 10, 126
"""Place of the axes in a plot, px."""
_LABEL = 12
"""Least distance of two labels of lines, px."""


class Line(NamedTuple):
    """One line of a plot."""

    name: str
    style: str
    """How it is drawn: as "model", as "oracle", or as one of the others, "floor"."""
    points: str
    label_y: str


class Plot(NamedTuple):
    """Lines over equally spaced places, from 0 up."""

    caption: str
    top: str
    """The largest value."""
    lines: list[Line]
    ticks: list[tuple[str, str]]
    """x and text of each place."""
    text: str
    """The values, for readers that cannot see the plot."""


def steps_of(file: ScoreFile, pattern: str) -> list[str]:
    """The numbers that stand for * in the names of scores of a pattern, ascending; whole numbers, or decimals with a point.

    For "drift.position.*" these are "1", "4", "8" and "16".
    """
    before, after = pattern.split("*")
    names = (name for name in file.scores if name.startswith(before) and name.endswith(after) and len(name) > len(before) + len(after))
    middle = (name[len(before) : len(name) - len(after)] for name in names)
    return sorted((text for text in middle if text.replace(".", "", 1).isdigit()), key=float)


def curve(file: ScoreFile, pattern: str, caption: str, *, others: Sequence[str] = ("oracle",)) -> list[Plot]:
    """One plot of the scores of a pattern by the number that stands for *, beside some baselines; none without two such scores.

    Args:
        others: names of the baselines that are drawn, where all scores have them.
    """
    steps = steps_of(file, pattern)
    names = [pattern.replace("*", step) for step in steps]
    return [plot(caption, _lines(file, names, others), steps)] if len(names) > 1 else []


def _lines(file: ScoreFile, names: Sequence[str], others: Sequence[str]) -> dict[str, list[float]]:
    return {
        "model": [file.value(name) for name in names],
        **{who: [file.scores[name].baselines.get(who, math.nan) for name in names] for who in others},
    }


def capacity(file: ScoreFile) -> list[Plot]:
    """Accuracy of probes of the vectors by their capacity, one plot for each source."""
    plots, ticks = [], [{"linear": "linear", "mlp": "64"}.get(kind, kind.removeprefix("mlp_")) for kind in probes.CAPACITY]
    for source in SOURCES:
        names = [f"vectors.{source}.{kind}" for kind in probes.CAPACITY]
        if all(name in file.scores for name in names):
            lines = _lines(file, names, ("state_only", "shuffled"))
            plots.append(plot(f"{source} action, accuracy by probe", lines, ticks))
    return plots


def drift(file: ScoreFile) -> list[Plot]:
    """Replays against their clips by the number of steps, one plot for each quantity."""
    quantities = {"position": "px", "local": "share right", "psnr": "dB", "ssim": "SSIM", "lpips": "distance"}
    return [
        each
        for quantity, unit in quantities.items()
        for each in curve(file, f"drift.{quantity}.*", f"{quantity}, {unit}, by steps after the start", others=("copy", "oracle"))
    ]


def plot(caption: str, lines: Mapping[str, Sequence[float]], ticks: Sequence[str]) -> Plot:
    """Lines over equally spaced places, from 0 up; lines that are not defined everywhere are left out."""
    defined = {who: values for who, values in lines.items() if not any(map(math.isnan, values))}
    most = max((value for values in defined.values() for value in values), default=1) or 1
    xs = np.linspace(_LEFT, _RIGHT, len(ticks))
    order = sorted(defined, key=lambda who: defined[who][-1])
    ys = {who: [_BOTTOM - (_BOTTOM - _TOP) * max(value, 0) / most for value in defined[who]] for who in order}
    # Labels stand at the ends of the lines, moved apart so that they do not overlap one another or the ticks.
    ends = [ys[who][-1] + 4 for who in order]
    for n in range(len(ends) - 2, -1, -1):
        ends[n] = max(ends[n], ends[n + 1] + _LABEL)
    for n in range(len(ends)):
        ends[n] = min(ends[n], ends[n - 1] - _LABEL if n else _BOTTOM + 4)
    drawn = [
        Line(
            who,
            who if who in ("model", "oracle") else "floor",
            " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(xs, ys[who], strict=True)),
            f"{end:.0f}",
        )
        for who, end in zip(order, ends, strict=True)
    ]
    text = "; ".join(f"{who}: {', '.join(f'{value:.3g}' for value in values)}" for who, values in defined.items())
    return Plot(caption, f"{most:.3g}", drawn, [(f"{x:.0f}", tick) for x, tick in zip(xs, ticks, strict=True)], text)
