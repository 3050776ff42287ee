"""Score files: the result of scoring one model, as typed values and as JSON."""

import json
import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wsprites.bench.metrics.interval import Score
from wsprites.errors import UserError

FORMAT, FORMAT_VERSION = "wsprites-scores", 1
INTERVAL = "95 %, percentiles of the bootstrap over clips"
_MAX_BYTES, _MAX_TEXT, _MAX_COUNT = 2**24, 4096, 2**53

_T = TypeVar("_T")


@dataclass(frozen=True)
class Entry:
    """A score of a model beside those of the baselines on the same data."""

    score: Score
    baselines: dict[str, float]
    """Value of each baseline that has this score; NaN where the data does not define it."""


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
    """Number of different characters by split."""


@dataclass(frozen=True)
class Settings:
    """How scores were computed."""

    draws: int
    """Number of bootstrap draws of an interval."""
    maps_fitted_on: str
    """Split that maps and probes are fitted on."""
    interval: str = INTERVAL
    weights: dict[str, str] = field(default_factory=dict)
    """SHA-256 by name of each file of weights for LPIPS, FID and FVD; empty without these."""
    torch: str = ""
    """Version of torch; empty without weights."""


@dataclass(frozen=True)
class Confusion:
    """Codes against the true actions of one source."""

    counts: tuple[tuple[int, ...], ...]
    """(K, L) contingency table of the scored clips."""
    matched: tuple[int, ...]
    """(K,) action of each code in the one-to-one map that was fitted on other clips; -1 for none."""


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

    def value(self, name: str) -> float:
        """The value of a score; NaN if the file has no such score or the data does not define it."""
        return self.scores[name].score.value if name in self.scores else math.nan

    def to_json(self) -> str:
        """The file's content; `from_json` reads it. NaN becomes null."""
        settings = {"interval": self.settings.interval, "draws": self.settings.draws, "maps_fitted_on": self.settings.maps_fitted_on}
        if self.settings.weights:
            settings |= {"weights": self.settings.weights, "torch": self.settings.torch}
        values = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "model": self.model,
            "data": vars(self.data),
            "config": settings,
            "versions": self.versions,
            "hardware": self.hardware,
            "seconds": self.seconds,
            "figures": {name: _entry_values(entry) for name, entry in sorted(self.scores.items())},
            "confusion": {source: vars(confusion) for source, confusion in self.confusion.items()},
        }
        return json.dumps(values, indent=1, allow_nan=False) + "\n"

    @staticmethod
    def from_json(text: str) -> "ScoreFile":
        """Parse a score file, which may come from an untrusted source: every key, type, size and range is checked.

        Raises:
            UserError: not a score file, or one of a newer version.
        """
        try:
            return _score_file(json.loads(text))
        except UserError:
            raise
        except (ValueError, RecursionError) as error:
            reason = str(error)[:200] or type(error).__name__
            raise UserError(f"not a score file ({reason}); `wsprites bench` writes one with the option for its output") from None


def write(path: Path, scores: ScoreFile) -> None:
    """Write a score file. Raises UserError if that is not possible."""
    write_text(path, scores.to_json())


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


def write_text(path: Path, text: str) -> None:
    """Write a text file under a temporary name and rename it, so that it is complete or not there. Raises UserError on failure."""
    target = Path(os.path.realpath(path))
    part = target.with_name(f".{target.name}.part")
    try:
        part.write_text(text, encoding="utf-8", errors="replace")
        part.replace(target)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    finally:
        part.unlink(missing_ok=True)


def _entry_values(entry: Entry) -> dict[str, object]:
    score = entry.score
    return {
        "value": _or_null(score.value),
        "low": _or_null(score.low),
        "high": _or_null(score.high),
        "unit": score.unit,
        "clips": score.clips,
        "controls": {name: _or_null(value) for name, value in entry.baselines.items()},
    }


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value


# Reading. Each function checks one JSON value and names its place in the message of a ValueError.


