"""Clips that nobody has seen, and score files that are not what they say: each way to cheat, and how it is found."""

import hashlib
import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import bench_models
import numpy as np
import pytest
from bench_models import CLIPS, predictions

from wsprites.bench import check, data, scores
from wsprites.bench import evaluation as evaluate
from wsprites.bench.metrics.interval import Score
from wsprites.bench.packed import packed
from wsprites.bench.protocol import Arrays, Model
from wsprites.bench.provenance import hashes
from wsprites.bench.ranges import impossible
from wsprites.bench.run import Job
from wsprites.bench.scores import Entry, ScoreFile, StoredReplicates
from wsprites.errors import ArgumentError, UserError

pytestmark = pytest.mark.usefixtures("without_probes")

Run = Callable[..., tuple[int, str, str]]


class Memorised:
    """Knows the true actions of the published clips by their pixels, and has learned nothing else."""

    def __init__(self, published: data.Data) -> None:
        self._codes = {}
        for part in published.parts:
            self._codes |= {part.clip(n).frames_thwc.tobytes(): part.script.local_action[n, 1:].astype(int) for n in range(len(part))}

    def infer(self, frames: np.ndarray) -> Arrays:
        unknown = np.zeros(frames.shape[1] - 1, int)
        clips = np.ascontiguousarray(frames.transpose(0, 1, 3, 4, 2))
        return {"codes": np.stack([self._codes.get(clip.tobytes(), unknown) for clip in clips])}


def code_scores(model: Model, of: data.Data) -> dict[str, float]:
    fitted, scored = (evaluate.collect(model, part)[0]["codes"] for part in of.parts)
    results, _ = evaluate.scores_of_codes(of, (fitted, scored), 9)
    return {name: score.value for name, score in results["model"].items()}


def test_clips_learned_by_heart_are_worth_nothing_on_a_private_seed(few: data.Data):
    model, private = Memorised(few), data.standard("wsprites-paper-v1", clips=CLIPS, seed=7)
    known, unknown = code_scores(model, few), code_scores(model, private)
    assert [known["local.ami"], known["local.matched_accuracy"]] == pytest.approx([1, 1])
    assert unknown["local.ami"] == pytest.approx(0) and unknown["codes.perplexity"] == 1
    stays = private.scored.script.local_action[:, 1:]
    assert unknown["local.matched_accuracy"] <= np.bincount(stays.ravel()).max() / stays.size


def test_a_seed_makes_other_clips_of_the_same_characters():
    published, (a, b, again) = data.standard("wsprites-paper-v1"), (data.standard("wsprites-paper-v1", seed=seed) for seed in (7, 8, 7))
    assert a.name == "wsprites-paper-v1-seed-7" and again.sha256 == a.sha256 and len({published.sha256, a.sha256, b.sha256}) == 3
    for mine, theirs in zip(a.parts, published.parts, strict=True):
        assert set(mine.script.character.tolist()) == set(theirs.script.character.tolist()) and len(mine) == len(theirs)
        assert not (mine.script.position == theirs.script.position).all((1, 2)).any()
    assert data.standard("wsprites-paper-v1", seed=7, clips=5).name == "wsprites-paper-v1-seed-7-first-5"


@pytest.mark.bad_input
def test_impossible_seeds(data_file: Path, run: Run):
    for seed, line in (
        (0, "0 is outside"),
        (2**63, "is outside"),
        (True, "is not a whole number"),
        (20_220_822, "makes the published clips"),
    ):
        with pytest.raises(ArgumentError, match=line):
            data.standard("wsprites-paper-v1", seed=seed)
    code, _, err = run("bench", "--data", data_file, "--seed", 3, "--model", "x:y")
    assert code == 2 and "--seed: 3 is only for standard worlds" in err and err.count("\n") == 1


