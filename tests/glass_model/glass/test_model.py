"""The whole model: shapes, causality, playing, and what its numbers mean."""

import copy

import pytest
import torch

from glass_model.glass.config import PRESETS, ModelConfig
from glass_model.glass.gma import move
from glass_model.glass.model import GLASS
from glass_model.images import to_pixels
from glass_model.systems import Action

CONFIG = PRESETS["paper"].override(
    model={"height": 32, "width": 40, "mask_channels": 4, "mask_blocks": 1, "shift_channels": 4, "inpaint_channels": 4, "local_channels": 4}
)


@pytest.fixture(scope="module")
def model() -> GLASS:
    torch.manual_seed(1)
    model = GLASS(CONFIG.model)
    for net in (model.gma.shift, model.gma.background_shift):  # at first they answer the same to everything
        torch.nn.init.normal_(net.head[-1].weight, std=0.3)
    with torch.no_grad():  # statistics of BatchNorm that differ from their start
        model.train()(torch.rand(4, 5, 3, 32, 40) * 2 - 1, 2)
    return model.eval()


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 5, 3, 32, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("variant", ["paper", "plain", "gumbel", "unmodulated", "joint", "codes-4"])
@pytest.mark.parametrize("size", [(32, 40), (24, 64)])
def test_shapes(variant: str, size: tuple[int, int]) -> None:
    """Also where an eighth of the frame has an odd number of rows or columns."""
    narrow = {"mask_channels": 4, "mask_blocks": 1, "shift_channels": 4, "inpaint_channels": 4, "local_channels": 4}
    config = PRESETS[variant].override(model={**narrow, "height": size[0], "width": size[1]}).model
    model, x = GLASS(config), torch.rand(2, 4, 3, *size) * 2 - 1
    _, motion, _, local = model(x, 1)
    assert motion.parts.mask.shape == (2, 4, 1, *size)
    assert motion.parts.background.shape == (2, 4, 3, *size)
    assert motion.shift.shape == motion.background_shift.shape == (2, 3, 2)
    assert motion.frame.shape == (2, 3, 3, *size)
    assert [image.shape[-2:] for image in local.decoded.images] == [(size[0] // k, size[1] // k) for k in (4, 2, 1)]
    assert local.decoded.mask.shape == (2, 3, 1, *size)
    assert local.decoded.mask.min() >= 0 and local.decoded.mask.max() <= 1
    assert local.action.code.shape == (2, 3) and local.action.vector.shape == local.codes.shape == (2, 3, 16)
    reading = model.eval().infer(x)
    assert reading.codes.shape == (2, 3) and reading.codes.max() < config.codes
    assert reading.masks.shape == (2, 4, *size)


def test_gma_alone(model: GLASS, frames: torch.Tensor) -> None:
    assert model(frames).local is None


def test_a_reading_is_of_two_frames_alone(model: GLASS, frames: torch.Tensor) -> None:
    whole = model.infer(frames)
    for t in range(4):
        pair = model.infer(frames[:, t : t + 2])
        assert torch.equal(pair.codes[:, 0], whole.codes[:, t])
        for name in ("vectors", "shift", "background_shift"):
            torch.testing.assert_close(getattr(pair, name)[:, 0], getattr(whole, name)[:, t])
    assert whole.shift.std() > 0


def test_what_is_decoded_depends_on_no_later_frame(model: GLASS, frames: torch.Tensor) -> None:
    other = frames.clone()
    other[:, 3:] = 0.0
    for given in (1, 5):
        ours, theirs = model(frames, given).local, model(other, given).local
        torch.testing.assert_close(ours.decoded.images[-1][:, :2], theirs.decoded.images[-1][:, :2])  # frames 1 and 2
        assert not torch.equal(ours.decoded.images[-1][:, 2], theirs.decoded.images[-1][:, 2])


def test_steps_are_the_rollout(model: GLASS, frames: torch.Tensor) -> None:
    """Fed with the actions that were read, start and step make what forward makes from one given frame on."""
    with torch.no_grad():
        _, motion, _, local = model(frames, 1)
    state = model.start(frames[:, 0])
    for t in range(4):
        kept = state
        shown, state = model.step(state, Action(local.action.code[:, t], shift=to_pixels(motion.shift[:, t], (32, 40))))
        torch.testing.assert_close(state.parts.foreground, local.decoded.images[-1][:, t], rtol=1e-3, atol=1e-4)
        torch.testing.assert_close(state.parts.mask, local.decoded.mask[:, t], rtol=1e-3, atol=1e-4)
        mask, scene = state.parts.mask, motion.parts.background[:, 0]
        torch.testing.assert_close(shown, (mask * state.parts.foreground + (1 - mask) * scene).clamp(-1, 1))
        again, _ = model.step(kept, Action(local.action.code[:, t], shift=to_pixels(motion.shift[:, t], (32, 40))))
        assert torch.equal(again, shown)  # nothing is hidden in the module


def test_given_frames_are_fed(model: GLASS, frames: torch.Tensor) -> None:
    with torch.no_grad():
        _, motion, _, local = model(frames, 3)
    assert torch.equal(local.fed[:, :3], motion.parts.foreground[:, :3])
    assert torch.equal(local.fed[:, 3], local.decoded.images[-1][:, 2])


def test_the_scene_moves_where_it_is_sent(model: GLASS, frames: torch.Tensor) -> None:
    state = model.start(frames[:, 0])
    still, right = torch.zeros(2, 2), torch.tensor([[3.0, 0.0], [0.0, -2.0]])
    code = torch.zeros(2, dtype=torch.long)
    for _ in range(2):
        shown, state = model.step(state, Action(code, None, still, right))
    torch.testing.assert_close(to_pixels(state.offset, (32, 40)), 2 * right)
    scene = move(state.parts.background, state.offset, border=True)
    torch.testing.assert_close(scene[0, :, :, 6:], state.parts.background[0, :, :, :-6], atol=1e-4, rtol=1e-3)
    mask = state.parts.mask
    torch.testing.assert_close(shown, (mask * state.parts.foreground + (1 - mask) * scene).clamp(-1, 1))


def test_frames_of_any_size_and_type(model: GLASS, frames: torch.Tensor) -> None:
    """The numbers are in pixels of the frames that were given."""
    large = ((frames + 1) * 127.5).round().byte().repeat_interleave(3, -1).repeat_interleave(2, -2)
    ours, theirs = model.infer(((large.float() / 127.5) - 1)[..., ::2, ::3]), model.infer(large)
    assert torch.equal(ours.codes, theirs.codes)
    torch.testing.assert_close(theirs.shift, ours.shift * torch.tensor([3.0, 2.0]), rtol=1e-3, atol=1e-4)
    assert theirs.masks.shape == (2, 5, 64, 120)
    shown, _ = model.step(model.start(large[:, 0]), Action(torch.zeros(2, dtype=torch.long)))
    assert shown.shape == (2, 3, 64, 120)


def test_generated_frames_are_in_range(model: GLASS, frames: torch.Tensor) -> None:
    """A video can go on from any frame that was generated, though the inpainter has no bounds."""
    with torch.no_grad():
        loud = copy.deepcopy(model)
        loud.gma.inpainter.layers[-1].norm.bias.add_(1000)
    shown, _ = loud.step(loud.start(frames[:, 0]), Action(torch.zeros(2, dtype=torch.long)))
    assert shown.abs().max() == 1
    loud.start(shown)


def test_long_videos_are_read_in_windows(model: GLASS) -> None:
    """The windows fit together: nothing is read twice or left out."""
    frames = torch.rand(1, 25, 3, 32, 40, generator=torch.Generator().manual_seed(0)) * 2 - 1
    whole = model.infer(frames)
    assert whole.masks.shape == (1, 25, 32, 40)
    for t in range(24):
        pair = model.infer(frames[:, t : t + 2])
        assert torch.equal(pair.codes[:, 0], whole.codes[:, t])
        torch.testing.assert_close(pair.shift[:, 0], whole.shift[:, t])
        torch.testing.assert_close(pair.masks, whole.masks[:, t : t + 2])


def test_every_part_alone() -> None:
    from glass_model.glass.gma import Inpainter, MaskNet, ShiftNet
    from glass_model.glass.lma import ActionNet, Decoder, Dynamics, Encoder

    x = torch.rand(2, 3, 32, 40)
    assert MaskNet(4, 0)(x).shape == (2, 1, 32, 40)
    assert Inpainter(4)(x, x[:, :1]).shape == x.shape
    assert ShiftNet(4)(x, x).shape == (2, 2)
    encoded = Encoder(4)(x)
    assert encoded.state.shape == (2, 16, 4, 5) and encoded.attention.shape == (2, 1, 4, 5)
    assert ActionNet(4, 7, bilinear=True)(encoded, encoded).shape == (2, 7)
    dynamics = Dynamics(ModelConfig(height=32, width=40, local_channels=4))
    y, memory = dynamics(encoded.state[:, :2], torch.zeros(2, 2), torch.zeros(2, 16), dynamics.start(2))
    assert y.shape == (2, 8, 4, 5) and len(memory) == 3
    assert Decoder(4)(y).mask.shape == (2, 1, 32, 40)
