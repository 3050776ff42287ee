"""Paints the backgrounds in assets/: a dozen places of a role-playing game, seen from above at a slant as the characters are.

A canvas holds a ramp and a tone for every pixel. A ramp is eight hand-picked colours from dark to light whose hue turns on the way, so
a shadow is a lower tone of whatever it falls on. Light comes from the upper left. All arithmetic is in integers and all chance is a hash,
so that every machine paints the same pixels. Standing things are placed by their foot, points are (x, y), sizes (height, width).
"""

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

HEIGHT, WIDTH = 363, 459
"""Of a picture: three times what the paper's world needs, so that scaling it is a clean 3:1."""

RAMPS = {
    "dry": "33292f 504133 715b38 8f7841 aa9450 c1ae67 d5c78a e8dfb4",
    "grass": "1b3a3c 23503c 2f683e 417f41 589646 74ab50 98c161 c5d983",
    "moss": "14262f 1b3836 254c39 33603c 467442 5f8a4b 82a35c afc07b",
    "leaf": "122b33 1a413b 24583d 336f3f 498945 69a34e 93bd5f c5d885",
    "pine": "10243a 173646 1f4a4d 2b5f52 3f7759 5b9066 81aa79 b3c99b",
    "gold": "42182f 6a2730 943d2f b9582f d67a38 e99f49 f5c368 fce3a0",
    "rust": "35142f 581e33 7d2b35 a03d38 be553e d5754c e79b65 f4c592",
    "bark": "22172c 382431 503439 6b4841 87614c a17d5d bc9d77 d9c19c",
    "earth": "3b2c36 533d3d 6e5345 896b52 a38562 ba9e77 cfb791 e3d1b0",
    "sand": "6a4b4f 8a6756 a98562 c39f72 d6b686 e4ca9c f0dcb6 f9edd3",
    "stone": "2a2a3a 3f404f 575a66 70747d 8a8f94 a5aaab c0c4bf dddfd3",
    "slate": "17182c 24273f 353b55 49526a 606c7f 7c8894 9da8ab c3cbc5",
    "water": "16305a 1d4675 286090 377cab 4f9bc0 75b9d0 a7d7df e0f3ef",
    "snow": "53629a 6f86b4 90a8cb adc3dc c7d8e9 dce7f2 edf3f8 fdfefe",
    "roof": "3b172c 5b2234 7e313a a04641 bd604c d38060 e4a47c f2ca9f",
    "lime": "5a4b52 786762 978574 b2a188 c9bb9d dbd0b2 eae3cb f7f3e4",
    "wheat": "52352b 76502d 9b6e33 bc8d3f d4aa53 e6c36e f2da95 fbeec3",
    "pink": "481b47 752a5f a54077 cb5f8c e3869f f0adb4 f9d0cb fdebe2",
    "basalt": "15111f 211a29 302634 423440 56454e 6c595d 857272 a39089",
    "lava": "3b0c1e 6b1422 a2241f d0431e ec7324 f8a43c fdd168 fff2b4",
    "gloom": "17112a 231b3c 322850 453766 5b4a7c 756493 9484ac b8abc8",
    "crystal": "102c4e 164b72 1e7097 2d98b8 50bdcf 87dade bff0ea f0fdf8",
}

_LEAVES = "....55..... ..445544... .445544554. 44554444544 34443334443 .3332.23333 ..22...222."
_SHELL = "..566.. .56765. 5465465 .46454. ..343.. ...2..."
_LEAF = "...55.. ..5654. .56544. 456443. .4433.. 3......"
_FLOWER = "...77... ..7667.. .7665667 .7655667 ..76667. ...67... ........"


def _hash(*keys: Ints | int) -> Ints:
    """32 random bits for every combination of keys. No product reaches 2**63."""
    h: Ints = np.zeros((), np.int64)
    for key in keys:
        h = (h + key + 0x9E3779B9) & 0xFFFFFFFF
        h = ((h ^ h >> 16) * 0x21F0AAAD) & 0xFFFFFFFF
        h = ((h ^ h >> 15) * 0x735A2D97) & 0xFFFFFFFF
        h = h ^ h >> 15
    return h


def _grid() -> tuple[Ints, Ints]:
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    return y, x


