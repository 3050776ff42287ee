"""script(spec, seed, index) -> Script: who is seen, where, doing what, at every frame of a clip. No pixels.

The only place where randomness is drawn. Clip `index` of `seed` has the Philox generator with the key (seed, index). It yields rows
of eight 64-bit words: row 0 casts the clip, row t + 1 decides frame t. So a clip depends on nothing but (spec, seed, index), and the
first frames of a clip are the same however long it is.

Axis suffixes: n clips, t frames, 2 = (x, y) or columns of a row.
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsprites.render.compiled import compiled
from wsprites.world.actions import CYCLE, GlobalAction, is_walk, local_actions, walk_of
from wsprites.world.spec import SPLITS, WorldSpec
from wsprites.world.walk import Walk, WalkRule, choices, start, walk

_WORDS = 8
# Columns of row 0, and of every other row.
_CAST_SPRITE, _CAST_OFFSET, _CAST_BACKGROUND = slice(0, 2), slice(2, 4), 4
_SPRITE, _BACKGROUND, _LOCAL = slice(0, 2), slice(2, 4), slice(4, 6)
# Clip numbers end below 2**63; the keys above it belong to permutations.
_SPLIT_KEY, _ORDER_KEY = 2**64 - 1, 2**64 - 2


@dataclass(frozen=True)
class Script:
    """One clip of T frames, or N of them with a leading axis. Labels at t: what led from frame t-1 to frame t, and frame t's state."""

    index: NDArray[np.int64]
    """() number of the clip in the whole data set."""
    character: NDArray[np.int32]
    """() number of the character: the mixed-radix number of its sheets, the lowest layer leading."""
    parts: NDArray[np.int32]
    """(P,) number of its sheet in each layer where characters differ (`CastSpec.parts`)."""
    background: NDArray[np.int32]
    """() number of the background image."""
    global_action: NDArray[np.uint8]
    """(T,) GlobalAction: the sprite's step."""
    local_action: NDArray[np.uint8]
    """(T,) LocalAction: the animation shown."""
    background_action: NDArray[np.uint8]
    """(T,) GlobalAction: the step of the background's crop. The scene moves the other way on the screen."""
    animation_frame: NDArray[np.uint8]
    """(T,) frame of the animation's cycle, 0 to 7."""
    position: NDArray[np.int16]
    """(T, 2) pixels: (x, y) of the top-left corner of the sprite's cell."""
    shift: NDArray[np.int16]
    """(T, 2) pixels: motion of the sprite on the screen."""
    background_offset: NDArray[np.int16]
    """(T, 2) pixels: (x, y) of the crop's top-left corner in the background image."""
    background_shift: NDArray[np.int16]
    """(T, 2) pixels: motion of the scene on the screen, minus the change of the offset."""

    def __getitem__(self, key: Any) -> "Script":
        """One clip, or some, of a script of many: `script[clips]`, or windows of them, `script[clips, frames]`."""
        clips = key[0] if isinstance(key, tuple) else key
        return Script(*[getattr(self, name)[clips] for name in CLIP_LABELS], *[getattr(self, name)[key] for name in FRAME_LABELS])

    def window(self, first: int, stop: int) -> "Script":
        """The frames `first` to `stop - 1` of a script of one clip."""
        return Script(*[getattr(self, name) for name in CLIP_LABELS], *[getattr(self, name)[first:stop] for name in FRAME_LABELS])


LABELS = tuple(f.name for f in dataclasses.fields(Script))
"""Fields of a Script, the names of the data sets in a file."""
CLIP_LABELS = LABELS[:4]
FRAME_LABELS = LABELS[4:]


def script(spec: WorldSpec, seed: int, index: int) -> Script:
    """The script of clip `index` (>= 0) of the data set `seed` (0 to 2**63 - 1)."""
    return scripts(spec, seed, [index])[0]


