"""Rollouts: video that a model, or a generator that knows the rules of the world, makes from frames of the scored clips.

The scene stands still in all of this, because a model is not told how it moves. Axis suffixes: s starts, k codes, t steps, h, w, c.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.art.sheets import CELL_OF
from wsprites.bench.baselines import true_actions
from wsprites.bench.data import Data, Part
from wsprites.bench.metrics import actions, motion
from wsprites.bench.protocol import (
    Arrays,
    Controllable,
    Model,
    actions_of,
    check_same_arrays,
    frames_needed,
    infer,
    rollout,
    takes_true_actions,
)
from wsprites.bench.reader import Place, Reader
from wsprites.render import render
from wsprites.world.act import Pose, act, pose
from wsprites.world.actions import GlobalAction
from wsprites.world.script import FRAME_LABELS, Script

STARTS, STEPS, HOLD = 100, 16, 4
"""Number of starts, steps of a replay, and steps that a single action is held for."""
BATCH = 12
"""Most rollouts that a model is asked for at once."""
HORIZONS = (1, 4, 8, 16)
"""Steps after a start at which a replay is compared with the clip."""
REPLAYS_SHOWN, CODES_SHOWN, STARTS_SHOWN = 3, 16, 4
"""Numbers of replays, of codes, and of starts of a code on the page."""

Frames = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Video:
    """Generated clips that a page shows side by side."""

    kind: Literal["replay", "transfer", "code"]
    """A clip beside its replay, a clip beside its actions done from a start in another clip, or one code held from several starts."""
    title: str
    clips: tuple[Frames, ...]
    """(T, H, W, 3) uint8 each."""


@dataclass(frozen=True, eq=False)
class Start:
    """A frame of a clip that rollouts start from."""

    part: Part
    clip: int
    """The row of the clip."""
    script: Script
    """The script of the clip, in front of the scene as it is at t."""
    t: int

    @property
    def frames_thwc(self) -> Frames:
        """The whole clip, in front of the scene as it is at t."""
        return self.part.render(self.script).frames_thwc

    @property
    def frame_hwc(self) -> Frames:
        """The frame at t."""
        frame: Frames = self.part.render(self.script.window(self.t, self.t + 1)).frames_thwc[0]
        return frame

    @property
    def scene_hwc(self) -> Frames:
        """The frame at t without the character."""
        scene: Frames = render(self.part.world, self.script.window(self.t, self.t + 1), sprite=False).frames_thwc[0]
        return scene

    @property
    def position(self) -> NDArray[np.int64]:
        """(2,) px, the place of the character at t."""
        return np.asarray(self.script.position[self.t], np.int64)

    @property
    def place(self) -> Place:
        """The character at t."""
        return Place(self.position.tolist(), int(CELL_OF[self.script.local_action[self.t], self.script.animation_frame[self.t]]))

    @property
    def reader(self) -> Reader:
        """A reader of the clip's character; those of the last few starts are kept."""
        return reader_of(self.part.art, int(self.script.character), self.part.spec.facings, self.part.spec.animations)

    def after(self, steps: int) -> Frames:
        """(steps, H, W, 3) the true frames that follow."""
        return self.part.render(self.script_after(steps)).frames_thwc

    def script_after(self, steps: int) -> Script:
        """The script of the frames that follow."""
        return self.script.window(self.t + 1, self.t + 1 + steps)


@lru_cache(maxsize=BATCH)
def reader_of(art: Art, character: int, facings: int, animations: tuple[str, ...]) -> Reader:
    """The reader of a character; the last few are kept."""
    return Reader(art, character, facings, animations=animations)


Generate = Callable[[Sequence[Start], NDArray[Any], NDArray[np.float64] | None], Frames]
"""B starts, (B, T[, D]) actions and (B, T, 2) px to (B, T, H, W, 3) frames."""


