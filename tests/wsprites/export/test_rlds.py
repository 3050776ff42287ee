"""Exports in the layout RLDS, read back by TensorFlow Datasets: every frame, label and action. Needs the extra `rlds`."""

import json
import os
import pickle
import re
import textwrap
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites import cli
from wsprites.art import Art, World
from wsprites.errors import UserError
from wsprites.export import Job, export
from wsprites.generate import Order, generate
from wsprites.recording import Recording
from wsprites.render.resize import resize_frames, resize_masks
from wsprites.world.actions import GlobalAction, LocalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, Script, script
from wsprites.world.spec import SPLITS, WorldSpec

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
pytest.importorskip("tensorflow")
tfds = pytest.importorskip("tensorflow_datasets")

CLIPS, T = 2, 12
ACTIONS = {"global": "global_action", "local": "local_action", "scene": "background_action"}


@pytest.fixture(scope="module")
def exported(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("rlds") / "out"
    with wsprites.open(data_file) as data:
        notes = export(Job(data, "rlds", CLIPS), out)
    assert notes == ("actions  the last step of an episode has none: zeros there mean nothing (is_last)", "shards   train 1, val 1, test 1")
    return out


def builder_of(out: Path) -> Any:
    return tfds.builder_from_directory(out / "wsprites" / "1.0.0")


def episodes(out: Path, split: str) -> list[tuple[dict[str, Any], list[dict[str, Any]]]]:
    """(metadata, steps) of every episode as numpy arrays, by the index of the clip."""
    every = [(episode["episode_metadata"], list(episode["steps"])) for episode in tfds.as_numpy(builder_of(out).as_dataset(split))]
    return sorted(every, key=lambda episode: int(episode[0]["index"]))


@pytest.mark.parametrize("split", SPLITS)
def test_every_frame_label_and_action(exported: Path, data_file: Path, split: str):
    read = episodes(exported, split)
    with wsprites.open(data_file) as data:
        assert len(read) == CLIPS
        for row, (metadata, steps) in enumerate(read):
            labels: Script = data[split].script(row)
            frames, masks = data[split]["frames"][row], data[split]["masks"][row]
            for name in CLIP_LABELS:
                assert np.array_equal(metadata[name], getattr(labels, name))
            assert (metadata["seed"], metadata["world"], {*metadata}) == (5, b"paper", {*CLIP_LABELS, "seed", "world"})
            assert len(steps) == T
            for t, step in enumerate(steps):
                assert step["observation"]["image"].dtype == np.uint8 and np.array_equal(step["observation"]["image"], frames[t])
                assert np.array_equal(step["label"]["mask"], 255 * masks[t, ..., None])
                assert {*step["label"]} == {*FRAME_LABELS, "mask"}
                for name in FRAME_LABELS:
                    assert np.array_equal(step["label"][name], getattr(labels, name)[t]), name
                state = [*labels.position[t], *labels.background_offset[t], labels.animation_frame[t]]
                assert step["observation"]["state"].tolist() == state
                after = {part: getattr(labels, name)[t + 1] if t + 1 < T else 0 for part, name in ACTIONS.items()}
                assert step["action"] == after
                flags = (step["is_first"], step["is_last"], step["is_terminal"], step["reward"], step["discount"])
                assert flags == (t == 0, t == T - 1, False, 0, float(t < T - 1))


def test_the_alignment_of_a_steered_episode(spec: WorldSpec, art: Art, tmp_path: Path):
    """What was done at a step is its action, and the next step shows the result; the only clip is in one split."""
    chosen = [(GlobalAction.right, GlobalAction.down), (GlobalAction.right, GlobalAction.stay), (GlobalAction.left, GlobalAction.up)]
    local = [LocalAction.walk_right, LocalAction.slash_front, LocalAction.spellcast_left]
    world = World(spec, art)
    recording = Recording(world)
    begin = next(n for n in range(99) if 10 < script(spec, 0, n).position[0, 0] < 40)  # away from the edges
    first = recording.begin(begin)
    for (step, scene), animation in zip(chosen, local, strict=True):
        recording.step(step, animation, scene)
    recording.write(tmp_path / "steered.h5", frames=4)
    with wsprites.open(tmp_path / "steered.h5") as data:
        export(Job(data, "rlds"), tmp_path / "out")
    (split,) = builder_of(tmp_path / "out").info.splits
    ((_, steps),) = episodes(tmp_path / "out", split)
    assert [step["action"]["global"] for step in steps] == [1, 1, 0, 0]  # right, right, left, and nothing
    assert [step["action"]["local"] for step in steps] == [2, 6, 4, 0]
    assert [step["action"]["scene"] for step in steps] == [3, 4, 2, 0]
    assert [step["label"]["local_action"] for step in steps[1:]] == [2, 6, 4] and steps[0]["label"]["local_action"] == first.local_action
    x_t = [int(step["observation"]["state"][0]) for step in steps]
    pace = spec.sprite.step
    assert np.diff(x_t).tolist() == [pace, pace, -pace]
    assert [bool(step["is_last"]) for step in steps] == [False, False, False, True]


def test_what_describes_the_dataset(exported: Path):
    info = builder_of(exported).info
    assert (info.name, str(info.version), {*info.splits}) == ("wsprites", "1.0.0", {*SPLITS})
    assert [info.splits[split].num_examples for split in SPLITS] == [CLIPS] * 3
    action = info.features["steps"]["action"]
    assert action["global"].names == action["scene"].names == [one.name for one in GlobalAction]
    assert action["local"].names == [one.name for one in local_actions(3)]
    files = sorted(path.name for path in (exported / "wsprites" / "1.0.0").glob("*.tfrecord*"))
    assert files == [f"wsprites-{split}.tfrecord-00000-of-00001" for split in sorted(SPLITS)]
    loaded = tfds.load("wsprites", data_dir=exported, split="val")
    assert len(loaded) == CLIPS


def test_the_code_of_the_readme_runs(exported: Path, data_file: Path):
    blocks = re.findall(r"(?:^    .*\n|^\n(?=    ))+", (exported / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    variables: dict[str, Any] = {}
    exec(textwrap.dedent("".join(blocks)).replace("this folder", str(exported)), variables)
    with wsprites.open(data_file) as data:
        last = data["train"]["frames"][CLIPS - 1, -1]
    assert np.array_equal(variables["step"]["observation"]["image"], last)


def test_shards_and_another_size(spec: WorldSpec, art: Art, tmp_path: Path):
    """Shards of two clips, or of a size; pixels are resized, labels are not."""
    from wsprites.export.rlds import write

    generate(Order(World(replace(spec, frames=3), art), seed=0, n=24), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        export(Job(data, "rlds", 5, shard_clips=2, resize=(24, 31)), tmp_path / "out")
        small = tmp_path / "small"
        small.mkdir()
        write(Job(data, "rlds", 5), small, shard_bytes=1)
        frames, masks, shift = (data["train"][name][:5] for name in ("frames", "masks", "shift"))
    assert builder_of(tmp_path / "out").info.splits["train"].shard_lengths == [2, 2, 1]
    assert builder_of(small).info.splits["train"].shard_lengths == [1] * 5
    assert sorted(path.name for path in (tmp_path / "out").rglob("*train*")) == [
        f"wsprites-train.tfrecord-0000{n}-of-00003" for n in range(3)
    ]
    read = episodes(tmp_path / "out", "train")
    assert len(read) == len(episodes(small, "train")) == 5
    for row, (_, steps) in enumerate(read):
        images, covered = (np.stack(every) for every in zip(*((s["observation"]["image"], s["label"]["mask"]) for s in steps), strict=True))
        assert np.array_equal(images, resize_frames(frames[row], (24, 31)))
        assert np.array_equal(covered[..., 0] > 0, resize_masks(masks[row], (24, 31)))
        assert np.array_equal([step["label"]["shift"] for step in steps], shift[row])
    assert json.loads((tmp_path / "out" / "wsprites.json").read_text())["exported"]["shard_clips"] == 2


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Callable[[bool], Path]:
    """A file of two clips of four frames of an imported video, with actions, rewards and dones, or without."""
    folder, random = tmp_path_factory.mktemp("imported"), np.random.default_rng(0)
    for labelled in (False, True):
        video = folder / str(labelled) / "train" / "walk"
        video.mkdir(parents=True)
        for t in range(8):
            Image.fromarray(random.integers(0, 256, (33, 40, 3), np.uint8)).save(video / f"{t:05}.png")
        lists = {"actions": [7, 2, 3, 4, 5, 6, 7, 8], "rewards": [t / 10 for t in range(8)], "dones": [t == 7 for t in range(8)]}
        for name, values in lists.items() if labelled else ():
            (video / f"{name}.pkl").write_bytes(pickle.dumps(values))
        cli.main(["import", str(folder / str(labelled)), "--out", str(folder / f"{labelled}.h5"), "--frames", "4"])
    return lambda labelled: folder / f"{labelled}.h5"


def test_imported_videos(imported: Callable[[bool], Path], tmp_path: Path):
    with wsprites.open(imported(True)) as data:
        export(Job(data, "rlds"), tmp_path / "out")
        frames, time = data["train"]["frames"][...], data["train"]["time"][...]
    (_, one), (metadata, two) = episodes(tmp_path / "out", "train")
    assert (metadata["index"], metadata["video"], metadata["first_frame"]) == (1, 0, 4)
    assert np.array_equal([[step["observation"]["image"] for step in steps] for steps in (one, two)], frames)
    # Taken at the frame, and rewarded at the next one.
    assert [[step["action"] for step in steps] for steps in (one, two)] == [[7, 2, 3, 0], [5, 6, 7, 0]]
    assert [step["label"]["actions"] for step in one] == [7, 2, 3, 4]
    assert [step["reward"] for step in two] == [np.float32(value) for value in (0.5, 0.6, 0.7, 0)]
    assert [step["label"]["rewards"] for step in two] == [0.4, 0.5, 0.6, 0.7]  # exact in 64 bits
    assert np.array_equal([step["label"]["time"] for step in two], time[1], equal_nan=True)
    # Only the second one ends; the first one is cut off.
    assert [[bool(step["is_terminal"]) for step in steps] for steps in (one, two)] == [[False] * 4, [False, False, False, True]]
    assert [[step["discount"] for step in steps] for steps in (one, two)] == [[1, 1, 1, 0], [1, 1, 0, 0]]


def test_skipped_frames_of_videos_are_named(imported: Callable[[bool], Path], tmp_path: Path):
    source = imported(True).with_suffix("")
    cli.main(["import", str(source), "--out", str(tmp_path / "v.h5"), "--frames", "2", "--skip", "1"])
    with wsprites.open(tmp_path / "v.h5") as data:
        notes = export(Job(data, "rlds"), tmp_path / "out")
    words = "skipped  1 frame after each: 2 steps lie between two frames, and actions, rewards and dones of skipped frames are not there"
    assert words in notes


@pytest.mark.bad_input
def test_episodes_need_actions_and_transitions(spec: WorldSpec, art: Art, imported: Callable[[bool], Path], tmp_path: Path, capsys):
    generate(Order(World(replace(spec, frames=1), art), seed=0, n=2), tmp_path / "one.h5")
    refused = {tmp_path / "one.h5": "clips of one frame have no transitions", imported(False): "the videos came without actions"}
    for file, words in refused.items():
        with pytest.raises(SystemExit) as stop:
            cli.main(["export", str(file), "--to", "rlds", "--out", str(tmp_path / "out")])
        said = capsys.readouterr().err
        assert stop.value.code == 2 and said.count("\n") == 1
        assert f"{file.name}: {words}, which episodes need; choose another format" in said
    assert [path.name for path in tmp_path.iterdir()] == ["one.h5"]


@pytest.mark.bad_input
def test_an_episode_that_is_too_large(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wsprites.export.rlds._MOST_BYTES", 10**5)
    words = r"the images of a clip take 1.* MB, and an episode may have 100.0 kB; resize them, or choose another format"
    with wsprites.open(data_file) as data, pytest.raises(UserError, match=words):
        export(Job(data, "rlds", 1), tmp_path / "out")
    assert list(tmp_path.iterdir()) == []
