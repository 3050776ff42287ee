"""Checkpoints of any system under the benchmark's protocol."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from glass_model.articulated import config as articulated
from glass_model.articulated.model import Articulated
from glass_model.bench import PlayableModel, load
from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.images import to_bytes
from glass_model.systems import SYSTEMS, Action
from glass_model.training.checkpoint import save
from wsprites.bench.protocol import ARRAYS, Controllable, Model
from wsprites.playground.models import Follows, Steps


def channels_last(network: nn.Module) -> Any:
    """In eval mode, with weights as a checkpoint gives them: other layouts round differently."""
    return network.to(memory_format=torch.channels_last).eval()


def test_a_driven_model_follows_a_video(tmp_path: Path, frames: np.ndarray) -> None:
    config = articulated.PRESETS["tiny"]
    torch.manual_seed(0)
    network = channels_last(Articulated(config.model))
    save(tmp_path / "checkpoint", config, network, 1, notes={})
    model = load(tmp_path / "checkpoint")
    assert isinstance(model, Follows) and isinstance(model, Steps) and tuple(model.modes) == ("standard", "relative", "avd")
    vectors = model.drive(frames[:, 0], frames[:, :3], "relative")
    expected = network.drive(torch.from_numpy(frames[:, 0]), torch.from_numpy(frames[:, :3]), "relative")
    assert vectors.dtype == np.float32 and np.array_equal(vectors, expected.numpy())


CONFIG = PRESETS["tiny"].override(model={"mask_channels": 2, "local_channels": 2, "shift_channels": 2, "inpaint_channels": 2})


@pytest.fixture
def frames() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (2, 14, 3, 48, 64), dtype=np.uint8)


def test_glass(tmp_path: Path, frames: np.ndarray) -> None:
    """All five arrays, and rollouts that are the model's own steps."""
    torch.manual_seed(0)
    network = channels_last(GLASS(CONFIG.model))
    save(tmp_path / "checkpoint", CONFIG, network, 1, notes={})
    model = load(tmp_path / "checkpoint")
    assert isinstance(model, Model) and isinstance(model, Controllable)
    frames.flags.writeable = False
    arrays = model.infer(frames)
    reading = network.infer(torch.from_numpy(frames.copy()))
    assert list(arrays) == list(ARRAYS)
    for name, array in arrays.items():
        assert np.array_equal(array, getattr(reading, name).numpy())
    codes, shifts = np.array([[1, 5], [0, 2]]), np.array([[[3, 0], [0, 1]], [[0, 0], [-4, 2]]], np.float64)
    state = network.start(torch.from_numpy(frames[:, 0].copy()))
    for step, generated in enumerate(model.rollout(frames[:, 0], codes, shifts).swapaxes(0, 1)):
        frame, state = network.step(state, Action(torch.tensor(codes[:, step]), shift=torch.tensor(shifts[:, step], dtype=torch.float32)))
        assert np.array_equal(generated, to_bytes(frame).numpy())


def test_steps_with_all_parts_of_an_action(frames: np.ndarray) -> None:
    """What the playground asks for is a step of the network; the state that was passed can be used again."""
    torch.manual_seed(0)
    network = channels_last(GLASS(CONFIG.model))
    model = PlayableModel(network, "cpu")
    assert isinstance(model, Steps) and model.controls is network.controls
    parts = {"codes": np.array([1, 5]), "shift": np.array([[3, 0], [0, 1]]), "background_shift": np.array([[0.0, 2.0], [-2.0, 0.0]])}
    action = Action(torch.tensor([1, 5]), None, *(torch.tensor(parts[name], dtype=torch.float32) for name in ("shift", "background_shift")))
    expected, after = network.step(network.start(torch.from_numpy(frames[:, 0].copy())), action)
    state = model.start(frames[:, 0])
    for _ in range(2):
        generated, reached = model.step(state, parts)
        assert np.array_equal(generated, to_bytes(expected).numpy())
    again, _ = model.step(reached, {"codes": parts["codes"]})
    assert np.array_equal(again, to_bytes(network.step(after, Action(torch.tensor([1, 5])))[0]).numpy())


def test_a_system_of_vectors(tmp_path: Path, frames: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    """The checkpoint's format decides which system it is; only what the model infers is offered."""
    import two_optimizers

    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    save(tmp_path / "two.ckpt", two_optimizers.Config(), two_optimizers.Network(), 1, notes={})
    model = load(tmp_path / "two.ckpt")
    assert isinstance(model, PlayableModel)
    brightness = frames.mean((2, 3, 4))
    arrays = model.infer(frames)
    assert list(arrays) == ["vectors"]
    np.testing.assert_allclose(arrays["vectors"][..., 0], np.diff(brightness, axis=1), atol=1e-3)
    first = np.full((2, 3, 4, 5), 100, np.uint8)
    generated = model.rollout(first, np.array([[[10.0], [-30.0]], [[0.0], [1.0]]], np.float32), None)
    assert generated[:, :, 0, 0, 0].tolist() == [[110, 80], [100, 101]]
