"""Speed of each stage: `pytest benchmarks/speed`. Rates are in the column of extra info; table.py prints them side by side."""

from pathlib import Path
from typing import Any

import pytest
from stages import OTHERS, PARTS, READS, clean, whole

STAGES = PARTS | whole() | READS | OTHERS


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("speed")


@pytest.mark.parametrize("name", STAGES)
def test_stage(benchmark: Any, folder: Path, name: str) -> None:
    run, frames = STAGES[name](folder)
    benchmark.pedantic(run, setup=lambda: clean(folder), rounds=3, warmup_rounds=1)
    benchmark.extra_info["frames_per_s"] = round(frames / benchmark.stats.stats.median)
