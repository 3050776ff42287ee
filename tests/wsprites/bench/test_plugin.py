"""The options and the suite of pytest, in processes of their own."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bench_models import CLIPS, predictions
from score_files import file_of

from wsprites.bench import data, load, scores
from wsprites.bench import evaluation as evaluate
from wsprites.bench import test_scores as suite
from wsprites.bench.metrics import interval
from wsprites.bench.run import Job, describe, score_file
from wsprites.bench.scores import Entry
from wsprites.errors import UserError

pytestmark = pytest.mark.usefixtures("quick")


def run_pytest(folder: Path, *arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *map(str, arguments)]
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTEST_")}
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=600)


def test_other_projects_load_the_options_and_nothing_else(tmp_path: Path):
    """The modules that a pytest without our options imports: the plugin and the two packages around it."""
    (tmp_path / "test_a.py").write_text(
        "import sys\n\n"
        "def test_a(pytestconfig):\n"
        "    assert pytestconfig.getoption('--wsprites-tolerance') == 0.02\n"
        "    loaded = {name for name in sys.modules if name.partition('.')[0] in ('wsprites', 'glass_model')}\n"
        "    assert loaded == {'wsprites', 'wsprites.version', 'wsprites.bench', 'wsprites.bench.plugin'}\n",
        encoding="utf-8",
    )
    done = run_pytest(tmp_path, "-q")
    assert done.returncode == 0 and "1 passed" in done.stdout, done.stdout + done.stderr
    script = "import sys, pytest; before = set(sys.modules); import wsprites.bench.plugin; print(*sorted(set(sys.modules) - before))"
    added = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=600).stdout.split()
    allowed = {*sys.stdlib_module_names, "wsprites", "pytest", "_pytest"}
    assert {name.partition(".")[0] for name in added} <= allowed


class Config:
    """Options of a run of the suite."""

    def __init__(self, **options: object) -> None:
        self._options = {"data": "wsprites-paper-v1", "clips": CLIPS, "weights": None, **options}

    def getoption(self, name: str) -> object:
        return self._options[name.removeprefix("--wsprites-")]


@pytest.mark.parametrize(
    ("value", "unit", "allowed"),
    [(0.7, "", 0.02), (0.05, "px", 0.1), (1.0, "px", 0.1), (4.0, "px", 0.4), (30.0, "dB", 0.5), (8.0, "distance", 0.8)],
)
def test_the_loss_that_a_tolerance_of_two_hundredths_allows(value: float, unit: str, allowed: float):
    assert 0.02 * suite.tolerance_scale(Entry(value, np.nan, np.nan, unit, 9, {})) == pytest.approx(allowed)


def scores_to_test(**options: object) -> list[str]:
    """The scores that the suite makes tests of."""
    made: list[str] = []
    metafunc = SimpleNamespace(
        fixturenames=["wsprites_score"], config=Config(**options), parametrize=lambda name, values: made.extend(values)
    )
    suite.pytest_generate_tests(metafunc)
    return made


@pytest.mark.bad_input
def test_what_would_fail_every_test_is_found_before_scoring(few: data.Data, tmp_path: Path):
    np.savez(tmp_path / "good.npz", **predictions(few))
    entry = Entry(1.0, 1.0, 1.0, "", CLIPS, {})
    settings = scores.Settings(scores.INTERVAL, "val", protocol=scores.PROTOCOL)
    old = scores.Settings("95 %, percentiles of the bootstrap over clips", "val", 40)
    good = scores.ScoreFile("good", describe(few), settings, {}, "", 1.0, {"local.ami": entry}, {})
    for name, file in (
        ("good", good),
        ("old", replace(good, settings=old)),
        ("empty", replace(good, scores={})),
        ("fid", replace(good, scores={"images.fid": entry})),
    ):
        scores.write(tmp_path / f"{name}.json", file)
    right = {"model": str(tmp_path / "good.npz"), "baseline": str(tmp_path / "good.json")}
    assert scores_to_test(**right) == ["local.ami"]
    for wrong, line in (
        ({"clips": 5}, r"of other data \(wsprites-paper-v1-first-6, 12 .*, not wsprites-paper-v1-first-5, 12 clips"),
        ({"clips": None}, "of other data"),
        ({"clips": 1}, "--wsprites-clips: 1 is outside the range 2 to 500"),
        ({"data": "absent.h5"}, "--wsprites-data: 'absent.h5' is neither a file nor a standard world"),
        ({"model": "bench_models:absent"}, "--wsprites-model: bench_models:absent: module 'bench_models' has no attribute"),
        ({"model": None}, "go together; one is missing"),
        ({"baseline": str(tmp_path / "absent.json")}, "absent.json: No such file"),
        ({"baseline": str(tmp_path / "old.json")}, "the baseline is of protocol bench-1"),
        ({"baseline": str(tmp_path / "empty.json")}, "the baseline has no scores"),
        ({"baseline": str(tmp_path / "fid.json")}, "--wsprites-weights: the baseline has images.fid, which needs the weights"),
    ):
        with pytest.raises(pytest.UsageError, match=line):
            scores_to_test(**{**right, **wrong})


def test_of_several_processes_one_scores_and_the_others_read(tmp_path: Path):
    """The lock belongs to an opened file, so threads stand for processes."""
    calls: list[scores.ScoreFile] = []

    def score() -> scores.ScoreFile:
        calls.append(file_of({"local.ami": interval.Score(len(calls) / 2)}))
        return calls[-1]

    with ThreadPoolExecutor(8) as pool:
        read = list(pool.map(lambda _: suite.once(tmp_path / "a.json", score), range(8)))
    assert len(calls) == 1 and [file.to_json() for file in read] == [calls[0].to_json()] * 8


@pytest.mark.bad_input
def test_of_several_processes_all_fail_with_what_failed_in_the_first(tmp_path: Path):
    calls = []

    def fail() -> scores.ScoreFile:
        calls.append(1)
        raise UserError("x: codes is a list")

    for _ in range(3):
        with pytest.raises(UserError, match="x: codes is a list"):
            suite.once(tmp_path / "a.json", fail)
    assert len(calls) == 1


COUNTED = """
import numpy as np
from pathlib import Path


