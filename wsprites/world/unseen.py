"""Actions that a world can never show, because its numbers leave no room or no time for them. Derived from the specification alone.

Clips start anywhere in the boxes of the two walks, and a direction is available wherever the box goes on in it. So a direction is seen
in some clip exactly if its axis of the box is at least one pixel long, whatever the steps and probabilities are; a coupled character
walks only in directions that are seen; and every other action is a candidate of the first frame already.
"""

from wsprites.world.actions import GlobalAction, LocalAction, walk_of
from wsprites.world.spec import WorldSpec

_AXES = ((GlobalAction.left, GlobalAction.right), (GlobalAction.up, GlobalAction.down))  # of x, of y
_SIDES = ("width", "height")


def unseen_actions(spec: WorldSpec) -> dict[str, tuple[GlobalAction, ...] | tuple[LocalAction, ...]]:
    """The actions that occur in no clip of a world, whatever the seed.

    Args:
        spec: the world.

    Returns:
        The values that "global_action", "local_action" and "background_action" never have; without those of animations that
        `spec.animations` leaves out, which is a choice.

    Example:
        >>> import dataclasses
        >>> from wsprites.world.spec import PRESETS
        >>> unseen_actions(PRESETS["paper"])["global_action"]
        ()
        >>> [action.name for action in unseen_actions(dataclasses.replace(PRESETS["paper"], width=64))["local_action"]]
        ['walk_left', 'walk_right']
    """
    sprite = _closed(spec.sprite_box)
    walks = {walk_of(action, spec.facings) for axis in _AXES for action in axis}
    seen = {walk_of(action, spec.facings) for axis in _AXES for action in axis if action not in sprite}
    local = tuple(sorted(walks - seen)) if spec.local.coupled else ()
    return {"global_action": sprite, "local_action": local, "background_action": _closed(spec.background_box)}


def is_motionless(spec: WorldSpec) -> bool:
    """True if the sprite can move in no direction, so that no global action but `stay` exists."""
    return spec.sprite_box == (0, 0)


def remarks(spec: WorldSpec) -> list[str]:
    """One line for each number of a world that keeps actions or motion from being seen: the number, its effect, and how to change it.

    Example:
        >>> import dataclasses
        >>> from wsprites.world.spec import PRESETS
        >>> remarks(PRESETS["paper"]), remarks(dataclasses.replace(PRESETS["paper"], frames=1))
        ([], ['frames = 1: no motion and no change of action can be seen; make it 2 or more'])
    """
    lines = []
    unseen = unseen_actions(spec)
    spare = 1 if spec.rule == "paper" else 2  # pixels that a side needs beyond the cell for a box of one pixel
    # Directions in which the sprite cannot move.
    closed = [axis for axis, largest in enumerate(spec.sprite_box) if largest == 0]
    if closed:
        sides = " and ".join(f"{_SIDES[axis]} = {getattr(spec, _SIDES[axis])}" for axis in closed)
        never = _named("global", unseen["global_action"]) + _named("local", unseen["local_action"])
        needed = " and ".join(f"{_SIDES[axis]} at least {spec.cell + spare}" for axis in closed)
        room = f"no room beside the character's cell of {spec.cell} x {spec.cell} pixels"
        lines.append(f"{sides}: {room}, so these actions can never be seen: {', '.join(never)}; make {needed}, or scale smaller")
    if unseen["background_action"]:
        never = _named("background", unseen["background_action"])
        limit = f"background.limit = {spec.background.limit}"
        lines.append(f"{limit}: the scene never moves, so these actions can never be seen: {', '.join(never)}; make it {spare} or more")
    if spec.frames == 1:
        lines.append("frames = 1: no motion and no change of action can be seen; make it 2 or more")
    # Steps that are never taken whole.
    for name, walk, box in (("sprite", spec.sprite, spec.sprite_box), ("background", spec.background, spec.background_box)):
        short = [f"{axis} ({largest} pixels)" for axis, largest in zip("xy", box, strict=True) if 0 < largest < walk.step]
        if short:
            way = " and ".join(short)
            lines.append(f"{name}.step = {walk.step}: longer than the way in {way}, so steps are cut short; make it smaller")
    return lines


def _closed(box: tuple[int, int]) -> tuple[GlobalAction, ...]:
    return tuple(action for axis, largest in zip(_AXES, box, strict=True) if largest == 0 for action in axis)


def _named(kind: str, actions: tuple[GlobalAction, ...] | tuple[LocalAction, ...]) -> list[str]:
    return [f"{kind} {action.name}" for action in actions]
