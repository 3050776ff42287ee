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
from benchmarks.leaderboard.record import CHECKPOINT, Training, sha256
from benchmarks.runs import Settings
from glass_model.systems import SYSTEMS, find
from glass_model.training.config import fields_of, load_config
from wsprites.bench.data import STANDARD_SEED, load_standard
from wsprites.errors import UserError
from wsprites.fields import from_json, to_json
from wsprites.generate import replace_file
from wsprites.weights import safetensors_metadata
from wsprites.world.spec import PRESETS, WorldSpec

_RESERVE = 0.05
"""Share of the time that is kept for the end: the last checkpoint, and what a system computes after training."""
FIRST = "first/checkpoint.safetensors"
"""What was trained first, from the folder of the training that uses it."""
_LATER = {"layered": frozenset({"model.margin", "model.carry"})}
"""Fields by system that the configurations of some runs were made without."""
MOST_LABELLED = 0.025
"""The largest share of clips with labels on the track `labels`."""
_LEAST = 60.0
"""Seconds that the end gets at least."""
_CLOCK = "train-clock.json"
"""How long the training of a run has taken, in its folder."""


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

    @property
    def first(self) -> "Plan | None":
        """The training whose result it uses; None for a system without one."""
        return replace(self, entry=self.entry.first) if self.entry.first else None

    def stages(self, folder: Path) -> list[tuple["Plan", Path]]:
        """The trainings that make it in a folder, one after the other, and the folder of each."""
        return [*(self.first.stages((folder / FIRST).parent) if self.first else []), (self, folder)]

    def command(self, folder: Path, steps: int | None = None) -> list[str]:
        """The arguments of `wsprites` that do this training alone, with other steps than planned."""
        changed = self.settings | ({} if steps is None else {"train.steps": str(steps)})
        values = [f"--set={key}={value}" for key, value in changed.items()]
        device = ["--device", "cuda" if BUDGETS[self.budget].gpu else "cpu"] if self.budget != "open" else []
        given, first = list[str](), folder / FIRST
        if self.first and self.first.entry.kind == "lam":
            given = ["--reader", str(first)]
            first = first.parent / FIRST  # the GMA in whose windows its codes were learned
        if self.first:
            given += ["--gma", str(first)]
        made = ["train", "--system", self.entry.kind, "--preset", self.entry.preset, *values, *given, "--stream", "--world", self.world]
        return [*made, *device, "--validate-every", "0", "--out", str(folder), "--resume"]


def configuration(text: str) -> Any:
    """The configuration that a config.json holds. Raises UserError unless it is a whole one of a known system."""
    for kind in SYSTEMS:
        try:
            config = from_json(next(iter(find(kind).PRESETS.values())), text)
        except (UserError, TypeError, RecursionError, MemoryError):
            continue
        whole, given = json.loads(to_json(config)), json.loads(text)
        missing = whole.keys() - given.keys()
        for group, values in whole.items():
            missing |= {f"{group}.{name}" for name in values.keys() - given.get(group, {}).keys()} if isinstance(values, dict) else set()
        if missing <= _LATER.get(kind, frozenset()):
            return config
    raise UserError("config.json is missing, or no configuration of a known system")


def numbers_of(config: Any) -> int:
    """Number of weights and buffers in the network of a configuration, which takes no memory."""
    import torch

    with torch.device("meta"):
        return sum(weight.numel() for weight in find(config.system).network(config).state_dict().values())


