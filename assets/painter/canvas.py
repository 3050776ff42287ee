"""The canvas that the pictures in assets/ are painted on, and its brushes.

It holds a ramp and a tone for every pixel. A ramp is eight hand-picked colours from dark to light whose hue turns on the way, so a shadow
is a lower tone of whatever it falls on. Light comes from the upper left. All arithmetic is in integers and all chance is a hash, so that
every machine paints the same pixels. Points are (x, y), sizes (height, width).
"""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ints = NDArray[np.int64]
Mask = NDArray[np.bool_]

HEIGHT, WIDTH = 363, 459
"""Size of a picture in pixels: three times what the world `paper` needs, so that it is scaled by 1/3."""

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


def chance(*keys: Ints | int) -> Ints:
    """A hash: 32 random bits for every combination of keys. No product reaches 2**63."""
    h: Ints = np.zeros((), np.int64)
    for key in keys:
        h = (h + key + 0x9E3779B9) & 0xFFFFFFFF
        h = ((h ^ h >> 16) * 0x21F0AAAD) & 0xFFFFFFFF
        h = ((h ^ h >> 15) * 0x735A2D97) & 0xFFFFFFFF
        h = h ^ h >> 15
    return h


def grid() -> tuple[Ints, Ints]:
    """The rows (HEIGHT, 1) and the columns (1, WIDTH) of the picture."""
    y, x = np.ogrid[:HEIGHT, :WIDTH]
    return y, x


