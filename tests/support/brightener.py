"""A model that takes any parts of an action, each of which makes the picture brighter by a known number of grey levels."""

import torch
from torch import Tensor, nn

from glass_model.systems import Action, Controls, Reading, check_frames

DOUBLES = {
    "vectors": Controls(vectors=1),
    "codes": Controls(codes=3),
    "codes and vectors": Controls(codes=3, vectors=1),
    "shifts": Controls(shift=True, background_shift=True),
    "scene": Controls(background_shift=True),
    "masks": Controls(masks=True),
    "vectors and shift": Controls(vectors=1, shift=True),
}
"""Models of several kinds: of latent vectors, of codes, of codes that vectors vary, of motion, of masks, of parts and motion."""


class Brightener(nn.Module):
    """Grey levels that a step adds: 10 for each code, the vector itself, x + y of each shift, 20 inside the mask.

    It reads what would make a clip as much brighter as it becomes; as a code, a multiple of 10.
    """

    def __init__(self, controls: Controls) -> None:
        super().__init__()
        self.controls = controls

    def infer(self, frames: Tensor) -> Reading:
        """Whatever `step` takes."""
        check_frames(frames, video=True)
        grey = frames.float() if frames.dtype == torch.uint8 else (frames.float() + 1) * 127.5
        brighter = grey.mean((2, 3, 4)).diff(dim=1)
        parts = {
            "codes": (brighter / 10).round().long().clamp(0, max(self.controls.codes - 1, 0)),
            "vectors": brighter[..., None],
            "shift": torch.stack([brighter, torch.zeros_like(brighter)], -1),
            "background_shift": torch.stack([torch.zeros_like(brighter), brighter], -1),
            "masks": (grey.mean(2) > 100).float(),
        }
        return Reading(**{name: part for name, part in parts.items() if getattr(self.controls, name)})

    def start(self, frame: Tensor) -> Tensor:
        """The state is the frame in grey levels."""
        check_frames(frame, video=False)
        return frame.float() if frame.dtype == torch.uint8 else (frame.float() + 1) * 127.5

    def step(self, state: Tensor, action: Action) -> tuple[Tensor, Tensor]:
        """Add the grey levels of all parts."""
        self.controls.check(action, (len(state), *state.shape[-2:]))
        added = torch.zeros_like(state)
        if action.codes is not None:
            added = added + 10 * action.codes[:, None, None, None]
        for part in (action.vectors, action.shift, action.background_shift):
            if part is not None:
                added = added + part.sum(1)[:, None, None, None]
        if action.masks is not None:
            added = added + 20 * action.masks[:, None]
        return (state + added) / 127.5 - 1, state + added
