"""GLASS as a system: what the training loop and the list of systems know of it."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from glass_model.blocks import keep_statistics_apart
from glass_model.glass import losses
from glass_model.glass.config import PRESETS, Config, ModelConfig
from glass_model.glass.figure import put_back
from glass_model.glass.gma import Motion, Parts, compose
from glass_model.glass.model import GLASS, Analysis
from glass_model.glass.pose import fit
from glass_model.glass.reader import load_reader
from glass_model.glass.schedule import phase
from glass_model.images import resize
from glass_model.perceptual import load_vgg
from glass_model.quantize import code_usage
from glass_model.systems import Turn
from glass_model.training.checkpoint import load_for
from glass_model.training.device import Setup, evaluated
from glass_model.training.strips import Column, Strip, images
from wsprites.errors import ArgumentError

__all__ = ["PRESETS", "GlassSystem", "network", "strip", "system"]

_STRIP_ROWS = 2  # sequences in a strip
_LEAST_FOR_VGG = 64  # pixels of a side of what LMA draws: its smallest scale is a quarter, and VGG19 halves it four times
_CHECK_EVERY = 25  # steps between two checks of the shift nets: two for a line of the log
_LOST = 0.75  # parts of a known shift, between the answers of nets that are right and of others; see docs/glass-experiments.md
_LOST_LINE = (
    "in {{:.1%}} of the sequences GMA is wrong about known shifts of the {}; if {} in metrics.jsonl does not fall to 0, train again with "
    "loss.known=1, or with another train.seed"
)
_LOST_LINES = {
    "shift_lost": "foreground: there is none, or its motion is lost, and codes of what LMA sees there tell nothing",
    "background_shift_lost": "background: the motion of the scene is not found, which makes no difference where it never moves",
}
_CALIBRATED = 8  # batches that shifts are calibrated with: six numbers need no more


def network(config: Config) -> GLASS:
    """The network of a configuration."""
    known = [name for name in ("equi", "known") if getattr(config.loss, name)]
    return GLASS(config.model, known=known, averaged=config.loss.revive > 0)


def system(config: Config, setup: Setup) -> "GlassSystem":
    """GLASS and its optimiser, ready to be trained."""
    return GlassSystem(config, setup)


def _load_gma(network: GLASS, path: Path) -> None:
    """Give a network the global motion analysis of a checkpoint. Raises ArgumentError if there is none of its sizes."""
    saved, prefix = load_for("gma", path), "gma."
    if not isinstance(saved.config, Config):
        raise ArgumentError("gma", f"{path} is a checkpoint of {saved.config.system}, not of glass")
    weights = {name.removeprefix(prefix): weight for name, weight in saved.weights.items() if name.startswith(prefix)}
    shapes = {name: weight.shape for name, weight in network.gma.state_dict().items()}
    if shapes != {name: weight.shape for name, weight in weights.items()}:
        raise ArgumentError(
            "gma",
            f"{path}: the nets of its global motion analysis have other sizes; set the same model.mask_channels, "
            "model.mask_blocks, model.shift_channels and model.inpaint_channels",
        )
    ours, theirs = network.config, saved.config.model
    if (ours.global_size, ours.mask_bias) != (theirs.global_size, theirs.mask_bias):
        raise ArgumentError(
            "gma",
            f"{path}: its global motion analysis sees frames of {theirs.global_size} with model.mask_bias = "
            f"{theirs.mask_bias}, not of {ours.global_size} with {ours.mask_bias}",
        )
    network.gma.load_state_dict(weights)


class GlassSystem:
    """GLASS in training: one optimiser, which learns from all terms at once."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.config, speed = config, setup.speed
        self._features = load_vgg(setup.vgg).to(setup.device) if setup.vgg else None
        if self._features and config.loss.lma_vgg and min(config.model.local_size) < _LEAST_FOR_VGG:
            height, width = config.model.local_size
            problem = f"pictures of {height} x {width} px are too small for VGG19 at a quarter of their size"
            raise ArgumentError("vgg", f"{problem}; set loss.lma_vgg to 0, or use a larger preset")
        self.network = network(config)
        if setup.gma:
            _load_gma(self.network, setup.gma)
        if config.model.reader != bool(setup.reader):
            problem = "model.reader needs a checkpoint of lam with codes that persist"
            raise ArgumentError("reader", problem if config.model.reader else "only model.reader = true uses one; leave it out")
        if setup.reader and self.network.lma.reader:
            load_reader(self.network.lma.reader, config.model.codes, setup.reader)
        self.network.to(setup.device).train()
        train = config.train
        self._optimizer = torch.optim.Adam(
            self.network.parameters(), lr=train.rate, weight_decay=train.weight_decay, fused=speed.fused or None
        )
        self.optimizers = (self._optimizer,)
        if speed.compiled:  # both have static shapes; the loop over a sequence stays outside
            keep_statistics_apart(self.network)
            self.network.gma.compile(dynamic=False)
            self.network.lma.transition = torch.compile(self.network.lma.transition, dynamic=False)  # type: ignore[method-assign]
        self._last: tuple[Analysis, int] | None = None

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """One turn, of all terms that the step's phase trains."""
        now, config = phase(self.config.train, step), self.config.loss
        if config.bin and config.bin_to:
            config = replace(config, bin=config.bin + (config.bin_to - config.bin) * now.hardening)
        for group in self._optimizer.param_groups:
            group["lr"] = now.rate
        self.network.gma.train(not now.frozen).requires_grad_(not now.frozen)
        used = self.network.to_model(frames[:, self.config.train.behind :: now.skip][:, : now.length])
        earlier = None if now.alone else self._earlier(frames)
        analysis: Analysis = self.network(used, None if now.alone else now.given, now.temperature, earlier)
        terms = {}
        if analysis.motion and not now.frozen:
            terms = losses.global_terms(analysis.frames, analysis.motion, config, self._features)
        usage = None
        if (local := analysis.local) and (view := analysis.view):
            terms |= losses.local_terms(view, local, config, self._features)
            usage = code_usage(local.action.code, self.config.model.codes)
            if config.revive:
                last = (step + 1) % config.revive == 0
                self.network.lma.quantizer.update(local.action.direction.flatten(0, -2), local.action.code.flatten(), revive=last)
        self._last = analysis, now.skip
        loss, warnings = losses.total(terms, config), dict[str, str]()
        if (step + 1) % _CHECK_EVERY == 0:
            terms = terms | self._lost(analysis.frames)
            if step + 1 >= 0.9 * min(self.config.train.alone, self.config.train.freeze, self.config.train.steps):
                warnings = {name: _LOST_LINE.format(what, name) for name, what in _LOST_LINES.items()}
        yield Turn(self._optimizer, loss, terms, usage, {"given": now.given, "length": now.length}, warnings)

    def _lost(self, frames: Tensor) -> dict[str, Tensor]:
        """The share of sequences in which a shift net does not follow its part, by two frames of each."""
        with evaluated(self.network.gma) as gma:
            return {name: (missed > _LOST).float().mean() for name, missed in zip(_LOST_LINES, gma.misses(frames[:, :2]), strict=True)}

    def _earlier(self, frames: Tensor) -> Tensor | None:
        """A frame of each sequence that the decoder sees, (B, 3, H, W); None where it is the first that is used."""
        if not (behind := self.config.train.behind):
            return None
        at = torch.randint(behind + 1, (len(frames),), device=frames.device)
        return self.network.to_model(frames[torch.arange(len(frames), device=frames.device), at])

    def strip(self) -> list[Strip]:
        """The first sequences of the last batch; see `strip`."""
        if not self._last:
            return []
        last, skip = self._last
        with torch.no_grad():  # a GMA that is not trained has only tracked the foreground
            motion = last.motion or self.network.gma(last.frames[:_STRIP_ROWS])
        return strip(last, motion, self.config.model, skip, self.config.train.behind)

    def finish(self, batches: Iterator[Tensor]) -> None:
        """Fit the dynamics of poses to those of further batches, whole sequences, and calibrate shifts; nothing without `model.pose`."""
        lma, config = self.network.lma, self.config.train
        if lma.poses is None:
            return
        observed, motions = list[tuple[Tensor, Tensor]](), list[tuple[Tensor, Tensor]]()
        with evaluated(self.network):
            for number in range(config.fit_batches):
                frames = self.network.to_model(next(batches))
                observed.append(self.network.poses(frames))
                if number < _CALIBRATED:
                    motions.append(self.network.motions(frames))
        self.network.calibrate(*(torch.cat(x) for x in zip(*motions, strict=True)))
        pose, code = (torch.cat(x) for x in zip(*observed, strict=True))
        fit(lma.poses, lma.quantizer.vectors, pose, code, config.fit_steps)


