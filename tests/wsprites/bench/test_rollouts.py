"""Rollouts of the world itself."""

import pytest

from wsprites.bench import data
from wsprites.bench.rollouts import starts, world

pytestmark = pytest.mark.usefixtures("quick")


def test_the_world_continues_as_the_script_did(few: data.Data):
    part = few.scored
    for start in starts(part):
        after = start.script.window(start.t + 1, start.t + 11)
        again = world(part, start, after.local_action, after.global_action)
        for label in ("position", "shift", "animation_frame"):
            assert (getattr(again, label) == getattr(after, label)).all(), label
