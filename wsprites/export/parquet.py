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

from wsprites.export import croissant
from wsprites.export.job import Job, Written
from wsprites.view.picture import encode_png
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.spec import SPLITS


def card(job: Job) -> str:
    """How the folder is read."""
    names = """
    clip["local_action"][10]                    # what led from frame 9 to frame 10
    data["train"].features["local_action"].feature.names"""
    masks = """, clip["masks"][10]       # PIL images; the mask has 0 and 255"""
    return f"""
A row is a clip: labels describe the change between two frames, and rows can be shuffled without separating them.

    import datasets
    data = datasets.load_dataset("./this folder")  # a path: a bare "parquet" is the library's own reader of such files
    clip = data["train"][0]
    clip["frames"][10]{masks if job.world else "                          # a PIL image"}{names if job.world else ""}

Images are PNG, lossless. The code above decodes all frames of a clip. To decode only some of them:

    lazy = data["train"].cast_column("frames", datasets.List(datasets.Image(decode=False)))
    lazy[0]["frames"][10]["bytes"]

Streamed with `streaming=True`, a file goes to one worker of a DataLoader, and `datasets` stops workers without one; `--shard-clips` sets
the number of clips in a file. `croissant.json` describes the files to machines (Croissant 1.0 of MLCommons).
"""


_READ = 'read     datasets.load_dataset("./FOLDER"): with ./, because a name such as "parquet" alone is a reader of that library'
_FILE_BYTES, _GROUP_BYTES = 500_000_000, 32_000_000  # of images, in a file and in a row group


def write(job: Job, folder: Path, *, file_bytes: int = _FILE_BYTES, group_bytes: int = _GROUP_BYTES) -> Written:
    """Write files data/SPLIT-NUMBER-of-FILES.parquet, and return the lines of a dataset card that describe them.

    Args:
        job: the clips. With `job.shard_clips`, a file has so many of them; without, it has up to `file_bytes`.
        folder: the folder to fill.
        file_bytes, group_bytes: size of the images in a file and in a row group, in bytes. Memory holds a few copies of a group.
    """
    (folder / "data").mkdir()
    columns = _columns(job)
    features = {name: _feature(*column) for name, column in columns.items()}
    described = {"huggingface": json.dumps({"info": {"features": features}})}
    schema = pa.schema({name: _arrow(*column) for name, column in columns.items()}, described)
    splits, size_of_all = [], 0
    for split in SPLITS:
        size, in_file, clips, files = 0, 0, 0, list[Path]()
        with ExitStack() as open_file:
            for group, images in _groups(job, split, group_bytes):
                full = clips == job.shard_clips if job.shard_clips else in_file + images > file_bytes
                if not files or full:
                    open_file.close()
                    files.append(folder / "data" / f"{split}-{len(files):05}")
                    # A file of Python's own, because pyarrow takes names in UTF-8 only.
                    file = open_file.enter_context(files[-1].open("wb"))
                    writer = open_file.enter_context(pq.ParquetWriter(file, schema, compression="zstd", use_dictionary=False))
                    in_file = clips = 0
                table = pa.Table.from_pylist(group, schema)
                writer.write_table(table)
                in_file, clips, size = in_file + images, clips + len(group), size + table.nbytes
        for path in files:
            path.rename(f"{path}-of-{len(files):05}.parquet")
        if files:
            size_of_all += size
            splits.append({"name": split, "num_bytes": size, "num_examples": len(job.rows(split))})
    download = sum(file.stat().st_size for file in (folder / "data").iterdir())
    head = "\n".join([
        "configs:",
        "- config_name: default",
        "  data_files:",
        *(f"  - {{split: {split['name']}, path: data/{split['name']}-*}}" for split in splits),
        "dataset_info:",
        "  features:",
        *(f"  - {json.dumps({'name': name, **_yaml(*column)})}" for name, column in columns.items()),  # JSON is YAML
        "  splits:",
        *(f"  - {json.dumps(split)}" for split in splits),
        f"  download_size: {download}",
        f"  dataset_size: {size_of_all}",
        "",
    ])  # fmt: skip
    files_of = {split["name"]: len(list((folder / "data").glob(f"{split['name']}-*"))) for split in splits}
    each = ", ".join(f"{split} {number:,}" for split, number in files_of.items())
    croissant.write(job, folder, {name: _plain(*column) for name, column in columns.items()})
    return Written(head, (f"files    {each}: as many workers of a streaming loader at most (README.md)", _READ))


def _groups(job: Job, split: str, most: int) -> Iterator[tuple[list[dict[str, Any]], int]]:
    """Return the rows of each row group of a split, and the size of their images in bytes."""
    group: list[dict[str, Any]] = []
    images = in_file = 0
    for row in job.rows(split):
        of_pixels = list(zip(*job.pngs(split, row), strict=True))
        size = sum(len(image) for every in of_pixels for image in every)
        if group and (images + size > most or in_file == job.shard_clips):
            yield group, images
            group, images = [], 0
        in_file = 0 if in_file == job.shard_clips else in_file
        pixels = {name: [{"bytes": image, "path": None} for image in every] for name, every in zip(job.pixels, of_pixels, strict=True)}
        group.append({**pixels, **{name: values.tolist() for name, values in job.labels(split, row).items()}})
        images, in_file = images + size, in_file + 1
    if group:
        yield group, images


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame, and of its (H, W) bool mask if it has one, on disk."""
    return sum(len(encode_png(image, fast=True)) for image in pixels)


# The type of a column, which three libraries describe in three ways: lists nested `depth` deep, of images, names of actions, or numbers.
_Column = tuple[int, str | list[str]]


def _columns(job: Job) -> dict[str, _Column]:
    """Return {name: (depth, content)}; the content is "image", the names of actions, or the name of a numpy dtype."""
    actions: dict[str, list[str]] = {}
    if job.world:
        directions = [action.name for action in GlobalAction]
        local = [action.name for action in local_actions(job.world.spec.facings)]
        actions = {"global_action": directions, "local_action": local, "background_action": directions}
    arrays = {name: job.data["train"][name] for name in job.label_names}
    labels = {name: (len(array.shape) - 1, actions.get(name, array.dtype.name)) for name, array in arrays.items()}
    return {**dict.fromkeys(job.pixels, (1, "image")), **labels}


def _plain(depth: int, content: str | list[str]) -> tuple[int, str]:
    """Depth and type of a column, in which actions are their numbers."""
    return depth, "int64" if isinstance(content, list) else content


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
