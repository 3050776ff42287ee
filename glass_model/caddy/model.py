"""CADDY: the networks together; training, reading actions from videos, and playing.

Inside, frames are float32 (B, T, 3, H, W) in [-1, 1] at the model's size. `infer`, `start` and `step` follow
`glass_model.systems.Playable`: frames of any size. Action t leads from frame t to frame t + 1.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import Memory, by_sequence
from glass_model.caddy.config import ModelConfig
from glass_model.caddy.networks import ActionNet, Actions, Decoder, Dynamics, Gaussian
from glass_model.encoder import Encoded, Encoder
from glass_model.images import resize, to_float
from glass_model.systems import Action, Controls, Reading, check_frames

KEPT = 0.9
"""Share of a centroid that a step of training keeps."""
_AT_ONCE = 64  # frames that `infer` encodes together, so that a long video needs little memory


class Result(NamedTuple):
    """What `forward` computes for the losses. Images have N = T - 1 frames, without the first; in pretraining N = T."""

    images: tuple[Tensor, ...]
    """(B, N, 3, H, W), and half and a quarter of that size: the reconstruction, float32 in [-1, 1]."""
    true: Encoded
    """Encoded true frames, with leading axes (B, T)."""
    made: Encoded
    """Encoded reconstruction, (B, T); the first G frames are the true ones after pretraining."""
    actions: Actions
    """Actions read from the true frames."""
    actions_made: Actions
    """Actions read from the reconstruction."""
    hidden: tuple[Tensor, Tensor] | None
    """(B, T - 1, Hc, h, w) each: output of the dynamics, and what the decoder got instead; None after pretraining."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    stack: Tensor
    """(B, 3 S, H, W): the frame that is shown and those before it, newest first, at the model's size."""
    memory: Memory
    """Memory of the dynamics."""
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""


