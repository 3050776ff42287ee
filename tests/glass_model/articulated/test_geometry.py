"""Matrices in closed form against LAPACK, and warps against automatic differentiation and hand-computed points."""

import numpy as np
import pytest
import torch
from scipy.ndimage import convolve
from torch import Tensor

from glass_model.articulated import geometry
from glass_model.articulated.geometry import Warp, antialiased, grid, inverse, positive, principal_angle, principal_axes, random_warp


def covariances(count: int, *, least: float = 1e-3) -> Tensor:
    """Random ones, float64, of many sizes and directions."""
    generator = torch.Generator().manual_seed(0)
    root = torch.randn(count, 2, 2, generator=generator, dtype=torch.float64) * torch.rand(count, 1, 1, generator=generator) * 0.5
    return root @ root.transpose(1, 2) + least * torch.eye(2)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_principal_axes_are_those_of_lapack(dtype: torch.dtype) -> None:
    covariance = covariances(200)
    ours = principal_axes(covariance.to(dtype)).double()
    u, s, _ = np.linalg.svd(covariance.numpy())
    theirs = u * np.sqrt(s)[:, None]
    signs = np.sign((ours.numpy() * theirs).sum(1, keepdims=True))  # of each column
    precision = 1e-9 if dtype == torch.float64 else 2e-3
    assert np.abs(ours.numpy() - theirs * signs).max() < precision
    assert (torch.linalg.det(ours) > 0).all()  # a rotation, never a reflection


def test_gradients_are_finite_differences_of_lapacks() -> None:
    """In float32, against central differences of numpy's SVD in float64."""
    covariance = covariances(20, least=0.02)
    half = ((covariance[:, 0, 0] - covariance[:, 1, 1]) / 2).square() + covariance[:, 0, 1].square()
    covariance = covariance[half > 1e-3]  # where the damping makes a difference of less than a thousandth
    weight = torch.tensor([[0.3, -1.0], [0.7, 0.2]], dtype=torch.float64)

    def value(matrix: np.ndarray) -> float:
        u, s, _ = np.linalg.svd(matrix)
        axes = u * np.sqrt(s)
        return float((np.abs(axes) * weight.numpy()).sum())  # without the signs of the columns

    assert len(covariance) >= 10
    for one in covariance:
        x = one.float().requires_grad_()
        (principal_axes(x).abs() * weight.float()).sum().backward()
        assert x.grad is not None
        for direction in ([[1, 0], [0, 0]], [[0, 0], [0, 1]], [[0, 1], [1, 0]]):
            d = np.array(direction, np.float64) * 1e-6
            expected = (value(one.numpy() + d) - value(one.numpy() - d)) / 2e-6
            assert (x.grad.numpy() * direction).sum() == pytest.approx(expected, rel=5e-3, abs=5e-3)


def test_gradients_are_finite_where_singular_values_are_equal() -> None:
    """A circle, and almost one: the direction is 0 or arbitrary, and its gradient at most 250."""
    for entries in ([0.1, 0.0, 0.1], [0.1, 1e-9, 0.1], [0.1, 1e-4, 0.1002], [1e-4, 0.0, 1e-4]):
        a, b, c = (torch.tensor(entry, requires_grad=True) for entry in entries)
        covariance = torch.stack([torch.stack([a, b]), torch.stack([b, c])])
        angle = principal_angle(covariance)
        gradient = torch.autograd.grad(angle, (a, b, c), retain_graph=True)
        assert all(g.isfinite() and abs(g) <= 501 for g in gradient)  # b stands twice in the matrix
        assert all(g.isfinite() for g in torch.autograd.grad(principal_axes(covariance).sum(), (a, b, c)))
    assert principal_angle(torch.eye(2)) == 0


