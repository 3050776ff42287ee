"""The information that two partitions share by chance, compiled: a model's thousand codes beside the strata of a score are many tables."""

import math

import numpy as np
from numpy.typing import NDArray

from wsprites.jit import jit


@jit
def expected_information(
    stratum_p: NDArray[np.int64], code_p: NDArray[np.int64], times_p: NDArray[np.int64], label_sl: NDArray[np.int64]
) -> NDArray[np.float64]:
    """(S,) expected mutual information, nats, after a random permutation of the labels (Vinh, Epps & Bailey 2010, eq. 24a).

    The count of a cell is hypergeometric. Its probabilities are summed outwards from the mode, until they are 1e-18 of that of the mode.

    Args:
        stratum_p, code_p, times_p: (P,) number of transitions with one code in a stratum, and how many codes of it have as many.
        label_sl: (S, L) number of transitions with each label in each stratum.
    """
    total = np.zeros(len(label_sl))
    for p in range(len(code_p)):
        n, a = float(label_sl[stratum_p[p]].sum()), float(code_p[p])
        for count in label_sl[stratum_p[p]]:
            b = float(count)
            if a > 0 and b > 0:
                total[stratum_p[p]] += times_p[p] * _expected_term(a, b, n) / n
    return total


@jit
def _expected_term(a: float, b: float, n: float) -> float:
    """E[x log(x / (a b / n))] of the number x of the a transitions with some code, of n in all, that are among b with some label."""
    mean, mode = a * b / n, float(math.floor((a + 1) * (b + 1) / (n + 2)))
    value, norm = mode * math.log(mode / mean) if mode > 0 else 0.0, 1.0
    # Upwards from the mode, whose probability counts as 1.
    x, chance = mode, 1.0
    while x < min(a, b) and chance > 1e-18:
        chance *= (a - x) * (b - x) / ((x + 1) * (n - a - b + x + 1))
        x += 1
        norm += chance
        value += chance * x * math.log(x / mean)
    # Downwards.
    x, chance = mode, 1.0
    while x > max(0.0, a + b - n) and chance > 1e-18:
        chance *= x * (n - a - b + x) / ((a - x + 1) * (b - x + 1))
        x -= 1
        norm += chance
        if x > 0:
            value += chance * x * math.log(x / mean)
    return value / norm
