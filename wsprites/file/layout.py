"""The arrays of a data file: their names, shapes, types and descriptions, and an empty file that has them.

/            attributes: format, format_version, world (JSON), seed, clips (of the whole data set), shard, pixels, compression,
             art_licence, attribution, art_sha256, versions (JSON)
/train, /val, /test
    frames, masks                      pixels; absent where only labels were asked for
    checksum                           of each clip's compressed chunks; with the pixels
    index, character, parts, ...       the fields of a Script, one row per clip
/art/layers/NAME, /art/backgrounds     the art itself, so that the file renders and verifies without anything else

Files of recorded episodes have format version 2, the attributes policy, driver and date, and the group /episodes (`file.episodes`).

Axis order: clips, frames, height, width, colour; points are (x, y).
"""

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from wsprites.art import Art
from wsprites.file.art import write_art
from wsprites.file.codecs import CODECS, chunk_shape
from wsprites.file.facts import Facts
from wsprites.file.h5 import create_groups
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import LABELS, Script
from wsprites.world.spec import SPLITS, WorldSpec

LABEL_ROWS = 64
"""Rows per chunk of labels."""

# These texts are stored in files: changing one changes the bytes of every file.
DESCRIPTIONS = {
    "frames": "RGB frames",
    "masks": "True where the sprite's alpha is 128 or more",
    "checksum": "XXH3-64 of the clip's chunks as they are stored, those of the frames first, in the order of their offsets",
    "index": "number of the clip in the whole data set: with world and seed it determines the clip",
    "character": "number of the character",
    "parts": "number of the character's sheet in each layer where characters differ; the attribute 'layers' names the columns",
    "background": "number of the background image",
    "global_action": "the sprite's step from frame t-1 to frame t",
    "local_action": "the animation shown at frame t",
    "background_action": "the step of the background's crop from frame t-1 to frame t; the scene moves the other way",
    "animation_frame": "frame of the animation's cycle, 0 to 7",
    "position": "(x, y) in pixels of the top-left corner of the sprite's 64 x 64 cell",
    "shift": "(dx, dy) in pixels of the sprite on the screen, from frame t-1 to frame t",
    "background_offset": "(x, y) in pixels of the crop in the background image",
    "background_shift": "(dx, dy) in pixels of the scene on the screen, from frame t-1 to frame t",
}
"""What each array of a split holds, by name."""


RECORDED_INDEX = "number of the clip: the episodes of /episodes are cut into clips one after the other"
"""What the array `index` holds in a file of recorded episodes."""


def layout(spec: WorldSpec, clips: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """The arrays of a split of `clips` clips: {name: (shape, dtype)}.

    Example:
        >>> layout(WorldSpec(), 500)["shift"]
        ((500, 90, 2), dtype('int16'))
    """
    frame = (clips, spec.frames, spec.height, spec.width)
    steps = (clips, spec.frames)
    directions = _enum(list(GlobalAction))
    return {
        "frames": ((*frame, 3), np.dtype("u1")),
        "masks": (frame, np.dtype(bool)),
        "checksum": ((clips,), np.dtype("u8")),
        "index": ((clips,), np.dtype("i8")),
        "character": ((clips,), np.dtype("i4")),
        "parts": ((clips, len(spec.cast.parts)), np.dtype("i4")),
        "background": ((clips,), np.dtype("i4")),
        "global_action": (steps, directions),
        "local_action": (steps, _enum(list(local_actions(spec.facings)))),
        "background_action": (steps, directions),
        "animation_frame": (steps, np.dtype("u1")),
        "position": ((*steps, 2), np.dtype("i2")),
        "shift": ((*steps, 2), np.dtype("i2")),
        "background_offset": ((*steps, 2), np.dtype("i2")),
        "background_shift": ((*steps, 2), np.dtype("i2")),
    }


def _enum(members: list[Any]) -> np.dtype[Any]:
    dtype: np.dtype[Any] = h5py.enum_dtype({member.name: int(member) for member in members}, basetype="u1")
    return dtype


def create(h5: h5py.File, facts: Facts, art: Art, indices: dict[str, NDArray[np.int64]]) -> None:
    """Add everything but the rows to an empty file: attributes, art, and empty arrays.

    Args:
        h5: the file, as `empty_file` returns it.
        facts: what is stored as attributes.
        art: the art of the world.
        indices: (N,) indices of the clips of each split.
    """
    codec = CODECS[facts.compression]
    create_head(h5, facts, art)
    for split, index_n in indices.items():
        arrays = layout(facts.world, len(index_n))
        for name in stored_arrays(facts):
            shape, dtype = arrays[name]
            chunks = chunk_shape(shape, codec.tiles) if name in facts.pixels else (min(LABEL_ROWS, len(index_n)), *shape[1:])
            plain = name == "checksum" or 0 in shape  # HDF5 has no empty chunks
            dataset = h5.create_dataset(f"{split}/{name}", shape, dtype, **({} if plain else {"chunks": chunks, **codec.options()}))
            describe(dataset, name, facts.world)
            if name == "index" and facts.driver:
                dataset.attrs["description"] = RECORDED_INDEX


def stored_arrays(facts: Facts) -> tuple[str, ...]:
    """Names of the arrays that a split of the file has, in the order in which they are written."""
    return (*facts.pixels, *(["checksum"] if facts.pixels else []), *LABELS)


def describe(dataset: h5py.Dataset, name: str, spec: WorldSpec) -> None:
    """Store what an array holds as its attributes."""
    dataset.attrs["description"] = DESCRIPTIONS[name].replace("64 x 64", f"{spec.cell} x {spec.cell}")
    if name == "parts":
        dataset.attrs["layers"] = np.array(spec.cast.parts, h5py.string_dtype())


def create_head(h5: h5py.File, facts: Facts, art: Art) -> None:
    """Add attributes, groups and art to an empty file."""
    create_groups(h5, facts.attributes(), ("art", "art/layers", *SPLITS))
    write_art(h5, art, CODECS[facts.compression])


def write_labels(group: h5py.Group, first: int, script: Script) -> None:
    """Write the labels of N clips to the rows from `first` on.

    Args:
        group: the group of the split.
        first: the first row.
        script: a script of N clips.
    """
    rows = slice(first, first + len(script.index))
    for name in LABELS:
        group[name][rows] = getattr(script, name)
