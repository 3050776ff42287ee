"""Scores against scikit-learn, scipy, scikit-image, and figures that are known."""

import numpy as np
import pytest
import sklearn.metrics as sk
from skimage.metrics import peak_signal_noise_ratio, structural_similarity

from wsprites.bench.metrics import actions, images, interval, motion
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


def test_the_known_figures():
    """NMI of what knows the direction alone, and the released evaluation's units."""
    for world, expected in (("released", 0.748), ("paper", 0.729)):
        script = scripts(PRESETS[world], 0, np.arange(3000))
        g, local = script.global_action[:, 1:], script.local_action[:, 1:]
        assert nmi(information(actions.table(g, local, 5, 9))) == pytest.approx(expected, abs=0.006)
        if world == "released":
            upright = np.where(g == 3, 2, g)
            assert nmi(information(actions.table(upright, local, 5, 9))) == pytest.approx(0.785, abs=0.006)
