"""An independent writer of scripts: pure Python, one clip and one frame at a time, by the rules of the supplement and the docstrings.

Tables are written from the facts, not imported. Only the stream of random words comes from numpy, whose Philox generator is specified.
"""

import math

import numpy as np

LEFT, RIGHT, UP, DOWN, STAY = range(5)
UNIT = {LEFT: (-1, 0), RIGHT: (1, 0), UP: (0, -1), DOWN: (0, 1), STAY: (0, 0)}
VIEWS = {3: {"walk": [0, 1, 2], "spellcast": [3, 4, 5], "slash": [6, 7, 8]}}
VIEWS[4] = {animation: [*views, 9 + number] for number, (animation, views) in enumerate(VIEWS[3].items())}
WALK_OF = {3: {LEFT: 1, RIGHT: 2, UP: 0, DOWN: 0}, 4: {LEFT: 1, RIGHT: 2, UP: 9, DOWN: 0}}


def shown_by(world, *, standing=False):
    """The numbers of the local actions that characters show, or of those that they show while they stand."""
    animations = [animation for animation in world.animations if not (standing and animation == "walk")]
    return sorted(number for animation in animations for number in VIEWS[world.facings][animation])


def words(seed, key, count):
    return np.random.Philox(key=np.array([seed, key], np.uint64)).random_raw(count).tolist()


def uniform(word):
    return (word >> 11) / 2**53


def pick(candidates, word):
    return candidates[int(uniform(word) * len(candidates))]


def clip(world, seed, index):
    """{label: nested lists} of one clip."""
    stream = words(seed, index, 8 * (1 + world.frames))
    first, *rows = [stream[8 * r : 8 * r + 8] for r in range(1 + world.frames)]
    inset = 0 if world.rule == "paper" else 1
    sprite_box = [max(size - int(64 * world.scale) - inset, 0) for size in (world.width, world.height)]
    crop_box = [max(world.background.limit - inset, 0)] * 2
    sprite = walk(world.rule, world.sprite, sprite_box, first[0:2], [row[0:2] for row in rows], [row[6] for row in rows])
    crop = walk(world.rule, world.background, crop_box, first[2:4], [row[2:4] for row in rows])
    chosen = [row[4:6] for row in rows]
    before = [[p - d for p, d in zip(*moved, strict=True)] for moved in zip(sprite["point"], sprite["shift"], strict=True)]
    asked = [(row[7], place(world, sprite_box, point)) for row, point in zip(rows, before, strict=True)]
    local, frame = coupled(world, sprite["action"], chosen) if world.local.coupled else uncoupled(world, chosen, asked)
    order = characters(world, seed)
    character = order[index % len(order)]
    first_scene, scenes = 0, world.cast.backgrounds - world.split.scenes
    if world.split.scenes and splits(world)[character] == 2:
        first_scene, scenes = scenes, world.split.scenes
    return {
        "index": index,
        "character": character,
        "parts": [part for part, count in zip(parts(world, character), world.cast.counts, strict=True) if count > 1],
        "background": first_scene + int(uniform(first[4]) * scenes),
        "global_action": sprite["action"],
        "local_action": local,
        "background_action": crop["action"],
        "animation_frame": frame,
        "position": sprite["point"],
        "shift": sprite["shift"],
        "background_offset": crop["point"],
        "background_shift": [[-dx, -dy] for dx, dy in crop["shift"]],
    }


def walk(rule, spec, box, start, rows, policy=None):
    """Supplement B, eqs. 1-7: keep the previous action with inertia, or take another of those that do not leave the box.

    With a policy, the other one is the step towards the middle of the box as often as it says.
    """
    point = [int(uniform(word) * (largest + 1)) for word, largest in zip(start, box, strict=True)]
    previous, result = None, {"action": [], "point": [], "shift": []}
    for t, (what, whether) in enumerate(rows):
        leaves = {LEFT: point[0] == 0, RIGHT: point[0] == box[0], UP: point[1] == 0, DOWN: point[1] == box[1], STAY: False}
        available = [action for action in UNIT if not leaves[action]]
        candidates = [action for action in available if rule == "paper" or action != previous] or available
        inertia = 0.9 if rule == "released" and previous == STAY else spec.p_inertia
        if previous not in available or uniform(whether) >= inertia:
            previous = inwards(point, box, spec.step) if policy and uniform(policy[t]) < spec.policy else pick(candidates, what)
        moved = [min(max(p + spec.step * unit, 0), largest) for p, unit, largest in zip(point, UNIT[previous], box, strict=True)]
        result["action"].append(previous)
        result["point"].append(moved)
        result["shift"].append([after - before for before, after in zip(point, moved, strict=True)])
        point = moved
    return result


