"""Checkpoints: round trips, older files, and files that are damaged or hostile."""

import copy
import json
import os
import pickle
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from samples import full_disk
from torch import Tensor

from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.training.checkpoint import load, save, state_path
from glass_model.training.data import DataRecord
from wsprites.errors import UserError
from wsprites.fields import to_json
from wsprites.world.spec import PRESETS as WORLDS

CONFIG = PRESETS["paper"].override(
    model={"height": 16, "width": 24, "mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
)
RECORD = DataRecord("stream", WORLDS["factorial"].to_json(), "0f" * 32, seed=5)
NOTES = {"perceptual": "off", "data": to_json(RECORD)}


@pytest.fixture(scope="module")
def model() -> GLASS:
    torch.manual_seed(0)
    return GLASS(CONFIG.model).eval()


@pytest.fixture
def path(model: GLASS, tmp_path: Path) -> Path:
    path = tmp_path / "run" / "checkpoint.safetensors"
    save(path, CONFIG, model, 7, notes=NOTES, optimizers=[torch.optim.Adam(model.parameters())])
    return path


def test_round_trip(model: GLASS, path: Path) -> None:
    saved = load(path)
    assert (saved.config, saved.step, saved.notes, saved.data) == (CONFIG, 7, NOTES, RECORD)
    frames = torch.rand(1, 3, 3, 16, 24)
    assert not saved.network().training
    same = copy.deepcopy(model).to(memory_format=torch.channels_last)  # as it is loaded: other layouts round differently
    for ours, theirs in zip(saved.model().infer(frames), same.infer(frames), strict=True):
        assert torch.equal(ours, theirs)
    assert sorted(p.name for p in path.parent.iterdir()) == ["checkpoint.safetensors", "checkpoint.state.pt"]  # no parts are left


@pytest.mark.parametrize("size", [100, 5000])
def test_a_full_disk_leaves_the_old_files(model: GLASS, path: Path, size: int) -> None:
    """torch raises RuntimeError where a write fails; what is raised here names the file."""
    before = {file.name: file.read_bytes() for file in path.parent.iterdir()}
    optimizers = [torch.optim.Adam(model.parameters())]
    with full_disk(size), pytest.raises(OSError, match=r"checkpoint.state.pt: writing failed \(File too large\)$"):
        save(path, CONFIG, model, 8, notes=NOTES, optimizers=optimizers)
    with full_disk(size), pytest.raises(OSError, match=r"checkpoint.safetensors: writing failed \(File too large\)$"):
        save(path, CONFIG, model, 8, notes=NOTES)
    assert {file.name: file.read_bytes() for file in path.parent.iterdir()} == before


def test_any_name(path: Path, tmp_path: Path) -> None:
    for source, name in ((path, "ckpt.pt"), (state_path(path), "model.safetensors")):
        there = tmp_path / name
        there.write_bytes(source.read_bytes())
        assert (load(there).step, load(there).data) == (7, RECORD)


def test_files_of_older_versions(model: GLASS, path: Path) -> None:
    """A file for resuming without notes, with one optimiser under another name; a configuration that lacks fields."""
    values = torch.load(state_path(path), weights_only=True)
    del values["notes"]
    values["optimizer"] = values.pop("optimizers")[0]
    torch.save(values, path)
    assert (load(path).step, load(path).notes, load(path).data) == (7, {}, None)
    config = json.loads(to_json(CONFIG))
    del config["train"]["skip"], config["loss"]["recb_power"]
    save_file(model.state_dict(), path, {"format": "glass", "config": json.dumps(config), "step": "3"})
    assert (load(path).config, load(path).step, load(path).data) == (CONFIG, 3, None)


def test_a_system_that_cannot_be_played(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(GLASS, "step")
    with pytest.raises(UserError, match="the system glass reads no actions and generates no videos"):
        load(path).model()


def test_a_failed_save_leaves_the_old_file(model: GLASS, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = path.read_bytes(), state_path(path).read_bytes()

    def full(*_: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="no space"):
        save(path, CONFIG, model, 8, notes={}, optimizers=[])
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
        (header({"__metadata__": {"format": "pt"}}), "no checkpoint of a known system; its format is .*, not one of glass"),
        (header({}), "no checkpoint of a known system; its format is .*, not one of glass"),
        (header({"__metadata__": {"format": "glass"}}), "it has no configuration"),
        (header({"__metadata__": {"format": "glass", "config": "[" * 100_000}}), "damaged"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "x"}}), "its step is not a number"),
        (header({"__metadata__": {"format": "glass", "config": '{"model": {"codes": 0}}', "step": "1"}}), "codes = 0 is outside"),
        (header({"__metadata__": {"format": "glass", "config": '{"wings": 2}', "step": "1"}}), "there is no field wings"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "1"}}), "'gma.* is missing"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "1", "data": "[]"}}), "the record of its data"),
        (header({"__metadata__": {"format": "glass", "config": "{}", "step": "1", "data": '{"world": "x"}'}}), "the record of its data"),
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
    metadata = {"format": "glass", "config": to_json(CONFIG.override(model={"codes": 4})), "step": "1"}
    save_file({name: tensor.contiguous() for name, tensor in model.state_dict().items()}, path, metadata)
    with pytest.raises(UserError, match=r"'lma.quantizer.vectors' is torch.float32 \(6, 16\), not torch.float32 \(4, 16\)"):
        load(path)


def test_a_huge_model_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "huge.safetensors"
    config = CONFIG.override(model={"mask_channels": 512, "local_channels": 512, "mask_blocks": 32})
    path.write_bytes(header({"__metadata__": {"format": "glass", "config": to_json(config), "step": "1"}}))
    with pytest.raises(UserError, match="damaged"):
        load(path)


def test_other_contents_of_torch_save(tmp_path: Path) -> None:
    path = tmp_path / "ckpt.pt"
    whole = {"format": "glass", "config": to_json(CONFIG), "model": {}}
    for values, message in (
        ([1, 2], "it holds a list"),
        ({"a": 1}, "its format is None"),
        ({**whole, "model": {"a": 1}}, "no weights under 'model'"),
        ({**whole, "notes": {"data": 3}}, "its notes are not text"),
    ):
        torch.save(values, path)
        with pytest.raises(UserError, match=message):
            load(path)


@pytest.mark.parametrize(
    "empty",
    [
        lambda weight: torch.empty_like(weight, device="meta"),
        lambda weight: weight.to_sparse(),
        lambda weight: torch.zeros(1, dtype=weight.dtype).expand(weight.shape),
    ],
    ids=["meta", "sparse", "expanded"],
)
def test_weights_that_hold_less_than_their_shape_says(model: GLASS, tmp_path: Path, empty: Callable[[Tensor], Tensor]) -> None:
    """They would take memory, or fail, where the model is used."""
    weights, name = model.state_dict(), "lma.quantizer.vectors"
    path = tmp_path / "less.pt"
    torch.save({"format": "glass", "config": to_json(CONFIG), "model": weights | {name: empty(weights[name])}}, path)
    with pytest.raises(UserError, match=r"damaged: 'lma.quantizer.vectors' holds less than its 96 numbers"):
        load(path)


def test_no_such_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        load(tmp_path / "no.safetensors")
    with pytest.raises(UserError, match="a folder, not a checkpoint"):
        load(tmp_path)
