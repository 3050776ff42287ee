"""benchmarks/leaderboard: its systems, its folders of runs, the table, the page and the checks. Commands are imitated."""

import hashlib
import json
import math
import os
import shutil
from collections.abc import Sequence
from dataclasses import replace
from itertools import count, pairwise
from pathlib import Path
from threading import Event

import numpy as np
import pytest
from made_scores import LEAK, NUISANCE, WHOLE, entry, made
from run_folders import BOARD, TINY, again, put, record_of, task_of, wrong
from safetensors.numpy import save_file

from benchmarks import runs as running
from benchmarks.leaderboard import arguments, check, run, task, training
from benchmarks.leaderboard import record as record_module
from benchmarks.leaderboard.anchors import WITHOUT, CharacterId, Copy, FrameCopy, OneCode, SceneCode, unearned
from benchmarks.leaderboard.arguments import RUNS
from benchmarks.leaderboard.entries import BUDGETS, ENTRIES, NONE, TRACKS
from benchmarks.leaderboard.record import CHECKPOINT, SUMS, Record, Training, folders, read_record, read_run, sha256, write_record
from benchmarks.leaderboard.rows import wrong_rows
from benchmarks.leaderboard.training import FIRST, Plan, Saved, seconds
from glass_model.systems import find
from glass_model.training.config import fields_of, load_config
from wsprites.bench.check import check_without_model
from wsprites.bench.data import STANDARD_SEED, load_standard, standard
from wsprites.bench.provenance import hashes
from wsprites.bench.scores import Hashes, ScoreFile, write
from wsprites.fields import to_json
from wsprites.world.spec import SplitSpec


