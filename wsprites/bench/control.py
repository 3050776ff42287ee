"""What a model's actions do when it generates: held actions, read back by `reader.py` and compared with what the world would do.

Replays, with actions of the clip itself or of another clip, are in `replays.py`. Axis suffixes: s starts, k codes, r replicates, h, w, c.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import reading, replays
from wsprites.bench.data import Data, Part
from wsprites.bench.metrics import images, motion
from wsprites.bench.metrics.interval import Clusters, Score, from_draws, mean
from wsprites.bench.protocol import Arrays, Controllable, Model
from wsprites.bench.rollouts import (
    BATCH,
    CODES_SHOWN,
    HOLD,
    REPLAYS_SHOWN,
    STARTS_SHOWN,
    STEPS,
    Actor,
    Frames,
    Start,
    Video,
    actors,
    starts,
    world,
)
from wsprites.world.actions import GlobalAction, LocalAction

Scores = dict[str, Score]
Floats = NDArray[np.float64]
Values = dict[str, NDArray[Any]]
"""(S,) values of the starts by the name of their score; NaN where they do not define it."""

HELD = 1500
"""Most rollouts of a single held action; with more codes, each start holds only some of them."""
UNREADABLE, GHOST, NOT_HELD = -2, -3, -4
"""In place of a local action: nothing is readable, two characters are seen, and the code was not held from this start."""
_UNITS = {"mean": "px", "position": "px", **images.UNITS}
"""Units of scores by the last word of their names that is not a number."""


@dataclass(frozen=True, eq=False)
class Held:
    """What is read after each code was held from each start."""

    action_sk: NDArray[np.int64]
    """(S, K) the local action, or one of UNREADABLE, GHOST and NOT_HELD."""
    delta_sk: Floats
    """(S, K) dB: similarity to the world's picture for the code's action, minus that to its pictures for the others; 0 for no action."""


def control(
    model: Model, data: Data, fitted: Arrays, *, progress: Callable[[int], object] = lambda _: None, lpips: images.Lpips | None = None
) -> tuple[dict[str, Scores], list[Video], dict[str, float]]:
    """Scores of a model that generates and of the predictors of `rollouts.actors`, videos for the page, and what the reader can read.

    Each code is held for HOLD steps with its most frequent global action, and the last frame is read. All scores of codes are means over
    codes, weighted by their shares of the transitions of `data.fit`; a frame that is not readable, or that shows the character twice,
    counts as wrong.

    `control.unreadable`, `control.ghost`: shares of frames in which no character is readable, and in which a second one is found.
    `control.consistency`: how often a code ends in the same action from two different starts.
    `control.faithful`: how often it ends in the action that it is matched to; a code that is matched to none is always wrong.
    `control.distinct`: number of different actions that codes most often end in over the number of actions; without it, consistency
    means nothing.
    `control.delta_psnr`: dB by which the last frame is more similar to the world's for the code's action than to those for the other
    actions, inside the silhouettes of both; 0 for a code that is matched to none.
    `control.shift.mean`, `.action_accuracy`: the motion after two steps in each direction, against that in the world.
    `drift.*`, `transfer.*`: see `replays.py`.

    Args:
        fitted: the model's arrays for `data.fit`.
        progress: called with the number of starts done, `starts_to_do` in all.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    if not isinstance(model, Controllable):
        return {}, [], {}
    part = data.scored
    begin, steps = starts(part), min(STEPS, part.spec.frames - 1)
    by_name = actors(model, data, begin, fitted, progress=progress)
    held: dict[str, list[Held]] = {who: [] for who in by_name}
    values: dict[str, list[Values]] = {who: [] for who in by_name}
    readable: list[Values] = []
    for first in range(0, len(begin), BATCH):
        rows = range(first, min(first + BATCH, len(begin)))
        for who, actor in by_name.items():
            held[who].append(hold(begin, rows, actor, min(HOLD, steps), ghosts=who in ("model", "oracle")))
            values[who].append(_moved(begin[first : rows.stop], actor, min(HOLD, steps)) | replays.values(begin, rows, actor, steps, lpips))
        readable.append(reading.values(begin, rows))  # here, because readers are kept for a few starts only
        progress(len(rows))
    clusters = part.clusters[np.array([start.clip for start in begin])]
    scores = {}
    for who, actor in by_name.items():
        together = Held(*(np.concatenate([getattr(one, name) for one in held[who]]) for name in ("action_sk", "delta_sk")))
        scores[who] = held_scores(together, actor, clusters, part, ghosts=who in ("model", "oracle"))
        for name in values[who][0]:
            unit = _UNITS.get(next(word for word in reversed(name.split(".")) if not word.isdigit()), "")
            least = -1.0 if "ssim" in name else 0.0
            scores[who][name] = mean(np.concatenate([one[name] for one in values[who]]), clusters, unit=unit, least=least)
    scores["one_action"] = {"control.faithful": Score(one_action(by_name["model"]), clips=scores["model"]["control.faithful"].clips)}
    curves = {name: float(np.concatenate([one[name] for one in readable]).mean()) for name in readable[0]}
    return scores, _videos(begin, by_name["model"], steps), curves


