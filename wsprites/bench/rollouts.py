"""Rollouts: the effect of a model's actions when it generates, read back by `reader.py` and compared with what the world would do.

The scene stands still in all of this, because a model is not told how it moves. Axis suffixes: s starts, k codes, t steps, h, w, c.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data, Part
from wsprites.bench.metrics import actions, images, motion
from wsprites.bench.metrics.interval import Clusters, Score, mean
from wsprites.bench.protocol import Arrays, Controllable, Model, ProtocolError, check_same_arrays, infer, rollout
from wsprites.bench.reader import PoseReading, Reader, accuracy
from wsprites.world.act import Pose, act, pose
from wsprites.world.actions import DELTA_XY, GlobalAction, LocalAction
from wsprites.world.script import FRAME_LABELS, Script

STARTS, STEPS, HOLD = 12, 16, 4
"""Number of starts, steps of a replay, and steps that a single action is held for."""
HORIZONS = (1, 4, 8, 16)
"""Steps after a start at which a replay is compared with the clip."""
REPLAYS_SHOWN, CODES_SHOWN, STARTS_SHOWN = 3, 16, 4
"""Numbers of replays, of codes, and of starts of a code on the page."""

Frames = NDArray[np.uint8]
Scores = dict[str, Score]
Generate = Callable[[NDArray[Any], NDArray[np.float64] | None], Frames]
"""(S, T[, D]) actions and (S, T, 2) px, one row for each start, to (S, T, H, W, 3) frames."""


@dataclass(frozen=True, eq=False)
class Video:
    """Generated clips that a page shows side by side."""

    kind: Literal["replay", "code"]
    """A clip beside its replay, or one code held from several starts."""
    title: str
    clips: tuple[Frames, ...]
    """(T, H, W, 3) uint8 each."""


@dataclass(frozen=True, eq=False)
class Start:
    """A frame of a clip that rollouts start from."""

    part: Part
    script: Script
    t: int
    frames_thwc: Frames
    """The whole clip, in front of the scene as it is at t."""

    @property
    def frame_hwc(self) -> Frames:
        """The frame at t."""
        frame: Frames = self.frames_thwc[self.t]
        return frame

    @cached_property
    def reader(self) -> Reader:
        """A reader of the clip's character."""
        return Reader(self.part.art, int(self.script.character), self.part.spec.facings, animations=self.part.spec.animations)

    def after(self, steps: int) -> Frames:
        """(steps, H, W, 3) the true frames that follow."""
        return self.frames_thwc[self.t + 1 : self.t + 1 + steps]

    def script_after(self, steps: int) -> Script:
        """The script of the frames that follow."""
        return self.script.window(self.t + 1, self.t + 1 + steps)


@dataclass(frozen=True, eq=False)
class Actor:
    """A predictor that generates, with the actions that it can be asked for."""

    generate: Generate
    action_k: NDArray[Any]
    """(K[, D]) codes, or vectors."""
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

    def hold(self, starts: Sequence[Start], k: int, direction: int, steps: int) -> Frames:
        """(S, steps, H, W, 3) one action from each start, with whole steps in a direction."""
        action = self.action_k[k]
        held = np.repeat(np.broadcast_to(action, (len(starts), *np.shape(action)))[:, None], steps, 1)
        if self.shifts is None:
            return self.generate(held, None)
        step = starts[0].part.spec.sprite.step
        return self.generate(held, np.broadcast_to((step * DELTA_XY[direction]).astype(float), (len(starts), steps, 2)))


def starts(part: Part) -> list[Start]:
    """One start in each of the first clips of a part."""
    return [start_of(part, n) for n in range(min(STARTS, len(part)))]


def start_of(part: Part, n: int, *, piece: int = 0, pieces: int = 1) -> Start:
    """The frame of a clip, or of one of several pieces of it, that is farthest from the edges and has STEPS frames after it."""
    script = part.script[n]
    last = part.spec.frames - min(STEPS, part.spec.frames - 1)
    middle = np.array(part.spec.sprite_box) / 2
    at = np.array_split(np.arange(last), pieces)[piece]
    t = int(at[np.abs((script.position[at] - middle) / (middle + 1)).max(-1).argmin()])
    still = replace(script, background_offset=np.repeat(script.background_offset[t : t + 1], part.spec.frames, 0))
    return Start(part, script, t, part.render(still).frames_thwc)


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


