"""Generating: the same bytes always, nothing half-written ever."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from collections import namedtuple
from dataclasses import replace
from pathlib import Path

import h5py
import pytest
from samples import ROOT

import wsprites
from wsprites.art import World
from wsprites.errors import ArgumentError, UserError
from wsprites.generate import Order, check_disk, estimate, generate
from wsprites.world.script import LABELS
from wsprites.world.spec import PRESETS


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_the_same_bytes_for_any_number_of_workers(order: Order, tmp_path: Path):
    # Jobs hold 32 clips: enough clips for several of them, and more than three times as many as there are characters.
    many = replace(order, n=130)
    for workers in (1, 2, 4):
        generate(many, tmp_path / f"{workers}.h5", workers=workers)
    assert sha256(tmp_path / "1.h5") == sha256(tmp_path / "2.h5") == sha256(tmp_path / "4.h5")


def test_a_file_holds_no_times(data_file: Path):
    """Two files that are made at different times are the same."""
    with h5py.File(data_file) as h5:
        items: list[h5py.Group | h5py.Dataset] = [h5]
        h5.visititems(lambda _, item: items.append(item))
        assert len(items) > 40
        for item in items:
            if isinstance(item, h5py.Dataset):
                assert not item.id.get_create_plist().get_obj_track_times()
            header = h5py.h5o.get_info(item.id).hdr
            assert header.flags & 0x20 == 0  # the bit of the object header that says that times are stored


def test_a_clip_does_not_depend_on_how_many_there_are(order: Order, data_file: Path, tmp_path: Path):
    generate(replace(order, n=7), tmp_path / "few.h5")
    with wsprites.open(tmp_path / "few.h5") as few, wsprites.open(data_file) as many:
        for index in range(7):
            (split, row), (same, other) = few.find(index), many.find(index)
            assert split == same
            for name in ("frames", "masks", *LABELS):
                assert (few[split][name][row] == many[split][name][other]).all()


def test_options_leave_out_arrays(order: Order, tmp_path: Path):
    generate(replace(order, n=3, masks=False), tmp_path / "a.h5")
    generate(replace(order, n=3, frames=False), tmp_path / "b.h5")
    with h5py.File(tmp_path / "a.h5") as a, h5py.File(tmp_path / "b.h5") as b:
        assert "frames" in a["train"] and "masks" not in a["train"]
        assert "frames" not in b["train"] and "masks" not in b["train"]


def test_progress_counts_every_frame(order: Order, tmp_path: Path):
    counted: list[int] = []
    generate(replace(order, n=130), tmp_path / "data.h5", progress=counted.append)
    assert sum(counted) == 130 * 40 and len(counted) >= 130


@pytest.mark.parametrize("changes", [{}, {"compression": "gzip"}, {"compression": "none"}, {"masks": False}, {"frames": False, "n": 3000}])
def test_the_estimated_size_is_about_right(order: Order, tmp_path: Path, changes):
    small = replace(order, **{"n": 60, **changes})
    generate(small, tmp_path / "data.h5")
    assert 0.75 < estimate(small) / (tmp_path / "data.h5").stat().st_size < 1.33


class StopError(Exception):
    pass


@pytest.mark.parametrize("stop", [KeyboardInterrupt, StopError, OSError])
def test_a_run_that_is_interrupted_before_a_clip_is_finished_leaves_nothing(order: Order, tmp_path: Path, stop):
    def progress(_: int) -> None:
        raise stop

    with pytest.raises(stop):
        generate(replace(order, n=150), tmp_path / "data.h5", progress=progress, workers=2)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_run_keeps_what_it_would_have_replaced(order: Order, tmp_path: Path):
    out = tmp_path / "data.h5"
    out.write_text("precious", encoding="utf-8")

    def progress(frames: int) -> None:
        if frames:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        generate(order, out, overwrite=True, progress=progress)
    assert out.read_text(encoding="utf-8") == "precious"
    generate(replace(order, n=2), out, overwrite=True)
    with wsprites.open(out) as data:
        assert data.clips == 2


# The command, interrupted while it has recorded 40 clips, more than a job has.
INTERRUPTED = """
import os, signal, sys
from wsprites.cli import main
from wsprites.generate.journal import UnfinishedFile

signal.signal(signal.SIGINT, signal.default_int_handler)  # a process in the background ignores it
record, recorded = UnfinishedFile.record, 0

def counted(self, *args):
    global recorded
    record(self, *args)
    recorded += 1
    if recorded == 40:
        os.kill(os.getpid(), signal.SIGINT)

