"""Scores in the course of training: what is scored, against computations from elsewhere, and that training does not change by one bit."""

import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from brightener import DOUBLES, Brightener
from resumed import Stop
from sklearn import metrics as sk
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information
from torch import Tensor, nn

import wsprites
from glass_model.glass.config import PRESETS
from glass_model.systems import SYSTEMS, Controls, Reading
from glass_model.training.checkpoint import load, state_path
from glass_model.training.device import Process
from glass_model.training.loop import train
from glass_model.training.validation import FRAMES, WINDOWS, Scores, Validation, of_file, of_world
from wsprites.art import Art, World
from wsprites.generate import Order, generate
from wsprites.render import Clip
from wsprites.weights import read_state
from wsprites.world.script import casting, scripts
from wsprites.world.spec import SPLITS, WorldSpec

CPU = torch.device("cpu")
ALONE = Process(0, 1, CPU)
STAY = 4


@pytest.fixture(scope="module")
def validation(spec: WorldSpec, art: Art) -> Validation:
    made = of_world(World(spec, art))
    assert made is not None
    return made


@pytest.fixture(scope="module")
def small(spec: WorldSpec, art: Art) -> Validation:
    """Three clips of three frames."""
    world = World(spec, art).replace(frames=3)
    return Validation(world, scripts(world.spec, 0, [0, 1, 2]))


@cache
def pixels(validation: Validation) -> list[Clip]:
    return [validation.part.clip(n) for n in range(len(validation.part))]


class Predictor(nn.Module):
    """Returns arrays of all windows, those of the frames that it is given, and checks that it is evaluated."""

    def __init__(self, validation: Validation, controls: Controls, **arrays: np.ndarray) -> None:
        super().__init__()
        self.controls = controls
        self._row_of = {clip.frames_thwc.tobytes(): n for n, clip in enumerate(pixels(validation))}
        self._arrays = {name: torch.from_numpy(array) for name, array in arrays.items()}
        self.layer = nn.BatchNorm1d(2)
        self.given: list[int] = []

    def infer(self, frames: Tensor) -> Reading:
        assert not self.training and not self.layer.training and not torch.is_grad_enabled() and frames.dtype == torch.uint8
        rows = [self._row_of[window.permute(0, 2, 3, 1).numpy().tobytes()] for window in frames]
        self.given += rows
        return Reading(**{name: array[rows] for name, array in self._arrays.items()})

    def start(self, frame: Tensor) -> Any: ...
    def step(self, state: Any, action: Any) -> Any: ...


def truth(validation: Validation) -> dict[str, np.ndarray]:
    """What a perfect model infers. Motion is the change of the position and of the crop, and not the label that is scored against."""
    script = validation.part.script
    return {
        "codes": script.local_action[:, 1:].astype(np.int64),
        "shift": np.diff(script.position.astype(np.float32), axis=1),
        "background_shift": -np.diff(script.background_offset.astype(np.float32), axis=1),
        "masks": np.stack([clip.masks_thw for clip in pixels(validation)]).astype(np.float32),
    }


FULL = Controls(codes=20, shift=True, background_shift=True)


def test_a_model_that_knows_the_truth(validation: Validation) -> None:
    model = Predictor(validation, FULL, **truth(validation))
    scores = validation.scores(model, CPU)
    used = len(np.unique(truth(validation)["codes"]))
    assert scores == Scores(1.0, 0.0, 0.0, pytest.approx(1.0), pytest.approx(1.0), used, 20)
    assert sorted(model.given) == list(range(WINDOWS))
    assert str(scores) == f"soft IoU 1.000, shift error 0.00 px, scene 0.00 px, local AMI 1.00 (standing 1.00), {used} of 20 codes"
    assert scores.short() == {"iou": "1.00", "shift": "0.00px", "ami": "1.00"}


def test_a_reading_of_another_transition_scores_less(validation: Validation) -> None:
    """What is read one frame too late is seen in every score."""
    late = {name: np.roll(array, 1, axis=1) for name, array in truth(validation).items()}
    scores = validation.scores(Predictor(validation, FULL, **late), CPU)
    assert scores.mask_iou < 0.9 and scores.shift_error > 0.5 and scores.background_shift_error > 0.1
    assert scores.local_ami < 0.9 and scores.standing_ami < 0.9


