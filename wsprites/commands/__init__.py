"""The commands: they parse arguments and print. The libraries that do the work are imported when a command is run."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

PATH = click.Path(path_type=Path)
FILE = click.argument("file", type=PATH)
OVERWRITE = click.option("--overwrite", is_flag=True, help="Replace the output file if it exists.")


@contextmanager
def without_scipy() -> Iterator[None]:
    """Hide SciPy's linear algebra from numba, which imports it with the first compiled function, for functions that are not used here.

    numba works without SciPy, and a command on a few clips takes a tenth less time. Nothing else in such a command may need SciPy.
    """
    name = "scipy.linalg.cython_blas"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # Python's mark of a module that is missing
    try:
        yield
    finally:
        del sys.modules[name]
