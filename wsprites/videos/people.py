"""Planning the chunks of people that are imported from the videos of a folder, as the data set TED-talks was made.

Siarohin et al., "Motion Representations for Articulated Animation" (CVPR 2021), supplement. docs/videos.md says what differs.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError
from wsprites.file.chunks import Chunk, ChunkRules
from wsprites.file.videos import LeftOut
from wsprites.terminal import extra
from wsprites.videos.boxes import Boxes, hog_detector, open_boxes, read_boxes
from wsprites.videos.chunks import Cuts, cut_chunks, look
from wsprites.videos.plan import Plan, Scan, check_clip_size, check_sampling, scan_videos
from wsprites.videos.sampling import sampled
from wsprites.videos.video import Video

HOG = "hog"
"""In place of a file of boxes: they are found by OpenCV's HOG detector."""


def plan_chunks(
    folder: Path,
    chunks: str | Path,
    rules: ChunkRules | None = None,
    *,
    frames: int = 64,
    size: tuple[int, int] | None = None,
    skip: int = 0,
    fps: float | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> Plan:
    """Find all videos of a folder, read them twice, and plan which chunks of people are cut out of them.

    Args:
        folder: as in `plan`.
        chunks: a CSV file with boxes of people (`wsprites.videos.boxes`), or "hog": they are found by OpenCV's HOG detector.
        rules: which parts of videos are chunks; None for `ChunkRules()`. Its `boxes` is filled in.
        frames: frames per clip; longer chunks are cut into several clips.
        size: (height, width) that the squares are scaled down to by area, both the same; None for 384 x 384.
        skip: number of frames to leave out after each frame.
        fps: resample to as many frames per second, each the one nearest in time; None to take all frames.
        progress: called with the number of frames read since the last call.

    Raises:
        UserError: there is no video that can be read, the file of boxes cannot be used, OpenCV lacks the detector, no chunk passes the
            rules, times are needed and not known, or a clip is too large.
    """
    # What can be checked before anything is read.
    frames, skip = check_sampling(frames, skip, fps)
    height, width = size or (384, 384)
    if height != width:
        raise ArgumentError("size", f"{height}x{width} is no square, and chunks are; choose the same height and width")
    check_clip_size(frames, (height, width))
    with extra("chunks"):
        import_module("scenedetect")
    rules, hog = rules or ChunkRules(), str(chunks) == HOG
    if hog and rules.detect_every > rules.max_gap + 1:
        problem = f"{rules.detect_every:,} is more than the gaps of {rules.max_gap:,} frames that a chunk may span, and one"
        raise ArgumentError("detect_every", f"{problem}: every chunk would have one frame; choose at most {rules.max_gap + 1:,}")
    detect, file = (hog_detector(rules.min_height), None) if hog else (None, open_boxes(Path(chunks)))
    rules = replace(rules, boxes=f"hog, OpenCV {cv2.__version__}" if file is None else _name_and_hash(file.path))
    # Read the videos: once to count their frames, once to look at them.
    scan = scan_videos(folder, progress)
    left_out, names = scan.left_out, {entry.name for entry in scan.left_out}
    boxes = None if file is None else read_boxes(file, scan.every, left_out=names)
    cuts = dict[Video, Cuts]()
    for video in scan.every if boxes is None else _with_boxes(scan, boxes):
        seen = look(video, rules, boxes=boxes[video] if boxes else None, detect=detect, progress=progress)

        def take(positions: NDArray[np.int64], video: Video = video) -> NDArray[np.int64]:
            return sampled(video, positions, skip, fps)

        cuts[video] = cut_chunks(video, seen, rules, frames=frames, side=width, take=take, left_out=left_out)
    left_out += [entry for video in scan.every for entry in video.left_out]
    return _planned(folder, scan, cuts, rules, Plan({}, {}, tuple(left_out), scan.how, (height, width), frames, skip, fps))


def _name_and_hash(path: Path) -> str:
    """What is recorded of a file of boxes."""
    return f"{path.name}, SHA-256 {hashlib.sha256(path.read_bytes()).hexdigest()}"


def _with_boxes(scan: Scan, boxes: Mapping[Video, Sequence[Boxes]]) -> list[Video]:
    """The videos that the file of boxes names; the others are left out."""
    scan.left_out.extend(LeftOut(video.name, "videos that the file of boxes does not name") for video in scan.every if video not in boxes)
    return [video for video in scan.every if video in boxes]


def _planned(folder: Path, scan: Scan, cuts: Mapping[Video, Cuts], rules: ChunkRules, empty: Plan) -> Plan:
    """The plan of the chunks of all videos. Raises ArgumentError if there are none."""
    used = {video: cut for video, cut in cuts.items() if cut.chunks}
    if not used:
        reasons = Counter(entry.reason for entry in empty.left_out if entry.reason.startswith("chunks"))
        why = ", ".join(f"{reason} ({count:,})" for reason, count in reasons.items()) or "no box of a person was found"
        raise ArgumentError("chunks", f"no chunk of {folder} passes the rules: {why}; change the rules")
    videos = scan.divided(used)
    chunks, chunk_of = list[Chunk](), dict[Video, NDArray[np.int64]]()
    for row, video in enumerate(video for of_split in videos.values() for video in of_split):
        chunk_of[video] = used[video].numbers + len(chunks)
        chunks += [chunk._replace(video=row) for chunk in used[video].chunks]
    positions = {video: cut.positions for video, cut in used.items()}
    return replace(empty, videos=videos, cuts=positions, rules=rules, chunks=tuple(chunks), chunk_of=chunk_of)
