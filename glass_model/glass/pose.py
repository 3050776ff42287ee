"""Poses: what a foreground shows apart from how the character looks, and how codes change it.

An autoencoder whose input is disguised: it sees foregrounds in other colours, and has to draw them in those of another frame of the clip.
So its bottleneck names the pose, and the dynamics predict a vector instead of a map of features, which has looks and pose in one. After
DRNet (Denton and Birodkar, 2017), where the content comes from another frame and the dynamics learn when the encoders are done as well.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from glass_model.blocks import Memory

_HIDDEN = 256
# Of `fit`: sequences of a step, their transitions, the most true poses that one begins with, and the rate at the beginning.
_SEQUENCES, _TRANSITIONS, _GIVEN, _RATE = 64, 16, 4, 2e-3


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


def fit(poses: Poses, vectors: Tensor, pose: Tensor, code: Tensor, steps: int) -> float:
    """Teach the dynamics how codes change poses, which do not change any more themselves.

    Each step draws 64 sequences of up to 16 transitions. Their first 1 to 4 poses are true, the others predicted from predictions.
    AdamW with a weight decay of 0.01, gradients of a norm of at most 1, and a rate that rises to 0.002 in 50 steps and falls linearly
    to 2 % of that.

    Args:
        poses: whose `cell` and `change` learn.
        vectors: the code vectors, (K, code_size), which learn as well.
        pose: poses of true sequences, (N, T, D).
        code: the codes of their transitions, (N, T - 1).
        steps: how many.

    Returns:
        The mean Huber loss of the last tenth of the steps.
    """
    learned = [vectors, *poses.cell.parameters(), *poses.change.parameters()]
    optimizer = torch.optim.AdamW(learned, _RATE, weight_decay=0.01)
    losses, ahead = list[Tensor](), torch.arange(min(_TRANSITIONS, code.shape[1]), device=pose.device)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _RATE * min(1.0, (step + 10) / 60) * (1 - 0.98 * step / steps)
        row = torch.randint(len(pose), (_SEQUENCES, 1), device=pose.device)
        at = torch.randint(code.shape[1] - len(ahead) + 1, (_SEQUENCES, 1), device=pose.device) + ahead
        given = int(torch.randint(1, _GIVEN + 1, ()))
        predicted = poses.predict(torch.cat([pose[row, at[:, :1]], pose[row, at + 1]], 1), vectors[code[row, at]], given)
        loss = F.smooth_l1_loss(predicted, pose[row, at + 1])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learned, 1.0)
        optimizer.step()
        losses.append(loss.detach())
    return float(torch.stack(losses[-max(steps // 10, 1) :]).mean()) if losses else float("nan")
