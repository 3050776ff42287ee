"""Statistics of labels against scikit-learn, slow counting, and the formulas of the fact sheet."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score, normalized_mutual_info_score

from wsprites.view.theory import coupled_joint, joint_counts, local_runs, mutual_information, survival, survived, transitions, walk_runs
from wsprites.world.actions import GlobalAction
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS


def test_mutual_information_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    a = rng.integers(0, 5, (40, 30)).astype(np.uint8)
    b = np.where(rng.random(a.shape) < 0.5, a, rng.integers(0, 9, a.shape)).astype(np.uint8)
    joint = joint_counts(a, b, (5, 9))
    assert joint.sum() == a.size and joint[2, 3] == np.count_nonzero((a == 2) & (b == 3))
    bits, nmi = mutual_information(joint)
    assert bits == pytest.approx(mutual_info_score(a.ravel(), b.ravel()) / np.log(2), abs=1e-12)
    assert nmi == pytest.approx(normalized_mutual_info_score(a.ravel(), b.ravel()), abs=1e-12)
    assert mutual_information(joint[:, :1]) == mutual_information(np.zeros((2, 2))) == (0, 0)
    assert mutual_information(np.outer([1, 2], [3, 4]))[0] == pytest.approx(0, abs=1e-12)


def test_survivors_are_counted_as_one_would_by_hand():
    rng = np.random.default_rng(1)
    labels, free = rng.integers(0, 3, (20, 15)), rng.random((20, 15)) < 0.7
    group_of = np.array([0, -1, 1])
    expected = np.zeros((2, 2, 14), int)
    for row, may in zip(labels.tolist(), free.tolist(), strict=True):
        t = 0
        for label, run in groupby(row):
            length = len(list(run))
            for age in range(length):
                if label != 1 and t + age < 14 and may[t + age]:
                    expected[group_of[label], 0, age] += 1
                    expected[group_of[label], 1, age] += age + 1 < length
            t += length
    assert np.array_equal(survived(labels, free, group_of, 2), expected)
    assert survived(labels[:, :1], free[:, :1], group_of, 2).shape == (2, 2, 0)


def test_survival_is_a_product_and_unknown_where_no_run_is_left():
    assert survival(np.array([[10, 4, 0], [5, 1, 0]])) == pytest.approx([1, 0.5, 0.125, np.nan], nan_ok=True)


@pytest.mark.parametrize(("rule", "stay", "move"), [("paper", 0.9 + 0.1 / 5, 0.9 + 0.1 / 5), ("released", 0.9, 0.9)])
def test_walks_keep_what_the_fact_sheet_says(rule, stay, move):
    chances = transitions(0.9, rule)
    assert chances.sum(1) == pytest.approx(1)
    assert np.diag(chances) == pytest.approx([move] * 4 + [stay])
    assert chances[0, 1:] == pytest.approx([(1 - move) / 4] * 4)
    (runs,) = walk_runs(0.9, rule)
    assert runs.survival(3) == pytest.approx([1, move, move**2])
    moves, stays = walk_runs(0.5, "released")
    assert (moves.p_keep, stays.p_keep, stays.labels) == (0.5, 0.9, (GlobalAction.stay,))


@pytest.mark.parametrize("facings", [3, 4])
@pytest.mark.parametrize("name", [name for name in PRESETS if not PRESETS[name].sprite.policy])
def test_runs_go_on_as_often_as_the_rule_says_at_every_age(name, facings):
    spec = replace(PRESETS[name], facings=facings, sprite=replace(PRESETS[name].sprite, p_inertia=0.8))
    script = scripts(spec, 3, np.arange(3000))
    inside = ((script.position > 0) & (script.position < spec.sprite_box)).all(-1)
    for labels, kinds in ((script.global_action, walk_runs(0.8, spec.rule)), (script.local_action, local_runs(spec))):
        group_of = np.full(3 * facings, -1)
        for number, runs in enumerate(kinds):
            group_of[list(runs.labels)] = number
        assert sorted(label for runs in kinds for label in runs.labels) == list(range(5 if labels is script.global_action else 3 * facings))
        for runs, (at_risk, went_on) in zip(kinds, survived(labels, inside, group_of, len(kinds)), strict=True):
            expected = runs.survival(90)
            for age in np.flatnonzero(at_risk >= 100):
                chance = expected[age + 1] / expected[age]
                deviation = (chance * (1 - chance) / at_risk[age]) ** 0.5
                assert abs(went_on[age] / at_risk[age] - chance) <= 4.5 * deviation + 1e-12, (runs, age)


@pytest.mark.parametrize("facings", [3, 4])
def test_the_ceiling_of_the_direction_is_that_of_the_labels(facings):
    script = scripts(replace(PRESETS["paper"], facings=facings), 1, np.arange(2000))
    joint = joint_counts(script.global_action, script.local_action, (5, 3 * facings))
    theory = coupled_joint(joint.sum(1) / joint.sum(), facings)
    assert theory.sum() == pytest.approx(1)
    assert theory == pytest.approx(joint / joint.sum(), abs=0.005)
    if facings == 3:
        assert mutual_information(theory)[1] == pytest.approx(0.73, abs=0.01)  # of the README
