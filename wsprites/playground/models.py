"""Models beside the world: what they take, their steps one by one, and what they read in clips. Everything here runs in a model's worker.

Axis suffixes: b videos, s steps, t frames, h, w, c; k codes; 2 = (x, y) in pixels.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import VideoSize
from wsprites.bench.load import load_model
from wsprites.bench.protocol import Arrays, Controllable, Model, ProtocolError, infer, named, rollout, takes_true_actions
from wsprites.errors import ArgumentError
from wsprites.foreign import foreign_code
from wsprites.playground.worker import Worker

Parts = Mapping[str, NDArray[Any]]
"""The parts of an action, by the names of `Takes`, with a leading axis of videos."""


@runtime_checkable
class Steps(Protocol):
    """A model that is played step by step. Checkpoints of `wsprites train` are; a model of others may be."""

    controls: Any
    """The parts of an action that `step` takes, as the attributes of `Takes`."""

    def start(self, frame_bchw: NDArray[np.uint8], /) -> Any:
        """The state of videos that begin with frames, (B, 3, H, W) uint8."""
        ...

    def step(self, state: Any, parts: Parts, /) -> tuple[NDArray[np.uint8], Any]:
        """The next frames, (B, 3, H, W) uint8, and the next state. The state that is passed must stay as it is."""
        ...


@runtime_checkable
class Follows(Protocol):
    """A model with `Steps` that can show a frame in the poses of a video. Checkpoints of articulated motion can."""

    modes: Sequence[str]
    """Names of the ways in which it can, the first one the default."""

    def drive(self, frame_bchw: NDArray[np.uint8], driving_btchw: NDArray[np.uint8], mode: str, /) -> NDArray[Any]:
        """The vectors of T steps after `start`, (B, T, D), one for each frame of the videos, (B, T, 3, H, W) uint8."""
        ...


@dataclass(frozen=True)
class Takes:
    """The parts of an action that a model takes, under the names of the benchmark's arrays."""

    codes: int = 0
    """K, the number of codes; 0 for none."""
    vectors: int = 0
    """D, the size of a latent vector; 0 for none."""
    shift: bool = False
    """Whether the motion of the character is given, in pixels."""
    background_shift: bool = False
    """Whether the motion of the scene is given, in pixels."""
    masks: bool = False
    """Whether the character's next mask is given."""

    @property
    def nothing(self) -> bool:
        """True for a model that generates nothing, and only reads."""
        return self == Takes()


class _Size(NamedTuple):
    """The size of clips, as the checks of what a model infers need it (`bench.data.Clips`)."""

    name: str
    spec: VideoSize
    clips: int

    def __len__(self) -> int:
        return self.clips


