"""Distributions of labels, as observed in data and as the rule of a world implies. Axis suffixes: n clips, t frames, g groups, k ages."""

from collections.abc import Collection
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.actions import ANIMATIONS, GlobalAction, animation_of, is_walk, local_actions, walk_of
from wsprites.world.spec import WorldSpec
from wsprites.world.walk import choices


def joint_counts(a: NDArray[np.integer], b: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.int64]:
    """Count how often each pair of labels occurs.

    Args:
        a, b: labels from 0, integer arrays of one shape.
        shape: (A, B), the numbers of values of `a` and `b`.

    Returns:
        (A, B) int64 counts; rows are values of `a`, columns those of `b`.

    Example:
        >>> joint_counts(np.array([0, 1, 1]), np.array([2, 0, 0]), (2, 3)).tolist()
        [[0, 0, 1], [2, 0, 0]]
    """
    cells = a.astype(np.int64).ravel() * shape[1] + b.ravel()
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def entropy(weights: NDArray[np.number]) -> float:
    """Compute the entropy of a distribution in bits.

    Args:
        weights: float or int weights >= 0 of any shape (...), which need not sum to 1. Without positive weights the entropy is 0.

    Example:
        >>> entropy(np.array([3, 3, 0]))
        1.0
    """
    p = weights[weights > 0] / max(weights.sum(), 1e-300)
    return float(-(p * np.log2(p)).sum()) + 0.0


def mutual_information(joint: NDArray[np.number]) -> tuple[float, float]:
    """Compute the mutual information of the row and the column of an (A, B) table of counts or probabilities.

    Returns:
        The mutual information in bits, and normalised by the mean of both entropies (NMI as in scikit-learn, 0 to 1; 0 if a label never
        changes). From counts this is the plug-in estimate, whose bias is positive and shrinks with the size of the sample.
    """
    rows, columns = entropy(joint.sum(1)), entropy(joint.sum(0))
    bits = max(rows + columns - entropy(joint), 0.0)
    return bits, bits / ((rows + columns) / 2) if rows + columns > 0 else 0.0


def survived(label_nt: NDArray[np.integer], free_nt: NDArray[np.bool_], group_of: NDArray[np.integer], groups: int) -> NDArray[np.int64]:
    """Count how often a run of a label continues, by its age.

    Args:
        label_nt: (N, T) labels.
        free_nt: (N, T) bool, True where the step after frame t is counted: where the walk is away from the edges. This depends on the
            past only, so that excluding the other steps, and censoring runs at the end of a clip, causes no bias.
        group_of: (A,) the group of each label's runs, or -1 for labels that are left out.
        groups: the number of groups, G.

    Returns:
        (G, 2, T - 1) int64: the runs observed at each age, and those of them that continued.
    """
    frames = label_nt.shape[1]
    begins = np.ones(label_nt.shape, bool)
    begins[:, 1:] = label_nt[:, 1:] != label_nt[:, :-1]
    t = np.arange(frames)
    age_nt = t - np.maximum.accumulate(np.where(begins, t, 0), axis=1)  # 0 in the first frame of a run
    group_nt = group_of[label_nt[:, :-1]]
    observed = free_nt[:, :-1] & (group_nt >= 0)
    cell = group_nt * (frames - 1) + age_nt[:, :-1]
    counts = [np.bincount(cell[which], minlength=groups * (frames - 1)) for which in (observed, observed & ~begins[:, 1:])]
    return np.stack(counts).reshape(2, groups, frames - 1).swapaxes(0, 1)


def survival(counts_2k: NDArray[np.int64]) -> NDArray[np.float64]:
    """Estimate the share of runs of at least 1, 2, ... frames (Kaplan and Meier 1958).

    Args:
        counts_2k: (2, K) int64 counts of a group, as from `survived`.

    Returns:
        (K + 1,) float64; NaN from the age on at which no run was observed.
    """
    at_risk, continued = counts_2k
    with np.errstate(invalid="ignore"):
        share: NDArray[np.float64] = np.cumprod(np.append(1.0, np.where(at_risk > 0, continued / at_risk, np.nan)))
    return share


