"""Worlds without some animations: sheets that lack them can be used, nobody is invisible, and no action of them is seen or done."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image
from samples import draw_sheet

from wsprites.art import World, load_art, load_world
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import SpecError
from wsprites.file import DataFile
from wsprites.generate import Order, generate
from wsprites.render import render
from wsprites.view.theory import coupled_joint, joint_counts, local_runs
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS, LocalSpec, WorldSpec, load_spec
from wsprites.world.unseen import remarks, unseen_actions

PAPER, FACTORIAL = PRESETS["paper"], PRESETS["factorial"]
WALK, SPELLCAST, SLASH = {0, 1, 2, 9}, {3, 4, 5, 10}, {6, 7, 8, 11}


@pytest.fixture(scope="module")
def unmagical(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole characters without spellcast, and one with it."""
    folder = tmp_path_factory.mktemp("unmagical")
    for number in range(3):
        sheet = draw_sheet(0, number)
        if number:
            sheet.paste((0, 0, 0, 0), (0, 0, 832, 256))
        sheet.save(folder / f"{number}.png", compress_level=1)
    return folder


@pytest.fixture(scope="module")
def world(unmagical: Path) -> World:
    return load_world(replace(PAPER, frames=30), unmagical, animations=["walk", "slash"])


# The numbers of a world.


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("animations", "coupled", "words"),
    [
        ((), False, "must name at least one of walk, spellcast, slash"),
        (("walk", "jump"), True, "'jump' is not one of walk, spellcast, slash"),
        (("walk", ""), True, "'' is not one of"),
        (("walk", "slash", "walk"), True, "must name no animation twice"),
        (("slash", "spellcast"), True, "moves has nothing to show; add walk, or set local.coupled = false"),
        (("walk",), True, "stands has nothing to show; add spellcast or slash, or set local.coupled = false"),
        ("walk", False, "must be a list of str"),
        ((1,), False, "must be a list of str"),
    ],
)
def test_impossible_animations_are_refused(animations: object, coupled: bool, words: str):
    with pytest.raises(SpecError, match="^animations = .*" + words):
        WorldSpec(animations=animations, local=LocalSpec(coupled=coupled))


def test_the_field_is_written_only_where_it_is_used(tmp_path: Path):
    assert "animations" not in json.loads(PAPER.to_json())
    spec = replace(PAPER, animations=("walk", "slash"))
    assert json.loads(spec.to_json())["animations"] == ["walk", "slash"] and WorldSpec.from_json(spec.to_json()) == spec
    (tmp_path / "w.toml").write_text('animations = ["walk", "slash"]\n', encoding="utf-8")
    assert load_spec(str(tmp_path / "w.toml")) == replace(spec, name="w")


def test_what_is_left_out_on_purpose_is_no_remark():
    spec = replace(PAPER, animations=("walk", "slash"))
    assert remarks(spec) == [] and unseen_actions(spec)["local_action"] == ()


# Labels and pixels.


@pytest.mark.parametrize("facings", [3, 4])
@pytest.mark.parametrize(
    ("spec", "animations", "possible"),
    [
        (PAPER, ("slash", "walk"), WALK | SLASH),
        (PRESETS["released"], ("walk", "spellcast"), WALK | SPELLCAST),
        (FACTORIAL, ("spellcast",), SPELLCAST),
        (replace(FACTORIAL, rule="released"), ("spellcast", "slash"), SPELLCAST | SLASH),
    ],
)
def test_exactly_the_actions_of_the_world_are_seen(spec: WorldSpec, animations: tuple[str, ...], possible: set[int], facings: int):
    spec = replace(spec, animations=animations, facings=facings)
    expected = {action for action in possible if action < 3 * facings}
    assert set(np.unique(scripts(spec, 0, range(100)).local_action).tolist()) == expected == set(spec.local_actions)


def test_a_file_of_sheets_without_an_animation(unmagical: Path, run, tmp_path: Path):
    (tmp_path / "w.toml").write_text("frames = 12\n", encoding="utf-8")
    command = ("generate", "--n", 12, "--out", "a.h5", "--world", "w.toml", "--sheets", unmagical)
    code, _, err = run(*command)
    assert code == 2 and "set the world's animations" in err and err.count("\n") == 1
    code, _, err = run(*command, "--animations", "walk,jump")
    assert code == 2 and "'jump' is not one of" in err and err.count("\n") == 1
    code, out, err = run(*command, "--animations", "walk, slash")
    assert code == 0, err
    assert "animations walk and slash only" in out and "3 characters" in out
    with DataFile(tmp_path / "a.h5") as data:
        assert data.spec.animations == ("walk", "slash")
        for split in data.splits.values():
            assert set(np.unique(split["local_action"][...]).tolist()) <= WALK | SLASH
            assert split["masks"][...].any((2, 3)).all()
    code, out, _ = run("verify", "a.h5")
    assert code == 0
    code, out, _ = run("info", "a.h5")
    assert code == 0 and "slash_front" in out and "spellcast" not in out


