"""Sizes, ranges and units of images and shifts."""

import numpy as np
import pytest
import torch

from glass_model.images import downscale, resize, to_bytes, to_float, to_normalised, to_pixels
from wsprites.errors import ArgumentError


def test_units() -> None:
    pixels = torch.tensor([[7.0, -2.0]])
    normalised = to_normalised(pixels, (96, 128))
    torch.testing.assert_close(normalised, torch.tensor([[7 / 64, -2 / 48]]))
    torch.testing.assert_close(to_pixels(normalised, (96, 128)), pixels)


def test_resize() -> None:
    image = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert resize(image, (2, 2)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]
    assert resize(image[0], (8, 8)).shape == (1, 8, 8)


def test_downscaled_images_are_averages() -> None:
    image = torch.arange(16.0).reshape(1, 1, 1, 4, 4)
    assert downscale(image, (2, 2)).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_every_byte_survives_a_round_trip() -> None:
    frame = torch.arange(256).to(torch.uint8).reshape(1, 1, 16, 16).expand(1, 3, 16, 16)
    assert torch.equal(to_bytes(to_float(frame)), frame)


@pytest.mark.parametrize("frames", [torch.zeros(2, 32, 40, 3), torch.zeros(3, 4, 4), torch.zeros(1, 3, 4, 4, dtype=torch.int64)])
def test_frames_of_another_kind(frames: torch.Tensor) -> None:
    """Integers other than bytes would be taken for [-1, 1]."""
    with pytest.raises(ArgumentError, match=r"^frames: the (shape|type) is "):
        to_float(frames)


def test_bytes_are_rounded_and_clipped() -> None:
    values = np.random.default_rng(0).uniform(-1.5, 1.5, 1000).astype(np.float32)
    exact = np.clip((values.astype(np.float64) + 1) * 127.5, 0, 255)
    clear = np.abs(exact % 1 - 0.5) > 1e-3  # where rounding of float32 decides nothing
    assert np.count_nonzero(clear) > 900
    assert np.array_equal(to_bytes(torch.from_numpy(values)).numpy()[clear], np.rint(exact)[clear])
