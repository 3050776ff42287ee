"""Configuration of CADDY: model, loss and training as frozen dataclasses, and the presets. Sizes are (height, width) in pixels.

`bair`, `breakout` and `tennis` have the numbers of the authors' configurations; docs/caddy.md lists what was decided beyond them.
"""

from dataclasses import dataclass
from typing import ClassVar

from glass_model.training import config as general
from glass_model.training.config import ramp
from wsprites.fields import Checked, SpecError, number


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Sizes of the networks."""

    height: int = number(96, 16, 1024)
    """Height of the frames that the networks see, in pixels, divisible by 16."""
    width: int = number(128, 16, 1024)
    """Width of the frames that the networks see, in pixels, divisible by 16."""
    stack: int = number(1, 1, 64)
    """S, the number of frames that are encoded together: a frame and those before it."""
    codes: int = number(7, 1, 4096)
    """K, the number of discrete actions."""
    action_size: int = number(2, 1, 1024)
    """d, the dimensions of the space of actions."""
    channels: int = number(16, 1, 512)
    """Channels of the encoder's first layer; states have four times as many, the action network eight times."""
    hidden_channels: int = number(128, 1, 1024)
    """Hc, the channels of what the dynamics give the decoder."""
    decoder_channels: int = number(128, 4, 1024)
    """Channels of the decoder's first stage; the second has half as many, the third a quarter."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.height % 16 or self.width % 16:
            raise SpecError(f"height, width = {self.height}, {self.width} must be divisible by 16")


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the seven terms of the loss, where 0 leaves a term out; and two numbers that define terms."""

    rec: float = number(1.0, 0.0, 1e6)
    """Weight of REC, the L1 distance of frames at three scales."""
    perceptual: float = number(1.0, 0.0, 1e6)
    """Weight of PERC, the distance of VGG19's features at three scales."""
    state: float = number(0.2, 0.0, 1e6)
    """Weight of STATE, the distance of states of the reconstruction from those of the true frames."""
    hidden: float = number(1.0, 0.0, 1e6)
    """Weight of HID, in pretraining, the distance of the dynamics' maps from those that the decoder gets instead."""
    kl: float = number(1e-4, 0.0, 1e6)
    """Weight of KL, which draws directions to a normal distribution."""
    mi: float = number(0.15, 0.0, 1e6)
    """Weight of MI, the mutual information of actions read from true frames and from their reconstruction."""
    state_kl: float = number(0.0, 0.0, 1e6)
    """Weight of STATE-KL, the divergence of what the action network reads in reconstructed and in true frames."""
    joint_rate: float = number(0.2, 1e-3, 1.0)
    """Weight of a batch in the moving average of the joint distribution of MI; 1 takes each batch alone."""
    clean: bool = True
    """True: PERC is the sum over five layers. False: as in the authors' code, where layers 2 to 5 count twice."""


@dataclass(frozen=True)
class TrainConfig(general.TrainConfig):
    """Numbers of training, and the schedules of CADDY. Steps count from 0."""

    steps: int = number(300_000, 1, 10**9)
    """Training steps."""
    batch: int = number(8, 2, 65536)
    """Sequences per step and process; BatchNorm needs at least two."""
    decay: float = number(0.3333, 0.0, 1.0)
    """Factor of the learning rate from `decay_step` on."""
    pretrain: int = number(1_000, 0, 10**9)
    """Steps at the beginning in which the decoder gets encoded true frames, and the dynamics learn to predict what it gets."""
    given: int = number(6, 1, 1000)
    """G, the number of first steps in which the dynamics get true frames; later ones get what was generated. At most T - 1 are."""
    length_from: int = number(7, 2, 1000)
    """T, the number of frames of a sequence that are used, at the beginning."""
    length_to: int = number(12, 2, 1000)
    """T at the end; at most `window`."""
    length_steps: int = number(25_000, 0, 10**9)
    """Steps in which T changes linearly, rounded down."""
    temperature_from: float = number(1.0, 1e-3, 1e3)
    """Temperature of the Gumbel softmax at the beginning."""
    temperature_to: float = number(0.4, 1e-3, 1e3)
    """Temperature of the Gumbel softmax at the end."""
    temperature_steps: int = number(20_000, 0, 10**9)
    """Steps in which the temperature changes linearly."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if max(self.length_from, self.length_to) > self.window:
            raise SpecError(f"length_from, length_to = {self.length_from}, {self.length_to} must not be above window = {self.window}")

    def length_at(self, step: int) -> int:
        """T at a step."""
        return int(ramp(self.length_from, self.length_to, self.length_steps, step))

    def given_at(self, step: int) -> int | None:
        """G at a step; None while the model is pretrained."""
        return None if step < self.pretrain else min(self.given, self.length_at(step) - 1)

    def temperature_at(self, step: int) -> float:
        """Temperature of the Gumbel softmax at a step."""
        return ramp(self.temperature_from, self.temperature_to, self.temperature_steps, step)


@dataclass(frozen=True)
class Config(Checked):
    """A CADDY model and its training.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.

    Example:
        >>> PRESETS["tiny"].override(model={"codes": 9}).model.codes
        9
    """

    system: ClassVar[str] = "caddy"
    name: str = "sprites"
    """Name of the preset."""
    model: ModelConfig = ModelConfig()
    """Sizes of the networks."""
    loss: LossConfig = LossConfig()
    """Weights of the loss."""
    train: TrainConfig = TrainConfig()
    """Training and schedules."""


_BAIR = Config("bair").override(model={"height": 256, "width": 256})
_BREAKOUT = Config("breakout").override(
    model={"height": 208, "width": 160, "codes": 3, "action_size": 1, "hidden_channels": 64, "decoder_channels": 64},
    train={"window": 9, "length_to": 9, "length_steps": 15_000, "pretrain": 3_000},
)
_TENNIS = Config("tennis").override(
    model={"height": 96, "width": 256, "action_size": 5, "stack": 4},
    loss={"mi": 0.03, "joint_rate": 1.0, "state_kl": 1e-5},
    train={"batch": 6, "skip": 5, "pretrain": 3_000},
)
# Why each number differs is in docs/caddy.md.
_TINY = Config("tiny").override(
    model={"height": 48, "width": 64, "channels": 8, "hidden_channels": 32, "decoder_channels": 32},
    loss={"kl": 1e-6, "mi": 1.0},
    train={
        "steps": 2_500,
        "batch": 12,
        "window": 6,
        "rate": 2e-3,
        "decay_step": 2_200,
        "pretrain": 100,
        "given": 3,
        "length_from": 4,
        "length_to": 6,
        "length_steps": 1_500,
        "temperature_steps": 1_000,
    },
)

PRESETS = {preset.name: preset for preset in (Config(), _BAIR, _BREAKOUT, _TENNIS, _TINY)}
"""`sprites` for the frames of this project's worlds, the paper's three data sets, and `tiny` for two CPU cores."""
