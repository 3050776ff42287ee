"""From a script and art to frames and masks. No random number is drawn. Axis suffixes: n frames, t frames of a clip, h, w, c = RGB."""

from collections.abc import Callable
from functools import cache
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.art.sheets import CELL_OF
from wsprites.render.shadow import shadow_pixels
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

Background = Literal["moving", "frozen", "blank"]
"""What is seen behind the sprite: the crop of every frame, that of the first frame, or black."""


class Clip(NamedTuple):
    """The pixels of a clip, or of many with a leading axis."""

    frames_thwc: NDArray[np.uint8]
    """(T, H, W, 3) RGB."""
    masks_thw: NDArray[np.bool_]
    """(T, H, W) True where the sprite's alpha is 128 or more."""

    def __repr__(self) -> str:
        return f"<Clip: frames {self.frames_thwc.shape} {self.frames_thwc.dtype}, masks {self.masks_thw.shape} {self.masks_thw.dtype}>"


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
    alpha a, colour c and background b, in integers, (a c + (255 - a) b) / 255, rounded half up. Between the two lies the shadow of
    `render.shadow`, black, where the world has one.

    Args:
        world: the world that the script was written for.
        script: (T,) labels of one clip, or (N, T) of many.
        sprite: False leaves the character and its shadow out; the mask is then empty.
        background: "frozen" keeps the first frame's crop, "blank" is black. Both leave the sprite unchanged.
        out: memory of `empty`, or some of its frames, to be written to and returned; new memory takes as long as rendering.

    Returns:
        (T, H, W, 3) uint8 frames and (T, H, W) bool masks; (N, T, ...) of many clips.

    Raises:
        IndexError: a position or crop is out of bounds, or the character or background does not exist; then nothing has been drawn.

    Example:
        >>> from wsprites.art import load_world
        >>> from wsprites.world.script import script
        >>> world = load_world("factorial")
        >>> clip = render(world, script(world.spec, seed=0, index=7))
        >>> clip.frames_thwc.shape, clip.masks_thw.shape
        ((90, 96, 128, 3), (90, 96, 128))
    """
    spec, characters, images = world.spec, world.art.characters, world.art.backgrounds.images
    clip = out or empty(spec, *script.position.shape[:-1])
    # What is behind the sprite.
    scene, offset = np.asarray(script.background), script.background_offset
    if background == "frozen":
        offset = np.broadcast_to(offset[..., :1, :], offset.shape)
    elif background == "blank":
        images, scene, offset = np.zeros((1, spec.height, spec.width, 3), np.uint8), np.zeros_like(scene), np.zeros_like(offset)
    cell = CELL_OF[script.local_action, script.animation_frame] if sprite else np.full(script.local_action.shape, -1)
    # All clips as one row of frames.
    size = clip.masks_thw.shape[-2:]
    frames_nhwc, masks_nhw = clip.frames_thwc.reshape(-1, *size, 3), clip.masks_thw.view(np.uint8).reshape(-1, *size)
    offset_n2, position_n2 = (np.ascontiguousarray(points).reshape(-1, 2) for points in (offset, script.position))
    scene_b, character_b = scene.reshape(-1), np.asarray(script.character).reshape(-1)
    points = (offset_n2, position_n2, cell.reshape(-1), scene_b, character_b)
    if not _draw()(frames_nhwc, masks_nhw, images, *points, characters.boxes, tuple(characters.spans), shadow_pixels(spec)):
        raise IndexError("a position or crop is out of bounds, or the character or background does not exist")
    return clip


@cache
def _draw() -> Callable[..., bool]:
    """`kernel.draw`, imported when it is first needed: numba takes long to import, and reading stored pixels does without."""
    from wsprites.render.kernel import draw

    return draw


def empty(spec: WorldSpec, *frames: int) -> Clip:
    """Memory for (T,) or (N, T) frames and masks, with arbitrary contents."""
    size = (*frames, spec.height, spec.width)
    return Clip(np.empty((*size, 3), np.uint8), np.empty(size, bool))
