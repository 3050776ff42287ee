"""Configuration of latent action models: model, loss and training as frozen dataclasses, and the presets. Sizes are (height, width).

docs/lam.md says where each number of a preset comes from, and where a preset departs from what was published.
"""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from glass_model.training import config as general
from wsprites.fields import Checked, SpecError, choice, flag, number


@dataclass(frozen=True)
class ModelConfig(Checked):
    """Sizes of the networks, and what they see."""

    height: int = number(96, 16, 1024)
    """Height of the frames that the model works on, in pixels."""
    width: int = number(128, 16, 1024)
    """Width of the frames that the model works on, in pixels."""
    scale: int = number(2, 1, 16)
    """Factor by which these frames, or the windows of them, are averaged down for the networks."""
    figure: int = number(0, 0, 1024)
    """Side of a square window that follows the figure, in pixels of these frames, not larger than their longer side; the networks see it
    alone. 0: whole frames."""
    follow: str = choice("place", "place", "tracker", "gma")
    """What places the window: "place" the true places in training (guided) and a network that learned them afterwards, "tracker" classical
    tracking, "gma" the mask net of a checkpoint of GLASS, which training is given as `gma`."""
    figure_only: bool = flag(default=False, added=True)
    """True: the inverse model sees what that mask net finds on a plain ground, and in training its colours and place change from sequence
    to sequence; only for follow = "gma"."""
    mask_channels: int = number(8, 1, 512)
    """Channels of the mask net of that checkpoint; only for follow = "gma", as the two below."""
    mask_blocks: int = number(1, 0, 32)
    """Residual blocks of that mask net at its lowest resolution."""
    mask_scale: int = number(2, 1, 16)
    """Factor by which frames are averaged down for that mask net."""
    mask_bias: float = number(-2.0, -20.0, 20.0)
    """Constant added to the logits of that mask net."""
    context: int = number(1, 1, 64)
    """k, the frames up to t that both networks see: 1 for pairs."""
    difference: bool = True
    """True: the inverse model sees x_t and x_t+j - x_t, the forward model predicts x_t+1 - x_t. False: frames."""
    backbone: str = choice("conv", "conv", "transformer")
    """"conv": IMPALA and a U-Net. "transformer": spatio-temporal transformers on patches."""
    encoder: str = field(default="impala", metadata={"choices": ("impala", "strided"), "added": True})
    """The inverse model's convolutions, with the conv backbone: "impala", or "strided", a single one of stride 2 in each stage."""
    idm_channels: tuple[int, ...] = number((16, 32, 32), 1, 2048)
    """Channels of the stages of the inverse model, each of which halves height and width."""
    idm_blocks: int = number(2, 0, 16)
    """Residual blocks of each stage of "impala"."""
    idm_hidden: int = number(256, 1, 65536)
    """Width of the layer between the last map and z."""
    fdm_channels: int = number(8, 2, 512)
    """Channels of the first stage of the forward model; each further one has twice as many."""
    fdm_stages: int = number(4, 1, 8)
    """Stages of the forward model, each of which halves height and width."""
    patch: int = number(16, 1, 64)
    """Side of the patches of the transformers, in pixels of what they see."""
    layers: int = number(8, 1, 64)
    """Layers of each of the two transformers."""
    heads: int = number(8, 1, 64)
    """Heads of their attention."""
    embedding: int = number(512, 1, 4096)
    """Width of their tokens."""
    bottleneck: str = choice("vq", "vq", "fsq", "vae", "none", "softmax")
    """What z passes through: "vq" codebooks, "fsq" rounding (Mentzer et al., 2024), "vae" noise, "none" nothing; for "softmax" z are the
    logits of the codes, of which the likeliest passes."""
    size: int = number(16, 1, 65536)
    """Dimensions of a vector: of a group's for "vq", of z for "vae" and "none". "fsq" has one for each of `levels`."""
    codes: int = number(9, 1, 65536)
    """Codes of each codebook; for "vae" and "none", the number of clusters that vectors are assigned to."""
    groups: int = number(1, 1, 64)
    """G, the parts of z that are quantised by themselves; "vq" only. The code of a transition is that of all groups together."""
    books: int = number(1, 1, 64)
    """Codebooks, each of which serves groups / books groups; "vq" only."""
    levels: tuple[int, ...] = number((3, 3), 2, 64)
    """Levels of each dimension; "fsq" only."""
    latent: bool = False
    """True: the vectors learn to predict an encoding of the next frame (LAOM), and the forward model of frames learns from them alone."""
    latent_hidden: int = number(256, 1, 4096)
    """Width of the heads of that prediction."""
    latent_size: int = number(256, 1, 65536)
    """Dimensions of that encoding."""
    latent_norm: bool = False
    """Encodings are normalised to mean 0 and variance 1 over their dimensions; without, they can grow without bound."""

    def __post_init__(self) -> None:
        super().__post_init__()
        down = self.patch if self.backbone == "transformer" else 2 ** max(len(self.idm_channels), self.fdm_stages)
        sides = {"figure": self.figure} if self.figure else {"height": self.height, "width": self.width}
        for name, side in sides.items():
            if side % (self.scale * down):
                raise SpecError(f"{name} = {side} must be divisible by scale = {self.scale} times {down}, what the networks average over")
        if self.figure > max(self.frame):
            raise SpecError(f"figure = {self.figure} is larger than frames of {self.height} x {self.width}: use at most {max(self.frame)}")
        if self.figure and self.follow == "gma" and (self.height % (8 * self.mask_scale) or self.width % (8 * self.mask_scale)):
            raise SpecError(f"height, width = {self.height}, {self.width} must be divisible by 8 times mask_scale = {self.mask_scale}")
        if self.backbone == "transformer" and self.embedding % self.heads:
            raise SpecError(f"embedding = {self.embedding} must be divisible by heads = {self.heads}")
        if self.bottleneck != "vq" and (self.groups, self.books) != (1, 1):
            raise SpecError(f"groups, books = {self.groups}, {self.books} need bottleneck = 'vq'")
        if self.groups % self.books:
            raise SpecError(f"groups = {self.groups} must be divisible by books = {self.books}")
        if self.figure_only and not (self.figure and self.follow == "gma"):
            raise SpecError("figure_only = true needs a window, figure > 0, with follow = 'gma'")
        if self.latent and self.backbone == "transformer":
            raise SpecError("latent = true needs backbone = 'conv'")

    @property
    def frame(self) -> tuple[int, int]:
        """(height, width) of the frames that the model works on."""
        return self.height, self.width

    @property
    def cut(self) -> tuple[int, int]:
        """(height, width) of the part of them that the networks see, before it is averaged down."""
        return (self.figure, self.figure) if self.figure else self.frame

    @property
    def seen(self) -> tuple[int, int]:
        """(height, width) of what the networks see."""
        return self.cut[0] // self.scale, self.cut[1] // self.scale

    @property
    def dimensions(self) -> int:
        """D, the dimensions of z."""
        return {"vq": self.groups * self.size, "fsq": len(self.levels), "softmax": self.codes}.get(self.bottleneck, self.size)

    @property
    def all_codes(self) -> int:
        """The number of codes of a transition, all groups together."""
        return math.prod(self.levels) if self.bottleneck == "fsq" else self.codes**self.groups


