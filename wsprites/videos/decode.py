"""Decoding video files with FFmpeg (PyAV). After a frame that cannot be decoded, the next one that can be is read."""

import io
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack
from fractions import Fraction
from pathlib import Path
from typing import NamedTuple

import av
import numpy as np
from av.container import InputContainer
from av.sidedata.sidedata import SideData, SideDataContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.file.videos import LeftOut
from wsprites.pictures import MAX_PIXELS, on_white
from wsprites.videos.packets import AviFrames, demuxed
from wsprites.videos.video import OTHER_SIZE, Video, constant_steps, times_or_rate

# Containers that hold their own frames. Playlists and lists of files, which FFmpeg would follow, are not among them.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,gif,mpegts,mpeg,mpegvideo,asf,flv,ogg,mxf,nut,ivf,yuv4mpegpipe,h264,hevc,m4v,obu,dv,rm,vc1"
)
_ALL_THREADS, _ONE_THREAD = 0, 1


class _File(io.FileIO):
    """A file that answers an impossible position, which damaged files ask for, as FFmpeg expects: PyAV would print an exception."""

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        try:
            return super().seek(offset, whence)
        except (OSError, OverflowError):
            return -1


class Decoder(AbstractContextManager["Decoder"]):
    """The frames of a video file that can be decoded, in the order in which they are shown. To be iterated once.

    Args:
        path: path of the file.
        threads: 1, or 0 for as many as there are processor cores. More than one give the same frames only if the file is not damaged.
        max_pixels: larger frames are not decoded.

    Raises:
        UserError: the file cannot be opened, or is not a video.
    """

    def __init__(self, path: Path, threads: int, *, max_pixels: int = MAX_PIXELS) -> None:
        self.path = path
        self._errors = self._packets = self._decoded = self._hidden = self._unknown = 0
        self._unseen = set[int]()
        with ExitStack() as files:
            try:
                # A file instead of its name, in which FFmpeg would take "a:" for a protocol, and which may not be UTF-8.
                file = files.enter_context(_File(path))
            except OSError as error:
                raise UserError(f"{path}: {error.strerror}") from None
            try:
                self._container: InputContainer = files.enter_context(av.open(file, "r", options={"format_whitelist": _FORMATS}))
            except (av.FFmpegError, OSError, ValueError):
                raise UserError(f"{path}: not a video that can be read") from None
            # The picture of a cover is not the video.
            streams = [stream for stream in self._container.streams.video if Disposition.attached_pic not in stream.disposition]
            if not streams or streams[0].codec_context is None:
                raise UserError(f"{path}: holds no video that can be decoded")
            self._stream, self.streams = streams[0], len(streams)
            # Read now: of a closed file PyAV returns anything.
            self._listed, self.rate, self.unit = self._stream.frames, self._stream.average_rate, self._stream.time_base or Fraction(1)
            self._avi: AviFrames | None = None
            if self._container.format.name == "avi":
                with _File(path) as again, av.open(again, "r", format="avi") as packets:
                    self._avi = AviFrames(path, packets, self._stream.index)
                self._listed = self._avi.total
            self._stated, self._end = _stated_end(self._container, self._stream), 0
            # Without "explode", frames in which errors are concealed look like all others.
            self._stream.codec_context.options = {"err_detect": "explode", "max_pixels": str(max_pixels)}
            self._stream.codec_context.thread_count = threads
            self._stream.codec_context.thread_type = "AUTO"
            self._close = files.pop_all().close

    def __exit__(self, *_: object) -> None:
        self._close()

    @property
    def intact(self) -> bool:
        """Whether every packet that was read gave a frame."""
        return self._errors == 0 and self._packets == self._decoded

    @property
    def all_times(self) -> NDArray[np.int64] | None:
        """(N,) int64 times of all frames of an AVI file, also of missing ones, in units of the file; None for other files."""
        return None if self._avi is None else self._avi.times

    @property
    def lists_frames(self) -> bool:
        """Whether the file states its number of frames."""
        return self._listed > 0

    @property
    def missing(self) -> NDArray[np.int64]:
        """(M,) int64 times, in units of the file, of packets that gave no frame that is right; empty if there was no error."""
        return np.array(sorted(self._unseen) if self._errors else [], np.int64)

    @property
    def lost(self) -> int:
        """Number of frames that the file lists and lacks, or that cannot be decoded or build on such a frame."""
        return max(self._listed - self._decoded - self._hidden, len(self.missing) + self._unknown)

    @property
    def cut_short(self) -> str:
        """ "after 1.92 of 4.00 s" if a file that was read to its end ends before the time that it states; else the empty string."""
        end, tolerance = float(self._end * self.unit), max(2 / float(self.rate or 20), 0.1)
        return f"after {end:.2f} of {self._stated:.2f} s" if end + tolerance < self._stated else ""

    def __iter__(self) -> Iterator[tuple[av.VideoFrame, bool]]:
        """Yield each frame that is right, and whether something without a time is missing before it."""
        gap = False
        damaged = False  # from a packet that cannot be decoded to the next key frame, since all others build on it
        wrong = set[int]()  # times of the packets in between
        last: int | None = None
        packets = demuxed(self._container, self._stream)
        for packet in self._avi.placed(packets) if self._avi else packets:
            if packet is None:
                self._errors += 1
                gap = damaged = True
                continue
            self._packets += packet.size > 0
            self._hidden += packet.is_discard
            self._errors += packet.is_corrupt
            damaged = packet.is_corrupt or (damaged and not packet.is_keyframe)
            try:
                frames = packet.decode()
            except av.FFmpegError:
                self._errors += 1
                damaged, frames = True, []
                if self._avi:
                    self._avi.spoil()
                gap |= packet.pts is None
                self._unknown += packet.pts is None
            if packet.pts is not None and not packet.is_discard:
                if not self._avi:
                    self._unseen.add(packet.pts)
                if damaged:
                    wrong.add(packet.pts)
            for frame in frames:
                wrong_here = frame.is_corrupt or frame.pts in wrong
                self._errors += frame.is_corrupt
                if self._avi:  # of each frame, since it counts them
                    frame.pts = self._avi.time(frame)
                # After an error, frames may also come out of order.
                late = self._errors and frame.pts is not None and last is not None and frame.pts <= last
                if wrong_here or late or (self._avi and frame.pts is None):
                    gap |= frame.pts is None
                    continue
                if frame.pts is not None:
                    self._unseen.discard(frame.pts)
                    last = frame.pts
                    self._end = max(self._end, frame.pts + frame.duration)
                self._decoded += 1
                yield frame, gap
                gap = False


