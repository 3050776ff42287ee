"""Scoring from Python: the same scores as by name, predictions files, torch modules, and rollouts that begin with several frames."""

from pathlib import Path

import numpy as np
import pytest
import torch
from bench_models import CLIPS, Quiet
from torch import nn

import wsprites.bench
from wsprites.bench import data, load, rollouts, scores
from wsprites.bench.headline import BY_TRUTH, headlines, sentence
from wsprites.bench.predictions import Predictions
from wsprites.bench.protocol import ProtocolError, check_context, infer, rollout, rollout_with_context
from wsprites.bench.run import OF_ROLLOUTS, Job
from wsprites.bench.table import table
from wsprites.bench.torch_adapter import PairModel
from wsprites.errors import ArgumentError, UserError
from wsprites.foreign import ForeignError

RNG = np.random.default_rng(0)


class Brightness:
    """A code from the mean grey of two frames."""

    codes = 2

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        mean = frames.mean((2, 3, 4))
        return {"codes": (mean[:, 1:] > mean[:, :-1]).astype(int)}


def brightness() -> Brightness:
    return Brightness()


@pytest.mark.usefixtures("without_probes")
def test_a_model_is_scored_as_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    direct = wsprites.bench.evaluate(Brightness(), clips=CLIPS)
    (by_name,) = Job((f"{__name__}:brightness",), clips=CLIPS).run()
    assert direct.model == "Brightness" and direct.data == by_name.scores.data
    assert {name: entry.value for name, entry in direct.scores.items()} == pytest.approx(
        {name: entry.value for name, entry in by_name.scores.scores.items()}, nan_ok=True
    )
    scores.write(tmp_path / "scores.json", direct)
    assert scores.read(tmp_path / "scores.json").value("local.ami") == pytest.approx(direct.value("local.ami"), abs=1e-5)
    # The predictions file of the model has the same scores of codes.
    wsprites.bench.predict(Brightness(), tmp_path / "out.npz", clips=CLIPS)
    again = wsprites.bench.evaluate(str(tmp_path / "out.npz"), clips=CLIPS)
    shared = [name for name in again.scores if name.startswith("local.")]
    assert len(shared) > 10
    assert [again.value(name) for name in shared] == pytest.approx([direct.value(name) for name in shared], nan_ok=True)


@pytest.mark.usefixtures("quick", "without_probes")
def test_scores_without_generated_video(few: data.Data):
    """All scores but those of rollouts, which are not asked for, and named as missing; what would drive them marks no other score."""

    class Refusing(Quiet):
        rollout_actions = "true"

        def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            raise AssertionError("nobody asks")

    whole = wsprites.bench.evaluate(Quiet(few), clips=CLIPS)
    part = wsprites.bench.evaluate(Refusing(few), clips=CLIPS, rollouts=False)
    left_out = {name for name in whole.scores if name.startswith(OF_ROLLOUTS)}
    assert len(left_out) > 20 and part.scores.keys() == whole.scores.keys() - left_out
    assert [part.value(name) for name in part.scores] == pytest.approx([whole.value(name) for name in part.scores], nan_ok=True)
    assert [part.not_scored[name] for name in OF_ROLLOUTS] == 3 * ["left out by --no-rollouts"]
    assert {*whole.not_scored}.isdisjoint(OF_ROLLOUTS) and part.settings.rollout_actions == ""
    assert BY_TRUTH not in sentence(part) and "true actions" not in table([part])
    assert "left out by --no-rollouts" in {headline.reason for headline in headlines(part)}


def test_a_predictions_file_holds_what_was_inferred(few: data.Data, tmp_path: Path):
    wsprites.bench.predict(Brightness(), tmp_path / "out.npz", clips=CLIPS)
    held = Predictions(tmp_path / "out.npz", few)
    assert held.codes == 2
    for part in few.parts:
        rows = held.rows(part, np.arange(len(part)))
        assert rows.keys() == {"codes"}
        for n in (0, len(part) - 1):
            mean = part.clip(n).frames_thwc.reshape(part.spec.frames, -1).mean(1)
            assert np.array_equal(rows["codes"][n], np.diff(mean) > 0)
    with pytest.raises(UserError, match=r"out.npz: exists already; .*overwrite=True"):
        wsprites.bench.predict(Brightness(), tmp_path / "out.npz", clips=CLIPS)
    with pytest.raises(ArgumentError, match=r"out: .*out.h5: the name must end in .npz"):
        wsprites.bench.predict(Brightness(), tmp_path / "out.h5")


