"""GLASS as a system: what the training loop and the list of systems know of it."""

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_model.glass import losses
from glass_model.glass.config import PRESETS, Config
from glass_model.glass.gma import compose
from glass_model.glass.model import GLASS, Analysis
from glass_model.glass.schedule import phase
from glass_model.images import to_bytes
from glass_model.perceptual import load_vgg
from glass_model.systems import Turn
from glass_model.training.device import Setup

__all__ = ["PRESETS", "GlassSystem", "network", "strip", "system"]

_STRIP_ROWS = 2  # sequences in a strip


def network(config: Config) -> GLASS:
    """The network of a configuration."""
    return GLASS(config.model)


def system(config: Config, setup: Setup) -> "GlassSystem":
    """GLASS and its optimiser, ready to be trained."""
    return GlassSystem(config, setup)


class GlassSystem:
    """GLASS in training: one optimiser, which learns from all terms at once."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.config, speed = config, setup.speed
        self._features = load_vgg(setup.vgg).to(setup.device) if setup.vgg else None
        self.network = network(config).to(setup.device).train()
        train = config.train
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=train.rate, weight_decay=train.weight_decay, fused=speed.fused or None
        )
        self.optimizers = (self._optimizer,)
        if speed.compiled:  # both have static shapes; the loop over a sequence stays outside
            self.network.gma.compile(dynamic=False)
            self.network.lma.transition = torch.compile(self.network.lma.transition, dynamic=False)  # type: ignore[method-assign]
        self._last: tuple[Tensor, Analysis] | None = None

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """One turn, of all terms that the step's phase trains."""
        now = phase(self.config.train, step)
        for group in self._optimizer.param_groups:
            group["lr"] = now.rate
        x = self.network.to_model(frames[:, : now.length])
        analysis: Analysis = self.network(x, None if now.alone else now.given, now.temperature)
        terms = losses.terms(x, *analysis, self.config.loss, self._features)
        self._last = x, analysis
        usage = _usage(analysis.local.action.code, self.config.model.codes) if analysis.local else None
        yield Turn(self._optimizer, losses.total(terms, self.config.loss), terms, usage, {"given": now.given, "length": now.length})

    def strip(self) -> NDArray[np.uint8] | None:
        """The first sequences of the last batch; see `strip`."""
        return strip(*self._last) if self._last else None

    def finish(self, batches: Iterator[Tensor]) -> None:
        """Nothing is left to be computed after training."""


def _usage(code: Tensor, codes: int) -> Tensor:
    """How often each code occurs, (K,), counted without waiting for the device."""
    flat = code.flatten()
    return torch.zeros(codes, device=code.device).scatter_add_(0, flat, torch.ones_like(flat, dtype=torch.float32))


@torch.no_grad()
def strip(frames: Tensor, analysis: Analysis) -> NDArray[np.uint8]:
    """The first sequences of a batch as the model sees them, (rows, columns, 3) uint8, with one column for each transition.

    From top to bottom: the true next frame, GMA's mask of it, its foreground and background, GMA's frame, and, once LMA is trained, LMA's
    foreground, its mask, and its frame in front of GMA's background.
    """
    motion, local = analysis
    rows = []
    for i in range(min(_STRIP_ROWS, len(frames))):
        parts = [x[i, 1:] for x in motion.parts]
        images = [frames[i, 1:], parts[0] * 2 - 1, parts[1], parts[2], motion.frame[i]]
        if local:
            foreground, mask = local.decoded.images[-1][i], local.decoded.mask[i]
            moved = motion.moved._replace(mask=mask, foreground=foreground, background=motion.moved.background[i])
            images += [foreground, mask * 2 - 1, compose(moved)]
        rows += [np.concatenate(list(to_bytes(image.expand(-1, 3, -1, -1)).permute(0, 2, 3, 1).cpu().numpy()), 1) for image in images]
    sheet: NDArray[np.uint8] = np.concatenate(rows, 0)
    return sheet
