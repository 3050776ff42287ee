"""Replays: what a model generates from the actions that it infers from a clip, from a start in this clip (drift) or another (transfer).

`drift.position.T`, `drift.local.T`, `drift.psnr.T`, `drift.ssim.T`, with a network `drift.lpips.T`: T steps after a start, with the actions
that the model infers from the clip after this start, against the clip. `drift.unreadable.T`: the share of frames that are not readable.

`transfer.position.T`, `transfer.local.T`: the same with the actions and shifts that it infers from another clip after its start, against
what the world would do with the true ones of that clip. Actions that hold the pixels or the pose of the frames to come fail here.

Position is the error in px of the place that is read in any case; a local action that is read from an unreadable frame counts as wrong.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics import images, motion
from wsprites.bench.rollouts import HORIZONS, Actor, Frames, Start, puppet
from wsprites.world.script import Script

Values = dict[str, NDArray[Any]]

BY_HORIZON = ("drift.position", "drift.local", "drift.unreadable", "drift.psnr", "drift.ssim", "transfer.position", "transfer.local")
"""Scores that are named by a step of HORIZONS as well."""


def giver(begin: Sequence[Start], row: int) -> int:
    """The start whose actions are done from this one in a transfer: the next that is of another character, or else the next."""
    others = [(row + by) % len(begin) for by in range(1, len(begin) + 1)]
    characters = [int(start.script.character) for start in begin]
    return next((other for other in others if characters[other] != characters[row]), others[0])


def values(begin: Sequence[Start], rows: Sequence[int], actor: Actor, steps: int, lpips: images.Lpips | None) -> Values:
    """The values of all scores for some of all starts, (S,) each."""
    started, givers = [begin[row] for row in rows], [giver(begin, row) for row in rows]
    at = [horizon - 1 for horizon in HORIZONS if horizon <= steps]
    # From the clip itself.
    replay = actor.repeat(started, rows, steps)[:, at]
    true = np.stack([start.after(steps)[at] for start in started])
    found = _against(started, replay, [start.script_after(steps) for start in started], at, "drift")
    for column, t in enumerate(at):
        for name, similarity in images.similarity(replay[:, column], true[:, column], lpips).items():
            found[f"drift.{name}.{t + 1}"] = similarity
    # From another clip.
    if len(begin) == 1:
        return found
    transferred = actor.repeat(started, givers, steps)[:, at]
    scripts = []
    for start, row in zip(started, givers, strict=True):
        other = begin[row].script_after(steps)
        scripts.append(puppet(start.part, start, other.local_action, other.shift.astype(float)))
    found |= _against(started, transferred, scripts, at, "transfer")
    return {name: one for name, one in found.items() if not name.startswith("transfer.unreadable")}


def _against(started: Sequence[Start], frames_bthwc: Frames, scripts: Sequence[Script], at: Sequence[int], prefix: str) -> Values:
    """Position, local action and readability of frames, read and compared with those of a script."""
    columns: dict[str, list[NDArray[Any]]] = {"position": [], "local": [], "unreadable": []}
    for start, frames, script in zip(started, frames_bthwc, scripts, strict=True):
        read = start.reader.read(frames)
        columns["position"].append(motion.error(read.position, script.position[at]))
        columns["local"].append((read.local_action == script.local_action[at]) & read.readable)
        columns["unreadable"].append(~read.readable)
    return {f"{prefix}.{name}.{t + 1}": np.array(rows, float)[:, n] for name, rows in columns.items() for n, t in enumerate(at)}
