"""The vector environment and Gymnasium's `SyncVectorEnv` of single ones: the same calls return the same, bit for bit."""

import copy
from collections.abc import Callable, Iterator

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

from gymnasium.vector import AutoresetMode, VectorEnv  # noqa: E402
from marker_agent import towards  # noqa: E402

import wsprites.env  # noqa: E402
from wsprites.errors import UserError  # noqa: E402

N = 3
KINDS = ("sync", "vector_entry_point")


def make(kind: str, mode: AutoresetMode = AutoresetMode.NEXT_STEP, **options) -> VectorEnv:
    """Either implementation. Both take the mode, each in its own way."""
    given = {"vector_kwargs": {"autoreset_mode": mode}} if kind == "sync" else {"autoreset_mode": mode}
    return gymnasium.make_vec("wsprites/Walk-v0", num_envs=N, vectorization_mode=kind, **{"length": 4, **given, **options})


def assert_same(a: object, b: object, where: str = "") -> None:
    """Equal values, types, shapes and dtypes, in dictionaries of dictionaries and arrays of objects as well."""
    assert type(a) is type(b), where
    if isinstance(a, dict) and isinstance(b, dict):
        assert a.keys() == b.keys(), where
        for name in a:
            assert_same(a[name], b[name], f"{where}/{name}")
    elif isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        assert a.dtype == b.dtype and a.shape == b.shape, where
        if a.dtype == object:
            for one, other in zip(a, b, strict=True):
                assert_same(one, other, where)
        else:
            np.testing.assert_array_equal(a, b, where)
    elif isinstance(a, tuple | list) and isinstance(b, tuple | list):
        for one, other in zip(a, b, strict=True):
            assert_same(one, other, where)
    else:
        assert a == b, where


Course = Callable[[VectorEnv], Iterator[object]]


def actions(t: int) -> np.ndarray:
    return np.random.default_rng(t).integers((5, 9), size=(N, 2))


def steps(envs: VectorEnv, number: int, first: int = 0) -> Iterator[object]:
    for t in range(first, first + number):
        yield envs.step(actions(t))


def one_seed(envs: VectorEnv) -> Iterator[object]:
    yield envs.reset(seed=7)
    yield envs.np_random_seed
    yield from steps(envs, 11)


def many_seeds(envs: VectorEnv) -> Iterator[object]:
    yield envs.reset(seed=[5, 1, 5])
    yield from steps(envs, 5)
    yield envs.reset(seed=[None, 9, None])  # the generators of the others go on
    yield envs.np_random_seed
    yield envs.reset()
    yield [generator.random() for generator in envs.np_random]
    yield envs.reset(seed=np.int64(3).item(), options={})


def clips(envs: VectorEnv) -> Iterator[object]:
    yield envs.reset(seed=1, options={"clip": 12})
    yield envs.reset(options={"clip": 12, "data_seed": 5})
    yield from steps(envs, 7)
    yield envs.reset()


def masks(envs: VectorEnv) -> Iterator[object]:
    yield envs.reset(seed=2)
    yield from steps(envs, 2)
    yield envs.reset(options={"reset_mask": np.array([True, False, False])})
    yield from steps(envs, 1)
    yield envs.reset(seed=[8, 8, 9], options={"reset_mask": np.array([False, False, True]), "clip": 4})
    yield envs.np_random_seed
    yield envs.reset(seed=30, options={"reset_mask": np.array([True, True, True])})
    yield from steps(envs, 3)


def out_of_step(envs: VectorEnv) -> Iterator[object]:
    """Episodes that end at different times."""
    yield envs.reset(seed=2)
    for env in range(N):
        yield from steps(envs, 1, env)
        yield envs.reset(options={"reset_mask": np.arange(N) == env})
    if envs.metadata["autoreset_mode"] != AutoresetMode.DISABLED:
        yield from steps(envs, 14, 20)
    for t in range(14):
        *_, ended, _ = result = envs.step(actions(t))
        yield result
        if envs.metadata["autoreset_mode"] == AutoresetMode.DISABLED and ended.any():
            yield envs.reset(options={"reset_mask": ended})


def pictures(envs: VectorEnv) -> Iterator[object]:
    yield envs.reset(seed=0)
    yield tuple(envs.render())
    observations, *_ = envs.step(actions(0))
    observations[:] = 0  # the caller's own
    yield tuple(envs.render())
    yield envs.reset(options={"reset_mask": np.array([False, True, False])})[0]


