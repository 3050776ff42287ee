"""W-Sprites: a synthetic video world in which every action is known."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsprites.file import DataFile

__version__ = "0.1.0"


def open(path: str | os.PathLike[str]) -> DataFile:
    """Open a data file: `data["train"]["frames"][3, 10:22]` is an array, rendered where the file holds labels only.

    Raises:
        UserError: the file does not exist, is not a wsprites file, comes from a newer version, or is damaged.
    """
    from wsprites.file import DataFile

    return DataFile(path)
