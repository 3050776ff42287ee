"""Imported videos: every pixel and label where it belongs, and strangers' folders, videos and pickles taken for what they are."""

import os
import pickle
import re
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from numbered_videos import write_video
from PIL import Image

import wsprites
from wsprites import cli
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import to_json
from wsprites.file import DataFile
from wsprites.file.chunks import CHUNK_DTYPE, ChunkRules
from wsprites.videos import VideoFile, import_videos, load_list, plan

RNG = np.random.default_rng(0)


def noise(frames: int, height: int = 20, width: int = 24) -> np.ndarray:
    return RNG.integers(0, 256, (frames, height, width, 3), dtype=np.uint8)


def write_frames(folder: Path, frames_thwc: np.ndarray, **lists: object) -> None:
    folder.mkdir(parents=True)
    for number, frame in enumerate(frames_thwc):
        Image.fromarray(frame).save(folder / f"{number:05}.png", compress_level=1)
    for name, values in lists.items():
        (folder / f"{name}.pkl").write_bytes(pickle.dumps(values))


def brought_in(folder: Path, out: Path, **options) -> VideoFile:
    import_videos(plan(folder, **options), out)
    data = wsprites.open(out)
    assert isinstance(data, VideoFile)
    return data


def test_caddys_layout_becomes_clips(tmp_path: Path):
    videos = {"train/00000": noise(70), "train/00001": noise(33), "test/00000": noise(40), "test/00001": noise(31)}
    for name, frames in videos.items():
        more = {"actions": list(range(len(frames))), "rewards": [None] * len(frames), "metadata": [{}] * len(frames)}
        write_frames(tmp_path / "in" / name, frames, **more)
    with brought_in(tmp_path / "in", tmp_path / "data.h5", frames=32) as data:
        assert [len(data[split]) for split in ("train", "val", "test")] == [3, 0, 1]
        assert data.names == ("train/00000", "train/00001", "test/00000") and data.clip_shape == (32, 20, 24, 3)
        train = data["train"]
        assert set(train.keys()) == {"frames", "index", "video", "first_frame", "time", "actions"}
        assert {entry.name for entry in data.left_out if entry.reason.startswith("entries of folders of frames")} == {
            f"{name}/metadata.pkl" for name in videos
        }
        for row, (name, first) in enumerate([("train/00000", 0), ("train/00000", 32), ("train/00001", 0)]):
            assert np.array_equal(train["frames"][row], videos[name][first : first + 32])
            assert np.array_equal(train["frames"][row, 5:31], videos[name][first + 5 : first + 31])
            assert np.array_equal(train["actions"][row], np.arange(first, first + 32))
            assert (data.names[train["video"][row]], train["first_frame"][row]) == (name, first)
        assert train["index"][...].tolist() == [0, 1, 2] and data["test"]["index"][...].tolist() == [3]
        assert np.array_equal(data["test"]["frames"][-1, ::-3, :, 3], videos["test/00000"][31::-3, :, 3][:11])
        assert data["val"]["frames"].shape == (0, 32, 20, 24, 3)
        with pytest.raises(KeyError, match="videos without a world: there is no array 'masks'; there are frames, index"):
            train["masks"]
        with pytest.raises(KeyError, match="there is no split 'tests'"):
            data["tests"]
        copy = pickle.loads(pickle.dumps(data))
        assert np.array_equal(copy["train"]["frames"][1], videos["train/00000"][32:64])
        copy.close()


def test_the_file_is_the_same_bytes_twice_and_plain_hdf5(tmp_path: Path):
    for number in range(4):
        write_frames(tmp_path / "in" / f"{number}", noise(8))
    for out in ("a.h5", "b.h5"):
        brought_in(tmp_path / "in", tmp_path / out, frames=8).close()
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with h5py.File(tmp_path / "a.h5") as h5, wsprites.open(tmp_path / "a.h5") as data:
        assert np.array_equal(h5["train/frames"][()], data["train"]["frames"][...]) and "world" not in h5.attrs
        assert all(h5[f"train/{name}"].attrs["description"] for name in data["train"].keys())  # noqa: SIM118
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.h5", "b.h5", "in"]


