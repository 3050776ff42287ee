"""The networks: parameters of the paper's sizes, moments of heatmaps, candidate motions and blending, against hand-computed cases."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from glass_model.articulated.avd import AVD, numbers_of, regions_of, scaled, without_heatmaps
from glass_model.articulated.config import PRESETS, ModelConfig
from glass_model.articulated.geometry import antialiased
from glass_model.articulated.networks import (
    BackgroundPredictor,
    FlowPredictor,
    Generator,
    Motion,
    RegionPredictor,
    Regions,
    bumps,
    candidates,
    moved,
    of_heatmaps,
)

NETWORKS = (RegionPredictor, BackgroundPredictor, FlowPredictor, Generator, AVD)
TINY = PRESETS["tiny"].model


@pytest.mark.parametrize(
    ("preset", "regions", "counts"),
    [
        *((name, 10, (14_146_728, 6_282_438, 37_730_268, 7_845_123, 2_290_620)) for name in ("vox", "taichi", "ted384")),
        ("mgif", 10, (14_146_728, 0, 37_730_268, 7_845_123, 2_290_620)),
        ("ted384", 20, (14_163_888, 6_282_438, 37_872_398, 7_845_123, 2_336_760)),
    ],
)
def test_parameters(preset: str, regions: int, counts: tuple[int, ...]) -> None:
    """Those of the authors' networks."""
    config = PRESETS[preset].override(model={"regions": regions}).model
    with torch.device("meta"):
        assert tuple(sum(p.numel() for p in network(config).parameters()) for network in NETWORKS) == counts


@pytest.mark.parametrize(("preset", "side"), [("vox", 64), ("taichi", 58), ("ted384", 90)])
def test_sizes_of_heatmaps(preset: str, side: int) -> None:
    config = PRESETS[preset].model
    with torch.device("meta"):
        network = RegionPredictor(config)
        heatmap = network.heatmap(network.hourglass(antialiased(torch.empty(1, 3, *config.frame), config.scale)))
    assert heatmap.shape == (1, 10, side, side)


def gaussian(mean: tuple[float, float], covariance: np.ndarray, size: tuple[int, int] = (61, 91)) -> torch.Tensor:
    """A heatmap (1, 1, h, w) of sum 1."""
    y, x = np.meshgrid(*(np.linspace(-1, 1, n) for n in size), indexing="ij")
    away = np.stack([x - mean[0], y - mean[1]], -1)
    density = np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", away, np.linalg.inv(covariance), away))
    return torch.from_numpy(density / density.sum())[None, None]


def test_moments_of_a_heatmap() -> None:
    """Of a Gaussian, and of noise against weighted statistics of numpy; each with the variance of a position itself."""
    covariance = np.array([[0.02, 0.008], [0.008, 0.01]])
    regions = of_heatmaps(gaussian((0.3, -0.2), covariance))
    pixel = np.diag([(2 / 90) ** 2, (2 / 60) ** 2]) / 12
    assert regions.shift[0, 0].tolist() == pytest.approx([0.3, -0.2], abs=1e-4)
    np.testing.assert_allclose(regions.covariance[0, 0], covariance + pixel, atol=1e-4)
    np.testing.assert_allclose(regions.affine[0, 0] @ regions.affine[0, 0].T, regions.covariance[0, 0])

    noise = torch.rand(2, 3, 5, 8, dtype=torch.float64) ** 4
    noise /= noise.sum((2, 3), keepdim=True)
    found, places = of_heatmaps(noise), np.stack(np.meshgrid(np.linspace(-1, 1, 8), np.linspace(-1, 1, 5)), -1).reshape(-1, 2)
    pixel = np.diag([(2 / 7) ** 2, (2 / 4) ** 2]) / 12
    for b, k in np.ndindex(2, 3):
        weights = noise[b, k].flatten().numpy()
        np.testing.assert_allclose(found.shift[b, k], np.average(places, axis=0, weights=weights))
        np.testing.assert_allclose(found.covariance[b, k], np.cov(places.T, aweights=weights, ddof=0) + pixel)


