"""What waits to be sent to a page that may be slower than the world: at most the latest frame of each source, and a few texts."""

import asyncio
import json
from collections import deque
from collections.abc import Mapping
from typing import Any

from wsprites.playground.messages import write_binary

WINDOW = 6
"""Frames that may be on their way, sent and not yet drawn by the page. Later ones replace each other here."""
ROWS = 512
"""Rows of the timeline that are kept for a page that draws no frames; the oldest are dropped."""
TEXTS = 64
"""Texts and files that may wait. A page that lets more of them wait is disconnected."""


class OutboxFullError(Exception):
    """A page takes nothing any more, not even the few texts."""


class Outbox:
    """Messages in the order in which they are to be sent. To be used in one event loop."""

    def __init__(self) -> None:
        self._frames: dict[int, tuple[dict[str, Any], bytes]] = {}  # by source, in the order in which they began to wait
        self._texts: deque[str | bytes] = deque()
        self._ready = asyncio.Event()
        self._sent = self._drawn = 0
        self.dropped = 0
        """Frames that were replaced before they were sent."""

    def put(self, message: Mapping[str, Any]) -> None:
        """Add a text. Raises OutboxFullError if too many wait."""
        self._add(json.dumps(message, separators=(",", ":")))

    def put_file(self, header: Mapping[str, Any], content: bytes) -> None:
        """Add a file. Raises OutboxFullError if too many messages wait."""
        self._add(write_binary(header, content))

    @property
    def files(self) -> int:
        """Number of files that wait. `TEXTS` limits their number, not their bytes."""
        return sum(isinstance(message, bytes) for message in self._texts)

    def _add(self, message: str | bytes) -> None:
        if len(self._texts) >= TEXTS:
            raise OutboxFullError
        self._texts.append(message)
        self._ready.set()

    def put_frame(self, source: int, header: dict[str, Any], pixels: bytes) -> None:
        """Add a frame in place of one of the same source that still waits. What `header["rows"]` lists is sent all the same."""
        waiting = self._frames.get(source)
        if waiting is not None:
            self.dropped += 1
            header = {**header, "rows": (waiting[0]["rows"] + header["rows"])[-ROWS:]}
        self._frames[source] = header, pixels
        self._ready.set()

    def clear_frames(self) -> None:
        """Forget the frames that wait, because another episode begins."""
        self._frames.clear()

    def drawn(self, frame: int) -> None:
        """The page has drawn the frame of this number, and all before it."""
        self._drawn = max(self._drawn, min(frame, self._sent))
        self._ready.set()

    async def take(self) -> str | bytes:
        """The next message, as soon as there is one that may be sent."""
        while True:
            if self._texts:
                return self._texts.popleft()
            if self._frames and self._sent - self._drawn < WINDOW:
                source = next(iter(self._frames))
                header, pixels = self._frames.pop(source)
                self._sent += 1
                return write_binary({**header, "frame": self._sent, "dropped": self.dropped}, pixels)
            self._ready.clear()
            await self._ready.wait()
