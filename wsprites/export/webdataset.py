"""Tar shards for the webdataset library, written with the standard library."""

import io
import tarfile
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.export import Job
from wsprites.view.picture import encode_png
from wsprites.world.script import LABELS
from wsprites.world.spec import SPLITS

CARD = """
Shards of up to 500 MB, train-00000.tar and so on. A sample is a clip; its key is the index of the clip in the whole data set.

    import webdataset
    data = webdataset.WebDataset("train-00000.tar", shardshuffle=False).decode("rgb8")
    sample = next(iter(data))
    sample["frame.00000.png"]                 # (height, width, 3) uint8, one for each frame
    sample["mask.00000.png"][..., 0] > 0      # (height, width) bool
    sample["labels.npz"]["local_action"]      # (T,): all labels by their names

Each frame is a PNG of its own. To decode only a window of frames, select their keys before `.decode`.
"""

_SHARD_BYTES = 500_000_000
_ENTRY = 1024  # bytes of a file's header in a tar, and of the padding of its last block


def write(job: Job, folder: Path, *, shard_bytes: int = _SHARD_BYTES) -> str:
    """Write shards of up to `shard_bytes` bytes, or of one clip where a clip is larger."""
    for split in SPLITS:
        number = 0
        shard: tarfile.TarFile | None = None
        with ExitStack() as files:
            for row in job.rows(split):
                sample = list(_sample(job, split, row))
                more = sum(len(content) + _ENTRY for _, content in sample)
                if not shard or shard.offset + more > shard_bytes:
                    files.close()
                    shard = files.enter_context(tarfile.open(folder / f"{split}-{number:05}.tar", "w", format=tarfile.USTAR_FORMAT))
                    number += 1
                for name, content in sample:
                    entry = tarfile.TarInfo(name)
                    entry.size = len(content)
                    shard.addfile(entry, io.BytesIO(content))
    return ""


def _sample(job: Job, split: str, row: int) -> Iterator[tuple[str, bytes]]:
    """Return the names and contents of the files of a clip."""
    script = job.data[split].script(row)
    key = f"{int(script.index):09}"
    for t, (frame, mask) in enumerate(job.pngs(split, row)):
        yield f"{key}.frame.{t:05}.png", frame
        yield f"{key}.mask.{t:05}.png", mask
    labels = io.BytesIO()
    np.savez_compressed(labels, **{name: getattr(script, name).astype(getattr(script, name).dtype.str) for name in LABELS})
    yield f"{key}.labels.npz", labels.getvalue()


def frame_bytes(frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk."""
    return sum(len(encode_png(image, fast=True)) + _ENTRY for image in (frame_hwc, mask_hw))
