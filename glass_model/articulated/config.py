"""Configuration of articulated motion: model, loss and training as frozen dataclasses, and the presets. Sizes are (height, width).

`vox`, `taichi`, `mgif` and `ted384` have the authors' sizes; docs/articulated.md says where a number is not theirs.
"""

from dataclasses import dataclass
from typing import ClassVar

from glass_model.training import config as general
from wsprites.fields import Checked, SpecError, choice, number


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Sizes of the networks."""

    height: int = number(256, 16, 1024)
    """Height of the frames that the networks see, in pixels."""
    width: int = number(256, 16, 1024)
    """Width of the frames that the networks see, in pixels."""
    regions: int = number(10, 1, 256)
    """K, the number of regions."""
    pca: bool = True
    """True: the affine map of a region is the principal axes of its heatmap. False: it is regressed, as in the First Order Motion Model."""
    temperature: float = number(0.1, 1e-3, 1e3)
    """Logits of the heatmaps are divided by it before the softmax over positions."""
    padding: int = number(3, 0, 3)
    """Padding of the last convolution of the heatmaps, 7 x 7: with 0 they lack three pixels at each edge."""
    aligned: bool = False
    """True: heatmaps without padding have the coordinates of their pixels in the frame. False: they span the frame, as the authors' do."""
    scale: int = number(4, 1, 16)
    """Factor by which frames are scaled down for the region and the flow predictor."""
    region_channels: int = number(32, 1, 512)
    """Channels of the region predictor's hourglass at its input's size."""
    region_depth: int = number(5, 1, 8)
    """How often the region predictor's hourglass halves height and width."""
    flow_channels: int = number(64, 1, 512)
    """Channels of the flow predictor's hourglass at its input's size."""
    flow_depth: int = number(5, 1, 8)
    """How often the flow predictor's hourglass halves height and width."""
    background: str = choice("affine", "zero", "shift", "affine", "perspective")
    """How the background may move: not at all, by a shift, affinely, or by a homography."""
    background_channels: int = number(32, 1, 512)
    """Channels of the background predictor's first layer are twice as many."""
    background_depth: int = number(5, 1, 8)
    """How often the background predictor halves height and width."""
    background_scale: int = number(1, 1, 16)
    """Factor by which frames are scaled down for the background predictor."""
    most_channels: int = number(1024, 1, 4096)
    """Upper limit of the channels of the three predictors."""
    channels: int = number(64, 1, 512)
    """Channels of the generator's first layer."""
    down: int = number(2, 1, 4)
    """How often the generator halves height and width."""
    residual: int = number(6, 0, 32)
    """Residual blocks of the generator at its lowest resolution."""
    embedding: int = number(64, 1, 4096)
    """Dimensions of the identity and of the pose in the AVD network."""
    avd_width: int = number(256, 1, 4096)
    """Width of the AVD network's first layer; the next two have twice and four times as much."""
    codes: int = number(0, 0, 4096)
    """Clusters of vectors, found after the last step of training, that serve as discrete actions; 0: none. Not in the paper."""

    def __post_init__(self) -> None:
        super().__post_init__()
        depth = max(self.region_depth, self.flow_depth)
        self._divisible("scale, region_depth, flow_depth", self.scale * 2**depth)
        self._divisible("down", 2**self.down)
        if self.background != "zero":
            self._divisible("background_scale, background_depth", self.background_scale * 2**self.background_depth)
        if min(self.height, self.width) // self.scale + 2 * self.padding < 8:
            raise SpecError(f"padding = {self.padding} is too small for a convolution of 7 x 7 at this height, width and scale")

    def _divisible(self, names: str, by: int) -> None:
        if self.height % by or self.width % by:
            raise SpecError(f"height, width = {self.height}, {self.width} must be divisible by {by}, as {names} say")

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width)."""
        return self.height, self.width


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the terms of the loss, where 0 leaves a term out; and the strength of the random warps."""

    perceptual: float = number(10.0, 0.0, 1e6)
    """Weight of PERC, the L1 distance of VGG19's features, summed over five layers and four scales."""
    pyramid: float = number(0.0, 0.0, 1e6)
    """Weight of PYR, the L1 distance of frames, summed over four scales: for training without VGG19, not in the paper."""
    ssim: float = number(0.0, 0.0, 1e6)
    """Weight of SSIM, (1 - structural similarity) / 2, summed over the scales of 8 pixels and more: as PYR, not in the paper."""
    eq_shift: float = number(10.0, 0.0, 1e6)
    """Weight of EQ-SHIFT: the means of the regions have to follow a known warp of the frame."""
    eq_affine: float = number(10.0, 0.0, 1e6)
    """Weight of EQ-AFFINE: the affine maps of the regions have to follow it."""
    warp_affine: float = number(0.05, 0.0, 1.0)
    """Standard deviation of the entries of the affine part of that warp."""
    warp_spline: float = number(0.005, 0.0, 1.0)
    """Standard deviation of the coefficients of its thin-plate spline."""
    warp_points: int = number(5, 1, 64)
    """Control points of the spline along each axis."""


