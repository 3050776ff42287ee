"""Planning which videos of a folder are imported, and how they are cut into clips."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError, UserError
from wsprites.fields import whole
from wsprites.file.chunks import Chunk, ChunkRules
from wsprites.file.videos import LeftOut
from wsprites.videos.decode import scan_file
from wsprites.videos.find import VIDEO_SUFFIXES, find
from wsprites.videos.frames import scan_folder
from wsprites.videos.sampling import MOST_FRAMES, sampled
from wsprites.videos.video import Video, name_of
from wsprites.world.spec import SPLITS

_MOST_CLIP_BYTES = 2**31
_DIVIDED = "by video, 80/10/10 in the order of their names"


@dataclass(frozen=True)
class Plan:
    """Which videos are to be imported, and how they are cut into clips."""

    videos: dict[str, list[Video]]
    """Videos of each split, by its name."""
    cuts: Mapping[Video, NDArray[np.int64]]
    """For each video (N, T) int64: the frames of its N clips, as positions among those that can be used. A clip spans no missing frame."""
    left_out: tuple[LeftOut, ...]
    """What is not imported, and why."""
    splits: str
    """How the videos were divided into splits, in words."""
    size: tuple[int, int]
    """(height, width) of the clips."""
    frames: int
    """Frames per clip."""
    skip: int
    """Number of frames left out after each frame."""
    fps: float | None
    """Frames per second to which the videos are resampled; None for all frames as they are."""
    rules: ChunkRules | None = None
    """By which rules chunks of people were cut out; None for whole frames."""
    chunks: tuple[Chunk, ...] = ()
    """The chunks, in the order of the file."""
    chunk_of: Mapping[Video, NDArray[np.int64]] = field(default_factory=dict)
    """For each video (N,) the chunk of each of its clips."""

    def clips(self, video: Video) -> int:
        """Number of clips that a video gives."""
        return len(self.cuts[video])

    def resampling(self) -> tuple[int, int]:
        """How many frames of the clips repeat the one before, and how many frames between those of the clips are dropped."""
        steps = [np.diff(cuts, axis=1) for cuts in self.cuts.values()]
        return sum(int((step == 0).sum()) for step in steps), sum(int(np.maximum(step - 1, 0).sum()) for step in steps)


def plan(
    folder: Path,
    *,
    frames: int,
    size: tuple[int, int] | None = None,
    skip: int = 0,
    fps: float | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> Plan:
    """Find all videos of a folder, read them once, and plan how to cut them into clips.

    Args:
        folder: contains folders of splits (train, val or validation, test), or videos, which are then divided 80/10/10 in the order of
            their names; both may lie in folders of their own. A video is a video file or a folder of numbered pictures.
        frames: frames per clip.
        size: (height, width) that frames are scaled to by area; None for that of the videos.
        skip: number of frames to leave out after each frame.
        fps: resample to as many frames per second, each the one nearest in time; None to take all frames.
        progress: called with the number of frames read since the last call.

    Raises:
        UserError: there is no video that can be read, sizes differ, times are needed and not known, or a clip is too large.
    """
    frames, skip = check_sampling(frames, skip, fps)
    scan = scan_videos(folder, progress)
    every, left_out = scan.every, scan.left_out
    cuts = {video: _cut(video, frames, skip, fps, left_out) for video in every}
    cuts = {video: positions for video, positions in cuts.items() if len(positions)}
    if not cuts:
        longest = max(len(run) for video in every for run in _runs(video, skip, fps))
        missing = [f"; {entry.reason}: {entry.name} {entry.detail}".rstrip() for video in every for entry in video.left_out]
        text = f"no video of {folder} has {frames} in a row; the longest run gives {longest}{''.join(missing[:1])}"
        raise ArgumentError("frames", f"{text}; choose fewer, or a smaller skip")
    left_out += [entry for video in every for entry in video.left_out]
    common = _common_size(folder, list(cuts), size)
    check_clip_size(frames, common)
    return Plan(scan.divided(cuts), cuts, tuple(left_out), scan.how, common, frames, skip, fps)


def check_sampling(frames: int, skip: int, fps: float | None) -> tuple[int, int]:
    """The numbers of frames per clip, and of frames to leave out, as ints. Raises ArgumentError unless they and the rate are possible."""
    if fps is not None and not 0 < fps < np.inf:
        raise ArgumentError("fps", f"{fps} is not a rate above 0")
    return whole("frames", frames, 1, MOST_FRAMES), whole("skip", skip, 0, MOST_FRAMES)


def check_clip_size(frames: int, size: tuple[int, int]) -> None:
    """Raise ArgumentError if a clip would be too large."""
    if frames * size[0] * size[1] * 3 > _MOST_CLIP_BYTES:
        raise ArgumentError("frames", f"{frames} of {size[0]}x{size[1]} make a clip of more than 2 GiB; choose fewer, or a smaller size")


class Scan(NamedTuple):
    """The videos of a folder, read once."""

    videos: dict[str, list[Video]]
    """Those that can be used, of each split by its name; all under "" if there are no folders of splits."""
    split_folders: tuple[str, ...]
    """Names of the folders of splits."""
    left_out: list[LeftOut]
    """What is not a video, or cannot be read."""

    @property
    def every(self) -> list[Video]:
        """All videos."""
        return [video for of_split in self.videos.values() for video in of_split]

    @property
    def how(self) -> str:
        """How videos are divided into splits, in words."""
        return f"by the folders {', '.join(self.split_folders)}" if self.split_folders else _DIVIDED

    def divided(self, used: Collection[Video]) -> dict[str, list[Video]]:
        """The videos that are used, of each split by its name."""
        videos = {split: [video for video in of_split if video in used] for split, of_split in self.videos.items()}
        return videos if self.split_folders else _divided(videos[""])


def scan_videos(folder: Path, progress: Callable[[int], object]) -> Scan:
    """Find all videos of a folder and read them once: only that shows how many frames they have.

    Raises:
        UserError: there is no such folder, or no video that can be read in it.
    """
    found = find(folder)
    left_out = list(found.left_out)
    scan = Scan({split: _scanned(folder, paths, left_out, progress) for split, paths in found.paths.items()}, found.split_folders, left_out)
    if not scan.every:
        raise UserError(f"{folder}: {_no_videos(left_out)}")
    return scan


def _scanned(folder: Path, paths: list[Path], left_out: list[LeftOut], progress: Callable[[int], object]) -> list[Video]:
    videos = []
    for path in paths:
        name = name_of(path, folder)
        try:
            videos.append((scan_folder if path.is_dir() else scan_file)(path, name, progress))
        except UserError as error:
            if path.is_dir() or path.suffix.lower() in VIDEO_SUFFIXES:
                left_out.append(LeftOut(name, "videos that cannot be read", detail=str(error).removeprefix(f"{path}: ")))
            else:
                left_out.append(LeftOut(name, "files that are not videos"))
    return videos


def _no_videos(left_out: list[LeftOut]) -> str:
    """Why there are no videos: the first file that should have been one, or what is expected."""
    expected = "expected are video files, or a folder of numbered frames (00000.png, ...) for each, in train, val and test or side by side"
    failed = [f"; {entry.name}: {entry.detail}" for entry in left_out if entry.detail]
    unused = [f"; {entry.reason}: {entry.name}" for entry in left_out]
    first = next(iter(failed + unused), "")
    more = f" (and {len(left_out) - 1:,} more that are not used)" if len(left_out) > 1 else ""
    return f"no videos{first}{more}; {expected}"


def _runs(video: Video, skip: int, fps: float | None) -> Iterator[NDArray[np.int64]]:
    """Positions of the frames that are taken from a video, for each stretch between two missing ones."""
    for segment in np.split(np.arange(video.frames), np.flatnonzero(video.breaks[1:]) + 1):
        yield sampled(video, segment, skip, fps)


def _cut(video: Video, frames: int, skip: int, fps: float | None, left_out: list[LeftOut]) -> NDArray[np.int64]:
    """(N, T) positions of the frames of a video's clips."""
    clips, rest = [], 0
    for chosen in _runs(video, skip, fps):
        count = len(chosen) // frames
        clips.append(chosen[: count * frames].reshape(count, frames))
        rest += len(chosen) - count * frames
    positions = np.concatenate(clips)
    if not len(positions):
        left_out.append(LeftOut(video.name, f"videos shorter than a clip of {frames} frames", rest))
    elif rest:
        left_out.append(LeftOut(video.name, f"frames at the end, or before missing ones, too few for another clip of {frames}", rest))
    return positions


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
