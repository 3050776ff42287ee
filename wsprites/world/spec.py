"""The numbers that define a world: frozen dataclasses, checked when they are made, with JSON and TOML. Sizes are (height, width)."""

import dataclasses
import math
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wsprites.errors import ArgumentError, UserError, nearest
from wsprites.fields import Checked, SpecError, build, choice, from_json, number, show, to_json
from wsprites.world.actions import ANIMATIONS, LocalAction, local_actions

CELL = 64
"""Height and width in pixels of the cells of LPC sheets, and of a world that does not scale them; see `WorldSpec.cell`."""

SPLITS = ("train", "val", "test")
"""Names of the splits, in the order of their numbers."""


@dataclass(frozen=True)
class WalkSpec(Checked):
    """The sprite's inertia walk (supplement B, eqs. 1-7): the whole cell stays in the frame."""

    p_inertia: float = number(0.9, 0.0, 1.0)
    """Probability of keeping the previous action."""
    step: int = number(7, 1, 1024)
    """Length of a step in pixels; the last one before an edge may be shorter."""
    policy: float = number(0.0, 0.0, 0.99, added=True)
    """Probability that a newly drawn action is the one that the position determines, a step towards the middle of the frame
    (`kernel.to_middle`), in place of a random one. Below 1, so that every action is seen."""


@dataclass(frozen=True)
class BackgroundSpec(Checked):
    """The inertia walk of the background's crop inside an image that is `limit` pixels larger than the frame."""

    p_inertia: float = number(0.95, 0.0, 1.0)
    """Probability of keeping the previous action."""
    step: int = number(2, 1, 1024)
    """Length of a step in pixels."""
    limit: int = number(25, 0, 1024)
    """Largest motion in x and in y, in pixels; 0 is a background that never moves."""


@dataclass(frozen=True)
class LocalSpec(Checked):
    """How the local action is chosen."""

    coupled: bool = True
    """True: the walk's direction decides it, and standing characters act in bouts (the paper). False: a chain of its own (factorial)."""
    bout_min: int = number(4, 1, 1000)
    bout_max: int = number(8, 1, 1000)
    """Number of frames that a standing character shows one action for, uniform from bout_min to bout_max. Coupled worlds only."""
    p_inertia: float = number(0.9, 0.0, 1.0)
    """Probability of keeping the previous local action. Uncoupled worlds only."""
    policy: float = number(0.0, 0.0, 0.99, added=True)
    """Probability that a newly drawn local action is the one that the position determines (`kernel.at_place`), in place of a random one.
    Uncoupled worlds only."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.bout_min > self.bout_max:
            raise SpecError(f"bout_min = {self.bout_min} is above bout_max = {self.bout_max}")


@dataclass(frozen=True)
class SplitSpec(Checked):
    """Which characters are seen in train, val and test. No character is in two of them."""

    train: float = number(0.8, 0.0, 1.0)
    val: float = number(0.1, 0.0, 1.0)
    test: float = number(0.1, 0.0, 1.0)
    """Shares of the characters, or of the held-out layer's parts; a share above 0 gets at least one. They add up to 1."""
    holdout: str = ""
    """A layer (such as "body") whose parts are each seen in one split only; empty: characters are assigned one by one."""
    seed: int = number(0, 0, 2**63 - 1)
    """Seed of the assignment. Not the data's seed: files of one world with different seeds have the same test characters."""
    scenes: int = number(0, 0, 1_000_000, added=True)
    """Number of backgrounds, the last ones, that only test shows, and test shows no others; 0: all splits show all backgrounds. The art
    "painted" has six more backgrounds in worlds where this is above 0."""

    def __post_init__(self) -> None:
        super().__post_init__()
        total = self.train + self.val + self.test
        if not math.isclose(total, 1.0, abs_tol=1e-9):
            raise SpecError(f"train + val + test = {total:.9g}; the shares must add up to 1")


