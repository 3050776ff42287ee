"""The HDF5 file: layout, writer, reader. Axis order of its arrays: clips, frames, height, width, colour; points are (x, y).

/            attributes: format, format_version, world (JSON), seed, clips (of the whole data set), shard, pixels, compression,
             art_licence, attribution, art_sha256, versions (JSON)
/train, /val, /test
    frames, masks                      pixels; absent where only labels were asked for
    checksum                           of each clip's compressed chunks; with the pixels
    index, character, parts, ...       the fields of a Script, one row a clip
/art/layers/NAME, /art/backgrounds     the art itself, so that the file renders and verifies without anything else
"""

import io
import itertools
import json
import math
import operator
import os
import threading
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, TypeVar

import cv2
import h5py
import hdf5plugin
import numpy as np
import PIL
import zstandard
from numpy.typing import NDArray

import wsprites
from wsprites.art import Art, World
from wsprites.art.backgrounds import Backgrounds
from wsprites.art.characters import Characters
from wsprites.art.credits import Credits
from wsprites.art.sheets import CELL_PLACES
from wsprites.errors import UserError
from wsprites.fields import SpecError
from wsprites.render import Clip, render
from wsprites.world.actions import CYCLE, GlobalAction, local_actions
from wsprites.world.script import LABELS, Script, shard_clips
from wsprites.world.spec import CELL, SPLITS, WorldSpec

_Value = TypeVar("_Value")
_Renderer = Callable[[int, int, int], NDArray[Any]]  # row, first frame, stop

FORMAT, FORMAT_VERSION = "wsprites", 1
CHUNK_FRAMES = 30
_LABEL_ROWS = 64
_MOST_LABEL_BYTES = 2**26  # of a split's labels are kept for rendering: those of 36,000 clips of 90 frames
_ART_CELLS = (len(CELL_PLACES), CELL, CELL, 4)
_MOST_BACKGROUND_BYTES = 2**30

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


# Compression. Chunks are compressed outside HDF5, which would do it one at a time under its global lock.


_of_thread = threading.local()


def _zstd(chunk: NDArray[np.uint8]) -> bytes:
    if not hasattr(_of_thread, "compressor"):  # making one takes as long as compressing a chunk
        # Strategy "fast" with long matches: the frames before are in the window, and whatever moves is found again as a whole.
        parameters = zstandard.ZstdCompressionParameters(
            strategy=zstandard.STRATEGY_FAST, window_log=22, hash_log=16, min_match=7, target_length=2, chain_log=6, search_log=1
        )
        _of_thread.compressor = zstandard.ZstdCompressor(compression_params=parameters)
    compressor: zstandard.ZstdCompressor = _of_thread.compressor
    # A copy, because the result lies at the beginning of room for the worst case, which its rest keeps from being used again: with
    # threads, memory would grow by 8 kB a clip.
    return bytes(memoryview(compressor.compress(chunk.data)))


def _lz4(chunk: NDArray[np.uint8]) -> bytes:
    name = f"lz4-{threading.get_ident()}"  # HDF5 knows files in memory by their names
    with h5py.File(name, "w", driver="core", backing_store=False) as memory:
        dataset = memory.create_dataset("chunk", data=chunk, chunks=chunk.shape, **hdf5plugin.LZ4())
        return bytes(dataset.id.read_direct_chunk((0,) * chunk.ndim)[1])


@dataclass(frozen=True)
class Codec:
    """How the chunks of a file are compressed."""

    encode: Callable[[NDArray[np.uint8]], bytes]
    """Compress a chunk, (1, T, H, W[, 3]) uint8, contiguous, to what HDF5 stores."""
    options: Callable[[], dict[str, Any]]
    """Of h5py's create_dataset, so that readers know the filter."""
    tiles: int = 1
    """Chunks have 1/tiles of a frame's height and width."""


CODECS = {
    "zstd": Codec(_zstd, lambda: dict(hdf5plugin.Zstd(clevel=1))),
    # Deflate looks back 32 kB, less than a frame: only small tiles let it see the frame before.
    "gzip": Codec(lambda chunk: zlib.compress(chunk.data, 4), lambda: {"compression": "gzip", "compression_opts": 4}, tiles=4),
    "lz4": Codec(_lz4, lambda: dict(hdf5plugin.LZ4())),
    "none": Codec(lambda chunk: chunk.tobytes(), dict),
}