def test_inverse_and_sign() -> None:
    m = torch.randn(50, 2, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(inverse(m), torch.linalg.inv(m))
    assert inverse(torch.zeros(2, 2)).isfinite().all()
    assert torch.equal(positive(torch.tensor([[-1.0, 2.0], [3.0, 4.0]])), torch.tensor([[1.0, -2.0], [-3.0, -4.0]]))
    assert torch.equal(positive(torch.tensor([[0.0, 2.0], [3.0, 4.0]])), torch.tensor([[0.0, 2.0], [3.0, 4.0]]))


def test_a_warp_by_hand() -> None:
    """One control point: r is the L1 distance, and the same is added to x and y."""
    theta = torch.tensor([[[1.0, 0.5, 0.1], [0.0, 2.0, -0.2]]])
    warp = Warp(theta, torch.tensor([[0.25, 0.0]]), torch.tensor([[0.4]]))
    r = 0.25 + 0.5  # of (0, 0.5)
    bend = 0.4 * r**2 * np.log(r + 1e-6)
    expected = torch.tensor([[[0.25 + 0.1 + bend, 1.0 - 0.2 + bend]]], dtype=torch.float32)
    torch.testing.assert_close(warp.points(torch.tensor([[[0.0, 0.5]]])), expected)


def test_the_jacobian_is_the_derivative() -> None:
    torch.manual_seed(2)
    warp = Warp(*(tensor.double() for tensor in random_warp(3, torch.device("cpu"), affine=0.3, spline=0.2)))
    z = torch.rand(3, 7, 2, dtype=torch.float64) * 2 - 1
    ours = warp.jacobian(z)
    for b in range(3):
        for n in range(7):
            alone = Warp(warp.theta[b : b + 1], warp.control, warp.coefficients[b : b + 1])
            theirs = torch.autograd.functional.jacobian(lambda p, alone=alone: alone.points(p.view(1, 1, 2)).view(2), z[b, n])
            torch.testing.assert_close(ours[b, n], theirs)


def test_a_warped_image_has_at_z_what_the_image_has_at_its_image() -> None:
    """A dot at z of the warped image was at T(z)."""
    torch.manual_seed(3)
    warp, z = random_warp(4, torch.device("cpu")), torch.tensor([[0.2, -0.3]]).expand(4, 1, 2)
    away = (grid(65, 65, z) - warp.points(z)[:, :, None]).square().sum(-1)
    dot = warp.image((-away / 0.005).exp()[:, None])[:, 0]
    at = grid(65, 65, z).view(-1, 2)[dot.flatten(1).argmax(1)]
    assert (at - z[:, 0]).abs().max() <= 2 / 64
    still = Warp(torch.eye(2, 3)[None], torch.zeros(1, 2), torch.zeros(1, 1))
    image = torch.rand(1, 3, 6, 9)
    torch.testing.assert_close(still.image(image), image)


def test_random_warps_have_their_strength() -> None:
    torch.manual_seed(4)
    warp = random_warp(2000, torch.device("cpu"))
    assert (warp.theta - torch.eye(2, 3)).std().item() == pytest.approx(0.05, rel=0.03)
    assert warp.coefficients.shape == (2000, 25) and warp.coefficients.std().item() == pytest.approx(0.005, rel=0.03)
    assert torch.equal(warp.control[1], torch.tensor([-0.5, -1.0]))


def test_antialiasing_is_a_convolution_of_which_some_pixels_are_kept() -> None:
    """By a quarter: 13 x 13, sigma 1.5, zeros beyond the edge."""
    image = torch.rand(1, 2, 16, 24, dtype=torch.float64)
    x = np.arange(-6, 7)
    kernel = np.exp(-(x**2) / (2 * 1.5**2))
    kernel = np.outer(kernel, kernel) / kernel.sum() ** 2
    expected = np.stack([convolve(channel, kernel, mode="constant")[::4, ::4] for channel in image[0].numpy()])
    np.testing.assert_allclose(antialiased(image, 4)[0].numpy(), expected)
    assert antialiased(image, 1) is image and antialiased(image, 2).shape == (1, 2, 8, 12)
    assert geometry.grid(2, 2, image).dtype == torch.float64
