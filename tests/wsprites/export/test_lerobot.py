"""Exports to LeRobotDataset v3.0: files read with pyarrow and av, value by value, and by lerobot itself where it is installed."""

import json
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pyarrow.parquet as pq
import pytest

import wsprites
from wsprites.art import Art, World
from wsprites.errors import UserError
from wsprites.export import Job, export, lerobot
from wsprites.generate import Order, generate
from wsprites.world.script import Script
from wsprites.world.spec import SPLITS, WorldSpec

CLIPS, T = 2, 12
CAMERA = "observation.images.front"


@pytest.fixture(scope="module")
def exported(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("lerobot") / "out"
    with wsprites.open(data_file) as data:
        (note,) = export(Job(data, "lerobot", CLIPS), out)
    assert note == "left out exact pixels, masks, the last frame of each clip: no action follows it"
    return out


def rows(root: Path) -> dict[str, np.ndarray]:
    """All columns of the data files, in the order of the files."""
    tables = [pq.read_table(path) for path in sorted((root / "data").glob("*/*.parquet"))]
    return {name: np.concatenate([np.array(table[name].to_pylist()) for table in tables]) for name in tables[0].column_names}


def decoded(path: Path) -> tuple[list[float], np.ndarray]:
    """The times and the pictures of a video."""
    with av.open(str(path)) as video:
        pairs = [(float(frame.pts * frame.time_base), frame.to_ndarray(format="rgb24")) for frame in video.decode(video=0)]
    return [time for time, _ in pairs], np.stack([picture for _, picture in pairs])


@pytest.mark.parametrize("split", SPLITS)
def test_actions_lead_to_the_next_frame(exported: Path, data_file: Path, split: str):
    columns = rows(exported / split)
    with wsprites.open(data_file) as data:
        scripts: list[Script] = [data[split].script(row) for row in range(CLIPS)]
    assert len(columns["index"]) == CLIPS * (T - 1)
    for number, (episode, frame) in enumerate(zip(columns["episode_index"], columns["frame_index"], strict=True)):
        script, now, after = scripts[episode], frame, frame + 1
        assert columns["index"][number] == number == episode * (T - 1) + frame
        names = ("global_action", "local_action", "background_action")
        assert columns["action"][number].tolist() == [getattr(script, name)[after] for name in names]
        moved = script.position[after] - script.position[now]  # what the action did
        assert np.array_equal(moved, script.shift[after])
        state = [*script.position[now], *script.background_offset[now], script.animation_frame[now]]
        assert columns["observation.state"][number].tolist() == state
        for name in (*names, "shift", "background_shift"):
            assert np.array_equal(columns[f"label.{name}"][number], getattr(script, name)[now])
        assert np.float32(columns["timestamp"][number]) == np.float32(frame / 10) and columns["task_index"][number] == 0


@pytest.mark.parametrize("split", ["train", "test"])
def test_episodes_are_where_the_table_says(exported: Path, data_file: Path, split: str):
    times, pictures = decoded(exported / split / "videos" / CAMERA / "chunk-000" / "file-000.mp4")
    episodes = pq.read_table(exported / split / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    assert times == pytest.approx(np.arange(CLIPS * (T - 1)) / 10, abs=1e-6)
    with wsprites.open(data_file) as data:
        for number, episode in enumerate(episodes):
            true, length = data[split]["frames"][number].astype(float), T - 1
            assert (episode["episode_index"], episode["length"]) == (number, length)
            assert (episode["dataset_from_index"], episode["dataset_to_index"]) == (number * length, (number + 1) * length)
            begin, end = (episode[f"videos/{CAMERA}/{name}_timestamp"] for name in ("from", "to"))
            assert (begin, end) == pytest.approx((number * length / 10, (number + 1) * length / 10))
            labels = [int(data[split][name][number]) for name in ("index", "character", "background")]
            assert [episode[f"clip/{name}"] for name in ("index", "character", "background")] == labels
            for t in (0, 1, 7, length - 1):
                picture = pictures[times.index(min(times, key=lambda time: abs(time - begin - t / 10)))].astype(float)
                error = ((true - picture) ** 2).mean((1, 2, 3))
                assert error[t] == error.min() and error[t] < 0.5 * np.median(error), error


def test_what_describes_a_dataset(exported: Path, data_file: Path):
    meta = exported / "train" / "meta"
    info, stats = (json.loads((meta / f"{name}.json").read_text()) for name in ("info", "stats"))
    assert (info["codebase_version"], info["fps"], info["splits"]) == ("v3.0", 10, {"train": "0:2"})
    assert (info["total_episodes"], info["total_frames"], info["total_tasks"]) == (2, CLIPS * (T - 1), 1)
    table = pq.read_table(exported / "train" / info["data_path"].format(chunk_index=0, file_index=0))
    assert (exported / "train" / info["video_path"].format(video_key=CAMERA, chunk_index=0, file_index=0)).is_file()
    features = info["features"]
    assert {*features} == {CAMERA, *table.column_names} == {*stats} and not any("/" in name for name in features)
    for name in table.column_names:
        kind = table.schema.field(name).type
        size, of = (kind.list_size, kind.value_type) if features[name]["shape"] != [1] else (1, kind)
        assert [size] == features[name]["shape"] and str(of) == {"float32": "float", "int64": "int64"}[features[name]["dtype"]]
    assert features["action"]["names"] == ["global_action", "local_action", "background_action"]
    assert features[CAMERA]["shape"] == [96, 128, 3] and features[CAMERA]["info"]["video.codec"] == "h264"
    # Statistics of all episodes; quantiles are means of those of the episodes.
    columns = rows(exported / "train")
    for name in ("action", "observation.state", "label.shift", "index", "timestamp"):
        values = columns[name].reshape(CLIPS * (T - 1), -1).astype(float)
        for stat in ("min", "max", "mean", "std"):
            assert stats[name][stat] == pytest.approx(getattr(values, stat)(0), rel=1e-6), (name, stat)
        halves = [np.quantile(part, 0.9, axis=0) for part in (values[: T - 1], values[T - 1 :])]
        assert stats[name]["q90"] == pytest.approx(np.mean(halves, 0), rel=1e-6) and stats[name]["count"] == [CLIPS * (T - 1)]
    with wsprites.open(data_file) as data:
        frames = data["train"]["frames"][:CLIPS, :-1] / 255
    assert np.shape(stats[CAMERA]["mean"]) == (3, 1, 1)
    assert np.ravel(stats[CAMERA]["mean"]) == pytest.approx(frames.mean((0, 1, 2, 3))) and stats[CAMERA]["count"] == [CLIPS * (T - 1)]
    assert np.ravel(stats[CAMERA]["std"]) == pytest.approx(frames.std((0, 1, 2, 3)), rel=1e-6)
    assert np.ravel(stats[CAMERA]["min"]) == pytest.approx(frames.min((0, 1, 2, 3)))
    for name, share in (("q01", 0.01), ("q10", 0.1), ("q50", 0.5), ("q90", 0.9), ("q99", 0.99)):
        assert np.ravel(stats[CAMERA][name]) == pytest.approx(np.quantile(frames, share, axis=(1, 2, 3)).mean(0), rel=1e-9)
    # One task, whose words are the index of a table of pandas.
    pandas = pytest.importorskip("pandas")
    tasks = pandas.read_parquet(meta / "tasks.parquet")
    assert tasks.iloc[0].name == "Move the character, show its animation, and move the scene." and tasks.iloc[0].task_index == 0


def test_several_files(spec: WorldSpec, art: Art, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Of one or two episodes each, in folders of two files; frames of an odd height get a row more."""
    generate(Order(World(replace(spec, frames=4), art), seed=0, n=24), tmp_path / "data.h5")
    monkeypatch.setattr(lerobot, "_CHUNK_FILES", 2)
    monkeypatch.setattr(lerobot, "_VIDEO_BYTES", 2 * 3 * (95 * 128 * 3 // 8))
    with wsprites.open(tmp_path / "data.h5") as data:
        notes = export(Job(data, "lerobot", 5, resize=(95, 128)), tmp_path / "out")
    assert "padded   95 x 128 to 96 x 128 by repeating the last row or column: H.264 has even sides only" in notes
    train = tmp_path / "out" / "train"
    episodes = pq.read_table(train / "meta/episodes/chunk-000/file-000.parquet").to_pylist()
    places = [(one["data/chunk_index"], one["data/file_index"], one[f"videos/{CAMERA}/from_timestamp"]) for one in episodes]
    assert places == [(0, 0, 0), (0, 0, pytest.approx(0.3)), (0, 1, 0), (0, 1, pytest.approx(0.3)), (1, 0, 0)]
    assert rows(train)["index"].tolist() == list(range(15)) and rows(train)["episode_index"].tolist() == [n // 3 for n in range(15)]
    times, pictures = decoded(train / "videos" / CAMERA / "chunk-001" / "file-000.mp4")
    assert len(times) == 3 and pictures.shape == (3, 96, 128, 3)
    assert json.loads((train / "meta/info.json").read_text())["features"][CAMERA]["shape"] == [96, 128, 3]


def test_frames_of_a_pixel(data_file: Path, tmp_path: Path):
    """Of which an eighth, the estimate of their size in a video, is no byte."""
    with wsprites.open(data_file) as data:
        export(Job(data, "lerobot", 1, resize=(1, 1)), tmp_path / "out")
    assert decoded(tmp_path / "out" / "val" / "videos" / CAMERA / "chunk-000" / "file-000.mp4")[1].shape == (T - 1, 2, 2, 3)


@pytest.mark.parametrize("values", [[7], [3, 200], [0, 0, 0, 1], list(range(256)), [5] * 99 + [250]])
def test_statistics_of_colours_are_those_of_their_pixels(values: list[int]):
    pixels = np.random.default_rng(0).permuted(np.tile(np.array(values, np.uint8)[:, None], 3), axis=0)
    counts = np.stack([np.bincount(pixels[:, c], minlength=256) for c in range(3)])
    found, expected = lerobot._colour_stats(counts, 1), lerobot._stats(pixels / 255)
    assert found.pop("count").tolist() == [1] and {*found} == {*expected} - {"count"}
    for name, column in found.items():
        assert column.shape == (3, 1, 1) and column.ravel() == pytest.approx(expected[name], abs=1e-12), name


@pytest.mark.bad_input
def test_episodes_need_transitions(spec: WorldSpec, art: Art, tmp_path: Path):
    generate(Order(World(replace(spec, frames=1), art), seed=0, n=2), tmp_path / "one.h5")
    with wsprites.open(tmp_path / "one.h5") as data, pytest.raises(UserError, match="clips of one frame have no transitions"):
        export(Job(data, "lerobot"), tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["one.h5"]


def test_lerobot_reads_it(exported: Path, data_file: Path, monkeypatch: pytest.MonkeyPatch):
    library = pytest.importorskip("lerobot.datasets.lerobot_dataset")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    data = library.LeRobotDataset(
        "wsprites/val", root=exported / "val", delta_timestamps={"action": [0, 0.1], CAMERA: [0, 0.1]}, video_backend="pyav"
    )
    with wsprites.open(data_file) as file:
        frames, local = file["val"]["frames"][1], file["val"]["local_action"][1]
    item = data[T - 1 + 7]  # frame 7 of the second episode
    assert len(data) == CLIPS * (T - 1) and item["task"].startswith("Move the character")
    assert item["action"][:, 1].tolist() == local[[8, 9]].tolist()
    seen = item[CAMERA].movedim(1, -1).numpy() * 255
    error = ((seen[:, None] - frames) ** 2).mean((2, 3, 4))
    assert error.min(1).tolist() == [error[0, 7], error[1, 8]]