@dataclass(frozen=True)
class CastSpec(Checked):
    """The characters and backgrounds. `counts` and `backgrounds` are filled in from the art (`WorldSpec.with_cast`)."""

    layers: tuple[str, ...] = ("body", "bottomwear", "topwear", "hair", "shoes")
    """Folders of a character's layers, in the order in which they are composited, the lowest first."""
    counts: tuple[int, ...] = number((6, 6, 6, 6, 1), 1, 100_000)
    """Number of sheets in each layer. A character has one sheet of each; all characters share a layer's only sheet."""
    backgrounds: int = number(7, 1, 1_000_000)
    """Number of background images."""
    most: tuple[int, ...] = number((), 1, 100_000, added=True)
    """The most sheets of each layer that are taken from the art, the first by name; empty: all sheets."""
    faces: int = number(1, 1, 2, added=True)
    """Version of the faces in the sheets "own"; in the second, eyes are higher and nearer to each other. Other sheets have one."""

    def __post_init__(self) -> None:
        super().__post_init__()
        for layer in self.layers:
            if not layer.isprintable() or not layer.strip(". ") or set(layer) & set("/\\") or len(layer) > 100:
                raise SpecError(f"layers = {show(self.layers)}: {show(layer)} cannot be the name of a folder")
        if not self.layers or len(set(self.layers)) != len(self.layers):
            raise SpecError(f"layers = {list(self.layers)} must name at least one layer and none twice")
        if len(self.counts) != len(self.layers):
            raise SpecError(f"counts = {list(self.counts)} must have one number for each of the {len(self.layers)} layers")
        if self.most and len(self.most) != len(self.layers):
            raise SpecError(f"most = {list(self.most)} must have one number for each of the {len(self.layers)} layers, or none")
        if math.prod(self.counts) > 10_000_000:
            raise SpecError(f"counts = {list(self.counts)} make too many characters; at most 10,000,000 are possible")

    @property
    def characters(self) -> int:
        """Number of different characters: the product of the counts."""
        return math.prod(self.counts)

    @property
    def parts(self) -> tuple[str, ...]:
        """The layers in which characters differ: the columns of the `parts` label."""
        return tuple(name for name, count in zip(self.layers, self.counts, strict=True) if count > 1)

    @property
    def part_counts(self) -> tuple[int, ...]:
        """Number of sheets in each of `parts`."""
        return tuple(count for count in self.counts if count > 1)


