"""The methods that a model offers to be scored, and the arrays that they return.

Axis order: b or n clips, t frames or transitions, c = RGB, h rows, w columns; 2 = (x, y) in pixels, x to the right and y down. A clip of T
frames has T - 1 transitions: entry t of a prediction belongs to the transition from frame t to frame t + 1.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Clips
from wsprites.errors import UserError
from wsprites.foreign import ForeignError, foreign_code

Arrays = dict[str, NDArray[Any]]

BATCH = 4
"""Number of clips in a call of `infer`, when a model is scored and in the tests of twins alike; the last call may have fewer."""
NO_TRUTH = "rollout_actions is 'true', and videos have no true actions; score it on a world"
"""Why a model that takes the true actions cannot be scored on videos."""
MAX_CODES, MAX_FEATURES, MAX_CONTEXT, _MAX_BYTES = 1024, 4096, 64, 2**32


class ProtocolError(UserError):
    """A model returned something that the protocol does not allow. `named` puts the model's name before the message."""


@contextmanager
def named(name: str) -> Iterator[None]:
    """Put a model's name before the message of a ProtocolError, which becomes a UserError, or of a ForeignError."""
    try:
        yield
    except ProtocolError as error:
        raise UserError(f"{name}: {error}") from None
    except ForeignError as error:
        raise ForeignError(f"{name}: {error}") from error.__cause__


@runtime_checkable
class Model(Protocol):
    """A model that can be scored. It may have more methods, of Controllable and Contextual, and its number of codes as `codes`."""

    def infer(self, frames_btchw: NDArray[np.uint8], /) -> Mapping[str, NDArray[Any]]:
        """Infer actions, motion and masks from clips.

        Args:
            frames_btchw: (B, T, 3, H, W) uint8 RGB, whole clips; a model that reads windows cuts them itself.

        Returns:
            Any of the arrays in ARRAYS, by name. Missing ones are not scored.
        """
        ...


@runtime_checkable
class Controllable(Protocol):
    """A model that generates video; the benchmark measures the effect of its actions.

    A model that needs more than the last frame has an attribute `context`, the number of frames k, 1 to MAX_CONTEXT. One that is driven by
    the true actions, and not by what it infers, has `rollout_actions = "true"`: a ceiling, which its scores say.
    """

    def rollout(
        self, first_frame_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None, /
    ) -> NDArray[np.uint8]:
        """Generate the frames that follow a first frame.

        Args:
            first_frame_bchw: (B, 3, H, W) uint8 RGB; of a model with `context = k` the last k true frames, (B, k, 3, H, W), oldest
                first. In front of a clip its first frame is repeated.
            actions: (B, S) int codes of S steps, or (B, S, D) vectors if the model infers no codes; with `rollout_actions = "true"`,
                (B, S, 3) int64 numbers of GlobalAction, LocalAction and the scene's GlobalAction, that led to the frame after each step.
            shifts_bs2: (B, S, 2) px, motion of the character on the screen; None if the model infers none; with `rollout_actions = "true"`
                the true one, which the edge of a frame may stop.

        Returns:
            The frame after each step, (B, S, 3, H, W) uint8 RGB.
        """
        ...


@runtime_checkable
class Contextual(Protocol):
    """A model that generates video and remembers more of it than the last frame; it is asked by `--protocol caddy`."""

    def rollout_with_context(
        self, true_frames_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None, /
    ) -> NDArray[np.uint8]:
        """Generate a video whose first frames are known.

        Args:
            true_frames_bchw: (B, C, 3, H, W) uint8 RGB, frames 0 to C - 1, at most as many as steps.
            actions: those of S steps from frame 0 on, as for `rollout`.
            shifts_bs2: the same.

        Returns:
            The frame after each step, (B, S, 3, H, W) uint8 RGB. Step s begins with the true frame s where s < C, afterwards with the
            frame that was generated last.
        """
        ...


class _Layout(NamedTuple):
    axes: tuple[str, ...]
    kinds: str
    low: float
    high: float
    description: str


