"""GMA, Global Motion Analysis: foreground, background and their motion. Frames are (B, 3, H, W) in [-1, 1], shifts (B, 2) = (x, y).

Shifts are normalised: the full width and the full height are 2, so a shift of s pixels to the right is 2 s / width. A shift is motion on
the screen: moving a frame by it gives the next one.
"""

from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import Mlp, Residual, Same, Up, by_sequence, conv
from glass_model.glass.config import ModelConfig

HOLE = -1.1
"""Value of the inpainter's input where the foreground was, outside the range of colours."""

KNOWN = 0.2
"""Largest known shift, normalised, by which images are moved to teach the shift nets."""
_ASKED = 0.75 * KNOWN  # known shift, to each side and up or down, by which they are checked


def move(image: Tensor, shift: Tensor, border: bool = False) -> Tensor:
    """Move images on the screen: what was at p is at p + shift. Differentiable in both arguments.

    Args:
        image: images, (B, C, H, W).
        shift: motions, (B, 2), normalised.
        border: what is uncovered at the edge: True repeats the edge, False leaves zeros.
    """
    theta = torch.eye(2, 3, device=image.device).repeat(len(image), 1, 1)
    theta = torch.cat([theta[:, :, :2], -shift.float()[:, :, None]], 2)
    grid = F.affine_grid(theta, list(image.shape), align_corners=False)
    return F.grid_sample(image, grid.to(image.dtype), padding_mode="border" if border else "zeros", align_corners=False)


class MaskNet(nn.Module):
    """Predict the foreground's share of every pixel: (B, 3, H, W) -> (B, 1, H, W) in 0 to 1."""

    def __init__(self, channels: int, blocks: int, bias: float = 0.0) -> None:
        super().__init__()
        c, self.bias = channels, bias
        self.layers = nn.Sequential(
            Same(3, c),
            Residual(c, 4 * c, down=2),
            Residual(4 * c, 4 * c, down=2),
            *(Residual(4 * c, 4 * c) for _ in range(blocks)),
            Up(4 * c, c),
            Residual(c, c),
            Up(c, c),
            Residual(c, c),
            conv(c, 1),
        )

    def forward(self, frame: Tensor) -> Tensor:
        """Compute the mask, float32."""
        logits: Tensor = self.layers(frame)
        return (logits.float() + self.bias).sigmoid()


