"""benchmarks/ablations.py: which runs there are, their order, what is resumed, failures, and the table. Commands are imitated."""

import hashlib
import json
import math
import shutil
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from made_scores import entry, made
from safetensors.numpy import save_file
from score_files import clips, file_of, free

from benchmarks import ablations
from benchmarks import runs as running
from benchmarks.ablation_table import Cell, Line, Row, as_json, as_markdown, as_plot, floors, line
from benchmarks.ablations import main, rows, runs
from benchmarks.runs import Options, alone_in, call
from glass_model.glass.config import PRESETS
from glass_model.glass.schedule import phase
from glass_model.training.config import load_config
from wsprites.bench.run import NO_ROLLOUTS
from wsprites.bench.scores import Hashes, write
from wsprites.errors import ArgumentError
from wsprites.fields import to_json
from wsprites.weights import safetensors_metadata
from wsprites.world.spec import PRESETS as WORLDS

LOCAL = ["reference", "plain", "gumbel", "unmodulated", "joint", "no-recs", "codes-4", "codes-9", "codes-12"]
GLOBAL = ["reference", "no-bin", "no-size", "no-recf", "no-recb", "no-vgg", "no-recj"]


def options(preset: str = "tiny", *, vgg: bool = False, **settings: str) -> Options:
    changes = {key.replace("__", "."): value for key, value in settings.items()}
    return Options(Path("out"), preset, changes, (0,), "paper", None, Path("vgg.pth") if vgg else None, "")


def names(given: Options) -> tuple[list[str], list[str]]:
    by_part = {part: [row.name for row in rows(given) if row.part == part] for part in ("local", "global")}
    return by_part["local"], by_part["global"]


# Which runs there are.


def test_rows() -> None:
    assert names(options(vgg=True)) == (LOCAL, GLOBAL)
    assert names(options()) == (LOCAL, [name for name in GLOBAL if name != "no-vgg"])  # without the weights, the terms are off anyway


def test_an_ablation_of_paper_is_its_preset() -> None:
    given = options("paper", vgg=True)
    for row in rows(given):
        assert given.config(row.settings) == replace(PRESETS["paper" if row.name == "reference" else row.name], name="paper")


def test_ablations_that_the_preset_has_are_turned_round() -> None:
    has = {
        "model__direction": "plain",
        "model__quantizer": "gumbel",
        "loss__vq": "0.0",
        "model__modulated": "false",
        "model__joint": "true",
    }
    given = options(vgg=True, **has, model__codes="9", loss__recs="0", loss__vgg="0.0")
    local, global_ = names(given)
    assert local == ["reference", "bilinear", "vq", "modulated", "not-joint", "with-recs", "codes-4", "codes-6", "codes-12"]
    assert global_ == [name.replace("no-vgg", "with-vgg") for name in GLOBAL]
    for row in rows(given):
        assert (given.config(row.settings) != given.config()) == (row.name != "reference")
        assert all(value != given.settings.get(key) for key, value in row.settings.items())


def test_a_row_with_a_codebook_trains_it() -> None:
    """`small` has neither vector quantisation nor its loss: the row that brings back one brings back the other."""
    given = options("small")
    (row,) = (row for row in rows(given) if row.name == "vq")
    assert given.config(row.settings).loss.vq == PRESETS["paper"].loss.vq > given.config().loss.vq == 0.0


def test_lma_on_a_trained_gma_has_the_schedules_of_the_whole_run() -> None:
    given = options("paper", train__decay_step="30000", train__steps="90000")
    whole, alone = given.config().train, 3_000
    gma, *others = runs(list(rows(given)), given, 5)
    assert gma.config.train == replace(whole, steps=alone, seed=5) and not gma.system
    for run in others:
        local = run.folder.name.startswith("local-")
        assert run.gma is (gma if local else None) and run.config.train.seed == 5
        for step in (0, 1, 500, 24_999, 25_000, 26_999, 27_000, 40_000, 52_999, 86_999):
            now, then = phase(run.config.train, step if local else step + alone), phase(whole, step + alone)
            assert now == (replace(then, frozen=True) if local else then)
        assert run.config.train.steps == (87_000 if local else 90_000)
    assert len({run.folder for run in others}) == len({run.system for run in others}) == len(others)


# Doing them.