def _score_file(values: Any) -> ScoreFile:
    if not isinstance(values, dict) or values.get("format") != FORMAT:
        raise ValueError(f"its format is not {FORMAT}")
    version = values.get("format_version")
    if type(version) is not int or version > FORMAT_VERSION:
        raise UserError(f"a score file of version {version!r:.20}; this is wsprites for version {FORMAT_VERSION}, install a newer one")
    keys = ("format", "format_version", "model", "data", "config", "versions", "hardware", "seconds", "figures", "confusion")
    top = _object(values, "the file", keys)
    return ScoreFile(
        _text(top["model"], "model"),
        _data(top["data"]),
        _settings(top["config"]),
        _dict(top["versions"], "versions", _text),
        _text(top["hardware"], "hardware"),
        _number(top["seconds"], "seconds"),
        _dict(top["figures"], "figures", _entry),
        _dict(top["confusion"], "confusion", _confusion),
    )


def _data(value: Any) -> DataDescription:
    data = _object(value, "data", ("name", "sha256", "world", "frames", "clips", "characters"))
    name, sha256, world = (_text(data[key], f"data.{key}") for key in ("name", "sha256", "world"))
    clips, characters = (_dict(data[key], f"data.{key}", _count) for key in ("clips", "characters"))
    if clips.keys() != characters.keys():
        raise ValueError("data.clips and data.characters are of different splits")
    return DataDescription(name, sha256, world, _count(data["frames"], "data.frames"), clips, characters)


def _settings(value: Any) -> Settings:
    config = _object(value, "config", ("interval", "draws", "maps_fitted_on"), optional=("weights", "torch"))
    return Settings(
        _count(config["draws"], "config.draws"),
        _text(config["maps_fitted_on"], "config.maps_fitted_on"),
        _text(config["interval"], "config.interval"),
        _dict(config.get("weights", {}), "config.weights", _text),
        _text(config.get("torch", ""), "config.torch"),
    )


def _entry(value: Any, where: str) -> Entry:
    entry = _object(value, where, ("value", "low", "high", "unit", "clips", "controls"))
    point, low, high = (_number(entry[key], f"{where}.{key}") for key in ("value", "low", "high"))
    score = Score(point, low, high, _text(entry["unit"], f"{where}.unit"), _count(entry["clips"], f"{where}.clips"))
    return Entry(score, _dict(entry["controls"], f"{where}.controls", _number))


def _confusion(value: Any, where: str) -> Confusion:
    table = _object(value, where, ("counts", "matched"))
    counts = tuple(tuple(_list(row, f"{where}.counts", _count)) for row in _list(table["counts"], f"{where}.counts", _any))
    matched = tuple(_list(table["matched"], f"{where}.matched", _index))
    if len(matched) != len(counts) or len({len(row) for row in counts}) != 1:
        raise ValueError(f"{where}: expected one row and one matched action for each code")
    if any(action >= len(counts[0]) for action in matched):
        raise ValueError(f"{where}.matched: an action that counts has no column for")
    return Confusion(counts, matched)


def _object(value: Any, where: str, keys: Iterable[str], optional: Iterable[str] = ()) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not an object")
    required = set(keys)
    if missing := sorted(required - value.keys()):
        raise ValueError(f"{where} lacks {missing[0]}")
    if unknown := sorted(value.keys() - required - set(optional)):
        raise ValueError(f"{where} has an unknown key {unknown[0]!r:.60}")
    return value


def _dict(value: Any, where: str, check: Callable[[Any, str], _T]) -> dict[str, _T]:
    if not isinstance(value, dict):
        raise ValueError(f"{where} is not an object")
    return {_text(key, f"a key of {where}"): check(item, f"{where}.{key:.60}") for key, item in value.items()}


def _list(value: Any, where: str, check: Callable[[Any, str], _T]) -> list[_T]:
    if not isinstance(value, list) or not value:
        raise ValueError(f"{where} is not a list with entries")
    return [check(item, where) for item in value]


def _any(value: Any, _where: str) -> Any:
    return value


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or len(value) > _MAX_TEXT or not value.isprintable():
        raise ValueError(f"{where} is not a line of text")
    return value


def _count(value: Any, where: str) -> int:
    if type(value) is not int or not 0 <= value <= _MAX_COUNT:
        raise ValueError(f"{where} is not a count")
    return value


def _index(value: Any, where: str) -> int:
    return -1 if type(value) is int and value == -1 else _count(value, where)


def _number(value: Any, where: str) -> float:
    if value is None:
        return math.nan
    if type(value) not in (int, float) or not abs(value) <= _MAX_COUNT:  # false for NaN and infinity as well
        raise ValueError(f"{where} is not a number")
    return float(value)
