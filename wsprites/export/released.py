"""The folder layout of the released W-Sprites data (Davtyan and Favaro 2022), which the loaders of GLASS and CADDY read."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wsprites.export import Job
from wsprites.view.picture import encode_png
from wsprites.world.spec import SPLITS

CARD = """
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
The release's evaluation inverts the sign of a prediction before it compares. Labels that the release does not have are left out:
`background_action`, `animation_frame`, `position`, `background_offset`, `parts` and `background`.

Unlike in the release, masks have no holes, scenes move by whole pixels, and test characters are drawn at random. The numbers of the
actions are the same; the release has no `back` actions.

The pickles hold lists, tuples, a dict, strings, numbers and None, nothing else.
"""

_BLOCK = 4096  # bytes; most file systems round the size of a file up to it
_PICKLE = 2  # the protocol that every version of Python reads


def write(job: Job, folder: Path) -> str:
    """Write a folder for each clip, named after its character and the number of the clip among those of this character."""
    for split in SPLITS:
        (folder / split).mkdir()
        for row in job.rows(split):
            script = job.data[split].script(row)
            video = int(script.index) // job.data.spec.cast.characters  # clips go through the characters in turn
            clip = folder / split / f"sprite_{int(script.character):06}_video_{video:03}"
            (clip / "masks").mkdir(parents=True)
            for t, (frame, mask) in enumerate(job.pngs(split, row)):
                (clip / f"{t:05}.png").write_bytes(frame)
                (clip / "masks" / f"{t:05}.png").write_bytes(mask)
            actions = {
                "global": script.global_action.tolist(),
                "local": script.local_action.tolist(),
                "shifts": _pairs(script.shift),
                "bg_shifts": _pairs(-script.background_shift),
            }
            nothing = [None] * job.data.spec.frames
            lists: dict[str, Any] = {"glactions": actions, "actions": actions["global"]}
            for name, content in {**lists, "dones": nothing, "rewards": nothing, "metadata": nothing}.items():
                (clip / f"{name}.pkl").write_bytes(pickle.dumps(content, _PICKLE))
    return ""


def frame_bytes(frame_hwc: NDArray[np.uint8], mask_hw: NDArray[np.bool_]) -> int:
    """Estimate the size of an (H, W, 3) uint8 frame and its (H, W) bool mask on disk."""
    return sum(-(-len(encode_png(image, fast=True)) // _BLOCK) * _BLOCK for image in (frame_hwc, mask_hw))


def _pairs(shift_t2: NDArray[np.int16]) -> list[tuple[int, int]]:
    return [(dx, dy) for dx, dy in shift_t2.tolist()]
