"""Scores of videos without labels: those that need nothing but predictions and pixels, and the reasons why the others are missing.

A model that generates replays the beginning of every clip: from its first frame on, with the actions that the model infers from the clip.
Axis suffixes: n clips, t frames or steps, h, w, c = RGB; d features of a latent.
"""

import math
from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import VideoData, VideoPart
from wsprites.bench.distances import Features, left_out
from wsprites.bench.evaluation import ByPredictor, Evaluation, Progress, Scores, beyond
from wsprites.bench.metrics import actions, images, masks, motion
from wsprites.bench.metrics.interval import Clusters, Score, mean
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import (
    BATCH,
    NO_TRUTH,
    Arrays,
    Controllable,
    Model,
    ProtocolError,
    actions_of,
    check_same_arrays,
    infer,
    named,
    rollout,
    takes_true_actions,
)
from wsprites.bench.rollouts import CODES_SHOWN, HOLD, HORIZONS, REPLAYS_SHOWN, STARTS_SHOWN, STEPS, Frames, Video
from wsprites.bench.twins import between, distance

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

_ACTIONS = "the true actions are needed"
_SHIFTS = "the true motion is needed"
_TWINS = "the true actions are needed, and clips that are rendered again with a change"
_READER = "the art of the characters is needed, by which generated frames are read"
NEEDS_LABELS = {
    **dict.fromkeys(("local", "global", "background", "vectors"), _ACTIONS),
    "leakage": "the true actions and the true motion are needed",
    **dict.fromkeys(("shift", "background_shift"), _SHIFTS),
    "masks": "the true masks are needed",
    **dict.fromkeys(("null", "nuisance"), _TWINS),
    **dict.fromkeys(("reader", "control", "drift.position", "drift.local", "drift.unreadable", "transfer"), _READER),
}
"""Why videos do not have scores that data files have, by the beginning of their names."""
OF_REPLAYS = ("consistency", *(f"drift.{name}" for name in images.UNITS), "images")
"""How the names of scores of generated video begin that need no labels."""
_CONSISTENCY = ("codes", "vectors", "shift", "masks")
"""Arrays that a model infers again from its own video. It is not told how the scene moves, so its shift is left out."""


def evaluate(
    model: Model | Predictions, data: VideoData, name: str, *, progress: Progress = lambda _: None, networks: "Networks | None" = None
) -> Evaluation:
    """Compute the scores of a model that need no labels.

    `codes.*`: use of the codes, see `actions.usage`.

    `consistency.*`: what a model infers from its replay of a clip, compared with what it infers from the clip: `codes`, the share of
    transitions with the same code; `vectors`, the distance over that between vectors of different transitions of the clip, 0 is ideal;
    `shift`, the mean error in px; `masks`, the soft IoU. It is agreement of a model with itself: codes that never change have it as well.
    "copy" is a video that repeats the first frame.

    `drift.psnr.T`, `drift.ssim.T`, `drift.lpips.T`: frame T of the replay against that of the clip. `images.fid`, `images.fvd`: see
    `distances`.

    Args:
        name: the model's name in error messages.
        progress: called with the number of clips done since the last call, `clips_to_do` in all.
        networks: adds LPIPS, FID and FVD of generated video.

    Raises:
        UserError: the model does not follow the protocol, or offers nothing that can be scored without labels.
        ForeignError: the model raised an exception.
    """
    with named(name):
        return _evaluate(model, data, progress, networks)


def clips_to_do(model: Model | Predictions, data: VideoData) -> int:
    """The number of clips that `evaluate` reports to its progress in all."""
    return len(data.scored) + isinstance(model, Controllable)


