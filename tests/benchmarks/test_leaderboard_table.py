"""benchmarks/leaderboard: rows, the table and the page, from folders of runs that are made by hand."""

import html
import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from made_scores import WHOLE, entry, made
from run_folders import BOARD, put, record_of
from score_files import clips, file_of, free

from benchmarks.leaderboard import check, table
from benchmarks.leaderboard.arguments import RUNS
from benchmarks.leaderboard.board import Cell, between, boards
from benchmarks.leaderboard.columns import COLUMNS
from benchmarks.leaderboard.costs import ABOUT, costs, steps_before
from benchmarks.leaderboard.entries import ENTRIES, NONE
from benchmarks.leaderboard.page import page
from benchmarks.leaderboard.record import SUMS, Training, sha256
from benchmarks.leaderboard.training import Plan
from glass_model.lam.config import PRESETS as LAM
from wsprites.bench.floors import Baseline
from wsprites.bench.scores import PROTOCOL, Hashes, ScoreFile, read, write
from wsprites.errors import UserError


def test_rows_ties_and_the_table(tmp_path: Path) -> None:
    """`good` and `near` tie in local.conditional, `bad` does not; the anchor and the oracle are no candidates."""
    clusters, easy, rng = clips(0)
    values = {"good": 0.0, "near": -0.001, "bad": -0.2, "one-code": 0.3, "told": 0.4}
    for name, ability in values.items():
        for seed in range(5 if name != "near" else 2):
            value_n = easy + ability + rng.normal(0, 0.02, len(easy))
            file = file_of({"local.conditional": free(value_n, clusters)})
            one = replace(file.scores["local.conditional"], baselines={"random": 0.01, "oracle": 1.0})
            file = replace(file, model=f"{name}{seed}", hashes=Hashes(f"{name}{seed}", "x", ""), scores={"local.conditional": one})
            track = {"one-code": "anchor", "told": "oracle"}.get(name, "unsupervised")
            put(
                tmp_path,
                record_of(name, track, seed=seed),
                file,
                {"latents-1": 0.5 + 0.1 * seed, "labels-1": 0.25, "true": 1.0, "none": 0.05},
            )
    (board,) = boards(tmp_path, verified=tmp_path / "none")
    rows = board.at("minutes")
    assert [row.system for row in rows] == ["bad", "good", "near", "told", "one-code"] and board.budgets == ("minutes",)
    assert [cell.best for cell in board.cells(rows, 0)] == [False, True, True, False, False]
    ends = board.ends(rows, 0)
    assert [(*ends.floors, *ends.ceilings)] == [(("random", 0.01), ("oracle", 1.0))]
    assert [row.complete for row in rows] == [True, True, False, True, True] and rows[1].evaluations == 5
    text = table.markdown([board])
    assert "| *strongest floor* |  | 0.010 random |" in text and "| *ceiling* |  | 1.000 oracle |" in text
    assert "| `near` (2 of 5 runs, reported) | unsupervised | **" in text and "| `bad` (reported) | unsupervised | 0." in text
    assert "| `good` | - | 0.700 (0.250) | - | 10.000 | 10 to 50 of 100 | 60 to 300 | 709,278 | 5 | 5 | a processor, 2 of 2 cores |" in text
    # A maintainer has made one of the runs.
    known = tmp_path / "verified.txt"
    made_again = record_of("good", seed=3).path
    digest = sha256(tmp_path / made_again / SUMS)
    for folder, verified in (("somewhere", False), (made_again.as_posix(), True)):
        known.write_text(f"{digest}  {folder}\n")
        (board,) = boards(tmp_path, verified=known)
        assert [row.verified for row in board.rows] == [0, verified, 0, 0, 0]
    assert board.rows[1].remarks == ["1 of 5 verified"] and board.rows[2].remarks == ["2 of 5 runs", "reported"]
    assert "| `good` (1 of 5 verified) |" in table.markdown([board]) and ">1 of 5 verified</span>" in page([board])
    scores = tmp_path / made_again / "scores.json"
    scores.write_text(scores.read_text() + " ")  # after it was verified
    (board,) = boards(tmp_path, verified=known)
    assert not any(row.verified for row in board.rows)


