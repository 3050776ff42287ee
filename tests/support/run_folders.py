"""Folders of runs of the leaderboard, made by hand."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.leaderboard import check
from benchmarks.leaderboard.entries import ENTRIES, NONE
from benchmarks.leaderboard.rates import COUNTS, SHARED
from benchmarks.leaderboard.record import CHECKPOINT, Record, Training, read_record, write_record
from benchmarks.leaderboard.training import Plan
from wsprites.bench.scores import PROTOCOL, Hashes, ScoreFile, write
from wsprites.fields import to_json

BOARD = f"wsprites-factorial-v1/{PROTOCOL}"
TINY = Plan("lam-tiny", ENTRIES["lam-tiny"], "factorial", "minutes", 0)
PARAMETERS = 709_278
"""Those of lam-tiny."""


def record_of(system: str, track: str = "unsupervised", budget: str = "minutes", seed: int = 0, **more: Any) -> Record:
    """A record of a run of few steps, of batches of 2 windows of 3 frames."""
    steps = 10 + 10 * seed
    training = Training(steps, 100, steps * 6, PARAMETERS, 600.0, "a processor, 2 of 2 cores") if budget != NONE else Training()
    words, model = f"what {system} is", CHECKPOINT if budget != NONE else "a:b"
    return Record(system, track, budget, BOARD, seed, words, model, evaluations=1, training=training, **more)


def put(root: Path, record: Record, file: ScoreFile, success: dict[str, float] | None = None) -> Path:
    """The folder of a run.

    Args:
        success: results of the task; by default complete ones, of a model that succeeds half the time.
    """
    folder = root / record.path
    folder.mkdir(parents=True)
    name, _, protocol = record.board.partition("/")
    made_from = file.hashes or Hashes(hashlib.sha256(str(record.path).encode()).hexdigest(), "x", "0" * 64)
    file = replace(file, system=record.system, hashes=made_from, data=replace(file.data, name=name))
    write(folder / "scores.json", replace(file, settings=replace(file.settings, protocol=protocol)))
    (folder / "log.txt").write_text("")
    (folder / "task.json").write_text(json.dumps({"success": success} if success else task_of(made_from.model)))
    if record.model == CHECKPOINT:
        (folder / "config.json").write_text(config_of(record.training.steps, record.seed))
    write_record(folder, record)
    return folder


def task_of(model: str) -> dict[str, Any]:
    """What task.json says of a model."""
    draws = {name: [0.5] * count for name, count in COUNTS.items()} | {name: [*of] for name, of in SHARED["marker-1", "factorial"].items()}
    success = {name: round(fmean(of), 4) for name, of in draws.items()}
    return {"task": "marker-1", "world": "factorial", "model": model, "success": success, "draws": draws}


def config_of(steps: int, seed: int, **train: object) -> str:
    """A config.json of a latent action model."""
    values: dict[str, Any] = {"steps": steps, "seed": seed, "batch": 2, "window": 3, **train}
    return to_json(TINY.config.override(train=values))


def again(folder: Path, **changes: Any) -> None:
    """Write a record again, and the hashes of all files."""
    write_record(folder, replace(read_record(folder), **changes))


def edit(folder: Path, name: str, change: Any) -> None:
    """Change the values of a file of a folder, and its hash."""
    values = json.loads((folder / name).read_text())
    change(values)
    (folder / name).write_text(json.dumps(values))
    again(folder)


def wrong(folder: Path) -> list[str]:
    """What a check of files and hashes alone finds."""
    return [finding.text for finding in check.findings(folder, sample=False) if not finding.fine]
