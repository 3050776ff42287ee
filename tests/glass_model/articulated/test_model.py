"""Reading and playing: vectors lead from regions to regions, and shifts of the scene move it by whole pixels in the right direction."""

import pytest
import torch
from scene_only import TINY, picture, scene_only

from glass_model.articulated.config import PRESETS
from glass_model.articulated.model import Articulated, after, changes
from glass_model.articulated.networks import Regions
from glass_model.systems import Action
from wsprites.errors import ArgumentError


@pytest.fixture
def model() -> Articulated:
    torch.manual_seed(0)
    return Articulated(TINY).eval()


def random_regions() -> Regions:
    """Two videos of four frames."""
    generator = torch.Generator().manual_seed(2)
    shift, affine = torch.rand(2, 4, 3, 2, generator=generator), torch.randn(2, 4, 3, 2, 2, generator=generator)
    return Regions(shift, affine, affine @ affine.transpose(-1, -2), torch.zeros(2, 4, 3, 0, 0))


def test_a_vector_leads_from_regions_to_the_next_ones() -> None:
    """Their axes may have another sign, which neither their covariance nor their motion depends on."""
    regions = random_regions()
    vectors = changes(regions)
    assert vectors.shape == (2, 3, 18)
    for t in range(3):
        found = after(Regions(*(tensor[:, t] for tensor in regions)), vectors[:, t])
        torch.testing.assert_close(found.shift, regions.shift[:, t + 1])
        torch.testing.assert_close(found.covariance, regions.covariance[:, t + 1], rtol=1e-3, atol=1e-3)
    assert torch.equal(vectors[:, :, :6].reshape(2, 3, 3, 2), regions.shift.diff(dim=1))
    flipped = regions._replace(affine=regions.affine * torch.tensor([1, -1, -1, 1]).view(1, 4, 1, 1, 1))
    torch.testing.assert_close(changes(flipped), vectors)


def test_nothing_moves_in_a_still_video(model: Articulated) -> None:
    frames = picture()[:, None].expand(-1, 3, -1, -1, -1)
    reading = model.infer(frames)
    assert reading.vectors is not None and reading.background_shift is not None and reading.masks is not None
    assert reading.vectors.abs().max() < 1e-4 and torch.equal(reading.background_shift, torch.zeros(2, 2, 2))
    assert reading.masks.shape == (2, 3, 48, 64) and reading.masks.min() >= 0 and reading.masks.max() <= 1
    state = model.start(frames[:, 0])
    first, state = model.step(state, Action(vectors=torch.zeros(2, 30)))
    second, _ = model.step(state, Action(vectors=torch.zeros(2, 30), background_shift=torch.zeros(2, 2)))
    torch.testing.assert_close(first, second, rtol=0, atol=1e-3)


@pytest.mark.parametrize("shift", [(3, 0), (-2, 0), (0, 4), (5, -1)])
def test_the_scene_moves_by_pixels(model: Articulated, shift: tuple[int, int]) -> None:
    """In two steps, x to the right and y down; the inside of the frame, because nothing is known beyond its edge."""
    frame, (x, y) = picture(), shift
    first, state = scene_only(model).step(model.start(frame), Action(background_shift=torch.tensor([[x, 0], [x, 0]])))
    shown, _ = model.step(state, Action(background_shift=torch.tensor([[0, y], [0, y]])))
    expected = frame.roll((x, 0), (3, 2)), frame.roll((x, y), (3, 2))
    for made, true in zip((first, shown), expected, strict=True):
        difference = made - (true / 127.5 - 1)
        assert difference[:, :, 5:-5, 6:-6].abs().max() < 0.05


def test_a_reading_of_the_scene_is_the_action_that_repeats_it(model: Articulated) -> None:
    """The background predictor says where pixels come from; the shift is where they go, in pixels of the caller's frames."""
    assert model.background.last.bias is not None
    with torch.no_grad():
        model.background.last.bias.copy_(torch.tensor([2 * 3 / 63, -2 * 2 / 47]))  # from 3 pixels right and 2 above
    reading = model.infer(torch.stack([picture(96, 128)] * 3, 1))
    assert reading.background_shift is not None
    torch.testing.assert_close(reading.background_shift, torch.tensor([-6.0, 4.0]).expand(2, 2, 2))
    scene = model.scene_of(reading.background_shift[:, 0], (96, 128))
    torch.testing.assert_close(scene, model.background(*[torch.zeros(2, 3, 48, 64)] * 2))


def test_long_videos_are_computed_in_parts(model: Articulated, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randint(0, 256, (2, 3, 3, 48, 64), dtype=torch.uint8)
    whole = model.infer(frames)
    monkeypatch.setattr("glass_model.articulated.model.AT_ONCE", 4)
    for ours, theirs in zip(whole, model.infer(frames), strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs, atol=1e-4)


def test_the_background_may_be_taken_to_stand_still() -> None:
    model = Articulated(PRESETS["tiny"].override(model={"background": "zero"}).model).eval()
    assert model.infer(torch.zeros(1, 2, 3, 48, 64)).background_shift is None


def test_a_step_needs_something_that_happens(model: Articulated) -> None:
    with pytest.raises(ArgumentError, match=r"action: this model takes vectors of size 30, background_shift; given: nothing"):
        model.step(model.start(picture()), Action())