def control(
    model: Model, data: Data, fitted: Arrays, *, progress: Callable[[int], object] = lambda _: None, lpips: images.Lpips | None = None
) -> tuple[dict[str, Scores], list[Video]]:
    """Scores of "model", of "copy" (repeats the start) and of "oracle" (the world itself), and videos for the page.

    `reader.*`: mean error in px and share of right actions and animation frames of the reader itself, on true frames; the same after a blur
    of 1 px and with noise of 20 grey levels.

    `control.consistency`: over starts, how often a code, held for HOLD steps, ends in the action that it most often ends in;
    `control.faithful`: in the action that it was inferred from; `control.distinct`: number of different actions that codes most often end
    in over the number of actions; without it, consistency means nothing. Each code is held with its most frequent global action.
    `control.shift.mean`, `.action_accuracy`: the motion for each global action, against that in the world.
    `control.delta_psnr`: dB by which a code's video is more similar to the world's for its action than for the other actions.
    `drift.position.T`, `drift.local.T`, `drift.psnr.T`, `drift.ssim.T`, with a network `drift.lpips.T`: T steps after a start, with the
    actions that the model infers from the true clip, against that clip.

    Args:
        fitted: the model's arrays for `data.fit`.
        progress: called with 1 for the reader and for each of the three predictors.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    part = data.scored
    begin = starts(part)
    steps = min(STEPS, part.spec.frames - 1)
    scores: dict[str, Scores] = {
        "model": accuracy([(start.reader, start.script, start.frames_thwc) for start in begin]),
        "oracle": {},
        "copy": {},
    }
    progress(1)
    videos: list[Video] = []
    if isinstance(model, Controllable):
        first = np.stack([start.frame_hwc for start in begin])
        actor = _actor_of_model(model, data, begin, fitted, steps)
        copy = replace(actor, generate=lambda action, _: np.repeat(first[:, None], action.shape[1], 1))
        for who, each in {"model": actor, "oracle": _actor_of_world(data, begin, steps), "copy": copy}.items():
            hold = min(HOLD, steps)
            held = [each.hold(begin, k, int(direction), hold) for k, direction in enumerate(each.direction_k)]
            replay = each.generate(each.replay[:, :steps], None if each.shifts is None else each.shifts[:, :steps])
            scores[who] |= _held_scores(begin, each, held) | _shift_scores(begin, each, hold)
            scores[who] |= _drift_scores(begin, replay, steps, lpips)
            if who == "model":
                videos = _videos(begin, each, held, replay)
            progress(1)
    return scores, videos


def try_out(model: Model, part: Part) -> None:
    """Raise ProtocolError if one step of a rollout does not follow the protocol."""
    assert isinstance(model, Controllable)
    begin = [start_of(part, 0)]
    rollout(model, begin[0].frame_hwc[None].transpose(0, 3, 1, 2), *read_actions(model, begin, 1))


# Predictors that generate.


def _actor_of_model(model: Controllable, data: Data, begin: Sequence[Start], fitted: Arrays, steps: int) -> Actor:
    assert isinstance(model, Model)
    first = np.stack([start.frame_hwc for start in begin]).transpose(0, 3, 1, 2)
    replay, shifts = read_actions(model, begin, steps)
    truth = data.fit.sources()
    if "codes" in fitted:
        k = int(fitted["codes"].max()) + 1
        count, directions = (actions.table(fitted["codes"], truth.labels[at], k, truth.sizes[at]) for at in (1, 0))
        used = np.flatnonzero(count.sum(1))
        count, directions, action_k = count[used], directions[used], used
    else:  # the mean vector of each true action stands for a code
        seen = np.unique(truth.labels[1])
        action_k = np.stack([fitted["vectors"][truth.labels[1] == action].mean(0) for action in seen])
        count = np.eye(truth.sizes[1], dtype=np.int64)[seen]
        directions = actions.table(truth.labels[1], truth.labels[0], truth.sizes[1], truth.sizes[0])[seen]
    return Actor(
        lambda action, shifts: rollout(model, first, action, shifts),
        action_k,
        actions.one_to_one(count, labels=data.scored.spec.local_actions),
        directions.argmax(1),
        directions.argmax(0),
        replay,
        shifts,
    )


def _actor_of_world(data: Data, begin: Sequence[Start], steps: int) -> Actor:
    """The oracle: its codes are the local actions, and its video is the world's."""
    part, truth = data.scored, data.fit.sources()
    directions = actions.table(truth.labels[1], truth.labels[0], truth.sizes[1], truth.sizes[0])

    def generate(action_st: NDArray[Any], shifts_st2: NDArray[np.float64] | None) -> Frames:
        assert shifts_st2 is not None
        direction_st = motion.action_of(shifts_st2, 1.0)
        return np.stack([part.render(world(part, *each)).frames_thwc for each in zip(begin, action_st, direction_st, strict=True)])

    after = [start.script_after(steps) for start in begin]
    every = np.array(part.spec.local_actions)
    replay = np.stack([script.local_action.astype(np.int64) for script in after])
    shifts = np.stack([script.shift.astype(float) for script in after])
    return Actor(generate, every, every, directions[every].argmax(1), directions[every].argmax(0), replay, shifts)


