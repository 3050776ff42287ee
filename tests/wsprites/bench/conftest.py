"""A few clips of the standard world, and what a model that knows everything gets on them with quick settings."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from bench_models import CLIPS, Seer

from wsprites.bench import data, rollouts
from wsprites.bench import evaluation as evaluate_module
from wsprites.bench.evaluation import Evaluation, clips_to_do, evaluate
from wsprites.bench.metrics import probes


@contextmanager
def _quick_settings() -> Iterator[None]:
    """Smaller probes, fewer starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(probes, "FITTED", 600)
        patch.setattr(probes, "SCORED", 500)
        patch.setattr(probes, "STEPS", 120)
        patch.setattr(probes, "SHUFFLES", 3)
        patch.setattr(probes, "WIDTHS", (4, 64))
        patch.setattr(probes, "CAPACITY", ("linear", "mlp_4", "mlp_64"))
        patch.setattr(probes, "KINDS", ("linear", "mlp_4", "mlp_64", "mlp"))
        patch.setattr(rollouts, "STARTS", 4)
        yield


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    with _quick_settings():
        yield


@pytest.fixture(scope="module")
def without_probes() -> Iterator[None]:
    """No scores of probes, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "Probing", lambda _: None)
        patch.setattr(evaluate_module, "leakage_scores", lambda *_: {})
        yield


@pytest.fixture(scope="session")
def few() -> data.Data:
    return data.standard("wsprites-paper-v1", clips=CLIPS)


@pytest.fixture(scope="session")
def seen(few: data.Data) -> Evaluation:
    """The scores of the model that knows everything."""
    told: list[int] = []
    model = Seer(few)
    with _quick_settings():
        evaluation = evaluate(model, few, "seer", progress=told.append)
        assert sum(told) == clips_to_do(model, few)
    return evaluation
