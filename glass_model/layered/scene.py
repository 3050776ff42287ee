"""Motion of the scene: the translation of whole frames, in whole pixels, that explains the next frame best. Not a part of the paper.

Most pixels belong to the scene, so that its motion is the one translation that leaves the fewest pixels different: the one with the least
mean of absolute differences that are cut off, so that a figure in other colours does not outweigh the scene.
"""

import torch
from torch import Tensor

_MOST = 0.1  # difference of a pixel in [-1, 1], mean over the colours, above which it is simply different
_TIE = 1e-7  # difference of frames in [-1, 1] that decides between motions of other lengths


def scene_motion(before: Tensor, after: Tensor, reach: int) -> Tensor:
    """Motion of the scene on the screen, (N, 2) float32, whole pixels of at most `reach` in x and y; the shortest among equals.

    Compared are the pixels that every motion has: all but a frame of `reach` pixels. Nothing waits for the device.

    Args:
        before: frames, (N, 3, H, W).
        after: the next frames.
        reach: 0 gives no motion.

    Example:
        >>> frame = torch.rand(1, 3, 8, 8)
        >>> scene_motion(frame, frame.roll((1, -1), (2, 3)), 1).tolist()
        [[-1.0, 1.0]]
    """
    along = torch.arange(-reach, reach + 1, device=before.device, dtype=torch.float32)
    motions = torch.cartesian_prod(along, along)
    high, wide = before.shape[-2] - 2 * reach, before.shape[-1] - 2 * reach
    inside, errors = after[..., reach : reach + high, reach : reach + wide], []
    for x in range(-reach, reach + 1):
        for y in range(-reach, reach + 1):
            came_from = before[..., reach - y : reach - y + high, reach - x : reach - x + wide]
            errors.append((inside - came_from).abs().mean(1).clamp_max(_MOST).mean((1, 2)))
    shortest_first = _TIE * motions.square().sum(1)
    return motions[(torch.stack(errors, 1) + shortest_first).argmin(1)]


def seen_before(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """(N, 1, H, W) 1 for pixels of a frame that was moved by a shift, (N, 2) pixels; 0 for those that came from outside of it."""
    x, y = (torch.arange(n, device=shift.device)[None] - shift[:, axis : axis + 1] for axis, n in ((0, size[1]), (1, size[0])))
    (row, column) = (((at >= 0) & (at <= n - 1)).float() for at, n in ((y, size[0]), (x, size[1])))
    return row[:, None, :, None] * column[:, None, None, :]
