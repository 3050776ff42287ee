"""The recorded episodes in a data file: written once, and read without trusting them.

/episodes    attribute checksum, XXH3-64
    index, seed                        (E,) int64: the clip that an episode begins like, and the seed of its data set; -1 if there is none
    character, background              (E,) int32
    global_action, local_action, background_action, animation_frame    (E,) uint8 at the first frame
    position, shift, background_offset, background_shift               (E, 2) int16 at the first frame
    cursor                             (E, A) uint8, next frame of the cycle of every local action
    steps                              (E,) int64 number of steps, S in all
    actions                            (S, 3) uint8: global, local and background action of every step, one episode after the other

Nothing of it is compressed, so that a file cannot say that it has more of it than it takes on the disk.
"""

from collections.abc import Sequence
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64

from wsprites.file.h5 import local_item
from wsprites.world.episode import Episode, Start, check_actions, check_start
from wsprites.world.script import FRAME_LABELS, LABELS, Script, parts_of
from wsprites.world.spec import WorldSpec

_LABELS = tuple(name for name in LABELS if name != "parts")  # which follow from the character
_DTYPES = {"index": "i8", "character": "i4", "background": "i4"}
_POINTS = ("position", "shift", "background_offset", "background_shift")


def _arrays(spec: WorldSpec, episodes: int, steps: int) -> dict[str, tuple[tuple[int, ...], np.dtype[Any]]]:
    """The arrays of the group: {name: (shape, dtype)}."""
    arrays: dict[str, tuple[tuple[int, ...], np.dtype[Any]]] = {
        name: ((episodes, 2), np.dtype("i2")) if name in _POINTS else ((episodes,), np.dtype(_DTYPES.get(name, "u1"))) for name in _LABELS
    }
    whole = np.dtype("i8")
    return {
        **arrays,
        "seed": ((episodes,), whole),
        "cursor": ((episodes, 3 * spec.facings), np.dtype("u1")),
        "steps": ((episodes,), whole),
        "actions": ((steps, 3), np.dtype("u1")),
    }


def write_episodes(h5: h5py.File, spec: WorldSpec, episodes: Sequence[Episode]) -> None:
    """Add the group of episodes to a file.

    Args:
        h5: the file.
        spec: the world.
        episodes: one or more episodes that are possible in it.
    """
    values: dict[str, NDArray[Any]] = {}
    for name in _LABELS:
        first_e = np.array([np.asarray(getattr(episode.start.script, name)) for episode in episodes])
        values[name] = first_e[:, 0] if name in FRAME_LABELS else first_e
    values["seed"] = np.array([episode.start.seed for episode in episodes])
    values["cursor"] = np.array([episode.start.cursor for episode in episodes])
    values["steps"] = np.array([len(episode.actions_t3) for episode in episodes])
    values["actions"] = np.concatenate([episode.actions_t3 for episode in episodes])
    properties = h5py.h5p.create(h5py.h5p.GROUP_CREATE)
    properties.set_obj_track_times(False)
    group = h5py.Group(h5py.h5g.create(h5.id, b"episodes", gcpl=properties))
    for name, (shape, dtype) in _arrays(spec, len(episodes), len(values["actions"])).items():
        group.create_dataset(name, shape, dtype, data=values[name])
    group.attrs["checksum"] = episodes_checksum(h5)


def episodes_checksum(h5: h5py.File) -> np.uint64:
    """XXH3-64 of the arrays of the group, the seed, and who chose the actions: also of what is in no clip, which no pixel shows."""
    checksum = xxh3_64()
    for name in ("policy", "driver", "date", "seed"):
        checksum.update(f"{h5.attrs[name]}\0".encode())
    for name in (*_LABELS, "seed", "cursor", "steps", "actions"):
        checksum.update(np.ascontiguousarray(h5["episodes"][name][()]).data)
    return np.uint64(checksum.intdigest())


def read_episodes(h5: h5py.File, spec: WorldSpec) -> tuple[Episode, ...]:
    """Read the episodes of a file. Shapes and sizes are checked before memory is allocated, and all values after.

    Raises:
        ValueError: an array is missing, lies outside the file, is not of the shape or type that `spec` implies, or is not all there; or
            a start or an action is not possible in this world: the message names the episode and the step.
        AttributeError, KeyError, TypeError, OSError: something else is damaged.
    """
    group = local_item(h5, "episodes", h5py.Group)
    count, steps = local_item(group, "steps", h5py.Dataset).size, local_item(group, "actions", h5py.Dataset).shape[0]
    values = {name: _checked(group, name, *expected) for name, expected in _arrays(spec, count, steps).items()}
    if (values["steps"] < 0).any() or sum(values["steps"].tolist()) != steps:
        raise ValueError(f"/episodes/steps do not add up to the {steps} actions")
    stop_e = np.cumsum(values["steps"])
    actions_et3 = np.split(values["actions"], stop_e[:-1]) if count else []
    episodes = []
    for number, actions_t3 in enumerate(actions_et3):
        labels: dict[str, NDArray[Any]] = {
            name: values[name][number : number + 1] if name in FRAME_LABELS else values[name][number] for name in _LABELS
        }
        try:
            labels["parts"] = _parts(spec, int(labels["character"]))
            start = Start(Script(**labels), values["cursor"][number], int(values["seed"][number]))
            check_start(spec, start)
            check_actions(spec, actions_t3)
        except ValueError as error:
            raise ValueError(f"/episodes, episode {number}: {error}") from None
        episodes.append(Episode(start, actions_t3))
    return tuple(episodes)


def _parts(spec: WorldSpec, character: int) -> NDArray[Any]:
    if not 0 <= character < spec.cast.characters:
        raise ValueError(f"character {character} is outside 0 to {spec.cast.characters - 1}")
    return parts_of(spec, np.array([character]))[0, :]


def _checked(group: h5py.Group, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    """An array of the group, in memory."""
    dataset = local_item(group, name, h5py.Dataset)
    if dataset.shape != shape or dataset.dtype != dtype or dataset.is_virtual:
        raise ValueError(f"{dataset.name} is {dataset.dtype} {dataset.shape}, not {dtype} {shape}")
    if dataset.id.get_storage_size() < dataset.nbytes:
        raise ValueError(f"{dataset.name} has fewer than its {dataset.size:,} entries")
    return np.asarray(dataset[()])
