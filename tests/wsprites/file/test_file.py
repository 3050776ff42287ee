"""The HDF5 file: what is in it, numpy's indexing for both kinds, and files that are not to be trusted."""

import json
import os
import pickle
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import h5py
import hdf5plugin
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import wsprites
from wsprites.art import World
from wsprites.errors import UserError
from wsprites.file import CODECS, DataFile, Facts, differences, layout, reader
from wsprites.generate import Order, generate
from wsprites.render import render
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import LABELS, scripts, split_indices
from wsprites.world.spec import WorldSpec


@pytest.mark.parametrize("kind", ["data_file", "labels_file"])
def test_a_file_is_like_a_dict_of_splits_and_a_split_gives_its_clips(kind: str, request: pytest.FixtureRequest, data_file: Path):
    path = request.getfixturevalue(kind)
    with wsprites.open(path) as data, h5py.File(data_file) as h5:
        assert (list(data), data.keys(), len(data)) == (["train", "val", "test"], ("train", "val", "test"), 3)
        split = data["val"]
        assert "frames" in split and "actions" not in split
        assert [repr(split[name]) for name in ("frames", "shift")] == [
            "<Pixels of 3 x 40 x 96 x 128 x 3 uint8>",
            "<Array of 3 x 40 x 2 int16>",
        ]
        clips = list(split)
        assert len(clips) == len(split) and all(clip.keys() == {*split.keys()} for clip in clips)
        for row, clip in enumerate(clips):
            for name, array in clip.items():
                assert np.array_equal(array, h5["val"][name][row]) and array.dtype == split[name].dtype
        counts = ", ".join(f"{len(data[name])} {name}" for name in data)
        described = f"<DataFile {path}: world paper, {counts} clips of 40 frames, 96 x 128>"
        assert repr(data) == described and repr(split).startswith(f"<Split val of {path}: {len(split)} clips; frames, masks, ")
    assert repr(data) == described  # closed as well


def test_layout_is_the_documented_one(data_file: Path, order: Order):
    n, t, h, w = 24, 40, 96, 128
    expected = {
        "frames": ("uint8", (t, h, w, 3)),
        "masks": ("bool", (t, h, w)),
        "global_action": ("uint8", (t,)),
        "local_action": ("uint8", (t,)),
        "background_action": ("uint8", (t,)),
        "position": ("int16", (t, 2)),
        "shift": ("int16", (t, 2)),
        "background_offset": ("int16", (t, 2)),
        "background_shift": ("int16", (t, 2)),
        "animation_frame": ("uint8", (t,)),
        "character": ("int32", ()),
        "parts": ("int32", (4,)),
        "background": ("int32", ()),
        "index": ("int64", ()),
        "checksum": ("uint64", ()),
    }
    with h5py.File(data_file) as h5:
        assert sum(len(h5[split]["index"]) for split in ("train", "val", "test")) == n
        for split in ("train", "val", "test"):
            assert set(h5[split]) == set(expected)
            for name, (dtype, shape) in expected.items():
                assert h5[split][name].dtype == dtype
                assert h5[split][name].shape[1:] == shape
                assert h5[split][name].attrs["description"]
        assert h5["train/frames"].chunks == (1, 30, h, w, 3)
        assert h5py.check_enum_dtype(h5["train/global_action"].dtype) == {"left": 0, "right": 1, "up": 2, "down": 3, "stay": 4}
        names = h5py.check_enum_dtype(h5["train/local_action"].dtype)
        assert [name for name, _ in sorted(names.items(), key=lambda item: item[1])] == [
            *("walk_front", "walk_left", "walk_right", "spellcast_front", "spellcast_left", "spellcast_right"),
            *("slash_front", "slash_left", "slash_right"),
        ]
        assert h5["train/parts"].attrs["layers"].tolist() == ["body", "bottomwear", "topwear", "hair"]
        attrs = h5.attrs
        assert (attrs["format"], attrs["format_version"], attrs["seed"]) == ("wsprites", 1, 5)
        assert WorldSpec.from_json(attrs["world"]) == order.spec
        assert "Ada Pixel" in attrs["attribution"]
        assert json.loads(attrs["versions"])["wsprites"] == wsprites.__version__


