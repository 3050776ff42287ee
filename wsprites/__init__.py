"""W-Sprites: a synthetic video world in which every action is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsprites.file import DataFile
    from wsprites.videos import VideoFile

__version__ = "0.1.0"


def open(path: str | os.PathLike[str]) -> DataFile | VideoFile:
    """Open a data file: `data["train"]["frames"][3, 10:22]` is an array, rendered where the file holds labels only.

    A file of imported videos gives a VideoFile: frames, and what else `data["train"].keys()` names. What needs a world and labels
    opens a `wsprites.file.DataFile`, which refuses it.

    Raises:
        UserError: the file does not exist, is not a wsprites file, comes from a newer version, or is damaged.
    """
    from pathlib import Path

    from wsprites.file import DataFile, open_h5
    from wsprites.videos import VideoFile

    with open_h5(Path(path)) as h5:
        imported = "source" in h5.attrs
    return VideoFile(path) if imported else DataFile(path)