def _stated_end(container: InputContainer, stream: VideoStream) -> float:
    """Seconds at which the video of a Matroska file ends, as its header says; 0 if it does not, and for other files, which list frames."""
    if "matroska" not in container.format.name:
        return 0.0
    match = re.fullmatch(r"(\d+):(\d+):(\d+(?:\.\d+)?)", stream.metadata.get("DURATION", ""))
    if match:
        return int(match[1]) * 3600 + int(match[2]) * 60 + float(match[3])
    return (container.duration or 0) / 1e6 if len(container.streams) == 1 else 0.0


def scan_file(path: Path, name: str, progress: Callable[[int], object]) -> Video:
    """Decode a video file to find out which frames can be used, and when they are shown.

    Args:
        path: path of the file.
        name: name of the video.
        progress: called with 1 for every frame.

    Raises:
        UserError: the file cannot be opened, is not a video, or no frame of it can be decoded.
    """
    with Decoder(path, _ALL_THREADS) as decoder:
        frames = _listed(decoder, progress)
    damaged = not decoder.intact
    if damaged:
        with Decoder(path, _ONE_THREAD) as decoder:
            frames = _listed(decoder, progress)
    if not frames:
        raise UserError(f"{path}: no frame of it can be decoded")
    size = frames[0].size
    sized = np.array([frame.size == size for frame in frames])
    seconds = np.array([np.nan if frame.moment is None else float(frame.moment * decoder.unit) for frame in frames])
    times, replaced = times_or_rate(seconds, decoder.rate)
    missing = np.searchsorted(decoder.missing, [frame.moment or 0 for frame in frames])
    skipped, jumps = _skipped(decoder, frames, times, missing, replaced=replaced)
    unfounded = _unfounded(frames, skipped)
    used = sized & ~unfounded
    if not used.any():
        raise UserError(f"{path}: no frame of it can be decoded")
    missing = missing + np.cumsum(skipped)
    # What is missing before a frame that cannot be used is missing before the next one that can.
    count = np.cumsum([frame.gap for frame in frames] + ~used) + missing
    breaks = np.diff(count[used], prepend=count[used][:1]) > 0
    uncounted = 0 if decoder.all_times is not None else int(skipped.sum())  # those of numbered frames are among the lost
    tilted = sum(frame.tilted for frame in frames)
    left_out = [
        LeftOut(name, "frames that cannot be decoded, or build on one that cannot", decoder.lost + int(unfounded.sum())),
        LeftOut(name, "frames missing where times jump by more than 1.5 frame intervals of a constant rate", uncounted),
        LeftOut(name, OTHER_SIZE, int((~sized).sum()), f"not {size[0]}x{size[1]}"),
        LeftOut(name, "times of frames that are missing or do not increase, replaced by those of a constant rate", replaced * len(frames)),
        LeftOut(name, "frames turned by other angles than multiples of 90 degrees, stored as they are", tilted),
    ]
    kept = tuple(entry for entry in left_out if entry.frames)
    kept += _remarks(name, decoder, jumps)
    return Video(path, name, len(frames), size, np.flatnonzero(used), times[used], breaks, kept, damaged, missing[used])


