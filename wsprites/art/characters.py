"""Characters: layers of LPC sheets, kept apart and composited when a character is asked for.

A strip holds the cells of a sheet one after the other, each trimmed to the box that any sheet ever covers in it, as a one-row image
of P pixels: one call of OpenCV works on all cells.
"""

import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from wsprites.art.sheets import CELL_OF, CELL_PLACES, files_in, read_sheet
from wsprites.errors import UserError
from wsprites.world.spec import CELL

_CELLS_SHAPE = (len(CELL_PLACES), CELL, CELL)
_BLOCKS = tuple(range(int(cells.min()), int(cells.max()) + 1) for cells in CELL_OF)  # the cells of each action, which lie together
_BLOCK_OF = tuple(block for block, cells in enumerate(_BLOCKS) for _ in cells)


class Sprite(NamedTuple):
    """One cell of a composited character, trimmed: what the renderer pastes at the script's position."""

    y: int
    x: int
    """Top-left corner of the box in the 64 x 64 cell, pixels."""
    height: int
    width: int
    """Of the box, pixels."""
    rgb: NDArray[np.uint8]
    """(h, 3 w) straight, not premultiplied; a row is R G B R G B ..."""
    opaque: NDArray[np.uint8]
    """(h, 3 w) 255 where alpha is 255, else 0, three times for each pixel."""
    solid: NDArray[np.uint8]
    """(h, w) 1 where alpha >= 128, else 0: the mask."""


class Soft(NamedTuple):
    """S pixels of a sprite that are neither opaque nor clear."""

    y: NDArray[np.int64]
    x: NDArray[np.int64]
    """(S,) from the box's corner."""
    rgb: NDArray[np.uint8]
    """(S, 3)"""
    alpha: NDArray[np.uint8]
    """(S, 1)"""


class _Block(NamedTuple):
    """The pixels of a sheet in the cells of one action, by their places in that part of the strip."""

    opaque: NDArray[np.int64]
    opaque_rgba: NDArray[np.uint32]
    soft: NDArray[np.int64]
    soft_rgba: NDArray[np.uint8]


class Spans(NamedTuple):
    """The sheets in the form that compiled code takes: R runs of neighbouring pixels in a row of a cell, all opaque or all soft."""

    counts: NDArray[np.int64]
    """(L,) sheets in each layer."""
    first: NDArray[np.int64]
    """(S, 85) the runs of sheet s, numbered over all layers, in cell c go from first[s, c] to first[s, c + 1]."""
    runs: NDArray[np.uint32]
    """(R, 4) of each its place in the cell, 64 y + x, its length, its first pixel, and 1 if it is soft."""
    rgb: NDArray[np.uint8]
    """(3 P,)"""
    rgba: NDArray[np.uint32]
    """(P,) red in the lowest byte."""


