"""Null and nuisance tests against a slow copy of their definition, and against models that try to get a good score otherwise."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from wsprites.bench import evaluation as evaluate
from wsprites.bench import twins
from wsprites.bench.data import Data, Part
from wsprites.bench.metrics.interval import Score
from wsprites.bench.protocol import BATCH, Arrays, Model

FRAMES = 16


def key(clip: np.ndarray) -> bytes:
    return hashlib.sha256(np.ascontiguousarray(clip).data).digest()


@pytest.fixture(scope="module")
def part(few: Data) -> Part:
    """Six short clips."""
    scored = few.scored
    return replace(scored, world=scored.world.replace(frames=FRAMES), script=scored.script[:, :FRAMES])


@pytest.fixture(scope="module")
def truth(part: Part) -> dict[bytes, np.ndarray]:
    """The true local actions of every clip and of every twin, by a hash of the frames."""
    found = {}
    for n in range(len(part)):
        for script in twins._scripts(part, n).values():
            found[key(part.render(script).frames_thwc.transpose(0, 3, 1, 2))] = script.local_action[1:].astype(np.int64)
    return found


class Honest:
    """Infers the true local action, as code and as vector; in the first frame of a pair that repeats, that of the frame before."""

    def __init__(self, truth: dict[bytes, np.ndarray]) -> None:
        self.truth = truth
        self.sizes: list[int] = []

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        self.sizes.append(len(frames))
        still = (frames[:, 1:] == frames[:, :-1]).all((2, 3, 4))
        codes = np.where(still, 0, np.stack([self.truth[key(clip)] for clip in frames]))
        return {"codes": codes, "vectors": np.eye(9)[codes]}


class Fooled(Honest):
    """Takes everything in the picture for an action: another code for any other clip."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        super().infer(frames)
        codes = np.stack([np.random.default_rng([*key(clip)]).integers(0, 9, FRAMES - 1) for clip in frames])
        return {"codes": codes, "vectors": np.eye(9)[codes]}


def scored(model: Model, part: Part) -> tuple[dict[str, float], list[str]]:
    """The scores of a model, and what is remarked on them."""
    inferred, _ = evaluate.collect(model, part)
    scores = twins.nuisance(model, part, inferred)["model"]
    return {name: score.value for name, score in scores.items()}, twins.remarks(scores)


def test_an_honest_model_is_perfect_and_so_is_the_oracle(part: Part, truth: dict[bytes, np.ndarray]):
    model, told = Honest(truth), []
    inferred, _ = evaluate.collect(model, part)
    scores = twins.nuisance(model, part, inferred, progress=told.append)
    assert sum(told) == twins.videos_to_do(part) == 36 and twins.remarks(scores["model"]) == []
    names = {f"null.{name}" for name in ("codes", "vectors")}
    names |= {
        f"nuisance.{twin}.{name}" for twin in ("repeat", "background_motion", "background", "character") for name in ("codes", "vectors")
    }
    assert {name: score.value for name, score in scores["model"].items()} == dict.fromkeys(names, 0.0)
    assert {name: score.value for name, score in scores["oracle"].items()} == dict.fromkeys(names, 0.0)
    assert all(0.8 < score.value < 1.2 for score in scores["random"].values())


