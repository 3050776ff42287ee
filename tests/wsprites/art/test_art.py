"""Sheets, characters, backgrounds and credits."""

from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image
from samples import LAYERS, characters_in, draw_sheet
from slow_compositor import character_cell

from wsprites.art import Art, load_art, load_world
from wsprites.art.alpha import over
from wsprites.art.sheets import CELL_OF, CELL_PLACES, read_sheet
from wsprites.errors import ArgumentError, UserError
from wsprites.world.actions import LocalAction
from wsprites.world.script import split_sizes
from wsprites.world.spec import PRESETS

PAPER = PRESETS["paper"]


def test_cells_are_those_of_the_fact_sheet():
    assert len(CELL_PLACES) == len(set(CELL_PLACES)) == 84
    assert CELL_OF[:9].max() == 62
    row, column = zip(*[CELL_PLACES[cell] for cell in CELL_OF[LocalAction.spellcast_left]], strict=True)
    assert set(row) == {1}
    assert list(column) == [0, 1, 2, 3, 4, 5, 4, 6]
    assert CELL_PLACES[CELL_OF[LocalAction.walk_back, 0]] == (8, 8)
    assert CELL_PLACES[CELL_OF[LocalAction.slash_right, 5]] == (15, 5)


def test_every_character_equals_pillow(art: Art, sheets: Path):
    characters = art.characters
    assert characters.counts == tuple(LAYERS.values())
    for number in range(36):
        parts = np.unravel_index(number, characters.counts)
        paths = [sheets / layer / f"{part}.png" for layer, part in zip(LAYERS, parts, strict=True)]
        atlas = characters.atlas(number)
        for action in LocalAction:
            cycle = (number + action) % 8
            assert np.array_equal(atlas[CELL_OF[action, cycle]], np.asarray(character_cell(paths, action, cycle)))


def test_layers_come_back_as_they_were_read(art: Art, sheets: Path):
    assert np.array_equal(art.characters.cells(2, 1), read_sheet(sheets / "topwear" / "1.png"))


pixels = hnp.arrays(np.uint8, (5, 4))


@settings(max_examples=300)
@given(pixels, pixels)
def test_over_is_exact_and_within_one_of_pillow(source, below):
    ours = over(source, below)
    pillow = np.asarray(Image.alpha_composite(Image.fromarray(below[None]), Image.fromarray(source[None])))[0]
    for s, b, result, theirs in zip(source.tolist(), below.tolist(), ours.tolist(), pillow.tolist(), strict=True):
        alpha_s, alpha_b = Fraction(s[3], 255), Fraction(b[3], 255)
        alpha = alpha_s + alpha_b * (1 - alpha_s)
        colours = [(alpha_s * cs + alpha_b * (1 - alpha_s) * cb) / alpha for cs, cb in zip(s[:3], b[:3], strict=True)] if alpha else [0] * 3
        assert result == [int(value + Fraction(1, 2)) for value in (*colours, 255 * alpha)]
        if alpha:
            assert max(abs(x - y) for x, y in zip(result, theirs, strict=True)) <= 1


@given(hnp.arrays(np.uint8, (20, 4)), hnp.arrays(np.uint8, (20, 3)))
@settings(max_examples=200)
def test_over_an_opaque_pixel_is_pillows(source, colour):
    below = np.dstack([colour[None], np.full((1, 20, 1), 255, np.uint8)])
    pillow = Image.alpha_composite(Image.fromarray(below), Image.fromarray(source[None]))
    assert np.array_equal(over(source, below[0]), np.asarray(pillow)[0])


@pytest.mark.parametrize("height", [1344, 2944, 3456])
def test_taller_sheets_have_the_same_first_rows(tmp_path: Path, height: int):
    draw_sheet(0, 0, (832, height)).save(tmp_path / "tall.png")
    draw_sheet(0, 0).save(tmp_path / "short.png")
    assert np.array_equal(read_sheet(tmp_path / "tall.png"), read_sheet(tmp_path / "short.png"))


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "PA", "1-transparent", "RGB-transparent", "L-transparent"])
def test_any_png_mode(tmp_path: Path, mode: str):
    rgba = draw_sheet(1, 0)
    alpha = np.asarray(rgba)[..., 3]
    path = tmp_path / "sheet.png"
    if mode == "P":
        binary = Image.fromarray(np.where(alpha[..., None] == 255, np.asarray(rgba), 0).astype(np.uint8))
        binary.quantize(200).save(path)
        rgba = binary.quantize(200).convert("RGBA")
    elif mode.endswith("-transparent"):
        plain = Image.fromarray((alpha == 255).astype(np.uint8) * 200).convert(mode.split("-")[0])
        plain.save(path, transparency=(0, 0, 0) if mode.startswith("RGB") else 0)
        with Image.open(path) as image:
            rgba = image.convert("RGBA")
    else:
        rgba.convert(mode).save(path) if mode != "PA" else rgba.convert("LA").save(path)
        with Image.open(path) as image:
            rgba = image.convert("RGBA")
    cells = read_sheet(path)
    y, x = CELL_PLACES[10]
    expected = np.asarray(rgba)[y * 64 : y * 64 + 64, x * 64 : x * 64 + 64]
    assert np.array_equal(cells[10], expected)
    assert (cells[10][..., 3] > 0).any() and (cells[10][..., 3] == 0).any()


