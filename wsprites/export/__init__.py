"""A data file in the formats of others: one module each, with what they share here. Axis suffixes: t frames, h rows, w columns, c = RGB.

A module has `write`, which fills a folder and returns lines for the head of the card; `frame_bytes`, about what a frame takes on disk;
and `CARD`, which says how its folder is read. It imports the library of its format, so it is imported only when it is asked for.
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

import cv2
import numpy as np
from numpy.typing import NDArray

import wsprites
from wsprites.errors import UserError
from wsprites.file import CHUNK_FRAMES, DESCRIPTIONS, DataFile
from wsprites.generate import partial_path
from wsprites.generate import readable_size as size
from wsprites.view.info import cast_line, clips_line, world_line
from wsprites.world.actions import GlobalAction, local_actions
from wsprites.world.script import LABELS
from wsprites.world.spec import SPLITS

FORMATS = ("glass", "minari", "webdataset", "parquet", "mp4")
_VIDEOS = 4  # of each split, unless told otherwise: previews are for looking at
_SAMPLE = 4  # clips of each split that the size is estimated from
_LICENCES = {"CC0 1.0": "cc0-1.0", "unknown": "unknown"}  # by their identifiers on the Hugging Face Hub; others have none


@dataclass(frozen=True)
class Job:
    """What is to be exported. Clips are read a window of frames at a time."""

    data: DataFile
    to: str
    """One of FORMATS."""
    clips: int | None = None
    """Of each split, the first ones; None: all, but with mp4 a few."""
    progress: Callable[[int], object] = lambda frames: None

    def rows(self, split: str) -> range:
        """The rows of a split that are exported."""
        most = _VIDEOS if self.clips is None and self.to == "mp4" else self.clips
        return range(len(self.data[split]))[:most]

    @property
    def frames(self) -> int:
        """How many frames there are in all."""
        return sum(len(self.rows(split)) for split in SPLITS) * self.data.spec.frames

    def windows(self, split: str, row: int) -> Iterator[tuple[NDArray[np.uint8], NDArray[np.bool_]]]:
        """The pixels of a clip: (t, H, W, 3) uint8 frames and (t, H, W) bool masks, t up to CHUNK_FRAMES."""
        pixels = self.data[split]
        for first in range(0, self.data.spec.frames, CHUNK_FRAMES):
            frames_thwc = pixels["frames"][row, first : first + CHUNK_FRAMES]
            yield frames_thwc, pixels["masks"][row, first : first + CHUNK_FRAMES]
            self.progress(len(frames_thwc))

    def pngs(self, split: str, row: int) -> Iterator[tuple[bytes, bytes]]:
        """The pixels of a clip as PNG: of each frame, and of its mask (8 bits, 0 or 255)."""
        for frames_thwc, masks_thw in self.windows(split, row):
            yield from zip(self._threads.map(png, frames_thwc), self._threads.map(png, masks_thw), strict=True)

    def close(self) -> None:
        """End the threads that compress."""
        if "_threads" in self.__dict__:
            self._threads.shutdown(cancel_futures=True)

    @cached_property
    def _threads(self) -> ThreadPoolExecutor:
        return ThreadPoolExecutor()  # compressing leaves the other threads of Python alone


def png(image: NDArray[Any]) -> bytes:
    """(H, W, 3) uint8 RGB, or an (H, W) mask, as PNG."""
    encoded: NDArray[np.uint8] = cv2.imencode(".png", image[..., ::-1] if image.ndim == 3 else image * np.uint8(255))[1]
    return encoded.tobytes()


def estimate(job: Job) -> int:
    """About how many bytes an export will have. Raises UserError if its library is not installed."""
    each = []
    for split in SPLITS:
        rows = job.rows(split)
        for row in sorted({rows[at] for at in np.linspace(0, len(rows) - 1, _SAMPLE).astype(int)} if rows else ()):
            pixels, t = job.data[split], row % job.data.spec.frames
            each.append(_module(job.to).frame_bytes(pixels["frames"][row, t], pixels["masks"][row, t]))
    return int(np.mean(each) * job.frames) if each else 0


def check(out: Path, expected: int = 0) -> int:
    """Bytes that are free for a folder of about `expected` bytes. Raises UserError unless it can be written there."""
    parent = out.absolute().parent
    if not out.name or len(os.fsencode(partial_path(out).name)) > 255:
        raise UserError(f"--out {str(out)[:40]}: not a possible name of a folder; choose another one")
    if out.exists() or out.is_symlink():
        raise UserError(f"{out}: exists already; choose another name for the folder")
    if not parent.is_dir():
        raise UserError(f"{out.parent}: no such folder; make it first")
    if not os.access(parent, os.W_OK):
        raise UserError(f"{out.parent}: no permission to write there; choose another folder")
    free = shutil.disk_usage(parent).free
    if expected > free:
        raise UserError(f"{out}: about {size(expected)} needed and {size(free)} free; choose another disk, or fewer --clips")
    return free


def export(job: Job, out: Path) -> None:
    """Write the clips of a file to a folder, in another format. It appears under its name only when it is complete.

    Raises:
        UserError: the folder exists or cannot be written, an export to it was killed, the library of the format is not installed,
            or the file is damaged.
        OSError: writing failed; nothing is left of it, as after whatever else is raised.
    """
    module = _module(job.to)
    check(out)
    with _made(out) as folder:
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
def _made(out: Path) -> Iterator[Path]:
    """A hidden folder beside `out` that becomes it at the end, or is removed."""
    folder = partial_path(out)
    try:
        folder.mkdir()
    except FileExistsError:
        raise UserError(f"{folder}: another export is writing it, or one was killed; if none is, remove it") from None
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
        raise UserError(f"--to {to}: not one of {', '.join(FORMATS)}")
    try:
        return import_module(f"wsprites.export.{to}")
    except ModuleNotFoundError as error:
        raise UserError(f"--to {to}: {error.name} is not installed; pip install 'wsprites[export]'") from None


def _card(job: Job, how: str, head: str) -> str:
    """The README of a folder: what it is, how it is read, who made the art. With the front matter of a dataset card."""
    data, spec = job.data, job.data.spec
    licence = " ".join(data.credits.licence.split())
    identifier = _LICENCES.get(licence, "other")
    what = {**DESCRIPTIONS, "parts": f"number of the character's sheet of each of {', '.join(spec.cast.parts)}"}
    labels = "\n".join(f"| `{name}` | {what[name]} |" for name in LABELS)
    some = {split: len(job.rows(split)) for split in SPLITS}
    part = "" if all(some[split] == len(data[split]) for split in SPLITS) else f" They are the first of {len(data.indices):,}."
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
| clips | {clips_line(spec, some)} |
| cast | {cast_line(spec)} |
| made from | seed {data.seed}, art {data.art_sha256[:16]} |
| licence of the art | {licence}; CREDITS.txt names the authors |

`wsprites.json` holds the world with all its numbers, the seed and the versions: what it takes to make the clips again.

## How to read it

{how.strip()}

## Labels

| label | what |
| --- | --- |
{labels}

**The label at index t is what happened between frame t-1 and frame t; frame t shows the result.** Label 0 is a real draw too, but the frame
before it was never shown. x grows to the right, y grows down, all in pixels.

- Global actions, of the sprite and of the background's crop: {_numbered(list(GlobalAction))}.
- Local actions: {_numbered(list(local_actions(spec.facings)))}.

No character is in two splits.
"""


def _numbered(actions: list[Any]) -> str:
    return ", ".join(f"{int(action)} {action.name}" for action in actions)
