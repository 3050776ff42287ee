"""Bodies, clothes, hair and shoes of the figures, as solids on the skeleton, and their palettes."""

import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

from assets.painter.pose import Joints
from assets.painter.solid import Ball, Point, limb

TRUNK, HEAD, LEFT_ARM, RIGHT_ARM, LEFT_LEG, RIGHT_LEG, EXTRA = range(7)
_ARMS, _LEGS = (LEFT_ARM, RIGHT_ARM), (LEFT_LEG, RIGHT_LEG)

SKULL = ((0.0, -0.3, 1.2), (9.1, 8.7, 8.5))
_JAW = ((0.0, 0.9, -4.0), (7.7, 7.0, 6.0))


class Look(NamedTuple):
    """One sheet of a layer: solids on the trunk and limbs, solids on the head, and a ramp of five colours for each of its materials."""

    ramps: tuple[str, ...]
    """The colours outline, shade, base, light and highlight of each material, RRGGBB."""
    worn: Callable[[Joints], Iterator[Ball]] = lambda j: iter(())
    head: Callable[[], Iterator[Ball]] = lambda: iter(())
    """Solids around the centre of the head."""
    face: int = 0
    """Version of the face that is drawn on the head; 0 for none."""


def _add(p: Point, x: float, y: float, z: float) -> Point:
    return p[0] + x, p[1] + y, p[2] + z


def _between(p: Point, q: Point, f: float) -> Point:
    return p[0] + f * (q[0] - p[0]), p[1] + f * (q[1] - p[1]), p[2] + f * (q[2] - p[2])


def _axes(across: Point) -> tuple[Point, Point, Point]:
    return across, (-across[1], across[0], 0.0), (0.0, 0.0, 1.0)


# Parts of the figure, larger by `grow` pixels where they are cloth.


def trunk(j: Joints, ramp: int, grow: float = 0.0) -> Iterator[Ball]:
    """Chest, waist, shoulders and neck."""
    yield Ball(_add(j.chest, 0, 0.2, 0.6), (8.4 + grow, 5.7 + grow, 5.2 + grow), TRUNK, ramp, _axes(j.across))
    yield Ball(_between(j.hips, j.chest, 0.48), (6.5 + grow, 5.0 + grow, 5.6 + grow), TRUNK, ramp, _axes(j.across))
    for shoulder in j.shoulders:
        yield Ball(_add(shoulder, 0, 0, -0.4), (2.9 + grow, 2.9 + grow, 2.7 + grow), TRUNK, ramp)
    yield from limb((_add(j.chest, 0, 0, 4), _add(j.head, 0, 0, 2)), (3.4 + grow / 2,) * 2, TRUNK, ramp)


def hips(j: Joints, ramp: int, grow: float = 0.0) -> Iterator[Ball]:
    """The lower end of the trunk."""
    yield Ball(_add(j.hips, 0, 0, 0.2), (7.1 + grow, 5.3 + grow, 3.9 + grow), TRUNK, ramp)


def arms(j: Joints, ramp: int, grow: float = 0.0, until: float = 2.0, thin: float = 0.0) -> Iterator[Ball]:
    """Arms or sleeves down to the elbow (1), the wrist (2), or between."""
    r = 2.75 + grow - thin, 2.35 + grow - thin, 2.05 + grow - thin
    for part, shoulder, elbow, hand in zip(_ARMS, j.shoulders, j.elbows, j.hands, strict=True):
        shoulder = _add(shoulder, 0, 0, -0.6)
        if until <= 1:
            yield from limb((shoulder, _between(shoulder, elbow, until)), (r[0], r[1]), part, ramp)
        else:
            yield from limb((shoulder, elbow, _between(elbow, hand, until - 1)), r, part, ramp)


def hands(j: Joints, ramp: int) -> Iterator[Ball]:
    """Fists."""
    for part, elbow, hand in zip(_ARMS, j.elbows, j.hands, strict=True):
        yield Ball(_between(elbow, hand, 1.12), (2.5, 2.5, 2.5), part, ramp)


