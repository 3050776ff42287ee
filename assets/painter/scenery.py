"""What the pictures in assets/ show: kinds of ground, and things that stand on it, placed by their foot (x, y)."""

import numpy as np

from assets.painter.canvas import Canvas, Ints, Mask, cells, chance, grid, noise, oval, scatter

_LEAVES = "....55..... ..445544... .445544554. 44554444544 34443334443 .3332.23333 ..22...222."
_FLOWER = "...77... ..7667.. .7665667 .7655667 ..76667. ...67..."
_BLADES = ("5..5 455. .45.", "3.33 .33.", "33.3 .334 3.3.", "55.. .454")


def lawn(c: Canvas, ramp: str, seed: int) -> None:
    """Grass all over, in drifts of two tones."""
    everywhere = np.ones_like(noise(seed, 50, 70), bool)
    c.put(ramp, 4 - (noise(seed, 50, 70) * 2 + noise(seed + 1, 18, 28) < 262), everywhere)
    for x, y, key in scatter(seed + 3, 11, everywhere, again=True):
        c.drawing(x, y, _BLADES[key % 4], ramp)
    for x, y, key in scatter(seed + 2, 22, everywhere, again=True):
        c.tuft(x, y + 4, 11 + key % 3 * 3, ramp, 4 - (key >> 8) % 2, key)


def flowers(c: Canvas, ramp: str, grass: str, seed: int, where: Mask, share: int) -> None:
    """Blossoms on short stalks on `share` sixteenths of a ground."""
    for x, y, key in scatter(seed, 11, where, again=True):
        if key % 16 < share:
            c.tuft(x, y + 10, 11, grass, 2, key)
            c.drawing(x, y, _FLOWER, ramp)


