"""The evaluation of CADDY: sequences that begin with true frames, in worlds and in imported videos."""

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.metrics import structural_similarity
from video_models import FRAMES, HEIGHT, MOVES, SIDE, WIDTH, Coder, Still, Tracker, draw

from wsprites.bench import caddy, data, scores
from wsprites.bench.evaluation import Evaluation
from wsprites.bench.metrics.images import frechet
from wsprites.bench.networks import Networks
from wsprites.bench.protocol import Controllable, rollout_with_context
from wsprites.bench.sequences import CONTEXT, find_object, sequences
from wsprites.errors import ArgumentError, UserError
from wsprites.videos import import_videos, plan

Run = Callable[..., tuple[int, str, str]]
LENGTH, BEGINS, WHOLE = 10, (0, 10), 23
"""Frames of a sequence in these tests, where two lie in a clip, and three frames are left."""
COPIED = [0, 0, 1, 2, *[3] * (LENGTH - 4)]
"""The frames that "copy" shows."""


# Frames that are known, then those that were generated.


class Adder:
    """Adds code and shift to the frame that it is given."""

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        added = actions if shifts is None else actions + shifts.sum(-1)
        return (first[:, None] + added.cumsum(1).astype(np.uint8)[:, :, None, None, None]).astype(np.uint8)


