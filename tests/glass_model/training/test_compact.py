"""Compact checkpoints: what a model infers and scores stays, what float16 cannot hold is not rounded, and no training resumes from one."""

import re
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from sklearn.metrics import adjusted_mutual_info_score
from torch import Tensor, nn

from glass_model.glass.config import PRESETS
from glass_model.glass.model import GLASS
from glass_model.systems import Action
from glass_model.training.checkpoint import load, save
from glass_model.training.compact import compact
from glass_model.training.folder import RunFolder
from wsprites.cli import main
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import to_json
from wsprites.stream import RenderedClips

CONFIG = PRESETS["tiny"]
LARGE, COUNT = "gma.mask.layers.1.second.weight", "gma.mask.layers.1.norm.num_batches_tracked"
NOTES = {"versions": "{}", "perceptual": "off"}


@pytest.fixture(scope="module")
def clips() -> dict[str, Tensor]:
    """Eight windows of test clips, with their labels."""
    return next(iter(RenderedClips("paper", "test", window=7, batch=8)))


@pytest.fixture(scope="module")
def model(clips: dict[str, Tensor]) -> GLASS:
    """A network of the preset `tiny` with random weights and the statistics of clips, so that its outputs depend on what it sees."""
    torch.manual_seed(0)
    model = GLASS(CONFIG.model)
    for net in (model.gma.shift, model.gma.background_shift):
        nn.init.normal_(net.head[-1].weight, std=0.02)  # zero in a new network
    nn.init.normal_(model.gma.mask.layers[-1].weight, std=0.5)  # for masks of all values
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
            module.momentum = None  # plain means over all batches
    with torch.no_grad():
        model(frames := model.to_model(clips["frames"][:, :3]), 2)
        local = model.eval()(frames, 2).local
        assert local is not None
        model.lma.quantizer.vectors.copy_(local.action.direction.flatten(0, 1)[: CONFIG.model.codes])  # between which codes are close calls
    return model


