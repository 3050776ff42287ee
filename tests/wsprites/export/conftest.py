"""Data of a few frames, which are still read in several windows and stored in several chunks: every export writes each frame."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from wsprites.art import Art, World
from wsprites.generate import Order, generate
from wsprites.world.spec import PRESETS, WorldSpec


@contextmanager
def _chunks_of_five() -> Iterator[None]:
    """Chunks and windows of five frames, so that those of a clip of twelve are two full ones and one that is not."""
    with pytest.MonkeyPatch.context() as patch:
        for module in ("file.codecs", "generate.workers", "export.job"):
            patch.setattr(f"wsprites.{module}.CHUNK_FRAMES", 5)
        yield


@pytest.fixture(scope="module", autouse=True)
def chunks_of_five() -> Iterator[None]:
    with _chunks_of_five():
        yield


@pytest.fixture(scope="session")
def spec(art: Art) -> WorldSpec:
    """The paper's world with the drawn art, in clips of twelve frames."""
    return art.world(replace(PRESETS["paper"], frames=12)).spec


@pytest.fixture(scope="session")
def order(spec: WorldSpec, art: Art) -> Order:
    return Order(World(spec, art), seed=5, n=24)


@pytest.fixture(scope="session")
def data_file(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete file. Not to be changed."""
    out = tmp_path_factory.mktemp("data") / "data.h5"
    with _chunks_of_five():
        generate(order, out)
    return out


@pytest.fixture(scope="session")
def labels_file(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same data set as `data_file`, labels only."""
    out = tmp_path_factory.mktemp("labels") / "labels.h5"
    with _chunks_of_five():
        generate(replace(order, frames=False), out)
    return out