def test_what_is_not_better_than_its_floor_is_not_the_best(tmp_path: Path) -> None:
    for name, value in (("above", 0.3), ("within", 0.22)):
        put(tmp_path, record_of(name), made(local__conditional=entry(value, 0.05, random=0.2)))
    for name, value in (("low", 0.1), ("lower", 0.05)):
        put(tmp_path, replace(record_of(name), board=f"other/{PROTOCOL}"), made(local__conditional=entry(value, 0.05, random=0.2)))
    other, board = boards(tmp_path, verified=tmp_path / "none")
    assert [cell.best for cell in board.cells(board.rows, 0)] == [True, False]
    assert [cell.best for cell in other.cells(other.rows, 0)] == [False, False]


def test_the_page_has_every_row_and_loads_nothing(tmp_path: Path) -> None:
    put(tmp_path, record_of("mine"), made(**WHOLE, local__conditional=entry(0.125, 0.1)))
    put(tmp_path, record_of("classical", budget=NONE), made(**WHOLE))
    shown = page(boards(tmp_path, verified=tmp_path / "none"))
    for text in (
        "mine",
        "classical",
        BOARD,
        "vectors.local.linear 0.620; 95 % 0.570 to 0.670; floor 0.510 (direction)",
        "normalised",
        "reported",
    ):
        assert text in shown, text
    assert shown.count("<tbody>") == 1 and shown.count('<tr data-track="unsupervised"') == 2
    assert "http" not in shown and "src=" not in shown and all(column.title in shown for column in COLUMNS)


def test_a_row_of_words_is_text_on_the_page(tmp_path: Path) -> None:
    put(tmp_path, replace(record_of("mine"), words="<script>alert(1)</script>"), made(**WHOLE))
    assert "<script>alert" not in page(boards(tmp_path, verified=tmp_path / "none"))


def test_the_table_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "runs", record_of("mine"), made(**WHOLE))
    table.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    assert "1 boards, 1 systems" in capsys.readouterr().out
    assert (tmp_path / "leaderboard.md").read_text().startswith("# The leaderboard") and (tmp_path / "leaderboard.html").exists()


@pytest.mark.bad_input
def test_a_folder_to_write_to_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path / "runs", record_of("mine"), made(**WHOLE))
    with pytest.raises(SystemExit) as exit_:
        table.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path / "none")])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and error == f"--out: {tmp_path / 'none'}: no such folder; make it, or name another one\n"


@pytest.mark.bad_input
def test_a_machine_is_a_line_and_no_markup(tmp_path: Path) -> None:
    for name in ("machine", "versions"):
        with pytest.raises(UserError, match=f"{name} is not a line of text"):
            Training(**{name: "a\n\n<script>"})
    record = record_of("mine")
    put(tmp_path, replace(record, training=replace(record.training, machine="x | <script>alert(1)</script>")), made(**WHOLE))
    text = table.markdown(boards(tmp_path, verified=tmp_path / "none"))
    assert "<script>" not in text and "x / &#60;script&#62;alert(1)" in text


def test_rows_with_another_score_are_not_compared(tmp_path: Path) -> None:
    """The best of vectors is no worse for a larger share of another kind; without a floor, nothing is the best."""
    for name, value in (("a", 0.8), ("b", 0.7)):
        put(tmp_path, record_of(name), made(vectors__local__linear=entry(value, 0.01, direction=0.5)))
    put(tmp_path, record_of("c"), made(local__many_to_one=entry(0.96, 0.01, direction=0.5)))
    put(tmp_path, record_of("d"), made(vectors__local__linear=replace(entry(0.99, 0.001), baselines={})))
    (board,) = boards(tmp_path, verified=tmp_path / "none")
    cells = board.cells(board.rows, 3)
    assert [cell.best for cell in cells] == [True, False, False, False] and [cell.other for cell in cells] == [False, False, True, False]
    assert "| 0.960 [0.950, 0.970] `local.many_to_one` |" in table.markdown([board])


