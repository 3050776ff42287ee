"""Previews of clips: enlarged frames with the outline of the mask, arrows for motion, and the names of actions."""

import math
from collections.abc import Iterable
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wsprites.file import DataFile, VideoFile
from wsprites.file.h5 import damaged
from wsprites.file.videos import VIDEO_LABELS, VideoSplit
from wsprites.generate import replace_file
from wsprites.view.picture import Colour, check_picture, encode_gif, encode_png, enlarge, outline, picture_format
from wsprites.view.sheet import INK, MUTED, PAPER, font, sheet
from wsprites.world.actions import DELTA_XY, GlobalAction, LocalAction
from wsprites.world.script import Script
from wsprites.world.spec import CELL, WorldSpec

_WIDTH = 384  # approximate width of an enlarged frame in pixels, which the labels below it need
_MOST_WIDTH, _MOST_HEIGHT = 960, 720  # of a frame of a video; larger ones are reduced
_SHEET_COLUMNS, _SHEET_FRAMES = 5, 20
_SPRITE, _LOCAL, _SCENE = (178, 245, 80), (255, 150, 170), (102, 204, 255)  # global, local, background
EXACT = (INK, PAPER, MUTED, _SPRITE, _LOCAL, _SCENE)
"""The colours of the marks, which the palette of a GIF keeps as they are."""
_CHEST = (CELL // 2, 42)  # of a character in its cell, (x, y) in pixels
_ARROW, _SCENE_ARROW = 50, 24  # lengths of the arrows for a whole step, in pixels of the picture

Cell = tuple[str, str, Colour, float]
"""A label below a frame: its name, its value, its colour, and where it begins as a share of the width."""


def preview(data: DataFile | VideoFile, index: int, out: Path) -> None:
    """Write a clip as an animated GIF, or as a PNG contact sheet of up to 20 frames, according to the name of `out`.

    Clips of imported videos have no mask, no arrows, and the labels that came with them.

    Args:
        data: the open file.
        index: index of the clip in the whole data set.
        out: a file that ends in .gif or .png; it is replaced if it exists.

    Raises:
        UserError: there is no such clip, `out` has another ending, or it cannot be written.
        OSError: writing failed; a file that existed is unchanged.
    """
    check_picture(out, inputs=[data.path])
    animated = picture_format(out) == "gif"
    name, row = data.find(index)
    frames = data[name]["frames"].shape[1]
    shown = range(frames) if animated else np.unique(np.linspace(0, frames - 1, _SHEET_FRAMES).round().astype(int)).tolist()
    pictures = draw(data, name, row, shown, heads=animated)
    if animated:
        content = encode_gif(pictures, exact=EXACT)
    else:
        content = encode_png(sheet([pictures], head=_head(data, name, row), columns=_SHEET_COLUMNS))
    replace_file(out, content)


def _head(data: DataFile | VideoFile, name: str, row: int) -> str:
    """What a clip is, in a line."""
    if isinstance(data, VideoFile):
        return f"clip {int(data[name]['index'][row])}   {name}   {video_name(data, name, row)}"
    return _head_of_script(data[name].script(row), name)


def _head_of_script(script: Script, split: str) -> str:
    return f"clip {int(script.index)}   {split}   character {int(script.character)}"


def draw(data: DataFile | VideoFile, name: str, row: int, shown: Iterable[int], *, heads: bool = True) -> list[NDArray[np.uint8]]:
    """Draw frames of a clip with what is known about them: (h, w, 3) uint8 RGB each.

    Args:
        data: the open file.
        name: name of the split.
        row: row of the clip in the split.
        shown: indices of the frames.
        heads: write above each frame which clip it is from.
    """
    if isinstance(data, VideoFile):
        return [annotate_video(data, name, row, t, head=heads) for t in shown]
    split = data[name]
    script, frames_thwc, masks_thw = split.script(row), split["frames"][row], split["masks"][row]
    return [annotate(frames_thwc[t], masks_thw[t], script, t, name, data.spec, head=heads) for t in shown]


def scale_of(spec: WorldSpec) -> int:
    """The factor by which previews enlarge the frames of a world, 1 or more."""
    return max(round(_WIDTH / spec.width), 1)


def annotate(
    frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_], script: Script, t: int, split: str, spec: WorldSpec, *, head: bool = True
) -> NDArray[np.uint8]:
    """Draw a frame with its labels: enlarged, with the outline of the mask, arrows for motion, a header, and the names of actions.

    Args:
        frame_hwc: (H, W, 3) uint8 RGB.
        mask_hw: (H, W) bool.
        script: the script of the whole clip.
        t: index of the frame.
        split: name of the split that the clip belongs to.
        spec: the world.
        head: write above the frame which clip it is from.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    scale = scale_of(spec)
    large = enlarge(frame_hwc, scale)
    large[outline(mask_hw, scale=scale)] = _SPRITE
    width = large.shape[1]
    _arrow(large, (script.position[t] + np.multiply(_CHEST, spec.scale)) * scale, script.shift[t] / spec.sprite.step * _ARROW, _SPRITE)
    _arrow(large, np.array([width - 36, 36]), script.background_shift[t] / spec.background.step * _SCENE_ARROW, _SCENE)
    cells: list[Cell] = [
        ("global", GlobalAction(script.global_action[t]).name, _SPRITE, 0),
        ("local", f"{LocalAction(script.local_action[t]).name}  {script.animation_frame[t]}", _LOCAL, 0.26),
        ("scene", direction_of(script.background_shift[t]), _SCENE, 0.7),
    ]
    return _captioned(large, _head_of_script(script, split) if head else "", f"frame {t}", cells)


def direction_of(shift_xy: NDArray[np.integer]) -> str:
    """The name of the direction of a motion on the screen along one axis: left, right, up, down, or stay for none.

    It is what a viewer sees. The label of the same step may say otherwise: `background_action` is that of the crop, against which the scene
    moves, and a step that an edge stops moves nothing.

    Args:
        shift_xy: (2,) int, (x, y) in pixels, y down.

    Example:
        >>> direction_of(np.array([0, -2])), direction_of(np.array([0, 0]))
        ('up', 'stay')
    """
    return GlobalAction(int((np.sign(shift_xy) == DELTA_XY).all(-1).argmax())).name


def annotate_video(data: VideoFile, name: str, row: int, t: int, *, head: bool = True) -> NDArray[np.uint8]:
    """Draw a frame of an imported video with a header and the labels that came with it: (h, w, 3) uint8 RGB.

    Args:
        data: the open file.
        name: name of the split.
        row: row of the clip in the split.
        t: index of the frame in the clip.
        head: write above the frame which clip and video it is from.
    """
    split = data[name]
    frame_hwc = split["frames"][row, t]
    height, width = frame_hwc.shape[:2]
    shrunk = min(_MOST_WIDTH / width, _MOST_HEIGHT / height)
    if shrunk < 1:
        size = (max(round(width * shrunk), 1), max(round(height * shrunk), 1))
        large = np.asarray(cv2.resize(frame_hwc, size, interpolation=cv2.INTER_AREA), np.uint8)
    else:
        large = enlarge(frame_hwc, max(min(round(_WIDTH / width), int(shrunk)), 1))
    if large.shape[1] < _WIDTH:  # room for the header
        paper = np.full((large.shape[0], _WIDTH, 3), PAPER, np.uint8)
        left = (_WIDTH - large.shape[1]) // 2
        paper[:, left : left + large.shape[1]] = large
        large = paper
    keys = frame_labels(split)
    cells = [(key, f"{split[key][row, t]:g}", _LOCAL, number / len(keys)) for number, key in enumerate(keys)]
    seconds = float(split["time"][row, t]) if "time" in split.keys() else math.nan  # noqa: SIM118 it is no dict
    count = f"frame {t}" + (f"   {seconds:.2f} s" if math.isfinite(seconds) else "")
    if not head:
        return _captioned(large, "", count, cells)
    start, video = f"clip {int(split['index'][row])}   {name}   ", video_name(data, name, row)
    room = large.shape[1] - 24 - font().getlength(start + count)
    while len(video) > 4 and font().getlength(video) > room:
        video = f"...{video[4:]}"  # its end says more than its folders do
    return _captioned(large, start + video, count, cells)


def frame_labels(split: VideoSplit) -> list[str]:
    """Names of the labels of imported videos, which have one number per frame."""
    return [key for key in split.keys() if key in VIDEO_LABELS]  # noqa: SIM118 it is no dict


def video_name(data: VideoFile, name: str, row: int) -> str:
    """Name of the video that a clip was cut from. Raises UserError if there is no such video."""
    number = int(data[name]["video"][row])
    if not 0 <= number < len(data.names):
        raise damaged(data.path, f"/{name}/video of row {row} is {number}, and there are {len(data.names)} videos")
    return data.names[number]


def _captioned(large_hwc: NDArray[np.uint8], head: str, count: str, cells: list[Cell]) -> NDArray[np.uint8]:
    """A picture with a line above it, a count at its right end, and labels below."""
    height, width = large_hwc.shape[:2]
    line = 17
    canvas = Image.new("RGB", (width, 22 + height + (2 * line + 8 if cells else 0)), PAPER)
    canvas.paste(Image.fromarray(large_hwc), (0, 22))
    drawing, letters = ImageDraw.Draw(canvas), font()
    drawing.text((8, 4), head, INK, letters)
    drawing.text((width - 8 - drawing.textlength(count, letters), 4), count, MUTED, letters)
    for label, value, colour, share in cells:
        x = max(width * share, 8)
        drawing.text((x, height + 26), label, MUTED, letters)
        drawing.text((x, height + 26 + line), value, colour, letters)
    return np.asarray(canvas)


def _arrow(image: NDArray[np.uint8], start: NDArray[np.integer], way: NDArray[np.floating], colour: Colour) -> None:
    """Draw an arrow with a dark rim, or a dot if it has no length. Coordinates are pixels of the picture."""
    from_xy = (int(start[0]), int(start[1]))
    to_xy = (int(start[0] + way[0]), int(start[1] + way[1]))
    for thickness, ink in ((6, PAPER), (3, colour)):
        if from_xy == to_xy:
            cv2.circle(image, from_xy, thickness, ink, -1, cv2.LINE_AA)
        else:
            cv2.arrowedLine(image, from_xy, to_xy, ink, thickness, cv2.LINE_AA, tipLength=0.3)
