"""The three kinds of models that a name can stand for: a predictions file, a checkpoint, or a factory in an importable module.

Checkpoints of any package are loaded through the entry-point group `wsprites.models`, from the format that a checkpoint names in itself to
a function that takes its path and returns a `Model`. A package may contain trained models, whose names stand for their checkpoints.
"""

import inspect
import sys
from collections.abc import Callable
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import cast

from wsprites.bench.data import Data, VideoData
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import Model, ProtocolError, check_context, check_number_of_codes, takes_true_actions
from wsprites.errors import ArgumentError, UserError, nearest
from wsprites.foreign import ForeignError, foreign_code, place_of
from wsprites.weights import GROUP, checkpoint_format, checkpoint_path, trained_models

_PREDICTIONS = (".npz", ".h5", ".hdf5")


def load(name: str, data: Data | VideoData) -> Model | Predictions:
    """Load a model by name.

    Args:
        name: the path of a predictions file (.npz, .h5, .hdf5) or of a checkpoint, the name of a trained model, or
            `package.module:factory`. A file comes first.
        data: the data that are scored; a predictions file has to be made for these.

    Raises:
        ArgumentError: none of these, or a model that cannot be used.
        UserError: a predictions file that cannot be used.
        ForeignError: the factory, its module, or the function that loads a checkpoint raised an exception.
    """
    path = Path(name)
    return Predictions(path, data) if path.suffix.lower() in _PREDICTIONS else load_model(name)


def load_model(name: str) -> Model:
    """Load a model that can be asked, by the path of a checkpoint, the name of a trained model, or `package.module:factory`.

    Raises:
        ArgumentError: none of these, or a model that cannot be used.
        ForeignError: the factory, its module, or the function that loads a checkpoint raised an exception.
    """
    path = Path(name)
    if ":" in name and not path.is_file():
        return _made(name, _factory(name))
    try:
        path = checkpoint_path(name)
    except UserError as error:
        hint = nearest(name, trained_models())
        raise ArgumentError("model", f"{str(error).removesuffix(hint)}, and not of the form package.module:factory{hint}") from None
    return _made(name, partial(_checkpoint_loader(path), path))


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
    with foreign_code(f"{path}: {matches[0].value} loads the format {format_name!r}, but failed"):
        loads: Callable[[Path], object] = matches[0].load()
        if not callable(loads):
            raise TypeError(f"it is a {type(loads).__name__}, not a function of a path")
    return loads


def _factory(name: str) -> Callable[[], object]:
    """The callable that `package.module:factory` names; modules in the current folder come first."""
    module_name, _, attribute = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # stays, because a model may import more later
    form = "expected package.module:factory"
    if not module_name or module_name.startswith(".") or not attribute:
        raise ArgumentError("model", f"{name}: {form}")
    try:
        with foreign_code(name):
            module = import_module(module_name)
    except ForeignError as error:
        missing = error.__cause__.name if isinstance(error.__cause__, ModuleNotFoundError) else None
        if missing and f"{module_name}.".startswith(f"{missing}."):  # the module itself, not one that it imports
            raise ArgumentError("model", f"{name}: {error.__cause__}; {form}") from None
        raise
    if not hasattr(module, attribute):
        hint = nearest(attribute, [one for one in vars(module) if not one.startswith("_")])
        raise ArgumentError("model", f"{name}: module {module_name!r} has no attribute {attribute!r}; {form}{hint}")
    factory: Callable[[], object] = getattr(module, attribute)
    _check_factory(name, factory)
    return factory


def _check_factory(name: str, factory: Callable[[], object]) -> None:
    """Raise ArgumentError unless a factory can be called without arguments."""
    if not callable(factory):
        raise ArgumentError("model", f"{name} is a {type(factory).__name__}; expected a function or a class that makes the model")
    try:
        parameters = inspect.signature(factory).parameters.values()
    except (TypeError, ValueError):  # written in C, without a signature
        return
    needed = [one.name for one in parameters if one.default is one.empty and one.kind not in (one.VAR_POSITIONAL, one.VAR_KEYWORD)]
    if needed:
        raise ArgumentError(
            "model",
            f"{name} needs arguments: {', '.join(needed)}{place_of(factory)}; "
            f"expected a factory without, such as a function that calls it with values",
        )


def _made(name: str, make: Callable[[], object]) -> Model:
    """The model that a function of the user makes.

    Raises:
        ArgumentError: it has no method `infer`, or an impossible number of codes.
        ForeignError: the function, or a property of the model, raised an exception.
    """
    with foreign_code(name):
        model = make()
    return check_model(name, model)


def check_model(name: str, model: object) -> Model:
    """The model itself.

    Args:
        name: the model's name in messages.
        model: any object.

    Raises:
        ArgumentError: it has no method `infer`, or an impossible number of codes or of frames of context, or impossible `rollout_actions`.
        ForeignError: a property of the model raised an exception.
    """
    with foreign_code(name):
        is_model, codes, context = isinstance(model, Model), getattr(model, "codes", None), getattr(model, "context", None)
    if not is_model:
        raise ArgumentError("model", f"{name} gives a {type(model).__name__}; expected an object with a method infer")
    try:
        check_number_of_codes(codes)
        check_context(context)
        takes_true_actions(model)
    except ProtocolError as error:
        raise ArgumentError("model", f"{name}: its attribute {error}") from None
    return cast(Model, model)
