"""Resizing against a slow definition, and against other libraries."""

import cv2
import numpy as np
import pytest
from PIL import Image

from wsprites.errors import ArgumentError
from wsprites.render import Clip
from wsprites.render.resize import MOST, check_size, pixel_scale, resize, resize_frames, resize_masks, taps

RNG = np.random.default_rng(0)
SIZES = [(16, 16), (12, 16), (24, 32), (9, 7), (25, 39), (48, 64), (1, 1)]


def slow(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Means of areas: each pixel is cut into h x w equal parts, of which a new pixel takes H x W."""
    sums = images.astype(np.int64)
    for axis, new in ((1, size[0]), (2, size[1])):
        parts = np.moveaxis(np.repeat(sums, new, axis), axis, -1)
        sums = np.moveaxis(parts.reshape(*parts.shape[:-1], new, -1).sum(-1), -1, axis)
    return sums / (images.shape[1] * images.shape[2])


@pytest.mark.parametrize("size", SIZES)
def test_new_pixels_are_means_of_areas(size: tuple[int, int]):
    frames = RNG.integers(0, 256, (2, 24, 32, 3), dtype=np.uint8)
    frames[1, :12] = 255
    means = slow(frames, size)
    assert np.array_equal(resize_frames(frames, size), np.floor(means + 0.5).astype(np.uint8))
    masks = frames[..., 0] > 120
    assert np.array_equal(resize_masks(masks, size), slow(masks[..., None], size)[..., 0] >= 0.5)


def test_the_own_size_changes_nothing():
    frames = RNG.integers(0, 256, (1, 9, 7, 3), dtype=np.uint8)
    masks = frames[..., 0] > 99
    clip = resize(Clip(frames, masks), (9, 7))
    assert np.array_equal(clip.frames_thwc, frames) and np.array_equal(clip.masks_thw, masks)


def test_halves_are_rounded_up():
    frames = np.array([[[[0]], [[1]]], [[[254]], [[255]]]], np.uint8).repeat(3, -1)
    assert resize_frames(frames, (1, 1))[:, 0, 0, 0].tolist() == [1, 255]
    assert resize_masks(np.array([[[True, False]], [[False, False]]]), (1, 1)).ravel().tolist() == [True, False]


@pytest.mark.parametrize("size", [(64, 64), (48, 64), (31, 100)])
def test_other_libraries_agree_up_to_rounding(size: tuple[int, int]):
    frame = RNG.integers(0, 256, (96, 128, 3), dtype=np.uint8)
    ours = resize_frames(frame, size).astype(int)
    opencv = cv2.resize(frame, size[::-1], interpolation=cv2.INTER_AREA)
    pillow = np.asarray(Image.fromarray(frame).resize(size[::-1], Image.Resampling.BOX, reducing_gap=None))
    assert np.abs(opencv - ours).max() <= 1  # it adds in floats, and rounds halves to even
    if all(old % new == 0 for old, new in zip((96, 128), size, strict=True)):
        assert np.abs(pillow - ours).max() <= 1  # of other sizes, its box has whole pixels
    area = frame.astype(float)
    exact = slow(frame[None], size)[0]
    assert np.abs(cv2.resize(area, size[::-1], interpolation=cv2.INTER_AREA) - exact).max() < 1e-2


def test_memory_of_any_shape():
    frames = RNG.integers(0, 256, (2, 3, 12, 10, 3), dtype=np.uint8)
    out = Clip(np.empty((2, 3, 6, 5, 3), np.uint8), np.empty((2, 3, 6, 5), bool))
    given = resize(Clip(frames, frames[..., 0] > 99), (6, 5), out=out)
    assert given is out and np.array_equal(out.frames_thwc[1, 2], resize_frames(frames[1, 2], (6, 5)))
    assert np.array_equal(out.masks_thw[1], resize_masks(frames[1, ..., 0] > 99, (6, 5)))
    assert np.array_equal(resize_frames(frames[:, :, ::-1], (6, 5)), resize_frames(frames[:, :, ::-1].copy(), (6, 5)))


@pytest.mark.parametrize(("old", "new"), [(96, 64), (64, 96), (7, 7), (5, 1), (1, 5), (128, 100)])
def test_weights_have_the_sum_of_a_whole(old: int, new: int):
    index, weight = taps(old, new)
    assert (weight.sum(1) == old).all() and np.bincount(index.ravel(), weight.ravel(), old).tolist() == [new] * old


def test_a_size():
    assert check_size([64, np.int64(48)]) == (64, 48) and check_size(None) is None
    assert pixel_scale((96, 128), None) == (1.0, 1.0) and pixel_scale((96, 128), (48, 32)) == (0.25, 0.5)


@pytest.mark.bad_input
@pytest.mark.parametrize(("size", "words"), [
    (64, "64 is not a pair"), ("64x64", "'64x64' is not a pair"), ((64,), "not a pair"), ((0, 64), "0 is outside the range 1 to 8192"),
    ((64, MOST + 1), "8193 is outside"), ((64, 6.5), "6.5 is not a whole number"),
])  # fmt: skip
def test_impossible_sizes(size: object, words: str):
    with pytest.raises(ArgumentError, match=words) as caught:
        check_size(size)  # type: ignore[arg-type]
    assert caught.value.argument == "resize"


def test_tensors_have_the_same_bytes():
    torch = pytest.importorskip("torch")
    from wsprites.render.batch import resized

    frames = RNG.integers(0, 256, (2, 3, 24, 32, 3), dtype=np.uint8)
    masks = frames[..., 0] > 99
    for size in ((16, 16), (24, 32), (7, 40)):
        pixels = resized(torch.from_numpy(frames).movedim(-1, -3), size).movedim(-3, -1)
        assert np.array_equal(pixels.numpy(), resize_frames(frames, size))
        solid = resized(torch.from_numpy(masks), size)
        assert solid.dtype == torch.bool and np.array_equal(solid.numpy(), resize_masks(masks, size))
