"""Configuration of the toy experiment: what is trained, and how. Its presets are those of `wsprites train --system toy`."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from wsprites.fields import Checked, SpecError, number, show

NETWORKS = ("naive", "regression", "pca", "pca-axial", "pca-svd")
"""Names of the networks. The last two differ from the third in one thing: the loss, or the gradient of the SVD."""
SIZES = (32, 64, 128, 256, 512, 1024)
"""Images of the training sets."""


@dataclass(frozen=True)
class ToyModels(Checked):
    """What is trained: each network with each training set, by several seeds."""

    networks: tuple[str, ...] = NETWORKS[:3]
    """Some of `NETWORKS`."""
    sizes: tuple[int, ...] = number(SIZES, 2, 10**6)
    """Images of the training sets."""
    seeds: int = number(5, 1, 1000)
    """Trainings of each network and size, with different images, weights and orders."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, values in (("networks", self.networks), ("sizes", self.sizes)):
            if not values or len(set(values)) < len(values):
                raise SpecError(f"{name} = {show(values)} must have at least one entry, and each once")
        for network in self.networks:
            if network not in NETWORKS:
                raise SpecError(f"networks: {show(network)} is not one of {', '.join(NETWORKS)}")


@dataclass(frozen=True)
class ToyTrain(Checked):
    """How each network is trained."""

    epochs: int = number(100, 1, 10**6)
    """How often it sees each image."""
    batch: int = number(8, 1, 65536)
    """Images per step."""
    rate: float = number(1e-4, 0.0, 1.0)
    """Learning rate of Adam."""


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


@dataclass(frozen=True)
class ToyConfig:
    """The toy experiment."""

    name: str = "paper"
    """Name of the preset that it began with."""
    toy: ToyModels = ToyModels()
    """What is trained."""
    train: ToyTrain = ToyTrain()
    """How."""

    def jobs(self) -> list[Job]:
        """All trainings, those of a smaller training set first, so that an interrupted run has whole columns of the table.

        Example:
            >>> [job.size for job in ToyConfig(toy=ToyModels(("pca",), (64, 32), 2)).jobs()]
            [32, 32, 64, 64]
        """
        models = self.toy
        return [Job(n, size, seed) for size in sorted(models.sizes) for n in models.networks for seed in range(models.seeds)]


_PAPER = ToyConfig()
PRESETS = {
    "paper": _PAPER,
    "controls": replace(_PAPER, name="controls", toy=ToyModels(NETWORKS)),
    "tiny": replace(_PAPER, name="tiny", toy=ToyModels(sizes=SIZES[:2], seeds=1)),
}
"""The paper's experiment; the same with two controls; and a small part of it, for a minute or two on one core."""
