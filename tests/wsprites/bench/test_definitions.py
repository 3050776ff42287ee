"""docs/scores.md defines every score, and nothing else."""

import re
from collections.abc import Iterator
from functools import cache
from itertools import product

from samples import ROOT

from wsprites.bench.caddy import LABELS
from wsprites.bench.evaluation import Evaluation
from wsprites.bench.twins import TWINS

LATENTS = "codes|vectors|shift|background_shift"
PLACES = {
    "SOURCE": "global|local|background",
    "PART": "standing|walking|onset|steady",
    "GAIT": "standing|walking",
    "VIEW": "standing|walking|onset|steady|lag_late|lag_early",
    "SHIFT": "shift|background_shift",
    "LATENT": LATENTS,
    "TWIN": "|".join(TWINS),
    "T": "1|4|8|16",
    "W": r"\d+",
    "M": r"\d+",
    "VARIANT": r"[\w.]+",
}
"""What the words in capitals stand for."""
VIEWS = {"SOURCE", "PART", "GAIT", "VIEW"}
"""Those that stand for a source and for the transitions that a score is taken over."""
ELSEWHERE = (
    *("drift.lpips.1", "drift.lpips.16", "images.fid", "images.fvd"),
    *(f"consistency.{name}" for name in ("codes", "vectors", "shift", "masks")),
    *(f"caddy.{name}" for name in LABELS),
)
"""Scores that need weights, or are those of videos or of another protocol."""


@cache
def entries() -> dict[str, str]:
    """The text of the entry of each score."""
    page = (ROOT / "docs" / "scores.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (.*)$", page, flags=re.MULTILINE)[1:]
    return {name: text for names, text in zip(parts[::2], parts[1::2], strict=True) for name in re.findall("`(.*?)`", names)}


def pattern(name: str) -> re.Pattern[str]:
    return re.compile(re.sub("[A-Z]+", lambda place: f"({PLACES[place[0]]})", re.escape(name)))


def test_every_score_has_an_entry(seen: Evaluation):
    patterns = [pattern(name) for name in entries()]
    names = [*seen.scores, *seen.reader, *ELSEWHERE]
    assert [name for name in names if not any(each.fullmatch(name) for each in patterns)] == []
    assert [name for name in entries() if not any(pattern(name).fullmatch(score) for score in names)] == []


def views(entry: str) -> Iterator[str]:
    """The names that an entry stands for, if it is of scores of codes and of views of them alone."""
    places = re.findall("[A-Z]+", entry)
    for values in product(*(PLACES[place].split("|") for place in places)) if {"SOURCE"} <= {*places} <= VIEWS else ():
        name = entry
        for place, value in zip(places, values, strict=True):
            name = name.replace(place, value, 1)
        yield name


def test_every_view_of_an_entry_is_scored(seen: Evaluation):
    """An entry that names a view which no score has would send readers to look for it."""
    named = [name for entry in entries() for name in views(entry)]
    assert len(named) > 50 and [name for name in named if name not in seen.scores] == []


def test_every_entry_says_how_it_can_be_misread():
    assert [name for name, text in entries().items() if "*Misread:*" not in text] == []
