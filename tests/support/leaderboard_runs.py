"""Folders of runs on the leaderboard, made by hand."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.leaderboard.entries import NONE
from benchmarks.leaderboard.record import CHECKPOINT, Record, Training, write_record
from wsprites.bench.scores import PROTOCOL, ScoreFile, write

BOARD = f"wsprites-factorial-v1/{PROTOCOL}"


def put(root: Path, record: Record, file: ScoreFile, success: dict[str, float] | None = None) -> Path:
    """A folder of a run, made by hand."""
    folder = root / record.path
    folder.mkdir(parents=True)
    name, _, protocol = record.board.partition("/")
    write(
        folder / "scores.json",
        replace(file, system=record.system, data=replace(file.data, name=name), settings=replace(file.settings, protocol=protocol)),
    )
    (folder / "log.txt").write_text("")
    if success:
        (folder / "task.json").write_text(json.dumps({"success": success}))
    if record.model == CHECKPOINT:
        (folder / "config.json").write_text(
            json.dumps({"train": {"steps": record.training.steps, "seed": record.seed, "batch": 2, "window": 3}})
        )
    write_record(folder, record)
    return folder


def record_of(system: str, track: str = "unsupervised", budget: str = "minutes", seed: int = 0, **more: Any) -> Record:
    """A record of a run, made by hand: ten steps more for every seed."""
    steps = 10 + 10 * seed
    training = Training(steps, 100, steps * 6, 1234, 600.0, "a machine") if budget != NONE else Training()
    words, model = f"what {system} is", CHECKPOINT if budget != NONE else "a:b"
    return Record(system, track, budget, BOARD, seed, words, model, evaluations=1, training=training, **more)
