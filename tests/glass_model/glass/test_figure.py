"""The figure window: where it is, what it shows, and that nothing is lost between frames and windows."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from glass_model.glass.config import PRESETS, ModelConfig
from glass_model.glass.figure import crop, enlarge_mask, follow, place, put_back
from glass_model.glass.model import GLASS
from glass_model.images import downscale, to_normalised
from glass_model.systems import Action

SIZES = {"height": 32, "width": 48, "global_scale": 2, "figure": 16, "local_scale": 1}
NARROW = {"mask_channels": 4, "mask_blocks": 0, "shift_channels": 4, "inpaint_channels": 4, "local_channels": 4}


def test_crop_against_a_loop() -> None:
    image, corner = torch.rand(5, 2, 6, 9), torch.tensor([[2, 1], [-3, 0], [7, 4], [-9, -9], [0, -2]])
    cut = crop(image, corner, (4, 5))
    for n, (x, y) in enumerate(corner.tolist()):
        for i in range(4):
            for j in range(5):
                inside = 0 <= y + i < 6 and 0 <= x + j < 9
                assert torch.equal(cut[n, :, i, j], image[n, :, y + i, x + j] if inside else torch.zeros(2))


def test_put_back_is_the_inverse_of_crop() -> None:
    config, corner = ModelConfig(**SIZES), torch.tensor([[5, 3], [-4, -6], [40, 25]])
    image = torch.rand(3, 1, 32, 48)
    back = put_back(crop(image, corner, (16, 16)), corner, config)
    for n, (x, y) in enumerate(corner.tolist()):
        expected = torch.zeros(32, 48)
        rows, columns = slice(max(y, 0), max(y + 16, 0)), slice(max(x, 0), max(x + 16, 0))
        expected[rows, columns] = image[n, 0, rows, columns]
        assert torch.equal(back[n, 0], expected)


def test_place_by_hand() -> None:
    mask = torch.zeros(3, 1, 20, 30)
    mask[0, 0, 4:8, 10:14] = 1  # its middle is (11.5, 5.5), that of a window of 8 pixels is 3.5
    mask[1, 0, 19, 29] = 1
    corners = place(mask, 8)
    torch.testing.assert_close(corners[0], torch.tensor([8.0, 2.0]), rtol=0, atol=0.01)
    torch.testing.assert_close(corners[1], torch.tensor([25.5, 15.5]), rtol=0, atol=0.02)
    torch.testing.assert_close(corners[2], torch.tensor([11.0, 6.0]))  # nothing there: the middle of the frame


def test_enlarged_masks_keep_their_range_and_sharpen() -> None:
    mask = torch.tensor([0.0, 0.02, 0.98, 1.0]).view(1, 1, 1, 4).expand(-1, -1, 4, -1)
    large = enlarge_mask(mask, 2)
    plain = F.interpolate(mask, scale_factor=2, mode="bilinear")
    assert large.shape == (1, 1, 8, 8) and large.min() >= 0 and large.max() <= 1
    assert torch.all((large - large.round()).abs() <= (plain - plain.round()).abs() + 1e-5)
    assert enlarge_mask(mask, 1) is mask


def walk(steps: list[tuple[int, int]]) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Frames, masks and shifts of a square with a pattern that walks before noise: (1, T, 3, 32, 48), (1, T, 1, 32, 48), (1, T - 1, 2)."""
    rng = np.random.default_rng(0)
    frames, masks = torch.from_numpy(rng.random((1, len(steps) + 1, 3, 32, 48), np.float32)), torch.zeros(1, len(steps) + 1, 1, 32, 48)
    pattern = torch.from_numpy(rng.random((3, 6, 6), np.float32))
    corners = np.cumsum([(14, 9), *steps], 0)
    for t, (x, y) in enumerate(corners):
        frames[0, t, :, y : y + 6, x : x + 6] = pattern
        masks[0, t, :, y : y + 6, x : x + 6] = 1
    return frames, masks, torch.tensor(steps, dtype=torch.float32)[None]


