"""The format RLDS (episodes of nested steps), as TensorFlow Datasets reads it. Axis suffixes: t frames, c = RGB.

One dataset has all splits: TFRecord files of episodes, and JSON files that describe their features. The layout of steps is that of Ramos et
al., "RLDS: an ecosystem to generate, share and use datasets in reinforcement learning", 2021.
"""

import io
import os
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.export.job import Job, Written
from wsprites.file.videos import VIDEO_LABELS
from wsprites.generate import readable_size
from wsprites.view.picture import encode_png
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import CLIP_LABELS
from wsprites.world.spec import SPLITS

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")  # TensorFlow reports the instructions of the processor otherwise
import tensorflow as tf
import tensorflow_datasets as tfds

_CARD = """
A dataset of TensorFlow Datasets with the splits train, val and test, in the layout RLDS:

    import tensorflow_datasets as tfds
    builder = tfds.builder_from_directory("this folder/wsprites/1.0.0")
    for episode in builder.as_dataset("train"):
        for step in episode["steps"]:
            step["observation"]["image"]    # (height, width, 3) uint8, exact
            step["action"]                  # what was done at this step, and led to the next one

or `tfds.load("wsprites", data_dir="this folder")`. An episode is a clip, with a step for each frame. **`action` at step t leads from frame
t to frame t+1**. No action follows the last frame: **at the last step (`is_last`), `action`, `reward` and `discount` mean nothing and are
0**, which is also the number of an action. Leave the last step out where actions are read."""

_WORLD_CARD = """

| feature of a step | content |
| --- | --- |
| `observation/image` | the frame, PNG, lossless |
| `observation/state` | float32, x and y of `position`, x and y of `background_offset`, `animation_frame`, at index t |
| `action/global`, `action/local`, `action/scene` | int64 with names, `global_action`, `local_action` and `background_action` at index t+1 |
| `label/NAME` | the label NAME below at index t, which says what led **to** frame t |
| `label/mask` | (height, width, 1) uint8, 0 or 255: the pixels of the character |
| `reward`, `discount` | float32, 0 and 1 |
| `is_first`, `is_last`, `is_terminal` | `is_terminal` is never true: a clip is cut off |

`builder.info.features["steps"]["action"]["local"].names` names the actions. There is no `language_instruction`. `episode_metadata` has
`index`, `character`, `parts` and `background` of the clip, `seed` of the data and `world`, its name.
"""

_VIDEO_CARD = """ `action` is what came with the
videos, taken at frame t; `label/NAME` is the label NAME below at index t, also at the last step. `reward` is the entry of `rewards` at
frame t+1, 0 where none came with the videos. `is_terminal` is `dones` at frame t, and `discount` is 0 if frame t+1 is terminal, else 1.
There is no `language_instruction`. `episode_metadata` has the labels of clips.
"""

_NAME, _VERSION = "wsprites", "1.0.0"  # of the dataset; the version is that of this layout
_SHARD_BYTES = 200_000_000
_MOST_BYTES = 2**31 - 2**20  # of the images of an episode: protocol buffers end at 2 GiB
_ACTIONS = {"global": "global_action", "local": "local_action", "scene": "background_action"}
_STATE = 5  # numbers


def card(job: Job) -> str:
    """How the folder is read."""
    return _CARD + (_WORLD_CARD if job.world else _VIDEO_CARD)


