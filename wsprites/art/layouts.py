"""The sheets in a folder: whole pictures, or split by item, animation or frame as the Universal LPC generator's ZIP exports are.

A character of the generator is a PNG, or an unpacked ZIP:

    items/010 body.png ...                       whole sheets of its items, the lowest first by their numbers ("split by item")
    standard/walk.png ...                        the rows of one animation ("split by animation")
    standard/walk/010 body.png ...               the same for each item ("split by animation and item")
    standard/walk/left/1.png ...                 single frames ("split by animation and frame")
    custom/...                                   animations in larger cells, which are left out
    credits/credits.txt, credits.csv, metadata.json, and character.json
"""

import json
import logging
import re
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from wsprites.art.credits import is_credit
from wsprites.art.sheets import COLUMNS, FIRST_ROW, SHEET_SIZES, Picture, open_image
from wsprites.errors import ArgumentError, UserError
from wsprites.world.spec import CELL

_LOG = logging.getLogger("wsprites.art")
_EXPORTS = ("standard", "items", "custom")
_DIRECTIONS = ["up", "left", "down", "right"]  # rows of an animation, from the top
_OTHERS = "files that are neither PNG nor credits"
_MOST_METADATA_BYTES = 2**20


class SheetFiles(NamedTuple):
    """The files that one sheet is read from."""

    name: str
    """Name of the sheet: of its file without the ending, or of its folder."""
    path: Path
    """The file, or the folder."""
    pictures: tuple[Picture, ...]
    """Pictures and where they lie in the sheet, the lowest first."""


class LeftOut:
    """What a folder holds that is not used: names by reason.

    Args:
        of: what the folder holds, such as "sheets".
    """

    def __init__(self, of: str) -> None:
        self._of = of
        self._names: dict[str, list[str]] = {}

    def add(self, reason: str, name: str) -> None:
        """Note a file or folder; `reason` is a noun in the plural."""
        self._names.setdefault(reason, []).append(name if name.isprintable() else repr(name))

    def report(self) -> None:
        """Log one line for each reason, with the number of files and the first names."""
        for reason, names in sorted(self._names.items()):
            first = ", ".join(sorted(names)[:3]) + (", ..." if len(names) > 3 else "")
            _LOG.warning("left out of the %s: %s: %s (%s)", self._of, reason, f"{len(names):,}", first)


def find_sheets(folder: Path, layers: Sequence[str], left_out: LeftOut) -> dict[str, list[SheetFiles]]:
    """The sheets of each layer, in the order of their numbers. Whole characters are one layer, "character".

    Args:
        folder: a folder with a sub-folder for each layer, or of whole characters, or one character of the generator.
        layers: names of the layers.
        left_out: notes what is not used.

    Raises:
        ArgumentError: there is no such folder.
        UserError: a layer has no folder or no sheets, or a name is not printable text.
    """
    if not folder.is_dir():
        problem = "not a folder; unpack it" if folder.suffix.lower() == ".zip" and folder.is_file() else "no such folder"
        raise ArgumentError("sheets", f"{folder}: {problem}; use 'own', 'lpc' or a folder of LPC sheets")
    if not any((folder / layer).is_dir() for layer in layers):
        split = _split(export_folder(folder), left_out)
        whole = [split] if split else _sheets_in(folder, left_out)
        if whole:
            return {"character": whole}
        _refuse_zip_files(folder)
    sheets = {}
    for layer in layers:
        if not (folder / layer).is_dir():
            raise UserError(f"{folder}: the folder '{layer}' is missing; characters are made of {', '.join(layers)}")
        sheets[layer] = _sheets_in(folder / layer, left_out)
        if not sheets[layer]:
            _refuse_zip_files(folder / layer)
            raise UserError(f"{folder / layer}: there is no PNG file in it; every layer needs at least one sheet")
    for path in files_of(folder):
        if path.is_dir() and path.name not in layers and path.name != "credits":
            left_out.add("folders that are not layers of this world", path.name)
        elif path.is_file() and not is_credit(path):
            left_out.add("files beside the folders of the layers", path.name)
    return sheets


def credit_folders(folder: Path, sheets: Sequence[SheetFiles]) -> list[Path]:
    """The folders in which credits of sheets may lie: beside the sheets, and in a folder `credits` there."""
    folder = export_folder(folder)
    holders = [folder, *(sheet.path if sheet.path.is_dir() else sheet.path.parent for sheet in sheets)]
    return list(dict.fromkeys(path for holder in holders for path in (holder, holder / "credits")))


def export_folder(folder: Path) -> Path:
    """The folder of a character of the generator, where `folder` is its `standard/` or `items/`; otherwise `folder`."""
    parent = folder.resolve().parent
    inside = folder.name in _EXPORTS and ((parent / "credits").is_dir() or (parent / "character.json").is_file())
    return parent if inside else folder


def files_of(folder: Path) -> list[Path]:
    """What a folder holds, without hidden files, 2 before 10. Raises UserError for a name that is not printable text."""
    paths = [path for path in folder.iterdir() if not path.name.startswith(".")]
    for path in paths:
        if not path.name.isprintable():
            raise UserError(f"{folder}: the name of the file {path.name!r} is not printable text; rename the file")
    return sorted(paths, key=lambda path: (natural(path.stem), path.name))


def natural(name: str) -> list[str | int]:
    """A key that sorts 2 before 10: texts and numbers alternate in it."""
    return [int(part) if number % 2 else part for number, part in enumerate(re.split(r"(\d+)", name))]


