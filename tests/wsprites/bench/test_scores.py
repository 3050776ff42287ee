"""Score files: what is written is read, and nothing else; comparison; and what the pytest suite counts as worse."""

import copy
import json
import math
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from wsprites.bench import compare, data, scores
from wsprites.bench.direction import rule_of
from wsprites.bench.evaluation import Evaluation
from wsprites.bench.packed import packed
from wsprites.bench.run import score_file
from wsprites.bench.scores import Confusion, DataDescription, Entry, ScoreFile, Settings
from wsprites.bench.table import TABLE
from wsprites.bench.test_scores import test_score as compare_score
from wsprites.errors import UserError

SMALL = ScoreFile(
    "a:b",
    DataDescription("d", "0" * 64, "paper", 90, {"val": 12, "test": 6}, {"val": 12, "test": 6}),
    Settings("95 %, percentiles of the bootstrap over clips", "val", 40),
    {"python": "3"},
    "a processor",
    1.5,
    {
        "local.ami": Entry(0.5, 0.4, 0.6, "", 6, {"random": 0.0}),
        "shift.mean": Entry(math.nan, math.nan, math.nan, "px", 0, {"oracle": math.nan}),
    },
    {"local": Confusion(((1, 2), (3, 4)), (1, -1))},
)
JSON = {
    "format": "wsprites-scores",
    "format_version": 1,
    "model": "a:b",
    "data": {
        "name": "d",
        "sha256": "0" * 64,
        "world": "paper",
        "frames": 90,
        "clips": {"val": 12, "test": 6},
        "characters": {"val": 12, "test": 6},
    },
    "config": {"interval": "95 %, percentiles of the bootstrap over clips", "maps_fitted_on": "val", "draws": 40},
    "versions": {"python": "3"},
    "hardware": "a processor",
    "seconds": 1.5,
    "figures": {
        "local.ami": {"value": 0.5, "low": 0.4, "high": 0.6, "unit": "", "clips": 6, "controls": {"random": 0.0}},
        "shift.mean": {"value": None, "low": None, "high": None, "unit": "px", "clips": 0, "controls": {"oracle": None}},
    },
    "confusion": {"local": {"counts": [[1, 2], [3, 4]], "matched": [1, -1]}},
}


def test_the_format_of_score_files_never_changes():
    """Files in this form exist; another form is another version."""
    assert json.loads(SMALL.to_json()) == JSON
    assert ScoreFile.from_json(json.dumps(JSON)).to_json() == SMALL.to_json()
    with_weights = replace(
        SMALL, settings=Settings("95 %, percentiles of the bootstrap over clips", "val", 40, weights={"alex.pth": "1" * 64}, torch="2")
    )
    assert json.loads(with_weights.to_json())["config"] == {**JSON["config"], "weights": {"alex.pth": "1" * 64}, "torch": "2"}
    assert ScoreFile.from_json(with_weights.to_json()).settings == with_weights.settings


def test_files_of_the_first_protocol_are_read_and_new_ones_name_theirs(few: data.Data, seen: Evaluation):
    old = ScoreFile.from_json(json.dumps(JSON))
    assert (old.settings.protocol, old.hashes, old.system, old.per_clip) == ("bench-1", None, "", {})
    assert old.scores["local.ami"].replicates is None and old.scores["local.ami"].runs == ()
    new = score_file(seen, "x", few, 1.0)
    assert json.loads(new.to_json())["config"]["protocol"] == scores.PROTOCOL == "bench-2"
    read = ScoreFile.from_json(new.to_json())
    kept = {f"{split}/{name}" for split in ("val", "test") for name in ("codes", "shift", "background_shift", "vectors")}
    assert set(read.per_clip) == {*kept, "test/masks"}
    assert (read.per_clip["test/codes"].array() == few.scored.script.local_action[:, 1:]).all()


def test_intervals_can_be_computed_again_from_a_file(few: data.Data, seen: Evaluation):
    read = ScoreFile.from_json(score_file(seen, "x", few, 1.0).to_json())
    for name, score in seen.scores.items():
        kept = read.scores[name].replicates
        assert (kept is None) == (score.replicates is None), name
        if kept is not None and score.replicates is not None:
            assert kept.around(score.value).half_width == pytest.approx(score.replicates.half_width, rel=0.02, abs=1e-9), name


def test_every_score_has_a_direction(seen: Evaluation):
    """A score without a rule would be compared without anybody having thought about what a change of it means."""
    for name in {*seen.scores, *TABLE}.union(*seen.baselines.values()):
        assert rule_of(name).better in ("more", "less", "neither"), name


