"""Scores of codes against a slow version of their definitions with scikit-learn, and codes that know nothing about the labels."""

from collections.abc import Iterator

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats
from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

from wsprites.bench import data
from wsprites.bench.metrics import actions, chance, information, interval
from wsprites.bench.metrics.actions import SOURCES, Laid, Sources
from wsprites.world.actions import FACINGS, LocalAction, facing_of

RNG = np.random.default_rng(0)
SIZES = (5, 9, 5)


def chain(values: int, shape: tuple[int, int], switch_rate: float, rng: np.random.Generator = RNG) -> np.ndarray:
    """Values that change to any of the others with some probability."""
    steps = rng.integers(1, values, shape) * (rng.random(shape) < switch_rate)
    return (rng.integers(0, values, (shape[0], 1)) + steps.cumsum(1)) % values


def sources(clips: int, steps: int, *, characters: int = 1000) -> Sources:
    """Labels that persist, of clips of which several may have one character."""
    labels = [chain(values, (clips, steps + 1), rate) for values, rate in zip(SIZES, (0.2, 0.2, 0.5), strict=True)]
    labels[1] = np.where(labels[0] == 4, labels[1] % 9, labels[0] % 3)  # the direction tells much of the local action
    character = np.arange(clips) % min(characters, clips) + 7
    now, before = (tuple(label[:, of] for label in labels) for of in (slice(1, None), slice(None, -1)))
    return Sources(now, SIZES, before, character)


def independent(clips: int, steps: int, *, actions: int) -> Sources:
    """Labels that persist and do not depend on one another."""
    sizes = (5, actions, 5)
    labels = [chain(values, (clips, steps + 1), 0.1) for values in sizes]
    now, before = (tuple(label[:, of] for label in labels) for of in (slice(1, None), slice(None, -1)))
    return Sources(now, sizes, before, np.arange(clips))


@pytest.mark.parametrize("codes", [2, 6, 12])
def test_information_is_scikit_learns(codes: int):
    label = RNG.integers(0, 9, 400)
    code = np.where(RNG.random(400) < 0.4, RNG.integers(0, codes, 400), label % codes)
    count = actions.table(code, label, codes, 9)
    assert (count == contingency_matrix(label, code, sparse=False).T).all()
    (of,) = zip(*information.information(count), strict=True)
    of = information.Information(*map(np.asarray, of))
    assert of.mutual == pytest.approx(sk.mutual_info_score(label, code))
    assert information.nmi(of) == pytest.approx(sk.normalized_mutual_info_score(label, code))
    assert information.homogeneity(of) == pytest.approx(sk.homogeneity_score(label, code))
    assert information.completeness(of) == pytest.approx(sk.completeness_score(label, code))
    assert of.label == pytest.approx(stats.entropy(count.sum(0))) and information.perplexity(np.full(codes, 7)) == pytest.approx(codes)
    (by_chance,) = chance.expected_by_permutation(count, np.zeros(codes, np.int64), 1)
    assert by_chance == pytest.approx(expected_mutual_information(count, 400), rel=1e-9)
    assert information.ami(of, by_chance) == pytest.approx(sk.adjusted_mutual_info_score(label, code))


def test_information_by_chance_of_many_and_of_few():
    for count in (RNG.multinomial(400_000, RNG.dirichlet(np.full(24, 5.0))).reshape(4, 6), np.eye(30, dtype=int), np.ones((1, 5), int)):
        (by_chance,) = chance.expected_by_permutation(count, np.zeros(len(count), np.int64), 1)
        assert by_chance == pytest.approx(expected_mutual_information(count, int(count.sum())), rel=1e-6, abs=1e-12)
    million = RNG.multinomial(10**9, np.full(24, 1 / 24)).reshape(4, 6)  # its limit, (K - 1) (L - 1) / 2 N (Miller 1955)
    assert chance.expected_by_permutation(million, np.zeros(4, np.int64), 1) == pytest.approx(15 / 2e9, rel=1e-4)


