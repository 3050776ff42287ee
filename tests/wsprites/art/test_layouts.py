"""Sheets as the Universal LPC generator exports them, against the same sheet in one picture; and what is left out of a folder."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import LAYERS, characters_in, draw_sheet

from wsprites.art import load_art
from wsprites.art.sheets import read_sheet
from wsprites.errors import ArgumentError, UserError
from wsprites.world.spec import PRESETS

PAPER = PRESETS["paper"]
ROWS = {"spellcast": 0, "walk": 8, "slash": 12}
FRAMES = {"spellcast": 7, "walk": 9, "slash": 6}
CREDITS = "body/male/walk.png\n\t- Licenses:\n\t\t- CC-BY-SA 3.0\n\t- Authors:\n\t\t- Ada Pixel\n"


def block(sheet: Image.Image, animation: str) -> Image.Image:
    """The four rows of an animation, 832 x 256."""
    return sheet.crop((0, 64 * ROWS[animation], 832, 64 * ROWS[animation] + 256))


def by_animation(folder: Path, items: list[Image.Image]) -> None:
    (folder / "standard").mkdir()
    for animation in ROWS:
        block(merged(items), animation).save(folder / "standard" / f"{animation}.png", compress_level=1)
    (folder / "standard" / "notes.txt").write_text("x", encoding="utf-8")
    Image.new("RGBA", (832, 256)).save(folder / "standard" / "thrust.png", compress_level=1)
    (folder / "custom").mkdir()
    Image.new("RGBA", (1152, 768)).save(folder / "custom" / "slash_oversize.png", compress_level=1)


def by_narrow_animation(folder: Path, items: list[Image.Image]) -> None:
    """As cut by other tools: only the columns that have a picture, and no folder around them."""
    for animation, frames in FRAMES.items():
        block(merged(items), animation).crop((0, 0, 64 * frames, 256)).save(folder / f"{animation}.png", compress_level=1)


def by_item(folder: Path, items: list[Image.Image]) -> None:
    (folder / "items").mkdir()
    for z, item in zip((9, 10, 100), items, strict=True):
        item.save(folder / "items" / f"{z:03} some item.png", compress_level=1)


def by_animation_and_item(folder: Path, items: list[Image.Image]) -> None:
    for animation in ROWS:
        (folder / "standard" / animation).mkdir(parents=True)
        for z, item in zip((9, 10, 100), items, strict=True):
            block(item, animation).save(folder / "standard" / animation / f"{z:03} some item.png", compress_level=1)


def by_frame(folder: Path, items: list[Image.Image], directions: tuple[str, ...] = ("up", "left", "down", "right")) -> None:
    for animation in ROWS:
        rows = block(merged(items), animation)
        for row, direction in enumerate(directions):
            (folder / "standard" / animation / direction).mkdir(parents=True)
            for column in range(13):
                frame = rows.crop((64 * column, 64 * row, 64 * column + 64, 64 * row + 64))
                if animation == "walk":
                    (folder / "standard" / "jump" / direction).mkdir(parents=True, exist_ok=True)
                if frame.getbbox():  # the generator leaves out empty frames
                    frame.save(folder / "standard" / animation / direction / f"{column + 1}.png", compress_level=1)


def by_frame_in_an_old_version(folder: Path, items: list[Image.Image]) -> None:
    """Versions that named the rows in another order than they are in; their metadata say so."""
    directions = ("up", "down", "left", "right")
    by_frame(folder, items, directions)
    (folder / "credits").mkdir(exist_ok=True)
    (folder / "credits" / "metadata.json").write_text(json.dumps({"directions": directions}), encoding="utf-8")


def merged(items: list[Image.Image]) -> Image.Image:
    whole = items[0]
    for item in items[1:]:
        whole = Image.alpha_composite(whole, item)
    return whole


EXPORTS = [by_animation, by_narrow_animation, by_item, by_animation_and_item, by_frame, by_frame_in_an_old_version]


@pytest.fixture(scope="module")
def items() -> list[Image.Image]:
    return [draw_sheet(layer, 0) for layer in range(3)]


@pytest.fixture(scope="module")
def expected(items: list[Image.Image], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    path = tmp_path_factory.mktemp("whole") / "whole.png"
    merged(items).save(path, compress_level=1)
    return read_sheet(path)


def export(folder: Path, layout, items: list[Image.Image]) -> Path:
    folder.mkdir()
    layout(folder, items)
    (folder / "character.json").write_text("{}", encoding="utf-8")
    (folder / "credits").mkdir(exist_ok=True)
    (folder / "credits" / "credits.txt").write_text(CREDITS, encoding="utf-8")
    return folder


@pytest.mark.parametrize("layout", EXPORTS)
def test_an_export_is_one_character_with_its_credits(layout, items, expected, tmp_path: Path):
    art = load_art(PAPER, export(tmp_path / "knight", layout, items))
    assert (art.characters.layers, art.characters.names) == (("character",), (("knight",),))
    assert np.array_equal(art.characters.atlas(0), expected)
    assert "Ada Pixel" in art.credits.attribution and art.credits.licence == "see credits/credits.txt of the sheets"


def test_whole_characters_are_refused_where_a_world_counts_the_sheets_of_layers(items, tmp_path: Path, run):
    folder = export(tmp_path / "knight", by_item, items)
    words = r"knight: whole characters, but cast.most of the world 'axes-one-character' counts the sheets of body, bottomwear, .*; use a "
    with pytest.raises(ArgumentError, match=f"^sheets: .*{words}"):
        load_art(PRESETS["axes-one-character"], folder)
    code, _, err = run("generate", "--n", 12, "--out", "d.h5", "--world", "axes-one-character", "--sheets", folder)
    assert code == 2 and err.count("\n") == 1 and err.startswith("wsprites: --sheets: ")


@pytest.mark.parametrize(("layout", "inside"), [(by_animation, "standard"), (by_frame, "standard"), (by_item, "items")])
def test_a_folder_inside_an_export_stands_for_it(layout, inside, items, expected, tmp_path: Path):
    art = load_art(PAPER, export(tmp_path / "knight", layout, items) / inside)
    assert art.characters.names == (("knight",),) and np.array_equal(art.characters.atlas(0), expected)
    assert "Ada Pixel" in art.credits.attribution


def test_exports_of_all_kinds_lie_beside_whole_sheets(items, expected, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for number, layout in enumerate(EXPORTS):
        export(tmp_path / f"hero{number}", layout, items)
    merged(items).save(tmp_path / "hero10.png")
    (tmp_path / "more.zip").write_bytes(b"PK")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "empty").mkdir()
    merged(items).save(tmp_path / "hero4" / "sheet.png")
    art = load_art(PAPER, tmp_path)
    assert art.characters.names == ((*(f"hero{number}" for number in range(6)), "hero10"),)
    assert all(np.array_equal(art.characters.atlas(number), expected) for number in range(7))
    assert art.credits.attribution.count("Ada Pixel") == 1  # the credits of all six are equal
    assert caplog.messages == [
        "left out of the sheets: ZIP files, which have to be unpacked: 1 (more.zip)",
        "left out of the sheets: animations in larger cells (custom/): 1 (hero0/slash_oversize.png)",
        "left out of the sheets: animations other than walk, spellcast and slash: 3 (hero0/thrust.png, hero4/jump, hero5/jump)",
        "left out of the sheets: files and folders beside those of an export: 1 (hero4/sheet.png)",
        "left out of the sheets: files that are neither PNG nor credits: 2 (hero0/notes.txt, notes.txt)",
        "left out of the sheets: folders without sheets: 1 (empty)",
    ]


def test_a_layer_may_hold_exports(sheets: Path, tmp_path: Path):
    folder = tmp_path / "layers"
    shutil.copytree(sheets, folder)
    (folder / "hair" / "1.png").unlink()
    by_narrow_animation(export(folder / "hair" / "1", lambda *_: None, []), [draw_sheet(3, 1)])
    assert load_art(PAPER, folder).characters.names == characters_in(sheets, tuple(LAYERS)).names
    assert load_art(PAPER, folder).sha256 == load_art(PAPER, sheets).sha256


@pytest.mark.parametrize("size", [(1536, 3456 + 768), (1152, 1344), (832, 1344 + 512), (2496, 3456 + 1536)])
def test_oversize_weapons_are_left_out(size, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    draw_sheet(0, 0).save(tmp_path / "usual.png")
    wide = Image.new("RGBA", size)
    wide.paste(draw_sheet(0, 0), (0, 0))
    wide.paste((200, 0, 0, 255), (64, max(size[1] - 128, 1344), 900, size[1]))
    wide.save(tmp_path / "wide.png")
    characters = load_art(PAPER, tmp_path).characters
    assert np.array_equal(characters.atlas(0), characters.atlas(1))
    beyond = size[0] > 832 or size[1] > 3456
    assert caplog.messages == ["left out of the sheets: parts of sheets beyond 832 x 3456 pixels, in larger cells: 1 (wide.png)"] * beyond


def doubled(path: Path) -> str:
    draw_sheet(0, 0).resize((1664, 2688), Image.Resampling.NEAREST).save(path / "a.png", compress_level=1)
    return "beside the first 832 columns .* scale the sheet back"


def cut(path: Path) -> str:
    draw_sheet(0, 0).crop((0, 0, 800, 1344)).save(path / "a.png", compress_level=1)
    return "800 x 1344 pixels; an LPC sheet"


def narrow(path: Path) -> str:
    by_narrow_animation(path, [draw_sheet(0, 0)])
    Image.new("RGBA", (320, 256)).save(path / "walk.png", compress_level=1)
    return "walk.png: 320 x 256 pixels; this animation .* has 576 x 256"


def large_frames(path: Path) -> str:
    by_frame(path, [draw_sheet(0, 0)])
    Image.new("RGBA", (128, 128)).save(path / "standard" / "walk" / "left" / "3.png", compress_level=1)
    return "left/3.png: 128 x 128 pixels; a frame has 64 x 64"


def rotated(path: Path) -> str:
    exif = Image.Exif()
    exif[0x0112] = 6
    draw_sheet(0, 0).save(path / "a.png", exif=exif, compress_level=1)
    return "a.png: the sheet is stored rotated"


def huge(path: Path) -> str:
    Image.new("1", (64 * 130, 64 * 130)).save(path / "a.png", compress_level=1)
    return "8320 x 8320 pixels"


@pytest.mark.bad_input
@pytest.mark.parametrize("spoil", [doubled, cut, narrow, large_frames, rotated, huge])
def test_pictures_of_another_size_are_refused(spoil, tmp_path: Path):
    words = spoil(tmp_path)
    with pytest.raises(UserError, match=words):
        load_art(PAPER, tmp_path)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--sheets", "lpc.zip"], "--sheets: lpc.zip: not a folder; unpack it"),
        (["--sheets", "empty"], "empty: the folder 'body' is missing"),
        (["--sheets", "doubled"], "scale the sheet back to its original size"),
        (["--world", "still.toml"], "world 'still': width = 64 and height = 64: no room beside the character's cell"),
        (["--world", "third.toml"], "third.toml: scale = 0.33 gives cells of 21.12 pixels"),
    ],
)
def test_the_command_answers_in_one_line(options, words, run, tmp_path: Path):
    (tmp_path / "lpc.zip").write_bytes(b"PK")
    (tmp_path / "empty").mkdir()
    (tmp_path / "doubled").mkdir()
    doubled(tmp_path / "doubled")
    (tmp_path / "still.toml").write_text("height = 64\nwidth = 64", encoding="utf-8")
    (tmp_path / "third.toml").write_text("scale = 0.33", encoding="utf-8")
    code, out, err = run("generate", "--n", 2, "--out", "a.h5", *options)
    assert code == 2 and words in err and err.count("\n") == 1 and out == ""
    assert not (tmp_path / "a.h5").exists()


def test_what_is_not_an_image_is_left_out_of_the_backgrounds(sheets: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    Image.new("RGB", (200, 180)).save(tmp_path / "a.png")
    (tmp_path / "notes.txt").write_text("x", encoding="utf-8")
    (tmp_path / "more").mkdir()
    assert load_art(PAPER, sheets, tmp_path).backgrounds.names == ("a.png",)
    assert caplog.messages == ["left out of the backgrounds: folders and files that are not images: 2 (more, notes.txt)"]


@pytest.mark.bad_input
def test_a_zip_file_has_to_be_unpacked(tmp_path: Path):
    (tmp_path / "lpc.zip").write_bytes(b"PK")
    with pytest.raises(ArgumentError, match=r"lpc.zip: not a folder; unpack it"):
        load_art(PAPER, tmp_path / "lpc.zip")


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["hero.zip"], r"no sheets but ZIP files \(hero.zip\); unpack each"),
        (["a.ZIP", "b.zip", "notes.txt"], r"no sheets but ZIP files \(a.ZIP, ...\); unpack each"),
        (["body/hero.zip"], r"body: holds no sheets but ZIP files \(hero.zip\); unpack each"),
        (["notes.txt"], r"'body' is missing"),
    ],
)
def test_a_folder_of_zip_files_asks_to_unpack_them(tmp_path: Path, names: list[str], words: str):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"PK")
    with pytest.raises(UserError, match=words):
        load_art(PAPER, tmp_path)


@pytest.mark.parametrize("metadata", ["", "[]", "{}", '{"directions": 3}', '{"directions": ["up", "up", "left", "right"]}', "[" * 100_000])
def test_metadata_of_strangers_are_not_trusted(metadata, items, expected, tmp_path: Path):
    folder = export(tmp_path / "knight", by_frame, items)
    (folder / "credits" / "metadata.json").write_text(metadata, encoding="utf-8")
    assert np.array_equal(load_art(PAPER, folder).characters.atlas(0), expected)
