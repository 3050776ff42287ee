"""A few clips of the standard world, and what a model that knows everything gets on them with quick settings."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

import pytest
from bench_models import CLIPS, Seer

from wsprites.bench import data, latents, rollouts
from wsprites.bench import evaluation as evaluate_module
from wsprites.bench.evaluation import Evaluation, clips_to_do, evaluate
from wsprites.bench.metrics import probes

_standard = cache(data.standard)
_probing = cache(latents.Probing)


def _same_standard(name: str, *, clips: int | None = None, seed: int | None = None) -> data.Data:
    """The same object each time, so that what does not depend on a model is computed once."""
    return _standard(name, clips=clips, seed=seed)


@contextmanager
def _quick_settings() -> Iterator[None]:
    """Smaller probes, fewer starts; tests that name a standard world share its data."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(data, "standard", _same_standard)
        patch.setattr(evaluate_module, "probing_of", _probing)
        patch.setattr(latents, "REFITS", 2)
        patch.setattr(probes, "STRENGTHS", (1e-2, 1.0))
        patch.setattr(probes, "FITTED", 600)
        patch.setattr(probes, "SCORED", 500)
        patch.setattr(probes, "STEPS", 120)
        patch.setattr(probes, "SHUFFLES", 2)
        patch.setattr(probes, "WIDTHS", (4, 64))
        patch.setattr(probes, "CAPACITY", ("linear", "mlp_4", "mlp_64"))
        patch.setattr(probes, "KINDS", ("linear", "mlp_4", "mlp_64", "mlp"))
        patch.setattr(rollouts, "STARTS", 2)
        yield


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    with _quick_settings():
        yield


@pytest.fixture(scope="module")
def without_probes() -> Iterator[None]:
    """No scores of probes, which take most of the time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluate_module, "probing_of", lambda _: None)
        patch.setattr(evaluate_module, "leakage_scores", lambda *_: {})
        patch.setattr(evaluate_module, "vector_scores", lambda *_: {})
        yield


@pytest.fixture(scope="session")
def few() -> data.Data:
    return _same_standard("wsprites-paper-v1", clips=CLIPS)


@pytest.fixture(scope="session")
def seen(few: data.Data) -> Evaluation:
    """The scores of the model that knows everything."""
    told: list[int] = []
    model = Seer(few)
    with _quick_settings():
        evaluation = evaluate(model, few, "seer", progress=told.append)
        assert sum(told) == clips_to_do(model, few)
    return evaluation
