"""The command `wsprites bench`."""

import json
import re
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from bench_models import CLIPS, predictions
from samples import ROOT

from wsprites.bench import caddy, data, scores, suite
from wsprites.bench.run import Job
from wsprites.bench.table import markdown

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture
def bench(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    return partial(run, "bench")


def test_the_command(bench, few: data.Data, data_file: Path, tmp_path: Path):
    code, out, _ = bench("--clips", CLIPS, "--template", "t.npz")
    assert code == 0 and "README" in out
    with np.load("t.npz") as template:
        assert "SPLIT/codes (clips, transitions)" in str(template["README"]) and template["test/shift"].shape == (6, 89, 2)
    np.savez("good.npz", **predictions(few))
    code, out, err = bench("--clips", CLIPS, "--model", "good.npz", "--out", "good.json", "--report", "good.html")
    assert code == 0 and re.search(r"local.matched_accuracy +1.000 +\[1.000, 1.000\]", out), err
    assert out.splitlines()[-2:] == ["done     good.json", "done     good.html"]
    written = json.loads(Path("good.json").read_text())
    figure = written["figures"]["local.matched_accuracy"]
    assert figure["value"] == 1 and set(figure["controls"]) == {
        *("random", "persistent", "majority", "previous", "state_only", "state_and_direction", "direction", "best_code", "oracle")
    }
    assert written["data"]["sha256"] == few.sha256 and {"versions", "hardware", "config", "model"} <= set(written)
    page = Path("good.html").read_text(encoding="utf-8").replace("<wbr>", "")
    assert (
        "local.matched_accuracy" in page
        and "Capacity of the probes" not in page
        and "http" not in page.replace("http://www.w3.org", "")
        and "<script" not in page
    )
    code, _, err = bench("--clips", CLIPS, "--model", "t.npz")
    assert code == 2 and "t.npz: val: codes is -1 everywhere, as in a template that was not filled in; fill it in, or leave it out" in err
    rule = "local.matched_accuracy<-0.02"
    np.savez("t.npz", **{name: array if name == "data" else np.zeros_like(array) for name, array in predictions(few).items()})
    code, out, err = bench("--clips", CLIPS, "--model", "t.npz", "--compare", "good.json", "--fail-on", rule)
    assert code == 1 and "FAILED   local.matched_accuracy: 1.0000 -> 0." in out
    code, out, _ = bench("--clips", CLIPS, "--models", "good.npz,t.npz", "--compare", "good.json", "--fail-on", rule)
    assert code == 1 and "no score of the table differs" in out and "t.npz against good.json" in out and out.count("FAILED") == 1
    arrays = predictions(few)
    np.savez("fewer.npz", **{name: array for name, array in arrays.items() if "shift" not in name})
    code, out, _ = bench("--clips", CLIPS, "--model", "fewer.npz", "--compare", "good.json")
    assert code == 1 and "FAILED   shift.mean: 0.0000 -> no such score" in out and "scores of the baseline are missing" in out
    code, _, err = bench("--template", "new.npz", "--out", "new.json")
    assert code == 2 and "--out does not go with --template" in err and not Path("new.npz").exists()
    code, _, err = bench("--clips", 8, "--model", "good.npz", "--compare", "good.json")
    assert code == 2 and "of other data (wsprites-paper-v1-first-6, 12 clips of val and 6 clips of test, not" in err
    code, out, _ = bench("--clips", CLIPS, "--model", "good.npz", "--protocol", "released")
    assert code == 0 and "shift norm as released" in out and "RE" not in out
    code, out, err = bench("--clips", CLIPS, "--model", "bench_models:guesser", "--protocol", "released")
    assert code == 0 and out.splitlines()[0].split()[-2:] == ["RE", "CO"], err
    for arguments, line in (
        (["--fail-on", "local.amy<1", "--compare", "good.json"], "the baseline has no score 'local.amy'"),
        (["--fail-on", "what", "--compare", "good.json"], "expected NAME<NUMBER"),
        (["--fail-on", rule], "--fail-on needs a baseline"),
        (["--compare", "t.npz"], "not a score file"),
        (["--data", "nowhere"], "'nowhere' is neither a file nor a standard world"),
        (["--split", "val"], "is only for data files"),
        (["--out", "x.json", "--report", "x.json"], "--report: x.json: the name must end in .html or .htm"),
        (["--report", "page.pdf"], "--report: page.pdf: the name must end in .html or .htm"),
        (["--out", "scores.html"], "--out: scores.html: the name must end in .json"),
        (["--out", "scores"], "--out: scores: the name must end in .json"),
        (["--out", "good.json", "--compare", "good.json"], "is the baseline of --compare"),
        (["--out", "good.json", "--compare", Path("good.json").resolve()], "is the baseline of --compare"),
        (["--out", "x.json", "--protocol", "released"], "--out does not go with --protocol released"),
        (["--compare", "good.json", "--fail-on", rule, "--protocol", "released"], "--compare does not go with --protocol released"),
        (["--fail-on", rule, "--protocol", "released"], "--fail-on does not go with --protocol released"),
        (["--template", "new.npz"], "--model does not go with --template, which only writes that file"),
        (["--models", "good.npz,t.npz,good.npz"], "--models names good.npz twice"),
        (["--models", "good.npz,,t.npz"], "--models has an empty name"),
        (["--no-rollouts", "--weights", "."], "--weights is for the scores of generated video, which --no-rollouts leaves out"),
        (["--no-rollouts", "--suite", "axes"], "--no-rollouts does not go with --suite, which scores on worlds of its own"),
        (["--no-rollouts", "--protocol", "caddy"], "--no-rollouts does not go with --protocol caddy"),
        (["--clips", 501], "--clips: 501 is outside the range 2 to 500, the number of clips of 'test'"),
        (["--data", data_file, "--clips", 25], "the number of clips of 'test'"),
    ):
        code, _, err = bench("--clips", CLIPS, "--model", "good.npz", *arguments)
        assert code == 2 and line in err and err.count("\n") == 1, err
    code, _, err = bench("--clips", CLIPS, "--model", "not:there", "--compare", "good.json", "--fail-on", "what")
    assert code == 2 and "expected NAME<NUMBER" in err  # before any model is loaded
    code, _, err = bench("--clips", CLIPS, "--models", "good.npz,bench_models:fails", "--out", "two.json")
    assert code == 2 and "values that are not finite" in err and Path("two-1.json").exists() and not Path("two-2.json").exists()
    code, _, err = bench("--clips", 5, "--model", "good.npz")
    assert code == 2 and "expected 'wsprites-paper-v1-first-5@" in err


@pytest.mark.parametrize("options", [[], ["--protocol", "caddy"], ["--suite", "axes"]])
def test_an_interruption_says_which_scores_were_written(bench, monkeypatch: pytest.MonkeyPatch, options: list[str]):
    """Not that nothing was: those of the models, or of the worlds, before it are kept."""

    def interrupted(*_: object, **__: object) -> Iterator[object]:
        of_world = SimpleNamespace(name="paper", sha256="0" * 64)
        yield SimpleNamespace(scores=SimpleNamespace(data=of_world, seconds=1.0), axis=of_world, kept=False, file=Path("x/paper.json"))
        raise KeyboardInterrupt

    for module, name in ((Job, "run"), (Job, "run_caddy"), (suite, "run")):
        monkeypatch.setattr(module, name, interrupted)
    for module, name in ((scores, "write"), (caddy, "table")):
        monkeypatch.setattr(module, name, lambda *_: "")
    code, _, err = bench("--models", "a:b,c:d", "--out", "x.json", *options)
    first = "x/paper.json" if "--suite" in options else "x-1.json"
    assert (code, err) == (1, f"wsprites: interrupted; written before: {first}\n")


def test_a_data_file(bench, data_file: Path, tmp_path: Path):
    parts = data.from_file(data_file)
    stored, rendered = parts.scored.clip(0), parts.scored.render(parts.scored.script[0])
    assert (stored.frames_thwc == rendered.frames_thwc).all() and parts.fit.name == "val"
    code, out, err = bench("--data", data_file, "--model", "bench_models:guesser", "--split", "val", "--report", "page.html")
    assert code == 0 and "data.h5:val" in out, err
    assert "bench_models:guesser: codes: what is inferred from a clip changes from call to call" in err
    page = Path("page.html").read_text(encoding="utf-8")
    # Capacity (two lines) and samples (three) of the probes of three sources, five quantities of drift and two of transfer with three
    # others, the reader.
    assert "Capacity of the probes" in page and page.count("<polyline") == 3 * (2 + 3) + (5 + 2) * 4 + 2
    code, _, err = bench("--data", data_file, "--split", "all", "--model", "x:y")
    assert code == 2 and "'all' is not one of train, val, test" in err


@pytest.mark.slow
def test_the_example_in_the_docs_works(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    text = (ROOT / "docs" / "score-your-model.md").read_text(encoding="utf-8")
    example, *_ = re.findall(r"^```python\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    (tmp_path / "my_model.py").write_text(example, encoding="utf-8")
    code, out, err = bench("--clips", CLIPS, "--model", "my_model:make", "--out", "baseline.json")
    assert code == 0 and re.search(r"shift.action_accuracy +0.\d", out) and "control.faithful" in out, err
    assert markdown([scores.read(tmp_path / "baseline.json")]).startswith("| score | strongest floor, `paper` | ceiling |")
