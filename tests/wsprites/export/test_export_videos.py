"""Exports of imported videos, with and without labels, read back by the libraries of their users."""

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import av
import h5py
import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites import cli
from wsprites.errors import UserError
from wsprites.export import FORMATS, Job, estimate, export
from wsprites.file import VideoFile
from wsprites.world.spec import SPLITS

FRAMES, CLIPS = 4, {"train": 3, "val": 1, "test": 2}
Imported = Callable[[str], Path]


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Imported:
    """Files of imported videos by kind: "plain" came without labels, "labelled" with actions, rewards and dones."""
    random = np.random.default_rng(0)
    files = {}
    for kind in ("plain", "labelled"):
        folder = tmp_path_factory.mktemp(kind)
        for split, clips in CLIPS.items():
            video = folder / "in" / split / "walk"
            video.mkdir(parents=True)
            frames = clips * FRAMES
            for t in range(frames):
                Image.fromarray(random.integers(0, 256, (33, 40, 3), np.uint8)).save(video / f"{t:05}.png")
            lists = {
                "actions": np.arange(frames) % 3 + 2,
                "rewards": np.arange(frames) / 4,
                "dones": np.arange(frames) % FRAMES == FRAMES - 1,
            }
            for name, values in lists.items() if kind == "labelled" else ():
                (video / f"{name}.pkl").write_bytes(pickle.dumps(values.tolist()))
        files[kind] = folder / "videos.h5"
        cli.main(["import", str(folder / "in"), "--out", str(files[kind]), "--frames", str(FRAMES)])
    return files.__getitem__


def run(file: Path, to: str, out: Path, **options) -> Path:
    with wsprites.open(file) as data:
        export(Job(data, to, **options), out)
    return out


