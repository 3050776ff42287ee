"""Code of a user that the project calls: what it raises becomes one line that names the code, the exception and the line at fault."""

import inspect
import os
import re
import sys
import sysconfig
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from wsprites.errors import UserError

_MOST_CHARACTERS = 400
_OWN = tuple(str(Path(__file__).parent.with_name(name)) + os.sep for name in ("wsprites", "glass_model"))
_STANDARD = tuple(sysconfig.get_path(name) + os.sep for name in ("stdlib", "platstdlib"))


class ForeignError(UserError):
    """Code of a user raised an exception, which is the `__cause__`; the message names its type and the innermost frame of that code."""


@contextmanager
def foreign_code(name: str) -> Iterator[None]:
    """Turn whatever is raised inside, an attempt to exit as well, into a ForeignError; Ctrl-C is passed on.

    Args:
        name: what is called, at the beginning of the message.

    Example:
        >>> with foreign_code("my_model:make"):
        ...     raise FileNotFoundError("weights.pt")
        Traceback (most recent call last):
        wsprites.foreign.ForeignError: my_model:make: FileNotFoundError: weights.pt
    """
    try:
        yield
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # libraries in Rust raise exceptions that are no Exception
        message = _text(error)
        if isinstance(error, UserError):  # of a function of this project that was called there
            if name in message:
                raise
        else:
            message = f"{type(error).__name__}: {message}" if message else type(error).__name__
        if len(message) > _MOST_CHARACTERS:
            message = f"{message[:_MOST_CHARACTERS]}... ({len(message)} characters)"
        raise ForeignError(f"{name}: {message}{_innermost(error)}") from error


def _text(error: BaseException) -> str:
    """The message of an exception in one line; that of the exception that making the message raises instead."""
    try:
        return " ".join(str(error).split())
    except Exception as another:
        return f"its message cannot be made ({type(another).__name__})"


def place_of(function: object) -> str:
    """The place where a function or class is defined, as " (file, line N)"; the empty string if that is unknown."""
    try:
        function = inspect.unwrap(function)  # type: ignore[arg-type]
        return f" ({_shown(inspect.getfile(function))}, line {inspect.getsourcelines(function)[1]})"  # type: ignore[arg-type]
    except (OSError, TypeError, ValueError):
        return ""


def _innermost(error: BaseException) -> str:
    """The innermost frame of a user's code, as " (file, line N, in FUNCTION)".

    That is code outside this project, the standard library and installed packages, or else in the installed package that was called.
    """
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if not frame.filename.startswith(("<", *_OWN))]
    libraries = _library_folders()
    package_of = {name: _package(name, libraries) for name in {frame.filename for frame in frames}}
    frames = [frame for frame in frames if package_of[frame.filename] or not frame.filename.startswith(_STANDARD)]
    own = [frame for frame in frames if not package_of[frame.filename]]
    shown = own or [frame for frame in frames if package_of[frame.filename] == package_of[frames[0].filename]]
    return f" ({_shown(shown[-1].filename)}, line {shown[-1].lineno}, in {shown[-1].name})" if shown else ""


def _library_folders() -> list[str]:
    """The folders that packages are installed in."""
    named = re.compile(r"[/\\](site|dist)-packages[/\\]?$")
    return [folder for folder in sys.path if folder and (named.search(folder) or any(Path(folder).glob("*.dist-info")))]


def _package(filename: str, libraries: Sequence[str]) -> str:
    """The folder or file of the installed package that a file belongs to; the empty string if it belongs to none."""
    for folder in libraries:
        if Path(filename).is_relative_to(folder):
            return str(Path(folder, Path(filename).relative_to(folder).parts[0]))
    return ""


def _shown(filename: str) -> str:
    """A path as it is seen from the current folder, if it lies there."""
    relative = os.path.relpath(filename)
    return filename if relative.startswith(os.pardir) else relative
