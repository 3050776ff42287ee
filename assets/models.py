"""Strips of docs/models.md: `python -m assets.models FOLDER NAME=WORLD=CHECKPOINT...` writes NAME.png for each trained model.

Each shows a clip of val characters, what the model draws from its first frame with the actions that it reads from the clip, and the masks
that it reads, if it has any. The seed of the clips is not that of any published world.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from glass_model.play import transfer
from glass_model.training.checkpoint import load
from wsprites.art import load_world
from wsprites.generate import replace_file
from wsprites.render import render
from wsprites.view.picture import encode_png
from wsprites.view.sheet import sheet
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import scripts, split_indices

_SEED, _SHOWN, _COLOURS = 7, range(0, 13, 2), 160
_CLIPS = {"factorial": (55, 30), "paper": (10, 50)}  # of val, and the first frame: many actions in few frames


def strip(world_name: str, checkpoint: str) -> NDArray[np.uint8]:
    """Every second frame of the clip, of its imitation and of the masks, in named rows; the actions stand above the frames."""
    world = load_world(world_name)
    clip_number, first = _CLIPS[world_name]
    index = split_indices(world.spec, _SEED, world.spec.cast.characters)["val"][clip_number]
    script = scripts(world.spec, _SEED, np.array([index]))[0].window(first, first + max(_SHOWN) + 1)
    clip = render(world, script)
    model = load(checkpoint).model()
    drawn = transfer(model, clip.frames_thwc, clip.frames_thwc[0])
    rows, names = [clip.frames_thwc, drawn], ["true", "drawn"]
    masks = model.infer(torch.from_numpy(clip.frames_thwc).permute(0, 3, 1, 2)[None]).masks
    if masks is not None:
        rows.append(np.repeat((masks[0].cpu().numpy() * 255).round().astype(np.uint8)[..., None], 3, -1))
        names.append("mask")
    headings = [f"frame {t}" if not t else f"{t}: {_action(script.global_action[t], script.local_action[t])}" for t in _SHOWN]
    return sheet([[row[t] for t in _SHOWN] for row in rows], names=names, headings=headings)


def _action(moved: int, local: int) -> str:
    return f"{GlobalAction(moved).name}, {LocalAction(local).name}"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    for argument in sys.argv[2:]:
        name, world, path = argument.split("=", 2)
        replace_file(folder / f"{name}.png", encode_png(strip(world, path), colours=_COLOURS))
