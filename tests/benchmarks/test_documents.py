"""Figures in README and docs are those of the runs in the repository."""

import json
import re
import shlex

import pytest
from samples import ROOT

from benchmarks import ablations, lam_study
from benchmarks.leaderboard import table
from benchmarks.leaderboard.anchors import WITHOUT
from benchmarks.leaderboard.arguments import RUNS
from benchmarks.leaderboard.record import folders, read_run

HEADLINES = (
    "local.conditional",
    "local.animation.conditional",
    "local.onset.matched_accuracy",
    "shift.action_accuracy",
    "masks.soft_iou",
    "control.faithful",
)


def test_figures_of_anchors_in_the_documents() -> None:
    """The table in docs/models.md has those of the runs in `factorial`."""
    models = (table.DOCS / "models.md").read_text(encoding="utf-8")
    rows = {name: line for line in models.splitlines() for name in WITHOUT if line.startswith(f"| `{name}` |")}
    board = [folder for folder in folders(RUNS) if folder.parent.name in WITHOUT and "factorial" in str(folder.relative_to(RUNS))]
    scores = {folder.parent.name: read_run(folder).scores.scores for folder in board}
    assert rows.keys() == scores.keys() == {*WITHOUT}
    for name, score in (
        ("one-code", "codes.perplexity"),
        ("one-code", "local.conditional"),
        ("scene-code", "leakage.background.codes"),
        ("scene-code", "local.conditional"),
        ("character-id", "codes.perplexity"),
        ("character-id", "local.conditional"),
        ("character-id", "vectors.local.linear"),
        ("copy", "control.faithful"),
        ("copy", "drift.position.16"),
        ("frame-copy", "nuisance.background_motion.vectors"),
        ("frame-copy", "vectors.local.linear"),
    ):
        assert f"{scores[name][score].value:z.2f}" in rows[name], (name, score)


def test_figures_of_few_labels_in_the_documents() -> None:
    """README and docs/models.md have those of the three runs of the brief study."""
    studied = RUNS.parents[1] / "results" / "lam-brief"
    results = [studied / f"factorial-window-found-labels-1-{seed}.json" for seed in range(3)]
    scores = [json.loads(path.read_text(encoding="utf-8"))["scores"]["figures"] for path in results]
    local, animation = ([f"{one[f'local.{name}conditional']['value']:.2f}" for one in scores] for name in ("", "animation."))
    readme, models = (path.read_text(encoding="utf-8") for path in (table.DOCS.parent / "README.md", table.DOCS / "models.md"))
    assert f"| {', '.join(local)} | {', '.join(animation)} |" in readme
    assert f"{local[0]}, {local[1]} and {local[2]} in three seeds" in models


def table_of_the_readme() -> list[list[str]]:
    """Rows of cells of the table of results, the floors first."""
    lines = (table.DOCS.parent / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines if line.startswith("| ")]
    (begin,) = [index for index, row in enumerate(rows) if row[0] == "*strongest floor*"]
    return [row for row in rows[begin:] if len(row) == len(rows[begin])]


@pytest.mark.parametrize(
    ("words", "runs"),
    [
        ("[`classical`]", "none/classical"),
        ("[GLASS](docs/glass.md) `small`", "minutes/glass-small"),
        ("GLASS `hour`", "hour/glass-hour"),
        ("GLASS [`drawn`]", "hour/glass-drawn"),
        ("[CADDY]", "minutes/caddy-tiny-9"),
        ("[Layered]", "minutes/layered-tiny"),
        ("[Articulated]", "minutes/articulated-tiny"),
        ("[LAM](docs/lam.md) `tiny`", "minutes/lam-tiny"),
        ("LAM `tiny`, shown the true figure", "open/lam-tiny-window-foreground"),
        ("LAM `tiny` on GLASS, earlier frames", "hour/lam-tiny-window-found-behind"),
        ("LAM [`persist`]", "hour/lam-persist"),
    ],
)
def test_figures_of_the_readme_are_those_of_the_runs(words: str, runs: str) -> None:
    (row,) = [row for row in table_of_the_readme() if row[0].startswith(words)]
    found = [folder for folder in folders(RUNS) if f"factorial-v1-first-100/bench-2/{runs}/" in folder.as_posix()]
    scores = [read_run(folder).scores.scores for folder in sorted(found)]
    assert row[1].strip("`") == runs.split("/")[0]
    for name, cell in zip(HEADLINES, row[2:], strict=True):
        if cell != "-":
            assert [float(value) for value in cell.strip("*").split(", ")] == [round(one[name].value, 2) for one in scores], name


def test_what_is_not_above_its_floor_is_not_bold_in_the_readme() -> None:
    """In the columns whose floor is the same for all."""
    floors, *rows = table_of_the_readme()
    bold = [
        (min(map(float, cell.strip("*").split(", "))), float(floor.split()[0]))
        for row in rows
        for cell, floor in zip(row[2:6], floors[2:6], strict=True)
        if cell.startswith("**")
    ]
    assert len(bold) > 5 and all(value > floor for value, floor in bold)


_COMMAND = r"^(\$ )?(?:nohup )?python -m {} (--[^$\n]*)$"
COMMANDS = {
    found[0]: (module, found[2])
    for module in (ablations, lam_study)
    for page in sorted((ROOT / "docs").glob("*.md"))
    for found in re.finditer(_COMMAND.format(re.escape(module.__name__)), page.read_text(encoding="utf-8"), re.MULTILINE)
}
"""Commands of studies in blocks of the pages, without variables of a shell: the module and the options."""


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_of_studies_in_the_documents_are_possible(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row that a world does not have, or an option that there is not, would end them before anything is trained."""
    module, options = COMMANDS[command]
    monkeypatch.chdir(ROOT)
    module.parse([word for word in shlex.split(options, comments=True) if word != "&"])


def test_documents_have_commands_of_studies() -> None:
    assert {module for module, _ in COMMANDS.values()} == {ablations, lam_study} and len(COMMANDS) >= 6
