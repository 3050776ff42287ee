"""The three kinds of models that a name can stand for: a predictions file, a checkpoint, or a factory in an importable module.

Checkpoints of any package are loaded through the entry-point group `wsprites.models`, from the format that a checkpoint names in itself to
a function that takes its path and returns a `Model`.
"""

import sys
from collections.abc import Callable
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np

from wsprites.bench.data import Data
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import MAX_CODES, Model
from wsprites.errors import ArgumentError
from wsprites.weights import checkpoint_format

GROUP = "wsprites.models"
"""The entry-point group: name of a checkpoint format -> function `load(path: pathlib.Path) -> Model`."""
_PREDICTIONS = (".npz", ".h5", ".hdf5")


def load(name: str, data: Data) -> Model | Predictions:
    """Load a model by name.

    Args:
        name: the path of a predictions file (.npz, .h5, .hdf5) or of a checkpoint, or `package.module:factory`.
        data: the data that are scored; a predictions file has to be made for these.

    Raises:
        ArgumentError: none of these, or a model that cannot be used.
        UserError: a predictions file that cannot be used, or an error of the function that loads a checkpoint.
    """
    path = Path(name)
    if path.suffix.lower() in _PREDICTIONS:
        return Predictions(path, data)
    if path.is_file():
        return _checked(name, _checkpoint_loader(path)(path))
    if ":" in name:
        return _checked(name, _factory(name)())
    raise ArgumentError("model", f"{name}: no such file, and not of the form package.module:factory")


def _checkpoint_loader(path: Path) -> Callable[[Path], object]:
    """The function that is registered for the format of a checkpoint."""
    entries = entry_points(group=GROUP)
    format_name = checkpoint_format(path)
    matches = [entry for entry in entries if entry.name == format_name]
    if not matches:
        named = "names no format" if format_name is None else f"has the format {format_name!r:.60}"
        known = ", ".join(sorted(entries.names)) or "none (is wsprites installed?)"
        raise ArgumentError(
            "model",
            f"{path} {named}; known formats are {known}. A package registers its own by the "
            f"entry-point group {GROUP!r}; the file names it in the metadata of safetensors, or in a dict by torch.save",
        )
    matches = [entry for entry in matches if entry.dist and entry.dist.name == "wsprites"] or matches  # nobody else replaces ours
    if len({entry.value for entry in matches}) > 1:
        raise ArgumentError("model", f"{path}: {' and '.join(entry.value for entry in matches)} both load the format {format_name!r}")
    try:
        loader = matches[0].load()
        if not callable(loader):
            raise TypeError(f"it is a {type(loader).__name__}, not a function of a path")
    except Exception as error:  # of a package that is not ours
        raise ArgumentError("model", f"{path}: {matches[0].value} loads the format {format_name!r}, but failed: {error}") from None
    loads: Callable[[Path], object] = loader
    return loads


def _factory(name: str) -> Callable[[], object]:
    """The callable that `package.module:factory` names; modules in the current folder come first."""
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # stays, because a model may import more later
    try:
        factory: Callable[[], object] = getattr(import_module(module_name), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        raise ArgumentError("model", f"{name}: {error}; expected package.module:factory") from None
    return factory


def _checked(name: str, model: Any) -> Model:
    """The model. Raises ArgumentError unless it has a method `infer`, and a possible number of codes if any."""
    if not isinstance(model, Model):
        raise ArgumentError("model", f"{name} gives a {type(model).__name__}; expected an object with a method infer")
    codes = getattr(model, "codes", None)
    if codes is not None and (isinstance(codes, bool) or not isinstance(codes, int | np.integer) or not 1 <= codes <= MAX_CODES):
        shown = codes if isinstance(codes, int | np.integer) else f"a {type(codes).__name__}"
        raise ArgumentError("model", f"{name}: its attribute codes is {shown}; expected the number of codes, 1 to {MAX_CODES}, or none")
    return model
