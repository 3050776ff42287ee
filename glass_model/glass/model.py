"""GLASS: both motion analyses together; training, reading actions from videos, and playing.

Inside, frames are float32 (B, T, 3, H, W) in [-1, 1] at the model's size, and shifts are normalised (gma.py). `infer`, `start` and `step`
follow `glass_model.systems.Playable`: frames of any size, shifts in pixels of those frames.
"""

from collections.abc import Collection
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import Memory, by_sequence
from glass_model.glass.config import ModelConfig
from glass_model.glass.figure import View, apart, cut, enlarge_mask, follow, place, put_back, whole
from glass_model.glass.gma import GMA, Motion, Parts, compose, move, over
from glass_model.glass.lma import LMA, Local
from glass_model.images import downscale, resize, to_float, to_normalised, to_pixels
from glass_model.systems import Action, Controls, Reading, check_frames

_TRANSITIONS = 11  # read at once: the mask net's maps of a long video would take gigabytes


class Analysis(NamedTuple):
    """What `forward` computes for the losses."""

    frames: Tensor
    """(B, T, 3, H', W'): the frames as the global motion analysis sees them."""
    motion: Motion | None
    """Output of the global motion analysis; None where a window follows the foreground of a GMA that is not trained."""
    view: View | None
    """What the local motion analysis sees; None while GMA is trained alone."""
    local: Local | None
    """Output of the local motion analysis; None while GMA is trained alone."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    parts: Parts
    """Parts of the frame that is shown, mask and foreground as LMA sees them. The background is the first frame's, not yet moved."""
    place: Tensor
    """(B, 2) float32: corner of the figure window in pixels of the frames that the model works on, before rounding; 0 without one."""
    offset: Tensor
    """(B, 2) normalised: how far the scene has moved since the first frame. Moving it once keeps it sharp."""
    memory: Memory
    """Memory of the dynamics."""
    look: tuple[Tensor, ...]
    """What the decoder sees of the first frame's foreground, of `LMA.looks`."""
    size: tuple[int, int]
    """(height, width) of the frames that the caller has."""


