"""Verifying finds what was changed, wherever it was changed."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import wsprites
from wsprites.generate.verify import pixel_rows, verify


def problems(path: Path, all_pixels: bool = True) -> list[str]:
    with wsprites.open(path) as data:
        return verify(data, all_pixels=all_pixels).problems


@pytest.fixture
def copy(data_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(data_file, tmp_path / "copy.h5"))


def test_a_fresh_file_is_right(data_file: Path, labels_file: Path):
    counted: list[int] = []
    with wsprites.open(data_file) as data:
        report = verify(data, all_pixels=True, progress=counted.append)
    assert (report.labels, report.pixels, report.problems) == (24, 24, []) and sum(counted) == 24
    with wsprites.open(labels_file) as data:
        report = verify(data)
    assert (report.labels, report.pixels, report.problems) == (24, 0, [])


@pytest.mark.parametrize(
    "name",
    ["character", "parts", "background", "global_action", "local_action", "animation_frame", "position", "shift", "background_shift"],
)
def test_a_changed_label_is_found(copy: Path, name: str):
    with h5py.File(copy, "r+") as h5:
        values = h5["train"][name][()]
        values[3] = values[3] ^ 1
        h5["train"][name][...] = values
    found = problems(copy, all_pixels=False)
    assert len(found) == 1 and found[0].startswith(f"train/{name}: row 3") and "the file says" in found[0]


@pytest.mark.parametrize("name", ["frames", "masks"])
def test_a_changed_pixel_is_found(copy: Path, name: str):
    with h5py.File(copy, "r+") as h5:
        at = (1, 33, 50, 60)
        h5["val"][name][at] = h5["val"][name][at] ^ np.array(1, h5["val"][name].dtype)
        index = h5["val/index"][1]
    assert problems(copy) == [f"val/{name}: clip {index} (row 1) differs in 1 frames, first in frame 33"]


def test_a_changed_checksum_is_found(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["train/checksum"][0] = h5["train/checksum"][0] ^ np.uint64(1)
        index = h5["train/index"][0]
    assert problems(copy, all_pixels=False) == [f"train/checksum: clip {index} (row 0): it is not that of the clip's chunks"]


def test_swapped_clips_are_found(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["train/index"][:2] = h5["train/index"][:2][::-1]
    assert problems(copy)[0].startswith("train/index")


def test_a_missing_chunk_is_found_without_reading_it(copy: Path):
    with h5py.File(copy, "r+") as h5:
        old = h5["test/masks"]
        shape, chunks = old.shape, old.chunks
        del h5["test/masks"]
        h5.create_dataset("test/masks", shape, bool, chunks=chunks)
    assert f"test/masks: {2 * shape[0]} of {2 * shape[0]} chunks are missing" in problems(copy)


def test_an_unreadable_chunk_is_found(copy: Path):
    with h5py.File(copy, "r") as h5:
        chunk = h5["train/frames"].id.get_chunk_info_by_coord((2, 30, 0, 0, 0))
        index = h5["train/index"][2]
    content = bytearray(copy.read_bytes())
    content[chunk.byte_offset : chunk.byte_offset + 40] = bytes(40)
    copy.write_bytes(content)
    found = problems(copy)  # older Zstd readers make something of it
    assert len(found) == 1 and found[0].startswith(f"train/frames: clip {index} (row 2)")
    assert "cannot be read" in found[0] or "differs in 10 frames, first in frame 30" in found[0]


def test_changed_art_is_found(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["art/backgrounds"][0, 60, 70] = h5["art/backgrounds"][0, 60, 70] ^ 1
    assert any(problem.startswith("art:") for problem in problems(copy))


def test_another_seed_or_world_is_found(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5.attrs["seed"] = 6
    assert problems(copy)


def test_a_sample_is_spread_over_the_file():
    assert pixel_rows(10_000, 10_000, False) == np.linspace(0, 9_999, 32).astype(int).tolist()
    assert pixel_rows(5, 100, False) == [0, 4]
    assert pixel_rows(3, 3, False) == pixel_rows(3, 100, True) == [0, 1, 2]
    assert pixel_rows(0, 100, False) == []