@dataclass(frozen=True)
class LossConfig(Checked):
    """Weights of the terms of the loss, where 0 leaves a term out; and numbers that define terms. Pixels are in -0.5 to 0.5."""

    rec: float = number(1.0, 0.0, 1e6)
    """Weight of REC, the mean squared difference of predicted and true next frames."""
    target: str = choice("pixel", "pixel", "foreground", "found")
    """Which pixels REC is about: "foreground" weights those of the true figure by 1 and all others by `outside` (guided), "found" those of
    the figure that the mask net of `model.follow` = "gma" finds (unsupervised)."""
    outside: float = number(0.1, 0.0, 1.0)
    """Weight of pixels outside of the figure."""
    commit: float = number(0.05, 0.0, 1e6)
    """Weight of COMMIT, the mean squared distance of vectors from their codes, for "vq"."""
    kl: float = number(2e-4, 0.0, 1e6)
    """Weight of KL, in nats, for "vae"."""
    spread: float = number(0.1, 0.1, 0.1)
    """Has no effect, since z is whitened for "fsq"; earlier files name it."""
    latent: float = number(1.0, 0.0, 1e6)
    """Weight of LATENT, the mean squared difference of predicted and true encodings, with `model.latent`."""
    variance: float = number(1.0, 0.0, 1e6)
    """Weight of VARIANCE, how far standard deviations of encodings of frames over the batch are below 1, with `model.latent`."""
    label: float = number(0.1, 0.0, 1e6)
    """Weight of LABEL, the cross-entropy of labels that are read linearly from z, where `train.labels` is above 0."""
    zero: float = number(0.0, 0.0, 1e6)
    """Weight of ZERO, how far vectors of a frame and itself are longer than `margin` times those of transitions."""
    margin: float = number(0.1, 0.0, 10.0)
    """The length that ZERO allows."""
    persist: float = number(0.0, 0.0, 1e6, added=True)
    """Weight of PERSIST, how hard it is to tell the codes that follow a transition from others of its sequence, for "softmax"; see
    `train.near`. With more than 0, REC does not reach the inverse model."""
    entropy: float = number(0.0, 0.0, 1e6, added=True)
    """Weight of ENTROPY, the negative entropy of the codes of a sequence, for "softmax"."""
    place: float = number(0.1, 0.0, 1e6)
    """Weight of PLACE, the mean distance of the network that places windows from the places that it learns, where 1 is half of a frame."""


