"""The look of a world: characters in layers, backgrounds and their credits; and `World`, a specification with its art."""

import dataclasses
import hashlib
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from wsprites.art.backgrounds import Backgrounds, image_paths, load_backgrounds, photos
from wsprites.art.characters import Characters
from wsprites.art.complete import complete
from wsprites.art.credits import Credits, sheet_credits
from wsprites.art.fetch import fetched
from wsprites.art.layouts import LeftOut, SheetFiles, credit_folders, find_sheets
from wsprites.art.sheets import Picture
from wsprites.errors import ArgumentError, UserError
from wsprites.world.spec import PRESETS, WorldSpec, load_spec
from wsprites.world.unseen import is_motionless, remarks

__all__ = ["ASSETS", "Art", "World", "load_art", "load_world", "sheets_folder"]

_LOG = logging.getLogger("wsprites.art")

_FACES_OF = "body"
"""The layer that faces are drawn on."""

_PACKAGE = Path(__file__).parents[1]
ASSETS = next(folder for folder in (_PACKAGE / "assets", _PACKAGE.parent / "assets") if folder.is_dir())
"""The folder `assets/`: inside an installed package, beside the package in a checkout."""


@dataclass(frozen=True, eq=False)
class Art:
    """The art that a script is rendered with."""

    characters: Characters
    """Sheets of all layers."""
    backgrounds: Backgrounds
    """Background images."""
    credits: Credits
    """Licence and authors."""

    @cached_property
    def sha256(self) -> str:
        """SHA-256 of all pixels and names, in the order of their numbers: equal hashes render the same pixels."""
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
        """The world of a specification, with the cast that this art has: its layers, and how many sheets and backgrounds there are."""
        return World(spec.with_cast(self.characters.layers, self.characters.counts, len(self.backgrounds.names)), self)


@dataclass(frozen=True, eq=False)
class World:
    """A specification and the art that it was checked against: with a seed and a clip index, they determine all labels and pixels.

    `load_world` and `Art.world` make one with the cast filled in from the art.

    Args:
        spec: the numbers of the world.
        art: the art; `spec.cast` has to describe it.

    Raises:
        ValueError: `spec.cast` is not the cast of `art`, the sheets were loaded for another `spec.scale`, or the backgrounds are too small
            for the frame and the scene's motion.
    """

    spec: WorldSpec
    """Numbers of the world."""
    art: Art
    """What it looks like."""

    def __post_init__(self) -> None:
        cast, characters, backgrounds = self.spec.cast, self.art.characters, self.art.backgrounds
        expected = (characters.layers, characters.counts, len(backgrounds.names))
        if (cast.layers, cast.counts, cast.backgrounds) != expected:
            raise ValueError(
                f"spec.cast has layers {cast.layers}, counts {cast.counts} and {cast.backgrounds} backgrounds, but the art has "
                f"{expected[0]}, {expected[1]} and {expected[2]}; use art.world(spec), which fills in the cast"
            )
        if characters.cell != self.spec.cell:
            raise ValueError(
                f"spec.scale = {self.spec.scale:g} needs cells of {self.spec.cell} pixels, but the art was loaded with {characters.cell}; "
                "use load_world, which scales the sheets"
            )
        size, needed = backgrounds.images.shape[1:3], self.spec.background_size
        if size[0] < needed[0] or size[1] < needed[1]:
            raise ValueError(f"backgrounds of {size} pixels are too small for spec: (height, width) must be at least {needed}")

    def replace(self, **changes: Any) -> "World":
        """The same world with other values for some fields of `spec`, such as `frames=30`.

        Raises:
            SpecError: a value is not possible.
            ArgumentError: `animations` has some that this world leaves out, for which its sheets were not checked.
            UserError: the sprite cannot move in any direction.
            ValueError: the art does not fit the new values.
        """
        spec = dataclasses.replace(self.spec, **changes)
        if more := [animation for animation in spec.animations if animation not in self.spec.animations]:
            raise ArgumentError("animations", f"the sheets were not checked for {' and '.join(more)}; use load_world, which does")
        _report_motion(spec, known=remarks(self.spec))
        return World(spec, self.art)


def sheets_folder(sheets: str | Path) -> Path:
    """The folder of "own" sheets, of the fetched "lpc" ones, or the given folder.

    Raises:
        ArgumentError: `sheets` is empty, or "lpc" where the real sheets have not been fetched.
    """
    if not str(sheets):
        raise ArgumentError("sheets", "empty; use 'own', 'lpc' or a folder of LPC sheets")
    if sheets == "own":
        return ASSETS / "characters"
    return fetched(ASSETS) if sheets == "lpc" else Path(sheets)


