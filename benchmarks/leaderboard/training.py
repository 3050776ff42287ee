"""The training of one run within its budget, resumed after an interruption, and what a checkpoint says of it."""

import json
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from threading import Event
from typing import Any

from benchmarks import runs
from benchmarks.leaderboard.entries import BUDGETS, Entry
from benchmarks.leaderboard.record import CHECKPOINT, Training
from benchmarks.runs import Settings
from glass_model.systems import find
from glass_model.training.config import load_config
from wsprites.bench.data import STANDARD_SEED, load_standard
from wsprites.errors import UserError
from wsprites.fields import from_json
from wsprites.generate import replace_file
from wsprites.weights import safetensors_metadata
from wsprites.world.spec import PRESETS, WorldSpec

_RESERVE = 0.05
"""Share of the time that is kept for the end: the last checkpoint, and what a system computes after training."""
_LEAST = 60.0
"""Seconds that the end gets at least."""


@dataclass(frozen=True)
class Plan:
    """One run that is to be made."""

    name: str
    entry: Entry
    world: str
    budget: str
    seed: int

    @property
    def settings(self) -> Settings:
        """What differs from the preset."""
        return self.entry.changes(self.budget) | {"train.seed": str(self.seed)}

    @property
    def config(self) -> Any:
        """The configuration. Raises ArgumentError for one that is not possible."""
        return load_config(find(self.entry.kind).PRESETS, self.entry.preset, [f"{key}={value}" for key, value in self.settings.items()])

    def command(self, folder: Path, steps: int | None = None) -> list[str]:
        """The arguments of `wsprites` that train it in a folder, with other steps than planned."""
        changed = self.settings | ({} if steps is None else {"train.steps": str(steps)})
        values = [f"--set={key}={value}" for key, value in changed.items()]
        device = ["--device", "cuda" if BUDGETS[self.budget].gpu else "cpu"] if self.budget != "open" else []
        made = ["train", "--system", self.entry.kind, "--preset", self.entry.preset, *values, "--stream", "--world", self.world]
        return [*made, *device, "--validate-every", "0", "--out", str(folder), "--resume"]


class Saved:
    """What a checkpoint says of its training, read without torch. Raises UserError if it is none of a known system."""

    def __init__(self, path: Path) -> None:
        metadata = safetensors_metadata(path) or {}
        try:
            self.kind, self.step = metadata["format"], int(metadata["step"])
            self.config: Any = from_json(next(iter(find(self.kind).PRESETS.values())), metadata["config"])
            data = json.loads(metadata["data"])
            world = WorldSpec.from_json(data["world"])
            self.world: str = world.name
            self._spec, self._source = world, (data["source"], data["art_sha256"], data["seed"])
        except (KeyError, TypeError, ValueError, RecursionError, MemoryError) as error:
            raise UserError(f"{path}: no checkpoint that says how it was trained ({error})") from None
        self.versions = metadata.get("versions", "")[:500]
        self.helped = metadata.get("perceptual", "").startswith("on") or "gma" in metadata
        """Whether weights from elsewhere took part."""
        self.json = json.dumps(json.loads(metadata["config"]), indent=1) + "\n"
        self._path = path

    @cached_property
    def standard(self) -> bool:
        """Whether it learned from clips rendered of the preset `world` itself, in the project's art, not of the published seed."""
        source, art, seed = self._source
        if self.world not in PRESETS or source != "stream" or seed == STANDARD_SEED:
            return False
        preset = load_standard(self.world)
        return bool(self._spec == preset.spec and art == preset.art.sha256)

    @property
    def complete(self) -> bool:
        """Whether the last step was done."""
        return bool(self.step == self.config.train.steps)

    def is_of(self, plan: Plan) -> bool:
        """Whether it is of a plan, of whose steps it may have fewer. None of the plans uses weights from elsewhere."""
        planned, train = plan.config, self.config.train
        same = replace(self.config, train=replace(train, steps=planned.train.steps)) == planned
        seen = self.standard and not self.helped and self.world == plan.world
        return bool(same and seen and train.steps <= planned.train.steps)

    def training(self, planned: int, seconds: float, machine: str) -> Training:
        """The record of the training."""
        train = self.config.train
        frames, numbers = self.step * train.batch * train.window, _numbers(self._path)
        return Training(self.step, planned, frames, numbers, round(seconds, 1), machine, self.versions)


def _numbers(path: Path) -> int:
    """Number of weights and buffers in a safetensors file."""
    with path.open("rb") as file:
        header = json.loads(file.read(int.from_bytes(file.read(8), "little")))
    return sum(math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__")


def trained(plan: Plan, folder: Path) -> Saved | None:
    """The checkpoint of a plan in the folder of its run, after its last step; None if there is none."""
    try:
        saved = Saved(folder / CHECKPOINT)
    except UserError:
        return None
    return saved if saved.complete and saved.is_of(plan) else None


def train(plan: Plan, folder: Path, lock: int, interrupted: Event) -> str:
    """Train a run until its steps are done or its time is over. Returns why that failed, in a line; the empty string if it succeeded.

    Raises:
        KeyboardInterrupt: `interrupted` was set.
    """
    out, log, limit = folder / "train", folder / "log.txt", BUDGETS[plan.budget].seconds
    left = math.inf
    if limit:
        left = limit - max(_RESERVE * limit, _LEAST) - seconds(folder)
    try:
        if left > 0:
            with _clock(folder):
                return runs.call(plan.command(out), log, lock, interrupted, seconds=left)
    except TimeoutError:
        pass
    # The time is over: one more step ends the training as its last step would have.
    try:
        done = Saved(folder / CHECKPOINT).step
    except UserError:
        return "its time was over before the first step"
    with _clock(folder):
        return runs.call(plan.command(out, steps=min(done + 1, plan.config.train.steps)), log, lock, interrupted)


# The time.


def seconds(folder: Path) -> float:
    """Time that the training of a run has taken so far. If it was killed, it counts until its last checkpoint."""
    done, since = _read_clock(folder)
    if since is None:
        return done
    checkpoint = folder / CHECKPOINT
    return done + (max(checkpoint.stat().st_mtime - since, 0.0) if checkpoint.exists() else 0.0)


def _read_clock(folder: Path) -> tuple[float, float | None]:
    path = folder / "train-clock.json"
    if not path.exists():
        return 0.0, None
    values = json.loads(path.read_text(encoding="utf-8"))
    return values["seconds"], values["since"]


@contextmanager
def _clock(folder: Path) -> Iterator[None]:
    """Add the time that something takes to that of the training."""
    path, done, since = folder / "train-clock.json", seconds(folder), time.time()
    replace_file(path, json.dumps({"seconds": done, "since": since}).encode())
    begin = time.monotonic()
    try:
        yield
    finally:
        replace_file(path, json.dumps({"seconds": done + time.monotonic() - begin, "since": None}).encode())
