"""The best code against all codes."""

import numpy as np
import pytest

from wsprites.bench import baselines
from wsprites.bench.metrics.actions import table
from wsprites.bench.metrics.information import entropy, information, nmi
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS


def test_the_best_code_is_the_best():
    count = np.random.default_rng(0).integers(1, 100, 7)
    for k in (2, 3, 4):
        every = np.stack(np.unravel_index(np.arange(k**7), (k,) * 7), 1)
        best = max(entropy(np.bincount(code, count, minlength=k)) for code in every)
        assert best - 0.005 < entropy(np.bincount(baselines.best_code(count, k), count, minlength=k)) <= best + 1e-9
    spec = PRESETS["released"]
    local = scripts(spec, 0, np.arange(2000)).local_action[:, 1:]
    count = np.bincount(local.ravel(), minlength=9)
    for k, known in ((4, 0.807), (6, 0.926), (9, 1.0)):
        assert nmi(information(table(baselines.best_code(count, k)[local], local, k, 9))) == pytest.approx(known, abs=0.004)