def test_every_cell_that_can_be_shown_is_visible(world: World):
    assert render(world, scripts(world.spec, 1, range(6))).masks_thw.any((-2, -1)).all()
    with pytest.raises(ArgumentError, match="animations: the sheets were not checked for spellcast"):
        world.replace(animations=("walk", "spellcast", "slash"))


def test_a_part_that_is_seen_in_no_animation_of_the_world_is_refused(sheets: Path, tmp_path: Path):
    shutil.copytree(sheets, tmp_path / "s")
    wand = draw_sheet(3, 0)
    wand.paste((0, 0, 0, 0), (0, 256, 832, 1344))  # spellcast only
    wand.save(tmp_path / "s" / "hair" / "wand.png")
    Image.new("RGBA", (832, 1344)).save(tmp_path / "s" / "hair" / "none.png")
    with pytest.raises(UserError, match=r"1 of .*'wand' of layer 'hair' has no walk and no slash"):
        load_art(replace(PAPER, animations=("walk", "slash")), tmp_path / "s")


def test_a_label_of_another_animation_is_damage(world: World, tmp_path: Path):
    generate(Order(world, seed=0, n=9, frames=False, masks=False), tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        file["train/local_action"][0, 3] = 4
    with DataFile(tmp_path / "a.h5") as data, pytest.raises(UserError, match=r"local_action of row 0 is not in the world's animations"):
        data["train"].script(0)


# Theory.


def test_the_theory_is_that_of_the_actions_of_the_world():
    spec = replace(PAPER, animations=("walk", "slash"))
    script = scripts(spec, 1, np.arange(2000))
    joint = joint_counts(script.global_action, script.local_action, (5, 9))
    assert np.abs(joint / joint.sum() - coupled_joint(joint.sum(1) / joint.sum(), 3, animations=spec.animations)).max() < 0.005
    assert sorted(label for kind in local_runs(spec) for label in kind.labels) == [0, 1, 2, 6, 7, 8]
    assert [kind.name for kind in local_runs(spec)][-1] == "slash"
    # A chain of six actions is kept by inertia, or drawn again by chance.
    spec = replace(FACTORIAL, animations=("walk", "slash"), local=LocalSpec(coupled=False, p_inertia=0.5))
    local_nt = scripts(spec, 1, np.arange(1000)).local_action
    (kind,) = local_runs(spec)
    assert kind.p_keep == 0.5 + 0.5 / 6 and abs((local_nt[:, 1:] == local_nt[:, :-1]).mean() - kind.p_keep) < 0.01


# Environments.


@pytest.mark.parametrize("action", [3, 5])
def test_environments_refuse_an_action_that_the_world_lacks(world: World, action: int):
    pytest.importorskip("gymnasium")
    from wsprites.env import WalkEnv, WalkVectorEnv

    env = WalkEnv(world=world, length=5)
    env.reset(seed=0)
    before = env.state()
    with pytest.raises(ArgumentError, match=f"^action: this world has no spellcast_.* \\({action}\\); its local actions are 0 walk_front"):
        env.step(np.array([0, action]))
    assert env.state() is before
    env.step(np.array([0, 6]))
    envs = WalkVectorEnv(2, world=world, length=5)
    envs.reset(seed=0)
    with pytest.raises(ArgumentError, match=r"^actions: this world has no spellcast"):
        envs.step(np.array([[0, 0], [1, action]]))
    assert envs.step(np.array([[0, 0], [1, 6]]))[4]["local_action"].tolist() == [0, 6]


def test_an_action_that_is_not_looked_at_may_be_any(world: World):
    pytest.importorskip("gymnasium")
    from wsprites.env import WalkVectorEnv

    spec = replace(world.spec, animations=("slash",), local=LocalSpec(coupled=False))
    envs = WalkVectorEnv(1, world=World(spec, world.art), length=1)
    envs.reset(seed=0)
    envs.step(np.array([[4, 6]]))
    envs.step(np.array([[4, 0]]))  # the next episode begins
