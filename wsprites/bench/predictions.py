"""Predictions files: the arrays of a model that runs elsewhere, for all clips of both splits. NPZ or HDF5."""

import logging
import lzma
import struct
import tokenize
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Clips, Data, VideoData, VideoPart
from wsprites.bench.protocol import (
    ARRAYS,
    BATCH,
    LIMITS,
    MAX_CODES,
    Arrays,
    Model,
    ProtocolError,
    check,
    check_number_of_codes,
    check_same_arrays,
    checked,
    infer,
)
from wsprites.errors import ArgumentError, UserError
from wsprites.file.h5 import open_read_only
from wsprites.generate import check_ending, check_output, written_aside

_LOG = logging.getLogger("wsprites.bench")


class Predictions:
    """A model's arrays for all clips, read from an NPZ or HDF5 file.

    The arrays are named `val/codes`, `test/codes` and so on; `data` is the name and hash of the data that they were inferred from, and
    `codes_k`, which may be missing, the model's number of codes (older files call it `codes`). In HDF5 these two are attributes. Nothing is
    unpickled, and shapes and types are checked before an array is read. A warning is logged for arrays that are zero everywhere.

    Raises:
        UserError: the file is unreadable or was made for other data, an array is wrong or exists for one split only, or the file is a
            template of which an array was not filled in.
    """

    codes: int | None = None
    """Number of codes, if the file says it."""

    def __init__(self, path: Path, data: Data | VideoData) -> None:
        self.path = path
        self._parts = {part.name: part for part in data.parts}  # by split
        if not path.is_file():
            raise UserError(f"{path}: no such file")
        self._arrays: dict[str, NDArray[Any]] = {}
        try:
            with _npz(path) if path.suffix.lower() == ".npz" else _hdf5(path) as (headers, read):
                self._load(data, headers, read)
        except UserError:
            raise
        except _DAMAGED as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise UserError(f"{path}: not a predictions file, or a damaged one: {reason}") from None

    def _load(self, data: Data | VideoData, headers: "Headers", read: Callable[[str], Any]) -> None:
        path = self.path
        # The file was made for these data, and has no other arrays than those of the protocol.
        wanted = f"{data.name}@{data.sha256[:16]}"
        made_for = str(read("data")) if "data" in headers and headers["data"][0] == () else "nothing"
        if made_for != wanted:
            raise UserError(f"{path}: the array data says {made_for[:100]!r}; expected {wanted!r} (wsprites bench --template writes it)")
        self.codes = _number_of_codes(path, headers, read)
        split_names = ", ".join(self._parts)
        for key in headers:
            split, _, name = key.partition("/")
            if key not in _ABOUT and (split not in self._parts or name not in ARRAYS):
                raise UserError(f"{path}: unknown array {key!r:.60}; expected {split_names} / {', '.join(ARRAYS)}")
        offered = [name for name in ARRAYS if any(f"{split}/{name}" in headers for split in self._parts)]
        if not offered:
            raise UserError(
                f"{path}: holds none of the arrays; expected some of {', '.join(f'{data.scored.name}/{name}' for name in ARRAYS)}"
            )
        # Each array is there for both splits and follows the protocol; its header is checked before its values are read.
        for name in offered:
            for split, part in self._parts.items():
                key = f"{split}/{name}"
                if key not in headers:
                    raise UserError(f"{path}: {key} is missing; {name} is there for the other split, and scores need both {split_names}")
                try:
                    check(name, *headers[key], clips=len(part), part=part)
                    values = read(key)
                    _check_filled(name, values)
                    self._arrays[key] = checked(name, values, len(part), part, codes=self.codes)
                except ProtocolError as error:
                    raise UserError(f"{path}: {split}: {error}") from None
        self._check_zeros(offered)

    def _check_zeros(self, offered: list[str]) -> None:
        """Raise UserError for a template of zeros, as earlier versions wrote it; log a warning for single arrays of zeros."""
        zero = [name for name in offered if not any(self._arrays[f"{split}/{name}"].any() for split in self._parts)]
        if zero == [*TEMPLATE]:
            raise UserError(f"{self.path}: all arrays are zero, as in a template that was not filled in; fill it in, or leave arrays out")
        if zero:
            _LOG.warning("%s: zero everywhere: %s; if that is left from a template, leave it out", self.path, ", ".join(zero))

    def rows(self, part: Clips, rows: NDArray[np.integer]) -> Arrays:
        """The arrays of some clips of a part; `rows` are the numbers of the clips, (n,)."""
        return {key.partition("/")[2]: array[rows] for key, array in self._arrays.items() if key.startswith(f"{part.name}/")}


_DAMAGED = (
    *(OSError, ValueError, KeyError, TypeError, EOFError, MemoryError, zlib.error, lzma.LZMAError, struct.error, zipfile.BadZipFile),
    *(SyntaxError, tokenize.TokenError),  # headers of arrays are Python literals
    RuntimeError,  # members of a ZIP archive that are encrypted, or compressed by a method that Python lacks
)
"""What libraries raise for files that are damaged, or of another kind."""
_NUMBER_OF_CODES = ("codes_k", "codes")
"""Names of the number of codes; the second, in older files, is easily taken for that of the codes themselves."""
_ABOUT = ("data", "README", *_NUMBER_OF_CODES)
"""What a file may hold besides predictions."""
TEMPLATE = ("codes", "vectors", "shift", "background_shift")
"""The arrays of a template."""
_UNFILLED = -1
"""The codes of a template; its floats are NaN."""
Headers = dict[str, tuple[tuple[int, ...], np.dtype[Any]]]
"""Shape and dtype of each array in a file."""