def _evaluate(model: Model | Predictions, data: VideoData, progress: Progress, networks: "Networks | None") -> Evaluation:
    if takes_true_actions(model):
        raise ProtocolError(NO_TRUTH)
    part = data.scored
    without = left_out(data, networks) if networks else dict.fromkeys(("lpips", "fid", "fvd"), "no weights of networks are given")
    replays = _Replays(part, networks, without)
    rows: list[Arrays] = []
    for first in range(0, len(part), BATCH):
        at = np.arange(first, min(first + BATCH, len(part)))
        if isinstance(model, Predictions):
            arrays = model.rows(part, at)
        else:
            frames_nthwc = np.stack([part.frames(int(n)) for n in at])
            arrays = infer(model, _channels_first(frames_nthwc), part)
            if isinstance(model, Controllable):
                replays.add(model, frames_nthwc, arrays)
        check_same_arrays(rows[0] if rows else arrays, arrays)
        rows.append({name: array for name, array in arrays.items() if name != "masks"} if rows else arrays)
        progress(len(at))
    offered = rows[0].keys()
    inferred = {name: np.concatenate([row[name] for row in rows]) for name in offered if name != "masks"}
    results = replays.scores()
    if "codes" in inferred:
        k = max(getattr(model, "codes", None) or 1, int(inferred["codes"].max()) + 1)
        results["model"] |= {f"codes.{name}": score for name, score in actions.usage(inferred["codes"], k, part.clusters).items()}
    if not results["model"]:
        raise ProtocolError(f"infers {', '.join(offered)}, which cannot be scored without labels; codes and rollouts can")
    videos: list[Video] = []
    if isinstance(model, Model) and isinstance(model, Controllable):
        videos = _videos(model, part, inferred)
        progress(1)
    missing = _missing(offered, part, without, generates=isinstance(model, Controllable))
    return Evaluation(results.pop("model"), results, {}, tuple(videos), NEEDS_LABELS | missing)


def _missing(offered: Collection[str], part: VideoPart, without: dict[str, str], *, generates: bool) -> dict[str, str]:
    """Why scores are missing that need no labels, by the beginning of their names."""
    reasons = {f"recorded {name}": "labels that came with the videos are not used" for name in part.recorded}
    reasons |= {} if "codes" in offered else {"codes": "the model infers no codes"}
    if not generates:
        return reasons | dict.fromkeys(OF_REPLAYS, "the model has no rollout")
    reasons |= {f"consistency.{name}": f"the model infers no {name}" for name in _CONSISTENCY if name not in offered}
    smallest = min(part.spec.height, part.spec.width)
    if smallest < images.SSIM_WINDOW:
        reasons["drift.ssim"] = f"frames of {part.spec.height} x {part.spec.width}; {images.SSIM_WINDOW} pixels of a side are needed"
    reasons |= {("drift." if name == "lpips" else "images.") + name: why for name, why in without.items()}
    return reasons | beyond(part.spec.frames, [f"drift.{name}" for name in images.UNITS if f"drift.{name}" not in reasons])


class _Replays:
    """Values of all replays, clip by clip."""

    def __init__(self, part: VideoPart, networks: "Networks | None", without: dict[str, str]) -> None:
        self._steps = min(STEPS, part.spec.frames - 1)
        self._window = replace(part, spec=part.spec._replace(frames=self._steps + 1))
        self._lpips = networks.lpips if networks and "lpips" not in without else None
        self._features = Features(networks, without) if networks else None
        self._values: dict[str, dict[str, list[NDArray[np.float64]]]] = {"model": {}, "copy": {}}
        self._clips = 0

    def add(self, model: Controllable, frames_nthwc: Frames, inferred: Arrays) -> None:
        """Replay some clips, and measure the video that the model generates and one that repeats the first frame.

        Args:
            frames_nthwc: (N, T, H, W, 3) uint8, whole clips.
            inferred: the model's arrays for them.
        """
        assert isinstance(model, Model)
        true = frames_nthwc[:, : self._steps + 1]
        read = inferred if true.shape == frames_nthwc.shape else infer(model, _channels_first(true), self._window)
        check_same_arrays(inferred, read)
        first = true[:, :1]
        generated = rollout(model, first[:, 0].transpose(0, 3, 1, 2), actions_of(read), read.get("shift"))
        for who, video in (("model", generated), ("copy", np.repeat(first, self._steps, 1))):
            again = infer(model, _channels_first(np.concatenate([first, video], 1)), self._window)
            check_same_arrays(read, again)
            values = {f"consistency.{name}": _agreement(name, read[name], again[name]) for name in _CONSISTENCY if name in read}
            for t in HORIZONS:
                if t <= self._steps:
                    measured = images.similarity(video[:, t - 1], true[:, t], self._lpips)
                    values |= {f"drift.{name}.{t}": value for name, value in measured.items()}
            for name, value in values.items():
                self._values[who].setdefault(name, []).append(value)
            if self._features:
                self._features.add(who, video)
        if self._features:
            self._features.add("truth", true[:, 1:])
        self._clips += len(true)

    def scores(self) -> ByPredictor:
        """Scores of "model" and "copy", and of "oracle" where its distance is defined."""
        results: dict[str, Scores] = {
            who: {name: _mean(name, np.concatenate(values), self._window.clusters[: self._clips]) for name, values in by_name.items()}
            for who, by_name in self._values.items()
        }
        if self._features and self._clips:
            for who, scores in self._features.scores(self._clips).items():
                results.setdefault(who, {}).update(scores)
        return results


