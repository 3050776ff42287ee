"""Recording what a person or an agent does in a world: as a GIF, an MP4, or a data file that replays to the same bytes.

Axis suffix: 3 = (global, local, background) action.
"""

import os
import tempfile
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wsprites.art import World, load_world
from wsprites.errors import ArgumentError, UserError
from wsprites.fields import show, whole
from wsprites.file import DataFile, Driver
from wsprites.generate import Order, check_ending, check_output, replace_file
from wsprites.generate.recorded import encode_recorded
from wsprites.terminal import extra
from wsprites.view.info import remainder_lines
from wsprites.view.picture import encode_gif
from wsprites.view.preview import EXACT
from wsprites.view.session import PLAIN, View, pictures
from wsprites.world.actions import GlobalAction
from wsprites.world.episode import Episode, Start, advance, check_actions, check_start, same_start, start_of, windows
from wsprites.world.script import CLIP_LABELS, Script
from wsprites.world.spec import WorldSpec

if TYPE_CHECKING:
    from wsprites.env import EnvState

_MOST_SEED = 2**63 - 1
_MOST_GIF_BYTES = 2**29  # of the indexed frames of a GIF, which are in memory all at once


class Recording:
    """A session in a world: episodes, each a start and the actions that were chosen, one at a time.

    Args:
        world: the world, as `wsprites.art.load_world` takes it; `frames` of its specification is the length of the clips of a data file.
        policy: what chose the actions, such as "human" or "random", 1 to 100 characters.
        driver: a name of who or what it was, up to 100 characters; nothing else in a file says it.
        date: the day, as YYYY-MM-DD; nothing else in a file says it.
        seed: seed of the data set whose clips episodes begin like, 0 to 2**63 - 1.

    Raises:
        UserError: an argument has an impossible value, or the world or its art cannot be loaded.

    Example:
        A person, or a program, gives one action after the other:

        >>> from wsprites.world.actions import GlobalAction, LocalAction
        >>> recording = Recording("factorial", driver="Ada")
        >>> labels = recording.begin(7)  # like clip 7
        >>> labels = recording.step(GlobalAction.right, LocalAction.slash_front)
        >>> labels.position.tolist(), recording.frames
        ([[44, 29]], 2)

        An agent acts in the environment, and its states are added:

        >>> from wsprites.env import WalkEnv
        >>> env = WalkEnv(world="factorial", length=20)
        >>> recording = Recording(env.world, policy="random")
        >>> for episode in range(2):
        ...     observation, info = env.reset(seed=episode)
        ...     recording.add(env.state())
        ...     truncated = False
        ...     while not truncated:
        ...         observation, reward, terminated, truncated, info = env.step(env.action_space.sample())
        ...         recording.add(env.state())
        >>> [episode.frames for episode in recording.episodes], recording.write(Path("random.h5"))
        ([21, 21], ())
        >>> recording
        <Recording of factorial, random: 2 episodes, 42 frames>
    """

    world: World
    """The world with its art."""
    seed: int
    """Seed of the data set whose clips episodes begin like."""
    driver: Driver
    """Who chooses the actions."""

    def __init__(
        self, world: str | os.PathLike[str] | WorldSpec | World, *, policy: str = "human", driver: str = "", date: str = "", seed: int = 0
    ) -> None:
        self.driver, self.seed = Driver(policy, driver, date), whole("seed", seed, 0, _MOST_SEED)
        self.world = load_world(world)
        self._starts: list[Start] = []
        self._actions: list[bytearray] = []  # of each episode, three bytes a step
        self._now: Start | None = None
        self._t = -1  # the frame of the environment's episode that is shown; -1 if it is not an environment's

    def __repr__(self) -> str:
        return f"<Recording of {self.world.spec.name}, {self.driver.policy}: {len(self._starts):,} episodes, {self.frames:,} frames>"

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "Recording":
        """The recording in a data file, which can be continued with more episodes.

        Raises:
            UserError: the file cannot be read, is damaged, or holds generated clips.
        """
        with DataFile(path) as data:
            if data.driver is None:
                raise UserError(f"{path}: holds generated clips, and no recorded episodes; use a file that a Recording wrote")
            recording = cls(data.world, policy=data.driver.policy, driver=data.driver.name, date=data.driver.date, seed=data.seed)
            for episode in data.episodes:
                recording.append(episode)
        return recording

    @property
    def episodes(self) -> tuple[Episode, ...]:
        """The episodes so far, the last one unfinished."""
        pairs = zip(self._starts, self._actions, strict=True)
        return tuple(Episode(start, np.frombuffer(bytes(actions), np.uint8).reshape(-1, 3)) for start, actions in pairs)

    @property
    def frames(self) -> int:
        """Number of frames of all episodes."""
        return sum(1 + len(actions) // 3 for actions in self._actions)

    def begin(self, start: int | Start) -> Script:
        """Begin another episode.

        Args:
            start: the index of the clip of `seed` that it begins like, or any start (`wsprites.world.episode.start_of` makes those of other
                seeds).

        Returns:
            The labels of its first frame, (1,) and (1, 2), which `wsprites.render.render` draws.

        Raises:
            ArgumentError: there is no such clip, or the start is not possible in this world.
        """
        if not isinstance(start, Start):
            start = start_of(self.world.spec, self.seed, whole("start", start, 0, _MOST_SEED))
        check_start(self.world.spec, start)
        self._starts.append(start)
        self._actions.append(bytearray())
        self._now, self._t = start, -1
        return start.script

    def step(self, global_action: int, local_action: int, background_action: int = GlobalAction.stay) -> Script:
        """Do one action in the current episode.

        Args:
            global_action: GlobalAction, the step of the sprite; it ends at the edge of the frame.
            local_action: LocalAction, the animation to show.
            background_action: GlobalAction, the step of the background's crop; the scene moves the other way.

        Returns:
            The labels of the frame that it leads to, as `begin` does.

        Raises:
            ArgumentError: the world has no such action; nothing was recorded.
            UserError: no episode has begun.
        """
        if self._now is None:
            raise UserError("no episode has begun; call begin first")
        given = {"global_action": global_action, "local_action": local_action, "background_action": background_action}
        action_3 = np.array([whole(name, value, 0, 255) for name, value in given.items()], np.uint8)
        check_actions(self.world.spec, action_3[None], first=1 + len(self._actions[-1]) // 3)
        self._follow(advance(self.world.spec, self._now, action_3), action_3)
        return self._now.script

    def _follow(self, after: Start, action_3: NDArray[np.uint8]) -> None:
        self._actions[-1].extend(action_3.tobytes())
        self._now, self._t = after, -1

    def add(self, state: "EnvState") -> None:
        """Record what a WalkEnv shows: call it with `env.state()` after every `reset`, `step` and `set_state`.

        If one step leads from the frame that was added before to this one, it is that step; otherwise another episode begins. The same
        frame twice counts once.

        Args:
            state: the state of an environment with one world, that of the recording.

        Raises:
            ArgumentError: the state is that of several environments, or of another world.
        """
        if state.t.shape != (1,):
            raise ArgumentError("state", f"of {len(state.t)} environments; a recording follows one")
        shown, t = _start_of_state(state), int(state.t[0])
        if self._now is not None and self._t >= 0:
            if t == self._t and same_start(shown, self._now):
                return
            first = shown.script
            action_3 = np.array([first.global_action[0], first.local_action[0], first.background_action[0]], np.uint8)
            if t == self._t + 1 and same_start(shown, advance(self.world.spec, self._now, action_3)):
                self._follow(shown, action_3)
                self._t = t
                return
        generated = start_of(self.world.spec, self.seed, int(shown.script.index)) if t == 0 else shown
        self.begin(generated if same_start(generated, shown) else shown)
        self._t = t

    def append(self, episode: Episode) -> None:
        """Add a whole episode of the same world, such as one of another recording.

        Raises:
            ArgumentError: its start or one of its actions is not possible in this world.
        """
        check_actions(self.world.spec, episode.actions_t3)
        self.begin(episode.start)
        self._actions[-1].extend(episode.actions_t3.astype(np.uint8).tobytes())
        self._now = None  # it is complete

    def gif(self, *, episode: int | None = None, fps: float = 10.0, view: View = PLAIN) -> bytes:
        """The session, or one episode of it, as an animated GIF that repeats.

        Args:
            episode: number of the episode, from 0; None: all of them, one after the other.
            fps: frames per second, 1 to 50. A GIF counts in hundredths of a second, so that 30 becomes 33.3.
            view: how the frames are drawn.

        Raises:
            UserError: an argument has an impossible value, nothing was recorded, or the GIF would take more than 512 MiB of memory.
        """
        chosen, milliseconds = self._chosen(episode), 10 * round(100 / _fps(fps, 50))
        count, pixels = sum(one.frames for one in chosen), view.pixels(self.world.spec)
        if count * pixels > _MOST_GIF_BYTES:
            needed = f"{count * pixels / 2**20:,.0f} MiB of memory"
            raise UserError(f"{count:,} frames are too many for a GIF, which takes {needed}; use one episode, a smaller scale or an MP4")
        return encode_gif(pictures(self.world, chosen, view), milliseconds=milliseconds, exact=EXACT if view.labels else ())

    def mp4(self, *, episode: int | None = None, fps: float = 10.0, view: View = PLAIN) -> bytes:
        """The session, or one episode of it, as an MP4 video, H.264, lossy; the arguments are those of `gif`, with up to 120 frames/s.

        Raises:
            UserError: an argument has an impossible value, nothing was recorded, or PyAV is not installed (the extra `export`).
        """
        with extra("export"):
            from wsprites.export.mp4 import write_mp4
        drawn, rate = pictures(self.world, self._chosen(episode), view), Fraction(_fps(fps, 120)).limit_denominator(1001)
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "session.mp4"
            write_mp4(path, drawn, rate)
            return path.read_bytes()

    def hdf5(self, *, frames: int | None = None, compression: str = "zstd", pixels: bool = True) -> bytes:
        """The session as a data file: clips of one length with all labels and pixels, and the episodes that they were cut from.

        `left_out` says what fills no clip. The file's pixels show the world as it is, whatever a twin or an agent has seen of it.

        Args:
            frames: frames per clip, 1 to 10,000; None: those of the world, or of the longest episode if that is shorter.
            compression: "zstd", "gzip", "lz4" or "none".
            pixels: False stores labels only; the pixels are then rendered when they are read.

        Raises:
            UserError: an argument has an impossible value, nothing was recorded, or all episodes are shorter than a clip.
        """
        length = self._clip_frames(frames)
        clips = len(windows([episode.frames for episode in self.episodes], length))
        order = Order(self.world.replace(frames=length), self.seed, clips, compression, pixels, pixels)
        return encode_recorded(order, self.driver, self.episodes)

    def left_out(self, *, frames: int | None = None) -> tuple[str, ...]:
        """What of the session is in no clip of a data file with `frames` frames per clip, in at most one line.

        Raises:
            UserError: as `hdf5` does.

        Example:
            >>> recording = Recording("factorial")
            >>> for number in range(2):
            ...     _ = recording.begin(number)
            ...     _ = [recording.step(4, 0) for _ in range(24)]
            >>> recording.left_out(frames=20)[0]
            'left out 10 of 50 frames, which fill no clip of 20: 5 of episode 0, 5 of episode 1; their actions are in the file'
        """
        return tuple(remainder_lines([episode.frames for episode in self.episodes], self._clip_frames(frames)))

    def write(self, out: str | os.PathLike[str], *, frames: int | None = None, overwrite: bool = False) -> tuple[str, ...]:
        """Write the session to a file that ends in .gif, .mp4 or .h5, with the defaults of `gif`, `mp4` and `hdf5`.

        Args:
            out: path of the file.
            frames: frames per clip of a data file.
            overwrite: replace the file if it exists.

        Returns:
            The lines of `left_out`, for a data file.

        Raises:
            UserError: as those methods do, or the file cannot be written.
            OSError: writing failed; a file that existed is unchanged.
        """
        path = Path(out)
        ending = check_ending("out", path, ".gif", ".mp4", ".h5", ".hdf5")
        check_output(path, overwrite)
        if ending in (".gif", ".mp4"):
            replace_file(path, self.gif() if ending == ".gif" else self.mp4())
            return ()
        replace_file(path, self.hdf5(frames=frames))
        return self.left_out(frames=frames)

    def _chosen(self, episode: int | None) -> Sequence[Episode]:
        """One episode, or all of them."""
        episodes = self.episodes
        if not episodes:
            raise UserError("nothing was recorded; call begin first")
        return episodes if episode is None else [episodes[whole("episode", episode, 0, len(episodes) - 1)]]

    def _clip_frames(self, frames: int | None) -> int:
        """Frames of the clips of a data file."""
        longest = max(episode.frames for episode in self._chosen(None))
        if frames is None:
            return min(longest, self.world.spec.frames)
        if whole("frames", frames, 1, 10_000) > longest:
            raise ArgumentError("frames", f"{frames} is more than the {longest} frames of the longest episode")
        return frames


def _fps(fps: float, most: int) -> float:
    if not isinstance(fps, int | float) or isinstance(fps, bool) or not 1 <= fps <= most:
        raise ArgumentError("fps", f"{show(fps)} is outside the range 1 to {most}")
    return fps


def _start_of_state(state: "EnvState") -> Start:
    """The frame that an environment shows."""
    script, t, shown = state.script, int(state.t[0]), state.pose
    scene = ("background_action", "background_offset", "background_shift")
    first = Script(
        **{name: getattr(script, name)[0] for name in CLIP_LABELS},
        **{name: getattr(script, name)[0, t : t + 1] for name in scene},
        global_action=state.actions,
        local_action=shown.local_action,
        animation_frame=shown.animation_frame,
        position=shown.position,
        shift=shown.shift,
    )
    return Start(first, shown.cursor[0])
