"""The format of LeRobot (Hugging Face), LeRobotDataset v3.0: one dataset for each split. Axis suffixes: t frames, d numbers, c = RGB.

A dataset is a folder with parquet files of everything but pixels, H.264 videos in which the episodes follow one another, and a table of
the episodes, which says where each one is.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wsprites.errors import UserError
from wsprites.export import mp4
from wsprites.export.job import Job, Written
from wsprites.world.script import CLIP_LABELS
from wsprites.world.spec import SPLITS

_CARD = """
One LeRobotDataset (v3.0) for each split, tried with lerobot 0.4.4:

    from lerobot.datasets.lerobot_dataset import LeRobotDataset
    data = LeRobotDataset("wsprites/train", root="this folder/train")  # val, test
    data[0]["observation.images.front"]     # (3, height, width) float32, 0 to 1
    data[0]["action"]                       # what was done at this frame, and led to the next one

An episode is a clip without its last frame, which no action follows. **`action` at t leads from frame t to frame t+1**, as LeRobot has it.
The video is H.264, lossy: no pixel is exact."""

_WORLD_CARD = """ `action` is made of the labels at index t+1 below. Masks are left out.

| feature | content |
| --- | --- |
| `action` | float32, numbers of `global_action`, `local_action` and `background_action` at index t+1 |
| `observation.state` | float32, x and y of `position`, x and y of `background_offset`, `animation_frame`, at index t |
| `label.NAME` | int64, the label NAME below at index t, which says what led **to** frame t |
| `timestamp` | t / 10 s: a world has steps, and no seconds |