def test_the_table_of_the_repository_is_that_of_its_runs() -> None:
    made_now = boards(RUNS)
    assert (table.DOCS / "leaderboard.md").read_text(encoding="utf-8") == table.markdown(made_now)
    assert (table.DOCS / "leaderboard.html").read_text(encoding="utf-8") == page(made_now)


NAMES = [column.title for column in COLUMNS]


def column_of(title: str, root: Path) -> list[Cell]:
    """The cells of a column of the one board of a folder."""
    (board,) = boards(root, verified=root / "none")
    return board.cells(board.rows, NAMES.index(title))


def faithful(value: float, one_action: float) -> ScoreFile:
    return made(control__faithful=entry(value, 0.05, one_action=one_action))


def test_a_floor_that_depends_on_the_model_is_a_range(tmp_path: Path) -> None:
    """A collapsed model does the same whatever it is asked for; its floor of 1 is not that of the others."""
    for name, value, floor in (("collapsed", 0.0, 1.0), ("good", 0.5, 0.2), ("low", 0.1, 0.16)):
        put(tmp_path, record_of(name), faithful(value, floor))
    (board,) = boards(tmp_path, verified=tmp_path / "none")
    assert board.ends(board.rows, NAMES.index("used")).floors == (("one_action", 0.16), ("one_action", 1.0))
    cells = column_of("used", tmp_path)
    assert [cell.best for cell in cells] == [False, True, False] and all(cell.own_floor for cell in cells)
    text, shown = table.markdown([board]), page([board])
    assert "| 0.160 to 1.000 one_action, by model |" in text and "| **0.500** [0.450, 0.550] (floor 0.200) |" in text
    assert "0.160 to 1.000 one_<wbr>action, by model" in shown and "0.500<small class=own>floor 0.200</small>" in shown
    # The others alone have floors that are different, too; one floor for all is shown once, and not in the cells.
    same = tmp_path / "same"
    for name, floor in (("a", 0.2), ("b", 0.20000001)):
        put(same, record_of(name), faithful(0.5, floor))
    text = table.markdown(boards(same, verified=tmp_path / "none"))
    assert "| 0.200 one_action |" in text and "(floor" not in text and not any(cell.own_floor for cell in column_of("used", same))


def test_floors_of_different_names() -> None:
    assert between([]) == "" and between([Baseline("a", 0.5)]) == "0.500 a"
    assert between([Baseline("a", 0.1), Baseline("b", 0.2)]) == "0.100 a to 0.200 b, by model"


