"""The world as a Gymnasium environment: the agent moves the sprite and chooses its animation; the background moves on its own.

Importing this module registers "wsprites/Walk-v0". Axis suffixes: n environments, 2 = (x, y) or (global, local action).
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
from wsprites.errors import ArgumentError
from wsprites.render import Background, Clip, render
from wsprites.world.act import Pose, act, pose
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, LABELS, Script, casting, scripts
from wsprites.world.spec import SPLITS, WorldSpec

_FPS = 10
_WINDOW_SCALE = 5
_CLIPS = 2**40  # clips that an episode may begin like
_AHEAD = 32  # episodes of a single environment whose scripts are written together, which is faster
_SCENE = ("background_action", "background_offset", "background_shift")

Info = dict[str, Any]
"""The labels of the frame by their names in a data file, and its `mask`."""


class EnvState(NamedTuple):
    """Everything that determines what n environments do next. Its arrays are never written to, so that a state can be kept."""

    script: Script
    """(n, T) labels of the episodes as they were written: their characters, and the motion of the background."""
    t: int
    """Frame of the episode."""
    pose: Pose
    """Positions and animations of the sprites in that frame."""
    actions: NDArray[np.uint8]
    """(n,) the global actions that led to that frame."""


class _Stage:
    """n worlds side by side, all at the same frame of their episodes."""

    state: EnvState

    def __init__(
        self, world: str | WorldSpec | World, sheets: str, backgrounds: str, background: Background, length: int, split: str, seed: int
    ):
        if background not in ("moving", "frozen", "blank"):
            raise ArgumentError("background", f"{background!r} is not one of moving, frozen, blank")
        if split and split not in SPLITS:
            raise ArgumentError("split", f"{split!r} is not one of {', '.join(SPLITS)}")
        if length < 1:
            raise ArgumentError("length", f"{length} is less than 1 step")
        self.world = load_world(world, sheets, backgrounds).replace(frames=length + 1)
        self.spec = self.world.spec
        self.length, self._background, self._seed = length, background, seed
        split_c = casting(self.spec, seed).split
        self._members = np.flatnonzero(split_c == SPLITS.index(split)) if split else np.arange(len(split_c))
        height, width = self.spec.height, self.spec.width
        self.observation_space = gymnasium.spaces.Box(0, 255, (height, width, 3), np.uint8)
        self.action_space = gymnasium.spaces.MultiDiscrete([len(GlobalAction), len(local_actions(self.spec.facings))])

    @property
    def over(self) -> bool:
        """True after the last step of the episodes."""
        return self.state.t >= self.length

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

    def asked_for(self, options: Mapping[str, Any] | None, n: int) -> Script | None:
        """The scripts of the clips that the options of `reset` name, None without such clips."""
        options = options or {}
        if unknown := set(options) - {"clip", "data_seed"}:
            raise ArgumentError("options", f"{', '.join(map(str, unknown))} unknown; use clip and data_seed")
        if "clip" not in options:
            return None
        index_n = np.asarray(options["clip"], np.int64)
        if index_n.size != n or index_n.ndim > 1:
            raise ArgumentError("options", f"clip has the shape {index_n.shape}; it needs one number for each of {n} environments")
        return self.write(index_n.reshape(n), options.get("data_seed"))

    def begin(self, script: Script) -> None:
        """Show the first frame of n episodes."""
        self.state = EnvState(script, 0, pose(self.spec, script, 0), script.global_action[:, 0])

    def step(self, actions: object, shape: tuple[int, ...]) -> None:
        """Do one action of each of n characters, and show the next frame. Raises ValueError if they are not in the action space."""
        action = np.asarray(actions)
        # MultiDiscrete.contains takes a third of the time of a step.
        if action.shape != shape or action.dtype.kind not in "iu" or (action < 0).any() or (action >= self.action_space.nvec).any():
            raise ValueError(f"action {actions!r} is not of shape {shape} in {self.action_space}")
        global_n, local_n = action.reshape(-1, 2).T
        script, t, before, _ = self.state
        self.state = EnvState(script, t + 1, act(self.spec, before, global_n, local_n), global_n.astype(np.uint8))

    def look(self) -> tuple[NDArray[np.uint8], Info]:
        """(n, H, W, 3) frames that are shown, and their labels and masks, (n, ...), in new memory."""
        script, t, shown, global_n = self.state
        now = Script(
            **{name: getattr(script, name) for name in CLIP_LABELS},
            **{name: getattr(script, name)[:, t : t + 1] for name in _SCENE},
            global_action=global_n[:, None],
            local_action=shown.local_action[:, None],
            animation_frame=shown.animation_frame[:, None],
            position=shown.position[:, None],
            shift=shown.shift[:, None],
        )
        clip: Clip = render(self.world, now, background="blank" if self._background == "blank" else "moving")
        labels = {name: getattr(now, name)[:, 0] if name in FRAME_LABELS else getattr(now, name) for name in LABELS}
        return clip.frames_thwc[:, 0], {**{name: values.copy() for name, values in labels.items()}, "mask": clip.masks_thw[:, 0]}


class WalkEnv(gymnasium.Env[NDArray[np.uint8], NDArray[np.int64]]):
    """One character in one world. The reward is always 0, and an episode is truncated after `length` steps.

    Observations are frames, (H, W, 3) uint8 RGB. Actions are (GlobalAction, LocalAction), MultiDiscrete([5, 9]), or [5, 12] with
    facings=4; any pair is possible in any world. `info` holds the labels of the frame by their names in a data file, and its
    `mask`, (H, W) bool.

    Args:
        world: "paper", "released", "factorial", "small-world", a TOML file, a WorldSpec or a World.
        sheets, backgrounds: the art, as for `wsprites.art.load_art`.
        background: "moving" by the walk of the world, "frozen", or "blank".
        length: steps per episode.
        split: "train", "val" or "test" for the characters of that split only; empty for all.
        data_seed: seed of the data set whose clips the episodes begin like.
        render_mode: "rgb_array", "human" (a window; needs pygame) or None.

    Raises:
        UserError: an argument has an impossible value, or the world or its art cannot be loaded.

    Example:
        >>> env = WalkEnv(length=5)
        >>> observation, info = env.reset(seed=0)
        >>> observation, reward, terminated, truncated, info = env.step(np.array([1, 2]))
        >>> observation.shape, info["global_action"].item()
        ((96, 128, 3), 1)
    """

    metadata = {"render_modes": ["rgb_array", "human"], "render_fps": _FPS}

    def __init__(
        self,
        *,
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
            raise ArgumentError("render_mode", f"{render_mode!r} is not one of {', '.join(self.metadata['render_modes'])}")
        self._stage = _Stage(world, sheets, backgrounds, background, length, split, data_seed)
        self.spec_of_world, self.render_mode = self._stage.spec, render_mode
        self.observation_space, self.action_space = self._stage.observation_space, self._stage.action_space
        self._ahead: list[Script] = []
        self._window: Any = None
        self._shown: NDArray[np.uint8] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[np.uint8], Info]:
        """Begin an episode like a clip of the data set: its character, scene, first frame and motion of the scene.

        Args:
            seed: seed for the choice of clips from now on.
            options: {"clip": index} begins like that clip; {"clip": index, "data_seed": seed} like a clip of another data set.

        Returns:
            The frame, (H, W, 3) uint8, and its labels.
        """
        super().reset(seed=seed)
        script = self._stage.asked_for(options, 1)
        if seed is not None or options:
            self._ahead = []
        if script is None:
            if not self._ahead:
                script_n = self._stage.write(self._stage.draw_clips(self.np_random, _AHEAD))
                self._ahead = [script_n[n : n + 1] for n in reversed(range(_AHEAD))]
            script = self._ahead.pop()
        self._stage.begin(script)
        return self._look()

    def step(self, action: NDArray[np.int64]) -> tuple[NDArray[np.uint8], float, bool, bool, Info]:
        """Do an action, (2,) int: (GlobalAction, LocalAction). At the edge of the frame, a step is shorter or zero.

        Raises:
            ValueError: the action is not in the action space.
            RuntimeError: the episode is over.
        """
        if self._stage.over:
            raise RuntimeError("the episode is over; call reset")
        self._stage.step(action, (2,))
        observation, info = self._look()
        return observation, 0.0, False, self._stage.over, info

    def state(self) -> EnvState:
        """The state of the episode. `set_state` resumes from it, also in another environment with the same arguments.

        It is never changed, so that one state serves many counterfactuals.
        """
        return self._stage.state

    def set_state(self, state: EnvState) -> tuple[NDArray[np.uint8], Info]:
        """Return to a state. Returns its frame, (H, W, 3) uint8, and its labels, as `reset` does."""
        self._stage.state = state
        return self._look()

    def _look(self) -> tuple[NDArray[np.uint8], Info]:
        frames_nhwc, info = self._stage.look()
        self._shown = frames_nhwc[0]
        if self.render_mode == "human":
            self.render()
        return self._shown, {name: values[0] for name, values in info.items()}

    def render(self) -> NDArray[np.uint8] | None:
        """The frame that is shown, (H, W, 3) uint8, for render_mode "rgb_array"; for "human" it is drawn in the window."""
        if self._shown is None or self.render_mode is None:
            return None
        if self.render_mode == "rgb_array":
            return self._shown.copy()
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


class WalkVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]):
    """Many characters, each in its own world, stepped and rendered together. Arguments are those of `WalkEnv`, and `num_envs`.

    All episodes have the same length and end together; the step after that begins the next ones (NEXT_STEP).

    Example:
        >>> envs = WalkVectorEnv(3, world="factorial", length=5)
        >>> observations, info = envs.reset(seed=0)
        >>> observations.shape, info["mask"].shape
        ((3, 96, 128, 3), (3, 96, 128))
    """

    metadata = {**WalkEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int,
        *,
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
            raise ArgumentError("render_mode", f"{render_mode!r}: a vector environment has rgb_array or None")
        self._stage = _Stage(world, sheets, backgrounds, background, length, split, data_seed)
        self.num_envs, self.spec_of_world, self.render_mode = num_envs, self._stage.spec, render_mode
        self.single_observation_space, self.single_action_space = self._stage.observation_space, self._stage.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._shown: NDArray[np.uint8] | None = None

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[np.uint8], Info]:
        """Begin an episode in each environment, with the options of `WalkEnv.reset`; "clip" has an index for each, (n,) int."""
        super().reset(seed=seed)
        self._stage.begin(self._stage.asked_for(options, self.num_envs) or self._random())
        return self._look()

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Do actions, (n, 2) int. Raises ValueError if one of them is not in the action space."""
        over = self._stage.over
        self._stage.step(actions, (self.num_envs, 2))
        if over:  # the actions are only checked
            self._stage.begin(self._random())
        observation, info = self._look()
        return observation, np.zeros(self.num_envs), np.zeros(self.num_envs, bool), np.full(self.num_envs, self._stage.over), info

    def _random(self) -> Script:
        """The scripts of episodes that begin like random clips."""
        return self._stage.write(self._stage.draw_clips(self.np_random, self.num_envs))

    def _look(self) -> tuple[NDArray[np.uint8], Info]:
        self._shown, info = self._stage.look()
        return self._shown, info

    def render(self) -> tuple[Any, ...] | None:
        """The n frames that are shown, (H, W, 3) uint8 each, for render_mode "rgb_array"."""
        return None if self.render_mode is None or self._shown is None else tuple(self._shown.copy())


gymnasium.register("wsprites/Walk-v0", entry_point="wsprites.env:WalkEnv", vector_entry_point="wsprites.env:WalkVectorEnv")
