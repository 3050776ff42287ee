"""Control masks: the direction of T, fitting it, and what it moves. Checked against numpy and scipy."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage

from glass_model.layered.control import binary, bins, centre, chained, code_of, directed, fit, matrix, motion, moved, parameters, warp

H, W = 24, 32


def box(x: int, y: int, wide: int = 8, high: int = 6) -> torch.Tensor:
    mask = torch.zeros(1, 1, H, W)
    mask[..., y : y + high, x : x + wide] = 1
    return mask


def blob() -> torch.Tensor:
    """An L, which looks different in every direction."""
    mask = box(10, 8, 4, 10)
    mask[..., 14:18, 10:20] = 1
    return mask


@pytest.mark.parametrize(("theta", "at"), [((0.5, 0.0), (2, 8)), ((0.0, 0.5), (10, 2)), ((-0.25, -0.25), (14, 11))])
def test_positive_parameters_move_to_the_left_and_up(theta: tuple[float, float], at: tuple[int, int]) -> None:
    """From output to input: x = 1 is half of the 32 pixels, y = 1 half of the 24."""
    made = warp(box(10, 8), matrix(torch.tensor([theta]), "position", (H, W)))
    torch.testing.assert_close(made, box(*at))


def test_the_identity() -> None:
    """Exact with centres; with the authors' grid, the image is sampled at places that are W / (W - 1) as far from the middle."""
    mask = torch.rand(2, 1, H, W)
    same = torch.eye(2, 3)[None].repeat(2, 1, 1)
    torch.testing.assert_close(warp(mask, same), mask)
    x, y = (np.linspace(-1, 1, n) * n / 2 + (n - 1) / 2 for n in (W, H))
    places = np.meshgrid(y, x, indexing="ij")
    expected = [ndimage.map_coordinates(np.pad(m[0].numpy(), 2), [p + 2 for p in places], order=1) for m in mask]
    torch.testing.assert_close(warp(mask, same, grid="ends")[:, 0], torch.from_numpy(np.stack(expected)))


def test_any_matrix_is_sampled_as_scipy_does() -> None:
    """In pixels from the middle: the matrix maps places of the output to those of the input; nothing is outside."""
    theta = torch.tensor([[0.9, 0.2, 0.1, -0.3, 1.1, -0.2]])
    a = matrix(theta, "affine", (H, W))[0].numpy().astype(float)
    yx, half = np.mgrid[:H, :W].astype(float), np.array([H / 2, W / 2])
    v, u = ((yx[i] + 0.5) / half[i] - 1 for i in (0, 1))
    places = [(a[1, 0] * u + a[1, 1] * v + a[1, 2] + 1) * half[0] - 0.5, (a[0, 0] * u + a[0, 1] * v + a[0, 2] + 1) * half[1] - 0.5]
    mask = torch.rand(1, 1, H, W)
    expected = ndimage.map_coordinates(np.pad(mask[0, 0].numpy(), 40), [p + 40 for p in places], order=1)
    torch.testing.assert_close(warp(mask, matrix(theta, "affine", (H, W)))[0, 0], torch.from_numpy(expected), rtol=0, atol=1e-5)


def test_a_rotation_is_one_of_pixels() -> None:
    """A quarter of a turn of a square in the middle of a wide frame."""
    mask = torch.zeros(1, 1, 16, 32)
    mask[0, 0, 4:12, 12:20] = torch.rand(8, 8)
    turned = warp(mask, matrix(torch.tensor([[0.0, 0.0, math.pi / 2]]), "rigid", (16, 32)))
    expected = np.rot90(mask[0, 0, 4:12, 12:20].numpy(), 1)  # as the input is turned by the angle in the screen's axes
    np.testing.assert_allclose(turned[0, 0, 4:12, 12:20].numpy(), expected, atol=1e-5)


@pytest.mark.parametrize(("transform", "tolerance"), [("position", 0.05), ("rigid", 0.1), ("affine", 0.3)])
def test_fitting_finds_a_translation(transform: str, tolerance: float) -> None:
    """Of a whole number of pixels, beyond the centroids, where a part leaves the frame."""
    before = torch.cat([blob(), blob(), box(26, 4)])
    shift = torch.tensor([[3.0, -2.0], [-5.0, 4.0], [3.0, 0.0]])  # of the last one, half is outside afterwards
    after = moved(before, torch.tensor([[3.0, -2.0], [-5.0, 4.0], [0.0, 0.0]]))
    after[2] = box(29, 4, 3)[0]
    theta = fit(before, after, transform, steps=60, rate=0.02)
    close = 2 if transform == "affine" else 3  # a box that is cut off may as well have become smaller
    torch.testing.assert_close(motion(theta, before, transform)[:close], shift[:close], rtol=0, atol=tolerance)


def test_fitting_finds_rotation_and_scale() -> None:
    theta = torch.tensor([[0.05, -0.1, 0.3]])
    turned = warp(blob(), matrix(theta, "rigid", (H, W)))
    torch.testing.assert_close(fit(blob(), turned, "rigid", steps=100, rate=0.02), theta, rtol=0, atol=0.03)
    theta = torch.tensor([[0.8, 0.0, 0.0, 0.0, 0.9, 0.1]])
    scaled = warp(blob(), matrix(theta, "affine", (H, W)))
    torch.testing.assert_close(fit(blob(), scaled, "affine", steps=100, rate=0.02), theta, rtol=0, atol=0.04)


