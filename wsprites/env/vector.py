"""Many characters, each in a world of its own, as a Gymnasium vector environment. Axis suffixes: n environments."""

import os
from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.utils import seeding
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.env.stage import AHEAD, Info, Stage, as_options
from wsprites.env.walk import WalkEnv
from wsprites.errors import ArgumentError
from wsprites.fields import whole
from wsprites.render import Background
from wsprites.world.script import Script
from wsprites.world.spec import WorldSpec

_MOST = 10**6
"""Environments, far more than memory holds."""


class WalkVectorEnv(gymnasium.vector.VectorEnv[NDArray[np.uint8], NDArray[np.int64], NDArray[Any]]):
    """Many characters, each in its own world, stepped and rendered together.

    It returns what `gymnasium.vector.SyncVectorEnv` of as many `WalkEnv` returns, bit for bit. It has no sub-environments, and so none of
    `envs`, `call`, `get_attr` and `set_attr`; and it has no window.

    Args:
        num_envs: number of environments, n.
        world, sheets, backgrounds, background, length, split, data_seed, art_sha256, task, resize: as for `WalkEnv`.
        render_mode: "rgb_array" or None.
        max_episode_steps: an episode is truncated after so many steps at most, as by `gymnasium.make`; None or -1: after `length` steps.
        autoreset_mode: when an episode that is over is followed by the next: "NextStep", "SameStep" or "Disabled" (by `reset`, with the
            option "reset_mask").

    Raises:
        UserError: an argument has an impossible value, or the world or its art cannot be loaded.

    Example:
        >>> envs = WalkVectorEnv(3, world="factorial", length=5)
        >>> observations, info = envs.reset(seed=[4, 8, 15])
        >>> observations.shape, info["mask"].shape, info["_mask"].tolist()
        ((3, 96, 128, 3), (3, 96, 128), [True, True, True])
    """

    metadata = {**WalkEnv.metadata, "autoreset_mode": AutoresetMode.NEXT_STEP}

    def __init__(
        self,
        num_envs: int,
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
        max_episode_steps: int | None = None,
        autoreset_mode: str | AutoresetMode = AutoresetMode.NEXT_STEP,
    ) -> None:
        num_envs = whole("num_envs", num_envs, 1, _MOST)
        if render_mode not in (None, "rgb_array"):
            raise ArgumentError("render_mode", f"{render_mode!r}: a vector environment has rgb_array or None")
        self._stage = Stage(
            num_envs,
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
        self._limit, self._mode = _limit(max_episode_steps, self._stage.length), _mode(autoreset_mode)
        self.metadata = {**type(self).metadata, "autoreset_mode": self._mode}
        self.num_envs, self.spec_of_world, self.render_mode = num_envs, self._stage.spec, render_mode
        self.pixel_scale = self._stage.pixel_scale
        self.single_observation_space, self.single_action_space = self._stage.observation_space, self._stage.action_space
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        self._random: list[tuple[np.random.Generator, int] | None] = [None] * num_envs
        self._ahead: list[list[int]] = [[] for _ in range(num_envs)]

    def __repr__(self) -> str:
        return f"<WalkVectorEnv of {self.num_envs}, {self._stage}>"

    @property
    def np_random(self) -> Any:
        """The random generators of the environments, a tuple of n."""
        return tuple(self._generator(env)[0] for env in range(self.num_envs))

    @np_random.setter
    def np_random(self, value: object) -> None:
        """Raise AttributeError: there is no generator of all environments."""
        raise AttributeError("np_random: each environment has a generator of its own; pass seeds to reset")

    @property
    def np_random_seed(self) -> Any:
        """The seeds of the environments, a tuple of n int."""
        return tuple(self._generator(env)[1] for env in range(self.num_envs))

    def _generator(self, env: int) -> tuple[np.random.Generator, int]:
        """The generator of an environment, and its seed, which is random if none was given."""
        generator = self._random[env] = self._random[env] or seeding.np_random()
        return generator

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[NDArray[np.uint8], Info]:
        """Begin an episode in each environment, or in those that the option "reset_mask" selects.

        Args:
            seed: seeds for the choice of clips from now on: one for each environment, or the first one's, s for s, s + 1, ...
            options: those of `WalkEnv.reset`, where "clip" is one index for all or one for each, (n,) int; and "reset_mask", (n,) bool.

        Returns:
            The frames of all environments, (n, H, W, 3) uint8, and the labels of those that were reset. `info["_" + name]`, (n,) bool, is
            True where `info[name]` has a value.

        Raises:
            UserError: an option is unknown or has an impossible value.
            ValueError: there are not n seeds, or the mask does not have n entries or no True among them.
            TypeError: the mask is not a bool array.
            ResetNeeded: there is a mask before all environments were reset once.
        """
        seed_n, options = self._seeds(seed), dict(as_options(options or {}))
        rows = self._mask(options.pop("reset_mask")) if "reset_mask" in options else np.ones(self.num_envs, bool)
        if not rows.all():
            self._stage.running("step")
        asked = self._stage.asked_for(options)
        generators = {env: seeding.np_random(seed_n[env]) for env in np.flatnonzero(rows).tolist() if seed_n[env] is not None}
        for env, generator in generators.items():
            self._random[env], self._ahead[env] = generator, []
        self._stage.begin(self._next(rows) if asked is None else asked[rows], rows)
        observations, info = self._stage.look()
        return observations, _masked(info, rows)

    def step(self, actions: NDArray[np.int64]) -> tuple[NDArray[np.uint8], NDArray[Any], NDArray[Any], NDArray[Any], Info]:
        """Do actions, (n, 2) int. Those of environments whose next episode begins with this step (NextStep) are not looked at.

        Returns:
            The frames, (n, H, W, 3) uint8; rewards, (n,) float64, and terminations, (n,) bool, zeros without a task; truncations, (n,)
            bool; and the labels. With SameStep, "final_obs" and "final_info" are the frame and the labels that an episode ended with.

        Raises:
            ValueError: an action is not in the action space; no environment was stepped.
            UserError: the world lacks the animation of an action (`WorldSpec.animations`); no environment was stepped.
            ResetNeeded: no episode has begun.
            RuntimeError: an episode is over, and the mode is Disabled.
        """
        over = (self._stage.running("step").t >= self._limit) | self._stage.solved()
        begins = bool(over.any())
        if begins and self._mode == AutoresetMode.DISABLED:
            raise RuntimeError(f'the episodes of environments {np.flatnonzero(over)} are over; call reset with the option "reset_mask"')
        self._stage.step(actions, (self.num_envs, 2), over if begins else None)
        if begins:
            self._stage.begin(self._next(over), over)
        observations, info = self._stage.look()
        info = _masked(info, np.ones(self.num_envs, bool))
        solved, truncated = self._stage.solved(), self._stage.running("step").t >= self._limit
        ended = solved | truncated
        if self._mode == AutoresetMode.SAME_STEP and ended.any():
            final = np.full(self.num_envs, None, object)
            for env in np.flatnonzero(ended):
                final[env] = observations[env]
            last = {name: values for name, values in info.items() if not name.startswith("_")}
            self._stage.begin(self._next(ended), ended)
            observations, info = self._stage.look()
            info = _masked({"final_obs": final, **info}, np.ones(self.num_envs, bool))
            info |= {"_final_obs": ended.copy(), "final_info": _masked(last, ended), "_final_info": ended.copy()}
        return observations, solved.astype(np.float64), solved, truncated, info

    def _next(self, rows: NDArray[np.bool_]) -> Script:
        """The scripts of the next random episodes of some environments."""
        indices = []
        for env in np.flatnonzero(rows).tolist():
            if not self._ahead[env]:
                self._ahead[env] = self._stage.draw_clips(self._generator(env)[0], AHEAD)[::-1].tolist()
            indices.append(self._ahead[env].pop())
        return self._stage.write(np.array(indices, np.int64))

    def _seeds(self, seed: int | Sequence[int | None] | None) -> list[int | None]:
        """The seed of each environment."""
        if seed is None or isinstance(seed, int | np.integer):
            return [None if seed is None else int(seed) + env for env in range(self.num_envs)]
        if len(seed) != self.num_envs:
            raise ValueError(f"seed: {len(seed)} seeds for {self.num_envs} environments; pass one for each, or a single one")
        return list(seed)

    def _mask(self, mask: object) -> NDArray[np.bool_]:
        """The option "reset_mask", checked."""
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            raise TypeError(f"options: reset_mask must be an array of bool, not {getattr(mask, 'dtype', type(mask).__name__)}")
        if mask.shape != (self.num_envs,) or not mask.any():
            raise ValueError(f"options: reset_mask needs the shape ({self.num_envs},), not {mask.shape}, and a True in it")
        return mask.copy()

    def render(self) -> tuple[Any, ...] | None:
        """The n frames at the world's own size, (H, W, 3) uint8 each, for render_mode "rgb_array".

        Raises:
            ResetNeeded: no episode has begun.
        """
        self._stage.running("render")
        return None if self.render_mode is None else tuple(self._stage.draw()[0])


def _masked(info: Info, rows: NDArray[np.bool_]) -> Info:
    """Labels as vector environments return them: each with a mask of where it has a value, and zeros elsewhere."""
    masked: Info = {}
    whole = bool(rows.all())
    for name, values in info.items():
        masked[name] = values if whole else np.where(rows.reshape(-1, *[1] * (values.ndim - 1)), values, np.zeros_like(values))
        masked[f"_{name}"] = rows.copy()
    return masked


def _limit(max_episode_steps: int | None, length: int) -> int:
    """The number of steps after which an episode is truncated."""
    if max_episode_steps is None or max_episode_steps == -1:
        return length
    if isinstance(max_episode_steps, bool) or not isinstance(max_episode_steps, int | np.integer) or max_episode_steps < 1:
        raise ArgumentError("max_episode_steps", f"{max_episode_steps!r} is not a whole number of 1 or more, or -1 for `length` steps")
    return min(int(max_episode_steps), length)


def _mode(autoreset_mode: str | AutoresetMode) -> AutoresetMode:
    try:
        return AutoresetMode(autoreset_mode)
    except ValueError:
        modes = ", ".join(mode.value for mode in AutoresetMode)
        raise ArgumentError("autoreset_mode", f"{autoreset_mode!r} is not one of {modes}") from None
