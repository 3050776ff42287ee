"""Models for the tests: one that knows everything, from the pixels alone, and one that knows nothing."""

import hashlib

import numpy as np

from wsprites.bench import data as data_module
from wsprites.bench.data import Data
from wsprites.bench.rollouts import puppet, start_of

CLIPS = 6
"""Clips that are scored in most tests; 12 of val are fitted on."""


class Seer:
    """Recognises clips by their pixels and returns the truth; its rollout is the world itself."""

    codes = 9

    def __init__(self, data: Data) -> None:
        self._known = {}
        for part in (data.fit, data.scored):
            for n in range(len(part)):
                self._known[self._key(part.clip(n).frames_thwc)] = part, n
        begin = [start_of(data.scored, n) for n in range(len(data.scored))]
        self._starts = {self._key(start.frames_thwc[start.t]): start for start in begin}
        for start in self._starts.values():
            self._known[self._key(start.frames_thwc)] = data.scored, int(np.flatnonzero(data.scored.script.index == start.script.index)[0])
        self._part = data.scored

    @staticmethod
    def _key(pixels: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(pixels).data).digest()

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        clips = [self._known.get(self._key(clip.transpose(0, 2, 3, 1)), (self._part, 0)) for clip in frames]
        return {
            "codes": np.stack([part.script.local_action[n, 1:] for part, n in clips]).astype(np.int32),
            "vectors": np.stack([np.eye(9)[part.script.local_action[n, 1:]] for part, n in clips]),
            "shift": np.stack([part.script.shift[n, 1:] for part, n in clips]),
            "background_shift": np.stack([part.script.background_shift[n, 1:] for part, n in clips]),
            "masks": np.stack([part.clip(n).masks_thw for part, n in clips]),
        }

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        starts = [self._starts[self._key(frame.transpose(1, 2, 0))] for frame in first]
        ways = zip(starts, actions, shifts, strict=True)
        return np.stack([self._part.render(puppet(self._part, *way)).frames_thwc for way in ways]).transpose(0, 1, 4, 2, 3)


class Quiet(Seer):
    """Infers codes and shifts only, which spares the probes of vectors."""

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array for name, array in super().infer(frames).items() if name in ("codes", "shift")}


class Guesser:
    """Predicts at random and repeats the first frame."""

    def __init__(self) -> None:
        self._rng = np.random.default_rng(0)

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        shape = len(frames), frames.shape[1] - 1
        return {"codes": self._rng.integers(0, 6, shape), "vectors": self._rng.normal(size=(*shape, 16))}

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        return np.repeat(first[:, None], actions.shape[1], 1)


def predictions(few: Data, **changes: np.ndarray) -> dict[str, np.ndarray]:
    """The arrays of a predictions file that is right about codes and shifts, with some of them replaced."""
    arrays = {"data": np.array(f"{few.name}@{few.sha256[:16]}")}
    for part in (few.fit, few.scored):
        arrays[f"{part.name}/codes"] = part.script.local_action[:, 1:].astype(int)
        arrays[f"{part.name}/shift"] = part.script.shift[:, 1:].astype(np.float32)
    return {**arrays, **changes}


def seer() -> Seer:
    return Seer(data_module.standard("wsprites-paper-v1", clips=CLIPS))


def quiet() -> Quiet:
    return Quiet(data_module.standard("wsprites-paper-v1", clips=CLIPS))


def guesser() -> Guesser:
    return Guesser()


class _Fails:
    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {"vectors": np.full((len(frames), frames.shape[1] - 1, 1), np.nan)}


def fails() -> _Fails:
    return _Fails()
