"""The examples in docstrings print what they say. Modules without examples are not imported."""

import doctest
from importlib import import_module
from pathlib import Path

import pytest
from samples import ROOT

MODULES = [
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    for package in ("wsprites", "glass_model")
    for path in sorted((ROOT / package).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_the_examples_of(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    results = doctest.testmod(import_module(name), optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE)
    assert results.attempted and not results.failed


def test_examples_of_several_packages_are_found():
    assert {"wsprites.errors", "wsprites.cli", "wsprites.view.picture"} <= set(MODULES)
