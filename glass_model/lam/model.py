"""A latent action model: training, reading actions from videos, and playing.

Inside, images are float32 in [-0.5, 0.5], as those of LAPO. `infer`, `start` and `step` follow `glass_model.systems.Playable`: frames of
any size. A transition leads from frame t to frame t + 1; both networks see k = `config.context` frames up to t.
"""

import copy
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import by_sequence
from glass_model.images import resize, to_float
from glass_model.lam.bottleneck import Bottleneck, Passed
from glass_model.lam.config import ModelConfig
from glass_model.lam.networks import Head, UNet, encoder
from glass_model.lam.transformer import Forward, Inverse
from glass_model.lam.window import Follower, figure_alone, histories, look, put_back
from glass_model.systems import Action, Controls, Reading, check_frames

MOST_CODES = 1024
"""The most codes that the benchmark takes: a model with more has vectors alone."""
_AT_ONCE = 64  # transitions that `infer` reads together, so that a long video needs little memory


class Result(NamedTuple):
    """What `forward` computes for the losses, of M = B N transitions; frames of those of them that are drawn."""

    through: Passed
    """What passed the bottleneck."""
    frame: Tensor
    """(M, 3, h, w): the next frame as the forward model predicts it."""
    target: Tensor
    """(M, 3, h, w): the next frame."""
    before: Tensor
    """(M, 3, h, w): the frame before it."""
    given: Tensor
    """(M, 3, h, w): the last frame that the forward model sees: `before`, or an earlier one."""
    latent: tuple[Tensor, Tensor, Tensor] | None
    """(M, E) each: the predicted encoding of the next frame, the true one, and that of the frame before; None without `config.latent`."""
    still: Tensor | None
    """(M, D): vectors of a frame and itself; None where they are not asked for."""
    share: Tensor | None
    """(B, N, K): probabilities of the codes, for "softmax"; None for other bottlenecks."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    frames: Tensor
    """(B, k, 3, H, W) in [-1, 1]: the last frames at the size that the model works on, the newest last."""
    corner: Tensor | None
    """(B, k, 2) float32: the corners of their windows, before rounding; None without windows."""
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""
    given: Tensor | None
    """(B, 3k, h, w) in [-0.5, 0.5]: what the forward model sees of the last true frames; None where it sees `frames`."""


class LAM(nn.Module):
    """An inverse dynamics model, a bottleneck, and a forward dynamics model.

    `Reading.vectors` are z before quantisation, and the mean for "vae". An action is a code, a vector, or both, of which the vector says
    more; quantised models quantise it. With a window, `shift` is its motion on the screen.

    Args:
        config: sizes of the networks.
        keep, reset: see `glass_model.lam.bottleneck.Codebooks`.
        follow: see `glass_model.lam.config.TrainConfig`.
        labels: number of actions that a linear layer reads from vectors in training; 0 for none.
        apart: whether what the forward model learns does not reach the inverse model.
        behind: whether the forward model learns to predict from earlier frames. With a window, videos are then generated from the window
            of the last true frame: it shows the figure's look, z the pose, and errors of generated frames do not add up.
    """

    def __init__(
        self,
        config: ModelConfig,
        *,
        keep: float = 0.99,
        reset: int = 50,
        follow: float = 0.001,
        labels: int = 0,
        behind: bool = False,
        apart: bool = False,
    ) -> None:
        super().__init__()
        self.config, self._follow, self._apart = config, follow, apart or config.latent
        self._from_true = behind and config.figure > 0
        self.bottleneck = Bottleneck(config, keep=keep, reset=reset)
        codes = config.all_codes if config.all_codes <= MOST_CODES else 0
        self.controls = Controls(codes=codes, vectors=config.dimensions, shift=config.figure > 0)
        width, given = self.bottleneck.width, 3 * config.context
        if config.latent:
            size, hidden = config.latent_size, config.latent_hidden
            self.encoder = encoder(given, config, size)
            self.target = copy.deepcopy(self.encoder).requires_grad_(False)
            self.inverse_head, self.forward_head = Head((size, size), hidden, width), Head((size, config.dimensions), hidden, size)
        elif config.backbone == "transformer":
            self.inverse: nn.Module = Inverse(config, width)
        else:
            self.inverse = encoder(given + 3, config, width)
        self.dynamics = (Forward if config.backbone == "transformer" else UNet)(config, config.dimensions)
        self.follower = Follower(config) if config.figure else None
        self.label_head = nn.Linear(config.dimensions, labels) if labels else None

    # Training.

    def forward(
        self,
        seen: Tensor,
        shown: Tensor,
        ahead: Tensor | None = None,
        reach: int = 1,
        *,
        back: int = 0,
        still: bool = False,
        drawn: Tensor | None = None,
    ) -> Result:
        """Read the actions of sequences and predict frames from them.

        Args:
            seen: (B, T, 3, h, w), what the inverse model sees, from `view`.
            shown: (B, T, 3, h, w), what the forward model sees and predicts.
            ahead: (B, N) int64, from 1 to `reach`: how far after t the frame is that the inverse model sees; None is 1.
            reach: the largest value of `ahead`; N = T - k - reach - back + 1.
            back: how many places before t the frames end that the forward model predicts from.
            still: compute `Result.still`.
            drawn: (N',) which of the N transitions of each sequence the forward model predicts; None: all.
        """
        k, first = self.config.context, self.config.context + back  # the first frame that is predicted
        count = seen.shape[1] - first - reach + 1
        steps = torch.ones(len(seen), count, dtype=torch.int64, device=seen.device) if ahead is None else ahead
        at = torch.arange(count, device=seen.device) + first - 1
        history, given = histories(seen, at.expand_as(steps), k), histories(shown, (at - back).expand_as(steps), k)
        later = histories(seen, at + steps, k)
        raw, before = self._read(history, later)
        through: Passed = self.bottleneck(raw)
        passed, latent = through.passed, None
        if self.config.latent:
            same, after = seen is shown and not back, histories(shown, at.expand_as(steps) + 1, k)
            latent = self._predict_latent(before, given, after, passed, same=same)
        alone = self.bottleneck.read(self._read(history, history)[0])[0] if still else None
        share = by_sequence(through.vector.softmax(1), len(seen)) if self.config.bottleneck == "softmax" else None
        # What the forward model predicts.
        passed = passed.detach() if self._apart else passed
        target, now = (shown[:, first - i : first - i + count].flatten(0, 1) for i in (0, 1))
        if drawn is not None:
            at = (torch.arange(len(seen), device=seen.device)[:, None] * count + drawn).flatten()
            passed, given, target, now = passed[at], given[at], target[at], now[at]
        return Result(through, self._predict(given, passed), target, now, given[:, -3:], latent, alone, share)

    def _read(self, history: Tensor, later: Tensor) -> tuple[Tensor, Tensor]:
        """What the inverse model says of (M, 3k, h, w) frames up to t, and up to the later one; and the encoding of the former."""
        if self.config.latent:
            before = self._encode(self.encoder, history)
            return self.inverse_head(before, self._encode(self.encoder, later)), before
        future = later[:, -3:]
        raw: Tensor = self.inverse(torch.cat([history, future - history[:, -3:] if self.config.difference else future], 1))
        return raw, raw[:, :0]

    def _predict(self, history: Tensor, passed: Tensor) -> Tensor:
        """The next frame, (M, 3, h, w), from (M, 3k, h, w) and what passed the bottleneck."""
        change: Tensor = self.dynamics(history, passed)
        return history[:, -3:] + change if self.config.difference else change

    def _predict_latent(self, before: Tensor, given: Tensor, after: Tensor, passed: Tensor, *, same: bool) -> tuple[Tensor, Tensor, Tensor]:
        """See `Result.latent`. Encodings that predictions begin with have no gradient: the encoder learns through z alone."""
        with torch.no_grad():
            true = self._encode(self.target, after)
            begin = before if same else self._encode(self.encoder, given)
        return self.forward_head(begin.detach(), passed), true, before

    def _encode(self, encoder: nn.Module, history: Tensor) -> Tensor:
        """Encodings of (M, 3k, h, w) frames, (M, E) float32."""
        encoding: Tensor = encoder(history).float()
        return F.layer_norm(encoding, encoding.shape[1:]) if self.config.latent_norm else encoding

    @torch.no_grad()
    def update_target(self) -> None:
        """Let the target encoder follow the encoder."""
        for ours, theirs in zip(self.target.parameters(), self.encoder.parameters(), strict=True):
            ours.lerp_(theirs, self._follow)

    # What the networks see.

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1] at the size that the model works on."""
        return resize(to_float(frames), self.config.frame)

    def view(self, frames: Tensor, corner: Tensor | None) -> Tensor:
        """What the networks see of frames from `to_model`, (B, T, 3, h, w) in [-0.5, 0.5].

        Args:
            frames: (B, T, 3, H, W).
            corner: (B, T, 2), as of `corners`.
        """
        flat = look(frames.flatten(0, 1), None if corner is None else corner.flatten(0, 1), self.config)
        return by_sequence(flat, len(frames)) / 2

    def read_from(self, seen: Tensor, corner: Tensor | None, masks: Tensor | None, *, ground: Tensor | None = None) -> Tensor:
        """What the inverse model sees: the same as the forward model, or with `config.figure_only` the figure alone.

        Args:
            seen: (B, T, 3, h, w), from `view`.
            corner: (B, T, 2), as of `corners`.
            masks: of the frames, from `Follower.masks`.
            ground: (B, 3) in [-0.5, 0.5], the colour around the figure; None: grey.
        """
        if not self.config.figure_only:
            return seen
        assert self.follower and corner is not None and masks is not None
        share = by_sequence(look(self.follower.figures(masks), corner.flatten(0, 1), self.config), len(seen))
        return figure_alone(seen, share, ground)

    def readable(self, frames: Tensor) -> tuple[Tensor, Tensor | None]:
        """What the inverse model sees of frames from `to_model`, (B, T, 3, h, w), and the corners of its windows, as of `corners`."""
        if not (self.follower and self.config.figure_only):
            corner = self.corners(frames)
            return self.view(frames, corner), corner
        masks = self.follower.masks(frames.flatten(0, 1))
        around = by_sequence(self.follower.around(masks), len(frames))
        return self.read_from(self.view(frames, around), around, masks), around

    def corners(self, frames: Tensor) -> Tensor | None:
        """The corners of the windows in frames from `to_model`, (B, T, 2) float32; None for a model without windows."""
        return by_sequence(self.follower(frames.flatten(0, 1)), len(frames)) if self.follower else None

    # Reading and playing.

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read vectors, codes if there are at most 1,024, and with a window its motion as `shift`.

        Frames before the first one are the first one. Nothing is sampled.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: frames of another shape, type or range.

        Example:
            >>> from glass_model.lam.config import PRESETS
            >>> reading = LAM(PRESETS["tiny"].model).eval().infer(torch.zeros(1, 3, 3, 96, 128))
            >>> reading.codes.shape, reading.vectors.shape
            (torch.Size([1, 2]), torch.Size([1, 2, 16]))
        """
        vectors, codes, shift = self._infer(frames)
        joint = self.joint(codes) if self.controls.codes else None
        return Reading(joint, vectors, shift)

    @torch.inference_mode()
    def groups(self, frames: Tensor) -> Tensor:
        """The code of each group by itself, (B, T - 1, G) int64, of frames as in `infer`."""
        return self._infer(frames)[1]

    def _infer(self, frames: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        check_frames(frames, video=True)
        batch, length = frames.shape[:2]
        seen, corners = [], []
        for part in torch.split(frames.flatten(0, 1), _AT_ONCE):
            x = self.to_model(part)[None]
            images, corner = self.readable(x)
            seen.append(images[0])
            corners.append(x[0, :, 0, 0, :0] if corner is None else corner[0])
        images, k = by_sequence(torch.cat(seen), batch), self.config.context
        read = []
        for video in torch.split(images, 1):
            for at in torch.split(torch.arange(length - 1, device=frames.device)[None], _AT_ONCE, 1):
                before, after = histories(video, at, k), histories(video, at + 1, k)
                read.append(self.bottleneck.read(self._read(before, after)[0]))
        vectors, codes = (by_sequence(torch.cat(each), batch) for each in zip(*read, strict=True))
        if not self.follower:
            return vectors, codes, None
        scale = vectors.new_tensor([frames.shape[-1] / self.config.width, frames.shape[-2] / self.config.height])
        return vectors, codes, by_sequence(torch.cat(corners), batch).diff(dim=1) * scale

    def joint(self, codes: Tensor) -> Tensor:
        """One number for the codes of all groups: (..., G) -> (...), the first group counting least."""
        return (codes * self.config.codes ** torch.arange(codes.shape[-1], device=codes.device)).sum(-1)

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        frames = self.to_model(frame)[:, None]
        corner, size = self.corners(frames), (frame.shape[-2], frame.shape[-1])
        k = self.config.context
        return self._shown_true(frames.expand(-1, k, -1, -1, -1), None if corner is None else corner.expand(-1, k, -1), size)

    def _shown_true(self, frames: Tensor, corner: Tensor | None, size: tuple[int, int]) -> State:
        """The state after true frames."""
        return State(frames, corner, size, self.view(frames, corner).flatten(1, 2) if self._from_true else None)

    @torch.inference_mode()
    def step(self, state: State, action: Action) -> tuple[Tensor, State]:
        """Generate the next frame.

        Args:
            state: what `start` or `step` returned.
            action: `codes` or `vectors`; a shift that is None is no motion of the window.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action has neither codes nor vectors, has masks, or has values out of range.
        """
        self.controls.check(action, (len(state.frames), *state.size))
        history = self.view(state.frames, state.corner).flatten(1, 2) if state.given is None else state.given
        image = self._predict(history, self._passed(action, len(history), history.device)).clamp(-0.5, 0.5) * 2
        corner, now = state.corner, None
        if corner is not None:
            shift = torch.zeros(len(image), 2, device=image.device) if action.shift is None else action.shift.to(image)
            now = corner[:, -1] + shift * image.new_tensor([self.config.width / state.size[1], self.config.height / state.size[0]])
            corner = torch.cat([corner[:, 1:], now[:, None]], 1)
        frame = put_back(image, state.frames[:, -1], now, self.config)
        after = State(torch.cat([state.frames[:, 1:], frame[:, None]], 1), corner, state.size, state.given)
        return resize(frame, state.size).clamp(-1, 1), after

    @torch.inference_mode()
    def observe(self, state: State, frame: Tensor) -> State:
        """The state with a true frame, (B, 3, H, W), in place of the one that was generated last; those before it stay.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        frames = self.to_model(frame)[:, None]
        corner, now = state.corner, self.corners(frames)
        if corner is not None and now is not None:
            corner = torch.cat([corner[:, :-1], now], 1)
        return self._shown_true(torch.cat([state.frames[:, :-1], frames], 1), corner, state.size)

    def _passed(self, action: Action, batch: int, device: torch.device) -> Tensor:
        """What the forward model gets of an action, (B, D)."""
        if action.vectors is not None:
            return self.bottleneck.pass_vectors(action.vectors.to(device).float())
        if action.codes is None:  # the window alone moves: the vector that means least
            return self.bottleneck.pass_vectors(torch.zeros(batch, self.config.dimensions, device=device))
        groups = torch.arange(self.config.groups, device=device)
        each = action.codes.to(device)[:, None] // self.config.codes**groups % self.config.codes if self.config.groups > 1 else None
        return self.bottleneck.look_up(action.codes.to(device)[:, None] if each is None else each)
