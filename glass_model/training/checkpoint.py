"""Checkpoints of every system: NAME.safetensors holds weights and configuration, NAME.state.pt also the states of the optimisers.

The `format` of a checkpoint is the name of its system. Files may come from strangers: nothing is unpickled but tensors and plain values
(`weights_only`), and the weights are compared with the network of the configuration before they are used. A file's content tells its
kind, not its name. Weights may be stored as float16 (compact.py); they are float32 once they are loaded.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

import wsprites
from glass_model.systems import SYSTEMS, Playable, find
from glass_model.training.config import Config
from glass_model.training.data import DataRecord
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import SpecError, from_json, to_json
from wsprites.generate import replace_file, written_aside
from wsprites.weights import checkpoint_path, is_torch_file, read_state, safetensors_metadata

_MOST_PARAMETERS = 2**31  # of a model whose configuration is a stranger's


@dataclass(frozen=True)
class Checkpoint:
    """What a file of weights holds."""

    config: Config
    """Configuration of the model and its training; `config.system` names the system."""
    weights: dict[str, Tensor]
    """The network's state_dict, on the CPU."""
    step: int
    """Number of training steps done."""
    notes: dict[str, str]
    """How it was made: `versions`, `perceptual` (whether the perceptual terms were on) and `data`, the record of the data; and `weights`,
    the type in which they are stored where that is not the network's own."""
    data: DataRecord | None
    """What the run learned from; None in checkpoints that do not say it."""

    def network(self, device: str | torch.device = "cpu") -> nn.Module:
        """The network with these weights, in eval mode."""
        with torch.device("meta"):
            network = find(self.config.system).network(self.config)
        network.load_state_dict(self.weights, assign=True)
        # On a CPU, convolutions, pooling and norms then take a tenth to two fifths less time: no copies into blocked layouts.
        network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # torch's stubs lack memory_format alone
        return network.to(device).eval()

    def model(self, device: str | torch.device = "cpu") -> Playable[Any]:
        """The network, ready to be played. Raises UserError if its system cannot be played."""
        network = self.network(device)
        if not isinstance(network, Playable):
            raise UserError(f"the system {self.config.system} reads no actions and generates no videos")
        return network


# Writing.


def save(
    path: Path, config: Config, network: nn.Module, step: int, *, notes: dict[str, str], optimizers: Sequence[Optimizer] | None = None
) -> None:
    """Write weights to `path`, and with `optimizers` the file that training is resumed from beside it.

    Each file is either complete or not changed at all. The second one holds the weights as well, so that a run is never resumed from
    weights and optimisers of different steps.

    Args:
        path: the safetensors file.
        config: goes into both files, as JSON.
        network: the weights are its state_dict.
        step: number of training steps done.
        notes: text by name, for the metadata.
        optimizers: their states are saved in this order.

    Raises:
        OSError: writing failed. The message names the file.
    """
    weights = {name: tensor.detach().cpu().contiguous() for name, tensor in network.state_dict().items()}
    path.parent.mkdir(parents=True, exist_ok=True)
    if optimizers is not None:
        states = [optimizer.state_dict() for optimizer in optimizers]
        values = {**_head(config), "step": step, "notes": notes, "model": weights, "optimizers": states}
        with written_aside(state_path(path)) as part, part.open("wb") as file:
            try:
                torch.save(values, file)
            except RuntimeError as error:  # torch raises it where a write fails
                raise (error.__context__ if isinstance(error.__context__, OSError) else error) from None
    write_weights(path, Checkpoint(config, weights, step, notes, None))


def write_weights(path: Path, checkpoint: Checkpoint) -> None:
    """Write weights, on the CPU and contiguous, as a safetensors file. Its notes hold the record of the data; `data` is not used."""
    from safetensors.torch import save as pack

    metadata = {**_head(checkpoint.config), "step": str(checkpoint.step), **checkpoint.notes}
    replace_file(path, pack(checkpoint.weights, metadata))  # save_file would let nobody else read it


def _head(config: Config) -> dict[str, str]:
    return {"format": config.system, "config": to_json(config)}


def state_path(path: Path) -> Path:
    """The file beside a checkpoint that training is resumed from."""
    return path.with_name(f"{path.stem}.state.pt")


def versions() -> str:
    """Versions of the packages that affect the numbers of a run, as JSON."""
    return json.dumps({"wsprites": wsprites.__version__, "torch": torch.__version__})


# Reading.


def load(path: str | os.PathLike[str]) -> Checkpoint:
    """Read a checkpoint of any system: a safetensors file, or a dict with format, config, model, step and notes by torch.save.

    Args:
        path: the file, or the name of a trained model that is installed, such as "small". A file comes first.

    Raises:
        UserError: no such file, another kind of file, a pickle that wants to do more than hold tensors, a system that is not known, or
            weights that are not those of the configuration.
    """
    path = checkpoint_path(path)
    if is_torch_file(path):
        return _load_pt(path, read_state(path))
    if safetensors_metadata(path) is not None:
        return _load_safetensors(path)
    raise UserError(f"{path}: not a checkpoint, or a damaged one; it is neither a safetensors file nor one of torch.save")


