"""Scores -> one self-contained HTML page."""

from pathlib import Path
from typing import Any


def write(path: Path, every: list[dict[str, Any]], films: list[Any]) -> None:
    """Write the page."""
