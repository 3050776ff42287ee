"""Pictures of the README: `python -m assets.gallery FOLDER` draws them from the project's own art."""

import sys
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from wsprites.art import Art, World, load_world
from wsprites.art.sheets import CELL_OF
from wsprites.generate import replace_file
from wsprites.render import render
from wsprites.view.picture import encode_gif, encode_png, enlarge, outline, tile
from wsprites.view.preview import direction_of
from wsprites.view.sheet import font
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import Script, scripts
from wsprites.world.spec import WorldSpec

_SEED, _FRAMES, _SCALE, _MILLISECONDS = 7, 16, 2, 110
_COLOURS = 112
_GROUND, _PAPER, _INK, _MUTED = (98, 120, 96), (22, 25, 31), (236, 239, 244), (140, 149, 163)
_MARKS = ("global", (178, 245, 80)), ("local", (255, 150, 170)), ("scene", (102, 204, 255))


def gallery(folder: Path) -> None:
    """Write cast.png, paper.gif, factorial.gif, twins.gif and labels.gif."""
    folder.mkdir(parents=True, exist_ok=True)
    paper, factorial = (load_world(name) for name in ("paper", "factorial"))
    replace_file(folder / "cast.png", encode_png(_cast(paper.art), colours=128))
    for name, world, index in (("paper", paper, 36), ("factorial", factorial, 4)):
        _write(folder / f"{name}.gif", [enlarge(frame, _SCALE) for frame in _frames(world, index)])
    _write(folder / "twins.gif", list(_twins(factorial, 12)))
    _write(folder / "labels.gif", list(_labels(paper, 21)))


def _write(path: Path, pictures: list[NDArray[np.uint8]]) -> None:
    replace_file(path, encode_gif(pictures, milliseconds=_MILLISECONDS, colours=_COLOURS, shared=True))


def _window(spec: WorldSpec, index: int) -> Script:
    return scripts(spec, _SEED, np.array([index]))[0].window(0, _FRAMES)


def _frames(world: World, index: int) -> NDArray[np.uint8]:
    return render(world, _window(world.spec, index)).frames_thwc


_CAST = ((0, 0, 1, 5, 0), (1, 4, 2, 0, 0), (2, 5, 5, 3, 0), (3, 1, 0, 1, 0), (4, 2, 4, 4, 0), (5, 3, 3, 2, 0))
_POSES = (
    ("walk_front", 2), ("walk_left", 1), ("walk_right", 4), ("walk_back", 7), ("spellcast_front", 5),
    ("spellcast_left", 4), ("slash_front", 1), ("slash_right", 4), ("slash_left", 1),
)  # fmt: skip


def _cast(art: Art) -> NDArray[np.uint8]:
    """Six characters, each in nine poses."""
    rows = []
    for sheets in _CAST:
        cells = art.characters.atlas(int(np.ravel_multi_index(sheets, art.characters.counts)))
        poses = [cells[CELL_OF[LocalAction[action]][frame]] for action, frame in _POSES]
        rows.append([np.where(pose[..., 3:] > 0, pose[..., :3], np.array(_GROUND, np.uint8)) for pose in poses])
    # Two columns of three characters.
    return tile([pose for a, b in zip(rows[:3], rows[3:], strict=True) for pose in a + b], 2 * len(_POSES))


def _twins(world: World, index: int) -> Iterable[NDArray[np.uint8]]:
    """One script four times: as it is, with another character, before another scene, and before a scene that stands still."""
    spec = world.spec
    script = _window(spec, index)
    dressed = replace(script, character=(script.character + spec.cast.characters * 2 // 5) % spec.cast.characters)
    elsewhere = replace(script, background=(script.background + 5) % spec.cast.backgrounds)
    clips = [render(world, twin).frames_thwc for twin in (script, dressed, elsewhere)]
    for a, b, c, d in zip(*clips, render(world, script, background="frozen").frames_thwc, strict=True):
        yield tile([a, b, c, d], 2)


def _labels(world: World, index: int) -> Iterable[NDArray[np.uint8]]:
    """A clip with its mask and its labels."""
    script = _window(world.spec, index)
    clip = render(world, script)
    for t in range(_FRAMES):
        large = enlarge(clip.frames_thwc[t], _SCALE)
        large[outline(clip.masks_thw[t], scale=_SCALE)] = _MARKS[0][1]
        canvas = Image.new("RGB", (large.shape[1] + 150, large.shape[0]), _PAPER)
        canvas.paste(Image.fromarray(large), (0, 0))
        draw = ImageDraw.Draw(canvas)
        names = (
            GlobalAction(script.global_action[t]).name,
            LocalAction(script.local_action[t]).name,
            direction_of(script.background_shift[t]),
        )
        for line, ((label, colour), name) in enumerate(zip(_MARKS, names, strict=True)):
            draw.text((large.shape[1] + 14, 22 + 54 * line), label, _MUTED, font())
            draw.text((large.shape[1] + 14, 40 + 54 * line), name, colour, font())
        yield np.asarray(canvas)


if __name__ == "__main__":
    gallery(Path(sys.argv[1]))
