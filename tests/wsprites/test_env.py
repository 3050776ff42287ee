"""The Gymnasium environment: the world of the scripts, with actions chosen by the caller."""

import importlib
import os
import pickle
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

gymnasium = pytest.importorskip("gymnasium")

import wsprites  # noqa: E402
import wsprites.env as env_module  # noqa: E402
from wsprites.art import World, load_art, load_world  # noqa: E402
from wsprites.errors import UserError  # noqa: E402
from wsprites.render import render  # noqa: E402
from wsprites.render.resize import resize_frames, resize_masks  # noqa: E402
from wsprites.world.actions import GlobalAction, LocalAction  # noqa: E402
from wsprites.world.script import FRAME_LABELS, LABELS, casting, scripts  # noqa: E402
from wsprites.world.spec import PRESETS, SPLITS, CastSpec, SplitSpec  # noqa: E402


def make(**options):
    return gymnasium.make("wsprites/Walk-v0", **options).unwrapped


@pytest.fixture(scope="module")
def paper():
    return make(length=40)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"world": "factorial", "background": "frozen"},
        {"background": "blank", "length": 15, "split": "test"},
        {"render_mode": "rgb_array", "resize": (64, 64)},
    ],
)
def test_gymnasium_finds_nothing_to_complain_about(options: dict, monkeypatch: pytest.MonkeyPatch):
    from gymnasium.utils.env_checker import check_env

    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "pkg_resources is deprecated")  # pygame's, in "human"
        check_env(make(**options), skip_render_check="render_mode" not in options)


@pytest.mark.parametrize(("world", "facings"), [("paper", 3), ("released", 3), ("factorial", 3), ("paper", 4), ("factorial", 4)])
def test_playing_a_script_gives_its_clip(world: str, facings: int):
    spec = replace(PRESETS[world], facings=facings)
    art = load_art(spec)
    clips = [0, 7, 123_456]
    env = make(world=spec, length=89)
    assert env.action_space.nvec.tolist() == [5, 3 * facings]
    script_n = scripts(art.world(spec).spec, 0, clips)
    for n, clip in enumerate(clips):
        script = script_n[n]
        expected = render(art.world(spec), script)
        observation, info = env.reset(options={"clip": clip})
        for t in range(90):
            if t:
                action = np.array([script.global_action[t], script.local_action[t]])
                observation, reward, terminated, truncated, info = env.step(action)
                assert (reward, terminated, truncated) == (0.0, False, t == 89)
            assert np.array_equal(observation, expected.frames_thwc[t]) and np.array_equal(info["mask"], expected.masks_thw[t])
            for name in LABELS:
                value = getattr(script, name)[t] if name in FRAME_LABELS else getattr(script, name)
                assert np.array_equal(info[name], value) and info[name].dtype == value.dtype, (name, t)


def test_clips_of_other_data_sets(paper):
    spec = paper.spec_of_world
    observation, info = paper.reset(options={"clip": 5, "data_seed": 11})
    assert info["character"] == scripts(spec, 11, [5]).character[0]
    assert np.array_equal(observation, render(World(spec, load_art(PRESETS["paper"])), scripts(spec, 11, [5])[0]).frames_thwc[0])


def test_one_seed_one_course():
    one, other = make(length=30), make(length=30)
    actions = np.random.default_rng(3).integers((5, 9), size=(1000, 2))
    results = []
    for env in (one, other):
        observation, info = env.reset(seed=17)
        course = [(observation.copy(), info)]
        for action in actions:
            observation, *_, truncated, info = env.step(action)
            course.append((observation, info))
            if truncated:
                course.append(env.reset())
        results.append(course)
    assert len(results[0]) > 1030
    for (a, info_a), (b, info_b) in zip(*results, strict=True):
        assert np.array_equal(a, b) and all(np.array_equal(info_a[name], info_b[name]) for name in info_a)
    assert len({int(info["index"]) for _, info in results[0]}) > 30


