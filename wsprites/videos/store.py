"""Cutting videos into clips and storing them in a file."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.errors import ArgumentError, UserError
from wsprites.file.chunks import write_chunks
from wsprites.file.codecs import CODECS, Codec, chunk_shape, encode_window
from wsprites.file.facts import VideoFacts, versions
from wsprites.file.h5 import create_groups
from wsprites.file.videos import VIDEO_DESCRIPTIONS, VIDEO_LABELS, LeftOut, write_left_out
from wsprites.generate.journal import unfinished_file
from wsprites.generate.output import check_output
from wsprites.videos.frames import read_frames
from wsprites.videos.labels import load_list
from wsprites.videos.plan import Plan
from wsprites.videos.video import Video
from wsprites.world.spec import SPLITS

_OF_WSPRITES = "glactions.pkl"
"""The labels of W-Sprites' released layout: where it is, an entry of actions.pkl says what led to its frame."""
_LATE = "actions of W-Sprites' layout, which led to their frame: an action of a file of videos leads from its frame"


def import_videos(
    plan: Plan, out: Path, *, compression: str = "zstd", overwrite: bool = False, progress: Callable[[int], object] = lambda frames: None
) -> list[str]:
    """Write the clips of a plan to a file. It appears under its name only when it is complete.

    Args:
        plan: the videos, and how to cut them into clips.
        out: path of the file.
        compression: name of a codec: zstd, gzip, lz4 or none.
        overwrite: replace the file if it exists.
        progress: called with the number of frames read since the last call.

    Returns:
        Names of the labels from pickled lists in the file: those that all its videos have.

    Raises:
        UserError: `out` cannot be written or exists, or a frame or a list of a video cannot be used.
        OSError: writing failed; nothing is kept.
    """
    videos = [video for of_split in plan.videos.values() for video in of_split]
    check_output(out, overwrite, inputs=[video.path for video in videos])
    if compression not in CODECS:
        raise ArgumentError("compression", f"{compression!r} is not one of {', '.join(CODECS)}")
    videos = [video for of_split in plan.videos.values() for video in of_split]
    labels, left_out = _common_labels(videos)
    facts = VideoFacts(plan.splits, plan.skip, compression, plan.fps, versions() | {"av": av.__version__}, plan.rules)
    with unfinished_file(out, facts, range(1), overwrite=overwrite, hint="choose another name") as file:
        create_groups(file.h5, facts.attributes(), SPLITS)
        file.h5.create_dataset("videos", data=np.array([video.name for video in videos], h5py.string_dtype()))
        write_left_out(file.h5, [*plan.left_out, *left_out])
        if plan.rules:
            write_chunks(file.h5, plan.chunks)
        first_clip = 0
        for split, of_split in plan.videos.items():
            group, codec = file.h5[split], CODECS[compression]
            clips = _write_labels(group, plan, of_split, videos, labels, first_clip)
            frames = _create_frames(group, clips, plan, codec)
            every = (clip_thwc for video in of_split for clip_thwc in cut(video, plan, progress))
            for row, clip_thwc in enumerate(every):
                for first in range(0, plan.frames, frames.chunks[1]):
                    for offset, data in encode_window(clip_thwc[first : first + frames.chunks[1]], first, frames.chunks, codec):
                        frames.id.write_direct_chunk((row, *offset), data)
                file.raw.check()
            first_clip += clips
    return list(labels)


def _common_labels(videos: list[Video]) -> tuple[dict[str, list[NDArray[Any]]], list[LeftOut]]:
    """The labels that all videos have, a list of entries for each video, and those that are left out."""
    labels, left_out = {}, []
    for name, dtype in VIDEO_LABELS.items():
        lists = [load_list(video.path / f"{name}.pkl", video.source_frames, dtype) if video.path.is_dir() else None for video in videos]
        present = {video: values for video, values in zip(videos, lists, strict=True) if values is not None}
        for video in [video for video in present if name == "actions" and (video.path / _OF_WSPRITES).exists()]:
            del present[video]  # read as those of CADDY, they would be late by a step
            left_out.append(LeftOut(f"{video.name}/{name}.pkl", _LATE))
        if len(present) == len(videos):
            labels[name] = [*present.values()]
        elif present:
            lacks = f"labels that only {len(present)} of {len(videos)} videos have"
            left_out += [LeftOut(f"{video.name}/{name}.pkl", lacks) for video in present]
    return labels, left_out


