"""`pytest --wsprites-model X --wsprites-baseline scores.json --pyargs wsprites.bench.test_scores`: no figure of the baseline gets worse."""

from typing import Any

import pytest

_NEITHER = ("leakage.", "codes.", "background.", "vectors.background.")
_LESS = ("null.", "nuisance.")


def test_figure(
    wsprites_figure: str, wsprites_scores: dict[str, Any], wsprites_baseline: dict[str, Any], request: pytest.FixtureRequest
) -> None:
    """A figure of the model under test is no worse than that of the baseline, but for the tolerance."""
    assert wsprites_scores["data"]["sha256"] == wsprites_baseline["data"]["sha256"], "the baseline is of other data"
    if wsprites_figure.startswith(_NEITHER):
        pytest.skip("neither more nor less of it is better in itself; look at the report")
    before, now = wsprites_baseline["figures"][wsprites_figure], wsprites_scores["figures"].get(wsprites_figure, {})
    assert now.get("value") is not None, f"{wsprites_figure}: the model no longer offers what this is a score of"
    size = abs(before["value"])
    tolerance = request.config.getoption("--wsprites-tolerance") * {"": 1, "dB": 25, "distance": 5 * size}.get(
        before["unit"], 5 * max(size, 1)
    )
    less = before["unit"] in ("px", "distance") or wsprites_figure.startswith(_LESS)
    worse = now["value"] - before["value"] if less else before["value"] - now["value"]
    assert worse <= tolerance, f"{wsprites_figure}: {before['value']:.4f} -> {now['value']:.4f} {before['unit']}"
