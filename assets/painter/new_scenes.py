"""The backgrounds in assets/backgrounds/new/: six more places, which worlds show in the split test only (`SplitSpec.scenes`)."""

import numpy as np

from assets.painter import scenery as s
from assets.painter.canvas import Canvas, chance, from_line, grid, noise, oval, scatter


def _orchard(c: Canvas) -> None:
    y, x = grid()
    s.lawn(c, "leaf", 201)
    s.flowers(c, "snow", "leaf", 203, noise(204, 60, 80) > 168, 5)
    for row in (90, 200, 310):
        c.put("leaf", 3, (abs(y - row - 6) < 5 + noise(205, 9, 20) // 60) & (x >= 0))
    for left, top, key in scatter(206, 22, noise(207, 40, 60) > 120, again=True):
        c.drawing(left, top, ".66. 6756 .55.", "pink", 4 + key % 2)
    for left, foot, height in (
        (60, 100, 150),
        (210, 96, 160),
        (370, 104, 150),
        (130, 214, 160),
        (300, 208, 150),
        (60, 330, 150),
        (430, 326, 150),
    ):
        s.tree(c, left, foot, height, "pink", 5)
    s.crate(c, 214, 300, 54)
    s.crate(c, 276, 318, 46)
    for left, top in ((200, 246), (214, 240), (228, 246), (268, 272), (282, 270)):
        c.dome(left, top, 14, 14, "rust", 5, 2)


def _swamp(c: Canvas) -> None:
    s.lawn(c, "moss", 211)
    depth = 30 - from_line(212, (-20, 120), (120, 150), (240, 110), (330, 220), (480, 230)) + (noise(213, 60, 70) - 90) // 2
    c.put("moss", 1, depth > -8)
    s.water(c, "crystal", 214, depth, foam=False)
    c.put("", -2, depth > 0)
    for left, top, key in scatter(215, 40, depth > 14):
        lily = oval(22, 34)[2].copy()
        lily[:12, 15:19] = False
        c.put("", -1, lily, left - 14, top - 6)
        c.put("leaf", 5 + key % 2, lily, left - 17, top - 11)
        if key % 3 == 0:
            c.drawing(left, top - 4, "..7.. .767. 76567 .666.", "pink", 5)
    for left, foot, key in scatter(216, 18, abs(depth + 2) < 9):
        c.tuft(left, foot + 8, 40 + key % 12, "wheat", 3, key, 4)
    for left, foot, height in ((80, 90, 130), (400, 120, 150), (200, 330, 150), (420, 350, 110)):
        _bare_tree(c, left, foot, height, "bark")
    for left, foot, size in ((70, 300, 26), (92, 310, 18), (300, 320, 20)):
        s.mushroom(c, left, foot, size)


def _graveyard(c: Canvas) -> None:
    y, x = grid()
    s.dunes(c, "gloom", 221, x + y >= 0, 3)
    s.path(c, "gloom", 222, from_line(223, (230, -20), (220, 150), (250, 380)) - 26)
    for left, foot, key in scatter(224, 31, (abs(x - 230) > 60) & (y >= 0)):
        c.tuft(left, foot, 12 + key % 5, "slate", 3, key, 8)
    s.fence(c, -20, 66, 4, "snow")
    s.fence(c, 290, 66, 4, "snow")
    for row in (150, 246, 340):
        for left in (40, 120, 330, 412):
            _grave(c, left + int(chance(row, left)) % 12, row, 58 + int(chance(left, row)) % 14)
    _bare_tree(c, 172, 140, 130, "slate")
    _bare_tree(c, 290, 250, 120, "slate")
    for left, top in ((90, 30), (380, 40), (250, 330)):
        c.drawing(left, top, ".7. 787 .7.", "crystal", 5)


def _ruins(c: Canvas) -> None:
    y, x = grid()
    c.tiles(x + y >= 0, "sand", 4, 44, 60, 231, 30)
    for left, foot, key in scatter(232, 22, noise(233, 40, 50) > 150, again=True):
        c.tuft(left, foot, 12 + key % 8, "grass", 4, key, 9)
    pool = (abs(x - 230) < 92) & (abs(y - 240) < 56)
    c.put("lime", 6, (abs(x - 230) < 108) & (abs(y - 240) < 72))
    c.put("lime", 3, (abs(x - 230) < 98) & (abs(y - 240) < 62))
    s.water(c, "water", 234, np.where(pool, 40, -40), foam=False)
    c.put("", -1, pool & (y < 196))
    wall = (y < 70) & (x >= 0)
    c.tiles(wall, "sand", 3, 24, 52, 235, 26)
    c.put("", -2, (y >= 66) & (y < 84) & (x >= 0))
    for left, foot, height in ((52, 150, 140), (150, 130, 120), (310, 130, 120), (410, 150, 140), (60, 340, 80), (404, 344, 60)):
        s.column(c, left, foot, height, 44)
    for left, foot, size in ((112, 330, 40), (340, 346, 46), (90, 222, 30)):
        s.rock(c, left, foot, size, size * 3 // 2, "sand", 5)
    s.palm(c, 420, 250, 130)


def _tavern(c: Canvas) -> None:
    y, x = grid()
    for row in range(0, 363, 24):
        shift = row // 24 * 67 % 150
        for left in range(-150 + shift, 459, 150):
            c.board(left, row, 24, 150, tone=4 + row // 24 % 2)
    wall = (y < 92) & (x >= 0)
    c.put("roof", 3 - (noise(241, 8, 12) > 170), wall)
    for left in range(20, 459, 104):
        c.board(left, 0, 92, 16, tone=3)
    c.board(0, 78, 16, 459, tone=5)
    c.put("", -2, (y >= 94) & (y < 108) & (x >= 0))
    _shelf(c, 236, 4, 190)
    rug = (abs(x - 110) < 84) & (abs(y - 250) < 66)
    c.put("water", 3 + ((abs(x - 110) + abs(y - 250)) // 9 % 3 == 0), rug)
    c.put("wheat", 5 - (x + y) // 8 % 2, rug & ((abs(abs(x - 110) - 78) < 4) | (abs(abs(y - 250) - 60) < 4)))
    for left, foot, width in ((320, 220, 130), (110, 268, 110), (380, 340, 120)):
        _table(c, left, foot, width)
    for left, foot in ((40, 160), (92, 168), (440, 180)):
        s.barrel(c, left, foot, 72)
    s.torch(c, 178, 70)


def _deck(c: Canvas) -> None:
    y, x = grid()
    s.water(c, "water", 251, np.where((y < 54) | (y > 330), 60 + noise(252, 40, 60) // 6, -9), foam=False)
    for left in range(0, 459, 27):
        for top in range(54 - left * 41 % 90, 330, 90):
            first, last = max(top, 54), min(top + 90, 330)
            if last > first:
                c.board(left, first, last - first, 27, "sand", 3 + left // 27 % 2)
    for top in (46, 318):
        c.board(0, top, 18, 459, "roof", 4)
        c.put("", -2, (y >= top + 18) & (y < top + 26) & (x >= 0))
        for left in range(16, 459, 56):
            c.board(left, top - 22, 30, 12, "roof", 5)
        c.board(0, top - 28, 9, 459, "roof", 5)
    hatch = (abs(x - 350) < 62) & (abs(y - 190) < 46)
    c.put("bark", 2, (abs(x - 350) < 70) & (abs(y - 190) < 54))
    c.put("basalt", 1, hatch)
    c.put("bark", 5 - (y % 23 > 18), hatch & ((x % 23 < 8) | (y % 23 < 8)))
    c.shadow(190, 214, 150)
    for up in range(0, 216, 2):
        c.dome(190, 210 - up, 20, 46, "bark", 4 - (up % 54 > 46) * 2, 2)
    s.barrel(c, 60, 180, 76)
    s.barrel(c, 104, 200, 76)
    s.crate(c, 66, 300, 66)
    s.crate(c, 268, 306, 52)
    for ring in range(46, 8, -12):
        c.dome(420, 290, ring * 2 // 3, ring, "wheat", 3 + ring // 12 % 2 * 2, 1)


def _bare_tree(c: Canvas, x: int, y: int, height: int, ramp: str) -> None:
    """A tree without leaves: a trunk that forks."""
    c.shadow(x, y, height // 2)
    for dx, low, high in ((0, 0, 60), (-22, 40, 92), (20, 46, 96), (-42, 56, 84), (40, 62, 88), (4, 60, 100)):
        for up in range(height * low // 100, height * high // 100):
            share = (up * 100 // height - low) * 64 // (high - low)
            half = max(height // 16 * (110 - up * 100 // height) // 110, 2)
            middle = x + dx * height * share // 6400 + int(chance(dx + 50, up // 9)) % 3 - 1
            u = np.arange(-half, half + 1)[None]
            c.put(ramp, 3 - 2 * u // half + (up % 11 == 0), np.ones(u.shape, bool), middle - half, y - up)


def _grave(c: Canvas, x: int, y: int, height: int) -> None:
    """A round-headed gravestone in front of its mound."""
    c.dome(x, y + 8, 30, 60, "earth", 3, 1)
    c.shadow(x, y, 44)
    v, u = np.mgrid[:height, -20:21]
    stone = (v > 20) | (u * u + (v - 20) ** 2 <= 400)
    worn = noise(226, 6, 8)[:height, :41] > 190
    c.put("stone", 4 - (u > 8) - (v > height - 6) + (u < -15) - worn, stone, x - 20, y - height)
    c.put("stone", 2, stone & (((abs(u) < 3) & (v > 12) & (v < 40)) | ((abs(v - 22) < 3) & (abs(u) < 10))), x - 20, y - height)


def _shelf(c: Canvas, x: int, y: int, width: int) -> None:
    """Bottles on two boards on a wall."""
    for row in (y + 36, y + 78):
        for number, left in enumerate(range(x + 6, x + width - 12, 17)):
            key = int(chance(row, number))
            ramp, tall = ("leaf", "water", "roof", "gold")[key % 4], 20 + (key >> 8) % 9
            c.board(left, row - tall, tall, 12, ramp, 4)
            c.board(left + 3, row - tall - 7, 8, 6, ramp, 5)
        c.board(x, row, 9, width, tone=6)


def _table(c: Canvas, x: int, y: int, width: int) -> None:
    """A round table with a mug and a plate."""
    c.shadow(x, y, width)
    c.board(x - 8, y - 40, 40, 16, tone=2)
    for up in range(0, 12, 2):
        c.dome(x, y - 40 - up, width // 2, width, "earth", 2 + (up > 8) * 3, 1)
    c.dome(x, y - 52, width * 3 // 8, width * 3 // 4, "earth", 6, 1)
    c.dome(x - width // 5, y - 56, 18, 34, "snow", 6, 1)
    c.dome(x - width // 5, y - 58, 10, 16, "gold", 5, 2)
    c.board(x + width // 8, y - 80, 28, 22, "stone", 5)
    c.dome(x + width // 8 + 11, y - 80, 8, 20, "wheat", 7)


PAINTERS = (_orchard, _swamp, _graveyard, _ruins, _tavern, _deck)