def write(job: Job, folder: Path, *, shard_bytes: int = _SHARD_BYTES) -> Written:
    """Write the dataset wsprites/1.0.0. Splits without clips are left out.

    Args:
        job: the clips. With `job.shard_clips`, a shard has so many of them; without, it has up to `shard_bytes`.
        folder: the folder to fill.
        shard_bytes: largest size of a shard of more than one clip in bytes, unless `job.shard_clips` is set.

    Raises:
        UserError: clips have one frame, and no transition; the videos came without actions; the images of a clip take more than 2 GiB.
        OSError: writing failed.
    """
    if job.clip_frames < 2:
        raise UserError(f"{job.data.path}: clips of one frame have no transitions, which episodes need; choose another format")
    if not job.world and "actions" not in job.label_names:
        raise UserError(f"{job.data.path}: the videos came without actions, which episodes need; choose another format")
    root = folder / _NAME / _VERSION
    root.mkdir(parents=True)
    features = tfds.features.FeaturesDict({"steps": tfds.features.Dataset(_step(job)), "episode_metadata": _metadata(job)})
    try:
        splits = [_write_split(job, split, root, features, shard_bytes) for split in SPLITS if job.rows(split)]
        kind = "videos in which every action is known" if job.world else "imported videos"
        description = f"W-Sprites: {kind}. README.md in the folder above says what the features are."
        tfds.folder_dataset.write_metadata(
            data_dir=root, features=features, split_infos=splits, version=_VERSION, check_data=False, description=description
        )
    except tf.errors.OpError as error:  # of TensorFlow's own files
        raise OSError(error.message) from error
    each = ", ".join(f"{split.name} {len(split.shard_lengths):,}" for split in splits)
    last = "actions  the last step of an episode has none: zeros there mean nothing (is_last)"
    return Written(notes=(last, *job.skip_notes, f"shards   {each}"))


def _write_split(job: Job, split: str, root: Path, features: Any, shard_bytes: int) -> Any:
    """Write the shards of a split, and return its tfds.core.SplitInfo."""
    lengths: list[int] = []
    paths: list[Path] = []
    size = in_shard = 0
    with ExitStack() as shard:
        for row in job.rows(split):
            # The order of fields is settled here; that of the library changes between processes.
            example = tf.train.Example.FromString(features.serialize_example(_episode(job, split, row)))
            record = example.SerializeToString(deterministic=True)
            full = lengths[-1] == job.shard_clips if lengths and job.shard_clips else in_shard + len(record) > shard_bytes
            if not lengths or full:
                shard.close()
                paths.append(root / f"{_NAME}-{split}.tfrecord-{len(paths):05}")
                writer = shard.enter_context(tf.io.TFRecordWriter(os.fsencode(paths[-1])))  # it takes other strings in UTF-8 only
                lengths.append(0)
                in_shard = 0
            writer.write(record)
            lengths[-1] += 1
            size, in_shard = size + len(record), in_shard + len(record)
    for path in paths:
        path.rename(f"{path}-of-{len(paths):05}")
    named = tfds.core.ShardedFileTemplate(data_dir=root, dataset_name=_NAME, split=split, filetype_suffix="tfrecord")
    return tfds.core.SplitInfo(name=split, shard_lengths=lengths, num_bytes=size, filename_template=named)


def _step(job: Job) -> dict[str, Any]:
    """The features of a step."""
    kinds, (height, width) = tfds.features, job.frame_size
    image = kinds.Image(shape=(height, width, 3), encoding_format="png", doc="the frame")
    flags = dict.fromkeys(("is_first", "is_last", "is_terminal"), tf.bool)
    step: dict[str, Any] = {"observation": {"image": image}, "reward": tf.float32, "discount": tf.float32, **flags}
    labels = {name: _tensor(job, name) for name in job.label_names if name not in _of_clip(job)}
    if not job.world:
        return {**step, "action": labels["actions"], "label": labels}
    step["observation"]["state"] = kinds.Tensor(shape=(_STATE,), dtype=tf.float32, doc="x, y, scene_x, scene_y, animation_frame")
    of_part = {"global": GlobalAction, "local": local_actions(job.world.spec.facings), "scene": GlobalAction}
    action = {part: kinds.ClassLabel(names=[one.name for one in every]) for part, every in of_part.items()}
    labels |= {name: action[part] for part, name in _ACTIONS.items()}
    labels["mask"] = kinds.Image(shape=(height, width, 1), encoding_format="png", doc="255 where the character is, else 0")
    return {**step, "action": action, "label": labels}