def dunes(c: Canvas, ramp: str, seed: int, where: Mask, tone: int) -> None:
    """Sand or snow: broad drifts, and short ripples with a lit crest and a shaded foot."""
    drift = noise(seed, 50, 90) + noise(seed + 1, 16, 30) // 4
    c.put(ramp, tone + (drift > 200) - (drift < 120), where)
    for x, y, key in scatter(seed + 4, 11, where, again=True):
        if key >> 8 & 1:
            half = 6 + key % 4 * 4
            v, u = np.ogrid[-6:9, -half : half + 1]
            crest = v - (key % 3 - 1) * (u * u * 5 // (half * half) - 2) - u * (key >> 4 & 1) // 8
            thick = 1 + (half - abs(u)) * 2 // half
            c.put("", -1, (crest >= 0) & (crest < thick + 1), x - half, y - 6)
            c.put("", 1, (crest < 0) & (crest > -thick), x - half, y - 6)


def path(c: Canvas, grass: str, seed: int, away: Ints) -> None:
    """Trodden ground where `away` is negative: pebbles, a dark upper rim, and grass that hangs over its edge."""
    inside = away < 0
    drift = noise(seed, 21, 45) + noise(seed + 1, 11, 17) // 2
    c.put("earth", 4 + (drift > 210) - (drift < 130), inside)
    c.put("earth", 3, inside & (away > -5))
    c.put("earth", 2, inside & np.roll(~inside, 4, 0))
    for x, y, key in scatter(seed + 2, 22, away < -9, again=True):
        width = 5 + key % 8
        c.dome(x + 1, y + 2, width * 2 // 3, width, "earth", 2)
        c.dome(x, y, width * 2 // 3, width, "earth", 5 + key % 2, 1)
    for x, y, key in scatter(seed + 3, 11, abs(away - 1) < 5, again=True):
        c.tuft(x, y + 4, 9 + key % 6, grass, 3, key, 7)


def water(c: Canvas, ramp: str, seed: int, depth: Ints, foam: bool) -> None:
    """Water where `depth`, the distance from the shore, is positive: deeper tones further out, a net of light, foam or a dark rim."""
    wet, glint = depth > 0, noise(seed + 2, 17, 40)
    c.put(ramp, np.maximum(5 - (depth + noise(seed, 20, 50) // 8) // 34, 2), wet)
    _, edge, _ = cells(seed + 1, 22, 48)
    c.put("", 1, wet & (edge < 1 + glint // 36))
    c.put("", 1, wet & (edge < 3) & (glint > 150))
    if foam:
        swash = depth + noise(seed + 3, 14, 26) // 24
        c.put(ramp, 7, wet & (swash < 12))
        c.put(ramp, 6, wet & (swash >= 20) & (swash < 24))
    else:
        c.put(ramp, 1, wet & (depth < 4))
        c.put(ramp, 6, wet & (depth >= 7) & (depth < 10) & (glint > 120))


def cliff(c: Canvas, ramp: str, seed: int, top: Ints, height: int, stone: tuple[int, int]) -> None:
    """A face of rock below a line, (1, WIDTH) rows, with a lit lip and a shadow at its foot. Its stones are of size `stone`."""
    y, _ = grid()
    down = y - top
    for reach in (16 + top % 5, 7 + top % 3):
        c.put("", -1, (down >= height) & (down < height + reach))
    c.stones((down >= 0) & (down < height), ramp, 4 - (down * 3 + height) // (2 * height), *stone, seed, 5, 20)
    for first, last, tone in ((4, 8, 5), (0, 4, 6), (height - 4, height, 1)):
        c.put(ramp, tone, (down >= first) & (down < last))


# Things that grow.


def crown(c: Canvas, x: int, y: int, height: int, width: int, ramp: str, tone: int = 4) -> None:
    """A mass of leaves around (x, y): clusters on lobes, the lower ones in front."""
    lobes = ((0, -5, 8), (-7, -3, 7), (7, -2, 7), (-9, 3, 6), (9, 4, 6), (-1, 1, 8), (-5, 7, 6), (4, 7, 6))
    for number, (dx, dy, size) in enumerate(lobes):
        h = int(chance(x, number))
        ry, rx = height * size // 32, width * size // 32
        cx, cy = x + dx * width // 32 + h % 7 - 3, y + dy * height // 28 + (h >> 8) % 7 - 3
        c.dome(cx + 1, cy + 5, 2 * ry + 8, 2 * rx + 8, ramp, tone - 3, 1)
        for u, v, _ in scatter(h, 11, oval(2 * ry + 8, 2 * rx + 4)[2]):
            lit = (18 * rx * ry - (u - 2) * ry * 5 - (v - 4) * rx * 7) // (4 * rx * ry) - (dx + dy > 6) + (dx + dy < -4)
            c.drawing(cx + u - rx, cy + v - ry, _LEAVES, ramp, tone - 1 + min(max(lit, -1), 2))


def trunk(c: Canvas, x: int, y: int, height: int, width: int) -> None:
    """A trunk that spreads into roots at its foot."""
    v, u = np.mgrid[:height, -2 * width : 2 * width + 1]
    up = height - v
    half = width // 2 + width * 20 // (up * 8 + 40) + chance(5, u // 7) % 3 * (up < 8)
    strip = (u + up // 9) // 4
    grain = chance(strip, (up + chance(strip) % 31) // 31) % 3 - 1
    c.put("bark", 3 - 3 * u // (half + 1) // 2 + grain - (abs(u) >= half - 1), abs(u) <= half, x - 2 * width, y - height)


def tree(c: Canvas, x: int, y: int, height: int, ramp: str, tone: int = 4) -> None:
    """A broad-leaved tree."""
    c.shadow(x, y, height * 4 // 5)
    trunk(c, x, y, height // 2, height // 8)
    crown(c, x, y - height * 5 // 8, height * 3 // 4, height * 7 // 8, ramp, tone)


def pine(c: Canvas, x: int, y: int, height: int, snow: str = "") -> None:
    """A fir of drooping tiers, the upper ones in front; snow lies on their upper left."""
    c.shadow(x, y, height // 2)
    trunk(c, x, y, height // 4, height // 12)
    v, u = np.mgrid[: height // 4, -height // 3 : height // 3 + 1]
    for tier in range(5):
        left, top, half = x - height // 3, y - height * (34 + tier * 17) // 100, height * (27 - 4 * tier) // 100
        tooth = abs((u + chance(65, tier) % 12) % 12 - 6)
        side = np.minimum(3 + half * v * (height // 4 + v) * 8 // (height * height), half - 8)
        low = height // 4 - tooth * 5 // 3 - u * u * height // (half * half * 9)
        mask = (abs(u) < side) & (v < low)
        needles = chance(65, u * 14 // (v + 12), tier) % 3 - 1
        c.put("pine", 3 - (u * 3 + half) // (half + 1) + needles - (v > low - 5) * 2 - (v < height // 10), mask, left, top)
        if snow:
            lies = mask & (v < low - 10 - tooth + u // 6) & (needles < 1)
            c.put(snow, 6 - (u > half // 5) - (v > low - 16 - tooth), lies, left, top)


def palm(c: Canvas, x: int, y: int, height: int) -> None:
    """A palm that leans to the right."""
    c.shadow(x, y, height // 2)
    for up in range(height):
        half = 6 + 5 * (height - up) // height - up % 13 // 9
        u = np.arange(-half, half + 1)[None]
        c.put("bark", 4 - 2 * u // half - 2 * (up % 13 > 10), u <= half, x + up * up // (5 * height) - half, y - up)
    for dx, dy in ((-7, -3), (7, -3), (-4, -6), (4, -6), (-8, 1), (8, 1), (-5, 5), (5, 5), (0, 7)):
        for k in range(17):
            px, py = x + height // 5 + dx * k * height // 220, y - height + (dy * k * 2 + k * k * 3 // 4) * height // 440
            c.fringe(px, py - 3, 10 + 18 * k * (17 - k) // 72, "leaf", 4 - (dx > 0) - (k > 11) + (dy < 0) + k % 2)


def cactus(c: Canvas, x: int, y: int, height: int) -> None:
    """A candelabra cactus."""
    c.shadow(x, y, height // 3)
    for arm, foot, tall in ((-3, 4, 5), (3, 5, 4), (0, 0, 10)):
        dx, low, length, half = arm * height // 13, y - foot * height // 10, tall * height // 10, height // 13 + 3 * (arm == 0)
        v, u = np.mgrid[:length, -half : half + 1]
        rib = (u + half) % 8
        if arm:
            c.dome(x + dx // 2, low - 4, half * 3 // 2 + 4, abs(dx) + half * 2, "leaf", 3, 2)
        tones = 4 - 2 * u // half + (rib == 3) - (rib > 5) * 2 - (v > length - 6) + (chance(v // 6, u // 8) % 5 == 0) * (rib == 4)
        c.put("leaf", tones, v >= u * u // (half + 1), x + dx - half, low - length)


def mushroom(c: Canvas, x: int, y: int, size: int) -> None:
    """A toadstool with pale spots."""
    c.shadow(x, y, size)
    c.dome(x, y - size // 3, size, size // 3, "snow", 4, 2)
    c.dome(x, y - size * 3 // 4, size * 3 // 4, size, "rust", 4, 2)
    for dx, dy in ((-4, 12), (3, 14), (0, 9), (6, 9), (-7, 8)):
        c.dome(x + dx * size // 20, y - dy * size // 14, 4, 5, "snow", 6)


def pumpkin(c: Canvas, x: int, y: int, size: int) -> None:
    """A ribbed pumpkin."""
    c.shadow(x, y - 4, size)
    for dx in (-10, 10, -6, 6, 0):
        c.dome(x + dx * size // 32, y - size * 3 // 8, size * 3 // 4, size * 5 // 9, "gold", 4 - dx // 7, 2)
    c.board(x - 3, y - size + 2, size // 4, 7, "leaf")


# Things of stone.


def rock(c: Canvas, x: int, y: int, height: int, width: int, ramp: str, tone: int = 4) -> None:
    """A boulder: the solid inside some planes, each with its own light."""
    c.shadow(x, y - height // 6, width)
    v, u = np.mgrid[: height + 1, : width + 1]
    v, u = v * 128 // height - 64, u * 128 // width - 64
    top, light = np.full(v.shape, 30), np.full(v.shape, 1)
    for ax, ay, lit in ((3, 0, -1), (2, 2, -2), (0, 2, -1), (-2, 2, 0), (-3, 0, 1), (-2, -2, 2), (0, -3, 2), (2, -2, 0)):
        plane = 56 + chance(x, ax, ay) % 16 - (ax * u + ay * v) // 3
        top, light = np.minimum(top, plane), np.where(plane < top, lit, light)
    pits = noise(x, 7, 9)[: height + 1, : width + 1] > 196
    c.put(ramp, tone + light - pits - (top < 4), top > 0, x - width // 2, y - height)


def column(c: Canvas, x: int, y: int, height: int, width: int) -> None:
    """A fluted column on a square foot."""
    c.shadow(x, y - 8, width * 3 // 2)
    v, u = np.mgrid[:height, -width // 2 : width // 2 + 1]
    flute = (u + width) % 10
    tones = 4 - 4 * u // width + (flute < 2) - (flute > 7) - (v % 50 < 3) * 2 - (chance(x, v // 5, u // 6) % 7 == 0)
    c.put("stone", tones, abs(u) <= width // 2, x - width // 2, y - height)
    for at in (y - 22, y - height):
        c.board(x - width * 5 // 8, at, 22, width * 5 // 4, "stone", 5)


def fountain(c: Canvas, x: int, y: int, width: int) -> None:
    """A round fountain."""
    c.shadow(x, y, width)
    y -= width // 4
    for up in range(0, 24, 2):
        c.dome(x, y - up, width // 2, width, "stone", 3 - (up < 5), 2)
    c.dome(x, y - 26, width // 2, width, "stone", 6, 1)
    c.dome(x, y - 24, width * 5 // 13, width * 5 // 6, "stone", 2, -1)
    for ring in (9, 7, 5, 3):
        c.dome(x, y - 20, width * ring // 26, width * ring // 12, "water", 4 + ring // 2 % 2, 1)
    column(c, x, y - 8, 56, width // 7)
    c.dome(x, y - 68, width // 7, width // 3, "stone", 4, 2)
    c.dome(x, y - 72, width // 9, width * 3 // 10, "water", 6, 1)
    for lean in (-5, 5, -2, 2):
        for k in range(12):
            c.dome(x + lean * k, y - 84 - k * 6 + k * k * (4 + abs(lean)) // 8, 8, 6, "water", 7 - k % 2, 1)


# Things of wood and straw.


def fence(c: Canvas, x: int, y: int, posts: int, snow: str = "") -> None:
    """Posts 58 pixels apart with two rails."""
    for left in range(x, x + 58 * posts, 58):
        c.shadow(left + 8, y, 26)
        if left < x + 58 * posts - 58:
            c.dome(left + 40, y + 4, 8, 56, "", -1)
            for rail in (44, 24):
                c.board(left, y - rail, 10, 60)
                c.board(left, y - rail - 3, 5, 60, snow or "bark", 6)
        c.board(left, y - 58, 60, 14, tone=5)
        c.board(left, y - 61, 8, 14, snow or "bark", 6)


def crate(c: Canvas, x: int, y: int, size: int) -> None:
    """A box of planks with its lid seen from above."""
    c.shadow(x, y - 4, size)
    left, top = x - size // 2, y - size
    for k in range(4):
        c.board(left, top + k * size // 4, size // 4 + 1, size, tone=3)
    for at in (left, left + size - 9):
        c.board(at, top + 10, size - 10, 9, tone=5)
    c.board(left, top + 8, 9, size, tone=6)
    c.board(left, y - 9, 9, size)
    for k in range(3):
        c.board(left, top - size // 3 + k * size // 7, size // 7 + 1, size, tone=6)


def barrel(c: Canvas, x: int, y: int, height: int, fill: str = "bark") -> None:
    """A barrel; `fill` is what is in it."""
    c.shadow(x, y - 4, height * 2 // 3)
    v, u = np.mgrid[:height, -height // 2 : height // 2 + 1]
    half = height // 3 + v * (height - v) // (height * 3 // 2) - 2
    inside = (abs(u) <= half) & (v < height - u * u * 8 // (half * half + 1))
    hoop = abs(v % (height * 2 // 5) - height // 5 - 3) <= 3
    c.put("bark", 4 - (u * 2 + half) // (half + 1) - (chance(x, u // 7) % 3 == 0) - (u % 7 == 0), inside, x - height // 2, y - height)
    c.put("stone", 4 - u * 2 // half, inside & hoop, x - height // 2, y - height)
    c.dome(x, y - height + 3, height // 3, height * 2 // 3 + 2, "bark", 5, 1)
    c.dome(x, y - height + 3, height // 4, height // 2, fill, 3, -2)


def torch(c: Canvas, x: int, y: int) -> None:
    """A torch on a wall, and its glow."""
    for size in (200, 160, 120, 90):
        dy, dx, glow = oval(size * 3 // 4, size)
        c.put("", 1, glow & ((dx + dy) % 2 < 1), x - size // 2, y - 20 - size * 3 // 8)
    c.board(x - 5, y - 24, 34, 10)
    c.board(x - 9, y - 26, 7, 18, "wheat", 3)
    flame(c, x, y - 26)


def flame(c: Canvas, x: int, y: int) -> None:
    """A fire that stands on (x, y)."""
    for height, width, tone in ((46, 22, 4), (34, 16, 5), (20, 10, 6)):
        v, u = np.mgrid[:height, -width : width + 1]
        half = width * v * (height * 5 // 4 - v) * 2 // (height * height)
        c.put("lava", tone + (u < 0), abs(u + (v - height) // 6 * (v // 9 % 2)) <= half, x - width, y - height)


def campfire(c: Canvas, x: int, y: int) -> None:
    """Logs that burn in a ring of stones, and the light around them."""
    for size in (300, 240, 180, 130):
        dy, dx, glow = oval(size * 3 // 4, size)
        c.put("", 1, glow & ((dx + dy) % 2 < 1), x - size // 2, y - size * 3 // 8)
    for left, foot in ((-34, -8), (-16, -16), (8, -17), (28, -8)):
        rock(c, x + left, y + foot, 16, 22, "slate", 4)
    for left in (-24, -6, 10):
        c.board(x + left, y - 12, 9, 26)
    flame(c, x, y - 6)
    flame(c, x - 10, y - 2)
    for left, foot in ((-38, 6), (-16, 13), (12, 13), (36, 5)):
        rock(c, x + left, y + foot, 16, 24, "slate", 4)


def tent(c: Canvas, x: int, y: int, height: int, cloth: str) -> None:
    """A ridge tent that opens to the front."""
    c.shadow(x, y, height * 5 // 4)
    v, u = np.mgrid[:height, -height * 3 // 4 : height * 3 // 4 + 1]
    half = v * 5 // 8
    seam = (abs(u) * 40 // (v + 20)) % 10 == 0
    weave = chance(71, u // 3, v // 3) % 5 == 0
    c.put(cloth, 5 - (u > 0) - seam - weave, abs(u) <= half, x - height * 3 // 4, y - height)
    c.put("bark", 1 - (v // 4 % 3 == 0) + (abs(u) < 3), (abs(u) <= v * 2 // 9) & (v > height // 5), x - height * 3 // 4, y - height)
    c.put("wheat", 4 - (u > 0), (abs(abs(u) - half) < 3), x - height * 3 // 4, y - height)


def bale(c: Canvas, x: int, y: int, size: int) -> None:
    """A round bale of straw, one flat end to the front."""
    c.shadow(x + size // 3, y - 6, size * 3 // 2)
    v, u = np.mgrid[:size, : size * 2]
    side = (u > size // 2) & (v > (u - size) ** 2 // (size * 9)) & (u < size * 7 // 4 + v % 3)
    c.put("wheat", 4 - v * 4 // size + chance(v // 3, (u + v * 5) // 14) % 3, side, x - size // 2, y - size)
    for ring, width in enumerate(range(size, 4, -8)):
        c.dome(x, y - size // 2, width, width, "wheat", 4 + ring % 2, 1)


def scarecrow(c: Canvas, x: int, y: int) -> None:
    """A scarecrow on a pole."""
    c.shadow(x, y, 50)
    c.board(x - 5, y - 120, 120, 10)
    c.board(x - 50, y - 94, 9, 100)
    for half, height in ((40, 26), (22, 58)):
        c.board(x - half, y - 100, height, 2 * half, "roof")
    for dx in (-44, -30, 26, 38):
        c.fringe(x + dx, y - 80, 22, "wheat", 5)
    for dx in range(-20, 24, 8):
        c.fringe(x + dx, y - 46, 16, "roof", 4)
    for up, height, width, ramp in ((116, 34, 32, "wheat"), (128, 14, 60, "bark"), (138, 26, 30, "bark")):
        c.dome(x, y - up, height, width, ramp, 5, 2)
    for dx in (-6, 6):
        c.dome(x + dx, y - 116, 4, 4, "bark", 1)


def stall(c: Canvas, x: int, y: int, width: int, cloth: str) -> None:
    """A market stall: goods on a counter of planks, below a striped awning."""
    left = x - width // 2
    c.shadow(x, y - 10, width)
    for at in range(left, left + width - 20, 20):
        c.board(at, y - 108, 66, 20, tone=2)
    for k in range(4):
        c.board(left, y - 48 + 12 * k, 12, width, tone=4 - (k == 3))
    c.board(left - 4, y - 78, 32, width + 8, tone=6)
    for k in range(width // 17 * 2 - 2):
        c.dome(left + 14 + k // 2 * 17 + k % 2 * 5, y - 70 + k % 2 * 13, 15, 15, ("roof", "wheat", "leaf")[k // 6 % 3], 4, 2)
    for at in (left, left + width - 10):
        c.board(at, y - 130, 130, 10, tone=5)
    v, u = np.mgrid[:70, : width + 24]
    low = 54 + np.minimum(u % 24, 23 - u % 24).clip(0, 7)
    awning = (v < low) & (v > (12 - u).clip(0) + (u - width - 12).clip(0))
    c.put("", -2, awning, left - 10, y - 150)
    for ramp, parity in ((cloth, 0), ("snow", 1)):
        tones = 5 + (v < 10) - (v > 44) - (u % 24 > 19) - (v > low - 4)
        c.put(ramp, tones, awning & (u // 24 % 2 == parity), left - 12, y - 160)


def house(c: Canvas, left: int, foot: int, width: int) -> None:
    """A timbered house with a door in the middle, up to the edge of its roof and on."""
    y, x = grid()
    top, right = foot - 144, left + width
    wall = (x >= left) & (x < right) & (y >= top) & (y < foot)
    c.put("", -1, (x >= left + 12) & (x < right + 16) & (y >= foot - 8) & (y < foot + 18))
    c.put("lime", 5 - (noise(74, 6, 11) < 90) + (noise(75, 8, 13) > 170), wall)
    c.tiles(wall & (y > foot - 26), "stone", 4, 26, 38, 76, 19)
    for at, height in ((left, 144), (left + 68, 118), (right - 82, 118), (right - 14, 144)):
        c.board(at, top, height, 14)
    for deep in (24, 34):
        c.put("", -1, wall & (y < top + deep))
    roof = (x >= left - 20) & (x < right + 20) & (y < top + 18)
    c.tiles(roof, "roof", 4 + (y < top - 30) - (y > top + 6), 16, 24, 77, 12)
    c.put("roof", 1, roof & (y >= top + 13))
    middle = left + width // 2
    c.board(middle - 36, foot - 116, 116, 72, tone=5)
    for k in range(4):
        c.board(middle - 28 + k * 14, foot - 106, 106, 15, tone=3)
    for at in (foot - 90, foot - 28):
        c.board(middle - 28, at, 7, 37, "stone", 3)
    c.dome(middle + 18, foot - 53, 8, 8, "wheat", 5, 2)
    v, u = np.mgrid[:44, :36]
    for at in (left + 22, right - 58):
        c.board(at - 6, foot - 102, 56, 48)
        c.put("water", 2 + ((u + v) % 46 < 16) - (v < 6), v < 44, at, foot - 96)
        c.board(at + 16, foot - 96, 44, 5, tone=5)
        c.board(at, foot - 76, 5, 36, tone=5)
        c.board(at - 9, foot - 50, 8, 54, tone=6)
