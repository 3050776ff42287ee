"""Pictures: what is written is read back by Pillow, and nothing but a complete file gets its name."""

import io

import numpy as np
import pytest
from PIL import Image

from wsprites.view.picture import (
    data_uri,
    encode_gif,
    encode_png,
    encode_webp,
    enlarge,
    outline,
    tile,
)


@pytest.fixture
def frames() -> np.ndarray:
    """Six frames of 60 random colours each, (6, 20, 30, 3)."""
    rng = np.random.default_rng(0)
    return rng.integers(0, 256, (6, 60, 3), np.uint8)[np.arange(6)[:, None, None], rng.integers(0, 60, (6, 20, 30))]


def decoded(content: bytes) -> tuple[np.ndarray, dict[str, object]]:
    with Image.open(io.BytesIO(content)) as image:
        pictures = []
        for number in range(getattr(image, "n_frames", 1)):
            image.seek(number)
            pictures.append(np.asarray(image.convert("RGB")))
        return np.stack(pictures), image.info


def test_enlarging_is_that_of_pillow(frames: np.ndarray):
    expected = Image.fromarray(frames[0]).resize((90, 60), Image.Resampling.NEAREST)
    assert np.array_equal(enlarge(frames[0], 3), np.asarray(expected))
    assert np.array_equal(enlarge(frames[0, ..., 0], 3), np.asarray(expected)[..., 0])


@pytest.mark.parametrize("scale", [1, 3])
def test_an_outline_touches_the_mask_and_is_outside_it(scale: int):
    mask = np.random.default_rng(1).random((9, 12)) < 0.1
    large = np.kron(mask, np.ones((scale, scale), bool))
    padded = np.pad(large, 1)
    touching = np.any([padded[dy : dy + large.shape[0], dx : dx + large.shape[1]] for dy, dx in np.ndindex(3, 3)], 0)
    assert np.array_equal(outline(mask, scale=scale), touching & ~large)


def test_tiles_lie_row_by_row_with_gaps(frames: np.ndarray):
    sheet = tile(frames[:5], 3, gap=2, background=9)
    assert sheet.shape == (2 * 22 + 2, 3 * 32 + 2, 3)
    for number in range(5):
        y, x = 2 + number // 3 * 22, 2 + number % 3 * 32
        assert np.array_equal(sheet[y : y + 20, x : x + 30], frames[number])
        sheet[y : y + 20, x : x + 30] = 9
    assert (sheet == 9).all()


@pytest.mark.parametrize("fast", [False, True])
def test_png_is_lossless(frames: np.ndarray, fast: bool):
    assert np.array_equal(decoded(encode_png(frames[0], fast=fast))[0][0], frames[0])
    mask = frames[0, ..., 0] > 99
    with Image.open(io.BytesIO(encode_png(mask, fast=fast))) as image:
        assert image.mode == "L" and np.array_equal(np.asarray(image), 255 * mask.astype(np.uint8))


def test_png_with_a_palette(frames: np.ndarray):
    with Image.open(io.BytesIO(encode_png(frames[0], colours=64))) as image:
        assert image.mode == "P" and np.array_equal(np.asarray(image.convert("RGB")), frames[0])
    assert len(np.unique(decoded(encode_png(frames[0], colours=8))[0].reshape(-1, 3), axis=0)) == 8


def test_gif_keeps_every_frame_and_its_time(frames: np.ndarray):
    pixels, info = decoded(encode_gif(frames, milliseconds=70))
    assert np.array_equal(pixels, frames)  # each frame has a palette of its own
    assert info["duration"] == 70 and info["loop"] == 0


def test_gif_with_one_palette_keeps_what_fits_into_it(frames: np.ndarray):
    few = np.stack([np.roll(frames[0], number, 0) for number in range(6)])
    pixels, _ = decoded(encode_gif(few, colours=128, shared=True))
    assert np.abs(pixels.astype(int) - few).mean() < 1
    with Image.open(io.BytesIO(encode_gif(frames, colours=64, shared=True))) as image:
        palettes = []
        for number in range(6):
            image.seek(number)
            palettes.append(len(np.unique(np.asarray(image.convert("RGB")).reshape(-1, 3), axis=0)))
    assert max(palettes) <= 64


def test_gif_keeps_exact_colours_among_too_many_others():
    noise = np.random.default_rng(2).integers(0, 256, (3, 40, 40, 3), np.uint8)
    noise[:, 10, :] = (1, 254, 3)
    pixels, _ = decoded(encode_gif(noise, exact=[(1, 254, 3)]))
    assert (pixels[:, 10] == (1, 254, 3)).all()


def test_webp_is_close(frames: np.ndarray):
    smooth = enlarge(np.asarray(Image.fromarray(frames[0]).resize((8, 8))), 16)
    pixels, info = decoded(encode_webp([smooth, smooth[::-1]], milliseconds=50, quality=90))
    assert info["loop"] == 0 and pixels.shape == (2, 128, 128, 3)
    assert np.abs(pixels[1].astype(int) - smooth[::-1]).mean() < 8
    assert data_uri("image/webp", b"\x00\xff") == "data:image/webp;base64,AP8="
