"""A pytest suite: no score of a model is worse than in a baseline.

`pytest --wsprites-model X --wsprites-baseline scores.json --pyargs wsprites.bench.test_scores`

With pytest-xdist the model is made and scored by one of the processes, whichever comes first; the others read the scores from a file.
"""

import fcntl
import math
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import pytest

from wsprites.bench.compare import check_baseline, defined, favoured
from wsprites.bench.direction import loss, rule_of
from wsprites.bench.run import Job
from wsprites.bench.scores import Entry, ScoreFile, read, write
from wsprites.errors import ArgumentError, UserError


@pytest.fixture(scope="session")
def wsprites_baseline(request: pytest.FixtureRequest) -> ScoreFile:
    """The score file to compare with."""
    return read(Path(request.config.getoption("--wsprites-baseline")))


@pytest.fixture(scope="session")
def wsprites_scores(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> ScoreFile:
    """The scores of the model under test, computed once."""

    def score() -> ScoreFile:
        (result,) = _job(request.config).run()
        return result.scores

    try:
        if not _is_worker(request.config):
            return score()
        return once(tmp_path_factory.getbasetemp().parent / "wsprites-scores.json", score)
    except UserError as error:
        pytest.fail(str(error), pytrace=False)


def once(path: Path, score: Callable[[], ScoreFile]) -> ScoreFile:
    """The scores that the first of several processes computes and writes to a file, which the others wait for.

    Raises:
        UserError: scoring failed, in this process or in the first one.
    """
    failed = path.with_suffix(".failed")
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # until the file is closed, or its process has ended
        if failed.exists():
            raise UserError(failed.read_text(encoding="utf-8"))
        if not path.exists():
            try:
                write(path, score())
            except UserError as error:
                failed.write_text(str(error), encoding="utf-8", errors="replace")
                raise
    return read(path)


def _is_worker(config: pytest.Config) -> bool:
    """Whether this is one of the processes of pytest-xdist."""
    return hasattr(config, "workerinput")


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
                assert _is_worker(metafunc.config) or job.loaded  # of many processes, one makes the model
            except ArgumentError as error:
                raise pytest.UsageError(f"--wsprites-{error}") from None
            except UserError as error:
                raise pytest.UsageError(str(error)) from None
            names = defined(scores)
        metafunc.parametrize("wsprites_score", names)


def test_score(wsprites_score: str, wsprites_scores: ScoreFile, wsprites_baseline: ScoreFile, request: pytest.FixtureRequest) -> None:
    """A score of the model under test is no worse than that of the baseline, up to the tolerance."""
    before, after = wsprites_baseline.scores[wsprites_score], wsprites_scores.value(wsprites_score)
    assert not math.isnan(after), f"{wsprites_score}: the model no longer offers the predictions that this scores"
    rule = rule_of(wsprites_score)
    if rule.better == "neither":
        pytest.skip(f"neither more nor less is better: {rule.reason}")
    driven = "the model's video is driven by the true actions, and that of the baseline is not"
    assert not favoured(wsprites_score, wsprites_scores, wsprites_baseline), f"{wsprites_score}: {driven}"
    worse = loss(wsprites_score, after - before.value)
    tolerance = request.config.getoption("--wsprites-tolerance") * tolerance_scale(before)
    assert worse <= tolerance, f"{wsprites_score}: {before.value:.4f} -> {after:.4f} {before.unit}"


def tolerance_scale(before: Entry) -> float:
    """The factor of the tolerance: 1 for shares, 25 for dB, and 5 times the value for other units (of px: at least 5)."""
    size = abs(before.value)
    return {"": 1.0, "dB": 25.0, "distance": 5 * size}.get(before.unit, 5 * max(size, 1))