@pytest.mark.parametrize("mode", list(AutoresetMode))
@pytest.mark.parametrize("course", [one_seed, many_seeds, clips, masks, out_of_step])
@pytest.mark.parametrize("options", [{}, {"max_episode_steps": 2}, {"max_episode_steps": -1, "world": "factorial", "split": "val"}])
def test_the_same_calls_return_the_same(mode: AutoresetMode, course: Course, options: dict):
    if mode == AutoresetMode.DISABLED:  # as many steps as the course does between resets
        options = {**options, "length": 25, "max_episode_steps": {masks: 7, out_of_step: 4}.get(course, 20)}
    sync, vector = (make(kind, mode, **options) for kind in KINDS)
    number = 0
    for number, (expected, actual) in enumerate(zip(course(sync), course(vector), strict=True), 1):
        assert_same(actual, expected, f"call {number}")
    assert number >= 7


@pytest.mark.parametrize("options", [{"background": "frozen"}, {"background": "blank"}, {"resize": (64, 64)}])
def test_the_same_pictures(options: dict):
    sync, vector = (make(kind, render_mode="rgb_array", **options) for kind in KINDS)
    for number, (expected, actual) in enumerate(zip(pictures(sync), pictures(vector), strict=True)):
        assert_same(actual, expected, f"call {number}")


def test_the_last_frame_and_labels_of_an_episode():
    envs = make("vector_entry_point", AutoresetMode.SAME_STEP, length=1)
    envs.reset(seed=0)
    *_, truncated, info = envs.step(actions(0))
    assert truncated.all() and info["_final_obs"].all() and info["final_info"]["global_action"].tolist() == actions(0)[:, 0].tolist()
    single = gymnasium.make("wsprites/Walk-v0", length=1)
    single.reset(seed=1)  # that of the second environment
    expected, *_ = single.step(actions(0)[1])
    np.testing.assert_array_equal(info["final_obs"][1], expected)


@pytest.mark.parametrize("options", [{}, {"render_mode": "rgb_array"}])
def test_the_same_attributes(options: dict):
    sync, vector = (make(kind, **options) for kind in KINDS)
    for name in ("num_envs", "single_observation_space", "single_action_space", "observation_space", "action_space", "metadata"):
        assert getattr(vector, name) == getattr(sync, name), name
    assert vector.render_mode == sync.render_mode and vector.spec.id == sync.spec.id and vector.unwrapped is vector
    for envs in (sync, vector):
        envs.action_space.seed(3)
        envs.reset(seed=5)
    np.testing.assert_array_equal(sync.action_space.sample(), vector.action_space.sample())
    assert vector.np_random_seed == sync.np_random_seed == (5, 6, 7)
    assert len(vector.np_random) == N and all(isinstance(generator, np.random.Generator) for generator in vector.np_random)
    for envs in (sync, vector):
        envs.close()
        envs.close()
        assert envs.closed


def test_unseeded_environments_differ():
    for kind in KINDS:
        envs = make(kind)
        assert len(set(envs.np_random_seed)) == N and envs.np_random_seed == envs.np_random_seed
        assert len({tuple(index) for index in (envs.reset()[1]["index"], make(kind).reset()[1]["index"])}) == 2


def test_options_are_left_as_they_were():
    envs = make("vector_entry_point")
    envs.reset(seed=0)
    options = {"reset_mask": np.array([True, False, False]), "clip": [1, 2, 3]}
    before = copy.deepcopy(options)
    info = envs.reset(options=options)[1]
    assert_same(options, before)
    assert info["index"].tolist() == [1, 0, 0] and info["_index"].tolist() == [True, False, False]


