"""Files of recorded episodes: what each command makes of them, and what verifying finds in one that was changed."""

import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

import wsprites
from wsprites.art import Art, World
from wsprites.bench.data import Data, open_data
from wsprites.bench.rollouts import STEPS, start_of
from wsprites.errors import UserError
from wsprites.file import DataFile
from wsprites.generate.verify import verify
from wsprites.recording import Recording
from wsprites.stream import FileClips
from wsprites.world.episode import character_splits
from wsprites.world.episode import start_of as begin_like
from wsprites.world.spec import SPLITS, WorldSpec

STEPS_OF = (25, 22, 13)  # of the episodes of each split: 2 + 2 + 1 clips of 10 frames, and 6 + 3 + 4 frames that fill none


def record(world: World) -> Recording:
    """Three episodes for each split, of different lengths."""
    rng, recording = np.random.default_rng(1), Recording(world, driver="Ada", date="2026-11-26")
    split_c, left = character_splits(world.spec), {name: list(STEPS_OF) for name in SPLITS}
    for index in range(world.spec.cast.characters):
        split = SPLITS[split_c[int(begin_like(world.spec, 0, index).script.character)]]
        if left[split]:
            recording.begin(index)
            for _ in range(left[split].pop(0)):
                recording.step(rng.integers(5), rng.integers(9), rng.integers(5))
    assert not any(left.values())
    return recording


