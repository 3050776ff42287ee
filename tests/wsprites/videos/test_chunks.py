"""Chunks of people: where they begin and end, the square that is cut out, and boxes from files and detectors."""

import json
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
from numbered_videos import write_video
from people_videos import scene, with_person

import wsprites
from wsprites import cli
from wsprites.errors import ArgumentError
from wsprites.export import Job, export
from wsprites.file import VideoFile
from wsprites.file.chunks import ChunkRules
from wsprites.file.videos import LeftOut
from wsprites.videos import Video, import_videos, plan, plan_chunks
from wsprites.videos.boxes import NOBODY, hog_detector, open_boxes, read_boxes
from wsprites.videos.chunks import Seen, cut_chunks, look, overlap, spans, square
from wsprites.videos.frames import scan_folder

HEIGHT, WIDTH = 96, 128
LINE = "video,frame,left,top,right,bottom"
RULES = ChunkRules(min_frames=16, min_height=40, max_gap=2)


def made_video(frames: int, name: str = "a.mp4", **values: object) -> Video:
    """A video of 100 x 200 pixels that has no file."""
    return Video(Path(name), name, frames, (100, 200), np.arange(frames), np.arange(frames) / 25, np.zeros(frames, bool), **values)  # type: ignore[arg-type]


def seen(*boxes: list[list[float]], cuts: tuple[int, ...] = ()) -> Seen:
    starts = np.zeros(len(boxes), bool)
    starts[list(cuts)] = True
    return Seen(starts, [np.array(of_frame, float).reshape(-1, 4) for of_frame in boxes])


def ranges(found: Seen, **rules: float) -> list[tuple[int, int]]:
    return [(span.start, span.stop) for span in spans(found, ChunkRules(**{"max_gap": 1, "min_overlap": 0.5, **rules}))]  # type: ignore[arg-type]


A, NEAR, FAR, HIGH = [0, 0, 10, 10], [2, 0, 12, 10], [4, 0, 14, 10], [50, 0, 60, 30]  # IoU with A: 2/3, 3/7, 0


def test_a_chunk_ends_where_the_overlap_with_the_first_box_is_too_small():
    assert ranges(seen([A], [NEAR], [FAR], [FAR], [NEAR])) == [(0, 2), (2, 5)]
    assert ranges(seen([A], [NEAR], [FAR]), min_overlap=0.42) == [(0, 3)]
    assert ranges(seen([A], [NEAR], [FAR]), min_overlap=0.43) == [(0, 2), (2, 3)]


def test_a_chunk_spans_short_gaps_and_no_cut():
    assert ranges(seen([A], [], [A], [], [], [A], [])) == [(0, 3), (5, 6)]
    assert ranges(seen([A], [], [A], [], [], [A], []), max_gap=2) == [(0, 6)]
    assert ranges(seen([A], [A], [A], [A], cuts=(0, 2))) == [(0, 2), (2, 4)]
    assert ranges(seen([A], [], [A], cuts=(1,)), max_gap=5) == [(0, 1), (2, 3)], "a cut in a gap"
    assert ranges(seen([], [], [A])) == [(2, 3)] and ranges(seen([], [])) == []


def test_a_chunk_follows_the_person_with_whom_it_began():
    """The tallest of the first frame, then the one that overlaps most with that box, in whatever order the boxes are."""
    (span,) = spans(seen([A, HIGH], [HIGH, NEAR], [NEAR, [51, 0, 61, 30], [54, 0, 64, 30]]), ChunkRules())
    assert span.boxes.tolist() == [HIGH, HIGH, [51, 0, 61, 30]]


def test_overlap_counts_pixels():
    rng = np.random.default_rng(0)
    boxes = np.array([[*low, *(low + rng.integers(1, 9, 2))] for low in rng.integers(0, 12, (40, 2))])
    masks = np.zeros((40, 24, 24), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes, strict=True):
        mask[top:bottom, left:right] = True
    expected = [(masks[0] & mask).sum() / (masks[0] | mask).sum() for mask in masks]
    assert np.allclose(overlap(boxes[0], boxes.astype(float)), expected) and max(expected[1:]) > 0


