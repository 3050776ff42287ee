"""Null and nuisance tests: responses of a latent when nothing happens, or to changes that are no action. Axes: n, t, d as elsewhere.

Every score is a ratio to the response to another action, so that shrinking the latent gains nothing. What a model infers from a clip is
compared with what it infers from twins of the clip: rendered scripts in which one thing is changed.

The clips were inferred before, with all others. The twins come in calls of the same size, in an order that is drawn anew each time, from no
seed that a model could know, with the clips themselves among them. So neither the size of a call nor its number says what a clip is, and a
model that remembers the clips gains nothing: what it says of a clip again has to be what it said before, and what it says of a twin with
other actions, which looks like the clip in most pixels, has to differ.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Part, other_background, other_character
from wsprites.bench.metrics.interval import Clusters, Score
from wsprites.bench.protocol import BATCH, Arrays, Model, check_same_arrays, infer
from wsprites.world.actions import GlobalAction
from wsprites.world.script import FRAME_LABELS, Script

CLIPS = 24
"""Number of clips that are rendered with their twins."""
TWINS = ("repeat", "still", "actions", "background_motion", "background", "character")
"""The clip again; the clip with every frame twice; and what is changed in the others."""
_ACTION = {"codes": "local_action", "vectors": "local_action", "shift": "global_action", "background_shift": "background_action"}
"""Label of the action that each latent should respond to."""
_OF_SCENE = ("background_action", "background_offset", "background_shift")
_SEEDS = {"itself": 6, "repeat": 19, "still": 5, "actions": 11, "background_motion": 17, "background": 10, "character": 9}
"""Second part of the random baseline's seed, by video; the first is the number of the clip."""
_RANDOM_CODES = 6
_TOLERANCE = 1e-3
"""Largest distance between two responses to the same clip, in units of the response to an action, that is taken for rounding."""

Responses = dict[str, Arrays]
"""By video, "itself" and TWINS: (N, T-1[, D]) of each latent."""


