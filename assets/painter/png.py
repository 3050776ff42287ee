"""Pictures of few colours as small PNG files."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture of at most 256 colours, (H, W, 3) or (H, W, 4) uint8 with alpha 0 or 255, as a PNG file with a palette."""
    depth = image.shape[2]
    colours, index = np.unique(image.astype(np.int64) @ (1 << 16, 1 << 8, 1, 1 << 24)[:depth], return_inverse=True)
    picture = Image.fromarray(index.reshape(image.shape[:2]).astype(np.uint8))
    picture.putpalette(b"".join(int(colour & 0xFFFFFF).to_bytes(3, "big") for colour in colours))
    file = io.BytesIO()
    clear = {"transparency": 0} if depth == 4 else {}  # clear pixels are all zeros: the first colour
    picture.save(file, "PNG", optimize=True, **clear)
    return file.getvalue()