@dataclass(frozen=True, eq=False)
class Actor:
    """A predictor that generates, with the actions that it can be asked for."""

    generate: Generate
    action_k: NDArray[Any]
    """(K[, D]) codes, or vectors."""
    weight_k: NDArray[np.float64]
    """(K,) the share of the transitions that each one was inferred from."""
    meaning_k: NDArray[np.int64]
    """(K,) the local action that each one stands for; -1 for none."""
    direction_k: NDArray[np.int64]
    """(K,) the global action that each one occurred with most often."""
    code_of_direction: NDArray[np.int64]
    """(5,) the place in action_k that occurred with each global action most often."""
    replay: NDArray[Any]
    """(S, T[, D]) the actions of the clips themselves after each start."""
    shifts: NDArray[np.float64] | None
    """(S, T, 2) px, the shifts of the clips themselves after each start; None for a model that infers none."""
    refits: tuple[tuple[NDArray[np.int64], NDArray[np.float64]], ...] = ()
    """`meaning_k` and `weight_k` of bootstrap draws of the characters that they were taken from; none if `meaning_k` was not fitted."""
    by_truth: bool = False
    """Actions are rows of `true_actions`, whose global action is the direction."""

    def hold(self, begin: Sequence[Start], k: Sequence[int], direction: Sequence[int], steps: int) -> Frames:
        """(B, steps, H, W, 3) one action from each start, with whole steps in a direction."""
        held = np.repeat(self.action_k[np.asarray(k)][:, None], steps, 1)
        if self.by_truth:
            held[..., 0] = np.asarray(direction)[:, None]
        step = begin[0].part.spec.sprite.step
        shift = np.repeat(motion.shift_of(np.asarray(direction), step)[:, None], steps, 1).astype(float)
        return self.generate(begin, held, None if self.shifts is None else shift)

    def repeat(self, begin: Sequence[Start], rows: Sequence[int], steps: int) -> Frames:
        """(B, steps, H, W, 3) from each start the actions and shifts of some of the clips."""
        at = np.asarray(rows)
        return self.generate(begin, self.replay[at, :steps], None if self.shifts is None else self.shifts[at, :steps])


