"""Video files: every frame that is imported shows the number that its time says, whatever is damaged, and what is lost is counted."""

import gc
import struct
from collections.abc import Callable
from fractions import Fraction
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest
from numbered_videos import HEIGHT, WIDTH, numbered_frame, numbers_of, write_video

import wsprites
from wsprites.errors import UserError
from wsprites.file import VideoFile
from wsprites.videos import import_videos, plan
from wsprites.videos.decode import file_frames, scan_file

RNG = np.random.default_rng(0)
LOST = "frames that cannot be decoded, or build on one that cannot"
SKIPPED = "frames missing where times jump by more than 1.5 frame intervals of a constant rate"
SHORT = "videos that end before the time that their file states"
JUMPS = "videos of a rate that varies, whose times jump by more than 1.5 of the usual steps"


def imported(folder: Path, **options) -> VideoFile:
    import_videos(plan(folder, **options), folder.parent / "data.h5", overwrite=True)
    data = wsprites.open(folder.parent / "data.h5")
    assert isinstance(data, VideoFile)
    return data


def everything(data: VideoFile, array: str) -> np.ndarray:
    return np.concatenate([split[array][...] for split in data.splits.values()])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    return tmp_path / "in"


@pytest.mark.parametrize(
    "name",
    [
        b"caf\xe9.mp4",
        b"2024-11-14T22:57:44.mp4",
        b"http:a.mp4",
        b"-i.mp4",
        b"%03d.mp4",
        b"a\nb.mp4",
        b"dir\xff\xfe/a.mp4",
        b"x:y/concat:a|b.mp4",
        "日本.MP4".encode(),
        b"recording",
    ],
)
def test_a_file_may_have_any_name(folder: Path, name: bytes, monkeypatch: pytest.MonkeyPatch):
    import os

    path = Path(os.fsdecode(name))
    (folder / path).parent.mkdir(exist_ok=True)
    write_video(folder / "plain.mp4", 12)
    (folder / "plain.mp4").rename(folder / path)
    monkeypatch.chdir(folder)
    for given in (folder, Path()):
        import_videos(plan(given, frames=6), folder.parent / "data.h5", overwrite=True)
        with VideoFile(folder.parent / "data.h5") as data:
            assert data.names == (name.decode("utf-8", "backslashreplace").replace("\n", "\\n"),) and data.left_out == ()
            assert numbers_of(everything(data, "frames")) == list(range(12))


@pytest.mark.parametrize(
    ("name", "codec", "pixels"),
    [
        ("a.mp4", "libx264", "yuv420p"),
        ("a.webm", "libvpx-vp9", "yuv420p"),
        ("a.mkv", "libvpx", "yuv420p"),
        ("a.mov", "mpeg4", "yuv420p"),
        ("a.avi", "mjpeg", "yuvj420p"),
        ("a.wmv", "wmv2", "yuv420p"),
        ("a.flv", "flv", "yuv420p"),
        ("a.mpg", "mpeg2video", "yuv420p"),
        ("a.ts", "libx264", "yuv420p"),
        ("a.gif", "gif", "rgb8"),
        ("a.nut", "ffv1", "yuv420p10le"),
    ],
)
def test_formats(folder: Path, name: str, codec: str, pixels: str):
    container = {"wmv": "asf", "mkv": "matroska", "ts": "mpegts", "mpg": "mpeg"}.get(name[2:])
    write_video(folder / name, 30, codec=codec, pixels=pixels, container=container)
    with imported(folder, frames=10) as data:
        assert data.left_out == () and numbers_of(everything(data, "frames")) == list(range(30))
        assert np.abs(everything(data, "time").ravel() - np.arange(30) / 25).max() < 2e-3


# Damage.


