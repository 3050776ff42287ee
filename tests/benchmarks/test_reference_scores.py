"""The instrument against benchmarks/reference/scores.py, a second implementation of docs/scores.md that imports nothing of it."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest

from benchmarks.reference import probes as reference_probes
from benchmarks.reference.scores import all_scores
from wsprites.art import load_world
from wsprites.bench.data import STANDARD_WORLD, Data, from_file, load_standard, standard
from wsprites.bench.evaluation import evaluate
from wsprites.bench.metrics import probes
from wsprites.bench.metrics.interval import Score
from wsprites.bench.predictions import Predictions
from wsprites.generate import Order, generate
from wsprites.world.spec import PRESETS, CastSpec

FAST = {"STRENGTHS": (1e-2, 1.0), "FEATURES": (2,), "WIDTHS": (4, 8), "STEPS": 13, "SAMPLES": (40,), "FITTED": 150, "SCORED": 140}
"""Constants of probes that make both implementations fast."""


@pytest.fixture(scope="session")
def data_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips of few characters, so that several share one."""
    spec = dataclasses.replace(PRESETS["paper"], frames=14, height=72, width=84, cast=CastSpec(layers=("body", "hair"), counts=(6, 6)))
    path = tmp_path_factory.mktemp("reference") / "data.h5"
    generate(Order(load_world(spec), seed=3, n=150), path)
    return path


def predictions(data: Data, path: Path) -> Path:
    """A predictions file of a model that is sometimes wrong, in its own way for each array."""
    rng = np.random.default_rng(0)
    arrays = {"data": np.array(f"{data.name}@{data.sha256[:16]}"), "codes": np.array(12)}
    for part in data.parts:
        local, shape = part.sources().labels[1], (len(part), part.spec.frames - 1)
        codes = np.where(rng.random(shape) < 0.3, rng.integers(0, 10, shape), np.array([0, 1, 2, 3, 3, 4, 5, 6, 6])[local])
        masks = np.stack([part.clip(n).masks_thw for n in range(len(part))])
        soft = 0.8 * masks + 0.2 * rng.random(masks.shape, np.float32) * np.roll(masks, 2, 3)
        soft[:, 2], soft[:, 4] = 1 - masks[:, 2], 0  # inverted, empty
        arrays |= {
            f"{part.name}/codes": codes,
            f"{part.name}/vectors": (np.eye(9)[local] + rng.normal(0, 0.6, (*shape, 9))).astype(np.float32),
            f"{part.name}/shift": part.script.shift[:, 1:] + rng.normal(0, 2, (*shape, 2)),
            f"{part.name}/background_shift": np.round(part.script.background_shift[:, 1:] + rng.normal(0, 0.4, (*shape, 2))),
            f"{part.name}/masks": soft.astype(np.float16),
        }
    np.savez(path, **arrays)
    return path


def differences(got: dict[str, tuple[float, float, float]], expected: dict[str, Score]) -> list[str]:
    """The scores that differ, with value and interval of both."""
    wrong = []
    for name, score in expected.items():
        ours = (score.value, score.low, score.high)
        if name in got and not np.allclose(got[name], ours, rtol=0, atol=1e-6, equal_nan=True):
            wrong.append(f"{name}: instrument {ours}, reference {got[name]}")
    return wrong


def check(data: Data, file: Path, folder: Path) -> None:
    path = predictions(data, folder / "predictions.npz")
    got, expected = all_scores(path, file), evaluate(Predictions(path, data), data, "model").scores
    assert differences(got, expected) == []
    assert got.keys() == expected.keys()


def test_every_score_is_that_of_the_reference(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    for name, value in FAST.items():
        monkeypatch.setattr(probes, name, value)
        monkeypatch.setattr(reference_probes, name, value)
    monkeypatch.setattr(probes, "SHUFFLES", 1)  # of a floor, which the reference has none of
    check(from_file(data_file), data_file, tmp_path)


@pytest.mark.slow
def test_every_score_of_a_standard_world_is_that_of_the_reference(tmp_path: Path):
    labels = tmp_path / "labels.h5"
    generate(Order(load_standard("paper"), seed=20_220_822, n=10_000, frames=False), labels)
    check(standard(STANDARD_WORLD, clips=60), labels, tmp_path)
