"""Following another video: the three modes, and the scene moved by command."""

import math

import numpy as np
import pytest
import torch
from brightener import DOUBLES, Brightener
from scene_only import TINY, picture, scene_only

from glass_model import play
from glass_model.articulated.avd import without_heatmaps
from glass_model.articulated.config import PRESETS
from glass_model.articulated.model import Articulated, changes, relative
from glass_model.play import SceneStep, parse_background
from glass_model.systems import Action, Driven
from wsprites.errors import ArgumentError


@pytest.fixture
def model() -> Articulated:
    torch.manual_seed(0)
    return Articulated(TINY).eval()


def clip(frames: int = 4) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (frames, 48, 64, 3), dtype=np.uint8)


def played(model: Articulated, frame: torch.Tensor, driving: torch.Tensor, mode: str) -> list[torch.Tensor]:
    """The means of the regions after each step."""
    state, shifts = model.start(frame), []
    for vectors in model.drive(frame, driving, mode).unbind(1):
        _, state = model.step(state, Action(vectors=vectors))
        shifts.append(state.now.shift)
    return shifts


def test_standard_takes_the_regions_of_the_video(model: Articulated) -> None:
    assert isinstance(model, Driven)
    driving = torch.from_numpy(clip()).permute(0, 3, 1, 2)[None].expand(2, -1, -1, -1, -1)
    wanted = model.find(model.to_model(driving))
    for t, shift in enumerate(played(model, picture(), driving, "standard")):
        torch.testing.assert_close(shift, wanted.shift[:, t], rtol=0, atol=1e-5)


def test_relative_begins_with_the_picture_and_has_its_size() -> None:
    """Regions in a triangle of area 1/2, driven by one of four times the area: motions are half as large."""
    small = torch.tensor([[[[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]]]])
    source = without_heatmaps(small[0], torch.eye(2).expand(1, 3, 2, 2))
    turned = torch.tensor([[0.0, -2.0], [2.0, 0.0]])  # what A becomes: twice as large, and turned
    shift = torch.stack([2 * small[0, 0], 2 * small[0, 0] + torch.tensor([0.4, -0.2])])[None]
    affine = torch.stack([torch.eye(2).expand(3, 2, 2) * 0.5, (turned * 0.5 + 0.1 * torch.eye(2)).expand(3, 2, 2)])[None]
    found = relative(
        source._replace(**{name: getattr(source, name)[:, None] for name in source._fields}),
        without_heatmaps(shift[0], affine[0])._replace(shift=shift, affine=affine),
    )
    torch.testing.assert_close(found.shift[0, 0], small[0, 0])
    torch.testing.assert_close(found.shift[0, 1], small[0, 0] + torch.tensor([0.2, -0.1]))
    torch.testing.assert_close(found.affine[0, 1, 0], turned + 0.2 * torch.eye(2))


def test_relative_stands_still_in_the_first_frame_and_differs_by_the_size_alone(model: Articulated) -> None:
    """Of the picture's own video it plays what `infer` reads."""
    driving = torch.from_numpy(clip()).permute(0, 3, 1, 2)[None]
    vectors, read = model.drive(driving[:, 0], driving, "relative"), model.infer(driving).vectors
    assert read is not None and vectors[:, 0].abs().max() < 1e-4
    torch.testing.assert_close(vectors[:, 1:], read, rtol=1e-3, atol=1e-3)


def test_avd_needs_its_network(model: Articulated) -> None:
    frame, driving = picture()[:1], torch.from_numpy(clip()).permute(0, 3, 1, 2)[None]
    with pytest.raises(ArgumentError, match=r"^mode: the AVD network of this model was not trained"):
        model.drive(frame, driving, "avd")
    with pytest.raises(ArgumentError, match=r"^mode: 'AVD' is not one of standard, relative, avd$"):
        model.drive(frame, driving, "AVD")
    model.avd.trained += 1
    source, wanted = (model.find(model.to_model(frames)) for frames in (frame[:, None], driving))
    for t, shift in enumerate(played(model, frame, driving, "avd")):
        pose, identity = (without_heatmaps(r.shift[:, i], r.affine[:, i]) for r, i in ((wanted, t), (source, 0)))
        torch.testing.assert_close(shift, model.avd(identity, pose).shift, rtol=0, atol=1e-5)
    assert changes(wanted).shape == (1, 3, 6 * TINY.regions)