def inwards(point, box, step):
    """The step towards the middle: along x if x is as far from it as y or farther, none if both are within half a step."""
    far = [p - largest / 2 for p, largest in zip(point, box, strict=True)]
    if abs(far[0]) <= step / 2 and abs(far[1]) <= step / 2:
        return STAY
    if abs(far[0]) >= abs(far[1]):
        return LEFT if far[0] > 0 else RIGHT
    return UP if far[1] > 0 else DOWN


def place(world, box, point):
    """The local action of a place: the box is cut into a row for each animation and a column for each facing, numbered as one reads."""
    shown = shown_by(world)
    columns, rows = world.facings, len(shown) // world.facings
    column, row = [int(p / (largest + 1) * n) for p, largest, n in zip(point, box, (columns, rows), strict=True)]
    return shown[columns * row + column]


def coupled(world, steps, rows):
    """A moving character shows the walk of its direction, resumed where it stopped; a standing one acts in bouts of other actions."""
    shown, remaining, following, standing = None, 0, {}, shown_by(world, standing=True)
    actions, frames = [], []
    for step, (what, length) in zip(steps, rows, strict=True):
        begins = step == STAY and (remaining == 0 or shown not in standing)
        if begins:
            shown = pick([action for action in standing if action != shown], what)
            remaining = pick(range(world.local.bout_min, world.local.bout_max + 1), length)
        elif step != STAY:
            shown = WALK_OF[world.facings][step]
        remaining -= 1
        frame = 0 if begins else following.get(shown, 0)
        following[shown] = (frame + 1) % 8
        actions.append(shown)
        frames.append(frame)
    return actions, frames


def uncoupled(world, rows, asked):
    """Local actions are a chain with inertia of their own; an animation starts anew with every change."""
    actions, frames = [], []
    for (what, whether), (policy, there) in zip(rows, asked, strict=True):
        previous = actions[-1] if actions else None
        if previous is not None and uniform(whether) < world.local.p_inertia:
            actions.append(previous)
        elif uniform(policy) < world.local.policy:
            actions.append(there)
        else:
            actions.append(pick([a for a in shown_by(world) if world.rule == "paper" or a != previous], what))
        frames.append((frames[-1] + 1) % 8 if actions[-1] == previous else 0)
    return actions, frames


def parts(world, character):
    """The sheet of each layer: the digits of the character's number, the lowest layer leading."""
    digits = []
    for count in reversed(world.cast.counts):
        character, digit = divmod(character, count)
        digits.insert(0, digit)
    return digits


def shuffled(n, seed, key):
    drawn = words(seed, key, n)
    return sorted(range(n), key=drawn.__getitem__)


def characters(world, seed):
    """All characters in order of appearance: shuffled by the seed, and those of the three splits spread evenly."""
    order = []
    in_turn = shuffled(math.prod(world.cast.counts), seed, 2**64 - 2)
    split_of = splits(world)
    for split in range(3):
        members = [character for character in in_turn if split_of[character] == split]
        order += [((rank + 0.5) / len(members), split, character) for rank, character in enumerate(members)]
    return [character for _, _, character in sorted(order)]


def splits(world):
    """The split of each character: its own, or that of its sheet in the layer that is held out."""
    count = math.prod(world.cast.counts)
    if not world.split.holdout:
        return deal(world.split, count)
    layer = world.cast.layers.index(world.split.holdout)
    split_of = deal(world.split, world.cast.counts[layer])
    return [split_of[parts(world, character)[layer]] for character in range(count)]


def deal(split, n):
    """The splits of n items in the given shares, at least one item for every share above 0 where there are enough."""
    due = [share * n for share in (split.train, split.val, split.test)]
    sizes = [max(math.floor(d), d > 0) for d in due]
    while sum(sizes) < n:
        sizes[max(range(3), key=lambda k: due[k] - sizes[k])] += 1
    while sum(sizes) > n:
        more_than_one = [k for k in range(3) if sizes[k] > 1]
        sizes[max(more_than_one or range(3), key=lambda k: sizes[k] - due[k])] -= 1
    order, split_of = shuffled(n, split.seed, 2**64 - 1), [0] * n
    for place, item in enumerate(order):
        split_of[item] = 0 if place < sizes[0] else 1 if place < sizes[0] + sizes[1] else 2
    return split_of
