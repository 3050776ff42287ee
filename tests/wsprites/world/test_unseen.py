"""What a world can never show, against what its scripts do show."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from wsprites.art import Art, World, load_world
from wsprites.errors import UserError
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS, BackgroundSpec, LocalSpec, WalkSpec, WorldSpec
from wsprites.world.unseen import is_motionless, remarks, unseen_actions

WORLDS = [
    replace(
        PRESETS["paper"],
        frames=frames,
        height=64 + height,
        width=64 + width,
        rule=rule,
        facings=facings,
        local=LocalSpec(coupled=coupled, p_inertia=1.0),
        sprite=WalkSpec(p_inertia, 7),
        background=BackgroundSpec(limit=(height + width) % 4),
    )
    for frames, p_inertia in ((1, 1.0), (30, 0.9))
    for height, width in ((0, 0), (0, 1), (1, 0), (1, 2), (2, 2), (32, 0))
    for rule in ("paper", "released")
    for facings in (3, 4)
    for coupled in (True, False)
]


@pytest.mark.parametrize("world", WORLDS, ids=lambda w: f"{w.height}x{w.width}-{w.rule}-{w.facings}-{w.local.coupled}-{w.frames}")
def test_exactly_the_actions_that_are_named_are_never_seen(world: WorldSpec):
    clips = scripts(world, 3, np.arange(600))
    for label, unseen in unseen_actions(world).items():
        actions = tuple(LocalAction)[: 3 * world.facings] if label == "local_action" else tuple(GlobalAction)
        assert set(actions) - set(getattr(clips, label).ravel().tolist()) == set(unseen), label
    assert is_motionless(world) == (not clips.shift.any())


@pytest.mark.parametrize("preset", [preset for preset in PRESETS if preset != "axes-still"])
def test_nothing_is_said_about_the_presets(preset: str):
    assert remarks(PRESETS[preset]) == []


def test_nothing_is_said_about_the_preset_that_is_still_on_purpose(caplog: pytest.LogCaptureFixture):
    assert len(remarks(PRESETS["axes-still"])) == 1
    load_world("axes-still")
    assert not caplog.records
    load_world(replace(PRESETS["axes-still"], name="mine"))
    assert len(caplog.records) == 1


@pytest.mark.parametrize(
    ("toml", "words"),
    [
        ("height = 64\nwidth = 64", "global left, global right, global up, global down"),
        ("height = 65\nwidth = 65\nrule = 'released'", "make width at least 66 and height at least 66"),
        ("height = 32\nwidth = 32\nscale = 0.5", "global left, .* make width at least 33"),
    ],
)
@pytest.mark.bad_input
def test_a_world_in_which_nobody_can_move_is_refused(toml: str, words: str, tmp_path: Path):
    (tmp_path / "still.toml").write_text(toml, encoding="utf-8")
    with pytest.raises(UserError, match=f"world 'still': .*{words}"):
        load_world(tmp_path / "still.toml")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"height": 64}, "height = 64: .* global up, global down, local walk_front; make height at least 65"),
        ({"width": 64, "facings": 4}, "width = 64: .* global left, global right, local walk_left, local walk_right; make width"),
        ({"background": BackgroundSpec(limit=0)}, "background.limit = 0: .* background down; make it 1 or more"),
        ({"frames": 1}, "frames = 1: no motion"),
        ({"height": 67, "sprite": WalkSpec(step=4)}, r"sprite.step = 4: longer than the way in y \(3 pixels\)"),
        ({"background": BackgroundSpec(step=9, limit=8)}, r"background.step = 9: longer than the way in x \(8 pixels\) and y"),
    ],
)
def test_what_cannot_be_seen_is_told_by_name(changes: dict, words: str, caplog: pytest.LogCaptureFixture):
    import re

    load_world(replace(PRESETS["paper"], **changes))
    (line,) = caplog.messages
    assert re.search(words, line)


def test_changes_of_a_world_are_looked_at_again(art: Art, caplog: pytest.LogCaptureFixture):
    world = art.world(PRESETS["paper"])
    assert world.replace(frames=30).spec.frames == 30 and caplog.messages == []
    assert world.replace(width=64).replace(frames=7).spec.frames == 7
    assert len(caplog.messages) == 1 and "width = 64" in caplog.messages[0]
    with pytest.raises(UserError, match="so these actions can never be seen"):
        world.replace(width=64, height=64)


def test_worlds_in_files_are_read_whatever_they_are(art: Art):
    still = replace(PRESETS["paper"], width=64, height=64)
    assert World(art.world(still).spec, art).spec.sprite_box == (0, 0)
