"""Options of pytest for the suite `wsprites.bench.test_scores`.

Every pytest loads this module where wsprites is installed, so it imports nothing else.
"""

from __future__ import annotations

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("wsprites", "scores of a model that learns actions from video")
    group.addoption("--wsprites-model", help="package.module:factory, a predictions file, a checkpoint, or the name of a trained model")
    group.addoption("--wsprites-baseline", help="a score file (wsprites bench --out) that the model has to reach")
    group.addoption("--wsprites-data", default="wsprites-paper-v1", help="a standard world or a data file  [wsprites-paper-v1]")
    group.addoption("--wsprites-clips", type=int, help="score only the first clips, as the baseline was")
    group.addoption("--wsprites-weights", help="a folder with weights for LPIPS, FID and FVD, if the baseline was made with them")
    group.addoption(
        "--wsprites-tolerance", type=float, default=0.02, help="allowed loss of a share  [0.02]; for other units 5 times that, relative"
    )