def legs(j: Joints, ramp: int, grow: float = 0.0, until: float = 2.0, thin: float = 0.0) -> Iterator[Ball]:
    """Legs or trousers down to the knee (1), the ankle (2), or between."""
    r = 3.4 + grow - thin, 2.8 + grow - thin, 2.3 + grow - thin
    for part, hip, knee, ankle in zip(_LEGS, j.thighs, j.knees, j.ankles, strict=True):
        if until <= 1:
            yield from limb((hip, _between(hip, knee, until)), (r[0], r[1]), part, ramp)
        else:
            yield from limb((hip, knee, _between(knee, ankle, until - 1)), r, part, ramp)


def feet(j: Joints, ramp: int, grow: float = 0.0) -> Iterator[Ball]:
    """Feet or shoes from the heels to the toes."""
    for part, ankle, (x, y, z) in zip(_LEGS, j.ankles, j.toes, strict=True):
        heel, tip = _add(ankle, -x, -y, -z - 0.1), _add(ankle, 3.9 * x, 3.9 * y, 3.9 * z + 0.1)
        yield from limb((heel, tip), (2.0 + grow, 1.9 + grow), part, ramp)


def belt(j: Joints, ramp: int, grow: float = 0.9, buckle: int | None = None) -> Iterator[Ball]:
    """A belt around the waist, with a buckle of another ramp."""
    middle = _add(j.hips, 0, 0, 2.6)
    yield Ball(middle, (7.4 + grow, 5.9 + grow, 1.9), TRUNK, ramp)
    if buckle is not None:
        yield Ball(_add(middle, 0, 5.9 + grow, 0), (1.8, 0.9, 1.6), EXTRA, buckle)


def skirt(j: Joints, ramp: int, length: float, flare: float, start: float = 1.0) -> Iterator[Ball]:
    """A cone of cloth from the waist; it follows the knees."""
    middle = _between(j.knees[0], j.knees[1], 0.5)
    reach = max(abs(a[1] - b[1]) for a, b in ((j.knees[0], j.knees[1]), (j.ankles[0], j.ankles[1])))
    n = math.ceil(length)
    for k in range(n + 1):
        f = k / n
        centre = (j.hips[0] + 0.6 * f * (middle[0] - j.hips[0]), 0.75 * f * middle[1], j.hips[2] + start - f * length)
        yield Ball(centre, (7.4 + flare * f, 5.8 + (flare + 0.28 * reach) * f, 1.6), TRUNK, ramp)


# Bodies. The ramps are skin, underclothes, and what is peculiar to the kind.

SKIN, LINEN, EYES, OWN = range(4)
_LINEN = "4a3c50 8f8793 bdb6b8 ddd6d0 f2ece2"


def body(thin: float = 0.0) -> Callable[[Joints], Iterator[Ball]]:
    """The naked parts; `thin` makes the limbs thinner."""

    def parts(j: Joints) -> Iterator[Ball]:
        yield from trunk(j, SKIN)
        yield from hips(j, LINEN, 0.2)
        yield from legs(j, SKIN, thin=thin)
        yield from legs(j, LINEN, 0.2, until=0.55)
        yield from feet(j, SKIN)
        yield from arms(j, SKIN, thin=thin)
        yield from hands(j, SKIN)

    return parts


def skull() -> Iterator[Ball]:
    """A head without hair."""
    yield Ball(*SKULL, HEAD, SKIN, light=0.08)
    yield Ball(*_JAW, HEAD, SKIN, light=0.16)
    for side in (1, -1):  # ears
        yield Ball((side * 8.9, -1.2, -2.0), (1.5, 1.7, 2.4), HEAD, SKIN)
    yield Ball((0.0, 8.3, -2.6), (1.4, 1.6, 1.5), HEAD, SKIN)


def _elf() -> Iterator[Ball]:
    yield from skull()
    for side in (1, -1):
        yield from limb(((side * 8.2, -1.2, -2.0), (side * 14.2, -3.4, 3.4)), (2.5, 1.1), HEAD, SKIN)


