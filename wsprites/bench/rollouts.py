"""Control: what a model's actions do when it generates. Rollouts are read back by `reader.py`, and compared with what the world would do.

The scene stands still in all of this: a model cannot know where it will move. Axis suffixes: s starts, k codes, t steps, h, w, c.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art.sheets import CELL_OF
from wsprites.bench.data import Data, Part
from wsprites.bench.metrics import actions, images, motion
from wsprites.bench.metrics.interval import Figure, mean
from wsprites.bench.protocol import Arrays, Controllable, Model, infer, rollout
from wsprites.bench.reader import Reader, Reading
from wsprites.errors import UserError
from wsprites.world.act import Pose, act, pose
from wsprites.world.actions import DELTA_XY, GlobalAction, LocalAction, local_actions
from wsprites.world.script import FRAME_LABELS, Script

STARTS, STEPS, READ_AT = 12, 16, 4
HORIZONS = (1, 4, 8, 16)
Frames = NDArray[np.uint8]
Lpips = Callable[[Frames, Frames], NDArray[np.float64]]
Roll = Callable[[NDArray[Any], NDArray[np.float64] | None], Frames]
"""(S, T[, D]) actions and (S, T, 2) px, one row for each start, to (S, T, H, W, 3) frames."""


@dataclass(frozen=True, eq=False)
class Start:
    """A frame to go on from."""

    part: Part
    script: Script
    t: int
    frames_thwc: Frames
    """The whole clip before a scene that stands still as it does at t."""

    @cached_property
    def reader(self) -> Reader:
        """Reads the clip's character."""
        return Reader(self.part.art, int(self.script.character), self.part.spec.facings)

    def after(self, steps: int) -> Frames:
        """The frames that follow."""
        return self.frames_thwc[self.t + 1 : self.t + 1 + steps]


class _Way(NamedTuple):
    """How to ask a system for an action."""

    roll: Roll
    action_k: NDArray[Any]
    """(K[, D]) what to ask for: codes, or vectors."""
    meaning_k: NDArray[np.int64]
    """(K,) the local action that each was inferred from; -1 for none."""
    direction_k: NDArray[np.int64]
    """(K,) the global action that each came with most often."""
    code_of_direction: NDArray[np.int64]
    """(5,) the place in action_k that came with each global action most often."""
    replay: NDArray[Any]
    """(S, T[, D]) the actions of the clips themselves after each start."""
    shifts: NDArray[np.float64] | None
    """(S, T, 2) px, likewise."""


def starts(part: Part) -> list[Start]:
    """Starts in the first clips of a part."""
    return [start_of(part, n) for n in range(min(STARTS, len(part)))]


def start_of(part: Part, n: int, piece: int = 0, pieces: int = 1) -> Start:
    """The frame of a clip that is furthest from the edges and has STEPS frames after it, or that of one of several pieces of the clip."""
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
    model: Model, data: Data, fitted: Arrays, where: str, progress: Callable[[int], object] = lambda _: None, lpips: Lpips | None = None
) -> tuple[dict[str, dict[str, Figure]], list[dict[str, Any]]]:
    """Figures for "model", "copy" (shows the start again and again) and "oracle" (the world itself), and films for the report.

    `reader.*`: the reader's own mean error in px and its share of right actions and animation frames on true frames; the same after a blur
    of 1 px and with noise of 20 grey levels.

    `control.consistency`: over starts, how often a code, held for READ_AT steps, ends in the action that it most often ends in;
    `control.faithful`: in the action that it was inferred from; `control.distinct`: how many different actions codes most often end
    in, over all that there are; without it, consistency means nothing. Each code goes with the global action that it most often came with.
    `control.shift.mean`, `.action_accuracy`: what became of each global action, against what the world does.
    `control.delta_psnr`: dB by which a code's video is more like what the world does for its action than for the others.
    `drift.position.T`, `drift.local.T`, `drift.psnr.T`, `drift.ssim.T`: T steps after a start, with the model's own reading of the true
    clip as actions, against that clip; with a network for it `drift.lpips.T` as well, the distance most like the one that people see.
    """
    part = data.scored
    begin = starts(part)
    steps = min(STEPS, part.spec.frames - 1)
    figures: dict[str, dict[str, Figure]] = {"model": _reader(begin), "oracle": {}, "copy": {}}
    progress(1)
    films: list[dict[str, Any]] = []
    first = np.stack([start.frames_thwc[start.t] for start in begin])
    if isinstance(model, Controllable):
        way = _way_of(model, data, begin, fitted, where, steps)
        others = {"oracle": _way_of_world(part, begin, data, steps)}
        others["copy"] = way._replace(roll=lambda action, _: np.repeat(first[:, None], action.shape[1], 1))
        for who, of in {"model": way, **others}.items():
            found, shown = _scores(part, begin, of, steps, lpips)
            figures[who] |= found
            films += shown if who == "model" else []
            progress(1)
    return figures, films