def test_whole_characters_directly_in_the_folder(tmp_path: Path):
    for number in (0, 2, 10):
        draw_sheet(0, number).save(tmp_path / f"hero{number}.png")
    characters = characters_in(tmp_path, PAPER.cast.layers)
    assert characters.layers == ("character",)
    assert characters.names == (("hero0", "hero2", "hero10"),)
    assert np.array_equal(characters.atlas(2), read_sheet(tmp_path / "hero10.png"))
    assert load_art(PAPER, tmp_path).world(PAPER).spec.cast.parts == ("character",)


def test_memory_of_the_layers_is_far_below_that_of_all_atlases(art: Art):
    assert art.characters.nbytes < 11 * 84 * 64 * 64 * 4


def break_size(folder: Path) -> str:
    Image.new("RGBA", (832, 1000)).save(folder / "hair" / "0.png")
    return "832 x 1000"


def break_image(folder: Path) -> str:
    (folder / "hair" / "0.png").write_text("hello", encoding="utf-8")
    return "not an image"


def break_data(folder: Path) -> str:
    path = folder / "hair" / "0.png"
    path.write_bytes(path.read_bytes()[:2000])
    return "damaged"


def break_alpha(folder: Path) -> str:
    Image.new("RGB", (832, 1344)).save(folder / "hair" / "0.png")
    return "transparent"


def break_layer(folder: Path) -> str:
    for path in (folder / "hair").iterdir():
        path.unlink()
    return "no PNG file"


def break_folder(folder: Path) -> str:
    break_layer(folder)
    (folder / "hair").rmdir()
    return "'hair' is missing"


@pytest.mark.parametrize("breakage", [break_size, break_image, break_data, break_alpha, break_layer, break_folder])
def test_bad_sheets_are_named_in_one_line(sheets: Path, tmp_path: Path, breakage):
    import shutil

    folder = tmp_path / "broken"
    shutil.copytree(sheets, folder)
    words = breakage(folder)
    with pytest.raises(UserError) as error:
        load_art(PAPER, folder)
    assert words in str(error.value) and str(folder) in str(error.value) and "\n" not in str(error.value)


def test_a_name_that_is_not_text_is_refused(sheets: Path, tmp_path: Path):
    import os
    import shutil

    folder = tmp_path / "names"
    shutil.copytree(sheets, folder)
    shutil.copy(folder / "hair" / "0.png", os.fsencode(folder / "hair") + b"/bad\xff.png")
    with pytest.raises(UserError, match="not printable text"):
        load_art(PAPER, folder)


def test_a_bomb_is_refused_before_it_is_decoded(tmp_path: Path):
    Image.new("1", (30_000, 13_000)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError, match="too large"):
        read_sheet(tmp_path / "bomb.png")


def test_folders_that_are_not_layers_are_named(sheets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    import shutil

    folder = tmp_path / "more"
    shutil.copytree(sheets, folder)
    shutil.copytree(folder / "hair", folder / "hat")
    load_art(PAPER, folder)
    assert caplog.messages == ["left out of the sheets: folders that are not layers of this world: 1 (hat)"]


def test_photos_are_scaled_by_pillow_and_credited(sheets: Path):
    art = load_art(PAPER, sheets, "photos")
    assert art.backgrounds.images.shape == (7, 121, 153, 3)
    from skimage import data

    coffee = Image.fromarray(data.coffee()).resize((153, 121), Image.Resampling.LANCZOS)
    assert np.array_equal(art.backgrounds.images[art.backgrounds.names.index("coffee.png")], np.asarray(coffee))
    assert "Rachel Michetti (CC0)" in art.credits.attribution
    assert len(np.unique(art.backgrounds.images.reshape(7, -1), axis=0)) == 7


def test_a_small_background_is_refused_with_both_sizes(tmp_path: Path, sheets: Path):
    Image.new("RGB", (152, 500)).save(tmp_path / "small.jpg")
    with pytest.raises(UserError, match=r"small.jpg: 152 x 500 pixels; .* needs 153 x 121"):
        load_art(PAPER, sheets, tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "words"), [("bad.png", b"nothing", "bad.png: not an image"), ("readme.txt", b"", "no image in it")]
)
def test_bad_background_folders(tmp_path: Path, sheets: Path, name: str, content: bytes, words: str):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=words):
        load_art(PAPER, sheets, tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        load_art(PAPER, sheets, tmp_path / "absent")


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "L", "P", "I;16", "CMYK"])
def test_backgrounds_of_any_mode(tmp_path: Path, sheets: Path, mode: str):
    ramp = np.tile(np.linspace(0, 255, 160).astype(np.uint8), (130, 1))
    if mode == "I;16":
        Image.fromarray(ramp.astype(np.uint16) * 257).save(tmp_path / "a.png")
    else:
        Image.fromarray(ramp).convert(mode).save(tmp_path / ("a.tif" if mode == "CMYK" else "a.png"))
    image = load_art(PAPER, sheets, tmp_path).backgrounds.images[0].astype(int)
    assert abs(image[60, 76, 0] - 127) < 5 and image[60, 0, 1] < 5 and image[60, -1, 2] > 250