def clips_of(file: Path) -> dict[str, list[dict[str, np.ndarray]]]:
    """The arrays of every clip by their names."""
    with wsprites.open(file) as data:
        assert isinstance(data, VideoFile)
        names = data["train"].keys()
        return {split: [{name: data[split][name][row] for name in names} for row in range(len(data[split]))] for split in SPLITS}


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # of the library's readers
@pytest.mark.parametrize("kind", ["plain", "labelled"])
def test_webdataset(imported: Imported, tmp_path: Path, kind: str):
    import webdataset

    out = run(imported(kind), "webdataset", tmp_path / "out", shard_clips=2)
    assert [len(list(out.glob(f"{split}-*.tar"))) for split in SPLITS] == [2, 1, 1]
    for split, clips in clips_of(imported(kind)).items():
        shards = [str(path) for path in sorted(out.glob(f"{split}-*.tar"))]
        samples = list(webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8"))
        for sample, clip in zip(samples, clips, strict=True):
            assert int(sample["__key__"]) == clip["index"] and not any(name.startswith("mask") for name in sample)
            np.testing.assert_array_equal([sample[f"frame.{t:05}.png"] for t in range(FRAMES)], clip.pop("frames"))
            assert sample["labels.npz"].keys() == clip.keys() and ("actions" in clip) == (kind == "labelled")
            for name, values in clip.items():
                np.testing.assert_array_equal(sample["labels.npz"][name], values)


@pytest.mark.parametrize("kind", ["plain", "labelled"])
def test_parquet(imported: Imported, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    import datasets
    from torch.utils.data import DataLoader

    out = run(imported(kind), "parquet", tmp_path / "out", shard_clips=1)
    assert [len(list((out / "data").glob(f"{split}-*"))) for split in SPLITS] == list(CLIPS.values())
    data = datasets.load_dataset(str(out), cache_dir=str(tmp_path / "cache"))
    for split, clips in clips_of(imported(kind)).items():
        for row, clip in zip(data[split], clips, strict=True):
            np.testing.assert_array_equal([np.asarray(frame) for frame in row.pop("frames")], clip.pop("frames"))
            assert row.keys() == clip.keys()
            for name, values in clip.items():
                np.testing.assert_array_equal(row[name], values)
    streamed = datasets.load_dataset(str(out), split="train", streaming=True).select_columns("index")
    for workers in (0, 2, 3):
        rows = DataLoader(streamed, batch_size=None, num_workers=workers, collate_fn=dict)
        assert sorted(row["index"] for row in rows) == list(range(CLIPS["train"]))


@pytest.mark.parametrize("kind", ["plain", "labelled"])
def test_the_released_layout_is_imported_again(imported: Imported, tmp_path: Path, kind: str):
    out = run(imported(kind), "released", tmp_path / "out")
    cli.main(["import", str(out), "--out", str(tmp_path / "again.h5"), "--frames", str(FRAMES)])
    before, after = clips_of(imported(kind)), clips_of(tmp_path / "again.h5")
    for split in SPLITS:
        for a, b in zip(before[split], after[split], strict=True):
            assert a.keys() == b.keys()
            for name in set(a) - {"video", "first_frame", "index", "time"}:
                np.testing.assert_array_equal(a[name], b[name])


def test_actions_of_wsprites_own_layout_are_left_out_of_an_import(data_file: Path, imported: Imported, tmp_path: Path):
    """They led to their frame, and would be late by a step where they are taken for those that lead from it."""
    run(data_file, "released", tmp_path / "in", clips=1)
    shutil.copytree(imported("labelled").parent / "in" / "train", tmp_path / "in" / "train", dirs_exist_ok=True)  # of CADDY's layout
    cli.main(["import", str(tmp_path / "in"), "--out", str(tmp_path / "v.h5"), "--frames", "4", "--size", "33x40"])
    with VideoFile(tmp_path / "v.h5") as data:
        assert "actions" not in data["train"]
        reasons = [entry.reason for entry in data.left_out if entry.name.endswith("/actions.pkl")]
    late = [reason for reason in reasons if reason.startswith("actions of W-Sprites' layout, which led to their frame")]
    assert len(late) == 3 and {*reasons} - {*late} == {f"labels that only {len(reasons) - 3} of {len(reasons)} videos have"}


def test_lerobot(imported: Imported, tmp_path: Path):
    import pyarrow.parquet as pq

    with VideoFile(imported("labelled")) as data:
        note, padded = export(Job(data, "lerobot"), tmp_path / "out")
    out = tmp_path / "out"
    assert padded == "padded   33 x 40 to 34 x 40 by repeating the last row or column: H.264 has even sides only"
    assert note == "left out exact pixels, time, rewards, dones, the last frame of each clip: no action follows it"
    for split, clips in clips_of(imported("labelled")).items():
        table = pq.read_table(out / split / "data" / "chunk-000" / "file-000.parquet").to_pydict()
        assert np.ravel(table["action"]).tolist() == [action for clip in clips for action in clip["actions"][:-1]]  # taken at the frame
        assert table["frame_index"] == [0, 1, 2] * len(clips)
        episodes = pq.read_table(out / split / "meta" / "episodes" / "chunk-000" / "file-000.parquet").to_pylist()
        assert [one["clip/first_frame"] for one in episodes] == [int(clip["first_frame"]) for clip in clips]
        info = json.loads((out / split / "meta" / "info.json").read_text())
        assert info["features"]["observation.images.front"]["shape"] == [34, 40, 3] and info["fps"] == 10
    with pytest.raises(UserError, match="the videos came without actions, which LeRobot needs; choose another format"):
        run(imported("plain"), "lerobot", tmp_path / "plain")


def test_minari(imported: Imported, tmp_path: Path):
    import minari

    out = run(imported("labelled"), "minari", tmp_path / "out")
    for split, clips in clips_of(imported("labelled")).items():
        dataset = minari.MinariDataset(out / f"wsprites-{split}-v0" / "data")
        assert dataset.env_spec is None and (dataset.action_space.start, dataset.action_space.n) == (2, 3)
        metadata = dataset.storage.get_episode_metadata(range(len(dataset)))
        for episode, clip, facts in zip(dataset, clips, metadata, strict=True):
            assert facts["index"] == clip["index"] and facts["first_frame"] == clip["first_frame"]
            np.testing.assert_array_equal(episode.observations, clip["frames"])
            for t in range(FRAMES - 1):  # taken at t, and what it led to
                assert episode.actions[t] == clip["actions"][t] and episode.actions[t] in dataset.action_space
                assert episode.rewards[t] == clip["rewards"][t + 1] and episode.terminations[t] == clip["dones"][t + 1]
            assert episode.terminations.tolist() == [False, False, True] and not episode.truncations.any()
            assert episode.infos["actions"][-1] == clip["actions"][-1] and set(episode.infos) >= {"actions", "rewards", "dones"}


def test_mp4(imported: Imported, tmp_path: Path):
    out = run(imported("plain"), "mp4", tmp_path / "out")
    assert {split: len(list((out / split).iterdir())) for split in SPLITS} == CLIPS
    for path in out.rglob("*.mp4"):
        with av.open(str(path)) as video:
            assert sum(1 for _ in video.decode(video=0)) == FRAMES


def test_the_rate_of_a_preview_is_that_of_the_video(tmp_path: Path):
    with av.open(str(tmp_path / "walk.mp4"), "w") as video:
        stream = video.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "yuv420p"
        for shade in range(12):
            video.mux(stream.encode(av.VideoFrame.from_ndarray(np.full((48, 64, 3), 9 * shade, np.uint8), format="rgb24")))
        video.mux(stream.encode())
    cli.main(["import", str(tmp_path), "--out", str(tmp_path / "videos.h5"), "--frames", "6"])
    with wsprites.open(tmp_path / "videos.h5") as data:
        known = "time" in set(data["train"].keys())
    run(tmp_path / "videos.h5", "mp4", tmp_path / "out")
    with av.open(str(next((tmp_path / "out").rglob("*.mp4")))) as video:
        assert video.streams.video[0].average_rate == (25 if known else 10)


@pytest.mark.parametrize("to", ["minari", "lerobot", "webdataset"])
@pytest.mark.parametrize("skip", [0, 2])
def test_skipped_frames_are_named_where_actions_are(imported: Imported, tmp_path: Path, to: str, skip: int, capsys):
    source = imported("labelled").parent / "in"
    cli.main(["import", str(source), "--out", str(tmp_path / "v.h5"), "--frames", "4" if skip == 0 else "2", "--skip", str(skip)])
    cli.main(["export", str(tmp_path / "v.h5"), "--to", to, "--out", str(tmp_path / "out")])
    note = "skipped  2 frames after each: 3 steps lie between two frames, and actions, rewards and dones of skipped frames are not there\n"
    assert (note in capsys.readouterr().out) == (skip > 0 and to != "webdataset")
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert ("between two frames of a clip lie 3 steps.\nActions, rewards and dones of skipped frames are not there" in card) == (skip > 0)
    assert ("- skipped 2 frames after each" in card) == (skip > 0 and to != "webdataset")


def test_what_came_without_labels_loses_none(imported: Imported, tmp_path: Path):
    cli.main(["import", str(imported("plain").parent / "in"), "--out", str(tmp_path / "v.h5"), "--frames", "2", "--skip", "1"])
    assert "steps" not in (run(tmp_path / "v.h5", "webdataset", tmp_path / "out") / "README.md").read_text(encoding="utf-8")


@pytest.mark.bad_input
def test_episodes_need_actions(imported: Imported, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["export", str(imported("plain")), "--to", "minari", "--out", str(tmp_path / "out")])
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.count("\n") == 1
    assert "videos.h5: the videos came without actions, which episodes of Minari need; choose another format; nothing was kept" in said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.bad_input
def test_files_of_strangers(imported: Imported, tmp_path: Path):
    for name in ("actions", "video"):
        shutil.copy(imported("labelled"), tmp_path / f"{name}.h5")
    with h5py.File(tmp_path / "actions.h5", "r+") as h5:
        h5["train/actions"][0, 1] = -(2**63)
    with h5py.File(tmp_path / "video.h5", "r+") as h5:
        h5["train/video"][0] = 99
        h5.attrs["splits"] = "by folder |\n---\n# Another"
    with pytest.raises(UserError, match=r"actions.h5: actions from -9223372036854775808 to 4 are no numbers of choices"):
        run(tmp_path / "actions.h5", "minari", tmp_path / "out")
    with pytest.raises(UserError, match=r"video.h5: damaged: .* there are 3 videos"):
        run(tmp_path / "video.h5", "mp4", tmp_path / "out")
    assert "\n# Another" not in (run(tmp_path / "video.h5", "released", tmp_path / "out") / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("to", [to for to in FORMATS if to not in ("minari", "lerobot", "rlds")])
def test_the_card_says_what_the_clips_come_from(imported: Imported, tmp_path: Path, to: str):
    out = run(imported("plain"), to, tmp_path / "out", clips=1)
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "pretty_name: Imported videos\n" in card and "\n# Imported videos\n" in card  # they are not W-Sprites
    assert "They are the first of 6." in card and "license: unknown" in card and "3 (1 train, 1 val, 1 test) of 4 frames, 33 x 40" in card
    assert "`first_frame`" in card and "`global_action`" not in card and "mask" not in card.replace("no masks", "")
    facts = json.loads((out / "wsprites.json").read_text(encoding="utf-8"))
    assert facts["exported"]["to"] == to and facts["source"] == "videos" and len(facts["videos"]) == 3
    assert [clip["split"] for clip in facts["clip_of"]] == list(SPLITS) and facts["clip_of"][1]["video"] == 1
    assert not (out / "CREDITS.txt").exists()


def test_the_card_of_lerobot_says_which_action_is_at_a_frame(imported: Imported, data_file: Path, tmp_path: Path):
    """Those of videos were taken at frame t, while the label t of a world says what led to frame t."""
    of_videos, of_world = (
        (run(path, "lerobot", tmp_path / name, clips=1) / "README.md").read_text(encoding="utf-8")
        for name, path in (("videos", imported("labelled")), ("world", data_file))
    )
    assert "the labels at index t+1" in of_world and "index t+1" not in of_videos
    assert "`action` is the entry of `actions` below at index t" in of_videos and "index t, which came" not in of_world
    assert "Masks" in of_world and "Masks" not in of_videos


def test_croissant_names_the_types_of_labels(imported: Imported, tmp_path: Path):
    out = run(imported("labelled"), "parquet", tmp_path / "out", clips=1)
    (record, *_) = json.loads((out / "croissant.json").read_text(encoding="utf-8"))["recordSet"]
    types = {field["name"].rpartition("/")[2]: field["dataType"] for field in record["field"]}
    expected = {"actions": "sc:Integer", "rewards": "sc:Float", "dones": "sc:Boolean", "time": "sc:Float"}
    assert {name: types[name] for name in expected} == expected


def test_the_estimate_is_about_right(imported: Imported, tmp_path: Path):
    for to in ("released", "webdataset", "parquet"):
        out = run(imported("plain"), to, tmp_path / to)
        used = sum(path.stat().st_size for path in out.rglob("*.[ptm][nap]*") if path.suffix in (".png", ".tar", ".parquet"))
        with wsprites.open(imported("plain")) as data:
            assert 0.4 < used / estimate(Job(data, to)) < 1.7


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"to": "parquet", "clips": 0}, "clips: 0 is less than 1"),
        ({"to": "parquet", "clips": -1}, "clips: -1 is less than 1"),
        ({"to": "webdataset", "shard_clips": 0}, "shard_clips: 0 is less than 1"),
        ({"to": "mp4", "shard_clips": 2}, "shard_clips: the format mp4 has no shards; use webdataset or parquet"),
    ],
)
def test_impossible_jobs(imported: Imported, options: dict, words: str):
    with wsprites.open(imported("plain")) as data, pytest.raises(UserError, match=words):
        Job(data, **options)
