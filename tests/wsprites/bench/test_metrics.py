"""Scores against scikit-learn, scipy, scikit-image, and figures that are known."""

import numpy as np
import pytest
import sklearn.metrics as sk
from scipy import stats
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wsprites.bench.metrics import actions, images, interval, motion, probes
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS

RNG = np.random.default_rng(0)


def labels(shape: tuple[int, ...], codes: int = 6, wrong: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
    label = RNG.integers(0, 9, shape)
    return np.where(RNG.random(shape) < wrong, RNG.integers(0, codes, shape), label % codes), label


@pytest.mark.parametrize("codes", [2, 6, 12])
def test_information_is_scikit_learns(codes: int):
    code, label = labels((400,), codes)
    count = actions.table(code, label, codes, 9)
    assert (count == sk.cluster.contingency_matrix(label, code, sparse=False).T).all()
    assert actions.mutual_information(count) == pytest.approx(sk.mutual_info_score(label, code))
    assert actions.nmi(count) == pytest.approx(sk.normalized_mutual_info_score(label, code))
    assert actions.ami(count) == pytest.approx(sk.adjusted_mutual_info_score(label, code))
    assert actions.homogeneity(count) == pytest.approx(sk.homogeneity_score(label, code))
    assert actions.completeness(count) == pytest.approx(sk.completeness_score(label, code))
    assert actions.entropy(count.sum(1)) == pytest.approx(stats.entropy(count.sum(1)))
    assert actions.perplexity(np.full(codes, 7)) == pytest.approx(codes)


def test_information_by_chance_of_many_transitions_is_its_limit():
    count = RNG.multinomial(400_000, RNG.dirichlet(np.full(24, 5.0))).reshape(4, 6)
    exact = sk.cluster.expected_mutual_information(count, int(count.sum()))
    assert actions.expected_information(count) == pytest.approx(exact, abs=1e-4)
    assert actions.expected_information(count) != exact
    assert actions.expected_information(count // 100) == sk.cluster.expected_mutual_information(count // 100, int((count // 100).sum()))


def test_maps_from_codes_to_labels():
    count = np.array([[5, 4, 0], [6, 0, 0], [0, 0, 0], [0, 1, 0]])
    assert actions.many_to_one(count).tolist() == [0, 0, 0, 1]
    assert actions.one_to_one(count).tolist() == [1, 0, -1, -1]  # 4 + 6 hits, more than 5 + 1; the last is left over
    assert actions.accuracy(count, actions.one_to_one(count)) == pytest.approx(10 / 16)
    assert actions.accuracy(count, actions.many_to_one(count)) == pytest.approx(12 / 16)
    assert np.isnan(actions.nmi(count[:, :1])) and np.isnan(actions.accuracy(count[:, :1], np.zeros(4, int)))


def sources(shape: tuple[int, int], local: np.ndarray) -> actions.Sources:
    return actions.Sources((RNG.integers(0, 5, shape), local, RNG.integers(0, 5, shape)), (5, 9, 5))


def test_scores_of_codes_are_those_of_each_part():
    (code_fit, local_fit), (code, local) = labels((30, 40)), labels((50, 40))
    fit, truth = sources((30, 40), local_fit), sources((50, 40), local)
    character = np.arange(50) // 2
    got = actions.scores(code_fit, fit, code, truth, character, "local", 6, interval.Clusters(character))
    standing = truth.labels[0] == 4
    for prefix, part in (("", np.ones_like(standing)), ("standing.", standing), ("walking.", ~standing)):
        assert got[f"{prefix}ami"].value == pytest.approx(sk.adjusted_mutual_info_score(local[part], code[part]))
        assert got[f"{prefix}nmi"].value == pytest.approx(sk.normalized_mutual_info_score(local[part], code[part]))
    matched = actions.one_to_one(actions.table(code_fit, local_fit, 6, 9))
    assert got["matched_accuracy"].value == pytest.approx((matched[code] == local).mean())
    per = [sk.normalized_mutual_info_score(local[character == c].ravel(), code[character == c].ravel()) for c in range(25)]
    assert got["per_character.nmi"].value == pytest.approx(np.mean(per))
    for name, one in got.items():
        assert one.low <= one.value <= one.high < one.low + 0.3, name


def test_conditional_information_is_what_the_others_do_not_tell():
    shape = (60, 80)
    truth, fit = (sources(shape, RNG.integers(0, 9, shape)) for _ in range(2))

    def conditional(code: np.ndarray, truth: actions.Sources = truth, source: str = "local") -> float:
        return actions.scores(code, fit, code, truth, np.arange(60), source, 9, interval.Clusters(np.arange(60)))["conditional"].value

    assert conditional(truth.labels[1]) == pytest.approx(1)
    random = RNG.integers(0, 9, shape)
    drawn = actions.scores(random, fit, random, truth, np.arange(60), "local", 9, interval.Clusters(np.arange(60)))
    assert drawn["ami"].low < 0 < drawn["ami"].high and drawn["conditional"].low < 0
    assert abs(conditional(random)) < 0.01  # by chance alone it would be above 0
    assert abs(conditional(truth.labels[0])) < 0.01
    # The local action follows from the global one, but for a coin: what knows the global one alone gets nothing.
    coin = RNG.integers(0, 2, shape)
    coupled = actions.Sources((truth.labels[0], np.where(truth.labels[0] == 4, 4 + coin, truth.labels[0]), truth.labels[2]), (5, 9, 5))
    assert abs(conditional(coupled.labels[0], coupled)) < 0.01
    assert conditional(coin, coupled) == pytest.approx(1)
    assert np.isnan(conditional(coin, actions.Sources((coin, coin, coin), (5, 9, 5))))


def test_shifts():
    true = np.array([[[7, 0], [0, -7], [3, 0], [0, 0]]])
    action = np.array([[1, 2, 1, 4]])
    perfect = motion.scores(true, true, action, 7, interval.Clusters(np.arange(len(true))))
    names = ("mean", "median", "angle", "action_accuracy", "clipped.mean", "clipped.angle")
    assert [perfect[name].value for name in names] == [0, 0, 1, 1, 0, 1]
    turned = motion.scores(true + np.array([0.0, 8.0]), true, action, 7, interval.Clusters(np.arange(len(true))))  # by 8 px down
    assert turned["mean"].value == 8 and turned["angle"].value == 0 and turned["action_accuracy"].value == 0
    assert not motion.within_45_degrees(np.zeros(2), np.array([7, 0]))
    assert not motion.within_45_degrees(np.array([1, 1.01]), np.array([7, 0]))
    assert motion.action_of(np.array([[-4.0, 3], [1, 3.6], [3, 3], [0, -9]]), 7).tolist() == [0, 3, 4, 2]
    x = RNG.normal(size=(500, 2))
    assert motion.r2(x + 0.1, x) == pytest.approx([sk.r2_score(x[:, i], x[:, i] + 0.1) for i in (0, 1)])


def test_images_are_scikit_images():
    a = RNG.integers(0, 256, (2, 96, 128, 3), dtype=np.uint8)
    b = np.clip(a + RNG.normal(0, 20, a.shape), 0, 255).astype(np.uint8)
    assert images.psnr(b, a) == pytest.approx([peak_signal_noise_ratio(x, y) for x, y in zip(a, b, strict=True)])
    options = {"channel_axis": 2, "gaussian_weights": True, "sigma": 1.5, "use_sample_covariance": False, "data_range": 255}
    assert images.ssim(b, a) == pytest.approx([structural_similarity(x, y, **options) for x, y in zip(a, b, strict=True)], abs=1e-6)
    assert images.psnr(a, a).tolist() == [60, 60] and images.ssim(a, a) == pytest.approx([1, 1])


@pytest.mark.parametrize("kind", probes.KINDS)
def test_probes_read_what_is_there_and_nothing_else(kind: str):
    def make(n: int) -> tuple[np.ndarray, np.ndarray]:
        label = rng.integers(0, 5, n)
        return np.concatenate([np.eye(5)[label] + rng.normal(0, 0.2, (n, 5)), np.ones((n, 1))], 1), label

    rng = np.random.default_rng(1)
    (a, label_a), (b, label_b) = make(2000), make(1500)
    right, shuffled, constant = probes.classify(kind, a, [label_a, rng.permutation(label_a), np.full(2000, 3)], b)
    assert (right == label_b).mean() > 0.95 and (shuffled == label_b).mean() < 0.32 and (constant == 3).all()


def test_nearest_neighbours_of_very_few():
    (predicted,) = probes.classify("knn", np.eye(4), [np.array([1, 1, 1, 2])], np.eye(4))
    assert predicted.tolist() == [1, 1, 1, 1]


def test_explained_variance():
    x, clip = RNG.normal(size=(600, 4)), np.repeat(np.arange(20), 30)
    clusters = interval.Clusters(np.arange(10))
    y = x[:, :2] @ np.array([[1.0, 2], [0, 1]]) + RNG.normal(0, 0.5, (600, 2))
    predicted = probes.regress(x[:300], y[:300], x[300:])
    got = probes.explained(predicted, y[300:], clip[:300], clusters)
    level = y * [1, 0]  # a world as high as the character: nothing moves up or down
    assert probes.explained(predicted, level[300:], clip[:300], clusters).value == pytest.approx(sk.r2_score(y[300:, 0], predicted[:, 0]))
    assert np.isnan(probes.explained(predicted, level[300:] * 0, clip[:300], clusters).value)
    assert got.value == pytest.approx(sk.r2_score(y[300:], predicted)) and 0.6 < got.low < got.value < got.high < 0.95


def test_the_known_figures():
    """NMI of what knows the direction alone, and the released evaluation's units."""
    for world, expected in (("released", 0.748), ("paper", 0.729)):
        script = scripts(PRESETS[world], 0, np.arange(3000))
        g, local = script.global_action[:, 1:], script.local_action[:, 1:]
        assert actions.nmi(actions.table(g, local, 5, 9)) == pytest.approx(expected, abs=0.006)
        if world == "released":
            upright = np.where(g == 3, 2, g)
            assert actions.nmi(actions.table(upright, local, 5, 9)) == pytest.approx(0.785, abs=0.006)
