"""Recordings of sessions: what an environment shows, what a file holds, and what GIF and MP4 give back."""

import io
from dataclasses import replace
from pathlib import Path

import av
import numpy as np
import pytest
from PIL import Image

import wsprites
from wsprites.art import Art, World, load_world
from wsprites.env import WalkEnv
from wsprites.errors import ArgumentError, UserError
from wsprites.generate.verify import verify
from wsprites.recording import Recording
from wsprites.render import render
from wsprites.view import preview
from wsprites.view.picture import enlarge
from wsprites.view.session import View
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.episode import Episode, replay, start_of, windows
from wsprites.world.script import FRAME_LABELS, LABELS, casting
from wsprites.world.spec import PRESETS, SPLITS, WorldSpec

RNG = np.random.default_rng(0)
STAY = GlobalAction.stay


@pytest.fixture
def world(spec: WorldSpec, art: Art) -> World:
    return World(spec, art)


def drive(recording: Recording, *steps: int, first: int = 0) -> None:
    """An episode of so many random steps each, begun like consecutive clips."""
    for clip, count in enumerate(steps, start=first):
        recording.begin(clip)
        for _ in range(count):
            recording.step(RNG.integers(5), RNG.choice(recording.world.spec.local_actions), RNG.integers(5))


def opened(content: bytes, tmp_path: Path) -> wsprites.file.DataFile:
    path = tmp_path / "session.h5"
    path.write_bytes(content)
    return wsprites.file.DataFile(path)


@pytest.mark.parametrize("name", ["paper", "factorial", "small-world"])
def test_a_file_replays_to_the_same_bytes(name: str, sheets: Path, backgrounds: Path, tmp_path: Path):
    """Every frame, mask and label of the file is what the player was shown, and what the file says is enough to show it again."""
    recording, shown = Recording(load_world(PRESETS[name], sheets, backgrounds), driver="Ada"), []
    for clip, steps in enumerate((23, 5, 31)):
        scripts = [recording.begin(clip)]
        scripts += [recording.step(RNG.integers(5), RNG.integers(9), RNG.integers(5)) for _ in range(steps)]
        shown.append([(script, render(recording.world, script)) for script in scripts])
    content = recording.hdf5(frames=10)
    assert content == recording.hdf5(frames=10)
    with opened(content, tmp_path) as data:
        assert verify(data, all_pixels=True).problems == []
        assert data.driver == recording.driver and data.spec.frames == 10
        cut = windows([24, 6, 32], 10)
        assert data.clips == len(cut) == 2 + 0 + 3
        for index, (episode, first) in enumerate(cut):
            split, row = data.find(index)
            labels = data[split].script(row)
            for t in range(10):
                script, clip = shown[episode][first + t]
                assert data[split]["frames"][row, t].tobytes() == clip.frames_thwc.tobytes()
                assert data[split]["masks"][row, t].tobytes() == clip.masks_thw.tobytes()
                assert all(np.array_equal(getattr(labels, key)[t], getattr(script, key)[0]) for key in FRAME_LABELS)
            assert SPLITS[casting(data.spec, 0).split[casting(data.spec, 0).character == labels.character][0]] == split
        path = data.path
    again = Recording.read(path)
    assert again.hdf5() == content and again.left_out() == recording.left_out(frames=10)
    for one, other in zip(recording.episodes, again.episodes, strict=True):
        a, b = replay(recording.world.spec, one), replay(again.world.spec, other)
        assert all(np.array_equal(getattr(a, key), getattr(b, key)) for key in LABELS) and one.start.seed == other.start.seed == 0


