"""Pages without a server in a real browser: nothing is wider than the window, nothing is loaded. Skipped where there is no Chromium."""

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from made_scores import WHOLE, entry, made
from samples import ROOT

from wsprites.bench import page, suite_page
from wsprites.bench.suite import SUITES, Row

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")


def written(folder: Path) -> list[Path]:
    """The leaderboard, the page of three models, one of them with a long name, and that of a suite."""
    one = made(**WHOLE, masks__soft_iou=entry(0.5, 0.1), local__onset__ami=entry(0.2, 0.1))
    models = [one, replace(one, model="a_package_with_a_long_name.of_a_module:make_a_model"), replace(one, model="c")]
    page.write(folder / "bench.html", [(file, []) for file in models])
    rows = [Row(axis, made(local__onset__many_to_one=entry(0.6, 0.1, state_only=0.2)), None, False) for axis in SUITES["axes"]]
    suite_page.write(folder / "suite.html", "axes", {models[1].model: rows})
    return [ROOT / "docs" / "leaderboard.html", folder / "bench.html", folder / "suite.html"]


@pytest.fixture
def tab() -> Iterator[Any]:
    """An empty page of a browser."""
    with sync_api.sync_playwright() as playwright:
        path = CHROMIUM or playwright.chromium.executable_path
        if not os.path.exists(path):
            pytest.skip("there is no Chromium; install one, or run playwright install chromium")
        yield playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]).new_page()


@pytest.mark.slow
def test_nothing_is_wider_than_the_window_and_nothing_is_loaded(tab: Any, tmp_path: Path) -> None:
    asked: list[str] = []
    tab.on("request", lambda request: asked.append(request.url))
    files = written(tmp_path)
    for file in files:
        for width in (390, 1280):
            tab.set_viewport_size({"width": width, "height": 844})
            tab.goto(file.as_uri())
            assert tab.evaluate("document.documentElement.scrollWidth") == width, (file.name, width)
            boxes = "[...document.querySelectorAll('section, .scroll')].filter(box => box.scrollWidth > box.clientWidth).length"
            assert tab.evaluate(boxes) == 0, (file.name, width)
    assert asked == [file.as_uri() for file in files for _ in range(2)]


@pytest.mark.slow
def test_scores_that_are_not_compared_are_sorted_behind_the_others(tab: Any) -> None:
    """In both directions; rows without a value come last."""
    tab.goto((ROOT / "docs" / "leaderboard.html").as_uri())
    kinds = "cells => cells.map(cell => cell.dataset.v === undefined ? 2 : 'other' in cell.dataset ? 1 : 0)"
    values = "cells => cells.filter(cell => cell.dataset.v !== undefined && !('other' in cell.dataset)).map(cell => +cell.dataset.v)"
    cells = "tbody td:nth-child({})"
    for title, less in (("readable", False), ("scene leaks", True)):
        heads = tab.eval_on_selector_all("thead tr:first-child th", "heads => heads.map(head => head.textContent.trim())")
        at = next(number for number, text in enumerate(heads, start=1) if text.startswith(title))
        for ascending in (less, not less):
            tab.click(f"thead tr:first-child th:nth-child({at}) button")
            found = tab.eval_on_selector_all(cells.format(at), kinds)
            assert found == sorted(found) and 1 in found, title
            shown = tab.eval_on_selector_all(cells.format(at), values)
            assert shown == sorted(shown, reverse=not ascending), title
