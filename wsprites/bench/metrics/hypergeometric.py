"""The information that two partitions share by chance, compiled: a model's thousand codes beside the strata of a score are many tables."""

import math

import numpy as np
from numpy.typing import NDArray

from wsprites.jit import jit


@jit
def expected_information(code_k: NDArray[np.int64], times_k: NDArray[np.int64], label_l: NDArray[np.int64]) -> float:
    """Expected mutual information, nats, of tables with these margins after a random permutation (Vinh, Epps & Bailey 2010, eq. 24a).

    The count of a cell is hypergeometric. Its probabilities are summed outwards from the mode, until they are 1e-18 of that of the mode.

    Args:
        code_k, times_k: (K,) int64 counts of codes, and how many codes have each: many rare codes have the same.
        label_l: (L,) int64 counts of labels.
    """
    n, total = float(label_l.sum()), 0.0
    for k in range(len(code_k)):
        for l in range(len(label_l)):  # noqa: E741
            a, b = float(code_k[k]), float(label_l[l])
            if a == 0 or b == 0:
                continue
            mean, mode = a * b / n, math.floor((a + 1) * (b + 1) / (n + 2))
            value = mode * math.log(mode / mean) if mode else 0.0
            norm = 1.0
            # Upwards from the mode, whose probability counts as 1.
            x, p = float(mode), 1.0
            while x < min(a, b) and p > 1e-18:
                p *= (a - x) * (b - x) / ((x + 1) * (n - a - b + x + 1))
                x += 1
                norm += p
                value += p * x * math.log(x / mean)
            # Downwards.
            x, p = float(mode), 1.0
            while x > max(0.0, a + b - n) and p > 1e-18:
                p *= x * (n - a - b + x) / ((a - x + 1) * (b - x + 1))
                x -= 1
                norm += p
                if x > 0:
                    value += p * x * math.log(x / mean)
            total += times_k[k] * value / norm
    return total / n if n else 0.0
