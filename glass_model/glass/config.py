"""Every number of a model and of its training, as frozen dataclasses, and the presets. Sizes are (height, width).

`paper` follows the supplement of the paper, `released` the authors' release; where neither says, docs/glass.md has what was decided.
"""

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from wsprites.errors import UserError
from wsprites.fields import SpecError, build, check, choice, number


@dataclass(frozen=True)
class ModelConfig:
    """What the networks look like. The channels are those of the first layer; the others are in the paper's proportion to it."""

    height: int = number(96, 16, 1024)
    width: int = number(128, 16, 1024)
    """Of the frames that the networks see, in pixels, divisible by 8."""
    mask_channels: int = number(64, 1, 512)
    mask_blocks: int = number(9, 0, 32)
    """Residual blocks of the mask net at its lowest resolution, beside the two that lead there."""
    mask_bias: float = number(0.0, -20.0, 20.0)
    """Added to the mask's logits: below 0 a mask begins small."""
    shift_channels: int = number(16, 1, 512)
    inpaint_channels: int = number(16, 1, 512)
    local_channels: int = number(16, 2, 512)
    """Of all that deals with local motion."""
    codes: int = number(6, 1, 4096)
    """Different local actions."""
    code_size: int = number(16, 1, 1024)
    """Dimensions of a code vector."""
    direction: str = choice("bilinear", "bilinear", "plain")
    """How two encodings become a direction: by delayed bilinear blocks, or as their difference."""
    quantizer: str = choice("vq", "vq", "gumbel")
    modulated: bool = True
    """True: actions modulate convolutions. False: they are concatenated to what the ConvLSTMs see."""
    joint: bool = False
    """True: every round of the dynamics knows both actions. False: the first knows the global one, the others the local one."""

    def __post_init__(self) -> None:
        check(self)
        if self.height % 8 or self.width % 8:
            raise SpecError(f"height, width = {self.height}, {self.width} must be divisible by 8")


@dataclass(frozen=True)
class LossConfig:
    """Weights of the twelve terms; 0 leaves one out. And what two of them want."""

    bin: float = number(0.5, 0.0, 1e6)
    size: float = number(0.1, 0.0, 1e6)
    recf: float = number(1.0, 0.0, 1e6)
    recb: float = number(2.0, 0.0, 1e6)
    vgg: float = number(0.01, 0.0, 1e6)
    recj: float = number(1.0, 0.0, 1e6)
    vq: float = number(0.25, 0.0, 1e6)
    recu: float = number(1.0, 0.0, 1e6)
    recs: float = number(1.0, 0.0, 1e6)
    msk: float = number(0.2, 0.0, 1e6)
    cyc: float = number(0.2, 0.0, 1e6)
    lma_vgg: float = number(1.0, 0.0, 1e6)
    mask_size: float = number(0.06, 0.0, 1.0)
    """Share of the frame that SIZE wants a mask to cover."""
    recb_power: int = choice(1, 1, 2)
    """RECB is a mean of absolute values, or of squares."""
    commitment: float = number(0.25, 0.0, 1e3)
    """Weight of the encoder's part of VQ against the codebook's."""


@dataclass(frozen=True)
class TrainConfig:
    """Optimiser and schedules. Steps count from 0."""

    steps: int = number(470_000, 1, 10**9)
    batch: int = number(4, 2, 65536)
    """Sequences a step, of each process; BatchNorm wants two."""
    window: int = number(12, 2, 1000)
    """Frames of a sequence that is read; `length_to` of them are used at most."""
    skip: int = number(1, 1, 100)
    """Every how many-th frame of the data is one of the sequence."""
    rate: float = number(4e-4, 0.0, 1.0)
    weight_decay: float = number(1e-6, 0.0, 1.0)
    decay_step: int = number(300_000, 0, 10**9)
    decay: float = number(0.3, 0.0, 1.0)
    """What the learning rate is multiplied by from `decay_step` on."""
    alone: int = number(3_000, 0, 10**9)
    """Steps in which global motion is learned alone."""
    given_from: int = number(5, 1, 1000)
    given_to: int = number(1, 1, 1000)
    given_steps: int = number(25_000, 0, 10**9)
    """T_f: true frames that the dynamics are fed; goes from one to the other linearly in as many steps after `alone`."""
    length_from: int = number(6, 2, 1000)
    length_to: int = number(12, 2, 1000)
    length_begin: int = number(28_000, 0, 10**9)
    length_steps: int = number(25_000, 0, 10**9)
    """T: frames of a sequence that are used; goes from one to the other linearly in as many steps after `length_begin`."""
    temperature_from: float = number(1.0, 1e-3, 1e3)
    temperature_to: float = number(0.4, 1e-3, 1e3)
    temperature_steps: int = number(30_000, 0, 10**9)
    """Of the Gumbel softmax."""
    seed: int = number(0, 0, 2**62)
    """Of the first weights, the order of the data, and the Gumbel softmax."""

    def __post_init__(self) -> None:
        check(self)
        if max(self.length_from, self.length_to) > self.window:
            raise SpecError(f"length_from, length_to = {self.length_from}, {self.length_to} must not be above window = {self.window}")