class CADDY(nn.Module):
    """The model of Menapace et al., Playable Video Generation (CVPR 2021).

    An action is a code and its variation, a vector that says how the direction of this transition differs from the centroid of its code.
    `Reading.vectors` and `Action.vectors` are directions, (B, d): the variation is `vectors - centroids[codes]`, and 0 without vectors.

    Args:
        config: sizes of the networks.
    """

    centroids: Tensor
    joint: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config, codes = config, config.codes
        self.controls = Controls(codes=codes, vectors=config.action_size)
        self.encoder = Encoder(config.channels, 3 * config.stack)
        self.action_net = ActionNet(config.channels, config.action_size, codes)
        self.dynamics = Dynamics(config)
        self.decoder = Decoder(config.hidden_channels, config.decoder_channels)
        self.to_hidden = nn.Conv2d(4 * config.channels, config.hidden_channels, 3, padding=1)  # of pretraining
        # Learned from averages, not by gradients: the mean direction of each code, and the joint distribution of MI.
        self.register_buffer("centroids", torch.randn(codes, config.action_size))
        self.register_buffer("joint", torch.full((codes, codes), codes**-2.0))

    # Training.

    def forward(self, frames: Tensor, given: int | None, temperature: float | Tensor = 1.0) -> Result:
        """Read the actions of sequences and reconstruct the sequences from them.

        Args:
            frames: (B, T, 3, H, W) at the model's size, from `to_model`.
            given: G, the number of first steps in which the dynamics get true frames, up to T - 1; None for pretraining.
            temperature: temperature of the Gumbel softmax.
        """
        stacks = stacked(frames, self.config.stack)
        true = self._encode(stacks)
        actions = self._act(true)
        controls = self._controls_of(actions, temperature)
        images, made, hidden = self._pretrain(true, controls) if given is None else self._predict(stacks, true, controls, given)
        return Result(images, true, made, actions, self._act(made), hidden)

    def _pretrain(self, true: Encoded, controls: Tensor) -> tuple[tuple[Tensor, ...], Encoded, tuple[Tensor, Tensor]]:
        """Decode the true states themselves, and let the dynamics predict what the decoder gets."""
        batch, length = true.state.shape[:2]
        wanted = self.to_hidden(true.state.flatten(0, 1))
        images = tuple(by_sequence(image, batch) for image in self.decoder(wanted))
        memory, predicted = self.dynamics.start(batch), []
        for t in range(length - 1):
            hidden, memory = self.dynamics(true.state[:, t], controls[:, t], memory)
            predicted.append(hidden)
        made = self._encode(stacked(images[0], self.config.stack))
        return images, made, (torch.stack(predicted, 1).float(), by_sequence(wanted, batch)[:, 1:].float())

    def _predict(self, stacks: Tensor, true: Encoded, controls: Tensor, given: int) -> tuple[tuple[Tensor, ...], Encoded, None]:
        """Generate all frames but the first: the first `given` steps see true frames, the others what was generated."""
        batch, length = stacks.shape[:2]
        stack, encoded, memory = stacks[:, 0], Encoded(true.state[:, 0], true.attention[:, 0]), self.dynamics.start(batch)
        made, encodings = [], [encoded]
        for t in range(length - 1):
            images, memory = self.transition(encoded.state, controls[:, t], memory)
            made.append(images)
            if t + 1 < min(given, length - 1):
                stack, encoded = stacks[:, t + 1], Encoded(true.state[:, t + 1], true.attention[:, t + 1])
            else:
                stack = pushed(stack, images[0])
                encoded = self.encoder(stack)
            encodings.append(encoded)
        sequences = tuple(torch.stack(scale, 1) for scale in zip(*made, strict=True))
        state, attention = (torch.stack([part.float() for part in parts], 1) for parts in zip(*encodings, strict=True))
        return sequences, Encoded(state, attention), None

    def transition(self, state: Tensor, controls: Tensor, memory: Memory) -> tuple[tuple[Tensor, ...], Memory]:
        """The next frame at three scales, from the state of a frame, (B, 4c, h, w), and an action, (B, K + d)."""
        hidden, memory = self.dynamics(state, controls, memory)
        return self.decoder(hidden), memory

    def _encode(self, stacks: Tensor) -> Encoded:
        """Encode sequences of stacks, (B, T, 3 S, H, W)."""
        state, attention = self.encoder(stacks.flatten(0, 1))
        return Encoded(by_sequence(state.float(), len(stacks)), by_sequence(attention.float(), len(stacks)))

    def _act(self, encoded: Encoded) -> Actions:
        """The actions of encoded sequences, with leading axes (B, T): samples of them in training."""
        places = self.action_net(Encoded(*(x.flatten(0, 1) for x in encoded)))
        batch = len(encoded.state)
        return self.action_net.between(Gaussian(*(by_sequence(x, batch) for x in places)), sampled=self.training)

    def _controls_of(self, actions: Actions, temperature: float | Tensor) -> Tensor:
        """What the dynamics get of each action, (B, T - 1, K + d): weights of the codes, and the variation.

        In training, the weights are a Gumbel softmax, and the centroids follow the mean directions of the codes. Otherwise the weights
        choose the likeliest code, and nothing changes.
        """
        if not self.training:
            return self._controls(actions.logits.argmax(-1), actions.sample)
        log = actions.logits.log_softmax(-1)
        noise = -torch.empty_like(log).exponential_().log()
        weights, centroids = ((log + noise) / temperature).softmax(-1), self._move_centroids(actions)
        return torch.cat([weights, actions.sample - weights @ centroids], -1)  # the weights sum to 1

    @torch.no_grad()
    def _move_centroids(self, actions: Actions) -> Tensor:
        """Move the centroids towards the mean directions of this batch, weighted by the probabilities of the codes, and return them."""
        p, mean = actions.logits.softmax(-1).flatten(0, -2), actions.direction.mean.flatten(0, -2)
        weight = p.sum(0)[:, None]
        moved = KEPT * self.centroids + (1 - KEPT) * (p.T @ mean) / weight
        self.centroids.copy_(torch.where(weight > 0, moved, self.centroids))  # a code that lost all probability stays
        return self.centroids.clone()

    def _controls(self, codes: Tensor, vectors: Tensor | None) -> Tensor:
        """What the dynamics get of a code, (...), and a direction, (..., d): variation 0 without it."""
        centroid = self.centroids[codes]
        variation = torch.zeros_like(centroid) if vectors is None else vectors.to(centroid) - centroid
        return torch.cat([F.one_hot(codes, self.config.codes).to(variation), variation], -1)

    # Reading and playing.

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1] at the model's size."""
        return resize(to_float(frames), (self.config.height, self.config.width))

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read codes and directions, both from the mean of the direction and without sampling, and the attention as `masks`.

        The attention is a weak saliency: it weights what the action network sees, and nothing makes it a mask of the character.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: frames of another shape, type or range.

        Example:
            >>> from glass_model.caddy.config import PRESETS
            >>> reading = CADDY(PRESETS["tiny"].model).eval().infer(torch.zeros(1, 3, 3, 96, 128))
            >>> reading.codes.shape, reading.vectors.shape, reading.masks.shape
            (torch.Size([1, 2]), torch.Size([1, 2, 2]), torch.Size([1, 3, 96, 128]))
        """
        check_frames(frames, video=True)
        batch, size = len(frames), (frames.shape[-2], frames.shape[-1])
        means, variances, masks = [], [], []
        for stacks in torch.split(stacked(self.to_model(frames), self.config.stack).flatten(0, 1), _AT_ONCE):
            encoded: Encoded = self.encoder(stacks)
            place = self.action_net(encoded)
            means.append(place.mean)
            variances.append(place.variance)
            masks.append(resize(encoded.attention, size)[:, 0])
        places = Gaussian(by_sequence(torch.cat(means), batch), by_sequence(torch.cat(variances), batch))
        actions = self.action_net.between(places, sampled=False)
        return Reading(actions.logits.argmax(-1), actions.direction.mean, masks=by_sequence(torch.cat(masks), batch))

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        stack = stacked(self.to_model(frame)[:, None], self.config.stack)[:, 0]
        return State(stack, self.dynamics.start(len(stack)), (frame.shape[-2], frame.shape[-1]))

    @torch.inference_mode()
    def step(self, state: State, action: Action) -> tuple[Tensor, State]:
        """Generate the next frame.

        Args:
            state: what `start` or `step` returned.
            action: `codes`, `vectors` or both. A code alone has the variation 0; a direction alone has its likeliest code.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action has neither codes nor vectors, has shifts or masks, or has values out of range.
        """
        self.controls.check(action, (len(state.stack), *state.size))
        codes, vectors = action.codes, action.vectors
        if codes is None:
            assert vectors is not None
            codes = self.action_net.logits(vectors.to(self.centroids)).argmax(-1)
        images, memory = self.transition(self.encoder(state.stack).state, self._controls(codes, vectors), state.memory)
        return resize(images[0], state.size).clamp(-1, 1), State(pushed(state.stack, images[0]), memory, state.size)

    @torch.inference_mode()
    def observe(self, state: State, frame: Tensor) -> State:
        """The state with a true frame, (B, 3, H, W), in place of the one that was generated last; the memory stays.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        return state._replace(stack=torch.cat([self.to_model(frame), state.stack[:, 3:]], 1))


def stacked(frames: Tensor, size: int) -> Tensor:
    """Each frame of a sequence with those before it: (B, T, 3, H, W) -> (B, T, 3 size, H, W), newest first.

    Before the first frame there is nothing, so that it is repeated.
    """
    if size == 1:
        return frames
    at = torch.arange(frames.shape[1], device=frames.device)
    return torch.cat([frames[:, (at - back).clamp_min(0)] for back in range(size)], 2)


def pushed(stack: Tensor, frame: Tensor) -> Tensor:
    """A stack, (B, 3 S, H, W), after one more frame, which becomes its first; its last is dropped."""
    return torch.cat([frame, stack[:, :-3]], 1)