@dataclass(frozen=True, eq=False)
class Characters:
    """All characters that the sheets of some layers make, one sheet of each layer. Build it with `from_cells` or `from_folder`."""

    layers: tuple[str, ...]
    """Names of the layers, the lowest first."""
    names: tuple[tuple[str, ...], ...]
    """Names of the sheets of each layer."""
    _sheets: tuple[tuple[tuple[_Block, ...], ...], ...]
    boxes: NDArray[np.int64]
    """(84, 4) y, x, height, width of each cell's box, pixels."""
    starts: NDArray[np.int64]
    """(85,) where each cell begins in a strip."""

    @staticmethod
    def from_cells(layers: Sequence[str], names: Sequence[Sequence[str]], cells: Iterable[Iterable[NDArray[np.uint8]]]) -> "Characters":
        """Characters from the (84, 64, 64, 4) uint8 RGBA cells of every sheet of every layer, the lowest layer first."""
        dense = [[_not_clear(sheet) for sheet in layer] for layer in cells]
        covered = np.zeros(math.prod(_CELLS_SHAPE), bool)
        for layer in dense:
            for where, _ in layer:
                covered[where] = True
        boxes = np.array([_box(cell) for cell in covered.reshape(_CELLS_SHAPE)])
        starts = np.concatenate([[0], np.cumsum(boxes[:, 2] * boxes[:, 3])])
        # Where each pixel of the dense cells lies in the strip.
        place_of = np.zeros(_CELLS_SHAPE, np.int64)
        for cell, (y, x, h, w), first in zip(place_of, boxes, starts[:-1], strict=True):
            cell[y : y + h, x : x + w] = first + np.arange(h * w).reshape(h, w)
        place = place_of.ravel()
        sheets = tuple(tuple(_blocks(place[where], rgba, starts) for where, rgba in layer) for layer in dense)
        return Characters(tuple(layers), tuple(map(tuple, names)), sheets, boxes, starts)

    @staticmethod
    def from_folder(folder: Path, layers: Sequence[str]) -> "Characters":
        """Characters from a folder with a sub-folder of PNG sheets for each layer, or with whole characters as sheets directly in it.

        Raises:
            UserError: no such folder, a layer's folder missing or without sheets, or a sheet that cannot be used.
        """
        paths = sheet_paths(folder, layers)
        cells = ((read_sheet(path) for path in layer) for layer in paths.values())
        return Characters.from_cells(tuple(paths), [[path.stem for path in layer] for layer in paths.values()], cells)

    @property
    def counts(self) -> tuple[int, ...]:
        """Sheets in each layer."""
        return tuple(map(len, self._sheets))

    @property
    def nbytes(self) -> int:
        """Memory that the layers take."""
        return sum(array.nbytes for layer in self._sheets for sheet in layer for block in sheet for array in block)

    @cached_property
    def spans(self) -> Spans:
        """The pixels of all sheets, those of the lowest layer first."""
        first: list[NDArray[np.int64]] = []
        runs: list[NDArray[np.uint32]] = []
        pixels: list[NDArray[np.uint8]] = []
        for layer, count in enumerate(self.counts):
            for sheet in range(count):
                where, rgba = _not_clear(self.cells(layer, sheet))
                soft = rgba[:, 3] < 255
                goes_on = (np.diff(where) == 1) & (where[1:] % CELL > 0) & (soft[1:] == soft[:-1])
                begins = np.flatnonzero(np.append(True, ~goes_on)[: len(where)])
                length = np.diff(begins, append=len(where))
                first.append(sum(len(part) for part in runs) + np.searchsorted(where[begins], np.arange(len(CELL_PLACES) + 1) * CELL**2))
                pixel = begins + sum(len(part) for part in pixels)
                runs.append(np.stack([where[begins] % CELL**2, length, pixel, soft[begins]], 1).astype(np.uint32))
                pixels.append(rgba)
        rgba = np.concatenate(pixels)
        counts = np.array(self.counts)
        return Spans(counts, np.stack(first), np.concatenate(runs), np.ascontiguousarray(rgba[:, :3]).ravel(), rgba.view(np.uint32)[:, 0])

    def cells(self, layer: int, sheet: int) -> NDArray[np.uint8]:
        """The (84, 64, 64, 4) uint8 RGBA cells of one sheet; clear pixels are 0."""
        return self._atlas([self._sheets[layer][sheet]])

    def atlas(self, character: int) -> NDArray[np.uint8]:
        """The (84, 64, 64, 4) uint8 RGBA cells of a composited character; clear pixels are 0."""
        return self._atlas(self.blocks_of(character))

    def blocks_of(self, character: int) -> list[tuple[_Block, ...]]:
        """The sheets that make a character."""
        return [layer[sheet] for layer, sheet in zip(self._sheets, self.sheets_of(character), strict=True)]

    def sheets_of(self, character: int) -> list[int]:
        """The numbers in their layers of the sheets that make a character. Raises ValueError if there is no such character."""
        rest, sheets = character, []
        for count in reversed(self.counts):
            rest, sheet = divmod(rest, count)
            sheets.append(sheet)
        if rest:
            raise ValueError(f"there is no character {character}")
        return sheets[::-1]

    def _atlas(self, sheets: list[tuple[_Block, ...]]) -> NDArray[np.uint8]:
        strip = np.zeros((self.starts[-1], 4), np.uint8)
        for number, cells in enumerate(_BLOCKS):
            composite(strip[self.starts[cells.start] : self.starts[cells.stop]], [sheet[number] for sheet in sheets])
        return self._untrim(strip)

    def _untrim(self, strip: NDArray[np.uint8]) -> NDArray[np.uint8]:
        cells = np.zeros((*_CELLS_SHAPE, 4), np.uint8)
        for cell, (y, x, h, w), first in zip(cells, self.boxes, self.starts[:-1], strict=True):
            cell[y : y + h, x : x + w] = strip[first : first + h * w].reshape(h, w, 4)
        return cells


