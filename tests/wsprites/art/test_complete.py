"""Sheets that lack an animation are refused, or left out with their number; nobody is ever invisible."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from samples import draw_sheet

from wsprites.art import load_art, load_world
from wsprites.errors import UserError
from wsprites.render import render
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS

PAPER = PRESETS["paper"]
ROWS = {"spellcast": 0, "walk": 8, "slash": 12}


def without(sheet: Image.Image, *animations: str, rows: range = range(4)) -> Image.Image:
    """A sheet with some rows of some animations erased."""
    copy = sheet.copy()
    for animation in animations:
        for row in rows:
            y = 64 * (ROWS[animation] + row)
            copy.paste((0, 0, 0, 0), (0, y, 832, y + 64))
    return copy


@pytest.fixture
def layered(sheets: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "layers"
    shutil.copytree(sheets, folder)
    return folder


@pytest.mark.bad_input
@pytest.mark.parametrize("animation", ROWS)
def test_a_whole_character_without_an_animation_is_refused_by_name(animation: str, tmp_path: Path):
    draw_sheet(0, 0).save(tmp_path / "adult.png")
    without(draw_sheet(0, 1), animation).save(tmp_path / "child.png")
    with pytest.raises(UserError, match=f"1 of 2 sheets .*'child' of layer 'character' has no {animation}.*pass skip_incomplete=True"):
        load_art(PAPER, tmp_path)


@pytest.mark.bad_input
def test_an_empty_character_has_no_animation_at_all(tmp_path: Path):
    Image.new("RGBA", (832, 1344)).save(tmp_path / "a.png")
    for skip_incomplete, words in (
        (False, "has no spellcast and no walk and no slash"),
        (True, "no sheet of the layer 'character' is complete"),
    ):
        with pytest.raises(UserError, match=words):
            load_art(PAPER, tmp_path, skip_incomplete=skip_incomplete)


def test_incomplete_characters_are_left_out_and_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    for number in range(3):
        draw_sheet(0, number).save(tmp_path / f"adult{number}.png")
    without(draw_sheet(0, 9), "spellcast").save(tmp_path / "child.png")
    world = load_world("paper", tmp_path, skip_incomplete=True)
    assert world.art.characters.names == (("adult0", "adult1", "adult2"),) and world.spec.cast.characters == 3
    (line,) = caplog.messages
    assert "'child' of layer 'character' has no spellcast" in line and line.endswith("1 of 4 characters left out")
    masks = render(world, scripts(world.spec, 0, np.arange(6))).masks_thw
    assert masks.any((2, 3)).all()


@pytest.mark.bad_input
def test_a_part_that_is_seen_in_some_animations_only_is_refused(layered: Path, caplog: pytest.LogCaptureFixture):
    without(draw_sheet(3, 1), "walk", "spellcast").save(layered / "hair" / "1.png")
    with pytest.raises(UserError, match="'1' of layer 'hair' has no spellcast and no walk"):
        load_art(PAPER, layered)
    art = load_art(PAPER, layered, skip_incomplete=True)
    assert art.characters.counts == (3, 2, 3, 1, 1) and caplog.messages[-1].endswith("18 of 36 characters left out")
    assert art.characters.names[3] == ("0",)


def test_an_entirely_clear_part_is_a_choice(layered: Path, caplog: pytest.LogCaptureFixture):
    Image.new("RGBA", (832, 1344)).save(layered / "hair" / "2.png")
    assert load_art(PAPER, layered).characters.counts == (3, 2, 3, 3, 1)
    assert caplog.messages == []


@pytest.mark.bad_input
def test_nobody_is_invisible_in_any_combination(layered: Path):
    for layer in ("body", "bottomwear", "topwear", "hair", "shoes"):
        Image.new("RGBA", (832, 1344)).save(layered / layer / "clear.png")
    for skip_incomplete in (False, True):
        with pytest.raises(UserError, match=r"body 'clear', .* shoes 'clear' cannot be seen in frame 0 of walk_front"):
            load_art(PAPER, layered, skip_incomplete=skip_incomplete)


def test_only_the_facings_of_the_world_count(tmp_path: Path):
    without(draw_sheet(0, 0), "walk", rows=range(1)).save(tmp_path / "a.png")  # the first row shows the back
    load_art(PAPER, tmp_path)
    with pytest.raises(UserError, match="'a' of layer 'character' has no walk"):
        load_art(replace(PAPER, facings=4), tmp_path)


def test_the_command_names_its_option_and_says_how_many(run, tmp_path: Path):
    (tmp_path / "s").mkdir()
    draw_sheet(0, 0).save(tmp_path / "s" / "adult.png")
    without(draw_sheet(0, 1), "spellcast").save(tmp_path / "s" / "child.png")
    code, _, err = run("generate", "--n", 2, "--sheets", "s", "--out", "a.h5")
    assert code == 2 and "--skip-incomplete" in err and err.count("\n") == 1
    code, out, err = run("generate", "--n", 2, "--sheets", "s", "--out", "a.h5", "--skip-incomplete", "--dry-run")
    assert code == 0 and "1 character (1 character)" in out
