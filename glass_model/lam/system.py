"""Latent action models as a system: what the training loop and the list of systems know of them."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor
from torch.nn.utils import clip_grad_norm_

from glass_model.blocks import by_sequence
from glass_model.glass.config import Config as GlassConfig
from glass_model.images import constants, resize
from glass_model.lam import augment, losses
from glass_model.lam.config import PRESETS, Config
from glass_model.lam.model import LAM, Result
from glass_model.lam.window import corner_of, look, tracked
from glass_model.quantize import code_usage
from glass_model.systems import Turn
from glass_model.training.checkpoint import load_for
from glass_model.training.device import Setup
from glass_model.training.labels import labelled
from glass_model.training.strips import Column, Strip, images
from wsprites.errors import ArgumentError
from wsprites.world.actions import GlobalAction, LocalAction

__all__ = ["PRESETS", "LamSystem", "network", "strip", "system"]

_STRIP_COLUMNS = 8  # transitions in a strip
_CLUSTERED = 4096  # vectors that clusters are found from, at least
_ACTIONS = {"local": len(LocalAction), "global": len(GlobalAction), "background": len(GlobalAction)}

Sample = dict[str, Tensor]


def network(config: Config) -> LAM:
    """The network of a configuration."""
    train, labels = config.train, _ACTIONS[config.train.label] if config.train.labels else 0
    apart = config.loss.persist > 0
    return LAM(config.model, keep=train.keep, reset=train.reset, follow=train.follow, labels=labels, behind=train.behind > 0, apart=apart)


def system(config: Config, setup: Setup) -> "LamSystem":
    """The model and its optimiser, ready to be trained. Raises ArgumentError for perceptual weights, and for a GMA that does not fit."""
    return LamSystem(config, setup)


def _load_mask(network: LAM, path: Path) -> None:
    """Give a network the mask net of a checkpoint of GLASS. Raises ArgumentError if there is none of its sizes."""
    saved, config = load_for("gma", path), network.config
    if not isinstance(saved.config, GlassConfig):
        raise ArgumentError("gma", f"{path} is a checkpoint of {saved.config.system}, not of glass")
    theirs = saved.config.model
    has = (theirs.size, theirs.mask_channels, theirs.mask_blocks, theirs.global_scale, theirs.mask_bias)
    needs = (config.frame, config.mask_channels, config.mask_blocks, config.mask_scale, config.mask_bias)
    if has != needs:
        names = "model.height, model.width, model.mask_channels, model.mask_blocks, model.mask_scale and model.mask_bias"
        values = ", ".join(map(str, (*theirs.size, *has[1:])))
        raise ArgumentError("gma", f"{path}: its mask net has other sizes; set {names} to {values}")
    prefix = "gma.mask."
    assert network.follower and network.follower.mask
    weights = {name.removeprefix(prefix): weight for name, weight in saved.weights.items() if name.startswith(prefix)}
    network.follower.mask.load_state_dict(weights)


class LamSystem:
    """A latent action model in training: one optimiser, which learns from all terms at once."""

    def __init__(self, config: Config, setup: Setup) -> None:
        self.config, model, speed = config, config.model, setup.speed
        if setup.vgg:
            raise ArgumentError("vgg", "latent action models have no perceptual terms; leave it out")
        if setup.reader:
            raise ArgumentError("reader", "latent action models have their own codes; leave it out")
        follows_mask = bool(model.figure) and model.follow == "gma"
        if follows_mask != bool(setup.gma):
            problem = "model.follow = gma needs a checkpoint of glass" if follows_mask else "only model.follow = gma uses one; leave it out"
            raise ArgumentError("gma", problem)
        self.network = network(config)
        if setup.gma:
            _load_mask(self.network, setup.gma)
        self.network.to(setup.device).train()
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]
        train = config.train
        self._optimizer = torch.optim.AdamW(trained, lr=train.rate, weight_decay=train.weight_decay, fused=speed.fused or None)
        if train.clip:

            def clip(*_: object) -> None:  # between the average over all processes and the step
                clip_grad_norm_(trained, train.clip)

            self._optimizer.register_step_pre_hook(clip)
        self.optimizers = (self._optimizer,)
        self._last: Result | None = None
        self._drawn: Tensor | None = None  # of it
        self._back = model.context if train.behind else 0
        self._first = model.context + self._back  # the first frame of a sequence that is predicted

    def turns(self, frames: Tensor | Sample, step: int) -> Iterator[Turn]:
        """One turn, of all terms.

        Args:
            frames: (B, T, 3, H, W) uint8, or a dict with these and the arrays of `Config.fields`.
            step: number of steps done before.
        """
        sample = frames if isinstance(frames, dict) else {"frames": frames}
        network, train, config = self.network, self.config.train, self.config.loss
        for group in self._optimizer.param_groups:
            group["lr"] = train.rate_at(step)
        if self.config.model.latent:
            network.update_target()
        k, reach, back = self.config.model.context, train.ahead, self._back
        if back:
            sample = augment.behind(sample, k, reach, train.behind)
        # What both networks see.
        x = network.to_model(sample["frames"])
        masks = network.follower.masks(x.flatten(0, 1)) if network.follower and network.follower.mask else None
        corner, place = self._windows(sample, x, masks)
        seen = network.view(x, corner)
        shown, mask = self._shown(sample, x, seen, corner, masks)
        if self.config.model.figure_only:
            seen = augment.disguised(network.read_from(seen, corner, masks, ground=torch.rand(len(x), 3, device=x.device) - 0.5))
        # A pass, and its terms.
        count = seen.shape[1] - self._first - reach + 1
        ahead = torch.randint(1, reach + 1, (len(seen), count), device=seen.device) if reach > 1 else None
        if train.augment == "shared":
            seen = augment.changed(seen, augment.draw(len(seen), seen.device))
        self._drawn = self._draw(count, seen.device)
        result: Result = network(seen, shown, ahead, reach, back=back, still=config.zero > 0, drawn=self._drawn)
        if mask is not None:
            mask = mask[:, self._first : self._first + count]
            mask = (mask if self._drawn is None else mask[:, self._drawn]).flatten(0, 1)
        label, lags = self._label(sample, result, count), (train.near, train.far)
        terms = losses.terms(result, config, mask=mask, label=label, place=place, lags=lags)
        self._last = result
        yield Turn(self._optimizer, losses.total(terms, config), {**terms, **losses.logged(result)}, self._usage(result))

    def _draw(self, count: int, device: torch.device) -> Tensor | None:
        """Which of the transitions of each sequence the forward model learns from, (N',); None: all."""
        every = self.config.train.every
        if every == 1:
            return None
        first = int(torch.randint(min(every, count), ()))
        return torch.arange(first, count, every, device=device)

    def _windows(
        self, sample: Sample, x: Tensor, found: Tensor | None = None
    ) -> tuple[Tensor | None, tuple[Tensor, Tensor, Tensor, tuple[int, int]] | None]:
        """The corners of the windows, (B, T, 2), and what `losses.place_loss` takes; None where there are none. `found`: see `_shown`."""
        model, network = self.config.model, self.network
        if not (model.figure and network.follower):
            return None, None
        if found is not None:
            return by_sequence(network.follower.around(found), len(x)), None
        assert network.follower.locator
        scale = constants([model.width / sample["frames"].shape[-1], model.height / sample["frames"].shape[-2]], x)
        if model.follow == "place":
            middle = sample["centre"].to(x) * scale
            learned, true = x.flatten(0, 1), middle.flatten(0, 1)
            return corner_of(middle, model), (network.follower.locator(learned), true, torch.ones_like(true[:, 0]), model.frame)
        at = self._first if self._back else 1  # a frame after its neighbour
        true, known = tracked(sample["frames"][:, at - 1 : at + 1])
        return network.corners(x), (network.follower.locator(x[:, at]), true * scale, known, model.frame)

    def _shown(
        self, sample: Sample, x: Tensor, seen: Tensor, corner: Tensor | None, found: Tensor | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """What the forward model sees, (B, T, 3, h, w), and the share of the figure in its pixels, (B, T, 1, h, w), if it is needed.

        `found` is what a mask net finds in the frames, in one pass for windows and pixels: it costs as much as half a step.
        """
        network, masks = self.network, sample.get("twin_masks", sample.get("masks"))
        shown = network.view(network.to_model(sample["twin"]), corner) if "twin" in sample else seen
        large = mask = None
        if masks is not None:
            large = resize(masks[:, :, None].float(), self.config.model.frame).flatten(0, 1)
        elif self.config.loss.target == "found" and network.follower:
            assert found is not None
            large = network.follower.figures(found)
        if large is not None:
            mask = by_sequence(look(large, None if corner is None else corner.flatten(0, 1), self.config.model), len(x))
        if self.config.train.augment == "shared":
            change = augment.draw(len(shown), shown.device)
            shown, mask = augment.changed(shown, change), None if mask is None else augment.moved(mask, change.shift)
        return shown, mask

    def _label(self, sample: Sample, result: Result, count: int) -> tuple[Tensor, Tensor, Tensor] | None:
        """What `losses.label_loss` takes: labels are stored at the frame that a transition leads to."""
        head, train = self.network.label_head, self.config.train
        if not head:
            return None
        label = sample[f"{train.label}_action"][:, self._first : self._first + count].long().flatten()
        known = labelled(sample["index"], train.labels, train.seed)[:, None].expand(-1, count).flatten()
        return head(result.through.vector), label, known

    def _usage(self, result: Result) -> Tensor:
        """How often each code occurs; where there are too many for one count, each group's codes are counted by themselves."""
        codes, model = result.through.codes, self.config.model
        if self.network.controls.codes:
            return code_usage(self.network.joint(codes), self.network.controls.codes)
        each = math.prod(model.levels) if model.bottleneck == "fsq" else model.codes
        return code_usage(codes + each * torch.arange(codes.shape[1], device=codes.device), each * codes.shape[1])

    def strip(self) -> list[Strip]:
        """The first transitions of the last batch; see `strip`."""
        train, first = self.config.train, self.config.model.context
        if self._back:
            first = train.window - train.ahead  # the last transition alone
        every = torch.arange(train.window - first - train.ahead + 1)
        drawn = (every if self._drawn is None else self._drawn).tolist()
        return strip(self._last, [first + at for at in drawn]) if self._last else []

    @torch.no_grad()
    def finish(self, batches: Iterator[Tensor | Sample]) -> None:
        """Find clusters of the vectors of further batches, where codes are no part of the model."""
        if self.config.model.bottleneck not in ("vae", "none"):
            return
        network, vectors, enough = self.network, list[Tensor](), max(_CLUSTERED, 4 * self.config.model.codes)
        mode = network.training
        network.eval()
        while sum(map(len, vectors)) < enough:
            batch = next(batches)
            frames = batch["frames"] if isinstance(batch, dict) else batch
            if self._back:  # the last transition alone
                frames = frames[:, -self.config.model.context - 1 :]
            seen = network.readable(network.to_model(frames))[0]
            vectors.append(network(seen, seen).through.vector)
        network.train(mode)
        assert network.bottleneck.codebooks
        network.bottleneck.codebooks.cluster(torch.cat(vectors).float().cpu().numpy())


@torch.no_grad()
def strip(result: Result, frames: Sequence[int]) -> list[Strip]:
    """The first transitions of a batch as the forward model sees them, with a column for each.

    Args:
        frames: the frames that the transitions of each sequence lead to.
    """
    given = [] if torch.equal(result.given, result.before) else [("frame given", result.given)]
    rows = [("frame before", result.before), *given, ("true frame", result.target), ("prediction", result.frame)]
    places = (divmod(n, len(frames)) for n in range(min(_STRIP_COLUMNS, len(result.frame))))
    columns = [Column(clip, frames[t], frames[t] - 1) for clip, t in places]
    return [Strip(columns, [(name, images(2 * row[:_STRIP_COLUMNS])) for name, row in rows])]