@pytest.mark.parametrize(("videos", "sizes"), [(1, (1, 0, 0)), (2, (2, 0, 0)), (3, (1, 1, 1)), (20, (16, 2, 2)), (25, (21, 2, 2))])
def test_videos_are_split_whole_in_the_order_of_their_names(tmp_path: Path, videos: int, sizes: tuple[int, ...]):
    for number in range(videos):
        write_frames(tmp_path / f"{number:02}", noise(4, 2, 2))
    made = plan(tmp_path, frames=2)
    assert tuple(map(len, made.videos.values())) == sizes
    assert [video.name for split in made.videos.values() for video in split] == [f"{number:02}" for number in range(videos)]


def test_frames_are_skipped_and_scaled_by_area(tmp_path: Path):
    frames = noise(11, 40, 48)
    write_frames(tmp_path / "in" / "a", frames, actions=list(range(11)), dones=[False] * 10 + [True])
    with brought_in(tmp_path / "in", tmp_path / "data.h5", frames=2, size=(10, 12), skip=2) as data:
        train = data["train"]
        assert train["actions"][...].tolist() == [[0, 3], [6, 9]] and train["first_frame"][...].tolist() == [0, 6]
        means = frames[[0, 3, 6, 9]].reshape(4, 10, 4, 12, 4, 3).mean((2, 4)).reshape(2, 2, 10, 12, 3)
        assert np.abs(train["frames"][...] - means).max() <= 0.51
        assert not train["dones"][...].any() and data.skip == 2


def test_alpha_goes_on_white_and_palettes_are_colours(tmp_path: Path):
    (tmp_path / "a").mkdir()
    Image.new("RGBA", (4, 3), (255, 0, 0, 0)).save(tmp_path / "a" / "00000.png")
    Image.new("P", (4, 3), 0).save(tmp_path / "a" / "00001.png")
    Image.new("L", (4, 3), 77).save(tmp_path / "a" / "00002.png")
    with brought_in(tmp_path, tmp_path / "data.h5", frames=3) as data:
        assert data["train"]["frames"][0, :, 1, 2].tolist() == [[255] * 3, [0] * 3, [77] * 3]


def test_video_files_and_gifs(tmp_path: Path):
    (tmp_path / "in").mkdir()
    ramps = np.repeat(np.arange(30)[:, None, None, None] * np.array([8, 4, 2]), 32 * 48, 1).reshape(30, 32, 48, 3).astype(np.uint8)
    writer = cv2.VideoWriter(str(tmp_path / "in" / "a.avi"), cv2.CAP_FFMPEG, cv2.VideoWriter.fourcc(*"MJPG"), 10, (48, 32))
    for frame in ramps:
        writer.write(np.ascontiguousarray(frame[..., ::-1]))
    writer.release()
    flat = [Image.fromarray(frame) for frame in ramps]
    flat[0].save(tmp_path / "in" / "b.gif", save_all=True, append_images=flat[1:], duration=100)
    with brought_in(tmp_path / "in", tmp_path / "data.h5", frames=15, skip=1) as data:
        assert data.names == ("a.avi", "b.gif") and len(data["train"]) == 2
        for row, tolerance in ((0, 6), (1, 3)):  # JPEG, and palettes
            assert np.abs(data["train"]["frames"][row].astype(int) - ramps[::2].astype(int)).max() <= tolerance


# What is refused.


def two_sizes(folder: Path) -> None:
    write_frames(folder / "a", noise(5))
    write_frames(folder / "b", noise(5, 10, 10))


def not_a_video(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"hello" * 1000)


class Evil:
    def __reduce__(self):
        return os.system, ("touch evil",)


def evil(folder: Path) -> None:
    write_frames(folder / "a", noise(5))
    (folder / "a" / "actions.pkl").write_bytes(pickle.dumps([Evil()] * 5))


