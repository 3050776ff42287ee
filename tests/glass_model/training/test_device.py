"""Devices, and what makes them faster."""

import pytest
import torch

from glass_model.training.device import Process, Speed, join
from wsprites.errors import ArgumentError


@pytest.mark.parametrize("name", ["abacus", "meta"])
def test_no_such_device(name: str) -> None:
    with pytest.raises(ArgumentError, match=f"device: {name}") as error:
        join(name)
    assert error.value.argument == "device" and "\n" not in str(error.value)


def test_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    assert join("cpu") == Process(0, 1, torch.device("cpu")) and join("cpu").leads


def test_precise_runs_have_no_option() -> None:
    for device in ("cpu", "cuda"):
        assert Speed.of(torch.device(device), precise=True) == Speed()
    assert Speed.of(torch.device("cuda"), precise=False) == Speed(True, True, True, True, True)
    assert Speed.of(torch.device("cpu"), precise=False) == Speed(channels_last=True, fused=True)
