"""Presets with values replaced, and what all systems have in common."""

import pytest

from glass_model.glass.config import PRESETS
from glass_model.training.config import TrainConfig, load_config, ramp
from wsprites.errors import UserError


def test_settings() -> None:
    config = load_config(PRESETS, "paper", ["train.batch=8", "model.direction=plain", "model.joint=true", "loss.vgg=0"])
    assert (config.train.batch, config.model.direction, config.model.joint, config.loss.vgg) == (8, "plain", True, 0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.batch", r"settings: train.batch is not of the form group.field=value"),
        ("batch=8", r"not of the form group.field=value"),
        ("train.bach=8", r"there is no field train.bach; the nearest is train.batch"),
        ("model.codes=0", r"model.codes = 0 is outside the range 1 to 4096"),
        ("model.codes=six", r"model.codes = 'six' must be of type int"),
        ("model.height=100", r"model.height = 100 must be divisible by 8 times global_scale = 1"),
        ("train.window=6", r"must not be above window = 6"),
        ("train.rate=NaN", r"train.rate = nan is outside"),
        ("model.quantizer=fsq", r"not one of 'vq', 'gumbel'"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_config(PRESETS, "paper", [setting])
    assert "\n" not in str(error.value)


def test_no_such_preset() -> None:
    with pytest.raises(UserError, match="preset: papr is not one of paper, released, tiny"):
        load_config(PRESETS, "papr")


def test_span() -> None:
    """From the first to the last frame of a sequence that takes every fourth one."""
    assert TrainConfig(window=3, skip=4).span == len([0, 1, 2, 3, 4, 5, 6, 7, 8])


def test_learning_rate() -> None:
    config = TrainConfig(rate=0.1, decay=0.5, decay_step=3)
    assert [config.rate_at(step) for step in (0, 2, 3, 9)] == [0.1, 0.1, 0.05, 0.05]


def test_ramp() -> None:
    assert [ramp(1, 3, 4, at) for at in (-1, 0, 1, 4, 9)] == [1, 1, 1.5, 3, 3]
    assert [ramp(1, 3, 0, at) for at in (-1, 0, 1)] == [1, 3, 3]
