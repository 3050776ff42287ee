"""The whole model: passes, actions, centroids, reading and playing."""

import copy

import pytest
import torch

from glass_model.caddy.config import ModelConfig
from glass_model.caddy.model import CADDY, pushed, stacked
from glass_model.caddy.networks import Actions, Gaussian
from glass_model.systems import Action
from wsprites.errors import ArgumentError

SIZES = {"height": 32, "width": 48, "codes": 3, "channels": 2, "hidden_channels": 4, "decoder_channels": 8}


def trained(stack: int = 1) -> CADDY:
    """A model with statistics of BatchNorm that differ from their start, in eval mode."""
    torch.manual_seed(stack)
    model = CADDY(ModelConfig(**SIZES, stack=stack))
    with torch.no_grad():
        for _ in range(3):
            model.train()(torch.rand(4, 4, 3, 32, 48) * 2 - 1, 2)
    return model.eval()


@pytest.fixture(scope="module", params=[1, 3], ids=["single", "stacks"])
def model(request: pytest.FixtureRequest) -> CADDY:
    return trained(request.param)


@pytest.fixture
def frames() -> torch.Tensor:
    return torch.rand(2, 5, 3, 32, 48, generator=torch.Generator().manual_seed(0)) * 2 - 1


# Stacks.


def test_stacks_are_newest_first_and_repeat_the_first_frame() -> None:
    frames = torch.arange(5.0).reshape(1, 5, 1, 1, 1).expand(1, 5, 3, 2, 2)
    stacks = stacked(frames, 3)
    assert stacks.shape == (1, 5, 9, 2, 2) and stacked(frames, 1) is frames
    assert stacks[0, :, ::3, 0, 0].tolist() == [[0, 0, 0], [1, 0, 0], [2, 1, 0], [3, 2, 1], [4, 3, 2]]
    assert pushed(stacks[:, 2], torch.full((1, 3, 2, 2), 9.0))[0, ::3, 0, 0].tolist() == [9, 2, 1]


def test_generated_frames_enter_the_stack_newest_first(frames: torch.Tensor) -> None:
    model, first = trained(3), frames[:, 0]
    state, shown = model.start(first), [first, first, first]  # at the beginning the first frame stands for those before it
    for code in (0, 2, 1, 0):
        assert torch.equal(state.stack, torch.cat(shown[:3], 1))
        frame, state = model.step(state, Action(codes=torch.full((2,), code)))
        shown.insert(0, frame)


# Passes.


