"""Checkpoints: round trips, and files that mean no good."""

import json
import os
import pickle
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.perceptual import VGG19, load_vgg
from glass_model.training.checkpoint import load, save, state_path
from wsprites.errors import UserError

CONFIG = PRESETS["paper"].override(
    model={"height": 16, "width": 24, "mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
)


@pytest.fixture(scope="module")
def model() -> GLASS:
    torch.manual_seed(0)
    return GLASS(CONFIG.model).eval()


@pytest.fixture
def path(model: GLASS, tmp_path: Path) -> Path:
    path = tmp_path / "run" / "checkpoint.safetensors"
    save(path, CONFIG, model, 7, notes={"perceptual": "off"}, state={"optimizer": {"state": {0: torch.ones(2)}}})
    return path


def test_round_trip(model: GLASS, path: Path) -> None:
    found = load(path)
    assert (found.config, found.step, found.notes) == (CONFIG, 7, {"perceptual": "off"})
    frames = torch.rand(1, 3, 3, 16, 24)
    again = found.model()
    assert not again.training
    for ours, theirs in zip(again.infer(frames), model.infer(frames), strict=True):
        assert torch.equal(ours, theirs)
    assert sorted(p.name for p in path.parent.iterdir()) == ["checkpoint.safetensors", "checkpoint.state.pt"]  # no parts are left


def test_any_name(path: Path, tmp_path: Path) -> None:
    for source, name in ((path, "ckpt.pt"), (state_path(path), "model.safetensors")):
        there = tmp_path / name
        there.write_bytes(source.read_bytes())
        assert load(there).step == 7


def test_a_failed_save_leaves_the_old_file(model: GLASS, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes(), state_path(path).read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save(path, CONFIG, model, 8, notes={}, state={"optimizer": {}})
    assert (path.read_bytes(), state_path(path).read_bytes()) == before
    assert len(list(path.parent.iterdir())) == 2


class Evil:
    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.target,)


@pytest.mark.parametrize("plain", [True, False])
def test_a_pickle_that_runs_code_is_refused(tmp_path: Path, plain: bool) -> None:
    path, target = tmp_path / "ckpt.pt", tmp_path / "ran"
    if plain:
        path.write_bytes(pickle.dumps({"model": Evil(target)}))
    else:
        torch.save({"format": "glass", "model": Evil(target)}, path)
    with pytest.raises(UserError, match="not a checkpoint" if plain else "wants to run code to be read, which is refused") as error:
        load(path)
    assert "\n" not in str(error.value) and not target.exists()


def header(values: dict[str, Any], data: bytes = b"") -> bytes:
    text = json.dumps(values).encode()
    return struct.pack("<Q", len(text)) + text + data


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a checkpoint"),
        (b"hello world", "not a checkpoint"),
        (struct.pack("<Q", 2**60) + b"{", "not a checkpoint"),
        (struct.pack("<Q", 2**20) + b"{", "damaged"),
        (header({"__metadata__": {"format": "pt"}}), "not one of GLASS"),
        (header({}), "not one of GLASS"),
        (header({"__metadata__": {"format": "glass"}}), "no configuration"),
        (header({"__metadata__": {"format": "glass", "config": "[" * 100_000}}), "damaged"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "x"}}), "its step is not a number"),
        (header({"__metadata__": {"format": "glass", "config": '{"model": {"codes": 0}}', "step": "1"}}), "codes = 0 is outside"),
        (header({"__metadata__": {"format": "glass", "config": '{"wings": 2}', "step": "1"}}), "there is no key wings"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "1"}}), "'gma.* is missing"),
        (header({"x": {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 2**42]}}), "damaged"),
        (b"PK\x03\x04 and nothing", "damaged"),
    ],
)
def test_damaged_files(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as error:
        load(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value) and len(str(error.value)) < 600


def test_weights_of_another_model(model: GLASS, tmp_path: Path) -> None:
    path = tmp_path / "other.safetensors"
    metadata = {"format": "glass", "config": CONFIG.override(model={"codes": 4}).to_json(), "step": "1"}
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path, metadata)
    with pytest.raises(UserError, match=r"'lma.quantizer.vectors' is torch.float32 \(6, 16\), not torch.float32 \(4, 16\)"):
        load(path)


def test_a_huge_model_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    config = CONFIG.override(model={"mask_channels": 512, "local_channels": 512, "mask_blocks": 32})
    path.write_bytes(header({"__metadata__": {"format": "glass", "config": config.to_json(), "step": "1"}}))
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_other_contents_of_torch_save(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    for values, message in (([1, 2], "it holds a list"), ({"a": 1}, "no format"), ({"format": "glass", "model": {"a": 1}}, "no format")):
        torch.save(values, path)
        with pytest.raises(UserError, match=message):
            load(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "no.safetensors")
    with pytest.raises(UserError, match="a folder, not a checkpoint"):
        load(tmp_path)


def test_vgg(tmp_path: Path) -> None:
    """Layers as torchvision numbers them, from a file whose hash is checked before it is read."""
    torch.manual_seed(0)
    path = tmp_path / "vgg19.pth"
    model = VGG19()
    names = [name.removesuffix(".weight") for name in model.state_dict() if name.endswith("weight")]
    assert names == [f"features.{n}" for n in (0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28)]
    weights = model.state_dict() | {"classifier.0.weight": torch.zeros(1)}
    torch.save(weights, path, _use_new_zipfile_serialization=False)  # torchvision's file is older than the new format
    with pytest.raises(UserError, match=r"its SHA-256 begins with \w{8}, not with dcbb9e9d; torchvision's"):
        load_vgg(path)
    again = load_vgg(path, sha256="")
    image = torch.rand(1, 3, 32, 32) * 2 - 1
    features = again(image)
    assert [f.shape[1:] for f in features] == [(64, 32, 32), (128, 16, 16), (256, 8, 8), (512, 4, 4), (512, 2, 2)]
    for ours, theirs in zip(features, model(image), strict=True):
        assert torch.equal(ours, theirs)
    assert not any(p.requires_grad for p in again.parameters())
    with pytest.raises(UserError, match="no such file"):
        load_vgg(tmp_path / "no.pth")
