"""The whole model: what depends on what, reading, playing, and windows."""

import copy
from dataclasses import replace
from typing import Any

import pytest
import torch
from narrow_lam import NARROW

from glass_model.images import resize
from glass_model.lam.config import PRESETS, ModelConfig
from glass_model.lam.model import LAM
from glass_model.lam.window import histories
from glass_model.systems import Action, Observing
from wsprites.errors import ArgumentError

SIZES: dict[str, Any] = {
    "height": 32,
    "width": 48,
    "scale": 1,
    **NARROW,
    "patch": 8,
    "layers": 1,
    "heads": 2,
    "embedding": 8,
}
KINDS: dict[str, dict[str, Any]] = {
    "vq": {},
    "frames": {"difference": False, "context": 2},
    "product": {"groups": 4, "books": 2},
    "fsq": {"bottleneck": "fsq", "levels": (3, 5)},
    "vae": {"bottleneck": "vae"},
    "none": {"bottleneck": "none", "context": 3},
    "transformer": {"backbone": "transformer", "context": 2},
    "latent": {"latent": True, "context": 2},
    "window": {"figure": 16, "height": 32},
    "scaled window": {"figure": 16, "scale": 2},
    "gma": {"figure": 16, "follow": "gma", "mask_scale": 1, "mask_channels": 2},
    "softmax": {"bottleneck": "softmax", "encoder": "strided"},
    "figure alone": {"figure": 16, "follow": "gma", "mask_scale": 1, "mask_channels": 2, "figure_only": True},
}


def model_of(kind: str) -> LAM:
    torch.manual_seed(0)
    model = LAM(ModelConfig(**(SIZES | KINDS[kind])))
    with torch.no_grad():  # otherwise nothing changes, and codes are far from vectors
        for parameter in model.dynamics.parameters():
            parameter.add_(0.05 * torch.randn_like(parameter))
    x = model.view(frames(8), model.corners(frames(8)))
    model(x, x)
    return model.eval()


def frames(batch: int = 2, length: int = 6) -> torch.Tensor:
    return torch.rand(batch, length, 3, 32, 48, generator=torch.Generator().manual_seed(batch)) * 2 - 1


@pytest.fixture(scope="module", params=KINDS)
def model(request: pytest.FixtureRequest) -> LAM:
    return model_of(request.param)


# What depends on what.


def test_the_future_reaches_the_forward_model_through_z_alone(model: LAM) -> None:
    """Given z, another next frame changes nothing; and z of a transition knows no frame after it."""
    k = model.config.context
    x = model.view(frames(), model.corners(frames()))
    ours = model(x, x)
    other = x.clone()
    other[:, k] = 0.3  # the frame that transition 0 leads to
    shown = model(x, other)
    count = x.shape[1] - k
    pick = torch.arange(2) * count  # transition 0 of each sequence
    assert torch.equal(ours.frame[pick], shown.frame[pick]) and not torch.equal(ours.target[pick], shown.target[pick])
    seen = model(other, x)
    assert not torch.equal(ours.through.vector[pick], seen.through.vector[pick])
    later = x.clone()
    later[:, k + 1 :] = 0.3
    torch.testing.assert_close(model(later, later).through.vector[pick], ours.through.vector[pick])


def test_a_reading_depends_on_its_frames_alone(model: LAM) -> None:
    """Frames t - k + 1 to t + 1, and no later or earlier ones."""
    k, x = model.config.context, frames()
    vectors = model.infer(x).vectors
    assert vectors is not None
    for t in range(5):
        other = -x
        other[:, max(t - k + 1, 0) : t + 2] = x[:, max(t - k + 1, 0) : t + 2]
        if t - k + 1 > 0:
            other[:, 0] = 0
        read = model.infer(other).vectors
        assert read is not None
        torch.testing.assert_close(read[:, t], vectors[:, t], rtol=1e-4, atol=1e-5)


