"""The options and the suite of pytest, in processes of their own."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from bench_models import CLIPS, predictions

from wsprites.bench import data, evaluate, load, scores
from wsprites.bench.run import score_file

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
    lost = run_pytest(tmp_path, *suite, *options[:2])
    assert lost.returncode not in (0, 5) and "go together; one is missing" in lost.stdout + lost.stderr
