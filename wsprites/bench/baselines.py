"""Baselines: predictors that know a stated part of the truth, scored by the same code on the same data as a model: floors and ceilings."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from wsprites.bench.data import Data, Part
from wsprites.bench.metrics.actions import SOURCES, Sources
from wsprites.bench.metrics.information import entropy
from wsprites.bench.metrics.motion import shift_of
from wsprites.bench.protocol import Arrays
from wsprites.world.actions import GlobalAction
from wsprites.world.script import Script

DESCRIPTIONS = {
    "random": "knows nothing: random codes, vectors and shifts",
    "persistent": "random codes that change as often as those of the model",
    "previous": "the true action, or shift, of the transition before",
    "majority": "predicts the same for every transition: code 0, shift 0",
    "place": "knows the local action that the position determines, in a world where new actions follow it",
    "state_only": "gets only the state before each transition",
    "state_and_direction": "gets the state before each transition and the true global action, of the local action",
    "direction": "knows the true global action and nothing else",
    "best_code": "the best that K codes can do over all transitions: the highest NMI, for accuracies the K most frequent actions",
    "oracle": "knows everything",
    "mean_mask": "one mask for all frames: the one that is best on other clips",
    "silhouette": "the mean shape on other clips, at the centre of the model's own mask",
    "shift_only": "generates: moves as it is told, with the local action that is most frequent with the motion; ignores codes",
    "random_codes": "generates: moves as it is told, with random local actions",
    "one_action": "generates: shows one local action for all codes, the one that most of them stand for, weighted by use",
    "copy": "repeats the first frame",
    "other_clips": "as many true videos of other characters",
}
NAMES = ("random", "majority", "direction", "best_code", "oracle")
"""Baselines with arrays, which are scored like those of a model; the others only generate or have codes only."""
CODES = (*NAMES, "persistent", "previous")
"""Baselines with codes that `codes` makes."""

Codes = tuple[NDArray[np.int64], NDArray[np.int64]]
"""(N, T-1) for the part that maps are fitted on, and for the part that is scored."""


def codes(name: str, data: Data, source: str, k: int, *, for_accuracy: bool = False, switch_rate: float = 1.0) -> Codes:
    """(N, T-1) codes of a baseline for both parts of the data, to be compared with `source`.

    Args:
        name: one of NAMES, "persistent" or "previous"; "best_code", "oracle" and "previous" are functions of labels of the source. Those of
            labels of which there are more than k have as many codes as labels, but for "best_code".
        k: number of codes.
        for_accuracy: the best code for accuracies instead of that for information.
        switch_rate: share of transitions at which the persistent code changes to one of the other codes.
    """
    target, rng = SOURCES.index(source), np.random.default_rng(0)
    fit, scored = data.fit.sources(), data.scored.sources()
    if name in ("random", "persistent"):
        make = _random if name == "random" else _persistent
        return make(rng, fit.labels[0].shape, k, switch_rate), make(rng, scored.labels[0].shape, k, switch_rate)
    if name == "best_code":
        count = np.bincount(scored.labels[target].ravel(), minlength=scored.sizes[target])
        best = np.minimum(np.argsort(np.argsort(-count)), k - 1) if for_accuracy else best_code(count, k)
        return best[fit.labels[target]], best[scored.labels[target]]
    of: dict[str, Callable[[Sources], NDArray[np.int64]]] = {
        "majority": lambda part: np.zeros_like(part.labels[target]),
        "direction": lambda part: part.labels[0],
        "oracle": lambda part: part.labels[target],
        "previous": lambda part: part.before[target],
    }
    return of[name](fit), of[name](scored)


def places(part: Part) -> NDArray[np.int64]:
    """(N, T-1) the local action that the position before each transition determines (`LocalSpec.policy`)."""
    from wsprites.world.kernel import at_place

    spec = part.spec
    x_nt, y_nt = part.script.position[:, :-1].astype(np.int64).transpose(2, 0, 1)
    place_nt = at_place(x_nt, y_nt, *spec.sprite_box, spec.facings, len(spec.animations))
    action_nt: NDArray[np.int64] = np.array(spec.local_actions, np.int64)[place_nt]
    return action_nt


def _random(rng: np.random.Generator, shape_nt: tuple[int, ...], k: int, _switch_rate: float) -> NDArray[np.int64]:
    return rng.integers(0, k, shape_nt)


def _persistent(rng: np.random.Generator, shape_nt: tuple[int, ...], k: int, switch_rate: float) -> NDArray[np.int64]:
    """Codes that are kept from transition to transition, or else, with the probability `switch_rate`, change to any of the others."""
    first = rng.integers(0, k, (shape_nt[0], 1))
    switches = rng.random((shape_nt[0], shape_nt[1] - 1)) < switch_rate
    steps = rng.integers(1, max(k, 2), switches.shape) * switches
    return np.concatenate([first, first + steps.cumsum(1)], 1) % k


def best_code(count_l: NDArray[np.integer], k: int) -> NDArray[np.int64]:
    """(L,) the code, below k, of each label, in a map whose NMI with the label is the highest of all maps, or at most 0.5 % less.

    The NMI of a function of the label grows with the entropy of the code alone. Labels are assigned to the least frequent code, the most
    frequent label first; then single labels are moved and pairs exchanged between codes as long as the entropy grows.
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
    """Vectors and shifts of a baseline, (N, T-1, D). `best_code` has none, and the oracle's vectors are those of `oracle_vectors`."""
    labels, sizes, *_ = part.sources()
    spec, script, shape = part.spec, part.script, labels[0].shape
    if name == "random":
        rng = np.random.default_rng(1)
        walks = [shift_of(rng.integers(0, len(GlobalAction), shape), step) for step in (spec.sprite.step, spec.background.step)]
        return {"vectors": rng.normal(size=(*shape, 16)).astype(np.float32), "shift": walks[0], "background_shift": walks[1]}
    if name == "majority":
        still = np.zeros((*shape, 2))
        return {"vectors": np.zeros((*shape, 1), np.float32), "shift": still, "background_shift": still}
    if name == "direction":
        return {
            "vectors": np.eye(sizes[0], dtype=np.float32)[labels[0]],
            "shift": shift_of(labels[0], spec.sprite.step),
            "background_shift": np.zeros((*shape, 2)),
        }
    if name == "best_code":
        return {}
    return {"shift": script.shift[:, 1:].astype(float), "background_shift": script.background_shift[:, 1:].astype(float)}


def oracle_vectors(part: Part, source: str) -> NDArray[np.float32]:
    """(N, T-1, L) float32: the true action of a source, one-hot."""
    sources, target = part.sources(), SOURCES.index(source)
    return np.eye(sources.sizes[target], dtype=np.float32)[sources.labels[target]]


def true_actions(script: Script, *, still: bool = False) -> NDArray[np.int64]:
    """(..., T, 3) the global and the local action of a script, and that of the scene, "stay" where it stands still."""
    scene = np.full_like(script.background_action, GlobalAction.stay) if still else script.background_action
    return np.stack([script.global_action, script.local_action, scene], -1).astype(np.int64)
