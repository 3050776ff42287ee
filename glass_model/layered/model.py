"""Layered: the networks together; training, reading motion from videos, and playing.

Inside, frames are float32 in [-1, 1] and masks in 0 to 1, both at the model's size. `infer`, `start` and `step` follow
`glass_model.systems.Playable`: frames of any size. A transition leads from frame t to frame t + 1.
"""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from glass_model.blocks import by_sequence
from glass_model.images import resize, to_float
from glass_model.layered.config import SIZES, ModelConfig
from glass_model.layered.control import (
    between,
    binary,
    bins,
    chained,
    code_of,
    directed,
    fit,
    matrix,
    motion,
    moved,
    normalised,
    parameters,
    pixels,
    warp,
)
from glass_model.layered.networks import Discriminator, MaskNet, decoder, encoder, widened
from glass_model.layered.scene import scene_motion, seen_before
from glass_model.quantize import Quantizer
from glass_model.systems import Action, Controls, Reading, check_frames

_AT_ONCE = 64  # frames that `infer` reads together, so that a long video needs little memory
_NOMINAL = 0.05  # share of the frame's width that codes move by, until `finish` has found out how far things move


class Result(NamedTuple):
    """What `forward` computes for the losses, of N pairs of frames."""

    before: Tensor
    """(N, 3, H, W): the frame before, moved with the scene."""
    after: Tensor
    """(N, 3, H, W): the next frame."""
    known: Tensor
    """(N, 1, H, W): 0 where the frame before has nothing, because the scene moved; otherwise 1."""
    frame: Tensor
    """(N, 3, H, W): the next frame as it was made."""
    mask: Tensor
    """(N, 1, H, W) float32: the mask of the frame before: soft in stage 1, binary in stage 2."""
    mask_after: Tensor | None
    """(N, 1, H, W): that of the next frame; None if it is not needed."""
    control: Tensor
    """(N, 1, H, W): the control mask, which in stage 1 is the mask."""
    latent: Tensor
    """(2, N, Z, h, w) float32: latents of foregrounds and of backgrounds."""
    nearest: Tensor
    """(2, N, Z, h, w) float32: the vectors of the codebook that are nearest to them."""
    codes: Tensor
    """(2 N h w,) int64: their numbers."""


class State(NamedTuple):
    """State of a video that is being generated. Passed to `step` and returned by it, never written to."""

    frame: Tensor
    """(B, 3, height, width) in [-1, 1]: the last frame, of the size that the caller has."""
    mask: Tensor
    """(B, 1, H, W), 0 or 1: its mask, at the model's size."""
    source: Tensor
    """(B, 1, H, W), 0 or 1: the last mask that was read or given, from which `mask` is made, so that errors of sampling do not add up."""
    to_source: Tensor
    """(B, 2, 3): the matrix of all transformations since."""