def test_a_collapsed_heatmap_has_the_size_of_a_pixel() -> None:
    point = torch.zeros(1, 1, 5, 5)
    point[0, 0, 2, 2] = 1
    regions = of_heatmaps(point)
    assert regions.affine.isfinite().all() and regions.affine.abs().max() == pytest.approx(0.5 / 12**0.5)


def test_a_cropped_heatmap_keeps_the_coordinates_of_the_whole_one() -> None:
    whole = torch.zeros(1, 1, 9, 12)
    whole[0, 0, 2:5, 3:6] = torch.rand(3, 3)
    whole /= whole.sum()
    ours, theirs = of_heatmaps(whole[:, :, 1:-1, 1:-1], cropped=1), of_heatmaps(whole)
    for a, b in zip(ours[:3], theirs[:3], strict=True):
        torch.testing.assert_close(a, b)


def regions_at(shift: list[float], affine: list[list[float]]) -> Regions:
    return without_heatmaps(torch.tensor([[shift]]), torch.tensor([[affine]]))


def test_candidate_motions_by_hand() -> None:
    """A region that was moved, turned by 90 degrees and made twice as large; the background is shifted."""
    source, driving = regions_at([0.5, 0.0], [[1.0, 0.0], [0.0, 1.0]]), regions_at([0.0, -0.5], [[1.0, 0.0], [0.0, 1.0]])
    turned = source._replace(affine=torch.tensor([[[[0.5, -2.0], [2.0, 0.5]]]]))
    background = torch.eye(3)[None].clone()
    background[0, 0, 2] = 0.25
    at = candidates(turned, driving, background, (3, 3))
    assert at.shape == (1, 2, 3, 3, 2)
    assert at[0, 0, 1, 1].tolist() == [0.25, 0.0]
    # z = (1, 0) is (1, 0.5) away from mu_D; A_S A_D^-1 is the matrix itself.
    assert at[0, 1, 1, 2].tolist() == pytest.approx([0.5 * 1 - 2 * 0.5 + 0.5, 2 * 1 + 0.5 * 0.5])
    negative = turned._replace(affine=-turned.affine)  # the other direction of the same axes
    torch.testing.assert_close(candidates(negative, driving, background, (3, 3)), at)


def test_homographies() -> None:
    matrix = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.5, 0.0, 1.0]]])
    assert moved(torch.tensor([[[1.0, 3.0]]]), matrix).flatten().tolist() == pytest.approx([1 / 1.5, 3 / 1.5])


def test_bumps_are_gaussians_of_height_one() -> None:
    regions = regions_at([0.0, 0.0], [[0.5, 0.0], [0.0, 0.25]])
    values = bumps(regions, (3, 5))[0, 0]
    assert values[1, 2] == 1 and values[1, 3].item() == pytest.approx(np.exp(-0.5)) and values[0, 2].item() == pytest.approx(np.exp(-8))


@pytest.mark.parametrize(("kind", "numbers"), [("shift", 2), ("affine", 6), ("perspective", 8), ("zero", 0)])
def test_backgrounds_begin_at_the_identity(kind: str, numbers: int) -> None:
    """And the numbers of the last layer are the entries of the matrix in their order."""
    values: dict[str, Any] = {"background": kind}
    network = BackgroundPredictor(PRESETS["tiny"].override(model=values).model)
    frames = torch.rand(2, 3, *TINY.frame)
    assert torch.equal(network(frames, frames.flip(0)), torch.eye(3).expand(2, 3, 3))
    if numbers:
        assert network.last.bias is not None
        nn.init.constant_(network.last.bias, 0.0)
        with torch.no_grad():
            network.last.bias.copy_(torch.arange(1.0, numbers + 1))
        expected = torch.zeros(9)
        expected[[2, 5] if numbers == 2 else list(range(numbers))] = torch.arange(1.0, numbers + 1)
        assert torch.equal(network(frames, frames)[0], torch.eye(3) + expected.view(3, 3))


