"""Authors and licence of the art: stored in every file, and printed by `wsprites credits`."""

import csv
import hashlib
import tomllib
from dataclasses import dataclass
from pathlib import Path

from wsprites.errors import UserError

_AUTHORS = ("AUTHORS", "CREDITS", "ATTRIBUTION")
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Credits:
    """Licence and authors of the art."""

    licence: str
    """The licence, one line."""
    attribution: str
    """A text that names the authors."""


def sheet_credits(folder: Path, paths: list[Path], assets: Path) -> Credits:
    """The credits of sheets: by their hashes for the project's own and the real ones, otherwise from the text files beside them.

    Those are AUTHORS*, CREDITS* and ATTRIBUTION* for the names, and *LICEN[CS]E* for the licence.
    """
    lpc = tomllib.loads((assets / "lpc.toml").read_text(encoding="utf-8"))
    hashes = {hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}
    texts = [(path.name, _text(path)) for path in _beside(folder, _AUTHORS)]
    attribution = "\n\n".join(f"{name}:\n{text}" for name, text in texts)
    if hashes <= {picture["sha256"] for picture in own_pictures(assets)}:
        return Credits("CC0 1.0", "Drawn for W-Sprites by the wsprites authors; CC0 1.0, no rights reserved")
    if hashes <= set(lpc["sha256"].values()):
        head = f"{lpc['title']}\nLicence: {lpc['licence']}\nSource: {lpc['source']}\nAuthors: {', '.join(lpc['authors'])}"
        return Credits(lpc["licence"], f"{head}\n\n{attribution}".strip())
    licences = [path.name for path in _beside(folder, ("LICENSE", "LICENCE"))]
    licence = f"see {', '.join(licences)} of the sheets" if licences else "unknown"
    return Credits(licence, attribution or "The sheets came without the names of their authors.")


def own_pictures(assets: Path) -> list[dict[str, str]]:
    """The project's own pictures, each with file, author, licence and sha256: `assets/CREDITS.csv`."""
    with (assets / "CREDITS.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _beside(folder: Path, words: tuple[str, ...]) -> list[Path]:
    return sorted(path for path in folder.iterdir() if path.is_file() and any(word in path.name.upper() for word in words))


def _text(path: Path) -> str:
    if path.stat().st_size > _MOST_BYTES:
        raise UserError(f"{path}: over 1 MiB of attribution; shorten it to the authors of the sheets in use")
    return path.read_text(encoding="utf-8-sig", errors="replace").strip()
