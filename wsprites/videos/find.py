"""Finding videos, folders of numbered frames in CADDY's layout or video files, and planning how to cut them into clips."""

import os
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from wsprites.errors import ArgumentError, UserError
from wsprites.videos.frames import Capture, Video, frame_paths, image_size, opened_image
from wsprites.world.spec import SPLITS

_SUFFIXES = {".mp4", ".avi", ".webm", ".mov", ".mkv", ".m4v", ".gif"}
_MOST_CLIP_BYTES = 2**31
_DIVIDED = "by video, 80/10/10 in the order of their names"


@dataclass(frozen=True)
class Plan:
    """Which videos are to be imported, and how they are cut into clips."""

    videos: dict[str, list[Video]]
    """Videos of each split, by its name."""
    short: list[Video]
    """Videos that are left out because they are shorter than a clip."""
    splits: str
    """How the videos were divided into splits, in words."""
    size: tuple[int, int]
    """(height, width) of the clips."""
    frames: int
    """Frames per clip."""
    skip: int
    """Number of frames left out after each frame."""

    def clips(self, video: Video) -> int:
        """Number of clips that a video gives; frames at its end that are too few for another clip are not used."""
        return _clips(video, self.frames, self.skip)


def plan(folder: Path, *, frames: int, size: tuple[int, int] | None = None, skip: int = 0) -> Plan:
    """Find all videos of a folder, and plan how to cut them into clips.

    Args:
        folder: contains folders train, val and test (any of them), or videos, which are then divided 80/10/10 in the order of their
            names. A video is a folder of numbered frames or a video file.
        frames: frames per clip.
        size: (height, width) that frames are scaled to by area; None for that of the videos.
        skip: number of frames to leave out after each frame.

    Raises:
        UserError: there are no videos, one cannot be read, sizes differ, numbers are missing among the frames, or a clip is too large.
    """
    videos, how = _find(folder)
    every = [video for of_split in videos.values() for video in of_split]
    height, width = _common_size(folder, every, size)
    if frames * height * width * 3 > _MOST_CLIP_BYTES:
        raise ArgumentError("frames", f"{frames} of {height}x{width} make a clip of more than 2 GiB; choose fewer, or a smaller size")
    short = [video for video in every if not _clips(video, frames, skip)]
    if len(short) == len(every):
        longest = max(-(-video.frames // (skip + 1)) for video in every)
        raise ArgumentError("frames", f"no video of {folder} has {frames}; the longest gives {longest}; choose fewer, or a smaller skip")
    long = {split: [video for video in of_split if _clips(video, frames, skip)] for split, of_split in videos.items()}
    return Plan(long if how else _divided(long[""]), short, how or _DIVIDED, (height, width), frames, skip)


def _find(folder: Path) -> tuple[dict[str, list[Video]], str]:
    """The videos of each split and how they were divided, in words; or all of them as those of split "" and no words."""
    if not folder.is_dir():
        raise UserError(f"{folder}: {'a file; name the folder that contains it' if folder.exists() else 'no such folder'}")
    named = [name for name in SPLITS if (folder / name).is_dir()]
    videos = {name: _videos(folder / name, folder) if name in named else [] for name in SPLITS} if named else {"": _videos(folder, folder)}
    if not any(videos.values()):
        expected = "numbered frames (00000.png, ...) in a folder for each video, or video files"
        suffixes = " ".join(sorted(_SUFFIXES))
        raise UserError(f"{folder}: no videos; expected are {expected} ({suffixes}), in train, val and test or side by side")
    return videos, f"by the folders {', '.join(named)}" if named else ""


def _common_size(folder: Path, videos: list[Video], size: tuple[int, int] | None) -> tuple[int, int]:
    """(height, width) of the clips. Raises UserError if none is given and the videos have several."""
    for video in videos:
        if video.size != videos[0].size and size is None:
            sizes = " and ".join(f"{v.name} is {v.size[0]}x{v.size[1]}" for v in (videos[0], video))
            raise ArgumentError("size", f"{folder} has videos of several sizes: {sizes}; choose one to scale them to")
    return size or videos[0].size


def _divided(videos: list[Video]) -> dict[str, list[Video]]:
    """Videos divided 80/10/10 into train, val and test."""
    held = max(round(len(videos) / 10), 1) if len(videos) > 2 else 0
    ends = [0, len(videos) - 2 * held, len(videos) - held, len(videos)]
    return {name: videos[first:stop] for name, first, stop in zip(SPLITS, ends, ends[1:], strict=False)}


def _clips(video: Video, frames: int, skip: int) -> int:
    return -(-video.frames // (skip + 1)) // frames


def _videos(folder: Path, root: Path) -> list[Video]:
    paths = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
    return [_video(path, root) for path in paths if path.is_dir() or path.suffix.lower() in _SUFFIXES]


def _video(path: Path, root: Path) -> Video:
    name = os.fsencode(path.relative_to(root)).decode("utf-8", "replace")
    if path.is_dir():
        paths = frame_paths(path)
        return Video(path, name, len(paths), image_size(paths[0]))
    if path.suffix.lower() == ".gif":
        size = image_size(path)
        with opened_image(path) as image:
            return Video(path, name, int(getattr(image, "n_frames", 1)), size)
    with closing(Capture(path)) as capture:
        count = 0
        while capture.video.grab():  # the number of frames in a header is not reliable
            count += 1
        return Video(path, name, count, capture.size)
