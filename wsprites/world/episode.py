"""Episodes: a start state, and the actions that somebody chose from there. They determine every label, as a seed does in generated clips.

Axis suffixes: t steps or frames, 3 = (global, local, background) action, n clips, 2 = (x, y).
"""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import accumulate
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.world.act import Pose, act, move_crop, pose
from wsprites.world.actions import CYCLE, GlobalAction, LocalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, parts_of, scripts
from wsprites.world.spec import SPLITS, WorldSpec


@dataclass(frozen=True)
class Start:
    """A frame that an episode can begin with: who is seen, where, in front of what, and all that the next actions depend on."""

    script: Script
    """The labels of one clip of one frame, (1,) and (1, 2). `index` is the clip that the episode begins like, -1 if it begins like none."""
    cursor: NDArray[np.uint8]
    """(A,) next frame of the cycle of every local action, see `Pose`."""
    seed: int = -1
    """Seed of the data set whose clip `script.index` begins with this very frame, 0 to 2**63 - 1; -1 if none is known to."""

    @property
    def pose(self) -> Pose:
        """The state of the one character."""
        first = self.script
        return Pose(first.position, first.shift, first.local_action, first.animation_frame, self.cursor[None])


@dataclass(frozen=True)
class Episode:
    """A start, and T chosen actions: 1 + T frames."""

    start: Start
    """The first frame."""
    actions_t3: NDArray[np.uint8]
    """(T, 3) uint8: GlobalAction of the sprite, LocalAction, and GlobalAction of the background's crop, of each step."""

    @property
    def frames(self) -> int:
        """Number of frames, one more than there are steps."""
        return 1 + len(self.actions_t3)


class DrivenClips(NamedTuple):
    """The clips that are cut from one episode."""

    split: str
    """The split of the episode's character, which all of them belong to."""
    row: int
    """Row of the first of them in that split."""
    script: Script
    """(N, T) labels."""


def start_of(spec: WorldSpec, seed: int, index: int) -> Start:
    """The start of an episode that begins like clip `index` of the data set `seed`. Raises ArgumentError for impossible numbers.

    Example:
        >>> from wsprites.world.spec import PRESETS
        >>> start_of(PRESETS["paper"], 0, 7).script.position.shape
        (1, 2)
    """
    script_n = scripts(dataclasses.replace(spec, frames=1), seed, [index])
    return Start(script_n[0], pose(spec, script_n, 0).cursor[0], seed)


def same_start(a: Start, b: Start) -> bool:
    """Whether two starts show the same frame, and the same actions do the same from there."""
    return np.array_equal(a.cursor, b.cursor) and all(np.array_equal(getattr(a.script, name), getattr(b.script, name)) for name in LABELS)


def check_start(spec: WorldSpec, start: Start) -> None:
    """Raise ArgumentError, which names what is wrong, unless a start is a possible state of a world.

    A start with a seed must be the first frame of that clip.
    """
    first = start.script
    shapes = {name: getattr(first, name).shape for name in LABELS}
    points = {"position", "shift", "background_offset", "background_shift"}
    expected = {name: (1, 2) if name in points else (1,) if name in FRAME_LABELS else () for name in LABELS}
    expected["parts"] = (len(spec.cast.parts),)
    whole = all(array.dtype.kind in "iu" for array in (start.cursor, *(getattr(first, name) for name in LABELS)))
    if shapes != expected or start.cursor.shape != (3 * spec.facings,) or not whole:
        raise ArgumentError("start", "its arrays do not have the shapes and types of one clip of one frame of this world")
    # Numbers outside their ranges.
    moved, scrolled = spec.sprite.step, spec.background.step
    ranges = {
        "character": (0, spec.cast.characters - 1),
        "background": (0, spec.cast.backgrounds - 1),
        "global_action": (0, len(GlobalAction) - 1),
        "background_action": (0, len(GlobalAction) - 1),
        "animation_frame": (0, CYCLE - 1),
        "position": (0, spec.sprite_box),
        "background_offset": (0, spec.background_box),
        "shift": (-moved, moved),
        "background_shift": (-scrolled, scrolled),
    }
    for name, (low, high) in ranges.items():
        values = getattr(first, name)
        if (values < low).any() or (values > high).any():
            raise ArgumentError("start", f"{name} {values.tolist()} is outside {low} to {high}")
    _check_consistency(spec, start)


