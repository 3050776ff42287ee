"""What stands on the leaderboard: tracks, budgets, and the systems that `benchmarks.leaderboard.run` can train by name. See RULES.md."""

from dataclasses import dataclass, field, replace
from typing import NamedTuple

from benchmarks.runs import Settings

TRACKS = ("unsupervised", "guided", "labels", "oracle", "anchor")
WORLDS = ("paper", "factorial")
"""Worlds that boards are made from."""

SHARES = {"0.1": 0.001, "1": 0.01, "10": 0.1}
"""Shares of labelled transitions in the downstream task, by their names in percent."""


class Budget(NamedTuple):
    """What the training of one run may cost."""

    seconds: int
    """0: any time."""
    cores: int
    """Number of cores that the run is bound to; 0: all."""
    gpu: bool
    runs: int
    """Number of seeds that a row has."""
    words: str


NONE = "none"
"""The budget of systems without training."""
BUDGETS = {
    "minutes": Budget(15 * 60, 2, False, 5, "15 minutes on two cores"),
    "hour": Budget(60 * 60, 2, False, 5, "60 minutes on two cores"),
    "gpu": Budget(60 * 60, 0, True, 3, "60 minutes on one GPU"),
    "open": Budget(0, 0, False, 3, "any time"),
    NONE: Budget(0, 0, False, 1, "no training"),
}


@dataclass(frozen=True)
class Entry:
    """A system of the leaderboard."""

    words: str
    """What it is, in a line."""
    track: str
    model: str = ""
    """`package.module:factory` of a system without training; empty for one that is trained."""
    kind: str = ""
    """Name of the system that `wsprites train` trains."""
    preset: str = ""
    settings: Settings = field(default_factory=dict)
    """What differs from the preset."""
    by_budget: dict[str, Settings] = field(default_factory=dict)
    """What differs at a budget: schedules that fit into it."""
    first: "Entry | None" = None
    """What is trained first, in the time of the run; None for a system that needs nothing.

    It is a GLASS for the windows of a latent action model, or such a model for a GLASS that draws its codes.
    """

    def changes(self, budget: str) -> Settings:
        """All that differs from the preset."""
        return self.settings | self.by_budget.get(budget, {})


_ANCHORS = "benchmarks.leaderboard.anchors"
# Schedules in proportion to those of the preset, in fewer steps.
_GLASS_SMALL = {
    "minutes": {
        "train.steps": "1800",
        "train.alone": "1000",
        "train.freeze": "1000",
        "train.cooldown": "200",
        "train.bin_begin": "400",
        "train.bin_steps": "250",
        "train.given_steps": "600",
        "train.temperature_steps": "700",
    }
}
_GLASS_PAPER = {
    "minutes": {
        "train.steps": "600",
        "train.alone": "200",
        "train.given_steps": "200",
        "train.window": "6",
        "train.length_to": "6",
        "train.length_begin": "0",
        "train.length_steps": "0",
        "train.decay_step": "500",
        "train.temperature_steps": "200",
    },
    "gpu": {
        "train.steps": "30000",
        "train.alone": "3000",
        "train.given_steps": "8000",
        "train.length_begin": "9000",
        "train.length_steps": "8000",
        "train.decay_step": "24000",
        "train.temperature_steps": "10000",
    },
}
_GMA = Entry(
    "the global motion analysis of GLASS, narrow networks",
    "unsupervised",
    kind="glass",
    preset="small",
    settings={"train.steps": "2000"},
    by_budget={"minutes": _GLASS_SMALL["minutes"] | {"train.steps": _GLASS_SMALL["minutes"]["train.alone"]}},
)
_SHORT = {"train.steps": "600", "train.alone": "600", "train.freeze": "600", "train.bin_begin": "240", "train.bin_steps": "150"}
_GMA_SHORT = replace(_GMA, by_budget={"minutes": _GLASS_SMALL["minutes"] | _SHORT | {"train.given_steps": "360"}})
_GMA_KNOWN = Entry("the global motion analysis of GLASS, with sharper masks and known shifts", "unsupervised", kind="glass", preset="gma")
_LAM = "latent action model: "
_PERSIST = Entry(
    _LAM + "codes that persist and differ within a clip, read from the figure alone that a GLASS finds",
    "unsupervised",
    kind="lam",
    preset="persist",
    by_budget={"minutes": {"train.steps": "200"}},
    first=_GMA_SHORT,
)
_WINDOW_FOUND = {"model.figure": "64", "model.scale": "1", "model.follow": "gma", "loss.target": "found"}

