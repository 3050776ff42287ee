"""Similarity of two images, and distance of two sets of images. Images are uint8.

Axis suffixes: t frames, h rows, w columns, c = RGB; n of a set, d features.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Lpips = Callable[[NDArray[np.uint8], NDArray[np.uint8]], NDArray[np.float64]]
"""Distance of (T, H, W, 3) frames and true ones, (T,)."""

UNITS = {"psnr": "dB", "ssim": "", "lpips": "distance"}
"""Unit of each similarity of two images."""
SSIM_WINDOW = 11
"""Pixels of a side that SSIM needs."""
MOST_PSNR = 60.0
"""dB: the value for identical images, instead of infinity."""


def similarity(frames_thwc: NDArray[np.uint8], true_thwc: NDArray[np.uint8], lpips: Lpips | None) -> dict[str, NDArray[np.float64]]:
    """(T,) of each of UNITS: LPIPS only with a network, SSIM only of frames that are large enough."""
    values = {"psnr": psnr(frames_thwc, true_thwc)}
    if min(true_thwc.shape[1:3]) >= SSIM_WINDOW:
        values["ssim"] = ssim(frames_thwc, true_thwc)
    if lpips:
        values["lpips"] = lpips(frames_thwc, true_thwc)
    return values


def psnr(frames_thwc: NDArray[np.uint8], true_thwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(T,) dB: 10 log10 (255^2 / mean squared error), at most MOST_PSNR."""
    return decibels(squared_error(frames_thwc, true_thwc))


def squared_error(frames_thwc: NDArray[np.uint8], true_thwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(T,) mean over pixels and colours of the squared difference of values from 0 to 255."""
    return np.asarray(((frames_thwc.astype(np.float64) - true_thwc) ** 2).mean((1, 2, 3)))


def decibels(mse: NDArray[np.floating[Any]]) -> NDArray[np.float64]:
    """PSNR of mean squared errors of pixels from 0 to 255, dB, at most MOST_PSNR."""
    return np.asarray(np.minimum(10 * np.log10(255.0**2 / np.maximum(mse, 1e-12)), MOST_PSNR), np.float64)


def ssim(frames_thwc: NDArray[np.uint8], true_thwc: NDArray[np.uint8]) -> NDArray[np.float64]:
    """(T,) structural similarity, at most 1: Gaussian window of sigma 1.5 px, mean over colours (Wang et al. 2004, eq. 13).

    The same as scikit-image's with gaussian_weights, use_sample_covariance=False and data_range=255, several times faster.
    """
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2

    def blur(image: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.asarray(cv2.GaussianBlur(image, (11, 11), 1.5), np.float64)[5:-5, 5:-5]

    values = np.empty(len(frames_thwc))
    for t, (a, b) in enumerate(zip(frames_thwc.astype(np.float64), true_thwc.astype(np.float64), strict=True)):
        mean_a, mean_b = blur(a), blur(b)
        var_a, var_b, cov = blur(a * a) - mean_a**2, blur(b * b) - mean_b**2, blur(a * b) - mean_a * mean_b
        alike = (2 * mean_a * mean_b + c1) * (2 * cov + c2) / ((mean_a**2 + mean_b**2 + c1) * (var_a + var_b + c2))
        values[t] = alike.mean()
    return values


def frechet(a_nd: NDArray[np.floating], b_nd: NDArray[np.floating]) -> float:
    """Squared Frechet distance between Gaussians fitted to two sets of features; 0 for the same set, no upper limit.

    |m_a - m_b|^2 + tr(S_a + S_b - 2 (S_a S_b)^1/2) of means m and covariances S (Heusel et al. 2017, eq. 6), in float64. Where S = R'R,
    tr (S_a S_b)^1/2 is the sum of the singular values of R_a R_b': no matrix root is needed, and covariances may be singular.
    """
    means, roots = [], []
    for x_nd in (a_nd, b_nd):
        means.append(x_nd.mean(0, dtype=np.float64))
        roots.append(np.asarray(np.linalg.qr((x_nd - means[-1]) / np.sqrt(len(x_nd) - 1), mode="r")))
    shared = np.linalg.norm(roots[0] @ roots[1].T, "nuc")
    return max(float(((means[0] - means[1]) ** 2).sum() + sum((root**2).sum() for root in roots) - 2 * shared), 0.0)