def test_the_square_contains_all_boxes_and_lies_in_the_frame():
    rng = np.random.default_rng(1)
    for _ in range(300):
        low = rng.uniform(0, 90, (3, 2)) * [2, 1]
        boxes = np.concatenate([low, np.minimum(low + rng.uniform(1, 100, (3, 2)), [200, 100])], 1)
        hull, crop = np.array([*boxes[:, :2].min(0), *boxes[:, 2:].max(0)]), square(boxes, (100, 200), 0.1)
        if crop is None:
            assert np.ceil(hull[2]) - np.floor(hull[0]) > 100
            continue
        left, top, side = crop
        assert left >= 0 and top >= 0 and left + side <= 200 and top + side <= 100
        assert left <= hull[0] and top <= hull[1] and hull[2] <= left + side and hull[3] <= top + side
        assert side <= min(100, 1.1 * ((hull[2:] - hull[:2]).max() + 2) + 1)


def test_squares_by_hand():
    assert square(np.array([[50, 20, 70, 60.0]]), (100, 200), 0) == (40, 20, 40)
    assert square(np.array([[50, 20, 70, 60.0]]), (100, 200), 0.5) == (30, 10, 60)
    assert square(np.array([[50, 20, 70, 60.0], [60, 20, 84, 60]]), (100, 200), 0) == (47, 20, 40)
    assert square(np.array([[0, 0, 101, 10.0]]), (100, 200), 0) is None


# Whole videos.


def drawn_video(path: Path) -> list[str]:
    """A film of 100 frames, and the lines of its boxes, which are 24 pixels wide.

    0 to 39: a person stands until 20, then walks by 2 pixels a frame, so that the overlap with the first box is below a quarter where they
    are more than 14.4 pixels away: from frame 28 on with that of frame 0, from 36 on with that of 28. 40 to 79: another scene, with a
    person who stands. 80 to 89: a third, of 10 frames. 90 to 99: the second again, without anybody.
    """
    places = [40 + 2 * max(0, t - 20) for t in range(40)] + [70] * 40 + [50] * 10 + [None] * 10
    walls = [200] * 40 + [120] * 40 + [200] * 10 + [120] * 10
    frames, lines = [], []
    for t, (x, wall) in enumerate(zip(places, walls, strict=True)):
        empty = scene(HEIGHT, WIDTH, wall)
        frames.append(empty if x is None else with_person(empty, x, 20, 60))
        lines.append(f"{path.name},{t}," + (",,," if x is None else f"{x - 12},20,{x + 12},80"))
    write_video(path, frames)
    return lines


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("scenedetect", reason="the extra 'chunks' is not installed")
    folder = tmp_path_factory.mktemp("people")
    (folder / "films").mkdir()
    (folder / "boxes.csv").write_text("\n".join([LINE, *drawn_video(folder / "films" / "a.mp4")]))
    return folder


def test_chunks_of_a_film(folder: Path, tmp_path: Path):
    """By hand: 0 to 27, too short ones from 28 and from 36, 40 to 79, 80 to 89 too short; clips of 16 frames, so that 12 and 8 are left."""
    planned = plan_chunks(folder / "films", folder / "boxes.csv", RULES, frames=16, size=(32, 32))
    import_videos(planned, tmp_path / "a.h5")
    import_videos(plan(folder / "films", frames=100), tmp_path / "whole.h5")
    import_videos(planned, tmp_path / "b.h5")
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    with VideoFile(tmp_path / "a.h5") as data, VideoFile(tmp_path / "whole.h5") as whole:
        assert [chunk[:6] for chunk in data.chunks] == [(0, 0, 27, 14, 17, 66), (0, 40, 79, 37, 17, 66)]
        assert data.chunks[0][6:] == (28, 20, 52, 80)
        train, original = data["train"], whole["train"]["frames"][0]
        assert train["chunk"][...].tolist() == [0, 1, 1] and train["first_frame"][...].tolist() == [0, 40, 56]
        assert data.facts.chunks is not None and data.facts.chunks.boxes.startswith("boxes.csv, SHA-256 ")
        for row, first in enumerate([0, 40, 56]):
            chunk = data.chunks[train["chunk"][row]]
            rows, columns = (slice(low, low + chunk.crop_side) for low in (chunk.crop_top, chunk.crop_left))
            for t in (0, 7, 15):
                expected = cv2.resize(original[first + t, rows, columns], (32, 32), interpolation=cv2.INTER_AREA)
                assert np.array_equal(train["frames"][row, t], expected)
        left = {(entry.reason, entry.frames, entry.detail) for entry in data.left_out}
        assert left == {
            ("chunks shorter than 16 frames", 0, "frames 28 to 35"),
            ("chunks shorter than 16 frames", 0, "frames 36 to 39"),
            ("chunks shorter than 16 frames", 0, "frames 80 to 89"),
            ("frames without a person", 10, ""),
            ("frames at the end of chunks, too few for another clip of 16", 12 + 8, ""),
        }
        assert not whole.chunks and "chunk" not in whole["train"]


