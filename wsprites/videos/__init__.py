"""Videos of others as a file: folders of frames in CADDY's layout, or video files, cut into clips of T frames. No labels but theirs.

/            attributes: format, format_version, source ("videos"), splits (how they were made), skip, pixels, compression, versions (JSON)
/videos      names of the videos
/train, /val, /test
    frames             (N, T, H, W, 3) uint8
    index              (N) int64, number of the clip in the file
    video, first_frame (N) int32, the video it was cut from, and its first frame there
    actions, rewards, dones    (N, T), where all videos have them: entries of the pickled lists at the frames of the clip
"""

import io
import os
import pickle
import pickletools
import warnings
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from wsprites.errors import UserError
from wsprites.file import (
    CODECS,
    FORMAT,
    FORMAT_VERSION,
    Array,
    Pixels,
    chunk_shape,
    create_groups,
    encode_window,
    item_of,
    open_h5,
    versions,
)
from wsprites.generate import check_output
from wsprites.generate.journal import making
from wsprites.world.spec import SPLITS

LISTS: dict[str, type] = {"actions": np.int64, "rewards": np.float64, "dones": np.bool_}
"""CADDY's pickled lists that become labels, and their types in the file."""
DESCRIPTIONS = {
    "frames": "RGB frames",
    "index": "number of the clip in the file",
    "video": "the video that the clip was cut from: row of /videos",
    "first_frame": "number of the clip's first frame in its video",
    "actions": "entry of actions.pkl at the frame; in CADDY's layout the action taken at frame t, which leads to frame t+1",
    "rewards": "entry of rewards.pkl at the frame; in CADDY's layout the reward for arriving at frame t",
    "dones": "entry of dones.pkl at the frame",
}
_SUFFIXES = {".mp4", ".avi", ".webm", ".mov", ".mkv", ".m4v", ".gif"}
_IMAGES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
_MOST_PIXELS, _MOST_CLIP_BYTES, _MOST_PICKLE_BYTES = 2**26, 2**31, 2**26


@dataclass(frozen=True)
class Video:
    """A video that is to be imported."""

    path: Path
    name: str
    """Its path below the folder that is imported."""
    frames: int
    """How many it has, before any are skipped."""
    size: tuple[int, int]
    """(height, width) in pixels."""


