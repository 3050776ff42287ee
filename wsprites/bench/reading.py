"""What the reader can read: true frames after changes, and pictures that hold nothing. A property of the art, not of a model.

Axis suffixes: t frames, h, w, c.
"""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics import motion
from wsprites.bench.rollouts import Start

Frames = NDArray[np.uint8]

FRAMES = 2
"""Frames of the clip of each start that are read."""
_BLURS = (0.0, 0.5, 1.0, 1.5, 2.0, 2.5)
_SIZES = ((48, 64), (32, 40))
_TINT, _CONTRAST, _NOISE = (24.0, 0.0, -24.0), 0.6, 20.0
"""Added to red, green and blue; factor of the difference from grey 128; standard deviation of the noise, grey levels."""


def variants(frames_thwc: Frames, rng: np.random.Generator) -> dict[str, Frames]:
    """Changed copies of frames, by name.

    A Gaussian blur of each of _BLURS px; shrunk to each of _SIZES (height, width) by means over areas and enlarged again by cubic
    interpolation; another tint, less contrast, and normal noise, rounded and cut to 0 to 255.
    """
    size = frames_thwc.shape[2], frames_thwc.shape[1]

    changed = {f"blur.{sigma:g}": np.stack([_blurred(frame, sigma) for frame in frames_thwc]) for sigma in _BLURS}
    for h, w in _SIZES:
        small = [cv2.resize(frame, (w, h), interpolation=cv2.INTER_AREA) for frame in frames_thwc]
        changed[f"size.{h}x{w}"] = np.stack([cv2.resize(frame, size, interpolation=cv2.INTER_CUBIC) for frame in small])
    rounded = {
        "colour": frames_thwc + np.array(_TINT),
        "contrast": 128 + _CONTRAST * (frames_thwc - 128.0),
        "noise": frames_thwc + rng.normal(0, _NOISE, frames_thwc.shape),
    }
    return changed | {name: np.rint(np.clip(values, 0, 255)).astype(np.uint8) for name, values in rounded.items()}


def _blurred(frame_hwc: Frames, sigma: float) -> Frames:
    return np.asarray(cv2.GaussianBlur(frame_hwc, (0, 0), sigma), np.uint8) if sigma else frame_hwc


def values(begin: Sequence[Start], rows: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """`reader.VARIANT.position`, `.local`, `.unreadable`: error in px, share of right and readable actions, share of unreadable frames.

    Of each of `variants` of FRAMES frames of the clip of each start. `reader.empty.unreadable`, `reader.static.unreadable`: the share of
    unreadable pictures among scenes without the character, and among pictures of independent random pixels.

    The frames of start s of a clip of T frames are (7 s + i T // FRAMES) mod T, i from 0 on, in front of the scene as it is at the start.

    Args:
        begin: all starts.
        rows: those that are read.

    Returns:
        (S,) values of these.
    """
    found: dict[str, list[float]] = {}
    for row in rows:
        start, rng = begin[row], np.random.default_rng(row)
        total, script = start.part.spec.frames, start.script
        at = np.array([(7 * row + i * total // FRAMES) % total for i in range(FRAMES)])
        frames = start.frames_thwc[at]
        for name, pictures in variants(frames, rng).items():
            read = start.reader.read(pictures)
            right = (read.local_action == script.local_action[at]) & read.readable
            found.setdefault(f"reader.{name}.position", []).append(float(motion.error(read.position, script.position[at]).mean()))
            found.setdefault(f"reader.{name}.local", []).append(float(right.mean()))
            found.setdefault(f"reader.{name}.unreadable", []).append(float(1 - read.readable.mean()))
        nothing = {"empty": start.scene_hwc, "static": rng.integers(0, 256, frames.shape[1:], dtype=np.uint8)}
        for name, picture in nothing.items():
            found.setdefault(f"reader.{name}.unreadable", []).append(float(not start.reader.read(picture[None]).readable[0]))
    return {name: np.array(each) for name, each in found.items()}
