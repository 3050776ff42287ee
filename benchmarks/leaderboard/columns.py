"""The columns of the leaderboard: scores, and the downstream task."""

from typing import Literal, NamedTuple

from benchmarks.leaderboard.entries import SHARES
from wsprites.bench.headline import QUESTIONS, Question


class Column(NamedTuple):
    """A column of the table."""

    title: str
    better: Literal["more", "less", "neither"]
    words: str
    question: Question


def _own(title: str, *scores: str) -> Question:
    return Question("", title, scores, "", "")


_SEVEN = dict(zip(("probe", "faithful", "walk", "walks", "leakage", "nuisance", "drift"), QUESTIONS, strict=True))
COLUMNS = (
    Column(
        "local",
        "more",
        "What the codes tell of the local action beyond the walk and the scene: local.conditional, 0 is chance.",
        _own("local", "local.conditional"),
    ),
    Column(
        "animation",
        "more",
        "What the codes tell of the animation, of those seen from one side: local.animation.conditional, 0 is chance.",
        _own("animation", "local.animation.conditional"),
    ),
    Column(
        "switches",
        "more",
        "The codes against the local action where it changes: local.onset.ami, 0 is chance.",
        _own("switches", "local.onset.ami"),
    ),
    Column(
        "readable",
        "more",
        "The local action read from vectors by a linear probe, or from codes: vectors.local.linear, local.many_to_one.",
        _SEVEN["probe"],
    ),
    Column("used", "more", "The local action that is asked for is generated: control.faithful.", _SEVEN["faithful"]),
    Column(
        "walk",
        "more",
        "The global action read from the shift, or by a probe: shift.action_accuracy, vectors.global.linear, global.many_to_one.",
        _SEVEN["walk"],
    ),
    Column("walk used", "more", "The walk that is asked for is generated: control.shift.action_accuracy.", _SEVEN["walks"]),
    Column("scene leaks", "less", "What the latent tells of the scene's motion: leakage.background.", _SEVEN["leakage"]),
    Column(
        "scene disturbs",
        "less",
        "How much the latent changes when only the scene moves, of its response to an action: nuisance.background_motion.",
        _SEVEN["nuisance"],
    ),
    Column(
        "drift",
        "less",
        "Distance from the true place after 16 generated steps, px: transfer.position.16, drift.position.16.",
        _SEVEN["drift"],
    ),
    Column("perplexity", "neither", "Effective number of codes in use: codes.perplexity.", _own("perplexity", "codes.perplexity")),
)
TASK = {f"latents-{name}": f"task, {name} %" for name in SHARES}
"""Columns of the downstream task and their titles."""
