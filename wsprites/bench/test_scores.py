"""A pytest suite: no score of a model is worse than in a baseline.

`pytest --wsprites-model X --wsprites-baseline scores.json --pyargs wsprites.bench.test_scores`
"""

import math
from pathlib import Path

import pytest

from wsprites.bench.run import Job
from wsprites.bench.scores import Entry, ScoreFile, read
from wsprites.errors import UserError

_NEITHER_BETTER = ("leakage.", "codes.", "background.", "vectors.background.")
_LESS_IS_BETTER = ("null.", "nuisance.")


@pytest.fixture(scope="session")
def wsprites_baseline(request: pytest.FixtureRequest) -> ScoreFile:
    """The score file to compare with."""
    return read(Path(request.config.getoption("--wsprites-baseline")))


@pytest.fixture(scope="session")
def wsprites_scores(request: pytest.FixtureRequest) -> ScoreFile:
    """The scores of the model under test, computed once."""
    model, data, clips, weights = (request.config.getoption(f"--wsprites-{name}") for name in ("model", "data", "clips", "weights"))
    job = Job((model,), data, clips=clips, weights=Path(weights) if weights else None)
    (result,) = job.run()
    return result.scores


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each score of the baseline that is defined."""
    if "wsprites_score" in metafunc.fixturenames:
        baseline, model = (metafunc.config.getoption(f"--wsprites-{option}") for option in ("baseline", "model"))
        if bool(baseline) != bool(model):  # otherwise every test would be skipped, and the run would pass
            raise pytest.UsageError("--wsprites-model and --wsprites-baseline go together; one is missing")
        try:
            scores = read(Path(baseline)).scores if baseline else {}
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        metafunc.parametrize("wsprites_score", [name for name, entry in scores.items() if not math.isnan(entry.value)])


def test_score(wsprites_score: str, wsprites_scores: ScoreFile, wsprites_baseline: ScoreFile, request: pytest.FixtureRequest) -> None:
    """A score of the model under test is no worse than that of the baseline, up to the tolerance."""
    assert wsprites_scores.data.sha256 == wsprites_baseline.data.sha256, "the baseline is of other data"
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