UnfinishedFile.record = counted
main(sys.argv[1:])
"""


@pytest.mark.parametrize("workers", [1, 2])
def test_ctrl_c_ends_the_command_without_traces(sheets: Path, backgrounds: Path, tmp_path: Path, workers: int):
    options = ["--n", 1000, "--out", "data.h5", "--sheets", sheets, "--backgrounds", backgrounds, "--workers", workers]
    command = [sys.executable, "-c", INTERRUPTED, "generate", *options]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(list(map(str, command)), cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1
    assert re.fullmatch(r"wsprites: interrupted; 40 of 1,000 clips are kept; pass .*resume.* to continue", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [".data.h5.wsprites-journal", ".data.h5.wsprites-partial"]


def test_two_runs_do_not_write_one_file(order: Order, tmp_path: Path):
    out = tmp_path / "data.h5"
    refused: list[str] = []

    def progress(_: int) -> None:
        with pytest.raises(UserError, match="another run is writing") as error:
            generate(order, out)
        refused.append(str(error.value))

    generate(order, out, progress=progress)
    assert refused and sorted(path.name for path in tmp_path.iterdir()) == ["data.h5"]


def test_outputs_that_cannot_be_written_are_refused(order: Order, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "there.h5").write_text("precious", encoding="utf-8")
    with pytest.raises(UserError, match="pass overwrite=True"):
        generate(order, tmp_path / "there.h5")
    assert (tmp_path / "there.h5").read_text(encoding="utf-8") == "precious"
    with pytest.raises(UserError, match="no such folder"):
        generate(order, tmp_path / "absent" / "data.h5")
    with pytest.raises(UserError, match="a folder"):
        generate(order, tmp_path, overwrite=True)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: namedtuple("usage", "free")(10**6))
    with pytest.raises(UserError, match=r"about 10.0 MB needed and 1.0 MB free"):
        check_disk(tmp_path / "data.h5", 10**7)
    assert check_disk(tmp_path / "data.h5", 10**5) == 10**6


def test_a_link_stays_a_link(order: Order, tmp_path: Path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.h5").symlink_to(tmp_path / "far" / "data.h5")
    generate(replace(order, n=2), tmp_path / "link.h5")
    assert (tmp_path / "link.h5").is_symlink()
    assert [path.name for path in (tmp_path / "far").iterdir()] == ["data.h5"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": -3}, "n: -3 is outside the range 1 to 1,000,000,000"),
        ({"n": 0}, "n: 0 is outside"),
        ({"n": 3.5}, "n: 3.5 is not a whole number"),
        ({"world": "paper"}, "world: a str, not a World; wsprites.art.load_world makes one"),
        ({"seed": -1}, "seed: -1 is outside"),
        ({"seed": 2**63}, "seed: 9223372036854775808 is outside"),
        ({"compression": "zip"}, "compression: 'zip' is not one of zstd, gzip, lz4, none"),
        ({"shard": (3, 2)}, "shard: 3/2: k = 3 is larger than K = 2, the number of all shards, which is the same for every k"),
        ({"shard": (0, 2)}, "shard: 0/2: shards are numbered from 1 to 2"),
        ({"shard": (1, 25)}, r"shard: 1/25: more shards than clips \(24\)"),
    ],
)
def test_orders_that_cannot_be_are_refused(order: Order, changes, words: str):
    with pytest.raises(ArgumentError, match=words):
        replace(order, **changes)


def test_backgrounds_of_another_size_are_refused(order: Order):
    """They can be rendered, but a file with them could not be read."""
    with pytest.raises(ArgumentError, match=r"world: its backgrounds have \(height, width\) \(121, 153\), not \(105, 153\)"):
        replace(order, world=order.world.replace(height=80))


# Golden hashes of frames, masks and all labels. They may change only together with the format version.
GOLDEN = {
    ("paper", 0, 0): "c50482cce7254d81c95aaab983108b5ac3b48ef8d01a6bd447359b3eadb641ae",
    ("paper", 7, 1295): "19f95a06cf9cf3658c033307656d19cbce2ff4c835bf24a87a153f707782d3c7",
    ("released", 0, 3): "67df9f20035f0ecc928eb1a8497ffe937bc0a4142175766db153a56ab41e5b2a",
    ("factorial", 0, 12959): "829d7b7f03e564e96d89eaf22f9f7e68af67404654e6d4582a00550bde6ab203",
}


def clip_hash(name: str, seed: int, index: int, real_sheets: Path, folder: Path) -> str:
    from wsprites.art import load_art
    from wsprites.render import render
    from wsprites.world.script import script

    # The backgrounds need no scaling and no lossy decoder, so that only this project's own code decides.
    spec = PRESETS[name]
    art = load_art(spec, real_sheets, folder)
    spec = art.world(spec).spec
    clip = script(spec, seed, index)
    frames, masks = render(World(spec, art), clip)
    digest = hashlib.sha256(frames.tobytes() + masks.tobytes())
    for label in LABELS:
        digest.update(label.encode() + getattr(clip, label).tobytes())
    return digest.hexdigest()


@pytest.mark.parametrize("clip", GOLDEN)
def test_golden_hashes(clip: tuple[str, int, int], real_sheets: Path, tmp_path: Path):
    import numpy as np
    from PIL import Image

    for number in range(3):
        y, x = np.mgrid[:121, :153]
        Image.fromarray(np.stack([x, y * 2, (x * y + 40 * number) % 256], -1).astype(np.uint8)).save(tmp_path / f"{number}.png")
    assert clip_hash(*clip, real_sheets, tmp_path) == GOLDEN[clip]