ENTRIES = {
    # Without training.
    "classical": Entry(
        "corners that are tracked, and k-means of the foreground's appearance; no network",
        "unsupervised",
        "wsprites.bench.classical:classical",
    ),
    "one-code": Entry("always the same code", "anchor", f"{_ANCHORS}:one_code"),
    "scene-code": Entry("the code is the direction in which the scene moves", "anchor", f"{_ANCHORS}:scene_code"),
    "character-id": Entry("code and vector depend on the character alone", "anchor", f"{_ANCHORS}:character_id"),
    "copy": Entry("reads actions by classical vision, generates a repeated first frame", "anchor", f"{_ANCHORS}:copy"),
    "frame-copy": Entry("the vector is a small image of the next frame", "anchor", f"{_ANCHORS}:frame_copy"),
    # GLASS.
    "glass-tiny": Entry("GLASS, our re-implementation, frames of 32 x 40 and narrow networks", "unsupervised", kind="glass", preset="tiny"),
    # At `minutes` it is the whole preset: 14 minutes of two cores of an AMD EPYC (Zen 5); slower ones end it before its last step.
    "glass-small": Entry(
        "GLASS, our re-implementation, narrow networks, local actions seen in a window around the figure",
        "unsupervised",
        kind="glass",
        preset="small",
    ),
    "glass-hour": Entry(
        "GLASS, our re-implementation, as glass-small with more than twice its steps for local actions",
        "unsupervised",
        kind="glass",
        preset="hour",
    ),
    "glass-drawn": Entry(
        "GLASS, our re-implementation, narrow networks, draws rollouts of poses from the codes of lam-persist",
        "unsupervised",
        kind="glass",
        preset="drawn",
        first=_PERSIST,
    ),
    "glass-drawn-known": Entry(
        "GLASS, our re-implementation, as glass-drawn with sharper masks, and shift nets that also learn from known shifts",
        "unsupervised",
        kind="glass",
        preset="drawn",
        first=replace(_PERSIST, by_budget={}, first=_GMA_KNOWN),
    ),
    "glass-small-no-window": Entry(
        "GLASS, our re-implementation, narrow networks, local actions seen in whole frames",
        "unsupervised",
        kind="glass",
        preset="small",
        settings={"model.figure": "0", "model.global_scale": "1", "model.local_scale": "1"},
        by_budget=_GLASS_SMALL,
    ),
    "glass-paper": Entry(
        "GLASS, our re-implementation, the paper's networks, trained for a small part of the paper's steps",
        "unsupervised",
        kind="glass",
        preset="paper",
        by_budget=_GLASS_PAPER,
    ),
    # CADDY.
    "caddy-tiny": Entry("CADDY, our re-implementation, half-size frames and narrow networks", "unsupervised", kind="caddy", preset="tiny"),
    "caddy-tiny-9": Entry(
        "CADDY, our re-implementation, half-size frames and narrow networks, nine codes",
        "unsupervised",
        kind="caddy",
        preset="tiny",
        settings={"model.codes": "9"},
    ),
    "caddy": Entry(
        "CADDY, our re-implementation, the networks of the paper on frames of this world", "unsupervised", kind="caddy", preset="sprites"
    ),
    # Layered Controllable Video Generation, and Motion Representations for Articulated Animation.
    "layered-tiny": Entry(
        "Layered, our re-implementation, half-size frames and narrow networks; masks are the control, codes are directions of their motion",
        "unsupervised",
        kind="layered",
        preset="tiny",
    ),
    "articulated-tiny": Entry(
        "articulated motion (MRAA), our re-implementation, half-size frames and narrow networks; vectors alone, no codes",
        "unsupervised",
        kind="articulated",
        preset="tiny",
        by_budget={
            "minutes": {"train.steps": "2400", "train.decay_step": "1600", "train.second_decay_step": "2000", "train.freeze": "2160"}
        },
    ),
    # Latent action models.
    "lam-tiny": Entry(_LAM + "vector quantisation, pixels, pairs of frames", "unsupervised", kind="lam", preset="tiny"),
    "lam-tiny-fsq": Entry(
        _LAM + "finite scalar quantisation", "unsupervised", kind="lam", preset="tiny", settings={"model.bottleneck": "fsq"}
    ),
    "lam-tiny-vae": Entry(
        _LAM + "variational, codes by k-means", "unsupervised", kind="lam", preset="tiny", settings={"model.bottleneck": "vae"}
    ),
    "lam-tiny-none": Entry(
        _LAM + "no bottleneck but the size", "unsupervised", kind="lam", preset="tiny", settings={"model.bottleneck": "none"}
    ),
    "lam-tiny-latent": Entry(
        _LAM + "predicts features, not pixels", "unsupervised", kind="lam", preset="tiny", settings={"model.latent": "true"}
    ),
    "lam-tiny-foreground": Entry(
        _LAM + "errors weighted by true masks", "guided", kind="lam", preset="tiny", settings={"loss.target": "foreground"}
    ),
    "lam-tiny-window": Entry(
        _LAM + "sees a window around the figure's true place",
        "guided",
        kind="lam",
        preset="tiny",
        settings={"model.figure": "64", "model.scale": "1", "model.follow": "place"},
    ),
    "lam-tiny-window-foreground": Entry(
        _LAM + "sees a window around the figure's true place, errors weighted by true masks",
        "guided",
        kind="lam",
        preset="tiny",
        settings={"model.figure": "64", "model.scale": "1", "model.follow": "place", "loss.target": "foreground"},
    ),
    "lam-tiny-window-found-behind": Entry(
        _LAM + "sees a window around the figure that a GLASS finds, errors weighted by its masks; the forward model sees an earlier frame",
        "unsupervised",
        kind="lam",
        preset="tiny",
        settings={**_WINDOW_FOUND, "train.behind": "20", "train.window": "22"},
        by_budget={"minutes": {"train.steps": "700"}},
        first=_GMA,
    ),
    "lam-persist": _PERSIST,
    "lam-tiny-twin": Entry(
        _LAM + "decodes the clip's twin in another scene", "guided", kind="lam", preset="tiny", settings={"train.augment": "twin"}
    ),
    "lam-tiny-labels-1": Entry(
        _LAM + "with local labels of 1 % of the clips, half of each batch from these",
        "labels",
        kind="lam",
        preset="tiny",
        settings={"train.labels": "0.01", "train.labelled": "32"},
    ),
    "lam-tiny-labels-2.5": Entry(
        _LAM + "with local labels of 2.5 % of the clips, half of each batch from these",
        "labels",
        kind="lam",
        preset="tiny",
        settings={"train.labels": "0.025", "train.labelled": "32"},
    ),
    "lam-tiny-window-found-labels-1": Entry(
        _LAM + "sees a window around the figure that a GLASS finds, with local labels of 1 % of the clips, half of each batch from these",
        "labels",
        kind="lam",
        preset="tiny",
        settings={**_WINDOW_FOUND, "train.labels": "0.01", "train.labelled": "32"},
        by_budget={"minutes": {"train.steps": "700"}},
        first=_GMA,
    ),
    "lam-tiny-oracle": Entry(
        _LAM + "with local labels of all clips", "oracle", kind="lam", preset="tiny", settings={"train.labels": "1.0"}
    ),
    "lam-tiny-window-found-oracle": Entry(
        _LAM + "sees a window around the figure that a GLASS finds, with local labels of all clips",
        "oracle",
        kind="lam",
        preset="tiny",
        settings={**_WINDOW_FOUND, "train.labels": "1.0"},
        by_budget={"minutes": {"train.steps": "700"}},
        first=_GMA,
    ),
    "lam-small": Entry(_LAM + "vector quantisation, wider networks", "unsupervised", kind="lam", preset="small"),
    "lam-base": Entry(_LAM + "vector quantisation, networks for a GPU", "unsupervised", kind="lam", preset="base"),
}
"""Systems by name. One of `glass_model.systems` that is not here yet needs one line."""
