"""FID and FVD of replays: how far what a model generates is from what the world does, as distributions of a network's features.

Every scored clip is replayed as in control.py: from one of its frames on, with the model's own reading of it as actions, before a scene
that stands still. Axis suffixes: n clips or pictures, t steps, h, w, c; d features.
"""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data, Part
from wsprites.bench.metrics.images import frechet
from wsprites.bench.metrics.interval import Figure
from wsprites.bench.protocol import Controllable, Model, rollout
from wsprites.bench.rollouts import STEPS, Frames, read_actions, start_of

if TYPE_CHECKING:
    from wsprites.bench.networks import Networks

Floats = NDArray[np.float64]

FEATURES = {"fid": 2048, "fvd": 400}
_BATCH = 4  # clips that are replayed at once


def left_out(data: Data, networks: "Networks") -> dict[str, str]:
    """Why LPIPS, FID or FVD is not scored, by name: a file lacks, or the data.

    A covariance of D features is singular unless it is taken from more than D pictures or videos; the distance would be about their number.
    """
    found = dict(networks.missing)
    if "fvd" not in found and data.scored.spec.frames <= STEPS:
        found["fvd"] = f"clips of {data.scored.spec.frames} frames, {STEPS + 1} are needed"
    for name, a_clip in (("fid", _steps(data.scored)), ("fvd", 1)):
        if len(data.scored) * a_clip <= FEATURES[name]:
            found.setdefault(name, f"{len(data.scored)} clips, {FEATURES[name] // a_clip + 1} are needed")
    return found


def clips(data: Data, networks: "Networks") -> int:
    """How many clips `distances` tells its progress of."""
    return 0 if {"fid", "fvd"} <= left_out(data, networks).keys() else len(data.scored) + len(_others(data))


def distances(
    model: Controllable, data: Data, networks: "Networks", where: str, progress: Callable[[int], object] = lambda _: None
) -> dict[str, dict[str, Figure]]:
    """`images.fid`, of all generated frames, and `images.fvd`, of the videos of 16 steps, for "model" and for controls.

    "copy" shows the start for ever. "other_clips" are as many true videos of the other characters, those that maps are fitted on (none if
    there are too few): what a set of true videos gets that is not this one, by its sampling. "oracle" is the world, and so 0.
    There are no intervals, because a draw that holds clips twice is further from the truth for that alone. Both scores depend on the
    number of clips, and are not to be compared between different ones.
    """
    part, steps = data.scored, _steps(data.scored)
    wanted = [name for name in FEATURES if name not in left_out(data, networks)]
    if not wanted:
        return {}
    seen: dict[tuple[str, str], list[Floats]] = {}

    def look(who: str, videos_nthwc: Frames) -> None:
        if "fid" in wanted and networks.fid:
            different = videos_nthwc[:, :1] if who == "copy" else videos_nthwc
            features = networks.fid(different.reshape(-1, *videos_nthwc.shape[2:]))
            seen.setdefault((who, "fid"), []).append(np.repeat(features, steps, 0) if who == "copy" else features)
        if "fvd" in wanted and networks.fvd:
            seen.setdefault((who, "fvd"), []).append(networks.fvd(videos_nthwc))

    assert isinstance(model, Model)
    for at in range(0, len(part), _BATCH):
        begin = [start_of(part, n) for n in range(at, min(at + _BATCH, len(part)))]
        first = np.stack([start.frames_thwc[start.t] for start in begin])
        look("model", rollout(model, where, first.transpose(0, 3, 1, 2), *read_actions(model, begin, where, steps)))
        look("truth", np.stack([start.after(steps) for start in begin]))
        look("copy", np.repeat(first[:, None], steps, 1))
        progress(len(begin))
    for one in _others(data):
        look("other_clips", start_of(data.fit, *one).after(steps)[None])
        progress(1)
    found: dict[str, dict[str, Figure]] = {"oracle": {f"images.{name}": Figure(0.0, unit="distance") for name in wanted}}
    for (who, name), features in seen.items():
        if who != "truth":
            distance = frechet(np.concatenate(features), np.concatenate(seen["truth", name]))
            found.setdefault(who, {})[f"images.{name}"] = Figure(distance, unit="distance", clips=len(part))
    return found


def _others(data: Data) -> list[tuple[int, int, int]]:
    """Clip, piece and number of pieces of as many starts in the other part as clips are scored; none if there are fewer."""
    pieces = -(-len(data.scored) // len(data.fit))
    every = [(n, piece, pieces) for piece in range(pieces) for n in range(len(data.fit))]
    return every[: len(data.scored)] if pieces == 1 or pieces < data.fit.spec.frames // STEPS else []


def _steps(part: Part) -> int:
    return min(STEPS, part.spec.frames - 1)