def test_rows_are_the_scripts_and_their_renderings(data_file: Path, order: Order):
    with wsprites.open(data_file) as data:
        for name, index_n in split_indices(order.spec, 5, 24).items():
            split, script = data[name], scripts(order.spec, 5, index_n)
            for label in LABELS:
                assert np.array_equal(split[label][...], getattr(script, label))
            for row in range(len(index_n)):
                frames, masks = render(order.world, script[row])
                assert np.array_equal(split["frames"][row], frames)
                assert np.array_equal(split["masks"][row], masks)
        assert data.art.sha256 == order.world.art.sha256


def test_characters_of_the_splits_are_disjoint(data_file: Path):
    with wsprites.open(data_file) as data:
        seen = [set(data[split]["character"][...].tolist()) for split in ("train", "val", "test")]
    assert all(seen) and not (seen[0] & seen[1] or seen[0] & seen[2] or seen[1] & seen[2])


# The rows are few, the frames 40: keys of all the kinds that numpy knows, for the first two axes.
clip_keys = st.one_of(
    st.integers(-3, 2), st.slices(3), st.lists(st.integers(-3, 2), min_size=1, max_size=4), st.just(np.array([True, False, True]))
)
frame_keys = st.one_of(st.integers(-40, 39), st.slices(40), st.lists(st.integers(-40, 39), min_size=1, max_size=4))
pixel_keys = st.one_of(st.integers(-96, 95), st.slices(96))
keys = st.one_of(
    clip_keys,
    st.tuples(clip_keys),
    st.tuples(clip_keys, frame_keys),
    st.tuples(clip_keys, frame_keys, pixel_keys),
    st.tuples(clip_keys, st.just(...), st.integers(0, 2)),
    st.tuples(st.just(...), pixel_keys, st.integers(0, 95), st.integers(0, 2)),
    st.tuples(st.just(None), clip_keys),
    st.just(...),
    st.just((slice(None), slice(None, None, -1))),
    st.just(np.arange(120).reshape(3, 40) % 7 == 0),
)


@pytest.fixture(scope="module")
def twins(data_file: Path, labels_file: Path) -> Iterator[tuple[DataFile, DataFile, dict[str, np.ndarray]]]:
    """The file with pixels, the one without, and what h5py reads."""
    names = ("frames", "masks", "index", "character", "position", "local_action")
    with wsprites.open(data_file) as stored, wsprites.open(labels_file) as rendered, h5py.File(data_file) as h5:
        yield stored, rendered, {name: h5["val"][name][()] for name in names}


@settings(max_examples=80)
@given(keys)
def test_reading_has_numpys_semantics_for_stored_and_for_rendered_pixels(twins, key):
    *both, arrays = twins
    for name, whole in arrays.items():
        assert len(whole) == 3
        short = key[0] if whole.ndim == 1 and isinstance(key, tuple) else key
        axes = len(short) if isinstance(short, tuple) else 1
        if axes > 2 and (whole.ndim < 4 or (name == "masks" and (axes > 3 or key[1] is ...))):
            continue  # these keys have an axis too many
        expected = _take(whole, short)
        for data in both:
            array = data["val"][name]
            assert array.shape == whole.shape and array.dtype == whole.dtype and len(array) == len(whole)
            if not isinstance(expected, type(IndexError)):
                assert np.array_equal(array[short], expected) and array[short].shape == expected.shape
            elif name in ("frames", "masks"):
                with pytest.raises(IndexError):
                    array[short]


def _take(array: np.ndarray, key):
    try:
        return array[key]
    except IndexError:
        return IndexError


