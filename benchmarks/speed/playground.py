"""The playground: frames/s of the world and of models beside it, and milliseconds from an input to its frame.

python benchmarks/speed/playground.py [--model X ...] [--seconds 5] [--browser]

The server is a process of its own, with one thread for the sums of torch. The page is a program that acknowledges every frame at once, or
with --browser a headless Chromium, whose times end when a frame is drawn. Percentiles are of 40 inputs, while nothing else is held down.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Origin

from wsprites.art import load_world
from wsprites.bench.reader import Reader
from wsprites.playground.episode import Choice, Episode
from wsprites.playground.models import load_players

INPUTS, STEPS = 40, 25
os.environ["OMP_NUM_THREADS"] = "1"  # before torch is imported


def main(models: list[str], seconds: float, *, browser: bool) -> None:
    for model in models:
        _cpu(model)
    with _server(models) as address, _page(address) as page:
        for number in range(len(models)):  # until it is known what their codes stand for
            while not page.texts.get(f"model {number}", {"ready": False})["ready"]:
                page.receive()
        print(f"as fast as one step follows another: {_steps(page, seconds):,.0f} steps/s of the world")
        counted = _held(page, seconds, len(models))
        for name, count in zip(["world", *models], counted, strict=True):
            print(f"held down at 30 steps/s: {name} {count / seconds:.1f} frames/s")
        _print("from an input to its frame, received", [_answer(page) for _ in range(INPUTS)])
        if browser:
            _print("from a key to its frame, drawn", _drawn(address))


@contextmanager
def _server(models: list[str]) -> Iterator[str]:
    """A server; yields the address of its page."""
    arguments = [argument for model in models for argument in ("--model", model)]
    command = [sys.executable, "-m", "wsprites.cli", "play", "--no-browser", "--port", "0", *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield next(line.split()[1] for line in process.stdout if line.startswith("page "))
        finally:
            process.terminate()


class _Page:
    """A page without a browser."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self.texts: dict[str, dict[str, Any]] = {}
        self.inputs = 0

    def send(self, type_: str, **values: object) -> None:
        self._socket.send(json.dumps({"type": type_, **values}))

    def receive(self, timeout: float | None = None) -> dict[str, Any]:
        """The next message, without its pixels; a frame is acknowledged."""
        message = self._socket.recv(timeout)
        if isinstance(message, str):
            text: dict[str, Any] = json.loads(message)
            self.texts[f"{text['type']} {text.get('model', '')}".strip()] = text
            return text
        header: dict[str, Any] = json.loads(message[4 : 4 + int.from_bytes(message[:4], "little")])
        self.send("shown", frame=header["frame"])
        return header

    def hold(self, **held: str) -> int:
        self.inputs += 1
        self.send("input", id=self.inputs, **held)
        return self.inputs


@contextmanager
def _page(address: str) -> Iterator[_Page]:
    with connect(address.replace("http", "ws") + "ws", origin=Origin(address.rstrip("/")), compression=None, max_size=None) as socket:
        page = _Page(socket)
        page.send("hello", version=1, clip=3)
        yield page


def _steps(page: _Page, seconds: float) -> float:
    """Steps a second, each asked for when the frame of the one before has come."""
    page.send("act", global_action=4, local_action=3, background_action=4)
    done, begin = 0, time.perf_counter()
    while time.perf_counter() < begin + seconds:
        if page.receive().get("source") == 0:
            done += 1
            page.send("act", global_action=4, local_action=3, background_action=4)
    return done / (time.perf_counter() - begin)


def _held(page: _Page, seconds: float, models: int) -> list[int]:
    """Frames of the world and of each model in some seconds, while a key is held down at 30 steps/s. Models begin again before."""
    page.send("pace", pace=30)
    page.send("clip", clip=3)
    counted, begin = [0] * (models + 1), time.perf_counter()
    page.hold(animation="slash")
    while (left := begin + seconds - time.perf_counter()) > 0:
        try:
            header = page.receive(left)
        except TimeoutError:
            break
        if header["type"] == "frame":
            counted[header["source"]] += 1
    page.hold()
    page.send("clip", clip=3)
    return counted


def _answer(page: _Page) -> float:
    """Milliseconds from an input to the frame that follows from it."""
    begin = time.perf_counter()
    number = page.hold(walk="left")
    while True:
        header = page.receive()
        if header.get("source") == 0 and header["input"] >= number:
            break
    took = 1000 * (time.perf_counter() - begin)
    page.hold()
    time.sleep(0.2)  # so that the next one finds the world at rest
    return took


def _drawn(address: str) -> list[float]:
    """Milliseconds from a key to its frame, drawn, as the page measures them."""
    import shutil

    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        page, times = launched.new_page(), []
        page.goto(address)
        page.wait_for_timeout(3000)
        for _ in range(INPUTS):
            page.evaluate("playground.latency = null")
            page.keyboard.down("ArrowLeft")
            while (took := page.evaluate("playground.latency")) is None:
                page.wait_for_timeout(5)
            page.keyboard.up("ArrowLeft")
            page.wait_for_timeout(200)
            times.append(float(took))
        launched.close()
    return times


def _cpu(model: str) -> None:
    """Print the time that one thread computes for a step of the world, of a model, and for reading the model's frame: medians."""
    world = load_world()
    (player,) = load_players((model,), (world.spec.height, world.spec.width))
    episode = Episode(world, 0, 3)
    frame = episode.look().frames_thwc
    reader, state = Reader(world.art, episode.character, world.spec.facings), player.start(frame[None])
    times: list[tuple[float, float, float]] = []
    for number in range(STEPS):
        begin = time.thread_time()
        moment = episode.act(Choice(number % 2, 1 + number % 2, 4))  # left, right, left, ...
        truth = episode.look().frames_thwc
        stepped = time.thread_time()
        parts = {"shift": np.array([moment.shift], np.float32), "background_shift": np.zeros((1, 2), np.float32)}
        given = {name: part for name, part in parts.items() if getattr(player.takes, name)}
        if player.takes.codes:
            given["codes"] = np.array([number % player.takes.codes])
        elif player.takes.vectors:
            given["vectors"] = np.zeros((1, player.takes.vectors), np.float32)
        generated, state = player.step(state, given, (1, *truth.shape))
        played = time.thread_time()
        reader.read(generated)
        times.append((stepped - begin, played - stepped, time.thread_time() - played))
    world_ms, model_ms, reader_ms = (1000 * statistics.median(each) for each in zip(*times[STEPS // 5 :], strict=True))
    print(f"computing a step: world {world_ms:.1f} ms, {model} {model_ms:.1f} ms and {reader_ms:.1f} ms for reading its frame")


def _print(what: str, times: list[float]) -> None:
    ninth = statistics.quantiles(times, n=10)[-1]
    print(f"{what}: median {statistics.median(times):.0f} ms, 90th percentile {ninth:.0f} ms, most {max(times):.0f} ms")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", default=[], dest="models", help="a model beside the world; may be repeated")
    parser.add_argument("--seconds", type=float, default=5, help="length of each measurement")
    parser.add_argument("--browser", action="store_true", help="measure in a headless Chromium as well")
    main(**vars(parser.parse_args()))
