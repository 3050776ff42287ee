"""Where an object is in imported videos: detections from a CSV file of the user, and the platform of Breakout.

A CSV file has a line of column names, then one line for each frame of each clip:

clip                                     row of the clip in the scored split, from 0
frame                                    number of the frame in the clip, from 0
x, y, z                                  position in the true frame; y and z may be missing as columns; empty cells: nothing was detected
generated_x, generated_y, generated_z    the same in the generated frame; these columns may be missing
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.csv_file import CsvFile, Line
from wsprites.errors import ArgumentError

_AXES = ("x", "y", "z")
_MOST_POSITION = 1e6
_ARGUMENT = "detections"
_SHORTEST_RUN = 11  # a run of so many pixels is no platform


class Detections(NamedTuple):
    """Positions of an object in N clips of T frames; NaN where it was not detected."""

    true: NDArray[np.float64]
    """(N, T, D)."""
    generated: NDArray[np.float64] | None
    """(N, T, D) in the video that a model generated; None if the file has none."""


def read(path: Path, clips: int, frames: int) -> Detections:
    """Read detections, which have to be there for every frame.

    Args:
        clips: number of clips of the split.
        frames: frames per clip.

    Raises:
        ArgumentError: the file cannot be read, has other columns, a cell that is no possible number, a clip or a frame that does not exist,
            a frame twice, or lacks one.
    """
    file = CsvFile(_ARGUMENT, path, expected="a CSV file, or 'breakout'")
    axes = _axes(path, file.columns)
    kinds = ("", "generated_") if f"generated_{axes[0]}" in file.columns else ("",)
    position = {kind: np.full((clips, frames, len(axes)), np.nan) for kind in kinds}
    seen = np.zeros((clips, frames), bool)
    for line in file:
        clip, frame = line.whole("clip", clips), line.whole("frame", frames)
        if seen[clip, frame]:
            raise line.error(f": frame {frame} of clip {clip} is there already; expected each of them once")
        seen[clip, frame] = True
        for kind in kinds:
            position[kind][clip, frame] = _position(line, [f"{kind}{axis}" for axis in axes])
    if not seen.all():
        clip, frame = np.argwhere(~seen)[0].tolist()
        hint = "each frame of each clip needs a line, with empty cells where nothing was detected"
        raise ArgumentError(_ARGUMENT, f"{path}: frame {frame} of clip {clip} is missing, as the first of {(~seen).sum():,}; {hint}")
    return Detections(position[""], position.get("generated_"))


def _axes(path: Path, columns: list[str]) -> tuple[str, ...]:
    """The axes that positions have. Raises ArgumentError for columns that are not those of positions."""
    for number in range(len(_AXES), 0, -1):
        axes = _AXES[:number]
        named = ["clip", "frame", *axes]
        if sorted(columns) in (sorted(named), sorted([*named, *(f"generated_{axis}" for axis in axes)])):
            return axes
    shown = ", ".join(columns)
    raise ArgumentError(
        _ARGUMENT,
        f"{path}: the columns are {shown[:120] or 'missing'}; expected clip, frame, x (or x, y, or x, y, z), each once, "
        "and for ADD and MDR generated_x and so on for the same axes",
    )


def _position(line: Line, names: list[str]) -> list[float]:
    texts = [line.cells[name] for name in names]
    if not any(texts):
        return [math.nan] * len(names)
    values = []
    for name, text in zip(names, texts, strict=True):
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not abs(value) <= _MOST_POSITION:
            problem = f"is {text[:20]!r}" if text else f"is empty, and {names[0] if name != names[0] else names[1]} is not"
            hint = f"a number from -{_MOST_POSITION:g} to {_MOST_POSITION:g}, or nothing in all of {', '.join(names)}"
            raise line.error(f": {name} {problem}; expected {hint}")
        values.append(value)
    if set(values) == {-1.0}:
        raise line.error(f": {' and '.join(names)} = -1, CADDY's mark of a frame without a detection; expected empty cells there")
    return values


def platform(frames_thwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(T, 1) float64: the left end of Breakout's platform in each frame, x in px; NaN where there is none.

    The first run of more than 11 pixels in row int(188 / 208 H) whose red lies in 100 - 38.25 to 200 + 38.25. CADDY's finder states a range
    for green and blue as well, but looks at red alone; so does this one, because its numbers are those that papers report.

    Args:
        frames_thwc: (T, H, W, 3) uint8 RGB; the original frames of 208 x 160, because lengths are not scaled.

    Example:
        >>> frame = np.zeros((1, 208, 160, 3), np.uint8)
        >>> frame[0, 188, 40:56] = (200, 72, 72)
        >>> platform(frame).tolist()
        [[40.0]]
    """
    red_tw = frames_thwc[:, int(188 / 208 * frames_thwc.shape[1]), :, 0]
    inside_tw = (red_tw >= 100 - 0.15 * 255) & (red_tw <= 200 + 0.15 * 255)
    left = np.full((len(frames_thwc), 1), np.nan)
    for t, inside in enumerate(inside_tw):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], inside, [False]]).astype(np.int8)))
        left[t, 0] = next((begin for begin, end in zip(ends[::2], ends[1::2], strict=True) if end - begin > _SHORTEST_RUN), np.nan)
    return left
