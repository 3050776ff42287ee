"""The project's own art: what is committed is what the painter draws, and it stands beside the real sheets by the figures that matter."""

import csv
import hashlib
import io
import re
import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import PIL
import pytest
from PIL import Image, features
from samples import ROOT, characters_in

from assets.painter.__main__ import names, picture
from assets.painter.png import png
from assets.painter.pose import POSES, joints
from assets.painter.solid import GROUND, TILT, Ball, draw, view
from assets.painter.wardrobe import LAYERS
from wsprites.art import ASSETS, load_art
from wsprites.art.characters import Characters
from wsprites.art.credits import own_pictures
from wsprites.art.sheets import CELL_OF, CELL_PLACES
from wsprites.world.actions import LocalAction
from wsprites.world.spec import PRESETS

ORDER = tuple(LAYERS)
ZLIB_NG = "2.3.3"  # inside the Pillow of constraints.txt, with which the committed files were compressed


@pytest.fixture(scope="module")
def own() -> Characters:
    return characters_in(ASSETS / "characters", ORDER)


def rgba(path: Path | io.BytesIO) -> np.ndarray:
    with Image.open(path) as image:
        return np.asarray(image.convert("RGBA"))


def test_pictures_files_and_credits_are_the_same_set():
    rows = own_pictures(ASSETS)
    files = {
        path.relative_to(ASSETS).as_posix() for folder in ("characters", "backgrounds", "faces") for path in (ASSETS / folder).rglob("*.*")
    }
    assert files == set(names()) == {row["file"] for row in rows} and len(rows) == len(files) == 25 + 13 + 6 + 6
    for row in rows:
        assert hashlib.sha256((ASSETS / row["file"]).read_bytes()).hexdigest() == row["sha256"], row["file"]
        assert row["licence"] == "CC0 1.0" and row["author"]
    assert sum((ASSETS / name).stat().st_size for name in files) < 720_000
    assert sum((ASSETS / name).stat().st_size for name in files if name.startswith("faces/")) < 25_000


