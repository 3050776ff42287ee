"""A full disk: one line that names the file, and every file as it was."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import full_disk

from wsprites.bench import data as bench_data
from wsprites.generate import Order, generate
from wsprites.videos import import_videos, plan

Files = dict[str, bytes]


@pytest.fixture(scope="module")
def inputs(order: Order, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data file, imported videos, two shards, and predictions."""
    folder = tmp_path_factory.mktemp("inputs")
    rng = np.random.default_rng(0)
    for video in ("v/0", "v/1", "v/2"):
        (folder / video).mkdir(parents=True)
        for t in range(6):
            Image.fromarray(rng.integers(0, 256, (64, 96, 3), np.uint8)).save(folder / video / f"{t:05}.png")
    import_videos(plan(folder / "v", frames=6), folder / "videos.h5")
    order = replace(order, world=order.world.replace(frames=4))
    generate(order, folder / "data.h5")
    for shard in (1, 2):
        generate(replace(order, shard=(shard, 2)), folder / f"shard-{shard}.h5")
    data = bench_data.from_file(folder / "data.h5")
    codes = {f"{part.name}/codes": np.zeros((len(part), part.spec.frames - 1), np.int32) for part in (data.fit, data.scored)}
    np.savez(folder / "p.npz", data=f"{data.name}@{data.sha256[:16]}", **codes)
    return folder


def files_of(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("preview IN/data.h5 --out out.png", "out.png"),
        ("preview IN/videos.h5 --out out.gif", "out.gif"),
        ("report IN/videos.h5 --out out.html --overwrite", "out.html"),
        ("import IN/v --frames 6 --out out.h5 --overwrite", "out.h5"),
        ("merge IN/shard-1.h5 IN/shard-2.h5 --out out.h5 --overwrite", "out.h5"),
        ("merge IN/shard-1.h5 IN/shard-2.h5 --virtual --out out.h5 --overwrite", "out.h5"),
        ("bench --data IN/data.h5 --template out.npz", "out.npz"),
        ("bench --data IN/data.h5 --model IN/p.npz --out out.json", "out.json"),
        ("bench --data IN/data.h5 --model IN/p.npz --report out.html", "out.html"),
    ],
)
def test_commands(run: Callable[..., tuple[int, str, str]], inputs: Path, tmp_path: Path, line: str, name: str):
    if name != "out.npz":  # a template replaces no file
        (tmp_path / name).write_bytes(b"old")
    before = files_of(tmp_path)
    with full_disk(500):
        code, _, err = run(*line.replace("IN", str(inputs)).split())
    last = err.splitlines()[-1]
    assert code == 1 and last.startswith(f"wsprites: {name}: writing failed (") and ("File too large" in last or "No space" in last), err
    assert files_of(tmp_path) == before


@pytest.mark.parametrize("size", [1, 700, 3000, 20_000])
def test_data_files_whose_first_bytes_cannot_be_written(order: Order, tmp_path: Path, size: int):
    """HDF5 reads back what it wrote; what it finds is the same, although it is not on the disk."""
    with full_disk(size), pytest.raises(OSError, match=r"d.h5: writing failed \(.*\)(; nothing was kept)?$"):
        generate(order, tmp_path / "d.h5")
    assert list(tmp_path.iterdir()) == []