def starts_to_do(part: Part) -> int:
    """The number that `control` reports to its progress in all."""
    return 2 * len(starts(part))


def hold(begin: Sequence[Start], rows: Sequence[int], actor: Actor, steps: int, *, ghosts: bool) -> Held:
    """What is read after each code was held from some of all starts.

    Args:
        ghosts: look for a second character as well.
    """
    codes = len(actor.action_k)
    each = min(codes, max(HELD // len(begin), 1))
    pairs = [(row, (row * each + k) % codes) for row in rows for k in range(each)]
    action_sk, delta_sk = np.full((len(rows), codes), NOT_HELD), np.full((len(rows), codes), np.nan)
    for first in range(0, len(pairs), BATCH):
        row_b, k_b = zip(*pairs[first : first + BATCH], strict=True)
        started = [begin[row] for row in row_b]
        frames = actor.hold(started, k_b, actor.direction_k[list(k_b)].tolist(), steps)[:, -1]
        for row, k, start, frame in zip(row_b, k_b, started, frames, strict=True):
            read = start.reader.read(frame[None])
            action = int(read.local_action[0]) if read.readable[0] else UNREADABLE
            if ghosts and action != UNREADABLE and start.reader.second(frame[None], read, start.scene_hwc, start.place)[0]:
                action = GHOST
            action_sk[row - rows[0], k] = action
            delta_sk[row - rows[0], k] = _delta_psnr(start, frame, int(actor.meaning_k[k]), int(actor.direction_k[k]), steps)
    return Held(action_sk, delta_sk)


def _delta_psnr(start: Start, frame_hwc: Frames, meaning: int, direction: int, steps: int) -> float:
    """The mean over the other actions of the PSNR with the world's frame for `meaning` minus that for the other one, dB."""
    if meaning < 0:
        return 0.0
    frames_lhwc, masks_lhw, (rows, columns) = _ends(start, direction, steps)
    error_lhw = ((frames_lhwc - frame_hwc[rows, columns].astype(np.float64)) ** 2).mean(-1)
    own = start.part.spec.local_actions.index(LocalAction(meaning))
    gains = []
    for other in set(range(len(error_lhw))) - {own}:
        inside = masks_lhw[own] | masks_lhw[other]
        both = images.decibels(np.array([error_lhw[own][inside].mean(), error_lhw[other][inside].mean()]))
        gains.append(both[0] - both[1])
    return float(np.mean(gains)) if gains else 0.0


@lru_cache(maxsize=len(GlobalAction) * BATCH)
def _ends(start: Start, direction: int, steps: int) -> tuple[Frames, NDArray[np.bool_], tuple[slice, slice]]:
    """Frames and masks after each local action was held, (L, h, w, 3) and (L, h, w), of the character's cell, and its rows and columns."""
    part = start.part
    ends = [world(part, start, np.full(steps, local), np.full(steps, direction)) for local in part.spec.local_actions]
    clips = [part.render(end.window(steps - 1, steps)) for end in ends]
    x, y = ends[0].position[-1].tolist()
    at = slice(y, y + part.spec.cell), slice(x, x + part.spec.cell)
    return np.stack([clip.frames_thwc[0][at] for clip in clips]), np.stack([clip.masks_thw[0][at] for clip in clips]), at


def held_scores(held: Held, actor: Actor, clusters: Clusters, part: Part, *, ghosts: bool = True) -> Scores:
    """The scores of held codes, see `control`."""
    labels = np.array(part.spec.local_actions)
    action_sk, tried_sk = held.action_sk, held.action_sk != NOT_HELD
    count_ska = action_sk[..., None] == labels

    def weighted(value_sk: NDArray[Any], *, unit: str = "", least: float = 0.0, fit_r: Floats | None = None) -> Score:
        value, tried = np.where(tried_sk, value_sk, 0).astype(float), tried_sk.astype(float)
        value_r = _over_codes(clusters.sums(value), clusters.sums(tried), actor.weight_k)
        return clusters.score(float(_over_codes(value.sum(0), tried.sum(0), actor.weight_k)), value_r, unit=unit, least=least, fit_r=fit_r)

    drawn = [
        float(_over_codes(((action_sk == meaning_k) & (meaning_k >= 0)).sum(0), tried_sk.sum(0), weight_k))
        for meaning_k, weight_k in actor.refits
    ]
    fit_r = from_draws(drawn) if drawn else None
    agree_r = _agreement(clusters.sums(count_ska.reshape(len(count_ska), -1)), clusters.sums(tried_sk), actor.weight_k)
    agree = float(_agreement(count_ska.sum(0).ravel(), tried_sk.sum(0), actor.weight_k))
    count_ka = count_ska.sum(0)
    scores = {
        "control.unreadable": weighted(action_sk == UNREADABLE),
        "control.ghost": weighted(action_sk == GHOST),
        "control.consistency": clusters.score(agree, agree_r),
        "control.faithful": weighted((action_sk == actor.meaning_k) & (actor.meaning_k >= 0), fit_r=fit_r),
        "control.distinct": Score(len(set(count_ka[count_ka.any(1)].argmax(1).tolist())) / len(labels)),
        "control.delta_psnr": weighted(held.delta_sk, unit="dB", least=-math.inf),
    }
    return {name: score for name, score in scores.items() if ghosts or name != "control.ghost"}


def one_action(actor: Actor) -> float:
    """`control.faithful` of a generator that shows the same local action for all codes, the one for which this is the highest.

    Without it, a model with one code would be faithful to all of its codes by showing a single action.
    """
    matched = actor.meaning_k >= 0
    return float(np.bincount(actor.meaning_k[matched], actor.weight_k[matched], 1).max() / actor.weight_k.sum())


def _over_codes(sum_k: Floats, tried_k: Floats, weight_k: Floats) -> Floats:
    """(...) the weighted mean over codes of sum / tried; codes that were not tried are left out. Leading axes are replicates."""
    used = tried_k > 0.5
    share = np.where(used, sum_k / np.maximum(tried_k, 1), 0)
    total = (weight_k * used).sum(-1)
    return np.asarray(np.where(total > 0, (weight_k * share).sum(-1) / np.maximum(total, 1e-12), np.nan))


def _agreement(count: NDArray[Any], tried_k: NDArray[Any], weight_k: Floats) -> Floats:
    """(...) the weighted mean over codes of the probability that two of the trials of a code, (..., K A) counts, end in the same action."""
    count_ka = count.reshape(*tried_k.shape, -1)
    same, pairs = (count_ka * (count_ka - 1)).sum(-1), tried_k * (tried_k - 1)
    return _over_codes(np.where(pairs > 0.5, same / np.maximum(pairs, 1), 0), (pairs > 0.5).astype(float), weight_k)


def _moved(begin: Sequence[Start], actor: Actor, hold: int) -> Values:
    """Motion after two steps in each direction, against that in the world, where an edge may stop it."""
    if actor.shifts is None:
        return {}
    part, steps = begin[0].part, min(2, hold)
    error, hits = [], []
    for direction in GlobalAction:
        code = int(actor.code_of_direction[direction])
        frames = actor.hold(begin, [code] * len(begin), [int(direction)] * len(begin), hold)[:, steps - 1]
        for start, frame in zip(begin, frames, strict=True):
            read = start.reader.read(frame[None])
            moved = read.position[0] - start.position
            expected = world(part, start, np.zeros(steps, int), np.full(steps, direction)).position[-1] - start.position
            error.append(motion.error(moved, expected))
            same = motion.action_of(moved, part.spec.sprite.step) == motion.action_of(expected, part.spec.sprite.step)
            hits.append(same & read.readable[0])
    shape = len(GlobalAction), len(begin)
    return {
        "control.shift.mean": np.reshape(error, shape).mean(0),
        "control.shift.action_accuracy": np.reshape(hits, shape).mean(0),
    }


def _videos(begin: Sequence[Start], actor: Actor, steps: int) -> list[Video]:
    """Some replays beside their clips, some transfers, and the first codes from some starts."""
    videos = []
    rows = range(min(REPLAYS_SHOWN, len(begin)))
    first = [begin[row] for row in rows]
    for start, generated in zip(first, actor.repeat(first, rows, steps), strict=True):
        both = tuple(np.concatenate([start.frame_hwc[None], frames]) for frames in (start.after(steps), generated))
        videos.append(Video("replay", f"clip {int(start.script.index)}", both))
    givers = [replays.giver(begin, row) for row in rows]
    for start, row, generated in zip(first, givers, actor.repeat(first, givers, steps), strict=True):
        other = begin[row]
        pairs = ((other.frame_hwc, other.after(steps)), (start.frame_hwc, generated))
        title = f"actions of clip {int(other.script.index)} from a frame of clip {int(start.script.index)}"
        videos.append(Video("transfer", title, tuple(np.concatenate([frame[None], frames]) for frame, frames in pairs)))
    shown = begin[:STARTS_SHOWN]
    for k, (action, meaning) in enumerate(zip(actor.action_k[:CODES_SHOWN], actor.meaning_k.tolist(), strict=False)):
        frames = actor.hold(shown, [k] * len(shown), [int(actor.direction_k[k])] * len(shown), min(HOLD, steps))
        title = f"inferred from {LocalAction(meaning).name}" if meaning >= 0 else "matched to no action"
        title = f"true action {LocalAction(meaning).name}" if actor.by_truth else title
        title = title if action.ndim else f"code {action}, {title}"
        videos.append(Video("code", title, tuple(np.concatenate([s.frame_hwc[None], clip]) for s, clip in zip(shown, frames, strict=True))))
    return videos