def any_key(rng: random.Random, shape: tuple[int, ...]) -> tuple[object, ...]:
    """An index of up to one axis more than an array has, of all kinds of parts that numpy knows, some of them outside the array."""
    key: list[object] = []
    for n in (*shape, 2)[: rng.randrange(len(shape) + 2)]:
        start, stop = (rng.choice([None, *range(-n - 1, n + 2)]) for _ in range(2))
        kinds = (
            lambda n: [rng.randrange(-n, n) for _ in range(rng.randrange(4))],
            lambda n: np.array([rng.random() < 0.5 for _ in range(n)]),
            lambda n: rng.randrange(-n, n),
            lambda n: np.int64(rng.randrange(-n - 1, n + 1)),
            lambda n, start=start, stop=stop: slice(start, stop, rng.choice([None, 1, 2, -1])),
            lambda n: ...,
            lambda n: None,
        )
        basic = len(key) > 1 and rng.random() < 0.7
        key.append(rng.choice(kinds[2:6] if basic else kinds)(n))
    return tuple(key)


def test_any_index_gives_what_numpy_gives_or_is_refused(twins):
    """Also the axes in numpy's order, which depends on what lies between arrays, and numpy's kind of error."""
    *both, arrays = twins
    rng, alike, failed, refused = random.Random(0), 0, 0, 0
    for _ in range(3000):
        name, whole = rng.choice(list(arrays.items()))
        key = any_key(rng, whole.shape)
        expected = _take(whole, key)
        for data in both:
            array = data["val"][name]
            try:
                actual = array[key]
            except IndexError as error:
                assert name in ("frames", "masks") or expected is IndexError, key
                refused += "clips and frames only" in str(error)
                failed += expected is IndexError
                continue
            alike += 1
            assert np.shape(actual) == np.shape(expected) and np.array_equal(actual, expected) and actual.dtype == whole.dtype, key
    assert alike > 2000 and failed > 500 and refused > 100


def test_axes_of_arrays_that_something_separates_come_first(twins):
    *both, arrays = twins
    for key in (
        (slice(None), [0, 1], ..., 1),
        (slice(None), [[3, 4, 5]], slice(None), 7),
        (slice(None), np.arange(40) < 2, slice(2), -1),
        ([0, 1], slice(4), 5),
        (None, slice(None), [0, 1], slice(2), 3),
    ):
        for data in both:
            assert data["val"]["masks"][key].shape == arrays["masks"][key].shape
            assert np.array_equal(data["val"]["masks"][key], arrays["masks"][key])


@pytest.mark.parametrize("name", ["frames", "masks", "position", "index"])
@pytest.mark.parametrize("key", [(0, 0, 0, 0, 0, 0), (..., ...), (0, ..., ...), (slice(None),) * 6])
def test_too_many_indices_are_an_index_error(twins, name: str, key):
    *both, arrays = twins
    assert _take(arrays[name], key) is IndexError
    for data in both:
        with pytest.raises(IndexError, match=r"too many indices: the array has \d axes|an index can only have a single ellipsis"):
            data["val"][name][key]


def test_labels_alone_take_little_room(labels_file: Path, data_file: Path):
    assert labels_file.stat().st_size < data_file.stat().st_size / 4
    with wsprites.open(labels_file) as data:
        assert data["train"].stored == ()
        assert data["train"].keys()[:2] == ("frames", "masks")
        assert np.asarray(data["test"]["position"]).dtype == np.int16


def test_threads_render_side_by_side(data_file: Path, labels_file: Path):
    with wsprites.open(data_file) as stored, wsprites.open(labels_file) as rendered, ThreadPoolExecutor(4) as pool:
        expected, frames = stored["train"]["frames"][...], rendered["train"]["frames"]
        rows = [row for _ in range(12) for row in range(6)]
        for row, clip in zip(rows, pool.map(lambda row: frames[row], rows), strict=True):
            assert np.array_equal(clip, expected[row])


def test_a_copy_in_another_process_opens_the_file_for_itself(labels_file: Path):
    with wsprites.open(labels_file) as data:
        with pickle.loads(pickle.dumps(data)) as again:
            assert again.h5.id.id != data.h5.id.id
            assert np.array_equal(again["val"]["frames"][0], data["val"]["frames"][0])
        split = data["val"]
    with pytest.raises(ValueError, match="the file is closed"):
        split["frames"]