@pytest.mark.parametrize("background", ["moving", "frozen"])
def test_an_agent_in_the_environment_is_recorded(world: World, background: str, tmp_path: Path):
    env = WalkEnv(world=world, length=15, background=background)
    env.action_space.seed(3)
    recording, frames = Recording(env.world, policy="random"), []
    for seed in range(3):
        observation, _ = env.reset(seed=seed)
        recording.add(env.state())
        recording.add(env.state())  # the same frame twice counts once
        frames.append([observation])
        for _ in range(15 - seed):
            observation, *_ = env.step(env.action_space.sample())
            recording.add(env.state())
            frames[-1].append(observation)
    assert [episode.frames for episode in recording.episodes] == [16, 15, 14]
    seeds = [episode.start.seed for episode in recording.episodes]
    assert seeds == [0, 0, 0] if background == "moving" else set(seeds) <= {0, -1}
    with opened(recording.hdf5(frames=14), tmp_path) as data:
        assert verify(data, all_pixels=True).problems == []
        for index in range(3):
            split, row = data.find(index)
            assert np.array_equal(data[split]["frames"][row], frames[index][:14])


def test_a_jump_of_the_environment_begins_another_episode(world: World):
    env = WalkEnv(world=world, length=15)
    recording = Recording(env.world)
    env.reset(options={"clip": 4})
    recording.add(env.state())
    states = []
    for local in (3, 3, 4):
        env.step(np.array([STAY, local]))
        states.append(env.state())
        recording.add(env.state())
    env.set_state(states[0])
    recording.add(env.state())
    env.step(np.array([STAY, 5]))
    recording.add(env.state())
    env.reset(options={"clip": 4, "data_seed": 8})  # another data set than the recording's
    recording.add(env.state())
    assert [episode.frames for episode in recording.episodes] == [4, 2, 1]
    assert [episode.start.seed for episode in recording.episodes] == [0, -1, -1]
    assert recording.episodes[1].actions_t3[:, 1].tolist() == [5]
    # After a step of one's own, the environment is elsewhere.
    recording.step(STAY, 0)
    env.step(np.array([STAY, 0]))
    recording.add(env.state())
    assert [episode.frames for episode in recording.episodes] == [4, 2, 2, 1]


def test_episodes_are_joined(world: World, tmp_path: Path):
    one, two = Recording(world, driver="Ada"), Recording(world, driver="Bob", seed=6)
    drive(one, 20)
    drive(two, 20, 24)
    for episode in two.episodes:
        one.append(episode)
    with pytest.raises(UserError, match="no episode has begun"):
        one.step(0, 0)  # the appended episode is complete
    assert [episode.start.seed for episode in one.episodes] == [0, 6, 6] and one.frames == 21 + 21 + 25
    with opened(one.hdf5(), tmp_path) as data:
        assert data.spec.frames == 25 and data.driver.name == "Ada" and verify(data, all_pixels=True).problems == []


@pytest.mark.bad_input
def test_refused_actions_are_not_recorded(art: Art):
    spec = art.world(replace(WorldSpec(), animations=("walk", "slash"))).spec
    recording = Recording(World(spec, art))
    with pytest.raises(UserError, match="no episode has begun; call begin first"):
        recording.step(0, 0)
    for nothing in (recording.hdf5, recording.gif, recording.mp4, recording.left_out):
        with pytest.raises(UserError, match="nothing was recorded"):
            nothing()
    recording.begin(0)
    recording.step(0, 0)
    for action, argument in (
        ((0, 3), "local_action"),
        ((5, 0), "global_action"),
        ((0, 0, -1), "background_action"),
        ((0, 0.5), "local_action"),
    ):
        with pytest.raises(ArgumentError, match=f"^{argument}: "):
            recording.step(*action)
    assert recording.frames == 2 and recording.episodes[0].actions_t3.tolist() == [[0, 0, 4]]
    with pytest.raises(ArgumentError, match=r"^start: -1 is outside"):
        recording.begin(-1)
    with pytest.raises(ArgumentError, match="local_action"):
        recording.append(Episode(start_of(spec, 0, 0), np.array([[0, 3, 0]], np.uint8)))
    assert recording.frames == 2


