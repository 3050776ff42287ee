"""The terms of the loss: pure functions from tensors to a scalar, a mean over all batch axes. Images are (..., C, H, W).

Names are those of the paper (section 3 and its supplement). Weights of pixels carry no gradient.
"""

from collections.abc import Callable, Sequence
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.glass.config import LossConfig
from glass_model.glass.figure import View
from glass_model.glass.gma import Motion
from glass_model.glass.lma import Local
from glass_model.images import downscale
from glass_model.perceptual import Features
from glass_model.terms import total as total
from glass_model.terms import weighted

MOTION_FLOOR = 0.001
"""Weight of a pixel that does not change, in RECJ."""


def bin_loss(mask: Tensor) -> Tensor:
    """BIN: distance of a mask from 0 and 1, mean min(m, 1 - m)."""
    return torch.minimum(mask, 1 - mask).mean()


def size_loss(mask: Tensor, size: float) -> Tensor:
    """SIZE: mean over the frames of |share of the frame that the mask covers - size|."""
    return (mask.mean((-3, -2, -1)) - size).abs().mean()


def recf_loss(foreground: Tensor, moved: Tensor) -> Tensor:
    """RECF: mean squared difference between the foreground of t + 1 and the moved one of t."""
    return F.mse_loss(moved, foreground)


def recb_loss(background: Tensor, moved: Tensor, power: int = 1) -> Tensor:
    """RECB: L1 distance between the background of t + 1 and the moved one of t; with power 2 the mean squared difference."""
    return F.mse_loss(moved, background) if power == 2 else F.l1_loss(moved, background)


def recj_loss(frame: Tensor, before: Tensor, made: Tensor, made_before: Tensor) -> Tensor:
    """RECJ: L1 distance between a frame and GMA's prediction, weighted by how much either changed.

    Args:
        frame: true frame t + 1.
        before: true frame t.
        made: GMA's frame t + 1.
        made_before: GMA's frame t.
    """
    return (motion_weight(frame - before, made - made_before, floor=MOTION_FLOOR) * (made - frame).abs()).mean()


def motion_weight(*changes: Tensor, floor: float) -> Tensor:
    """Weights of pixels, (..., 1, H, W): the sum over changes and channels of absolute values, plus a floor, without gradient."""
    return torch.stack([change.detach().abs().sum(-3, keepdim=True) for change in changes]).sum(0) + floor


def vq_loss(direction: Tensor, code: Tensor, commitment: float) -> Tensor:
    """VQ: mean squares that draw the code vector to the direction and, weighted by `commitment`, the direction to its code vector."""
    return F.mse_loss(code, direction.detach()) + commitment * F.mse_loss(direction, code.detach())


def recu_loss(made: Sequence[Tensor], foreground: Tensor, before: Tensor, fed: Tensor, floor: float = 0.001) -> Tensor:
    """RECU: L1 distance of the next foreground at every scale, weighted by how much the true or the predicted one changed.

    Args:
        made: predicted foreground t + 1, from small to full size, (..., 3, h, w).
        foreground: true foreground t + 1, (..., 3, H, W).
        before: true foreground t.
        fed: input of the dynamics at t, true or predicted.
        floor: weight of a pixel that does not change.
    """
    weight = motion_weight(foreground - before, made[-1] - fed, floor=floor)
    return multiscale(made, foreground, weight)


def recs_loss(made: Sequence[Tensor], foreground: Tensor, moved: Tensor) -> Tensor:
    """RECS: as RECU, weighted by what a shift does not explain; `moved` is the foreground of t moved by GMA's shift."""
    weight = motion_weight(foreground - moved, foreground - made[-1], floor=0.0)
    return multiscale(made, foreground, weight)


def multiscale(made: Sequence[Tensor], target: Tensor, weight: Tensor) -> Tensor:
    """Mean over the scales of the weighted L1 distance, with target and weight averaged down to each scale."""
    terms = []
    for image in made:
        target_here, weight_here = (downscale(x, image.shape[-2:]) for x in (target, weight))
        terms.append((weight_here * (image - target_here).abs()).mean())
    return torch.stack(terms).mean()


def msk_loss(mask: Tensor, target: Tensor) -> Tensor:
    """MSK: L1 distance between LMA's mask and GMA's."""
    return F.l1_loss(mask, target)


def cyc_loss(made: Tensor, true: Tensor) -> Tensor:
    """CYC: L1 distance between encoder states of the predicted and of the true next foreground."""
    return F.l1_loss(made, true)


def perceptual_loss(features: Features, made: Sequence[Tensor], target: Tensor) -> Tensor:
    """VGG and LMA-VGG: the sum over layers of the L1 distance of features, averaged over the scales of `made`."""
    terms = []
    for image in made:
        with torch.no_grad():
            wanted = features(downscale(target, image.shape[-2:]).flatten(0, -4))
        terms.append(sum((F.l1_loss(a, b) for a, b in zip(features(image.flatten(0, -4)), wanted, strict=True)), image.new_zeros(())))
    return torch.stack(terms).mean()


def global_terms(frames: Tensor, motion: Motion, config: LossConfig, features: Features | None = None) -> dict[str, Tensor]:
    """The terms of GMA with a weight above 0, unweighted, by their names in LossConfig.

    Args:
        frames: true frames, (B, T, 3, H, W) in [-1, 1], as GMA sees them.
        motion: output of GMA.
        config: weights, and the numbers that define terms.
        features: network of the perceptual term; None leaves out VGG.
    """
    parts, moved = motion.parts, motion.moved
    made_before = torch.cat([frames[:, :1], motion.frame[:, :-1]], 1)  # GMA predicts no first frame
    terms: dict[str, Callable[[], Tensor]] = {
        "bin": lambda: bin_loss(parts.mask),
        "size": lambda: size_loss(parts.mask, config.mask_size),
        "recf": lambda: recf_loss(parts.foreground[:, 1:], moved.foreground),
        "recb": lambda: recb_loss(parts.background[:, 1:], moved.background, config.recb_power),
        "recj": lambda: recj_loss(frames[:, 1:], frames[:, :-1], motion.frame, made_before),
    }
    terms |= {name: partial(motion.known.__getitem__, name) for name in motion.known}
    if features:
        terms["vgg"] = lambda: perceptual_loss(features, [motion.frame], frames[:, 1:])
    return weighted(terms, config)


def local_terms(view: View, local: Local, config: LossConfig, features: Features | None = None) -> dict[str, Tensor]:
    """The terms of LMA with a weight above 0, unweighted, by their names in LossConfig.

    Args:
        view: what LMA sees.
        local: output of LMA.
        config: weights, and the numbers that define terms.
        features: network of the perceptual term; None leaves out LMA-VGG.
    """
    made, after, before = local.decoded.images, view.foreground[:, 1:], view.foreground[:, :-1]
    terms: dict[str, Callable[[], Tensor]] = {
        "vq": lambda: vq_loss(local.action.direction, local.codes, config.commitment),
        "recu": lambda: recu_loss(made, after, before, local.fed, config.recu_floor),
        "recs": lambda: recs_loss(made, after, view.moved),
        "msk": lambda: msk_loss(local.decoded.mask, view.mask[:, 1:]),
        "cyc": lambda: cyc_loss(local.state_decoded, local.state_true),
    }
    if features:
        terms["lma_vgg"] = lambda: perceptual_loss(features, made, after)
    return weighted(terms, config)
