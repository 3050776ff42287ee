"""Playing any trained model: a picture and a list of actions, the motion of another video, and grids of actions.

Pictures are (H, W, 3) uint8 RGB.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glass_model.images import to_bytes
from glass_model.systems import Action, Playable
from wsprites.errors import ArgumentError
from wsprites.view.picture import tile
from wsprites.world.actions import DELTA_XY, GlobalAction

Picture = NDArray[np.uint8]

STRIDE, SCENE_STRIDE = 7.0, 2.0
"""Pixels per step of the character and of the scene in the paper's world."""

_MOST_STEPS = 10_000
_GAP = 4  # pixels between the pictures of a grid


@dataclass(frozen=True)
class Step:
    """What is to happen from one frame to the next."""

    shift: tuple[float, float] | None = None
    """(x, y) pixels: motion of the character on the screen; None for a model that takes no shifts."""
    code: int | None = None
    """Discrete local action, 0 to K - 1; None for a model without codes."""
    background_shift: tuple[float, float] | None = None
    """(x, y) pixels: motion of the scene on the screen; None as for `shift`."""


def parse_actions(text: str, codes: int, *, stride: float = STRIDE, scene_stride: float = SCENE_STRIDE) -> list[Step]:
    """Read a list of actions such as "right*8 code2*6 left+code1 bg-left*4".

    Words joined by + happen at once; *n repeats them. left, right, up, down and stay move the character, bg-left and so on the scene,
    both as seen on the screen; codeK sets the local action, which holds until another code is named.

    Args:
        text: the actions, separated by spaces.
        codes: K, the number of the model's codes.
        stride: pixels per step of the character.
        scene_stride: pixels per step of the scene.

    Raises:
        ArgumentError: an unknown word, no step, or more than 10,000 steps.

    Example:
        >>> parse_actions("right bg-up+code2", codes=6)[1]
        Step(shift=(0.0, 0.0), code=2, background_shift=(0.0, -2.0))
    """
    steps: list[Step] = []
    code = 0
    for word in text.split():
        joined, star, times = word.partition("*")
        if star and not (times.isdecimal() and 1 <= int(times[:9]) <= _MOST_STEPS):
            raise ArgumentError("actions", f"'{word[:80]}': after * comes a number from 1 to {_MOST_STEPS}")
        shift, scene_shift = np.zeros(2), np.zeros(2)
        for part in joined.split("+"):
            if number := re.fullmatch(r"code(\d{1,4})", part):
                code = int(number[1])
                if code >= codes:
                    raise ArgumentError("actions", f"'{part}': this model has {f'codes 0 to {codes - 1}' if codes else 'no codes'}")
            elif part.removeprefix("bg-") in GlobalAction.__members__:
                delta = DELTA_XY[GlobalAction[part.removeprefix("bg-")]]
                if part.startswith("bg-"):
                    scene_shift = scene_shift + scene_stride * delta
                else:
                    shift = shift + stride * delta
            else:
                words = "left, right, up, down, stay, bg-left, ..." + f", code0 to code{codes - 1}" * bool(codes)
                raise ArgumentError("actions", f"'{part[:80]}' is none of {words}")
        step = Step((float(shift[0]), float(shift[1])), code if codes else None, (float(scene_shift[0]), float(scene_shift[1])))
        steps += [step] * (int(times) if star else 1)
        if len(steps) > _MOST_STEPS:
            raise ArgumentError("actions", f"more than {_MOST_STEPS} steps")
    if not steps:
        raise ArgumentError("actions", "there are none; try 'right*8 code2*6'")
    return steps


def animate(model: Playable[Any], pictures: Sequence[Picture], steps: Sequence[Step]) -> NDArray[np.uint8]:
    """Play the same actions from several pictures of one size: (B, 1 + steps, H, W, 3) uint8, the pictures first."""
    first = torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)
    state, batch = model.start(first), len(pictures)
    frames = [first]
    for step in steps:
        shift, scene_shift = (None if xy is None else torch.tensor([xy] * batch) for xy in (step.shift, step.background_shift))
        codes = None if step.code is None else torch.full((batch,), step.code)
        frame, state = model.step(state, Action(codes, shift=shift, background_shift=scene_shift))
        frames.append(to_bytes(frame))
    return torch.stack(frames, 1).permute(0, 1, 3, 4, 2).numpy()


def transfer(model: Playable[Any], clip_thwc: NDArray[np.uint8], picture: Picture) -> NDArray[np.uint8]:
    """Read the actions of a clip and play them from another picture: (T, H, W, 3) uint8, the picture first."""
    reading = model.infer(torch.from_numpy(clip_thwc).permute(0, 3, 1, 2)[None])
    state = model.start(torch.from_numpy(picture).permute(2, 0, 1)[None])
    # Shifts are in pixels of the clip, which may be of another size than the picture.
    scale = torch.tensor([picture.shape[1] / clip_thwc.shape[2], picture.shape[0] / clip_thwc.shape[1]])
    shift, scene_shift = (None if xy is None else xy * scale for xy in (reading.shift, reading.background_shift))
    vectors = reading.vectors if reading.codes is None else None
    frames = [picture]
    for t in range(len(clip_thwc) - 1):
        action = Action(*(None if array is None else array[:, t] for array in (reading.codes, vectors, shift, scene_shift)))
        frame, state = model.step(state, action)
        frames.append(to_bytes(frame)[0].permute(1, 2, 0).numpy())
    return np.stack(frames)


def grid(model: Playable[Any], pictures: Sequence[Picture], columns: Sequence[Sequence[Step]]) -> Picture:
    """A grid of actions: a row for each picture, with the picture first, then the last frame of each list of actions."""
    ends = [animate(model, pictures, steps)[:, -1] for steps in columns]
    cells = [cell for i, picture in enumerate(pictures) for cell in (picture, *(end[i] for end in ends))]
    return tile(cells, 1 + len(columns), gap=_GAP, background=255)


def every_action(codes: int, *, times: int = 4, stride: float = STRIDE, scene_stride: float = SCENE_STRIDE) -> list[list[Step]]:
    """The columns of a grid: each direction of the character, then each code on the spot, `times` steps each."""
    directions = [f"{direction.name}*{times}" for direction in GlobalAction if direction != GlobalAction.stay]
    texts = [*directions, *(f"code{code}*{times}" for code in range(codes))]
    return [parse_actions(text, codes, stride=stride, scene_stride=scene_stride) for text in texts]
