"""What the codes and vectors of a model stand for: found once for each model, on clips of characters that no model was trained on.

Axis suffixes: n clips, t frames, h, w, c; k codes, g global actions, l local actions, d numbers of a vector.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.playground.episode import Moment
from wsprites.playground.models import Player
from wsprites.render import render
from wsprites.view.picture import data_uri, encode_webp
from wsprites.world.actions import GlobalAction, LocalAction, local_actions
from wsprites.world.script import Script, scripts, split_indices
from wsprites.world.spec import WorldSpec

CLIPS, FRAMES = 8, 32
"""Number of clips that a model reads, and how many frames of each."""
LOOP = 8
"""Steps of the pictures that show what a code does."""
BUTTONS = 64
"""Codes that a model may have for pages to have a button with such a picture for each: a batch of all of them is generated at once."""
SLIDERS = 8
"""Numbers of a vector that can be varied by hand: the first ones."""
_SEED, _LOOP_MS = 22, 125


@dataclass(frozen=True, eq=False)
class Meanings:
    """How often codes occurred with the true actions, and which vectors did."""

    count_kgl: NDArray[np.int64]
    """(K, G, L) number of transitions with each code and true action; K = 0 for a model that infers no codes."""
    vector_gld: NDArray[np.float64]
    """(G, L, D) mean vector of each true action; NaN for one that did not occur. D = 0 for a model that infers none."""
    low_d: NDArray[np.float64]
    high_d: NDArray[np.float64]
    """(D,) the 2nd and the 98th percentile of each number of the vectors."""

    def parts(self, moment: Moment) -> dict[str, NDArray[Any]]:
        """The code, (1,), that occurred most often with the actions of a moment, or else the mean of the vectors that did, (1, D)."""
        g, local, _ = moment.choice
        if self.count_kgl.size:
            for count_k in (self.count_kgl[:, g, local], self.count_kgl[:, :, local].sum(1), self.count_kgl.sum((1, 2))):
                if count_k.any():
                    return {"codes": np.array([count_k.argmax()])}
        if self.vector_gld.size:
            with np.errstate(invalid="ignore"):
                for vector_d in (
                    self.vector_gld[g, local],
                    _mean(self.vector_gld[:, local]),
                    _mean(self.vector_gld.reshape(-1, len(self.low_d))),
                ):
                    if np.isfinite(vector_d).all():
                        return {"vectors": vector_d[None].astype(np.float32)}
        return {}

    def matches(self) -> list[dict[str, Any] | None]:
        """For each code the local action that it occurred with most often, and in which share of its transitions; None if it never did."""
        found: list[dict[str, Any] | None] = []
        for count_l in self.count_kgl.sum(1):
            total, local = int(count_l.sum()), int(count_l.argmax())
            found.append(
                {"action": LocalAction(local).name, "share": round(int(count_l[local]) / total, 3), "of": total} if total else None
            )
        return found

    def ranges(self) -> list[list[float]]:
        """The least and the largest value of each slider."""
        return [[float(low), float(high)] for low, high in zip(self.low_d[:SLIDERS], self.high_d[:SLIDERS], strict=True)]


def _mean(vector_nd: NDArray[np.float64]) -> NDArray[np.float64]:
    known = vector_nd[np.isfinite(vector_nd).all(-1)]
    return known.mean(0) if len(known) else np.full(vector_nd.shape[-1], np.nan)


def clips(spec: WorldSpec) -> Script:
    """The scripts, (N, T), of the clips that models read: of val, or of any split in a world without val."""
    split = split_indices(spec, _SEED, 200)
    members = split["val"] if len(split["val"]) else np.concatenate([*split.values()])
    return scripts(spec, _SEED, members[:CLIPS]).window(0, min(FRAMES, spec.frames))


def read_clip(player: Player, world: World, script: Script) -> tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]:
    """Codes (T-1,), vectors (T-1, D) and true actions (T-1, 2) of one clip; empty arrays for what the model does not infer."""
    arrays = player.infer(render(world, script).frames_thwc)
    transitions = len(script.global_action) - 1
    actions = np.stack([script.global_action[1:], script.local_action[1:]], -1).astype(np.int64)
    codes = arrays.get("codes", np.zeros(0, np.int64))
    vectors = arrays.get("vectors", np.zeros((transitions, 0)))
    return codes, vectors, actions


def collect(player: Player, spec: WorldSpec, read: list[tuple[NDArray[Any], NDArray[Any], NDArray[np.int64]]]) -> Meanings:
    """What was read of several clips, as one table."""
    local = len(local_actions(spec.facings))
    takes = player.takes
    count = np.zeros((takes.codes, len(GlobalAction), local), np.int64)
    size = takes.vectors if read and read[0][1].shape[-1] == takes.vectors else 0
    for codes, _, actions in read:
        if takes.codes and len(codes) and codes.max() < takes.codes:
            np.add.at(count, (codes, actions[:, 0], actions[:, 1]), 1)
    vectors = np.concatenate([each[1] for each in read]) if size else np.zeros((0, 0))
    actions = np.concatenate([each[2] for each in read])
    mean = np.full((len(GlobalAction), local, size), np.nan)
    for g, local_action in np.unique(actions, axis=0) if size else ():
        mean[g, local_action] = vectors[(actions == (g, local_action)).all(-1)].mean(0)
    low, high = np.percentile(vectors, (2, 98), axis=0) if size else np.zeros((2, 0))
    return Meanings(count if count.any() else count[:0], mean, low, high)


def loops(player: Player, frame_hwc: NDArray[np.uint8]) -> list[str]:
    """What each code does when it is held on the spot, as animated pictures in data addresses. Frame 0 is the given one.

    Of a model with more than BUTTONS codes there are none.
    """
    codes = player.takes.codes
    if codes > BUTTONS:
        return []
    frame_khwc = np.repeat(frame_hwc[None], codes, 0)
    state, frames = player.start(frame_khwc), [frame_khwc]
    parts = standing(player, codes) | {"codes": np.arange(codes)}
    for _ in range(LOOP):
        frame, state = player.step(state, parts, frame_khwc.shape)
        frames.append(frame)
    clip_kthwc = np.stack(frames, 1)
    return [data_uri("image/webp", encode_webp(clip, milliseconds=_LOOP_MS, quality=75)) for clip in clip_kthwc]


def standing(player: Player, videos: int) -> dict[str, NDArray[Any]]:
    """The shifts of a character and a scene that stand still, where a model takes them."""
    taken = [name for name in ("shift", "background_shift") if getattr(player.takes, name)]
    return {name: np.zeros((videos, 2), np.float32) for name in taken}


def start_frame(world: World) -> NDArray[np.uint8]:
    """A frame in which the character is near the middle: loops begin with it."""
    script = clips(world.spec)[0]
    middle = np.array(world.spec.sprite_box) / 2
    t = int(np.abs((script.position - middle) / (middle + 1)).max(-1).argmin())
    frame: NDArray[np.uint8] = render(world, script.window(t, t + 1)).frames_thwc[0]
    return frame
