"""MP4, lossy: enlarged videos with the labels drawn on them, or the frames alone."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

from wsprites.export.job import Job, Written
from wsprites.file import VideoFile
from wsprites.view.preview import annotate, annotate_video
from wsprites.world.spec import SPLITS

_RATE = 10  # frames per second where the clips have no times
_QUALITY = {"crf": "18", "preset": "veryfast"}


def card(job: Job) -> str:
    """How the folder is read."""
    marks = "the outline of the mask, arrows for motion, and the names of the actions" if job.world else "the labels that came with it"
    rate = "10 frames/s" if job.world else "the mean frame rate of the clip, or 10 frames/s where its times are not known"
    if job.plain:
        return f"""
Videos **without marks, lossy**: H.264 with colours at half the resolution, so no pixel is exact. {{train,val,test}}/clip_000000012.mp4
is the clip with index 12 in the whole data set, {rate}.
"""
    return f"""
Previews, **lossy and with marks drawn on them: not for training**. {{train,val,test}}/clip_000000012.mp4 is the clip with index 12 in the
whole data set: H.264, {rate}, enlarged, with {marks}.
"""


def write(job: Job, folder: Path) -> Written:
    """Write a video for each clip."""
    for split in SPLITS:
        (folder / split).mkdir()
        for row in job.rows(split):
            path = folder / split / f"clip_{job.index(split, row):09}.mp4"
            write_mp4(path, _pictures(job, split, row), rate(job, split, row))
    arrays = "masks and labels as arrays" if job.world else "labels as arrays"
    left_out = f"left out exact pixels, {arrays}: the videos are {'lossy' if job.plain else 'previews'}"
    return Written(notes=(left_out, *(padding_notes(job) if job.plain else ())))


def padding_notes(job: Job) -> tuple[str, ...]:
    """A line for frames with a side of an odd length, of which videos repeat the last row or column; none for others."""
    height, width = job.frame_size
    if not (height % 2 or width % 2):
        return ()
    padded = f"{height + height % 2} x {width + width % 2}"
    return (f"padded   {height} x {width} to {padded} by repeating the last row or column: H.264 has even sides only",)


def write_mp4(path: Path, pictures: Iterable[NDArray[np.uint8]], rate: Fraction, *, options: Mapping[str, str] = {}) -> None:
    """Write pictures of one size as an MP4 video, H.264, lossy.

    Args:
        path: the file; it is replaced if it exists.
        pictures: (h, w, 3) uint8 RGB each, one or more.
        rate: frames per second.
        options: of the encoder, libx264, beside its quality.
    """
    with av.open(str(path), "w", format="mp4", options={"movflags": "faststart"}) as video:
        stream = video.add_stream("libx264", rate=rate, options={**_QUALITY, **options})
        stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1  # with more threads, the bytes depend on their number
        for t, picture in enumerate(pictures):
            drawn = _even(picture)
            if not t:
                stream.height, stream.width = drawn.shape[:2]
            video.mux(stream.encode(av.VideoFrame.from_ndarray(drawn, format="rgb24")))
        video.mux(stream.encode())


def _pictures(job: Job, split: str, row: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of a clip with what is known about them drawn on them, or as they are."""
    if job.plain:
        for frames_thwc, *_ in job.windows(split, row):
            yield from frames_thwc
        return
    if isinstance(job.data, VideoFile):
        for t in range(job.clip_frames):
            yield annotate_video(job.data, split, row, t)
            job.progress(1)
        return
    script = job.data[split].script(row)
    pixels = (pair for window in job.windows(split, row) for pair in zip(*window, strict=True))
    for t, (frame_hwc, mask_hw) in enumerate(pixels):
        yield annotate(frame_hwc, mask_hw, script, t, split, job.data.spec)


def rate(job: Job, split: str, row: int) -> Fraction:
    """Mean number of frames per second of a clip."""
    if "time" in job.label_names and job.clip_frames > 1:
        time_t = job.data[split]["time"][row]
        seconds = float(time_t[-1] - time_t[0])
        if 0 < seconds < np.inf:  # not NaN
            return Fraction((job.clip_frames - 1) / seconds).limit_denominator(1001)
    return Fraction(_RATE)


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame, and of its (H, W) bool mask if it has one, on disk: a fraction of its pixels."""
    return pixels[0].nbytes // 8


def _even(image_hwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row or column where their number is odd, which the colour sampling of H.264 does not allow."""
    return np.pad(image_hwc, ((0, image_hwc.shape[0] % 2), (0, image_hwc.shape[1] % 2), (0, 0)), "edge")