SAME_ZLIB = (
    features.version("zlib_ng") == ZLIB_NG
    and PIL.__version__ == re.search(r"^pillow==(.*)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)[1]
)


@pytest.mark.parametrize(
    "name",
    [
        *(f"characters/{layer}/{next(iter(looks))}.png" for layer, looks in LAYERS.items()),
        "backgrounds/night.png",
        "backgrounds/new/tavern.png",
        "faces/dwarf.png",
    ],
)
def test_drawing_a_picture_again_gives_the_committed_one(name: str):
    data, committed = picture(name), ASSETS / name
    assert np.array_equal(rgba(io.BytesIO(data)), rgba(committed))
    assert not SAME_ZLIB or data == committed.read_bytes()


@pytest.mark.slow
def test_drawing_everything_again_gives_the_committed_files(tmp_path: Path):
    subprocess.run([sys.executable, "-m", "assets.painter", str(tmp_path)], check=True)
    for name in names():
        drawn, committed = tmp_path / name, ASSETS / name
        assert np.array_equal(rgba(drawn), rgba(committed)), name
        assert not SAME_ZLIB or drawn.read_bytes() == committed.read_bytes(), name
    with (tmp_path / "CREDITS.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["file"] for row in rows] == list(names())
    assert not SAME_ZLIB or rows == own_pictures(ASSETS)


def test_png_keeps_pixels():
    rng = np.random.default_rng(0)
    colours = rng.integers(0, 256, (200, 4), dtype=np.uint8)
    colours[:, 3] = 255
    colours[0] = 0
    image = colours[rng.integers(0, 200, (30, 40))]
    assert np.array_equal(rgba(io.BytesIO(png(image))), image)
    assert np.array_equal(rgba(io.BytesIO(png(image[..., :3].copy())))[..., :3], image[..., :3])


def test_default_art_needs_nothing():
    art = load_art(PRESETS["paper"])
    assert art.characters.counts == (6, 6, 6, 6, 1) and art.world(PRESETS["paper"]).spec.cast.characters == 1296
    assert len(art.backgrounds.names) == 13
    assert art.credits.licence == "CC0 1.0" and "wsprites authors" in art.credits.attribution


def test_new_faces_are_drawn_on_the_bodies_and_change_heads_only(own: Characters):
    """Against Pillow's compositing of the two files; names and every other layer stay."""
    new = load_art(PRESETS["shadow-world"])
    assert new.characters.names == own.names and new.credits == load_art(PRESETS["paper"]).credits
    for number, name in enumerate(own.names[0]):
        body, face = (Image.open(ASSETS / path / f"{name}.png").convert("RGBA") for path in ("characters/body", "faces"))
        sheet = np.asarray(Image.alpha_composite(body, face))
        cells = np.stack([sheet[64 * y : 64 * y + 64, 64 * x : 64 * x + 64] for y, x in CELL_PLACES])
        after, before = new.characters.cells(0, number), own.cells(0, number)
        assert np.array_equal(after, cells)
        changed = (after != before).any(-1)
        assert changed.any((1, 2)).all() and not changed[:, 48:].any() and not changed[:, :12].any()
        assert ((after[..., 3] == 255) >= (before[..., 3] == 255)).all()
    for layer in range(1, 5):
        assert all(np.array_equal(new.characters.cells(layer, n), own.cells(layer, n)) for n in range(own.counts[layer]))


def test_new_faces_of_other_sheets_are_reported(sheets: Path, backgrounds: Path, caplog: pytest.LogCaptureFixture):
    art = load_art(PRESETS["shadow-world"], sheets, backgrounds)
    assert art.sha256 == load_art(PRESETS["paper"], sheets, backgrounds).sha256
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["cast.faces"]


def test_alpha_is_clear_or_opaque_and_colours_are_those_of_the_ramps():
    for layer, looks in LAYERS.items():
        for name, look in looks.items():
            pixels = rgba(ASSETS / "characters" / layer / f"{name}.png")
            assert pixels.shape == (1344, 832, 4) and set(np.unique(pixels[..., 3])) == {0, 255}
            inside = pixels[pixels[..., 3] > 0][:, :3]
            assert {tuple(c) for c in np.unique(inside, axis=0).tolist()} <= {
                tuple(bytes.fromhex(c)) for ramp in look.ramps for c in ramp.split()
            }
            for ramp in look.ramps[:2]:
                luma = np.array([list(bytes.fromhex(c)) for c in ramp.split()]) @ [0.299, 0.587, 0.114]
                assert len(luma) == 5 and (np.diff(luma) > 0).all(), (layer, name)


def cycles(characters: Characters, chosen: list[int], actions: int = 9) -> np.ndarray:
    """(characters, actions, 8, 64, 64, 4)"""
    return np.stack([characters.atlas(number)[CELL_OF[:actions]] for number in chosen])


def nearest_template_accuracy(clips: np.ndarray) -> float:
    """Share of single frames whose action is that of the nearest mean frame of other characters."""
    n, actions = clips.shape[:2]
    pixels = np.where(clips[..., 3:] > 127, clips[..., :3], 0).reshape(n, actions * 8, -1).astype(np.float32)
    templates, queries = pixels[: n // 2].mean(0), pixels[n // 2 :].reshape(-1, pixels.shape[-1])
    distance = (templates**2).sum(1) - 2 * queries @ templates.T
    truth = np.tile(np.repeat(np.arange(actions), 8), n - n // 2)
    return float((distance.argmin(1) // 8 == truth).mean())


@pytest.fixture(scope="module")
def chosen() -> list[int]:
    return np.random.default_rng(0).choice(1296, 60, replace=False).tolist()


def test_silhouettes_are_as_large_as_the_real_ones(own: Characters, chosen: list[int]):
    share = (cycles(own, chosen, 12)[..., 3] > 127).sum((-1, -2)).mean((0, 2)) / (96 * 128)
    assert (share > 0.06).all() and (share < 0.10).all()
    assert share[:9].mean() == pytest.approx(0.079, abs=0.008)  # the real sheets: 7.7 % to 7.9 %


def test_actions_can_be_told_from_one_frame_as_well_as_on_the_real_sheets(own: Characters, chosen: list[int], real_sheets: Path):
    real = nearest_template_accuracy(cycles(characters_in(real_sheets, ORDER), chosen))
    assert nearest_template_accuracy(cycles(own, chosen)) == pytest.approx(real, abs=0.05)


def test_actions_can_be_told_from_one_frame(own: Characters, chosen: list[int]):
    assert nearest_template_accuracy(cycles(own, chosen)) > 0.92


def test_frames_of_a_cycle_differ_from_their_neighbours(own: Characters):
    clips = cycles(own, [0, 700, 1295], 12)
    for action in LocalAction:
        for frame in range(8):
            following = (frame + 1) % 8
            if CELL_OF[action, frame] == CELL_OF[action, following]:  # LPC's slash ends where it begins
                assert action.name.startswith("slash") and frame == 7
                continue
            a, b = clips[:, action, frame], clips[:, action, following]
            assert ((a != b).any(-1).sum((1, 2)) > 60).all(), (action.name, frame)


def test_left_is_not_right_in_a_mirror(own: Characters):
    clips = cycles(own, [0, 555], 12)
    for animation in ("walk", "spellcast", "slash"):
        left, right = (clips[:, LocalAction[f"{animation}_{side}"]] for side in ("left", "right"))
        assert ((left != right[:, :, :, ::-1]).any(-1).sum((-1, -2)) > 36).all()  # the real ones: 36 pixels of light on the head


def test_feet_stay_on_the_ground_and_heads_in_the_cell(own: Characters):
    solid = cycles(own, [0, 300, 900, 1295], 12)[..., 3] > 0
    rows = solid.any(-1)
    lowest = 63 - rows[..., ::-1].argmax(-1)
    assert lowest.min() >= 57 and lowest.max() <= 62
    assert rows.argmax(-1).min() >= 2
    assert not solid[..., :, 0].any() and not solid[..., :, 63].any()


@pytest.mark.parametrize("layer", ORDER[:-1])
def test_parts_of_a_kind_differ_in_shape_and_colour(own: Characters, layer: str):
    number = ORDER.index(layer)
    cells = [own.cells(number, sheet)[CELL_OF[:9]] for sheet in range(6)]
    for a, b in combinations(cells, 2):
        shape_a, shape_b = a[..., 3] > 0, b[..., 3] > 0
        assert (shape_a & shape_b).sum() / (shape_a | shape_b).sum() < (0.99 if layer == "body" else 0.95)
        assert np.abs(a[shape_a][:, :3].mean(0) - b[shape_b][:, :3].mean(0)).max() > 12


def test_clothes_fit_the_body_in_every_frame(own: Characters):
    """No cloth or shoe floats: it covers or touches the body it is worn by, but for skirts, which swing below it."""
    from scipy.ndimage import binary_dilation

    for body in range(6):
        near = np.stack([binary_dilation(cell[..., 3] > 0, iterations=2) for cell in own.cells(0, body)])
        for layer in (1, 2, 4):
            for sheet, name in enumerate(own.names[layer]):
                worn = own.cells(layer, sheet)[..., 3] > 0
                inside = (worn & near).sum((1, 2)) / worn.sum((1, 2))
                assert inside.min() > (0.6 if name in ("skirt", "kilt", "robe") else 0.85), (body, name)


def test_view_finds_the_surface_of_a_ball():
    """Against the ray's equation, solved by marching along it."""
    axes = ((0.6, 0.8, 0.0), (-0.8, 0.6, 0.0), (0.0, 0.0, 1.0))
    ball = Ball((3.0, 2.0, 20.0), (9.0, 5.0, 7.0), 0, 0, axes)
    seen = view([ball])
    y, x = np.mgrid[:192:2, :192:2]
    sx, up = (x + 0.5) / 3 - 32, GROUND - (y + 0.5) / 3
    depth = np.full(sx.shape, -np.inf)
    for t in np.arange(-10, 14, 0.01):
        p = np.stack([sx - 3.0, np.full_like(sx, t - 2.0), up + TILT * t - 20.0])
        along = [sum(a[i] * p[i] for i in range(3)) / r for a, r in zip(axes, ball.radii, strict=True)]
        depth = np.where(sum(c * c for c in along) <= 1, t, depth)
    found = seen.depth[::2, ::2]
    hit = np.isfinite(found)
    assert (hit == np.isfinite(depth)).mean() > 0.999
    both = hit & np.isfinite(depth)
    assert np.abs(found[both] - depth[both]).max() < 0.02


def test_what_lies_behind_is_not_drawn():
    ball = Ball((0.0, 0.0, 30.0), (8.0, 8.0, 8.0), 0, 0)
    seen = view([ball])
    assert (draw([ball], seen, np.full_like(seen.depth, -np.inf)).ramp >= 0).sum() > 150
    assert (draw([ball], seen, np.full_like(seen.depth, 100.0)).ramp < 0).all()


@pytest.mark.parametrize("animation", POSES)
def test_bones_keep_their_lengths(animation: str):
    for pose in POSES[animation]:
        for towards in (0.0, 50.0):
            j = joints(pose, towards)
            for bones, length in (
                ((j.shoulders, j.elbows), 6.6), ((j.elbows, j.hands), 6.4), ((j.thighs, j.knees), 6.3), ((j.knees, j.ankles), 6.2)
            ):  # fmt: skip
                for a, b in zip(*bones, strict=True):
                    assert np.linalg.norm(np.subtract(a, b)) == pytest.approx(length, abs=1e-6)
        mirrored = joints(pose.mirrored())
        assert np.allclose(mirrored.hands[0], np.multiply(joints(pose).hands[1], (-1, 1, 1)))
