"""Scores against scikit-learn, scipy, scikit-image, and figures that are known."""

import numpy as np
import pytest
import sklearn.metrics as sk
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wsprites.bench.metrics import actions, images, interval, motion, probes
from wsprites.bench.metrics.information import information, nmi
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS

RNG = np.random.default_rng(0)


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
        assert nmi(information(actions.table(g, local, 5, 9))) == pytest.approx(expected, abs=0.006)
        if world == "released":
            upright = np.where(g == 3, 2, g)
            assert nmi(information(actions.table(upright, local, 5, 9))) == pytest.approx(0.785, abs=0.006)