def partners(windows: int) -> Iterator[list[int]]:
    """Whose labels are laid beside the codes of each window: in an order from a seed, those 1 to 10 places later."""
    order = list(np.random.default_rng(0).permutation(windows))
    for places in range(1, min(windows - 1, 10) + 1):
        yield [order[(order.index(n) + places) % windows] for n in range(windows)]


def ami_of(code_nt: np.ndarray, label_nt: np.ndarray, in_nt: np.ndarray, *, both: bool) -> float:
    """AMI, where the information by chance is that of a permutation times what persistence adds to it; scikit-learn's parts.

    Args:
        in_nt: the transitions that count.
        both: whether these are taken from the codes' own windows as well, and the larger information counts.
    """

    def shared(code: np.ndarray, label: np.ndarray) -> tuple[float, float]:
        table = contingency_matrix(code, label)
        return sk.mutual_info_score(code, label), float(expected_mutual_information(table, int(table.sum())))

    ratios = []
    for own in (False, True)[: 1 + both]:
        pairs = [(in_nt if own else in_nt[partner], label_nt[partner]) for partner in partners(len(code_nt))]
        sums = sum(where.sum() * np.array(shared(code_nt[where], label[where])) for where, label in pairs)
        ratios.append(sums[0] / sums[1])
    code, label = code_nt[in_nt], label_nt[in_nt]
    information, permuted = shared(code, label)
    entropies = sk.mutual_info_score(code, code), sk.mutual_info_score(label, label)
    return (information - max(ratios) * permuted) / (np.mean(entropies) - max(ratios) * permuted)


@pytest.mark.parametrize("persistent", [False, True])
def test_scores_are_those_of_slow_computations(validation: Validation, persistent: bool) -> None:
    """On noisy readings; the AMI of codes without persistence is nearly scikit-learn's."""
    rng, right = np.random.default_rng(persistent), truth(validation)
    label = right["codes"]
    noise = np.repeat(rng.integers(0, 5, (WINDOWS, 4)), 3, axis=1)[:, :-1] if persistent else rng.integers(0, 5, label.shape)
    code = np.where(rng.random(label.shape) < 0.5, label % 5, noise)
    shift = right["shift"] + rng.normal(0, 2, right["shift"].shape).astype(np.float32)
    scene = right["background_shift"] + rng.normal(0, 1, shift.shape).astype(np.float32)
    masks = (0.7 * right["masks"] + 0.3 * rng.random(right["masks"].shape)).astype(np.float32)
    arrays = {"codes": code, "shift": shift, "background_shift": scene, "masks": masks}
    scores = validation.scores(Predictor(validation, FULL, **arrays), CPU)
    # Soft IoU and distances.
    pairs = zip(masks.reshape(-1, 96 * 128), right["masks"].reshape(-1, 96 * 128), strict=True)
    ious = [(m * g).sum() / (m + g - m * g).sum() for m, g in pairs]
    assert scores.mask_iou == pytest.approx(np.mean(ious), rel=1e-5)
    assert scores.shift_error == pytest.approx(np.hypot(*(shift - right["shift"]).reshape(-1, 2).T).mean(), rel=1e-5)
    off = (scene - right["background_shift"]).reshape(-1, 2)
    assert scores.background_shift_error == pytest.approx(np.mean([sum(xy**2) ** 0.5 for xy in off]), rel=1e-5)
    # Codes.
    everywhere, stands = np.ones(label.shape, bool), validation.part.script.global_action[:, 1:] == STAY
    assert scores.local_ami == pytest.approx(ami_of(code, label, everywhere, both=False), abs=1e-9)
    assert scores.standing_ami == pytest.approx(ami_of(code, label, stands, both=True), abs=1e-9)
    assert scores.codes_used == 5
    plain = sk.adjusted_mutual_info_score(label.ravel(), code.ravel())
    assert (abs(scores.local_ami - plain) < 0.02) or persistent


def test_only_what_a_model_infers_is_scored(validation: Validation, small: Validation) -> None:
    right = truth(validation)
    nan = np.full_like(right["shift"], np.nan)
    scores = validation.scores(Predictor(validation, Controls(shift=True), shift=nan, background_shift=right["background_shift"]), CPU)
    assert scores == Scores(background_shift_error=0.0) and scores.metrics() == {"val_background_shift_error": 0.0}
    assert str(scores) == "scene 0.00 px" and scores.short() == {}
    constant = validation.scores(Predictor(validation, Controls(codes=3), codes=np.zeros_like(right["codes"])), CPU)
    assert constant.metrics() == {"val_local_ami": 0.0, "val_standing_ami": 0.0, "val_codes_used": 1}
    assert str(constant) == "local AMI 0.00 (standing 0.00), 1 of 3 codes"
    vectors = small.scores(Brightener(DOUBLES["vectors"]), CPU)
    assert vectors == Scores() and vectors.metrics() == {}