def test_what_fills_no_clip_is_said(world: World, tmp_path: Path):
    recording = Recording(world)
    drive(recording, 24, 6, 9)
    line = "left out 12 of 42 frames, which fill no clip of 10: 5 of episode 0, 7 of episode 1; their actions are in the file"
    assert recording.left_out(frames=10) == (line,) and recording.left_out(frames=1) == ()
    assert recording.write(tmp_path / "a.h5", frames=10) == (line,)
    assert Recording.read(tmp_path / "a.h5").frames == 42
    with pytest.raises(UserError, match=r"a.h5: exists already; choose another name or pass overwrite=True"):
        recording.write(tmp_path / "a.h5")
    with pytest.raises(ArgumentError, match=r"^frames: 26 is more than the 25 frames of the longest episode"):
        recording.hdf5(frames=26)
    with pytest.raises(ArgumentError, match=r"^out: .*must end in .gif or .mp4 or .h5"):
        recording.write(tmp_path / "a.avi")
    with opened(recording.hdf5(), tmp_path) as data:
        assert data.spec.frames == 25  # shorter than the world's 40


def test_nothing_private_is_in_the_files(world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("USER", "secretname")
    recording = Recording(world)
    drive(recording, 12)
    for ending in ("h5", "gif", "mp4"):
        recording.write(Path(f"session.{ending}"))
        content = Path(f"session.{ending}").read_bytes()
        assert not [word for word in (b"secretname", str(tmp_path).encode(), b"/home", b"/tmp") if word in content], ending
    with wsprites.open("session.h5") as data:
        assert (data.driver.policy, data.driver.name, data.driver.date) == ("human", "", "")


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"policy": ""}, "^policy: empty"),
        ({"policy": "a\nb"}, "^policy: "),
        ({"driver": "x" * 101}, "^driver: .* is not one line of up to 100"),
        ({"date": "today"}, "^date: 'today' is not a date of the form YYYY-MM-DD"),
        ({"date": "20261126"}, "^date: "),
        ({"seed": -1}, "^seed: "),
    ],
)
def test_impossible_drivers(world: World, given: dict, words: str):
    with pytest.raises(ArgumentError, match=words):
        Recording(world, **given)


# Pictures.


def gif_frames(content: bytes) -> list[tuple[np.ndarray, int]]:
    """(picture, milliseconds) of every frame."""
    with Image.open(io.BytesIO(content)) as image:
        frames = []
        for number in range(image.n_frames):
            image.seek(number)
            frames.append((np.asarray(image.convert("RGB")), image.info["duration"]))
        return frames


def mp4_frames(content: bytes) -> tuple[list[np.ndarray], list[float]]:
    """Pictures and their times in seconds."""
    with av.open(io.BytesIO(content)) as video:
        frames = list(video.decode(video=0))
        return [frame.to_ndarray(format="rgb24") for frame in frames], [frame.time for frame in frames]


def nearest(pictures: list[np.ndarray], frames: np.ndarray) -> list[int]:
    """The number of the frame that each picture is most like: pictures are lossy, and the scenes of these tests noisy."""
    return [int(np.abs(picture.astype(int) - frames).mean((1, 2, 3)).argmin()) for picture in pictures]


