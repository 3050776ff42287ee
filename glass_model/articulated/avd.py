"""Animation via disentanglement (AVD): regions with the identity of one frame and the pose of another. K regions are 6 K numbers."""

from itertools import pairwise

import torch
from torch import Tensor, nn

from glass_model.articulated.config import ModelConfig
from glass_model.articulated.geometry import inverse, sign
from glass_model.articulated.networks import Regions


class AVD(nn.Module):
    """Regions with the shape of the regions of one frame in the pose of those of another."""

    trained: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        width, size, numbers = config.avd_width, config.embedding, 6 * config.regions
        layers = [width, 2 * width, 4 * width]
        self.identity, self.pose = (_mlp(numbers, *layers, size) for _ in range(2))
        self.decoder = _mlp(2 * size, *reversed(layers), numbers)
        self.register_buffer("trained", torch.zeros((), dtype=torch.int64))  # steps

    def forward(self, identity: Regions, pose: Regions) -> Regions:
        """The regions, without heatmaps.

        Args:
            identity: whose shape is taken; the signs of its axes become those of the pose.
            pose: whose pose is taken.
        """
        same = identity.affine * sign(identity.affine @ inverse(pose.affine))
        embedded = self.pose(numbers_of(pose.shift, pose.affine)), self.identity(numbers_of(identity.shift, same))
        return regions_of(self.decoder(torch.cat(embedded, 1)))


def _mlp(*sizes: int) -> nn.Sequential:
    """Linear layers, and BatchNorm and ReLU between them."""
    layers: list[nn.Module] = []
    for a, b in pairwise(sizes[:-1]):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b), nn.ReLU()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


def numbers_of(shift: Tensor, affine: Tensor) -> Tensor:
    """Means (B, K, 2) and maps (B, K, 2, 2) as (B, 6 K): all means, then all maps."""
    return torch.cat([shift.flatten(1), affine.flatten(1)], 1)


def regions_of(numbers: Tensor) -> Regions:
    """The regions of (B, 6 K) numbers; their heatmaps are empty."""
    count = numbers.shape[1] // 6
    return without_heatmaps(numbers[:, : 2 * count].reshape(-1, count, 2), numbers[:, 2 * count :].reshape(-1, count, 2, 2))


def without_heatmaps(shift: Tensor, affine: Tensor) -> Regions:
    """Regions with covariances A A^T, and empty heatmaps."""
    return Regions(shift, affine, affine @ affine.transpose(-1, -2), shift.new_zeros(*shift.shape[:2], 0, 0))


def scaled(regions: Regions, factors: Tensor) -> Regions:
    """Regions of frames that are stretched by factors (B, 2), along x and y."""
    return without_heatmaps(regions.shift * factors[:, None], regions.affine * factors[:, None, :, None])
