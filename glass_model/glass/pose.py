"""Poses: what a foreground shows apart from how the character looks, and how codes change it.

An autoencoder whose input is disguised: it sees foregrounds in other colours, and has to draw them in those of another frame of the clip.
So its bottleneck names the pose, and the dynamics predict a vector instead of a map of features, which has looks and pose in one. After
DRNet (Denton and Birodkar, 2017), where the content comes from another frame as well.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import Memory

_HIDDEN = 256


def disguised(foreground: Tensor, mask: Tensor) -> Tensor:
    """Foregrounds (B, T, 3, h, w) in other colours, the same in all frames of a sequence; masks (B, T, 1, h, w) say where they are.

    Channels are permuted, multiplied by 0.4 to 1.2 and shifted by up to 0.4 each.
    """
    batch, device = len(foreground), foreground.device
    order = torch.rand(batch, 3, device=device).argsort(1)
    factor, plus = 0.4 + 0.8 * torch.rand(batch, 3, device=device), 0.8 * torch.rand(batch, 3, device=device) - 0.4
    row = torch.arange(batch, device=device)[:, None]
    colours = foreground.transpose(1, 2)[row, order].transpose(1, 2)
    return colours * factor[:, None, :, None, None] + plus[:, None, :, None, None] * mask


class Poses(nn.Module):
    """Reads poses from encoder states, predicts the next one, and makes the decoder's input of it.

    Args:
        size: D, dimensions of a pose.
        code_size: dimensions of a code vector.
        state, drawn: shapes (channels, h, w) of an encoder state and of the decoder's input.
    """

    def __init__(self, size: int, code_size: int, state: tuple[int, int, int], drawn: tuple[int, int, int]) -> None:
        super().__init__()
        self._drawn = drawn
        flat, out = (c * h * w for c, h, w in (state, drawn))
        self.reads = nn.Sequential(nn.Linear(flat, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, size))
        self.norm = nn.BatchNorm1d(size, affine=False)
        self.draws = nn.Sequential(nn.Linear(size, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, out))
        self.cell = nn.GRUCell(size + code_size, _HIDDEN)
        self.change = nn.Sequential(nn.Linear(_HIDDEN + code_size, _HIDDEN), nn.SiLU(), nn.Linear(_HIDDEN, size))

    def read(self, state: Tensor) -> Tensor:
        """The poses of encoder states, (B, D) with mean 0 and variance 1 over the data."""
        raw = self.reads(state.flatten(1))
        if self.training:
            self.norm(raw.detach())  # moving averages alone: statistics of few sequences would be noise in poses
        return F.batch_norm(raw, self.norm.running_mean, self.norm.running_var, eps=self.norm.eps)

    def draw(self, pose: Tensor) -> Tensor:
        """The decoder's input for poses, (B, 2c, h, w)."""
        drawn: Tensor = self.draws(pose)
        return drawn.view(-1, *self._drawn)

    def start(self, pose: Tensor) -> Memory:
        """The memory of a video that begins with a pose, (B, D)."""
        return ((pose, pose.new_zeros(len(pose), _HIDDEN)),)

    def step(self, memory: Memory, vector: Tensor) -> tuple[Tensor, Memory]:
        """Predict the next pose from a code vector."""
        ((pose, hidden),) = memory
        hidden = self.cell(torch.cat([pose, vector], 1), hidden)
        pose = pose + self.change(torch.cat([hidden, vector], 1))
        return pose, ((pose, hidden),)

    def predict(self, pose: Tensor, vector: Tensor, given: int) -> Tensor:
        """Predict all poses of sequences but the first, (B, T - 1, D).

        Args:
            pose: true poses, (B, T, D).
            vector: code vectors, (B, T - 1, code_size).
            given: the number of first steps that get the true pose; later ones get the previous prediction.
        """
        memory, predicted = self.start(pose[:, 0]), []
        for t in range(vector.shape[1]):
            after, memory = self.step(memory, vector[:, t])
            predicted.append(after)
            if t + 1 < given:
                memory = ((pose[:, t + 1], memory[0][1]),)
        return torch.stack(predicted, 1)
