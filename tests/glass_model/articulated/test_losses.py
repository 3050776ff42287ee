"""Terms of the loss against hand-computed cases and scikit-image."""

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from glass_model.articulated import losses
from glass_model.articulated.avd import without_heatmaps
from glass_model.articulated.geometry import Warp, random_warp
from glass_model.articulated.networks import Regions


def regions(batch: int = 3, count: int = 4, seed: int = 0) -> Regions:
    generator = torch.Generator().manual_seed(seed)
    shift = torch.rand(batch, count, 2, generator=generator) * 1.6 - 0.8
    return without_heatmaps(shift, 0.2 * torch.randn(batch, count, 2, 2, generator=generator) + 0.3 * torch.eye(2))


def test_equivariance_is_exact_for_regions_that_follow_the_warp() -> None:
    """mu = T(mu') and A = J A', or minus that."""
    torch.manual_seed(0)
    warp, warped = random_warp(3, torch.device("cpu")), regions()
    followed = without_heatmaps(warp.points(warped.shift), warp.jacobian(warped.shift) @ warped.affine)
    assert losses.shift_loss(followed, warped, warp) < 1e-6
    assert losses.affine_loss(followed, warped, warp) < 1e-5
    assert losses.affine_loss(followed._replace(affine=-followed.affine), warped, warp) < 1e-5
    assert losses.shift_loss(warped, warped, warp) > 0.01 and losses.affine_loss(warped, warped, warp) > 0.01


def test_equivariance_by_hand() -> None:
    """A shift by (0.1, 0) that nothing followed, and maps of twice the size."""
    warp = Warp(torch.tensor([[[1.0, 0.0, 0.1], [0.0, 1.0, 0.0]]]), torch.zeros(1, 2), torch.zeros(1, 1))
    still = without_heatmaps(torch.zeros(1, 2, 2), torch.eye(2).expand(1, 2, 2, 2))
    assert losses.shift_loss(still, still, warp).item() == pytest.approx(0.05)
    assert losses.affine_loss(still, still._replace(affine=2 * still.affine), warp).item() == pytest.approx(0.5)


@pytest.mark.parametrize("size", [(48, 64), (9, 9)])
def test_ssim_is_that_of_scikit_image(size: tuple[int, int]) -> None:
    a = torch.rand(2, 3, *size, dtype=torch.float64)
    b = (a + 0.2 * torch.rand(2, 3, *size, dtype=torch.float64)).clamp(0, 1)
    expected = []
    for x, y in zip(a.numpy(), b.numpy(), strict=True):
        _, full = structural_similarity(x, y, win_size=7, data_range=1.0, channel_axis=0, use_sample_covariance=False, full=True)
        expected.append(full[:, 3:-3, 3:-3].mean())
    assert losses.ssim(a, b).item() == pytest.approx(np.mean(expected))
    assert losses.ssim_loss(a, a).item() == pytest.approx(0, abs=1e-12)


def test_the_pyramid_has_four_scales() -> None:
    """Of constant images, each scale has the same distance inside; the edge of the blurred ones is darker."""
    a, b = torch.zeros(1, 3, 256, 256), torch.full((1, 3, 256, 256), 0.5)
    assert losses.pyramid_loss(a, a) == 0
    assert 1.9 < losses.pyramid_loss(a, b).item() < 2.0
    assert losses.pyramid_loss(b, a) == losses.pyramid_loss(a, b)


def test_the_perceptual_term_is_the_sum_of_twenty_distances() -> None:
    """Five layers at four scales, of images in [-1, 1]; the true ones get no gradient."""
    calls = []

    def features(image: torch.Tensor) -> list[torch.Tensor]:
        calls.append(tuple(image.shape[-2:]))
        assert image.min() >= -1 - 1e-6 and image.max() <= 1 + 1e-6
        return [image.mean((2, 3))] * 5

    made, true = torch.full((1, 3, 128, 128), 0.25, requires_grad=True), torch.full((1, 3, 128, 128), 0.75, requires_grad=True)
    loss = losses.perceptual_loss(features, made, true)
    loss.backward()
    assert calls == [size for side in (128, 64, 32, 16) for size in [(side, side)] * 2]
    assert 18 < loss.item() < 20  # each is 2 * 0.5, less at the edge
    assert made.grad is not None and true.grad is None


def test_avd_compares_means_and_maps() -> None:
    a, b = regions(seed=1), regions(seed=2)
    shift, affine = losses.avd_loss(a, b)
    np.testing.assert_allclose(shift, np.abs(a.shift.numpy() - b.shift.numpy()).mean(), rtol=1e-6)
    np.testing.assert_allclose(affine, np.abs(a.affine.numpy() - b.affine.numpy()).mean(), rtol=1e-6)
