"""GLASS: both motion analyses together; training, reading actions from videos, and playing.

Inside, frames are float32 (B, T, 3, H, W) in [-1, 1] at the model's size, and shifts are normalised (gma.py). `infer`, `start` and `step`
follow `glass_model.systems.Playable`: frames of any size, shifts in pixels of those frames.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from glass_model.blocks import by_sequence
from glass_model.glass.config import ModelConfig
from glass_model.glass.gma import GMA, Motion, Parts, compose, move
from glass_model.glass.lma import LMA, Encoded, Local, Memory
from glass_model.images import resize, to_float, to_normalised, to_pixels
from glass_model.systems import Action, Controls, Reading, check_frames

_TRANSITIONS = 11  # read at once: the mask net's maps of a long video would take gigabytes


class Analysis(NamedTuple):
    """What `forward` computes for the losses."""

    motion: Motion
    """Output of the global motion analysis."""
    local: Local | None
    """Output of the local motion analysis; None while GMA is trained alone."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    parts: Parts
    """Parts of the frame that is shown. The background is the first frame's, not yet moved."""
    offset: Tensor
    """(B, 2) normalised: how far the scene has moved since the first frame. Moving it once keeps it sharp."""
    memory: Memory
    """Memory of the dynamics."""
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""


class GLASS(nn.Module):
    """The model of Davtyan & Favaro, Controllable Video Generation through Global and Local Motion Dynamics (ECCV 2022).

    Args:
        config: sizes of the networks.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.controls = Controls(codes=config.codes, shift=True, background_shift=True)
        self.gma, self.lma = GMA(config), LMA(config)

    def forward(self, frames: Tensor, given: int | None = None, temperature: float | Tensor = 1.0) -> Analysis:
        """Take sequences apart and put them together again. The local analysis gives no gradient to the global one.

        Args:
            frames: (B, T, 3, H, W) at the model's size, from `to_model`.
            given: T_f, the number of first steps in which the dynamics get true foregrounds; None computes the global analysis alone.
            temperature: temperature of the Gumbel softmax.
        """
        motion: Motion = self.gma(frames)
        if given is None:
            return Analysis(motion, None)
        return Analysis(motion, self.lma(motion.parts.foreground.detach(), motion.shift.detach(), given, temperature))

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1] at the model's size."""
        return resize(to_float(frames), (self.config.height, self.config.width))

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read all five arrays from videos. Each transition is read from its two frames alone.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: frames of another shape, type or range.

        Example:
            >>> from glass_model.glass.config import PRESETS
            >>> reading = GLASS(PRESETS["tiny"].model).eval().infer(torch.zeros(1, 3, 3, 96, 128))
            >>> reading.codes.shape, reading.masks.shape
            (torch.Size([1, 2]), torch.Size([1, 3, 96, 128]))
        """
        check_frames(frames, video=True)
        windows = [self._infer(frames[:, t : t + _TRANSITIONS + 1]) for t in range(0, frames.shape[1] - 1, _TRANSITIONS)]
        if len(windows) == 1:
            return windows[0]
        # The last frame of a window is the first of the next one.
        later = [window._replace(masks=window.masks[:, 1:]) for window in windows[1:] if window.masks is not None]
        return Reading(*(torch.cat(pieces, 1) for pieces in zip(windows[0], *later, strict=True)))

    def _infer(self, frames: Tensor) -> Reading:
        x = self.to_model(frames)
        motion: Motion = self.gma(x)
        batch = len(x)
        foreground = motion.parts.foreground
        after = Encoded(*self.lma.encoder(foreground[:, 1:].flatten(0, 1)))
        action = self.lma.act(foreground[:, :-1].flatten(0, 1), motion.shift.flatten(0, 1), after)
        size = (frames.shape[-2], frames.shape[-1])
        return Reading(
            by_sequence(action.code, batch),
            by_sequence(self.lma.quantizer.vectors[action.code], batch),
            to_pixels(motion.shift, size),
            to_pixels(motion.background_shift, size),
            resize(motion.parts.mask, size)[:, :, 0],
        )

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        x = self.to_model(frame)
        return State(self.gma.parts(x), x.new_zeros(len(x), 2), self.lma.dynamics.start(len(x)), (frame.shape[-2], frame.shape[-1]))

    @torch.inference_mode()
    def step(self, state: State, action: Action) -> tuple[Tensor, State]:
        """Generate the next frame.

        Args:
            state: what `start` or `step` returned.
            action: needs `codes`; a shift that is None is no motion.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action has no codes, has vectors or masks, or has values out of range.
        """
        self.controls.check(action, (len(state.offset), *state.size))
        assert action.codes is not None
        foreground, background, offset = state.parts.foreground, state.parts.background, state.offset
        shift = torch.zeros_like(offset) if action.shift is None else to_normalised(action.shift.to(foreground), state.size)
        encoded: Encoded = self.lma.encoder(foreground)
        decoded, memory = self.lma.predict(encoded.state, shift, self.lma.quantizer.vectors[action.codes], state.memory)
        if action.background_shift is not None:
            offset = offset + to_normalised(action.background_shift.to(foreground), state.size)
        parts = Parts(decoded.mask, decoded.images[-1], background)
        shown = compose(parts._replace(background=move(background, offset, border=True)))
        return resize(shown, state.size).clamp(-1, 1), State(parts, offset, memory, state.size)
