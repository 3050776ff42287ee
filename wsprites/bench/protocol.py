"""What a model must offer to be scored, and the predictions file for models that live elsewhere.

Axis order: b or n clips, t frames or transitions, c = RGB, h rows, w columns; 2 = (x, y) in pixels, x to the right and y down. A clip of T
frames has T - 1 transitions: entry t of a prediction is what led from frame t to frame t + 1.
"""

import importlib
import json
import sys
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple, Protocol, runtime_checkable

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data, Part
from wsprites.errors import UserError

Arrays = dict[str, NDArray[Any]]

MOST_CODES, MOST_FEATURES, _MOST_BYTES, _MOST_HEADER = 1024, 4096, 2**32, 2**24


@runtime_checkable
class Model(Protocol):
    """Anything with this method. It may have a second one, `rollout`, and say how many codes it has by an attribute `codes`."""

    def infer(self, frames_btchw: NDArray[np.uint8], /) -> Mapping[str, NDArray[Any]]:
        """What the model makes of clips.

        Args:
            frames_btchw: (B, T, 3, H, W) uint8 RGB, whole clips; a model that wants windows cuts them itself.

        Returns:
            Any of the arrays in ARRAYS, by name. Those that are missing are not scored.
        """
        ...


@runtime_checkable
class Controllable(Protocol):
    """A model that generates video: `wsprites bench` reads back what its actions do."""

    def rollout(
        self, first_frame_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None, /
    ) -> NDArray[np.uint8]:
        """Go on from a frame.

        Args:
            first_frame_bchw: (B, 3, H, W) uint8 RGB.
            actions: (B, S) int codes of S steps, or (B, S, D) vectors where the model infers no codes.
            shifts_bs2: (B, S, 2) px, motion of the character on the screen; None where the model infers none.

        Returns:
            (B, S, 3, H, W) uint8 RGB: the frames after each step.
        """
        ...


class _Layout(NamedTuple):
    axes: tuple[str, ...]
    kinds: str
    low: float
    high: float
    what: str


ARRAYS = {
    "codes": _Layout(("transitions",), "iu", 0, MOST_CODES - 1, "integers: the discrete code of each transition, from 0 on"),
    "vectors": _Layout(("transitions", "D"), "f", -1e6, 1e6, "floats: a latent vector of each transition, D is yours"),
    "shift": _Layout(("transitions", "2"), "fiu", -1e4, 1e4, "numbers: motion of the character on the screen (x, y), pixels"),
    "background_shift": _Layout(("transitions", "2"), "fiu", -1e4, 1e4, "numbers: motion of the scene on the screen (x, y), pixels"),
    "masks": _Layout(("frames", "height", "width"), "fb", 0, 1, "floats 0 to 1 or booleans: the character in each frame"),
}
"""The arrays that a model may offer. Before the axes named here comes that of the clips."""


def check(where: str, name: str, shape: tuple[int, ...], dtype: np.dtype[Any], clips: int, part: Part) -> None:
    """Raise UserError unless an array, of which no more than shape and dtype are known, is what ARRAYS says."""
    layout, spec = ARRAYS[name], part.spec
    sizes: dict[str, int] = {"transitions": spec.frames - 1, "frames": spec.frames, "height": spec.height, "width": spec.width, "2": 2}
    if dtype.kind not in layout.kinds:
        raise UserError(f"{where}: {name} is of type {dtype}; expected {layout.what}")
    wanted = (clips, *(sizes.get(axis, 0) for axis in layout.axes))
    if len(shape) != len(wanted) or any(want not in (0, got) for got, want in zip(shape, wanted, strict=True)) or 0 in shape:
        expected = ", ".join(axis if axis == "D" else str(size) for axis, size in zip(("clips", *layout.axes), wanted, strict=True))
        axes = ", ".join(axis for axis in ("clips", *layout.axes) if not axis.isdigit())
        hint = (
            f"; {spec.frames} frames have {spec.frames - 1} transitions"
            if spec.frames in shape[1:2] and "transitions" in layout.axes
            else ""
        )
        raise UserError(f"{where}: {name} has the shape {shape}; expected ({expected}): {axes}{hint}")
    if name == "vectors" and shape[-1] > MOST_FEATURES:
        raise UserError(f"{where}: vectors has {shape[-1]} features; at most {MOST_FEATURES} are scored")
    if np.prod(shape, dtype=np.float64) * dtype.itemsize > _MOST_BYTES:
        raise UserError(f"{where}: {name} has the shape {shape} of {dtype}; at most {_MOST_BYTES / 2**30:.0f} GiB are read")