def test_unknown_names_are_refused(data_file: Path):
    with wsprites.open(data_file) as data:
        with pytest.raises(KeyError, match="train, val, test"):
            data["validation"]
        with pytest.raises(KeyError, match="local_action"):
            data["train"]["actions"]
        with pytest.raises(IndexError, match="clips and frames only"):
            data["val"]["frames"][0, 0, [1, 2]]
        with pytest.raises(IndexError, match="too many"):
            data["val"]["frames"][0, 0, 0, 0, 0, [0]]


@pytest.mark.parametrize("compression", CODECS)
def test_every_compression_gives_the_same_arrays(spec, art, data_file: Path, tmp_path: Path, compression: str):
    out = tmp_path / "data.h5"
    generate(Order(World(spec, art), seed=5, n=24, compression=compression), out)
    with h5py.File(out) as ours, h5py.File(data_file) as zstd:
        for split in ("train", "val", "test"):
            for name in set(zstd[split]) - {"checksum"}:
                assert np.array_equal(ours[split][name][()], zstd[split][name][()])


@pytest.mark.parametrize("compression", CODECS)
def test_windows_are_those_of_h5py(spec, art, tmp_path: Path, compression: str):
    out = tmp_path / "data.h5"
    generate(Order(World(spec, art), seed=5, n=6, compression=compression), out)
    with wsprites.open(out) as data, h5py.File(out) as h5:
        for name in ("frames", "masks"):
            for clip in (0, 3, -1, np.int64(1)):
                for first in (0, 1, 17, 29, 30, 31, 39, 40, -12, None):
                    for stop in (0, 1, 12, 30, 31, 40, 99, -1, None):
                        window = data["train"][name][clip, first:stop]
                        assert np.array_equal(window, h5["train"][name][clip][first:stop]) and window.dtype == h5["train"][name].dtype
                        assert window.flags.writeable
            for clip in (len(data["train"]), -len(data["train"]) - 1):
                with pytest.raises(IndexError):
                    data["train"][name][clip, 3:5]


def test_chunks_that_others_wrote_are_read_as_h5py_reads_them(data_file: Path, tmp_path: Path):
    whole = {}
    with h5py.File(shutil.copy(data_file, tmp_path / "other.h5"), "r+") as h5:
        for split, options in {
            "train": {"chunks": (1, 7, 96, 128, 3), **hdf5plugin.Zstd(clevel=9)},
            "val": {"chunks": (2, 16, 48, 128, 3), **hdf5plugin.Zstd()},
            "test": {"chunks": (1, 10, 96, 128, 3), "shuffle": True, **hdf5plugin.Zstd()},
        }.items():
            whole[split] = h5[split]["frames"][()]
            del h5[split]["frames"]
            h5[split].create_dataset("frames", data=whole[split], **options)
        # A chunk that skips its filter, and one that was never written.
        raw = np.ascontiguousarray(whole["train"][1:2, 7:14])
        h5["train/frames"].id.write_direct_chunk((1, 7, 0, 0, 0), raw.tobytes(), filter_mask=1)
        masks = h5["train/masks"][()]
        del h5["train/masks"]
        h5["train"].create_dataset("masks", masks.shape, bool, chunks=(1, 30, 96, 128), **hdf5plugin.Zstd())
    with wsprites.open(tmp_path / "other.h5") as data:
        for split, frames in whole.items():
            assert np.array_equal(data[split]["frames"][1, 3:25], frames[1, 3:25])
        assert not data["train"]["masks"][1, 25:35].any()


