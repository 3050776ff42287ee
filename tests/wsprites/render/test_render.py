"""The renderer against an independent slow one, and its twins."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import slow_compositor as slow
from PIL import Image
from samples import LAYERS

from wsprites.art import Art, World
from wsprites.art.characters import over
from wsprites.art.sheets import CELL_OF
from wsprites.render import empty, render
from wsprites.world.script import script, scripts
from wsprites.world.spec import PRESETS, WorldSpec


def slow_clip(spec: WorldSpec, clip, sheets: Path, scene: np.ndarray):
    parts = np.unravel_index(int(clip.character), spec.cast.counts)
    paths = [sheets / layer / f"{part}.png" for layer, part in zip(LAYERS, parts, strict=True)]
    size, image = (spec.width, spec.height), Image.fromarray(scene)
    ground = slow.shadow(spec.shadow, 64) if spec.shadow else None
    for t in range(len(clip.position)):
        cell = slow.character_cell(paths, clip.local_action[t], clip.animation_frame[t])
        position = tuple(clip.position[t].tolist())
        yield (
            np.asarray(slow.frame(cell, position, image, tuple(clip.background_offset[t].tolist()), size, ground)),
            np.asarray(slow.mask(cell, position, size)),
        )


@pytest.mark.parametrize("world", ["paper", "released", "factorial", "facings=4", "small", "large", "shadow", "black shadow"])
def test_frames_and_masks_equal_the_slow_compositor(art: Art, sheets: Path, world: str):
    changes = {
        "facings=4": {"facings": 4},
        "small": {"height": 64, "width": 65},
        "large": {"height": 101, "width": 131},
        "shadow": {"shadow": 97},
        "black shadow": {"shadow": 255, "rule": "released"},
    }
    base = replace(PRESETS["factorial"], **changes[world]) if world in changes else PRESETS[world]
    spec = art.world(replace(base, frames=12, background=replace(base.background, limit=121 - 101 if world == "large" else 25))).spec
    for index in range(4):
        clip = script(spec, 1, index)
        frames, masks = render(World(spec, art), clip)
        assert frames.dtype == np.uint8 and frames.shape == (12, spec.height, spec.width, 3)
        assert masks.dtype == bool and masks.shape == frames.shape[:3]
        expected = slow_clip(spec, clip, sheets, art.backgrounds.images[clip.background])
        for frame, mask, (slow_frame, slow_mask) in zip(frames, masks, expected, strict=True):
            assert np.array_equal(frame, slow_frame)
            assert np.array_equal(mask, slow_mask)


def test_a_clip_says_what_it_holds_in_a_line(art: Art, spec: WorldSpec):
    clip = render(World(spec, art), script(spec, 1, 0).window(0, 3))
    assert repr(clip) == "<Clip: frames (3, 96, 128, 3) uint8, masks (3, 96, 128) bool>"


def test_the_mask_is_the_arts_alpha_at_the_scripts_position(art: Art, spec: WorldSpec):
    clip = script(spec, 2, 7)
    atlas = art.characters.atlas(int(clip.character))
    masks = render(World(spec, art), clip).masks_thw
    for t, (x, y) in enumerate(clip.position.tolist()):
        expected = np.zeros((spec.height, spec.width), bool)
        expected[y : y + 64, x : x + 64] = atlas[CELL_OF[clip.local_action[t], clip.animation_frame[t]], ..., 3] >= 128
        assert np.array_equal(masks[t], expected)


def test_a_scene_moves_by_its_shift_where_no_sprite_is(art: Art, spec: WorldSpec):
    clip = script(spec, 3, 1)
    frames = render(World(spec, art), clip, sprite=False).frames_thwc
    for t in range(1, spec.frames):
        dx, dy = clip.background_shift[t].tolist()
        inner = np.s_[25:-25, 25:-25]
        assert np.array_equal(frames[t][inner], np.roll(frames[t - 1], (dy, dx), (0, 1))[inner])
    assert clip.background_shift.any()


def test_twins_differ_only_where_they_should(art: Art, spec: WorldSpec):
    clip = script(spec, 3, 2)
    whole, frozen, blank = (render(World(spec, art), clip, background=b) for b in ("moving", "frozen", "blank"))
    alone = render(World(spec, art), clip, sprite=False)
    assert not alone.masks_thw.any()
    assert np.array_equal(whole.masks_thw, frozen.masks_thw) and np.array_equal(whole.masks_thw, blank.masks_thw)
    for t, (x, y) in enumerate(clip.position.tolist()):
        alpha = np.zeros((spec.height, spec.width), np.uint8)
        cell = CELL_OF[clip.local_action[t], clip.animation_frame[t]]
        alpha[y : y + 64, x : x + 64] = art.characters.atlas(int(clip.character))[cell, ..., 3]
        opaque = alpha == 255
        assert np.array_equal(whole.frames_thwc[t][opaque], blank.frames_thwc[t][opaque])
        assert np.array_equal(whole.frames_thwc[t][opaque], frozen.frames_thwc[t][opaque])
        assert np.array_equal(whole.frames_thwc[t][alpha == 0], alone.frames_thwc[t][alpha == 0])
        assert not blank.frames_thwc[t][alpha == 0].any()
        assert np.array_equal(frozen.frames_thwc[t][alpha == 0], alone.frames_thwc[0][alpha == 0])


def test_a_window_is_a_part_of_the_clip(art: Art, spec: WorldSpec):
    clip = script(spec, 0, 4)
    whole, part = render(World(spec, art), clip), render(World(spec, art), clip.window(7, 19))
    assert np.array_equal(part.frames_thwc, whole.frames_thwc[7:19])
    assert np.array_equal(part.masks_thw, whole.masks_thw[7:19])


@pytest.mark.parametrize("background", ["moving", "frozen", "blank"])
def test_many_clips_at_once_are_each_of_them(art: Art, spec: WorldSpec, background: str):
    clips = scripts(spec, 3, [4, 0, 11])[:, 5:12]
    frames, masks = render(World(spec, art), clips, background=background)
    assert frames.shape == (3, 7, spec.height, spec.width, 3) and masks.shape == frames.shape[:-1]
    for n in range(3):
        alone = render(World(spec, art), script(spec, 3, int(clips.index[n])).window(5, 12), background=background)
        assert np.array_equal(frames[n], alone.frames_thwc) and np.array_equal(masks[n], alone.masks_thw)


def test_memory_used_again_leaves_no_trace(art: Art, spec: WorldSpec):
    out = empty(spec, spec.frames)
    out.frames_thwc.fill(77)
    out.masks_thw.fill(True)
    for index in (0, 5, 0, 9, 5):
        clip = script(spec, 0, index)
        again, fresh = render(World(spec, art), clip, out=out), render(World(spec, art), clip)
        assert again.frames_thwc is out.frames_thwc
        assert np.array_equal(again.frames_thwc, fresh.frames_thwc) and np.array_equal(again.masks_thw, fresh.masks_thw)


def test_layers_of_any_alpha_are_composited_by_over(soft: tuple[np.ndarray, Art], spec: WorldSpec):
    """Soft pixels on soft pixels, which the drawn sheets do not have."""
    cells, layered = soft
    clip = replace(script(spec, 0, 0).window(0, 8), character=np.int32(0))
    whole = np.zeros((84, 64, 64, 4), np.uint8)
    for layer in cells:
        whole = over(layer, whole)
    frames, masks = render(layered.world(spec), clip, background="blank")
    for t, (x, y) in enumerate(clip.position.tolist()):
        *colour, alpha = np.moveaxis(whole[CELL_OF[clip.local_action[t], clip.animation_frame[t]]].astype(int), -1, 0)
        expected = (2 * alpha * np.array(colour) + 255) // 510
        assert np.array_equal(np.moveaxis(frames[t, y : y + 64, x : x + 64], -1, 0), expected)
        assert np.array_equal(masks[t, y : y + 64, x : x + 64], alpha >= 128)


@pytest.mark.parametrize(
    "changes",
    [
        {"character": 36},
        {"character": -1},
        {"local_action": 12},
        {"background_offset": (26, 0)},
        {"background_offset": (0, -1)},
        {"position": (0, 120)},
    ],
)
def test_scripts_of_another_world_are_refused(art: Art, spec: WorldSpec, changes: dict):
    clip = script(spec, 0, 0)
    ((name, value),) = changes.items()
    other = replace(clip, **{name: np.broadcast_to(np.asarray(value, getattr(clip, name).dtype), getattr(clip, name).shape)})
    with pytest.raises(IndexError):
        render(World(spec, art), other)


@pytest.mark.parametrize("label", ["character", "background", "position", "background_offset", "out"])
def test_all_frames_or_none_are_drawn(art: Art, spec: WorldSpec, label: str):
    clips = scripts(spec, 0, [1, 2])
    out = empty(spec, 2, spec.frames - (label == "out"))
    out.frames_thwc.fill(77)
    out.masks_thw.fill(True)
    if label != "out":
        getattr(clips, label)[-1:].reshape(-1)[-1] = 999
    with pytest.raises(IndexError):
        render(World(spec, art), clips, out=out)
    assert (out.frames_thwc == 77).all() and out.masks_thw.all()


def test_no_clips_and_single_frames(art: Art, spec: WorldSpec):
    """The background of a frame is drawn while the frame before is: the first and the last one have nothing before or after them."""
    none = render(World(spec, art), scripts(spec, 0, []))
    assert none.frames_thwc.shape == (0, spec.frames, spec.height, spec.width, 3)
    clip = script(spec, 0, 3)
    whole = render(World(spec, art), clip)
    for t in range(spec.frames):
        out = empty(spec, 1)
        out.frames_thwc.fill(77)
        single = render(World(spec, art), clip.window(t, t + 1), out=out)
        assert np.array_equal(single.frames_thwc[0], whole.frames_thwc[t]) and np.array_equal(single.masks_thw[0], whole.masks_thw[t])


def test_rendering_draws_no_random_number(art: Art, spec: WorldSpec):
    np.random.seed(3)  # noqa: NPY002  # the global state is what is looked at
    before = np.random.get_state()[1].copy()  # noqa: NPY002
    render(World(spec, art), script(spec, 0, 0))
    assert np.array_equal(before, np.random.get_state()[1])  # noqa: NPY002
