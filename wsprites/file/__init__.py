"""Data files: HDF5 with frames, masks, labels and the art they were made from."""

from wsprites.file.codecs import CHUNK_FRAMES, CODECS, chunk_shape, encode_window
from wsprites.file.facts import FORMAT, FORMAT_VERSION, RECORDED_VERSION, Driver, Facts, differences, versions
from wsprites.file.h5 import empty_file, open_h5
from wsprites.file.layout import DESCRIPTIONS, create, layout
from wsprites.file.pixels import Pixels
from wsprites.file.reader import DataFile, Split
from wsprites.file.videos import VideoFile

__all__ = [
    "CHUNK_FRAMES",
    "CODECS",
    "DESCRIPTIONS",
    "FORMAT",
    "FORMAT_VERSION",
    "RECORDED_VERSION",
    "DataFile",
    "Driver",
    "Facts",
    "Pixels",
    "Split",
    "VideoFile",
    "chunk_shape",
    "create",
    "differences",
    "empty_file",
    "encode_window",
    "layout",
    "open_h5",
    "versions",
]