def test_credits_come_from_the_files_beside_the_sheets(art: Art, sheets: Path, backgrounds: Path):
    assert art.credits.licence == "unknown"
    assert "Ada Pixel" in art.credits.attribution and "AUTHORS.txt" in art.credits.attribution
    (sheets / "LICENSE.md").write_text("be kind", encoding="utf-8")
    try:
        assert load_art(PAPER, sheets).credits.licence == "see LICENSE.md of the sheets"
        assert load_art(PAPER, sheets, backgrounds).credits.licence == "see LICENSE.md of the sheets (characters), unknown (backgrounds)"
    finally:
        (sheets / "LICENSE.md").unlink()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_credits_may_be_utf_16_and_hold_control_characters(sheets: Path, encoding: str):
    (sheets / "CREDITS.txt").write_text("Zoë\n\0\x1b[1mPixel", encoding=encoding)
    try:
        assert (
            "CREDITS.txt:\nZoë\n\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}[1mPixel" in load_art(PAPER, sheets).credits.attribution
        )
    finally:
        (sheets / "CREDITS.txt").unlink()


def test_the_hash_of_art_sees_every_pixel_and_every_name(art: Art, sheets: Path, backgrounds: Path, tmp_path: Path):
    import shutil

    assert load_art(PAPER, sheets, backgrounds).sha256 == art.sha256
    folder = tmp_path / "copy"
    shutil.copytree(sheets, folder)
    with Image.open(folder / "shoes" / "0.png") as image:
        changed = image.copy()
    x, y = 64 * CELL_PLACES[5][1] + 32, 64 * CELL_PLACES[5][0] + 50
    red, green, blue, alpha = changed.getpixel((x, y))
    assert alpha > 0
    changed.putpixel((x, y), (red ^ 1, green, blue, alpha))
    changed.save(folder / "shoes" / "0.png")
    assert load_art(PAPER, folder, backgrounds).sha256 != art.sha256
    shutil.copy(sheets / "shoes" / "0.png", folder / "shoes" / "0.png")
    (folder / "hair" / "0.png").rename(folder / "hair" / "00.png")
    assert load_art(PAPER, folder, backgrounds).sha256 != art.sha256


@given(st.lists(st.sampled_from(["1", "2", "10", "a2", "a10", "b"]), unique=True, min_size=1))
@settings(max_examples=30)
def test_sheets_are_in_the_order_of_their_numbers(names):
    from wsprites.art.layouts import natural

    assert sorted(names, key=natural) == [name for name in ["1", "2", "10", "a2", "a10", "b"] if name in names]


def test_worlds_of_many_kinds_of_names(tmp_path: Path):
    (tmp_path / "my.toml").write_text("frames = 7\n", encoding="utf-8")
    for world in (tmp_path / "my.toml", str(tmp_path / "my.toml"), replace(PAPER, frames=7)):
        assert load_world(world).spec.frames == 7
    assert load_world(load_world("factorial")).spec.name == "factorial"
    with pytest.raises(ArgumentError, match="world: a int, not the name of a preset"):
        load_world(7)


def test_a_world_may_take_the_first_sheets_of_each_layer_only():
    world = load_world("axes-one-character")
    assert world.art.characters.names == (("dwarf", "elf", "human"), ("baggy",), ("jacket",), ("bob",), ("boots",))
    assert world.spec.cast.counts == (3, 1, 1, 1, 1) and world.spec.cast.parts == ("body",)
    assert split_sizes(world.spec, 0, 3) == {"train": 1, "val": 1, "test": 1}
    more = replace(PAPER, cast=replace(PAPER.cast, most=(2, 9, 9, 9, 9)))
    assert load_world(more).spec.cast.counts == (2, 6, 6, 6, 1)


def test_painted_backgrounds_are_more_where_test_has_scenes_of_its_own():
    usual, more = load_world("factorial").art.backgrounds, load_world("axes-new-scenes").art.backgrounds
    assert more.names[:13] == usual.names and len(more.names) == 19
    assert np.array_equal(more.images[:13], usual.images)
