"""Bad input of `import`: folders, frames, videos and lists that came with them."""

import pickle
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.bad_input


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("no", "no: no such folder"),
        ("@data.h5", "data.h5: a file"),
        ("@picture.png", "picture.png: a file"),
        ("@folder.h5", "folder.h5: no videos"),
        ("@loop.h5", "loop.h5"),
        ("@videos --frames 0", "0 is not in the range"),
        ("@videos --frames 5", "--frames: no video of .* has 5 in a row; the longest run gives 4; choose fewer"),
        ("@videos --frames 99999", "99999 is not in the range"),
        ("@videos --frames 4 --skip -1", "-1 is not in the range"),
        ("@videos --frames 4 --skip 1", "--frames: no video"),
        ("@videos --frames 4 --size 96", "'96' is not of the form HxW"),
        ("@videos --frames 4 --size 0x10", "'0x10' is not of the form HxW"),
        ("@videos --frames 4 --size 9000x10", "'9000x10' is not of the form HxW"),
        ("@videos --frames 4 --size 10x10x3", "'10x10x3' is not of the form HxW"),
        ("@videos --frames 4 --size axb", "'axb' is not of the form HxW"),
        ("@videos --frames 4 --out @data.h5", "data.h5: exists already"),
        ("@videos --frames 4 --out no/o.h5", "no: no such folder"),
        ("@videos --frames 4 --out @videos/0/00000.png --overwrite", "00000.png: is read as well"),
    ],
)
def test_options(answer, line: str, words: str):
    answer(f"import --out o.h5 {line}", words)


def save(folder: Path, names: list[str], size: tuple[int, int] = (24, 20), mode: str = "RGB") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new(mode, size).save(folder / name)


FOUR = [f"{t:05}.png" for t in range(4)]


def gap(folder: Path) -> None:
    save(folder / "a", ["00000.png", "00001.png", "00003.png"])


def twice(folder: Path) -> None:
    save(folder / "a", ["0.png", "00.png"])


def sizes(folder: Path) -> None:
    save(folder / "a", FOUR)
    save(folder / "b", FOUR, (30, 20))


def changing(folder: Path) -> None:
    save(folder / "a", FOUR)
    save(folder / "a", FOUR[2:3], (30, 20))


def no_picture(folder: Path) -> None:
    save(folder / "a", FOUR)
    (folder / "a" / "00002.png").write_bytes(b"no picture")


def half(folder: Path) -> None:
    folder.joinpath("a").mkdir(parents=True)
    for name in FOUR:
        Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 40, 3), np.uint8)).save(folder / "a" / name)
    whole = (folder / "a" / "00001.png").read_bytes()
    (folder / "a" / "00001.png").write_bytes(whole[: len(whole) // 2])


def video(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.mp4").write_bytes(b"no video" * 100)


def empty_video(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.mp4").touch()


def gif(folder: Path) -> None:
    folder.mkdir()
    (folder / "a.gif").write_bytes(b"GIF89a")


def listed(content: object):
    def make(folder: Path) -> None:
        save(folder / "a", FOUR)
        (folder / "a" / "actions.pkl").write_bytes(content if isinstance(content, bytes) else pickle.dumps(content))

    return make


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (gap, "no video of v has 4 in a row; the longest run gives 2; gaps in the numbers of frames: a after 00001.png"),
        (twice, "a: 00?.png and 00?.png have the same number"),
        (sizes, "--size: .* several sizes"),
        (changing, "the longest run gives 2; .*: a/00002.png 20x30, not 20x24"),
        (no_picture, "the longest run gives 2; .*: a/00002.png not an image"),
        (half, "the longest run gives 2; .*: a/00001.png the image is damaged"),
        (video, "a.mp4"),
        (empty_video, "a.mp4"),
        (gif, "a.gif"),
        (listed([0, 1, 2]), "actions.pkl: has 3 entries"),
        (listed("abcd"), "actions.pkl: holds no list but a str"),
        (listed([0, 1, 2, None]), "actions.pkl: entry 3 is a NoneType"),
        (listed([0, 1, 2, 2**70]), "actions.pkl: entry 3 is a int|too large"),
        (listed([0, 1, 2, 0.5]), "actions.pkl: entry 3 is a float"),
        (listed(Path("x")), "actions.pkl: .*it asks for pathlib"),
        (listed(b"no pickle"), "actions.pkl"),
        (listed(b""), "actions.pkl"),
    ],
)
def test_folders(answer, tmp_path: Path, make, words: str):
    make(tmp_path / "v")
    answer("import v --frames 4 --out o.h5", words)
