"""The README of an exported folder: its contents, how it is read, what is missing, and its licence. A dataset card of the Hub."""

import json
from collections.abc import Sequence
from enum import IntEnum

import wsprites
from wsprites.export.job import Job, Written
from wsprites.file import DESCRIPTIONS, DataFile, VideoFile
from wsprites.file.videos import VIDEO_DESCRIPTIONS
from wsprites.render.resize import pixel_scale
from wsprites.view.info import cast_line, clips_line, source_line, world_line
from wsprites.world.actions import GlobalAction
from wsprites.world.spec import SPLITS

_LICENCES = {"CC0 1.0": "cc0-1.0", "unknown": "unknown"}  # to identifiers of the Hugging Face Hub; other licences have none

_VERBS = {"walk": "walks", "spellcast": "casts spells", "slash": "slashes"}


def folder_card(job: Job, usage: str, written: Written) -> str:
    """Write the README of a folder.

    Args:
        job: the clips and the format.
        usage: how the folder is read.
        written: lines for the head of the README, and its notes.
    """
    data = job.data
    licence = " ".join(job.world.credits.licence.split()) if job.world else "unknown"
    identifier = _LICENCES.get(licence, "other")
    named = f"license_name: {json.dumps(licence)}\nlicense_link: CREDITS.txt\n" if identifier == "other" else ""
    title, tags = ("W-Sprites", "video, latent-actions, world-models, synthetic") if job.world else ("Imported videos", "video")
    about = _of_world(job, data, licence) if isinstance(data, DataFile) else _of_videos(job, data)
    notes = "".join(f"- {' '.join(note.split())}\n" for note in written.notes)
    descriptions = DESCRIPTIONS if isinstance(data, DataFile) else VIDEO_DESCRIPTIONS
    if isinstance(data, DataFile):
        descriptions = {**descriptions, "parts": f"sheet of the character in each of the layers {', '.join(data.spec.cast.parts)}"}
    labels = "\n".join(f"| `{name}` | {descriptions[name]} |" for name in job.label_names)
    return f"""---
license: {identifier}
{named}pretty_name: {title}
tags: [{tags}]
{written.head}---
# {title}

{about}

## How to read it

{usage.strip()}
{chr(10) + notes if notes else ""}
## Labels

| label | meaning |
| --- | --- |
{labels}

{_meaning(data) if isinstance(data, DataFile) else _of_labels(job, data)}{_resized(job)}
"""


def _resized(job: Job) -> str:
    """What resizing means for labels; nothing without it."""
    if not job.resize:
        return ""
    (x, y), own = pixel_scale(job.stored_size, job.resize), "{} x {}".format(*job.stored_size)
    text = f"""

Frames{" and masks" if job.world else ""} were resized from {own} to {job.resize[0]} x {job.resize[1]}, by the mean of areas."""
    labels = f" **Positions, offsets and shifts are in pixels of {own}**: times ({x:.6g}, {y:.6g}), for x and y, in those of the frames."
    return text + (labels if job.world else "")


def _part(job: Job) -> str:
    """Which clips of the file there are, unless there are all of them."""
    return "" if job.whole else f" They are the first of {sum(len(job.data[split]) for split in SPLITS):,}."


def _of_world(job: Job, data: DataFile, licence: str) -> str:
    clips = {split: len(job.rows(split)) for split in SPLITS}
    shard = "" if data.shard == (1, 1) else f"\n| shard | {data.shard[0]} of {data.shard[1]}: the clips are a part of {data.clips:,} |"
    scene = "scene that moves on its own" if data.driver is None else "moving scene. Somebody, or a program, chose its actions"
    return f"""Clips of a synthetic video world in which every action is known: a character {_acts(data)} in front of a
{scene}. Written by `wsprites export --to {job.to}`, wsprites {wsprites.__version__}.{_part(job)}

| | |
| --- | --- |
| world | {world_line(data.spec)} |
| clips | {clips_line(data.spec, clips)} |
| cast | {cast_line(data.spec)} |
| made from | {source_line(data)}, art {data.art_sha256[:16]} |{shard}
| frame rate | none: a world has steps, which previews show at 10 a second |
| licence of the art | {licence}; CREDITS.txt names the authors |

{_again(data)}"""


def _again(data: DataFile) -> str:
    """What the clips can be made from again, and where it is."""
    if data.driver is not None:
        return """`wsprites.json` holds the world with all its numbers, who chose the actions, and the versions. The data file that was
exported holds the art and the recorded episodes, from which `wsprites verify` replays the clips."""
    text = "from which the clips can be generated again with the same\nart, which is not among the files here."
    return f"`wsprites.json` holds the world with all its numbers, the seed and the versions, {text}"


def _acts(data: DataFile) -> str:
    *first, last = [verb for animation, verb in _VERBS.items() if animation in data.spec.animations]
    return f"{', '.join(first)} and {last}" if first else last


def _of_videos(job: Job, data: VideoFile) -> str:
    each = ", ".join(f"{len(job.rows(split)):,} {split}" for split in SPLITS)
    height, width = job.frame_size
    chunks = (
        " `chunk` of a clip is a row, from 0, of its list `chunk_table`: the frames and the square of each chunk." if data.chunks else ""
    )
    rate = "the label `time`" if "time" in job.label_names else "not recorded"
    return f"""Clips of imported videos. Written by `wsprites export --to {job.to}`, wsprites {wsprites.__version__}.{_part(job)}

| | |
| --- | --- |
| videos | {len(data.names):,}, split {" ".join(data.how_split.split())} |
| clips | {sum(len(job.rows(split)) for split in SPLITS):,} ({each}) of {job.clip_frames} frames, {height} x {width} |
| skipped | {data.skip} frames after each |
| frame rate | {rate} |
| licence | that of the videos, which the file does not know |

`wsprites.json` names the videos, and the video that each clip was cut from.{chunks}"""


def _of_labels(job: Job, data: VideoFile) -> str:
    text = "Labels came with the videos, and are stored unchanged."
    if not job.skip_notes:
        return text
    return f"""{text} **The import skipped frames: between two frames of a clip lie {data.skip + 1} steps.
Actions, rewards and dones of skipped frames are not there**: an action is the first of the steps to the next frame, a reward and a done are
those of the last."""


def _meaning(data: DataFile) -> str:
    return f"""**The label at index t is what happened between frame t-1 and frame t; frame t shows the result.** Label 0 is drawn like the
others, but the frame before it is not part of the clip. x grows to the right, y grows down, all in pixels.

- Global actions, of the sprite and of the background's crop: {_numbered(list(GlobalAction))}.
- Local actions: {_numbered(data.spec.local_actions)}.

No character is in two splits."""


def _numbered(actions: Sequence[IntEnum]) -> str:
    return ", ".join(f"{int(action)} {action.name}" for action in actions)