def test_the_scores_are_those_of_their_definition(part: Part):
    class Pooled:
        """The mean colours of four quarters of the frame, as a vector; their order as a code; sums of columns as shifts."""

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            means = frames.astype(float).reshape(*frames.shape[:3], 2, 48, 2, 64).mean((2, 4, 6)).reshape(*frames.shape[:2], 4)
            vectors = means[:, 1:] - 0.5 * means[:, :-1]
            return {"vectors": vectors, "codes": vectors.argmax(-1), "shift": vectors[..., :2], "background_shift": vectors[..., 1:3]}

    def infer(script: object) -> Arrays:
        return {name: array[0] for name, array in Pooled().infer(part.render(script).frames_thwc.transpose(0, 3, 1, 2)[None]).items()}

    def apart(name: str, a: np.ndarray, b: np.ndarray) -> float:
        return float(a != b) if name == "codes" else float(np.sqrt(((a - b) ** 2).sum()))

    def average(values: list[float]) -> float:
        return float(np.mean(values)) if values else np.nan

    def over(values: list[float], unit: np.ndarray) -> float:
        """The mean over clips that have different actions, or moves, of which one has none here."""
        assert np.isfinite(unit).sum() in (5, 6)
        return float(sum(one for one, by in zip(values, unit, strict=True) if by >= 0) / np.nansum(unit))

    got, _ = scored(Pooled(), part)
    names = {"codes": "local_action", "vectors": "local_action", "shift": "global_action", "background_shift": "background_action"}
    scripts = [twins._scripts(part, n) for n in range(6)]
    for n, each in enumerate(scripts):  # what the twins are
        clip, following = part.script[n], part.script[(n + 1) % 6]
        actions, motion = each["actions"], each["background_motion"]
        assert np.array_equal(actions.position, following.position) and np.array_equal(motion.position, clip.position)
        assert np.array_equal(actions.background_offset, clip.background_offset) and actions.character == clip.character
        assert np.array_equal(motion.background_offset, following.background_offset) and motion.background == clip.background
    answers = [{video: infer(script) for video, script in each.items()} for each in scripts]
    for name, label in names.items():
        own_twin = "background_motion" if name == "background_shift" else "actions"
        within, to_twin, at_rest, moves = [], [], [], []
        for each, script in zip(answers, scripts, strict=True):
            own, other, action = each["itself"][name], each[own_twin][name], getattr(script["itself"], label)[1:]
            pairs = [(s, t) for s in range(15) for t in range(15) if action[s] != action[t]]
            within.append(average([apart(name, own[s], own[t]) for s, t in pairs]))
            times = [t for t in range(15) if action[t] != getattr(script[own_twin], label)[1 + t]]
            to_twin.append(average([apart(name, own[t], other[t]) for t in times]))
            still = each["still"][name][::2]
            if "shift" in name:
                at_rest.append(np.mean([np.hypot(*one) for one in still]))
                moves.append(average([np.hypot(*own[t]) for t in range(15) if action[t] != 4]))
            else:
                at_rest.append(np.mean([apart(name, still[s], still[t]) for s in range(8) for t in range(8) if s != t]))
        unit = min(np.array(within), np.array(to_twin), key=np.nanmean)
        assert got[f"null.{name}"] == pytest.approx(over(at_rest, np.array(moves) if moves else unit))
        for twin in {"actions", "background_motion", "background", "character"} - {own_twin}:
            distances = [np.mean([apart(name, each["itself"][name][t], each[twin][name][t]) for t in range(15)]) for each in answers]
            assert got[f"nuisance.{twin}.{name}"] == pytest.approx(over(distances, unit)), (twin, name)
        assert got[f"nuisance.repeat.{name}"] == 0 and f"nuisance.{own_twin}.{name}" not in got


def test_nothing_tells_a_twin_from_a_clip(part: Part, truth: dict[bytes, np.ndarray]):
    """Calls are of one size, in an order that is another each time."""

    class Listening(Fooled):
        def __init__(self, truth: dict[bytes, np.ndarray]) -> None:
            super().__init__(truth)
            self.order: list[bytes] = []

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            self.order += [key(clip) for clip in frames]
            answer = super().infer(frames)
            if len(frames) > BATCH:  # twins beside their clip: the same answer for all
                answer = {name: np.repeat(array[:1], len(array), 0) for name, array in answer.items()}
            return answer

    first, second = Listening(truth), Listening(truth)
    assert scored(first, part) == scored(second, part) == scored(Fooled(truth), part)
    assert first.sizes == [BATCH, 2] + [BATCH] * 9
    clips, tested = first.order[:6], (first.order[6:], second.order[6:])
    assert sorted(tested[0]) == sorted(tested[1]) and tested[0] != tested[1] and tested[0] != sorted(tested[0])
    assert set(clips) <= set(tested[0]) and clips == second.order[:6]