class ShiftNet(nn.Module):
    """Predict how far something moved between two frames: (B, 3, H, W) twice -> (B, 2), normalised."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.layers = nn.Sequential(
            Same(6, c, down=2), Same(c, 2 * c, down=2), Same(2 * c, 2 * c), Same(2 * c, 4 * c, down=2), Same(4 * c, 8 * c)
        )
        self.head = Mlp(8 * c, 4 * c, 2 * c, 2)
        last = self.head[-1]
        assert isinstance(last, nn.Linear)
        nn.init.zeros_(last.weight)
        nn.init.constant_(last.bias, 1e-4)

    def forward(self, before: Tensor, after: Tensor) -> Tensor:
        """Compute the shift, float32."""
        shift: Tensor = self.head(self.layers(torch.cat([before, after], 1)).mean((2, 3)))
        return shift.float()


class Inpainter(nn.Module):
    """Paint the scene behind the foreground: (B, 3, H, W) with a hole -> (B, 3, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        c = channels
        self.layers = nn.Sequential(
            Same(3, c, down=2),
            Same(c, 2 * c, down=2),
            Same(2 * c, 2 * c),
            Same(2 * c, 4 * c, down=2),
            Same(4 * c, 4 * c),
            Same(4 * c, 4 * c),
            Up(4 * c, 2 * c),
            Up(2 * c, 2 * c),
            Up(2 * c, c),
            Same(c, 3),
        )

    def forward(self, frame: Tensor, mask: Tensor) -> Tensor:
        """Replace the masked part of the frame by the inpainter's output, and nothing else; float32."""
        hole = (1 - mask) * frame + mask * HOLE
        painted: Tensor = self.layers(hole)
        return (1 - mask) * frame + mask * painted.float()


class Parts(NamedTuple):
    """The parts that frames are composed of."""

    mask: Tensor
    """(..., 1, H, W): the foreground's share of each pixel, 0 to 1."""
    foreground: Tensor
    """(..., 3, H, W): mask * frame."""
    background: Tensor
    """(..., 3, H, W): the frame with the foreground painted over."""


class Motion(NamedTuple):
    """Output of GMA for sequences of T frames."""

    parts: Parts
    """(B, T, ...): the parts of every frame."""
    shift: Tensor
    """(B, T - 1, 2): motion of the foreground, normalised."""
    background_shift: Tensor
    """(B, T - 1, 2): motion of the background, normalised."""
    moved: Parts
    """(B, T - 1, ...): the parts of frames 0 to T - 2, moved to where they should be in the next frame."""
    frame: Tensor
    """(B, T - 1, 3, H, W): frames 1 to T - 1, predicted by composing the moved parts."""
    known: Mapping[str, Tensor] = MappingProxyType({})
    """Scalars: errors of the shift nets where the shift is known, by the names of their terms; without those that are not computed."""


class GMA(nn.Module):
    """A mask net, an inpainter, and two shift nets, one for the foreground and one for the background.

    Args:
        config: sizes of the networks.
        known: terms of known shifts, "equi" and "known", that are computed in training for `Motion.known`.
    """

    def __init__(self, config: ModelConfig, *, known: Collection[str] = ()) -> None:
        super().__init__()
        self._known = known
        self.mask = MaskNet(config.mask_channels, config.mask_blocks, config.mask_bias)
        self.inpainter = Inpainter(config.inpaint_channels)
        self.shift = ShiftNet(config.shift_channels)
        self.background_shift = ShiftNet(config.shift_channels)

    def parts(self, frame: Tensor) -> Parts:
        """Take frames (B, 3, H, W) apart."""
        mask = self.mask(frame)
        return Parts(mask, mask * frame, self.inpainter(frame, mask))

    def forward(self, frames: Tensor) -> Motion:
        """Compute parts and motion of sequences (B, T, 3, H, W)."""
        batch = len(frames)
        flat = self.parts(frames.flatten(0, 1))
        parts = Parts(*(by_sequence(x, batch) for x in flat))
        before = Parts(*(x[:, :-1].flatten(0, 1) for x in parts))
        after = Parts(*(x[:, 1:].flatten(0, 1) for x in parts))
        shift, known = self._shift(self.shift, before.foreground, after.foreground, border=False)
        background_shift, background_known = self._shift(self.background_shift, before.background, after.background, border=True)
        moved = Parts(move(before.mask, shift), move(before.foreground, shift), move(before.background, background_shift, border=True))
        frame = compose(moved)
        return Motion(
            parts,
            by_sequence(shift, batch),
            by_sequence(background_shift, batch),
            Parts(*(by_sequence(x, batch) for x in moved)),
            by_sequence(frame, batch),
            {name: error + background_known[name] for name, error in known.items()},
        )

    def track(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """`Motion.parts.mask` and `Motion.shift` of sequences (B, T, 3, H, W), without what else `forward` computes."""
        mask = by_sequence(self.mask(frames.flatten(0, 1)), len(frames))
        foreground = mask * frames
        shift: Tensor = self.shift(foreground[:, :-1].flatten(0, 1), foreground[:, 1:].flatten(0, 1))
        return mask, by_sequence(shift, len(frames))

    @torch.no_grad()
    def misses(self, frames: Tensor) -> tuple[Tensor, Tensor]:
        """How far off the answers of the shift nets are for parts that are moved by known shifts; needs no labels, and eval mode.

        Args:
            frames: sequences, (B, T, 3, H, W).

        Returns:
            For foregrounds, and for backgrounds, (B,): the median over frames and four known shifts of the distance of the answer, in
            parts of the shift: 0 where answers are right, 1 where they are 0.
        """
        parts = Parts(*(x.repeat_interleave(4, 0) for x in self.parts(frames.flatten(0, 1))))
        known = _ASKED * frames.new_tensor([(1, 1), (1, -1), (-1, 1), (-1, -1)]).repeat(len(parts.mask) // 4, 1)

        def missed(net: ShiftNet, image: Tensor, *, border: bool) -> Tensor:
            distance = (net(image, move(image, known, border)) - known).norm(dim=1) / known.norm(dim=1)
            median: Tensor = distance.reshape(len(frames), -1).median(1).values
            return median

        return missed(self.shift, parts.foreground, border=False), missed(self.background_shift, parts.background, border=True)

    def _shift(self, net: ShiftNet, before: Tensor, after: Tensor, *, border: bool) -> tuple[Tensor, dict[str, Tensor]]:
        """The shifts of pairs of images; and, of wanted terms, the mean absolute error for pairs whose second image was moved at random.

        EQUI moves the second image of each pair: the known shift has to be added to the answer, which may be off by a constant. KNOWN
        moves the first image: the known shift is the answer. The error of EQUI has no gradient to the answer that it adds to; both
        reach the images by the statistics of BatchNorm alone: all pairs are one batch, since BatchNorm would make several nets of one.
        """
        images = {"equi": after, "known": before}
        known = {
            name: (2 * torch.rand(len(before), 2, device=before.device) - 1) * KNOWN
            for name in images
            if name in self._known and self.training
        }
        moved = [move(images[name].detach(), x, border) for name, x in known.items()]
        first, second = torch.cat([before, *[before.detach()] * len(moved)]), torch.cat([after, *moved])
        shift, *answers = net(first, second).chunk(1 + len(moved))
        expected = [x + shift.detach() if name == "equi" else x for name, x in known.items()]
        return shift, {name: (answer - x).abs().mean() for name, answer, x in zip(known, answers, expected, strict=True)}


def compose(parts: Parts) -> Tensor:
    """Compose frames from their parts: mask * foreground + (1 - mask) * background."""
    return parts.mask * parts.foreground + (1 - parts.mask) * parts.background


def over(parts: Parts) -> Tensor:
    """Compose frames of foregrounds that are multiplied by their masks already: foreground + (1 - mask) * background."""
    return parts.foreground + (1 - parts.mask) * parts.background