def _orc() -> Iterator[Ball]:
    yield from skull()
    yield Ball((0.0, 1.8, -5.6), (8.4, 6.9, 5.0), HEAD, SKIN)
    for side in (1, -1):
        yield from limb(((side * 8.2, -1.2, -1.0), (side * 12.2, -2.2, 1.0)), (2.6, 1.1), HEAD, SKIN)
        yield from limb(((side * 3.6, 7.9, -7.6), (side * 4.0, 8.6, -5.0)), (1.0, 0.6), HEAD, OWN)


def _imp() -> Iterator[Ball]:
    yield from skull()
    for side in (1, -1):
        yield from limb(((side * 7.6, -0.2, 5.0), (side * 11.6, -0.4, 7.6), (side * 12.6, 0.6, 12.6)), (2.4, 2.0, 1.0), EXTRA, OWN)


def _imp_body(j: Joints) -> Iterator[Ball]:
    yield from body()(j)
    root = _add(j.hips, 0, -3.6, 0.4)
    yield from limb((root, _add(root, 0, -5, -4), _add(root, 1.5, -9.5, -2), _add(root, 3, -11, 3.4)), (1.5, 1.3, 1.1, 1.0), EXTRA, SKIN)
    yield from limb((_add(root, 3, -11, 3.4), _add(root, 3.6, -11.4, 6.2)), (2.3, 0.5), EXTRA, OWN)


def _beard() -> Iterator[Ball]:
    yield from skull()
    yield Ball((0.0, 2.6, -7.2), (7.4, 6.2, 4.4), EXTRA, OWN)
    for x in (-4, 0, 4):
        yield from limb(((x, 5.4, -7.4), (x * 0.7, 5.6, -12.6 + abs(x) * 0.4)), (2.4, 1.0), EXTRA, OWN, light=0.15 if x == 0 else -0.1)


def _undead() -> Iterator[Ball]:
    yield Ball(*SKULL, HEAD, SKIN)
    yield Ball((0.0, 1.2, -4.6), (6.0, 6.6, 5.2), HEAD, SKIN)


def _bones(j: Joints) -> Iterator[Ball]:
    yield from body(thin=0.9)(j)
    for z in (-3.0, 0.0, 3.0):
        yield Ball(_add(j.chest, 0, 0.6, z), (7.9 - abs(z) * 0.25, 5.4, 0.8), TRUNK, OWN, _axes(j.across))


BODIES = {
    "human": Look(("3a1e28 a8593f d98f62 f4be92 fde0c0", _LINEN, "2a1820 1c3464 4c8cd4 f4f8fc ffffff"), body(), skull, 1),
    "dwarf": Look(
        ("2a1612 5e3420 8a5230 b07444 cf9a66", _LINEN, "1c0e0c 24401c 64a03c f4f0e4 ffffff", "2c1108 6e2c10 a34a18 d07428 f0a44c"),
        body(),
        _beard,
        1,
    ),
    "elf": Look(("2c2040 74648c a494bc d0c2e0 f2eafa", _LINEN, "2c1c14 14503c 3cb484 f8fcf4 ffffff"), body(), _elf, 1),
    "orc": Look(
        ("122414 2f5a2a 4f8a3a 7ab454 aedb7c", _LINEN, "0c1a0e 7c3c0c e8a020 fcf4c8 ffffff", "4a3c2c a89878 d8cca8 f0e8cc fffbe8"),
        body(),
        _orc,
        1,
    ),
    "imp": Look(
        ("2a0a1c 7a1c34 b43240 dc5c50 f4947c", _LINEN, "1c0614 4c1408 f8d83c fff8c8 ffffff", "241420 4c3440 745464 a08490 cfb8bc"),
        _imp_body,
        _imp,
        1,
    ),
    "undead": Look(
        ("20241a 5c6448 8c9470 bcc09c e6e8cc", _LINEN, "141a26 b42c20 fc6c48 2c3848 ffffff", "343826 747a58 a8ac84 d4d6b0 f6f6e0"),
        _bones,
        _undead,
        1,
    ),
}

# Clothes for the legs.


