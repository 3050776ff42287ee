"""Sequences for the evaluation of CADDY, and where the object is whose displacements codes are compared with.

Clips of a world are cut into sequences of LENGTH frames that lie side by side; clips of imported videos are sequences as they are.

Axis suffixes: n clips, q sequences of a clip, b sequences of a batch, t frames, d coordinates, h, w, c.
"""

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.bench import detections
from wsprites.bench.data import Clips, Data, Part, VideoData
from wsprites.bench.metrics.interval import Clusters
from wsprites.bench.protocol import BATCH
from wsprites.bench.rollouts import Frames, reader_of
from wsprites.errors import ArgumentError

Floats = NDArray[np.float64]

LENGTH, CONTEXT = 30, 4
"""Frames of a sequence of a world's clip, as CADDY's of BAIR, and true frames that a model generates from."""
BREAKOUT = "breakout"
"""Stands for the platform of that game in place of a file of detections."""


@dataclass(frozen=True, eq=False)
class Sequences:
    """The sequences that a model is scored on: Q of T frames from each of N clips."""

    data: Data | VideoData
    part: Clips
    """The sequences as clips of T frames, whose arrays the protocol checks."""
    begins: range
    """(Q,) the first frame of each in its clip."""
    clusters: Clusters
    """The groups of the clips."""
    group_n: NDArray[np.integer]
    """(N,) the character of each clip, or the video that it was cut from."""

    def __len__(self) -> int:
        return len(self.data.scored) * len(self.begins)

    @property
    def shape(self) -> tuple[int, int, int]:
        """N, Q and T."""
        return len(self.data.scored), len(self.begins), self.part.spec.frames

    @property
    def context(self) -> int:
        """True frames that a model generates from."""
        return min(CONTEXT, self.part.spec.frames - 1)

    def batches(self) -> Iterator[tuple[list[int], Frames]]:
        """(b,) numbers of sequences, those of one clip after the other, and (b, T, H, W, 3) frames, BATCH at a time."""

        def each() -> Iterator[tuple[int, Frames]]:
            for n in range(len(self.data.scored)):
                scored = self.data.scored
                frames = scored.clip(n).frames_thwc if isinstance(scored, Part) else scored.frames(n)
                for q, at in enumerate(self.begins):
                    yield n * len(self.begins) + q, frames[at : at + self.part.spec.frames]

        rows = each()
        while batch := list(islice(rows, BATCH)):
            numbers, frames = zip(*batch, strict=True)
            yield list(numbers), np.stack(frames)


def sequences(data: Data | VideoData) -> Sequences:
    """The sequences of some data."""
    part = data.scored
    if not isinstance(part, Part):
        return Sequences(data, part, range(1), part.clusters, np.asarray(part.stored["video"][: len(part)]))
    length = min(LENGTH, part.spec.frames)
    begins = range(0, part.spec.frames - length + 1, length)
    return Sequences(data, replace(part, world=part.world.replace(frames=length)), begins, part.clusters, part.script.character)


# Where the object is whose displacements codes are compared with.


@dataclass(frozen=True, eq=False)
class Object:
    """Positions of an object in all sequences, and a way to find it in generated ones."""

    position_bd: Floats
    """(N Q, T, D) in the true frames; NaN where it was not detected."""
    find: Callable[[int, Frames], Floats] | None
    """From the number of a sequence and its (T, H, W, 3) generated frames to (T, D) positions; None if that is not possible."""
    unit: str
    """That of positions; "distance" if it is not known."""
    source: str = ""
    """SHA-256 of the file that positions come from, or "breakout"; empty for a world."""
    of_one_model: bool = False
    """Whether `find` looks up what was detected in the frames that one model generated."""


def find_object(data: Data | VideoData, source: str | None) -> Object | None:
    """The object whose positions are known.

    Args:
        source: of imported videos, the path of a CSV file of detections (see detections.py), or "breakout" for the platform of that game;
            None: not known. In a world it is the character, whose true positions are known.

    Raises:
        ArgumentError: a source for a world, or one that cannot be read.
    """
    all_of = sequences(data)
    scored = data.scored
    if isinstance(scored, Part):
        if source is not None:
            raise ArgumentError(
                "detections", f"{source!r} is only for imported videos; where the character of {data.name} is, its labels say"
            )
        n, q, t = all_of.shape
        position = scored.script.position[:, : q * t].reshape(n * q, t, 2).astype(np.float64)
        return Object(position, lambda number, frames: _read(scored, number // q, frames), "px")
    if source is None:
        return None
    if source == BREAKOUT:
        position = np.concatenate([np.stack([detections.platform(clip) for clip in frames]) for _, frames in all_of.batches()])
        if not np.isfinite(position).any():
            raise ArgumentError("detections", "'breakout' finds no platform in any frame; expected the game's frames of 208 x 160")
        return Object(position, lambda _, frames: detections.platform(frames), "px", BREAKOUT)
    read = detections.read(Path(source), len(scored.stored), scored.spec.frames)
    generated, sha256 = read.generated, hashlib.sha256(Path(source).read_bytes()).hexdigest()
    if generated is None:
        return Object(read.true[: len(scored)], None, "distance", sha256)
    return Object(read.true[: len(scored)], lambda number, _: generated[number], "distance", sha256, of_one_model=True)


def _read(part: Part, clip: int, frames_thwc: Frames) -> Floats:
    """(T, 2) the place of a clip's character in generated frames; NaN where none can be recognised."""
    reader = reader_of(part.art, int(part.script.character[clip]), part.spec.facings, part.spec.animations)
    read = reader.read(frames_thwc)
    return np.where(read.readable[:, None], read.position, np.nan)
