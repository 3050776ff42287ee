"""What determines the bytes of a file: stored as its attributes, checked when read, and compared before anything is resumed or merged."""

import datetime
import json
import operator
import reprlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

import cv2
import h5py
import hdf5plugin
import numpy as np
import PIL
import zstandard

from wsprites import version
from wsprites.art.credits import Credits
from wsprites.errors import ArgumentError
from wsprites.fields import from_json, to_json
from wsprites.file.chunks import ChunkRules
from wsprites.file.codecs import CODECS
from wsprites.world.script import shard_clips
from wsprites.world.spec import WorldSpec

_Value = TypeVar("_Value")
Attributes = dict[str, str | int]
"""Attributes of an HDF5 file, in the order in which they are written."""

FORMAT, FORMAT_VERSION, RECORDED_VERSION = "wsprites", 1, 2
"""The format, its version, and the version of files of recorded episodes, which readers of version 1 would take for generated clips."""
PIXELS = ("frames", "masks")
"""Names of the arrays of pixels."""
_MOST_CHARACTERS = 100  # of the name of a policy or of a driver


def versions() -> dict[str, str]:
    """Versions of the packages that determine the bytes of a file."""
    return {
        "wsprites": version.__version__,
        "numpy": np.__version__,
        "opencv": cv2.__version__,
        "pillow": PIL.__version__,
        "h5py": h5py.__version__,
        "hdf5": h5py.version.hdf5_version,
        "hdf5plugin": hdf5plugin.version,
        "zstandard": zstandard.__version__,
    }


@dataclass(frozen=True)
class Driver:
    """Who chose the actions of recorded episodes. Nothing is filled in from the computer: no user name, no date.

    Raises:
        ArgumentError: a text is not one printable line, or `date` is no date.

    Example:
        >>> Driver("human", name="Ada", date="2026-11-26").words
        'human (Ada), 2026-11-26'
    """

    policy: str
    """What kind of policy it was, such as "human" or "random", 1 to 100 characters."""
    name: str = ""
    """A name of who or what drove, up to 100 characters; may be empty."""
    date: str = ""
    """The day, as YYYY-MM-DD; may be empty."""

    def __post_init__(self) -> None:
        for argument, value in (("policy", self.policy), ("driver", self.name)):
            if not isinstance(value, str) or not value.isprintable() or len(value) > _MOST_CHARACTERS:
                raise ArgumentError(argument, f"{value!r:.40} is not one line of up to {_MOST_CHARACTERS} printable characters")
        if not self.policy.strip():
            raise ArgumentError("policy", "empty; say what chose the actions, such as 'human'")
        if self.date != "":
            try:
                valid = datetime.date.fromisoformat(self.date).isoformat() == self.date
            except (TypeError, ValueError):
                valid = False
            if not valid:
                raise ArgumentError("date", f"{self.date!r:.40} is not a date of the form YYYY-MM-DD")

    @property
    def words(self) -> str:
        """Policy, name and date in one line."""
        return self.policy + (f" ({self.name})" if self.name else "") + (f", {self.date}" if self.date else "")


@dataclass(frozen=True)
class Facts:
    """Everything that determines the bytes of a data file.

    Raises:
        ValueError: a value is outside its range.
    """

    world: WorldSpec
    """Specification of the world."""
    seed: int
    """Seed for all random draws, 0 to 2**63 - 1; of recorded episodes, that of the data set whose clips they begin like."""
    clips: int
    """Number of clips of the whole data set."""
    shard: tuple[int, int]
    """(k, K): the file is the k-th of K that together hold the data set."""
    pixels: tuple[str, ...]
    """Stored arrays of pixels: none, ("frames",) or ("frames", "masks")."""
    compression: str
    """Name of a codec."""
    credits: Credits
    """Licence and authors of the art."""
    art_sha256: str
    """Hash of the art, `Art.sha256`."""
    versions: dict[str, str] = field(default_factory=versions)
    """Versions of the packages that wrote the file."""
    format_version: int = FORMAT_VERSION
    """Version of the file format."""
    driver: Driver | None = None
    """Who chose the actions; None: nobody, the clips are generated."""

    def __post_init__(self) -> None:
        number, shards = self.shard
        if not 0 <= self.seed < 2**63 or self.clips < 1 or not 1 <= number <= shards <= self.clips:
            raise ValueError(f"seed {self.seed}, {self.clips} clips and shard {number}/{shards} are not possible")
        if self.compression not in CODECS:
            raise ValueError(f"compression {self.compression!r} is not one of {', '.join(CODECS)}")
        if self.pixels not in ((), PIXELS[:1], PIXELS):
            raise ValueError(f"pixels {' '.join(self.pixels)!r} are not 'frames', 'frames masks' or nothing")
        if (self.driver is not None) != (self.format_version >= RECORDED_VERSION) or (self.driver and self.shard != (1, 1)):
            raise ValueError(f"format {self.format_version}, driver {self.driver} and shard {number}/{shards} do not go together")

    @property
    def indices(self) -> range:
        """Indices, in the whole data set, of the clips in the file."""
        return shard_clips(self.clips, self.shard)

    def attributes(self) -> Attributes:
        """The attributes that the file stores."""
        return {
            "format": FORMAT,
            "format_version": self.format_version,
            "world": self.world.to_json(),
            "seed": self.seed,
            "clips": self.clips,
            "shard": "/".join(map(str, self.shard)),
            "pixels": " ".join(self.pixels),
            "compression": self.compression,
            "art_licence": self.credits.licence,
            "attribution": self.credits.attribution,
            "art_sha256": self.art_sha256,
            "versions": json.dumps(self.versions),
            **({"policy": self.driver.policy, "driver": self.driver.name, "date": self.driver.date} if self.driver else {}),
        }

    def nested(self) -> dict[str, object]:
        """The attributes with the world and the versions as nested dictionaries, to be stored as JSON."""
        return _nested(self.attributes())

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, object]) -> "Facts":
        """The facts that `attributes()` described, or the attributes of a file. Raises ValueError if one is missing or not possible."""
        return cls(
            world=WorldSpec.from_json(parsed(attributes, "world", text)),
            seed=parsed(attributes, "seed", integer),
            clips=parsed(attributes, "clips", integer),
            shard=parsed(attributes, "shard", _shard),
            pixels=tuple(parsed(attributes, "pixels", text).split()),
            compression=parsed(attributes, "compression", text),
            credits=Credits(parsed(attributes, "art_licence", text), parsed(attributes, "attribution", text)),
            art_sha256=parsed(attributes, "art_sha256", text),
            versions=parsed(attributes, "versions", version_table),
            format_version=(version := parsed(attributes, "format_version", integer)),
            driver=_driver(attributes) if version >= RECORDED_VERSION else None,
        )


