"""Playing any trained model: a picture and a list of actions, the motion of another video, and grids of actions.

Pictures are (H, W, 3) uint8 RGB.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from glass_model.images import resize, to_bytes
from glass_model.systems import Action, Controls, Driven, Playable
from wsprites.errors import ArgumentError, UserError
from wsprites.world.actions import DELTA_XY, GlobalAction

Picture = NDArray[np.uint8]

STRIDE, SCENE_STRIDE = 7.0, 2.0
"""Pixels per step of the character and of the scene in the paper's world."""

_MOST_STEPS, _TURN = 10_000, 3.0  # and degrees of a step that turns the scene


@dataclass(frozen=True)
class Step:
    """What is to happen from one frame to the next."""

    shift: tuple[float, float] | None = None
    """(x, y) pixels: motion of the character on the screen; None for a model that takes no shifts."""
    code: int | None = None
    """Discrete local action, 0 to K - 1; None for a model without codes."""
    background_shift: tuple[float, float] | None = None
    """(x, y) pixels: motion of the scene on the screen; None as for `shift`."""

    def action(self, batch: int) -> Action:
        """The same for every video of a batch, as a model takes it."""
        shift, scene_shift = (None if xy is None else torch.tensor([xy] * batch) for xy in (self.shift, self.background_shift))
        return Action(None if self.code is None else torch.full((batch,), self.code), None, shift, scene_shift)


def parse_actions(text: str, controls: Controls, *, stride: float = STRIDE, scene_stride: float = SCENE_STRIDE) -> list[Step]:
    """Read a list of actions such as `right*8 code2*6 left+code1 bg-left*4`.

    Words joined by + happen at once; `*8` repeats them. left, right, up, down and stay move the character, bg-left and so on the scene,
    both as seen on the screen; codeK sets the local action, which holds until another code is named and is 0 before.

    Args:
        text: the actions, separated by spaces.
        controls: what the model takes; words of other parts are refused.
        stride: pixels per step of the character.
        scene_stride: pixels per step of the scene.

    Raises:
        ArgumentError: an unknown word, two codes at once, no step, or more than 10,000 steps.
        UserError: the model's actions have no words.

    Example:
        >>> parse_actions("right bg-up+code2", Controls(codes=6, shift=True, background_shift=True))[1]
        Step(shift=(0.0, 0.0), code=2, background_shift=(0.0, -2.0))
    """
    words, steps, code = _words(controls), list[Step](), 0
    for joined, times in _repeated("actions", text):
        shift, scene_shift, named = np.zeros(2), np.zeros(2), set[int]()
        for part in joined.split("+"):
            direction = part.removeprefix("bg-")
            if (number := re.fullmatch(r"code(\d{1,4})", part)) and controls.codes:
                code = int(number[1])
                named.add(code)
                if code >= controls.codes:
                    raise ArgumentError("actions", f"'{part}': this model has codes 0 to {controls.codes - 1}")
            elif direction not in GlobalAction.__members__ or not (controls.shift if direction == part else controls.background_shift):
                raise ArgumentError("actions", f"'{part[:80]}' is none of {words}, which this model takes")
            elif direction == part:
                shift = shift + stride * DELTA_XY[GlobalAction[part]]
            else:
                scene_shift = scene_shift + scene_stride * DELTA_XY[GlobalAction[direction]]
        if len(named) > 1:
            raise ArgumentError("actions", f"'{joined[:80]}' names {len(named)} codes for one step")
        step = Step(
            (float(shift[0]), float(shift[1])) if controls.shift else None,
            code if controls.codes else None,
            (float(scene_shift[0]), float(scene_shift[1])) if controls.background_shift else None,
        )
        steps += [step] * times
        if len(steps) > _MOST_STEPS:
            raise ArgumentError("actions", f"more than {_MOST_STEPS} steps")
    if not steps:
        raise ArgumentError("actions", f"there are none; the words are {words}, such as '{re.split('[ ,]', words)[0]}*8'")
    return steps


def _repeated(argument: str, text: str) -> Iterator[tuple[str, int]]:
    """The words of a list such as "right*8 up", and how often each is meant."""
    for word in text.split():
        name, star, times = word.partition("*")
        digits = times.lstrip("0")
        if star and not (times.isdecimal() and len(digits) <= len(str(_MOST_STEPS)) and 1 <= int(digits or 0) <= _MOST_STEPS):
            raise ArgumentError(argument, f"'{word[:80]}': after * comes a number from 1 to {_MOST_STEPS}")
        yield name, int(digits) if star else 1


