"""A short training of GMA: the losses fall, and masks beat those that call everything, or nothing, foreground."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from glass_model.glass.config import PRESETS
from glass_model.training.checkpoint import load
from glass_model.training.config import load_config
from glass_model.training.device import Process
from glass_model.training.loop import train

SETTINGS = (
    *("model.height=24", "model.width=32", "model.mask_channels=4", "model.mask_blocks=0", "model.shift_channels=4"),
    *("model.inpaint_channels=4", "model.local_channels=4", "loss.mask_size=0.08", "train.rate=0.003"),
    *("train.steps=150", "train.alone=150", "train.length_to=2", "train.given_steps=0", "train.batch=10"),
)


def world(number: int, batch: int, length: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Squares that walk by 3 pixels before scenes that move by one: (B, T, 3, 24, 32) uint8 and (B, T, 24, 32) bool."""
    rng = np.random.default_rng(number)
    scenes = F.interpolate(torch.from_numpy(rng.random((batch, 3, 9, 12), np.float32)), (36, 48), mode="bicubic").clamp(0, 1)
    frames, masks = torch.empty(batch, length, 3, 24, 32, dtype=torch.uint8), torch.zeros(batch, length, 24, 32, dtype=torch.bool)
    ways = np.array([(1, 0), (-1, 0), (0, 1), (0, -1)])
    for b in range(batch):
        colour = torch.from_numpy(np.roll([255, 255 * rng.integers(2), 0], rng.integers(3)).astype(np.uint8))
        way, scene_way = ways[rng.integers(4, size=2)]
        start = np.array([12, 8]) + rng.integers(-3, 4, 2)
        for t in range(length):
            x, y = start + 3 * t * way
            u, v = 8 + t * scene_way[0], 6 + t * scene_way[1]
            frames[b, t] = (scenes[b, :, v : v + 24, u : u + 32] * 180 + 30).byte()
            frames[b, t, :, y : y + 8, x : x + 8] = colour[:, None, None]
            masks[b, t, y : y + 8, x : x + 8] = True
    return frames, masks


def soft_iou(mask: torch.Tensor, true: torch.Tensor) -> float:
    both, either = (mask * true).sum((-2, -1)), (1 - (1 - mask) * (1 - true.float())).sum((-2, -1))
    return (both / either).mean().item()


def test_a_short_training_learns(tmp_path: Path) -> None:
    config = load_config(PRESETS, "tiny", SETTINGS)

    def batches(first: int) -> Iterator[torch.Tensor]:
        while True:
            yield world(first, config.train.batch, config.train.window)[0]
            first += 1

    path = train(config, batches, tmp_path, Process(0, 1, torch.device("cpu")))
    lines = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()][1:]
    first, last = lines[0], lines[-1]
    frames, masks = world(10**6, 32, 3)
    ours = soft_iou(load(path).model().infer(frames).masks, masks)
    everything = soft_iou(torch.ones_like(masks, dtype=torch.float32), masks)
    assert last["recb"] < 0.6 * first["recb"]
    assert last["recj"] < 0.9 * first["recj"]
    assert ours > 0.4 > 4 * everything  # nothing as foreground has an IoU of 0