def test_a_model_that_changes_from_call_to_call_is_told_so(part: Part, truth: dict[bytes, np.ndarray]):
    class Random(Honest):
        rng = np.random.default_rng(0)

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {
                "codes": self.rng.integers(0, 9, (len(frames), FRAMES - 1)),
                "vectors": self.rng.normal(size=(len(frames), FRAMES - 1, 3)),
            }

    class Normalised(Honest):
        """Subtracts the mean of a call."""

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            answer = super().infer(frames)
            return answer | {"vectors": answer["vectors"] - answer["vectors"].mean((0, 1))}

    class Rounded(Honest):
        rng = np.random.default_rng(0)

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            answer = super().infer(frames)
            return answer | {"vectors": answer["vectors"] + self.rng.normal(0, 1e-5, answer["vectors"].shape)}

    values, remarks = scored(Random(truth), part)
    assert all(0.8 < value < 1.2 for value in values.values())
    assert [line.partition(":")[0] for line in remarks] == ["codes", "vectors"] and "changes from call to call" in remarks[0]
    values, remarks = scored(Normalised(truth), part)
    assert 0.01 < values["nuisance.repeat.vectors"] < 0.5 and values["nuisance.repeat.codes"] == 0
    assert [line.partition(":")[0] for line in remarks] == ["vectors"]
    values, remarks = scored(Rounded(truth), part)
    assert 0 < values["nuisance.repeat.vectors"] < 1e-3 and remarks == []


class Remembering(Fooled):
    """Remembers the clips that it saw first, and answers for them as before."""

    def __init__(self, truth: dict[bytes, np.ndarray], part: Part) -> None:
        super().__init__(truth)
        self.known: dict[bytes, np.ndarray] = {}
        self.clips = len(part)

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        codes = super().infer(frames)["codes"]
        for row, clip in enumerate(frames):
            if len(self.known) < self.clips:
                self.known[key(clip)] = clip
            elif key(clip) not in self.known:
                codes[row] = self.unknown(clip, codes[row])
        return {"codes": codes, "vectors": np.eye(9)[codes]}

    def unknown(self, clip: np.ndarray, code: np.ndarray) -> np.ndarray:
        """The codes of a clip that it did not see before."""
        return np.zeros_like(code)


class Matching(Remembering):
    """Answers for an unknown clip as for the known one that has most pixels in common with it."""

    def unknown(self, clip: np.ndarray, code: np.ndarray) -> np.ndarray:
        nearest = max(self.known.values(), key=lambda known: (known == clip).sum())
        return np.asarray(np.random.default_rng([*key(nearest)]).integers(0, 9, FRAMES - 1))


def test_a_model_that_remembers_clips_gains_nothing(part: Part, truth: dict[bytes, np.ndarray]):
    of_twins = [f"nuisance.{twin}.{name}" for twin in ("background_motion", "background", "character") for name in ("codes", "vectors")]
    values, remarks = scored(Remembering(truth, part), part)
    assert min(values[name] for name in of_twins) > 0.9 and values["nuisance.repeat.codes"] == 0 and remarks == []
    values, remarks = scored(Matching(truth, part), part)
    assert np.isnan([values[name] for name in of_twins]).all() and len(remarks) == 2
    assert "no response to other actions in the same scene" in remarks[0]

    class Exaggerating(Remembering):
        """Recognises twins with other actions by their scene, and answers with long vectors."""

        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            answer = super().infer(frames)
            for row, clip in enumerate(frames):
                alike = [(known == clip).mean() for known in self.known.values() if not np.array_equal(known, clip)]
                answer["vectors"][row] *= 1e5 if max(alike, default=0) > 0.6 else 1
            return answer

    values, _ = scored(Exaggerating(truth, part), part)
    assert min(values[name] for name in of_twins) > 0.9


def test_a_model_that_counts_frames_responds_to_no_action(part: Part, truth: dict[bytes, np.ndarray]):
    class Clock(Honest):
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            codes = np.broadcast_to(np.arange(FRAMES - 1), (len(frames), FRAMES - 1))
            return {"codes": codes, "vectors": np.eye(FRAMES)[codes]}

    values, remarks = scored(Clock(truth), part)
    assert np.isnan(list(values.values())).all() and len(remarks) == 2

    class Constant(Honest):
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"codes": np.zeros((len(frames), FRAMES - 1), int)}

    values, remarks = scored(Constant(truth), part)
    assert np.isnan(list(values.values())).all() and len(remarks) == 1


def test_a_short_latent_gains_nothing(part: Part, truth: dict[bytes, np.ndarray]):
    class Short(Fooled):
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"vectors": 1e-4 * super().infer(frames)["vectors"]}

    long, short = scored(Fooled(truth), part)[0], scored(Short(truth), part)[0]
    for name, value in short.items():
        assert value == pytest.approx(long[name], rel=1e-5)


def test_remarks_are_on_defined_latents_only():
    assert twins.remarks({}) == [] and twins.remarks({"nuisance.repeat.codes": Score(0.0009)}) == []
