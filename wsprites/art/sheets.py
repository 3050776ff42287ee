"""The layout of LPC sprite sheets: 13 columns of 64 x 64 cells; four rows (back, left, front, right) per animation."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from wsprites.art.alpha import over
from wsprites.errors import UserError
from wsprites.world.actions import CYCLE, LocalAction
from wsprites.world.spec import CELL

SHEET_SIZES = ((1344, 832), (2944, 832), (3456, 832))
"""(height, width) in pixels of Universal-LPC sheets; the first 21 rows of the taller ones are those of the first."""
_ROWS, _COLUMNS = 21, 13
_MOST_PIXELS = 2**25

FIRST_ROW = {"spellcast": 0, "walk": 8, "slash": 12}
"""The row of each animation's first facing."""
_FACING_ROW = {"back": 0, "left": 1, "front": 2, "right": 3}
_CYCLE_COLUMNS = {
    "walk": (8, 1, 2, 3, 4, 5, 6, 7),  # column 0 is the standing pose
    "spellcast": (0, 1, 2, 3, 4, 5, 4, 6),
    "slash": (0, 1, 2, 3, 4, 5, 4, 0),
}


COLUMNS = {animation: 1 + max(columns) for animation, columns in _CYCLE_COLUMNS.items()}
"""Number of columns that each animation needs."""


def _place(action: LocalAction, frame: int) -> tuple[int, int]:
    """(row, column) in a sheet of a frame of an action's cycle."""
    animation, facing = action.name.split("_")
    return FIRST_ROW[animation] + _FACING_ROW[facing], _CYCLE_COLUMNS[animation][frame]


CELL_PLACES = tuple(dict.fromkeys(_place(action, frame) for action in LocalAction for frame in range(CYCLE)))
"""(row, column) of the 84 different cells of the twelve animations, in the order of the actions' numbers."""

CELL_OF = np.array([[CELL_PLACES.index(_place(action, frame)) for frame in range(CYCLE)] for action in LocalAction])
"""(12, 8) int: the cell that shows a frame of an action's cycle. Worlds with three facings use the first 63 cells."""


class Picture(NamedTuple):
    """A PNG file and the part of a sheet that it shows, in cells. By default it is a whole sheet."""

    path: Path
    row: int = 0
    column: int = 0
    """The cell of the sheet that the picture's top-left corner lies on."""
    rows: int = _ROWS
    columns: int = _COLUMNS
    """Size that the picture has at least: 21 x 13 for a whole sheet, four rows for an animation, 1 x 1 for a frame."""


def read_sheet(*pictures: Picture | Path) -> NDArray[np.uint8]:
    """The cells of a sheet, (84, 64, 64, 4) uint8 RGBA with straight alpha.

    Args:
        pictures: the sheet as one file, or the pictures that it is made of, the lowest first.

    Raises:
        UserError: a file is not an image, is damaged, does not have the size of its part of a sheet (checked before decoding), has no
            transparent pixel, or shows something beside the 13 columns of the animations, as a sheet does that was scaled up.
    """
    sheet = np.zeros((max(row for row, _ in CELL_PLACES) * CELL + CELL, _COLUMNS * CELL, 4), np.uint8)
    for picture in pictures:
        _path, row, column, rows, _columns = part = picture if isinstance(picture, Picture) else Picture(picture)
        rgba = _read(part)[: rows * CELL]
        region = sheet[row * CELL : row * CELL + len(rgba), column * CELL : column * CELL + rgba.shape[1]]
        rgba = rgba[: len(region), : region.shape[1]]
        region[:] = over(rgba, region) if region[..., 3].any() else rgba
    return np.stack([sheet[y * CELL : (y + 1) * CELL, x * CELL : (x + 1) * CELL] for y, x in CELL_PLACES])


def _read(picture: Picture) -> NDArray[np.uint8]:
    """(H, W, 4) uint8 pixels of a picture that has the size of its part of a sheet, or more where weapons need larger cells."""
    path, _, _, rows, columns = picture
    with open_image(path) as image:
        width, height = image.size
        is_whole, is_frame = rows == _ROWS, columns == 1
        fits = width % CELL == height % CELL == 0 and height >= rows * CELL and width >= columns * CELL
        if not fits or (not is_whole and height != rows * CELL) or (is_frame and width != CELL) or width * height > _MOST_PIXELS:
            raise UserError(f"{path}: {width} x {height} pixels; {_expected(picture)}")
        rgba = decode(path, image, "RGBA")
    if rgba.shape[:2] != (height, width):
        raise UserError(f"{path}: the sheet is stored rotated (EXIF orientation); save it upright")
    if not is_frame and rgba[..., 3].all():
        raise UserError(f"{path}: no pixel of the sheet is transparent; save it with an alpha channel around the character")
    if rgba[: CELL * (max(row for row, _ in CELL_PLACES) + 1), _COLUMNS * CELL :, 3].any():
        wide = f"there are pixels beside the first {_COLUMNS * CELL} columns of its animations"
        raise UserError(f"{path}: {wide}; cells have {CELL} x {CELL} pixels, so scale the sheet back to its original size")
    return rgba


def _expected(picture: Picture) -> str:
    if picture.rows == _ROWS:
        sizes = ", ".join(f"{w} x {h}" for h, w in SHEET_SIZES)
        return f"an LPC sheet (width x height) has {sizes}, or more of both in steps of {CELL} with oversize weapons"
    if picture.columns == 1:
        return f"a frame has {CELL} x {CELL}"
    return f"this animation (width x height) has {picture.columns * CELL} x {picture.rows * CELL}, or up to {_COLUMNS * CELL} in width"


def files_in(folder: Path, suffixes: tuple[str, ...]) -> list[Path]:
    """The files of a folder with some suffixes, without hidden ones. Raises UserError for a name that is not printable text."""
    paths = [path for path in folder.iterdir() if path.suffix.lower() in suffixes and not path.name.startswith(".")]
    for path in paths:
        if not path.name.isprintable():
            raise UserError(f"{folder}: the name of the file {path.name!r} is not printable text; rename the file")
    return paths


def open_image(path: Path) -> Image.Image:
    """An image whose header is read, not yet its pixels. Raises UserError if that is not possible."""
    try:
        return Image.open(path)
    except Image.DecompressionBombError:
        raise UserError(f"{path}: the image is too large to open safely; scale it down") from None
    except (OSError, ValueError, SyntaxError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not an image that Pillow can read"
        raise UserError(f"{path}: {reason}; replace the file or remove it from the folder") from None


def decode(path: Path, image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """(H, W, C) uint8 pixels of an opened image in another mode, rotated by its EXIF flag. Raises UserError if they are damaged."""
    try:
        ImageOps.exif_transpose(image, in_place=True)
        if image.mode == "P" and mode == "RGBA":
            rgba: NDArray[np.uint8] = _palette(image)[np.asarray(image)][..., None].view(np.uint8)
            return rgba
        if "transparency" in image.info:
            image = image.convert("RGBA")
        if image.mode.startswith("I"):  # 16 bits a pixel, which Pillow would clip at 255
            image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
        return np.asarray(image if image.mode == mode else image.convert(mode))
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise UserError(f"{path}: the image is damaged ({error}); replace the file") from None


def _palette(image: Image.Image) -> NDArray[np.uint32]:
    """(256,) the four bytes RGBA of each number of a pixel. Looking them up takes less memory and time than Pillow's conversion."""
    numbers = image.crop((0, 0, 256, 1))
    numbers.frombytes(bytes(range(256)))
    return np.asarray(numbers.convert("RGBA")).view(np.uint32)[0, :, 0]
