"""The reader against the truth."""

from dataclasses import replace

import numpy as np
import pytest

from wsprites.art import World, load_art
from wsprites.art.sheets import CELL_OF
from wsprites.bench import data
from wsprites.bench.reader import Place, Reader
from wsprites.render import render
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS, BackgroundSpec, WalkSpec, WorldSpec


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


def small(height: int, width: int, cell: int) -> WorldSpec:
    walks = {"sprite": WalkSpec(step=1), "background": BackgroundSpec(1, 2)}
    return replace(PRESETS["factorial"], height=height, width=width, scale=cell / 64, **walks)


@pytest.mark.parametrize("sides", [(33, 35), (34, 34), (35, 33), (40, 36)])
def test_no_figure_is_read_outside_a_frame(sides: tuple[int, int]):
    """Of noise, in which anything may be read, with cells of 16 px that the figure nearly fills."""
    art, rng = load_art(small(*sides, 16)), np.random.default_rng(0)
    reader, drawn = Reader(art, 0, 3), art.characters.atlas(0)[..., 3].any(0)
    extent = np.flatnonzero(drawn.any(0))[-1] + 1, np.flatnonzero(drawn.any(1))[-1] + 1
    frames = rng.integers(0, 256, (30, *sides, 3), dtype=np.uint8)
    read = reader.read(frames)
    assert read.position.min() >= 0 and (read.position + extent <= sides[::-1]).all()
    for corner in ((0, 0), (sides[1] - 8, -8), (90, 90)):  # in the frame, partly in it, outside
        assert reader.second(frames, read, frames[0], Place(corner, 0)).shape == (30,)


@pytest.mark.parametrize(("height", "width", "cell"), [(65, 67, 22), (66, 65, 38)])
def test_a_figure_at_the_edge_of_a_frame_of_any_size_is_read(height: int, width: int, cell: int):
    """Also where the box of its cells, in whole coarse pixels, is larger than a cell."""
    spec = small(height, width, cell)
    art, script = load_art(spec), scripts(spec, 3, np.arange(1))[0]
    script = replace(script, position=np.full_like(script.position, 0) + np.array([width - cell, height - cell], script.position.dtype))
    read = Reader(art, int(script.character), 3).read(render(art.world(spec), script).frames_thwc[::9])
    assert np.abs(read.position - script.position[0]).max() <= 0.6 and read.readable.all()


@pytest.mark.parametrize("corner", [(-4, 24), (10, 55)])
def test_a_second_figure_is_found_where_an_edge_cuts_it(corner: tuple[int, int]):
    """A figure of 16 px on black, 4 px of it beyond the left edge, or 6 px beyond the lower one; another was read elsewhere."""
    art, around = load_art(small(65, 67, 16)), np.zeros((65 + 32, 67 + 32, 3), np.uint8)
    cell, (x, y) = art.characters.atlas(0)[0, :16, :16], np.array(corner) + 16
    around[y : y + 16, x : x + 16] = np.where(cell[..., 3:] > 0, cell[..., :3], 0)
    frames = around[None, 16:-16, 16:-16]
    reader = Reader(art, 0, 3)
    read = replace(reader.read(frames), position=np.array([[45.0, 5.0]]))
    assert reader.second(frames, read, np.zeros_like(frames[0]), Place(corner, 0))[0]
    assert not reader.second(frames * 0, read, np.zeros_like(frames[0]), Place(corner, 0))[0]
