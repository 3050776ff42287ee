"""Scores that say nothing in a world, whatever the model: an action that never occurs, or a twin that equals its clip."""

from wsprites.bench.data import Part
from wsprites.bench.metrics.interval import Score
from wsprites.world.script import casting
from wsprites.world.spec import SPLITS

_SCENE_MOTION = (
    "background.",
    "background_shift.angle",
    "background_shift.clipped.",
    "leakage.background.",
    "leakage.background_shift.",
    "vectors.background.",
    "null.background_shift",
    "nuisance.background_motion.",
    "nuisance.background.background_shift",
    "nuisance.character.background_shift",
)


def absent(part: Part) -> dict[str, str]:
    """Why clips of a part have no scores whose names have these beginnings.

    Example:
        >>> from wsprites.bench.data import standard
        >>> absent(standard("wsprites-axes-one-character-v1", clips=2).scored)
        {'nuisance.character.': "'test' shows one character only"}
    """
    reasons: dict[str, str] = {}
    if part.spec.background_box == (0, 0):
        reasons |= dict.fromkeys(_SCENE_MOTION, "the scene never moves (background.limit = 0)")
    if (casting(part.spec, 0).split == SPLITS.index(part.name)).sum() == 1:
        reasons["nuisance.character."] = f"'{part.name}' shows one character only"
    if len(part.spec.scenes(part.name)) == 1:
        reasons["nuisance.background."] = f"'{part.name}' shows one scene only"
    return reasons


def leave_out(results: dict[str, dict[str, Score]], part: Part) -> dict[str, str]:
    """Delete the scores that say nothing from those of the model and of all baselines.

    Args:
        results: scores by predictor, which are changed.
        part: the clips that were scored.

    Returns:
        Why, by the beginnings of names that the model had scores of.
    """
    reasons = {name: why for name, why in absent(part).items() if any(score.startswith(name) for score in results["model"])}
    for scores in results.values():
        for name in [name for name in scores if name.startswith(tuple(reasons))]:
            del scores[name]
    return reasons
