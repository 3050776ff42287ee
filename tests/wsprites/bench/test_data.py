"""Standard worlds and data files as data to score on."""

from pathlib import Path

import numpy as np
import pytest

from wsprites.bench import data
from wsprites.errors import UserError


def test_the_standard_worlds_never_change():
    """Their names stand for these hashes. A change of world, seed or art is a new name: -v2."""
    assert data.STANDARD.keys() == HASHES.keys()
    for name, expected in HASHES.items():
        parts = data.standard(name)
        assert parts.sha256[:16] == expected
        assert (len(parts.fit), len(parts.scored), parts.name) == (200, 500, name)
        assert not set(parts.fit.script.character.tolist()) & set(parts.scored.script.character.tolist())


HASHES = {
    "wsprites-paper-v1": "c8056ca092d58749",
    "wsprites-factorial-v1": "f708ac340d431e2a",
    "wsprites-axes-still-v1": "947bb1fb48291789",
    "wsprites-axes-moving-v1": "229850edb1de2ea1",
    "wsprites-axes-no-inertia-v1": "4b6a212e82422729",
    "wsprites-axes-position-v1": "1d9a33f8994f6228",
    "wsprites-axes-one-character-v1": "c9709649044f0554",
    "wsprites-axes-new-scenes-v1": "085468eacc2a036f",
    "wsprites-shadow-world-v1": "0b4415356d83116f",
}


def test_new_scenes_are_those_of_no_other_world():
    parts, base = data.standard("wsprites-axes-new-scenes-v1", clips=40), data.standard("wsprites-factorial-v1", clips=40)
    names, known = parts.scored.art.backgrounds.names, base.scored.art.backgrounds.names
    shown = {part.name: {names[scene] for scene in part.script.background.tolist()} for part in parts.parts}
    assert shown["test"] == {"deck.png", "graveyard.png", "orchard.png", "ruins.png", "swamp.png", "tavern.png"}
    assert shown["val"] <= set(known) and not shown["test"] & set(known)
    for part in parts.parts:  # and the twins of a clip in front of another scene are of the same split
        scenes = part.spec.scenes(part.name)
        twins = data.other_background(part, part.script).background
        assert (twins != part.script.background).all() and set(twins.tolist()) <= set(scenes)


def test_the_axes_show_the_actions_of_the_base_world_where_they_can():
    base = data.standard("wsprites-factorial-v1", clips=20).scored.script
    labels = ("character", "global_action", "local_action", "position")
    for axis in ("still", "moving", "new-scenes"):
        changed = data.standard(f"wsprites-axes-{axis}-v1", clips=20).scored.script
        assert all(np.array_equal(getattr(changed, label), getattr(base, label)) for label in labels), axis


def test_a_name_is_a_standard_world_or_else_a_file(data_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    Path("wsprites-paper-v1").touch()  # the name of a standard world means that world; ./wsprites-paper-v1 would be the file
    assert data.open_data("wsprites-paper-v1", clips=2).name == "wsprites-paper-v1-first-2"
    assert data.open_data(str(data_file), split="val", clips=2).name == "data.h5:val-first-2"
    for name, options, line in (
        ("no.h5", {}, "data: 'no.h5' is neither a file nor a standard world"),
        ("wsprites-paper-v1", {"split": "val"}, "split: 'val' is only for data files"),
        ("./wsprites-paper-v1", {}, "wsprites-paper-v1: "),
        (str(data_file), {"split": "all"}, "split: 'all' is not one of"),
    ):
        with pytest.raises(UserError) as caught:
            data.open_data(name, **options)
        assert line in str(caught.value)


def test_few_clips_of_a_data_file_are_fitted_on_as_many_or_on_all(data_file: Path):
    whole = data.from_file(data_file)
    assert len(whole.fit) >= 2
    for clips in range(2, len(whole.scored) + 1):
        few = data.from_file(data_file, clips=clips)
        assert (len(few.scored), len(few.fit)) == (clips, min(clips, len(whole.fit)))