@pytest.fixture(scope="module")
def path(model: GLASS, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("run") / "checkpoint.safetensors"
    save(path, CONFIG, model, 7, notes=NOTES)
    return path


def scores(model: GLASS, clips: dict[str, Tensor]) -> dict[str, float]:
    """AMI of codes with local actions, mean error of shifts in pixels, and soft IoU of masks."""
    reading, true = model.infer(clips["frames"]), clips["masks"].float()
    both = (reading.masks * true).sum((2, 3))
    return {
        "ami": adjusted_mutual_info_score(clips["local_action"][:, 1:].flatten(), reading.codes.flatten()),
        "shift": float((reading.shift - clips["shift"][:, 1:]).norm(dim=-1).mean()),
        "iou": float((both / (reading.masks.sum((2, 3)) + true.sum((2, 3)) - both)).mean()),
    }


def assert_same(one: GLASS, other: GLASS, clips: dict[str, Tensor]) -> None:
    """Two models infer the same from clips, up to codes that are close calls, and have the same scores."""
    before, after = one.infer(clips["frames"]), other.infer(clips["frames"])
    assert (before.codes == after.codes).float().mean() >= 0.99
    assert (before.shift - after.shift).abs().max() < 0.05 and (before.background_shift - after.background_shift).abs().max() < 0.05
    assert (before.masks - after.masks).abs().max() < 0.01
    theirs = scores(other, clips)
    assert all(abs(value - theirs[name]) < 0.01 for name, value in scores(one, clips).items())


def test_the_model_infers_and_generates_the_same(model: GLASS, path: Path, clips: dict[str, Tensor], tmp_path: Path) -> None:
    saved = load(compact(path, tmp_path / "small.safetensors"))
    assert (saved.config, saved.step, saved.notes) == (CONFIG, 7, {**NOTES, "weights": "float16"})
    assert (tmp_path / "small.safetensors").stat().st_size < 0.54 * path.stat().st_size
    ours, before = saved.model(), model.infer(clips["frames"])
    assert {weight.dtype for weight in ours.state_dict().values()} == {torch.float32, torch.int64}
    used = before.codes.flatten().bincount(minlength=6) / before.codes.numel()
    assert (used > 0.05).sum() >= 3 and before.shift.std() > 0.5 and before.masks.std() > 0.05  # there is something to be lost
    assert_same(model, ours, clips)
    action = Action(codes=torch.arange(8) % 6, shift=torch.full((8, 2), 3.0))
    frames = [each.step(each.start(clips["frames"][:, 0]), action)[0] for each in (model, ours)]
    assert (frames[0] - frames[1]).abs().max() < 0.02


def test_rounding_changes_no_score_of_a_trained_model(clips: dict[str, Tensor]) -> None:
    """`small`, with a window and Gumbel codes, is stored as float16: weights that would be rounded to its own infer the same."""
    rounded, exact = load("small").model(), load("small").model()
    torch.manual_seed(0)
    with torch.no_grad():
        for weight in exact.parameters():
            if weight.numel() >= 1024:
                weight *= 1 + (2 * torch.rand_like(weight) - 1) * 2.0**-12
    assert_same(rounded, exact, clips)


def test_small_tensors_are_exact_and_large_ones_are_rounded(model: GLASS, path: Path, tmp_path: Path) -> None:
    weights, exact = load_file(compact(path, tmp_path / "small.safetensors")), model.state_dict()
    for name, tensor in exact.items():
        assert weights[name].dtype == (torch.float16 if tensor.numel() >= 1024 else tensor.dtype), name
        assert torch.equal(weights[name], tensor.to(weights[name].dtype))


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (lambda w: w * 2.0**-9, False),
        (lambda w: w * 2.0**-24, True),  # below the normal numbers of float16
        (lambda w: torch.cat([w[:1] * 2.0**-24, w[1:]]), True),  # one output alone: BatchNorm would enlarge what is left of it
        (lambda w: torch.cat([w[:1] * 0, w[1:]]), False),
        (lambda w: torch.where(w == w.max(), 65519.0, w), False),  # the largest number that is rounded to a finite one
        (lambda w: torch.where(w == w.max(), 65520.0, w), True),
        (lambda w: torch.where(w == w.max(), torch.nan, w), True),
    ],
)
def test_a_tensor_that_float16_cannot_hold_stays(change, kept: bool, model: GLASS, path: Path, tmp_path: Path) -> None:
    weights = load(path).weights
    weights[LARGE] = change(weights[LARGE])
    exact = GLASS(CONFIG.model)
    exact.load_state_dict(weights)
    save(tmp_path / "a.safetensors", CONFIG, exact, 7, notes=NOTES)
    stored = load_file(compact(tmp_path / "a.safetensors", tmp_path / "b.safetensors"))[LARGE]
    assert stored.dtype == (torch.float32 if kept else torch.float16)
    assert torch.allclose(stored.float(), weights[LARGE], rtol=2.0**-11, atol=2.0**-25, equal_nan=True)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64, torch.int8])
def test_only_float16_stands_for_float32(dtype: torch.dtype, path: Path, tmp_path: Path) -> None:
    weights = load(path).weights
    metadata = {"format": "glass", "config": to_json(CONFIG), "step": "1"}
    save_file({**weights, LARGE: weights[LARGE].to(dtype)}, tmp_path / "a.safetensors", metadata)
    with pytest.raises(UserError, match=rf"'{LARGE}' is {dtype} \(32, 32, 3, 3\), not torch.float32"):
        load(tmp_path / "a.safetensors")
    counts = {**weights, COUNT: weights[COUNT].half()}
    save_file(counts, tmp_path / "b.safetensors", metadata)
    with pytest.raises(UserError, match=rf"'{COUNT}' is torch.float16 \(\), not torch.int64"):
        load(tmp_path / "b.safetensors")


def test_training_does_not_resume_from_weights_alone(path: Path, tmp_path: Path) -> None:
    """Nor does it begin anew in that folder and replace them, with or without `resume`."""
    (tmp_path / "run").mkdir()
    compact(path, tmp_path / "run" / "checkpoint.safetensors")
    for resume in (True, False):
        with pytest.raises(ArgumentError, match=r"out: .*run holds weights without checkpoint.state.pt, from which training resumes"):
            RunFolder(tmp_path / "run", leads=True, resume=resume)


def test_the_command(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "small.safetensors"
    main(["compact", str(path), "--out", str(out)])
    assert re.fullmatch(rf"done     {out}: \d\.\d MB\n", capsys.readouterr().out)
    main(["compact", str(out), "--out", str(out.with_name("again.safetensors"))])
    main(["compact", str(path), "--out", str(out), "--overwrite"])
    weights, again = load_file(out), load_file(out.with_name("again.safetensors"))
    assert all(torch.equal(weights[name], again[name]) and weights[name].dtype == again[name].dtype for name in weights)
