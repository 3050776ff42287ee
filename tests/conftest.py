"""Sheets, backgrounds and files that the tests make themselves, and the real sheets where they are available."""

import os

os.environ["OMP_NUM_THREADS"] = "1"  # torch and others read it when they are imported: the same sums on any number of cores

import gc
import logging
from collections.abc import Generator, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image
from samples import LAYERS, REAL, draw_sheet, serve

from wsprites import cli
from wsprites.art import ASSETS, Art, World, load_art
from wsprites.art.backgrounds import Backgrounds, load_backgrounds
from wsprites.generate import Order, generate
from wsprites.world.spec import PRESETS, WorldSpec

# Examples are the same in every run, and may take any time.
settings.register_profile("wsprites", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("wsprites")


@pytest.fixture(autouse=True)
def same_draws(request: pytest.FixtureRequest) -> None:
    """A module's generator RNG begins anew in every test: no test depends on which others ran before it in the same process."""
    generator = getattr(request.module, "RNG", None)
    if generator is not None:
        generator.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture(scope="session", autouse=True)
def own_art_is_read_once() -> Iterator[None]:
    """`load_world` reads the pictures of the package once for all tests of this process; those of other folders anew each time.

    A test that calls `load_art` by itself gets what the function reads, with the scenes of the package as they were scaled before.
    """

    @lru_cache(maxsize=16)
    def own(spec: WorldSpec, backgrounds: str) -> Art:
        return load_art(spec, "own", backgrounds)

    def art(spec: WorldSpec, sheets: str | Path = "own", backgrounds: str | Path = "painted", *, skip_incomplete: bool = False) -> Art:
        if sheets == "own" and backgrounds in ("painted", "photos"):
            return own(replace(spec, frames=1), str(backgrounds))  # art does not depend on the length of clips
        return load_art(spec, sheets, backgrounds, skip_incomplete=skip_incomplete)

    @lru_cache(maxsize=16)
    def own_scenes(paths: tuple[Path, ...], size: tuple[int, int]) -> Backgrounds:
        return load_backgrounds(paths, size)

    def scenes(paths: Sequence[Path], size: tuple[int, int]) -> Backgrounds:
        ours = all(ASSETS in path.parents for path in paths)
        return (own_scenes if ours else load_backgrounds)(tuple(paths), size)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsprites.art.load_art", art)
        patch.setattr("wsprites.art.load_backgrounds", scenes)
        yield


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
    from wsprites.art.characters import Characters

    rng = np.random.default_rng(0)
    cells = rng.integers(0, 256, (3, 84, 64, 64, 4), dtype=np.uint8)
    cells[..., 3] = np.where(rng.random(cells.shape[:-1]) < 0.3, rng.choice((0, 255), cells.shape[:-1]), cells[..., 3])
    cells[cells[..., 3] == 0] = 0
    return cells, replace(art, characters=Characters.from_cells("abc", "xxx", cells[:, None]))


@pytest.fixture(scope="session")
def spec(art: Art) -> WorldSpec:
    """The paper's world with the drawn art, in short clips whose last chunk is not full."""
    return art.world(replace(PRESETS["paper"], frames=40)).spec


@pytest.fixture(scope="session")
def order(spec: WorldSpec, art: Art) -> Order:
    return Order(World(spec, art), seed=5, n=24)


@pytest.fixture(scope="session")
def data_file(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete file. Not to be changed."""
    out = tmp_path_factory.mktemp("data") / "data.h5"
    generate(order, out)
    return out


@pytest.fixture(scope="session")
def short_file(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same clips, cut after 8 frames, where a model looks at all of them. Not to be changed."""
    out = tmp_path_factory.mktemp("short") / "data.h5"
    generate(Order(order.world.replace(frames=8), seed=5, n=24), out)
    return out


@pytest.fixture(scope="session")
def labels_file(spec: WorldSpec, art: Art, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set as `data_file`, labels only."""
    out = tmp_path_factory.mktemp("labels") / "labels.h5"
    generate(Order(World(spec, art), seed=5, n=24, frames=False), out)
    return out


@pytest.fixture(scope="session")
def real_sheets() -> Path:
    if not (REAL / "body").is_dir():
        pytest.skip("the real LPC sheets are not available; WSPRITES_SHEETS names their folder")
    return REAL


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Run a command in an empty folder: (exit code, stdout, stderr)."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(logging.getLogger("wsprites.jit"), "disabled", True)  # reports compilation, which depends on earlier runs

    def run(*args: object) -> tuple[int, str, str]:
        code = 0
        try:
            cli.main([str(arg) for arg in args])
        except SystemExit as stop:
            code = int(stop.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


@pytest.fixture
def mirror(real_sheets: Path) -> Iterator[str]:
    """An HTTP server with the real sheets."""
    yield from serve(real_sheets)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: object) -> object:
    """Each worker runs its share of the tests in order, and takes from others in the end: a module's fixtures are made once, not twice."""
    if config.getoption("dist") != "load":  # another way was asked for
        return None
    from xdist.scheduler import WorkStealingScheduling

    return WorkStealingScheduling(config, log)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage while modules are imported, and leave them out of all later looks; forked workers then share their memory."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say how many bad inputs were answered as they should be."""
    passed = [report for report in terminalreporter.stats.get("passed", []) if "bad_input" in getattr(report, "keywords", {})]
    if passed:
        terminalreporter.write_line(f"bad inputs answered by one line: {len(passed)}")
