"""The seven terms of CADDY's loss: pure functions from tensors to a scalar. Images are (B, T, 3, H, W), the largest scale first."""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.caddy.config import LossConfig
from glass_model.caddy.model import Result
from glass_model.caddy.networks import LEAST_VARIANCE, Gaussian
from glass_model.perceptual import Features
from glass_model.terms import total as total
from glass_model.terms import weighted

LEAST_PROBABILITY = 2.0**-52
"""Probabilities below count as this one in the logarithms of MI."""
LEAST_RATIO_VARIANCE = 0.05
"""Variances below count as this one in STATE-KL."""


def rec_loss(made: Sequence[Tensor], frames: Tensor) -> Tensor:
    """REC: L1 distance from the true frames, scaled bilinearly to each scale; mean over the scales."""
    return torch.stack([F.l1_loss(image, scaled(frames, image)) for image in made]).mean()


def scaled(frames: Tensor, image: Tensor) -> Tensor:
    """Frames (B, T, 3, H, W), scaled bilinearly to the size of an image."""
    flat = F.interpolate(frames.flatten(0, 1), image.shape[-2:], mode="bilinear", align_corners=False)
    return flat.reshape(*frames.shape[:3], *image.shape[-2:])


def perceptual_loss(features: Features, made: Sequence[Tensor], frames: Tensor, *, clean: bool) -> Tensor:
    """PERC: L1 distances of the features of each layer, summed over the layers; mean over the scales.

    The authors' code sums in place, so that the first distance becomes the total and is added once more: it trains
    L1 + 2 (L2 + ... + L5). `clean` is the plain sum.
    """
    terms = []
    for image in made:
        with torch.no_grad():
            wanted = features(scaled(frames, image).flatten(0, 1))
        distances = [F.l1_loss(a, b) for a, b in zip(features(image.flatten(0, 1)), wanted, strict=True)]
        total = torch.stack(distances).sum()
        terms.append(total if clean else 2 * total - distances[0])
    return torch.stack(terms).mean()


def state_loss(made: Tensor, true: Tensor) -> Tensor:
    """STATE, and HID: mean squared distance from the true states, which get no gradient."""
    return F.mse_loss(made, true.detach())


def kl_loss(direction: Gaussian) -> Tensor:
    """KL: divergence of directions from the standard normal distribution, summed over the axes; mean over the transitions."""
    mean, variance = direction.mean, direction.variance.clamp_min(LEAST_VARIANCE)
    return (0.5 * (variance + mean.square() - 1 - variance.log())).sum(-1).mean()


def joint_distribution(true: Tensor, made: Tensor) -> Tensor:
    """(K, K), the symmetric joint distribution of two readings of the same transitions, (..., K) probabilities each."""
    product = true.flatten(0, -2).T @ made.flatten(0, -2)
    product = product + product.T
    return product / product.sum()


def mi_loss(joint: Tensor) -> Tensor:
    """MI: minus the mutual information of a joint distribution, in nats: -log K at least, 0 for independent readings."""
    log, log_row, log_column = (p.clamp_min(LEAST_PROBABILITY).log() for p in (joint, joint.sum(1, keepdim=True), joint.sum(0)))
    return -(joint * (log - log_row - log_column)).sum()


def state_kl_loss(made: Gaussian, true: Gaussian) -> Tensor:
    """STATE-KL: divergence of the places of reconstructed frames from those of true ones, summed over the axes; mean over the frames.

    The true places and all variances get no gradient, and no variance counts as less than 0.05.
    """
    ours, theirs = (place.variance.detach().clamp_min(LEAST_RATIO_VARIANCE) for place in (made, true))
    squares = (made.mean - true.mean.detach()).square()
    return (0.5 * ((theirs / ours).log() + (ours + squares) / theirs - 1)).sum(-1).mean()


def terms(frames: Tensor, result: Result, joint: Tensor, config: LossConfig, features: Features | None = None) -> dict[str, Tensor]:
    """All terms with a weight above 0, unweighted, by their names in LossConfig.

    Args:
        frames: true frames, (B, T, 3, H, W) in [-1, 1].
        result: output of the network for these frames.
        joint: (K, K) joint distribution of actions read from true and from reconstructed frames, for MI.
        config: weights, and the numbers that define terms.
        features: network of the perceptual terms; None leaves PERC out.
    """
    shown = frames[:, -result.images[0].shape[1] :]  # the first frame is not reconstructed after pretraining
    all_terms: dict[str, Callable[[], Tensor]] = {"rec": lambda: rec_loss(result.images, shown)}
    if features:
        all_terms["perceptual"] = lambda: perceptual_loss(features, result.images, shown, clean=config.clean)
    all_terms["state"] = lambda: state_loss(result.made.state, result.true.state)
    if result.hidden:
        predicted, decoded = result.hidden
        all_terms["hidden"] = lambda: state_loss(predicted, decoded)
    all_terms |= {
        "kl": lambda: kl_loss(result.actions.direction),
        "mi": lambda: mi_loss(joint),
        "state_kl": lambda: state_kl_loss(result.actions_made.frames, result.actions.frames),
    }
    return weighted(all_terms, config)
