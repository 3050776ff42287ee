"""The systems, by name, and what each of them has to offer: the one contract between models and everything that uses them.

A system is a module that defines what `SystemModule` lists. The training loop drives a `System`; playing, transfer and the benchmark
drive a `Playable`, which the network of every system is. Frames are (B, T, 3, H, W), uint8 or float in [-1, 1]; shifts are (x, y) in
pixels of the frames that the caller has, x to the right and y down, as motion on the screen.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, NamedTuple, Protocol, TypeVar, cast, runtime_checkable

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from glass_model.training.config import Config
from glass_model.training.device import Setup
from glass_model.training.strips import Strip
from wsprites.errors import ArgumentError, nearest

SYSTEMS = {name: f"glass_model.{name}.system" for name in ("glass", "caddy", "lam", "layered", "articulated")}
"""Name of a system -> its module. The name is also the `format` of its checkpoints."""


# What is trained.


@dataclass(frozen=True)
class Turn:
    """What one optimiser is to do with a batch."""

    optimizer: Optimizer
    """Steps after the gradients of `loss` have been computed."""
    loss: Tensor
    """Scalar to minimise."""
    terms: Mapping[str, Tensor]
    """Scalars to log, by name: the parts of the loss. Means over the steps between two lines of the log."""
    usage: Tensor | None = None
    """(K,) number of transitions that each discrete code was chosen for; None for a system without codes."""
    schedule: Mapping[str, float] = field(default_factory=dict)
    """Numbers that hold at this step, to log as they are, such as the length of the sequences."""
    warnings: Mapping[str, str] = field(default_factory=dict)
    """What to tell the user where a term is above 0 in the mean since the last line of the log, by the name of the term.

    Told once. The mean is filled in by `str.format`."""


class System(Protocol):
    """A model in training. Seeds, devices, checkpoints and logs belong to the loop; losses, schedules and learning rates to the system."""

    network: nn.Module
    """On its device, in train mode. Its state_dict is the checkpoint, buffers such as moving averages included.

    With several processes, the buffers of the first are sent to the others before every step: they learn from its batches alone."""
    optimizers: Sequence[Optimizer]
    """All optimisers; their states are saved for resuming."""

    def turns(self, frames: Any, step: int) -> Iterator[Turn]:
        """Yield one turn for each optimiser that learns from a batch.

        The loop updates after each turn, so a later turn sees the weights that an earlier one has changed. Whatever `network.forward`
        computes may run in bfloat16; everything else stays float32. Which parameters get gradients must depend on `step` alone. Nothing
        that happens here may depend on earlier batches but through the network and the optimisers, or a resumed run would differ.

        Args:
            frames: (B, T, 3, H, W) uint8 on the device of the network. Of a configuration that is `Guided`, and names fields, a dict with
                these frames and the arrays that it names.
            step: number of training steps done before this one.
        """
        ...

    def strip(self) -> Sequence[Strip]:
        """The last batch as the model sees it, for people, in named rows; nothing if there is nothing to show."""
        ...

    def finish(self, batches: Iterator[Any]) -> None:
        """Called once after the last step, before the last checkpoint: computes what is found after training, such as a clustering.

        Results belong to buffers of the network. A run that is resumed with more steps calls it again at its new end.

        Args:
            batches: the batches that follow those of the last step, as in `turns`. Each process has its own; the first is saved.
        """
        ...


# What is played.


class Reading(NamedTuple):
    """What a model infers from videos of T frames, under the names of the benchmark's arrays; None for what it does not infer.

    Entry t of a transition leads from frame t to frame t + 1, so it corresponds to the label at t + 1.
    """

    codes: Tensor | None = None
    """(B, T - 1) int64, 0 to K - 1: the discrete local action of each transition."""
    vectors: Tensor | None = None
    """(B, T - 1, D) float32: a latent vector of each transition."""
    shift: Tensor | None = None
    """(B, T - 1, 2) float32, pixels: motion of the character on the screen."""
    background_shift: Tensor | None = None
    """(B, T - 1, 2) float32, pixels: motion of the scene on the screen."""
    masks: Tensor | None = None
    """(B, T, H, W) float32 in 0 to 1: the character in each frame."""


class Action(NamedTuple):
    """What is to happen in one step of a generated video; None for nothing. `Controls` says which parts a model takes."""

    codes: Tensor | None = None
    """(B,) int64, 0 to K - 1: the discrete local action."""
    vectors: Tensor | None = None
    """(B, D) floats: a latent vector, as in `Reading`. Beside a code it says more exactly what happens, or varies it."""
    shift: Tensor | None = None
    """(B, 2) pixels: motion of the character on the screen."""
    background_shift: Tensor | None = None
    """(B, 2) pixels: motion of the scene on the screen."""
    masks: Tensor | None = None
    """(B, H, W) floats in 0 to 1: the character in the next frame."""


@dataclass(frozen=True)
class Controls:
    """The parts of an `Action` that a model takes, under the same names.

    A step needs a code of a model that takes codes, or a vector or a mask if it takes these as well; of other models any part that they
    take. All parts that are given act together, so a vector does not repeat what a shift says; a model whose parts can say the same, such
    as a mask and a shift, says which one decides.

    Raises:
        ArgumentError: a negative number, or nothing that is taken.

    Example:
        >>> Controls(codes=6, shift=True)
        Controls(codes=6, vectors=0, shift=True, background_shift=False, masks=False)
        >>> print(Controls(codes=6, shift=True))
        codes 0 to 5, shift
    """

    codes: int = 0
    """K, the number of codes; 0 for a model that takes none. A model that reads codes takes them."""
    vectors: int = 0
    """D, the size of a vector; 0 for a model that takes none."""
    shift: bool = False
    """Whether the motion of the character is given in pixels."""
    background_shift: bool = False
    """Whether the motion of the scene is given in pixels."""
    masks: bool = False
    """Whether the character's next mask is given."""

    def __post_init__(self) -> None:
        for name in Action._fields:
            if getattr(self, name) < 0:
                raise ArgumentError(name, f"{getattr(self, name)} is negative")
        if not any(getattr(self, name) for name in Action._fields):
            raise ArgumentError("controls", f"a model takes at least one of {', '.join(Action._fields)}")

    def __str__(self) -> str:
        sizes = {"codes": f"codes 0 to {self.codes - 1}", "vectors": f"vectors of size {self.vectors}"}
        return ", ".join(sizes.get(name, name) for name in Action._fields if getattr(self, name))

    def check(self, action: Action, size: tuple[int, int, int]) -> None:
        """Check an action before a step. Values are read, which waits for a GPU: a step of generation, unlike one of training, may.

        Args:
            action: what a model is given.
            size: (B, H, W) of the frames that are generated.

        Raises:
            ArgumentError: a part that the model does not take, a missing one, or one of a wrong type, shape or range.
        """
        given = {name: part for name, part in action._asdict().items() if part is not None}
        if unknown := [name for name in given if not getattr(self, name)]:
            raise ArgumentError("action", f"this model takes {self}, and no {' or '.join(unknown)}")
        if not given.keys() & ({"codes", "vectors", "masks"} if self.codes else set(Action._fields)):
            raise ArgumentError("action", f"this model takes {self}; given: {', '.join(given) or 'nothing'}")
        shapes = {"codes": size[:1], "vectors": (size[0], self.vectors), "masks": size}
        for name, part in given.items():
            _check_part(name, part, shapes.get(name, (size[0], 2)), self.codes)


