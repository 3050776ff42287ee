"""Files of weights: checkpoints by name, their formats, and tensors read without running code and compared by hash, name and shape.

Nothing is downloaded. torch is imported only to read tensors; the format of a safetensors file is read without it.
"""

import hashlib
import json
import os
import pickle
import zipfile
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wsprites.errors import UserError, nearest

if TYPE_CHECKING:
    from torch import nn

GROUP = "wsprites.models"
"""The entry-point group: name of a checkpoint format -> function `load(path: pathlib.Path) -> Model`.

A package that registers a format may contain trained models, each as `checkpoints/NAME.safetensors` in its top-level folder."""

_ZIP = b"PK\x03\x04"
_BEFORE_1_6 = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")
"""The number that files of torch.save began with before torch 1.6."""
_MAX_HEADER = 2**24
"""Bytes of the JSON that a safetensors file begins with."""


def trained_models() -> dict[str, Path]:
    """The checkpoints that installed packages contain, by name, those of wsprites first. No package is imported.

    Of two packages with a model of the same name, the first counts, in alphabetical order: nobody replaces a model of wsprites.
    """
    entries = entry_points(group=GROUP)
    ours = {entry.value for entry in entries if entry.dist and entry.dist.name == "wsprites"}
    models: dict[str, Path] = {}
    for value in sorted({entry.value for entry in entries}, key=lambda value: (value not in ours, value)):
        spec = find_spec(value.partition(":")[0].partition(".")[0])
        for folder in (spec.submodule_search_locations if spec else None) or ():
            for path in sorted(Path(folder, "checkpoints").glob("*.safetensors")):
                models.setdefault(path.stem, path)
    return models


def find_checkpoint(name: str | os.PathLike[str]) -> Path | None:
    """The file that is meant by the path of a checkpoint or by the name of a trained model; None if there is none.

    A file comes first: if the current folder has one of the name of a trained model, the name stands for that file.
    """
    path = Path(name)
    return path if path.is_file() else trained_models().get(os.fspath(name))


def checkpoint_path(name: str | os.PathLike[str]) -> Path:
    """The file of `find_checkpoint`. Raises UserError, which lists the names of all trained models, if there is none."""
    path = find_checkpoint(name)
    if path is None:
        problem, models = "a folder, not a checkpoint" if Path(name).is_dir() else "no such file", trained_models()
        names = ", ".join(models)
        raise UserError(
            f"{os.fspath(name)}: {problem}"
            + (f", and not the name of a trained model ({names})" if names else "")
            + nearest(os.fspath(name), models)
        )
    return path


def checkpoint_format(path: Path) -> str | None:
    """The format that a checkpoint names: `format` in the metadata of a safetensors file, or in the dict that torch.save wrote.

    Returns:
        The name, such as "glass"; None for a file that is neither of the two, or names no format.

    Raises:
        UserError: a file of torch.save is damaged, or would have to run code to be read.
    """
    metadata = safetensors_metadata(path)
    if metadata is None:
        try:
            metadata = read_state(path) if is_torch_file(path) else {}
        except OSError:
            return None
    name = metadata.get("format")
    return name if isinstance(name, str) else None


def safetensors_metadata(path: Path) -> dict[str, str] | None:
    """The metadata of a safetensors file, read without torch; None if the file is of another kind or cannot be read.

    Such a file begins with the length of a JSON object, 8 bytes, and that object; `__metadata__` in it is a dict of texts.
    """
    try:
        with path.open("rb") as file:
            head = file.read(9)
            length = int.from_bytes(head[:8], "little")
            if head[8:] != b"{" or not 2 <= length <= _MAX_HEADER:
                return None
            metadata = json.loads(b"{" + file.read(length - 1)).get("__metadata__", {})
    except (OSError, ValueError, RecursionError):
        return None
    return {str(key): str(value) for key, value in metadata.items()} if isinstance(metadata, dict) else {}


def is_torch_file(path: Path) -> bool:
    """True if a file begins as torch.save begins one, in its present or its old format. Raises OSError if it cannot be read."""
    with path.open("rb") as file:
        head = file.read(len(_BEFORE_1_6))
    return head.startswith(_ZIP) or head == _BEFORE_1_6


def read_state(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote, if it is a dict of tensors and plain values.

    Raises:
        UserError: the file cannot be read, is damaged, holds something else, or would have to run code to be read.
    """
    import torch

    try:
        if not is_torch_file(path):
            raise UserError(f"{path}: damaged, or not a file of torch.save")
        with path.open("rb") as file:
            if file.read(len(_ZIP)) == _ZIP:
                with zipfile.ZipFile(path) as archive:  # compare sizes before memory is allocated
                    unpacked = sum(entry.file_size for entry in archive.infolist())
                if unpacked > 2 * path.stat().st_size:
                    raise UserError(f"{path}: damaged: it says to hold {unpacked} bytes, more than there are")
            file.seek(0)
            values = torch.load(file, map_location="cpu", weights_only=True)  # given a path, it would judge by the name
    except pickle.UnpicklingError:
        raise UserError(f"{path}: wants to run code to be read, which is refused; save tensors and plain values only") from None
    except UserError:
        raise
    except Exception as error:  # torch raises many kinds for damaged files
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: no weights; it holds a {type(values).__name__}")
    return values


def load_weights(model: "nn.Module", path: Path, wanted: str, sha256: str = "", prefix: str = "") -> str:
    """Load the weights in a file into a network. Other entries of the file are ignored.

    Args:
        wanted: a description of the expected file, for the error message.
        sha256: the expected first digits of the file's hash.
        prefix: load only the weights whose names begin with this; the network's others stay as they are.

    Returns:
        The file's SHA-256, 64 hexadecimal digits.

    Raises:
        UserError: another hash, a file that cannot be read, or weights that are missing, of another shape or not finite.
    """
    from torch import Tensor

    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(sha256):
        raise UserError(f"{path}: its SHA-256 begins with {digest[:8]}, not with {sha256}; {wanted} is wanted")
    state, loaded = read_state(path), {}
    for name, own in model.state_dict().items():
        if not name.startswith(prefix) or name.endswith("num_batches_tracked"):  # used in training only, and missing from old files
            continue
        weight = state.get(name)
        if not isinstance(weight, Tensor) or not weight.is_floating_point() or weight.shape != own.shape:
            actual = "missing" if weight is None else f"{weight.dtype} {tuple(weight.shape)}" if isinstance(weight, Tensor) else "no tensor"
            raise UserError(f"{path}: '{name}' is {actual}, expected floats {tuple(own.shape)}; {wanted} is wanted")
        if not weight.isfinite().all():
            raise UserError(f"{path}: damaged: '{name}' has values that are not finite")
        loaded[name] = weight
    model.load_state_dict(loaded, strict=False)
    return digest