@dataclass(frozen=True)
class VideoFacts:
    """Everything that describes a file of imported videos as a whole."""

    splits: str
    """How the videos were divided into splits, in words."""
    skip: int
    """Number of frames left out after each frame."""
    compression: str = "zstd"
    """Name of a codec."""
    fps: float | None = None
    """Frames per second to which the videos were resampled; None if they were not."""
    versions: dict[str, str] = field(default_factory=versions)
    """Versions of the packages that wrote the file."""
    chunks: ChunkRules | None = None
    """The rules by which chunks of people were cut out of the videos; None if they were not."""

    def attributes(self) -> Attributes:
        """The attributes that the file stores."""
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "source": "videos",
            "splits": self.splits,
            "skip": self.skip,
            **({} if self.fps is None else {"fps": str(self.fps)}),
            **({} if self.chunks is None else {"chunks": to_json(self.chunks)}),
            "pixels": "frames",
            "compression": self.compression,
            "versions": json.dumps(self.versions),
        }

    @classmethod
    def from_attributes(cls, attributes: Mapping[str, object]) -> "VideoFacts":
        """The facts that `attributes()` described. Raises ValueError if one is missing or not possible."""
        if parsed(attributes, "source", text) != "videos":
            raise ValueError("the attribute 'source' is not 'videos'")
        return cls(
            splits=parsed(attributes, "splits", text),
            skip=parsed(attributes, "skip", integer),
            compression=parsed(attributes, "compression", text),
            fps=parsed(attributes, "fps", lambda value: float(text(value))) if "fps" in attributes else None,
            versions=parsed(attributes, "versions", version_table),
            chunks=parsed(attributes, "chunks", lambda value: from_json(ChunkRules(), text(value))) if "chunks" in attributes else None,
        )


def differences(actual: Facts | VideoFacts, expected: Facts | VideoFacts) -> str:
    """The differences between two files' facts, readable; the empty string if there are none.

    Example:
        >>> differences(VideoFacts("by folder", 0), VideoFacts("by folder", 1))
        'skip is 0, not 1'
    """
    return ", ".join(_differences(_nested(actual.attributes()), _nested(expected.attributes())))


def version_differences(actual: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """The differences between two tables of `versions`, readable; the empty string if there are none."""
    return ", ".join(_differences(actual, expected))


def _nested(attributes: Attributes) -> dict[str, object]:
    return {name: json.loads(str(value)) if name in ("world", "versions", "chunks") else value for name, value in attributes.items()}


def _differences(actual: Mapping[str, object], expected: Mapping[str, object], prefix: str = "") -> Iterator[str]:
    for name in {**actual, **expected}:
        a, b = actual.get(name), expected.get(name)
        if isinstance(a, dict) and isinstance(b, dict):
            yield from _differences(a, b, f"{prefix}{name}.")
        elif a != b:
            yield f"{prefix}{name} is {reprlib.repr(a)}, not {reprlib.repr(b)}"


def parsed(attributes: Mapping[str, object], name: str, parse: Callable[[object], _Value]) -> _Value:
    """An attribute, parsed. Raises ValueError, which names it, if it is missing or cannot be parsed."""
    try:
        return parse(attributes[name])
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise ValueError(f"the attribute '{name}' is missing or its value is not possible") from None


def text(value: object) -> str:
    """A text attribute. Raises TypeError if it is something else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is not text")
    return value


def integer(value: object) -> int:
    """An integer attribute. Raises TypeError if it is something else."""
    return operator.index(value)  # type: ignore[arg-type]


def version_table(value: object) -> dict[str, str]:
    """An attribute that holds versions by name, as JSON."""
    return {str(name): str(version) for name, version in json.loads(text(value)).items()}


def _driver(attributes: Mapping[str, object]) -> Driver:
    try:
        return Driver(*(parsed(attributes, name, text) for name in ("policy", "driver", "date")))
    except ArgumentError as error:
        raise ValueError(f"the attribute '{error.argument}' is not possible: {error.problem}") from None


def _shard(value: object) -> tuple[int, int]:
    number, shards = map(int, text(value).split("/"))
    return number, shards
