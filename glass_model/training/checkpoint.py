"""Checkpoints: NAME.safetensors has the weights, with the configuration as metadata; NAME.state.pt what training goes on with.

Files may come from strangers: nothing is unpickled but tensors and plain values (`weights_only`), and the weights are compared with what
the configuration wants before they are used. What a file is says its content, not its name.
"""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import wsprites
from glass_model.glass.config import Config
from glass_model.glass.model import GLASS
from wsprites.errors import UserError
from wsprites.weights import read_state

FORMAT = "glass"
_MOST_HEADER = 2**24  # bytes of the JSON that a safetensors file begins with
_MOST_PARAMETERS = 2**31  # of a model whose configuration is a stranger's
_ZIP = b"PK\x03\x04"


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights says."""

    config: Config
    weights: dict[str, Tensor]
    step: int
    """Steps of training done."""
    notes: dict[str, str]
    """How it was made: `versions` and `perceptual`, whether the perceptual terms were on."""

    def model(self, device: str | torch.device = "cpu") -> GLASS:
        """The model, ready to be used (in eval mode)."""
        with torch.device("meta"):
            empty = GLASS(self.config.model)
        empty.load_state_dict(self.weights, assign=True)
        return empty.to(device).eval()


def save(path: Path, config: Config, model: GLASS, step: int, *, notes: dict[str, str], state: dict[str, Any] | None = None) -> None:
    """Write weights to `path`, and with `state` the file beside it. Either is complete or not there at all.

    Args:
        notes: goes into the metadata.
        state: of the optimiser: tensors, numbers, text, and lists and dicts of them. The file has the weights as well,
            so that it is complete by itself: the two files are never of different steps for who resumes.
    """
    from safetensors.torch import save as pack

    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    metadata = {"format": FORMAT, "config": config.to_json(), "step": str(step), **notes}
    path.parent.mkdir(parents=True, exist_ok=True)
    if state is not None:
        with _whole(state_path(path)) as part:
            torch.save({"format": FORMAT, "config": config.to_json(), "step": step, "model": weights, **state}, part)
    with _whole(path) as part:
        part.write_bytes(pack(weights, metadata))  # save_file would let nobody else read it


def state_path(path: Path) -> Path:
    """Where what training goes on with is."""
    return path.with_name(f"{path.stem}.state.pt")


@contextmanager
def _whole(path: Path) -> Iterator[Path]:
    """A path to write to that becomes `path` once all of it is on the disk."""
    part = path.with_name(f".{path.name}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint: a safetensors file, or the dict with format ("glass"), config (JSON), model (weights) and step by torch.save.

    Raises:
        UserError: no such file, neither of the two, a pickle that wants to do more than hold tensors, or weights of another model.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"{path}: {'a folder, not a checkpoint' if path.is_dir() else 'no such file'}")
    with path.open("rb") as file:
        head = file.read(9)
    if head.startswith(_ZIP):
        found = _load_pt(path)
    elif len(head) == 9 and head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _MOST_HEADER:
        found = _load_safetensors(path)
    else:
        raise UserError(f"{path}: not a checkpoint; it is neither a safetensors file nor one of torch.save")
    _compare(path, found)
    return found


def _load_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            if metadata.get("format") != FORMAT:
                raise UserError(f"{path}: a safetensors file, but not one of GLASS; its metadata has no format = '{FORMAT}'")
            config = _config(path, metadata.get("config"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    notes = {name: text for name, text in metadata.items() if name not in ("format", "config", "step")}
    return Checkpoint(config, weights, _step(path, metadata.get("step")), notes)


def _load_pt(path: Path) -> Checkpoint:
    values = read_state(path)
    weights = values.get("model") if values.get("format") == FORMAT else None
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise UserError(f"{path}: no checkpoint of GLASS; it has no format '{FORMAT}' with weights under 'model'")
    return Checkpoint(_config(path, values.get("config")), weights, _step(path, values.get("step", 0)), {})


def _config(path: Path, text: object) -> Config:
    if not isinstance(text, str):
        raise UserError(f"{path}: no checkpoint of GLASS; it has no configuration")
    try:
        return Config.from_json(text)
    except UserError as error:
        raise UserError(f"{path}: damaged: {error}") from None


def _step(path: Path, text: object) -> int:
    if isinstance(text, int | str) and str(text).isdecimal() and len(str(text)) < 12:
        return int(text)
    raise UserError(f"{path}: damaged: its step is not a number")


def _compare(path: Path, found: Checkpoint) -> None:
    """Raise UserError unless the weights are those of the configuration, one by one."""
    with torch.device("meta"):
        want = GLASS(found.config.model).state_dict()
    if sum(tensor.numel() for tensor in want.values()) > _MOST_PARAMETERS:
        raise UserError(f"{path}: damaged: its configuration wants more than {_MOST_PARAMETERS} weights")
    for name in sorted(want.keys() ^ found.weights.keys()):
        raise UserError(f"{path}: damaged: '{name[:80]}' is {'missing' if name in want else 'not a part of the model'}")
    for name, tensor in want.items():
        have = found.weights[name]
        if have.shape != tensor.shape or have.dtype != tensor.dtype:
            raise UserError(f"{path}: damaged: '{name}' is {have.dtype} {tuple(have.shape)}, not {tensor.dtype} {tuple(tensor.shape)}")


def versions() -> str:
    """Versions of what decides about the numbers of a run, as JSON."""
    return json.dumps({"wsprites": wsprites.__version__, "torch": torch.__version__})
