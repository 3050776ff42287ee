"""The inertia walk against a slow model of its rule in exact fractions, written from the supplement and not from the code."""

from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import sparse, stats

from wsprites.world import kernel
from wsprites.world.actions import GlobalAction
from wsprites.world.walk import WalkRule, choices, start

LEFT, RIGHT, UP, DOWN, STAY = ACTIONS = ("left", "right", "up", "down", "stay")
UNIT = {LEFT: (-1, 0), RIGHT: (1, 0), UP: (0, -1), DOWN: (0, 1), STAY: (0, 0)}
RULES = ("paper", "released")
# Box (largest x and y), step and inertia of the sprite and of the background's crop.
WALKS = {
    ("paper", "sprite"): ((64, 32), 7, Fraction(9, 10)),
    ("paper", "background"): ((25, 25), 2, Fraction(95, 100)),
    ("released", "sprite"): ((63, 31), 7, Fraction(9, 10)),
    ("released", "background"): ((24, 24), 2, Fraction(95, 100)),
}
P_MIN = 1e-4  # of a test whose seed is fixed: it fails by a change of the code or never


# The model.


def available(x, y, box):
    """The actions that do not leave the box from its edge."""
    return [
        action
        for action in ACTIONS
        if not (
            (action == LEFT and x == 0)
            or (action == RIGHT and x == box[0])
            or (action == UP and y == 0)
            or (action == DOWN and y == box[1])
        )
    ]


def next_action(x, y, previous, box, p, rule):
    """{action: probability} of the step from (x, y); `previous` is None at the first one."""
    possible = available(x, y, box)
    candidates = [action for action in possible if rule == "paper" or action != previous]
    if not candidates:  # a point that can only stay
        return {STAY: Fraction(1)}
    keep = Fraction(0)
    if previous in possible:
        keep = Fraction(9, 10) if rule == "released" and previous == STAY else p
    chances = {action: (1 - keep) / len(candidates) for action in candidates}
    if previous in possible:
        chances[previous] = chances.get(previous, 0) + keep
    return chances


def move(x, y, action, box, step):
    x, y = x + step * UNIT[action][0], y + step * UNIT[action][1]
    return min(max(x, 0), box[0]), min(max(y, 0), box[1])


# Tools.


class Walks(NamedTuple):
    action_nt: np.ndarray
    point_nt2: np.ndarray
    shift_nt2: np.ndarray


def walk(start_n2, uniform_tn2, rule):
    """Walks of N points by the compiled function. The uniforms decide the candidate, and whether the previous action is kept."""
    steps, clips = uniform_tn2.shape[:2]
    walks = Walks(np.empty((clips, steps), np.uint8), *np.empty((2, clips, steps, 2), np.int16))
    # A word stands for the number in [0, 1) of its upper 53 bits.
    word_nt2 = np.ascontiguousarray(((uniform_tn2 * 2.0**53).astype(np.uint64) << np.uint64(11)).transpose(1, 0, 2))
    rule, start_n2 = (rule.box, rule.step, tuple(rule.choices), rule.policy), np.asarray(start_n2, np.int64)
    for n in range(clips):
        kernel.walk(word_nt2[n], 0, start_n2[n], rule, *(labels[n] for labels in walks))
    return walks


def simulate(clips, steps, *, box, step, p, rule, seed, start_n2=None):
    """(starts, walk) of clips that begin anywhere in the box."""
    rng = np.random.default_rng(seed)
    if start_n2 is None:
        start_n2 = start(rng.random((clips, 2)), box)
    return start_n2, walk(start_n2, rng.random((steps, clips, 2)), WalkRule(box, step, choices(float(p), rule)))


@lru_cache
def real_walk(rule, who):
    """More than a million steps of one of the real walks."""
    box, step, p = WALKS[rule, who]
    return simulate(12_000, 90, box=box, step=step, p=p, rule=rule, seed=4)


def points_before(start_n2, walks):
    """(N, T, 2) the points that the steps begin at."""
    return np.concatenate([start_n2[:, None], walks.point_nt2[:, :-1]], axis=1)


