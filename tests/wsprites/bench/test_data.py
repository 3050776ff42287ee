"""Standard worlds and data files as data to score on."""

from pathlib import Path

import pytest

from wsprites.bench import data
from wsprites.errors import UserError


def test_the_standard_worlds_never_change():
    """Their names stand for these hashes. A change of world, seed or art is a new name: -v2."""
    assert {name: data.standard(name).sha256[:16] for name in data.STANDARD} == HASHES
    for name in data.STANDARD:
        parts = data.standard(name)
        assert (len(parts.fit), len(parts.scored), parts.name) == (200, 500, name)
        assert not set(parts.fit.script.character.tolist()) & set(parts.scored.script.character.tolist())


HASHES = {"wsprites-paper-v1": "c8056ca092d58749", "wsprites-factorial-v1": "f708ac340d431e2a"}


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
