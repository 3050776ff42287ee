"""GLASS: both analyses together, and what one does with them: train, read actions out of videos, play.

Inside, frames are float32 (B, T, 3, H, W) in [-1, 1] at the model's size, and shifts are normalised (gma.py). `infer`, `start` and `step`
speak the language of the data: frames of any size, uint8 or float, shifts (x, y) in pixels of those frames. x grows to the right, y
down; a shift is what moved how far on the screen, of the sprite as the label `shift`, of the scene as the label `background_shift`.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import by_sequence
from glass_model.glass.config import ModelConfig
from glass_model.glass.gma import GMA, Motion, Parts, compose, move
from glass_model.glass.lma import LMA, Encoded, Local, Memory
from wsprites.errors import UserError


class Output(NamedTuple):
    """What training looks at."""

    motion: Motion
    local: Local | None
    """None while GMA is trained alone."""


class Reading(NamedTuple):
    """The actions that a model sees in sequences of T frames."""

    codes: Tensor
    """(B, T - 1) int64, 0 to K - 1: the local action of each transition."""
    vectors: Tensor
    """(B, T - 1, D) float32: their code vectors."""
    shifts: Tensor
    """(B, T - 1, 2) float32, pixels: motion of the foreground on the screen."""
    background_shifts: Tensor
    """(B, T - 1, 2) float32, pixels: motion of the scene on the screen."""
    masks: Tensor
    """(B, T, H, W) float32 in 0 to 1: of every frame."""


class State(NamedTuple):
    """Where a generated video stands. Passed to `step` and returned by it; never written to, so that it can be kept."""

    parts: Parts
    """Of the frame that is shown. The background is the first frame's, and not yet moved."""
    offset: Tensor
    """(B, 2): how far the scene has moved since then, normalised. Moving it once keeps it sharp."""
    memory: Memory
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""


class GLASS(nn.Module):
    """The model of Davtyan & Favaro (ECCV 2022)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.gma, self.lma = GMA(config), LMA(config)

    def forward(self, frames: Tensor, given: int | None = None, temperature: float | Tensor = 1.0) -> Output:
        """Take sequences apart and put them together again. Nothing that LMA learns reaches GMA.

        Args:
            frames: (B, T, 3, H, W) at the model's size, as `to_model` makes them.
            given: T_f, the number of first steps that are fed true foregrounds. None: GMA alone.
            temperature: of the Gumbel softmax.
        """
        motion: Motion = self.gma(frames)
        if given is None:
            return Output(motion, None)
        return Output(motion, self.lma(motion.parts.foreground.detach(), motion.shift.detach(), given, temperature))

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames as the networks want them: uint8, or float in [-1, 1], (..., 3, H, W) -> float32 in [-1, 1] at the model's size."""
        if frames.ndim < 4 or frames.shape[-3] != 3:
            raise UserError(f"frames are of shape {tuple(frames.shape)}, not (..., 3, H, W)")
        x = frames.float() / 127.5 - 1 if frames.dtype == torch.uint8 else frames.float()
        return resize(x, (self.config.height, self.config.width))

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read the actions out of sequences. Each transition is read from its two frames alone, so nothing leaks from later ones.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.
        """
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
        """Begin a video with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size."""
        x = self.to_model(frame)
        return State(self.gma.parts(x), x.new_zeros(len(x), 2), self.lma.dynamics.start(len(x)), (frame.shape[-2], frame.shape[-1]))

    @torch.inference_mode()
    def step(self, state: State, shift: Tensor, code: Tensor, background_shift: Tensor | None = None) -> tuple[Tensor, State]:
        """One frame on.

        Args:
            state: as `start` or `step` returned it.
            shift: (B, 2) pixels: where the sprite goes on the screen.
            code: (B,) int64 in 0 to K - 1: what its body does.
            background_shift: (B, 2) pixels: where the scene goes; None lets it stand still.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.
        """
        foreground, background = state.parts.foreground, state.parts.background
        encoded: Encoded = self.lma.encoder(foreground)
        normalised = to_normalised(shift.to(foreground), state.size)
        made, memory = self.lma.predict(encoded.state, normalised, self.lma.quantizer.vectors[code], state.memory)
        offset = state.offset
        if background_shift is not None:
            offset = offset + to_normalised(background_shift.to(foreground), state.size)
        parts = Parts(made.mask, made.images[-1], background)
        shown = compose(parts._replace(background=move(background, offset, border=True)))
        return resize(shown, state.size), State(parts, offset, memory, state.size)


def to_pixels(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """Normalised shifts (..., 2) in pixels of frames of (height, width)."""
    return shift * shift.new_tensor([size[1] / 2, size[0] / 2])


def to_normalised(shift: Tensor, size: tuple[int, int]) -> Tensor:
    """The other way round."""
    return shift / shift.new_tensor([size[1] / 2, size[0] / 2])


def resize(image: Tensor, size: tuple[int, int]) -> Tensor:
    """Any size of (..., C, H, W) to any other: by averages where it gets smaller, else bilinear."""
    if tuple(image.shape[-2:]) == size:
        return image
    flat = image.reshape(-1, *image.shape[-3:])
    if size[0] <= image.shape[-2] and size[1] <= image.shape[-1]:
        flat = F.interpolate(flat, size, mode="area")
    else:
        flat = F.interpolate(flat, size, mode="bilinear", align_corners=False)
    return flat.reshape(*image.shape[:-2], *size)