MISUSES: dict[str, tuple[Callable[[VectorEnv], object], type[Exception]]] = {
    "step before reset": (lambda envs: envs.step(actions(0)), gymnasium.error.ResetNeeded),
    "render before reset": (lambda envs: envs.render(), gymnasium.error.ResetNeeded),
    "unknown option": (lambda envs: envs.reset(options={"clips": [0, 1, 2]}), UserError),
    "clip that is a fraction": (lambda envs: envs.reset(options={"clip": 1.5}), UserError),
    "negative clip": (lambda envs: envs.reset(options={"clip": -1}), UserError),
    "data_seed without clip": (lambda envs: envs.reset(options={"data_seed": 1}), UserError),
    "negative data_seed": (lambda envs: envs.reset(options={"clip": 0, "data_seed": -1}), UserError),
    "options that are a list": (lambda envs: envs.reset(options=[1]), UserError),
    "options that are a text": (lambda envs: envs.reset(options="clip"), UserError),
    "two seeds for three": (lambda envs: envs.reset(seed=[1, 2]), ValueError),
    "negative seed": (lambda envs: envs.reset(seed=-5), gymnasium.error.Error),
    "seed that is a fraction": (lambda envs: envs.reset(seed=[1, 2.5, 3]), gymnasium.error.Error),
    "mask of numbers": (lambda envs: envs.reset(options={"reset_mask": np.array([1, 0, 0])}), TypeError),
    "mask that is a list": (lambda envs: envs.reset(options={"reset_mask": [True, False, False]}), TypeError),
    "mask of another shape": (lambda envs: envs.reset(options={"reset_mask": np.array([True, False])}), ValueError),
    "mask of nothing": (lambda envs: envs.reset(options={"reset_mask": np.zeros(N, bool)}), ValueError),
    "fewer actions": (lambda envs: (envs.reset(seed=0), envs.step(actions(0)[:2])), ValueError),
    "impossible action": (lambda envs: (envs.reset(seed=0), envs.step(actions(0) + 9)), ValueError),
    "fractions of actions": (lambda envs: (envs.reset(seed=0), envs.step(actions(0) + 0.5)), ValueError),
}


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("misuse", MISUSES)
def test_the_same_misuses_are_refused(kind: str, misuse: str):
    call, error = MISUSES[misuse]
    with pytest.raises(error):
        call(make(kind))


@pytest.mark.bad_input
@pytest.mark.parametrize("kind", KINDS)
def test_an_episode_that_is_over_needs_a_reset(kind: str):
    envs = make(kind, AutoresetMode.DISABLED, length=1)
    envs.reset(seed=0)
    envs.step(actions(0))
    with pytest.raises((RuntimeError, AssertionError)):  # Gymnasium asserts it
        envs.step(actions(1))
    envs.reset(options={"reset_mask": np.ones(N, bool)})
    envs.step(actions(1))


def test_a_refused_action_steps_nothing():
    envs, other = make("vector_entry_point"), make("vector_entry_point")
    for env in (envs, other):
        env.reset(seed=0)
    for bad in (actions(0) + 9, actions(0)[:2], actions(0) + 0.5):
        with pytest.raises(ValueError, match="is not of shape"):
            envs.step(bad)
    for bad in ({"clip": "x"}, {"speed": 1}):
        with pytest.raises(UserError):
            envs.reset(seed=9, options=bad)
    assert envs.np_random_seed == (0, 1, 2)
    assert_same(envs.step(actions(1)), other.step(actions(1)))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"max_episode_steps": 0}, "max_episode_steps: 0 is not"),
        ({"max_episode_steps": 2.5}, "max_episode_steps: 2.5 is not"),
        ({"max_episode_steps": True}, "max_episode_steps: True is not"),
        ({"mode": "Never"}, "autoreset_mode: 'Never' is not one of NextStep, SameStep, Disabled"),
        ({"render_mode": "human"}, "rgb_array or None"),
        ({"data_seed": -1}, "data_seed: -1 is not"),
    ],
)
def test_impossible_arguments(options: dict, words: str):
    with pytest.raises(UserError, match=words):
        make("vector_entry_point", **options)
    with pytest.raises(UserError, match="num_envs: 0 is outside the range 1 to 1000000"):
        wsprites.env.WalkVectorEnv(0)


def test_numbers_of_numpy_are_numbers():
    """As a sweep or an array gives them."""
    envs = wsprites.env.WalkVectorEnv(np.int64(2), length=np.int32(4), max_episode_steps=np.int64(3))
    assert envs.num_envs == 2 and str(envs).endswith("episodes of 4 steps, 96 x 128>")
    envs.reset(seed=0)
    truncated = [envs.step(np.zeros((2, 2), np.int64))[3].tolist() for _ in range(3)]
    assert truncated == [[False, False]] * 2 + [[True, True]]


@pytest.mark.parametrize("mode", [AutoresetMode.NEXT_STEP, AutoresetMode.SAME_STEP])
def test_the_same_task(mode: AutoresetMode):
    """Episodes end by the task, and by their length."""
    sync, vector = (make(kind, mode, world="factorial", task="marker", length=6) for kind in KINDS)
    results = [envs.reset(seed=5) for envs in (sync, vector)]
    assert_same(*results)
    info, ended = results[0][1], 0
    for _ in range(25):
        action = np.array([towards(marker, position) for marker, position in zip(info["marker"], info["position"], strict=True)])
        results = [envs.step(action) for envs in (sync, vector)]
        assert_same(*results)
        _, reward, terminated, truncated, info = results[1]
        assert reward.tolist() == terminated.astype(float).tolist()
        ended += int(terminated.sum()) + 100 * int((truncated & ~terminated).any())
    assert ended % 100 >= 3 and ended >= 100
