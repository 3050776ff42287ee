"""Articulated motion as a system: what the training loop and the list of systems know of it."""

import colorsys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from glass_model.articulated import losses
from glass_model.articulated.augment import changed
from glass_model.articulated.avd import scaled
from glass_model.articulated.config import PRESETS, Config
from glass_model.articulated.geometry import random_warp
from glass_model.articulated.model import Articulated, Result, changes
from glass_model.articulated.networks import Regions
from glass_model.images import resize
from glass_model.perceptual import VGG19, Features, load_vgg
from glass_model.systems import Turn
from glass_model.training.device import Setup
from glass_model.training.strips import Column, Strip, images
from wsprites.errors import ArgumentError

__all__ = ["PRESETS", "ArticulatedSystem", "network", "strip", "system"]

_STRIP_COLUMNS = 8  # pairs in a strip
_LEAST_FOR_VGG = 128  # pixels of a side: the smallest scale is an eighth, and VGG19 halves it four times
_CLUSTERED = 4096  # vectors that clusters are found from, at least
_STRETCH = 0.25  # by which AVD's poses are stretched at most, along x and along y


def network(config: Config) -> Articulated:
    """The network of a configuration."""
    return Articulated(config.model)


def system(config: Config, setup: Setup) -> "ArticulatedSystem":
    """The model and its optimisers. Raises ArgumentError for a GMA, and where VGG19 is missing or its frames would be too small."""
    return ArticulatedSystem(config, setup)


def _perceptual(config: Config, path: Path | None) -> VGG19 | None:
    """VGG19, if there are weights. Raises ArgumentError where nothing would be reconstructed without, or frames are too small."""
    model, loss = config.model, config.loss
    if not path:
        if not (loss.pyramid or loss.ssim):
            raise ArgumentError("vgg", f"{config.name} learns from VGG19's features alone; give its weights, or set loss.pyramid to 10")
        return None
    if min(model.frame) < _LEAST_FOR_VGG:
        problem = f"frames of {model.height} x {model.width} px are too small for VGG19 at an eighth of their size"
        raise ArgumentError("vgg", f"{problem}; leave it out, or set model.height and model.width to {_LEAST_FOR_VGG} or more")
    return load_vgg(path)


class Pairs(NamedTuple):
    """What a strip is made of."""

    source: Tensor
    """(B, 3, H, W) in [0, 1]."""
    driving: Tensor
    """(B, 3, H, W) in [0, 1]."""
    chosen: Tensor
    """(B, 2) int64: their numbers in the sequences of the batch."""
    result: Result
    """What was made of them."""


