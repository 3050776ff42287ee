"""Playing a trained model: from one picture and a list of actions, from the motion of another video, and grids of both.

Pictures are (H, W, 3) uint8, RGB.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_model.glass.model import GLASS
from wsprites.errors import UserError
from wsprites.view.picture import read_picture as read_picture
from wsprites.view.picture import write_frames
from wsprites.world.actions import DELTA_XY, GlobalAction

Picture = NDArray[np.uint8]

_MOST_STEPS = 10_000
_GAP = 4


@dataclass(frozen=True)
class Step:
    """What happens from one frame to the next."""

    shift: tuple[float, float] = (0.0, 0.0)
    """(x, y) pixels: of the sprite on the screen."""
    code: int = 0
    """What its body does: 0 to K - 1."""
    background_shift: tuple[float, float] = (0.0, 0.0)
    """(x, y) pixels: of the scene on the screen."""


def parse_actions(text: str, codes: int, *, stride: float = 7.0, scene_stride: float = 2.0) -> list[Step]:
    """Read a list of actions such as "right*8 code2*6 left+code1 bg-left*4".

    Words that are joined by + happen at once; *n repeats them. left, right, up, down and stay move the sprite, bg-left and so on the
    scene, both as seen on the screen; codeK says what the body does, and holds until another one is named.

    Args:
        codes: K of the model.
        stride: pixels that the sprite moves in a step, scene_stride: the scene.

    Raises:
        UserError: a word that means nothing, or more than 10,000 steps.
    """
    steps: list[Step] = []
    code = 0
    for word in text.split():
        joined, star, times = word.partition("*")
        if star and not (times.isdecimal() and 1 <= int(times[:9]) <= _MOST_STEPS):
            raise UserError(f"--actions: '{word[:80]}': after * comes a number from 1 to {_MOST_STEPS}")
        shift, scene = np.zeros(2), np.zeros(2)
        for part in joined.split("+"):
            if number := re.fullmatch(r"code(\d{1,4})", part):
                code = int(number[1])
                if code >= codes:
                    raise UserError(f"--actions: '{part}': this model has codes 0 to {codes - 1}")
            elif part.removeprefix("bg-") in GlobalAction.__members__:
                delta = DELTA_XY[GlobalAction[part.removeprefix("bg-")]]
                if part.startswith("bg-"):
                    scene = scene + scene_stride * delta
                else:
                    shift = shift + stride * delta
            else:
                raise UserError(f"--actions: '{part[:80]}' is none of left, right, up, down, stay, bg-left, ..., code0 to code{codes - 1}")
        step = Step((float(shift[0]), float(shift[1])), code, (float(scene[0]), float(scene[1])))
        steps += [step] * (int(times) if star else 1)
        if len(steps) > _MOST_STEPS:
            raise UserError(f"--actions: more than {_MOST_STEPS} steps")
    if not steps:
        raise UserError("--actions: there are none; try 'right*8 code2*6'")
    return steps


def animate(model: GLASS, pictures: Sequence[Picture], steps: Sequence[Step]) -> NDArray[np.uint8]:
    """The same actions from several pictures of one size: (B, 1 + steps, H, W, 3), the pictures first."""
    frames = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    state, batch = model.start(frames), len(pictures)
    made = [frames]
    for step in steps:
        shift, scene = (torch.tensor([xy] * batch) for xy in (step.shift, step.background_shift))
        shown, state = model.step(state, shift, torch.full((batch,), step.code), scene)
        made.append(to_bytes(shown))
    return torch.stack(made, 1).permute(0, 1, 3, 4, 2).numpy()


def transfer(model: GLASS, clip_thwc: NDArray[np.uint8], picture: Picture) -> NDArray[np.uint8]:
    """Read the actions of a clip and play them from another picture: (T, H, W, 3)."""
    reading = model.infer(torch.from_numpy(clip_thwc).permute(0, 3, 1, 2)[None])
    state = model.start(torch.from_numpy(picture).permute(2, 0, 1)[None])
    # The clip's pixels may be of another size than the picture's.
    scale = torch.tensor([picture.shape[1] / clip_thwc.shape[2], picture.shape[0] / clip_thwc.shape[1]])
    made = [picture]
    for t in range(len(clip_thwc) - 1):
        shifts = reading.shifts[:, t] * scale, reading.background_shifts[:, t] * scale
        shown, state = model.step(state, shifts[0], reading.codes[:, t], shifts[1])
        made.append(to_bytes(shown)[0].permute(1, 2, 0).numpy())
    return np.stack(made)


def grid(model: GLASS, pictures: Sequence[Picture], columns: Sequence[Sequence[Step]]) -> Picture:
    """The action grid of the paper: a row for each picture, first the picture, then where each list of actions leads."""
    ends = [animate(model, pictures, steps)[:, -1] for steps in columns]
    rows = [[picture, *(end[i] for end in ends)] for i, picture in enumerate(pictures)]
    height, width = pictures[0].shape[:2]
    sheet = np.full((len(rows) * (height + _GAP) + _GAP, len(rows[0]) * (width + _GAP) + _GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            y, x = _GAP + i * (height + _GAP), _GAP + j * (width + _GAP)
            sheet[y : y + height, x : x + width] = picture
    return sheet


def every_action(codes: int, times: int = 4) -> list[list[Step]]:
    """The columns of a grid: each direction of the sprite with code 0, then each code on the spot, `times` steps each."""
    ways = [f"{way.name}+code0*{times}" for way in GlobalAction if way != GlobalAction.stay]
    return [parse_actions(text, codes) for text in [*ways, *(f"code{k}*{times}" for k in range(codes))]]


def to_bytes(frame: torch.Tensor) -> torch.Tensor:
    """[-1, 1] to uint8."""
    return ((frame.clamp(-1, 1) + 1) * 127.5).round().byte()


def write_pictures(frames_thwc: NDArray[np.uint8], out: Path, scale: int = 2) -> None:
    """Write a video as an animated GIF, enlarged, or as a PNG with the frames side by side. Raises UserError for any other name."""
    write_frames(out, frames_thwc, scale=scale)
