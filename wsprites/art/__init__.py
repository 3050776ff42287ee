"""What things look like: characters in layers, backgrounds, and who drew them; and `World`, a specification with its art."""

import dataclasses
import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wsprites.art.backgrounds import Backgrounds, image_paths, load_backgrounds, photos
from wsprites.art.characters import Characters, ignored_folders, sheet_paths
from wsprites.art.credits import Credits, sheet_credits
from wsprites.art.fetch import fetched
from wsprites.errors import UserError
from wsprites.world.spec import WorldSpec, load_spec

__all__ = ["ASSETS", "Art", "World", "ignored_folders", "load_art", "load_world", "sheets_folder"]

_PACKAGE = Path(__file__).parents[1]
ASSETS = next(folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir())
"""The folder `assets/`: inside the package where it is installed, beside it in a checkout."""


@dataclass(frozen=True, eq=False)
class Art:
    """Everything that a script needs to become pixels."""

    characters: Characters
    backgrounds: Backgrounds
    credits: Credits

    @cached_property
    def sha256(self) -> str:
        """Of every pixel and name, in the order of their numbers: two arts with one hash render the same."""
        digest = hashlib.sha256()
        for number, (layer, names) in enumerate(zip(self.characters.layers, self.characters.names, strict=True)):
            for sheet, name in enumerate(names):
                digest.update(f"{layer}/{name}\0".encode())
                digest.update(self.characters.cells(number, sheet).data)
        digest.update(repr(self.backgrounds.images.shape).encode())
        for name in self.backgrounds.names:
            digest.update(f"{name}\0".encode())
        digest.update(self.backgrounds.images.data)
        return digest.hexdigest()

    def world(self, spec: WorldSpec) -> "World":
        """The world of a specification, whose cast is replaced by this art's layers and numbers of sheets and backgrounds."""
        return World(spec.with_cast(self.characters.layers, self.characters.counts, len(self.backgrounds.names)), self)


@dataclass(frozen=True, eq=False)
class World:
    """A specification and the art that it was checked against: everything that decides about labels and pixels but seed and clip index.

    `load_world` and `Art.world` make one with the cast filled in from the art.

    Raises:
        ValueError: `spec.cast` is not the cast of `art`, or the backgrounds are too small for the frame and the scene's motion.
    """

    spec: WorldSpec
    art: Art

    def __post_init__(self) -> None:
        cast, characters, backgrounds = self.spec.cast, self.art.characters, self.art.backgrounds
        expected = (characters.layers, characters.counts, len(backgrounds.names))
        if (cast.layers, cast.counts, cast.backgrounds) != expected:
            raise ValueError(
                f"spec.cast has layers {cast.layers}, counts {cast.counts} and {cast.backgrounds} backgrounds, but the art has "
                f"{expected[0]}, {expected[1]} and {expected[2]}; use art.world(spec), which fills in the cast"
            )
        size, needed = backgrounds.images.shape[1:3], self.spec.background_size
        if size[0] < needed[0] or size[1] < needed[1]:
            raise ValueError(f"backgrounds of {size} pixels are too small for spec: (height, width) must be at least {needed}")

    def replace(self, **changes: Any) -> "World":
        """The same world with other values for some fields of `spec`, such as `frames=30`."""
        return World(dataclasses.replace(self.spec, **changes), self.art)


def sheets_folder(sheets: str | Path) -> Path:
    """The folder that `--sheets` means. Raises UserError for "lpc" where the real sheets were not fetched."""
    if not str(sheets):
        raise UserError("--sheets is empty; it wants 'own', 'lpc' or a folder of LPC sheets")
    if sheets == "own":
        return ASSETS / "characters"
    return fetched(ASSETS) if sheets == "lpc" else Path(sheets)


def load_art(spec: WorldSpec, sheets: str | Path = "own", backgrounds: str | Path = "painted") -> Art:
    """The art for a world.

    Args:
        spec: says which layers make a character, in which order, and how large a background must be.
        sheets: "own", the project's own; "lpc", the fetched real ones; or a folder of LPC sheets, a sub-folder for each layer, or whole
            characters directly in it.
        backgrounds: "painted", the project's own; "photos", the colour photographs of scikit-image; or a folder of images.

    Raises:
        UserError: something is missing, unreadable or of a wrong size; the message names it.
    """
    folder = sheets_folder(sheets)
    paths = sheet_paths(folder, spec.cast.layers)
    characters = Characters.from_folder(folder, spec.cast.layers)
    credits = sheet_credits(folder, [path for layer in paths.values() for path in layer], ASSETS)
    if backgrounds == "painted":
        images = image_paths(ASSETS / "backgrounds")
        lines = f"{len(images)} pictures by the wsprites authors (CC0 1.0)"
    elif backgrounds == "photos":
        credited = photos(ASSETS)
        images, lines = list(credited), "\n".join(credited.values())
    else:
        if not str(backgrounds):
            raise UserError("--backgrounds is empty; it wants 'painted', 'photos' or a folder of images")
        images = image_paths(Path(backgrounds))
        lines = f"{len(images)} images of the user's own"
    text = f"Characters\n{credits.attribution}\n\nBackgrounds\n{lines}"
    return Art(characters, load_backgrounds(images, spec.background_size), Credits(credits.licence, text))


def load_world(world: "str | WorldSpec | World" = "paper", sheets: str | Path = "own", backgrounds: str | Path = "painted") -> World:
    """A world with its art, ready to be generated, rendered or streamed.

    Args:
        world: the name of a preset ("paper", "released", "factorial"), the path of a TOML file, a specification, or a World, which is
            returned as it is.
        sheets, backgrounds: the art, as for `load_art`; not used with a World.

    Raises:
        UserError: no such preset or file, a value that is not possible, or art that cannot be used.

    Example:
        >>> load_world("factorial").spec.cast.backgrounds
        13
    """
    if isinstance(world, World):
        return world
    spec = load_spec(world) if isinstance(world, str) else world
    return load_art(spec, sheets, backgrounds).world(spec)
