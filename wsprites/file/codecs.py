"""Compression of the chunks of a file.

Chunks are compressed outside HDF5, which would compress one at a time under its global lock.
"""

import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import h5py
import hdf5plugin
import numpy as np
import zstandard
from numpy.typing import NDArray

CHUNK_FRAMES = 30
"""Frames per chunk."""

_thread = threading.local()


def _zstd(chunk: NDArray[np.uint8]) -> bytes:
    if not hasattr(_thread, "compressor"):  # making one takes as long as compressing a chunk
        # Strategy "fast" with long matches: the previous frames are in the window, and whatever moves is found again as a whole.
        parameters = zstandard.ZstdCompressionParameters(
            strategy=zstandard.STRATEGY_FAST, window_log=22, hash_log=16, min_match=7, target_length=2, chain_log=6, search_log=1
        )
        _thread.compressor = zstandard.ZstdCompressor(compression_params=parameters)
    compressor: zstandard.ZstdCompressor = _thread.compressor
    # A copy, because the result lies at the start of a buffer for the worst case, the rest of which could not be reused: with
    # threads, memory would grow by 8 kB per clip.
    return bytes(memoryview(compressor.compress(chunk.data)))


def _lz4(chunk: NDArray[np.uint8]) -> bytes:
    name = f"lz4-{threading.get_ident()}"  # HDF5 identifies files in memory by their names
    with h5py.File(name, "w", driver="core", backing_store=False) as memory:
        dataset = memory.create_dataset("chunk", data=chunk, chunks=chunk.shape, **hdf5plugin.LZ4())
        return bytes(dataset.id.read_direct_chunk((0,) * chunk.ndim)[1])


@dataclass(frozen=True)
class Codec:
    """A way to compress the chunks of a file."""

    encode: Callable[[NDArray[np.uint8]], bytes]
    """Function that compresses a chunk, (1, T, H, W[, 3]) uint8, contiguous, to the bytes that HDF5 stores."""
    options: Callable[[], dict[str, Any]]
    """Function that returns the arguments of h5py's `create_dataset` that name the filter."""
    tiles: int = 1
    """Number of chunks along each of a frame's two axes."""


CODECS = {
    "zstd": Codec(_zstd, lambda: dict(hdf5plugin.Zstd(clevel=1))),
    # Deflate looks back 32 kB, less than a frame: only small tiles let it see the previous frame.
    "gzip": Codec(lambda chunk: zlib.compress(chunk.data, 4), lambda: {"compression": "gzip", "compression_opts": 4}, tiles=4),
    "lz4": Codec(_lz4, lambda: dict(hdf5plugin.LZ4())),
    "none": Codec(lambda chunk: chunk.tobytes(), dict),
}
"""Codecs by name."""


def chunk_shape(shape: tuple[int, ...], tiles: int) -> tuple[int, ...]:
    """The chunk shape of an (N, T, H, W[, 3]) array: one clip by CHUNK_FRAMES frames by one of `tiles` x `tiles` tiles.

    Example:
        >>> chunk_shape((500, 90, 96, 128, 3), tiles=4)
        (1, 30, 24, 32, 3)
    """
    _, frames, height, width, *colour = shape
    return (1, min(CHUNK_FRAMES, frames), -(-height // tiles), -(-width // tiles), *colour)


def encode_window(pixels: NDArray[Any], first: int, chunk: tuple[int, ...], codec: Codec) -> list[tuple[tuple[int, ...], bytes]]:
    """Compress consecutive frames of a clip.

    Args:
        pixels: (T, H, W[, 3]) uint8 or bool, at most as many frames as a chunk has.
        first: number of the first frame in the clip.
        chunk: shape of a chunk, as `chunk_shape` returns it.
        codec: the compression.

    Returns:
        The chunks as (offset in the clip's array, bytes). Those that extend beyond an edge are padded with zeros.
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