def _noise(seed: int, height: int, width: int) -> Ints:
    """A smooth field, 0 to 255, with one random value in each cell of a lattice."""
    y, x = _grid()
    (j, v), (i, u) = np.divmod(y, height), np.divmod(x, width)
    v, u = v * v * (3 * height - 2 * v), u * u * (3 * width - 2 * u)
    v_one, u_one = height**3, width**3
    corner = _hash(seed, np.arange(HEIGHT // height + 2)[:, None], np.arange(WIDTH // width + 2)) & 255
    upper = corner[j, i] * (u_one - u) + corner[j, i + 1] * u
    lower = corner[j + 1, i] * (u_one - u) + corner[j + 1, i + 1] * u
    return (upper * (v_one - v) + lower * v) // (u_one * v_one)


def _cells(seed: int, height: int, width: int) -> tuple[Ints, Ints, Ints]:
    """Stones of about that size that fill the picture: a hash of each, and for every pixel the distance from the joint and how far the
    stone's middle lies to the lower right of it, both in 1/64 of the size."""
    y, x = _grid()
    y, x = y + (_noise(seed, 19, 23) - 128) // 24, x + (_noise(seed + 1, 23, 19) - 128) // 24
    j, i = y // height, x // width
    first, second = np.full((2, HEIGHT, WIDTH), 1 << 20)
    key, light = np.zeros((2, HEIGHT, WIDTH), np.int64)
    for row in (-1, 0, 1):
        for column in (-1, 0, 1):
            h = _hash(seed, j + row, i + column)
            dy = ((j + row) * 64 + 12 + (h >> 8) % 40) - y * 64 // height
            dx = ((i + column) * 64 + 12 + (h >> 16) % 40) - x * 64 // width
            far, near = np.maximum(abs(dx), abs(dy)), np.minimum(abs(dx), abs(dy))
            distance = 2 * far + near
            second = np.minimum(second, np.maximum(first, distance))
            closer = distance < first
            key, light, first = np.where(closer, h, key), np.where(closer, dx + dy, light), np.minimum(first, distance)
    return key, (second - first) // 4, light


def _scatter(seed: int, step: int, where: Mask, again: bool = False) -> Iterator[tuple[int, int, int]]:
    """(x, y, hash) of points about `step` apart where a mask is true, from top to bottom.

    With `again` they come again after 154 pixels, and in bands of 66 rows that are shifted against one another, if `step` is 11 or 22: PNG
    stores as a reference what it has seen within 71 rows.
    """
    rows, columns = np.mgrid[: where.shape[0] // step + 1, : where.shape[1] // step + 1]
    h = _hash(seed, rows, columns)
    if again:
        band, row = np.divmod(rows, 66 // step)
        h = _hash(seed, row, (columns + band * 44 // step) % (154 // step))
    xs, ys = columns * step + (h & 255) * step // 256, rows * step + (h >> 8 & 255) * step // 256
    for y, x, key in sorted(zip(ys.flat, xs.flat, (h >> 16).flat, strict=True)):
        if y < where.shape[0] and x < where.shape[1] and where[y, x]:
            yield int(x), int(y), int(key)


def _oval(height: int, width: int) -> tuple[Ints, Ints, Mask]:
    """(dy, dx) from the middle, and the mask of an oval."""
    ry, rx = height // 2, width // 2
    dy, dx = np.ogrid[-ry : ry + 1, -rx : rx + 1]
    return dy, dx, dy * dy * rx * rx + dx * dx * ry * ry <= (rx * ry) * (rx * ry + max(rx, ry))


def _from_line(points: list[tuple[int, int]], wobble: Ints) -> Ints:
    """Distance in pixels of every pixel from a line through points, made uneven by a noise field."""
    y, x = _grid()
    nearest = np.full((HEIGHT, WIDTH), 1 << 30)
    for (x0, y0), (x1, y1) in zip(points, points[1:], strict=False):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        t = np.clip((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0), 0, length)
        square = ((x - x0) - t * (x1 - x0) // length) ** 2 + ((y - y0) - t * (y1 - y0) // length) ** 2
        nearest = np.minimum(nearest, square)
    return np.sqrt(nearest).astype(np.int64) + (wobble - 128) // 10  # a square root is exact on every machine


def _drawn(text: str, flip: int) -> tuple[Ints, Mask]:
    """Tones and mask of a drawing in digits, a word a row; a dot is clear."""
    tones = np.array([[8 if c == "." else int(c) for c in row.ljust(len(text.split()[0]), ".")] for row in text.split()])
    tones = tones[:, :: -1 if flip else 1]
    return tones, tones < 8


class _Canvas:
    """The picture on its way, and the brushes."""

    def __init__(self, ramps: str) -> None:
        self.ramps = ramps.split()
        self.index = np.full((HEIGHT, WIDTH), 4)

    def rgb(self) -> NDArray[np.uint8]:
        colours = bytes.fromhex(" ".join(RAMPS[ramp] for ramp in self.ramps))
        return np.frombuffer(colours, np.uint8).reshape(-1, 3)[self.index]

    def put(self, ramp: str, tone: Ints | int, mask: Mask, x: int = 0, y: int = 0) -> None:
        """Paint where a mask is true, its corner at (x, y). Without a ramp, the tone is added to those that lie there."""
        height, width = mask.shape
        view = self.index[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
        part = np.s_[max(-y, 0) : max(-y, 0) + view.shape[0], max(-x, 0) : max(-x, 0) + view.shape[1]]
        mask, tones = mask[part], np.broadcast_to(tone, (height, width))[part]
        if ramp:
            view[mask] = self.ramps.index(ramp) * 8 + np.clip(tones, 0, 7)[mask]
        else:
            view[mask] = (view & ~7)[mask] + np.clip((view & 7) + tones, 0, 7)[mask]

    def drawing(self, x: int, y: int, text: str, ramp: str, tone: int = 4, flip: int = 0) -> None:
        """A drawing in digits around (x, y); 4 is the tone."""
        tones, mask = _drawn(text, flip)
        self.put(ramp, tones + tone - 4, mask, x - mask.shape[1] // 2, y - mask.shape[0] // 2)

    # Simple bodies.

    def dome(self, x: int, y: int, height: int, width: int, ramp: str, tone: int, light: int = 3) -> None:
        """An oval around (x, y), lit from the upper left; flat without light."""
        ry, rx = height // 2, width // 2
        dy, dx, inside = _oval(height, width)
        self.put(ramp, tone - (light * (dx * ry + dy * rx) * 2 + rx * ry) // (2 * rx * ry), inside, x - rx, y - ry)

    def shadow(self, x: int, y: int, width: int) -> None:
        """What a thing of that width, standing at (x, y), throws to the lower right."""
        self.dome(x + width // 7, y, width // 3, width * 9 // 8, "", -1, 0)
        self.dome(x + width // 9, y - 1, width // 5, width * 5 // 6, "", -1, 0)

    def board(self, x: int, y: int, height: int, width: int, ramp: str, tone: int = 4, seed: int = 0) -> None:
        """A plank with its corner at (x, y): light upper left edges, dark lower right ones, grain along its length."""
        v, u = np.mgrid[:height, :width]
        along, across = (v, u) if height > width else (u, v)
        grain = _hash(seed, x, y, across // 3, (along + across * 7) // 22) % 6
        tones = tone - (grain < 2) + (grain == 5) + ((u < 2) | (v < 2)) - 2 * ((u >= width - 3) | (v >= height - 3))
        self.put(ramp, tones, np.ones((height, width), bool), x, y)

    def tiles(self, where: Mask, ramp: str, tone: Ints | int, height: int, width: int, seed: int, shift: int = 0) -> None:
        """Slabs or bricks with worn corners; every other row starts `shift` further on."""
        y, x = _grid()
        row, v = np.divmod(y, height)
        column, u = np.divmod(x + row % 2 * shift, width)
        h = _hash(seed, row, column)
        joint = (u >= width - 3) | (v >= height - 3)
        worn = np.minimum(u, width - 4 - u) + np.minimum(v, height - 4 - v) < (2 + h % 4) * min(height, width) // 20
        lit = ((u < 3) | (v < 3)).astype(np.int64) - ((u >= width - 6) | (v >= height - 6))
        pits = (_noise(seed + 1, 7, 9) > 186).astype(np.int64)
        self.put(ramp, tone + np.where(joint | worn, -2, lit - pits + (h >> 4) % 5 // 2 - 1), where)

    def stones(self, where: Mask, ramp: str, tone: Ints | int, height: int, width: int, seed: int, joint: int = 6, relief: int = 24) -> None:
        """Stones without order, domed: a smaller `relief` is a stronger one."""
        key, edge, light = _cells(seed, height, width)
        tones = np.clip(tone + (light + relief // 2) // relief + key % 3 - 1, tone - 1, tone + 2) - (_noise(seed + 2, 7, 9) > 200)
        self.put(ramp, np.where(edge < joint, tone - 2, tones), where)

    # Things that grow.

    def tuft(self, x: int, y: int, height: int, ramp: str, tone: int, key: int, spread: int = 5) -> None:
        """Blades of grass from a foot, one of eight: dark below, light at the tips."""
        v, u = np.ogrid[: height + 1, -height : height + 1]
        up = height - v
        for blade in (0, 4, 1, 3, 2):
            h = _hash(key % 8, blade)
            tall = height - int(h % 4) * height // 8 - abs(blade - 2) * height // 8
            lean = (blade - 2) * spread * height // 20 + int(h >> 8) % 3 - 1
            middle = (blade - 2) * 3 * (up + 4) // (height + 4) + lean * up * up // (height * height)
            mask = (abs(2 * (u - middle) + 1) <= 3 - 2 * up // tall) & (up <= tall)
            self.put(ramp, tone - 1 + 3 * up // tall - (blade > 2), mask, x - height, y - height)

    def lawn(self, ramp: str, seed: int, where: Mask, tone: int = 4) -> None:
        """Grass in drifts of two tones, with tufts all over."""
        drift = _noise(seed, 50, 70) * 2 + _noise(seed + 1, 18, 28)
        self.put(ramp, tone - (drift < 262), where)
        for x, y, key in _scatter(seed + 3, 11, where, True):
            self.drawing(x, y, ("5..5 455. .45.", "3.33 .33.", "33.3 .334 3.3.", "55.. .454")[key % 4], ramp, tone, key >> 2 & 1)
        for x, y, key in _scatter(seed + 2, 22, where, True):
            self.tuft(x, y + 4, 11 + key % 3 * 3, ramp, tone - (key >> 8) % 2, key)

    def flowers(self, ramp: str, seed: int, where: Mask, share: int = 4) -> None:
        """Blossoms on short stalks; `share` eighths of the ground are left to them."""
        for x, y, key in _scatter(seed, 11, where, True):
            if key % 16 < share:
                self.tuft(x, y + 10, 11, self.ramps[0], 2, key)
                self.drawing(x, y, _FLOWER, ramp, 4, key >> 8 & 1)

    def crown(self, x: int, y: int, height: int, width: int, ramp: str, seed: int, tone: int = 4) -> None:
        """A mass of leaves around (x, y): clusters on lobes, the lower ones in front."""
        lobes = ((0, -5, 8), (-7, -3, 7), (7, -2, 7), (-9, 3, 6), (9, 4, 6), (-1, 1, 8), (-5, 7, 6), (4, 7, 6))
        for number, (dx, dy, size) in enumerate(lobes):
            h = int(_hash(seed, number))
            ry, rx = height * size // 32, width * size // 32
            cx, cy = x + dx * width // 32 + h % 7 - 3, y + dy * height // 28 + (h >> 8) % 7 - 3
            self.dome(cx + 1, cy + 5, 2 * ry + 8, 2 * rx + 8, ramp, tone - 3, 1)
            for px, py, _ in _scatter(h, 11, _oval(2 * ry + 8, 2 * rx + 4)[2]):
                lit = (6 * rx * ry - (px - rx - 2) * ry * 5 - (py - ry - 4) * rx * 7) // (4 * rx * ry) - (dx + dy > 6) + (dx + dy < -4)
                self.drawing(cx + px - rx, cy + py - ry, _LEAVES, ramp, tone - 1 + min(max(lit, -1), 2))

    def trunk(self, x: int, y: int, height: int, width: int, ramp: str = "bark") -> None:
        """A trunk that spreads into roots at its foot."""
        v, u = np.mgrid[:height, -2 * width : 2 * width + 1]
        up = height - v
        half = width // 2 + width * 40 // (up * 8 + 40) // 2 + (_hash(5, u // 7) % 3) * (up < 8)
        strip = (u + up // 9) // 4
        grain = _hash(strip, (up + _hash(strip) % 31) // 31) % 3 - 1
        self.put(ramp, 3 - 3 * u // (half + 1) // 2 + grain - (abs(u) >= half - 1), abs(u) <= half, x - 2 * width, y - height)

    def tree(self, x: int, y: int, height: int, ramp: str, seed: int, tone: int = 4) -> None:
        """A broad-leaved tree with its foot at (x, y)."""
        self.shadow(x, y, height * 4 // 5)
        self.trunk(x, y, height // 2, height // 8)
        self.crown(x, y - height * 5 // 8, height * 3 // 4, height * 7 // 8, ramp, seed, tone)

    def pine(self, x: int, y: int, height: int, ramp: str, seed: int, snow: str = "") -> None:
        """A fir of drooping tiers, the upper ones in front; snow lies on their upper left."""
        self.shadow(x, y, height // 2)
        self.trunk(x, y, height // 4, height // 12)
        v, u = np.mgrid[: height // 4, -height // 3 : height // 3 + 1]
        for tier in range(5):
            foot, half = y - height // 11 - tier * height * 17 // 100, height * (27 - 4 * tier) // 100
            tooth = abs((u + _hash(seed, tier) % 12) % 12 - 6)
            side = np.minimum(3 + half * v * (height // 4 + v) * 8 // (height * height), half - 5)
            low = height // 4 - tooth * 5 // 3 - u * u * height // (half * half * 9)
            mask = (abs(u) < side) & (v < low)
            needles = _hash(seed, u * 14 // (v + 12), tier) % 3 - 1
            tones = 3 - (u * 3 + half) // (half + 1) + needles - (v > low - 5) * 2 - (v < height // 10)
            self.put(ramp, tones, mask, x - height // 3, foot - height // 4)
            if snow:
                lies = mask & (v < low - 10 - tooth + u // 6) & (needles < 1)
                self.put(snow, 6 - (u > half // 5) - (v > low - 16 - tooth), lies, x - height // 3, foot - height // 4)

    def tuft_down(self, x: int, y: int, length: int, ramp: str, tone: int, snow: str) -> None:
        """A hanging twig of needles from (x, y)."""
        v, u = np.ogrid[:length, -5:6]
        mask = abs(u) * length <= (length - v) * 6
        self.put(ramp, tone + 1 - 2 * v // length - (v > length - 4), mask, x - 5, y)
        if snow:
            self.put(snow, 5 - 3 * v // length - (u > 2), mask & (2 * v < length + u * 3), x - 5, y)

    def palm(self, x: int, y: int, height: int, ramp: str) -> None:
        """A leaning palm."""
        self.shadow(x, y, height // 2)
        for up in range(height):
            px = x + up * up // (5 * height)
            half = 6 + 5 * (height - up) // height - up % 13 // 9
            u = np.arange(-half, half + 1)[None]
            self.put("bark", 4 - 2 * u // half - 2 * (up % 13 > 10), u < half + 1, px - half, y - up)
        top, left = y - height, x + height // 5
        for number, (dx, dy) in enumerate(((-7, -3), (7, -3), (-4, -6), (4, -6), (-8, 1), (8, 1), (-5, 5), (5, 5), (0, 7))):
            for k in range(0, 17):
                px, py = left + dx * k * height // 220, top + (dy * k * 2 + k * k * 3 // 4) * height // 440 
                lit = 4 - (dx > 0) - (k > 11) + (dy < 0)
                self.tuft_down(px, py - 3, 10 + 18 * k * (17 - k) // 72, ramp, lit + k % 2, "")

    # Things of stone and wood.

    def rock(self, x: int, y: int, height: int, width: int, ramp: str, seed: int, tone: int = 4) -> None:
        """A boulder: the solid inside some planes, each with its own light."""
        self.shadow(x, y - height // 6, width)
        v, u = np.mgrid[: height + 1, : width + 1]
        py, px = v * 128 // height - 64, u * 128 // width - 64
        tops, tones = np.full(v.shape, 30), np.full(v.shape, 1)
        planes = ((3, 0, -1), (2, 2, -2), (0, 2, -1), (-2, 2, 0), (-3, 0, 1), (-2, -2, 2), (0, -3, 2), (2, -2, 0))
        for number, (ax, ay, light) in enumerate(planes):
            z = 56 + _hash(seed, number) % 16 - (ax * px + ay * py) // 3
            tops, tones = np.minimum(tops, z), np.where(z < tops, light, tones)
        pits = _noise(seed, 7, 9)[: height + 1, : width + 1] > 196
        self.put(ramp, tone + tones - pits - (tops < 4), tops > 0, x - width // 2, y - height)

    def crystal(self, x: int, y: int, height: int, width: int, lean: int, ramp: str, tone: int = 4, blunt: int = 1) -> None:
        """A six-sided crystal that leans, of which three faces are seen; with a greater `blunt` its tip is longer."""
        v, u = np.mgrid[: height + 1, -height : height + 1]
        up = height - v
        u = u - up * lean // 16
        half = np.minimum(width // 2, v // blunt + 1)
        tones = tone + np.where(u < -half // 3, 1, np.where(u < half // 2, 2, -1)) - (up < height // 4) - (up < height // 9)
        self.put(ramp, np.where(abs(u) >= half - 1, tone - 1 - (u > 0), tones), abs(u) <= half, x - height, y - height)

    def fence(self, x: int, y: int, count: int, ramp: str = "bark", snow: str = "") -> None:
        """Posts 58 pixels apart with two rails."""
        for number in range(count):
            left = x + 58 * number
            self.shadow(left + 8, y, 26)
            if number + 1 < count:
                self.dome(left + 40, y + 4, 8, 56, "", -1, 0)
                for rail in (44, 24):
                    self.board(left, y - rail, 10, 60, ramp, 4, rail)
                    if snow:
                        self.board(left, y - rail - 3, 5, 60, snow, 6)
            self.board(left, y - 58, 60, 14, ramp, 5, number)
            self.board(left, y - 61, 8, 14, snow or ramp, 6)

    def crate(self, x: int, y: int, size: int, seed: int) -> None:
        """A box of planks with its lid seen from above."""
        self.shadow(x, y - 4, size)
        left, top = x - size // 2, y - size
        for k in range(4):
            self.board(left, top + k * size // 4, size // 4 + 1, size, "bark", 3 + (k < 1), seed + k)
        for at in (left, left + size - 9):
            self.board(at, top + 10, size - 10, 9, "bark", 5, seed)
        self.board(left, top + 8, 9, size, "bark", 6, seed)
        self.board(left, y - 9, 9, size, "bark", 4, seed)
        for k in range(3):
            self.board(left, top - size // 3 + k * size // 7, size // 7 + 1, size, "bark", 6, seed + k)

    def barrel(self, x: int, y: int, height: int, seed: int, fill: str = "bark") -> None:
        """A barrel; `fill` is what is in it."""
        self.shadow(x, y - 4, height * 2 // 3)
        v, u = np.mgrid[:height, -height // 2 : height // 2 + 1]
        half = height // 3 + v * (height - v) // (height * 3 // 2) - 2
        round_foot = u * u * 8 // (half * half + 1)
        inside = (abs(u) <= half) & (v < height - round_foot)
        hoop = (v % (height * 2 // 5) >= height // 5) & (v % (height * 2 // 5) < height // 5 + 6)
        tones = 4 - (u * 2 + half) * 2 // (half + 1) // 2 - (_hash(seed, u // 7) % 3 == 0) - (u % 7 == 0)
        self.put("bark", tones, inside, x - height // 2, y - height)
        self.put("stone", 4 - u * 2 // half, inside & hoop, x - height // 2, y - height)
        self.dome(x, y - height + 3, height // 3, height * 2 // 3 + 2, "bark", 5, 1)
        self.dome(x, y - height + 3, height // 4, height // 2, fill, 3, -2)

    def window(self, x: int, y: int, height: int, width: int, frame: str = "bark") -> None:
        """A window with its corner at (x, y)."""
        self.board(x - 6, y - 6, height + 12, width + 12, frame, 4)
        v, u = np.mgrid[:height, :width]
        self.put("water", 2 + ((u + v) % 46 < 16) - (v < 6), np.ones((height, width), bool), x, y)
        self.board(x + width // 2 - 2, y, height, 5, frame, 5)
        self.board(x, y + height // 2 - 2, 5, width, frame, 5)
        self.board(x - 9, y + height + 2, 8, width + 18, frame, 6)

    def door(self, x: int, y: int, height: int, width: int) -> None:
        """A door of planks, its foot at (x, y)."""
        left, top = x - width // 2, y - height
        self.board(left - 8, top - 10, height + 10, width + 16, "bark", 5)
        for k in range(4):
            self.board(left + k * width // 4, top, height, width // 4 + 1, "bark", 3, k)
        for at in (top + 16, y - 28):
            self.board(left, at, 7, width * 2 // 3, "stone", 3)
        self.dome(x + width // 3, y - height // 2, 8, 8, "wheat", 5, 2)

    def dunes(self, ramp: str, seed: int, where: Mask, tone: int = 4) -> None:
        """Sand or snow: broad drifts, and short ripples with a lit crest and a shaded foot."""
        drift = _noise(seed, 50, 90) + _noise(seed + 1, 12, 26) // 4
        self.put(ramp, tone + (drift > 200) - (drift < 120), where)
        for x, y, key in _scatter(seed + 4, 11, where, True):
            if key >> 8 & 1:
                continue
            half = 6 + key % 4 * 4
            v, u = np.ogrid[-6:9, -half : half + 1]
            crest = v - (key % 3 - 1) * (u * u * 5 // (half * half) - 2) - u * (key >> 4 & 1) // 8
            thick = 1 + (half - abs(u)) * 2 // half
            self.put("", -1, (crest >= 0) & (crest < thick + 1), x - half, y - 6)
            self.put("", 1, (crest < 0) & (crest > -thick), x - half, y - 6)

    def mushroom(self, x: int, y: int, size: int, ramp: str) -> None:
        """A toadstool with pale spots."""
        self.shadow(x, y, size)
        self.dome(x, y - size // 3, size, size // 3, "snow", 4, 2)
        self.dome(x, y - size * 3 // 4, size * 3 // 4, size, ramp, 4, 2)
        for dx, dy in ((-4, -12), (3, -14), (0, -9), (6, -9), (-7, -8)):
            self.dome(x + dx * size // 20, y + dy * size // 14, 4, 5, "snow", 6, 0)

    def cactus(self, x: int, y: int, height: int, ramp: str) -> None:
        """A candelabra cactus."""
        self.shadow(x, y, height // 3)
        for dx, foot, tall in ((-3, 4, 5), (3, 5, 4), (0, 0, 10)):
            left, low, long, half = x + dx * height // 13, y - foot * height // 10, tall * height // 10, height // 13 + (dx == 0) * 3
            v, u = np.mgrid[:long, -half : half + 1]
            round_top = u * u // (half + 1)
            rib = (u + half) % 8
            tones = 4 - 2 * u // half + (rib == 3) - (rib > 5) * 2 + (_hash(x, v // 6, u // 8) % 5 == 0) * (rib == 4)
            if dx:
                self.dome((x + left) // 2, low - 4, half * 3 // 2 + 4, abs(left - x) + half * 2, ramp, 3, 2)
            self.put(ramp, tones - (v > long - 6), v >= round_top, left - half, low - long)

    def pumpkin(self, x: int, y: int, size: int) -> None:
        """A ribbed pumpkin."""
        self.shadow(x, y - 4, size)
        for dx, wide in ((-10, 12), (10, 12), (-6, 14), (6, 14), (0, 14)):
            self.dome(x + dx * size // 32, y - size * 3 // 8, size * 3 // 4, wide * size // 24, "gold", 4 - dx // 7, 2)
        self.board(x - 3, y - size + 2, size // 4, 7, "leaf", 4)

    def column(self, x: int, y: int, height: int, width: int, ramp: str) -> None:
        """A round column on a square foot."""
        self.shadow(x, y - 8, width * 3 // 2)
        v, u = np.mgrid[:height, -width // 2 : width // 2 + 1]
        flute = (u + width) % 10
        tones = 4 - 4 * u // width + (flute < 2) - (flute > 7) - (v % 50 < 3) * 2 - (_hash(x, v // 5, u // 6) % 7 == 0)
        self.put(ramp, tones, abs(u) <= width // 2, x - width // 2, y - height)
        for at in (y - 22, y - height):
            self.board(x - width * 5 // 8, at, 22, width * 5 // 4, ramp, 5, at)

    def torch(self, x: int, y: int) -> None:
        """A torch on a wall, and its glow."""
        for size in (200, 160, 120, 90):
            dy, dx, glow = _oval(size * 3 // 4, size)
            self.put("", 1, glow & ((dx + dy) % 2 < 1), x - size // 2, y - 20 - size * 3 // 8)
        self.board(x - 5, y - 24, 34, 10, "bark", 4)
        self.board(x - 9, y - 26, 7, 18, "wheat", 3)
        for number, (height, width) in enumerate(((46, 22), (34, 16), (20, 10))):
            v, u = np.mgrid[:height, -width : width + 1]
            half = width * v * (height * 5 // 4 - v) * 2 // (height * height)
            self.put("lava", 4 + number + (u < 0), abs(u + (v - height) // 6 * (v // 9 % 2)) <= half, x - width, y - 26 - height)

    def bale(self, x: int, y: int, size: int) -> None:
        """A round bale of straw, its flat end to the front."""
        self.shadow(x + size // 3, y - 6, size * 3 // 2)
        v, u = np.mgrid[:size, : size * 2]
        straw = _hash(size, v // 3, (u + v * 5) // 14) % 3
        self.put("wheat", 5 - v * 4 // size + straw - 1, (u > size // 2) & (v > (u - size) ** 2 // (size * 9)) & (u < size * 7 // 4 + v % 3), x - size // 2, y - size)
        for ring, radius in enumerate(range(size, 4, -8)):
            self.dome(x, y - size // 2, radius, radius, "wheat", 4 + ring % 2, 1)

    def scarecrow(self, x: int, y: int) -> None:
        """A scarecrow on a pole."""
        self.shadow(x, y, 50)
        self.board(x - 5, y - 120, 120, 10, "bark", 4)
        self.board(x - 50, y - 94, 9, 100, "bark", 4)
        for left, top, height, width in ((-40, -100, 26, 80), (-22, -98, 56, 44)):
            self.board(x + left, y + top, height, width, "roof", 4, width)
        for at in (-44, -30, 26, 38):
            self.tuft_down(x + at, y - 80, 22, "wheat", 5, "")
        for at in range(-20, 24, 8):
            self.tuft_down(x + at, y - 46, 16, "roof", 4, "")
        self.dome(x, y - 116, 34, 32, "wheat", 5, 1)
        self.dome(x, y - 128, 14, 60, "bark", 5, 1)
        self.dome(x, y - 138, 26, 30, "bark", 5, 2)
        for at in (-6, 6):
            self.dome(x + at, y - 116, 4, 4, "bark", 1, 0)

    def stall(self, x: int, y: int, width: int, ramp: str, seed: int) -> None:
        """A market stall: goods on a counter of planks, below a striped awning."""
        left = x - width // 2
        self.shadow(x, y - 10, width)
        for k in range(left, left + width - 20, 20):
            self.board(k, y - 108, 66, 20, "bark", 2, k)
        for k in range(4):
            self.board(left, y - 48 + 12 * k, 12, width, "bark", 4 - (k == 3), k + seed)
        self.board(left - 4, y - 78, 32, width + 8, "bark", 6, seed)
        for k in range(width // 17 * 2 - 2):
            goods = ("roof", "wheat", "leaf")[k // 6 % 3]
            self.dome(left + 14 + k // 2 * 17 + k % 2 * 5, y - 70 + k % 2 * 13, 15, 15, goods, 4, 2)
        for at in (left, left + width - 10):
            self.board(at, y - 130, 130, 10, "bark", 5, at)
        v, u = np.mgrid[:70, : width + 24]
        stripe = u % 24
        low = 54 + np.minimum(stripe, 23 - stripe).clip(0, 7)
        awning = (v < low) & (v > (12 - u).clip(0) + (u - width - 12).clip(0))
        self.put("", -2, awning, left - 10, y - 150)
        for cloth, parity in ((ramp, 0), ("snow", 1)):
            tones = 5 + (v < 10) - (v > 44) - (stripe > 19) - (v > low - 4)
            self.put(cloth, tones, awning & (u // 24 % 2 == parity), left - 12, y - 160)

    def fountain(self, x: int, y: int, width: int) -> None:
        """A round fountain."""
        self.shadow(x, y, width)
        for up in range(0, 24, 2):
            self.dome(x, y - width // 4 - up, width // 2, width, "stone", 3 - (up < 5), 2)
        self.dome(x, y - width // 4 - 26, width // 2, width, "stone", 6, 1)
        self.dome(x, y - width // 4 - 24, width * 5 // 13, width * 5 // 6, "stone", 2, -1)
        for ring in range(4):
            self.dome(x, y - width // 4 - 20, width * (9 - 2 * ring) // 26, width * (9 - 2 * ring) // 12, "water", 4 + ring % 2, 1)
        self.column(x, y - width // 4 - 8, 56, width // 7, "stone")
        self.dome(x, y - width // 4 - 68, width // 7, width // 3, "stone", 4, 2)
        self.dome(x, y - width // 4 - 72, width // 9, width * 3 // 10, "water", 6, 1)
        for lean in (-5, 5, -2, 2):
            for k in range(12):
                self.dome(x + lean * k, y - width // 4 - 84 - k * 6 + k * k * (4 + abs(lean)) // 8, 8, 6, "water", 7 - k % 2, 1)

    def cliff(self, top: Ints, height: int, ramp: str, seed: int, cell: tuple[int, int] = (44, 26)) -> Mask:
        """A face of rock below the line `top`, a row for every column, with a lit lip and a shadow at its foot. Returns where it is."""
        y, _ = _grid()
        down = y - top
        where = (down >= 0) & (down < height)
        self.put("", -1, (down >= height) & (down < height + 16 + top % 5))
        self.put("", -1, (down >= height) & (down < height + 7 + top % 3))
        self.stones(where, ramp, 4 - (down * 3 + height) // (2 * height), *cell, seed, 5, 20)
        self.put(ramp, 6, (down >= 0) & (down < 4))
        self.put(ramp, 5, (down >= 4) & (down < 8))
        self.put(ramp, 1, (down >= height - 4) & (down < height))
        return where

    def path(self, away: Ints, ramp: str, seed: int, verge: str) -> None:
        """Trodden ground where `away` is negative: pebbles, a dark upper rim, and grass that hangs over its edge."""
        inside = away < 0
        drift = _noise(seed, 21, 45) + _noise(seed + 1, 11, 17) // 2
        self.put(ramp, 4 + (drift > 210) - (drift < 130), inside)
        self.put(ramp, 3, inside & (away > -5))
        self.put(ramp, 2, inside & np.roll(~inside, 4, 0))
        for x, y, key in _scatter(seed + 2, 22, away < -9, True):
            width = 5 + key % 8
            self.dome(x + 1, y + 2, width * 2 // 3, width, ramp, 2, 0)
            self.dome(x, y, width * 2 // 3, width, ramp, 5 + key % 2, 1)
        for x, y, key in _scatter(seed + 3, 11, abs(away - 1) < 5, True):
            self.tuft(x, y + 4, 9 + key % 6, verge, 3, key, 7)

    def water(self, depth: Ints, seed: int, ramp: str = "water", foam: bool = True) -> None:
        """Water where `depth`, the distance from the shore, is positive: deeper tones further out, a net of light, foam on the shore."""
        wet = depth > 0
        deep = 5 - (depth + _noise(seed, 20, 50) // 8) // 34
        self.put(ramp, np.maximum(deep, 2), wet)
        glint = _noise(seed + 2, 17, 40)
        _, edge, _ = _cells(seed + 1, 22, 48)
        self.put("", 1, wet & (edge < 1 + glint // 36))
        self.put("", 1, wet & (edge < 3) & (glint > 150))
        if foam:
            swash = depth + _noise(seed + 3, 14, 26) // 24
            self.put(ramp, 7, wet & (swash < 12))
            self.put(ramp, 6, wet & (swash >= 20) & (swash < 24))
        else:
            self.put(ramp, 1, wet & (depth < 4))
            self.put(ramp, 6, wet & (depth >= 7) & (depth < 10) & (_noise(seed + 3, 14, 26) > 120))


def _everywhere() -> Mask:
    return np.ones((HEIGHT, WIDTH), bool)


def _meadow() -> _Canvas:
    c = _Canvas("grass leaf bark stone pink wheat snow earth")
    c.lawn("grass", 1, _everywhere())
    patch = _noise(2, 60, 80)
    c.flowers("pink", 3, patch > 172, 7)
    c.flowers("wheat", 4, patch < 76, 7)
    c.flowers("snow", 5, abs(patch - 125) < 26, 2)
    c.cliff(100 + _noise(10, 90, 70)[:1] // 14, 44, "earth", 10, (24, 26))
    c.fence(190, 92, 6)
    c.rock(395, 292, 56, 84, "stone", 6)
    c.rock(345, 300, 30, 44, "stone", 7)
    c.tree(86, 212, 190, "leaf", 8)
    c.crown(215, 352, 60, 96, "leaf", 9)
    return c


def _forest() -> _Canvas:
    c = _Canvas("moss pine leaf bark earth rust snow")
    c.lawn("moss", 11, _everywhere())
    away = _from_line([(170, 400), (210, 280), (300, 215), (290, 120), (340, -40)], _noise(12, 30, 30)) - 38
    c.path(away, "earth", 13, "moss")
    for x, y, key in _scatter(14, 64, away > 12):
        c.tuft(x, y, 22, "leaf", 3, key, 14)
    c.tree(225, 44, 180, "leaf", 16, 3)
    c.pine(130, 70, 200, "pine", 14)
    c.pine(30, 96, 200, "pine", 14)
    c.pine(432, 110, 200, "pine", 14)
    c.tree(62, 240, 180, "leaf", 20, 3)
    c.pine(414, 290, 200, "pine", 14)
    c.mushroom(128, 262, 22, "rust")
    c.mushroom(112, 268, 15, "rust")
    c.pine(16, 375, 130, "pine", 22)
    c.mushroom(350, 340, 20, "rust")
    return c


def _shore() -> _Canvas:
    c = _Canvas("sand water grass bark stone snow leaf rust")
    y, x = _grid()
    depth = y - 188 + x // 5 + (_noise(31, 60, 80) - 128) // 5
    c.dunes("sand", 32, depth <= 0)
    c.put("", -1, (depth > -26 + _noise(33, 12, 30) // 20) & (depth <= 0))
    c.put("", -1, (depth > -6) & (depth <= 0))
    c.water(depth, 34)
    for px, py, key in _scatter(35, 50, (depth < -8) & (x > 120)):
        c.drawing(px, py, _SHELL, ("snow", "rust")[key % 2], 5, key >> 1 & 1)
    c.put("", -1, (abs(x - 376) < 44) & (depth > 0))
    for k in range(15):
        c.board(322, 60 + 21 * k, 21, 84, "bark", 4 + k % 2, k)
        for px in (312, 402)[: 2 * (k % 5 == 2)]:
            c.board(px, 30 + 21 * k, 52, 14, "bark", 4, k)
            c.board(px, 26 + 21 * k, 8, 14, "bark", 6)
    for px, py, size in ((60, 330, 74), (118, 346, 46), (216, 268, 40)):
        c.dome(px, py - size // 8, size // 2, size * 5 // 4, "water", 7, 0)
        c.rock(px, py, size * 3 // 4, size, "stone", px)
    c.crate(282, 96, 52, 3)
    c.palm(60, 168, 150, "leaf")
    return c


def _dungeon() -> _Canvas:
    c = _Canvas("slate stone bark lava roof wheat moss")
    y, x = _grid()
    c.tiles(_everywhere(), "slate", 4, 51, 51, 41)
    for px, py, key in _scatter(42, 26, (_noise(43, 40, 60) > 165) & (y > 130)):
        c.tuft(px, py, 9 + key % 6, "moss", 3, key, 9)
    c.tiles((y < 124) & (x >= 0), "stone", 3 - (y > 100), 24, 46, 44, 23)
    c.tiles((y < 26) & (x >= 0), "slate", 5, 26, 62, 45, 31)
    c.put("slate", 6, (y >= 24) & (y < 28) & (x >= 0))
    c.put("", -2, (y >= 28) & (y < 38) & (x >= 0))
    c.put("", -2, (y >= 124) & (y < 138 + x * 0))
    rug = (abs(x - 228) < 54) & (y > 124)
    diamond = abs((x - 228) % 54 - 27) + abs(y % 54 - 27)
    c.put("roof", 4 + (diamond < 27) - (abs(diamond - 18) < 4) * 2 - (y < 138) - (_noise(50, 4, 5) > 180), rug)
    c.put("wheat", 4 + (x + y) // 9 % 2 - (y < 138), rug & (abs(x - 228) > 40) & (abs(x - 228) < 48))
    for px in (70, 386):
        c.column(px, 150, 150, 52, "stone")
    for px in (150, 306):
        c.torch(px, 90)
    c.barrel(40, 250, 74, 46)
    c.barrel(92, 262, 74, 47)
    c.crate(414, 350, 62, 48)
    return c


def _desert() -> _Canvas:
    c = _Canvas("sand rust leaf stone wheat snow")
    y, x = _grid()
    c.dunes("sand", 51, _everywhere())
    top = 20 + abs(x - 250) // 6 + (_noise(52, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "rust", 5, 26, 40, 53, 3, 40)
    c.cliff(top, 96, "rust", 54, (60, 34))
    for px, py, key in _scatter(55, 62, y > top + 130):
        c.tuft(px, py, 16 + key % 3 * 4, "leaf", 4, key, 12)
    c.rock(300, 190, 40, 60, "rust", 56)
    c.cactus(84, 206, 150, "leaf")
    c.cactus(398, 330, 110, "leaf")
    c.rock(40, 345, 46, 70, "rust", 58)
    return c


def _snowfield() -> _Canvas:
    c = _Canvas("snow pine bark water stone")
    y, x = _grid()
    c.dunes("snow", 61, _everywhere(), 5)
    away = _from_line([(300, 300), (380, 316), (440, 290)], _noise(62, 30, 40)) - 46
    c.put("snow", 3, away < 8)
    c.put("snow", 7, (away >= 8) & (away < 12))
    c.put("water", 5 + ((x + y * 2 + _noise(63, 9, 40) // 20) % 90 < 26), away < 0)
    _, crack, _ = _cells(69, 44, 60)
    c.put("", 1, (away < 0) & (crack < 2))
    c.put("water", 3, (away < 0) & (away > -5))
    for k in range(9):
        c.dome(186 + k * 9 + k % 2 * 16, 350 - 26 * k, 12, 10, "snow", 2, -1)
        c.dome(187 + k * 9 + k % 2 * 16, 353 - 26 * k, 6, 8, "snow", 3, 0)
    c.pine(180, 56, 190, "pine", 64, "snow")
    c.fence(250, 96, 4, snow="snow")
    c.pine(60, 150, 210, "pine", 65, "snow")
    c.pine(130, 236, 170, "pine", 66, "snow")
    c.rock(50, 330, 50, 76, "stone", 67)
    c.dome(46, 290, 20, 60, "snow", 6, 1)
    c.pine(430, 210, 170, "pine", 68, "snow")
    return c


def _village() -> _Canvas:
    c = _Canvas("grass roof lime bark earth stone water pink wheat leaf")
    y, x = _grid()
    c.lawn("grass", 71, _everywhere())
    c.path(_from_line([(150, 200), (160, 280), (260, 330), (500, 320)], _noise(72, 30, 30)) - 34, "earth", 73, "grass")
    c.flowers("wheat", 81, _noise(82, 50, 50) > 165)
    wall = (x >= 28) & (x < 268) & (y >= 60) & (y < 204)
    c.put("", -1, (x >= 40) & (x < 284) & (y >= 196) & (y < 222))
    c.put("lime", 5 - (_noise(74, 6, 11) < 90) + (_noise(75, 8, 13) > 170), wall)
    c.tiles(wall & (y > 178), "stone", 4, 26, 38, 76, 19)
    for left in (28, 96, 190, 254):
        c.board(left, 60, 118 if left in (96, 190) else 144, 14, "bark", 4, left)
    c.put("", -2, wall & (y < 84))
    c.put("", -1, wall & (y < 94))
    c.tiles((x >= 8) & (x < 288) & (y < 76), "roof", 4 + (y < 30) - (y > 66), 16, 24, 77, 12)
    c.put("roof", 1, (x >= 8) & (x < 288) & (y >= 73) & (y < 78))
    c.door(150, 204, 106, 56)
    c.window(46, 108, 44, 42)
    c.window(214, 108, 44, 34)
    c.flowers("pink", 78, (y > 202) & (y < 226) & (((x > 34) & (x < 110)) | ((x > 196) & (x < 262))), 14)
    c.barrel(300, 210, 70, 79)
    c.tree(394, 190, 190, "leaf", 80)
    c.fence(-20, 318, 3)
    return c


def _autumn() -> _Canvas:
    c = _Canvas("dry gold rust bark earth leaf")
    c.lawn("dry", 91, _everywhere())
    c.path(_from_line([(-40, 300), (120, 290), (260, 240), (320, 140), (300, -40)], _noise(92, 30, 30)) - 34, "earth", 93, "dry")
    for x, y, key in _scatter(94, 11, _noise(95, 50, 50) > 96, True):
        if key % 4 < 1:
            c.drawing(x, y, _LEAF, ("gold", "rust")[key % 3 % 2], 4 + key % 2, key >> 2 & 1)
    c.tree(180, 60, 190, "rust", 96)
    c.tree(400, 110, 200, "gold", 97)
    c.tree(80, 214, 190, "gold", 98)
    c.tree(390, 320, 170, "rust", 99)
    for px, py, size in ((196, 334, 46), (240, 346, 36), (160, 350, 30)):
        c.pumpkin(px, py, size)
    return c


def _cave() -> _Canvas:
    c = _Canvas("gloom crystal pink basalt water")
    y, x = _grid()
    c.stones(_everywhere(), "gloom", 4, 36, 52, 101, 2, 60)
    top = 36 + (_noise(102, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "gloom", 2, 20, 28, 103, 4, 30)
    c.cliff(top, 92, "gloom", 104, (56, 30))
    away = _from_line([(330, 300), (420, 320), (480, 300)], _noise(105, 30, 40)) - 54
    c.put("gloom", 1, away < 7)
    c.water(-away, 106, "crystal", foam=False)
    for px, py, size, ramp in ((60, 180, 110, "crystal"), (392, 160, 90, "pink"), (180, 140, 60, "crystal"), (40, 350, 80, "pink")):
        c.dome(px, py, size // 2, size * 3 // 2, "", 1, 0)
        c.dome(px, py, size // 3, size, ramp, 2, 0)
        for lean, tall in ((-6, 6), (6, 7), (0, 10), (-9, 4), (9, 4)):
            c.crystal(px + lean * size // 22, py + abs(lean) * size // 120, size * tall // 10, size // 4, lean, ramp)
    for px, py, size in ((280, 150, 70), (120, 330, 80), (300, 356, 50)):
        c.shadow(px, py, size // 2)
        c.crystal(px, py, size, size // 2, 0, "gloom", 3, 4)
    return c


def _wheat() -> _Canvas:
    c = _Canvas("dry wheat earth bark roof grass")
    y, x = _grid()
    c.lawn("dry", 111, _everywhere())
    away = _from_line([(-30, 250), (180, 230), (300, 260), (500, 240)], _noise(112, 30, 30)) - 40
    c.path(away, "earth", 113, "dry")
    for px, py, key in _scatter(114, 11, (away > 24) & ((y < 220) | (y > 300)), True):
        c.tuft(px, py + 18, 34, "wheat", 4, key, 4)
    c.scarecrow(330, 168)
    c.fence(-10, 190, 9)
    c.bale(96, 276, 62)
    c.bale(180, 292, 54)
    return c


def _market() -> _Canvas:
    c = _Canvas("lime stone bark roof water wheat leaf snow rust")
    y, x = _grid()
    c.stones(_everywhere(), "lime", 4, 27, 33, 121, 4, 44)
    c.stall(96, 160, 150, "roof", 122)
    c.stall(300, 150, 170, "water", 123)
    c.fountain(330, 336, 170)
    c.barrel(196, 160, 66, 124, "rust")
    c.crate(430, 200, 56, 125)
    c.crate(50, 330, 62, 126)
    c.barrel(108, 344, 66, 127, "leaf")
    return c


def _volcano() -> _Canvas:
    c = _Canvas("basalt lava")
    y, x = _grid()
    c.stones(_everywhere(), "basalt", 4, 46, 62, 131, 3, 30)
    away = _from_line([(330, 60), (320, 170), (200, 240), (160, 400)], _noise(132, 24, 30)) - 34
    _, crack, _ = _cells(131, 46, 62)
    c.put("lava", 3, (crack < 3) & (away < 46))
    top = 26 + (_noise(135, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "basalt", 3, 24, 30, 136, 3, 30)
    c.cliff(top, 84, "basalt", 137, (50, 30))
    c.put("basalt", 1, (away < 12) & (y > top + 74))
    c.put("lava", 2, (away < 6) & (y > top + 78))
    flow = _noise(133, 14, 22) + _noise(134, 9, 14) // 2
    c.put("lava", 4 + (flow > 150) + (flow > 220), (away < 0) & (y > top + 80))
    fall = (abs(x - 330 + _noise(138, 30, 30) // 40) < 30) & (y < top + 96)
    c.put("lava", 4 + _hash(139, x // 5, (y + _hash(x // 5) % 40) // 34) % 3, fall & (y < top + 84))
    c.put("lava", 6, fall & (y > top + 78))
    for px, py, size in ((250, 228, 34), (300, 190, 26), (190, 300, 40)):
        c.rock(px, py, size * 2 // 3, size, "basalt", px, 3)
    c.rock(60, 190, 70, 96, "basalt", 140, 5)
    c.rock(400, 300, 56, 80, "basalt", 141, 5)
    return c


PAINTERS = {
    "meadow": _meadow,
    "forest": _forest,
    "shore": _shore,
    "dungeon": _dungeon,
    "desert": _desert,
    "snow": _snowfield,
    "village": _village,
    "autumn": _autumn,
    "cave": _cave,
    "wheat": _wheat,
    "market": _market,
    "volcano": _volcano,
}

SCENES = tuple(PAINTERS)
"""Names of the pictures."""


def paint(name: str) -> NDArray[np.uint8]:
    """(363, 459, 3) uint8: the picture of that name."""
    return PAINTERS[name]().rgb()


def png(image: NDArray[np.uint8]) -> bytes:
    """A picture of few colours as a PNG file with a palette."""
    colours, index = np.unique(image.reshape(-1, 3), axis=0, return_inverse=True)
    picture = Image.fromarray(index.reshape(image.shape[:2]).astype(np.uint8), "P")
    picture.putpalette(colours.tobytes())
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
