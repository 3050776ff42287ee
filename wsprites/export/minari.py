"""The format of Minari (Farama): one dataset for each split, so that test characters are not trained on by mistake."""

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import minari
import numpy as np
from gymnasium.envs.registration import EnvSpec
from gymnasium.spaces import Box, Discrete, MultiDiscrete, Space
from minari.data_collector import EpisodeBuffer
from minari.dataset.minari_storage import MinariStorage
from numpy.typing import NDArray

from wsprites.art import load_art
from wsprites.errors import UserError
from wsprites.export.job import Job, Written
from wsprites.file import DataFile
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import CLIP_LABELS, FRAME_LABELS, casting
from wsprites.world.spec import SPLITS

_HEAD = """
This folder is a root folder of Minari with one dataset for each split, in its HDF5 format, not compressed:

    import os
    os.environ["MINARI_DATASETS_PATH"] = "this folder"
    import minari
    train = minari.load_dataset("wsprites-train-v0")  # -val-v0, -test-v0

or `minari.MinariDataset("this folder/wsprites-train-v0/data")` without the variable. An episode is a clip. Its observations are the frames,
(T, height, width, 3) uint8, exact: Minari's JPEG encoding is off."""

_CARD = """ Its actions are (T-1, 2), global and local: **`actions[t]` leads from
`observations[t]` to `observations[t+1]`**, so it is the pair of labels at index t+1, and the labels at index 0 are not among the actions.
`infos` has the labels of every frame, and `masks` (T, height, width) bool, by the index of the observations. Rewards are 0; the last
step is a truncation. `index`, `character`, `parts` and `background` are the metadata of the episode, and `options` that of the environment:

    env = train.recover_environment()           # with wsprites and gymnasium installed; (eval_env=True) has the characters of test
    episode, metadata = train[0], next(iter(train.storage.get_episode_metadata([0])))
    frame, info = env.reset(options=metadata["options"])    # episode.observations[0]
    frame, *_ = env.step(episode.actions[0])                # episode.observations[1], bit for bit

The environment is `wsprites/Walk-v0` with the world, the seed and the length of the clips, and the characters of the split. It checks
that its art is that of the data: art other than wsprites' own is given as `recover_environment(sheets=..., backgrounds=...)`, or with the
data file that was exported, `recover_environment(world="data.h5")`. The datasets have different environments, so that Minari's
`combine_datasets` takes those of one split only.
"""

_DRIVEN_CARD = """ Its actions are (T-1, 2), global and local: **`actions[t]` leads from
`observations[t]` to `observations[t+1]`**, so it is the pair of labels at index t+1, and the labels at index 0 are not among the actions.
The steps of the scene, which were chosen as well, are `background_action` of `infos`, which has the labels of every frame, and `masks`
(T, height, width) bool, by the index of the observations. Rewards are 0; the last step is a truncation. `index`, `character`, `parts` and
`background` are the metadata of the episode. There is no environment to recover, because none moves the scene by actions; the data file
that was exported replays the clips.
"""

_VIDEO_CARD = """ `actions[t]` was taken at
`observations[t]` and leads to `observations[t+1]`, `rewards[t]` and `terminations[t]` are the entries at `observations[t+1]`; rewards
are 0 and terminations False where none came with the videos. The action at the last frame is in `infos` only: `infos` has the labels of
every frame, by the index of the observations. The last step is a truncation, unless it is a termination. `index`, `video` and
`first_frame` are the metadata of the episode. There is no environment to recover.
"""

_ROOM = 16  # clips that must fit on the disk before each write, because HDF5 crashes if a write fails, and also writes when it is closed
_MOST_ACTIONS = 2**31


def card(job: Job) -> str:
    """How the folder is read."""
    if not job.world:
        return _HEAD + _VIDEO_CARD
    return _HEAD + (_CARD if job.world.driver is None else _DRIVEN_CARD)


