"""Paired differences of two models on the same clips, corrected for the number of scores, and what a change means."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from score_files import CHARACTERS, SCENES, clips, file_of, free

from wsprites.bench import compare
from wsprites.bench.direction import RULES, loss, rule_of
from wsprites.bench.metrics import interval
from wsprites.bench.scores import Entry, stored_replicates
from wsprites.errors import ArgumentError, UserError


def test_the_interval_of_a_difference_is_that_of_the_differences_of_the_clips():
    """A file holds replicates as small numbers, so the two agree to a hundredth of the interval."""
    clusters, easy, rng = clips(0)
    better = 1.1 * easy - 0.02 + rng.normal(0, 0.02, len(easy))  # characters and scenes that are easy gain more
    before, after = file_of({"local.ami": free(easy, clusters)}), file_of({"local.ami": free(better, clusters)})
    (found,) = compare.differences(after, before)
    direct = free(better - easy, clusters)
    assert found.change == pytest.approx(direct.value)
    assert (found.low, found.high) == pytest.approx((direct.low, direct.high), abs=0.01 * (direct.high - direct.low))
    alone = after.scores["local.ami"]
    assert found.high - found.low < 0.2 * (alone.high - alone.low)  # what is easy for both cancels
    assert found.significant and found.meaning == "better" and "* better" in found.line()
    assert direct.replicates is not None
    p = 2 * stats.t.sf(abs(direct.value) / direct.replicates.variance**0.5, min(CHARACTERS, SCENES) - 1)
    assert found.p == pytest.approx(p, rel=0.1)
    (backwards,) = compare.differences(before, after)
    assert backwards.meaning == "worse" and backwards.change == -found.change


@pytest.mark.parametrize("drawn", [True, False])
def test_what_fitted_maps_add_is_in_the_interval_of_a_difference(drawn: bool):
    """Replicates with other maps may lie around the score, or around 0: only how they differ from one another counts."""
    clusters, easy, rng = clips(5)
    fits = [rng.normal(0.5, 0.03, 200) for _ in range(2)]
    fit_r = [interval.from_draws(fit) if drawn else 0.5 + (fit - 0.5) / 14 for fit in fits]
    values = (easy, 1.1 * easy)
    before, after = (
        clusters.score(float(value_n.mean()), clusters.sums(value_n) / clusters.sums(np.ones(300)), fit_r=fit, least=-np.inf, most=np.inf)
        for value_n, fit in zip(values, fit_r, strict=True)
    )
    (found,) = compare.differences(file_of({"local.ami": after}), file_of({"local.ami": before}))
    assert after.replicates is not None and before.replicates is not None
    half = (after.replicates - before.replicates).half_width
    assert (found.high - found.low) / 2 == pytest.approx(half, rel=0.01)
    (without,) = compare.differences(*(file_of({"local.ami": free(value_n, clusters)}) for value_n in reversed(values)))
    assert half > 1.2 * (without.high - without.low) / 2


def holm(p: list[float], level: float) -> list[bool]:
    """As in the paper: as many of the smallest p-values, in turn, as lie below level / m, level / (m - 1), ..."""
    rejected = [False] * len(p)
    for rank, number in enumerate(np.argsort(p)):
        if p[number] > level / (len(p) - rank):
            return rejected
        rejected[number] = True
    return rejected


def test_marks_are_corrected_for_the_number_of_scores():
    clusters, easy, rng = clips(1)
    names = [f"local.score_{n}" for n in range(30)]
    shifts = np.concatenate([np.zeros(20), np.linspace(0.002, 0.03, 10)])
    changed = {name: easy + rng.normal(0, 0.02, len(easy)) + shift for name, shift in zip(names, shifts, strict=True)}
    before = file_of({name: free(easy, clusters) for name in names})
    found = compare.differences(file_of({name: free(values, clusters) for name, values in changed.items()}), before)
    p = [one.p for one in found]
    assert [one.significant for one in found] == holm(p, 0.05)
    assert sum(one.significant for one in found) not in (0, 10, 30) and sum(value < 0.05 for value in p) > sum(holm(p, 0.05))


def test_scores_that_are_equal_and_scores_without_replicates():
    clusters, easy, _ = clips(2)
    same = file_of({"local.ami": free(easy, clusters), "images.fid": interval.Score(3.0, unit="distance")})
    other = replace(same, scores={**same.scores, "images.fid": Entry(4.0, np.nan, np.nan, "distance", 6, {})})
    equal, fid = compare.differences(other, same)
    assert (equal.change, equal.low, equal.high, equal.p, equal.significant) == (0, 0, 0, 1, False)
    assert fid.change == 1 and np.isnan([fid.low, fid.p]).all() and not fid.significant
    assert fid.line() == f"{'images.fid':<36}    3.000 ->    4.000  +1.000"
    exact = file_of({"local.ami": interval.mean(np.ones(300), clusters)}), file_of({"local.ami": interval.mean(np.zeros(300), clusters)})
    (all_lost,) = compare.differences(exact[1], exact[0])
    assert all_lost.significant and (all_lost.low, all_lost.high) == (-1, -1)
    assert 0 < all_lost.p == 0.5 ** (clusters.sizes[-1] - 1)  # all groups have one sign


def test_few_groups_that_agree_are_no_proof():
    """Of two groups of one sign, a sign test has p = 0.5; the change of a score that rests on one group alone cannot be told."""
    two = interval.Clusters([0, 0, 1, 1])
    lost = file_of({"local.ami": interval.mean(np.zeros(4), two)}), file_of({"local.ami": interval.mean(np.full(4, 0.7), two)})
    (found,) = compare.differences(*lost)
    assert found.p == 0.5 and not found.significant and compare.differences(lost[0], lost[0])[0].p == 1
    alone = [interval.Replicates((np.array([value, value, np.nan, value]),)) for value in (0.75, 0.5)]
    stored = [stored_replicates(interval.Score(one.kinds[0][0], replicates=one)) for one in alone]
    before, after = (Entry(one.kinds[0][0], np.nan, np.nan, "", 1, {}, held) for one, held in zip(alone, stored, strict=True))
    files = [replace(lost[0], scores={"local.ami": entry}) for entry in (before, after)]
    (found,) = compare.differences(files[1], files[0])
    assert found.change == -0.25 and np.isnan([found.low, found.high, found.p]).all() and not found.significant


def test_the_rule_worse_fails_on_significant_changes_for_the_worse_alone():
    clusters, easy, rng = clips(3)
    noise = {name: rng.normal(0, 0.02, len(easy)) for name in ("local.ami", "shift.mean", "global.ami", "local.nmi")}
    before = file_of({name: free(easy, clusters) for name in noise})
    change = {"local.ami": 0.0, "shift.mean": 0.05, "global.ami": -0.3, "local.nmi": 0.05}
    new = file_of({name: free(easy + noise[name] + change[name], clusters) for name in noise})
    rules = compare.parse_rules(["worse"], before)
    (line,) = compare.regressions(new, before, rules)
    assert line.startswith("shift.mean") and line.endswith("* worse")
    assert compare.regressions(before, before, rules) == []
    text = compare.changes(new, before)
    assert "global.ami" in text and "* differs" in text and "after correction for 4 scores (Holm)" in text
    assert compare.changes(before, before) == "no score of the table differs"


@pytest.mark.bad_input
def test_other_protocols_and_files_without_replicates_are_refused():
    clusters, easy, _ = clips(4)
    file = file_of({"local.ami": free(easy, clusters)})
    old = replace(file, settings=replace(file.settings, protocol="bench-1"))
    line = r"the baseline is of protocol bench-1, which defines scores otherwise than bench-2; score its model again"
    for compared in (lambda: compare.check_baseline(old, file.data, weights=False), lambda: compare.regressions(file, old, [])):
        with pytest.raises(UserError, match=line):
            compared()
    bare = replace(file, scores={"local.ami": replace(file.scores["local.ami"], replicates=None)})
    with pytest.raises(ArgumentError, match="fail_on: 'worse': no score of the baseline has an interval"):
        compare.parse_rules(["worse"], bare)


def test_what_more_and_less_mean():
    wanted = {
        "more": "local.ami local.onset.matched_accuracy vectors.local.linear.n250 shift.angle shift.clipped.angle masks.hard_iou"
        " control.faithful control.shift.action_accuracy transfer.local.4 transfer.psnr.1 drift.psnr.16 drift.local.4 consistency.codes"
        " leakage.local.codes leakage.background_shift.background_shift background_shift.action_accuracy",
        "less": "shift.mean shift.p95 shift.clipped.mean background_shift.median null.codes nuisance.character.vectors images.fid"
        " nuisance.repeat.codes control.unreadable control.ghost control.shift.mean drift.unreadable.4 drift.position.16 drift.lpips.4"
        " transfer.position.16 consistency.vectors leakage.background.codes leakage.background_shift.vectors"
        " leakage.shift.background_shift",
        "neither": "global.ami global.matched_accuracy background.conditional codes.perplexity vectors.global.mlp reader.position"
        " local.completeness leakage.global.codes local.lag_late.matched_accuracy",
    }
    for better, names in wanted.items():
        assert [name for name in names.split() if rule_of(name).better != better] == []
    assert loss("shift.mean", 0.5) == 0.5 and loss("local.ami", 0.5) == -0.5 and loss("global.ami", -0.5) == 0
    with pytest.raises(KeyError, match="no rule says"):
        rule_of("new.score")
    assert all(rule.reason for rule in RULES)
