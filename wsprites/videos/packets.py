"""The packets of a video file, and which frames they hold in AVI files, of which FFmpeg numbers what it finds, also behind a gap."""

import os
import struct
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.packet import Packet
from av.video.stream import VideoStream

_MOST_DEMUXING_ERRORS = 1000
_MOST_SHIFTS = 100
_MOST_INDEX_BYTES = 2**25
_MOST_PADDING = 2048  # bytes between two chunks of an AVI file that has no index
_MOST_DELAYED = 32  # frames that FFmpeg holds back, of one thread
_CHUNK_HEADER = 8
_ENTRY = struct.Struct("<2s2sIII")  # of idx1: number of the stream, kind, flags, position, size
_Place = tuple[int, int]
"""(position, size) of a packet, in bytes."""


def demuxed(container: InputContainer, stream: VideoStream) -> "Iterator[Packet[Any] | None]":
    """The packets of the video, an empty one that flushes the decoder last, and None where something cannot be read."""
    for _ in range(_MOST_DEMUXING_ERRORS):
        try:
            yield from container.demux(stream)
            return
        except av.FFmpegError:
            yield None


class AviFrames:
    """The number of each frame of an AVI file, which stores no times: from the list of its packets that the file holds.

    Args:
        path: path of the file.
        container: the file, opened to be read once by this.
        stream_index: number of the video in it.
    """

    def __init__(self, path: Path, container: InputContainer, stream_index: int) -> None:
        stream = container.streams[stream_index]
        assert isinstance(stream, VideoStream)
        listed = stream.frames
        index = [(entry.pos, entry.size) for entry in stream.index_entries]
        found = [(packet.pos, packet.size) for packet in demuxed(container, stream) if packet and packet.size and packet.pos is not None]
        index = next((index for index in (_index(path, stream.index), index) if index and len(index) in (listed, listed or len(index))), [])
        # Empty packets repeat the frame before: they take time, and are no frames.
        times = [time for time, (_, size) in enumerate(index) if size]
        index = [place for place in index if place[1]]
        self._numbers = _aligned(found, index)
        if 2 * len(self._numbers) < len(found) or not index:  # a list of something else, or none
            index, times = [], list(range(len(found)))
            self._numbers = {position: number for number, (position, _) in enumerate(found)}
        self.times = np.array(times, np.int64)
        """(N,) int64 times of the frames, in frame intervals."""
        self._gaps = set[int]() if index or len(container.streams) > 1 else _gaps(found)
        self.total = len(index) or max(listed, len(found))
        """Number of frames."""
        self._next = 0
        # Stretches from one key frame to the next: number of the first frame, how many were shown, whether a packet is missing or damaged.
        self._begins, self._shown, self._broken = [0], [0], [False]

    def placed(self, packets: "Iterator[Packet[Any] | None]") -> "Iterator[Packet[Any] | None]":
        """The packets, with their numbers as times; None where something is missing, or a packet is none of the file's list."""
        for packet in packets:
            if packet is None or packet.size == 0:
                if packet is None:
                    self.spoil()
                yield packet
                continue
            number = self._numbers.get(packet.pos) if packet.pos is not None else None
            if number != self._next or packet.pos in self._gaps:
                self.spoil()
                yield None
            if number is None:
                continue
            packet.pts = packet.dts = number
            self._next = number + 1
            if packet.is_keyframe:
                self._begins.append(number)
                self._shown.append(0)
                self._broken.append(False)
            yield packet

    def spoil(self) -> None:
        """Note that something cannot be decoded: frames shown later have no certain number, up to the next key frame.

        With an error FFmpeg may also drop a frame from before the last key frame that was not shown yet.
        """
        self._broken[-1] = True
        for stretch in range(len(self._begins) - 2, max(len(self._begins) - _MOST_DELAYED, -1), -1):
            self._broken[stretch] |= self._shown[stretch] < self._begins[stretch + 1] - self._begins[stretch]

    def time(self, frame: av.VideoFrame) -> int | None:
        """The time of a frame, called for each frame in the order in which they are shown; None if it is not certain.

        Frames are shown in another order than they are stored, but those from one key frame to the next stay together.
        """
        packet = frame.dts if frame.pts is None else frame.pts  # the number of the packet that it came with
        stretch = -1 if packet is None else bisect_right(self._begins, packet) - 1
        self._shown[stretch] += 1
        self._broken[stretch] |= frame.is_corrupt
        number = self._begins[stretch] + self._shown[stretch] - 1
        return None if self._broken[stretch] or number >= len(self.times) else int(self.times[number])


def _index(path: Path, stream: int) -> list[_Place]:
    """The list of packets at the end of an AVI file, its chunk idx1; empty if there is none."""
    with path.open("rb") as file:
        file.seek(-min(path.stat().st_size, _MOST_INDEX_BYTES), os.SEEK_END)
        content = file.read()
    start = content.rfind(b"idx1")
    if start < 0:
        return []
    (size,) = struct.unpack_from("<I", content.ljust(start + 8, b"\0"), start + 4)
    entries = content[start + 8 : start + 8 + size]
    entries = entries[: len(entries) // _ENTRY.size * _ENTRY.size]
    name = b"%02d" % stream
    return [(place, length) for of, kind, _, place, length in _ENTRY.iter_unpack(entries) if of == name and kind in (b"dc", b"db")]


def _aligned(found: Sequence[_Place], index: Sequence[_Place]) -> dict[int, int]:
    """The number of each packet by its position. All positions are shifted behind a part of the file that is lost."""
    rows = {place: number for number, place in enumerate(index)}
    numbers = dict[int, int]()
    shift, last, tries = index[0][0] - found[0][0] if found and index else 0, -1, 0
    for i, (position, size) in enumerate(found):
        if rows.get((position + shift, size), -1) <= last and tries < _MOST_SHIFTS:
            tries += 1
            shift = _shift(found[i : i + 8], index[last + 1 :], rows, shift)
        number = rows.get((position + shift, size), -1)
        if number > last:
            numbers[position] = last = number
    return numbers


def _shift(found: Sequence[_Place], index: Sequence[_Place], rows: dict[_Place, int], shift: int) -> int:
    """What is to be added to the positions of packets so that most of them are in the index; `shift` if that is not clear."""
    shifts = {place - found[0][0] for place, size in index if size == found[0][1]}
    matches = {shift: sum((position + shift, size) in rows for position, size in found) for shift in shifts}
    best = max(matches, key=matches.__getitem__, default=shift)
    return best if 2 * matches.get(best, 0) > len(found) else shift


def _gaps(found: Sequence[_Place]) -> set[int]:
    """Positions of the packets before which more bytes are skipped than chunks are padded with."""
    ends = [position + size for position, size in found]
    return {position for end, (position, _) in zip(ends, found[1:], strict=False) if position - end > _CHUNK_HEADER + _MOST_PADDING}