def checked(where: str, name: str, array: NDArray[Any], clips: int, part: Part) -> NDArray[Any]:
    """The array in the type that scores are computed in. Raises UserError for a wrong shape or type, NaN or a value out of range."""
    check(where, name, array.shape, array.dtype, clips, part)
    layout = ARRAYS[name]
    if array.dtype.kind == "f":
        bad = ~np.isfinite(array)
        if bad.any():
            at = tuple(map(int, np.argwhere(bad)[0]))
            raise UserError(f"{where}: {name} has {np.count_nonzero(bad)} values that are not finite, the first at {at}; expected none")
    if array.dtype.kind != "b" and (array.min() < layout.low or array.max() > layout.high):
        raise UserError(f"{where}: {name} has values from {array.min():g} to {array.max():g}; expected {layout.low:g} to {layout.high:g}")
    kinds: dict[str, Any] = {"codes": np.int64, "vectors": np.float32, "masks": array.dtype if array.dtype.kind == "b" else np.float32}
    return array.astype(kinds.get(name, np.float64), copy=False)


def infer(model: Model, where: str, frames_btchw: NDArray[np.uint8], part: Part) -> Arrays:
    """What a model makes of some clips, checked. Raises UserError for anything that does not follow the protocol."""
    result = model.infer(frames_btchw)
    if not isinstance(result, Mapping) or not set(result) <= set(ARRAYS) or not result:
        found = ", ".join(map(str, result)) or "nothing" if isinstance(result, Mapping) else type(result).__name__
        raise UserError(f"{where}: infer returned {found}; expected a dict with some of {', '.join(ARRAYS)}")
    arrays = {}
    for name, array in result.items():
        try:
            arrays[name] = np.asarray(array)
        except (TypeError, ValueError, RuntimeError) as error:  # ragged lists; tensors on a GPU, or with a gradient
            raise UserError(f"{where}: {name} is a {type(array).__name__} that NumPy cannot take ({error}); expected an array") from None
    return {name: checked(where, name, array, len(frames_btchw), part) for name, array in arrays.items()}


def rollout(
    model: Controllable, where: str, first_bchw: NDArray[np.uint8], actions: NDArray[Any], shifts: NDArray[np.float64] | None
) -> NDArray[np.uint8]:
    """(B, S, H, W, 3) uint8 generated by a model, checked. Raises UserError for another shape or type."""
    frames = np.asarray(model.rollout(first_bchw, actions, shifts))
    expected = (*actions.shape[:2], *first_bchw.shape[1:])
    if frames.shape != expected or frames.dtype != np.uint8:
        raise UserError(
            f"{where}: rollout returned {frames.dtype} {frames.shape}; expected uint8 {expected}: clips, steps, RGB, height, width"
        )
    return np.ascontiguousarray(frames.transpose(0, 1, 3, 4, 2))


# Loading. A model is named by the user, a checkpoint's kind by the checkpoint: what it may name is fixed here.

CHECKPOINTS = {"glass": "glass_model.bench:load"}
"""By the `format` of a checkpoint, what makes a Model of its path."""


def load(name: str, data: Data) -> "Model | Predictions":
    """What `--model` means: `package.module:factory`, a predictions file (.npz, .h5, .hdf5), or a checkpoint.

    Raises:
        UserError: none of these, or one that cannot be used; the message says why.
    """
    path = Path(name)
    if path.suffix.lower() in (".npz", ".h5", ".hdf5"):
        return Predictions(path, data)
    if path.is_file():
        return _called(CHECKPOINTS[_kind(path)], name, path)
    if ":" in name:
        return _called(name, name)
    raise UserError(f"--model {name}: no such file, and not of the form package.module:factory")


def _kind(path: Path) -> str:
    """What a checkpoint says that it is: `format` in the metadata of a safetensors file, whose head is a length and that much JSON, or in
    the dict that torch.save wrote."""
    try:
        with path.open("rb") as file:
            head = file.read(8)
            if head.startswith(b"PK"):
                from wsprites.weights import read_state

                kind = read_state(path)["format"]
            else:
                length = int.from_bytes(head, "little")
                kind = json.loads(file.read(length))["__metadata__"]["format"] if length < _MOST_HEADER else None
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        kind = None
    if not isinstance(kind, str) or kind not in CHECKPOINTS:
        raise UserError(
            f"{path}: neither a predictions file (.npz, .h5) nor a checkpoint of a known format ({', '.join(CHECKPOINTS)}): safetensors "
            "with format in its metadata, or a dict with format by torch.save"
        )
    return kind