@dataclass(frozen=True)
class Plan:
    """What is to be imported, and how."""

    videos: dict[str, list[Video]]
    """Of each split, by name."""
    short: list[Video]
    """Too short for a clip, and left out."""
    splits: str
    """How the splits were made, in words."""
    size: tuple[int, int]
    """(height, width) of the clips."""
    frames: int
    """Of a clip."""
    skip: int
    """Frames that are left out after each frame."""

    def clips(self, video: Video) -> int:
        """Clips that a video gives; what is left at its end is too short for another one."""
        return -(-video.frames // (self.skip + 1)) // self.frames


# What there is.


def plan(folder: Path, *, frames: int, size: tuple[int, int] | None = None, skip: int = 0) -> Plan:
    """Look at all videos of a folder.

    Args:
        folder: has folders train, val and test (any of them), or videos, which are then split 80/10/10 in the order of their names.
            A video is a folder of numbered frames or a video file.
        frames: of a clip.
        size: (height, width) that frames are scaled to by area; None: that of all videos.
        skip: frames to leave out after each frame.

    Raises:
        UserError: there are no videos, one cannot be read, sizes differ, numbers are missing among the frames, or a clip is too large.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file; name the folder that it is in' if folder.exists() else 'no such folder'}")
    named = [name for name in SPLITS if (folder / name).is_dir()]
    found = {name: _videos(folder / name, folder) for name in named} if named else {"": _videos(folder, folder)}
    every = [video for videos in found.values() for video in videos]
    if not every:
        what = "numbered frames (00000.png, ...) in a folder for each video, or video files"
        raise UserError(f"{folder}: no videos; wanted are {what} ({' '.join(sorted(_SUFFIXES))}), in train, val and test or side by side")
    for video in every:
        if video.size != every[0].size and size is None:
            sizes = " and ".join(f"{v.name} is {v.size[0]}x{v.size[1]}" for v in (every[0], video))
            raise UserError(f"{folder}: videos of several sizes: {sizes}; add --size HxW to scale them to one")
    height, width = size or every[0].size
    if frames * height * width * 3 > _MOST_CLIP_BYTES:
        raise UserError(f"--frames {frames} of {height}x{width}: a clip of more than 2 GiB; choose fewer frames or a smaller --size")
    made = Plan({}, [], "", (height, width), frames, skip)
    short = [video for video in every if not made.clips(video)]
    if len(short) == len(every):
        longest = max(-(-video.frames // (skip + 1)) for video in every)
        raise UserError(f"{folder}: no video has {frames} frames; the longest gives {longest}; choose a smaller --frames or --skip")
    kept = {name: [video for video in videos if made.clips(video)] for name, videos in found.items()}
    if named:
        return Plan(
            {name: kept.get(name, []) for name in SPLITS}, short, f"by the folders {', '.join(named)}", (height, width), frames, skip
        )
    videos = kept[""]
    held = max(round(len(videos) / 10), 1) if len(videos) > 2 else 0
    ends = [0, len(videos) - 2 * held, len(videos) - held, len(videos)]
    split = {name: videos[first:stop] for name, first, stop in zip(SPLITS, ends, ends[1:], strict=False)}
    return Plan(split, short, "by video, 80/10/10 in the order of their names", (height, width), frames, skip)


def _videos(folder: Path, root: Path) -> list[Video]:
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [_video(path, root) for path in paths if path.is_dir() or path.suffix.lower() in _SUFFIXES]


def _video(path: Path, root: Path) -> Video:
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
    if path.is_dir():
        frames = _frame_paths(path)
        height, width = _image_size(frames[0])
        return Video(path, name, len(frames), (height, width))
    if path.suffix.lower() == ".gif":
        size = _image_size(path)
        with _opened(path) as image:
            return Video(path, name, int(getattr(image, "n_frames", 1)), size)
    with closing(_Capture(path)) as capture:
        count = 0
        while capture.video.grab():  # what a header says of the number of frames is a guess
            count += 1
        return Video(path, name, count, capture.size)


def _frame_paths(folder: Path) -> list[Path]:
    """The frames of a folder in order. Raises UserError if there are none, or numbers are missing or occur twice."""
    paths = {path for path in folder.iterdir() if path.suffix.lower() in _IMAGES and path.stem.isascii() and path.stem.isdecimal()}
    if not paths:
        raise UserError(f"{folder}: no frames in it (00000.png, 00001.png, ...); remove it or add them")
    ordered = sorted(paths, key=lambda path: (int(path.stem), path.name))
    for before, after in pairwise(ordered):
        gap = int(after.stem) - int(before.stem)
        if gap != 1:
            what = f"frames are missing between {before.name} and {after.name}" if gap else f"{before.name} and {after.name} are one number"
            raise UserError(f"{folder}: {what}; a video has every frame once")
    return ordered


def _opened(path: Path) -> Image.Image:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)  # there is a limit of our own
            return Image.open(path)
    except (OSError, SyntaxError, ValueError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise UserError(f"{path}: not an image that can be read ({error})") from None


def _image_size(path: Path) -> tuple[int, int]:
    with _opened(path) as image:
        return _checked(path, (image.height, image.width))


def _checked(path: Path, size: tuple[int, int]) -> tuple[int, int]:
    if not 0 < size[0] * size[1] <= _MOST_PIXELS:
        raise UserError(f"{path}: frames of {size[0]}x{size[1]}; possible are 1 to {_MOST_PIXELS:,} pixels")
    return size


# Reading frames, one after the other: nothing but the one is in memory.


class _Capture:
    """A video file, opened by FFmpeg."""

    def __init__(self, path: Path) -> None:
        os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")  # what is wrong is said once, by us
        set_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel  # until OpenCV 4.12, and since
        level = set_level(0)
        self.video = cv2.VideoCapture(str(path), cv2.CAP_FFMPEG)
        set_level(level)
        self.size = (int(self.video.get(cv2.CAP_PROP_FRAME_HEIGHT)), int(self.video.get(cv2.CAP_PROP_FRAME_WIDTH)))
        if not self.video.isOpened():
            self.close()
            raise UserError(f"{path}: not a video that can be read; convert it, or remove it")
        _checked(path, self.size)

    def close(self) -> None:
        self.video.release()


def frames_of(video: Video) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """One after the other, what gives the frame as (H, W, 3) uint8 RGB: those that are skipped cost little. Alpha goes on white."""
    if video.path.is_dir():
        for path in _frame_paths(video.path):
            yield lambda path=path: _image(path)  # type: ignore[misc]
    elif video.path.suffix.lower() == ".gif":
        with _opened(video.path) as image:
            for number in range(video.frames):
                try:
                    image.seek(number)
                except (OSError, EOFError, SyntaxError, ValueError) as error:
                    raise UserError(f"{video.path}: frame {number} cannot be read ({error})") from None
                yield lambda: _rgb(image, video.path)
    else:
        with closing(_Capture(video.path)) as capture:
            for number in range(video.frames):
                if not capture.video.grab():
                    raise UserError(f"{video.path}: frame {number} cannot be read any more")
                yield lambda number=number: _retrieved(capture, video, number)  # type: ignore[misc]


def _image(path: Path) -> NDArray[np.uint8]:
    _image_size(path)
    with _opened(path) as image:
        return _rgb(image, path)


def _rgb(image: Image.Image, path: Path) -> NDArray[np.uint8]:
    if image.mode.startswith("I") or image.mode == "F":
        raise UserError(f"{path}: more than 8 bits a channel; save it with 8")
    try:
        if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
            flat = Image.new("RGBA", image.size, "white")
            flat.alpha_composite(image.convert("RGBA"))
            return np.asarray(flat.convert("RGB"))
        return np.asarray(image.convert("RGB"))
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f"{path}: cannot be read ({error})") from None


def _retrieved(capture: _Capture, video: Video, number: int) -> NDArray[np.uint8]:
    found, frame = capture.video.retrieve()
    if not found:
        raise UserError(f"{video.path}: frame {number} cannot be read")
    return np.ascontiguousarray(frame[..., ::-1])


def clips_of(video: Video, plan: Plan, progress: Callable[[int], object]) -> Iterator[NDArray[np.uint8]]:
    """The clips of a video, (T, H, W, 3) uint8 each; the array is used again."""
    clip_thwc = np.empty((plan.frames, *plan.size, 3), np.uint8)
    last = plan.clips(video) * plan.frames
    for number, frame in enumerate(frames_of(video)):
        kept, skipped = divmod(number, plan.skip + 1)
        if kept == last:
            return
        if skipped:
            continue
        pixels = frame()
        if pixels.shape[:2] != video.size:
            sizes = " and ".join(f"{height}x{width}" for height, width in (video.size, pixels.shape[:2]))
            raise UserError(f"{video.path}: frames of different sizes, {sizes} (frame {number}); a video has one")
        clip_thwc[kept % plan.frames] = _scaled(pixels, plan.size)
        progress(1)
        if (kept + 1) % plan.frames == 0:
            yield clip_thwc


def _scaled(pixels_hwc: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if pixels_hwc.shape[:2] == size:
        return pixels_hwc
    return np.asarray(cv2.resize(pixels_hwc, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)


# Pickled lists.


class _PlainUnpickler(pickle.Unpickler):
    """Builds lists, tuples, dicts, numbers, strings, bytes and None: whatever else a pickle holds it has to look up here."""

    def find_class(self, module: str, name: str) -> Any:
        raise UserError(f"it asks for {module}.{name}, and may hold only lists, tuples, dicts, numbers, strings and None")


def load_list(path: Path, frames: int, dtype: type) -> NDArray[Any] | None:
    """A pickled list of numbers, one for each frame; None if it is absent or all None.

    Raises:
        UserError: it is damaged or too large, asks for a class (which is named), or is not such a list.
    """
    if not path.exists():
        return None
    if path.stat().st_size > _MOST_PICKLE_BYTES:
        raise UserError(f"{path}: a pickle of more than 64 MiB; remove it to import the frames alone")
    data = path.read_bytes()
    try:
        for code, argument, _ in pickletools.genops(data):
            if code.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument or 0) > len(data):
                raise UserError("it asks for more memory than a list of its size needs")
        values = _PlainUnpickler(io.BytesIO(data)).load()
    except UserError as error:
        raise UserError(f"{path}: refused: {error}; save plain lists, or remove it to import the frames alone") from None
    except Exception as error:  # whatever a damaged pickle leads to
        raise UserError(f"{path}: not a pickle that can be read ({type(error).__name__}); remove it to import the frames alone") from None
    if not isinstance(values, list | tuple) or len(values) != frames:
        what = f"has {len(values)} entries" if isinstance(values, list | tuple) else f"holds no list but a {type(values).__name__}"
        raise UserError(f"{path}: {what}; wanted is one for each of {frames} frames")
    if all(value is None for value in values):
        return None
    kinds = (bool, int) if dtype is not np.float64 else (bool, int, float)
    for number, value in enumerate(values):
        if not isinstance(value, kinds) or (dtype is not np.float64 and not -(2**63) <= value < 2**63):
            raise UserError(
                f"{path}: entry {number} is a {type(value).__name__}; wanted are numbers of type {dtype.__name__} in all entries"
            )
    try:
        return np.array(values, dtype)
    except OverflowError:
        raise UserError(f"{path}: holds numbers that are too large") from None


# Writing.


def import_videos(
    plan: Plan, out: Path, *, compression: str = "zstd", overwrite: bool = False, progress: Callable[[int], object] = lambda frames: None
) -> list[str]:
    """Write the clips of a plan to a file. It appears under its name only when it is complete.

    Args:
        compression: one of CODECS.
        progress: called with the number of frames read since the last call.

    Returns:
        The labels that the file has from pickled lists: those that all its videos have.

    Raises:
        UserError: `out` cannot be written or exists, or a frame or a list of a video is not what it should be.
        OSError: writing failed; nothing is kept.
    """
    check_output(out, overwrite)
    codec, every = CODECS[compression], [video for videos in plan.videos.values() for video in videos]
    lists = {name: [_list(video, name, dtype, plan.skip) for video in every] for name, dtype in LISTS.items()}
    known = {name: values for name, of_every in lists.items() if len(values := [v for v in of_every if v is not None]) == len(every)}
    row_of = {video: row for row, video in enumerate(every)}
    facts = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "source": "videos", "splits": plan.splits, "skip": plan.skip,
        "pixels": "frames", "compression": compression, "versions": versions(),
    }  # fmt: skip
    with making(out, facts, range(1), resume=False, overwrite=overwrite, again="import it again") as partial:
        create_groups(partial.h5, facts, SPLITS)
        partial.h5.create_dataset("videos", data=np.array([video.name for video in every], h5py.string_dtype()))
        number = 0
        for split, videos in plan.videos.items():
            group, cuts = partial.h5[split], [(video, cut) for video in videos for cut in range(plan.clips(video))]
            group["index"] = np.arange(number, number + len(cuts))
            group["video"] = np.array([row_of[video] for video, _ in cuts], np.int32)
            group["first_frame"] = np.array([cut * plan.frames * (plan.skip + 1) for _, cut in cuts], np.int32)
            for name, values in known.items():
                rows = [values[row_of[video]][cut * plan.frames : (cut + 1) * plan.frames] for video, cut in cuts]
                group[name] = np.array(rows, LISTS[name]).reshape(len(cuts), plan.frames)
            shape = (len(cuts), plan.frames, *plan.size, 3)
            chunk = chunk_shape(shape, codec.tiles)
            frames = group.create_dataset("frames", shape, "u1", **({"chunks": chunk, **codec.options()} if cuts else {}))
            for name in group:
                group[name].attrs["description"] = DESCRIPTIONS[name]
            clips = (clip_thwc for video in videos for clip_thwc in clips_of(video, plan, progress))
            for row, clip_thwc in enumerate(clips):
                for first in range(0, plan.frames, chunk[1]):
                    for offset, data in encode_window(clip_thwc[first : first + chunk[1]], first, chunk, codec):
                        frames.id.write_direct_chunk((row, *offset), data)
                partial.output.check()
            number += len(cuts)
    return list(known)


def _list(video: Video, name: str, dtype: type, skip: int) -> NDArray[Any] | None:
    """The entries of a video's pickled list at the frames that are not skipped."""
    values = load_list(video.path / f"{name}.pkl", video.frames, dtype) if video.path.is_dir() else None
    return None if values is None else values[:: skip + 1]


# Reading the file.


class VideoSplit:
    """The clips of one split: `split["frames"]`, and whatever `keys()` names besides."""

    def __init__(self, path: Path, group: h5py.Group) -> None:
        self._path, self._group = path, group
        self._datasets = {name: _dataset(group, name) for name in DESCRIPTIONS if name in group}
        frames = self._datasets["frames"]
        if frames.ndim != 5 or frames.shape[-1] != 3 or frames.dtype != np.uint8:
            raise ValueError(f"{frames.name} is {frames.dtype} {frames.shape}")
        for name in ("index", "video", "first_frame", *self.keys()):
            shape = frames.shape[: 2 if name in LISTS else 1]
            if name != "frames" and (self._datasets[name].shape != shape or self._datasets[name].dtype.kind not in "iufb"):
                raise ValueError(f"{group.name}/{name} is not of one row a clip")

    def __len__(self) -> int:
        return int(self._datasets["frames"].shape[0])

    def keys(self) -> tuple[str, ...]:
        """Names of the arrays. Frames are always among them; masks, and actions that nobody knows, are not."""
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


def _dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    dataset = item_of(group, name, h5py.Dataset)
    if dataset.is_virtual:
        raise ValueError(f"{dataset.name} leads out of the file")
    return dataset


class VideoFile(AbstractContextManager["VideoFile"]):
    """An open file of imported videos: no world, no art. A context manager; `data["train"]["frames"][3, 10:22]` as in a DataFile.

    Raises:
        UserError: the file does not exist, holds no imported videos, comes from a newer version, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.h5 = open_h5(self.path)
        try:
            if self.h5.attrs.get("source") != "videos":
                raise ValueError("its attribute 'source' is not 'videos'")
            self.how_split, self.skip = str(self.h5.attrs["splits"]), int(self.h5.attrs["skip"])
            self.splits = {name: VideoSplit(self.path, item_of(self.h5, name, h5py.Group)) for name in SPLITS}
            self.names = tuple(_dataset(self.h5, "videos").asstr()[()].tolist())
            """Names of the videos, by the label `video`."""
            shapes = {split["frames"].shape[1:] for split in self.splits.values()}
            if len(shapes) != 1:
                raise ValueError("its splits have clips of several sizes")
            (self.clip_shape,) = shapes
            """(T, H, W, 3) of every clip."""
        except (AttributeError, KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
            self.h5.close()
            raise UserError(f"{self.path}: damaged: {error}; import it again or get another copy") from None

    def __getitem__(self, split: str) -> VideoSplit:
        try:
            return self.splits[split]
        except KeyError:
            raise KeyError(f"there is no split {split!r}; there are {', '.join(SPLITS)}") from None

    def __reduce__(self) -> tuple[type["VideoFile"], tuple[Path]]:
        return VideoFile, (self.path.absolute(),)

    def close(self) -> None:
        """Close the HDF5 file."""
        self.h5.close()

    def __exit__(self, *_: object) -> None:
        self.close()
