"""Pages of the documentation that are made from kept results: they say what the results say."""

from pathlib import Path

import pytest
from samples import ROOT

from benchmarks import ablations, lam_study
from glass_model.articulated.toy.config import PRESETS
from glass_model.articulated.toy.results import measured, table

RESULTS, DOCS = ROOT / "benchmarks" / "results", ROOT / "docs"


BRIEF = ("--set", "train.steps=600", "train.batch=32")
SHORT = {
    "alone": 1000,
    "freeze": 1000,
    "steps": 1800,
    "bin_begin": 400,
    "bin_steps": 250,
    "given_steps": 560,
    "temperature_steps": 680,
    "cooldown": 200,
}
"""Half of `small`."""


@pytest.mark.parametrize(("results", "page", "settings"), [("lam", "lam-study", ()), ("lam-brief", "lam-brief", BRIEF)])
def test_the_study_of_latent_action_models(
    results: str, page: str, settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lam_study, "as_plot", lambda *_: b"a plot")
    with pytest.raises(SystemExit) as exit_:
        lam_study.main(["--results", str(RESULTS / results), "--clips", "100", *settings, "--table", "--out", str(tmp_path)])
    assert exit_.value.code == 0
    made, kept = ({path.name for path in folder.iterdir()} for folder in (tmp_path, DOCS / page))
    assert made == kept
    for name in ("table.md", "table.json"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (DOCS / page / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(("page", "seeds", "changes"), [("ablations", "012", {}), ("ablations-brief", "0123", SHORT)])
def test_the_ablations_of_glass(page: str, seeds: str, changes: dict[str, int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablations, "as_plot", lambda *_: b"a plot")
    settings = ["--set", *(f"train.{name}={value}" for name, value in changes.items())] if changes else []
    given = ["--results", str(RESULTS / page), "--clips", "40", "--seeds", *seeds, *settings, "--table", "--out", str(tmp_path)]
    with pytest.raises(SystemExit) as exit_:
        ablations.main(given)
    assert exit_.value.code == 0
    made, kept = ({path.name for path in folder.iterdir()} for folder in (tmp_path, DOCS / page))
    assert made == kept
    for name in ("table.md", "table.json"):
        assert (tmp_path / name).read_text(encoding="utf-8") == (DOCS / page / name).read_text(encoding="utf-8")


def test_the_experiment_with_rectangles() -> None:
    config = PRESETS["paper"]
    written = table(measured(config, RESULTS / "toy", config.toy.sizes), config.toy.sizes)
    assert written.strip() in (DOCS / "articulated.md").read_text(encoding="utf-8")


def test_the_experiments_of_glass_have_the_tables_of_the_ablations() -> None:
    page = {*(DOCS / "glass-experiments.md").read_text(encoding="utf-8").splitlines()}
    for heading, count in (("## LMA", 12), ("## GMA", 9)):
        _, _, made = (DOCS / "ablations" / "table.md").read_text(encoding="utf-8").partition(heading)
        rows = [line for line in made.partition("\n## ")[0].splitlines() if line.startswith("|")]
        assert len(rows) == count and {*rows} <= page
