"""Pictures: the one place that enlarges, outlines, tiles and encodes them. Axis suffixes: t frames, h rows, w columns, c = RGB."""

import base64
import io
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsprites.generate import check_ending, check_output

Colour = tuple[int, int, int]
Frames = Sequence[NDArray[np.uint8]] | NDArray[np.uint8]


def enlarge(image: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    """Draw every pixel as a square of `scale` x `scale` pixels.

    Args:
        image: (H, W) or (H, W, 3) uint8.
        scale: the factor, 1 or more.

    Returns:
        (scale * H, scale * W) or (scale * H, scale * W, 3) uint8.

    Example:
        >>> enlarge(np.array([[1, 2]], np.uint8), 2).tolist()
        [[1, 1, 2, 2], [1, 1, 2, 2]]
    """
    return np.repeat(np.repeat(image, scale, 0), scale, 1)


def outline(mask_hw: NDArray[np.bool_], *, scale: int = 1) -> NDArray[np.bool_]:
    """Find the pixels next to a mask, diagonals included, that do not belong to it.

    Args:
        mask_hw: (H, W) bool.
        scale: the factor by which the mask is enlarged first.

    Returns:
        (scale * H, scale * W) bool.

    Example:
        >>> outline(np.array([[True, False, False]])).tolist()
        [[False, True, False]]
    """
    solid = enlarge(mask_hw.astype(np.uint8), scale)
    return np.asarray(cv2.dilate(solid, np.ones((3, 3), np.uint8)) > solid)


def tile(images: Frames, columns: int, *, gap: int = 0, background: int = 0) -> NDArray[np.uint8]:
    """Put images of one size side by side, row by row, with a gap between and around them.

    Args:
        images: (H, W, 3) uint8 each.
        columns: images in a row; the last row may be shorter.
        gap: pixels between two images, and around all of them.
        background: the grey of the gaps and of missing images, 0 to 255.

    Returns:
        (rows * (H + gap) + gap, columns * (W + gap) + gap, 3) uint8.
    """
    height, width = images[0].shape[:2]
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), background, np.uint8)
    for number, image in enumerate(images):
        y, x = gap + number // columns * (height + gap), gap + number % columns * (width + gap)
        sheet[y : y + height, x : x + width] = image
    return sheet


def encode_png(image: NDArray[Any], *, fast: bool = False, colours: int | None = None) -> bytes:
    """Encode an image as PNG: lossless, unless it is reduced to a palette.

    Args:
        image: (H, W, 3) uint8 RGB, or an (H, W) bool mask, which is written as 8-bit grey of 0 and 255.
        fast: compress less, in half the time: for many small frames.
        colours: size of the palette that an RGB image is reduced to, up to 256.
    """
    if colours is not None:
        file = io.BytesIO()
        Image.fromarray(image).quantize(colours, dither=Image.Dither.NONE).save(file, "PNG", optimize=True)
        return file.getvalue()
    settings = [] if fast else [cv2.IMWRITE_PNG_COMPRESSION, 6]
    encoded: NDArray[np.uint8] = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image * np.uint8(255), settings)[1]
    return encoded.tobytes()


def encode_gif(
    frames: Iterable[NDArray[np.uint8]],
    *,
    milliseconds: int = 100,
    colours: int = 256,
    exact: Sequence[Colour] = (),
    shared: bool = False,
) -> bytes:
    """Encode frames as an animated GIF that repeats.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        milliseconds: how long each frame is shown.
        colours: size of a palette, up to 256.
        exact: colours that every palette keeps as they are, for marks that would be lost among the many colours of a scene.
        shared: use one palette for all frames, so that still parts take no space. Otherwise each frame has its own, with more colours.
    """
    free = colours - len(exact)
    palette = None
    if shared:
        frames = list(frames)
        sample = Image.fromarray(np.concatenate(frames[:: max(len(frames) // 4, 1)]))
        palette = sample.quantize(free, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
    images = [_indexed(frame, free, palette, exact) for frame in frames]
    file = io.BytesIO()
    images[0].save(file, "GIF", save_all=True, append_images=images[1:], duration=milliseconds, loop=0, optimize=not shared, disposal=1)
    return file.getvalue()


def _indexed(frame: NDArray[np.uint8], colours: int, palette: Image.Image | None, exact: Sequence[Colour]) -> Image.Image:
    """Reduce a frame to `colours` colours, of its own or of a palette, and those of `exact`.

    Colours of its own are those of the largest distance from each other (maximum coverage). Medians would follow the many similar colours
    of a scene, and lose the few of a character.
    """
    image = Image.fromarray(frame).quantize(colours, Image.Quantize.MAXCOVERAGE, palette=palette, dither=Image.Dither.NONE)
    if not exact:
        return image
    index = np.array(image)
    for number, colour in enumerate(exact, start=colours):
        index[(frame == colour).all(-1)] = number
    chosen = (image.getpalette() or [])[: 3 * colours]
    indexed = Image.fromarray(index)
    indexed.putpalette([*chosen, *[0] * (3 * colours - len(chosen)), *np.ravel(exact).tolist()])
    return indexed


def encode_webp(frames: Frames, *, milliseconds: int = 100, quality: int = 60) -> bytes:
    """Encode frames as an animated WebP that repeats, lossy; a single frame gives a still picture.

    Args:
        frames: (H, W, 3) uint8 RGB each.
        milliseconds: how long each frame is shown.
        quality: 0 to 100.
    """
    images, file = [Image.fromarray(frame) for frame in frames], io.BytesIO()
    images[0].save(file, "WebP", save_all=True, append_images=images[1:], duration=milliseconds, loop=0, quality=quality, method=2)
    return file.getvalue()


def data_uri(kind: str, content: bytes) -> str:
    """Encode a file as an address that holds it, for pages that consist of one file.

    Args:
        kind: the media type, such as "image/gif".

    Example:
        >>> data_uri("image/gif", b"GIF")
        'data:image/gif;base64,R0lG'
    """
    return f"data:{kind};base64,{base64.b64encode(content).decode()}"


def picture_format(out: Path) -> str:
    """Return "gif" or "png" according to the name of a file. Raises ArgumentError for any other name."""
    return check_ending("out", out, ".gif (animated)", ".png (every frame)")[1:]


def check_picture(out: Path, *, inputs: Iterable[Path] = ()) -> None:
    """Raise UserError unless a picture can be written to `out`, before anything is computed.

    Args:
        out: the file; it may exist.
        inputs: files that are read, which are never replaced.
    """
    picture_format(out)
    check_output(out, overwrite=True, inputs=inputs)
