"""The headline scores of a score file, each between its strongest floor and its ceiling, and what they say in words."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

from wsprites.bench.floors import Baseline, ceiling, strongest_floor
from wsprites.bench.scores import Entry, ScoreFile

Verdict = Literal["above", "same", "below", "unknown"]
"""Where an interval lies: better than the strongest floor, around it, worse than it; "unknown" without an interval or a floor."""


class Question(NamedTuple):
    """What a headline asks."""

    group: str
    title: str
    scores: tuple[str, ...]
    """Names of scores that answer it, of which the first that a model has is taken.

    Not the one-to-one map for codes, which calls all but one of the codes of an action wrong; and a transfer before a replay of the clip
    itself, which a lookup table of the clips that it was shown does perfectly.
    """
    does: str
    """The answer yes, after "it"; {latent} is the latent that the score is of."""
    doing: str


_LATENTS = ("vectors", "codes", "shift")
_GLOBAL_SCORES, _SHIFTED = ("shift.action_accuracy", "vectors.global.linear", "global.many_to_one"), "control.shift.action_accuracy"
_LOCAL, _GLOBAL, _OUT = "the local action", "the global action", "the scene's motion out of its {latent}"
_SAME, _NEAR = "its {latent} the same when only the scene moves", "the character of a replay near its place"
QUESTIONS = (
    Question("Local action", "available", ("vectors.local.linear", "local.many_to_one"), f"tells {_LOCAL}", f"telling {_LOCAL}"),
    Question("Local action", "used", ("control.faithful",), f"generates {_LOCAL} asked for", f"generating {_LOCAL} asked for"),
    Question("Global action", "available", _GLOBAL_SCORES, f"tells {_GLOBAL}", f"telling {_GLOBAL}"),
    Question("Global action", "used", (_SHIFTED,), f"generates {_GLOBAL} asked for", f"generating {_GLOBAL} asked for"),
    Question(
        "Leakage",
        "of the scene's motion",
        tuple(f"leakage.background.{latent}" for latent in _LATENTS),
        f"keeps {_OUT}",
        f"keeping {_OUT}",
    ),
    Question(
        "Nuisance",
        "response to the scene's motion",
        tuple(f"nuisance.background_motion.{latent}" for latent in _LATENTS),
        f"keeps {_SAME}",
        f"keeping {_SAME}",
    ),
    Question(
        "Drift",
        "from the true place",
        tuple(f"{kind}.position.{steps}" for kind in ("transfer", "drift") for steps in (16, 8, 4, 1)),
        f"keeps {_NEAR}",
        f"keeping {_NEAR}",
    ),
)
_LESS = ("Leakage", "Nuisance", "Drift")
_LEAKAGE = Baseline("all", 1.0), Baseline("nothing", 0.0)
"""Ends of leakage, which is a share of what can be told; in files of bench-1 it is not, and has no ends."""
_CALLED = {
    "copy": "a repeated first frame",
    "direction": "the direction of motion alone",
    "majority": "always the same answer",
    "one_action": "the same action for all codes",
    "other_clips": "other clips",
    "persistent": "random codes that change as rarely",
    "previous": "the action before",
    "random": "chance",
    "random_codes": "random local actions",
    "shift_only": "a generator that ignores its codes",
    "shuffled": "shuffled labels",
    "place": "the position alone",
    "state_only": "the state before a transition alone",
    "state_and_direction": "the state before a transition with the direction",
}
"""Floors in a sentence."""
_DEGREES = ((0.9, "almost perfectly"), (0.5, "mostly"), (0.1, "partly"), (-math.inf, "barely"))
"""Adverbs by the share of the way from floor to ceiling."""
_TELLING = {
    "vectors": ("vectors.local.linear", "vectors.global.linear"),
    "codes": ("local.many_to_one", "global.many_to_one"),
    "shift": ("shift.action_accuracy",),
}
"""The scores of which one, at least, is better than its floor if a latent tells anything of the character's action."""
_NO_VIDEO = "the model does not generate"
BY_TRUTH = "Its video is driven by the true actions: a ceiling, and no evidence that it has found them."
"""What is said of a model that takes the true actions."""
SAYS: dict[Verdict, str] = {
    "above": "better than its floor",
    "same": "not distinguishable from its floor",
    "below": "worse than its floor",
    "unknown": "",
}
_NOT = {"same": "does not measurably beat", "below": "does worse than"}


@dataclass(frozen=True)
class Headline:
    """The answer to a question. Where a model has no score that answers it, `entry` is None and `reason` says why."""

    question: Question
    name: str = ""
    """The score."""
    entry: Entry | None = None
    floor: Baseline | None = None
    """The strongest floor."""
    ceiling: Baseline | None = None
    reason: str = ""
    tells_nothing: bool = False
    """True of leakage and nuisance of a latent that tells no action better than the floor does: one that tells nothing has neither."""

    @property
    def less(self) -> bool:
        """Less is better."""
        return self.question.group in _LESS

    @property
    def ends(self) -> tuple[float, float]:
        """The worse and the better end of the interval."""
        low, high = (self.entry.low, self.entry.high) if self.entry else (math.nan, math.nan)
        return (high, low) if self.less else (low, high)

    @property
    def verdict(self) -> Verdict:
        """Where the interval lies."""
        worse, best = self.ends
        if self.floor is None or math.isnan(worse):
            return "unknown"
        sign = -1 if self.less else 1
        return "above" if sign * (worse - self.floor.value) > 0 else "below" if sign * (best - self.floor.value) < 0 else "same"

    @property
    def says(self) -> str:
        """The verdict in words."""
        return SAYS[self.verdict] + (", as is one that tells nothing" if self.tells_nothing and self.verdict == "above" else "")

    def place(self, value: float) -> float:
        """Where a value lies between the floor, 0, and the ceiling, 1; NaN unless the ceiling is better than the floor."""
        if self.floor is None or self.ceiling is None:
            return math.nan
        way = self.ceiling.value - self.floor.value
        return (value - self.floor.value) / way if (-way if self.less else way) > 1e-9 else math.nan