def write(job: Job, folder: Path) -> Written:
    """Write the datasets wsprites-train-v0, wsprites-val-v0 and wsprites-test-v0. Splits without clips are left out.

    Raises:
        UserError: clips have one frame, and no transition, or the videos came without actions.
        OSError: the disk is nearly full.
    """
    if job.clip_frames < 2:
        raise UserError(f"{job.data.path}: clips of one frame have no transitions, which episodes of Minari need; choose another format")
    if not job.world and "actions" not in job.label_names:
        raise UserError(f"{job.data.path}: the videos came without actions, which episodes of Minari need; choose another format")
    drawn = job.world if job.world and job.world.driver is None else None
    sheets = _own_sheets(drawn) if drawn else None
    for split in SPLITS:
        rows = job.rows(split)
        if not rows:
            continue
        name = f"wsprites-{split}-v0"
        (folder / name).mkdir()
        height, width = job.frame_size
        storage = MinariStorage.new(
            folder / name / "data",
            observation_space=Box(0, 255, (height, width, 3), np.uint8),
            action_space=_action_space(job),
            env_spec=_environment(job, drawn, split, sheets) if drawn else None,
            jpeg_encoding=False,
        )
        kind = "videos in which every action is known" if job.world else "imported videos"
        description = f"W-Sprites, split {split}: {kind}. README.md is beside the dataset."
        storage.update_metadata({"dataset_id": name, "minari_version": minari.__version__, "description": description})
        if drawn and (casting(drawn.spec, drawn.seed).split == SPLITS.index("test")).any():
            storage.update_metadata({"eval_env_spec": _environment(job, drawn, "test", sheets).to_json()})
        storage.update_episodes(_episodes(job, split, rows, folder))
        of_clip = CLIP_LABELS if job.world else ("index", "video", "first_frame")
        every = (job.labels(split, row) for row in rows)
        storage.update_episode_metadata({name: labels[name] for name in of_clip} for labels in every)
    other = "art      not wsprites' own: recover_environment() needs sheets=... and backgrounds=..., or world=FILE"
    return Written(notes=(*((other,) if drawn and sheets is None else ()), *job.skip_notes))


def _own_sheets(data: DataFile) -> str | None:
    """The name of the sheets that a file was made with on painted backgrounds; None if they are others."""
    for sheets in ("own", "lpc"):
        try:
            if load_art(data.spec, sheets).sha256 == data.art_sha256:
                return sheets
        except UserError:  # not fetched, or without the layers of this world
            continue
    return None


def _environment(job: Job, data: DataFile, split: str, sheets: str | None) -> EnvSpec:
    """The environment that plays the clips of a split."""
    return EnvSpec(
        "wsprites/Walk-v0",
        entry_point="wsprites.env:WalkEnv",
        kwargs={
            "world": data.spec.to_json(),
            "sheets": sheets or "own",
            "length": data.spec.frames - 1,
            "split": split,
            "data_seed": data.seed,
            "art_sha256": data.art_sha256,
            **({"resize": job.resize} if job.resize else {}),
        },
    )


def _action_space(job: Job) -> Space[Any]:
    if job.world:
        return MultiDiscrete([len(GlobalAction), len(local_actions(job.world.spec.facings))])
    actions = [np.asarray(job.data[split]["actions"][...]) for split in SPLITS]
    low, high = (int(limit(np.concatenate([values.ravel() for values in actions]))) for limit in (np.min, np.max))
    if high - low >= _MOST_ACTIONS:
        raise UserError(f"{job.data.path}: actions from {low} to {high} are no numbers of choices; choose another format")
    return Discrete(high - low + 1, start=low)


def _episodes(job: Job, split: str, rows: range, folder: Path) -> Iterator[EpisodeBuffer]:
    steps, clip_bytes = job.clip_frames - 1, job.clip_frames * int(np.prod(job.frame_size)) * 5
    for number, row in enumerate(rows):
        if shutil.disk_usage(folder).free < 2**20 + min(_ROOM, len(rows) - number) * clip_bytes:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        labels, pixels = job.labels(split, row), job.arrays(split, row)
        frame_labels = FRAME_LABELS if job.world else [name for name, values in labels.items() if values.ndim]
        infos = {name: labels[name] for name in frame_labels}
        last = np.arange(steps) == steps - 1
        if job.world:
            actions = np.stack([labels["global_action"][1:], labels["local_action"][1:]], -1).astype(np.int64)
            rewards, terminations = np.zeros(steps), np.zeros(steps, bool)
            infos["masks"] = pixels["masks"]
            options = {"clip": int(labels["index"]), "data_seed": job.world.seed} if job.world.driver is None else None
        else:
            actions, options = labels["actions"][:-1], None
            rewards = labels["rewards"][1:] if "rewards" in labels else np.zeros(steps)
            terminations = labels["dones"][1:] if "dones" in labels else np.zeros(steps, bool)
        yield EpisodeBuffer(
            observations=pixels["frames"],
            actions=actions,
            rewards=rewards,
            terminations=terminations,
            truncations=last & ~terminations,
            infos=infos,
            options=options,
        )


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk. HDF5 pads chunks, which adds up to a third."""
    return sum(image.nbytes for image in pixels) * 5 // 4