def test_cuts_of_single_frames_at_both_ends(tmp_path: Path):
    """Of a folder of pictures: a scene of one, one of four and a damaged one between them, and one of one. Boxes keep their frames."""
    pytest.importorskip("scenedetect", reason="the extra 'chunks' is not installed")
    for number, wall in ((0, 200), (1, 100), (2, 100), (4, 100), (5, 100), (6, 200)):
        cv2.imwrite(str(tmp_path / f"{number}.png"), scene(24, 32, wall))
    (tmp_path / "3.png").write_text("damaged")
    video = scan_folder(tmp_path, "a", lambda frames: None)
    found = look(video, ChunkRules(), boxes=[np.full((1, 4), float(number)) for number in range(7)])
    assert found.cuts.tolist() == [False, True, False, True, False, True]
    assert [of_frame[0, 0] for of_frame in found.boxes] == [0, 1, 2, 4, 5, 6]


def test_rules_that_drop_chunks(folder: Path):
    def reasons(rules: ChunkRules, **options: object) -> str:
        with pytest.raises(ArgumentError, match=r"^chunks: no chunk of .* passes the rules") as error:
            plan_chunks(folder / "films", folder / "boxes.csv", rules, **{"frames": 16, "size": (32, 32), **options})  # type: ignore[arg-type]
        return str(error.value)

    assert "chunks with a person less than 61 px high (2)" in reasons(ChunkRules(min_frames=16, min_height=61))
    assert "chunks shorter than a clip of 50 frames (2)" in reasons(RULES, frames=50)
    assert "chunks that would have to be enlarged to 67 px (2)" in reasons(RULES, size=(67, 67))


def test_frames_are_sampled_within_chunks(folder: Path):
    """Every second frame: 14 of the first chunk, which is too short then, and 20 of the second."""
    planned = plan_chunks(folder / "films", folder / "boxes.csv", RULES, frames=5, size=(32, 32), skip=1)
    (positions,) = planned.cuts.values()
    assert positions.tolist() == (40 + 2 * np.arange(20)).reshape(4, 5).tolist()
    planned = plan_chunks(folder / "films", folder / "boxes.csv", RULES, frames=20, size=(32, 32), fps=12.5)
    assert [cuts.tolist() for cuts in planned.cuts.values()] == [[(40 + 2 * np.arange(20)).tolist()]]


def test_several_videos_keep_their_rows_and_splits(folder: Path, tmp_path: Path):
    lines = []
    for split, name in (("test", "z.mp4"), ("train", "b.mp4"), ("train", "c.mp4")):
        (tmp_path / "in" / split).mkdir(parents=True, exist_ok=True)
        lines += [f"{split}/{line}" for line in drawn_video(tmp_path / "in" / split / name)]
    (tmp_path / "in/train/d.mp4").write_bytes((tmp_path / "in/train/c.mp4").read_bytes())
    (tmp_path / "boxes.csv").write_text("\n".join([LINE, *lines]))
    planned = plan_chunks(tmp_path / "in", tmp_path / "boxes.csv", RULES, frames=16, size=(32, 32))
    import_videos(planned, tmp_path / "a.h5")
    with VideoFile(tmp_path / "a.h5") as data:
        assert data.names == ("train/b.mp4", "train/c.mp4", "test/z.mp4")
        assert [(chunk.video, chunk.first_frame) for chunk in data.chunks] == [(v, first) for v in range(3) for first in (0, 40)]
        assert [data[split]["chunk"][...].tolist() for split in ("train", "val", "test")] == [[0, 1, 1, 2, 3, 3], [], [4, 5, 5]]
        assert [entry.name for entry in data.left_out if "does not name" in entry.reason] == ["train/d.mp4"]