def headlines(file: ScoreFile) -> list[Headline]:
    """The answers to QUESTIONS; none of videos, whose actions are not known."""
    return [] if file.data.videos else [_said_of_silent(_headline(question, file), file) for question in QUESTIONS]


def answers(question: Question, file: ScoreFile) -> list[Headline]:
    """The answers to a question by all scores of a file that answer it, of which `headlines` gives the first."""
    named = [(name, question._replace(scores=(name,))) for name in question.scores if name in file.scores]
    return [_said_of_silent(replace(_headline(one, file), question=question), file) for _, one in named]


def _said_of_silent(one: Headline, file: ScoreFile) -> Headline:
    """A headline that says whether its latent tells nothing."""
    about_latent = bool(one.name) and one.question.group in ("Leakage", "Nuisance")
    return replace(one, tells_nothing=about_latent and not _tells(one.name.rpartition(".")[2], file))


def _tells(latent: str, file: ScoreFile) -> bool:
    """Whether a latent tells the local or the global action better than the strongest floor, by its whole interval."""
    found = ((name, file.scores[name]) for name in _TELLING[latent] if name in file.scores)
    return any(Headline(QUESTIONS[0], name, entry, strongest_floor(name, entry)).verdict == "above" for name, entry in found)


def _headline(question: Question, file: ScoreFile) -> Headline:
    name = next((name for name in question.scores if name in file.scores), "")
    if not name:
        return Headline(question, reason=_missing(question, file))
    entry = file.scores[name]
    if math.isnan(entry.value):
        nuisance = question.group == "Nuisance"
        return Headline(question, name, reason="no response to a true action either" if nuisance else "not defined by these clips")
    if question.group == "Leakage":  # a latent that knows nothing leaks nothing: the worst case stands for the floor
        return Headline(question, name, entry, *(_LEAKAGE if file.settings.protocol != "bench-1" else (None, None)))
    return Headline(question, name, entry, strongest_floor(name, entry), ceiling(name, entry))


def _missing(question: Question, file: ScoreFile) -> str:
    """Why a model has none of the scores that answer a question."""
    for beginning, why in file.not_scored.items():
        if question.scores[0].startswith(beginning):
            return why
    if question.title == "used" or question.group == "Drift":
        generates = any(name.startswith("control.") for name in file.scores)
        return "the model infers no shift to ask for" if generates else _NO_VIDEO
    silent = file.settings.rollout_actions and not any(name.startswith("local.") for name in file.scores)  # no codes, no vectors
    if question.group == "Nuisance" and not silent:
        return "the model itself is needed, not its predictions"
    return "the model infers no vectors, codes or shifts" if question.group == "Global action" else "the model infers no vectors or codes"


def sentence(file: ScoreFile) -> str:
    """What a model can and cannot do, in at most two sentences that claim no more than the intervals show.

    It does what a question asks for if the whole interval is better than the strongest floor; the worse end of the interval decides how
    well. Leakage and nuisance are left out of a latent that tells no action better than the floor: one that never changes has neither.
    """
    answers = headlines(file)
    if not answers:
        return "The videos have no labels: no score says whether what the model infers are actions."
    answers = [one for one in answers if not one.tells_nothing]
    can = [f"{_degree(one)} {_said(one, one.question.does)}" for one in answers if one.verdict == "above"]
    not_better: dict[str, list[str]] = {}  # what is not better than the same floor is listed together
    for one in answers:
        if one.verdict in _NOT:
            not_better.setdefault(f"{_NOT[one.verdict]} {_called(one)} at", []).append(_said(one, one.question.doing))
    cannot = [f"{beginning} {' and '.join(parts)}" for beginning, parts in not_better.items()]
    if any(one.reason == _NO_VIDEO for one in answers):
        cannot.append("does not generate video")
    said = [f"It {_listed(parts)}." for parts in (can, cannot) if parts]
    return " ".join([*said, *([BY_TRUTH] if file.settings.rollout_actions else [])])


def _degree(headline: Headline) -> str:
    place = headline.place(headline.ends[0])
    return next(word for least, word in _DEGREES if place >= least) if not math.isnan(place) else ""


def _said(headline: Headline, words: str) -> str:
    """The words with value and floor."""
    assert headline.entry and headline.floor
    unit = f" {headline.entry.unit}" if headline.entry.unit else ""
    values = f"({short(headline.entry.value)}{unit}, floor {short(headline.floor.value)})"
    return f"{words.format(latent=headline.name.rpartition('.')[2])} {values}"


def _called(headline: Headline) -> str:
    assert headline.floor
    return _CALLED.get(headline.floor.name, f"the floor {headline.floor.name}")


def _listed(parts: Sequence[str]) -> str:
    return ", and ".join(filter(None, (", ".join(parts[:-1]), parts[-1])))


def short(value: float) -> str:
    """A value with two digits."""
    return f"{value:z.2f}"