def pooled(observed, expected):
    """Chi-square and its degrees of freedom for the counts of one distribution; cells with fewer than 5 expected count as one."""
    observed, expected = np.asarray(observed, float), np.asarray(expected, float)
    possible = expected > 0
    assert not observed[~possible].any(), "what is impossible was observed"
    observed, expected = observed[possible], expected[possible]
    rare = expected < 5
    if rare.any() and expected[rare].sum() < 5 and not rare.all():
        rare[np.argmin(np.where(rare, np.inf, expected))] = True  # with the next one the pool is large enough
    if rare.any():
        observed, expected = (np.append(v[~rare], v[rare].sum()) for v in (observed, expected))
    return ((observed - expected) ** 2 / expected).sum(), len(expected) - 1


def fits(observed, shares):
    """The p-value of counts, given the shares of each cell."""
    chi2, df = pooled(observed, np.sum(observed) * np.array([float(s) for s in shares]))
    return stats.chi2.sf(chi2, df)


def spread(cells):
    """(cells, 1, 2) uniforms for one step of as many clips that cover [0, 1) evenly, none of which is ever kept."""
    return np.stack([(np.arange(cells) + 0.5) / cells, np.full(cells, 0.999)], axis=-1)[None]


# The real walks.


@given(st.integers(0, 2**64 - 1))
def test_a_word_is_its_upper_bits_as_a_number_below_one(word):
    assert kernel.uniform(np.uint64(word)) == Fraction(word >> 11, 2**53) < 1


def test_actions_are_numbered_as_in_the_release():
    assert [action.name for action in GlobalAction] == list(ACTIONS)


@pytest.mark.parametrize(("rule", "who"), WALKS)
def test_every_step_has_the_exact_probabilities(rule, who):
    box, _, p = WALKS[rule, who]
    start_n2, walks = real_walk(rule, who)
    assert walks.action_nt.size > 1_000_000
    x, y = np.moveaxis(points_before(start_n2, walks), -1, 0)
    edge = (x == 0) + 2 * (x == box[0]) + 4 * (y == 0) + 8 * (y == box[1])
    previous = np.concatenate([np.full((len(start_n2), 1), 5), walks.action_nt[:, :-1]], axis=1)
    cell = (edge * 6 + previous) * 5 + walks.action_nt
    counts = np.bincount(cell.ravel(), minlength=16 * 6 * 5).reshape(16, 6, 5)

    seen, total, freedom = 0, 0.0, 0
    for code in range(16):
        place = [box[i] if code & 2 << 2 * i else 0 if code & 1 << 2 * i else 10 for i in range(2)]
        for before, observed in enumerate(counts[code]):
            if observed.any():
                chances = next_action(*place, (*ACTIONS, None)[before], box, p, rule)
                chi2, df = pooled(observed, [observed.sum() * float(chances.get(action, 0)) for action in ACTIONS])
                seen, total, freedom = seen + 1, total + chi2, freedom + df
    # Away from edges, at one, in a corner: an action that leads away from an edge cannot have led to it.
    assert seen == 6 + 4 * 5 + 4 * 4
    assert stats.chi2.sf(total, freedom) > P_MIN


@pytest.mark.parametrize(("rule", "who"), WALKS)
def test_every_step_moves_as_far_as_the_box_lets_it(rule, who):
    box, step, _ = WALKS[rule, who]
    start_n2, walks = real_walk(rule, who)
    before = points_before(start_n2, walks)
    for clip in range(0, len(start_n2), 200):
        for t, action in enumerate(walks.action_nt[clip].tolist()):
            expected = move(*before[clip, t].tolist(), ACTIONS[action], box, step)
            assert tuple(walks.point_nt2[clip, t].tolist()) == expected


# The exact law of a whole walk.


def exact_law(box, step, p, rule, steps):
    """{(x, y, action): probability} after some steps, by powers of the exact Markov chain."""
    points = [(x, y) for x in range(box[0] + 1) for y in range(box[1] + 1)]
    state = {key: i for i, key in enumerate((x, y, action) for x, y in points for action in (*ACTIONS, None))}
    rows, columns, chances = [], [], []
    for (x, y, previous), row in state.items():
        for action, chance in next_action(x, y, previous, box, p, rule).items():
            rows.append(row)
            columns.append(state[(*move(x, y, action, box, step), action)])
            chances.append(float(chance))
    chain = sparse.csr_matrix((chances, (rows, columns)), shape=(len(state), len(state)))
    law = np.array([1 / len(points) if action is None else 0.0 for _, _, action in state])
    for _ in range(steps):
        law = law @ chain
    return dict(zip(state, law, strict=True))


