"""Bad arguments of functions of the library: one line that names the argument, and nothing silently taken for something else."""

from collections.abc import Callable

import numpy as np
import pytest

from wsprites.errors import ArgumentError
from wsprites.generate import Order
from wsprites.world.script import casting, script, scripts, split_indices, split_sizes
from wsprites.world.spec import PRESETS

pytestmark = pytest.mark.bad_input
SPEC = PRESETS["paper"]
SEEDED: dict[str, Callable[..., object]] = {
    "script": lambda seed: script(SPEC, seed, 0),
    "scripts": lambda seed: scripts(SPEC, seed, [0, 1]),
    "casting": lambda seed: casting(SPEC, seed),
    "split_indices": lambda seed: split_indices(SPEC, seed, 10),
    "split_sizes": lambda seed: split_sizes(SPEC, seed, 10),
}


@pytest.mark.parametrize("name", SEEDED)
@pytest.mark.parametrize("seed", [-1, 2**63, 2**200, np.int64(-3), 1.5, float("nan"), "0", None])
def test_seeds(name: str, seed: object):
    """None of them raises OverflowError, and -3 of numpy is not taken for 2**64 - 3."""
    with pytest.raises(ArgumentError, match=r"^seed: .* (is outside the range 0 to 9223372036854775807|is not a whole number)$") as error:
        SEEDED[name](seed)
    assert "\n" not in str(error.value)


def test_a_seed_of_numpy_is_a_seed():
    assert np.array_equal(script(SPEC, np.uint8(7), 3).position, script(SPEC, 7, 3).position)


@pytest.mark.parametrize("indices", [[-1], [0, -5], [0.5], ["1"], [2**63], [None], [True]])
def test_indices(indices: list[object]):
    with pytest.raises(ArgumentError, match=r"^indices: \[.*\] must be whole numbers from 0 to"):
        scripts(SPEC, 0, indices)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"n": 0}, "n: 0 is outside the range"),
        ({"n": 2.0}, "n: 2.0 is not a whole number"),
        ({"n": 10**10}, "n: 10000000000 is outside"),
        ({"seed": -1}, "seed: -1 is outside"),
        ({"seed": None}, "seed: None is not a whole number"),
        ({"compression": "zip"}, "compression: 'zip' is not one of"),
        ({"shard": (0, 1)}, "shard: 0/1"),
        ({"shard": (2, 1)}, "shard: 2/1"),
        ({"world": "paper"}, "world: a str, not a World"),
    ],
)
def test_orders(order: Order, changes: dict[str, object], words: str):
    arguments = {"world": order.world, "seed": 0, "n": 4, **changes}
    with pytest.raises(ArgumentError, match=words):
        Order(**arguments)
