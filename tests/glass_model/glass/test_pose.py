"""Poses between the encoder and the dynamics of LMA: disguise, what learns from what, and rollouts."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.linear_model import LinearRegression
from torch import Tensor

from glass_model.glass.config import PRESETS
from glass_model.glass.losses import local_terms
from glass_model.glass.model import GLASS, Analysis
from glass_model.glass.pose import Poses, disguised, fit
from glass_model.glass.system import GlassSystem
from glass_model.images import resize
from glass_model.lam.config import PRESETS as LAM_PRESETS
from glass_model.lam.system import network
from glass_model.systems import Action
from glass_model.training.checkpoint import load, save
from glass_model.training.device import Process, Setup, Speed
from glass_model.training.loop import train
from wsprites.fields import SpecError

NARROW = {"mask_channels": 2, "mask_blocks": 0, "shift_channels": 2, "inpaint_channels": 2, "local_channels": 2, "reference": 2}
CONFIG = PRESETS["drawn"].override(
    model={**NARROW, "height": 64, "width": 80, "pose": 5},
    train={
        "steps": 4,
        "batch": 2,
        "window": 6,
        "local_skip": 1,
        "behind": 2,
        "length_from": 4,
        "length_to": 4,
        "cooldown": 0,
        "fit_batches": 2,
        "fit_steps": 3,
    },
)
DYNAMICS = ("lma.poses.cell.", "lma.poses.change.", "lma.quantizer.")
ALONE = Process(0, 1, torch.device("cpu"))


def noise(first: int) -> Iterator[Tensor]:
    while True:
        yield torch.randint(0, 256, (2, 6, 3, 64, 80), dtype=torch.uint8, generator=torch.Generator().manual_seed(first))
        first += 1


def model_of(seed: int = 0) -> GLASS:
    torch.manual_seed(seed)
    return GLASS(CONFIG.model)


def poses(seed: int = 0) -> Poses:
    torch.manual_seed(seed)
    return Poses(5, 3, (4, 2, 2), (2, 2, 2)).eval()


@pytest.fixture
def lam(tmp_path: Path) -> Path:
    torch.manual_seed(3)
    path = tmp_path / "lam.safetensors"
    save(path, LAM_PRESETS["persist"], network(LAM_PRESETS["persist"]), 1, notes={})
    return path


def test_disguise_changes_the_colours_of_a_sequence_and_nothing_else() -> None:
    """Each channel of the result is an affine function of one channel, on the figure; around it, where both are 0, nothing changes."""
    torch.manual_seed(0)
    mask = (torch.rand(3, 4, 1, 8, 8) > 0.5).float()
    foreground = (2 * torch.rand(3, 4, 3, 8, 8) - 1) * mask
    changed = disguised(foreground, mask)
    assert (changed[(mask == 0).expand_as(changed)] == 0).all()
    drawn = []
    for n in range(3):
        on = mask[n, :, 0] > 0
        before, after = foreground[n].movedim(1, -1)[on].numpy(), changed[n].movedim(1, -1)[on].numpy()
        sources = []
        for channel in range(3):
            fits = [np.polyfit(before[:, source], after[:, channel], 1) for source in range(3)]
            errors = [np.abs(np.polyval(fit, before[:, source]) - after[:, channel]).max() for source, fit in enumerate(fits)]
            source = int(np.argmin(errors))
            assert errors[source] < 1e-5 and 0.4 <= fits[source][0] <= 1.2 and abs(fits[source][1]) <= 0.4
            sources.append(source)
        assert sorted(sources) == [0, 1, 2]
        drawn.append(after.mean(0).tolist())
    assert drawn[0] != drawn[1]


@pytest.mark.parametrize("given", [0, 1, 3, 9])
def test_poses_are_predicted_from_the_given_ones_and_then_from_predictions(given: int) -> None:
    """Against a GRU written out, step by step."""
    net = poses()
    pose, vector = torch.randn(2, 5, 5), torch.randn(2, 4, 3)
    hidden, last, expected = torch.zeros(2, 256), pose[:, 0], []
    for t in range(4):
        x = torch.cat([last, vector[:, t]], 1)
        reset_x, update_x, new_x = (x @ net.cell.weight_ih.T + net.cell.bias_ih).chunk(3, 1)
        reset_h, update_h, new_h = (hidden @ net.cell.weight_hh.T + net.cell.bias_hh).chunk(3, 1)
        update = (update_x + update_h).sigmoid()
        hidden = (1 - update) * (new_x + (reset_x + reset_h).sigmoid() * new_h).tanh() + update * hidden
        after = last + net.change(torch.cat([hidden, vector[:, t]], 1))
        expected.append(after)
        last = pose[:, t + 1] if t + 1 < given else after
    torch.testing.assert_close(net.predict(pose, vector, given), torch.stack(expected, 1))


def test_poses_are_normalised_by_moving_averages() -> None:
    """With mean 0 and variance 1 once the averages have settled; a pose does not depend on what else is in its batch."""
    net = poses().train()
    states = 3 * torch.randn(64, 4, 2, 2) + 1
    for _ in range(200):
        net.read(states)
    settled = net.read(states)
    torch.testing.assert_close(settled.mean(0), torch.zeros(5), atol=1e-4, rtol=0)
    torch.testing.assert_close(settled.var(0), torch.ones(5), atol=1e-2, rtol=0)
    net.eval()
    torch.testing.assert_close(net.read(states[:2]), net.read(states)[:2])


def test_what_is_drawn_teaches_all_but_the_dynamics() -> None:
    model = model_of().train()
    model.gma.eval().requires_grad_(False)
    analysis: Analysis = model(model.to_model(next(noise(0))), 1)
    assert analysis.local and analysis.view
    terms = local_terms(analysis.view, analysis.local, CONFIG.loss)
    assert set(terms) == {"recu", "msk"}
    names = {name: p for name, p in model.named_parameters() if p.requires_grad}
    gradients = torch.autograd.grad(terms["recu"], [*names.values()], retain_graph=True, allow_unused=True)
    reached = {name for name, gradient in zip(names, gradients, strict=True) if gradient is not None}
    assert reached == {name for name in names if not name.startswith(DYNAMICS)}


def test_dynamics_are_fitted_when_training_ends_and_nothing_else_is(lam: Path) -> None:
    """They learn from all frames of the batches that follow."""
    torch.manual_seed(0)
    system = GlassSystem(CONFIG, Setup(torch.device("cpu"), Speed(), None, None, lam))
    batches = noise(5)
    for _ in system.turns(next(batches), 0):
        pass
    before = {name: weight.clone() for name, weight in system.network.state_dict().items()}
    system.finish(batches)
    assert torch.equal(next(batches), next(noise(8)))
    # GMA, which is not trained, reads the last strip with the moving averages that it came with.
    assert system.network.lma.training and not any(module.training for module in system.network.gma.modules())
    assert system.strip()
    changed = {name for name, weight in system.network.state_dict().items() if not torch.equal(before[name], weight)}
    assert changed == {"calibration"} | {name for name in before if name.startswith(DYNAMICS)}


def test_fitted_dynamics_predict_poses_that_codes_turn() -> None:
    """Each code turns a plane of poses by an angle of its own: rollouts from one true pose of new sequences follow the turns."""
    rng = np.random.default_rng(0)
    turns = np.exp(1j * np.array([0.6, -0.3, 0.0]))

    def sequences(n: int) -> tuple[Tensor, Tensor]:
        code = np.repeat(rng.integers(0, 3, (n, 2)), 2, 1)
        first = np.exp(2j * np.pi * rng.random((n, 1)))
        plane = np.concatenate([first, first * np.cumprod(turns[code], 1)], 1)
        pose = np.stack([plane.real, plane.imag, *[np.zeros(plane.shape)] * 3], -1)
        return torch.from_numpy(pose).float(), torch.from_numpy(code)

    net, vectors = poses(), torch.nn.Parameter(torch.eye(3))
    torch.manual_seed(1)
    loss = fit(net, vectors, *sequences(400), 300)
    pose, code = sequences(50)
    with torch.no_grad():
        error = (net.predict(pose, vectors[code], 1) - pose[:, 1:]).square().mean()
    still = (pose[:, :1] - pose[:, 1:]).square().mean()
    assert error < 0.05 * still and loss < 0.05 * still


def test_shifts_are_calibrated_by_motions_of_masks() -> None:
    """Against scikit-learn's regression; readings are in pixels of the frames, whatever their size."""
    model, rng = model_of().eval(), np.random.default_rng(0)
    shift, noise_ = rng.normal(0, 3, (4, 9, 2)), rng.normal(0, 0.1, (4, 9, 2))
    moved = shift @ [[1.1, -0.1], [0.2, 0.9]] + [0.5, -0.25] + noise_
    frames = next(noise(3))
    before = model.infer(frames).shift
    assert before is not None
    model.calibrate(torch.from_numpy(shift).float(), torch.from_numpy(moved).float())
    fitted = LinearRegression().fit(shift.reshape(-1, 2), moved.reshape(-1, 2))
    for size, factor in (((64, 80), 1), ((128, 160), 2)):
        after = model.infer(resize(frames / 127.5 - 1, size)).shift
        expected = fitted.predict(before.reshape(-1, 2).numpy()).reshape(before.shape)
        assert after is not None
        np.testing.assert_allclose(after.numpy(), factor * expected, atol=0.02 * factor)
    assert GLASS(CONFIG.override(model={"pose": 0}, loss={"cyc": 0.2}).model).calibration is None


