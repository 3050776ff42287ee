"""Exports, read back by the libraries of their users, pixel by pixel and label by label."""

import io
import json
import os
import pickle
import re
import shlex
import shutil
import subprocess
import sys
import textwrap
from collections import Counter
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType

import av
import h5py
import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from samples import ROOT

import wsprites
from wsprites import cli
from wsprites import export as formats
from wsprites.art import Art, World, load_art, load_world
from wsprites.errors import UserError
from wsprites.export import Job, estimate, export
from wsprites.generate import Order, generate
from wsprites.generate.merge import merge
from wsprites.render.resize import resize_frames, resize_masks
from wsprites.view.preview import annotate
from wsprites.world.script import FRAME_LABELS, LABELS
from wsprites.world.spec import PRESETS, SPLITS, SplitSpec, WorldSpec

CLIPS = 2  # of each split, where a few are enough
T = 12  # frames of a clip of `data_file`
FORMATS = tuple(to for to in formats.FORMATS if to != "rlds" or find_spec("tensorflow_datasets"))  # which needs an extra of its own


@pytest.fixture(scope="module")
def many(spec: WorldSpec, art: Art, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """80 short clips of 36 characters, seen from the back as well."""
    out = tmp_path_factory.mktemp("many") / "many.h5"
    generate(Order(World(replace(spec, frames=4, facings=4), art), seed=3, n=80), out)
    return out


@pytest.fixture(scope="module")
def exported(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an export of each format, of CLIPS clips of each split."""
    folder = tmp_path_factory.mktemp("exported")
    for to in FORMATS:
        run(data_file, to, folder / to)
    return folder


def run(file: Path, to: str, out: Path, clips: int | None = CLIPS) -> Path:
    with wsprites.open(file) as data:
        export(Job(data, to, clips), out)
    return out


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class NoClasses(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> object:
        raise AssertionError(f"{module}.{name}")


def test_the_released_layout(many: Path, tmp_path: Path):
    root = run(many, "released", tmp_path / "released", None)
    assert sorted(path.name for path in root.iterdir()) == ["CREDITS.txt", "README.md", "test", "train", "val", "wsprites.json"]
    videos: Counter[int] = Counter()
    found = set()
    with h5py.File(many) as h5:
        clips = sorted((int(h5[split]["index"][row]), split, row) for split in SPLITS for row in range(len(h5[split]["index"])))
        for _, split, row in clips:
            labels = {name: h5[split][name][row] for name in h5[split]}
            character = int(labels["character"])
            folder = root / split / f"sprite_{character:06}_video_{videos[character]:03}"
            videos[character] += 1
            found.add(folder)
            names = {f"{t:05}.png" for t in range(4)}
            lists = {"glactions.pkl", "actions.pkl", "dones.pkl", "rewards.pkl", "metadata.pkl"}
            assert {path.name for path in folder.iterdir()} == names | lists | {"masks"}
            assert {path.name for path in (folder / "masks").iterdir()} == names
            for t in range(4):
                with Image.open(folder / f"{t:05}.png") as frame, Image.open(folder / "masks" / f"{t:05}.png") as mask:
                    assert frame.mode == "RGB" and mask.mode == "L"
                    np.testing.assert_array_equal(np.asarray(frame), labels["frames"][t])
                    np.testing.assert_array_equal(np.asarray(mask), 255 * labels["masks"][t].astype(np.uint8))
            read = {}
            for name in lists:
                with (folder / name).open("rb") as file:
                    read[name] = NoClasses(file).load()
            assert read["dones.pkl"] == read["rewards.pkl"] == read["metadata.pkl"] == [None] * 4
            actions = read["glactions.pkl"]
            assert list(actions) == ["global", "local", "shifts", "bg_shifts"]
            assert actions["global"] == read["actions.pkl"] == list(labels["global_action"])
            assert actions["local"] == list(labels["local_action"])
            assert {type(action) for action in actions["global"] + actions["local"]} == {int}
            # The sprite's motion, and that of the crop.
            assert actions["shifts"][1:] == [tuple(xy) for xy in np.diff(labels["position"].astype(int), axis=0)]
            assert actions["bg_shifts"][1:] == [tuple(xy) for xy in np.diff(labels["background_offset"].astype(int), axis=0)]
            assert len(actions["shifts"]) == len(actions["bg_shifts"]) == 4
            assert {type(x) for shift in actions["shifts"] + actions["bg_shifts"] for x in shift} == {int}
    assert max(videos.values()) == 3  # some characters have several clips
    assert {path for split in SPLITS for path in (root / split).iterdir()} == found


def test_minari(exported: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch):
    import minari

    assert "MINARI_DATASETS_PATH" not in os.environ
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(exported / "minari"))
    assert set(minari.list_local_datasets()) == {f"wsprites-{split}-v0" for split in SPLITS}
    with h5py.File(data_file) as h5:
        for split in SPLITS:
            dataset = minari.load_dataset(f"wsprites-{split}-v0")
            assert dataset.total_episodes == min(CLIPS, len(h5[split]["index"])) and dataset.total_steps == (T - 1) * dataset.total_episodes
            assert not dataset.storage.jpeg_encoding
            metadata = list(dataset.storage.get_episode_metadata(range(dataset.total_episodes)))
            for row, episode in enumerate(dataset.iterate_episodes()):
                labels = {name: h5[split][name][row] for name in h5[split]}
                np.testing.assert_array_equal(episode.observations, labels["frames"])
                assert episode.observations[0] in dataset.observation_space and episode.actions[0] in dataset.action_space
                assert episode.actions.shape == (T - 1, 2)
                for t in range(T - 1):  # what leads from frame t to frame t+1
                    assert tuple(episode.actions[t]) == (labels["global_action"][t + 1], labels["local_action"][t + 1])
                for name in (*FRAME_LABELS, "masks"):
                    np.testing.assert_array_equal(episode.infos[name], labels[name])
                assert not episode.rewards.any() and not episode.terminations.any()
                assert list(episode.truncations) == [False] * (T - 2) + [True]
                assert metadata[row]["index"] == labels["index"] and metadata[row]["character"] == labels["character"]
            assert list(dataset.action_space.nvec) == [5, 9]


def test_minari_has_no_episodes_of_one_frame(spec: WorldSpec, art: Art, tmp_path: Path):
    generate(Order(World(replace(spec, frames=1), art), seed=0, n=2), tmp_path / "one.h5")
    with pytest.raises(UserError, match="clips of one frame have no transitions"):
        run(tmp_path / "one.h5", "minari", tmp_path / "minari")
    run(tmp_path / "one.h5", "parquet", tmp_path / "parquet")  # and two splits have no clips
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one.h5", "parquet"]


def test_minari_recovers_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """With the art of the package: one that plays the very episodes, whether or not it is registered."""
    import gymnasium
    import minari

    generate(Order(load_world("factorial").replace(frames=5), seed=7, n=12), tmp_path / "data.h5")
    out = run(tmp_path / "data.h5", "minari", tmp_path / "out", 2)
    monkeypatch.delitem(gymnasium.registry, "wsprites/Walk-v0", raising=False)
    for split in SPLITS:
        dataset = minari.MinariDataset(out / f"wsprites-{split}-v0" / "data")
        env = dataset.recover_environment()
        assert env.spec.id == "wsprites/Walk-v0" and env.spec.kwargs["split"] == split
        assert env.observation_space == dataset.observation_space and env.action_space == dataset.action_space
        for episode, metadata in zip(dataset, dataset.storage.get_episode_metadata(range(len(dataset))), strict=True):
            frame, info = env.reset(options=metadata["options"])
            np.testing.assert_array_equal(frame, episode.observations[0])
            for t, action in enumerate(episode.actions, 1):
                frame, reward, terminated, truncated, info = env.step(action)
                np.testing.assert_array_equal(frame, episode.observations[t])
                np.testing.assert_array_equal(info["mask"], episode.infos["masks"][t])
                assert all(np.array_equal(info[name], episode.infos[name][t]) for name in FRAME_LABELS)
                assert (reward, terminated, truncated) == (0.0, False, episode.truncations[t - 1])
        evaluation = dataset.recover_environment(eval_env=True)
        assert evaluation.spec.kwargs == {**env.spec.kwargs, "split": "test"}
        with h5py.File(tmp_path / "data.h5") as h5:
            assert not {int(evaluation.reset(seed=s)[1]["character"]) for s in range(9)} & set(h5["train/character"][:].tolist())


def test_minari_never_recovers_another_art(exported: Path, data_file: Path):
    """The file was made with sheets that no name stands for."""
    import minari

    dataset = minari.MinariDataset(exported / "minari" / "wsprites-train-v0" / "data")
    with pytest.raises(UserError, match=r"sheets: the art has the hash .*; pass the sheets and backgrounds"):
        dataset.recover_environment()
    env = dataset.recover_environment(world=str(data_file))
    metadata = next(iter(dataset.storage.get_episode_metadata([0])))
    np.testing.assert_array_equal(env.reset(options=metadata["options"])[0], dataset[0].observations[0])
    with wsprites.open(data_file) as data:
        (note,) = export(Job(data, "minari", 1), exported / "again")
    assert note.startswith("art      not wsprites' own: recover_environment() needs sheets=")
    shutil.rmtree(exported / "again")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the library's readers
@pytest.mark.parametrize(("clips", "shard_clips", "shards"), [(40, None, 20), (40, 9, 5), (15, None, 15), (1, None, 1), (3, 40, 1)])
def test_the_shards_feed_the_workers_of_a_loader(
    clips: int, shard_clips: int | None, shards: int, spec: WorldSpec, art: Art, tmp_path: Path
):
    import webdataset
    from torch.utils.data import DataLoader

    one = replace(spec, frames=1, split=SplitSpec(1.0, 0.0, 0.0))
    generate(Order(World(one, art), seed=3, n=clips), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        expected = sorted(f"{index:09}" for index in data["train"]["index"][...])
        (note,) = export(Job(data, "webdataset", shard_clips=shard_clips), tmp_path / "out")
    paths = [str(path) for path in sorted((tmp_path / "out").glob("train-*.tar"))]
    assert len(paths) == shards and note.startswith(f"shards   train {shards}, val 0, test 0: ")
    for workers in {0, min(2, shards), min(5, shards)}:
        read = webdataset.WebDataset(paths, shardshuffle=False)
        keys = [sample["__key__"] for sample in DataLoader(read, batch_size=None, num_workers=workers)]
        assert sorted(keys) == expected
    if shards == 1:  # as the README says
        read = webdataset.WebDataset(paths, shardshuffle=False, empty_check=False)
        keys = [sample["__key__"] for sample in DataLoader(read, batch_size=None, num_workers=2)]
        assert sorted(keys) == expected


@pytest.mark.skipif(sys.platform == "darwin", reason="its file systems refuse such names")
@pytest.mark.parametrize("to", FORMATS)
def test_a_folder_whose_name_is_not_utf8(data_file: Path, exported: Path, tmp_path: Path, to: str, capfdbinary):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/doss\xe9"))
    folder.mkdir()
    cli.main(["export", str(data_file), "--to", to, "--out", str(folder / os.fsdecode(b"p\xe9")), "--clips", str(CLIPS)])
    (out,) = folder.iterdir()
    assert contents(out) == contents(exported / to) and os.fsencode(out).endswith(b"p\xe9")


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the library's readers
def test_webdataset(data_file: Path, tmp_path: Path):
    import webdataset

    from wsprites.export.webdataset import write

    with wsprites.open(data_file) as data:
        write(Job(data, "webdataset", 5), tmp_path, shard_bytes=600_000)
    shards = sorted(tmp_path.iterdir())
    assert len([path for path in shards if path.name.startswith("train-")]) > 1
    assert all(path.stat().st_size <= 600_000 + 2 * 10_240 for path in shards)  # tar rounds up to its blocks
    with h5py.File(data_file) as h5:
        for split in SPLITS:
            samples = []
            for shard in shards:
                if shard.name.startswith(split):
                    samples += list(webdataset.WebDataset(str(shard), shardshuffle=False).decode("rgb8"))
            assert len(samples) == min(5, len(h5[split]["index"]))
            for row, sample in enumerate(samples):
                assert int(sample["__key__"]) == h5[split]["index"][row]
                for t in range(T):
                    np.testing.assert_array_equal(sample[f"frame.{t:05}.png"], h5[split]["frames"][row, t])
                    np.testing.assert_array_equal(sample[f"mask.{t:05}.png"][..., 0] > 0, h5[split]["masks"][row, t])
                assert sorted(sample["labels.npz"]) == sorted(LABELS)
                for name, values in sample["labels.npz"].items():
                    np.testing.assert_array_equal(values, h5[split][name][row])
                    assert values.dtype == h5[split][name].dtype


@pytest.fixture
def datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    import datasets

    datasets.disable_progress_bars()
    return datasets


def test_parquet(exported: Path, data_file: Path, datasets, tmp_path: Path):
    data = datasets.load_dataset(str(exported / "parquet"), cache_dir=str(tmp_path / "cache"))
    assert list(data) == list(SPLITS)
    features = data["train"].features
    assert features["global_action"].feature.names == ["left", "right", "up", "down", "stay"]
    assert features["local_action"].feature.names[8] == "slash_right" and len(features["local_action"].feature.names) == 9
    assert features["frames"].feature == features["masks"].feature == datasets.Image()
    with h5py.File(data_file) as h5:
        for split in SPLITS:
            assert len(data[split]) == min(CLIPS, len(h5[split]["index"]))
            for row, clip in enumerate(data[split]):
                np.testing.assert_array_equal(np.stack([np.asarray(frame) for frame in clip["frames"]]), h5[split]["frames"][row])
                np.testing.assert_array_equal(np.stack([np.asarray(mask) for mask in clip["masks"]]) > 0, h5[split]["masks"][row])
                for name in LABELS:
                    np.testing.assert_array_equal(clip[name], h5[split][name][row])
    # The files alone say the same as the card.
    file = str(next((exported / "parquet" / "data").glob("test-*")))
    alone = datasets.load_dataset("parquet", data_files=file, cache_dir=str(tmp_path / "cache"))["train"]
    assert alone.features == features
    head = yaml.safe_load((exported / "parquet" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["license"] == "unknown" and [split["name"] for split in head["dataset_info"]["splits"]] == list(SPLITS)
    lazy = data["train"].cast_column("frames", datasets.List(datasets.Image(decode=False)))  # as the card says
    assert lazy[0]["frames"][10]["bytes"].startswith(b"\x89PNG")


def test_parquet_in_bounded_files_and_row_groups(data_file: Path, datasets, tmp_path: Path):
    from wsprites.export.parquet import write

    (tmp_path / "out").mkdir()
    with wsprites.open(data_file) as data:
        head = write(Job(data, "parquet"), tmp_path / "out", file_bytes=1_200_000, group_bytes=600_000)
    (tmp_path / "out" / "README.md").write_text(f"---\n{head}---\n", encoding="utf-8")
    train = sorted((tmp_path / "out" / "data").glob("train-*"))
    assert [path.name for path in train] == [f"train-{number:05}-of-{len(train):05}.parquet" for number in range(len(train))]
    assert len(train) > 1 and all(path.stat().st_size < 1_260_000 for path in train)
    metadata = pq.ParquetFile(train[0]).metadata
    assert metadata.num_row_groups > 1
    assert all(metadata.row_group(group).total_byte_size < 630_000 for group in range(metadata.num_row_groups))
    data = datasets.load_dataset(str(tmp_path / "out"), cache_dir=str(tmp_path / "cache"))
    with h5py.File(data_file) as h5:
        assert data["train"]["index"][:] == list(h5["train/index"])


def test_mp4_is_the_preview_as_a_video(exported: Path, data_file: Path):
    videos = sorted((exported / "mp4").rglob("*.mp4"))
    with wsprites.open(data_file) as data:
        assert len(videos) == sum(min(CLIPS, len(data[split])) for split in SPLITS)
        for path in videos[:2]:
            split, row = data.find(int(path.stem.removeprefix("clip_")))
            assert path.parent.name == split
            with av.open(str(path)) as video:
                assert video.streams.video[0].average_rate == 10
                frames = [frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)]
            assert len(frames) == T
            pixels, script = data[split], data[split].script(row)
            for t in (0, 6, T - 1):
                drawn = annotate(pixels["frames"][row, t], pixels["masks"][row, t], script, t, split, data.spec)
                assert frames[t].shape == drawn.shape
                errors = [np.abs(frames[other].astype(int) - drawn).mean() for other in range(T)]
                assert int(np.argmin(errors)) == t and errors[t] < 12


@pytest.mark.bad_input
def test_no_folder_has_the_name_of_a_reader_of_datasets(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`load_dataset("parquet")` would read all files of the current folder, whatever they are."""
    monkeypatch.chdir(tmp_path)
    with wsprites.open(data_file) as data, pytest.raises(UserError, match=r"out: load_dataset\('parquet'\) .* such as clips.parquet"):
        export(Job(data, "parquet", 1), Path("parquet"))
    assert not any(tmp_path.iterdir())


def test_plain_mp4_is_the_frames_alone(data_file: Path, tmp_path: Path):
    with wsprites.open(data_file) as data:
        notes = export(Job(data, "mp4", 1, plain=True), tmp_path / "out")
        frames, index = data["val"]["frames"][0], int(data["val"]["index"][0])
        with pytest.raises(UserError, match="plain: the format parquet has no marks; use mp4"):
            Job(data, "parquet", plain=True)
    assert any("lossy" in note for note in notes) and "without marks" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    with av.open(str(tmp_path / "out" / "val" / f"clip_{index:09}.mp4")) as video:
        decoded = np.stack([frame.to_ndarray(format="rgb24") for frame in video.decode(video=0)])
    assert decoded.shape == frames.shape
    luma = [0.299, 0.587, 0.114]  # colours have half the resolution, brightness has all of it
    error = [np.abs(order @ luma - frames @ luma).mean() for order in (decoded, decoded[::-1])]
    assert error[0] < 8 < error[1]  # the second says that the order matters


def test_mp4_of_odd_size_and_a_few_by_default(sheets: Path, backgrounds: Path, tmp_path: Path):
    spec = replace(PRESETS["paper"], frames=2, height=97, width=129)
    art = load_art(spec, sheets, backgrounds)
    generate(Order(art.world(spec), seed=0, n=36), tmp_path / "odd.h5")
    run(tmp_path / "odd.h5", "mp4", tmp_path / "mp4", None)
    assert len(list((tmp_path / "mp4" / "train").iterdir())) == 4
    with av.open(str(next((tmp_path / "mp4" / "val").iterdir()))) as video:
        stream = video.streams.video[0]
        assert (stream.width, stream.height) == (3 * 129 + 1, 3 * 97 + 22 + 42 + 1)


@pytest.mark.parametrize("to", FORMATS)
def test_the_same_bytes_from_frames_from_labels_and_from_shards(
    exported: Path, labels_file: Path, order: Order, tmp_path_factory: pytest.TempPathFactory, tmp_path: Path, to: str
):
    first = contents(exported / to)
    assert set(first) > {"README.md", "CREDITS.txt", "wsprites.json"}
    again = contents(run(labels_file, to, tmp_path / to))
    made = [json.loads(files.pop("wsprites.json")) for files in (first, again)]
    assert first == again
    assert made[0].pop("pixels") == "frames masks" and made[1].pop("pixels") == "" and made[0] == made[1]
    if to == "released":
        shards = [tmp_path / f"{number}.h5" for number in (1, 2)]
        for number, shard in enumerate(shards, 1):
            generate(replace(order, shard=(number, 2)), shard)
        merge(shards, tmp_path / "virtual.h5", virtual=True)
        third = contents(run(tmp_path / "virtual.h5", to, tmp_path / "virtual"))
        third.pop("wsprites.json")
        assert first == third


def test_the_card_and_the_credits(exported: Path, data_file: Path, tmp_path: Path):
    for to in FORMATS:
        card = (exported / to / "README.md").read_text(encoding="utf-8")
        assert "They are the first of 24." in card and f"--to {to}`" in card and "seed 5" in card
        assert "(2 train, 2 val, 2 test) of 12 frames" in card and "8 slash_right" in card and "No character is in two splits" in card
        credits = (exported / to / "CREDITS.txt").read_text(encoding="utf-8")
        assert credits.startswith("Licence of the art: unknown\n") and "Ada Pixel" in credits
        assert json.loads((exported / to / "wsprites.json").read_text(encoding="utf-8"))["world"]["frames"] == T
    shutil.copyfile(data_file, tmp_path / "lpc.h5")  # H5Ocopy aborts in a process that has loaded torch and pyarrow
    with h5py.File(tmp_path / "lpc.h5", "r+") as copy:
        copy.attrs["art_licence"] = 'CC-BY-SA 3.0 or "GPL": 3.0\n---\n'
    run(tmp_path / "lpc.h5", "released", tmp_path / "released", 1)
    head = yaml.safe_load((tmp_path / "released" / "README.md").read_text(encoding="utf-8").split("---\n")[1])
    assert head["license"] == "other" and head["license_name"] == 'CC-BY-SA 3.0 or "GPL": 3.0 ---' and head["license_link"] == "CREDITS.txt"


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the library's readers
def test_the_code_of_the_readmes_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    generate(Order(load_world("paper").replace(frames=12), seed=1, n=12), tmp_path / "data.h5")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("MINARI_DATASETS_PATH", "")  # the code sets it
    results = {}
    for to in ("minari", "webdataset", "parquet"):
        monkeypatch.chdir(run(tmp_path / "data.h5", to, tmp_path / to))
        blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", Path("README.md").read_text(encoding="utf-8"), re.MULTILINE)
        code = textwrap.dedent("".join(blocks)).replace("./this folder", "this folder").replace("this folder", str(tmp_path / to))
        cached = code.replace("datasets.load_dataset(", f"datasets.load_dataset(cache_dir={str(tmp_path)!r}, path=")
        variables: dict[str, object] = {}
        exec(cached if to == "parquet" else code, variables)
        results[to] = variables
    np.testing.assert_array_equal(results["minari"]["frame"], results["minari"]["episode"].observations[1])
    assert results["webdataset"]["sample"]["mask.00000.png"].shape == (96, 128, 3)
    assert len(results["parquet"]["clip"]["frames"]) == 12


def test_the_estimate_is_about_right(data_file: Path, exported: Path, tmp_path: Path):
    run(data_file, "minari", tmp_path / "minari", None)  # enough clips that what a data set adds to them is little
    with wsprites.open(data_file) as data:
        for folder, to, clips in (
            (exported, "released", CLIPS),
            (tmp_path, "minari", None),
            (exported, "webdataset", CLIPS),
            (exported, "parquet", CLIPS),
        ):
            used = sum(path.stat().st_blocks * 512 for path in (folder / to).rglob("*"))
            assert 0.75 < used / estimate(Job(data, to, clips)) < 1.25


@pytest.mark.parametrize("to", FORMATS)
def test_nothing_is_left_of_an_interrupted_export(data_file: Path, tmp_path: Path, to: str):
    def stop(frames: int) -> None:
        raise KeyboardInterrupt

    with wsprites.open(data_file) as data, pytest.raises(KeyboardInterrupt) as raised:
        export(Job(data, to, CLIPS, progress=stop), tmp_path / "out")
    assert raised.value.__notes__ == ["nothing was kept"]
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_on_a_full_disk(data_file: Path, tmp_path: Path):
    """A limit on the size of files fails their writing much as a full disk does."""
    program = """
import resource, sys
from wsprites import cli
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
for to in sys.argv[2:]:
    try:
        cli.main(["export", sys.argv[1], "--to", to, "--out", "of-" + to])
    except SystemExit as stop:
        print(to, stop.code)
"""
    done = subprocess.run(
        [sys.executable, "-c", program, data_file, *FORMATS],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0 and "Traceback" not in done.stderr
    assert [line for line in done.stdout.splitlines() if not line.startswith(("output", "clips"))] == [f"{to} 1" for to in FORMATS]
    said = [line for line in done.stderr.splitlines() if "wsprites: " in line]
    assert len(said) == len(FORMATS) and all("writing failed" in line and "nothing was kept" in line for line in said)
    assert list(tmp_path.iterdir()) == []


def test_minari_stops_before_the_disk_is_full(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """HDF5 takes the process with it if a write fails."""
    usage = shutil.disk_usage
    free = iter([10**9] * 3)  # before it begins, and before two clips
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(path)._replace(free=next(free, 10**6)))
    with pytest.raises(OSError, match=r"writing failed \(.*No space left on device.*nothing was kept"):
        run(data_file, "minari", tmp_path / "out")
    assert next(free, None) is None and list(tmp_path.iterdir()) == []


def test_frames_of_another_size(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    import minari

    generate(Order(load_world("factorial").replace(frames=3), seed=7, n=12), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        own_frames, own_masks, shift = (data["val"][name][0] for name in ("frames", "masks", "shift"))
        for to in ("minari", "parquet"):
            export(Job(data, to, 1, resize=(64, 48)), tmp_path / to)
        for more, words in (({}, "pass plain=True"), ({"plain": True, "resize": (0, 9)}, "0 is outside the range")):
            with pytest.raises(UserError, match=f"resize: .*{words}"):
                Job(data, "mp4", **{"resize": (64, 48), **more})
        export(Job(data, "mp4", 1, plain=True, resize=(64, 48)), tmp_path / "mp4")
    # An environment that shows the same, and labels as they were.
    dataset = minari.MinariDataset(tmp_path / "minari" / "wsprites-val-v0" / "data")
    env, episode = dataset.recover_environment(), dataset[0]
    frame, info = env.reset(options=next(iter(dataset.storage.get_episode_metadata([0])))["options"])
    assert np.array_equal(episode.observations, resize_frames(own_frames, (64, 48))) and np.array_equal(frame, episode.observations[0])
    assert np.array_equal(info["mask"], episode.infos["masks"][0]) and np.array_equal(episode.infos["shift"], shift)
    # A page that says in which pixels.
    clip = pq.read_table(next((tmp_path / "parquet" / "data").glob("val-*"))).to_pylist()[0]
    for images, expected in ((clip["frames"], resize_frames(own_frames, (64, 48))), (clip["masks"], resize_masks(own_masks, (64, 48)))):
        pixels = np.stack([np.asarray(Image.open(io.BytesIO(image["bytes"]))) for image in images])
        assert np.array_equal(pixels if pixels.ndim == 4 else pixels > 0, expected)
    page = (tmp_path / "parquet" / "README.md").read_text(encoding="utf-8")
    assert "resized from 96 x 128 to 64 x 48" in page and "times (0.375, 0.666667), for x and y" in page
    assert json.loads((tmp_path / "parquet" / "wsprites.json").read_text())["exported"]["resize"] == [64, 48]
    with av.open(str(next((tmp_path / "mp4" / "val").iterdir()))) as video:
        assert (video.streams.video[0].height, video.streams.video[0].width) == (64, 48)


def test_what_cannot_be_done_is_refused(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "there").mkdir()
    (tmp_path / ".half.wsprites-partial").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    before = sorted(tmp_path.rglob("*"))
    for name, words in {
        "there": "exists already; choose another name",
        "link": "exists already",
        "half": "another export is writing it, or was killed; if none is running, remove it",
        "no/out": "no: no such folder",
        "a" * 300: "is not a possible name",
    }.items():
        with pytest.raises(UserError, match=words):
            run(data_file, "released", tmp_path / name)
    with pytest.raises(UserError, match="to: zip is not one of released, minari"):
        run(data_file, "zip", tmp_path / "out")
    monkeypatch.delitem(sys.modules, "wsprites.export.mp4", raising=False)
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"av is not installed; run pip install \"\.\[export\]\" in a checkout"):
        run(data_file, "mp4", tmp_path / "out")
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.bad_input
@pytest.mark.parametrize("missing", ["tensorflow", "tensorflow_datasets"])
def test_rlds_needs_an_extra_of_its_own(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys, missing: str):
    for name in ("tensorflow", "tensorflow_datasets"):
        monkeypatch.setitem(sys.modules, name, None if name == missing else ModuleType(name))
    monkeypatch.delitem(sys.modules, "wsprites.export.rlds", raising=False)
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", str(data_file), "--to", "rlds", "--out", str(tmp_path / "out")])
    assert stop.value.code == 2 and list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == f'wsprites: {missing} is not installed; run pip install ".[rlds]" in a checkout of wsprites\n'


def test_the_commands_of_the_page_about_data(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    page = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
    (block,) = (block for block in re.findall(r"^```sh\n(.*?)^```$", page, re.MULTILINE | re.DOTALL) if "wsprites export" in block)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.h5").symlink_to(data_file)
    for line in block.splitlines():
        cli.main(shlex.split(line, comments=True)[1:])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["clips.parquet", "data.h5", "videos"]


def test_the_command(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    cli.main(["export", str(data_file), "--to", "released", "--out", "released", "--clips", "1"])
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("output   released: about ") and said[0].endswith(" free")
    assert said[1] == "clips    1 of 19 train, 1 of 3 val, 1 of 2 test"
    left_out = "index, parts, background, background_action, animation_frame, position, background_offset"
    assert said[2] == f"left out {left_out}: the format has no place for them"
    assert said[3].startswith("done     released: 36 frames in ") and len(said) == 4
    assert f"- {said[2]}\n" in (tmp_path / "released" / "README.md").read_text(encoding="utf-8")
    assert [len(list((tmp_path / "released" / split).iterdir())) for split in SPLITS] == [1, 1, 1]
    for more, words in (
        ([], "released: exists already"),
        (["--out", "b", "--clips", "0"], "0 is not in the range"),
        (["--to", "zip"], "'zip'"),
        (["--out", "b", "--shard-clips", "2"], "--shard-clips: the format released has no shards; use webdataset or parquet"),
        (["--out", "b", "--to", "webdataset", "--shard-clips", "0"], "0 is not in the range"),
        (["--out", "b", "--resize", "64"], "'64' is not of the form HxW, such as 96x256"),
        (["--out", "b", "--to", "mp4", "--resize", "64x64"], "--resize: previews are drawn at the size of the file; pass --plain"),
    ):
        with pytest.raises(SystemExit) as stop:
            cli.main(["export", str(data_file), "--to", "released", "--out", "released", *more])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and words in said and said.count("\n") == 1
    cli.main(["export", str(data_file), "--to", "glass", "--out", "glass", "--clips", "1"])  # another name
    assert contents(tmp_path / "glass") == contents(tmp_path / "released")