def _trousers(j: Joints) -> Iterator[Ball]:
    yield from hips(j, 0, 0.7)
    yield from legs(j, 0, 0.7, until=1.85)


def _shorts(j: Joints) -> Iterator[Ball]:
    yield from hips(j, 0, 0.9)
    yield from legs(j, 0, 1.1, until=0.9)
    yield from belt(j, 1, 0.6)


def _skirt(j: Joints) -> Iterator[Ball]:
    yield from skirt(j, 0, 8.0, 3.4)


def _kilt(j: Joints) -> Iterator[Ball]:
    yield from skirt(j, 0, 6.0, 1.6)
    yield from belt(j, 1, 0.6, 2)


def _greaves(j: Joints) -> Iterator[Ball]:
    yield from hips(j, 1, 0.7)
    yield from legs(j, 1, 0.5, until=1.3)
    for part, hip, knee, ankle in zip(_LEGS, j.thighs, j.knees, j.ankles, strict=True):
        yield from limb((_between(hip, knee, 0.3), _between(hip, knee, 0.7)), (4.2, 3.8), part, 0)
        yield from limb((_between(knee, ankle, 0.2), _between(knee, ankle, 0.7)), (3.5, 3.1), part, 0)
        yield Ball(_add(knee, 0, 1.2, 0), (2.5, 2.5, 2.3), part, 0, light=0.25)


def _baggy(j: Joints) -> Iterator[Ball]:
    yield from hips(j, 0, 1.0)
    for part, hip, knee, ankle in zip(_LEGS, j.thighs, j.knees, j.ankles, strict=True):
        yield from limb((hip, knee, _between(knee, ankle, 0.55)), (4.4, 4.4, 3.9), part, 0)
        yield from limb((_between(knee, ankle, 0.75), _between(knee, ankle, 0.8)), (3.1, 3.0), part, 1)
    yield from belt(j, 1, 1.0)


BOTTOMWEAR = {
    "trousers": Look(("1c2238 2e3f6a 46609a 6c88c0 a0b8e0",), _trousers),
    "shorts": Look(("2c2c12 5e5c24 8c8638 b4ac58 d8d088", "24140c 4c2c18 744826 9c6a3c c49460"), _shorts),
    "skirt": Look(("3a0c20 861c3c bc3450 e4646c f8a49c",), _skirt),
    "kilt": Look(("10261c 1e5038 348054 5cac74 94d49c", "20140c 48301c 705030 987450 c0a078", "5c4410 a88420 e0bc3c f8e070 fffcc0"), _kilt),
    "greaves": Look(("22262e 5a626e 8c96a2 bcc6ce f0f4f6", "1c1a20 38343c 58525c 7c747c a49ca0"), _greaves),
    "baggy": Look(("2c1c3a 5c3c74 8a60a4 b48ccc dcbcea", "5a3c0c a4741c d8a838 f4d068 fff0b0"), _baggy),
}

# Clothes for trunk and arms.


def _collar(j: Joints, ramp: int) -> Iterator[Ball]:
    yield Ball(_add(j.head, 0, -0.2, -0.9), (4.9, 4.3, 1.5), TRUNK, ramp)


def _tunic(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 0.8)
    yield from arms(j, 0, 0.8, until=1.75)
    yield from skirt(j, 0, 4.0, 1.0, 2.0)
    yield from belt(j, 1, 1.2, 2)


def _vest(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 0.7)
    yield from skirt(j, 0, 2.0, 0.6, 2.0)
    yield from limb((_add(j.chest, 0, 4.8, 4.2), _add(j.chest, 0, 5.9, 0.0), _add(j.hips, 0, 5.2, 2)), (1.3, 1.3, 1.2), TRUNK, 1)


def _plate(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 0.9)
    yield Ball(_add(j.chest, 0, 1.8, 1.2), (7.4, 5.0, 4.2), TRUNK, 0, _axes(j.across), 0.1)
    yield from skirt(j, 1, 3.0, 0.9, 2.0)
    for part, shoulder in zip(_ARMS, j.shoulders, strict=True):
        out = shoulder[0] - j.chest[0]
        yield Ball(_add(shoulder, 0.14 * out, 0, 0.4), (4.2, 4.2, 3.5), part, 0, light=0.1)
    yield from arms(j, 1, 0.5, until=1.3)


