"""Coordinates, warps and 2 x 2 matrices. Points are (..., 2) = (x, y) in [-1, 1]^2, where -1 and 1 are the centres of the outermost pixels.

Matrices are (..., 2, 2). Everything is computed in closed form, so that nothing waits for a GPU or goes through the CPU.
"""

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

_DAMPING = 1e-6
"""Added to the square of half the difference of two eigenvalues in the gradient of the direction of their axes."""
_LEAST = 1e-10  # of an eigenvalue, and of a determinant
_INSIDE = 1e-6  # of the logarithm of a spline


def axes(height: int, width: int, like: Tensor) -> tuple[Tensor, Tensor]:
    """The coordinates of columns, (width,), and rows, (height,), on the device of a tensor and of its type."""
    x, y = (torch.linspace(-1, 1, n, device=like.device, dtype=like.dtype) for n in (width, height))
    return x, y


def grid(height: int, width: int, like: Tensor) -> Tensor:
    """The coordinates of all pixels, (height, width, 2).

    Example:
        >>> grid(2, 3, torch.zeros(()))[0].tolist()
        [[-1.0, -1.0], [0.0, -1.0], [1.0, -1.0]]
    """
    x, y = axes(height, width, like)
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def sample(images: Tensor, at: Tensor, padding: str = "zeros") -> Tensor:
    """Images (N, C, H, W) at the points (N, h, w, 2), bilinearly: (N, C, h, w) float32."""
    return F.grid_sample(images.float(), at.float(), mode="bilinear", padding_mode=padding, align_corners=True)


def antialiased(images: Tensor, down: int) -> Tensor:
    """Images (N, C, H, W) blurred by a Gaussian with sigma = (down - 1) / 2, of which every `down`-th pixel is kept."""
    if down == 1:
        return images
    sigma = (down - 1) / 2
    reach = round(4 * sigma)
    x = torch.arange(-reach, reach + 1, device=images.device, dtype=images.dtype)
    kernel = (-0.5 * (x / sigma).square()).exp()
    kernel, channels = kernel / kernel.sum(), images.shape[1]
    rows = F.conv2d(images, kernel.view(1, 1, -1, 1).expand(channels, 1, -1, 1), stride=(down, 1), padding=(reach, 0), groups=channels)
    return F.conv2d(rows, kernel.view(1, 1, 1, -1).expand(channels, 1, 1, -1), stride=(1, down), padding=(0, reach), groups=channels)


# 2 x 2 matrices.


def matrix(a: Tensor, b: Tensor, c: Tensor, d: Tensor) -> Tensor:
    """[[a, b], [c, d]] of tensors of one shape: (..., 2, 2)."""
    return torch.stack([torch.stack([a, b], -1), torch.stack([c, d], -1)], -2)


def inverse(m: Tensor) -> Tensor:
    """The inverse of matrices; of singular ones something finite.

    Example:
        >>> inverse(torch.tensor([[1.0, 2.0], [1.0, 3.0]])).tolist()
        [[3.0, -2.0], [-1.0, 1.0]]
    """
    a, b, c, d = m[..., 0, 0], m[..., 0, 1], m[..., 1, 0], m[..., 1, 1]
    determinant = a * d - b * c
    determinant = torch.where(determinant.abs() < _LEAST, _LEAST, determinant)
    return matrix(d, -b, -c, a) / determinant[..., None, None]


def sign(m: Tensor) -> Tensor:
    """The sign of the entry (0, 0), (..., 1, 1): -1, or 1 for 0 as well."""
    return torch.where(m[..., :1, :1] < 0, -1.0, 1.0)


def positive(m: Tensor) -> Tensor:
    """Matrices, or minus them where the entry (0, 0) is negative: the axes of a region have no sign."""
    return m * sign(m)


