"""What was done in a page, as files: the present episode as a GIF or an MP4, all episodes as a data file that replays to the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import accumulate
from typing import Literal

from wsprites.art import World
from wsprites.errors import UserError
from wsprites.playground.episode import Episode, View
from wsprites.recording import Recording
from wsprites.render import Background
from wsprites.view import session as drawing
from wsprites.world.episode import Episode as Done

MAX_FRAMES = 10_000
"""Frames of all episodes that a file can have."""
Kind = Literal["gif", "mp4", "h5"]
_BACKGROUNDS: dict[View, Background] = {"true": "moving", "still": "frozen", "blank": "blank", "character": "moving"}


@dataclass(frozen=True)
class Steps:
    """The steps of an episode so far: a copy, which stays as it is while a file is made of it."""

    done: Done
    clip: int
    """The clip that it begins like."""
    view: View
    """What is shown of it."""
    character: int
    """The character that is shown."""

    @classmethod
    def of(cls, episode: Episode) -> "Steps":
        """The steps of an episode as it is now."""
        return cls(episode.done, episode.clip, episode.view, episode.character)

    @property
    def frames(self) -> int:
        """Number of frames in a file: none before the first step."""
        return self.done.frames if self.done.frames > 1 else 0


@dataclass(frozen=True)
class SavedFile:
    """A file for a page to keep."""

    name: str
    content: bytes
    notes: tuple[str, ...] = ()
    """What is not in the file, in words."""


def save(world: World, seed: int, episodes: Sequence[Steps], kind: Kind, *, pace: int, scripted: bool, driver: str = "") -> SavedFile:
    """Write a file.

    Args:
        world: the world of the episodes.
        seed: seed of the data set whose clips they begin like.
        episodes: all episodes of a page, the present one last.
            Of those with steps, the latest that have `MAX_FRAMES` frames together are in a data file, and a note says how many are not.
        kind: "gif" or "mp4" of the present episode, as it is shown, or "h5" of all, as the world is.
        pace: frames a second of a GIF and an MP4.
        scripted: whether some actions were those of the clips themselves.
        driver: who steered, kept in a data file: up to 100 printable characters; empty if that is not to be said.

    Raises:
        UserError: no step was done, the driver is no such text, or a part that is needed is not installed.
    """
    shown = episodes[-1]
    policy = "human, and the actions of the clips" if scripted else "human"
    recording = Recording(world, policy=policy, driver=driver, date=date.today().isoformat(), seed=seed)
    if kind == "h5":
        frames = list(accumulate(episode.frames for episode in reversed(episodes)))  # of the last episode, the last two, and so on
        fit = sum(count <= MAX_FRAMES for count in frames)
        if not frames[fit - 1]:
            raise UserError("no steps yet; walk, cast or slash first")
        for episode in episodes[len(episodes) - fit :]:
            if episode.frames:
                recording.append(episode.done)
        missing = frames[-1] - frames[fit - 1]
        notes = (f"without the oldest {missing:,} frames, since a file has at most {MAX_FRAMES:,}",) if missing else ()
        return SavedFile("wsprites-recording.h5", recording.hdf5(), (*notes, *recording.left_out()))
    recording.append(shown.done)
    other = shown.character if shown.view == "character" else None
    view = drawing.View(background=_BACKGROUNDS[shown.view], character=other)
    content = recording.gif(fps=pace, view=view) if kind == "gif" else recording.mp4(fps=pace, view=view)
    return SavedFile(f"wsprites-clip-{shown.clip}.{kind}", content)
