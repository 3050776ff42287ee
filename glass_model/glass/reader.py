"""Codes of transitions as a latent action model reads them: it has learned which actions there are, LMA learns how they look.

The network is the inverse model of the preset `persist` of `glass_model.lam`, and is not trained any further.
"""

from pathlib import Path

import torch
from torch import Tensor, nn

from glass_model.lam.config import PRESETS, Config
from glass_model.lam.networks import encoder
from glass_model.training.checkpoint import load_for
from wsprites.errors import ArgumentError

_MODEL = PRESETS["persist"].model


class Reader(nn.Module):
    """Two foregrounds in windows that follow the figure, (B, 3, 64, 64) in [-1, 1] -> logits of the codes, (B, K) float32."""

    def __init__(self, codes: int) -> None:
        super().__init__()
        self.inverse = encoder(6, _MODEL, codes)
        self.requires_grad_(False)

    @torch.no_grad()
    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute the logits. The window's edge, zeros, is the grey around the figure that the inverse model knows."""
        logits: Tensor = self.inverse(torch.cat([before, after - before], 1) / 2)
        return logits.float()


def load_reader(reader: Reader, codes: int, path: Path) -> None:
    """Give a reader the inverse model of a checkpoint. Raises ArgumentError if there is none that reads such codes."""
    saved = load_for("reader", path)
    if not isinstance(saved.config, Config):
        raise ArgumentError("reader", f"{path} is a checkpoint of {saved.config.system}, not of lam")
    theirs = saved.config.model
    same = (
        "encoder",
        "idm_channels",
        "idm_hidden",
        "figure",
        "scale",
        "figure_only",
        "bottleneck",
        "difference",
        "context",
        "height",
        "width",
    )
    if wrong := [name for name in same if getattr(theirs, name) != getattr(_MODEL, name)]:
        values = ", ".join(f"model.{name} = {getattr(theirs, name)}, not {getattr(_MODEL, name)}" for name in wrong)
        raise ArgumentError("reader", f"{path}: it has {values}; train the preset persist of lam")
    if theirs.codes != codes:
        raise ArgumentError("reader", f"{path}: it reads {theirs.codes} codes, not {codes}; set model.codes={theirs.codes}")
    prefix = "inverse."
    weights = {name.removeprefix(prefix): weight for name, weight in saved.weights.items() if name.startswith(prefix)}
    reader.inverse.load_state_dict(weights)
