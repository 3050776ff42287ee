"""Backgrounds: painted ones, the photographs of scikit-image, or any folder of images, scaled once to the size that the world needs."""

import tomllib
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from wsprites.art.sheets import files_in
from wsprites.errors import ArgumentError, UserError
from wsprites.pictures import SUFFIXES, read_picture

_MOST_BYTES = 2**30


@dataclass(frozen=True, eq=False)
class Backgrounds:
    """B images of one size."""

    names: tuple[str, ...]
    """File names."""
    images: NDArray[np.uint8]
    """(B, H, W, 3) uint8 RGB."""


def photos(assets: Path) -> dict[Path, str]:
    """{path: line of credit} of the colour photographs of scikit-image. Raises ArgumentError if the installed version lacks some."""
    folder = Path(str(files("skimage"))) / "data"  # finds the package without importing it
    credited = tomllib.loads((assets / "photos.toml").read_text(encoding="utf-8"))
    missing = [name for name in credited if not (folder / name).is_file()]
    if missing:
        raise ArgumentError("backgrounds", f"the installed scikit-image lacks {', '.join(missing)}; install version 0.22 or later")
    return {folder / name: f"{name}: {c['title']}, by {c['author']} ({c['licence']})" for name, c in credited.items()}


def image_paths(folder: Path) -> list[Path]:
    """The images of a folder, sorted by name. Raises UserError if there are none."""
    if not folder.is_dir():
        raise ArgumentError("backgrounds", f"{folder}: no such folder; use 'painted', 'photos' or a folder of images")
    paths = sorted(files_in(folder, SUFFIXES))
    if not paths:
        raise UserError(f"{folder}: there is no image in it ({', '.join(SUFFIXES)})")
    return paths


def load_backgrounds(paths: list[Path], size: tuple[int, int]) -> Backgrounds:
    """Read images and scale each to `size`, (height, width), with Pillow's Lanczos filter.

    Raises:
        UserError: an image is unreadable or smaller than `size`, or all images together exceed 1 GiB.
    """
    height, width = size
    if len(paths) * height * width * 3 > _MOST_BYTES:
        most = _MOST_BYTES // (height * width * 3)
        raise UserError(f"{paths[0].parent}: {len(paths)} backgrounds; at most {most} of {width} x {height} fit in memory")
    images = np.empty((len(paths), height, width, 3), np.uint8)
    for image_hwc, path in zip(images, paths, strict=True):
        image = Image.fromarray(read_picture(path))
        if image.height < height or image.width < width:
            raise UserError(f"{path}: {image.width} x {image.height} pixels; a background of this world needs {width} x {height} or more")
        image_hwc[:] = np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))
    return Backgrounds(tuple(path.name for path in paths), images)
