"""Drawn videos of a paddle that a player moves, like those of Breakout, and how well codes tell what the player does."""

from itertools import permutations

import numpy as np
import torch


def paddle_videos(number: int, batch: int, length: int, *, first: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
    """A paddle under a wall: (B, T, 3, 16, 32) uint8, and the action taken at each frame, (B, T): left 0, stay 1, right 2.

    `first` is the range that the paddle's first place is drawn from.
    """
    rng = np.random.default_rng(number)
    actions, x = rng.integers(0, 3, (batch, length)), rng.integers(*first, batch)
    frames = np.zeros((batch, length, 3, 16, 32), np.uint8)
    frames[:, :, 0, 1:5] = 150
    for t in range(length):
        for b in range(batch):
            frames[b, t, :, 10:14, x[b] : x[b] + 6] = np.array([200, 72, 72])[:, None, None]
        x = np.clip(x + 3 * (actions[:, t] - 1), 0, 26)
    return torch.from_numpy(frames), torch.from_numpy(actions)


def matched(codes: torch.Tensor, actions: torch.Tensor) -> float:
    """The accuracy of the best assignment of three codes to the three actions."""
    return max((torch.tensor(order)[codes] == actions).float().mean().item() for order in permutations(range(3)))
