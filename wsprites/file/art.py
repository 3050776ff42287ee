"""The art in a data file: written once, and read without trusting it."""

from collections.abc import Iterator
from typing import Any

import h5py
import numpy as np

from wsprites.art import Art
from wsprites.art.backgrounds import Backgrounds
from wsprites.art.characters import Characters
from wsprites.art.credits import Credits
from wsprites.art.sheets import CELL_PLACES
from wsprites.file.codecs import Codec
from wsprites.file.h5 import check_stored, local_item, own_dataset
from wsprites.world.spec import CELL, WorldSpec

_CELLS = (len(CELL_PLACES), CELL, CELL, 4)
_MOST_BACKGROUND_BYTES = 2**30


def write_art(h5: h5py.File, art: Art, codec: Codec) -> None:
    """Write all sheets and backgrounds to a file that has the groups for them."""
    for number, (layer, names) in enumerate(zip(art.characters.layers, art.characters.names, strict=True)):
        dataset = h5.create_dataset(f"art/layers/{layer}", (len(names), *_CELLS), "u1", chunks=(1, *_CELLS), **codec.options())
        dataset.attrs["names"] = names
        for sheet in range(len(names)):
            dataset[sheet] = art.characters.cells(number, sheet)
    images = art.backgrounds.images
    h5.create_dataset("art/backgrounds", data=images, chunks=(1, *images.shape[1:]), **codec.options())
    h5["art/backgrounds"].attrs["names"] = art.backgrounds.names


def read_art(h5: h5py.File, spec: WorldSpec, credits: Credits) -> Art:
    """Read the art of a file. Shapes, and that all of it is stored, are checked before memory is allocated.

    Raises:
        ValueError: an array is missing, lies outside the file, or is not of the shape or type that `spec` implies; or a sheet has pixels
            where a character of this scale has none.
        AttributeError, KeyError, TypeError, OSError: something else is damaged.
    """
    group = local_item(h5, "art", h5py.Group)
    layers = local_item(group, "layers", h5py.Group)
    cast = spec.cast
    # Check the sheets.
    names = []
    for layer, count in zip(cast.layers, cast.counts, strict=True):
        sheets = own_dataset(layers, layer)
        if sheets.shape != (count, *_CELLS) or sheets.dtype != np.uint8:
            raise ValueError(f"{sheets.name} is {sheets.dtype} {sheets.shape}")
        if sheets.chunks != (1, *_CELLS):
            raise ValueError(f"{sheets.name} has chunks of {sheets.chunks}, not one for each sheet")
        check_stored(sheets)
        names.append(tuple(map(str, sheets.attrs["names"])))
    # Check the backgrounds.
    images = own_dataset(group, "backgrounds")
    if images.shape != (cast.backgrounds, *spec.background_size, 3) or images.dtype != np.uint8:
        raise ValueError(f"{images.name} is {images.dtype} {images.shape}")
    if images.nbytes > _MOST_BACKGROUND_BYTES:
        raise ValueError(f"{images.name} has {images.nbytes} bytes, more than 1 GiB")
    check_stored(images)
    # Read both.
    cells: Iterator[Any] = ((layers[layer][sheet] for sheet in range(count)) for layer, count in zip(cast.layers, cast.counts, strict=True))
    characters = Characters.from_cells(cast.layers, names, cells, cell=spec.cell)
    if (characters.boxes[:, :2] + characters.boxes[:, 2:]).max() > spec.cell:  # the renderer trusts them to be inside
        raise ValueError(f"{layers.name} has pixels outside the {spec.cell} x {spec.cell} pixels of a cell")
    return Art(characters, Backgrounds(tuple(map(str, images.attrs["names"])), images[()]), credits)
