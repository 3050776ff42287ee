"""Script + art -> frames and masks. Draws no random number. Axis suffixes: t frames, h rows, w columns, c = RGB."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.characters import Figure, Soft
from wsprites.art.sheets import CELL_OF
from wsprites.render.compiled import compiled
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
    spec: WorldSpec,
    script: Script,
    art: Art,
    *,
    sprite: bool = True,
    background: Background = "moving",
    out: Clip | None = None,
    figures: Sequence[Figure] = (),
) -> Clip:
    """Render a script of one clip or of many, or windows of them.

    A frame is the background's crop at the script's offset, and on it the sprite's pixels at the script's position: with straight
    alpha a, colour c and background b, in integers, (a c + (255 - a) b) / 255, rounded half up.

    Args:
        spec: the world that the script was written in; gives the frame's size.
        script: (T,) labels of one clip, or (N, T) of many.
        art: what it shows.
        sprite: False leaves the character out; the mask is then empty.
        background: "frozen" keeps the first frame's crop, "blank" is black. Both leave the sprite as it is: twins of the same script.
        out: memory of `empty`, or a stretch of its frames, to be written to and returned; new memory costs as much time as rendering.
        figures: likewise, a figure of `art.characters` for each clip, to dress; compiled code needs none.

    Raises:
        IndexError, ValueError or cv2.error: something in the script lies outside of the world; the compiled code then has drawn nothing.
    """
    clip = out or empty(spec, *script.position.shape[:-1])
    images, scene, offset, position = art.backgrounds.images, np.asarray(script.background), script.background_offset, script.position
    if background == "frozen":
        offset = np.broadcast_to(offset[..., :1, :], offset.shape)
    elif background == "blank":
        images, scene = np.zeros((1, spec.height, spec.width, 3), np.uint8), np.zeros_like(scene)
        offset = np.zeros_like(offset)
    if figures and len(figures) != scene.size:
        raise ValueError(f"{len(figures)} figures for {scene.size} clips")
    cell = CELL_OF[script.local_action, script.animation_frame]
    if not sprite:
        cell = np.full_like(cell, -1)
    character = np.asarray(script.character)
    if kernel := compiled():
        size, characters = clip.masks_thw.shape[-2:], art.characters
        pixels = clip.frames_thwc.reshape(-1, *size, 3), clip.masks_thw.view(np.uint8).reshape(-1, *size)
        points = (np.ascontiguousarray(points).reshape(-1, 2) for points in (offset, position))
        of_clips = scene.reshape(-1), character.reshape(-1)
        if not kernel.draw(*pixels, images, *points, cell.reshape(-1), *of_clips, characters.boxes, tuple(characters.spans)):
            raise IndexError("the script leaves the background or the frame, or shows what there is not")
        return clip
    figures = figures or [Figure(art.characters)] * scene.size
    for n, figure in zip(np.ndindex(scene.shape), figures, strict=True):
        figure.dress(int(character[n]))
        _draw(Clip(clip.frames_thwc[n], clip.masks_thw[n]), images[scene[n]], offset[n], position[n], cell[n], figure)
    return clip


def _draw(
    clip: Clip,
    image: NDArray[np.uint8],
    offset_t2: NDArray[np.int16],
    position_t2: NDArray[np.int16],
    cell_t: NDArray[np.int64],
    figure: Figure,
) -> None:
    frames_thwc, masks_thw = clip
    _, height, width = masks_thw.shape
    masks_thw.fill(False)
    # Rows of bytes: copying them is faster than copying pixels, and OpenCV's masked copy is twice as fast with one channel.
    rows_thw, solid_thw = frames_thwc.reshape(len(frames_thwc), height, -1), masks_thw.view(np.uint8)
    image_rows = image.reshape(len(image), -1)
    with_ipp = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)  # of this thread only: its masked copy takes twice as long with parts as small as these
    script = zip(offset_t2.tolist(), position_t2.tolist(), cell_t.tolist(), strict=True)
    for t, ((u, v), (x, y), cell) in enumerate(script):
        rows_thw[t] = image_rows[v : v + height, 3 * u : 3 * (u + width)]
        if cell < 0:
            continue
        part = figure.sprite(cell)
        x, y = x + part.x, y + part.y
        right, bottom = x + part.width, y + part.height
        cv2.copyTo(part.rgb, part.opaque, rows_thw[t, y:bottom, 3 * x : 3 * right])
        solid_thw[t, y:bottom, x:right] = part.solid
        if cell in figure.soft:
            _blend(frames_thwc[t], figure.soft[cell], y, x)
    cv2.ipp.setUseIPP(with_ipp)


def _blend(frame_hwc: NDArray[np.uint8], soft: Soft, y: int, x: int) -> None:
    at = (y + soft.y, x + soft.x)
    alpha = soft.alpha.astype(np.int64)
    frame_hwc[at] = (2 * (alpha * soft.rgb + (255 - alpha) * frame_hwc[at]) + 255) // 510


def empty(spec: WorldSpec, *frames: int) -> Clip:
    """Memory for (T,) or (N, T) frames, not yet written to."""
    size = (*frames, spec.height, spec.width)
    return Clip(np.empty((*size, 3), np.uint8), np.empty(size, bool))
