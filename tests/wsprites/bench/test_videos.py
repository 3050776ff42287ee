"""Videos without labels: the scores that need predictions and pixels only, and a reason for each of the others."""

import json
import pickle
import re
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity
from video_models import FRAMES, HEIGHT, MOVES, SIDE, WIDTH, Coder, Still, Tracker, draw

from wsprites import cli
from wsprites.bench import data, table, videos
from wsprites.bench.distances import left_out
from wsprites.bench.evaluation import Evaluation
from wsprites.bench.networks import Networks
from wsprites.bench.run import Job
from wsprites.errors import UserError

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five videos of two clips in each split but val, which has one clip."""
    root = tmp_path_factory.mktemp("videos")
    rng = np.random.default_rng(0)
    for split, count in (("train", 2), ("val", 1), ("test", 2)):
        for video in range(count):
            folder = root / "in" / split / f"video-{video}"
            folder.mkdir(parents=True)
            at = np.array([16, 12])
            for t in range(FRAMES * (1 if split == "val" else 2)):
                Image.fromarray(draw(*at)).save(folder / f"{t:05d}.png", compress_level=1)
                at = (at + MOVES[rng.integers(5)]).clip(0, (WIDTH - SIDE, HEIGHT - SIDE))
    cli.main(["import", str(root / "in"), "--frames", str(FRAMES), "--out", str(root / "videos.h5")])
    return root / "videos.h5"


@pytest.fixture(scope="module")
def baseline(file: Path) -> str:
    """The score file of the tracker."""
    (result,) = Job(("video_models:tracker",), str(file)).run()
    return result.scores.to_json()


def evaluate(model: object, file: Path, **options: object) -> Evaluation:
    return videos.evaluate(model, data.from_videos(file), "m", **options)


def test_a_model_that_knows_the_video_is_perfect(file: Path):
    told: list[int] = []
    found = evaluate(Tracker(), file, progress=told.append)
    assert sum(told) == videos.clips_to_do(Tracker(), data.from_videos(file)) == 5
    values = {name: score.value for name, score in found.scores.items()}
    assert {name: value for name, value in values.items() if not name.startswith(("drift", "codes"))} == {
        "consistency.codes": 1,
        "consistency.vectors": 0,
        "consistency.shift": 0,
        "consistency.masks": 1,
    }
    for t in (1, 4, 8, 16):
        assert values[f"drift.psnr.{t}"] == 60 and values[f"drift.ssim.{t}"] == pytest.approx(1)
    # Use of the codes, counted one by one.
    codes = Tracker().infer(np.stack([data.from_videos(file).scored.frames(n) for n in range(4)]).transpose(0, 1, 4, 2, 3))["codes"]
    switches = [a != b for clip in codes.tolist() for a, b in pairwise(clip)]
    assert values["codes.switch_rate"] == pytest.approx(sum(switches) / len(switches)) and 0.5 < values["codes.switch_rate"] < 1
    assert values["codes.usage"] == pytest.approx(5 / 6) and found.scores["consistency.shift"].unit == "px"
    assert [video.title for video in found.videos] == ["clip 0", "clip 1", "clip 2", *(f"code {k}" for k in range(5))]


def test_the_floor_repeats_the_first_frame(file: Path):
    """A model that does the same has the values of "copy", which are those of the frames by scikit-image."""
    found = evaluate(Still("codes"), file)
    frames = data.from_videos(file).scored.stored["frames"][()]
    for name, score in found.baselines["copy"].items():
        assert found.scores[name] == score, name
    alike = [
        structural_similarity(
            clip[0], clip[8], channel_axis=-1, gaussian_weights=True, sigma=1.5, use_sample_covariance=False, data_range=255
        )
        for clip in frames
    ]
    mse = ((frames[:, 0].astype(float) - frames[:, 8]) ** 2).mean((1, 2, 3))
    assert found.scores["drift.ssim.8"].value == pytest.approx(np.mean(alike), abs=1e-6)
    assert found.scores["drift.psnr.8"].value == pytest.approx(np.minimum(10 * np.log10(255**2 / np.maximum(mse, 1e-12)), 60).mean())
    still = Tracker().infer(frames.transpose(0, 1, 4, 2, 3)[:, :17])["codes"] == 0
    assert found.scores["consistency.codes"].value == pytest.approx(still.mean())


def test_networks_compare_the_replays(file: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wsprites.bench.distances.FEATURES", {"fid": 3, "fvd": 3})
    means = [lambda a: a.reshape(len(a), -1, 8).mean(1)[:, :3], lambda a: a.reshape(len(a), -1, 8).mean(1)[:, :3]]
    networks = Networks(lpips=lambda a, b: np.abs(a.astype(float) - b).mean((1, 2, 3)), fid=means[0], fvd=means[1])
    found, still = evaluate(Tracker(), file, networks=networks), evaluate(Still("codes"), file, networks=networks)
    for name in ("drift.lpips.16", "images.fid", "images.fvd"):
        assert abs(found.scores[name].value) < 1e-9 < 1e-6 < still.scores[name].value
        assert found.baselines["copy"][name].value == pytest.approx(still.scores[name].value) and found.scores[name].unit == "distance"
    assert not {name for name in found.not_scored if name.startswith(("drift.lpips", "images"))}


@pytest.mark.parametrize(
    ("model", "missing"),
    [
        (Coder("codes"), {"consistency": "the model has no rollout", "drift.psnr": "the model has no rollout"}),
        (Still("vectors"), {"codes": "the model infers no codes", "consistency.shift": "the model infers no shift"}),
        (Still("codes", "shift"), {"consistency.masks": "the model infers no masks", "images.fvd": "no weights of networks are given"}),
    ],
)
def test_what_a_model_lacks_is_named(file: Path, model: object, missing: dict[str, str]):
    found = evaluate(model, file)
    assert missing.items() <= found.not_scored.items() and videos.NEEDS_LABELS.items() <= found.not_scored.items()
    assert not [score for score in found.scores if any(f"{score}.".startswith(f"{name}.") for name in found.not_scored)]


@pytest.mark.parametrize("rollout_actions", [None, "true"])
def test_reasons_of_scores_without_generated_video(file: Path, rollout_actions: str | None):
    """Replays were left out; scores that need labels cannot be had by leaving nothing out."""
    model = type("Driven", (Tracker,), {"rollout_actions": rollout_actions})()
    found = Job(("m",), str(file), rollouts=False).score("m", model).scores
    assert {*found.scores} == {"codes.usage", "codes.perplexity", "codes.switch_rate"} and found.settings.rollout_actions == ""
    left_out = {"consistency", "drift.psnr", "drift.ssim", "drift.lpips", "images"}
    assert {name for name, why in found.not_scored.items() if why == "left out by --no-rollouts"} == left_out
    assert videos.NEEDS_LABELS.items() <= found.not_scored.items() and "drift" not in found.not_scored
    assert "the model has no rollout" not in found.not_scored.values()


class Overwriting(Tracker):
    """Uses the memory of its input for something else."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        arrays = super().infer(frames)
        frames[...] = 0
        return arrays

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        frames = super().rollout(first, actions, shifts)
        for array in (first, actions, shifts):
            array[...] = 0
        return frames


