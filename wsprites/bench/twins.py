"""Null and nuisance tests: what a latent does when nothing happens, or something that it should not care about. Axes: n, t, d as elsewhere.

Every figure is a ratio to the response to a true action, so that shrinking the latent gains nothing. The twins of a clip have the same
script, and the world renders them: with a scene that stands still, another scene, or another character.
"""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Part, other_background, other_character
from wsprites.bench.metrics.interval import Figure, ratio
from wsprites.bench.protocol import Arrays, Model, infer
from wsprites.world.script import FRAME_LABELS, Script

CLIPS = 16
TWINS = ("background_motion", "background", "character")
_ACTION = {"codes": "local_action", "vectors": "local_action", "shift": "global_action", "background_shift": "background_action"}


def nuisance(model: Model, part: Part, where: str, progress: Callable[[int], object] = lambda _: None) -> dict[str, dict[str, Figure]]:
    """Figures for "model", "random" and "oracle", on the first CLIPS clips.

    `null.LATENT`: of a clip that shows every frame twice, the response to two identical frames: for shifts its mean length over that of
    true moves; for codes and vectors, how far such responses are from one another over how far those to different actions are.
    `nuisance.TWIN.LATENT`: distance between the responses to a clip and to its twin, over the same. 0 is ideal, 1 as large as an action.
    Distances are Euclidean, for codes 0 or 1; actions are local for codes and vectors, global for shifts, the scene's for its shift.
    """
    clips = min(CLIPS, len(part))
    answers: dict[str, list[dict[str, Arrays]]] = {}
    for n in range(clips):
        script = part.script[n]
        twice = np.repeat(np.arange(-(-part.spec.frames // 2)), 2)[: part.spec.frames]
        still = replace(script, **{name: getattr(script, name)[twice] for name in FRAME_LABELS})
        videos = {
            "itself": part.clip(n),
            "still": part.render(still),
            "background_motion": part.render(script, "frozen"),
            "background": part.render(other_background(part, script)),
            "character": part.render(other_character(part, script)),
        }
        batch = np.stack([clip.frames_thwc for clip in videos.values()]).transpose(0, 1, 4, 2, 3)
        inferred = infer(model, where, batch, part)
        inferred.pop("masks", None)
        answers.setdefault("model", []).append(
            {video: {name: array[row].astype(float) for name, array in inferred.items()} for row, video in enumerate(videos)}
        )
        offered = {name: array.shape[2:] for name, array in inferred.items()}
        for who, make in (("random", _random), ("oracle", _oracle)):
            answers.setdefault(who, []).append({video: make(script, offered, n, video) for video in videos})
        progress(1)
    return {who: _figures(of, part) for who, of in answers.items()}


def _figures(answers: list[dict[str, Arrays]], part: Part) -> dict[str, Figure]:
    figures = {}
    for name in answers[0]["itself"]:
        action_nt = getattr(part.script, _ACTION[name])[: len(answers), 1:]
        own = np.stack([answer["itself"][name] for answer in answers])
        null = np.stack([answer["still"][name][::2] for answer in answers])
        to_action = _between(name, own, action_nt)
        if "shift" in name:
            at_rest, moving = np.linalg.norm(null, axis=-1).mean(1), _ACTION[name]
            moves = np.linalg.norm(own, axis=-1) * (getattr(part.script, moving)[: len(answers), 1:] != 4)
            figures[f"null.{name}"] = ratio(at_rest, moves.sum(1) / np.maximum((moves > 0).sum(1), 1))
        else:
            figures[f"null.{name}"] = ratio(_between(name, null), to_action)
        for twin in TWINS:
            if (twin, name) != ("background_motion", "background_shift"):  # that one is meant to respond
                other = np.stack([answer[twin][name] for answer in answers])
                figures[f"nuisance.{twin}.{name}"] = ratio(_distance(name, own, other).mean(1), to_action)
    return figures


def _between(name: str, response_ntd: NDArray[Any], action_nt: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """(N,) mean distance between responses of a clip at different times; with actions, at times of different ones."""
    total, count = np.zeros(len(response_ntd)), np.zeros(len(response_ntd))
    for lag in range(1, response_ntd.shape[1]):
        differs = np.ones(response_ntd.shape[:2], bool) if action_nt is None else action_nt != np.roll(action_nt, lag, 1)
        total += (_distance(name, response_ntd, np.roll(response_ntd, lag, 1)) * differs).sum(1)
        count += differs.sum(1)
    return total / np.maximum(count, 1)


def _distance(name: str, a: NDArray[Any], b: NDArray[Any]) -> NDArray[np.float64]:
    return (a != b).astype(float) if name == "codes" else np.asarray(np.linalg.norm(a - b, axis=-1))


def _random(script: Script, offered: dict[str, tuple[int, ...]], n: int, video: str) -> Arrays:
    rng = np.random.default_rng([n, len(video)])
    steps = len(script.global_action) - 1
    return {
        name: rng.integers(0, 6, steps).astype(float) if name == "codes" else rng.normal(size=(steps, *d)) for name, d in offered.items()
    }


def _oracle(script: Script, offered: dict[str, tuple[int, ...]], n: int, video: str) -> Arrays:
    """The truth; of two identical frames, that nothing happened."""
    local = script.local_action[1:].astype(float)
    truth = {
        "codes": local,
        "vectors": local[:, None],
        "shift": script.shift[1:].astype(float),
        "background_shift": script.background_shift[1:],
    }
    return {name: truth[name] * (video != "still") for name in offered}