def test_readings_do_not_depend_on_how_many_there_are(model: LAM) -> None:
    x = frames(1, 70)
    long, short = model.infer(x), model.infer(x[:, 60:])
    for ours, theirs in zip(long, short, strict=True):
        if ours is not None and theirs is not None:
            k = model.config.context - 1
            torch.testing.assert_close(ours[:, 60 + k :], theirs[:, k:], rtol=1e-4, atol=1e-4)


def test_a_pass_is_reading_and_steps(model: LAM) -> None:
    """Vectors and codes of `forward` are those of `infer`, and its frames those of `step`."""
    if model.config.follow == "gma" and model.config.figure:
        return  # its windows are looked at below
    k, x = model.config.context, frames(2, 5)
    corner = model.corners(x)
    view = model.view(x, corner)
    result, reading = model(view, view), model.infer(x)
    assert reading.vectors is not None and reading.vectors.shape == (2, 4, model.config.dimensions)
    ours = result.through.vector.reshape(2, 5 - k, -1)
    torch.testing.assert_close(reading.vectors[:, k - 1 :], ours, rtol=1e-4, atol=1e-5)
    joint = result.through.codes[:, 0] if model.config.groups == 1 else model.joint(result.through.codes)
    assert reading.codes is not None and torch.equal(reading.codes[:, k - 1 :].flatten(), joint)
    assert torch.equal(model.groups(x)[:, k - 1 :].flatten(0, 1), result.through.codes)
    # The last transition, from true frames.
    state = model.start(x[:, 0])._replace(frames=x[:, 4 - k : 4], corner=None if corner is None else corner[:, 4 - k : 4])
    shift = None if corner is None else corner[:, 4] - corner[:, 3]
    for action in (Action(codes=reading.codes[:, -1], shift=shift), Action(vectors=reading.vectors[:, -1], shift=shift)):
        if action.codes is not None and model.config.bottleneck in ("vae", "none"):
            continue  # a code is the middle of its cluster
        frame, _ = model.step(state, action)
        drawn = result.frame.reshape(2, 5 - k, *result.frame.shape[1:])[:, -1].clamp(-0.5, 0.5) * 2
        if corner is None:
            torch.testing.assert_close(frame, drawn, rtol=1e-4, atol=1e-4)
        elif model.config.scale == 1:
            torch.testing.assert_close(
                model.view(frame[:, None], corner[:, 4:])[:, 0] * 2, inside(drawn, corner[:, 4]), rtol=1e-4, atol=1e-4
            )


def inside(drawn: torch.Tensor, corner: torch.Tensor) -> torch.Tensor:
    """What of a window lies in a frame of 32 x 48; zeros elsewhere."""
    kept = drawn.clone()
    for row, (x, y) in enumerate(corner.round().long().tolist()):
        for i in range(16):
            for j in range(16):
                if not (0 <= y + i < 32 and 0 <= x + j < 48):
                    kept[row, :, i, j] = 0
    return kept


