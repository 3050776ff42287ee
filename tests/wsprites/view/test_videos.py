"""Imported videos are previewed and reported with and without labels, at any size of frame."""

import pickle
from pathlib import Path

import h5py
import pytest
from PIL import Image

import wsprites
from wsprites.errors import UserError
from wsprites.videos import import_videos, plan
from wsprites.view.page import report
from wsprites.view.preview import annotate_video, font, preview


def imported(folder: Path, size: tuple[int, int], *, labelled: bool, name: str = "clip", frames: int = 6) -> Path:
    """A file of three videos of two clips each; frame t of video v is of the grey 40 v + t."""
    for video in range(3):
        path = folder / "in" / f"{name} {video}"
        path.mkdir(parents=True)
        for t in range(2 * frames):
            Image.new("RGB", size[::-1], (40 * video + t,) * 3).save(path / f"{t:05}.png")
        if labelled:
            (path / "actions.pkl").write_bytes(pickle.dumps([t % 3 for t in range(2 * frames)]))
            (path / "rewards.pkl").write_bytes(pickle.dumps([t / 4 for t in range(2 * frames)]))
    import_videos(plan(folder / "in", frames=frames), folder / "v.h5")
    return folder / "v.h5"


@pytest.mark.parametrize("labelled", [False, True])
def test_a_preview_shows_the_frames_and_the_labels_that_there_are(tmp_path: Path, labelled: bool):
    path = imported(tmp_path, (20, 24), labelled=labelled)
    with wsprites.open(path) as data:
        preview(data, 3, tmp_path / "a.gif")
        preview(data, 3, tmp_path / "a.png")
        name, row = data.find(3)
        grey = int(data[name]["frames"][row, 2, 0, 0, 0])
        picture = annotate_video(data, name, row, 2)
    assert picture.shape == (22 + 20 * 16 + 42 * labelled, 24 * 16, 3)
    assert (picture[22 : 22 + 20 * 16] == grey).all()  # every pixel a square of 16 x 16, no marks
    assert (picture[22 + 20 * 16 :] != picture[-1, 0]).any() == labelled  # text
    with Image.open(tmp_path / "a.gif") as gif:
        assert gif.n_frames == 6 and gif.size == (384, picture.shape[0])


@pytest.mark.parametrize(("size", "shown"), [((1, 1), (384, 384)), ((90, 1), (720, 384)), ((40, 1300), (30, 960)), ((900, 60), (720, 384))])
def test_frames_of_any_size_have_room_for_their_header(tmp_path: Path, size: tuple[int, int], shown: tuple[int, int]):
    with wsprites.open(imported(tmp_path, size, labelled=False, frames=2)) as data:
        assert annotate_video(data, "train", 0, 0).shape == (22 + shown[0], shown[1], 3)


def test_a_narrow_frame_is_in_the_middle_and_a_long_name_says_that_it_is_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    heads: list[tuple[str, str, object]] = []
    with wsprites.open(imported(tmp_path, (20, 160), labelled=False, name="x" * 60)) as data:
        picture = annotate_video(data, "test", 0, 0)[22:]
        monkeypatch.setattr("wsprites.view.preview._captioned", lambda large, *texts: heads.append(texts))
        annotate_video(data, "test", 0, 5)
    assert picture.shape == (40, 384, 3) and (picture[:, 32:352] == 80).all()  # enlarged by 2
    assert (picture[:, :32] == picture[0, 0]).all() and (picture[:, 352:] == picture[0, 0]).all() and picture[0, 0, 0] != 80
    ((head, count, _),) = heads
    assert head.startswith("clip 4   test   ...xxxxxxxxxx") and head.endswith("xxxxxxxxxx 2") and count == "frame 5"
    assert 340 < font().getlength(head) + font().getlength(count) <= 384 - 3 * 8


@pytest.mark.parametrize("labelled", [False, True])
def test_a_report_names_videos_splits_and_labels(tmp_path: Path, labelled: bool):
    path = imported(tmp_path, (20, 24), labelled=labelled, name="<b>")
    told: list[int] = []
    with wsprites.open(path) as data:
        report(data, tmp_path / "page.html", progress=told.append)
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert sum(told) == 6 and "Imported videos, without a world." in page
    assert "&lt;b&gt; 2" in page and "<b>" not in page  # names of strangers are text
    assert ('<th scope="row">rewards</th>' in page) == labelled and ("The videos have none." in page) != labelled
    assert ("Labels that came with the videos are below their frames." in page) == labelled
    if labelled:
        assert '<td class="number">12</td><td class="number">0</td><td class="number">1.375</td><td class="number">2.75</td>' in page


def test_a_clip_of_a_video_that_is_not_there_is_one_line(tmp_path: Path):
    path = imported(tmp_path, (20, 24), labelled=False)
    with h5py.File(path, "r+") as h5:
        h5["train/video"][...] = 7
    with pytest.raises(UserError, match=r"v.h5: damaged: "), wsprites.open(path) as data:
        preview(data, 0, tmp_path / "a.png")
    with pytest.raises(UserError, match=r"v.h5: damaged: "), wsprites.open(path) as data:
        report(data, tmp_path / "a.html")
    assert not (tmp_path / "a.png").exists() and not (tmp_path / "a.html").exists()


def test_a_missing_clip_names_those_that_there_are(tmp_path: Path):
    with wsprites.open(imported(tmp_path, (20, 24), labelled=False)) as data:
        assert [data.find(index) for index in range(6)] == [("train", 0), ("train", 1), ("val", 0), ("val", 1), ("test", 0), ("test", 1)]
        with pytest.raises(UserError, match=r"v.h5: there is no clip 6; the file has clips 0 to 5$"):
            data.find(6)