ARRAYS = {
    "codes": _Layout(("transitions",), "iu", 0, MAX_CODES - 1, f"integers, 0 to {MAX_CODES - 1}: the discrete code of each transition"),
    "vectors": _Layout(
        ("transitions", "D"), "f", -1e6, 1e6, f"floats, -1e6 to 1e6: a latent vector of each transition, D is yours, at most {MAX_FEATURES}"
    ),
    "shift": _Layout(
        ("transitions", "2"), "fiu", -1e9, 1e9, "numbers, -1e9 to 1e9: motion of the character on the screen (x, y), pixels, y down"
    ),
    "background_shift": _Layout(
        ("transitions", "2"), "fiu", -1e9, 1e9, "numbers, -1e9 to 1e9: motion of the scene on the screen (x, y), pixels, y down"
    ),
    "masks": _Layout(("frames", "height", "width"), "fb", 0, 1, "floats, 0 to 1, or booleans: the character in each frame"),
}
"""The arrays that a model may return. The first axis, that of the clips, is not listed here."""
LIMITS = f"No NaN or infinity. An array of all clips of a split has at most {_MAX_BYTES // 2**30} GiB."
"""What holds for all arrays."""


def check(name: str, shape: tuple[int, ...], dtype: np.dtype[Any], clips: int, part: Clips) -> None:
    """Raise ProtocolError unless shape and dtype of an array are those in ARRAYS."""
    layout, spec = ARRAYS[name], part.spec
    sizes: dict[str, int] = {"transitions": spec.frames - 1, "frames": spec.frames, "height": spec.height, "width": spec.width, "2": 2}
    if dtype.kind not in layout.kinds:
        raise ProtocolError(f"{name} is of type {dtype}; expected {layout.description}")
    wanted = (clips, *(sizes.get(axis, 0) for axis in layout.axes))
    if len(shape) != len(wanted) or any(want not in (0, got) for got, want in zip(shape, wanted, strict=True)) or 0 in shape:
        expected = ", ".join(axis if axis == "D" else str(size) for axis, size in zip(("clips", *layout.axes), wanted, strict=True))
        axes = ", ".join(axis for axis in ("clips", *layout.axes) if not axis.isdigit())
        hint = (
            f"; {spec.frames} frames have {spec.frames - 1} transitions"
            if spec.frames in shape[1:2] and "transitions" in layout.axes
            else ""
        )
        raise ProtocolError(f"{name} has the shape {shape}; expected ({expected}): {axes}{hint}")
    if name == "vectors" and shape[-1] > MAX_FEATURES:
        raise ProtocolError(f"vectors has {shape[-1]} features; at most {MAX_FEATURES} are scored")
    if np.prod(shape, dtype=np.float64) * dtype.itemsize > _MAX_BYTES:
        raise ProtocolError(f"{name} has the shape {shape} of {dtype}; at most {_MAX_BYTES / 2**30:.0f} GiB are read")


def checked(name: str, array: NDArray[Any], clips: int, part: Clips, *, codes: int | None = None) -> NDArray[Any]:
    """The array in the type that scores are computed in.

    Args:
        codes: the number of codes that the model says to have, if it says one.

    Raises:
        ProtocolError: a wrong shape or type, NaN, a value out of range, or a code that the model says not to have.
    """
    check(name, array.shape, array.dtype, clips, part)
    layout = ARRAYS[name]
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any():
            at = tuple(map(int, np.argwhere(bad)[0]))
            raise ProtocolError(f"{name} has {np.count_nonzero(bad)} values that are not finite, the first at {at}; expected none")
    if array.dtype.kind != "b" and (array.min() < layout.low or array.max() > layout.high):
        raise ProtocolError(f"{name} has values from {array.min():g} to {array.max():g}; expected {layout.low:g} to {layout.high:g}")
    if name == "codes" and codes is not None and array.max() >= codes:
        raise ProtocolError(f"codes has the code {array.max()}, but the model says that it has {codes} codes; expected 0 to {codes - 1}")
    kinds: dict[str, Any] = {"codes": np.int64, "vectors": np.float32, "masks": array.dtype if array.dtype.kind == "b" else np.float32}
    return array.astype(kinds.get(name, np.float64), copy=False)


