"""Means of whatever terms a system yields, summed on its device so that training does not wait for it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from glass_model.systems import Turn

_COLLAPSED = 0.99  # share of the transitions that one code has: a perplexity of at most 1.06 with two codes in use


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
        notice: called by `read` with a line for the user if 99 % of the transitions have one code, again only after others were in use; and
            with the warnings of turns, each once.
    """

    def __init__(self, device: torch.device, notice: Callable[[str], None] = lambda line: None) -> None:
        self._in_a_row, self._notice, self._collapsed = torch.zeros((), device=device), notice, False
        self._told = set[str]()
        self._reset()

    def _reset(self) -> None:
        self._sums: dict[tuple[str, ...], _Sums] = {}
        self._usage: Tensor | None = None
        self._steps_with_codes = 0
        self._schedule: dict[str, float] = {}
        self._warnings: dict[str, str] = {}

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
            self._warnings |= turn.warnings
        self._steps_with_codes += any(turn.usage is not None for turn in turns)

    def nonfinite_steps(self) -> int:
        """Number of steps in a row, up to the last one, that had a loss which was not finite."""
        return int(self._in_a_row.item())

    def read(self) -> dict[str, Any]:
        """Means since the last call, as numbers for the log.

        Returns:
            The mean of the finite values of each term and loss; where there are codes, `codes_used`, `code_entropy` (bits) and
            `code_perplexity`, 2 to the power of it, the effective number of codes; `nonfinite`, how often each term was not finite, where
            one was; and the numbers of the schedule at the last step.
        """
        finite, count, bad = Counter[str](), Counter[str](), Counter[str]()
        for names, sums in self._sums.items():
            for total, values in ((finite, sums.finite), (count, sums.count), (bad, sums.bad)):
                for name, value in zip(names, values.tolist(), strict=True):
                    total[name] += value
        metrics: dict[str, Any] = {name: finite[name] / n for name, n in count.items() if n}
        if self._usage is not None and (used := self._usage.cpu().numpy().astype(float)).any():
            share = used[used > 0] / used.sum()
            entropy = float(-(share * np.log2(share)).sum())
            metrics |= {"codes_used": len(share), "code_entropy": entropy, "code_perplexity": 2**entropy}
            self._warn(used)
        for name in sorted(self._warnings.keys() - self._told):
            if metrics.get(name, 0.0) > 0:
                self._notice(self._warnings[name].format(metrics[name]))
                self._told.add(name)
        if any(bad.values()):
            metrics["nonfinite"] = {name: int(n) for name, n in bad.items() if n}
        metrics |= self._schedule
        self._reset()
        return metrics

    def _warn(self, used: NDArray[np.float64]) -> None:
        """Give notice if one code of several has nearly all transitions, for the first time since others had more."""
        share = used.max() / used.sum()
        collapsed = len(used) > 1 and share >= _COLLAPSED
        if collapsed and not self._collapsed:
            self._notice(
                f"{share:.1%} of the {used.sum():,.0f} transitions of the last {self._steps_with_codes} steps have code {used.argmax()}: "
                "the codes have collapsed and tell nothing; if code_perplexity in metrics.jsonl stays near 1, train again with other "
                "settings, such as another train.seed or a lower train.rate"
            )
        self._collapsed = collapsed
