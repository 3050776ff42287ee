"""Models that take the true actions: `python true_actions.py` scores the best one, the world itself, and one that ignores them."""

import argparse

import numpy as np

from wsprites.bench import evaluate
from wsprites.bench.data import Data, standard
from wsprites.bench.rollouts import puppet, start_of, starts


class World:
    """Draws what the world's rules say, after the frame that it is shown: a model that is perfect."""

    rollout_actions = "true"  # rollouts get true actions, and not what `infer` returns

    def __init__(self, data: Data):
        part = data.scored
        self.starts = {start.frame_hwc.tobytes(): start for start in (start_of(part, 0), *starts(part))}

    def infer(self, frames):
        return {}  # a model of the next frame infers no actions

    def rollout(self, first_frame, actions, shifts):
        """Frames (B, S, 3, H, W) from (B, 3, H, W), actions (B, S, 3): global, local, that of the scene; and shifts (B, S, 2) in pixels."""
        videos = []
        for frame, action, shift in zip(first_frame.transpose(0, 2, 3, 1), actions, shifts, strict=True):
            start = self.starts[frame.tobytes()]
            videos.append(start.part.render(puppet(start.part, start, action[:, 1], shift)).frames_thwc)
        return np.stack(videos).transpose(0, 1, 4, 2, 3)


class Still:
    """Ignores the actions."""

    rollout_actions = "true"

    def infer(self, frames):
        return {}

    def rollout(self, first_frame, actions, shifts):
        return np.repeat(first_frame[:, None], actions.shape[1], 1)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2, help="test clips to start from, up to 5 times each; 50 take some minutes")
    parser.add_argument("--data", default="wsprites-factorial-v1")
    arguments = parser.parse_args()
    for model in (World(standard(arguments.data, clips=arguments.clips)), Still()):
        file = evaluate(model, data=arguments.data, clips=arguments.clips)
        shown = ", ".join(f"{name} {file.value(name):.2f}" for name in ("control.faithful", "drift.position.16", "transfer.local.4"))
        print(f"{file.model}: {shown} ({file.settings.rollout_actions} actions)")