def lists(**values: object):
    return lambda folder: write_frames(folder / "a", noise(5), **values)


def raw(content: bytes):
    def prepare(folder: Path) -> None:
        write_frames(folder / "a", noise(5))
        (folder / "a" / "actions.pkl").write_bytes(content)

    return prepare


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("prepare", "words"),
    [
        (lambda folder: None, "in: no such folder"),
        (lambda folder: folder.write_text("x"), "in: a file; name the folder"),
        (lambda folder: folder.mkdir(), "in: no videos; empty folders: in; expected are video files"),
        (lambda folder: (folder / "train" / "a").mkdir(parents=True), "in: no videos; empty folders: train/a; expected are video files"),
        (not_a_video, "in: no videos; a.mp4: not a video that can be read; expected are video files"),
        (lambda folder: write_frames(folder / "a", noise(3)), "no video of in has 5 in a row; the longest run gives 3"),
        (two_sizes, "in has videos of several sizes: a is 20x24 and b is 10x10; choose one"),
        (evil, f"in/a/actions.pkl: refused: it asks for {os.system.__module__}.system"),
        (lists(actions=[np.float64(1)] * 5), "scalar, and may hold only lists"),
        (lists(actions=[1, 2]), "in/a/actions.pkl: has 2 entries; expected is one for each of 5 frames"),
        (lists(actions={"a": 1}), "in/a/actions.pkl: holds no list but a dict"),
        (lists(actions=[1, None, 2, 3, 4]), "in/a/actions.pkl: entry 1 is a NoneType"),
        (lists(actions=[1, 2, 3, 4, 2**70]), "in/a/actions.pkl: entry 4"),
        (lists(rewards=[1, 2, 3, 4, 10**400]), "in/a/rewards.pkl: holds numbers that are too large"),
        (raw(b""), "in/a/actions.pkl: not a pickle that can be read"),
        (raw(pickle.dumps([1] * 5)[:-3]), "in/a/actions.pkl: not a pickle that can be read"),
        (raw(b"]r\xff\xff\xff\x7f."), "in/a/actions.pkl: refused: it asks for more memory"),
    ],
)
def test_bad_input_is_one_line_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], prepare, words: str
):
    monkeypatch.chdir(tmp_path)
    prepare(Path("in"))
    before = sorted(tmp_path.rglob("*"))
    with pytest.raises(SystemExit) as stop:
        cli.main(["import", "in", "--out", "data.h5", "--frames", "5"])
    err = capfd.readouterr().err
    assert stop.value.code == 2 and words in err and err.count("\n") == 1 and err.startswith("wsprites: ")
    assert sorted(tmp_path.rglob("*")) == before


def test_plain_pickles_of_all_protocols_are_read(tmp_path: Path):
    path = tmp_path / "a.pkl"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        path.write_bytes(pickle.dumps([1, -2, 2**62], protocol))
        values = load_list(path, 3, np.int64)
        assert values is not None and values.tolist() == [1, -2, 2**62]
        path.write_bytes(pickle.dumps((None, None), protocol))
        assert load_list(path, 2, np.float64) is None
    assert load_list(tmp_path / "absent.pkl", 3, np.int64) is None


# The command, and what other commands make of such a file.


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imported")
    for number in range(10):
        write_frames(folder / "in" / f"{number:05}", noise(9 if number else 3))
    cli.main(["import", str(folder / "in"), "--out", str(folder / "data.h5"), "--frames", "4"])
    return folder / "data.h5"


