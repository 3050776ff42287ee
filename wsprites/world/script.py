"""Scripts: which character is seen, where, and what it does in every frame of a clip. No pixels.

The only place where randomness is drawn. Clip `index` of `seed` has the Philox generator with the key (seed, index). It yields rows
of eight 64-bit words: row 0 decides what the clip starts with, row t + 1 decides frame t. So a clip depends on nothing but
(spec, seed, index), and the first frames of a clip are the same however long it is.

Axis suffixes: n clips, c characters, r rows of words (1 + T), t frames, w words of a row, 2 = (x, y).
"""

import dataclasses
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from wsprites.errors import ArgumentError
from wsprites.fields import show, whole
from wsprites.world.actions import GlobalAction, is_walk, local_actions, walk_of
from wsprites.world.spec import SPLITS, WorldSpec
from wsprites.world.walk import WalkRule, choices, start

_WORDS = 8
_START_SPRITE, _START_OFFSET, _BACKGROUND = slice(0, 2), slice(2, 4), 4  # columns of row 0; those of the others are in `kernel.py`
_MOST_SEED = 2**63 - 1
# Clip numbers end below 2**63; the keys above it belong to permutations.
_SPLIT_KEY, _ORDER_KEY = 2**64 - 1, 2**64 - 2


@dataclass(frozen=True, repr=False)
class Script:
    """The labels of one clip of T frames, or of N clips with a leading axis.

    Actions, shifts and the animation frame at t describe the transition from frame t - 1 to frame t; positions and offsets, frame t.

    Example:
        >>> from wsprites.world.spec import PRESETS
        >>> two = scripts(PRESETS["paper"], seed=0, indices=[0, 7])
        >>> two.position.shape, two[1].position.shape, two.window(10, 22).position.shape
        ((2, 90, 2), (90, 2), (2, 12, 2))
        >>> two, two[1].window(10, 22)
        (<Script: 2 clips of 90 frames>, <Script of clip 7: 12 frames, character 885, background 6>)
    """

    index: NDArray[np.int64]
    """() clip index in the whole data set."""
    character: NDArray[np.int32]
    """() character id: the mixed-radix number of its sheets, the lowest layer leading."""
    parts: NDArray[np.int32]
    """(P,) sheet number in each layer where characters differ (`CastSpec.parts`)."""
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

    def __repr__(self) -> str:
        length, clips = self.position.shape[self.index.ndim : -1], self.index.size  # a single frame of a clip has no length
        frames = "1 frame" if length in ((), (1,)) else f"{length[0]} frames"
        if self.index.ndim:
            return f"<Script: {clips:,} {'clip' if clips == 1 else 'clips'} of {frames}>"
        return f"<Script of clip {self.index}: {frames}, character {self.character}, background {self.background}>"

    def __getitem__(self, key: Any) -> "Script":
        """Some clips of a batch, `script[clips]`, or windows of them, `script[clips, frames]`. An integer gives a script of one clip."""
        clips = key[0] if isinstance(key, tuple) else key
        return Script(*[getattr(self, name)[clips] for name in CLIP_LABELS], *[getattr(self, name)[key] for name in FRAME_LABELS])

    def window(self, first: int, stop: int) -> "Script":
        """The frames `first` to `stop - 1` of the clip, or of every clip of a batch."""
        frames = (slice(None),) * self.index.ndim + (slice(first, stop),)
        return Script(*[getattr(self, name) for name in CLIP_LABELS], *[getattr(self, name)[frames] for name in FRAME_LABELS])


LABELS = tuple(f.name for f in dataclasses.fields(Script))
"""Fields of a Script, which are the names of the data sets in a file."""
CLIP_LABELS = LABELS[:4]
"""Labels with one value per clip."""
FRAME_LABELS = LABELS[4:]
"""Labels with one value per frame."""


def script(spec: WorldSpec, seed: int, index: int) -> Script:
    """The script of clip `index` (>= 0) of the data set `seed` (0 to 2**63 - 1)."""
    return scripts(spec, seed, [index])[0]


