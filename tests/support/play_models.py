"""Models for the playground that compute in no time: what they generate and read is known exactly."""

import numpy as np

from wsprites.playground.models import Takes


class Brighter:
    """Adds 10 grey levels for each code, and the sum of the character's shift. Reads code t % 3 at transition t, and no motion."""

    codes = 3

    def __init__(self) -> None:
        self.controls = Takes(codes=3, shift=True)

    def infer(self, frames_btchw):
        clips, frames = frames_btchw.shape[:2]
        codes = np.tile(np.arange(frames - 1) % 3, (clips, 1))
        return {"codes": codes, "shift": np.zeros((clips, frames - 1, 2))}

    def start(self, frame_bchw):
        return frame_bchw.astype(np.int64)

    def step(self, state, parts):
        added = 10 * parts["codes"] + parts["shift"].sum(1).astype(np.int64)
        after = state + added[:, None, None, None]
        return after.clip(0, 255).astype(np.uint8), after


class Raises(Brighter):
    """Raises in every step with code 2."""

    def step(self, state, parts):
        if (parts["codes"] == 2).any() and len(parts["codes"]) == 1:
            raise RuntimeError("no such thought")
        return super().step(state, parts)


class Rollouts:
    """Is played by rollouts of vectors: brighter by the vector's number."""

    def infer(self, frames_btchw):
        brightness = frames_btchw.astype(float).mean((2, 3, 4))
        return {"vectors": np.diff(brightness)[..., None].astype(np.float32)}

    def rollout(self, first_frame_bchw, actions, shifts_bs2):
        assert shifts_bs2 is None
        added = np.cumsum(actions.sum(-1), 1)[..., None, None, None]
        return (first_frame_bchw[:, None] + added).clip(0, 255).astype(np.uint8)


class Reads(Brighter):
    """Only reads."""

    start = step = None  # type: ignore[assignment]

    def __init__(self) -> None:
        self.controls = None


class Blocked(Brighter):
    """Waits in every step until `go` is set."""

    def __init__(self) -> None:
        import threading

        super().__init__()
        self.go = threading.Event()

    def step(self, state, parts):
        self.go.wait()
        return super().step(state, parts)
