"""The film of the README: `python -m assets.playground FILE.gif` steers the playground in headless Chromium, and needs playwright."""

import io
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from wsprites.generate import replace_file
from wsprites.view.picture import encode_gif

_KEYS = (
    *(("ArrowRight", 1.6), ("ArrowDown", 1.0), ("c", 1.4), ("ArrowLeft", 1.8), ("x", 1.2)),
    *(("d", 1.4), ("ArrowUp", 1.0), ("x ArrowRight", 1.2), ("a", 1.2), ("ArrowDown", 1.2)),
)
"""Keys that are held down together, and for how many seconds."""
_CLIP, _SIZE, _PER_SECOND = 6265, (560, 358), 4


_PLAIN = ((0xF5, 0xF3, 0xEE), (0xFF, 0xFE, 0xFB), (0xDF, 0xDB, 0xD1), (0x1E, 0x21, 0x26))
"""Colours of the page itself: ground, cards, lines and text."""


def film(page: Page) -> list[NDArray[np.uint8]]:
    """Hold the keys down, one after the other, and take pictures at equal intervals."""
    frames: list[NDArray[np.uint8]] = []
    begin = end = time.monotonic()
    for keys, seconds in _KEYS:
        end += seconds
        for key in keys.split():
            page.keyboard.down(key)
        while time.monotonic() < end:
            page.wait_for_timeout(max(0.0, 1000 * (begin + len(frames) / _PER_SECOND - time.monotonic())))
            picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
            frames.append(np.asarray(picture.resize(_SIZE, Image.Resampling.LANCZOS)))
        for key in keys.split():
            page.keyboard.up(key)
    return frames


def main(path: Path) -> None:
    """Start a server and write the film."""
    command = [sys.executable, "-m", "wsprites.cli", "play", "--no-browser", "--port", "0", "--world", "factorial", "--split", "all"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server, sync_playwright() as playwright:
        try:
            assert server.stdout is not None
            address = next(line.split()[1] for line in server.stdout if line.startswith("page "))
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1000, "height": 640}, color_scheme="light")
            page.goto(address)
            page.get_by_text("Connected").wait_for()
            page.wait_for_timeout(1000)  # for the first clip, whose number would replace this one
            page.get_by_label("Clip").fill(str(_CLIP))
            page.get_by_label("Clip").press("Enter")
            page.locator("canvas").first.click()
            page.wait_for_timeout(1000)
            frames = film(page)
        finally:
            server.terminate()
    replace_file(path, encode_gif(frames, milliseconds=round(1000 / _PER_SECOND), colours=128, exact=_PLAIN, shared=True))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
