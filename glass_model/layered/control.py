"""Control masks: T, which transforms masks, and what it takes to get from one mask to the next. Masks are (N, 1, H, W) in 0 to 1.

Parameters theta of T are normalised: the full width and the full height are 2. T's matrix maps coordinates of the OUTPUT to those of the
INPUT, so that a positive x moves a mask to the LEFT, and x = 1 is half the width. Shifts are motions on the screen, in pixels of the mask.
"""

import torch
import torch.nn.functional as F
from torch import Tensor

from glass_model.layered.config import BINS


def matrix(theta: Tensor, transform: str, size: tuple[int, int]) -> Tensor:
    """The matrix of T, (N, 2, 3), from output to input coordinates.

    Args:
        theta: (N, 2) x and y for "position"; (N, 3) x, y and an angle in radians for "rigid"; (N, 6) the matrix by rows for "affine".
        transform: "position", "rigid" or "affine".
        size: (height, width) of the masks. A rotation is one of pixels, which are square, and not of the coordinates.

    Example:
        >>> matrix(torch.tensor([[0.5, 0.0]]), "position", (48, 64))[0, :, 2].tolist()
        [0.5, 0.0]
    """
    if transform == "affine":
        return theta.reshape(-1, 2, 3)
    angle = theta[:, 2] if transform == "rigid" else torch.zeros_like(theta[:, 0])
    cos, sin, ratio = angle.cos(), angle.sin(), size[0] / size[1]
    rows = [torch.stack([cos, -sin * ratio, theta[:, 0]], 1), torch.stack([sin / ratio, cos, theta[:, 1]], 1)]
    return torch.stack(rows, 1)


