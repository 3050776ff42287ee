"""What a change of a score means: whether more or less of it is better, or neither. Used wherever two models are compared."""

from fnmatch import fnmatchcase
from typing import Literal, NamedTuple

Direction = Literal["more", "less", "neither"]


class Rule(NamedTuple):
    """The direction of all scores whose names match a pattern."""

    pattern: str
    """As a shell's: * stands for any characters, dots included."""
    better: Direction
    reason: str


_PROPERTY = "which source a code or a vector should tell depends on the model: one that means the local action need not tell the others"
_CARRIES = "a latent should tell the source that it is for"
_OF_SCENE = "what is inferred of the character should tell nothing about the scene"
_OF_CHARACTER = "what is inferred of the scene should tell nothing about the character"
_ERROR = "a distance from the truth"
_RIGHT = "a share of right answers"
_RESPONSE = "a response to what is no action"
_SIMILAR = "similarity to the world's video"

_OF_REPLAYS: tuple[tuple[str, Direction, str], ...] = (
    ("position", "less", _ERROR),
    ("local", "more", _RIGHT),
    ("psnr", "more", _SIMILAR),
    ("ssim", "more", _SIMILAR),
    ("lpips", "less", "distance from the world's video"),
)

RULES = (
    # Codes and vectors against true actions.
    Rule("codes.*", "neither", "use of the codes: as many as there are actions, neither more nor fewer"),
    Rule("local.*lag*", "neither", "codes against the actions of another transition"),
    Rule("local.*completeness", "neither", "1 for a code that never changes"),
    Rule("local.*", "more", "information about the action that codes are for, or a share of right answers"),
    Rule("global.*", "neither", _PROPERTY),
    Rule("background.*", "neither", _PROPERTY),
    Rule("vectors.local.*", "more", "accuracy of a probe for the action that vectors are for"),
    Rule("vectors.*", "neither", _PROPERTY),
    # What each latent tells: of a source (accuracy of the action), or of a shift (R2).
    Rule("leakage.local.codes*", "more", _CARRIES),
    Rule("leakage.local.vectors*", "more", _CARRIES),
    Rule("leakage.global.shift*", "more", _CARRIES),
    Rule("leakage.shift.shift*", "more", _CARRIES),
    Rule("leakage.background.background_shift*", "more", _CARRIES),
    Rule("leakage.background_shift.background_shift*", "more", _CARRIES),
    Rule("leakage.background.*", "less", _OF_SCENE),
    Rule("leakage.background_shift.*", "less", _OF_SCENE),
    Rule("leakage.*.background_shift*", "less", _OF_CHARACTER),
    Rule("leakage.*", "neither", "local and global actions depend on one another: walking to the left moves to the left"),
    # Motion and masks.
    Rule("*shift.*angle", "more", _RIGHT),
    Rule("*shift.*action_accuracy", "more", _RIGHT),
    Rule("*shift.*mean", "less", _ERROR),
    Rule("*shift.median", "less", _ERROR),
    Rule("*shift.p95", "less", _ERROR),
    Rule("masks.*", "more", "agreement with the true mask"),
    # Responses to what is no action.
    Rule("null.*", "less", _RESPONSE),
    Rule("nuisance.*", "less", _RESPONSE),
    # Generated video.
    Rule("*.unreadable*", "less", "a share of generated frames that show no figure that can be read"),
    Rule("*.ghost*", "less", "a share of generated frames with a second figure"),
    Rule("control.*", "more", "effect of an action, or a share of right ones"),
    *(Rule(f"{replay}.{quantity}.*", better, reason) for replay in ("drift", "transfer") for quantity, better, reason in _OF_REPLAYS),
    Rule("images.*", "less", "distance from the world's video"),
    # Videos without labels.
    Rule("consistency.vectors", "less", "distance between two readings of the same actions"),
    Rule("consistency.shift", "less", "distance between two readings of the same actions"),
    Rule("consistency.codes", "more", "agreement of two readings of the same actions"),
    Rule("consistency.masks", "more", "agreement of two readings of the same actions"),
    Rule("reader.*", "neither", "a property of the benchmark's reader, not of a model"),
)
"""The rules; the first one whose pattern matches decides."""


def rule_of(name: str) -> Rule:
    """The rule for a score. Raises KeyError if there is none.

    Example:
        >>> rule_of("local.standing.ami").better, rule_of("global.ami").better, rule_of("shift.mean").better
        ('more', 'neither', 'less')
    """
    for rule in RULES:
        if fnmatchcase(name, rule.pattern):
            return rule
    raise KeyError(f"no rule says whether more or less of {name} is better")


def loss(name: str, change: float) -> float:
    """How much worse a score became that changed by `change`, in its unit: negative if it became better, 0 if neither is better.

    Example:
        >>> loss("shift.mean", 0.5), loss("local.ami", 0.5), loss("codes.usage", 0.5)
        (0.5, -0.5, 0.0)
    """
    return change * {"more": -1.0, "less": 1.0, "neither": 0.0}[rule_of(name).better]