def chunk_shape(shape: tuple[int, ...], tiles: int) -> tuple[int, ...]:
    """The chunk of an (N, T, H, W[, 3]) array: one clip by CHUNK_FRAMES frames by a tile."""
    _, frames, height, width, *colour = shape
    return (1, min(CHUNK_FRAMES, frames), -(-height // tiles), -(-width // tiles), *colour)


def encode_window(pixels: NDArray[Any], first: int, chunk: tuple[int, ...], codec: Codec) -> list[tuple[tuple[int, ...], bytes]]:
    """Compress the frames `first` and following of a clip, (T, H, W[, 3]), no more than a chunk has.

    Returns:
        The chunks as (offset in the clip's array, bytes). Those that reach over an edge are filled up with zeros.
    """
    pixels = pixels.view(np.uint8)
    chunks = []
    for y in range(0, pixels.shape[1], chunk[2]):
        for x in range(0, pixels.shape[2], chunk[3]):
            tile = pixels[:, y : y + chunk[2], x : x + chunk[3]]
            if tile.shape != chunk[1:]:
                tile = np.pad(tile, [(0, full - part) for full, part in zip(chunk[1:], tile.shape, strict=True)])
            chunks.append(((first, y, x, *(0 for _ in chunk[4:])), codec.encode(np.ascontiguousarray(tile)[None])))
    return chunks


# Writing.


def create(h5: h5py.File, facts: dict[str, Any], spec: WorldSpec, art: Art, indices: dict[str, NDArray[np.int64]]) -> None:
    """Give an empty file everything but the rows: attributes, art, and empty arrays.

    Args:
        facts: the attributes, among them `compression` and `pixels`.
        indices: the clips' numbers for each split.
    """
    codec, pixels = CODECS[facts["compression"]], facts["pixels"].split()
    create_head(h5, facts, art)
    for split, index_n in indices.items():
        arrays = layout(spec, len(index_n))
        for name in (*pixels, *(["checksum"] if pixels else []), *LABELS):
            shape, dtype = arrays[name]
            chunks = chunk_shape(shape, codec.tiles) if name in pixels else (min(_LABEL_ROWS, len(index_n)), *shape[1:])
            plain = name == "checksum" or 0 in shape  # HDF5 has no chunks of nothing
            dataset = h5.create_dataset(f"{split}/{name}", shape, dtype, **({} if plain else {"chunks": chunks, **codec.options()}))
            describe(dataset, name, spec)


def describe(dataset: h5py.Dataset, name: str, spec: WorldSpec) -> None:
    """Say in the file what an array is."""
    dataset.attrs["description"] = DESCRIPTIONS[name]
    if name == "parts":
        dataset.attrs["layers"] = np.array(spec.cast.parts, h5py.string_dtype())


def create_head(h5: h5py.File, facts: dict[str, Any], art: Art) -> None:
    """Give an empty file its attributes and the art."""
    codec = CODECS[facts["compression"]]
    create_groups(h5, facts, ("art", "art/layers", *SPLITS))
    for number, (layer, names) in enumerate(zip(art.characters.layers, art.characters.names, strict=True)):
        dataset = h5.create_dataset(f"art/layers/{layer}", (len(names), *_ART_CELLS), "u1", chunks=(1, *_ART_CELLS), **codec.options())
        dataset.attrs["names"] = names
        for sheet in range(len(names)):
            dataset[sheet] = art.characters.cells(number, sheet)
    images = art.backgrounds.images
    h5.create_dataset("art/backgrounds", data=images, chunks=(1, *images.shape[1:]), **codec.options())
    h5["art/backgrounds"].attrs["names"] = art.backgrounds.names


def create_groups(h5: h5py.File, facts: dict[str, Any], groups: tuple[str, ...]) -> None:
    """Give an empty file its attributes and groups."""
    for group in groups:
        properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
        properties.set_obj_track_times(False)
        h5py.h5g.create(h5.id, group.encode(), gcpl=properties)
    for name, value in facts.items():
        h5.attrs[name] = np.int64(value) if isinstance(value, int) else value if isinstance(value, str) else json.dumps(value)


def empty_file(output: io.RawIOBase) -> h5py.File:
    """An empty HDF5 file, in the format of HDF5 1.10, without the times of creation that would make every file another."""
    timeless = h5py.h5p.create(h5py.h5p.FILE_CREATE)
    timeless.set_obj_track_times(False)
    access = h5py.h5p.create(h5py.h5p.FILE_ACCESS)
    access.set_libver_bounds(h5py.h5f.LIBVER_V110, h5py.h5f.LIBVER_V110)
    access.set_fileobj_driver(h5py.h5fd.fileobj_driver, output)
    return h5py.File(h5py.h5f.create(hex(id(output)).encode(), h5py.h5f.ACC_TRUNC, timeless, access))


def layout(spec: WorldSpec, clips: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """The arrays of a split: {name: (shape, dtype)}."""
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


def write_labels(group: h5py.Group, first: int, script: Script) -> None:
    """Write the labels of a script of many clips to the rows from `first` on."""
    rows = slice(first, first + len(script.index))
    for name in LABELS:
        group[name][rows] = getattr(script, name)


def versions() -> dict[str, str]:
    """Versions of what decides about the bytes of a file."""
    return {
        "wsprites": wsprites.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "hdf5plugin": hdf5plugin.version,
        "zstandard": zstandard.__version__,
    }


# Reading.


class Array:
    """A (N, ...) array in a file with the indexing of numpy. `array[...]` reads what it selects; nothing is kept."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        if _is_basic(key):
            return self._dataset[key]
        return self._dataset[()][key]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)


class Pixels(Array):
    """The frames or masks of a split, read from the file or, where it holds labels only, rendered when asked for.

    Windows of one clip, `pixels[clip, first:stop]`, are what training reads, and take a short way: threads read them side by side.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], source: "h5py.Dataset | _Renderer") -> None:
        self.shape, self.dtype = shape, dtype
        dataset = source if isinstance(source, h5py.Dataset) else None
        self._pixels, self._source = dataset, source
        self._zstd_frames = 0 if dataset is None else _zstd_frames(dataset)

    def __getitem__(self, key: Any) -> Any:
        window = (key, slice(None)) if _is_int(key) else key
        if isinstance(window, tuple) and len(window) == 2 and _is_int(window[0]) and isinstance(window[1], slice):
            first, stop, step = window[1].indices(self.shape[1])
            if step == 1 and first < stop and -len(self) <= window[0] < len(self):
                return self.read(int(window[0]) % len(self), first, stop)
        if self._pixels is not None and _is_basic(key):
            return self._pixels[key]
        clip_key, rest = _of_frames(_parts(key), len(self.shape))
        # Which clip and which frame every element of the result comes from, by numpy's own rules.
        clips = np.broadcast_to(np.arange(self.shape[0])[:, None], self.shape[:2])[clip_key]
        frames = np.broadcast_to(np.arange(self.shape[1]), self.shape[:2])[clip_key]
        picked = np.empty((clips.size, *self.shape[2:]), self.dtype)
        clip_n, frame_n = clips.reshape(-1), frames.reshape(-1)
        for clip in np.unique(clip_n):
            at = np.flatnonzero(clip_n == clip)
            first, stop = int(frame_n[at].min()), int(frame_n[at].max()) + 1
            picked[at] = self.read(int(clip), first, stop)[frame_n[at] - first]
        picked = picked.reshape(*clips.shape, *self.shape[2:])
        return picked[(slice(None),) * clips.ndim + rest] if rest else picked

    def read(self, clip: int, first: int, stop: int, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """The frames `first` to `stop - 1` of a clip, 0 <= first < stop, (T, H, W[, 3]), written to `out` if that is given."""
        if self._zstd_frames:
            window = np.empty((stop - first, *self.shape[2:]), self.dtype) if out is None else out
            if self._read_zstd(clip, first, window):
                return window
        window = self._source(clip, first, stop) if self._pixels is None else np.asarray(self._pixels[clip, first:stop])
        if out is None:
            return window
        out[:] = window
        return out

    def _read_zstd(self, clip: int, first: int, window: NDArray[Any]) -> bool:
        """Read frames as they are stored, decompressed outside HDF5 and its lock, and of each chunk no more than lies before their end.

        False where a chunk is missing or skips the filter; HDF5 knows what to make of it. Of a damaged one it may make anything, though.
        """
        assert self._pixels is not None
        stop = first + len(window)
        frame = window[0].nbytes
        if not hasattr(_of_thread, "decompressor"):
            _of_thread.decompressor = zstandard.ZstdDecompressor()
        for at in range(first - first % self._zstd_frames, stop, self._zstd_frames):
            begin, end = max(first, at), min(stop, at + self._zstd_frames)
            try:
                skipped_filters, chunk = self._pixels.id.read_direct_chunk((clip, at) + (0,) * (len(self.shape) - 2))
            except (MemoryError, OSError, RuntimeError):  # by version, where there is no such chunk
                return False
            if skipped_filters:
                return False
            with _of_thread.decompressor.stream_reader(chunk, read_size=len(chunk)) as stream:
                try:
                    stream.seek((begin - at) * frame)
                    complete = stream.readinto(window[begin - first : end - first].view(np.uint8)) == (end - begin) * frame
                except zstandard.ZstdError:
                    complete = False
            if not complete:
                raise OSError(f"{self._pixels.name}: the chunk with frame {begin} of row {clip} is damaged and cannot be read")
        return True


def _zstd_frames(dataset: h5py.Dataset) -> int:
    """Frames in each chunk of pixels, if chunks hold whole frames and are compressed by Zstd and nothing else; else 0."""
    filters = dataset.id.get_create_plist()
    if dataset.chunks is None or dataset.chunks != (1, dataset.chunks[1], *dataset.shape[2:]):
        return 0
    return dataset.chunks[1] if filters.get_nfilters() == 1 and filters.get_filter(0)[0] == hdf5plugin.Zstd.filter_id else 0


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _is_basic(key: Any) -> bool:
    """True for what h5py and numpy read alike: whole numbers, forward slices, one ellipsis."""
    return all(
        part is Ellipsis or _is_int(part) or (isinstance(part, slice) and (part.step is None or part.step > 0)) for part in _parts(key)
    )


def _is_int(part: Any) -> bool:
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


def _of_frames(key: tuple[Any, ...], ndim: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split an index of an (N, T, ...) array into that of the first two axes, and that of the others, which must be basic."""
    used = sum(map(_axes, key))
    if not any(part is Ellipsis for part in key):
        key = (*key, Ellipsis)
    at = next(i for i, part in enumerate(key) if part is Ellipsis)
    key = (*key[:at], *(slice(None),) * (ndim - used), *key[at + 1 :])
    if used > ndim or any(part is Ellipsis for part in key):
        raise IndexError(f"too many indices: the array has {ndim} axes")
    taken, split_at = 0, 0
    while taken < 2:
        taken += _axes(key[split_at])
        split_at += 1
    rest = key[split_at:]
    if taken > 2 or any(not (_is_int(part) or isinstance(part, slice)) for part in rest):
        raise IndexError("arrays can select clips and frames only; index the pixels of what is returned")
    return key[:split_at], rest


def _axes(part: Any) -> int:
    """How many axes of the array a part of an index uses up."""
    if part is None or part is Ellipsis:
        return 0
    return np.ndim(part) if np.asarray(part).dtype == bool else 1


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def _facts(h5: h5py.File) -> dict[str, Any]:
    values = {name: value.item() if isinstance(value, np.generic) else value for name, value in h5.attrs.items()}
    return {**values, **{name: json.loads(values[name]) for name in ("world", "versions")}}


def _shard(value: object) -> tuple[int, int]:
    number, shards = map(int, _text(value).split("/"))
    if not 1 <= number <= shards:
        raise ValueError
    return number, shards


class Split:
    """The clips of one split: `split["frames"]`, `split["global_action"]`, ... by the names of the file."""

    def __init__(self, data: "DataFile", group: h5py.Group) -> None:
        self._data, self._group = data, group
        self.spec = data.spec
        self._len = int(group["index"].shape[0])
        self._arrays: dict[str, Array] = {}
        row_bytes = sum(dtype.itemsize * math.prod(shape) for name, (shape, dtype) in layout(self.spec, 1).items() if name in LABELS)
        self._block = lru_cache(max(1, _MOST_LABEL_BYTES // (_LABEL_ROWS * row_bytes)))(self._read_block)

    def __len__(self) -> int:
        return self._len

    def keys(self) -> tuple[str, ...]:
        """Names of the arrays. Frames and masks are always among them."""
        return ("frames", "masks", *LABELS)

    def __getitem__(self, name: str) -> Array:
        if not self._group:
            raise ValueError(f"{self._data.path}: the file is closed")
        if name not in self.keys():
            raise KeyError(f"there is no array {name!r}; there are {', '.join(self.keys())}")
        if name not in self._arrays:  # looking it up in the file takes as long as reading a few frames
            self._arrays[name] = self._pixels(name) if name in ("frames", "masks") else Array(self._group[name])
        return self._arrays[name]

    def _pixels(self, name: str) -> Pixels:
        field = "frames_thwc" if name == "frames" else "masks_thw"
        source = self._group[name] if name in self._group else lambda *window: getattr(self.render(*window), field)
        return Pixels(*layout(self.spec, len(self))[name], source)

    @cached_property
    def stored(self) -> tuple[str, ...]:
        """Which of "frames" and "masks" the file itself holds; the others are rendered."""
        return tuple(name for name in ("frames", "masks") if name in self._group)

    def chunks(self, row: int) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
        """The chunks of a clip as they are stored: the array's name, the offset in the clip, the bytes."""
        for name, dataset, offsets in self._chunked:
            for offset in offsets:
                yield name, offset, bytes(dataset.read_direct_chunk((row, *offset))[1])

    @cached_property
    def _chunked(self) -> list[tuple[str, Any, list[tuple[int, ...]]]]:
        """Of each array of pixels its name, itself, and where in a clip its chunks are. Opening one takes longer than reading a clip."""
        chunked = []
        for name in self.stored:
            array = self._group[name]
            steps = (range(0, size, step) for size, step in zip(array.shape[1:], array.chunks[1:], strict=True))
            chunked.append((name, array.id, list(itertools.product(*steps))))
        return chunked

    def script(self, row: int, first: int = 0, stop: int | None = None) -> Script:
        """The labels of a clip, by its row in this split, or of its frames `first` to `stop - 1`.

        Raises UserError if they are not possible in this world.
        """
        row = range(len(self))[row]
        script_n, bad = self._block(row // _LABEL_ROWS)
        if row % _LABEL_ROWS in bad:
            raise self._impossible(bad[row % _LABEL_ROWS])
        return script_n[row % _LABEL_ROWS, first:stop]

    def blocks(self) -> Iterator[Script]:
        """All labels of the split in order, some clips at a time. Raises UserError if they are not possible in this world."""
        for first in range(0, len(self), _LABEL_ROWS):
            script_n, bad = self._read_block(first // _LABEL_ROWS)
            for what in bad.values():
                raise self._impossible(what)
            yield script_n

    def _impossible(self, what: str) -> UserError:
        return UserError(f"{self._data.path}: damaged: {self._group.name}/{what}; generate it again or get another copy")

    def _read_block(self, number: int) -> tuple[Script, dict[int, str]]:
        """The labels that lie in a chunk together, which take as long to read as those of one clip; and what is impossible, by row."""
        first = number * _LABEL_ROWS
        script_n = Script(**{name: np.asarray(self._group[name][first : first + _LABEL_ROWS]) for name in LABELS})
        limits = {
            "character": self.spec.cast.characters - 1,
            "background": self.spec.cast.backgrounds - 1,
            "global_action": len(GlobalAction) - 1,
            "local_action": len(local_actions(self.spec.facings)) - 1,
            "background_action": len(GlobalAction) - 1,
            "animation_frame": CYCLE - 1,
            "position": (self.spec.width - CELL, self.spec.height - CELL),
            "background_offset": (self.spec.background.limit, self.spec.background.limit),
        }
        bad = {}
        for name, limit in limits.items():
            values = getattr(script_n, name)
            for row in np.unique(np.nonzero((values < 0) | (values > limit))[0]).tolist():
                bad[row] = f"{name} of row {first + row} is outside 0 to {limit}"
        return script_n, bad

    def render(self, row: int, first: int = 0, stop: int | None = None) -> Clip:
        """The frames `first` to `stop - 1` of a clip, rendered from its labels and the art in the file."""
        script = self.script(row, first, stop)
        return render(self._data.world, script)


def open_h5(path: Path) -> h5py.File:
    """Open an HDF5 file of wsprites for reading. Raises UserError if it is none, or comes from a newer version."""
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a file' if path.is_dir() else 'no such file'}")
    try:
        h5 = h5py.File(path, "r")
    except OSError as error:
        what = "truncated: " if "truncated" in str(error) else ""
        raise UserError(f"{path}: {what}not a complete HDF5 file; generate or copy it again") from None
    try:
        if not np.array_equal(h5.attrs.get("format"), FORMAT):
            raise UserError(f"{path}: an HDF5 file, but not one of wsprites; its attribute 'format' is not '{FORMAT}'")
        try:
            version = operator.index(h5.attrs["format_version"])
        except (AttributeError, KeyError, TypeError, ValueError):
            what = "the attribute 'format_version' is missing or not what it should be"
            raise UserError(f"{path}: damaged: {what}; generate it again or get another copy") from None
        if version > FORMAT_VERSION:
            raise UserError(f"{path}: format {version}, newer than this wsprites reads ({FORMAT_VERSION}); pip install -U wsprites")
    except UserError:
        h5.close()
        raise
    return h5


def item_of(group: h5py.Group, name: str, kind: type) -> Any:
    """What lies in a group. Raises ValueError if it is not of that kind, or leads out of the file."""
    if not isinstance(group.get(name, getlink=True), h5py.HardLink):
        raise ValueError(f"{group.name.rstrip('/')}/{name} is missing or a link")
    item = group[name]
    if not isinstance(item, kind) or (isinstance(item, h5py.Dataset) and item.external):
        raise ValueError(f"{item.name} is not a {kind.__name__.lower()} of this file")
    return item


class DataFile:
    """An open data file. A context manager; `data["train"]` is a Split.

    Raises:
        UserError: the file does not exist, is not a wsprites file, comes from a newer version, or is damaged.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self.h5 = open_h5(self.path)
        self._art: Art | None = None
        self._world: World | None = None
        self._lock = threading.Lock()
        try:
            self._check()
        except UserError:
            self.h5.close()
            raise

    def _check(self) -> None:
        if "source" in self.h5.attrs:
            raise UserError(f"{self.path}: holds videos without a world; this wants a data set made by wsprites generate")
        try:
            self.spec = WorldSpec.from_json(self._attribute("world", _text))
            self.seed, self.clips = self._attribute("seed", operator.index), self._attribute("clips", operator.index)
            self.credits = Credits(self._attribute("art_licence", _text), self._attribute("attribution", _text))
            self.art_sha256 = self._attribute("art_sha256", _text)
            self.versions = self._attribute("versions", lambda text: {str(k): str(v) for k, v in json.loads(text).items()})
            self.compression, self.shard = self._attribute("compression", _text), self._attribute("shard", _shard)
            self.splits = {name: Split(self, self._group(name)) for name in SPLITS}
            self.shards = self._shards()
            rows = sum(map(len, self.splits.values()))
            if not 0 <= self.seed < 2**63 or self.clips < 1 or rows != len(self.indices):
                raise ValueError(f"seed {self.seed}, {self.clips} clips, shard {self.shard}, {rows} rows")
        except (SpecError, AttributeError, KeyError, OSError, OverflowError, RecursionError, RuntimeError, TypeError) as error:
            raise self._damaged(error) from None
        except UserError:
            raise
        except ValueError as error:
            raise self._damaged(error) from None

    def _attribute(self, name: str, parse: Callable[[Any], _Value]) -> _Value:
        try:
            return parse(self.h5.attrs[name])
        except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
            raise ValueError(f"the attribute '{name}' is missing or not what it should be") from None

    def _damaged(self, error: Exception) -> UserError:
        return UserError(f"{self.path}: damaged: {error}; generate it again or get another copy")

    def _group(self, name: str) -> h5py.Group:
        """A split's group, with arrays of the right shapes and types in it, all of them in this very file."""
        group = item_of(self.h5, name, h5py.Group)
        clips = item_of(group, "index", h5py.Dataset).shape[0]
        for key, (shape, dtype) in layout(self.spec, clips).items():
            if key not in group and (key in ("frames", "masks") or (key == "checksum" and "frames" not in group)):
                continue
            dataset = item_of(group, key, h5py.Dataset)
            if dataset.shape != shape or dataset.dtype != dtype:
                raise ValueError(f"/{name}/{key} is {dataset.dtype} {dataset.shape}, not {dtype} {shape}")
        return group

    @property
    def facts(self) -> dict[str, Any]:
        """What decided about the bytes of the file, as `create` was told."""
        return _facts(self.h5)

    @property
    def indices(self) -> range:
        """The numbers of the clips in the file: those of the whole data set, or of a shard of it."""
        return shard_clips(self.clips, self.shard)

    def _shards(self) -> tuple[Path, ...]:
        """The files that a virtual data set reads from, which HDF5 does not look at: where one is missing, it reads zeros."""
        arrays = [self.h5[split][name] for split in SPLITS for name in DESCRIPTIONS if name in self.h5[split]]
        virtual = [(array.name, array.virtual_sources()) for array in arrays if array.is_virtual]
        sources = {(source.file_name.replace("%%", "%"), f"/{source.dset_name}", name) for name, every in virtual for source in every}
        del virtual  # closing a file takes as long as there are objects of HDF5
        paths = sorted({self.path.parent / file for file, *_ in sources})
        found, own = set(), {**self.facts, "shard": ""}
        for path in paths:
            try:
                with h5py.File(path, "r") as h5:
                    facts, plain = _facts(h5), not any(h5[split]["index"].is_virtual for split in SPLITS)
            except (OSError, KeyError, TypeError, ValueError):
                raise UserError(f"{self.path}: its shard {path} is missing or damaged; put it back where it was") from None
            if not plain or {**facts, "shard": ""} != own:
                raise UserError(f"{self.path}: {path} is not the shard that it was; put that back")
            found.add(_shard(facts["shard"]))
        complete = found == {(number + 1, len(paths)) for number in range(len(paths))}
        if not complete or any(there != here for _, there, here in sources):
            raise ValueError("its arrays are not those of all its shards")
        return tuple(paths)

    @property
    def art(self) -> Art:
        """The art that is in the file. Raises UserError if it is damaged."""
        with self._lock:
            if self._art is None:
                try:
                    self._art = self._load_art()
                except (AttributeError, KeyError, TypeError, ValueError, OSError) as error:
                    raise self._damaged(error) from None
            return self._art

    @property
    def world(self) -> World:
        """The world of the file with its art. Raises UserError if the art is damaged."""
        art = self.art
        if self._world is None:
            self._world = World(self.spec, art)
        return self._world

    def _load_art(self) -> Art:
        group = item_of(self.h5, "art", h5py.Group)
        layers = item_of(group, "layers", h5py.Group)
        cast = self.spec.cast
        names = []
        for layer, count in zip(cast.layers, cast.counts, strict=True):
            sheets = item_of(layers, layer, h5py.Dataset)
            if sheets.shape != (count, *_ART_CELLS) or sheets.dtype != np.uint8:
                raise ValueError(f"{sheets.name} is {sheets.dtype} {sheets.shape}")
            names.append(tuple(map(str, sheets.attrs["names"])))
        images = item_of(group, "backgrounds", h5py.Dataset)
        if images.shape != (cast.backgrounds, *self.spec.background_size, 3) or images.dtype != np.uint8:
            raise ValueError(f"{images.name} is {images.dtype} {images.shape}")
        if images.nbytes > _MOST_BACKGROUND_BYTES:
            raise ValueError(f"{images.name} has {images.nbytes} bytes, more than 1 GiB")
        cells: Iterator[Any] = (
            (layers[layer][sheet] for sheet in range(count)) for layer, count in zip(cast.layers, cast.counts, strict=True)
        )
        characters = Characters.from_cells(cast.layers, names, cells)
        return Art(characters, Backgrounds(tuple(map(str, images.attrs["names"])), images[()]), self.credits)

    def __getitem__(self, split: str) -> Split:
        if split not in self.splits:
            raise KeyError(f"there is no split {split!r}; there are {', '.join(SPLITS)}")
        return self.splits[split]

    def find(self, index: int) -> tuple[str, int]:
        """The split and row of the clip with a number in the whole data set. Raises UserError if there is none."""
        for name, split in self.splits.items():
            row = np.flatnonzero(split["index"][...] == index)
            if len(row):
                return name, int(row[0])
        raise UserError(f"{self.path}: there is no clip {index}; the file has clips {self.indices[0]} to {self.indices[-1]}")

    def __reduce__(self) -> tuple[type["DataFile"], tuple[Path]]:
        return DataFile, (self.path.absolute(),)  # a copy in another process opens the file for itself

    def close(self) -> None:
        """Close the HDF5 file."""
        self.h5.close()

    def __enter__(self) -> "DataFile":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