class Commands:
    """What `call` runs, without running it: trainings leave checkpoints, scorings leave score files."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.fails: set[str] = set()
        self.stops_at = ""
        self.value = {"0": 0.25, "1": 0.5, "2": 0.75}
        """The local AMI of a run by its seed."""

    def __call__(self, arguments: Sequence[str], log: Path, lock: int, interrupted: Event) -> str:
        command, given = arguments[0], dict(pairwise(arguments))
        self.calls.append(f"{command} {log.stem}")
        self.last = list(arguments)
        if self.stops_at == self.calls[-1]:
            raise KeyboardInterrupt
        if self.calls[-1] in self.fails:
            return "exit code 1: a reason"
        out, (_, _, seed) = Path(given["--out"]), log.stem.rpartition("-")
        if command == "train":
            config = load_config(
                PRESETS, given["--preset"], [text.removeprefix("--set=") for text in arguments if text.startswith("--set=")]
            )
            about = {"config": to_json(config), "step": str(config.train.steps), "perceptual": "off", "run": log.stem}
            out.mkdir(exist_ok=True)
            save_file({}, out / "checkpoint.safetensors", {**about, "data": json.dumps({"world": WORLDS[given["--world"]].to_json()})})
        else:
            sha256 = hashlib.sha256(Path(given["--model"]).read_bytes()).hexdigest()
            file = made(local__ami=entry(self.value[seed], 0.1), shift__mean=entry(1.5, 0.1, "px"))
            name = given["--data"] + (f"-first-{given['--clips']}" if "--clips" in given else "")
            data = replace(file.data, name=name, clips={"val": 12, "test": int(given.get("--clips", 500))})
            left_out = {"control": NO_ROLLOUTS} if "--no-rollouts" in arguments else {}
            hashes = Hashes(sha256, "checkpoint.safetensors", "0" * 64)
            write(out, replace(file, system=given["--system"], hashes=hashes, data=data, not_scored=left_out))
        return ""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(running, "call", commands)
    monkeypatch.setattr(ablations, "as_plot", lambda *_: b"")  # tested below
    return commands


def done(tmp_path: Path, *more: str) -> int:
    """The exit code of the command on a small part of the table."""
    only = [] if "--only" in more else ["--only", "plain", "no-bin"]
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "out"), "--preset", "tiny", "--seeds", "0", "1", *only, *more])
    return {None: 0, "interrupted; the same command continues": 1}.get(exit_.value.code, exit_.value.code)


def seed_of(number: int) -> list[str]:
    steps = ("train gma", "train local-plain", "bench local-plain", "train global-no-bin", "bench global-no-bin")
    return [f"{step}-{number}" for step in steps]


def test_one_seed_after_the_other_and_gma_first(tmp_path: Path, commands: Commands) -> None:
    assert done(tmp_path, "--clips", "6") == 0
    assert commands.calls == seed_of(0) + seed_of(1)
    assert commands.last[commands.last.index("--data") :][:2] == ["--data", "wsprites-paper-v1"]
    assert commands.last[-2:] == ["--clips", "6"]
    assert done(tmp_path, "--clips", "6") == 0 and len(commands.calls) == 10  # nothing is done twice
    assert "--no-rollouts" not in commands.last
    assert done(tmp_path / "other", "--seeds", "0", "--only", "plain", "--no-rollouts") == 0 and commands.last[-1] == "--no-rollouts"


@pytest.mark.parametrize("kept", [False, True])
def test_a_run_without_scores_of_generated_video_is_scored_again_where_they_are_wanted(
    kept: bool, tmp_path: Path, commands: Commands
) -> None:
    only = ["--seeds", "0", "--only", "plain", *(["--results", str(tmp_path / "kept")] if kept else [])]
    assert done(tmp_path, *only, "--no-rollouts") == 0 and len(commands.calls) == 3
    assert done(tmp_path, *only, "--table") == 0 and len(commands.calls) == 3
    rows_of_table = json.loads((tmp_path / "out" / "table.json").read_text())["rows"]
    assert [row["runs"] for row in rows_of_table if row["name"] == "plain"] == [1]  # the table has the scores that exist
    assert done(tmp_path, *only) == 0 and commands.calls[3:] == ["bench local-plain-0"] and "--no-rollouts" not in commands.last
    assert done(tmp_path, *only) == done(tmp_path, *only, "--no-rollouts") == 0 and len(commands.calls) == 4


def test_what_is_asked_of_a_training(tmp_path: Path, commands: Commands) -> None:
    commands.fails = {"train local-plain-0"}
    done(tmp_path, "--seeds", "0", "--only", "plain", "--world", "factorial", "--set", "model.codes=9")
    given = dict(pairwise(commands.last))
    assert given["--gma"] == str(tmp_path / "out" / "gma-0" / "checkpoint.safetensors")
    assert (given["--world"], given["--out"]) == ("factorial", str(tmp_path / "out" / "local-plain-0"))
    assert {"--stream", "--resume", "--set=model.codes=9", "--set=train.seed=0", "--set=model.direction=plain"} <= {*commands.last}
    commands.fails = {"train global-no-bin-0"}
    done(tmp_path, "--seeds", "0", "--only", "no-bin", "--world", "factorial", "--set", "model.codes=9")
    assert "--gma" not in commands.last and "--set=loss.bin=0.0" in commands.last


def test_what_is_not_as_it_should_be_is_done_again(tmp_path: Path, commands: Commands) -> None:
    done(tmp_path)
    out, (first, second) = tmp_path / "out", (seed_of(0), seed_of(1))
    cases = {
        "a score file is gone": (lambda: (out / "local-plain-0.json").unlink(), [first[2]]),
        "a score file is damaged": (lambda: (out / "local-plain-1.json").write_text("{"), [second[2]]),
        "a checkpoint is gone": (lambda: (out / "global-no-bin-1" / "checkpoint.safetensors").unlink(), second[3:]),
        "scores of another checkpoint": (lambda: retrain(out / "global-no-bin-0", "another"), [first[4]]),
        "an unfinished training": (lambda: retrain(out / "local-plain-1", "its", step="9"), second[1:3]),
    }
    for break_, again in cases.values():
        commands.calls = []
        break_()
        assert done(tmp_path) == 0 and commands.calls == again
    # GMA alone does not depend on the number of steps.
    for more, again in ((["--clips", "6"], [first[2], first[4]]), (["--steps", "1700"], first[1:]), (["--world", "factorial"], first)):
        commands.calls = []
        assert done(tmp_path, "--seeds", "0", *more) == 0 and commands.calls == again


def retrain(folder: Path, name: str, **changes: str) -> None:
    """Replace a checkpoint by that of another run of the same configuration."""
    metadata = safetensors_metadata(folder / "checkpoint.safetensors")
    assert metadata
    save_file({}, folder / "checkpoint.safetensors", {**metadata, "run": name, **changes})


def test_a_failure_stops_only_what_needs_it(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    commands.fails = {"train gma-0", "bench global-no-bin-1"}
    assert done(tmp_path) == 1
    assert commands.calls == [seed_of(0)[0], *seed_of(0)[3:], *seed_of(1)]
    assert capsys.readouterr().out.splitlines()[-3:] == [
        "FAILED gma-0: exit code 1: a reason",
        "FAILED local-plain-0: it is trained on gma-0, which failed",
        "FAILED global-no-bin-1: exit code 1: a reason",
    ]
    commands.calls, commands.fails = [], set()
    assert done(tmp_path) == 0 and commands.calls == [*seed_of(0)[:3], seed_of(1)[4]]


def test_an_interruption_ends_all_and_is_continued(tmp_path: Path, commands: Commands) -> None:
    commands.stops_at = seed_of(0)[2]
    assert done(tmp_path) == 1 and commands.calls == seed_of(0)[:3]
    commands.calls, commands.stops_at = [], ""
    assert done(tmp_path) == 0 and commands.calls == seed_of(0)[2:] + seed_of(1)


def test_gma_alone_is_trained_only_if_it_is_needed(tmp_path: Path, commands: Commands) -> None:
    assert done(tmp_path, "--only", "no-bin") == 0
    assert commands.calls == seed_of(0)[3:] + seed_of(1)[3:]


def test_a_part_is_all_of_its_rows(tmp_path: Path, commands: Commands) -> None:
    """With the reference of that part, and not that of the other."""
    assert done(tmp_path, "--only", "global", "--seeds", "0") == 0
    trained = {call.removeprefix("train ") for call in commands.calls if call.startswith("train")}
    assert trained == {f"global-{name}-0" for name in GLOBAL if name != "no-vgg"}


def test_gma_alone_is_trained_only_for_what_is_not_kept(tmp_path: Path, commands: Commands) -> None:
    results = tmp_path / "results"
    more = ["--results", str(results), "--only", "plain", "--seeds", "0", "--set"]
    assert done(tmp_path, *more, "model.codes=5") == 0 and commands.calls == seed_of(0)[:3]
    assert [path.name for path in results.iterdir()] == ["local-plain-0.json"]
    for folder in ("out/gma-0", "out/local-plain-0"):
        shutil.rmtree(tmp_path / folder)
    assert done(tmp_path, *more, "model.codes=5") == 0 and len(commands.calls) == 3
    assert done(tmp_path, *more, "model.codes=5", "--table") == 0 and len(commands.calls) == 3
    assert "| plain | `model.direction=plain` | 1 | 0.250" in (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    (results / "local-plain-0.json").unlink()
    assert done(tmp_path, *more, "model.codes=5") == 0 and commands.calls[3:] == seed_of(0)[:3]


def test_two_do_not_work_in_one_folder(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    with alone_in(tmp_path / "out"):
        assert done(tmp_path) == 2 and not commands.calls
    assert capsys.readouterr().err.startswith("--out: another process works in ")
    assert done(tmp_path) == 0


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--preset", "smal"], "--preset: smal is not one of paper"),
        (["--only", "plane"], "--only: plane is not one of reference, plain"),
        (["--set", "model.code=4"], "there is no field model.code; the nearest is model.codes"),
        (["--set", "codes"], "--set: codes is not of the form group.field=value"),
        (["--set", "model.codes=4", "model.codes=5"], "model.codes is given twice"),
        (["--steps", "1000"], "--steps: 1000 with train.alone = 1000: GMA alone and LMA both need steps"),
        (["--steps", "0"], "train.steps = 0 is outside the range"),
        (["--seeds", "-1"], "train.seed = -1|seed = -1 is outside the range"),
        (["--seeds", "1", "1"], "--seeds names the seeds, each of them once"),
        (["--set", "train.seed=4"], "--seeds names the seeds, each of them once"),
        (["--set", "model.codes=4", "--set", "model.codes=5"], "model.codes is given twice"),
        (["--only", "plane", "--only", "plain"], "--only: plane is not one of reference, plain"),
        (["--clips", "1"], "--clips: 1 is outside the range 2 to 500"),
        (["--clips", "501"], "--clips: 501 is outside the range 2 to 500"),
        (["--device", "gpu"], "--device: gpu: "),
        (["--vgg", "vgg19.pth"], "--vgg: vgg19.pth: no such file"),
        (["--world", "mars"], "argument --world: invalid choice: 'mars'"),
    ],
)
def test_wrong_arguments(more: list[str], words: str, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    assert done(tmp_path, *more) == 2 and not commands.calls and not (tmp_path / "out").exists()
    error = capsys.readouterr().err.splitlines()[-1]
    assert any(text in error for text in words.split("|")), error


# A command that really runs.

CHILD = """
import pathlib, signal, sys
def end(*_):
    print("checkpoint written", flush=True)
    sys.exit(1)
