"""Data in ten lines: generate a file, read a transition with its labels, and regenerate a clip from its labels."""

from pathlib import Path

import numpy as np

import wsprites
from wsprites.art import load_world
from wsprites.generate import Order, generate
from wsprites.world.actions import GlobalAction, LocalAction

generate(Order(load_world("factorial"), seed=0, n=20), Path("factorial.h5"), resume=True)
with wsprites.open("factorial.h5") as data:
    clips = data["train"]
    before, after = clips["frames"][0, 10:12]  # (96, 128, 3) uint8 each
    walk, pose = GlobalAction(clips["global_action"][0, 11]), LocalAction(clips["local_action"][0, 11])
    print(f"from frame 10 to 11 the character's step is '{walk.name}' and it shows '{pose.name}'; its shift is {clips['shift'][0, 11]} px")
    print(f"{np.mean(before != after):.0%} of the values of the pixels change")
    assert np.array_equal(clips["frames"][0], clips.render(0).frames_thwc), "labels determine every pixel"
