"""FID and FVD of replays: the distance between generated and true video, as distributions of a network's features.

Every scored clip is replayed as in rollouts.py: from one of its frames on, with the actions that the model infers from it, in front of a
scene that stands still. Axis suffixes: n clips or pictures, t steps, h, w, c; d features.
"""

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Clips, ClipSize, Data, VideoData
from wsprites.bench.metrics.images import frechet
from wsprites.bench.metrics.interval import Score
from wsprites.bench.protocol import Controllable, Model, frames_needed, rollout, takes_true_actions
from wsprites.bench.rollouts import STEPS, Frames, first_frames, read_actions, start_of

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

Floats = NDArray[np.float64]

FEATURES = {"fid": 2048, "fvd": 400}
"""Number of features of each distance."""
_LEAST_LPIPS = 31  # pixels of a side: the convolutions of AlexNet leave nothing of less
_BATCH = 4  # clips that are replayed at once


def left_out(data: Data | VideoData, networks: "Networks") -> dict[str, str]:
    """Why LPIPS, FID or FVD is not scored, by name: a file of weights is missing, or there are too few clips.

    A covariance of D features is singular unless it is taken from more than D images or videos; the distance would then depend mostly on
    their number.
    """
    spec = data.scored.spec
    short = f"clips of {spec.frames} frames, {STEPS + 1} are needed" if spec.frames <= STEPS else ""
    return lacking(networks, spec, len(data.scored), _steps(data.scored), "clips", short)


def lacking(networks: "Networks", size: ClipSize, videos: int, frames: int, what: str, short: str) -> dict[str, str]:
    """The same for any videos.

    Args:
        size: that of the frames.
        videos, frames: the number of videos, and of the frames of each that are compared.
        what: the name of the videos, in the plural.
        short: why they are too short for FVD; empty if they are not.
    """
    reasons = dict(networks.missing)
    if min(size.height, size.width) < _LEAST_LPIPS:
        reasons.setdefault("lpips", f"frames of {size.height} x {size.width}, {_LEAST_LPIPS} x {_LEAST_LPIPS} are needed")
    if short:
        reasons.setdefault("fvd", short)
    for name, each in (("fid", frames), ("fvd", 1)):
        if videos * each <= FEATURES[name]:
            reasons.setdefault(name, f"{videos} {what}, {FEATURES[name] // each + 1} are needed")
    return reasons


def clips(data: Data, networks: "Networks") -> int:
    """The number of clips that `distances` reports to its progress in all."""
    return 0 if {"fid", "fvd"} <= left_out(data, networks).keys() else len(data.scored) + len(_others(data))


def distances(
    model: Controllable, data: Data, networks: "Networks", *, progress: Callable[[int], object] = lambda _: None
) -> dict[str, dict[str, Score]]:
    """`images.fid`, of all generated frames, and `images.fvd`, of the videos of 16 steps, for "model" and for baselines.

    "copy" repeats the start. "other_clips" are as many true videos of the other characters, those that maps are fitted on (none if there
    are too few): the distance of a set of true videos that differs by its sampling. "oracle" is the world, at distance 0.
    There are no intervals, because a draw that holds some clips twice is farther from the truth for that alone. Both scores depend on the
    number of clips and cannot be compared between different numbers.

    Raises:
        ProtocolError: the model does not follow the protocol.
    """
    part, steps = data.scored, _steps(data.scored)
    features = Features(networks, left_out(data, networks))
    if not features.wanted:
        return {}
    assert isinstance(model, Model)
    by_truth = takes_true_actions(model)
    for at in range(0, len(part), _BATCH):
        begin = [start_of(part, n) for n in range(at, min(at + _BATCH, len(part)))]
        first = np.stack([start.frame_hwc for start in begin])
        given = read_actions(model, begin, steps, by_truth=by_truth)
        features.add("model", rollout(model, first_frames(begin, frames_needed(model)), *given))
        features.add("truth", np.stack([start.after(steps) for start in begin]))
        features.add("copy", np.repeat(first[:, None], steps, 1))
        progress(len(begin))
    for n, piece, pieces in _others(data):
        features.add("other_clips", start_of(data.fit, n, piece=piece, pieces=pieces).after(steps)[None])
        progress(1)
    return features.scores(len(part))


class Features:
    """Features of generated and of true videos, from which FID and FVD are computed.

    Args:
        without: the names of the distances that are not wanted.
    """

    def __init__(self, networks: "Networks", without: Collection[str]) -> None:
        self.wanted = [name for name in FEATURES if name not in without]
        self._networks = networks
        self._features: dict[tuple[str, str], list[Floats]] = {}

    def add(self, who: str, videos_nthwc: Frames) -> None:
        """Add some videos of "truth", "model", "copy" (the same frame all the time) or another predictor."""
        steps = videos_nthwc.shape[1]
        if "fid" in self.wanted and self._networks.fid:
            different = videos_nthwc[:, :1] if who == "copy" else videos_nthwc
            features = self._networks.fid(different.reshape(-1, *videos_nthwc.shape[2:]))
            self._features.setdefault((who, "fid"), []).append(np.repeat(features, steps, 0) if who == "copy" else features)
        if "fvd" in self.wanted and self._networks.fvd:
            self._features.setdefault((who, "fvd"), []).append(self._networks.fvd(videos_nthwc))

    def scores(self, clips: int) -> dict[str, dict[str, Score]]:
        """`images.fid` and `images.fvd` of each predictor against "truth"; those of "oracle" are 0."""
        scores: dict[str, dict[str, Score]] = {"oracle": {f"images.{name}": Score(0.0, unit="distance") for name in self.wanted}}
        for (who, name), features in self._features.items():
            if who != "truth":
                distance = frechet(np.concatenate(features), np.concatenate(self._features["truth", name]))
                scores.setdefault(who, {})[f"images.{name}"] = Score(distance, unit="distance", clips=clips)
        return scores


def _others(data: Data) -> list[tuple[int, int, int]]:
    """Clip, piece and number of pieces (`start_of`) of as many starts in the other part as clips are scored; none if there are too few."""
    pieces = -(-len(data.scored) // len(data.fit))
    every = [(n, piece, pieces) for piece in range(pieces) for n in range(len(data.fit))]
    return every[: len(data.scored)] if pieces == 1 or pieces < data.fit.spec.frames // STEPS else []


def _steps(part: Clips) -> int:
    return min(STEPS, part.spec.frames - 1)
