"""One model beside one episode: it is told every step of the world, draws its own frames, and is compared with the world's.

Axis suffixes: h, w, c; 2 = (x, y) in pixels.
"""

import asyncio
import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.bench.reader import Reader
from wsprites.playground import messages
from wsprites.playground.episode import Episode, Moment
from wsprites.playground.meanings import Meanings
from wsprites.playground.messages import MessageError
from wsprites.playground.models import Player
from wsprites.playground.worker import problem_line
from wsprites.world.actions import DELTA_XY

QUEUE = 90
"""Steps that a model may be behind. Then it begins again at the world's frame, and a line says so."""
_BEST_PSNR = 99.0


@dataclass(frozen=True, eq=False)
class Order:
    """What a model is to do: the next step, or to begin with a frame."""

    moment: Moment
    parts: dict[str, NDArray[Any]] | None
    """The action, with a leading axis of one video; None to begin."""
    truth_hwc: NDArray[np.uint8] | None
    """The world's frame after it; None where there is no truth, because the model began with a picture."""
    size: tuple[int, int]
    """(height, width) of its frames."""
    reader: Callable[[], Reader]
    """Makes the reader of the character, or returns the one that was made."""
    drawn: bool = False
    """Whether this is a step of the model alone, to a mask that was drawn."""


class Lane:
    """A model in one session.

    Args:
        player: the model.
        show: called with a row of the plot and the model's frame, (H, W, 3) uint8, after each step.
        report: called with a line for people.
    """

    def __init__(self, player: Player, show: Callable[[list[Any], NDArray[np.uint8]], None], report: Callable[[str], None]) -> None:
        self.player = player
        self.code: int | None = None
        """The code of every step; None: the one that matches the true action."""
        self.vector: tuple[float, ...] | None = None
        """The vector of every step; None: none, or the one that matches the true action."""
        self.mode: str | None = player.modes[0] if player.modes else None
        """How the model follows videos that it reads; None: not at all."""
        self.mask_hw: NDArray[np.bool_] | None = None
        """The mask of every step, drawn by hand; None: that of the world."""
        self.frame_hwc: NDArray[np.uint8] | None = None
        """The model's last frame; None before the first."""
        self.given_hw: NDArray[np.bool_] | None = None
        """The mask that it was made with; None if there was none."""
        self._show, self._report = show, report
        self._orders: deque[Order] = deque()
        self._ready = asyncio.Event()
        self._number = 0  # of beginnings: what a model does for an earlier one is thrown away
        self._offset_2: NDArray[np.int16] | None = None
        self._state: Any = None
        self._stopped, self._free = True, False

    @property
    def behind(self) -> int:
        """Number of steps that wait for the model."""
        return len(self._orders)

    def choose(self, message: messages.Code | messages.Vary | messages.Follow) -> None:
        """What the model does from now on: a code or a vector in every step, or how it follows videos.

        Raises:
            MessageError: a code, a vector or a way that it does not have.
        """
        takes = self.player.takes
        if isinstance(message, messages.Follow):
            if message.mode is not None and message.mode not in self.player.modes:
                raise MessageError(f"follow: this model has the modes {', '.join(self.player.modes) or 'none'}")
            self.mode = message.mode
            return
        if isinstance(message, messages.Code):
            if message.code is not None and message.code >= takes.codes:
                raise MessageError(f"code: this model has {takes.codes} codes")
            self.code = message.code
            return
        if message.vector is not None and not 0 < len(message.vector) <= takes.vectors:
            raise MessageError(f"vary: this model takes vectors of size {takes.vectors}")
        self.vector = None if message.vector is None else (*message.vector, *[0.0] * (takes.vectors - len(message.vector)))

    def check_masks(self) -> None:
        """Raise MessageError for a model that takes no masks."""
        if not self.player.takes.masks:
            raise MessageError("this model takes no masks")

    def begin(self, episode: Episode, picture_hwc: NDArray[np.uint8] | None = None) -> None:
        """Begin at the world's present frame, or with a picture."""
        if self.player.takes.nothing:
            return
        self._number += 1
        self.mask_hw = None  # it was drawn for another frame
        self._stopped, self._free = False, picture_hwc is not None
        self._offset_2 = None if self.player.takes.background_shift else episode.now.state.script.background_offset[0]
        self._orders.clear()
        frame_hwc = episode.look().frames_thwc if picture_hwc is None else picture_hwc
        self._add(Order(episode.now, None, frame_hwc, _size(episode), _reader_of(episode)))

    def follow(self, episode: Episode, meanings: Meanings | None) -> None:
        """Do the step that the episode has just done."""
        if self._stopped:
            return
        if len(self._orders) >= QUEUE:
            self._report(f"{len(self._orders)} steps behind the world; began again at step {episode.now.step}")
            self.begin(episode)
            return
        seen = episode.look(offset_2=self._offset_2)
        parts = self._parts(episode, seen.masks_thw, meanings)
        self._add(Order(episode.now, parts, None if self._free else seen.frames_thwc, _size(episode), _reader_of(episode)))

    def draw(self, episode: Episode, mask_hw: NDArray[np.bool_] | None) -> None:
        """Give the model a mask in every step from now on, and do one step of the model alone; None: the masks of the world again.

        The scene stands still in this step. Of several such steps that wait one after the other, only the last one is done.
        """
        self.mask_hw = mask_hw
        if mask_hw is None or self._stopped:
            return
        if self._orders and self._orders[-1].drawn:
            self._orders.pop()
        self._add(Order(episode.now, self._drawn_parts([0, 0], mask_hw), None, _size(episode), _reader_of(episode), drawn=True))

    def _drawn_parts(self, scene: list[int], mask_hw: NDArray[np.bool_]) -> dict[str, NDArray[Any]]:
        """A step to a mask that was drawn. The shift and the code of the world's character would say something else."""
        parts = {"masks": mask_hw[None].astype(np.float32)}
        return parts | ({"background_shift": np.array([scene], np.float32)} if self.player.takes.background_shift else {})

    def _parts(self, episode: Episode, mask_hw: NDArray[np.bool_], meanings: Meanings | None) -> dict[str, NDArray[Any]]:
        """The step of the world as the model takes it. A picture has no edges that end a step."""
        takes, moment, spec = self.player.takes, episode.now, episode.world.spec
        parts = meanings.parts(moment) if meanings else {}
        if self.code is not None:
            parts = {"codes": np.array([self.code])}
        elif takes.codes:
            parts.setdefault("codes", np.zeros(1, np.int64))
        elif takes.vectors:
            parts.setdefault("vectors", np.zeros((1, takes.vectors), np.float32))
        if self.vector is not None:
            parts["vectors"] = np.array([self.vector], np.float32)
        shift, scene = moment.shift, moment.scene_shift
        if self._free:
            shift = (spec.sprite.step * DELTA_XY[moment.choice.global_action]).tolist()
            scene = (-spec.background.step * DELTA_XY[moment.choice.background_action]).tolist()
        if episode.view in ("still", "blank"):
            scene = [0, 0]  # that of the twin that is shown
        if self.mask_hw is not None:
            return self._drawn_parts(scene, self.mask_hw)
        if takes.shift:
            parts["shift"] = np.array([shift], np.float32)
        if takes.background_shift:
            parts["background_shift"] = np.array([scene], np.float32)
        chosen = self.code is not None or self.vector is not None  # by the person: the world's mask would say something else
        if takes.masks and not self._free and not chosen:
            parts["masks"] = mask_hw[None].astype(np.float32)
        return parts

    def _add(self, order: Order) -> None:
        self._orders.append(order)
        self._ready.set()

    async def run(self) -> None:
        """Do what waits, for as long as the session lasts. A model that raises stops, until it is to begin again."""
        while True:
            await self._ready.wait()
            self._ready.clear()
            while self._orders:
                order, number = self._orders.popleft(), self._number
                try:
                    row, frame_hwc, state = await asyncio.wrap_future(self.player.submit(partial(self._done, order, self._state)))
                except Exception as error:
                    if number == self._number:
                        self._stop(problem_line(error))
                    continue
                if number == self._number:
                    self._state, self.frame_hwc = state, frame_hwc
                    masks = (order.parts or {}).get("masks")
                    self.given_hw = None if masks is None else masks[0] > 0.5
                    self._show(row, frame_hwc)

    def _stop(self, line: str) -> None:
        self._stopped = True
        self._orders.clear()
        self._report(line)

    def _done(self, order: Order, state: Any) -> tuple[list[Any], NDArray[np.uint8], Any]:
        """A row of the plot, the frame and the next state. Runs in the thread of the model.

        A row has the step, what `compared` returns, the code (-1 for none), and 1 for the frame that the model begins with.
        """
        step = order.moment.step
        if order.parts is None:
            assert order.truth_hwc is not None
            return [step, None, -1, 0, None, None, -1, 1], order.truth_hwc, self.player.start(order.truth_hwc[None])
        frame_bhwc, after = self.player.step(state, order.parts, (1, *order.size, 3))
        code = int(order.parts["codes"][0]) if "codes" in order.parts else -1
        return [step, *compared(frame_bhwc[0], order), code, 0], frame_bhwc[0], after