def test_fitting_is_adam_for_each_pair_by_itself() -> None:
    """All at once equals one at a time, by torch's own Adam; the result is the best on the way."""
    before, after = torch.cat([blob(), box(3, 3), box(20, 15)]), torch.cat([box(11, 9), blob(), box(22, 12)])
    both = fit(before, after, "rigid", steps=6, rate=0.1)
    for i in range(3):
        one, other = before[i : i + 1], after[i : i + 1]
        apart = (centre(other) - centre(one)) * torch.tensor([W / 2, H / 2])
        theta = parameters(apart, "rigid", (H, W)).requires_grad_()
        optimizer, tried = torch.optim.Adam([theta], lr=0.1), list[tuple[float, torch.Tensor]]()
        for _ in range(6):
            optimizer.zero_grad()
            error = (warp(one, matrix(theta, "rigid", (H, W))) - other).square().mean()
            tried.append((error.item(), theta.detach().clone()))
            error.backward()
            optimizer.step()
        torch.testing.assert_close(both[i : i + 1], min(tried, key=lambda pair: pair[0])[1], rtol=0, atol=1e-4)


@pytest.mark.parametrize("steps", [0, 5])
def test_an_empty_mask_has_no_motion(steps: int) -> None:
    empty = torch.zeros(1, 1, H, W)
    for before, after in ((empty, blob()), (blob(), empty), (empty, empty)):
        for transform in ("position", "rigid", "affine"):
            theta = fit(before, after, transform, steps=steps)
            torch.testing.assert_close(matrix(theta, transform, (H, W))[0], torch.eye(2, 3))
            assert motion(theta, before, transform).abs().max() == 0


def test_fitting_in_inference_mode() -> None:
    with torch.inference_mode():
        theta = fit(box(10, 8), box(12, 8), "position", steps=2)
    assert not theta.requires_grad and theta[0, 0].item() == pytest.approx(-2 / 16)


@pytest.mark.parametrize("transform", ["position", "rigid", "affine"])
def test_a_mask_is_directed_by_pixels(transform: str) -> None:
    """Whatever its linear part, a matrix gets the translation that moves the centre by so many pixels on the screen."""
    theta = {"position": [0.3, 0.1], "rigid": [0.3, 0.1, 0.5], "affine": [1.2, 0.1, 0.3, -0.2, 0.9, 0.1]}[transform]
    to_input = directed(matrix(torch.tensor([theta]), transform, (H, W)), blob(), torch.tensor([[4.0, -3.0]]))
    there = (centre(warp(blob(), to_input)) - centre(blob())) * torch.tensor([W / 2, H / 2])
    torch.testing.assert_close(there, torch.tensor([[4.0, -3.0]]), rtol=0, atol=0.1)


def test_the_motion_of_a_rotation_depends_on_where_the_mask_is() -> None:
    """A quarter of a turn about the middle of the frame."""
    theta = torch.tensor([[0.0, 0.0, math.pi / 2]])
    at = motion(theta, box(20, 9, 2, 6), "rigid")  # its centre is 5 pixels to the right of the middle
    torch.testing.assert_close(at, torch.tensor([[-5.0, -5.0]]), rtol=0, atol=1e-4)


def test_one_transformation_after_another() -> None:
    """The product of the homogeneous matrices; and on an image, a quarter of a turn and a shift, in either order."""
    generator = torch.Generator().manual_seed(0)
    first, second = (torch.eye(2, 3) + 0.1 * torch.randn(2, 2, 3, generator=generator) for _ in range(2))
    homogeneous = [torch.cat([m, torch.tensor([[[0.0, 0.0, 1.0]]]).expand(2, 1, 3)], 1) for m in (first, second)]
    torch.testing.assert_close(chained(first, second), (homogeneous[0] @ homogeneous[1])[:, :2])
    image = torch.rand(1, 1, 16, 16, generator=generator)
    turn = matrix(torch.tensor([[0.0, 0.0, torch.pi / 2]]), "rigid", (16, 16))
    shift = matrix(torch.tensor([[-0.5, 0.25]]), "position", (16, 16))
    for one, other in ((turn, shift), (shift, turn)):
        torch.testing.assert_close(warp(warp(image, one), other), warp(image, chained(one, other)), atol=1e-4, rtol=0)


def test_the_centre() -> None:
    x, y = centre(box(10, 8)).squeeze().tolist()
    assert (x, y) == pytest.approx(((14 - 16) / 16, (11 - 12) / 12))
    assert centre(torch.zeros(1, 1, H, W)).tolist() == [[0, 0]]


def test_codes_are_the_nearest_translations() -> None:
    shift = torch.tensor([[[0.2, -0.1], [-4.0, 1.0]], [[3.0, 0.0], [0.0, -9.0]], [[0.4, 2.0], [1.6, 0.0]]])
    assert code_of(shift, bins(3.0)).tolist() == [[0, 1], [2, 3], [4, 2]]


def test_masks_are_binary() -> None:
    assert binary(torch.tensor([0.5, 0.51, 0.0, 1.0])).tolist() == [0, 1, 0, 1]


def test_frames_move_on_the_screen_and_repeat_their_edges() -> None:
    frame = torch.rand(1, 3, H, W)
    made = moved(frame, torch.tensor([[2.0, -1.0]]))
    torch.testing.assert_close(made[..., : H - 1, 2:], frame[..., 1:, : W - 2])
    torch.testing.assert_close(made[..., 5, 0], frame[..., 6, 0])