def try_out(model: Model, part: Part, where: str) -> None:
    """Raise UserError if one step of a rollout does not follow the protocol."""
    assert isinstance(model, Controllable)
    begin = [start_of(part, 0)]
    first = begin[0].frames_thwc[begin[0].t][None].transpose(0, 3, 1, 2)
    rollout(model, where, first, *read_actions(model, begin, where, 1))


def _way_of(model: Controllable, data: Data, begin: list[Start], fitted: Arrays, where: str, steps: int) -> _Way:
    assert isinstance(model, Model)
    first = np.stack([start.frames_thwc[start.t] for start in begin]).transpose(0, 3, 1, 2)
    replay, shifts = read_actions(model, begin, where, steps)
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
    return _Way(
        lambda action, shifts: rollout(model, where, first, action, shifts),
        action_k,
        actions.one_to_one(count),
        directions.argmax(1),
        directions.argmax(0),
        replay,
        shifts,
    )


def read_actions(model: Model, begin: list[Start], where: str, steps: int) -> tuple[NDArray[Any], NDArray[np.float64] | None]:
    """(S, T[, D]) codes, or vectors of a model without codes, and (S, T, 2) shifts that a model infers of what follows each start."""
    inferred: list[Arrays] = []
    for one in begin:
        arrays = infer(model, where, one.frames_thwc[None].transpose(0, 1, 4, 2, 3), one.part)
        inferred.append({name: array[0, one.t : one.t + steps] for name, array in arrays.items() if name != "masks"})
    replay = {name: np.stack([each[name] for each in inferred]) for name in inferred[0]}
    return actions_of(replay, where), replay.get("shift")


def actions_of(arrays: Arrays, where: str) -> NDArray[Any]:
    """What a model that generates is asked for: codes, or vectors of a model without codes. Raises UserError where it has neither."""
    if not {"codes", "vectors"} & set(arrays):
        raise UserError(f"{where}: a model with rollout has to infer codes or vectors, which it is then asked for")
    return arrays["codes" if "codes" in arrays else "vectors"]


def _way_of_world(part: Part, begin: list[Start], data: Data, steps: int) -> _Way:
    """The oracle: its codes are the local actions, and its video is the world's."""
    truth = data.fit.sources()
    directions = actions.table(truth.labels[1], truth.labels[0], truth.sizes[1], truth.sizes[0])

    def roll(action_st: NDArray[Any], shifts_st2: NDArray[np.float64] | None) -> Frames:
        assert shifts_st2 is not None
        direction = motion.action_of(shifts_st2, 1.0)
        return np.stack([part.render(world(part, *each)).frames_thwc for each in zip(begin, action_st, direction, strict=True)])

    after = [start.script.window(start.t + 1, start.t + 1 + steps) for start in begin]
    every = np.arange(truth.sizes[1])
    replay = np.stack([script.local_action.astype(np.int64) for script in after])
    return _Way(
        roll, every, every, directions.argmax(1), directions.argmax(0), replay, np.stack([script.shift.astype(float) for script in after])
    )


