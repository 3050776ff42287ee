"""Characters: layers of LPC sheets, kept apart, and drawn one on the other when a character is asked for."""

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.art.alpha import over, shrink
from wsprites.art.layouts import SheetFiles
from wsprites.art.sheets import CELL_PLACES, read_sheet
from wsprites.world.spec import CELL

_CELLS_SHAPE = (len(CELL_PLACES), CELL, CELL)


class _Sheet(NamedTuple):
    """The P pixels of a sheet that are not clear."""

    place: NDArray[np.int32]
    """(P,) places in the flat cells, ascending: 4096 cell + 64 y + x."""
    rgba: NDArray[np.uint8]
    """(P, 4) straight alpha, not 0."""


class Spans(NamedTuple):
    """The sheets in the form that compiled code takes: R runs of neighbouring pixels in a row of a cell, all opaque or all soft."""

    counts: NDArray[np.int64]
    """(L,) number of sheets in each layer."""
    first: NDArray[np.int64]
    """(S, 85) the runs of sheet s, numbered over all layers, in cell c are first[s, c] to first[s, c + 1] - 1."""
    runs: NDArray[np.uint32]
    """(R, 4) of each run its place in the cell, 64 y + x, its length, its first pixel, and 1 if it is soft (alpha 1 to 254)."""
    rgb: NDArray[np.uint8]
    """(3 P,) colours of the pixels of all runs."""
    rgba: NDArray[np.uint32]
    """(P,) the same with alpha, red in the lowest byte."""