@pytest.fixture(scope="module")
def model_file(few: data.Data, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A predictions file that is wrong about a third of the codes."""
    path = tmp_path_factory.mktemp("check") / "model.npz"
    arrays, rng = predictions(few), np.random.default_rng(0)
    for part in few.parts:
        codes = arrays[f"{part.name}/codes"]
        arrays[f"{part.name}/codes"] = np.where(rng.random(codes.shape) < 1 / 3, rng.integers(0, 9, codes.shape), codes)
        arrays[f"{part.name}/shift"] = arrays[f"{part.name}/shift"] + 0.25
    np.savez(path, **arrays)
    return path


@pytest.fixture(scope="module")
def honest(model_file: Path, without_probes: None) -> ScoreFile:
    (result,) = Job((str(model_file),), clips=CLIPS).run()
    return ScoreFile.from_json(result.scores.to_json())


def findings(file: ScoreFile, model: Path) -> list[str]:
    """What is wrong with a file, after it was written and read."""
    file = ScoreFile.from_json(file.to_json())
    return [one.text for one in check.check(file, check.job_of(file, str(model), "wsprites-paper-v1")) if not one.fine]


def changed(file: ScoreFile, name: str, **values: object) -> ScoreFile:
    return replace(file, scores={**file.scores, name: replace(file.scores[name], **values)})


def test_hashes_are_those_of_the_files(model_file: Path):
    made = hashes(str(model_file))
    assert (made.model, made.model_file) == (hashlib.sha256(model_file.read_bytes()).hexdigest(), "model.npz")
    source = hashes("bench_models:guesser")
    assert (source.model, source.model_file) == (hashlib.sha256(Path(bench_models.__file__).read_bytes()).hexdigest(), "bench_models.py")
    assert hashes("sys:exit").model == hashes("no.such.module:x").model == ""
    assert made.code == source.code and re.fullmatch("[0-9a-f]{64}", made.code)


def test_an_honest_file_is_fine_and_says_what_cannot_be_checked(honest: ScoreFile, model_file: Path, run: Run, tmp_path: Path):
    assert findings(honest, model_file) == []
    assert honest.hashes is not None and honest.hashes.model_file == "model.npz" and len(honest.hashes.code) == 64
    scores.write(tmp_path / "a.json", honest)
    code, out, err = run("bench", "--check", tmp_path / "a.json", "--model", model_file)
    assert code == 0, err
    assert "the model is the same file (model.npz)" in out and "cannot be computed from it (shift)" in out
    assert "the model infers the same from clips 0, 1, 2, 3, 4, 5 of test" in out and "FAILED" not in out


def test_edited_scores_do_not_follow_from_the_predictions(honest: ScoreFile, model_file: Path):
    edits = (
        ("local.ami", {"value": 0.99}, r"local.ami is 0.99 in the file, but 0\.\d+ by what it holds of each clip"),
        ("codes.perplexity", {"high": 5.0}, r"codes.perplexity high is 5 in the file, but .*"),
        ("shift.mean", {"value": 0.1}, r"shift.mean is 0.1 in the file, but 0.353553 by .*"),
        ("local.matched_accuracy", {"baselines": {}}, r"local.matched_accuracy of .* is nan in the file, but .*"),
    )
    forged = replace(honest, scores={name: entry for name, entry in honest.scores.items() if name != "global.nmi"})
    for name, values, _ in edits:
        forged = changed(forged, name, **values)
    counts = replace(honest.confusion["local"], counts=tuple(map(tuple, np.eye(9, dtype=int).tolist())))
    wrong = findings(replace(forged, confusion={**honest.confusion, "local": counts}), model_file)
    lines = [line for _, _, line in edits]
    lines += [r"global.nmi is missing, although it .*", "the confusion matrices do not follow from the codes"]
    assert all(any(re.fullmatch(line, text) for text in wrong) for line in lines), wrong
    assert all(any(re.fullmatch(line, text) for line in lines) for text in wrong), wrong


def test_scores_need_what_they_follow_from(honest: ScoreFile, model_file: Path):
    """Without codes or shifts of each clip, their scores are not believed; a score that codes do not have is none of theirs."""
    for array in ("codes", "shift"):
        less = {key: values for key, values in honest.per_clip.items() if key != f"val/{array}"}
        assert f"the file has scores of {array}, but does not hold its {array} of each clip" in findings(
            replace(honest, per_clip=less), model_file
        )
    scores_left = {name: entry for name, entry in honest.scores.items() if name.startswith("shift.")}
    only_shift = {key: values for key, values in honest.per_clip.items() if "shift" in key}
    wrong = findings(replace(honest, scores=scores_left, per_clip=only_shift), model_file)
    assert "the confusion matrices do not follow from the codes" in wrong
    more = {**honest.scores, "local.invented": honest.scores["local.ami"], "fame": honest.scores["local.ami"]}
    assert findings(replace(honest, scores=more), model_file) == [
        "fame is no score of this benchmark",
        "local.invented does not follow from the codes, although it is a score of codes",
    ]


def larger(entry: Entry, factor: float) -> StoredReplicates:
    """The replicates of a score, further away from it."""
    assert entry.replicates
    return replace(entry.replicates, kinds=replace(entry.replicates.kinds, largest=factor * entry.replicates.kinds.largest))


def test_replicates_and_baselines_are_compared(honest: ScoreFile, model_file: Path):
    other = honest.scores["local.ami"].replicates
    for name, replicates in (
        *((name, larger(honest.scores[name], factor)) for name in ("local.ami", "codes.perplexity") for factor in (1000.0, 0.0)),
        ("shift.mean", other),
        ("local.nmi", None),
    ):
        line = f"the replicates of {name} are others in the file than by what it holds of each clip"
        assert findings(changed(honest, name, replicates=replicates), model_file) == [line]
    for name in ("local.ami", "shift.mean", "shift.action_accuracy"):
        for who, line in (("zzz", f"{name} has no baseline zzz"), ("random", f"{name} of random is 9e+15 in the file, but ")):
            wrong = findings(changed(honest, name, baselines={**honest.scores[name].baselines, who: 9e15}), model_file)
            assert any(text.startswith(line) for text in wrong), wrong
    wrong = findings(changed(honest, "local.ami", clips=5), model_file)
    assert wrong == ["local.ami is of 5 clips in shares in the file, but of 6 by what it holds of each clip"]


def test_floors_of_vectors_are_compared(honest: ScoreFile, monkeypatch: pytest.MonkeyPatch):
    """Those that do not depend on the model: a lower one would let its row look better than it."""

    class Probing:
        floors_and_ceiling: ClassVar = {"state_only": {"vectors.local.linear": Score(0.9)}}

    monkeypatch.setattr(evaluate, "probing_of", lambda _: Probing())
    norms = {f"{split}/vectors": packed(np.ones(CLIPS * (2 if split == "val" else 1)), "f4") for split in ("val", "test")}
    for floor, wrong in (
        (0.9, []),
        (0.1, ["vectors.local.linear of state_only is 0.1 in the file, but 0.9 by what it holds of each clip"]),
    ):
        entry = replace(honest.scores["local.matched_accuracy"], baselines={"state_only": floor, "shuffled": 0.1})
        file = replace(honest, scores={"vectors.local.linear": entry}, confusion={}, per_clip=norms)
        assert [one.text for one in check.check_without_model(file) if not one.fine] == wrong


def test_an_interval_is_that_of_its_replicates(honest: ScoreFile):
    """Of a score that cannot be computed again. An interval may be cut to the range of the score, and nowhere else."""
    for name in ("local.matched_accuracy", "local.onset.matched_accuracy", "background.many_to_one", "codes.switch_rate"):
        entry = replace(honest.scores[name], baselines={"oracle": 1.0})
        assert entry.low < entry.value < entry.high and [*impossible("vectors.local.linear", entry)] == []
        for values in (
            {"replicates": larger(entry, 1000.0)},
            {"replicates": larger(entry, 0.0)},
            {"low": entry.value},
            {"low": entry.value, "high": entry.value},
            {"high": (entry.value + entry.high) / 2},
        ):
            (line,) = impossible("vectors.local.linear", replace(entry, **values))
            assert line.endswith("which is not that of its replicates")


def test_numbers_that_no_score_has(honest: ScoreFile, model_file: Path):
    """Of scores that need the model; what noise can do, as a leakage below 0, is possible."""
    for name, values, line in (
        ("shift.action_accuracy", {"value": 37.0}, "shift.action_accuracy is 37, outside the range 0 to 1"),
        ("shift.action_accuracy", {"low": -0.1}, "shift.action_accuracy low is -0.1, outside the range 0 to 1"),
        ("shift.action_accuracy", {"value": 0.01}, "shift.action_accuracy is 0.01, outside of its interval"),
        ("shift.action_accuracy", {"unit": "px"}, "shift.action_accuracy is in px, not in shares"),
        ("shift.action_accuracy", {"replicates": None}, "shift.action_accuracy has an interval, but no replicates"),
        ("shift.p95", {"value": -1.0, "low": -1.0, "high": -1.0}, "shift.p95 is -1, outside the range 0 to inf"),
        ("shift.median", {"replicates": honest.scores["shift.mean"].replicates}, "shift.median has replicates, but no interval of them"),
    ):
        assert any(text.startswith(line) for text in findings(changed(honest, name, **values), model_file)), line
    leakage = replace(honest.scores["local.ami"], value=-0.5, low=math.nan, high=math.nan, replicates=None, baselines={"oracle": 1.0})
    assert [*impossible("leakage.background.vectors", leakage)] == []
    assert [*impossible("leakage.background.vectors", replace(leakage, value=1.1, baselines={"all": 2.0}))] == [
        "leakage.background.vectors is 1.1, outside the range -inf to 1",
        "leakage.background.vectors of all is 2, outside the range -inf to 1",
    ]
    # A single vector far from all others misleads a probe without limit.
    assert [*impossible("leakage.shift.vectors", replace(leakage, value=-4.6e20))] == []
    misled = changed(honest, "local.ami", value=-4.6e20)
    assert ScoreFile.from_json(misled.to_json()).value("local.ami") == -4.6e20


def test_files_on_the_same_data_share_it_without_a_model(honest: ScoreFile, model_file: Path):
    """Probes of the state are fitted once for all of them. A model is loaded again: its file may have changed."""
    assert check.job_of(honest, "", "") is check.job_of(honest, "", "")
    assert check.job_of(honest, str(model_file), "") is not check.job_of(honest, str(model_file), "")


def test_a_confusion_matrix_of_any_size_is_not_computed(honest: ScoreFile, monkeypatch: pytest.MonkeyPatch):
    def never(*_: object) -> None:
        raise AssertionError

    monkeypatch.setattr(check, "scores_of_codes", never)
    local = honest.confusion["local"]
    more = 1025 - len(local.counts)
    counts = replace(local, counts=local.counts + (local.counts[0],) * more, matched=local.matched + (-1,) * more)
    (found,) = check.check_without_model(replace(honest, confusion={**honest.confusion, "local": counts}))
    assert found == check.Finding(False, "the confusion matrix of local is of more than 1,024 codes")


def test_edited_predictions_are_not_those_of_the_model(honest: ScoreFile, model_file: Path, few: data.Data, tmp_path: Path):
    """Scores of the truth, with the true codes as those that the model is said to infer: all follows, but the model infers others."""
    np.savez(tmp_path / "truth.npz", **predictions(few))
    (result,) = Job((str(tmp_path / "truth.npz"),), clips=CLIPS).run()
    first, *wrong = findings(result.scores, model_file)
    assert first == "the model is another file (truth.npz)"
    for n in range(CLIPS):  # of 12 clips of val, and all of test
        assert f"clip {n} of test: shift is 0.3536, not 0" in wrong
        assert any(re.fullmatch(rf"clip {n} of test: \d\d% of its codes are others", text) for text in wrong)
    assert len(wrong) == 2 * (12 + CLIPS)
    # One clip of six: found if it is in the sample, so with all six drawn for certain.
    codes = honest.per_clip["test/codes"].array().copy()
    codes[3] = few.scored.script.local_action[3, 1:]
    fitted = honest.per_clip["val/codes"].array().astype(int)
    better, confusion = evaluate.scores_of_codes(few, (fitted, codes.astype(int)), 9)
    forged = replace(honest, per_clip={**honest.per_clip, "test/codes": packed(codes, "u2")}, confusion=confusion)
    for name, score in better["model"].items():
        forged = changed(forged, name, value=score.value, low=score.low, high=score.high)
    assert forged.value("local.ami") > honest.value("local.ami")
    (line,) = [text for text in findings(forged, model_file) if "codes are others" in text]
    assert line.startswith("clip 3 of test: ")


def test_what_a_file_holds_of_clips_is_complete_and_possible(honest: ScoreFile, model_file: Path):
    less = replace(honest, per_clip={key: values for key, values in honest.per_clip.items() if key != "test/shift"})
    assert "the model infers codes, shift from clips of test; the file holds codes" in findings(less, model_file)
    for key, values in (("test/codes", np.zeros((6, 88))), ("test/codes", np.full((6, 89), 60_000)), ("train/codes", np.zeros((6, 89)))):
        wrong = findings(replace(honest, per_clip={**honest.per_clip, key: packed(values, "u2")}), model_file)
        assert any("cannot be of these data" in text for text in wrong)
    negative = replace(honest, per_clip={**honest.per_clip, "test/codes": packed(np.full((6, 89), -1), "i1")})
    assert findings(negative, model_file) == ["test/codes of (6, 89) cannot be of these data"]


def test_small_values_of_clips_are_compared_as_well():
    assert check._other("shift", 0.030, 0.012) == "shift is 0.03, not 0.012" and check._other("vectors", 0.001, 0.02) != ""
    assert [
        check._other(*one) for one in (("shift", 0.0304, 0.03), ("vectors", 0.0, 1e-8), ("masks", 0.5, 0.509), ("shift", 3.0, 3.05))
    ] == [""] * 4
    assert check._other("shift", math.nan, math.nan) == "" != check._other("shift", math.nan, 1.0)


@pytest.mark.bad_input
def test_files_that_cannot_be_checked(honest: ScoreFile, model_file: Path, data_file: Path, run: Run, tmp_path: Path):
    other = {name: replace(honest.data, name=name) for name in ("wsprites-paper-v1", "data.h5:test", "wsprites-paper-v1-seed-9-first-6")}
    for file, line in (
        (replace(honest, settings=replace(honest.settings, protocol="bench-1")), "of protocol bench-1, not bench-2; score the model again"),
        (replace(honest, per_clip={}), "holds nothing of single clips"),
        (replace(honest, data=other["wsprites-paper-v1"]), "of other data than wsprites-paper-v1, although"),
        (replace(honest, data=other["wsprites-paper-v1-seed-9-first-6"]), "of other data than wsprites-paper-v1-seed-9-first-6, although"),
        (replace(honest, data=other["data.h5:test"]), "data: the scores are of data.h5:test; give the path of that file"),
        (
            replace(honest, data=replace(honest.data, name="wsprites-factorial-v1")),
            "data: wsprites-paper-v1: the scores are of wsprites-factorial",
        ),
    ):
        with pytest.raises(UserError, match=line):
            check.job_of(file, str(model_file), "wsprites-paper-v1")
    with pytest.raises(UserError, match=r"of other data than data.h5:test, although"):
        check.job_of(replace(honest, data=other["data.h5:test"]), str(model_file), str(data_file))
    scores.write(tmp_path / "a.json", changed(honest, "local.ami", value=1.0))
    for arguments, expected, line in (
        (["--model", model_file], 1, "FAILED   local.ami is 1 in the file"),
        ([], 2, "--model is missing"),
        (["--models", f"{model_file},x:y"], 2, "--check needs one model"),
        (["--model", model_file, "--clips", 6], 2, "--clips does not go with --check, which takes them from the score file"),
        (["--model", model_file, "--seed", 6], 2, "--seed does not go with --check"),
        (["--model", model_file, "--split", "val"], 2, "--split does not go with --check"),
        (
            ["--model", model_file, "--data", "wsprites-factorial-v1"],
            2,
            "--data: wsprites-factorial-v1: the scores are of wsprites-paper-v1-first",
        ),
        (["--model", model_file, "--data", data_file], 2, "leave it out"),
        (["--model", model_file, "--out", "b.json"], 2, "--out does not go with --check"),
    ):
        code, out, err = run("bench", "--check", tmp_path / "a.json", *arguments)
        assert code == expected and line in out + err and err.count("\n") == (expected == 2), out + err


def test_the_sample_cannot_be_foreseen(honest: ScoreFile, model_file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(check, "SAMPLE", 2)
    monkeypatch.setattr(check, "_of_scores", lambda *_: [])  # which takes longer
    job = check.job_of(honest, str(model_file), "wsprites-paper-v1")
    drawn = {check.check(honest, job)[-1].text for _ in range(12)}
    assert len(drawn) > 1  # of 15 pairs, all the same with a chance of 15^-11
    one, two = (check.check(honest, job, rng=np.random.default_rng(3)) for _ in range(2))
    assert one == two