class Still:
    def infer(self, frames):
        return {"shift": np.zeros((len(frames), frames.shape[1] - 1, 2))}


def make():
    with Path("made.txt").open("a") as file:
        file.write("made\\n")
    return Still()
"""


@pytest.mark.slow
def test_with_xdist_a_model_is_made_and_scored_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "counted.py").write_text(COUNTED, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    (result,) = Job(("counted:make",), clips=2).run()
    scores.write(tmp_path / "a.json", result.scores)
    Path("made.txt").unlink()
    options = ("--wsprites-model", "counted:make", "--wsprites-baseline", "a.json", "--wsprites-clips", 2)
    done = run_pytest(tmp_path, "-q", "-n", 2, "--pyargs", "wsprites.bench.test_scores", *options)
    assert done.returncode == 0 and re.search(r"\d+ passed", done.stdout), done.stdout + done.stderr
    assert Path("made.txt").read_text(encoding="utf-8") == "made\n"
    done = run_pytest(tmp_path, "-q", "-n", 2, "--pyargs", "wsprites.bench.test_scores", *options[:1], "counted:no", *options[2:])
    assert done.returncode == 1 and "has no attribute 'no'" in done.stdout and "passed" not in done.stdout


@pytest.mark.slow
def test_pytest_runs_the_suite_for_a_model(few: data.Data, tmp_path: Path):
    np.savez(tmp_path / "good.npz", **predictions(few))
    found = evaluate.evaluate(load.load(str(tmp_path / "good.npz"), few), few, "good")
    scores.write(tmp_path / "good.json", score_file(found, "good", few, 1.0))
    np.savez(tmp_path / "bad.npz", **predictions(few, **{"test/codes": np.zeros((6, 89), int)}))
    suite = ("-q", "--pyargs", "wsprites.bench.test_scores", "--wsprites-clips", CLIPS)
    options = ("--wsprites-model", tmp_path / "bad.npz", "--wsprites-baseline", tmp_path / "good.json")
    done = run_pytest(tmp_path, *suite, *options)
    assert done.returncode == 1 and re.search(r"\d+ failed, \d+ passed", done.stdout), done.stdout + done.stderr
    assert "test_score[local.matched_accuracy]" in done.stdout and "test_score[shift.mean]" not in done.stdout
    other = run_pytest(tmp_path, *suite[:-1], 8, *options)
    assert other.returncode not in (0, 1, 5) and (other.stdout + other.stderr).count("of other data (wsprites-paper-v1-first-6") == 1
    lost = run_pytest(tmp_path, *suite, *options[:2])
    assert lost.returncode not in (0, 5) and "go together; one is missing" in lost.stdout + lost.stderr