class ArticulatedSystem:
    """Articulated motion in training: everything but AVD, and from `train.freeze` on AVD alone, each with an optimiser."""

    def __init__(self, config: Config, setup: Setup) -> None:
        setup.check_alone("articulated motion")
        self.config, speed, train = config, setup.speed, config.train
        vgg = _perceptual(config, setup.vgg)
        self._features: Features | None = vgg.to(setup.device) if vgg else None
        self.network = network(config).to(setup.device).train()
        of_avd = set(self.network.avd.parameters())
        others = [parameter for parameter in self.network.parameters() if parameter not in of_avd]
        self._optimizer, self._avd_optimizer = (
            torch.optim.Adam(weights, lr=rate, betas=(0.5, 0.999), weight_decay=train.weight_decay, fused=speed.fused or None)
            for weights, rate in ((others, train.rate), (self.network.avd.parameters(), train.avd_rate))
        )
        self.optimizers = (self._optimizer, self._avd_optimizer)
        self._last: Pairs | None = None
        self._stale = False

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """One turn, of everything but AVD or of AVD."""
        x = self.network.to_model(frames)
        learns_regions = step < self.config.train.freeze
        self.network.regions.train(learns_regions)
        yield self._turn(x, step) if learns_regions else self._avd_turn(x, step)

    def _turn(self, x: Tensor, step: int) -> Turn:
        """From pairs of random frames, in the order of time."""
        config, train = self.config.loss, self.config.train
        for group in self._optimizer.param_groups:
            group["lr"] = train.rate_at(step)
        chosen = torch.rand(x.shape[:2], device=x.device).argsort(1)[:, :2].sort(1).values
        pairs = changed(x[torch.arange(len(x), device=x.device)[:, None], chosen], train.augment)
        source, driving = pairs.unbind(1)
        warp = random_warp(len(x), x.device, affine=config.warp_affine, spline=config.warp_spline, points=config.warp_points)
        result: Result = self.network(source, driving, warp.image(driving))
        terms = losses.terms(result, driving, warp, config, self._features)
        self._last, self._stale = Pairs(source, driving, chosen, result), False
        return Turn(self._optimizer, losses.total(terms, config), terms)

    def _avd_turn(self, x: Tensor, step: int) -> Turn:
        """From every frame with a random other one of its sequence: the pose is stretched, and has to be made as it was."""
        network, self._stale = self.network, True
        for group in self._avd_optimizer.param_groups:
            group["lr"] = self.config.train.avd_rate_at(step)
        batch, length = x.shape[:2]
        with torch.no_grad():
            regions = network.find(x)
            other = (torch.arange(length, device=x.device) + torch.randint(1, length, (batch, length), device=x.device)) % length
            row = torch.arange(batch, device=x.device)[:, None]
            driving = Regions(*(tensor.flatten(0, 1) for tensor in regions))
            source = Regions(*(tensor[row, other].flatten(0, 1) for tensor in regions))
            factors = 1 + _STRETCH * (2 * torch.rand(batch * length, 2, device=x.device) - 1)
        made = network.avd(source, scaled(driving, factors))
        shift, affine = losses.avd_loss(made, driving)
        network.avd.trained += 1
        return Turn(self._avd_optimizer, shift + affine, {"avd_shift": shift, "avd_affine": affine})

    def strip(self) -> list[Strip]:
        """The first pairs of the last batch of pairs, which is not the last batch where AVD learns; see `strip`."""
        return strip(self._last, changed=self._stale or self.config.train.augment != "none") if self._last else []

    @torch.no_grad()
    def finish(self, batches: Iterator[Tensor]) -> None:
        """Find clusters of the vectors of further batches, if the model is to have codes."""
        network, vectors, enough = self.network, list[Tensor](), max(_CLUSTERED, 4 * self.config.model.codes)
        if not network.codebook:
            return
        mode = network.regions.training
        network.regions.eval()
        while sum(map(len, vectors)) < enough:
            vectors.append(changes(network.find(network.to_model(next(batches)))).flatten(0, 1))
        network.regions.train(mode)
        network.codebook.cluster(torch.cat(vectors).cpu().numpy())
        book = network.codebook.vectors  # code 0, which is played where none is named, is the one that moves least
        book.copy_(book[:, book[0].norm(dim=1).argsort()])


@torch.no_grad()
def strip(pairs: Pairs, *, changed: bool = False) -> list[Strip]:
    """The first pairs of a batch, with a column for each.

    Beside the frames, these are the source moved by the flow alone, the share of the background in the flow, the confidence, and the
    regions' heatmaps on the driving frame, each in a colour of its own.

    Args:
        changed: pairs may have been mirrored, or reversed in time, or are of an earlier batch: columns then name no actions.
    """
    result, size = pairs.result, (pairs.driving.shape[-2], pairs.driving.shape[-1])
    background, confidence = (resize(x, size) for x in (result.motion.weights[:, :1], result.motion.confidence))
    rows = (
        ("source", pairs.source),
        ("driving frame", pairs.driving),
        ("reconstruction", result.made),
        ("source, warped", result.deformed),
        ("background share", background),
        ("confidence", confidence),
        ("regions", tinted(pairs.driving, result.driving.heatmap)),
    )
    columns = [Column(clip, after, before, changed) for clip, (before, after) in enumerate(pairs.chosen[:_STRIP_COLUMNS].tolist())]
    return [Strip(columns, [(name, images(2 * row[:_STRIP_COLUMNS] - 1)) for name, row in rows])]


def tinted(frames: Tensor, heatmap: Tensor) -> Tensor:
    """Frames (B, 3, H, W) in [0, 1] in grey, with heatmaps (B, K, h, w), each scaled to a maximum of 1, in colours."""
    colours = heatmap.new_tensor([colorsys.hsv_to_rgb(k / heatmap.shape[1], 1, 1) for k in range(heatmap.shape[1])])
    shown = resize(heatmap / heatmap.amax((2, 3), keepdim=True), (frames.shape[-2], frames.shape[-1]))
    colour = torch.einsum("bkhw,kc->bchw", shown, colours)
    share = shown.sum(1, keepdim=True).clamp(0, 1)
    return (frames.mean(1, keepdim=True) * (1 - share) / 2 + colour / shown.sum(1, keepdim=True).clamp_min(1)).clamp(0, 1)
