"""Weights of others, in files that the user has: read without running code, compared by hash, name and shape. Nothing is downloaded."""

import hashlib
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from wsprites.errors import UserError

_ZIP = b"PK\x03\x04"
_OLD = bytes.fromhex("80028a0a6cfc9c46f9206aa850192e")  # the number that torch.save began a file with before torch 1.6


def read_state(path: Path) -> dict[str, Any]:
    """What `torch.save` wrote, if it is a dict of tensors and plain values. Raises UserError for anything else."""
    try:
        with path.open("rb") as file:
            head = file.read(len(_OLD))
            if head.startswith(_ZIP):
                with zipfile.ZipFile(path) as archive:  # sizes before memory
                    packed = sum(entry.file_size for entry in archive.infolist())
                if packed > 2 * path.stat().st_size:
                    raise UserError(f"{path}: damaged: it says to hold {packed} bytes, more than there are")
            elif head != _OLD:
                raise UserError(f"{path}: damaged, or not a file of torch.save")
            file.seek(0)
            values = torch.load(file, map_location="cpu", weights_only=True)  # of a path, it would believe the name
    except pickle.UnpicklingError:
        raise UserError(f"{path}: wants to run code to be read, which is refused; save tensors and plain values only") from None
    except UserError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(f"{path}: damaged: {str(error).splitlines()[0] if str(error) else type(error).__name__}") from None
    if not isinstance(values, dict):
        raise UserError(f"{path}: no weights; it holds a {type(values).__name__}")
    return values


def load_weights(model: nn.Module, path: Path, wanted: str, sha256: str = "", prefix: str = "") -> str:
    """Give a network the weights in a file. What else is in the file is left alone.

    Args:
        wanted: what the file is to be, for the message if it is something else.
        sha256: what its hash begins with.
        prefix: take only the weights whose names begin like this; the others of the network stay as they are.

    Returns:
        The file's whole SHA-256.

    Raises:
        UserError: another hash, a file that cannot be read, or weights that are missing, of another shape or not finite.
    """
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if not digest.startswith(sha256):
        raise UserError(f"{path}: its SHA-256 begins with {digest[:8]}, not with {sha256}; {wanted} is wanted")
    there, taken = read_state(path), {}
    for name, own in model.state_dict().items():
        if not name.startswith(prefix) or name.endswith("num_batches_tracked"):  # of training, and not in old files
            continue
        weight = there.get(name)
        if not isinstance(weight, Tensor) or not weight.is_floating_point() or weight.shape != own.shape:
            found = "missing" if weight is None else f"{weight.dtype} {tuple(weight.shape)}" if isinstance(weight, Tensor) else "no tensor"
            raise UserError(f"{path}: '{name}' is {found}, expected floats {tuple(own.shape)}; {wanted} is wanted")
        if not weight.isfinite().all():
            raise UserError(f"{path}: damaged: '{name}' has values that are not finite")
        taken[name] = weight
    model.load_state_dict(taken, strict=False)
    return digest