# The scene.


def test_words_of_the_scene() -> None:
    steps = parse_background("left*2 rotate stay rotate-back", stride=3)
    assert steps == [SceneStep((-3.0, 0.0))] * 2 + [SceneStep(degrees=3.0), SceneStep(), SceneStep(degrees=-3.0)]
    for text, message in (
        ("", "0 steps"),
        ("left*0", "after [*] comes a number"),
        ("turn", "'turn' is none of left"),
        ("up*9999 up*9", "10008 "),
    ):
        with pytest.raises(ArgumentError, match=f"^background: .*{message}"):
            parse_background(text)


def test_a_quarter_turn_is_that_of_numpy(model: Articulated) -> None:
    """Counter-clockwise on the screen, in pixels: circles stay circles where frames are no squares."""
    frame = picture()
    scene_only(model)
    state = model.turn(model.start(frame), 90.0)
    made, _ = model.step(state, Action(background_shift=torch.zeros(2, 2)))
    inside = (..., slice(4, 44), slice(12, 52))
    expected = torch.rot90(frame / 127.5 - 1, 1, (2, 3))[..., 12:52, 4:44]
    assert (made[inside] - expected).abs().max() < 0.05
    back = model.turn(model.turn(state, -60.0), -30.0)
    torch.testing.assert_close(back.scene, torch.eye(3).expand(2, 3, 3))
    assert math.isclose(state.scene[0, 0, 1].item(), -47 / 63, rel_tol=1e-5)


def test_transfer_moves_the_scene_by_command(model: Articulated) -> None:
    """Step n before frame n + 1, from then on it stands; without a command it moves as it is read."""
    scene_only(model)
    shown, still = clip(1)[0], play.transfer(model, clip(), clip(1)[0], background=[SceneStep()])
    assert np.array_equal(still[0], shown) and all(np.abs(frame.astype(int) - shown).max() <= 2 for frame in still[1:])
    moved = play.transfer(model, clip(), shown, background=parse_background("right*2"))
    for t, shift in ((1, 2), (2, 4), (3, 4)):
        assert np.abs(moved[t, 5:-5, 9:-9].astype(int) - np.roll(shown, shift, 1)[5:-5, 9:-9]).max() <= 6
    followed = play.transfer(model, clip(), shown, mode="standard", background=parse_background("right*3"))
    assert followed.shape == (4, 48, 64, 3)
    assert np.abs(followed[3, 5:-5, 9:-9].astype(int) - np.roll(shown, 6, 1)[5:-5, 9:-9]).max() <= 6


def test_what_a_model_cannot_do_with_the_scene_is_refused(model: Articulated) -> None:
    frames, shown = clip(), clip(1)[0]
    turned = [SceneStep(degrees=3.0)]
    with pytest.raises(ArgumentError, match=r"^background: 4 steps, where the clip has 3 transitions"):
        play.transfer(model, frames, shown, background=[SceneStep()] * 4)
    with pytest.raises(ArgumentError, match=r"^background: this model takes vectors of size 1: it does not move the scene"):
        play.transfer(Brightener(DOUBLES["vectors"]), frames, shown, background=turned)
    with pytest.raises(ArgumentError, match=r"^background: this model does not turn the scene"):
        play.transfer(Brightener(DOUBLES["scene"]), frames, shown, background=turned)
    with pytest.raises(ArgumentError, match=r"^mode: this model takes vectors of size 1 and has no modes"):
        play.transfer(Brightener(DOUBLES["vectors"]), frames, shown, mode="standard")
    brighter = play.transfer(Brightener(DOUBLES["shifts"]), frames, shown // 2, background=[SceneStep((3.0, 0.0))])
    assert brighter.shape == (4, 48, 64, 3) and PRESETS["tiny"].model is TINY