def zeros(media: bytearray) -> None:
    media[len(media) // 2 : len(media) // 2 + 2000] = bytes(2000)


def ones(media: bytearray) -> None:
    media[len(media) // 3 : len(media) // 3 + 2000] = b"\xff" * 2000


def cut(media: bytearray) -> None:
    del media[len(media) * 6 // 10 :]


def hole(media: bytearray) -> None:
    del media[len(media) // 2 : len(media) // 2 + 3000]


MEDIA = {"a.mp4": b"mdat", "a.mkv": b"\x1f\x43\xb6\x75", "a.ts": b"G", "a.avi": b"movi", "b.avi": b"movi", "c.avi": b"movi"}
"""What precedes the frames in a file: the tables before it are left as they are."""

KINDS = {
    "a.avi": {"codec": "mjpeg", "pixels": "yuvj420p"},
    "c.avi": {"codec": "mpeg4", "options": {"g": "8", "qmin": "2", "qmax": "4"}},
}


# Matroska with a hole is not among them: of the frame that the hole begins in, FFmpeg shows what it has, without an error.
@pytest.mark.parametrize(
    ("name", "damage"),
    [
        pytest.param(name, damage, marks=pytest.mark.slow if damage in (ones, hole) else ())
        for name in MEDIA
        for damage in (zeros, cut, ones, hole)
        if (name, damage) != ("a.mkv", hole)
    ],
)
def test_what_is_left_of_a_damaged_video_is_right(folder: Path, name: str, damage: Callable[[bytearray], None]):
    container = {"mkv": "matroska", "ts": "mpegts"}.get(name[2:])
    kind = KINDS.get(name, {})
    write_video(folder / name, 60, container=container, **kind)
    content = (folder / name).read_bytes()
    before, mark, media = content.partition(MEDIA[name])
    damaged = bytearray(media)
    damage(damaged)
    (folder / name).write_bytes(before + mark + damaged)
    with imported(folder, frames=1) as data:
        numbers = numbers_of(everything(data, "frames"))
        assert 25 <= len(numbers) < 60 and all(before < after for before, after in pairwise(numbers))
        lost = sum(entry.frames for entry in data.left_out if entry.reason in (LOST, SKIPPED))
        if name == "a.mp4" or name.endswith("avi"):  # these list how many frames they have
            assert lost == 60 - len(numbers)
        elif name == "a.mkv":
            assert lost == numbers[-1] + 1 - len(numbers) or SHORT in [entry.reason for entry in data.left_out]
        elif damage is not cut:
            assert lost > 0
        if name != "a.ts":
            assert everything(data, "first_frame").tolist() == numbers
        times = everything(data, "time").ravel()
        assert np.abs(times - times[0] - (np.array(numbers) - numbers[0]) / 25).max() < 2e-3
    # The second time gives the same bytes, and no clip spans what is missing.
    written = (folder.parent / "data.h5").read_bytes()
    with imported(folder, frames=1):
        assert (folder.parent / "data.h5").read_bytes() == written
    with imported(folder, frames=4) as data:
        for clip in everything(data, "frames"):
            first = numbers_of(clip)[0]
            assert numbers_of(clip) == [first, first + 1, first + 2, first + 3]


def test_a_matroska_file_that_is_cut_short_is_named(folder: Path):
    write_video(folder / "a.mkv", 60, container="matroska")
    write_video(folder / "b.mkv", 60, container="matroska", times=[number / 25 + 3 for number in range(60)])
    content = (folder / "a.mkv").read_bytes()
    with imported(folder, frames=5) as data:
        assert not data.left_out
    (folder / "a.mkv").write_bytes(content[: len(content) // 2])
    with imported(folder, frames=1) as data:
        short = [entry for entry in data.left_out if entry.reason == "videos that end before the time that their file states"]
        assert [entry.name for entry in short] == ["a.mkv"]
        frames = int((data["train"]["video"][:] == 0).sum())
        assert short[0].detail == f"after {frames / 25:.2f} of 2.40 s"


def test_a_video_without_its_table_is_left_out_by_name(folder: Path):
    write_video(folder / "a.mp4", 20)
    write_video(folder / "b.mp4", 20)
    content = (folder / "b.mp4").read_bytes()
    (folder / "b.mp4").write_bytes(content[: content.index(b"moov") + 40])
    (folder / "c.mp4").write_bytes(b"")
    (folder / "d.txt").write_text("hello " * 1000)
    with imported(folder, frames=20) as data:
        assert data.names == ("a.mp4",)
        assert [(entry.name, entry.reason) for entry in data.left_out] == [
            ("b.mp4", "videos that cannot be read"),
            ("c.mp4", "videos that cannot be read"),
            ("d.txt", "files that are not videos"),
        ]


@pytest.mark.parametrize(
    "text",
    [
        "ffconcat version 1.0\nfile SECRET\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:10\n#EXTINF:10,\nSECRET\n#EXT-X-ENDLIST\n",
        '<?xml version="1.0"?><MPD><Period><BaseURL>SECRET</BaseURL></Period></MPD>',
    ],
)
@pytest.mark.parametrize("name", ["a.mp4", "a.m3u8", "list"])
def test_lists_of_other_files_are_not_followed(folder: Path, text: str, name: str):
    write_video(folder.parent / "secret.mp4", 20)
    (folder / name).write_text(text.replace("SECRET", "../secret.mp4"))
    with pytest.raises(UserError, match=r"no videos; .* expected are"):
        plan(folder, frames=5)


def test_frames_of_another_size_are_left_out(folder: Path):
    """Two streams of H.264 one after the other: the size changes within the file."""
    for name, size in (("a", 1), ("b", 2)):
        frames = [np.kron(numbered_frame(number), np.ones((size, size, 1), np.uint8)) for number in range(10)]
        write_video(folder / f"{name}.h264", frames, options={"g": "10", "bf": "0"}, container="h264")
    both = (folder / "a.h264").read_bytes() + (folder / "b.h264").read_bytes() + (folder / "a.h264").read_bytes()
    (folder / "b.h264").unlink()
    (folder / "a.h264").write_bytes(both)
    with imported(folder, frames=4) as data:
        assert [numbers_of(clip)[0] for clip in everything(data, "frames")] == [0, 4, 0, 4]
        assert everything(data, "first_frame").tolist() == [0, 4, 20, 24]
        lines = {entry.reason: entry for entry in data.left_out}
        assert lines["frames of another size than the first of their video"].frames == 10


# Times.


def nearest(times: list[float], fps: float) -> list[int]:
    """By brute force: for each multiple of 1 / fps the frame that is nearest in time, up to the end of the last frame."""
    length = times[-1] + float(np.median(np.diff(times)))
    grid = [Fraction(k) / Fraction(fps) for k in range(10_000) if Fraction(k) / Fraction(fps) < length - 1e-6]
    return [min(range(len(times)), key=lambda i: (round(abs(times[i] - float(moment)), 6), i)) for moment in grid]


@pytest.mark.parametrize("fps", [5, 24, 60])
def test_variable_rates_are_recorded_and_resampled(folder: Path, fps: int):
    steps = np.random.default_rng(3).choice([0.02, 0.04, 0.1, 0.5], 60)
    times = [0.0, *np.cumsum(steps).round(3)][:60]
    write_video(folder / "a.mkv", 60, times=times, container="matroska")
    with imported(folder, frames=1) as data:
        assert np.abs(everything(data, "time").ravel() - times).max() < 1e-6 and data.facts.fps is None
    with imported(folder, frames=1, fps=fps) as data:
        chosen = nearest(times, fps)
        assert numbers_of(everything(data, "frames")) == chosen and data.facts.fps == fps
        assert np.abs(everything(data, "time").ravel() - np.array(times)[chosen]).max() < 1e-6
        assert everything(data, "first_frame").tolist() == chosen
    planned = plan(folder, frames=20, fps=fps)
    clips = [chosen[first : first + 20] for first in range(0, len(chosen) // 20 * 20, 20)]
    steps_of = [after - before for clip in clips for before, after in pairwise(clip)]
    assert planned.resampling() == (steps_of.count(0), sum(max(step - 1, 0) for step in steps_of))


@pytest.mark.parametrize(("name", "codec"), [("a.mkv", "libx264"), ("a.webm", "libvpx-vp9"), ("a.nut", "ffv1")])
@pytest.mark.parametrize("rate", [25, 30])
def test_frames_that_a_constant_rate_lacks_are_missing(folder: Path, name: str, codec: str, rate: int):
    """Written without two frames of 60 and without four, as FFmpeg reads a file of which a part is gone."""
    kept = [number for number in range(60) if number not in (20, 21, 40, 41, 42, 43)]
    options = {"g": "1"} if codec == "ffv1" else {"g": "1", "crf": "10"}  # key frames only: no frame builds on a missing one
    frames = [numbered_frame(number) for number in kept]
    container = "matroska" if name == "a.mkv" else None
    times = [round(number / rate, 3) for number in kept]
    write_video(folder / name, frames, codec=codec, options=options, times=times, rate=rate, container=container)
    with imported(folder, frames=7) as data:
        assert [numbers_of(clip) for clip in everything(data, "frames")] == [
            list(range(first, first + 7)) for first in (0, 7, 22, 29, 44, 51)
        ]
        assert everything(data, "first_frame").tolist() == [0, 7, 22, 29, 44, 51]
        assert [(entry.reason, entry.frames) for entry in data.left_out if entry.reason in (LOST, SKIPPED, JUMPS)] == [(SKIPPED, 6)]


def test_frames_that_an_avi_file_repeats_are_not_missing(folder: Path):
    """FFmpeg writes an empty packet for each interval without a frame of its own."""
    times = [(number + (number > 15)) / 25 for number in range(30)]
    write_video(folder / "a.avi", 30, codec="mjpeg", pixels="yuvj420p", times=times)
    assert (folder / "a.avi").read_bytes().count(b"00dc") > 1000
    with imported(folder, frames=30) as data:
        assert numbers_of(everything(data, "frames")) == list(range(30)) and data.left_out == ()
        assert np.abs(everything(data, "time").ravel() - times).max() < 1e-6


@pytest.mark.parametrize("lie", ["sizes", "name"])
def test_an_avi_file_with_a_wrong_list_is_read_in_its_order(folder: Path, lie: str):
    write_video(folder / "a.avi", 20)
    content = bytearray((folder / "a.avi").read_bytes())
    start = content.rindex(b"idx1")
    if lie == "name":
        content[start : start + 4] = b"JUNK"
    else:
        for entry in range(start + 8, start + 8 + 16 * 20, 16):
            content[entry + 12 : entry + 16] = b"\x07\0\0\0"
    (folder / "a.avi").write_bytes(content)
    with imported(folder, frames=20) as data:
        assert numbers_of(everything(data, "frames")) == list(range(20)) and data.left_out == ()


@pytest.mark.parametrize("name", ["a.mkv", "a.mp4"])
@pytest.mark.parametrize("kind", ["one pause", "many pauses", "two rates", "any times"])
def test_rates_that_vary_lose_nothing(folder: Path, name: str, kind: str):
    steps = np.full(59, 0.04)
    if kind == "one pause":
        steps[30] = 0.5
    elif kind == "many pauses":
        steps[::5] = 0.08
    elif kind == "two rates":
        steps[40:] = 0.1
    else:
        steps = np.random.default_rng(1).choice([0.02, 0.04, 0.1, 0.5], 59)
    times = [0.0, *np.cumsum(steps).round(3)]
    write_video(folder / name, 60, times=times, container="matroska" if name == "a.mkv" else None)
    with imported(folder, frames=60) as data:
        assert numbers_of(everything(data, "frames")) == list(range(60))
        jumps = np.flatnonzero(steps > 1.5 * np.median(steps))
        detail = f"{len(jumps)} times, first after {times[jumps[0]]:.2f} s"
        assert [(entry.reason, entry.detail) for entry in data.left_out] == [(JUMPS, detail)]


def test_resampling_of_an_even_rate_takes_every_second_frame(folder: Path):
    write_video(folder / "a.mp4", 40)
    with imported(folder, frames=5, fps=12.5, skip=1) as data:
        assert numbers_of(everything(data, "frames")) == list(range(0, 40, 4))
    with imported(folder, frames=20, fps=50) as data:
        assert numbers_of(everything(data, "frames")) == [number // 2 for number in range(80)]


def test_times_that_a_file_lacks_come_from_its_rate_and_are_told(folder: Path):
    write_video(folder / "a.h264", 20, container="h264")
    with imported(folder, frames=20) as data:
        (entry,) = data.left_out
        assert entry.reason.startswith("times of frames that are missing") and entry.frames == 20
        assert np.allclose(np.diff(everything(data, "time")[0]), 1 / 25)


# Pixels.

TURNS = {
    "as stored": ((1, 0, 0, 1), lambda frame: frame),
    "90 clockwise": ((0, 1, -1, 0), lambda frame: np.rot90(frame, -1)),
    "180": ((-1, 0, 0, -1), lambda frame: np.rot90(frame, 2)),
    "90 counterclockwise": ((0, -1, 1, 0), lambda frame: np.rot90(frame, 1)),
    "mirrored": ((-1, 0, 0, 1), lambda frame: frame[:, ::-1]),
    "upside down": ((1, 0, 0, -1), lambda frame: frame[::-1]),
}


def turn_by(path: Path, matrix: tuple[int, int, int, int]) -> None:
    """Write a matrix, in units of 1 / 65536, to where an MP4's track header keeps it."""
    content = bytearray(path.read_bytes())
    place = content.index(b"tkhd") + 44
    a, b, c, d = matrix
    content[place : place + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    path.write_bytes(content)


@pytest.mark.parametrize("turn", TURNS)
def test_videos_of_phones_are_turned(folder: Path, turn: str):
    write_video(folder / "a.mp4", 5)
    with imported(folder, frames=5) as data:
        stored = everything(data, "frames")[0]
    (a, b, c, d), turned = TURNS[turn]
    turn_by(folder / "a.mp4", (a << 16, b << 16, c << 16, d << 16))
    with imported(folder, frames=5) as data:
        assert np.array_equal(everything(data, "frames")[0], np.stack([turned(frame) for frame in stored]))
    if turn.startswith("90"):  # FFmpeg's own name of the angle
        with av.open(str(folder / "a.mp4")) as file:
            assert next(file.decode(video=0)).rotation == (-90 if turn == "90 clockwise" else 90)


def test_other_angles_are_told(folder: Path):
    write_video(folder / "a.mp4", 5)
    turn_by(folder / "a.mp4", (56756, 32768, -32768, 56756))  # 30 degrees
    with imported(folder, frames=5) as data:
        assert numbers_of(everything(data, "frames")) == list(range(5))
        assert [(entry.reason, entry.frames) for entry in data.left_out] == [
            ("frames turned by other angles than multiples of 90 degrees, stored as they are", 5)
        ]


@pytest.mark.parametrize(("space", "red", "blue"), [(1, 0.2126, 0.0722), (5, 0.299, 0.114), (9, 0.2627, 0.0593)])
@pytest.mark.parametrize("full", [False, True])
def test_colours_are_those_of_the_stated_matrix_and_range(folder: Path, space: int, red: float, blue: float, full: bool):
    """One colour, converted by the formula of ITU-R BT.709, BT.601 and BT.2020 to Y, Cb and Cr and back by FFmpeg."""
    rgb = np.array([200, 30, 60])
    r, g, b = rgb / 255
    y = red * r + (1 - red - blue) * g + blue * b
    ycc = np.array([y, (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)])
    ycc = ycc * 255 + [0, 128, 128] if full else ycc * [219, 224, 224] + [16, 128, 128]
    planes = np.broadcast_to(ycc.round().astype(np.uint8)[:, None, None], (3, 16, 16))
    with av.open(str(folder / "a.mkv"), "w") as output:
        stream = output.add_stream("ffv1", rate=25)
        stream.width = stream.height = 16
        stream.pix_fmt, stream.codec_context.colorspace, stream.codec_context.color_range = "yuv444p", space, 1 + full
        for _ in range(2):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(planes), format="yuv444p")
            frame.colorspace, frame.color_range = space, 1 + full
            output.mux(stream.encode(frame))
        output.mux(stream.encode(None))
    with imported(folder, frames=2) as data:
        assert np.abs(everything(data, "frames").astype(int) - rgb).max() <= 2


def test_transparent_videos_are_put_on_white(folder: Path):
    rgba = np.zeros((2, 16, 16, 4), np.uint8)
    rgba[..., 0], rgba[:, :, 8:, 3] = 200, 255
    write_video(folder / "a.mov", list(rgba), codec="qtrle", pixels="argb", source="rgba")
    with imported(folder, frames=2) as data:
        frames = everything(data, "frames")
        assert (frames[:, :, :, :8] == 255).all() and (frames[:, :, :, 8:] == [200, 0, 0]).all()


@pytest.mark.parametrize("size", [(47, 63), (1, 1), (3, 130), (33, 2)])
def test_odd_sizes(folder: Path, size: tuple[int, int]):
    frames = list(RNG.integers(0, 256, (3, *size, 3), np.uint8))
    write_video(folder / "a.mkv", frames, codec="ffv1", pixels="bgr0", container="matroska")
    with imported(folder, frames=3) as data:
        assert np.array_equal(everything(data, "frames")[0], np.stack(frames))


def test_a_file_of_two_videos_gives_the_first_and_says_so(folder: Path):
    with av.open(str(folder / "a.mkv"), "w") as output:
        streams = [output.add_stream("ffv1", rate=25) for _ in range(2)]
        for stream in streams:
            stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "bgr0"
        for number in range(8):
            for offset, stream in enumerate(streams):
                frame = av.VideoFrame.from_ndarray(numbered_frame(number + 100 * offset), format="rgb24")
                output.mux(stream.encode(frame))
        for stream in streams:
            output.mux(stream.encode(None))
    with imported(folder, frames=8) as data:
        assert numbers_of(everything(data, "frames")) == list(range(8))
        assert [(entry.reason, entry.detail) for entry in data.left_out] == [
            ("files of several videos, of which the first is used", "2 videos")
        ]


def test_a_file_that_changes_while_it_is_imported_is_one_line(folder: Path):
    write_video(folder / "a.mp4", 20)
    planned = plan(folder, frames=20)
    write_video(folder / "a.mp4", 10)
    with pytest.raises(UserError, match=r"a.mp4: changed while it was imported"):
        import_videos(planned, folder.parent / "data.h5")
    assert not (folder.parent / "data.h5").exists()


def test_threads_of_the_decoder_make_no_difference(folder: Path, monkeypatch: pytest.MonkeyPatch):
    from wsprites.videos import decode

    write_video(folder / "a.mp4", 60)
    threads = [pixels() for pixels in file_frames(scan_file(folder / "a.mp4", "a.mp4", lambda frames: None))]
    monkeypatch.setattr(decode, "_ALL_THREADS", 1)
    alone = [pixels() for pixels in file_frames(scan_file(folder / "a.mp4", "a.mp4", lambda frames: None))]
    assert np.array_equal(threads, alone) and len(alone) == 60


def test_frames_are_freed_at_once(folder: Path):
    """Not only when Python looks for circles of references: hundreds of large frames would be in memory until then."""
    write_video(folder / "a.mp4", 12)
    gc.collect()
    gc.disable()
    try:
        video = scan_file(folder / "a.mp4", "a.mp4", lambda frames: None)
        for read in file_frames(video):
            read()
        assert sum(type(thing) is av.VideoFrame for thing in gc.get_objects()) <= 1
    finally:
        gc.enable()
