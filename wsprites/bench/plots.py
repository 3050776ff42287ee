"""Plots of scores as lines, for the page: what a score becomes with more capacity, more samples, more steps, more blur."""

import math
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from wsprites.bench.metrics.actions import SOURCES
from wsprites.bench.scores import ScoreFile

_LEFT, _RIGHT, _TOP, _BOTTOM = 40, 220, 10, 126
"""Place of the axes in a plot, px."""
_GENERATORS = ("copy", "shift_only", "oracle")
_CONTROLS = ("state_only", "shuffled")
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


def numbers(file: ScoreFile, pattern: str) -> list[str]:
    """The numbers that stand for * in the names of the scores of a pattern, ascending: of "drift.position.*" 1, 4, 8 and 16."""
    before, after = map(re.escape, pattern.split("*"))
    matches = (re.fullmatch(rf"{before}(\d+(?:\.\d+)?){after}", name) for name in file.scores)
    return sorted((match[1] for match in matches if match), key=float)


def curve(file: ScoreFile, pattern: str, caption: str, *, others: Sequence[str] = ()) -> list[Plot]:
    """One plot of the scores of a pattern by the number that stands for *, beside some baselines; none if it has fewer than two scores."""
    ticks = numbers(file, pattern)
    names = [pattern.replace("*", tick) for tick in ticks]
    return [plot(caption, _lines(file, names, others), ticks)] if len(names) > 1 else []


def _lines(file: ScoreFile, names: Sequence[str], others: Sequence[str]) -> dict[str, list[float]]:
    """The scores of the model, and of the baselines with these names."""
    by_baseline = {who: [file.scores[name].baselines.get(who, math.nan) for name in names] for who in others}
    return {"model": [file.value(name) for name in names], **by_baseline}


def capacity(file: ScoreFile) -> list[Plot]:
    """Accuracy of probes of the vectors by their capacity, one plot for each source."""
    plots = []
    for source in SOURCES:
        widths = numbers(file, f"vectors.{source}.mlp_*")
        names = {"linear": f"vectors.{source}.linear", **{width: f"vectors.{source}.mlp_{width}" for width in widths}}
        if widths and all(name in file.scores for name in names.values()):
            plots.append(plot(f"{source} action, accuracy by probe", _lines(file, list(names.values()), _CONTROLS), list(names)))
    return plots


def samples(file: ScoreFile) -> list[Plot]:
    """Accuracy of the linear probe of the vectors by the number of transitions that it is fitted on, one plot for each source."""
    plots = []
    for source in SOURCES:
        every, ticks = f"vectors.{source}.linear", numbers(file, f"vectors.{source}.linear.n*")
        if ticks and every in file.scores:
            names = [*(f"{every}.n{tick}" for tick in ticks), every]
            plots.append(plot(f"{source} action, accuracy by fitted transitions", _lines(file, names, _CONTROLS), [*ticks, "all"]))
    return plots


def over_steps(file: ScoreFile, kind: str) -> list[Plot]:
    """Generated video against the truth by the number of steps, one plot for each quantity.

    Args:
        kind: "drift", replays of a clip's own actions, or "transfer", actions that were inferred from another clip.
    """
    quantities = {"position": "px", "local": "share right", "unreadable": "share", "psnr": "dB", "ssim": "SSIM", "lpips": "distance"}
    captions = {f"{kind}.{quantity}.*": f"{quantity}, {unit}, by steps after the start" for quantity, unit in quantities.items()}
    return [
        each for pattern, caption in captions.items() for each in curve(file, pattern, caption, others=("copy", "shift_only", "oracle"))
    ]


def reader(shares: Mapping[str, float]) -> list[Plot]:
    """How well the reader reads true frames after a blur, by its width; nothing without at least two widths.

    Args:
        shares: `ScoreFile.reader`.
    """
    found = (re.fullmatch(r"reader\.blur\.(\d+(?:\.\d+)?)\.local", name) for name in shares)
    widths = sorted((match[1] for match in found if match), key=float)
    kinds = {"local": "right actions", "unreadable": "unreadable"}
    lines = {line: [shares.get(f"reader.blur.{width}.{kind}", math.nan) for width in widths] for kind, line in kinds.items()}
    return [plot("share of frames by blur, px", lines, widths)] if len(widths) > 1 else []


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