def test_rows_compete_within_their_track(tmp_path: Path) -> None:
    """What was helped does not take the bold of what was not; labels of all clips and broken models never have it."""
    for name, track, value in (("a", "unsupervised", 0.4), ("b", "unsupervised", 0.3), ("c", "guided", 0.6), ("d", "labels", 0.5)):
        put(tmp_path, record_of(name, track), faithful(value, 0.1))
    for name, track in (("e", "oracle"), ("f", "anchor")):
        put(tmp_path, record_of(name, track), faithful(0.9, 0.1))
    assert [cell.best for cell in column_of("used", tmp_path)] == [True, False, True, True, False, False]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda file: replace(file, data=replace(file.data, sha256="1" * 64)), "seed-1: it has other data than"),
        (
            lambda file: replace(file, settings=replace(file.settings, rollout_actions="true")),
            "its rollouts take other actions than",
        ),
        (lambda file: replace(file, hashes=Hashes("m0", "x", "")), "are the same file, as runs of mine"),
    ],
)
def test_runs_that_do_not_belong_together(change, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One line and exit code 2, and nothing is written."""
    for seed in range(2):
        file = replace(made(**WHOLE), model=f"seed {seed}", hashes=Hashes(f"m{seed}", "x", ""))
        put(tmp_path / "runs", record_of("mine", seed=seed), change(file) if seed else file)
    with pytest.raises(SystemExit) as exit_:
        table.main(["--runs", str(tmp_path / "runs"), "--out", str(tmp_path)])
    error = capsys.readouterr().err
    assert exit_.value.code == 2 and words in error and error.count("\n") == 1 and not (tmp_path / "leaderboard.md").exists()


@pytest.mark.bad_input
def test_rows_of_other_data_protocol_or_track_are_in_no_table(tmp_path: Path) -> None:
    put(tmp_path, record_of("mine"), made(**WHOLE))
    file = made(**WHOLE)
    put(tmp_path, record_of("other"), replace(file, data=replace(file.data, sha256="1" * 64)))
    with pytest.raises(UserError, match="it has other data than"):
        boards(tmp_path)
    scored = put(tmp_path / "protocol", record_of("a"), file) / "scores.json"
    put(tmp_path / "protocol", record_of("b"), file)
    scored.write_text(scored.read_text().replace(f'"protocol": "{PROTOCOL}"', '"protocol": "bench-9"'))
    with pytest.raises(UserError, match="it is of another protocol than"):
        boards(tmp_path / "protocol")
    put(tmp_path / "track", record_of("mine"), file)
    put(tmp_path / "track", record_of("mine", "guided", seed=1), file)
    with pytest.raises(UserError, match="it is of another track than"):
        boards(tmp_path / "track")


def test_the_page_says_which_score_a_cell_has(tmp_path: Path) -> None:
    for name in ("a", "b"):
        put(tmp_path, record_of(name), made(vectors__local__linear=entry(0.8, 0.01, direction=0.5)))
    put(tmp_path, record_of("c"), made(local__many_to_one=entry(0.96, 0.01, direction=0.5)))
    shown = page(boards(tmp_path, verified=tmp_path / "none"))
    (cell,) = [line for line in shown.splitlines() if 'data-v="0.96"' in line]
    assert " data-other " in cell and "<small>local.<wbr>many_<wbr>to_<wbr>one</small>" in cell and "not compared" in cell
    assert shown.count(" data-other ") == 1


def test_the_page_says_how_often_a_row_was_scored(tmp_path: Path) -> None:
    for seed in range(2):
        put(tmp_path, record_of("mine", seed=seed), replace(made(**WHOLE), model=str(seed)))
    put(tmp_path, record_of("classical", budget=NONE), made(**WHOLE))
    shown = page(boards(tmp_path, verified=tmp_path / "none"))
    assert "2 runs, scored on test 2 times" in shown and "1 run, scored on test once" in shown


def test_a_system_without_training_is_not_reported(tmp_path: Path) -> None:
    """If its model is code of the repository; a factory from elsewhere under its name is not."""
    record = replace(record_of("classical", budget=NONE), model=ENTRIES["classical"].model)
    put(tmp_path, record, made(**WHOLE))
    put(tmp_path, replace(record, system="mine"), made(**WHOLE))
    put(tmp_path, replace(record, system="one-code", track="anchor"), made(**WHOLE))
    (board,) = boards(tmp_path, verified=tmp_path / "none")
    assert {row.system: row.remarks for row in board.rows} == {"classical": [], "mine": ["reported"], "one-code": ["reported"]}


def test_versions_of_the_benchmark_are_counted(tmp_path: Path) -> None:
    scores = put(tmp_path, record_of("none"), made(**WHOLE)) / "scores.json"
    write(scores, replace(read(scores), hashes=None))
    (board,) = boards(tmp_path)
    assert board.made_by == ""
    for name, code in (("a", "1"), ("b", "2"), ("c", "2")):
        put(tmp_path, record_of(name), replace(made(**WHOLE), hashes=Hashes("", "", code)))
    (board,) = boards(tmp_path)
    words = f"scored by 2 versions of the source of the benchmark (hashes.code in a score file), by one protocol, {PROTOCOL}."
    assert board.versions == 2 and words in table.markdown([board]) and words in page([board])


# Costs.


def test_costs_of_runs_that_differ(tmp_path: Path) -> None:
    """As a range; and each machine once."""
    record = record_of("mine")
    for seed, (steps, machine) in enumerate(((40, "a"), (30, "b"), (40, "a"))):
        training = Training(steps, 40, steps * 6, 10, 60.0 * seed, machine)
        put(tmp_path, replace(record, seed=seed, training=training), replace(made(**WHOLE), model=str(seed)))
    put(tmp_path, record_of("classical", budget=NONE), made(**WHOLE))
    (board,) = boards(tmp_path)
    mine, none = costs(board.rows[1]), costs(board.rows[0])
    assert mine == ("30 to 40 of 40", "180 to 240", "10", ("a", "b")) and none == ("", "", "", ())
    text, shown = table.markdown([board]), page([board])
    assert "| 1.000 | 30 to 40 of 40 | 180 to 240 | 10 | 3 | 3 | a<br>b |" in text and ABOUT in text
    assert "steps: 30 to 40 of 40<br>parameters: 10" in shown and 'title="a; b"' in shown and ABOUT in shown


def test_costs_say_what_was_trained_first(tmp_path: Path) -> None:
    """By the command: with the steps that it changes, and with those of the presets."""
    plan = Plan("glass-drawn", ENTRIES["glass-drawn"], "factorial", "hour", 0)
    command = " && ".join(shlex.join(["wsprites", *stage.command(Path("train"))]) for stage, _ in plan.stages(Path("train")))
    put(tmp_path, record_of("glass-drawn", command=command), made(**WHOLE))
    (board,) = boards(tmp_path)
    assert steps_before(command) == (2000, 1000) and costs(board.rows[0]).steps == "10 of 100 after 2,000 and 1,000"
    first = "wsprites train --preset small --set train.steps=600"
    assert steps_before(f"{first} && wsprites train --system lam --preset persist") == (600,)
    for options, steps in (
        ("--preset small --steps 700", 700),
        ("--preset=small --steps=700", 700),
        ("--system=lam --preset=tiny --batch 8", LAM["tiny"].train.steps),
        ("--system lam --set train.seed=1", next(iter(LAM.values())).train.steps),
    ):
        assert steps_before(f"wsprites train {options} --out a && wsprites train --gma a") == (steps,)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "first", ["rm -r x", "wsprites", "wsprites train --steps 0", "wsprites train --preset x", "wsprites train --system x", ""]
)
def test_what_is_no_training_was_not_trained_first(first: str) -> None:
    assert steps_before(f"{first} && wsprites train --preset tiny") == () and steps_before(first) == ()


@pytest.mark.parametrize("address", ["https://a.b", "www.a.b", "me@a.b"])
def test_a_machine_is_no_link(address: str, tmp_path: Path) -> None:
    """Markdown makes links of bare addresses; as entities they look the same and are none."""
    record = record_of("mine")
    put(tmp_path, replace(record, training=replace(record.training, machine=address)), made(**WHOLE))
    text = table.markdown(boards(tmp_path, verified=tmp_path / "none"))
    assert address not in text and f"| {address} |" in html.unescape(text)


def test_the_rules_say_by_how_much_a_training_may_be_longer() -> None:
    budgets = re.search(r"## 3\. Budgets(.*?)## 4\.", (Path(table.__file__).parent / "RULES.md").read_text(encoding="utf-8"), re.DOTALL)
    assert budgets and f"{check.SLACK * 100 - 100:.0f} %" in budgets[1]