def test_regression_begins_at_the_identity() -> None:
    config = PRESETS["tiny"].override(model={"pca": False}).model
    regions = RegionPredictor(config)(torch.rand(2, 3, *config.frame))
    torch.testing.assert_close(regions.affine, torch.eye(2).expand(2, 5, 2, 2))
    torch.testing.assert_close(regions.covariance, regions.affine)


def test_nothing_flows_between_equal_frames() -> None:
    """Whatever the weights of the motions are."""
    torch.manual_seed(0)
    frames = torch.rand(2, 3, *TINY.frame)
    regions = RegionPredictor(TINY)(frames)
    motion = FlowPredictor(TINY)(frames, regions, regions, torch.eye(3).expand(2, 3, 3))
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 32), indexing="ij")
    torch.testing.assert_close(motion.flow, torch.stack([x, y], -1).expand(2, -1, -1, -1), rtol=0, atol=1e-4)
    assert motion.weights.shape == (2, 6, 24, 32) and motion.confidence.shape == (2, 1, 24, 32)
    torch.testing.assert_close(motion.weights.sum(1), torch.ones(2, 24, 32))


def test_the_generator_shows_the_source_where_it_is_confident() -> None:
    """Moved by the flow, here mirrored; nothing of it where it is not."""
    torch.manual_seed(1)
    generator, frames = Generator(TINY).eval(), torch.rand(1, 3, *TINY.frame)
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(1, -1, 32), indexing="ij")
    sure = Motion(torch.stack([x, y], -1)[None], torch.ones(1, 1, 24, 32), torch.ones(1, 6, 24, 32))
    made, deformed = generator(frames, sure)
    torch.testing.assert_close(made, frames.flip(-1), rtol=0, atol=1e-4)
    torch.testing.assert_close(deformed, made)
    unsure = sure._replace(confidence=torch.zeros(1, 1, 24, 32))
    made, _ = generator(frames, unsure)
    assert torch.equal(made, generator(frames.flip(-1), unsure)[0])  # no pixel of the source


# AVD.


def test_numbers_are_regions() -> None:
    numbers = torch.arange(24.0).view(2, 12)
    regions = regions_of(numbers)
    assert regions.shift[1].tolist() == [[12, 13], [14, 15]] and regions.affine[0, 1].tolist() == [[8, 9], [10, 11]]
    assert torch.equal(numbers_of(regions.shift, regions.affine), numbers)
    assert regions.covariance[0, 0].tolist() == [[4 * 4 + 5 * 5, 4 * 6 + 5 * 7], [4 * 6 + 5 * 7, 6 * 6 + 7 * 7]]


def test_stretched_regions() -> None:
    """Means and covariances are those of a frame that is stretched."""
    stretched = scaled(regions_at([0.5, -0.25], [[0.2, 0.1], [0.0, 0.3]]), torch.tensor([[1.25, 0.8]]))
    stretch = np.diag([1.25, 0.8])
    np.testing.assert_allclose(stretched.shift[0, 0], stretch @ [0.5, -0.25], rtol=1e-6)
    before = np.array([[0.2, 0.1], [0.0, 0.3]])
    np.testing.assert_allclose(stretched.covariance[0, 0], stretch @ before @ before.T @ stretch, rtol=1e-5)


def test_the_identitys_axes_get_the_signs_of_the_pose() -> None:
    torch.manual_seed(2)
    config = ModelConfig(regions=3, avd_width=8, embedding=4)
    network = AVD(config).eval()
    identity, pose = (without_heatmaps(torch.randn(2, 3, 2), torch.randn(2, 3, 2, 2)) for _ in range(2))
    made = network(identity, pose)
    assert made.shift.shape == (2, 3, 2) and made.affine.shape == (2, 3, 2, 2)
    again = network(identity._replace(affine=-identity.affine), pose)
    torch.testing.assert_close(made.affine, again.affine)
    assert not torch.allclose(made.affine, network(identity, pose._replace(affine=-pose.affine)).affine)
