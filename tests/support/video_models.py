"""Models for tests with videos of a square that moves, which they find by its colour."""

import numpy as np

FRAMES, HEIGHT, WIDTH, SIDE = 20, 32, 40, 6
MOVES = np.array([(0, 0), (-2, 0), (2, 0), (0, -2), (0, 2)])


def draw(x: int, y: int) -> np.ndarray:
    """A white square on a gradient."""
    frame = np.broadcast_to(np.arange(WIDTH, dtype=np.uint8)[:, None] * 3, (HEIGHT, WIDTH, 3)).copy()
    frame[y : y + SIDE, x : x + SIDE] = 255
    return frame


class Tracker:
    """Finds the square in each frame, and draws it where its codes lead."""

    codes = 6  # one is never used

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        white = frames.min(2) == 255
        place = np.stack([white.any(2).argmax(2), white.any(3).argmax(2)], -1)  # (B, T, 2)
        shift = np.diff(place, axis=1)
        codes = (shift[..., None, :] == MOVES).all(-1).argmax(-1)
        return {"codes": codes, "vectors": shift.astype(float), "shift": shift, "masks": white}

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        white = first.min(1) == 255
        place = np.stack([white.any(1).argmax(1), white.any(2).argmax(1)], -1)
        path = (place[:, None] + shifts.cumsum(1)).round().astype(int).clip(0, (WIDTH - SIDE, HEIGHT - SIDE))
        return np.stack([[draw(*at) for at in clip] for clip in path]).transpose(0, 1, 4, 2, 3)


class Coder:
    """One code, or codes only, and no rollout."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        return {name: array for name, array in Tracker().infer(frames).items() if name in self._names}


class Still(Coder):
    """Repeats the first frame."""

    def rollout(self, first: np.ndarray, actions: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        return np.repeat(first[:, None], actions.shape[1], 1)


def tracker() -> Tracker:
    return Tracker()


def vectors() -> Coder:
    return Coder("vectors")


def codes() -> Coder:
    return Coder("codes")
