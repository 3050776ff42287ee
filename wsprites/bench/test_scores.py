"""A pytest suite: no score of a model is worse than in a baseline.

`pytest --wsprites-model X --wsprites-baseline scores.json --pyargs wsprites.bench.test_scores`
"""

import math
from functools import lru_cache
from pathlib import Path

import pytest

from wsprites.bench.compare import check_baseline, defined
from wsprites.bench.run import Job
from wsprites.bench.scores import Entry, ScoreFile, read
from wsprites.errors import ArgumentError, UserError

_NEITHER_BETTER = ("leakage.", "codes.", "background.", "vectors.background.")
_LESS_IS_BETTER = ("null.", "nuisance.", "consistency.vectors", "control.unreadable", "control.ghost", "drift.unreadable")


@pytest.fixture(scope="session")
def wsprites_baseline(request: pytest.FixtureRequest) -> ScoreFile:
    """The score file to compare with."""
    return read(Path(request.config.getoption("--wsprites-baseline")))


@pytest.fixture(scope="session")
def wsprites_scores(request: pytest.FixtureRequest) -> ScoreFile:
    """The scores of the model under test, computed once."""
    try:
        (result,) = _job(request.config).run()
    except UserError as error:
        pytest.fail(str(error), pytrace=False)
    return result.scores


@lru_cache(maxsize=1)
def _job(config: pytest.Config) -> Job:
    """The job that the options describe; the same object for both callers, because it keeps data and model."""
    model, data, clips, weights = (config.getoption(f"--wsprites-{name}") for name in ("model", "data", "clips", "weights"))
    return Job((model,), data, clips=clips, weights=Path(weights) if weights else None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each score of the baseline that is defined. What would fail all tests fails here, before anything is scored."""
    if "wsprites_score" in metafunc.fixturenames:
        baseline, model = (metafunc.config.getoption(f"--wsprites-{option}") for option in ("baseline", "model"))
        if bool(baseline) != bool(model):  # otherwise every test would be skipped, and the run would pass
            raise pytest.UsageError("--wsprites-model and --wsprites-baseline go together; one is missing")
        names = []
        if baseline:
            try:
                scores, job = read(Path(baseline)), _job(metafunc.config)
                check_baseline(scores, job.description, weights=job.weights is not None)
                assert job.loaded
            except ArgumentError as error:
                raise pytest.UsageError(f"--wsprites-{error}") from None
            except UserError as error:
                raise pytest.UsageError(str(error)) from None
            names = defined(scores)
        metafunc.parametrize("wsprites_score", names)


def test_score(wsprites_score: str, wsprites_scores: ScoreFile, wsprites_baseline: ScoreFile, request: pytest.FixtureRequest) -> None:
    """A score of the model under test is no worse than that of the baseline, up to the tolerance."""
    if wsprites_score.startswith(_NEITHER_BETTER):
        pytest.skip("neither more nor less is better in itself; see the page of --report")
    before, after = wsprites_baseline.scores[wsprites_score], wsprites_scores.value(wsprites_score)
    assert not math.isnan(after), f"{wsprites_score}: the model no longer offers the predictions that this scores"
    worse = loss(wsprites_score, before, after)
    tolerance = request.config.getoption("--wsprites-tolerance") * tolerance_scale(before)
    assert worse <= tolerance, f"{wsprites_score}: {before.value:.4f} -> {after:.4f} {before.unit}"


def loss(name: str, before: Entry, after: float) -> float:
    """How much worse a score has become, in its unit; negative if it is better."""
    less = before.unit in ("px", "distance") or name.startswith(_LESS_IS_BETTER)
    return after - before.value if less else before.value - after


def tolerance_scale(before: Entry) -> float:
    """The factor of the tolerance: 1 for shares, 25 for dB, and 5 times the value for other units (of px: at least 5)."""
    size = abs(before.value)
    return {"": 1.0, "dB": 25.0, "distance": 5 * size}.get(before.unit, 5 * max(size, 1))
