"""A model of classical computer vision, without learned features: `wsprites bench --model wsprites.bench.classical:classical`.

Corners are tracked from frame to frame (Lucas & Kanade 1981). The scene moves by the translation that most of them agree on (RANSAC,
Fischler & Bolles 1981); the foreground is where a frame differs from the previous one after that translation is undone; the character moves
as the corners in the foreground do, and codes are k-means clusters of the appearance of the foreground.
"""

import itertools
import multiprocessing
import weakref
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Part, standard

Floats = NDArray[np.floating[Any]]

_WORLDS = "wsprites-paper-v1", "wsprites-factorial-v1"
CODES, _FITTED, _PATCH = 9, 12, (12, 16)
_CORNERS, _HYPOTHESES, _NEAR, _DIFFERS = 100, 32, 0.6, 18
"""Corners per frame, translations that are tried, distance from the common translation in px, difference in grey levels."""


class Classical:
    """Codes, vectors, shifts and masks without a network.

    Args:
        parts: the clips that codes and vectors are fitted on; their characters must not be scored.
    """

    codes = CODES

    def __init__(self, parts: Sequence[Part]) -> None:
        # One thread each: a frame takes dozens of short calls, for which threads of OpenCV would wait.
        self._pool = ProcessPoolExecutor(mp_context=multiprocessing.get_context("spawn"), initializer=cv2.setNumThreads, initargs=(1,))
        weakref.finalize(self, self._pool.shutdown)  # before the interpreter ends, where an open pool may fail
        clips = (part.clip(n).frames_thwc for part in parts for n in range(min(len(part), _FITTED)))
        features: Any = np.concatenate([analysed[3] for analysed in self._pool.map(analyse, clips)])
        self._mean = features.mean(0)
        _, _, axes = np.linalg.svd((features - self._mean)[::3], full_matrices=False)
        self._axes = axes[:16].T.astype(np.float32)
        stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 50, 1e-3)
        cv2.setRNGSeed(0)
        _, _, centres = cv2.kmeans(self._vectors(features), CODES, None, stop, 5, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
        self._centres = np.asarray(centres)

    def _vectors(self, features: NDArray[Any]) -> Floats:
        return np.asarray((features - self._mean) @ self._axes, np.float32)

    def infer(self, frames_btchw: NDArray[np.uint8]) -> dict[str, NDArray[Any]]:
        """All five arrays of the protocol."""
        clips = list(self._pool.map(analyse, frames_btchw.transpose(0, 1, 3, 4, 2)))
        shift, background, masks, features = (np.stack([clip[part] for clip in clips]) for part in range(4))
        vectors = self._vectors(features)
        distance = ((vectors[..., None, :] - self._centres) ** 2).sum(-1)
        return {"codes": distance.argmin(-1), "vectors": vectors, "shift": shift, "background_shift": background, "masks": masks}


def classical() -> Classical:
    """The model, fitted on clips of `val` of the standard worlds."""
    return Classical([standard(name).fit for name in _WORLDS])


def analyse(frames_thwc: NDArray[np.uint8]) -> tuple[Floats, Floats, NDArray[np.bool_], Floats]:
    """(T-1, 2) shifts of character and scene, (T, H, W) masks, and (T-1, D) features of the foreground of a clip."""
    grey = [cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in frames_thwc]
    shift, background = np.zeros((2, len(grey) - 1, 2), np.float32)
    masks, features = np.zeros(frames_thwc.shape[:3], bool), []
    place: Floats = np.array(grey[0].shape[::-1], np.float32) / 2
    for t, (before, after) in enumerate(itertools.pairwise(grey)):
        shift[t], background[t], foreground = _moved(before, after)
        masks[t + 1] = foreground
        if foreground.any():
            place = _middle(foreground)
        features.append(_appearance(frames_thwc[t + 1], foreground, place))
    masks[0] = masks[1]
    return shift, background, masks, np.stack(features)


def figure(before_hwc: NDArray[np.uint8], after_hwc: NDArray[np.uint8]) -> Floats | None:
    """(2,) = (x, y): about the middle of what moves otherwise than the scene, in the second of two frames; None if nothing does.

    It is the median of the foreground, and half of its motion against the scene: the foreground shows the character where it is and where
    it would be if it had moved with the scene. The middle of the first pixel is 0.5.

    Args:
        before_hwc: (H, W, 3) uint8 RGB.
        after_hwc: the next frame.
    """
    before, after = (cv2.cvtColor(np.ascontiguousarray(frame), cv2.COLOR_RGB2GRAY) for frame in (before_hwc, after_hwc))
    shift, background, foreground = _moved(before, after)
    return _middle(foreground) + 0.5 + (shift - background) / 2 if foreground.any() else None


def _moved(before: NDArray[Any], after: NDArray[Any]) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """(2,) shifts of character and scene from a grey frame to the next, and (H, W) the foreground."""
    corners, moved = cv2.goodFeaturesToTrack(before, _CORNERS, 0.01, 4), np.zeros((0, 2), np.float32)
    if corners is not None:
        tracked, status, _ = cv2.calcOpticalFlowPyrLK(before, after, corners, np.zeros_like(corners), winSize=(9, 9), maxLevel=2)
        good = status[:, 0] == 1
        corners, moved = corners[good, 0], (tracked - corners)[good, 0]
    background = _common(moved)
    foreground, shift = _differs(before, after, background), np.zeros(2, np.float32)
    if len(moved):
        at = (corners + moved).round().astype(int).clip(0, np.array(before.shape[::-1]) - 1)
        own = foreground[at[:, 1], at[:, 0]] & (np.abs(moved - background).max(1) > _NEAR)
        if own.sum() >= 3:
            shift = _common(moved[own])
    return shift, background, foreground


def _middle(foreground: NDArray[np.bool_]) -> Floats:
    """(2,) = (x, y): the medians of the pixels of a foreground."""
    y, x = np.nonzero(foreground)
    return np.array([np.median(x), np.median(y)], np.float32)


def _common(moved_n2: Floats) -> Floats:
    """(2,) the translation that most of (n, 2) agree on: the median of those near the hypothesis with most support."""
    if not len(moved_n2):
        return np.zeros(2, np.float32)
    hypotheses = moved_n2[:: -(-len(moved_n2) // _HYPOTHESES)]
    near = (np.abs(hypotheses[:, None, 0] - moved_n2[:, 0]) < _NEAR) & (np.abs(hypotheses[:, None, 1] - moved_n2[:, 1]) < _NEAR)
    return np.asarray(np.median(moved_n2[near[near.sum(1).argmax()]], axis=0), np.float32)


def _differs(before: NDArray[Any], after: NDArray[Any], by: Floats) -> NDArray[np.bool_]:
    """(H, W) where a frame differs from the previous one, translated: closed, opened, and the largest component of it."""
    matrix = np.array([[1, 0, by[0]], [0, 1, by[1]]], np.float32)
    expected = cv2.warpAffine(before, matrix, before.shape[::-1], borderMode=cv2.BORDER_REPLICATE)
    differs: Any = (cv2.absdiff(after, expected) > _DIFFERS).astype(np.uint8)
    differs = cv2.morphologyEx(differs, cv2.MORPH_CLOSE, np.ones((7, 7), np.uint8))
    differs = cv2.morphologyEx(differs, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
    parts, label, stats, _ = cv2.connectedComponentsWithStats(differs)
    return np.asarray(label == 1 + stats[1:, cv2.CC_STAT_AREA].argmax()) if parts > 1 else np.zeros(before.shape, bool)


def _appearance(frame_hwc: NDArray[np.uint8], foreground: NDArray[np.bool_], place: Floats) -> Floats:
    """(D,) a small image of the shape and grey levels of the foreground around a place."""
    grey = cv2.cvtColor(np.ascontiguousarray(frame_hwc), cv2.COLOR_RGB2GRAY).astype(np.float32) / 255 - 0.5
    both = np.stack([grey * foreground, foreground.astype(np.float32)], -1)
    patch = (
        cv2.getRectSubPix(both[..., 0], (64, 64), tuple(map(float, place))),
        cv2.getRectSubPix(both[..., 1], (64, 64), tuple(map(float, place))),
    )
    return np.concatenate([cv2.resize(part, _PATCH, interpolation=cv2.INTER_AREA).ravel() for part in patch])
