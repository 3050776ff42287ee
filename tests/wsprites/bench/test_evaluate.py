"""A model that knows everything is perfect in every column, one that knows nothing is at the floor."""

from pathlib import Path

import numpy as np
import pytest
from bench_models import Guesser, Seer

from wsprites.bench import control, data, load
from wsprites.bench import evaluation as evaluate
from wsprites.bench.ranges import impossible
from wsprites.bench.run import score_file
from wsprites.errors import UserError
from wsprites.world.actions import GlobalAction

pytestmark = pytest.mark.usefixtures("quick")


def test_what_knows_everything_is_perfect_in_every_column(seen: evaluate.Evaluation):
    figures = {name: one.value for name, one in seen.scores.items()}
    oracle = {name: one.value for name, one in seen.baselines["oracle"].items()}
    for name, value in oracle.items():
        if ".lag_" in name:
            assert 0.3 < value < 1, name  # the labels of other transitions
        elif not np.isfinite(value):
            assert name.startswith("global.standing") or "clipped" in name, name  # one label only, or no such step
        elif name.startswith(("null.", "nuisance.")) or name.endswith((".mean", ".median", ".p95", "shift.mean")) or "position" in name:
            assert value <= (0.3 if name.startswith(("control", "drift", "transfer")) else 0), name  # read back, sub-pixel
        elif "unreadable" in name or "ghost" in name:
            assert value == 0, name
        elif "psnr" in name:
            assert value > 30, name
        else:
            assert value == pytest.approx(1, abs=1e-3 if name.startswith("leakage") else 1e-6), name
    perfect = [
        name for name in figures if name.split(".")[0] in ("local", "masks", "shift", "background_shift", "control", "drift", "transfer")
    ]
    assert len(perfect) > 60
    for name in perfect:
        assert figures[name] == pytest.approx(oracle[name], nan_ok=True), name
    assert not [name for name in seen.baselines["best_code"] if "standing" in name or "conditional" in name or "vectors" in name]
    assert [video.title for video in seen.videos if video.kind == "code"][1] == "code 1, inferred from walk_left"
    assert figures["vectors.local.linear"] == figures["vectors.local.mlp"] == 1
    assert figures["leakage.shift.shift"] > 0.999 and figures["leakage.background_shift.codes"] < 0.1
    assert figures["leakage.local.codes"] == figures["leakage.local.vectors"] == 1


def test_all_scores_of_a_model_are_possible(seen: evaluate.Evaluation, few: data.Data):
    """Those of codes, of which some may be below 0, are computed again instead."""
    of_codes = ("local.", "global.", "background.", "codes.")
    entries = {name: entry for name, entry in score_file(seen, "seer", few, 1.0).scores.items() if not name.startswith(of_codes)}
    assert len(entries) > 100 and [line for name, entry in entries.items() for line in impossible(name, entry)] == []


def test_what_knows_nothing_is_at_the_floor(few: data.Data):
    found = evaluate.evaluate(Guesser(), few, "guesser")
    for name, one in found.scores.items():
        floors = [of[name].value for who, of in found.baselines.items() if name in of and who in ("random", "copy", "majority")]
        if name.split(".")[-1] in ("ami", "conditional") or name.startswith("leakage"):
            assert not one.value >= 0.12, name  # some are not defined
        elif floors and np.isfinite(one.value):
            assert one.value <= max(floors) + 0.12 or name.startswith("drift.position"), name
    assert found.scores["control.consistency"] == found.baselines["copy"]["control.consistency"]
    assert found.scores["null.codes"].value == pytest.approx(1, abs=0.2)  # the order of the calls decides about its draws


def test_vectors_alone_are_enough_to_be_controlled(few: data.Data):
    seer = Seer(few)

    class ByVectors:
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {name: array for name, array in seer.infer(frames).items() if name in ("vectors", "shift")}

        def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            return seer.rollout(first, actions.argmax(-1), shifts)

    fitted, _ = evaluate.collect(ByVectors(), few.fit)
    scores, videos, _ = control.control(ByVectors(), few, fitted)
    assert scores["model"]["control.faithful"].value == 1 and scores["model"]["drift.psnr.16"].value == 60 and len(videos) > 9


