"""Suites, and scores that a world does not define."""

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from bench_models import predictions
from made_scores import entry, made

from wsprites.bench import baselines, data, scores, suite, suite_page
from wsprites.bench.absent import absent, leave_out
from wsprites.bench.evaluation import code_scores, evaluate
from wsprites.bench.metrics.interval import Score
from wsprites.bench.predictions import Predictions
from wsprites.bench.provenance import hashes
from wsprites.bench.run import Job, Result
from wsprites.bench.suite import SUITES, Row
from wsprites.errors import UserError

BASE, STILL = SUITES["axes"][:2]
ONSET = {"local__onset__many_to_one": entry(0.6, 0.1, state_only=0.2)}


def row(**figures: scores.Entry) -> Row:
    return Row(BASE, made(**figures), None, False)


def test_the_suite_has_a_world_for_each_axis():
    assert [axis.name for axis in SUITES["axes"]] == ["base", "still", "moving", "no-inertia", "position", "one-character", "new-scenes"]
    assert {axis.data for axis in SUITES["axes"]} == set(data.STANDARD) - {"wsprites-paper-v1", "wsprites-shadow-world-v1"}
    with pytest.raises(UserError, match="suite: 'axis' is not one of axes"):
        suite.axes_of("axis")


# What a world cannot say.


def test_what_a_world_cannot_say_is_left_out_with_the_reason():
    still, one = (data.standard(f"wsprites-axes-{axis}-v1", clips=2).scored for axis in ("still", "one-character"))
    names = ("background.ami", "local.ami", "nuisance.background_motion.codes", "nuisance.background.codes", "nuisance.character.codes")
    for part, kept, reason in (
        (still, {"local.ami", "nuisance.background.codes", "nuisance.character.codes"}, "the scene never moves (background.limit = 0)"),
        (one, {*names} - {"nuisance.character.codes"}, "'test' shows one character only"),
    ):
        results = {who: {name: Score(0.0) for name in names} for who in ("model", "oracle")}
        left_out = leave_out(results, part)
        assert results["model"].keys() == results["oracle"].keys() == kept
        assert set(left_out.values()) == {reason}
        assert all(any(name.startswith(beginning) for name in set(names) - kept) for beginning in left_out)
    assert not absent(data.standard("wsprites-factorial-v1", clips=2).scored)
    single = data.Part("test", replace_scenes(still, 1), still.script)
    assert absent(single)["nuisance.background."] == "'test' shows one scene only"


def replace_scenes(part: data.Part, scenes: int):
    spec = replace(part.spec, cast=replace(part.spec.cast, backgrounds=scenes))
    return type("World", (), {"spec": spec})()


@pytest.mark.usefixtures("quick")
def test_a_still_world_has_no_undefined_score_but_that_of_standing(tmp_path: Path):
    still = data.standard(STILL.data, clips=3)
    arrays = codes_of(STILL.data, 3)
    arrays |= {f"{split}/background_shift": np.zeros_like(arrays[f"{split}/shift"]) for split in ("val", "test")}
    np.savez(tmp_path / "good.npz", **arrays)
    evaluation = evaluate(Predictions(tmp_path / "good.npz", still), still, "good")
    undefined = {name for name, score in evaluation.scores.items() if math.isnan(score.value)}
    assert all(name.startswith("global.standing.") for name in undefined)  # standing is one global action
    assert not [name for name in evaluation.scores if name.startswith("background.")] and "background." in evaluation.not_scored
    assert evaluation.scores["background_shift.mean"].value == 0 and evaluation.scores["local.matched_accuracy"].value == 1


# The figure.


def test_the_figure_is_that_of_codes_where_the_action_changes():
    one = row(**ONSET, local__matched_accuracy=entry(0.9, 0.1), vectors__local__linear=entry(0.8, 0.1))
    assert one.figure.name == "local.onset.many_to_one" and one.figure.floor == ("state_only", 0.2)
    assert one.figure.verdict == "above" and one.gain == pytest.approx((0.6 - 0.2) / (1.0 - 0.2))
    worse = row(local__onset__many_to_one=entry(0.1, 0.02, state_only=0.2))
    assert worse.figure.verdict == "below" and worse.gain == pytest.approx(-0.125)


