"""The documentation site, which `mkdocs` builds: every page is reached, the API exists, the table of standard worlds is right."""

import json
import re
from importlib import import_module
from runpy import run_path

import yaml
from samples import ROOT

from wsprites.bench.data import STANDARD

DOCS = ROOT / "docs"


def named(item: object) -> list[str]:
    """The pages in a part of the navigation."""
    if isinstance(item, str):
        return [item]
    parts = item.values() if isinstance(item, dict) else item
    return [page for part in parts for page in named(part)]  # type: ignore[attr-defined]


def test_the_navigation_has_every_page_once():
    nav = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))["nav"]
    assert sorted(named(nav)) == sorted(path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md"))


def test_pages_link_to_pages_of_the_site_only():
    """Files elsewhere in the repository are not on the site, so that they are named and not linked."""
    outside = [
        (page.name, target)
        for page in DOCS.rglob("*.md")
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8"))
        if "://" not in target and not (page.parent / target).resolve().is_relative_to(DOCS)
    ]
    assert outside == []


def test_pictures_are_where_the_site_looks_for_them():
    """Paths in Markdown are those of files; those in HTML are used as they are, and every page but the first is served from a folder."""
    for page in DOCS.rglob("*.md"):
        text = page.read_text(encoding="utf-8")
        assert all((page.parent / target).is_file() for target in re.findall(r"!\[[^\]]*\]\(([^)]+)\)", text)), page
        raw = re.findall(r"<img [^>]*src=\"([^\"]+)\"", text)
        assert raw == [] or (page == DOCS / "index.md" and all((DOCS / target).is_file() for target in raw)), page


def test_options_stay_whole_and_long_names_in_tables_may_be_broken():
    module = run_path(str(DOCS / "extension.py"))
    html = '<p><code>pip --no-deps x-y</code> a</p><td><code>a.b_c</code> d.e 0.5</td><code><span class="go">--x</span></code>'
    assert module["on_page_content"](html) == (
        '<p><code>pip <span class="option">--no-deps</span> x-y</code> a</p><td><code>a.<wbr>b_<wbr>c</code> d.<wbr>e 0.5</td>'
        '<code><span class="go"><span class="option">--x</span></span></code>'
    )


def test_the_api_pages_name_what_exists():
    count = 0
    for page in (DOCS / "api").iterdir():
        for name in re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE):
            module, _, attribute = name.rpartition(".")
            try:
                thing = getattr(import_module(module), attribute)
            except AttributeError:
                thing = import_module(name)
            assert thing.__doc__, name
            count += 1
    assert count > 25


def test_the_table_of_standard_worlds():
    """The hashes themselves are compared with those of the stored reference scores, which tests compute."""
    rows = dict(
        re.findall(r"^\| `(wsprites-[\w-]+)` \|.*\| `([0-9a-f]{64})` \|$", (DOCS / "standard-worlds.md").read_text("utf-8"), re.MULTILINE)
    )
    assert rows.keys() == STANDARD.keys()
    for name in ("wsprites-paper-v1", "wsprites-factorial-v1"):
        stored = json.loads((ROOT / "wsprites" / "bench" / "reference" / f"{name}.json").read_text(encoding="utf-8"))
        assert rows[name] == stored["sha256"]


def test_the_first_page_names_the_results():
    index = (DOCS / "index.md").read_text(encoding="utf-8")
    assert [name for name in ("models", "leaderboard", "speedrun", "results") if f"({name}.md)" not in index] == []


def test_a_release_scores_the_leaderboard_on_a_new_seed():
    """A step of the list, as rule 4 of the leaderboard says."""
    steps = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8").partition("## How to release a version")[2]
    assert "wsprites bench --seed" in steps and "benchmarks/leaderboard/RULES.md" in steps
