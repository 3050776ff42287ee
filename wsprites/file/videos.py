"""Reading files of imported videos, which have no world and no labels but their own.

/            attributes: format, format_version, source ("videos"), splits (how they were made), skip, fps (as text, where the videos were
             resampled), chunks (JSON of the rules, where chunks of people were cut out), pixels, compression, versions (JSON)
/videos      names of the videos
/left_out    name, reason, frames, detail: what was not imported; frames is 0 for a whole file; absent in files of older versions
/train, /val, /test
    frames             (N, T, H, W, 3) uint8
    index              (N,) int64, index of the clip in the file
    video, first_frame (N,) int32, the video it was cut from, and its first frame there
    time               (N, T) float64 seconds from the video's first frame, NaN where not known; absent in files of older versions
    actions, rewards, dones    (N, T), where all videos have them: entries of the pickled lists at the frames of the clip
    chunk              (N,) int32, row of /chunks, see wsprites.file.chunks; where chunks of people were cut out
"""

import os
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.file.chunks import CHUNK_DTYPE, Chunk
from wsprites.file.facts import VideoFacts
from wsprites.file.h5 import attributes_of, damaged, find_clip, local_item, open_h5, own_dataset
from wsprites.file.pixels import Array, Pixels
from wsprites.world.spec import SPLITS

_LEFT_OUT = np.dtype([("name", h5py.string_dtype()), ("reason", h5py.string_dtype()), ("frames", "i8"), ("detail", h5py.string_dtype())])
VIDEO_LABELS: dict[str, type] = {"actions": np.int64, "rewards": np.float64, "dones": np.bool_}
"""Labels that may accompany videos, and their types in the file."""
_KINDS = {"time": "f", "rewards": "f", "dones": "b"}
"""Kinds of numpy's types of the labels that are not whole numbers."""
# These texts are stored in files: changing one changes the bytes of every file.
VIDEO_DESCRIPTIONS = {
    "frames": "RGB frames",
    "index": "number of the clip in the file",
    "video": "the video that the clip was cut from: row of /videos",
    "first_frame": "number of the clip's first frame in its video",
    "chunk": "the chunk of a person that the clip was cut from: row of /chunks",
    "time": "seconds from the video's first frame to the frame; NaN where not known",
    "actions": "entry of actions.pkl at the frame; in CADDY's layout the action taken at frame t, which leads to frame t+1",
    "rewards": "entry of rewards.pkl at the frame; in CADDY's layout the reward for arriving at frame t",
    "dones": "entry of dones.pkl at the frame",
}
"""What each array of a split holds, by name."""


class LeftOut(NamedTuple):
    """Something that was given and not imported."""

    name: str
    """Path below the imported folder."""
    reason: str
    """What it is one of, in the plural, such as "files that are not videos"."""
    frames: int = 0
    """How many frames of it; 0 for a whole file or folder."""
    detail: str = ""
    """What is particular about it."""


def write_left_out(h5: h5py.File, entries: Sequence[LeftOut]) -> None:
    """Write what was not imported to a file."""
    h5["left_out"] = np.array(list(map(tuple, entries)), _LEFT_OUT)


class VideoSplit:
    """The clips of one split: `split["frames"]`, and the other arrays that `keys()` names.

    Its length is the number of its clips; iterating over it gives each clip in turn, a dict of its arrays by name.

    Raises:
        ValueError: an array is missing, lies outside the file, or has another shape or type than it must have.
    """

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self._path, self._group = path, group
        self._datasets = {name: own_dataset(group, name) for name in VIDEO_DESCRIPTIONS if name in group}
        frames = self._datasets["frames"]
        if frames.ndim != 5 or frames.shape[-1] != 3 or 0 in frames.shape[1:] or frames.dtype != np.uint8:
            raise ValueError(f"{frames.name} is {frames.dtype} {frames.shape}")
        for name in ("index", "video", "first_frame", *self.keys()):
            shape = frames.shape[: 2 if name in ("time", *VIDEO_LABELS) else 1]
            if name == "frames":
                continue
            if self._datasets[name].shape != shape:
                raise ValueError(f"{group.name}/{name} does not have one row per clip")
            if self._datasets[name].dtype.kind not in _KINDS.get(name, "iu"):
                raise ValueError(f"{group.name}/{name} is of type {self._datasets[name].dtype}")
        self._len, self._name = int(frames.shape[0]), str(group.name)

    def __len__(self) -> int:
        return self._len

    def __contains__(self, name: object) -> bool:
        return name in self._datasets

    def __iter__(self) -> Iterator[dict[str, NDArray[Any]]]:
        for row in range(len(self)):
            yield {name: np.asarray(self[name][row]) for name in self.keys()}

    def __repr__(self) -> str:
        return f"<VideoSplit {self._name[1:]} of {self._path}: {len(self):,} clips; {', '.join(self.keys())}>"

    def keys(self) -> tuple[str, ...]:
        """Names of the arrays. Frames are always among them; masks, and actions that were not recorded, are not."""
        return tuple(self._datasets)

    def __getitem__(self, name: str) -> Array:
        if not self._group:
            raise ValueError(f"{self._path}: the file is closed")
        if name not in self._datasets:
            raise KeyError(f"{self._path} holds videos without a world: there is no array {name!r}; there are {', '.join(self.keys())}")
        return self._arrays[name]

    @cached_property
    def _arrays(self) -> dict[str, Array]:
        frames = self._datasets["frames"]
        return {
            name: Pixels(frames.shape, frames.dtype, frames) if name == "frames" else Array(dataset)
            for name, dataset in self._datasets.items()
        }