def test_shapes_of_both_passes(model: CADDY, frames: torch.Tensor) -> None:
    for given, length in ((2, 4), (None, 5)):
        result = model(frames, given)
        assert [image.shape for image in result.images] == [(2, length, 3, 32 // k, 48 // k) for k in (1, 2, 4)]
        for encoded, actions in ((result.true, result.actions), (result.made, result.actions_made)):
            assert encoded.state.shape == (2, 5, 8, 4, 6) and encoded.attention.shape == (2, 5, 1, 4, 6)
            assert actions.frames.mean.shape == (2, 5, 2) and actions.direction.variance.shape == (2, 4, 2)
            assert actions.sample.shape == (2, 4, 2) and actions.logits.shape == (2, 4, 3)
        assert (result.hidden is None) == (given is not None)
        assert result.hidden is None or [part.shape for part in result.hidden] == [(2, 4, 4, 4, 6)] * 2


def test_the_reconstruction_begins_with_given_frames(model: CADDY, frames: torch.Tensor) -> None:
    """Up to G the encoded frames are the true ones; the last of a sequence is always generated."""
    for given, same in ((1, 1), (3, 3), (9, 4)):
        result = model(frames, given)
        equal = [torch.equal(result.made.state[:, t], result.true.state[:, t]) for t in range(5)]
        assert equal == [True] * same + [False] * (5 - same)


def test_what_is_generated_depends_on_no_later_frame(model: CADDY, frames: torch.Tensor) -> None:
    """Action t is read from frames t and t + 1, and frame t + 1 is the first that it has an effect on."""
    other = frames.clone()
    other[:, 3:] *= -1
    for given in (1, 5, None):
        ours, theirs = (model(x, given).images[0] for x in (frames, other))
        first = 3 if given is None else 2  # without the first frame, frame 3 is entry 2
        torch.testing.assert_close(ours[:, :first], theirs[:, :first])
        assert not torch.equal(ours[:, first], theirs[:, first])


def test_steps_are_the_pass(model: CADDY, frames: torch.Tensor) -> None:
    """Fed with the codes and directions that were read, start and step make what forward makes from one given frame on."""
    reading, made = model.infer(frames), model(frames, 1)
    assert reading.codes is not None and reading.vectors is not None
    state = model.start(frames[:, 0])
    for t in range(4):
        frame, state = model.step(state, Action(codes=reading.codes[:, t], vectors=reading.vectors[:, t]))
        torch.testing.assert_close(frame, made.images[0][:, t], rtol=1e-4, atol=1e-5)


def test_observed_frames_are_given_frames(model: CADDY, frames: torch.Tensor) -> None:
    """With true frames shown after the first two steps, start and step make what forward makes from three given frames on."""
    reading, made = model.infer(frames), model(frames, 3)
    assert reading.codes is not None and reading.vectors is not None
    state = model.start(frames[:, 0])
    for t in range(4):
        shown, state = model.step(state, Action(reading.codes[:, t], reading.vectors[:, t]))
        torch.testing.assert_close(shown, made.images[0][:, t], rtol=1e-3, atol=1e-4)
        if t < 2:
            before = state.stack.clone()
            observed = model.observe(state, frames[:, t + 1])
            assert torch.equal(state.stack, before)  # what is passed is not changed
            state = observed
    with pytest.raises(ArgumentError, match="frame: the shape is"):
        model.observe(state, frames)


def test_pretraining_decodes_states_and_predicts_what_is_decoded(frames: torch.Tensor) -> None:
    model = trained()
    result = model(frames, None)
    wanted = model.to_hidden(result.true.state.flatten(0, 1))
    torch.testing.assert_close(result.images[0].flatten(0, 1), model.decoder(wanted)[0])
    assert result.hidden is not None
    predicted, target = result.hidden
    torch.testing.assert_close(target, wanted.reshape(2, 5, 4, 4, 6)[:, 1:])
    # Teacher-forced: another frame 1 has no effect on the state that step 2 sees.
    controls, memory = model._controls_of(result.actions, 1.0), model.dynamics.start(2)
    for t in range(4):
        hidden, memory = model.dynamics(result.true.state[:, t], controls[:, t], memory)
        torch.testing.assert_close(hidden, predicted[:, t])
    encoded = model.encoder(result.images[0].flatten(0, 1))
    torch.testing.assert_close(encoded.state.reshape(2, 5, 8, 4, 6), result.made.state)


# Actions.


def test_directions_are_sampled_in_training_only(frames: torch.Tensor) -> None:
    model = trained()
    with torch.no_grad():
        model.action_net.variance.bias.fill_(4.0)
    first, second = (model(frames, 2).actions for _ in range(2))
    assert torch.equal(first.logits, second.logits) and torch.equal(first.sample, first.direction.mean)
    logits = first.direction.mean @ model.action_net.logits.weight.T + model.action_net.logits.bias
    torch.testing.assert_close(first.logits, logits)
    assert torch.equal(model.infer(frames).codes, logits.argmax(-1))
    model.train()
    first, second = (model(frames, 2).actions for _ in range(2))
    torch.testing.assert_close(first.direction.mean, second.direction.mean)
    assert not torch.equal(first.logits, second.logits)
    # Reading never samples, in whichever mode the network is.
    first, second = (copy.deepcopy(model).infer(frames) for _ in range(2))
    assert torch.equal(first.codes, second.codes) and torch.equal(first.vectors, second.vectors)


def actions_of(mean: list[list[float]], logits: list[list[float]], noise: float = 0.0) -> Actions:
    direction = Gaussian(torch.tensor([mean]), torch.ones(1, len(mean), 2))
    return Actions(direction, direction, direction.mean + noise, torch.tensor([logits]))


def test_centroids_follow_mean_directions_in_training() -> None:
    model, big = trained(), 200.0  # one code is certain
    model.centroids.copy_(torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))
    actions = actions_of([[0.0, 4.0], [2.0, 0.0], [5.0, 5.0]], [[big, 0, 0], [big, 0, 0], [0, 0, 0.0]], noise=7.0)
    model._controls_of(actions, 1.0)
    assert torch.equal(model.centroids, torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]))  # not in eval mode
    model.train()._controls_of(actions, 1.0)
    # Code 0 has the first two with weight 1 and the third with 1/3; codes 1 and 2 have the third alone.
    first = (torch.tensor([0.0, 4.0]) + torch.tensor([2.0, 0.0]) + torch.tensor([5.0, 5.0]) / 3) / (7 / 3)
    batch = torch.stack([first, torch.tensor([5.0, 5.0]), torch.tensor([5.0, 5.0])])
    expected = 0.9 * torch.tensor([[1.0, 1.0], [2.0, 2.0], [3.0, 3.0]]) + 0.1 * batch
    torch.testing.assert_close(model.centroids, expected)
    model._controls_of(actions_of([[1.0, 1.0]], [[big, 0, 0]]), 1.0)  # codes 1 and 2 have no probability in float32
    assert torch.equal(model.centroids[1:], expected[1:]) and model.centroids.isfinite().all()


def test_nothing_moves_outside_of_training(frames: torch.Tensor) -> None:
    model = trained()
    before = copy.deepcopy(model.state_dict())
    model(frames, 2)
    model(frames, None)
    model.infer(frames)
    model.step(model.start(frames[:, 0]), Action(codes=torch.tensor([0, 1])))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    model.train()(frames, 2)
    assert not torch.equal(model.centroids, before["centroids"]) and torch.equal(model.joint, before["joint"])