@dataclass(frozen=True)
class WorldSpec(Checked):
    """A world. With a seed and a clip index it determines every label, and with the art every pixel.

    Raises:
        SpecError: a value has a wrong type or is outside its range, or values contradict one another.

    Example:
        >>> import dataclasses
        >>> dataclasses.replace(PRESETS["paper"], frames=12).sprite_box
        (64, 32)
    """

    name: str = "paper"
    """Name of the world, 1 to 100 printable characters."""
    height: int = number(96, 8, 1024)
    width: int = number(128, 8, 1024)
    """Height and width of a frame in pixels; at least those of a cell."""
    scale: float = number(1.0, 0.125, 1.0, added=True)
    """Size of the characters in relation to their sheets. A cell has 64 x scale pixels, a whole number; sheets are scaled when they are
    loaded. Steps, the background's limit and the frame are given in pixels of the frame, and are not scaled."""
    frames: int = number(90, 1, 10_000)
    """Frames per clip."""
    rule: str = choice("paper", "paper", "released")
    """Rule of all walks. `released` is the distribution of the authors' generator: the candidate never equals the previous action, `stay`
    is kept with probability 0.9 whatever p_inertia is, and boxes end one pixel earlier."""
    facings: int = choice(3, 3, 4)
    """3: front, left, right, as released; 4: back as well."""
    animations: tuple[str, ...] = dataclasses.field(default=ANIMATIONS, metadata={"added": True})
    """The animations that characters show, some of `walk`, `spellcast` and `slash` in any order: for sheets that lack the others. Actions
    keep their numbers. A coupled world needs `walk` and one of the others, for a character that stands."""
    shadow: int = number(0, 0, 255, added=True)
    """Opacity of the shadow on the ground under the character, in its middle; 0: there is none (`render.shadow`). It darkens the scene, and
    belongs to no mask."""
    sprite: WalkSpec = WalkSpec()
    """Walk of the sprite."""
    background: BackgroundSpec = BackgroundSpec()
    """Walk of the background's crop."""
    local: LocalSpec = LocalSpec()
    """Choice of the local action."""
    split: SplitSpec = SplitSpec()
    """Assignment of characters to splits."""
    cast: CastSpec = CastSpec()
    """Characters and backgrounds."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.name.isprintable() or not self.name.strip() or len(self.name) > 100:
            raise SpecError(f"name = {show(self.name)} must be 1 to 100 printable characters")
        if self.cell != CELL * self.scale:
            raise SpecError(f"scale = {self.scale:g} gives cells of {CELL * self.scale:g} pixels; it must be a multiple of 1/{CELL}")
        for name in ("height", "width"):
            if getattr(self, name) < self.cell:
                size = f"{self.cell} x {self.cell} pixels (scale = {self.scale:g})"
                raise SpecError(f"{name} = {getattr(self, name)} is below {self.cell}: a character's cell has {size} and must fit in")
        self._check_animations()
        if self.split.holdout:
            if self.split.holdout not in self.cast.layers:
                raise SpecError(f"split.holdout = {self.split.holdout!r} is not a layer ({', '.join(self.cast.layers)})")
            count = self.cast.counts[self.cast.layers.index(self.split.holdout)]
            if count < sum(share > 0 for share in (self.split.train, self.split.val, self.split.test)):
                raise SpecError(f"split.holdout = {self.split.holdout!r} has only {count} parts, fewer than there are splits")

    def _check_animations(self) -> None:
        given, choices = f"animations = {show(self.animations)}", ", ".join(ANIMATIONS)
        if not self.animations:
            raise SpecError(f"{given} must name at least one of {choices}")
        for animation in self.animations:
            if animation not in ANIMATIONS:
                raise SpecError(f"{given}: {show(animation)} is not one of {choices}")
        if len(set(self.animations)) != len(self.animations):
            raise SpecError(f"{given} must name no animation twice")
        if self.local.coupled:
            if "walk" not in self.animations:
                raise SpecError(f"{given}: a character that moves has nothing to show; add walk, or set local.coupled = false")
            if len(self.animations) == 1:
                raise SpecError(
                    f"{given}: a character that stands has nothing to show; add spellcast or slash, or set local.coupled = false"
                )

    def with_cast(self, layers: tuple[str, ...], counts: tuple[int, ...], backgrounds: int) -> "WorldSpec":
        """This world with the layers, the sheets in each layer and the number of backgrounds of a loaded art.

        Raises:
            SpecError: `split.scenes` leaves no background for train and val.
        """
        if self.split.scenes >= max(backgrounds, 1):
            raise SpecError(f"split.scenes = {self.split.scenes}: the art has {backgrounds} backgrounds, and train and val need one")
        return dataclasses.replace(self, cast=dataclasses.replace(self.cast, layers=layers, counts=counts, backgrounds=backgrounds))

    def scenes(self, split: str) -> range:
        """The numbers of the backgrounds that clips of a split show."""
        held_out = min(self.split.scenes, self.cast.backgrounds - 1)  # a file of strangers may say anything
        known = self.cast.backgrounds - held_out
        return range(known, self.cast.backgrounds) if held_out and split == "test" else range(known)

    @property
    def local_actions(self) -> tuple[LocalAction, ...]:
        """The local actions that characters show, in the order of their numbers."""
        return local_actions(self.facings, animations=self.animations)

    @property
    def cell(self) -> int:
        """Height and width in pixels of the cell that a character is drawn in."""
        return round(CELL * self.scale)

    @property
    def sprite_box(self) -> tuple[int, int]:
        """Largest x and y, inclusive, of the cell's top-left corner."""
        return self._box(self.width - self.cell, self.height - self.cell)

    @property
    def background_box(self) -> tuple[int, int]:
        """Largest x and y, inclusive, of the crop's offset in the background image."""
        return self._box(self.background.limit, self.background.limit)

    def _box(self, x: int, y: int) -> tuple[int, int]:
        return (x, y) if self.rule == "paper" else (max(x - 1, 0), max(y - 1, 0))

    @property
    def background_size(self) -> tuple[int, int]:
        """(height, width) that every background image is scaled to."""
        return self.height + self.background.limit, self.width + self.background.limit

    def to_json(self) -> str:
        """The whole world as JSON; `from_json` reads it."""
        return to_json(self)

    @staticmethod
    def from_json(text: str) -> "WorldSpec":
        """The world that `to_json` wrote; missing fields have the paper's values. Raises SpecError for anything else."""
        return from_json(WorldSpec(), text)