def _number_of_codes(path: Path, headers: Headers, read: Callable[[str], Any]) -> int | None:
    """The model's number of codes, from an array that holds one number; None if there is none."""
    names = [name for name in _NUMBER_OF_CODES if name in headers]
    if not names:
        return None
    try:
        if len(names) > 1:
            raise ProtocolError(f"{' and '.join(names)} are both there; codes_k alone says the number of codes, remove the other")
        (shape, _), name = headers[names[0]], names[0]
        if shape != ():
            raise ProtocolError(f"{name} has the shape {shape}; expected the number of codes; the codes themselves are SPLIT/codes")
        return check_number_of_codes(read(name)[()], name=name)
    except ProtocolError as error:
        raise UserError(f"{path}: {error}") from None


def _check_filled(name: str, values: NDArray[Any]) -> None:
    """Raise ProtocolError if nothing was written to an array of a template."""
    unfilled = np.isnan(values) if values.dtype.kind == "f" else values == _UNFILLED
    if unfilled.all():
        left = "NaN" if values.dtype.kind == "f" else _UNFILLED
        raise ProtocolError(f"{name} is {left} everywhere, as in a template that was not filled in; fill it in, or leave it out")


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
    with open_read_only(path) as h5:
        attributes = {name: h5.attrs[name] for name in ("data", *_NUMBER_OF_CODES) if name in h5.attrs}
        if isinstance(attributes.get("data"), bytes):  # C, MATLAB and others write strings as bytes
            attributes["data"] = attributes["data"].decode(errors="replace")
        headers: Headers = {name: (np.shape(value), np.asarray(value).dtype) for name, value in attributes.items()}

        def visit(name: str, item: Any) -> None:
            if isinstance(item, h5py.Dataset):
                if item.external or item.is_virtual:
                    raise ValueError(f"{name} refers to another file")
                if name in headers:
                    raise ValueError(f"{name} is an attribute and a data set")
                headers[name] = item.shape, item.dtype

        h5.visititems(visit)  # does not follow links
        yield headers, lambda key: np.asarray(attributes[key]) if key in attributes else h5[key][()]


def write_template(path: Path, data: Data | VideoData) -> None:
    """Write a predictions file for `data` without masks, to be filled in: floats are NaN, codes -1. Its `README` describes the arrays.

    Raises:
        ArgumentError: the name does not end in .npz, or the file exists.
    """
    check_ending("template", path, ".npz")
    if path.exists():
        raise ArgumentError("template", f"{path} exists already; choose another name or remove it")
    spec = data.scored.spec
    arrays: Arrays = {"data": np.array(f"{data.name}@{data.sha256[:16]}"), "README": np.array(_readme(data))}
    sizes: dict[str, tuple[int, ...]] = {"codes": (), "vectors": (16,), "shift": (2,), "background_shift": (2,)}
    for part in data.parts:
        for name in TEMPLATE:
            shape = (len(part), spec.frames - 1, *sizes[name])
            arrays[f"{part.name}/{name}"] = np.full(shape, _UNFILLED, np.int32) if name == "codes" else np.full(shape, np.nan, np.float32)
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def check_predictions_file(path: Path, *, overwrite: bool = False) -> None:
    """Raise UserError unless `write_predictions` can write a file there, before anything is inferred."""
    check_ending("out", path, ".npz")
    check_output(path, overwrite=overwrite)


def write_predictions(path: Path, data: Data | VideoData, model: Model, *, masks: bool = False) -> None:
    """Write what a model infers from all clips to a predictions file.

    Args:
        path: the file; it is replaced if it exists.
        masks: write masks as well.

    Raises:
        ProtocolError: a wrong array, nothing at all, or nothing but masks without `masks`.
        ForeignError: the model raised an exception.
        OSError: writing failed; a file that existed is unchanged.
    """
    arrays: Arrays = {"data": np.array(f"{data.name}@{data.sha256[:16]}")}
    if (codes := getattr(model, "codes", None)) is not None:
        arrays["codes_k"] = np.array(codes)
    for part in data.parts:
        rows: list[Arrays] = []
        for first in range(0, len(part), BATCH):
            at = range(first, min(first + BATCH, len(part)))
            frames = [part.frames(n) if isinstance(part, VideoPart) else part.clip(n).frames_thwc for n in at]
            inferred = infer(model, np.stack(frames).transpose(0, 1, 4, 2, 3), part)
            rows.append({name: array for name, array in inferred.items() if masks or name != "masks"})
            check_same_arrays(rows[0], rows[-1])
        if not rows[0]:
            alone = "infers masks alone, which are left out; pass masks=True"
            raise ProtocolError(alone if inferred else "infers nothing, so that there are no predictions to write")
        arrays |= {f"{part.name}/{name}": np.concatenate([row[name] for row in rows]) for name in rows[0]}
    with written_aside(path) as aside, aside.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _readme(data: Data | VideoData) -> str:
    """The description of the arrays in a template."""
    spec, splits = data.scored.spec, " and ".join(part.name for part in data.parts)
    return "\n".join(
        [
            f"Predictions for {data.name}: {spec.frames} frames of {spec.height} x {spec.width}.",
            "Entry t belongs to the transition from frame t to t + 1.",
            *(f"SPLIT/{name} (clips, {', '.join(layout.axes)}) {layout.description}" for name, layout in ARRAYS.items()),
            f"codes_k () one integer, 1 to {MAX_CODES}: the number of codes; without it the largest code decides",
            LIMITS,
            f"Fill in the arrays that your model infers, for {splits}, and remove the others. An array that is still NaN (codes: -1)",
            "everywhere is refused. SPLIT/masks and codes_k may be added. Keep 'data' as it is.",
        ]
    )
