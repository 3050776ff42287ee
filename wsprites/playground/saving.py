"""What was done in a page, as files: the present episode as a GIF or an MP4, all episodes as a data file that replays to the same bytes."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Literal

from wsprites.art import World
from wsprites.errors import UserError
from wsprites.playground.episode import Episode, View
from wsprites.recording import Recording
from wsprites.render import Background
from wsprites.view import session as drawing

MAX_FRAMES = 10_000
"""Frames of all episodes that a file can have."""
Kind = Literal["gif", "mp4", "h5"]
_BACKGROUNDS: dict[View, Background] = {"true": "moving", "still": "frozen", "blank": "blank", "character": "moving"}


@dataclass(frozen=True)
class SavedFile:
    """A file for a page to keep."""

    name: str
    content: bytes
    notes: tuple[str, ...] = ()
    """What is not in the file, in words."""


def save(world: World, seed: int, episodes: Sequence[Episode], kind: Kind, *, pace: int, scripted: bool) -> SavedFile:
    """Write a file.

    Args:
        world: the world of the episodes.
        seed: seed of the data set whose clips they begin like.
        episodes: all episodes of a page, the present one last.
        kind: "gif" or "mp4" of the present episode, as it is shown, or "h5" of all, as the world is.
        pace: frames a second of a GIF and an MP4.
        scripted: whether some actions were those of the clips themselves.

    Raises:
        UserError: no step was done, too many were, or a part that is needed is not installed.
    """
    shown = episodes[-1]
    count = sum(episode.now.step + 1 for episode in (episodes if kind == "h5" else (shown,)))
    if count > MAX_FRAMES:
        raise UserError(f"{count:,} frames, more than the {MAX_FRAMES:,} of a file; save more often, and load the page again to begin anew")
    policy = "human, and the actions of the clips" if scripted else "human"
    recording = Recording(world, policy=policy, date=date.today().isoformat(), seed=seed)
    if kind == "h5":
        for episode in episodes:
            if episode.now.step:
                recording.append(episode.done)
        return SavedFile("wsprites-recording.h5", recording.hdf5(), recording.left_out())
    recording.append(shown.done)
    other = shown.character if shown.view == "character" else None
    view = drawing.View(background=_BACKGROUNDS[shown.view], character=other)
    content = recording.gif(fps=pace, view=view) if kind == "gif" else recording.mp4(fps=pace, view=view)
    return SavedFile(f"wsprites-clip-{shown.clip}.{kind}", content)
