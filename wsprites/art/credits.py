"""Authors and licence of the art: stored in every file, and printed by `wsprites credits`."""

import codecs
import csv
import hashlib
import re
import tomllib
from dataclasses import dataclass
from pathlib import Path

from wsprites.errors import UserError

_AUTHORS, _LICENCES = ("AUTHORS", "CREDITS", "ATTRIBUTION"), ("LICENSE", "LICENCE")
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Credits:
    """Licence and authors of the art."""

    licence: str
    """The licence, one line."""
    attribution: str
    """A text that names the authors."""


def sheet_credits(folders: list[Path], paths: list[Path], assets: Path) -> Credits:
    """The credits of sheets: by their hashes for the project's own and the real ones, otherwise from the text files beside them.

    Those are AUTHORS*, CREDITS* and ATTRIBUTION* for the names, and *LICEN[CS]E* for the licence; credits that state licences themselves,
    as those of the Universal LPC generator do, stand for both.

    Args:
        folders: folders of the files of credits, the one that names of files are relative to first.
        paths: the pictures.
        assets: the folder `assets/`.
    """
    lpc = tomllib.loads((assets / "lpc.toml").read_text(encoding="utf-8"))
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    texts: dict[str, list[str]] = {}  # files by their text: those of many characters are often equal
    for path in _beside(folders, _AUTHORS):
        texts.setdefault(_text(path), []).append(_name(path, folders[0]))
    attribution = "\n\n".join(f"{', '.join(names)}:\n{text}" for text, names in texts.items())
    if hashes <= {picture["sha256"] for picture in own_pictures(assets)}:
        return Credits("CC0 1.0", "Drawn for W-Sprites by the wsprites authors; CC0 1.0, no rights reserved")
    if hashes <= set(lpc["sha256"].values()):
        head = f"{lpc['title']}\nLicence: {lpc['licence']}\nSource: {lpc['source']}\nAuthors: {', '.join(lpc['authors'])}"
        return Credits(lpc["licence"], f"{head}\n\n{attribution}".strip())
    licences = [_name(path, folders[0]) for path in _beside(folders, _LICENCES)]
    licences = licences or [name for text, names in texts.items() if re.search("licen[cs]e", text, re.IGNORECASE) for name in names]
    shown = ", ".join(licences[:3]) + (", ..." if len(licences) > 3 else "")
    licence = f"see {shown} of the sheets" if licences else "unknown"
    return Credits(licence, attribution or "The sheets came without the names of their authors.")


def is_credit(path: Path) -> bool:
    """Whether a file is one of credits or of a licence, by its name."""
    return any(word in path.name.upper() for word in (*_AUTHORS, *_LICENCES)) or path.name == "metadata.json"


def own_pictures(assets: Path) -> list[dict[str, str]]:
    """The project's own pictures, each with file, author, licence and sha256: `assets/CREDITS.csv`."""
    with (assets / "CREDITS.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _beside(folders: list[Path], words: tuple[str, ...]) -> list[Path]:
    paths = {path for folder in folders if folder.is_dir() for path in folder.iterdir() if path.is_file()}
    return sorted(path for path in paths if any(word in path.name.upper() for word in words) and path.suffix.lower() != ".png")


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix() if path.is_relative_to(folder) else path.name


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise UserError(f"{path}: over 1 MiB of attribution; shorten it to the authors of the sheets in use")
    content = path.read_bytes()
    encoding = "utf-16" if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)) else "utf-8-sig"
    text = content.decode(encoding, "replace").replace("\r\n", "\n").replace("\r", "\n")
    return re.sub(r"[\x00-\x08\x0b\x0e-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", text).strip()  # HDF5 stores no NUL