def test_a_wrong_model_is_named_in_one_line(few: data.Data, tmp_path: Path):
    class Wrong:
        def __init__(self, answer: object) -> None:
            self._answer = answer

        def infer(self, frames: np.ndarray) -> object:
            return self._answer

    for answer, line in (
        ({"codes": np.zeros((4, 90), int)}, "codes has the shape (4, 90)"),
        ({"code": 1}, "infer returned code; expected a dict with some of codes"),
        (np.zeros(3), "infer returned ndarray"),
        ({}, "infer returned nothing"),
        ({"codes": [[1], [2, 3]]}, "codes is a list that NumPy cannot convert"),
    ):
        with pytest.raises(UserError, match="x: ") as caught:
            evaluate.evaluate(Wrong(answer), few, "x")
        assert line in str(caught.value)
    (tmp_path / "not.npz").write_bytes(b"PK\3\4 nothing")
    (tmp_path / "not.pt").write_bytes(b"nothing")
    for name in ("not.npz", "not.pt", "missing.npz", "missing", "json:loads", "json:nothing", "no.such.module:x"):
        with pytest.raises((UserError, TypeError), match=r"not|no such|loads|nothing|argument|No module|no format"):
            load.load(str(tmp_path / name) if "." in name and ":" not in name else name, few)


def test_what_a_model_offers_is_the_same_for_all_clips_and_tried_before_all_is_scored(few: data.Data, monkeypatch: pytest.MonkeyPatch):
    class Moody:
        calls = 0

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            self.calls += 1
            return {"vectors": np.zeros((len(frames), frames.shape[1] - 1, 2 + self.calls % 2))}

    class Wrong(Guesser):
        calls = 0

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            self.calls += len(frames)
            return super().infer(frames)

        def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            return super().rollout(first, actions, shifts) / 255

    with pytest.raises(UserError, match=r"x: vectors \(clips, times, 3\) of some clips, vectors \(clips, times, 2\) of others"):
        evaluate.evaluate(Moody(), few, "x")
    model = Wrong()
    with pytest.raises(UserError, match="rollout returned float64"):
        evaluate.evaluate(model, few, "x")
    assert model.calls == 1
    for codes in (10**9, 0, [1, 2], True):
        monkeypatch.setattr(Guesser, "codes", codes, raising=False)
        with pytest.raises(UserError, match=r"its attribute codes is .*; expected the number of codes, 1 to 1024"):
            load.load("bench_models:guesser", few)


def test_scores_that_short_clips_do_not_have_are_named():
    assert evaluate.beyond(17, ["drift.psnr"]) == {}
    assert evaluate.beyond(8, ["drift.psnr", "drift.local"]) == {
        f"drift.{name}.{t}": f"clips of 8 frames, {t + 1} are needed" for name in ("psnr", "local") for t in (8, 16)
    }


def test_a_shift_that_repeats_the_one_before_is_a_floor(few: data.Data):
    """Most transitions repeat the action before, so the shift before is right more often than no shift at all."""
    script, step = few.scored.script, few.scored.spec.sprite.step
    results = evaluate.shift_scores(few, "shift", np.zeros((*script.shift[:, 1:].shape,)))
    right, total = 0, 0
    for shifts, actions in zip(script.shift.tolist(), script.global_action.tolist(), strict=True):
        for (x, y), now, action in zip(shifts[:-1], shifts[1:], actions[1:], strict=True):
            if now != [0, 0] and max(map(abs, now)) < step:
                continue  # an edge cut the step short
            before = "stay" if max(abs(x), abs(y)) < step / 2 else ("left", "right")[x > 0] if abs(x) >= abs(y) else ("up", "down")[y > 0]
            right, total = right + (before == GlobalAction(action).name), total + 1
    name = "shift.action_accuracy"
    assert results["previous"][name].value == pytest.approx(right / total)
    assert results["majority"][name].value < results["previous"][name].value < results["oracle"][name].value == 1