@pytest.mark.parametrize("rule", RULES)
def test_late_frames_have_the_exact_law_of_the_chain(rule):
    box, step, p, steps, clips = (9, 6), 2, Fraction(7, 10), 25, 100_000
    law = exact_law(box, step, p, rule, steps)
    assert sum(law.values()) == pytest.approx(1)
    _, walks = simulate(clips, steps, box=box, step=step, p=p, rule=rule, seed=3)
    cells = [(x, y, action) for x in range(box[0] + 1) for y in range(box[1] + 1) for action in ACTIONS]
    x, y = walks.point_nt2[:, -1].T.astype(int)
    observed = np.bincount((x * (box[1] + 1) + y) * 5 + walks.action_nt[:, -1], minlength=len(cells))
    assert fits(observed, [law[cell] for cell in cells]) > P_MIN


# Away from edges.


@lru_cache
def free_walk(rule, p, clips=2000, steps=600):
    """(N, T) actions of walks that begin in the middle of a box that is too large for them to meet its edges."""
    box = (2 * steps + 2, 2 * steps + 2)
    middle = np.full((clips, 2), steps + 1)
    return simulate(clips, steps, box=box, step=1, p=p, rule=rule, seed=7, start_n2=middle)[1].action_nt


def test_the_model_keeps_with_p_and_a_fifth_of_the_rest():
    p = Fraction(9, 10)
    assert {next_action(5, 5, action, (10, 10), p, "paper")[action] for action in ACTIONS} == {p + (1 - p) / 5}
    assert {next_action(5, 5, action, (10, 10), p, "released")[action] for action in ACTIONS} == {p}


@pytest.mark.parametrize(("rule", "p_keep"), [("paper", 0.92), ("released", 0.9)])
@pytest.mark.parametrize("action", GlobalAction)
def test_every_action_is_kept_with_the_same_probability_away_from_edges(rule, p_keep, action):
    actions = free_walk(rule, 0.9)
    was = actions[:, :-1] == action
    kept = np.count_nonzero(was & (actions[:, 1:] == action))
    assert stats.binomtest(kept, np.count_nonzero(was), p_keep).pvalue > P_MIN