def test_the_command_says_what_it_did(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "a.h5"
    options = ["--min-frames", "16", "--min-height", "40", "--max-gap", "2", "--frames", "16", "--size", "32x32"]
    cli.main(["import", str(folder / "films"), "--chunks", str(folder / "boxes.csv"), "--out", str(out), *options])
    said = capsys.readouterr().out
    assert "clips    3 (3 train, 0 val, 0 test) of 16 frames, 32 x 32: 48 frames" in said
    assert "chunks   2 chunks of 28 to 40 frames, squares of 66 px; boxes of boxes.csv, SHA-256 " in said
    assert "left out chunks shorter than 16 frames (3): a.mp4 (frames 28 to 35), a.mp4 (frames 36 to 39), a.mp4 (frames 80 to 89)" in said
    cli.main(["info", str(out)])
    assert (
        "rules        at least 16 frames, 40 px and an IoU of 0.25; margin 0.1, gaps up to 2 frames, cuts from 15\n"
        in capsys.readouterr().out
    )


def test_help_states_the_defaults(capsys: pytest.CaptureFixture[str]):
    cli.main(["import", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    rules = ChunkRules()
    for name in ("min_frames", "min_height", "min_overlap", "margin", "max_gap", "cut_threshold", "detect_every"):
        _, _, text = said.partition(f"--{name.replace('_', '-')} ")
        assert f"[default: {getattr(rules, name):g}]" in text[: text.index("]") + 1]


# Detectors.


def test_people_are_looked_for_in_every_few_frames(folder: Path, monkeypatch: pytest.MonkeyPatch):
    """A stand-in for OpenCV's detector, which not every build has: the box around all dark pixels."""
    looked = []

    def detect(frame: np.ndarray) -> np.ndarray:
        looked.append(frame.shape)
        y, x = np.nonzero(frame.max(2) < 70)
        return np.array([[x.min(), y.min(), x.max() + 1, y.max() + 1]], float) if len(x) else NOBODY

    monkeypatch.setattr("wsprites.videos.people.hog_detector", lambda min_height: detect)
    rules = ChunkRules(min_frames=16, min_height=40, detect_every=4, max_gap=3)
    planned = plan_chunks(folder / "films", "hog", rules, frames=16, size=(32, 32))
    assert looked == [(HEIGHT, WIDTH, 3)] * 25
    assert [(chunk.first_frame, chunk.last_frame) for chunk in planned.chunks] == [(0, 24), (40, 76)]
    assert planned.rules is not None and planned.rules.boxes.startswith("hog, OpenCV")


@pytest.mark.skipif(not hasattr(cv2, "HOGDescriptor"), reason="OpenCV was built without the HOG detector")
@pytest.mark.parametrize("height", [100, 300])
def test_opencvs_detector_finds_a_drawn_person(height: int):
    """Position and height as drawn, to an eighth of the height; nobody in an empty scene, nor in one that is too small."""
    empty = scene(height * 2, height * 3, 170)
    (box,) = hog_detector(height)(with_person(empty, height, height // 3, height))
    expected = np.array([height, height / 3, height, height * 4 / 3])
    assert np.abs((box + box[[2, 1, 0, 3]]) / 2 - expected).max() < height / 8
    assert not len(hog_detector(height)(empty)) and not len(hog_detector(height)(empty[:20, :20]))


# Files of boxes.


def test_boxes_of_several_videos_and_people(tmp_path: Path):
    """Lines of two videos in turn, columns in another order, numbers with spaces, empty lines."""
    path = tmp_path / "boxes.csv"
    path.write_text(
        "frame,video,top,left,bottom,right\n0,a.mp4,1,2,30,40.5\n\n0,b.mp4,,,,\n0,a.mp4, 5,6,7,8\n1,a.mp4,,,,\n1,b.mp4,0,0,100,200\n"
    )
    a, b = made_video(2), made_video(2, "b.mp4")
    boxes = read_boxes(open_boxes(path), [a, b])
    assert [[found.tolist() for found in boxes[video]] for video in (a, b)] == [
        [[[2, 1, 40.5, 30], [6, 5, 8, 7]], []],
        [[], [[0, 0, 200, 100]]],
    ]


def test_names_of_videos_may_begin_and_end_with_spaces(tmp_path: Path):
    """Cells lose such spaces; a video whose name is exactly that of the cell comes first."""
    path = tmp_path / "boxes.csv"
    path.write_text(f'{LINE}\na.mp4,0,1,1,2,2\n" b.mp4 ",0,3,3,4,4\n')
    a, spaced, b = made_video(1), made_video(1, " a.mp4"), made_video(1, " b.mp4 ")
    boxes = read_boxes(open_boxes(path), [spaced, a, b])
    assert {video: found[0][0, 0] for video, found in boxes.items()} == {a: 1, b: 3}


def test_frames_of_a_video_are_in_clips_or_counted_as_left_out():
    """Also those of dropped chunks, by their numbers in the video, where frames that cannot be decoded count."""
    rng = np.random.default_rng(2)
    for _ in range(100):
        count = int(rng.integers(1, 60))
        video = made_video(count, missing=np.cumsum(rng.random(count) < 0.05))
        boxes = [[[x, 10, x + 20, rng.integers(30, 90)] for x in rng.integers(0, 30, rng.integers(0, 3))] for _ in range(count)]
        left_out: list[LeftOut] = []
        found = seen(*boxes, cuts=tuple(np.flatnonzero(rng.random(count) < 0.05)))
        rules = ChunkRules(min_frames=3, min_height=40, max_gap=2)
        cuts = cut_chunks(video, found, rules, frames=4, side=30, take=lambda positions: positions, left_out=left_out)
        used = cuts.positions.size + sum(entry.frames for entry in left_out)
        for entry in left_out:
            if entry.detail:
                _, first, _, last = entry.detail.split()
                used += int(((video.places >= int(first)) & (video.places <= int(last))).sum())
        assert used == count
        for positions, number in zip(cuts.positions, cuts.numbers, strict=True):
            chunk = cuts.chunks[number]
            assert chunk.first_frame <= video.places[positions[0]] and video.places[positions[-1]] <= chunk.last_frame


@pytest.mark.parametrize("to", ["webdataset", "released"])
def test_an_export_says_where_its_chunks_are(folder: Path, tmp_path: Path, to: str):
    import_videos(plan_chunks(folder / "films", folder / "boxes.csv", RULES, frames=16, size=(32, 32)), tmp_path / "a.h5")
    with VideoFile(tmp_path / "a.h5") as data:
        export(Job(data, to), tmp_path / "out")
        chunks = [chunk._asdict() for chunk in data.chunks]
    facts = json.loads((tmp_path / "out" / "wsprites.json").read_text())
    assert facts["chunk_table"] == chunks and [clip["chunk"] for clip in facts["clip_of"]] == [0, 1, 1]
    assert "`chunk_table`" in (tmp_path / "out" / "README.md").read_text()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "the columns are missing; expected video, frame, left, top, right, bottom"),
        ("video,frame,left,top,right\na.mp4,0,1,1,2", "the columns are video, frame, left, top, right; expected"),
        (f"{LINE},score\n", "score; expected"),
        (f"{LINE},left\n", "each once"),
        (f"{LINE}\na.mp4,0,1,1,2\n", "line 2 has 5 cells, not 6"),
        (f"{LINE}\nA.mp4,0,1,1,2,2\n", r"line 2: there is no video 'A.mp4' in the folder; did you mean 'a.mp4'\?"),
        (f"{LINE}\nxyz,0,1,1,2,2\n", "line 2: there is no video 'xyz' in the folder; there are a.mp4"),
        (f"{LINE}\na.mp4,1,1,1,2,2\n", "line 2: frame is 1; expected 0 as the next of a.mp4"),
        (f"{LINE}\na.mp4,0,1,1,2,2\na.mp4,2,1,1,2,2\n", "line 3: frame is 2; expected 0 or 1 as the next of a.mp4; every frame needs"),
        (f"{LINE}\na.mp4,0,1,1,2,2\na.mp4,1,,,,\na.mp4,0,,,,\n", "line 4: frame is 0; expected 1 or 2"),
        (f"{LINE}\na.mp4,-1,1,1,2,2\n", "line 2: frame is '-1'; expected a whole number from 0 to 2"),
        (f"{LINE}\na.mp4,0.0,1,1,2,2\n", "line 2: frame is '0.0'"),
        (f"{LINE}\n" + "".join(f"a.mp4,{t},,,,\n" for t in range(4)), "line 5: frame is '3'; expected a whole number from 0 to 2"),
        (f"{LINE}\na.mp4,0,,,,\na.mp4,1,,,,\n", "it ends after 2 frames of a.mp4, which has 3; expected a line for each"),
        (f"{LINE}\na.mp4,0,,,,\na.mp4,0,1,1,2,2\n", "line 3: frame 0 is there already; a line without a box"),
        (f"{LINE}\na.mp4,0,1,nan,2,2\n", "line 2: left, top, right, bottom are 1, nan, 2, 2; expected four numbers"),
        (f"{LINE}\na.mp4,0,1,inf,2,2\n", "1, inf, 2, 2; expected four numbers"),
        (f"{LINE}\na.mp4,0,1,,2,2\n", "1, nothing, 2, 2; expected four numbers, or four empty cells"),
        (f"{LINE}\na.mp4,0,1,x,2,2\n", "1, x, 2, 2; expected four numbers"),
        (f"{LINE}\na.mp4,0,5,1,2,2\n", "expected left < right and top < bottom"),
        (f"{LINE}\na.mp4,0,0,0,1e-300,1e-300\n", "expected left < right and top < bottom"),
        (f"{LINE}\na.mp4,0,1,2,2,2\n", "expected left < right and top < bottom"),
        (f"{LINE}\na.mp4,0,-1,1,2,2\n", r"the box -1, 1, 2, 2 is not inside of the frame of 100x200 \(height x width\)"),
        (f"{LINE}\na.mp4,0,1,1,200.5,2\n", "is not inside of the frame"),
        (f"{LINE}\na.mp4,0,1,1,2,101\n", "is not inside of the frame"),
        (f'{LINE}\n"a.mp4,0,1,1,2,2\n', "is not CSV"),
    ],
)
def test_boxes_that_are_refused(text: str, words: str, tmp_path: Path):
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    with pytest.raises(ArgumentError, match=f"^chunks: .*boxes.csv: .*{words}|^chunks: .*boxes.csv: {words}"):
        read_boxes(open_boxes(path), [made_video(3)])


def test_boxes_of_damaged_and_unreadable_videos(tmp_path: Path):
    """Frames that can be decoded are counted, also where others are missing; lines of videos that are left out are passed over."""
    path = tmp_path / "boxes.csv"
    path.write_text(LINE + "\nbroken.mp4,7,x,,,\n" + "".join(f"a.mp4,{t},{t},0,50,50\n" for t in range(3)))
    video = made_video(3, damaged=True, missing=np.array([1, 1, 2]))
    (boxes,) = read_boxes(open_boxes(path), [video], left_out=["broken.mp4"]).values()
    assert [found[0, 0] for found in boxes] == [0, 1, 2] and video.places.tolist() == [1, 2, 4]


@pytest.mark.bad_input
def test_options_that_are_refused(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """In one line, before a film is read."""

    def answer(*options: str) -> str:
        with pytest.raises(SystemExit) as stop:
            cli.main(["import", str(folder / "films"), "--out", str(tmp_path / "a.h5"), *options])
        said = capsys.readouterr()
        assert stop.value.code == 2 and len(said.err.splitlines()) == 1 and not list(tmp_path.iterdir())
        return said.err

    boxes = str(folder / "boxes.csv")
    monkeypatch.setattr("wsprites.videos.people.scan_videos", None)
    assert "--min-frames goes with --chunks" in answer("--min-frames", "3")
    assert "--detect-every goes with --chunks hog" in answer("--chunks", boxes, "--detect-every", "3")
    assert "no.csv: no such file; expected a CSV file of boxes, or 'hog'" in answer("--chunks", "no.csv")
    assert "--size: 32x48 is no square" in answer("--chunks", boxes, "--size", "32x48")
    assert "'--min-overlap': 2.0 is not in the range 0<=x<=1" in answer("--chunks", boxes, "--min-overlap", "2")
    assert "'--min-frames': 0 is not in the range" in answer("--chunks", boxes, "--min-frames", "0")
    assert "margin = nan is outside" in answer("--chunks", boxes, "--margin", "nan")
    assert "--chunks is empty" in answer("--chunks", "")
    words = "--detect-every: 14 is more than the gaps of 12 frames that a chunk may span, and one: every chunk would have one frame"
    assert words in answer("--chunks", "hog", "--detect-every", "14")
    monkeypatch.delattr(cv2, "HOGDescriptor", raising=False)
    assert "built without the HOG detector; install opencv-contrib-python-headless" in answer("--chunks", "hog")
    monkeypatch.setitem(sys.modules, "scenedetect", None)
    assert 'scenedetect is not installed; run pip install -c constraints.txt ".[chunks]"' in answer("--chunks", boxes)


@pytest.mark.bad_input
def test_chunks_of_damaged_files(folder: Path, tmp_path: Path):
    """Rules that are no JSON, and chunks of another type, are an error of the file."""
    out = tmp_path / "a.h5"
    import_videos(plan_chunks(folder / "films", folder / "boxes.csv", RULES, frames=16, size=(32, 32)), out)
    good = out.read_bytes()
    for name in ("rules", "chunks", "missing"):
        out.write_bytes(good)
        with h5py.File(out, "r+") as h5:
            if name == "rules":
                h5.attrs["chunks"] = '{"min_frames": -1}'
            else:
                del h5["chunks"]
                if name == "chunks":
                    h5["chunks"] = np.zeros(3)
        with pytest.raises(ValueError, match=r"a\.h5: .*(chunks|damaged)"):
            wsprites.open(out)