def load_for(argument: str, path: str | os.PathLike[str]) -> Checkpoint:
    """`load` of what an argument names. Raises ArgumentError where `load` raises UserError."""
    try:
        return load(path)
    except UserError as error:
        raise ArgumentError(argument, str(error)) from None


def _load_safetensors(path: Path) -> Checkpoint:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            config = _config(path, metadata.get("format"), metadata.get("config"))
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 it is no dict
    except (SafetensorError, OSError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    notes = {name: text for name, text in metadata.items() if name not in ("format", "config", "step")}
    return _checked(path, config, weights, metadata.get("step"), notes)


def _load_pt(path: Path, values: dict[str, Any]) -> Checkpoint:
    config = _config(path, values.get("format"), values.get("config"))
    weights, notes = values.get("model"), values.get("notes", {})
    if not isinstance(weights, dict) or not all(isinstance(w, Tensor) for w in weights.values()):
        raise UserError(f"{path}: damaged: it has no weights under 'model'")
    for name, weight in weights.items():  # what has no memory of its own would take it later, and more than the file has bytes
        stored = weight.layout == torch.strided and weight.device.type == "cpu" and weight.untyped_storage().nbytes()
        if weight.numel() and (not stored or stored < weight.numel() * weight.element_size()):
            raise UserError(f"{path}: damaged: {name!r:.80} holds less than its {weight.numel()} numbers")
    if not isinstance(notes, dict) or not all(isinstance(text, str) for text in notes.values()):
        raise UserError(f"{path}: damaged: its notes are not text")
    return _checked(path, config, weights, values.get("step", 0), notes)


def _config(path: Path, system: object, text: object) -> Config:
    """The configuration that a file holds as JSON, of the system that it names."""
    if not isinstance(system, str) or system not in SYSTEMS:
        raise UserError(f"{path}: no checkpoint of a known system; its format is {system!r:.80}, not one of {', '.join(SYSTEMS)}")
    if not isinstance(text, str):
        raise UserError(f"{path}: damaged: it has no configuration")
    default = next(iter(find(system).PRESETS.values()))
    try:
        return from_json(default, text)
    except SpecError as error:
        raise UserError(f"{path}: damaged: {error}") from None


def _checked(path: Path, config: Config, weights: dict[str, Tensor], step: object, notes: dict[str, str]) -> Checkpoint:
    """The checkpoint, or UserError if its step, its record or one of its weights is not what it should be."""
    if not isinstance(step, int | str) or not str(step).isdecimal() or len(str(step)) >= 12:
        raise UserError(f"{path}: damaged: its step is not a number")
    try:
        data = from_json(DataRecord(), notes["data"]) if "data" in notes else None
    except SpecError as error:
        raise UserError(f"{path}: damaged: the record of its data: {error}") from None
    with torch.device("meta"):
        expected = find(config.system).network(config).state_dict()
    if sum(tensor.numel() for tensor in expected.values()) > _MOST_PARAMETERS:
        raise UserError(f"{path}: damaged: its configuration wants more than {_MOST_PARAMETERS} weights")
    for name in sorted(expected.keys() ^ weights.keys()):
        raise UserError(f"{path}: damaged: '{name[:80]}' is {'missing' if name in expected else 'not a part of the model'}")
    for name, want in expected.items():
        if weights[name].dtype == torch.float16 and want.dtype == torch.float32:
            weights[name] = weights[name].float()  # every float16 is a float32
        have = weights[name]
        if have.shape != want.shape or have.dtype != want.dtype:
            raise UserError(f"{path}: damaged: '{name}' is {have.dtype} {tuple(have.shape)}, not {want.dtype} {tuple(want.shape)}")
    return Checkpoint(config, weights, int(step), notes, data)


# Resuming.


def restore(
    path: Path,
    config: Config,
    data: DataRecord | None,
    network: nn.Module,
    optimizers: Sequence[Optimizer],
) -> Checkpoint:
    """Put a network and its optimisers back to where they were saved.

    Args:
        path: the file of `state_path`.
        config: of the run to be resumed; may differ from the saved one in train.steps.
        data: what the run is to learn from; None is not compared.
        network: gets the saved weights.
        optimizers: get their saved states.

    Returns:
        What the file holds.

    Raises:
        UserError: the file is damaged, or is of a run with another configuration or other data.
    """
    values = read_state(path)
    saved = _load_pt(path, values)
    if saved.config.system != config.system:
        raise ArgumentError("system", f"the run in {path.parent} is of {saved.config.system}, not {config.system}; name another folder")
    same_length = replace(saved.config, train=replace(saved.config.train, steps=config.train.steps))
    if same_length != config:
        raise UserError(f"{path.parent}: begun with another configuration; only train.steps may change when a run is resumed")
    if data and saved.data and (differences := saved.data.differences(data)):
        raise UserError(f"{path.parent}: begun with other data: {differences}; resume it with its own data, or name another folder")
    states = values.get("optimizers", [values.get("optimizer")])  # one alone in checkpoints of older versions
    try:
        network.load_state_dict(saved.weights)
        for optimizer, state in zip(optimizers, states, strict=True):
            optimizer.load_state_dict(state)
    except (AttributeError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(f"{path}: damaged: {error}") from None
    return saved
