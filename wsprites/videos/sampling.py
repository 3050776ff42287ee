"""Which frames of a stretch of a video are taken."""

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.videos.video import Video

MOST_FRAMES = 10**7
"""Limit of the numbers of frames that users ask for."""


def sampled(video: Video, segment: NDArray[np.int64], skip: int, fps: float | None) -> NDArray[np.int64]:
    """The positions that are taken from a stretch of positions between which nothing is missing.

    Args:
        video: the video.
        segment: (S,) its positions, increasing.
        skip: number of frames to leave out after each frame.
        fps: frames per second, each the one nearest in time; None to take all.

    Raises:
        ArgumentError: times are needed and not known, or the rate is too high.
    """
    chosen = segment if fps is None else segment[_nearest(video, segment, fps)]
    return chosen[:: skip + 1]


def _nearest(video: Video, segment: NDArray[np.int64], fps: float) -> NDArray[np.int64]:
    """For each multiple of 1 / `fps` seconds from the first frame on, the frame of a segment nearest in time; of two the earlier."""
    times = video.times[segment]
    if np.isnan(times).any():
        raise ArgumentError("fps", f"the times of the frames of {video.name} are not known; import it without, or with skip")
    if (times[-1] - times[0]) * fps > MOST_FRAMES:
        raise ArgumentError("fps", f"{fps:g} are more than {MOST_FRAMES:,} frames of {video.name}; choose fewer")
    # Up to the end of the last frame, which is shown for as long as the one before.
    length = times[-1] - times[0] + (np.median(np.diff(times)) if len(times) > 1 else 0)
    grid = times[0] + np.arange(max(int(np.ceil(length * fps - 1e-6)), 1)) / fps
    after = np.searchsorted(times, grid).clip(1, max(len(times) - 1, 1))
    if len(times) == 1:
        return np.zeros(len(grid), np.int64)
    nearest: NDArray[np.int64] = after - (grid - times[after - 1] <= times[after] - grid + 1e-9)
    return nearest