def test_each_part_of_a_network_is_left_in_its_mode(small: Validation) -> None:
    """A part that is kept fixed stays in eval mode, and the others learn afterwards."""
    model = Predictor(small, FULL, **truth(small))
    model.layer.eval()
    small.scores(model, CPU)
    assert model.training and not model.layer.training and torch.is_grad_enabled()
    model.train().infer = lambda frames: 1 / 0
    with pytest.raises(ZeroDivisionError):
        small.scores(model, CPU)
    assert model.training and model.layer.training


def test_nothing_is_compiled_for_a_validation(small: Validation) -> None:
    compiled: list[int] = []

    def backend(graph: Any, inputs: Any) -> Callable[..., Any]:
        compiled.append(1)
        return graph.forward

    class Double(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    class Compiled(Brightener):
        def __init__(self) -> None:
            super().__init__(DOUBLES["vectors"])
            self.part = Double()
            self.part.compile(backend=backend)

        def infer(self, frames: Tensor) -> Reading:
            self.part(torch.zeros(len(frames), 2))
            return super().infer(frames)

    model = Compiled()
    small.scores(model, CPU)
    assert not compiled
    model.part(torch.zeros(4, 2))
    assert compiled == [1]
    small.scores(model, CPU)  # three windows: another shape
    model.part(torch.zeros(4, 2))
    assert compiled == [1]


# What is scored.


def test_windows_of_a_world(validation: Validation, spec: WorldSpec) -> None:
    """Characters of val alone, windows at all times of a clip, and the same for every run."""
    script = validation.part.script
    assert script.shift.shape == (WINDOWS, FRAMES, 2) and validation.part.clip(0).frames_thwc.shape == (FRAMES, 96, 128, 3)
    split_of = dict(zip(*casting(spec, 0), strict=True))
    assert {SPLITS[split_of[int(character)]] for character in script.character} == {"val"}
    assert {int(character) for character in script.character} == {c for c, split in split_of.items() if SPLITS[split] == "val"}
    assert len(np.unique(script.index)) == WINDOWS  # a clip each
    again = of_world(World(validation.part.world.spec, validation.part.world.art))
    assert again is not None and np.array_equal(again.part.script.position, script.position)


def test_a_world_without_characters_of_val(spec: WorldSpec, art: Art) -> None:
    assert of_world(World(replace(spec, split=replace(spec.split, train=0.9, val=0.0)), art)) is None


@pytest.mark.parametrize("frames", [2, 11, 12, 13, 25, 40])
@pytest.mark.parametrize("clips", [1, 2, 5, 60])
def test_windows_do_not_overlap(spec: WorldSpec, art: Art, frames: int, clips: int) -> None:
    world = World(spec, art).replace(frames=frames)
    whole = scripts(world.spec, 3, np.arange(clips))
    part = Validation(world, whole).part
    length = min(frames, FRAMES)
    assert part.script.shift.shape[1:] == (length, 2)
    taken = []
    for n in range(len(part)):
        row = int(np.flatnonzero(whole.index == part.script.index[n])[0])
        firsts = [t for t in range(frames - length + 1) if np.array_equal(whole.position[row, t : t + length], part.script.position[n])]
        taken += [(row, firsts)]
    assert {row for row, _ in taken} == set(range(min(clips, WINDOWS)))
    assert len(part) <= WINDOWS
    for (row, firsts), (other, others) in itertools.combinations(taken, 2):
        assert row != other or any(abs(a - b) >= length for a, b in itertools.product(firsts, others))


def test_windows_of_a_file(data_file: Path, labels_file: Path, tmp_path: Path, order: Order) -> None:
    """Of its val split; the same with and without stored pixels, which are those of the file."""
    stored, rendered = of_file(data_file), of_file(labels_file)
    assert stored is not None and rendered is not None
    assert np.array_equal(stored.part.script.position, rendered.part.script.position)
    with wsprites.open(data_file) as data:
        rows = {int(index): row for row, index in enumerate(data["val"]["index"][:])}
        assert set(stored.part.script.index) == set(rows)
        frames = data["val"]["frames"][rows[int(stored.part.script.index[0])]]
    first = stored.part.clip(0)
    assert np.array_equal(first.frames_thwc, frames[:FRAMES]) and np.array_equal(first.frames_thwc, rendered.part.clip(0).frames_thwc)
    generate(replace(order, n=1), tmp_path / "one.h5")  # a clip of train
    assert of_file(tmp_path / "one.h5") is None


# In the loop.

NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2}
CONFIG = PRESETS["paper"].override(
    model={"height": 16, "width": 24, "quantizer": "gumbel", **NARROW},  # which draws random numbers in every step
    train={"steps": 7, "batch": 3, "window": 3, "alone": 2, "length_from": 3, "length_to": 3},
)
NAMES = ("mask_iou", "shift_error", "background_shift_error", "local_ami", "standing_ami", "codes_used")