class ContextualAdder(Adder):
    """The same, step by step from what the protocol says that each step begins with."""

    def rollout_with_context(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        frames: list[np.ndarray] = []
        for step in range(actions.shape[1]):
            begin = true[:, step] if step < true.shape[1] else frames[-1]
            part = slice(step, step + 1)
            frames.append(self.rollout(begin, actions[:, part], None if shifts is None else shifts[:, part])[:, 0])
        true[...] = 0  # which it may do
        return np.stack(frames, 1)


@pytest.mark.parametrize("known", [1, 4])
@pytest.mark.parametrize("with_shifts", [False, True])
def test_a_model_without_memory_needs_no_method_for_context(known: int, with_shifts: bool):
    rng = np.random.default_rng(0)
    true, codes = rng.integers(0, 200, (3, known, 3, 5, 6), np.uint8), rng.integers(0, 9, (3, 7))
    shifts = rng.integers(0, 4, (3, 7, 2)).astype(float) if with_shifts else None
    one, other = (rollout_with_context(model, true, codes, shifts) for model in (Adder(), ContextualAdder()))
    assert one.shape == (3, 7, 5, 6, 3) and np.array_equal(one, other)
    added = int(codes[1, 2] + (0 if shifts is None else shifts[1, 2].sum()))
    begin = true[1, 2].transpose(1, 2, 0) if known > 2 else one[1, 1]
    assert np.array_equal(one[1, 2], begin + added)


def test_what_a_model_generates_is_checked():
    class Short(ContextualAdder):
        def rollout_with_context(self, *given: np.ndarray) -> np.ndarray:
            return super().rollout_with_context(*given)[:, 1:]

    with pytest.raises(UserError, match=r"rollout_with_context returned uint8 \(1, 4, 3, 5, 6\); expected uint8 \(1, 5, 3, 5, 6\)"):
        rollout_with_context(Short(), np.zeros((1, 4, 3, 5, 6), np.uint8), np.zeros((1, 5), int), None)


# In a world.


class Knower:
    """Knows all sequences by their first frames; its codes are the true global actions.

    Args:
        until: the frame from which on it shows noise.
    """

    codes = 5

    def __init__(self, part: data.Part, *, until: int = LENGTH) -> None:
        self._known, self._until = {}, until
        for n in range(len(part)):
            frames = part.clip(n).frames_thwc.transpose(0, 3, 1, 2)
            for at in BEGINS:
                self._known[self._key(frames[at])] = frames[at : at + LENGTH], part.script.global_action[n, at + 1 : at + LENGTH]

    @staticmethod
    def _key(frame_chw: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(frame_chw).data).digest()

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        assert frames.shape[1] == LENGTH
        return {"codes": np.stack([self._known[self._key(clip[0])][1].astype(int) for clip in frames])}

    def rollout(self, *_: object) -> np.ndarray:
        raise AssertionError("it is to be asked with context")

    def rollout_with_context(self, true: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is None and codes.shape[1] == LENGTH - 1
        known = [self._known[self._key(clip[0])] for clip in true]
        assert all(np.array_equal(clip, frames[:CONTEXT]) for clip, (frames, _) in zip(true, known, strict=True))
        assert all(np.array_equal(code, labels) for code, (_, labels) in zip(codes, known, strict=True))
        generated = np.stack([frames for frames, _ in known])
        generated[:, self._until :] = np.random.default_rng(0).integers(0, 256, generated[:, self._until :].shape)
        return generated[:, 1:]


@pytest.fixture(scope="module")
def two() -> Iterator[data.Data]:
    """The beginnings of two clips, with short sequences."""
    whole = data.standard("wsprites-paper-v1", clips=2)
    part = replace(whole.scored, world=whole.scored.world.replace(frames=WHOLE), script=whole.scored.script.window(0, WHOLE))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsprites.bench.sequences.LENGTH", LENGTH)
        yield replace(whole, scored=part)


def values(evaluation: Evaluation, who: str = "model") -> dict[str, float]:
    found = evaluation.scores if who == "model" else evaluation.baselines[who]
    return {name.removeprefix("caddy."): score.value for name, score in found.items()}


def score(model: object, of: data.Data | data.VideoData, source: str | None = None, **options: object) -> Evaluation:
    return caddy.evaluate(model, of, "m", known=find_object(of, source), **options)


@pytest.fixture(scope="module")
def known(two: data.Data) -> Evaluation:
    told: list[int] = []
    evaluation = score(Knower(two.scored), two, progress=told.append)
    assert sum(told) == len(sequences(two)) == 4
    return evaluation


def test_a_model_that_knows_everything(known: Evaluation):
    found = values(known)
    assert (found["mse"], found["mdr"]) == (0, 0) and found["ssim"] == pytest.approx(1) and found["psnr"] == pytest.approx(80)
    assert found["add"] < 0.1 and known.scores["caddy.add"].unit == "px"
    # Its codes are the directions. Steps that an edge cuts short are all that they do not know.
    assert {name: value for name, value in values(known, "direction").items() if name.startswith("delta")} == {
        name: value for name, value in found.items() if name.startswith("delta")
    }
    assert found["delta_mse"] < 1 < values(known, "local")["delta_mse"] < 50 and found["delta_accuracy"] > 95
    assert found["delta_accuracy_held_out"] > values(known, "random")["delta_accuracy_held_out"] + 20


def test_floors_of_codes(known: Evaluation):
    one, random = values(known, "majority"), values(known, "random")
    assert one == pytest.approx(
        {
            "delta_mse": 100,
            "delta_mse_unweighted": 100,
            "delta_accuracy": 100,
            "delta_accuracy_held_out": 100,
            "delta_accuracy_majority": 100,
        }
    )
    assert 80 < random["delta_mse"] < 100 and random["delta_accuracy"] < 60


def test_displacements_are_those_of_the_transitions(two: data.Data, known: Evaluation):
    """Of the clips themselves, from the labels: none leads from one sequence to the next."""
    script = two.scored.script
    inside = np.arange(WHOLE - 1) % LENGTH < LENGTH - 1
    inside[BEGINS[-1] + LENGTH - 1 :] = False
    moved, code = script.shift[:, 1:][:, inside].reshape(-1, 2), script.global_action[:, 1:][:, inside].ravel()
    error = sum(((moved[code == k] - moved[code == k].mean(0)) ** 2).sum() for k in range(5))
    assert values(known)["delta_mse"] == pytest.approx(100 * error / ((moved - moved.mean(0)) ** 2).sum())
    assert values(known)["delta_accuracy_majority"] == pytest.approx(100 * np.bincount(code).max() / len(code))


def test_the_floor_of_generated_frames(two: data.Data, known: Evaluation):
    """It repeats the true frame that a step begins with: frames 0, 0, 1, 2, 3, 3, 3, ..."""
    part = two.scored
    mse, alike, distance = [], [], []
    for n in range(2):
        clip, place = part.clip(n).frames_thwc, part.script.position[n].astype(float)
        for at in BEGINS:
            for t, source in enumerate(COPIED):
                a, b = clip[at + t], clip[at + source]
                mse.append(((a / 255 - b / 255) ** 2).mean())
                distance.append(np.linalg.norm(place[at + t] - place[at + source]))
                options = {"gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
                alike.append(structural_similarity(a, b, channel_axis=-1, **options))
    floor = values(known, "copy")
    assert floor["mse"] == pytest.approx(np.mean(mse)) and floor["mdr"] == 0
    assert floor["psnr"] == pytest.approx(np.mean([10 * np.log10(1 / (one + 1e-8)) for one in mse]))
    assert floor["add"] == pytest.approx(np.mean(distance)) and floor["ssim"] == pytest.approx(np.mean(alike), abs=1e-6)


def test_a_figure_that_is_lost_is_not_far_away(two: data.Data):
    """ADD is taken over the frames where the character is found, MDR counts the others."""
    found = values(score(Knower(two.scored, until=6), two))
    assert found["mdr"] == pytest.approx(40) and found["add"] < 0.1 and 48 < found["psnr"] < 48 + 0.4 * 10


def test_networks(two: data.Data, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("wsprites.bench.distances.FEATURES", {"fid": 3, "fvd": 3})
    monkeypatch.setattr("wsprites.bench.caddy.STEPS", LENGTH)  # the shortest video that I3D takes

    def features(array: np.ndarray) -> np.ndarray:
        return array.reshape(len(array), -1, 8).mean(1)[:, :3]

    networks = Networks(lpips=lambda a, b: np.abs(a.astype(float) - b).mean((1, 2, 3)), fid=features, fvd=features)
    generated: list[np.ndarray] = []
    model = Knower(two.scored, until=7)
    evaluation = caddy.evaluate(model, two, "m", known=None, networks=networks, keep=lambda _, videos: generated.append(videos))
    truth = np.concatenate([frames for _, frames in sequences(two).batches()])
    video, found = np.concatenate(generated), values(evaluation)
    assert video.shape == truth.shape == (4, LENGTH, 96, 128, 3) and np.array_equal(video[:, :7], truth[:, :7])
    assert found["lpips"] == pytest.approx(np.abs(video.astype(float) - truth).mean())
    assert found["fvd"] == pytest.approx(frechet(features(video), features(truth)))
    frames = [array.reshape(-1, 96, 128, 3) for array in (video, truth, truth[:, COPIED])]
    assert found["fid"] == pytest.approx(frechet(features(frames[0]), features(frames[1])))
    assert values(evaluation, "copy")["fid"] == pytest.approx(frechet(features(frames[2]), features(frames[1])))
    assert evaluation.not_scored.keys() == {f"caddy.{name}" for name in ("delta_mse", "delta_accuracy", "add", "mdr")}
    few = score(Coder("codes"), two, networks=replace(networks, fid=None, missing={"fid": "no file"}))
    assert few.not_scored["caddy.fid"] == "the model has no rollout" and "caddy.delta_mse" in few.scores


def test_why_networks_are_left_out(two: data.Data, monkeypatch: pytest.MonkeyPatch):
    from wsprites.bench.caddy import _without

    networks = Networks(missing={"lpips": "no alex.pth"})
    assert _without(sequences(two), networks) == {
        "lpips": "no alex.pth",
        "fid": "4 sequences, 205 are needed",
        "fvd": "sequences of 10 frames, 16 are needed",
    }
    monkeypatch.setattr("wsprites.bench.sequences.LENGTH", 16)
    assert _without(sequences(two), networks)["fvd"] == "2 sequences, 401 are needed"


def test_a_world_needs_no_detections(two: data.Data):
    with pytest.raises(ArgumentError, match="detections: 'breakout' is only for imported videos; where the character of wsprites-paper"):
        find_object(two, "breakout")


# In imported videos.


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two videos of two clips of FRAMES frames with a square that moves."""
    root, rng = tmp_path_factory.mktemp("videos"), np.random.default_rng(0)
    for video in range(2):
        folder = root / "in" / "test" / f"video-{video}"
        folder.mkdir(parents=True)
        at = np.array([16, 12])
        for t in range(FRAMES * 2):
            Image.fromarray(draw(*at)).save(folder / f"{t:05d}.png", compress_level=1)
            at = (at + MOVES[rng.integers(5)]).clip(0, (WIDTH - SIDE, HEIGHT - SIDE))
    import_videos(plan(root / "in", frames=FRAMES), root / "videos.h5")
    return root / "videos.h5"


def places(frames_nthwc: np.ndarray) -> np.ndarray:
    """(N, T, 2) the corner of the square."""
    white = (frames_nthwc == 255).all(-1)
    return np.stack([white.any(2).argmax(2), white.any(3).argmax(2)], -1)


def write_csv(path: Path, *columns: np.ndarray, names: str = "x,y") -> None:
    """Positions, (N, T, D) each; NaN becomes empty cells."""
    lines = [f"clip,frame,{names}"]
    for n, t in np.ndindex(columns[0].shape[:2]):
        cells = ["" if np.isnan(value) else f"{value:g}" for array in columns for value in array[n, t]]
        lines.append(",".join([str(n), str(t), *cells]))
    path.write_text("\n".join(lines), encoding="utf-8")


def test_a_users_detections(run: Run, file: Path):
    """From the first run with the true places to the second with those in the video that the model generated."""
    true = places(data.from_videos(file).scored.stored["frames"][()]).astype(float)
    true[1, 3] = np.nan
    write_csv(Path("true.csv"), true)
    bench = ("bench", "--data", file, "--model", "video_models:tracker", "--protocol", "caddy")
    code, out, err = run(*bench, "--detections", "true.csv", "--generated", "g.npy", "--out", "s.json")
    assert code == 0 and "done     g.npy" in out and "caddy.add, caddy.mdr  " in out, err
    written = scores.read(Path("s.json"))
    assert written.settings.protocol == "caddy-1" and written.settings.maps_fitted_on == ""
    assert written.settings.detections == hashlib.sha256(Path("true.csv").read_bytes()).hexdigest()
    assert written.not_scored["caddy.add"] == "no detections of the object in generated frames are given"
    assert written.scores["caddy.delta_mse"].value == pytest.approx(0, abs=1e-9) and written.scores["caddy.psnr"].value == pytest.approx(80)
    video = np.load("g.npy")
    assert np.array_equal(video, data.from_videos(file).scored.stored["frames"][()])  # the tracker is perfect
    generated = places(video) + np.array([3.0, 4])
    generated[0, :5] = generated[1, 3] = np.nan  # 5 of 79 are missed: in the other frame the true one is not known
    write_csv(Path("both.csv"), true, generated, names="x,y,generated_x,generated_y")
    code, out, err = run(*bench, "--detections", "both.csv")
    assert code == 0, err
    table = {line[:34].strip(): line[34:].split() for line in out.splitlines()}
    assert table["ADD, distance"][0] == "5.000" and table["MDR, %"][0] == f"{100 * 5 / 79:.3f}"
    assert table["delta-MSE, % (weighted by use)"][0] == "0.000" and table["protocol of CADDY"] == [
        "video_models:tracker",
        "copy",
        "random",
        "majority",
    ]


def test_what_is_not_known_of_videos_is_named(file: Path):
    of = data.from_videos(file)
    found = score(Tracker(), of)
    no_detections = dict.fromkeys(
        [f"caddy.{name}" for name in ("delta_mse", "delta_accuracy", "add", "mdr")], "no detections of the object are given"
    )
    assert no_detections.items() <= found.not_scored.items() and values(found)["mse"] == 0
    assert values(found, "copy").keys() == {"mse", "psnr", "ssim"}
    with pytest.raises(UserError, match=r"^m: infers codes; the protocol of CADDY has no scores of it \(no detections .*; the m"):
        score(Coder("codes"), of)
    with pytest.raises(UserError, match=r"^m: a model with rollout has to infer codes or vectors"):
        score(Still("masks"), of)
    assert score(Still("vectors"), of).not_scored["caddy.delta_mse"] == "the model infers no codes"


def test_a_predictions_file(run: Run):
    """Its arrays are those of whole clips, from which those of the sequences are cut."""
    whole = data.standard("wsprites-paper-v1", clips=2)
    arrays = {"data": np.array(f"{whole.name}@{whole.sha256[:16]}")}
    for part in whole.parts:
        arrays[f"{part.name}/codes"] = part.script.global_action[:, 1:].astype(int)
    np.savez("p.npz", **arrays)
    code, _, err = run("bench", "--clips", 2, "--model", "p.npz", "--protocol", "caddy", "--out", "p.json")
    assert code == 0, err
    entries = json.loads(Path("p.json").read_text(encoding="utf-8"))["figures"]
    assert entries["caddy.delta_mse"]["value"] == entries["caddy.delta_mse"]["controls"]["direction"] > 0
    assert entries["caddy.delta_accuracy"]["value"] == entries["caddy.delta_accuracy"]["controls"]["direction"]
    code, _, err = run("bench", "--clips", 2, "--model", "p.npz", "--protocol", "caddy", "--generated", "g.npy")
    assert code == 2 and "--generated: p.npz has no rollout; expected one model that generates" in err and not Path("g.npy").exists()


# Breakout.


class Paddle:
    """Sees the platform's direction, and draws it as it is told; in every third frame that it generates it is missing."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        left = (frames[:, :, 0, 188] == 200).argmax(-1)
        return {"codes": np.sign(np.diff(left, axis=1)) + 1}

    def rollout(self, first: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        left = (first[:, 0, 188] == 200).argmax(-1)[:, None] + 4 * (codes - 1).cumsum(1)
        video = np.zeros((*codes.shape, *first.shape[1:]), np.uint8)
        for b, s in np.ndindex(*codes.shape):
            video[b, s, 0, 188, left[b, s] : left[b, s] + 16] = 0 if s % 3 == 2 else 200
        return video


def paddle() -> Paddle:
    return Paddle()


def test_breakout(run: Run, tmp_path: Path):
    moves = np.tile([1, 1, 0, -1, -1, 0], 2)
    for video in range(2):
        folder = tmp_path / "in" / "test" / f"video-{video}"
        folder.mkdir(parents=True)
        for t, left in enumerate(40 + 4 * np.concatenate([[0], moves.cumsum()])):
            frame = np.zeros((208, 160, 3), np.uint8)
            if (video, t) != (1, 5):
                frame[188, left : left + 16] = (200, 72, 72)
            Image.fromarray(frame).save(folder / f"{t:05d}.png", compress_level=1)
    import_videos(plan(tmp_path / "in", frames=13), tmp_path / "breakout.h5")
    of = data.from_videos(tmp_path / "breakout.h5")
    found = score(Paddle(), of, "breakout")
    assert values(found)["delta_mse"] == pytest.approx(0, abs=1e-9)  # without the two transitions to and from nothing
    # Steps 0 to 2 begin with a true frame each, the other nine follow from the fourth: of these frames 6, 9 and 12 are without.
    assert values(found)["mdr"] == pytest.approx(100 * 6 / 25)
    # The model took the empty frame for a motion to the right, by 4 px: it is wrong in frames 7, 8, 10 and 11 of the second video.
    assert values(found)["add"] == pytest.approx(4 * 4 / 19)
    empty = replace(of, scored=replace(of.scored, stored={"frames": np.zeros((2, 13, 208, 160, 3), np.uint8), "video": np.arange(2)}))
    with pytest.raises(ArgumentError, match="detections: 'breakout' finds no platform in any frame; expected the game's frames of 208"):
        find_object(empty, "breakout")
    assert isinstance(Paddle(), Controllable)


# Bad input.


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["--detections", "no.csv"], "--detections: no.csv: no such file; expected a CSV file, or 'breakout'"),
        (["--detections", "few.csv"], "--detections: few.csv: frame 0 of clip 1 is missing, as the first of 60"),
        (["--generated", "a.npz"], "--generated: a.npz: the name must end in .npy"),
        (["--generated", "no/a.npy"], "no: no such folder"),
        (["--generated", "a.npy", "--model", "video_models:codes"], "--generated: 2 models; expected one model that generates"),
        (
            ["--detections", "both.csv", "--model", "video_models:codes"],
            "--detections: both.csv has positions in generated frames;",
        ),
        (["--report", "a.html"], "--report does not go with --protocol caddy"),
        (["--compare", "a.json"], "--compare does not go with --protocol caddy"),
        (
            ["--protocol", "wsprites", "--detections", "few.csv"],
            "--detections does not go with the protocol wsprites; add --prot",
        ),
        (["--protocol", "released", "--generated", "a.npy"], "--generated does not go with --protocol released"),
        (["--suite", "axes"], "--protocol caddy does not go with --suite"),
        (["--check", "a.json"], "--protocol caddy does not go with --check"),
    ],
)
def test_bad_input_is_answered_in_one_line(run: Run, file: Path, arguments: list[str], line: str):
    write_csv(Path("few.csv"), np.zeros((1, FRAMES, 2)))
    write_csv(Path("both.csv"), np.zeros((4, FRAMES, 1)), np.zeros((4, FRAMES, 1)), names="x,generated_x")
    of = () if "--suite" in arguments else ("--data", file)
    code, out, err = run("bench", *of, "--model", "video_models:tracker", "--protocol", "caddy", *arguments)
    assert code == 2 and out == "" and err.count("\n") == 1 and line in err, err
