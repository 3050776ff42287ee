"""Presets of GLASS."""

import dataclasses
from typing import Any

import pytest

from glass_model.glass.config import PRESETS, Config
from wsprites.fields import from_json, to_json


def flat(config: Config) -> dict[str, Any]:
    groups = dataclasses.asdict(config)
    return {f"{group}.{name}": value for group in ("model", "loss", "train") for name, value in groups[group].items()}


# What each preset changes of `paper`, and nothing else, as the fact sheet of the paper has it.
CHANGES: dict[str, dict[str, Any]] = {
    "paper": {},
    "released": {"loss.vgg": 0.02, "loss.vq": 0.1, "train.decay": 0.3333, "train.length_begin": 50_000, "train.length_steps": 30_000},
    "plain": {"model.direction": "plain"},
    "gumbel": {"model.quantizer": "gumbel", "loss.vq": 0.0},
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
    assert set(PRESETS) == set(CHANGES) | {"tiny", "small", "gma", "hour", "drawn"}


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
    assert from_json(Config(), to_json(PRESETS[name])) == PRESETS[name]
