"""The terms of Layered's loss: pure functions from tensors to a scalar. Images are (N, 3, H, W) in [-1, 1], masks (N, 1, H, W).

Numbers of equations are those of the paper. In stage 1 masks learn from what changes between two true frames, so that BG, SIZE and BIN have
gradients for masks alone.
"""

from collections.abc import Callable, Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.layered.config import Config, LossConfig
from glass_model.layered.model import Result
from glass_model.perceptual import Features

LARGEST_WEIGHT = 1e4
"""The most that the adaptive weight of GAN can be."""
_LEAST_GRADIENT = 1e-4


def perceptual_loss(features: Features, made: Tensor, target: Tensor) -> Tensor:
    """PERC (Eq. 10): L1 distances of the features of each layer, summed over the layers."""
    with torch.no_grad():
        wanted = features(target)
    return torch.stack([F.l1_loss(a, b) for a, b in zip(features(made), wanted, strict=True)]).sum()


def vq_loss(latent: Tensor, nearest: Tensor, commitment: float) -> Tensor:
    """VQ: mean squares that draw latents to their vectors and, weighted by `commitment`, vectors to their latents."""
    return F.mse_loss(latent, nearest.detach()) + commitment * F.mse_loss(nearest, latent.detach())


def grey(image: Tensor, blue: float) -> Tensor:
    """Grey levels, (N, 1, H, W), with weights of 0.299 for red, 0.587 for green, and that of blue."""
    return 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + blue * image[:, 2:]


def changed(before: Tensor, after: Tensor, config: LossConfig) -> Tensor:
    """1 for pixels whose grey level changes by more than a threshold, otherwise 0; (N, 1, H, W)."""
    return ((grey(before, config.blue) - grey(after, config.blue)).abs() > config.change).float()


def bg_loss(mask: Tensor, before: Tensor, after: Tensor, known: Tensor | None = None) -> Tensor:
    """BG (Eq. 12): what changes outside of the mask, mean |(1 - m) (after - before)|. `known` is 0 where nothing is known of `before`."""
    outside = (1 - mask) * (after - before)
    return (outside if known is None else outside * known).abs().mean()


def size_loss(mask: Tensor, change: Tensor, *, of_batch: bool = False) -> Tensor:
    """SIZE (Eq. 14): by how much the share of the frame that the mask covers is above the share that changes, 0 where it is below.

    Args:
        mask: (N, 1, H, W).
        change: (N, 1, H, W), from `changed`.
        of_batch: whether the shares are means over the batch. False: the mean of what each frame is above.
    """
    more = mask.mean((1, 2, 3)) - change.mean((1, 2, 3))
    return more.mean().relu() if of_batch else more.relu().mean()


def bin_loss(mask: Tensor) -> Tensor:
    """BIN (Eq. 15): distance of a mask from 0 and 1, mean min(m, 1 - m)."""
    return torch.minimum(mask, 1 - mask).mean()


def inside_loss(mask: Tensor, made: Tensor, after: Tensor) -> Tensor:
    """BG-MADE (Eq. 19), for a mask of what is outside; FG-MADE, for one of what is inside: mean |m (after - made)|."""
    return (mask * (after - made)).abs().mean()


def adversary_loss(made: Tensor) -> Tensor:
    """GAN: minus the mean of what the discriminator says of frames that were made."""
    return -made.mean()


def discriminator_loss(true: Tensor, made: Tensor) -> Tensor:
    """Hinge loss of what the discriminator says of true frames, which should be above 1, and of made ones, which should be below -1."""
    return 0.5 * ((1 - true).relu().mean() + (1 + made).relu().mean())


def adaptive_weight(rec: Tensor, adversary: Tensor, weight: Tensor) -> Tensor:
    """The weight of GAN at which its gradient is as long as that of REC, both at one weight of the network; without gradient."""
    lengths = [torch.autograd.grad(loss, weight, retain_graph=True)[0].norm() for loss in (rec, adversary)]
    ratio: Tensor = (lengths[0] / (lengths[1] + _LEAST_GRADIENT)).clamp(0, LARGEST_WEIGHT)
    return ratio.detach()


def weights(config: Config, step: int) -> dict[str, float]:
    """The weights of all terms but GAN at a step, by their names in the log."""
    loss, train = config.loss, config.train
    common = {"rec": loss.rec, "perceptual": loss.perceptual, "vq": loss.vq * config.model.quantised}
    if step >= train.stage:
        return common | {"bg_made": loss.bg_made, "fg_made": loss.fg_made}
    bg = loss.bg_late if step >= train.late_step else loss.bg
    return common | {"bg": bg, "size": bg / train.ratio_at(step), "bin": loss.bin}


def terms(result: Result, config: LossConfig, wanted: Mapping[str, float], features: Features | None = None) -> dict[str, Tensor]:
    """The terms that have a weight, unweighted, by their names.

    Args:
        result: output of the network.
        config: numbers that define terms.
        wanted: weights by name; a term without one, or with 0, is left out.
        features: network of the perceptual term; None leaves PERC out.
    """
    made, after, before, mask = result.frame, result.after, result.before, result.mask
    covered = 1 - (1 - mask) * (1 - result.mask_after) if config.union and result.mask_after is not None else mask
    all_terms: dict[str, Callable[[], Tensor]] = {
        "rec": lambda: F.l1_loss(made, after),
        "vq": lambda: len(result.latent) * vq_loss(result.latent, result.nearest, config.commitment),  # the sum over both layers
        "bg": lambda: bg_loss(covered, before, after, result.known),
        "size": lambda: size_loss(mask, changed(before, after, config) * result.known, of_batch=config.batch_size_prior),
        "bin": lambda: bin_loss(mask),
        "bg_made": lambda: inside_loss(1 - result.control, made, after),
        "fg_made": lambda: inside_loss(result.control, made, after),
    }
    if features:
        all_terms["perceptual"] = lambda: perceptual_loss(features, made, after)
    return {name: term() for name, term in all_terms.items() if wanted.get(name)}


def total(terms: Mapping[str, Tensor], weights: Mapping[str, float], others: Sequence[Tensor] = ()) -> Tensor:
    """The weighted sum of the terms, and of others that have their weights already."""
    return torch.stack([*(weights[name] * term for name, term in terms.items()), *others]).sum()
