"""What is known about a video before it is cut: which of its frames can be used, when each is shown, and where some are missing."""

import os
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.file.videos import LeftOut

OTHER_SIZE = "frames of another size than the first of their video"
"""Why frames are left out that cannot be in one clip with the others."""


@dataclass(frozen=True, eq=False)
class Video:
    """A video to be imported, of F frames that can be used."""

    path: Path
    """Path of a folder of numbered pictures, or of a video file."""
    name: str
    """Path below the imported folder."""
    source_frames: int
    """Number of its pictures, or of its frames that can be decoded: the length of the lists that go with it."""
    size: tuple[int, int]
    """(height, width) in pixels, as the frames are shown."""
    numbers: NDArray[np.int64]
    """(F,) int64 numbers of the frames that can be used, below `source_frames`."""
    times: NDArray[np.float64]
    """(F,) float64 seconds from the first frame; NaN where they are not known, as for pictures."""
    breaks: NDArray[np.bool_]
    """(F,) bool: True where something is missing before the frame, so that no clip may continue."""
    left_out: tuple[LeftOut, ...] = ()
    """What of it cannot be used, and why."""
    damaged: bool = False
    """Whether parts of the file could not be decoded."""
    missing: NDArray[np.int64] | None = None
    """(F,) int64 how many frames that cannot be decoded lie before each frame and are not counted in `numbers`; None: none."""

    @property
    def frames(self) -> int:
        """Number of frames that can be used, F."""
        return len(self.numbers)

    @property
    def places(self) -> NDArray[np.int64]:
        """(F,) int64 numbers of the frames in the whole video, where frames that cannot be decoded count."""
        return self.numbers if self.missing is None else self.numbers + self.missing


def name_of(path: Path, root: Path) -> str:
    """The path below a folder, or its own name, as printable text: bytes that are not UTF-8 and control characters are escaped.

    Example:
        >>> name_of(Path("videos/caf\\udce9.mp4"), Path("videos"))
        'caf\\\\xe9.mp4'
    """
    text = os.fsencode(path.resolve().name if path == root else path.relative_to(root)).decode("utf-8", "backslashreplace")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def times_or_rate(times: NDArray[np.float64], rate: Fraction | None) -> tuple[NDArray[np.float64], bool]:
    """The times if all are known and increase; else those of a constant rate, or NaN without one; and whether they were replaced.

    Example:
        >>> times_or_rate(np.array([0, 0.1, 0.1]), Fraction(10))[0].tolist()
        [0.0, 0.1, 0.2]
    """
    if np.isfinite(times).all() and (np.diff(times) > 0).all():
        return times - times[:1], False
    return np.arange(len(times)) / float(rate) if rate else np.full(len(times), np.nan), True


def constant_steps(times: NDArray[np.float64], rate: Fraction | None, unit: Fraction) -> NDArray[np.int64] | None:
    """How many frame intervals lie between each two frames, if the rate is constant; None if it is not.

    It is if the median step is that of the stated rate, at least 9 in 10 steps are one interval, and all others are whole multiples.

    Args:
        times: (F,) seconds, increasing.
        rate: frames per second that the file states, if it does.
        unit: seconds to which the file rounds times.

    Example:
        >>> times = np.delete(np.arange(40), [20, 21, 22]) / 25
        >>> constant_steps(times, Fraction(25), Fraction(1, 1000)).tolist()[18:21]
        [1, 4, 1]
        >>> constant_steps(np.cumsum([0.04, 0.06, 0.04, 0.1]), Fraction(25), Fraction(1, 1000)) is None
        True
    """
    steps = np.diff(times)
    if not rate or not len(steps):
        return None
    intervals = np.rint(steps * float(rate))
    uneven = abs(steps - intervals / float(rate)) > 1.5 * float(unit) + 0.02 * intervals / float(rate)
    if round(np.median(steps) * float(rate)) != 1 or uneven.any() or (intervals == 1).mean() < 0.9:
        return None
    return intervals.astype(np.int64)