def _check_part(name: str, part: Tensor, shape: tuple[int, ...], codes: int) -> None:
    """Raise ArgumentError unless a part of an action has this shape, the type of its kind, and values in its range."""
    if not isinstance(part, Tensor):
        raise ArgumentError("action", f"{name} is a {type(part).__name__}; expected a tensor of shape {shape}")
    if tuple(part.shape) != shape:
        raise ArgumentError("action", f"{name} has the shape {tuple(part.shape)}; expected {shape}")
    integers, pixels = name == "codes", name in ("shift", "background_shift")
    if part.dtype != torch.int64 if integers else not (part.is_floating_point() or (pixels and part.dtype in _INTEGERS)):
        raise ArgumentError("action", f"{name} is of type {part.dtype}; expected {'int64' if integers else 'floats'}")
    low, high = torch.stack(part.aminmax()).tolist()  # NaN if there is one
    if integers and not (low >= 0 and high < codes):
        raise ArgumentError("action", f"codes has values from {low} to {high}; expected 0 to {codes - 1}")
    least, most = (0.0, 1.0) if name == "masks" else (-_LARGEST, _LARGEST)
    if not integers and not (least - _ROUNDING <= low and high <= most + _ROUNDING):
        problem = f"values from {low:g} to {high:g}; expected {least:g} to {most:g}" if low <= high else "NaN"
        raise ArgumentError("action", f"{name} has {problem}")


_INTEGERS = (torch.int8, torch.int16, torch.int32, torch.int64)
_LARGEST = 1e6  # of vectors and pixels: no model means more, and infinity is refused
_ROUNDING = 1e-3  # by which floats may be outside of their range