@dataclass(frozen=True)
class SceneStep:
    """How the scene moves from one frame to the next, as seen on the screen."""

    shift: tuple[float, float] = (0.0, 0.0)
    """(x, y) pixels."""
    degrees: float = 0.0
    """By which it turns, counter-clockwise."""


def parse_background(text: str, *, stride: float = SCENE_STRIDE) -> list[SceneStep]:
    """Read a list of motions of the scene such as `left*8 rotate*8`.

    Args:
        text: left, right, up, down, stay, rotate (3 degrees counter-clockwise) and rotate-back, separated by spaces; `*8` repeats a word.
        stride: pixels per step.

    Raises:
        ArgumentError: an unknown word, or no or more than 10,000 steps.

    Example:
        >>> parse_background("left rotate")
        [SceneStep(shift=(-2.0, 0.0), degrees=0.0), SceneStep(shift=(0.0, 0.0), degrees=3.0)]
    """
    steps = list[SceneStep]()
    for word, times in _repeated("background", text):
        if word in GlobalAction.__members__:
            x, y = stride * DELTA_XY[GlobalAction[word]]
            step = SceneStep((float(x), float(y)))
        elif word in ("rotate", "rotate-back"):
            step = SceneStep(degrees=_TURN if word == "rotate" else -_TURN)
        else:
            raise ArgumentError("background", f"'{word[:80]}' is none of left, right, up, down, stay, rotate, rotate-back")
        steps += [step] * times
    if not 1 <= len(steps) <= _MOST_STEPS:
        raise ArgumentError("background", f"{len(steps)} steps; expected 1 to {_MOST_STEPS}, such as 'left*8'")
    return steps


def _words(controls: Controls) -> str:
    """The words for what a model takes. Raises UserError if there are none."""
    words = ["left, right, up, down, stay"] * controls.shift + ["bg-left, ..."] * controls.background_shift
    if controls.codes:
        words.append("code0" if controls.codes == 1 else f"code0 to code{controls.codes - 1}")
    if not words:
        raise UserError(f"this model takes {controls}, which no word of an action stands for; it can be played by transfer")
    return ", ".join(words)


def animate(model: Playable[Any], pictures: Sequence[Picture], steps: Sequence[Step]) -> NDArray[np.uint8]:
    """Play the same actions from several pictures of one size: (B, 1 + steps, H, W, 3) uint8, the pictures first.

    Raises:
        ArgumentError: pictures of several sizes or another kind, or a step with a part that the model does not take, or without one
            that it needs, as of a model that takes vectors alone: only `transfer` plays that.
    """
    if len({picture.shape for picture in pictures}) != 1:
        raise ArgumentError("pictures", f"their shapes are {[picture.shape for picture in pictures]}; expected one shape of all")
    first = _tensor("pictures", np.stack(pictures))
    state, frames = model.start(first), [first]
    for step in steps:
        frame, state = model.step(state, step.action(len(pictures)))
        frames.append(to_bytes(frame))
    return torch.stack(frames, 1).permute(0, 1, 3, 4, 2).numpy()


def transfer(
    model: Playable[Any],
    clip_thwc: NDArray[np.uint8],
    picture: Picture,
    *,
    mode: str | None = None,
    background: Sequence[SceneStep] | None = None,
) -> NDArray[np.uint8]:
    """Read the actions of a clip and play them from another picture: (T, H, W, 3) uint8.

    The model gets all that it reads and takes. Shifts and masks are scaled from the size of the clip to that of the picture.

    Args:
        model: what reads and plays.
        clip_thwc: (T, H', W', 3).
        picture: the first frame of the video, unless there is a mode.
        mode: of a `Driven` model, how it follows the clip: frame t of the video is then the picture in the pose of frame t of the clip.
        background: how the scene moves before each frame but the first, after the last of them not at all; None: as in the clip, or with
            a mode not at all.

    Raises:
        ArgumentError: a clip or a picture of another kind, a model that does not read what it needs for a step, a mode or a motion of the
            scene that it does not have, or more of these than the clip has transitions.
    """
    clip, first = _tensor("clip_thwc", clip_thwc)[None], _tensor("picture", picture[None])
    taken = _taken(model, clip, (picture.shape[0], picture.shape[1])) if mode is None else {"vectors": _driven(model, clip, first, mode)}
    skipped = 1 if mode is None else 0  # frames that are not generated
    if background is not None:
        _check_background(model, background, len(clip_thwc) - 1)
        taken.pop("background_shift", None)
    state, frames = model.start(first), [picture] * skipped
    for t in range(len(clip_thwc) - skipped):
        action, before = Action(**{name: part[:, t] for name, part in taken.items()}), t + skipped - 1
        if background is not None and 0 <= before < len(background):
            moves = background[before]
            if moves.degrees and isinstance(model, Driven):
                state = model.turn(state, moves.degrees)
            action = action._replace(background_shift=torch.tensor([moves.shift]))
        elif background is not None:
            action = action._replace(background_shift=torch.zeros(1, 2))
        frame, state = model.step(state, action)
        frames.append(to_bytes(frame)[0].permute(1, 2, 0).numpy())
    return np.stack(frames)


