"""Presets, overrides, and schedules."""

import dataclasses
from typing import Any

import pytest

from glass_model.glass.config import PRESETS, Config, load_config
from glass_model.glass.schedule import phase, ramp
from wsprites.errors import UserError


def flat(config: Config) -> dict[str, Any]:
    groups = dataclasses.asdict(config)
    return {f"{group}.{name}": value for group in ("model", "loss", "train") for name, value in groups[group].items()}


# What each preset changes of `paper`, and nothing else, as the fact sheet of the paper has it.
CHANGES: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {"loss.vgg": 0.02, "loss.vq": 0.1, "train.decay": 0.3333, "train.length_begin": 50_000, "train.length_steps": 30_000},
    "plain": {"model.direction": "plain"},
    "gumbel": {"model.quantizer": "gumbel"},
    "unmodulated": {"model.modulated": False},
    "joint": {"model.joint": True},
    "no-recs": {"loss.recs": 0.0},
    "codes-4": {"model.codes": 4},
    "codes-9": {"model.codes": 9},
    "codes-12": {"model.codes": 12},
    "no-bin": {"loss.bin": 0.0},
    "no-size": {"loss.size": 0.0},
    "no-recf": {"loss.recf": 0.0},
    "no-recb": {"loss.recb": 0.0},
    "no-vgg": {"loss.vgg": 0.0},
    "no-recj": {"loss.recj": 0.0},
    "200k": {"train.steps": 200_000},
    "bair": {"model.height": 256, "model.width": 256, "model.codes": 2, "train.batch": 2, "train.window": 6, "train.length_to": 6},
    "tennis": {
        "model.width": 256,
        "model.codes": 4,
        "loss.mask_size": 0.01,
        "train.window": 11,
        "train.length_to": 11,
        "train.skip": 4,
    },
}


def test_every_preset_is_listed() -> None:
    assert set(PRESETS) == set(CHANGES) | {"tiny"}


@pytest.mark.parametrize("name", CHANGES)
def test_a_preset_changes_just_what_it_says(name: str) -> None:
    paper, other = flat(PRESETS["paper"]), flat(PRESETS[name])
    assert {key: value for key, value in other.items() if value != paper[key]} == CHANGES[name]
    assert PRESETS[name].name == name


def test_the_paper() -> None:
    loss = dataclasses.asdict(PRESETS["paper"].loss)
    gma = {"bin": 0.5, "size": 0.1, "recf": 1, "recb": 2, "vgg": 0.01, "recj": 1}
    lma = {"vq": 0.25, "recu": 1, "recs": 1, "msk": 0.2, "cyc": 0.2, "lma_vgg": 1}
    assert {name: loss[name] for name in gma | lma} == gma | lma
    assert (loss["mask_size"], loss["commitment"]) == (0.06, 0.25)


@pytest.mark.parametrize("name", PRESETS)
def test_json_both_ways(name: str) -> None:
    assert Config.from_json(PRESETS[name].to_json()) == PRESETS[name]


def test_settings() -> None:
    config = load_config("paper", ["train.batch=8", "model.direction=plain", "model.joint=true", "loss.vgg=0"])
    assert (config.train.batch, config.model.direction, config.model.joint, config.loss.vgg) == (8, "plain", True, 0)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("train.batch", r"--set train.batch: not of the form group.key=value"),
        ("batch=8", r"not of the form group.key=value"),
        ("train.bach=8", r"there is no key train.bach; the nearest is train.batch"),
        ("model.codes=0", r"model.codes = 0 is outside the range 1 to 4096"),
        ("model.codes=six", r"model.codes = 'six' must be of type int"),
        ("model.height=100", r"height, width = 100, 128 must be divisible by 8"),
        ("train.window=6", r"must not be above window = 6"),
        ("train.rate=NaN", r"train.rate = nan is outside"),
        ("model.quantizer=fsq", r"not one of 'vq', 'gumbel'"),
    ],
)
def test_wrong_settings(setting: str, message: str) -> None:
    with pytest.raises(UserError, match=message) as error:
        load_config("paper", [setting])
    assert "\n" not in str(error.value)


def test_no_such_preset() -> None:
    with pytest.raises(UserError, match="--preset papr: not one of paper, released, tiny"):
        load_config("papr")


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


def test_ramp() -> None:
    assert [ramp(1, 3, 4, at) for at in (-1, 0, 1, 4, 9)] == [1, 1, 1.5, 3, 3]
    assert [ramp(1, 3, 0, at) for at in (-1, 0, 1)] == [1, 3, 3]
