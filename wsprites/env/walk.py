"""One character in one world, as a Gymnasium environment."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.env.stage import AHEAD, EnvState, Info, Stage
from wsprites.errors import ArgumentError
from wsprites.render import Background
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

_FPS = 10
_WINDOW_SCALE = 5


class WalkEnv(gymnasium.Env[NDArray[np.uint8], NDArray[np.int64]]):
    """One character in one world. Without a task the reward is always 0, and an episode is truncated after `length` steps.

    Observations are frames, (H, W, 3) uint8 RGB. Actions are (GlobalAction, LocalAction), MultiDiscrete([5, 9]), or [5, 12] with
    facings=4; any pair is possible in any world that shows all animations, and `spec_of_world.local_actions` are those of any world.
    `info` holds the labels of the frame by their names in a data file, and its `mask`, (H, W) bool.

    Args:
        world: "paper" or another preset (`world.spec.PRESETS`), a TOML file, a data file (its world and its art), a WorldSpec, its JSON, or
            a World.
        sheets, backgrounds: the art, as for `wsprites.art.load_art`; a data file and a World have theirs.
        background: "moving" by the walk of the world, "frozen", or "blank".
        length: steps per episode.
        split: "train", "val" or "test" for the characters of that split only; empty for all.
        data_seed: seed of the data set whose clips the episodes begin like.
        art_sha256: hash that the art must have (`Art.sha256`), so that it is not exchanged unnoticed; empty for any art.
        task: "marker": walk to a magenta ring and slash there, which is rewarded by 1 and ends the episode. Frames show the ring behind
            the character, and `info["marker"]`, (2,) int16 pixels, is the position to reach, up to a step in x and y. Empty: no task.
        resize: (height, width) of observations and masks, such as (64, 64), by the mean of areas: see `wsprites.render.resize`. **Labels
            stay in pixels of the world's own frames**; times `pixel_scale`, factors of (x, y), they are in those of the observations.
            `render` shows the world's own size.
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
        world: str | os.PathLike[str] | WorldSpec | World = "paper",
        sheets: str = "own",
        backgrounds: str = "painted",
        background: Background = "moving",
        length: int = 89,
        split: str = "",
        data_seed: int = 0,
        art_sha256: str = "",
        task: str = "",
        resize: Sequence[int] | None = None,
        render_mode: str | None = None,
    ) -> None:
        if render_mode not in (None, *self.metadata["render_modes"]):
            raise ArgumentError("render_mode", f"{render_mode!r} is not one of {', '.join(self.metadata['render_modes'])}")
        self._stage = Stage(
            1,
            world=world,
            sheets=sheets,
            backgrounds=backgrounds,
            background=background,
            length=length,
            split=split,
            data_seed=data_seed,
            art_sha256=art_sha256,
            task=task,
            resize=resize,
        )
        self.spec_of_world, self.pixel_scale, self.render_mode = self._stage.spec, self._stage.pixel_scale, render_mode
        self.observation_space, self.action_space = self._stage.observation_space, self._stage.action_space
        self._ahead: list[Script] = []
        self._window: Any = None

    def __repr__(self) -> str:
        return f"<WalkEnv {self._stage}>"

    __str__ = __repr__  # Gymnasium's names the class alone

    @property
    def world(self) -> World:
        """The world with its art, with `length` + 1 frames per clip."""
        return self._stage.world

    def reset(self, *, seed: int | None = None, options: Mapping[str, Any] | None = None) -> tuple[NDArray[np.uint8], Info]:
        """Begin an episode like a clip of the data set: its character, scene, first frame and motion of the scene.

        Args:
            seed: seed for the choice of clips from now on.
            options: {"clip": index} begins like that clip, whatever its split; {"clip": index, "data_seed": seed} like a clip of another
                data set.

        Returns:
            The frame, (H, W, 3) uint8, and its labels.

        Raises:
            UserError: an option is unknown or has an impossible value.
        """
        script = self._stage.asked_for(options or {})
        super().reset(seed=seed)
        if seed is not None:
            self._ahead = []
        if script is None:
            if not self._ahead:
                script_n = self._stage.write(self._stage.draw_clips(self.np_random, AHEAD))
                self._ahead = [script_n[n : n + 1] for n in reversed(range(AHEAD))]
            script = self._ahead.pop()
        self._stage.begin(script)
        return self._look()

    def step(self, action: NDArray[np.int64]) -> tuple[NDArray[np.uint8], float, bool, bool, Info]:
        """Do an action, (2,) int: (GlobalAction, LocalAction). At the edge of the frame, a step is shorter or zero.

        Raises:
            ValueError: the action is not in the action space.
            UserError: the world lacks the animation of the action (`WorldSpec.animations`); nothing changes.
            ResetNeeded: no episode has begun.
            RuntimeError: the episode is over.
        """
        if self._stage.running("step").t[0] >= self._stage.length or self._stage.solved()[0]:
            raise RuntimeError("the episode is over; call reset")
        self._stage.step(action, (2,))
        observation, info = self._look()
        solved = bool(self._stage.solved()[0])
        return observation, float(solved), solved, bool(self.state().t[0] >= self._stage.length), info

    def state(self) -> EnvState:
        """The state of the episode. `set_state` resumes from it, also in another environment with the same arguments.

        It is never changed, so that one state serves many counterfactuals. Raises ResetNeeded if no episode has begun.
        """
        return self._stage.running("state")

    def set_state(self, state: EnvState) -> tuple[NDArray[np.uint8], Info]:
        """Return to a state. Returns its frame, (H, W, 3) uint8, and its labels, as `reset` does.

        Raises:
            UserError: the state is that of an environment with episodes of another length, or with other layers.
        """
        expected = (1, self._stage.length + 1), (1, len(self.spec_of_world.cast.parts))
        actual = state.script.global_action.shape, state.script.parts.shape
        if actual != expected:
            raise ArgumentError("state", f"its arrays have the shapes {actual}, not {expected}; use one of an environment like this one")
        if (state.marker is None) != (self._stage.task == ""):
            raise ArgumentError(
                "state", f"it is of an environment with{'out' if state.marker is None else ''} a task; use one like this one"
            )
        self._stage.state = state
        return self._look()

    def _look(self) -> tuple[NDArray[np.uint8], Info]:
        frames_nhwc, info = self._stage.look()
        if self.render_mode == "human":
            self._draw(self._stage.draw()[0][0])
        return frames_nhwc[0], {name: values[0] for name, values in info.items()}

    def render(self) -> NDArray[np.uint8] | None:
        """The frame at the world's own size, (H, W, 3) uint8, for render_mode "rgb_array"; for "human" it is drawn in the window.

        Raises:
            ResetNeeded: no episode has begun.
        """
        self._stage.running("render")
        if self.render_mode is None:
            return None
        frame_hwc: NDArray[np.uint8] = self._stage.draw()[0][0]
        if self.render_mode == "rgb_array":
            return frame_hwc
        self._draw(frame_hwc)
        return None

    def _draw(self, frame_hwc: NDArray[np.uint8]) -> None:
        """Show a frame in the window."""
        import pygame

        height, width = frame_hwc.shape[:2]
        size = (width * _WINDOW_SCALE, height * _WINDOW_SCALE)
        if self._window is None:
            pygame.display.init()
            self._window, self._clock = pygame.display.set_mode(size), pygame.time.Clock()
            pygame.display.set_caption("W-Sprites")
        picture = pygame.surfarray.make_surface(frame_hwc.swapaxes(0, 1))
        self._window.blit(pygame.transform.scale(picture, size), (0, 0))
        pygame.event.pump()
        pygame.display.flip()
        self._clock.tick(_FPS)

    def close(self) -> None:
        """Close the window."""
        if self._window is not None:
            import pygame

            pygame.display.quit()
            self._window = None
