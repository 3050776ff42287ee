"""LMA, Local Motion Analysis: which of K local actions led from one foreground to the next, and how the next one looks.

Foregrounds are (B, 3, H, W) in [-1, 1] with zeros around the character, shifts (B, 2) normalised as in gma.py. h, w = H / 8, W / 8, and
c = config.local_channels.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import SLOPE, ConvLSTM, Memory, Mlp, Modulated, Residual, Same, Up, beside, by_sequence, conv, first_memory
from glass_model.encoder import Encoded, Encoder
from glass_model.glass.config import ModelConfig
from glass_model.glass.gma import move
from glass_model.glass.pose import Poses, disguised
from glass_model.glass.reader import Reader
from glass_model.quantize import Quantized, Quantizer

ACTION_SIZE = 8
"""Size of the vector that tells the dynamics an action, global or local."""


class Bilinear(nn.Module):
    """A bilinear form, (B, a), (B, b) -> (B, out): every product of two inputs has a weight."""

    def __init__(self, a: int, b: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out, a * b) * (a * b) ** -0.5)

    def forward(self, x: Tensor, y: Tensor) -> Tensor:
        """Compute the sums of the weighted products."""
        return F.linear((x[:, :, None] * y[:, None]).flatten(1), self.weight)


class ActionNet(nn.Module):
    """A: two encodings, the first of a foreground moved to where the second is -> the direction (B, D) from the first to the second."""

    def __init__(self, c: int, code_size: int, bilinear: bool) -> None:
        super().__init__()
        self.layers = nn.Sequential(Residual(4 * c, 8 * c, down=2), Residual(8 * c, 4 * c))
        widths = (4 * c, 8 * c, 8 * c, 8 * c, 4 * c) if bilinear else ()
        pairs = list(pairwise(widths))
        self.affine = nn.ModuleList(nn.Linear(4 * c, 4 * c) for _ in pairs)
        self.blocks = nn.ModuleList(Bilinear(4 * c, a, b) for a, b in pairs)
        self.norms = nn.ModuleList(nn.BatchNorm1d(b) for _, b in pairs[:-1])
        self.head = Mlp(4 * c, 8 * c, 4 * c, code_size)

    def forward(self, first: Encoded, second: Encoded) -> Tensor:
        """Compute the direction. In delayed bilinear blocks the first encoding transforms the second, block by block."""
        pooled = self.layers(torch.cat([x.state * x.attention for x in (first, second)])).mean((2, 3))
        before, h = pooled.chunk(2)
        for number, (affine, block) in enumerate(zip(self.affine, self.blocks, strict=True)):
            h = block(affine(before), h)
            if number < len(self.norms):
                h = F.leaky_relu(self.norms[number](h), SLOPE)
        direction: Tensor = self.head(h - before)
        return direction


class Dynamics(nn.Module):
    """Three rounds of a ConvLSTM and a block at h x w, half of it, and h x w: (B, c/2, h, w) and two actions -> (B, 2c, h, w)."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        c, size = config.local_channels, (config.local_size[0] // 8, config.local_size[1] // 8)
        half = (size[0] // 2, size[1] // 2)
        code = 2 * ACTION_SIZE if config.joint else ACTION_SIZE
        self.modulated, self.joint, self.size = config.modulated, config.joint, size
        aside = 0 if config.modulated else code  # channels of the action in rounds 1 and 3 without modulation
        self.shift, self.local = nn.Linear(2, ACTION_SIZE), nn.Linear(config.code_size, ACTION_SIZE)
        self.cells = nn.ModuleList(
            [
                ConvLSTM((config.appearance or c // 2) + aside, 2 * c, size),
                ConvLSTM(2 * c + code, 4 * c, half),
                ConvLSTM(4 * c + aside, 2 * c, size),
            ]
        )
        self.norms = nn.ModuleList(nn.BatchNorm2d(width) for width in (2 * c, 4 * c, 2 * c))
        if config.modulated:
            self.first: nn.Module = Modulated(2 * c, 2 * c, code, down=2)
            self.third: nn.Module = Modulated(2 * c, 2 * c, code)
        else:
            self.first, self.third = Same(2 * c, 2 * c, down=2), Same(2 * c, 2 * c)
        self.second = Same(4 * c, 4 * c)

    def start(self, batch: int) -> Memory:
        """The memory before the first frame, for a batch of this size."""
        return first_memory(self.cells, batch)

    def forward(self, x: Tensor, shift: Tensor, vector: Tensor, memory: Memory) -> tuple[Tensor, Memory]:
        """Compute one step: the decoder's input and the next memory."""
        shift_code, local_code = self.shift(shift), self.local(vector)
        if self.joint:
            shift_code = local_code = torch.cat([shift_code, local_code], 1)
        first = self._remember(0, x if self.modulated else beside(x, shift_code), memory)
        y = self.first(first[0], shift_code) if self.modulated else self.first(first[0])
        second = self._remember(1, beside(y, local_code), memory)
        # Up, late: to the size of the first round, which is not twice the half where it is odd.
        y = F.interpolate(self.second(second[0]), self.size, mode="bilinear", align_corners=True)
        third = self._remember(2, y if self.modulated else beside(y, local_code), memory)
        y = self.third(third[0], local_code) if self.modulated else self.third(third[0])
        return y, (first[1], second[1], third[1])

    def _remember(self, number: int, x: Tensor, memory: Memory) -> tuple[Tensor, tuple[Tensor, Tensor]]:
        hidden, cell = self.cells[number](x, memory[number])
        return self.norms[number](hidden), (hidden, cell)


class Decoded(NamedTuple):
    """A predicted foreground."""

    images: tuple[Tensor, Tensor, Tensor]
    """(B, 3, 2h, 2w), (B, 3, 4h, 4w), (B, 3, H, W) in [-1, 1]: the foreground at three scales."""
    mask: Tensor
    """(B, 1, H, W) in 0 to 1: its mask."""


class Look(nn.Module):
    """Encode a foreground for the decoder: (B, 3, H, W) -> (B, 4r, 2h, 2w), (B, 2r, 4h, 4w), (B, r, H, W)."""

    def __init__(self, r: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList([Same(3, r), Same(r, 2 * r, down=2), Residual(2 * r, 4 * r, down=2)])

    def forward(self, foreground: Tensor) -> tuple[Tensor, ...]:
        """Compute the maps, the smallest first."""
        maps = [foreground]
        for layer in self.layers:
            maps.append(layer(maps[-1]))
        return tuple(maps[:0:-1])


class Decoder(nn.Module):
    """Decode (B, 2c, h, w) to the foreground at three scales and its mask, float32; r channels of a `Look` join in at each scale."""

    def __init__(self, c: int, r: int = 0) -> None:
        super().__init__()
        self.first = nn.Sequential(Up(2 * c, 8 * c), Residual(8 * c + 4 * r, 8 * c))
        self.second = nn.Sequential(Up(8 * c, 4 * c), Residual(4 * c + 2 * r, 4 * c))
        self.third: nn.Module = nn.Sequential(Up(4 * c, 2 * c), Same(2 * c + r, 2 * c)) if r else Up(4 * c, 2 * c)
        self.heads = nn.ModuleList([conv(8 * c, 3), conv(4 * c, 3), conv(2 * c, 4)])

    def forward(self, x: Tensor, look: Sequence[Tensor] = ()) -> Decoded:
        """Decode the output of the dynamics, with the maps of a `Look` if there is one."""
        maps = []
        for number, layer in enumerate((self.first, self.second, self.third)):
            if look:
                up, rest = layer.children()
                x = rest(torch.cat([up(x), look[number]], 1))
            else:
                x = layer(x)
            maps.append(x)
        small, middle, full = (head(y).float().tanh() for head, y in zip(self.heads, maps, strict=True))
        return Decoded((small, middle, full[:, :3]), (full[:, 3:] + 1) / 2)


class Local(NamedTuple):
    """Output of LMA for sequences of T foregrounds, with leading axes (B, T - 1) for the transitions."""

    action: Quantized
    """Local action of every transition."""
    codes: Tensor
    """(B, T - 1, D): code vectors of the actions, with gradient, for VQ."""
    fed: Tensor
    """(B, T - 1, 3, H, W): foregrounds that were the input of the dynamics, true or decoded."""
    decoded: Decoded
    """Predictions of the next foregrounds."""
    state_decoded: Tensor
    """(B, T - 1, 4c, h, w): encoder states of the predicted next foregrounds; with `config.pose`, (B, T - 1, D), the poses themselves."""
    state_true: Tensor
    """What `state_decoded` is for the true next foregrounds, without gradient."""


class LMA(nn.Module):
    """Encoder, action network, quantiser, dynamics and decoder.

    Args:
        config: sizes of the networks.
        averaged: the code vectors are moving averages; see `Quantizer`.
    """

    def __init__(self, config: ModelConfig, *, averaged: bool = False) -> None:
        super().__init__()
        c = config.local_channels
        self.encoder = Encoder(c)
        self.compress = None if config.pose else conv(4 * c, config.appearance or c // 2, 1)
        self.reader = Reader(config.codes) if config.reader else None
        self.action_net = None if config.reader else ActionNet(c, config.code_size, config.direction == "bilinear")
        gumbel = config.quantizer == "gumbel" and not config.reader
        self.quantizer = Quantizer(config.codes, config.code_size, gumbel, averaged=averaged)
        h, w = config.local_size[0] // 8, config.local_size[1] // 8
        self.poses = Poses(config.pose, config.code_size, (4 * c, h, w), (2 * c, h, w)) if config.pose else None
        self.dynamics = None if config.pose else Dynamics(config)
        self.decoder = Decoder(c, config.reference)
        self.look = Look(config.reference) if config.reference else None
        self._follows = config.figure > 0

    def moved(self, before: Tensor, shift: Tensor) -> Encoded:
        """Encode foregrounds moved by the shift; as they are in windows, which have moved with the figure already."""
        return Encoded(*self.encoder(before if self._follows else move(before, shift)))

    def act(self, moved: Encoded, after: Encoded, temperature: float | Tensor = 1.0) -> Quantized:
        """Infer the local action that led from a foreground, moved and encoded, to another one."""
        assert self.action_net
        action: Quantized = self.quantizer(self.action_net(moved, after), temperature)
        return action

    def infer(self, before: Tensor, after: Tensor, shift: Tensor) -> Quantized:
        """Infer the local action that led from a foreground, (B, 3, H, W), to another one, which it has moved to by a shift."""
        if self.reader is None:
            return self.act(self.moved(before, shift), Encoded(*self.encoder(after)))
        logits: Tensor = self.reader(before, after)
        code = logits.argmax(1)
        return Quantized(code, self.quantizer.vectors[code], logits)

    def looks(self, foreground: Tensor) -> tuple[Tensor, ...]:
        """What the decoder sees of an earlier foreground, (B, 3, H, W); nothing without `config.reference`."""
        return self.look(foreground) if self.look else ()

    def start(self, foreground: Tensor) -> Memory:
        """The memory of a video that begins with a foreground, (B, 3, H, W)."""
        if self.dynamics:
            return self.dynamics.start(len(foreground))
        assert self.poses
        return self.poses.start(self.poses.read(self.encoder(foreground)[0]))

    def step(self, foreground: Tensor, shift: Tensor, code: Tensor, memory: Memory, look: tuple[Tensor, ...]) -> tuple[Decoded, Memory]:
        """Generate the next foreground from the last one, (B, 3, H, W), a shift, codes, (B,), and an earlier one, from `looks`."""
        vector = self.quantizer.vectors[code]
        if self.poses is None:
            return self.predict(self.encoder(foreground)[0], shift, vector, memory, look)
        pose, memory = self.poses.step(memory, vector)
        return self.decoder(self.poses.draw(pose), look), memory

    def predict(
        self, state: Tensor, shift: Tensor, vector: Tensor, memory: Memory, look: tuple[Tensor, ...] = ()
    ) -> tuple[Decoded, Memory]:
        """Predict the next foreground from an encoder state, (B, 4c, h, w), a shift, a code vector, and an earlier one, from `looks`."""
        assert self.dynamics and self.compress
        y, memory = self.dynamics(self.compress(state), shift, vector, memory)
        return self.decoder(y, look), memory

    def transition(
        self,
        fed: Tensor,
        encoded: Encoded,
        shift: Tensor,
        after: Encoded,
        memory: Memory,
        temperature: float | Tensor,
        look: tuple[Tensor, ...] = (),
        read: Quantized | None = None,
    ) -> tuple[Quantized, Decoded, Encoded, Memory]:
        """One transition in training: infer the action, unless it was read, predict the next foreground, and encode it."""
        action = self.act(encoded if self._follows else self.moved(fed, shift), after, temperature) if read is None else read
        made, memory = self.predict(encoded.state, shift, action.vector, memory, look)
        return action, made, self.encoder(made.images[-1]), memory

    def forward(
        self,
        foregrounds: Tensor,
        shifts: Tensor,
        given: int,
        temperature: float | Tensor = 1.0,
        earlier: Tensor | None = None,
        masks: Tensor | None = None,
    ) -> Local:
        """Infer the action of every transition, and predict every foreground but the first.

        Args:
            foregrounds: true foregrounds, (B, T, 3, H, W).
            shifts: motions of the foreground, (B, T - 1, 2), normalised.
            given: T_f, the number of first steps that get true foregrounds; later ones get the previous prediction.
            temperature: temperature of the Gumbel softmax.
            earlier: foregrounds that the decoder sees with `config.reference`, (B, 3, H, W); None is the first of each sequence.
            masks: their masks, (B, T, 1, H, W), which disguise needs, with `config.pose`.
        """
        batch, length = foregrounds.shape[:2]
        look, read = self.looks(foregrounds[:, 0] if earlier is None else earlier), None
        if self.reader:
            pairs = (x.flatten(0, 1) for x in (foregrounds[:, :-1], foregrounds[:, 1:], shifts))
            read = Quantized(*(by_sequence(x, batch) for x in self.infer(*pairs)))
        if self.poses:
            assert read and masks is not None
            return self._of_poses(disguised(foregrounds, masks) if self.training else foregrounds, look, read)
        flat = self.encoder(foregrounds.flatten(0, 1))
        true = Encoded(*(by_sequence(x, batch) for x in flat))
        memory = self.start(foregrounds[:, 0])
        fed, encoded = foregrounds[:, 0], Encoded(true.state[:, 0], true.attention[:, 0])
        actions, decoded, feds, states = [], [], [], []
        for t in range(length - 1):
            after = Encoded(true.state[:, t + 1], true.attention[:, t + 1])
            now = None if read is None else Quantized(*(x[:, t] for x in read))
            action, made, encoded_made, memory = self.transition(fed, encoded, shifts[:, t], after, memory, temperature, look, now)
            actions.append(action)
            decoded.append(made)
            feds.append(fed)
            states.append(encoded_made.state)
            own = t + 1 >= given
            fed, encoded = (made.images[-1], encoded_made) if own else (foregrounds[:, t + 1], after)
        action = Quantized(*(torch.stack(x, 1) for x in zip(*actions, strict=True)))
        images = zip(*(made.images for made in decoded), strict=True)
        small, middle, full = (torch.stack(x, 1) for x in images)
        return Local(
            action,
            self.quantizer.vectors[action.code],
            torch.stack(feds, 1),
            Decoded((small, middle, full), torch.stack([made.mask for made in decoded], 1)),
            torch.stack(states, 1),
            true.state[:, 1:].detach(),
        )

    def _of_poses(self, seen: Tensor, look: tuple[Tensor, ...], read: Quantized) -> Local:
        """Do what `forward` does with poses: decode those of the true foregrounds. `fit` teaches how they change."""
        assert self.poses
        batch, after = len(seen), seen[:, 1:]
        pose = self.poses.read(self.encoder(after.flatten(0, 1))[0])
        made: Decoded = self.decoder(self.poses.draw(pose), [x.repeat_interleave(after.shape[1], 0) for x in look])
        small, middle, full = (by_sequence(x, batch) for x in made.images)
        decoded = Decoded((small, middle, full), by_sequence(made.mask, batch))
        # Nothing was fed but the pose itself: what is drawn has not changed, and weights of RECU come from true frames alone.
        return Local(read, self.quantizer.vectors[read.code], full.detach(), decoded, by_sequence(pose, batch), by_sequence(pose, batch))