def test_the_variation_is_a_weighted_sum_of_differences_from_centroids() -> None:
    model = trained().train()
    torch.manual_seed(0)
    actions = actions_of([[0.0, 4.0], [2.0, 0.0]], [[1.0, 0, 0], [0, 0, 0.5]], noise=0.3)
    controls = model._controls_of(actions, 0.7)[0]
    weights, variation = controls.split((3, 2), -1)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2))
    for n in range(2):
        by_hand = sum(weights[n, k] * (actions.sample[0, n] - model.centroids[k]) for k in range(3))
        torch.testing.assert_close(variation[n], by_hand)


def test_the_gumbel_softmax_chooses_codes_with_their_probability() -> None:
    """At a low temperature, the likeliest entry of the noisy weights is code k with probability softmax(logits)_k."""
    model, logits = trained().train(), torch.tensor([1.0, 0.0, -1.0])
    actions = Actions(
        *(Gaussian(torch.zeros(20_000, 1, 2), torch.ones(20_000, 1, 2)),) * 2, torch.zeros(20_000, 1, 2), logits.expand(20_000, 1, 3)
    )
    torch.manual_seed(0)
    cold, warm = (model._controls_of(actions, temperature)[:, 0, :3] for temperature in (0.05, 5.0))
    torch.testing.assert_close(cold.mean(0), logits.softmax(0), atol=0.02, rtol=0)
    assert cold.max(-1).values.mean() > 0.9 > 0.6 > warm.max(-1).values.mean()  # soft samples


def test_a_code_without_a_vector_has_no_variation(model: CADDY, frames: torch.Tensor) -> None:
    state, codes = model.start(frames[:, 0]), torch.tensor([2, 0])
    plain, _ = model.step(state, Action(codes=codes))
    centred, _ = model.step(state, Action(codes=codes, vectors=model.centroids[codes]))
    varied, _ = model.step(state, Action(codes=codes, vectors=model.centroids[codes] + 1.0))
    torch.testing.assert_close(centred, plain)
    assert not torch.allclose(varied, plain)
    controls = model._controls(codes, model.centroids[codes] + 1.0)
    torch.testing.assert_close(controls, torch.tensor([[0, 0, 1.0, 1, 1], [1, 0, 0, 1, 1]]))


def test_a_vector_without_a_code_has_its_likeliest_one(model: CADDY, frames: torch.Tensor) -> None:
    reading, state = model.infer(frames), model.start(frames[:, 0])
    assert reading.codes is not None and reading.vectors is not None
    alone, _ = model.step(state, Action(vectors=reading.vectors[:, 1]))
    both, _ = model.step(state, Action(codes=reading.codes[:, 1], vectors=reading.vectors[:, 1]))
    assert torch.equal(alone, both)


def test_what_is_no_action(model: CADDY, frames: torch.Tensor) -> None:
    state = model.start(frames[:, 0])
    with pytest.raises(ArgumentError, match=r"takes codes 0 to 2, vectors of size 2, and no shift$"):
        model.step(state, Action(codes=torch.tensor([0, 0]), shift=torch.zeros(2, 2)))


# Reading.


def test_a_reading_is_of_two_stacks_alone(model: CADDY, frames: torch.Tensor) -> None:
    whole, back = model.infer(frames), model.config.stack - 1
    assert whole.codes is not None and whole.vectors is not None and whole.vectors.std() > 0
    for t in range(back, 4):
        pair = model.infer(frames[:, t - back : t + 2])
        assert pair.codes is not None and pair.vectors is not None
        assert torch.equal(pair.codes[:, -1], whole.codes[:, t])
        torch.testing.assert_close(pair.vectors[:, -1], whole.vectors[:, t], rtol=1e-4, atol=1e-5)


def test_long_videos_are_read_in_pieces(model: CADDY, monkeypatch: pytest.MonkeyPatch) -> None:
    frames = torch.randint(0, 256, (3, 7, 3, 40, 50), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
    whole = model.infer(frames)
    monkeypatch.setattr("glass_model.caddy.model._AT_ONCE", 4)
    for ours, theirs in zip(model.infer(frames), whole, strict=True):
        assert ours is theirs is None or torch.allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    assert whole.masks is not None and whole.masks.shape == (3, 7, 40, 50) and whole.shift is None is whole.background_shift


def test_memory_is_passed_and_kept(model: CADDY, frames: torch.Tensor) -> None:
    """The same state and action give the same frame, whatever was generated in between; another history gives another one."""
    start, action = model.start(frames[:, 0]), Action(codes=torch.tensor([1, 1]))
    frame, state = model.step(start, action)
    later, _ = model.step(state, action)
    model.step(model.start(frames[:, 1]), Action(codes=torch.tensor([0, 2])))
    assert torch.equal(model.step(start, action)[0], frame) and torch.equal(model.step(state, action)[0], later)
    forgetful, _ = model.step(state._replace(memory=start.memory), action)
    assert not torch.allclose(forgetful, later)