@dataclass(frozen=True)
class Config:
    """A model and its training: rebuilds the model from its checkpoint.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.
    """

    name: str = "paper"
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    train: TrainConfig = TrainConfig()

    def __post_init__(self) -> None:
        check(self)

    def to_json(self) -> str:
        """All of it as JSON; `from_json` gives it back."""
        return json.dumps(dataclasses.asdict(self))

    @staticmethod
    def from_json(text: str) -> "Config":
        """What `to_json` wrote; fields that are not there have the paper's values. Raises SpecError for what is no configuration."""
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise SpecError(f"the configuration is not JSON: {error}") from None
        return build(Config(), values)

    def override(self, **groups: dict[str, Any]) -> "Config":
        """Other values for some fields: `override(model={"codes": 4})`."""
        return build(self, groups)


def load_config(preset: str, settings: Iterable[str] = ()) -> Config:
    """A preset with some of its values replaced.

    Args:
        preset: a name in PRESETS.
        settings: "group.key=value", such as "train.batch=8" or "model.direction=plain".

    Raises:
        UserError: there is no such preset or key, or the value is not possible.
    """
    if preset not in PRESETS:
        raise UserError(f"--preset {preset}: not one of {', '.join(PRESETS)}")
    groups: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        group, dot, name = key.partition(".")
        if not (equals and dot):
            raise UserError(f"--set {setting}: not of the form group.key=value, such as train.batch=8")
        groups.setdefault(group, {})[name] = _value(text)
    try:
        return build(PRESETS[preset], groups)  # at once: some of them go together only
    except SpecError as error:
        raise UserError(f"--set: {error}") from None


def _value(text: str) -> Any:
    """A number or truth value in the notation of JSON, or else the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


_PAPER = Config()
_RELEASED = Config("released").override(
    loss={"vgg": 0.02, "vq": 0.1}, train={"decay": 0.3333, "length_begin": 50_000, "length_steps": 30_000}
)
# Why each number differs is in docs/glass.md.
_TINY = Config("tiny").override(
    model={
        "height": 32,
        "width": 40,
        "mask_channels": 8,
        "mask_blocks": 1,
        "mask_bias": -2.0,
        "shift_channels": 8,
        "inpaint_channels": 8,
        "local_channels": 8,
    },
    loss={"bin": 0.2, "size": 2.0, "recb": 8.0, "recb_power": 2, "mask_size": 0.076},
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
_ABLATIONS: dict[str, dict[str, dict[str, Any]]] = {
    "plain": {"model": {"direction": "plain"}},
    "gumbel": {"model": {"quantizer": "gumbel"}},
    "unmodulated": {"model": {"modulated": False}},
    "joint": {"model": {"joint": True}},
    "no-recs": {"loss": {"recs": 0.0}},
    **{f"codes-{codes}": {"model": {"codes": codes}} for codes in (4, 9, 12)},
    **{f"no-{term}": {"loss": {term: 0.0}} for term in ("bin", "size", "recf", "recb", "vgg", "recj")},
    "200k": {"train": {"steps": 200_000}},
    "bair": {"model": {"height": 256, "width": 256, "codes": 2}, "train": {"batch": 2, "window": 6, "length_to": 6}},
    "tennis": {
        "model": {"height": 96, "width": 256, "codes": 4},
        "loss": {"mask_size": 0.01},
        "train": {"window": 11, "length_to": 11, "skip": 4},
    },
}

PRESETS = {
    "paper": _PAPER,
    "released": _RELEASED,
    "tiny": _TINY,
    **{name: dataclasses.replace(_PAPER, name=name).override(**changes) for name, changes in _ABLATIONS.items()},
}
"""`paper`, `released`, `tiny` for two CPU cores, and the paper's ablations and other data sets by what differs from `paper`."""