class Layered(nn.Module):
    """The model of Huang et al., Layered Controllable Video Generation (ECCV 2022).

    A mask divides a frame into foreground and background. Both are encoded by one encoder, quantised by one codebook, and added; a decoder
    makes the next frame. What moves the mask moves the foreground: the control mask says where it is in the next frame.

    Of the parts of an action, the first one that is given decides: a mask, which is the control mask; a shift other than (0, 0), which
    moves the centre of the mask by as much; a vector, theta of T, from the mask to the control mask; a code, one of K translations. Beside
    a shift, a vector says how the mask turns or scales.

    Args:
        config: sizes of the networks.
    """

    translations: Tensor

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.controls = Controls(
            codes=config.codes,
            vectors=SIZES[config.transform],
            shift=True,
            background_shift=config.reach > 0,
            masks=config.control == "mask",
        )
        self.mask = MaskNet(config.mask_channels, config.mask_blocks, config.mask_bias)
        self.encoder, self.decoder = encoder(config), decoder(config)
        self.to_code, self.from_code = nn.Conv2d(config.latent, config.latent, 1), nn.Conv2d(config.latent, config.latent, 1)
        self.codebook = Quantizer(config.codebook, config.latent, False, averaged=config.averaged)
        if not config.averaged:
            nn.init.uniform_(self.codebook.vectors, -1 / config.codebook, 1 / config.codebook)
        self.discriminator = Discriminator(config.discriminator_channels)
        # (K, 2) pixels at the model's size: found after training.
        nominal = bins(_NOMINAL * config.width)[: config.codes]
        self.register_buffer("translations", nn.functional.pad(nominal, (0, 0, 0, config.codes - len(nominal))))

    # Training.

    def forward(self, before: Tensor, after: Tensor, *, stage: int, both: bool = True) -> Result:
        """Make the next frames of pairs.

        Args:
            before: (N, 3, H, W) at the model's size, from `to_model`.
            after: the next frames.
            stage: 1: with the soft mask of the frame before, which learns. 2: with a binary control mask; the generator learns.
            both: whether the mask of the next frame is needed in stage 1.
        """
        config = self.config
        scene = scene_motion(before, after, config.reach)
        known = seen_before(scene, config.size)
        shown = moved(before, scene) if config.reach else before
        if stage == 1:
            own, *others = torch.split(self.mask(torch.cat([before, after]) if both else before).sigmoid(), len(before))
            own, after_mask = moved(own, scene) if config.reach else own, others[0] if others else None
            control, to_input = own, None
        else:
            with torch.no_grad():
                own, after_mask = binary(self.mask(torch.cat([before, after])).sigmoid()).chunk(2)
                control, to_input = (after_mask, None) if config.control == "mask" else self._transformed(own, after_mask)
                own = binary(moved(own, scene)) if config.reach else own
        made, latent, nearest, codes = self.generate(shown, own, control, to_input)
        return Result(shown, after, known, made, own, after_mask, control, latent, nearest, codes)

    def _transformed(self, mask: Tensor, after: Tensor) -> tuple[Tensor, Tensor]:
        """The mask, transformed to be as much like the next one as it can be; and the matrix of T."""
        to_input = matrix(self._fit(mask, after), self.config.transform, self.config.size)
        return binary(warp(mask, to_input, grid=self.config.grid)), to_input

    def _fit(self, mask: Tensor, after: Tensor) -> Tensor:
        config = self.config
        return fit(mask, after, config.transform, steps=config.fit_steps, rate=config.fit_rate, grid=config.grid)

    def generate(
        self, frame: Tensor, mask: Tensor, control: Tensor, to_input: Tensor | None = None
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """The next frame, (N, 3, H, W) float32; and latents, vectors and codes of both layers, as in `Result`.

        Args:
            frame: (N, 3, H, W), moved with the scene.
            mask: (N, 1, H, W): where the foreground is in it.
            control: (N, 1, H, W): where it is to be.
            to_input: (N, 2, 3), the matrix of T if it turns or scales the mask, which only `carry` asks for.
        """
        foreground, background = frame * control, frame * (1 - control)
        if self.config.carry and control is not mask:
            foreground, background = self._carried(frame * mask, mask, control, to_input), background * (1 - mask)
        latent = self.to_code(self.encoder(torch.cat([foreground, background]))).float()
        quantized = self.codebook(latent.movedim(1, -1).flatten(0, -2))
        shape = (len(latent), *latent.shape[2:], -1)
        vector, nearest = (x.view(shape).movedim(-1, 1) for x in (quantized.vector, self.codebook.vectors[quantized.code]))
        layer, other = (vector if self.config.quantised else latent).chunk(2)
        made: Tensor = self.decoder(self.from_code(layer + other)).float()
        if self.config.paste:
            painted = widened(torch.maximum(mask, control), self.config.margin).detach()
            made = painted * made + (1 - painted) * frame
        layers = (2, len(frame))
        return made, latent.unflatten(0, layers), nearest.unflatten(0, layers), quantized.code

    def _carried(self, foreground: Tensor, mask: Tensor, control: Tensor, to_input: Tensor | None) -> Tensor:
        """The foreground inside of the control mask: turned and scaled as the mask is, and moved so that the centres of both masks meet."""
        if to_input is None:
            to_input = torch.eye(2, 3, device=mask.device).expand(len(mask), 2, 3)
        return warp(foreground, directed(to_input, mask, between(mask, control)), border=True) * control

    # Reading and playing.

    def to_model(self, frames: Tensor) -> Tensor:
        """Frames (..., 3, H, W), uint8 or float in [-1, 1], as float32 in [-1, 1] at the model's size."""
        return resize(to_float(frames), self.config.size)

    @torch.inference_mode()
    def infer(self, frames: Tensor) -> Reading:
        """Read masks, and what leads from each mask to the next one: theta as `vectors`, its motion as `shift`, the nearest code.

        `background_shift` is read if the scene's motion is compensated. All transitions of up to 64 frames are fitted at once.

        Args:
            frames: (B, T, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: frames of another shape, type or range.

        Example:
            >>> from glass_model.layered.config import PRESETS
            >>> reading = Layered(PRESETS["tiny"].model).eval().infer(torch.zeros(1, 3, 3, 96, 128))
            >>> reading.codes.shape, reading.vectors.shape, reading.shift.shape, reading.masks.shape
            (torch.Size([1, 2]), torch.Size([1, 2, 2]), torch.Size([1, 2, 2]), torch.Size([1, 3, 96, 128]))
        """
        check_frames(frames, video=True)
        batch, size, config = len(frames), (frames.shape[-2], frames.shape[-1]), self.config
        x = self.to_model(frames)
        logits = torch.cat([self.mask(some) for some in torch.split(x.flatten(0, 1), _AT_ONCE)])
        masks = by_sequence(binary(logits.sigmoid()), batch)
        before, after = masks[:, :-1].flatten(0, 1), masks[:, 1:].flatten(0, 1)
        theta = torch.cat([self._fit(*some) for some in zip(torch.split(before, _AT_ONCE), torch.split(after, _AT_ONCE), strict=True)])
        shift = motion(theta, before, config.transform)
        scene = scene_motion(x[:, :-1].flatten(0, 1), x[:, 1:].flatten(0, 1), config.reach) if config.reach else None
        return Reading(
            codes=by_sequence(code_of(shift, self.translations), batch),
            vectors=by_sequence(theta, batch),
            shift=by_sequence(self._scaled(shift, size), batch),
            background_shift=None if scene is None else by_sequence(self._scaled(scene, size), batch),
            masks=by_sequence(resize(logits, size).sigmoid()[:, 0], batch),
        )

    def _scaled(self, shift: Tensor, size: tuple[int, int]) -> Tensor:
        """Pixels at the model's size in pixels of (height, width)."""
        return pixels(normalised(shift, self.config.size), size)

    @torch.inference_mode()
    def start(self, frame: Tensor) -> State:
        """The state of a video that begins with a frame: (B, 3, H, W), uint8 or float in [-1, 1], of any size.

        Raises:
            ArgumentError: a frame of another shape, type or range.
        """
        check_frames(frame, video=False)
        return self._known(to_float(frame), self._mask_of(self.to_model(frame)))

    @staticmethod
    def _known(frame: Tensor, mask: Tensor) -> State:
        """The state after a mask was read or given."""
        return State(frame, mask, mask, torch.eye(2, 3, device=mask.device).expand(len(mask), 2, 3))

    def _mask_of(self, frame: Tensor) -> Tensor:
        return binary(self.mask(frame).sigmoid())

    @torch.inference_mode()
    def step(self, state: State, action: Action) -> tuple[Tensor, State]:
        """Generate the next frame.

        Args:
            state: what `start` or `step` returned.
            action: see `Layered`; where the scene's motion is compensated, also `background_shift`.

        Returns:
            The next frame, (B, 3, H, W) float32 in [-1, 1], of the size of the first one; and the next state.

        Raises:
            ArgumentError: the action has neither codes nor vectors nor masks, or has values out of range.
        """
        size = (state.frame.shape[-2], state.frame.shape[-1])
        self.controls.check(action, (len(state.frame), *size))
        scene = torch.zeros(len(state.frame), 2) if action.background_shift is None else action.background_shift
        shown = moved(state.frame, scene.to(state.frame)) if action.background_shift is not None else state.frame
        control, to_input, to_source = self._control_of(state, action, size)
        mask = binary(moved(state.mask, self._from_caller(scene, size)))
        made = self.generate(resize(shown, self.config.size), mask, control, to_input)[0]
        frame = resize(made, size)
        if self.config.paste and size != self.config.size:  # at the size of the caller the rest stays sharp
            painted = resize(widened(torch.maximum(mask, control), self.config.margin), size)
            frame = painted * frame + (1 - painted) * shown
        frame = frame.clamp(-1, 1)
        if not self.config.remember:
            return frame, self._known(frame, self._mask_of(resize(frame, self.config.size)))
        return frame, self._known(frame, control) if to_source is None else State(frame, control, state.source, to_source)

    def _from_caller(self, shift: Tensor, size: tuple[int, int]) -> Tensor:
        """Pixels of (height, width) in pixels at the model's size."""
        return pixels(normalised(shift.to(self.translations), size), self.config.size)

    def _control_of(self, state: State, action: Action, size: tuple[int, int]) -> tuple[Tensor, Tensor | None, Tensor | None]:
        """The control mask, (B, 1, H, W), of an action in pixels of (height, width). Unless the action has a mask, also the matrix of T,
        and that of T after all that was done to the state's `source`."""
        mask, config = state.mask, self.config
        if action.masks is not None:
            return binary(resize(action.masks.to(mask)[:, None], config.size)), None, None
        if action.vectors is not None:
            to_input = matrix(action.vectors.to(mask), config.transform, config.size)
        else:
            assert action.codes is not None
            by_code = parameters(self.translations[action.codes.to(mask.device)], config.transform, config.size)
            to_input = matrix(by_code, config.transform, config.size)
        if action.shift is not None:
            shift = self._from_caller(action.shift, size)
            told = (shift != 0).any(1)[:, None, None]
            to_input = torch.where(told, directed(to_input, mask, shift), to_input)
        to_source = chained(state.to_source, to_input)
        return binary(warp(state.source, to_source, grid=config.grid)), to_input, to_source