def _mean(name: str, value_n: NDArray[np.float64], clusters: Clusters) -> Score:
    """The mean over clips; only a distance of vectors over another can be above 1."""
    unit = "px" if name == "consistency.shift" else images.UNITS.get(name.split(".")[1], "")
    return mean(
        value_n,
        clusters,
        unit=unit,
        least=-1.0 if name.startswith("drift.ssim") else 0.0,
        most=math.inf if unit or "vectors" in name else 1.0,
    )


def _agreement(name: str, read: NDArray[Any], again: NDArray[Any]) -> NDArray[np.float64]:
    """(N,) agreement of an array that is inferred from clips with that which is inferred from their replays."""
    if name == "codes":
        return np.asarray((read == again).mean(1))
    if name == "shift":
        return np.asarray(motion.error(again, read).mean(1))
    if name == "masks":
        return np.array([masks.soft_iou(b, a).mean() for a, b in zip(read, again, strict=True)])
    differs = between(name, read)
    return np.where(differs > 0, distance(name, read, again).mean(1) / np.where(differs > 0, differs, 1), np.nan)


def _channels_first(frames_nthwc: Frames) -> Frames:
    return frames_nthwc.transpose(0, 1, 4, 2, 3)


def _videos(model: Controllable, part: VideoPart, inferred: Arrays) -> list[Video]:
    """Some replays beside their clips, and the codes in use, each held from the first frames of some clips."""
    assert isinstance(model, Model)
    steps = min(STEPS, part.spec.frames - 1)
    rows = np.unique(np.linspace(0, len(part) - 1, STARTS_SHOWN).astype(int))
    true = np.stack([part.frames(int(n))[: steps + 1] for n in rows])
    first = true[:, 0].transpose(0, 3, 1, 2)
    shift = inferred["shift"][rows, :steps] if "shift" in inferred else None
    replayed = rollout(model, first, actions_of(inferred)[rows, :steps], shift)
    videos = [
        Video("replay", f"clip {n}", (clip, np.concatenate([clip[:1], generated])))
        for n, clip, generated in list(zip(rows.tolist(), true, replayed, strict=True))[:REPLAYS_SHOWN]
    ]
    held = min(HOLD, steps)
    for code in np.unique(inferred["codes"])[:CODES_SHOWN].tolist() if "codes" in inferred else []:
        moved = None  # the mean shift that is inferred with the code
        if "shift" in inferred:
            moved = np.broadcast_to(inferred["shift"][inferred["codes"] == code].mean(0), (len(rows), held, 2))
        frames = rollout(model, first, np.full((len(rows), held), code), moved)
        clips = (np.concatenate([clip[:1], generated]) for clip, generated in zip(true, frames, strict=True))
        videos.append(Video("code", f"code {code}", tuple(clips)))
    return videos
