"""The trained models of the package: small files that are found by name and are what their score files say."""

from pathlib import Path

import numpy as np
import pytest
from samples import ROOT

from glass_model.training.checkpoint import load
from wsprites.bench import check, scores
from wsprites.weights import trained_models

TRAINED = pytest.mark.parametrize("path", sorted((ROOT / "glass_model" / "checkpoints").glob("*.safetensors")), ids=lambda path: path.stem)


@TRAINED
def test_a_finished_run_in_a_small_file(path: Path) -> None:
    saved = load(path.stem)
    assert trained_models()[path.stem].samefile(path) and path.stat().st_size < 3e6
    assert saved.notes["weights"] == "float16" and saved.step == saved.config.train.steps and saved.config.name == path.stem
    assert saved.data is not None and saved.data.source == "stream"


@TRAINED
def test_it_infers_what_its_score_file_says(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two clips of each split. Other hardware may change 2 % of the codes of a clip, and its shift error and soft IoU by 2 %."""
    monkeypatch.setattr(check, "SAMPLE", 2)
    file = scores.read(path.with_suffix(".json"))
    findings = check.check(file, check.job_of(file, path.stem, ""), rng=np.random.default_rng(0))
    assert [finding.text for finding in findings if not finding.fine] == []
    assert findings[0].text == f"the model is the same file ({path.name})"