@pytest.fixture
def session(world: World) -> tuple[Recording, np.ndarray]:
    """Two episodes in which each frame differs from all others, and all their frames."""
    for clip in range(50):  # those of some clips come back to where they were
        recording, scripts = Recording(world), []
        for number, steps in enumerate((13, 8)):
            scripts.append(recording.begin(2 * clip + number))
            scripts += [recording.step(step // 2 % 2, LocalAction.walk_front, 2 * number) for step in range(steps)]
        frames = np.array([render(world, script).frames_thwc[0] for script in scripts])
        if len({frame.tobytes() for frame in frames}) == 23:
            return recording, frames
    raise AssertionError("no such episodes")


@pytest.mark.parametrize(("fps", "milliseconds"), [(10, 100), (30, 30), (50, 20), (1, 1000)])
def test_a_gif_has_all_frames(session: tuple, fps: float, milliseconds: int):
    recording, frames = session
    decoded = gif_frames(recording.gif(episode=1, fps=fps, view=View(scale=2)))
    assert [shown for _, shown in decoded] == [milliseconds] * 9
    assert nearest([picture[::2, ::2] for picture, _ in decoded], frames) == list(range(14, 23))
    assert all(np.array_equal(enlarge(picture[::2, ::2], 2), picture) for picture, _ in decoded)


def test_a_gif_of_a_session_has_all_episodes(session: tuple):
    recording, frames = session
    recording.begin(5)
    recording.step(STAY, LocalAction.slash_front)
    decoded = gif_frames(recording.gif(view=View(scale=1)))
    assert len(decoded) == 25 and {shown for _, shown in decoded} == {100}
    assert nearest([picture for picture, _ in decoded[:23]], frames) == list(range(23))
    scale = preview.scale_of(recording.world.spec)
    assert scale == 3 and gif_frames(recording.gif(episode=2))[0][0].shape == (3 * 96, 3 * 128, 3)


@pytest.mark.parametrize("fps", [10, 29.97, 120])
def test_an_mp4_has_all_frames(session: tuple, fps: float):
    recording, frames = session
    pictures, times = mp4_frames(recording.mp4(fps=fps, view=View(scale=1)))
    assert nearest(pictures, frames) == list(range(23))
    assert np.allclose(np.diff(times), 1 / fps, atol=1e-3) and times[0] == 0


def test_labels_and_twins_are_drawn(session: tuple):
    recording, frames = session
    (plain, _), *_ = gif_frames(recording.gif(episode=1, view=View(scale=3)))
    (labelled, _), *_ = gif_frames(recording.gif(episode=1, view=View(labels=True)))
    assert labelled.shape[0] > plain.shape[0] and labelled.shape[1] == plain.shape[1]
    script = replay(recording.world.spec, recording.episodes[1])
    for view, twin in (
        (View(scale=1, background="blank"), render(recording.world, script, background="blank")),
        (View(scale=1, background="frozen"), render(recording.world, script, background="frozen")),
        (View(scale=1, character=35), render(recording.world, replace(script, character=np.array(35, np.int32)))),
    ):
        pictures, _ = mp4_frames(recording.mp4(episode=1, view=view))
        assert nearest(pictures[1:], np.concatenate([frames, twin.frames_thwc])) == list(range(24, 32))


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"fps": 0}, "^fps: 0 is outside the range 1 to 50"),
        ({"fps": float("nan")}, "^fps: "),
        ({"fps": 51}, "^fps: "),
        ({"episode": 4}, "^episode: 4 is outside the range 0 to 1"),
        ({"episode": -1}, "^episode: "),
        ({"view": View(character=36)}, "^character: 36 is outside the range 0 to 35"),
    ],
)
def test_impossible_pictures(session: tuple, given: dict, words: str):
    with pytest.raises(ArgumentError, match=words):
        session[0].gif(**given)


@pytest.mark.bad_input
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"scale": 17}, "^scale: 17 is outside the range 1 to 16"),
        ({"background": "none"}, "^background: 'none' is not one of"),
        ({"labels": True, "scale": 2}, "^scale: 2 with labels"),
    ],
)
def test_impossible_views(given: dict, words: str):
    with pytest.raises(ArgumentError, match=words):
        View(**given)


@pytest.mark.bad_input
def test_a_gif_that_would_fill_the_memory_is_refused(world: World):
    recording = Recording(world)
    start = start_of(world.spec, 0, 0)
    recording.append(Episode(start, np.tile(np.array([[4, 0, 4]], np.uint8), (20_000, 1))))
    with pytest.raises(UserError, match=r"20,001 frames are too many for a GIF, which takes 2,[0-9]{3} MiB of memory; use one episode"):
        recording.gif()
