"""One function reads all pictures: every kind of pixel against what the format says, and what is refused."""

import io
import logging
import struct
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from wsprites import pictures
from wsprites.art.backgrounds import load_backgrounds
from wsprites.errors import UserError
from wsprites.pictures import decode_picture, read_picture
from wsprites.videos import import_videos, plan

RAMP = np.arange(6 * 8 * 3, dtype=np.uint8).reshape(6, 8, 3)


def png(path: Path, header: tuple[int, ...], rows: bytes, *chunks: bytes) -> None:
    """Write a PNG by hand, since Pillow does not write all kinds."""

    def chunk(content: bytes) -> bytes:
        return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))

    parts = (b"IHDR" + struct.pack(">IIBBBBB", *header), *chunks, b"IDAT" + zlib.compress(rows), b"IEND")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, parts)))


# How EXIF defines its orientations: what is the first row and the first column of the picture as it should be seen.
TURNED = {
    1: RAMP,
    2: RAMP[:, ::-1],
    3: RAMP[::-1, ::-1],
    4: RAMP[::-1],
    5: RAMP.transpose(1, 0, 2),
    6: RAMP[::-1].transpose(1, 0, 2),
    7: RAMP[::-1, ::-1].transpose(1, 0, 2),
    8: RAMP[:, ::-1].transpose(1, 0, 2),
}


@pytest.mark.parametrize("orientation", TURNED)
@pytest.mark.parametrize("name", ["a.png", "a.tif", "a.webp"])
def test_pictures_are_turned_as_exif_says(tmp_path: Path, orientation: int, name: str):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RAMP).save(tmp_path / name, exif=exif, **({"lossless": True} if name == "a.webp" else {}))
    assert np.array_equal(read_picture(tmp_path / name), TURNED[orientation])


def test_alpha_is_composited_on_white(tmp_path: Path):
    alpha = np.array([[0, 255, 128]], np.uint8)
    colour = np.array([[[10, 20, 30]] * 3], np.uint8)
    Image.fromarray(np.concatenate([colour, alpha[..., None]], -1)).save(tmp_path / "rgba.png")
    Image.fromarray(np.stack([colour[..., 0], alpha], -1)).save(tmp_path / "la.png")
    for name, expected in (("rgba.png", [10, 20, 30]), ("la.png", [10, 10, 10])):
        blended = np.array(expected) * 128 / 255 + 255 * 127 / 255
        (clear, solid, half) = read_picture(tmp_path / name)[0].astype(int)
        assert clear.tolist() == [255] * 3 and solid.tolist() == expected and np.abs(half - blended).max() <= 1


@pytest.mark.parametrize("mode", ["P", "RGB", "L", "P-bytes", "I;16"])
def test_a_transparent_colour_is_alpha(tmp_path: Path, mode: str):
    path = tmp_path / "a.png"
    if mode == "I;16":
        rows = b"".join(b"\0" + struct.pack(">2H", 5000, value) for value in (5001, 65535))
        png(path, (2, 2, 16, 0, 0, 0, 0), rows, b"tRNS" + struct.pack(">H", 5000))
        assert read_picture(path)[..., 0].tolist() == [[255, 5001 >> 8], [255, 255]]
        return
    image = Image.new("RGB", (2, 1), (1, 2, 3))
    if mode != "RGB":
        image = Image.frombytes(mode[0], (2, 1), bytes([0, 1]))
    if mode.startswith("P"):
        image.putpalette([9, 8, 7, 6, 5, 4])
    key = {"P": 0, "L": 0, "RGB": (1, 2, 3), "P-bytes": bytes([0, 255])}[mode]
    image.save(path, transparency=key)
    second = {"P": [6, 5, 4], "L": [1, 1, 1], "RGB": [255] * 3, "P-bytes": [6, 5, 4]}[mode]
    assert read_picture(path)[0].tolist() == [[255] * 3, second]


@pytest.mark.parametrize("name", ["grey.png", "grey.tif", "grey.pgm", "rgb.png", "big-endian.tif"])
def test_sixteen_bits_are_scaled(tmp_path: Path, name: str):
    values = np.array([[0, 255, 256, 0x1234, 0x80FF, 65535]], np.uint16)
    path = tmp_path / name
    if name == "rgb.png":
        png(path, (6, 1, 16, 2, 0, 0, 0), b"\0" + np.repeat(values[..., None], 3, -1).astype(">u2").tobytes())
    elif name == "grey.pgm":
        path.write_bytes(b"P5 6 1 65535\n" + values.astype(">u2").tobytes())
    elif name == "big-endian.tif":
        Image.frombytes("I;16B", (6, 1), values.astype(">u2").tobytes()).save(path)
    else:
        Image.fromarray(values).save(path)
    assert (read_picture(path) == (values >> 8)[..., None]).all()


def test_other_modes_and_formats(tmp_path: Path):
    Image.new("1", (3, 2), 1).save(tmp_path / "bits.png")
    Image.new("CMYK", (3, 2), (0, 255, 255, 0)).save(tmp_path / "cmyk.jpg")
    Image.fromarray(RAMP).save(tmp_path / "a.ppm")
    assert (read_picture(tmp_path / "bits.png") == 255).all()
    assert np.abs(read_picture(tmp_path / "cmyk.jpg").astype(int) - [255, 0, 0]).max() < 6
    picture = read_picture(tmp_path / "a.ppm")
    assert np.array_equal(picture, RAMP) and picture.flags.writeable
    if features.check("avif"):
        Image.fromarray(RAMP).save(tmp_path / "a.avif", quality=100, subsampling="4:4:4")
        assert np.abs(read_picture(tmp_path / "a.avif").astype(int) - RAMP).max() <= 4


