"""`python -m assets.painter [FOLDER]` draws all pictures of assets/, there or into another folder."""

import csv
import hashlib
import sys
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from assets.painter.faces import FACES
from assets.painter.figures import face, sheet
from assets.painter.png import png
from assets.painter.scenes import NEW_SCENES, SCENES, paint
from assets.painter.wardrobe import LAYERS
from wsprites.art import ASSETS


def names() -> Iterator[str]:
    """Return the paths of all pictures in assets/."""
    for layer, looks in LAYERS.items():
        yield from (f"characters/{layer}/{name}.png" for name in looks)
    yield from (f"backgrounds/{name}.png" for name in SCENES)
    yield from (f"backgrounds/new/{name}.png" for name in NEW_SCENES)
    yield from (f"faces/{name}.png" for name in FACES)


def picture(name: str) -> bytes:
    """Draw the picture of that name; returns the bytes of its PNG file."""
    kind, *path = name.removesuffix(".png").split("/")
    if kind == "faces":
        return png(face(*path))
    return png(sheet(*path) if kind == "characters" else paint(path[-1]))


def main(folder: Path) -> None:
    """Draw all pictures into a folder, and list them with their hashes in its CREDITS.csv."""
    rows = [("file", "author", "licence", "sha256")]
    with ProcessPoolExecutor() as pool:
        for name, data in zip(names(), pool.map(picture, names()), strict=True):
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            rows.append((name, "the wsprites authors", "CC0 1.0", hashlib.sha256(data).hexdigest()))
    with (folder / "CREDITS.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file, lineterminator="\n").writerows(rows)


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else ASSETS)
