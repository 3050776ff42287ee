"""Options of pytest for a model under test; the suite is test_scores.py. Every pytest loads this where wsprites is installed."""

from pathlib import Path
from typing import Any

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the suite."""
    group = parser.getgroup("wsprites", "scores of a model that learns actions from video")
    group.addoption("--wsprites-model", help="package.module:factory, a predictions file, or a checkpoint")
    group.addoption("--wsprites-baseline", help="a score file that the model is not to fall behind (wsprites bench --out)")
    group.addoption("--wsprites-data", default="wsprites-paper-v1", help="a data file or a standard world  [wsprites-paper-v1]")
    group.addoption("--wsprites-clips", type=int, help="score the first clips only; the baseline must be of as many")
    group.addoption("--wsprites-weights", help="a folder with weights for LPIPS, FID and FVD, if the baseline was made with them")
    group.addoption(
        "--wsprites-tolerance", type=float, default=0.02, help="how much worse a share may be  [0.02]; other units: 5 times that, relative"
    )


@pytest.fixture(scope="session")
def wsprites_baseline(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The score file to compare with."""
    from wsprites.bench.scores import read

    return read(Path(request.config.getoption("--wsprites-baseline")))


@pytest.fixture(scope="session")
def wsprites_scores(request: pytest.FixtureRequest) -> dict[str, Any]:
    """The score file of the model under test, made once."""
    from wsprites.bench import data as clips_of
    from wsprites.bench.evaluate import evaluate
    from wsprites.bench.protocol import load
    from wsprites.bench.scores import to_json

    option = request.config.getoption
    name, given, clips = option("--wsprites-model"), Path(option("--wsprites-data")), option("--wsprites-clips")
    data = clips_of.from_file(given, clips=clips) if given.is_file() else clips_of.standard(str(given), clips)
    networks = None
    if weights := option("--wsprites-weights"):
        from wsprites.bench.networks import load as load_networks

        networks = load_networks(Path(weights))
    scores = evaluate(load(name, data), data, name, networks=networks)
    return to_json(scores, name, data, 0.0, networks.sha256 if networks else None)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each figure of the baseline."""
    if "wsprites_figure" in metafunc.fixturenames:
        from wsprites.bench.scores import read
        from wsprites.errors import UserError

        baseline, model = (metafunc.config.getoption(f"--wsprites-{option}") for option in ("baseline", "model"))
        if bool(baseline) != bool(model):  # or a step that lost one of them would pass for ever, with everything skipped
            raise pytest.UsageError("--wsprites-model and --wsprites-baseline go together; one is missing")
        try:
            figures = read(Path(baseline))["figures"] if baseline else {}
        except UserError as error:
            raise pytest.UsageError(str(error)) from None
        names = [name for name, one in figures.items() if one["value"] is not None]
        metafunc.parametrize("wsprites_figure", names)