def test_windows_follow_in_whole_pixels() -> None:
    """With true masks and shifts all windows of a rigid figure are equal, and nothing is left to be told."""
    config = ModelConfig(**{**SIZES, "global_scale": 1})
    frames, masks, shift = walk([(7, 0), (0, -3), (-7, 0), (0, 0)])
    seen = follow(frames, masks, to_normalised(shift, (32, 48)), config)
    assert seen.corner is not None
    assert torch.equal(seen.corner.diff(dim=1), shift.long())
    torch.testing.assert_close(seen.shift, torch.zeros(1, 4, 2), rtol=0, atol=1e-5)
    torch.testing.assert_close(seen.foreground, seen.foreground[:, :1].expand(-1, 5, -1, -1, -1), rtol=0, atol=1e-4)
    assert seen.mask[0].sum((1, 2, 3)) == pytest.approx([36] * 5, abs=0.1)  # none of it is outside
    torch.testing.assert_close(seen.moved, seen.foreground[:, 1:], rtol=0, atol=1e-4)


def test_what_is_left_of_a_shift() -> None:
    """Fractions add up: windows stay within half a pixel of the sum of the shifts, and window and rest together are the shift."""
    config = ModelConfig(**{**SIZES, "global_scale": 1})
    frames, masks, _ = walk([(0, 0)] * 5)
    shift = torch.tensor([[0.4, -0.3]]).repeat(5, 1)[None]
    seen = follow(frames, masks, to_normalised(shift, (32, 48)), config)
    assert seen.corner is not None
    rest = seen.shift * 8  # pixels: the full width of the window is 2
    torch.testing.assert_close(seen.corner.diff(dim=1) + rest, shift, rtol=0, atol=1e-5)
    assert (seen.corner - (place(masks[:, 0], 16)[:, None] + torch.cat([torch.zeros(1, 1, 2), shift.cumsum(1)], 1))).abs().max() <= 0.5
    assert seen.corner[0, -1].tolist() != seen.corner[0, 0].tolist()


