"""Data, networks and trainings of the toy experiment.

Images are (N, 3, 64, 64) in [0, 1]: a rectangle of random colour on black. Its angle is that of the long axis, 0 to 90 degrees from the x
axis towards the y axis, which points down. docs/articulated.md has the results, and says what the paper leaves open.
"""

import itertools
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from glass_model.articulated.geometry import antialiased, grid, principal_angle
from glass_model.articulated.networks import Block, Hourglass, of_heatmaps
from glass_model.articulated.toy.config import Job, ToyTrain
from wsprites.errors import ArgumentError
from wsprites.generate import replace_file

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
"""Each network and its loss, under the names of `config.NETWORKS`."""


# One training, and many.


def train(job: Job, config: ToyTrain) -> tuple[NDArray[np.float64], int]:
    """Train a network.

    Args:
        job: what to train.
        config: how.

    Returns:
        The angles of the test images in radians, (128,), and the number of steps that were left out because a gradient was not finite.
    """
    make, distance = NETWORKS[job.network]
    data = rectangles(job.size, 1 + job.seed)
    torch.manual_seed(job.seed)
    network = make().to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # half the time on a CPU
    optimizer, skipped = torch.optim.Adam(network.parameters(), config.rate, fused=True), 0
    for _ in range(config.epochs):
        for batch in torch.randperm(job.size).split(config.batch):  # type: ignore[no-untyped-call]
            loss = distance(network(data.images[batch]) - data.angles[batch]).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            if all(bool(p.grad.isfinite().all()) for p in network.parameters() if p.grad is not None):
                optimizer.step()
            else:
                skipped += 1
    with torch.no_grad():
        return network.eval()(tested().images).double().numpy(), skipped


def run(out: Path, wanted: Sequence[Job], config: ToyTrain, notice: Callable[[str], None]) -> None:
    """Train what has no result in a folder yet. A result is written when its training has ended.

    Raises:
        ArgumentError: `out` is a file.
        KeyboardInterrupt: a note says how many trainings are done.
    """
    if out.exists() and not out.is_dir():
        raise ArgumentError("out", f"{out} is no folder; name another one")
    out.mkdir(parents=True, exist_ok=True)
    for number, job in enumerate(wanted):
        if (out / job.file).exists():
            continue
        try:
            angles, skipped = train(job, config)
        except KeyboardInterrupt as error:
            error.add_note(f"{number:,} of {len(wanted):,} trainings are in {out}; pass resume=True to continue")
            raise
        result = {**job._asdict(), **asdict(config), "skipped": skipped, "angles": [round(float(angle), 6) for angle in angles]}
        replace_file(out / job.file, json.dumps(result).encode())
        notice("{}, {} images, seed {}: mean error {:.2f}, median {:.2f} degrees".format(*job, *mean_and_median(angles, plain)))


def read(out: Path, job: Job, config: ToyTrain) -> NDArray[np.float64]:
    """The angles of a result, (128,). Raises ArgumentError for a file of something else."""
    try:
        values = json.loads((out / job.file).read_bytes())
        angles = np.asarray(values["angles"], np.float64)
        same = {name: values.get(name, default) for name, default in asdict(ToyTrain()).items()} == asdict(config)
        same &= all(values.get(name) == value for name, value in job._asdict().items())  # not a copy of another training's
    except (OSError, AttributeError, KeyError, TypeError, ValueError, RecursionError):
        angles, same = np.zeros(0), False
    if angles.shape != (TEST,) or not np.isfinite(angles).all() or not same:
        wanted = f"{job.network}, {job.size} images and seed {job.seed} with {config.epochs} epochs, batches of {config.batch} and "
        wanted += f"the rate {config.rate:g}"
        raise ArgumentError("out", f"{out / job.file}: not the result of {wanted}; delete it, or name another folder")
    return angles


def mean_and_median(angles: NDArray[np.float64], distance: Callable[[Tensor], Tensor]) -> tuple[float, float]:
    """Mean and median error of angles (128,) of the test images, degrees."""
    error = np.degrees(distance(torch.from_numpy(angles) - tested().angles).numpy())
    return float(error.mean()), float(np.median(error))
