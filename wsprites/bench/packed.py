"""Arrays as text in score files, which may come from an untrusted source: little-endian values, zlib, base64."""

import base64
import math
import zlib
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

_KINDS: dict[str, np.dtype[Any]] = {"i1": np.dtype("i1"), "u2": np.dtype("<u2"), "f4": np.dtype("<f4")}
_MOST_NUMBERS, _MOST_TEXT = 2**20, 2**22


@dataclass(frozen=True)
class Packed:
    """A small array. Raises ValueError unless the text holds as many finite values as the shape says."""

    kind: str
    """i1, u2 or f4: int8, uint16 or float32."""
    shape: tuple[int, ...] = field(metadata={"low": 1})
    text: str = field(metadata={"most": _MOST_TEXT})

    def __post_init__(self) -> None:
        if self.kind not in _KINDS or math.prod(self.shape) > _MOST_NUMBERS:
            raise ValueError(f"an array of {self.kind:.20} {self.shape!s:.40} is of no kind or size that is read")
        self.array()

    def array(self) -> NDArray[Any]:
        """The values."""
        dtype, size = _KINDS[self.kind], math.prod(self.shape)
        # No more is unpacked than the shape says, whatever the text holds.
        unpacking = zlib.decompressobj()
        try:
            content = unpacking.decompress(base64.b64decode(self.text, validate=True), size * dtype.itemsize + 1)
        except zlib.error as error:
            raise ValueError(f"an array is damaged: {error}") from None
        if len(content) != size * dtype.itemsize or unpacking.unconsumed_tail or not unpacking.eof:
            raise ValueError(f"an array of shape {self.shape!s:.40} has another number of values")
        values: NDArray[Any] = np.frombuffer(content, dtype).reshape(self.shape)
        if dtype.kind == "f" and not np.isfinite(values).all():
            raise ValueError("an array has values that are not finite")
        return values


def packed(array: NDArray[Any], kind: str) -> Packed:
    """An array, whose values all fit into the kind, as text.

    Example:
        >>> packed(np.array([[1, 2], [3, 4]]), "u2").array().tolist()
        [[1, 2], [3, 4]]
    """
    content = np.ascontiguousarray(array, _KINDS[kind]).tobytes()
    return Packed(kind, array.shape, base64.b64encode(zlib.compress(content, 9)).decode())
