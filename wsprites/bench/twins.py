"""Null and nuisance tests: responses of a latent when nothing happens, or to changes that are no action. Axes: n, t, d as elsewhere.

Every score is a ratio to the response to a true action, so that shrinking the latent gains nothing. The twins of a clip have the same
script and are rendered with a scene that stands still, another scene, or another character.
"""

import math
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Part, other_background, other_character
from wsprites.bench.metrics.interval import Score, ratio
from wsprites.bench.protocol import Arrays, Model, check_same_arrays, infer
from wsprites.render import Clip
from wsprites.world.actions import GlobalAction
from wsprites.world.script import FRAME_LABELS, Script

CLIPS = 16
"""Number of clips that are rendered with their twins."""
TWINS = ("background_motion", "background", "character")
_ACTION = {"codes": "local_action", "vectors": "local_action", "shift": "global_action", "background_shift": "background_action"}
"""Label of the action that each latent should respond to."""
_SEEDS = {"itself": 6, "still": 5, "background_motion": 17, "background": 10, "character": 9}
"""Second part of the random baseline's seed, by video; the first is the number of the clip."""
_RANDOM_CODES = 6

Responses = dict[str, Arrays]
"""By video, (T-1[, D]) of each latent."""


def nuisance(model: Model, part: Part, *, progress: Callable[[int], object] = lambda _: None) -> dict[str, dict[str, Score]]:
    """Scores of "model", "random" and "oracle" on the first CLIPS clips.

    `null.LATENT`: in a clip that shows every frame twice, the response to two identical frames: for shifts its mean length over that of
    true moves; for codes and vectors, the distance between such responses over that between responses to different actions.
    `nuisance.TWIN.LATENT`: the distance between the responses to a clip and to its twin, over the same. 0 is ideal, 1 is that of an action.
    Distances are Euclidean, for codes 0 or 1; actions are local for codes and vectors, global for shifts, the scene's for its shift.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    responses: dict[str, list[Responses]] = {"model": [], "random": [], "oracle": []}
    first: Arrays = {}
    for n in range(min(CLIPS, len(part))):
        script, videos = part.script[n], _videos(part, n)
        batch = np.stack([clip.frames_thwc for clip in videos.values()]).transpose(0, 1, 4, 2, 3)
        inferred = infer(model, batch, part)
        inferred.pop("masks", None)
        first = first or inferred
        check_same_arrays(first, inferred)
        sizes = {name: array.shape[2:] for name, array in inferred.items()}
        responses["model"].append(
            {video: {name: array[row].astype(float) for name, array in inferred.items()} for row, video in enumerate(videos)}
        )
        responses["random"].append({video: _random(script, sizes, n, video) for video in videos})
        responses["oracle"].append({video: _oracle(script, sizes, video) for video in videos})
        progress(1)
    return {who: _scores(clips, part) for who, clips in responses.items()}


def _videos(part: Part, n: int) -> dict[str, Clip]:
    """A clip, the clip with every frame twice, and its twins."""
    script = part.script[n]
    twice = np.repeat(np.arange(-(-part.spec.frames // 2)), 2)[: part.spec.frames]
    return {
        "itself": part.clip(n),
        "still": part.render(replace(script, **{name: getattr(script, name)[twice] for name in FRAME_LABELS})),
        "background_motion": part.render(script, "frozen"),
        "background": part.render(other_background(part, script)),
        "character": part.render(other_character(part, script)),
    }


def _scores(clips: list[Responses], part: Part) -> dict[str, Score]:
    scores = {}
    clusters = part.clusters[: len(clips)]
    for name in clips[0]["itself"]:
        action_nt = getattr(part.script, _ACTION[name])[: len(clips), 1:]
        own = np.stack([videos["itself"][name] for videos in clips])
        null = np.stack([videos["still"][name][::2] for videos in clips])  # transitions between equal frames
        to_action = between(name, own, action_nt)
        if "shift" in name:
            at_rest = np.linalg.norm(null, axis=-1).mean(1)
            moves = np.linalg.norm(own, axis=-1) * (action_nt != GlobalAction.stay)
            scores[f"null.{name}"] = ratio(at_rest, moves.sum(1) / np.maximum((moves > 0).sum(1), 1), clusters, most=math.inf)
        else:
            scores[f"null.{name}"] = ratio(between(name, null), to_action, clusters, most=math.inf)
        for twin in TWINS:
            if (twin, name) != ("background_motion", "background_shift"):  # a response to this one is right
                other = np.stack([videos[twin][name] for videos in clips])
                scores[f"nuisance.{twin}.{name}"] = ratio(distance(name, own, other).mean(1), to_action, clusters, most=math.inf)
    return scores


def between(name: str, response_ntd: NDArray[Any], action_nt: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """(N,) mean distance between the responses in a clip at different times; with actions, at times of different actions."""
    total, count = np.zeros(len(response_ntd)), np.zeros(len(response_ntd))
    for lag in range(1, response_ntd.shape[1]):
        differs = np.ones(response_ntd.shape[:2], bool) if action_nt is None else action_nt != np.roll(action_nt, lag, 1)
        total += (distance(name, response_ntd, np.roll(response_ntd, lag, 1)) * differs).sum(1)
        count += differs.sum(1)
    return total / np.maximum(count, 1)


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
