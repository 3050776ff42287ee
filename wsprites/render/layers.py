"""Which layer of a character is seen at each pixel: the truth about parts. Computed on demand, in numpy; nothing is stored."""

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World
from wsprites.art.characters import Characters
from wsprites.art.sheets import CELL_OF
from wsprites.render.render import render
from wsprites.world.script import Script


def layer_masks(world: World, script: Script) -> NDArray[np.uint8]:
    """The layers that are seen in a clip.

    A layer is seen where it contributes more to the colour of the sprite than any other one: its alpha times the share that the layers
    above it let through. Of equal ones, the lower counts.

    Args:
        world: the world that the script was written for.
        script: (T,) labels of one clip.

    Returns:
        (T, H, W) uint8: 0 outside of the mask of the sprite, otherwise n of the n-th of `world.art.characters.layers`, from 1.

    Raises:
        IndexError: a position is out of bounds, or the character does not exist.

    Example:
        >>> from wsprites.art import load_world
        >>> from wsprites.world.script import script
        >>> world = load_world("factorial")
        >>> seen = layer_masks(world, script(world.spec, seed=0, index=7))
        >>> seen.shape, world.art.characters.layers[seen.max() - 1]
        ((90, 96, 128), 'shoes')
    """
    masks = render(world, script).masks_thw
    seen = _seen(world.art.characters, int(script.character))[CELL_OF[script.local_action, script.animation_frame]]
    layers = np.zeros(masks.shape, np.uint8)
    height, width = masks.shape[1:]
    for layer_hw, cell_hw, (x, y) in zip(layers, seen, script.position.astype(int), strict=True):
        top, left = max(0, y), max(0, x)
        part = cell_hw[top - y : height - y, left - x : width - x]
        layer_hw[top : top + part.shape[0], left : left + part.shape[1]] = part
    return layers * masks


def _seen(characters: Characters, character: int) -> NDArray[np.uint8]:
    """(84, 64, 64) the layer that is seen in each cell of a character, from 1."""
    through = most = None
    seen = np.ones(1, np.uint8)
    for number, sheet in reversed([*enumerate(characters.sheets_of(character), 1)]):
        alpha = characters.cells(number - 1, sheet)[..., 3] / np.float32(255)
        if through is None or most is None:
            through, most, seen = 1 - alpha, alpha, np.full(alpha.shape, number, np.uint8)
            continue
        share = alpha * through
        seen[share >= most] = number
        most, through = np.maximum(most, share), through * (1 - alpha)
    return seen