def load_art(spec: WorldSpec, sheets: str | Path = "own", backgrounds: str | Path = "painted", *, skip_incomplete: bool = False) -> Art:
    """Load the art for a world. What a folder holds and the world does not use is logged as a warning, counted by reason.

    Args:
        spec: the world; its layers, their order, its scale and the size of its backgrounds are used.
        sheets: "own", the project's own sheets; "lpc", the fetched real ones; or a folder of LPC sheets, with a sub-folder for each
            layer, with whole characters directly in it, or one character as the Universal LPC generator exports it (`art.layouts`).
        backgrounds: "painted", the project's own, with six more where `split.scenes` is above 0; "photos", the colour photographs of
            scikit-image; or a folder of images.
        skip_incomplete: leave out sheets that lack an animation, and log how many, in place of an error.

    Raises:
        ArgumentError: `sheets` is no such folder, or has whole characters where `spec.cast.most` counts sheets of several layers.
        UserError: a file is missing, unreadable or has a wrong size, or a sheet lacks an animation; the message names it.
    """
    folder, left_out = sheets_folder(sheets), LeftOut("sheets")
    files = find_sheets(folder, spec.cast.layers, left_out)
    if spec.cast.faces > 1:
        files = _with_faces(files, own=sheets == "own")
    if spec.cast.most and len(files) != len(spec.cast.most):
        wanted = f"cast.most of the world '{spec.name}' counts the sheets of {', '.join(spec.cast.layers)}"
        raise ArgumentError("sheets", f"{folder}: whole characters, but {wanted}; use a folder of these, or a world without it")
    given = Characters.from_files(files, cell=spec.cell)
    if spec.cast.most:
        given = given.only([range(min(most, count)) for most, count in zip(spec.cast.most, given.counts, strict=True)])
    characters = complete(given, spec.facings, folder, animations=spec.animations, skip_incomplete=skip_incomplete)
    found = [sheet for layer in files.values() for sheet in layer]
    credits = sheet_credits(credit_folders(folder, found), [picture.path for sheet in found for picture in sheet.pictures], ASSETS)
    left_out.report()
    if backgrounds == "painted":
        images = image_paths(ASSETS / "backgrounds")
        if spec.split.scenes:
            images += image_paths(ASSETS / "backgrounds" / "new")
        lines = f"{len(images)} pictures by the wsprites authors (CC0 1.0)"
    elif backgrounds == "photos":
        credited = photos(ASSETS)
        images, lines = list(credited), "\n".join(credited.values())
    else:
        if not str(backgrounds):
            raise ArgumentError("backgrounds", "empty; use 'painted', 'photos' or a folder of images")
        images, others = image_paths(Path(backgrounds)), LeftOut("backgrounds")
        for path in sorted(Path(backgrounds).iterdir()):
            if path not in images and not path.name.startswith("."):
                others.add("folders and files that are not images", path.name)
        others.report()
        lines = f"{len(images)} images of the user's own"
        if credits.licence != "unknown":
            credits = dataclasses.replace(credits, licence=f"{credits.licence} (characters), unknown (backgrounds)")
    text = f"Characters\n{credits.attribution}\n\nBackgrounds\n{lines}"
    return Art(characters, load_backgrounds(images, spec.background_size), Credits(credits.licence, text))


def _with_faces(files: dict[str, list[SheetFiles]], *, own: bool) -> dict[str, list[SheetFiles]]:
    """The files of the project's own sheets, with the second version of the faces drawn on the bodies; others as they are."""
    if not own:
        _LOG.warning("cast.faces: only the project's own sheets have a second version of the faces; these sheets keep theirs")
        return files
    bodies = [body._replace(pictures=(*body.pictures, Picture(ASSETS / "faces" / f"{body.name}.png"))) for body in files.get(_FACES_OF, ())]
    return {layer: bodies if layer == _FACES_OF else sheets for layer, sheets in files.items()}


def load_world(
    world: "str | os.PathLike[str] | WorldSpec | World" = "paper",
    sheets: str | Path = "own",
    backgrounds: str | Path = "painted",
    *,
    skip_incomplete: bool = False,
    animations: Sequence[str] = (),
) -> World:
    """A world with its art, ready to be generated, rendered or streamed.

    Actions that the world can never show, and steps that it always cuts short, are logged as warnings (`world.unseen.remarks`).

    Args:
        world: the name of a preset ("paper", "factorial", ..., see `world.spec.PRESETS`), the path of a TOML file, a specification, or a
            World, which is returned as it is.
        sheets, backgrounds, skip_incomplete: the art, as for `load_art`; ignored for a World.
        animations: the animations that characters show, in place of the world's (`WorldSpec.animations`); none: the world's.

    Raises:
        UserError: there is no such preset or file, it has a value that is not possible, the sprite cannot move in any direction, or the
            art cannot be used.

    Example:
        >>> load_world("factorial").spec.cast.backgrounds
        13
    """
    if isinstance(world, World):
        return world.replace(animations=tuple(animations)) if animations else world
    spec = load_spec(os.fspath(world)) if isinstance(world, str | os.PathLike) else world
    if not isinstance(spec, WorldSpec):
        raise ArgumentError("world", f"a {type(spec).__name__}, not the name of a preset, a TOML file, a WorldSpec or a World")
    spec = dataclasses.replace(spec, animations=tuple(animations)) if animations else spec
    _report_motion(spec, known=remarks(spec) if world in PRESETS else ())
    return load_art(spec, sheets, backgrounds, skip_incomplete=skip_incomplete).world(spec)


def _report_motion(spec: WorldSpec, known: Sequence[str] = ()) -> None:
    """Log what keeps actions of a world from being seen, but for what is known. Raises UserError if the sprite cannot move."""
    for line in remarks(spec):
        if is_motionless(spec) and line not in known:
            raise UserError(f"world '{spec.name}': {line}")
        if line not in known:
            _LOG.warning("world '%s': %s", spec.name, line)