class GLASS(nn.Module):
    """The model of Davtyan & Favaro, Controllable Video Generation through Global and Local Motion Dynamics (ECCV 2022).

    Args:
        config: sizes of the networks.
        known: terms of known shifts that the shift nets are also trained on; see `glass_model.glass.gma.GMA`.
        averaged: the code vectors are moving averages of directions; see `glass_model.quantize.Quantizer`.
    """

    def __init__(self, config: ModelConfig, *, known: Collection[str] = (), averaged: bool = False) -> None:
        super().__init__()
        self.config = config
        self.controls = Controls(codes=config.codes, shift=True, background_shift=True)
        self.gma, self.lma = GMA(config, known=known), LMA(config, averaged=averaged)
        # Of readings, in pixels: the shift (x, y, 1) @ calibration. Other models' LMA has learned to live with the error.
        self.calibration: Tensor | None
        self.register_buffer("calibration", torch.eye(3, 2) if config.pose else None)

    def forward(
        self, frames: Tensor, given: int | None = None, temperature: float | Tensor = 1.0, earlier: Tensor | None = None
    ) -> Analysis:
        """Take sequences apart and put them together again. The local analysis gives no gradient to the global one.

        Args:
            frames: (B, T, 3, H, W) at the model's size, from `to_model`.
            given: T_f, the number of first steps in which the dynamics get true foregrounds; None computes the global analysis alone.
            temperature: temperature of the Gumbel softmax.
            earlier: frames (B, 3, H, W) whose foregrounds the decoder sees with `config.reference`; None is the first of each sequence.
        """
        seen, motion = downscale(frames, self.config.global_size), None
        if given is not None and self.config.figure and not self.gma.training:
            view = self._view(frames, *self.gma.track(seen))
        else:
            motion = self.gma(seen)
            if given is None:
                return Analysis(seen, motion, None, None)
            view = self._view(frames, motion.parts.mask, motion.shift) if self.config.figure else whole(motion)
        foreground = None if earlier is None else self._windowed(earlier)
        return Analysis(seen, motion, view, self.lma(view.foreground, view.shift, given, temperature, foreground, view.mask))

    def _view(self, frames: Tensor, mask: Tensor, shift: Tensor) -> View:
        """Windows of sequences, from GMA's masks and shifts. A pose does not tell where the figure is in its window."""
        mask = self._enlarged(mask)
        return apart(frames, mask, self.config) if self.config.pose else follow(frames, mask, shift, self.config)

    @torch.no_grad()
    def _windowed(self, frames: Tensor) -> Tensor:
        """The foregrounds of single frames (B, 3, H, W), in windows of their own."""
        mask = enlarge_mask(self.gma.mask(downscale(frames, self.config.global_size)), self.config.global_scale)
        return cut(frames, mask, place(mask, self.config.figure).round().long(), self.config)[0]

    @torch.no_grad()
    def poses(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """The poses and codes of sequences (B, T, 3, H, W), from `to_model`: (B, T, D), and (B, T - 1), of a model with `config.pose`.

        The window of each frame is placed by its mask, as those of the latent action model are: errors of shifts would add up.
        """
        assert self.lma.poses and self.lma.reader
        seen = by_sequence(self._windowed(frames.flatten(0, 1)), len(frames))
        code = self.lma.reader(seen[:, :-1].flatten(0, 1), seen[:, 1:].flatten(0, 1)).argmax(1)
        pose = self.lma.poses.read(self.lma.encoder(seen.flatten(0, 1))[0])
        return by_sequence(pose, len(frames)), by_sequence(code, len(frames))

    @torch.no_grad()
    def motions(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """GMA's shifts of sequences (B, T, 3, H, W), from `to_model`, and how far its masks' centres move: (B, T - 1, 2) pixels each."""
        mask, shift = self.gma.track(downscale(frames, self.config.global_size))
        centre = place(self._enlarged(mask).flatten(0, 1), self.config.figure)
        return to_pixels(shift, self.config.size), by_sequence(centre, len(frames)).diff(dim=1)

    def calibrate(self, shift: Tensor, moved: Tensor) -> None:
        """Find the affine map from shifts to motions of centres, from `motions`, by least squares.

        What shifts do not tell, such as their factor where nothing moves, stays as it is: a ridge of 0.001 holds the map at the identity.
        """
        assert self.calibration is not None
        known, same = F.pad(shift.flatten(0, -2), (0, 1), value=1.0).double(), torch.eye(3, 2, device=shift.device, dtype=torch.float64)
        gram = known.T @ known / len(known) + 0.001 * torch.eye(3, device=shift.device, dtype=torch.float64)
        change = torch.linalg.solve(gram, known.T @ (moved.flatten(0, -2).double() - known @ same) / len(known))
        self.calibration.copy_(same + change)

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1] at the model's size."""
        return resize(to_float(frames), self.config.size)

    def _enlarged(self, mask: Tensor) -> Tensor:
        """GMA's masks of sequences, (B, T, 1, H', W'), at the model's size."""
        return by_sequence(enlarge_mask(mask.flatten(0, 1), self.config.global_scale), len(mask))

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
        x, size = self.to_model(frames), (frames.shape[-2], frames.shape[-1])
        motion: Motion = self.gma(downscale(x, self.config.global_size))
        batch, mask = len(x), self._enlarged(motion.parts.mask)
        # Pairs of foregrounds, as LMA sees them; a window is placed anew in each pair, so that a reading depends on nothing before it.
        if self.config.figure:
            pairs, masks = (torch.stack([y[:, :-1], y[:, 1:]], 2).flatten(0, 1) for y in (x, mask))
            view = follow(pairs, masks, motion.shift.reshape(-1, 1, 2), self.config)
            before, after, shift = view.foreground[:, 0], view.foreground[:, 1], view.shift[:, 0]
        else:
            foreground = motion.parts.foreground
            before, after, shift = (y.flatten(0, 1) for y in (foreground[:, :-1], foreground[:, 1:], motion.shift))
        action, read = self.lma.infer(before, after, shift), motion.shift
        if self.calibration is not None:
            read = to_normalised(F.pad(to_pixels(read, self.config.size), (0, 1), value=1.0) @ self.calibration, self.config.size)
        return Reading(
            by_sequence(action.code, batch),
            by_sequence(self.lma.quantizer.vectors[action.code], batch),
            to_pixels(read, size),
            to_pixels(motion.background_shift, size),
            resize(mask, size)[:, :, 0],
        )

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        x, config = self.to_model(frame), self.config
        parts, place_xy = self.gma.parts(downscale(x, config.global_size)), x.new_zeros(len(x), 2)
        if config.figure:
            mask = enlarge_mask(parts.mask, config.global_scale)
            painted = resize(parts.background, config.size)
            place_xy = place(mask, config.figure)
            foreground, mask_seen = cut(x, mask, place_xy.round().long(), config)
            parts = Parts(mask_seen, foreground, (1 - mask) * x + mask * painted)
        memory, look = self.lma.start(parts.foreground), self.lma.looks(parts.foreground)
        return State(parts, place_xy, x.new_zeros(len(x), 2), memory, look, (frame.shape[-2], frame.shape[-1]))

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
        foreground, background, offset, size = state.parts.foreground, state.parts.background, state.offset, self.config.size
        shift = torch.zeros_like(offset) if action.shift is None else to_normalised(action.shift.to(foreground), state.size)
        # The window follows in whole pixels; LMA is told what is left.
        place_xy = state.place
        if self.config.figure:
            place_xy = place_xy + to_pixels(shift, size)
            left = to_pixels(shift, size) - (place_xy.round() - state.place.round())
            shift = to_normalised(left, (self.config.figure, self.config.figure))
        decoded, memory = self.lma.step(foreground, shift, action.codes, state.memory, state.look)
        if action.background_shift is not None:
            offset = offset + to_normalised(action.background_shift.to(foreground), state.size)
        parts = Parts(decoded.mask, decoded.images[-1], background)
        placed = self.placed(parts, place_xy)._replace(background=move(background, offset, border=True))
        shown = over(placed) if self.lma.poses else compose(placed)
        return resize(shown, state.size).clamp(-1, 1), State(parts, place_xy, offset, memory, state.look, state.size)

    def placed(self, parts: Parts, place_xy: Tensor) -> Parts:
        """Parts with mask and foreground, as LMA draws them, at their place in the frame; place_xy as in `State`."""
        if not self.config.figure:
            return parts
        corner = place_xy.round().long()
        return parts._replace(mask=put_back(parts.mask, corner, self.config), foreground=put_back(parts.foreground, corner, self.config))
