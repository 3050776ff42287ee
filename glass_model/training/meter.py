"""Means of whatever terms a system yields, summed on its device so that training does not wait for it."""

from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from glass_model.systems import Turn


@dataclass
class _Sums:
    """Sums over the steps that had the same terms, one entry for each term."""

    finite: Tensor
    """Sum of the finite values."""
    count: Tensor
    """Number of finite values."""
    bad: Tensor
    """Number of values that are not finite."""


class Meter:
    """Sums terms and losses of turns until they are read.

    The loss of a step's first optimiser is called `loss`, that of the second `loss_2`, and so on.

    Args:
        device: device of the terms.
    """

    def __init__(self, device: torch.device) -> None:
        self._in_a_row = torch.zeros((), device=device)
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[tuple[str, ...], _Sums] = {}
        self._usage: Tensor | None = None
        self._schedule: dict[str, float] = {}

    def add(self, turns: list[Turn]) -> None:
        """Add the turns of one step. Reads nothing back from the device. Raises ValueError for a term that is named like a loss."""
        if not turns:
            return
        if clash := {name for turn in turns for name in turn.terms if name.partition("_")[0] == "loss"}:
            raise ValueError(f"terms: {', '.join(sorted(clash))}: these names are those of the losses of the turns")
        values = {name: term.detach() for turn in turns for name, term in turn.terms.items()}
        losses = {"loss" if n == 1 else f"loss_{n}": turn.loss.detach() for n, turn in enumerate(turns, start=1)}
        names, each = (*values, *losses), torch.stack([*values.values(), *losses.values()]).float()
        finite = each.isfinite()
        if names not in self._sums:
            self._sums[names] = _Sums(*torch.zeros(3, len(names), device=each.device))
        sums = self._sums[names]
        sums.finite += torch.where(finite, each, 0.0)
        sums.count += finite
        sums.bad += ~finite
        self._in_a_row = (self._in_a_row + 1) * ~finite[-len(losses) :].all()
        for turn in turns:
            if turn.usage is not None:
                self._usage = turn.usage if self._usage is None else self._usage + turn.usage
            self._schedule |= turn.schedule

    def nonfinite_steps(self) -> int:
        """Number of steps in a row, up to the last one, that had a loss which was not finite."""
        return int(self._in_a_row.item())

    def read(self) -> dict[str, Any]:
        """Means since the last call, as numbers for the log.

        Returns:
            The mean of the finite values of each term and loss; `codes_used` and `code_entropy` (bits) where there are codes; `nonfinite`,
            how often each term was not finite, where one was; and the numbers of the schedule at the last step.
        """
        finite, count, bad = Counter[str](), Counter[str](), Counter[str]()
        for names, sums in self._sums.items():
            for total, values in ((finite, sums.finite), (count, sums.count), (bad, sums.bad)):
                for name, value in zip(names, values.tolist(), strict=True):
                    total[name] += value
        metrics: dict[str, Any] = {name: finite[name] / n for name, n in count.items() if n}
        if self._usage is not None and (used := self._usage.cpu().numpy().astype(float)).any():
            share = used[used > 0] / used.sum()
            metrics |= {"codes_used": len(share), "code_entropy": float(-(share * np.log2(share)).sum())}
        if any(bad.values()):
            metrics["nonfinite"] = {name: int(n) for name, n in bad.items() if n}
        metrics |= self._schedule
        self._reset()
        return metrics
