"""Figures of the page, as SVG in data URIs: run lengths against theory, and heat maps of places."""

import io
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wsprites.view.counts import LabelRuns
from wsprites.view.picture import data_uri
from wsprites.view.theory import survival

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_INK, _MUTED, _GRID, _COLOURS = "#1b2430", "#5d6878", "#dfe4ea", ("#2563a8", "#c2540a", "#2e7d4f")
STYLE = {
    "svg.hashsalt": "wsprites", "font.family": "DejaVu Sans", "font.size": 9, "axes.edgecolor": _MUTED, "axes.labelcolor": _INK,
    "text.color": _INK, "xtick.color": _MUTED, "ytick.color": _MUTED, "axes.spines.top": False, "axes.spines.right": False,
    "axes.grid": True, "grid.color": _GRID, "grid.linewidth": 0.8, "axes.axisbelow": True, "legend.frameon": False,
}  # fmt: skip
"""Settings of matplotlib for all figures; the hash salt makes the same figure the same bytes."""
_NEVER = "#c3c8d0"  # of a place that was not visited: no colour of the map, in which rare is a light yellow
_FEWEST_RUNS = 5  # points estimated from fewer runs are too uncertain to be drawn


def draw_runs(runs: LabelRuns, counts_g2k: NDArray[np.int64], frames: int) -> str:
    """Plot the share of runs that last at least so many frames: lines for theory, dots for the file.

    Args:
        runs: a label and its kinds of runs.
        counts_g2k: (G, 2, frames - 1) int64, runs of each kind that were observed at each age, and that continued.
        frames: frames per clip.
    """
    figure, axes = _axes()
    ages, longest = np.arange(1, frames + 1), 8
    for kind, counts_2k, colour in zip(runs.kinds, counts_g2k, _COLOURS, strict=False):
        expected, observed = kind.survival(frames), survival(counts_2k)
        shown = (np.append(np.inf, counts_2k[0]) >= _FEWEST_RUNS) & (np.nan_to_num(observed) > 0)
        longest = max(longest, int(ages[shown][-1]))
        axes.plot(ages, np.where(expected > 0, expected, np.nan), color=colour, lw=1.3)
        axes.plot(ages[shown], observed[shown], "o", color=colour, ms=3, mew=0)
        axes.plot([], [], "o-", color=colour, lw=1.3, ms=3, mew=0, label=kind.name)  # one legend entry for both
    axes.set(yscale="log", xlabel="run of at least so many frames", ylabel="share of runs", ylim=(1e-3, 1.3), xlim=(0, longest + 1))
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(fontsize=8, loc="best", handlelength=1.6)
    return _svg(figure)


def draw_places(counts_yx: NDArray[np.int64], box: tuple[int, int]) -> str:
    """Plot a heat map of how often each point was visited, relative to an even spread.

    Args:
        counts_yx: (box[1] + 1, box[0] + 1) int64, frames at each point.
        box: the largest x and y in pixels.
    """
    from matplotlib.colors import LogNorm

    figure, axes = _axes()
    share = np.where(counts_yx > 0, counts_yx / max(counts_yx.sum(), 1) * counts_yx.size, np.nan)
    extent = (-0.5, box[0] + 0.5, box[1] + 0.5, -0.5)
    norm = LogNorm(0.1, max(10.0, float(np.nanmax(share, initial=10.0))), clip=True)
    image = axes.imshow(share, cmap="viridis_r", extent=extent, interpolation="nearest", norm=norm)
    axes.grid(False)
    axes.set_facecolor(_NEVER)
    axes.set(xlabel="x in pixels", ylabel="y in pixels")
    figure.colorbar(image, ax=axes, orientation="horizontal", shrink=0.8, label="visits, an even spread = 1; grey: never")
    return _svg(figure)


def _axes() -> tuple["Figure", Any]:
    """Create a figure without a window and without the global state of pyplot."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(3.7, 2.8), layout="constrained", facecolor="white")
    return figure, figure.subplots()


def _svg(figure: "Figure") -> str:
    file = io.BytesIO()
    figure.savefig(file, format="svg", metadata={"Date": None, "Creator": None})
    return data_uri("image/svg+xml", file.getvalue())
