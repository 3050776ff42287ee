"""Which layer is seen, against a slow loop over the sheets' PNG files and the colours of frames."""

from pathlib import Path

import numpy as np
import slow_compositor as slow
from PIL import Image
from samples import LAYERS

from wsprites.art import Art, World
from wsprites.render import layer_masks, render
from wsprites.world.script import script
from wsprites.world.spec import PRESETS


def test_layers_equal_those_of_a_slow_loop(art: Art, sheets: Path) -> None:
    """Alpha times what the layers above let through, largest; the lower of equal ones; nothing outside of the mask."""
    spec = art.world(PRESETS["paper"]).spec
    world = World(spec, art)
    for index in range(3):
        clip = script(spec, 1, index)
        seen, masks = layer_masks(world, clip), render(world, clip).masks_thw
        parts = np.unravel_index(int(clip.character), spec.cast.counts)
        for t in (0, 7, 31):
            share, through = [], np.ones((64, 64))
            for layer, part in reversed(list(zip(LAYERS, parts, strict=True))):
                cell = slow.character_cell([sheets / layer / f"{part}.png"], clip.local_action[t], clip.animation_frame[t])
                alpha = np.asarray(cell)[..., 3] / 255
                share.append(alpha * through)
                through = through * (1 - alpha)
            number = 1 + np.argmax(np.round(share[::-1], 6), 0)
            picture = Image.new("L", (spec.width, spec.height))
            picture.paste(Image.fromarray(number.astype(np.uint8)), tuple(clip.position[t].tolist()))
            assert np.array_equal(seen[t], np.asarray(picture) * masks[t])
        assert np.array_equal(seen > 0, masks) and seen.max() <= len(LAYERS)


def test_an_opaque_layer_that_is_seen_has_its_colour(art: Art) -> None:
    """In the frame, at the same place, with the numbers of the layers from 1."""
    world = World(art.world(PRESETS["factorial"]).spec, art)
    clip = script(world.spec, 1, 2)
    seen, frames = layer_masks(world, clip), render(world, clip).frames_thwc
    t, (x, y) = 5, clip.position[5].astype(int)
    from wsprites.art.sheets import CELL_OF

    compared = 0
    for number, sheet in enumerate(art.characters.sheets_of(int(clip.character)), 1):
        cell = art.characters.cells(number - 1, sheet)[CELL_OF[clip.local_action[t], clip.animation_frame[t]]]
        for v, u in zip(*np.nonzero(cell[..., 3] == 255), strict=True):
            above = [
                art.characters.cells(n - 1, s)[CELL_OF[clip.local_action[t], clip.animation_frame[t]], v, u, 3]
                for n, s in enumerate(art.characters.sheets_of(int(clip.character)), 1)
                if n > number
            ]
            if not any(above):
                assert seen[t, y + v, x + u] == number and np.array_equal(frames[t, y + v, x + u], cell[v, u, :3])
                compared += 1
    assert compared > 50
