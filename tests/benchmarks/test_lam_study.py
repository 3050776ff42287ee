"""benchmarks/lam_study.py: which runs there are, what is asked of them, and the tables. Commands are imitated."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from threading import Event

import pytest
from made_scores import entry, made
from safetensors.numpy import save_file

from benchmarks import lam_study
from benchmarks import runs as running
from benchmarks.lam_study import ALSO, AXES, CURES, SCORES, WORLDS, main, parse, rows, run_of
from benchmarks.results import read_result
from benchmarks.runs import Options
from glass_model.lam.config import PRESETS, Config
from glass_model.training.config import load_config
from wsprites.bench.data import STANDARD
from wsprites.bench.scores import Hashes, write
from wsprites.fields import to_json
from wsprites.world.spec import AXES as ALONG
from wsprites.world.spec import PRESETS as SPECS

BY_NAME = {**SPECS, **{spec.name: spec for spec in ALONG.values()}}
OPTIONS = Options(Path("out"), "tiny", {}, (0,), "factorial", None, None, "", "lam")


def test_rows() -> None:
    """72 in the three worlds of the whole table, six in each of the two others, and the cures; no two of a world are the same model."""
    every = list(rows())
    counts = {world: sum(row.part == world for row in every) for world in WORLDS}
    assert counts == {"factorial": 24 + len(CURES), "paper": 24, "axes-still": 24, "axes-no-inertia": 6, "axes-position": 6}
    assert set(WORLDS) <= set(STANDARD.values())
    configs: dict[str, Config] = {row.name: run_of(row, OPTIONS, 0).config for row in every}
    assert len({to_json(config) for config in configs.values()}) == len(configs) == 24 + len(CURES)
    assert configs["vq-pixel-pairs"] == PRESETS["tiny"]
    assert configs["fsq-latent-k2"].model == replace(PRESETS["tiny"].model, bottleneck="fsq", latent=True, context=2)
    assert len({run_of(row, OPTIONS, 0).folder for row in every}) == len(every)


def test_axes_are_rows_that_differ_in_one_thing() -> None:
    """In their bottleneck, their target or their context; and every cure is one."""
    names = {row.name for row in rows()}
    for axis, of_axis in AXES.items():
        assert set(of_axis) <= names and "vq-pixel-pairs" in of_axis
        if axis != "cure":
            parts = [{*values} for values in zip(*(name.split("-") for name in of_axis), strict=True)]
            assert sorted(map(len, parts))[:2] == [1, 1]


def test_which_rows_need_labels() -> None:
    """What is of the guided track or has labels; everything else learns from frames alone."""
    fields = {row.name: run_of(row, OPTIONS, 0).config.fields for row in rows()}
    guided = {name for name, of_row in fields.items() if of_row}
    assert {name for name in CURES if name in guided} == {*CURES} - {
        *("window-tracker", "window-gma", "window-found", "window-found-behind-20", "window-found-persist"),
        *("shared", "product", "ahead-3", "zero"),
    }
    assert {name for name in guided if name not in CURES} == {name for name in fields if "-foreground-" in name and name not in CURES}


class Commands:
    """What `call` runs, without running it: trainings leave checkpoints, scorings leave score files."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, arguments: Sequence[str], log: Path, lock: int, interrupted: Event) -> str:
        self.calls.append(list(arguments))
        given = dict(pairwise(arguments))
        out = Path(given["--out"])
        if arguments[0] == "train":
            sets = [text.removeprefix("--set=") for text in arguments if text.startswith("--set=")]
            config = load_config(PRESETS, given["--preset"], sets)
            about = {"config": to_json(config), "step": str(config.train.steps), "perceptual": "off", "run": log.stem}
            out.mkdir(exist_ok=True)
            save_file({}, out / "checkpoint.safetensors", {**about, "data": json.dumps({"world": BY_NAME[given["--world"]].to_json()})})
        else:
            model = hashlib.sha256(Path(given["--model"]).read_bytes()).hexdigest()
            file = made(local__conditional=entry(0.125, 0.1), codes__perplexity=entry(4.5, 0.1))
            data = replace(file.data, name=f"{given['--data']}-first-{given['--clips']}", clips={"val": 12, "test": int(given["--clips"])})
            write(out, replace(file, system=given["--system"], hashes=Hashes(model, "checkpoint.safetensors", "0" * 64), data=data))
        return ""