@pytest.mark.parametrize("frames", [1, 3])
def test_of_an_animation_the_first_frame_is_used_and_a_line_says_so(tmp_path: Path, caplog: pytest.LogCaptureFixture, frames: int):
    first, *others = [Image.new("RGB", (4, 4), (40 * number, 0, 0)) for number in range(frames)]
    first.save(tmp_path / "a.gif", save_all=True, append_images=others)
    with caplog.at_level(logging.INFO, "wsprites"):
        assert (read_picture(tmp_path / "a.gif")[..., 0] == 0).all()
    assert caplog.messages == ([f"{tmp_path}/a.gif: an animation of 3 frames, of which the first is used"] if frames > 1 else [])


def bomb(path: Path) -> None:
    """A PNG of 200 bytes that says it is 40,000 x 40,000."""
    png(path, (40_000, 40_000, 8, 2, 0, 0, 0), b"")


def broken(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8)).save(path, "png")
    path.write_bytes(path.read_bytes()[:4000])


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (lambda path: None, "No such file"),
        (Path.mkdir, "Is a directory"),
        (lambda path: path.write_bytes(b""), "not an image that can be read; replace the file"),
        (lambda path: path.write_text("hello"), "not an image that can be read; replace the file"),
        (lambda path: Image.fromarray(np.zeros((3, 3), np.float32)).save(path, "tiff"), "its pixels are floating-point numbers"),
        (lambda path: path.write_bytes(b"Pf 1 1 -1.0\n\0\0\0\0"), "its pixels are floating-point numbers"),
        (lambda path: Image.fromarray(np.zeros((3, 3), np.int32)).save(path, "tiff"), "its pixels are 32-bit integers"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypheic" + bytes(99)), "a HEIC picture, which needs pillow-heif"),
        (lambda path: path.write_bytes(b"\0\0\0\x18ftypavif" + bytes(99)), "not an image that can be read"),
        (bomb, "more than 134,217,728"),
        (broken, "the image is damaged"),
    ],
)
@pytest.mark.bad_input
def test_what_cannot_be_read_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write, words: str):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)  # as if it were not installed
    path = tmp_path / "a.png"
    write(path)
    with pytest.raises(UserError, match=words) as error:
        read_picture(path)
    assert str(error.value).startswith(f"{path}: ") and "\n" not in str(error.value)


@pytest.mark.parametrize("kind", ["PNG", "WEBP"])
def test_content_is_decoded_as_a_file_is(kind: str):
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, kind, lossless=True)
    assert np.array_equal(decode_picture(file.getvalue(), "a", max_pixels=48), RAMP)
    with pytest.raises(UserError, match="a: 8 x 6 pixels, more than 47; scale it down"):
        decode_picture(file.getvalue(), "a", max_pixels=47)


@pytest.mark.parametrize("kind", ["BMP", "GIF", "TIFF", "PPM"])
def test_content_of_other_formats_meets_no_decoder(kind: str):
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, kind)
    with pytest.raises(UserError, match=r"^a: not a PNG, JPEG or WebP picture; save it as one of these$"):
        decode_picture(file.getvalue(), "a", max_pixels=100)


def test_the_largest_picture_can_be_chosen(tmp_path: Path):
    Image.fromarray(RAMP).save(tmp_path / "a.png")
    assert read_picture(tmp_path / "a.png", max_pixels=48).shape == (6, 8, 3)
    with pytest.raises(UserError, match="8 x 6 pixels, more than 47; scale it down"):
        read_picture(tmp_path / "a.png", max_pixels=47)


def test_heic_is_read_where_pillow_heif_is_installed(tmp_path: Path):
    heif = pytest.importorskip("pillow_heif")
    heif.from_pillow(Image.new("RGB", (64, 64), (200, 30, 60))).save(tmp_path / "a.heic", quality=95)
    assert np.abs(read_picture(tmp_path / "a.heic").astype(int) - [200, 30, 60]).max() < 6


def test_frames_and_backgrounds_are_read_in_the_same_way(tmp_path: Path):
    """A picture on its side, half transparent, of 16 bits or of a palette: the same pixels wherever it is given."""
    exif = Image.Exif()
    exif[0x0112] = 6
    rgba = np.random.default_rng(1).integers(0, 256, (4, 6, 4), np.uint8)
    (tmp_path / "in").mkdir()
    Image.fromarray(rgba).save(tmp_path / "in" / "0.png", exif=exif)
    Image.fromarray(rgba[..., 0].T.astype(np.uint16) * 256).save(tmp_path / "in" / "1.png")
    Image.fromarray(rgba[..., :3].transpose(1, 0, 2)).quantize(9).save(tmp_path / "in" / "2.png")
    paths = sorted((tmp_path / "in").iterdir())
    expected = np.stack([read_picture(path) for path in paths])
    assert expected.shape == (3, 6, 4, 3) and np.array_equal(expected[1, ..., 0], rgba[..., 0].T)
    assert np.array_equal(load_backgrounds(paths, (6, 4)).images, expected)
    import_videos(plan(tmp_path / "in", frames=3), tmp_path / "data.h5")
    import wsprites

    with wsprites.open(tmp_path / "data.h5") as data:
        assert np.array_equal(data["train"]["frames"][0], expected)


def test_all_endings_are_those_of_one_list():
    from wsprites.videos.frames import FRAME_SUFFIXES

    assert set(FRAME_SUFFIXES) == set(pictures.SUFFIXES) - {".gif"}