class Figure:
    """A character ready to be pasted, composited by `over` action by action as they are asked for. Memory for one, to be used again.

    New memory takes longer than compositing; and a window of a few frames shows few actions.
    """

    def __init__(self, characters: Characters) -> None:
        self.characters = characters
        pixels = int(characters.starts[-1])
        self.soft: dict[int, Soft] = {}
        """By cell, the pixels with alpha 1 to 254 of the sprites that were asked for."""
        self._rgba = np.zeros((1, pixels, 4), np.uint8)
        self._rgb, self._opaque = np.zeros((2, 1, pixels, 3), np.uint8)
        self._solid = np.zeros((1, pixels), np.uint8)
        self._character: int | None = None
        self._ready = [False] * len(_BLOCKS)
        self._sprites = [self._view(cell) for cell in range(len(CELL_PLACES))]

    def dress(self, character: int) -> None:
        """Become a character. Sprites handed out before are no longer valid, unless it is the same again."""
        if character == self._character:
            return
        self._character = character
        self._ready = [False] * len(_BLOCKS)
        self.soft.clear()

    def sprite(self, cell: int) -> Sprite:
        """The sprite of a cell (its number is in `sheets.CELL_OF`)."""
        block = _BLOCK_OF[cell]
        if not self._ready[block]:
            self._composite(block)
            self._ready[block] = True
        return self._sprites[cell]

    def _composite(self, number: int) -> None:
        cells, blocks = _BLOCKS[number], [sheet[number] for sheet in self.characters.blocks_of(self._character or 0)]
        first, stop = self.characters.starts[cells.start], self.characters.starts[cells.stop]
        rgba = self._rgba[:, first:stop]
        rgba.fill(0)
        composite(rgba[0], blocks)
        alpha = cv2.extractChannel(rgba, 3)
        cv2.cvtColor(rgba, cv2.COLOR_RGBA2RGB, self._rgb[:, first:stop])
        cv2.cvtColor(cv2.threshold(alpha, 254, 255, cv2.THRESH_BINARY)[1], cv2.COLOR_GRAY2RGB, self._opaque[:, first:stop])
        cv2.threshold(alpha, 127, 1, cv2.THRESH_BINARY, self._solid[:, first:stop])
        if any(len(block.soft) for block in blocks):  # over or under an opaque pixel they make an opaque one
            soft = np.unique(np.concatenate([block.soft for block in blocks]))
            soft = soft[alpha[0, soft] < 255]
            cell_of = np.searchsorted(self.characters.starts, soft + first, side="right") - 1
            for cell in set(cell_of.tolist()):
                at = soft[cell_of == cell]
                y, x = np.divmod(at + first - self.characters.starts[cell], self.characters.boxes[cell, 3])
                self.soft[cell] = Soft(y, x, rgba[0, at, :3], rgba[0, at, 3:])

    def _view(self, cell: int) -> Sprite:
        y, x, h, w = map(int, self.characters.boxes[cell])
        pixels = slice(self.characters.starts[cell], self.characters.starts[cell + 1])
        rgb, opaque = self._rgb[0, pixels].reshape(h, 3 * w), self._opaque[0, pixels].reshape(h, 3 * w)
        return Sprite(y, x, h, w, rgb, opaque, self._solid[0, pixels].reshape(h, w))


