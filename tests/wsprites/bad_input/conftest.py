"""Files of every kind that a command may meet, and what must be true of every answer to bad input."""

import os
import re
import shlex
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

from wsprites.art import Art, World
from wsprites.generate import Order, generate
from wsprites.videos import import_videos, plan
from wsprites.world.spec import WorldSpec

Answer = Callable[..., None]
_ADVICE = re.compile(
    r"; |--help|, not |\bmust\b|expected|\bno such\b|not one of|none of|neither|outside the range|already|there is no|there are|needs?\b|"
    r"wanted|not of the form|not a number|not a layer|not TOML|not an image|is above|larger than|cannot be|more than|more shards than|"
    r"damaged|is a directory|from \d+ to|has codes|ends in",
    re.IGNORECASE,
)
"""Matches the part of a message that helps to fix the error: the available values, the valid range, or the next step."""


@pytest.fixture(scope="session")
def shelf(spec: WorldSpec, art: Art, sheets: Path, backgrounds: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of small files, which no command may change: "@NAME" in the tables."""
    folder = tmp_path_factory.mktemp("shelf")
    order = Order(World(replace(spec, frames=4), art), seed=5, n=24)
    generate(order, folder / "data.h5")
    generate(replace(order, frames=False), folder / "labels.h5")
    for name, seed, shard in (("shard-1", 5, (1, 2)), ("shard-2", 5, (2, 2)), ("alien-2", 6, (2, 2)), ("third-3", 5, (3, 3))):
        generate(replace(order, seed=seed, shard=shard, frames=False), folder / f"{name}.h5")
    for name, source in (("sheets", sheets), ("backgrounds", backgrounds)):
        (folder / name).symlink_to(source)
    (folder / "one" / "body").mkdir(parents=True)
    shutil.copy(sheets / "body" / "0.png", folder / "one" / "body")
    (folder / "one.toml").write_text('frames = 4\n[cast]\nlayers = ["body"]\n', encoding="utf-8")
    _pictures(folder)
    _videos(folder)
    _data_files(folder, (folder / "data.h5").read_bytes())
    return folder


def _pictures(folder: Path) -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (96, 128, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "picture.png")
    Image.fromarray(pixels[:50, :50]).save(folder / "small.png")
    (folder / "half.png").write_bytes((folder / "picture.png").read_bytes()[:9000])
    (folder / "text.png").write_text("no picture", encoding="utf-8")
    (folder / "empty.png").touch()


def _videos(folder: Path) -> None:
    for number in range(3):
        video = folder / "videos" / str(number)
        video.mkdir(parents=True)
        for t in range(4):
            Image.fromarray(np.full((20, 24, 3), 40 * number + t, np.uint8)).save(video / f"{t:05}.png")
    import_videos(plan(folder / "videos", frames=4), folder / "videos.h5")


def _data_files(folder: Path, data: bytes) -> None:
    """What may be passed off as a data file."""
    (folder / "empty.h5").touch()
    (folder / "text.h5").write_text("no HDF5", encoding="utf-8")
    (folder / "half.h5").write_bytes(data[: len(data) // 2])
    (folder / "folder.h5").mkdir()
    (folder / "loop.h5").symlink_to("loop.h5")
    (folder / "dangling.h5").symlink_to("nowhere")
    os.mkfifo(folder / "pipe.h5")
    with h5py.File(folder / "strange.h5", "w") as h5:
        h5["x"] = 1
    for name, value in (("newer", 99), ("unversioned", "one")):
        shutil.copy(folder / "data.h5", folder / f"{name}.h5")
        with h5py.File(folder / f"{name}.h5", "r+") as h5:
            h5.attrs["format_version"] = value


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    """Sizes and times of all files of a folder, which change if it is written."""
    return {str(path): (path.lstat().st_size, path.lstat().st_mtime_ns) for path in sorted(folder.rglob("*"))}


@pytest.fixture
def answer(run, shelf: Path, tmp_path: Path) -> Answer:
    """Run a command line and check the answer: exit code 2, one line with these words and advice, and no file written or changed.

    The command runs in an empty folder, or in what a test has put there; "@" in it stands for the folder of `shelf`.
    """

    def answer(line: str, words: str) -> None:
        before = _state(tmp_path) | _state(shelf)
        code, out, err = run(*shlex.split(line.replace("@", f"{shelf}/")))
        assert code == 2, (code, out, err)
        assert err.startswith("wsprites: ") and err.count("\n") == 1 and len(err) < 700, err
        assert re.search(words, err), err
        assert _ADVICE.search(err), err
        assert "done" not in out
        assert _state(tmp_path) | _state(shelf) == before

    return answer