def infer(model: Model, frames_btchw: NDArray[np.uint8], part: Clips) -> Arrays:
    """The arrays that a model infers from clips, checked. Raises ProtocolError or ForeignError where that fails."""
    with foreign_code("infer"):
        result = model.infer(frames_btchw.copy(order="K"))  # which it may overwrite
    if not isinstance(result, Mapping) or not set(result) <= set(ARRAYS) or (not result and not takes_true_actions(model)):
        returned = ", ".join(map(str, result)) or "nothing" if isinstance(result, Mapping) else type(result).__name__
        raise ProtocolError(f"infer returned {returned}; expected a dict with some of {', '.join(ARRAYS)}")
    arrays = {}
    for name, array in result.items():
        try:
            arrays[name] = np.asarray(array)
        except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors on a GPU, or with a gradient
            raise ProtocolError(f"{name} is a {type(array).__name__} that NumPy cannot convert ({error}); expected an array") from None
    codes = getattr(model, "codes", None)
    return {name: checked(name, array, len(frames_btchw), part, codes=codes) for name, array in arrays.items()}


def actions_of(arrays: Arrays) -> NDArray[Any]:
    """The actions that a model generates from: codes, or vectors if it has no codes. Raises ProtocolError if it has neither."""
    if not {"codes", "vectors"} & set(arrays):
        raise ProtocolError("a model with rollout has to infer codes or vectors, which the rollout is then asked for")
    return arrays["codes" if "codes" in arrays else "vectors"]


def check_same_arrays(first: Arrays, other: Arrays) -> None:
    """Raise ProtocolError unless a model returned the same arrays, of the same sizes, for different clips."""
    a, b = ({name: array.shape[2:] for name, array in arrays.items()} for arrays in (first, other))
    if a != b:
        listed = (", ".join(f"{name} (clips, times{''.join(f', {n}' for n in size)})" for name, size in sizes.items()) for sizes in (a, b))
        raise ProtocolError(f"{' of some clips, '.join(listed)} of others; expected the same arrays of all clips")


def check_number_of_codes(codes: object, *, name: str = "codes") -> int | None:
    """The number of codes that a model or a predictions file says to have; None for None.

    Args:
        name: what says it.

    Raises:
        ProtocolError: a number that is not possible.
    """
    if codes is None:
        return None
    if isinstance(codes, bool | np.bool_) or not isinstance(codes, int | np.integer) or not 1 <= codes <= MAX_CODES:
        shown = codes if isinstance(codes, int | np.integer) else f"a {type(codes).__name__}"
        raise ProtocolError(f"{name} is {shown}; expected the number of codes, 1 to {MAX_CODES}, or none")
    return int(codes)


def check_context(context: object) -> int | None:
    """The number of true frames that a model's rollout asks for; None for None. Raises ProtocolError for an impossible number."""
    if context is None:
        return None
    if isinstance(context, bool | np.bool_) or not isinstance(context, int | np.integer) or not 1 <= context <= MAX_CONTEXT:
        shown = context if isinstance(context, int | np.integer) else f"a {type(context).__name__}"
        raise ProtocolError(f"context is {shown}; expected the number of true frames that rollout needs, 1 to {MAX_CONTEXT}, or none")
    return int(context)