def test_an_evaluation_is_written_and_read(few: data.Data, seen: Evaluation, tmp_path: Path):
    file = score_file(seen, "models/\udcff\n.npz", few, 12.34)
    scores.write(tmp_path / "a.json", file)
    read = scores.read(tmp_path / "a.json")
    assert read.to_json() == file.to_json() and read.model == "models/??.npz" and read.seconds == 12.3
    assert set(read.scores) == set(seen.scores) and math.isnan(read.value("no.such"))
    assert read.value("local.ami") == seen.scores["local.ami"].value
    assert np.array(read.confusion["local"].counts).sum() == 6 * 89 and [path.name for path in tmp_path.iterdir()] == ["a.json"]
    floors = {"random", "state_only", "state_and_direction", "shuffled", "majority", "direction"}
    assert set(read.scores["vectors.local.linear"].baselines) == {*floors, "oracle"}
    assert set(read.scores["vectors.local.mlp"].baselines) == {"state_only", "state_and_direction", "majority"}


def deviations(size: int) -> dict[str, Any]:
    return {"largest": 1.0, "small": {"kind": "i1", "shape": [size], "text": packed(np.zeros(size), "i1").text}}


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("format",), "wsprites"),
        (("format_version",), True),
        (("format_version",), 2),
        (("model",), "a\nb"),
        (("model",), "x" * 5000),
        (("seconds",), "1"),
        (("surplus",), 1),
        (("data", "frames"), -1),
        (("data", "clips"), {"val": 1.5}),
        (("data", "clips"), {"train": 1, "test": 1}),
        (("data", "name"), None),
        (("config", "draws"), 10**30),
        (("config", "weights"), {"a": 1}),
        (("config", "protocol"), 2),
        (("hashes",), {"model": "0" * 64}),
        (("hashes",), None),
        (("system",), "a\nb"),
        (("per_clip",), {"test/codes": {"kind": "u2", "shape": [2], "text": "AAAA"}}),
        (("per_clip",), {"test/codes": {"kind": "u2", "shape": [-1], "text": ""}}),
        (("per_clip",), []),
        (("figures", "local.ami", "runs"), ["0.5"]),
        (("figures", "local.ami", "replicates"), {"sizes": [2], "kinds": deviations(1)}),
        (("figures", "local.ami", "replicates"), {"sizes": [1, 1], "kinds": deviations(2)}),
        (("figures", "local.ami", "replicates"), {"sizes": [0], "kinds": deviations(2)}),
        (("figures", "local.ami", "replicates"), {"sizes": [2], "kinds": {**deviations(2), "largest": float("inf")}}),
        (("figures", "local.ami", "replicates"), {"sizes": [2], "kinds": {**deviations(2), "largest": None}}),
        (("figures", "local.ami", "replicates"), {"sizes": [2], "kinds": deviations(2), "fit": 3}),
        (("versions", "numpy"), ["2"]),
        (("figures",), []),
        (("figures", "local.ami"), 0.5),
        (("figures", "local.ami", "value"), "0.5"),
        (("figures", "local.ami", "value"), float("nan")),
        (("figures", "local.ami", "value"), float("inf")),
        (("figures", "local.ami", "low"), True),
        (("figures", "local.ami", "controls"), {"random": {}}),
        (("confusion", "local", "counts"), [[1, 2], [3]]),
        (("confusion", "local", "counts"), []),
        (("confusion", "local", "matched"), [1]),
        (("confusion", "local", "matched"), [2, 0]),
        (("confusion", "local", "matched"), [-2, 0]),
    ],
)
def test_another_form_is_refused(place: tuple[str, ...], value: object):
    values: Any = copy.deepcopy(JSON)
    at = values
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    with pytest.raises(UserError, match="score file") as caught:
        ScoreFile.from_json(json.dumps(values))
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 500


@pytest.mark.parametrize("key", [*JSON, "data.sha256", "figures.local.ami"])
def test_nothing_may_be_missing(key: str):
    values: Any = copy.deepcopy(JSON)
    if key == "figures.local.ami":
        del values["figures"]["local.ami"]["unit"]
    elif key == "data.sha256":
        del values["data"]["sha256"]
    else:
        del values[key]
    with pytest.raises(UserError, match="score file"):
        ScoreFile.from_json(json.dumps(values))


@pytest.mark.parametrize("content", [b"", b"[1", b"[" * 100_000, b"3", b"9" * 10_000, b"\xff\xfe", b'{"a": 1}'])
def test_other_files_are_named_in_one_line(content: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"a.json: not a score file") as caught:
        scores.read(path)
    assert "\n" not in str(caught.value)
    monkeypatch.setattr(scores, "_MAX_BYTES", 2)
    path.write_bytes(b" " * 3)
    with pytest.raises(UserError, match="too large"):
        scores.read(path)
    with pytest.raises(UserError, match="No such file"):
        scores.read(tmp_path / "b.json")


def changed(file: ScoreFile, name: str, value: float) -> ScoreFile:
    return replace(file, scores={**file.scores, name: replace(file.scores[name], value=value)})


