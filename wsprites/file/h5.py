"""HDF5 files: created without times, so that equal content gives equal bytes; opened and read without trusting them."""

import errno
import io
import math
import operator
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from wsprites.errors import UserError
from wsprites.file.facts import FORMAT, RECORDED_VERSION, Attributes

_BLOCK = 2**16  # clips whose indices are looked at together


def empty_file(output: io.RawIOBase | io.BytesIO) -> h5py.File:
    """An empty HDF5 file in the format of HDF5 1.10, without the creation times that would make every file different.

    Args:
        output: what HDF5 writes its bytes to.
    """
    timeless = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    timeless.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, output)
    return h5py.File(h5py.h5f.create(hex(id(output)).encode(), h5py.h5f.ACC_TRUNC, timeless, access))


def create_groups(h5: h5py.File, attributes: Attributes, groups: tuple[str, ...]) -> None:
    """Add groups and attributes to an empty file."""
    for group in groups:
        properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        properties.set_obj_track_times(False)
        h5py.h5g.create(h5.id, group.encode(), gcpl=properties)
    for name, value in attributes.items():
        h5.attrs[name] = np.int64(value) if isinstance(value, int) else value


def open_h5(path: Path) -> h5py.File:
    """Open a file of wsprites for reading.

    Raises:
        UserError: the file cannot be opened, is not a wsprites file, or comes from a newer version.
    """
    h5 = open_read_only(path)
    try:
        if not np.array_equal(h5.attrs.get("format"), FORMAT):
            raise UserError(f"{path}: an HDF5 file, but not one of wsprites; its attribute 'format' is not '{FORMAT}'")
        try:
            version = operator.index(h5.attrs["format_version"])
        except (AttributeError, KeyError, TypeError, ValueError):
            problem = "the attribute 'format_version' is missing or its value is not possible"
            raise damaged(path, problem, imported="source" in h5.attrs) from None
        if version > RECORDED_VERSION:
            raise UserError(f"{path}: format {version}, newer than this wsprites reads ({RECORDED_VERSION}); update wsprites")
    except UserError:
        h5.close()
        raise
    return h5


def open_read_only(path: Path) -> h5py.File:
    """Open any HDF5 file for reading. The one place that says why a file cannot be opened.

    Raises:
        UserError: there is no such file, it is no complete HDF5 file, or the system does not let it be read or locked.
    """
    try:
        if not path.is_file():
            kinds = {"a folder": path.is_dir(), "a device or a pipe": path.exists(), "a link that leads nowhere": path.is_symlink()}
            kind = next((kind for kind, true in kinds.items() if true), "")
            raise UserError(f"{path}: {f'{kind}, not a file; name an HDF5 file' if kind else 'no such file'}")
        return h5py.File(path, "r")
    except OSError as error:
        text, anyway = str(error), "set the environment variable HDF5_USE_FILE_LOCKING=FALSE to read it all the same"
        if "unable to lock file" in text and error.errno in (errno.EAGAIN, errno.EACCES):
            problem = f"another program has it open for writing; close it there, or {anyway}, perhaps with parts that are half-written"
        elif "unable to lock file" in text:
            problem = f"cannot be locked: {os.strerror(error.errno or 0)}; if its file system has no locks, {anyway}"
        elif error.errno:
            problem = f"{os.strerror(error.errno)}; check the path and its permissions"
        else:
            problem = f"{'truncated: ' * ('truncated' in text)}not a complete HDF5 file; generate, import or copy it again"
        raise UserError(f"{path}: {problem}") from None


def damaged(path: Path, problem: object, *, imported: bool = False) -> UserError:
    """The error that says that a generated or imported file is damaged, and what to do."""
    return UserError(f"{path}: damaged: {problem}; {'import' if imported else 'generate'} it again or get another copy")


def attributes_of(h5: h5py.File) -> dict[str, object]:
    """The attributes of a file, as plain Python values where they are single numbers."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in h5.attrs.items()}


def local_item(group: h5py.Group, name: str, kind: type) -> Any:
    """A group or data set inside a group.

    Raises:
        ValueError: there is none of this name and kind, or it is a link or stored outside the file.
    """
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{group.name.rstrip('/')}/{name} is missing or a link")
    item = group[name]
    if not isinstance(item, kind) or (isinstance(item, h5py.Dataset) and item.external):
        raise ValueError(f"{item.name} is not a {kind.__name__.lower()} of this file")
    return item


def own_dataset(group: h5py.Group, name: str) -> h5py.Dataset:
    """A data set inside a group. Raises ValueError as `local_item` does, and for a virtual one, which reads other files."""
    dataset = local_item(group, name, h5py.Dataset)
    if dataset.is_virtual:
        raise ValueError(f"{dataset.name} is stored outside the file")
    return dataset


def missing_chunks(dataset: h5py.Dataset) -> tuple[int, int]:
    """How many chunks of an array the file lacks, which HDF5 reads as zeros without any error, and how many there should be."""
    if not dataset.chunks or not dataset.size:
        return 0, 0
    expected = math.prod(-(-axis // chunk) for axis, chunk in zip(dataset.shape, dataset.chunks, strict=True))
    return expected - int(dataset.id.get_num_chunks()), expected


def check_stored(dataset: h5py.Dataset) -> None:
    """Raise ValueError if the file holds less of an array than it says, before memory is taken for it."""
    contiguous = not dataset.chunks and not dataset.is_virtual
    if missing_chunks(dataset)[0] or (contiguous and dataset.id.get_storage_size() < dataset.size * dataset.id.get_type().get_size()):
        raise ValueError(f"{dataset.name} has fewer than its {dataset.shape[0]:,} entries")


def find_clip(path: Path, index_of: Mapping[str, h5py.Dataset], index: int) -> tuple[str, int]:
    """The split and row of the clip with an index in the whole data set.

    Args:
        path: the file, for the message.
        index_of: the array of the (N,) indices of the clips of each split, by its name.
        index: the index that is looked for.

    Raises:
        UserError: there is no such clip, or an array of indices is damaged.
    """
    ends: list[int] = []
    for name, dataset in index_of.items():
        try:
            check_stored(dataset)
        except ValueError as error:
            raise damaged(path, error, imported="source" in dataset.file.attrs) from None
        for first in range(0, dataset.shape[0], _BLOCK):
            index_n = dataset[first : first + _BLOCK]
            if len(row := np.flatnonzero(index_n == index)):
                return name, first + int(row[0])
            ends += [int(index_n.min()), int(index_n.max())]
    what = f"the file has clips {min(ends)} to {max(ends)}" if ends else "the file is empty"
    raise UserError(f"{path}: there is no clip {index}; {what}")