def test_maps_from_codes_to_labels():
    count = np.array([[5, 4, 0], [6, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert actions.many_to_one(count).tolist() == [0, 0, 0, 1]
    assert actions.one_to_one(count).tolist() == [1, 0, -1, -1]  # 4 + 6 hits, more than 5 + 1; the last is left over


# The definitions, one table after the other.


def shared(code: np.ndarray, label: np.ndarray) -> float:
    return float(sk.mutual_info_score(None, None, contingency=contingency_matrix(code, label))) if code.size else 0.0


def permuted(code: np.ndarray, label: np.ndarray) -> float:
    table = contingency_matrix(code, label) if code.size else np.ones((1, 1))
    return float(expected_mutual_information(table, int(table.sum())))


def entropy(values: np.ndarray) -> float:
    return stats.entropy(np.unique(values, return_counts=True)[1])


def strata_of(truth: Sources, target: int, score: str) -> np.ndarray:
    """(N, T) the stratum of each transition; -1 for none."""
    g = truth.labels[0]
    begins = truth.labels[target] != truth.before[target]
    if score.endswith("conditional"):
        others = [truth.labels[at] for at in range(3) if at != target]
        return others[0] * 100 + others[1] + 10_000 * (truth.labels[target] % 3 if score.startswith("animation") else 0)
    inside = {"pooled": g == g, "standing": g == 4, "walking": g != 4, "onset": begins, "steady": ~begins}[score]
    return np.where(inside, 0, -1)


def label_of(truth: Sources, target: int, score: str) -> np.ndarray:
    """(N, T) what codes are compared with: an action, or a part of it. These worlds have three facings."""
    label = truth.labels[target]
    return label % 3 if score.startswith("facing") else label // 3 if score.startswith("animation") else label


def partner_rounds(clips: int) -> Iterator[dict[int, int]]:
    order = list(np.random.default_rng(0).permutation(clips))
    for s in range(1, min(clips - 1, 10 if clips <= 1000 else 4) + 1):
        yield {int(clip): int(order[(at + s) % clips]) for at, clip in enumerate(order)}


def slow_chance(code: np.ndarray, truth: Sources, target: int, score: str) -> float:
    label, stratum = label_of(truth, target, score), strata_of(truth, target, score)
    used = [s for s in np.unique(stratum[stratum >= 0]) if len(np.unique(label[stratum == s])) > 1]
    ratios = []
    for own_strata in ("", "others", "all"):
        if own_strata == "all" and not score.startswith("animation"):
            continue
        if own_strata and (score in ("pooled", "onset", "steady") or (not score.endswith("conditional") and target == 0)):
            continue
        above = below = 0.0
        for partner in partner_rounds(len(code)):
            j = [partner[i] for i in range(len(code))]
            facing = 10_000 * (truth.labels[target] % 3)  # in the strata of the animation alone
            mixed = stratum - facing + facing[j] if score.startswith("animation") else stratum
            where = {"": stratum[j], "others": mixed, "all": stratum}[own_strata]
            for s in used:
                c, y = code[where == s], label[j][where == s]
                above += len(c) * shared(c, y)
                below += len(c) * permuted(c, y)
        ratios.append(above / below if below else 0)
    total = (stratum >= 0).sum()
    return max(ratios) * sum((stratum == s).sum() / total * permuted(code[stratum == s], label[stratum == s]) for s in used)


def slow_score(code: np.ndarray, truth: Sources, target: int, score: str, *, expected: float | None = None) -> float:
    label, stratum = label_of(truth, target, score), strata_of(truth, target, score)
    expected = slow_chance(code, truth, target, score) if expected is None else expected
    if not score.endswith("conditional"):
        c, y = code[stratum == 0], label[stratum == 0]
        return (shared(c, y) - expected) / ((entropy(c) + entropy(y)) / 2 - expected) if entropy(y) > 0 else np.nan
    tables = [(code[stratum == s], label[stratum == s]) for s in np.unique(stratum)]
    information = sum(len(one[0]) * shared(*one) for one in tables) / code.size
    possible = sum(len(one[0]) * entropy(one[1]) for one in tables) / code.size
    return (information - expected) / (possible - expected) if possible > 0 and possible - expected > 1e-9 else np.nan


def slow_within(code: np.ndarray, truth: Sources, target: int) -> float:
    label, groups = truth.labels[target], [np.flatnonzero(truth.character == id_) for id_ in np.unique(truth.character)]
    expected = [
        np.mean([shared(code[n].ravel(), label[[partner[int(i)] for i in n]].ravel()) for n in groups])
        for partner in partner_rounds(len(code))
    ]
    information = np.mean([shared(code[n].ravel(), label[n].ravel()) for n in groups])
    largest = np.mean([(entropy(code[n]) + entropy(label[n])) / 2 for n in groups])
    return (information - np.mean(expected)) / (largest - np.mean(expected))


@pytest.mark.parametrize(("clips", "codes"), [(2, 3), (5, 12), (10, 4)])
def test_corrected_scores_are_those_of_their_definition(clips: int, codes: int):
    truth = sources(clips, 20, characters=4)
    code = np.where(RNG.random((clips, 20)) < 0.5, truth.labels[1], chain(codes, (clips, 20), 0.2)) % codes
    got, expected = actions.values(Laid(code, truth, codes + 3), Laid(code, truth, codes + 3), range(3))
    for target, source in enumerate(SOURCES):
        parts = ("facing.conditional", "animation.conditional") if source == "local" else ()
        for score in ("standing", "walking", "onset", "steady", "conditional", *parts):
            name = f"{source}.{score}" + ".ami" * (not score.endswith("conditional"))
            assert expected[f"{source}.{score}"] == pytest.approx(slow_chance(code, truth, target, score), abs=1e-9), name
            assert got[name] == pytest.approx(slow_score(code, truth, target, score), abs=1e-9, nan_ok=True), name
        assert got[f"{source}.ami"] == pytest.approx(slow_score(code, truth, target, "pooled"), abs=1e-9)
        assert got[f"{source}.per_character.ami"] == pytest.approx(slow_within(code, truth, target), abs=1e-9)


def test_pooled_chance_is_the_mean_information_beside_other_clips():
    truth = sources(7, 30)
    code = chain(5, (7, 30), 0.2)
    _, expected = actions.values(Laid(code, truth, 5), Laid(code, truth, 5), [1])
    beside = [shared(code.ravel(), truth.labels[1][[partner[i] for i in range(7)]].ravel()) for partner in partner_rounds(7)]
    assert len(beside) == 6 and expected["local.pooled"] == pytest.approx(np.mean(beside))


def test_uncorrected_scores_lags_and_maps():
    fit, truth = sources(30, 40), sources(50, 40, characters=25)
    code_fit, code = (np.where(RNG.random(of.labels[1].shape) < 0.4, RNG.integers(0, 6), of.labels[1] % 6) for of in (fit, truth))
    got, _ = actions.values(Laid(code_fit, fit, 6), Laid(code, truth, 6), [1])
    local, before, standing = truth.labels[1], truth.before[1], truth.labels[0] == 4
    onset = local != before
    matched = actions.one_to_one(actions.table(code_fit, fit.labels[1], 6, 9))
    most = actions.many_to_one(actions.table(code_fit, fit.labels[1], 6, 9))
    for prefix, part in (("", standing | True), ("standing.", standing), ("walking.", ~standing), ("onset.", onset), ("steady.", ~onset)):
        assert got[f"local.{prefix}matched_accuracy"] == pytest.approx((matched[code] == local)[part].mean())
        if prefix not in ("onset.", "steady."):
            assert got[f"local.{prefix}many_to_one"] == pytest.approx((most[code] == local)[part].mean())
            assert got[f"local.{prefix}nmi"] == pytest.approx(sk.normalized_mutual_info_score(local[part], code[part]))
            assert got[f"local.{prefix}homogeneity"] == pytest.approx(sk.homogeneity_score(local[part], code[part]))
            assert got[f"local.{prefix}completeness"] == pytest.approx(sk.completeness_score(local[part], code[part]))
    assert got["local.lag_late.matched_accuracy"] == pytest.approx((matched[code] == before).mean())
    assert got["local.lag_early.matched_accuracy"] == pytest.approx((matched[code][:, :-1] == local[:, 1:]).mean())
    per = [sk.normalized_mutual_info_score(local[truth.character == c].ravel(), code[truth.character == c].ravel()) for c in range(7, 32)]
    assert got["local.per_character.nmi"] == pytest.approx(np.mean(per))


def test_a_perfect_model_that_is_late_is_found_out():
    truth = sources(40, 60)
    late = Laid(truth.before[1], truth, 9)
    got, _ = actions.values(late, late, [1])
    assert got["local.matched_accuracy"] > 0.6 and got["local.onset.matched_accuracy"] == 0
    assert got["local.lag_late.matched_accuracy"] == 1 and got["local.lag_late.ami"] == pytest.approx(1)
    assert got["local.steady.matched_accuracy"] == 1 and got["local.onset.ami"] < 0.5
    early = Laid(np.concatenate([truth.labels[1][:, 1:], truth.labels[1][:, -1:]], 1), truth, 9)
    got, _ = actions.values(early, early, [1])
    assert got["local.lag_early.matched_accuracy"] == 1 > got["local.matched_accuracy"] > got["local.lag_late.matched_accuracy"]


def test_replicates_are_the_scores_without_a_group():
    truth, fit = sources(24, 30, characters=6), sources(12, 30, characters=4)
    code, code_fit = (np.where(RNG.random(of.labels[1].shape) < 0.5, of.labels[1], 0) for of in (truth, fit))
    clusters = interval.Clusters(truth.character, np.arange(24) // 6)
    scores = actions.scores(Laid(code_fit, fit, 9), Laid(code, truth, 9), range(3), clusters)
    value, expected = actions.values(Laid(code_fit, fit, 9), Laid(code, truth, 9), range(3))
    assert scores.keys() == value.keys()
    for group in (0, 3, 5, 8):
        rows = clusters.members.toarray()[group] == 0
        now, before = (tuple(label[rows] for label in of) for of in (truth.labels, truth.before))
        left = Laid(code[rows], Sources(now, SIZES, before, truth.character[rows]), 9)
        without = actions.values(Laid(code_fit, fit, 9), left, range(3))[0]
        replicate = {name: np.concatenate(score.replicates.kinds)[group] for name, score in scores.items() if score.replicates}
        assert len(replicate) > 70
        for name, one in replicate.items():
            source, *view, score = name.split(".")
            if score == "conditional" or (score == "ami" and view in (["standing"], ["onset"])):
                view = ".".join([*view, score]) if score == "conditional" else view[0]
                slow = slow_score(left.code, left.truth, SOURCES.index(source), view, expected=expected[f"{source}.{view}"])
                assert one == pytest.approx(slow), name
            elif score != "ami":  # the information by chance is that of all clips
                assert one == pytest.approx(without[name]), name


def test_maps_are_fitted_again_on_draws_of_the_characters_that_they_are_fitted_on():
    truth, fit = sources(10, 30), sources(12, 30, characters=4)
    code, code_fit = (
        np.where(RNG.random(of.labels[1].shape) < 0.1, of.labels[1], chain(9, of.labels[1].shape, 0.1)) for of in (truth, fit)
    )
    scores = actions.scores(Laid(code_fit, fit, 9), Laid(code, truth, 9), [1], interval.Clusters(truth.character))
    for name, make in (("matched_accuracy", actions.one_to_one), ("many_to_one", actions.many_to_one)):
        replicates, expected = scores[f"local.{name}"].replicates, []
        ids = np.unique(fit.character)
        for times in np.random.default_rng(0).multinomial(len(ids), np.full(len(ids), 1 / len(ids)), 200):
            rows = np.concatenate([np.flatnonzero(fit.character == id_) for id_, n in zip(ids, times, strict=True) for _ in range(n)])
            label_k = make(actions.table(code_fit[rows], fit.labels[1][rows], 9, 9))
            expected.append((label_k[code] == truth.labels[1]).mean())
        assert replicates is not None and replicates.fit is not None and np.ptp(expected) > 0
        without_fit = interval.Replicates(replicates.kinds)
        assert replicates.variance == pytest.approx(without_fit.variance + np.var(expected))


# Codes that know nothing.


def nothing(truth: Sources) -> dict[str, np.ndarray]:
    """Codes that tell nothing about the local actions but what the direction tells."""
    rng, shape = np.random.default_rng(5), truth.labels[1].shape
    character = np.unique(truth.character, return_inverse=True)[1][:, None]
    return {
        "random": rng.integers(0, 6, shape),
        "persistent": chain(6, shape, 0.2, rng),
        "character": np.broadcast_to(character, shape),
        "clip": np.broadcast_to(np.arange(shape[0])[:, None], shape),
        "labels of another clip": np.roll(truth.labels[1], 1, 0),
        "direction": truth.labels[0],
        "direction and character": truth.labels[0] + 5 * character,
    }


def test_a_larger_code_book_is_punished_by_the_one_to_one_map_alone():
    """Eight codes for each action are read as well as one, and codes that know nothing gain nothing by their number."""
    few = data.standard("wsprites-factorial-v1", clips=60)
    rng, parts = np.random.default_rng(3), (few.fit.sources(), few.scored.sources())
    eight = [Laid(8 * truth.labels[1] + rng.integers(0, 8, truth.labels[1].shape), truth, 72) for truth in parts]
    got = actions.values(*eight, [1], pooled=True)[0]
    assert got["local.many_to_one"] == 1 and got["local.matched_accuracy"] < 0.2
    unknown = [Laid(chain(72, truth.labels[1].shape, 0.1, rng), truth, 72) for truth in parts]
    most = np.bincount(parts[1].labels[1].ravel()).max() / parts[1].labels[1].size
    assert actions.values(*unknown, [1], pooled=True)[0]["local.many_to_one"] < most + 0.03


CORRECTED = ("ami", "standing.ami", "walking.ami", "conditional", "facing.conditional", "animation.conditional", "per_character.ami")


@pytest.mark.slow
@pytest.mark.parametrize("world", ["paper", "factorial"])
def test_codes_that_know_nothing_score_nothing(world: str):
    """On the standard worlds the characters as codes had `conditional` 0.34, the clips 0.61, labels of another clip per character 0.26."""
    truth = data.standard(f"wsprites-{world}-v1").scored.sources()
    for name, code in nothing(truth).items():
        got, _ = actions.values(laid := Laid(code, truth, int(code.max()) + 1), laid, [1])
        coupled = world == "paper" and "direction" in name  # there the direction tells much
        for score in ("standing.ami", "conditional") if coupled else CORRECTED:
            # Of one facing there is a third of the transitions, and 129 characters: what is left of chance is larger.
            rare = name == "character" and score == "animation.conditional"
            limit = 0.03 if name == "direction and character" or rare else 0.0101 if name in ("character", "clip") else 0.006
            assert abs(got[f"local.{score}"]) < limit, (name, score)
    got, _ = actions.values(laid := Laid(truth.labels[1], truth, 9), laid, [1])
    assert [got[f"local.{score}"] for score in CORRECTED] == pytest.approx([1.0] * 7)


def test_codes_that_know_nothing_score_little_on_few_clips():
    truth = data.standard("wsprites-factorial-v1", clips=40).scored.sources()
    for name, code in nothing(truth).items():
        got, _ = actions.values(laid := Laid(code, truth, int(code.max()) + 1), laid, [1])
        for score in CORRECTED:
            assert -0.08 < got[f"local.{score}"] < 0.05, (name, score)


def test_facing_and_animation_are_told_apart():
    """Codes of one part of the local action, with and without what persists but says nothing: nothing of the other part is in them."""
    truth = independent(300, 60, actions=9)
    for name, part in (("facing", lambda label: label % 3), ("animation", lambda label: label // 3)):
        for noise in (2, 3):
            code = part(truth.labels[1]) + 3 * chain(noise, (300, 60), 0.1)
            got, _ = actions.values(laid := Laid(code, truth, 9), laid, [1])
            other = "animation" if name == "facing" else "facing"
            assert got[f"local.{name}.conditional"] == pytest.approx(1) and abs(got[f"local.{other}.conditional"]) < 0.02
            assert got["local.conditional"] == pytest.approx(0.48, abs=0.02)
    # The chain rule: what codes tell of the whole is what they tell of the facing, and then of the animation.
    code = np.where(RNG.random(truth.labels[1].shape) < 0.5, truth.labels[1], 0)
    got, expected = actions.values(laid := Laid(code, truth, 9), laid, [1])
    possible = {name: conditional_entropy(truth, name) for name in ("", "facing.", "animation.")}

    def told(name: str) -> float:
        by_chance = expected[f"local.{name}conditional"]
        return got[f"local.{name}conditional"] * (possible[name] - by_chance) + by_chance

    assert told("") == pytest.approx(told("facing.") + told("animation."))


def conditional_entropy(truth: Sources, part: str) -> float:
    label, stratum = label_of(truth, 1, f"{part}conditional"), strata_of(truth, 1, f"{part}conditional")
    return sum((stratum == s).mean() * entropy(label[stratum == s]) for s in np.unique(stratum))


def test_four_facings():
    twelve = independent(100, 60, actions=12)
    facing = np.array([FACINGS.index(facing_of(action)) for action in LocalAction])[twelve.labels[1]]
    got, _ = actions.values(laid := Laid(facing, twelve, 12), laid, [1])
    assert got["local.facing.conditional"] == pytest.approx(1) and abs(got["local.animation.conditional"]) < 0.02
    got, _ = actions.values(laid := Laid(twelve.labels[1], twelve, 12), laid, [1])
    assert got["local.facing.conditional"] == got["local.animation.conditional"] == pytest.approx(1)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("clips", "steps", "characters"), [(2, 1, 1), (2, 2, 2), (3, 5, 1)])
def test_scores_of_very_few_transitions(clips: int, steps: int, characters: int):
    truth = sources(clips, steps, characters=characters)
    for code in (truth.labels[1], np.zeros((clips, steps), np.int64), np.arange(clips * steps).reshape(clips, steps)):
        laid = Laid(code, truth, 30)
        scores = actions.scores(laid, laid, range(3), interval.Clusters(truth.character))
        assert all(np.isnan(score.value) or score.value <= 1 + 1e-9 for score in scores.values())
    constant = Sources((truth.labels[0] * 0,) * 3, SIZES, (truth.labels[0] * 0,) * 3, truth.character)
    scores = actions.scores(Laid(code, constant, 30), Laid(code, constant, 30), range(3), interval.Clusters(truth.character))
    assert all(np.isnan(score.value) for score in scores.values())


def test_a_constant_code_and_a_longer_code_book():
    truth = sources(12, 30)
    got, expected = actions.values(Laid(truth.labels[1] * 0, truth, 1), Laid(truth.labels[1] * 0, truth, 1), [1])
    assert [got[f"local.{score}"] for score in CORRECTED] == pytest.approx([0] * 7) and not any(expected.values())
    truth = sources(40, 60)  # so many that no two maps have equally many hits
    code = np.where(RNG.random((40, 60)) < 0.5, truth.labels[1], chain(9, (40, 60), 0.2))
    few, many = (actions.values(Laid(code, truth, k), Laid(code, truth, k), [1])[0] for k in (9, 1000))
    assert few == many


def test_the_switch_rate_of_clips_of_two_frames_is_not_defined():
    """Such a clip has one transition, and none after it that could have another code."""
    one = actions.usage(np.array([[0], [1], [1]]), 2, interval.Clusters(np.arange(3)))
    assert one["usage"].value == 1 and np.isnan(one["switch_rate"].value)
    assert actions.usage(np.array([[0, 1], [1, 1]]), 2, interval.Clusters(np.arange(2)))["switch_rate"].value == 0.5
