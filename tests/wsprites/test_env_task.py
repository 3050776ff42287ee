"""The task of the environments: walk to a marker and slash there. What is without a task stays as it was."""

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from marker_agent import towards  # noqa: E402

import wsprites.env  # noqa: E402
from wsprites.env import WalkEnv  # noqa: E402
from wsprites.env.task import COLOUR  # noqa: E402
from wsprites.errors import UserError  # noqa: E402
from wsprites.world.actions import GlobalAction, LocalAction  # noqa: E402


def test_the_slash_at_the_marker_is_rewarded_and_ends_the_episode():
    env = WalkEnv(world="factorial", task="marker", length=40)
    _, info = env.reset(seed=3)
    marker = info["marker"]
    assert marker.dtype == np.int16 and (marker >= 0).all() and (marker <= env.spec_of_world.sprite_box).all()
    assert np.abs(marker.astype(int) - info["position"]).max() >= 21
    # A slash elsewhere, and anything else at the marker, are worth nothing.
    _, reward, terminated, _, info = env.step(np.array([GlobalAction.stay, LocalAction.slash_front]))
    assert (reward, terminated) == (0.0, False)
    for _ in range(20):
        action = towards(marker, info["position"])
        if action[1] == LocalAction.slash_right:
            break
        _, reward, terminated, _, info = env.step(np.array(action))
        assert (reward, terminated) == (0.0, False) and np.array_equal(info["marker"], marker)
    _, reward, terminated, *_ = env.step(np.array([GlobalAction.stay, LocalAction.spellcast_front]))
    assert (reward, terminated) == (0.0, False)
    before = env.state()
    _, reward, terminated, truncated, _ = env.step(np.array(action))
    assert (reward, terminated, truncated) == (1.0, True, False)
    with pytest.raises(RuntimeError, match="the episode is over"):
        env.step(np.array(action))
    env.set_state(before)
    assert env.step(np.array(action))[1] == 1.0


def test_frames_show_the_marker_behind_the_character_and_differ_in_nothing_else():
    with_task, without = WalkEnv(task="marker"), WalkEnv()
    for clip in range(4):
        options = {"clip": clip}
        (frame, info), (plain, plain_info) = (env.reset(options=options) for env in (with_task, without))
        assert {*info} - {*plain_info} == {"marker"} and all(np.array_equal(info[name], plain_info[name]) for name in plain_info)
        y, x = np.nonzero((frame != plain).any(-1))
        assert len(x) and (frame[y, x] == COLOUR).all() and not info["mask"][y, x].any()
        # A ring of 16 px around the middle of the cell that the sprite is to have.
        away = np.hypot(x + 0.5 - info["marker"][0] - 32, y + 0.5 - info["marker"][1] - 32)
        assert away.min() > 5.9 and away.max() < 10.1


def test_a_marker_is_that_of_the_clip():
    one, other = WalkEnv(task="marker", world="factorial"), WalkEnv(task="marker", world="factorial", length=9)
    markers = [[env.reset(options={"clip": clip})[1]["marker"].tolist() for clip in range(12)] for env in (one, other)]
    assert markers[0] == markers[1] and len({*map(tuple, markers[0])}) > 8


def test_gymnasium_finds_nothing_to_complain_about():
    from gymnasium.utils.env_checker import check_env

    check_env(gymnasium.make("wsprites/Walk-v0", task="marker", length=5).unwrapped, skip_render_check=True)
    assert wsprites.env.WalkEnv is WalkEnv


@pytest.mark.bad_input
def test_impossible_tasks():
    with pytest.raises(UserError, match="task: 'walk' is not one of '', 'marker'"):
        WalkEnv(task="walk")
    env, other = WalkEnv(task="marker", length=5), WalkEnv(length=5)
    env.reset(seed=0)
    other.reset(seed=0)
    for one, state, words in ((env, other.state(), "without a task"), (other, env.state(), "with a task")):
        with pytest.raises(UserError, match=words):
            one.set_state(state)
