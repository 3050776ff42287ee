"""Strips: what a system shows of its last batch, and the picture of them with names, frame numbers and true actions."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from glass_model.images import to_bytes
from wsprites.view.sheet import PAPER, sheet
from wsprites.world.actions import GlobalAction, LocalAction

Row = tuple[str, NDArray[np.uint8]]
"""What is seen in a row, in a few words, and its images, (C, h, w, 3) uint8."""

_LEAST_WIDTH = 128  # pixels of an image, to which small ones are enlarged; all are at least doubled
_MOST_WIDTH = 3200  # pixels of a picture: longer strips continue below


class Column(NamedTuple):
    """The frame that the images of a column show."""

    clip: int
    """Number of its clip in the batch."""
    frame: int
    """Its number in the batch's frames of that clip, from 0."""
    before: int | None = None
    """Number of the frame that the model comes from; None where there is none."""
    changed: bool = False
    """Whether the two may be mirrored or in reverse order, as augmentation makes them, so that the true action is not the one seen."""


class Strip(NamedTuple):
    """Images in C columns and in named rows, for people."""

    columns: Sequence[Column]
    """C columns."""
    rows: Sequence[Row]
    """One row or more; images may differ in size between rows."""


def images(frames: Tensor) -> NDArray[np.uint8]:
    """Images in [-1, 1], (C, 3, h, w) or grey ones (C, 1, h, w), as (C, h, w, 3) uint8; values outside are clipped."""
    pixels: NDArray[np.uint8] = to_bytes(frames.detach().expand(-1, 3, -1, -1)).permute(0, 2, 3, 1).cpu().numpy()
    return pixels


def picture(strips: Sequence[Strip], step: int, actions: Mapping[str, Tensor] | None = None) -> NDArray[np.uint8]:
    """Strips below each other, enlarged, with the number of the step above all.

    Args:
        strips: one or more.
        step: number of training steps done.
        actions: the labels `global_action`, `local_action` and `background_action` of the batch, (B, T) each; they are written below
            columns whose frame follows the one before. None: no labels are known.

    Returns:
        (h, w, 3) uint8 RGB.
    """
    sheets = []
    for number, (columns, rows) in enumerate(strips):
        scale = max(2, -(-_LEAST_WIDTH // rows[0][1].shape[2]))
        sheets.append(
            sheet(
                [list(row) for _, row in rows],
                names=[name for name, _ in rows],
                headings=[_heading(column) for column in columns],
                captions=[_caption(column, actions) for column in columns] if actions else (),
                head="" if number else f"step {step:,}",
                scale=scale,
                columns=max(1, _MOST_WIDTH // (scale * rows[0][1].shape[2])),
            )
        )
    width = max(each.shape[1] for each in sheets)
    canvas = np.full((sum(len(each) for each in sheets), width, 3), PAPER, np.uint8)
    y = 0
    for each in sheets:
        canvas[y : y + len(each), : each.shape[1]] = each
        y += len(each)
    return canvas


def _heading(column: Column) -> str:
    clip, frame, before, changed = column
    if changed:
        return f"clip {clip}, frames {before}, {frame}"
    return f"clip {clip}, frame {frame}" + ("" if before is None or frame == before + 1 else f" from {before}")


def _caption(column: Column, actions: Mapping[str, Tensor] | None) -> str:
    """The true actions that lead to the frame of a column, a line each; empty if they are not those of one transition that is seen."""
    if not actions or column.changed or column.before is None or column.frame != column.before + 1:
        return ""
    moves, shows, scene = (int(actions[name][column.clip, column.frame]) for name in ("global_action", "local_action", "background_action"))
    return f"truth: {LocalAction(shows).name}\nmoves: {GlobalAction(moves).name}\nscene: {GlobalAction(scene).name}"
