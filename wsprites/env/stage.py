"""Episodes in worlds side by side, from which the environments are made. Axis suffixes: n worlds, k of them, 2 = (x, y) or actions."""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import gymnasium
import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.art import World, load_world
from wsprites.env import task as tasks
from wsprites.errors import ArgumentError
from wsprites.fields import whole
from wsprites.file import DataFile
from wsprites.render import Background, Clip, render
from wsprites.render.resize import check_size, pixel_scale
from wsprites.render.resize import resize as resize_clip
from wsprites.world.act import Pose, act, pose
from wsprites.world.actions import GlobalAction, LocalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, scripts
from wsprites.world.spec import SPLITS, WorldSpec

AHEAD = 32
"""Number of clips that an environment draws at a time for its next episodes: writing their scripts together is faster."""
_CLIPS, _LONGEST = 2**40, 9_999  # clips that an episode may begin like; steps of an episode, one less than a world may have frames
_SCENE = ("background_action", "background_offset", "background_shift")

Info = dict[str, Any]
"""The labels of the frame by their names in a data file, and its `mask`."""


class EnvState(NamedTuple):
    """Everything that determines what n environments do next. Its arrays are never written to, so that a state can be kept."""

    script: Script
    """(n, T) labels of the episodes as they were written: their characters, and the motion of the background."""
    t: NDArray[np.int64]
    """(n,) frames of the episodes."""
    pose: Pose
    """Positions and animations of the sprites in those frames."""
    actions: NDArray[np.uint8]
    """(n,) the global actions that led to those frames."""
    marker: NDArray[np.int16] | None = None
    """(n, 2) where the sprites have to be, as positions; None without a task."""


