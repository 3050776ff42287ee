"""The painted backgrounds: what is committed is what the painter paints, people and models can see them move, and none is like another."""

from itertools import combinations

import numpy as np
import pytest
from PIL import Image

from assets.painter.canvas import HEIGHT, RAMPS, WIDTH, Canvas, chance, from_line, noise, scatter
from assets.painter.scenes import NEW_SCENES, SCENES, paint
from wsprites.art import ASSETS
from wsprites.art.backgrounds import load_backgrounds
from wsprites.world.spec import PRESETS

FOLDER = ASSETS / "backgrounds"
ALL = (*SCENES, *NEW_SCENES)
FILES = {name: FOLDER / ("new" if name in NEW_SCENES else "") / f"{name}.png" for name in ALL}
PAPER = PRESETS["paper"]
WINDOW = 16


@pytest.fixture(scope="module")
def pictures() -> dict[str, np.ndarray]:
    return {name: paint(name) for name in ALL}


@pytest.fixture(scope="module")
def scaled() -> dict[str, np.ndarray]:
    """The committed files as the paper's world sees them."""
    images = load_backgrounds([FILES[name] for name in ALL], PAPER.background_size).images
    return dict(zip(ALL, images, strict=True))


def test_names_and_files_agree():
    assert sorted(FOLDER.glob("*.png")) == sorted(FILES[name] for name in SCENES)
    assert sorted((FOLDER / "new").iterdir()) == sorted(FILES[name] for name in NEW_SCENES)
    assert (len(SCENES), len(NEW_SCENES), len(set(ALL))) == (13, 6, 19)


def test_files_are_small_and_have_few_colours():
    for name in ALL:
        with Image.open(FILES[name]) as image:
            assert image.mode == "P" and image.size == (459, 363)
            colours = {rgb for _, rgb in image.convert("RGB").getcolors()}
        assert len(colours) <= 64
        assert colours <= {tuple(bytes.fromhex(colour)) for ramp in RAMPS.values() for colour in ramp.split()}
    sizes = [FILES[name].stat().st_size for name in ALL]
    assert max(sizes) <= 25_000 and sum(sizes) <= 400_000


def test_ramps_go_from_dark_to_light_and_turn_their_hue():
    for name, ramp in RAMPS.items():
        colours = np.array([list(bytes.fromhex(colour)) for colour in ramp.split()])
        luma = colours @ [0.299, 0.587, 0.114]
        assert len(colours) == 8 and (np.diff(luma) > 5).all(), name
        proportions = colours / colours.sum(1, keepdims=True)
        assert abs(proportions[1] - proportions[6]).max() > 0.02, name  # a ramp that is only darkened keeps them


def least_change(image: np.ndarray, step: int) -> float:
    """The mean absolute difference of a window and itself one step further, where and in the direction in which it is least."""
    pixels, worst = image.astype(np.float64), 255.0
    for axis in (0, 1):  # a step back compares the same pairs of pixels as a step on
        moved = np.abs(np.roll(pixels, step, axis) - pixels).mean(2)[step:, step:]
        windows = np.lib.stride_tricks.sliding_window_view(moved, (WINDOW, WINDOW))
        worst = min(worst, windows.mean((2, 3)).min())
    return worst


def test_motion_can_be_seen_everywhere(scaled):
    for name, image in scaled.items():
        assert least_change(image, PAPER.background.step) > 2.2, name
    spot = scaled["meadow"].copy()
    spot[40:60, 70:90] = 128
    assert least_change(spot, PAPER.background.step) == 0


def test_no_two_are_alike(scaled):
    for one, other in combinations(ALL, 2):
        a, b = scaled[one].astype(np.float64), scaled[other].astype(np.float64)
        assert np.abs(a - b).mean() > 30, (one, other)
        assert np.corrcoef(a.mean(2).ravel(), b.mean(2).ravel())[0, 1] < 0.4, (one, other)


def test_chance_is_the_hash_it_was():
    def slowly(*keys: int) -> int:
        h = 0
        for key in keys:
            h = (h + key + 0x9E3779B9) % 2**32
            for shift, factor in ((16, 0x21F0AAAD), (15, 0x735A2D97)):
                h = (h ^ h // 2**shift) * factor % 2**32
            h ^= h // 2**15
        return h

    keys = np.array([-500, -1, 0, 1, 7, 2**31, 2**40])
    assert chance(3, keys, 5).tolist() == [slowly(3, key, 5) for key in keys.tolist()]
    assert np.bincount(chance(9, np.arange(80_000)) % 8).tolist() == pytest.approx([10_000] * 8, rel=0.05)


def test_noise_is_smooth_and_random_at_the_corners():
    field = noise(4, 13, 19)
    corners = chance(4, np.arange(HEIGHT // 13 + 1)[:, None], np.arange(WIDTH // 19 + 1)) & 255
    assert np.array_equal(field[::13, ::19], corners)
    assert abs(np.diff(field, axis=0)).max() < 255 * 1.5 / 13 + 2 and abs(np.diff(field, axis=1)).max() < 255 * 1.5 / 19 + 2


def test_distance_from_a_line():
    away = from_line(1, (100, 50), (200, 50)) - (noise(1, 30, 30) - 128) // 10
    y, x = np.mgrid[:HEIGHT, :WIDTH]
    assert abs(away - np.hypot(y - 50, x - np.clip(x, 100, 200))).max() <= 1


def test_points_come_again_where_png_still_sees_them():
    points = {(x, y): key for x, y, key in scatter(5, 22, np.ones((HEIGHT, WIDTH), bool), again=True)}
    inside = {(x, y) for x, y in points if x + 154 < WIDTH}
    assert inside and all(points[x + 154, y] == points[x, y] for x, y in inside)
    below = {(x, y) for x, y in points if x >= 44 and y + 66 < HEIGHT}
    assert below and all(points[x - 44, y + 66] == points[x, y] for x, y in below)


@pytest.mark.parametrize(("x", "y"), [(30, 40), (-3, 5), (455, -2), (-1, 361), (-50, 9), (500, 900), (3, -8)])
def test_what_reaches_over_the_edge_is_cut(x: int, y: int):
    mask = np.add.outer(np.arange(8), np.arange(9)) % 3 > 0
    canvas = Canvas()
    canvas.put("grass", 2, np.ones((HEIGHT, WIDTH), bool))
    canvas.put("snow", np.arange(9)[None], mask, x, y)
    canvas.put("", -1, mask, x, y)
    expected = [["grass", 2] for _ in range(HEIGHT * WIDTH)]
    for v, u in np.argwhere(mask).tolist():
        if 0 <= y + v < HEIGHT and 0 <= x + u < WIDTH:
            expected[(y + v) * WIDTH + x + u] = ["snow", max(min(u, 7) - 1, 0)]
    colours = [list(bytes.fromhex(RAMPS[ramp].split()[tone])) for ramp, tone in expected]
    assert canvas.rgb().reshape(-1, 3).tolist() == colours
