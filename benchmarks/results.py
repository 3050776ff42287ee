"""What a study keeps of its runs: a small file each, with the configuration and the scores of its tables.

Such files stay when checkpoints go. So a study can be done in parts and on several machines, and its tables are made again from the files
alone.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wsprites.bench.scores import ScoreFile
from wsprites.errors import UserError
from wsprites.generate import replace_file

_FORMAT, _MAX_BYTES = "wsprites-study-result", 2**20
_TEXTS = ("world", "terms", "versions", "gma")


def world_of(metadata: Mapping[str, str]) -> str:
    """Name of the world of training, from the metadata of a checkpoint. Raises KeyError, TypeError or ValueError if it does not say it."""
    name: str = json.loads(json.loads(metadata["data"])["world"])["name"]
    return name


@dataclass(frozen=True)
class Result:
    """A training and the scores that a study keeps of it."""

    config: Mapping[str, Any]
    """The configuration, as the JSON of the checkpoint has it."""
    world: str
    """Name of the world of training."""
    terms: str
    """Whether there were perceptual terms, as the checkpoint says it."""
    versions: str
    """Versions of wsprites and torch that trained it."""
    gma: str
    """Hash of the checkpoint whose GMA it has; empty if it has its own."""
    scores: ScoreFile

    @staticmethod
    def of(metadata: Mapping[str, str], scores: ScoreFile, names: Collection[str]) -> "Result":
        """The result of a checkpoint with this metadata.

        Args:
            metadata: of the checkpoint.
            scores: of the checkpoint.
            names: the scores to keep.

        Raises:
            KeyError, ValueError: the checkpoint does not say what it is.
        """
        kept = {name: entry for name, entry in scores.scores.items() if name in names}
        small = replace(scores, model=scores.system, scores=kept, confusion={}, per_clip={}, reader={})
        terms, versions, gma = (metadata.get(name, "") for name in ("perceptual", "versions", "gma"))
        return Result(json.loads(metadata["config"]), world_of(metadata), terms, versions, gma, small)


def write_result(path: Path, result: Result) -> None:
    """Write a result, wholly or not at all. Raises OSError if that is not possible."""
    values = {"format": _FORMAT, **{name: getattr(result, name) for name in _TEXTS}, "config": dict(result.config)}
    values["scores"] = json.loads(result.scores.to_json())
    lines = (f'"{name}": {json.dumps(value)}' for name, value in values.items())  # a study has hundreds of such files
    replace_file(path, ("{\n" + ",\n".join(lines) + "\n}\n").encode())


def read_result(path: Path) -> Result:
    """Read a result. Raises UserError if the file cannot be read or is not one."""
    try:
        if path.stat().st_size > _MAX_BYTES:
            raise UserError(f"more than {_MAX_BYTES // 2**20} MiB, too large for the result of a run")
        values = json.loads(path.read_text(encoding="utf-8"))
        if values.pop("format") != _FORMAT or not isinstance(values["config"], dict):
            raise ValueError
        texts = {name: str(values[name]) for name in _TEXTS}
        return Result(config=values["config"], scores=ScoreFile.from_json(json.dumps(values["scores"])), **texts)
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from None
    except UserError as error:  # which names what is wrong with the scores, such as a newer version
        raise UserError(f"{path}: {error}") from None
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError):
        raise UserError(f"{path}: not the result of a run; delete it, and the run is done again") from None
