"""What the models of one page read: codes and shifts in videos, and the character in a frame. Tasks of one event loop."""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.playground.lane import Lane
from wsprites.playground.models import Player
from wsprites.playground.outbox import Outbox, OutboxFullError
from wsprites.playground.worker import problem_line
from wsprites.view.picture import data_uri, encode_png, encode_webp, tile

_STRIP = 12  # frames of a video that are shown
_FRAME_MS = 100  # of each frame of a video that a model follows
_SHOWN = ("codes", "shift", "background_shift")  # of what a model infers, what is shown


class Readings:
    """What the models read for a page, and what of it is not finished.

    Args:
        lanes: the models.
        outbox: where results go.
        report: called with the number of a model and a line for people.
    """

    def __init__(self, lanes: Sequence[Lane], outbox: Outbox, report: Callable[[int, str], None]) -> None:
        self._lanes, self._outbox, self._report = lanes, outbox, report
        self._tasks: set[asyncio.Task[None]] = set()

    def check(self) -> None:
        """Refuse another video while models read one: each holds memory until the last model has read it. Raises UserError."""
        if self._tasks:
            raise UserError("the models still read the video before; try again when they are done")

    def cancel(self) -> None:
        """Give up what is not finished."""
        for task in self._tasks:
            task.cancel()

    def video(
        self, name: str, note: str, frames_thwc: NDArray[np.uint8], labels: list[list[int]] | None, present_hwc: NDArray[np.uint8]
    ) -> None:
        """Let all models read a video, and those that can follow it.

        Args:
            name: how it is called.
            note: what was done to it, in words.
            frames_thwc: its frames, uint8.
            labels: global, local and background action of each transition, where they are known.
            present_hwc: the picture that is shown in the poses of the video.

        Raises:
            UserError: another video is still being read.
        """
        self.check()
        shown = np.unique(np.linspace(0, len(frames_thwc) - 1, _STRIP).round().astype(int))
        strip = data_uri("image/png", encode_png(tile(list(frames_thwc[shown]), len(shown), gap=0)))
        self._outbox.put({"type": "video", "name": name, "note": note, "frames": len(frames_thwc), "strip": strip, "labels": labels})
        for number in range(len(self._lanes)):
            self._begin(number, self._read(number, frames_thwc, present_hwc))

    def mask(self, number: int) -> None:
        """Send the mask of a model's last frame: the one that it was made with, or else the one that the model reads.

        Raises:
            UserError: the model has no frame yet, or models still read something.
        """
        lane = self._lanes[number]
        if lane.frame_hwc is None:
            raise UserError("this model has no frame yet; try again when it has")
        if lane.given_hw is not None:
            self._put_mask(number, lane.given_hw)
            return
        self.check()
        self._begin(number, self._read_mask(number, lane.frame_hwc))

    def _begin(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(self._reported(number, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _reported(self, number: int, work: Coroutine[Any, Any, None]) -> None:
        """Do something, and report what it raises."""
        with suppress(OutboxFullError):  # the next message finds it full as well, and closes the connection
            try:
                await work
            except OutboxFullError:
                raise
            except Exception as error:
                self._report(number, problem_line(error))

    async def _read(self, number: int, frames_thwc: NDArray[np.uint8], present_hwc: NDArray[np.uint8]) -> None:
        player, mode = self._lanes[number].player, self._lanes[number].mode
        arrays = await asyncio.wrap_future(player.submit(partial(player.infer, frames_thwc)))
        shown = {name: array.round(2).tolist() for name, array in arrays.items() if name in _SHOWN}
        self._outbox.put({"type": "reading", "model": number, **shown})
        if mode is not None:
            made = await _driven(player, present_hwc, frames_thwc, mode)
            picture = await asyncio.wrap_future(player.submit(partial(_side_by_side, frames_thwc, made)))
            self._outbox.put({"type": "driven", "model": number, "mode": mode, "picture": picture})

    async def _read_mask(self, number: int, frame_hwc: NDArray[np.uint8]) -> None:
        """Send the mask of a frame, read in a video in which nothing moves; an empty one of a model that reads none."""
        player = self._lanes[number].player
        arrays = await asyncio.wrap_future(player.submit(partial(player.infer, np.stack([frame_hwc, frame_hwc]))))
        self._put_mask(number, arrays["masks"][0] > 0.5 if "masks" in arrays else np.zeros(frame_hwc.shape[:2], np.bool_))

    def _put_mask(self, number: int, mask_hw: NDArray[np.bool_]) -> None:
        height, width = mask_hw.shape
        self._outbox.put_file({"type": "mask", "model": number, "height": height, "width": width}, np.packbits(mask_hw).tobytes())


async def _driven(player: Player, frame_hwc: NDArray[np.uint8], driving_thwc: NDArray[np.uint8], mode: str) -> list[NDArray[np.uint8]]:
    """A frame in the poses of a video. The model's other work comes between the steps."""
    vectors = await asyncio.wrap_future(player.submit(partial(player.drive, frame_hwc, driving_thwc, mode)))
    state, made = await asyncio.wrap_future(player.submit(partial(player.start, frame_hwc[None]))), []
    for vector_d in vectors:
        parts = {"vectors": vector_d[None]}
        frame_bhwc, state = await asyncio.wrap_future(player.submit(partial(player.step, state, parts, (1, *frame_hwc.shape))))
        made.append(frame_bhwc[0])
    return made


def _side_by_side(driving_thwc: NDArray[np.uint8], made: Sequence[NDArray[np.uint8]]) -> str:
    """A video, at the left, and what follows it, as an animated picture in a data address."""
    pairs = [np.concatenate([left, right], 1) for left, right in zip(driving_thwc, made, strict=True)]
    return data_uri("image/webp", encode_webp(np.stack(pairs), milliseconds=_FRAME_MS, quality=75))
