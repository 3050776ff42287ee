"""Chunks of people in imported videos: the rules by which they were cut, and where each of them is, as data files store them.

/chunks      a row for each chunk: video, first_frame, last_frame, crop_left, crop_top, crop_side, person_left, person_top, person_right,
             person_bottom; absent where videos were imported whole
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import h5py
import numpy as np

from wsprites.fields import Checked, number


@dataclass(frozen=True)
class ChunkRules(Checked):
    """Which parts of videos are chunks of people.

    Raises:
        SpecError: a value outside its range.

    Example:
        >>> ChunkRules(min_frames=100).min_overlap
        0.25
    """

    boxes: str = "hog"
    """Where boxes of people come from: "hog", or name and SHA-256 of a CSV file."""
    min_frames: int = number(64, 1, 10**6)
    """A chunk with fewer frames, after resampling, is dropped."""
    min_height: int = number(384, 1, 65536)
    """A chunk is dropped if the median height of its person, pixels of the video, is lower."""
    min_overlap: float = number(0.25, 0.0, 1.0)
    """A chunk ends where the intersection over union of the person's box and that in its first frame is smaller."""
    margin: float = number(0.1, 0.0, 10.0)
    """What is added to the longer side of the box around the person in all frames of a chunk, as a share of this side."""
    max_gap: int = number(12, 0, 10**6)
    """Longest run of frames without a box inside a chunk."""
    cut_threshold: float = number(15.0, 0.0, 255.0)
    """A frame is the first after a camera cut if it differs from the one before by at least this, in the mean of hue, saturation and value
    of all pixels, and by three times as much as its neighbours from theirs (PySceneDetect's AdaptiveDetector)."""
    detect_every: int = number(5, 1, 10**6)
    """Distance of the frames in which the HOG detector looks for people: 1 is every frame."""


class Chunk(NamedTuple):
    """A part of a video that shows a person near one place. Lengths are pixels of the video's frames as they are shown."""

    video: int
    """Row of the video in `VideoFile.names`."""
    first_frame: int
    """Number of the first frame in the video, as the label `first_frame`."""
    last_frame: int
    """Number of the last frame in the video; those of the last clip may end before."""
    crop_left: int
    """Left edge of the square that was cut out of all frames."""
    crop_top: int
    """Its upper edge."""
    crop_side: int
    """Its side."""
    person_left: float
    """Left edge of the person's box in the first frame."""
    person_top: float
    """Its upper edge."""
    person_right: float
    """Its right edge."""
    person_bottom: float
    """Its lower edge."""


CHUNK_DTYPE = np.dtype([(name, "f8" if kind is float else "i4") for name, kind in Chunk.__annotations__.items()])
"""Type of the rows of /chunks."""


def write_chunks(h5: h5py.File, chunks: Sequence[Chunk]) -> None:
    """Write chunks to a file."""
    h5["chunks"] = np.array(list(map(tuple, chunks)), CHUNK_DTYPE)