@pytest.mark.parametrize(
    "damage", [lambda chunk: chunk[:-20], lambda chunk: chunk[:1], lambda chunk: bytes(50), lambda chunk: chunk[:200] + bytes(200)]
)
def test_damaged_chunks_are_an_error(data_file: Path, tmp_path: Path, damage):
    with h5py.File(shutil.copy(data_file, tmp_path / "broken.h5"), "r+") as h5:
        frames = h5["train/frames"].id
        frames.write_direct_chunk((2, 0, 0, 0, 0), damage(frames.read_direct_chunk((2, 0, 0, 0, 0))[1]))
    with wsprites.open(tmp_path / "broken.h5") as data:
        with pytest.raises(OSError, match="frames: the chunk with frame 20 of row 2 is damaged"):
            data["train"]["frames"][2, 20:35]
        data["train"]["frames"][2, 30:35]


def test_rendered_windows_do_not_depend_on_what_was_read_before(labels_file: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(reader, "_MOST_LABEL_BYTES", 0)
    rng = np.random.default_rng(0)
    with wsprites.open(labels_file) as rendered, wsprites.open(data_file) as stored:
        for row, first in zip(rng.integers(0, len(stored["train"]), 60).tolist(), rng.integers(0, 28, 60).tolist(), strict=True):
            assert np.array_equal(rendered["train"]["frames"][row, first : first + 12], stored["train"]["frames"][row, first : first + 12])


def test_gzip_files_open_without_any_plugin(spec, art, data_file: Path, tmp_path: Path):
    out = tmp_path / "data.h5"
    generate(Order(World(spec, art), seed=5, n=6, compression="gzip"), out)
    program = "import h5py, sys; f = h5py.File(sys.argv[1]); print(f['train/frames'][()].sum(), f['art/backgrounds'][()].sum())"
    environment = {**os.environ, "HDF5_PLUGIN_PATH": str(tmp_path / "nothing")}
    read = [sys.executable, "-c", program]
    printed = subprocess.run([*read, out], env=environment, check=True, capture_output=True, text=True).stdout
    with wsprites.open(out) as data:
        assert printed.split() == [str(data["train"]["frames"][...].sum()), str(data.art.backgrounds.images.sum())]
    with h5py.File(out) as h5:
        assert h5["train/frames"].chunks == (1, 30, 24, 32, 3)
    failed = subprocess.run([*read, data_file], env=environment, capture_output=True, text=True)
    assert failed.returncode != 0  # the test would see a plugin if one were needed


@pytest.fixture
def broken(labels_file: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(labels_file, tmp_path / "broken.h5"))


def newer(h5: h5py.File) -> str:
    h5.attrs["format_version"] = 3
    return "newer than this wsprites"


def not_ours(h5: h5py.File) -> str:
    del h5.attrs["format"]
    return "not one of wsprites"


def no_world(h5: h5py.File) -> str:
    h5.attrs["world"] = "[[["
    return "damaged"


def evil_world(h5: h5py.File) -> str:
    world = json.loads(h5.attrs["world"])
    world["frames"] = 10**9
    h5.attrs["world"] = json.dumps(world)
    return "outside the range"


def missing_split(h5: h5py.File) -> str:
    del h5["val"]
    return "val is missing"


def missing_label(h5: h5py.File) -> str:
    del h5["test/shift"]
    return "test/shift is missing"


def wrong_shape(h5: h5py.File) -> str:
    del h5["test/shift"]
    h5["test/shift"] = np.zeros((3, 40, 3), np.int16)
    return "int16"


def external_link(h5: h5py.File) -> str:
    del h5["train/index"]
    h5["train/index"] = h5py.ExternalLink("/etc/passwd", "/")
    return "is missing or a link"


def external_storage(h5: h5py.File) -> str:
    shape = h5["train/character"].shape
    del h5["train/character"]
    h5.create_dataset("train/character", shape, "i4", external=[("/etc/passwd", 0, 4 * shape[0])])
    return "not a dataset of this file"


@pytest.mark.parametrize(
    "breakage", [newer, not_ours, no_world, evil_world, missing_split, missing_label, wrong_shape, external_link, external_storage]
)
def test_files_that_are_not_right_are_refused_in_one_line(broken: Path, breakage):
    with h5py.File(broken, "r+") as h5:
        words = breakage(h5)
    with pytest.raises(UserError) as error:
        wsprites.open(broken)
    assert words in str(error.value) and str(broken) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("format_version", "one"),
        ("format_version", [1, 1]),
        ("seed", -1),
        ("seed", 1e300),
        ("clips", 25),
        ("versions", "[1]"),
        ("shard", "2/1"),
        ("shard", "1/25"),
        ("shard", "one of two"),
        ("pixels", "masks"),
        ("compression", "zip"),
        ("art_licence", 3),
        ("world", 3),
    ],
)
def test_attributes_that_are_not_right_are_refused_in_one_line(broken: Path, name: str, value):
    with h5py.File(broken, "r+") as h5:
        h5.attrs[name] = value
    with pytest.raises(UserError, match="damaged") as error:
        wsprites.open(broken)
    assert "\n" not in str(error.value)
    with h5py.File(broken, "r+") as h5:
        del h5.attrs[name]
    with pytest.raises(UserError, match="damaged"):
        wsprites.open(broken)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("position", -1), ("position", 65), ("background_offset", 26), ("background_offset", -1), ("local_action", 9)),
        *(("global_action", 5), ("animation_frame", 8), ("character", 36), ("character", -1), ("background", 3)),
    ],
)
def test_labels_that_cannot_be_are_refused_before_they_are_rendered(broken: Path, name: str, value: int):
    with h5py.File(broken, "r+") as h5:
        rows = h5["train"][name][()]
        rows[2, ...] = value
        h5["train"][name][...] = rows
    with wsprites.open(broken) as data:
        with pytest.raises(UserError, match=f"damaged: /train/{name} of row 2 is outside"):
            data["train"]["frames"][2, 7]
        data["train"]["frames"][1]


