"""MP4 previews, lossy: enlarged videos with the labels drawn on them."""

from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

from wsprites.export import Job
from wsprites.view.preview import annotate
from wsprites.world.spec import SPLITS

CARD = """
Previews, **lossy and with marks drawn on them: not for training**. {train,val,test}/clip_000000012.mp4 is the clip with index 12 in the
whole data set: H.264, 10 frames/s, enlarged, with the outline of the mask, arrows for motion, and the names of the actions.
"""

_RATE = 10
_QUALITY = {"crf": "18", "preset": "veryfast"}


def write(job: Job, folder: Path) -> str:
    """Write a video for each clip."""
    for split in SPLITS:
        (folder / split).mkdir()
        for row in job.rows(split):
            script = job.data[split].script(row)
            with av.open(str(folder / split / f"clip_{int(script.index):09}.mp4"), "w", options={"movflags": "faststart"}) as video:
                stream = video.add_stream("libx264", rate=_RATE, options=_QUALITY)
                stream.pix_fmt, stream.codec_context.thread_count = "yuv420p", 1  # with more threads, the bytes depend on their number
                pixels = (pair for window in job.windows(split, row) for pair in zip(*window, strict=True))
                for t, (frame, mask) in enumerate(pixels):
                    drawn = _even(annotate(frame, mask, script, t, split, job.data.spec))
                    if not t:
                        stream.height, stream.width = drawn.shape[:2]
                    video.mux(stream.encode(av.VideoFrame.from_ndarray(drawn, format="rgb24")))
                video.mux(stream.encode())
    return ""


def frame_bytes(frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk: a fraction of its pixels."""
    return frame_hwc.nbytes // 8


def _even(image_hwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Repeat the last row or column where their number is odd, which the colour sampling of H.264 does not allow."""
    return np.pad(image_hwc, ((0, image_hwc.shape[0] % 2), (0, image_hwc.shape[1] % 2), (0, 0)), "edge")
