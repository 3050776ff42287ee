"""The toy experiment of the paper's supplement: the angle of a rectangle, by three networks and with training sets of several sizes.

    python -m glass_model.articulated.toy --out runs/toy                   # trains what is missing, then writes table and plot
    python -m glass_model.articulated.toy --out runs/toy --shard 3/8       # an eighth of it, beside seven other processes

Images are (N, 3, 64, 64) in [0, 1]: a rectangle of random colour on black. Its angle is that of the long axis, 0 to 90 degrees from the x
axis towards the y axis, which points down. docs/articulated.md has the results, and says what the paper leaves open.
"""

import itertools
import json
import math
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glass_model.articulated.geometry import antialiased, grid, principal_angle
from glass_model.articulated.networks import Block, Hourglass, of_heatmaps
from wsprites.errors import ArgumentError
from wsprites.generate import replace_file

SIZES = (32, 64, 128, 256, 512, 1024)
"""Images of the training sets."""
SEEDS, EPOCHS, BATCH, RATE = 5, 100, 8, 1e-4
TEST = 128
"""Images of the test set, the same for every seed and size."""
_SIDE = 64
_LONG, _SHORT, _PLACE = 0.55, 0.22, 0.2  # half sides, and largest shift of the centre, in coordinates of [-1, 1]
_DARKEST = 0.25  # of a colour
_CHANNELS, _DEPTH = 8, 3


class Data(NamedTuple):
    """Images of rectangles."""

    images: Tensor
    """(N, 3, 64, 64) float32 in [0, 1]."""
    angles: Tensor
    """(N,) float32 in radians, 0 to pi/2."""


def rectangles(count: int, seed: int) -> Data:
    """Draw rectangles; the first ones are the same whatever the count.

    Example:
        >>> data = rectangles(2, seed=0)
        >>> data.images.shape, bool((data.angles <= 1.571).all())
        (torch.Size([2, 3, 64, 64]), True)
    """
    drawn = np.random.Generator(np.random.Philox(key=[seed, 0x746F79])).random((count, 6))
    numbers = torch.from_numpy(drawn)
    angle, centre, colour = numbers[:, 0] * math.pi / 2, (2 * numbers[:, 1:3] - 1) * _PLACE, _DARKEST + (1 - _DARKEST) * numbers[:, 3:]
    away = grid(_SIDE, _SIDE, numbers) - centre[:, None, None]
    cos, sin = angle.cos()[:, None, None], angle.sin()[:, None, None]
    along, across = away[..., 0] * cos + away[..., 1] * sin, away[..., 1] * cos - away[..., 0] * sin
    outside = torch.maximum(along.abs() - _LONG, across.abs() - _SHORT) * (_SIDE - 1) / 2  # pixels
    cover = (0.5 - outside).clamp(0, 1)
    return Data((cover[:, None] * colour[..., None, None]).float(), angle.float())


@cache
def tested() -> Data:
    """The images that every network is tested with."""
    return rectangles(TEST, 0)


# The networks: images to angles in radians.


class Naive(nn.Module):
    """A convolutional encoder, also at half size, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        widths = [3, *(2 * _CHANNELS * 2**i for i in range(_DEPTH))]
        self.encoder = nn.Sequential(*(Block(a, b, down=True) for a, b in itertools.pairwise(widths)))
        self.last = nn.Linear(widths[-1] * 16, 1)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the angles, (N,)."""
        y: Tensor = self.last(self.encoder(antialiased(images, 2)).flatten(1))[:, 0]
        return y


class Mapped(nn.Module):
    """An hourglass at half size: a heatmap, and beside it a map of angles (`regression`) or nothing (PCA of the heatmap)."""

    def __init__(self, angle: Callable[[Tensor, Tensor], Tensor], maps: int) -> None:
        super().__init__()
        self._angle = angle
        self.hourglass = Hourglass(3, _CHANNELS, _DEPTH, 1024)
        self.maps = nn.Conv2d(self.hourglass.channels, maps, 7, padding=3)

    def forward(self, images: Tensor) -> Tensor:
        """Compute the angles, (N,)."""
        maps = self.maps(self.hourglass(antialiased(images, 2)))
        heatmap = maps[:, :1].flatten(2).softmax(-1).view_as(maps[:, :1])
        angle: Tensor = self._angle(heatmap, maps[:, 1:])
        return angle