def scripts(spec: WorldSpec, seed: int, indices: ArrayLike) -> Script:
    """The scripts of several clips: the same as of one by one, many times faster.

    Args:
        spec: the world.
        seed: seed of the data set, 0 to 2**63 - 1.
        indices: (N,) int, clip indices >= 0, in any order.

    Raises:
        ArgumentError: `seed` or one of `indices` is no whole number in its range.
    """
    from wsprites.world.kernel import write  # not above: numba takes long to import, and splits and casting do without

    given, seed = np.asarray(indices), whole("seed", seed, 0, _MOST_SEED)
    if given.size and (given.dtype.kind not in "iu" or given.min() < 0 or given.max() > _MOST_SEED):
        raise ArgumentError("indices", f"{show(given.ravel().tolist())} must be whole numbers from 0 to {_MOST_SEED}")
    index_n = given.astype(np.int64)
    # What clips start with, from row 0 of their words; then all frames.
    word_nrw = _words(seed, index_n, spec.frames)
    cast = _uniform(word_nrw[:, 0])
    sprite_n2, offset_n2 = start(cast[:, _START_SPRITE], spec.sprite_box), start(cast[:, _START_OFFSET], spec.background_box)
    sprite, crop, local_nt, frame_nt = write(word_nrw, sprite_n2, offset_n2, _plain(_rules(spec)))
    (global_nt, position_nt2, shift_nt2), (crop_nt, offset_nt2, crop_shift_nt2) = sprite, crop
    order = casting(spec, seed)
    place_n = index_n % spec.cast.characters
    character_n = order.character[place_n]
    return Script(
        index=index_n,
        character=character_n.astype(np.int32),
        parts=parts_of(spec, character_n),
        background=_backgrounds(spec, order.split[place_n], cast[:, _BACKGROUND]),
        global_action=global_nt,
        local_action=local_nt,
        background_action=crop_nt,
        animation_frame=frame_nt,
        position=position_nt2,
        shift=shift_nt2,
        background_offset=offset_nt2,
        background_shift=-crop_shift_nt2,
    )


def _backgrounds(spec: WorldSpec, split_n: NDArray[np.int8], uniform_n: NDArray[np.float64]) -> NDArray[np.int32]:
    """(N,) int32: the background of clips of some splits, from random numbers in [0, 1)."""
    first, stop = np.array([(spec.scenes(name).start, spec.scenes(name).stop) for name in SPLITS])[split_n].T
    background_n: NDArray[np.int32] = (first + (uniform_n * (stop - first)).astype(np.int64)).astype(np.int32)
    return background_n


class Casting(NamedTuple):
    """The order in which characters appear: clip i shows `character[i % len(character)]`."""

    character: NDArray[np.int64]
    """(C,) all character ids in order of appearance. Every stretch of it holds the splits in about their shares."""
    split: NDArray[np.int8]
    """(C,) split (number in SPLITS) of each character, in the same order."""


@lru_cache(maxsize=8)
def casting(spec: WorldSpec, seed: int) -> Casting:
    """Assign the characters to splits (by `spec.split.seed`), and order them (by `seed`). Raises ArgumentError for an impossible seed."""
    whole("seed", seed, 0, _MOST_SEED)
    characters = np.arange(spec.cast.characters)
    split_c = _splits(spec)
    shuffled = characters[permutation(seed, _ORDER_KEY, len(characters))]
    # A character's place is its relative rank within its own split, so that the splits come in turn.
    place = np.empty(len(characters))
    for number in range(len(SPLITS)):
        members = shuffled[split_c[shuffled] == number]
        place[members] = (np.arange(len(members)) + 0.5) / max(len(members), 1)
    order = np.lexsort((split_c, place))
    ordered = Casting(order, split_c[order])
    for array in ordered:
        array.setflags(write=False)  # the next caller gets the same arrays
    return ordered


