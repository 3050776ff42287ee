"""The folder layout of the released W-Sprites data (Davtyan and Favaro 2022), which the loaders of GLASS and CADDY read."""

import pickle
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from wsprites.export.job import Job, Written
from wsprites.view.picture import encode_png
from wsprites.world.spec import SPLITS

_CARD = """
The layout of the released W-Sprites data, which the loaders of GLASS and CADDY read:

    {train,val,test}/sprite_000012_video_003/   character 12, its clip 3
        00000.png ...                           RGB frames
        masks/00000.png ...                     8 bits, 0 or 255
        glactions.pkl                           {"global": [...], "local": [...], "shifts": [(dx, dy), ...], "bg_shifts": [(dx, dy), ...]}
        actions.pkl                             the global actions
        dones.pkl, rewards.pkl, metadata.pkl    None for each frame

All lists have one entry a frame. **Shifts are pixels.** The released files hold them divided by half of the walk's range instead
(2 dx / 64 and 2 dy / 32 for the sprite, 2 d / 25 for the scene), while the release's evaluation subtracts them from predictions in
pixels: with these files it compares pixels to pixels. Of the labels below, `global` is `global_action`, `local` is `local_action` and
`shifts` is `shift`. `bg_shifts` is the change of the crop's offset, as in the release: **`background_shift` with the opposite sign**.
The release's evaluation inverts the sign of a prediction before it compares. **Entry t of every list led to frame t**, as in the release,
while CADDY takes entry t of actions.pkl for the action at frame t: for its scores of actions, move the list by one. `wsprites import` of
this folder leaves the actions out. Labels that the release does not have are left out:
`index`, `parts`, `background`, `background_action`, `animation_frame`, `position` and `background_offset`.

Unlike in the release, masks have no holes, scenes move by whole pixels, and test characters are drawn at random. The numbers of the
actions are the same; the release has no `back` actions.

The pickles hold lists, tuples, a dict, strings, numbers and None, nothing else.
"""

_VIDEO_CARD = """
The layout that the loader of CADDY reads:

    {train,val,test}/clip_000000012/            the clip with index 12
        00000.png ...                           RGB frames
        actions.pkl, rewards.pkl, dones.pkl     the entries that came with the videos; None for each frame where none did
        metadata.pkl                            None for each frame

All lists have one entry a frame. There are no masks and no `glactions.pkl`, which imported videos do not have.

The pickles hold lists, numbers and None, nothing else. `wsprites import` reads this folder.
"""

_BLOCK = 4096  # bytes; most file systems round the size of a file up to it
_PICKLE = 2  # the protocol that every version of Python reads
_LISTS = ("actions", "rewards", "dones", "metadata")  # of CADDY's layout
_STORED = ("character", "global_action", "local_action", "shift", "background_shift")
_STORED_OF_VIDEOS = ("index", "video", "first_frame", *_LISTS)  # the first three in names of folders and in wsprites.json


def card(job: Job) -> str:
    """How the folder is read."""
    return _CARD if job.world else _VIDEO_CARD


def write(job: Job, folder: Path) -> Written:
    """Write a folder for each clip: of a world, named after its character and the number of the clip among those of this character."""
    for split in SPLITS:
        (folder / split).mkdir()
        for row in job.rows(split):
            labels = job.labels(split, row)
            clip = folder / split / _name(job, labels)
            clip.mkdir()
            if "masks" in job.pixels:
                (clip / "masks").mkdir()
            for t, (frame, *mask) in enumerate(job.pngs(split, row)):
                (clip / f"{t:05}.png").write_bytes(frame)
                for image in mask:
                    (clip / "masks" / f"{t:05}.png").write_bytes(image)
            for name, content in _lists(job, labels).items():
                (clip / f"{name}.pkl").write_bytes(pickle.dumps(content, _PICKLE))
    left_out = [name for name in job.label_names if name not in (_STORED if job.world else _STORED_OF_VIDEOS)]
    return Written(notes=(f"left out {', '.join(left_out)}: the format has no place for them",) if left_out else ())


def _name(job: Job, labels: dict[str, NDArray[Any]]) -> str:
    index = int(labels["index"])
    if not job.world:
        return f"clip_{index:09}"
    # Generated clips go through the characters in turn; recorded ones are numbered through.
    video = index if job.world.driver else index // job.world.spec.cast.characters
    return f"sprite_{int(labels['character']):06}_video_{video:03}"


def _lists(job: Job, labels: dict[str, NDArray[Any]]) -> dict[str, Any]:
    """The contents of the pickles of a clip, by their names."""
    nothing = [None] * job.clip_frames
    if not job.world:
        return {name: labels[name].tolist() if name in labels else nothing for name in _LISTS}
    actions = {
        "global": labels["global_action"].tolist(),
        "local": labels["local_action"].tolist(),
        "shifts": _pairs(labels["shift"]),
        "bg_shifts": _pairs(-labels["background_shift"]),
    }
    return {"glactions": actions, **dict.fromkeys(_LISTS, nothing), "actions": actions["global"]}


def frame_bytes(*pixels: NDArray[Any]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame, and of its (H, W) bool mask if it has one, on disk."""
    return sum(-(-len(encode_png(image, fast=True)) // _BLOCK) * _BLOCK for image in pixels)


def _pairs(shift_t2: NDArray[Any]) -> list[tuple[int, int]]:
    return [(dx, dy) for dx, dy in shift_t2.tolist()]
