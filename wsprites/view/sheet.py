"""Sheets: images in rows and columns on a dark ground, with names of the rows, headings and captions of the columns, and a line above."""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wsprites.generate import replace_file
from wsprites.view.picture import encode_gif, encode_png, enlarge, picture_format

INK, PAPER, MUTED = (236, 239, 244), (22, 25, 31), (140, 149, 163)
"""Colours of text, of the ground, and of text that is less important."""
_GAP, _LINE = 8, 20  # pixels between images, and of a line of text
_SHEET_COLUMNS = 8  # images side by side
_SMALL = 160  # px, the largest width of an image that is enlarged on a sheet


@lru_cache(maxsize=1)
def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all text in pictures."""
    return ImageFont.load_default(13)


def sheet(
    rows: Sequence[Sequence[NDArray[np.uint8]]],
    *,
    names: Sequence[str] = (),
    headings: Sequence[str] = (),
    captions: Sequence[str] = (),
    head: str = "",
    scale: int = 1,
    columns: int | None = None,
) -> NDArray[np.uint8]:
    """Put images in rows and columns.

    Args:
        rows: (H, W, 3) uint8 RGB images of each row; the images may differ in size.
        names: of each row, to its left; none, or as many as rows.
        headings: of each column, above it; none, or as many as columns.
        captions: of each column, below it, of one or several lines; none, or as many as columns.
        head: a line above everything.
        scale: the factor by which images are enlarged.
        columns: most images side by side; longer rows continue below, all rows together. None: any number.

    Returns:
        (h, w, 3) uint8 RGB.

    Example:
        >>> sheet([[np.zeros((4, 6, 3), np.uint8)] * 3], columns=2).shape
        (32, 36, 3)
    """
    large = [[enlarge(image, scale) for image in row] for row in rows]
    count = max(map(len, large))
    wrap = min(columns or count, count)
    # Sizes: every cell holds the largest image, and its heading.
    letters = font()
    height = max(image.shape[0] for row in large for image in row)
    texts = ["", *headings, *(line for caption in captions for line in caption.splitlines())]
    width = max(max(image.shape[1] for row in large for image in row), *(math.ceil(letters.getlength(text)) for text in texts))
    below = max((_LINE * len(caption.splitlines()) for caption in captions), default=0)
    left = _GAP + (math.ceil(max(map(letters.getlength, names))) + _GAP if names else 0)
    top, block = _GAP + bool(head) * _LINE, bool(headings) * _LINE + len(rows) * (height + _GAP) + below
    canvas = Image.new("RGB", (left + wrap * (width + _GAP), top + -(-count // wrap) * block), PAPER)
    drawing = ImageDraw.Draw(canvas)
    drawing.text((_GAP, _GAP - 2), head, INK, letters)
    for first in range(0, count, wrap):
        y = top + first // wrap * block
        for column, text in enumerate(headings[first : first + wrap]):
            drawing.text((left + column * (width + _GAP), y), text, MUTED, letters)
        y += bool(headings) * _LINE
        for number, row in enumerate(large):
            if names:
                drawing.text((_GAP, y + height // 2 - _LINE // 2), names[number], INK, letters)
            for column, image in enumerate(row[first : first + wrap]):
                canvas.paste(Image.fromarray(image), (left + column * (width + _GAP), y))
            y += height + _GAP
        for column, caption in enumerate(captions[first : first + wrap]):
            for line, text in enumerate(caption.splitlines()):
                drawing.text((left + column * (width + _GAP), y - 4 + line * _LINE), text, INK, letters)
    return np.asarray(canvas)


def write_sheet(out: Path, rows: Sequence[Sequence[NDArray[np.uint8]]], *, names: Sequence[str] = (), headings: Sequence[str] = ()) -> None:
    """Write images, (H, W, 3) uint8, as `sheet` draws them: as a PNG, or as a GIF of one frame. Raises as `write_clips` does.

    Small images are enlarged twice, and long rows are cut into parts of nearly the same length.
    """
    count, width = max(map(len, rows)), max(image.shape[1] for row in rows for image in row)
    columns = math.ceil(count / math.ceil(count / _SHEET_COLUMNS))
    picture = sheet(rows, names=names, headings=headings, scale=2 if width <= _SMALL else 1, columns=columns)
    replace_file(out, encode_gif([picture], exact=(INK, PAPER, MUTED)) if picture_format(out) == "gif" else encode_png(picture))


def write_clips(out: Path, clips: Mapping[str, NDArray[np.uint8]]) -> None:
    """Write videos side by side as an animated GIF, enlarged twice, or below each other as a PNG with every frame, by the name of the file.

    Args:
        out: the file; it is replaced if it exists.
        clips: (T, H, W, 3) uint8 RGB each, of one length, by their headings. A single clip without a heading is a GIF of its frames alone.

    Raises:
        UserError: the name ends in neither .gif nor .png.
        OSError: writing failed; a file that existed is unchanged.
    """
    titles, videos = [*clips], [*clips.values()]
    if picture_format(out) == "png":
        numbers = [str(t) for t in range(len(videos[0]))]
        replace_file(
            out,
            encode_png(
                sheet([[*video] for video in videos], names=titles if any(titles) else (), headings=numbers, columns=_SHEET_COLUMNS)
            ),
        )
    elif not any(titles):
        replace_file(out, encode_gif([enlarge(frame, 2) for frame in videos[0]]))
    else:
        pictures = [sheet([frames], headings=titles, scale=2) for frames in zip(*videos, strict=True)]
        replace_file(out, encode_gif(pictures, exact=(INK, PAPER, MUTED)))
