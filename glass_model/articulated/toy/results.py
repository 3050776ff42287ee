"""Table and plot of the results of the toy experiment."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from glass_model.articulated.toy.config import ToyConfig
from glass_model.articulated.toy.experiment import axial, mean_and_median, plain, read
from wsprites.generate import replace_file

MEASURES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "mean error": (plain, 0),
    "median error": (plain, 1),
    "mean error, axial": (axial, 0),
}
"""Name of a measure -> the distance of angles, and which of `mean_and_median` it is."""
_TICKS = [digit * 10.0**power for power in range(-3, 3) for digit in (1, 2, 5)]  # of errors in degrees


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The mean of values (S,) of several seeds, and half of its 95 % interval by Student's distribution; NaN for one seed.

    Example:
        >>> interval(np.array([1.0, 2.0, 3.0]))
        (2.0, 2.4841377...)
    """
    from scipy.stats import t

    count = len(values)
    if count < 2:
        return float(values.mean()), math.nan
    return float(values.mean()), float(t.ppf(0.975, count - 1) * values.std(ddof=1) / math.sqrt(count))


def table(errors: dict[tuple[str, int], NDArray[np.float64]], sizes: Sequence[int]) -> str:
    """A table of Markdown for each measure.

    Args:
        errors: of each network and size, (S, 3) the measures of every seed, degrees.
        sizes: of the training sets, the columns.
    """
    lines = []
    for number, measure in enumerate(MEASURES):
        lines += [f"| {measure}, degrees | " + " | ".join(map(str, sizes)) + " |", "| --- |" + " ---: |" * len(sizes)]
        for network in dict.fromkeys(name for name, _ in errors):
            cells = (_cell(*interval(errors[network, size][:, number])) for size in sizes)
            lines.append(f"| {network} | " + " | ".join(cells) + " |")
        lines.append("")
    return "\n".join(lines)


def _cell(mean: float, half: float) -> str:
    """A mean, with half of its interval if there is one."""
    return f"{mean:.2f}" if math.isnan(half) else f"{mean:.2f} ± {half:.2f}"


def plot(path: Path, errors: dict[tuple[str, int], NDArray[np.float64]], sizes: Sequence[int]) -> None:
    """Draw the curves of all measures with their intervals over the seeds, as SVG or PNG."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    from wsprites.view.plots import STYLE

    settings: Any = STYLE
    with mpl.rc_context(settings):
        figure = Figure(figsize=(10, 3.4), layout="constrained")
        for number, (axes, measure) in enumerate(zip(figure.subplots(1, len(MEASURES), sharey=True), MEASURES, strict=True)):
            for colour, network in enumerate(dict.fromkeys(name for name, _ in errors)):
                mean, half = np.array([interval(errors[network, size][:, number]) for size in sizes]).T
                axes.plot(sizes, mean, color=f"C{colour}", marker="o", ms=3, lw=1.3, label=network)
                axes.fill_between(sizes, np.maximum(mean - half, mean / 10), mean + half, color=f"C{colour}", alpha=0.15, lw=0)
            axes.set(xscale="log", yscale="log", xlabel="training images", title=f"{measure}, degrees")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            low, high = axes.get_ylim()
            axes.set_yticks(ticks := [tick for tick in _TICKS if low <= tick <= high], [f"{tick:g}" for tick in ticks])
            axes.minorticks_off()
        figure.axes[0].legend(fontsize=8)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


def finished(config: ToyConfig, out: Path) -> list[int]:
    """The sizes of training sets of which a folder has the results of all networks and seeds."""
    missing = {job.size for job in config.jobs() if not (out / job.file).exists()}
    return sorted(set(config.toy.sizes) - missing)


def measured(config: ToyConfig, out: Path, sizes: Sequence[int]) -> dict[tuple[str, int], NDArray[np.float64]]:
    """The measures of the results in a folder: of each network and size, (S, 3) those of every seed, degrees.

    Raises:
        ArgumentError: a result is missing, or of something else.
    """
    errors = {}
    for network, size in dict.fromkeys((job.network, job.size) for job in config.jobs() if job.size in sizes):
        angles = [read(out, job, config.train) for job in config.jobs() if (job.network, job.size) == (network, size)]
        errors[network, size] = np.array([[mean_and_median(a, distance)[i] for distance, i in MEASURES.values()] for a in angles])
    return errors


def write(config: ToyConfig, out: Path, sizes: Sequence[int]) -> str:
    """Write the table, toy.md, and the plot, toy.svg, of sizes of training sets; returns the table.

    Raises:
        ArgumentError: a result is missing, or of something else.
    """
    errors = measured(config, out, sizes)
    written = table(errors, sorted(sizes))
    replace_file(out / "toy.md", written.encode())
    plot(out / "toy.svg", errors, sorted(sizes))
    return written
