"""Script + art -> frames and masks. Draws no random number. Axis suffixes: t frames, h rows, w columns, c = RGB."""

from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.art.sheets import CELL_OF
from wsprites.render import kernel
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

Background = Literal["moving", "frozen", "blank"]


class Clip(NamedTuple):
    """The pixels of a clip, or of many with a leading axis."""

    frames_thwc: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    masks_thw: NDArray[np.bool_]
    """(T, H, W): True where the sprite's alpha is 128 or more."""


def render(
    world: World,
    script: Script,
    *,
    sprite: bool = True,
    background: Background = "moving",
    out: Clip | None = None,
) -> Clip:
    """Render a script of one clip or of many, or windows of them.

    A frame is the background's crop at the script's offset, and on it the sprite's pixels at the script's position: with straight
    alpha a, colour c and background b, in integers, (a c + (255 - a) b) / 255, rounded half up.

    Args:
        world: what the script was written in, and what it shows.
        script: (T,) labels of one clip, or (N, T) of many.
        sprite: False leaves the character out; the mask is then empty.
        background: "frozen" keeps the first frame's crop, "blank" is black. Both leave the sprite as it is: twins of the same script.
        out: memory of `empty`, or a stretch of its frames, to be written to and returned; new memory costs as much time as rendering.

    Raises:
        IndexError: a position or crop is out of bounds, or the character or background does not exist; then nothing has been drawn.
    """
    spec, art = world.spec, world.art
    clip = out or empty(spec, *script.position.shape[:-1])
    images, scene, offset, position = art.backgrounds.images, np.asarray(script.background), script.background_offset, script.position
    if background == "frozen":
        offset = np.broadcast_to(offset[..., :1, :], offset.shape)
    elif background == "blank":
        images, scene = np.zeros((1, spec.height, spec.width, 3), np.uint8), np.zeros_like(scene)
        offset = np.zeros_like(offset)
    cell = CELL_OF[script.local_action, script.animation_frame]
    if not sprite:
        cell = np.full_like(cell, -1)
    character = np.asarray(script.character)
    size, characters = clip.masks_thw.shape[-2:], art.characters
    pixels = clip.frames_thwc.reshape(-1, *size, 3), clip.masks_thw.view(np.uint8).reshape(-1, *size)
    offset_n2, position_n2 = (np.ascontiguousarray(points).reshape(-1, 2) for points in (offset, position))
    of_clips = scene.reshape(-1), character.reshape(-1)
    if not kernel.draw(*pixels, images, offset_n2, position_n2, cell.reshape(-1), *of_clips, characters.boxes, tuple(characters.spans)):
        raise IndexError("a position or crop is out of bounds, or the character or background does not exist")
    return clip


def empty(spec: WorldSpec, *frames: int) -> Clip:
    """Memory for (T,) or (N, T) frames, not yet written to."""
    size = (*frames, spec.height, spec.width)
    return Clip(np.empty((*size, 3), np.uint8), np.empty(size, bool))
