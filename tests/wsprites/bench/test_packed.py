"""Arrays as text: what is packed is unpacked, and nothing else."""

import base64
import zlib

import numpy as np
import pytest

from wsprites.bench.packed import Packed, packed


@pytest.mark.parametrize(
    ("array", "kind"),
    [
        (np.array([[0, 1023], [5, 6]]), "u2"),
        (np.array([-128, 127]), "i1"),
        (np.array([0.5, -1e-3]), "f4"),
    ],
)
def test_what_is_packed_is_unpacked(array: np.ndarray, kind: str):
    again = packed(array, kind).array()
    assert again.shape == array.shape and np.allclose(again, array, rtol=1e-7)


def text(content: bytes) -> str:
    return base64.b64encode(zlib.compress(content)).decode()


@pytest.mark.parametrize(
    ("kind", "shape", "content"),
    [
        ("i1", (4,), text(b"123")),
        ("i1", (2,), text(b"123")),
        ("i1", (3,), text(bytes(10**7))),  # far more than the shape says: not unpacked
        ("i1", (3,), text(b"123")[:-8]),
        ("i1", (3,), base64.b64encode(b"123").decode()),
        ("i1", (3,), "é"),
        ("u2", (3,), text(b"123")),
        ("f4", (1,), text(np.float32(np.nan).tobytes())),
        ("f8", (1,), text(bytes(8))),
        ("O", (1,), text(bytes(8))),
        ("i1", (2**30, 2**30), text(b"123")),
    ],
)
@pytest.mark.bad_input
def test_other_texts_are_refused(kind: str, shape: tuple[int, ...], content: str):
    with pytest.raises(ValueError, match=r"array|base64|ASCII") as caught:
        Packed(kind, shape, content)
    assert len(str(caught.value)) < 200
