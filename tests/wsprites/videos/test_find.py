"""Which files and folders are videos, of which split, and that everything else is named with a reason."""

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from numbered_videos import numbered_frame, numbers_of, write_video
from PIL import Image

import wsprites
from wsprites.errors import UserError
from wsprites.videos import import_videos, load_list, plan

HIDDEN = "hidden files, or files of an operating system"
NO_VIDEO = "files that are not videos"


def video(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    write_video(path, 5, container="mp4")


def frames(folder: Path, names: list[str], first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(names, first):
        Image.fromarray(numbered_frame(number)).save(folder / name)


def pipe(path: Path) -> None:
    """A named pipe whose reader is at its end at once, so that a test that fails does not hang."""
    os.mkfifo(path)

    def end() -> None:
        while True:
            os.close(os.open(path, os.O_WRONLY))

    threading.Thread(target=end, daemon=True).start()


def summary(folder: Path, **options) -> tuple[dict[str, list[str]], list[tuple[str, str]]]:
    """Names of the videos of each split, and (name, reason) of what is left out."""
    made = plan(folder, frames=5, **options)
    videos = {split: [entry.name for entry in entries] for split, entries in made.videos.items() if entries}
    return videos, [(entry.name, entry.reason) for entry in made.left_out]


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("train", "train"),
        ("Train", "train"),
        ("training", "train"),
        ("val", "val"),
        ("valid", "val"),
        ("validation", "val"),
        ("VALIDATION", "val"),
        ("test", "test"),
        ("testing", "test"),
    ],
)
def test_folders_of_splits(tmp_path: Path, name: str, split: str):
    video(tmp_path / name / "a.mp4")
    assert summary(tmp_path) == ({split: [f"{name}/a.mp4"]}, [])


def test_what_lies_beside_the_folders_of_splits_is_named(tmp_path: Path):
    for name in ("train/a.mp4", "validation/b.mp4", "extra/c.mp4", "d.mp4", ".cache/e.mp4"):
        video(tmp_path / name)
    beside = "files and folders beside the folders train, validation"
    assert summary(tmp_path) == (
        {"train": ["train/a.mp4"], "val": ["validation/b.mp4"]},
        [(".cache", HIDDEN), ("d.mp4", beside), ("extra", beside)],
    )


def test_folders_of_splits_below_others_are_named(tmp_path: Path):
    """They divide nothing: what was the test set may be in train."""
    for name in ("walk/train/a.mp4", "walk/test/b.mp4", "run/train/group/c.mp4"):
        video(tmp_path / "train" / "in" / name)  # the name of the imported folder, or of one above it, is no matter
    videos, left_out = summary(tmp_path / "train" / "in")
    assert videos["train"] == ["run/train/group/c.mp4"]
    reason = "folders named like a split that divide nothing, because they lie in other folders"
    assert left_out == [(name, reason) for name in ("run/train", "walk/test", "walk/train")]


def test_folders_of_classes_of_any_depth(tmp_path: Path):
    for name in ("train/run/a.mp4", "train/walk/fast/b.mp4", "test/run/c.mp4"):
        video(tmp_path / name)
    frames(tmp_path / "train/walk/d", [f"{number}.png" for number in range(5)])
    assert summary(tmp_path) == ({"train": ["train/run/a.mp4", "train/walk/d", "train/walk/fast/b.mp4"], "test": ["test/run/c.mp4"]}, [])


@pytest.mark.parametrize("name", ["a.MP4", "a.mpg", "a.ts", "a.3gp", "a.dat", "a", "a.mp4.part", "a.txt"])
def test_a_video_is_known_by_its_content(tmp_path: Path, name: str):
    video(tmp_path / name)
    assert summary(tmp_path)[0] == {"train": [name]}


def test_what_operating_systems_make_is_no_video(tmp_path: Path):
    for name in ("a.mp4", "__MACOSX/._a.mp4", ".DS_Store", "Thumbs.db", "._a.mp4", "@eaDir/x.mp4", ".hidden/b.mp4"):
        video(tmp_path / name)
    videos, left_out = summary(tmp_path)
    assert videos == {"train": ["a.mp4"]}
    assert left_out == [(name, HIDDEN) for name in (".DS_Store", "._a.mp4", ".hidden", "@eaDir", "Thumbs.db", "__MACOSX")]