def test_scores_of_other_data_are_not_compared(few: data.Data, seen: Evaluation):
    file = score_file(seen, "x", few, 1.0)
    other = replace(file, data=replace(file.data, sha256="0"))
    with pytest.raises(UserError, match="of other data"):
        compare.regressions(file, other, [])
    with pytest.raises(UserError, match="of other data"):
        compare.check_baseline(other, file.data, weights=False)
    worse = changed(file, "shift.mean", 0.5)
    rules = compare.parse_rules(["shift.mean>0.2", "local.ami<-0.1"], file)
    assert rules == [("shift.mean", ">", 0.2), ("local.ami", "<", -0.1)]
    assert compare.regressions(worse, file, rules) == ["shift.mean: 0.0000 -> 0.5000, +0.5000 > 0.2"]
    # That six clips agree is no proof for one of so many scores.
    assert compare.changes(worse, file) == f"{'shift.mean':<36}    0.000 ->    0.500  +0.500  [+0.500, +0.500]"
    assert compare.regressions(changed(file, "shift.mean", math.nan), file, rules) == ["shift.mean: 0.0000 -> no such score"]


BASELINE = replace(
    SMALL,
    settings=replace(SMALL.settings, protocol=scores.PROTOCOL),
    scores={name: Entry(0.5, 0.4, 0.6, "", 6, {}) for name in ("local.ami", "global.ami", "local.standing.nmi")},
)


@pytest.mark.parametrize(
    ("gone", "lines"),
    [
        ([], []),
        (["local.ami"], ["local.ami: 0.5000 -> no such score"]),
        (["local.standing.nmi"], ["local.standing.nmi: 0.5000 -> no such score"]),  # which the table does not show
        (["local.ami", "global.ami", "local.standing.nmi"], [f"{name}: 0.5000 -> no such score" for name in BASELINE.scores]),
    ],
)
@pytest.mark.parametrize("how", ["missing", "not defined"])
def test_a_score_that_is_lost_fails(gone: list[str], lines: list[str], how: str):
    new = replace(BASELINE, scores={name: entry for name, entry in BASELINE.scores.items() if name not in gone or how == "not defined"})
    for name in gone if how == "not defined" else []:
        new = changed(new, name, math.nan)
    rules = compare.parse_rules(["local.ami<-0.1"], BASELINE)
    assert compare.regressions(new, BASELINE, rules) == lines
    assert (f"{len(gone)} scores of the baseline are missing" in compare.changes(new, BASELINE)) == bool(gone)
    assert compare.regressions(BASELINE, new, []) == []
    assert (f"{len(gone)} scores are not in the baseline" in compare.changes(BASELINE, new)) == bool(gone)


@pytest.mark.bad_input
def test_a_baseline_that_cannot_be_compared_is_refused_before_scoring():
    compare.check_baseline(BASELINE, BASELINE.data, weights=False)
    lpips = replace(BASELINE, scores={"drift.lpips.16": BASELINE.scores["local.ami"]})
    other = replace(BASELINE, data=replace(BASELINE.data, sha256="1" * 64, clips={"val": 20, "test": 40}))
    for baseline, line in (
        (other, r"of other data \(d, 20 clips of val and 40 clips of test, not d, 12 clips of val and 6 clips of test\)"),
        (replace(BASELINE, scores={}), "the baseline has no scores"),
        (replace(BASELINE, scores={"shift.mean": SMALL.scores["shift.mean"]}), "the baseline has no scores"),
        (lpips, r"weights: the baseline has drift\.lpips\.16, which needs the weights that it was scored with"),
    ):
        with pytest.raises(UserError, match=line):
            compare.check_baseline(baseline, BASELINE.data, weights=False)
    compare.check_baseline(lpips, BASELINE.data, weights=True)


@pytest.mark.parametrize(
    ("name", "unit", "before", "fine", "worse"),
    [
        ("local.ami", "", 0.5, 0.485, 0.475),
        ("null.codes", "", 0.2, 0.215, 0.225),
        ("nuisance.character.vectors", "", 0.2, 0.0, 0.3),
        ("shift.mean", "px", 4.0, 4.3, 4.5),
        ("drift.psnr.16", "dB", 30.0, 29.6, 29.4),
        ("images.fid", "distance", 50.0, 54.0, 56.0),
    ],
)
def test_what_counts_as_worse(name: str, unit: str, before: float, fine: float, worse: float):
    request = SimpleNamespace(config=SimpleNamespace(getoption=lambda _: 0.02))

    def run(value: float) -> None:
        baseline, new = (replace(SMALL, scores={name: Entry(one, one, one, unit, 6, {})}) for one in (before, value))
        compare_score(name, new, baseline, request)

    run(fine)
    for value in (worse, math.nan):
        with pytest.raises(AssertionError, match=name):
            run(value)
