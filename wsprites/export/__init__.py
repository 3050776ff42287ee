"""Export of data files to other formats, one module each. Axis suffixes: t frames, h rows, w columns, c = RGB.

The module of a format has `write`, which fills a folder and returns lines for the head of its README; `frame_bytes`, which estimates the
size of a frame on disk; and `CARD`, which says how the folder is read. It imports the library of its format, so it is imported on demand.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

import wsprites
from wsprites.errors import ArgumentError, UserError
from wsprites.file import CHUNK_FRAMES, DESCRIPTIONS, DataFile
from wsprites.generate import partial_path, readable_size
from wsprites.terminal import extra
from wsprites.view.info import cast_line, clips_line, world_line
from wsprites.view.picture import encode_png
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import LABELS
from wsprites.world.spec import SPLITS

FORMATS = ("released", "minari", "webdataset", "parquet", "mp4")
"""Names of the formats, which are those of their modules."""
_VIDEOS = 4  # clips of each split that mp4 exports by default, since its videos are previews
_SAMPLE = 4  # clips of each split that the size is estimated from
_LICENCES = {"CC0 1.0": "cc0-1.0", "unknown": "unknown"}  # to identifiers of the Hugging Face Hub; other licences have none


@dataclass(frozen=True)
class Job:
    """The clips to export and their format. Pixels are read a window of frames at a time."""

    data: DataFile
    """The open file."""
    to: str
    """Name of the format, one of FORMATS."""
    clips: int | None = None
    """Number of clips of each split, the first ones; None: all clips, or 4 for mp4."""
    progress: Callable[[int], object] = lambda frames: None
    """Called with the number of frames read since the last call."""

    def rows(self, split: str) -> range:
        """Return the rows of a split that are exported."""
        limit = _VIDEOS if self.clips is None and self.to == "mp4" else self.clips
        return range(len(self.data[split]))[:limit]

    @property
    def frames(self) -> int:
        """Number of frames over all splits."""
        return sum(len(self.rows(split)) for split in SPLITS) * self.data.spec.frames

    def windows(self, split: str, row: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
        """Read the pixels of a clip: (t, H, W, 3) uint8 frames and (t, H, W) bool masks, t up to CHUNK_FRAMES at a time."""
        pixels = self.data[split]
        for first in range(0, self.data.spec.frames, CHUNK_FRAMES):
            frames_thwc = pixels["frames"][row, first : first + CHUNK_FRAMES]
            yield frames_thwc, pixels["masks"][row, first : first + CHUNK_FRAMES]
            self.progress(len(frames_thwc))

    def pngs(self, split: str, row: int) -> Iterator[tuple[bytes, bytes]]:
        """Read the pixels of a clip as PNG files: each frame, and its mask (8 bits, 0 or 255)."""
        for frames_thwc, masks_thw in self.windows(split, row):
            yield from zip(self._threads.map(_png, frames_thwc), self._threads.map(_png, masks_thw), strict=True)

    def close(self) -> None:
        """Stop the threads that compress."""
        if "_threads" in self.__dict__:
            self._threads.shutdown(cancel_futures=True)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor()  # OpenCV compresses without holding the GIL


def _png(image: NDArray[Any]) -> bytes:
    return encode_png(image, fast=True)


def estimate(job: Job) -> int:
    """Estimate the size of an export in bytes from a few frames. Raises UserError if the library of the format is not installed."""
    module, sizes = _module(job.to), []
    for split in SPLITS:
        rows = job.rows(split)
        for row in sorted({rows[at] for at in np.linspace(0, len(rows) - 1, _SAMPLE).astype(int)} if rows else ()):
            pixels, t = job.data[split], row % job.data.spec.frames
            sizes.append(module.frame_bytes(pixels["frames"][row, t], pixels["masks"][row, t]))
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


def export(job: Job, out: Path) -> None:
    """Write the clips of a file to a folder, in another format. The folder gets its name when it is complete.

    Args:
        job: the clips and the format.
        out: the folder, which must not exist.

    Raises:
        UserError: the folder exists or cannot be written, an earlier export to it was killed, the library of the format is not
            installed, or the file is damaged.
        OSError: writing failed. After any error the incomplete folder is removed.
    """
    module = _module(job.to)
    check(out)
    with _new_folder(out) as folder:
        try:
            head = module.write(job, folder)
        finally:
            job.close()
        credits = job.data.credits
        (folder / "CREDITS.txt").write_text(f"Licence of the art: {credits.licence}\n\n{credits.attribution}\n", encoding="utf-8")
        made = {"exported": {"to": job.to, "clips": job.clips, "wsprites": wsprites.__version__}, **job.data.facts.nested()}
        (folder / "wsprites.json").write_text(json.dumps(made, indent=2) + "\n", encoding="utf-8")
        (folder / "README.md").write_text(_card(job, module.CARD, head), encoding="utf-8")


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
    with extra("export"):
        return import_module(f"wsprites.export.{to}")


def _card(job: Job, usage: str, head: str) -> str:
    """Write the README of a folder: its contents, how it is read, and its licence, with the front matter of a dataset card."""
    data, spec = job.data, job.data.spec
    licence = " ".join(data.credits.licence.split())
    identifier = _LICENCES.get(licence, "other")
    descriptions = {**DESCRIPTIONS, "parts": f"sheet of the character in each of the layers {', '.join(spec.cast.parts)}"}
    labels = "\n".join(f"| `{name}` | {descriptions[name]} |" for name in LABELS)
    clips = {split: len(job.rows(split)) for split in SPLITS}
    part = "" if all(clips[split] == len(data[split]) for split in SPLITS) else f" They are the first of {len(data.indices):,}."
    return f"""---
license: {identifier}
{f"license_name: {json.dumps(licence)}{chr(10)}license_link: CREDITS.txt{chr(10)}" if identifier == "other" else ""}pretty_name: W-Sprites
tags: [video, latent-actions, world-models, synthetic]
{head}---
# W-Sprites

Clips of a synthetic video world in which every action is known: a character walks, casts spells and slashes in front of a scene that moves
on its own. Written by `wsprites export --to {job.to}`, wsprites {wsprites.__version__}.{part}

| | |
| --- | --- |
| world | {world_line(spec)} |
| clips | {clips_line(spec, clips)} |
| cast | {cast_line(spec)} |
| made from | seed {data.seed}, art {data.art_sha256[:16]} |
| licence of the art | {licence}; CREDITS.txt names the authors |

`wsprites.json` holds the world with all its numbers, the seed and the versions, from which the clips can be generated again.

## How to read it

{usage.strip()}

## Labels

| label | meaning |
| --- | --- |
{labels}

**The label at index t is what happened between frame t-1 and frame t; frame t shows the result.** Label 0 is drawn like the others, but
the frame before it is not part of the clip. x grows to the right, y grows down, all in pixels.

- Global actions, of the sprite and of the background's crop: {_numbered(list(GlobalAction))}.
- Local actions: {_numbered(list(local_actions(spec.facings)))}.

No character is in two splits.
"""


def _numbered(actions: list[Any]) -> str:
    return ", ".join(f"{int(action)} {action.name}" for action in actions)