def read_actions(model: Model, begin: Sequence[Start], steps: int) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """(S, T[, D]) codes, or vectors of a model without codes, and (S, T, 2) shifts that a model infers from the clip after each start."""
    first: Arrays = {}
    inferred: list[Arrays] = []
    for start in begin:
        arrays = infer(model, start.frames_thwc[None].transpose(0, 1, 4, 2, 3), start.part)
        first = first or arrays
        check_same_arrays(first, arrays)
        inferred.append({name: array[0, start.t : start.t + steps] for name, array in arrays.items() if name != "masks"})
    replay = {name: np.stack([arrays[name] for arrays in inferred]) for name in inferred[0]}
    return actions_of(replay), replay.get("shift")


def actions_of(arrays: Arrays) -> NDArray[Any]:
    """The actions that a model generates from: codes, or vectors if it has no codes. Raises ProtocolError if it has neither."""
    if not {"codes", "vectors"} & set(arrays):
        raise ProtocolError("a model with rollout has to infer codes or vectors, which the rollout is then asked for")
    return arrays["codes" if "codes" in arrays else "vectors"]


# Scores of what they generate.


def _held_scores(begin: Sequence[Start], actor: Actor, held: list[Frames]) -> Scores:
    """Which action each code ends in; `held` is the video of each code from each start."""
    read_ks = np.array([_read(begin, frames[:, -1:]).local_action[:, 0] for frames in held])
    most_k = np.array([np.bincount(row).argmax() for row in read_ks])
    named = actor.meaning_k >= 0
    return {
        "control.consistency": mean((read_ks == most_k[:, None]).mean(0), _clusters(begin)),
        "control.faithful": mean((read_ks == actor.meaning_k[:, None])[named].mean(0), _clusters(begin)),
        "control.distinct": Score(len(set(most_k.tolist())) / len(begin[0].part.spec.local_actions)),
        "control.delta_psnr": mean(_delta_psnr(begin, actor, held), _clusters(begin), unit="dB", least=-math.inf),
    }


def _delta_psnr(begin: Sequence[Start], actor: Actor, held: list[Frames]) -> NDArray[np.float64]:
    """(S,) dB: PSNR of each code's last frame with the world's for its own action, minus the mean of that with the other actions'."""
    part, hold, shown = begin[0].part, held[0].shape[1], begin[0].part.spec.local_actions
    gain = []
    for k, own in enumerate(actor.meaning_k.tolist()):
        if own < 0:
            continue
        direction = np.full(hold, actor.direction_k[k])
        psnr = np.empty((len(shown), len(begin)))
        for at, action in enumerate(shown):
            ends = [world(part, start, np.full(hold, action), direction).window(hold - 1, hold) for start in begin]
            psnr[at] = images.psnr(held[k][:, -1], np.stack([part.render(end).frames_thwc[0] for end in ends]))
        at = shown.index(LocalAction(own))
        gain.append(psnr[at] - np.delete(psnr, at, 0).mean(0))
    return np.mean(gain, 0) if gain else np.full(len(begin), np.nan)


