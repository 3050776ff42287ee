"""The terms of the loss: pure functions from tensors to a scalar. Images are (B, 3, H, W) in [0, 1], regions those of `networks`."""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.articulated.config import LossConfig
from glass_model.articulated.geometry import Warp, antialiased, inverse, positive
from glass_model.articulated.model import Result
from glass_model.articulated.networks import Regions
from glass_model.perceptual import Features
from glass_model.terms import total as total
from glass_model.terms import weighted

SCALES = (1, 2, 4, 8)
"""Factors by which frames are scaled down for the terms of reconstruction."""
_WINDOW = 7  # pixels of the side of SSIM's window
_C1, _C2 = 0.01**2, 0.03**2  # of SSIM (Wang et al., 2004)


def perceptual_loss(features: Features, made: Tensor, true: Tensor) -> Tensor:
    """PERC: L1 distances of the features of five layers at four scales, summed; the true ones get no gradient.

    Args:
        features: VGG19, which takes images in [-1, 1].
        made: the frames that were made.
        true: the true frames.
    """
    terms = []
    for down in SCALES:
        with torch.no_grad():
            wanted = features(2 * antialiased(true, down) - 1)
        terms += [F.l1_loss(a, b) for a, b in zip(features(2 * antialiased(made, down) - 1), wanted, strict=True)]
    return torch.stack(terms).sum()


def pyramid_loss(made: Tensor, true: Tensor) -> Tensor:
    """PYR: L1 distances at four scales, summed."""
    return torch.stack([F.l1_loss(antialiased(made, down), antialiased(true, down)) for down in SCALES]).sum()


def ssim_loss(made: Tensor, true: Tensor) -> Tensor:
    """SSIM: (1 - structural similarity) / 2, summed over the scales whose sides are 8 pixels or more."""
    scales = [down for down in SCALES if min(made.shape[-2:]) // down > _WINDOW]
    return torch.stack([(1 - ssim(antialiased(made, down), antialiased(true, down))) / 2 for down in scales]).sum()


def ssim(a: Tensor, b: Tensor) -> Tensor:
    """Structural similarity of images in [0, 1], with uniform windows of 7 x 7 inside of them; mean over images, colours and places."""
    mean_a, mean_b, aa, bb, ab = (F.avg_pool2d(x, _WINDOW, 1) for x in (a, b, a * a, b * b, a * b))
    variances, covariance = aa - mean_a.square() + bb - mean_b.square(), ab - mean_a * mean_b
    value = (2 * mean_a * mean_b + _C1) * (2 * covariance + _C2) / ((mean_a.square() + mean_b.square() + _C1) * (variances + _C2))
    return value.mean()


def shift_loss(regions: Regions, warped: Regions, warp: Warp) -> Tensor:
    """EQ-SHIFT: mean |mu - T(mu')|, where the regions' means in a warped frame are mu'."""
    return (regions.shift - warp.points(warped.shift)).abs().mean()


def affine_loss(regions: Regions, warped: Regions, warp: Warp) -> Tensor:
    """EQ-AFFINE: mean |I - A^-1 J A'|, where J is the derivative of T at mu' and the product has a positive entry (0, 0)."""
    product = positive(inverse(regions.affine) @ (warp.jacobian(warped.shift) @ warped.affine))
    return (torch.eye(2, device=product.device) - product).abs().mean()


def avd_loss(made: Regions, true: Regions) -> tuple[Tensor, Tensor]:
    """L1 distances of the means, and of the affine maps, of regions that AVD made from the true ones."""
    return F.l1_loss(made.shift, true.shift), F.l1_loss(made.affine, true.affine)


def terms(result: Result, true: Tensor, warp: Warp, config: LossConfig, features: Features | None = None) -> dict[str, Tensor]:
    """All terms with a weight above 0, unweighted, by their names in LossConfig.

    Args:
        result: output of the network.
        true: the driving frames.
        warp: the warp that `result.warped` was found under.
        config: weights.
        features: network of the perceptual term; None leaves it out.
    """
    all_terms: dict[str, Callable[[], Tensor]] = {}
    if features:
        all_terms["perceptual"] = lambda: perceptual_loss(features, result.made, true)
    return weighted(
        all_terms
        | {
            "pyramid": lambda: pyramid_loss(result.made, true),
            "ssim": lambda: ssim_loss(result.made, true),
            "eq_shift": lambda: shift_loss(result.driving, result.warped, warp),
            "eq_affine": lambda: affine_loss(result.driving, result.warped, warp),
        },
        config,
    )