def _regressed(heatmap: Tensor, angles: Tensor) -> Tensor:
    return (heatmap * angles).sum((1, 2, 3))


def _axis(heatmap: Tensor, _: Tensor) -> Tensor:
    """The direction of the long axis, with a damped gradient: -pi/2 to pi/2."""
    return principal_angle(of_heatmaps(heatmap).covariance[:, 0])


def _svd(heatmap: Tensor, _: Tensor) -> Tensor:
    """The same by a library's SVD in float64, whose gradient has no bound where singular values are equal."""
    u = torch.linalg.svd(of_heatmaps(heatmap).covariance[:, 0].double())[0]
    angle: Tensor = (u[:, 1, 0] / u[:, 0, 0]).atan().float()
    return angle


def plain(difference: Tensor) -> Tensor:
    """The absolute value of differences of angles: an axis at 89 degrees is 178 degrees away from one at -89."""
    return difference.abs()


def axial(difference: Tensor) -> Tensor:
    """The angle between two axes, which have no direction: 0 to pi/2."""
    return (difference - math.pi * (difference / math.pi).round()).abs()


NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[Tensor], Tensor]]] = {
    "naive": (Naive, plain),
    "regression": (lambda: Mapped(_regressed, 2), plain),
    "pca": (lambda: Mapped(_axis, 1), plain),
    "pca-axial": (lambda: Mapped(_axis, 1), axial),
    "pca-svd": (lambda: Mapped(_svd, 1), plain),
}
"""Each network and its loss. The last two differ from the third in one thing: the loss, or the gradient of the SVD."""


# One training, and many.


class Job(NamedTuple):
    """A training."""

    network: str
    size: int
    """Images of the training set."""
    seed: int
    """Seed of the training set, the weights and the order."""

    @property
    def file(self) -> str:
        """Name of the file with its result."""
        return f"{self.network}-{self.size}-{self.seed}.json"