class Stage:
    """n worlds side by side, each at its own frame of its episode.

    Raises:
        UserError: an argument has an impossible value, or the world or its art cannot be loaded.
    """

    state: EnvState | None = None

    def __init__(
        self,
        n: int,
        *,
        world: str | os.PathLike[str] | WorldSpec | World,
        sheets: str,
        backgrounds: str,
        background: Background,
        length: int,
        split: str,
        data_seed: int,
        art_sha256: str,
        task: str = "",
        resize: Sequence[int] | None = None,
    ):
        if background not in ("moving", "frozen", "blank"):
            raise ArgumentError("background", f"{background!r} is not one of moving, frozen, blank")
        if split and split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        length = whole("length", length, 1, _LONGEST)
        self.world = _world(world, sheets, backgrounds).replace(frames=length + 1)
        if art_sha256 and self.world.art.sha256 != art_sha256:
            made = f"the art has the hash {self.world.art.sha256[:16]}, and that of the data set {art_sha256[:16]}"
            raise ArgumentError("sheets", f"{made}; pass the sheets and backgrounds that it was generated with, or its file as world")
        self.n, self.spec = n, self.world.spec
        tasks.check_task(task, self.spec)
        self.split, self.task, self.length, self._background, self._seed = split, task, length, background, _whole("data_seed", data_seed)
        split_c = casting(self.spec, self._seed).split
        self._members = np.flatnonzero(split_c == SPLITS.index(split)) if split else np.arange(len(split_c))
        if not len(self._members):
            raise ArgumentError("split", f"this world has no characters in {split}")
        own, self._resize = (self.spec.height, self.spec.width), check_size(resize)
        self.pixel_scale = pixel_scale(own, self._resize)
        self.observation_space = gymnasium.spaces.Box(0, 255, (*(self._resize or own), 3), np.uint8)
        # Local actions keep their numbers in a world without some animations, so its space has numbers that `step` refuses.
        self._possible = np.isin(np.arange(len(local_actions(self.spec.facings))), self.spec.local_actions)
        self.action_space = gymnasium.spaces.MultiDiscrete([len(GlobalAction), len(local_actions(self.spec.facings))])

    def __str__(self) -> str:
        task, (height, width, _) = f", task {self.task}" if self.task else "", self.observation_space.shape
        return f"{self.spec.name}, {self.split or 'all'} characters{task}: episodes of {self.length} steps, {height} x {width}"

    def running(self, method: str) -> EnvState:
        """The state. Raises ResetNeeded if no episode has begun."""
        if self.state is None:
            raise gymnasium.error.ResetNeeded(f"Cannot call env.{method}() before calling env.reset()")
        return self.state

    def draw_clips(self, random: np.random.Generator, n: int) -> NDArray[np.int64]:
        """(n,) random indices of clips, for the scripts of n episodes."""
        characters = self.spec.cast.characters
        return random.choice(self._members, n) + characters * random.integers(_CLIPS // characters, size=n)

    def write(self, index_n: NDArray[np.int64], seed: int | None = None) -> Script:
        """The scripts of episodes that begin like clips of the data set `seed`."""
        script = scripts(self.spec, self._seed if seed is None else seed, index_n)
        if self._background == "moving":
            return script
        return dataclasses.replace(
            script,
            background_action=np.full_like(script.background_action, GlobalAction.stay),
            background_shift=np.zeros_like(script.background_shift),
            background_offset=np.repeat(script.background_offset[:, :1], self.length + 1, 1),
        )

    def asked_for(self, options: Mapping[str, Any]) -> Script | None:
        """The scripts of the clips that the options of `reset` name, one for all worlds or one for each; None without such clips.

        Raises:
            UserError: an option is unknown or has an impossible value.
        """
        if unknown := set(as_options(options)) - {"clip", "data_seed"}:
            raise ArgumentError("options", f"{', '.join(map(str, unknown))} unknown; use clip and data_seed")
        if "clip" not in options:
            if "data_seed" in options:
                raise ArgumentError("options", "data_seed without clip; pass both")
            return None
        index_n = np.asarray(options["clip"])
        if index_n.dtype.kind not in "iu" or (index_n < 0).any():
            raise ArgumentError("options", f"clip {options['clip']!r} is not a whole number of 0 or more")
        if index_n.ndim > 1 or index_n.size not in (1, self.n):
            raise ArgumentError("options", f"clip has the shape {index_n.shape}; it needs one number for each of {self.n} environments")
        seed = _whole("options", options["data_seed"]) if "data_seed" in options else None
        return self.write(np.broadcast_to(index_n.reshape(-1), self.n).astype(np.int64), seed)

    def begin(self, script_k: Script, rows: NDArray[np.bool_] | None = None) -> None:
        """Show the first frames of the episodes of `script_k` in the worlds `rows`, (n,); None: all of them."""
        started = len(script_k.index)
        marker_k2 = tasks.markers(self.spec, script_k) if self.task else None
        first = EnvState(script_k, np.zeros(started, np.int64), pose(self.spec, script_k, 0), script_k.global_action[:, 0], marker_k2)
        if rows is None or rows.all():
            self.state = first
            return
        old = self.running("step")
        script = Script(**{name: _replaced(getattr(old.script, name), rows, getattr(script_k, name)) for name in LABELS})
        poses = Pose(**{name: _replaced(getattr(old.pose, name), rows, getattr(first.pose, name)) for name in Pose._fields})
        marker = None if old.marker is None or marker_k2 is None else _replaced(old.marker, rows, marker_k2)
        self.state = EnvState(script, _replaced(old.t, rows, first.t), poses, _replaced(old.actions, rows, first.actions), marker)

    def step(self, actions: object, shape: tuple[int, ...], ignored: NDArray[np.bool_] | None = None) -> None:
        """Do one action of each of n characters.

        Raises ValueError, and does nothing, if one is not in the action space, and ArgumentError if the world lacks its animation.

        Args:
            actions: n pairs of integers.
            shape: the shape that they must have.
            ignored: (n,) worlds whose actions are not looked at, because their next episode begins; None: no worlds.
        """
        state, action = self.running("step"), np.asarray(actions)
        if action.shape == shape and ignored is not None:
            action = np.where(ignored[:, None], (0, self.spec.local_actions[0]), action)
        # MultiDiscrete.contains takes a third of the time of a step.
        if action.shape != shape or action.dtype.kind not in "iu" or (action < 0).any() or (action >= self.action_space.nvec).any():
            raise ValueError(f"action {actions!r} is not of shape {shape} in {self.action_space}")
        global_n, local_n = action.reshape(-1, 2).T
        if not self._possible[local_n].all():
            name, given = ("action", "actions")[len(shape) - 1], LocalAction(local_n[~self._possible[local_n]][0])
            possible = ", ".join(f"{shown.value} {shown.name}" for shown in self.spec.local_actions)
            raise ArgumentError(name, f"this world has no {given.name} ({given.value}); its local actions are {possible}")
        after = act(self.spec, state.pose, global_n, local_n)
        self.state = EnvState(state.script, state.t + 1, after, global_n.astype(np.uint8), state.marker)

    def solved(self) -> NDArray[np.bool_]:
        """(n,) whether the task is done by the actions that led to the frames; False without a task."""
        state = self.running("step")
        if state.marker is None:
            return np.zeros(self.n, bool)
        return (state.t > 0) & tasks.reached(self.spec, state.marker, state.pose.position, state.pose.local_action)

    def look(self) -> tuple[NDArray[np.uint8], Info]:
        """(n, H, W, 3) observations, and their labels and masks, (n, ...), in new memory."""
        frames, info = self.draw()
        if self._resize:
            clip = resize_clip(Clip(frames, info["mask"]), self._resize)
            frames, info["mask"] = clip.frames_thwc, clip.masks_thw
        return frames, info

    def draw(self) -> tuple[NDArray[np.uint8], Info]:
        """The same at the world's own size."""
        script, t, shown, global_n, marker = self.running("render")
        every = np.arange(self.n)
        now = Script(
            **{name: getattr(script, name) for name in CLIP_LABELS},
            **{name: getattr(script, name)[every, t][:, None] for name in _SCENE},
            global_action=global_n[:, None],
            local_action=shown.local_action[:, None],
            animation_frame=shown.animation_frame[:, None],
            position=shown.position[:, None],
            shift=shown.shift[:, None],
        )
        clip: Clip = render(self.world, now, background="blank" if self._background == "blank" else "moving")
        labels = {name: getattr(now, name)[:, 0] if name in FRAME_LABELS else getattr(now, name) for name in LABELS}
        frames, info = clip.frames_thwc[:, 0], {**{name: values.copy() for name, values in labels.items()}, "mask": clip.masks_thw[:, 0]}
        if marker is not None:
            tasks.draw(self.spec, marker, frames, info["mask"])
            info["marker"] = marker.copy()
        return frames, info


def _replaced(old_n: NDArray[Any], rows: NDArray[np.bool_], new_k: NDArray[Any]) -> NDArray[Any]:
    """A copy of `old_n` with other values in some rows."""
    result = old_n.copy()
    result[rows] = new_k
    return result


def as_options(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """The options of `reset`. Raises ArgumentError if they are not a mapping."""
    if not isinstance(options, Mapping):
        raise ArgumentError("options", f"{options!r:.60} is not a dict with the names of options")
    return options


def _whole(argument: str, seed: object) -> int:
    if not isinstance(seed, int | np.integer) or isinstance(seed, bool) or not 0 <= seed < 2**63:
        name = "" if argument == "data_seed" else "data_seed "
        raise ArgumentError(argument, f"{name}{seed!r} is not a whole number from 0 to 2**63 - 1")
    return int(seed)


def _world(world: str | os.PathLike[str] | WorldSpec | World, sheets: str, backgrounds: str) -> World:
    """The world that an argument names, with its art."""
    if isinstance(world, str) and world.lstrip().startswith("{"):
        return load_world(WorldSpec.from_json(world), sheets, backgrounds)
    if isinstance(world, str | os.PathLike) and h5py.is_hdf5(world):
        with DataFile(world) as data:
            world = data.world
    if isinstance(world, World) and (sheets, backgrounds) != ("own", "painted"):
        raise ArgumentError("sheets", f"{sheets!r} with {backgrounds!r}: the world has its art already; leave sheets and backgrounds out")
    return load_world(world, sheets, backgrounds)
