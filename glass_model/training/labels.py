"""Few labels: which clips have them, and which windows of these clips are in a batch."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_model.training.config import FewLabels
from wsprites.errors import UserError

STREAM_CLIPS = 10_000
"""A stream has no end: the clips with labels are among those of a data set of so many clips, train, val and test together."""
_KEY = 2**63  # keys of batches begin here: those of passes over a file are less


def labelled(index: Tensor, share: float, seed: int) -> Tensor:
    """Which clips have labels: (B,) bool of (B,) int64 clip numbers, a share of all from 0 on that depends on number and seed alone.

    Example:
        >>> labelled(torch.arange(100_000), 0.01, 0).sum().item()
        975
    """
    begin = ((seed + 1) * 3_037_000_493 + 2**63) % 2**64 - 2**63  # as int64: all of this is modulo 2**64
    x = index * 2_862_933_555_777_941_757 + begin
    for shift, factor in ((31, -7_046_029_254_386_353_131), (29, -4_658_895_280_553_007_687), (32, 1)):
        x = (x ^ ((x >> shift) & ((1 << (64 - shift)) - 1))) * factor
    return ((x & ((1 << 32) - 1)) < share * (1 << 32)) & (index >= 0)


class LabelledWindows:
    """Draws the windows of clips with labels that a batch has: with replacement, any clip and any first frame alike.

    Args:
        few: how many.
        index_n: (N,) int64 numbers of all clips.
        starts: windows in each of them.

    Raises:
        UserError: none of the clips has labels.
    """

    def __init__(self, few: FewLabels, index_n: NDArray[np.int64], starts: int) -> None:
        self._few, self._starts = few, starts
        self.rows = np.flatnonzero(labelled(torch.from_numpy(index_n), few.share, few.seed).numpy())
        """Places in `index_n` of the clips with labels."""
        if not len(self.rows):
            raise UserError(f"train.labels = {few.share:g}: none of the {len(index_n)} clips has labels; set a larger share")

    def __call__(self, batch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """For a batch, counted over all processes: places in `rows`, and first frames; (`windows`,) int64 each."""
        rng = np.random.Generator(np.random.Philox(key=np.array([self._few.seed, _KEY + batch], np.uint64)))
        return rng.integers(0, len(self.rows), self._few.windows), rng.integers(0, self._starts, self._few.windows)
