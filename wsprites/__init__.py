"""W-Sprites: a synthetic video world in which every action is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from wsprites.version import __version__

if TYPE_CHECKING:
    from wsprites.file import DataFile, VideoFile

__all__ = ["__version__", "open"]


def open(path: str | os.PathLike[str]) -> DataFile | VideoFile:
    """Open a data file, or a file of imported videos.

    Args:
        path: path of a file that `wsprites generate` or `wsprites import` wrote.

    Returns:
        A `wsprites.file.DataFile` for a data file, a `wsprites.file.VideoFile` for imported videos. `data["train"].keys()` names the
        arrays of a split; `data["train"]["frames"][3, 10:22]` is an array, rendered where a data file holds labels only.

    Raises:
        UserError: the file does not exist, is not a wsprites file, comes from a newer version, or is damaged.
    """
    from pathlib import Path

    from wsprites.file import DataFile, VideoFile, open_h5

    with open_h5(Path(path)) as h5:
        imported = "source" in h5.attrs
    return VideoFile(path) if imported else DataFile(path)
