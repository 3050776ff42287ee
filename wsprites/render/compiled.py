"""Compiled code for those who have numba (the extra `fast`): the same scripts and the same pixels in a fraction of the time."""

import os
from functools import cache
from types import ModuleType


@cache
def compiled() -> ModuleType | None:
    """`wsprites.render.kernel`, or None without numba or where WSPRITES_NUMBA is 0."""
    if os.environ.get("WSPRITES_NUMBA") == "0":
        return None
    try:
        from wsprites.render import kernel
    except (ImportError, RuntimeError):  # the latter: there is nowhere to keep what was compiled
        return None
    return kernel