def test_any_action_does_what_it_says(paper):
    """Against the rules written again: positions are clipped steps; walks go on, other animations start anew."""
    rng = np.random.default_rng(0)
    _, info = paper.reset(seed=0)
    x, y = map(int, info["position"])
    shown, cursor = int(info["local_action"]), {int(info["local_action"]): int(info["animation_frame"]) + 1}
    for _ in range(40):
        action = rng.integers((5, 9)) if rng.random() < 0.7 else np.array([4, shown])
        _, _, _, _, info = paper.step(action)
        dx, dy = ((-7, 0), (7, 0), (0, -7), (0, 7), (0, 0))[action[0]]
        new = min(max(x + dx, 0), 128 - 64), min(max(y + dy, 0), 96 - 64)
        assert tuple(info["shift"]) == (new[0] - x, new[1] - y) and tuple(info["position"]) == new
        local = int(action[1])
        frame = cursor.get(local, 0) % 8 if local < 3 or local == shown else 0
        assert (info["global_action"], info["local_action"], info["animation_frame"]) == (action[0], local, frame)
        (x, y), shown, cursor[local] = new, local, frame + 1


def test_counterfactuals(paper):
    paper.reset(seed=5)
    for _ in range(7):
        paper.step(np.array([1, 2]))
    state = pickle.loads(pickle.dumps(paper.state()))
    here, _ = paper.set_state(state)
    results = {}
    for action in ((0, 1), (1, 2), (4, 6)):
        paper.set_state(state)
        results[action] = [paper.step(np.array(action))[0] for _ in range(5)]
    for action, frames in results.items():  # in any order, and in another environment
        other = make(length=40)
        again, _ = other.set_state(state)
        assert np.array_equal(again, here)
        for frame in frames:
            assert np.array_equal(other.step(np.array(action))[0], frame)
    assert not np.array_equal(results[0, 1][0], results[1, 2][0]) and not np.array_equal(results[1, 2][0], results[4, 6][0])


def test_scenes_that_do_not_move():
    for background in ("frozen", "blank"):
        env = make(background=background, length=60)
        first, info = env.reset(seed=1)
        offset, outside = info["background_offset"], ~info["mask"]
        assert first[outside].any() == (background == "frozen")
        for _ in range(60):
            frame, *_, info = env.step(env.action_space.sample())
            assert info["background_action"] == GlobalAction.stay and not info["background_shift"].any()
            assert np.array_equal(info["background_offset"], offset)
            still = outside & ~info["mask"]
            assert np.array_equal(frame[still], first[still])


@pytest.mark.parametrize("split", SPLITS)
def test_characters_of_a_split(split: str):
    env = make(split=split, length=1)
    cast = casting(env.spec_of_world, 0)
    members = set(cast.character[cast.split == SPLITS.index(split)].tolist())
    seen = set()
    for seed in range(3):
        _, info = env.reset(seed=seed)
        seen |= {int(info["character"])} | {int(env.reset()[1]["character"]) for _ in range(40)}
    assert seen <= members and len(seen) > 60


def test_a_batch_is_many_single_ones():
    vector = gymnasium.make_vec("wsprites/Walk-v0", num_envs=5, length=12, world="factorial")
    singles = [make(length=12, world="factorial") for _ in range(5)]
    clips = np.array([3, 1, 4, 15, 9])
    observations, info = vector.reset(seed=0, options={"clip": clips})
    for n, env in enumerate(singles):
        assert np.array_equal(env.reset(options={"clip": clips[n]})[0], observations[n])
    rng = np.random.default_rng(1)
    for t in range(12):
        actions = rng.integers((5, 9), size=(5, 2))
        observations, rewards, terminations, truncations, info = vector.step(actions)
        assert not rewards.any() and not terminations.any() and truncations.tolist() == [t == 11] * 5
        for n, env in enumerate(singles):
            observation, *_, single = env.step(actions[n])
            assert np.array_equal(observation, observations[n]) and all(np.array_equal(single[name], info[name][n]) for name in single)
    observations, _, _, truncations, info = vector.step(actions)  # begins anew, whatever the actions
    assert not truncations.any() and not set(info["index"].tolist()) & set(clips.tolist())
    assert vector.observation_space.contains(observations) and vector.metadata["autoreset_mode"].value == "NextStep"
    again = gymnasium.make_vec("wsprites/Walk-v0", num_envs=5, length=12, world="factorial")
    assert not np.array_equal(again.reset(seed=8)[0], again.reset(seed=9)[0]) and np.array_equal(
        again.reset(seed=8)[0], again.reset(seed=8)[0]
    )


def test_what_is_returned_stays(paper):
    first, info = paper.reset(seed=2)
    copies = first.copy(), {name: np.copy(value) for name, value in info.items()}
    for _ in range(5):
        paper.step(paper.action_space.sample())
    assert np.array_equal(first, copies[0]) and all(np.array_equal(info[name], copies[1][name]) for name in info)