@torch.no_grad()
def strip(analysis: Analysis, motion: Motion, config: ModelConfig, skip: int = 1, first: int = 0) -> list[Strip]:
    """The first sequences of a batch as the model sees them, with one column for each transition.

    GMA's parts and frame and, once LMA is trained, LMA's in front of GMA's background. What LMA draws in a window is shown at
    its place.

    Args:
        skip: the model saw every `skip`-th frame of the batch.
        first: the first frame of the batch that it saw.
    """
    frames, _, view, local = analysis
    strips = []
    for i in range(min(_STRIP_ROWS, len(frames))):
        mask, foreground, background = (x[i, 1:] for x in motion.parts)
        rows = [("true frame", frames[i, 1:]), ("mask", mask * 2 - 1), ("foreground", foreground), ("background", background)]
        rows.append(("GMA's frame", motion.frame[i]))
        if local and view:
            drawn = Parts(local.decoded.mask[i], local.decoded.images[-1][i], resize(motion.moved.background[i], config.size))
            if view.corner is not None:
                corner = view.corner[i, 1:]
                drawn = drawn._replace(mask=put_back(drawn.mask, corner, config), foreground=put_back(drawn.foreground, corner, config))
            rows += [("LMA's foreground", drawn.foreground), ("LMA's mask", drawn.mask * 2 - 1), ("LMA's frame", compose(drawn))]
        columns = [Column(i, first + skip * t, first + skip * (t - 1)) for t in range(1, frames.shape[1])]
        strips.append(Strip(columns, [(name, images(resize(row, config.size))) for name, row in rows]))
    return strips
