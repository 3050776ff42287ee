"""Layered as a system: what the training loop and the list of systems know of it."""

from collections.abc import Iterator

import cv2
import numpy as np
import torch
from torch import Tensor

from glass_model.layered import losses
from glass_model.layered.config import PRESETS, Config
from glass_model.layered.control import bins
from glass_model.layered.model import Layered, Result
from glass_model.perceptual import VGG19, load_vgg
from glass_model.quantize import code_usage
from glass_model.systems import Turn
from glass_model.training.device import Setup
from glass_model.training.strips import Column, Strip, images
from wsprites.errors import ArgumentError

__all__ = ["PRESETS", "LayeredSystem", "network", "strip", "system"]

_BETAS = (0.5, 0.9)  # of Adam
_REVIVE_EVERY = 50  # steps after which vectors of the codebook that are hardly used get another place
_STRIP_COLUMNS = 8  # pairs in a strip
_TRANSITIONS = 512  # that the translations of codes are found from, at least
_LEAST_MOTION = 1.0  # px at the model's size: shorter motions are standing still


def network(config: Config) -> Layered:
    """The network of a configuration."""
    return Layered(config.model)


def system(config: Config, setup: Setup) -> "LayeredSystem":
    """Layered and its two optimisers, ready to be trained. Raises ArgumentError for a GMA, which it does not have."""
    return LayeredSystem(config, setup)


class LayeredSystem:
    """Layered in training. One optimiser learns the generator, and in stage 1 the mask network; the other one the discriminator."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.config, fused = config, setup.speed.fused or None
        setup.check_alone("Layered")
        loss = config.loss
        if loss.gan and not (loss.rec or (loss.perceptual and setup.vgg)):
            raise ArgumentError("settings", "the weight of GAN is measured against REC or PERC: set loss.rec above 0, or loss.gan to 0")
        self._features: VGG19 | None = load_vgg(setup.vgg).to(setup.device) if setup.vgg else None
        self.network = network(config).to(setup.device).train()
        judge = self.network.discriminator
        judged = {id(parameter) for parameter in judge.parameters()}
        makers = [parameter for parameter in self.network.parameters() if id(parameter) not in judged]
        train = config.train
        self._maker, self._judge = (
            torch.optim.Adam(parameters, lr=train.rate, betas=_BETAS, weight_decay=train.weight_decay, fused=fused)
            for parameters in (makers, list(judge.parameters()))
        )
        self.optimizers = (self._maker, self._judge)
        self._last: Result | None = None

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """The turn of the generator and the masks, and, from `train.gan_step` on, that of the discriminator."""
        network, train, config = self.network, self.config.train, self.config.loss
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = train.rate_at(step)
        stage = 2 if step >= train.stage else 1
        network.mask.train(stage == 1)  # masks that are not learned any more do not depend on the batch
        x = network.to_model(frames)
        result: Result = network(x[:, :-1].flatten(0, 1), x[:, 1:].flatten(0, 1), stage=stage, both=config.union)
        weights = losses.weights(self.config, step)
        terms = losses.terms(result, config, weights, self._features)
        self._last = result
        if network.config.averaged:
            latent = result.latent.detach().movedim(2, -1).flatten(0, -2)
            network.codebook.update(latent, result.codes, revive=step % _REVIVE_EVERY == 0)
        usage = code_usage(result.codes, network.config.codebook)
        schedule = {"stage": stage, "ratio": train.ratio_at(step)}

        # The two turns. Without GAN the discriminator has none.
        if not (config.gan and step >= train.gan_step):
            yield Turn(self._maker, losses.total(terms, weights), terms, usage, schedule)
            return
        judge = network.discriminator.requires_grad_(False)  # sees frames, but does not learn from them
        adversary = losses.adversary_loss(judge(result.frame))
        similar = losses.total({name: term for name, term in terms.items() if name in ("rec", "perceptual")}, weights)
        last = network.decoder[-1].weight
        assert isinstance(last, Tensor)
        weight = config.gan * losses.adaptive_weight(similar, adversary, last)
        loss = losses.total(terms, weights, [weight * adversary])
        yield Turn(self._maker, loss, terms | {"gan": adversary, "gan_weight": weight}, usage, schedule)
        judge.requires_grad_(True)
        judged = losses.discriminator_loss(judge(result.after), judge(result.frame.detach()))
        yield Turn(self._judge, judged, {"discriminator": judged})

    def strip(self) -> list[Strip]:
        """The first pairs of the last batch; see `strip`."""
        return strip(self._last, self.config.train.window - 1) if self._last else []

    @torch.no_grad()
    def finish(self, batches: Iterator[Tensor]) -> None:
        """Find the translations of codes, from transitions of further batches."""
        network, shifts, seen = self.network, list[Tensor](), 0
        mode = network.training
        network.eval()
        while seen < max(_TRANSITIONS, 4 * network.config.codes):
            shift = network.infer(network.to_model(next(batches))).shift
            assert shift is not None
            shifts.append(shift.clone().flatten(0, 1))
            seen += len(shifts[-1])
        network.train(mode)
        found = translations(torch.cat(shifts).cpu(), network.config.codes, network.config.binning)
        if found is not None:
            network.translations.copy_(found)


def translations(shift: Tensor, codes: int, binning: str) -> Tensor | None:
    """The translations of K codes, (K, 2) pixels; the shortest one is the first.

    Args:
        shift: (N, 2) pixels, N >= K, on the CPU: what was read of transitions.
        codes: K.
        binning: "bins": none, left, right, up and down, as far as the median of the motions of a pixel or more. "kmeans": centres of
            clusters.

    Returns:
        The translations; None with "bins" if nothing moves.
    """
    if binning == "bins":
        moving = shift.norm(dim=1)
        moving = moving[moving >= _LEAST_MOTION]
        return bins(moving.median()) if len(moving) else None
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 100, 1e-4)
    cv2.setRNGSeed(0)
    labels = np.empty((len(shift), 1), np.int32)
    _, _, centres = cv2.kmeans(shift.numpy(), codes, labels, stop, 5, cv2.KMEANS_PP_CENTERS)
    by_length = torch.from_numpy(np.asarray(centres))
    return by_length[by_length.norm(dim=1).argsort()]


@torch.no_grad()
def strip(result: Result, transitions: int) -> list[Strip]:
    """The first pairs of a batch, with a column for each.

    Args:
        transitions: pairs that each sequence of the batch has, which follow each other.
    """
    rows = (
        ("frame before", result.before),
        ("true frame", result.after),
        ("generated", result.frame),
        ("mask before", 2 * result.mask - 1),
        ("control mask", 2 * result.control - 1),
    )
    places = (divmod(n, transitions) for n in range(min(_STRIP_COLUMNS, len(result.frame))))
    return [Strip([Column(clip, t + 1, t) for clip, t in places], [(name, images(row[:_STRIP_COLUMNS])) for name, row in rows])]
