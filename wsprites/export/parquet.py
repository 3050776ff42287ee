"""Parquet files for the `datasets` library of Hugging Face. A row is a clip, because labels describe the change between two frames."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from wsprites.export import Job
from wsprites.file import layout
from wsprites.view.picture import encode_png
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import LABELS
from wsprites.world.spec import SPLITS, WorldSpec

CARD = """
A row is a clip: labels describe the change between two frames, and rows can be shuffled without separating them.

    import datasets
    data = datasets.load_dataset("this folder")
    clip = data["train"][0]
    clip["frames"][10], clip["masks"][10]       # PIL images; the mask has 0 and 255
    clip["local_action"][10]                    # what led from frame 9 to frame 10
    data["train"].features["local_action"].feature.names

Images are PNG, lossless. The code above decodes all frames of a clip. To decode only some of them:

    lazy = data["train"].cast_column("frames", datasets.List(datasets.Image(decode=False)))
    lazy[0]["frames"][10]["bytes"]
"""

_FILE_BYTES, _GROUP_BYTES = 500_000_000, 32_000_000  # of images, in a file and in a row group
_PIXELS = ("frames", "masks")


def write(job: Job, folder: Path, *, file_bytes: int = _FILE_BYTES, group_bytes: int = _GROUP_BYTES) -> str:
    """Write files data/SPLIT-NUMBER-of-FILES.parquet, and return the lines of a dataset card that describe them.

    Args:
        file_bytes, group_bytes: size of the images in a file and in a row group, in bytes. Memory holds a few copies of a group.
    """
    (folder / "data").mkdir()
    columns = _columns(job.data.spec)
    schema = pa.schema({name: _arrow(*column) for name, column in columns.items()})
    features = {name: _feature(*column) for name, column in columns.items()}
    schema = schema.with_metadata({"huggingface": json.dumps({"info": {"features": features}})})
    splits, size_of_all = [], 0
    for split in SPLITS:
        size, in_file, files = 0, 0, list[Path]()
        with ExitStack() as open_file:
            for group, images in _groups(job, split, group_bytes):
                if not files or in_file + images > file_bytes:
                    open_file.close()
                    files.append(folder / "data" / f"{split}-{len(files):05}")
                    writer = open_file.enter_context(pq.ParquetWriter(files[-1], schema, compression="zstd", use_dictionary=False))
                    in_file = 0
                table = pa.Table.from_pylist(group, schema)
                writer.write_table(table)
                in_file, size = in_file + images, size + table.nbytes
        for file in files:
            file.rename(f"{file}-of-{len(files):05}.parquet")
        if files:
            size_of_all += size
            splits.append({"name": split, "num_bytes": size, "num_examples": len(job.rows(split))})
    card = [{"name": name, **_yaml(*column)} for name, column in columns.items()]
    download = sum(file.stat().st_size for file in (folder / "data").iterdir())
    return "\n".join([
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {{split: {split['name']}, path: data/{split['name']}-*}}" for split in splits),
        "dataset_info:",
        "  features:",
        *(f"  - {json.dumps(feature)}" for feature in card),  # JSON is YAML
        "  splits:",
        *(f"  - {json.dumps(split)}" for split in splits),
        f"  download_size: {download}",
        f"  dataset_size: {size_of_all}",
        "",
    ])  # fmt: skip


def _groups(job: Job, split: str, most: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Return the rows of each row group of a split, and the size of their images in bytes."""
    group: list[dict[str, Any]] = []
    images = 0
    for row in job.rows(split):
        script = job.data[split].script(row)
        frames, masks = zip(*job.pngs(split, row), strict=True)
        size = sum(map(len, frames + masks))
        if group and images + size > most:
            yield group, images
            group, images = [], 0
        pixels = {name: [{"bytes": image, "path": None} for image in every] for name, every in zip(_PIXELS, (frames, masks), strict=True)}
        group.append({**pixels, **{name: getattr(script, name).tolist() for name in LABELS}})
        images += size
    if group:
        yield group, images


def frame_bytes(frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk."""
    return sum(len(encode_png(image, fast=True)) for image in (frame_hwc, mask_hw))


# The type of a column, which three libraries describe in three ways: lists nested `depth` deep, of images, names of actions, or numbers.
_Column = tuple[int, str | list[str]]


def _columns(spec: WorldSpec) -> dict[str, _Column]:
    """Return {name: (depth, content)}; the content is "image", the names of actions, or the name of a numpy dtype."""
    directions = [action.name for action in GlobalAction]
    actions = {
        "global_action": directions,
        "local_action": [action.name for action in local_actions(spec.facings)],
        "background_action": directions,
    }
    arrays = {name: (len(shape) - 1, dtype.name) for name, (shape, dtype) in layout(spec, 1).items()}
    labels = {name: (arrays[name][0], actions.get(name, arrays[name][1])) for name in LABELS}
    return {**dict.fromkeys(_PIXELS, (1, "image")), **labels}


def _arrow(depth: int, content: str | list[str]) -> pa.DataType:
    if depth:
        return pa.list_(_arrow(depth - 1, content))
    if content == "image":
        return pa.struct({"bytes": pa.binary(), "path": pa.string()})
    return pa.int64() if isinstance(content, list) else pa.from_numpy_dtype(np.dtype(content))


def _feature(depth: int, content: str | list[str]) -> dict[str, Any]:
    """Describe a column as `datasets` does in the metadata of a file; all of its versions know a Sequence."""
    if depth:
        return {"feature": _feature(depth - 1, content), "_type": "Sequence"}
    if content == "image":
        return {"_type": "Image"}
    return {"names": content, "_type": "ClassLabel"} if isinstance(content, list) else {"dtype": content, "_type": "Value"}


def _yaml(depth: int, content: str | list[str]) -> dict[str, Any]:
    """Describe a column as `datasets` reads it from the head of a dataset card."""
    if depth:
        return {"sequence": _yaml(depth - 1, content)}
    return {
        "dtype": {"class_label": {"names": {str(number): name for number, name in enumerate(content)}}}
        if isinstance(content, list)
        else content
    }