class _Angle(torch.autograd.Function):
    """atan2(y, x), whose gradient is damped where both are small: there the angle is not defined and the true gradient has no bound."""

    @staticmethod
    def forward(ctx: Any, y: Tensor, x: Tensor) -> Tensor:
        """The angle."""
        ctx.save_for_backward(y, x)
        return torch.atan2(y, x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """The gradients of y and x."""
        y, x = ctx.saved_tensors
        factor = gradients[0] / (x.square() + y.square() + _DAMPING)
        return factor * x, -factor * y


def principal_angle(covariance: Tensor) -> Tensor:
    """The direction of the long axis of symmetric matrices, (...,) radians from -pi/2 to pi/2; 0 where both axes are equally long.

    The value is exact. In the gradient, the squared half difference d^2 of the eigenvalues counts as d^2 + 10^-6: it is at most 250.
    """
    half = (covariance[..., 0, 0] - covariance[..., 1, 1]) / 2
    angle: Tensor = _Angle.apply(covariance[..., 0, 1], half)  # type: ignore[no-untyped-call]
    return angle / 2


def principal_axes(covariance: Tensor) -> Tensor:
    """The principal axes of covariances, as columns as long as their standard deviations, the longer one first: U sqrt(S) of their SVD.

    U is always a rotation by `principal_angle`, with which an SVD agrees up to the signs of its columns.

    Args:
        covariance: (..., 2, 2), symmetric, with positive eigenvalues.

    Example:
        >>> principal_axes(torch.tensor([[1.0, 0.0], [0.0, 4.0]])).round(decimals=3).abs().tolist()
        [[0.0, 1.0], [2.0, 0.0]]
    """
    a, b, c = covariance[..., 0, 0], covariance[..., 0, 1], covariance[..., 1, 1]
    # The root of a sum that is never 0 has a gradient everywhere; the smaller eigenvalue by division, not by a difference.
    large = (a + c) / 2 + (((a - c) / 2).square() + b.square() + _LEAST**2).sqrt()
    small = ((a * c - b.square()) / large).clamp_min(_LEAST)
    angle = principal_angle(covariance)
    cos, sin, long, short = angle.cos(), angle.sin(), large.sqrt(), small.sqrt()
    return matrix(cos * long, -sin * short, sin * long, cos * short)


# Random warps.


class Warp(NamedTuple):
    """B warps T of the plane: an affine map plus a thin-plate spline; the spline adds the same to x and y.

    A warped image has at z what the image has at T(z).

    The spline's distance is |x| + |y|, as the authors' is.
    """

    theta: Tensor
    """(B, 2, 3): the affine map."""
    control: Tensor
    """(C, 2): control points."""
    coefficients: Tensor
    """(B, C): their coefficients."""

    def points(self, z: Tensor) -> Tensor:
        """T(z) of points (B, N, 2)."""
        affine = z @ self.theta[:, :, :2].transpose(1, 2) + self.theta[:, None, :, 2]
        r = (z[:, :, None] - self.control).abs().sum(-1)
        bend = (self.coefficients[:, None] * r.square() * (r + _INSIDE).log()).sum(-1, keepdim=True)
        return affine + bend

    def jacobian(self, z: Tensor) -> Tensor:
        """The derivative of T at points (B, N, 2): (B, N, 2, 2), entry (i, j) is that of coordinate i by coordinate j."""
        difference = z[:, :, None] - self.control
        r = difference.abs().sum(-1)
        slope = self.coefficients[:, None] * (2 * r * (r + _INSIDE).log() + r.square() / (r + _INSIDE))
        bend = (slope[..., None] * difference.sign()).sum(2)
        return self.theta[:, None, :, :2] + bend[:, :, None]

    def image(self, images: Tensor) -> Tensor:
        """Images (B, C, H, W), warped; beyond their edge they are reflected."""
        height, width = images.shape[-2:]
        flat = grid(height, width, images).reshape(1, -1, 2).expand(len(images), -1, -1)
        return sample(images, self.points(flat).view(-1, height, width, 2), "reflection")


def random_warp(batch: int, device: torch.device, *, affine: float = 0.05, spline: float = 0.005, points: int = 5) -> Warp:
    """Warps near the identity.

    Args:
        batch: B.
        device: where they are drawn.
        affine: standard deviation of the entries of the affine map.
        spline: standard deviation of the coefficients.
        points: control points along each axis.
    """
    theta = torch.eye(2, 3, device=device) + affine * torch.randn(batch, 2, 3, device=device)
    control = grid(points, points, theta).reshape(-1, 2)
    return Warp(theta, control, spline * torch.randn(batch, points * points, device=device))
