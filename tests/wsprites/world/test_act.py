"""The law of an action: replaying the actions of a script gives the script."""

from dataclasses import replace

import numpy as np
import pytest

from wsprites.world.act import act, pose
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS


@pytest.mark.parametrize("facings", [3, 4])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("first", [0, 40])
def test_replaying_a_script_gives_it_back(preset: str, facings: int, first: int):
    spec = replace(PRESETS[preset], facings=facings)
    script = scripts(spec, 4, range(300))
    state = pose(spec, script, first)
    resumed = 0
    for t in range(first, spec.frames):
        if t > first:
            state = act(spec, state, script.global_action[:, t], script.local_action[:, t])
            changed = script.local_action[:, t] != script.local_action[:, t - 1]
            resumed += np.count_nonzero(changed & (state.animation_frame > 0))
        for name in ("position", "shift", "local_action", "animation_frame"):
            value, expected = getattr(state, name), getattr(script, name)[:, t]
            assert np.array_equal(value, expected) and value.dtype == expected.dtype, (name, t)
    assert (resumed > 100) == spec.local.coupled  # only walks of a coupled world keep their place


def test_any_pair_of_actions_is_possible_and_states_are_not_changed():
    spec = PRESETS["paper"]
    before = pose(spec, scripts(spec, 0, range(45)), 0)
    kept = [array.copy() for array in before]
    pairs = np.array([(g, a) for g in GlobalAction for a in LocalAction if a < 9])
    after = act(spec, before, *pairs.T)
    assert all(np.array_equal(array, copy) for array, copy in zip(before, kept, strict=True))
    unit = np.array([(-1, 0), (1, 0), (0, -1), (0, 1), (0, 0)])[pairs[:, 0]]
    assert np.array_equal(after.position, np.clip(before.position + 7 * unit, 0, (64, 32)))
    assert np.array_equal(after.shift, after.position - before.position)
    starts_anew = (pairs[:, 1] > 2) & (pairs[:, 1] != before.local_action)
    assert not after.animation_frame[starts_anew].any()