def _write_labels(
    group: h5py.Group, plan: Plan, of_split: list[Video], videos: list[Video], labels: dict[str, list[NDArray[Any]]], first_clip: int
) -> int:
    """Write the labels of the clips of a split, and return how many clips there are."""
    row_of = {video: row for row, video in enumerate(videos)}
    cuts = [(video, positions) for video in of_split for positions in plan.cuts[video]]
    steps = (len(cuts), plan.frames)
    group["index"] = np.arange(first_clip, first_clip + len(cuts))
    group["video"] = np.array([row_of[video] for video, _ in cuts], np.int32)
    group["first_frame"] = np.array([video.places[positions[0]] for video, positions in cuts], np.int32)
    group["time"] = np.array([video.times[positions] for video, positions in cuts], np.float64).reshape(steps)
    if plan.rules:
        group["chunk"] = np.array([number for video in of_split for number in plan.chunk_of[video]], np.int32)
    for name, values in labels.items():
        rows = [values[row_of[video]][video.numbers[positions]] for video, positions in cuts]
        group[name] = np.array(rows, VIDEO_LABELS[name]).reshape(steps)
    return len(cuts)


def _create_frames(group: h5py.Group, clips: int, plan: Plan, codec: Codec) -> h5py.Dataset:
    """Add an empty array of frames, and the descriptions of all arrays."""
    shape = (clips, plan.frames, *plan.size, 3)
    chunks = {"chunks": chunk_shape(shape, codec.tiles), **codec.options()} if clips else {}
    frames = group.create_dataset("frames", shape, "u1", **chunks)
    for name in group:
        group[name].attrs["description"] = VIDEO_DESCRIPTIONS[name]
    return frames


def cut(video: Video, plan: Plan, progress: Callable[[int], object]) -> Iterator[NDArray[np.uint8]]:
    """Cut a video into clips.

    Args:
        video: the video.
        plan: the frames of its clips, and their size.
        progress: called with 1 for every frame that is used.

    Yields:
        (T, H, W, 3) uint8 frames of one clip, in memory that the next clip uses again.

    Raises:
        UserError: the video has changed since it was planned.
    """
    clip_thwc = np.empty((plan.frames, *plan.size, 3), np.uint8)
    wanted, done = plan.cuts[video].ravel(), 0
    for position, decode in enumerate(read_frames(video)):
        if done == len(wanted):
            return
        if wanted[done] != position:
            continue
        pixels = decode()
        if pixels.shape[:2] != video.size:
            break
        while done < len(wanted) and wanted[done] == position:
            clip_thwc[done % plan.frames] = _scaled(_cropped(pixels, plan, video, done // plan.frames), plan.size)
            done += 1
            progress(1)
            if done % plan.frames == 0:
                yield clip_thwc
    if done < len(wanted):
        raise UserError(f"{video.path}: changed while it was imported; import it again")


def _cropped(pixels_hwc: NDArray[np.uint8], plan: Plan, video: Video, clip: int) -> NDArray[np.uint8]:
    """The square of the chunk of a clip, or the whole frame."""
    if not plan.rules:
        return pixels_hwc
    chunk = plan.chunks[plan.chunk_of[video][clip]]
    return pixels_hwc[chunk.crop_top : chunk.crop_top + chunk.crop_side, chunk.crop_left : chunk.crop_left + chunk.crop_side]


def _scaled(pixels_hwc: NDArray[np.uint8], size: tuple[int, int]) -> NDArray[np.uint8]:
    if pixels_hwc.shape[:2] == size:
        return pixels_hwc
    return np.asarray(cv2.resize(pixels_hwc, size[::-1], interpolation=cv2.INTER_AREA), np.uint8)
