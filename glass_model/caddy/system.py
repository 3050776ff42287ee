"""CADDY as a system: what the training loop and the list of systems know of it."""

from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from glass_model.blocks import keep_statistics_apart
from glass_model.caddy import losses
from glass_model.caddy.config import PRESETS, Config
from glass_model.caddy.model import CADDY, Result
from glass_model.perceptual import Features, load_vgg
from glass_model.quantize import code_usage
from glass_model.systems import Turn
from glass_model.training.device import Setup
from glass_model.training.strips import Column, Strip, images
from wsprites.errors import ArgumentError

__all__ = ["PRESETS", "CaddySystem", "network", "strip", "system"]

_STRIP_ROWS = 2  # sequences in a strip
_LEAST_FOR_VGG = 64  # pixels of a side: the smallest scale is a quarter, and VGG19 halves it four times


def network(config: Config) -> CADDY:
    """The network of a configuration."""
    return CADDY(config.model)


def system(config: Config, setup: Setup) -> "CaddySystem":
    """CADDY and its optimiser, ready to be trained. Raises ArgumentError for frames too small for the perceptual term, or a GMA."""
    return CaddySystem(config, setup)


class CaddySystem:
    """CADDY in training: one optimiser, which learns from all terms at once."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.config, speed, model = config, setup.speed, config.model
        setup.check_alone("CADDY")
        self._features: Features | None = None
        if setup.vgg:
            if min(model.height, model.width) < _LEAST_FOR_VGG:
                problem = f"frames of {model.height} x {model.width} px are too small for VGG19 at a quarter of their size"
                raise ArgumentError("vgg", f"{problem}; leave it out, or set model.height and model.width to {_LEAST_FOR_VGG} or more")
            self._features = partial(load_vgg(setup.vgg).to(setup.device), normalise=False)
        self.network = network(config).to(setup.device).train()
        train = config.train
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=train.rate, weight_decay=train.weight_decay, fused=speed.fused or None
        )
        self.optimizers = (self._optimizer,)
        if speed.compiled:  # static shapes; the loop over a sequence stays outside
            keep_statistics_apart(self.network)
            self.network.transition = torch.compile(self.network.transition, dynamic=False)  # type: ignore[method-assign]
        self._last: tuple[Tensor, Result] | None = None

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """One turn, of the terms of pretraining or of all others."""
        network, train, config = self.network, self.config.train, self.config.loss
        for group in self._optimizer.param_groups:
            group["lr"] = train.rate_at(step)
        given, length, temperature = train.given_at(step), train.length_at(step), train.temperature_at(step)
        x = network.to_model(frames[:, :length])
        result: Result = network(x, given, temperature)
        p, q = (actions.logits.softmax(-1) for actions in (result.actions, result.actions_made))
        joint = (1 - config.joint_rate) * network.joint + config.joint_rate * losses.joint_distribution(p, q)
        network.joint.copy_(joint.detach())
        terms = losses.terms(x, result, joint, config, self._features)
        self._last = x, result
        usage = code_usage(p.detach().argmax(-1), p.shape[-1])
        schedule = {"given": given or 0, "length": length, "temperature": temperature}
        yield Turn(self._optimizer, losses.total(terms, config), terms, usage, schedule)

    def strip(self) -> list[Strip]:
        """The first sequences of the last batch; see `strip`."""
        return strip(*self._last) if self._last else []

    def finish(self, batches: Iterator[Tensor]) -> None:
        """Nothing is left to be computed after training."""


@torch.no_grad()
def strip(frames: Tensor, result: Result) -> list[Strip]:
    """The first sequences of a batch: true frames, their reconstruction, and the attention.

    The first frame is not reconstructed after pretraining: there it stands for itself.
    """
    strips = []
    for i in range(min(_STRIP_ROWS, len(frames))):
        made, attention = result.images[0][i], result.true.attention[i] * 2 - 1
        made = torch.cat([frames[i, : len(frames[i]) - len(made)], made])
        large = torch.nn.functional.interpolate(attention, frames.shape[-2:])
        columns = [Column(i, t, t - 1 if t else None) for t in range(len(frames[i]))]
        rows = (("true frame", frames[i]), ("reconstruction", made), ("attention", large))
        strips.append(Strip(columns, [(name, images(row)) for name, row in rows]))
    return strips
