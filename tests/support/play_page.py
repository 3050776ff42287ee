"""A server in a thread, and pages without a browser that are connected to it."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect

from wsprites.art import World
from wsprites.playground.models import Player
from wsprites.playground.server import listen, make_server
from wsprites.playground.shared import Playground

PATIENCE = 300
"""Seconds after which a test gives up on a message; it never waits for as long unless something is broken."""


@dataclass
class Page:
    """A page without a browser: sends messages, and keeps what comes."""

    socket: ClientConnection
    acknowledges: bool = True
    texts: list[dict[str, Any]] = field(default_factory=list)
    frames: list[tuple[dict[str, Any], np.ndarray]] = field(default_factory=list)
    files: list[tuple[dict[str, Any], bytes]] = field(default_factory=list)

    def send(self, type_: str, **values: object) -> None:
        self.socket.send(json.dumps({"type": type_, **values}))

    def upload(self, type_: str, name: str, content: bytes) -> None:
        header = json.dumps({"type": type_, "name": name}).encode()
        self.socket.send(len(header).to_bytes(4, "little") + header + content)

    def receive(self) -> None:
        message = self.socket.recv(timeout=PATIENCE)
        if isinstance(message, str):
            self.texts.append(json.loads(message))
            return
        length = int.from_bytes(message[:4], "little")
        header, content = json.loads(message[4 : 4 + length]), message[4 + length :]
        if header["type"] != "frame":
            self.files.append((header, content))
            return
        self.frames.append((header, np.frombuffer(content, np.uint8).reshape(header["height"], header["width"], 3)))
        if self.acknowledges:
            self.send("shown", frame=header["frame"])

    def frame(self, source: int, step: int) -> np.ndarray:
        """The frame of a source after a step, as soon as it is there."""
        while True:
            for header, pixels in reversed(self.frames):
                if header["source"] == source and header["rows"][-1][0] == step:
                    return pixels
            self.receive()

    def text(self, type_: str, when: Callable[[dict[str, Any]], bool] = lambda _: True) -> dict[str, Any]:
        """The next message of a kind; it is removed."""
        while True:
            for message in self.texts:
                if message["type"] == type_ and when(message):
                    self.texts.remove(message)
                    return message
            self.receive()

    def rows(self, source: int) -> list[list[Any]]:
        return [row for header, _ in self.frames if header["source"] == source for row in header["rows"]]

    def act(self, global_action: int, local_action: int, background_action: int = 4) -> None:
        self.send("act", global_action=global_action, local_action=local_action, background_action=background_action)


@dataclass
class Running:
    """A server."""

    port: int
    shared: Playground
    token: str = ""

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @contextmanager
    def page(self, *, clip: int | None = 3, acknowledges: bool = True, greets: bool = True, **options: Any) -> Iterator[Page]:
        options = {"origin": self.origin, "compression": None} | options
        with connect(f"ws://127.0.0.1:{self.port}/ws", open_timeout=PATIENCE, max_size=None, **options) as socket:
            page = Page(socket, acknowledges)
            if greets:
                page.send("hello", version=1, clip=clip)
            yield page


@contextmanager
def running(world: World, models: dict[str, Any], *, token: str = "", port: int = 0, **options: Any) -> Iterator[Running]:
    """A server with models, until the end of the block."""
    players = []
    for name, model in models.items():
        players.append(Player(name, model, (world.spec.height, world.spec.width)))
    shared, started = Playground(world, players, **options), threading.Event()
    with listen("127.0.0.1", port) as listening:
        server = make_server(shared, listening, token=token, started=started.set)
        thread = threading.Thread(target=server.run, args=([listening],))
        thread.start()
        try:
            assert started.wait(PATIENCE)
            yield Running(listening.getsockname()[1], shared, token)
        finally:
            server.should_exit = True
            thread.join()
