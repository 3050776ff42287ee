"""Labels that accompany videos: pickled lists, which are not trusted."""

import io
import pickle
import pickletools
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError

_MOST_PICKLE_BYTES = 2**26


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, tuples, dicts, numbers, strings, bytes and None: everything else in a pickle has to be looked up here."""

    def find_class(self, module: str, name: str) -> Any:
        raise UserError(f"it asks for {module}.{name}, and may hold only lists, tuples, dicts, numbers, strings and None")


def load_list(path: Path, frames: int, dtype: type) -> NDArray[Any] | None:
    """Load a pickled list of numbers, one for each frame.

    Args:
        path: path of the pickle.
        frames: number of frames of the video.
        dtype: np.int64, np.float64 or np.bool_.

    Returns:
        (frames,) array of `dtype`, or None if the file does not exist or all entries are None.

    Raises:
        UserError: it is no file, damaged or too large, asks for a class (which is named), or is not such a list.
    """
    if not path.exists():
        return None
    if not path.is_file():
        raise UserError(f"{path}: a folder, a device or a pipe, not a file; remove it to import the frames alone")
    values = _unpickle(path)
    if not isinstance(values, list | tuple) or len(values) != frames:
        content = f"has {len(values)} entries" if isinstance(values, list | tuple) else f"holds no list but a {type(values).__name__}"
        raise UserError(f"{path}: {content}; expected is one for each of {frames} frames")
    if all(value is None for value in values):
        return None
    kinds = (bool, int) if dtype is not np.float64 else (bool, int, float)
    for number, value in enumerate(values):
        if not isinstance(value, kinds) or (dtype is not np.float64 and not -(2**63) <= value < 2**63):
            kind = type(value).__name__
            raise UserError(f"{path}: entry {number} is a {kind}; expected are numbers of type {dtype.__name__} in all entries")
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise UserError(f"{path}: holds numbers that are too large") from None


def _unpickle(path: Path) -> Any:
    if path.stat().st_size > _MOST_PICKLE_BYTES:
        raise UserError(f"{path}: a pickle of more than 64 MiB; remove it to import the frames alone")
    data = path.read_bytes()
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
                raise UserError("it asks for more memory than a list of its size needs")
        return _PlainUnpickler(io.BytesIO(data)).load()
    except UserError as error:
        raise UserError(f"{path}: refused: {error}; save plain lists, or remove it to import the frames alone") from None
    except Exception as error:  # a damaged pickle may raise anything
        raise UserError(f"{path}: not a pickle that can be read ({type(error).__name__}); remove it to import the frames alone") from None
