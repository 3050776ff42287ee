"""Rendering of whole batches by gathers of integers, in torch on any device.

Axis suffixes: b windows, n frames of all windows, l layers, p pixels, c = RGB.
"""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from wsprites.art import World
from wsprites.art.sheets import CELL_OF, CELL_PLACES
from wsprites.render.resize import taps
from wsprites.render.shadow import shadow_alpha
from wsprites.world.spec import CELL

_DRAWN = ("character", "background", "local_action", "animation_frame", "position", "background_offset")


class BatchRenderer:
    """Renders batches of windows, bit for bit as `render` does.

    It keeps 16 kB on the device for each of the 84 cells of each sheet: 34 MB for the project's own art.

    Args:
        world: the world that the scripts were written for.
        device: where batches are rendered.

    Example:
        >>> from wsprites.art import load_world
        >>> from wsprites.world.script import LABELS, scripts
        >>> world = load_world("paper")
        >>> script = scripts(world.spec, seed=0, indices=[0, 1])[:, :4]
        >>> labels = {name: torch.from_numpy(getattr(script, name)) for name in LABELS}
        >>> frames, masks = BatchRenderer(world, "cpu")(labels)
        >>> frames.shape, masks.shape
        (torch.Size([2, 4, 3, 96, 128]), torch.Size([2, 4, 96, 128]))
    """

    def __init__(self, world: World, device: str | torch.device) -> None:
        self._spec, characters, images = world.spec, world.art.characters, world.art.backgrounds.images
        self._counts, self._scene_width = characters.counts, images.shape[2]
        cells = [characters.cells(layer, sheet) for layer, count in enumerate(characters.counts) for sheet in range(count)]
        # Pixels as words of four bytes: one gather for all colours. Red is the lowest byte.
        self._cells = torch.from_numpy(np.stack(cells).view(np.int32).reshape(-1, CELL * CELL)).to(device)
        opaque = np.concatenate([images, np.full((*images.shape[:-1], 1), 255, np.uint8)], axis=-1)
        self._scenes = torch.from_numpy(opaque.view(np.int32)[..., 0].reshape(len(images), -1)).to(device)
        self._shadow = torch.from_numpy(shadow_alpha(world.spec).astype(np.int32).reshape(-1)).to(device)
        self._cell_of = torch.from_numpy(CELL_OF).to(device)

    def __call__(self, labels: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        """Render B windows of T frames.

        Args:
            labels: the labels of the windows by name, (B,) and (B, T, ...) tensors on the device. They are not checked: on a GPU, the
                check would wait for the device.

        Returns:
            Frames, (B, T, 3, H, W) uint8, and masks, (B, T, H, W) bool.
        """
        frames_ncp, masks_np = self._draw(*(labels[name] for name in _DRAWN))
        size = *labels["local_action"].shape, self._spec.height, self._spec.width
        return frames_ncp.view(*size[:2], 3, *size[2:]), masks_np.view(size)

    def compile(self) -> None:
        """Have torch.compile fuse the rendering into a few kernels; the next call takes a minute."""
        self._draw = torch.compile(self._draw)  # type: ignore[method-assign]

    def _draw(self, character_b: Tensor, scene_b: Tensor, *of_frames: Tensor) -> tuple[Tensor, Tensor]:
        """Frames, (N, 3, H W) uint8, and masks, (N, H W) bool, N = B T. Integers of any type: (B,), then (B, T) or (B, T, 2) of _DRAWN."""
        action_n, cycle_n, (x_n, y_n), (u_n, v_n) = (
            label.long().flatten() if label.ndim == 2 else label.long().view(-1, 2, 1).unbind(1) for label in of_frames
        )
        character_n, scene_n = (label.long().repeat_interleave(of_frames[0].shape[1]) for label in (character_b, scene_b))
        # The whole cell of the character: its sheets composited, the lowest first.
        sprite = [torch.zeros_like(self._cells[:1])] * 4
        for row_n in self._rows(character_n, self._cell_of[action_n, cycle_n]):
            sprite = _over(_bytes(self._cells[row_n]), sprite)
        word = sprite[0] | sprite[1] << 8 | sprite[2] << 16 | sprite[3] << 24
        # Where each pixel of the frame lies in the cell, and its colours there.
        pixel_p = torch.arange(self._spec.height * self._spec.width, device=word.device)
        row_p, column_p = pixel_p // self._spec.width, pixel_p % self._spec.width
        y_np, x_np = row_p - y_n, column_p - x_n
        inside_np = (y_np >= 0) & (y_np < CELL) & (x_np >= 0) & (x_np < CELL)
        place_np = torch.where(inside_np, y_np * CELL + x_np, 0)
        *colours, alpha = _bytes(word.gather(1, place_np))
        alpha = torch.where(inside_np, alpha, 0)
        # Blended with the background's crop, on which the shadow lies.
        scene = _bytes(self._scenes[scene_n[:, None], (row_p + v_n) * self._scene_width + column_p + u_n])
        if self._spec.shadow:
            through = 255 - torch.where(inside_np, self._shadow[place_np], 0)
            scene = [(2 * through * b + 255) // 510 for b in scene[:3]]
        mixed = [(2 * (alpha * c + (255 - alpha) * b) + 255) // 510 for c, b in zip(colours, scene, strict=False)]
        return torch.stack(mixed, 1).to(torch.uint8), alpha >= 128

    def _rows(self, character_n: Tensor, cell_n: Tensor) -> list[Tensor]:
        """L rows of `_cells` for each frame, the lowest layer first: a character is the mixed-radix number of its sheets."""
        rows_ln: list[Tensor] = []
        for layer in reversed(range(len(self._counts))):
            sheet_n = character_n % self._counts[layer] + sum(self._counts[:layer])
            character_n = character_n // self._counts[layer]
            rows_ln.insert(0, sheet_n * len(CELL_PLACES) + cell_n)
        return rows_ln


def resized(images: Tensor, size: tuple[int, int]) -> Tensor:
    """Frames or masks at another size, on their device: the same bytes as those of `render.resize.resize`.

    Args:
        images: (..., H, W) uint8 frames, or bool masks.
        size: the new height and width, pixels.

    Returns:
        (..., h, w) of the same dtype.
    """
    height, width = images.shape[-2:]
    sums = _sums(_sums(images.int(), -2, height, size[0]).long(), -1, width, size[1])
    return torch.div(2 * sums + height * width, 2 * height * width, rounding_mode="floor").to(images.dtype)


def _sums(images: Tensor, axis: int, old: int, new: int) -> Tensor:
    """Weighted sums of neighbours along an axis, see `render.resize.taps`."""
    index, weight = (torch.from_numpy(of_taps).to(images.device) for of_taps in taps(old, new))
    along = (-1, *[1] * (-1 - axis))
    each = (images.index_select(axis, index[:, k]) * weight[:, k].to(images.dtype).view(along) for k in range(index.shape[1]))
    return sum(each, torch.zeros((), dtype=images.dtype, device=images.device))


def _bytes(word: Tensor) -> list[Tensor]:
    """Red, green, blue and alpha of int32 words, each int32 from 0 to 255."""
    return [word >> shift & 255 for shift in (0, 8, 16, 24)]


def _over(source: list[Tensor], below: list[Tensor]) -> list[Tensor]:
    """`alpha.over` of red, green, blue and alpha."""
    weight_s, weight_b = 255 * source[3], below[3] * (255 - source[3])
    total = weight_s + weight_b
    twice = (2 * total).clamp(min=1)
    colours = [(2 * (weight_s * s + weight_b * b) + total) // twice for s, b in zip(source[:3], below[:3], strict=True)]
    return [*colours, (2 * total + 255) // 510]
