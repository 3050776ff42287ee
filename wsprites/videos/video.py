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

    @property
    def frames(self) -> int:
        """Number of frames that can be used, F."""
        return len(self.numbers)


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