def test_facts_are_what_the_file_stores(data_file: Path, order: Order):
    with wsprites.open(data_file) as data, h5py.File(data_file) as h5:
        assert data.facts == order.facts
        assert dict(h5.attrs) == data.facts.attributes()
        assert (data.spec, data.seed, data.clips, data.shard) == (order.spec, 5, 24, (1, 1))
        assert (data.compression, data.indices, data.shards) == ("zstd", range(24), ())
        assert data.art_sha256 == order.world.art.sha256 and data.credits == order.world.art.credits
        public = {name for name in vars(data) if not name.startswith("_")}
    assert public <= set(DataFile.__annotations__)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, ""),
        ({"seed": 6}, "seed is 6, not 5"),
        ({"shard": (2, 3), "clips": 30}, "clips is 30, not 24, shard is '2/3', not '1/1'"),
        ({"pixels": ("frames",)}, "pixels is 'frames', not 'frames masks'"),
        ({"versions": {"wsprites": "9.9"}}, "versions.wsprites is '9.9', not '0.1.0', versions.numpy is None, not"),
    ],
)
def test_differences_name_what_differs(order: Order, changes, words: str):
    facts = order.facts
    changed = replace(facts, **changes)
    assert Facts.from_attributes(changed.attributes()) == changed
    assert differences(changed, facts).startswith(words) and bool(differences(changed, facts)) == bool(words)


@pytest.mark.parametrize(
    "changes",
    [{"seed": -1}, {"seed": 2**63}, {"clips": 0}, {"shard": (0, 1)}, {"shard": (3, 2)}, {"compression": "zip"}, {"pixels": ("masks",)}],
)
def test_facts_that_are_not_possible_are_refused(order: Order, changes):
    with pytest.raises(ValueError, match=r"not possible|not one of|are not"):
        replace(order.facts, **changes)