def _scores(part: Part, begin: list[Start], way: _Way, steps: int, lpips: Lpips | None) -> tuple[dict[str, Figure], list[dict[str, Any]]]:
    found: dict[str, Figure] = {}
    step, hold = part.spec.sprite.step, min(READ_AT, steps)

    def ask(action: NDArray[Any], direction: int) -> Frames:
        held = np.repeat(np.broadcast_to(action, (len(begin), *np.shape(action)))[:, None], hold, 1)
        shifts = np.broadcast_to((step * DELTA_XY[direction]).astype(float), (len(begin), hold, 2))
        return way.roll(held, None if way.shifts is None else shifts)

    by_code = [ask(action, int(direction)) for action, direction in zip(way.action_k, way.direction_k, strict=True)]
    read_ks = np.array([_read(begin, frames[:, -1:]).local_action[:, 0] for frames in by_code])
    most_k = np.array([np.bincount(row).argmax() for row in read_ks])
    named = way.meaning_k >= 0
    found["control.consistency"] = mean((read_ks == most_k[:, None]).mean(0))
    found["control.faithful"] = mean((read_ks == way.meaning_k[:, None])[named].mean(0))
    found["control.distinct"] = Figure(len(set(most_k.tolist())) / len(local_actions(part.spec.facings)))
    if way.shifts is not None:
        short = min(2, hold)
        error, hits = [], []
        for direction in GlobalAction:
            frames = ask(way.action_k[way.code_of_direction[direction]], int(direction))[:, short - 1 : short]
            moved = _read(begin, frames).position[:, 0] - [start.script.position[start.t] for start in begin]
            ends = [world(part, start, np.zeros(short, int), np.full(short, direction)).position[-1] for start in begin]
            meant = np.array(ends) - [start.script.position[start.t] for start in begin]
            error.append(motion.error(moved, meant))
            hits.append(motion.action_of(moved, step) == motion.action_of(meant, step))  # at an edge the world may do nothing
        found["control.shift.mean"] = mean(np.mean(error, 0), unit="px")
        found["control.shift.action_accuracy"] = mean(np.mean(hits, 0))
    found["control.delta_psnr"] = mean(_delta_psnr(part, begin, way, by_code, hold), unit="dB")
    generated = way.roll(way.replay[:, :steps], None if way.shifts is None else way.shifts[:, :steps])
    true = np.stack([start.after(steps) for start in begin])
    after = [start.script.window(start.t + 1, start.t + 1 + steps) for start in begin]
    at = [horizon - 1 for horizon in HORIZONS if horizon <= steps]
    read = _read(begin, generated[:, at])
    for column, t in enumerate(at):
        where = np.array([script.position[t] for script in after])
        found[f"drift.position.{t + 1}"] = mean(motion.error(read.position[:, column], where), unit="px")
        found[f"drift.local.{t + 1}"] = mean(read.local_action[:, column] == [script.local_action[t] for script in after])
        found[f"drift.psnr.{t + 1}"] = mean(images.psnr(generated[:, t], true[:, t]), unit="dB")
        found[f"drift.ssim.{t + 1}"] = mean(images.ssim(generated[:, t], true[:, t]))
        if lpips:
            found[f"drift.lpips.{t + 1}"] = mean(lpips(generated[:, t], true[:, t]), unit="distance")
    films: list[dict[str, Any]] = []
    for start, truth, video in zip(begin[:3], true, generated, strict=False):
        first = start.frames_thwc[start.t : start.t + 1]
        both = [np.concatenate([first, frames]) for frames in (truth, video)]
        films.append({"kind": "replay", "title": f"clip {int(start.script.index)}", "frames": both})
    for action, frames, meaning in zip(way.action_k[:16], by_code, way.meaning_k.tolist(), strict=False):
        title = f"inferred from {LocalAction(meaning).name}" if meaning >= 0 else "matched to no action"
        title = title if action.ndim else f"code {action}, {title}"
        shown = [np.concatenate([start.frames_thwc[start.t : start.t + 1], video]) for start, video in zip(begin[:4], frames, strict=False)]
        films.append({"kind": "code", "title": title, "frames": shown})
    return found, films


def _delta_psnr(part: Part, begin: list[Start], way: _Way, by_code: list[Frames], hold: int) -> NDArray[np.float64]:
    """(S,) dB: PSNR of each code's last frame with the world's for its own action, minus the mean of that with the other actions'."""
    gain = []
    for k, own in enumerate(way.meaning_k.tolist()):
        if own < 0:
            continue
        direction = np.full(hold, way.direction_k[k])
        psnr = np.empty((len(local_actions(part.spec.facings)), len(begin)))
        for action in range(len(psnr)):
            true = [
                part.render(world(part, start, np.full(hold, action), direction).window(hold - 1, hold)).frames_thwc[0] for start in begin
            ]
            psnr[action] = images.psnr(by_code[k][:, -1], np.stack(true))
        gain.append(psnr[own] - np.delete(psnr, own, 0).mean(0))
    return np.mean(gain, 0) if gain else np.full(len(begin), np.nan)


def _read(begin: list[Start], frames_sthwc: Frames) -> Reading:
    """Readings of frames after each start, (S, T) each."""
    each = [start.reader.read(frames) for start, frames in zip(begin, frames_sthwc, strict=True)]
    return Reading(
        *(np.stack(field) for field in zip(*((r.position, r.local_action, r.animation_frame, r.fit) for r in each), strict=True))
    )


def _reader(begin: list[Start]) -> dict[str, Figure]:
    """The reader's own accuracy on every third frame."""
    rng = np.random.default_rng(0)
    found: dict[str, list[tuple[float, float, float]]] = {}
    for start in begin:
        at = slice(0, None, 3)
        script, frames = start.script, start.frames_thwc[at]
        cells = CELL_OF[script.local_action[at], script.animation_frame[at]]
        versions = {
            "reader": frames,
            "reader.blur": np.stack([cv2.GaussianBlur(frame, (0, 0), 1.0) for frame in frames]),
            "reader.noise": np.clip(frames + rng.normal(0, 20, frames.shape), 0, 255).astype(np.uint8),
        }
        for name, version in versions.items():
            read = start.reader.read(version)
            right = read.local_action == script.local_action[at]
            same = CELL_OF[read.local_action, read.animation_frame] == cells
            row = motion.error(read.position, script.position[at]).mean(), right.mean(), same.mean()
            found.setdefault(name, []).append((float(row[0]), float(row[1]), float(row[2])))
    units = {"position": "px", "local": "", "frame": ""}
    return {
        f"{name}.{what}": mean(column, unit=units[what])
        for name, rows in found.items()
        for what, column in zip(units, zip(*rows, strict=True), strict=True)
    }
