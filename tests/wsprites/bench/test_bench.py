"""The whole instrument: what knows everything is perfect in every column, what knows nothing is at the floor, and bad input is one line."""

import hashlib
import json
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace

import h5py
import numpy as np
import pytest
from bench_models import CLIPS, Guesser, Seer
from samples import ROOT

from wsprites.art import World, load_art
from wsprites.art.sheets import CELL_OF
from wsprites.bench import baselines as controls
from wsprites.bench import data, evaluate, protocol, released
from wsprites.bench import rollouts as control
from wsprites.bench import scores as report
from wsprites.bench.metrics import interval, probes
from wsprites.bench.metrics.actions import entropy, nmi, table
from wsprites.bench.reader import Reader
from wsprites.bench.rollouts import starts, world
from wsprites.bench.test_scores import test_figure as compare_figure
from wsprites.errors import UserError
from wsprites.render import render
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS


@pytest.fixture(scope="module", autouse=True)
def _quick() -> Iterator[None]:
    """Fewer draws, smaller probes, fewer starts."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(interval, "DRAWS", 40)
        patch.setattr(probes, "FITTED", 600)
        patch.setattr(probes, "SCORED", 500)
        patch.setattr(probes, "STEPS", 120)
        patch.setattr(probes, "CAPACITY", ("linear", "mlp_4"))
        patch.setattr(probes, "KINDS", ("linear", "mlp_4", "mlp", "knn"))
        patch.setattr(control, "STARTS", 4)
        interval.weights.cache_clear()
        yield
    interval.weights.cache_clear()


@pytest.fixture(scope="module")
def few() -> data.Data:
    return data.standard("wsprites-paper-v1", CLIPS)


@pytest.fixture(scope="module")
def seen(few: data.Data) -> evaluate.Scores:
    told: list[int] = []
    model = Seer(few)
    scores = evaluate.evaluate(model, few, "seer", told.append)
    assert sum(told) == evaluate.clips_to_do(model, few)
    return scores


def test_the_standard_worlds_never_change():
    """Their names stand for these hashes. A change of world, seed or art is a new name: -v2."""
    assert {name: data.standard(name).sha256[:16] for name in data.STANDARD} == HASHES
    for name in data.STANDARD:
        parts = data.standard(name)
        assert (len(parts.fit), len(parts.scored), parts.name) == (200, 500, name)
        assert not set(parts.fit.script.character.tolist()) & set(parts.scored.script.character.tolist())


HASHES = {"wsprites-paper-v1": "c8056ca092d58749", "wsprites-factorial-v1": "f708ac340d431e2a"}


def test_what_knows_everything_is_perfect_in_every_column(seen: evaluate.Scores):
    figures = {name: one.value for name, one in seen.figures.items()}
    oracle = {name: one.value for name, one in seen.controls["oracle"].items()}
    for name, value in oracle.items():
        if not np.isfinite(value):
            assert name.startswith("global.standing") or "clipped" in name, name  # one label only, or no such step
        elif name.startswith(("null.", "nuisance.")) or name.endswith((".mean", ".median", ".p95", "shift.mean")) or "position" in name:
            assert value <= (0.3 if name.startswith(("control", "drift")) else 0), name  # read back, sub-pixel
        elif "psnr" in name:
            assert value > 30, name
        elif not name.startswith("leakage"):
            assert value == pytest.approx(1), name
    perfect = [
        name for name in figures if name.split(".")[0] in ("local", "masks", "shift", "background_shift", "control", "drift", "leakage")
    ]
    assert len(perfect) > 60
    for name in perfect:
        assert figures[name] == pytest.approx(oracle[name], nan_ok=True), name
    assert not [name for name in seen.controls["best_code"] if "standing" in name or "conditional" in name or "vectors" in name]
    assert "vectors.local.knn" in seen.controls["shuffled"]
    assert [film["title"] for film in seen.films if film["kind"] == "code"][1] == "code 1, inferred from walk_left"
    assert figures["vectors.local.linear"] == figures["vectors.local.knn"] == figures["vectors.local.mlp"] == 1
    assert figures["leakage.shift.shift"] > 0.999 and figures["leakage.background_shift.codes"] < 0.1
    assert figures["leakage.local.codes"] == pytest.approx(1 - seen.controls["state_only"]["vectors.local.linear"].value)


def test_what_knows_nothing_is_at_the_floor(few: data.Data):
    scores = evaluate.evaluate(Guesser(), few, "guesser")
    for name, one in scores.figures.items():
        floors = [of[name].value for who, of in scores.controls.items() if name in of and who in ("random", "copy", "majority")]
        if name.split(".")[-1] in ("ami", "conditional") or name.startswith("leakage"):
            assert not one.value >= 0.12, name  # some are not defined
        elif floors and np.isfinite(one.value):
            assert one.value <= max(floors) + 0.12 or name.startswith("drift.position"), name
    assert scores.figures["control.consistency"] == scores.controls["copy"]["control.consistency"]
    assert scores.figures["null.codes"].value == pytest.approx(1, abs=0.05)


def test_vectors_alone_are_enough_to_be_controlled(few: data.Data):
    seer = Seer(few)

    class ByVectors:
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {name: array for name, array in seer.infer(frames).items() if name in ("vectors", "shift")}

        def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            return seer.rollout(first, actions.argmax(-1), shifts)

    fitted, _ = evaluate.collect(ByVectors(), few.fit, "vectors")
    figures, films = control.control(ByVectors(), few, fitted, "vectors")
    assert figures["model"]["control.faithful"].value == 1 and figures["model"]["drift.psnr.16"].value == 60 and len(films) > 9


@pytest.mark.parametrize("name", data.STANDARD)
def test_the_reader_reads_the_truth(name: str):
    part = data.standard(name, 4).scored
    for n in range(3):
        script, clip = part.script[n], part.clip(n)
        read = Reader(part.art, int(script.character), 3).read(clip.frames_thwc)
        assert np.abs(read.position - script.position).max() < 0.5 and (read.local_action == script.local_action).all()
        assert (CELL_OF[read.local_action, read.animation_frame] == CELL_OF[script.local_action, script.animation_frame]).all()
        assert read.fit.min() > 0.5
    empty = part.render(replace(script, position=script.position * 0)).frames_thwc * 0
    assert Reader(part.art, int(script.character), 3).read(empty[:3]).fit.max() < 0


def test_the_reader_reads_frames_of_any_size(few: data.Data):
    spec = replace(few.scored.spec, height=99, width=130)
    clips = scripts(spec, 3, np.arange(2))
    art = load_art(spec)
    for script in (clips[0], clips[1]):
        read = Reader(art, int(script.character), 3).read(render(World(spec, art), script).frames_thwc[::3])
        assert np.abs(read.position - script.position[::3]).max() < 0.5 and (read.local_action == script.local_action[::3]).all()


def test_the_world_goes_on_as_the_script_did(few: data.Data):
    part = few.scored
    for start in starts(part):
        after = start.script.window(start.t + 1, start.t + 11)
        again = world(part, start, after.local_action, after.global_action)
        for label in ("position", "shift", "animation_frame"):
            assert (getattr(again, label) == getattr(after, label)).all(), label


def test_the_released_protocol_and_its_units(few: data.Data):
    world = few.scored.art.world(PRESETS["released"])
    part = data.Part("test", world, scripts(world.spec, 0, np.arange(400)))
    truth, who = released.truth(part), part.script.character
    perfect = released.figures(truth, truth, who) | released.as_released(truth, truth)
    zero = released.as_released(truth, {"shift": truth["shift"] * 0})
    assert perfect["shift norm, px"] == 0 and perfect["shift angle match"] == 1 and perfect["global NMI"] == pytest.approx(1)
    assert perfect["shift norm as released"] == pytest.approx(3.80, abs=0.1) and zero["shift norm as released"] == pytest.approx(
        0.17, abs=0.01
    )
    random = released.figures(truth, {"codes": np.random.default_rng(0).integers(0, 6, truth["codes"].shape)}, who)
    assert random["global NMI"] < 0.01 < random["local NMI"]


class Scribbler:
    """Knows windows by their pixels, and writes its actions into a corner of what it generates, where it finds them again."""

    def __init__(self, part: data.Part, *, right: bool) -> None:
        truth, clips = released.truth(part), [part.clip(n) for n in range(len(part))]
        labels, masks = [truth["codes"], truth["shift"]], [clip.masks_thw for clip in clips]
        if not right:
            labels = [np.random.default_rng(0).permutation(array.ravel()).reshape(array.shape) for array in labels]
        self._known = {
            self._key(clip.frames_thwc[at]): (labels[0][n, at : at + 11], labels[1][n, at : at + 11], masks[n][at : at + 12])
            for n, clip in enumerate(clips)
            for at in range(0, 84, 12)
        }

    @staticmethod
    def _key(frame_hwc: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(frame_hwc).data).digest()

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        corner = frames[:, 1:, 0, 0].astype(int)
        if (corner[..., 3] == 77).all():
            return {"codes": corner[..., 0], "shift": corner[..., 1:3] - 20, "masks": np.zeros(frames.shape[:2] + frames.shape[3:])}
        found = [self._known[self._key(clip[0].transpose(1, 2, 0))] for clip in frames]
        return {name: np.stack(of) for name, of in zip(("codes", "shift", "masks"), zip(*found, strict=True), strict=True)}

    def rollout(self, first: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        video = np.repeat(first[:, None], codes.shape[1], 1)
        video[:, :, 0, 0, 0], video[:, :, 0, 0, 3] = codes, 77
        video[:, :, 0, 0, 1:3] = shifts + 20
        return video


def test_a_model_that_agrees_with_itself_need_not_be_right(few: data.Data):
    right, wrong = (released.generated(Scribbler(few.scored, right=right), few.scored, "scribbler") for right in (True, False))
    for who in (right["RE"], right["CO"], wrong["CO"]):
        assert who["global NMI"] == pytest.approx(1) and who["shift norm, px"] == 0 and who["shift angle match"] == 1
    assert wrong["RE"]["global NMI"] < 0.05 and wrong["RE"]["shift norm, px"] > 1
    assert right["RE"]["masks soft IoU"] == 0 and "background_shift norm, px" not in right["RE"]


def test_the_best_code_is_the_best(few: data.Data):
    count = np.random.default_rng(0).integers(1, 100, 7)
    for k in (2, 3, 4):
        every = np.stack(np.unravel_index(np.arange(k**7), (k,) * 7), 1)
        best = max(entropy(np.bincount(code, count, minlength=k)) for code in every)
        assert best - 0.005 < entropy(np.bincount(controls.best_code(count, k), count, minlength=k)) <= best + 1e-9
    spec = PRESETS["released"]
    local = scripts(spec, 0, np.arange(2000)).local_action[:, 1:]
    count = np.bincount(local.ravel(), minlength=9)
    for k, known in ((4, 0.807), (6, 0.926), (9, 1.0)):
        assert nmi(table(controls.best_code(count, k)[local], local, k, 9)) == pytest.approx(known, abs=0.004)


def fill(few: data.Data, **changes: np.ndarray) -> dict[str, np.ndarray]:
    arrays = {"data": np.array(f"{few.name}@{few.sha256[:16]}")}
    for part in (few.fit, few.scored):
        arrays[f"{part.name}/codes"] = part.script.local_action[:, 1:].astype(int)
        arrays[f"{part.name}/shift"] = part.script.shift[:, 1:].astype(np.float32)
    return {**arrays, **changes}


def test_a_predictions_file_scores_like_its_model(few: data.Data, seen: evaluate.Scores, tmp_path: Path):
    np.savez(tmp_path / "p.npz", **fill(few))
    with h5py.File(tmp_path / "p.h5", "w") as h5:
        for name, array in fill(few).items():
            if name != "data":
                h5[name] = array
        h5.attrs["data"] = np.bytes_(str(fill(few)["data"]))  # as other languages write it
    for name in ("p.npz", "p.h5"):
        scores = evaluate.evaluate(protocol.load(str(tmp_path / name), few), few, name)
        assert scores.figures["local.ami"] == seen.figures["local.ami"] and scores.figures["shift.mean"].value == 0
        assert "null.codes" not in scores.figures


BAD = [
    (
        {"test/codes": np.zeros((6, 90), int)},
        "codes has the shape (6, 90); expected (6, 89): clips, transitions; 90 frames have 89 transitions",
    ),
    ({"test/codes": np.zeros((6, 89))}, "codes is of type float64; expected integers"),
    (
        {"test/vectors": np.zeros((6, 89, 5000), np.float32), "val/vectors": np.zeros((12, 89, 8))},
        "vectors has 5000 features; at most 4096",
    ),
    ({"test/codes": np.full((6, 89), -1)}, "codes has values from -1 to -1; expected 0 to 1023"),
    ({"test/shift": np.full((6, 89, 2), np.nan)}, "shift has 1068 values that are not finite, the first at (0, 0, 0); expected none"),
    (
        {"test/masks": np.full((6, 90, 96, 128), 255.0, np.float16), "val/masks": np.zeros((12, 90, 96, 128), bool)},
        "masks has values from 255 to 255; expected 0 to 1",
    ),
    ({"test/vectors": np.zeros((6, 89, 4), np.float32)}, "val/vectors is missing"),
    ({"data": np.array("other@0")}, "the array data says 'other@0'; expected 'wsprites-paper-v1-first-6@"),
    ({"test/code": np.zeros(3)}, "unknown array 'test/code'; expected val, test / codes, vectors"),
    ({"test/codes": np.array([object()])}, "codes is of type object; expected integers"),
]


@pytest.mark.parametrize(("changes", "line"), BAD, ids=[line[:30] for _, line in BAD])
def test_a_wrong_predictions_file_is_named_in_one_line(few: data.Data, tmp_path: Path, changes: dict[str, np.ndarray], line: str):
    np.savez_compressed(tmp_path / "p.npz", **fill(few, **changes))
    with pytest.raises(UserError) as caught:
        protocol.load(str(tmp_path / "p.npz"), few)
    assert line.split("|")[-1] in str(caught.value) and "\n" not in str(caught.value)


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
        ({"codes": [[1], [2, 3]]}, "codes is a list that NumPy cannot take"),
    ):
        with pytest.raises(UserError, match="x: ") as caught:
            evaluate.collect(Wrong(answer), few.scored, "x")  # type: ignore[arg-type]
        assert line in str(caught.value)
    (tmp_path / "not.npz").write_bytes(b"PK\3\4 nothing")
    (tmp_path / "not.pt").write_bytes(b"nothing")
    for name in ("not.npz", "not.pt", "missing.npz", "missing", "json:loads", "json:nothing", "no.such.module:x"):
        with pytest.raises((UserError, TypeError), match=r"not|no such|loads|nothing|argument|No module"):
            protocol.load(str(tmp_path / name) if "." in name and ":" not in name else name, few)


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
        with pytest.raises(UserError, match=r"its attribute codes is .*; expected how many codes there are, 1 to 1024"):
            protocol.load("bench_models:guesser", few)


@pytest.fixture
def bench(run: Callable[..., tuple[int, str, str]]) -> Callable[..., tuple[int, str, str]]:
    return partial(run, "bench")


def test_the_command(bench, few: data.Data, tmp_path: Path):
    code, out, _ = bench("--clips", CLIPS, "--template", "t.npz")
    assert code == 0 and "README" in out
    with np.load("t.npz") as template:
        assert "SPLIT/codes (clips, transitions)" in str(template["README"]) and template["test/shift"].shape == (6, 89, 2)
    np.savez("good.npz", **fill(few))
    code, out, err = bench("--clips", CLIPS, "--model", "good.npz", "--out", "good.json", "--report", "good.html")
    assert code == 0 and re.search(r"local.matched_accuracy +1.000 +\[1.000, 1.000\]", out), err
    scores = json.loads(Path("good.json").read_text())
    figure = scores["figures"]["local.matched_accuracy"]
    assert figure["value"] == 1 and set(figure["controls"]) == {"random", "majority", "direction", "best_code", "oracle"}
    assert scores["data"]["sha256"] == few.sha256 and {"versions", "hardware", "config", "model"} <= set(scores)
    page = Path("good.html").read_text(encoding="utf-8")
    assert (
        "local.matched_accuracy" in page
        and "Capacity of the probes" not in page
        and "http" not in page.replace("http://www.w3.org", "")
        and "<script" not in page
    )
    rule = "local.matched_accuracy<-0.02"
    code, out, err = bench("--clips", CLIPS, "--model", "t.npz", "--compare", "good.json", "--fail-on", rule)
    assert code == 1 and "FAILED   local.matched_accuracy: 1.0000 -> 0." in out
    code, out, _ = bench("--clips", CLIPS, "--models", "good.npz,t.npz", "--compare", "good.json", "--fail-on", rule)
    assert code == 1 and "no figure of the table differs" in out and "t.npz against good.json" in out and out.count("FAILED") == 1
    code, out, _ = bench("--clips", CLIPS, "--model", "good.npz", "--protocol", "released")
    assert code == 0 and "shift norm as released" in out and "RE" not in out
    code, out, err = bench("--clips", CLIPS, "--model", "bench_models:guesser", "--protocol", "released")
    assert code == 0 and out.splitlines()[0].split()[-2:] == ["RE", "CO"], err
    for arguments, line in (
        (["--fail-on", "local.amy<1", "--compare", "good.json"], "the baseline has no figure 'local.amy'"),
        (["--fail-on", "what", "--compare", "good.json"], "expected NAME<NUMBER"),
        (["--fail-on", rule], "--fail-on wants a baseline"),
        (["--compare", "t.npz"], "not a score file"),
        (["--data", "nowhere"], "neither a file nor a standard world"),
        (["--split", "val"], "--split val is for data files"),
        (["--out", "x.json", "--report", "x.json"], "is the file of --out as well"),
        (["--out", "good.json", "--compare", "good.json"], "is the baseline of --compare"),
        (["--out", "x.json", "--protocol", "released"], "--out does not go with --protocol released"),
    ):
        code, _, err = bench("--clips", CLIPS, "--model", "good.npz", *arguments)
        assert code == 2 and line in err and err.count("\n") == 1, err
    code, _, err = bench("--clips", CLIPS, "--model", "not:there", "--compare", "good.json", "--fail-on", "what")
    assert code == 2 and "expected NAME<NUMBER" in err  # before any model is loaded
    code, _, err = bench("--clips", CLIPS, "--models", "good.npz,bench_models:fails", "--out", "two.json")
    assert code == 2 and "values that are not finite" in err and Path("two-1.json").exists() and not Path("two-2.json").exists()
    code, _, err = bench("--clips", 5, "--model", "good.npz")
    assert code == 2 and "expected 'wsprites-paper-v1-first-5@" in err


def test_checkpoints_are_known_by_what_is_in_them(bench, data_file: Path, tmp_path: Path):
    """GLASS with random weights, as safetensors and by torch.save, under any name."""
    import torch

    from glass_model.glass.config import PRESETS as MODELS
    from glass_model.glass.model import GLASS
    from glass_model.training.checkpoint import save, state_path

    torch.manual_seed(0)
    config = MODELS["tiny"].override(model={"mask_channels": 2, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2})
    save(tmp_path / "a", config, GLASS(config.model), 1, notes={}, optimizers=[])
    state_path(tmp_path / "a").rename(tmp_path / "ckpt.pt")
    parts = data.from_file(data_file, clips=2)
    frames = parts.scored.clip(0).frames_thwc[None].transpose(0, 1, 4, 2, 3)
    ours, theirs = (protocol.infer(protocol.load(name, parts), name, frames, parts.scored) for name in ("a", "ckpt.pt"))
    assert all((ours[name] == theirs[name]).all() for name in protocol.ARRAYS)
    code, _, err = bench("--data", data_file, "--clips", 2, "--model", "ckpt.pt", "--out", "scores.json")
    assert code == 0, err
    scores = json.loads(Path("scores.json").read_text())["figures"]
    assert {"local.ami", "shift.mean", "masks.soft_iou", "control.faithful", "null.codes"} <= set(scores)
    torch.save({"format": "glasses"}, tmp_path / "b.pt")
    code, _, err = bench("--clips", 2, "--model", "b.pt")
    assert code == 2 and "nor a checkpoint of a known format (glass)" in err and err.count("\n") == 1


def test_a_data_file(bench, data_file: Path, tmp_path: Path):
    parts = data.from_file(data_file)
    stored, rendered = parts.scored.clip(0), parts.scored.render(parts.scored.script[0])
    assert (stored.frames_thwc == rendered.frames_thwc).all() and parts.fit.name == "val"
    code, out, err = bench("--data", data_file, "--model", "bench_models:guesser", "--split", "val", "--report", "page.html")
    assert code == 0 and "data.h5:val" in out, err
    page = Path("page.html").read_text(encoding="utf-8")
    assert "Capacity of the probes" in page and page.count("<polyline") == 3 * 3 + 4 * 3
    code, _, err = bench("--data", data_file, "--split", "all", "--model", "x:y")
    assert code == 2 and "--split all: not one of train, val, test" in err


@pytest.mark.slow
def test_the_example_in_the_docs_works(bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(str(tmp_path))
    (example,) = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "ci.md").read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    (tmp_path / "my_model.py").write_text(example, encoding="utf-8")
    code, out, err = bench("--clips", CLIPS, "--model", "my_model:make", "--out", "baseline.json")
    assert code == 0 and re.search(r"shift.action_accuracy +0.\d", out) and "control.faithful" in out, err
    assert report.markdown([report.read(tmp_path / "baseline.json")]).startswith("| score | random |")


def test_scores_of_other_data_are_not_compared(few: data.Data, seen: evaluate.Scores):
    scores = report.to_json(seen, "x", few, 1.0)
    other = {**scores, "data": {**scores["data"], "sha256": "0"}}
    with pytest.raises(UserError, match="of other data"):
        report.regressions(scores, other, [])
    worse = json.loads(json.dumps(scores))
    worse["figures"]["shift.mean"]["value"] = 0.5
    assert report.regressions(worse, scores, ["shift.mean>0.2", "local.ami<-0.1"]) == ["shift.mean: 0.0000 -> 0.5000, +0.5000 > 0.2"]


@pytest.mark.parametrize(
    ("name", "unit", "before", "fine", "worse"),
    [
        ("local.ami", "", 0.5, 0.485, 0.475),
        ("null.codes", "", 0.2, 0.215, 0.225),
        ("nuisance.character.vectors", "", 0.2, 0.0, 0.3),
        ("shift.mean", "px", 4.0, 4.3, 4.5),
        ("drift.psnr.16", "dB", 30.0, 29.6, 29.4),
        ("images.fid", "distance", 50.0, 54.0, 56.0),
    ],
)
def test_what_counts_as_worse(name: str, unit: str, before: float, fine: float, worse: float):
    request = SimpleNamespace(config=SimpleNamespace(getoption=lambda _: 0.02))

    def run(value: float) -> None:
        was, now = ({"data": {"sha256": "0"}, "figures": {name: {"value": one, "unit": unit}}} for one in (before, value))
        compare_figure(name, now, was, request)  # type: ignore[arg-type]

    run(fine)
    with pytest.raises(AssertionError, match=name):
        run(worse)


@pytest.mark.slow
def test_pytest_runs_the_suite_for_a_model(few: data.Data, tmp_path: Path):
    np.savez(tmp_path / "good.npz", **fill(few))
    scores = evaluate.evaluate(protocol.load(str(tmp_path / "good.npz"), few), few, "good")
    report.write(tmp_path / "good.json", report.to_json(scores, "good", few, 1.0))
    bad = fill(few, **{"test/codes": np.zeros((6, 89), int)})
    np.savez(tmp_path / "bad.npz", **bad)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "--pyargs",
        "wsprites.bench.test_scores",
        "--wsprites-clips",
        str(CLIPS),
    ]
    options = ["--wsprites-model", str(tmp_path / "bad.npz"), "--wsprites-baseline", str(tmp_path / "good.json")]
    done = subprocess.run([*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert done.returncode == 1 and re.search(r"\d+ failed, \d+ passed", done.stdout), done.stdout + done.stderr
    lost = subprocess.run([*command, *options[:2]], cwd=tmp_path, capture_output=True, text=True, timeout=600)
    assert lost.returncode not in (0, 5) and "go together; one is missing" in lost.stdout + lost.stderr
    assert "test_figure[local.matched_accuracy]" in done.stdout and "test_figure[shift.mean]" not in done.stdout