def check_frames(frames: Tensor, *, video: bool) -> None:
    """Check the frames that a `Playable` is given: `infer` and `start` of every system call this first.

    Values of uint8 need no check. Those of floats are read, which waits for a GPU; training uses uint8 and never calls this. Floats in
    [0, 1] are possible values of bright frames in [-1, 1] and are not refused: convert them by `2 * frames - 1`.

    Args:
        frames: (B, T, 3, H, W) if `video`, otherwise (B, 3, H, W); uint8, or float in [-1, 1].
        video: whether it is the `frames` of `infer`, with T >= 2, or the `frame` of `start`.

    Raises:
        ArgumentError: no tensor, or one of another shape, type or range.

    Example:
        >>> check_frames(torch.zeros(1, 2, 3, 96, 128), video=True)
    """
    name, axes = ("frames", "(B, T, 3, H, W)") if video else ("frame", "(B, 3, H, W)")
    if not isinstance(frames, Tensor):
        hint = f"pass torch.from_numpy({name})" if isinstance(frames, np.ndarray) else "expected a tensor"
        raise ArgumentError(name, f"this is a {type(frames).__name__}; {hint}, of shape {axes}")
    shape = tuple(frames.shape)
    if len(shape) != (5 if video else 4) or shape[-3] != 3 or 0 in shape:
        raise ArgumentError(name, f"the shape is {shape}; expected {axes}")
    if video and shape[1] < 2:
        raise ArgumentError(name, f"the shape is {shape}; a video {axes} has at least two frames, T >= 2")
    if frames.dtype == torch.uint8:
        return
    if not frames.is_floating_point():
        raise ArgumentError(name, f"the type is {frames.dtype}; expected uint8, or floats in [-1, 1]")
    low, high = torch.stack(frames.aminmax()).tolist()  # NaN if there is one
    if not (low >= -1 - _ROUNDING and high <= 1 + _ROUNDING):
        problem = f"floats from {low:g} to {high:g}" if low <= high else "NaN"
        raise ArgumentError(name, f"there are {problem}; expected uint8, or floats in [-1, 1], as frames / 127.5 - 1")


_State = TypeVar("_State")


@runtime_checkable
class Playable(Protocol[_State]):
    """A trained model that reads actions from videos and generates videos from actions. The state is the model's own type.

    What is given is checked by `check_frames` and `Controls.check`, so that every system refuses the same mistakes in the same words.
    """

    controls: Controls
    """The parts of an action that `step` takes."""

    def infer(self, frames: Tensor) -> Reading:
        """Read the actions in videos: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size and T >= 2.

        Raises:
            ArgumentError: frames of another kind.
        """
        ...

    def start(self, frame: Tensor) -> _State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another kind.
        """
        ...

    def step(self, state: _State, action: Action) -> tuple[Tensor, _State]:
        """Generate the next frame. The state that is passed is not changed, so it can be kept and used again.

        Returns:
            The frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action lacks a part that the model needs, or has one that it cannot use.
        """
        ...


@runtime_checkable
class Observing(Protocol[_State]):
    """A Playable with a memory beside the last frame, which can be shown true frames while it generates."""

    def observe(self, state: _State, frame: Tensor) -> _State:
        """The state with a true frame in place of the one that was generated last; what is remembered of earlier frames stays.

        The state that is passed is not changed.

        Args:
            state: that after a step.
            frame: (B, 3, H, W), uint8 or float in [-1, 1], of the size of the first one.

        Raises:
            ArgumentError: a frame of another kind.
        """
        ...


@runtime_checkable
class Driven(Protocol[_State]):
    """A Playable that takes vectors, that can follow another video in several ways, and whose scene can be turned."""

    modes: Sequence[str]
    """Names of the ways."""

    def drive(self, frame: Tensor, driving: Tensor, mode: str) -> Tensor:
        """The vectors of T steps, (B, T, D), that show a frame, (B, 3, H, W), in the poses of the T frames of a video, (B, T, 3, H', W').

        Raises:
            ArgumentError: frames of another kind, no such mode, or one that the model has not learned.
        """
        ...

    def turn(self, state: _State, degrees: float) -> _State:
        """The state with a scene that is turned counter-clockwise on the screen. The state that is passed is not changed."""
        ...


# The list.


class SystemModule(Protocol):
    """What the module of a system defines."""

    PRESETS: Mapping[str, Config]
    """Configurations by name; the first is the default, and fills in what a checkpoint's configuration does not say."""

    def network(self, config: Any) -> nn.Module:
        """The network of a configuration, with random weights; `Playable`.

        Its state_dict holds everything that it needs: a checkpoint is loaded into a network without memory, so tensors outside of the
        state_dict, buffers that are not persistent among them, would stay empty.
        """
        ...

    def system(self, config: Any, setup: Setup) -> System:
        """The network and its optimisers, ready to be trained. Raises ArgumentError for a part of `setup` that it cannot use."""
        ...


def find(name: str) -> SystemModule:
    """The module of a system. Raises ArgumentError if there is none of that name."""
    if name not in SYSTEMS:
        raise ArgumentError("system", f"{name!r:.80} is not one of {', '.join(SYSTEMS)}{nearest(name, SYSTEMS)}")
    return cast(SystemModule, import_module(SYSTEMS[name]))