def test_motions_are_those_of_the_masks_centres() -> None:
    model = model_of().eval()
    frames = model.to_model(next(noise(4)))
    shift, moved = model.motions(frames)
    reading = model.infer(frames)
    assert reading.masks is not None and reading.shift is not None
    torch.testing.assert_close(shift, reading.shift)  # nothing is calibrated yet
    weight = reading.masks.numpy().astype(np.float64) ** 2 + 1e-6
    y, x = np.mgrid[:64, :80]
    centre = np.stack([(weight * x).sum((2, 3)), (weight * y).sum((2, 3))], -1) / weight.sum((2, 3))[..., None]
    np.testing.assert_allclose(moved.numpy(), np.diff(centre, axis=1), atol=1e-3)


def test_poses_and_codes_of_sequences_are_those_of_single_frames_and_pairs(lam: Path) -> None:
    torch.manual_seed(0)
    model = GlassSystem(CONFIG, Setup(torch.device("cpu"), Speed(), None, None, lam)).network.eval()
    frames = model.to_model(next(noise(2)))
    pose, code = model.poses(frames)
    assert pose.shape == (2, 6, 5) and code.shape == (2, 5)
    with torch.no_grad():
        for t in range(6):
            foreground = model.start(frames[:, t]).parts.foreground
            torch.testing.assert_close(pose[:, t], model.lma.poses.read(model.lma.encoder(foreground)[0]))
    shifted = [model.start(frames[:, t]).parts.foreground for t in range(6)]
    assert model.lma.reader
    read = [model.lma.reader(*pair).argmax(1) for pair in pairwise(shifted)]
    assert torch.equal(code, torch.stack(read, 1))


