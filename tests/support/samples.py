"""What several tests make or need: the checkout, drawn sheets, a local HTTP server."""

import ast
import hashlib
import os
import resource
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache, partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
from PIL import Image

from wsprites.art.characters import Characters
from wsprites.art.layouts import LeftOut, find_sheets

ROOT = Path(__file__).parents[2]
"""The checkout."""
REAL = Path(os.environ.get("WSPRITES_SHEETS") or ROOT.parent / "shared" / "lpc")
"""The real LPC sheets, if they are available."""
LAYERS = {"body": 3, "bottomwear": 2, "topwear": 3, "hair": 2, "shoes": 1}
"""Sheets that `draw_sheet` draws for each layer."""


def draw_sheet(layer: int, number: int, size: tuple[int, int] = (832, 1344)) -> Image.Image:
    """A sheet in LPC layout: a band of a random colour for the layer, a little different in every cell, with soft pixels in it.

    Soft pixels of two layers never meet, because Pillow rounds those in two steps and the renderer in one.
    """
    return Image.fromarray(_sheet(layer, number, size))


@cache
def _sheet(layer: int, number: int, size: tuple[int, int]) -> np.ndarray:
    rng = np.random.default_rng((layer, number))
    rgba = np.zeros((size[1], size[0], 4), np.uint8)
    y, x = np.mgrid[:64, :64]
    shade, is_soft = (3 * y + x) % 40, (x + y) % 11 == 2 * layer
    for row in range(21):
        for column in range(13):
            top, left = 8 + 9 * layer + row % 3, 18 + (column * 5 + row * 3 + number) % 9
            band = slice(top, top + 16), slice(left, left + 20)
            cell = rgba[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64][band]
            cell[..., :3] = (rng.integers(0, 256, 3) + shade[band][..., None]) % 256
            cell[..., 3] = 255
            soft = is_soft[band]
            cell[soft, 3] = rng.integers(1, 255, np.count_nonzero(soft))
    return rgba


def characters_in(folder: Path, layers: Sequence[str], cell: int = 64) -> Characters:
    """The characters of a folder of sheets."""
    return Characters.from_files(find_sheets(folder, layers, LeftOut("sheets")), cell=cell)


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve(folder: Path, handler: type[SimpleHTTPRequestHandler] = _QuietHandler) -> Iterator[str]:
    """Serve a folder over HTTP on this machine; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@cache
def parsed(path: Path) -> ast.Module:
    """The syntax tree of a source file, parsed once for all tests of this process. Not to be changed."""
    return ast.parse(path.read_text(encoding="utf-8"))


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Writes of this process fail beyond `size` bytes of a file, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