@pytest.fixture(autouse=True)
def unbound(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests keep their cores, and their environment."""
    monkeypatch.setattr(os, "sched_setaffinity", lambda *_: None)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1})
    monkeypatch.setenv("OMP_NUM_THREADS", os.environ.get("OMP_NUM_THREADS", "1"))


# The systems.


@pytest.mark.parametrize("name", [name for name, one in ENTRIES.items() if one.kind])
def test_a_trained_system_is_of_its_track(name: str) -> None:
    """What its configuration learns from says the track, at every budget; no two systems are the same."""
    one = ENTRIES[name]
    for budget in BUDGETS:
        config = Plan(name, one, "factorial", budget, 3).config
        labels = {field for field in fields_of(config) if field.endswith("_action") or field == "index"}
        assert one.track == training.least_track(config) and config.train.seed == 3
        assert bool(labels) == (getattr(config.train, "labels", 0.0) > 0)
        if hasattr(config.train, "alone"):  # the schedule of GLASS ends before training does
            train = config.train
            assert train.alone < train.steps and train.alone + train.given_steps < train.steps and train.decay_step > train.alone
    same = [
        other
        for other, its in ENTRIES.items()
        if (its.kind, its.preset, its.settings, its.first) == (one.kind, one.preset, one.settings, one.first)
    ]
    assert same == [name]


def test_systems_without_training() -> None:
    untrained = {name: one for name, one in ENTRIES.items() if one.model}
    assert {name for name, one in untrained.items() if one.track == "anchor"} == {*WITHOUT} and "classical" in untrained
    assert all(one.track in TRACKS and one.words and bool(one.model) != bool(one.kind) for one in ENTRIES.values())
    assert all(len(name) < 60 and Record(name) for name in ENTRIES)


# Making runs.


class Commands:
    """What `call` runs, without running it: a training leaves a checkpoint, a scoring a score file."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.ends_at: int | None = None
        """Step at which the time of a training is over."""
        self.left: list[float] = []
        self.takes, self.now = 0.0, 0.0
        """Seconds of a training, and those of all so far."""

    def __call__(self, arguments: Sequence[str], log: Path, lock: int, interrupted: Event, *, seconds: float = math.inf) -> str:
        self.calls.append(list(arguments))
        given, out = dict(pairwise(arguments)), Path(dict(pairwise(arguments))["--out"])
        with log.open("a", encoding="utf-8") as file:
            file.write(f"wsprites {arguments[0]}\n")
        if arguments[0] == "train":
            self.left.append(seconds)
            self.now += self.takes
            sets = [text.removeprefix("--set=") for text in arguments if text.startswith("--set=")]
            config = load_config(find(given["--system"]).PRESETS, given["--preset"], sets)
            over = self.ends_at is not None and seconds < math.inf
            uses = {name: sha256(Path(given[f"--{name}"])) for name in ("gma", "reader") if f"--{name}" in given}
            checkpoint(out, config, str(self.ends_at) if over else str(config.train.steps), given["--world"], **uses)
            if over:
                raise TimeoutError
        else:
            model = given["--model"]
            file_hashes = Hashes(sha256(Path(model)), "checkpoint.safetensors", "0" * 64) if ":" not in model else hashes(model)
            write(out, scores_named(given["--system"], given["--data"], file_hashes))
            (out.parent / "task.json").write_text(json.dumps(task_of(file_hashes.model)))
        return ""


TRAININGS = count()


def checkpoint(out: Path, config, step: str, world: str, **uses: str) -> Path:
    """A checkpoint whose training used those with these hashes."""
    out.mkdir(parents=True, exist_ok=True)
    about = {"format": config.system, "config": to_json(config), "step": step, "versions": '{"torch": "2"}'}
    about |= {name: f"sha256 {digest}" for name, digest in uses.items()}
    # No two trainings end with the same weights: otherwise the scores of one would be those of the next.
    weights = {"a": np.full((2, 3), next(TRAININGS), np.float32), "b": np.zeros(4, np.float32)}
    made_from = load_standard(world)
    data = {"source": "stream", "world": made_from.spec.to_json(), "art_sha256": made_from.art.sha256, "seed": 0}
    save_file(weights, out / "checkpoint.safetensors", {**about, "data": json.dumps(data)})
    return out / "checkpoint.safetensors"


def scores_named(system: str, name: str, made_from: Hashes) -> ScoreFile:
    file = made(**WHOLE, local__conditional=entry(0.125, 0.1))
    return replace(file, system=system, hashes=made_from, data=replace(file.data, name=name))


@pytest.fixture
def ten_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks have as many weights as the checkpoints of `checkpoint`."""
    monkeypatch.setattr(check, "numbers_of", lambda _: 10)


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch, ten_weights: None) -> Commands:
    commands = Commands()
    monkeypatch.setattr(running, "call", commands)
    return commands


def done(tmp_path: Path, *arguments: str) -> int:
    with pytest.raises(SystemExit) as exit_:
        run.main([*arguments, "--out", str(tmp_path), "--no-task"])
    return {None: 0}.get(exit_.value.code, exit_.value.code)


def test_a_run_is_trained_scored_and_described(tmp_path: Path, commands: Commands) -> None:
    for _ in range(2):  # nothing is done twice
        assert done(tmp_path, "lam-tiny", "--seeds", "2") == 0
        assert [call[0] for call in commands.calls] == ["train", "bench"] * 2
    train, bench = (dict(pairwise(call)) for call in commands.calls[:2])
    assert (train["--system"], train["--preset"], train["--world"], train["--device"]) == ("lam", "tiny", "factorial", "cpu")
    assert "--set=train.seed=1" in commands.calls[2] and {"--resume", "--stream"} <= {*commands.calls[0]}
    assert (bench["--system"], bench["--data"]) == ("lam-tiny", "wsprites-factorial-v1")
    assert commands.left == [900 - 60] * 2
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-1"
    record = read_record(folder)
    assert record.path == folder.relative_to(tmp_path) and record.evaluations == 1
    config = Plan("lam-tiny", ENTRIES["lam-tiny"], "factorial", "minutes", 1).config
    batch = config.train.batch * config.train.window
    assert (record.training.steps, record.training.planned, record.training.frames, record.training.parameters) == (
        2000,
        2000,
        2000 * batch,
        10,
    )
    assert json.loads((folder / "config.json").read_text())["train"]["seed"] == 1
    assert (folder / "log.txt").read_text() == "wsprites train\nwsprites bench\n" and "numpy==" in (folder / "lock.txt").read_text()
    for line in (folder / SUMS).read_text().splitlines():  # that which sha256sum -c reads
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_all_clips_are_the_board_itself(tmp_path: Path, commands: Commands) -> None:
    """They have no board of their own, on which they would be scored again and again."""
    for _ in range(2):
        assert done(tmp_path, "lam-tiny", "--seeds", "1", "--clips", "500") == 0
    record = read_record(tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0")
    assert record.evaluations == 1 and [call[0] for call in commands.calls] == ["train", "bench"] and "--clips" not in commands.calls[1]


def test_what_is_not_as_it_should_be_is_done_again(tmp_path: Path, commands: Commands) -> None:
    done(tmp_path, "lam-tiny", "--seeds", "1")
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    cases = {
        "no score file": (lambda: (folder / "scores.json").unlink(), ["bench"]),
        "scores of another checkpoint": (lambda: checkpoint_of(folder, TINY.config, "2000", extra="x"), ["bench"]),
        "an unfinished training": (lambda: checkpoint_of(folder, TINY.config, "1999"), ["train", "bench"]),
        "another configuration": (lambda: checkpoint_of(folder, replace(TINY.config, name="small"), "2000"), ["train", "bench"]),
    }
    for number, (break_, repeated) in enumerate(cases.values(), start=1):
        commands.calls = []
        break_()
        assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0 and [call[0] for call in commands.calls] == repeated
        record = read_record(folder)
        assert record.evaluations == number + 1  # every scoring on test counts
        assert record.checkpoint == (f"https://example.org/{number - 1}" if number > 1 else "")
        write_record(folder, replace(record, checkpoint=f"https://example.org/{number}"))  # which is kept


def checkpoint_of(folder: Path, config, step: str, extra: str = "") -> None:
    path = checkpoint(folder / "train", config, step, "factorial")
    if extra:
        save_file({"a": np.ones(3, np.float32)}, path, json.loads(header(path))["__metadata__"])


def header(path: Path) -> bytes:
    content = path.read_bytes()
    return content[8 : 8 + int.from_bytes(content[:8], "little")]


def test_a_training_whose_time_is_over_is_finished_with_the_steps_that_it_has(tmp_path: Path, commands: Commands) -> None:
    commands.ends_at = 700
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    assert [call[0] for call in commands.calls] == ["train", "train", "bench"]
    assert "--set=train.steps=701" in commands.calls[1] and commands.left[1] == math.inf
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    training = read_record(folder).training
    assert (training.steps, training.planned) == (701, 2000) and training.machine
    commands.calls = []
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0 and commands.calls == []


def test_time_goes_on_after_an_interruption(tmp_path: Path, commands: Commands) -> None:
    """The clock of a training that was killed counts until its last checkpoint; what it took is no longer left."""
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    checkpoint(folder / "train", TINY.config, "40", "factorial")
    since = (folder / CHECKPOINT).stat().st_mtime - 100
    (folder / "train-clock.json").write_text(json.dumps({"seconds": 200.0, "since": since}))
    assert seconds(folder) == pytest.approx(300)
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    assert commands.left == [pytest.approx(900 - 60 - 300)]
    assert 300 <= read_record(folder).training.seconds < 330


BEHIND = Plan("lam-tiny-window-found-behind", ENTRIES["lam-tiny-window-found-behind"], "factorial", "minutes", 0)


def test_a_glass_is_trained_first(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the time of the run, in the world and by the seed of the run; its GMA is given to the training, and comes from nowhere else."""
    monkeypatch.setattr(training.time, "monotonic", lambda: commands.now)
    commands.takes = 200.0
    for _ in range(2):
        assert done(tmp_path, BEHIND.name, "--seeds", "1") == 0 and [call[0] for call in commands.calls] == ["train", "train", "bench"]
    folder = tmp_path / BOARD / "minutes" / BEHIND.name / "seed-0"
    first, second = (dict(pairwise(call)) for call in commands.calls[:2])
    assert (first["--system"], first["--preset"], first["--out"]) == ("glass", "small", str(folder / "train" / "first"))
    assert {"--set=train.steps=1000", "--set=train.alone=1000", "--set=train.seed=0", "--resume"} <= {*commands.calls[0]}
    assert second["--gma"] == str(folder / "train" / FIRST) and commands.left == [840, 640] and seconds(folder) == 400
    command = read_record(folder).command.split(" && ")
    assert len(command) == 2 and "--out train/first" in command[0] and "--gma train/first/checkpoint.safetensors" in command[1]
    saved = Saved(folder / CHECKPOINT)
    assert saved.is_of(BEHIND) and not saved.helped and saved.first and not saved.is_of(TINY) and wrong(folder) == []
    # After an interruption of the second training, the first is not done again: its file stays as it is.
    (folder / CHECKPOINT).unlink()
    assert done(tmp_path, BEHIND.name, "--seeds", "1") == 0 and [call[0] for call in commands.calls[3:]] == ["train", "bench"]
    assert "--gma" in commands.calls[3] and Saved(folder / CHECKPOINT).is_of(BEHIND)
    # Given by hand, it comes with the one that was trained first.
    given = ["--checkpoint", str(folder / CHECKPOINT), "--seconds", "700", "--machine", "m"]
    assert (
        done(tmp_path / "out", BEHIND.name, *given) == 0 and not Saved(tmp_path / "out" / folder.relative_to(tmp_path) / CHECKPOINT).helped
    )
    # Another GMA is not that of the plan; one that is unfinished, of another seed or world, of other bytes, or gone is one from elsewhere.
    config = saved.first.config
    for other, step, world, elsewhere in (
        (replace(config, name="tiny"), "1000", "factorial", False),
        (config, "999", "factorial", True),
        (config.override(train={"seed": 1}), "1000", "factorial", True),
        (config, "1000", "paper", True),
    ):
        path = checkpoint(folder / "train" / "first", other, step, world)
        assert Saved(folder / CHECKPOINT).first is None and Saved(folder / CHECKPOINT).helped
        checkpoint(folder / "train", saved.config, str(saved.step), "factorial", gma=sha256(path))
        mixed = Saved(folder / CHECKPOINT)
        assert mixed.helped == elsewhere and not mixed.is_of(BEHIND)
        assert [any(words in line for line in wrong(folder)) for words in ("is not what lam", "weights from elsewhere")] == [
            True,
            elsewhere,
        ]
    path.unlink()
    assert Saved(folder / CHECKPOINT).helped and any("weights from elsewhere" in words for words in wrong(folder))


def test_what_another_run_trained_is_of_unknown_time(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """A checkpoint that was copied into the folder would cost nothing, whether it is what is trained first or all."""
    folder = tmp_path / BOARD / "minutes" / BEHIND.name / "seed-0"
    first = checkpoint(folder / "train" / "first", BEHIND.first.config, "1000", "factorial")
    for _ in range(2):
        assert done(tmp_path, BEHIND.name, "--seeds", "1") == 1 and commands.calls == []
        assert "has a checkpoint, but train-clock.json beside it is missing" in capsys.readouterr().out
        checkpoint(folder / "train", BEHIND.config, "700", "factorial", gma=sha256(first))
    assert training.trained(BEHIND, folder) and not (folder / "run.json").exists()
    shutil.rmtree(folder / "train")
    assert done(tmp_path, BEHIND.name, "--seeds", "1") == 0 and [call[0] for call in commands.calls] == ["train", "train", "bench"]


DRAWN = Plan("glass-drawn", ENTRIES["glass-drawn"], "factorial", "hour", 0)


def test_a_glass_that_draws_the_codes_of_a_latent_action_model(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three trainings, each in the folder of the next; the last one uses both before it, and nothing else will do."""
    monkeypatch.setattr(training.time, "monotonic", lambda: commands.now)
    commands.takes = 800.0
    assert done(tmp_path, DRAWN.name, "--budget", "hour", "--seeds", "1") == 0
    assert [dict(pairwise(call)).get("--preset") for call in commands.calls] == ["small", "persist", "drawn", None]
    folder = tmp_path / BOARD / "hour" / DRAWN.name / "seed-0"
    reader, gma = folder / "train" / FIRST, folder / "train" / "first" / FIRST
    _, second, third = (dict(pairwise(call)) for call in commands.calls[:3])
    assert (second["--gma"], third["--gma"], third["--reader"]) == (str(gma), str(gma), str(reader)) and "--reader" not in second
    saved = Saved(folder / CHECKPOINT)
    assert [one.config.name for one in saved.chain] == ["drawn", "persist", "small"]
    assert saved.is_of(DRAWN) and not saved.helped and seconds(folder) == 2400 and wrong(folder) == []
    # What is there is kept: after a loss of the last two, they alone are trained again.
    (folder / CHECKPOINT).unlink()
    reader.unlink()
    assert done(tmp_path, DRAWN.name, "--budget", "hour", "--seeds", "1") == 0
    assert [dict(pairwise(call)).get("--preset") for call in commands.calls[4:]] == ["persist", "drawn", None]
    # Given by hand, it comes with both.
    given = ["--budget", "hour", "--checkpoint", str(folder / CHECKPOINT), "--seconds", "700", "--machine", "m"]
    assert done(tmp_path / "out", DRAWN.name, *given) == 0
    assert [one.config.name for one in Saved(tmp_path / "out" / folder.relative_to(tmp_path) / CHECKPOINT).chain] == [
        "drawn",
        "persist",
        "small",
    ]
    # A reader from elsewhere, or one that learned with another GMA than the one that is used, is help.
    for uses in ({"reader": "0"}, {"gma": sha256(gma), "reader": "0"}, {"gma": "0", "reader": sha256(reader)}, {"reader": sha256(reader)}):
        checkpoint(folder / "train", saved.config, str(saved.step), "factorial", **uses)
        assert Saved(folder / CHECKPOINT).helped and any("weights from elsewhere" in words for words in wrong(folder))


def test_the_time_of_the_first_training_counts(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """Killed in it, until its last checkpoint; where the time is over in it, there is nothing to score."""
    folder = tmp_path / BOARD / "minutes" / BEHIND.name / "seed-0"
    path = checkpoint(folder / "train" / "first", BEHIND.first.config, "40", "factorial")
    (folder / "train-clock.json").write_text(json.dumps({"seconds": 200.0, "since": path.stat().st_mtime - 100}))
    assert seconds(folder) == pytest.approx(300)
    commands.ends_at = 500
    assert done(tmp_path, BEHIND.name, "--seeds", "1") == 1 and commands.left == [pytest.approx(900 - 60 - 300)]
    assert "its time was over before the first step" in capsys.readouterr().out


def test_checkpoints_from_elsewhere(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    plan = Plan("lam-base", ENTRIES["lam-base"], "factorial", "gpu", 2)
    path = checkpoint(tmp_path / "elsewhere", plan.config, str(plan.config.train.steps), "factorial")
    given = ["--budget", "gpu", "--checkpoint", str(path), "--seconds", "3400", "--machine", "a GPU", "--command", "wsprites train -"]
    assert done(tmp_path / "out", "lam-base", *given) == 0
    assert [call[0] for call in commands.calls] == ["bench"]
    folder = tmp_path / "out" / BOARD / "gpu" / "lam-base" / "seed-2"
    record = read_record(folder)
    assert record.command == "wsprites train -"
    assert (record.training.seconds, record.training.machine, record.seed) == (3400, "a GPU", 2) and sha256(folder / CHECKPOINT) == sha256(
        path
    )
    # Given again, it is done; another one with the same configuration is not.
    assert done(tmp_path / "out", "lam-base", *given) == 0 and len(commands.calls) == 1
    save_file({"a": np.ones(3, np.float32)}, path, json.loads(header(path))["__metadata__"])
    assert done(tmp_path / "out", "lam-base", *given) == 0 and len(commands.calls) == 2
    assert sha256(folder / CHECKPOINT) == sha256(path)
    # One that is of another system, and one of a system that is not in the list.
    assert done(tmp_path / "out", "lam-small", *given) == 1
    assert "is not of lam-small with seed 2 in factorial" in capsys.readouterr().out
    assert done(tmp_path / "out", "mine", *given, "--track", "unsupervised", "--words", "something new") == 0
    assert read_record(tmp_path / "out" / BOARD / "gpu" / "mine" / "seed-2").words == "something new"


def test_training_on_one_machine_and_scoring_on_another(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "machine", lambda **_: "the first")
    assert done(tmp_path, "lam-tiny", "--seeds", "1", "--stage", "train") == 0 and len(commands.calls) == 1
    monkeypatch.setattr(run, "machine", lambda **_: "the second")
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0 and len(commands.calls) == 2
    assert read_record(tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0").training.machine == "the first"


def test_what_is_said_of_a_checkpoint_can_be_said_again(tmp_path: Path, commands: Commands) -> None:
    """Without another scoring; by the path of the copy in the folder of the run as well."""
    plan = Plan("lam-base", ENTRIES["lam-base"], "factorial", "gpu", 2)
    path = checkpoint(tmp_path / "elsewhere", plan.config, str(plan.config.train.steps), "factorial")
    given = ["--budget", "gpu", "--checkpoint", str(path), "--seconds", "3400"]
    assert done(tmp_path / "out", plan.name, *given, "--machine", "wrong") == 0
    folder = tmp_path / "out" / BOARD / "gpu" / plan.name / "seed-2"
    for at, more in ((path, []), (folder / CHECKPOINT, ["--command", "wsprites train -"])):
        given[3] = str(at)
        assert done(tmp_path / "out", plan.name, *given, "--machine", "right", *more) == 0
        record = read_record(folder)
        assert (record.training.machine, record.command, record.evaluations) == ("right", " ".join(more[1:]), 1)
    assert [call[0] for call in commands.calls] == ["bench"] and sha256(folder / CHECKPOINT) == sha256(path)
    # Whatever else is done or said later, the command stays: nothing here could know it.
    assert done(tmp_path / "out", plan.name, *given, "--machine", "another") == 0
    assert (read_record(folder).training.machine, read_record(folder).command) == ("another", "wsprites train -")
    (folder / "scores.json").unlink()
    assert done(tmp_path / "out", plan.name, "--budget", "gpu", "--seed", "2") == 0
    assert read_record(folder).command == "wsprites train -" and [call[0] for call in commands.calls] == ["bench"] * 2


def test_a_training_that_is_begun_anew_has_all_of_its_time(tmp_path: Path, commands: Commands) -> None:
    """Its folder was deleted: what an earlier one took is not of this one."""
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    (folder / "train-clock.json").write_text(json.dumps({"seconds": 850.0, "since": None}))
    assert seconds(folder) == 850
    shutil.rmtree(folder / "train")
    (folder / "run.json").unlink()
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    assert commands.left == [840, 840] and read_record(folder).training.seconds < 30


def test_scores_that_stay_keep_their_packages_and_commit(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is done later with other packages, such as the task, is not what they were made by."""
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    before = (folder / "lock.txt").read_bytes(), read_record(folder).commit
    monkeypatch.setattr(record_module, "installed", lambda: ["numpy==0"])
    monkeypatch.setattr(arguments, "commit", lambda: "later")
    (folder / "task.json").unlink()
    monkeypatch.setattr(task, "results", lambda *_: {})
    monkeypatch.setattr(task, "load_model", lambda _: None)
    with pytest.raises(SystemExit):
        run.main(["lam-tiny", "--seeds", "1", "--out", str(tmp_path)])
    assert (folder / "task.json").exists() and [call[0] for call in commands.calls] == ["train", "bench"]
    assert ((folder / "lock.txt").read_bytes(), read_record(folder).commit) == before
    (folder / "run.json").unlink()
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    assert read_record(folder).evaluations == 1 and len(commands.calls) == 2  # that of the scores that are there
    (folder / "scores.json").unlink()  # those of a new scoring are others
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    assert ((folder / "lock.txt").read_text(), read_record(folder).commit) == ("numpy==0\n", "later")


def test_a_task_of_another_model_is_done_again(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or of another version of the task, or one that is damaged; without the task, it is removed: its rates are not of this row."""
    made_of = []
    monkeypatch.setattr(task, "results", lambda *_: made_of.append(1) or {})
    monkeypatch.setattr(task, "load_model", lambda _: None)
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    path = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0" / "task.json"
    own = json.loads(path.read_text())
    for number, text in enumerate((json.dumps(own | {"model": "0" * 64}), json.dumps(own | {"task": "marker-0"}), "[", "[]"), start=1):
        path.write_text(text)
        with pytest.raises(SystemExit) as exit_:
            run.main(["lam-tiny", "--seeds", "1", "--out", str(tmp_path)])
        assert not exit_.value.code and len(made_of) == number and json.loads(path.read_text())["model"] == own["model"]
    path.write_text(json.dumps(own | {"model": "0" * 64}))
    path.with_name("scores.json").unlink()
    monkeypatch.setattr(f"{__name__}.task_of", lambda _: {"model": "another"})
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0 and not path.exists()


def test_a_run_of_another_call_is_left_out(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """It has not failed; the others are done."""
    with running.alone_in(tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"):
        assert done(tmp_path, "lam-tiny", "--seeds", "2") == 0
    out = capsys.readouterr().out
    assert f"1 of 2: {BOARD}/minutes/lam-tiny/seed-0 is left out: another call works on it" in out and "FAILED" not in out
    assert [call[0] for call in commands.calls] == ["train", "bench"]


def test_a_recorded_run_is_not_trained_in_its_place(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """In a clone, the runs of the repository have no checkpoints: more seeds of a row leave those that are there as they are."""
    assert done(tmp_path, "lam-tiny", "--seeds", "1") == 0
    folder = tmp_path / BOARD / "minutes" / "lam-tiny" / "seed-0"
    shutil.rmtree(folder / "train")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    assert done(tmp_path, "lam-tiny", "--seeds", "2") == 0
    assert f"1 of 2: {BOARD}/minutes/lam-tiny/seed-0 is left out: it is recorded" in capsys.readouterr().out
    assert {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()} == before
    assert [call[0] for call in commands.calls] == ["train", "bench"] * 2


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--seed", "3"], "--seed: "),
        (["--seed", "2", "3"], "--seed: "),
        (["--seeds", "5"], "--seeds: "),
    ],
)
def test_a_checkpoint_has_its_seed(
    more: list[str], words: str, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    path = checkpoint(tmp_path / "elsewhere", replace(TINY, seed=2).config, "2000", "factorial")
    given = ["mine", "--checkpoint", str(path), "--seconds", "9", "--machine", "m", "--track", "unsupervised", "--words", "new"]
    assert done(tmp_path / "out", *given, *more) == 2
    assert f"{words}{path} was trained with seed 2; leave" in capsys.readouterr().err and not (tmp_path / "out").exists()
    assert done(tmp_path / "out", *given, "--seed", "2") == 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "name at least one system"),
        *(
            (["lam-tiny", "--budget", budget, "--cores", cores], f"--cores: {cores!r} is not a list of numbers such as 0,1")
            for budget, cores in (("open", "a"), ("minutes", "0-1"), ("minutes", "0,1,x"))
        ),
        (["classical", "--seed", "1"], "--seed: 1: classical is not trained, and has one run, of seed 0"),
        (["classical", "--checkpoint", "x", "--seconds", "1", "--machine", "m"], "--checkpoint: classical is not trained, and has none"),
        (["lam-teeny"], "'lam-teeny' is not one of classical, one-code"),
        (["lam-tiny", "--cores", "0"], "--cores: 0: the budget minutes needs 2 of the cores"),
        (["lam-tiny", "--clips", "1"], "--clips: 1 is outside the range 2 to 500"),
        (["lam-tiny", "--checkpoint", "x"], "--checkpoint: give the time and the machine"),
        *(
            (["lam-tiny", "--checkpoint", "x", "--machine", "m", "--seconds", seconds], f"seconds = {seconds} is outside the range")
            for seconds in ("-5.0", "nan", "inf")
        ),
        (["lam-tiny", "--command", "wsprites train"], "--command: it is of a checkpoint that was trained by other means"),
        (["lam-tiny", "--seconds", "5"], "--seconds: it is of a checkpoint that was trained by other means"),
        (["lam-tiny", "--machine", "a"], "--machine: it is of a checkpoint that was trained by other means"),
        (["lam-tiny", "--track", "oracle"], "--track: lam-tiny is in the list, which says what it is"),
        (["lam-tiny", "--words", "a"], "--words: lam-tiny is in the list, which says what it is"),
        (["lam-tiny", "--seeds", "0"], "--seeds: 0: at least one run is needed"),
        (["lam-tiny", "--seeds", "2", "--seed", "1"], "--seeds: it does not go with --seed"),
        (["classical", "--seeds", "4"], "--seeds: 4: classical is not trained, and has one run"),
        (["mine", "--model", "a:b"], "--track: mine is not in the list"),
        (["lam-tiny", "--model", "a:b"], "--model: lam-tiny is the name of another system"),
        (["lam-tiny", "--budget", "days"], "argument --budget: invalid choice"),
    ],
)
def test_wrong_arguments(arguments: list[str], words: str, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert done(tmp_path / "out", *arguments) == 2
    assert words in capsys.readouterr().err and not commands.calls and not (tmp_path / "out").exists()


# The checks.


@pytest.mark.parametrize("track", TRACKS)
def test_video_by_the_true_actions_is_of_the_track_oracle(track: str, tmp_path: Path) -> None:
    file = made(**WHOLE)
    told = replace(file, settings=replace(file.settings, rollout_actions="true"))
    own, driven = (put(tmp_path / str(number), record_of("other", track), each) for number, each in enumerate((file, told)))
    wrong = "its video is driven by the true actions: the track is oracle, not "
    found = [[one.text for one in check.findings(folder, sample=False) if one.text.startswith(wrong)] for folder in (own, driven)]
    assert found == [[], [] if track == "oracle" else [wrong + track]]


def test_a_run_that_holds(tmp_path: Path) -> None:
    folder = put(tmp_path, record_of("mine"), made(**WHOLE))
    assert wrong(folder) == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda folder: (folder / "scores.json").write_text((folder / "scores.json").read_text() + " "), "scores.json was changed"),
        (lambda folder: (folder / "log.txt").unlink(), "log.txt is missing"),
        (lambda folder: again(folder, training=Training(10, 100, 60, 1, 919.0, "m")), "training took 919 s; the budget minutes is 900 s"),
        (lambda folder: again(folder, training=Training(10, 100, 61, 1, 600.0, "m")), "steps, seed or frames"),
        (lambda folder: again(folder, seed=4), "run.json says that it is"),
        (lambda folder: again(folder, evaluations=0), "never was scored on test"),
        (lambda folder: again(folder, board="wsprites-paper-v1/bench-2"), "scores.json is of mine on wsprites-factorial-v1"),
        (lambda folder: again(folder, model="a:b"), "the budget is minutes, and the model a:b"),
        (lambda folder: checkpoint_of(folder, TINY.config, "2000"), "config.json is not the configuration in the checkpoint"),
    ],
)
def test_what_does_not_hold_is_found(change, words: str, tmp_path: Path) -> None:
    folder = put(tmp_path, record_of("mine"), made(**WHOLE))
    change(folder)
    assert any(words in text for text in wrong(folder)), wrong(folder)


def test_no_code_of_a_stranger_is_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that names any factory is checked without it; so is one without its checkpoint."""
    monkeypatch.setattr(check, "check_without_model", lambda scores: [])
    (tmp_path / "mine_to_import.py").write_text("raise SystemExit('imported')")
    monkeypatch.syspath_prepend(str(tmp_path))
    for number, (record, failed, words) in enumerate(
        [
            (replace(record_of("mine", budget=NONE), model="mine_to_import:make"), 1, "mine_to_import:make is not in the list"),
            (record_of("mine"), 0, "train/checkpoint.safetensors is not here"),
        ]
    ):
        *others, found = check.findings(put(tmp_path / str(number), record, made(**WHOLE)))
        assert found.fine and words in found.text
        assert [finding.fine for finding in others] == [False] * failed, others


def test_the_runs_of_the_repository_hold() -> None:
    """Files, records, rows and anchors; and the scores follow from what the score files hold of each clip."""
    every = folders(RUNS)
    assert {str(folder): text for folder in every for text in wrong(folder)} == {} and wrong_rows(every) == {}
    followed = {folder: check_without_model(read_run(folder).scores) for folder in every}
    assert {str(folder): one.text for folder, found in followed.items() for one in found if not one.fine} == {}


@pytest.mark.parametrize(("name", "world"), [("one-code", "paper"), ("scene-code", "factorial")])
def test_an_anchor_of_the_repository_infers_what_its_score_file_holds(name: str, world: str) -> None:
    """The check with a model; what trained models infer is checked by the command, where their checkpoints are."""
    board = f"wsprites-{world}-v1-first-100"
    (folder,) = (folder for folder in folders(RUNS / board) if folder.parent.name == name)
    found = [*check.findings(folder)]
    assert all(one.fine for one in found) and sum("the model infers the same from clips" in one.text for one in found) == 2, found


def test_a_system_of_the_list_is_of_its_track(tmp_path: Path) -> None:
    folder = put(tmp_path, record_of("lam-tiny-twin"), made(**WHOLE))
    assert "lam-tiny-twin is of the track guided, and its model is train/checkpoint.safetensors" in wrong(folder)


@pytest.mark.bad_input
@pytest.mark.usefixtures("ten_weights")
def test_a_system_of_the_list_has_its_configuration(tmp_path: Path) -> None:
    """Or one of fewer steps; one that learned from true actions is found under any name, with and without its checkpoint."""
    folder, name = tmp_path / TINY.world, "config.json is not that of lam-tiny at the budget minutes, or has more steps"
    told, fewer = (TINY.config.override(train=change) for change in ({"labels": 1.0}, {"steps": 1000}))
    for system, config, words in (
        ("lam-tiny", TINY.config, []),
        ("lam-tiny", fewer, []),
        ("lam-tiny", TINY.config.override(train={"steps": 2001}), [name]),
        ("lam-tiny", TINY.config.override(train={"rate": 0.5}), [name]),
        ("lam-tiny", told, ["config.json is of a training that sees more", name, "the checkpoint learned from index, local_action"]),
        ("mine", told, ["config.json is of a training that sees more", "the checkpoint learned from index, local_action"]),
    ):
        folder = trained_by_hand(tmp_path, system, config)
        assert len(wrong(folder)) == len(words) and all(map(str.startswith, wrong(folder), words)), wrong(folder)
        (folder / CHECKPOINT).unlink()
        words = [text for text in words if text.startswith("config")]
        assert len(wrong(folder)) == len(words) and all(map(str.startswith, wrong(folder), words)), wrong(folder)


def trained_by_hand(root: Path, system: str, config) -> Path:
    """A folder of a run with the checkpoint of a configuration, again."""
    shutil.rmtree(root / BOARD, ignore_errors=True)
    train = config.train
    training = Training(
        train.steps, max(2000, train.steps), train.steps * train.batch * train.window, 10, 600.0, "a processor, 2 of 2 cores"
    )
    folder = put(root, replace(record_of(system), training=training), made(**WHOLE))
    saved = Saved(checkpoint(folder / "train", config, str(train.steps), "factorial"))
    (folder / "config.json").write_text(saved.json)
    write_record(folder, read_record(folder))
    return folder


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("data", "notes", "words"),
    [
        ({"seed": STANDARD_SEED}, {}, "did not learn from the stream of the world factorial"),
        ({"source": "file"}, {}, "did not learn from the stream"),
        ({"art_sha256": "0" * 64}, {}, "did not learn from the stream"),
        ({"world": replace(load_standard("factorial").spec, split=SplitSpec(seed=12345)).to_json()}, {}, "did not learn from the stream"),
        ({"world": load_standard("paper").spec.to_json()}, {}, "did not learn from the stream"),
        ({}, {"perceptual": "on"}, "learned with weights from elsewhere"),
    ],
)
@pytest.mark.usefixtures("ten_weights")
def test_a_checkpoint_learned_from_the_world_of_the_board(data, notes, words: str, tmp_path: Path) -> None:
    folder = trained_by_hand(tmp_path, "lam-tiny", TINY.config)
    assert Saved(folder / CHECKPOINT).is_of(TINY) and wrong(folder) == []
    metadata = json.loads(header(folder / CHECKPOINT))["__metadata__"]
    metadata |= {"data": json.dumps(json.loads(metadata["data"]) | data)} | notes
    save_file({"a": np.ones(10, np.float32)}, folder / CHECKPOINT, metadata)
    assert not Saved(folder / CHECKPOINT).is_of(TINY)
    assert len(wrong(folder)) == 1 and words in wrong(folder)[0]


@pytest.mark.bad_input
@pytest.mark.parametrize(
    "text", ["[" * 200_000, '{"train": []}', '{"train": {"steps": 1, "seed": 0, "batch": "x", "window": 1}}', " " * 2**25]
)
def test_a_configuration_of_a_stranger_is_no_crash(text: str, tmp_path: Path) -> None:
    folder = put(tmp_path, record_of("mine"), made(**WHOLE))
    (folder / "config.json").write_text(text)
    assert "config.json is missing, or no configuration of a known system" in wrong(folder)


def test_the_command_says_what_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    put(tmp_path, record_of("mine"), made(**WHOLE))
    (put(tmp_path, record_of("other"), made(**WHOLE)) / "scores.json").write_text("{")
    with pytest.raises(SystemExit) as exit_:
        check.main([str(tmp_path), "--no-sample"])
    out = capsys.readouterr().out
    assert exit_.value.code == 1 and "1 of 2 runs hold" in out and "not a score file" in out


# Anchors.


def test_an_anchor_that_a_score_ranks_high_is_found(tmp_path: Path) -> None:
    """Better than the floor by the whole interval, where it cannot be; a latent that tells nothing may be silent."""
    good = entry(0.9, 0.05, state_only=0.5)
    assert [one.name for one in unearned("one-code", made(vectors__local__linear=good))] == ["vectors.local.linear"]
    assert unearned("one-code", made(vectors__local__linear=entry(0.52, 0.05, state_only=0.5))) == []
    silent = made(
        vectors__local__linear=entry(0.4, 0.05, state_only=0.5),
        leakage__background__vectors=LEAK,
        nuisance__background_motion__vectors=NUISANCE,
    )
    assert unearned("one-code", silent) == []
    assert [one.name for one in unearned("copy", made(control__faithful=entry(0.9, 0.1, random_codes=0.2)))] == ["control.faithful"]
    assert unearned("copy", made(vectors__local__linear=good)) == []
    folder = put(tmp_path, record_of("one-code", "anchor", NONE), made(vectors__local__linear=good))
    assert any("better than its floor in vectors.local.linear" in text for text in wrong(folder))


def test_what_anchors_infer() -> None:
    """The scene's direction is the true one; nothing of a character changes within its clip; a small image is a mean of blocks."""
    part = standard("wsprites-factorial-v1", clips=4).scored
    frames = np.stack([part.clip(n).frames_thwc for n in range(2)]).transpose(0, 1, 4, 2, 3)
    shift = part.script.background_shift[:2, 1:]
    axis = np.abs(shift).argmax(-1)
    positive = np.take_along_axis(shift, axis[..., None], -1)[..., 0] > 0
    true = np.where(np.abs(shift).max(-1) == 0, 4, 2 * axis + positive)
    assert (SceneCode().infer(frames)["codes"] == true).mean() > 0.95
    identity = CharacterId().infer(frames)
    assert (identity["codes"] == identity["codes"][:, :1]).all() and (identity["vectors"] == identity["vectors"][:, :1]).all()
    assert len(np.unique(identity["vectors"][:, 0], axis=0)) == 2
    small = FrameCopy().infer(frames)["vectors"].reshape(2, 89, 12, 16, 3)
    blocks = frames[:, 1:].transpose(0, 1, 3, 4, 2).reshape(2, 89, 12, 8, 16, 8, 3).mean((3, 5)) / 255
    assert np.abs(small - blocks).max() < 0.6 / 255
    assert not any(array.any() for array in OneCode().infer(frames).values())
    generated = Copy.rollout(Copy.__new__(Copy), frames[:, 0], np.zeros((2, 5), int), None)  # without the reader, which is slow to fit
    assert generated.shape == (2, 5, *frames.shape[2:]) and (generated == frames[:, :1]).all()


def test_records_are_checked(tmp_path: Path) -> None:
    path = checkpoint(tmp_path, TINY.config, "2000", "factorial")
    saved = Saved(path)
    assert saved.is_of(TINY) and saved.complete and not saved.is_of(replace(TINY, seed=1)) and not saved.is_of(replace(TINY, world="paper"))
    for more in ({"perceptual": "on"}, {"gma": "sha256 0"}):  # weights from elsewhere
        save_file({"a": np.ones(3, np.float32)}, path, json.loads(header(path))["__metadata__"] | {"perceptual": "off"} | more)
        assert not Saved(path).is_of(TINY)
