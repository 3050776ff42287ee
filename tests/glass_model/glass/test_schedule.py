"""Schedules at the steps that the supplement names."""

import pytest

from glass_model.glass.config import PRESETS
from glass_model.glass.schedule import phase


def test_schedules_of_the_paper() -> None:
    train = PRESETS["paper"].train
    assert phase(train, 2_999).alone and not phase(train, 3_000).alone
    assert [phase(train, step).given for step in (3_000, 3_000 + 12_500, 28_000, 400_000)] == [5, 3, 1, 1]
    assert [phase(train, step).length for step in (0, 28_000, 28_000 + 12_500, 53_000)] == [6, 6, 9, 12]
    assert phase(train, 299_999).rate == 4e-4
    assert phase(train, 300_000).rate == pytest.approx(1.2e-4)
    assert [phase(train, step).temperature for step in (0, 3_000, 18_000, 33_000, 10**6)] == pytest.approx([1, 1, 0.7, 0.4, 0.4])


def test_schedules_of_the_release() -> None:
    train = PRESETS["released"].train
    assert [phase(train, step).length for step in (49_999, 65_000, 80_000)] == [6, 9, 12]
    assert phase(train, 300_000).rate == pytest.approx(4e-4 * 0.3333)