def shard_clips(n: int, shard: tuple[int, int]) -> range:
    """The indices of the clips in the k-th of K shards of n clips, for shard = (k, K), k = 1 to K."""
    number, shards = shard
    return range(n * (number - 1) // shards, n * number // shards)


def split_indices(spec: WorldSpec, seed: int, n: int, *, shard: tuple[int, int] = (1, 1)) -> dict[str, NDArray[np.int64]]:
    """{split: (N,) int64 clip indices, ascending} of the first `n` clips, or of a shard (k, K) of them."""
    split_c, clips = casting(spec, seed).split, shard_clips(n, shard)
    index_n = np.arange(clips.start, clips.stop)
    split_n = split_c[index_n % len(split_c)]
    return {name: index_n[split_n == number] for number, name in enumerate(SPLITS)}


def split_sizes(spec: WorldSpec, seed: int, n: int) -> dict[str, int]:
    """{split: number of clips} of the first `n` clips."""
    split_c = casting(spec, seed).split
    rounds, remainder = divmod(n, len(split_c))
    counts = rounds * np.bincount(split_c, minlength=len(SPLITS)) + np.bincount(split_c[:remainder], minlength=len(SPLITS))
    return dict(zip(SPLITS, counts.tolist(), strict=True))


def parts_of(spec: WorldSpec, character_n: NDArray[np.integer]) -> NDArray[np.int32]:
    """(N, P) int32: the sheet numbers of N characters, one column for each of `spec.cast.parts`."""
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
    """(n,) int8: splits of n items in the given shares, at least one item for every share above 0 where there are enough."""
    sizes = np.maximum(np.floor(shares * n).astype(np.int64), shares > 0)
    while sizes.sum() < n:  # add one at a time to the split that is furthest below its share
        sizes[np.argmax(shares * n - sizes)] += 1
    while sizes.sum() > n:  # take one at a time from the split furthest above its share; its last one only where there are too few
        above = sizes - shares * n
        sizes[np.argmax(np.where(sizes > 1, above, -np.inf if (sizes > 1).any() else above))] -= 1
    split_n = np.empty(n, np.int8)
    split_n[permutation(seed, _SPLIT_KEY, n)] = np.repeat(np.arange(len(shares)), sizes)
    return split_n


def permutation(seed: int, key: int, n: int) -> NDArray[np.int64]:
    """(n,) int64: the numbers 0 to n - 1 in an order that depends only on the two keys (0 to 2**64 - 1)."""
    return np.argsort(np.random.Philox(key=np.array([seed, key], np.uint64)).random_raw(n), kind="stable")


class Bouts(NamedTuple):
    """How a coupled character chooses its local actions. A is the number of those of all animations, and the action "nothing shown yet"."""

    walks: NDArray[np.int64]
    """(5,) the local action of a character that walks, by GlobalAction; A for one that stays."""
    candidates: NDArray[np.int64]
    """(A + 1, S) the standing actions to choose from, ascending and left-aligned, by the action shown before."""
    options: NDArray[np.int64]
    """(A + 1,) number of these actions."""
    standing: NDArray[np.bool_]
    """(A + 1,) True for the standing actions."""
    shortest: int
    """Frames of the shortest bout."""
    lengths: int
    """Number of lengths that a bout may have: `shortest`, `shortest + 1`, ..."""


class Chain(NamedTuple):
    """How the local actions of an uncoupled world follow one another."""

    actions: NDArray[np.int64]
    """The local actions of the world, ascending."""
    p_inertia: float
    """Probability of keeping the previous local action."""
    released: bool
    """True if the candidate never equals the previous action."""
    grid: tuple[int, int]
    """Columns and rows of the grid of places, one for each action."""
    policy: float
    """Probability that a new action is that of the sprite's place."""


class Rules(NamedTuple):
    """What decides about the frames of a clip: the last argument of `kernel.write`."""

    sprite: WalkRule
    background: WalkRule
    coupled: bool
    """True: local actions follow `bouts`; False: `chain`."""
    bouts: Bouts
    chain: Chain


@lru_cache(maxsize=8)
def _rules(spec: WorldSpec) -> Rules:
    """The tables of a world."""
    actions = local_actions(spec.facings)
    nothing = len(actions)
    standing = [a for a in spec.local_actions if not is_walk(a)]
    candidates = np.zeros((nothing + 1, len(standing)), np.int64)
    options = np.zeros(nothing + 1, np.int64)
    for before in range(nothing + 1):
        others = [a for a in standing if a != before]
        candidates[before, : len(others)], options[before] = others, len(others)
    bouts = Bouts(
        walks=np.array([walk_of(g, spec.facings) for g in GlobalAction if g != GlobalAction.stay] + [nothing]),
        candidates=candidates,
        options=options,
        standing=np.array([a in standing for a in actions] + [False]),
        shortest=spec.local.bout_min,
        lengths=spec.local.bout_max - spec.local.bout_min + 1,
    )
    return Rules(
        sprite=WalkRule(spec.sprite_box, spec.sprite.step, choices(spec.sprite.p_inertia, spec.rule), float(spec.sprite.policy)),
        background=WalkRule(spec.background_box, spec.background.step, choices(spec.background.p_inertia, spec.rule)),
        coupled=spec.local.coupled,
        bouts=bouts,
        chain=Chain(
            actions=np.array(spec.local_actions, np.int64),
            p_inertia=float(spec.local.p_inertia),
            released=spec.rule == "released",
            grid=(spec.facings, len(spec.animations)),
            policy=float(spec.local.policy),
        ),
    )


def _plain(value: Any) -> Any:
    """Rules without their classes, as compiled functions take them."""
    return tuple(map(_plain, value)) if isinstance(value, tuple) else value


def _words(seed: int, index_n: NDArray[np.int64], frames: int) -> NDArray[np.uint64]:
    """(N, 1 + T, 8) uint64 raw words: numpy guarantees their stream in all versions, unlike those of its distributions."""
    word_nrw = np.empty((len(index_n), 1 + frames, _WORDS), np.uint64)
    generator = np.random.Philox(key=np.array([seed, 0], np.uint64))
    state = generator.state
    for rows, index in zip(word_nrw, index_n, strict=True):
        # Setting the key of a fresh state is three times faster than constructing a generator.
        state["state"]["key"][1] = index
        generator.state = state
        rows.reshape(-1)[:] = generator.random_raw(rows.size)
    return word_nrw


def _uniform(word: NDArray[np.uint64]) -> NDArray[np.float64]:
    """float64 numbers in [0, 1), as `kernel.uniform` gives them."""
    return (word >> np.uint64(11)).astype(np.float64) * 2.0**-53