def noise(seed: int, height: int, width: int) -> Ints:
    """A smooth field over the picture, 0 to 255, with one random value in each cell of a lattice."""
    y, x = grid()
    (j, v), (i, u) = np.divmod(y, height), np.divmod(x, width)
    v, u = v * v * (3 * height - 2 * v), u * u * (3 * width - 2 * u)
    corner = chance(seed, np.arange(HEIGHT // height + 2)[:, None], np.arange(WIDTH // width + 2)) & 255
    upper = corner[j, i] * (width**3 - u) + corner[j, i + 1] * u
    lower = corner[j + 1, i] * (width**3 - u) + corner[j + 1, i + 1] * u
    field: Ints = (upper * (height**3 - v) + lower * v) // (height * width) ** 3
    return field


def cells(seed: int, height: int, width: int) -> tuple[Ints, Ints, Ints]:
    """Stones that fill the picture: a hash of each; how far every pixel is from the joint, and how far to the upper left of the middle.

    Both distances are in 1/64 of the size.
    """
    y, x = grid()
    y, x = y + (noise(seed, 19, 23) - 128) // 24, x + (noise(seed + 1, 23, 19) - 128) // 24
    j, i = y // height, x // width
    first, second = np.full((2, HEIGHT, WIDTH), 1 << 20)
    key, light = np.zeros((2, HEIGHT, WIDTH), np.int64)
    for row, column in np.ndindex(3, 3):
        h = chance(seed, j + row - 1, i + column - 1)
        dy = (j + row) * 64 - 52 + (h >> 8) % 40 - y * 64 // height
        dx = (i + column) * 64 - 52 + (h >> 16) % 40 - x * 64 // width
        distance = np.maximum(abs(dx), abs(dy)) + abs(dx) + abs(dy)
        second = np.minimum(second, np.maximum(first, distance))
        closer = distance < first
        key, light, first = np.where(closer, h, key), np.where(closer, dx + dy, light), np.minimum(first, distance)
    return key, (second - first) // 4, light


def scatter(seed: int, step: int, where: Mask, again: bool = False) -> Iterator[tuple[int, int, int]]:
    """(x, y, hash) of points about `step` apart where a mask is true, from top to bottom.

    With `again` and a step of 11 or 22 they come again after 154 columns and after 66 rows, there further to the left: the eye does not
    see it, but PNG stores as a reference what it has seen within 71 rows.
    """
    rows, columns = np.mgrid[: where.shape[0] // step + 1, : where.shape[1] // step + 1]
    h = chance(seed, rows, columns)
    if again:
        band, row = np.divmod(rows, 66 // step)
        h = chance(seed, row, (columns + band * 44 // step) % (154 // step))
    xs, ys = columns * step + (h & 255) * step // 256, rows * step + (h >> 8 & 255) * step // 256
    for y, x, key in sorted(zip(ys.flat, xs.flat, (h >> 16).flat, strict=True)):
        if y < where.shape[0] and x < where.shape[1] and where[y, x]:
            yield int(x), int(y), int(key)


def oval(height: int, width: int) -> tuple[Ints, Ints, Mask]:
    """(dy, dx) from the middle, and the mask of an oval."""
    ry, rx = height // 2, width // 2
    dy, dx = np.ogrid[-ry : ry + 1, -rx : rx + 1]
    return dy, dx, dy * dy * rx * rx + dx * dx * ry * ry <= rx * ry * (rx * ry + max(rx, ry))


def from_line(seed: int, *points: tuple[int, int]) -> Ints:
    """Distance in pixels of every pixel from a line through points, made a little uneven."""
    y, x = grid()
    nearest = np.full((HEIGHT, WIDTH), 1 << 30)
    for (x0, y0), (x1, y1) in pairwise(points):
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        t = np.clip((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0), 0, length)
        nearest = np.minimum(nearest, (x - x0 - t * (x1 - x0) // length) ** 2 + (y - y0 - t * (y1 - y0) // length) ** 2)
    distance: Ints = np.sqrt(nearest).astype(np.int64)  # of whole numbers it is the same on every machine
    return distance + (noise(seed, 30, 30) - 128) // 10


class Canvas:
    """A picture while it is painted."""

    def __init__(self) -> None:
        self._ramps: list[str] = []
        self._index = np.zeros((HEIGHT, WIDTH), np.int64)  # 8 * number of the ramp + tone

    def rgb(self) -> NDArray[np.uint8]:
        """Return the picture, (363, 459, 3) uint8 RGB."""
        colours = bytes.fromhex(" ".join(RAMPS[ramp] for ramp in self._ramps))
        return np.frombuffer(colours, np.uint8).reshape(-1, 3)[self._index]

    def put(self, ramp: str, tone: Ints | int, mask: Mask, x: int = 0, y: int = 0) -> None:
        """Paint where a mask is true, with its corner at (x, y). Without a ramp, the tone is added to that of the picture."""
        height, width = mask.shape
        view = self._index[max(y, 0) : max(y + height, 0), max(x, 0) : max(x + width, 0)]
        part = np.s_[max(-y, 0) : max(-y, 0) + view.shape[0], max(-x, 0) : max(-x, 0) + view.shape[1]]
        mask = mask[part]
        tones, below = np.broadcast_to(tone, (height, width))[part][mask], view[mask]
        if ramp and ramp not in self._ramps:
            self._ramps.append(ramp)
        base = 8 * self._ramps.index(ramp) if ramp else below & ~7
        view[mask] = base + np.clip(tones if ramp else tones + (below & 7), 0, 7)

    def drawing(self, x: int, y: int, text: str, ramp: str, tone: int = 4) -> None:
        """A drawing around (x, y): a word a row, a digit a pixel, a dot where it is clear. 4 stands for `tone`."""
        rows = np.array([list(word) for word in text.split()])
        mask = rows != "."
        self.put(ramp, np.where(mask, rows, "0").astype(np.int64) + tone - 4, mask, x - rows.shape[1] // 2, y - rows.shape[0] // 2)

    def dome(self, x: int, y: int, height: int, width: int, ramp: str, tone: int, light: int = 0) -> None:
        """An oval around (x, y): flat, or lit from the upper left, or with a negative light hollow."""
        ry, rx = height // 2, width // 2
        dy, dx, inside = oval(height, width)
        self.put(ramp, tone - (light * (dx * ry + dy * rx) * 2 + rx * ry) // (2 * rx * ry), inside, x - rx, y - ry)

    def shadow(self, x: int, y: int, width: int) -> None:
        """The shadow of an object of that width at (x, y), to the lower right."""
        self.dome(x + width // 7, y, width // 3, width * 9 // 8, "", -1)
        self.dome(x + width // 9, y - 1, width // 5, width * 5 // 6, "", -1)

    def board(self, x: int, y: int, height: int, width: int, ramp: str = "bark", tone: int = 4, seed: int = 0) -> None:
        """A plank with its corner at (x, y): light upper left edges, dark lower right ones, grain along its length."""
        v, u = np.mgrid[:height, :width]
        along, across = (v, u) if height > width else (u, v)
        grain = chance(seed, x, y, across // 3, (along + across * 7) // 22) % 6
        edges = ((u < 2) | (v < 2)) - 2 * ((u >= width - 3) | (v >= height - 3))
        self.put(ramp, tone - (grain < 2) + (grain == 5) + edges, np.ones((height, width), bool), x, y)

    def tiles(self, where: Mask, ramp: str, tone: Ints | int, height: int, width: int, seed: int, shift: int = 0) -> None:
        """Slabs or bricks with worn corners; every other row starts `shift` further on."""
        y, x = grid()
        row, v = np.divmod(y, height)
        column, u = np.divmod(x + row % 2 * shift, width)
        h = chance(seed, row, column)
        right, low = width - 4 - u, height - 4 - v
        worn = np.minimum(u, right) + np.minimum(v, low) < (2 + h % 4) * min(height, width) // 20
        lit = ((u < 3) | (v < 3)).astype(np.int64) - ((right < 3) | (low < 3)) - (noise(seed + 1, 7, 9) > 186)
        self.put(ramp, tone + np.where((right < 0) | (low < 0) | worn, -2, lit + (h >> 4) % 5 // 2 - 1), where)

    def stones(
        self, where: Mask, ramp: str, tone: Ints | int, height: int, width: int, seed: int, joint: int = 4, relief: int = 30
    ) -> None:
        """Stones without order, pitted and domed: a smaller `relief` is a stronger one."""
        key, edge, light = cells(seed, height, width)
        tones = np.clip(tone + (light + relief // 2) // relief + key % 3 - 1, tone - 1, tone + 2) - (noise(seed + 2, 7, 9) > 200)
        self.put(ramp, np.where(edge < joint, tone - 2, tones), where)

    def tuft(self, x: int, y: int, height: int, ramp: str, tone: int, key: int, spread: int = 5) -> None:
        """Blades of grass from a foot, one of eight tufts: dark below, light at the tips."""
        v, u = np.ogrid[: height + 1, -height : height + 1]
        up = height - v
        for blade in (0, 4, 1, 3, 2):
            h = int(chance(key % 8, blade))
            tall = height - h % 4 * height // 8 - abs(blade - 2) * height // 8
            lean = (blade - 2) * spread * height // 20 + (h >> 8) % 3 - 1
            middle = (blade - 2) * 3 * (up + 4) // (height + 4) + lean * up * up // (height * height)
            mask = (abs(2 * (u - middle) + 1) <= 3 - 2 * up // tall) & (up <= tall)
            self.put(ramp, tone - 1 + 3 * up // tall - (blade > 2), mask, x - height, y - height)

    def fringe(self, x: int, y: int, length: int, ramp: str, tone: int) -> None:
        """A pointed tip that hangs from (x, y)."""
        v, u = np.ogrid[:length, -5:6]
        self.put(ramp, tone + 1 - 2 * v // length - (v > length - 4), abs(u) * length <= (length - v) * 6, x - 5, y)

    def crystal(self, x: int, y: int, height: int, width: int, lean: int, ramp: str, tone: int = 4, blunt: int = 1) -> None:
        """A six-sided crystal that leans, of which three faces are seen; with a greater `blunt` its tip is longer."""
        v, u = np.mgrid[: height + 1, -height : height + 1]
        up = height - v
        u = u - up * lean // 16
        half = np.minimum(width // 2, v // blunt + 1)
        tones = tone + np.where(u < -half // 3, 1, np.where(u < half // 2, 2, -1)) - (up < height // 4) - (up < height // 9)
        self.put(ramp, np.where(abs(u) >= half - 1, tone - 1 - (u > 0), tones), abs(u) <= half, x - height, y - height)