def _metadata(job: Job) -> dict[str, Any]:
    """The features of an episode as a whole."""
    of_clip = {name: _tensor(job, name) for name in _of_clip(job)}
    return {**of_clip, "seed": tf.int64, "world": tfds.features.Text()} if job.world else of_clip


def _tensor(job: Job, name: str) -> Any:
    """The feature of a label as it is stored."""
    dtype, axes = _dtype(job, name), 1 if name in _of_clip(job) else 2  # axes of clips and frames
    # Other numbers than these are rounded to 32 bits.
    encoding = tfds.features.Encoding.BYTES if dtype == np.float64 else tfds.features.Encoding.NONE
    return tfds.features.Tensor(shape=job.data["train"][name].shape[axes:], dtype=dtype, encoding=encoding)


def _dtype(job: Job, name: str) -> np.dtype[Any]:
    """The type of a label in the file, as `wsprites.file` describes it."""
    if job.world:
        return np.dtype(job.data["train"][name].dtype)
    return np.dtype({**VIDEO_LABELS, "time": np.float64}.get(name, np.int64))


def _of_clip(job: Job) -> tuple[str, ...]:
    """Names of the labels with one value per clip."""
    return tuple(name for name in job.label_names if name in (*CLIP_LABELS, "video", "first_frame", "chunk"))


def _episode(job: Job, split: str, row: int) -> dict[str, Any]:
    """A clip as a tree of features. Raises UserError if its images are larger than an example can be."""
    images = list(job.pngs(split, row))
    size = sum(len(image) for every in images for image in every)
    if size > _MOST_BYTES:
        text = f"the images of a clip take {readable_size(size)}, and an episode may have {readable_size(_MOST_BYTES)}"
        raise UserError(f"{job.data.path}: {text}; resize them, or choose another format")
    labels = {name: values.astype(_dtype(job, name)) for name, values in job.labels(split, row).items()}
    metadata: dict[str, Any] = {name: labels[name] for name in _of_clip(job)}
    if job.world:
        metadata |= {"seed": job.world.seed, "world": job.world.spec.name}
    return {"steps": list(_steps(job, images, labels)), "episode_metadata": metadata}


def _steps(job: Job, images: list[tuple[bytes, ...]], labels: dict[str, NDArray[Any]]) -> Iterator[dict[str, Any]]:
    """The steps of a clip: what is seen at t, and what is done there, which leads to t + 1."""
    of_frames = {name: values for name, values in labels.items() if name not in _of_clip(job)}
    last = job.clip_frames - 1
    # What the transition from t to t + 1 has in the labels at t + 1.
    reward = _following(labels.get("rewards", np.zeros(last + 1)))
    terminal = labels.get("dones", np.zeros(last + 1, bool))
    discount = _following(~terminal)
    action = {part: _following(labels[name]) for part, name in _ACTIONS.items()} if job.world else {}
    if job.world:
        state = np.concatenate([labels["position"], labels["background_offset"], labels["animation_frame"][:, None]], -1)
    for t, files in enumerate(images):
        step: dict[str, Any] = {
            "observation": {"image": io.BytesIO(files[0])},
            "reward": np.float32(reward[t]),
            "discount": np.float32(discount[t]),
            "is_first": t == 0,
            "is_last": t == last,
            "is_terminal": terminal[t],
            "label": {name: values[t] for name, values in of_frames.items()},
        }
        if job.world:
            step["observation"]["state"] = state[t].astype(np.float32)
            step["action"] = {part: int(values[t]) for part, values in action.items()}
            step["label"] |= {name: int(labels[name][t]) for name in _ACTIONS.values()} | {"mask": io.BytesIO(files[1])}
        else:
            step["action"] = labels["actions"][t] * (t < last)
        yield step


def _following(values_t: NDArray[Any]) -> NDArray[Any]:
    """(T,) values, each at the index before its own; the last one is 0."""
    return np.append(values_t[1:], np.zeros(1, values_t.dtype))


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame, and of its (H, W) bool mask if it has one, on disk."""
    return sum(len(encode_png(image, fast=True)) for image in pixels)
