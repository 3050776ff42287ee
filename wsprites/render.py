"""Script + art -> frames and masks. Draws no random number. Axis suffixes: t frames, h rows, w columns, c = RGB."""

from typing import Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.characters import Figure, Soft
from wsprites.art.sheets import CELL_OF
from wsprites.script import Script
from wsprites.spec import WorldSpec

Background = Literal["moving", "frozen", "blank"]


class Clip(NamedTuple):
    """The pixels of a clip."""

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
    figure: Figure | None = None,
) -> Clip:
    """Render a script of one clip, or a window of it.

    A frame is the background's crop at the script's offset, and on it the sprite's pixels at the script's position: with straight
    alpha a, colour c and background b, in integers, (a c + (255 - a) b) / 255, rounded half up.

    Args:
        spec: the world that the script was written in; gives the frame's size.
        script: of one clip, (T,) labels.
        art: what it shows.
        sprite: False leaves the character out; the mask is then empty.
        background: "frozen" keeps the first frame's crop, "blank" is black. Both leave the sprite as it is: twins of the same script.
        out: memory of `empty`, to be written to and returned; new memory costs as much time as rendering.
        figure: likewise, a figure of `art.characters` to dress.
    """
    clip = frames_thwc, masks_thw = out or empty(spec, len(script.position))
    masks_thw.fill(False)
    # Rows of bytes: copying them is faster than copying pixels, and OpenCV's masked copy is twice as fast with one channel.
    rows_thw, solid_thw = frames_thwc.reshape(len(frames_thwc), spec.height, -1), masks_thw.view(np.uint8)
    image = art.backgrounds.images[script.background].reshape(art.backgrounds.images.shape[1], -1)
    offsets = script.background_offset.tolist()
    positions = script.position.tolist()
    cells = CELL_OF[script.local_action, script.animation_frame].tolist()
    figure = figure or Figure(art.characters)
    figure.dress(int(script.character))
    with_ipp = cv2.ipp.useIPP()
    cv2.ipp.setUseIPP(False)  # of this thread only: its masked copy takes twice as long with parts as small as these
    for t, (rows, solid) in enumerate(zip(rows_thw, solid_thw, strict=True)):
        if background == "blank":
            rows.fill(0)
        else:
            u, v = offsets[0 if background == "frozen" else t]
            rows[:] = image[v : v + spec.height, 3 * u : 3 * (u + spec.width)]
        if sprite:
            part = figure.sprite(cells[t])
            x, y = positions[t]
            x, y = x + part.x, y + part.y
            right, bottom = x + part.width, y + part.height
            cv2.copyTo(part.rgb, part.opaque, rows[y:bottom, 3 * x : 3 * right])
            solid[y:bottom, x:right] = part.solid
            if cells[t] in figure.soft:
                _blend(frames_thwc[t], figure.soft[cells[t]], y, x)
    cv2.ipp.setUseIPP(with_ipp)
    return clip


def _blend(frame_hwc: NDArray[np.uint8], soft: Soft, y: int, x: int) -> None:
    at = (y + soft.y, x + soft.x)
    alpha = soft.alpha.astype(np.int64)
    frame_hwc[at] = (2 * (alpha * soft.rgb + (255 - alpha) * frame_hwc[at]) + 255) // 510


def empty(spec: WorldSpec, frames: int) -> Clip:
    """Memory for that many frames, not yet written to."""
    size = (frames, spec.height, spec.width)
    return Clip(np.empty((*size, 3), np.uint8), np.empty(size, bool))