def _robe(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 0.9)
    for part, shoulder, elbow, hand in zip(_ARMS, j.shoulders, j.elbows, j.hands, strict=True):
        yield from limb((_add(shoulder, 0, 0, -0.5), elbow, _between(elbow, hand, 0.72)), (3.5, 3.4, 3.9), part, 0)
        yield from limb((_between(elbow, hand, 0.72), _between(elbow, hand, 0.8)), (3.9, 3.6), part, 1)
    yield from skirt(j, 0, 9.5, 2.6, 2.5)
    yield from limb((_add(j.chest, 0, 4.7, 4.0), _add(j.chest, 0, 5.6, 0), _add(j.hips, 0, 6.2, 1)), (1.1, 1.1, 1.1), TRUNK, 1)


def _striped(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 0.7)
    yield from arms(j, 0, 0.7, until=0.95)
    for z, rx, ry in ((3.8, 8.3, 6.0), (0.4, 9.4, 6.8), (-3.0, 8.1, 6.2), (-6.2, 7.4, 6.0)):
        yield Ball(_add(j.chest, 0, 0.1, z), (rx, ry, 0.9), TRUNK, 1, _axes(j.across))
    for part, shoulder, elbow in zip(_ARMS, j.shoulders, j.elbows, strict=True):
        yield from limb((_between(shoulder, elbow, 0.72), _between(shoulder, elbow, 0.95)), (3.4, 3.4), part, 1)


def _jacket(j: Joints) -> Iterator[Ball]:
    yield from trunk(j, 0, 1.1)
    yield from arms(j, 0, 1.0, until=1.7)
    yield from limb((_add(j.chest, 0, 5.2, 3.4), _add(j.chest, 0, 5.9, -1), _add(j.hips, 0, 5.2, 2)), (1.9, 1.4, 1.0), TRUNK, 1)
    for part, elbow, hand in zip(_ARMS, j.elbows, j.hands, strict=True):
        yield from limb((_between(elbow, hand, 0.6), _between(elbow, hand, 0.75)), (3.4, 3.4), part, 2)
    yield from _collar(j, 2)
    yield from belt(j, 2, 0.9)


TOPWEAR = {
    "tunic": Look(
        ("3c0f14 8a2420 c04430 e47c4c f8b884", "20140c 48301c 705030 987450 c0a078", "5c4410 a88420 e0bc3c f8e070 fffcc0"), _tunic
    ),
    "vest": Look(("2a1a10 5a3a20 86603a b08a58 d8b888", "4a2c0c 8c6420 c49438 e8c468 fcecac"), _vest),
    "plate": Look(("1e2430 566274 8c9aaa c0ccd6 f6fafc", "1c1a24 383848 585a6c 7c8092 a8acba"), _plate),
    "robe": Look(("1c1038 3c2478 5c40ac 8468d4 b8a0f4", "5c4410 a88420 e0bc3c f8e070 fffcc0"), _robe),
    "striped": Look(("30384c 8c98ac c4ced8 e8eef0 fdfefe", "14284c 20488c 3470bc 5c9cdc 98ccf4"), _striped),
    "jacket": Look(
        ("0c2c2c 165c58 288c80 50b8a4 90e0c8", "4c4438 a09478 d8ccac f4ecd4 fffcf0", "242018 504834 7c7050 a89c74 d0c8a4"), _jacket
    ),
}

# Hair, around the middle of the head: locks that run down the skull from the crown.


