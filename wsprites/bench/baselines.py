"""Floors and ceilings: predictors that know a stated part of the truth, scored by the same code on the same data as a model."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data, Part
from wsprites.bench.metrics.actions import SOURCES, entropy
from wsprites.bench.metrics.motion import shift_of
from wsprites.bench.protocol import Arrays

WHAT = {
    "random": "knows nothing: codes, vectors and shifts are drawn; masks have the true form, somewhere else",
    "majority": "says the same of every transition: code 0, shift 0, an empty mask",
    "direction": "knows the true global action, and nothing else",
    "best_code": "the most that K codes can tell over all transitions: the highest NMI, for accuracies the K commonest actions",
    "oracle": "knows everything",
    "copy": "shows the first frame for ever",
    "other_clips": "as many true videos of other characters",
}
NAMES = ("random", "majority", "direction", "best_code", "oracle")
"""Those that are scored as a model's arrays are; the others only generate."""


def codes(name: str, data: Data, source: str, k: int, *, of_accuracy: bool = False) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """(N, T-1) codes of a control that is compared with `source`, for both parts of the data.

    `best_code` and `oracle` are functions of that source's label; the best code is another one for accuracies than for information.
    """
    target, rng = SOURCES.index(source), np.random.default_rng(0)
    scored = data.scored.sources()
    count = np.bincount(scored.labels[target].ravel(), minlength=scored.sizes[target])
    frequent = np.minimum(np.argsort(np.argsort(-count)), k - 1)
    best = frequent if of_accuracy else best_code(count, k)

    def of(labels: tuple[NDArray[np.int64], ...]) -> NDArray[np.int64]:
        known = labels[target]
        every = {"majority": np.zeros_like(known), "direction": labels[0], "best_code": best[known], "oracle": known}
        return rng.integers(0, k, known.shape) if name == "random" else every[name]

    return of(data.fit.sources().labels), of(scored.labels)


def best_code(count_l: NDArray[np.integer], k: int) -> NDArray[np.int64]:
    """(L,) the code, below k, of each label: of all maps from labels to k codes one whose NMI with the label is the highest, or 0.5 % less.

    The NMI of a function of the label grows with the code's entropy alone. The labels are dealt out to the emptiest code, the most
    frequent first; then labels are moved and exchanged between codes for as long as that helps.
    """
    code_l = np.arange(len(count_l))
    if k >= len(count_l):
        return code_l
    filled = np.zeros(k)
    for label in np.argsort(-count_l):
        code_l[label] = filled.argmin()
        filled[code_l[label]] += count_l[label]
    best, before = _entropy(code_l, count_l, k), -1.0
    while best > before:
        before = best
        moves = [(label, code) for label in range(len(code_l)) for code in range(k)]
        swaps = [(a, b) for a in range(len(code_l)) for b in range(a)]
        for number, (a, b) in enumerate([*moves, *swaps]):
            tried = code_l.copy()
            if number < len(moves):
                tried[a] = b
            else:
                tried[[a, b]] = tried[[b, a]]
            if (value := _entropy(tried, count_l, k)) > best + 1e-12:
                code_l, best = tried, value
    return code_l


def _entropy(code_l: NDArray[np.int64], count_l: NDArray[np.integer], k: int) -> float:
    return float(entropy(np.bincount(code_l, count_l, minlength=k)))


def arrays(name: str, part: Part) -> Arrays:
    """Vectors and shifts of a control. `best_code` has only codes, and the oracle's vectors are those of `oracle_vectors`."""
    labels, sizes = part.sources()
    spec, script, shape = part.spec, part.script, labels[0].shape
    hot = [np.eye(size, dtype=np.float32)[label] for label, size in zip(labels, sizes, strict=True)]
    if name == "random":
        rng = np.random.default_rng(1)
        walks = [shift_of(rng.integers(0, 5, shape), step) for step in (spec.sprite.step, spec.background.step)]
        return {"vectors": rng.normal(size=(*shape, 16)).astype(np.float32), "shift": walks[0], "background_shift": walks[1]}
    if name == "majority":
        still = np.zeros((*shape, 2))
        return {"vectors": np.zeros((*shape, 1), np.float32), "shift": still, "background_shift": still}
    if name == "direction":
        return {"vectors": hot[0], "shift": shift_of(labels[0], spec.sprite.step), "background_shift": np.zeros((*shape, 2))}
    if name == "best_code":
        return {}
    return {"shift": script.shift[:, 1:].astype(float), "background_shift": script.background_shift[:, 1:].astype(float)}


def oracle_vectors(part: Part, source: str) -> NDArray[np.float32]:
    """(N, T-1, L) the true action of a source, as features that are 0 or 1."""
    sources, target = part.sources(), SOURCES.index(source)
    return np.eye(sources.sizes[target], dtype=np.float32)[sources.labels[target]]


MASKS: dict[str, Callable[[NDArray[np.bool_]], NDArray[Any]]] = {
    "random": lambda true: np.roll(true, (true.shape[1] // 2, true.shape[2] // 2), (1, 2)),
    "majority": np.zeros_like,
    "oracle": lambda true: true,
}
"""What the controls make of the true masks (T, H, W)."""