def _remarks(name: str, decoder: Decoder, jumps: str) -> tuple[LeftOut, ...]:
    """What is to be said about a file as a whole, that was read to its end."""
    of_file = [
        LeftOut(name, "videos that end before the time that their file states", detail=decoder.cut_short),
        LeftOut(name, "videos of a rate that varies, whose times jump by more than 1.5 of the usual steps", detail=jumps),
        LeftOut(name, "files of several videos, of which the first is used", detail=f"{decoder.streams} videos" * (decoder.streams > 1)),
    ]
    return tuple(entry for entry in of_file if entry.detail)


class _Frame(NamedTuple):
    """What is noted of a frame in the first pass."""

    moment: int | None
    """Time in units of the file."""
    gap: bool
    """Whether something without a time is missing before it."""
    key: bool
    """Whether it builds on no other."""
    size: tuple[int, int]
    """(height, width) as it is shown."""
    tilted: bool
    """Whether it is to be turned by other angles than multiples of 90 degrees."""


def _listed(decoder: Decoder, progress: Callable[[int], object]) -> list[_Frame]:
    frames = []
    for frame, gap in decoder:
        frames.append(_Frame(frame.pts, gap, bool(frame.key_frame), _shown_size(frame), _is_tilted(frame)))
        progress(1)
    return frames


def _skipped(
    decoder: Decoder, frames: Sequence[_Frame], times: NDArray[np.float64], missing: NDArray[np.int64], *, replaced: bool
) -> tuple[NDArray[np.int64], str]:
    """How many frames the file skips before each, besides `missing` ones; and where times jump if the rate is not constant, in words."""
    none = np.zeros(len(frames), np.int64)
    if replaced or len(frames) < 2 or np.isnan(times).any():
        return none, ""
    if decoder.all_times is not None:
        numbers = np.searchsorted(decoder.all_times, [frame.moment or 0 for frame in frames])
        return np.diff(numbers, prepend=-1) - 1, ""
    known = np.diff(missing)
    # A file that lists its frames skips none.
    intervals = None if decoder.lists_frames else constant_steps(times, decoder.rate, decoder.unit)
    if intervals is not None:
        none[1:] = np.maximum(intervals - 1 - known, 0)
        return none, ""
    steps = np.diff(times)
    jumps = np.flatnonzero((steps > 1.5 * np.median(steps)) & (known == 0))
    return none, f"{len(jumps):,} times, first after {times[jumps[0]]:.2f} s" if len(jumps) else ""


