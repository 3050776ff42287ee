"""Configuration of GLASS: model, loss and training as frozen dataclasses, and the presets. Sizes are (height, width) in pixels.

`paper` follows the supplement of the paper, `released` the authors' release; docs/glass.md lists what was decided where neither says it.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from glass_model.training import config as general
from wsprites.fields import Checked, SpecError, choice, flag, number


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Sizes of the networks. Channel counts are those of the first layer; those of the other layers are in the paper's proportion to it."""

    height: int = number(96, 16, 1024)
    """Height of the frames that the model works on, in pixels, divisible by 8."""
    width: int = number(128, 16, 1024)
    """Width of the frames that the model works on, in pixels, divisible by 8."""
    global_scale: int = number(1, 1, 16, added=True)
    """Factor by which these frames are averaged down for the global motion analysis."""
    figure: int = number(0, 0, 1024, added=True)
    """Side of the square window around the figure that the local motion analysis sees, in pixels of these frames, not larger than their
    longer side; 0: whole frames."""
    local_scale: int = number(1, 1, 16, added=True)
    """Factor by which that window is averaged down for the local motion analysis."""
    mask_channels: int = number(64, 1, 512)
    """Channels of the mask net."""
    mask_blocks: int = number(9, 0, 32)
    """Residual blocks of the mask net at its lowest resolution, after the two that lead there."""
    mask_bias: float = number(0.0, -20.0, 20.0)
    """Constant added to the mask's logits; with a negative one, masks are small at first."""
    shift_channels: int = number(16, 1, 512)
    """Channels of the two shift nets."""
    inpaint_channels: int = number(16, 1, 512)
    """Channels of the inpainter."""
    local_channels: int = number(16, 2, 512)
    """Channels of all networks of the local motion analysis."""
    appearance: int = number(0, 0, 512, added=True)
    """Channels of a foreground's encoding that the dynamics see; 0: half of local_channels."""
    reference: int = number(0, 0, 512, added=True)
    """Channels at full size of the encoding of an earlier foreground, which the decoder sees at three scales; 0: it sees none."""
    codes: int = number(6, 1, 4096)
    """Number of local actions."""
    code_size: int = number(16, 1, 1024)
    """Dimensions of a code vector."""
    direction: str = choice("bilinear", "bilinear", "plain")
    """How two encodings become a direction: "bilinear" by delayed bilinear blocks, "plain" as their difference."""
    quantizer: str = choice("vq", "vq", "gumbel")
    """How a direction becomes a code: "vq" the nearest vector, "gumbel" a Gumbel softmax."""
    reader: bool = flag(False, added=True)
    """True: codes are those of a latent action model, `wsprites train --reader`, whose inverse model reads them in the window; LMA learns
    no codes of its own, but how they look. `direction` and `quantizer` then have no effect."""
    pose: int = number(0, 0, 4096, added=True)
    """Dimensions of a vector that names the pose of a foreground, which the dynamics predict in place of a map; the looks come from
    `reference`. 0: no such vector. Needs `reader`; `appearance`, `modulated` and `joint` then have no effect."""
    modulated: bool = True
    """True: actions modulate convolutions. False: actions are concatenated to the inputs of the ConvLSTMs."""
    joint: bool = False
    """True: every round of the dynamics gets both actions. False: the first gets the global action, the others the local one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        sides = [("height", self.height, "global_scale"), ("width", self.width, "global_scale")]
        for name, size, scale in [*sides, ("figure", self.figure, "local_scale")] if self.figure else sides:
            factor = getattr(self, scale)
            if size % (8 * factor) or size < 16 * factor:
                raise SpecError(f"{name} = {size} must be divisible by 8 times {scale} = {factor}, and at least 16 times")
        if self.figure > max(self.size):
            raise SpecError(f"figure = {self.figure} is larger than frames of {self.height} x {self.width}: use at most {max(self.size)}")
        if self.reference and not self.figure:
            raise SpecError(f"reference = {self.reference} needs a window, figure > 0")
        if self.reader and (self.figure, self.local_scale) != (64, 1):
            raise SpecError(f"reader needs figure, local_scale = 64, 1, not {self.figure}, {self.local_scale}")
        if self.pose and not (self.reader and self.reference):
            raise SpecError(f"pose = {self.pose} needs reader = true and a reference > 0")
        if not self.figure and (self.global_scale, self.local_scale) != (1, 1):
            raise SpecError(f"global_scale, local_scale = {self.global_scale}, {self.local_scale} need a window, figure > 0")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames that the model works on."""
        return self.height, self.width

    @property
    def global_size(self) -> tuple[int, int]:
        """(height, width) of what the global motion analysis sees."""
        return self.height // self.global_scale, self.width // self.global_scale

    @property
    def local_size(self) -> tuple[int, int]:
        """(height, width) of what the local motion analysis sees."""
        return (self.figure // self.local_scale,) * 2 if self.figure else self.size


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the terms of the loss, twelve of the paper and two of ours, where 0 leaves a term out; and numbers that define terms."""

    bin: float = number(0.5, 0.0, 1e6)
    """Weight of BIN, which makes masks binary."""
    bin_to: float = number(0.0, 0.0, 1e6, added=True)
    """Weight of BIN at the end of `train.bin_steps`; if it or `bin` is 0, the weight does not change."""
    size: float = number(0.1, 0.0, 1e6)
    """Weight of SIZE, which holds the area of masks."""
    recf: float = number(1.0, 0.0, 1e6)
    """Weight of RECF, the reconstruction of the foreground by a shift."""
    recb: float = number(2.0, 0.0, 1e6)
    """Weight of RECB, the reconstruction of the background by a shift."""
    vgg: float = number(0.01, 0.0, 1e6)
    """Weight of VGG, the perceptual distance of GMA's frames."""
    recj: float = number(1.0, 0.0, 1e6)
    """Weight of RECJ, the joint reconstruction of the frame."""
    vq: float = number(0.25, 0.0, 1e6)
    """Weight of VQ, which draws directions and code vectors together."""
    recu: float = number(1.0, 0.0, 1e6)
    """Weight of RECU, the reconstruction of the foreground by LMA."""
    recs: float = number(1.0, 0.0, 1e6)
    """Weight of RECS, the same where a shift alone explains least."""
    msk: float = number(0.2, 0.0, 1e6)
    """Weight of MSK, the reconstruction of GMA's mask by LMA."""
    cyc: float = number(0.2, 0.0, 1e6)
    """Weight of CYC, the consistency of encoded true and decoded foregrounds."""
    lma_vgg: float = number(1.0, 0.0, 1e6)
    """Weight of the perceptual distance of LMA's foregrounds."""
    equi: float = number(0.0, 0.0, 1e6, added=True)
    """Weight of EQUI, the equivariance of the shift nets, which the paper does not have."""
    known: float = number(0.0, 0.0, 1e6, added=True)
    """Weight of KNOWN, the error of the shift nets for an image and itself, moved, which the paper does not have either."""
    recu_floor: float = number(0.001, 0.0, 1e3, added=True)
    """Weight in RECU of a pixel that does not change."""
    mask_size: float = number(0.06, 0.0, 1.0)
    """Share of the frame that SIZE wants a mask to cover."""
    recb_power: int = choice(1, 1, 2)
    """Power of the differences in RECB: 1 for absolute values, 2 for squares."""
    commitment: float = number(0.25, 0.0, 1e3)
    """Weight of the encoder's part of VQ relative to the codebook's."""
    revive: int = number(0, 0, 10**6, added=True)
    """Steps after which code vectors that are hardly used get another place, with a codebook of moving averages; 0: neither of the two."""


@dataclass(frozen=True)
class TrainConfig(general.TrainConfig):
    """Numbers of training, and the schedules of GLASS. Steps count from 0."""

    alone: int = number(3_000, 0, 10**9)
    """Steps at the beginning in which only the global motion analysis is trained."""
    given_from: int = number(5, 1, 1000)
    """T_f, the number of true foregrounds that the dynamics get, right after `alone`."""
    given_to: int = number(1, 1, 1000)
    """T_f at the end."""
    given_steps: int = number(25_000, 0, 10**9)
    """Steps after `alone` in which T_f changes linearly."""
    length_from: int = number(6, 2, 1000)
    """T, the number of frames of a sequence that are used, at the beginning."""
    length_to: int = number(12, 2, 1000)
    """T at the end; at most `window`."""
    length_begin: int = number(28_000, 0, 10**9)
    """Step at which T begins to change."""
    length_steps: int = number(25_000, 0, 10**9)
    """Steps in which T changes linearly."""
    temperature_from: float = number(1.0, 1e-3, 1e3)
    """Temperature of the Gumbel softmax right after `alone`."""
    temperature_to: float = number(0.4, 1e-3, 1e3)
    """Temperature of the Gumbel softmax at the end."""
    temperature_steps: int = number(30_000, 0, 10**9)
    """Steps after `alone` in which the temperature changes linearly."""
    bin_begin: int = number(0, 0, 10**9, added=True)
    """Step at which the weight of BIN begins to change, if `loss.bin_to` is above 0."""
    bin_steps: int = number(0, 0, 10**9, added=True)
    """Steps in which it changes linearly."""
    local_skip: int = number(1, 1, 100, added=True)
    """Distance in the window between two of the T frames that are used after `alone`. Before, they follow one another."""
    behind: int = number(0, 0, 1000, added=True)
    """Frames of a sequence before the T frames; with `model.reference`, the earlier foreground is one of these or the first of the T."""
    freeze: int = number(10**9, 0, 10**9, added=True)
    """Step from which the global motion analysis keeps its weights and only the local one is trained."""
    cooldown: int = number(0, 0, 10**9, added=True)
    """Steps before `freeze`, and before the end, in which the learning rate falls linearly to 0."""
    fit_batches: int = number(30, 1, 10**6, added=True)
    """With `model.pose`: batches after the last step, whole sequences, whose poses the dynamics are fitted to."""
    fit_steps: int = number(2_500, 0, 10**9, added=True)
    """With `model.pose`: steps of fitting."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.length_from, self.length_to) > self.window:
            raise SpecError(f"length_from, length_to = {self.length_from}, {self.length_to} must not be above window = {self.window}")
        longest = max(self.length_from, self.length_to)
        if (needed := (longest - 1) * self.local_skip + 1 + self.behind) > self.window:
            what = f"local_skip, behind = {self.local_skip}, {self.behind}" if self.behind else f"local_skip = {self.local_skip}"
            raise SpecError(f"{what}: {longest} frames at that distance need window >= {needed}, not {self.window}")
        if self.freeze < self.alone:
            raise SpecError(f"freeze = {self.freeze} must not be below alone = {self.alone}")


@dataclass(frozen=True)
class Config(Checked):
    """A GLASS model and its training.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.

    Example:
        >>> PRESETS["tiny"].override(model={"codes": 4}).model.codes
        4
    """

    system: ClassVar[str] = "glass"
    name: str = "paper"
    """Name of the preset."""
    model: ModelConfig = ModelConfig()
    """Sizes of the networks."""
    loss: LossConfig = LossConfig()
    """Weights of the loss."""
    train: TrainConfig = TrainConfig()
    """Training and schedules."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.train.behind and not self.model.reference:
            raise SpecError(f"train.behind = {self.train.behind} needs model.reference > 0")
        for name, value in (("vq", self.loss.vq), ("revive", self.loss.revive)):
            if self.model.reader and value:
                raise SpecError(f"loss.{name} = {value:g} is about directions, which a model with model.reader does not have; set it to 0")
        if self.model.pose and self.loss.cyc:
            raise SpecError(f"loss.cyc = {self.loss.cyc:g} compares predictions that train.fit_steps makes with model.pose; set it to 0")
        if self.loss.revive and self.model.quantizer != "vq":
            raise SpecError(f"loss.revive = {self.loss.revive} needs model.quantizer = 'vq'")
        if self.model.quantizer == "vq" and not (self.loss.vq or self.loss.revive or self.model.reader):
            raise SpecError("loss.vq = 0 leaves the code vectors of model.quantizer = 'vq' at random; set loss.vq or loss.revive")


_PAPER = Config()
_RELEASED = Config("released").override(
    loss={"vgg": 0.02, "vq": 0.1}, train={"decay": 0.3333, "length_begin": 50_000, "length_steps": 30_000}
)
# Why each number differs is in docs/glass-experiments.md.
_NARROW = {"mask_channels": 8, "mask_blocks": 1, "mask_bias": -2.0, "shift_channels": 8, "inpaint_channels": 8, "local_channels": 8}
_FIND_MASKS = {"size": 2.0, "recb": 8.0, "recb_power": 2, "mask_size": 0.076}
_TINY = Config("tiny").override(
    model={"height": 32, "width": 40, **_NARROW},
    loss={"bin": 0.2, **_FIND_MASKS},
    train={
        "steps": 2_000,
        "batch": 32,
        "window": 3,
        "rate": 1e-3,
        "decay_step": 1_700,
        "alone": 1_000,
        "given_from": 2,
        "given_steps": 400,
        "length_from": 2,
        "length_to": 3,
        "length_begin": 1_000,
        "length_steps": 0,
    },
)
_SMALL = Config("small").override(
    model={"global_scale": 2, "figure": 64, **_NARROW, "appearance": 16, "codes": 9, "quantizer": "gumbel"},
    loss={"bin": 0.3, "bin_to": 1.0, **_FIND_MASKS, "equi": 1.0, "vq": 0.0},
    train={
        "steps": 4_000,
        "batch": 16,
        "window": 7,
        "local_skip": 2,
        "rate": 1e-3,
        "decay_step": 10**9,
        "alone": 2_000,
        "freeze": 2_000,
        "cooldown": 400,
        "bin_begin": 800,
        "bin_steps": 500,
        "given_from": 4,
        "given_steps": 1_400,
        "length_from": 4,
        "length_to": 4,
        "length_begin": 0,
        "length_steps": 0,
        "temperature_steps": 1_700,
    },
)
_GMA = dataclasses.replace(_SMALL, name="gma").override(loss={"bin_to": 2.0, "known": 1.0}, train={"steps": 2_000})
_HOUR = dataclasses.replace(_SMALL, name="hour").override(train={"steps": 6_500, "given_steps": 4_000, "temperature_steps": 5_000})
_DRAWN = dataclasses.replace(_SMALL, name="drawn").override(
    model={"reader": True, "reference": 8, "pose": 64},
    loss={"recs": 0.0, "cyc": 0.0, "recu_floor": 0.05},
    train={
        "steps": 2_400,
        "batch": 24,
        "rate": 2e-3,
        "alone": 0,
        "freeze": 0,
        "cooldown": 2_350,
        "bin_begin": 0,
        "local_skip": 3,
        "behind": 33,
        "window": 40,
        "length_from": 3,
        "length_to": 3,
        "given_from": 1,
        "given_steps": 0,
    },
)
Changes = dict[str, dict[str, Any]]
"""Values that differ from those of a preset, by group and field, as `Config.override` takes them."""

LOCAL_ABLATIONS: dict[str, Changes] = {
    "plain": {"model": {"direction": "plain"}},
    "gumbel": {"model": {"quantizer": "gumbel"}, "loss": {"vq": 0.0}},
    "unmodulated": {"model": {"modulated": False}},
    "joint": {"model": {"joint": True}},
    "no-recs": {"loss": {"recs": 0.0}},
    **{f"codes-{codes}": {"model": {"codes": codes}} for codes in (4, 9, 12)},
}
"""The paper's ablations of LMA, by what differs from `paper`; applied to any other preset by `override`."""
GLOBAL_ABLATIONS: dict[str, Changes] = {f"no-{term}": {"loss": {term: 0.0}} for term in ("bin", "size", "recf", "recb", "vgg", "recj")}
"""The paper's ablations of GMA, in the same way."""
_OTHERS: dict[str, Changes] = {
    "200k": {"train": {"steps": 200_000}},
    "bair": {"model": {"height": 256, "width": 256, "codes": 2}, "train": {"batch": 2, "window": 6, "length_to": 6}},
    "tennis": {
        "model": {"height": 96, "width": 256, "codes": 4},
        "loss": {"mask_size": 0.01},
        "train": {"window": 11, "length_to": 11, "skip": 4},
    },
}
_CHANGED = LOCAL_ABLATIONS | GLOBAL_ABLATIONS | _OTHERS

PRESETS = {
    "paper": _PAPER,
    "released": _RELEASED,
    "tiny": _TINY,
    "small": _SMALL,
    "gma": _GMA,
    "hour": _HOUR,
    "drawn": _DRAWN,
    **{name: dataclasses.replace(_PAPER, name=name).override(**changes) for name, changes in _CHANGED.items()},
}
"""`paper`, `released`; `tiny` to `drawn` for two CPU cores; ablations and other data sets by what differs from `paper`."""
