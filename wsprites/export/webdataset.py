"""Tar shards for the webdataset library, written with the standard library."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.export.job import Job, Written
from wsprites.view.picture import encode_png
from wsprites.world.spec import SPLITS

_SHARDS = 16  # of each split at least, where it has as many clips: the workers of a loader share them
_SHARD_BYTES = 500_000_000
_ENTRY = 1024  # bytes of a file's header in a tar, and of the padding of its last block
_ENTRY_NAMES = {"frames": "frame", "masks": "mask"}


def card(job: Job) -> str:
    """How the folder is read."""
    mask = '\n        sample["mask.00000.png"][..., 0] > 0      # (height, width) bool' if "masks" in job.pixels else ""
    return f"""
Shards, train-00000.tar and so on. A sample is a clip; its key is the index of the clip in the whole data set.

    import glob
    import webdataset
    from torch.utils.data import DataLoader

    shards = sorted(glob.glob("train-*.tar"))
    data = webdataset.WebDataset(shards, shardshuffle=False).decode("rgb8")
    for sample in DataLoader(data, batch_size=None, num_workers=min(4, len(shards)), collate_fn=dict):  # numpy arrays, no tensors
        sample["frame.00000.png"]                 # (height, width, 3) uint8, one for each frame{mask}
        sample["labels.npz"]["{_example(job)}"]   # all labels by their names

**A shard goes to one worker, and a worker without a shard is an error of webdataset.** So there must be as many shards of a split as
workers, or more; `--shard-clips` sets the number of clips in a shard. More workers than shards take `WebDataset(..., empty_check=False)`,
and those without a shard are idle. Several nodes need `nodesplitter=webdataset.split_by_node`, and as many shards as workers of all nodes.

Each frame is a PNG of its own. To decode only a window of frames, select their keys before `.decode`.
"""


def _example(job: Job) -> str:
    return "local_action" if job.world else "index"


def write(job: Job, folder: Path, *, shard_bytes: int = _SHARD_BYTES) -> Written:
    """Write the shards of each split.

    Args:
        job: the clips. With `job.shard_clips`, a shard has so many of them; without, there are at least 16 shards of a split that has so
            many clips.
        folder: the folder to fill.
        shard_bytes: largest size of a shard of more than one clip in bytes, unless `job.shard_clips` is set.
    """
    numbers = {}
    for split in SPLITS:
        rows = job.rows(split)
        most = job.shard_clips or max(len(rows) // _SHARDS, 1)
        number = clips = 0
        shard: tarfile.TarFile | None = None
        with ExitStack() as files:
            for row in rows:
                sample = list(_sample(job, split, row))
                more = sum(len(content) + _ENTRY for _, content in sample)
                full = shard is not None and not job.shard_clips and shard.offset + more > shard_bytes
                if not shard or clips == most or full:
                    files.close()
                    shard = files.enter_context(tarfile.open(folder / f"{split}-{number:05}.tar", "w", format=tarfile.USTAR_FORMAT))
                    number, clips = number + 1, 0
                for name, content in sample:
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    shard.addfile(entry, io.BytesIO(content))
                clips += 1
        numbers[split] = number
    each = ", ".join(f"{split} {number:,}" for split, number in numbers.items())
    return Written(notes=(f"shards   {each}: as many workers of a loader at most; more need empty_check=False (README.md)",))


def _sample(job: Job, split: str, row: int) -> Iterator[tuple[str, bytes]]:
    """Return the names and contents of the files of a clip."""
    key = f"{job.index(split, row):09}"
    for t, images in enumerate(job.pngs(split, row)):
        for name, image in zip(job.pixels, images, strict=True):
            yield f"{key}.{_ENTRY_NAMES[name]}.{t:05}.png", image
    labels = io.BytesIO()
    arrays: dict[str, Any] = {name: values.astype(values.dtype.str) for name, values in job.labels(split, row).items()}
    np.savez_compressed(labels, **arrays)
    yield f"{key}.labels.npz", labels.getvalue()


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame, and of its (H, W) bool mask if it has one, on disk."""
    return sum(len(encode_png(image, fast=True)) + _ENTRY for image in pixels)
