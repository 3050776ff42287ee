"""The terms of the loss: pure functions from tensors to a scalar. Images are (M, 3, h, w) in [-0.5, 0.5]."""

from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.images import to_normalised
from glass_model.lam.bottleneck import spread
from glass_model.lam.config import LossConfig
from glass_model.lam.model import Result
from glass_model.terms import total as total
from glass_model.terms import weighted

_LEAST_SHARE, _LEAST_SCORE = 1e-3, 1e-4  # of codes that are divided by, and of scores before the logarithm


def rec_loss(frame: Tensor, target: Tensor, mask: Tensor | None = None, outside: float = 1.0) -> Tensor:
    """REC: mean squared difference; with masks (M, 1, h, w) in 0 to 1, that inside counts once and that outside `outside` times."""
    square = (frame - target).square()
    return square.mean() if mask is None else (square * (outside + (1 - outside) * mask)).mean()


def label_loss(logits: Tensor, label: Tensor, known: Tensor) -> Tensor:
    """LABEL: cross-entropy of (M, A) logits and (M,) labels, mean over the transitions whose label is known, (M,) bool; 0 if none is."""
    each = F.cross_entropy(logits, label, reduction="none")
    return (each * known).sum() / known.sum().clamp_min(1)


def place_loss(middle: Tensor, true: Tensor, known: Tensor, size: tuple[int, int]) -> Tensor:
    """PLACE: mean distance in x and y of places (M, 2), where 1 is half the width or height, over those with a known truth, (M,) bool."""
    each = to_normalised(middle - true, size).abs().mean(1)
    return (each * known).sum() / known.sum().clamp_min(1)


def zero_loss(still: Tensor, vectors: Tensor, margin: float) -> Tensor:
    """ZERO: how much longer vectors of a frame and itself are than `margin`, in units of the root mean square length of `vectors`.

    Both are (M, D). That length has no gradient: growing vectors gain nothing.
    """
    length = vectors.detach().square().sum(1).mean().clamp_min(1e-12).sqrt()
    return F.relu(still.square().sum(1).clamp_min(1e-12).sqrt() / length - margin).mean()


def persist_loss(share: Tensor, near: int, far: int) -> Tensor:
    """PERSIST: how hard it is to find the transitions that follow a transition, among all of its sequence, by their codes; nats.

    InfoNCE (van den Oord et al., 2018) with the critic log sum_k p_k q_k / m_k, p of a transition, q of another one, m the mean of all. The
    transitions `near` to `far` after each are to be found; those nearer than `near`, before or after it, are left out. What is the same in
    the whole sequence, such as the character, finds nothing. Gradients reach p and m, not q: the code of a transition follows those that
    come after it, and not the reverse.

    Args:
        share: (B, N, K) probabilities of the codes of N transitions of each sequence, N > far.
        near, far: see above.
    """
    mean = share.mean((0, 1)).clamp_min(_LEAST_SHARE)
    scores = ((share / mean) @ share.detach().transpose(1, 2) + _LEAST_SCORE).log()
    at = torch.arange(share.shape[1], device=share.device)
    after = at - at[:, None]
    likely = scores.masked_fill(after.abs() < near, -torch.inf).log_softmax(2)
    follows = (after >= near) & (after <= far)
    asked = follows.any(1)
    each = -torch.where(follows, likely, 0.0).sum(2) / follows.sum(1).clamp_min(1)
    return each[:, asked].mean()


def entropy_loss(share: Tensor) -> Tensor:
    """ENTROPY: minus the entropy of the codes of each sequence, (B, N, K) probabilities, in nats: least where all are equally frequent."""
    mean = share.mean(1)
    return torch.xlogy(mean, mean.clamp_min(1e-6)).sum(1).mean()


def terms(
    result: Result,
    config: LossConfig,
    *,
    mask: Tensor | None = None,
    label: tuple[Tensor, Tensor, Tensor] | None = None,
    place: tuple[Tensor, Tensor, Tensor, tuple[int, int]] | None = None,
    lags: tuple[int, int] = (2, 4),
) -> dict[str, Tensor]:
    """All terms with a weight above 0, unweighted, by their names in LossConfig.

    Args:
        result: output of the network.
        config: weights, and the numbers that define terms.
        mask: (M, 1, h, w) the figure in the next frames; None counts all pixels alike.
        label: what `label_loss` takes.
        place: what `place_loss` takes.
        lags: `near` and `far` of `persist_loss`.
    """
    all_terms: dict[str, Callable[[], Tensor]] = {"rec": lambda: rec_loss(result.frame, result.target, mask, config.outside)}
    all_terms |= {name: partial(torch.clone, term) for name, term in result.through.terms.items()}
    if result.latent:
        predicted, true, before = result.latent
        all_terms |= {"latent": lambda: F.mse_loss(predicted, true), "variance": lambda: spread(before)}
    if label:
        all_terms["label"] = lambda: label_loss(*label)
    if (still := result.still) is not None:
        all_terms["zero"] = lambda: zero_loss(still, result.through.vector, config.margin)
    if (share := result.share) is not None:
        all_terms |= {"persist": lambda: persist_loss(share, *lags), "entropy": lambda: entropy_loss(share)}
    if place:
        all_terms["place"] = lambda: place_loss(*place)
    return weighted(all_terms, config)


@torch.no_grad()
def logged(result: Result) -> dict[str, Tensor]:
    """Numbers for people: copying the last frame, and the standard deviation of true encodings, which is 0 after a collapse."""
    extra = {"copy": F.mse_loss(result.before, result.target)}
    if result.latent:
        extra["latent_std"] = result.latent[1].std(0).mean()
    return extra