@torch.inference_mode()
def test_rollouts_stay_in_poses() -> None:
    """A video is the decoded rollout of poses from the first frame's, in its looks: the frames between are not read again."""
    model = model_of().eval()
    frames = model.to_model(next(noise(1))[:, 0])
    codes = torch.tensor([[0, 3, 8], [1, 1, 2]])
    state = model.start(frames)
    first = state.parts.foreground
    pose, look = model.lma.poses.read(model.lma.encoder(first)[0]), model.lma.looks(first)
    expected = model.lma.poses.predict(pose[:, None].expand(-1, 4, -1), model.lma.quantizer.vectors[codes], 1)
    for t in range(3):
        blank = state._replace(parts=state.parts._replace(foreground=torch.zeros_like(first)))
        frame, after = model.step(state, Action(codes=codes[:, t]))
        _, same = model.step(blank, Action(codes=codes[:, t]))
        drawn = model.lma.decoder(model.lma.poses.draw(expected[:, t]), look)
        torch.testing.assert_close(after.parts.foreground, drawn.images[-1])
        placed = model.placed(after.parts, after.place)
        torch.testing.assert_close(frame, (placed.foreground + (1 - placed.mask) * state.parts.background).clamp(-1, 1))
        assert torch.equal(after.parts.mask, same.parts.mask)
        state = after


def test_a_run_is_resumed_to_the_same_numbers(tmp_path: Path, lam: Path) -> None:
    def stop(step: int, metrics: dict[str, object]) -> None:
        if step == 2:
            raise KeyboardInterrupt

    whole = train(CONFIG, noise, tmp_path / "whole", ALONE, reader=lam)
    with pytest.raises(KeyboardInterrupt):
        train(CONFIG, noise, tmp_path / "parts", ALONE, reader=lam, progress=stop)
    parts = train(CONFIG, noise, tmp_path / "parts", ALONE, reader=lam, resume=True)
    ours, theirs = load(parts).weights, load(whole).weights
    assert ours.keys() == theirs.keys() and all(torch.equal(ours[name], weight) for name, weight in theirs.items())
    assert not any(name.startswith(("lma.dynamics.", "lma.compress.")) for name in ours)


@pytest.mark.parametrize("changes", [{"reader": False}, {"reference": 0}])
def test_poses_need_a_reader_and_looks(changes: dict[str, object]) -> None:
    with pytest.raises(SpecError, match="pose = 5 needs reader = true and a reference > 0"):
        CONFIG.override(model=changes, train={"behind": 0})


def test_a_term_about_predictions_is_refused() -> None:
    with pytest.raises(SpecError, match=r"loss\.cyc = 0\.2 compares predictions that train\.fit_steps makes"):
        CONFIG.override(loss={"cyc": 0.2})
