"""Codes that a latent action model reads, in GLASS: the reading is the model's own, and LMA learns nothing but how codes look."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.glass.reader import Reader, load_reader
from glass_model.glass.system import GlassSystem
from glass_model.images import downscale, resize
from glass_model.lam.config import PRESETS as LAM_PRESETS
from glass_model.lam.config import Config as LamConfig
from glass_model.lam.system import network
from glass_model.systems import Action
from glass_model.training.checkpoint import load, save
from glass_model.training.device import Process, Setup
from glass_model.training.loop import train
from glass_model.training.strips import images
from wsprites.errors import ArgumentError
from wsprites.fields import SpecError

PERSIST = LAM_PRESETS["persist"]
NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2, "reference": 2}
CONFIG = PRESETS["drawn"].override(
    model={**NARROW, "height": 64, "width": 80, "pose": 0},
    loss={"recs": 1.0, "cyc": 0.2},
    train={
        "steps": 2,
        "batch": 2,
        "window": 5,
        "local_skip": 1,
        "behind": 2,
        "length_from": 3,
        "length_to": 3,
        "given_from": 3,
        "given_steps": 1,
        "cooldown": 0,
    },
)
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[Tensor]:
    while True:
        yield torch.randint(0, 256, (2, 5, 3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def saved(path: Path, config: LamConfig = PERSIST) -> Path:
    torch.manual_seed(3)
    save(path, config, network(config), 1, notes={})
    return path


@pytest.fixture
def lam(tmp_path: Path) -> Path:
    return saved(tmp_path / "lam.safetensors")


def test_it_reads_what_the_latent_action_model_reads(lam: Path) -> None:
    """The same windows, through `LAM._read` on one side: figures on grey in -0.5 to 0.5, the second image as a difference."""
    reader, model = Reader(9), load(lam).model()
    load_reader(reader, 9, lam)
    before, after = (2 * torch.rand(2, 4, 3, 64, 64) - 1) * (torch.rand(2, 4, 1, 64, 64) > 0.5)
    theirs = model._read(before / 2, after / 2)[0]
    torch.testing.assert_close(reader(before, after), theirs, rtol=0, atol=1e-5)
    assert theirs.std(0).min() > 1e-4  # which differ from window to window


@pytest.mark.parametrize("given", [1, 4])
def test_codes_of_training_are_read_from_true_frames(given: int) -> None:
    torch.manual_seed(0)
    model = GLASS(CONFIG.model).train()
    foregrounds, shifts = 2 * torch.rand(2, 4, 3, 64, 64) - 1, torch.zeros(2, 3, 2)
    local = model.lma(foregrounds, shifts, given)
    assert model.lma.reader is not None
    for t in range(3):
        logits = model.lma.reader(foregrounds[:, t], foregrounds[:, t + 1])
        assert torch.equal(local.action.code[:, t], logits.argmax(1))
        assert torch.equal(local.action.vector[:, t], model.lma.quantizer.vectors[logits.argmax(1)])


def test_reading_playing_and_checkpoints(tmp_path: Path, lam: Path) -> None:
    path = train(CONFIG, noise, tmp_path / "run", ALONE, reader=lam)
    model, frames = load(path).model(), next(noise(7))
    reading = model.infer(frames)
    assert reading.codes.shape == (2, 4) and reading.codes.max() < 9
    # A reading depends on its two frames alone.
    assert torch.equal(model.infer(frames[:, 2:4]).codes, reading.codes[:, 2:3])
    frame, state = model.step(model.start(frames[:, 0]), Action(codes=reading.codes[:, 0]))
    assert frame.shape == (2, 3, 64, 80) and state.parts.mask.shape == (2, 1, 64, 64)


def test_the_reader_stays_as_it_is_and_codes_learn_their_look(tmp_path: Path, lam: Path) -> None:
    path = train(CONFIG, noise, tmp_path / "run", ALONE, reader=lam)
    theirs = {name: weight for name, weight in load(lam).weights.items() if name.startswith("inverse.")}
    ours = load(path).weights
    assert theirs and all(torch.equal(ours[f"lma.reader.{name}"], weight) for name, weight in theirs.items())
    torch.manual_seed(CONFIG.train.seed)
    assert not torch.equal(GLASS(CONFIG.model).state_dict()["lma.quantizer.vectors"], ours["lma.quantizer.vectors"])
    assert not any("action_net" in name or "quantizer.logits" in name for name in ours)
    assert load(path).notes["reader"].startswith("sha256 ")


def test_a_resumed_run_needs_the_same_reader(tmp_path: Path, lam: Path) -> None:
    train(CONFIG, noise, tmp_path / "run", ALONE, reader=lam)
    longer, other = CONFIG.override(train={"steps": 3}), tmp_path / "other.safetensors"
    torch.manual_seed(8)
    save(other, PERSIST, network(PERSIST), 1, notes={})
    with pytest.raises(ArgumentError, match="reader: the run began with sha256"):
        train(longer, noise, tmp_path / "run", ALONE, resume=True, reader=other)
    train(longer, noise, tmp_path / "run", ALONE, resume=True, reader=lam)


def test_strips_name_the_frames_that_they_show(lam: Path) -> None:
    """Two earlier frames lie before the first one, so that the first transition leads to frame 3 of the batch."""
    system = GlassSystem(CONFIG, Setup(torch.device("cpu"), reader=lam))
    frames = next(noise(0))
    list(system.turns(frames, 0))
    shown = system.strip()[0]
    assert [(column.frame, column.before) for column in shown.columns] == [(3, 2), (4, 3)]
    name, shown_frames = shown.rows[0]
    expected = resize(downscale(system.network.to_model(frames[0, 3:]), CONFIG.model.global_size), CONFIG.model.size)
    assert name == "true frame" and np.array_equal(shown_frames, images(expected))


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"codes": 6}, "it reads 6 codes, not 9; set model.codes=6"),
        ({"idm_hidden": 64}, "it has model.idm_hidden = 64, not 128; train the preset persist of lam"),
        ({"figure": 32}, "it has model.figure = 32, not 64"),
    ],
)
def test_a_reader_that_does_not_fit(tmp_path: Path, changes: dict[str, int], problem: str) -> None:
    other = saved(tmp_path / "other.safetensors", PERSIST.override(model=changes))
    with pytest.raises(ArgumentError, match=problem):
        train(CONFIG, noise, tmp_path / "run", ALONE, reader=other)
    assert not (tmp_path / "run").exists()


def test_a_reader_that_is_missing_or_not_wanted(tmp_path: Path, lam: Path) -> None:
    with pytest.raises(ArgumentError, match=r"reader: model\.reader needs a checkpoint of lam"):
        train(CONFIG, noise, tmp_path / "run", ALONE)
    own = CONFIG.override(model={"reader": False})
    with pytest.raises(ArgumentError, match=r"reader: only model\.reader = true"):
        train(own, noise, tmp_path / "run", ALONE, reader=lam)
    first = train(own, noise, tmp_path / "own", ALONE)
    with pytest.raises(ArgumentError, match="is a checkpoint of glass, not of lam"):
        train(CONFIG, noise, tmp_path / "run", ALONE, reader=first)


@pytest.mark.parametrize(
    ("groups", "problem"),
    [
        ({"model": {"local_scale": 2}}, "reader needs figure, local_scale = 64, 1, not 64, 2"),
        ({"model": {"figure": 0, "reference": 0, "global_scale": 1}, "train": {"behind": 0}}, "reader needs figure"),
        ({"loss": {"vq": 0.25}}, "loss.vq = 0.25 is about directions"),
        ({"loss": {"revive": 100}, "model": {"quantizer": "vq"}}, "loss.revive = 100 is about directions"),
    ],
)
def test_impossible_configurations(groups: dict[str, dict[str, object]], problem: str) -> None:
    with pytest.raises(SpecError, match=problem):
        CONFIG.override(**groups)
