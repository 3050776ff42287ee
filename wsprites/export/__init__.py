"""Export of data files and of imported videos to other formats, one module each.

The module of a format has `write`, which fills a folder; `frame_bytes`, which estimates the size of a frame on disk; and `card`, which says
how the folder is read. It imports the library of its format, so it is imported on demand.
"""

import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np

import wsprites
from wsprites.errors import ArgumentError, UserError
from wsprites.export.card import folder_card
from wsprites.export.job import SHARDED, Job, Written
from wsprites.file import VideoFile
from wsprites.generate import partial_path, readable_size
from wsprites.terminal import extra
from wsprites.world.spec import SPLITS

__all__ = ["FORMATS", "SHARDED", "Job", "Written", "check", "estimate", "export"]

FORMATS = ("released", "minari", "webdataset", "parquet", "lerobot", "rlds", "mp4")
"""Names of the formats, which are those of their modules."""
_READERS = frozenset(
    (
        *("arrow", "audiofolder", "conll", "csv", "eval", "fasta", "fastq", "genbank", "harbor", "hdf5", "iceberg", "imagefolder", "json"),
        *("lance", "meshfolder", "mmcif", "niftifolder", "pandas", "parquet", "pdb", "pdffolder", "text", "tsfile", "videofolder"),
        *("vortex", "webdataset", "xml"),
    )
)
"""Names that `datasets.load_dataset` (5.2) takes for readers of its own, which look for files in the current folder."""
_SAMPLE = 4  # clips of each split that the size is estimated from


def estimate(job: Job) -> int:
    """Estimate the size of an export in bytes from a few frames. Raises UserError if the library of the format is not installed."""
    module, sizes = _module(job.to), []
    for split in SPLITS:
        rows = job.rows(split)
        for row in sorted({rows[at] for at in np.linspace(0, len(rows) - 1, _SAMPLE).astype(int)} if rows else ()):
            pixels, t = job.data[split], row % job.clip_frames
            sizes.append(module.frame_bytes(*(job.resized(pixels[name][row, t]) for name in job.pixels)))
    return int(np.mean(sizes) * job.frames) if sizes else 0


def check(out: Path, *, expected: int = 0) -> int:
    """Return the free bytes of a disk. Raises UserError unless a new folder of about `expected` bytes can be written at `out`."""
    parent = out.absolute().parent
    if not out.name or len(os.fsencode(partial_path(out).name)) > 255:
        raise ArgumentError("out", f"{str(out)[:40]} is not a possible name of a folder; choose another one")
    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: exists already; choose another name for the folder")
    if not parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; create it first")
    if not os.access(parent, os.W_OK):
        raise UserError(f"{out.parent}: no permission to write there; choose another folder")
    free = shutil.disk_usage(parent).free
    if expected > free:
        raise UserError(f"{out}: about {readable_size(expected)} needed and {readable_size(free)} free; choose another disk or fewer clips")
    return free


def export(job: Job, out: Path) -> tuple[str, ...]:
    """Write the clips of a file to a folder, in another format. The folder gets its name when it is complete.

    Args:
        job: the clips and the format.
        out: the folder, which must not exist.

    Returns:
        Lines to show, each with a word in front: what the format has left out, and into how many files the clips went.

    Raises:
        UserError: the folder exists or cannot be written, an earlier export to it was killed, the library of the format is not
            installed or takes the folder's name for something else, the format needs what imported videos do not have, or the file
            is damaged.
        OSError: writing failed. After any error the incomplete folder is removed.
    """
    module = _module(job.to)
    if job.to == "parquet" and out.parent == Path() and out.name in _READERS:
        problem = f"load_dataset({out.name!r}) would not read this folder but look for files in the current one; use another name"
        raise ArgumentError("out", f"{problem}, such as clips.{out.name}")
    check(out)
    with _new_folder(out) as folder:
        try:
            written: Written = module.write(job, folder)
        finally:
            job.close()
        if job.world:
            credits = job.world.credits
            text = f"Licence of the art: {credits.licence}\n\n{credits.attribution}\n"
            (folder / "CREDITS.txt").write_text(text, encoding="utf-8")
        made: dict[str, object] = {"to": job.to, "clips": job.clips, "shard_clips": job.shard_clips, "wsprites": wsprites.__version__}
        made |= {"resize": job.resize} if job.resize else {}
        (folder / "wsprites.json").write_text(json.dumps({"exported": made, **_source(job)}, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(folder_card(job, module.card(job), written), encoding="utf-8")
    return written.notes


def _source(job: Job) -> dict[str, object]:
    """What the clips come from: the facts of their file, and for imported videos the video that each clip was cut from, and the chunks."""
    if not isinstance(job.data, VideoFile):
        return job.data.facts.nested()
    clips, names = [], [name for name in ("index", "video", "first_frame", "chunk") if name in job.label_names]
    for split in SPLITS:
        labels = (job.labels(split, row) for row in job.rows(split))
        clips += [{"split": split, **{name: int(of[name]) for name in names}} for of in labels]
    chunks = [chunk._asdict() for chunk in job.data.chunks]
    return {**job.data.facts.attributes(), "videos": list(job.data.names), **({"chunk_table": chunks} if chunks else {}), "clip_of": clips}


@contextmanager
def _new_folder(out: Path) -> Iterator[Path]:
    """Create a hidden folder next to `out`, which is renamed to it at the end, or removed after an error."""
    folder = partial_path(out)
    try:
        folder.mkdir()
    except FileExistsError:
        raise UserError(f"{folder}: another export is writing it, or was killed; if none is running, remove it") from None
    try:
        yield folder.absolute()
        check(out)
        folder.rename(out)
    except BaseException as error:
        shutil.rmtree(folder, ignore_errors=True)
        if isinstance(error, OSError):
            raise OSError(f"{out}: writing failed ({error}); nothing was kept") from error
        error.add_note("nothing was kept")
        raise


def _module(to: str) -> ModuleType:
    if to not in FORMATS:
        raise ArgumentError("to", f"{to} is not one of {', '.join(FORMATS)}")
    with extra("rlds" if to == "rlds" else "export"):
        return import_module(f"wsprites.export.{to}")