def normalised(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Pixels, (..., 2), of images of (height, width) in normalised units. As `images.to_normalised`, but waits for no device."""
    return torch.stack([shift[..., 0] * (2 / size[1]), shift[..., 1] * (2 / size[0])], -1)


def pixels(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """The inverse of `normalised`."""
    return torch.stack([shift[..., 0] * (size[1] / 2), shift[..., 1] * (size[0] / 2)], -1)


def parameters(shift: Tensor, transform: str, size: tuple[int, int]) -> Tensor:
    """theta of a translation by a shift on the screen, (N, 2) pixels: the inverse of `motion`, for masks of any place."""
    to = -normalised(shift, size)
    if transform == "position":
        return to
    if transform == "rigid":
        return F.pad(to, (0, 1))
    one, zero = torch.ones_like(to[:, 0]), torch.zeros_like(to[:, 0])
    return torch.stack([one, zero, to[:, 0], zero, one, to[:, 1]], 1)


def warp(image: Tensor, to_input: Tensor, *, grid: str = "centres", border: bool = False) -> Tensor:
    """T: transform images, (N, C, H, W), by matrices from output to input coordinates, (N, 2, 3); bilinear.

    Args:
        image: masks or frames.
        to_input: as of `matrix`.
        grid: "centres": the identity changes nothing. "ends": the first and the last pixel have the coordinates -1 and 1, but what is
            sampled there are the edges, as in the authors' code, so that the identity enlarges a little.
        border: what comes from outside of the image: True repeats its edge, False is 0.
    """
    with torch.autocast(image.device.type, enabled=False):  # coordinates need more than the 8 bits of bfloat16
        places = F.affine_grid(to_input.float(), list(image.shape), align_corners=grid == "ends")
        return F.grid_sample(image.float(), places, padding_mode="border" if border else "zeros", align_corners=False)


def moved(image: Tensor, shift: Tensor) -> Tensor:
    """Images, (N, C, H, W), moved on the screen by pixels, (N, 2). Edges are repeated."""
    size = (image.shape[-2], image.shape[-1])
    return warp(image, matrix(parameters(shift, "position", size), "position", size), border=True)


def binary(mask: Tensor) -> Tensor:
    """1 where a mask is above 1/2, otherwise 0."""
    return (mask > 0.5).to(mask.dtype)


def centre(mask: Tensor) -> Tensor:
    """The centre of mass of masks, (N, 2), in normalised coordinates; (0, 0) for an empty one."""
    mass = mask.sum((1, 2, 3)).clamp_min(1e-6)
    places = [(torch.arange(n, device=mask.device) + 0.5) * 2 / n - 1 for n in (mask.shape[-1], mask.shape[-2])]
    x, y = ((mask.sum((1, axis)) * place).sum(1) for axis, place in zip((2, 3), places, strict=True))  # no product that bfloat16 rounds
    return torch.stack([x, y], 1) / mass[:, None]


def between(before: Tensor, after: Tensor) -> Tensor:
    """How far the centre of masks moves on the screen, (N, 2) pixels, from one mask to another; none if one of them is empty."""
    known = (before.sum((1, 2, 3)) > 0) & (after.sum((1, 2, 3)) > 0)
    apart = pixels(centre(after) - centre(before), (before.shape[-2], before.shape[-1]))
    return torch.where(known[:, None], apart, 0.0)


def fit(before: Tensor, after: Tensor, transform: str, *, steps: int = 1000, rate: float = 0.1, grid: str = "centres") -> Tensor:
    """The parameters of T that make one mask most like another (Eq. 5): least mean squared difference, by Adam, for all pairs at once.

    Begins with the difference of the centroids, and returns the best parameters on the way. Pairs do not affect one another: Adam treats
    every number by itself. A pair with an empty mask has no motion. Works in inference mode as well.

    Args:
        before: (N, 1, H, W).
        after: (N, 1, H, W).
        transform: "position", "rigid" or "affine".
        steps: number of steps; 0 gives the difference of the centroids.
        rate: learning rate, in normalised units.
        grid: see `warp`.

    Returns:
        (N, D) float32, D = 2, 3 or 6.

    Example:
        >>> mask = torch.zeros(1, 1, 8, 16)
        >>> mask[..., 2:6, 2:6] = 1
        >>> theta = fit(mask, mask.roll(4, 3), "position")  # moved to the right by 4 pixels, where 8 are half the width
        >>> round(theta[0, 0].item(), 3)
        -0.5
    """
    with torch.inference_mode(False), torch.enable_grad():
        before, after = before.detach().clone().float(), after.detach().clone().float()  # may be used for gradients
        size = (before.shape[-2], before.shape[-1])
        known = (before.sum((1, 2, 3)) > 0) & (after.sum((1, 2, 3)) > 0)
        theta = parameters(between(before, after), transform, size)
        best, least = theta, torch.full_like(theta[:, 0], torch.inf)
        mean, square = torch.zeros_like(theta), torch.zeros_like(theta)
        for step in range(1, steps + 1):
            theta = theta.detach().requires_grad_()
            error = (warp(before, matrix(theta, transform, size), grid=grid) - after).square().mean((1, 2, 3))
            (gradient,) = torch.autograd.grad(error.sum(), theta)
            better = known & (error.detach() < least)
            best = torch.where(better[:, None], theta.detach(), best)
            least = torch.where(better, error.detach(), least)
            mean, square = 0.9 * mean + 0.1 * gradient, 0.999 * square + 0.001 * gradient.square()
            corrected = (square / (1 - 0.999**step)).sqrt() + 1e-8
            theta = theta.detach() - rate / (1 - 0.9**step) * mean / corrected
    return best.detach()


def motion(theta: Tensor, mask: Tensor, transform: str) -> Tensor:
    """How far T moves the centre of masks on the screen, (N, 2) pixels. For "position" it is the translation, wherever the mask is."""
    size = (mask.shape[-2], mask.shape[-1])
    to_input, at = matrix(theta, transform, size), centre(mask)
    if transform == "position":
        return pixels(-to_input[:, :, 2], size)
    return pixels(_solved(to_input[:, :, :2], at - to_input[:, :, 2]) - at, size)


def _solved(linear: Tensor, of: Tensor) -> Tensor:
    """x with linear @ x = of, (N, 2). Linear maps that are almost singular, which shrink masks to nothing, count as less singular ones."""
    (a, b), (c, d) = linear[:, 0].unbind(1), linear[:, 1].unbind(1)
    area = a * d - b * c
    area = torch.where(area.abs() < 1e-3, torch.where(area < 0, -1e-3, 1e-3), area)
    return torch.stack([d * of[:, 0] - b * of[:, 1], a * of[:, 1] - c * of[:, 0]], 1) / area[:, None]


def directed(to_input: Tensor, mask: Tensor, shift: Tensor) -> Tensor:
    """Matrices with other translations, such that T moves the centre of masks by a shift on the screen, (N, 2) pixels."""
    at = centre(mask)
    there = at + normalised(shift, (mask.shape[-2], mask.shape[-1]))
    return torch.cat([to_input[:, :, :2], (at - _applied(to_input[:, :, :2], there))[:, :, None]], 2)


def chained(first: Tensor, second: Tensor) -> Tensor:
    """The matrix, (N, 2, 3), that transforms an image as the first one does, and the result as the second one does."""
    linear = first[:, :, :2]
    columns = [_applied(linear, second[:, :, axis]) for axis in range(3)]
    columns[2] = columns[2] + first[:, :, 2]
    return torch.stack(columns, 2)


def _applied(linear: Tensor, point: Tensor) -> Tensor:
    """linear @ point, (N, 2), without a product that bfloat16 rounds."""
    return (linear * point[:, None]).sum(2)


# Codes.


def bins(step: float | Tensor) -> Tensor:
    """The translations of five codes, (5, 2) pixels: none, and one to the left, right, top and bottom.

    Example:
        >>> bins(3.0).tolist()
        [[0.0, 0.0], [-3.0, 0.0], [3.0, 0.0], [0.0, -3.0], [0.0, 3.0]]
    """
    towards = torch.tensor([[0, 0], [-1, 0], [1, 0], [0, -1], [0, 1]], dtype=torch.float32, device=getattr(step, "device", None))
    assert len(towards) == BINS
    return towards * step


def code_of(shift: Tensor, translations: Tensor) -> Tensor:
    """The code of the nearest translation, int64 (...), of shifts (..., 2)."""
    return torch.cdist(shift.reshape(1, -1, 2), translations[None])[0].argmin(1).reshape(shift.shape[:-1])