@pytest.mark.parametrize(("rule", "p_keep"), [("paper", 0.92), ("released", 0.9)])
def test_runs_are_geometric_away_from_edges(rule, p_keep):
    actions = free_walk(rule, 0.9)
    lengths = []
    for row in actions:
        begins = np.flatnonzero(np.diff(row, prepend=5))
        # A run is looked at whole, so those that begin late, and could be cut, are left out.
        lengths += np.diff(begins, append=len(row))[begins < len(row) // 2].tolist()
    longest = 100
    observed = np.bincount(np.minimum(lengths, longest))[1:]
    chances = [p_keep ** (n - 1) * (1 - p_keep) for n in range(1, longest)]
    assert fits(observed, [*chances, 1 - sum(chances)]) > P_MIN


@pytest.mark.parametrize("rule", RULES)
def test_every_action_has_the_same_share_away_from_edges(rule):
    last = free_walk(rule, 0.9)[:, -1]  # one frame, because those of a clip are not independent
    assert fits(np.bincount(last, minlength=5), [0.2] * 5) > P_MIN


@pytest.mark.parametrize("p", [0.0, 0.3, 1.0])
def test_released_rule_keeps_stay_with_nine_tenths_whatever_p_is(p):
    actions = free_walk("released", p, clips=1000, steps=100)
    was = actions[:, :-1] == GlobalAction.stay
    kept = np.count_nonzero(was & (actions[:, 1:] == GlobalAction.stay))
    assert stats.binomtest(kept, np.count_nonzero(was), 0.9).pvalue > P_MIN


def test_released_rule_without_inertia_repeats_nothing_but_stay():
    actions = free_walk("released", 0.0, clips=1000, steps=100)
    repeats = actions[:, 1:] == actions[:, :-1]
    assert set(actions[:, 1:][repeats].tolist()) == {GlobalAction.stay}
    moving = actions[:, :-1] != GlobalAction.stay
    assert np.count_nonzero(moving) > 10_000


def test_full_inertia_never_changes_its_mind_away_from_edges():
    actions = free_walk("paper", 1.0, clips=1000, steps=100)
    assert np.array_equal(actions, np.repeat(actions[:, :1], 100, axis=1))
    assert fits(np.bincount(actions[:, 0], minlength=5), [0.2] * 5) > P_MIN


# Edges.


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(
    ("point", "box", "possible"),
    [
        ((5, 5), (10, 10), ACTIONS),
        ((0, 5), (10, 10), (RIGHT, UP, DOWN, STAY)),
        ((10, 5), (10, 10), (LEFT, UP, DOWN, STAY)),
        ((5, 0), (10, 10), (LEFT, RIGHT, DOWN, STAY)),
        ((5, 10), (10, 10), (LEFT, RIGHT, UP, STAY)),
        ((0, 0), (10, 10), (RIGHT, DOWN, STAY)),
        ((10, 0), (10, 10), (LEFT, DOWN, STAY)),
        ((0, 10), (10, 10), (RIGHT, UP, STAY)),
        ((10, 10), (10, 10), (LEFT, UP, STAY)),
        ((5, 0), (10, 0), (LEFT, RIGHT, STAY)),
        ((0, 5), (0, 10), (UP, DOWN, STAY)),
        ((0, 0), (10, 0), (RIGHT, STAY)),
        ((0, 10), (0, 10), (UP, STAY)),
        ((0, 0), (0, 0), (STAY,)),
    ],
)
def test_the_first_action_is_uniform_among_those_that_stay_in_the_box(rule, point, box, possible):
    assert tuple(available(*point, box)) == possible
    walks = walk(np.tile(point, (60, 1)), spread(60), WalkRule(box, 3, choices(0.9, rule)))
    counts = dict(zip(ACTIONS, np.bincount(walks.action_nt[:, 0], minlength=5).tolist(), strict=True))
    assert counts == {action: 60 // len(possible) if action in possible else 0 for action in ACTIONS}


@pytest.mark.parametrize("rule", RULES)
def test_an_action_that_is_no_longer_available_is_replaced_however_strong_the_inertia(rule):
    clips, steps = 500, 60
    _, walks = simulate(clips, steps, box=(10, 10), step=3, p=1, rule=rule, seed=1)
    x, y = np.moveaxis(walks.point_nt2, -1, 0)
    for t in range(1, steps):
        for action, at_edge in zip(ACTIONS, (x == 0, x == 10, y == 0, y == 10), strict=False):
            stuck = at_edge[:, t - 1] & (walks.action_nt[:, t - 1] == ACTIONS.index(action))
            assert not (walks.action_nt[stuck, t] == ACTIONS.index(action)).any()
    changes = np.count_nonzero(np.diff(walks.action_nt.astype(int), axis=1))
    assert changes > clips


@pytest.mark.parametrize("rule", RULES)
def test_a_box_of_size_zero_only_stays(rule):
    _, walks = simulate(100, 50, box=(0, 0), step=7, p=Fraction(1, 2), rule=rule, seed=2)
    assert (walks.action_nt == GlobalAction.stay).all()
    assert not walks.point_nt2.any()
    assert not walks.shift_nt2.any()


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("box", "flat", "moves"), [((9, 0), 1, {0, 1, 4}), ((0, 9), 0, {2, 3, 4})])
def test_a_box_with_one_axis_is_walked_along_it(rule, box, flat, moves):
    _, walks = simulate(200, 50, box=box, step=2, p=Fraction(1, 2), rule=rule, seed=2)
    assert set(np.unique(walks.action_nt).tolist()) == moves
    assert not walks.point_nt2[..., flat].any()
    assert walks.point_nt2[..., 1 - flat].min() == 0
    assert walks.point_nt2[..., 1 - flat].max() == 9


def test_a_step_longer_than_the_box_crosses_it():
    _, walks = simulate(200, 50, box=(5, 3), step=1000, p=Fraction(1, 2), rule="paper", seed=2)
    x, y = walks.point_nt2[:, -1].T
    moved = [np.isin(walks.action_nt, pair).any(axis=1) for pair in ((0, 1), (2, 3))]
    assert moved[0].any()
    assert moved[1].any()
    assert np.isin(x[moved[0]], (0, 5)).all()
    assert np.isin(y[moved[1]], (0, 3)).all()


# Any walk.

boxes = st.tuples(st.integers(0, 40), st.integers(0, 40))


@settings(max_examples=200)
@given(
    box=boxes,
    step=st.integers(1, 50),
    p=st.floats(0, 1),
    rule=st.sampled_from(RULES),
    clips=st.integers(0, 6),
    steps=st.integers(1, 30),
    seed=st.integers(0, 2**32),
)
def test_walks_stay_in_the_box_and_shifts_are_steps(box, step, p, rule, clips, steps, seed):
    start_n2, walks = simulate(clips, steps, box=box, step=step, p=p, rule=rule, seed=seed)
    assert (walks.action_nt.shape, walks.action_nt.dtype) == ((clips, steps), np.uint8)
    assert (walks.point_nt2.shape, walks.point_nt2.dtype) == ((clips, steps, 2), np.int16)
    assert (walks.shift_nt2.shape, walks.shift_nt2.dtype) == ((clips, steps, 2), np.int16)
    before = points_before(start_n2, walks)
    assert ((walks.point_nt2 >= 0) & (walks.point_nt2 <= box)).all()
    assert np.array_equal(walks.point_nt2 - before, walks.shift_nt2)
    for n in range(clips):
        previous = None
        for t in range(steps):
            action = ACTIONS[walks.action_nt[n, t]]
            point, shift = walks.point_nt2[n, t].tolist(), walks.shift_nt2[n, t].tolist()
            assert action in next_action(*before[n, t].tolist(), previous, box, Fraction(p), rule)
            length = shift[0] * UNIT[action][0] + shift[1] * UNIT[action][1]
            assert shift == [length * UNIT[action][0], length * UNIT[action][1]]
            if action != STAY:
                axis = 0 if action in (LEFT, RIGHT) else 1
                assert 1 <= length <= step
                assert length == step or point[axis] == (box[axis] if action in (RIGHT, DOWN) else 0)
            previous = action


@settings(max_examples=50)
@given(box=boxes, cut=st.integers(1, 29), rule=st.sampled_from(RULES), seed=st.integers(0, 2**32))
def test_walks_do_not_depend_on_later_steps_or_other_clips(box, cut, rule, seed):
    rng = np.random.default_rng(seed)
    start_n2, uniform_tn2 = start(rng.random((5, 2)), box), rng.random((30, 5, 2))
    how = WalkRule(box, 3, choices(0.8, rule))
    whole = walk(start_n2, uniform_tn2, how)
    part = walk(start_n2[2:4], uniform_tn2[:cut, 2:4], how)
    for all_of_it, some in zip(whole, part, strict=True):
        assert np.array_equal(all_of_it[2:4, :cut], some)


# Where walks begin.


@pytest.mark.parametrize("box", [(64, 32), (25, 25), (24, 24), (1, 0)])
def test_start_is_uniform_in_the_inclusive_box(box):
    x, y = start(np.random.default_rng(5).random((200_000, 2)), box).T
    cells = (box[0] + 1) * (box[1] + 1)
    assert fits(np.bincount(x * (box[1] + 1) + y, minlength=cells), [1 / cells] * cells) > P_MIN


@pytest.mark.parametrize("largest", [0, 1, 24, 25, 31, 32, 63, 64])
def test_start_gives_every_coordinate_the_same_stretch_of_uniforms(largest):
    count = 1000 * (largest + 1)
    even = np.repeat((np.arange(count)[:, None] + 0.5) / count, 2, axis=1)
    x, y = start(even, (largest, largest)).T
    assert np.bincount(x).tolist() == np.bincount(y).tolist() == [1000] * (largest + 1)


@settings(max_examples=200)
@given(box=st.tuples(st.integers(0, 1024), st.integers(0, 1024)))
def test_start_reaches_both_ends_and_nothing_beyond(box):
    ends = start(np.array([[0.0, 0.0], [1 - 2**-53, 1 - 2**-53]]), box)
    assert ends.tolist() == [[0, 0], list(box)]
