"""What is exported: clips of a data file or of imported videos, read a window of frames at a time. Axis suffixes: t frames, c = RGB."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.file import CHUNK_FRAMES, DataFile, VideoFile
from wsprites.file.videos import VIDEO_DESCRIPTIONS, VIDEO_LABELS
from wsprites.render.resize import check_size, resize_frames, resize_masks
from wsprites.view.picture import encode_png
from wsprites.world.script import LABELS
from wsprites.world.spec import SPLITS

SHARDED = ("webdataset", "parquet", "rlds")
"""Names of the formats that put several clips into a file."""
_PREVIEWS = 4  # clips of each split that mp4 exports by default


@dataclass(frozen=True)
class Job:
    """The clips to export and their format.

    Raises:
        ArgumentError: a number of clips is below 1, or the format has no shards, or no marks to leave out.
    """

    data: DataFile | VideoFile
    """The open file."""
    to: str
    """Name of the format, one of FORMATS."""
    clips: int | None = None
    """Number of clips of each split, the first ones; None: all clips, or 4 for mp4."""
    progress: Callable[[int], object] = lambda frames: None
    """Called with the number of frames read since the last call."""
    shard_clips: int | None = None
    """Clips per shard of webdataset or rlds, or per file of parquet; None: what the format chooses."""
    plain: bool = False
    """With mp4: the frames alone, without marks and text."""
    resize: tuple[int, int] | None = None
    """(height, width) that frames and masks are resized to, see `wsprites.render.resize`; labels stay as they are. None: as in the file."""

    def __post_init__(self) -> None:
        for name, value in (("clips", self.clips), ("shard_clips", self.shard_clips)):
            if value is not None and value < 1:
                raise ArgumentError(name, f"{value} is less than 1")
        if self.shard_clips is not None and self.to not in SHARDED:
            raise ArgumentError("shard_clips", f"the format {self.to} has no shards; use {' or '.join(SHARDED)}")
        if self.plain and self.to != "mp4":
            raise ArgumentError("plain", f"the format {self.to} has no marks; use mp4")
        if check_size(self.resize) and self.to == "mp4" and not self.plain:
            raise ArgumentError("resize", "previews are drawn at the size of the file; pass plain=True")

    @property
    def world(self) -> DataFile | None:
        """The file if its clips come from a world; None for imported videos."""
        return self.data if isinstance(self.data, DataFile) else None

    @property
    def clip_frames(self) -> int:
        """Number of frames of every clip, T."""
        return int(self.data["train"]["frames"].shape[1])

    @property
    def frame_size(self) -> tuple[int, int]:
        """(height, width) of every exported frame in pixels."""
        return self.resize or self.stored_size

    @property
    def stored_size(self) -> tuple[int, int]:
        """(height, width) of the frames in the file in pixels, which is that of labels."""
        height, width = self.data["train"]["frames"].shape[2:4]
        return int(height), int(width)

    @property
    def pixels(self) -> tuple[str, ...]:
        """Names of the arrays of pixels: frames, and masks where the clips have them."""
        return ("frames", "masks") if self.world else ("frames",)

    @property
    def label_names(self) -> tuple[str, ...]:
        """Names of the labels, those of a clip and those of its frames."""
        names = self.data["train"].keys()
        return LABELS if self.world else tuple(name for name in VIDEO_DESCRIPTIONS if name in names and name != "frames")

    @property
    def skip_notes(self) -> tuple[str, ...]:
        """A line for imported videos of which frames were skipped: what came with these is in no format; none for other clips."""
        names = [name for name in VIDEO_LABELS if name in self.label_names]
        if isinstance(self.data, DataFile) or not self.data.skip or not names:
            return ()
        skip, lost = self.data.skip, f"{' and '.join(filter(None, (', '.join(names[:-1]), names[-1])))} of skipped frames"
        return (f"skipped  {skip} frame{'s' * (skip > 1)} after each: {skip + 1} steps lie between two frames, and {lost} are not there",)

    def rows(self, split: str) -> range:
        """Return the rows of a split that are exported."""
        limit = _PREVIEWS if self.clips is None and self.to == "mp4" else self.clips
        return range(len(self.data[split]))[:limit]

    @property
    def frames(self) -> int:
        """Number of frames over all splits."""
        return sum(len(self.rows(split)) for split in SPLITS) * self.clip_frames

    @property
    def whole(self) -> bool:
        """Whether all clips of the file are exported."""
        return all(len(self.rows(split)) == len(self.data[split]) for split in SPLITS)

    def index(self, split: str, row: int) -> int:
        """The index of a clip in the whole data set, or in the file of imported videos."""
        return int(self.data[split]["index"][row])

    def labels(self, split: str, row: int) -> dict[str, NDArray[Any]]:
        """The labels of a clip by their names: (), (P,), (T,) or (T, 2). Raises UserError if they are not possible in the world."""
        if self.world:
            script = self.world[split].script(row)
            return {name: np.asarray(getattr(script, name)) for name in LABELS}
        return {name: np.asarray(self.data[split][name][row]) for name in self.label_names}

    def windows(self, split: str, row: int) -> Iterator[tuple[NDArray[Any], ...]]:
        """Read the pixels of a clip, up to CHUNK_FRAMES frames at a time: (t, H, W, 3) uint8 frames and, if any, (t, H, W) bool masks."""
        pixels = self.data[split]
        for first in range(0, self.clip_frames, CHUNK_FRAMES):
            stop = min(first + CHUNK_FRAMES, self.clip_frames)
            yield tuple(self.resized(pixels[name][row, first:stop]) for name in self.pixels)
            self.progress(stop - first)

    def resized(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """(..., H, W, 3) uint8 frames or (..., H, W) bool masks of the file at the size that they are exported with."""
        if self.resize is None:
            return pixels
        return resize_masks(pixels, self.resize) if pixels.dtype == bool else resize_frames(pixels, self.resize)

    def arrays(self, split: str, row: int) -> dict[str, NDArray[Any]]:
        """Read all pixels of a clip at once: (T, ...) by the names of `pixels`."""
        every = zip(*self.windows(split, row), strict=True)
        return {name: np.concatenate(windows) for name, windows in zip(self.pixels, every, strict=True)}

    def pngs(self, split: str, row: int) -> Iterator[tuple[bytes, ...]]:
        """Read the pixels of a clip as PNG files: each frame, and its mask (8 bits, 0 or 255) if it has one."""
        for windows in self.windows(split, row):
            yield from zip(*(self._threads.map(_png, window) for window in windows), strict=True)

    def close(self) -> None:
        """Stop the threads that compress."""
        if "_threads" in self.__dict__:
            self._threads.shutdown(cancel_futures=True)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor()  # OpenCV compresses without holding the GIL


@dataclass(frozen=True)
class Written:
    """What is known of an export once it is written."""

    head: str = ""
    """Lines for the head of the README, in YAML."""
    notes: tuple[str, ...] = ()
    """Lines to show, and to put into the README: what the format has left out, and into how many files the clips went."""


def _png(image: NDArray[Any]) -> bytes:
    return encode_png(image, fast=True)
