"""Configuration of Layered: model, loss and training as frozen dataclasses, and the presets. Sizes are (height, width) in pixels.

The paper's supplement and the authors' code contradict each other: `bair` and `tennis` have the numbers of the supplement, `bair-released`
and `tennis-released` those of the code. docs/layered.md lists both, and what was decided where neither says anything.
"""

from dataclasses import dataclass
from typing import ClassVar

from glass_model.training import config as general
from wsprites.fields import Checked, SpecError, choice, number

NEVER = 10**9
"""A step that no run reaches."""
SIZES = {"position": 2, "rigid": 3, "affine": 6}
"""Number of parameters of each family of transformations."""
BINS = 5
"""Number of codes with `binning` = bins: standing still, left, right, up and down."""
_LEAST_FOR_GAN = 24  # pixels of a side, so that the last map of the discriminator is not empty


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Sizes of the networks, and what a control mask is."""

    height: int = number(256, 16, 1024)
    """Height of the frames that the networks see, in pixels, divisible by 4 and by two to the power of the enlargements."""
    width: int = number(256, 16, 1024)
    """Width of the frames that the networks see, in pixels, as `height`."""
    mask_channels: int = number(64, 2, 512)
    """Channels of the mask network's first layer; its blocks have four times as many."""
    mask_blocks: int = number(9, 1, 64)
    """Number of residual blocks of the mask network."""
    mask_bias: float = number(0.0, -10.0, 10.0)
    """What the logits of masks begin at: 0 is a mask of 1/2."""
    channels: int = number(64, 4, 512)
    """Channels of the first level of the encoder, and of the last of the decoder."""
    multipliers: tuple[int, ...] = number((1, 1, 2, 2, 4), 1, 16)
    """Channels of each level, in units of `channels`; between two levels the side is halved."""
    blocks: int = number(2, 1, 16)
    """Number of residual blocks of a level of the encoder; the decoder has one more."""
    attention: bool = True
    """Whether positions of the last level attend to one another."""
    latent: int = number(256, 1, 1024)
    """Dimensions of the latent vectors."""
    codebook: int = number(1024, 2, 65536)
    """Number of vectors that latents are quantised to."""
    quantised: bool = True
    """False: latents are passed on as they are."""
    averaged: bool = False
    """False: the codebook is learned by gradients. True: it is a moving average of the latents that are nearest to its vectors."""
    discriminator_channels: int = number(64, 2, 512)
    """Channels of the discriminator's first layer."""
    control: str = choice("mask", "mask", "transform")
    """What control masks are in stage 2. "mask": that of the next frame (non-parametric). "transform": that of this frame, transformed."""
    transform: str = choice("position", *SIZES)
    """T: translation, with rotation, or an affine map."""
    grid: str = choice("centres", "centres", "ends")
    """Coordinates of the pixels that T samples: "centres" makes the identity exact; "ends" is that of the authors' code."""
    fit_steps: int = number(1000, 0, 100_000)
    """Steps of Adam in which the parameters of T are fitted; they begin with the difference of the centroids."""
    fit_rate: float = number(0.1, 0.0, 10.0)
    """Learning rate of this Adam."""
    codes: int = number(BINS, 1, 1024)
    """K, the number of codes, each of which is a translation."""
    binning: str = choice("bins", "bins", "kmeans")
    """What the translations of codes are, found after training. "bins": none, and the four directions. "kmeans": centres of clusters."""
    reach: int = number(0, 0, 16)
    """Longest motion of the scene that is compensated, pixels of each axis; 0 for none, as in the paper."""
    paste: bool = False
    """Whether what neither the mask nor the control mask covers is copied from the frame before, instead of being decoded."""
    margin: int = number(1, 0, 64)
    """Pixels by which the masks are widened for `paste`."""
    carry: bool = False
    """Whether the encoder sees the foreground where the control mask is: moved by the difference of the masks' centres, so that several
    figures have to move alike. False: it sees what the frame before has there, as in the paper."""
    remember: bool = False
    """Whether the mask of a generated frame is the control mask that it was generated with. False: it is read from the frame."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.multipliers:
            raise SpecError("multipliers = [] must name at least one level")
        unit = max(4, 2 ** (len(self.multipliers) - 1))
        if self.height % unit or self.width % unit:
            raise SpecError(f"height, width = {self.height}, {self.width} must be divisible by {unit}")
        if self.channels % 4:
            raise SpecError(f"channels = {self.channels} must be divisible by 4")
        if wide := [width for m in (1, *self.multipliers) if (width := self.channels * m) > 64 and width % 32]:
            raise SpecError(f"channels x multipliers = {wide[0]} must be divisible by 32, or at most 64")
        if self.binning == "bins" and self.codes != BINS:
            raise SpecError(f"codes = {self.codes} must be {BINS} with binning = bins; set binning to kmeans for other numbers")
        if 2 * self.reach >= min(self.size):
            raise SpecError(f"reach = {self.reach} must be below half of height and width = {self.height}, {self.width}")

    @property
    def size(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the terms of the loss, where 0 leaves a term out; and numbers that define terms."""

    rec: float = number(1.0, 0.0, 1e6)
    """Weight of REC, the L1 distance of the next frame."""
    perceptual: float = number(1.0, 0.0, 1e6)
    """Weight of PERC, the distance of VGG19's features."""
    vq: float = number(1.0, 0.0, 1e6)
    """Weight of VQ, the distances of latents and codebook, summed over the two layers."""
    commitment: float = number(0.25, 0.0, 1e6)
    """Weight of the part of VQ that moves the codebook. (In the authors' code it is this part, and not the other one.)"""
    gan: float = number(1.0, 0.0, 1e6)
    """Weight of GAN, in units of the adaptive weight."""
    bg: float = number(10.0, 0.0, 1e6)
    """Weight of BG in stage 1, what changes outside of masks. That of SIZE is this weight divided by the ratio."""
    bg_late: float = number(10.0, 0.0, 1e6)
    """Weight of BG in stage 1 from `late_step` on."""
    bin: float = number(1.0, 0.0, 1e6)
    """Weight of BIN in stage 1, the distance of masks from 0 and 1."""
    bg_made: float = number(5.0, 0.0, 1e6)
    """Weight of BG-MADE in stage 2, the error of the next frame outside of control masks."""
    fg_made: float = number(0.0, 0.0, 1e6)
    """Weight of FG-MADE in stage 2, the error inside of control masks."""
    change: float = number(0.04, 0.0, 2.0)
    """Difference of grey levels, in [-1, 1], above which a pixel has changed."""
    blue: float = number(0.114, 0.0, 1.0)
    """Weight of blue in the grey level; the authors' code has 0.144."""
    union: bool = False
    """Whether a change may be covered by the mask of either frame. False: by that of the frame before, as in the paper."""
    batch_size_prior: bool = False
    """Whether SIZE compares means over the batch. False: those of each frame, as in the paper."""