def scripts(spec: WorldSpec, seed: int, indices: ArrayLike) -> Script:
    """The scripts of several clips, written together: the same as one by one, many times faster.

    Args:
        indices: (N,) int, numbers of clips, in any order.
    """
    index_n = np.asarray(indices, np.int64)
    word_nrw = _words(seed, index_n, spec.frames)
    cast = _uniform(word_nrw[:, 0])
    sprite_n2, offset_n2 = start(cast[:, _CAST_SPRITE], spec.sprite_box), start(cast[:, _CAST_OFFSET], spec.background_box)
    rules = _rules(spec)
    if kernel := compiled():
        *walks, local_nt, frame_nt = kernel.write(word_nrw, sprite_n2, offset_n2, *_plain(rules))
        sprite, background = (Walk(*arrays) for arrays in walks)
    else:
        sprite, background, local_nt, frame_nt = _write(word_nrw[:, 1:], sprite_n2, offset_n2, rules)
    order = casting(spec, seed)
    character_n = order.character[index_n % spec.cast.characters]
    return Script(
        index=index_n,
        character=character_n.astype(np.int32),
        parts=parts_of(spec, character_n),
        background=(cast[:, _CAST_BACKGROUND] * spec.cast.backgrounds).astype(np.int32),
        global_action=sprite.action_nt,
        local_action=local_nt,
        background_action=background.action_nt,
        animation_frame=frame_nt,
        position=sprite.point_nt2,
        shift=sprite.shift_nt2,
        background_offset=background.point_nt2,
        background_shift=-background.shift_nt2,
    )


class Casting(NamedTuple):
    """Who is seen in which clip: clip i shows `character[i % len(character)]`."""

    character: NDArray[np.int64]
    """(C,) all characters in order of appearance. Every stretch of it holds the splits in about their shares."""
    split: NDArray[np.int8]
    """(C,) the split (number in SPLITS) of each of them, in the same order."""


@lru_cache(maxsize=8)
def casting(spec: WorldSpec, seed: int) -> Casting:
    """Deal the characters out to the splits (by `spec.split.seed`), and order them (by `seed`)."""
    characters = np.arange(spec.cast.characters)
    split_c = _splits(spec)
    shuffled = characters[permutation(seed, _ORDER_KEY, len(characters))]
    # A character's place is its relative rank within its own split, so that the splits come in turn.
    place = np.empty(len(characters))
    for number in range(len(SPLITS)):
        members = shuffled[split_c[shuffled] == number]
        place[members] = (np.arange(len(members)) + 0.5) / max(len(members), 1)
    order = np.lexsort((split_c, place))
    cast = Casting(order, split_c[order])
    for array in cast:
        array.setflags(write=False)  # it is kept, and handed out again
    return cast


