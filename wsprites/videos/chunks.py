"""Chunks of people: parts of a video without a camera cut in which a person stays near one place, and the square that is cut out of them.

Positions are those of `Video`: among the frames that can be used.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.file.chunks import Chunk, ChunkRules
from wsprites.file.videos import LeftOut
from wsprites.videos.boxes import NOBODY, Boxes
from wsprites.videos.frames import read_frames
from wsprites.videos.video import Video

_WIDTH = 256  # of the frames that are compared to find cuts; larger ones are scaled down, as PySceneDetect does by itself


class Seen(NamedTuple):
    """What was found in a video of F frames that can be used."""

    cuts: NDArray[np.bool_]
    """(F,): the first frame after a camera cut, or after missing frames."""
    boxes: Sequence[Boxes]
    """The boxes in each frame."""


def look(
    video: Video,
    rules: ChunkRules,
    *,
    boxes: Sequence[Boxes] | None = None,
    detect: Callable[[NDArray[np.uint8]], Boxes] | None = None,
    progress: Callable[[int], object] = lambda frames: None,
) -> Seen:
    """Read a video once, one frame after the other, to find its camera cuts, and people if their boxes are not given.

    Args:
        video: the video.
        rules: what is a cut, and how often people are looked for.
        boxes: the boxes in each frame that can be decoded, by its number.
        detect: finds boxes in a frame, (H, W, 3) uint8 RGB, where they are not given.
        progress: called with 1 for every frame.

    Raises:
        UserError: the video has changed since it was planned.
    """
    from scenedetect import AdaptiveDetector, FrameTimecode

    cuts, found = video.breaks.copy(), list[Boxes]()
    detector = AdaptiveDetector(min_scene_len=0, min_content_val=rules.cut_threshold)  # every cut counts, also those of short scenes
    around = detector.window_width  # it compares a frame with so many on each side: the first and the last frame are repeated as often

    def compare(number: int, small: NDArray[np.uint8]) -> None:
        for cut in detector.process_frame(FrameTimecode(number, 25.0), small):  # any rate: only the order of frames counts
            cuts[cut.frame_num - around] = True

    for position, decode in enumerate(read_frames(video)):
        frame = decode()
        small = _small(frame)
        for number in range(0 if position == 0 else position + around, position + around + 1):
            compare(number, small)
        if boxes is not None:
            found.append(boxes[video.numbers[position]])
        else:
            found.append(detect(frame) if detect and position % rules.detect_every == 0 else NOBODY)
        progress(1)
    if len(found) != video.frames:
        raise UserError(f"{video.path}: changed while it was imported; import it again")
    for number in range(video.frames + around, video.frames + 2 * around):
        compare(number, small)
    return Seen(cuts, found)


def _small(frame_hwc: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A frame as the detector of cuts takes it: BGR, scaled down."""
    height, width = frame_hwc.shape[:2]
    size = (min(width, _WIDTH), max(1, round(height * min(1.0, _WIDTH / width))))
    return np.asarray(cv2.cvtColor(cv2.resize(frame_hwc, size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2BGR), np.uint8)


class Span(NamedTuple):
    """Consecutive frames in which a person stays near one place."""

    start: int
    """Its first position."""
    stop: int
    """The position after its last."""
    boxes: Boxes
    """(P, 4) the person's boxes, where there are any: first that of the first frame."""


def spans(seen: Seen, rules: ChunkRules) -> list[Span]:
    """The parts of a video in which a person stays near one place, whatever their lengths and sizes.

    A span begins with the tallest box of a frame. It goes on to the frame whose box is nearest to the first one, by intersection over
    union, and ends before a camera cut, a frame in which the overlap is too small, or a longer run of frames without boxes.
    """
    every, person, start, last = list[Span](), list[NDArray[np.float64]](), 0, -1

    def close() -> None:
        if person:
            every.append(Span(start, last + 1, np.array(person)))
            person.clear()

    for position, (cut, boxes) in enumerate(zip(seen.cuts, seen.boxes, strict=True)):
        if cut or position - last > rules.max_gap + 1:
            close()
        if not len(boxes):
            continue
        overlaps = overlap(person[0], boxes) if person else np.zeros(1)
        if person and overlaps.max() >= rules.min_overlap:
            person.append(boxes[overlaps.argmax()])
        else:
            close()
            start = position
            person.append(boxes[(boxes[:, 3] - boxes[:, 1]).argmax()])
        last = position
    close()
    return every


def overlap(box: NDArray[np.float64], boxes: Boxes) -> NDArray[np.float64]:
    """Intersection over union of a box (4,) with boxes (P, 4): (P,) from 0 to 1.

    Example:
        >>> overlap(np.array([0, 0, 2, 1]), np.array([[1, 0, 3, 1], [5, 5, 6, 6]])).round(3).tolist()
        [0.333, 0.0]
    """
    sides = np.minimum(box[2:], boxes[:, 2:]) - np.maximum(box[:2], boxes[:, :2])
    inside = sides.clip(0).prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1)
    result: NDArray[np.float64] = inside / (areas + (box[2:] - box[:2]).prod() - inside)
    return result


