"""The page: it says what the file holds, shows strangers' strings as text, needs nothing else, and is the same bytes twice."""

import base64
import io
import re
from html.parser import HTMLParser
from pathlib import Path

import h5py
import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites import cli
from wsprites.art import World
from wsprites.errors import UserError
from wsprites.generate import Order, generate
from wsprites.view.counts import PAIRS, count
from wsprites.view.page import report

FRAMES = 8
"""Of the animations of `page`, in place of 40."""


@pytest.fixture(scope="module")
def page(data_file: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("page") / "report.html"
    with wsprites.open(data_file) as data, pytest.MonkeyPatch.context() as patch:
        patch.setattr("wsprites.view.page._CLIP_FRAMES", FRAMES)
        report(data, out)
    assert [path.name for path in out.parent.iterdir()] == ["report.html"]
    return out.read_text(encoding="utf-8")


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages with few and short animations."""
    monkeypatch.setattr("wsprites.view.page._CLIPS", 1)
    monkeypatch.setattr("wsprites.view.page._CLIP_FRAMES", 2)


class Page(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        if tag not in ("meta", "img", "source", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_needs_nothing_but_itself_and_describes_its_pictures(page: str):
    tags = Page(page).tags
    assert not {"script", "link", "iframe"} & {tag for tag, _ in tags}
    sources = [value for _, attrs in tags for key, value in attrs.items() if key in ("src", "srcset", "href")]
    assert len(sources) == 6 * 2 + 5 and all(source.startswith("data:image/") for source in sources)
    assert all(len(attrs["alt"]) > 20 for tag, attrs in tags if tag == "img")
    assert len(page) < 1.7e6  # 6 MB with the animations of 40 frames that users get


@pytest.mark.slow
def test_a_page_with_long_animations_is_not_too_large(data_file: Path, tmp_path: Path):
    with wsprites.open(data_file) as data:
        report(data, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 6e6


def test_animations_move_and_figures_are_svg(page: str):
    webp = [base64.b64decode(text) for text in re.findall(r'<img src="data:image/webp;base64,([^"]+)"', page)]
    with Image.open(io.BytesIO(webp[0])) as image:
        assert len(webp) == 6 and image.n_frames == FRAMES and image.info["loop"] == 0 and image.width == 3 * 128
    svg = [base64.b64decode(text) for text in re.findall(r'data:image/svg\+xml;base64,([^"]+)"', page)]
    assert len(svg) == 5 and all(b"</svg>" in text for text in svg)


def test_counts_are_those_of_the_whole_arrays(data_file: Path):
    with wsprites.open(data_file) as data:
        stats = count(data)
        whole = {
            name: np.concatenate([split[name][...] for split in data.splits.values()])
            for name in ("global_action", "local_action", "background_action", "position", "background_offset")
        }
        for number, split in enumerate(data.splits.values()):
            assert np.array_equal(stats.labels_sa["local_action"][number], np.bincount(split["local_action"][...].ravel(), minlength=9))
            assert set(np.flatnonzero(stats.characters_sc[number])) == set(split["character"][...])
            assert stats.backgrounds_sb[number].sum() == len(split)
    for a, b in PAIRS:
        expected = np.zeros_like(stats.joint_ab[a, b])
        np.add.at(expected, (whole[a].ravel(), whole[b].ravel()), 1)
        assert np.array_equal(stats.joint_ab[a, b], expected)
        assert stats.control_ab[a, b].sum() == (24 - 3) * 40  # all but the first clip of each split
    x, y = whole["position"][3, 7]
    assert stats.position_yx[y, x] == np.count_nonzero((whole["position"] == (x, y)).all(-1))
    assert stats.position_yx.sum() == stats.offset_yx.sum() == 24 * 40


def test_more_clips_than_are_read_at_once(spec, art, tmp_path: Path):
    generate(Order(World(spec, art), seed=1, n=200, frames=False), tmp_path / "many.h5")
    with wsprites.open(tmp_path / "many.h5") as data:
        stats = count(data)
        control = np.zeros((5, 9), int)
        for name in data.splits:
            a, b = data[name]["global_action"][...], data[name]["local_action"][...]
            np.add.at(control, (a[1:].ravel(), b[:-1].ravel()), 1)
        assert len(data["train"]) > 128
    assert np.array_equal(stats.control_ab["global_action", "local_action"], control)


@pytest.mark.slow
@pytest.mark.usefixtures("short")
def test_the_same_file_gives_the_same_bytes(data_file: Path, tmp_path: Path):
    for name in ("one.html", "two.html"):
        with wsprites.open(data_file) as data:
            report(data, tmp_path / name)
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "two.html").read_bytes()


@pytest.mark.usefixtures("short")
def test_strings_of_the_file_are_shown_as_text(labels_file: Path, tmp_path: Path):
    evil = "<script>alert(1)</script>"
    path = tmp_path / "evil<b>&.h5"
    path.write_bytes(labels_file.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5.attrs["attribution"] = h5.attrs["art_licence"] = h5.attrs["art_sha256"] = evil + '" onload="x'
        h5.attrs["versions"] = '{"<img src=x>": "</pre>"}'
        world = h5.attrs["world"].replace('"name": "paper"', f'"name": "{evil}"')
        assert world != h5.attrs["world"]
        h5.attrs["world"] = world
        names = h5["art/layers/body"].attrs["names"]
        h5["art/layers/body"].attrs["names"] = [evil, *names[1:]]
    with wsprites.open(path) as data:
        report(data, tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert evil not in page and page.count("&lt;script&gt;alert(1)&lt;/script&gt;") >= 5
    assert "<b>" not in page and "<img src=x>" not in page and 'onload="' not in page
    Page(page)


@pytest.mark.usefixtures("short")
@pytest.mark.parametrize("change", [{"frames": 1}, {"facings": 4}, {"width": 64, "height": 64}])
def test_small_worlds_have_pages(spec, art, tmp_path: Path, change):
    from dataclasses import replace

    still = replace(spec, background=replace(spec.background, limit=0), rule="released", **change)
    generate(Order(load(art, still).world(still), seed=0, n=1, frames=False), tmp_path / "small.h5")
    with wsprites.open(tmp_path / "small.h5") as data:
        report(data, tmp_path / "small.html")
    assert "nan" not in Page((tmp_path / "small.html").read_text(encoding="utf-8")).tags


def load(art, spec):
    from dataclasses import replace

    height, width = spec.background_size
    images = np.ascontiguousarray(art.backgrounds.images[:, :1, :1].repeat(height, 1).repeat(width, 2))
    return replace(art, backgrounds=replace(art.backgrounds, images=images))


@pytest.mark.usefixtures("short")
def test_the_command_writes_and_overwrites_only_if_told_to(data_file: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "page.html"
    out.write_text("precious", encoding="utf-8")
    with pytest.raises(SystemExit) as stop:
        cli.main(["report", str(data_file), "--out", str(out)])
    assert stop.value.code == 2 and "exists already" in capsys.readouterr().err and out.read_text(encoding="utf-8") == "precious"
    cli.main(["report", str(data_file), "--out", str(out), "--overwrite"])
    assert "done" in capsys.readouterr().out and out.stat().st_size > 5e4 and len(list(tmp_path.iterdir())) == 1


def test_damaged_labels_are_one_line_and_no_page(data_file: Path, tmp_path: Path):
    path = tmp_path / "bad.h5"
    path.write_bytes(data_file.read_bytes())
    with h5py.File(path, "r+") as h5:
        h5["train/position"][2, 3] = (9999, 0)
    with wsprites.open(path) as data, pytest.raises(UserError, match="position of row 2 is outside"):
        report(data, tmp_path / "page.html")
    assert not (tmp_path / "page.html").exists()