def compared(frame_hwc: NDArray[np.uint8], order: Order) -> list[Any]:
    """Error of the position (px), the action that is read, whether it is right, the fit, and the PSNR (dB) of a model's frame.

    The action is -1 and the error None for a frame that does not show the character, or that there is no truth for.
    """
    if order.truth_hwc is None:
        return [None, -1, 0, None, None]
    read = order.reader().read(frame_hwc[None])
    mse = float(((frame_hwc.astype(np.float64) - order.truth_hwc) ** 2).mean())
    psnr = min(10 * math.log10(255**2 / mse), _BEST_PSNR) if mse else _BEST_PSNR
    fit = float(read.fit[0])
    if not read.readable[0]:
        return [None, -1, 0, round(fit, 3), round(psnr, 1)]
    error = math.dist(read.position[0].tolist(), order.moment.position)
    action = int(read.local_action[0])
    return [round(error, 2), action, int(action == order.moment.choice.local_action), round(fit, 3), round(psnr, 1)]


def _size(episode: Episode) -> tuple[int, int]:
    return episode.world.spec.height, episode.world.spec.width


def _reader_of(episode: Episode) -> Callable[[], Reader]:
    spec = episode.world.spec
    return partial(_reader, episode.world.art, episode.character, spec.facings, spec.animations)


@lru_cache(maxsize=32)
def _reader(art: Art, character: int, facings: int, animations: tuple[str, ...]) -> Reader:
    return Reader(art, character, facings, animations=animations)
