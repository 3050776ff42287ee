"""Counting the labels of a data file, in one pass whose memory does not grow with the number of clips.

Axis suffixes: n clips, t frames, s splits, a and b labels, g kinds of runs, k ages of runs, c characters, y and x pixels.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.file import DataFile
from wsprites.view.theory import Runs, joint_counts, local_runs, survived, walk_runs
from wsprites.world.actions import GlobalAction, LocalAction, local_actions
from wsprites.world.script import LABELS, Script
from wsprites.world.spec import SPLITS, WorldSpec

PAIRS = (("global_action", "local_action"), ("global_action", "background_action"), ("local_action", "background_action"))
"""Pairs of labels whose joint distribution is counted."""


class LabelRuns(NamedTuple):
    """The kinds of runs that one label has."""

    title: str
    label: str
    kinds: list[Runs]


def label_names(spec: WorldSpec) -> dict[str, list[str]]:
    """Return the names of the values of each label that is an action, by label."""
    directions = [action.name for action in GlobalAction]
    local = [LocalAction(action).name for action in local_actions(spec.facings)]
    return {"global_action": directions, "local_action": local, "background_action": directions}


def label_values(spec: WorldSpec) -> dict[str, tuple[int, ...]]:
    """Return the values that each label which is an action can have in a world, by label."""
    return {"global_action": tuple(GlobalAction), "local_action": spec.local_actions, "background_action": tuple(GlobalAction)}


@dataclass
class Counts:
    """Counts over all clips of a data file: int64 arrays, zero at the start, filled by `count`."""

    spec: WorldSpec
    labels_sa: dict[str, NDArray[np.int64]] = field(init=False)
    """Frames with each value of each label, by split."""
    joint_ab: dict[tuple[str, str], NDArray[np.int64]] = field(init=False)
    """Frames with each pair of labels, for each of PAIRS."""
    control_ab: dict[tuple[str, str], NDArray[np.int64]] = field(init=False)
    """The same for the labels of a clip and those of the clip before it in the file, which are independent of one another."""
    runs_g2k: list[NDArray[np.int64]] = field(init=False)
    """For each of `runs`: how many runs of each age were observed, and how many of them continued."""
    position_yx: NDArray[np.int64] = field(init=False)
    """Frames with the top-left corner of the sprite's cell at each pixel."""
    offset_yx: NDArray[np.int64] = field(init=False)
    """Frames with the top-left corner of the background's crop at each pixel."""
    characters_sc: NDArray[np.int64] = field(init=False)
    """Clips with each character, by split."""
    backgrounds_sb: NDArray[np.int64] = field(init=False)
    """Clips with each background, by split."""
    labels_xxh3: str = ""
    """XXH3-64 of all labels in the order of the file."""

    def __post_init__(self) -> None:
        spec, limit = self.spec, self.spec.background.limit + 1
        self.labels_sa = {label: np.zeros((len(SPLITS), size), np.int64) for label, size in self.sizes.items()}
        self.joint_ab = {(a, b): np.zeros((self.sizes[a], self.sizes[b]), np.int64) for a, b in PAIRS}
        self.control_ab = {pair: np.zeros_like(counts) for pair, counts in self.joint_ab.items()}
        self.runs_g2k = [np.zeros((len(runs.kinds), 2, spec.frames - 1), np.int64) for runs in self.runs]
        self.position_yx = np.zeros((spec.height - spec.cell + 1, spec.width - spec.cell + 1), np.int64)
        self.offset_yx = np.zeros((limit, limit), np.int64)
        self.characters_sc = np.zeros((len(SPLITS), spec.cast.characters), np.int64)
        self.backgrounds_sb = np.zeros((len(SPLITS), spec.cast.backgrounds), np.int64)

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The number of values of each label."""
        return {label: len(names) for label, names in label_names(self.spec).items()}

    @cached_property
    def runs(self) -> list[LabelRuns]:
        """The labels whose runs are counted: not those of actions that follow the position, for whose runs there is no formula."""
        sprite, background, local = self.spec.sprite, self.spec.background, self.spec.local
        runs = [LabelRuns("Background action", "background_action", walk_runs(background.p_inertia, self.spec.rule))]
        if not (sprite.policy if local.coupled else local.policy):
            runs.insert(0, LabelRuns("Local action", "local_action", local_runs(self.spec)))
        if not sprite.policy:
            runs.insert(0, LabelRuns("Global action", "global_action", walk_runs(sprite.p_inertia, self.spec.rule)))
        return runs

    @cached_property
    def group_of(self) -> dict[str, NDArray[np.int64]]:
        """For each label, an (A,) int64 array with the kind of runs that each of its values belongs to; -1 for none."""
        groups = {}
        for runs in self.runs:
            groups[runs.label] = np.full(self.sizes[runs.label], -1)
            for number, kind in enumerate(runs.kinds):
                groups[runs.label][list(kind.labels)] = number
        return groups


def count(data: DataFile, *, progress: Callable[[int], object] = lambda clips: None) -> Counts:
    """Count the labels of a data file.

    Args:
        data: the open file.
        progress: called with the number of clips whose labels were read since the last call.

    Raises:
        UserError: the file holds labels that its world cannot produce.
    """
    counts, labels_hash = Counts(data.spec), xxh3_64()
    for number, split in enumerate(data.splits.values()):
        last: dict[str, NDArray[np.integer]] = {}  # labels of the clip before a block
        for script in split.blocks():
            for name in LABELS:
                labels_hash.update(np.ascontiguousarray(getattr(script, name)).data)
            labels: dict[str, NDArray[np.integer]] = {label: getattr(script, label) for label in counts.sizes}
            _count_labels(counts, number, labels, last)
            last = {label: values_nt[-1:] for label, values_nt in labels.items()}
            _count_runs(counts, labels, script)
            # Places, characters and backgrounds.
            for point, places in ((script.position, counts.position_yx), (script.background_offset, counts.offset_yx)):
                places += joint_counts(point[..., 1], point[..., 0], (places.shape[0], places.shape[1]))
            np.add.at(counts.characters_sc[number], script.character, 1)
            np.add.at(counts.backgrounds_sb[number], script.background, 1)
            progress(len(script.index))
    counts.labels_xxh3 = labels_hash.hexdigest()
    return counts


def _count_labels(counts: Counts, split: int, labels: dict[str, NDArray[np.integer]], last: dict[str, NDArray[np.integer]]) -> None:
    """Count values and pairs of labels in a block of clips; `last` has the labels of the clip before the block, if there is one."""
    for label, size in counts.sizes.items():
        counts.labels_sa[label][split] += np.bincount(labels[label].ravel(), minlength=size)
    for a, b in PAIRS:
        shape = counts.sizes[a], counts.sizes[b]
        counts.joint_ab[a, b] += joint_counts(labels[a], labels[b], shape)
        before_nt = np.concatenate([last[b], labels[b][:-1]]) if last else labels[b][:-1]
        if len(before_nt):
            counts.control_ab[a, b] += joint_counts(labels[a][-len(before_nt) :], before_nt, shape)


def _count_runs(counts: Counts, labels: dict[str, NDArray[np.integer]], script: Script) -> None:
    """Count how runs continue in a block of clips, at steps that begin away from the edges of the walk's box."""
    spec = counts.spec
    free = {
        "global_action": _inside(script.position, spec.sprite_box),
        "background_action": _inside(script.background_offset, spec.background_box),
    }
    free["local_action"] = free["global_action"] if spec.local.coupled else np.ones_like(free["global_action"])
    for runs, counts_g2k in zip(counts.runs, counts.runs_g2k, strict=True):
        counts_g2k += survived(labels[runs.label], free[runs.label], counts.group_of[runs.label], len(runs.kinds))


def _inside(point_nt2: NDArray[np.integer], box: tuple[int, int]) -> NDArray[np.bool_]:
    return np.asarray(((point_nt2 > 0) & (point_nt2 < box)).all(-1))