def test_a_model_may_overwrite_what_it_is_given(file: Path):
    assert evaluate(Overwriting(), file).scores == evaluate(Tracker(), file).scores


class ByLength(Tracker):
    """Infers masks of whole clips only."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        arrays = super().infer(frames)
        return arrays if frames.shape[1] == FRAMES else {name: array for name, array in arrays.items() if name != "masks"}


class ByContent(Tracker):
    """Infers masks of videos in which something moves only."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        moves = bool((frames != frames[:, :1]).any())
        return {name: array for name, array in super().infer(frames).items() if name != "masks" or moves}


@pytest.mark.parametrize("model", [ByLength(), ByContent()])
def test_a_model_infers_the_same_arrays_of_clips_and_of_replays(file: Path, model: object):
    with pytest.raises(UserError, match=r"^m: .*masks.* of some clips, .* of others; expected the same arrays of all clips"):
        evaluate(model, file)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--split", "val"], "'val' has 1 clips of 20 frames; 2 clips of 2 frames are needed ('train' has 4, 'test' has 4)"),
        (["--split", "valid"], "--split: 'valid' is not one of train, val, test"),
        (["--clips", 5], "--clips: 5 is outside the range 2 to 4, the number of clips of 'test'"),
        (["--protocol", "released"], "--protocol: 'released' compares with labels, which videos.h5:test does not have"),
        (["--model", "video_models:vectors"], "video_models:vectors: infers vectors, which cannot be scored without labels"),
        (
            ["--compare", "others.json"],
            "is of other data (videos.h5:test-first-3, 3 clips of test, not videos.h5:test, 4 clips",
        ),
        (["--compare", "empty.json"], "the baseline has no scores, so nothing can be compared with it"),
    ],
)
def test_bad_input_is_answered_in_one_line(run: Run, file: Path, baseline: str, arguments: list[object], line: str):
    values = json.loads(baseline)
    Path("empty.json").write_text(json.dumps({**values, "figures": {}}), encoding="utf-8")
    values["data"] |= {"name": "videos.h5:test-first-3", "clips": {"test": 3}, "sha256": "0" * 64}
    Path("others.json").write_text(json.dumps(values), encoding="utf-8")
    arguments = arguments if "--model" in arguments else ["--model", "video_models:tracker", *arguments]
    code, _, err = run("bench", "--data", file, *arguments)
    assert code == 2 and err.count("\n") == 1 and line in err, err