def square(boxes: Boxes, size: tuple[int, int], margin: float) -> tuple[int, int, int] | None:
    """The square around all boxes, moved into the frame: left edge, upper edge and side in whole pixels; None if they do not fit into one.

    Args:
        boxes: (P, 4).
        size: (height, width) of the frame.
        margin: what is added to the longer side of their hull, as a share of it, as far as the frame allows.

    Example:
        >>> square(np.array([[10.0, 20.0, 30.0, 60.0]]), (100, 200), 0.1)
        (0, 18, 44)
    """
    low, high = np.floor(boxes[:, :2].min(0)).astype(int), np.ceil(boxes[:, 2:].max(0)).astype(int)
    longest = int((high - low).max())
    if longest > min(size):
        return None
    side = min(int(np.ceil(round(longest * (1 + margin), 6))), *size)
    left, top = ((low + high - side) // 2).clip(0, [size[1] - side, size[0] - side])
    return int(left), int(top), side


def _reason(span: Span, count: int, video: Video, rules: ChunkRules, side: int, frames: int) -> str:
    """Why a span of `count` frames, after resampling, is dropped; the empty string if it is not."""
    if count < rules.min_frames:
        return f"chunks shorter than {rules.min_frames} frames"
    if count < frames:
        return f"chunks shorter than a clip of {frames} frames"
    if np.median(span.boxes[:, 3] - span.boxes[:, 1]) < rules.min_height:
        return f"chunks with a person less than {rules.min_height} px high"
    crop = square(span.boxes, video.size, rules.margin)
    if crop is None:
        return "chunks whose person does not fit into a square inside of the frame"
    return f"chunks that would have to be enlarged to {side} px" if crop[2] < side else ""


class Cuts(NamedTuple):
    """The clips of the chunks of a video."""

    positions: NDArray[np.int64]
    """(N, T) positions of their frames."""
    numbers: NDArray[np.int64]
    """(N,) number of the chunk of each clip, counted from 0 in each video."""
    chunks: list[Chunk]
    """The chunks; the row of their video is left at 0."""


def cut_chunks(
    video: Video,
    seen: Seen,
    rules: ChunkRules,
    *,
    frames: int,
    side: int,
    take: Callable[[NDArray[np.int64]], NDArray[np.int64]],
    left_out: list[LeftOut],
) -> Cuts:
    """Cut the chunks of a video into clips.

    Args:
        video: the video.
        seen: what was found in it.
        rules: which parts of it are chunks.
        frames: frames per clip.
        side: of the clips, in pixels.
        take: from the positions of a chunk to those that are taken.
        left_out: gets what is not used, and why.
    """
    clips, numbers, chunks, outside, rest = [np.zeros((0, frames), np.int64)], list[int](), list[Chunk](), video.frames, 0
    for span in spans(seen, rules):
        positions = np.arange(span.start, span.stop)
        outside -= len(positions)
        first, last = (int(video.places[position]) for position in (span.start, span.stop - 1))
        taken = take(positions)
        reason, crop = _reason(span, len(taken), video, rules, side, frames), square(span.boxes, video.size, rules.margin)
        if reason or crop is None:
            left_out.append(LeftOut(video.name, reason, 0, f"frames {first} to {last}"))
            continue
        count = len(taken) // frames
        clips.append(taken[: count * frames].reshape(count, frames))
        numbers += [len(chunks)] * count
        rest += len(taken) - count * frames
        chunks.append(Chunk(0, first, last, *crop, *span.boxes[0].tolist()))
    if outside:
        left_out.append(LeftOut(video.name, "frames without a person", outside))
    if rest:
        left_out.append(LeftOut(video.name, f"frames at the end of chunks, too few for another clip of {frames}", rest))
    return Cuts(np.concatenate(clips), np.array(numbers, np.int64), chunks)