def _called(where: str, name: str, *arguments: object) -> Model:
    module_name, _, attribute = where.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # a module of one's own lies where the command is given
    try:
        factory: Callable[..., Any] = getattr(importlib.import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise UserError(f"--model {name}: {error}; expected package.module:factory") from None
    model = factory(*arguments)
    if not isinstance(model, Model):
        raise UserError(f"--model {name}: {attribute} made a {type(model).__name__}; expected an object with a method infer")
    codes = getattr(model, "codes", None)
    if codes is not None and (isinstance(codes, bool) or not isinstance(codes, int | np.integer) or not 1 <= codes <= MOST_CODES):
        shown = codes if isinstance(codes, int | np.integer) else f"a {type(codes).__name__}"
        raise UserError(f"--model {name}: its attribute codes is {shown}; expected how many codes there are, 1 to {MOST_CODES}, or none")
    return model


class Predictions:
    """A file with the arrays of all clips, named `val/codes`, `test/codes` and so on, and `data`, the name and hash of what they are of.

    NPZ or HDF5. Nothing is unpickled, and shapes and types are checked before an array is read.

    Raises:
        UserError: unreadable, of other data, or an array that is wrong, or is there for one split only.
    """

    def __init__(self, path: Path, data: Data) -> None:
        self.path = path
        self._parts = {part.name: part for part in (data.fit, data.scored)}
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        self._arrays: dict[str, NDArray[Any]] = {}
        try:
            with _npz(path) if path.suffix.lower() == ".npz" else _hdf5(path) as (headers, read):
                self._load(data, headers, read)
        except UserError:
            raise
        except (OSError, ValueError, KeyError, TypeError, EOFError, zlib.error, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: not a predictions file, or a damaged one: {error}") from None

    def _load(self, data: Data, headers: "Headers", read: Callable[[str], Any]) -> None:
        path = self.path
        wanted = f"{data.name}@{data.sha256[:16]}"
        made_for = str(read("data")) if "data" in headers and headers["data"][0] == () else "nothing"
        if made_for != wanted:
            raise UserError(f"{path}: the array data says {made_for[:100]!r}; expected {wanted!r} (wsprites bench --template writes it)")
        split_names = ", ".join(self._parts)
        for key in headers:
            split, _, name = key.partition("/")
            if key not in ("data", "README") and (split not in self._parts or name not in ARRAYS):
                raise UserError(f"{path}: unknown array {key!r:.60}; expected {split_names} / {', '.join(ARRAYS)}")
        offered = [name for name in ARRAYS if any(f"{split}/{name}" in headers for split in self._parts)]
        if not offered:
            raise UserError(
                f"{path}: holds none of the arrays; expected some of {', '.join(f'{data.scored.name}/{name}' for name in ARRAYS)}"
            )
        for name in offered:
            for split, part in self._parts.items():
                key = f"{split}/{name}"
                if key not in headers:
                    raise UserError(f"{path}: {key} is missing; {name} is there for the other split, and scores need both {split_names}")
                check(f"{path}: {split}", name, *headers[key], clips=len(part), part=part)
                self._arrays[key] = checked(f"{path}: {split}", name, read(key), len(part), part)

    def rows(self, part: Part, rows: NDArray[np.integer]) -> Arrays:
        """The arrays of some clips of a part."""
        return {key.partition("/")[2]: array[rows] for key, array in self._arrays.items() if key.startswith(f"{part.name}/")}


Headers = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]


@contextmanager
def _npz(path: Path) -> Iterator[tuple[Headers, Callable[[str], Any]]]:
    headers: Headers = {}
    with zipfile.ZipFile(path) as archive:
        for member in archive.namelist():
            with archive.open(member) as stream:
                version = np.lib.format.read_magic(stream)
                header = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}[version]
                shape, _, dtype = header(stream)
                headers[member.removesuffix(".npy")] = shape, dtype
    with np.load(path, allow_pickle=False) as loaded:
        yield headers, loaded.__getitem__


@contextmanager
def _hdf5(path: Path) -> Iterator[tuple[Headers, Callable[[str], Any]]]:
    with h5py.File(path, "r") as h5:
        headers: Headers = {"data": ((), np.dtype("S"))} if "data" in h5.attrs else {}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{name} leads out of the file")
                headers[name] = item.shape, item.dtype

        h5.visititems(visit)  # does not follow links
        made_for = h5.attrs.get("data")
        text = made_for.decode(errors="replace") if isinstance(made_for, bytes) else made_for  # as C, MATLAB and others write strings
        yield headers, lambda key: text if key == "data" else h5[key][()]


def write_template(path: Path, data: Data) -> None:
    """Write a predictions file for `data` with zeros in it, and `README`, a text that says what to put there. Masks are left out.

    Raises:
        UserError: the name does not end in .npz, or the file exists.
    """
    if path.suffix.lower() != ".npz":
        raise UserError(f"--template {path}: a template is a .npz")
    if path.exists():
        raise UserError(f"--template {path}: the file exists; name another or remove it")
    spec = data.scored.spec
    lines = [
        f"Predictions for {data.name}: {spec.frames} frames of {spec.height} x {spec.width}. Entry t is what led from frame t to t + 1."
    ]
    lines += [f"SPLIT/{name} (clips, {', '.join(layout.axes)}) {layout.what}" for name, layout in ARRAYS.items()]
    lines += ["Leave out what your model does not infer; what is there has to be there for both splits. 'data' stays as it is."]
    arrays: Arrays = {"data": np.array(f"{data.name}@{data.sha256[:16]}"), "README": np.array("\n".join(lines))}
    for part in (data.fit, data.scored):
        steps = (len(part), spec.frames - 1)
        arrays |= {f"{part.name}/codes": np.zeros(steps, np.int32), f"{part.name}/vectors": np.zeros((*steps, 16), np.float32)}
        arrays |= {f"{part.name}/{name}": np.zeros((*steps, 2), np.float32) for name in ("shift", "background_shift")}
    np.savez_compressed(path, **arrays)  # type: ignore[arg-type]
