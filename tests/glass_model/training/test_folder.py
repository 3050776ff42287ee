"""The folder of a run: what is kept, dropped and refused, and who writes."""

import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from samples import full_disk

from glass_model.training.folder import RunFolder
from wsprites.errors import ArgumentError


def test_lines_after_the_checkpoint_are_dropped(tmp_path: Path) -> None:
    """Those of later steps, and lines that were cut off; the first line stays."""
    log = tmp_path / "metrics.jsonl"
    log.write_text('{"run": 1}\n{"step": 2}\n{"step": 4}\n{"step": 2, "a": {"b": 1}\n{"ste')
    folder = RunFolder(tmp_path, leads=True, resume=True)
    folder.open(2, {"run": 2}, tensorboard=False)
    folder.log(3, {"step": 3})
    assert [json.loads(line) for line in log.read_text().splitlines()] == [{"run": 1}, {"step": 2}, {"step": 3}]
    folder.open(0, {"run": 3}, tensorboard=False)
    assert log.read_text() == '{"run": 3}\n'


def test_a_folder_with_a_run(tmp_path: Path) -> None:
    assert not RunFolder(tmp_path, leads=True, resume=True).resumes
    (tmp_path / "checkpoint.state.pt").touch()
    assert RunFolder(tmp_path, leads=True, resume=True).resumes
    with pytest.raises(ArgumentError, match=r"out: .* holds a run already; pass resume=True"):
        RunFolder(tmp_path, leads=True, resume=False)


def test_a_full_disk_names_the_log_and_leaves_whole_lines(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path, leads=True, resume=False)
    folder.open(0, {"run": {"nested": 1}}, tensorboard=False)
    before = folder._log.read_bytes()
    with full_disk(len(before) + 5), pytest.raises(OSError, match=r"metrics.jsonl: writing failed \(File too large|No space"):
        folder.log(1, {"step": 1, "loss": 0.5})
    assert folder._log.read_bytes() == before


def test_numbers_are_written_for_tensorboard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Board:
        written: ClassVar[list[tuple[str, float, int]]] = []

        def add_scalar(self, *scalar: Any) -> None:
            self.written.append(scalar)

    monkeypatch.setattr("glass_model.training.folder._writer", lambda: lambda out: Board())
    folder = RunFolder(tmp_path, leads=True, resume=False)
    folder.open(0, {"run": 1}, tensorboard=True)
    folder.log(50, {"step": 50, "loss": 0.5, "val_codes_used": 4, "nonfinite": {"loss": 1}})
    assert Board.written == [("loss", 0.5, 50), ("val_codes_used", 4, 50)]


def test_a_file_is_no_folder(tmp_path: Path) -> None:
    (tmp_path / "run").touch()
    with pytest.raises(ArgumentError, match=r"out: .*run is no folder; name another one"):
        RunFolder(tmp_path / "run", leads=True, resume=True)


def test_only_the_leading_process_writes(tmp_path: Path) -> None:
    out = tmp_path / "run"
    folder = RunFolder(out, leads=False, resume=False)
    folder.open(0, {"run": 1}, tensorboard=True)
    folder.log(1, {"step": 1})
    folder.strip(1, np.zeros((4, 4, 3), np.uint8))
    folder.close()
    assert not out.exists()