class Reading:
    """A model without its rollouts, whatever else it has."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self.codes = getattr(model, "codes", None)
        """K, the number of codes, if the model says it."""

    def infer(self, frames_btchw: NDArray[np.uint8]) -> Mapping[str, Any]:
        """What the model infers."""
        return self._model.infer(frames_btchw)


def takes_true_actions(model: object) -> bool:
    """Whether a model has rollouts and they are driven by the true actions. Raises ProtocolError for another `rollout_actions`."""
    source = getattr(model, "rollout_actions", None)
    if source is None or (isinstance(source, str) and source == "true"):
        return source is not None and isinstance(model, Controllable)
    raise ProtocolError(f"rollout_actions is {source!r:.40}; expected 'true', for rollouts by the true actions, or none")


def frames_needed(model: object) -> int:
    """The number of true frames that a rollout of a model begins with: its `context`, or 1."""
    return check_context(getattr(model, "context", None)) or 1


def rollout(model: Controllable, true: NDArray[np.uint8], actions: NDArray[Any], shifts: NDArray[np.float64] | None) -> NDArray[np.uint8]:
    """(B, S, H, W, 3) uint8 generated by a model, checked.

    Args:
        true: first frames, (B, 3, H, W), or the last true frames, (B, C, 3, H, W), of which the model gets those that it asks for.

    Raises:
        ProtocolError: another shape or type.
        ForeignError: the model raised an exception.
    """
    return _generated("rollout", model.rollout, _context(model, true if true.ndim == 5 else true[:, None]), actions, shifts)


def _context(model: object, true_bcchw: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """The last of C true frames, (B, C, 3, H, W): (B, 3, H, W), or (B, k, 3, H, W) of a model with `context = k`, the first repeated."""
    if getattr(model, "context", None) is None:
        return true_bcchw[:, -1]
    k = frames_needed(model)
    before = np.repeat(true_bcchw[:, :1], max(k - true_bcchw.shape[1], 0), 1)
    return np.concatenate([before, true_bcchw], 1)[:, -k:]


def rollout_with_context(
    model: Controllable, true_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts: NDArray[np.float64] | None
) -> NDArray[np.uint8]:
    """(B, S, H, W, 3) uint8 generated by a model after C true frames, (B, C, 3, H, W), checked: see `Contextual`.

    A model without that method is asked for rollouts of one step from each true frame but the last, and for one of all steps from there:
    the same if it remembers nothing but the frame.

    Raises:
        ProtocolError: another shape or type.
        ForeignError: the model raised an exception.
    """
    if isinstance(model, Contextual):
        return _generated("rollout_with_context", model.rollout_with_context, true_bchw, actions, shifts)
    batch, known = len(actions), true_bchw.shape[1] - 1
    free = rollout(model, true_bchw, actions[:, known:], None if shifts is None else shifts[:, known:])
    if not known:
        return free

    def one_by_one(array: NDArray[Any]) -> NDArray[Any]:
        return array[:, :known].reshape(batch * known, 1, *array.shape[2:])

    # Each of the known steps by itself, from what is true until then.
    seen = np.stack([_context(model, true_bchw[:, : step + 1]) for step in range(known)], 1)
    seen = seen.reshape(batch * known, *seen.shape[2:])
    single = _generated("rollout", model.rollout, seen, one_by_one(actions), None if shifts is None else one_by_one(shifts))
    return np.concatenate([single.reshape(batch, known, *single.shape[2:]), free], 1)


def _generated(
    name: str,
    generate: Callable[[Any, Any, Any], NDArray[np.uint8]],
    true: NDArray[np.uint8],
    actions: NDArray[Any],
    shifts: NDArray[np.float64] | None,
) -> NDArray[np.uint8]:
    """(B, S, H, W, 3) from a method of a model, which gets copies of what it may overwrite."""
    with foreign_code(name):
        frames = np.asarray(generate(true.copy(order="K"), actions.copy(), None if shifts is None else shifts.copy()))
    expected = (*actions.shape[:2], *true.shape[-3:])
    if frames.shape != expected or frames.dtype != np.uint8:
        raise ProtocolError(f"{name} returned {frames.dtype} {frames.shape}; expected uint8 {expected}: clips, steps, RGB, height, width")
    return np.ascontiguousarray(frames.transpose(0, 1, 3, 4, 2))
