"""Which sheets lack an animation, and what to do about it: a character would vanish, or lose a part, while the labels say that it acts."""

import logging
import math
from collections.abc import Collection, Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsprites.art.characters import Characters
from wsprites.art.sheets import CELL_OF, CELL_PLACES, FIRST_ROW
from wsprites.errors import UserError
from wsprites.world.actions import ANIMATIONS, LocalAction, local_actions

_LOG = logging.getLogger("wsprites.art")
_REMEDY = "add the missing pictures, or set the world's animations to those that all sheets have"
_MASKED = 128  # the alpha from which on a pixel belongs to the sprite's mask


def complete(
    characters: Characters, facings: int, folder: Path, *, animations: Collection[str] = ANIMATIONS, skip_incomplete: bool = False
) -> Characters:
    """Characters that are seen in every animation of a world.

    A sheet is incomplete if it shows something in some animations but nothing at all in another; an entirely clear sheet, of a layer that
    some characters have nothing in, is not. A whole character is incomplete if any of its cells is empty.

    Args:
        characters: the characters of all sheets.
        facings: 3 or 4: the facings that the world shows.
        folder: where the sheets come from, for messages.
        animations: those that the world shows.
        skip_incomplete: leave out incomplete sheets, and log how many, in place of an error.

    Raises:
        UserError: a sheet is incomplete, or all sheets of a layer are, or no sheet of a character shows anything in some cell.
    """
    used, every = (np.unique(CELL_OF[list(local_actions(facings, animations=some))]) for some in (animations, ANIMATIONS))
    whole = [np.stack([characters.alpha(layer, sheet) for sheet in range(count)]) for layer, count in enumerate(characters.counts)]
    alpha = [alpha_sc[:, used] for alpha_sc in whole]
    lacks = {}
    for layer, alpha_sc in enumerate(alpha):
        for sheet, alpha_c in enumerate(alpha_sc):
            if len(alpha) > 1 and not whole[layer][sheet][every].any():
                continue
            missing = _missing(alpha_c >= _MASKED if len(alpha) == 1 else alpha_c > 0, used, animations, whole=len(alpha) == 1)
            if missing:
                lacks[layer, sheet] = missing
    if lacks and not skip_incomplete:
        raise UserError(f"{folder}: {_text(characters, lacks)}; {_REMEDY}, or pass skip_incomplete=True")
    kept = [[sheet for sheet in range(count) if (layer, sheet) not in lacks] for layer, count in enumerate(characters.counts)]
    for name, sheets in zip(characters.layers, kept, strict=True):
        if not sheets:
            raise UserError(f"{folder}: no sheet of the layer '{name}' is complete: {_text(characters, lacks)}; {_REMEDY}")
    some = characters.only(kept) if lacks else characters
    _check_seen([alpha_sc[sheets] for alpha_sc, sheets in zip(alpha, kept, strict=True)], some, used, folder)
    if lacks:
        before, after = math.prod(characters.counts), math.prod(some.counts)
        _LOG.warning("%s: %s; %s of %s characters left out", folder, _text(characters, lacks), f"{before - after:,}", f"{before:,}")
    return some


def _missing(seen_c: NDArray[np.bool_], used: NDArray[np.int64], animations: Collection[str], *, whole: bool) -> list[str]:
    """Those animations that a sheet lacks, of the cells in use; of a whole character, those with an empty cell."""
    rows = np.array([CELL_PLACES[cell][0] for cell in used])
    in_animation = {animation: (rows >= first) & (rows < first + 4) for animation, first in FIRST_ROW.items() if animation in animations}
    return [name for name, cells in in_animation.items() if not (seen_c[cells].all() if whole else seen_c[cells].any())]


def _text(characters: Characters, lacks: dict[tuple[int, int], list[str]]) -> str:
    """The incomplete sheets as text: their number, and the first ones with layer and animations."""

    def each() -> Iterator[str]:
        for (layer, sheet), animations in list(lacks.items())[:3]:
            yield f"'{characters.names[layer][sheet]}' of layer '{characters.layers[layer]}' has no {' and no '.join(animations)}"

    more = f", and {len(lacks) - 3:,} more" if len(lacks) > 3 else ""
    return f"{len(lacks):,} of {sum(characters.counts):,} sheets lack an animation ({', '.join(each())}{more})"


def _check_seen(alpha: list[NDArray[np.uint8]], characters: Characters, used: NDArray[np.int64], folder: Path) -> None:
    """Raise UserError if some combination of sheets shows nobody in some cell."""
    for place, cell in enumerate(used):
        hidden = [np.flatnonzero(alpha_sc[:, place] < _MASKED) for alpha_sc in alpha]
        if all(map(len, hidden)):
            named = zip(characters.layers, characters.names, hidden, strict=True)
            sheets = ", ".join(f"{layer} '{names[bad[0]]}'" for layer, names, bad in named)
            action, frame = np.argwhere(cell == CELL_OF)[0].tolist()
            shown = f"frame {frame} of {LocalAction(action).name}"
            raise UserError(f"{folder}: the character made of {sheets} cannot be seen in {shown}; change one of these sheets")
