"""Layered: what actions do to masks, and which pixels of a frame are made. Networks are small and random unless they are replaced."""

from typing import Any

import pytest
import torch
from small_layered import SMALL, Bright
from torch import nn

from glass_model import play
from glass_model.layered.config import PRESETS, Config
from glass_model.layered.control import binary, centre
from glass_model.layered.model import Layered, State
from glass_model.layered.system import network
from glass_model.systems import Action


class Painter(nn.Module):
    """A generator that paints the control mask white and the rest grey: latents are the layers themselves."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


def model(**values: Any) -> Layered:
    torch.manual_seed(0)
    made = network(Config().override(model=SMALL | values)).eval()
    made.mask = Bright()  # type: ignore[assignment]
    return made


def figures(*places: tuple[int, int], size: tuple[int, int] = (32, 48)) -> torch.Tensor:
    """A dark frame, (1, 3, H, W), with white squares of 6 pixels."""
    frame = torch.full((1, 3, *size), -0.5)
    for x, y in places:
        frame[..., y : y + 6, x : x + 6] = 1
    return frame


def where(mask: torch.Tensor) -> list[float]:
    """The centre of a mask in pixels."""
    return (((centre(mask) + 1) * torch.tensor([24.0, 16.0])) - 0.5).squeeze().tolist()


def after(made: Layered, frame: torch.Tensor, **parts: Any) -> torch.Tensor:
    """The control mask of an action; shift and vectors are lists."""
    action = Action(**{name: part if isinstance(part, torch.Tensor) else torch.tensor([part]) for name, part in parts.items()})
    made_state: State = made.step(made.start(frame), action)[1]
    return made_state.mask


FRAME = figures((20, 12))
BEGIN = [22.5, 14.5]


@pytest.mark.parametrize(
    ("parts", "moved"),
    [
        ({"codes": 0}, (0, 0)),
        ({"codes": 2}, (2, 0)),  # the nominal step is a twentieth of the width, 2.4 px
        ({"codes": 3}, (0, -2)),
        ({"vectors": [0.25, -0.25]}, (-6, 4)),
        ({"codes": 2, "vectors": [0.25, -0.25]}, (-6, 4)),  # a vector says more than a code
        ({"codes": 2, "shift": [-5.0, 3.0]}, (-5, 3)),  # a shift more than both
        ({"vectors": [0.25, -0.25], "shift": [-5.0, 3.0]}, (-5, 3)),
        ({"codes": 2, "shift": [0.0, 0.0]}, (2, 0)),  # no shift
    ],
)
def test_actions_move_the_mask(parts: dict[str, Any], moved: tuple[int, int]) -> None:
    mask = after(model(remember=True), FRAME, **parts)
    assert where(mask) == pytest.approx([BEGIN[0] + moved[0], BEGIN[1] + moved[1]]) and mask.sum() == 36


def test_a_mask_decides_about_everything() -> None:
    drawn = binary(figures((2, 3), (30, 20))[:, 0])
    mask = after(model(remember=True), FRAME, codes=2, shift=[3.0, 0.0], masks=drawn)
    assert torch.equal(mask[:, 0], drawn)
    assert torch.equal(after(model(remember=True), FRAME, masks=drawn)[:, 0], drawn)  # it may be all that is given


def test_a_shift_leaves_the_turn_of_a_vector() -> None:
    """A bar that is turned by a quarter, and moved by as many pixels as are told."""
    frame = figures()
    frame[..., 14:16, 16:28] = 1
    mask = after(model(remember=True, transform="rigid"), frame, vectors=[0.5, 0.5, 1.5708], shift=[4.0, -3.0])
    assert where(mask) == pytest.approx([21.5 + 4, 14.5 - 3], abs=0.1)
    rows, columns = mask[0, 0].amax(1).sum(), mask[0, 0].amax(0).sum()
    assert (rows.item(), columns.item()) == (12, 2)


def test_shifts_are_pixels_of_the_callers_frames() -> None:
    """A frame of twice the size."""
    large = nn.functional.interpolate(FRAME, scale_factor=2.0)
    assert where(after(model(remember=True), large, codes=0, shift=[8.0, -6.0])) == pytest.approx([BEGIN[0] + 4, BEGIN[1] - 3])


def test_what_is_read_is_what_moved() -> None:
    """Figure and scene, in pixels of frames of twice the size, and the code of the direction."""
    torch.manual_seed(0)
    noise = torch.rand(3, 96, 128) * 0.4 - 0.9
    first, second = noise[:, 10:74, 10:106].clone(), noise[:, 10:74, 8:104].clone()  # the scene moves by 2 to the right
    first[:, 20:36, 40:56], second[:, 20:36, 32:48] = 1.0, 1.0
    made = model(fit_steps=10, fit_rate=0.01)
    reading = made.infer(torch.stack([first, second])[None])
    assert reading.shift is not None and reading.vectors is not None and reading.codes is not None and reading.masks is not None
    torch.testing.assert_close(reading.shift, torch.tensor([[[-8.0, 0.0]]]), rtol=0, atol=0.1)
    torch.testing.assert_close(reading.vectors, torch.tensor([[[8 / 48, 0.0]]]), rtol=0, atol=0.01)
    assert reading.codes.tolist() == [[1]]
    assert reading.background_shift is not None and reading.background_shift.tolist() == [[[2.0, 0.0]]]
    wrong = (binary(reading.masks) != (torch.stack([first, second])[None, :, 0] > 0.9)).sum((2, 3))
    assert wrong.max() <= 4 * 16  # at the edges of 16 x 16 pixels, at most one


def test_without_a_reach_the_scene_is_not_read_and_not_taken() -> None:
    made = model(reach=0)
    assert made.infer(FRAME[:, None].repeat(1, 2, 1, 1, 1)).background_shift is None and not made.controls.background_shift


def test_what_the_scene_does() -> None:
    """It is moved before the layers are divided; the shift of the figure is on the screen."""
    made = model(remember=True)
    seen: list[torch.Tensor] = []
    made.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    mask = after(made, FRAME, codes=0, shift=[4.0, 0.0], background_shift=[-3.0, 0.0])
    assert where(mask) == pytest.approx([BEGIN[0] + 4, BEGIN[1]])
    foreground, background = seen[0].chunk(2)
    torch.testing.assert_close(foreground + background, figures((17, 12)))
    torch.testing.assert_close(foreground, figures((17, 12)) * mask)


def test_pixels_outside_of_both_masks_are_copied() -> None:
    """At the size of the caller, where the rest of the frame stays sharp."""
    large = nn.functional.interpolate(FRAME, scale_factor=2.0)
    large = large + 0.1 * torch.rand_like(large) * (large < 0)
    made = model(paste=True, remember=True)
    frame, state = made.step(made.start(large), Action(codes=torch.tensor([0]), shift=torch.tensor([[12.0, 0.0]])))
    rows, columns = (frame != large).any(1)[0].nonzero().unbind(1)
    # The square at (40, 24) to (51, 35) and the one beside it, a pixel more on each side at half the size, and one of interpolation.
    assert (rows.min(), rows.max(), columns.min(), columns.max()) == (24 - 3, 35 + 3, 40 - 3, 51 + 12 + 3)
    assert torch.equal(state.frame, frame)
    made = model(remember=True)
    plain, _ = made.step(made.start(large), Action(codes=torch.tensor([0])))
    assert (plain != large).any(1).float().mean() > 0.9


def layers_of(made: Layered, frame: torch.Tensor, **parts: Any) -> tuple[torch.Tensor, ...]:
    """What the encoder sees of foreground and background in a step, each (1, 3, H, W)."""
    seen: list[torch.Tensor] = []
    made.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    after(made, frame, **parts)
    return seen[0].chunk(2)


def test_the_foreground_is_carried_to_the_control_mask() -> None:
    """By whole pixels, without a change: a square with colours of its own, in front of a scene that is not carried."""
    frame = torch.rand(1, 3, 32, 48) - 1
    square = 0.8 + 0.2 * torch.rand(3, 6, 6)
    frame[0, :, 12:18, 20:26] = square
    expected = torch.zeros(1, 3, 32, 48)
    expected[0, :, 9:15, 25:31] = square
    beside = frame.clone()
    beside[..., 12:18, 20:26] = 0
    beside[..., 9:15, 25:31] = 0
    for parts in ({"codes": 0, "shift": [5.0, -3.0]}, {"codes": 0, "masks": (expected[:, 0] > 0).float()}):
        foreground, background = layers_of(model(carry=True), frame, **parts)
        torch.testing.assert_close(foreground, expected, atol=1e-5, rtol=0)
        torch.testing.assert_close(background, beside)
    foreground, background = layers_of(model(), frame, codes=0, shift=[5.0, -3.0])  # the paper: what was there before
    assert torch.equal(foreground + background, frame) and foreground[..., 9:12, :].max() <= 0


def test_the_foreground_turns_with_the_mask() -> None:
    """A quarter of a turn, which on screen is exact for a square about its centre."""
    frame, square = torch.full((1, 3, 32, 48), -0.5), 0.8 + 0.2 * torch.rand(3, 6, 6)
    frame[0, :, 12:18, 20:26] = square
    foreground, _ = layers_of(model(carry=True, transform="rigid"), frame, vectors=[0.0, 0.0, torch.pi / 2], shift=[2.0, 0.0])
    turned = foreground[0, :, 12:18, 22:28]
    assert any(torch.allclose(turned, square.rot90(k, (1, 2)), atol=1e-4) for k in (1, 3))


def test_what_is_carried_follows_the_scene_first() -> None:
    """The scene moves by (1, 0), and the square with it; what is carried is its place in the moved frame to the control mask."""
    scene = torch.rand(1, 3, 32, 48) * 0.5 - 1
    square = 0.8 + 0.2 * torch.rand(3, 6, 6)
    before = scene.clone()
    before[0, :, 12:18, 20:26] = square
    next_frame = scene.roll(1, 3)
    next_frame[0, :, 9:15, 25:31] = square
    expected = torch.zeros(1, 3, 32, 48)
    expected[0, :, 9:15, 25:31] = square
    for control in ("mask", "transform"):
        made, seen = model(carry=True, control=control, reach=1), list[torch.Tensor]()
        made.encoder.register_forward_pre_hook(lambda _, inputs, seen=seen: seen.append(inputs[0]))
        result = made(before, next_frame, stage=2)
        foreground, background = seen[0].chunk(2)
        torch.testing.assert_close(foreground, expected, atol=1e-5, rtol=0)
        assert torch.equal(background, result.before * (1 - result.control) * (1 - result.mask))
        assert torch.equal(result.mask[0, 0].nonzero().amin(0), torch.tensor([12, 21]))
    foreground, _ = layers_of(model(carry=True, reach=1), before, codes=0, shift=[5.0, -3.0], background_shift=[1.0, 0.0])
    torch.testing.assert_close(foreground, expected, atol=1e-5, rtol=0)


def test_a_remembered_mask_does_not_wear_away() -> None:
    """Half a pixel to and fro: a mask that is sampled and made binary each time loses a column with every step."""
    made = model(remember=True)
    state: State = made.start(FRAME)
    for step in range(12):
        _, state = made.step(state, Action(codes=torch.tensor([0]), shift=torch.tensor([[2.5 if step % 2 else -2.5, 0.0]])))
        assert 30 <= state.mask.sum() <= 42
    assert where(state.mask) == pytest.approx(BEGIN, abs=0.01)
    _, state = made.step(state, Action(codes=torch.tensor([0]), masks=torch.ones(1, 32, 48)))
    _, state = made.step(state, Action(codes=torch.tensor([0]), shift=torch.tensor([[24.0, 0.0]])))
    assert state.mask[..., :24].sum() == 0 and state.mask[..., 24:].all()  # from the mask that was given


def test_nothing_is_carried_where_a_mask_is_empty() -> None:
    dark = torch.full((1, 3, 32, 48), -0.5)
    foreground, background = layers_of(model(carry=True), dark, codes=0, masks=torch.ones(1, 32, 48))
    assert not foreground.any() and not background.any()


def test_masks_of_generated_frames_are_read_or_remembered() -> None:
    """The random generator makes nothing bright, so that nothing is read."""
    assert after(model(), FRAME, codes=0).sum() == 0
    assert after(model(remember=True), FRAME, codes=0).sum() == 36


def test_two_figures_in_one_mask_follow_a_driving_clip() -> None:
    """Action mimicking (supplement, figure 12): the masks of a clip, in which figures move apart, made to frames of another scene."""
    made = model(remember=True)
    made.encoder, made.decoder, made.to_code, made.from_code = Painter(), Painter(), nn.Identity(), nn.Identity()  # type: ignore[assignment]
    made.codebook = Nothing()  # type: ignore[assignment]
    driving = torch.cat([figures((4, 4), (34, 4)), figures((4, 8), (30, 4)), figures((4, 12), (26, 4))])
    clip = ((driving + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
    picture = torch.full((32, 48, 3), 255, dtype=torch.uint8).numpy()  # white, so that the foreground is what the mask shows
    seen: list[torch.Tensor] = []
    made.encoder.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0].chunk(2)[0][:, :1]))
    assert play.transfer(made, clip, picture).shape == (3, 32, 48, 3)
    for foreground, frame in zip(seen, driving[1:], strict=True):
        assert torch.equal(foreground[0, 0], (frame[0] > 0).float())


class Nothing(nn.Module):
    """A codebook that changes nothing."""

    vectors = torch.zeros(1, 3)

    def forward(self, x: torch.Tensor) -> Any:
        from glass_model.quantize import Quantized

        return Quantized(torch.zeros(len(x), dtype=torch.int64), x, x)


def test_the_latents_of_both_layers_are_added() -> None:
    """One encoder and one codebook for both; the decoder gets the sum of what was quantised."""
    torch.manual_seed(0)
    made = network(PRESETS["tiny"].override(model=SMALL | {"paste": False}))
    before, next_frame = torch.rand(2, 3, 32, 48) * 2 - 1, torch.rand(2, 3, 32, 48) * 2 - 1
    result = made(before, next_frame, stage=2)
    assert set(result.control.unique().tolist()) <= {0, 1} and not result.control.requires_grad
    layers = [made.to_code(made.encoder(result.before * m)) for m in (result.control, 1 - result.control)]
    torch.testing.assert_close(result.latent, torch.stack(layers))
    codes = torch.cdist(torch.stack(layers).movedim(2, -1).reshape(1, -1, 4), made.codebook.vectors[None])[0].argmin(1)
    assert torch.equal(codes, result.codes)
    nearest = made.codebook.vectors[codes].reshape(2, 2, 16, 24, 4).movedim(-1, 2)
    torch.testing.assert_close(result.nearest, nearest)
    torch.testing.assert_close(result.frame, made.decoder(made.from_code(nearest.sum(0))))
    free = network(PRESETS["tiny"].override(model=SMALL | {"paste": False, "quantised": False}))
    result = free(before, next_frame, stage=2)
    torch.testing.assert_close(result.frame, free.decoder(free.from_code(result.latent.sum(0))))


def test_control_masks_of_training() -> None:
    """In stage 1 the soft mask; in stage 2 that of the next frame, or this one moved to where the next one is."""
    pair = torch.cat([figures((20, 12)), figures((23, 12))])
    for control in ("mask", "transform"):
        made = model(control=control, fit_steps=5, fit_rate=0.01, reach=0)
        result = made(pair[:1], pair[1:], stage=2)
        assert torch.equal(result.control, (pair[1:, :1] > 0).float())
        assert torch.equal(result.mask, (pair[:1, :1] > 0).float())
    soft = made(pair[:1], pair[1:], stage=1)
    plain, carried = (model(carry=carry, reach=0)(pair[:1], pair[1:], stage=1).frame for carry in (False, True))
    assert torch.equal(plain, carried)
    assert torch.equal(soft.control, soft.mask) and soft.mask.min() > 0 and soft.mask.max() < 1
    assert made(pair[:1], pair[1:], stage=1, both=False).mask_after is None
    assert not made.controls.masks and model().controls.masks