@pytest.fixture(scope="session")
def recorded(spec: WorldSpec, art: Art, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of nine episodes and fifteen clips of 10 frames. Not to be changed."""
    path = tmp_path_factory.mktemp("recorded") / "recorded.h5"
    record(World(spec, art)).write(path, frames=10)
    return path


@pytest.fixture
def copy(recorded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(recorded, tmp_path / "copy.h5"))


def problems(path: Path) -> list[str]:
    with DataFile(path) as data:
        return verify(data, all_pixels=True).problems


def test_a_recorded_file_is_right(recorded: Path):
    with DataFile(recorded) as data:
        report = verify(data, all_pixels=True)
        assert (report.labels, report.pixels, report.problems) == (15, 15, [])
        assert {name: len(split) for name, split in data.splits.items()} == dict.fromkeys(SPLITS, 5)
        assert data.facts.format_version == 2 and data.h5["train/index"].attrs["description"].startswith("number of the clip: the episodes")
        assert sum(episode.frames for episode in data.episodes) == 3 * (26 + 23 + 14)


def test_labels_alone_are_the_same(recorded: Path, spec: WorldSpec, art: Art, tmp_path: Path):
    (tmp_path / "labels.h5").write_bytes(record(World(spec, art)).hdf5(frames=10, pixels=False))
    with DataFile(recorded) as whole, DataFile(tmp_path / "labels.h5") as labels:
        assert verify(labels).problems == [] and labels["train"].stored == ()
        for name in SPLITS:
            assert np.array_equal(whole[name]["frames"][...], labels[name]["frames"][...])
            assert np.array_equal(whole[name]["masks"][...], labels[name]["masks"][...])


@pytest.mark.parametrize("compression", ["gzip", "lz4", "none"])
def test_other_compressions(recorded: Path, spec: WorldSpec, art: Art, compression: str, tmp_path: Path):
    path = tmp_path / "other.h5"
    path.write_bytes(record(World(spec, art)).hdf5(frames=10, compression=compression))
    with DataFile(recorded) as whole, DataFile(path) as other:
        assert verify(other).problems == []
        assert np.array_equal(whole["val"]["frames"][...], other["val"]["frames"][...])


# Files that were changed.


def test_a_changed_label_is_found_with_its_episode_and_step(copy: Path):
    with h5py.File(copy, "r+") as h5:
        # The second clip of the first episode of val: the frame 10 + 4 of the episode is that of its 14th step.
        clip = int(h5["val/index"][1])
        h5["val/global_action"][1, 4] = (h5["val/global_action"][1, 4] + 1) % 5
        h5["val/character"][0] = h5["val/character"][0] ^ 1
    with DataFile(copy) as data:
        number = next(number for number, start in enumerate(np.cumsum([episode.frames // 10 for episode in data.episodes])) if clip < start)
    wrong = problems(copy)
    assert len(wrong) == 2 and wrong[0].startswith(f"val/character: row 0 (episode {number}): the file says")
    assert wrong[1].startswith(f"val/global_action: row 1, frame 4 (episode {number}, step 14): the file says") and "the replay" in wrong[1]


def test_a_changed_pixel_is_found_with_its_episode_and_step(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["test/frames"][0, 0, 5, 5] ^= 1
        h5["test/masks"][4, 9, 40, 40] ^= True
        index = h5["test/index"][()]
    first, second = problems(copy)
    assert first.startswith(f"test/frames: clip {index[0]} (row 0) differs in 1 frames, first in frame 0 (episode ") and first.endswith(
        "its start)"
    )
    assert second.startswith(f"test/masks: clip {index[4]} (row 4) differs in 1 frames, first in frame 9") and second.endswith("step 9)")


def test_a_changed_action_is_found_where_it_was_done(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["episodes/actions"][12, 1] = (h5["episodes/actions"][12, 1] + 1) % 9  # the 13th step of the first episode
    wrong = problems(copy)
    assert wrong[0].startswith("episodes: they, or who chose the actions, are not what was written")
    assert "local_action: row 1, frame 3 (episode 0, step 13)" in wrong[1]
    assert any("frames: clip 1" in line and "first in frame 3 (episode 0, step 13)" in line for line in wrong)


@pytest.mark.parametrize("change", ["left out", "driver", "seed", "checksum"])
def test_what_no_clip_shows_is_checked(copy: Path, change: str):
    with h5py.File(copy, "r+") as h5:
        if change == "left out":
            h5["episodes/actions"][24, 0] = (h5["episodes/actions"][24, 0] + 1) % 5  # the last step of the first episode
        elif change == "driver":
            h5.attrs["driver"] = "Eve"
        elif change == "seed":
            h5.attrs["seed"] = 12345
        else:
            del h5["episodes"].attrs["checksum"]
    assert problems(copy) == ["episodes: they, or who chose the actions, are not what was written (checksum)"]


def test_a_moved_start_is_found(copy: Path):
    with h5py.File(copy, "r+") as h5:
        h5["episodes/seed"][0] = -1  # else the start is not that of the clip, which is refused
        x = h5["episodes/position"][0, 0]
        h5["episodes/position"][0, 0] = x + 1 if x == 0 else x - 1
    assert any("position: row 0, frame 0 (episode 0, its start)" in line for line in problems(copy))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("name", "at", "value", "words"),
    [
        ("actions", (17, 1), 200, r"/episodes, episode 0: local_action: 200 \(step 18\)"),
        ("actions", (30, 0), 5, r"/episodes, episode 1: global_action: 5 \(step 6\) is outside"),
        ("seed", 2, 77, r"/episodes, episode 2: start: it is not the first frame of clip \d+ of seed 77"),
        ("position", (1, 0), 999, r"/episodes, episode 1: start: position \[\[999"),
        ("character", 3, 36, "/episodes, episode 3: character 36 is outside 0 to 35"),
        ("steps", 0, 24, "/episodes/steps do not add up"),
        ("cursor", (0, 0), 8, "/episodes, episode 0: start: cursor"),
    ],
)
def test_impossible_episodes_are_damage(copy: Path, run, name: str, at: object, value: int, words: str):
    with h5py.File(copy, "r+") as h5:
        h5[f"episodes/{name}"][at] = value
    with DataFile(copy) as data, pytest.raises(UserError, match=f"copy.h5: damaged: {words}"):
        assert len(data["train"]["frames"][0]) == 10 and data.episodes
    code, _, err = run("verify", copy)
    assert code == 2 and err.count("\n") == 1 and "damaged" in err


@pytest.mark.bad_input
@pytest.mark.parametrize("change", ["missing", "larger", "link", "compressed", "scalar", "scalar index", "no policy", "generated"])
def test_damaged_files(copy: Path, tmp_path: Path, change: str):
    with h5py.File(copy, "r+") as h5:
        if change == "missing":
            del h5["episodes"]
        elif change == "link":
            h5.move("episodes", "elsewhere")
            h5["episodes"] = h5py.SoftLink("/elsewhere")
        elif change == "no policy":
            del h5.attrs["policy"]
        elif change == "generated":
            h5.attrs["format_version"] = 1
        elif change in ("scalar", "scalar index"):
            name = "episodes/actions" if change == "scalar" else "train/index"
            del h5[name]
            h5[name] = np.uint8(1)
        else:  # a file of a few bytes says that it has billions of actions
            del h5["episodes/actions"]
            chunks = {"chunks": (10**6, 3), "compression": "gzip"} if change == "compressed" else {}
            h5["episodes"].create_dataset("actions", (10**9, 3), "u1", **chunks)
    if change == "generated":
        assert problems(copy)[0] == "train/index: not the clips that seed 0 assigns to this split among 15"
        return
    with pytest.raises(UserError, match=r"copy\.h5: damaged: "), DataFile(copy) as data:
        assert data.episodes and data["train"]


def test_an_older_reader_refuses_the_file(recorded: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wsprites.file.h5.RECORDED_VERSION", 1)
    with pytest.raises(UserError, match=r"format 2, newer than this wsprites reads \(1\); update wsprites"):
        wsprites.open(recorded)


def test_generated_files_have_the_format_that_they_had(data_file: Path):
    with DataFile(data_file) as data:
        assert data.facts.format_version == 1 and data.driver is None and data.episodes == ()
        assert not {"policy", "driver", "date"} & set(data.h5.attrs)
    with pytest.raises(UserError, match="holds generated clips, and no recorded episodes"):
        Recording.read(data_file)


# Commands.


def test_the_commands_read_it(recorded: Path, run):
    code, out, _ = run("info", recorded)
    assert code == 0 and "15 (5 train, 5 val, 5 test) of 10 frames" in out
    assert "source       actions of human (Ada), 2026-11-26: 9 episodes with 189 frames in all, begun like clips of seed 0, art" in out
    assert "left out 39 of 189 frames, which fill no clip of 10" in out
    code, out, _ = run("verify", recorded, "--all")
    assert code == 0 and out == "ok: compared labels of 15 clips, pixels of 15, and replayed 9 recorded episodes\n"
    code, out, _ = run("preview", recorded, "--clip", 14, "--out", "a.png")
    assert code == 0 and Path("a.png").exists()
    code, _, err = run("preview", recorded, "--clip", 15, "--out", "a.png")
    assert code == 2 and "there is no clip 15; the file has clips 0 to 14" in err
    code, out, _ = run("bench", "--data", recorded, "--template", "t.npz")
    assert code == 0 and Path("t.npz").exists()


def test_its_page_has_no_theory(recorded: Path, data_file: Path, run):
    assert run("report", recorded, "--out", "a.html")[0] == 0
    page = Path("a.html").read_text(encoding="utf-8")
    assert "actions of human (Ada)" in page and "None: the actions were chosen, not drawn by the rules of the world." in page
    assert "compared with theory</h2>" not in page and "by construction" not in page and "What the rule implies" not in page


@pytest.mark.parametrize("to", ["released", "minari", "webdataset", "parquet"])
def test_exports(recorded: Path, run, to: str):
    code, _, err = run("export", recorded, "--to", to, "--out", "folder")
    assert code == 0, err
    card = Path("folder/README.md").read_text(encoding="utf-8")
    assert "actions of human (Ada), 2026-11-26" in card and "replays the clips" in card and "can be generated again" not in card
    if to == "released":  # clips of one character have names of their own
        assert sorted(len(list(Path("folder", split).iterdir())) for split in SPLITS) == [5, 5, 5]
    if to == "minari":
        import minari

        dataset = minari.MinariDataset(Path("folder/wsprites-train-v0/data"))
        with DataFile(recorded) as data:
            assert (
                dataset[0].actions.tolist()
                == np.stack([data["train"][name][0, 1:] for name in ("global_action", "local_action")], 1).tolist()
            )
            assert np.array_equal(dataset[0].observations, data["train"]["frames"][0])
        assert dataset.spec.env_spec is None and "no environment to recover" in card


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("merge FILE --out m.h5", "recorded.h5: holds recorded episodes, which are no shards of a data set; join recordings with"),
        ("merge FILE FILE --out m.h5 --virtual", "recorded.h5: holds recorded episodes"),
        (
            "generate --like FILE --out g.h5",
            "recorded.h5: holds recorded episodes, which no seed makes again; use a file of generated clips",
        ),
        ("generate --n 2 --out FILE --resume", "recorded.h5: exists already and is another data set: format_version is 2, not 1"),
    ],
)
def test_what_a_seed_makes_is_not_made_from_it(recorded: Path, run, line: str, words: str):
    before = recorded.read_bytes()
    code, _, err = run(*[recorded if word == "FILE" else word for word in line.split()])
    assert code == 2 and words in err and err.count("\n") == 1
    assert recorded.read_bytes() == before and not list(Path().iterdir())


def test_streams_and_the_benchmark_read_it(recorded: Path):
    clips = FileClips(recorded, "train", window=6)
    assert len(clips) == 5 * 5
    with DataFile(recorded) as data:
        assert np.array_equal(clips[12]["frames"].permute(0, 2, 3, 1).numpy(), data["train"]["frames"][2, 2:8])
        assert np.array_equal(clips[12]["local_action"].numpy(), data["train"]["local_action"][2, 2:8])
    scored = open_data(str(recorded))
    assert isinstance(scored, Data) and len(scored.scored) == len(scored.fit) == 5
    assert start_of(scored.scored, 0).t <= 10 - min(STEPS, 9)
    assert not set(scored.fit.script.character.tolist()) & set(scored.scored.script.character.tolist())
