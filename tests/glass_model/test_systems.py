"""Every system in the list offers what the contract says."""

import inspect
from dataclasses import fields, is_dataclass

import pytest
import torch

from glass_model.systems import SYSTEMS, Action, Playable, Reading, find
from glass_model.training.config import TrainConfig
from glass_model.training.device import Setup
from wsprites.bench.protocol import ARRAYS
from wsprites.errors import ArgumentError
from wsprites.fields import from_json, to_json


def test_an_unknown_system() -> None:
    with pytest.raises(ArgumentError, match="system: 'glas' is not one of glass"):
        find("glas")


def test_readings_have_the_benchmarks_arrays() -> None:
    assert Reading._fields == tuple(ARRAYS)


@pytest.mark.parametrize("name", SYSTEMS)
def test_configurations(name: str) -> None:
    """Frozen dataclasses that name their system, and survive JSON."""
    for preset, config in find(name).PRESETS.items():
        assert is_dataclass(config) and (config.system, config.name) == (name, preset)
        assert isinstance(config.train, TrainConfig) and {"name", "train"} <= {f.name for f in fields(config)}
        assert from_json(next(iter(find(name).PRESETS.values())), to_json(config)) == config
        with pytest.raises(AttributeError):
            config.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize("name", SYSTEMS)
def test_networks(name: str) -> None:
    """Built on a device without memory, as checkpoints are compared, and playable."""
    module = find(name)
    config = next(iter(module.PRESETS.values()))
    with torch.device("meta"):
        network = module.network(config)
    assert isinstance(network, Playable)
    assert all(tensor.device.type == "meta" for tensor in network.state_dict().values())


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_step_and_playing(name: str) -> None:
    """On the preset with the fewest steps, which is made for a CPU."""
    module = find(name)
    config = min(module.PRESETS.values(), key=lambda config: config.train.steps)
    torch.manual_seed(0)
    system = module.system(config, Setup(torch.device("cpu")))
    frames = torch.randint(0, 256, (2, config.train.window, 3, 96, 128), dtype=torch.uint8)
    turns = system.turns(frames, 0)
    assert inspect.isgenerator(turns)  # the loop updates between two turns
    owned = {id(parameter) for parameter in system.network.parameters()}
    for turn in turns:
        assert turn.loss.ndim == 0 and turn.loss.requires_grad and turn.loss.dtype == torch.float32
        assert all(term.ndim == 0 for term in turn.terms.values()) and turn.optimizer in system.optimizers
        assert {id(p) for group in turn.optimizer.param_groups for p in group["params"]} <= owned
    strip = system.strip()
    assert strip is None or (strip.ndim, strip.shape[2], strip.dtype) == (3, 3, "uint8")
    network = system.network.eval()
    assert isinstance(network, Playable)
    reading = network.infer(frames)
    assert any(array is not None for array in reading)
    action = Action(*(None if array is None else array[:, 0] for array in reading[:4]))
    if action.codes is not None:
        action = action._replace(vectors=None)
    state = network.start(frames[:, 0])
    frame, after = network.step(state, action)
    again, _ = network.step(state, action)
    assert frame.shape == (2, 3, 96, 128) and torch.equal(frame, again)
    assert type(after) is type(state)