class Player:
    """A model and the thread that it runs in. Methods but `submit` are called in this thread.

    Args:
        name: how the model is called on pages.
        model: the model, of the benchmark's protocol; it is played if it has `start` and `step`, or else `rollout`.
        size: (height, width) of the frames of the world.

    Raises:
        UserError: it does not follow the protocol.
        ForeignError: it raised an exception.
    """

    def __init__(self, name: str, model: Model, size: tuple[int, int]) -> None:
        self.name, self._model = name, model
        with named(name):
            self.takes = self._what_it_takes(size)
            self.modes = self._how_it_follows()
            """Names of the ways in which the model can follow a video; empty if it cannot."""
        self.submit = Worker(f"model {name}").submit
        """Do a call in the thread of the model."""

    def _what_it_takes(self, size: tuple[int, int]) -> Takes:
        model = self._model
        if isinstance(model, Steps):
            with foreign_code("controls"):
                codes, vectors, shift, scene, masks = (getattr(model.controls, name, 0) for name in Takes.__dataclass_fields__)
                return Takes(int(codes), int(vectors), bool(shift), bool(scene), bool(masks))
        if not isinstance(model, Controllable):
            return Takes()
        # A rollout gets codes, or vectors of a model that infers none, and shifts where the model infers these.
        arrays = self.infer(np.zeros((2, *size, 3), np.uint8))
        if "codes" in arrays:
            count = getattr(model, "codes", None)
            if count is None:
                raise ProtocolError("a model that is played by codes says how many there are in its attribute codes")
            return Takes(codes=int(count), shift="shift" in arrays)
        if "vectors" not in arrays:
            return Takes()  # a rollout needs one of them
        return Takes(vectors=arrays["vectors"].shape[-1], shift="shift" in arrays)

    def _how_it_follows(self) -> tuple[str, ...]:
        if not (isinstance(self._model, Steps) and isinstance(self._model, Follows) and self.takes.vectors):
            return ()
        with foreign_code("modes"):
            return tuple(str(mode) for mode in self._model.modes)

    def drive(self, frame_hwc: NDArray[np.uint8], driving_thwc: NDArray[np.uint8], mode: str) -> NDArray[np.float32]:
        """The vectors of T steps, (T, D), that show a frame in the poses of a video. Only of a model with `modes`."""
        assert isinstance(self._model, Follows)
        frame_bchw, driving_btchw = frame_hwc.transpose(2, 0, 1)[None], driving_thwc.transpose(0, 3, 1, 2)[None]
        with foreign_code("drive"):
            vectors = self._model.drive(np.ascontiguousarray(frame_bchw), np.ascontiguousarray(driving_btchw), mode)
        expected = (1, len(driving_thwc), self.takes.vectors)
        if not isinstance(vectors, np.ndarray) or vectors.shape != expected:
            got = vectors.shape if isinstance(vectors, np.ndarray) else type(vectors).__name__
            raise ProtocolError(f"drive returned {got}; expected an array of shape {expected}: videos, frames, numbers of a vector")
        return np.asarray(vectors[0], np.float32)

    def infer(self, frames_thwc: NDArray[np.uint8]) -> Arrays:
        """What the model infers from one clip, (T, H, W, 3) uint8: the benchmark's arrays, without the axis of clips."""
        size = _Size("clip", VideoSize(*frames_thwc.shape[:3]), 1)
        arrays = infer(self._model, frames_thwc[None].transpose(0, 1, 4, 2, 3), size)
        return {name: array[0] for name, array in arrays.items()}

    def start(self, frame_bhwc: NDArray[np.uint8]) -> Any:
        """The state of videos that begin with frames, (B, H, W, 3) uint8."""
        if not isinstance(self._model, Steps):
            return frame_bhwc
        with foreign_code("start"):
            return self._model.start(np.ascontiguousarray(frame_bhwc.transpose(0, 3, 1, 2)))

    def step(self, state: Any, parts: Parts, shape_bhwc: tuple[int, ...]) -> tuple[NDArray[np.uint8], Any]:
        """The next frames, (B, H, W, 3) uint8, and the next state.

        A model with `rollout` alone is asked for one step from the last frame, so it remembers nothing else.
        """
        if not isinstance(self._model, Steps):
            assert isinstance(self._model, Controllable)
            shift = parts["shift"][:, None].astype(np.float64) if "shift" in parts else None
            actions = parts["codes" if "codes" in parts else "vectors"][:, None]
            frame = rollout(self._model, np.ascontiguousarray(state.transpose(0, 3, 1, 2)), actions, shift)[:, 0]
            return frame, frame
        with foreign_code("step"):
            frame, after = self._model.step(state, parts)
        expected = (shape_bhwc[0], shape_bhwc[3], *shape_bhwc[1:3])
        if not isinstance(frame, np.ndarray) or frame.shape != expected or frame.dtype != np.uint8:
            got = f"{frame.dtype} {frame.shape}" if isinstance(frame, np.ndarray) else type(frame).__name__
            raise ProtocolError(f"step returned {got}; expected uint8 {expected}: videos, RGB, height, width")
        return np.ascontiguousarray(frame.transpose(0, 2, 3, 1)), after


def load_players(names: tuple[str, ...], size: tuple[int, int]) -> list[Player]:
    """The models that names stand for: checkpoints, trained models, or package.module:factory.

    Raises:
        ArgumentError: a name that stands for no model, or one that is given twice.
        UserError: a model that does not follow the protocol.
        ForeignError: code of a model raised an exception.
    """
    for number, name in enumerate(names):
        if name in names[:number]:
            raise ArgumentError("model", f"{name} is given twice; each model is shown once")
    models = [load_model(name) for name in names]
    for name, model in zip(names, models, strict=True):
        if takes_true_actions(model) and not isinstance(model, Steps):
            raise ArgumentError("model", f"{name} takes true actions in its rollouts; the playground plays the actions that models infer")
    return [Player(shown_name(name), model, size) for name, model in zip(names, models, strict=True)]


def shown_name(name: str) -> str:
    """How a model is called on a page: of a path, its last two parts, since pages may be shown to others.

    Example:
        >>> shown_name("runs/tiny/checkpoint.safetensors"), shown_name("package.module:factory")
        ('tiny/checkpoint.safetensors', 'package.module:factory')
    """
    return "/".join(Path(name).parts[-2:])