def test_a_model_without_codes_has_the_figure_of_its_vectors_and_one_without_both_none():
    assert row(vectors__local__linear=entry(0.8, 0.1)).figure.name == "vectors.local.linear"
    none = row(shift__mean=entry(1.0, 0.1, "px"))
    assert not none.figure.entry and math.isnan(none.gain)
    assert suite.table([none]).splitlines()[1] == "base  the model infers neither codes nor vectors"
    assert json.loads(suite.to_json("axes", "m", [none]))["axes"][0]["reason"] == "the model infers neither codes nor vectors"


def test_the_table_has_a_line_for_each_world():
    lines = suite.table([row(**ONSET), replace(row(shift__mean=entry(1.0, 0.1, "px")), axis=STILL)]).splitlines()
    assert lines[0].split() == ["score", "value,", "95", "%", "strongest", "floor", "ceiling", "gain"]
    figures = "base   local.onset.many_to_one  0.600 [0.500, 0.700]  0.200 state_only  1.000 oracle  0.500"
    assert lines[1] == f"{figures}  better than its floor" and lines[2] == "still  the model infers neither codes nor vectors"


# Running it.


@pytest.fixture
def scored(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Jobs are not run but get made-up scores; returns the data and models that were scored."""
    jobs: list[str] = []

    def run(job: Job, *, bar: object):
        (name,) = job.models
        assert job.loaded
        jobs.append(f"{job.opened.name} {name}")
        yield Result(replace(made(**ONSET), model=name, data=job.description, hashes=hashes(name)), ())

    monkeypatch.setattr(Job, "run", run)
    monkeypatch.setitem(SUITES, "axes", (BASE, STILL))
    return jobs


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)


MODELS = {"base": "wsprites-factorial-v1-first-2", "still": "wsprites-axes-still-v1-first-2"}


def codes_of(name: str, clips: int) -> dict[str, np.ndarray]:
    """The true codes and shifts of a standard world, as a predictions file."""
    arrays = predictions(data.standard(name, clips=clips))
    return {array: values for array, values in arrays.items() if "vectors" not in array and "masks" not in array}


def write_models():
    for axis in (BASE, STILL):
        np.savez(f"{axis.name}.npz", **codes_of(axis.data, 2))


def test_scores_of_an_earlier_run_are_kept_if_nothing_changed(scored: list[str]):
    write_models()
    out = Path("axes.json")

    def run() -> list[bool]:
        return [each.kept for each in suite.run("axes", "{axis}.npz", clips=2, out=out)]

    assert run() == [False, False] and scored == [f"{name} {axis}.npz" for axis, name in MODELS.items()]
    assert sorted(path.name for path in Path("axes").iterdir()) == sorted(f"{name}.json" for name in MODELS.values())
    first = out.read_text()
    written = json.loads(first)
    assert (written["suite"], written["model"], written["protocol"]) == ("axes", "{axis}.npz", scores.PROTOCOL)
    assert [one["axis"] for one in written["axes"]] == list(MODELS) and [Path(one["file"]).is_file() for one in written["axes"]] == [
        True
    ] * 2
    assert {name: written["axes"][0][name] for name in ("value", "gain", "floor")} == {
        "value": 0.6,
        "gain": pytest.approx(0.5),
        "floor": {"name": "state_only", "value": 0.2},
    }
    assert run() == [True, True] and len(scored) == 2 and out.read_text() == first
    # Another model, a damaged file, and other scores of the same name are scored again.
    arrays = codes_of(STILL.data, 2)
    np.savez("still.npz", **{**arrays, "test/codes": 8 - arrays["test/codes"]})
    assert run() == [True, False]
    file = Path("axes") / f"{MODELS['base']}.json"
    file.write_text("{")
    assert run() == [False, True]
    old = scores.read(file)
    for changed in (
        replace(old, settings=replace(old.settings, protocol="bench-1")),
        replace(old, data=replace(old.data, sha256="1" * 64)),
        replace(old, hashes=replace(old.hashes, code="1" * 64)),
        replace(old, model="other"),
    ):
        scores.write(file, changed)
        assert run() == [False, True]


def test_figures_are_stored_after_each_world(scored: list[str]):
    write_models()
    Path("still.npz").unlink()
    rows = suite.run("axes", "{axis}.npz", clips=2, out=Path("axes.json"))
    assert next(rows).axis == BASE
    with pytest.raises(UserError, match=r"still\.npz"):
        next(rows)
    assert [one["axis"] for one in json.loads(Path("axes.json").read_text())["axes"]] == ["base"]


def test_nothing_is_written_without_a_file(scored: list[str]):
    write_models()
    rows = list(suite.run("axes", "{axis}.npz", clips=2))
    assert [each.file for each in rows] == [None, None] and sorted(path.name for path in Path().iterdir()) == ["base.npz", "still.npz"]


def test_the_command(run, scored: list[str]):
    write_models()
    code, out, err = run("bench", "--suite", "axes", "--clips", 2, "--model", "{axis}.npz", "--out", "axes.json", "--report", "axes.html")
    assert code == 0, err
    assert "data     still: wsprites-axes-still-v1-first-2, sha256 " in out and "local.onset.many_to_one  0.600 [0.500, 0.700]" in out
    assert out.splitlines()[-2:] == ["done     axes.json", "done     axes.html"]
    _, out, _ = run("bench", "--suite", "axes", "--clips", 2, "--model", "{axis}.npz", "--out", "axes.json")
    assert out.count(", kept") == 2
    Path("taken").touch()
    for options, message in (
        (("--data", "x.h5"), "--data does not go with --suite"),
        (("--compare", "x.json"), "--compare does not go with --suite"),
        (("--template", "x.npz"), "--template does not go with --suite"),
        (("--weights", "w"), "--weights does not go with --suite"),
        (("--protocol", "released"), "--protocol released does not go with --suite"),
        (("--out", "taken.json"), "--out: the score files go into the folder taken, which is a file"),
    ):
        code, _, err = run("bench", "--suite", "axes", "--model", "{axis}.npz", *options)
        assert code == 2 and message in err and len(err.splitlines()) <= 4, err


# The page.


def test_the_page_draws_floor_ceiling_interval_and_value():
    none = replace(row(shift__mean=entry(1.0, 0.1, "px")), axis=STILL)
    suite_page.write(Path("p.html"), "axes", {"a<b": [row(**ONSET), none]})
    page = Path("p.html").read_text(encoding="utf-8")
    assert "http" not in page and "<script" not in page and "a&lt;b" in page and "a<b" not in page
    at = {share: f"{130 + 490 * share:.1f}" for share in (0.2, 0.5, 0.6, 1.0)}
    assert f"<circle cx={at[0.6]} cy=52" in page and f"<rect x={at[0.5]} y=46 width=98.0" in page
    assert f"<line x1={at[0.2]} x2={at[0.2]}" in page and f"<line x1={at[1.0]} x2={at[1.0]}" in page and f"<line x1={at[0.6]}" in page
    assert page.count("<circle") == 1 and "base: 0.600, floor 0.200 (state_only), ceiling 1.000 (oracle)" in page
    assert "the model infers neither codes nor vectors" in page and "one transition" not in page
    assert page.count("class=tick>still</text>") == 1 and "told by the code, where the action changes" in page


def test_the_place_is_a_floor_where_actions_follow_the_position():
    """Codes that tell where the character is are no actions, though most new actions follow them in this world."""
    parts = data.standard("wsprites-axes-position-v1", clips=20)
    columns, rows = 3, 3
    x_nt, y_nt = parts.scored.script.position[:, :-1].transpose(2, 0, 1).astype(float)
    place_nt = np.floor(x_nt / 65 * columns) + columns * np.floor(y_nt / 33 * rows)
    assert (baselines.places(parts.scored) == place_nt).all()
    made = baselines.places(parts.fit), baselines.places(parts.scored)
    scores_of = code_scores(parts, made, 9, None)
    name = "local.onset.matched_accuracy"
    assert scores_of["place"][name].value == scores_of["model"][name].value > 0.7 > 5 * scores_of["random"][name].value
    base = data.standard("wsprites-factorial-v1", clips=2)
    assert "place" not in code_scores(base, baselines.codes("oracle", base, "local", 9), 9, None)
