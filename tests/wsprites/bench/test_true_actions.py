"""Models whose rollouts are driven by the true actions: what they get, a perfect one, one that ignores them, and how scores say so."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from samples import ROOT

from wsprites.bench import caddy, check, data, page, released, rollouts, test_scores, twins, videos
from wsprites.bench.baselines import true_actions
from wsprites.bench.compare import changes, parse_rules, regressions
from wsprites.bench.control import control
from wsprites.bench.evaluation import leakage_scores
from wsprites.bench.headline import BY_TRUTH, headlines, sentence
from wsprites.bench.load import check_model
from wsprites.bench.predictions import write_predictions
from wsprites.bench.protocol import ProtocolError
from wsprites.bench.rollouts import read_actions, starts
from wsprites.bench.run import Job
from wsprites.bench.runs import joined
from wsprites.bench.scores import ScoreFile
from wsprites.bench.sequences import sequences
from wsprites.bench.table import markdown, table
from wsprites.errors import ArgumentError, UserError
from wsprites.world.actions import GlobalAction

NAME, CLIPS = "wsprites-paper-v1", 6


class Listener:
    """Keeps what it is asked for, and repeats the last frame."""

    rollout_actions = "true"
    context = 3

    def __init__(self) -> None:
        self.asked: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {}

    def rollout(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        self.asked.append((true, actions, shifts))
        return np.repeat(true[:, -1:], actions.shape[1], 1)


@pytest.fixture(scope="module")
def examples() -> Iterator[object]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "examples"))
        import true_actions as module

        yield module
    del sys.modules["true_actions"]


@pytest.fixture(scope="module", autouse=True)
def small(without_probes) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(rollouts, "STARTS", 2)
        patch.setattr(twins, "CLIPS", 1)
        yield


@pytest.fixture(scope="module")
def both(examples, small) -> tuple[ScoreFile, ScoreFile]:
    """The scores of the world itself, and of a still frame."""
    job = Job(("made",), NAME, clips=CLIPS)
    return job.score("world", examples.World(job.opened)).scores, job.score("still", examples.Still()).scores


def test_the_world_itself_is_a_ceiling(both: tuple[ScoreFile, ScoreFile]):
    world, _ = both
    assert world.value("control.faithful") == world.value("drift.local.16") == world.value("transfer.local.16") == 1
    assert world.value("control.shift.action_accuracy") == 1 and world.value("drift.position.16") < 0.1
    for name, entry in world.scores.items():
        if name.startswith(("control.", "drift.", "transfer.")):
            assert entry.value == pytest.approx(entry.baselines["oracle"], abs=1e-9), name


def test_who_ignores_the_actions_gets_what_a_copied_frame_gets(both: tuple[ScoreFile, ScoreFile]):
    _, still = both
    names = [
        name for name, entry in still.scores.items() if name.startswith(("control.", "drift.", "transfer.")) and "copy" in entry.baselines
    ]
    assert {"control.faithful", "drift.position.16", "transfer.local.4"} <= {*names} and still.value("control.faithful") < 0.5
    for name in names:
        assert still.value(name) == pytest.approx(still.scores[name].baselines["copy"], abs=1e-9), name


def test_a_model_that_infers_nothing_needs_no_probes():
    class Refuses:
        def ceiling(self, names: list[str]) -> None:
            raise AssertionError(f"probes of {names} were fitted")

        leakage = chosen = ceiling

    assert leakage_scores(cast(Any, Refuses()), {}, {}) == {}


def test_what_is_given(few: data.Data):
    """Labels of the frames that follow, as they are in the script; the scene stands still."""
    model, begin = Listener(), starts(few.scored)
    actions, shifts = read_actions(model, begin, 5, by_truth=True)
    for start, action_t3, shift_t2 in zip(begin, actions, shifts, strict=True):
        script = few.scored.script[start.clip]
        for step in range(5):
            label = start.t + 1 + step  # what led to the frame after this step
            expected = [script.global_action[label], script.local_action[label], GlobalAction.stay]
            assert action_t3[step].tolist() == expected and shift_t2[step].tolist() == script.shift[label].tolist()
    control(model, few, {})
    assert all(true.shape[1:] == (3, 3, 96, 128) and given.shape[2] == 3 and given.dtype == np.int64 for true, given, _ in model.asked)
    held = [given for _, given, _ in model.asked if given.shape[1] == 4 and (given == given[:, :1]).all()]
    asked = {tuple(row) for given in held for row in given[:, 0].tolist()}
    assert [{row[column] for row in asked} for column in range(3)] == [set(range(5)), set(range(9)), {int(GlobalAction.stay)}]


def test_sequences_of_caddy_get_the_actions_of_the_clip_and_its_scene():
    class Remembers(Listener):
        context = None

        def rollout_with_context(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray) -> np.ndarray:
            self.asked.append((true, actions, shifts))
            return np.repeat(true[:, -1:], actions.shape[1], 1)

    model, job = Remembers(), Job(("remembers",), NAME, clips=2)
    vars(job)["loaded"] = [("remembers", model)]
    (file,) = job.run_caddy()
    assert isinstance(job.opened, data.Data)
    rows = sequences(job.opened)
    actions, shifts = (np.concatenate([asked[n] for asked in model.asked]) for n in (1, 2))
    script = job.opened.scored.script
    for number, (action_t3, shift_t2) in enumerate(zip(actions, shifts, strict=True)):
        n, first = number // rows.shape[1], rows.begins[number % rows.shape[1]]
        at = slice(first + 1, first + rows.shape[2])
        columns = [getattr(script, name)[n, at] for name in ("global_action", "local_action", "background_action")]
        assert np.array_equal(action_t3, np.stack(columns, -1)) and np.array_equal(shift_t2, script.shift[n, at])
    assert file.settings.rollout_actions == "true" and file.settings.protocol == caddy.PROTOCOL


def test_files_tables_and_sentences_say_it(both: tuple[ScoreFile, ScoreFile], tmp_path: Path):
    world, still = both
    plain = replace(still, settings=replace(still.settings, rollout_actions=""), system="a")
    assert ScoreFile.from_json(world.to_json()).settings.rollout_actions == "true" and "rollout_actions" not in plain.to_json()
    assert {name.partition(".")[0] for name in world.scores} == {"control", "drift", "transfer"}  # it infers nothing
    assert sentence(world).endswith(BY_TRUTH) and BY_TRUTH not in sentence(plain)
    reasons = {headline.question.group: headline.reason for headline in headlines(world)}
    assert "infers no vectors or codes" in headlines(world)[0].reason and reasons["Nuisance"] == "the model infers no vectors or codes"
    assert "world: video driven by the true actions, a ceiling" in table([world, plain])
    page.write(tmp_path / "page.html", [(world, ()), (plain, ())])
    written = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert written.count(BY_TRUTH) == written.count("true actions given") == 1
    assert "world, `paper`, true actions given |" in markdown([world]) and "given" not in markdown([plain])
    assert "video of the new model is driven by the true actions" in changes(world, plain) and "driven" not in changes(world, still)
    assert len(joined([plain, replace(world, system="a")])) == 2  # never runs of one system


def test_a_file_that_hides_it_is_found(both: tuple[ScoreFile, ScoreFile], examples, few: data.Data):
    _, still = both
    job = Job(("still",), NAME, clips=CLIPS)
    vars(job)["loaded"] = [("still", examples.Still())]
    hidden = replace(still, settings=replace(still.settings, rollout_actions=""))
    told, lied = (check.check(file, job, rng=np.random.default_rng(0)) for file in (still, hidden))
    assert all(finding.fine for finding in told)
    (wrong,) = [finding.text for finding in lied if not finding.fine]
    assert wrong == "the model's video is driven by the true actions; the file says otherwise"


def test_no_gate_lets_it_pass_for_better(both: tuple[ScoreFile, ScoreFile]):
    world, still = both
    plain = replace(still, settings=replace(still.settings, rollout_actions=""))
    of_video = parse_rules(["control.faithful<-0.02"], plain)
    wrong = "the video is driven by the true actions, and that of the baseline is not"
    assert regressions(world, plain, of_video) == regressions(world, plain, parse_rules(["worse"], plain)) == [wrong]
    assert regressions(world, plain, []) == regressions(world, still, of_video) == []
    with pytest.raises(AssertionError, match=r"control.faithful: the model's video is driven by the true actions"):
        test_scores.test_score("control.faithful", world, plain, None)  # type: ignore[arg-type]


def test_without_rollouts_it_means_nothing(few: data.Data):
    """What the attribute says is of rollouts, so that a model without them is like any other."""

    class Codes:
        rollout_actions = "true"

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"codes": np.zeros((len(frames), frames.shape[1] - 1), int)}

    class Refuses(Codes):
        def rollout(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray) -> np.ndarray:
            raise AssertionError("nobody asks")

    for model, generates in ((Codes(), True), (Refuses(), False)):
        job = Job(("codes",), NAME, clips=CLIPS, rollouts=generates)
        vars(job)["loaded"] = [("codes", model)]
        file = job.score("codes", model).scores
        assert file.settings.rollout_actions == "" and "local.nmi" in file.scores
        assert all(finding.fine for finding in check.check(file, job, rng=np.random.default_rng(0)))
    assert "codes" in released.table(Codes(), few, "codes")


@pytest.mark.bad_input
@pytest.mark.parametrize("protocol", ["wsprites", "caddy"])
def test_it_may_not_change_while_a_model_is_scored(protocol: str):
    class Turncoat(Listener):
        def rollout(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            self.rollout_actions = None  # type: ignore[assignment]
            return np.repeat(true[:, -1:], actions.shape[1], 1)

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"codes": np.zeros((len(frames), frames.shape[1] - 1), int)}

    job = Job(("turncoat",), NAME, clips=2)
    vars(job)["loaded"] = [("turncoat", Turncoat())]
    with pytest.raises(UserError, match=r"^turncoat: its rollout_actions changed while it was scored; set it before$"):
        next(job.run_caddy()) if protocol == "caddy" else job.score("turncoat", Turncoat())


@pytest.mark.bad_input
def test_what_cannot_be(few: data.Data, tmp_path: Path):
    odd = type("Odd", (Listener,), {"rollout_actions": "yes"})()
    with pytest.raises(ArgumentError, match="model: Odd: its attribute rollout_actions is 'yes'; expected 'true'"):
        check_model("Odd", odd)
    with pytest.raises(UserError, match="infer returned nothing; expected a dict"):
        Job(("a",), NAME, clips=2).score("a", type("Silent", (Listener,), {"rollout_actions": None})())
    with pytest.raises(ProtocolError, match="infers nothing, so that there are no predictions to write"):
        write_predictions(tmp_path / "out.npz", few, Listener())
    with pytest.raises(UserError, match="this protocol generates from what a model infers; use 'wsprites' or 'caddy'"):
        released.table(Listener(), few, "listener")
    with pytest.raises(ProtocolError, match="videos have no true actions; score it on a world"):
        videos._evaluate(Listener(), None, lambda _: None, None)  # type: ignore[arg-type]


def test_the_scene_may_stand_still(few: data.Data):
    script = few.scored.script[0]
    assert (true_actions(script, still=True)[:, 2] == GlobalAction.stay).all()
    assert np.array_equal(true_actions(script)[:, 2], script.background_action)
