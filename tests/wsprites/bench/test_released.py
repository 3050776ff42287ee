"""The evaluation released with GLASS."""

import hashlib

import numpy as np
import pytest

from wsprites.bench import data, released
from wsprites.world.script import scripts
from wsprites.world.spec import PRESETS


def test_the_released_protocol_and_its_units(few: data.Data):
    world = few.scored.art.world(PRESETS["released"])
    part = data.Part("test", world, scripts(world.spec, 0, np.arange(400)))
    truth, who = released.truth(part), part.script.character
    perfect = released.figures(truth, truth, who) | released.as_released(truth, truth)
    zero = released.as_released(truth, {"shift": truth["shift"] * 0})
    assert perfect["shift norm, px"] == 0 and perfect["shift angle match"] == 1 and perfect["global NMI"] == pytest.approx(1)
    assert perfect["shift norm as released"] == pytest.approx(3.80, abs=0.1) and zero["shift norm as released"] == pytest.approx(
        0.17, abs=0.01
    )
    random = released.figures(truth, {"codes": np.random.default_rng(0).integers(0, 6, truth["codes"].shape)}, who)
    assert random["global NMI"] < 0.01 < random["local NMI"]


class Scribbler:
    """Knows windows by their pixels, and writes its actions into a corner of what it generates, where it finds them again."""

    def __init__(self, part: data.Part, *, right: bool) -> None:
        truth, clips = released.truth(part), [part.clip(n) for n in range(len(part))]
        labels, masks = [truth["codes"], truth["shift"]], [clip.masks_thw for clip in clips]
        if not right:
            labels = [np.random.default_rng(0).permutation(array.ravel()).reshape(array.shape) for array in labels]
        self._known = {
            self._key(clip.frames_thwc[at]): (labels[0][n, at : at + 11], labels[1][n, at : at + 11], masks[n][at : at + 12])
            for n, clip in enumerate(clips)
            for at in range(0, 84, 12)
        }

    @staticmethod
    def _key(frame_hwc: np.ndarray) -> bytes:
        return hashlib.sha256(np.ascontiguousarray(frame_hwc).data).digest()

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        corner = frames[:, 1:, 0, 0].astype(int)
        if (corner[..., 3] == 77).all():
            return {"codes": corner[..., 0], "shift": corner[..., 1:3] - 20, "masks": np.zeros(frames.shape[:2] + frames.shape[3:])}
        found = [self._known[self._key(clip[0].transpose(1, 2, 0))] for clip in frames]
        return {name: np.stack(of) for name, of in zip(("codes", "shift", "masks"), zip(*found, strict=True), strict=True)}

    def rollout(self, first: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        assert shifts is not None
        video = np.repeat(first[:, None], codes.shape[1], 1)
        video[:, :, 0, 0, 0], video[:, :, 0, 0, 3] = codes, 77
        video[:, :, 0, 0, 1:3] = shifts + 20
        return video


def test_a_model_that_agrees_with_itself_need_not_be_right(few: data.Data):
    right, wrong = (released.generated(Scribbler(few.scored, right=right), few.scored) for right in (True, False))
    for who in (right["RE"], right["CO"], wrong["CO"]):
        assert who["global NMI"] == pytest.approx(1) and who["shift norm, px"] == 0 and who["shift angle match"] == 1
    assert wrong["RE"]["global NMI"] < 0.05 and wrong["RE"]["shift norm, px"] > 1
    assert right["RE"]["masks soft IoU"] == 0 and "background_shift norm, px" not in right["RE"]


class Blackens:
    """Generates black frames, sees an empty mask in these, and in true frames the true masks, or empty ones as well."""

    def __init__(self, part: data.Part, *, perfect: bool) -> None:
        clips = [part.clip(n) for n in range(len(part))] if perfect else []
        self._mask = {frame.tobytes(): mask for clip in clips for frame, mask in zip(clip.frames_thwc, clip.masks_thw, strict=True)}

    def infer(self, frames: np.ndarray) -> dict[str, np.ndarray]:
        rows = frames.transpose(0, 1, 3, 4, 2).reshape(-1, *frames.shape[3:], 3)
        masks = [self._mask.get(np.ascontiguousarray(frame).tobytes(), np.zeros(frame.shape[:2], bool)) for frame in rows]
        codes = np.zeros((len(frames), frames.shape[1] - 1), int)
        return {"codes": codes, "masks": np.stack(masks).reshape(*frames.shape[:2], *frames.shape[3:])}

    def rollout(self, first: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
        return np.zeros((*codes.shape, *first.shape[-3:]), np.uint8)


def test_masks_of_generated_frames_are_compared_with_the_truth_and_with_the_masks_of_true_frames(few: data.Data):
    """Of a window, frame 0 is the true one; the others are black."""
    perfect, empty = (released.generated(Blackens(few.scored, perfect=perfect), few.scored) for perfect in (True, False))
    assert perfect["RE"]["masks soft IoU"] == perfect["CO"]["masks soft IoU"] == pytest.approx(1 / 12)
    assert empty["RE"]["masks soft IoU"] == 0 and empty["CO"]["masks soft IoU"] == 1


def test_a_model_gets_the_true_frames_before_each_window(few: data.Data):
    """Of every window but the first, whose first frame is repeated."""
    asked = []

    class Remembers(Scribbler):
        context = 3

        def rollout(self, first: np.ndarray, codes: np.ndarray, shifts: np.ndarray | None) -> np.ndarray:
            asked.append(first)
            return super().rollout(first[:, -1], codes, shifts)

    released.generated(Remembers(few.scored, right=True), few.scored)
    true = few.scored.clip(0).frames_thwc.transpose(0, 3, 1, 2)
    assert np.array_equal(asked[0][0], true[[0, 0, 0]])
    assert np.array_equal(asked[0][1], true[10:13]) and np.array_equal(asked[0][6], true[70:73])