def composite(strip: NDArray[np.uint8], blocks: Sequence[_Block]) -> None:
    """Composite blocks, the lowest first, by `over` onto a contiguous part of a strip, (P, 4) uint8 RGBA."""
    words = strip.view(np.uint32)[:, 0]
    for block in blocks:
        words[block.opaque] = block.opaque_rgba
        if len(block.soft):
            strip[block.soft] = over(block.soft_rgba, strip[block.soft])


def over(source: NDArray[np.uint8], below: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Porter-Duff "source over below" of (..., 4) uint8 RGBA with straight alpha, in integers, rounded half up.

    alpha = (255 a_s + a_b (255 - a_s)) / 255;  colour = (255 a_s c_s + a_b (255 - a_s) c_b) / (255 alpha), before rounding alpha.
    Colour is 0 where alpha is 0. On an opaque pixel below this is (a_s c_s + (255 - a_s) c_b) / 255.
    """
    s, b = source.astype(np.int64), below.astype(np.int64)
    weight_s = 255 * s[..., 3:]
    weight_b = b[..., 3:] * (255 - s[..., 3:])
    total = weight_s + weight_b
    colour = (2 * (weight_s * s[..., :3] + weight_b * b[..., :3]) + total) // np.maximum(2 * total, 1)
    alpha = (2 * total + 255) // 510
    return np.concatenate([colour, alpha], axis=-1).astype(np.uint8)


def sheet_paths(folder: Path, layers: Sequence[str]) -> dict[str, list[Path]]:
    """The sheets of each layer in the order of their numbers: {layer: paths}. Whole characters are one layer, "character".

    Raises:
        UserError: no such folder, or a layer without a folder or without sheets.
    """
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; --sheets wants a folder of LPC sheets")
    whole = _pngs(folder)
    if whole and not any((folder / layer).is_dir() for layer in layers):
        return {"character": whole}
    paths = {}
    for layer in layers:
        if not (folder / layer).is_dir():
            raise UserError(f"{folder}: the folder '{layer}' is missing; characters are made of {', '.join(layers)}")
        paths[layer] = _pngs(folder / layer)
        if not paths[layer]:
            raise UserError(f"{folder / layer}: there is no PNG file in it; every layer needs at least one sheet")
    return paths


def _pngs(folder: Path) -> list[Path]:
    return sorted(files_in(folder, (".png",)), key=lambda path: (_natural(path.stem), path.name))


def _natural(name: str) -> list[str | int]:
    """Sorts 2 before 10: texts and numbers take turns in it."""
    return [int(part) if number % 2 else part for number, part in enumerate(re.split(r"(\d+)", name))]


def _not_clear(cells: NDArray[np.uint8]) -> tuple[NDArray[np.int64], NDArray[np.uint8]]:
    """Where in the flat cells alpha is above 0, and the RGBA there."""
    rgba = cells.reshape(-1, 4)
    where = np.flatnonzero(rgba[:, 3])
    return where, rgba[where]


def _blocks(place: NDArray[np.int64], rgba: NDArray[np.uint8], starts: NDArray[np.int64]) -> tuple[_Block, ...]:
    """A sheet from its pixels that are not clear, and their places in the whole strip."""
    blocks = []
    for cells in _BLOCKS:
        first, stop = starts[cells.start], starts[cells.stop]
        inside = (place >= first) & (place < stop)
        at, colour = place[inside] - first, rgba[inside]
        opaque = colour[:, 3] == 255
        blocks.append(_Block(at[opaque], colour[opaque].view(np.uint32)[:, 0], at[~opaque], colour[~opaque]))
    return tuple(blocks)


def _box(covered: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """y, x, height, width of the smallest box around what is covered; one pixel where nothing is."""
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)


def ignored_folders(folder: Path, layers: Sequence[str]) -> Iterator[str]:
    """Sub-folders with PNG files that are not among the layers, by name."""
    for path in sorted(folder.iterdir()):
        if path.is_dir() and path.name not in layers and _pngs(path):
            yield path.name
