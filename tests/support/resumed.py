"""Runs that are interrupted and resumed, compared with runs that are not."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch

from glass_model.training.checkpoint import state_path
from glass_model.training.device import Process
from glass_model.training.loop import train
from wsprites.weights import read_state

_ALONE = Process(0, 1, torch.device("cpu"))


@dataclass(frozen=True)
class Stop:
    """Presses Ctrl-C after a step."""

    at: int

    def __call__(self, step: int, metrics: dict[str, Any]) -> None:
        if step == self.at:
            raise KeyboardInterrupt


def check_resumed(config: Any, batches: Callable[[int], Iterator[Any]], stop: int, whole: Path, parts: Path) -> dict[str, Any]:
    """Train without an interruption, unless `whole` is there, and with one after a step: all that is kept is equal, bit for bit.

    That is what the network keeps, moving averages included, and what all optimisers do. Returns the state of the whole run.
    """
    if not whole.exists():
        train(config, batches, whole, _ALONE)
    with pytest.raises(KeyboardInterrupt):
        train(config, batches, parts, _ALONE, progress=Stop(stop))
    train(config, batches, parts, _ALONE, resume=True)
    ours, theirs = (read_state(state_path(out / "checkpoint.safetensors")) for out in (parts, whole))
    assert ours["model"].keys() == theirs["model"].keys() and all(
        torch.equal(ours["model"][name], theirs["model"][name]) for name in ours["model"]
    )
    for mine, other in zip(ours["optimizers"], theirs["optimizers"], strict=True):
        assert mine["state"].keys() == other["state"].keys() and other["state"]
        for key, moments in other["state"].items():
            assert mine["state"][key].keys() == moments.keys()
            assert all(torch.equal(mine["state"][key][name], moment) for name, moment in moments.items())
    return theirs
