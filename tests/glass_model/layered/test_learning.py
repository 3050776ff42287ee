"""Layered finds what moves, without labels."""

from collections.abc import Iterator

import torch
from small_layered import SMALL

from glass_model.layered import system as module
from glass_model.layered.config import PRESETS
from glass_model.training.device import Setup

STEPS, BATCH = 60, 8


def videos(seed: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """(B, 2, 3, 32, 48) uint8 and the masks of frame 0: a green and red figure on a scene in shades of blue; both move, by themselves."""
    draw = torch.Generator().manual_seed(seed)
    rows, columns = torch.meshgrid(torch.arange(32), torch.arange(48), indexing="ij")
    while True:
        frames, masks = torch.zeros(BATCH, 2, 3, 32, 48, dtype=torch.uint8), torch.zeros(BATCH, 32, 48)
        scene = torch.randint(0, 120, (BATCH, 36, 52), dtype=torch.uint8, generator=draw)
        at = torch.randint(4, 18, (BATCH, 2), generator=draw)
        step, drift = torch.randint(-3, 4, (BATCH, 2), generator=draw), torch.randint(-2, 3, (BATCH, 2), generator=draw)
        for b in range(BATCH):
            for t in range(2):
                y, x = (at[b] + t * step[b]).tolist()
                dy, dx = (2 - t * drift[b]).tolist()
                frames[b, t, 2] = scene[b, dy : dy + 32, dx : dx + 48]
                inside = (rows >= y) & (rows < y + 9) & (columns >= 2 * x) & (columns < 2 * x + 7)
                frames[b, t, :, inside] = torch.tensor([200, 40, 0], dtype=torch.uint8)[:, None]
                frames[b, t, :, inside & ((rows + columns - y - 2 * x) % 3 == 0)] = torch.tensor([30, 220, 0], dtype=torch.uint8)[:, None]
                if not t:
                    masks[b, inside] = 1
        yield frames, masks


def test_masks_are_found() -> None:
    """Of videos that were not learned from. A mask that is everything has an IoU of 0.04."""
    torch.manual_seed(0)
    changes = {"mask_channels": 4, "paste": True, "mask_bias": -2.0}
    train = {"steps": STEPS, "batch": BATCH, "stage": STEPS, "rate": 3e-3}
    system = module.system(PRESETS["tiny"].override(model=SMALL | changes, train=train), Setup(torch.device("cpu")))
    batches = videos(0)
    for step in range(STEPS):
        for turn in system.turns(next(batches)[0], step):
            turn.optimizer.zero_grad()
            turn.loss.backward()  # type: ignore[no-untyped-call]
            turn.optimizer.step()
    frames, masks = next(videos(1))
    reading = system.network.eval().infer(frames)
    assert reading.masks is not None
    found = reading.masks[:, 0]
    iou = torch.minimum(found, masks).sum((1, 2)) / torch.maximum(found, masks).sum((1, 2))
    assert iou.mean() > 0.5, iou