def _axis(name: str, **changes: Any) -> WorldSpec:
    return dataclasses.replace(_FACTORIAL, name=f"axes-{name}", **changes)


_FACTORIAL = WorldSpec(name="factorial", local=LocalSpec(coupled=False))
PRESETS = {
    "paper": WorldSpec(name="paper"),
    "released": WorldSpec(name="released", rule="released"),
    "factorial": _FACTORIAL,
    "small-world": WorldSpec(
        name="small-world", height=48, width=64, scale=0.5, sprite=WalkSpec(step=4), background=BackgroundSpec(step=1, limit=12)
    ),
    "shadow-world": WorldSpec(name="shadow-world", shadow=110, cast=CastSpec(faces=2)),
}
"""Worlds by name. `paper`: supplement B. `released`: the distribution of the authors' generator. `factorial`: three independent chains.
`small-world`: the paper's world at half its size. `shadow-world`: the paper's world with a shadow under the character, and newer faces.
`axes-...`: `factorial` with one thing changed, see AXES."""

AXES = {
    "still": _axis("still", background=BackgroundSpec(limit=0)),
    "moving": _axis("moving", background=BackgroundSpec(step=8, limit=100)),
    "no-inertia": _axis(
        "no-inertia",
        sprite=WalkSpec(p_inertia=0.0),
        background=BackgroundSpec(p_inertia=0.0),
        local=LocalSpec(coupled=False, p_inertia=0.0),
    ),
    "position": _axis("position", sprite=WalkSpec(policy=0.9), local=LocalSpec(coupled=False, policy=0.9)),
    "one-character": _axis("one-character", cast=CastSpec(counts=(3, 1, 1, 1, 1), most=(3, 1, 1, 1, 1))),
    "new-scenes": _axis("new-scenes", split=SplitSpec(scenes=6)),
}
"""The world `factorial` with one thing changed each. `still`: the scene never moves. `moving`: it moves four times as far, in longer steps
than the sprite. `no-inertia`: every action is drawn anew in every frame. `position`: actions follow the position.
`one-character`: train, val and test show one character each. `new-scenes`: test shows backgrounds that train and val never show."""
PRESETS |= {spec.name: spec for spec in AXES.values()}


def load_spec(world: str) -> WorldSpec:
    """The preset of that name, or the world of a TOML file.

    Keys of the file are fields of WorldSpec, tables are its nested dataclasses; `preset` names the preset that they change.

    Raises:
        ArgumentError: `world` is neither a preset nor a readable file.
        UserError: the file is not TOML, has an unknown key, or a value that is not possible.
    """
    if world in PRESETS:
        return PRESETS[world]
    path = Path(world)
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except UnicodeDecodeError:
        raise UserError(f"{path}: not a text file; a world is a TOML file") from None
    except (ValueError, RecursionError) as error:
        raise UserError(f"{path}: not TOML: {error}") from None
    except OSError as error:
        presets = ", ".join(PRESETS)
        raise ArgumentError(
            "world", f"{world!r} is neither a preset ({presets}) nor a readable TOML file ({error.strerror}){nearest(world, PRESETS)}"
        ) from None
    preset = values.pop("preset", "paper")
    if not isinstance(preset, str) or preset not in PRESETS:
        near = nearest(preset, PRESETS) if isinstance(preset, str) else ""
        raise UserError(f"{path}: preset = {preset!r} is not one of {', '.join(PRESETS)}{near}")
    values.setdefault("name", path.stem[:100])
    cast = values.get("cast")
    if isinstance(cast, dict):
        for key in cast.keys() & {"counts", "backgrounds"}:
            raise UserError(f"{path}: cast.{key} is counted in the art, and cannot be set")
    if isinstance(cast, dict) and isinstance(cast.get("layers"), list):
        cast.setdefault("counts", [6] * len(cast["layers"]))  # until the art says how many there are
    try:
        return build(PRESETS[preset], values)
    except SpecError as error:
        raise UserError(f"{path}: {error}") from None