def _taken(model: Playable[Any], clip: torch.Tensor, size: tuple[int, int]) -> dict[str, torch.Tensor]:
    """What a model reads of a clip (1, T, 3, H', W') and takes, for pictures of (height, width)."""
    reading, scale = model.infer(clip), torch.tensor([size[1] / clip.shape[-1], size[0] / clip.shape[-2]])
    taken = {name: part for name, part in reading._asdict().items() if part is not None and getattr(model.controls, name)}
    for name in taken.keys() & {"shift", "background_shift"}:
        taken[name] = taken[name] * scale
    if "masks" in taken:  # those of the frames that are generated
        taken["masks"] = resize(taken["masks"][:, 1:, None], size)[:, :, 0]
    return taken


def _driven(model: Playable[Any], clip: torch.Tensor, first: torch.Tensor, mode: str) -> torch.Tensor:
    """The vectors of a mode, (1, T, D). Raises ArgumentError for a model without modes."""
    if not isinstance(model, Driven):
        raise ArgumentError("mode", f"this model takes {model.controls} and has no modes; leave it out")
    return model.drive(first, clip, mode)


def _check_background(model: Playable[Any], background: Sequence[SceneStep], most: int) -> None:
    """Raise ArgumentError for motions of the scene that a model does not have, or more than `most`."""
    if not model.controls.background_shift:
        raise ArgumentError("background", f"this model takes {model.controls}: it does not move the scene")
    if not isinstance(model, Driven) and any(step.degrees for step in background):
        raise ArgumentError("background", "this model does not turn the scene; leave rotate out")
    if len(background) > most:
        raise ArgumentError("background", f"{len(background)} steps, where the clip has {most} transitions")


def _tensor(argument: str, pictures: NDArray[np.uint8]) -> torch.Tensor:
    """Pictures (N, H, W, 3) as a model takes them, (N, 3, H, W). Raises ArgumentError for another shape or type."""
    if pictures.dtype != np.uint8 or pictures.ndim != 4 or pictures.shape[-1] != 3:
        raise ArgumentError(argument, f"{pictures.dtype} of shape {pictures.shape[-3:]}; expected pictures of uint8, (H, W, 3)")
    return torch.from_numpy(pictures).permute(0, 3, 1, 2)


def grid(model: Playable[Any], pictures: Sequence[Picture], columns: Sequence[Sequence[Step]]) -> list[list[Picture]]:
    """The rows of a grid of actions: one for each picture, with the picture first, then the last frame of each list of actions."""
    ends = [animate(model, pictures, steps)[:, -1] for steps in columns]
    return [[picture, *(end[i] for end in ends)] for i, picture in enumerate(pictures)]


def every_action(controls: Controls, *, times: int = 4) -> list[str]:
    """The columns of a grid in the words of `parse_actions`, `times` steps each.

    First every direction of the character (or of the scene alone), then every code on the spot.

    Args:
        controls: what the model takes; other actions are left out.
        times: number of steps.

    Raises:
        UserError: the model's actions have no words.

    Example:
        >>> every_action(Controls(codes=2))
        ['code0*4', 'code1*4']
    """
    _words(controls)
    names = [direction.name for direction in GlobalAction if direction != GlobalAction.stay]
    if not controls.shift:
        names = [f"bg-{name}" for name in names] * controls.background_shift
    return [f"{word}*{times}" for word in (*names, *(f"code{code}" for code in range(controls.codes)))]