def _check_consistency(spec: WorldSpec, start: Start) -> None:
    """Raise ArgumentError unless the values of a start, each in its range, fit each other and the world."""
    first, character = start.script, int(start.script.character)
    local, frame = int(first.local_action[0]), int(first.animation_frame[0])
    if local not in spec.local_actions:
        raise ArgumentError("start", f"local_action {local} is none of this world's")
    if (start.cursor >= CYCLE).any() or start.cursor[local] != (frame + 1) % CYCLE:
        raise ArgumentError("start", f"cursor {start.cursor.tolist()} does not continue frame {frame} of local action {local}")
    if not np.array_equal(first.parts, parts_of(spec, np.array([character]))[0]):
        raise ArgumentError("start", f"parts {first.parts.tolist()} are not those of character {character}")
    split = SPLITS[character_splits(spec)[character]]
    if int(first.background) not in spec.scenes(split):
        raise ArgumentError("start", f"background {int(first.background)} is never shown with characters of {split} in this world")
    if start.seed >= 0 and not same_start(start, start_of(spec, start.seed, int(first.index))):
        raise ArgumentError("start", f"it is not the first frame of clip {int(first.index)} of seed {start.seed}")


def check_actions(spec: WorldSpec, actions_t3: NDArray[np.integer], *, first: int = 1) -> None:
    """Raise ArgumentError, which names the step, unless a world has all actions of an episode.

    Args:
        spec: the world.
        actions_t3: (T, 3) int actions.
        first: number of the first step.
    """
    if actions_t3.ndim != 2 or actions_t3.shape[1] != 3 or actions_t3.dtype.kind not in "iu":
        raise ArgumentError("actions_t3", f"{actions_t3.dtype} {actions_t3.shape} is not (T, 3) whole numbers")
    walks_t2, local_t = actions_t3[:, ::2], actions_t3[:, 1]
    wrong_t = ((walks_t2 < 0) | (walks_t2 >= len(GlobalAction))).any(1) | ~np.isin(local_t, spec.local_actions)
    if not wrong_t.any():
        return
    at = int(np.flatnonzero(wrong_t)[0])
    sprite, local, crop = actions_t3[at].tolist()
    for name, walk in (("global_action", sprite), ("background_action", crop)):
        if not 0 <= walk < len(GlobalAction):
            raise ArgumentError(name, f"{walk} (step {first + at}) is outside the range 0 to {len(GlobalAction) - 1}")
    known = f"{LocalAction(local).name} ({local})" if local in local_actions(4) else f"{local}"
    possible = ", ".join(f"{action.value} {action.name}" for action in spec.local_actions)
    raise ArgumentError("local_action", f"{known} (step {first + at}): this world has none such; its local actions are {possible}")


def advance(spec: WorldSpec, before: Start, action_3: NDArray[np.uint8]) -> Start:
    """The frame after one step, by the law of an action (`act`, `move_crop`), as a start of its own.

    Args:
        spec: the world; its number of frames is not used.
        before: the frame that the actions are done in.
        action_3: (3,) uint8, the global, local and background action; the world has them.

    Example:
        >>> from wsprites.world.spec import PRESETS
        >>> spec = PRESETS["factorial"]
        >>> right = np.array([GlobalAction.right, LocalAction.slash_front, GlobalAction.stay], np.uint8)
        >>> advance(spec, start_of(spec, 0, 7), right).script.position.tolist()
        [[44, 29]]
    """
    after = act(spec, before.pose, action_3[:1], action_3[1:2])
    offset = move_crop(spec, before.script.background_offset, action_3[2:])
    script = dataclasses.replace(
        before.script,
        global_action=action_3[:1],
        local_action=after.local_action,
        background_action=action_3[2:],
        animation_frame=after.animation_frame,
        position=after.position,
        shift=after.shift,
        background_offset=offset,
        background_shift=before.script.background_offset - offset,
    )
    return Start(script, after.cursor[0])