@pytest.fixture
def commands(monkeypatch: pytest.MonkeyPatch) -> Commands:
    commands = Commands()
    monkeypatch.setattr(running, "call", commands)
    return commands


def test_runs_and_tables(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two rows in two worlds: each is trained and scored in its own world, once; the table has them, and so have the plots.

    Plots are written after each run; they are drawn at the end only, which takes a second.
    """
    only = ["--only", "vq-pixel-pairs", "vq-pixel-k2", "--worlds", "factorial", "axes-still"]
    arguments = ["--out", str(tmp_path), "--seeds", "1", "--steps", "7", "--clips", "6", *only]
    for drawn in (False, True):
        with monkeypatch.context() as patch, pytest.raises(SystemExit) as exit_:
            if not drawn:
                patch.setattr(lam_study, "as_plot", lambda *_: b"a plot")
            main(arguments)
        assert exit_.value.code == 0 and len(commands.calls) == 8
        plots = {path.name: path.read_bytes() for path in tmp_path.glob("*.png")}
        assert {*plots} == {"context.png"} and (plots["context.png"] == b"a plot") != drawn  # of no other axis there are two rows
    train, bench = (dict(pairwise(call)) for call in commands.calls[2:4])
    assert (train["--system"], train["--preset"], train["--world"]) == ("lam", "tiny", "factorial")
    assert {"--set=train.steps=7", "--set=model.context=2", "--set=train.window=3", "--set=train.seed=1"} <= {*commands.calls[2]}
    assert bench["--system"] == "lam tiny: vq-pixel-k2"
    assert [dict(pairwise(call))["--data"] for call in commands.calls if call[0] == "bench"][2:] == ["wsprites-axes-still-v1"] * 2
    table = {(row["part"], row["name"]): row for row in json.loads((tmp_path / "table.json").read_text())["rows"]}
    assert table["axes-still", "vq-pixel-k2"]["runs"] == 1 and table["paper", "vq-pixel-k2"]["runs"] == 0
    assert table["factorial", "vq-pixel-pairs"]["scores"]["local.conditional"]["mean"] == 0.125
    text = (tmp_path / "table.md").read_text(encoding="utf-8")
    assert (
        text.startswith("# What latent action models encode\n\nLAM, preset tiny, train.steps=7, first 6 clips")
        and "4 of 104 rows have runs." in text
    )
    assert "\n## factorial with a still scene\n" in text and "![Scores of the rows that differ in their context](context.png)" in text
    assert "| vq-pixel-k2 | `model.context=2`, `train.window=3` | 1 | 0.125" in text
    assert (tmp_path / "context.png").read_bytes().startswith(b"\x89PNG")


# What is kept of the runs.

PAIR = ["--seeds", "1", "2", "--steps", "7", "--clips", "6", "--only", "vq-pixel-pairs", "--worlds", "factorial"]


def study(out: Path, *more: str) -> int | str | None:
    """The exit code of two runs of one row."""
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(out), *PAIR, *more])
    return exit_.value.code


@pytest.fixture
def kept(tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the results of both runs, done in tmp_path / "one"."""
    monkeypatch.setattr(lam_study, "as_plot", lambda *_: b"a plot")
    results = tmp_path / "results"
    assert study(tmp_path / "one", "--results", str(results)) == 0 and len(commands.calls) == 4
    return results


def test_what_is_kept_is_done(kept: Path, tmp_path: Path, commands: Commands) -> None:
    """Without the checkpoints, in another folder, nothing is done again, and the tables are the same."""
    assert sorted(path.name for path in kept.iterdir()) == [f"factorial-vq-pixel-pairs-{seed}.json" for seed in (1, 2)]
    for more in ([], ["--table"]):
        assert study(tmp_path / "two", "--results", str(kept), *more) == 0 and len(commands.calls) == 4
        for name in ("table.json", "table.md"):
            assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()
    table = json.loads((tmp_path / "two" / "table.json").read_text())
    assert next(row for row in table["rows"] if row["runs"])["scores"]["local.conditional"]["values"] == [0.125, 0.125]
    (kept / "factorial-vq-pixel-pairs-2.json").unlink()
    assert study(tmp_path / "two", "--results", str(kept)) == 0 and len(commands.calls) == 6


def test_results_of_versions_without_a_field(kept: Path, tmp_path: Path, commands: Commands) -> None:
    """A field that a later version adds has its default in them; one that no version has makes another configuration."""
    for path, (change, code) in zip(sorted(kept.iterdir()), (({}, 0), ({"colour": 1}, 2)), strict=True):
        values = json.loads(path.read_text())
        values["config"]["model"].pop("latent_norm" if code else "mask_bias")
        values["config"]["model"].update(change)
        path.write_text(json.dumps(values))
        seed = path.stem[-1]
        assert study(tmp_path / "two", "--results", str(kept), "--seeds", seed) == code and len(commands.calls) == 4


def test_runs_of_earlier_are_kept(kept: Path, tmp_path: Path, commands: Commands) -> None:
    """A folder that was made without results gives them to one that is named later."""
    assert study(tmp_path / "one", "--results", str(tmp_path / "late")) == 0 and len(commands.calls) == 4
    for path in kept.iterdir():
        assert (tmp_path / "late" / path.name).read_bytes() == path.read_bytes()


def test_scores_of_generated_video_can_be_left_out(kept: Path, tmp_path: Path, commands: Commands) -> None:
    assert study(tmp_path / "two", "--no-rollouts") == 0
    asked = [(call[0], "--no-rollouts" in call) for call in commands.calls]
    assert asked == 2 * [("train", False), ("bench", False)] + 2 * [("train", False), ("bench", True)]


def test_only_the_scores_of_the_study_are_kept(kept: Path) -> None:
    names = {*SCORES, *ALSO}
    assert {"local.conditional", "codes.perplexity"} < names and len(names) == len(SCORES) + len(ALSO)
    result = read_result(kept / "factorial-vq-pixel-pairs-1.json")
    assert {*result.scores.scores} == {"local.conditional", "codes.perplexity"} and not result.scores.per_clip
    assert (result.world, result.config["train"]["steps"], result.config["train"]["seed"]) == ("factorial", 7, 1)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--set", "model.codes=4"], "is not of tiny with these settings in the world factorial, scored on the first 6 clips"),
        (
            ["--clips", "5"],
            "is not of tiny with these settings in the world factorial, scored on the first 5 clips of wsprites-factorial-v1",
        ),
        (["--steps", "8"], "name another folder"),
    ],
)
def test_results_of_something_else_are_not_replaced(
    more: list[str], words: str, kept: Path, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    before = {path: path.read_bytes() for path in kept.iterdir()}
    assert study(tmp_path / "two", "--results", str(kept), *more) == 2 and len(commands.calls) == 4
    error = capsys.readouterr().err
    assert error.startswith("--results: ") and words in error and error.count("\n") == 1
    assert {path: path.read_bytes() for path in kept.iterdir()} == before


@pytest.mark.bad_input
def test_results_of_something_else_where_a_checkpoint_is_lacking(
    tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whether a row needs one depends on whether it is kept; what is kept of other clips is said in a line."""
    results = Path(lam_study.__file__).parent / "results" / "lam"
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path / "out"), "--results", str(results), "--only", "window-found-behind-20", "--clips", "50"])
    error = capsys.readouterr().err.splitlines()[-1]
    assert exit_.value.code == 2 and "--results: " in error and "scored on the first 50 clips" in error and not commands.calls


@pytest.mark.bad_input
def test_results_of_a_newer_version(kept: Path, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """They are not damaged, and nobody is told to delete them."""
    path = kept / "factorial-vq-pixel-pairs-1.json"
    values = json.loads(path.read_text())
    values["scores"]["format_version"] = 9
    path.write_text(json.dumps(values))
    assert study(tmp_path / "two", "--results", str(kept)) == 2 and len(commands.calls) == 4
    error = capsys.readouterr().err
    assert "install a newer one" in error and "delete" not in error and str(path) in error


@pytest.mark.bad_input
@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": "x"}', '{"format": "wsprites-study-result", "config": 3}', " " * (2**20 + 1)])
def test_damaged_results(text: str, kept: Path, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    (kept / "factorial-vq-pixel-pairs-1.json").write_text(text, encoding="utf-8")
    assert study(tmp_path / "two", "--results", str(kept)) == 2 and len(commands.calls) == 4
    assert capsys.readouterr().err.startswith(f"--results: {kept / 'factorial-vq-pixel-pairs-1.json'}: ")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("more", "words"),
    [
        (["--only", "vq-pixels-pairs"], "--only: vq-pixels-pairs is no row of factorial"),
        (["--only", "window", "--worlds", "paper"], "--only: window is no row of paper; --list names them"),
        (["--device", "gpu"], "--device: gpu: "),
        (["--preset", "teeny"], "--preset: teeny is not one of base, lapo"),
        (["--set", "model.code=4"], "there is no field model.code"),
        (["--steps", "0"], "train.steps = 0 is outside the range"),
        (["--seeds", "1", "1"], "--seeds names the seeds, each of them once"),
        (["--set", "model.codes=4", "--set", "model.codes=5"], "model.codes is given twice"),
        (["--steps", "5", "--set", "train.steps=6"], "train.steps is given twice"),
        (["--only", "vq-pixels-pairs", "--only", "window"], "--only: vq-pixels-pairs is no row of factorial"),
        (["--clips", "1"], "--clips: 1 is outside the range 2 to 500"),
        (["--clips", "501"], "--clips: 501 is outside the range 2 to 500"),
        (["--only", "window", "window-found"], "--gma: window-found needs a checkpoint of GLASS"),
    ],
)
def test_wrong_arguments(more: list[str], words: str, tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        parse(["--out", str(tmp_path / "out"), *more])
    assert exit_.value.code == 2 and words in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_rows_with_the_windows_of_glass(tmp_path: Path, commands: Commands, capsys: pytest.CaptureFixture[str]) -> None:
    """Without a checkpoint of it they are left out, which is said; with one, their trainings are given it, and no other is."""
    _, wanted = parse(["--out", str(tmp_path), "--worlds", "factorial"])
    left_out = ("gma", "found", "found-behind-20", "found-persist", "found-labels-1", "found-labels-2.5")
    assert len(wanted) == 24 + len(CURES) - len(left_out) and not any(row.settings.get("model.follow") == "gma" for row in wanted)
    assert capsys.readouterr().out == f"not done without --gma: {', '.join(f'window-{name}' for name in left_out)}\n"
    only = ["--only", "window-tracker", "window-found", "--seeds", "0", "--clips", "6"]
    with pytest.raises(SystemExit) as exit_:
        main(["--out", str(tmp_path), *only, "--gma", "runs/glass.safetensors"])
    assert exit_.value.code == 0
    given = [dict(pairwise(call)).get("--gma") for call in commands.calls if call[0] == "train"]
    assert given == [None, "runs/glass.safetensors"]


def test_rows_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        parse(["--list", "--worlds", "axes-position"])
    names = [f"vq-{target}-{context}" for target in ("pixel", "foreground", "latent") for context in ("pairs", "k2")]
    assert capsys.readouterr().out.splitlines() == [f"axes-position  {name}" for name in names]