`index`, `character`, `parts` and `background` of each episode are columns `clip/NAME` of meta/episodes. The task is the same for all.
"""

_VIDEO_CARD = """ `action` is the entry of `actions` below at index t, which came with the videos: what was
done at frame t. `timestamp` is the number of the frame over a frame rate that is the same for all clips, a whole number: the median of
their rates, of which those of clips without times count as 10. `index`, `video`, `first_frame`, and `chunk` where there is one, of each
episode are columns `clip/NAME` of meta/episodes.
"""

_CAMERA = "observation.images.front"
_STATE, _ACTIONS = ("x", "y", "scene_x", "scene_y", "animation_frame"), ("global_action", "local_action", "background_action")
_CLIP_NAMES = ("index", "video", "first_frame", "chunk")  # of imported videos
_LABELS = (*_ACTIONS, "shift", "background_shift")
_CHUNK_FILES, _DATA_BYTES, _VIDEO_BYTES = 1000, 10**8, 2 * 10**8  # files of a folder, and sizes of files at most, as lerobot has them
_PATH = "{}/chunk-{{chunk_index:03d}}/file-{{file_index:03d}}.{}"
_QUANTILES = {"q01": 0.01, "q10": 0.1, "q50": 0.5, "q90": 0.9, "q99": 0.99}
_ENCODER = {"g": "2", "bf": "0"}  # a whole picture at every other frame: frames are read in any order

_SHADES = np.arange(256) / 255

_Counts = NDArray[np.int64]
"""(3, 256): how many pixels of an episode have each value of each colour. All pixels as numbers would take 24 bytes a pixel."""
_Stats = dict[str, dict[str, NDArray[Any]]]
"""By feature: "min", "max", "mean", "std", the quantiles, and "count"."""


def card(job: Job) -> str:
    """How the folder is read."""
    return _CARD + (_WORLD_CARD if job.world else _VIDEO_CARD)


def write(job: Job, folder: Path) -> Written:
    """Write a dataset for each split that has clips: the folders train, val and test.

    Raises:
        UserError: clips have one frame, and no transition, or the videos came without actions.
    """
    if job.clip_frames < 2:
        raise UserError(f"{job.data.path}: clips of one frame have no transitions, which episodes need; choose another format")
    if not job.world and "actions" not in job.label_names:
        raise UserError(f"{job.data.path}: the videos came without actions, which LeRobot needs; choose another format")
    for split in SPLITS:
        if job.rows(split):
            _write_dataset(job, split, folder / split)
    lost = ("masks",) if job.world else tuple(name for name in job.label_names if name not in ("actions", *_CLIP_NAMES))
    left_out = f"left out {', '.join(('exact pixels', *lost))}, the last frame of each clip: no action follows it"
    return Written(notes=(left_out, *mp4.padding_notes(job), *job.skip_notes))


def _write_dataset(job: Job, split: str, root: Path) -> None:
    rows, fps, length = job.rows(split), _fps(job, split), job.clip_frames - 1
    # As many clips in a video file, and in the table beside it, as the size of a video allows.
    of_file = max(1, _VIDEO_BYTES // (frame_bytes(np.empty((*job.frame_size, 3), np.uint8)) * length))
    episodes: list[dict[str, Any]] = []
    every: list[_Stats] = []
    for file in range(-(-len(rows) // of_file)):
        some, at = rows[file * of_file : (file + 1) * of_file], {"chunk_index": file // _CHUNK_FILES, "file_index": file % _CHUNK_FILES}
        video, data = (root / path.format(**at) for path in (_PATH.format(f"videos/{_CAMERA}", "mp4"), _PATH.format("data", "parquet")))
        colours: list[_Counts] = []
        for path in (video, data):
            path.parent.mkdir(parents=True, exist_ok=True)
        mp4.write_mp4(video, _pictures(job, split, some, colours), Fraction(fps), options=_ENCODER)
        first = file * of_file
        tables = [_arrays(job, split, row, first + n, fps) for n, row in enumerate(some)]
        with data.open("wb") as written:
            pq.write_table(pa.concat_tables([_table(arrays) for arrays in tables]), written)
        for n, (row, arrays) in enumerate(zip(some, tables, strict=True)):
            stats = {_CAMERA: _colour_stats(colours[n], length)}
            stats |= {name: _stats(values.reshape(length, -1)) for name, values in arrays.items()}
            episodes.append(_episode(job, split, row, first + n, n * length / fps, fps, at) | _flat(stats))
            every.append(stats)
    # What describes them all.
    meta = root / "meta"
    (meta / "episodes" / "chunk-000").mkdir(parents=True)
    for name, table in (("episodes/chunk-000/file-000", pa.Table.from_pylist(episodes)), ("tasks", _tasks(job))):
        with (meta / f"{name}.parquet").open("wb") as written:
            pq.write_table(table, written)
    together = {name: _together([stats[name] for stats in every]) for name in every[0]}
    (meta / "stats.json").write_text(json.dumps(together, default=np.ndarray.tolist) + "\n", encoding="utf-8")
    (meta / "info.json").write_text(json.dumps(_info(job, split, tables[0], fps), indent=4) + "\n", encoding="utf-8")


def _fps(job: Job, split: str) -> int:
    """The frame rate of a dataset, which is a whole number: the median of those of its clips."""
    return max(1, round(median(mp4.rate(job, split, row) for row in job.rows(split))))


def _pictures(job: Job, split: str, rows: Sequence[int], colours: list[_Counts]) -> Iterator[NDArray[np.uint8]]:
    """The frames of episodes, one after the other; how often each value of each colour is in an episode is added to a list."""
    for row in rows:
        counts, left = np.zeros((3, 256), np.int64), job.clip_frames - 1
        for frames_thwc, *_ in job.windows(split, row):
            for frame_hwc in frames_thwc[:left]:
                counts += [np.bincount(frame_hwc[..., c].ravel(), minlength=256) for c in range(3)]
                yield frame_hwc
            left -= len(frames_thwc)
        colours.append(counts)


def _arrays(job: Job, split: str, row: int, episode: int, fps: int) -> dict[str, NDArray[Any]]:
    """The rows of an episode, by feature: (T - 1,) or (T - 1, D)."""
    labels, length = job.labels(split, row), job.clip_frames - 1
    arrays: dict[str, NDArray[Any]] = {}
    if job.world:
        # The labels at t + 1 are what is done at t.
        arrays["action"] = np.stack([labels[name][1:] for name in _ACTIONS], -1).astype(np.float32)
        state = np.concatenate([labels["position"], labels["background_offset"], labels["animation_frame"][:, None]], -1)
        arrays["observation.state"] = state[:-1].astype(np.float32)
        arrays |= {f"label.{name}": labels[name][:-1].astype(np.int64) for name in _LABELS}
    else:
        arrays["action"] = labels["actions"][:-1].astype(np.float32).reshape(length, -1)
    t = np.arange(length)
    return {
        **arrays,
        "timestamp": (t / fps).astype(np.float32),
        "frame_index": t,
        "episode_index": np.full(length, episode),
        "index": episode * length + t,
        "task_index": np.zeros(length, np.int64),
    }


def _table(arrays: Mapping[str, NDArray[Any]]) -> pa.Table:
    """Rows of an episode as a table, with vectors of a fixed size."""
    columns = {}
    for name, values in arrays.items():
        flat = pa.array(values.ravel())
        columns[name] = flat if values.ndim == 1 else pa.FixedSizeListArray.from_arrays(flat, values.shape[1])
    return pa.table(columns)


def _episode(job: Job, split: str, row: int, number: int, begin: float, fps: int, at: Mapping[str, int]) -> dict[str, Any]:
    """Where an episode is. `begin` is its time in its video file, in seconds."""
    length, labels = job.clip_frames - 1, job.labels(split, row)
    names = CLIP_LABELS if job.world else tuple(name for name in _CLIP_NAMES if name in labels)
    return {
        "episode_index": number,
        "tasks": [_task(job)],
        "length": length,
        **{f"data/{name}": value for name, value in at.items()},
        "dataset_from_index": number * length,
        "dataset_to_index": (number + 1) * length,
        **{f"videos/{_CAMERA}/{name}": value for name, value in at.items()},
        f"videos/{_CAMERA}/from_timestamp": begin,
        f"videos/{_CAMERA}/to_timestamp": begin + length / fps,
        "meta/episodes/chunk_index": 0,
        "meta/episodes/file_index": 0,
        **{f"clip/{name}": labels[name].tolist() for name in names},
    }


def _task(job: Job) -> str:
    return "Move the character, show its animation, and move the scene." if job.world else "What the imported video shows."


def _tasks(job: Job) -> pa.Table:
    """The one task as pandas stores it: its words are the index."""
    index = "__index_level_0__"
    columns = [{"name": "task_index", "field_name": "task_index", "pandas_type": "int64", "numpy_type": "int64", "metadata": None}]
    columns += [{"name": None, "field_name": index, "pandas_type": "unicode", "numpy_type": "object", "metadata": None}]
    described = json.dumps({"index_columns": [index], "column_indexes": [], "columns": columns, "pandas_version": "2.0.0"})
    return pa.table({"task_index": [0], index: [_task(job)]}).replace_schema_metadata({"pandas": described})


def _stats(values_nd: NDArray[Any]) -> dict[str, NDArray[Any]]:
    """The statistics of N rows, (D,) each, and (1,) their number."""
    values = values_nd.astype(np.float64)
    quantiles = zip(_QUANTILES, np.quantile(values, list(_QUANTILES.values()), axis=0), strict=True)
    moments = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    return {**moments, **dict(quantiles), "count": np.array([len(values)])}


def _colour_stats(counts: _Counts, frames: int) -> dict[str, NDArray[Any]]:
    """The statistics of the colours of an episode, (3, 1, 1) in [0, 1], as those of `_stats`; the count is that of its frames."""
    of_colours = []
    for count in counts:
        total, upto = int(count.sum()), count.cumsum()
        mean = float(count @ _SHADES) / total
        std = np.sqrt(count @ (_SHADES - mean) ** 2 / total)
        used = _SHADES[count > 0]
        # A quantile lies between two values of the sorted ones.
        places = np.array(list(_QUANTILES.values())) * (total - 1)
        low, high = (_SHADES[np.searchsorted(upto, whole.astype(np.int64), "right")] for whole in (np.floor(places), np.ceil(places)))
        of_colours.append([used[0], used[-1], mean, std, *(low + (high - low) * (places % 1))])
    names = ("min", "max", "mean", "std", *_QUANTILES)
    values = {name: column.reshape(3, 1, 1) for name, column in zip(names, np.array(of_colours).T, strict=True)}
    return {**values, "count": np.array([frames])}


def _together(every: Sequence[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
    """The statistics of all episodes, which have equal lengths; quantiles are means of theirs, as lerobot has them."""
    of = {name: np.stack([stats[name] for stats in every]) for name in every[0]}
    mean = of["mean"].mean(0)
    std = np.sqrt((of["std"] ** 2 + (of["mean"] - mean) ** 2).mean(0))
    quantiles = {name: of[name].mean(0) for name in _QUANTILES}
    return {"min": of["min"].min(0), "max": of["max"].max(0), "mean": mean, "std": std, **quantiles, "count": of["count"].sum(0)}


def _flat(stats: _Stats) -> dict[str, Any]:
    return {f"stats/{feature}/{name}": values.tolist() for feature, by_name in stats.items() for name, values in by_name.items()}


def _info(job: Job, split: str, arrays: Mapping[str, NDArray[Any]], fps: int) -> dict[str, object]:
    """The content of info.json."""
    episodes, names = len(job.rows(split)), {"observation.state": _STATE, "action": _ACTIONS}
    height, width = (side + side % 2 for side in job.frame_size)  # as `mp4` writes them
    video = {"height": height, "width": width, "codec": "h264", "pix_fmt": "yuv420p", "is_depth_map": False, "fps": fps, "channels": 3}
    features: dict[str, object] = {
        _CAMERA: {
            "dtype": "video",
            "shape": [height, width, 3],
            "names": ["height", "width", "channels"],
            "info": {**{f"video.{name}": value for name, value in video.items()}, "has_audio": False},
        }
    }
    for name, values in arrays.items():
        size = values.shape[1] if values.ndim == 2 else 1
        named = ["x", "y"] if "shift" in name else list(names[name]) if job.world and name in names else None
        features[name] = {"dtype": values.dtype.name, "shape": [size], "names": named}
    return {
        "codebase_version": "v3.0",
        "robot_type": "wsprites" if job.world else None,
        "total_episodes": episodes,
        "total_frames": episodes * (job.clip_frames - 1),
        "total_tasks": 1,
        "chunks_size": _CHUNK_FILES,
        "data_files_size_in_mb": _DATA_BYTES // 10**6,
        "video_files_size_in_mb": _VIDEO_BYTES // 10**6,
        "fps": fps,
        "splits": {split: f"0:{episodes}"},
        "data_path": _PATH.format("data", "parquet"),
        "video_path": _PATH.format("videos/{video_key}", "mp4"),
        "features": features,
    }


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame on disk; its mask is left out."""
    return max(pixels[0].nbytes // 8, 1)
