"""Reading pictures: the one way in which an image file becomes pixels, for imported frames, backgrounds and pictures given to models.

Pictures are turned as their EXIF orientation says. Transparent pixels are put on white. Of 16 bits a channel the upper 8 are used. Pixels
that are floating-point numbers or 32-bit integers, whose range a file does not tell, are refused. Colour profiles are not applied. Of an
animation the first frame is used, and a line of the log says so.
"""

import io
import logging
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError

from wsprites.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp", ".ppm", ".pgm", ".avif", ".heic", ".heif")
"""Endings of the names of pictures, lower case."""
MAX_PIXELS = 2**27
"""Pixels of the largest picture and the largest frame of a video."""

_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1")
_AVIF_BRANDS = (b"avif", b"avis")


def read_picture(path: Path, *, max_pixels: int = MAX_PIXELS) -> NDArray[np.uint8]:
    """Read an image file.

    Args:
        path: path of a file in any format that Pillow reads; HEIC with the package pillow-heif.
        max_pixels: a larger picture is refused before memory is taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UserError: the file does not exist, is no image, is damaged or too large, or its pixels are floating-point or 32-bit numbers.
    """
    return _decoded(str(path), lambda: _opened(path), max_pixels)


def decode_picture(content: bytes, name: str, *, max_pixels: int) -> NDArray[np.uint8]:
    """Decode a PNG, JPEG or WebP picture that a stranger sent: no other decoder of Pillow sees it.

    Args:
        content: the bytes of the file.
        name: the name in messages.
        max_pixels: a larger picture is refused before memory is taken.

    Returns:
        (H, W, 3) uint8 RGB.

    Raises:
        UserError: another format, a damaged or too large picture, or one whose pixels are floating-point or 32-bit numbers.

    Example:
        >>> decode_picture(b"GIF89a", "a.gif", max_pixels=100)
        Traceback (most recent call last):
        wsprites.errors.UserError: a.gif: not a PNG, JPEG or WebP picture; save it as one of these
    """
    return _decoded(name, lambda: _opened_content(content, name), max_pixels)


def _decoded(name: str, opened: Callable[[], Image.Image], max_pixels: int) -> NDArray[np.uint8]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Pillow, about metadata and about sizes, which are checked here
        try:
            with opened() as image:
                if image.width * image.height > max_pixels:
                    raise UserError(f"{name}: {image.width} x {image.height} pixels, more than {max_pixels:,}; scale it down")
                count = getattr(image, "n_frames", 1)
                if count > 1 and image.format != "MPO":  # MPO: a photograph with previews of itself
                    logging.getLogger("wsprites").info("%s: an animation of %d frames, of which the first is used", name, count)
                return _rgb(image, name)
        except UserError:
            raise
        except Image.DecompressionBombError:
            raise UserError(f"{name}: more than {max_pixels:,} pixels; scale it down") from None
        except Exception as error:  # a damaged image may raise anything
            raise UserError(f"{name}: the image is damaged ({error}); replace the file") from None


def on_white(rgba_hw4: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Put pixels with straight alpha on white: (H, W, 4) uint8 RGBA to (H, W, 3) uint8 RGB.

    Example:
        >>> on_white(np.array([[[0, 0, 0, 0], [9, 8, 7, 255]]], np.uint8)).tolist()
        [[[255, 255, 255], [9, 8, 7]]]
    """
    return _flat(Image.fromarray(rgba_hw4))


def _flat(image: Image.Image) -> NDArray[np.uint8]:
    white = Image.new("RGBA", image.size, "white")
    white.alpha_composite(image)
    return np.array(white.convert("RGB"))


def _opened(path: Path) -> Image.Image:
    """An image whose header is read, not yet its pixels."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
        if head[4:8] == b"ftyp" and head[8:] in _HEIC_BRANDS:
            _register_heic(path)
        return Image.open(path)
    except (Image.DecompressionBombError, UserError):
        raise
    except Exception as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not an image that can be read"
        if not reason.startswith("not an image"):
            raise UserError(f"{path}: {reason}") from None
        old = "; AVIF needs Pillow 11.3 or later" if head[8:] in _AVIF_BRANDS else ""
        raise UserError(f"{path}: {reason}{old}; replace the file or remove it from the folder") from None


def _opened_content(content: bytes, name: str) -> Image.Image:
    try:
        return Image.open(io.BytesIO(content), formats=("PNG", "JPEG", "WEBP"))
    except UnidentifiedImageError:
        raise UserError(f"{name}: not a PNG, JPEG or WebP picture; save it as one of these") from None


def _register_heic(path: Path) -> None:
    try:
        from pillow_heif import register_heif_opener
    except ModuleNotFoundError:
        raise UserError(f"{path}: a HEIC picture, which needs pillow-heif; pip install pillow-heif, or convert it to PNG or JPEG") from None
    register_heif_opener()


def _rgb(image: Image.Image, name: str) -> NDArray[np.uint8]:
    wide = image.mode == "I" and image.format not in ("PNG", "PPM")  # these two have 16 bits at most
    if image.mode == "F" or wide:
        numbers = "32-bit integers" if wide else "floating-point numbers"
        raise UserError(f"{name}: its pixels are {numbers}, whose range is not known; save it with 8 or 16 bits a channel")
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith("I"):
        image = _of_16_bits(image)
    if image.has_transparency_data:
        return _flat(image.convert("RGBA"))
    return np.array(image.convert("RGB"))


def _of_16_bits(image: Image.Image) -> Image.Image:
    """The upper 8 bits of a grey image of 16; the grey value that stands for transparency becomes alpha."""
    values: NDArray[Any] = np.asarray(image)
    grey = (values >> 8).astype(np.uint8)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        return Image.fromarray(np.stack([grey, np.where(values == transparent, 0, 255).astype(np.uint8)], -1))
    return Image.fromarray(grey)