def test_rendering():
    env = make(render_mode="rgb_array", length=3)
    with pytest.raises(gymnasium.error.ResetNeeded):
        env.render()
    observation, _ = env.reset(seed=0)
    assert np.array_equal(env.render(), observation)
    vector = gymnasium.make_vec("wsprites/Walk-v0", num_envs=2, render_mode="rgb_array")
    observations, _ = vector.reset(seed=0)
    assert np.array_equal(np.stack(vector.render()), observations)


def test_environments_say_what_they_are():
    env = env_module.WalkEnv(world="factorial", split="test", length=3, task="marker")
    assert str(env) == repr(env) == "<WalkEnv factorial, test characters, task marker: episodes of 3 steps, 96 x 128>"
    envs = env_module.WalkVectorEnv(2, resize=(64, 48))
    assert repr(envs) == "<WalkVectorEnv of 2, paper, all characters: episodes of 89 steps, 64 x 48>"


def test_observations_at_another_size():
    own, resized = env_module.WalkEnv(length=3), env_module.WalkEnv(length=3, resize=(64, 64), render_mode="rgb_array")
    assert resized.observation_space.shape == (64, 64, 3) and resized.pixel_scale == (0.5, 64 / 96) and own.pixel_scale == (1, 1)
    for step in range(3):
        (frame, *_, info), (small, *_, labels) = (env.step([1, 2]) if step else env.reset(seed=4) for env in (own, resized))
        assert small in resized.observation_space and np.array_equal(small, resize_frames(frame, (64, 64)))
        assert np.array_equal(labels["mask"], resize_masks(info["mask"], (64, 64)))
        assert all(np.array_equal(labels[name], info[name]) for name in info if name != "mask")
        assert np.array_equal(resized.render(), frame)  # the world's own size
    with pytest.raises(UserError, match="resize: 0 is outside"):
        env_module.WalkEnv(resize=(0, 64))


def test_a_window_shows_the_frame(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pygame's own
        pygame = pytest.importorskip("pygame")
    env = make(render_mode="human", length=5)
    env.reset(seed=0)
    observation, *_ = env.step(np.array([1, 2]))
    shown = pygame.surfarray.array3d(pygame.display.get_surface()).swapaxes(0, 1)
    assert shown.shape == (480, 640, 3) and np.array_equal(shown[2::5, 2::5], observation)
    env.close()
    assert not pygame.display.get_init()
    env.close()


def test_the_world_of_a_data_file_and_of_json(data_file: Path, labels_file: Path, art, tmp_path: Path):
    """A file brings its own art, which the names of sheets and backgrounds cannot describe."""
    with wsprites.open(data_file) as data:
        split, row = data.find(4)
        frames_thwc, script, sha256 = data[split]["frames"][row], data[split].script(row), data.art_sha256
        for file in (data_file, str(labels_file)):
            env = make(world=file, length=39, data_seed=data.seed, art_sha256=sha256)
            assert np.array_equal(env.reset(options={"clip": 4})[0], frames_thwc[0])
            for t in range(1, 40):
                frame, *_ = env.step([script.global_action[t], script.local_action[t]])
                assert np.array_equal(frame, frames_thwc[t])
        world = make(world=data.world)
        assert np.array_equal(world.reset(seed=0)[0], make(world=data_file).reset(seed=0)[0])
    spec = replace(PRESETS["factorial"], facings=4)
    assert make(world=spec.to_json()).spec_of_world == make(world=spec).spec_of_world
    (tmp_path / "world").write_text('preset = "factorial"', encoding="utf-8")
    assert make(world=tmp_path / "world").spec_of_world.local == spec.local


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"art_sha256": "0" * 64}, "sheets: the art has the hash .*, and that of the data set 0000.*; pass the sheets and backgrounds"),
        ({"world": "{}", "data_seed": 2**63}, "data_seed: 9223372036854775808 is not a whole number from 0"),
        ({"world": "{", "length": 3}, "not JSON"),
        ({"world": '{"heigth": 3}'}, "no field heigth; the nearest is height"),
        ({"world": load_world("paper"), "sheets": "lpc"}, "sheets: .lpc. .*the world has its art already"),
        (
            {"world": replace(PRESETS["paper"], split=SplitSpec(1.0, 0.0, 0.0)), "split": "test"},
            "split: .* no characters in test",
        ),
        ({"world": __file__}, "not TOML"),
    ],
)
def test_impossible_sources(options: dict, words: str):
    with pytest.raises(UserError, match=words):
        make(**options)