@dataclass(frozen=True)
class TrainConfig(general.TrainConfig):
    """Numbers of training. Steps count from 0."""

    steps: int = number(65_100, 1, 10**9)
    """Training steps, those of AVD included."""
    batch: int = number(48, 2, 65536)
    """Pairs of frames per step and process, each of a sequence of its own."""
    window: int = number(8, 2, 1000)
    """Frames of a sequence, two of which make a pair."""
    skip: int = number(8, 1, 100)
    """Distance between two frames of a sequence in the data."""
    rate: float = number(2e-4, 0.0, 1.0)
    """Learning rate."""
    weight_decay: float = number(0.0, 0.0, 1.0)
    """Weight decay (L2) of the optimiser."""
    decay_step: int = number(37_500, 0, 10**9)
    """First step with the learning rate times `decay`."""
    second_decay_step: int = number(56_250, 0, 10**9)
    """First step with the learning rate times the square of `decay`."""
    decay: float = number(0.1, 0.0, 1.0)
    """Factor of the learning rate from these steps on."""
    freeze: int = number(62_500, 0, 10**9)
    """From this step on, everything else is kept and the AVD network is trained."""
    avd_rate: float = number(1e-3, 0.0, 1.0)
    """Learning rate of AVD; a tenth of it after 66 % of its steps, a hundredth after 88 %."""
    augment: str = choice("photo", "none", "flip", "photo", "strong")
    """Changes of both frames of a pair: "flip" in time (1/2), otherwise left and right (1/2); "photo" also colours by 0.1; "strong" also
    size by 0.1, hue by 0.5."""

    def rate_at(self, step: int) -> float:
        """Learning rate of everything but AVD at a step."""
        return self.rate * self.decay ** ((step >= self.decay_step) + (step >= self.second_decay_step))

    def avd_rate_at(self, step: int) -> float:
        """Learning rate of AVD at a step."""
        done = (step - self.freeze) / max(1, self.steps - self.freeze)
        return self.avd_rate * 0.1 ** ((done >= 0.66) + (done >= 0.88))


@dataclass(frozen=True)
class Config(Checked):
    """A model of articulated motion and its training.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.

    Example:
        >>> PRESETS["tiny"].override(model={"regions": 6}).model.regions
        6
    """

    system: ClassVar[str] = "articulated"
    name: str = "vox"
    """Name of the preset."""
    model: ModelConfig = ModelConfig()
    """Sizes of the networks."""
    loss: LossConfig = LossConfig()
    """Weights of the loss."""
    train: TrainConfig = TrainConfig()
    """Training and schedules."""


_TAICHI = Config("taichi").override(model={"padding": 0})
_MGIF = Config("mgif").override(
    model={"padding": 0, "background": "zero"},
    train={"window": 4, "skip": 4, "augment": "strong", "steps": 67_700},  # AVD gets half as many pairs of a step
)
_TED = Config("ted384").override(
    model={"height": 384, "width": 384, "padding": 0},
    train={"batch": 20, "steps": 156_250, "decay_step": 90_000, "second_decay_step": 135_000, "freeze": 150_000},
)
# Why each number differs is in docs/articulated.md.
_TINY = Config("tiny").override(
    model={
        "height": 48,
        "width": 64,
        "regions": 5,
        "padding": 0,
        "aligned": True,
        "scale": 2,
        "region_channels": 16,
        "region_depth": 3,
        "flow_channels": 16,
        "flow_depth": 3,
        "background": "shift",
        "background_channels": 16,
        "background_depth": 4,
        "most_channels": 128,
        "channels": 16,
        "residual": 2,
        "embedding": 16,
        "avd_width": 64,
    },
    loss={"perceptual": 0.0, "pyramid": 30.0, "ssim": 6.0},
    train={
        "steps": 3_000,
        "batch": 16,
        "window": 6,
        "skip": 1,
        "rate": 1e-3,
        "decay_step": 2_000,
        "second_decay_step": 2_500,
        "decay": 0.3,
        "freeze": 2_700,
        "augment": "flip",
    },
)

PRESETS = {preset.name: preset for preset in (Config(), _TAICHI, _MGIF, _TED, _TINY)}
"""The data sets of the paper, and `tiny` for two CPU cores."""