def least_track(config: Any) -> str:
    """The track of a training by what its configuration asks for: the first of TRACKS that allows it.

    Weights from elsewhere are not in a configuration; see `Saved.helped`.
    """
    fields = fields_of(config)
    labelled = any(field.endswith("_action") or field == "index" for field in fields)
    many = labelled and getattr(config.train, "labels", 1.0) > MOST_LABELLED
    return "oracle" if many else "labels" if labelled else "guided" if fields else "unsupervised"


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
        self._perceptual = metadata.get("perceptual", "").startswith("on")
        self._gma, self._reader = metadata.get("gma", ""), metadata.get("reader", "")
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

    @cached_property
    def first(self) -> "Saved | None":
        """The checkpoint of the GLASS or latent action model that it uses, if that was trained first beside it; None otherwise."""
        path, uses = self._path.parent / FIRST, self._reader or self._gma
        return Saved(path) if uses and path.is_file() and uses == f"sha256 {sha256(path)}" else None

    @property
    def chain(self) -> list["Saved"]:
        """The checkpoints of all trainings that made it, as far as they lie beside it, the last one first."""
        return [self, *(self.first.chain if self.first else [])]

    @cached_property
    def helped(self) -> bool:
        """Whether weights from elsewhere took part: of a perceptual loss, or of a GMA or reader that was not trained first in its world."""
        if self._perceptual or not (self._gma or self._reader):
            return self._perceptual
        if not (first := self.first) or first.helped or fields_of(first.config):
            return True
        same = (first.world, first.config.train.seed) == (self.world, self.config.train.seed)
        # With a reader, the GMA has to be the one that the reader learned with.
        return not (same and first.standard and first.complete and (not self._reader or self._gma == first._gma))

    @property
    def complete(self) -> bool:
        """Whether the last step was done."""
        return bool(self.step == self.config.train.steps)

    def is_of(self, plan: Plan) -> bool:
        """Whether it is of a plan, of whose steps it may have fewer. None of the plans uses weights from elsewhere."""
        if (self.first is None) != (plan.first is None) or (self.first and plan.first and not self.first.is_of(plan.first)):
            return False
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
    return Saved(folder / CHECKPOINT) if _is_trained(plan, folder / CHECKPOINT) else None


def _is_trained(plan: Plan, path: Path) -> bool:
    """Whether a checkpoint is that of a plan, after its last step."""
    try:
        saved = Saved(path)
    except UserError:
        return False
    return saved.complete and saved.is_of(plan)


def train(plan: Plan, folder: Path, lock: int, interrupted: Event) -> str:
    """Train a run until its steps are done or its time is over. Returns why that failed, in a line; the empty string if it succeeded.

    Raises:
        KeyboardInterrupt: `interrupted` was set.
    """
    out, log, limit = folder / "train", folder / "log.txt", BUDGETS[plan.budget].seconds
    try:
        for stage, at in plan.stages(out):
            if stage is not plan and _is_trained(stage, at / Path(CHECKPOINT).name):
                continue
            left = limit - max(_RESERVE * limit, _LEAST) - seconds(folder) if limit else math.inf
            if left <= 0:
                raise TimeoutError
            with _clock(folder):
                if (failure := runs.call(stage.command(at), log, lock, interrupted, seconds=left)) or stage is plan:
                    return failure
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
    """Time that the training of a run has taken so far: if it was killed, until its last checkpoint; 0 without one, as it begins anew.

    Raises:
        UserError: there is a checkpoint, such as one of another run, and nothing says how long its training took.
    """
    out = (folder / CHECKPOINT).parent
    if not any(out.rglob(f"{Path(CHECKPOINT).stem}.*")):
        return 0.0
    if not (folder / _CLOCK).exists():
        raise UserError(f"{out} has a checkpoint, but {_CLOCK} beside it is missing, which says how long that took; delete the folder")
    done, since = _read_clock(folder)
    if since is None:
        return done
    return done + max([0.0, *(path.stat().st_mtime - since for path in out.rglob(Path(CHECKPOINT).name))])


def _read_clock(folder: Path) -> tuple[float, float | None]:
    values = json.loads((folder / _CLOCK).read_text(encoding="utf-8"))
    return values["seconds"], values["since"]


@contextmanager
def _clock(folder: Path) -> Iterator[None]:
    """Add the time that something takes to that of the training."""
    path, done, since = folder / _CLOCK, seconds(folder), time.time()
    replace_file(path, json.dumps({"seconds": done, "since": since}).encode())
    begin = time.monotonic()
    try:
        yield
    finally:
        replace_file(path, json.dumps({"seconds": done + time.monotonic() - begin, "since": None}).encode())
