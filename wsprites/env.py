"""The world as a Gymnasium environment: the agent moves the sprite and chooses what its body does; the scene moves on its own.

Importing this module registers "wsprites/Walk-v0". Axis suffixes: n environments, 2 = (x, y).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from wsprites.art import World, load_world
from wsprites.errors import UserError
from wsprites.render import Background, Clip, render
from wsprites.world.actions import CYCLE, DELTA_XY, GlobalAction, is_walk, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, scripts
from wsprites.world.spec import SPLITS, WorldSpec

_FPS = 10
_WINDOW_SCALE = 5
_MOST_CLIPS = 2**40  # that an episode may begin like
_AHEAD = 32  # episodes whose scripts are written together: without numba one alone takes as long as its rendering
_SCENE = ("background_action", "background_offset", "background_shift")


class State(NamedTuple):
    """Everything that decides what an environment does next. Its arrays are never written to, so that a state can be kept."""

    script: Script
    """Of all frames of the episode: who is seen, where the scene moves."""
    t: int
    now: Script
    """Of the one frame that is shown: what was really done."""
    cursor: NDArray[np.int64]
    """(n, A) next frame of the cycle of every local action."""


class _Stage:
    """n worlds side by side, all at the same frame of their episodes."""

    def __init__(
        self, world: str | WorldSpec | World, sheets: str, backgrounds: str, background: Background, length: int, split: str, seed: int
    ):
        if background not in ("moving", "frozen", "blank"):
            raise UserError(f"background {background!r}: not one of moving, frozen, blank")
        if split and split not in SPLITS:
            raise UserError(f"split {split!r}: not one of {', '.join(SPLITS)}")
        if length < 1:
            raise UserError(f"length {length}: an episode has 1 step or more")
        self.world = load_world(world, sheets, backgrounds).replace(frames=length + 1)
        self.spec = self.world.spec
        self.length, self._background, self._seed = length, background, seed
        cast = casting(self.spec, seed).split
        self._places = np.flatnonzero(cast == SPLITS.index(split)) if split else np.arange(len(cast))
        self._walks = np.array([is_walk(action) for action in local_actions(self.spec.facings)]) & self.spec.local.coupled
        height, width = self.spec.height, self.spec.width
        self.observation_space = gymnasium.spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.action_space = gymnasium.spaces.MultiDiscrete([len(GlobalAction), len(self._walks)])

    def check(self, actions: object, shape: tuple[int, ...]) -> NDArray[np.int64]:
        """Actions as an array. Raises ValueError if they are not in the action space."""
        action = np.asarray(actions)
        # MultiDiscrete.contains takes a third of the time of a step.
        if action.shape != shape or action.dtype.kind not in "iu" or (action < 0).any() or (action >= self.action_space.nvec).any():
            raise ValueError(f"action {actions!r} is not of shape {shape} in {self.action_space}")
        return action.astype(np.int64)

    def draw_clips(self, random: np.random.Generator, n: int) -> NDArray[np.int64]:
        """Numbers of clips, for the scripts of n episodes."""
        return random.choice(self._places, n) + self.spec.cast.characters * random.integers(
            _MOST_CLIPS // self.spec.cast.characters, size=n
        )

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

    def begin(self, script: Script) -> None:
        """Show the first frame of n episodes."""
        now = dataclasses.replace(script, **{name: getattr(script, name)[:, :1] for name in FRAME_LABELS})
        cursor = np.zeros((len(script.index), len(self._walks)), np.int64)
        cursor[np.arange(len(script.index)), now.local_action[:, 0]] = (now.animation_frame[:, 0] + 1) % CYCLE
        self.state = State(script, 0, now, cursor)

    def act(self, action_n2: NDArray[np.integer]) -> None:
        """Do what is asked for, and show the next frame."""
        script, t, before, cursor = self.state
        global_n, local_n = action_n2.T
        point = before.position[:, 0] + self.spec.sprite.step * DELTA_XY[global_n]
        position = np.minimum(np.maximum(point, 0), self.spec.sprite_box).astype(np.int16)
        # As in a script: a walk goes on where it stopped, another action of a coupled world only if it was just shown.
        goes_on = (local_n == before.local_action[:, 0]) | self._walks[local_n]
        every = np.arange(len(local_n))
        frame = np.where(goes_on, cursor[every, local_n], 0)
        cursor = cursor.copy()
        cursor[every, local_n] = (frame + 1) % CYCLE
        now = Script(
            **{name: getattr(script, name) for name in CLIP_LABELS},
            **{name: getattr(script, name)[:, t + 1 : t + 2] for name in _SCENE},
            global_action=global_n.astype(np.uint8)[:, None],
            local_action=local_n.astype(np.uint8)[:, None],
            animation_frame=frame.astype(np.uint8)[:, None],
            position=position[:, None],
            shift=(position - before.position[:, 0])[:, None],
        )
        self.state = State(script, t + 1, now, cursor)

    def draw(self) -> Clip:
        """(n, H, W, 3) frames and (n, H, W) masks of what is shown, in new memory."""
        now = self.state.now
        background: Background = "blank" if self._background == "blank" else "moving"
        clip = render(self.world, now, background=background)
        return Clip(clip.frames_thwc[:, 0], clip.masks_thw[:, 0])

    def info(self, masks: NDArray[np.bool_]) -> dict[str, Any]:
        """The labels of what is shown, by their names in a file, (n, ...), and the masks."""
        now = self.state.now
        labels = {name: getattr(now, name)[:, 0] if name in FRAME_LABELS else getattr(now, name) for name in LABELS}
        return {**{name: values.copy() for name, values in labels.items()}, "mask": masks}


class Walk(gymnasium.Env[NDArray[np.uint8], NDArray[np.int64]]):
    """One character in one world. There is no reward: it is 0 at every step, and an episode is truncated after `length` steps.

    Observations are frames, (H, W, 3) uint8 RGB. Actions are (GlobalAction, LocalAction), MultiDiscrete([5, 9]), or [5, 12] with
    facings=4; any pair is possible in any world. `info` holds the labels of the frame by their names in a data file, and its
    `mask`, (H, W) bool.

    Args:
        world: "paper", "released", "factorial", a TOML file or a WorldSpec.
        sheets, backgrounds: the art, as for `wsprites generate`.
        background: "moving" by the walk of the world, "frozen", or "blank".
        length: steps of an episode.
        split: characters of "train", "val" or "test" only; empty: of all.
        data_seed: of the data set whose clips the episodes begin like.
        render_mode: "rgb_array", "human" (a window; needs pygame) or None.

    Raises:
        UserError: one of these is impossible; the message says which and why.
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": _FPS}

    def __init__(
        self,
        world: str | WorldSpec | World = "paper",
        sheets: str = "own",
        backgrounds: str = "painted",
        background: Background = "moving",
        length: int = 89,
        split: str = "",
        data_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise UserError(f"render_mode {render_mode!r}: not one of {', '.join(self.metadata['render_modes'])}")
        self._stage = _Stage(world, sheets, backgrounds, background, length, split, data_seed)
        self.spec_of_world, self.render_mode = self._stage.spec, render_mode
        self.observation_space, self.action_space = self._stage.observation_space, self._stage.action_space
        self._ahead: list[Script] = []
        self._window: Any = None
        self._shown: NDArray[np.uint8] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode like a clip of the data set: its character, scene, first frame and motion of the scene.

        Args:
            seed: of the choice of clips from now on.
            options: {"clip": number} begins like that clip; {"clip": number, "data_seed": seed} like one of another data set.
        """
        super().reset(seed=seed)
        options = options or {}
        if unknown := set(options) - {"clip", "data_seed"}:
            raise UserError(f"options: {', '.join(map(str, unknown))} unknown; there are clip and data_seed")
        if seed is not None or options:
            self._ahead = []
        if "clip" in options:
            self._stage.begin(self._stage.write(np.array([options["clip"]]), options.get("data_seed")))
            return self._look()
        if not self._ahead:
            script_n = self._stage.write(self._stage.draw_clips(self.np_random, _AHEAD))
            self._ahead = [script_n[n : n + 1] for n in reversed(range(_AHEAD))]
        self._stage.begin(self._ahead.pop())
        return self._look()

    def step(self, action: NDArray[np.int64]) -> tuple[NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Do an action, (2,) int: (GlobalAction, LocalAction). At the edge of the frame a step is shorter or none.

        Raises:
            ValueError: it is not in the action space.
            RuntimeError: the episode is over.
        """
        action = self._stage.check(action, (2,))
        if self._stage.state.t >= self._stage.length:
            raise RuntimeError("the episode is over; call reset")
        self._stage.act(action[None])
        observation, info = self._look()
        return observation, 0.0, False, self._stage.state.t >= self._stage.length, info

    def state(self) -> State:
        """All that decides about the rest of the episode, but for the actions: `set_state` goes on from here, also in another
        environment with the same options. It is never changed, so that one state serves many counterfactuals."""
        return self._stage.state

    def set_state(self, state: State) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Return to a state. Gives its observation and info, as `reset` does."""
        self._stage.state = state
        return self._look()

    def _look(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        clip = self._stage.draw()
        self._shown = clip.frames_thwc[0]
        if self.render_mode == "human":
            self.render()
        return self._shown, {name: values[0] for name, values in self._stage.info(clip.masks_thw).items()}

    def render(self) -> NDArray[np.uint8] | None:
        """The frame that is shown, for render_mode "rgb_array"; for "human" it goes to the window."""
        if self._shown is None or self.render_mode != "human":
            return None if self.render_mode is None or self._shown is None else self._shown.copy()
        import pygame

        height, width = self._shown.shape[:2]
        size = (width * _WINDOW_SCALE, height * _WINDOW_SCALE)
        if self._window is None:
            pygame.display.init()
            self._window, self._clock = pygame.display.set_mode(size), pygame.time.Clock()
            pygame.display.set_caption("W-Sprites")
        picture = pygame.surfarray.make_surface(self._shown.swapaxes(0, 1))
        self._window.blit(pygame.transform.scale(picture, size), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(_FPS)
        return None

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None


class WalkVector(gymnasium.vector.VectorEnv[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]):
    """Many characters, each in its own world, stepped and rendered together. Arguments as for `Walk`.

    Episodes are of one length, so all of them end together; the step after that begins the next ones (NEXT_STEP).
    """

    metadata = {**Walk.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int = 1,
        world: str | WorldSpec | World = "paper",
        sheets: str = "own",
        backgrounds: str = "painted",
        background: Background = "moving",
        length: int = 89,
        split: str = "",
        data_seed: int = 0,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, "rgb_array"):
            raise UserError(f"render_mode {render_mode!r}: a vector environment has rgb_array or none")
        self._stage = _Stage(world, sheets, backgrounds, background, length, split, data_seed)
        self.num_envs, self.spec_of_world, self.render_mode = num_envs, self._stage.spec, render_mode
        self.single_observation_space, self.single_action_space = self._stage.observation_space, self._stage.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shown: NDArray[np.uint8] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode in each. `options` {"clip": (n,) numbers} begins like those clips."""
        super().reset(seed=seed)
        options = options or {}
        index_n = np.asarray(options["clip"]) if "clip" in options else self._stage.draw_clips(self.np_random, self.num_envs)
        if index_n.shape != (self.num_envs,):
            raise UserError(f"options: clip has the shape {index_n.shape}; it wants a number for each of {self.num_envs} environments")
        self._stage.begin(self._stage.write(index_n, options.get("data_seed")))
        return self._look()

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], dict[str, Any]]:
        """Do actions, (n, 2) int. Raises ValueError if one is not in the action space."""
        actions = self._stage.check(actions, (self.num_envs, 2))
        if self._stage.state.t >= self._stage.length:
            self._stage.begin(self._stage.write(self._stage.draw_clips(self.np_random, self.num_envs)))
        else:
            self._stage.act(actions)
        observation, info = self._look()
        never = np.zeros(self.num_envs, bool)
        over = np.full(self.num_envs, self._stage.state.t >= self._stage.length)
        return observation, np.zeros(self.num_envs), never, over, info

    def _look(self) -> tuple[NDArray[np.uint8], dict[str, Any]]:
        clip = self._stage.draw()
        self._shown = clip.frames_thwc
        return clip.frames_thwc, self._stage.info(clip.masks_thw)

    def render(self) -> tuple[Any, ...] | None:
        """The frames that are shown, for render_mode "rgb_array"."""
        return None if self.render_mode is None or self._shown is None else tuple(self._shown.copy())


gymnasium.register("wsprites/Walk-v0", entry_point="wsprites.env:Walk", vector_entry_point="wsprites.env:WalkVector")