def test_other_files_are_named(tmp_path: Path):
    video(tmp_path / "a.mp4")
    (tmp_path / "notes.txt").write_text("hello")
    (tmp_path / "labels.csv").write_text("a,b\n" * 500)
    (tmp_path / "sound.wav").write_bytes(b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\1\0\1\0\x44\xac\0\0\x88\x58\1\0\2\0\x10\0data\0\0\0\0")
    Image.new("RGB", (9, 9)).save(tmp_path / "cover.jpg")
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken link").symlink_to("nowhere")
    os.mkfifo(tmp_path / "pipe")
    assert sorted(summary(tmp_path)[1]) == [
        ("broken link", "entries that are neither files nor folders"),
        ("cover.jpg", "pictures outside of a folder of numbered pictures"),
        ("empty", "empty folders"),
        ("labels.csv", NO_VIDEO),
        ("notes.txt", NO_VIDEO),
        ("pipe", "entries that are neither files nor folders"),
        ("sound.wav", NO_VIDEO),
    ]


def test_pipes_and_folders_with_the_name_of_a_picture_are_no_frames(tmp_path: Path):
    frames(tmp_path / "a", [f"{number}.png" for number in range(5)])
    pipe(tmp_path / "a" / "5.png")
    (tmp_path / "a" / "6.png").mkdir()
    (tmp_path / "a" / "7.png").symlink_to("nowhere")
    (tmp_path / "b").mkdir()
    pipe(tmp_path / "b" / "0.png")
    entries = "entries of folders of frames that are neither frames nor lists of labels"
    videos, left_out = summary(tmp_path)
    assert videos == {"train": ["a"]}
    assert sorted(left_out) == [
        *((f"a/{number}.png", entries) for number in (5, 6, 7)),
        ("b/0.png", "entries that are neither files nor folders"),
    ]
    (tmp_path / "c").mkdir()
    pipe(tmp_path / "c" / "actions.pkl")
    with pytest.raises(UserError, match=r"actions\.pkl: a folder, a device or a pipe, not a file; remove it"):
        load_list(tmp_path / "c" / "actions.pkl", 5, np.int64)


def test_links_are_followed_but_not_in_circles(tmp_path: Path):
    video(tmp_path / "data" / "a.mp4")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "linked").symlink_to(tmp_path / "data")
    (tmp_path / "data" / "up").symlink_to(tmp_path / "in")
    assert summary(tmp_path / "in") == ({"train": ["linked/a.mp4"]}, [("linked/up", "links to a folder that contains them")])


def test_a_link_to_the_imported_folder_brings_no_split_into_another(tmp_path: Path):
    video(tmp_path / "train" / "a.mp4")
    video(tmp_path / "test" / "b.mp4")
    (tmp_path / "train" / "up").symlink_to(tmp_path)
    (tmp_path / "val").symlink_to(tmp_path)
    circles = [("train/up", "links to a folder that contains them"), ("val", "links to a folder that contains them")]
    assert summary(tmp_path) == ({"train": ["train/a.mp4"], "test": ["test/b.mp4"]}, circles)


# Folders of numbered pictures.


