"""Previews of clips: enlarged frames with the outline of the mask, arrows for motion, and the names of actions."""

from functools import lru_cache
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from wsprites.file import DataFile
from wsprites.generate import check_output
from wsprites.view.picture import Colour, encode_gif, encode_png, enlarge, outline, picture_format, replace_file, tile
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import Script
from wsprites.world.spec import CELL, WorldSpec

_WIDTH = 384  # approximate width of an enlarged frame in pixels, which the labels below it need
_SHEET_COLUMNS, _SHEET_FRAMES = 5, 20
_INK, _PAPER, _MUTED = (236, 239, 244), (22, 25, 31), (140, 149, 163)
_SPRITE, _LOCAL, _SCENE = (178, 245, 80), (255, 150, 170), (102, 204, 255)  # global, local, background
_CHEST = (CELL // 2, 42)  # of a character in its cell, (x, y) in pixels
_ARROW, _SCENE_ARROW = 50, 24  # lengths of the arrows for a whole step, in pixels of the picture


def preview(data: DataFile, index: int, out: Path) -> None:
    """Write a clip as an animated GIF, or as a PNG contact sheet of up to 20 frames, according to the name of `out`.

    Args:
        data: the open file.
        index: index of the clip in the whole data set.
        out: a file that ends in .gif or .png; it is replaced if it exists.

    Raises:
        UserError: there is no such clip, `out` has another ending, or it cannot be written.
    """
    animated = picture_format(out) == "gif"
    check_output(out, overwrite=True)
    name, row = data.find(index)
    split = data[name]
    script, frames_thwc, masks_thw = split.script(row), split["frames"][row], split["masks"][row]
    last = len(frames_thwc) - 1
    shown = range(last + 1) if animated else np.unique(np.linspace(0, last, _SHEET_FRAMES).round().astype(int)).tolist()
    pictures = [annotate(frames_thwc[t], masks_thw[t], script, t, name, data.spec) for t in shown]
    if animated:
        content = encode_gif(pictures, exact=[_INK, _PAPER, _MUTED, _SPRITE, _LOCAL, _SCENE])
    else:
        content = encode_png(tile(pictures, min(_SHEET_COLUMNS, len(pictures)), gap=8, background=60))
    replace_file(out, content)


def annotate(
    frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_], script: Script, t: int, split: str, spec: WorldSpec
) -> NDArray[np.uint8]:
    """Draw a frame with its labels: enlarged, with the outline of the mask, arrows for motion, a header, and the names of actions.

    Args:
        frame_hwc: (H, W, 3) uint8 RGB.
        mask_hw: (H, W) bool.
        script: the script of the whole clip.
        t: index of the frame.
        split: name of the split that the clip belongs to.
        spec: the world.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    scale = max(round(_WIDTH / spec.width), 1)
    large = enlarge(frame_hwc, scale)
    large[outline(mask_hw, scale=scale)] = _SPRITE
    height, width = large.shape[:2]
    _arrow(large, (script.position[t] + np.multiply(_CHEST, spec.scale)) * scale, script.shift[t] / spec.sprite.step * _ARROW, _SPRITE)
    _arrow(large, np.array([width - 36, 36]), script.background_shift[t] / spec.background.step * _SCENE_ARROW, _SCENE)

    bar, line = 17 * 2 + 8, 17
    canvas = Image.new("RGB", (width, 22 + height + bar), _PAPER)
    canvas.paste(Image.fromarray(large), (0, 22))
    draw, letters = ImageDraw.Draw(canvas), font()
    draw.text((8, 4), f"clip {int(script.index)}   {split}   character {int(script.character)}", _INK, letters)
    count = f"frame {t}"
    draw.text((width - 8 - draw.textlength(count, letters), 4), count, _MUTED, letters)
    cells = [
        ("global", GlobalAction(script.global_action[t]).name, _SPRITE),
        ("local", f"{LocalAction(script.local_action[t]).name}  {script.animation_frame[t]}", _LOCAL),
        ("background crop", GlobalAction(script.background_action[t]).name, _SCENE),
    ]
    for (label, value, colour), x in zip(cells, (8, width * 0.26, width * 0.7), strict=True):
        draw.text((x, height + 26), label, _MUTED, letters)
        draw.text((x, height + 26 + line), value, colour, letters)
    return np.asarray(canvas)


def _arrow(image: NDArray[np.uint8], start: NDArray[np.integer], way: NDArray[np.floating], colour: Colour) -> None:
    """Draw an arrow with a dark rim, or a dot if it has no length. Coordinates are pixels of the picture."""
    from_xy = (int(start[0]), int(start[1]))
    to_xy = (int(start[0] + way[0]), int(start[1] + way[1]))
    for thickness, ink in ((6, _PAPER), (3, colour)):
        if from_xy == to_xy:
            cv2.circle(image, from_xy, thickness, ink, -1, cv2.LINE_AA)
        else:
            cv2.arrowedLine(image, from_xy, to_xy, ink, thickness, cv2.LINE_AA, tipLength=0.3)


@lru_cache(maxsize=1)
def font() -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the font of all text in pictures."""
    return ImageFont.load_default(13)