def shard_clips(n: int, shard: tuple[int, int]) -> range:
    """The numbers of the clips in the k-th of K shards of n clips, for shard = (k, K)."""
    number, shards = shard
    return range(n * (number - 1) // shards, n * number // shards)


def split_indices(spec: WorldSpec, seed: int, n: int, shard: tuple[int, int] = (1, 1)) -> dict[str, NDArray[np.int64]]:
    """The numbers of the clips of each split among the first `n`, or among a shard of them, ascending."""
    split_c, clips = casting(spec, seed).split, shard_clips(n, shard)
    index_n = np.arange(clips.start, clips.stop)
    split_n = split_c[index_n % len(split_c)]
    return {name: index_n[split_n == number] for number, name in enumerate(SPLITS)}


def split_sizes(spec: WorldSpec, seed: int, n: int) -> dict[str, int]:
    """How many of the first `n` clips are in each split."""
    split_c = casting(spec, seed).split
    rounds, rest = divmod(n, len(split_c))
    counts = rounds * np.bincount(split_c, minlength=len(SPLITS)) + np.bincount(split_c[:rest], minlength=len(SPLITS))
    return dict(zip(SPLITS, counts.tolist(), strict=True))


def parts_of(spec: WorldSpec, character_n: NDArray[np.integer]) -> NDArray[np.int32]:
    """(N, P) int32: the sheets of characters, one column for each of `spec.cast.parts`."""
    columns = np.unravel_index(character_n, spec.cast.part_counts or (1,))[: len(spec.cast.parts)]
    return np.stack(columns, axis=-1).astype(np.int32) if columns else np.zeros((len(character_n), 0), np.int32)


def _splits(spec: WorldSpec) -> NDArray[np.int8]:
    """(C,) int8: the split of each character."""
    shares = np.array([spec.split.train, spec.split.val, spec.split.test])
    if not spec.split.holdout:
        return _deal(spec.split.seed, spec.cast.characters, shares)
    layer = spec.cast.layers.index(spec.split.holdout)
    part_c = np.unravel_index(np.arange(spec.cast.characters), spec.cast.counts)[layer]
    return _deal(spec.split.seed, spec.cast.counts[layer], shares)[part_c]


def _deal(seed: int, n: int, shares: NDArray[np.float64]) -> NDArray[np.int8]:
    """(n,) int8: splits of n things in the given shares, at least one thing for every share above 0 where there are enough."""
    sizes = np.maximum(np.floor(shares * n).astype(np.int64), shares > 0)
    while sizes.sum() < n:  # one by one to whoever is furthest below its share
        sizes[np.argmax(shares * n - sizes)] += 1
    while sizes.sum() > n:  # and back from whoever is furthest above it, the last one only where there are too few
        above = sizes - shares * n
        sizes[np.argmax(np.where(sizes > 1, above, -np.inf if (sizes > 1).any() else above))] -= 1
    dealt = np.empty(n, np.int8)
    dealt[permutation(seed, _SPLIT_KEY, n)] = np.repeat(np.arange(len(shares)), sizes)
    return dealt


def permutation(seed: int, key: int, n: int) -> NDArray[np.int64]:
    """(n,) int64: the numbers 0 to n - 1 in an order that depends on the two keys (0 to 2**64 - 1) alone."""
    return np.argsort(np.random.Philox(key=np.array([seed, key], np.uint64)).random_raw(n), kind="stable")


class Rules(NamedTuple):
    """What decides about the frames of a clip, for compiled code and for the other."""

    sprite: WalkRule
    background: WalkRule
    coupled: bool
    walks: NDArray[np.int64]
    """(5,): the local action of a character that walks, by GlobalAction; of one that stays A, "nothing yet"."""
    candidates: NDArray[np.int64]
    """(A + 1, S): the standing actions to choose from, ascending and left-aligned, by the one shown before."""
    options: NDArray[np.int64]
    """(A + 1,): how many they are."""
    standing: NDArray[np.bool_]
    """(A + 1,)."""
    bout_min: int
    bouts: int
    """How many lengths a bout may have, `bout_min` the least."""
    p_inertia: float
    """Of the local actions, where they are not coupled."""
    released: bool


@lru_cache(maxsize=8)
def _rules(spec: WorldSpec) -> Rules:
    known = local_actions(spec.facings)
    nothing = len(known)
    standing = [a for a in known if not is_walk(a)]
    candidates = np.zeros((nothing + 1, len(standing)), np.int64)
    options = np.zeros(nothing + 1, np.int64)
    for before in range(nothing + 1):
        others = [a for a in standing if a != before]
        candidates[before, : len(others)], options[before] = others, len(others)
    return Rules(
        sprite=WalkRule(spec.sprite_box, spec.sprite.step, choices(spec.sprite.p_inertia, spec.rule)),
        background=WalkRule(spec.background_box, spec.background.step, choices(spec.background.p_inertia, spec.rule)),
        coupled=spec.local.coupled,
        walks=np.array([walk_of(g, spec.facings) for g in GlobalAction if g != GlobalAction.stay] + [nothing]),
        candidates=candidates,
        options=options,
        standing=np.array([a in standing for a in known] + [False]),
        bout_min=spec.local.bout_min,
        bouts=spec.local.bout_max - spec.local.bout_min + 1,
        p_inertia=float(spec.local.p_inertia),
        released=spec.rule == "released",
    )


def _plain(value: Any) -> Any:
    """Rules without their classes, as compiled code takes them."""
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _words(seed: int, index_n: NDArray[np.int64], frames: int) -> NDArray[np.uint64]:
    """(N, 1 + T, 8) uint64. Raw words, whose stream numpy keeps for ever, unlike that of its distributions."""
    word_nrw = np.empty((len(index_n), 1 + frames, _WORDS), np.uint64)
    generator = np.random.Philox(key=np.array([seed, 0], np.uint64))
    state = generator.state
    for rows, index in zip(word_nrw, index_n, strict=True):
        # Setting the key of a fresh state is three times faster than making a generator.
        state["state"]["key"][1] = index
        generator.state = state
        rows.reshape(-1)[:] = generator.random_raw(rows.size)
    return word_nrw


def _uniform(word: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Numbers in [0, 1)."""
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53


def _write(
    word_ntw: NDArray[np.uint64], sprite_n2: NDArray[np.int64], offset_n2: NDArray[np.int64], rules: Rules
) -> tuple[Walk, Walk, NDArray[np.uint8], NDArray[np.uint8]]:
    """The walks of sprites and of backgrounds, local actions and animation frames."""
    uniform_tnw = np.ascontiguousarray(_uniform(word_ntw).transpose(1, 0, 2))
    sprite = walk(sprite_n2, uniform_tnw[..., _SPRITE], rules.sprite)
    background = walk(offset_n2, uniform_tnw[..., _BACKGROUND], rules.background)
    if rules.coupled:
        return sprite, background, *_coupled(rules, sprite.action_nt, uniform_tnw[..., _LOCAL])
    return sprite, background, *_uncoupled(rules, uniform_tnw[..., _LOCAL])


def _coupled(rules: Rules, global_nt: NDArray[np.uint8], uniform_tn2: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Local actions and animation frames, (N, T) each, of characters that walk where they go and act in bouts while they stay."""
    clips, frames = global_nt.shape
    nothing = len(rules.options) - 1
    local_tn, frame_tn = np.empty((2, frames, clips), np.uint8)
    cursor = np.zeros(clips * nothing, np.int64)  # next frame of the cycle of each clip's every animation
    first = np.arange(clips) * nothing
    shown, left = np.full(clips, nothing), np.zeros(clips, np.int64)
    for t in range(frames):
        stays = global_nt[:, t] == GlobalAction.stay
        new_bout = stays & (~rules.standing[shown] | (left == 0))
        act = rules.candidates[shown, (uniform_tn2[t, :, 0] * rules.options[shown]).astype(np.int64)]
        length = rules.bout_min + (uniform_tn2[t, :, 1] * rules.bouts).astype(np.int64)
        shown = np.where(stays, np.where(new_bout, act, shown), rules.walks[global_nt[:, t]])
        left = np.where(new_bout, length, left) - 1
        frame = np.where(new_bout, 0, cursor[first + shown])
        cursor[first + shown] = (frame + 1) % CYCLE
        local_tn[t], frame_tn[t] = shown, frame
    return np.ascontiguousarray(local_tn.T), np.ascontiguousarray(frame_tn.T)


def _uncoupled(rules: Rules, uniform_tn2: NDArray[np.float64]) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    """Local actions and animation frames, (N, T) each, of an inertia chain over all local actions that knows nothing of the walk."""
    frames, clips = uniform_tn2.shape[:2]
    actions = len(rules.options) - 1
    local_tn, frame_tn = np.empty((2, frames, clips), np.uint8)
    shown, frame = np.full(clips, actions), np.zeros(clips, np.int64)
    for t in range(frames):
        # As in the walk, the released rule draws any candidate but the previous action; at first there is none.
        excluded = int(rules.released and t > 0)
        candidate = (uniform_tn2[t, :, 0] * (actions - excluded)).astype(np.int64)
        candidate += excluded * (candidate >= shown)
        keep = (uniform_tn2[t, :, 1] < rules.p_inertia) & (t > 0)
        new = np.where(keep, shown, candidate)
        frame = np.where(new == shown, (frame + 1) % CYCLE, 0)
        shown = new
        local_tn[t], frame_tn[t] = shown, frame
    return np.ascontiguousarray(local_tn.T), np.ascontiguousarray(frame_tn.T)