def _unfounded(frames: Sequence[_Frame], skipped: NDArray[np.int64]) -> NDArray[np.bool_]:
    """(F,) bool: the frames from skipped ones to the next key frame, which build on what is not there, often without an error."""
    unfounded, lacks = np.zeros(len(frames), bool), False
    for number, frame in enumerate(frames):
        lacks = not frame.key and (lacks or bool(skipped[number]))
        unfounded[number] = lacks
    return unfounded


def file_frames(video: Video) -> Iterator[Callable[[], NDArray[np.uint8]]]:
    """For each frame of a scanned file that can be used a function that converts it to (H, W, 3) uint8 RGB."""
    used = set(video.numbers.tolist())
    with Decoder(video.path, _ONE_THREAD if video.damaged else _ALL_THREADS) as decoder:
        for number, (frame, _) in enumerate(decoder):
            if number in used:
                yield lambda frame=frame: _pixels(frame)  # type: ignore[misc]


def decoded_frames(path: Path, *, max_pixels: int) -> Iterator[NDArray[np.uint8]]:
    """The frames of a video file that can be decoded, (H, W, 3) uint8 RGB, in turn. Raises UserError for a file that is no video."""
    with Decoder(path, _ONE_THREAD, max_pixels=max_pixels) as decoder:
        for frame, _ in decoder:
            yield _pixels(frame)


def _orientation(frame: av.VideoFrame) -> NDArray[np.int32]:
    """(2, 2) signs of the matrix that turns a frame to how it is shown: entry [i, j] is how coordinate i, x or y, enters coordinate j."""
    return np.eye(2, dtype=np.int32) if (signs := _signs(frame)) is None or _is_tilted(frame) else signs


def _signs(frame: av.VideoFrame) -> NDArray[np.int32] | None:
    # A container of its own: that of `frame.side_data` and the frame refer to each other, and hold hundreds of frames until Python looks
    # for such circles.
    matrix = SideDataContainer(frame).get("DISPLAYMATRIX")  # type: ignore[call-arg]  # its stub lacks the constructor
    return np.sign(np.frombuffer(bytes(matrix), np.int32).reshape(3, 3)[:2, :2]) if isinstance(matrix, SideData) else None


def _is_tilted(frame: av.VideoFrame) -> bool:
    """Whether a frame is to be shown turned by an angle that is not a multiple of 90 degrees."""
    signs = _signs(frame)
    return signs is not None and abs(signs).tolist() not in ([[1, 0], [0, 1]], [[0, 1], [1, 0]])


def _shown_size(frame: av.VideoFrame) -> tuple[int, int]:
    return (frame.height, frame.width) if _orientation(frame)[0, 0] else (frame.width, frame.height)


def _pixels(frame: av.VideoFrame) -> NDArray[np.uint8]:
    alpha = any(component.is_alpha for component in frame.format.components)
    pixels = np.asarray(frame.to_ndarray(format="rgba" if alpha else "rgb24"), np.uint8)
    if alpha:
        pixels = on_white(pixels)
    orientation = _orientation(frame)
    if not orientation[0, 0]:
        pixels = pixels.transpose(1, 0, 2)
    flip_x, flip_y = orientation.sum(0) < 0
    return np.ascontiguousarray(pixels[:: -1 if flip_y else 1, :: -1 if flip_x else 1])
