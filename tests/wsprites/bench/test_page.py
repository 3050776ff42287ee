"""The page of score files made by hand: the headlines, the sections that it has and leaves out, and what its HTML is."""

import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from made_scores import WHOLE, entry, made

from wsprites.bench import page, plots
from wsprites.bench.explanations import explanation
from wsprites.bench.metrics import probes
from wsprites.bench.rollouts import Video
from wsprites.bench.scores import Entry, Hashes, ScoreFile
from wsprites.bench.table import TABLE

VOID = {"meta", "img", "br", "wbr"}
OPTIONAL = {"html", "th", "td", "tr", "tbody", "dt", "dd"}
"""Elements whose end tag HTML does not need."""


class Elements(HTMLParser):
    """The elements of a page: (tag, attributes, the text that follows the tag), and those whose end is missing."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None], str]] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "wbr":  # only says where a line may break
            return
        self.found.append((tag, dict(attrs), ""))
        if tag not in VOID | OPTIONAL:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs), ""))

    def handle_endtag(self, tag: str) -> None:
        if tag not in OPTIONAL:
            assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.found:
            tag, attributes, text = self.found[-1]
            self.found[-1] = tag, attributes, text + data

    def texts(self, tag: str) -> list[str]:
        return [" ".join(text.split()) for name, _, text in self.found if name == tag and text.strip()]

    def of_class(self, name: str) -> list[dict[str, str | None]]:
        return [attributes for _, attributes, _ in self.found if name in (attributes.get("class") or "").split()]


@pytest.fixture
def written(tmp_path: Path):
    def write(*files: ScoreFile, videos: tuple[Video, ...] = ()) -> tuple[str, Elements]:
        page.write(tmp_path / "page.html", [(file, videos) for file in files])
        text = (tmp_path / "page.html").read_text(encoding="utf-8")
        return text, Elements(text)

    return write


def left_of(attributes: dict[str, str | None]) -> float:
    found = re.match(r"left:([\d.]+)%", attributes["style"] or "")
    assert found
    return float(found[1])


def test_the_headlines_come_first(written):
    text, elements = written(made(**WHOLE))
    assert elements.open == [] and "<script" not in text and "http" not in text
    assert elements.texts("h2")[0] == "a:b" and text.index("class=sentence") < text.index("<h2>Data and intervals")
    rows = ["Local action", "Local action", "Global action", "Global action", "Leakage", "Nuisance", "Drift"]
    assert [name for name in elements.texts("th") if name in rows] == rows
    # The floor is at 16 % of the bar, the ceiling at 96 %, for scores of which less is better as well.
    at = [left_of(attributes) for attributes in elements.of_class("at")]
    places = [(0.62 - 0.51) / 0.49, (0.21 - 0.2) / 0.8, (0.97 - 0.1) / 0.9, (0.15 - 0.2) / 0.8, 0.8, 0.95, (30 - 20) / (0 - 20)]
    assert at == pytest.approx([max(16 + 80 * place, 0) for place in places], abs=0.05)
    assert [attributes["class"] for attributes in elements.of_class("at")] == [
        *("at above", "at same", "at above", "at below", "at above", "at above", "at below out"),
    ]
    # The verdict stands there in words, and each bar has a text of its own.
    assert elements.texts("em")[1] == "not distinguishable from its floor" and "floor 0.510" in re.sub(r"<[^>]+>", "", text)
    labels = [attributes["aria-label"] for attributes in elements.of_class("bar")]
    assert labels[0] == "0.620 between the floor, 0.510, and the ceiling, 1.000" and all(
        attributes["role"] for attributes in elements.of_class("bar")
    )


def test_intervals_are_inside_the_bar(written):
    """An interval from far below the floor to the ceiling is cut at the left edge and never empty."""
    wide = Entry(0.6, -3.0, 1.0, "", 6, {"copy": 0.5, "oracle": 1.0})
    _, elements = written(made(control__faithful=wide, control__shift__action_accuracy=entry(0.5, 0.0, copy=0.2)))
    styles = [attributes["style"] for attributes in elements.of_class("interval")]
    assert styles == ["left:0.0%;width:96.0%", "left:46.0%;width:0.5%"]


def test_a_headline_without_a_score_says_why(written):
    text, elements = written(made(vectors__local__linear=Entry(0.6, math.nan, math.nan, "", 1, {"oracle": 1.0})))
    assert "the model does not generate" in text and "the model itself is needed" in text
    assert elements.of_class("at") == [] and elements.texts("em") == []


def test_several_models_and_runs(written):
    """Models stand side by side; runs of one system are one column of the headlines, with their range."""
    other = replace(made(**WHOLE), model="c:d")
    _, elements = written(made(**WHOLE), other)
    assert [text for text in elements.texts("th") if text in ("a:b", "c:d")] == ["a:b", "c:d"] * 2  # of headlines, and of all scores
    assert len(elements.of_class("at")) == 14 and elements.texts("h2").count("c:d") == 2
    runs = [replace(made(local__many_to_one=entry(value, 0.1)), model=f"run{value}", system="mine") for value in (0.3, 0.5, 0.9)]
    text, elements = written(*runs)
    assert elements.texts("h2")[0] == "mine (3 runs)" and "3 runs, 0.300 to 0.900" in text and len(elements.of_class("at")) == 1
    assert [name for name in elements.texts("h2") if name.startswith("run")] == ["run0.3", "run0.5", "run0.9"]


def test_all_scores_of_several_models_stand_side_by_side(written):
    """A row for each score that any of them has; a model without it has an empty cell."""
    one = made(local__ami=entry(0.25, 0.05), shift__mean=entry(2.5, 0.5, "px"))
    text, elements = written(one, replace(made(local__ami=entry(0.75, 0.05)), model="c:d"))
    table = re.search(r"<table class=together [^>]*>(.*?)</table>", text, re.DOTALL)
    assert table is not None and "All scores side by side" in elements.texts("h2")
    cells = [row.split("<td class=n>")[1:] for row in table[1].split("<tr>")[2:]]
    rows = [[value[1] if (value := re.search("<b>(.*?)</b>", cell)) else "" for cell in row] for row in cells]
    assert rows == [["0.250", "0.750"], ["2.500", ""]]
    assert "0.200 to 0.300" in table[1] and "px" in table[1]
    text, elements = written(one)
    assert "class=together" not in text


def test_every_score_of_the_table_is_explained_where_it_stands(written):
    assert [name for name in TABLE if not explanation(name)] == [] and explanation("nothing.of.the.kind") == ""
    assert all("{" not in explanation(name) and explanation(name).endswith(".") for name in TABLE)
    one = made(local__onset__ami=entry(0.25, 0.05), masks__soft_iou=entry(0.5, 0.1))
    _, elements = written(one, replace(one, model="c:d"))
    said = ["local action agree, where the action changes", "Overlap of inferred and true masks, with soft edges"]
    assert [sum(words in small for small in elements.texts("small")) for words in said] == [3, 3]  # side by side, and of each model


CURVES = {
    "local__matched_accuracy": entry(0.8, 0.05, previous=0.7),
    "local__lag_early__matched_accuracy": entry(0.5, 0.05),
    "local__onset__matched_accuracy": entry(0.4, 0.05, previous=0.0),
    **{f"vectors__local__linear__n{n}": entry(0.1 + n / 2000, 0.05, state_only=0.7, shuffled=0.2) for n in (1000, 250, 500)},
    **{f"vectors__local__{kind}": entry(0.6, 0.05, state_only=0.7, shuffled=0.2) for kind in probes.CAPACITY},
    **{f"transfer__local__{t}": entry(0.5, 0.05, copy=0.1) for t in (1, 4)},
    **{f"drift__psnr__{t}": entry(20.0 + t, 0.5, "dB", copy=15.0) for t in (1, 4)},
}
SECTIONS = ("Time and onsets", "Capacity of the probes", "Samples of the probes", "Drift", "Transfer")


def test_sections_are_there_where_their_scores_are(written):
    _, elements = written(made(**CURVES))
    assert [title for title in elements.texts("h2") if title in SECTIONS] == list(SECTIONS)
    _, elements = written(made(**WHOLE))
    assert not {*SECTIONS} & {*elements.texts("h2")}


def test_time_and_onsets(written):
    text, _ = written(made(**CURVES))
    table = text[text.index("matched accuracy<th") :].split("</table>")[0]
    cells = [re.sub(r"^[^>]*>|<.*", "", cell, flags=re.DOTALL).strip() for cell in table.split("<td")[1:]]
    assert cells == ["0.50", "0.80", "", "0.40", "", "0.10", "0.70", "", "0.10", ""]


def test_curves_are_in_the_order_of_their_numbers():
    file = made(**CURVES, drift__psnr__16=entry(1.0, 0.1, copy=1.0), drift__psnr__x=entry(1.0, 0.1))
    assert plots.numbers(file, "vectors.local.linear.n*") == ["250", "500", "1000"] and plots.numbers(file, "drift.psnr.*") == [
        "1",
        "4",
        "16",
    ]
    (one,) = plots.samples(file)
    assert [name for _, name in one.ticks] == ["250", "500", "1000", "all"]
    assert one.text.startswith("model: 0.225, 0.35, 0.6, 0.6; state_only: 0.7")
    assert {line.name: line.style for line in one.lines} == {"model": "model", "state_only": "floor", "shuffled": "floor"}
    model = next(line for line in one.lines if line.name == "model")
    ys = [float(point.split(",")[1]) for point in model.points.split()]
    assert ys == pytest.approx([126 - 116 * value / 0.7 for value in (0.225, 0.35, 0.6, 0.6)], abs=0.05)
    assert plots.curve(made(drift__psnr__1=entry(1.0, 0.1)), "drift.psnr.*", "x") == []


def test_the_reader():
    shares = {f"reader.blur.{blur}.local": value for blur, value in {"0": 1.0, "2.5": 0.4, "0.5": 0.9}.items()}
    shares |= {f"reader.blur.{blur}.unreadable": value for blur, value in {"0": 0.0, "2.5": 0.5, "0.5": 0.1}.items()}
    (one,) = plots.reader(shares)
    assert [name for _, name in one.ticks] == ["0", "0.5", "2.5"] and one.text == "right actions: 1, 0.9, 0.4; unreadable: 0, 0.1, 0.5"
    table = page._reader({**shares, "reader.empty.unreadable": 0.98, "reader.size.32x40.local": 0.7, "reader.size.32x40.position": 1.5})
    assert table is not None
    cells = {name: [cell.text if cell else "" for cell in row] for name, row in table.rows}
    assert cells == {
        "as they are": ["1.00", "0.00", ""],
        "at 32 x 40, enlarged": ["0.70", "", "1.50"],
        "scenes without the character": ["", "0.98", ""],
    }
    assert plots.reader({}) == [] and page._reader({}) is None


def test_labels_of_lines_do_not_overlap():
    one = plots.plot("x", {"a": [1.0, 1.0], "b": [1.0, 1.0], "c": [0.0, 0.0], "undefined": [math.nan, 1.0]}, ["1", "2"])
    ends = sorted(float(line.label_y) for line in one.lines)
    assert len(ends) == 3 and min(np.diff(ends)) >= 12 and "undefined" not in one.text


def test_names_are_text(written):
    """A model's name is not HTML, and neither are a reason, a version or the name of a file."""
    evil = "<img src=x onerror=alert(1)>"
    file = replace(
        made(**WHOLE), model=evil, hardware=evil, versions={evil: evil}, not_scored={evil: evil}, hashes=Hashes("0" * 64, evil, "1" * 64)
    )
    text, elements = written(file)
    assert "<img" not in text and elements.texts("h2")[0] == evil
    assert "sha256 of " + evil in elements.texts("th")


def test_a_file_of_the_first_protocol_is_drawn(written):
    new = made(**WHOLE)
    old = ScoreFile.from_json(replace(new, settings=replace(new.settings, protocol="bench-1")).to_json())
    text, elements = written(old)
    assert "bench-1" in text and elements.texts("h2")[0] == "a:b"
    assert len(elements.of_class("at")) == 6  # leakage was no share, and has no bar


def test_videos_have_texts(written):
    frames = np.zeros((3, 8, 8, 3), np.uint8)
    _, elements = written(made(**WHOLE), videos=(Video("replay", "clip 3", (frames, frames)), Video("code", "code 1", (frames,))))
    pictures = [attributes for tag, attributes, _ in elements.found if tag == "img"]
    assert [attributes["alt"] for attributes in pictures] == ["clip 3: truth, model", "code 1"]
    assert all((attributes["src"] or "").startswith("data:image/gif;base64,") for attributes in pictures)
