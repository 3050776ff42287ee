"""The reader against the truth."""

from dataclasses import replace

import numpy as np
import pytest

from wsprites.art import World, load_art
from wsprites.art.sheets import CELL_OF
from wsprites.bench import data
from wsprites.bench.reader import Reader
from wsprites.render import render
from wsprites.world.script import scripts


@pytest.mark.parametrize("name", ["wsprites-paper-v1", "wsprites-factorial-v1", "wsprites-axes-new-scenes-v1"])
def test_the_reader_reads_the_truth(name: str):
    part = data.standard(name, clips=4).scored
    for n in range(3):
        script, clip = part.script[n], part.clip(n)
        read = Reader(part.art, int(script.character), 3).read(clip.frames_thwc)
        assert np.abs(read.position - script.position).max() < 0.5 and (read.local_action == script.local_action).all()
        assert (CELL_OF[read.local_action, read.animation_frame] == CELL_OF[script.local_action, script.animation_frame]).all()
        assert read.fit.min() > 0.99 and read.readable.all()
    empty = part.render(replace(script, position=script.position * 0)).frames_thwc * 0
    assert Reader(part.art, int(script.character), 3).read(empty[:3]).fit.max() < 0.01


def test_the_reader_reads_frames_of_any_size(few: data.Data):
    spec = replace(few.scored.spec, height=99, width=130)
    clips = scripts(spec, 3, np.arange(2))
    art = load_art(spec)
    for script in (clips[0], clips[1]):
        read = Reader(art, int(script.character), 3).read(render(World(spec, art), script).frames_thwc[::3])
        assert np.abs(read.position - script.position[::3]).max() < 0.5 and (read.local_action == script.local_action[::3]).all()
