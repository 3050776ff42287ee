"""Broken models that stay on the leaderboard: a score that ranks one of them high is wrong. Axes: b clips, t frames or transitions.

`WITHOUT` says which columns an anchor cannot earn; `unearned` finds the scores that are better than the floor all the same.
"""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.leaderboard.columns import COLUMNS
from wsprites.bench.classical import analyse, classical
from wsprites.bench.headline import Headline, answers
from wsprites.bench.scores import ScoreFile

Frames = NDArray[np.uint8]
_STILL, _SIZE = 0.5, (16, 12)
"""Motion in px below which the scene stands; (width, height) of small images."""

_LOCAL, _GLOBAL = ("local", "animation", "switches", "readable", "used"), ("walk", "walk used")
_SILENT = ("scene leaks", "scene disturbs")
WITHOUT: dict[str, tuple[str, ...]] = {
    "one-code": (*_LOCAL, *_GLOBAL, *_SILENT),
    "scene-code": (*_LOCAL, *_GLOBAL, *_SILENT),
    "character-id": (*_LOCAL, *_GLOBAL),
    "copy": ("used", "walk used", "drift"),
    "frame-copy": _SILENT,
}
"""Titles of the columns of the table that an anchor cannot earn."""


def unearned(anchor: str, scores: ScoreFile) -> list[Headline]:
    """The scores of columns in which an anchor is better than its floor although it cannot be. A latent that tells nothing may be silent.

    A column may have several scores, of which the table shows the first that a model has; all of them count.
    """
    columns = [column for column in COLUMNS if column.title in WITHOUT[anchor]]
    return [one for column in columns for one in answers(column.question, scores) if one.verdict == "above" and not one.tells_nothing]


class OneCode:
    """Always code 0, a vector of zeros, and no motion."""

    codes = 9

    def infer(self, frames_btchw: Frames) -> dict[str, NDArray[Any]]:
        """Codes, vectors and shifts of the protocol."""
        shape = _transitions(frames_btchw)
        return {"codes": np.zeros(shape, np.int64), "vectors": np.zeros((*shape, 4), np.float32), "shift": np.zeros((*shape, 2))}


class SceneCode:
    """The direction in which the scene moves, as a code: left, right, up, down, stays."""

    codes = 5

    def infer(self, frames_btchw: Frames) -> dict[str, NDArray[Any]]:
        """Codes of the protocol."""
        return {"codes": np.stack([_directions(analyse(clip)[1]) for clip in frames_btchw.transpose(0, 1, 3, 4, 2)])}


class CharacterId:
    """The colour of what moves otherwise than the scene, once for the whole clip, as a vector and as one of eight codes."""

    codes = 8

    def infer(self, frames_btchw: Frames) -> dict[str, NDArray[Any]]:
        """Codes and vectors of the protocol."""
        colour_bc = np.stack([_colour(clip) for clip in frames_btchw])
        code_b = (colour_bc > 0.4) @ np.array([4, 2, 1])
        shape = _transitions(frames_btchw)
        vectors = np.broadcast_to(colour_bc[:, None], (*shape, 3)).astype(np.float32)
        return {"codes": np.broadcast_to(code_b[:, None], shape).astype(np.int64), "vectors": vectors}


class Copy:
    """Reads actions as the classical model does, and generates a repeated first frame: available, but not used."""

    def __init__(self) -> None:
        self._reader = classical()
        self.codes = self._reader.codes

    def infer(self, frames_btchw: Frames) -> dict[str, NDArray[Any]]:
        """Codes and shifts of the protocol."""
        arrays = self._reader.infer(frames_btchw)
        return {name: arrays[name] for name in ("codes", "shift")}

    def rollout(self, first_bchw: Frames, actions: NDArray[Any], shifts_bs2: NDArray[np.float64] | None) -> Frames:
        """The first frame at every step."""
        return np.repeat(first_bchw[:, None], actions.shape[1], 1)


class FrameCopy:
    """A small image of the next frame as a vector: whatever a frame shows can be read from it, and nothing in it is an action."""

    def infer(self, frames_btchw: Frames) -> dict[str, NDArray[Any]]:
        """Vectors of the protocol."""
        frames = frames_btchw[:, 1:].transpose(0, 1, 3, 4, 2)
        small = [
            [cv2.resize(np.ascontiguousarray(frame), _SIZE, interpolation=cv2.INTER_AREA).ravel() for frame in clip] for clip in frames
        ]
        return {"vectors": np.array(small, np.float32) / 255}


one_code, scene_code, character_id, copy, frame_copy = OneCode, SceneCode, CharacterId, Copy, FrameCopy
"""The factories that the entries name."""


def _transitions(frames_btchw: Frames) -> tuple[int, int]:
    return len(frames_btchw), frames_btchw.shape[1] - 1


def _directions(shift_t2: NDArray[Any]) -> NDArray[np.int64]:
    """(T-1,) 0 to 3: left, right, up, down; 4: stays."""
    axis = np.abs(shift_t2).argmax(-1)
    positive = np.take_along_axis(shift_t2, axis[:, None], -1)[:, 0] > 0
    return np.where(np.abs(shift_t2).max(-1) < _STILL, 4, 2 * axis + positive).astype(np.int64)


def _colour(clip_tchw: Frames) -> NDArray[np.float64]:
    """(3,) in 0 to 1: the median colour of what moves otherwise than the scene."""
    _, _, foreground_thw, _ = analyse(clip_tchw.transpose(0, 2, 3, 1))
    pixels = clip_tchw.transpose(0, 2, 3, 1)[foreground_thw]
    return np.median(pixels, axis=0) / 255 if len(pixels) else np.zeros(3)