@pytest.mark.parametrize(
    "pattern", ["frame_{:05}.png", "{}.png", "img{}.jpg", "shot2_{:03}_left.bmp", "IMG_{:04}.JPG", "a-{}.webp", "{:02}.tif", "v1.2 {}.png"]
)
def test_names_of_frames_in_natural_order(tmp_path: Path, pattern: str):
    frames(tmp_path / "in" / "a", [pattern.format(number) for number in range(12)])
    import_videos(plan(tmp_path / "in", frames=12), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        assert numbers_of(data["train"]["frames"][0]) == list(range(12)) and data.left_out == ()
        assert np.isnan(data["train"]["time"][0]).all()


def test_every_fifth_picture_is_no_gap(tmp_path: Path):
    frames(tmp_path / "a", [f"{number * 5:05}.png" for number in range(10)])
    assert summary(tmp_path) == ({"train": ["a"]}, [])


def test_a_gap_is_named_and_no_clip_spans_it(tmp_path: Path):
    frames(tmp_path / "in" / "a", [f"f{number}.png" for number in (*range(7), *range(9, 16))])
    import_videos(plan(tmp_path / "in", frames=5), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        assert [numbers_of(clip) for clip in data["train"]["frames"][...]] == [[0, 1, 2, 3, 4], [7, 8, 9, 10, 11]]
        assert data["train"]["first_frame"][...].tolist() == [0, 7]
        assert [tuple(entry) for entry in data.left_out] == [
            ("a", "frames at the end, or before missing ones, too few for another clip of 5", 4, ""),
            ("a", "gaps in the numbers of frames", 0, "after f6.png"),
        ]


def test_a_damaged_picture_is_left_out_and_no_clip_spans_it(tmp_path: Path):
    frames(tmp_path / "in" / "a", [f"{number}.png" for number in range(12)])
    (tmp_path / "in" / "a" / "5.png").write_bytes(b"no")
    Image.new("RGB", (9, 9)).save(tmp_path / "in" / "a" / "11.png")
    (tmp_path / "in" / "a" / "actions.pkl").write_bytes(b"(" + b"".join(b"I%d\n" % number for number in range(12)) + b"l.")
    (tmp_path / "in" / "a" / "metadata.pkl").write_bytes(b"]" + b"}" + b".")
    (tmp_path / "in" / "a" / "cover.png").write_bytes(b"no")
    import_videos(plan(tmp_path / "in", frames=5), tmp_path / "data.h5")
    with wsprites.open(tmp_path / "data.h5") as data:
        train = data["train"]
        assert [numbers_of(clip) for clip in train["frames"][...]] == [[0, 1, 2, 3, 4], [6, 7, 8, 9, 10]]
        assert train["actions"][...].tolist() == [[0, 1, 2, 3, 4], [6, 7, 8, 9, 10]] and train["first_frame"][...].tolist() == [0, 6]
        other = "entries of folders of frames that are neither frames nor lists of labels"
        assert [(entry.name, entry.reason, entry.frames) for entry in data.left_out] == [
            ("a/cover.png", other, 0),
            ("a/metadata.pkl", other, 0),
            ("a/5.png", "frames that cannot be read", 1),
            ("a/11.png", "frames of another size than the first of their video", 1),
        ]
        assert data.left_out[2].detail.startswith("not an image") and data.left_out[3].detail == "9x9, not 16x64"


def test_labels_that_some_videos_lack_are_named(tmp_path: Path):
    for name in "ab":
        frames(tmp_path / "in" / name, [f"{number}.png" for number in range(5)])
    (tmp_path / "in" / "b" / "dones.pkl").write_bytes(b"(" + b"I00\n" * 5 + b"l.")
    assert import_videos(plan(tmp_path / "in", frames=5), tmp_path / "data.h5") == []
    with wsprites.open(tmp_path / "data.h5") as data:
        assert [tuple(entry) for entry in data.left_out] == [("b/dones.pkl", "labels that only 1 of 2 videos have", 0, "")]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["left_0.png", "left_1.png", "right_0.png"], r"frames of 2 series, left_\* and right_\*; make a folder for each"),
        (["2.png", "02.png"], "02.png and 2.png have the same number"),
        (["0.jpg", "0.png"], "0.jpg and 0.png have the same number"),
    ],
)
def test_folders_that_are_no_single_video_are_named(tmp_path: Path, names: list[str], words: str):
    frames(tmp_path / "a", names)
    with pytest.raises(UserError, match=rf"no videos; a: {words}"):
        plan(tmp_path, frames=1)
    video(tmp_path / "b.mp4")
    assert summary(tmp_path) == ({"train": ["b.mp4"]}, [("a", "videos that cannot be read")])


def test_a_folder_of_frames_is_a_video_itself(tmp_path: Path):
    frames(tmp_path / "shot", [f"{number}.png" for number in range(5)])
    assert summary(tmp_path / "shot") == ({"train": ["shot"]}, [])
    frames(tmp_path / "in" / "train", [f"{number}.png" for number in range(5)])
    assert summary(tmp_path / "in") == ({"train": ["train"]}, [])


def test_pictures_beside_videos_are_no_frames(tmp_path: Path):
    video(tmp_path / "run" / "a.mp4")
    frames(tmp_path / "run", ["preview1.png"])
    assert summary(tmp_path) == ({"train": ["run/a.mp4"]}, [("run/preview1.png", "pictures outside of a folder of numbered pictures")])
