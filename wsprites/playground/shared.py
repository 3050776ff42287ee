"""What all sessions share: the world, the models, what their codes stand for, and the thread for files."""

import asyncio
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np

from wsprites.art import World
from wsprites.errors import ArgumentError
from wsprites.playground import meanings
from wsprites.playground.episode import VIEWS, Episode
from wsprites.playground.meanings import Meanings
from wsprites.playground.models import Player
from wsprites.playground.worker import Worker, problem_line
from wsprites.world.actions import GlobalAction, LocalAction
from wsprites.world.script import casting
from wsprites.world.spec import SPLITS

_CLIPS = 10_000  # clips that an episode may begin like: numbers that people can type


@dataclass(eq=False)
class Known:
    """What has been found out about a model."""

    meanings: Meanings | None = None
    loops: list[str] = field(default_factory=list)
    """What each code does, as data addresses of pictures."""
    problem: str = ""
    """Why it could not be found out."""


class Playground:
    """The world and the models that pages are connected to.

    Args:
        world: the world.
        players: the models.
        seed: seed of the data set whose clips the episodes begin like.
        split: "train", "val" or "test" for the characters of that split; empty for all.
        most_sessions: pages that may be connected at once.
        idle: seconds without a message after which a page is disconnected.

    Raises:
        ArgumentError: an impossible seed, or a split without characters.
    """

    def __init__(
        self, world: World, players: list[Player], *, seed: int = 0, split: str = "test", most_sessions: int = 64, idle: float = 900.0
    ) -> None:
        self.world, self.players, self.seed = world, players, seed
        self.most_sessions, self.idle = most_sessions, idle
        split_c = casting(world.spec, seed).split
        members = np.arange(len(split_c)) if not split else np.flatnonzero(split_c == SPLITS.index(split))
        if not len(members):
            raise ArgumentError("split", f"this world has no characters in {split}")
        rounds = max(_CLIPS // len(split_c), 1)
        self._clips = (members[None] + len(split_c) * np.arange(rounds)[:, None]).ravel()
        self.known = [Known() for _ in players]
        self.files = Worker("files")
        """Decodes uploads and writes files, one after the other."""
        self.sessions = 0
        """Number of pages that are connected."""
        self._listeners: set[Callable[[int], None]] = set()

    @property
    def size(self) -> tuple[int, int]:
        """(height, width) of the frames."""
        return self.world.spec.height, self.world.spec.width

    def episode(self, clip: int | None) -> Episode:
        """An episode that begins like a clip; None: like any clip of the split."""
        return Episode(self.world, self.seed, int(secrets.choice(self._clips)) if clip is None else clip)

    def listen(self, listener: Callable[[int], None]) -> Callable[[], None]:
        """Call a function with the number of each model that something has been found out about; returns what ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def learn(self) -> None:
        """Find out what the codes of all models do and stand for."""
        await asyncio.gather(*(self._learn(number) for number in range(len(self.players))))

    async def _learn(self, number: int) -> None:
        player, known, spec = self.players[number], self.known[number], self.world.spec

        async def done(call: Callable[..., Any], *args: Any) -> Any:
            return await asyncio.wrap_future(player.submit(partial(call, player, *args)))

        try:
            if player.takes.codes:
                known.loops = await done(meanings.loops, meanings.start_frame(self.world))
                self._tell(number)
            if not player.takes.nothing:
                script = meanings.clips(spec)
                read = [await done(meanings.read_clip, self.world, script[n]) for n in range(len(script.index))]  # others come between
                known.meanings = meanings.collect(player, spec, read)
        except Exception as error:
            known.problem = problem_line(error)
        self._tell(number)

    def _tell(self, number: int) -> None:
        for listener in tuple(self._listeners):
            listener(number)

    def greeting(self) -> dict[str, Any]:
        """What a page is told of the world and its models, as the message `hello` has it."""
        spec = self.world.spec
        world = {
            "name": spec.name,
            "height": spec.height,
            "width": spec.width,
            "facings": spec.facings,
            "coupled": spec.local.coupled,
            "animations": spec.animations,
            "step": spec.sprite.step,
            "scene_moves": spec.background.limit > 0,
        }
        models = [
            {"name": each.name, **vars(each.takes), "sliders": min(each.takes.vectors, meanings.SLIDERS), "modes": each.modes}
            for each in self.players
        ]
        names = {"global_actions": [action.name for action in GlobalAction], "local_actions": [action.name for action in LocalAction]}
        return {"world": world, "models": models, "views": VIEWS, **names}
