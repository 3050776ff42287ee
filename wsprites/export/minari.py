"""The format of Minari (Farama): one dataset for each split, so that test characters are not trained on by mistake."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import minari
import numpy as np
from gymnasium.spaces import Box, MultiDiscrete
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.export import Job
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS
from wsprites.world.spec import SPLITS

CARD = """
This folder is a root folder of Minari with one dataset for each split, in its HDF5 format, not compressed:

    import os
    os.environ["MINARI_DATASETS_PATH"] = "this folder"
    import minari
    train = minari.load_dataset("wsprites-train-v0")  # -val-v0, -test-v0

or `minari.MinariDataset("this folder/wsprites-train-v0/data")` without the variable. An episode is a clip. Its observations are the frames,
(T, height, width, 3) uint8, exact: Minari's JPEG encoding is off. Its actions are (T-1, 2), global and local: **`actions[t]` leads from
`observations[t]` to `observations[t+1]`**, so it is the pair of labels at index t+1, and the labels at index 0 are not among the actions.
`infos` has the labels of every frame, and `masks` (T, height, width) bool, by the index of the observations. Rewards are 0; the last
step is a truncation. `index`, `character`, `parts` and `background` are the metadata of the episode:
`train.storage.get_episode_metadata([0])`.
"""

_ROOM = 16  # clips that must fit on the disk before each write, because HDF5 crashes if a write fails, and also writes when it is closed


def write(job: Job, folder: Path) -> str:
    """Write the datasets wsprites-train-v0, wsprites-val-v0 and wsprites-test-v0. Splits without clips are left out.

    Raises:
        UserError: clips have one frame, and no transition.
        OSError: the disk is nearly full.
    """
    spec = job.data.spec
    if spec.frames < 2:
        raise UserError(f"{job.data.path}: clips of one frame have no transitions, which episodes of Minari need; choose another format")
    for split in SPLITS:
        rows = job.rows(split)
        if not rows:
            continue
        name = f"wsprites-{split}-v0"
        (folder / name).mkdir()
        storage = MinariStorage.new(
            folder / name / "data",
            observation_space=Box(0, 255, (spec.height, spec.width, 3), np.uint8),
            action_space=MultiDiscrete([len(GlobalAction), len(local_actions(spec.facings))]),
            jpeg_encoding=False,
        )
        description = f"W-Sprites, split {split}: videos in which every action is known. README.md and CREDITS.txt are beside the dataset."
        storage.update_metadata({"dataset_id": name, "minari_version": minari.__version__, "description": description})
        storage.update_episodes(_episodes(job, split, rows, folder))
        scripts = (job.data[split].script(row) for row in rows)
        storage.update_episode_metadata({name: getattr(script, name) for name in CLIP_LABELS} for script in scripts)
    return ""


def _episodes(job: Job, split: str, rows: range, folder: Path) -> Iterator[EpisodeBuffer]:
    spec = job.data.spec
    steps, clip_bytes = spec.frames - 1, spec.frames * spec.height * spec.width * 5
    for number, row in enumerate(rows):
        if shutil.disk_usage(folder).free < 2**20 + min(_ROOM, len(rows) - number) * clip_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        script = job.data[split].script(row)
        frames, masks = zip(*job.windows(split, row), strict=True)
        yield EpisodeBuffer(
            observations=np.concatenate(frames),
            actions=np.stack([script.global_action[1:], script.local_action[1:]], -1).astype(np.int64),
            rewards=np.zeros(steps),
            terminations=np.zeros(steps, bool),
            truncations=np.arange(steps) == steps - 1,
            infos={**{name: getattr(script, name) for name in FRAME_LABELS}, "masks": np.concatenate(masks)},
        )


def frame_bytes(frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk. HDF5 pads chunks, which adds up to a third."""
    return (frame_hwc.nbytes + mask_hw.nbytes) * 5 // 4