def replay(spec: WorldSpec, episode: Episode) -> Script:
    """The labels of all frames of an episode, (1 + T,): its actions done again, one after the other.

    Args:
        spec: the world; its number of frames is not used.
        episode: a checked start, and actions that the world has.

    Example:
        >>> from wsprites.world.spec import PRESETS
        >>> spec = PRESETS["factorial"]
        >>> right = (GlobalAction.right, LocalAction.slash_front, GlobalAction.stay)
        >>> script = replay(spec, Episode(start_of(spec, 0, 7), np.array([right] * 3, np.uint8)))
        >>> script.position.tolist(), script.animation_frame.tolist()
        ([[37, 29], [44, 29], [51, 29], [58, 29]], [0, 0, 1, 2])
    """
    states = list(accumulate(episode.actions_t3, partial(advance, spec), initial=episode.start))
    labels = {name: np.concatenate([getattr(state.script, name) for state in states]) for name in FRAME_LABELS}
    return Script(**{name: getattr(episode.start.script, name) for name in CLIP_LABELS}, **labels)


def windows(frames_e: Sequence[int], frames: int) -> list[tuple[int, int]]:
    """How episodes are cut into clips: (episode, its first frame) of every clip, one after the other.

    What remains at the end of an episode, and fills no clip, belongs to none.

    Args:
        frames_e: number of frames of each episode.
        frames: frames per clip.

    Example:
        >>> windows([25, 9, 10], 10)
        [(0, 0), (0, 10), (2, 0)]
    """
    return [(episode, first) for episode, count in enumerate(frames_e) for first in range(0, count - frames + 1, frames)]


def driven_sizes(spec: WorldSpec, episodes: Sequence[Episode]) -> dict[str, int]:
    """{split: number of clips} that the episodes are cut into."""
    sizes, split_c = dict.fromkeys(SPLITS, 0), character_splits(spec)
    for episode in episodes:
        sizes[SPLITS[split_c[int(episode.start.script.character)]]] += episode.frames // spec.frames
    return sizes


def driven_clips(spec: WorldSpec, episodes: Sequence[Episode]) -> Iterator[DrivenClips]:
    """The clips of `spec.frames` frames that episodes are cut into, one episode after the other; `index` counts them.

    A clip belongs to the split of its character, as generated ones do: no character is in two splits.
    """
    row_of, split_c, made = dict.fromkeys(SPLITS, 0), character_splits(spec), 0
    for episode in episodes:
        count, split = episode.frames // spec.frames, SPLITS[split_c[int(episode.start.script.character)]]
        if not count:
            continue
        script = replay(spec, episode)
        whole = {name: np.repeat(np.asarray(getattr(script, name))[None], count, 0) for name in CLIP_LABELS}
        whole["index"] = np.arange(made, made + count)
        labels = {name: getattr(script, name)[: count * spec.frames] for name in FRAME_LABELS}
        cut = {name: values.reshape(count, spec.frames, *values.shape[1:]) for name, values in labels.items()}
        yield DrivenClips(split, row_of[split], Script(**whole, **cut))
        row_of[split] += count
        made += count


def character_splits(spec: WorldSpec) -> NDArray[np.int8]:
    """(C,) int8: the split (number in SPLITS) of each character, by its id."""
    cast = casting(spec, 0)
    split_c = np.empty_like(cast.split)
    split_c[cast.character] = cast.split
    return split_c