@pytest.mark.bad_input
def test_states_of_other_environments(paper):
    for other in (make(length=5), make(length=40, world=replace(PRESETS["paper"], cast=CastSpec(layers=("body", "hair"), counts=(6, 6))))):
        other.reset(seed=0)
        with pytest.raises(UserError, match="state: its arrays have the shapes"):
            paper.set_state(other.state())
    with pytest.raises(gymnasium.error.ResetNeeded):
        make().state()


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"clip": 3.7}, "clip 3.7 is not a whole number"),
        ({"clip": True}, "clip True is not a whole number"),
        ({"clip": [1, 2]}, "clip has the shape .* each of 1"),
        ({"clip": 2, "data_seed": 0.5}, "data_seed 0.5 is not a whole number"),
        ({"data_seed": 3}, "data_seed without clip"),
        ({"reset_mask": np.ones(1, bool)}, "reset_mask unknown"),
        ([1], r"\[1\] is not a dict"),
        (5, "5 is not a dict"),
        ("clip", "'clip' is not a dict"),
    ],
)
def test_impossible_options(paper, options: dict, words: str):
    with pytest.raises(UserError, match=f"options: {words}"):
        paper.reset(options=options)


@pytest.mark.bad_input
def test_without_gymnasium_the_extra_is_named(monkeypatch: pytest.MonkeyPatch):
    for name in [name for name in sys.modules if name.split(".")[0] == "gymnasium" or name.startswith("wsprites.env")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    with pytest.raises(UserError, match=r"gymnasium is not installed; .*\[gym\]"):
        importlib.import_module("wsprites.env")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"background": "sideways"}, "background: 'sideways' is not one of moving, frozen, blank"),
        ({"split": "all"}, "split: 'all' is not one of train, val, test"),
        ({"length": 0}, "length: 0 is outside the range 1 to 9999"),
        ({"length": 10_000}, "length: 10000 is outside the range 1 to 9999"),
        ({"length": 2.5}, "length: 2.5 is not a whole number"),
        ({"length": "5"}, "length: '5' is not a whole number"),
        ({"world": "nowhere"}, "nowhere"),
        ({"sheets": "nowhere"}, "no such folder"),
    ],
)
def test_impossible_worlds(options: dict, words: str):
    with pytest.raises(UserError, match=words):
        env_module.WalkEnv(**options)


def test_impossible_modes_actions_and_options(paper):
    with pytest.raises(UserError, match="not one of rgb_array, human"):
        env_module.WalkEnv(render_mode="ansi")
    with pytest.raises(UserError, match="rgb_array or None"):
        env_module.WalkVectorEnv(1, render_mode="human")
    paper.reset(seed=0)
    for action in (
        np.array([5, 0]),
        np.array([0, 9]),
        np.array([-1, 0]),
        np.array([0]),
        np.array([0.0, 1.0]),
        np.array([0, LocalAction.slash_back]),
    ):
        with pytest.raises(ValueError, match="is not of shape"):
            paper.step(action)
    for _ in range(40):
        paper.step(np.array([4, 0]))
    with pytest.raises(RuntimeError, match="call reset"):
        paper.step(np.array([4, 0]))
    with pytest.raises(UserError, match="options: speed unknown"):
        paper.reset(options={"speed": 3})
    with pytest.raises(UserError, match="one number for each of 2"):
        env_module.WalkVectorEnv(2).reset(options={"clip": [1, 2, 3]})
    with pytest.raises(UserError, match="options: speed unknown"):
        env_module.WalkVectorEnv(2).reset(options={"speed": 3})


def test_nothing_of_it_is_imported_by_the_rest():
    import subprocess

    code = "import sys, wsprites.cli, wsprites.generate; assert not any(m.split('.')[0] in ('gymnasium', 'pygame') for m in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})


def test_gymnasium_imports_it_by_the_name_of_the_module():
    """And Minari by the entry point of a recovered environment."""
    import subprocess

    code = """if True:
        import sys, gymnasium
        from gymnasium.envs.registration import EnvSpec
        spec = EnvSpec("wsprites/Walk-v0", entry_point="wsprites.env:WalkEnv", kwargs={"length": 3})
        env = gymnasium.make(EnvSpec.from_json(spec.to_json()))
        del gymnasium.registry["wsprites/Walk-v0"], sys.modules["wsprites.env"]
        other = gymnasium.make("wsprites.env:wsprites/Walk-v0", length=3)
        assert (env.reset(seed=0)[0] == other.reset(seed=0)[0]).all()
    """
    subprocess.run([sys.executable, "-c", code], check=True, env={**os.environ})
