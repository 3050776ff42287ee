"""Sessions drawn for people: the frames of recorded episodes as they were, or of twins. Axis suffixes: h rows, w columns, c = RGB."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.errors import ArgumentError
from wsprites.fields import show, whole
from wsprites.file import CHUNK_FRAMES
from wsprites.render import Background, render
from wsprites.view.picture import enlarge
from wsprites.view.preview import annotate, scale_of
from wsprites.world.actions import GlobalAction
from wsprites.world.episode import Episode, character_splits, replay
from wsprites.world.script import Script, parts_of
from wsprites.world.spec import SPLITS, WorldSpec

_MOST_SCALE = 16


@dataclass(frozen=True)
class View:
    """How recorded episodes are drawn.

    Raises:
        ArgumentError: a value is not possible.
    """

    scale: int | None = None
    """The factor by which frames are enlarged, 1 to 16; None: that of previews."""
    labels: bool = False
    """Draw the outline of the mask, arrows for motion and the names of the actions, at the scale of previews."""
    background: Background = "moving"
    """What is behind the character: "moving" as it was, "frozen" as in the first frame of each episode, or "blank"."""
    character: int | None = None
    """Show another character that does the same, 0 to the world's number of characters - 1."""

    def __post_init__(self) -> None:
        if self.scale is not None:
            whole("scale", self.scale, 1, _MOST_SCALE)
        if self.background not in ("moving", "frozen", "blank"):
            raise ArgumentError("background", f"{show(self.background)} is not one of moving, frozen, blank")
        if self.labels and self.scale is not None:
            raise ArgumentError("scale", f"{self.scale} with labels, which are drawn at the scale of previews; leave it out")

    def pixels(self, spec: WorldSpec) -> int:
        """Number of pixels of an enlarged frame, without the labels around it."""
        return spec.height * spec.width * (self.scale or scale_of(spec)) ** 2


PLAIN = View()
"""The frames as they were, at the scale of previews."""


def pictures(world: World, episodes: Sequence[Episode], view: View) -> Iterator[NDArray[np.uint8]]:
    """Draw the frames of episodes, one after the other, rendered some at a time.

    Args:
        world: the world of the episodes.
        episodes: checked episodes.
        view: how they are drawn.

    Yields:
        (h, w, 3) uint8 RGB pictures of one size.

    Raises:
        ArgumentError: the world has no such character as `view` shows.
    """
    spec, scale = world.spec, view.scale or scale_of(world.spec)
    for episode in episodes:
        script = _twin(spec, replay(spec, episode), view)
        split = SPLITS[character_splits(spec)[int(script.character)]]
        for first in range(0, episode.frames, CHUNK_FRAMES):
            clip = render(world, script.window(first, first + CHUNK_FRAMES), background=view.background)
            for t, (frame_hwc, mask_hw) in enumerate(zip(*clip, strict=True), start=first):
                yield annotate(frame_hwc, mask_hw, script, t, split, spec) if view.labels else enlarge(frame_hwc, scale)


def _twin(spec: WorldSpec, script: Script, view: View) -> Script:
    """The labels of what is shown."""
    if view.character is not None:
        character = whole("character", view.character, 0, spec.cast.characters - 1)
        script = replace(script, character=np.asarray(character, np.int32), parts=parts_of(spec, np.array([character]))[0])
    if view.background == "moving":
        return script
    return replace(
        script,
        background_action=np.full_like(script.background_action, GlobalAction.stay),
        background_shift=np.zeros_like(script.background_shift),
        background_offset=np.repeat(script.background_offset[:1], len(script.background_offset), 0),
    )