def noise(first: int) -> Iterator[Tensor]:
    """Batches of noise, each determined by its number."""
    while True:
        yield torch.randint(0, 256, (3, 3, 3, 16, 24), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def lines(out: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()][1:]


def same(ours: Any, theirs: Any) -> bool:
    """Whether nested dicts, lists, tensors and values are equal."""
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(value, theirs[key]) for key, value in ours.items())
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return torch.equal(ours, theirs) if isinstance(ours, Tensor) else bool(ours == theirs)


def test_training_is_the_same_with_and_without(small: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights, moving averages and optimisers, bit by bit; also of a run that was interrupted. The scores are in the log."""
    monkeypatch.setattr("glass_model.training.loop.LOG_EVERY", 2)
    without, with_it, parts = (tmp_path / name for name in ("without", "with", "parts"))
    reported: list[tuple[int, Scores]] = []

    train(CONFIG, noise, without, ALONE)
    train(CONFIG, noise, with_it, ALONE, validate=small, validate_every=3, report=lambda *report: reported.append(report))
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, noise, parts, ALONE, validate=small, validate_every=1, progress=Stop(4))
    train(CONFIG, noise, parts, ALONE, resume=True, validate=small, validate_every=3)
    states = [read_state(state_path(out / "checkpoint.safetensors")) for out in (without, with_it, parts)]
    for state in states[1:]:
        assert same(state["model"], states[0]["model"]) and same(state["optimizers"], states[0]["optimizers"])
    # A line every two steps, and one with scores every three and at the end.
    assert [line["step"] for line in lines(with_it)] == [2, 3, 4, 6, 7]
    assert [step for step, _ in reported] == [3, 6, 7] == [line["step"] for line in lines(with_it) if "val_mask_iou" in line]
    last = lines(with_it)[-1]
    assert {name: last[f"val_{name}"] for name in NAMES if f"val_{name}" in last} == {
        name: value for name, value in reported[-1][1]._asdict().items() if name in NAMES and value is not None
    }
    # Those of the end are those of the checkpoint.
    network = load(with_it / "checkpoint.safetensors").network().to(memory_format=torch.contiguous_format)  # as it was trained
    assert reported[-1][1] == small.scores(network, CPU)
    val = [{name: value for name, value in lines(out)[-1].items() if name.startswith("val_")} for out in (with_it, parts)]
    assert val[0] == val[1] and len(val[0]) >= 4


def test_only_the_leading_process_validates_and_only_what_can_be_played(
    small: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import two_optimizers

    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    monkeypatch.setattr(Validation, "scores", lambda *_: pytest.fail("validated"))
    config = two_optimizers.PRESETS["two"]
    train(config, noise, tmp_path / "other", Process(1, 1, CPU), validate=small, validate_every=1)
    monkeypatch.delattr(two_optimizers.Network, "infer")
    train(config, noise, tmp_path / "unplayable", ALONE, validate=small, validate_every=1)


def test_what_could_not_be_scored_is_not_reported(small: Validation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system of vectors alone."""
    import two_optimizers

    monkeypatch.setitem(SYSTEMS, "two", "two_optimizers")
    config = two_optimizers.PRESETS["two"]
    train(config, noise, tmp_path, ALONE, validate=small, validate_every=2, report=lambda *_: pytest.fail("reported"))
    assert [line["step"] for line in lines(tmp_path)] == [2, 4, 6]