class Runs(NamedTuple):
    """Labels whose runs have the same distribution away from the edges, and this distribution."""

    name: str
    """Name in tables and figures."""
    labels: tuple[int, ...]
    """The values of the label."""
    p_keep: float
    """Probability that the label is the same in the next frame, while no bout ends."""
    bout: tuple[int, int] | None = None
    """Shortest and longest bout in frames, uniform between them; None if there are no bouts, and the length of a run is geometric."""

    def survival(self, frames: int) -> NDArray[np.float64]:
        """Return (frames,) float64 probabilities of runs of at least n = 1, 2, ... frames: p_keep^(n - 1), times that of the bout."""
        n = np.arange(1, frames + 1)
        geometric: NDArray[np.float64] = np.power(self.p_keep, n - 1.0)
        if self.bout is None:
            return geometric
        shortest, longest = self.bout
        return geometric * np.clip((longest - n + 1) / (longest - shortest + 1), 0, 1)


def transitions(p_inertia: float, rule: str) -> NDArray[np.float64]:
    """Return the (5, 5) float64 probabilities of the next GlobalAction (column) given the previous one (row), away from the edges."""
    table, actions = choices(p_inertia, rule), len(GlobalAction)
    chances = np.diag(table.p_keep[:actions])  # no edges: the code is the previous action
    for before in range(actions):
        drawn = table.candidates[before, : table.options[before]]
        chances[before, drawn] += (1 - table.p_keep[before]) / len(drawn)
    return chances


def walk_runs(p_inertia: float, rule: str) -> list[Runs]:
    """Return the kinds of runs of a walk's actions: one, or two if `stay` has an inertia of its own."""
    keep = np.diag(transitions(p_inertia, rule))
    moves = tuple(a for a in GlobalAction if a != GlobalAction.stay)
    if np.isclose(keep[moves[0]], keep[GlobalAction.stay]):
        return [Runs("all actions", tuple(GlobalAction), float(keep[0]))]
    return [Runs("moves", moves, float(keep[0])), Runs("stay", (GlobalAction.stay,), float(keep[GlobalAction.stay]))]


def local_runs(spec: WorldSpec) -> list[Runs]:
    """Return the kinds of runs of a world's local actions: one chain, or those of walking and the bouts of standing."""
    actions = spec.local_actions
    if not spec.local.coupled:
        p = spec.local.p_inertia
        return [Runs("all actions", tuple(actions), p + (1 - p) / len(actions) if spec.rule == "paper" else p)]
    chances = transitions(spec.sprite.p_inertia, spec.rule)
    directions: dict[int, list[int]] = {}
    for direction in GlobalAction:
        if direction != GlobalAction.stay:
            directions.setdefault(walk_of(direction, spec.facings), []).append(direction)
    kinds: dict[float, list[int]] = {}
    for walk, ways in directions.items():
        kinds.setdefault(round(float(chances[ways[0], ways].sum()), 12), []).append(walk)
    runs = [Runs(_names(walks, spec), tuple(walks), p_keep) for p_keep, walks in kinds.items()]
    standing = tuple(a for a in actions if not is_walk(a))
    bout = (spec.local.bout_min, spec.local.bout_max)
    return [
        *runs,
        Runs(", ".join(dict.fromkeys(map(animation_of, standing))), standing, float(chances[GlobalAction.stay, GlobalAction.stay]), bout),
    ]


def _names(walks: list[int], spec: WorldSpec) -> str:
    return ", ".join(action.name.replace("_", " ") for action in spec.local_actions if action in walks)


def coupled_joint(
    share_of_direction: NDArray[np.floating], facings: int, *, animations: Collection[str] = ANIMATIONS
) -> NDArray[np.float64]:
    """Compute the joint distribution of global and local actions in a coupled world.

    The direction determines the local action of a walking character; a standing one shows each of its actions equally often. The NMI of
    this table is the maximum for a model that sees the direction and nothing of the pose.

    Args:
        share_of_direction: (5,) float shares of the global actions.
        facings: 3, or 4 with views of the back.
        animations: those of the world.

    Returns:
        (5, A) float64 probabilities; A counts the actions of all animations.
    """
    actions = local_actions(facings)
    standing = [a for a in local_actions(facings, animations=animations) if not is_walk(a)]
    joint = np.zeros((len(GlobalAction), len(actions)))
    for direction in GlobalAction:
        if direction == GlobalAction.stay:
            joint[direction, standing] = share_of_direction[direction] / len(standing)
        else:
            joint[direction, walk_of(direction, facings)] = share_of_direction[direction]
    return joint