def starts(part: Part) -> list[Start]:
    """STARTS starts: one in each of the first clips, or, where there are fewer clips, in each of several pieces of every clip."""
    pieces = min(-(-STARTS // len(part)), max((part.spec.frames - 1) // STEPS, 1))
    every = [(n, piece) for piece in range(pieces) for n in range(len(part))]
    return [start_of(part, n, piece=piece, pieces=pieces) for n, piece in every[:STARTS]]


def start_of(part: Part, n: int, *, piece: int = 0, pieces: int = 1) -> Start:
    """The frame of a clip, or of one of several pieces of it, that is farthest from the edges and has STEPS frames after it."""
    script = part.script[n]
    last = part.spec.frames - min(STEPS, part.spec.frames - 1)
    middle = np.array(part.spec.sprite_box) / 2
    at = np.array_split(np.arange(last), pieces)[piece]
    t = int(at[np.abs((script.position[at] - middle) / (middle + 1)).max(-1).argmin()])
    still = replace(script, background_offset=np.repeat(script.background_offset[t : t + 1], part.spec.frames, 0))
    return Start(part, n, still, t)


def world(part: Part, start: Start, local_t: NDArray[np.integer], direction_t: NDArray[np.integer]) -> Script:
    """The script of what would have happened: local and global actions after a start, by the rules of the world."""
    script, states = start.script, [pose(part.spec, start.script[None], start.t)]
    for direction, local in zip(direction_t, local_t, strict=True):
        states.append(act(part.spec, states[-1], np.array([direction]), np.array([local])))
    shown = Pose(*(np.concatenate(field) for field in zip(*states[1:], strict=True)))
    still = np.zeros_like(shown.position)
    labels = {
        "global_action": direction_t.astype(np.uint8),
        "local_action": shown.local_action,
        "background_action": np.full(len(still), GlobalAction.stay, np.uint8),
        "animation_frame": shown.animation_frame,
        "position": shown.position,
        "shift": shown.shift,
        "background_offset": still + script.background_offset[start.t],
        "background_shift": still,
    }
    assert set(labels) == set(FRAME_LABELS)
    return replace(script, **labels)


def puppet(part: Part, start: Start, local_t: NDArray[np.integer], shift_t2: NDArray[np.floating]) -> Script:
    """The script of a character that shows local actions after a start by the rules of the world, and moves by any shifts in the frame."""
    script = world(part, start, local_t, np.full(len(local_t), GlobalAction.stay))
    place, places = start.position.astype(float), []
    for shift in shift_t2:
        place = np.clip(place + shift, 0, part.spec.sprite_box)
        places.append(place)
    position = np.rint(places).astype(np.int16)
    return replace(script, position=position, shift=np.diff(position, axis=0, prepend=start.position[None].astype(np.int16)))


def try_out(model: Model, part: Part) -> None:
    """Raise ProtocolError if one step of a rollout does not follow the protocol."""
    assert isinstance(model, Controllable)
    begin = [start_of(part, 0)]
    rollout(model, first_frames(begin, frames_needed(model)), *read_actions(model, begin, 1, by_truth=takes_true_actions(model)))


# Predictors that generate.


def actors(
    model: Controllable, data: Data, begin: Sequence[Start], fitted: Arrays, *, progress: Callable[[int], object]
) -> dict[str, Actor]:
    """The "model", the "oracle", which is the world, and floors that are asked for the model's actions but do not do them.

    "shift_only" moves as it is told and shows the local action that was most frequent, on the clips that maps are fitted on, with a motion
    in that direction; "random_codes" moves as it is told and shows local actions drawn from their frequencies there; "copy" repeats the
    start.

    Args:
        fitted: the model's arrays for `data.fit`.
        progress: called with 1 for each start whose actions the model has inferred.
    """
    truth, step = data.fit.sources(), data.scored.spec.sprite.step
    joint = actions.table(truth.labels[0], truth.labels[1], truth.sizes[0], truth.sizes[1])
    frequent, share, rng = joint.argmax(1), joint.sum(0) / joint.sum(), np.random.default_rng(0)

    def shifted_only(begin: Sequence[Start], action: NDArray[Any], shifts: NDArray[np.float64] | None) -> Frames:
        moved = np.zeros((*action.shape[:2], 2)) if shifts is None else shifts
        return _puppets(begin, frequent[motion.action_of(moved, step)], moved)

    def random(begin: Sequence[Start], action: NDArray[Any], shifts: NDArray[np.float64] | None) -> Frames:
        moved = np.zeros((*action.shape[:2], 2)) if shifts is None else shifts
        return _puppets(begin, rng.choice(len(share), moved.shape[:2], p=share), moved)

    own = _actor_of_model(model, data, begin, fitted, progress)
    floors: dict[str, Generate] = {
        "shift_only": shifted_only,
        "random_codes": random,
        "copy": lambda begin, action, _: np.repeat(np.stack([start.frame_hwc for start in begin])[:, None], action.shape[1], 1),
    }
    others = {name: replace(own, generate=generate) for name, generate in floors.items()}
    return {"model": own, "oracle": _actor_of_world(data, begin), **others}


def _puppets(begin: Sequence[Start], local_bt: NDArray[Any], shift_bt2: NDArray[np.float64]) -> Frames:
    each = zip(begin, local_bt, shift_bt2, strict=True)
    return np.stack([start.part.render(puppet(start.part, start, local, shift)).frames_thwc for start, local, shift in each])


def first_frames(begin: Sequence[Start], count: int = 1) -> Frames:
    """(B, count, 3, H, W) the true frames that rollouts begin with, the start last. In front of a clip its first frame is repeated."""
    seen = []
    for start in begin:
        frames_thwc = start.part.render(start.script.window(max(start.t + 1 - count, 0), start.t + 1)).frames_thwc
        seen.append(np.concatenate([np.repeat(frames_thwc[:1], count - len(frames_thwc), 0), frames_thwc]))
    return np.stack(seen).transpose(0, 1, 4, 2, 3)


def _actor_of_model(model: Controllable, data: Data, begin: Sequence[Start], fitted: Arrays, progress: Callable[[int], object]) -> Actor:
    assert isinstance(model, Model)
    by_truth = takes_true_actions(model)
    replay, shifts = read_actions(model, begin, min(STEPS, data.scored.spec.frames - 1), by_truth=by_truth, progress=progress)

    def generate(begin: Sequence[Start], action: NDArray[Any], shifts: NDArray[np.float64] | None) -> Frames:
        return rollout(model, first_frames(begin, frames_needed(model)), action, shifts)

    if by_truth:  # its codes are the local actions, as those of the world
        oracle = _actor_of_world(data, begin)
        every = np.insert(np.full((len(oracle.action_k), 2), GlobalAction.stay), 1, oracle.action_k, 1)
        return replace(oracle, generate=generate, action_k=every, replay=replay, shifts=shifts, by_truth=True)
    truth, shown = data.fit.sources(), data.scored.spec.local_actions
    refits = []
    if "codes" in fitted:
        k = int(fitted["codes"].max()) + 1
        count, directions = (actions.table(fitted["codes"], truth.labels[at], k, truth.sizes[at]) for at in (1, 0))
        used = np.flatnonzero(count.sum(1))
        count, directions, action_k = count[used], directions[used], used
        for drawn in actions.drawn_tables(fitted["codes"], truth.labels[1], k, truth.sizes[1], data.fit.script.character):
            count_kl = drawn[used]
            refits.append((actions.one_to_one(count_kl, labels=shown), count_kl.sum(1) / count_kl.sum()))
    else:  # the mean vector of each true action stands for a code
        seen = np.unique(truth.labels[1])
        action_k = np.stack([fitted["vectors"][truth.labels[1] == action].mean(0) for action in seen])
        directions = actions.table(truth.labels[1], truth.labels[0], truth.sizes[1], truth.sizes[0])[seen]
        count = np.eye(truth.sizes[1], dtype=np.int64)[seen] * directions.sum(1, keepdims=True)
    return Actor(
        generate,
        action_k,
        count.sum(1) / count.sum(),
        actions.one_to_one(count, labels=shown),
        directions.argmax(1),
        directions.argmax(0),
        replay,
        shifts,
        tuple(refits),
    )


def _actor_of_world(data: Data, begin: Sequence[Start]) -> Actor:
    """The oracle: its codes are the local actions, and its video is the world's."""
    part, truth = data.scored, data.fit.sources()
    directions = actions.table(truth.labels[1], truth.labels[0], truth.sizes[1], truth.sizes[0])
    every = np.array(part.spec.local_actions)
    after = [start.script_after(min(STEPS, part.spec.frames - 1)) for start in begin]

    def generate(begin: Sequence[Start], action: NDArray[Any], shifts: NDArray[np.float64] | None) -> Frames:
        assert shifts is not None
        return _puppets(begin, action, shifts)

    return Actor(
        generate,
        every,
        directions[every].sum(1) / directions[every].sum(),
        every,
        directions[every].argmax(1),
        directions[every].argmax(0),
        np.stack([script.local_action.astype(np.int64) for script in after]),
        np.stack([script.shift.astype(float) for script in after]),
    )


def read_actions(
    model: Model, begin: Sequence[Start], steps: int, *, by_truth: bool = False, progress: Callable[[int], object] = lambda _: None
) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """(S, T[, D]) codes or vectors and (S, T, 2) shifts, inferred after each start, or (S, T, 3) true actions and the true shifts."""
    if by_truth:
        progress(len(begin))
        after = [start.script_after(steps) for start in begin]
        return np.stack([true_actions(script, still=True) for script in after]), np.stack([one.shift.astype(float) for one in after])
    first: Arrays = {}
    inferred: list[Arrays] = []
    for start in begin:
        arrays = infer(model, start.frames_thwc[None].transpose(0, 1, 4, 2, 3), start.part)
        first = first or arrays
        check_same_arrays(first, arrays)
        progress(1)
        inferred.append({name: array[0, start.t : start.t + steps] for name, array in arrays.items() if name != "masks"})
    replay = {name: np.stack([arrays[name] for arrays in inferred]) for name in inferred[0]}
    return actions_of(replay), replay.get("shift")
