"""Models for the playground that compute in no time: what they generate and read is known exactly."""

import threading
from typing import Any

import numpy as np

from wsprites.playground.models import Takes


class Reads:
    """Reads code t % 3 at transition t, and no motion; it generates nothing."""

    codes = 3

    def infer(self, frames_btchw: np.ndarray) -> dict[str, np.ndarray]:
        clips, frames = frames_btchw.shape[:2]
        codes = np.tile(np.arange(frames - 1) % 3, (clips, 1))
        return {"codes": codes, "shift": np.zeros((clips, frames - 1, 2))}


class Brighter(Reads):
    """Adds 10 grey levels for each code, and the sum of the character's shift."""

    controls = Takes(codes=3, shift=True)

    def start(self, frame_bchw: np.ndarray) -> np.ndarray:
        return frame_bchw.astype(np.int64)

    def step(self, state: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        added = 10 * parts["codes"] + parts["shift"].sum(1).astype(np.int64)
        after = state + added[:, None, None, None]
        return after.clip(0, 255).astype(np.uint8), after


class Masks(Reads):
    """Shows the mask that it gets, in white, and reads a bright part of a frame as its mask; keeps what it was given."""

    controls = Takes(codes=3, shift=True, background_shift=True, masks=True)

    def __init__(self) -> None:
        self.given: list[dict[str, np.ndarray]] = []

    def infer(self, frames_btchw: np.ndarray) -> dict[str, np.ndarray]:
        return super().infer(frames_btchw) | {"masks": (frames_btchw.min(2) > 200).astype(np.float32)}

    def start(self, frame_bchw: np.ndarray) -> int:
        return 0

    def step(self, state: int, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, int]:
        self.given.append(parts)
        if "masks" not in parts:
            return np.zeros((len(parts["codes"]), 3, 96, 128), np.uint8), state
        return np.repeat(255 * parts["masks"].astype(np.uint8)[:, None], 3, 1), state


class Follows:
    """Adds its vector, of size 1, to the brightness of a frame; follows the brightness of a video, in the mode "darker" halved."""

    controls = Takes(vectors=1)
    modes = ("same", "darker", "none")

    def infer(self, frames_btchw: np.ndarray) -> dict[str, np.ndarray]:
        return {"vectors": np.zeros((*frames_btchw[:, 1:].shape[:2], 1), np.float32)}

    def drive(self, frame_bchw: np.ndarray, driving_btchw: np.ndarray, mode: str) -> np.ndarray:
        if mode == "none":
            raise RuntimeError("not learned")
        wanted = driving_btchw.mean((2, 3, 4)) / (2 if mode == "darker" else 1)
        return np.diff(np.concatenate([frame_bchw.mean((1, 2, 3))[:, None], wanted], 1))[..., None].astype(np.float32)

    def start(self, frame_bchw: np.ndarray) -> np.ndarray:
        return frame_bchw.astype(float)

    def step(self, state: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        after = state + parts["vectors"][..., None, None]
        return after.round().clip(0, 255).astype(np.uint8), after


class Raises(Brighter):
    """Raises in every step with code 2, but for those of several videos, in which its codes are shown."""

    def step(self, state: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        if len(state) == 1 and parts["codes"][0] == 2:
            raise RuntimeError("no such thought")
        return super().step(state, parts)


class Rollouts:
    """Is played by rollouts of vectors of size 1: brighter by their number, which is also what it reads."""

    def infer(self, frames_btchw: np.ndarray) -> dict[str, np.ndarray]:
        brightness = frames_btchw.astype(float).mean((2, 3, 4))
        return {"vectors": np.diff(brightness)[..., None].astype(np.float32)}

    def rollout(self, first_frame_bchw: np.ndarray, actions: np.ndarray, shifts_bs2: Any) -> np.ndarray:
        assert shifts_bs2 is None
        added = np.cumsum(actions.sum(-1), 1)[..., None, None, None]
        return (first_frame_bchw[:, None] + added).clip(0, 255).astype(np.uint8)


class Blocked(Brighter):
    """Waits in every step until `go` is set."""

    def __init__(self) -> None:
        self.go = threading.Event()

    def step(self, state: np.ndarray, parts: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        self.go.wait()
        return super().step(state, parts)