signal.signal(signal.SIGTERM, end)
print("wsprites", *sys.argv[1:], flush=True)
if sys.argv[1] == "wait":
    pathlib.Path(sys.argv[2]).touch()
    signal.pause()  # until it is told to end
if sys.argv[1] == "fail":
    sys.exit("3/9 steps, loss=1wsprites: the reason")  # behind a progress bar
"""


@pytest.fixture
def child(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "child.py").write_text(CHILD, encoding="utf-8")
    monkeypatch.setattr(running, "COMMAND", (sys.executable, str(tmp_path / "child.py")))
    return tmp_path / "a.log"


def test_what_a_command_says_is_kept(child: Path, tmp_path: Path) -> None:
    with alone_in(tmp_path) as lock:
        assert call(["train", "--out", "x"], child, lock, Event()) == ""
        assert call(["fail"], child, lock, Event()) == "exit code 1: the reason"
    assert child.read_text(encoding="utf-8") == "wsprites train --out x\nwsprites fail\n3/9 steps, loss=1wsprites: the reason\n"


def test_an_interrupted_command_ends_cleanly(child: Path, tmp_path: Path) -> None:
    """It is told to end, and waited for; while it runs, it holds the lock, even if this process lost it."""
    interrupted, ready = Event(), tmp_path / "ready"
    refused: list[str] = []

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.01)
        lock.__exit__(None, None, None)  # as if this process had been killed
        try:
            with alone_in(tmp_path):
                pass
        except ArgumentError as error:
            refused.append(str(error))
        interrupted.set()

    lock = alone_in(tmp_path)
    number = lock.__enter__()
    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        call(["wait", str(ready)], child, number, interrupted)
    thread.join()
    assert child.read_text(encoding="utf-8").endswith("checkpoint written\n")
    assert len(refused) == 1 and "another process works in" in refused[0]
    with alone_in(tmp_path):
        pass


# The table.


def test_means_of_what_there_is(tmp_path: Path, commands: Commands) -> None:
    """Seeds with AMI 0.25, 0.5 and 0.75; the third of no-bin is not there yet, nor any run of other rows."""
    commands.fails = {"bench global-no-bin-2"}
    commands.value["1"] = 0.59
    assert done(tmp_path, "--seeds", "0", "1", "2") == 1
    table = json.loads((tmp_path / "out" / "table.json").read_text())
    assert (table["preset"], table["data"], table["seeds"]) == ("tiny", "wsprites-paper-v1", [0, 1, 2])
    by_name = {(row["part"], row["name"]): row for row in table["rows"]}
    assert len(by_name) == len(LOCAL) + len(GLOBAL) - 1
    plain, no_bin = by_name["local", "plain"], by_name["global", "no-bin"]
    assert plain["settings"] == {"model.direction": "plain"} and plain["runs"] == 3 and no_bin["runs"] == 2
    floor = {"floor": 0.1, "floor_of": "random"}
    assert plain["scores"]["local.ami"] == {"mean": pytest.approx(0.53), "low": None, "high": None, "values": [0.25, 0.59, 0.75]} | floor
    assert no_bin["scores"]["local.ami"]["mean"] == pytest.approx(0.42)
    assert {*plain["scores"]} == {"local.ami", "shift.mean"}
    assert by_name["local", "reference"]["runs"] == 0 and by_name["local", "reference"]["scores"] == {}
    text = (tmp_path / "out" / "table.md").read_text(encoding="utf-8")
    assert "| plain | `model.direction=plain` | 3 | 0.530 | - | - | - | 1.500 |\n" in text
    assert "| no-bin | `loss.bin=0.0` | 2 | 0.420 | - | - | - | 1.500 |\n" in text
    assert "| *strongest floor* |  |  | 0.100 `random` | - | - | - | 0.100 `random` |\n" in text
    assert "Seeds: 0, 1, 2 (LMA); 0, 1 (GMA). 2 of 15 rows have runs. The first row of a table is the strongest floor." in text
    words = "`-`: not scored, or not in all runs of the row."
    assert "| joint |" not in text and f"{words}\n\n![Scores of all rows](plot.png)\n" in text


def test_floors_that_depend_on_the_row() -> None:
    """The smallest and the largest of them, with their names; one that is the same in all rows."""
    row = Row("local", "plain", {})
    known = [("local.ami", 0.5, "previous", 0.5, "previous"), ("control.faithful", 0.3, "copy", 0.4, "one_action")]
    one, other = (
        Line(row, 1, {name: Cell(0.1, math.nan, math.nan, (0.1,), *entry[2 * n : 2 * n + 2]) for name, *entry in known}) for n in range(2)
    )
    assert floors([one, other], "local.ami") == "0.500 `previous`"
    assert floors([one, other], "control.faithful") == "0.300 to 0.400 `copy`, `one_action`, by row"
    assert floors([one], "control.faithful") == "0.300 `copy`" and floors([one], "shift.mean") == "-"


def test_intervals_and_plot() -> None:
    """Three runs on the same 300 clips, with intervals for other clips and seeds; one run has that of other clips alone."""
    clusters, easy, rng = clips(0)
    files = []
    for ability in (0.0, 0.02, 0.1):
        value = easy + ability + rng.normal(0, 0.02, 300)
        file = file_of({"local.ami": free(value, clusters), "shift.mean": free(2 - value, clusters)})
        files.append(replace(file, system="s"))
    row = Row("local", "plain", {"model.direction": "plain"})
    three, one = line(row, files), line(row._replace(name="reference", settings={}), files[:1])
    values = [file.value("local.ami") for file in files]
    cell, alone = three.cells["local.ami"], one.cells["local.ami"]
    assert cell.values == pytest.approx(values) and cell.mean == pytest.approx(sum(values) / 3)
    assert cell.low < min(values) < max(values) < cell.high and cell.mean == pytest.approx((cell.low + cell.high) / 2)
    entry = files[0].scores["local.ami"]
    assert alone[:3] == (entry.value, entry.low, entry.high) and alone.values == (entry.value,)
    lines = [one, three, line(row._replace(part="global"), [])]
    assert f"{cell.mean:.3f} [{cell.low:.3f}, {cell.high:.3f}]" in as_markdown(lines, "", "")
    assert not math.isnan(json.loads(as_json(lines, {}))["rows"][1]["scores"]["local.ami"]["low"])
    assert as_plot(lines, "caption").startswith(b"\x89PNG") and as_plot([line(row, [])], "").startswith(b"\x89PNG")
