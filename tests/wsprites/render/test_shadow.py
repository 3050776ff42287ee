"""The shadow under a character, against exact fractions and against renderings without it."""

from dataclasses import replace

import numpy as np
import pytest
import slow_compositor as slow
from PIL import Image

from wsprites.art import Art, World, load_world
from wsprites.render import layer_masks, render
from wsprites.render.shadow import shadow_alpha, shadow_pixels
from wsprites.world.script import script
from wsprites.world.spec import PRESETS, WorldSpec


@pytest.mark.parametrize(("opacity", "scale"), [(0, 1.0), (1, 1.0), (110, 1.0), (255, 1.0), (110, 0.5), (200, 0.796875), (90, 0.125)])
def test_it_is_the_ellipse_of_exact_fractions(opacity: int, scale: float):
    spec = replace(PRESETS["paper"], shadow=opacity, scale=scale)
    alpha = shadow_alpha(spec)
    expected = np.zeros((64, 64), np.uint8)
    expected[: spec.cell, : spec.cell] = np.asarray(slow.shadow(opacity, spec.cell))[..., 3]
    assert np.array_equal(alpha, expected) and alpha.max() <= opacity
    places, words = shadow_pixels(spec)
    assert np.array_equal(places, np.flatnonzero(alpha)) and np.array_equal(words, (alpha[alpha > 0].astype(np.uint32) << 24))


def test_it_darkens_the_scene_below_the_character_and_no_mask(art: Art, spec: WorldSpec):
    clip = script(spec, 3, 2)
    plain, shaded = World(spec, art), World(replace(spec, shadow=120), art)
    frames, masks = render(shaded, clip)
    before = render(plain, clip)
    scene = render(plain, clip, sprite=False).frames_thwc
    alpha = shadow_alpha(shaded.spec)
    assert np.array_equal(masks, before.masks_thw) and np.array_equal(layer_masks(shaded, clip), layer_masks(plain, clip))
    for t, (x, y) in enumerate(clip.position.tolist()):
        under = np.zeros(masks.shape[1:], int)
        under[y : y + 64, x : x + 64] = alpha
        sprite = (before.frames_thwc[t] != scene[t]).any(-1) | masks[t]
        assert np.array_equal(frames[t][under == 0], before.frames_thwc[t][under == 0])
        expected = (2 * (255 - under[..., None]) * scene[t].astype(int) + 255) // 510
        assert np.array_equal(frames[t][~sprite], expected[~sprite]) and (under[~sprite] > 0).any()


@pytest.mark.parametrize("background", ["frozen", "blank"])
def test_twins_have_it_at_the_characters_place_and_scenes_alone_have_none(art: Art, spec: WorldSpec, background: str):
    clip = script(spec, 3, 2)
    plain, shaded = World(spec, art), World(replace(spec, shadow=120), art)
    assert np.array_equal(render(shaded, clip, sprite=False).frames_thwc, render(plain, clip, sprite=False).frames_thwc)
    twin, without = (render(world, clip, background=background).frames_thwc.astype(int) for world in (shaded, plain))
    assert (twin <= without).all() and (twin != without).any() == (background == "frozen")  # black cannot be darkened


def test_it_has_to_lie_in_the_frame(art: Art, spec: WorldSpec):
    """Rows of a cell that no sheet covers may lie outside of the frame, but not if the shadow is there."""
    world, low = World(replace(spec, shadow=120), art), replace(script(spec, 0, 0).window(0, 1))
    low.position[:] = 0, spec.height - 63
    render(World(spec, art), low)
    with pytest.raises(IndexError):
        render(world, low)


def test_scaled_worlds_equal_the_slow_blend():
    world = load_world(replace(PRESETS["small-world"], name="mine", shadow=150, frames=6))
    plain = world.replace(shadow=0)
    clip = script(world.spec, 0, 5)
    frames = render(world, clip).frames_thwc
    scene, before = render(plain, clip, sprite=False).frames_thwc, render(plain, clip)
    for t, position in enumerate(clip.position.tolist()):
        under = Image.new("RGBA", (world.spec.width, world.spec.height))
        under.paste(slow.shadow(150, 32), tuple(position))
        expected = np.asarray(Image.alpha_composite(Image.fromarray(scene[t]).convert("RGBA"), under).convert("RGB"))
        bare = (before.frames_thwc[t] == scene[t]).all(-1) & ~before.masks_thw[t]
        assert np.array_equal(frames[t][bare], expected[bare])
