"""Numbers of training that every system has, and presets with values replaced. Checked fields and JSON are those of `wsprites.fields`."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Protocol, TypeVar, runtime_checkable

from wsprites.errors import ArgumentError, nearest
from wsprites.fields import Checked, SpecError, build, number

if TYPE_CHECKING:
    from dataclasses import Field

    from _typeshed import DataclassInstance


@dataclass(frozen=True)
class TrainConfig(Checked):
    """Length of training, batches and learning rate. A system adds its schedules in a subclass. Steps count from 0."""

    steps: int = number(470_000, 1, 10**9)
    """Training steps."""
    batch: int = number(4, 2, 65536)
    """Sequences per step and process; BatchNorm needs at least two."""
    window: int = number(12, 2, 1000)
    """Frames per sequence."""
    skip: int = number(1, 1, 100)
    """Distance between two frames of a sequence in the data: 1 takes every frame, 4 every fourth."""
    rate: float = number(4e-4, 0.0, 1.0)
    """Learning rate."""
    weight_decay: float = number(1e-6, 0.0, 1.0)
    """Weight decay (L2) of the optimiser."""
    decay_step: int = number(300_000, 0, 10**9)
    """First step with the reduced learning rate."""
    decay: float = number(0.3, 0.0, 1.0)
    """Factor of the learning rate from `decay_step` on."""
    seed: int = number(0, 0, 2**62)
    """Seed for the initial weights, the order of the data, and all random draws of training."""

    @property
    def span(self) -> int:
        """Frames of the data from the first to the last frame of a sequence, both included."""
        return (self.window - 1) * self.skip + 1

    def rate_at(self, step: int) -> float:
        """Learning rate at a step."""
        return self.rate * (self.decay if step >= self.decay_step else 1.0)


def ramp(first: float, last: float, steps: int, at: int) -> float:
    """Linear interpolation from `first` at step 0 to `last` at step `steps`, constant before and after; 0 steps jump at once."""
    if at < 0:
        return first
    return last if at >= steps else first + (last - first) * at / steps


class FewLabels(NamedTuple):
    """Few labels, and how many windows of a batch have them."""

    share: float
    """Share of the clips that have labels, 0 to 1."""
    seed: int
    """Seed that draws these clips, and their windows."""
    windows: int
    """Windows of clips with labels in each batch of a process; the others are drawn from all clips."""


class Config(Protocol):
    """A configuration of a system: a frozen dataclass from which its network can be rebuilt."""

    __dataclass_fields__: "ClassVar[dict[str, Field[Any]]]"
    system: ClassVar[str]
    """Name of the system, as in `glass_model.systems.SYSTEMS`."""

    @property
    def name(self) -> str:
        """Name of the preset that it began with."""
        ...

    @property
    def train(self) -> TrainConfig:
        """Numbers of training."""
        ...


@runtime_checkable
class Guided(Protocol):
    """A configuration of a system that may learn from more than frames."""

    @property
    def fields(self) -> tuple[str, ...]:
        """Names of the arrays that batches have beside frames: labels of `wsprites.world.script`, `masks`, or those of `training.data`."""
        ...


@runtime_checkable
class FewLabelled(Protocol):
    """A configuration of a system that may learn from the labels of few clips."""

    @property
    def few_labels(self) -> FewLabels | None:
        """The clips with labels that windows of each batch are drawn from; None: from all alike."""
        ...


def fields_of(config: Config) -> tuple[str, ...]:
    """The arrays that a system learns from beside frames: none, unless its configuration says so."""
    return config.fields if isinstance(config, Guided) else ()


def few_labels_of(config: Config) -> FewLabels | None:
    """The clips with labels that windows of each batch are drawn from: None, unless its configuration says so."""
    return config.few_labels if isinstance(config, FewLabelled) else None


_Config = TypeVar("_Config", bound="DataclassInstance")


def load_config(presets: Mapping[str, _Config], preset: str, settings: Iterable[str] = ()) -> _Config:
    """A preset with some of its values replaced.

    Args:
        presets: the presets of a system, by name.
        preset: one of these names.
        settings: "group.field=value" each, such as "train.batch=8" or "model.direction=plain".

    Raises:
        ArgumentError: no such preset or field, a field that is given twice, or a value that is not possible.

    Example:
        >>> from glass_model.glass.config import PRESETS
        >>> load_config(PRESETS, "tiny", ["train.batch=8"]).train.batch
        8
    """
    if preset not in presets:
        raise ArgumentError("preset", f"{preset} is not one of {', '.join(presets)}{nearest(preset, presets)}")
    groups: dict[str, dict[str, Any]] = {}
    for setting in settings:
        key, equals, text = setting.partition("=")
        group, dot, name = key.partition(".")
        if not (equals and dot):
            raise ArgumentError("settings", f"{setting} is not of the form group.field=value, such as train.batch=8")
        if name in groups.setdefault(group, {}):
            raise ArgumentError("settings", f"{key} is given twice; give it once")
        groups[group][name] = _value(text)
    try:
        return build(presets[preset], groups)  # all at once: some values are possible only together
    except SpecError as error:
        raise ArgumentError("settings", str(error)) from None


def _value(text: str) -> Any:
    """A number or truth value in JSON notation, otherwise the text itself."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text