@dataclass(frozen=True)
class TrainConfig(general.TrainConfig):
    """Numbers of training. Steps count from 0."""

    steps: int = number(50_000, 1, 10**9)
    """Training steps."""
    batch: int = number(128, 2, 65536)
    """Sequences per step and process."""
    window: int = number(2, 2, 1000)
    """Frames per sequence: at least `model.context` + `ahead` + `behind`; a longer one gives a transition for each further frame."""
    rate: float = number(3e-4, 0.0, 1.0)
    """Learning rate."""
    weight_decay: float = number(0.0, 0.0, 1.0)
    """Weight decay of the optimiser, decoupled from the learning rate's adaptation (AdamW)."""
    warm: int = number(50, 0, 10**9)
    """Steps in which the learning rate rises linearly from a tenth; afterwards it falls linearly to a hundredth."""
    clip: float = number(2.0, 0.0, 1e6)
    """Largest norm of the gradient; 0 does not limit it."""
    keep: float = number(0.999, 0.0, 1.0)
    """Share of a codebook's averages that a step keeps."""
    reset: int = number(50, 0, 10**9)
    """Steps in a row without use after which a code gets the place of a vector of the batch; 0: never."""
    follow: float = number(0.001, 0.0, 1.0)
    """Share of the encoder that a step of the target encoder takes, with `model.latent`."""
    ahead: int = number(1, 1, 100)
    """The inverse model sees x_t and x_t+j with j drawn from 1 to this; always x_t+1 when it reads."""
    behind: int = number(0, 0, 1000, added=True)
    """The forward model sees the frames up to x_t-i instead of those up to x_t, i drawn from 0 to this. With more than 0, a sequence gives
    one transition, its last."""
    near: int = number(2, 1, 1000, added=True)
    """PERSIST is about the transitions from this many to `far` after each; those that are nearer are left out, for they share frames."""
    far: int = number(4, 1, 1000, added=True)
    """See `near`."""
    every: int = number(1, 1, 1000, added=True)
    """The forward model learns from every so many of the transitions of a sequence; the first is drawn."""
    augment: str = choice("none", "none", "shared", "twin")
    """"shared": one shift and brightness for the inverse model's frames, another for the forward model's. "twin": the forward model sees
    and predicts another character in another scene with the same motion (guided)."""
    labels: float = number(0.0, 0.0, 1.0)
    """Share of the clips whose labels are used."""
    label: str = choice("local", "local", "global", "background")
    """The action that these labels name."""
    labelled: int = number(0, 0, 65536, added=True)
    """Sequences of each batch that are drawn from the clips with labels alone; 0: those that chance brings."""

    def rate_at(self, step: int) -> float:
        """Learning rate at a step."""
        if step < self.warm:
            return self.rate * general.ramp(0.1, 1.0, self.warm, step)
        return self.rate * general.ramp(1.0, 0.01, max(self.steps - self.warm, 1), step - self.warm)


