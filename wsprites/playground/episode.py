"""One character in one world, steered step by step: what is held down, the action that it means, and what follows. No network, no clock.

Axis suffixes: h, w, c; 2 = (x, y) in pixels; 3 = (global, local, background) action.
"""

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.render import Clip, render
from wsprites.world import episode
from wsprites.world.actions import GlobalAction, LocalAction, walk_of
from wsprites.world.episode import Start, advance, check_actions, start_of
from wsprites.world.script import casting, scripts
from wsprites.world.spec import WorldSpec

View = Literal["true", "still", "blank", "character"]
VIEWS: tuple[View, ...] = ("true", "still", "blank", "character")
"""What is shown of an episode: the world; its twins with a scene that stands still, a black one, and with another character."""

_OPPOSITE = {
    GlobalAction.left: GlobalAction.right,
    GlobalAction.right: GlobalAction.left,
    GlobalAction.up: GlobalAction.down,
    GlobalAction.down: GlobalAction.up,
}


class Choice(NamedTuple):
    """The three actions that lead to the next frame, by the numbers of the labels."""

    global_action: int
    """GlobalAction: the step of the character."""
    local_action: int
    """LocalAction: the animation that it shows."""
    background_action: int
    """GlobalAction: the step of the crop. The scene moves the other way on the screen."""


class Held(NamedTuple):
    """What somebody holds down; None for nothing. Directions are those on the screen."""

    walk: GlobalAction | None = None
    """The direction of the character."""
    animation: str | None = None
    """"spellcast" or "slash"."""
    facing: GlobalAction | None = None
    """The direction that the animation is to be seen in; None for that of `walk`, or else the present one."""
    scene: GlobalAction | None = None
    """The direction of the scene."""


@dataclass(frozen=True, eq=False)
class Moment:
    """The state of an episode at one frame, and the actions that led to it."""

    step: int
    """Number of the frame, from 0 on."""
    state: Start
    """The labels of the frame, and all that the next actions depend on."""

    @property
    def choice(self) -> Choice:
        """The actions that led to this frame."""
        labels = self.state.script
        return Choice(int(labels.global_action[0]), int(labels.local_action[0]), int(labels.background_action[0]))

    @property
    def position(self) -> list[int]:
        """[x, y] px: the top-left corner of the character's cell."""
        return self._point("position")

    @property
    def shift(self) -> list[int]:
        """[x, y] px: motion of the character on the screen."""
        return self._point("shift")

    @property
    def scene_shift(self) -> list[int]:
        """[x, y] px: motion of the scene on the screen."""
        return self._point("background_shift")

    def row(self) -> list[int]:
        """Step, global, local and background action, animation frame, position, shift, and shift of the scene: a row of the timeline."""
        return [self.step, *self.choice, int(self.state.script.animation_frame[0]), *self.position, *self.shift, *self.scene_shift]

    def _point(self, label: str) -> list[int]:
        x, y = getattr(self.state.script, label)[0].tolist()
        return [x, y]


class Episode:
    """An episode that begins like a clip of a data set.

    Args:
        world: the world.
        seed: seed of the data set.
        clip: index of the clip, 0 or more.

    Raises:
        ArgumentError: an impossible seed or clip.
    """

    def __init__(self, world: World, seed: int, clip: int) -> None:
        self.world, self.clip = world, clip
        self._script, self._actions = scripts(world.spec, seed, [clip])[0], bytearray()
        self.start = start_of(world.spec, seed, clip)
        self.now = Moment(0, self.start)
        self.view: View = "true"
        """What is shown."""
        self.character = int(self._script.character)
        """The character that is shown."""
        self._still_2 = self._crop()

    @property
    def done(self) -> episode.Episode:
        """The start and the actions so far."""
        return episode.Episode(self.start, np.frombuffer(bytes(self._actions), np.uint8).reshape(-1, 3))

    def show(self, view: View) -> None:
        """Show the world or one of its twins from now on; a still scene stays as it is now."""
        self.view, self._still_2 = view, self._crop()
        own = int(self._script.character)
        self.character = other_character(self.world.spec, own) if view == "character" else own

    def act(self, choice: Choice) -> Moment:
        """Do an action, and return the next moment. Raises ArgumentError for an action that the world does not have."""
        spec, actions = self.world.spec, np.array([choice])
        check_actions(spec, actions, first=self.now.step + 1)
        action_3 = actions[0].astype(np.uint8)
        self.now = Moment(self.now.step + 1, advance(spec, self.now.state, action_3))
        self._actions.extend(action_3.tobytes())
        return self.now

    def scripted(self) -> Choice:
        """The action of the clip itself after as many steps; its actions begin anew when it has ended."""
        last, script = self.world.spec.frames - 1, self._script
        t = min(self.now.step % max(last, 1) + 1, last)
        return Choice(int(script.global_action[t]), int(script.local_action[t]), int(script.background_action[t]))

    def look(self, moment: Moment | None = None, *, offset_2: NDArray[np.int16] | None = None) -> Clip:
        """Frame (H, W, 3) uint8 and mask (H, W) bool of a moment, that of now if none is given.

        Args:
            moment: a moment of this episode.
            offset_2: a crop in place of that of the moment.
        """
        labels = (moment or self.now).state.script
        offset_2 = self._still_2 if self.view == "still" else offset_2
        if offset_2 is not None:
            labels = replace(labels, background_offset=offset_2[None])
        labels = replace(labels, character=np.asarray(self.character, np.int32))
        drawn = render(self.world, labels, background="blank" if self.view == "blank" else "moving")
        return Clip(drawn.frames_thwc[0], drawn.masks_thw[0])

    def _crop(self) -> NDArray[np.int16]:
        offset_2: NDArray[np.int16] = self.now.state.script.background_offset[0]
        return offset_2


def other_character(spec: WorldSpec, character: int) -> int:
    """The character that follows another one among those of its split."""
    cast = casting(spec, 0)
    own = int(np.flatnonzero(cast.character == character)[0])
    members = cast.character[cast.split == cast.split[own]]
    return int(members[(int(np.flatnonzero(members == character)[0]) + 1) % len(members)])


def chosen(spec: WorldSpec, before: Moment, held: Held) -> Choice | None:
    """The action that is meant by what somebody holds down; None if that is nothing, or nothing that this world has.

    In a coupled world a character that casts or slashes turns, but does not move. Where nothing is held but the scene, it continues with
    the animation that it shows.
    """
    animation = held.animation if held.animation in spec.animations else None
    if not (animation or held.scene is not None or held.walk is not None):
        return None
    direction = GlobalAction.stay if held.walk is None or (animation and spec.local.coupled) else held.walk
    crop = GlobalAction.stay if held.scene is None else _OPPOSITE[held.scene]
    local = LocalAction(before.choice.local_action)
    if animation:
        toward = held.facing if held.facing is not None else held.walk
        facing = local.name.partition("_")[2] if toward is None else walk_of(toward, spec.facings).name.partition("_")[2]
        local = LocalAction[f"{animation}_{facing}"]
    elif held.walk is not None and "walk" in spec.animations:
        local = walk_of(held.walk, spec.facings)
    return Choice(int(direction), int(local), int(crop))