def _sheets_in(folder: Path, left_out: LeftOut) -> list[SheetFiles]:
    """The sheets of a folder: PNG files, and folders that hold one sheet in several pictures."""
    sheets = []
    for path in files_of(folder):
        if path.is_dir():
            split = _split(path, left_out)
            if split:
                sheets.append(split)
            elif path.name != "credits":
                left_out.add("folders without sheets", path.name)
        elif path.suffix.lower() == ".png":
            sheets.append(SheetFiles(path.stem, path, (Picture(path),)))
            with open_image(path) as image:
                if image.width > SHEET_SIZES[-1][1] or image.height > SHEET_SIZES[-1][0]:
                    left_out.add("parts of sheets beyond 832 x 3456 pixels, in larger cells", path.name)
        elif path.suffix.lower() == ".zip":
            left_out.add("ZIP files, which have to be unpacked", path.name)
        elif not is_credit(path):
            left_out.add(_OTHERS, path.name)
    return sheets


def _refuse_zip_files(folder: Path) -> None:
    """Raise UserError if a folder without sheets holds ZIP files."""
    if zips := [path.name for path in files_of(folder) if path.suffix.lower() == ".zip"]:
        raise UserError(f"{folder}: holds no sheets but ZIP files ({zips[0]}{', ...' * (len(zips) > 1)}); unpack each into a folder")


def _split(folder: Path, left_out: LeftOut) -> SheetFiles | None:
    """The sheet that a folder holds in several pictures; None if it does not."""
    if (folder / "standard").is_dir():
        pictures, inside = _animations(folder / "standard", folder, left_out), {"standard"}
    elif any(_is_animation(folder, animation) for animation in FIRST_ROW):
        pictures, inside = _animations(folder, folder, left_out), {path.name for path in files_of(folder) if _is_picture(path)}
    else:
        pictures, inside = [Picture(path) for path in _files(folder / "items") if path.suffix.lower() == ".png"], {"items"}
        for path in _files(folder / "items") if pictures else []:
            if path.suffix.lower() != ".png":
                left_out.add(_OTHERS, f"{folder.name}/items/{path.name}")
    if not pictures:
        return None
    for path in _files(folder / "custom"):
        left_out.add("animations in larger cells (custom/)", f"{folder.name}/{path.name}")
    for path in files_of(folder):
        if path.name not in {*inside, "credits", "custom", "character.json"} and not is_credit(path):
            left_out.add("files and folders beside those of an export", f"{folder.name}/{path.name}")
    return SheetFiles(folder.name, folder, tuple(pictures))


def _animations(standard: Path, folder: Path, left_out: LeftOut) -> list[Picture]:
    """The pictures of all animations in `standard`, which is the folder `folder` of a sheet or lies in it."""
    pictures = [picture for animation in FIRST_ROW for picture in _animation(standard, animation, folder, left_out)]
    for path in files_of(standard):
        is_used = path.stem in FIRST_ROW and _is_picture(path)
        if not is_used and path.name not in ("credits", "custom"):
            if _is_picture(path):
                left_out.add("animations other than walk, spellcast and slash", f"{folder.name}/{path.name}")
            elif standard != folder:
                left_out.add(_OTHERS, f"{folder.name}/{path.name}")
    return pictures


def _is_picture(path: Path) -> bool:
    return path.is_dir() or path.suffix.lower() == ".png"


def _is_animation(folder: Path, animation: str) -> bool:
    """Whether a folder has an animation as a picture of four rows, or as a folder; a whole sheet may have any name."""
    path = folder / f"{animation}.png"
    if path.is_file():
        with open_image(path) as image:
            return image.height == 4 * CELL
    return any(found.suffix.lower() == ".png" or found.name in _DIRECTIONS for found in _files(folder / animation))


def _animation(standard: Path, animation: str, folder: Path, left_out: LeftOut) -> list[Picture]:
    """The pictures of an animation: one, one for each item, or one for each frame."""
    row, columns = FIRST_ROW[animation], COLUMNS[animation]
    if (standard / f"{animation}.png").is_file():
        if (standard / animation).is_dir():
            left_out.add("folders beside a picture of the same animation", f"{folder.name}/{animation}")
        return [Picture(standard / f"{animation}.png", row, 0, 4, columns)]
    pictures = []
    for path in _files(standard / animation):
        name = f"{folder.name}/{animation}/{path.name}"
        if path.is_dir() and path.name in _DIRECTIONS:
            place = row + _directions(folder).index(path.name)
            for frame in files_of(path):
                if frame.suffix.lower() == ".png" and frame.stem.isdecimal() and 1 <= int(frame.stem) <= 13:
                    pictures.append(Picture(frame, place, int(frame.stem) - 1, 1, 1))
                else:
                    left_out.add("files that are not frames 1.png to 13.png", f"{name}/{frame.name}")
        elif path.suffix.lower() == ".png":
            pictures.append(Picture(path, row, 0, 4, columns))
        else:
            left_out.add(_OTHERS, name)
    return pictures


def _directions(folder: Path) -> list[str]:
    """The order in which single frames were cut from the rows of a sheet.

    Earlier versions of the generator named the second row "down" and the third "left"; the metadata that they wrote say so.
    """
    path = folder / "credits" / "metadata.json"
    if not path.is_file() or path.stat().st_size > _MOST_METADATA_BYTES:
        return _DIRECTIONS
    try:
        directions = json.loads(path.read_text(encoding="utf-8-sig"))["directions"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return _DIRECTIONS
    return directions if isinstance(directions, list) and sorted(map(str, directions)) == sorted(_DIRECTIONS) else _DIRECTIONS


def _files(folder: Path) -> list[Path]:
    return files_of(folder) if folder.is_dir() else []