def test_the_command_says_what_it_did(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    command = ["import", str(imported.parent / "in"), "--out", str(tmp_path / "data.h5"), "--frames", "4"]
    cli.main(command)
    out = capsys.readouterr().out
    assert "videos   9, split by video, 80/10/10" in out and "18 (14 train, 2 val, 2 test) of 4 frames, 20 x 24: 72 frames" in out
    assert "left out videos shorter than a clip of 4 frames (3): 00000 (3)\n" in out and "labels   none" in out
    assert "left out frames at the end, or before missing ones, too few for another clip of 4 (9): 00001 (1), 00002 (1)," in out
    with pytest.raises(SystemExit):
        cli.main(command)
    assert "exists already" in capsys.readouterr().err
    cli.main([*command, "--overwrite", "--size", "10x12"])
    with wsprites.open(tmp_path / "data.h5") as data:
        assert data["train"]["frames"].shape == (14, 4, 10, 12, 3)
    for size in ("10", "0x5", "ax5"):
        with pytest.raises(SystemExit):
            cli.main([*command, "--overwrite", "--size", size])
        assert "is not of the form HxW" in capsys.readouterr().err


@pytest.mark.bad_input
@pytest.mark.parametrize("command", [["verify"], ["credits"], ["merge", "--out", "m.h5"]])
def test_what_needs_a_world_says_so(imported: Path, command: list[str], tmp_path: Path, monkeypatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        cli.main([command[0], str(imported), *command[1:]])
    err = capsys.readouterr().err
    assert stop.value.code == 2 and err.count("\n") == 1 and "data.h5: holds videos without a world" in err
    assert not list(tmp_path.iterdir())


def test_info_works(imported: Path, capsys: pytest.CaptureFixture[str]):
    cli.main(["info", str(imported)])
    out = capsys.readouterr().out
    assert "9 imported, without a world, split by video" in out and re.search(r"18 \(14 train, 2 val, 2 test\) of 4 frames, 20 x 24", out)


def test_info_tells_the_rate_and_how_even_it_is(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "in").mkdir()
    even = tmp_path / "in" / "caf\udce9 even.mkv"  # not UTF-8
    write_video(even, 20, container="matroska")
    cli.main(["import", str(tmp_path / "in"), "--out", str(tmp_path / "even.h5"), "--frames", "10"])
    rate = "25 frames/s: 100.0% of the steps in time are 40 ms\n"
    assert f"rate     {rate}" in capsys.readouterr().out
    cli.main(["info", str(tmp_path / "even.h5")])
    assert f"rate         {rate}" in capsys.readouterr().out
    even.unlink()
    write_video(tmp_path / "in" / "a.mkv", 11, times=[0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 1.1], container="matroska")
    out = tmp_path / "doss\udcff.h5"
    cli.main(["import", str(tmp_path / "in"), "--out", str(out), "--frames", "11"])
    rate = "9.091 frames/s: 70.0% of the steps in time are 100 ms, the others 50 to 300 ms\n"
    text = capsys.readouterr().out
    assert f"rate     {rate}" in text and r"doss\udcff.h5: " in text
    cli.main(["import", str(tmp_path / "in"), "--out", str(out), "--frames", "11", "--fps", "10", "--overwrite", "--size", "8x8"])
    text = capsys.readouterr().out
    # At 0.8 s frame 9; at 0.9 s frame 9 again; at 1.0 and 1.1 s frame 10; frame 8 is between frames 7 and 9.
    assert "sampled  to 10 frames/s: 1 frames repeat the one before, 1 are dropped\n" in text
    assert "scaled   1 videos to another ratio of height to width\n" in text
    cli.main(["info", str(out)])
    assert re.search(r"rate .*, resampled to 10 frames/s\n", capsys.readouterr().out)


def test_files_of_older_versions_are_read(imported: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They have no times, and no list of what was left out."""
    path = tmp_path / "old.h5"
    path.write_bytes(imported.read_bytes())
    with h5py.File(path, "r+") as h5:
        del h5["left_out"]
        for split in ("train", "val", "test"):
            del h5[split]["time"]
    with VideoFile(path) as data:
        assert set(data["train"].keys()) == {"frames", "index", "video", "first_frame"} and data.left_out == ()
    cli.main(["info", str(path)])
    assert "rate         not recorded by the version that imported the videos\n" in capsys.readouterr().out


def test_times_are_needed_to_resample(imported: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as stop:
        cli.main(["import", str(imported.parent / "in"), "--out", str(imported.parent / "b.h5"), "--frames", "4", "--fps", "5"])
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "--fps: the times of the frames of 00000 are not known" in error and error.count("\n") == 1


@pytest.mark.parametrize("values", [{"fps": float("nan")}, {"fps": float("inf")}, {"fps": 0}, {"frames": 0}, {"skip": -1}, {"skip": 0.5}])
def test_numbers_are_checked(imported: Path, values: dict[str, float]):
    with pytest.raises(ArgumentError, match=f"^{next(iter(values))}: "):
        plan(imported.parent / "in", **{"frames": 4} | values)


def endless(h5: h5py.File) -> None:
    del h5["videos"]
    h5.create_dataset("videos", (10**12,), h5py.string_dtype(), chunks=(1000,))


def virtual(h5: h5py.File) -> None:
    shape = h5["train/frames"].shape
    del h5["train/frames"]
    layout = h5py.VirtualLayout(shape, "u1")
    layout[:] = h5py.VirtualSource("/etc/passwd", "a", shape)
    h5["train"].create_virtual_dataset("frames", layout)


def away(h5: h5py.File) -> None:
    del h5["train/frames"]
    h5["train/frames"] = h5py.ExternalLink("other.h5", "/frames")


def no_split(h5: h5py.File) -> None:
    del h5["val"]


def wrong_rows(h5: h5py.File) -> None:
    del h5["train/video"]
    h5["train/video"] = np.arange(3)


def other_source(h5: h5py.File) -> None:
    h5.attrs["source"] = 5


def wrong_times(h5: h5py.File) -> None:
    del h5["train/time"]
    h5["train/time"] = np.zeros(len(h5["train/video"]))


def wrong_fps(h5: h5py.File) -> None:
    h5.attrs["fps"] = "many"


def wrong_list(h5: h5py.File) -> None:
    del h5["left_out"]
    h5["left_out"] = np.zeros(3, [("name", "i8"), ("reason", "i8"), ("frames", "i8"), ("detail", "i8")])


def no_version(h5: h5py.File) -> None:
    del h5.attrs["format_version"]


def resize_all(h5: h5py.File, clips: int | None, frames: int | None) -> None:
    """Give every array of every split another number of clips, or of frames."""
    for split in ("train", "val", "test"):
        for name, array in list(h5[split].items()):
            shape, dtype = list(array.shape), array.dtype
            shape[0] = shape[0] if clips is None else clips
            shape[1:2] = [frames] if frames is not None and len(shape) > 1 else shape[1:2]
            del h5[split][name]
            h5[split].create_dataset(name, shape, dtype)


def no_clips(h5: h5py.File) -> None:
    resize_all(h5, 0, None)


def no_frames(h5: h5py.File) -> None:
    resize_all(h5, None, 0)


def no_chunks(h5: h5py.File) -> None:
    h5.attrs["chunks"] = to_json(ChunkRules())
    h5["chunks"] = np.zeros(0, CHUNK_DTYPE)


def fractions(h5: h5py.File) -> None:
    """Actions that are no whole numbers, of which exports would have to make some."""
    h5["val"]["actions"] = np.full(h5["val"]["frames"].shape[:2], np.nan)


DAMAGE = [
    *(virtual, away, no_split, wrong_rows, other_source, wrong_times, wrong_fps, wrong_list, endless, no_version),
    *(no_clips, no_frames, no_chunks, fractions),
]


@pytest.mark.parametrize("damage", DAMAGE)
def test_damaged_files_are_one_line(imported: Path, tmp_path: Path, damage):
    path = tmp_path / "bad.h5"
    path.write_bytes(imported.read_bytes())
    with h5py.File(path, "r+") as h5:
        damage(h5)
    with pytest.raises(UserError, match=r"bad.h5: damaged: .*; import it again"):
        wsprites.open(path)


def test_files_of_worlds_are_none_of_videos(data_file: Path, imported: Path):
    with wsprites.open(data_file) as data:
        assert isinstance(data, DataFile)
    with pytest.raises(UserError, match="damaged"):
        VideoFile(data_file)