def _stored(dataset: h5py.Dataset) -> h5py.Dataset:
    """A list that is to be read as a whole. Raises ValueError if the file has not as many entries as it says, before memory is taken."""
    if dataset.id.get_storage_size() < dataset.size * dataset.id.get_type().get_size():
        raise ValueError(f"{dataset.name} has fewer than its {dataset.size:,} entries")
    return dataset


def _left_out(h5: h5py.File) -> tuple[LeftOut, ...]:
    if "left_out" not in h5:
        return ()
    dataset = own_dataset(h5, "left_out")
    if dataset.dtype.names != LeftOut._fields or dataset.ndim != 1:
        raise ValueError(f"{dataset.name} is {dataset.dtype} {dataset.shape}")
    rows = _stored(dataset)[()].tolist()
    return tuple(LeftOut(name.decode(), reason.decode(), int(frames), detail.decode()) for name, reason, frames, detail in rows)


def _chunks(h5: h5py.File, facts: VideoFacts) -> tuple[Chunk, ...]:
    if facts.chunks is None:
        return ()
    dataset = own_dataset(h5, "chunks")
    if dataset.dtype != CHUNK_DTYPE or dataset.ndim != 1 or not dataset.size:
        raise ValueError(f"{dataset.name} is {dataset.dtype} {dataset.shape}")
    return tuple(Chunk(*row) for row in _stored(dataset)[()].tolist())


class VideoFile(AbstractContextManager["VideoFile"]):
    """An open file of imported videos: no world, no art. A context manager; `data["train"]["frames"][3, 10:22]` as in a DataFile.

    Raises:
        UserError: the file does not exist, holds no imported videos, comes from a newer version, or is damaged.
    """

    path: Path
    """Path of the file."""
    h5: h5py.File
    """The HDF5 file."""
    facts: VideoFacts
    """How the file was made."""
    how_split: str
    """How the videos were divided into splits, in words."""
    skip: int
    """Number of frames left out after each frame."""
    splits: dict[str, VideoSplit]
    """The splits by name: train, val and test."""
    names: tuple[str, ...]
    """Names of the videos, indexed by the label `video`."""
    left_out: tuple[LeftOut, ...]
    """What was given and not imported; empty for files of older versions, which did not record it."""
    chunks: tuple[Chunk, ...]
    """The chunks of people that clips were cut from, indexed by the label `chunk`; empty where clips show whole frames."""
    clip_shape: tuple[int, ...]
    """(T, H, W, 3) of every clip."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.h5 = open_h5(self.path)
        try:
            self.facts = VideoFacts.from_attributes(attributes_of(self.h5))
            self.how_split, self.skip = self.facts.splits, self.facts.skip
            self.splits = {name: VideoSplit(self.path, local_item(self.h5, name, h5py.Group)) for name in SPLITS}
            self.left_out, self.chunks = _left_out(self.h5), _chunks(self.h5, self.facts)
            self.names = tuple(_stored(own_dataset(self.h5, "videos")).asstr()[()].tolist())
            shapes = {split["frames"].shape[1:] for split in self.splits.values()}
            if len(shapes) != 1:
                raise ValueError("its splits have clips of several sizes")
            (self.clip_shape,) = shapes
            if not any(map(len, self.splits.values())):
                raise ValueError("it has no clips")
        except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            self.h5.close()
            raise damaged(self.path, error, imported=True) from None

    def __getitem__(self, split: str) -> VideoSplit:
        try:
            return self.splits[split]
        except KeyError:
            raise KeyError(f"there is no split {split!r}; there are {', '.join(SPLITS)}") from None

    def keys(self) -> tuple[str, ...]:
        """Names of the splits."""
        return tuple(self.splits)

    def __len__(self) -> int:
        return len(self.splits)

    def __iter__(self) -> Iterator[str]:
        return iter(self.splits)

    def __repr__(self) -> str:
        clips, (frames, height, width, _) = ", ".join(f"{len(split):,} {name}" for name, split in self.splits.items()), self.clip_shape
        return f"<VideoFile {self.path}: {len(self.names):,} videos, {clips} clips of {frames} frames, {height} x {width}>"

    def find(self, index: int) -> tuple[str, int]:
        """The split and row of the clip with an index in the file. Raises UserError if there is none."""
        return find_clip(self.path, {name: self.h5[name]["index"] for name in self.splits}, index)

    def __reduce__(self) -> tuple[type["VideoFile"], tuple[Path]]:
        return VideoFile, (self.path.absolute(),)

    def close(self) -> None:
        """Close the HDF5 file."""
        self.h5.close()

    def __exit__(self, *_: object) -> None:
        self.close()