def _lock(
    azimuth: float,
    to: float,
    width: float,
    *,
    out: float = 0.0,
    hang: float = 0.0,
    end: float = 0.5,
    start: float = 8.0,
    light: float = 0.0,
) -> Iterator[Ball]:
    """A lock of hair that lies on the skull between two angles from the crown, degrees; azimuth 0 is the brow, 90 the left ear. Its tip
    stands `out` by some pixels and hangs down by `hang`."""
    (_, cy, cz), (rx, ry, rz) = SKULL
    a, points = math.radians(azimuth), []
    for k in range(4):
        polar = math.radians(start + (to - start) * k / 3)
        x, y = round(math.sin(a) * math.sin(polar), 6), round(math.cos(a) * math.sin(polar), 6)
        points.append((x * rx * 1.03, y * ry * 1.03 + cy, round(math.cos(polar), 6) * rz * 1.03 + cz))
    x, y, z = points[-1]
    points.append((x + out * round(math.sin(a), 6), y + out * round(math.cos(a), 6), z - hang))
    yield from limb(points, (width, width, width, width * 0.9, end), HEAD, 0, light)


def _cap(light: float = -0.25, back: float = 0.0) -> Iterator[Ball]:
    (x, y, z), (rx, ry, rz) = SKULL
    yield Ball((x, y - 2.4, z + 1.5), (rx + 0.3, ry + 0.2, rz + 0.2), HEAD, 0, light=light)
    yield Ball((x, y - 2.6 - back, z - 2.6), (rx - 0.4, ry - 0.8, rz - 1.4), HEAD, 0, light=light)


def _spiky() -> Iterator[Ball]:
    yield from _cap()
    for k, azimuth in enumerate(range(-60, 300, 24)):
        yield from _lock(azimuth + 8, 40, 2.5, out=5.0, hang=-2.6, start=20, light=(0.16, -0.1)[k % 2])
    for k, azimuth in enumerate(range(0, 360, 60)):
        yield from _lock(azimuth, 16, 2.6, out=2.2, hang=-5.4, start=2, light=(0.0, 0.16)[k % 2])
    for k, azimuth in enumerate(range(82, 284, 20)):
        yield from _lock(azimuth, 88, 2.4, out=2.6, hang=3.0, start=40, light=(0.1, -0.15)[k % 2])
    for k, (azimuth, hang) in enumerate(((-70, 3.0), (-50, 2.2), (-30, 1.2), (-8, 3.4), (12, 1.2), (32, 3.0), (52, 1.6), (70, 3.0))):
        yield from _lock(azimuth, 48 + 0.2 * abs(azimuth), 2.0, out=1.0, hang=hang, light=(0.14, -0.06)[k % 2])


def _long() -> Iterator[Ball]:
    yield from _cap(back=0.4)
    for k, azimuth in enumerate(range(78, 290, 11)):
        yield from _lock(azimuth, 84, 2.1, hang=15.0 if 90 <= azimuth <= 270 else 11.0, end=1.5, light=(0.14, -0.08, 0.02)[k % 3])
    for k, (azimuth, to, hang) in enumerate(
        ((-58, 66, 3.4), (-44, 58, 2.2), (-28, 48, 1.6), (28, 48, 1.6), (44, 58, 2.2), (58, 66, 3.4), (-12, 40, 1.0), (12, 40, 1.0))
    ):
        yield from _lock(azimuth, to, 2.1, hang=hang, light=(0.14, -0.06)[k % 2])


def _bob() -> Iterator[Ball]:
    yield from _cap(back=0.6)
    for k, azimuth in enumerate(range(78, 290, 10)):
        yield from _lock(azimuth, 92, 2.4, out=0.8, hang=6.0, end=1.6, light=(0.16, -0.06, 0.04)[k % 3])
    for k, azimuth in enumerate(range(-54, 60, 12)):
        yield from _lock(azimuth, 56, 2.0, out=0.6, hang=2.2 + 0.04 * abs(azimuth), end=0.9, light=(0.14, -0.06)[k % 2])


