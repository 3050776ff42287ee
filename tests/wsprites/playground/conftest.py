"""The world of the playground in these tests, and a server with models."""

from collections.abc import Iterator

import play_models
import pytest
from play_page import Running, running

from wsprites.art import Art, World
from wsprites.world.spec import PRESETS


@pytest.fixture(scope="session")
def play_world(art: Art) -> World:
    """The paper's world with the drawn art."""
    return art.world(PRESETS["paper"])


@pytest.fixture(scope="module")
def server(play_world: World) -> Iterator[Running]:
    """A server with a model that is played by steps, one that raises, one that is played by rollouts, and one that only reads."""
    models = {
        "brighter": play_models.Brighter(),
        "raises": play_models.Raises(),
        "rollouts": play_models.Rollouts(),
        "reads": play_models.Reads(),
    }
    with running(play_world, models) as server:
        yield server
