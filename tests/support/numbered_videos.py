"""Videos whose frames show their numbers as black and white blocks, which survive lossy coding."""

from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path

import av
import numpy as np

BITS, BLOCK = 8, 8
HEIGHT, WIDTH = 2 * BLOCK, BITS * BLOCK


@cache
def numbered_frame(number: int) -> np.ndarray:
    """(16, 64, 3) uint8: bit b of the number as a block of 8 x 8 pixels in the upper half, its inverse below."""
    bits = (number >> np.arange(BITS) & 1).astype(bool)
    blocks = np.kron(np.stack([bits, ~bits]), np.ones((BLOCK, BLOCK), bool))
    noise = np.random.default_rng(number).integers(0, 40, (HEIGHT, WIDTH, 3), np.uint8)  # so that frames have some bytes to damage
    return np.where(blocks[..., None], np.uint8(255) - noise, noise)


def numbers_of(frames_thwc: np.ndarray) -> list[int]:
    """The numbers that frames show; an AssertionError if a block is neither black nor white."""
    blocks = frames_thwc.reshape(-1, 2, BLOCK, BITS, BLOCK, 3).astype(float).mean((2, 4, 5))
    assert (np.abs(blocks - 130) > 60).all() and ((blocks[:, 0] > 130) != (blocks[:, 1] > 130)).all(), "a frame shows no number"
    return ((blocks[:, 0] > 130) * (1 << np.arange(BITS))).sum(1).tolist()


def write_video(
    path: Path,
    frames: Sequence[np.ndarray] | int,
    *,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    source: str = "rgb24",
    times: Sequence[float] | None = None,
    rate: int = 25,
    options: dict[str, str] | None = None,
    container: str | None = None,
) -> None:
    """Write frames, or that many numbered ones, with PyAV.

    Args:
        path: path of the file.
        frames: frames in the format `source`, or their number.
        codec: name of FFmpeg's encoder.
        pixels: its pixel format.
        source: format of `frames`.
        times: seconds at which the frames are shown; None for a constant rate.
        rate: frames per second without `times`.
        options: of the encoder; with libx264 a key frame every ten frames.
        container: name of the format; None to take that of the file's ending.
    """
    frames = [numbered_frame(number) for number in range(frames)] if isinstance(frames, int) else frames
    container = container or path.suffix[1:]
    muxing = {"movflags": "faststart"} if container in ("mp4", "mov") else {}
    with path.open("wb") as file, av.open(file, "w", format=container, options=muxing) as output:
        stream = output.add_stream(codec, rate=rate, options=options or ({"g": "10", "crf": "10"} if codec == "libx264" else {}))
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pixels
        if times is not None:
            stream.codec_context.time_base = Fraction(1, 1000)
        for number, frame in enumerate(frames):
            image = av.VideoFrame.from_ndarray(frame, format=source)
            if times is not None:
                image.pts, image.time_base = round(times[number] * 1000), Fraction(1, 1000)
            output.mux(stream.encode(image))
        output.mux(stream.encode(None))