@dataclass(frozen=True, eq=False)
class Characters:
    """All characters that the sheets of some layers make, one sheet of each layer. Made by `from_cells` or `from_files`."""

    layers: tuple[str, ...]
    """Names of the layers, the lowest first."""
    names: tuple[tuple[str, ...], ...]
    """Names of the sheets of each layer."""
    cell: int
    """Height and width in pixels that cells were scaled to; they lie in the top-left corners of cells of 64 x 64 pixels."""
    boxes: NDArray[np.int64]
    """(84, 4) y, x, height and width in pixels of the box that any sheet covers in each cell."""
    _sheets: tuple[tuple[_Sheet, ...], ...]

    @staticmethod
    def from_cells(
        layers: Sequence[str], names: Sequence[Sequence[str]], cells: Iterable[Iterable[NDArray[np.uint8]]], *, cell: int = CELL
    ) -> "Characters":
        """Characters from the (84, 64, 64, 4) uint8 RGBA cells of every sheet of every layer, the lowest layer first, scaled to `cell`."""
        return Characters._from_sheets(layers, names, cell, tuple(tuple(map(_not_clear, layer)) for layer in cells))

    @staticmethod
    def _from_sheets(
        layers: Sequence[str], names: Sequence[Sequence[str]], cell: int, sheets: tuple[tuple[_Sheet, ...], ...]
    ) -> "Characters":
        covered = np.zeros(math.prod(_CELLS_SHAPE), bool)
        for layer in sheets:
            for place, _ in layer:
                covered[place] = True
        boxes = np.array([_box(covered_yx) for covered_yx in covered.reshape(_CELLS_SHAPE)])
        return Characters(tuple(layers), tuple(map(tuple, names)), cell, boxes, sheets)

    @staticmethod
    def from_files(files: Mapping[str, Sequence[SheetFiles]], *, cell: int = CELL) -> "Characters":
        """Characters from the files of every sheet of every layer, as `layouts.find_sheets` finds them.

        Args:
            files: {layer: its sheets}, the lowest layer first.
            cell: height and width in pixels that the cells are scaled to.

        Raises:
            UserError: a sheet cannot be used.
        """

        def read(sheet: SheetFiles) -> _Sheet:
            cells = read_sheet(*sheet.pictures)
            return _not_clear(cells if cell == CELL else shrink(cells, cell))

        with ThreadPoolExecutor() as pool:  # decoding runs outside the interpreter's lock
            sheets = tuple(tuple(pool.map(read, layer)) for layer in files.values())
        return Characters._from_sheets(tuple(files), [[sheet.name for sheet in layer] for layer in files.values()], cell, sheets)

    def only(self, kept: Sequence[Sequence[int]]) -> "Characters":
        """The characters that some sheets of each layer make."""
        names = [[layer[sheet] for sheet in sheets] for layer, sheets in zip(self.names, kept, strict=True)]
        sheets_of = tuple(tuple(layer[sheet] for sheet in sheets) for layer, sheets in zip(self._sheets, kept, strict=True))
        return Characters._from_sheets(self.layers, names, self.cell, sheets_of)

    def alpha(self, layer: int, sheet: int) -> NDArray[np.uint8]:
        """(84,) uint8: the largest alpha in each cell of a sheet."""
        place, rgba = self._sheets[layer][sheet]
        largest = np.zeros(len(CELL_PLACES), np.uint8)
        np.maximum.at(largest, place // CELL**2, rgba[:, 3])
        return largest

    @property
    def counts(self) -> tuple[int, ...]:
        """Number of sheets in each layer."""
        return tuple(map(len, self._sheets))

    @property
    def nbytes(self) -> int:
        """Memory that the sheets take, in bytes."""
        return sum(array.nbytes for layer in self._sheets for sheet in layer for array in sheet)

    @cached_property
    def spans(self) -> Spans:
        """The pixels of all sheets, those of the lowest layer first."""
        first: list[NDArray[np.int64]] = []
        runs: list[NDArray[np.uint32]] = []
        pixels: list[NDArray[np.uint8]] = []
        for place, rgba in (sheet for layer in self._sheets for sheet in layer):
            soft = rgba[:, 3] < 255
            continues = (np.diff(place) == 1) & (place[1:] % CELL > 0) & (soft[1:] == soft[:-1])
            begins = np.flatnonzero(np.append(True, ~continues)[: len(place)])
            length = np.diff(begins, append=len(place))
            first.append(sum(map(len, runs)) + np.searchsorted(place[begins], np.arange(len(CELL_PLACES) + 1) * CELL**2))
            pixel = begins + sum(map(len, pixels))
            runs.append(np.stack([place[begins] % CELL**2, length, pixel, soft[begins]], 1).astype(np.uint32))
            pixels.append(rgba)
        rgba = np.concatenate(pixels)
        counts = np.array(self.counts)
        return Spans(counts, np.stack(first), np.concatenate(runs), np.ascontiguousarray(rgba[:, :3]).ravel(), rgba.view(np.uint32)[:, 0])

    def cells(self, layer: int, sheet: int) -> NDArray[np.uint8]:
        """The (84, 64, 64, 4) uint8 RGBA cells of one sheet; clear pixels are 0."""
        return _composite([self._sheets[layer][sheet]])

    def atlas(self, character: int) -> NDArray[np.uint8]:
        """The (84, 64, 64, 4) uint8 RGBA cells of a character, composited by `over`; clear pixels are 0.

        Raises:
            ValueError: there is no such character.
        """
        return _composite([layer[sheet] for layer, sheet in zip(self._sheets, self.sheets_of(character), strict=True)])

    def sheets_of(self, character: int) -> list[int]:
        """The numbers, one for each layer, of the sheets that make a character. Raises ValueError if there is no such character."""
        rest, sheets = character, []
        for count in reversed(self.counts):
            rest, sheet = divmod(rest, count)
            sheets.append(sheet)
        if rest:
            raise ValueError(f"there is no character {character}")
        return sheets[::-1]


def _composite(sheets: Sequence[_Sheet]) -> NDArray[np.uint8]:
    """(84, 64, 64, 4) uint8: sheets, the lowest first, composited by `over`."""
    pixels = np.zeros((math.prod(_CELLS_SHAPE), 4), np.uint8)
    for place, rgba in sheets:
        soft = np.flatnonzero(rgba[:, 3] < 255)
        blended = over(rgba[soft], pixels[place[soft]])
        pixels.view(np.uint32)[place] = rgba.view(np.uint32)
        pixels[place[soft]] = blended
    return pixels.reshape(*_CELLS_SHAPE, 4)


def _not_clear(cells: NDArray[np.uint8]) -> _Sheet:
    """The pixels of a sheet whose alpha is above 0."""
    rgba = cells.reshape(-1, 4)
    place = np.flatnonzero(rgba[:, 3])
    return _Sheet(place.astype(np.int32), rgba[place])


def _box(covered: NDArray[np.bool_]) -> tuple[int, int, int, int]:
    """y, x, height, width of the smallest box around the covered pixels; one pixel where there are none."""
    rows, columns = np.flatnonzero(covered.any(1)), np.flatnonzero(covered.any(0))
    if not len(rows):
        return 0, 0, 1, 1
    return int(rows[0]), int(columns[0]), int(rows[-1] - rows[0] + 1), int(columns[-1] - columns[0] + 1)
