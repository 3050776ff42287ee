"""Arrays of a file with the indexing of numpy: labels as they are stored, frames and masks stored or rendered."""

import threading
from collections.abc import Callable
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zstandard
from numpy.typing import NDArray

Renderer = Callable[[int, int, int], NDArray[Any]]
"""Function (row, first frame, stop) -> (T, H, W[, 3]) that renders a window of a clip."""

_thread = threading.local()


class Array:
    """A (N, ...) array in a file with the indexing of numpy. `array[...]` reads what it selects; nothing is cached."""

    def __init__(self, dataset: h5py.Dataset) -> None:
        self._dataset = dataset
        self.shape: tuple[int, ...] = dataset.shape
        self.dtype: np.dtype[Any] = dataset.dtype

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Any:
        _check_axes(key, len(self.shape))
        if _is_basic(key):
            return self._dataset[key]
        return self._dataset[()][key]

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {' x '.join(map(str, self.shape))} {self.dtype}>"

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> NDArray[Any]:
        return np.asarray(self[...], dtype)


class Pixels(Array):
    """The frames or masks of a split, (N, T, H, W[, 3]), read from the file or, where it holds labels only, rendered on access.

    Windows of one clip, `pixels[clip, first:stop]`, are what training reads: they take a fast path, and threads read them in parallel.
    """

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any], source: "h5py.Dataset | Renderer") -> None:
        self.shape, self.dtype = shape, dtype
        dataset = source if isinstance(source, h5py.Dataset) else None
        self._pixels, self._source = dataset, source
        self._zstd_frames = 0 if dataset is None else _zstd_frames(dataset)

    def __getitem__(self, key: Any) -> Any:
        # The fast path: a window of one clip.
        window = (key, slice(None)) if _is_int(key) else key
        if isinstance(window, tuple) and len(window) == 2 and _is_int(window[0]) and isinstance(window[1], slice):
            first, stop, step = window[1].indices(self.shape[1])
            if step == 1 and first < stop and -len(self) <= window[0] < len(self):
                return self.read(int(window[0]) % len(self), first, stop)
        _check_axes(key, len(self.shape))
        if self._pixels is not None and _is_basic(key):
            return self._pixels[key]
        # Which clip and which frame every element of the result comes from, by numpy's own rules; the other axes that remain have length 1.
        clip_key, rest = _split_key(_parts(key), len(self.shape))
        grid = *self.shape[:2], *(1 for _ in self.shape[2:])
        at_first = tuple(0 if _is_int(part) else part if part is Ellipsis else slice(None) for part in rest)
        clips, frames = (np.broadcast_to(axis, grid)[(*clip_key, *at_first)] for axis in np.ogrid[tuple(map(slice, grid))][:2])
        # Read a window of every selected clip, and pick the frames from it.
        picked = np.empty((clips.size, *self.shape[2:]), self.dtype)
        clip_n, frame_n = clips.reshape(-1), frames.reshape(-1)
        for clip in np.unique(clip_n):
            at = np.flatnonzero(clip_n == clip)
            first, stop = int(frame_n[at].min()), int(frame_n[at].max()) + 1
            picked[at] = self.read(int(clip), first, stop)[frame_n[at] - first]
        picked = picked[(slice(None), *rest)]
        return picked.reshape((*clips.shape[: clips.ndim - (picked.ndim - 1)], *picked.shape[1:]))[()]

    def read(self, clip: int, first: int, stop: int, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
        """Read the frames `first` to `stop - 1` of a clip.

        Args:
            clip: row of the clip, 0 to N - 1.
            first, stop: 0 <= first < stop <= T.
            out: (stop - first, H, W[, 3]) uint8 or bool memory to write to and return.

        Raises:
            OSError: the chunk that holds them is damaged.
        """
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
        """Read stored frames, decompressed outside HDF5 and its lock; of each chunk no more is decompressed than is needed.

        Returns False where a chunk is missing or skips the filter, cases that HDF5 handles. What HDF5 itself returns for a damaged
        chunk is undefined.
        """
        assert self._pixels is not None
        stop = first + len(window)
        frame_bytes = window[0].nbytes
        if not hasattr(_thread, "decompressor"):
            _thread.decompressor = zstandard.ZstdDecompressor()
        for at in range(first - first % self._zstd_frames, stop, self._zstd_frames):
            begin, end = max(first, at), min(stop, at + self._zstd_frames)
            try:
                skipped_filters, chunk = self._pixels.id.read_direct_chunk((clip, at) + (0,) * (len(self.shape) - 2))
            except (MemoryError, OSError, RuntimeError):  # there is no such chunk; which error depends on the version
                return False
            if skipped_filters:
                return False
            with _thread.decompressor.stream_reader(chunk, read_size=len(chunk)) as stream:
                try:
                    stream.seek((begin - at) * frame_bytes)
                    complete = stream.readinto(window[begin - first : end - first].view(np.uint8)) == (end - begin) * frame_bytes
                except zstandard.ZstdError:
                    complete = False
            if not complete:
                raise OSError(f"{self._pixels.name}: the chunk with frame {begin} of row {clip} is damaged and cannot be read")
        return True


def _zstd_frames(dataset: h5py.Dataset) -> int:
    """Frames per chunk, if chunks hold whole frames of one clip and Zstd is their only filter; else 0."""
    filters = dataset.id.get_create_plist()
    if dataset.chunks is None or dataset.chunks != (1, dataset.chunks[1], *dataset.shape[2:]):
        return 0
    return dataset.chunks[1] if filters.get_nfilters() == 1 and filters.get_filter(0)[0] == hdf5plugin.Zstd.filter_id else 0


def _parts(key: Any) -> tuple[Any, ...]:
    return key if isinstance(key, tuple) else (key,)


def _is_basic(key: Any) -> bool:
    """True for keys that h5py and numpy interpret alike: integers, forward slices, one ellipsis."""
    return all(
        part is Ellipsis or _is_int(part) or (isinstance(part, slice) and (part.step is None or part.step > 0)) for part in _parts(key)
    )


def _is_int(part: Any) -> bool:
    return isinstance(part, int | np.integer) and not isinstance(part, bool)


def _split_key(key: tuple[Any, ...], ndim: int) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Split an index of an (N, T, ...) array into that of the first two axes and that of the others, which must be basic."""
    # Replace the ellipsis by slices. One that stands for no axes stays: for numpy it lies between arrays all the same.
    if not any(part is Ellipsis for part in key):
        key = (*key, Ellipsis)
    at = next(i for i, part in enumerate(key) if part is Ellipsis)
    key = (*key[:at], *((slice(None),) * (ndim - sum(map(_axes, key))) or (Ellipsis,)), *key[at + 1 :])
    # Find the end of the first two axes.
    taken, split_at = 0, 0
    while taken < 2:
        taken += _axes(key[split_at])
        split_at += 1
    rest = key[split_at:]
    if taken > 2 or any(not (_is_int(part) or isinstance(part, slice) or part is Ellipsis) for part in rest):
        raise IndexError("arrays can select clips and frames only; index the pixels of what is returned")
    return key[:split_at], rest


def _check_axes(key: Any, ndim: int) -> None:
    """Raise IndexError, as numpy does, for an index of too many axes, or with two ellipses."""
    parts = _parts(key)
    if sum(map(_axes, parts)) > ndim:
        raise IndexError(f"too many indices: the array has {ndim} axes")
    if sum(part is Ellipsis for part in parts) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")


def _axes(part: Any) -> int:
    """Number of axes of the array that a part of an index consumes."""
    if part is None or part is Ellipsis:
        return 0
    return np.ndim(part) if np.asarray(part).dtype == bool else 1