def test_files_that_are_none_are_refused(tmp_path: Path, data_file: Path):
    with pytest.raises(UserError, match="no such file"):
        wsprites.open(tmp_path / "absent.h5")
    (tmp_path / "text.h5").write_text("hello", encoding="utf-8")
    with pytest.raises(UserError, match="not a complete HDF5 file"):
        wsprites.open(tmp_path / "text.h5")
    (tmp_path / "half.h5").write_bytes(data_file.read_bytes()[: data_file.stat().st_size // 2])
    with pytest.raises(UserError, match="truncated"):
        wsprites.open(tmp_path / "half.h5")


def missing_layer(h5: h5py.File) -> str:
    del h5["art/layers/hair"]
    return "/art/layers/hair is missing"


def virtual_art(name: str, h5: h5py.File) -> str:
    """Art of another file, which HDF5 reads as zeros where that file is missing."""
    own = h5[f"art/{name}"]
    layout = h5py.VirtualLayout(own.shape, "u1")
    layout[...] = h5py.VirtualSource("elsewhere.h5", "x", own.shape)
    names = own.attrs["names"]
    del h5[f"art/{name}"]
    h5.create_virtual_dataset(f"art/{name}", layout).attrs["names"] = names
    return f"/art/{name} is stored outside the file"


def not_stored(name: str, count: int, h5: h5py.File) -> str:
    """A file of any size may say that it has more than memory holds."""
    own = h5[f"art/{name}"]
    shape, chunks, names = (count, *own.shape[1:]), own.chunks, own.attrs["names"]
    del h5[f"art/{name}"]
    h5.create_dataset(f"art/{name}", shape, "u1", chunks=chunks, fillvalue=255).attrs["names"] = names
    return f"/art/{name} has fewer than its {count} entries"


def one_chunk(h5: h5py.File) -> str:
    own = h5["art/layers/hair"]
    pixels, names = own[()], own.attrs["names"]
    del h5["art/layers/hair"]
    h5.create_dataset("art/layers/hair", data=pixels, chunks=pixels.shape).attrs["names"] = names
    return r"/art/layers/hair has chunks of .*, not one for each sheet"


ART = [
    *(missing_layer, one_chunk, partial(virtual_art, "layers/hair"), partial(virtual_art, "backgrounds")),
    *(partial(not_stored, "layers/hair", 2), partial(not_stored, "backgrounds", 3)),
]


@pytest.mark.parametrize("breakage", ART)
def test_damaged_art_is_refused_when_it_is_needed(broken: Path, breakage: Callable[[h5py.File], str]):
    with h5py.File(broken, "r+") as h5:
        words = breakage(h5)
    with wsprites.open(broken) as data, pytest.raises(UserError, match=f"damaged: {words}") as error:
        data["train"]["frames"][0]
    assert "\n" not in str(error.value)


def test_a_clip_is_found_by_its_index(data_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wsprites.file.h5._BLOCK", 5)
    with wsprites.open(data_file) as data:
        for name, split in data.splits.items():
            assert [data.find(index) for index in split["index"][...].tolist()] == [(name, row) for row in range(len(split))]
        for index in (24, -1):
            with pytest.raises(UserError, match=f"there is no clip {index}; the file has clips 0 to 23"):
                data.find(index)


@pytest.mark.parametrize("chunks", [(64,), None])
def test_indices_that_are_not_stored_are_not_looked_through(broken: Path, order: Order, chunks: tuple[int] | None):
    """A small file may say that it has more clips than fit into memory."""
    n = 10**11
    with h5py.File(broken, "r+") as h5:
        h5.attrs["clips"] = n
        for split, rows in (("train", n - 2), ("val", 1), ("test", 1)):
            for name, (shape, dtype) in layout(order.spec, rows).items():
                if name in h5[split]:
                    del h5[split][name]
                    h5[split].create_dataset(name, shape, dtype, chunks=(64, *shape[1:]) if chunks and rows > 1 else None)
    words = "damaged: /train/index has fewer than its 99,999,999,998 entries"
    with wsprites.open(broken) as data, pytest.raises(UserError, match=words):
        data.find(3)


def test_actions_have_the_numbers_of_the_released_data():
    assert [action.name for action in GlobalAction] == ["left", "right", "up", "down", "stay"]
    assert [int(LocalAction[name]) for name in ("walk_front", "spellcast_front", "slash_right", "walk_back", "slash_back")] == [
        0,
        3,
        8,
        9,
        11,
    ]
