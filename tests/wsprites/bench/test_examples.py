"""The scripts in examples/, run as their readers run them, with few steps and few clips."""

import re
import runpy
import sys
from pathlib import Path

import pytest
from samples import ROOT

from wsprites.bench import rollouts

EXAMPLES = ROOT / "examples"


@pytest.fixture
def example(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """Run a script in an empty folder: what it printed."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(EXAMPLES))

    def run(name: str, *arguments: object) -> str:
        monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
        runpy.run_path(str(EXAMPLES / name), run_name="__main__")
        return capsys.readouterr().out

    yield run
    for name in ("lapo", "torch_adapter"):
        sys.modules.pop(name, None)


def test_data_in_ten_lines(example):
    out = example("data.py")
    assert re.search(r"step is '(left|right|up|down|stay)' and it shows '(walk|spellcast|slash)_(front|left|right)'", out)
    assert Path("factorial.h5").is_file()


@pytest.mark.usefixtures("without_probes")
def test_a_latent_action_model_and_its_score(example):
    assert re.match(r"step 1: loss \d\.\d+, \d of 9 codes", example("lapo.py", "--steps", 1))
    out = example("score.py", "--clips", 2)
    assert out.startswith("lapo: ") and "local.onset.matched_accuracy: 0." in out and Path("lapo.json").is_file()


def test_a_module_of_ones_own(example):
    example("torch_adapter.py")
    assert Path("torch_adapter.npz").stat().st_size > 10_000


@pytest.mark.usefixtures("without_probes")
def test_a_ceiling_and_a_floor_of_true_actions(example, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(rollouts, "STARTS", 1)
    world, still = example("true_actions.py", "--clips", 2).splitlines()
    assert world.startswith("World: control.faithful 1.00, drift.position.16 0.0") and world.endswith("(true actions)")
    assert still.startswith("Still: control.faithful 0.")


def test_the_workflow_uses_options_that_exist():
    from wsprites.commands.bench import bench

    known = {option for param in bench.params for option in param.opts}
    used = set(re.findall(r"(?<=\s)--[a-z-]+", (EXAMPLES / "score-in-ci.yml").read_text(encoding="utf-8")))
    assert used and used <= known
