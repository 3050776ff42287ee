"""Version 2 of the heads: cheeks as wide as the skull, a face that is lit evenly, and a beard that grows from the cheeks."""

from collections.abc import Callable, Iterator

from assets.painter.solid import Ball, Point, limb
from assets.painter.wardrobe import BODIES, EXTRA, HEAD, OWN, SKIN, Look, skull

_CHEEKS = (0.0, 1.0, -2.4), (8.7, 8.3, 7.2)
_HOLLOW = (0.0, 1.2, -2.8), (7.4, 7.8, 6.4)
_LIGHT = 0.34


def _with_cheeks(head: Callable[[], Iterator[Ball]], cheeks: tuple[Point, Point]) -> Callable[[], Iterator[Ball]]:
    def build() -> Iterator[Ball]:
        yield from head()
        yield Ball(*cheeks, HEAD, SKIN, light=_LIGHT)

    return build


def _bearded() -> Iterator[Ball]:
    yield from skull()
    yield Ball(*_CHEEKS, HEAD, SKIN, light=_LIGHT)
    yield Ball((0.0, 3.0, -7.9), (7.4, 6.6, 4.2), EXTRA, OWN)
    for side in (1, -1):
        yield from limb(((side * 8.0, 1.6, -1.6), (side * 7.2, 3.4, -5.0), (side * 5.0, 5.6, -7.6)), (1.6, 2.0, 2.4), EXTRA, OWN)
    for x in (-4, 0, 4):
        end = (x * 0.7, 5.6, -13.4 + abs(x) * 0.4)
        yield from limb(((x, 5.4, -7.4), end), (2.4, 1.0), EXTRA, OWN, light=0.15 if x == 0 else -0.1)


def _second(name: str, look: Look) -> Look:
    head = _bearded if name == "dwarf" else _with_cheeks(look.head, _HOLLOW if name == "undead" else _CHEEKS)
    return look._replace(head=head, face=2)


FACES = {name: _second(name, look) for name, look in BODIES.items()}
"""The bodies with version 2 of their faces. Their silhouettes contain those of version 1."""
