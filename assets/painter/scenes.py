"""The backgrounds in assets/: thirteen places of a role-playing game, seen from above at a slant as the characters are."""

import numpy as np
from numpy.typing import NDArray

from assets.painter import scenery as s
from assets.painter.canvas import Canvas, cells, chance, from_line, grid, noise, scatter
from assets.painter.new_scenes import PAINTERS


def _meadow(c: Canvas) -> None:
    s.lawn(c, "grass", 1)
    patch = noise(2, 60, 80)
    for ramp, seed, where, share in (("pink", 3, patch > 172, 7), ("wheat", 4, patch < 76, 7), ("snow", 5, abs(patch - 125) < 26, 1)):
        s.flowers(c, ramp, "grass", seed, where, share)
    s.cliff(c, "earth", 10, 100 + noise(10, 90, 70)[:1] // 14, 44, (24, 26))
    s.fence(c, 190, 92, 6)
    s.rock(c, 395, 292, 56, 84, "stone")
    s.rock(c, 345, 300, 30, 44, "stone")
    s.tree(c, 86, 212, 190, "leaf")
    s.crown(c, 215, 352, 60, 96, "leaf")


def _forest(c: Canvas) -> None:
    s.lawn(c, "moss", 11)
    away = from_line(12, (170, 400), (210, 280), (300, 215), (290, 120), (340, -40)) - 38
    s.path(c, "moss", 13, away)
    for x, y, key in scatter(14, 64, away > 12):
        c.tuft(x, y, 22, "leaf", 3, key, 14)
    s.tree(c, 225, 44, 180, "leaf", 3)
    for x, y in ((130, 70), (30, 96), (432, 110)):
        s.pine(c, x, y, 200)
    s.tree(c, 62, 240, 180, "leaf", 3)
    s.pine(c, 414, 290, 200)
    s.pine(c, 16, 375, 130)
    for x, y, size in ((128, 262, 22), (112, 268, 15), (350, 340, 20)):
        s.mushroom(c, x, y, size)


def _shore(c: Canvas) -> None:
    y, x = grid()
    depth = y - 188 + x // 5 + (noise(31, 60, 80) - 128) // 5
    s.dunes(c, "sand", 32, depth <= 0, 4)
    for reach in (26 - noise(33, 12, 30) // 20, 6):
        c.put("", -1, (depth > -reach) & (depth <= 0))
    s.water(c, "water", 34, depth, foam=True)
    for left, top, key in scatter(35, 50, (depth < -8) & (x > 120)):
        c.drawing(left, top, "..566.. .56765. 5465465 .46454. ..343..", ("snow", "rust")[key % 2], 5)
    c.put("", -1, (abs(x - 376) < 44) & (depth > 0))
    for k in range(15):
        c.board(322, 60 + 21 * k, 21, 84, tone=4 + k % 2)
        for left in (312, 402)[: 2 * (k % 5 == 2)]:
            c.board(left, 30 + 21 * k, 52, 14)
            c.board(left, 26 + 21 * k, 8, 14, tone=6)
    for left, foot, size in ((60, 330, 74), (118, 346, 46), (216, 268, 40)):
        c.dome(left, foot - size // 8, size // 2, size * 5 // 4, "water", 7)
        s.rock(c, left, foot, size * 3 // 4, size, "stone")
    s.crate(c, 282, 96, 52)
    s.palm(c, 60, 168, 150)


def _dungeon(c: Canvas) -> None:
    y, x = grid()
    c.tiles(x + y >= 0, "slate", 4, 51, 51, 41)
    for left, foot, key in scatter(42, 26, (noise(43, 40, 60) > 165) & (y > 130)):
        c.tuft(left, foot, 9 + key % 6, "moss", 3, key, 9)
    c.tiles((y < 124) & (x >= 0), "stone", 3 - (y > 100), 24, 46, 44, 23)
    c.tiles((y < 28) & (x >= 0), "slate", np.where(y < 24, 5, 7), 26, 62, 45, 31)
    for first, last in ((28, 38), (124, 138)):
        c.put("", -2, (y >= first) & (y < last) & (x >= 0))
    rug = (abs(x - 228) < 54) & (y > 124)
    diamond = abs((x - 228) % 54 - 27) + abs(y % 54 - 27)
    c.put("roof", 4 + (diamond < 27) - (abs(diamond - 18) < 4) * 2 - (y < 138) - (noise(50, 4, 5) > 180), rug)
    c.put("wheat", 4 + (x + y) // 9 % 2 - (y < 138), rug & (abs(abs(x - 228) - 44) < 4))
    for left in (70, 386):
        s.column(c, left, 150, 150, 52)
    for left in (150, 306):
        s.torch(c, left, 90)
    s.barrel(c, 40, 250, 74)
    s.barrel(c, 92, 262, 74)
    s.crate(c, 414, 350, 62)


def _desert(c: Canvas) -> None:
    y, x = grid()
    s.dunes(c, "sand", 51, x + y >= 0, 4)
    top = 20 + abs(x - 250) // 6 + (noise(52, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "rust", 5, 26, 40, 53, 3, 40)
    s.cliff(c, "rust", 54, top, 96, (60, 34))
    for left, foot, key in scatter(55, 62, y > top + 130):
        c.tuft(left, foot, 16 + key % 3 * 4, "leaf", 4, key, 12)
    s.rock(c, 300, 190, 40, 60, "rust")
    s.cactus(c, 84, 206, 150)
    s.cactus(c, 398, 330, 110)
    s.rock(c, 40, 345, 46, 70, "rust")


def _snow(c: Canvas) -> None:
    y, x = grid()
    s.dunes(c, "snow", 61, x + y >= 0, 5)
    away = from_line(62, (300, 300), (380, 316), (440, 290)) - 46
    ice = away < 0
    c.put("snow", 7, away < 12)
    c.put("snow", 3, away < 8)
    c.put("water", 5 + ((x + y * 2 + noise(63, 9, 40) // 20) % 90 < 26), ice)
    c.put("", 1, ice & (cells(69, 44, 60)[1] < 2))
    c.put("water", 3, ice & (away > -5))
    for k in range(9):
        left, foot = 186 + k * 9 + k % 2 * 16, 350 - 26 * k
        c.dome(left, foot, 12, 10, "snow", 2, -1)
        c.dome(left + 1, foot + 3, 6, 8, "snow", 3)
    s.fence(c, 250, 96, 4, "snow")
    for left, foot, height in ((180, 56, 190), (60, 150, 210), (130, 236, 170), (430, 210, 170)):
        s.pine(c, left, foot, height, "snow")
    s.rock(c, 50, 330, 50, 76, "stone")
    c.dome(46, 290, 20, 60, "snow", 6, 1)


def _village(c: Canvas) -> None:
    y, x = grid()
    s.lawn(c, "grass", 71)
    away = from_line(72, (150, 200), (160, 280), (260, 330), (500, 320)) - 34
    s.path(c, "grass", 73, away)
    s.flowers(c, "wheat", "grass", 81, (noise(82, 50, 50) > 165) & (away > 9), 4)
    s.house(c, 28, 204, 240)
    s.flowers(c, "pink", "grass", 78, (abs(y - 214) < 12) & (abs(abs(x - 148) - 78) < 38), 14)
    s.barrel(c, 300, 210, 70)
    s.tree(c, 394, 190, 190, "leaf")
    s.fence(c, -20, 318, 3)


def _autumn(c: Canvas) -> None:
    s.lawn(c, "dry", 91)
    s.path(c, "dry", 93, from_line(92, (-40, 300), (120, 290), (260, 240), (320, 140), (300, -40)) - 34)
    for x, y, key in scatter(94, 11, noise(95, 50, 50) > 96, again=True):
        if key % 4 < 1:
            c.drawing(x, y, "...55.. ..5654. .56544. 456443. .4433..", ("gold", "rust")[key % 3 % 2], 4 + key // 4 % 2)
    for x, y, height, ramp in ((180, 60, 190, "rust"), (400, 110, 200, "gold"), (80, 214, 190, "gold"), (390, 320, 170, "rust")):
        s.tree(c, x, y, height, ramp)
    for x, y, size in ((196, 334, 46), (240, 346, 36), (160, 350, 30)):
        s.pumpkin(c, x, y, size)


def _cave(c: Canvas) -> None:
    y, x = grid()
    c.stones(x + y >= 0, "gloom", 4, 36, 52, 101, 2, 60)
    top = 36 + (noise(102, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "gloom", 2, 20, 28, 103)
    s.cliff(c, "gloom", 104, top, 92, (56, 30))
    away = from_line(105, (330, 300), (420, 320), (480, 300)) - 54
    c.put("gloom", 1, away < 7)
    s.water(c, "crystal", 106, -away, foam=False)
    for left, foot, size, ramp in ((60, 180, 110, "crystal"), (392, 160, 90, "pink"), (180, 140, 60, "crystal"), (40, 350, 80, "pink")):
        c.dome(left, foot, size // 2, size * 3 // 2, "", 1)
        c.dome(left, foot, size // 3, size, ramp, 2)
        for lean, tall in ((-6, 6), (6, 7), (0, 10), (-9, 4), (9, 4)):
            c.crystal(left + lean * size // 22, foot + abs(lean) * size // 120, size * tall // 10, size // 4, lean, ramp)
    for left, foot, size in ((280, 150, 70), (120, 330, 80), (300, 356, 50)):
        c.shadow(left, foot, size // 2)
        c.crystal(left, foot, size, size // 2, 0, "gloom", 3, blunt=4)


def _wheat(c: Canvas) -> None:
    y, _ = grid()
    s.lawn(c, "dry", 111)
    away = from_line(112, (-30, 250), (180, 230), (300, 260), (500, 240)) - 40
    s.path(c, "dry", 113, away)
    for left, foot, key in scatter(114, 11, (away > 24) & (abs(y - 260) > 40), again=True):
        c.tuft(left, foot + 18, 34, "wheat", 4, key, 4)
    s.scarecrow(c, 330, 168)
    s.fence(c, -10, 190, 9)
    s.bale(c, 96, 276, 62)
    s.bale(c, 180, 292, 54)


def _market(c: Canvas) -> None:
    y, x = grid()
    c.stones(x + y >= 0, "lime", 4, 27, 33, 121, relief=44)
    s.stall(c, 96, 160, 150, "roof")
    s.stall(c, 300, 150, 170, "water")
    s.fountain(c, 330, 336, 170)
    s.barrel(c, 196, 160, 66, "rust")
    s.crate(c, 430, 200, 56)
    s.crate(c, 50, 330, 62)
    s.barrel(c, 108, 344, 66, "leaf")


def _volcano(c: Canvas) -> None:
    y, x = grid()
    c.stones(x + y >= 0, "basalt", 4, 46, 62, 131, 3)
    away = from_line(132, (330, 60), (320, 170), (200, 240), (160, 400)) - 34
    c.put("lava", 3, (cells(131, 46, 62)[1] < 3) & (away < 46))
    top = 26 + (noise(135, 90, 50)[:1] - 128) // 6
    c.stones(y < top, "basalt", 3, 24, 30, 136, 3)
    s.cliff(c, "basalt", 137, top, 84, (50, 30))
    flow = noise(133, 14, 22) + noise(134, 9, 14) // 2
    for reach, ramp, tone in ((12, "basalt", 1), (6, "lava", 2), (0, "lava", 4 + (flow > 150) + (flow > 220))):
        c.put(ramp, tone, (away < reach) & (y > top + 80 - reach // 2))
    fall = abs(x - 330 + noise(138, 30, 30) // 40) < 30
    c.put("lava", 4 + chance(139, x // 5, (y + chance(x // 5) % 40) // 34) % 3, fall & (y < top + 84))
    c.put("lava", 6, fall & (y > top + 78) & (y < top + 96))
    for left, foot, size in ((250, 228, 34), (300, 190, 26), (190, 300, 40)):
        s.rock(c, left, foot, size * 2 // 3, size, "basalt", 3)
    s.rock(c, 60, 190, 70, 96, "basalt", 5)
    s.rock(c, 400, 300, 56, 80, "basalt", 5)


def _night(c: Canvas) -> None:
    y, x = grid()
    s.lawn(c, "pine", 141)
    s.flowers(c, "snow", "pine", 142, noise(143, 60, 80) > 150, 2)
    for left, foot, size in ((30, 120, 170), (120, 74, 170), (436, 150, 190)):
        s.pine(c, left, foot, size)
    s.tree(c, 250, 96, 170, "pine", 5)
    s.rock(c, 60, 250, 50, 70, "slate")
    s.rock(c, 420, 330, 40, 60, "slate")
    s.tent(c, 330, 232, 116, "gloom")
    c.put("", -1, x + y >= 0)
    s.campfire(c, 214, 268)
    for left, top, _ in scatter(144, 70, (x < 150) | (y > 300) | (y < 90)):
        c.drawing(left, top, ".7. 787 .7.", "wheat", 5)


_PAINTERS = (_meadow, _forest, _shore, _dungeon, _desert, _snow, _village, _autumn, _cave, _wheat, _market, _volcano, _night)

SCENES = tuple(painter.__name__[1:] for painter in _PAINTERS)
"""Names of the pictures in assets/backgrounds/."""
NEW_SCENES = tuple(painter.__name__[1:] for painter in PAINTERS)
"""Names of the pictures in assets/backgrounds/new/."""


def paint(name: str) -> NDArray[np.uint8]:
    """(363, 459, 3) uint8: the picture of that name."""
    canvas = Canvas()
    (*_PAINTERS, *PAINTERS)[(*SCENES, *NEW_SCENES).index(name)](canvas)
    return canvas.rgb()