@pytest.mark.parametrize("sizes", [{}, {"figure": 16}])
def test_half_sizes_do_not_blur_more_from_step_to_step(sizes: dict[str, int]) -> None:
    """At first a model predicts no change. What it sees of its own frames stays what it saw of the first one."""
    model = LAM(PRESETS["base"].override(model={**SIZES, "scale": 2, **sizes}).model).eval()
    state = model.start(torch.rand(2, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1)
    first = model.view(state.frames, state.corner)
    for _ in range(5):
        _, state = model.step(state, Action(codes=torch.zeros(2, dtype=torch.int64)))
        torch.testing.assert_close(model.view(state.frames, state.corner), first, rtol=1e-4, atol=1e-4)


def test_true_frames_are_shown_to_a_model_with_a_memory() -> None:
    """The newest frame and its window are replaced; the states of a video that is observed are those of true frames."""
    model = model_of("window")
    x = torch.rand(2, 3, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1
    action = Action(codes=torch.zeros(2, dtype=torch.int64))
    _, after = model.step(model.start(x[:, 0]), action)
    shown = model.observe(after, x[:, 1])
    corners = model.corners(x)
    assert isinstance(model, Observing) and corners is not None and shown.corner is not None
    torch.testing.assert_close(shown.frames[:, -1], x[:, 1])
    torch.testing.assert_close(shown.corner[:, -1], corners[:, 1])
    assert torch.equal(shown.frames[:, :-1], after.frames[:, :-1]) and not torch.equal(after.frames[:, -1], x[:, 1])


@pytest.mark.parametrize(("kind", "behind"), [("window", True), ("window", False), ("vq", True)])
def test_windows_are_drawn_from_the_last_true_frame_by_a_model_of_earlier_frames(kind: str, behind: bool) -> None:
    """The same code gives the same window at every step, wherever it is; other models go on from what they drew."""
    trained, x = model_of(kind), frames(2, 2)
    model = LAM(trained.config, behind=behind).eval()
    model.load_state_dict(trained.state_dict())
    action = Action(codes=torch.tensor([1, 2]))
    first, state = model.step(model.start(x[:, 0]), action)
    second, state = model.step(state, action)
    assert torch.equal(first, second) == (kind == "window" and behind)
    # A true frame takes the place of the first one.
    seen, _ = model.step(model.observe(state, x[:, 1]), action)
    begun, _ = model.step(model.start(x[:, 1]), action)
    assert torch.equal(seen, begun) and not torch.equal(seen, second)


# Frames before and after.


def test_histories_are_oldest_first_and_repeat_the_first_frame() -> None:
    images = torch.arange(5.0).reshape(1, 5, 1, 1, 1).expand(1, 5, 3, 1, 1)
    stacks = histories(images, torch.tensor([[0, 1, 4]]), 3)
    assert stacks[:, ::3, 0, 0].tolist() == [[0, 0, 0], [0, 0, 1], [2, 3, 4]]


def test_frames_far_ahead() -> None:
    """With `ahead` the inverse model sees x_t+j, the forward model still predicts x_t+1."""
    model = model_of("frames")  # k = 2
    x = frames(2, 6) / 2
    ahead = torch.tensor([[1, 3], [2, 1]])
    result = model(x, x, ahead, 3)
    assert torch.equal(result.target, x[:, 2:4].flatten(0, 1)) and torch.equal(result.before, x[:, 1:3].flatten(0, 1))
    for row, n in ((0, 0), (0, 1), (1, 0), (1, 1)):
        pair = torch.cat([x[row, n], x[row, n + 1], x[row, n + 1 + int(ahead[row, n])]])[None]
        vector, _ = model.bottleneck.read(model.inverse(pair))
        torch.testing.assert_close(result.through.vector[2 * row + n], vector[0], rtol=1e-4, atol=1e-5)


def test_frames_further_back(model: LAM) -> None:
    """With `back` the forward model predicts x_t+1 from the frames that end so many places before t, and z is that of x_t."""
    k, x = model.config.context, model.view(frames(), model.corners(frames()))
    usual, back = model(x, x), model(x, x, back=2)
    pick = torch.arange(2)[:, None] * (6 - k) + torch.arange(2, 6 - k)  # transitions with two frames more before them
    torch.testing.assert_close(back.through.vector, usual.through.vector[pick.flatten()], rtol=1e-4, atol=1e-5)
    assert torch.equal(back.target, usual.target[pick.flatten()]) and torch.equal(back.before, usual.before[pick.flatten()])
    assert torch.equal(back.given, usual.before[pick.flatten() - 2])
    other = x.clone()
    other[:, -2:] = 0.3  # x_t and x_t+1 of the last transition
    last = torch.tensor([-1 - (4 - k), -1])
    assert torch.equal(model(x, other, back=2).frame[last], back.frame[last])


def test_differences() -> None:
    """The inverse model sees x_t and the difference, and a still pair has none."""
    model = model_of("vq")
    x = frames(2, 2) / 2
    seen = torch.cat([x[:, 0], x[:, 1] - x[:, 0]], 1)
    vector, _ = model.bottleneck.read(model.inverse(seen))
    torch.testing.assert_close(model(x, x).through.vector, vector)
    still = model(x, x, still=True).still
    nothing, _ = model.bottleneck.read(model.inverse(torch.cat([x[:, 0], torch.zeros_like(x[:, 0])], 1)))
    assert still is not None
    torch.testing.assert_close(still, nothing)


# Modes.


def test_codebooks_move_in_training_and_only_there() -> None:
    for kind in ("vq", "product", "vae", "none", "latent", "transformer", "window"):
        model = model_of(kind)
        before = copy.deepcopy(model.state_dict())
        x = model.view(frames(), model.corners(frames()))
        model(x, x)
        model.train().infer(frames())
        model.step(model.start(frames()[:, 0]), Action(codes=torch.tensor([0, 1])))
        assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
        model.train()(x, x)
        assert not torch.equal(model.state_dict()["bottleneck.codebooks.vectors"], before["bottleneck.codebooks.vectors"]), kind


def test_reading_never_samples() -> None:
    model = model_of("vae").train()
    first, second = (model.infer(frames()).vectors for _ in range(2))
    assert first is not None and second is not None and torch.equal(first, second)
    x = model.view(frames(), None)
    assert not torch.equal(model(x, x).through.passed, model(x, x).through.passed)


def test_which_part_learns_from_which_term() -> None:
    """The encoder of the latent prediction learns through z alone: the forward model of frames, and the target, teach it nothing."""
    model = model_of("latent").train()
    x = frames(4) / 2
    result = model(x, x)
    result.frame.square().sum().backward(retain_graph=True)
    reached = {name for name, part in model.named_children() if any(p.grad is not None for p in part.parameters())}
    assert reached == {"dynamics"}
    model.zero_grad()
    assert result.latent is not None and not result.latent[1].requires_grad
    result.latent[0].square().sum().backward()
    reached = {name for name, part in model.named_children() if any(p.grad is not None for p in part.parameters())}
    assert reached == {"encoder", "inverse_head", "forward_head"}
    # With z as it is, the prediction has no gradient to the encoding that it begins with.
    before = model.encoder(x[:, 0, None].expand(-1, 2, -1, -1, -1).flatten(1, 2))
    predicted, _, _ = model._predict_latent(before, x[:, :2].flatten(1, 2), x[:, :2].flatten(1, 2), torch.zeros(4, 4), same=True)
    assert torch.autograd.grad(predicted.sum(), before, allow_unused=True)[0] is None


def test_the_target_follows_the_encoder() -> None:
    model = model_of("latent")
    assert all(torch.equal(a, b) for a, b in zip(model.target.parameters(), model.encoder.parameters(), strict=True))
    before = [parameter.clone() for parameter in model.target.parameters()]
    with torch.no_grad():
        for parameter in model.encoder.parameters():
            parameter.add_(1.0)
    model.update_target()
    for ours, was in zip(model.target.parameters(), before, strict=True):
        torch.testing.assert_close(ours, was + 0.001, rtol=0, atol=1e-6)
        assert not ours.requires_grad


# Codes.


def test_a_code_is_one_number_for_all_groups(model: LAM) -> None:
    config = model.config
    if config.groups == 1:
        return
    state = model.start(frames()[:, 0])
    assert model.controls.codes == 3**4
    for code in (0, 5, 80):
        digits = [code // 3**g % 3 for g in range(4)]
        vectors = model.bottleneck.look_up(torch.tensor([digits] * 2))
        assert model.joint(torch.tensor(digits)).item() == code
        frame, _ = model.step(state, Action(codes=torch.full((2,), code)))
        torch.testing.assert_close(frame, model.step(state, Action(vectors=vectors))[0])


def test_too_many_codes_are_none() -> None:
    model = LAM(ModelConfig(**(SIZES | {"groups": 8, "codes": 64}))).eval()
    assert str(model.controls) == "vectors of size 32"
    reading = model.infer(frames())
    assert reading.codes is None and reading.vectors is not None and model.groups(frames()).shape == (2, 5, 8)
    with pytest.raises(ArgumentError, match="this model takes vectors of size 32, and no codes"):
        model.step(model.start(frames()[:, 0]), Action(codes=torch.tensor([0, 0])))


# Windows.


@pytest.mark.parametrize("kind", ["window", "scaled window"])
def test_windows_follow_and_only_they_change(kind: str) -> None:
    model = model_of(kind)
    x, start = frames(1, 3), None
    corner = model.corners(x)
    assert corner is not None and model.view(x, corner).shape[-2:] == model.config.seen
    state = model.start(x[:, 0])
    assert state.corner is not None
    torch.testing.assert_close(state.corner[:, -1], corner[:, 0])
    state, start = state._replace(corner=torch.tensor([[[10.0, 6.0]]])), x[:, 0]
    frame, after = model.step(state, Action(codes=torch.tensor([1]), shift=torch.tensor([[3.0, -2.0]])))
    assert after.corner is not None and after.corner[0, -1].tolist() == [13, 4]
    changed = (frame != start).any(1)[0]
    assert changed[4:20, 13:29].float().mean() > 0.9
    changed[4:20, 13:29] = False
    assert not changed.any()
    # In a picture of twice the size, the same motion has twice as many pixels.
    large = resize(x[:, 0], (64, 96))
    begun = model.start(large)
    assert begun.corner is not None
    _, moved = model.step(begun, Action(codes=torch.tensor([1]), shift=torch.tensor([[6.0, -4.0]])))
    assert moved.corner is not None
    torch.testing.assert_close(moved.corner[:, -1] - begun.corner[:, -1], torch.tensor([[3.0, -2.0]]))
    shift, twice = model.infer(x).shift, model.infer(resize(x, (64, 96))).shift
    assert shift is not None and twice is not None
    torch.testing.assert_close(shift, corner.diff(dim=1), rtol=1e-4, atol=1e-4)
    assert twice.shape == shift.shape


def test_an_inverse_model_of_the_figure_alone() -> None:
    """It sees what the mask net finds and nothing of the scene, in training and when it reads."""
    model = model_of("figure alone")
    assert model.follower is not None
    model.follower.mask = Blob()
    torch.manual_seed(0)
    frame = torch.rand(1, 2, 3, 32, 48) - 1  # no red: scene
    frame[:, :, 0, 8:20, 18:28] = 1
    other = torch.rand(1, 2, 3, 32, 48) - 1
    other[..., 8:20, 18:28] = frame[..., 8:20, 18:28]
    (seen, corner), (also, _) = model.readable(frame), model.readable(other)
    assert torch.equal(seen, also) and torch.equal(model.infer(frame).vectors, model.infer(other).vectors)
    masks = model.follower.masks(frame.flatten(0, 1))
    ground = torch.tensor([[0.1, 0.2, 0.3]])
    painted = model.read_from(model.view(frame, corner), corner, masks, ground=ground)
    where = (painted - seen).abs().amax(2, keepdim=True) > 0
    torch.testing.assert_close(painted, torch.where(where, ground[:, None, :, None, None], seen))
    assert 0 < where.float().mean() < 1 and not torch.equal(model.view(frame, corner), model.view(other, corner))


def test_a_mask_net_is_not_trained() -> None:
    model = model_of("gma").train()
    follower = model.follower
    assert follower is not None and follower.mask is not None and follower.training
    assert not any(module.training for module in follower.mask.modules())
    assert not any(parameter.requires_grad for parameter in follower.mask.parameters())


class Blob(torch.nn.Module):
    """Sees the red colour as a mask."""

    def forward(self, frame: torch.Tensor) -> torch.Tensor:
        return (frame[:, :1] > 0.5).float()


@pytest.mark.parametrize("scale", [1, 2])
def test_windows_are_placed_around_the_middle_of_the_mask(scale: int) -> None:
    model = model_of("gma")
    assert model.follower is not None
    model.follower._config = replace(model.config, mask_scale=scale)
    model.follower.mask = Blob()
    x = torch.full((1, 1, 3, 32, 48), -1.0)
    x[..., 0, 8:16, 20:32] = 1  # the middle, between pixels, is (26, 12)
    corner = model.corners(x)
    assert corner is not None
    torch.testing.assert_close(corner[0, 0], torch.tensor([26.0 - 8, 12.0 - 8]), rtol=0, atol=0.02)
