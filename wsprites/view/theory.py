"""How labels are distributed, as observed and by the rule of the world. Axis suffixes: n clips, t frames, g groups, k ages, 2 = (x, y)."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from wsprites.world.actions import GlobalAction, is_walk, local_actions, walk_of
from wsprites.world.spec import WorldSpec
from wsprites.world.walk import choices


def joint_counts(a: NDArray[np.integer], b: NDArray[np.integer], shape: tuple[int, int]) -> NDArray[np.int64]:
    """How often each pair of labels occurs: `shape` int64, rows are values of `a`, columns those of `b`, arrays of one shape."""
    cells = a.astype(np.int64).ravel() * shape[1] + b.ravel()
    return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)


def entropy(weights: NDArray[np.number]) -> float:
    """Entropy in bits of a distribution given by weights >= 0, of any shape; 0 if there are none."""
    p = weights[weights > 0] / max(weights.sum(), 1e-300)
    return float(-(p * np.log2(p)).sum()) + 0.0


def mutual_information(joint: NDArray[np.number]) -> tuple[float, float]:
    """Mutual information of the row and the column of a (A, B) table of counts or probabilities.

    Returns:
        It in bits, and normalised by the mean of both entropies (NMI, as in scikit-learn; 0 where a label never changes). Of counts it
        is the plug-in estimate: above the truth, by an amount that shrinks with the size of the sample.
    """
    rows, columns = entropy(joint.sum(1)), entropy(joint.sum(0))
    bits = max(rows + columns - entropy(joint), 0.0)
    return bits, bits / ((rows + columns) / 2) if rows + columns > 0 else 0.0


def survived(label_nt: NDArray[np.integer], free_nt: NDArray[np.bool_], group_of: NDArray[np.integer], groups: int) -> NDArray[np.int64]:
    """Count how often a run of a label goes on, by its age: (G, 2, T - 1), first those looked at, then those that went on.

    Args:
        label_nt: (N, T) labels.
        free_nt: (N, T) True where the step after frame t is to be looked at: where the walk is away from the edges. It depends on the
            past alone, so that leaving out the others skews nothing, as little as the runs that the end of a clip cuts off.
        group_of: the group of each label's runs, or -1 for labels that are left out.
    """
    frames = label_nt.shape[1]
    begins = np.ones(label_nt.shape, bool)
    begins[:, 1:] = label_nt[:, 1:] != label_nt[:, :-1]
    t = np.arange(frames)
    age_nt = t - np.maximum.accumulate(np.where(begins, t, 0), axis=1)  # 0 in the first frame of a run
    group_nt = group_of[label_nt[:, :-1]]
    looked_at = free_nt[:, :-1] & (group_nt >= 0)
    cell = group_nt * (frames - 1) + age_nt[:, :-1]
    counts = [np.bincount(cell[which], minlength=groups * (frames - 1)) for which in (looked_at, looked_at & ~begins[:, 1:])]
    return np.stack(counts).reshape(2, groups, frames - 1).swapaxes(0, 1)


def survival(counts_2k: NDArray[np.int64]) -> NDArray[np.float64]:
    """(K + 1,) the share of runs of at least 1, 2, ... frames (Kaplan and Meier 1958), from the counts of a group; NaN where none is."""
    at_risk, went_on = counts_2k
    with np.errstate(invalid="ignore"):
        share: NDArray[np.float64] = np.cumprod(np.append(1.0, np.where(at_risk > 0, went_on / at_risk, np.nan)))
    return share


class Runs(NamedTuple):
    """Runs that have one distribution away from the edges, by the rule."""

    name: str
    labels: tuple[int, ...]
    p_keep: float
    """Probability that the label is the same in the next frame, as long as no bout ends."""
    bout: tuple[int, int] | None = None
    """Shortest and longest bout, uniform between them; None if there are no bouts and the length is geometric."""

    def survival(self, frames: int) -> NDArray[np.float64]:
        """(frames,) the probability of a run of at least 1, 2, ... frames: p_keep^(n - 1), times that of a bout which is as long."""
        n = np.arange(1, frames + 1)
        geometric: NDArray[np.float64] = np.power(self.p_keep, n - 1.0)
        if self.bout is None:
            return geometric
        shortest, longest = self.bout
        return geometric * np.clip((longest - n + 1) / (longest - shortest + 1), 0, 1)


def transitions(p_inertia: float, rule: str) -> NDArray[np.float64]:
    """(5, 5) probability of the next GlobalAction (column) after the one before (row), of a walk away from the edges."""
    table, actions = choices(p_inertia, rule), len(GlobalAction)
    chances = np.diag(table.p_keep[:actions])  # no edges: the code is the previous action
    for before in range(actions):
        drawn = table.candidates[before, : table.options[before]]
        chances[before, drawn] += (1 - table.p_keep[before]) / len(drawn)
    return chances


def walk_runs(p_inertia: float, rule: str) -> list[Runs]:
    """The runs of a walk's actions: one kind, or two where `stay` has an inertia of its own."""
    keep = np.diag(transitions(p_inertia, rule))
    moves = tuple(a for a in GlobalAction if a != GlobalAction.stay)
    if np.isclose(keep[moves[0]], keep[GlobalAction.stay]):
        return [Runs("all actions", tuple(GlobalAction), float(keep[0]))]
    return [Runs("moves", moves, float(keep[0])), Runs("stay", (GlobalAction.stay,), float(keep[GlobalAction.stay]))]


def local_runs(spec: WorldSpec) -> list[Runs]:
    """The runs of a world's local actions: those of one chain, or of walks and of the bouts in standing."""
    known = local_actions(spec.facings)
    if not spec.local.coupled:
        p = spec.local.p_inertia
        return [Runs("all actions", tuple(known), p + (1 - p) / len(known) if spec.rule == "paper" else p)]
    chances = transitions(spec.sprite.p_inertia, spec.rule)
    directions: dict[int, list[int]] = {}
    for direction in GlobalAction:
        if direction != GlobalAction.stay:
            directions.setdefault(walk_of(direction, spec.facings), []).append(direction)
    kinds: dict[float, list[int]] = {}
    for walk, ways in directions.items():
        kinds.setdefault(round(float(chances[ways[0], ways].sum()), 12), []).append(walk)
    runs = [Runs(_names(walks, spec), tuple(walks), p_keep) for p_keep, walks in kinds.items()]
    standing = tuple(a for a in known if not is_walk(a))
    bout = (spec.local.bout_min, spec.local.bout_max)
    return [*runs, Runs("spellcast, slash", standing, float(chances[GlobalAction.stay, GlobalAction.stay]), bout)]


def _names(walks: list[int], spec: WorldSpec) -> str:
    return ", ".join(action.name.replace("_", " ") for action in local_actions(spec.facings) if action in walks)


def coupled_joint(share_of_direction: NDArray[np.floating], facings: int) -> NDArray[np.float64]:
    """(5, A) probabilities of global and local action in a coupled world, given the (5,) shares of the directions.

    A walking body does what its direction says; a standing one shows each of its actions equally often. The NMI of this table is
    the most that a model can reach which sees the direction and nothing of the pose.
    """
    known = local_actions(facings)
    standing = [a for a in known if not is_walk(a)]
    joint = np.zeros((len(GlobalAction), len(known)))
    for direction in GlobalAction:
        if direction == GlobalAction.stay:
            joint[direction, standing] = share_of_direction[direction] / len(standing)
        else:
            joint[direction, walk_of(direction, facings)] = share_of_direction[direction]
    return joint
