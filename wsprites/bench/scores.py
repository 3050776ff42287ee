"""Score files: the result of scoring one model, as typed values and as JSON.

The JSON has the fields of the classes here by their names, but for those in _KEYS; NaN is null.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from types import UnionType
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.metrics import interval
from wsprites.bench.packed import Packed, packed
from wsprites.errors import UserError
from wsprites.generate import replace_file

FORMAT, FORMAT_VERSION = "wsprites-scores", 1
PROTOCOL, _FIRST_PROTOCOL = "bench-2", "bench-1"
"""Version of the definitions of all scores, and that of files that do not name one. Only scores of one version are compared."""
INTERVAL = "95 %, t with a jackknife over characters and scenes"
_MAX_BYTES, _MAX_TEXT, _MAX_NUMBER = 2**24, 4096, 2**53
_KEYS = {"settings": "config", "scores": "figures", "baselines": "controls"}
"""Fields that have another name in the JSON."""
_UNDEFINED = -128


@dataclass(frozen=True)
class Deviations:
    """Small numbers, exact to 1/254 of the largest."""

    largest: float
    """What 127 stands for."""
    small: Packed
    """(R,) i1; -128 for one that is not defined."""

    def __post_init__(self) -> None:
        if len(self.small.shape) != 1 or self.small.kind != "i1" or not math.isfinite(self.largest):
            raise ValueError("the replicates of a score are of no possible kind")

    def array(self) -> NDArray[np.float64]:
        """(R,)."""
        small = self.small.array().astype(np.float64)
        return np.where(small == _UNDEFINED, np.nan, small) * (self.largest / 127)


def _deviations(value_r: NDArray[np.float64]) -> Deviations:
    defined = np.isfinite(value_r)
    largest = float(np.abs(value_r[defined]).max(initial=0))
    small = np.where(defined, np.round(np.where(defined, value_r, 0) * (127 / (largest or 1))), _UNDEFINED)
    return Deviations(largest, packed(small, "i1"))


@dataclass(frozen=True)
class StoredReplicates:
    """`interval.Replicates` of a score as small numbers."""

    sizes: tuple[int, ...] = field(metadata={"low": 1})
    """Number of groups of each kind."""
    kinds: Deviations
    """Deviations of the replicates of each kind in turn from the score."""
    fit: Deviations | None = None
    """Deviations of the replicates with other fitted maps from their mean."""

    def __post_init__(self) -> None:
        if len(self.sizes) not in (1, 3) or sum(self.sizes) != self.kinds.small.shape[0]:
            raise ValueError("the replicates of a score are of no possible number")

    def around(self, value: float) -> interval.Replicates:
        """The replicates of the score with this value."""
        kinds = np.split(value + self.kinds.array(), np.cumsum(self.sizes)[:-1])
        return interval.Replicates(tuple(kinds), self.fit.array() if self.fit else None)


def stored_replicates(score: interval.Score) -> StoredReplicates | None:
    """The replicates of a score as a score file holds them; None without any."""
    if score.replicates is None:
        return None
    kinds, fit = score.replicates.kinds, score.replicates.fit
    middle = 0.0 if fit is None or np.isnan(fit).all() else float(np.nanmean(fit))
    return StoredReplicates(
        tuple(map(len, kinds)), _deviations(np.concatenate(kinds) - score.value), None if fit is None else _deviations(fit - middle)
    )


@dataclass(frozen=True)
class Entry:
    """A score of a model, as `Score`, beside those of the baselines on the same data."""

    value: float
    low: float
    high: float
    unit: str
    clips: int
    baselines: dict[str, float]
    """Value of each baseline that has this score; NaN where the data does not define it."""
    replicates: StoredReplicates | None = field(default=None, repr=False)
    """What a paired comparison needs; None for a score without an interval, and in files of bench-1."""
    runs: tuple[float, ...] = ()
    """The values of several runs of one system, whose median is `value`; empty for one run."""


@dataclass(frozen=True)
class DataDescription:
    """The data that a model was scored on."""

    name: str
    sha256: str
    """Hash of world, labels and art; scores are compared only where it is the same."""
    world: str
    frames: int
    """Frames per clip."""
    clips: dict[str, int]
    """Number of clips by split: the one that maps are fitted on, and the one that is scored."""
    characters: dict[str, int]
    """Number of different characters by split; empty for videos."""
    videos: dict[str, int] = field(default_factory=dict)
    """Number of videos, which have no labels, by split; empty for a world."""

    def __post_init__(self) -> None:
        if self.clips.keys() != (self.characters or self.videos).keys() or (self.characters and self.videos):
            raise ValueError("clips and characters of data are of different splits")


@dataclass(frozen=True)
class Settings:
    """How scores were computed."""

    interval: str
    """Kind of interval."""
    maps_fitted_on: str
    """Split that maps and probes are fitted on; empty for videos."""
    draws: int = 0
    """Number of bootstrap draws of an interval, in files of older versions; 0 for a jackknife."""
    weights: dict[str, str] = field(default_factory=dict)
    """SHA-256 by name of each file of weights for LPIPS, FID and FVD; empty without these."""
    torch: str = ""
    """Version of torch; empty without weights."""
    protocol: str = _FIRST_PROTOCOL
    """Version of the definitions of all scores, see PROTOCOL."""
    detections: str = ""
    """SHA-256 of the file that says where an object is in imported videos, or "breakout"; empty without."""
    rollout_actions: str = ""
    """"true": generated video was driven by the true actions, not by what the model infers; empty for all others."""


@dataclass(frozen=True)
class Confusion:
    """Codes against the true actions of one source. Raises ValueError unless the sizes of both tables are the same."""

    counts: tuple[tuple[int, ...], ...]
    """(K, L) contingency table of the scored clips."""
    matched: tuple[int, ...] = field(metadata={"low": -1})
    """(K,) action of each code in the one-to-one map that was fitted on other clips; -1 for none."""

    def __post_init__(self) -> None:
        labels = {len(row) for row in self.counts}
        if len(self.matched) != len(self.counts) or len(labels) != 1 or max(self.matched) >= max(labels):
            raise ValueError("counts and matched of confusion are not of one size")


@dataclass(frozen=True)
class Hashes:
    """SHA-256 of what made the scores, beside that of the data."""

    model: str
    """That of the file named below; empty if it is not known."""
    model_file: str
    """The checkpoint or predictions file; for a factory, the source of its module, which may read other files."""
    code: str
    """That of the source of the benchmark."""


@dataclass(frozen=True)
class ScoreFile:
    """All scores of one model on one data set, with everything that is needed to compare them."""

    model: str
    data: DataDescription
    settings: Settings
    versions: dict[str, str]
    """Versions of Python and of the libraries that decide about scores."""
    hardware: str
    """Name of the processor."""
    seconds: float
    """Time that scoring took."""
    scores: dict[str, Entry]
    """By name, such as `local.matched_accuracy`."""
    confusion: dict[str, Confusion]
    """By source: `global`, `local`, `background`; empty for a model without codes."""
    not_scored: dict[str, str] = field(default_factory=dict)
    """Why scores of data without labels are missing, by the beginning of their names."""
    hashes: Hashes | None = None
    """None in files of bench-1."""
    system: str = ""
    """Name of the system that the model is a run of; runs of one system become one row of a table."""
    per_clip: dict[str, Packed] = field(default_factory=dict)
    """What the model inferred from each clip, see provenance.py; a sample of it can be inferred again. Empty for large data and videos."""
    reader: dict[str, float] = field(default_factory=dict)
    """What the instrument that reads generated video can read on these data, by name (`reading.values`); empty without generated video."""

    def __repr__(self) -> str:
        return f"<ScoreFile of {self.model} on {self.data.name}: {len(self.scores)} scores>"

    def value(self, name: str) -> float:
        """The value of a score; NaN if the file has no such score or the data does not define it."""
        return self.scores[name].value if name in self.scores else math.nan

    def to_json(self) -> str:
        """The file's content, which `from_json` reads."""
        return json.dumps({"format": FORMAT, "format_version": FORMAT_VERSION, **_encoded(self)}, indent=1, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "ScoreFile":
        """Parse a score file, which may come from an untrusted source: every key, type, size and range is checked.

        Raises:
            UserError: not a score file, or one of a newer version.
        """
        try:
            values = json.loads(text)
            if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
                raise ValueError(f"its format is not {FORMAT}")
            version = values.pop("format_version", None)
            if type(version) is int and version > FORMAT_VERSION:
                raise UserError(f"a score file of version {version!r:.20}; this wsprites reads {FORMAT_VERSION}; install a newer one")
            if type(version) is not int:
                raise ValueError("it has no version")
            file: ScoreFile = _decoded(ScoreFile, values, "the file", {})
        except UserError:
            raise
        except (ValueError, RecursionError) as error:
            reason = str(error)[:200] or type(error).__name__
            raise UserError(f"not a score file ({reason}); `wsprites bench` writes one with the option for its output") from None
        return file


def write(path: Path, scores: ScoreFile) -> None:
    """Write a score file, wholly or not at all. Raises OSError if that is not possible."""
    replace_file(path, scores.to_json().encode("utf-8", errors="replace"))


def read(path: Path) -> ScoreFile:
    """Read a score file. Raises UserError if the file cannot be read, is not a score file or is of a newer version."""
    try:
        with path.open("rb") as file:
            content = file.read(_MAX_BYTES + 1)
        if len(content) > _MAX_BYTES:
            raise UserError(f"more than {_MAX_BYTES // 2**20} MiB, too large for a score file")
        return ScoreFile.from_json(content.decode("utf-8", "replace"))
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def _encoded(value: Any) -> Any:
    """A field as JSON values. Fields that have their default are left out."""
    if is_dataclass(value):
        present = ((f, getattr(value, f.name)) for f in fields(value))
        return {_KEYS.get(f.name, f.name): _encoded(item) for f, item in present if not _optional(f) or item != _default(f)}
    if isinstance(value, dict):
        return {key: _encoded(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [_encoded(item) for item in value]
    return None if isinstance(value, float) and math.isnan(value) else value


def _optional(f: Any) -> bool:
    return f.default is not MISSING or f.default_factory is not MISSING


def _default(f: Any) -> Any:
    return f.default if f.default is not MISSING else f.default_factory()


def _decoded(kind: Any, value: Any, where: str, limits: Mapping[str, int]) -> Any:
    """A JSON value as a field of some type. Raises ValueError, which names the place, unless it is one.

    Args:
        limits: "low", the least integer that is possible, and "most", the length of a text.
    """
    if get_origin(kind) is UnionType:  # with None, which stands for a key that is missing
        kind = get_args(kind)[0]
    if isinstance(kind, type) and is_dataclass(kind):
        types, by_key = get_type_hints(kind), {_KEYS.get(f.name, f.name): f for f in fields(kind)}
        required = {key for key, f in by_key.items() if not _optional(f)}
        if not isinstance(value, dict) or not required <= value.keys() <= by_key.keys():
            raise ValueError(f"{where:.60} is not an object with the keys {', '.join(by_key)}")
        given = {by_key[key]: item for key, item in value.items()}
        return kind(**{f.name: _decoded(types[f.name], item, f.name, f.metadata) for f, item in given.items()})
    if get_origin(kind) is dict and isinstance(value, dict):
        return {_decoded(str, key, where, {}): _decoded(get_args(kind)[1], item, key, {}) for key, item in value.items()}
    if get_origin(kind) is tuple and isinstance(value, list) and value:
        return tuple(_decoded(get_args(kind)[0], item, where, limits) for item in value)
    if kind is str and isinstance(value, str) and len(value) <= limits.get("most", _MAX_TEXT) and value.isprintable():
        return value
    if kind is int and type(value) is int and limits.get("low", 0) <= value <= _MAX_NUMBER:
        return value
    if kind is float and value is None:
        return math.nan
    if kind is float and type(value) in (int, float) and abs(value) < math.inf:  # false for NaN as well
        return float(value)
    raise ValueError(f"{where:.60} is not {'a line of text' if kind is str else 'a number' if kind in (int, float) else 'a table'}")
