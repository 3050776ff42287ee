"""Sheets, backgrounds and files that the tests make themselves, and the real sheets where they are at hand."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # of torch and others, which read it when they are imported: test processes share the cores

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import cli
from wsprites.art import Art, load_art
from wsprites.compiled import compiled
from wsprites.generate import Order, generate
from wsprites.spec import PRESETS, WorldSpec

REAL = Path(os.environ.get("WSPRITES_SHEETS") or Path(__file__).parents[2] / "shared" / "lpc")
LAYERS = {"body": 3, "bottomwear": 2, "topwear": 3, "hair": 2, "shoes": 1}


def draw_sheet(layer: int, number: int, size: tuple[int, int] = (832, 1344)) -> Image.Image:
    """A sheet in LPC layout: a band of a random colour for the layer, a little different in every cell, with soft pixels in it.

    Soft pixels of two layers never meet, because Pillow rounds those in two steps and the renderer in one.
    """
    rng = np.random.default_rng((layer, number))
    rgba = np.zeros((size[1], size[0], 4), np.uint8)
    y, x = np.mgrid[:64, :64]
    for row in range(21):
        for column in range(13):
            cell = rgba[row * 64 : row * 64 + 64, column * 64 : column * 64 + 64]
            top, left = 8 + 9 * layer + row % 3, 18 + (column * 5 + row * 3 + number) % 9
            inside = (y >= top) & (y < top + 16) & (x >= left) & (x < left + 20)
            cell[inside] = (*rng.integers(0, 256, 3), 255)
            cell[..., :3] += (np.add.outer(y[:, 0] * 3, x[0]) % 40).astype(np.uint8)[..., None]
            soft = inside & ((x + y) % 11 == 2 * layer)
            cell[soft, 3] = rng.integers(1, 255, np.count_nonzero(soft))
            cell[~inside] = 0
    return Image.fromarray(rgba)


@pytest.fixture(scope="session")
def sheets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 3 x 2 x 3 x 2 x 1 drawn sheets."""
    folder = tmp_path_factory.mktemp("sheets")
    for layer, (name, count) in enumerate(LAYERS.items()):
        (folder / name).mkdir()
        for number in range(count):
            draw_sheet(layer, number).save(folder / name / f"{number}.png", compress_level=1)
    (folder / "AUTHORS.txt").write_text("Ada Pixel\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def backgrounds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of three noisy images that have to be scaled."""
    folder = tmp_path_factory.mktemp("backgrounds")
    for number in range(3):
        pixels = np.random.default_rng(number).integers(0, 256, (40, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).resize((200 + number, 180)).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def art(sheets: Path, backgrounds: Path) -> Art:
    return load_art(PRESETS["paper"], sheets, backgrounds)


@pytest.fixture(scope="session")
def soft(art: Art) -> tuple[np.ndarray, Art]:
    """Cells of any alpha, (3, 84, 64, 64, 4), and the art in which they are the layers of the one character."""
    from dataclasses import replace

    from wsprites.art.characters import Characters

    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (3, 84, 64, 64, 4), dtype=np.uint8)
    cells[..., 3] = np.where(rng.random(cells.shape[:-1]) < 0.3, rng.choice((0, 255), cells.shape[:-1]), cells[..., 3])
    cells[cells[..., 3] == 0] = 0
    return cells, replace(art, characters=Characters.from_cells("abc", "xxx", cells[:, None]))


@pytest.fixture(scope="session")
def spec(art: Art) -> WorldSpec:
    """The paper's world with the drawn art, in short clips whose last chunk is not full."""
    from dataclasses import replace

    return art.world(replace(PRESETS["paper"], frames=40))


@pytest.fixture(scope="session")
def order(spec: WorldSpec, art: Art) -> Order:
    return Order(spec, art, seed=5, n=24)


@pytest.fixture(scope="session")
def data_file(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete file. Not to be changed."""
    out = tmp_path_factory.mktemp("data") / "data.h5"
    generate(order, out)
    return out


@pytest.fixture(scope="session")
def labels_file(spec: WorldSpec, art: Art, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set as `data_file`, labels only."""
    out = tmp_path_factory.mktemp("labels") / "labels.h5"
    generate(Order(spec, art, seed=5, n=24, frames=False), out)
    return out


@pytest.fixture
def without_numba(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """As if numba were not installed, here and in processes that are started: workers are processes then."""
    monkeypatch.setenv("WSPRITES_NUMBA", "0")
    compiled.cache_clear()
    yield
    compiled.cache_clear()


@pytest.fixture(scope="session")
def real_sheets() -> Path:
    if not (REAL / "body").is_dir():
        pytest.skip("the real LPC sheets are not at hand; WSPRITES_SHEETS names their folder")
    return REAL


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)

    def run(*args: object) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main([str(arg) for arg in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


def serve(folder: Path, handler: type[SimpleHTTPRequestHandler] = _QuietHandler) -> Iterator[str]:
    """Serve a folder over HTTP on this machine; yields the address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def mirror(real_sheets: Path) -> Iterator[str]:
    """An HTTP server with the real sheets."""
    yield from serve(real_sheets)