def nuisance(
    model: Model, part: Part, inferred: Arrays, *, progress: Callable[[int], object] = lambda _: None
) -> dict[str, dict[str, Score]]:
    """Scores of "model", "random" and "oracle" on the first CLIPS clips.

    `null.LATENT`: in a clip that shows every frame twice, the response to two identical frames: for shifts its mean length over that of
    true moves; for codes and vectors, the distance between such responses over the response to an action.
    `nuisance.TWIN.LATENT`: the distance between what is inferred from a clip and from its twin, over the same. 0 is ideal, 1 is an action.
    Twins have another movement of the scene ("background_motion", that of the next clip), another scene, another character, or other
    actions (those of the next clip, in the same scene; for the shift of the scene only), or are the same clip again ("repeat").

    The response to an action is the mean distance between responses to different actions: the smaller of that within clips, at different
    times, and of that between clips and twins with other actions (for the shift of the scene, another movement), at the same time.
    Distances are Euclidean, for codes 0 or 1; actions are local for codes and vectors, global for shifts, the scene's for its shift. Where
    it is 0, a latent responds to nothing, and its scores are not defined.

    Args:
        inferred: the model's arrays for the clips of the part, which are those of "itself".
        progress: called with the number of videos done since the last call, `videos_to_do` in all.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    clips = min(CLIPS, len(part))
    scripts = [_scripts(part, n) for n in range(clips)]
    order = [(n, video) for n in range(clips) for video in TWINS]
    np.random.default_rng().shuffle(order)
    answers: dict[tuple[int, str], Arrays] = {}
    for first in range(0, len(order), BATCH):
        called = order[first : first + BATCH]
        videos = [part.clip(n) if video == "repeat" else part.render(scripts[n][video]) for n, video in called]
        arrays = infer(model, np.stack([video.frames_thwc for video in videos]).transpose(0, 1, 4, 2, 3), part)
        arrays.pop("masks", None)
        check_same_arrays(inferred, arrays)
        answers |= {key: {name: array[row] for name, array in arrays.items()} for row, key in enumerate(called)}
        progress(len(called))
    sizes = {name: array.shape[2:] for name, array in inferred.items()}
    own: Responses = {"itself": {name: array[:clips] for name, array in inferred.items()}}
    responses = {
        "model": own | {video: _stacked([answers[n, video] for n in range(clips)]) for video in TWINS},
        "random": {video: _stacked([_random(scripts[n][video], sizes, n, video) for n in range(clips)]) for video in _SEEDS},
        "oracle": {video: _stacked([_oracle(scripts[n][video], sizes, video) for n in range(clips)]) for video in _SEEDS},
    }
    return {who: _scores(videos, scripts, part) for who, videos in responses.items()}


def videos_to_do(part: Part) -> int:
    """The number of videos that `nuisance` reports to its progress in all."""
    return min(CLIPS, len(part)) * len(TWINS)


def remarks(scores: dict[str, Score]) -> list[str]:
    """A line for each latent whose scores do not say what they seem to: it changes from call to call, or responds to no action."""
    lines = []
    for name in _ACTION:
        repeat = scores.get(f"nuisance.repeat.{name}")
        if repeat and repeat.value > _TOLERANCE:
            lines.append(
                f"{name}: what is inferred from a clip changes from call to call (nuisance.repeat.{name} is {repeat.value:.3f}, 1 would be "
                "another action): it is random, or depends on earlier calls or on the other clips of a call"
            )
        if repeat and math.isnan(repeat.value):
            lines.append(f"{name}: no response to other actions in the same scene, so null and nuisance scores are not defined")
    return lines


def _scripts(part: Part, n: int) -> dict[str, Script]:
    """The scripts of a clip and of its twins."""
    script, other = part.script[n], part.script[(n + 1) % len(part)]
    twice = np.repeat(np.arange(-(-part.spec.frames // 2)), 2)[: part.spec.frames]
    of_scene = {name: getattr(other, name) for name in _OF_SCENE}
    of_character = {name: getattr(other, name) for name in FRAME_LABELS if name not in _OF_SCENE}
    return {
        "itself": script,
        "repeat": script,
        "still": replace(script, **{name: getattr(script, name)[twice] for name in FRAME_LABELS}),
        "actions": replace(script, **of_character),
        "background_motion": replace(script, **of_scene),
        "background": other_background(part, script),
        "character": other_character(part, script),
    }


def _stacked(clips: list[Arrays]) -> Arrays:
    return {name: np.stack([arrays[name] for arrays in clips]) for name in clips[0]}


def _scores(videos: Responses, scripts: list[dict[str, Script]], part: Part) -> dict[str, Score]:
    scores = {}
    clusters = part.clusters[: len(scripts)]
    for name, own in videos["itself"].items():
        with_action = "background_motion" if name == "background_shift" else "actions"  # a response to this twin is right
        action_nt, other_nt = (np.stack([getattr(each[video], _ACTION[name])[1:] for each in scripts]) for video in ("itself", with_action))
        to_action = _response_to_action(name, own, action_nt, videos[with_action][name], other_nt)
        null = videos["still"][name][:, ::2]  # transitions between equal frames
        if "shift" in name:
            moves = np.where(action_nt != GlobalAction.stay, np.linalg.norm(own, axis=-1), 0).sum(1)
            count = (action_nt != GlobalAction.stay).sum(1)
            at_rest, unit = np.linalg.norm(null, axis=-1).mean(1), moves / np.where(count, count, np.nan)
        else:
            at_rest, unit = between(name, null), to_action
        scores[f"null.{name}"] = _relative(at_rest, unit, clusters)
        for twin in TWINS:
            if twin not in ("still", with_action):
                apart = distance(name, own, videos[twin][name]).mean(1)
                scores[f"nuisance.{twin}.{name}"] = _relative(apart, to_action, clusters)
    return scores


def _response_to_action(
    name: str, own: NDArray[Any], action_nt: NDArray[Any], other: NDArray[Any], other_nt: NDArray[Any]
) -> NDArray[np.float64]:
    """(N,) mean distance between responses to different actions, within clips or to twins with other actions, whichever is smaller in all.

    A latent that counts frames differs within a clip, but not from such a twin; one that recognises clips may differ from it by any amount.
    """
    differs = action_nt != other_nt
    to_twin = (distance(name, own, other) * differs).sum(1) / np.where(differs.any(1), differs.sum(1), np.nan)
    within = between(name, own, action_nt)
    defined = [mean_n for mean_n in (within, to_twin) if np.isfinite(mean_n).any()]
    return min(defined, key=lambda mean_n: float(np.nanmean(mean_n)), default=within)


def _relative(apart_n: NDArray[np.float64], unit_n: NDArray[np.float64], clusters: Clusters) -> Score:
    """The mean of a distance over the mean of the response to an action; clips without different actions, NaN, are left out."""
    defined = np.isfinite(unit_n)
    apart, unit = np.where(defined, apart_n, 0), np.where(defined, unit_n, 0)
    if not unit.any():
        return Score(math.nan)
    unit_r = clusters.sums(unit)
    some = unit_r > 1e-9 * unit.sum()
    value_r = np.where(some, clusters.sums(apart) / np.where(some, unit_r, 1), math.nan)
    return clusters.score(float(apart.sum() / unit.sum()), value_r, most=math.inf, clips=int(defined.sum()))


def between(name: str, response_ntd: NDArray[Any], action_nt: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """(N,) mean distance between the responses in a clip at different times; with actions, at times of different ones; NaN without any."""
    from scipy.spatial.distance import cdist

    means = np.full(len(response_ntd), np.nan)
    for n, response in enumerate(response_ntd):
        apart = response[:, None] != response if name == "codes" else cdist(response, response)
        differs = ~np.eye(len(response), dtype=bool) if action_nt is None else action_nt[n][:, None] != action_nt[n]
        if differs.any():
            means[n] = apart[differs].mean()
    return means


def distance(name: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    """Distance of two responses, Euclidean along the last axis; of codes 0 or 1."""
    return (a != b).astype(float) if name == "codes" else np.asarray(np.linalg.norm(a - b, axis=-1))


def _random(script: Script, sizes: dict[str, tuple[int, ...]], n: int, video: str) -> Arrays:
    rng = np.random.default_rng([n, _SEEDS[video]])
    steps = len(script.global_action) - 1
    return {
        name: rng.integers(0, _RANDOM_CODES, steps).astype(float) if name == "codes" else rng.normal(size=(steps, *size))
        for name, size in sizes.items()
    }


def _oracle(script: Script, sizes: dict[str, tuple[int, ...]], video: str) -> Arrays:
    """The true actions and shifts; for frames shown twice, no response."""
    local = script.local_action[1:].astype(float)
    truth = {
        "codes": local,
        "vectors": local[:, None],
        "shift": script.shift[1:].astype(float),
        "background_shift": script.background_shift[1:],
    }
    return {name: truth[name] * (video != "still") for name in sizes}
