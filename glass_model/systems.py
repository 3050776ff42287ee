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
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.optim import Optimizer

from glass_model.training.config import Config
from glass_model.training.device import Setup
from wsprites.errors import ArgumentError

SYSTEMS = {"glass": "glass_model.glass.system"}
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


class System(Protocol):
    """A model in training. Seeds, devices, checkpoints and logs belong to the loop; losses, schedules and learning rates to the system."""

    network: nn.Module
    """On its device, in train mode. Its state_dict is the checkpoint, buffers such as moving averages included.

    With several processes, the buffers of the first are sent to the others before every step: they learn from its batches alone."""
    optimizers: Sequence[Optimizer]
    """All optimisers; their states are saved for resuming."""

    def turns(self, frames: Tensor, step: int) -> Iterator[Turn]:
        """Yield one turn for each optimiser that learns from a batch.

        The loop updates after each turn, so a later turn sees the weights that an earlier one has changed. Whatever `network.forward`
        computes may run in bfloat16; everything else stays float32. Which parameters get gradients must depend on `step` alone. Nothing
        that happens here may depend on earlier batches but through the network and the optimisers, or a resumed run would differ.

        Args:
            frames: (B, T, 3, H, W) uint8 on the device of the network.
            step: number of training steps done before this one.
        """
        ...

    def strip(self) -> NDArray[np.uint8] | None:
        """The last batch as the model sees it, for people: (height, width, 3) uint8; None if there is nothing to show."""
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
    """What is to happen in one step of a generated video; None for nothing."""

    codes: Tensor | None = None
    """(B,) int64, 0 to K - 1: the discrete local action."""
    vectors: Tensor | None = None
    """(B, D) float32: a latent vector, for models without codes."""
    shift: Tensor | None = None
    """(B, 2) pixels: motion of the character on the screen."""
    background_shift: Tensor | None = None
    """(B, 2) pixels: motion of the scene on the screen."""


_State = TypeVar("_State")


@runtime_checkable
class Playable(Protocol[_State]):
    """A trained model that reads actions from videos and generates videos from actions. The state is the model's own type."""

    codes: int
    """K, the number of discrete local actions; 0 for a model whose actions are vectors."""

    def infer(self, frames: Tensor) -> Reading:
        """Read the actions in videos: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size and T >= 2."""
        ...

    def start(self, frame: Tensor) -> _State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size."""
        ...

    def step(self, state: _State, action: Action) -> tuple[Tensor, _State]:
        """Generate the next frame. The state that is passed is not changed, so it can be kept and used again.

        Returns:
            The frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action lacks a part that the model needs, or has one that it cannot use.
        """
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
        raise ArgumentError("system", f"{name!r:.80} is not one of {', '.join(SYSTEMS)}")
    return cast(SystemModule, import_module(SYSTEMS[name]))