def train(job: Job, epochs: int = EPOCHS) -> tuple[NDArray[np.float64], int]:
    """Train a network.

    Args:
        job: what to train.
        epochs: how often it sees each image.

    Returns:
        The angles of the test images in radians, (128,), and the number of steps that were left out because a gradient was not finite.
    """
    make, distance = NETWORKS[job.network]
    data = rectangles(job.size, 1 + job.seed)
    torch.manual_seed(job.seed)
    network = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time on a CPU
    optimizer, skipped = torch.optim.Adam(network.parameters(), RATE, fused=True), 0
    for _ in range(epochs):
        for batch in torch.randperm(job.size).split(BATCH):  # type: ignore[no-untyped-call]
            loss = distance(network(data.images[batch]) - data.angles[batch]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if all(bool(p.grad.isfinite().all()) for p in network.parameters() if p.grad is not None):
                optimizer.step()
            else:
                skipped += 1
    with torch.no_grad():
        return network.eval()(tested().images).double().numpy(), skipped


def jobs(networks: Sequence[str], sizes: Sequence[int], seeds: int) -> list[Job]:
    """All trainings, those of a smaller training set first, so that an interrupted run has whole columns of the table."""
    every = itertools.product(sorted(set(sizes)), dict.fromkeys(networks), range(seeds))
    return [Job(network, size, seed) for size, network, seed in every]


def run(out: Path, wanted: Sequence[Job], epochs: int, notice: Callable[[str], None]) -> None:
    """Train what has no result in a folder yet. A result is written when its training has ended."""
    out.mkdir(parents=True, exist_ok=True)
    for job in wanted:
        if (out / job.file).exists():
            continue
        angles, skipped = train(job, epochs)
        result = {
            "network": job.network,
            "size": job.size,
            "seed": job.seed,
            "epochs": epochs,
            "batch": BATCH,
            "rate": RATE,
            "skipped": skipped,
        }
        content = json.dumps({**result, "angles": [round(float(angle), 6) for angle in angles]})
        replace_file(out / job.file, content.encode())
        notice("{}, {} images, seed {}: mean error {:.2f}, median {:.2f} degrees".format(*job, *mean_and_median(angles, plain)))


def mean_and_median(angles: NDArray[np.float64], distance: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Mean and median error of angles (128,) of the test images, degrees."""
    error = np.degrees(distance(torch.from_numpy(angles) - tested().angles).numpy())
    return float(error.mean()), float(np.median(error))


# What is made of the results.

MEASURES: dict[str, tuple[Callable[[Tensor], Tensor], int]] = {
    "mean error": (plain, 0),
    "median error": (plain, 1),
    "mean error, axial": (axial, 0),
}
"""Name of a measure -> the distance of angles, and which of `mean_and_median` it is."""


def read(out: Path, job: Job, epochs: int) -> NDArray[np.float64]:
    """The angles of a result, (128,). Raises ArgumentError for a file of something else."""
    values = json.loads((out / job.file).read_bytes())
    angles = np.asarray(values.get("angles"), np.float64)
    if angles.shape != (TEST,) or values.get("epochs") != epochs:
        raise ArgumentError("out", f"{out / job.file}: not the result of {epochs} epochs; delete it, or name another folder")
    return angles


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
        for number, measure in enumerate(MEASURES):
            axes = figure.add_subplot(1, len(MEASURES), number + 1)
            for colour, network in enumerate(dict.fromkeys(name for name, _ in errors)):
                mean, half = np.array([interval(errors[network, size][:, number]) for size in sizes]).T
                axes.plot(sizes, mean, color=f"C{colour}", marker="o", ms=3, lw=1.3, label=network)
                axes.fill_between(sizes, np.maximum(mean - half, mean / 10), mean + half, color=f"C{colour}", alpha=0.15, lw=0)
            axes.set(xscale="log", yscale="log", xlabel="training images", title=f"{measure}, degrees")
            axes.set_xticks(sizes, [str(size) for size in sizes])
            axes.minorticks_off()
        figure.axes[0].legend(fontsize=8)
        figure.savefig(path, dpi=120, metadata={"Date": None} if path.suffix == ".svg" else None)


@click.command()
@click.option("--out", type=click.Path(path_type=Path, file_okay=False), required=True, help="Folder for results, table, plot.")
@click.option("--network", "networks", multiple=True, type=click.Choice(list(NETWORKS)), help="Networks to train.  [default: all]")
@click.option(
    "--size", "sizes", multiple=True, type=click.IntRange(2), default=SIZES, show_default=True, help="Sizes of the training sets."
)
@click.option("--seeds", type=click.IntRange(1, 1000), default=SEEDS, show_default=True, help="Trainings of each network and size.")
@click.option("--epochs", type=click.IntRange(1), default=EPOCHS, show_default=True, help="How often a network sees each image.")
@click.option("--shard", metavar="k/K", help="Train the k-th of K parts alone, 1 to K; the last call, without it, writes table and plot.")
def main(networks: tuple[str, ...], sizes: tuple[int, ...], out: Path, seeds: int, epochs: int, shard: str | None) -> None:
    """Train what has no result in the folder yet, and write table and plot. Can be interrupted, and called again."""
    torch.set_num_threads(1)
    wanted = jobs(networks or list(NETWORKS), sizes, seeds)
    if shard:
        part, _, parts = shard.partition("/")
        if not (part.isdecimal() and parts.isdecimal() and 1 <= int(part) <= int(parts) <= len(wanted)):
            raise click.UsageError(f"the shard {shard[:20]} is not k/K with 1 <= k <= K <= {len(wanted)}")
        return run(out, wanted[int(part) - 1 :: int(parts)], epochs, click.echo)
    try:  # before anything is trained beside it
        for job in wanted:
            if (out / job.file).exists():
                read(out, job, epochs)
    except ArgumentError as error:
        raise click.UsageError(f"--{error}") from None
    run(out, wanted, epochs, click.echo)
    errors = {}
    for network, size in dict.fromkeys((job.network, job.size) for job in wanted):
        angles = [read(out, job, epochs) for job in wanted if (job.network, job.size) == (network, size)]
        errors[network, size] = np.array([[mean_and_median(a, distance)[i] for distance, i in MEASURES.values()] for a in angles])
    written = table(errors, sorted(sizes))
    replace_file(out / "toy.md", written.encode())
    plot(out / "toy.svg", errors, sorted(sizes))
    click.echo(written)
    return None


if __name__ == "__main__":
    main()