def test_masks_are_written_if_wanted(few: data.Data, tmp_path: Path):
    class Mask:
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            return {"masks": frames[:, :, 0] > 128}

    with pytest.raises(UserError, match="Mask: infers masks alone, which are left out; pass masks=True"):
        wsprites.bench.predict(Mask(), tmp_path / "out.npz", clips=2)
    wsprites.bench.predict(Mask(), tmp_path / "out.npz", clips=2, masks=True)
    two = data.standard("wsprites-paper-v1", clips=2)
    masks = Predictions(tmp_path / "out.npz", two).rows(two.scored, np.array([1]))["masks"]
    assert masks.dtype == bool and np.array_equal(masks[0], two.scored.clip(1).frames_thwc[..., 0] > 128)


def test_objects_that_are_no_models(tmp_path: Path):
    with pytest.raises(ArgumentError, match="model: int gives a int; expected an object with a method infer"):
        wsprites.bench.evaluate(3, clips=2)  # type: ignore[arg-type]

    class Odd(Brightness):
        context = 0

    with pytest.raises(ArgumentError, match="model: Odd: its attribute context is 0; expected the number of true frames"):
        wsprites.bench.evaluate(Odd(), clips=2)

    class Broken:
        def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
            raise RuntimeError("no luck")

    with pytest.raises(ForeignError, match="Broken: infer: RuntimeError: no luck"):
        wsprites.bench.predict(Broken(), tmp_path / "out.npz", clips=2)
    assert list(tmp_path.iterdir()) == []


# Rollouts with context.