@pytest.fixture(scope="module", params=[0, 4], ids=["", "reference"])
def model(request: pytest.FixtureRequest) -> GLASS:
    torch.manual_seed(1)
    model = GLASS(PRESETS["paper"].override(model={**SIZES, **NARROW, "reference": request.param}).model)
    for net in (model.gma.shift, model.gma.background_shift):
        torch.nn.init.normal_(net.head[-1].weight, std=0.3)
    with torch.no_grad():
        model.train()(torch.rand(4, 5, 3, 32, 48) * 2 - 1, 2)
    return model.eval()


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 5, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("sizes", [{}, {"global_scale": 1, "figure": 24}, {"figure": 32, "local_scale": 2}, {"reference": 2}])
def test_shapes(sizes: dict[str, int]) -> None:
    config = PRESETS["paper"].override(model={**SIZES, **NARROW, **sizes}).model
    model = GLASS(config)
    _, motion, view, local = model(torch.rand(2, 4, 3, 32, 48) * 2 - 1, 1)
    side = config.figure // config.local_scale
    assert motion.parts.mask.shape == (2, 4, 1, 32 // config.global_scale, 48 // config.global_scale)
    assert view.foreground.shape == (2, 4, 3, side, side) and local.decoded.mask.shape == (2, 3, 1, side, side)
    assert not view.foreground.requires_grad and not view.shift.requires_grad
    frames = torch.rand(2, 4, 3, 40, 70) * 2 - 1  # of any size
    reading = model.eval().infer(frames)
    assert reading.masks.shape == (2, 4, 40, 70) and reading.codes.shape == (2, 3)
    shown, state = model.step(model.start(frames[:, 0]), Action(reading.codes[:, 0], shift=reading.shift[:, 0]))
    assert shown.shape == (2, 3, 40, 70) and state.parts.background.shape == (2, 3, 32, 48)


def test_a_gma_that_is_not_trained_computes_what_the_window_needs_alone(model: GLASS, frames: torch.Tensor) -> None:
    with torch.no_grad():
        motion = model.gma(downscale(frames, model.config.global_size))
        mask, shift = model.gma.track(downscale(frames, model.config.global_size))
        analysis = model(frames, 1)
    assert analysis.motion is None
    assert torch.equal(mask, motion.parts.mask) and torch.equal(shift, motion.shift)
    large = torch.stack([enlarge_mask(mask[:, t], model.config.global_scale) for t in range(5)], 1)
    for ours, theirs in zip(analysis.view, follow(frames, large, motion.shift, model.config), strict=True):
        torch.testing.assert_close(ours, theirs)


def test_a_reading_is_of_two_frames_alone(model: GLASS, frames: torch.Tensor) -> None:
    whole = model.infer(frames)
    for t in range(4):
        pair = model.infer(frames[:, t : t + 2])
        assert torch.equal(pair.codes[:, 0], whole.codes[:, t])
        torch.testing.assert_close(pair.shift[:, 0], whole.shift[:, t])
        torch.testing.assert_close(pair.masks, whole.masks[:, t : t + 2])


def test_steps_are_the_rollout(model: GLASS, frames: torch.Tensor) -> None:
    """Fed with the actions that were read, start and step draw what forward draws from one given frame on, at the same places."""
    with torch.no_grad():
        motion = model.gma(downscale(frames, model.config.global_size))
        _, _, view, local = model(frames, 1)
    state = model.start(frames[:, 0])
    torch.testing.assert_close(state.parts.foreground, view.foreground[:, 0])
    torch.testing.assert_close(state.parts.mask, view.mask[:, 0])
    for t in range(4):
        shift = motion.shift[:, t] * torch.tensor([24.0, 16.0])
        shown, state = model.step(state, Action(local.action.code[:, t], shift=shift))
        assert torch.equal(state.place.round().long(), view.corner[:, t + 1])
        torch.testing.assert_close(state.parts.foreground, local.decoded.images[-1][:, t], rtol=1e-3, atol=1e-4)
        mask, foreground = (put_back(x, view.corner[:, t + 1], model.config) for x in (local.decoded.mask[:, t], state.parts.foreground))
        torch.testing.assert_close(shown, (mask * foreground + (1 - mask) * state.parts.background).clamp(-1, 1), rtol=1e-3, atol=1e-4)


def test_an_earlier_foreground_changes_what_is_drawn_and_nothing_that_is_read(model: GLASS, frames: torch.Tensor) -> None:
    """A frame of another time, in a window of its own; the first frame of a sequence is what is seen without one."""
    with torch.no_grad():
        first, same, other = (model(frames, 1, earlier=earlier).local for earlier in (None, frames[:, 0], frames[:, 0].flip(-1)))
    for ours, theirs in zip(first.decoded.images, same.decoded.images, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    assert torch.equal(first.action.code, other.action.code) and torch.equal(first.state_true, other.state_true)
    seen = model.config.reference > 0
    assert torch.equal(first.decoded.images[-1], other.decoded.images[-1]) != seen
    assert torch.equal(first.decoded.mask, other.decoded.mask) != seen


def test_the_scene_outside_of_the_figure_is_the_first_frame(model: GLASS, frames: torch.Tensor) -> None:
    """At full size: only what the mask covers is painted."""
    state, mask = model.start(frames[:, 0]), model.infer(frames[:, :2]).masks[:, :1]
    painted = (state.parts.background - (1 - mask) * frames[:, 0]).abs()
    assert torch.all(painted <= mask * state.parts.background.abs().max().clamp_min(10) + 1e-5)


def test_window_at_the_edge(model: GLASS) -> None:
    """A figure that is sent out of the frame leaves the scene alone, and comes back."""
    frame = torch.rand(1, 3, 32, 48, generator=torch.Generator().manual_seed(3)) * 2 - 1
    state, code = model.start(frame), torch.zeros(1, dtype=torch.long)
    gone, state = model.step(state, Action(code, shift=torch.tensor([[100.0, 0.0]])))
    torch.testing.assert_close(gone, state.parts.background.clamp(-1, 1))
    back, state = model.step(state, Action(code, shift=torch.tensor([[-100.0, 0.0]])))
    assert not torch.equal(back, state.parts.background.clamp(-1, 1))