def _curls() -> Iterator[Ball]:
    yield from _cap()
    (x, y, z), (rx, ry, rz) = SKULL
    for ring, (polar, count) in enumerate(((4, 1), (30, 7), (56, 12), (82, 15), (108, 15))):
        for k in range(count):
            azimuth = 360 * (k + 0.5 * (ring % 2)) / count
            if polar > 56 and (azimuth < 76 or azimuth > 284):
                continue
            a, p = math.radians(azimuth), math.radians(polar)
            r = 1.14
            centre = (
                x + round(math.sin(a) * math.sin(p), 6) * rx * r,
                y - 1.0 + round(math.cos(a) * math.sin(p), 6) * ry * r,
                z + 1.0 + round(math.cos(p), 6) * rz * r,
            )
            yield Ball(centre, (2.7, 2.7, 2.7), HEAD + EXTRA + (k + ring) % 2, 0)


def _tail() -> Iterator[Ball]:
    yield from _cap(light=-0.1)
    for k, azimuth in enumerate(range(-170, 190, 15)):
        front = abs(azimuth) < 60
        yield from _lock(azimuth, 50 if front else 96, 1.8, out=0.0 if front else -1.2, hang=0.5, start=14, light=(0.16, -0.1)[k % 2])
    for side in (1, -1):
        yield from _lock(side * 62, 70, 1.7, out=0.6, hang=8.0, light=0.1)
    yield from limb(((0, -7.6, 7.0), (0, -11.6, 8.4)), (2.4, 3.0), EXTRA, 0)
    for k, x in enumerate((-1.6, 1.6, 0.0)):
        yield from limb(
            ((x, -11.6, 8.0), (x * 1.5, -14.4, 2.0), (x * 1.6, -14.0, -6.0), (x, -12.6, -11.0)),
            (2.6, 2.8, 2.3, 0.6),
            EXTRA,
            0,
            (-0.1, 0.0, 0.15)[k],
        )
    yield Ball((0, -9.4, 7.7), (2.9, 1.2, 2.9), EXTRA + 1, 1)


def _mohawk() -> Iterator[Ball]:
    (x, y, z), (rx, ry, rz) = SKULL
    yield Ball((x, y - 3.4, z + 1.0), (rx - 0.1, ry, rz - 0.1), HEAD, 1)
    for k in range(10):
        angle = math.radians(-42 + 20 * k)
        back, up = -round(math.sin(angle), 6), round(math.cos(angle), 6)
        points = (
            (0.0, back * 7.6 - 0.3, up * 7.6 + 1.2),
            (0.0, back * 11.0 - 0.5, up * 11.2 + 1.6),
            (0.0, back * 13.6 - 1.2, up * 14.6 + 1.4),
        )
        yield from limb(points, (3.2, 2.6, 0.7), EXTRA, 0, (0.18, -0.08)[k % 2])


HAIR = {
    "spiky": Look(("3c2408 94600c d09418 f4c840 fff09c",), head=_spiky),
    "long": Look(("1c0c14 4a2028 743838 a45c4c d09078",), head=_long),
    "bob": Look(("0c2040 184c8c 2c7cc8 5cb0ec a8e0fc",), head=_bob),
    "curls": Look(("28060c 70141c b02c24 e05834 f89c64",), head=_curls),
    "tail": Look(("242438 6c7088 a4a8b8 d4d8e0 fcfcfc", "3c0c20 861c3c bc3450 e4646c f8a49c"), head=_tail),
    "mohawk": Look(("1c0830 5c1c84 9838bc d068e0 f4acf8", "1c1024 2c1838 40244c 583464 74487c"), head=_mohawk),
}


def _boots(j: Joints) -> Iterator[Ball]:
    yield from feet(j, 0, 0.6)
    for part, knee, ankle in zip(_LEGS, j.knees, j.ankles, strict=True):
        yield from limb((_between(knee, ankle, 0.5), ankle), (2.9, 2.5), part, 0)
        yield from limb((_between(knee, ankle, 0.42), _between(knee, ankle, 0.52)), (3.4, 3.4), part, 1)


SHOES = {"boots": Look(("26140c 54301a 84502a b07c46 d8ac74", "3c2c18 8c7448 bca470 e0d0a0 f8f0d0"), _boots)}

LAYERS = {"body": BODIES, "bottomwear": BOTTOMWEAR, "topwear": TOPWEAR, "hair": HAIR, "shoes": SHOES}
"""Every sheet of every layer, the lowest first."""
