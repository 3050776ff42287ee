"""Configurations of Layered."""

from typing import Any

import pytest

from glass_model.layered.config import NEVER, PRESETS
from wsprites.fields import SpecError


def test_presets_have_the_numbers_of_the_supplement_and_of_the_code() -> None:
    """Size, batch, distance of frames, rate, first step of stage 2 and of GAN, weight of GAN, of BIN, and of the perceptual term."""
    numbers = {}
    for name, preset in PRESETS.items():
        model, loss, train = preset.model, preset.loss, preset.train
        numbers[name] = (*model.size, train.batch, train.skip, train.rate, train.stage, train.gan_step, loss.gan, loss.bin, loss.perceptual)
        assert train.window == 2 and train.weight_decay == 0
    assert numbers["bair"] == (256, 256, 8, 1, 4.5e-6, 10_000, 1, 1.0, 1.0, 1.0)
    assert numbers["tennis"] == (96, 256, 10, 5, 4.5e-6, 10_000, 5_000, 0.8, 10.0, 1.0)
    assert numbers["bair-released"] == (256, 256, 8, 1, 4.5e-6 * 8 * 4, 15_000, 1, 1.0, 1.0, 0.0)
    assert numbers["tennis-released"] == (96, 256, 10, 5, 4.5e-6 * 10, 15_000, 5_000, 0.8, 10.0, 0.0)
    assert next(iter(PRESETS)) == "bair"


def test_only_the_released_presets_have_the_authors_grid_and_grey() -> None:
    for name, preset in PRESETS.items():
        assert (preset.model.grid, preset.loss.blue) == (("ends", 0.144) if name.endswith("released") else ("centres", 0.114))


def test_departures_are_off_in_the_papers_presets() -> None:
    for name in ("bair", "tennis", "bair-released", "tennis-released"):
        model, loss = PRESETS[name].model, PRESETS[name].loss
        assert (model.reach, model.paste, model.carry, model.remember, model.averaged, model.quantised) == (
            0,
            False,
            False,
            False,
            False,
            True,
        )
        assert not loss.union and not loss.batch_size_prior and PRESETS[name].train.decay_step == NEVER


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"height": 100}, "height, width = 100, 256 must be divisible by 16"),
        ({"height": 34, "multipliers": [1]}, "height, width = 34, 256 must be divisible by 4"),
        ({"multipliers": []}, "must name at least one level"),
        ({"multipliers": [0]}, r"multipliers = \[0\] is outside the range"),
        ({"channels": 6}, "channels = 6 must be divisible by 4"),
        ({"channels": 40, "multipliers": [1, 2]}, "channels x multipliers = 80 must be divisible by 32"),
        ({"channels": 80, "multipliers": [2, 4]}, "channels x multipliers = 80 must be divisible by 32"),
        ({"reach": 16, "height": 32}, "reach = 16 must be below half of height and width = 32, 256"),
        ({"height": 16}, "height, width = 16, 256 must be at least 24 for the discriminator"),
        ({"codes": 7}, "codes = 7 must be 5 with binning = bins"),
        ({"transform": "projective"}, "'projective' is not one of 'position', 'rigid', 'affine'"),
    ],
)
def test_configurations_that_are_impossible(values: dict[str, Any], message: str) -> None:
    with pytest.raises(SpecError, match=message):
        PRESETS["bair"].override(model=values)


def test_any_number_of_codes_with_kmeans() -> None:
    assert PRESETS["bair"].override(model={"codes": 3, "binning": "kmeans"}).model.codes == 3