def test_the_command(run: Run, file: Path):
    code, out, err = run("bench", "--data", file, "--model", "video_models:tracker", "--out", "s.json", "--report", "page.html")
    assert code == 0, err
    assert (
        re.search(r"consistency.codes +1.000 +\[", out)
        and "not scored of video_models:tracker\n  local, global, background, vectors  " in out
    )
    written = json.loads(Path("s.json").read_text(encoding="utf-8"))
    assert written["data"]["videos"] == {"test": 2} and written["data"]["characters"] == {} and written["confusion"] == {}
    assert written["not_scored"]["masks"] == "the true masks are needed"
    page = Path("page.html").read_text(encoding="utf-8")
    for shown in ("4 clips of 2\nvideos of test", "they have no labels", "the true masks are needed", "clip 1: truth, model", "code 4"):
        assert shown in page, shown
    # A predictions file of the same codes, and what it loses.
    code, _, err = run("bench", "--data", file, "--template", "p.npz")
    with np.load("p.npz") as template:
        arrays = dict(template)
    assert code == 0 and set(arrays) == {"data", "README", *(f"test/{name}" for name in ("codes", "vectors", "shift", "background_shift"))}
    frames = np.stack([data.from_videos(file).scored.frames(n) for n in range(4)])
    filled = {"data": arrays["data"], "test/codes": Tracker().infer(frames.transpose(0, 1, 4, 2, 3))["codes"], "codes_k": np.array(6)}
    np.savez("p.npz", **filled)
    code, out, err = run("bench", "--data", file, "--model", "p.npz", "--compare", "s.json")
    assert code == 1 and "no score of the table that both have differs\n12 scores of the baseline are missing" in out, out + err
    assert "FAILED   consistency.codes: 1.0000 -> no such score" in out and out.count("FAILED") == 12


def test_every_score_of_a_data_file_is_one_of_videos_or_has_a_reason():
    """The names of the scores of a model that offers everything, on a data file and on videos."""
    reference = json.loads((Path(table.__file__).parent / "reference" / "wsprites-paper-v1.json").read_text(encoding="utf-8"))
    names = {*reference["figures"], *table.TABLE, "drift.local.1", "drift.ssim.4", "control.distinct"}
    assert len(names) > 130
    for name in names:
        has_reason = [prefix for prefix in videos.NEEDS_LABELS if f"{name}.".startswith(f"{prefix}.")]
        possible = name.startswith(("codes.", "drift.psnr.", "drift.ssim.", "drift.lpips.", "images."))
        assert len(has_reason) + possible == 1, name


def test_small_frames_have_no_ssim_and_recorded_actions_are_named(tmp_path: Path):
    for video in range(2):
        folder = tmp_path / "in" / "test" / str(video)
        folder.mkdir(parents=True)
        for t in range(3):
            Image.fromarray(np.full((8, 10, 3), 50 * t, np.uint8)).save(folder / f"{t:05d}.png")
        (folder / "actions.pkl").write_bytes(pickle.dumps([0, 1, 2]))
    cli.main(["import", str(tmp_path / "in"), "--frames", "3", "--out", str(tmp_path / "small.h5")])
    found = evaluate(Still("codes"), tmp_path / "small.h5")
    assert {name for name in found.scores if name.startswith("drift")} == {"drift.psnr.1"}
    assert found.not_scored["recorded actions"] == "labels that came with the videos are not used"
    assert found.not_scored["drift.ssim"] == "frames of 8 x 10; 11 pixels of a side are needed"
    short = {name: why for name, why in found.not_scored.items() if name.startswith("drift.psnr")}
    assert short == {f"drift.psnr.{t}": f"clips of 3 frames, {t + 1} are needed" for t in (4, 8, 16)}
    assert "lpips" in left_out(data.from_videos(tmp_path / "small.h5"), Networks())