def _shift_scores(begin: Sequence[Start], actor: Actor, hold: int) -> Scores:
    """Motion after two steps in each direction, against that in the world, where an edge may stop it."""
    if actor.shifts is None:
        return {}
    part, steps = begin[0].part, min(2, hold)
    at = np.stack([start.script.position[start.t] for start in begin])
    error, hits = [], []
    for direction in GlobalAction:
        frames = actor.hold(begin, int(actor.code_of_direction[direction]), int(direction), hold)
        moved = _read(begin, frames[:, steps - 1 : steps]).position[:, 0] - at
        ends = [world(part, start, np.zeros(steps, int), np.full(steps, direction)).position[-1] for start in begin]
        expected = np.array(ends) - at
        error.append(motion.error(moved, expected))
        hits.append(motion.action_of(moved, part.spec.sprite.step) == motion.action_of(expected, part.spec.sprite.step))
    return {
        "control.shift.mean": mean(np.mean(error, 0), _clusters(begin), unit="px"),
        "control.shift.action_accuracy": mean(np.mean(hits, 0), _clusters(begin)),
    }


def _drift_scores(begin: Sequence[Start], replay: Frames, steps: int, lpips: images.Lpips | None) -> Scores:
    """A replay of each clip against the clip, at each of HORIZONS."""
    true = np.stack([start.after(steps) for start in begin])
    after = [start.script_after(steps) for start in begin]
    at = [horizon - 1 for horizon in HORIZONS if horizon <= steps]
    read, clusters = _read(begin, replay[:, at]), _clusters(begin)
    scores: Scores = {}
    for column, t in enumerate(at):
        position = np.array([script.position[t] for script in after])
        scores[f"drift.position.{t + 1}"] = mean(motion.error(read.position[:, column], position), clusters, unit="px")
        scores[f"drift.local.{t + 1}"] = mean(read.local_action[:, column] == [script.local_action[t] for script in after], clusters)
        for name, values in images.similarity(replay[:, t], true[:, t], lpips).items():
            scores[f"drift.{name}.{t + 1}"] = mean(values, clusters, unit=images.UNITS[name], least=-1.0 if name == "ssim" else 0.0)
    return scores


def _videos(begin: Sequence[Start], actor: Actor, held: list[Frames], replay: Frames) -> list[Video]:
    """Some replays beside their clips, and the first codes from some starts."""
    videos = []
    for start, generated in zip(begin[:REPLAYS_SHOWN], replay, strict=False):
        both = tuple(np.concatenate([start.frame_hwc[None], frames]) for frames in (start.after(len(generated)), generated))
        videos.append(Video("replay", f"clip {int(start.script.index)}", both))
    for action, frames, meaning in zip(actor.action_k[:CODES_SHOWN], held, actor.meaning_k.tolist(), strict=False):
        title = f"inferred from {LocalAction(meaning).name}" if meaning >= 0 else "matched to no action"
        title = title if action.ndim else f"code {action}, {title}"
        shown = zip(begin[:STARTS_SHOWN], frames, strict=False)
        videos.append(Video("code", title, tuple(np.concatenate([start.frame_hwc[None], clip]) for start, clip in shown)))
    return videos


def _clusters(begin: Sequence[Start]) -> Clusters:
    """The groups of the clips of the starts."""
    return Clusters([int(start.script.character) for start in begin], [int(start.script.background) for start in begin])


def _read(begin: Sequence[Start], frames_sthwc: Frames) -> PoseReading:
    """Readings of frames after each start, (S, T) each."""
    each = [start.reader.read(frames) for start, frames in zip(begin, frames_sthwc, strict=True)]
    fields = zip(*((read.position, read.local_action, read.animation_frame, read.fit) for read in each), strict=True)
    return PoseReading(*(np.stack(values) for values in fields))