class Keeps:
    """Repeats the frames that it got, as a video of as many steps."""

    def __init__(self, context: int | None) -> None:
        self.context, self.got = context, list[np.ndarray]()

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {"codes": np.zeros((len(frames), frames.shape[1] - 1), int)}

    def rollout(self, true: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        self.got.append(true)
        last = true if true.ndim == 4 else true[:, -1]
        return np.repeat(last[:, None], actions.shape[1], 1)


@pytest.mark.parametrize(("context", "expected"), [(None, 3), (1, [3]), (2, [2, 3]), (6, [0, 0, 0, 1, 2, 3])])
def test_a_rollout_gets_the_frames_that_it_asks_for(context: int | None, expected: int | list[int]):
    true = RNG.integers(0, 256, (2, 4, 3, 5, 6), np.uint8)
    model = Keeps(context)
    made = rollout(model, true, np.zeros((2, 3), int), None)
    assert np.array_equal(model.got[0], true[:, expected]) and np.array_equal(made[:, 2], true[:, 3].transpose(0, 2, 3, 1))


def test_rollouts_begin_with_the_true_frames_before_the_start(few: data.Data):
    start = next(one for one in (rollouts.start_of(few.scored, n) for n in range(CLIPS)) if one.t >= 2)
    frames = start.frames_thwc  # of the clip in front of the scene that stands still
    got = rollouts.first_frames([start], start.t + 3)
    expected = frames[[0, 0, *range(start.t + 1)]].transpose(0, 3, 1, 2)
    assert np.array_equal(got[0], expected)
    assert np.array_equal(rollouts.first_frames([start])[0, 0], start.frame_hwc.transpose(2, 0, 1))


def test_the_benchmark_gives_context(few: data.Data):
    model = Keeps(3)
    rollouts.try_out(model, few.scored)
    begin = [rollouts.start_of(few.scored, 0)]
    assert np.array_equal(model.got[0], rollouts.first_frames(begin, 3)) and model.got[0].shape[1] == 3


def test_true_frames_one_after_the_other():
    """Of a model without `rollout_with_context`: each step begins with the frames that are true until then."""
    true, actions = RNG.integers(0, 256, (2, 3, 3, 4, 5), np.uint8), np.zeros((2, 5), int)
    for context in (None, 2):
        made = rollout_with_context(Keeps(context), true, actions, None)
        assert np.array_equal(made.transpose(0, 1, 4, 2, 3), true[:, [0, 1, 2, 2, 2]])
    model = Keeps(2)
    rollout_with_context(model, true, actions, None)
    single = next(got for got in model.got if len(got) == 4)
    assert np.array_equal(single, np.stack([true[0, [0, 0]], true[0, [0, 1]], true[1, [0, 0]], true[1, [0, 1]]]))


@pytest.mark.parametrize("context", [0, 65, True, 1.5, "2"])
def test_impossible_contexts(context: object):
    with pytest.raises(ProtocolError, match="context is "):
        check_context(context)


# Modules of torch.


class Differences(nn.Module):
    """The mean colours of the last frame minus those of the one before, and of the first of the window."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.sizes: list[tuple[int, ...]] = []

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        assert not self.training and not torch.is_grad_enabled()
        self.sizes.append(tuple(x.shape))
        mean = x.mean((-1, -2))
        return torch.cat([mean[:, -1] - mean[:, -2], mean[:, 0]], -1)


@pytest.mark.parametrize("window", [2, 4])
def test_windows_are_those_of_a_loop(window: int):
    frames, module = RNG.integers(0, 256, (2, 5, 3, 6, 8), np.uint8), Differences()
    module.norm.eval()
    vectors = PairModel(module, window=window, batch=3, value_range=(-1, 1)).infer(frames)["vectors"]
    mean = frames.mean((3, 4)) / 127.5 - 1
    for b in range(2):
        for t in range(4):
            expected = np.concatenate([mean[b, t + 1] - mean[b, t], mean[b, max(t + 2 - window, 0)]])
            assert vectors[b, t] == pytest.approx(expected, abs=1e-5)
    assert module.sizes == [(3, window, 3, 6, 8)] * 2 + [(2, window, 3, 6, 8)]
    assert module.training and not module.norm.training  # as they were


def test_shifts_are_of_the_size_of_the_frames():
    class Moved(nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            assert x.shape[1:] == (2, 3, 3, 4)
            return {"shift": torch.ones(len(x), 2), "codes": torch.zeros(len(x), dtype=torch.int64)}

    arrays = PairModel(Moved(), codes=1, size=(3, 4)).infer(np.zeros((1, 3, 3, 9, 8), np.uint8))
    assert arrays["shift"].tolist() == [[[2.0, 3.0], [2.0, 3.0]]] and arrays["codes"].tolist() == [[0, 0]]


@pytest.mark.parametrize(
    ("result", "words"),
    [
        (lambda x: None, "returned NoneType; expected a tensor"),
        (lambda x: {"code": x}, "returned code; expected some of codes, vectors"),
        (lambda x: x, r"vectors of the module has the shape \(1, 2, 3, 4, 4\); expected \(1, D\)"),
        (lambda x: torch.zeros(5, dtype=torch.int64), r"codes of the module has the shape \(5,\); expected \(1\)"),
    ],
)
def test_what_a_module_must_not_return(result, words: str):
    class Module(nn.Module):
        def forward(self, x: torch.Tensor) -> object:
            return result(x)

    with pytest.raises(ProtocolError, match=words):
        PairModel(Module()).infer(np.zeros((1, 2, 3, 4, 4), np.uint8))


@pytest.mark.parametrize("arguments", [{"window": 1}, {"batch": 0}, {"size": (0, 4)}, {"value_range": (1, 1)}])
def test_impossible_arguments(arguments: dict[str, object]):
    with pytest.raises(ArgumentError, match=next(iter(arguments))):
        PairModel(nn.Identity(), **arguments)  # type: ignore[arg-type]


def test_an_adapted_module_follows_the_protocol(few: data.Data):
    class Random(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.mean((1, 2, 3, 4)).mul(100).long() % 3

    model = load.check_model("random", PairModel(Random(), codes=3, size=(24, 32)))
    frames = few.scored.clip(0).frames_thwc[None].transpose(0, 1, 4, 2, 3)
    assert infer(model, frames, few.scored)["codes"].shape == (1, 89)
