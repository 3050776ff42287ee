"""An independent renderer: Pillow, one frame at a time, from the PNG files. Its tables are written from the facts, not imported."""

from fractions import Fraction
from functools import lru_cache
from pathlib import Path

from PIL import Image

ROWS = {"spellcast": 0, "walk": 8, "slash": 12}
FACINGS = ["back", "left", "front", "right"]
COLUMNS = {"walk": [8, 1, 2, 3, 4, 5, 6, 7], "spellcast": [0, 1, 2, 3, 4, 5, 4, 6], "slash": [0, 1, 2, 3, 4, 5, 4, 0]}
LOCAL = [f"{animation}_{facing}" for animation in ("walk", "spellcast", "slash") for facing in ("front", "left", "right")]
LOCAL += ["walk_back", "spellcast_back", "slash_back"]


def character_cell(sheets: list[Path], local_action: int, cycle: int) -> Image.Image:
    """The 64 x 64 RGBA cell of a character made of sheets, the lowest first."""
    animation, facing = LOCAL[local_action].split("_")
    x, y = 64 * COLUMNS[animation][cycle], 64 * (ROWS[animation] + FACINGS.index(facing))
    cell = Image.new("RGBA", (64, 64))
    for path in sheets:
        cell = Image.alpha_composite(cell, _sheet(path).crop((x, y, x + 64, y + 64)))
    return cell


@lru_cache
def _sheet(path: Path) -> Image.Image:
    with Image.open(path) as image:
        return image.convert("RGBA")


def shadow(opacity: int, side: int) -> Image.Image:
    """The RGBA cell of a shadow, `side` pixels high and wide: an ellipse of 30 x 10 px around (32, 59) in a cell of 64 x 64 px."""
    half, picture = Fraction(1, 2), Image.new("RGBA", (side, side))
    for y in range(side):
        for x in range(side):
            u, v = (x + half) * 64 / side, (y + half) * 64 / side
            square = ((u - 32) / 15) ** 2 + ((v - 59) / 5) ** 2
            picture.putpixel((x, y), (0, 0, 0, int(max(opacity * (1 - square**2), 0))))
    return picture


def frame(
    cell: Image.Image,
    position: tuple[int, int],
    scene: Image.Image,
    offset: tuple[int, int],
    size: tuple[int, int],
    ground: Image.Image | None = None,
) -> Image.Image:
    """The RGB frame: the scene's crop at an offset, and on it at a position the shadow on the ground and the cell.

    `size` is (width, height).
    """
    u, v = offset
    picture = scene.crop((u, v, u + size[0], v + size[1])).convert("RGBA")
    if ground:
        under = Image.new("RGBA", size)
        under.paste(ground, position)
        picture = Image.alpha_composite(picture, under)
    layer = Image.new("RGBA", size)
    layer.paste(cell, position)
    return Image.alpha_composite(picture, layer).convert("RGB")


def mask(cell: Image.Image, position: tuple[int, int], size: tuple[int, int]) -> Image.Image:
    """The mode-1 mask: where the cell's alpha is 128 or more."""
    picture = Image.new("1", size)
    picture.paste(cell.getchannel("A").point(lambda alpha: 255 * (alpha >= 128)).convert("1"), position)
    return picture