@dataclass(frozen=True)
class Config(Checked):
    """A latent action model and its training.

    Raises:
        SpecError: a value of a wrong type or outside its range, or values that contradict one another.

    Example:
        >>> PRESETS["tiny"].override(model={"codes": 6}).model.codes
        6
        >>> PRESETS["tiny"].override(loss={"target": "foreground"}, train={"labels": 0.01}).fields
        ('masks', 'index', 'local_action')
    """

    system: ClassVar[str] = "lam"
    name: str = "base"
    """Name of the preset."""
    model: ModelConfig = ModelConfig()
    """Sizes of the networks."""
    loss: LossConfig = LossConfig()
    """Weights of the loss."""
    train: TrainConfig = TrainConfig()
    """Training."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.model.context + self.train.ahead + self.train.behind > self.train.window:
            needed = f"model.context + train.ahead + train.behind = {self.model.context} + {self.train.ahead} + {self.train.behind}"
            raise SpecError(f"{needed} must not be above train.window = {self.train.window}")
        if self.loss.target == "found" and not (self.model.figure and self.model.follow == "gma" and self.train.augment != "twin"):
            raise SpecError("loss.target = 'found' needs a window, model.figure > 0, with model.follow = 'gma', and no twins")
        if self.train.near > self.train.far:
            raise SpecError(f"train.near = {self.train.near} must not be above train.far = {self.train.far}")
        count = self.train.window - self.model.context - self.train.ahead - self.train.behind + 1
        if self.loss.persist and (self.train.behind or self.train.far >= count):
            raise SpecError(f"loss.persist needs train.behind = 0 and more than train.far = {self.train.far} transitions, not {count}")
        if (self.loss.persist or self.loss.entropy) and self.model.bottleneck != "softmax":
            raise SpecError("loss.persist and loss.entropy need model.bottleneck = 'softmax'")
        if self.train.labelled and not (self.train.labels and self.train.labelled < self.train.batch):
            raise SpecError(f"train.labelled = {self.train.labelled} needs train.labels > 0, and to be less than train.batch")
        if self.train.augment == "shared" and self.model.figure:
            raise SpecError("train.augment = 'shared' shifts whole frames; it needs model.figure = 0")

    @property
    def fields(self) -> tuple[str, ...]:
        """The arrays that are learned from beside frames: empty for the unsupervised track."""
        twin = self.train.augment == "twin"
        needed = {
            "masks": self.loss.target == "foreground" and not twin,
            "twin": twin,
            "twin_masks": twin and self.loss.target == "foreground",
            "centre": bool(self.model.figure) and self.model.follow == "place",
            "index": self.train.labels > 0,
            f"{self.train.label}_action": self.train.labels > 0,
        }
        return tuple(name for name, is_needed in needed.items() if is_needed)

    @property
    def few_labels(self) -> general.FewLabels | None:
        """The clips with labels that sequences of each batch are drawn from; None: from all alike."""
        return general.FewLabels(self.train.labels, self.train.seed, self.train.labelled) if self.train.labelled else None


_LARGE = {"idm_channels": (64, 128, 128, 128), "fdm_channels": 24, "fdm_stages": 5}
_TRANSFORMER = {"backbone": "transformer", "scale": 1, "difference": False}
# Why each number differs is in docs/lam.md.
_BASE = Config().override(model={**_LARGE, "scale": 1})
_LAPO_SIZES = {"height": 64, "width": 64, "scale": 1, "difference": False, "fdm_channels": 24, "fdm_stages": 5}
_LAPO = Config("lapo").override(
    model={**_LAPO_SIZES, "context": 2, "idm_channels": (64, 128, 128), "size": 16, "codes": 64, "groups": 8, "books": 2},
    train={"window": 3},
)
_GENIE = Config("genie").override(
    model={**_TRANSFORMER, "context": 15, "size": 32, "codes": 6},
    loss={"commit": 0.25},
    train={"steps": 200_000, "batch": 36, "window": 16, "rate": 3e-5, "weight_decay": 1e-4, "warm": 5_000, "clip": 0.0},
)
_VAE = {"bottleneck": "vae", "size": 32, "codes": 8}
_ADAWORLD = Config("adaworld").override(
    model={**_TRANSFORMER, **_VAE, "height": 256, "width": 256, "layers": 16, "heads": 16, "embedding": 1024},
    train={"batch": 60, "rate": 2.5e-5, "weight_decay": 0.01, "clip": 0.3},
)
_LAOM = Config("laom").override(
    model={
        **_LAPO_SIZES,
        "context": 3,
        "idm_channels": (96, 192, 192),
        "idm_hidden": 1024,
        "bottleneck": "none",
        "size": 8192,
        "latent": True,
        "latent_hidden": 1024,
        "latent_size": 1024,
    },
    loss={"variance": 0.0},
    train={"batch": 512, "window": 13, "rate": 1e-4, "ahead": 10, "augment": "shared", "clip": 0.0},
)
_TINY = Config("tiny").override(
    model={"latent_norm": True}, loss={"rec": 10.0, "kl": 2e-3}, train={"steps": 2_000, "batch": 64, "rate": 6e-4, "keep": 0.99}
)
_SMALL = Config("small").override(
    model={"idm_channels": (32, 64, 64), "fdm_channels": 16, "latent_norm": True},
    loss={"rec": 10.0, "kl": 2e-3},
    train={"steps": 2_500, "batch": 64, "rate": 6e-4, "keep": 0.99},
)

_STRIDED = {"encoder": "strided", "idm_channels": (16, 32, 64, 96), "idm_hidden": 128}
_PERSIST = Config("persist").override(
    model={**_STRIDED, "scale": 1, "figure": 64, "follow": "gma", "figure_only": True, "bottleneck": "softmax"},
    loss={"rec": 10.0, "target": "found", "persist": 1.0, "entropy": 0.3},
    train={"steps": 1_000, "batch": 4, "window": 90, "every": 6, "rate": 3e-3},
)

PRESETS = {preset.name: preset for preset in (_BASE, _LAPO, _GENIE, _ADAWORLD, _LAOM, _TINY, _SMALL, _PERSIST)}
"""`base` for one GPU, the published models, and `tiny`, `small` and `persist` for two CPU cores; the last needs a checkpoint of GLASS."""