@dataclass(frozen=True)
class TrainConfig(general.TrainConfig):
    """Numbers of training, and the schedules of Layered. Steps count from 0."""

    steps: int = number(30_000, 1, 10**9)
    """Training steps of both stages."""
    batch: int = number(8, 2, 65536)
    """Sequences per step and process; BatchNorm needs at least two."""
    window: int = number(2, 2, 1000)
    """Frames per sequence. Each frame and the next one are a pair to learn from."""
    rate: float = number(4.5e-6, 0.0, 1.0)
    """Learning rate of both optimisers."""
    weight_decay: float = number(0.0, 0.0, 1.0)
    """Weight decay (L2) of both optimisers."""
    decay_step: int = number(NEVER, 0, NEVER)
    """First step with the reduced learning rate."""
    stage: int = number(10_000, 0, NEVER)
    """First step of stage 2: masks are not trained any more."""
    ratio_from: float = number(80.0, 1e-3, 1e6)
    """Weight of BG divided by that of SIZE at the beginning."""
    ratio_to: float = number(5.0, 1e-3, 1e6)
    """The ratio does not fall below this."""
    ratio_every: int = number(1_000, 1, NEVER)
    """The ratio is halved every so many steps."""
    late_step: int = number(NEVER, 0, NEVER)
    """First step with `bg_late`."""
    gan_step: int = number(1, 0, NEVER)
    """First step with GAN, and with an update of the discriminator."""

    def ratio_at(self, step: int) -> float:
        """Weight of BG divided by that of SIZE at a step (supplement: begin with large masks, then let the size count)."""
        if self.ratio_from <= self.ratio_to:
            return self.ratio_from
        return max(self.ratio_to, self.ratio_from * 0.5 ** (step // self.ratio_every))


@dataclass(frozen=True)
class Config(Checked):
    """A Layered model and its training.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.

    Example:
        >>> PRESETS["tiny"].override(model={"transform": "affine"}).model.transform
        'affine'
    """

    system: ClassVar[str] = "layered"
    name: str = "bair"
    """Name of the preset."""
    model: ModelConfig = ModelConfig()
    """Sizes of the networks, and what a control mask is."""
    loss: LossConfig = LossConfig()
    """Weights of the loss."""
    train: TrainConfig = TrainConfig()
    """Training and schedules."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.loss.gan and min(self.model.size) < _LEAST_FOR_GAN:
            size = f"height, width = {self.model.height}, {self.model.width}"
            raise SpecError(f"{size} must be at least {_LEAST_FOR_GAN} for the discriminator; set loss.gan to 0 for smaller frames")


_COURT = {"height": 96, "width": 256}
_TENNIS = Config("tennis").override(
    model=_COURT,
    loss={"gan": 0.8, "bin": 10.0, "bg_made": 0.5},
    train={"batch": 10, "skip": 5, "ratio_from": 10.0, "ratio_every": 5_000, "gan_step": 5_000},
)
_BAIR_RELEASED = Config("bair-released").override(
    model={"grid": "ends"},
    loss={"perceptual": 0.0, "bg": 50.0, "bg_late": 5.0, "fg_made": 60.0, "blue": 0.144},
    train={"rate": 1.44e-4, "stage": 15_000, "ratio_from": 5.0, "ratio_every": 2_000, "late_step": 10_000},
)
_TENNIS_RELEASED = Config("tennis-released").override(
    model=_COURT | {"grid": "ends"},
    loss={"perceptual": 0.0, "gan": 0.8, "bin": 10.0, "bg": 2.0, "bg_late": 5.0, "bg_made": 2.0, "fg_made": 3.0, "blue": 0.144},
    train={
        "batch": 10,
        "skip": 5,
        "rate": 4.5e-5,
        "stage": 15_000,
        "ratio_from": 150.0,
        "ratio_every": 2_000,
        "late_step": 10_000,
        "gan_step": 5_000,
    },
)
# Why each number differs is in docs/layered.md.
_TINY = Config("tiny").override(
    model={
        "height": 48,
        "width": 64,
        "mask_channels": 8,
        "mask_blocks": 3,
        "mask_bias": -2.0,
        "channels": 8,
        "multipliers": (1, 3),
        "blocks": 1,
        "attention": False,
        "latent": 64,
        "codebook": 256,
        "averaged": True,
        "discriminator_channels": 16,
        "fit_steps": 30,
        "fit_rate": 0.01,
        "reach": 1,
        "paste": True,
        "carry": True,
        "remember": True,
    },
    loss={"vq": 0.5, "bg": 10.0, "bg_late": 10.0, "bin": 0.1, "gan": 0.0, "fg_made": 5.0, "union": True},
    train={
        "steps": 3_000,
        "batch": 8,
        "rate": 1e-3,
        "decay_step": 2_500,
        "stage": 800,
        "ratio_from": 10.0,
        "ratio_every": 200,
        "gan_step": NEVER,
    },
)

PRESETS = {preset.name: preset for preset in (Config(), _TENNIS, _BAIR_RELEASED, _TENNIS_RELEASED, _TINY)}
"""The paper's two data sets, by its supplement and by the authors' code, and `tiny` for two CPU cores."""
